"""The check that values were made from the answers beside them; rows are joined by the cells that identify them."""

from array import array
from collections import Counter
from collections.abc import Sequence
from itertools import islice

from grace.columns import MODEL, REPLICATION, RESPONSE, SEED
from grace.quality.checks.rows import Multiset
from grace.quality.layout import Layout, given, picking
from grace.quality.looks import Flagged, Tally
from grace.tables import CsvTable

CHANGED = "is not what the answers' table says: the answer has changed since the extraction"
STRANGE = "the answers' table has no such row"


class Stale:
    """Compares the texts in a table of values with those of tables of answers.

    The next rows of both are taken together; where they are not the same ones, `finish` joins all of them, with 16
    bytes a row of each.
    """

    def __init__(self, layout: Layout, answers: Sequence[tuple[Layout, CsvTable]]) -> None:
        """For a table of values with this layout; it is compared with the one of `answers` that fits best."""
        self._layout, self._answers = layout, answers
        self._names = [name for name in (*layout.study.columns, MODEL, REPLICATION, SEED) if self._everywhere(name)]
        self._called = [layout.called(name) if name in layout.study.columns else name for name in self._names]
        self._texts = [name for name in (RESPONSE, *layout.turns) if all(name in own.present for own, _ in answers)]
        self._own = picking(layout.columns, (*self._called, *self._texts))
        self._in_step = [
            (picking(table.columns, (*self._names, *self._texts)), table.all_cells()) for _, table in answers
        ]

    def _everywhere(self, name: str) -> bool:
        called = self._layout.called(name) if name in self._layout.study.columns else name
        return called in self._layout.present and all(name in own.present for own, _ in self._answers)

    @property
    def can(self) -> bool:
        """Whether there are texts to compare."""
        return RESPONSE in self._layout.present and bool(self._texts)

    def see(self, rows: Sequence[Sequence[str]]) -> None:
        """Compare the next rows."""
        own = [*map(self._own, rows)]
        self._in_step = [
            (pick, others) for pick, others in self._in_step if own == [*map(pick, islice(others, len(rows)))]
        ]

    def finish(self, table: CsvTable, keep: int) -> Tally:
        """The rows of the whole table whose texts are not those of the answers, and the answers that are not there."""
        if any(next(others, None) is None for _, others in self._in_step):
            return Tally(keep, Counter({"": len(table)}))
        own = self._hashes(table, self._called)
        compared = (self._compared(own, self._hashes(other, self._names), keep) for _, other in self._answers)
        return min(compared, key=lambda tally: tally.bad.total())

    def _hashes(self, table: CsvTable, names: Sequence[str]) -> tuple["array[int]", "array[int]"]:
        """For each row of a table a hash of what identifies it, and one of that and the texts."""
        identity, texts = picking(table.columns, names), picking(table.columns, self._texts)
        keys, rows = array("q"), array("q")
        for row in table.all_cells():
            key = tuple(map(given, identity(row)))
            keys.append(hash(key))
            rows.append(hash((key, *map(given, texts(row)))))
        return keys, rows

    def _compared(
        self, own: tuple["array[int]", "array[int]"], theirs: tuple["array[int]", "array[int]"], keep: int
    ) -> Tally:
        own_keys, own_rows = own
        keys, rows = theirs
        tally = Tally(keep)
        tally.units[""] = len(own_rows)
        answers, left = Multiset(keys), Multiset(rows)
        for number, (key, row) in enumerate(zip(own_keys, own_rows, strict=True), 1):
            if not left.take(row):
                tally.fault(Flagged(number, ", ".join(self._texts), CHANGED if key in answers else STRANGE))
        own_left = Multiset(own_keys)
        for number, key in enumerate(keys, 1):
            if not own_left.take(key):
                tally.fault(Flagged(None, "", f"row {number} of the answers' table is not there"))
        return tally
