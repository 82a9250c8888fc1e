"""Table files: a table as people have it (CSV of any kind, a spreadsheet, JSON records, Parquet), read as plain CSV.

Plain CSV (UTF-8, commas) is read as it lies there. Any other file is written as plain CSV to a temporary place first,
row by row, so that all that reads tables reads one format, and a run's own copy of its input is plain too.
"""

import codecs
import csv
import io
import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import fields, replace
from datetime import date, datetime, time, timedelta
from itertools import chain, islice, pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from grace.declared import bytes_of
from grace.errors import InputError
from grace.files import replacing
from grace.tables import DELIMITERS, WITH_COMMA, CsvTable, TableFormat, csv_problem, print_csv, ragged
from grace.text import printable

SAMPLE = 20
"""Rows below the header that show what separates the cells."""
HEAD = 1 << 16
"""Bytes that are looked at before a file is read."""
CERTAIN = 10
"""So many letters that are right in UTF-8 are not in another encoding."""
LONGEST_RECORD = 1 << 26
"""Characters of one JSON record at most; more than that is no record."""
ENCODINGS = (
    "cp1252", "mac_roman", "cp1250", "cp1251", "cp1253", "cp1254", "cp1255", "cp1256", "cp850", "koi8_r",
    "gb18030", "big5", "shift_jis", "euc_jp", "euc_kr", "tis_620",
)  # fmt: skip
"""What text that is not UTF-8 may be in: spreadsheets on Windows and old Macs, and older programs in Asia."""
SPREADSHEETS = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")
RECORDS = (".json", ".jsonl", ".ndjson")
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_POINT = re.compile(r"[+-]?\d+\.\d+", re.ASCII)
REPEATED = 3
"""So many cells of a row that are the name of their column make it a header."""
_IMPORT_ID = re.compile(r'\s*\{"ImportId"')
_FIRST_LINE_END = re.compile(rb'(?:[^"\r\n]|"[^"]*")*(\r\n?|\n)')
_DECLARED = re.compile(r"\ufeff?\"?sep=(.)\"?\r?\n?", re.IGNORECASE)
"""The line before the header by which a spreadsheet says what separates the cells."""


AUTO = TableFormat()


@contextmanager
def open_table(path: Path, given: TableFormat = AUTO) -> Iterator[CsvTable]:
    """Read a table for the length of the block; its `read_as` tells how, where the file is no plain CSV.

    Args:
        path: the file.
        given: what the user says of it; all else is seen from its first bytes, or for text from the first rows.

    Raises:
        InputError: the file is no table, or does not show how it is to be read; the message says which option does.
    """
    with ExitStack() as stack:
        rows, read_as = _recognised(path, given)
        if rows is None:
            table = stack.enter_context(_plain(path))
        else:
            plain = Path(stack.enter_context(TemporaryDirectory(prefix="grace-table-"))) / "table.csv"
            _write(path, rows, given.skip_rows, plain)
            table = stack.enter_context(CsvTable(plain, "utf-8", path))
        table.read_as, table.decimal = read_as, read_as.decimal
        _refuse_further_headers(table, given.skip_rows)
        yield table


Row = tuple[str, Sequence[object]]
"""Where a row stands in its file, as "line 3", and its cells."""


def _recognised(path: Path, given: TableFormat) -> tuple[Iterator[Row] | None, TableFormat]:
    """The rows of a file, header first, and how it is read; None for a plain CSV."""
    head = bytes_of(path, most=HEAD)
    suffix = path.suffix.lower()
    if head.startswith(b"PAR1") or suffix == ".parquet":
        _refuse_options(path, given, "decimal", "skip_rows")
        return _parquet_rows(path), given
    if head.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")) or suffix in SPREADSHEETS:
        _refuse_options(path, given, "decimal", "skip_rows", "sheet")
        return _sheet_rows(path, given)
    encoding = _encoding(path, head, given.encoding)
    if suffix in RECORDS:
        _refuse_options(path, given, "encoding", "decimal", "skip_rows")
        return _record_rows(path, encoding or "utf-8-sig", b"[" not in head.partition(b"{")[0]), replace(
            given, encoding=encoding
        )
    _refuse_options(path, given, "encoding", "delimiter", "decimal", "skip_rows")
    return _text_rows(path, head, replace(given, encoding=encoding))


