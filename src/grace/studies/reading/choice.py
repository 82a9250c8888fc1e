"""Reads a choice: one of a few labels, said by its name ("Yes, ...", "I would rate it a 4") or by a sentence.

Every place that names a label is a mention, and what stands around it decides how much it counts: given as the answer,
standing by itself, set apart, or only named. The mentions that count most decide, if they agree.
"""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from grace.errors import StudyError
from grace.studies.reading import CLEAR, DOUBT, EXACT, IMPLIED, Answer, Missing, Value, evidence
from grace.studies.reading.mentions import Mention, Mentions
from grace.studies.reading.text import REFUSAL, Text

LONGEST_NAME = 6
"""Words behind "1." that may be a name of that label; more are a step of a list."""
EDGE = 12
"""Characters around a label that stands alone in its line; there are fewer."""
MOST = 400
"""Mentions that are looked at; a text with more of them is no answer."""
GIVEN, ALONE, APART, NAMED = 4, 3, 2, 1
"""How much a mention counts: given as the answer or alone in its line, first words with a mark behind, set apart by
marks, only named."""
_NOT_AN_ANSWER = re.compile(
    r"(?:\s(?:one|way|doubt|information|info|idea|evidence|matter|more|longer|specific|other|such|indication"
    r"|mention|guarantee|"
    r"explicit|reason|need|certainty|sign|problem|question|further|additional|direct|definite|definitive|statement"
    r"|of|answers?|after|before|enough)\b|-(?:one|brainer|go)\b|/)"
)
_OPENER = re.compile(
    r"\W*(?:(?:(?:an?|the|eine?|une?|my (?:answer|rating|choice)(?: is)?|it(?:'s| is)|option|rating|score|choice"
    r"|number|level)\b(?!['’-])|well|hmm+|oh|ok(?:ay)?|sure|great|thanks|honestly|certainly|absolutely|definitely"
    r"|in my (?:opinion|view)|personally|probably|final answer|answer|response"
    r"|knowledge|sorry|also|bueno|pues|also|eh|alors|ja,|nun)\b[\W_]*){0,3}"
)
_FOLLOWS = re.compile(r"[\"'\])}]*+\s*(?:[.,;:!()\n—]|-\s|\Z|/|\|)")
_PRONOUN = re.compile(
    r"\s(?:i|he|she|they|it|we|you|the|this|that|there|these|because|since|as|but|in|based|given"
    r"|mr|mrs|ms|dr|according|for|and|so)\b"
)
_TURN = re.compile(
    r"\n\W*(?:human|user|assistant|question|next question|instruction|q\d*|participant|statement \d+"
    r"|item \d+)\s?\d*\s*:|\n#{2,}|<\|"
)
_QUESTION = re.compile(r"[^.!?\n]*\?(?=[\s\"')\]]|\Z)")


_PREFIX = re.compile(r"^\W*(?:(?:final )?answer|response)\s*:\s*")


class _Weighed(NamedTuple):
    """A mention that may be the answer."""

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
    ) -> None:
        """Compile the labels' words and phrases; each phrase begins with a whole word, in small letters.

        Raises StudyError when a phrase is no regular expression; the message begins with `where`.
        """
        self.columns = (column,)
        self._mentions = Mentions(labels, where)
        self._none = f"says none of {', '.join(labels)}"
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
        said, unclear = self._said(_PREFIX.sub("", asked) or asked)
        return decide(text, weighed, said) or Missing("says that it is not known" if unclear else against or self._none)

    def _said(self, text: str) -> tuple[list[str], bool]:
        """The labels that phrases say, in the order of the text, and whether it says that the answer is not known."""
        taken = [match.span() for match in self._unclear.finditer(text)]
        unclear = bool(taken)
        said: list[tuple[int, str]] = []
        for label, pattern in self._phrases.items():
            spans = [match.span() for match in pattern.finditer(text)]
            spans = [span for span in spans if not any(span[0] < end and start < span[1] for start, end in taken)]
            said += [(start, label) for start, _ in spans]
            taken += spans
        return [label for _, label in sorted(said)], unclear


