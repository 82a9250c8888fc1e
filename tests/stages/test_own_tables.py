"""Tables as people have them, from the trials to the table for the analysis: names of columns, and forms of files."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from canned import CannedServer
from conftest import ROOT, Command, read_rows
from grace.files import sha256_of
from grace.report.commands import commands_of, inputs_of
from grace.report.gather import ReportRequest
from grace.runs import Run
from grace.stages.related import related
from table_model import TableServer
from things import MODEL

OWN = {
    "seed": "my seed", "Error": "1", "model_name": "my model", "finish_reason": "length", "replication": "7",
    "response": "my response", "Response_Prior": "3", "prompt_tokens": "x", "response_state": "1",
    "response_time": "", "note": "kept",
}  # fmt: skip
"""Columns of the user's own, most of them called as columns that Grace adds."""
KEPT = {name if name in ("note", "response_time") else f"{name}_input": cell for name, cell in OWN.items()}
ANSWER = "Initial Answer: 2\nProbabilities: 0: 10%, 1: 20%, 2: 30%, 3: 40%\nKnowledge: yes"


def add_columns(path: Path, cells: dict[str, str]) -> Path:
    rows = [{**row, **cells} for row in read_rows(path)]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return path


def own(row: dict[str, Any]) -> dict[str, Any]:
    """The user's own cells of a row of an output."""
    return {name: row.get(name) for name in KEPT}


@pytest.fixture
def answering(canned: CannedServer) -> CannedServer:
    from aiohttp import web

    from canned import completion

    async def handler(number: int, body: dict[str, Any]) -> web.StreamResponse:
        return web.json_response(completion(text=ANSWER))

    canned.handler = handler
    return canned


@pytest.mark.usefixtures("answering")
def test_columns_called_as_graces_own_are_kept_by_every_command(
    query: Command, grace: Command, trials: Path, tmp_path: Path
) -> None:
    add_columns(trials, OWN)
    checked = grace("data", "check", trials, "--study", "study1")
    renamed = (
        "kept as NAME_input: seed, Error, model_name, finish_reason, replication, response, Response_Prior, prompt_"
    )
    assert renamed in " ".join(checked.out.split())
    answers, values = tmp_path / "answers.csv", tmp_path / "values.csv"
    done = query("--replications", 2)
    assert done.code == 0, done.err
    assert renamed in " ".join(done.err.split())
    rows = read_rows(answers)
    assert all(own(row) == KEPT for row in rows)
    assert {row["model_name"] for row in rows} == {"canned"}
    assert {row["replication"] for row in rows} == {"1", "2"}
    assert len({row["seed"] for row in rows}) == 24
    assert {(row["error"], row["finish_reason"]) for row in rows} == {("", "stop")}
    first = answers.read_bytes()

    assert grace("export", tmp_path / "answers.run", "--output", tmp_path / "again.csv").code == 0
    assert (tmp_path / "again.csv").read_bytes() == first

    assert grace("extract", "study1", "--input", answers, "--output", values).code == 0
    for row in read_rows(values):
        assert own(row) == KEPT
        assert (row["Prior_A"], row["Knowledge_A"]) == ("2", "yes")  # the model's, not the user's Response_Prior

    assert grace("merge", tmp_path / "answers.run", "--out", tmp_path / "merged").code == 0
    for row in read_rows(tmp_path / "merged" / "study1.csv"):
        assert own(row) == KEPT
        assert (row["model_name"], row["Prior_A"], row["error"]) == ("canned", "2", "")

    grace("validate", tmp_path / "answers.run", "--out", tmp_path / "quality")
    results = json.loads((tmp_path / "quality" / "quality.json").read_bytes())
    failed = {result["check"] for result in results["checks"] if result["status"] == "failed"}
    about = {"columns", "rows_missing", "rows_unexpected", "ledger", "errors", "schema", "missing_values"}
    assert not failed & about

    assert grace("analyze", tmp_path / "answers.run", "--no-figures", "--out", tmp_path / "analysis").code == 0


@pytest.mark.usefixtures("answering")
def test_shards_keep_them_too(query: Command, grace: Command, trials: Path, tmp_path: Path) -> None:
    add_columns(trials, OWN)
    for part in ("0/2", "1/2"):
        assert query("--shard", part).code == 0
    assert grace("join", tmp_path / "answers.csv").code == 0
    assert all(own(row) == KEPT for row in read_rows(tmp_path / "answers.csv"))