def _refuse_options(path: Path, given: TableFormat, *fitting: str) -> None:
    """Raise InputError for an option that says nothing about this kind of file."""
    for name in (field.name for field in fields(given)):
        if getattr(given, name) and name not in fitting:
            raise InputError(f"--{name.replace('_', '-')}: says nothing about {path}; leave it out")


def _write(path: Path, rows: Iterator[Row], skip: int, plain: Path) -> None:
    """Write rows as plain CSV, the first as the header and without the `skip` rows below it."""
    first = next(rows, None)
    if first is None:
        raise InputError(f"{path}: is empty; it needs a header line and at least one row")
    header = first[1]

    def checked() -> Iterator[Sequence[object]]:
        for number, (place, cells) in enumerate(rows, 1):
            if len(cells) != len(header):
                raise ragged(path, number, place, cells, header)
            if number > skip:
                yield cells

    with replacing(plain) as file:
        print_csv(file, list(map(str, header)), checked())


def _refuse_further_headers(table: CsvTable, skipped: int) -> None:
    """Raise InputError where rows below the header are no trials: Qualtrics' import ids, or the header once more."""
    first = [table.cells(row) for row in range(min(3, len(table)))]
    ids = next((row for row, cells in enumerate(first, 1) if any(map(_IMPORT_ID.match, cells))), 0)
    pairs = zip(map(_letters, table.columns), map(_letters, first[0]), strict=True) if first else ()
    again = sum(name == cell != "" for name, cell in pairs) >= REPEATED
    if not (ids or again):
        return
    rows = skipped + (ids or 1)
    what = "Qualtrics' own (question texts and import ids)" if ids else "the header once more"
    which = f"first {rows} rows below the header are" if rows > 1 else "first row below the header is"
    raise InputError(f"{table.path}: the {which} {what}, no trials; add --skip-rows {rows} to leave that out")


def _letters(text: str) -> str:
    return "".join(text.split()).casefold()


# Text


def _encoding(path: Path, head: bytes, given: str | None) -> str | None:
    """The encoding of text; None for UTF-8. Raises InputError for bytes that are no text."""
    if given is not None:
        try:
            codec = codecs.lookup(given)
            "a".encode(codec.name).decode(codec.name)
        except (LookupError, TypeError, ValueError):
            raise InputError(
                f"--encoding {given}: is no encoding of text; for example {', '.join(ENCODINGS)}"
            ) from None
        if codec.name in ("utf-8", "utf-8-sig", "ascii"):
            return None
        if _is_utf_8(head):
            raise InputError(f"{path}: is not {given} text, but UTF-8; leave --encoding out")
        return given
    for mark, name in _MARKS:
        if head.startswith(mark):
            return name
    start = head[:200]  # of a header of plain letters, every other byte is 0
    even, odd = start[0::2].count(0), start[1::2].count(0)
    if max(even, odd) * 3 > len(start) and not min(even, odd):
        return "utf-16-le" if odd else "utf-16-be"
    return None


def _is_utf_8(head: bytes) -> bool:
    """Whether the first bytes of a file are text in UTF-8 beyond doubt, with more letters than can be by chance."""
    text = head.decode("utf-8", errors="replace")
    return "\ufffd" not in text[:-1] and sum(not letter.isascii() for letter in text) >= CERTAIN


def _plain(path: Path) -> CsvTable:
    try:
        return CsvTable(path, "utf-8")
    except UnicodeDecodeError:
        raise _undecodable(path, "utf-8") from None


