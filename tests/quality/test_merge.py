"""`grace merge`: one table for the analysis, joined by what rows hold, with a codebook that is true."""

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from conftest import Command, read_rows
from grace.columns import PROVENANCE
from grace.ledger import Ledger, Record
from grace.runs import Run
from grace.stages.fields.records import Rows, decide
from grace.stages.records import study_of
from ledgers import rewrite
from table_model import TableServer, printable_model

pq = pytest.importorskip("pyarrow.parquet")

STUDY = """\
name: weather
title: Weather
source: nobody (2026)
columns:
  city: {about: where it is}
  hour: {about: of the day, type: integer}
  temperature: {about: outside, type: number, required: false}
design: {item: city, cells: [hour]}
protocols: {single: {turns: {response: "Is it warm in {{ city }} at {{ hour }}?"}}}
questions:
  warm: {prompt: "Warm in {{ city }} at {{ hour }}?", answers: {labels: {yes: yes, no: no}}}
extraction:
  readings:
    warm: {about: is it warm, read: choice, column: is_warm, labels: {yes: [y], no: [n]}}
"""
TRIALS = "city,hour,temperature\nRome,6,11.5\nOslo,6,-4\nRome,18,31.5\nOslo,18,2\n"
MODEL = printable_model("é", "’", "yes", "no", seed=5, spread=1.0)

Make = Callable[..., Run]


@pytest.fixture
def server() -> Iterator[TableServer]:
    with TableServer(MODEL) as table:
        yield table


@pytest.fixture
def make(grace: Command, server: TableServer, tmp_path: Path) -> Make:
    """Runs of a small study: `make("query", "a.csv")`; extract is given the answers' table."""
    (tmp_path / "study.yaml").write_text(STUDY)
    (tmp_path / "weather_trials.csv").write_text(TRIALS)

    def run(
        command: str,
        output: str,
        *more: object,
        input: str = "weather_trials.csv",
        revision: str = "one",
        code: int = 0,
    ) -> Run:
        options: list[object] = ["--input", tmp_path / input, "--output", tmp_path / output, *more]
        if command != "extract":
            options += ["--model-endpoint", server.url, "--model-name", "table", "--model-revision", revision]
        done = grace(command, tmp_path / "study.yaml", *options)
        assert done.code == code, done
        return Run.beside(tmp_path / output)

    return run


@pytest.fixture
def merged(grace: Command, tmp_path: Path) -> Callable[..., tuple[list[dict[str, Any]], str]]:
    """Merge runs: the table's rows, and what was said."""

    def run(*runs: Run, more: Sequence[object] = (), out: str = "merged") -> tuple[list[dict[str, Any]], str]:
        done = grace("merge", *(each.path for each in runs), "--out", tmp_path / out, *more)
        assert done.code == 0, done
        return read_rows(tmp_path / out / "weather.csv"), done.out

    return run


def rewritten(path: Path, change: Callable[[list[list[str]]], list[list[str]]]) -> None:
    """Change a CSV file's rows below its header."""
    with open(path, newline="") as file:
        header, *rows = csv.reader(file)
    with open(path, "w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *change(rows)])


def test_answers_values_and_probabilities_stand_in_one_row(make: Make, merged: Any, tmp_path: Path) -> None:
    answers, scores = make("query", "a.csv"), make("score", "s.csv")
    make("extract", "e.csv", input="a.csv")
    rows, _ = merged(answers)
    one, other, values = (read_rows(tmp_path / name) for name in ("a.csv", "s.csv", "e.csv"))
    assert len(rows) == 4
    for row, answer, value, score in zip(rows, one, values, other, strict=True):
        assert row["model_response"] == answer["model_response"]
        assert row["is_warm"] == value["is_warm"]
        assert row["prob_warm_yes"] == score["prob_warm_yes"]
        assert (row["answers_run"], row["extraction_run"], row["scores_run"]) == ("a.run", "e.run", "s.run")
    assert len({row["row_id"] for row in rows}) == 4
    assert [row["hour"] for row in rows] == ["6", "6", "18", "18"]
    assert merged(scores, out="again")[0] == rows  # any of the runs finds the others


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda rows: rows[::-1], id="in another order"),
        pytest.param(lambda rows: [*rows, ["Bern", "6", "3"], ["Bern", "18", "9"]], id="more rows"),
        pytest.param(lambda rows: [row for row in rows for _ in range(2)], id="each twice"),
    ],
)
def test_probabilities_find_their_rows_wherever_they_stand(
    make: Make, merged: Any, tmp_path: Path, change: Callable[[list[list[str]]], list[list[str]]]
) -> None:
    answers = make("query", "a.csv")
    (tmp_path / "other.csv").write_text(TRIALS)
    rewritten(tmp_path / "other.csv", change)
    scores = make("score", "s.csv", input="other.csv")
    rows, _ = merged(answers, more=("--scores", scores.path))
    truth = {(row["city"], row["hour"]): row["prob_warm_yes"] for row in read_rows(tmp_path / "s.csv")}
    assert [row["prob_warm_yes"] for row in rows] == [truth[row["city"], row["hour"]] for row in rows]
    assert len(set(truth.values())) >= 4  # else any join would do


