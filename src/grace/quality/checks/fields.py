"""Checks of the values that were found in single answers."""

from collections.abc import Iterator
from math import fsum, isclose

from grace.columns import CONFIDENCE, METHOD, REASONS
from grace.errors import InputError
from grace.quality.checks.cells import quoted
from grace.quality.layout import Cells, Layout
from grace.quality.looks import Fault, Looks, RowLook, Thresholds, Unit
from grace.stages.fields.records import Rows
from grace.studies.fields import Cell

NO_FIELDS = "the study has no extraction section"


def percentage_sum(layout: Layout, thresholds: Thresholds) -> Looks | str:
    """Amounts that should add up to a total and do not."""
    extraction = layout.study.extraction
    if extraction is None:
        return NO_FIELDS
    sums = {name: own for name, own in extraction.sums.items() if layout.present.issuperset(own.fields)}
    if not extraction.sums:
        return "the study has no amounts that make a total"
    if not sums:
        return "the columns of amounts are not there"
    tolerance = thresholds["percentage_sum_tolerance"] / 100

    def look(cells: Cells) -> Iterator[Unit]:
        for own in sums.values():
            amounts = cells.numbers(own.fields)
            if amounts is not None:
                total = fsum(amounts)
                off = abs(total - own.total) > tolerance * own.total + 1e-9
                yield Unit("", [(", ".join(own.fields), f"sum to {total:g}, not {own.total:g}")] if off else [])

    return [RowLook(tuple(name for own in sums.values() for name in own.fields), look)]


def extracted(layout: Layout, _: Thresholds) -> Looks | str:
    """Rows in which every field has a value."""
    if layout.study.extraction is None:
        return NO_FIELDS
    fields = layout.fields_present
    if not fields:
        return "the columns of the fields are not there"

    def look(cells: Cells) -> Iterator[Unit]:
        empty = [name for name in fields if not cells[name]]
        yield Unit("", [(", ".join(empty), cells[REASONS] or "no value")] if empty else [])

    return [RowLook((*fields, REASONS), look)]


def extraction_doubt(layout: Layout, thresholds: Thresholds) -> Looks | str:
    """Rows with a value that is in doubt."""
    if CONFIDENCE not in layout.present:
        return f"the table has no column {CONFIDENCE}"
    least = thresholds["extraction_doubt_below"]

    def look(cells: Cells) -> Iterator[Unit]:
        confidence = cells.number(CONFIDENCE)
        if confidence is not None:
            yield Unit("", [(CONFIDENCE, f"is {confidence:g}, below {least:g}")] if confidence < least else [])

    return [RowLook((CONFIDENCE,), look)]


def reread(layout: Layout, _: Thresholds) -> Looks | str:
    """Rows that rules have read, and in which they now read other values."""
    if layout.study.extraction is None:
        return NO_FIELDS
    try:
        rows = Rows(layout.study, layout.columns)
    except InputError:
        return "the table has no column of answers to read again"
    columns = layout.columns if rows.read_from is None else rows.read_from

    def faults(cells: Cells) -> Iterator[Fault]:
        values = rows.read(rows.of({name: cells.raw(name) for name in columns})).values
        for name in layout.fields_present:
            value = values[name]
            if not _is(value, cells, name):
                now = "nothing" if value is None else quoted(str(value))
                yield name, f"is {quoted(cells[name])}; the rules read {now}"

    def look(cells: Cells) -> Iterator[Unit]:
        if cells[METHOD] == "rule":
            yield Unit("", list(faults(cells)))

    return [RowLook((*columns, METHOD, *layout.fields_present), look)]


def _is(value: Cell | None, cells: Cells, name: str) -> bool:
    """Whether a cell holds a value, in whatever format a number is written."""
    if value is None:
        return not cells[name]
    if isinstance(value, str):
        return cells[name] == value
    number = cells.number(name)
    return number is not None and isclose(number, value, rel_tol=1e-9, abs_tol=1e-9)
