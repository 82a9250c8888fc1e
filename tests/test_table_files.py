"""Table files: a table in any form that programs write is read as the same table, or refused with the way out."""

import codecs
import csv
import datetime
import io
import json
import sys
import tempfile
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grace.errors import InputError
from grace.table_files import AUTO, ENCODINGS, open_table
from grace.tables import TableFormat, is_ambiguous, number_text

HEADER = ["id", "rt", "note"]
ROWS = [["1", "1.5", "a, b; c|d"], ["2", "2.25", 'say "no"'], ["3", "10", "two\nlines"], ["4", "", "Zoë – 日本"]]


def text_of(delimiter: str = ",", end: str = "\n", rows: list[list[str]] = ROWS) -> str:
    """The table as a program writes it."""
    text = io.StringIO(newline="")
    quoting = csv.QUOTE_ALL if end == "\r" else csv.QUOTE_MINIMAL
    csv.writer(text, delimiter=delimiter, lineterminator=end, quoting=quoting).writerows([HEADER, *rows])
    return text.getvalue()


def read(path: Path, format: TableFormat = AUTO) -> list[list[str]]:
    """Header and rows of a file."""
    with open_table(path, format) as table:
        assert table.path == path
        return [list(table.columns), *table.all_cells()]


def written(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def refusal(path: Path, content: str | bytes, **format: object) -> str:
    written(path, content)
    with pytest.raises(InputError) as caught:
        read(path, TableFormat(**format))  # type: ignore[arg-type]
    return str(caught.value)


# Text


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_separators_line_ends_and_unicode_are_recognised(
    tmp_path: Path, delimiter: str, end: str, encoding: str
) -> None:
    path = written(tmp_path / "t.csv", text_of(delimiter, end).encode(encoding))
    assert read(path) == [HEADER, *ROWS]


@pytest.mark.parametrize("mark", [codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE])
def test_text_in_utf_16_with_a_mark_may_begin_with_any_letter(tmp_path: Path, mark: bytes) -> None:
    order = "utf-16-le" if mark == codecs.BOM_UTF16_LE else "utf-16-be"
    path = written(tmp_path / "t.csv", mark + '"問","答"\n"一","二"\n'.encode(order))
    assert read(path) == [["問", "答"], ["一", "二"]]


def test_a_line_that_declares_the_separator_is_no_header(tmp_path: Path) -> None:
    for mark in (";", ",", "\t"):
        path = written(tmp_path / "t.csv", f"sep={mark}\r\n" + text_of(mark, "\r\n"))
        assert read(path) == [HEADER, *ROWS]


@pytest.mark.parametrize(("content", "rows"), [
    ("text\nHello; you\nBye; you\n", [["text"], ["Hello; you"], ["Bye; you"]]),  # the header has no semicolon
    ("a,b\n1;2,3;4\n", [["a", "b"], ["1;2", "3;4"]]),
    ("a;b,c\n1;2,3\n", [["a;b", "c"], ["1;2", "3"]]),  # commas fit, so that they are meant
    ("a;b\n1,5;2\n", [["a", "b"], ["1,5", "2"]]),
    ("a;b;c\n1,5;2,5;x\n2,5;3,5;y\n", [["a", "b", "c"], ["1,5", "2,5", "x"], ["2,5", "3,5", "y"]]),
    ("a;b\n", [["a", "b"]]),
    ("name|x\nA|1\n", [["name", "x"], ["A", "1"]]),
    ("a|b\nplain\ntext\n", [["a|b"], ["plain"], ["text"]]),
])  # fmt: skip
def test_header_and_rows_decide(tmp_path: Path, content: str, rows: list[list[str]]) -> None:
    path = tmp_path / "t.csv"
    if "a|b" in content:
        assert "row 1 (line 2): has 1 cells, the header has 2" in refusal(path, content)
        assert read(path, TableFormat(delimiter=",")) == rows
    else:
        assert read(written(path, content)) == rows


def test_the_option_overrules(tmp_path: Path) -> None:
    path = written(tmp_path / "t.csv", "a,b;c,d\n1,2;3,4\n")
    assert read(path) == [["a", "b;c", "d"], ["1", "2;3", "4"]]
    assert read(path, TableFormat(delimiter=";")) == [["a,b", "c,d"], ["1,2", "3,4"]]


def test_a_plain_csv_is_read_where_it_lies(tmp_path: Path) -> None:
    path = written(tmp_path / "t.csv", text_of())
    with open_table(path) as table:
        assert (table.plain, table.read_as.as_json()) == (path, {})


def test_the_copy_of_any_other_file_is_the_same_plain_csv(tmp_path: Path) -> None:
    """So that a run goes on with the same table in another form."""
    contents = [text_of(";").encode(), text_of("\t").encode("utf-16"), text_of(",", "\r").encode()]
    digests = set()
    for number, content in enumerate(contents):
        with open_table(written(tmp_path / f"{number}.csv", content)) as table:
            assert table.plain != table.path
            digests.add(table.sha256)
    with open_table(written(tmp_path / "plain.csv", text_of())) as table:
        assert digests == {table.sha256}


def test_a_large_table_is_converted_row_by_row(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    with path.open("w") as file:
        file.write("a;b\n")
        file.writelines(f"{number};{'x' * 1000}\n" for number in range(20_000))
    before = peak()
    with open_table(path) as table:
        assert len(table) == 20_000
        assert table.cells(19_999)[0] == "19999"
    assert peak() - before < 10_000_000  # of 20 MB


def peak() -> int:
    """Bytes of memory that this process had at most."""
    resource = pytest.importorskip("resource")
    return int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) * (1 if sys.platform == "darwin" else 1024)


# Encodings


SAYINGS = {
    "cp1252": "“Zoë” – 50 €",
    "mac_roman": "Zoë’s café – “yes”",
    "cp1250": "Żółć i źdźbło",
    "cp1251": "Привет, как дела",
    "cp1253": "Καλημέρα",
    "cp1254": "Çığ düştü",
    "cp1255": "שלום",
    "cp1256": "مرحبا",
    "cp850": "Zoë café",
    "koi8_r": "Привет",
    "gb18030": "你好，世界",
    "big5": "你好嗎",
    "shift_jis": "これは質問です",
    "euc_jp": "これは質問です",
    "euc_kr": "안녕하세요",
    "tis_620": "สวัสดี",
}


def test_each_candidate_has_an_example() -> None:
    assert set(SAYINGS) == set(ENCODINGS)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("early", [True, False])
def test_bytes_that_are_not_utf_8_are_refused_with_what_they_may_say(
    tmp_path: Path, encoding: str, early: bool
) -> None:
    plain = "" if early else "5,plain\n" * 20_000
    content = f'id,note\n{plain}1,"{SAYINGS[encoding]}"\n'.encode(encoding)
    told = refusal(tmp_path / "t.csv", content)
    line = 2 if early else 20_002
    assert told.startswith(
        f"{tmp_path / 't.csv'}, line {line}: is not UTF-8 text. Save it as CSV UTF-8 (`grace data sample` can), or"
    )
    [candidate] = [line for line in told.splitlines() if line.startswith(f"  {encoding} ")]
    assert SAYINGS[encoding] in candidate
    assert read(tmp_path / "t.csv", TableFormat(encoding=encoding))[-1] == ["1", SAYINGS[encoding]]


@pytest.mark.parametrize("encoding", ["cp1252", "shift_jis", "utf-16", "latin-1"])
def test_utf_8_is_not_read_as_something_else(tmp_path: Path, encoding: str) -> None:
    content = "id,note\n" + "1,これは質問です。“Zoë”\n" * 2
    assert refusal(tmp_path / "t.csv", content, encoding=encoding).endswith("text, but UTF-8; leave --encoding out")
    assert read(written(tmp_path / "t.csv", "a\n联通\n".encode("gbk")), TableFormat(encoding="gbk")) == [
        ["a"],
        ["联通"],
    ]


def test_a_declared_encoding_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    told = refusal(tmp_path / "t.csv", 'id,note\n1,"これは質問です"\n'.encode("shift_jis"), encoding="ascii")
    assert "is not UTF-8 text" in told
    told = refusal(tmp_path / "t.csv", "id,note\n1,“a”\n".encode("cp1252"), encoding="euc_kr")
    assert "is not euc_kr text" in told
    assert "\n  cp1252 " in told


@pytest.mark.parametrize("name", ["klingon", "rot13", "hex", "base64", ""])
def test_what_is_no_encoding_of_text_is_refused(tmp_path: Path, name: str) -> None:
    if name:
        assert f"--encoding {name}: is no encoding of text" in refusal(tmp_path / "t.csv", "a\n1\n", encoding=name)


@pytest.mark.parametrize(
    "content", [b"\x1f\x8b\x08\0\0\0\0\0", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n\0\0", b"SQLite format 3\0"]
)
def test_files_of_another_kind_are_no_tables(tmp_path: Path, content: bytes) -> None:
    assert "is not " in refusal(tmp_path / "t.csv", content)


# Headers


QUALTRICS = [
    ["StartDate", "ResponseId", "Q1"],
    ["Start Date", "Response ID", "How likely is it that, in all, 3 are ripe?"],
    ['{"ImportId":"startDate","timeZone":"Z"}', '{"ImportId":"_recordId"}', '{"ImportId":"QID1_TEXT"}'],
    ["2026-01-01 10:00", "R_1", "4"],
]


@pytest.mark.parametrize(("delimiter", "encoding"), [(",", "utf-8"), (",", "utf-8-sig"), ("\t", "utf-16")])
def test_the_rows_that_qualtrics_puts_below_the_header_are_recognised(
    tmp_path: Path, delimiter: str, encoding: str
) -> None:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter).writerows(QUALTRICS)
    content = text.getvalue().encode(encoding)
    told = refusal(tmp_path / "t.csv", content)
    assert "the first 2 rows below the header are Qualtrics' own (question texts and import ids)" in told
    assert told.endswith("add --skip-rows 2 to leave that out")
    assert "add --skip-rows 2" in refusal(tmp_path / "t.csv", content, skip_rows=1)
    assert read(tmp_path / "t.csv", TableFormat(skip_rows=2)) == [QUALTRICS[0], QUALTRICS[3]]


def test_a_row_that_says_the_header_again_is_recognised(tmp_path: Path) -> None:
    """As exports with question texts have it that have no import ids."""
    content = "StartDate,ResponseId,Finished,Q1\nStart Date,Response ID,Finished,What?\n2026-01-01,R_1,1,4\n"
    told = refusal(tmp_path / "t.csv", content)
    assert told.endswith(
        "the first row below the header is the header once more, no trials; add --skip-rows 1 to leave that out"
    )
    assert read(tmp_path / "t.csv", TableFormat(skip_rows=1))[1:] == [["2026-01-01", "R_1", "1", "4"]]
    assert len(read(written(tmp_path / "t.csv", "item,state,x\nitem,state,y\n"))) == 2  # two cells may be chance


@pytest.mark.parametrize(("content", "message"), [
    ('[{"a": 1}]', "looks like JSON; give it a name that ends in .json"),
    ("a,b,a\n1,2,3\n", "the column 'a' appears twice in the header (as columns 1 and 3); give each a name of its own"),
    ("a;b;a\n1;2;3\n", "the column 'a' appears twice in the header (as columns 1 and 3)"),
    ("My data\na,b\n1,2\n", "row 1 (line 2): has 2 cells, the header has 1; does a title stand above the header"),
    ("a;b\n1;2\n3;4;5\n", "row 2 (line 3): has 3 cells, the header has 2"),
    ("a,b\n1,2\n3,4,,\n", "row 2 (line 3): has 4 cells, the header has 2; those beyond the header are empty"),
    ("a;b\n1;\"2\n", "is a quote opened and not closed?"),
    ("a,b\n1,2\r3,4\n", "line ends differ in the file"),
    ("", "is empty; it needs a header line and at least one row"),
    ("\ufeff".encode("utf-16"), "is empty; it needs a header line and at least one row"),
])  # fmt: skip
def test_refusals_name_the_place_and_the_way_out(tmp_path: Path, content: str | bytes, message: str) -> None:
    assert message in refusal(tmp_path / "t.csv", content)


def test_empty_columns_at_the_end_are_kept(tmp_path: Path) -> None:
    assert read(written(tmp_path / "t.csv", "a,b,,\n1,2,,\n")) == [["a", "b", "", ""], ["1", "2", "", ""]]


# Spreadsheets


def spreadsheet(path: Path, **sheets: list[list[object]]) -> Path:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


def test_a_spreadsheet_is_read_as_it_shows_its_cells(tmp_path: Path) -> None:
    day = datetime.datetime(2026, 3, 1)
    path = spreadsheet(tmp_path / "t.xlsx", Trials=[
        [], ["id", "n", "day", "then", "at", "yes", "text", "none", None],
        [1, 0.1, day.date(), day.replace(hour=14), datetime.time(9, 5), True, "007", None, None],
        [], [2.0, 1e-7, day, datetime.timedelta(hours=26), None, False, "two\nlines, é", None, None],
    ])  # fmt: skip
    assert read(path) == [
        ["id", "n", "day", "then", "at", "yes", "text", "none"],
        ["1", "0.1", "2026-03-01", "2026-03-01 14:00:00", "09:05:00", "TRUE", "007", ""],
        ["2", "1e-07", "2026-03-01", "26:00:00", "", "FALSE", "two\nlines, é", ""],
    ]


def test_the_first_sheet_is_read_or_the_one_that_is_named(tmp_path: Path) -> None:
    path = spreadsheet(tmp_path / "t.xlsx", One=[["a"], [1]], Two=[["b"], [2]], Empty=[])
    assert read(path) == [["a"], ["1"]]
    assert read(path, TableFormat(sheet="Two")) == read(path, TableFormat(sheet="2")) == [["b"], ["2"]]
    with pytest.raises(InputError, match="has no sheet 'Three'; it has 'One', 'Two', 'Empty'"):
        read(path, TableFormat(sheet="Three"))
    with pytest.raises(InputError, match="the sheet 'Empty' is empty; --sheet chooses another one"):
        read(path, TableFormat(sheet="Empty"))
    with open_table(path) as table:
        assert table.read_as.in_words() == "from the sheet 'One'"


def test_spreadsheets_have_the_same_refusals(tmp_path: Path) -> None:
    cases = {
        "the column 'a' appears twice": [["a", "b", "a"], [1, 2, 3]],
        "row 1 (row 2 of the sheet): has 2 cells, the header has 1; does a title stand": [
            ["My data"],
            ["a", "b"],
            [1, 2],
        ],
        "add --skip-rows 2": [["a"], ["What?"], ['{"ImportId":"QID1"}'], [4]],
    }
    for message, rows in cases.items():
        with pytest.raises(InputError) as caught:
            read(spreadsheet(tmp_path / "t.xlsx", Data=rows))
        assert message in str(caught.value)


def test_without_the_package_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "python_calamine", None)
    told = refusal(tmp_path / "t.xlsx", b"PK\x03\x04")
    assert "pip install 'grace-experiments[excel]', or save the sheet as CSV UTF-8" in told