def test_probabilities_alone_say_whose_they_are(make: Make, merged: Any) -> None:
    scores = make("score", "s.csv")
    rows, _ = merged(scores)
    assert {row["model_name"] for row in rows} == {"table"}
    assert all(row["prob_warm_yes"] for row in rows)


def test_a_row_that_was_not_scored_says_so(make: Make, merged: Any) -> None:
    answers, scores = make("query", "a.csv"), make("score", "s.csv", "--limit", 3)
    rows, _ = merged(answers, more=("--scores", scores.path))
    assert rows[2]["prob_warm_yes"]
    assert rows[3]["prob_warm_yes"] == ""
    assert "has no such row" in rows[3]["scores_error"]


def test_two_ways_of_asking_have_rows_of_their_own(make: Make, merged: Any) -> None:
    warm, cold = make("query", "a.csv"), make("query", "b.csv", "--temperature", 1)
    rows, said = merged(warm, cold)
    assert len(rows) == len({row["row_id"] for row in rows}) == 8
    assert [row["temperature"] for row in rows] == ["0.7"] * 4 + ["1.0"] * 4
    assert [row["temperature_input"] for row in rows[:4]] == ["11.5", "-4", "31.5", "2"]
    assert "read by rules alone" in said


@pytest.mark.parametrize(
    ("command", "more", "wording", "told"),
    [
        pytest.param("query", ("--max-tokens", 30), None, "sampling.max_tokens: ", id="the length"),
        pytest.param("query", ("--extra-body", '{"top_p": 0.5}'), None, "sampling.top_p: ", id="the sampling"),
        pytest.param("query", (), ("Is it warm in", "Is it hot in"), "templates.response differs", id="the wording"),
        pytest.param(
            "query",
            (),
            ("{single: {turns:", "{single: {system: Be brief., turns:"),
            "templates.system",
            id="the system",
        ),
        pytest.param("score", (), ("Warm in", "Hot in"), "questions.warm differs", id="the question"),
        pytest.param("score", ("--policy", "canonical"), None, "scoring.policy: ", id="the forms"),
    ],
)
def test_rows_that_were_asked_in_other_ways_are_not_pooled(
    grace: Command,
    make: Make,
    tmp_path: Path,
    command: str,
    more: tuple[object, ...],
    wording: tuple[str, str] | None,
    told: str,
) -> None:
    one = make(command, "a.csv")
    if wording:
        assert wording[0] in STUDY
        (tmp_path / "study.yaml").write_text(STUDY.replace(*wording))
    (tmp_path / "apart").mkdir()
    other = make(command, "apart/b.csv", *more)
    for ways in ("merge", "analyze", "report", "paper"):
        done = grace(ways, one.path, other.path, "--out", tmp_path / f"{ways}.html")
        assert done.code == 2, done
        assert f"{one.path} and {other.path}: were asked in different ways" in done.err
        assert told in done.err
        assert "`grace compare`" in done.err


