"""Parquet: the same table as the CSV, cell for cell, with numbers as numbers; replaced whole or not at all."""

import csv
import importlib.util
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from canned import CannedServer, completion, error
from conftest import ROOT, Command, Result
from grace.errors import InputError, LedgerCorrupt
from grace.ledger import LedgerReader
from grace.tables import write_table
from table_model import TableServer, printable_model

pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")

pytestmark = pytest.mark.usefixtures("impatient")

MODEL = printable_model("é", "’", "yes", "no", "zero", "none", "one", "two", "three", seed=5, spread=2.0)
STUDY = """\
name: skies
title: Skies
columns: {thing: {}, colour: {}}
protocols:
  single: {turns: {response: "Is {{ thing }} {{ colour }}?"}}
  double: {turns: {first: "Is {{ thing }} {{ colour }}?", second: "Why?"}}
questions:
  right:
    prompt: Is {{ thing }} {{ colour }}?
    answers: {labels: {yes: yes, no: no}}
  size:
    prompt: How big is {{ thing }}?
    answers: {labels: {1: "1", 2: "2"}, numeric: true}
"""
TRIALS = """\
"",thing,colour,number,a note
1,the sky,blue,007,"two
lines"
2,a plum,red,,"a ""quoted"", cell"
3,the sky,grey,NA,日 café
4,the sky,blue,1e3,"a bare \r return"
"""
SCORES = ("prob_", "entropy_", "mean_", "std_", "label_mass_", "residual_")
"""How the columns of numbers begin in Experiment 2."""
COUNTS = {"processing_time_ms", "prompt_tokens", "completion_tokens", "replication", "seed"}
"""The columns of numbers in Experiment 1."""


def kind_of(column: str, columns: list[str]) -> str:
    """The type that a column should have in Parquet; the input's own columns are text, whatever they hold."""
    if column not in columns[columns.index("model_name") :]:
        return "string"
    if column in COUNTS:
        return "int64"
    return "double" if column.startswith(SCORES) else "string"


def is_the_same(made: Path, table: Path) -> None:
    """Compare Parquet with CSV, cell for cell: CSV has all digits of a number, and an empty cell for a null."""
    with open(table, newline="", encoding="utf-8") as file:
        columns, *rows = csv.reader(file, strict=True)
    whole = parquet.read_table(made)
    assert whole.column_names == columns
    assert len(whole) == len(rows)
    kinds = [str(kind) for kind in whole.schema.types]
    assert kinds == [kind_of(column, columns) for column in columns]
    for place, (column, kind) in enumerate(zip(columns, kinds, strict=True)):
        own = column not in columns[columns.index("model_name") :]
        for cell, row in zip(whole.column(place).to_pylist(), rows, strict=True):
            if kind == "string":
                assert (cell or "") == row[place], column
                assert cell is not None or not own, column  # what the input says is kept, empty text too
            elif row[place] == "":
                assert cell is None, column
            else:
                assert cell == {"double": float, "int64": int}[kind](row[place]), column


@pytest.fixture
def table() -> Iterator[TableServer]:
    with TableServer(MODEL) as server:
        yield server


@pytest.fixture
def study(tmp_path: Path) -> Path:
    path = tmp_path / "skies.yaml"
    path.write_text(STUDY)
    return path


@pytest.fixture
def skies(tmp_path: Path) -> Path:
    path = tmp_path / "skies.csv"
    path.write_bytes(TRIALS.encode())
    return path


@pytest.fixture
def score(grace: Command, table: TableServer, study: Path, skies: Path) -> Command:
    """`grace score` of the study of skies, to an output that the test names."""

    def run(output: Path, *options: object) -> Result:
        endpoint = ("--model-endpoint", table.url, "--model-name", "table")
        return grace("score", study, "--input", skies, "--output", output, *endpoint, *options)

    return run


@pytest.fixture
def ask(grace: Command, canned: CannedServer, study: Path, skies: Path) -> Command:
    """`grace query` of the same study."""

    def run(output: Path, *options: object) -> Result:
        endpoint = ("--model-endpoint", canned.url, "--model-name", "canned")
        return grace("query", study, "--input", skies, "--output", output, *endpoint, *options)

    return run


def test_scores_are_numbers_and_equal_those_of_the_csv(score: Command, tmp_path: Path) -> None:
    assert score(tmp_path / "a.parquet").code == 0
    assert score(tmp_path / "a.csv").code == 0
    is_the_same(tmp_path / "a.parquet", tmp_path / "a.csv")
    whole = parquet.read_table(tmp_path / "a.parquet")
    assert whole.column("number").to_pylist() == ["007", "", "NA", "1e3"]
    assert whole.column("a note").to_pylist() == ["two\nlines", 'a "quoted", cell', "日 café", "a bare \r return"]
    assert whole.column("error").to_pylist() == [None] * 4


