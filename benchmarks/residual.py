"""Which --residual is the fastest on each kind of server: the defaults of `grace score` come from here.

The embedded server always; vLLM where GRACE_VLLM_URL names one.
"""

import asyncio
import os
import time
from functools import partial

from benchmarks.parts import ROOT, Options, Result, say, spread, timed
from grace.endpoints.client import Client
from grace.endpoints.dialects import LlamaCpp, TokenDialect, Vllm
from grace.endpoints.embedded import EmbeddedServer
from grace.endpoints.scoring import Scorer
from grace.endpoints.transport import AiohttpTransport
from grace.models.files import model_path
from grace.models.serving import ServingOptions
from grace.studies.study import load_study
from grace.tables import CsvTable

NAME = "residual"
MODEL = "smollm2-135m"
SETTINGS = (0.0, 1e-9, 1e-6)
QUESTIONS = {"study1": "state2", "study2": "utterance"}
ROUNDS, PROMPTS = 3, 8


def run(options: Options) -> Result:
    result = Result(NAME, "no setting up to 1e-6 more than a tenth faster than the default, all questions together")
    rates: dict[tuple[str, str, float], list[float]] = {}
    with EmbeddedServer(model_path(MODEL), ServingOptions(MODEL, parallel=1)) as server:
        asyncio.run(measure("llama.cpp", server.url, server.api_key, LlamaCpp(), 1, rates))
    if url := os.environ.get("GRACE_VLLM_URL"):
        asyncio.run(measure("vLLM", url, None, Vllm(), 4, rates))
    kinds = list(dict.fromkeys(kind for kind, _, _ in rates))
    result.met = len(kinds) == 2
    for kind in kinds:
        default = {"llama.cpp": LlamaCpp, "vLLM": Vllm}[kind].residual
        seconds = {
            setting: sum(1 / r for name in QUESTIONS for r in rates[kind, name, setting]) for setting in SETTINGS
        }
        result.met = result.met and seconds[default] <= 1.1 * min(seconds.values())
        for name, question in QUESTIONS.items():
            for setting in SETTINGS:
                mark = "**" if setting == default else ""
                what = f"{kind}, `{question}` of {name}, --residual {setting:g}: questions a second"
                result.figures.append((f"{mark}{what}{mark}", f"{mark}{spread(rates[kind, name, setting])}{mark}"))
    result.commands = ["GRACE_VLLM_URL=http://127.0.0.1:8123 python -m benchmarks residual"]
    result.notes = [
        f"{ROUNDS} rounds of {PROMPTS} prompts for each setting, in turns, no prompt twice; the default is bold.",
    ]
    return result


async def measure(
    kind: str,
    url: str,
    key: str | None,
    dialect: TokenDialect,
    at_once: int,
    rates: dict[tuple[str, str, float], list[float]],
) -> None:
    """Score some prompts with each setting, in turns."""
    transport = AiohttpTransport(url)
    client = Client(transport, url, api_key=key)
    try:
        for number in range(ROUNDS):
            for name, asked in QUESTIONS.items():
                study = load_study(name)
                question = study.questions[asked]
                forms = question.space.chosen("variants")
                with CsvTable(ROOT / "data" / f"{name}.csv") as table:
                    rows = [study.complete(table.row(row)) for row in range(PROMPTS)]
                for setting in SETTINGS:
                    scorer = Scorer(
                        client, dialect, MODEL, residual=setting, slots=1 if at_once == 1 else None, start=""
                    )
                    said = [question.messages(row)[0]["content"] for row in rows]
                    prompts = [[{"role": "user", "content": f"{time.time_ns()} {text}"}] for text in said]
                    await scorer.spellings(asked, prompts[0], forms)
                    seconds = await timed(partial(scorer.score, asked, forms=forms), prompts, at_once)
                    rates.setdefault((kind, name, setting), []).append(PROMPTS / seconds)
            say(f"{kind}, round {number + 1} of {ROUNDS}")
    finally:
        await transport.close()