def test_other_trials_and_seeds_are_pooled(make: Make, merged: Any, tmp_path: Path) -> None:
    (tmp_path / "more.csv").write_text(TRIALS.replace("Rome", "Bern"))
    one, more, again = (
        make("query", "a.csv"),
        make("query", "b.csv", input="more.csv"),
        make("query", "c.csv", "--seed", 9),
    )
    rows, _ = merged(one, more, again)
    assert len(rows) == len({row["row_id"] for row in rows}) == 12


def test_a_row_keeps_its_name_when_it_is_asked_again(make: Make, merged: Any) -> None:
    rows, _ = merged(make("query", "a.csv"))
    again, _ = merged(make("query", "b.csv"), out="again")
    assert [row["row_id"] for row in rows] == [row["row_id"] for row in again]


def test_replications_are_rows(make: Make, merged: Any) -> None:
    rows, _ = merged(make("query", "a.csv", "--replications", 3))
    assert [row["replication"] for row in rows[:4]] == ["1", "2", "3", "1"]
    assert len({row["row_id"] for row in rows}) == 12


def test_numbers_are_numbers_in_parquet(make: Make, merged: Any, tmp_path: Path) -> None:
    make("score", "s.csv")
    merged(make("query", "a.csv"))
    schema = pq.read_schema(tmp_path / "merged" / "weather.parquet")
    kinds = {name: str(schema.field(name).type) for name in schema.names}
    assert kinds["hour"] == "int64"
    assert kinds["temperature"] == kinds["prob_warm_yes"] == kinds["extraction_confidence"] == "double"
    assert kinds["city"] == kinds["is_warm"] == "string"
    rows = pq.read_table(tmp_path / "merged" / "weather.parquet").to_pylist()
    assert [row["hour"] for row in rows] == [6, 6, 18, 18]
    assert rows[0]["error"] is None


def test_a_column_that_breaks_its_promise_stays_text(make: Make, merged: Any, tmp_path: Path) -> None:
    (tmp_path / "odd.csv").write_text(TRIALS.replace("Rome,18", "Rome,late"))
    merged(make("query", "a.csv", input="odd.csv"))
    assert str(pq.read_schema(tmp_path / "merged" / "weather.parquet").field("hour").type) == "string"


def test_the_codebook_describes_every_column(make: Make, merged: Any, tmp_path: Path) -> None:
    make("score", "s.csv")
    answers = make("query", "a.csv")
    make("extract", "e.csv", input="a.csv")
    rows, _ = merged(answers)
    book = json.loads((tmp_path / "merged" / "codebook.json").read_text())
    columns = {column["name"]: column for column in book["columns"]}
    assert list(columns) == list(rows[0])
    assert all(column["meaning"] and column["type"] for column in columns.values())
    for name, column in columns.items():
        assert column["missing"] == sum(row[name] == "" for row in rows), name
    assert columns["city"]["meaning"] == "where it is"
    assert columns["city"]["found"] == {"Rome": 2, "Oslo": 2}
    assert columns["temperature"]["meaning"] == "of the sampling of answers"
    assert "temperature" in columns["temperature_input"]["meaning"]
    assert columns["is_warm"]["values"] == ["yes", "no"]
    assert columns["extraction_method"]["values"] == ["rule", "model", "human"]
    assert columns["prob_warm_yes"]["unit"] == "probability"
    assert "normalised" in columns["prob_warm_yes"]["meaning"]
    assert {table["file"] for table in book["tables"]} == {"weather.csv", "weather.parquet"}
    told = (tmp_path / "merged" / "codebook.md").read_text()
    assert all(f"| `{name}` |" in told for name in columns)


def test_hostile_cells_do_not_break_the_codebook(make: Make, merged: Any, tmp_path: Path) -> None:
    (tmp_path / "odd.csv").write_text('city,hour\n"a | b <script>alert(1)</script> `x`\n\n# y",6\n')
    merged(make("query", "a.csv", input="odd.csv"))
    lines = (tmp_path / "merged" / "codebook.md").read_text().splitlines()
    [line] = [line for line in lines if line.startswith("| `city`")]
    assert line.replace("\\|", "").count("|") == 7
    assert "<script>" not in line.replace("\\<", "")


