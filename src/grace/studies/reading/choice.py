"""Reads a choice: one of a few labels, said by its name ("Yes, ...", "I would rate it a 4") or by a sentence.

Every place that names a label is a mention, and what stands around it decides how much it counts: given as the answer,
standing by itself, set apart, or only named. The mentions that count most decide, if they agree.
"""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from grace.errors import StudyError
from grace.studies.reading import CLEAR, DOUBT, EXACT, Answer, Missing, Value, evidence
from grace.studies.reading.languages import BUT, word_of
from grace.studies.reading.mentions import Mention, Mentions
from grace.studies.reading.text import REFUSAL, Text

MOST = 400
"""Mentions that are looked at; a text with more of them is no answer."""
EDGE = 12
"""Characters around a label that stands alone in its line; there are fewer."""
LONGEST_NAME = 6
"""Words behind "1." that may be a name of that label; more are a step of a list."""
ENDING = " .!\"')"
GIVEN, ALONE, APART, NAMED = 4, 3, 2, 1
"""How much a mention counts: given as the answer; alone in its line, or first words with a mark behind; set apart from
its sentence; only named."""
_NOT_AN_ANSWER = re.compile(
    r"(?:\s(?:one|way|doubt|information|info|idea|evidence|matter|more|longer|specific|other|such|indication|mention"
    r"|guarantee|explicit|reason|need|certainty|sign|problem|question|further|additional|direct|definite|definitive"
    r"|statement|of|answers?|after|before|enough)\b|-(?:one|brainer|go)\b|/)"
)
_OPENER = re.compile(
    r"\W*(?:(?:(?:an?|the|eine?|une?|my (?:answer|rating|choice)(?: is)?|it(?:'s| is)|option|rating|score|choice"
    r"|number"
    r"|level|around|about|approximately|roughly|maybe|perhaps|ca|circa|etwa|environ)\b(?!['’-])|(?:well|hmm+|oh|ok(?:ay)?|sure|great|thanks|honestly|certainly|absolutely|definitely"
    r"|in my (?:opinion|view)|personally|probably|final answer|answer|response|knowledge|sorry|also|bueno|pues|eh"
    r"|alors"
    r"|ja,|nun)\b)[\W_]*){0,3}"
)
_FOLLOWS = re.compile(r"[\"'\])}]*+\s*(?:[.,;:!()\n—]|-\s|\Z|/|\|)")
_PRONOUN = re.compile(
    r"\s(?:i|he|she|they|it|we|you|the|this|that|there|these|because|since|as|but|in|based|given|mr|mrs|ms|dr"
    r"|according"
    r"|for|and|so)\b"
)
_ASSENTS = re.compile(r"[\"')\]]*\s*(?:[.,;:!\n]|\Z|(?:with|because|since|as)\b)")
_BECAUSE = re.compile(r"\s(?:because|since|as|weil|da|denn|car|parce|porque|perché|pois|omdat|потому)\b")
_SENTENCE = re.compile(r"[^\W\d_][\"')]*[.!?][\"')]*\s+[\"'(]*\Z")
_CLOSES = re.compile(r"[\"')]*[.!]?[\"')]*\s*\Z")
_SET_APART = re.compile(
    rf"(?:[:=|(→是为即は]|คือ|->|=>|[,;] ?(?:so|then)?|{word_of(BUT)}(?: rather| instead| eher)?)"
    r" ?(?:just|only)?\s*[\"'(\[]*\Z"
)
_COPULA = re.compile(
    r"\b(?:is|was|are|were|seems|sounds|feels|looks) (?:[a-z]+ly |very |quite |rather "
    r"|an? )?[\"']*\Z"
)
_BETWEEN = re.compile(
    r"[\"')\]]*\s*(?:[,;/|&\n-]|(?:or|and|to|through|oder|und|ou|et|o|y|e|или|и|或|和|または|maybe|perhaps|possibly"
    r"|even|an?)(?!\w)|\s)*[\"'(\[]*"
)
_TURN = re.compile(
    r"\n\W*(?:human|user|assistant|question|next question|instruction|q\d*|participant|statement \d+"
    r"|item \d+)\s?\d*\s*:"
    r"|\n#{2,}|<\|"
)
_QUESTION = re.compile(r"[^.!?\n\"]*\"?\?(?=[\s\"')\]]|\Z)")
_ASKED = re.compile(r"[\"')\]*]*\?")
_PREFIX = re.compile(r"^\W*(?:(?:final )?answer|response)\s*:\s*")
_STILL_NAMED = ("", "is cut off", "only asks", evidence.COUNTED)
"""Why a mention may be no answer, and yet one of several side by side."""


