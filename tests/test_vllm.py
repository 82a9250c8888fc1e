"""The production path against a real vLLM: handshake, Experiment 1, resume. Needs its address in GRACE_VLLM_URL."""

import os

import pytest

from conftest import read_rows
from grace.ledger import scan
from grace.runs import Run

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.skipif("GRACE_VLLM_URL" not in os.environ, reason="GRACE_VLLM_URL names no vLLM server"),
]
MODEL = "smollm2-135m"


@pytest.fixture
def endpoint():
    return ["--model-endpoint", os.environ["GRACE_VLLM_URL"], "--model-name", MODEL]


def test_the_handshake_knows_vllm_and_that_tokens_can_be_asked_for_by_id(grace):
    done = grace("check-endpoint", os.environ["GRACE_VLLM_URL"], "--model-name", MODEL)
    assert done.code == 0
    assert "vllm" in done.out
    assert "any tokens, by id" in done.out
    assert "FAILED" not in done.out


@pytest.mark.parametrize("study", ["study1", "study2"])
def test_a_study_is_asked(grace, endpoint, tmp_path, study):
    output = tmp_path / "answers.csv"
    asked = f"data/test_sample_{study}.csv"
    done = grace("query", study, "--input", asked, "--output", str(output), "--max-tokens", "40", *endpoint)
    assert done.code == 0, done.err
    rows = read_rows(output)
    assert len(rows) == 10
    assert all(row["model_response"] and int(row["prompt_tokens"]) > 50 and not row["error"] for row in rows)
    assert len({row["seed"] for row in rows}) == 10
    assert Run(tmp_path / "answers.run").manifest["identity"]["model"]["source"]


def test_the_sequential_protocol_is_held_and_going_on_asks_the_rest(grace, endpoint, tmp_path):
    output = tmp_path / "answers.csv"
    command = ["query", "study1", "--input", "data/test_sample_study1.csv", "--output", str(output)]
    command += ["--protocol", "sequential", "--max-tokens", "30", *endpoint]
    assert grace(*command, "--limit", "2").code == 0
    assert grace(*command, "--limit", "4").code == 0
    rows = read_rows(output)
    assert len(rows) == 4
    assert all(row["response_prior"] and row["response_state"] and row["response_knowledge"] for row in rows)
    keys = [record["key"] for _, record in scan(tmp_path / "answers.run/ledger.jsonl")]
    assert len(keys) == len(set(keys)) == 12


def test_a_name_that_is_not_served_is_refused_with_those_that_are(grace, tmp_path):
    output = tmp_path / "answers.csv"
    command = ["query", "study1", "--input", "data/test_sample_study1.csv", "--output", str(output)]
    done = grace(*command, "--model-endpoint", os.environ["GRACE_VLLM_URL"], "--model-name", "gemma-2-2b-it")
    assert done.code == 3
    assert MODEL in done.err


def test_a_prompt_that_cannot_fit_is_refused_before_anything_is_asked(grace, endpoint, tmp_path):
    output = tmp_path / "answers.csv"
    command = ["query", "study1", "--input", "data/test_sample_study1.csv", "--output", str(output)]
    done = grace(*command, "--max-tokens", "2000", *endpoint)
    assert done.code == 3
    assert "--max-tokens" in done.err
    assert not (tmp_path / "answers.run/ledger.jsonl").exists()
