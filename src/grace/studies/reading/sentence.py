"""Reads a sentence with parts, as "It wasn't bad.": the first one that a text says."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from grace.studies.answers import fill
from grace.studies.reading import EXACT, IMPLIED, Answer, Missing, Value, doubted
from grace.studies.reading.text import Text, plain

_NOT_SAID = re.compile(
    r"(?:\bif\b|\bnot\b|n't\b|\bnever\b|\bcannot\b|\bno one\b|\brather than\b|\binstead of\b|\bavoid(?:ing)?\b"
    r"|\bas opposed to\b|\bwithout\b)(?:\s(?:say|saying|says|think|thinking|believe|claim|claiming|mean|be|that|if|it"
    r"|to|answer|answering|use|using|just|simply|going|feel|want|like|directly|honest|true|fair"
    r"|right|accurate|correct))*[\s\"':,]*$"
)
MANY = 2
"""With this many other sentences after the first one, a text may only list the options."""
_HEADS = r"(?:it|that|this|they|(?:the|your|his|her|my) [a-z]+(?: [a-z]+)?)"


@dataclass(frozen=True)
class Parts:
    """The parts of a sentence.

    Attributes:
        form: the canonical sentence with {factor} in place of each part.
        factors: for each factor, its parts by label: ways to write it, the canonical one first.
        columns: the column of each factor.
        cleaned: the column of the whole sentence.
        between: words that may come before a part and change nothing.
    """

    form: str
    factors: Mapping[str, Mapping[str, Sequence[str]]]
    columns: Mapping[str, str]
    cleaned: str
    between: Sequence[str]


class SentenceReader:
    """Finds the first sentence of a closed set."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self.columns = (*(parts.columns[factor] for factor in parts.factors), parts.cleaned)
        self._labels = {
            factor: {plain(way): label for label, ways in own.items() for way in ways}
            for factor, own in parts.factors.items()
        }
        pieces = re.split(r"\{(\w+)\}", plain(parts.form).rstrip(" .!"))
        filler = rf"(?:(?P<between>(?:(?:{'|'.join(map(re.escape, parts.between))})\s+)+))?" if parts.between else ""
        pattern = ""
        for place, piece in enumerate(pieces):
            if place % 2:
                pattern += rf"[\[\"']?(?P<{piece}>{_either(self._labels[piece])})[\]\"']?"
                if place == len(pieces) - 2:
                    pattern += r"(?![\w/|-])"
            else:
                words = piece.strip()
                head = rf"\b(?P<head>{_HEADS})" if not place and words == "it" else re.escape(words)
                pattern += (head if words else "") + r"\s*"
                if place == len(pieces) - 3 and filler:
                    pattern += filler
        self._pattern = re.compile(pattern)
        self._fields = {
            factor: re.compile(
                rf"\b(?:{re.escape(parts.columns[factor].lower())}|{re.escape(factor)})[\"']?\s*[:=]\s*[\"']?"
                rf"(?P<way>{_either(self._labels[factor])})(?![\w/|-])"
            )
            for factor in parts.factors
        }

    def read(self, text: Text) -> dict[str, Answer]:
        """The parts of the first sentence, or of the first one in quotes where the text does not begin with it.

        A sentence that the text only rejects is skipped.
        """
        matches = list(self._pattern.finditer(text.plain))
        said = [
            match for match in matches if not _NOT_SAID.search(text.plain, max(0, match.start() - 80), match.start())
        ]
        whole = [match for match in said if not (text.cut and match.end() == len(text.plain))]
        if whole:
            first = self._first(whole, text.plain)
            others = {tuple(self._ways(match).values()) for match in whole} - {tuple(self._ways(first).values())}
            answers = self._answers(first)
            if len(others) < MANY:
                return dict(answers)
            return {name: doubted(answer.value, "may only be one of a list") for name, answer in answers.items()}
        ways = {factor: pattern.search(text.plain) for factor, pattern in self._fields.items()}
        if all(ways.values()):
            return dict(self._values({factor: way["way"] for factor, way in ways.items() if way}, IMPLIED))
        why = "only says what would not be said" if matches and not said else "has none of the sentences asked for"
        return dict.fromkeys(self.columns, Missing(why))

    def contradiction(self, values: Mapping[str, int | float | str | None]) -> str | None:
        """How a sentence differs from the parts beside it; None: it does not."""
        parts = {factor: values[self._parts.columns[factor]] for factor in self._parts.factors}
        whole = values[self._parts.cleaned]
        if None in parts.values():
            sentence, needed = None, "empty, as its parts are not all there"
        else:
            sentence = fill(self._parts.form, {factor: str(part) for factor, part in parts.items()})
            needed = repr(sentence)
        return None if whole == sentence else f"{self._parts.cleaned}: must be {needed}"

    def _first(self, matches: Sequence[re.Match[str]], text: str) -> re.Match[str]:
        if not text[: matches[0].start()].strip(" \"'\n"):
            return matches[0]
        return next((match for match in matches if text[: match.start()].endswith(('"', "'"))), matches[0])

    def _ways(self, match: re.Match[str]) -> dict[str, str]:
        """How each part is written."""
        return {factor: re.sub(r"\s+", " ", match[factor]) for factor in self._parts.factors}

    def _answers(self, match: re.Match[str]) -> dict[str, Value]:
        groups = match.groupdict()
        literal = groups.get("head", "it") == "it" and not groups.get("between")
        return self._values(self._ways(match), EXACT if literal else IMPLIED)

    def _values(self, ways: Mapping[str, str], grade: float) -> dict[str, Value]:
        """The values of a sentence, from the spelling of each part."""
        canonical = {factor: self._parts.factors[factor][self._labels[factor][way]][0] for factor, way in ways.items()}
        answers = {self._parts.columns[factor]: Value(piece, grade) for factor, piece in canonical.items()}
        return answers | {self._parts.cleaned: Value(fill(self._parts.form, canonical), grade)}


def _either(ways: Iterable[str]) -> str:
    """A regular expression of any of some words, the longest first."""
    return "|".join(re.escape(way).replace(r"\ ", r"\s+") for way in sorted(ways, key=len, reverse=True))
