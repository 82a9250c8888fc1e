"""Reads a choice: one of a few labels, said by its name ("Yes, ...", "I would rate it a 4") or by a sentence.

Every place that names a label is weighed. The mentions that count most decide, if they agree.
"""

import re
from collections.abc import Mapping, Sequence

from grace.studies.reading import CLEAR, EXACT, Answer, Missing, Value, doubted, evidence
from grace.studies.reading.conditions import is_conditional
from grace.studies.reading.languages import BUT, IN_FACT, word_of
from grace.studies.reading.late import Late
from grace.studies.reading.mentions import Mention, Mentions
from grace.studies.reading.patterns import LETTERS, safe
from grace.studies.reading.text import Text
from grace.studies.reading.ticks import ticked
from grace.studies.reading.weighing import ALONE, APART, HINTED, QUESTION, SEVERAL, Weighed, weigh

ENDING = " .!\"')"
OPEN = "holds only under a condition, or in a text that then says no more"
OTHERS = "another answer is named, too"
TAKES_BACK = "the text takes an answer back"
"""Why an answer is in doubt."""
_IN_FACT = Late(lambda: rf"{word_of(BUT)}|{word_of(IN_FACT)}")
_TURN = Late(
    lambda: (
        r"\n\W{0,12}(?:human|user|assistant|question|next question|instruction|q\d*|participant|statement \d+"
        r"|item \d+)\s?\d*\s*:"
        r"|\n#{2,}|<\|"
    )
)
_NUMBERS = frozenset(("number", "figure", "amount"))
_BRACKETS = re.compile(r"\([^()\n]{1,160}\)")
_STOPS_BEFORE = re.compile(r"[.!?;\n]\s")
_FOR = Late(
    lambda: (
        r"[\"')\]]*\s(?:for|für|pour|para|per|voor|för|dla|для|pro|za)\s(?!(?:me|mich|moi|mí|mij|mig|mnie|меня|that"
        r"|this)\b)"
    )
)
_YES_NO = Late(
    lambda: (
        r"\W*(?:(?P<yes>(?:oh )?yes|obviously|definitely|certainly|absolutely|clearly|of course|indeed|sure|exactly"
        r"|ja|klar"
        r"|natürlich|genau|oui|évidemment|sí|claro|sì|certo|sim|да|конечно|tak|oczywiście|evet|是|对|はい|네)"
        r"|(?:also |auch |aussi |también |anche |też )?(?:no|impossible|hardly|never|nope|unlikely|not (?:really"
        r"|at all)"
        r"|nein|kaum"
        r"|unmöglich|non|nei|nej|nee|não|нет|вряд ли|nie|hayır|不|いいえ|아니))(?=\s*[.!,;]|\s*\Z)"
    )
)
_STOPS = re.compile(r"[\n.!?]")
_PREFIX = re.compile(r"^\W*(?:(?:final )?answer|response)\s*:\s*")


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
        turn = _TURN.search(text.plain) if "\n" in text.plain or "<|" in text.plain else None
        if turn and text.plain[: turn.start()].strip():
            first = self._read(text._replace(plain=text.plain[: turn.start()], cut=False))
            if isinstance(first, Value) and first.confidence >= CLEAR:
                return first
        own = self._mentions.exactly(text.plain)
        mentions = [] if own else self._mentions.find(text.plain)
        if len(mentions) > 1:
            own = self._mentions.repeated(text.plain, mentions)
        if own is not None and not (text.cut and self._mentions.may_grow(text.plain)):
            return Value(own, EXACT)
        by_tick = ticked(text.plain, mentions)
        if by_tick:
            return by_tick
        weighed, against = weigh(text, mentions)
        asked = QUESTION.sub(lambda question: " " * len(question[0]), text.plain) if "?" in text.plain else text.plain
        prefix = _PREFIX.match(asked)
        asked = (asked[prefix.end() :] if prefix else asked) or asked
        statements = self._statements(asked)
        said = [label for _, _, label in statements]
        if not any(one.weight >= ALONE and one.mention.label in said for one in weighed):
            said = [label for start, end, label in statements if evidence.is_asserted(asked, start, end)]
        answer = decide(text, weighed, said) or _asked_and_answered(text.plain, mentions)
        if answer:
            return answer
        unclear = len(said) < len(statements) or self._unclear.search(asked[:LETTERS])
        return Missing("says that it is not known" if unclear else against or self._none)

    def _statements(self, text: str) -> list[tuple[int, int, str]]:
        """Where phrases say which label, in the order of the text, but not where it says that it is not known."""
        text = text[:LETTERS]
        found = {label: [match.span() for match in pattern.finditer(text)] for label, pattern in self._phrases.items()}
        if not any(found.values()):
            return []
        taken = [match.span() for match in self._unclear.finditer(text)]
        said: list[tuple[int, int, str]] = []
        for label, spans in found.items():
            spans = [span for span in spans if not any(span[0] < end and start < span[1] for start, end in taken)]
            said += [(*span, label) for span in spans]
            taken += spans
        return sorted(said)


