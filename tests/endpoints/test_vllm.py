"""The production path against a real vLLM: handshake, both experiments, resume. Its address is in GRACE_VLLM_URL."""

import json
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
    assert Run(tmp_path / "answers.run").identity.model["source"]


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


@pytest.mark.parametrize(("study", "rows", "questions"), [("study1", 3, 6), ("study2", 4, 1)])
def test_a_study_is_scored_with_one_request_for_all_places_of_a_question(
    grace, endpoint, tmp_path, study, rows, questions
):
    command = ["score", study, "--input", f"data/test_sample_{study}.csv", "--output", str(tmp_path / "scores.csv")]
    assert grace(*command, "--limit", rows - 1, *endpoint).code == 0
    done = grace(*command, "--limit", rows, *endpoint)
    assert done.code == 0, done.err
    assert "mean label mass" in done.out
    records = [record for _, record in scan(tmp_path / "scores.run/ledger.jsonl")]
    assert len({record["key"] for record in records}) == len(records) == rows * questions
    for record in records:
        assert record["requests"] == 2  # the prompt is rendered, then all places are asked about
        assert record["response"]["residual"] == 0
        assert 0 < sum(record["response"]["labels"].values()) < 1
    for row in read_rows(tmp_path / "scores.csv"):
        if study == "study1":
            shares = [float(row[f"state2_prob_{number}"]) for number in range(0, 101, 10)]
        else:
            words = ("terrible", "bad", "good", "amazing")
            shares = [float(row[f"prob_{frame}_{word}"]) for frame in ("was", "wasnt") for word in words]
            assert float(row["prob_wasnt"]) == pytest.approx(sum(shares[4:]))
        assert sum(shares) == pytest.approx(1, abs=1e-9)


def test_a_bound_skips_places_and_keeps_its_word(grace, endpoint, tmp_path):
    command = ["score", "study2", "--input", "data/test_sample_study2.csv", "--limit", "2", *endpoint]
    for name, residual in (("all", "0"), ("most", "0.01")):
        assert grace(*command, "--output", tmp_path / f"{name}.csv", "--residual", residual).code in (0, 1)
    every, most = ([r for _, r in scan(tmp_path / f"{name}.run/ledger.jsonl")] for name in ("all", "most"))
    for full, part in zip(sorted(every, key=lambda r: r["rows"]), sorted(most, key=lambda r: r["rows"]), strict=True):
        assert part["response"]["places"] < full["response"]["places"]
        assert part["response"]["residual"] <= 0.01
        for label, probability in full["response"]["labels"].items():
            low = part["response"]["labels"][label]
            assert low - 1e-6 <= probability <= low + part["response"]["residual"] + 1e-6


def test_the_noise_floor_under_load_is_measured(grace, endpoint, tmp_path):
    output = tmp_path / "scores.csv"
    assert (
        grace(
            "score", "study1", "--input", "data/test_sample_study1.csv", "--output", output, "--limit", "2", *endpoint
        ).code
        == 0
    )
    done = grace("noise", tmp_path / "scores.run", "--repeat", "2", "--questions", "4", *endpoint)
    assert done.code == 0, done.err
    floor = json.loads((tmp_path / "scores.run/noise.json").read_text())
    assert (floor["questions"], floor["repeats"]) == (4, 2)
    assert 0 <= floor["mean"] <= floor["largest"] < 0.01
    assert len(list(scan(tmp_path / "scores.run/noise.jsonl"))) == 8
