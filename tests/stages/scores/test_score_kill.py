"""`grace score`, killed at any moment, loses no finished question, sends none again, and ends with the same table."""

import random
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from conftest import read_rows
from forge import Forge, Forked, open_forge
from grace.endpoints.dialects.llamacpp import FIRST
from grace.ledger import scan
from limits import HANG, wait_until
from table_model import TableServer, printable_model

KILLS = 26
CONCURRENCY = 4
MODEL = printable_model("é", "yes", "no", "ten", seed=3, spread=2.0)
STUDY = """\
name: things
title: Things
columns: {thing: {}, place: {}}
questions:
  right:
    prompt: Is {{ thing }} in {{ place }}?
    answers: {labels: {yes: yes, no: no}}
  many:
    prompt: How many {{ thing }}?
    answers: {labels: {1: "1", 10: "10", 100: ["100", ten]}, numeric: true}
"""
THINGS, PLACES = 30, 3
DISTINCT = THINGS * PLACES + THINGS
"""`right` is asked about each thing in each place, `many` about each thing alone."""


@dataclass
class Torment:
    """One run after the other, killed again and again, each asking a server of its own."""

    forge: Forge
    folder: Path
    server: TableServer
    dice: random.Random
    options: tuple[object, ...]
    stretch: int
    """A process is killed after so many requests at most."""
    kills: int = 0
    while_working: int = 0
    runs: int = 0
    prompts: dict[tuple[int, ...], tuple[str, int]] = field(default_factory=dict)
    """For the tokens of each prompt, its question and the first row that asks it, from 1."""

    def __post_init__(self) -> None:
        (self.folder / "study.yaml").write_text(STUDY)
        rows = [(f"x{thing}", f"y{place}") for place in range(PLACES) for thing in range(THINGS)] * 2
        lines = ["thing,place", *(",".join(row) for row in rows)]
        (self.folder / "trials.csv").write_text("\n".join(lines) + "\n")
        for number, (thing, place) in enumerate(rows, 1):
            for question, text in (("right", f"Is {thing} in {place}?"), ("many", f"How many {thing}?")):
                prompt = tuple(MODEL.tokenize(MODEL.render([{"role": "user", "content": text}])))
                self.prompts.setdefault(prompt, (question, number))
        assert len(self.prompts) == DISTINCT

    def start(self, output: Path) -> Forked:
        asked = ("--model-endpoint", self.server.url, "--model-name", "table", "--concurrency", CONCURRENCY)
        files = ("study.yaml", "--input", "trials.csv", "--output", output)
        return self.forge.start("score", *files, *asked, *self.options, folder=self.folder)

    def go_on_until(self, kills: int) -> None:
        """Make runs until so many processes were killed, each run to its end."""
        untouched = self.folder / "untouched.csv"
        process = self.start(untouched)
        _, err = process.communicate(timeout=HANG)
        assert process.returncode == 0, err
        while self.kills < kills:
            self.runs += 1
            output = self.folder / f"killed{self.runs}.csv"
            killed, asked = self.kills, len(self.questions_since(0))
            while not self.one_process(output, self.kills < kills):
                pass
            again = len(self.questions_since(0)) - asked - DISTINCT
            assert 0 <= again <= CONCURRENCY * (self.kills - killed), "more was lost than was under way"
            assert output.read_bytes() == untouched.read_bytes()
            self.all_is_well(output)

    def one_process(self, output: Path, to_be_killed: bool) -> bool:
        """Start, kill, and look at what is left; True when the process came to its end before."""
        ledger = output.with_suffix(".run") / "ledger.jsonl"
        before = ledger.read_bytes() if ledger.exists() else b""
        before = before[: before.rfind(b"\n") + 1]
        finished = {(record["question"], record["rows"][0]) for _, record in scan(ledger)}
        heard = len(self.server.requests)

        process = self.start(output)
        killed = to_be_killed and self.wait_for_a_bad_moment(process, output, heard, len(finished))
        if killed:
            process.kill()
        _, err = process.communicate(timeout=HANG)
        assert "Traceback" not in err, err
        if killed and process.returncode == 0:  # it was quicker
            killed = False
        assert process.returncode == (-signal.SIGKILL if killed else 0), err
        self.kills += killed
        time.sleep(0.05)  # what the killed one has sent is on its way still

        after = ledger.read_bytes() if ledger.exists() else b""
        assert after.startswith(before), "a line that was complete is gone"
        asked = self.questions_since(heard)
        assert not set(asked) & finished, "a question that was finished is asked again"
        assert len(asked) == len(set(asked)), "a question is asked twice in one session"
        written = [(record["question"], record["rows"][0]) for _, record in scan(ledger)]
        assert set(written) <= set(asked) | finished
        assert len(asked) - (len(written) - len(finished)) <= CONCURRENCY, "answers were not written as they came"
        self.while_working += killed and len(after) > len(before)
        return not killed

    def wait_for_a_bad_moment(self, process: Forked, output: Path, heard: int, finished: int) -> bool:
        """False when the process has ended by itself."""
        nearly_done = finished > DISTINCT * 0.7
        kind = self.dice.choices(["start", "work", "export"], [1, 6, 4 if nearly_done else 0])[0]
        if kind == "start":
            pause = time.monotonic() + self.dice.uniform(0, 0.4)
            wait_until(lambda: time.monotonic() > pause, process)
        elif kind == "work":
            wanted = heard + self.dice.randrange(40, self.stretch)  # the handshake has about fifty
            wait_until(lambda: len(self.server.requests) >= wanted, process)
            time.sleep(self.dice.uniform(0, 0.02))
        else:
            wait_until(lambda: any(output.parent.glob(f".{output.name}.*.tmp")), process)
        return process.poll() is None

    def questions_since(self, heard: int) -> list[tuple[str, int]]:
        """The questions that the server was sent, without the one at the start of each session that proves it able.

        Of the requests for one question, that for its answer's first place is counted.
        """
        questions, proof = [], False
        for path, body in self.server.requests[heard:]:
            if path not in ("/v1/completions", "/completion"):
                continue
            if isinstance(body["prompt"], str):  # the handshake's, and the proof comes next
                proof = True
                continue
            prompt = body["prompt"][0] if path == "/v1/completions" else body["prompt"]
            question = self.prompts.get(tuple(prompt))
            if question is None or body.get("n_probs", FIRST) > FIRST:
                continue  # a later place; or the same place, since the most likely tokens told were too few
            if not proof:
                questions.append(question)
            proof = False
        return questions

    def all_is_well(self, output: Path) -> None:
        """Look at a run that has ended."""
        run = output.with_suffix(".run")
        records: list[dict[str, Any]] = [record for _, record in scan(run / "ledger.jsonl")]
        assert {record["status"] for record in records} == {"scored"}
        assert len(records) == len({record["key"] for record in records}) == DISTINCT
        for question in ("right", "many"):
            rows = [row for record in records if record["question"] == question for row in record["rows"]]
            assert sorted(rows) == [*range(1, 2 * THINGS * PLACES + 1)]
        assert [row["error"] for row in read_rows(output)] == [""] * 2 * THINGS * PLACES
        assert sorted(path.name for path in run.iterdir()) == ["input.csv", "ledger.jsonl", "run.json", "study.yaml"]
        assert list(output.parent.glob(f".{output.name}*")) == []


@pytest.mark.slow
def test_killed_again_and_again(tmp_path: Path) -> None:
    """Two runs at a time: vLLM's way, one request a question, and llama.cpp's, one for each place of an answer."""
    ways: list[tuple[Any, tuple[object, ...], int]] = [("vllm", (), 170), ("llamacpp", ("--residual", 0.001), 380)]
    torments = []
    with open_forge() as forge, ExitStack() as servers, ThreadPoolExecutor(2) as both:
        for number, (dialect, options, stretch) in enumerate(ways):
            server = servers.enter_context(TableServer(MODEL, dialect, latency=0.005))
            folder = tmp_path / str(number)
            folder.mkdir()
            torments.append(Torment(forge, folder, server, random.Random(number), options, stretch))
        for done in [both.submit(torment.go_on_until, KILLS // 2) for torment in torments]:
            done.result()
    assert sum(torment.kills for torment in torments) >= KILLS
    for torment in torments:  # the kills were not all too early to matter
        assert torment.while_working > KILLS // 8
        assert torment.runs >= 2
