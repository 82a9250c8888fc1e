"""Reads shares: an amount for each label, as "0: 10%, 1: 90%", "$90 on 3 lamps" or "everything on 2".

Marks of the text make pairs, pairs make lists, and one list counts: a complete one before others, one that the text
calls final before others. A label on which complete lists differ stays open.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from math import fsum, isclose

from grace.errors import StudyError
from grace.studies.reading import CLEAR, EXACT, IMPLIED, Answer, Missing, Value, doubted, whole
from grace.studies.reading import amounts as spelling
from grace.studies.reading.conditions import FURTHEST, is_conditional, is_supposed
from grace.studies.reading.evidence import BEFORE, DECIDES, retracts, why_not
from grace.studies.reading.languages import REST, either
from grace.studies.reading.late import Late, words_in
from grace.studies.reading.marks import Mark, Marks
from grace.studies.reading.numerals import in_digits
from grace.studies.reading.pairs import LONGEST_GAP, SEVERAL, Pair, find_pairs
from grace.studies.reading.text import Text

_BULLET = re.compile(r"[ \t]*(?:[-+|>]\s*|\(?[a-z\d]{1,2}[.)]\s+)*[\"'{(\[|]*[^\n.:;$%\d]{0,40}$")
_JOINED = re.compile(r"[^.;\n$%\d(]{0,30}?(?:,|\band\b|;|\||/)[^.;\n$%\d(]{0,20}")
_FINAL = Late(
    lambda: (
        r"\b(?:final(?:ly)?|correct(?:ed|ion)|revis(?:ed|ing)|new|updated?|adjust(?:ed|ing)?|actually|instead|let me"
        r"|on second thoughts?|reconsider(?:ing)?|thinking again|on reflection|(?:'d|would) rather)\b"
    )
)
_AT_FIRST = Late(
    lambda: (
        r"\b(?:at first|first i|initially|originally|my first|zuerst|zunächst|d'abord|primero|prima|al principio"
        r"|сначала)\b"
    )
)
_EVENLY = Late(
    lambda: (
        r"\b(?:evenly|equally|equal(?: amounts?| shares?)?|uniformly|(?:equal|even) (?:split|distribution))\b"
        r"[^.;:\n$%\d]{0,20}?(?:between|among|amongst|across|over|on|to|for|of)\b(?P<what>[^.;\n]{0,80})"
    )
)
_ALL = re.compile(r"\b(?:all|four|every|each)\b")
_LISTED = re.compile(r"[\s\"']*(?:,|;|/|\||,? and)[\s\"']*")

_COUNTS = re.compile(r" (?!points?\b|punkte|(?:and|und|et|y|e|en|och|i|to|for|für|pour|para|per|auf|on)\b)[^\W\d_]{3,}")
"""A noun behind a number, which counts it: "7 years"."""
_TO = Late(
    lambda: (
        r"\s(?:to|for|an|für|à|pour|a|para|per|al|do|для|dla|aan|voor|till|til|zu)(?: (?:the|den|die|das|der|le|la"
        r"|el|il"
        r"|o|a|meinen"
        r"|my))?\s"
    )
)
"""What stands between an amount and who gets it, though somebody else stands before it: "I give 60 to Ann"."""
_OTHER_TWO = Late(
    lambda: (
        r"\b(?:other|others|remaining) (?:two|three|2|3)\b|\b(?:the )?others\b|\b(?:anderen|übrigen) (?:beiden|zwei)"
        r"|beiden anderen"
        r"|deux autres|otr[oa]s dos|altr[ie] due|outr[oa]s (?:dois|duas)|andere twee|andra två|двум(?:я)? друг|остальны"
        r"|pozostał|另外两|其他两|他の二人|나머지 두"
    )
)
_SHARED = re.compile(r"\b(?:share|split|divide|partag\w+|teilen|repart\w+|dividono|dividem|delen)\b")
_REST = Late(lambda: rf"\b(?:rest|remainder|remaining|what is left)\b|{either(REST)}")
_FIRST_PERSON = frozenset(
    (
        "i",
        "me",
        "myself",
        "ich",
        "mich",
        "mir",
        "moi",
        "je",
        "yo",
        "mí",
        "io",
        "eu",
        "mim",
        "ik",
        "mij",
        "я",
        "мне",
        "ja",
        "jag",
    )
)
_SUBJECTS = frozenset(("i", "ich", "je", "yo", "io", "eu", "ik", "я", "ja", "jag"))
"""How the giver says "I"."""
_GIVEN = Late(
    lambda: (
        r"\b(?:giv(?:e|ing)(?: away| up)?|hand(?:ing)? over|offer(?:ing)?|pass(?:ing)? on|donat(?:e|ing)|send(?:ing)?"
        r"|transfer(?:ring)?"
        r"|part with|schenke|verschenke|überlasse|donne(?:rais)?|cède|doy|daría|cedo|darei|darebbe|geef|отдаю|отдам"
        r"|oddaję|oddam"
        r"|ger(?: bort)?)\s\$(?P<amount>\d+(?:\.\d+)?)"
    )
)
_KEPT = Late(
    lambda: (
        r"(?:\bkeep(?:ing)?|\bretain(?:ing)?|\bleav(?:es|ing) me(?: with)?|behalte|garde(?:rais)?|me quedo(?: con)?"
        r"|tengo|fico com"
        r"|houd|оставлю|оставляю|zatrzymuję|zostawiam|behåller)\s\$(?P<amount>\d+(?:\.\d+)?)"
    )
)
_CLAUSE = re.compile(r"[,.;]|\b(?:and|und|et|y|e|en|och|i|и|но|but|aber)\b")
PERCENT = 100
FEW_WORDS = 8
SHORT = 60
"""Characters of an answer that says everything in a few words."""
_RATIO = re.compile(r"\W*(?P<one>\d{1,6})\s?(?:/|:|-|zu|to|à|a|na|对|對|대)\s?(?P<two>\d{1,6})\W*")
SLACK = 0.011
"""The part of a total that rounding may cost."""

_Amounts = dict[str, Pair]
"""The pair of each label."""


@dataclass
class _Division:
    """Pairs that together divide the total once."""

    pairs: list[Pair] = field(default_factory=list)
    amounts: _Amounts = field(default_factory=dict)

    def takes(self, pair: Pair) -> bool:
        """Whether the pair can belong to it: none of its labels has an amount already, but perhaps "the rest"."""
        held = [self.amounts[label] for label in pair.labels if label in self.amounts]
        return not held or (pair.amount is not None and all(other.is_rest and len(other.labels) == 1 for other in held))

    def add(self, pair: Pair) -> None:
        """Take the pair in; a stated amount replaces "the rest"."""
        replaced = [self.amounts[label] for label in pair.labels if label in self.amounts]
        self.pairs = [other for other in self.pairs if other not in replaced] + [pair]
        self.amounts |= dict.fromkeys(pair.labels, pair)


class SharesReader:
    """Finds the amount of every label."""

    def __init__(self, column: str, labels: Mapping[str, Sequence[str]], total: float, where: str) -> None:
        """Compile the labels. Raises StudyError where one cannot be told from an amount, as "half"."""
        self._of = {label: column.replace("{label}", label) for label in labels}
        self.columns = tuple(self._of.values())
        self._total = total
        self._slack = total * SLACK
        self._marks = Marks(labels, total)
        unread = self._marks.unread()
        if unread is not None:
            raise StudyError(f"{where}.labels: {unread!r} says an amount, so it cannot be read; choose another word")

    def read(self, text: Text) -> dict[str, Answer]:
        """An amount for each label. Sums other than the total stay as they are; validation flags them."""
        written = text.plain
        if not self._marks.has_numbers:
            text = self._respelled(text)
        answers = self._read(text)
        if not self._marks.has_numbers and any(isinstance(answer, Missing) for answer in answers.values()):
            answers = self._with_rest(answers, written)
        if any(isinstance(answer, Value) for answer in answers.values()):
            return answers
        implied = self._ratio(text.plain) or self._even(text.plain, written) or self._all(text.plain)
        implied = implied or self._given_and_kept(text.plain)
        return implied if implied and not text.cut else answers

    def _respelled(self, text: Text) -> Text:
        """The text with amounts in the spelling of these rules."""
        words = spelling.parts_as_percents(text.plain)
        words = words if any(map(str.isdigit, text.plain)) else in_digits(words)
        return text._replace(plain=spelling.in_one_spelling(words, self._marks.names))

    def _equal(self, share: float) -> dict[str, Answer]:
        return dict.fromkeys(self.columns, Value(whole(share), IMPLIED))

    def _even(self, text: str, written: str) -> dict[str, Answer] | None:
        """Equal shares that are said without the labels, as "half each", "50-50", "$10 each"."""
        words = words_in(written)
        said = spelling.EVENLY.search(written) if spelling.EVENLY.may_match(written, words) else None
        each = spelling.EACH.search(written) if spelling.EACH.may_match(written, words) else None
        if not said and not each:
            return None
        if said and not any(map(str.isalpha, said[0])):
            text = text.replace(said[0], " ")  # "50-50" is no range
        own = self._total / len(self._of)
        stated = [mark for mark in self._marks.find(text) if mark.amount is not None and not mark.labels]
        percent = {"percent": self._total / PERCENT, "fraction": self._total}
        sums = [(mark.amount or 0) * percent.get(str(mark.unit), 1) for mark in stated if mark.unit != "word"]
        fit = [isclose(amount, own, rel_tol=0.001) for amount in sums]
        is_even = all(one or isclose(amount, self._total) for one, amount in zip(fit, sums, strict=True))
        if not is_even or any(mark.bad for mark in stated) or not (said or (each and any(fit))):
            return None
        place = said or each
        return self._equal(own) if place and not self._is_denied(written, place.start(), place.end()) else None

    def _all(self, text: str) -> dict[str, Answer] | None:
        """Everything for one label, or nothing for one of two, in a few words without a number."""
        if len(text) > SHORT or len(text.split()) > FEW_WORDS or any(map(str.isdigit, text)):
            return None
        everything, nothing = spelling.ALL.search(text), spelling.NOTHING.search(text)
        if everything and nothing:
            return self._all_and_nothing(text, everything)
        said = everything or nothing
        named = {label for mark in self._marks.find(text) if said and mark.start >= said.end() for label in mark.labels}
        named = named or {label for mark in self._marks.find(text) for label in mark.labels}
        if len(named) != 1 or not said or (everything and nothing) or self._is_denied(text, said.start(), said.end()):
            return None
        if nothing and len(self._of) != 2:
            return None
        share = {True: self._total, False: 0.0}
        return {
            column: Value(whole(share[(label in named) == bool(everything)]), IMPLIED)
            for label, column in self._of.items()
        }

    def _all_and_nothing(self, text: str, everything: re.Match[str]) -> dict[str, Answer] | None:
        """Everything for one of two and nothing for the other, by the names in the clause of "everything"."""
        start = max(text.rfind(mark, 0, everything.start()) for mark in ",.;") + 1
        clause = _CLAUSE.search(text, everything.end())
        end = clause.start() if clause else len(text)
        marks = [mark for mark in self._marks.find(text) if len(mark.labels) == 1 and start <= mark.start < end]
        receivers = [mark for mark in marks if text[mark.start : mark.end] not in _SUBJECTS] or marks
        labels = list(dict.fromkeys(mark.labels[0] for mark in receivers))
        if len(self._of) != 2 or len(labels) != 1 or self._is_denied(text, everything.start(), everything.end()):
            return None
        return {
            column: Value(whole(self._total if label == labels[0] else 0.0), IMPLIED)
            for label, column in self._of.items()
        }

    def _with_rest(self, answers: dict[str, Answer], written: str) -> dict[str, Answer]:
        """The answers with what is left in equal parts for the others: "half for Ada, the rest evenly for the two"."""
        values = [answer for answer in answers.values() if isinstance(answer, Value)]
        said = [answer.value for answer in values if answer.confidence >= IMPLIED]
        others = [column for column, answer in answers.items() if not isinstance(answer, Value)]
        left = self._total - fsum(float(value) for value in said)
        is_whole = len(said) + len(others) == len(answers) and said and len(others) > 1 and left >= 0
        if not is_whole or not (_OTHER_TWO.search(written) and _REST.search(written)):
            return answers
        if not (_SHARED.search(written) or spelling.EVENLY.search(written)):
            return answers
        return answers | dict.fromkeys(others, Value(whole(left / len(others)), IMPLIED))

    def _given_and_kept(self, text: str) -> dict[str, Answer] | None:
        """What one gives away and keeps, of two who share: "I'd give away $7, which leaves me with $13"."""
        own = {label for name, label in self._marks.names.items() if name in _FIRST_PERSON}
        given, kept = _GIVEN.search(text), _KEPT.search(text)
        if len(self._of) != 2 or len(own) != 1 or not given or not kept:
            return None
        amounts = (float(given["amount"]), float(kept["amount"]))
        if not isclose(sum(amounts), self._total) or self._is_denied(text, given.start(), given.end()):
            return None
        return {column: Value(whole(amounts[label in own]), IMPLIED) for label, column in self._of.items()}

    def _ratio(self, text: str) -> dict[str, Answer] | None:
        """Two numbers in the order of two labels that are the whole text: "12/8", "60 to 40"."""
        ratio = _RATIO.fullmatch(text) if len(self._of) == 2 else None
        if ratio is None:
            return None
        one, two = float(ratio["one"]), float(ratio["two"])
        if not isclose(one + two, self._total) and one + two != PERCENT:
            return None
        share = self._total / (one + two)
        own = zip(self.columns, (one, two), strict=True)
        return {column: Value(whole(amount * share), IMPLIED) for column, amount in own}

    def _is_denied(self, text: str, start: int, end: int) -> bool:
        """Whether words are denied, supposed or asked."""
        return bool(why_not(text, start, end)) or is_conditional(text, end) or text.rstrip().endswith("?")

    def _read(self, text: Text) -> dict[str, Answer]:
        marks = list(self._marks.find(text.plain))
        in_step = [] if self._marks.has_numbers else list(self._in_step(text.plain, marks))
        if in_step:
            return self._said(self._chosen(in_step, text), text)
        found = find_pairs(text.plain, marks, self._total, not self._marks.has_numbers)
        pairs = self._evenly(text.plain, _of_one_kind(self._with_other(marks, found), self._total))
        respective = self._across(text.plain, marks) or self._respectively(text.plain, marks)
        divisions = [respective] if respective else _divisions(_heads(text.plain, pairs))
        named = set() if self._marks.has_numbers else {label for mark in marks for label in mark.labels}
        lists = [self._completed(division, text, named) for division in divisions]
        if not any(len(amounts) == len(self._of) for amounts in lists):
            lists += filter(None, [self._by_lines(text.plain, marks)])
        in_order = None if divisions else self._in_order(text.plain, marks)
        return self._said(self._chosen([in_order] if in_order else lists, text), text)

    def _said(self, answers: Mapping[str, Pair | str], text: Text) -> dict[str, Answer]:
        """The answer for each column."""
        said = fsum(pair.amount or 0 for pair in answers.values() if isinstance(pair, Pair) and not pair.bad)
        found = {column: self._checked(answers.get(label), text, said) for label, column in self._of.items()}
        if self._marks.has_numbers:
            return found
        misses = abs(said - self._total) > self._slack and all(isinstance(answer, Value) for answer in found.values())
        why = f"makes {whole(said)} with the others, not {whole(self._total)}" if misses else ""
        if not why and self._is_supposed(text, answers):
            why = "holds only under a condition, or counts other things"
        return {column: _doubted(answer, why) for column, answer in found.items()} if why else found

    def _is_supposed(self, text: Text, answers: Mapping[str, Pair | str]) -> bool:
        """Whether the amounts stand under a condition, or are numbers of other things: "Karl is 60 years old"."""
        pairs = [pair for pair in answers.values() if isinstance(pair, Pair) and pair.start < pair.end]
        if not pairs:
            return False
        start, end = min(pair.start for pair in pairs), max(pair.end for pair in pairs)
        counts = all(pair.unit == "plain" for pair in pairs) and any(_COUNTS.match(text.plain, p.end) for p in pairs)
        before = text.plain[max(0, start - FURTHEST) : start].replace(":", ",")
        return counts or is_supposed(before) or is_conditional(text.plain, end)

    def begins(self, text: str) -> int:
        """The place of the first pair of a text; its end when there is none."""
        pairs = find_pairs(text, list(self._marks.find(text)), self._total)
        return min((pair.start for pair in pairs), default=len(text))

    def _completed(self, division: _Division, text: Text, named: set[str]) -> _Amounts:
        """Amounts as shares of the total, with those that follow from them for other labels.

        `named` are names that stand in the text: without an amount for each of them, nobody knows what the rest is.
        """
        self._scale(division)
        amounts = dict(division.amounts)
        shared = [pair for pair in division.pairs if pair.bad == SEVERAL and pair.amount is not None]
        if len(shared) == 1 and isclose(_sum(amounts) + len(shared[0].labels) * (shared[0].amount or 0), self._total):
            shared[0].bad, shared[0].grade = None, IMPLIED  # "$50 on 2 and 3": each
        for pair in division.pairs:
            if len(pair.labels) > 1 and len(pair.labels) * (pair.amount or 0) > self._total + self._slack:
                pair.bad = pair.bad or SEVERAL  # "$75 on all" cannot be $75 on each
        if any(pair.bad for pair in amounts.values()):
            return amounts
        if named - set(amounts) and any(pair.is_rest for pair in division.pairs):
            return {label: pair for label, pair in amounts.items() if not pair.is_rest}  # the rest of what is unknown
        for pair in division.pairs:
            if pair.is_rest and pair.labels:
                left = self._total - fsum(other.amount or 0 for other in amounts.values() if not other.is_rest)
                pair.amount = whole(left / len(pair.labels)) if left >= 0 else None
        for pair in division.pairs:
            if not pair.labels and pair.amount is not None:
                amounts |= self._to_others(pair, amounts)
        end = max((pair.end for pair in amounts.values()), default=0)
        open_labels = self._open(amounts)
        if len(self._of) == 2 and len(open_labels) == 1 and len(amounts) == 1 and not text.may_be_cut:
            (only,) = amounts.values()
            if only.amount is not None and not only.bad and only.unit != "plain" and 0 <= only.amount <= self._total:
                own = Pair((open_labels[0],), whole(self._total - only.amount), only.unit, end, end, grade=IMPLIED)
                return amounts | {open_labels[0]: own}
        full = len(amounts) < len(self._of) and isclose(_sum(amounts), self._total)
        if full and not _goes_on(text, end):
            zero = Pair((), 0.0, None, end, end, grade=IMPLIED)
            amounts |= dict.fromkeys(self._open(amounts), zero)
        return amounts

    def _scale(self, division: _Division) -> None:
        """Turn fractions, and bare numbers that sum to 1, into shares of the total."""
        bare = [pair.amount for pair in division.amounts.values() if pair.unit == "plain" and pair.amount is not None]
        sure = len(bare) == len(self._of) or any(not float(amount).is_integer() for amount in bare)
        of_one = sure and isclose(fsum(bare), 1, abs_tol=0.011)
        for pair in division.pairs:
            if pair.amount is not None:
                share = pair.unit == "fraction" or (of_one and pair.unit == "plain")
                percent = self._total / PERCENT if pair.unit == "percent" else 1
                pair.amount = whole(pair.amount * (self._total if share else percent))

    def _open(self, amounts: _Amounts) -> list[str]:
        return [label for label in self._of if label not in amounts]

    def _to_others(self, pair: Pair, amounts: _Amounts) -> _Amounts:
        """Each label's amount in "$10 on the others": all of it where it is 0 or the sum requires it, else a share."""
        others = self._open(amounts)
        amount = pair.amount or 0.0
        each = isclose(_sum(amounts) + amount * len(others), self._total)
        own = amount if each or not others else amount / len(others)
        return {label: Pair((label,), whole(own), pair.unit, pair.start, pair.end, grade=IMPLIED) for label in others}

    def _evenly(self, text: str, pairs: list[Pair]) -> list[Pair]:
        """The pairs, including those of "evenly between 2 and 3": of an amount before it, or of the total."""
        split = _EVENLY.search(text) if "even" in text or "equal" in text or "uniform" in text else None
        if not split:
            return pairs
        marks = list(self._marks.find(split["what"]))
        labels = {label for mark in marks for label in mark.labels}
        if not labels and not any(mark.rest for mark in marks) and _ALL.search(split["what"]):
            labels = set(self._of)
        if not labels:
            return pairs
        start, end = split.span()
        before = list(self._marks.find(text[max(0, start - 30) : start]))
        amount = before[-1] if before else None
        pair = Pair(tuple(label for label in self._of if label in labels), None, "word", start, end, grade=IMPLIED)
        if amount is not None and amount.rest:
            pair.is_rest = True
        elif amount is not None and amount.unit in ("money", "percent") and amount.amount is not None:
            pair.amount = whole(amount.amount / len(labels))
        else:
            pair.amount = whole(self._total / len(labels))
        outside = [other for other in pairs if other.end <= start or other.start >= end]
        return sorted([*outside, pair], key=lambda pair: pair.start)

    def _respectively(self, text: str, marks: Sequence[Mark]) -> _Division | None:
        """As in "$10, $20 and $70 on 1, 2 and 3, respectively": amounts and labels in the same order."""
        place = text.find("respectively")
        if place < 0:
            return None
        line = [mark for mark in marks if text.rfind("\n", 0, place) < mark.start < place]
        amounts = [mark for mark in line if mark.unit in ("money", "percent") and not mark.bad]
        labels = [mark.labels[0] for mark in line if len(mark.labels) == 1]
        if len(amounts) != len(labels) or len(set(labels)) < 2:
            return None
        return _paired(labels, amounts)

    def _with_other(self, marks: Sequence[Mark], pairs: list[Pair]) -> list[Pair]:
        """As in "give $30, keep the rest": with two labels the amount without one belongs to the other of them."""
        if self._marks.has_numbers or len(self._of) != 2 or len(pairs) != 1:
            return pairs
        (rest,) = pairs
        if not rest.is_rest or len(rest.labels) != 1:
            return pairs
        stated = [mark for mark in marks if mark.unit in ("money", "percent") and mark.amount != self._total]
        if len(stated) != 1 or stated[0].bad:
            return [] if stated else pairs
        other = next(label for label in self._of if label not in rest.labels)
        (mark,) = stated
        return [Pair((other,), mark.amount, mark.unit, mark.start, mark.end, grade=IMPLIED), rest]

    def _in_step(self, text: str, marks: Sequence[Mark]) -> Iterator[_Amounts]:
        """As many amounts as labels, whatever comes first, that make the total: "70% glad, 20% sad and 10% cross".

        Labels that are numbers are not read so: they would be taken for amounts.
        """
        steps: list[Mark] = []
        for mark in marks:
            again = bool(mark.labels and steps and steps[-1].labels == mark.labels)
            if not again and (len(mark.labels) == 1 or mark.rest or (mark.amount is not None and not mark.bad)):
                steps.append(mark)
        place, size = 0, 2 * len(self._of)
        while place + size <= len(steps):
            amounts = self._made(text, steps[place : place + size])
            place += size if amounts else 1
            if amounts:
                yield amounts

    def _made(self, text: str, run: Sequence[Mark]) -> _Amounts:
        """The amounts of all labels, each named once, in their order; empty unless they make the total."""
        labels = [mark.labels[0] for mark in run if mark.labels]
        amounts = [mark for mark in run if not mark.labels]
        rests = [mark for mark in amounts if mark.rest]
        stated = [mark for mark in amounts if not mark.rest]
        made = fsum(mark.amount or 0 for mark in stated)
        share = self._total if self._total != 1 and isclose(made, 1, abs_tol=SLACK) else 1
        share = self._total / PERCENT if all(mark.unit == "percent" for mark in stated) else share
        if run[0].labels and any(
            _TO.fullmatch(text, a.end, b.start) for a, b in zip(run[1::2], run[2::2], strict=False)
        ):
            return {}
        left = self._total - made * share
        is_near = run[-1].end - run[0].start <= LONGEST_GAP * len(amounts)
        if not (is_near and len(set(labels)) == len(amounts) == len(self._of)) or not self._in_turn(run):
            return {}
        if len(rests) > 1 or not (0 <= left <= self._total if rests else abs(left) <= self._total * SLACK):
            return {}
        return {
            label: Pair(
                (label,),
                whole(left if mark.rest else (mark.amount or 0) * share),
                mark.unit,
                mark.start,
                mark.end,
                grade=IMPLIED if mark.rest else CLEAR,
            )
            for label, mark in zip(labels, amounts, strict=True)
        }

    def _in_turn(self, run: Sequence[Mark]) -> bool:
        """Whether each two of them are a label and an amount: "I give him 20 and keep 30" names both before these."""
        return all(bool(one.labels) != bool(two.labels) for one, two in zip(run[::2], run[1::2], strict=True))

    def _across(self, text: str, marks: Sequence[Mark]) -> _Division | None:
        """A transposed table: a line with all labels, and below it a line with as many amounts."""
        if "|" not in text:
            return None
        for head, row in pairwise(_by_line(text, marks)):
            labels = [mark.labels[0] for mark in head if len(mark.labels) == 1]
            amounts = [mark for mark in row if mark.amount is not None]
            if labels == list(self._of) and len(amounts) == len(labels):
                return _paired(labels, amounts)
        return None

    def _by_lines(self, text: str, marks: Sequence[Mark]) -> _Amounts:
        """Lines that begin with a label and end with the one amount in them: "2 - One may be broken. $25"."""
        pairs: _Amounts = {}
        for line in _by_line(text, marks):
            amounts = [mark for mark in line if mark.unit in ("money", "percent")]
            head, last = line[0], line[-1]
            begins = _BULLET.fullmatch(text, text.rfind("\n", 0, head.start) + 1, head.start)
            ends = text[last.end :].split("\n", 1)[0].strip(" .)") == ""
            if begins and ends and len(head.labels) == 1 and amounts == [last] and not last.bad:
                pairs.setdefault(head.labels[0], Pair(head.labels, last.amount, last.unit, head.start, last.end))
        return pairs if len(pairs) == len(self._of) else {}

    def _in_order(self, text: str, marks: Sequence[Mark]) -> _Amounts | None:
        """As many amounts as there are labels, and no labels, as in "0%, 0%, 10%, 90%"; their sum must be the total."""
        amounts = [mark for mark in marks if mark.amount is not None and not mark.bad]
        for chosen in ([mark for mark in amounts if mark.unit in ("money", "percent")], amounts):
            for first in range(len(chosen) - len(self._of) + 1):
                run = chosen[first : first + len(self._of)]
                listed = all(_LISTED.fullmatch(text, one.end, two.start) for one, two in pairwise(run))
                if listed and isclose(fsum(mark.amount or 0 for mark in run), self._total):
                    return {
                        label: Pair((label,), mark.amount, mark.unit, mark.start, mark.end, grade=IMPLIED)
                        for label, mark in zip(self._of, run, strict=True)
                    }
        return None

    def _chosen(self, lists: Sequence[_Amounts], text: Text) -> dict[str, Pair | str]:
        """The list that counts; where complete lists differ on a label, it has the reason instead of a pair."""
        complete = [amounts for amounts in lists if len(amounts) == len(self._of)]
        plain = [amounts for amounts in complete if all(pair.grade > IMPLIED for pair in amounts.values())]
        complete = plain or complete
        if not complete:
            return _together(lists)
        *earlier, last = complete
        answers: dict[str, Pair | str] = dict(last)
        decides = earlier and not self._marks.has_numbers and _is_decided(last, text.plain)
        if decides:
            return {label: replace(pair, grade=IMPLIED) for label, pair in last.items()}
        if earlier and not (_is_final(earlier[-1], last, text.plain) or _is_first_thought(earlier[-1], text.plain)):
            for label, pair in last.items():
                if any((other[label].amount, other[label].bad) != (pair.amount, pair.bad) for other in earlier):
                    answers[label] = "is given twice with different amounts"
        for later in lists[lists.index(last) + 1 :]:
            if later and _is_final(last, later, text.plain):
                answers |= later
        return answers

    def _checked(self, answer: Pair | str | None, text: Text, said: float) -> Answer:
        """The answer of a label's pair; `said` is the sum of all amounts."""
        if answer is None:
            return Missing("is cut off" if text.may_be_cut else "is not said")
        if isinstance(answer, str):
            return Missing(answer)
        if answer.bad or answer.amount is None:
            return Missing(answer.bad or "is not said")
        if not 0 <= answer.amount <= self._total:
            return Missing(f"{whole(answer.amount)} is outside 0 to {whole(self._total)}")
        if self._is_half_written(answer, text, said):
            return Missing("is cut off")
        plainly = answer.grade == CLEAR and answer.unit in ("percent", "money")
        return Value(whole(answer.amount), EXACT if plainly else answer.grade)

    def _is_half_written(self, answer: Pair, text: Text, said: float) -> bool:
        """Whether the number that a text ends with may lack digits, as "$9" of "$90" where the sum is short by 81."""
        ends = answer.end >= len(text.plain) - 3 and text.plain.rstrip()[-1:].isdigit()
        if not ends or not text.may_be_cut or isclose(said, self._total):
            return False
        longer = said + 9 * (answer.amount or 0)
        return text.cut is True or any(isclose(longer + digit, self._total) for digit in range(10))


