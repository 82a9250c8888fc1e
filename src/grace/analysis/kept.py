"""Rows kept by column: each different cell of a column once, so that a million rows need little memory."""

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import islice

from grace.quality.layout import number_in

BATCH = 1000
"""How many rows are taken apart at once."""
FEW, SOME = 2**8, 2**16
"""So many different texts have numbers of one byte, and of two; more are kept one after the other."""


@lru_cache(maxsize=SOME)
def number_of(cell: str) -> float | None:
    """The number in a cell; 40, 40% and $40 are the same. None where there is none."""
    return number_in(cell.strip().removeprefix("$").removesuffix("%").strip())


class Texts:
    """The cells of one column: a short number for each, while few are different, or else all one after the other."""

    def __init__(self, empty: Sequence[str] = ()) -> None:
        """For a column in which some texts count as empty."""
        self._empty = empty
        self._numbers = dict.fromkeys(empty, 0)
        self._different = [""] if empty else []
        self._cells = array("B")
        self._read: list[float | None] = []
        self._encoded: bytearray | None = None
        self._ends = array("Q")

    def extend(self, cells: Sequence[str]) -> None:
        """Add the cells of the next rows."""
        if self._encoded is None:
            for cell in set(cells).difference(self._numbers):
                self._numbers[cell] = len(self._different)
                self._different.append(cell)
            if len(self._different) <= SOME:
                if len(self._different) > FEW and self._cells.typecode == "B":
                    self._cells = array("H", self._cells)
                self._cells.extend(map(self._numbers.__getitem__, cells))
                return
            earlier = [self._different[number] for number in self._cells]
            self._encoded, self._cells, self._different, self._numbers = bytearray(), array("B"), [], {}
            self._read = []
            self._encode(earlier)
        self._encode("" if cell in self._empty else cell for cell in cells)

    def _encode(self, cells: Iterable[str]) -> None:
        assert self._encoded is not None
        for cell in cells:
            self._encoded += cell.encode()
            self._ends.append(len(self._encoded))

    def __getitem__(self, place: int) -> str:
        if self._encoded is None:
            return self._different[self._cells[place]]
        return self._encoded[self._ends[place - 1] if place else 0 : self._ends[place]].decode()

    def number(self, place: int) -> float | None:
        """The number in a cell, as `number_of` reads it; each different cell is read once, while few are different."""
        if self._encoded is not None:
            return number_of(self[place])
        if len(self._read) < len(self._different):
            self._read += map(number_of, self._different[len(self._read) :])
        return self._read[self._cells[place]]

    def __iter__(self) -> Iterator[str]:
        return map(self.__getitem__, range(len(self._cells) or len(self._ends)))


class KeptRows:
    """The rows of a table.

    Attributes:
        columns: the cells by column.
        rows: how many there are.
    """

    def __init__(
        self, names: Sequence[str], rows: Iterable[Sequence[str]], empty: Sequence[str], key: Sequence[str]
    ) -> None:
        """Take rows in.

        Args:
            names: of the columns.
            rows: the cells of each row.
            empty: texts that count as empty.
            key: columns whose cells, as they are written, make the key of a row.
        """
        columns, self._keys, self.rows = [Texts(empty) for _ in names], Texts(), 0
        self._keyed = bool(key)
        places, rows = [names.index(name) for name in key], iter(rows)
        while batch := list(islice(rows, BATCH)):
            self.rows += len(batch)
            cells = list(zip(*batch, strict=True))
            for column, own in zip(columns, cells, strict=True):
                column.extend(own)
            if key:
                self._keys.extend(list(map("\0".join, zip(*(cells[place] for place in places), strict=True))))
        self.columns = dict(zip(names, columns, strict=True))

    def key(self, place: int) -> str | None:
        """The key of a row; None where rows have none."""
        return self._keys[place] if self._keyed else None


class KeptCells(Mapping[str, str]):
    """The cells of one row."""

    __slots__ = ("_columns", "_place")

    def __init__(self, columns: Mapping[str, Texts], place: int) -> None:
        self._columns, self._place = columns, place

    def __getitem__(self, name: str) -> str:
        return self._columns[name][self._place]

    def get(self, name: str, default: str = "") -> str:  # type: ignore[override]  # faster than of any mapping
        """The cell of a column."""
        column = self._columns.get(name)
        return default if column is None else column[self._place]

    def number(self, name: str) -> float | None:
        """The number in the cell of a column; None where there is none."""
        column = self._columns.get(name)
        return None if column is None else column.number(self._place)

    def __contains__(self, name: object) -> bool:
        return name in self._columns

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)
