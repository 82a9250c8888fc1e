"""The check of conditions: does one of them have fewer usable rows than the others?"""

from collections import Counter
from collections.abc import Mapping

from grace.columns import METHOD
from grace.quality.layout import Cells, Layout
from grace.quality.looks import Flagged, Tally
from grace.studies.check import Cell, expected_cells

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

    def see(self, full: Mapping[str, str], cells: Cells) -> None:
        """Add a row; `full` is what templates see of it."""
        condition = tuple(full.get(name, "") for name in self._layout.study.design.cells)
        self._rows[condition] += 1
        self._usable[condition] += usable(self._layout, cells)

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


def usable(layout: Layout, cells: Cells) -> bool:
    """Whether a row can be analysed: no error, an answer, and all its values, as far as the table shows."""
    if any(cells[name] for name in layout.all_errors):
        return False
    if not all(cells[name] for name in layout.responses[:1]):
        return False
    extraction = layout.study.extraction
    if METHOD in layout.present and extraction and not all(cells[name] for name in extraction.fields):
        return False
    return not layout.scores or all(cells[question.columns.probabilities[0]] for question in layout.questions.values())
