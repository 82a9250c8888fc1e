"""The check of conditions: does one of them have fewer usable rows than the others?"""

from collections import Counter
from collections.abc import Mapping, Sequence

from grace.columns import METHOD
from grace.quality.layout import Layout, picking
from grace.quality.looks import Flagged, Tally
from grace.studies.check import Cell, expected_cells
from grace.studies.format import MISSING

ABSENT = "has no row at all"


class Balance:
    """Counts the usable rows of each condition.

    Attributes:
        worst: how far the worst condition's share of usable rows is below that of all together, after `finish`.
    """

    def __init__(self, layout: Layout, expected: Mapping[Cell, int] | None) -> None:
        """For a table; `expected` is how many rows each condition should have, None where that is not known."""
        self._layout, self._expected = layout, expected
        self._rows: Counter[Cell] = Counter()
        self._usable: Counter[Cell] = Counter()
        self.worst = 0.0

    def see(self, condition: Cell, usable: bool) -> None:
        """Add a row of a condition."""
        self._rows[condition] += 1
        self._usable[condition] += usable

    def finish(self, tally: Tally, limit: float, model: str) -> None:
        """Count the conditions, and those whose share is too far below that of all; the model is "" if there is one."""
        expected = self._expected_rows()
        total = sum(expected.values())
        if not total:
            return
        overall = sum(self._usable[condition] for condition in expected) / total
        for condition, count in expected.items():
            share = self._usable[condition] / count if count else 0.0
            below = overall - share if count else 1.0
            self.worst = max(self.worst, below)
            tally.units[""] += 1
            if below > limit:
                names = self._layout.study.design.cells
                values = zip(names, condition, strict=True)
                what = ", ".join(filter(None, (model, *(f"{name} {value}" for name, value in values))))
                counts = (
                    f"{self._usable[condition]:,} of {count:,} rows are usable ({share:.3g}; of all: {overall:.3g})"
                )
                tally.fault(Flagged(None, ", ".join(names), f"{what}: {counts if count else ABSENT}"))

    def _expected_rows(self) -> dict[Cell, int]:
        """How many rows each condition should have; without an input, as many as it has, and at least one."""
        if self._expected is not None:
            return dict(self._expected)
        design = tuple(expected_cells(self._layout.study, self._rows))
        small = sum(self._rows.values()) < len(design)
        return {**dict.fromkeys(() if small else design, 0), **self._rows}


class Usable:
    """Whether rows can be analysed: no error, an answer, and all their values, as far as the table shows."""

    def __init__(self, layout: Layout) -> None:
        needed = list(layout.responses[:1])
        if METHOD in layout.present and layout.study.extraction:
            needed += layout.study.extraction.fields
        needed += [question.columns.probabilities[0] for question in layout.questions.values()]
        self._needed = picking(layout.columns, needed)
        self._errors = picking(layout.columns, layout.all_errors)
        self._missing = frozenset(MISSING)

    def of(self, row: Sequence[str]) -> bool:
        """Whether a row of the table can."""
        return self._missing.isdisjoint(self._needed(row)) and self._missing.issuperset(self._errors(row))