@pytest.mark.parametrize("study", ["study1", "study2"])
def test_the_built_in_studies_have_such_tables(
    study: str, grace: Command, table: TableServer, canned: CannedServer, tmp_path: Path
) -> None:
    input = ("--input", ROOT / "data" / f"test_sample_{study}.csv", "--limit", 3)
    ways = {
        "score": ("--model-endpoint", table.url, "--model-name", "table"),
        "query": ("--model-endpoint", canned.url, "--model-name", "canned"),
    }
    for command, endpoint in ways.items():
        for ending in ("csv", "parquet"):
            assert grace(command, study, *input, "--output", tmp_path / f"{command}.{ending}", *endpoint).code == 0
        if command == "score":  # the names of study 1's columns are the study's own
            made = parquet.read_table(tmp_path / "score.parquet")
            new = made.column_names[made.column_names.index("model_name") + 1 : -1]
            assert {str(made.schema.field(name).type) for name in new} == {"double"}
            with open(tmp_path / "score.csv", newline="", encoding="utf-8") as file:
                rows = list(csv.DictReader(file))
            for name in new:
                assert made.column(name).to_pylist() == [float(row[name]) for row in rows]
        else:
            is_the_same(tmp_path / "query.parquet", tmp_path / "query.csv")


def test_a_question_that_failed_has_nulls_and_its_reason(score: Command, table: TableServer, tmp_path: Path) -> None:
    def fail(path: str, _: int, body: dict[str, Any]) -> web.StreamResponse | None:
        plum = path == "/v1/completions" and "How big is a plum" in MODEL.text(body["prompt"][0])
        return error(400, "too long") if plum else None

    table.fail = lambda path, number, body: None if isinstance(body.get("prompt"), str) else fail(path, number, body)
    assert score(tmp_path / "a.parquet").code == 1
    assert score(tmp_path / "a.csv").code == 1
    is_the_same(tmp_path / "a.parquet", tmp_path / "a.csv")
    whole = parquet.read_table(tmp_path / "a.parquet")
    assert whole.column("error").to_pylist() == [None, "size: too long", None, None]
    assert [cell is None for cell in whole.column("mean_size").to_pylist()] == [False, True, False, False]


@pytest.mark.parametrize("protocol", ["single", "double"])
def test_answers_are_text_and_their_counts_are_numbers(protocol: str, ask: Command, tmp_path: Path) -> None:
    options = ("--protocol", protocol, "--replications", 2)
    assert ask(tmp_path / "a.parquet", *options).code == 0
    assert ask(tmp_path / "a.csv", *options).code == 0
    is_the_same(tmp_path / "a.parquet", tmp_path / "a.csv")
    whole = parquet.read_table(tmp_path / "a.parquet")
    assert whole.column("replication").to_pylist() == [1, 2] * 4
    assert all(text.startswith("Initial Answer") for text in whole.column("model_response").to_pylist())


def test_answers_that_failed_have_nulls(ask: Command, canned: CannedServer, tmp_path: Path) -> None:
    async def handler(_: int, body: dict[str, Any]) -> web.StreamResponse | None:
        said = json.dumps(body["messages"])
        if "plum" in said:
            return error(400, "too long")
        return web.json_response(completion("", reasoning="Hm.") if "grey" in said else completion("A \x00 and “é”"))

    canned.handler = handler
    assert ask(tmp_path / "a.parquet").code == 1
    assert ask(tmp_path / "a.csv").code == 1
    is_the_same(tmp_path / "a.parquet", tmp_path / "a.csv")
    whole = parquet.read_table(tmp_path / "a.parquet")
    assert whole.column("error").to_pylist() == [None, "too long", "empty answer: all of it was reasoning", None]
    assert [cell is None for cell in whole.column("prompt_tokens").to_pylist()] == [False, True, False, False]
    assert whole.column("finish_reason").to_pylist() == ["stop", None, "stop", "stop"]


def test_no_answer_is_null_and_an_empty_answer_is_the_empty_text(
    ask: Command, canned: CannedServer, tmp_path: Path
) -> None:
    async def handler(_: int, body: dict[str, Any]) -> web.StreamResponse | None:
        said = json.dumps(body["messages"])
        if "plum" in said:
            return error(400, "too long")
        return web.json_response(completion("" if "grey" in said else "Yes."))

    canned.handler = handler
    assert ask(tmp_path / "a.parquet").code == 1
    whole = parquet.read_table(tmp_path / "a.parquet")
    assert whole.column("error").to_pylist() == [None, "too long", "empty answer", None]
    assert whole.column("model_response").to_pylist() == ["Yes.", None, "", "Yes."]


