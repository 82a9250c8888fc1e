"""Rate at 50 ms latency and 64 connections, beside a bare aiohttp loop on the same server with the same bodies."""

from datetime import datetime
from pathlib import Path
from statistics import median

import orjson

from benchmarks.parts import (
    CONNECTIONS,
    MODEL,
    PYTHON,
    QUERY_SHOWN,
    Options,
    Result,
    canned_server,
    measured,
    query,
    say,
    spread,
    workspace,
    write_trials,
)
from grace.endpoints.dialects import OpenAI, Sampling
from grace.ledger import scan
from grace.stages.answers.records import request_seed
from grace.studies.study import load_study
from grace.tables import CsvTable

NAME = "latency"
LATENCY = 0.05
ROWS = 10_000
REPEATS = 7
TARGET = 0.9


def run(options: Options) -> Result:
    ceiling = CONNECTIONS / LATENCY
    grace, bare = [], []
    with workspace() as folder, canned_server(LATENCY) as url:
        trials = write_trials(folder / "trials.csv", ROWS)
        bodies = write_bodies(trials, folder / "bodies.jsonl")
        for repeat in range(REPEATS):

            def ask_bare() -> None:
                command = [PYTHON, "-m", "benchmarks.bare", url, str(bodies), str(CONNECTIONS)]
                bare.append(ROWS / float(measured(command).printed))

            def ask_grace(output: Path = folder / f"{repeat}.csv") -> None:
                measured(query(trials, output, url))
                grace.append(ROWS / asking_seconds(output.with_suffix(".run") / "ledger.jsonl"))

            for ask in (ask_bare, ask_grace) if repeat % 2 else (ask_grace, ask_bare):
                ask()
            say(f"grace {grace[-1]:.0f} a second, bare loop {bare[-1]:.0f}")
    ratios = [a / b for a, b in zip(grace, bare, strict=True)]
    return Result(
        NAME,
        f"with {LATENCY * 1000:.0f} ms latency and {CONNECTIONS} connections at least {TARGET} of a bare loop's rate",
        median(ratios) >= TARGET,
        figures=[
            ("**Grace / bare loop**", f"**{spread(ratios, 3)}**"),
            ("Grace, rows a second", spread(grace, 0)),
            ("bare loop, rows a second", spread(bare, 0)),
            ("possible at most", f"{ceiling:,.0f}"),
        ],
        ratios={"Grace to a bare loop": ratios},
        commands=[
            f"python tests/support/canned.py --latency {LATENCY}",
            QUERY_SHOWN,
            f"python -m benchmarks.bare URL bodies.jsonl {CONNECTIONS}",
        ],
        notes=[
            f"{ROWS:,} rows; the two take turns, the order changes each time, and a ratio is of two neighbours.",
            "Only the asking is compared: from the first request's start to the last answer, for Grace by the times in "
            "its ledger, for the bare loop by its own clock. Grace renders each prompt and writes each record in that "
            "time; the bare loop's bodies are made beforehand.",
        ],
    )


def asking_seconds(ledger: Path) -> float:
    """From the start of the first request to the end of the last."""
    records = [record for _, record in scan(ledger)]
    assert len(records) == ROWS
    assert all(record["status"] == "answered" for record in records)
    first, last = min(record["started"] for record in records), max(record["ended"] for record in records)
    return (datetime.fromisoformat(last) - datetime.fromisoformat(first)).total_seconds()


def write_bodies(trials: Path, path: Path) -> Path:
    """What Grace sends about each trial, one body a line."""
    study, dialect, sampling = load_study("study1"), OpenAI(), Sampling(0.7, 512)
    conversation = study.conversation(None)
    (turn,) = conversation.turns
    with CsvTable(trials) as table, open(path, "wb") as file:
        for row, cells in enumerate(map(study.complete, table.rows())):
            messages = [*conversation.opening(cells), conversation.turn(turn, cells)]
            body = dialect.chat_body(MODEL, messages, sampling, request_seed(1, study.name, row, 0))
            file.write(orjson.dumps(body, option=orjson.OPT_APPEND_NEWLINE))
    return path