def _doubted(answer: Answer, why: str) -> Answer:
    return doubted(answer.value, why) if isinstance(answer, Value) else answer


def _together(lists: Sequence[_Amounts]) -> dict[str, Pair | str]:
    """Incomplete lists as one, where none contradicts another; else the longest."""
    together: _Amounts = {}
    for amounts in lists:
        for label, pair in amounts.items():
            if together.setdefault(label, pair).amount != pair.amount:
                longest = max(lists, key=len)
                return dict(longest)
    is_bare = len(together) == 1 and all(pair.unit == "plain" for pair in together.values())
    return {} if is_bare else dict(together)


def _is_final(before: _Amounts, after: _Amounts, text: str) -> bool:
    """Whether the text calls the later one of two lists final, corrected or the like."""
    start, end = max(pair.end for pair in before.values()), min(pair.start for pair in after.values())
    return start < end and bool(_FINAL.search(text, start, end) or retracts(text[start:end]))


def _is_decided(last: _Amounts, text: str) -> bool:
    """Whether the text comes to a decision right before a list, as in "So I decide: ..." and "Deshalb gebe ich ..."."""
    start = min(pair.start for pair in last.values())
    near = text[max(0, start - BEFORE) : start]
    return DECIDES.search(near[max(near.rfind("\n"), near.rfind(". "), 0) :]) is not None


