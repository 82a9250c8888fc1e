"""Exact scoring against a real vLLM: Grace's trie, whole sequences as people send them today, lm-evaluation-harness.

Wants the address of a vLLM server of SmolLM2-135M in GRACE_VLLM_URL, as scripts/serve_vllm_cpu.sh serves it. For the
harness, `.venv-lmeval` as benchmarks/README.md says; without it, that rival is left out.
"""

import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log
from typing import Any

from benchmarks import whole_sequences
from benchmarks.parts import ROOT, Options, Result, say, spread
from grace.endpoints.client import Client
from grace.endpoints.dialects import Vllm
from grace.endpoints.scoring import Scorer
from grace.endpoints.transport import AiohttpTransport
from grace.studies.study import load_study
from grace.tables import CsvTable

NAME = "scoring"
MODEL = "smollm2-135m"
TARGET = 5.0
ROUNDS, PROMPTS, AT_ONCE = 3, 16, 4
HARNESS = ROOT / ".venv-lmeval" / "bin" / "python"
FOLDER = ROOT / ".venv-vllm" / "smollm2-135m"


@dataclass(frozen=True)
class Item:
    """One question: its conversation for Grace, and the same in token ids for the others."""

    messages: list[dict[str, str]]
    forms: dict[str, tuple[str, ...]]
    prompt: list[int]
    ids: list[list[int]]

    @property
    def as_json(self) -> dict[str, Any]:
        return {"prompt": self.prompt, "forms": self.ids}


def run(options: Options) -> Result:
    result = Result(NAME, f"at least {TARGET:g} times the rate of whole sequences and of lm-evaluation-harness")
    url = os.environ.get("GRACE_VLLM_URL")
    if url is None:
        result.notes = ["GRACE_VLLM_URL names no vLLM server; scripts/serve_vllm_cpu.sh starts one."]
        return result
    rates: dict[str, list[float]] = {"grace": [], "whole": [], "harness": []}
    apart: dict[str, float] = {"whole": 0.0, "harness": 0.0}
    probability = 0.0
    lengths: list[int] = []
    for number in range(ROUNDS):
        items = asyncio.run(prepare(url, number))
        lengths += [len(item.prompt) for item in items]
        seconds, ours = asyncio.run(score(url, items))
        rates["grace"].append(len(items) / seconds)
        rivals = {"whole": whole_sequences.timed(url, MODEL, [item.as_json for item in items], AT_ONCE)}
        if HARNESS.exists():
            rivals["harness"] = harness(url, items)
        for name, (seconds, theirs) in rivals.items():
            rates[name].append(len(items) / seconds)
            apart[name] = max(apart[name], furthest(ours, theirs))
            probability = max(probability, furthest(ours, theirs, exp))
        say(", ".join(f"{name} {rate[-1]:.2f}/s" for name, rate in rates.items() if rate))
    ratios = {name: [g / r for g, r in zip(rates["grace"], rates[name], strict=True)] for name in apart if rates[name]}
    result.met = all(statistics.median(ratio) >= TARGET for ratio in ratios.values()) and len(ratios) == 2
    result.figures = [
        ("prompts a second, Grace", spread(rates["grace"])),
        ("prompts a second, whole sequences with `prompt_logprobs`", spread(rates["whole"])),
        ("**Grace to whole sequences**", f"**{spread(ratios['whole'])}**"),
    ]
    if "harness" in ratios:
        result.figures += [
            ("prompts a second, lm-evaluation-harness `local-completions`", spread(rates["harness"])),
            ("**Grace to lm-evaluation-harness**", f"**{spread(ratios['harness'])}**"),
        ]
    result.figures += [
        (f"largest difference of a form's log probability, to {name}", f"{value:.1e}")
        for name, value in apart.items()
        if rates[name]
    ]
    result.figures.append(("largest difference of a form's probability", f"{probability:.1e}"))
    result.ratios = {f"Grace to {name}": ratio for name, ratio in ratios.items()}
    result.commands = [
        "scripts/serve_vllm_cpu.sh 8123",
        "GRACE_VLLM_URL=http://127.0.0.1:8123 python -m benchmarks scoring",
    ]
    result.notes = [
        f"{ROUNDS} rounds of {PROMPTS} prompts each ({min(lengths)} to {max(lengths)} tokens), {AT_ONCE} under way at "
        "once; each with the 11 percentages as answers, which are 21 places of the trie. In a round all are given the "
        "same prompts, Grace first, so that none finds them in the prefix cache; the others do not read it.",
        "Grace's time includes rendering the chat template; the others are given token ids.",
    ]
    return result


async def prepare(url: str, number: int) -> list[Item]:
    """Prompts that this server has not seen: rows of study 1, asked about one percentage each, begun differently."""
    study = load_study("study1")
    question = study.questions["state2"]
    forms = question.space.chosen("canonical")
    items = []
    transport = AiohttpTransport(url)
    try:
        client, dialect = Client(transport, url), Vllm()

        async def post(path: str, body: Any) -> dict[str, Any]:
            return (await client.post(path, body)).data

        scorer = Scorer(client, dialect, MODEL, residual=0.0, slots=None, start="")
        with CsvTable(ROOT / "data" / "study1.csv") as table:
            for place in range(PROMPTS):
                said = question.messages(study.complete(table.row(number * PROMPTS + place)))[0]["content"]
                messages = [{"role": "user", "content": f"{time.time_ns()} {said}"}]
                spelled = await scorer.spellings(question.name, messages, forms)
                prompt = await dialect.render(post, MODEL, messages)
                items.append(Item(messages, forms, prompt, [spelled[own[0]] for own in forms.values()]))
    finally:
        await transport.close()
    return items


async def score(url: str, items: Sequence[Item]) -> tuple[float, list[list[float]]]:
    """Seconds, and the log probability of each form, as Grace scores them."""
    transport = AiohttpTransport(url)
    try:
        scorer = Scorer(Client(transport, url), Vllm(), MODEL, residual=0.0, slots=None, start="")
        await scorer.spellings("state2", items[0].messages, items[0].forms)
        found: list[list[float]] = [[] for _ in items]
        left = iter(enumerate(items))

        async def work() -> None:
            for place, item in left:
                scored = await scorer.score("state2", item.messages, item.forms)
                found[place] = [log(scored.forms[own[0]] or 0) for own in item.forms.values()]

        started = time.perf_counter()
        await asyncio.gather(*(work() for _ in range(AT_ONCE)))
        return time.perf_counter() - started, found
    finally:
        await transport.close()


def harness(url: str, items: Sequence[Item]) -> tuple[float, list[list[float]]]:
    """The same by lm-evaluation-harness, in an environment of its own."""
    done = subprocess.run(
        [HARNESS, "benchmarks/lm_eval_rival.py", url, MODEL, FOLDER, "--at-once", str(AT_ONCE)],
        input=json.dumps({"items": [item.as_json for item in items]}),
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    told = json.loads(done.stdout)
    return told["seconds"], told["logprobs"]


def furthest(ours: list[list[float]], theirs: list[list[float]], measure: Any = float) -> float:
    """The largest difference of two scorings."""
    return max(
        abs(measure(a) - measure(b))
        for own, other in zip(ours, theirs, strict=True)
        for a, b in zip(own, other, strict=True)
    )


if __name__ == "__main__":
    print(run(Options()).markdown())
    sys.exit(0)
