"""Checks of single rows: each needs one row, alone or joined from several tables, and says what is wrong with it."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from grace.quality import of_answers, of_cells, of_fields, of_scores
from grace.quality.layout import Cells, Layout
from grace.quality.looks import Look, Unit
from grace.quality.thresholds import Thresholds
from grace.studies.study import Study

Maker = Callable[[Layout, Thresholds], Look | str]
"""Makes a check for a table, or says why it cannot be done there."""

_CELLS: dict[str, Maker] = {
    "missing_values": of_cells.missing_values,
    "schema": of_cells.schema,
    "range": of_cells.range_,
}
_ASKED: dict[str, Maker] = {"errors": of_cells.errors}
_ANSWERS: dict[str, Maker] = {
    "empty_answers": of_answers.empty_answers,
    "truncated": of_answers.truncated,
    "error_texts": of_answers.error_texts,
}
_FIELDS: dict[str, Maker] = {
    "percentage_sum": of_fields.percentage_sum,
    "extracted": of_fields.extracted,
    "extraction_doubt": of_fields.extraction_doubt,
}
_SCORES: dict[str, Maker] = {
    "probability_sum": of_scores.probability_sum,
    "derived_values": of_scores.derived_values,
    "label_mass": of_scores.label_mass,
    "uniform": of_scores.uniform,
}


@dataclass(frozen=True)
class Flag:
    """Something wrong with a row.

    Attributes:
        check: the name of the check that says so.
        column: the column or columns that it is about.
        why: what is wrong, in words.
    """

    check: str
    column: str
    why: str


class RowChecks:
    """The checks of single rows, made ready for a table.

    Attributes:
        undone: the checks that cannot be done in this table, and why.
    """

    def __init__(self, layout: Layout, thresholds: Thresholds, again: bool = False) -> None:
        """For a table with this layout; `again` has the answers read again, which takes time."""
        self.undone: dict[str, str] = {}
        self._looks: dict[str, Look] = {}
        for name, make in _makers(layout, again).items():
            made = make(layout, thresholds)
            if isinstance(made, str):
                self.undone[name] = made
            else:
                self._looks[name] = made

    @property
    def names(self) -> tuple[str, ...]:
        """The checks that are done."""
        return tuple(self._looks)

    def units(self, cells: Cells) -> Iterator[tuple[str, Unit]]:
        """What each check sees in a row: the check's name, and each thing that it counts."""
        for name, look in self._looks.items():
            for unit in look(cells):
                yield name, unit

    def flags(self, row: Mapping[str, str | None]) -> list[Flag]:
        """What is wrong with a row."""
        return [Flag(name, column, why) for name, (_, found) in self.units(Cells(row)) for column, why in found]


def row_flags(study: Study, row: Mapping[str, str | None], thresholds: Thresholds) -> list[Flag]:
    """What is wrong with one row of a table of `study`; `RowChecks` is faster for many rows of the same columns."""
    return RowChecks(Layout.of(study, row), thresholds).flags(row)


def _makers(layout: Layout, again: bool) -> dict[str, Maker]:
    """The checks that fit a table's parts."""
    parts: Iterable[tuple[bool, dict[str, Maker]]] = (
        (layout.answers or layout.scores, _ASKED),
        (True, _CELLS),
        (layout.scores, _SCORES),
        (layout.answers, _ANSWERS),
        (layout.judges_refusals, {"refusals": of_answers.refusals}),
        (layout.fields, _FIELDS),
        (layout.fields and again, {"reread": of_fields.reread}),
    )
    return {name: make for wanted, own in parts if wanted for name, make in own.items()}
