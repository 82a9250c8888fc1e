"""The check against the ledger: is the table still the one that the run's ledger makes?"""

from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import isclose

from grace.errors import InputError
from grace.quality.checks.cells import quoted
from grace.quality.checks.rows import Multiset
from grace.quality.layout import number_in, picking
from grace.quality.looks import Flagged, Tally
from grace.studies.format import MISSING
from grace.tables import CsvTable

PRECISION = 1e-12
"""Numbers that differ by less are the same: other programs write fewer digits."""


@dataclass(frozen=True)
class Compared:
    """What the comparison found: cells that differ, and how many rows are only in another order."""

    tally: Tally
    moved: int


class InStep:
    """Whether a table is, row by row, the one that a ledger makes: the next rows of both are taken together.

    Where it is, `compare` would find nothing. Where it is not, or the ledger cannot be read, `compare` says so.
    """

    def __init__(self, columns: Sequence[str], fresh: Sequence[str], rows: Iterator[Sequence[object]]) -> None:
        """For a table with these columns, and the header and rows that the ledger makes."""
        names = [name for name in fresh if name]
        self.same = set(columns) >= set(names)
        self.columns = len(names)
        self._own, self._theirs = picking(columns, names), picking(fresh, names)
        self._rows = rows

    def see(self, rows: Sequence[Sequence[str]]) -> None:
        """Compare the table's next rows."""
        for cells in rows if self.same else ():
            try:
                row = next(self._rows, None)
            except InputError:
                row = None
            self.same = row is not None and self._is(cells, row)
            if not self.same:
                return

    def _is(self, cells: Sequence[str], row: Sequence[object]) -> bool:
        """Whether a row of the table has the cells of one that the ledger makes."""
        fresh = ["" if cell is None else str(cell) for cell in self._theirs(row)]
        own = self._own(cells)
        return fresh == [*own] or all(map(_same, own, fresh))

    def finish(self) -> None:
        """See that the ledger makes no further row."""
        try:
            self.same = self.same and next(self._rows, None) is None
        except InputError:
            self.same = False


class _TablePair:
    """The table and the one that the ledger makes, by the columns that they have in common."""

    def __init__(self, table: CsvTable, fresh: CsvTable, identity: Sequence[str]) -> None:
        own, theirs = ({name: place for place, name in enumerate(one.columns)} for one in (table, fresh))
        self.names = [name for name in fresh.columns if name and name in own]
        self._table, self._fresh = table, fresh
        self._own = [own[name] for name in self.names]
        self._theirs = [theirs[name] for name in self.names]
        identifying = set(identity)
        self._identity = [place for place, name in enumerate(self.names) if name in identifying]

    def own(self, row: int) -> tuple[str, ...]:
        """A row of the table."""
        cells = self._table.cells(row)
        return tuple([cells[place] for place in self._own])

    def theirs(self, row: int) -> tuple[str, ...]:
        """A row of the ledger's."""
        cells = self._fresh.cells(row)
        return tuple([cells[place] for place in self._theirs])

    def identity(self, cells: tuple[str, ...]) -> int:
        """A hash of the cells that identify a row."""
        return hash(tuple([cells[place] for place in self._identity]))


def compare(table: CsvTable, fresh: CsvTable, identity: Iterable[str], keep: int) -> Compared:
    """Compare a table with the one that the ledger makes; rows are matched by their cells.

    Args:
        table: the table on disk.
        fresh: the one that was just made from the ledger.
        identity: the columns that identify rows.
        keep: how many flags are kept.
    """
    pair = _TablePair(table, fresh, tuple(identity))
    tally = Tally(keep)
    there = set(table.columns)
    for name in fresh.columns:
        if name and name not in there:
            tally.fault(Flagged(None, name, "the column is not there; the ledger has it"))
    own, theirs = _unequal(pair, len(table), len(fresh))
    tally.units[""] = max(len(table), len(fresh)) * len(pair.names)
    moved = len(own)
    own, theirs = _without_moved(pair, own, theirs)
    moved -= len(own)
    for row, other in _matched(pair, own, theirs):
        for name, one, another in zip(pair.names, pair.own(row), pair.theirs(other), strict=True):
            if not _same(one, another):
                tally.fault(Flagged(row + 1, name, f"is {quoted(one)}; the ledger says {quoted(another)}"))
    return Compared(tally, moved if len(table) == len(fresh) else 0)  # where rows are missing, all others move up


def _unequal(pair: _TablePair, own: int, theirs: int) -> tuple[Sequence[int], Sequence[int]]:
    """The rows of both that are not the same as the other's at the same place."""
    both = min(own, theirs)
    differ = array("Q", (row for row in range(both) if not _equal(pair.own(row), pair.theirs(row))))
    return differ + array("Q", range(both, own)), differ + array("Q", range(both, theirs))


def _without_moved(pair: _TablePair, own: Sequence[int], theirs: Sequence[int]) -> tuple[Sequence[int], Sequence[int]]:
    """Leave out the rows that are there in another place."""
    contents = Multiset(hash(pair.theirs(row)) for row in theirs)
    left = array("Q", [row for row in own if not contents.take(hash(pair.own(row)))])
    return left, array("Q", [row for row in theirs if contents.take(hash(pair.theirs(row)))])


def _matched(pair: _TablePair, own: Sequence[int], theirs: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Rows that are meant to be the same: those of one identity, and else those at one place."""
    places: dict[int, list[int]] = defaultdict(list)
    for row in reversed(theirs):
        places[pair.identity(pair.theirs(row))].append(row)
    strangers = []
    for row in own:
        rows = places.get(pair.identity(pair.own(row)))
        if rows:
            yield row, rows.pop()
        else:
            strangers.append(row)
    left = {row for rows in places.values() for row in rows}
    yield from ((row, row) for row in strangers if row in left)


def _equal(one: tuple[str, ...], another: tuple[str, ...]) -> bool:
    return one == another or all(map(_same, one, another))


def _same(one: str, another: str) -> bool:
    """Whether two cells are equal, perhaps with other digits of one number, or another mark for a missing value."""
    if one == another or (one in MISSING and another in MISSING):
        return True
    first, second = number_in(one), number_in(another)
    return first is not None and second is not None and isclose(first, second, rel_tol=PRECISION, abs_tol=PRECISION)