def decide(text: Text, weighed: Sequence[Weighed], said: Sequence[str] = ()) -> Answer | None:
    """The label that the mentions of most weight agree on, else what phrases say; None where there is nothing."""
    strong = [one for one in weighed if one.weight >= ALONE]
    aside = False
    if len(weighed) > 1:
        mine = _mine(text.plain, weighed)
        if mine:
            return mine
        if strong and _is_parallel(text.plain, weighed):
            return _several(weighed)
        strong, aside = _without_asides(text.plain, strong)
    turn = _TURN.search(text.plain, strong[0].mention.end) if strong and strong[0].exact else None
    if turn:  # the answer goes on with a conversation of its own
        weighed = [one for one in weighed if one.mention.start < turn.start()]
        strong = [one for one in strong if one.mention.start < turn.start()]
    if strong:
        answer = _settled(text.plain, strong, weighed, said)
        if aside and isinstance(answer, Value):
            return doubted(answer.value, OTHERS)
        if isinstance(answer, Value) and answer.confidence >= CLEAR and _is_open(text, strong[-1]):
            return doubted(answer.value, OPEN)
        return answer
    if said:
        return Value(said[-1], CLEAR) if len(set(said)) == 1 else doubted(said[-1], "its statements disagree")
    apart = [one for one in weighed if one.weight == APART]
    hinted = apart or [one for one in weighed if one.weight == HINTED and not text.cut]
    labels = {one.mention.label for one in hinted}
    if hinted and evidence.abstains(text.plain[: hinted[0].mention.start] + text.plain[hinted[-1].mention.end :]):
        return Missing("says that it does not answer") if labels else None
    if len(labels) != 1:
        return (_contrasted(text.plain, hinted) or _several(hinted)) if labels else None
    later = [one for one in weighed if one.mention.label not in labels and one.mention.start > hinted[-1].mention.end]
    turned = _contrasted(text.plain, [hinted[-1], later[-1]]) if later else None
    if turned:
        return turned
    why = "" if apart else "is only hinted at"
    why = why or ("is followed by what is cut off" if text.cut else "")
    why = why or (OTHERS if any(one.mention.label not in labels for one in weighed) else "")
    why = why or (OPEN if _is_open(text, apart[-1]) else "")
    label = str(labels.pop())
    return doubted(label, why) if why else Value(label, CLEAR)


def _settled(text: str, strong: Sequence[Weighed], weighed: Sequence[Weighed], said: Sequence[str]) -> Answer:
    """The label of mentions that are given as the answer; the last one where the text changes its mind."""
    strong = [one for one in strong if evidence.is_final(text, one.mention.start)] or strong
    first, last = strong[0], strong[-1]
    labels = list(dict.fromkeys(str(one.mention.label) for one in strong))
    takes_back = evidence.retracts(text, last.mention.end)
    if len(labels) == 1:
        later = [one for one in weighed if one.mention.start > last.mention.end and one.mention.label != labels[0]]
        later = [one for one in later if one.weight != SEVERAL]
        if takes_back and later:
            return doubted(str(later[-1].mention.label), TAKES_BACK)
        tail = later[-1].mention if later and later[-1].weight == APART else None
        last_one = later[-1].mention if later else last.mention
        is_row = last_one.kind in _NUMBERS and "\n" in text[last.mention.end : last_one.start]
        closes = (last_one.kind == "number" or is_row) and bool(later) and not text[last_one.end :].strip(ENDING)
        closes = closes or (
            tail is not None and "?" not in text[last.mention.end : tail.start] and not text[tail.end :].strip(ENDING)
        )
        against = first.exact and bool(said) and labels[0] not in said
        closes = closes or any(_opens_sentence(text, one.mention) or _is_sign(one.mention) for one in later)
        grade = EXACT if any(one.exact for one in strong) else CLEAR
        why = TAKES_BACK if takes_back else "a statement says otherwise" if against else OTHERS if closes else ""
        return doubted(labels[0], why) if why else Value(labels[0], grade)
    between = text[first.mention.end : strong[1].mention.start]
    is_reason = evidence.gives_reason(text, first.mention.end) and not _STOPS_BEFORE.search(between)
    if first.exact and ("?" in between or (is_reason and not takes_back)):
        return Value(labels[0], CLEAR)
    if last.mention.label == labels[0] and evidence.stays(text, last.mention.start):
        return Value(labels[0], CLEAR)
    other = next(one for one in reversed(strong) if one.mention.label != last.mention.label)
    between = text[other.mention.end : last.mention.start]
    if evidence.abstains(text[last.mention.end :]):
        return _several(strong)
    if (
        evidence.retracts(between)
        or evidence.FINAL.search(between[-80:])
        or evidence.is_final(text, last.mention.start)
        or evidence.corrects(text, last.mention.start)
        or evidence.corrects_plainly(text, last.mention.start)
    ):
        label = str(last.mention.label)
        return doubted(label, TAKES_BACK) if takes_back else Value(label, CLEAR)
    return doubted(str(last.mention.label), f"comes after {labels[0]}") if len(labels) == 2 else _several(strong)


