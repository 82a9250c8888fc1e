"""Checks of a table's rows against the input: by their cells, and how often they occur, never by their place."""

from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from grace.columns import MODEL, REPLICATION, SEED
from grace.quality.layout import Layout, given, picking
from grace.quality.looks import Flagged, Tally, groups
from grace.tables import CsvTable

EXPLAINED = 200
"""The most rows outside the input whose differing cells are looked for."""
OFTEN = 0.5
"""A copy of the input (a model's, a replication) counts if it has this share of the largest one's rows."""
ASKING = (MODEL, "model_revision", "protocol", "temperature", "answers_run")
"""Columns of merged tables that say who was asked, and how."""


def asking(layout: Layout) -> tuple[str, ...]:
    """Those of these columns that a table has, except columns of its trials."""
    return tuple(name for name in ASKING if name in layout.present and name not in layout.study.columns)


@dataclass(frozen=True)
class Trials:
    """The rows that a table should have: some of the input's, each in some copies.

    Attributes:
        table: the input.
        rows: how many of its first rows were asked about.
        by: columns of the table that distinguish copies, such as replication and seed.
        copies: for a row of the input (0 is the first), the cells of `by` in each copy.
    """

    table: CsvTable
    rows: int
    by: tuple[str, ...]
    copies: Callable[[int], Sequence[tuple[str, ...]]]


def copies_in(table: CsvTable, by: Sequence[str]) -> list[tuple[str, ...]]:
    """The combinations of cells of `by` that a table's rows have, without those that are too rare to be intended."""
    places = [table.columns.index(name) for name in by]
    rows = map(table.cells, range(len(table)))
    counts = Counter(tuple(cells[place] for place in places) for cells in rows)
    most = max(counts.values(), default=0)
    return [copy for copy, count in counts.items() if count >= OFTEN * most] or [("",) * len(by)]


class Multiset:
    """How often each of many 64-bit numbers occurs; 16 bytes for each different one."""

    def __init__(self, numbers: Iterable[int]) -> None:
        self._numbers, self._counts = array("q"), array("q")
        for number in sorted(array("q", numbers)):
            if self._numbers and self._numbers[-1] == number:
                self._counts[-1] += 1
            else:
                self._numbers.append(number)
                self._counts.append(1)

    def _place(self, number: int) -> int | None:
        place = bisect_left(self._numbers, number)
        return place if place < len(self._numbers) and self._numbers[place] == number else None

    def __contains__(self, number: int) -> bool:
        """Whether the number was ever there."""
        return self._place(number) is not None

    def take(self, number: int) -> bool:
        """Take a number out once; False where there is none left."""
        place = self._place(number)
        if place is None or not self._counts[place]:
            return False
        self._counts[place] -= 1
        return True


class Repeats:
    """Finds rows that equal an earlier one in everything that identifies rows, seed included; eight bytes a row."""

    def __init__(self, layout: Layout) -> None:
        names = (*layout.study.columns, *asking(layout), REPLICATION, SEED)
        self._identity = picking(layout.columns, [name for name in map(layout.called, names) if name in layout.present])
        self._seed = layout.columns.index(SEED)
        self._keys = array("q")

    def see(self, rows: Iterable[Sequence[str]]) -> None:
        """Add the next rows."""
        for row in rows:
            self._keys.append(hash(self._identity(row)) if given(row[self._seed]) else hash((len(self._keys),)))

    def finish(self) -> Iterator[tuple[int, int]]:
        """Each row that is the same as an earlier one, and that one, from 1; rows without a seed are not compared."""
        for first, *others in groups(range(len(self._keys)), self._keys):
            yield from ((other + 1, first + 1) for other in others)


