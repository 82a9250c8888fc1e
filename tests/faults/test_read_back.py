"""What is read back is not trusted: damaged ledgers, manifests and studies end in one message, never in a defect.

Nor does a number change unnoticed: a cell of the table is as it was, or it is lost and the table says so, or else
`grace validate` finds what is wrong.

`make torture` tries far more cases (GRACE_TORTURE).
"""

import csv
import json
import os
import re
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conftest import ROOT, Command, read_rows
from damage import DEEP, GONE, as_json, damaged_bytes, damaged_values, damaged_yaml, exchanged
from grace.cli import main
from grace.errors import LedgerCorrupt
from grace.ledger import Ledger, scan, void
from ledgers import rewrite

RUNS = ROOT / "tests" / "fixtures" / "runs-0.1.0" / "outputs"
CASES = int(os.environ.get("GRACE_TORTURE", "0")) or 15
KINDS = ("turns", "skies", "odd_structured", "judged_structured")
"""Runs of answers in turns, of probabilities, of an extractor's replies, and of people's decisions."""

many = settings(
    max_examples=CASES,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)


@pytest.fixture(scope="module", params=KINDS)
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of a run, which was exported once; its records have checks."""
    path = tmp_path_factory.mktemp("read-back") / f"{request.param}.run"
    shutil.copytree(RUNS / path.name, path)
    rewrite(path / "ledger.jsonl")
    assert export(path, path.with_suffix(".csv")) in (0, 1)
    return path


def export(run: Path, output: Path) -> int:
    """Call `grace export`; its exit code."""
    return call("export", run, "--output", output, "--force")


def call(*arguments: object) -> int:
    """Call the command line; its exit code."""
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    return ended.value.code if isinstance(ended.value.code, int) else 0


class Damaged:
    """A file that is put back at the end of a block."""

    def __init__(self, path: Path, content: bytes) -> None:
        self.path, self.content = path, content

    def __enter__(self) -> None:
        self.whole = self.path.read_bytes()
        self.path.write_bytes(self.content)

    def __exit__(self, *exc: object) -> None:
        self.path.write_bytes(self.whole)


def after(run: Path, name: str, content: bytes) -> None:
    """See that `export` with another content of one of the run's files changes neither it nor a number unnoticed."""
    table, whole = run.with_suffix(".csv"), run.with_suffix(".csv").read_bytes()
    with Damaged(run / name, content), Damaged(table, whole):
        code = export(run, table)
        assert (run / name).read_bytes() == content
        assert code in (0, 1, 2), "a defect"
        if table.read_bytes() != whole:
            assert lost(table, whole) or call("validate", run, "--out", run.with_name("quality")) != 0, "unnoticed"


def lost(table: Path, whole: bytes) -> bool:
    """Whether a table of answers or probabilities holds only what it held, and each row that lacks some says so."""
    if table.stem not in KINDS[:2]:
        return False
    now, then = read_rows(table), list(csv.DictReader(whole.decode().splitlines()))
    return len(now) == len(then) and all(
        row == before or (row["error"] and all(row[name] in ("", before[name]) for name in before if name != "error"))
        for row, before in zip(now, then, strict=True)
    )


@given(data=st.data())
@many
def test_a_ledger_with_another_value(run: Path, data: st.DataObject) -> None:
    after(run, "ledger.jsonl", data.draw(damaged_values((run / "ledger.jsonl").read_bytes(), lines=True)))


@given(data=st.data())
@many
def test_a_ledger_with_other_bytes(run: Path, data: st.DataObject) -> None:
    after(run, "ledger.jsonl", data.draw(damaged_bytes((run / "ledger.jsonl").read_bytes())))


@given(data=st.data())
@many
def test_a_manifest_with_another_value(run: Path, data: st.DataObject) -> None:
    after(run, "run.json", data.draw(damaged_values((run / "run.json").read_bytes(), lines=False)))


@given(data=st.data())
@many
def test_a_manifest_with_other_bytes(run: Path, data: st.DataObject) -> None:
    after(run, "run.json", data.draw(damaged_bytes((run / "run.json").read_bytes())))


