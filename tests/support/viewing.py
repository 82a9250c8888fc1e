"""Runs to look around in, written as `grace query` would write them, and `grace view` as a process of its own."""

import csv
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from conftest import ROOT, read_rows
from grace.files import sha256_of
from grace.manifest import GENERATE, Identity, InputFacts
from grace.runs import Run
from grace.studies.study import load_study
from reviewing import Page, serving

SAID = "Initial Answer: 3\nProbabilities: 0: 10%, 1: 20%, 2: 30%, 3: 40%\nKnowledge: no"
Answer = Callable[[int], str | None]
"""The answer to a row (from 0); None: not asked yet. An answer that begins with "!" is the message of a failure."""


def write_trials(path: Path, rows: int) -> Path:
    """A table of trials of study 1; its first rows are repeated as often as it takes."""
    trials = read_rows(ROOT / "data" / "study1.csv")
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, trials[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows(
            {**trials[place % len(trials)], "participant_id": str(place // 6 + 1)} for place in range(rows)
        )
    return path


def record(row: int, text: str, replication: int = 1) -> dict[str, Any]:
    """One line of a ledger."""
    begin: dict[str, Any] = {"key": f"{row}/{replication}", "rows": [row + 1], "replication": replication}
    begin |= {"question": "single", "attempts": 1, "error": None, "request": {}}
    begin |= {"started": "2026-01-02T03:04:05.178Z", "ended": "2026-01-02T03:04:05.678Z"}
    if text.startswith("!"):
        return begin | {"status": "failed", "error": {"kind": "http 500", "status": 500, "message": text[1:]}}
    finish = "length" if text.endswith("…") else "stop"
    return begin | {
        "status": "answered" if text.strip() else "empty",
        "response": {"text": text, "reasoning": f"I think of {row}." if row == 1 else None, "finish_reason": finish},
        "tokens": {"prompt": 100, "completion": 10 + row % 90},
        "milliseconds": 500.0 + row % 1000,
    }


def made(trials: Path, output: Path, answer: Answer, model: str, rows: int) -> Run:
    """The run of a model that was asked about the first rows of some trials."""
    study = load_study("study1")
    conversation = study.conversation(None)
    run = Run.beside(output)
    run.path.mkdir(parents=True)
    facts = InputFacts(file=trials.name, rows=rows, sha256=sha256_of(trials))
    identity = Identity(
        experiment=GENERATE,
        study=study.name,
        protocol=conversation.name,
        turns=conversation.turns,
        templates=conversation.hashes,
        input=facts,
        model={"name": model},
        sampling={},
        seed=1,
    )
    run.begin(identity, trials, study.content)
    run.widen(rows, 1)
    with run.session(output=output.name):
        add(run, range(rows), answer)
    return run


def add(run: Run, rows: Sequence[int], answer: Answer) -> None:
    """Write the answers to some rows, one line each."""
    (turn,) = run.identity.turns
    with open(run.ledger, "ab") as file:
        for row in rows:
            if (text := answer(row)) is not None:
                file.write(orjson.dumps(record(row, text) | {"question": turn}, option=orjson.OPT_APPEND_NEWLINE))


@contextmanager
def viewing(*arguments: object) -> Iterator[Page]:
    """`grace view` in a process of its own, once its page is there."""
    with serving("view", *arguments) as (process, told):
        yield Page(process, told[:-2], told[-2])
