"""How a check of single rows looks at rows, and how its observations are counted."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from grace.quality.layout import Cells, Layout, given, picking_at

Fault = tuple[str, str]
"""The column or columns, and what is wrong."""


class Unit(NamedTuple):
    """One thing that a check counts, as a row or one of its distributions, and what is wrong with it.

    Attributes:
        group: the group, such as a question, whose units shares are of; "" where there are no groups.
        faults: what is wrong; empty when nothing is.
    """

    group: str
    faults: Sequence[Fault]


@dataclass(frozen=True)
class RowLook:
    """A look at one row.

    Attributes:
        columns: all columns that it reads, whether the table has them or not. It sees the same in rows whose cells in
            these are equal, as those of one prompt.
        see: what it sees in a row; nothing where the check is not about this row.
    """

    columns: tuple[str, ...]
    see: Callable[[Cells], Iterable[Unit]]


def of_each_row(columns: Iterable[str], find: Callable[[Cells], Iterable[Fault]]) -> RowLook:
    """A look of which each row is a unit, with the faults that are found in it."""
    return RowLook(tuple(columns), lambda cells: [Unit("", list(find(cells)))])


@dataclass(frozen=True)
class CellLook:
    """A look at one cell of each row; each row is a unit.

    Attributes:
        column: the cell's column; where the table lacks it, all cells are empty.
        fault_of: what is wrong with a cell as it is written; None where nothing is.
        unless: a column in which a text excuses the fault; "" where nothing does.
    """

    column: str
    fault_of: Callable[[str], str | None]
    unless: str = ""


Looks = Sequence[RowLook | CellLook]
"""What a check of single rows does: one look, or several of each row, whose faults are of one unit."""
Thresholds = Mapping[str, float]
"""Thresholds by name."""
Maker = Callable[[Layout, Thresholds], Looks | str]
"""Makes a check of single rows for a table, or says why it cannot be done there."""

REMEMBERED = 5_000
"""Of so many different rows each look remembers what it saw."""
Row = Sequence[str | None]
Seen = tuple[Counter[str], list[tuple[int, Unit]]]
"""How many units were seen in some rows, by group; and those with faults, each with its row's place among the rows."""
Picked = dict[tuple[str, ...], tuple[list[tuple[str | None, ...]], Counter[tuple[str | None, ...]]]]
"""The cells of some rows in some columns, and how often each combination is among them; several looks read the same."""


def remembered(look: RowLook | CellLook, places: Mapping[str, int]) -> "Remembered | RememberedCells":
    """A look at the rows of a table, which looks once at what is the same in several; `places` are its columns'."""
    return Remembered(look, places) if isinstance(look, RowLook) else RememberedCells(look, places)


class RememberedCells:
    """A look at one column of a table, which looks once at equal cells."""

    def __init__(self, look: CellLook, places: Mapping[str, int]) -> None:
        """For a table whose columns have these places."""
        self._look = look
        self._place, self._excuse = places.get(look.column), places.get(look.unless)
        self._known: set[str | None] = set()
        self._faults: dict[str | None, str] = {}

    def see(self, rows: Sequence[Row], _: Picked) -> Seen:
        """What it sees in some rows."""
        cells = [""] * len(rows) if self._place is None else [*map(itemgetter(self._place), rows)]
        self._look_at(set(cells))
        bad = [
            (place, Unit("", [(self._look.column, self._faults[cell])]))
            for place, cell in (enumerate(cells) if self._faults else ())
            if cell in self._faults and not self._is_excused(rows[place])
        ]
        return Counter({"": len(rows)}), bad

    def _is_excused(self, row: Row) -> bool:
        return self._excuse is not None and bool(given(row[self._excuse]))

    def _look_at(self, cells: set[str | None]) -> None:
        """RowLook at cells, unless it is known what is wrong with them."""
        if len(self._known) > REMEMBERED:
            self._known.clear()
            self._faults.clear()
        for cell in cells.difference(self._known):
            if fault := self._look.fault_of(cell or ""):
                self._faults[cell] = fault
        self._known |= cells


class Remembered:
    """A look at the rows of a table, which looks once at rows whose cells in its columns are equal."""

    def __init__(self, look: RowLook, places: Mapping[str, int]) -> None:
        """For a table whose columns have these places."""
        self._look = look
        self._names = tuple(name for name in dict.fromkeys(look.columns) if name in places)
        self._pick = picking_at([places[name] for name in self._names])
        self._known: dict[tuple[str | None, ...], tuple[Unit, ...]] = {}

    def see(self, rows: Sequence[Row], picked: Picked) -> Seen:
        """What it sees in some rows; `picked` has what others have picked out of the same rows."""
        if self._names not in picked:
            own = [*map(self._pick, rows)]
            picked[self._names] = own, Counter(own)
        keys, times = picked[self._names]
        self._look_at(times.keys())
        units: Counter[str] = Counter()
        odd = set()
        for key, count in times.items():
            for group, faults in self._known[key]:
                units[group] += count
                if faults:
                    odd.add(key)
        where = [(place, key) for place, key in enumerate(keys) if key in odd] if odd else []
        return units, [(place, unit) for place, key in where for unit in self._known[key] if unit.faults]

    def _look_at(self, keys: Collection[tuple[str | None, ...]]) -> None:
        """RowLook at rows with these cells, unless it is known what is in them."""
        fresh = [key for key in keys if key not in self._known]
        if len(self._known) + len(fresh) > REMEMBERED:
            self._known.clear()
            fresh = [*keys]
        for key in fresh:
            self._known[key] = tuple(self._look.see(Cells(dict(zip(self._names, key, strict=True)))))


@dataclass(frozen=True)
class Flagged:
    """A flag with its place.

    Attributes:
        row: of the table, 1 below the header; None where the table has no such row.
        column: the column or columns, "" where it is the whole row.
        why: what is wrong.
        trial: the row of the input, if the flag is about that.
    """

    row: int | None
    column: str
    why: str
    trial: int | None = None


@dataclass
class Tally:
    """The counts of a check over a table.

    Attributes:
        keep: the most flags that are kept; all are counted.
        units, bad: how many things were looked at and how many of them are wrong, by group.
        flags: how many flags there are.
        kept: the first of them.
    """

    keep: int
    units: Counter[str] = field(default_factory=Counter)
    bad: Counter[str] = field(default_factory=Counter)
    flags: int = 0
    kept: list[Flagged] = field(default_factory=list)

    def add(self, row: int, unit: Unit) -> None:
        """Add what is wrong with a unit of a row; the unit itself is counted already."""
        self.bad[unit.group] += 1
        self.flag(*(Flagged(row, column, why) for column, why in unit.faults))

    def fault(self, flagged: Flagged) -> None:
        """Count one more that is wrong, with its flag."""
        self.bad[""] += 1
        self.flag(flagged)

    def flag(self, *flags: Flagged) -> None:
        """Keep or count some flags."""
        self.flags += len(flags)
        self.kept += flags[: max(0, self.keep - len(self.kept))]


def groups(places: Sequence[int], values: Sequence[int]) -> Iterator[list[int]]:
    """Places by their value, each group in order."""
    for _, group in groupby(sorted(places, key=values.__getitem__), key=values.__getitem__):
        yield list(group)
