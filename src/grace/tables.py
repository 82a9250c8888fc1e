"""Tables: CSV in, CSV or Parquet out; any size in little memory, cells exactly as written."""

import csv
import hashlib
import importlib.util
import io
import itertools
import os
import re
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any, TypeVar

from grace.columns import INPUT, folded
from grace.errors import InputError
from grace.files import holding, replacing
from grace.index import Index, beside, is_large

Row = TypeVar("Row")

csv.field_size_limit(2**31 - 1)  # a cell may hold a whole story; the default stops at 128 KiB

WRITABLE = (".csv", ".parquet")
BLOCK = 100
"""How many rows are read at once when all rows are read."""
PARQUET_ROWS = 10_000
"""How many rows are written to Parquet at once."""
CSV_ROWS = 100
"""How many rows are written to CSV at once."""
DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
"""What separates cells, in words."""
_BOM = b"\xef\xbb\xbf"
_WRITTEN = rb'(?:"(?=[^",\n]*+(?:[,\n]|""))[^"\r]*+(?:""[^"\r]*+)*+"|[^",\r\n]*+)'
"""A cell as `csv` writes it: in quotes where it has to be, and only there; and without a carriage return."""
_FORMULA = re.compile(r"'*[ \n]*[=+\-@\t\r]")
_NUMBER = re.compile(r" *[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?%?")
_SAFE: ContextVar[bool] = ContextVar("_SAFE", default=False)


