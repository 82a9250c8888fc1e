"""How a check of single rows looks at a row, and how its observations are counted."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import NamedTuple, TypeVar

from grace.quality.layout import Cells, Layout

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


Look = Callable[[Cells], Iterable[Unit]]
"""Looks at one row; yields nothing for a row that the check is not about."""
Thresholds = Mapping[str, float]
"""Thresholds by name."""
Maker = Callable[[Layout, Thresholds], Look | str]
"""Makes a check of single rows for a table, or says why it cannot be done there."""


REMEMBERED = 5_000
"""Of so many different rows each check remembers what it saw."""
Seen = TypeVar("Seen")


def remembered(
    columns: tuple[str, ...], look: Callable[[Cells], Iterable[Seen]]
) -> Callable[[Cells], tuple[Seen, ...]]:
    """The same look, which remembers what it saw in rows whose cells in its columns are equal, as those of one prompt.

    `columns` have all that the look reads. Looks that are given the same tuple share the reading of the cells.
    """
    earlier: dict[tuple[str | None, ...], tuple[Seen, ...]] = {}

    def seen(cells: Cells) -> tuple[Seen, ...]:
        written = cells.written(columns)
        units = earlier.get(written)
        if units is None:
            if len(earlier) == REMEMBERED:
                earlier.clear()
            units = earlier[written] = tuple(look(cells))
        return units

    return seen


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
        """Add a unit of a row."""
        group, faults = unit
        self.units[group] += 1
        if faults:
            self.bad[group] += 1
            self.flag(*(Flagged(row, column, why) for column, why in faults))

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
