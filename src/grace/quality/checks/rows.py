"""Checks of a table's rows against the input: by their cells, and how often they occur, never by their place."""

from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from grace.columns import MODEL, REPLICATION, SEED
from grace.quality.layout import Cells, Layout
from grace.quality.looks import Flagged, Tally, Unit, groups
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
        self._names = [name for name in map(layout.called, names) if name in layout.present]
        self._keys = array("q")

    def see(self, cells: Cells) -> None:
        """Add the next row."""
        self._keys.append(hash(tuple(map(cells.raw, self._names))) if cells[SEED] else hash((len(self._keys),)))

    def finish(self) -> Iterator[tuple[int, int]]:
        """Each row that is the same as an earlier one, and that one, from 1; rows without a seed are not compared."""
        for first, *others in groups(range(len(self._keys)), self._keys):
            yield from ((other + 1, first + 1) for other in others)


class RowComparison:
    """Compares a table's rows with those it should have, as multisets; about a hundred bytes a row.

    Attributes:
        missing, unexpected, duplicate: the tallies; `missing` only after `finish`.
    """

    def __init__(self, trials: Trials, layout: Layout, keep: int) -> None:
        self._trials = trials
        names = [name for name in trials.table.columns if name and layout.called(name) in layout.present]
        self._called = [layout.called(name) for name in names]
        places = {name: place for place, name in enumerate(trials.table.columns)}
        self._places = [places[name] for name in names]
        self._unknown: list[tuple[Flagged, tuple[str, ...], tuple[str, ...]]] = []
        self._left = Multiset(hash((cells, copy)) for _, cells, copy in self._expected())
        self.missing, self.unexpected, self.duplicate = Tally(keep), Tally(keep), Tally(keep)
        self._repeats = Repeats(layout) if SEED in layout.present and SEED not in trials.by else None
        self._twice: set[int] = set()

    def _expected(self) -> Iterator[tuple[int, tuple[str, ...], tuple[str, ...]]]:
        """Each row that should be there: its number in the input from 0, its cells, and those of its copy."""
        for row, cells in enumerate(islice(self._trials.table.all_cells(), self._trials.rows)):
            own = tuple([cells[place] for place in self._places])
            for copy in self._trials.copies(row):
                yield row, own, copy

    def see(self, number: int, row: Cells) -> None:
        """Compare row `number` of the table."""
        cells = tuple(map(row.raw, self._called))
        copy = tuple(map(row.raw, self._trials.by))
        key = hash((cells, copy))
        expected = key in self._left
        twice = expected and not self._left.take(key)
        if twice:
            self._twice.add(number)
        if self._repeats:
            self._repeats.see(row)
        self.duplicate.add(number, Unit("", [("", "is there more often than in the input")] if twice else []))
        self.unexpected.units[""] += 1
        if not expected:
            self.unexpected.bad[""] += 1
            flagged = Flagged(number, "", "no row of the input holds these cells")
            if len(self._unknown) < EXPLAINED:
                self._unknown.append((flagged, cells, copy))
            else:
                self.unexpected.flag(flagged)

    def finish(self) -> None:
        """Find the missing rows, and say how the unexpected ones differ from them."""
        lost: list[tuple[int, tuple[str, ...], tuple[str, ...]]] = []
        for row, cells, copy in self._expected():
            self.missing.units[""] += 1
            if self._left.take(hash((cells, copy))):
                which = ", ".join(f"{name} {cell}" for name, cell in zip(self._trials.by, copy, strict=True))
                why = f"row {row + 1} of the input{f' ({which})' if which else ''} is not there"
                self.missing.fault(Flagged(None, "", why, trial=row + 1))
                if len(lost) < EXPLAINED:
                    lost.append((row, cells, copy))
        kept, self.unexpected.kept = self.unexpected.kept, []
        self.unexpected.flags -= len(kept)
        self.unexpected.flag(*(self._explained(flagged, cells, copy, lost) for flagged, cells, copy in self._unknown))
        self.unexpected.flag(*kept)
        for row, first in self._repeats.finish() if self._repeats else ():
            if row not in self._twice:
                self.duplicate.fault(Flagged(row, "", f"equals row {first}, seed included"))

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
