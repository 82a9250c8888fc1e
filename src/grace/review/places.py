"""Where in an answer its values are said: the words without which the rules would read something else."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from grace.stages.fields.records import Answered, Rows
from grace.studies.fields import Cell, Extracted, Field
from grace.studies.reading import Value
from grace.studies.reading.text import plain

_WORD = re.compile(r"[^\s,;:()\[\]{}\"*]*[^\s,;:()\[\]{}\"*.!?]")
MOST_WORDS = 600
"""A longer answer is only searched up to this word: each try reads the answer again."""
MOST_TRIES = 24
"""How many places of one value are tried."""


@dataclass(frozen=True)
class SaidAt:
    """A part of a text, as places of characters, with the fields whose values it says."""

    start: int
    end: int
    fields: tuple[str, ...]


def places(rows: Rows, row: Mapping[str, str], column: str) -> list[SaidAt]:
    """The places of the values in one column's text, in order; none of them overlap.

    A place says a value by a word or number of it. Where taking that away changes what the rules read, it is the place;
    where the text says it twice, so that nothing changes, all such places are.
    """
    text = row.get(column, "")
    read = rows.read(rows.of(row))
    readings = {reading for reading, source in rows.sources.items() if source == column}
    found: dict[tuple[int, int], list[str]] = {}
    for name, field in rows.extraction.fields.items():
        answer = read.answers[name]
        if field.reading not in readings or not isinstance(answer, Value):
            continue
        for span in _spans(rows, row, column, text, field, answer.value):
            found.setdefault(span, []).append(name)
    return _apart(found)


def _spans(
    rows: Rows, row: Mapping[str, str], column: str, text: str, field: Field, value: Cell
) -> list[tuple[int, int]]:
    tried = list(_saying(text, field, value))[:MOST_TRIES]
    needed = [span for span in tried if _without(rows, row, column, text, span).values[field.name] != value]
    return needed or tried


def _saying(text: str, field: Field, value: Cell) -> Iterator[tuple[int, int]]:
    """The words that can say a value, and where its own words stand in a row."""
    words = [match.span() for match in _WORD.finditer(text)][:MOST_WORDS]
    own = [re.escape(word) for word in str(value).split()]
    if len(own) > 1:
        yield from (match.span() for match in re.finditer(r"\W+".join(own), text, re.IGNORECASE))
    for start, end in words:
        if field.is_said(value, plain(text[start:end]).strip()):
            yield start, end


def _without(rows: Rows, row: Mapping[str, str], column: str, text: str, span: tuple[int, int]) -> Extracted:
    start, end = span
    answered: Answered = rows.of({**row, column: f"{text[:start]} {text[end:]}"})
    return rows.read(answered)


def _apart(found: Mapping[tuple[int, int], list[str]]) -> list[SaidAt]:
    """The spans in order; of those that overlap the shortest, so that a word is not lost in its sentence."""
    kept: list[SaidAt] = []
    for (start, end), names in sorted(found.items(), key=lambda item: (item[0][1] - item[0][0], item[0])):
        if all(end <= other.start or start >= other.end for other in kept):
            kept.append(SaidAt(start, end, tuple(names)))
    return sorted(kept, key=lambda place: place.start)


def pieces(text: str, marked: list[SaidAt]) -> Iterator[dict[str, object]]:
    """A text in pieces for the page, each with the fields whose values it says."""
    reached = 0
    for place in marked:
        if place.start > reached:
            yield {"text": text[reached : place.start], "fields": []}
        yield {"text": text[place.start : place.end], "fields": list(place.fields)}
        reached = place.end
    if reached < len(text) or not text:
        yield {"text": text[reached:], "fields": []}
