"""Checks of single cells: errors, missing values, types and ranges."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache, partial
from typing import get_args

from grace.columns import CONFIDENCE, ERROR, METHOD, MODEL, REASONS, RESPONSE
from grace.quality.layout import Cells, Layout, Numeric, number_in
from grace.quality.looks import REMEMBERED, Fault, Look, Thresholds, Unit, remembered
from grace.stages.answers.table import EMPTIES
from grace.studies.fields import Method
from grace.studies.format import MISSING, InputColumn

METHODS = get_args(Method)
ALWAYS = (MODEL, "replication", "seed")
"""Columns of answers that hold something in every row."""
ANSWERED = (RESPONSE, "response_timestamp", "processing_time_ms")
"""Columns that hold something in every row without an error."""
LONGEST = 80
"""The most characters of a cell that are quoted."""


def quoted(cell: str) -> str:
    """A cell in quotes, shortened where it is long."""
    return repr(cell if len(cell) <= LONGEST else cell[:LONGEST] + "...")


def errors(layout: Layout, _: Thresholds) -> Look | str:
    """Rows whose requests failed or were not sent; an empty answer is an answer."""
    names = layout.errors
    if not names:
        return "the table has no column error"

    def look(cells: Cells) -> Iterator[Unit]:
        yield Unit("", [(name, cells[name]) for name in names if cells[name] and cells[name] not in EMPTIES])

    return look


def missing_values(layout: Layout, _: Thresholds) -> Look | str:
    """Cells that are empty although they should not be and no error says why."""
    finders: list[Callable[[Cells], Iterable[Fault]]] = [_missing_of_input(layout)]
    if layout.answers:
        finders.append(_missing_of_answers(layout))
    if layout.fields:
        finders.append(_missing_of_fields(layout))
    if layout.questions:
        finders.append(_missing_of_scores(layout))

    def look(cells: Cells) -> Iterator[Unit]:
        yield Unit("", [fault for find in finders for fault in find(cells)])

    return look


def _missing_of_input(layout: Layout) -> Callable[[Cells], Iterator[Fault]]:
    names = [name for name, column in _given(layout) if column.required]

    def find(cells: Cells) -> Iterator[Fault]:
        for name in names:
            if (cell := cells.raw(name)) in MISSING:
                yield name, f"is marked as missing ({cell})" if cell else "is empty"

    return find


def _missing_of_answers(layout: Layout) -> Callable[[Cells], Iterator[Fault]]:
    always = [name for name in ALWAYS if name in layout.present]
    answered = [name for name in (*ANSWERED, *layout.turns) if name in layout.present]

    def find(cells: Cells) -> Iterator[Fault]:
        for name in always if cells[ERROR] else (*always, *answered):
            if (cell := cells.raw(name).strip()) in MISSING:
                yield name, f"is {f'marked as missing ({cell})' if cell else 'empty'}, and there is no error"

    return find


def _missing_of_fields(layout: Layout) -> Callable[[Cells], Iterator[Fault]]:
    fields = layout.fields_present
    has_reasons, has_confidence = REASONS in layout.present, CONFIDENCE in layout.present

    def find(cells: Cells) -> Iterator[Fault]:
        if not cells[METHOD]:
            yield METHOD, "is empty"
        empty = [name for name in fields if not cells[name]]
        if has_reasons and empty and not cells[REASONS]:
            yield from ((name, f"is empty, and {REASONS} does not say why") for name in empty)
        if has_confidence and len(empty) < len(fields) and not cells[CONFIDENCE]:
            yield CONFIDENCE, "is empty, though there are values"

    return find


def _missing_of_scores(layout: Layout) -> Callable[[Cells], Iterable[Fault]]:
    groups = [
        (question.columns.probabilities, [name for name in question.columns.names if name in layout.present])
        for question in layout.questions.values()
    ]
    error, has_model = layout.scores_error, MODEL in layout.present and not layout.answers

    def find(cells: Cells) -> Iterator[Fault]:
        if has_model and not cells.raw(MODEL).strip():
            yield MODEL, "is empty"
        failed = cells[error]
        for probabilities, names in groups:
            if failed and not any(cells[name] for name in probabilities):
                continue
            yield from ((name, "is empty, and there is no error") for name in names if not cells[name])

    return remembered(layout.around_scores, find)


def schema(layout: Layout, _: Thresholds) -> Look | str:
    """Cells that are not of their column's type, or not one of its values."""
    numeric = _each_number(layout, _no_number)
    given = [(name, lru_cache(REMEMBERED)(partial(_oddity, column, layout.decimal))) for name, column in _given(layout)]
    extraction = layout.study.extraction if layout.fields else None
    fields = [extraction.fields[name] for name in layout.fields_present] if extraction else []
    sets = [(field.name, lru_cache(REMEMBERED)(partial(_no_value, field.parse))) for field in fields if field.values]

    def faults(cells: Cells) -> Iterator[Fault]:
        for name, oddity in given:
            if what := oddity(cells.raw(name)):
                yield name, what
        for find in numeric:
            yield from find(cells)
        for name, oddity in sets:
            if (cell := cells[name]) and (what := oddity(cell)):
                yield name, what
        if extraction and (method := cells[METHOD]) and method not in METHODS:
            yield METHOD, f"{quoted(method)} is not one of {', '.join(METHODS)}"

    def look(cells: Cells) -> Iterator[Unit]:
        yield Unit("", list(faults(cells)))

    return look