def test_a_damaged_spreadsheet(tmp_path: Path) -> None:
    pytest.importorskip("python_calamine")
    assert "cannot be read as a spreadsheet" in refusal(tmp_path / "t.xlsx", b"PK\x03\x04junk")
    assert "--encoding: says nothing about" in refusal(tmp_path / "t.xlsx", b"PK\x03\x04", encoding="cp1252")


# Records


@pytest.mark.parametrize("name", ["t.jsonl", "t.ndjson", "t.json"])
def test_records_are_rows(tmp_path: Path, name: str) -> None:
    records: list[dict[str, object]] = [
        {"a": 1, "b": "x,\n\"y\""}, {"a": 1.0, "c": None}, {"b": True, "d": {"Q0": [1, 2.5]}}, {"a": float("nan")},
        {"a": 12345678901234567890, "b": "日本", "": "no name"},
    ]  # fmt: skip
    text = json.dumps(records) if name == "t.json" else "\n\n".join(map(json.dumps, records))
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        assert read(written(tmp_path / name, text.encode(encoding))) == [
            ["a", "b", "c", "d", ""],
            ["1", 'x,\n"y"', "", "", ""],
            ["1.0", "", "", "", ""],
            ["", "true", "", '{"Q0": [1, 2.5]}', ""],
            ["", "", "", "", ""],
            ["12345678901234567890", "日本", "", "", "no name"],
        ]


