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
_TURN = re.compile(
    r"\n\W{0,12}(?:human|user|assistant|question|next question|instruction|q\d*|participant|statement \d+"
    r"|item \d+)\s?\d*\s*:"
    r"|\n#{2,}|<\|"
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
        answer = decide(text, weighed, said)
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
    turn = _TURN.search(text.plain, strong[0].mention.end) if strong and strong[0].exact else None
    if turn:  # the answer goes on with a conversation of its own
        weighed = [one for one in weighed if one.mention.start < turn.start()]
        strong = [one for one in strong if one.mention.start < turn.start()]
    if strong:
        answer = _settled(text.plain, strong, weighed, said)
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
        closes = bool(later) and later[-1].mention.kind == "number" and not text[later[-1].mention.end :].strip(ENDING)
        closes = closes or (
            tail is not None and "?" not in text[last.mention.end : tail.start] and not text[tail.end :].strip(ENDING)
        )
        against = first.exact and bool(said) and labels[0] not in said
        closes = closes or any(_opens_sentence(text, one.mention) for one in later)
        grade = EXACT if any(one.exact for one in strong) else CLEAR
        why = TAKES_BACK if takes_back else "a statement says otherwise" if against else OTHERS if closes else ""
        return doubted(labels[0], why) if why else Value(labels[0], grade)
    if first.exact and "?" in text[first.mention.end : strong[1].mention.start]:
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
    ):
        label = str(last.mention.label)
        return doubted(label, TAKES_BACK) if takes_back else Value(label, CLEAR)
    return doubted(str(last.mention.label), f"comes after {labels[0]}") if len(labels) == 2 else _several(strong)


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