@dataclass(frozen=True)
class TableFormat:
    """How a file is to be read; what is None, the file itself shows. Each field is an option of the commands.

    Attributes:
        encoding: of text.
        delimiter: what separates cells.
        decimal: "," or ".", in columns of numbers.
        skip_rows: how many rows below the header are no trials.
        sheet: of a spreadsheet, by name or number; the first is 1.
    """

    encoding: str | None = None
    delimiter: str | None = None
    decimal: str | None = None
    skip_rows: int = 0
    sheet: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The fields that say something."""
        return {name: value for name, value in vars(self).items() if value}

    @property
    def options(self) -> list[str]:
        """The options of a command that say the same."""
        return [part for name, value in self.as_json().items() for part in (f"--{name.replace('_', '-')}", str(value))]

    def in_words(self) -> str:
        """What is not as in a plain CSV; empty where all is."""
        parts = [
            f"as {self.encoding}" if self.encoding else "",
            f"with {DELIMITERS.get(self.delimiter, repr(self.delimiter))} between cells" if self.delimiter else "",
            "with decimal commas" if self.decimal == "," else "",
            f"without the first {self.skip_rows} rows below the header" if self.skip_rows else "",
            f"from the sheet {self.sheet!r}" if self.sheet else "",
        ]
        return ", ".join(filter(None, parts))


WITH_COMMA = re.compile(r"[+-]?(?:\d{1,3}(?:\.\d{3})+|\d*),\d+(?:[eE][+-]?\d+)?", re.ASCII)
"""A number with a decimal comma, perhaps with points between thousands."""
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(?:,\d{3})+(?:\.\d+)?", re.ASCII)
_EITHER = re.compile(r"[+-]?[1-9]\d{0,2}([,.])\d{3}", re.ASCII)
_WHOLE = re.compile(r"([+-]?\d+)\.0+", re.ASCII)


def is_ambiguous(cell: str, decimal: str | None = None) -> bool:
    """Whether 1,234 (or 1.234 among decimal commas) may be a bit more than one, or more than a thousand."""
    either = _EITHER.fullmatch(cell.strip())
    return either is not None and either[1] == {None: ",", ",": ".", ".": None}[decimal]


def number_text(cell: str, whole: bool = False, decimal: str | None = None) -> str:
    """A cell with a number as Python writes numbers: with a decimal point, and a whole one without any.

    Args:
        cell: any text; what is no number, or may be two, stays as it is.
        whole: whether 1.0 is the integer 1, as programs write integers of columns with missing cells.
        decimal: what stands before decimals, "," or "."; None where that is to be seen from the cell.
    """
    text = cell.strip()
    if is_ambiguous(text, decimal):
        return cell
    if decimal != "." and WITH_COMMA.fullmatch(text):
        cell = text = text.replace(".", "").replace(",", ".")
    elif decimal == "." and _THOUSANDS.fullmatch(text):
        cell = text = text.replace(",", "")
    if whole and (match := _WHOLE.fullmatch(text)) and not (decimal is None and _EITHER.fullmatch(text)):
        return match[1]
    return cell


class CsvTable:
    """A comma-separated file with a header, read row by row.

    One pass over the file finds where each row starts, so that any row can be read at any time while memory stays at
    eight bytes a row. Cells are text, exactly as written; blank lines are not rows.

    Attributes:
        path: what errors call the file.
        plain: the file.
        columns: the header's names, in order.
        encoding: "utf-8", or "cp1252" (what Excel and R write on Windows), which runs of Grace 0.1.0 may hold.
        sha256: hex digest of the file's bytes.
        scanned: whether all rows were read, and not an index.
        read_as: how the user's own file was read, where this one was made from it (`grace.table_files`).
        decimal: "," or "." where the user's numbers are known to have it.
    """

    read_as = TableFormat()
    decimal: str | None = None

    def __init__(
        self,
        path: Path,
        encoding: str | None = None,
        name: Path | None = None,
        index: Path | None = None,
        digest: str | None = None,
    ) -> None:
        """Scan the file at `path`, or take what an earlier scan found from its index.

        Args:
            path: the file.
            encoding: of the file; None: UTF-8, and else Windows-1252.
            name: what errors call it, where that is not its path.
            index: where the index lies, if there is one.
            digest: the file's SHA-256, if it was just computed.

        Raises:
            InputError: no such file, empty, not comma-separated text, a column named twice, or a row with too many or
                too few cells; the message names the row.
            UnicodeDecodeError: it is not in the encoding that is given.
        """
        self.path, self.plain = name or path, path
        try:
            self._file = open(path, "rb")  # noqa: SIM115 - kept open: rows are read on demand
        except OSError as error:
            raise InputError(f"{path}: cannot be read: {error.strerror}") from None
        self.encoding = encoding or "utf-8"
        self.scanned = True
        try:
            if index and self._restore(index, encoding, digest):
                self.scanned = False
                return
            try:
                self._scan()
            except UnicodeDecodeError:
                if encoding:
                    raise
                self.encoding = "cp1252"
                self._scan()
        except UnicodeDecodeError:
            self.close()
            if encoding:
                raise
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
        starts = array("q")
        try:
            self.columns: tuple[str, ...] = tuple(next(cells for cells in reader if cells))
            self._check_header()
            width, start = len(self.columns), position
            for cells in reader:
                if cells:
                    starts.append(start)
                    if len(cells) != width:
                        raise ragged(self.path, len(starts), f"line {reader.line_num}", cells, self.columns)
                start = position
        except csv.Error as error:
            raise InputError(f"{self.path}, line {reader.line_num}: {csv_problem(error)}") from None
        starts.append(position)
        self._starts = starts
        self.sha256 = digest.hexdigest()

    def _restore(self, index: Path, encoding: str | None, digest: str | None) -> bool:
        """Take columns and rows from an index; False where that is of other bytes, or there is none."""
        size = os.fstat(self._file.fileno()).st_size
        kept = Index.read(index, size)
        if kept is None or kept.length != size:
            return False
        own, (starts,) = kept.facts, kept.numbers
        if encoding not in (None, own["encoding"]) or kept.digest != (digest or _sha256(self._file)):
            return False
        self.columns, self.encoding, self.sha256, self._starts = (
            tuple(own["columns"]),
            own["encoding"],
            kept.digest,
            starts,
        )
        return True

    def keep_index(self, run: Path) -> None:
        """Write the index of a large table that was scanned, beside the copy in a run's folder that it is read from.

        Where it cannot be written there is none.
        """
        if self.scanned and is_large(self._starts[-1]):
            facts = {"columns": self.columns, "encoding": self.encoding}
            with suppress(InputError), holding(run):
                Index(self._starts[-1], self.sha256, facts, [self._starts]).write(beside(Path(self._file.name)))

    def _check_header(self) -> None:
        for other, name in ((";", "semicolons"), ("\t", "tabs")):
            if len(self.columns) == 1 and other in self.columns[0]:
                raise InputError(f"{self.path}: cells are separated by {name}; save it with commas")
        named = [name for name in self.columns if name]  # R writes row names under an empty header
        twice = {name for name, times in Counter(named).items() if times > 1}
        if twice:
            places = [str(place) for place, name in enumerate(self.columns, 1) if name == min(twice)]
            raise InputError(
                f"{self.path}: the column {min(twice)!r} appears twice in the header (as columns "
                f"{' and '.join(places)}); give each a name of its own"
            )

    def beside(self, added: Iterable[str]) -> list[str]:
        """The names of its columns beside those that Grace adds: `seed` and `Seed` become `seed_input`.

        Raises InputError where the table has such a name already.
        """
        taken = folded(added)
        names = [name + INPUT if name and name.strip().casefold() in taken else name for name in self.columns]
        twice = next((name for name, times in Counter(names).items() if name and times > 1), None)
        if twice:
            raise InputError(
                f"{self.path}: already has the columns {twice.removesuffix(INPUT)!r} and {twice!r}; rename one of them"
            )
        return names

    def __len__(self) -> int:
        return len(self._starts) - 1

    def cells(self, row: int) -> list[str]:
        """The cells of row `row` (0 is the first below the header), in the order of `columns`."""
        return next(self._read(row, row + 1))

    def all_cells(self) -> Iterator[list[str]]:
        """The cells of all rows, first to last; faster than one by one."""
        for first in range(0, len(self), BLOCK):
            yield from self._read(first, min(first + BLOCK, len(self)))

    def all_given(self) -> Iterator[str | list[str]]:
        """All rows, first to last: a row's text where Grace writes its cells so, else the cells; see `write_beside`."""
        width = len(self.columns)
        written = re.compile(rb"(?:(?:%b,){%d}%b\n)*+" % (_WRITTEN, width - 1, _WRITTEN)) if width > 1 else None
        for first in range(0, len(self), BLOCK):
            end = min(first + BLOCK, len(self))
            starts = self._starts[first : end + 1]
            raw = os.pread(self._file.fileno(), starts[-1] - starts[0], starts[0])
            if written is None or self.encoding != "utf-8" or not written.fullmatch(raw):
                yield from self._read(first, end)
                continue
            for start, after in itertools.pairwise(starts):
                yield raw[start - starts[0] : after - starts[0] - 1].decode()

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
        if _sha256(file) != self.sha256:
            raise InputError(f"{copy}: was changed since the run began; restore it from {self.path}")

    def close(self) -> None:
        """Close the file; rows can no longer be read."""
        self._file.close()

    def __enter__(self) -> "CsvTable":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _sha256(file: BufferedReader) -> str:
    return hashlib.file_digest(file, "sha256").hexdigest()