@given(data=st.data())
@many
def test_a_study_with_another_value(run: Path, data: st.DataObject) -> None:
    after(run, "study.yaml", data.draw(damaged_yaml((run / "study.yaml").read_bytes())))


@given(data=st.data())
@many
def test_a_study_with_other_bytes(run: Path, data: st.DataObject) -> None:
    after(run, "study.yaml", data.draw(damaged_bytes((run / "study.yaml").read_bytes())))


# Single ways, and what is said about them


def altered(line: bytes, place: tuple[str | int, ...], other: object) -> bytes:
    return as_json(exchanged(json.loads(line), place, other))


@pytest.fixture
def turns(tmp_path: Path) -> Path:
    """A copy of a run of answers."""
    return shutil.copytree(RUNS / "turns.run", tmp_path / "turns.run")


@pytest.mark.parametrize(
    ("place", "other", "said"),
    [
        (("status",), "done", "status: is 'done', not one of answered, empty, failed"),
        (("status",), ["failed"], r"status: is \['failed'\], not one of"),
        (("status",), GONE, "status: is None, not one of"),
        (("response", "text"), 5, "response.text: must be text"),
        (("response",), None, "response: must hold fields"),
        (("tokens", "prompt"), 2**64, "tokens.prompt: must be"),
        (("tokens", "completion"), 1.5, "tokens.completion: must be a whole number"),
        (("rows",), [], "rows: is empty"),
        (("rows", 0), True, "rows.0: must be a whole number"),
        (("rows", 0), 99, "rows: has 99, and the input has 3"),
        (("question",), "other", "question: is 'other', not one of prior, state, knowledge"),
        (("replication",), 0, "replication: must be 1 or more"),
        (("milliseconds",), "1", "milliseconds: must be a number"),
        (("key",), GONE, "key: is missing"),
        (("ended",), None, "ended: must be text"),
        (("more",), DEEP, ""),
    ],
)
def test_a_record_of_another_shape_is_named(
    turns: Path, grace: Command, place: tuple[str | int, ...], other: object, said: str
) -> None:
    ledger = turns / "ledger.jsonl"
    lines = ledger.read_bytes().splitlines()
    ledger.write_bytes(b"\n".join([*lines[:2], altered(lines[2], place, other), *lines[3:], b""]))
    done = grace("export", turns, "--output", turns.with_name("a.csv"))
    assert done.code == 2
    assert re.search(rf"ledger\.jsonl, line 3: is not a record.*{said}", done.err)


@pytest.mark.parametrize("ends", [b"\r", b"\r\r"])
def test_a_ledger_with_other_line_ends_is_never_cut_off(turns: Path, grace: Command, ends: bytes) -> None:
    ledger = turns / "ledger.jsonl"
    damaged = ledger.read_bytes().replace(b"\n", ends)
    ledger.write_bytes(damaged)
    with pytest.raises(LedgerCorrupt, match="line ends of another system"):
        Ledger(ledger)
    with pytest.raises(LedgerCorrupt, match="line ends of another system"):
        list(scan(ledger))
    done = grace("export", turns, "--output", turns.with_name("a.csv"))
    assert (done.code, ledger.read_bytes()) == (2, damaged)
    assert "line ends of another system" in done.err


def test_moved_line_ends_void_no_other_record(turns: Path, grace: Command) -> None:
    """Offsets of voided records mean nothing once an editor has changed the line ends."""
    ledger = turns / "ledger.jsonl"
    with Ledger(ledger) as file:
        first = ledger.read_bytes().index(b"\n") + 1
        second = ledger.read_bytes().index(b"\n", first) + 1
        file.append(void([(first, second)], "another server", "2026-11-28T19:34:38.277Z"))
    assert grace("export", turns, "--output", turns.with_name("a.csv")).code == 1
    ledger.write_bytes(ledger.read_bytes().replace(b"\n", b"\r\n"))
    done = grace("export", turns, "--output", turns.with_name("b.csv"))
    assert done.code == 2
    assert "voids: must name lines before this one" in done.err


