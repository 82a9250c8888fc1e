"""The check that values were made from the answers beside them; rows are joined by the cells that identify them."""

from array import array
from collections.abc import Sequence

from grace.columns import MODEL, REPLICATION, RESPONSE, SEED
from grace.quality.checks.rows import Multiset
from grace.quality.layout import Cells, Layout
from grace.quality.looks import Flagged, Tally
from grace.tables import CsvTable

CHANGED = "is not what the answers' table says: the answer has changed since the extraction"
STRANGE = "the answers' table has no such row"


class Stale:
    """Compares the texts in a table of values with those of tables of answers; 16 bytes a row of each."""

    def __init__(self, layout: Layout, answers: Sequence[tuple[Layout, CsvTable]]) -> None:
        """For a table of values with this layout; it is compared with the one of `answers` that fits best."""
        self._layout, self._answers = layout, answers
        self._names = [name for name in (*layout.study.columns, MODEL, REPLICATION, SEED) if self._everywhere(name)]
        self._called = [layout.called(name) if name in layout.study.columns else name for name in self._names]
        self._texts = [name for name in (RESPONSE, *layout.turns) if all(name in own.present for own, _ in answers)]
        self._keys, self._rows = array("q"), array("q")

    def _everywhere(self, name: str) -> bool:
        called = self._layout.called(name) if name in self._layout.study.columns else name
        return called in self._layout.present and all(name in own.present for own, _ in self._answers)

    @property
    def can(self) -> bool:
        """Whether there are texts to compare."""
        return RESPONSE in self._layout.present and bool(self._texts)

    def see(self, cells: Cells) -> None:
        """Add the next row."""
        key = tuple(map(cells.__getitem__, self._called))
        self._keys.append(hash(key))
        self._rows.append(hash((key, *map(cells.__getitem__, self._texts))))

    def finish(self, keep: int) -> Tally:
        """The rows whose texts are not those of the answers, and the answers that are not there."""
        return min((self._compared(table, keep) for _, table in self._answers), key=lambda tally: tally.bad.total())

    def _compared(self, table: CsvTable, keep: int) -> Tally:
        keys, rows = array("q"), array("q")
        for cells in map(Cells, table.rows()):
            identity = tuple(map(cells.__getitem__, self._names))
            keys.append(hash(identity))
            rows.append(hash((identity, *map(cells.__getitem__, self._texts))))
        tally = Tally(keep)
        tally.units[""] = len(self._rows)
        answers, left = Multiset(keys), Multiset(rows)
        for number, (key, row) in enumerate(zip(self._keys, self._rows, strict=True), 1):
            if not left.take(row):
                tally.fault(Flagged(number, ", ".join(self._texts), CHANGED if key in answers else STRANGE))
        own = Multiset(self._keys)
        for number, key in enumerate(keys, 1):
            if not own.take(key):
                tally.fault(Flagged(None, "", f"row {number} of the answers' table is not there"))
        return tally