def weigh(text: Text, mentions: Sequence[Mention]) -> tuple[list[_Weighed], str]:
    """The mentions that may be the answer, and why others are none ("" where there is no other)."""
    if len(mentions) > MOST:
        return [], "names too many labels"
    plain = text.plain
    questions = [match.span() for match in _QUESTION.finditer(plain)] if "?" in plain else []
    opened = 0
    for start, end in questions:  # an answer may begin with the question
        opened = end if not plain[opened:start].strip() else opened
    begin, opened = opened, max(opened, _end_of(_OPENER, plain, opened))
    listed = _listed(plain, mentions)
    denied: dict[int, str] = {}
    weighed: list[_Weighed] = []
    for place, mention in enumerate(mentions):
        is_first = opened == mention.start or not plain[begin : mention.start].strip(" \"'([{\n-")
        if text.cut and mention.end >= len(plain.rstrip()):
            denied[place] = "is cut off"
            continue
        if place in listed and (listed[place] or (text.cut and mention.kind in ("number", "letter"))):
            denied[place] = "names labels in a list"
            continue
        weight, exact = _weight(text, mention, is_first)
        asked = any(start <= mention.start < end for start, end in questions)
        named = mention.kind in ("word", "both")
        named = mention.kind in ("word", "both")
        first_words = exact and weight == ALONE and (named or not evidence.is_denied_behind(plain, mention.end))
        against = "" if first_words else evidence.why_not(plain, mention.start, mention.end)
        if asked and not (is_first and exact):
            against = "only asks"
        if against:
            denied[place] = against
            continue
        if place in listed and mention.kind in ("number", "letter"):  # "3. So-so", or the only step of a list
            exact, weight = False, _of_one_step(plain, mention, weight, is_first)
        weighed.append(_Weighed(mention, weight, exact))
    kept = [one for one in weighed if not _is_alternative(plain, mentions, denied, one)]
    reason = "names a range or several answers" if len(kept) < len(weighed) else next(iter(denied.values()), "")
    fit = [one for one in kept if one.mention.label is not None and not one.mention.odd]
    strong = any(one.weight >= ALONE for one in fit)
    for one in kept:
        if one not in fit and one.weight >= ALONE and not strong:
            return [], one.mention.odd or f"says {one.mention.words.strip()}, which is none of the answers"
    return fit, reason


def _of_one_step(text: str, mention: Mention, weight: int, is_first: bool) -> int:
    """How much a mention counts that is written as a list's marker is."""
    line = text[mention.end : mention.end + 200].split("\n")[0]
    if not is_first or (mention.words in ("1", "a") and len(line.split()) > LONGEST_NAME):
        return min(weight, NAMED) if weight != GIVEN else weight
    return max(weight, ALONE)