def _asked_and_answered(text: str, mentions: Sequence[Mention]) -> Answer | None:
    """The only label of several that is asked and affirmed: "Literal? Impossible. Figurative? Obviously."."""
    if "?" not in text or len(mentions) < 2:
        return None
    verdicts: dict[str, bool] = {}
    for match in QUESTION.finditer(text):
        own = {mention.label for mention in mentions if match.start() <= mention.start < match.end()}
        verdict = _YES_NO.match(text, match.end())
        if len(own) == 1 and verdict:
            verdicts[str(own.pop())] = verdict["yes"] is not None
    affirmed = [label for label, is_so in verdicts.items() if is_so]
    others = {mention.label for mention in mentions} - set(verdicts)
    return Value(affirmed[0], CLEAR) if len(affirmed) == 1 and len(verdicts) > 1 and not others else None


def _mine(text: str, weighed: Sequence[Weighed]) -> Answer | None:
    """The label in the only line or row that is the answerer's own, where others name other labels."""
    if "\n" not in text or len({one.mention.label for one in weighed}) < 2:
        return None
    own = {one.mention.label for one in weighed if evidence.is_mine(text, one.mention.start)}
    is_settled = len(own) != 1 or any(evidence.is_final(text, one.mention.start) for one in weighed)
    return None if is_settled else Value(str(own.pop()), CLEAR)


def _is_parallel(text: str, weighed: Sequence[Weighed]) -> bool:
    """Whether labels answer for several things: "yes for the soup, no for the salad"."""
    labels = {one.mention.label for one in weighed if _FOR.match(text, one.mention.end)}
    return len(labels) > 1


def _without_asides(text: str, strong: Sequence[Weighed]) -> tuple[list[Weighed], bool]:
    """The mentions outside of brackets, where there are any, and whether those in them leave a doubt."""
    if len({one.mention.label for one in strong}) < 2 or "(" not in text:
        return list(strong), False
    spans = [match.span() for match in _BRACKETS.finditer(text)]
    inside = [one for one in strong if any(start < one.mention.start < end for start, end in spans)]
    outside = [one for one in strong if one not in inside]
    is_aside = bool(inside and outside) and outside[0].mention.start < inside[0].mention.start
    if not is_aside or any(evidence.corrects(text, one.mention.start) for one in inside):
        return list(strong), False
    last = inside[-1].mention
    is_kept = last.label == outside[-1].mention.label and evidence.stays(text, last.start)
    return outside, not is_kept


def _is_sign(mention: Mention) -> bool:
    """Whether a label is no word, as an emoji, which nobody names by the way."""
    return not any(map(str.isalnum, mention.words))


def _opens_sentence(text: str, mention: Mention) -> bool:
    """Whether a label is a sentence's first word, and answers there: "No, what a surprise! Yes, he locked it"."""
    before, after = text[: mention.start].rstrip(" \"'"), text[mention.end :]
    return before.endswith((".", "!", "?", "。", "！")) and after.startswith((",", "!", ".", "，", "！", "。"))


def _is_open(text: Text, one: Weighed) -> bool:
    """Whether the text makes a condition of a mention, breaks off behind it, or says then that it does not answer."""
    rest = text.plain[one.mention.end :]
    if not one.exact and evidence.abstains(rest):
        return True
    if is_conditional(text.plain, one.mention.end):
        return True
    return not _STOPS.search(rest) and evidence.is_open(text.plain)


def _contrasted(text: str, weighed: Sequence[Weighed]) -> Answer | None:
    """The second of two labels that a sentence sets against each other: "It sounds polite, but in fact it is rude"."""
    *_, first, last = weighed
    between = text[first.mention.end : last.mention.start]
    is_set = len(between) < evidence.BEFORE and "\n" not in between and _IN_FACT.search(between)
    is_pair = len(weighed) == 2 and is_set
    return doubted(str(last.mention.label), f"is set against {first.mention.label}") if is_pair else None


def _several(weighed: Sequence[Weighed]) -> Missing:
    labels = dict.fromkeys(str(one.mention.label) for one in weighed)
    return Missing(f"names several answers ({', '.join(labels)})")


def _compile(patterns: Sequence[str], where: str) -> re.Pattern[str]:
    """A regular expression of any of some patterns; without any it matches nothing. Raises StudyError."""
    for pattern in patterns:
        safe(pattern, where)
    any_of = "|".join(f"(?:{pattern})" for pattern in patterns) or "(?!)"
    return re.compile(rf"(?<![\w'])(?:{any_of})")