def _text_rows(path: Path, head: bytes, given: TableFormat) -> tuple[Iterator[Row] | None, TableFormat]:
    """The rows of text with cells; None for a plain CSV."""
    if given.delimiter and (len(given.delimiter) != 1 or given.delimiter in '"\r\n'):
        raise InputError(f"--delimiter {given.delimiter!r}: is not one character that can stand between cells")
    if head.lstrip().startswith((b'{"', b"[{")):
        raise InputError(f"{path}: looks like JSON; give it a name that ends in .json, or .jsonl with a record a line")
    sample = head.decode(given.encoding or "utf-8-sig", errors="replace")
    declared = _DECLARED.match(sample)
    if declared:
        sample = sample[declared.end() :]
    rows = {mark: _sample_rows(sample, mark, len(head) < HEAD) for mark in (given.delimiter, *DELIMITERS) if mark}
    delimiter = given.delimiter or (declared[1] if declared else _delimiter(rows))
    decimal = given.decimal or (None if delimiter == "," else _decimal(rows.get(delimiter, ())))
    read_as = replace(given, delimiter=None if delimiter == "," else delimiter, decimal=decimal)
    end = _FIRST_LINE_END.match(head)
    old_mac = end is not None and end[1] == b"\r"
    if not (declared or old_mac or read_as.encoding or read_as.delimiter or read_as.skip_rows):
        return None, read_as
    return _lines(path, given.encoding or "utf-8-sig", delimiter, declared is not None), read_as


def _sample_rows(text: str, delimiter: str, whole: bool) -> list[list[str]]:
    """The header and the first rows of text, as far as they are whole; none where they are no cells at all."""
    try:
        rows = list(islice(filter(None, csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)), SAMPLE + 2))
    except csv.Error:
        return []
    return rows[: SAMPLE + 1] if whole or len(rows) > SAMPLE + 1 else rows[: max(1, len(rows) - 1)]


def _delimiter(rows: dict[str, list[list[str]]]) -> str:
    """What separates cells: commas where all rows have as many cells as the header, else another for which they do."""

    def width(mark: str) -> int:
        return len(rows[mark][0]) if rows[mark] else 0

    fitting = [mark for mark in DELIMITERS if width(mark) > 1 and len(set(map(len, rows[mark]))) == 1]
    if "," in fitting:
        return ","
    return max(fitting or DELIMITERS, key=width)


def _decimal(rows: Sequence[Sequence[str]]) -> str | None:
    """A comma where numbers of the first rows have one and none has a point; None where nothing is to be seen."""
    cells = [cell.strip() for row in rows[1:] for cell in row]
    return "," if any(map(WITH_COMMA.fullmatch, cells)) and not any(map(_POINT.fullmatch, cells)) else None


def _lines(path: Path, encoding: str, delimiter: str, declared: bool) -> Iterator[Row]:
    """The rows of text with cells, whatever its line ends."""
    with open(path, encoding=encoding, newline="") as file:
        lines = iter(file)
        try:
            first = next(lines, "").removeprefix("\ufeff")
            reader = csv.reader(lines if declared else chain([first], lines), delimiter=delimiter, strict=True)
            for cells in reader:
                if cells:
                    yield f"line {reader.line_num + declared}", cells
        except csv.Error as error:
            raise InputError(f"{path}, line {reader.line_num + declared}: {csv_problem(error)}") from None
        except UnicodeError:
            raise _undecodable(path, encoding) from None


