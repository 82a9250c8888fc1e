"""`grace validate`: runs and files, planted faults that are all named, thresholds, the report and its safety."""

import csv
import html
import json
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from canned import completion
from conftest import Command, read_rows
from grace.calls.display import Lines
from grace.cli import main
from grace.quality.checks import CHECKS
from grace.quality.checks.answers import is_error
from grace.quality.flags import Flag, RowChecks
from grace.quality.layout import Layout
from grace.quality.thresholds import DEFAULTS, thresholds_of
from grace.quality.validate import validate_files
from grace.studies.study import load_study, parse_study
from limits import HANG
from quality_tables import Table, answers, edit, experiment, merged, said, scores, trials
from table_model import TableServer, printable_model

WORDS = ("10", "yes", "no", "zero", "none", "one", "two", "three", "It", " is", " was", " wasn", "'t", " good", " bad")
LOW_MASS = ("--threshold", "label_mass=1")
"""The model of these tests draws its probabilities at random, so it seldom says what it should."""

OWN = """\
name: colours
title: Colours
columns:
  thing: {about: what is judged}
  shade: {about: how it looks, values: [light, dark]}
design:
  cells: [shade]
questions:
  right:
    prompt: Is {{ thing }} {{ shade }}?
    answers: {labels: {yes: yes, no: no}}
"""


def answering(study: str) -> Callable[[str, int, dict[str, Any]], web.StreamResponse | None]:
    """Answer each prompt of Experiment 1 with all that is asked for."""
    asked = 0

    def answer(path: str, _: int, body: dict[str, Any]) -> web.StreamResponse | None:
        nonlocal asked
        if path != "/v1/chat/completions" or body.get("max_tokens", 0) <= 16 or body.get("logprobs"):
            return None
        asked += 1
        return web.json_response(completion(said(study, asked)))

    return answer


def call(*arguments: object) -> None:
    """Run a command that must succeed."""
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    assert not ended.value.code, arguments


