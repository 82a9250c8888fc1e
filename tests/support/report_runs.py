"""Runs for tests of reports: a server that answers both studies as people would, and gives probabilities too."""

import hashlib
import json
import random
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web

from analysis_tables import BETS, NEGATED, WORDS
from canned import completion
from conftest import Command, read_rows
from table_model import TableServer, printable_model

MODEL = printable_model(
    "é",
    "’",
    *["0%", "10%", "20%", "30%", "40%", "50%", "60%", "70%", "80%", "90%", "100%", "yes", "no", "It", "was", "wasn't"],
    spread=2.0,
)
NUMBERS = {"one": 1, "two": 2, "three": 3}

Answer = Callable[[str, random.Random], str]
"""Makes an answer from a prompt and a source of chance."""


def as_people(prompt: str, rng: random.Random) -> str:
    """Answers to both studies with the planted effects of `analysis_tables`."""
    return _politely(prompt, rng) if "hearts" in prompt else _knowingly(prompt, rng)


def _knowingly(prompt: str, rng: random.Random) -> str:
    said = prompt.partition("New information: ")[2].partition("\n")[0]
    access, observe = (int(found) for found in re.findall(r"\b([0-3])\b", said)[-3::2])
    shares = [max(share + rng.gauss(0, 10), 0) for share in BETS[access, observe]]
    percent = [round(100 * share / sum(shares)) for share in shares]
    percent[3] += 100 - sum(percent)
    if percent[3] < 0:
        percent[percent.index(max(percent))] += percent[3]
        percent[3] = 0
    knows = (access == 3) == (rng.random() < 0.95)
    bets = ", ".join(f"{state}: {share}%" for state, share in enumerate(percent))
    return f"Initial Answer: {rng.randint(1, 3)}\nProbabilities: {bets}\nKnowledge: {'yes' if knows else 'no'}"


def _politely(prompt: str, rng: random.Random) -> str:
    hearts = int(prompt.partition(" out of 3 hearts")[0].split()[-2])
    social, informational = "feel good" in prompt, "accurate" in prompt
    goal = "both" if social and informational else "social" if social else "informational"
    frame = "wasn't" if rng.random() < NEGATED[goal, hearts] else "was"
    word = WORDS[min(max(hearts if frame == "was" else 3 - hearts, 0) + rng.choice((-1, 0, 0, 0, 1)), 3) % 4]
    return f"It {frame} {word}."


def always(text: str) -> Answer:
    """The same answer to everything."""
    return lambda prompt, rng: text


@dataclass
class Speaker:
    """A model server whose answers can be exchanged; None is an error of the server."""

    server: TableServer
    answer: Answer | None = as_people

    def reply(self, path: str, number: int, body: dict[str, Any]) -> web.Response | None:
        """Answer chats in the table server's place, except those of the handshake."""
        if path != "/v1/chat/completions" or body.get("max_tokens") in (1, 16) or body.get("logprobs"):
            return None
        if self.answer is None:
            return web.json_response({"error": {"message": "out of memory", "code": 400}}, status=400)
        digest = hashlib.sha256(json.dumps([body["messages"], body.get("seed")]).encode()).digest()
        return web.json_response(completion(self.answer(body["messages"][-1]["content"], random.Random(digest))))


@contextmanager
def speaker() -> Iterator[Speaker]:
    """A running one."""
    with TableServer(MODEL) as server:
        own = Speaker(server)
        server.fail = own.reply
        yield own


def ask(
    grace: Command,
    own: Speaker,
    study: str,
    trials: Path,
    output: Path,
    *more: object,
    model: str = "table",
    score: int = 0,
    answer: Answer | None = as_people,
) -> Path:
    """A run of answers with its extraction and, for so many rows as `score` says, probabilities; the run's folder."""
    own.answer, own.server.name = answer, model
    server: Sequence[object] = ("--model-endpoint", own.server.url, "--model-name", model)
    result = grace("query", study, "--input", trials, "--output", output, *server, "--max-retries", 0, *more)
    assert (result.code == 0) == (answer is not None), result
    if answer is None:
        return output.with_suffix(".run")
    values = output.with_name(f"{output.stem}_structured.csv")
    assert grace("extract", study, "--input", output, "--output", values).code == 0
    if score:
        scores = output.with_name(f"{output.stem}_scores.csv")
        result = grace("score", study, "--input", trials, "--output", scores, *server, "--limit", score)
        assert result.code == 0, result
    return output.with_suffix(".run")


def chosen(trials: Path, to: Path, keep: Callable[[dict[str, Any]], bool]) -> Path:
    """The rows of a table that are wanted, as a table."""
    from analysis_tables import write

    return write(to, [row for row in read_rows(trials) if keep(row)])