class RowComparison:
    """Compares a table's rows with those it should have.

    The next rows of both are taken together; where they are not the same ones, `finish` compares all of them as
    multisets, with about a hundred bytes a row.

    Attributes:
        missing, unexpected, duplicate: the tallies, after `finish`.
    """

    def __init__(self, trials: Trials, layout: Layout, keep: int) -> None:
        self._trials = trials
        names = [name for name in trials.table.columns if name and layout.called(name) in layout.present]
        self._called = [layout.called(name) for name in names]
        self._pick_trial = picking(trials.table.columns, names)
        self._pick, self._pick_copy = picking(layout.columns, self._called), picking(layout.columns, trials.by)
        self._unknown: list[tuple[Flagged, tuple[str, ...], tuple[str, ...]]] = []
        self._next, self._in_step = self._expected(), True
        self.missing, self.unexpected, self.duplicate = Tally(keep), Tally(keep), Tally(keep)
        self._repeats = Repeats(layout) if SEED in layout.present and SEED not in trials.by else None
        self._twice: set[int] = set()

    def _expected(self) -> Iterator[tuple[int, tuple[str, ...], tuple[str, ...]]]:
        """Each row that should be there: its number in the input from 0, its cells, and those of its copy."""
        for row, cells in enumerate(islice(self._trials.table.all_cells(), self._trials.rows)):
            own = self._pick_trial(cells)
            for copy in self._trials.copies(row):
                yield row, own, copy

    def see(self, rows: Sequence[Sequence[str]]) -> None:
        """Compare the table's next rows."""
        if self._repeats:
            self._repeats.see(rows)
        if self._in_step:
            expected = [(cells, copy) for _, cells, copy in islice(self._next, len(rows))]
            self._in_step = expected == [(self._pick(row), self._pick_copy(row)) for row in rows]

    def finish(self, table: CsvTable) -> None:
        """Find the missing, the unexpected and the duplicate rows of the whole table."""
        self.unexpected.units[""] = self.duplicate.units[""] = len(table)
        if self._in_step and next(self._next, None) is None:
            self.missing.units[""] = len(table)
        else:
            self._compare(table)
        for row, first in self._repeats.finish() if self._repeats else ():
            if row not in self._twice:
                self.duplicate.fault(Flagged(row, "", f"equals row {first}, seed included"))

    def _compare(self, table: CsvTable) -> None:
        """Compare the rows as multisets: find those that are not expected, and then those that are missing."""
        left = Multiset(hash((cells, copy)) for _, cells, copy in self._expected())
        for number, row in enumerate(table.all_cells(), 1):
            self._see_anywhere(number, self._pick(row), self._pick_copy(row), left)
        self._find_missing(left)

    def _see_anywhere(self, number: int, cells: tuple[str, ...], copy: tuple[str, ...], left: Multiset) -> None:
        """Compare row `number` of the table with all that are `left`."""
        key = hash((cells, copy))
        expected = key in left
        if expected and not left.take(key):
            self._twice.add(number)
            self.duplicate.fault(Flagged(number, "", "is there more often than in the input"))
        if not expected:
            self.unexpected.bad[""] += 1
            flagged = Flagged(number, "", "no row of the input holds these cells")
            if len(self._unknown) < EXPLAINED:
                self._unknown.append((flagged, cells, copy))
            else:
                self.unexpected.flag(flagged)

    def _find_missing(self, left: Multiset) -> None:
        """Find the missing rows, and say how the unexpected ones differ from them."""
        lost: list[tuple[int, tuple[str, ...], tuple[str, ...]]] = []
        for row, cells, copy in self._expected():
            self.missing.units[""] += 1
            if left.take(hash((cells, copy))):
                which = ", ".join(f"{name} {cell}" for name, cell in zip(self._trials.by, copy, strict=True))
                why = f"row {row + 1} of the input{f' ({which})' if which else ''} is not there"
                self.missing.fault(Flagged(None, "", why, trial=row + 1))
                if len(lost) < EXPLAINED:
                    lost.append((row, cells, copy))
        kept, self.unexpected.kept = self.unexpected.kept, []
        self.unexpected.flags -= len(kept)
        self.unexpected.flag(*(self._explained(flagged, cells, copy, lost) for flagged, cells, copy in self._unknown))
        self.unexpected.flag(*kept)

    def _explained(
        self,
        flagged: Flagged,
        cells: tuple[str, ...],
        copy: tuple[str, ...],
        lost: Sequence[tuple[int, tuple[str, ...], tuple[str, ...]]],
    ) -> Flagged:
        """The flag of an unexpected row, with the missing row that is most like it and the columns that differ."""
        names = (*self._called, *self._trials.by)
        candidates = []
        for row, own, other in lost:
            pairs = zip(names, (*cells, *copy), (*own, *other), strict=True)
            candidates.append((row, [name for name, one, another in pairs if one != another]))
        row, differ = min(candidates, key=lambda candidate: len(candidate[1]), default=(0, names))
        if not lost or len(differ) > len(names) / 2:
            return flagged
        why = f"is not in the input; the nearest row there, {row + 1}, differs in {', '.join(differ)}"
        return Flagged(flagged.row, ", ".join(differ), why, trial=row + 1)
