"""A run whose records, manifest or copies were changed is named, and is never good enough."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conftest import ROOT, Command
from grace.manifest import read_manifest
from grace.runs import Run

OUTPUTS = ROOT / "tests" / "fixtures" / "runs-0.1.0" / "outputs"
MADE = ("knowledge", "politeness", "turns", "odd", "faults", "parts", "skies", "knowledge_scores", "politeness_scores")
MADE += ("real_knowledge", "real_politeness", "real_knowledge_scores")


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    """A copy of runs and tables that 0.1.0 made."""
    return shutil.copytree(OUTPUTS, tmp_path / "outputs")


def records_of(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "ledger.jsonl").read_bytes().splitlines()]


def write_records(run: Path, records: list[dict[str, Any]]) -> None:
    lines = [json.dumps(record, ensure_ascii=False, separators=(",", ":")) for record in records]
    (run / "ledger.jsonl").write_text("".join(line + "\n" for line in lines))


def edit(run: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change `run.json`."""
    content = json.loads((run / "run.json").read_bytes())
    change(content)
    (run / "run.json").write_text(json.dumps(content))


def judged(grace: Command, run: Path, out: Path) -> tuple[str, int, list[str]]:
    """Make the run's table again, validate it, and say what became of the check `records`."""
    assert grace("export", run, "--force", "--output", run.with_suffix(".csv")).code in (0, 1)
    done = grace("validate", run, "--out", out)
    checks = json.loads((out / "quality.json").read_text())["checks"]
    (own,) = [one for one in checks if one["check"] == "records" and one["table"] == kind_of(run)]
    assert (own["status"] == "passed") or done.code == 1
    return own["status"], own["flagged"], own["first_reasons"]


def kind_of(run: Path) -> str:
    return "scores" if Run(run).identity.experiment == "score" else "answers"


@pytest.mark.parametrize("name", MADE)
def test_records_of_a_run_belong_to_it(outputs: Path, grace: Command, name: str) -> None:
    assert judged(grace, outputs / f"{name}.run", outputs / "q") == ("passed", 0, [])


@pytest.mark.parametrize("field", ["rows", "key", "request"])
@pytest.mark.parametrize("name", ["knowledge", "turns"])
def test_two_answers_that_were_swapped_are_named(outputs: Path, grace: Command, name: str, field: str) -> None:
    run = outputs / f"{name}.run"
    records = records_of(run)
    one, other = [record for record in records if record["rows"][0] in (1, 2)][:2]
    if one["rows"] == other["rows"]:
        other = next(record for record in records if record["rows"][0] != one["rows"][0])
    one[field], other[field] = other[field], one[field]
    write_records(run, records)
    status, flagged, why = judged(grace, run, outputs / "q")
    assert status == "failed"
    assert flagged >= 2
    assert any("seed is" in each or "key is not that" in each for each in why)


def test_an_earlier_turns_answer_that_was_edited_is_named(outputs: Path, grace: Command) -> None:
    """The later turns were asked after another answer."""
    run = outputs / "turns.run"
    records = records_of(run)
    next(record for record in records if record["question"] == "prior")["response"]["text"] += " indeed"
    write_records(run, records)
    status, flagged, _ = judged(grace, run, outputs / "q")
    assert (status, flagged) == ("failed", 2)


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        pytest.param(
            "knowledge", lambda own: own["identity"]["model"].update(name="gpt-5"), "key is not that", id="answers"
        ),
        pytest.param("turns", lambda own: own["identity"]["model"].update(name="gpt-5"), "key is not that", id="turns"),
        pytest.param(
            "skies", lambda own: own["identity"]["model"].update(name="gpt-5"), "key is not that", id="scores"
        ),
        pytest.param(
            "knowledge", lambda own: own["identity"]["model"].update(revision="abc"), "key is not that", id="revision"
        ),
        pytest.param(
            "knowledge", lambda own: own["identity"].update(seed=2), "seed is 1495450768 in the record", id="seed"
        ),
        pytest.param(
            "knowledge",
            lambda own: own["identity"]["sampling"].update(temperature=0),
            "temperature is 0.7 in the rec",
            id="temperature",
        ),
        pytest.param(
            "skies",
            lambda own: own["identity"]["scoring"].update(residual=0.1),
            "are not the run's settings",
            id="residual",
        ),
    ],
)
def test_an_edited_manifest_is_named(
    outputs: Path, grace: Command, name: str, change: Callable[[dict[str, Any]], object], said: str
) -> None:
    run = outputs / f"{name}.run"
    edit(run, change)
    status, flagged, why = judged(grace, run, outputs / "q")
    assert (status, flagged) == ("failed", len(records_of(run)))
    assert said in why[0]


