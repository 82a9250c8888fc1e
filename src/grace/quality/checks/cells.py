"""Checks of single cells: errors, missing values, types and ranges."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import get_args

from grace.columns import CONFIDENCE, ERROR, METHOD, MODEL, REASONS, RESPONSE
from grace.quality.layout import Cells, Layout, Numeric, given, number_in
from grace.quality.looks import CellLook, Fault, Looks, RowLook, Thresholds, Unit, of_each_row
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


def errors(layout: Layout, _: Thresholds) -> Looks | str:
    """Rows whose requests failed or were not sent; an empty answer is an answer."""
    names = layout.errors
    if not names:
        return "the table has no column error"

    def find(cells: Cells) -> Iterator[Fault]:
        return ((name, cells[name]) for name in names if cells[name] and cells[name] not in EMPTIES)

    return [of_each_row(names, find)]


def missing_values(layout: Layout, _: Thresholds) -> Looks | str:
    """Cells that are empty although they should not be and no error says why."""
    looks: list[RowLook | CellLook] = [CellLook(name, _missing) for name, column in _given(layout) if column.required]
    if layout.answers:
        looks += _missing_of_answers(layout)
    if layout.fields:
        looks.append(_missing_of_fields(layout))
    if layout.questions:
        looks.append(_missing_of_scores(layout))
    return looks or [RowLook((), lambda _: [Unit("", [])])]


def _missing(cell: str) -> str | None:
    if cell not in MISSING:
        return None
    return f"is marked as missing ({cell})" if cell else "is empty"


def _missing_of_answers(layout: Layout) -> Iterator[CellLook]:
    def missing(cell: str) -> str | None:
        what = _missing(cell.strip())
        return what and f"{what}, and there is no error"

    yield from (CellLook(name, missing) for name in ALWAYS if name in layout.present)
    yield from (CellLook(name, missing, ERROR) for name in (*ANSWERED, *layout.turns) if name in layout.present)


def _missing_of_fields(layout: Layout) -> RowLook:
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

    return of_each_row((METHOD, *fields, REASONS, CONFIDENCE), find)


def _missing_of_scores(layout: Layout) -> RowLook:
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

    return of_each_row(layout.around_scores, find)


def schema(layout: Layout, _: Thresholds) -> Looks | str:
    """Cells that are not of their column's type, or not one of its values."""
    of_input = [CellLook(name, partial(_oddity, column, layout.decimal)) for name, column in _given(layout)]
    extraction = layout.study.extraction if layout.fields else None
    fields = [extraction.fields[name] for name in layout.fields_present] if extraction else []
    sets = [_of_value(field.name, partial(_no_value, field.parse)) for field in fields if field.values]
    method = [_of_value(METHOD, _no_method)] if extraction else []
    return [*of_input, *_each_number(layout, _no_number), *sets, *method]


def _of_value(name: str, fault_of: Callable[[str], str | None]) -> CellLook:
    """A look at a cell, which counts as empty where it is marked as missing."""
    return CellLook(name, lambda cell: fault_of(given(cell)))


def _no_method(cell: str) -> str | None:
    return f"{quoted(cell)} is not one of {', '.join(METHODS)}" if cell and cell not in METHODS else None


def _oddity(column: InputColumn, decimal: str | None, cell: str) -> str | None:
    return None if cell in MISSING else column.oddity(column.canonical(cell, decimal), decimal)


def _no_value(parse: Callable[[object], int | float | str], cell: str) -> str | None:
    if not cell:
        return None
    try:
        value = str(parse(cell))
    except ValueError as error:
        return str(error) if len(cell) <= LONGEST else f"{quoted(cell)} is not one of the field's values"
    return None if value == cell else f"{quoted(cell)} should be written {value!r}"


def range_(layout: Layout, _: Thresholds) -> Looks | str:
    """Numbers outside the possible range."""
    return _each_number(layout, _outside) or "the table has no column of numbers"


def _no_number(kind: Numeric, cell: str) -> str | None:
    number = number_in(cell)
    if number is None:
        return f"{quoted(cell)} is not a number" if cell else None
    return f"{quoted(cell)} is not a whole number" if kind.whole and not number.is_integer() else None


def _outside(kind: Numeric, cell: str) -> str | None:
    number = number_in(cell)
    return None if number is None or kind.fits(number) else f"is {cell}, not {kind.bounds}"


def _each_number(layout: Layout, fault_of: Callable[[Numeric, str], str | None]) -> list[RowLook | CellLook]:
    """Looks at the columns of numbers: at each of answers, and at those of probabilities together, which repeat."""
    of_scores = set(layout.columns_of_scores)
    scores = {name: kind for name, kind in layout.numeric.items() if name in of_scores}
    others = {name: kind for name, kind in layout.numeric.items() if name not in of_scores}

    def find(cells: Cells) -> Iterator[Fault]:
        for name, kind in scores.items():
            if fault := fault_of(kind, cells[name]):
                yield name, fault

    looks: list[RowLook | CellLook] = [_of_value(name, partial(fault_of, kind)) for name, kind in others.items()]
    return [*looks, of_each_row(scores, find)] if scores else looks


def _given(layout: Layout) -> list[tuple[str, InputColumn]]:
    """The study's own columns that the table has and a model may see."""
    return [
        (layout.called(name), column)
        for name, column in layout.study.columns.items()
        if not column.hidden and layout.called(name) in layout.present
    ]