@pytest.fixture(scope="module", params=["study1", "study2"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """A study's name, and a folder with runs of query, extract and score about its first twelve trials."""
    study: str = request.param
    folder = tmp_path_factory.mktemp(study)
    input = trials(study, folder, 12).write()
    with TableServer(printable_model("é", "’", *WORDS, seed=5, spread=2.0)) as server:
        server.fail = answering(study)
        endpoint = ("--model-endpoint", server.url, "--model-name", "table")
        output = folder / "answers.csv"
        call("query", study, "--input", input, "--output", output, "--replications", 2, "--temperature", 0.8, *endpoint)
        call("score", study, "--input", input, "--output", folder / "scores.csv", *endpoint)
    call("extract", study, "--input", output, "--output", folder / "structured.csv")
    return study, folder


@pytest.fixture
def runs(made: tuple[str, Path], tmp_path: Path) -> Path:
    """A copy of these runs, to be damaged."""
    shutil.copytree(made[1], tmp_path, dirs_exist_ok=True)
    return tmp_path


@pytest.fixture
def study(made: tuple[str, Path]) -> str:
    return made[0]


class Page(HTMLParser):
    """What a page holds, as a browser reads it: its tags, its addresses and its text."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


def report_in(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "quality.json").read_text())
    return content


def failed_in(folder: Path) -> set[tuple[str, str]]:
    return {(one["check"], one["table"]) for one in report_in(folder)["checks"] if one["status"] == "failed"}


def status(folder: Path, check: str, table: str) -> str:
    checks = report_in(folder)["checks"]
    return next(str(one["status"]) for one in checks if (one["check"], one["table"]) == (check, table))


def why(folder: Path, check: str, table: str) -> str:
    return next(
        str(one["why"]) for one in report_in(folder)["checks"] if (one["check"], one["table"]) == (check, table)
    )


# Runs


def test_a_good_run_is_good_enough(runs: Path, study: str, grace: Command) -> None:
    done = grace("validate", runs / "answers.run", *LOW_MASS)
    assert done.code == 0, done
    folder = runs / "answers_quality"
    assert {path.name for path in folder.iterdir()} == {"quality.json", "quality.html", "review.csv"}
    assert f"{study}: good enough (" in done.out.splitlines()[-1]
    report = report_in(folder)
    assert report["ok"] is True
    assert report["models"] == ["table"]
    assert report["study"]["name"] == study
    assert [table["table"] for table in report["tables"]] == ["answers", "structured", "scores"]
    assert [table["rows"] for table in report["tables"]] == [24, 24, 12]
    assert all(len(table["sha256"]) == 64 for table in report["tables"])
    assert {one["table"] for one in report["checks"] if one["check"] == "ledger" and one["status"] == "passed"} == {
        "answers",
        "structured",
        "scores",
    }
    for name in ("structured", "scores"):  # whichever run is given, all are found
        assert grace("validate", runs / f"{name}.run", *LOW_MASS).code == 0
        assert len(report_in(runs / f"{name}_quality")["checks"]) == len(report["checks"])


def test_all_checks_are_done_in_a_run(runs: Path, study: str, grace: Command) -> None:
    grace("validate", runs / "answers.run", *LOW_MASS)
    done = {one["check"] for one in report_in(runs / "answers_quality")["checks"]}
    assert done == CHECKS.keys()


PLANTED = {
    ("rows_missing", "scores"),
    ("rows_duplicate", "scores"),
    ("rows_unexpected", "answers"),
    ("probability_sum", "scores"),
    ("range", "scores"),
    ("derived_values", "scores"),
    ("ledger", "scores"),
    ("ledger", "answers"),
}


def plant(folder: Path) -> None:
    """Rows missing, a duplicate, a distribution that does not sum, a value out of range, and swapped columns."""

    def in_scores(table: Table) -> None:
        names = [name for name in table.columns if re.match(r"(state0_)?prob_", name)]
        del table.rows[10:]
        table.rows.append(dict(table.rows[0]))
        table.rows[2][names[0]] = "0.9"
        table.rows[3][names[1]] = "1.7"
        for row in table.rows[4:6]:
            least, most = (choose(names[:4], key=lambda name: float(row[name])) for choose in (min, max))
            row[least], row[most] = row[most], row[least]

    def in_answers(table: Table) -> None:
        one, other = table.columns[3], table.columns[5]
        for row in table.rows:
            row[one], row[other] = row[other], row[one]

    edit(folder / "scores.csv", in_scores)
    edit(folder / "answers.csv", in_answers)


def test_a_run_with_planted_faults_is_refused_with_every_fault_named(runs: Path, study: str, grace: Command) -> None:
    plant(runs)
    done = grace("validate", runs / "answers.run", *LOW_MASS)
    assert done.code == 1
    folder = runs / "answers_quality"
    assert failed_in(folder) >= PLANTED
    for check, table in PLANTED:
        assert f"- {check} ({table}): " in done.out
        assert f"{check} ({table})" in done.out.splitlines()[-1]
        assert any((row["check"], row["table"]) == (check, table) for row in read_rows(folder / "review.csv"))
        assert f"{check}, {table} (failed)" in Page(folder / "quality.html").text
    flagged = {(row["check"], row["row"]) for row in read_rows(folder / "review.csv") if row["table"] == "scores"}
    assert flagged >= {("rows_duplicate", "11"), ("probability_sum", "3"), ("range", "4"), ("derived_values", "5")}


def test_files_with_planted_faults_are_refused_with_every_fault_named(runs: Path, grace: Command) -> None:
    plant(runs)
    files = [runs / f"{name}.csv" for name in ("answers", "structured", "scores")]
    done = grace("validate", *files, "--input", runs / "trials.csv", *LOW_MASS)
    assert done.code == 1
    planted = {fault for fault in PLANTED if fault[0] != "ledger"}
    assert failed_in(runs / "answers_quality") >= planted
    assert all(f"- {check} ({table}): " in done.out for check, table in planted)


# The ledger


@pytest.mark.parametrize("name", ["answers", "structured", "scores"])
def test_a_cell_that_is_not_the_ledgers_is_named(runs: Path, grace: Command, name: str) -> None:
    column = {"answers": "model_response", "structured": "extraction_confidence", "scores": "model_name"}[name]
    edit(runs / f"{name}.csv", lambda table: table.rows[4].update({column: "0.75"}))
    done = grace("validate", runs / "answers.run", *LOW_MASS)
    assert done.code == 1
    others = {"answers": {("stale", "structured")}, "structured": set(), "scores": {("models", "scores")}}[name]
    assert failed_in(runs / "answers_quality") == {("ledger", name), *others}
    assert f"row 5 {column}: is '0.75'; the ledger says " in done.out
    assert f"`grace export {runs / f'{name}.run'}` makes the table again" in done.out
    assert grace("export", runs / f"{name}.run").code in (0, 1)
    assert grace("validate", runs / "answers.run", *LOW_MASS).code == 0


def test_labels_of_one_question_that_were_swapped_show_in_the_ledger_alone(
    runs: Path, study: str, grace: Command
) -> None:
    one, other = ("prob_knowledge_yes", "prob_knowledge_no") if study == "study1" else ("model_name", "error")

    def swap(table: Table) -> None:
        for row in table.rows:
            row[one], row[other] = row[other], row[one]

    edit(runs / "scores.csv", swap)
    assert grace("validate", runs / "scores.run", *LOW_MASS).code == 1
    assert ("ledger", "scores") in failed_in(runs / "scores_quality")


def test_cells_that_were_sorted_alone_are_named_and_rows_in_another_order_do_no_harm(
    runs: Path, grace: Command
) -> None:
    edit(runs / "answers.csv", lambda table: table.rows.reverse())
    done = grace("validate", runs / "answers.run", *LOW_MASS)
    assert done.code == 0, done
    assert "24 rows are in another order than in the ledger; that does no harm" in done.out

    def sort(table: Table) -> None:
        for row, response in zip(table.rows, sorted(row["model_response"] for row in table.rows), strict=True):
            row["model_response"] = response

    edit(runs / "answers.csv", sort)
    assert grace("validate", runs / "answers.run", *LOW_MASS).code == 1
    assert failed_in(runs / "answers_quality") == {("ledger", "answers"), ("stale", "structured")}


def test_a_changed_input_cell_is_found_by_the_ledger_too(runs: Path, grace: Command) -> None:
    edit(runs / "scores.csv", lambda table: table.rows[2].update({table.columns[2]: "another"}))
    done = grace("validate", runs / "scores.run", *LOW_MASS)
    assert failed_in(runs / "scores_quality") == {
        ("ledger", "scores"),
        ("rows_unexpected", "scores"),
        ("rows_missing", "scores"),
    }
    assert "row 3 " in done.out
    assert "is 'another'; the ledger says" in done.out


def test_numbers_as_other_programs_write_them_are_the_same(runs: Path, grace: Command) -> None:
    def reprint(table: Table) -> None:
        for row in table.rows:
            for name in table.columns:
                if name.startswith(("label_mass", "residual", "entropy", "prob_")) and row[name]:
                    row[name] = f"{float(row[name]):.15e}"

    edit(runs / "scores.csv", reprint)
    done = grace("validate", runs / "scores.run", *LOW_MASS)
    assert done.code == 0, done


def test_a_column_that_only_the_ledger_has_is_named(runs: Path, grace: Command) -> None:
    edit(runs / "answers.csv", lambda table: table.columns.remove("model_reasoning"))
    done = grace("validate", runs / "answers.run", *LOW_MASS)
    assert failed_in(runs / "answers_quality") == {("ledger", "answers")}
    assert "model_reasoning: the column is not there; the ledger has it" in done.out


def test_a_ledger_that_cannot_be_read_is_a_finding(runs: Path, grace: Command) -> None:
    ledger = runs / "scores.run" / "ledger.jsonl"
    ledger.write_text("no record\n" + ledger.read_text())
    done = grace("validate", runs / "answers.run", *LOW_MASS)
    assert failed_in(runs / "answers_quality") == {("ledger", "scores")}
    assert f"{ledger}, line 1: is not a record" in done.out
    ledger.unlink()
    grace("validate", runs / "answers.run", *LOW_MASS)
    assert failed_in(runs / "answers_quality") == {("ledger", "scores")}


def test_more_answers_in_the_ledger_than_in_the_table(runs: Path, grace: Command) -> None:
    edit(runs / "answers.csv", lambda table: table.rows[5].update(model_response="", error="not asked yet"))
    done = grace("validate", runs / "answers.run", *LOW_MASS)
    assert {("ledger", "answers"), ("errors", "answers")} <= failed_in(runs / "answers_quality")
    assert "row 6 error: is 'not asked yet'; the ledger says ''" in done.out


# Values and the answers that they were read in


def test_answers_that_came_after_the_extraction_make_it_stale(runs: Path, study: str, grace: Command) -> None:
    edit(runs / "answers.csv", lambda table: table.rows[6].update(model_response=said(study, 90)))
    (runs / "structured.run" / "ledger.jsonl").unlink(missing_ok=True)
    files = [runs / f"{name}.csv" for name in ("answers", "structured")]
    for arguments in ((runs / "answers.run",), (*files, "--input", runs / "trials.csv"), files):
        assert grace("validate", *arguments, *LOW_MASS).code == 1
        assert ("stale", "structured") in failed_in(runs / "answers_quality")
    done = grace("validate", files[1], *LOW_MASS)
    assert done.code == 0, done
    assert why(runs / "structured_quality", "stale", "structured") == "there is no table of answers to compare with"


def test_values_are_compared_with_the_answers_that_fit_best(tmp_path: Path, grace: Command) -> None:
    made = experiment("study1", tmp_path)
    files = made.write("answers", "structured")
    made.answers.path = tmp_path / "warmer.csv"
    for number, row in enumerate(made.answers.rows):  # the same trials and seeds, asked in another way
        row["model_response"] = said("study1", number + 200)
    for several in ((*files, made.answers.write()), (made.answers.path, *files)):
        done = grace("validate", *several, "--out", tmp_path / "q")
        assert status(tmp_path / "q", "stale", "structured") == "passed", done


def test_values_are_read_again_without_the_ledger(runs: Path, grace: Command) -> None:
    """Values of another row are fine values, and only the answer beside them tells."""

    def shift(table: Table) -> None:
        first = table.columns.index("model_reasoning") + 1
        values = [{name: row[name] for name in table.columns[first:]} for row in table.rows]
        for row, moved in zip(table.rows, values[1:] + values[:1], strict=True):
            row.update(moved)

    edit(runs / "structured.csv", shift)
    assert grace("validate", runs / "structured.csv", "--input", runs / "trials.csv").code == 1
    assert failed_in(runs / "structured_quality") == {("reread", "structured")}


def test_numbers_are_read_again_as_numbers(tmp_path: Path, grace: Command) -> None:
    made = experiment("study1", tmp_path)
    for row in made.structured.rows:
        row.update(probability_1="20.0", probability_2="3e1", Prior_A=f"{row['Prior_A']}.0")
    assert grace("validate", made.structured.write()).code == 0
    for row in made.structured.rows:
        row.update(probability_1="1")
        row["extraction_method"] = "model"  # of what a model or a person said the rules know nothing
    done = grace("validate", made.structured.write(), "--threshold", "percentage_sum=1")
    assert done.code == 0, done
    assert why(tmp_path / "structured_quality", "reread", "structured") == "no row was read by rules alone"


@pytest.mark.parametrize("annotated", [False, True], ids=["plain", "annotated"])
def test_values_in_a_merged_table_are_read_again(tmp_path: Path, grace: Command, annotated: bool) -> None:
    made = experiment("study1", tmp_path)
    table = merged(made, tmp_path)
    if annotated:
        table.columns.insert(3, "Prior_A_input")
        for row in table.rows:
            row["Prior_A_input"] = "2"
    done = grace("validate", table.write())
    assert done.code == 0, done
    one, other = table.rows[3], table.rows[4]
    one["Prior_A"], other["Prior_A"] = other["Prior_A"], one["Prior_A"]
    assert grace("validate", table.write()).code == 1
    assert failed_in(tmp_path / "merged_quality") == {("reread", "merged")}


def test_without_the_answers_values_are_not_read_again(tmp_path: Path, grace: Command) -> None:
    made = experiment("study1", tmp_path)
    made.structured.columns.remove("model_response")
    grace("validate", made.structured.write())
    told = why(tmp_path / "structured_quality", "reread", "structured")
    assert told == "the table has no column of answers to read again"


def test_a_merged_table_without_probabilities_may_hold_several_models(tmp_path: Path, grace: Command) -> None:
    made = experiment("study1", tmp_path)
    table = made.structured
    table.rows += [row | {"model_name": "other"} for row in table.rows]
    assert grace("validate", table.write()).code == 1
    assert ("models", "structured") in failed_in(tmp_path / "structured_quality")
    table.columns += ["row_id", "quality_flags"]
    done = grace("validate", table.write())
    assert done.code == 0, done
    assert {one["table"] for one in report_in(tmp_path / "structured_quality")["checks"]} == {"merged"}


# Tables that are not there, or cannot be read


@pytest.mark.parametrize("name", ["answers", "structured", "scores"])
def test_a_table_that_is_gone_is_a_finding(runs: Path, grace: Command, name: str) -> None:
    (runs / f"{name}.csv").unlink()
    done = grace("validate", runs / "answers.run", *LOW_MASS)
    assert done.code == 1
    assert failed_in(runs / "answers_quality") == {("table", name)}
    assert f"{runs / f'{name}.csv'} is not there" in done.out
    assert f"`grace export {runs / f'{name}.run'}` makes the table again" in done.out


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "is empty"),
        ("a,b\n1,2,3\n", "has 3 cells"),
        ("a,a\n1,2\n", "appears twice"),
        (None, "has a header and no rows"),
    ],
)
def test_a_table_that_cannot_be_read_is_a_finding(runs: Path, grace: Command, content: str | None, says: str) -> None:
    path = runs / "scores.csv"
    path.write_text(path.read_text().split("\n")[0] + "\n" if content is None else content)
    done = grace("validate", runs / "scores.run")
    assert done.code == 1
    assert failed_in(runs / "scores_quality") == {("table", "scores")}
    assert says in done.out


def test_runs_that_were_never_made_are_told(runs: Path, grace: Command) -> None:
    for name in ("structured", "scores"):
        shutil.rmtree(runs / f"{name}.run")
    done = grace("validate", runs / "answers.run")
    assert done.code == 0, done
    assert "- table (structured): not checked: no run of `grace extract` is beside it" in done.out
    assert "- table (scores): not checked: no run of `grace score` is beside it" in done.out


def test_parquet_is_checked_as_csv_is(runs: Path, study: str, grace: Command) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    assert grace("export", runs / "scores.run", "--output", runs / "copy.parquet").code == 0
    done = grace("validate", runs / "copy.parquet", "--input", runs / "trials.csv", *LOW_MASS)
    assert done.code == 0, done
    table = parquet.read_table(runs / "copy.parquet").to_pydict()
    table["model_name"][3] = None
    parquet.write_table(__import__("pyarrow").table(table), runs / "copy.parquet")
    done = grace("validate", runs / "copy.parquet", "--input", runs / "trials.csv", *LOW_MASS)
    assert done.code == 1
    assert failed_in(runs / "copy_quality") == {("missing_values", "scores")}
    (runs / "copy.parquet").write_bytes(b"PAR1 not at all")
    done = grace("validate", runs / "copy.parquet", "--input", runs / "trials.csv")
    assert done.code == 2
    assert f"{runs / 'copy.parquet'}: cannot be read as Parquet" in done.err


def test_the_parquet_table_of_a_run_is_compared_with_its_ledger(runs: Path, study: str, grace: Command) -> None:
    pytest.importorskip("pyarrow")
    manifest = runs / "scores.run" / "run.json"
    manifest.write_text(manifest.read_text().replace('"output": "scores.csv"', '"output": "scores.parquet"'))
    assert grace("export", runs / "scores.run", "--output", runs / "scores.parquet").code == 0
    (runs / "scores.csv").unlink()
    done = grace("validate", runs / "scores.run", *LOW_MASS)
    assert done.code == 0, done
    assert status(runs / "scores_quality", "ledger", "scores") == "passed"
    assert report_in(runs / "scores_quality")["tables"][-1]["file"] == str(runs / "scores.parquet")


# Which runs, which files


def test_several_runs_each_have_their_report(runs: Path, grace: Command) -> None:
    done = grace("validate", runs / "answers.run", runs / "scores.run", *LOW_MASS)
    assert done.code == 0, done
    assert not (runs / "scores_quality").exists()  # they belong together
    other = runs / "other"
    other.mkdir()
    shutil.copytree(runs / "scores.run", other / "more.run")
    manifest = other / "more.run" / "run.json"
    manifest.write_text(manifest.read_text().replace('"scores.csv"', '"more.csv"'))
    done = grace("validate", runs / "answers.run", other / "more.run", *LOW_MASS)
    assert done.code == 1
    assert failed_in(other / "more_quality") == {("table", "scores")}
    assert (runs / "answers_quality").exists()
    done = grace("validate", runs / "answers.run", other / "more.run", "--out", other / "x")
    assert (done.code, "each gets its own report" in done.err) == (2, True)


def test_the_scores_that_are_meant_can_be_chosen(runs: Path, grace: Command) -> None:
    shutil.copytree(runs / "scores.run", runs / "again.run")
    done = grace("validate", runs / "answers.run", *LOW_MASS)
    assert done.code == 2
    assert "--scores" in done.err
    done = grace("validate", runs / "answers.run", "--scores", runs / "scores.run", "--out", runs / "q", *LOW_MASS)
    assert done.code == 0, done
    assert (runs / "q" / "quality.html").exists()
    done = grace("validate", runs / "answers.run", "--scores", runs / "structured.run")
    assert (done.code, "not 'score'" in done.err) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "give a run's folder"),
        (("answers.run", "answers.csv"), "give either runs or files"),
        (("nothing.run",), "is not a run"),
        (("nothing.csv",), "cannot be read"),
        (("trials.csv",), "has no column of answers, values or probabilities"),
        (("answers.csv", "trials.csv", "--input", "trials.csv"), "give just one"),
        (("answers.run", "--input", "trials.csv"), "go with FILES"),
        (("answers.run", "--study", "study1"), "go with FILES"),
        (("answers.csv", "--scores", "scores.run"), "go with a RUN"),
        (("answers.csv", "--threshold", "truncated"), "is not NAME=VALUE, such as truncated=0.1"),
        (("answers.csv", "--threshold", "truncated=much"), "is not NAME=VALUE"),
        (("answers.csv", "--threshold", "truncatd=0.1"), "no threshold 'truncatd' (did you mean 'truncated'?)"),
        (("answers.csv", "--threshold", "truncated=1.5"), "truncated is 1.5; it must be from 0 to 1"),
        (("answers.csv", "--threshold", "errors=-1"), "errors is -1; it must be 0 or more"),
        (("answers.csv", "--threshold", "errors=nan"), "errors is nan; it must be 0 or more"),
        (("answers.run", "--out", "trials.csv"), "cannot be written"),
        (("answers.run", "--out", "scores.run"), "is inside the run"),
    ],
)
def test_wrong_input_is_refused(runs: Path, grace: Command, arguments: tuple[str, ...], says: str) -> None:
    named = [str(runs / part) if re.search(r"\.(csv|run)$", part) else part for part in arguments]
    done = grace("validate", *named)
    assert done.code == 2, done
    assert done.out == ""
    assert says in done.err
    assert "Traceback" not in done.err


def test_files_of_no_study_need_one(tmp_path: Path, grace: Command) -> None:
    path = tmp_path / "odd.csv"
    path.write_text("a,b\n1,2\n")
    done = grace("validate", path)
    assert (done.code, "elsewhere --study FILE.yaml" in done.err) == (2, True)


# Files


def test_without_an_input_what_needs_it_is_visibly_not_checked(tmp_path: Path, grace: Command) -> None:
    made = experiment("study1", tmp_path)
    done = grace("validate", *made.write())
    assert done.code == 0, done
    folder = tmp_path / "answers_quality"
    for check in ("rows_missing", "rows_unexpected"):
        assert why(folder, check, "answers") == "no --input to compare with"
        assert f"- {check} (scores): not checked: no --input to compare with" in done.out
    assert status(folder, "rows_duplicate", "answers") == "passed"
    assert status(folder, "rows_duplicate", "scores") == "not checked"
    made.answers.rows.append(dict(made.answers.rows[3]))
    assert grace("validate", made.answers.write()).code == 1
    assert ("rows_duplicate", "answers") in failed_in(folder)


def test_conditions_that_are_gone_show_without_an_input(tmp_path: Path, grace: Command) -> None:
    made = experiment("study1", tmp_path)
    made.answers.rows = [row for row in made.answers.rows if row["observe"] != "3"]
    done = grace("validate", made.answers.write())
    assert failed_in(tmp_path / "answers_quality") == {("balance", "answers")}
    assert "access 3, observe 3: has no row at all" in done.out


def test_tables_of_one_kind_are_told_apart(tmp_path: Path, grace: Command) -> None:
    made = experiment("study1", tmp_path)
    made.write()
    second = scores("study1", made.trials, tmp_path, seed=2)
    second.path = tmp_path / "more.csv"
    done = grace("validate", made.scores.path, second.write(), "--input", made.trials.path)
    assert done.code == 0, done
    assert {one["table"] for one in report_in(tmp_path / "scores_quality")["checks"]} == {
        "scores (scores.csv)",
        "scores (more.csv)",
    }


def test_a_merged_table_of_several_models(tmp_path: Path, grace: Command) -> None:
    made = experiment("study2", tmp_path)
    made.write()
    table = merged(made, tmp_path)
    table.rows += [row | {"model_name": "other"} for row in table.rows]
    done = grace("validate", table.write(), "--input", made.trials.path)
    assert done.code == 0, done
    assert report_in(tmp_path / "merged_quality")["models"] == ["table", "other"]
    for row in table.rows[50:54]:
        row["finish_reason"] = "length"
    done = grace("validate", table.write(), "--input", made.trials.path)
    assert failed_in(tmp_path / "merged_quality") == {("truncated", "merged")}
    assert "- truncated (merged): 0.0833 (other), at most 0.05" in done.out
    del table.rows[60]
    done = grace("validate", table.write(), "--input", made.trials.path)
    assert done.code == 1
    assert "(model_name other, replication 1) is not there" in done.out


def test_a_table_with_no_rows_is_not_good_enough(tmp_path: Path, grace: Command) -> None:
    made = experiment("study1", tmp_path)
    made.answers.rows.clear()
    done = grace("validate", made.answers.write(), "--input", made.trials.write())
    assert done.code == 1
    assert f"{made.answers.path} has a header and no rows" in done.out


def test_a_table_that_is_all_errors(tmp_path: Path, grace: Command) -> None:
    made = experiment("study1", tmp_path)
    empty = ("model_response", "response_timestamp", "processing_time_ms", "finish_reason", "prompt_tokens")
    for row in made.answers.rows:
        row.update(dict.fromkeys(empty, ""), completion_tokens="", error="http 500: no memory")
    probabilities = [name for name in made.scores.columns if "prob" in name or "mass" in name or "entropy" in name]
    for row in made.scores.rows:
        row.update(dict.fromkeys([*probabilities, *made.scores.columns[-9:]], "") | {"error": "not asked yet"})
        row.update({name: "" for name in made.scores.columns if name.startswith(("state", "residual"))})
    done = grace("validate", *made.write("answers", "scores"), "--input", made.trials.path)
    assert done.code == 1
    folder = tmp_path / "answers_quality"
    assert failed_in(folder) == {("errors", "answers"), ("errors", "scores")} | (
        {("missing_values", "scores")} & failed_in(folder)
    )
    for check in ("truncated", "refusals", "duplicate_answers"):
        assert status(folder, check, "answers") == "not checked"
    for check in ("label_mass", "uniform"):
        assert (status(folder, check, "scores"), why(folder, check, "scores")) == ("not checked", "no row to look at")


def test_text_of_all_the_world(tmp_path: Path, grace: Command) -> None:
    made = experiment("study1", tmp_path)
    made.trials.rows[0]["story_setup"] = "Ωμέγα 日本語 🦉 \u2067ایران\u2069 e\u0301"
    for table in made.outputs:
        for row in table.rows[: 2 if table is not made.scores else 1]:
            row["story_setup"] = made.trials.rows[0]["story_setup"]
    made.answers.rows[0]["model_response"] = "Érdekes 🦉 日本"
    made.structured.rows[0].update(model_response="Érdekes 🦉 日本", extraction_method="human")
    made.answers.rows[0]["finish_reason"] = "length"
    done = grace("validate", *made.write(), "--input", made.trials.path)
    assert done.code == 0, done
    flagged = read_rows(tmp_path / "answers_quality" / "review.csv")
    assert [row["model_response"] for row in flagged] == ["Érdekes 🦉 日本"]
    assert "Érdekes 🦉 日本" in Page(tmp_path / "answers_quality" / "quality.html").text


def test_a_study_of_ones_own_without_extraction(tmp_path: Path, grace: Command) -> None:
    path = tmp_path / "colours.yaml"
    path.write_text(OWN)
    study = parse_study(OWN.encode(), "colours.yaml")
    given = Table(tmp_path / "trials.csv", ["thing", "shade", "note"])
    given.rows = [{"thing": f"thing {n}", "shade": ("light", "dark")[n % 2], "note": "=1+1"} for n in range(8)]
    table = scores(study, given, tmp_path)
    arguments = ("--input", given.write(), "--study", path)
    done = grace("validate", table.write(), *arguments)
    assert done.code == 0, done
    assert "refusals" not in done.out
    table.rows[1]["prob_right_yes"] = "2"
    table.rows[2]["shade"] = "red"
    done = grace("validate", table.write(), *arguments)
    assert done.code == 1
    assert {"schema", "range", "probability_sum", "rows_unexpected"} <= {
        name for name, _ in failed_in(tmp_path / "scores_quality")
    }


def test_a_field_that_the_input_has_too_keeps_its_name_there(tmp_path: Path, grace: Command) -> None:
    made = experiment("study1", tmp_path)
    for table in (made.trials, made.answers, made.structured):
        name = "Prior_A_input" if table is made.structured else "Prior_A"
        table.columns.insert(9, name)
        for row in table.rows:
            row[name] = row["Prior_A"] if table is made.trials and "Prior_A" in row else "2"
    done = grace("validate", *made.write("answers", "structured"), "--input", made.trials.path)
    assert done.code == 0, done
    made.structured.rows[0]["Prior_A_input"] = "3"
    assert grace("validate", *made.write("answers", "structured"), "--input", made.trials.path).code == 1
    assert ("rows_unexpected", "structured") in failed_in(tmp_path / "answers_quality")


# Seeds and draws


def test_answers_drawn_at_temperature_0_may_repeat(
    made: tuple[str, Path], runs: Path, study: str, grace: Command
) -> None:
    if study == "study2":
        pytest.skip("its answers are short")

    def repeat(table: Table) -> None:
        for row in table.rows:
            row["model_response"] = said(study, 1) + " and nothing more than that"

    edit(runs / "answers.csv", repeat)
    grace("validate", runs / "answers.run", *LOW_MASS)
    assert ("duplicate_answers", "answers") in failed_in(runs / "answers_quality")
    manifest = runs / "answers.run" / "run.json"
    manifest.write_text(re.sub(r'"temperature": 0\.8', '"temperature": 0.0', manifest.read_text()))
    grace("validate", runs / "answers.run", "--scores", runs / "scores.run", *LOW_MASS)
    assert "temperature is 0" in why(runs / "answers_quality", "duplicate_answers", "answers")


def drawn(study: str, folder: Path, draws: int, stimuli: int = 24) -> Table:
    """A table of answers with so many draws of each of some stimuli."""
    return answers(study, trials(study, folder, stimuli), folder, draws)


def test_a_model_that_is_sure_of_itself_may_repeat_long_answers(tmp_path: Path, grace: Command) -> None:
    table = drawn("study1", tmp_path, 8)
    for number, row in enumerate(
        table.rows
    ):  # nine of ten stimuli have one answer, in the others a single draw differs
        row["model_response"] = said("study1", number // 8 + (number % 80 == 7))
    assert grace("validate", table.write()).code == 0
    found = next(
        one for one in report_in(tmp_path / "answers_quality")["checks"] if one["check"] == "duplicate_answers"
    )
    assert (found["status"], found["looked_at"], found["flagged"]) == ("passed", 24, 21)
    for number, row in enumerate(table.rows):
        row["model_response"] = said("study1", number // 8)
    assert grace("validate", table.write()).code == 1
    assert failed_in(tmp_path / "answers_quality") == {("duplicate_answers", "answers")}


@pytest.mark.parametrize(
    ("draws", "stimuli", "differ", "verdict"),
    [
        (5, 24, 0, "failed"),  # nothing ever differs: the seed is ignored
        (5, 24, 1, "not checked"),
        (5, 24, 6, "passed"),
        (4, 24, 0, "not checked"),
        (5, 12, 0, "not checked"),
    ],
)
def test_short_answers_that_repeat_tell_little(
    tmp_path: Path, grace: Command, draws: int, stimuli: int, differ: int, verdict: str
) -> None:
    table = drawn("study2", tmp_path, draws, stimuli)
    for number, row in enumerate(table.rows):
        row["model_response"] = "It was bad." if number % draws == 0 and number // draws < differ else "It was good."
    grace("validate", table.write())
    assert status(tmp_path / "answers_quality", "duplicate_answers", "answers") == verdict


@pytest.mark.parametrize("column", ["temperature", "protocol", "model_revision", "answers_run"])
def test_a_model_that_was_asked_in_two_ways_has_no_row_twice(tmp_path: Path, grace: Command, column: str) -> None:
    made = experiment("study1", tmp_path)
    table = merged(made, tmp_path)
    table.columns.append(column)
    for row in table.rows:
        row[column] = "0.7"
    table.rows += [row | {column: "1.0"} for row in table.rows]
    for arguments in ((), ("--input", made.trials.write())):
        done = grace("validate", table.write(), *arguments)
        assert done.code == 0, done
    for row in table.rows:
        row[column] = "0.7"
    grace("validate", table.write(), "--input", made.trials.path)
    assert {("rows_duplicate", "merged"), ("seeds", "merged")} <= failed_in(tmp_path / "merged_quality")


def test_rows_of_temperature_0_in_a_merged_table_may_repeat(tmp_path: Path, grace: Command) -> None:
    table = merged(experiment("study1", tmp_path), tmp_path)
    table.columns.append("temperature")
    for number, row in enumerate(table.rows):
        row.update(temperature="0.0", model_response=said("study1", number // 2), extraction_method="model")
    grace("validate", table.write())
    assert status(tmp_path / "merged_quality", "duplicate_answers", "merged") == "not checked"


# Tables of somebody's own


def test_a_table_of_ones_own_needs_no_columns_of_grace(tmp_path: Path, grace: Command) -> None:
    made = experiment("study2", tmp_path)
    own = Table(tmp_path / "own.csv", [*made.trials.columns, "model_response"], made.answers.rows)
    assert grace("extract", "study2", "--input", own.write(), "--output", tmp_path / "values.csv").code == 0
    for what in ("values.run", "values.csv"):
        done = grace("validate", tmp_path / what)
        assert done.code == 0, done
    edit(tmp_path / "values.csv", lambda table: table.columns.remove("LS_Name"))
    assert grace("validate", tmp_path / "values.run").code == 1
    assert ("columns", "structured") in failed_in(tmp_path / "values_quality")


# Error messages


@pytest.mark.parametrize(
    "text",
    [
        "Error bars would be large",
        "There is an error in the question: it names no one",
        "Errors happen, so 429 is a guess",
        "In 500 cases it was good",
        "HTML pages are fine: <html> is a tag",
    ],
)
def test_an_answer_about_errors_is_no_error_message(text: str) -> None:
    assert not is_error(text)


# Interrupted


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_an_interrupt_ends_it_with_a_message(tmp_path: Path, sent: signal.Signals) -> None:
    made = experiment("study1", tmp_path)
    made.answers.rows *= 2000
    command = [sys.executable, "-m", "grace", "validate", str(made.answers.write())]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    process.stderr.readline()  # it has begun to read
    process.send_signal(sent)
    out, err = process.communicate(timeout=HANG)
    assert (process.returncode, out) == (130, "")
    assert err.splitlines()[-1] == "grace: interrupted; no file is half written"
    assert not (tmp_path / "answers_quality").exists()


def test_some_seeds_that_meet_by_chance_do_no_harm(tmp_path: Path, grace: Command) -> None:
    made = experiment("study1", tmp_path)
    made.answers.rows[5]["seed"] = made.answers.rows[9]["seed"]
    made.write()
    assert grace("validate", made.answers.path, "--threshold", "seeds=0.05").code == 0
    assert grace("validate", made.answers.path).code == 1
    assert failed_in(tmp_path / "answers_quality") == {("seeds", "answers")}


# Thresholds


def test_thresholds_of_the_study_come_before_the_defaults_and_after_the_commands() -> None:
    study = parse_study((OWN + "quality: {truncated: 0.2, seeds: 0.5}\n").encode(), "colours.yaml")
    assert thresholds_of(study) == DEFAULTS | {"truncated": 0.2, "seeds": 0.5}
    assert thresholds_of(study, {"truncated": 0.3}) == DEFAULTS | {"truncated": 0.3, "seeds": 0.5}


def test_thresholds_of_a_study_file_decide(tmp_path: Path, grace: Command) -> None:
    path = tmp_path / "colours.yaml"
    given = Table(tmp_path / "trials.csv", ["thing", "shade"], [{"thing": "a", "shade": "dark"}])
    table = scores(parse_study(OWN.encode(), "colours.yaml"), given, tmp_path)
    table.rows[0]["label_mass_right"] = 0.4
    arguments = ("validate", table.write(), "--input", given.write(), "--study", path)
    path.write_text(OWN)
    assert grace(*arguments).code == 1
    path.write_text(OWN + "quality: {label_mass_low: 0.3}\n")
    assert grace(*arguments).code == 0
    assert grace(*arguments, "--threshold", "label_mass_low=0.45").code == 1
    path.write_text(OWN + "quality: {label_mas: 0.3}\n")
    done = grace(*arguments)
    assert done.code == 2
    assert "colours: quality: no threshold 'label_mas' (did you mean 'label_mass'?)" in done.err


def test_the_thresholds_can_be_listed(grace: Command) -> None:
    done = grace("validate", "--show-thresholds")
    assert done.code == 0
    for name, default in DEFAULTS.items():
        assert re.search(rf"^{name} +{re.escape(f'{default:g}')} ", done.out, re.MULTILINE), name


def test_few_values_need_people(tmp_path: Path, grace: Command) -> None:
    made = experiment("study2", tmp_path)
    for row in made.structured.rows[:3]:
        row.update(Assessment="", extraction_errors="Assessment: not said", extraction_method="human")
    files = made.write("answers", "structured")
    balance = ("--threshold", "balance=1")
    done = grace("validate", *files, *balance)
    assert failed_in(tmp_path / "answers_quality") == {("extracted", "structured")}
    assert "manual review" not in done.out
    done = grace("validate", *files, *balance, "--threshold", "extracted_review=0.94")
    assert "Next: a manual review is needed: `grace review RUN`" in done.out


# Hostile text

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    '=HYPERLINK("http://evil.example","look")',
    "+1+cmd|' /C calc'!A0",
    "@SUM(1+1)",
    "\t=1+1",
    "{{ 7 * 7 }}{% for x in y %}",
    "bell \x07 escape \x1b[31m red \u202e turned",
    "</pre></td></table><h1>Good enough</h1>",
]


def test_hostile_text_is_harmless(tmp_path: Path, grace: Command) -> None:
    made = experiment("study1", tmp_path)
    for number, text in enumerate(HOSTILE):
        made.answers.rows[number].update(model_response=text, model_name=text, finish_reason="length", error=text)
        made.answers.rows[20 + number].update(model_response=text, access=text)
    made.trials.rows[0]["story_setup"] = HOSTILE[0]
    made.trials.columns.append("=1+1")
    done = grace("validate", *made.write(), "--input", made.trials.path)
    assert done.code == 1
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\u202e]", done.out)
    page = Page(tmp_path / "answers_quality" / "quality.html")
    assert {"script", "img", "link", "iframe", "object", "form", "a"}.isdisjoint(page.tags)
    assert page.tags.count("h1") == 1
    assert not [name for name, _ in page.attributes if name.startswith("on") or name in ("src", "href")]
    assert "<script>alert(1)</script>" in page.text
    assert "{{ 7 * 7 }}" in page.text
    raw = (tmp_path / "answers_quality" / "quality.html").read_text()
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\u202e]|https?://", raw.replace("http://evil.example", ""))
    assert html.escape(HOSTILE[0]) in raw
    with open(tmp_path / "answers_quality" / "review.csv", newline="", encoding="utf-8") as file:
        cells = [cell for row in csv.reader(file, strict=True) for cell in row]
    assert cells
    assert not [cell for cell in cells if cell.lstrip().startswith(("=", "+", "-", "@"))]
    assert not [cell for cell in cells if re.search(r"[\x00-\x08\x0b-\x1f\x7f\u202e]", cell)]


def test_a_page_that_everybody_can_read(runs: Path, grace: Command) -> None:
    plant(runs)
    grace("validate", runs / "answers.run")
    raw = (runs / "answers_quality" / "quality.html").read_text()
    page = Page(runs / "answers_quality" / "quality.html")
    assert ("lang", "en") in page.attributes
    assert page.tags.count("h1") == 1
    assert "h2" in page.tags
    assert page.tags.count("th") == raw.count("<th scope=")
    assert "✗ failed" in page.text
    assert "✓ passed" in page.text
    assert "default-src 'none'" in raw
    assert raw.index('class="verdict') < raw.index("<table")


# The files


def test_what_is_left_out_of_review_is_counted(tmp_path: Path) -> None:
    made = experiment("study1", tmp_path)
    for row in made.answers.rows:
        row["error"] = "http 500"
    report = validate_files([made.answers.write()], tmp_path / "q", {}, Lines(), made.trials.write(), keep=5)
    assert not report.ok
    rows = [row for row in read_rows(tmp_path / "q" / "review.csv") if row["check"] == "errors"]
    assert [row["row"] for row in rows] == ["1", "2", "3", "4", "5"]
    result = next(one for one in report_in(tmp_path / "q")["checks"] if one["check"] == "errors")
    assert (result["flagged"], result["flags"], result["flags_in_review"]) == (48, 48, 5)
    assert "43 more; review.csv has 5 of all" in Page(tmp_path / "q" / "quality.html").text


def test_review_has_the_trial_and_the_answer(tmp_path: Path, grace: Command) -> None:
    made = experiment("study1", tmp_path)
    made.answers.rows[3]["finish_reason"] = "length"
    made.answers.rows[3]["model_response"] = "x" * 5000
    del made.answers.rows[10]
    made.write()
    grace("validate", made.answers.path, "--input", made.trials.path)
    rows = {row["check"]: row for row in read_rows(tmp_path / "answers_quality" / "review.csv")}
    cut, gone = rows["truncated"], rows["rows_missing"]
    assert list(cut)[:5] == ["table", "row", "column", "check", "why"]
    assert list(cut)[5:] == [*made.trials.columns, "model_response"]
    assert (cut["table"], cut["row"], cut["column"], cut["check"]) == ("answers", "4", "finish_reason", "truncated")
    assert cut["story_shortname"] == made.trials.rows[1]["story_shortname"]
    assert cut["model_response"] == "x" * 4000 + "... (1,000 characters more)"
    assert (gone["row"], gone["check"], gone["participant_id"]) == (
        "",
        "rows_missing",
        made.trials.rows[5]["participant_id"],
    )


# Single rows


def test_flags_of_one_row_need_no_table(tmp_path: Path) -> None:
    study = load_study("study1")
    made = experiment("study1", tmp_path)
    table = merged(made, tmp_path)
    row = {name: str(table.rows[0].get(name, "")) or None for name in table.columns}
    assert RowChecks(Layout.of(study, row), thresholds_of(study)).flags([list(row.values())]) == [[]]
    row |= {"finish_reason": "length", "prob_state_0": "0.9", "scores_error": "state: x", "Knowledge_A": None}
    (flags,) = RowChecks(Layout.of(study, row), thresholds_of(study)).flags([list(row.values())])
    assert Flag("truncated", "finish_reason", "was cut off at the token limit") in flags
    assert {flag.check for flag in flags} == {
        "errors",
        "missing_values",
        "probability_sum",
        "derived_values",
        "truncated",
        "extracted",
    }


def test_help_has_examples(grace: Command) -> None:
    done = grace("validate", "--help")
    assert done.code == 0
    assert done.out[done.out.index("Examples:") :].count("  grace validate ") == 3
