"""`grace noise`: some questions of a scored run are asked again, and how far their probabilities differ is written."""

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from canned import error
from conftest import Command
from grace.ledger import scan
from grace.stages.scores.noise import noise_floor
from table_model import TableServer, chat_template, printable_model

pytestmark = pytest.mark.usefixtures("impatient")

MODEL = printable_model("é", "’", "yes", "no", seed=5, spread=1.0)
STUDY = """\
name: skies
title: Skies
columns: {thing: {}}
questions:
  right: {prompt: "Is {{ thing }} blue?", answers: {labels: {yes: yes, no: no}}}
  size: {prompt: "How big is {{ thing }}?", answers: {labels: {1: "1", 2: "2"}, numeric: true}}
"""


@pytest.fixture
def table() -> Iterator[TableServer]:
    with TableServer(MODEL) as server:
        yield server


@pytest.fixture
def run(grace: Command, table: TableServer, tmp_path: Path) -> Path:
    """A run of three rows and six questions."""
    (tmp_path / "study.yaml").write_text(STUDY)
    (tmp_path / "things.csv").write_text("thing\nthe sky\na plum\na door\n")
    command = ["score", tmp_path / "study.yaml", "--input", tmp_path / "things.csv", "--output", tmp_path / "s.csv"]
    assert grace(*command, "--model-endpoint", table.url, "--model-name", "table").code == 0
    return tmp_path / "s.run"


def floor_of(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / "noise.json").read_text())
    return found


def test_a_server_that_repeats_itself_has_no_noise(grace: Command, table: TableServer, run: Path) -> None:
    before = (run / "ledger.jsonl").read_bytes()
    done = grace("noise", run, "--repeat", 2, "--model-endpoint", table.url)
    assert done.code == 0, done.err
    assert f"{run / 'noise.json'}: 6 questions asked again, 2 times each" in done.out
    floor = floor_of(run)
    assert (floor["questions"], floor["repeats"], floor["largest"], floor["mean"]) == (6, 2, 0, 0)
    assert floor["probabilities"] == 6 * 3 * 2  # three pairs of the run and its two repeats, two labels each
    assert floor["by_question"] == {"right": 0, "size": 0}
    assert floor["endpoint"] == table.url
    assert (run / "ledger.jsonl").read_bytes() == before
    again = [record for _, record in scan(run / "noise.jsonl")]
    assert sorted(record["repetition"] for record in again) == [1] * 6 + [2] * 6


def test_what_differs_is_measured(grace: Command, table: TableServer, run: Path) -> None:
    first = {record["key"]: record["response"]["labels"] for _, record in scan(run / "ledger.jsonl")}
    table.model = printable_model("é", "’", "yes", "no", seed=6, spread=1.0)
    assert grace("noise", run, "--repeat", 1, "--model-endpoint", table.url).code == 0
    second = {record["key"]: record["response"]["labels"] for _, record in scan(run / "noise.jsonl")}
    differences = []
    for key, labels in first.items():
        for label in labels:
            one, other = (found[key][label] / sum(found[key].values()) for found in (first, second))
            differences.append(abs(one - other))
    floor = floor_of(run)
    assert floor["largest"] == pytest.approx(max(differences))
    assert floor["largest"] > 0.01
    assert floor["mean"] == pytest.approx(sum(differences) / len(differences))
    masses = [abs(sum(first[key].values()) - sum(second[key].values())) for key in first]
    assert floor["largest_label_mass"] == pytest.approx(max(masses))


def test_each_draw_is_compared_with_each() -> None:
    draws = [{"labels": {"yes": share, "no": 1 - share}} for share in (0.5, 0.6, 0.8)]
    floor = noise_floor([("right", draws)], 2)
    pairs = [abs(a - b) for a, b in combinations((0.5, 0.6, 0.8), 2)]
    assert floor.largest == pytest.approx(0.3)
    assert floor.mean == pytest.approx(sum(pairs) / 3)
    assert floor.by_question == {"right": pytest.approx(0.3)}


def test_a_draw_without_any_mass_is_not_compared() -> None:
    floor = noise_floor([("right", [{"labels": {"yes": 0.0, "no": 0.0}}, {"labels": {"yes": 0.1, "no": 0.1}}])], 1)
    assert (floor.probabilities, floor.largest, floor.largest_label_mass) == (0, 0, pytest.approx(0.2))


def test_repeats_are_not_asked_twice_and_more_can_be_added(grace: Command, table: TableServer, run: Path) -> None:
    for repeat, asked in ((1, 6), (1, 6), (3, 18)):
        assert grace("noise", run, "--repeat", repeat, "--model-endpoint", table.url).code == 0
        assert len(list(scan(run / "noise.jsonl"))) == asked
    assert floor_of(run)["repeats"] == 3


