"""Exact scoring against its limit: one prefill of each prompt, and nothing else.

Nobody can score a prompt without computing it once. So the limit is a completion of one token for each prompt, of ids
that are ready, with none of it in the prefix cache. The embedded server always; vLLM where GRACE_VLLM_URL names
one, as scripts/serve_vllm_cpu.sh serves it. vLLM also says how many tokens it computed.
"""

import asyncio
import os
import statistics
import time
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.parts import ROOT, Options, Result, say, spread, timed
from grace.endpoints.client import Client
from grace.endpoints.dialects import LlamaCpp, TokenDialect, Vllm
from grace.endpoints.embedded import EmbeddedServer
from grace.endpoints.metrics import read_metrics
from grace.endpoints.scoring import Scorer
from grace.endpoints.transport import AiohttpTransport
from grace.models.files import model_path
from grace.models.serving import ServingOptions
from grace.studies.study import load_study
from grace.tables import CsvTable

NAME = "prefill"
MODEL = "smollm2-135m"
QUESTIONS = {"study1": ("state2", "11 percentages"), "study2": ("utterance", "8 sentences")}
TARGETS = {"vLLM": 0.8, "llama.cpp": 0.6}
ROUNDS, PROMPTS = 5, 12

Messages = list[dict[str, str]]
Forms = Mapping[str, Sequence[str]]


@dataclass
class Found:
    """What was measured of one question at one server.

    Attributes:
        ratios: prompts a second of Grace over those of the limit, of neighbours in turn.
        places: places of the trie that Grace asked about, of each prompt.
        lengths: tokens of the prompts.
        computed: tokens that the server computed for a prompt, by who asked; empty where it does not say.
    """

    ratios: list[float] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    computed: dict[str, list[float]] = field(default_factory=lambda: {"grace": [], "limit": []})


def run(options: Options) -> Result:
    wanted = " and ".join(f"{target:g} of it on {kind}" for kind, target in TARGETS.items())
    result = Result(NAME, f"the rate of one prefill of each prompt is the limit; {wanted}")
    found: dict[tuple[str, str], Found] = {}
    with EmbeddedServer(model_path(MODEL), ServingOptions(MODEL, parallel=1)) as server:
        asyncio.run(measure("llama.cpp", server.url, server.api_key, LlamaCpp(), 1, found))
    if url := os.environ.get("GRACE_VLLM_URL"):
        asyncio.run(measure("vLLM", url, None, Vllm(), 4, found))
    reached = {key: statistics.median(one.ratios) >= TARGETS[key[0]] for key, one in found.items()}
    result.met = all(reached.values()) and len({kind for kind, _ in found}) == len(TARGETS)
    for (kind, name), one in found.items():
        answers = QUESTIONS[name][1]
        result.figures.append((f"**{kind}, {answers}: Grace to the limit**", f"**{spread(one.ratios)}**"))
        result.figures.append((f"{kind}, {answers}: places of the trie that were read", spread(one.places, 0)))
        for who, tokens in one.computed.items():
            if tokens:
                result.figures.append((f"{kind}, {answers}: tokens computed for a prompt, {who}", spread(tokens, 0)))
    result.ratios = {
        f"{kind}, {QUESTIONS[name][1]}: Grace to the limit": one.ratios for (kind, name), one in found.items()
    }
    lengths = [length for one in found.values() for length in one.lengths]
    result.commands = [
        "scripts/serve_vllm_cpu.sh 8123",
        "GRACE_VLLM_URL=http://127.0.0.1:8123 python -m benchmarks prefill",
    ]
    result.notes = [
        f"{ROUNDS} rounds of {PROMPTS} prompts ({min(lengths)} to {max(lengths)} tokens) for each, in turns, no prompt "
        "twice; 4 under way at once on vLLM, 1 on llama.cpp, for both. Grace's time includes rendering the chat.",
    ]
    return result


async def measure(
    kind: str,
    url: str,
    key: str | None,
    dialect: TokenDialect,
    at_once: int,
    found: dict[tuple[str, str], Found],
) -> None:
    """Score some prompts, and complete others by one token, in turns."""
    transport = AiohttpTransport(url)
    client = Client(transport, url, api_key=key)
    slots = 1 if at_once == 1 else None
    try:
        scorer = Scorer(client, dialect, MODEL, residual=dialect.residual, slots=slots, start="")

        async def post(path: str, body: Any) -> dict[str, Any]:
            return (await client.post(path, body)).data

        async def prefill(prompt: list[int]) -> None:
            if kind == "vLLM":
                await post("/v1/completions", {"model": MODEL, "prompt": prompt, "max_tokens": 1, "temperature": 0})
            else:
                await post("/completion", {"prompt": prompt, "n_predict": 1, "temperature": 0, "cache_prompt": False})

        for number in range(ROUNDS):
            for name, (asked, _) in QUESTIONS.items():
                one = found.setdefault((kind, name), Found())
                question = load_study(name).questions[asked]
                forms: Forms = question.space.chosen("variants")
                said = prompts_of(name, asked)
                await scorer.spellings(asked, fresh(said[0]), forms)

                async def score(messages: Messages, asked: str = asked, forms: Forms = forms, one: Found = one) -> None:
                    one.places.append((await scorer.score(asked, messages, forms)).places)

                ready = [await dialect.render(post, MODEL, fresh(text)) for text in said]
                one.lengths += map(len, ready)
                turns = {
                    "grace": lambda said=said, score=score: timed(score, [fresh(text) for text in said], at_once),
                    "limit": lambda ready=ready: timed(prefill, ready, at_once),
                }
                seconds = {}
                for who in sorted(turns, reverse=number % 2 == 1):
                    before = computed(url) if kind == "vLLM" else 0.0
                    seconds[who] = await turns[who]()
                    if kind == "vLLM":
                        one.computed[who].append((computed(url) - before) / PROMPTS)
                one.ratios.append(seconds["limit"] / seconds["grace"])
                say(f"{kind}, {name}, round {number + 1} of {ROUNDS}: {one.ratios[-1]:.2f}")
    finally:
        await transport.close()


def prompts_of(name: str, asked: str) -> list[str]:
    """What a question says about the first rows of a study."""
    study = load_study(name)
    with CsvTable(ROOT / "data" / f"{name}.csv") as table:
        rows = [study.complete(table.row(row)) for row in range(PROMPTS)]
    return [study.questions[asked].messages(row)[0]["content"] for row in rows]


def fresh(text: str) -> Messages:
    """A conversation that no cache has."""
    return [{"role": "user", "content": f"{time.time_ns()} {text}"}]


def computed(url: str) -> float:
    """The tokens of prompts that vLLM has computed: those that it looked for in its prefix cache, and did not find."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"{url}/metrics", timeout=60) as reply:
        counts = read_metrics(reply.read().decode())
    return (counts.prefix_queries or 0.0) - (counts.prefix_hits or 0.0)
