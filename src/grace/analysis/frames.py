"""Frames: a table read for the analysis; its rows by model, and which of them show the same stimulus."""

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import overload

from grace.analysis.kept import KeptCells, KeptRows, number_of
from grace.columns import ERROR, MODEL
from grace.errors import InputError
from grace.stages.answers.table import EMPTIES
from grace.studies.format import MISSING
from grace.studies.study import Study, check_kin
from grace.table_files import AUTO, open_table
from grace.tables import CsvTable, TableFormat
from grace.text import did_you_mean

HOW = ("model_revision", "protocol", "temperature")
"""Columns that distinguish models of the same name."""
DROP = "drop_"
"""The beginning of names of columns in which a person marks rows to leave out."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table.

    Attributes:
        cells: by column; a missing one is an empty text.
        stimulus: the key of the stimulus that it shows; None where the table does not have it.
        place: its number in the table; 1 is the first.
    """

    cells: Mapping[str, str]
    stimulus: str | None
    place: int

    def __getitem__(self, column: str | None) -> str:
        return self.cells.get(column, "") if column else ""

    def unit(self, item: str | None) -> str | None:
        """The unit of a row within its condition: its item, else the stimulus; None where the table has neither.

        Texts about one item in one condition differ only in persons' names, and are not independent.
        """
        return self[item] or self.stimulus

    def number(self, column: str | None) -> float | None:
        """The number in a cell; 40, 40% and $40 are the same. None where there is none."""
        cells = self.cells
        if isinstance(cells, KeptCells):
            return cells.number(column) if column else None
        return number_of(self[column])

    def integer(self, column: str) -> int | None:
        """The whole number in a cell (3.0 is one); None where there is none."""
        number = self.number(column)
        return int(number) if number is not None and number.is_integer() else None

    @property
    def failed(self) -> bool:
        """Whether the model gave no answer because its request failed."""
        return self[ERROR].strip().lower() not in _NOTHING and self[ERROR] not in EMPTIES

    def marked(self, columns: Iterable[str]) -> str | None:
        """The first of some columns in which a person marked the row; None where there is none."""
        return next((name for name in columns if self[name].strip().lower() not in _NO_MARK), None)


_NOTHING = ("", "0", "0.0", "false", "none", "null", "nan")
"""Cells that mark a missing value, in lower case; pandas and R write several of them."""
_NO_MARK = (*_NOTHING, "no", "n", "f")


class RowsOfModel(Sequence[Row]):
    """Some rows of a table, each made when it is asked for."""

    def __init__(self, kept: KeptRows, places: Sequence[int]) -> None:
        self._kept, self._places = kept, places

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, place: int) -> Row: ...

    @overload
    def __getitem__(self, place: slice) -> "RowsOfModel": ...

    def __getitem__(self, place: int | slice) -> "Row | RowsOfModel":
        if isinstance(place, slice):
            return RowsOfModel(self._kept, self._places[place])
        return self._row(self._places[place])

    def __iter__(self) -> Iterator[Row]:
        return map(self._row, self._places)

    def cells(self, column: str, places: Iterable[int]) -> Iterator[str]:
        """The cells of a column in some of these rows."""
        texts, own = self._kept.columns[column], self._places
        return (texts[own[place]] for place in places)

    def _row(self, place: int) -> Row:
        return Row(KeptCells(self._kept.columns, place), self._kept.key(place), place + 1)