def test_a_subset_is_the_same_with_the_same_seed(grace: Command, table: TableServer, run: Path) -> None:
    for _ in range(2):
        assert grace("noise", run, "--questions", 2, "--repeat", 1, "--model-endpoint", table.url).code == 0
    assert len(list(scan(run / "noise.jsonl"))) == 2
    assert floor_of(run)["questions"] == 2


def test_failures_are_told_and_asked_again(grace: Command, table: TableServer, run: Path) -> None:
    asked = iter(range(100))

    def fail(path: str, number: int, body: dict[str, Any]) -> Any:
        """After the handshake's and the proof's, three of the questions fail."""
        of_a_question = path == "/v1/completions" and not isinstance(body["prompt"], str)
        return error(500, "oops") if of_a_question and next(asked) in (2, 3, 4) else None

    table.fail = fail
    done = grace("noise", run, "--repeat", 1, "--max-retries", 0, "--model-endpoint", table.url)
    assert done.code == 1
    assert "failed; the same command asks again for these" in done.out
    assert grace("noise", run, "--repeat", 1, "--model-endpoint", table.url).code == 0
    scored = [record for _, record in scan(run / "noise.jsonl") if record["status"] == "scored"]
    assert len(scored) == len({record["key"] for record in scored}) == 6


def test_another_model_is_refused(grace: Command, run: Path) -> None:
    with TableServer(MODEL, dialect="llamacpp") as other:
        done = grace("noise", run, "--model-endpoint", other.url)
    assert done.code == 2
    assert "was scored with" in done.err
    assert not (run / "noise.json").exists()


def test_only_scores_have_a_noise_floor(grace: Command, table: TableServer, trials: Path, tmp_path: Path) -> None:
    command = ["query", "study1", "--input", trials, "--output", tmp_path / "a.csv", "--limit", 1]
    assert grace(*command, "--model-endpoint", table.url, "--model-name", "table").code == 0
    done = grace("noise", tmp_path / "a.run", "--model-endpoint", table.url)
    assert done.code == 2
    assert "is not a run of `grace score`" in done.err
    assert grace("noise", tmp_path / "nothing.run").code == 2


def test_another_chat_template_is_refused(grace: Command, table: TableServer, run: Path) -> None:
    table.model = replace(MODEL, template=lambda messages, start=True: "<s>Today: 2. " + chat_template(messages, start))
    done = grace("noise", run, "--model-endpoint", table.url)
    assert done.code == 2
    assert "renders prompts in another way than when it was scored" in done.err


def test_repeats_under_other_conditions_are_asked_anew(grace: Command, table: TableServer, run: Path) -> None:
    for concurrency in ("1", "1", "4"):
        assert grace("noise", run, "--repeat", 1, "--concurrency", concurrency).code == 0  # where it was scored
    conditions = [record["conditions"]["concurrency"] for _, record in scan(run / "noise.jsonl")]
    assert conditions == [1] * 6 + [4] * 6
    assert floor_of(run)["options"]["concurrency"] == 4
    assert floor_of(run)["endpoint"] == table.url


def test_a_server_that_is_said_to_be_batch_invariant_is_held_to_it(
    grace: Command, table: TableServer, tmp_path: Path
) -> None:
    (tmp_path / "study.yaml").write_text(STUDY)
    (tmp_path / "things.csv").write_text("thing\nthe sky\n")
    at = ["--model-endpoint", table.url, "--model-name", "table"]
    command = ["score", tmp_path / "study.yaml", "--input", tmp_path / "things.csv", *at]
    assert grace(*command, "--output", tmp_path / "s.csv", "--batch-invariant").code == 0
    model = json.loads((tmp_path / "s.run" / "run.json").read_bytes())["identity"]["model"]
    assert model["batch_invariant"] is True
    mixed = grace(*command, "--output", tmp_path / "s.csv")
    assert mixed.code == 2
    assert "batch_invariant" in mixed.err
    done = grace("noise", tmp_path / "s.run", "--repeat", 1, "--model-endpoint", table.url)
    assert done.code == 0, done.err
    assert "the server is batch-invariant here" in done.out
    table.model = printable_model("é", "’", "yes", "no", seed=6, spread=1.0)
    done = grace("noise", tmp_path / "s.run", "--repeat", 2, "--model-endpoint", table.url)
    assert done.code == 1
    assert "is not batch-invariant, although the run says so" in done.out