def test_scores_keep_them_too(grace: Command, trials: Path, tmp_path: Path) -> None:
    add_columns(trials, {"Model_Name": "mine", "error": "0", "seed": "5"})
    with TableServer(MODEL, "vllm") as server:
        score = ("score", "study1", "--input", trials, "--output", tmp_path / "scores.csv", "--limit", 1)
        done = grace(*score, "--model-endpoint", server.url, "--model-name", "table")
    rows = read_rows(tmp_path / "scores.csv")
    assert done.code in (0, 1), done.err
    assert [(row["Model_Name_input"], row["error_input"], row["seed"]) for row in rows] == [("mine", "0", "5")]


@pytest.mark.parametrize("name", ["seed", "Error"])
def test_a_name_that_is_taken_twice_is_refused_by_all(
    name: str, query: Command, grace: Command, canned: CannedServer, trials: Path
) -> None:
    add_columns(trials, {name: "1", f"{name}_input": "2"})
    message = f"already has the columns '{name}' and '{name}_input'; rename one of them"
    for done in (query(), grace("data", "check", trials, "--study", "study1")):
        assert done.code == 2
        assert message in done.err
    assert canned.bodies == []


def test_an_output_given_as_trials_is_refused_by_all(query: Command, grace: Command, tmp_path: Path) -> None:
    assert query().code == 0
    for done in (
        query("--input", tmp_path / "answers.csv", "--output", tmp_path / "again.csv"),
        grace("data", "check", tmp_path / "answers.csv"),
    ):
        assert done.code == 2
        assert "is it an output file? Give the trials' own table as --input" in done.err


STUDY = """
name: seeds
title: A study whose own column is called as one of Grace's
columns: {item: {}, seed: {}, error: {type: integer}}
design: {item: item, cells: [error]}
protocols: {ask: {turns: {response: "{{ item }} {{ seed }} {{ error }}"}}}
extraction:
  readings:
    mood: {read: choice, column: mood, labels: {glad: [glad], sad: [sad]}}
"""


def test_a_study_may_declare_such_a_column(grace: Command, canned: CannedServer, tmp_path: Path) -> None:
    """Its templates, checks and conditions mean the user's cells, in every table."""
    study, trials, answers = (tmp_path / name for name in ("seeds.yaml", "trials.csv", "answers.csv"))
    study.write_text(STUDY)
    trials.write_text("item,seed,error\nlamp,blue,1\nlamp,red,2\n")
    assert grace("data", "check", trials, "--study", study).code == 0
    asked = ("--input", trials, "--output", answers, "--model-endpoint", canned.url, "--model-name", "canned")
    assert grace("query", study, *asked).code == 0
    assert sorted(body["messages"][0]["content"] for body in canned.bodies) == ["lamp blue 1", "lamp red 2"]
    assert [(row["seed_input"], row["error_input"], row["error"]) for row in read_rows(answers)] == [
        ("blue", "1", ""), ("red", "2", ""),
    ]  # fmt: skip
    assert grace("extract", study, "--input", answers, "--output", tmp_path / "values.csv").code == 0
    assert grace("merge", tmp_path / "answers.run", "--out", tmp_path / "merged").code == 0
    grace("validate", tmp_path / "answers.run", "--out", tmp_path / "quality")
    results = json.loads((tmp_path / "quality" / "quality.json").read_bytes())
    failed = {result["check"] for result in results["checks"] if result["status"] == "failed"}
    assert not failed & {"columns", "rows_missing", "rows_unexpected", "ledger", "errors", "schema", "balance"}


# Forms of files


def semicolons(path: Path) -> tuple[Path, list[str]]:
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    with path.open("w", newline="", encoding="cp1252") as file:
        csv.writer(file, delimiter=";").writerows(
            [*rows[:3], *([*row[:2], f"{row[2]} é", *row[3:]] for row in rows[3:])]
        )
    return path, ["--encoding", "cp1252"]


def qualtrics(path: Path) -> tuple[Path, list[str]]:
    with path.open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    imports = [json.dumps({"ImportId": f"QID{number}"}) for number in range(len(header))]
    with path.open("w", newline="", encoding="utf-16") as file:
        csv.writer(file, delimiter="\t").writerows([header, [f"What is {name}?" for name in header], imports, *rows])
    return path, ["--skip-rows", "2"]


def workbook(path: Path) -> tuple[Path, list[str]]:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.reader(file):
            book.active.append([float(cell) if cell.isdecimal() else cell for cell in row])
    book.create_sheet("first", 0)
    book.save(path.with_suffix(".xlsx"))
    return path.with_suffix(".xlsx"), ["--sheet", "2"]