def _weight(text: Text, mention: Mention, is_first: bool) -> tuple[int, bool]:
    """How much a mention counts, and whether it is the text's first words."""
    plain, start, end = text.plain, mention.start, mention.end
    line_start, line_end = plain.rfind("\n", 0, start) + 1, plain.find("\n", end)
    around = (
        plain[max(line_start, start - 12) : start]
        + plain[end : min(end + 12, line_end if line_end >= 0 else len(plain))]
    )
    if start - line_start < 12 and not any(character.isalnum() for character in around):
        return ALONE, is_first
    first_words = is_first and _FOLLOWS.match(plain, end) and not _NOT_AN_ANSWER.match(plain, end)
    if first_words and not (mention.words == "i" and plain[end : end + 1] == ","):  # "I, for one, ..."
        return (NAMED, False) if REFUSAL.search(plain, end, end + 80) else (ALONE, True)
    ends = bool(evidence.ENDS.match(plain, end))
    named = mention.kind in ("word", "both")
    if (ends or named) and evidence.CUE.search(plain, max(0, start - evidence.BEFORE), start):
        return (GIVEN, is_first) if ends or " " in mention.words else (APART, False)
    unit = evidence.UNITS.match(plain, end) if mention.kind == "number" else None
    if is_first and (mention.kind == "both" or (unit and _FOLLOWS.match(plain, unit.end()))):
        return ALONE, True
    if named and _I_BEHIND.match(plain, end) and _I.search(plain, max(0, start - 30), start):
        return GIVEN, is_first
    if evidence.CUE_BEHIND.match(plain, end) or (not named and evidence.NUMBER_BEHIND.match(plain, end)):
        return GIVEN, False
    if is_first and named and not _NOT_AN_ANSWER.match(plain, end):
        if REFUSAL.search(plain, end, end + 80):
            return NAMED, False
        if _PRONOUN.match(plain, end):
            return ALONE, True
    if mention.kind == "spelled":
        return NAMED, False
    if any(
        words.endswith(mention.words) and evidence.ARTICLES.fullmatch(words, 0, len(words) - len(mention.words))
        for words in text.apart
    ):
        return APART, False
    if ends and evidence.WOULD.search(plain, max(0, start - evidence.BEFORE), start):
        return APART, False
    if mention.kind == "both" and ends:
        return APART, False
    follows = bool(_FOLLOWS.match(plain, end))
    if follows and (
        _SET_APART.search(plain, max(0, start - 20), start)
        or (named and _COPULA.search(plain, max(0, start - 20), start))
    ):
        return APART, False
    return (APART if named and " " in mention.words else NAMED), False


_I = re.compile(r"\bi(?:'d| would| do| must| have to)?(?: [a-z]+ly)? \Z")
_I_BEHIND = re.compile(r"[\"')\]]*\s*(?:[.,;:!\n]|\Z|(?:with|because|since|as)\b)")
_SET_APART = re.compile(
    r"(?:[:=|(→是为即は]|คือ|->|=>|[,;] ?(?:so|then)?|\b(?:but|sondern|aber|mais|sino|pero|ma|mas|а"
    r"|но)(?: rather| instead| eher)?)\s*[\"'(\[]*\Z"
)
_COPULA = re.compile(
    r"\b(?:is|was|are|were|seems|sounds|feels|looks) (?:[a-z]+ly |very |quite |rather "
    r"|an? )?[\"']*\Z"
)
_BETWEEN = re.compile(
    r"[\"')\]]*\s*(?:,|;|/|\||&|\n|-|or\b|and\b|to\b|through\b|oder\b|und\b|ou\b|et\b|o\b|y\b|e\b"
    r"|или|и\b|或|和|または|maybe\b|perhaps\b|possibly\b|even\b|a\b|an\b|\s)*[\"'(\[]*"
)


_STILL_NAMED = ("", "is cut off", "only asks", evidence.COUNTED)


def _is_named(label: str, words: str) -> bool:
    """Whether some words are a label, or name it as "option B" does."""
    return words.endswith(label) and evidence.ARTICLES.fullmatch(words, 0, len(words) - len(label)) is not None


def _end_of(pattern: re.Pattern[str], text: str, start: int) -> int:
    match = pattern.match(text, start)
    return match.end() if match else 0


def _listed(text: str, mentions: Sequence[Mention]) -> dict[int, bool]:
    """The mentions that look like markers of a list or explain a scale ("1. ...", "5 = always"); whether several do."""
    marks: dict[int, str] = {}
    for place, mention in enumerate(mentions):
        behind = evidence.MARKER.match(text, mention.end) or evidence.EXPLAINS.match(text, mention.end)
        if mention.kind == "spelled" or not behind or not text[behind.end() : behind.end() + 20].split("\n")[0].strip():
            continue
        head = text[max(0, mention.start - 12) : mention.start]
        if evidence.STEP.search(head) or not mention.start or behind[0].strip(" .:)]-") or evidence.BULLET.search(head):
            marks[place] = mention.words
    if len(set(marks.values())) > 1:
        return dict.fromkeys(marks, True)
    return {place: False for place in marks if evidence.MARKER.match(text, mentions[place].end)}