@pytest.mark.parametrize(
    ("name", "scope", "flagged"),
    [
        ("turns", {"rows": 1}, 3),
        ("skies", {"rows": 2}, 2),
        ("knowledge", {"rows": 2}, 10),
        ("knowledge", {"replications": 1}, 12),
    ],
)
def test_a_scope_that_hides_records_is_named(
    outputs: Path, grace: Command, name: str, scope: dict[str, int], flagged: int
) -> None:
    """A run's scope only grows, so no record is outside of it."""
    run = outputs / f"{name}.run"
    edit(run, lambda own: own["scope"].update(scope))
    status, number, why = judged(grace, run, outputs / "q")
    assert (status, number) == ("failed", flagged)
    assert "its scope in run.json ends before" in why[0]


def test_two_scores_that_were_swapped_are_named(outputs: Path, grace: Command) -> None:
    run = outputs / "skies.run"
    records = records_of(run)
    one, other = [record for record in records if record["question"] == "right"][:2]
    one["key"], other["key"] = other["key"], one["key"]
    write_records(run, records)
    assert judged(grace, run, outputs / "q")[:2] == ("failed", 2)


@pytest.mark.parametrize("name", ["knowledge", "skies", "turns", "knowledge_scores"])
@pytest.mark.parametrize("command", ["export", "validate", "merge"])
@pytest.mark.parametrize("file", ["study.yaml", "input.csv"])
def test_an_edited_copy_is_refused(outputs: Path, grace: Command, name: str, command: str, file: str) -> None:
    run = outputs / f"{name}.run"
    path = run / file
    if file == "study.yaml":
        path.write_bytes(path.read_bytes() + b"# edited\n")
    else:
        path.write_bytes(path.read_bytes().replace(b"e", b"a"))
    out = ("--output", outputs / "copy.csv") if command == "export" else ("--out", outputs / "out")
    done = grace(command, run, *out)
    if command == "validate" and file == "input.csv" and done.code == 1:
        assert ("ledger", "failed") in {(one["check"], one["status"]) for one in checks_in(outputs / "out")}
    else:
        assert (done.code, f"{file}: was changed since the run began; restore it from a copy" in done.err) == (2, True)


def checks_in(out: Path) -> list[dict[str, Any]]:
    content: dict[str, Any] = json.loads((out / "quality.json").read_text())
    return list(content["checks"])


def test_an_extraction_knows_its_copies(outputs: Path, grace: Command) -> None:
    values = outputs / "values.csv"
    assert grace("extract", "study1", "--input", outputs / "knowledge.csv", "--output", values).code == 0
    run = Run(values.with_suffix(".run"))
    assert set(run.manifest.files) == {"input.csv", "study.yaml"}
    whole = run.study.read_bytes()
    run.study.write_bytes(whole + b"# edited\n")
    assert "study.yaml: was changed since the run began" in grace("export", run.path, "--force").err
    again = grace("extract", "study1", "--input", outputs / "knowledge.csv", "--output", values)
    assert (again.code, run.study.read_bytes()) == (0, whole)
    run.input.write_bytes(run.input.read_bytes().replace(b"yes", b"no"))
    assert "input.csv: was changed since the run began" in grace("export", run.path, "--force").err


def test_earlier_formats_know_what_their_sessions_knew(outputs: Path) -> None:
    whole = json.loads((outputs / "turns.run" / "run.json").read_bytes())
    digests = whole["identity"]["input"]["sha256"], whole["sessions"][0]["study_sha256"]
    for number in (1, 2):
        manifest = read_manifest(json.dumps({**whole, "format": number}).encode(), "run.json")
        assert manifest.files == dict(zip(("input.csv", "study.yaml"), digests, strict=True))
    other = [*whole["sessions"], {**whole["sessions"][0], "study_sha256": "0" * 64}]
    assert set(read_manifest(json.dumps({**whole, "sessions": other}).encode(), "").files) == {"input.csv"}