@pytest.mark.parametrize("change", [semicolons, qualtrics, workbook])
def test_a_run_goes_on_without_repeating_how_its_file_is_read(
    change: Callable[[Path], tuple[Path, list[str]]], query: Command, canned: CannedServer, trials: Path, tmp_path: Path
) -> None:
    path, options = change(trials)
    assert query("--input", path, "--limit", 3).code == 2
    assert canned.bodies == []
    done = query("--input", path, "--limit", 3, *options)
    assert done.code == 0, done.err
    assert f"{path}: is read " in done.err
    run = Run(tmp_path / "answers.run")
    facts = run.identity.input
    assert (facts.file, facts.rows, bool(facts.read_as)) == (path.name, 12, True)
    assert b";" not in run.input.read_bytes().splitlines()[0]
    assert query("--input", path).code == 0  # the options are in run.json
    assert query("--input", path, *options).code == 0
    assert canned.count == 12
    command = commands_of([related(run)], ReportRequest([run]), "report.html")[0]
    assert all(f"--{name.replace('_', '-')} " in command for name in facts.read_as)
    assert inputs_of([related(run)]) == {path.name: sha256_of(path)}
    rows = read_rows(tmp_path / "answers.csv")
    assert [(row["access"], row["observe"]) for row in rows][:2] == [("2", "1"), ("3", "3")]


def test_options_that_change_the_table_are_another_run(query: Command, canned: CannedServer, trials: Path) -> None:
    path, options = semicolons(trials)
    assert query("--input", path, *options).code == 0
    done = query("--input", path, "--encoding", "cp1250", "--delimiter", ";", "--skip-rows", 1)
    assert done.code == 2
    assert "was made with different settings" in done.err
    assert canned.count == 12


NUMBERS = """
name: numbers
title: Numbers with decimal commas
columns: {item: {}, dose: {type: number, values: [0.5, 1.5]}, count: {type: integer, values: [1, 2]}}
design: {item: item, cells: [dose, count]}
checks: [{that: "dose | float < 2", otherwise: too much}]
protocols: {ask: {turns: {response: "{{ dose }} of {{ count }}"}}}
"""


@pytest.mark.parametrize(("content", "options"), [
    ("item;dose;count\na;0,5;1\na;1,5;2,0\na;0,5;2\na;1,5;1\n", ()),
    ('item,dose,count\na,"0,5",1.0\na,"1,5",2.0\na,0.5,2\na,1.50,1\n', ()),
    ("item\tdose\tcount\na\t0,500\t1\na\t1,500\t2\na\t0,5\t2\na\t1,5\t1\n", ()),
    ('item,dose,count\na,"0,500",1\na,"1,500",2\na,"0,5",2\na,"1,5",1\n', ("--decimal", ",")),
])  # fmt: skip
def test_numbers_are_understood_and_prompts_have_one_form_of_them(
    content: str, options: tuple[str, ...], grace: Command, canned: CannedServer, tmp_path: Path
) -> None:
    study, trials, answers = (tmp_path / name for name in ("numbers.yaml", "trials.csv", "answers.csv"))
    study.write_text(NUMBERS)
    trials.write_text(content)
    checked = grace("data", "check", trials, "--study", study, *options)
    assert checked.code == 0, checked.out
    asked = ("--input", trials, "--output", answers, "--model-endpoint", canned.url, "--model-name", "canned")
    assert grace("query", study, *asked, *options).code == 0
    assert grace("query", study, *asked).code == 0
    assert sorted(body["messages"][0]["content"] for body in canned.bodies) == [
        "0.5 of 1", "0.5 of 2", "1.5 of 1", "1.5 of 2",
    ]  # fmt: skip
    if options:
        done = grace("query", study, *asked, "--decimal", ".")
        assert done.code == 2
        assert "was made with --decimal ,; repeat that to continue it" in done.err
    grace("validate", tmp_path / "answers.run", "--out", tmp_path / "quality")
    results = json.loads((tmp_path / "quality" / "quality.json").read_bytes())
    statuses = {result["check"]: result["status"] for result in results["checks"]}
    assert (statuses["schema"], statuses["balance"]) == ("passed", "passed")


