"""CSV tables: whatever spreadsheets and R write is read as it stands, or refused with the place that is wrong."""

import csv
import io
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import ROOT, Command, read_rows
from grace.errors import InputError
from grace.files import replacing
from grace.tables import CsvTable, guarded, spreadsheet_safe, write_beside, write_table
from strategies import awkward_cells, table_rows

SHARED = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "table.csv"


def read(path: Path, content: bytes) -> list[list[str]]:
    """Header and rows of a file with this content."""
    path.write_bytes(content)
    with CsvTable(path) as table:
        return [list(table.columns), *(table.cells(row) for row in range(len(table)))]


def refusal(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        CsvTable(path)
    assert str(caught.value).startswith(str(path))
    return str(caught.value).removeprefix(str(path))


@pytest.mark.parametrize("content", [
    b"a,b\n1,2\n3,4\n",
    b"a,b\r\n1,2\r\n3,4\r\n",
    b"a,b\n1,2\r\n3,4",
    b"\xef\xbb\xbfa,b\n1,2\n3,4\n",
    b"\xef\xbb\xbf\"a\",\"b\"\r\n\"1\",\"2\"\r\n\"3\",\"4\"",
    b"\n\na,b\n\n1,2\n\r\n\n3,4\n\n\n",
])  # fmt: skip
def test_line_ends_byte_order_marks_and_blank_lines_do_not_matter(path: Path, content: bytes) -> None:
    assert read(path, content) == [["a", "b"], ["1", "2"], ["3", "4"]]


def test_cells_stay_as_they_were(path: Path) -> None:
    cells = [" padded ", "NA", "", "007", "1,5", 'say ""no""', "two\nlines", "line\r\nend", "<br>", "Zoë"]
    content = (
        'c0,c1,c2,c3,c4,c5,c6,c7,c8,c9\n padded ,NA,,007,"1,5","say """"no""""","two\nlines","line\r\nend",<br>,Zoë\n'
    )
    assert read(path, content.encode())[1] == cells


@pytest.mark.parametrize("character", ["\u2028", "\u2029", "\x0b", "\x0c", "\x1c", "\x85", "\xa0", "\u3000", "😀"])
def test_what_python_takes_for_a_line_end_is_text(path: Path, character: str) -> None:
    text = f"before{character}after"
    assert read(path, f"a,b\n{text},1\n2,{text}\n".encode()) == [["a", "b"], [text, "1"], ["2", text]]


@pytest.mark.parametrize("text", ["Zoë Müller", "“quoted” – dashed…", "50 €"])
def test_windows_text_is_read_and_named(path: Path, text: str) -> None:
    assert read(path, f"a,b\n1,2\n{text},3\n".encode("cp1252"))[2] == [text, "3"]
    with CsvTable(path) as table:
        assert table.encoding == "cp1252"


def test_the_encoding_may_show_only_far_below(path: Path) -> None:
    content = b"a,b\n" + b"plain,text\n" * 10_000 + b"caf\xe9,1\n"
    assert read(path, content)[-1] == ["café", "1"]


def test_header_only_is_no_rows(path: Path) -> None:
    assert read(path, b"a,b\n") == [["a", "b"]]
    assert read(path, b"a,b") == [["a", "b"]]


def test_one_column(path: Path) -> None:
    assert read(path, b'a\n1\n""\n\n2\n') == [["a"], ["1"], [""], ["2"]]


def test_row_names_of_r_have_no_name(path: Path) -> None:
    path.write_bytes(b'"","a"\n"1","x"\n')
    with CsvTable(path) as table:
        assert table.row(0) == {"": "1", "a": "x"}


@pytest.mark.parametrize(("content", "message"), [
    (b"", "is empty"),
    (b"\n \r\n", "is empty"),
    (b"\xef\xbb\xbf\n", "is empty"),
    (b"a,b,a\n1,2,3\n", "the column 'a' appears twice"),
    (b"a,b\n1,2\n3,4,5\n", "row 2 (line 3): has 3 cells, the header has 2"),
    (b'a,b\n"1\n1",2\n\n3\n', "row 2 (line 5): has 1 cells, the header has 2"),
    (b"a;b\n1;2\n", "separated by semicolons"),
    (b"a\tb\n1\t2\n", "separated by tabs"),
    (b'a,b\n1,"2\n3,4\n', "is a quote opened and not closed?"),
    (b'a,b\n"1"x,2\n', "line 2"),
    (b"a,b\r1,2\r", "line ends of old Macs"),
    ("a,b\n1,é\n".encode("utf-16"), "is not plain text"),
    ("a,b\n1,é\n".encode("utf-16-le"), "is not plain text"),
    (b"PK\x03\x04\x14\x00\x06\x00", "is not plain text"),
    (b"a,b\n1,\x81\xff\n", "is neither UTF-8 nor"),
])  # fmt: skip
def test_refusals_say_what_and_where(path: Path, content: bytes, message: str) -> None:
    assert message in refusal(path, content)


def test_files_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        CsvTable(tmp_path / "none.csv")
    with pytest.raises(InputError, match="directory"):
        CsvTable(tmp_path)


@given(table_rows, st.sampled_from(["\n", "\r\n"]), st.sampled_from(["", "\ufeff"]), st.booleans())
def test_reads_what_csv_writes(rows: list[list[str]], end: str, mark: str, closed: bool) -> None:
    """Every row, in any order, is what was written; the standard library's writer is the judge."""
    header = [f"c{place}" for place in range(len(rows[0]) if rows else 1)]
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator=end, quoting=csv.QUOTE_ALL).writerows([header, *rows])
    content = mark + (text.getvalue() if closed else text.getvalue().removesuffix(end))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "t.csv")
        path.write_bytes(content.encode())
        with CsvTable(path) as table:
            assert [list(row.values()) for row in table.rows()] == rows
            assert [table.cells(row) for row in reversed(range(len(table)))] == rows[::-1]
            assert list(table.columns) == header