def test_columns_of_the_input_are_never_replaced(make: Make, merged: Any, tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_text("city,hour,protocol,quality_flags,,\nRome,6,mine,my flag,a,b\n")
    [row], _ = merged(make("query", "a.csv", input="own.csv"))
    assert (row["protocol_input"], row["quality_flags_input"]) == ("mine", "my flag")
    assert (row[""], row["column_6"]) == ("a", "b")
    assert row["protocol"] == "single"


def test_an_annotated_table_keeps_its_annotations(grace: Command, make: Make, merged: Any, tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("city,hour,response,is_warm\nRome,6,No.,yes?\nRome,18,Yes.,yes\n")
    rows, _ = merged(make("extract", "e.csv", input="mine.csv"))
    assert [(row["is_warm"], row["is_warm_input"]) for row in rows] == [("no", "yes?"), ("yes", "yes")]
    assert [row["extraction_run"] for row in rows] == ["e.run", "e.run"]


def test_probabilities_alone(make: Make, merged: Any) -> None:
    rows, _ = merged(make("score", "s.csv"))
    assert all(row["prob_warm_yes"] for row in rows)
    assert "model_response" not in rows[0]
    assert set(PROVENANCE) <= rows[0].keys()


def test_people_s_decisions_count(grace: Command, make: Make, merged: Any, tmp_path: Path) -> None:
    from grace.tables import CsvTable

    answers = make("query", "a.csv")
    extraction = make("extract", "e.csv", input="a.csv")
    with CsvTable(extraction.input) as table, Ledger(extraction.ledger) as ledger:
        rows = Rows(study_of(extraction), table.columns)
        answered = rows.of(table.row(2))
        decide(ledger, answered, 3, rows.read(answered), "corrected", {"is_warm": "yes"}, "ada", "2026-01-01")
    found, said = merged(answers)
    assert [row["extraction_method"] for row in found] == ["rule", "rule", "human", "rule"]
    assert found[2]["is_warm"] == "yes"
    assert "belong to no row" not in said


def test_nul_in_an_answer_does_no_harm(grace: Command, query: Command, canned: Any, tmp_path: Path) -> None:
    from aiohttp import web

    from canned import completion

    async def handler(number: int, body: dict[str, Any]) -> web.StreamResponse:
        return web.json_response(completion("Initial Answer: 3\x00"))

    canned.handler = handler
    assert query("--limit", 2).code == 0
    assert grace("extract", "study1", "--input", tmp_path / "answers.csv", "--output", tmp_path / "v.csv").code == 0
    assert grace("merge", tmp_path / "answers.run").code == 0
    assert read_rows(tmp_path / "answers_merged" / "study1.csv")[0]["Prior_A"] == "3"
    assert "\\u0000" in (tmp_path / "answers.run" / "ledger.jsonl").read_text()


def test_what_cannot_be_merged(grace: Command, make: Make, query: Command, tmp_path: Path) -> None:
    answers = make("query", "a.csv")
    query("--limit", 1)
    cases = [
        ((answers.path, tmp_path / "answers.run"), "of different studies"),
        ((answers.path, answers.path), "belongs to two of the runs given"),
        ((tmp_path,), "is not a run"),
        ((answers.path, answers.path, "--scores", answers.path), "choose for a single RUN"),
        ((answers.path, "--scores", answers.path), "holds 'generate', not 'score'"),
    ]
    for arguments, said in cases:
        done = grace("merge", *arguments)
        assert (done.code, said in done.err) == (2, True), (arguments, done)
    assert not (tmp_path / "a_merged").exists()


SAID = [
    "yes",
    'No, "not" warm',
    "maybe\r\nyes",
    "",
    "y",
    "It is, I think; yes\n",
    "no",
    "yes or no",
    "n",
    "y",
    "no",
    "?",
]
FILES = ("weather.csv", "weather.parquet", "codebook.json", "codebook.md")


@pytest.fixture
def mixed(make: Make, grace: Command, tmp_path: Path) -> Run:
    """Answers of all kinds, three for each trial, with probabilities, and an extraction with a person's decision."""
    answers = make("query", "a.csv", "--replications", 3)
    make("score", "s.csv", "--limit", 3)

    def say(records: list[Record]) -> None:
        for record, said in zip(records, SAID, strict=True):
            record["response"]["text"], record["status"] = said, "answered" if said else "empty"
        last = records[-1]
        last["status"], last["error"] = "failed", {"kind": "server", "message": "out of memory"}
        del last["response"], last["tokens"], last["milliseconds"]

    rewrite(answers.ledger, say)
    assert grace("export", answers.path, "--force").code == 1
    decided(make("extract", "e.csv", input="a.csv"), 3)
    make("extract", "e.csv", input="a.csv")
    return answers


def decided(run: Run, row: int) -> None:
    """Have a person decide about a row of an extraction (1 is the first): it says no."""
    with run.table() as table, Ledger(run.ledger) as ledger:
        rows = Rows(study_of(run), table.columns)
        answered = rows.of(table.row(row - 1))
        decide(ledger, answered, row, rows.read(answered), "corrected", {"is_warm": "no"}, "ann", "2026-01-01")


@pytest.fixture
def readings(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The answers that rules were asked about, from now on."""
    asked: list[Any] = []
    read = Rows.read
    monkeypatch.setattr(Rows, "read", lambda rows, answered: asked.append(answered) or read(rows, answered))
    return asked


def made_by(grace: Command, run: Run, out: Path) -> list[bytes]:
    """What merging a run writes."""
    done = grace("merge", run.path, "--out", out)
    assert done.code == 0, done
    return [(out / name).read_bytes() for name in FILES]


def test_values_of_the_table_are_those_that_are_read_again(
    grace: Command, mixed: Run, readings: list[Any], tmp_path: Path
) -> None:
    taken = made_by(grace, mixed, tmp_path / "merged")
    assert not readings
    methods = [row["extraction_method"] for row in read_rows(tmp_path / "merged" / "weather.csv")]
    assert (methods.count("human"), methods.count("rule")) == (1, 11)

    manifest = tmp_path / "e.run" / "run.json"
    content = json.loads(manifest.read_text())
    del content["table"]
    manifest.write_text(json.dumps(content))
    assert made_by(grace, mixed, tmp_path / "merged") == taken
    assert len(readings) == 12


@pytest.mark.parametrize("what", ["a value", "a text", "the order", "the ledger", "the rules", "the table is gone"])
def test_a_table_that_may_not_be_what_reading_makes_is_not_trusted(
    grace: Command, mixed: Run, readings: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    before = made_by(grace, mixed, tmp_path / "merged")
    table = tmp_path / "e.csv"
    if what == "a value":
        table.write_text(table.read_text().replace(",yes,rule,", ",no,rule,", 1))
    elif what == "a text":
        table.write_text(table.read_text().replace("Rome", "Roma", 1))
    elif what == "the order":
        rewritten(table, lambda rows: rows[::-1])
    elif what == "the ledger":
        decided(Run(tmp_path / "e.run"), 1)
    elif what == "the rules":
        monkeypatch.setattr("grace.stages.fields.known._rules", lambda: "others")
    else:
        table.unlink()
    readings.clear()
    after = made_by(grace, mixed, tmp_path / "merged")
    assert len(readings) == 12
    assert (after == before) == (what != "the ledger")


def test_an_answer_that_changed_since_the_extraction_is_read_again(
    grace: Command, mixed: Run, readings: list[Any], tmp_path: Path
) -> None:
    def say(records: list[Record]) -> None:
        (changed,) = [record for record in records if record.get("response", {}).get("text") == "yes or no"]
        changed["response"]["text"] = "no, it is cold"

    rewrite(mixed.ledger, say)
    made_by(grace, mixed, tmp_path / "merged")
    assert len(readings) == 1
    rows = read_rows(tmp_path / "merged" / "weather.csv")
    assert [row["is_warm"] for row in rows if row["model_response"] == "no, it is cold"] == ["no"]