class Weighed(NamedTuple):
    """A mention that may be the answer, how much it counts, and whether it is the text's first words."""

    mention: Mention
    weight: int
    exact: bool = False


class ChoiceReader:
    """Finds which label a text says."""

    def __init__(
        self,
        column: str,
        labels: Mapping[str, Sequence[str]],
        phrases: Mapping[str, Sequence[str]],
        unclear: Sequence[str],
        where: str,
        none: str = "",
    ) -> None:
        """Compile the labels' words and phrases; each phrase begins with a whole word, in lower case.

        `none` is the reason where a text says no label. Raises StudyError when a phrase is no regular expression or
        two labels have one word; the message begins with `where`.
        """
        self.columns = (column,)
        self._mentions = Mentions(labels, where)
        self._none = none or f"says none of {', '.join(labels)}"
        self._unclear = _compile(unclear, where)
        self._phrases = {label: _compile(patterns, where) for label, patterns in phrases.items()}

    def read(self, text: Text) -> dict[str, Answer]:
        """The label. Mentions that are answers count before phrases; where phrases disagree, the last one counts."""
        return {self.columns[0]: self._read(text)}

    def _read(self, text: Text) -> Answer:
        own = self._mentions.exactly(text.plain)
        mentions = [] if own else self._mentions.find(text.plain)
        if len(mentions) > 1:
            own = self._mentions.repeated(text.plain, mentions)
        if own is not None and not (text.cut and self._mentions.may_grow(text.plain)):
            return Value(own, EXACT)
        weighed, against = weigh(text, mentions)
        asked = _QUESTION.sub(lambda question: " " * len(question[0]), text.plain) if "?" in text.plain else text.plain
        asked = _PREFIX.sub("", asked) or asked
        statements, unclear = self._statements(asked)
        said = [label for _, _, label in statements]
        if not any(one.weight >= ALONE and one.mention.label in said for one in weighed):
            said = [label for start, end, label in statements if evidence.is_asserted(asked, start, end)]
            unclear = unclear or len(said) < len(statements)
        return decide(text, weighed, said) or Missing("says that it is not known" if unclear else against or self._none)

    def _statements(self, text: str) -> tuple[list[tuple[int, int, str]], bool]:
        """Where phrases say which label, in the order of the text, and whether it says that the answer is not known."""
        taken = [match.span() for match in self._unclear.finditer(text)]
        unclear = bool(taken)
        said: list[tuple[int, int, str]] = []
        for label, pattern in self._phrases.items():
            spans = [match.span() for match in pattern.finditer(text)]
            spans = [span for span in spans if not any(span[0] < end and start < span[1] for start, end in taken)]
            said += [(*span, label) for span in spans]
            taken += spans
        return sorted(said), unclear


def weigh(text: Text, mentions: Sequence[Mention]) -> tuple[list[Weighed], str]:
    """The mentions that may be the answer, and why others are none ("" where there is no other)."""
    if len(mentions) > MOST:
        return [], "names too many labels"
    plain = text.plain
    questions = [match.span() for match in _QUESTION.finditer(plain)] if "?" in plain else []
    begin, opened = 0, _end_of(_OPENER, plain, 0)
    if not (mentions and mentions[0].start == opened):
        for start, end in questions:  # an answer may begin with the question
            begin = end if start >= begin and not plain[begin:start].strip() else begin
        opened = _end_of(_OPENER, plain, begin)
    listed = _listed(plain, mentions)
    denied: dict[int, str] = {}
    weighed: list[Weighed] = []
    for place, mention in enumerate(mentions):
        is_first = mention.start == opened or (
            mention.start >= begin and not plain[begin : mention.start].strip(" \"'([{\n-")
        )
        is_bare = mention.kind in ("number", "letter", "figure")
        if text.cut and mention.end >= len(plain.rstrip()):
            denied[place] = "is cut off"
            continue
        if place in listed and (listed[place] or (text.cut and is_bare)):
            denied[place] = "names labels in a list"
            continue
        weight, exact = _weight(text, mention, is_first)
        first_words = exact and weight == ALONE and not (is_bare and evidence.is_denied_behind(plain, mention.end))
        against = "" if first_words else evidence.why_not(plain, mention.start, mention.end)
        is_asked = any(start <= mention.start < end for start, end in questions)
        if is_asked and not (is_first and exact and not _ASKED.match(plain, mention.end)):
            against = "only asks"
        if against == evidence.COUNTED and evidence.CUE_BEHIND.match(plain, mention.end):
            against = ""  # "sentence 2 is better"
        if against:
            denied[place] = against
            continue
        if place in listed and is_bare:  # "3. So-so", or the only step of a list
            exact, weight = False, _of_one_step(plain, mention, weight, is_first)
        weighed.append(Weighed(mention, weight, exact))
    kept = [one for one in weighed if not _is_alternative(plain, mentions, denied, one.mention)]
    reason = "names a range or several answers" if len(kept) < len(weighed) else next(iter(denied.values()), "")
    fit = [one for one in kept if one.mention.label is not None and not one.mention.odd]
    unfit = [one.mention for one in kept if one not in fit and one.weight >= ALONE]
    if unfit and not any(one.weight >= ALONE for one in fit):
        return [], unfit[0].odd or f"says {unfit[0].words.strip()}, which is none of the answers"
    return fit, reason