def ragged(path: Path, row: int, place: str, cells: Sequence[object], header: Sequence[object]) -> InputError:
    """The error about a row with more or fewer cells than the header."""
    if len(header) == 1:
        why = "does a title stand above the header, or is a cell with a comma in it missing its quotes?"
    elif len(cells) > len(header) and not any(cells[len(header) :]):
        why = "those beyond the header are empty: delete the columns to the right of the last one"
    else:
        why = "is a cell with a comma in it missing its quotes?"
    return InputError(f"{path}, row {row} ({place}): has {len(cells)} cells, the header has {len(header)}; {why}")


def csv_problem(error: csv.Error) -> str:
    """What makes a text no CSV, in plain words."""
    if "new-line character" in str(error):
        return "a carriage return stands in a cell without quotes, or line ends differ in the file; save it anew"
    return f"{error}; is a quote opened and not closed?"


@contextmanager
def spreadsheet_safe(on: bool = True) -> Iterator[None]:
    """Have the CSV files that the block writes hold no cell that a spreadsheet takes for a formula; see `guarded`."""
    before = _SAFE.set(on)
    try:
        yield
    finally:
        _SAFE.reset(before)


def guarded(cell: object) -> object:
    """A cell with an apostrophe before it where a spreadsheet would run it; numbers, as -2, stay as they are.

    What begins with apostrophes and then such a character gets one more, so that taking one away gives every cell back.
    """
    if not isinstance(cell, str) or not _FORMULA.match(cell) or _NUMBER.fullmatch(cell):
        return cell
    return f"'{cell}"


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
            return _print_parquet(file, columns, rows, kinds or {})
        if _SAFE.get():
            return print_csv(file, [str(guarded(name)) for name in columns], (list(map(guarded, row)) for row in rows))
        return print_csv(file, columns, rows)