def test_an_export_makes_either_kind(score: Command, grace: Command, tmp_path: Path) -> None:
    assert score(tmp_path / "a.csv").code == 0
    assert grace("export", tmp_path / "a.run", "--output", tmp_path / "copy.parquet").code == 0
    is_the_same(tmp_path / "copy.parquet", tmp_path / "a.csv")
    assert "already exists" in grace("export", tmp_path / "a.run", "--output", tmp_path / "copy.parquet").err
    assert grace("export", tmp_path / "a.run", "--output", tmp_path / "copy.parquet", "--force").code == 0


@pytest.mark.parametrize("size", [1, 3, 4, 5])
def test_more_rows_than_are_written_at_once(
    size: int, score: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("grace.tables.PARQUET_ROWS", size)
    assert score(tmp_path / "a.parquet").code == 0
    assert score(tmp_path / "a.csv").code == 0
    is_the_same(tmp_path / "a.parquet", tmp_path / "a.csv")
    groups = parquet.ParquetFile(tmp_path / "a.parquet").metadata.num_row_groups
    assert groups == -(-4 // size)


def test_a_column_that_is_empty_at_first_keeps_its_type(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grace.tables.PARQUET_ROWS", 2)
    rows: list[list[object]] = [
        ["a", None, None, None],
        ["b", None, None, None],
        ["c", 1.5, 2**53, "text"],
        ["", -0.0, 0, None],
    ]
    assert write_table(tmp_path / "a.parquet", ("name", "x", "n", "t"), rows, {"x": float, "n": int}) == 4
    assert [list(row.values()) for row in parquet.read_table(tmp_path / "a.parquet").to_pylist()] == rows


def test_a_table_without_rows_has_its_columns(tmp_path: Path) -> None:
    assert write_table(tmp_path / "a.parquet", ("name", "x"), [], {"x": float}) == 0
    made = parquet.read_table(tmp_path / "a.parquet")
    assert made.column_names == ["name", "x"]
    assert len(made) == 0


def test_without_pyarrow_the_message_says_what_to_install(
    score: Command, ask: Command, grace: Command, table: TableServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert score(tmp_path / "a.csv").code == 0
    table.requests.clear()
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *more: None if name == "pyarrow" else find(name, *more)
    )
    for done in (
        score(tmp_path / "a.parquet"),
        ask(tmp_path / "b.parquet"),
        grace("export", tmp_path / "a.run", "--output", tmp_path / "c.parquet"),
    ):
        assert done.code == 2
        assert "writing Parquet needs pyarrow: pip install 'grace-experiments[parquet]', or use .csv" in done.err
        assert done.out == ""
    assert table.requests == []
    assert list(tmp_path.glob("*.parquet")) == []
    assert score(tmp_path / "a.csv").code == 0  # CSV needs no such thing


def test_a_failure_half_way_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("grace.tables.PARQUET_ROWS", 2)
    path = tmp_path / "a.parquet"
    assert write_table(path, ("x",), [["1"]]) == 1
    before = path.read_bytes()

    def breaking() -> Iterator[list[str]]:
        yield from (["1"], ["2"], ["3"])
        raise RuntimeError("half-way")

    def full() -> Iterator[list[str]]:
        yield from (["1"], ["2"], ["3"])
        raise OSError(28, "No space left on device")

    with pytest.raises(RuntimeError, match="half-way"):
        write_table(path, ("x",), breaking())
    with pytest.raises(InputError, match="No space left on device; check the disk"):
        write_table(path, ("x",), full())
    assert path.read_bytes() == before
    assert [left.name for left in tmp_path.iterdir()] == ["a.parquet"]


def test_an_export_that_fails_half_way_leaves_the_old_file(
    score: Command, grace: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.parquet"
    assert score(path).code == 0
    before = path.read_bytes()
    read = LedgerReader.__getitem__
    reads = itertools.count(1)

    def failing(reader: LedgerReader, offset: int) -> dict[str, Any]:
        if next(reads) > 3:
            raise LedgerCorrupt("the disk gave something else")
        return read(reader, offset)

    monkeypatch.setattr(LedgerReader, "__getitem__", failing)
    monkeypatch.setattr("grace.tables.PARQUET_ROWS", 1)
    done = grace("export", tmp_path / "a.run", "--output", path, "--force")
    assert done.code == 2
    assert "the disk gave something else" in done.err
    assert path.read_bytes() == before
    assert [left.name for left in tmp_path.iterdir() if left.name.endswith(".tmp")] == []


def test_columns_without_names_can_be_read_back(score: Command, skies: Path, tmp_path: Path) -> None:
    """Spreadsheets leave some at the right edge."""
    lines = ["thing,colour,,", "the sky,blue,,", "a plum,red,,"]
    skies.write_text("\n".join(lines))
    assert score(tmp_path / "a.csv").code == 0
    assert score(tmp_path / "a.parquet").code == 0
    assert parquet.read_table(tmp_path / "a.parquet").column("thing").to_pylist() == ["the sky", "a plum"]