def _undecodable(path: Path, encoding: str) -> InputError:
    """The error about bytes that are not in an encoding: what they would say in others."""
    strange: list[bytes] = []
    line = 0
    with open(path, "rb") as file:
        for number, content in enumerate(file, 1):
            try:
                content.decode("utf-8")
            except UnicodeDecodeError:
                line = line or number
                strange.append(content.strip())
                if len(strange) == SAMPLE:
                    break
    if not strange:
        return InputError(f"{path}: is not {encoding} text, but UTF-8; leave --encoding out")
    said = {name: text for name in ENCODINGS if (text := _said(strange, name)) is not None}
    likely = sorted(said, key=lambda name: _strangeness(said[name]))
    samples = "".join(f"\n  {name:<10} {printable(_excerpt(said[name]))}" for name in likely if name != encoding)
    what = "UTF-8" if encoding.startswith("utf-8") else encoding
    return InputError(
        f"{path}{f', line {line}' if line else ''}: is not {what} text. Save it as CSV UTF-8 "
        "(`grace data sample` can), or say its encoding with --encoding NAME"
        + (f"; in each of these it says something:{samples}" if samples else "")
    )


def _said(lines: Sequence[bytes], encoding: str) -> str | None:
    """What lines say in an encoding; None where they say nothing in it."""
    try:
        text = "\n".join(line.decode(encoding) for line in lines)
    except UnicodeError:
        return None
    is_writing = all(
        unicodedata.category(character) not in ("Cc", "Cn", "Co", "Cs") for character in set(text) - {*"\t\n\r"}
    )
    return text if is_writing else None


def _strangeness(text: str) -> tuple[float, int]:
    """How little a text is like writing: signs among its letters, and capitals behind small letters; then scripts."""
    foreign = [character for character in text if not character.isascii()]
    odd = sum(
        not character.isalpha() and character not in "“”‘’–—…«»„·•°€£§¡¿、。「」（）！？" for character in foreign
    )
    odd += sum(one.islower() and other.isupper() for one, other in pairwise(text))
    scripts = Counter(unicodedata.name(character, "?").split()[0] for character in foreign if character.isalpha())
    return odd / (len(foreign) or 1), len(scripts)


def _excerpt(text: str) -> str:
    """A few words around the first letter that is not plain."""
    place = next((place for place, character in enumerate(text) if not character.isascii()), 0)
    start = text.rfind("\n", 0, place) + 1
    line = text[max(start, place - 20) : place + 40].partition("\n")[0]
    return " ".join(line.split())


# Spreadsheets


def _sheet_rows(path: Path, given: TableFormat) -> tuple[Iterator[Row], TableFormat]:
    try:
        import python_calamine as calamine
    except ImportError:
        raise InputError(
            f"{path}: reading spreadsheets needs python-calamine: pip install 'grace-experiments[excel]', or save the "
            "sheet as CSV UTF-8"
        ) from None
    try:
        book = calamine.load_workbook(path)
        name = _sheet(path, book.sheets_metadata, given.sheet)
        sheet = book.get_sheet_by_name(name)
    except (calamine.CalamineError, OSError) as error:
        raise InputError(f"{path}: cannot be read as a spreadsheet: {printable(str(error))}") from None
    return _cells_of_sheet(path, name, sheet), replace(given, sheet=name)


def _sheet(path: Path, sheets: Sequence[Any], given: str | None) -> str:
    """The name of the sheet that is meant: the first one that is not hidden, if none is given."""
    names = [str(sheet.name) for sheet in sheets]
    if given is None:
        shown = [str(sheet.name) for sheet in sheets if str(sheet.visible).endswith("Visible")]
        return (shown or names)[0]
    if given in names:
        return given
    if given.isdecimal() and 0 < int(given) <= len(names):
        return names[int(given) - 1]
    raise InputError(f"{path}: has no sheet {given!r}; it has {', '.join(map(repr, names))}")


def _cells_of_sheet(path: Path, name: str, sheet: Any) -> Iterator[Row]:
    """The rows that are not empty; the header decides how many columns there are."""
    first = sheet.start[1] if sheet.start else 0
    width = 0
    for number, row in enumerate(sheet.iter_rows(), 1):
        cells = list(map(_text_of, row[first:]))
        if not any(cells):
            continue
        while len(cells) > width and not cells[-1]:
            cells.pop()
        width = width or len(cells)
        yield f"row {number} of the sheet", cells
    if not width:
        raise InputError(f"{path}: the sheet {name!r} is empty; --sheet chooses another one")


