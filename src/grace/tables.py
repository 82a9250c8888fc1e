"""Tables: CSV in, CSV or Parquet out; any size in little memory, cells exactly as written."""

import csv
import hashlib
import importlib.util
import io
import itertools
import os
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

from grace.errors import InputError
from grace.files import replacing

csv.field_size_limit(2**31 - 1)  # a cell may hold a whole story; the default stops at 128 KiB

WRITABLE = (".csv", ".parquet")
BLOCK = 100
"""How many rows are read at once when all rows are read."""
PARQUET_ROWS = 10_000
"""How many rows are written to Parquet at once."""
_BOM = b"\xef\xbb\xbf"


class CsvTable:
    """A comma-separated file with a header, read row by row.

    One pass over the file finds where each row starts, so that any row can be read at any time while memory stays at
    eight bytes a row. Cells are text, exactly as written; blank lines are not rows.

    Attributes:
        path: the file.
        columns: the header's names, in order.
        encoding: "utf-8" or, for files that are not, "cp1252" (what Excel and R write on Windows).
        sha256: hex digest of the file's bytes.
    """

    def __init__(self, path: Path) -> None:
        """Scan the file at `path`.

        Raises:
            InputError: no such file, empty, not comma-separated text, a column named twice, or a row with too many or
                too few cells; the message names the row.
        """
        self.path = path
        try:
            self._file = open(path, "rb")  # noqa: SIM115 - kept open: rows are read on demand
        except OSError as error:
            raise InputError(f"{path}: cannot be read: {error.strerror}") from None
        self.encoding = "utf-8"
        try:
            try:
                self._scan()
            except UnicodeDecodeError:
                self.encoding = "cp1252"
                self._scan()
        except UnicodeDecodeError:
            self.close()
            raise InputError(
                f"{path}: is neither UTF-8 nor Latin-1 (Windows-1252) text; save it as CSV UTF-8"
            ) from None
        except BaseException:
            self.close()
            raise

    def _scan(self) -> None:
        digest = hashlib.sha256()
        position = 0
        file = self._file
        file.seek(0)
        head = file.read(4096)
        if not head.removeprefix(_BOM).strip():
            raise InputError(f"{self.path}: is empty; it needs a header line and at least one row")
        if head.startswith(b"PAR1"):
            raise InputError(f"{self.path}: is a Parquet file; `grace export RUN --output NAME.csv` writes it as CSV")
        if b"\0" in head.partition(b"\n")[0]:
            raise InputError(f"{self.path}: is not plain text (UTF-16 or a spreadsheet?); save it as CSV UTF-8")
        if b"\n" not in head and b"\r" in head:
            raise InputError(f"{self.path}: has the line ends of old Macs; save it as CSV UTF-8")
        file.seek(len(_BOM) if head.startswith(_BOM) else 0)
        if head.startswith(_BOM):
            digest.update(_BOM)
            position = len(_BOM)

        def lines() -> Iterator[str]:
            nonlocal position
            for line in file:
                digest.update(line)
                position += len(line)
                yield line.decode(self.encoding)

        reader = csv.reader(lines(), strict=True)
        starts = array("Q")
        try:
            self.columns: tuple[str, ...] = tuple(next(cells for cells in reader if cells))
            self._check_header()
            width, start = len(self.columns), position
            for cells in reader:
                if cells:
                    starts.append(start)
                    if len(cells) != width:
                        raise InputError(
                            f"{self.path}, row {len(starts)} (line {reader.line_num}): has {len(cells)} cells, "
                            f"the header has {width}; is a cell with a comma in it missing its quotes?"
                        )
                start = position
        except csv.Error as error:
            raise InputError(
                f"{self.path}, line {reader.line_num}: {error}; is a quote opened and not closed?"
            ) from None
        starts.append(position)
        self._starts = starts
        self.sha256 = digest.hexdigest()

    def _check_header(self) -> None:
        for other, name in ((";", "semicolons"), ("\t", "tabs")):
            if len(self.columns) == 1 and other in self.columns[0]:
                raise InputError(f"{self.path}: cells are separated by {name}; save it with commas")
        named = [name for name in self.columns if name]  # R writes row names under an empty header
        twice = {name for name in named if named.count(name) > 1}
        if twice:
            raise InputError(f"{self.path}: the column {min(twice)!r} appears twice in the header")

    def __len__(self) -> int:
        return len(self._starts) - 1

    def cells(self, row: int) -> list[str]:
        """The cells of row `row` (0 is the first below the header), in the order of `columns`."""
        return next(self._read(row, row + 1))

    def all_cells(self) -> Iterator[list[str]]:
        """The cells of all rows, first to last; faster than one by one."""
        for first in range(0, len(self), BLOCK):
            yield from self._read(first, min(first + BLOCK, len(self)))

    def _read(self, first: int, end: int) -> Iterator[list[str]]:
        """The cells of the rows from `first` up to, but without, `end`."""
        start = self._starts[first]
        raw = os.pread(self._file.fileno(), self._starts[end] - start, start)
        text = io.StringIO(raw.decode(self.encoding), newline="\n")  # as the scan: lines end at \n alone
        return (cells for cells in csv.reader(text) if cells)

    def row(self, row: int) -> dict[str, str]:
        """Row `row` as a mapping of column name to cell."""
        return dict(zip(self.columns, self.cells(row), strict=True))

    def row_bytes(self, row: int) -> int:
        """The length of row `row` in the file, in bytes."""
        return self._starts[row + 1] - self._starts[row]

    def rows(self) -> Iterator[dict[str, str]]:
        """All rows, first to last."""
        return (dict(zip(self.columns, cells, strict=True)) for cells in self.all_cells())

    def read_from(self, copy: Path) -> None:
        """Read rows from a byte-for-byte copy from now on, so that changes to the file itself have no effect.

        Raises InputError when the copy is missing or differs.
        """
        try:
            file = open(copy, "rb")  # noqa: SIM115 - kept open, as above
        except OSError as error:
            raise InputError(f"{copy}: cannot be read: {error.strerror}; restore it from {self.path}") from None
        self._file.close()
        self._file = file
        if hashlib.file_digest(file, "sha256").hexdigest() != self.sha256:
            raise InputError(f"{copy}: was changed since the run began; restore it from {self.path}")

    def close(self) -> None:
        """Close the file; rows can no longer be read."""
        self._file.close()

    def __enter__(self) -> "CsvTable":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def write_table(
    path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]], kinds: Mapping[str, type] | None = None
) -> int:
    """Write a CSV or Parquet file, by the name's ending, atomically, and return its number of rows.

    Args:
        path: a name that ends in .csv or .parquet.
        columns: the header.
        rows: one sequence of cells for each row; None is an empty cell, in Parquet a null.
        kinds: Parquet's type of columns that are not text: int or float.

    Raises:
        InputError: the file cannot be written, or Parquet's package is not installed.
    """
    with replacing(path) as file:
        if path.suffix.lower() == ".parquet":
            return _print_parquet(file, columns, rows, kinds or {}, path)
        return print_csv(file, columns, rows)


