"""How many questions a second the client can score on one core, when the server costs nothing."""

import csv
from pathlib import Path
from statistics import median

from benchmarks.parts import PYTHON, ROOT, Options, Result, canned_server, measured, say, spread, workspace, yardstick

NAME = "score-cpu"
FEW, MANY = 20, 420
QUESTIONS = 6
REPEATS = 5
TARGET = 800


def run(options: Options) -> Result:
    rates, walls, sticks = [], [], []
    with workspace() as folder, canned_server(module="benchmarks.canned_scores") as url:
        few, many = trials(folder / "few.csv", FEW), trials(folder / "many.csv", MANY)
        for repeat in range(REPEATS):
            small = measured(score(few, folder / f"few{repeat}.csv", url))
            large = measured(score(many, folder / f"many{repeat}.csv", url))
            questions = (MANY - FEW) * QUESTIONS
            rates.append(questions / (large.cpu - small.cpu))
            sticks.append(rates[-1] * yardstick())
            walls.append(questions / (large.wall - small.wall))
            say(f"{rates[-1]:.0f} questions a second")
    return Result(
        NAME,
        f"at least {TARGET} questions a second of client on one core",
        median(rates) >= TARGET,
        figures=[
            ("**questions a second of CPU time**", f"**{spread(rates, 0)}**"),
            ("questions a second of wall time, server on the same machine", spread(walls, 0)),
        ],
        ratios={"the yardstick's CPU to that of a question": sticks},
        commands=["python -m benchmarks.canned_scores", " ".join(score("trials.csv", "scores.csv", "URL"))],
        notes=[
            "User and system time of the grace process (wait4), from the table's rows to the ledger and the table of "
            "scores; what a start costs is taken out by the difference between "
            f"{MANY * QUESTIONS:,} and {FEW * QUESTIONS:,} questions. All prompts differ and have 180 tokens; four of "
            "a row's six questions have 21 places with 11 different tokens. Each takes two requests: one renders the "
            "prompt, one asks for all places.",
        ],
    )


def trials(path: Path, rows: int) -> Path:
    """Trials of study 1, no two with the same story."""
    with open(ROOT / "data" / "study1.csv", newline="", encoding="utf-8") as file:
        header, *known = csv.reader(file)
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        for row in range(rows):
            participant, item, story, *rest = known[row % len(known)]
            writer.writerow([participant, item, f"{story} This is story {row}.", *rest])
    return path


def score(trials: object, output: object, url: str) -> list[str]:
    """The command that scores all trials."""
    return [
        *(PYTHON if isinstance(trials, Path) else "python", "-m", "grace", "score", "study1", "--input", str(trials)),
        *("--output", str(output), "--model-endpoint", url, "--model-name", "canned", "--concurrency", "16"),
    ]