def _end_of(pattern: re.Pattern[str], text: str, start: int) -> int:
    match = pattern.match(text, start)
    return match.end() if match else start


def _weight(text: Text, mention: Mention, is_first: bool) -> tuple[int, bool]:
    """How much a mention counts, and whether it is the text's first words."""
    plain, start, end = text.plain, mention.start, mention.end
    around = plain[max(0, start - EDGE) : start].split("\n")[-1] + plain[end : end + EDGE].split("\n")[0]
    if len(around) < EDGE and not any(map(str.isalnum, around)):
        return ALONE, is_first
    follows = bool(_FOLLOWS.match(plain, end))
    if _SENTENCE.search(plain, max(0, start - EDGE), start) and _CLOSES.match(plain, end):
        return ALONE, False
    is_pronoun = mention.words == "i" and plain[end : end + 1] == ","  # "I, for one, ..."
    if is_first and follows and not (is_pronoun or _NOT_AN_ANSWER.match(plain, end)):
        return (NAMED, False) if REFUSAL.search(plain, end, end + 80) else (ALONE, True)
    unit = evidence.UNITS.match(plain, end) if mention.kind != "word" else None
    # "one" is a number only where it stands by itself
    ends = bool(evidence.ENDS.match(plain, end)) if mention.kind != "spelled" else follows or bool(unit)
    before = plain[max(0, start - evidence.BEFORE) : start]
    named = mention.kind in ("word", "both")
    if (ends or named or mention.kind == "figure") and evidence.CUE.search(before):
        return (GIVEN, is_first) if not named or ends or " " in mention.words else (NAMED, False)
    if is_first and not named and _BECAUSE.match(plain, end):
        return ALONE, True
    if is_first and (mention.kind == "both" or (unit and _FOLLOWS.match(plain, unit.end()))):
        return ALONE, True
    if named and _ASSENTS.match(plain, end) and evidence.ASSENT.search(before):
        return GIVEN, is_first
    if evidence.CUE_BEHIND.match(plain, end) or (not named and evidence.NUMBER_BEHIND.match(plain, end)):
        return GIVEN, False
    if is_first and named and _PRONOUN.match(plain, end) and not REFUSAL.search(plain, end, end + 80):
        return ALONE, True
    return (APART if mention.kind != "spelled" and _is_apart(text, mention, before, ends, follows) else NAMED), False


def _is_apart(text: Text, mention: Mention, before: str, ends: bool, follows: bool) -> bool:
    """Whether a mention is set apart by markup or marks, or is what a sentence says of something."""
    named = mention.kind in ("word", "both")
    if mention.kind == "amount" or (named and " " in mention.words) or (mention.kind == "both" and ends):
        return True
    if any(_is_named(mention.words.strip(), words) for words in text.apart) or (ends and evidence.WOULD.search(before)):
        return True
    return follows and bool(_SET_APART.search(before[-20:]) or (named and _COPULA.search(before[-20:])))


def _is_named(label: str, words: str) -> bool:
    """Whether some words are a label, or name it as "option B" does."""
    return words.endswith(label) and evidence.ARTICLES.fullmatch(words, 0, len(words) - len(label)) is not None


def _of_one_step(text: str, mention: Mention, weight: int, is_first: bool) -> int:
    """How much a mention counts that is written as a list's marker is."""
    line = text[mention.end : mention.end + 200].split("\n")[0]
    if not is_first or (mention.words in ("1", "a") and len(line.split()) > LONGEST_NAME):
        return weight if weight == GIVEN else NAMED
    return max(weight, ALONE)