@given(table_rows)
def test_reads_what_it_writes(rows: list[list[str]]) -> None:
    header = [f"c{place}" for place in range(len(rows[0]) if rows else 1)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "t.csv")
        assert write_table(path, header, iter(rows)) == len(rows)
        with CsvTable(path) as table:
            assert [table.cells(row) for row in range(len(table))] == rows
            assert table.encoding == "utf-8"
        with open(path, encoding="utf-8", newline="") as file:
            assert list(csv.reader(file))[1:] == rows  # and so does everybody else


def test_rows_are_found_where_they_start(path: Path) -> None:
    content = 'a,b\n\n1,"é\n\né"\n\n2,x\n'.encode()
    path.write_bytes(content)
    with CsvTable(path) as table:
        assert sum(map(table.row_bytes, range(len(table)))) == len(content) - len(b"a,b\n\n")
        assert table.cells(1) == ["2", "x"]
        assert table.cells(0) == ["1", "é\n\né"]


@pytest.mark.skipif(not SHARED.exists(), reason="needs the researcher's files")
@pytest.mark.parametrize("name", ["study1.csv", "study2.csv", "gold_dev_study1.csv", "gold_dev_study2.csv"])
def test_a_researchers_files_read_as_the_standard_library_reads_them(name: str) -> None:
    with CsvTable(SHARED / name) as table, open(SHARED / name, encoding="utf-8", newline="") as file:
        assert list(table.rows()) == list(csv.DictReader(file))


