"""Every check of `grace validate` on tables made by hand: good tables pass it, and each planted fault is found."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from conftest import ROOT, Command, read_rows
from grace.quality.checks import CHECKS
from grace.quality.review import LONGEST
from grace.quality.validate import KEEP
from quality_tables import Experiment, Table, experiment, merged, said

Change = Callable[[Table], None]


@dataclass(frozen=True)
class Fault:
    """A fault to plant: in which table, which check finds it, and what it says of it."""

    table: str
    check: str
    says: str
    change: Change
    study: str = "study1"
    where: str = ""

    @property
    def seen_in(self) -> str:
        """The table in which it shows, mostly that in which it is."""
        return self.where or self.table


def cell(row: int, **cells: object) -> Change:
    """Change cells of a row, 1 below the header."""
    return lambda table: table.rows[row - 1].update(cells)


def every(column: str, value: Callable[[int], object], step: int = 1) -> Change:
    """Change a cell in every row, or every so many."""

    def change(table: Table) -> None:
        for number in range(0, len(table.rows), step):
            table.rows[number][column] = value(number)

    return change


def swapped(one: str, other: str) -> Change:
    """Swap the cells of two columns."""

    def change(table: Table) -> None:
        for row in table.rows:
            row[one], row[other] = row[other], row[one]

    return change


def header(old: str, new: str) -> Change:
    """Give a column another name."""

    def change(table: Table) -> None:
        table.columns[table.columns.index(old)] = new
        for row in table.rows:
            row[new] = row.get(old, "")

    return change


def swapped_names(one: str, other: str) -> Change:
    """Swap the names of two columns, and leave their cells where they are."""

    def change(table: Table) -> None:
        place, another = table.columns.index(one), table.columns.index(other)
        table.columns[place], table.columns[another] = other, one
        swapped(one, other)(table)

    return change


def without(*rows: int) -> Change:
    def change(table: Table) -> None:
        table.rows = [row for number, row in enumerate(table.rows, 1) if number not in rows]

    return change


def repeated(row: int) -> Change:
    return lambda table: table.rows.append(dict(table.rows[row - 1]))


def shifted(*columns: str) -> Change:
    """Move the cells of some columns down by a row, the last to the top."""

    def change(table: Table) -> None:
        cells = [{name: row[name] for name in columns} for row in table.rows]
        for row, moved in zip(table.rows, cells[-1:] + cells[:-1], strict=True):
            row.update(moved)

    return change


def uniform(table: Table) -> None:
    for k in range(4):
        table.rows[5][f"prob_state_{k}"] = 0.25


def one_condition(table: Table) -> None:
    """Lose the answers of one condition."""
    for row in table.rows:
        if (row["access"], row["observe"]) == ("3", "2"):
            row.update(model_response="", error="http 500")


def no_values_in_one_condition(table: Table) -> None:
    for row in table.rows:
        if row["Goal"].endswith("accurate") and row["State"] == "2 hearts":
            row.update(Assessment="", extraction_errors="Assessment: not said")


REFUSAL = "I'm sorry, but I cannot answer this question."
UNREAD = {"Prior_A": "", "probability_0": "", "probability_1": "", "probability_2": "", "probability_3": ""}
LONG = said("study1", 0) + "\n" + "This is why. " * 5

FAULTS = [
    Fault("answers", "columns", "finish_reason: the column is missing", header("finish_reason", "reason")),
    Fault("answers", "columns", "speach: the column is missing", header("speach", "speech")),
    Fault("structured", "columns", "Prior_A: the column is missing", header("Prior_A", "prior")),
    Fault("scores", "columns", "state2_mean: the column is missing", header("state2_mean", "mean")),
    Fault("scores", "columns", "prob_knowledge_yes", swapped_names("prob_knowledge_yes", "prob_knowledge_no")),
    Fault("scores", "columns", "observe, access: are in another order", swapped_names("access", "observe")),
    Fault("answers", "rows_missing", r"row 2 of the input \(replication 1\) is not there", without(3, 20)),
    Fault("structured", "rows_missing", "row 2 of the input", without(3)),
    Fault("scores", "rows_missing", "row 24 of the input is not there", without(24)),
    Fault("answers", "rows_unexpected", "row 4 access: .*nearest row there, 2, differs in access", cell(4, access="1")),
    Fault("answers", "rows_unexpected", "replication: .*differs in replication", cell(2, replication="7")),
    Fault("scores", "rows_unexpected", "access, observe: .*differs in access, observe", swapped("access", "observe")),
    Fault("scores", "rows_unexpected", "priorQ, speachQ", swapped("priorQ", "speachQ")),
    Fault("structured", "rows_unexpected", "row 1", cell(1, story_setup="another story")),
    Fault("scores", "rows_unexpected", "Goal", cell(3, Goal="If nothing mattered"), "study2"),
    Fault("answers", "rows_duplicate", "row 49: is there more often than in the input", repeated(7)),
    Fault("scores", "rows_duplicate", "row 25", repeated(7)),
    Fault("structured", "rows_duplicate", "row 49", repeated(48)),
    Fault("answers", "empty_answers", "row 1 error: empty answer", every("error", lambda _: "empty answer", 10)),
    Fault("answers", "errors", "row 9 error: http 500", cell(9, error="http 500", model_response="")),
    Fault("scores", "errors", "row 2 error: state: no", cell(2, error="state: no")),
    Fault("answers", "missing_values", "row 9 model_response: is empty, and there is no", cell(9, model_response="")),
    Fault("answers", "missing_values", r"row 9 observe: is marked as missing \(NA\)", cell(9, observe="NA")),
    Fault("answers", "missing_values", "row 1 speachQ: is empty", cell(1, speachQ="")),
    Fault("answers", "missing_values", "row 3 seed: is empty", cell(3, seed="", error="x", model_response="")),
    Fault("structured", "missing_values", "extraction_errors does not say why", cell(8, Knowledge_A="")),
    Fault("structured", "missing_values", "extraction_method: is empty", cell(8, extraction_method="")),
    Fault("structured", "missing_values", "extraction_confidence: is empty", cell(8, extraction_confidence="")),
    Fault("scores", "missing_values", "row 4 prob_state_2: is empty", cell(4, prob_state_2="")),
    Fault("scores", "missing_values", "row 4 prob_state_2: is empty", cell(4, prob_state_2="NA", error="other: x")),
    Fault("scores", "missing_values", "row 4 entropy_joint: is empty", cell(4, entropy_joint=""), "study2"),
    Fault("answers", "schema", "row 5 prompt_tokens: 'many' is not a number", cell(5, prompt_tokens="many")),
    Fault("answers", "schema", "row 5 replication: '1.5' is not a whole number", cell(5, replication="1.5")),
    Fault("answers", "schema", r"row 5 access: '4' is outside the design", cell(5, access="4")),
    Fault("structured", "schema", "Knowledge_A: 'maybe' is not one of yes, no", cell(5, Knowledge_A="maybe")),
    Fault("structured", "schema", "Knowledge_A: 'Yes' should be written 'yes'", cell(5, Knowledge_A="Yes")),
    Fault("structured", "schema", "Prior_A: '1.5' is not a whole number", cell(5, Prior_A="1.5")),
    Fault("structured", "schema", "extraction_method: 'magic' is not one of", cell(5, extraction_method="magic")),
    Fault("structured", "schema", "Assessment: 'fine' is not one of", cell(5, Assessment="fine"), "study2"),
    Fault("scores", "schema", "state0_prob_10: 'nan' is not a number", cell(5, state0_prob_10="nan")),
    Fault("scores", "range", "state0_prob_10: is 1.5, not from 0 to 1", cell(5, state0_prob_10="1.5")),
    Fault("scores", "range", "state0_prob_10: is -0.2, not from 0 to 1", cell(5, state0_prob_10="-0.2")),
    Fault("scores", "range", "label_mass_state: is 1.01, not from 0 to 1", cell(5, label_mass_state="1.01")),
    Fault("scores", "range", "residual_state: is -1, not from 0 to 1", cell(5, residual_state="-1")),
    Fault("scores", "range", "entropy_knowledge: is 1.2, not from 0 to 1", cell(5, entropy_knowledge="1.2")),
    Fault("scores", "range", "state1_entropy: is 3.47, not from 0 to 3.459", cell(5, state1_entropy="3.47")),
    Fault("scores", "range", "state1_mean: is 100.5, not from 0 to 100", cell(5, state1_mean="100.5")),
    Fault("scores", "range", "state1_std: is 51, not from 0 to 50", cell(5, state1_std="51")),
    Fault("scores", "range", "entropy_frame: is 1.5, not from 0 to 1", cell(5, entropy_frame="1.5"), "study2"),
    Fault("structured", "range", "probability_1: is 120, not from 0 to 100", cell(5, probability_1="120")),
    Fault("structured", "range", "Prior_A: is 4, not from 0 to 3", cell(5, Prior_A="4")),
    Fault("structured", "range", "extraction_confidence: is 2, not from 0 to 1", cell(5, extraction_confidence="2")),
    Fault("answers", "range", "completion_tokens: is -3, not 0 or more", cell(5, completion_tokens="-3")),
    Fault("scores", "probability_sum", "prob_state_0 to prob_state_3: sum to", cell(5, prob_state_0="0.9")),
    Fault("scores", "probability_sum", "prob_was to prob_wasnt: sum to", cell(5, prob_was="0.01"), "study2"),
    Fault("structured", "percentage_sum", "sum to 1[0-9]+, not 100", every("probability_3", lambda _: 99, 10)),
    Fault("scores", "derived_values", "state0_mean: is .*give", swapped("state0_prob_0", "state0_prob_100")),
    Fault("scores", "derived_values", "state0_std", swapped("state0_std", "state1_std")),
    Fault("scores", "derived_values", "prob_good: is", swapped("prob_good", "prob_bad"), "study2"),
    Fault("scores", "derived_values", "entropy_frame: is", cell(5, entropy_frame="0.5"), "study2"),
    Fault("structured", "stale", "row 1 model_response: .* changed since the extraction", shifted("model_response")),
    Fault("answers", "stale", "row 5 .*changed since", cell(5, model_response=said("study1", 77)), where="structured"),
    Fault("structured", "stale", "row 4 .*no such row", cell(4, seed="12345"), "study2"),
    Fault("structured", "stale", "row 7 of the answers' table is not there", without(7)),
    Fault("structured", "reread", "row 1 .*Prior_A: is '3'; the rules read '0'", shifted(*UNREAD, "Knowledge_A")),
    Fault("structured", "reread", "row 5 .*probability_1: is '21'", cell(5, probability_1="21")),
    Fault("structured", "reread", "row 5 .*Assessment: is '", shifted("Assessment"), "study2"),
    Fault("structured", "reread", "rules read nothing", cell(5, model_response="", error="http 500")),
    Fault("answers", "models", "row 5 model_name: is 'other'; row 1 has 'table'", cell(5, model_name="other")),
    Fault("structured", "models", "row 5 model_name: is 'other'", cell(5, model_name="other")),
    Fault("scores", "models", "row 5 model_name: is 'other'", cell(5, model_name="other")),
    Fault("answers", "truncated", "finish_reason: was cut off", every("finish_reason", lambda _: "length", 10)),
    Fault("structured", "refusals", "model_response: declines", lambda table: _refuse(table)),
    Fault("answers", "error_texts", "row 3 model_response: is an error", cell(3, model_response="Error: no memory")),
    Fault("answers", "error_texts", "row 3", cell(3, model_response='{"error": {"message": "overloaded"}}')),
    Fault("answers", "error_texts", "row 3", cell(3, model_response="Traceback (most recent call last):\n  File")),
    Fault("answers", "error_texts", "row 3", cell(3, model_response="HTTP 503 Service Unavailable")),
    Fault("answers", "error_texts", "row 3", cell(3, model_response="Internal Server Error")),
    *(
        Fault("answers", "error_texts", "row 3", cell(3, model_response=text))
        for text in (
            "ERROR",
            "[Error] request failed",
            "HTTPConnectionPool(host='x', port=80): Max retries exceeded with url: /v1",
            "<html>\n<head><title>502 Bad Gateway</title></head></html>",
            "HTTP 429 Too Many Requests",
        )
    ),
    Fault(
        "answers", "missing_values", r"row 9 model_response: is marked as missing \(NA\)", cell(9, model_response="NA")
    ),
    Fault("scores", "label_mass", "label_mass_state3: is 0.2, below 0.5", every("label_mass_state3", lambda _: 0.2, 8)),
    Fault("scores", "uniform", "prob_state_0 to prob_state_3: all answers have exactly", uniform),
    Fault("answers", "duplicate_answers", "equals, word for word,", every("model_response", lambda _: LONG)),
    Fault("answers", "seeds", "row 2 seed: has the seed of row 1", every("seed", lambda _: 7)),
    Fault("structured", "extracted", "Assessment: not said", lambda table: _leave_open(table), "study2"),
    Fault("structured", "extraction_doubt", "is 0.5, below 0.7", every("extraction_confidence", lambda _: 0.5, 9)),
    Fault("answers", "balance", "access 3, observe 2: 0 of 8 rows are usable", one_condition),
    Fault("structured", "balance", "State 2 hearts: 0 of", no_values_in_one_condition, "study2"),
]


def _refuse(table: Table) -> None:
    for row in table.rows[::10]:
        row.update(UNREAD, model_response=REFUSAL, Knowledge_A="", extraction_errors="the answer is a refusal")


def _leave_open(table: Table) -> None:
    for row in table.rows[::15]:
        row.update(Assessment="", extraction_errors="Assessment: not said")


@dataclass(frozen=True)
class Done:
    """A validation: how it ended, what it printed, and its results by check and table."""

    code: int
    out: str
    results: dict[tuple[str, str], dict[str, Any]]
    folder: Path

    def status(self, check: str, table: str) -> str:
        return str(self.results[check, table]["status"])

    @property
    def failed(self) -> set[tuple[str, str]]:
        return {name for name, result in self.results.items() if result["status"] == "failed"}


@pytest.fixture
def validate(grace: Command, tmp_path: Path) -> Callable[..., Done]:
    """`grace validate` on files."""

    def run(*arguments: object) -> Done:
        folder = tmp_path / "quality"
        done = grace("validate", *arguments, "--out", folder)
        assert done.code in (0, 1), done
        report = json.loads((folder / "quality.json").read_text())
        return Done(done.code, done.out, {(one["check"], one["table"]): one for one in report["checks"]}, folder)

    return run


@pytest.fixture(params=["study1", "study2"])
def both(request: pytest.FixtureRequest, tmp_path: Path) -> Experiment:
    return experiment(request.param, tmp_path)


@pytest.fixture
def first(tmp_path: Path) -> Experiment:
    return experiment("study1", tmp_path)


# Good tables


def test_good_tables_pass(both: Experiment, validate: Callable[..., Done], tmp_path: Path) -> None:
    done = validate(*both.write(), "--input", both.trials.path)
    assert done.code == 0, done.out
    assert done.failed == set()
    assert f"{both.study}: good enough (" in done.out.splitlines()[-1]
    assert (tmp_path / "quality" / "review.csv").read_text().count("\n") == 1


def test_every_check_passes_somewhere(validate: Callable[..., Done], first: Experiment) -> None:
    done = validate(*first.write(), "--input", first.trials.path)
    passed = {check for (check, _), result in done.results.items() if result["status"] == "passed"}
    assert passed == CHECKS.keys() - {
        "ledger",
        "records",
    }  # these need a run: tests/quality/test_validate.py, tests/faults


def test_a_merged_table_has_all_checks(validate: Callable[..., Done], first: Experiment, tmp_path: Path) -> None:
    first.write()
    done = validate(merged(first, tmp_path).write(), "--input", first.trials.path)
    assert done.code == 0, done.out
    assert {check for check, _ in done.results} == CHECKS.keys() - {"ledger", "records", "stale", "models"}
    assert {table for _, table in done.results} == {"merged"}


# Planted faults


@pytest.mark.parametrize(
    "fault", FAULTS, ids=[f"{number}-{fault.check}-{fault.table}" for number, fault in enumerate(FAULTS)]
)
def test_a_planted_fault_is_found(fault: Fault, validate: Callable[..., Done], tmp_path: Path) -> None:
    made = experiment(fault.study, tmp_path)
    fault.change(getattr(made, fault.table))
    done = validate(*made.write(), "--input", made.trials.path)
    assert done.code == 1, done.out
    assert (fault.check, fault.seen_in) in done.failed, done.out
    told = next(line for line in done.out.splitlines() if line.startswith(f"- {fault.check} ({fault.seen_in}): "))
    rows = [
        row
        for row in read_rows(done.folder / "review.csv")
        if (row["check"], row["table"]) == (fault.check, fault.seen_in)
    ]
    listed = [f"row {row['row']} {row['column']}: {row['why']}" for row in rows]
    assert any(re.search(fault.says, line.replace(" : ", ": ").replace("row  ", "")) for line in listed), listed
    assert CHECKS[fault.check].finds in told
    assert "Next: " in told
    assert f"{fault.check} ({fault.seen_in})" in done.out.splitlines()[-1]


def test_every_check_has_a_planted_fault() -> None:
    elsewhere = {"table", "ledger", "records"}  # tests/quality/test_validate.py, tests/faults
    assert {fault.check for fault in FAULTS} | elsewhere == CHECKS.keys()


# The guide


def told() -> str:
    return (ROOT / "docs" / "quality.md").read_text()


def cells_below(heading: str) -> list[list[str]]:
    """The cells of the first table below a heading, without its head."""
    lines = told().split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")][2:]


def test_the_guide_has_every_check_and_no_other_in_their_order() -> None:
    assert [row[0] for row in cells_below("The checks")] == [f"`{name}`" for name in CHECKS]


def test_the_guide_has_every_threshold_with_its_default() -> None:
    for name, _, thresholds, _ in cells_below("The checks"):
        check = CHECKS[name.strip("`")]
        settings = {own.name: own.default for own in check.settings}
        written = {one: float(value) for one, value in re.findall(r"`(\w+)=([\d.e-]+)`", thresholds)}
        assert written == {check.name: check.limit, **settings}


def test_the_guide_names_checks_that_there_are() -> None:
    """Each item of the plan's list has checks, and each check is of use to one."""
    named = set()
    for item, checks in cells_below("The plan's list"):
        found = set(re.findall(r"`(\w+)`", checks)) & CHECKS.keys()
        assert found or "quality.json" in checks, item
        assert set(re.findall(r"`(\w+)`", checks)) <= CHECKS.keys()
        named |= found
    assert named == CHECKS.keys()


def test_the_guide_tells_how_much_is_listed() -> None:
    assert f"the first {KEEP:,} flags" in told()
    assert f"after {LONGEST:,} characters" in told()