def write_beside(
    path: Path,
    columns: Sequence[str],
    rows: Iterable[tuple[str | list[str], Sequence[object]]],
    kinds: Mapping[str, type],
) -> int:
    """As `write_table`; each row is one of a table, as its `all_given` gives it, and the cells that are added to it.

    Raises:
        InputError: as `write_table`.
    """
    if path.suffix.lower() != ".csv" or _SAFE.get():
        return write_table(path, columns, ([*_cells(given), *added] for given, added in rows), kinds)
    count = 0
    with replacing(path) as file:
        file.write(_csv_text([columns]).encode())
        for batch in batches(rows, CSV_ROWS):
            lines: list[str] = []
            csv.writer(SimpleNamespace(write=lines.append), lineterminator="\n").writerows(added for _, added in batch)
            texts = [
                f"{given},{line}"
                if isinstance(given, str) and "\r" not in line
                else _csv_line([*_cells(given), *added])
                for (given, added), line in zip(batch, lines, strict=True)
            ]
            file.write("".join(texts).encode())
            count += len(batch)
    return count


def _cells(given: str | list[str]) -> list[str]:
    return next(csv.reader(io.StringIO(given, newline="\n"))) if isinstance(given, str) else given


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


def write_parquet(
    path: Path,
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    kinds: Mapping[str, type],
    typed: Callable[[str, type], object],
) -> int:
    """Write a Parquet file from a CSV's rows, atomically, and return its number of rows; an empty cell is a null.

    `typed` makes a cell a value of a kind; it is asked once for equal cells of a column.
    """

    def by_column(cells: Sequence[str], kind: type) -> list[object]:
        if kind is str:
            return [cell or None for cell in cells]
        values = {cell: typed(cell, kind) if cell else None for cell in set(cells)}
        return [values[cell] for cell in cells]

    def by_columns() -> Iterator[list[list[object]]]:
        kinds_of = [kinds.get(name, str) for name in columns]
        for batch in batches(rows, PARQUET_ROWS):
            yield [by_column(*pair) for pair in zip(zip(*batch, strict=True), kinds_of, strict=True)]

    with replacing(path) as file:
        return _print_columns(file, columns, by_columns(), kinds)


def _print_parquet(
    file: IO[bytes], columns: Sequence[str], rows: Iterable[Sequence[object]], kinds: Mapping[str, type]
) -> int:
    by_columns = (list(zip(*batch, strict=True)) for batch in batches(rows, PARQUET_ROWS))
    return _print_columns(file, columns, by_columns, kinds)


def _print_columns(
    file: IO[bytes],
    columns: Sequence[str],
    batches: Iterable[Sequence[Sequence[object]]],
    kinds: Mapping[str, type],
) -> int:
    """Write batches of rows, each as its columns' cells."""
    import pyarrow
    import pyarrow.parquet

    types = {int: pyarrow.int64(), float: pyarrow.float64()}
    names = told_apart(columns)
    schema = pyarrow.schema([(name, types.get(kinds.get(name, str), pyarrow.string())) for name in names])
    count = 0
    with pyarrow.parquet.ParquetWriter(file, schema) as writer:
        for batch in batches:
            cells = [pyarrow.array(cells, field.type) for field, cells in zip(schema, batch, strict=True)]
            writer.write_batch(pyarrow.record_batch(cells, schema=schema))
            count += len(cells[0])
    return count


def told_apart(columns: Sequence[str]) -> list[str]:
    """The names of columns; of several columns without a name, all but the first get one."""
    first = columns.index("") if "" in columns else None
    return [name or ("" if place == first else f"column_{place + 1}") for place, name in enumerate(columns)]


def batches(rows: Iterable[Row], size: int) -> Iterator[list[Row]]:
    """Some rows as lists of so many; the last may be shorter."""
    rows = iter(rows)
    while batch := list(itertools.islice(rows, size)):
        yield batch


def print_csv(file: IO[bytes], columns: Sequence[str], rows: Iterable[Sequence[object]]) -> int:
    """Write a table as UTF-8 CSV to an open file and return its number of rows; None becomes an empty cell."""
    file.write(_csv_text([columns]).encode())
    count = 0
    for batch in batches(rows, CSV_ROWS):
        text = _csv_text(batch)
        # Python 3.11 leaves a bare carriage return unquoted, which makes the row unreadable
        file.write((text if "\r" not in text else "".join(map(_csv_line, batch))).encode())
        count += len(batch)
    return count


def _csv_text(rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _csv_line(row: Sequence[object]) -> str:
    """A row's line; all of its cells are in quotes where one has a carriage return."""
    line = io.StringIO(newline="")
    returns = any(isinstance(cell, str) and "\r" in cell for cell in row)
    csv.writer(line, lineterminator="\n", quoting=csv.QUOTE_ALL if returns else csv.QUOTE_MINIMAL).writerow(row)
    return line.getvalue()