@pytest.mark.parametrize(
    ("place", "other", "said"),
    [
        (("identity", "model", "name"), 5, "model.name: must be text"),
        (("identity", "model"), {}, "model.name: is missing"),
        (("identity", "turns"), [], "turns: is empty"),
        (("identity", "seed"), 2**70, "identity.seed: must be"),
        (("identity", "seed"), True, "identity.seed: must be a whole number"),
        (("identity", "input", "read_as"), {"x": 1}, "read_as: no field 'x'"),
        (("identity", "input", "read_as"), {"skip_rows": "x"}, "read_as.skip_rows: must be a whole number"),
        (("scope", "rows"), -1, "scope.rows: must be 0 or more"),
        (("scope", "rows"), 4, "scope.rows: is 4, and the input has 3"),
        (("scope", "replications"), 10**12, "scope.replications: must be"),
        (("sessions", 0, "output"), "../x.csv", "must be the name of a file"),
        (("sessions", 0, "ended"), "yesterday", "must be a time"),
        (("sessions", 0, "finished"), -1, "sessions.0.finished: must be 0 or more"),
        (("format",), True, "is damaged"),
        (("more",), DEEP, "is damaged"),
    ],
)
def test_a_manifest_of_another_shape_is_named(
    turns: Path, grace: Command, place: tuple[str | int, ...], other: object, said: str
) -> None:
    manifest = turns / "run.json"
    manifest.write_bytes(altered(manifest.read_bytes(), place, other))
    done = grace("export", turns, "--output", turns.with_name("a.csv"))
    assert done.code == 2
    assert "run.json: is damaged" in done.err
    assert said in done.err


def test_labels_of_another_question_are_named(tmp_path: Path, grace: Command) -> None:
    run = shutil.copytree(RUNS / "skies.run", tmp_path / "skies.run")
    ledger = run / "ledger.jsonl"
    lines = ledger.read_bytes().splitlines()
    for place, other, said in (
        (("response", "labels", "maybe"), 0.1, "response.labels: must be yes, no"),
        (("response", "labels", "yes"), GONE, "response.labels: must be yes, no"),
        (("response", "labels", "yes"), 1.5, "response.labels.yes: must be"),
        (("response", "labels", "yes"), -0.1, "response.labels.yes: must be"),
        (("question",), "size", "response.labels: must be 1, 2"),
        (("question",), "wrong", "question: is 'wrong', not one of right, size"),
    ):
        ledger.write_bytes(b"\n".join([altered(lines[0], place, other), *lines[1:], b""]))
        done = grace("export", run, "--output", tmp_path / "a.csv")
        assert (done.code, f"line 1: is not a record of this run: {said}" in done.err) == (2, True), done.err


def test_a_decision_about_a_value_that_a_field_cannot_have(tmp_path: Path, grace: Command) -> None:
    run = shutil.copytree(RUNS / "judged_structured.run", tmp_path / "judged_structured.run")
    ledger = run / "ledger.jsonl"
    lines = ledger.read_bytes().splitlines()
    for name, other, said in (("Prior_A", "one", "must be a number"), ("Knowledge_A", 1, "must be text")):
        ledger.write_bytes(b"\n".join([altered(lines[0], ("values", name), other), *lines[1:], b""]))
        done = grace("export", run, "--output", tmp_path / "a.csv")
        assert (done.code, f"line 1: is not a record of this run: values.{name}: {said}" in done.err) == (2, True)


def test_a_run_about_no_rows_makes_a_table_without_rows(turns: Path, grace: Command) -> None:
    manifest = turns / "run.json"
    manifest.write_bytes(altered(manifest.read_bytes(), ("scope",), {}))
    done = grace("export", turns, "--output", turns.with_name("a.csv"))
    assert (done.code, done.out) == (0, f"{turns.with_name('a.csv')}: 0 rows, 0 answered, 0% cut off\n")