def _is_first_thought(before: _Amounts, text: str) -> bool:
    """Whether a list is introduced as what was thought at first."""
    start = min(pair.start for pair in before.values())
    return _AT_FIRST.search(text, max(0, start - 50), start) is not None


def _sum(amounts: _Amounts) -> float:
    return fsum(pair.amount or 0 for pair in amounts.values() if not pair.bad)


def _divisions(pairs: Sequence[Pair]) -> list[_Division]:
    """Pairs as lists: a new one begins where a label is repeated."""
    lists: list[_Division] = []
    for pair in pairs:
        if not lists or not lists[-1].takes(pair):
            lists.append(_Division())
        lists[-1].add(pair)
    return lists


def _paired(labels: Sequence[str], amounts: Sequence[Mark]) -> _Division:
    """Labels and amounts in the same order."""
    division = _Division()
    for label, mark in zip(labels, amounts, strict=True):
        division.add(Pair((label,), mark.amount, mark.unit, mark.start, mark.end))
    return division


def _by_line(text: str, marks: Sequence[Mark]) -> list[list[Mark]]:
    """The marks of each line that has any."""
    lines: dict[int, list[Mark]] = {}
    for mark in marks:
        lines.setdefault(text.rfind("\n", 0, mark.start), []).append(mark)
    return list(lines.values())