def _text_of(value: object) -> str:
    """A cell of a spreadsheet as it shows it: whole numbers without a point, days and times in ISO 8601."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat(" ")
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        minutes, seconds = divmod(round(value.total_seconds()), 60)
        return f"{minutes // 60:02}:{minutes % 60:02}:{seconds:02}"
    return "" if value is None else str(value)


# Records


def _record_rows(path: Path, encoding: str, alone: bool) -> Iterator[Row]:
    """The records of a JSON file, or of one with a record a line; the header has the fields of all of them."""
    columns: dict[str, None] = {}
    records = 0
    for record in _records(path, encoding):
        columns |= dict.fromkeys(record)
        records += 1
    if records == 1 and alone and any(isinstance(value, dict | list) for value in record.values()):
        raise InputError(
            f'{path}: is no list of records, as [{{"item": "a"}}, {{"item": "b"}}]; pandas writes one with '
            "to_json(orient='records')"
        )
    if not columns:
        raise InputError(f'{path}: holds no records; a table needs a list of them, as [{{"item": "a"}}]')
    yield "the fields", list(columns)
    for number, record in enumerate(_records(path, encoding), 1):
        yield f"record {number}", [_text_in(record.get(name)) for name in columns]


def _records(path: Path, encoding: str) -> Iterator[dict[str, Any]]:
    """The records one after the other; a file of any size is never held as a whole."""
    try:
        with open(path, encoding=encoding) as file:
            for number, record in enumerate(_values(path, file), 1):
                if not isinstance(record, dict):
                    raise InputError(f'{path}: value {number} is no record of names and values, as {{"item": "a"}}')
                yield record
    except UnicodeError:
        raise _undecodable(path, encoding) from None


def _values(path: Path, file: io.TextIOWrapper) -> Iterator[Any]:
    decoder = json.JSONDecoder(object_pairs_hook=_without_twins)
    text, place, number = "", 0, 1
    while True:
        place = _NEXT.match(text, place).end()  # type: ignore[union-attr]  # it matches nothing too
        try:
            if place == len(text):
                raise json.JSONDecodeError("", text, place)
            value, place = decoder.raw_decode(text, place)
            yield value
            number += 1
        except json.JSONDecodeError as error:
            more = file.read(HEAD)
            if (not more and place < len(text)) or len(text) - place > LONGEST_RECORD:
                raise InputError(f"{path}, record {number}: is not JSON: {error.msg}") from None
            if not more:
                return
            text, place = text[place:] + more, 0
        except (RecursionError, ValueError) as error:
            raise InputError(f"{path}, record {number}: {error}") from None


_NEXT = re.compile(r"[\s,\[\]]*")
"""What may stand between two records, and around all of them."""


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        twice = next(name for name, count in Counter(name for name, _ in pairs).items() if count > 1)
        raise ValueError(f"the field {twice!r} appears twice")
    return record


def _text_in(value: Any) -> str:
    """A value of a record as a cell; a list or record in it stays JSON."""
    if isinstance(value, str):
        return value
    if value is None or value != value:  # NaN
        return ""
    return json.dumps(value, ensure_ascii=False)


# Parquet


def _parquet_rows(path: Path) -> Iterator[Row]:
    try:
        import pyarrow.parquet
    except ImportError:
        raise InputError(
            f"{path}: reading Parquet needs pyarrow: pip install 'grace-experiments[parquet]', or give the CSV"
        ) from None
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            yield "the schema", file.schema_arrow.names
            number = 0
            for batch in file.iter_batches(1000):
                for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                    number += 1
                    yield f"row {number}", row
    except (OSError, pyarrow.ArrowException) as error:
        raise InputError(f"{path}: cannot be read as Parquet: {error}") from None