@given(st.lists(st.dictionaries(st.sampled_from("abc"), st.text(max_size=200), min_size=1), min_size=1, max_size=50))
def test_records_of_any_text_are_read(records: list[dict[str, str]]) -> None:
    with tempfile.TemporaryDirectory() as folder, mock.patch("grace.table_files.HEAD", 64):  # many pieces
        path = written(
            Path(folder, "t.json"), json.dumps(records, indent=1, ensure_ascii=False).encode("utf-8", "replace")
        )
        expected = json.loads(path.read_bytes())
        columns, *rows = read(path)
        assert [dict(zip(columns, row, strict=True)) for row in rows] == [
            {name: record.get(name, "") for name in columns} for record in expected
        ]


@pytest.mark.parametrize(("name", "content", "message"), [
    ("t.json", "[]", "holds no records"),
    ("t.jsonl", "", "holds no records"),
    ("t.json", '{"a": {"0": 1}, "b": {"0": 2}}', "is no list of records"),
    ("t.json", '{"columns": ["a"], "data": [[1]]}', "to_json(orient='records')"),
    ("t.json", "[[1, 2]]", "is no record of names and values"),
    ("t.json", '[{"a": 1}, 2]', "value 2 is no record"),
    ("t.json", '[{"a": 1}, {"a": }]', "record 2: is not JSON"),
    ("t.jsonl", '{"a": 1}\n{"a": 2', "record 2: is not JSON"),
    ("t.json", '[{"a": 1, "a": 2}]', "record 1: the field 'a' appears twice"),
    ("t.jsonl", b'{"a": "caf\xe9"}', "is not UTF-8 text"),
])  # fmt: skip
def test_what_is_no_list_of_records_is_refused(tmp_path: Path, name: str, content: str, message: str) -> None:
    assert message in refusal(tmp_path / name, content)