def test_a_number_that_may_be_two_is_no_number(grace: Command, tmp_path: Path) -> None:
    study, trials = tmp_path / "numbers.yaml", tmp_path / "trials.csv"
    study.write_text(NUMBERS.replace(", values: [0.5, 1.5]", ""))
    trials.write_text('item,dose,count\na,"1,234",1\n')
    done = grace("data", "check", trials, "--study", study)
    assert done.code == 1
    assert "dose '1,234' may be 1.234 or 1234; --decimal , or --decimal . says which (row 1)" in done.out
    assert "too much" in grace("data", "check", trials, "--study", study, "--decimal", ".").out
    assert "too much" not in grace("data", "check", trials, "--study", study, "--decimal", ",").out


def test_a_table_of_another_kind_is_analysed(grace: Command, tmp_path: Path) -> None:
    source = ROOT / "examples" / "answers" / "study1.csv"
    with source.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    for row in rows[1:3]:
        row[5:9] = ["12.5", "30", "37.5", "20"]
    people, table = tmp_path / "plain.csv", tmp_path / "people.csv"
    with people.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    for row in rows[1:]:
        row[5:9] = [cell.replace(".", ",") for cell in row[5:9]]
    with table.open("w", newline="", encoding="utf-16") as file:
        csv.writer(file, delimiter=";").writerows(rows)
    outcomes = []
    for number, path in enumerate((people, table)):
        done = grace("analyze", "study1", "--input", path, "--no-figures", "--out", tmp_path / f"{number}")
        assert done.code == 0, done.err
        outcomes.append((tmp_path / f"{number}" / "means.csv").read_bytes())
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize("options", [(), ("--encoding", "cp1252")])
def test_a_run_of_0_1_0_goes_on_with_the_encoding_that_it_chose(
    options: tuple[str, ...], query: Command, grace: Command, canned: CannedServer, trials: Path, tmp_path: Path
) -> None:
    """It read text that is not UTF-8 as Windows-1252, and its copy has the file's bytes."""
    text = trials.read_text().replace("The first", "Die frühe").replace(" a ", " à ")
    trials.write_text(text, encoding="utf-8")
    assert query().code == 0
    run = Run(tmp_path / "answers.run")
    before = sha256_of(run.input)
    trials.write_bytes(text.encode("cp1252"))
    run.input.write_bytes(text.encode("cp1252"))
    manifest = run.path / "run.json"
    manifest.write_text(manifest.read_text().replace(before, sha256_of(run.input)))
    answers = (tmp_path / "answers.csv").read_bytes()
    done = query(*options)
    assert done.code == 0, done.err
    assert "read as Latin-1 (cp1252), as when the run began" in done.err
    assert canned.count == 12
    assert (tmp_path / "answers.csv").read_bytes() == answers
    assert grace("export", run.path, "--output", tmp_path / "again.csv").code == 0
    assert (tmp_path / "again.csv").read_bytes() == answers
    assert grace("merge", run.path, "--out", tmp_path / "merged").code == 0


# Templates that fit no row

SLIP = """
name: slip
title: A column behind row that no table has
columns: {item: {}, True state: {}}
protocols: {ask: {turns: {response: "{{ item }}: {{ row['True stat'] }}"}}}
questions:
  mood: {prompt: "{{ item }}: {{ row['True stat'] }}", answers: [glad, sad]}
"""


@pytest.mark.parametrize(("command", "place"), [
    ("query", "protocols.ask.response"),
    ("score", "question 'mood': {study}: questions.mood.prompt"),
])  # fmt: skip
def test_a_column_that_no_row_has_is_told_before_anything_is_started_or_made(
    command: str, place: str, grace: Command, canned: CannedServer, tmp_path: Path
) -> None:
    study, trials, answers = (tmp_path / name for name in ("slip.yaml", "trials.csv", "answers.csv"))
    study.write_text(SLIP)
    trials.write_text("item,True state\nlamp,on\n")
    done = grace(command, study, "--input", trials, "--output", answers, "--model-endpoint", canned.url)
    assert done.code == 2
    assert f"{trials}, row 1: " in done.err
    assert place.format(study=study) in done.err
    assert "cannot be rendered: no column 'True stat' (did you mean 'True state'?)" in done.err
    assert not canned.bodies
    assert not (tmp_path / "answers.run").exists()


def test_a_refused_command_leaves_no_empty_folder(grace: Command, canned: CannedServer, tmp_path: Path) -> None:
    trials, answers = tmp_path / "trials.csv", tmp_path / "answers.csv"
    study = tmp_path / "seeds.yaml"
    study.write_text(STUDY)
    trials.write_text("item,seed,error\nlamp,blue,1\n")
    asked = ("--input", trials, "--output", answers, "--model-endpoint", canned.url, "--model-name", "another")
    assert grace("query", study, *asked).code == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["seeds.yaml", "trials.csv"]