def _goes_on(text: Text, end: int) -> bool:
    """Whether a list may go on after the end of its text: the text is cut, or ends in the middle of a reason."""
    return text.may_be_cut and (text.cut is True or len(text.plain[end:].split()) > 4)


def _of_one_kind(pairs: list[Pair], total: float) -> list[Pair]:
    """Without bare numbers, where others have a unit: "Step 2: 1 lamp works" is not a bet.

    A zero needs no unit, and neither does a number that completes the total.
    """
    if all(pair.weak for pair in pairs) and len({label for pair in pairs for label in pair.labels}) < 2:
        return []
    if not any(pair.unit in ("money", "percent") for pair in pairs):
        return pairs
    labels = [label for pair in pairs for label in pair.labels]
    if len(labels) == len(set(labels)) and isclose(fsum(pair.amount or 0 for pair in pairs), total):
        return pairs
    return [pair for pair in pairs if pair.unit != "plain" or pair.amount == 0]


def _heads(text: str, pairs: list[Pair]) -> list[Pair]:
    """Only the pairs that lines begin with, where these make a list; others belong to explanations."""
    if "\n" not in text:
        return pairs
    heads: list[Pair] = []
    lines: set[int] = set()
    last_end = -1
    for pair in pairs:
        line = text.rfind("\n", 0, pair.start) + 1
        begins = pair.start - line < 60 and _BULLET.fullmatch(text, line, pair.start)
        if begins or (last_end >= 0 and _JOINED.fullmatch(text, last_end, pair.start)):
            heads.append(pair)
            lines.add(line)
            last_end = pair.end
        else:
            last_end = -1
    labels = {label for pair in heads for label in pair.labels}
    return heads if len(labels) >= 2 and len(lines) >= 2 else pairs