def test_parquet_is_read_like_the_csv(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(pyarrow.table({"id": [1, 2], "text": ["a", None]}), tmp_path / "t.parquet")
    assert read(tmp_path / "t.parquet") == [["id", "text"], ["1", "a"], ["2", ""]]
    (tmp_path / "t.parquet").rename(tmp_path / "t.csv")
    assert read(tmp_path / "t.csv")[0] == ["id", "text"]


# Numbers


@pytest.mark.parametrize(("cell", "decimal", "number"), [
    ("1.5", None, "1.5"), ("1,5", None, "1.5"), (" 1,5 ", None, "1.5"), ("-0,25", None, "-0.25"), (",5", None, ".5"),
    ("1,5e-3", None, "1.5e-3"), ("0,125", None, "0.125"), ("1234,567", None, "1234.567"), ("1.234,5", None, "1234.5"),
    ("1,234", None, "1,234"), ("12,345", None, "12,345"), ("1,234", ",", "1.234"), ("1,234", ".", "1234"),
    ("1,5", ".", "1,5"), ("1.234", ",", "1.234"), ("1,234.5", ".", "1234.5"), ("1,2,3", None, "1,2,3"),
    ("a,b", ",", "a,b"), ("", None, ""), ("NA", ",", "NA"),
])  # fmt: skip
def test_decimal_commas(cell: str, decimal: str | None, number: str) -> None:
    assert number_text(cell, decimal=decimal) == number


@pytest.mark.parametrize(("cell", "decimal", "number"), [
    ("1.0", None, "1"), ("-2.0", None, "-2"), ("10.00", None, "10"), ("1,0", None, "1"), ("1.5", None, "1.5"),
    ("007", None, "007"), ("1.000", None, "1.000"), ("1.000", ".", "1"), ("1000.000", None, "1000"),
    ("0.000", None, "0"), ("1e3", None, "1e3"),
])  # fmt: skip
def test_integers_that_come_as_floats(cell: str, decimal: str | None, number: str) -> None:
    assert number_text(cell, True, decimal) == number


@pytest.mark.parametrize(("cell", "decimal", "ambiguous"), [
    ("1,234", None, True), ("1,234", ",", False), ("1,234", ".", False), ("1.234", ",", True), ("1.234", None, False),
    ("0,234", None, False), ("1,23", None, False), ("1,2345", None, False),
])  # fmt: skip
def test_what_may_be_two_numbers(cell: str, decimal: str | None, ambiguous: bool) -> None:
    assert is_ambiguous(cell, decimal) is ambiguous