def _listed(text: str, mentions: Sequence[Mention]) -> dict[int, bool]:
    """The mentions that look like markers of a list or explain a scale ("1. ...", "5 = always"); whether several do."""
    marks: dict[int, str] = {}
    for place, mention in enumerate(mentions):
        behind = evidence.MARKER.match(text, mention.end) or evidence.EXPLAINS.match(text, mention.end)
        if mention.kind in ("spelled", "amount") or behind is None or not _has_words(text, behind.end()):
            continue
        head = text[max(0, mention.start - EDGE) : mention.start]
        if evidence.STEP.search(head) or behind[0].strip(" .:)]-"):
            marks[place] = mention.words
    if len(set(marks.values())) > 1:
        return dict.fromkeys(marks, True)
    return {place: False for place in marks if evidence.MARKER.match(text, mentions[place].end)}


def _has_words(text: str, start: int) -> bool:
    """Whether the line goes on behind a place."""
    return bool(text[start : start + 20].split("\n")[0].strip())


def _is_alternative(text: str, mentions: Sequence[Mention], denied: Mapping[int, str], one: Mention) -> bool:
    """Whether a mention is one of several side by side, as in "3 or 4" and "4, 5, 2"."""
    place = mentions.index(one)
    for other in (place - 1, place + 1):
        if not 0 <= other < len(mentions) or denied.get(other, "") not in _STILL_NAMED:
            continue
        first, second = sorted((mentions[other], one), key=lambda mention: mention.start)
        is_near = first.label != second.label and second.start - first.end < 20
        if is_near and _BETWEEN.fullmatch(text, first.end, second.start):
            return True
    return False


def decide(text: Text, weighed: Sequence[Weighed], said: Sequence[str] = ()) -> Answer | None:
    """The label that the mentions of most weight agree on, else what phrases say; None where there is nothing."""
    strong = [one for one in weighed if one.weight >= ALONE]
    turn = _TURN.search(text.plain, strong[0].mention.end) if strong and strong[0].exact else None
    if turn:  # the answer goes on with a conversation of its own
        weighed = [one for one in weighed if one.mention.start < turn.start()]
        strong = [one for one in strong if one.mention.start < turn.start()]
    if strong:
        return _settled(text.plain, strong, weighed, said)
    if said:
        return Value(said[-1], CLEAR if len(set(said)) == 1 else DOUBT)
    apart = [one for one in weighed if one.weight == APART]
    labels = {one.mention.label for one in apart}
    if len(labels) != 1:
        return _several(apart) if labels else None
    is_contested = text.cut or any(one.mention.label not in labels for one in weighed)
    return Value(str(labels.pop()), DOUBT if is_contested else CLEAR)


def _settled(text: str, strong: Sequence[Weighed], weighed: Sequence[Weighed], said: Sequence[str]) -> Answer:
    """The label of mentions that are given as the answer; the last one where the text changes its mind."""
    strong = [one for one in strong if evidence.is_final(text, one.mention.start)] or strong
    first, last = strong[0], strong[-1]
    labels = list(dict.fromkeys(str(one.mention.label) for one in strong))
    takes_back = evidence.retracts(text, last.mention.end)
    if len(labels) == 1:
        later = [one for one in weighed if one.mention.start > last.mention.end and one.mention.label != labels[0]]
        if takes_back and later:
            return Value(str(later[-1].mention.label), DOUBT)
        tail = later[-1].mention if later and later[-1].weight == APART else None
        closes = (
            tail is not None and "?" not in text[last.mention.end : tail.start] and not text[tail.end :].strip(ENDING)
        )
        against = first.exact and bool(said) and labels[0] not in said
        grade = EXACT if any(one.exact for one in strong) else CLEAR
        return Value(labels[0], DOUBT if takes_back or against or closes else grade)
    if first.exact and "?" in text[first.mention.end : strong[1].mention.start]:
        return Value(labels[0], CLEAR)
    other = next(one for one in reversed(strong) if one.mention.label != last.mention.label)
    between = text[other.mention.end : last.mention.start]
    if evidence.retracts(between) or evidence.FINAL.search(between[-80:]):
        return Value(str(last.mention.label), DOUBT if takes_back else CLEAR)
    return Value(str(last.mention.label), DOUBT) if len(labels) == 2 else _several(strong)


def _several(weighed: Sequence[Weighed]) -> Missing:
    labels = dict.fromkeys(str(one.mention.label) for one in weighed)
    return Missing(f"names several answers ({', '.join(labels)})")


def _compile(patterns: Sequence[str], where: str) -> re.Pattern[str]:
    """A regular expression of any of some patterns; without any it matches nothing. Raises StudyError."""
    for pattern in patterns:
        try:
            re.compile(pattern)
        except re.error as error:
            raise StudyError(f"{where}: {pattern!r} is not a regular expression: {error}") from None
    any_of = "|".join(f"(?:{pattern})" for pattern in patterns) or "(?!)"
    return re.compile(rf"(?<![\w'])(?:{any_of})")
