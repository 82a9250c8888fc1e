"""Two runs that asked the same: equal, within the noise floor, or not; and what cannot be compared."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import Command
from ledgers import rewrite
from table_model import TableServer, printable_model

STUDY = """\
name: skies
title: Skies
columns: {thing: {}}
protocols: {single: {turns: {response: "What of {{ thing }}?"}}}
questions:
  right: {prompt: "Is {{ thing }} blue?", answers: {labels: {yes: yes, no: no}}}
"""
MODEL = printable_model("é", "’", "yes", "no", seed=5, spread=1.0)


@pytest.fixture
def visit(grace: Command, tmp_path: Path) -> Iterator[Path]:
    """A folder with both experiments of three rows, two of which are alike."""
    (tmp_path / "study.yaml").write_text(STUDY)
    (tmp_path / "things.csv").write_text("thing\nthe sky\na plum\nthe sky\n")
    (tmp_path / "visit.yaml").write_text("studies: [{study: study.yaml, input: things.csv}]\nquery: {max_tokens: 4}\n")
    with TableServer(MODEL) as server:
        out = tmp_path / "a" / "table"
        asked = grace(
            "visit", tmp_path / "visit.yaml", "--out", out, "--model-endpoint", server.url, "--model-name", "table"
        )
        assert asked.code in (0, 1), asked.err
        yield out


def copy_of(visit: Path) -> Path:
    copy = visit.parent.parent / "b" / "table"
    shutil.copytree(visit, copy)
    return copy


def change(run: Path, how: Callable[[dict[str, Any]], None]) -> None:
    """Change the first record of a ledger."""
    rewrite(run / "ledger.jsonl", lambda records: how(records[0]))


def shift(record: dict[str, Any], by: float = 0.001) -> None:
    labels = record["response"]["labels"]
    mass = sum(labels.values())
    record["response"]["labels"] = {"yes": labels["yes"] + by * mass, "no": labels["no"] - by * mass}


def compare(grace: Command, *arguments: object) -> tuple[int, dict[str, Any]]:
    done = grace("lineup", "compare-outputs", *arguments, "--json")
    assert done.code in (0, 1), done.err
    return done.code, json.loads(done.out)


def test_copies_are_the_same(grace: Command, visit: Path) -> None:
    copy = copy_of(visit)
    for pair in ((visit, copy), (visit.parent, copy.parent), (visit / "skies.run", copy / "skies.run")):
        done = grace("lineup", "compare-outputs", *pair)
        assert done.code == 0, done.err
        assert done.out.endswith("the same\n")
    _, found = compare(grace, visit.parent, copy.parent)
    assert [(run["name"], run["same"]) for run in found["runs"]] == [
        ("table/skies.run", 3),
        ("table/skies_scores.run", 2),
    ]


def test_a_difference_is_judged_by_the_noise_floor(grace: Command, visit: Path) -> None:
    copy = copy_of(visit)
    scores = copy / "skies_scores.run"
    change(scores, shift)
    pair = (visit / "skies_scores.run", scores)
    done = grace("lineup", "compare-outputs", *pair)
    assert done.code == 1
    assert "`grace noise` measures the floor" in done.out
    assert "row 1 and 1 more, right, yes" in done.out or "row 1 and 1 more, right, no" in done.out
    for largest, code in ((0.01, 0), (0.0001, 1)):
        (scores / "noise.json").write_text(json.dumps({"largest": largest, "largest_label_mass": 0}))
        exit_code, found = compare(grace, *pair)
        assert exit_code == code
        assert found["runs"][0]["floor"] == largest
        assert found["runs"][0]["largest"] == pytest.approx(0.001)
    assert compare(grace, *pair, "--tolerance", "0.01")[0] == 0
    assert found["runs"][0]["beyond"][0]["rows"] == [1, 3]


def test_a_label_mass_that_differs_is_a_difference(grace: Command, visit: Path) -> None:
    copy = copy_of(visit)

    def half(record: dict[str, Any]) -> None:
        record["response"]["labels"] = {name: value / 2 for name, value in record["response"]["labels"].items()}

    change(copy / "skies_scores.run", half)
    _, found = compare(grace, visit, copy)
    assert found["runs"][1]["beyond"][0]["what"] == "label mass"


def test_texts_are_equal_or_not_and_shown_harmlessly(grace: Command, visit: Path) -> None:
    copy = copy_of(visit)

    def say(record: dict[str, Any]) -> None:
        record["response"]["text"] = "\x1b[2Jother"

    change(copy / "skies.run", say)
    done = grace("lineup", "compare-outputs", visit, copy, "--tolerance", "1")
    assert done.code == 1
    assert "1 text not" in done.out
    assert "\x1b" not in done.out
    assert "not the same" in done.out


def test_answers_of_one_side_and_runs_of_one_side(grace: Command, visit: Path) -> None:
    copy = copy_of(visit)
    (copy / "skies.run" / "ledger.jsonl").write_text("")
    shutil.rmtree(copy / "skies_scores.run")
    code, found = compare(grace, visit, copy)
    assert code == 1
    assert len(found["runs"][0]["one_sided"]) == 3
    assert found["lacking"] == [f"skies_scores.run: only in {visit}"]


def test_what_may_explain_a_difference_is_noted(grace: Command, visit: Path) -> None:
    copy = copy_of(visit)
    path = copy / "skies.run" / "run.json"
    content = json.loads(path.read_text())
    content["identity"]["model"]["source"] = "elsewhere"
    content["sessions"][-1]["server"]["version"] = "9.9"
    path.write_text(json.dumps(content))
    _, found = compare(grace, visit, copy)
    notes = " ".join(found["runs"][0]["notes"])
    assert "'elsewhere'" in notes
    assert "9.9" in notes


@pytest.mark.parametrize(
    ("other", "message"),
    [("skies_scores.run", "asked different things: experiment"), ("nothing", "there is no such folder")],
)
def test_what_cannot_be_compared_is_refused(grace: Command, visit: Path, other: str, message: str) -> None:
    done = grace("lineup", "compare-outputs", visit / "skies.run", visit / other)
    assert done.code == 2
    assert message in done.err


def test_other_tables_are_refused(grace: Command, visit: Path) -> None:
    copy = copy_of(visit)
    path = copy / "skies.run" / "run.json"
    path.write_text(path.read_text().replace('"sha256": "', '"sha256": "0', 1))
    assert "asked about different tables" in grace("lineup", "compare-outputs", visit, copy).err
