"""Extractions that a person reviews, and `grace review` as a process of its own, with its page to ask."""

import csv
import http.client
import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from conftest import ROOT, Command, read_rows
from grace.ledger import scan
from grace.review.local import TOKEN_HEADER
from limits import HANG

CLEAN = "Initial Answer: 3\nProbabilities: 0: 10%, 1: 20%, 2: 30%, 3: 40%\nKnowledge: no"
NO_KNOWLEDGE = "Initial Answer: 1\nProbabilities: 0: 0%, 1: 50%, 2: 50%, 3: 0%"
OFF = "Initial Answer: 3\nProbabilities: 0: 10%, 1: 20%, 2: 30%, 3: 20%\nKnowledge: no"
REFUSAL = "As an AI language model, I cannot answer that."
HOSTILE = '<script>alert(1)</script><img src=x onerror="alert(2)"> \'single\' "double" &amp; \u202eesrever\u202c </pre>'
ANSWERS = (CLEAN, NO_KNOWLEDGE, OFF, REFUSAL, "", HOSTILE, CLEAN, CLEAN)
FLAGGED = (2, 3, 4, 6, 8)
"""Rows of these answers that need a person; the fifth has no answer, the last is cut off."""
VALUES = {"Prior_A": 1, "probability_0": 0, "probability_1": 50, "probability_2": 50, "probability_3": 0}
"""What the second answer says."""


def write_answers(path: Path, texts: Sequence[str] = ANSWERS, order: Sequence[int] | None = None) -> None:
    """A table of answers as `grace query` writes it, of the first trials of study 1; the last answer was cut off."""
    trials = read_rows(ROOT / "data" / "study1.csv")
    rows = [
        {
            **trials[place % len(trials)],
            "model_name": "canned",
            "model_response": text,
            "finish_reason": "length" if place == len(texts) - 1 else "stop",
            "replication": 1,
            "seed": 100 + place,
            "error": "" if text else "http 500: broken",
        }
        for place, text in enumerate(texts)
    ]
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows if order is None else [rows[place] for place in order])


def extracted(grace: Command, folder: Path) -> Path:
    done = grace("extract", "study1", "--input", folder / "answers.csv", "--output", folder / "values.csv")
    assert done.code == 0, done
    return folder / "values.run"


@dataclass
class Page:
    """A review that runs: its process, its address, and how to ask it."""

    process: "subprocess.Popen[str]"
    told: list[str]
    address: str
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def host(self) -> str:
        return self.address.split("/")[2]

    @property
    def token(self) -> str:
        return self.address.partition("#")[2]

    def request(self, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, Any, Any]:
        """Status, what was answered (JSON is read) and the headers of one request."""
        connection = http.client.HTTPConnection(self.host, timeout=HANG)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, named)
        reply = connection.getresponse()
        content = reply.read()
        connection.close()
        is_json = reply.headers.get_content_type() == "application/json"
        return reply.status, json.loads(content) if is_json else content, reply.headers

    def get(self, path: str) -> Any:
        status, data, _ = self.request("GET", path, **{TOKEN_HEADER: self.token})
        assert status == 200, data
        return data

    def post(self, path: str, body: object) -> tuple[int, Any]:
        sent = json.dumps(body).encode()
        return self.request("POST", path, sent, **{TOKEN_HEADER: self.token, "Content-Type": "application/json"})[:2]

    def decide(self, place: int, verdict: str, values: object = None) -> Any:
        seen = self.get(f"/api/rows/{place}")["decision"]
        body = {"verdict": verdict, "seen": seen and seen["when"]} | ({} if values is None else {"values": values})
        status, data = self.post(f"/api/rows/{place}", body)
        assert status == 200, data
        return data

    def end(self, number: int = signal.SIGINT) -> str:
        """End the review by a signal; what it said last."""
        self.process.send_signal(number)
        return self.wait()

    def wait(self) -> str:
        out, err = self.process.communicate(timeout=HANG)
        assert self.process.returncode == 0, err
        return out


@contextmanager
def serving(*arguments: object) -> Iterator[tuple["subprocess.Popen[str]", list[str]]]:
    """A `grace` command in a process of its own, with its lines; the last but one is its page's address."""
    command = [sys.executable, "-m", "grace", *arguments, "--no-browser"]
    process = subprocess.Popen(
        [str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with process:
        try:
            assert process.stdout is not None
            told: list[str] = []
            while not told or not told[-1].startswith("http"):
                line = process.stdout.readline()
                assert line, process.stderr and process.stderr.read()
                told.append(line.strip())
            yield process, [*told, process.stdout.readline().strip()]
        finally:
            process.kill()


@contextmanager
def reviewing(run: Path, *options: object) -> Iterator[Page]:
    """`grace review` in a process of its own, once its page is there."""
    with serving("review", run, "--by", "Ada Lovelace", *options) as (process, told):
        yield Page(process, told[:-2] + told[-1:], told[-2])


def records(run: Path) -> list[dict[str, Any]]:
    return [record for _, record in scan(run / "ledger.jsonl")]