def check_writable(path: Path) -> None:
    """Raise InputError unless a table can be written under this name: by its ending, and Parquet by its package."""
    if path.suffix.lower() not in WRITABLE:
        raise InputError(f"{path}: tables are written as CSV or Parquet; choose a name that ends in .csv or .parquet")
    if path.suffix.lower() == ".parquet" and not can_write_parquet():
        raise InputError(
            f"{path}: writing Parquet needs pyarrow: pip install 'grace-experiments[parquet]', or use .csv"
        )


def can_write_parquet() -> bool:
    """Whether Parquet's package is installed."""
    return importlib.util.find_spec("pyarrow") is not None


def _print_parquet(
    file: IO[bytes], columns: Sequence[str], rows: Iterable[Sequence[object]], kinds: Mapping[str, type], path: Path
) -> int:
    import pyarrow
    import pyarrow.parquet

    types = {int: pyarrow.int64(), float: pyarrow.float64()}
    names = told_apart(columns)
    schema = pyarrow.schema([(name, types.get(kinds.get(name, str), pyarrow.string())) for name in names])
    count = 0
    with pyarrow.parquet.ParquetWriter(file, schema) as writer:
        for batch in _batches(rows):
            columns_of = zip(schema, zip(*batch, strict=True), strict=True)
            cells = [pyarrow.array(cells, field.type) for field, cells in columns_of]
            writer.write_batch(pyarrow.record_batch(cells, schema=schema))
            count += len(batch)
    return count


def told_apart(columns: Sequence[str]) -> list[str]:
    """The names of columns; of several columns without a name, all but the first get one."""
    return [name or (f"column_{place + 1}" if "" in columns[:place] else "") for place, name in enumerate(columns)]


def _batches(rows: Iterable[Sequence[object]]) -> Iterator[list[Sequence[object]]]:
    rows = iter(rows)
    while batch := list(itertools.islice(rows, PARQUET_ROWS)):
        yield batch


def print_csv(file: IO[bytes], columns: Sequence[str], rows: Iterable[Sequence[object]]) -> int:
    """Write a table as UTF-8 CSV to an open file and return its number of rows; None becomes an empty cell."""
    text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=False)
    writer = csv.writer(text, lineterminator="\n")
    quoting = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerow(columns)
    count = 0
    for row in rows:
        # Python 3.11 leaves a bare carriage return unquoted, which makes the row unreadable
        (quoting if any(isinstance(cell, str) and "\r" in cell for cell in row) else writer).writerow(row)
        count += 1
    text.flush()
    text.detach()
    return count
