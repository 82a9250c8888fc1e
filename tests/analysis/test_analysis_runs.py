"""`grace analyze RUN...`: runs are merged and analysed, beside models that failed; both studies take seconds."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

import analysis_tables
from canned import CannedServer, completion
from conftest import Command, read_rows
from grace.studies.study import load_study
from limits import cpu_below

pytest.importorskip("statsmodels")


async def answer(number: int, body: dict[str, Any]) -> web.Response:
    """A listener who believes the number, and knows when the speaker does."""
    prompt = body["messages"][-1]["content"]
    knows = "3 of the 3" in prompt
    seen = 1 if " 1 of the " in prompt.partition("3 ")[2] else 2
    bets = {k: 100 if knows and k == seen else 0 for k in range(4)} if knows else {0: 0, 1: 20, 2: 30, 3: 50}
    shares = ", ".join(f"{k}: {bet}%" for k, bet in bets.items())
    text = f"Initial Answer: 3\nProbabilities: {shares}\nKnowledge: {'yes' if knows else 'no'}"
    return web.json_response(completion(text))


async def failure(number: int, body: dict[str, Any]) -> web.Response:
    return web.json_response({"error": {"message": "no"}}, status=400)


def test_runs_are_merged_and_a_failed_model_says_so(
    query: Command, grace: Command, canned: CannedServer, tmp_path: Path
) -> None:
    canned.handler = answer
    assert query().code == 0
    canned.handler, canned.models = failure, ["broken"]
    assert query("--output", tmp_path / "broken.csv", "--model-name", "broken").code == 1
    done = grace("analyze", tmp_path / "answers.run", tmp_path / "broken.run", "--out", tmp_path / "out")
    assert done.code == 0, done
    assert "study1, canned: 12 of 12 rows analysed" in done.out
    assert "study1, broken: 0 of 12 rows analysed" in done.out
    assert "12 not usable: the request failed (the first: row 13)" in done.out
    means = read_rows(tmp_path / "out" / "means.csv")
    assert {row["model_name"] for row in means} == {"canned", "broken"}
    assert sum(int(row["n"]) for row in means if row["model_name"] == "canned") == 12 * 4
    summary = json.loads((tmp_path / "out" / "summary.json").read_bytes())
    assert summary["input"]["file"] == "study1.csv"
    assert (tmp_path / "out" / "merged" / "study1.csv").exists()
    assert any("no extraction" in note for note in summary["notes"])
    again = grace("analyze", "study1", "--input", tmp_path / "out" / "merged" / "study1.csv", "--out", tmp_path / "two")
    assert again.code == 0
    assert (tmp_path / "two" / "tests.csv").read_bytes() == (tmp_path / "out" / "tests.csv").read_bytes()


def test_what_cannot_be_analysed_is_refused(grace: Command, tmp_path: Path) -> None:
    assert "give a run's folder" in grace("analyze").err
    (tmp_path / "empty.run").mkdir()
    assert grace("analyze", tmp_path / "empty.run").code == 2
    table = analysis_tables.write(tmp_path / "t.csv", analysis_tables.study1(random.Random(1))[:6])
    assert "there is no study 'study3'" in grace("analyze", "study3", "--input", table).err
    assert "goes with one study" in grace("analyze", "--input", table).err
    own = Path(__file__).parents[2] / "examples" / "some-and-all" / "study.yaml"
    assert "this looks like a table of study1" in grace("analyze", own, "--input", table).err
    assert grace("analyze", "study1", "--input", tmp_path / "none.csv").code == 2


def test_a_smaller_analysis_leaves_no_table_of_a_larger_one(grace: Command, tmp_path: Path) -> None:
    rows = analysis_tables.study1(random.Random(1))
    command = ("analyze", "study1", "--input", tmp_path / "t.csv", "--out", tmp_path / "out")
    analysis_tables.write(tmp_path / "t.csv", rows)
    grace(*command)
    assert (tmp_path / "out" / "knowledge.csv").exists()
    (tmp_path / "out" / "notes.csv").write_text("mine")
    analysis_tables.write(tmp_path / "t.csv", [{k: v for k, v in row.items() if k != "Knowledge_A"} for row in rows])
    grace(*command)
    assert not (tmp_path / "out" / "knowledge.csv").exists()
    assert (tmp_path / "out" / "notes.csv").exists()


def test_both_studies_take_seconds(grace: Command, tmp_path: Path) -> None:
    rng = random.Random(3)
    for name, rows in (("study1", analysis_tables.study1(rng)), ("study2", analysis_tables.study2(rng))):
        scores = {column: 0.1 for q in load_study(name).questions.values() for column in q.columns.names}
        scores["temperature"] = 1
        path = analysis_tables.write(tmp_path / f"{name}.csv", [{**row, **scores} for row in rows])
        with cpu_below(60):  # three or four; 20 on a busy, slow machine
            assert grace("analyze", name, "--input", path, "--out", tmp_path / name).code == 0
        assert (tmp_path / name / "calibration.csv").exists()