def _is_alternative(text: str, mentions: Sequence[Mention], denied: Mapping[int, str], one: _Weighed) -> bool:
    """Whether a mention is one of several side by side, as in "3 or 4" and "4, 5, 2"."""
    place = mentions.index(one.mention)
    for other in (place - 1, place + 1):
        if (
            not 0 <= other < len(mentions)
            or mentions[other].label == one.mention.label
            or denied.get(other, "") not in _STILL_NAMED
        ):
            continue
        first, second = sorted((mentions[other], one.mention), key=lambda mention: mention.start)
        if second.start - first.end < 20 and _BETWEEN.fullmatch(text, first.end, second.start):
            return True
    return False


def decide(text: Text, weighed: Sequence[_Weighed], said: Sequence[str] = ()) -> Value | Missing | None:
    """The label that the mentions of the most weight agree on, else what phrases say; None where there is nothing."""
    strong = [one for one in weighed if one.weight >= ALONE]
    turn = _TURN.search(text.plain, strong[0].mention.end) if strong and strong[0].exact else None
    if turn:  # the answer goes on with a conversation of its own
        weighed = [one for one in weighed if one.mention.start < turn.start()]
        strong = [one for one in strong if one.mention.start < turn.start()]
    if strong:
        return _settled(text, strong, weighed, said)
    if said:
        return Value(said[-1], CLEAR if len(set(said)) == 1 else DOUBT)
    apart = [one for one in weighed if one.weight == APART]
    labels = {one.mention.label for one in apart}
    if len(labels) == 1:
        label = str(apart[-1].mention.label)
        others = {one.mention.label for one in weighed} - labels
        return Value(label, DOUBT if others or text.cut else IMPLIED)
    return _several(apart) if labels else None


def _several(weighed: Sequence[_Weighed]) -> Missing:
    labels = dict.fromkeys(str(one.mention.label) for one in weighed)
    return Missing(f"names several answers ({', '.join(labels)})")


def _settled(
    text: Text, strong: Sequence[_Weighed], weighed: Sequence[_Weighed], said: Sequence[str]
) -> Value | Missing:
    """The label of mentions that are given as the answer; the last one where the text changes its mind."""
    plain = text.plain
    first, last = strong[0], strong[-1]
    labels = list(dict.fromkeys(str(one.mention.label) for one in strong))
    if len(labels) == 1:
        gone = evidence.retracts(plain, last.mention.end)
        later = [one for one in weighed if one.mention.start > last.mention.end and one.mention.label != labels[0]]
        if gone and later:
            return Value(str(later[-1].mention.label), DOUBT)
        closes = bool(later) and later[-1].weight == APART and not plain[later[-1].mention.end :].strip(" .!\"')")
        against = first.exact and bool(said) and labels[0] not in said
        grade = EXACT if any(one.exact for one in strong) else CLEAR
        return Value(labels[0], DOUBT if gone or against or closes else grade)
    other = next(one for one in reversed(strong) if one.mention.label != last.mention.label)
    between = plain[other.mention.end : last.mention.start]
    if first.exact and "?" in plain[first.mention.end : strong[1].mention.start]:
        return Value(labels[0], CLEAR)
    if evidence.retracts(between) or evidence.FINAL.search(between[-80:]):
        return Value(str(last.mention.label), DOUBT if evidence.retracts(plain, last.mention.end) else CLEAR)
    if len(labels) > 2:
        return _several(strong)
    return Value(str(last.mention.label), DOUBT)


def _compile(patterns: Sequence[str], where: str) -> re.Pattern[str]:
    """A regular expression of any of some patterns; without any it matches nothing. Raises StudyError."""
    for pattern in patterns:
        try:
            re.compile(pattern)
        except re.error as error:
            raise StudyError(f"{where}: {pattern!r} is not a regular expression: {error}") from None
    either = "|".join(f"(?:{pattern})" for pattern in patterns) or "(?!)"
    return re.compile(rf"(?<![\w'])(?:{either})")