def test_written_files_are_plain(path: Path) -> None:
    assert write_table(path, ("a", "b"), iter([(1, None), ("x,y", 0.5)])) == 2
    assert path.read_bytes() == b'a,b\n1,\n"x,y",0.5\n'


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(path: Path) -> None:
    path.write_text("old")

    def failing() -> Iterator[list[str]]:
        yield ["x" * 100_000]
        raise RuntimeError("the source broke")

    with pytest.raises(RuntimeError, match="the source broke"):
        write_table(path, ["a"], failing())
    assert path.read_text() == "old"
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_reader_sees_the_old_file_until_the_new_one_is_whole(path: Path) -> None:
    path.write_text("old")
    with replacing(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_text() == "old"
    assert path.read_text() == "new"


def test_folders_are_made_and_impossible_ones_named(tmp_path: Path) -> None:
    write_table(tmp_path / "new" / "folder" / "t.csv", ["a"], iter([]))
    assert (tmp_path / "new" / "folder" / "t.csv").read_text() == "a\n"
    with pytest.raises(InputError, match="is a folder"):
        write_table(tmp_path / "new", ["a"], iter([]))
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"):
        write_table(tmp_path / "file" / "t.csv", ["a"], iter([]))


# For spreadsheets


@pytest.mark.parametrize(
    "cell", ["=1+1", "+1 and more", "-x", "@SUM(A1)", "\t=1", "\r=1", "'=1", "''-x", "-", "+49 30 1", "  =1"]
)
def test_a_cell_that_a_spreadsheet_runs_gets_an_apostrophe(cell: str) -> None:
    assert guarded(cell) == "'" + cell


@pytest.mark.parametrize("cell", ["-2", "+1.5", "-.5e-07", "-3%", "1=1", "", "'tis", "a@b", None, -7, -0.5, "a\t=1"])
def test_other_cells_stay(cell: object) -> None:
    assert guarded(cell) == cell


@given(st.text(alphabet="'=+-@\t\r\n 1a", max_size=6))
def test_there_is_a_way_back(cell: str) -> None:
    assert re.sub(r"^'('*[ \n]*[=+@\t\r-])", r"\1", str(guarded(cell))) == cell


def test_only_csv_files_of_the_block_are_for_spreadsheets(tmp_path: Path) -> None:
    rows = [["=1", -2, None, "-2"]]
    with spreadsheet_safe():
        write_table(tmp_path / "safe.csv", ["=a", "b", "c", "d"], rows)
        write_table(tmp_path / "a.parquet", ["=a", "b", "c", "d"], rows, {"b": int})
    write_table(tmp_path / "plain.csv", ["=a", "b", "c", "d"], rows)
    assert (tmp_path / "safe.csv").read_text() == "'=a,b,c,d\n'=1,-2,,-2\n"
    assert (tmp_path / "plain.csv").read_text() == "=a,b,c,d\n=1,-2,,-2\n"
    parquet = pytest.importorskip("pyarrow.parquet")
    assert parquet.read_table(tmp_path / "a.parquet").to_pylist() == [{"=a": "=1", "b": -2, "c": None, "d": "-2"}]


def test_commands_write_tables_for_spreadsheets(tmp_path: Path, grace: Command) -> None:
    """The answers of a run, each after an equals sign."""
    run = shutil.copytree(ROOT / "tests" / "fixtures" / "runs-0.1.0" / "outputs" / "turns.run", tmp_path / "turns.run")
    ledger = run / "ledger.jsonl"
    ledger.write_text(ledger.read_text().replace('"text":"', '"text":"=1+'))
    assert grace("export", run, "--output", tmp_path / "plain.csv").code == 0
    assert grace("export", run, "--output", tmp_path / "safe.csv", "--spreadsheet-safe").code == 0
    assert grace("merge", run, "--out", tmp_path / "merged", "--spreadsheet-safe").code == 0
    plain_rows, safe_rows = (read_rows(tmp_path / name) for name in ("plain.csv", "safe.csv"))
    assert [{name: guarded(cell) for name, cell in row.items()} for row in plain_rows] == safe_rows != plain_rows
    merged = (tmp_path / "merged" / "study1.csv").read_text()
    assert "'=1+" in merged
    assert ",=1+" not in merged
    done = grace("export", run, "--spreadsheet-safe")
    assert (done.code, "name an --output" in done.err) == (2, True)


def held_against_cells(path: Path, content: bytes, added: list[list[object]]) -> int:
    """Write a table with cells added, by its rows as they stand and by their cells; how many rows stood as they are."""
    path.write_bytes(content)
    by_text, by_cells = path.with_name("text.csv"), path.with_name("cells.csv")
    with CsvTable(path) as table:
        columns = [*table.columns, "added", "more"]
        rows = list(zip(table.all_given(), added, strict=False))
        write_beside(by_text, columns, rows, {})
        whole = [[*cells, *more] for cells, more in zip(table.all_cells(), added, strict=False)]
        write_table(by_cells, columns, whole)
        assert by_text.read_bytes() == by_cells.read_bytes()
        with spreadsheet_safe():
            write_beside(by_text, columns, rows, {})
            write_table(by_cells, columns, whole)
        assert by_text.read_bytes() == by_cells.read_bytes()
        return sum(isinstance(row, str) for row, _ in rows)


@given(table_rows, st.lists(st.lists(awkward_cells | st.none() | st.integers(), min_size=2, max_size=2)))
def test_rows_are_written_as_they_stand_where_their_cells_would_be(
    rows: list[list[str]], added: list[list[object]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        width = len(rows[0]) if rows else 1
        path = Path(folder) / "table.csv"
        write_table(path, [f"c{place}" for place in range(width)], rows)
        held_against_cells(path, path.read_bytes(), added)


@pytest.mark.parametrize(("content", "as_they_stand"), [
    (b'a,b\n1,2\n"3,5",4\n', 2),
    (b'a,b\n"say ""no""",\n"two\nlines",x\n', 2),
    (b'a,b\n"1",2\n', 0),
    (b'a,b\n1,""\n', 0),
    (b'a,b\n1"2,3\n', 0),
    (b"a,b\r\n1,2\r\n", 0),
    (b'a,b\n1,"x\r,"\n', 0),
    (b"a,b\n1,2", 0),
    (b"a,b\n1,2\n\n3,4\n", 0),
    (b"a,b\n\n1,2\n", 1),
    (b"a\n1\n", 0),
    ("a,b\nZo\u00eb,1\n".encode("cp1252"), 0),
    ("a,b\nZo\u00eb,1\n".encode(), 1),
    (b"\xef\xbb\xbfa,b\n1,2\n", 1),
])  # fmt: skip
def test_rows_of_another_spelling_are_written_anew(path: Path, content: bytes, as_they_stand: int) -> None:
    added: list[list[object]] = [["x\ry", None], [1, ',"'], ["", "z"]]
    assert held_against_cells(path, content, added) == as_they_stand