@dataclass(frozen=True)
class Frame:
    """A table, read.

    Attributes:
        name: the file's name, or the run's.
        sha256: hex digest of the file; "" where the rows come from a run's ledgers.
        columns: its columns.
        models: the rows of each model, in the table's order; the name is "" where the table names none.
    """

    name: str
    sha256: str
    columns: tuple[str, ...]
    models: Mapping[str, RowsOfModel]

    @property
    def names_models(self) -> bool:
        """Whether the table names the model of a row, or distinguishes several."""
        return _names(self.columns) is not None or len(self.models) > 1

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return sum(map(len, self.models.values()))

    @property
    def marks(self) -> list[str]:
        """The columns in which a person marks rows to leave out."""
        return [name for name in self.columns if name.startswith(DROP)]

    def column(self, *names: str) -> str | None:
        """The first of some columns that the table has."""
        return next((name for name in names if name in self.columns), None)

    def needed(self, what: str, *names: str) -> str:
        """The same for a required column. Raises InputError."""
        column = self.column(*names)
        if column is None:
            meant = did_you_mean(names[0], self.columns)
            raise InputError(f"{self.name}: has no column {names[0]!r} for {what}{meant}; rename one, or give another")
        return column


def read_frame(path: Path, study: Study, given: TableFormat = AUTO) -> Frame:
    """Read a table of any kind of file; `given` says how.

    Raises:
        InputError: the file cannot be read, or has no rows.
    """
    with open_table(path, given) as table:
        check_kin(study, table.columns, path)
        return frame_of(path, table.columns, table.all_cells(), study, table.sha256)


def read_parts(path: Path, study: Study, parts: Sequence[tuple[int, tuple[str, ...]]]) -> Iterator[Frame]:
    """The parts of a merged table, each as if it were a table of its own.

    Args:
        path: a CSV file.
        study: the study of all parts.
        parts: how many rows each has, and its columns, as `grace.quality.merge` gives them.

    Raises:
        InputError: the file cannot be read, or a part has no rows.
    """
    with CsvTable(path) as table:
        rows = table.all_cells()
        places = {name: place for place, name in enumerate(table.columns)}
        for count, columns in parts:
            own = [places[name] for name in columns]
            some = ([cells[place] for place in own] for cells in islice(rows, count))
            yield frame_of(path, columns, some, study, table.sha256)


def frame_of(
    path: Path, columns: tuple[str, ...], cells: Iterable[Sequence[str]], study: Study, sha256: str = ""
) -> Frame:
    """A table of some rows, read from a file or a run. Raises InputError where there are none."""
    kept = KeptRows(columns, cells, MISSING, _shown(study, columns))
    if not kept.rows:
        raise InputError(f"{path}: has a header and no rows")
    return Frame(path.name, sha256, columns, dict(_by_model(kept, _names(columns))))


def _shown(study: Study, columns: Sequence[str]) -> list[str]:
    """The columns that a trial shows to a model; none where the table has only its conditions."""
    conditions = {study.design.participant, *study.design.cells, *study.vary}
    called = {name: study.called(name, columns) for name, column in study.columns.items() if not column.hidden}
    own = {name: own for name, own in called.items() if own in columns}
    if not own.keys() - conditions:
        return []
    return [own for name, own in own.items() if name not in (study.design.participant, *study.vary)]


def _names(columns: Sequence[str]) -> str | None:
    """The column with the models' names: Grace's, or that of people's own tables."""
    return next((name for name in (MODEL, "model", "Model") if name in columns), None)


def _by_model(kept: KeptRows, named: str | None) -> Iterator[tuple[str, RowsOfModel]]:
    """Rows by model; several of one name are distinguished by their revision, protocol and temperature."""
    columns = [kept.columns.get(name) if name else None for name in (named, *HOW)]
    groups: dict[tuple[str, ...], array[int]] = {}
    for place in range(kept.rows):
        key = tuple([column[place] if column else "" for column in columns])
        groups.setdefault(key, array("I")).append(place)
    for key, own in groups.items():
        namesakes = [other for other in groups if other[0] == key[0]]
        differing = [place for place in range(1, len(key)) if len({other[place] for other in namesakes}) > 1]
        how = ", ".join(key[place] or f"no {HOW[place - 1]}" for place in differing)
        yield f"{key[0]} ({how})".strip() if how else key[0], RowsOfModel(kept, own)