def _oddity(column: InputColumn, decimal: str | None, cell: str) -> str | None:
    return None if cell in MISSING else column.oddity(column.canonical(cell, decimal), decimal)


def _no_value(parse: Callable[[object], int | float | str], cell: str) -> str | None:
    try:
        value = str(parse(cell))
    except ValueError as error:
        return str(error) if len(cell) <= LONGEST else f"{quoted(cell)} is not one of the field's values"
    return None if value == cell else f"{quoted(cell)} should be written {value!r}"


def range_(layout: Layout, _: Thresholds) -> Look | str:
    """Numbers outside the possible range."""
    if not layout.numeric:
        return "the table has no column of numbers"
    numeric = _each_number(layout, _outside)

    def look(cells: Cells) -> Iterator[Unit]:
        yield Unit("", [fault for find in numeric for fault in find(cells)])

    return look


def _no_number(kind: Numeric, cell: str) -> str | None:
    number = number_in(cell)
    if number is None:
        return f"{quoted(cell)} is not a number" if cell else None
    return f"{quoted(cell)} is not a whole number" if kind.whole and not number.is_integer() else None


def _outside(kind: Numeric, cell: str) -> str | None:
    number = number_in(cell)
    return None if number is None or kind.fits(number) else f"is {cell}, not {kind.bounds}"


def _each_number(
    layout: Layout, fault_of: Callable[[Numeric, str], str | None]
) -> list[Callable[[Cells], Iterable[Fault]]]:
    """What looks at the columns of numbers: at those of answers, and at those of probabilities, which repeat."""
    of_scores = set(layout.columns_of_scores)
    parts: list[dict[str, Numeric]] = [{}, {}]
    for name, kind in layout.numeric.items():
        parts[name in of_scores][name] = kind

    def finder(numeric: Mapping[str, Numeric]) -> Callable[[Cells], Iterator[Fault]]:
        fault_in = {name: lru_cache(REMEMBERED)(partial(fault_of, kind)) for name, kind in numeric.items()}

        def find(cells: Cells) -> Iterator[Fault]:
            for name, fault_of_cell in fault_in.items():
                if fault := fault_of_cell(cells[name]):
                    yield name, fault

        return find

    answers, scores = map(finder, parts)
    return [answers, remembered(layout.around_scores, scores)] if parts[1] else [answers]


def _given(layout: Layout) -> list[tuple[str, InputColumn]]:
    """The study's own columns that the table has and a model may see."""
    return [
        (layout.called(name), column)
        for name, column in layout.study.columns.items()
        if not column.hidden and layout.called(name) in layout.present
    ]
