"""How a check of single rows looks at rows, and how its observations are counted."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

from grace.quality.layout import Cells, Layout, picking

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
class Look:
    """A look at one row.

    Attributes:
        columns: all columns that it reads, whether the table has them or not. It sees the same in rows whose cells in
            these are equal, as those of one prompt.
        see: what it sees in a row; nothing where the check is not about this row.
    """

    columns: tuple[str, ...]
    see: Callable[[Cells], Iterable[Unit]]


def of_each_row(columns: Iterable[str], find: Callable[[Cells], Iterable[Fault]]) -> Look:
    """A look of which each row is a unit, with the faults that are found in it."""
    return Look(tuple(columns), lambda cells: [Unit("", list(find(cells)))])


Looks = Sequence[Look]
"""What a check of single rows does: one look, or several of each row, whose faults are of one unit."""
Thresholds = Mapping[str, float]
"""Thresholds by name."""
Maker = Callable[[Layout, Thresholds], Looks | str]
"""Makes a check of single rows for a table, or says why it cannot be done there."""

REMEMBERED = 5_000
"""Of so many different rows each look remembers what it saw."""
Row = Sequence[str | None]
Key = Any
"""The cells of a row that a look reads: a tuple, or a single one."""


class Remembered:
    """A look at the rows of a table, which looks once at rows whose cells in its columns are equal."""

    def __init__(self, look: Look, columns: Sequence[str]) -> None:
        """For a table with these columns."""
        self._look = look
        self._names = [name for name in dict.fromkeys(look.columns) if name in columns]
        alone = len(self._names) == 1  # most looks read one cell, which takes no tuple
        self._key: Callable[[Row], Key] = (
            itemgetter(columns.index(self._names[0])) if alone else picking(columns, self._names)
        )
        self._cells: Callable[[Key], Iterable[str | None]] = (lambda key: (key,)) if alone else tuple
        self._known: dict[Key, tuple[Unit, ...]] = {}

    def see(self, rows: Sequence[Row]) -> tuple[Counter[str], list[tuple[int, Unit]]]:
        """How many units it sees in some rows, by group; and those with faults, each with its row's place in `rows`."""
        keys = [*map(self._key, rows)]
        times = Counter(keys)
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

    def _look_at(self, keys: Collection[Key]) -> None:
        """Look at rows with these cells, unless it is known what is in them."""
        fresh = [key for key in keys if key not in self._known]
        if len(self._known) + len(fresh) > REMEMBERED:
            self._known.clear()
            fresh = [*keys]
        for key in fresh:
            cells = Cells(dict(zip(self._names, self._cells(key), strict=True)))
            self._known[key] = tuple(self._look.see(cells))


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
