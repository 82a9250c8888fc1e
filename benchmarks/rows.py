"""CPU time and memory of the commands after the asking, by the number of rows; two models with both experiments."""

import random
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.million import count, fill
from benchmarks.parts import PYTHON, ROOT, Options, Result, measured, say, workspace, write_trials
from grace.runs import Run

NAME = "rows"
ROWS, FULL = (1_000, 10_000), (100_000, 1_000_000)
FIRST = 300
"""So many rows are asked in earnest before the others are filled in."""
LAST = 50
"""So many rows are asked in earnest at the end."""
MEMORY = 1_000


def run(options: Options) -> Result:
    figures: list[tuple[str, str]] = []
    largest = 0.0
    for rows in (*ROWS, *(FULL if options.full else ())):
        with workspace() as folder:
            one, other = (made(folder, rows, name) for name in ("one", "other"))
            commands: dict[str, tuple[object, ...]] = {
                "validate": (one, "--out", folder / "quality"),
                "merge": (one, "--out", folder / "merged"),
                "analyze": (one, "--out", folder / "results"),
                "compare": (one, other, "--out", folder / "compared"),
                "report": (one, "--out", folder / "report.html"),
            }
            for name, arguments in commands.items():
                # the table model's probabilities are drawn at random, so that its data are not good enough
                spent = measured([PYTHON, "-m", "grace", name, *map(str, arguments)], codes=(0, 1))
                say(f"{rows:,} rows: {name} {spent.cpu:.1f} s, {spent.peak:.0f} MB")
                figures.append((f"`grace {name}`, {rows:,} rows", f"{spent.cpu:.1f} s of CPU, {spent.peak:.0f} MB"))
                largest = max(largest, spent.peak)
    return Result(
        NAME,
        f"each command below {MEMORY:,} MB of resident memory",
        largest < MEMORY,
        figures=figures,
        commands=["python -m grace validate one.run", "python -m grace merge one.run", "..."],
        notes=[
            "Study 1, one answer for each row and the probabilities of all prompts; `compare` takes two models with so "
            f"many rows each. But for {FIRST + LAST} rows, answers are written into the ledger as in `million`; nearly "
            "all of them differ.",
            "" if options.full else "`--full` adds 100,000 and a million rows.",
        ],
    )


def made(folder: Path, rows: int, model: str) -> Path:
    """A run with so many answers, and beside it their values and probabilities; returns its folder."""
    sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "support")]
    from report_runs import as_people, speaker

    trials, output = write_trials(folder / "trials.csv", rows), folder / f"{model}.csv"
    of = Run.beside(output)
    with speaker() as own:
        own.server.name = model
        about = ("study1", "--input", str(trials), "--model-endpoint", own.server.url, "--model-name", model)
        query = [PYTHON, "-m", "grace", "query", *about, "--output", str(output)]
        with subprocess.Popen(query, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as first:
            while first.poll() is None and not (of.ledger.exists() and count(of.ledger) >= FIRST):
                time.sleep(0.1)
            first.kill()
        fill(of, rows - LAST, lambda prompt, key: as_people(prompt, random.Random(key)))
        measured(query)
        measured([PYTHON, "-m", "grace", "score", *about, "--output", str(folder / f"{model}_scores.csv")])
    values = folder / f"{model}_structured.csv"
    measured([PYTHON, "-m", "grace", "extract", "study1", "--input", str(output), "--output", str(values)])
    return of.path
