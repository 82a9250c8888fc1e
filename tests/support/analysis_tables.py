"""Tables of invented answers with known effects, for tests of the analysis."""

import csv
import math
import random
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from conftest import ROOT, read_rows

BETS = {
    (1, 1): (5, 20, 30, 45),
    (2, 1): (5, 30, 35, 30),
    (2, 2): (2, 3, 45, 50),
    (3, 1): (4, 80, 10, 6),
    (3, 2): (2, 8, 80, 10),
    (3, 3): (1, 2, 5, 92),
}
"""Planted mean bets by access and observe."""
NEGATED = {
    ("informational", 0): 0.30, ("informational", 1): 0.55, ("informational", 2): 0.15, ("informational", 3): 0.05,
    ("social", 0): 0.50, ("social", 1): 0.45, ("social", 2): 0.10, ("social", 3): 0.05,
    ("both", 0): 0.75, ("both", 1): 0.70, ("both", 2): 0.10, ("both", 3): 0.05,
}  # fmt: skip
"""Planted shares of negation by goal and hearts."""
WORDS = ("terrible", "bad", "good", "amazing")


def trials(study: str) -> list[dict[str, Any]]:
    """The committed trials of a study."""
    return read_rows(ROOT / "data" / f"{study}.csv")


def study1(rng: random.Random, spread: float = 12.0, of_stimulus: float = 0.0, **more: Any) -> list[dict[str, Any]]:
    """Answers to study 1 with the planted bets; `of_stimulus` is the spread of what rows of a stimulus share."""
    rows = trials("study1")
    shared = {row["speach"]: [rng.gauss(0, of_stimulus) for _ in range(4)] for row in rows}
    for row in rows:
        cell = int(row["access"]), int(row["observe"])
        for state, mean in enumerate(BETS[cell]):
            bet = mean + rng.gauss(0, spread) + shared[row["speach"]][state]
            row[f"probability_{state}"] = min(max(bet, 0.0), 100.0)
        row["Knowledge_A"] = "yes" if cell[0] == 3 else "no"
        row |= more
    return rows


def study2(rng: random.Random, negated: Mapping[tuple[str, int], float] = NEGATED, **more: Any) -> list[dict[str, Any]]:
    """Answers to study 2 with planted shares of negation; the adjective is drawn."""
    rows = trials("study2")
    for row in rows:
        social, informational = "feel good" in row["Goal"], "accurate" in row["Goal"]
        goal = "both" if social and informational else "social" if social else "informational"
        row["Was_Wasnt"] = "wasn't" if rng.random() < negated[goal, int(row["State"][0])] else "was"
        row["Assessment"] = rng.choice(WORDS)
        row |= more
    return rows


def write(path: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    """Write a CSV file with all columns of the rows."""
    rows = list(rows)
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return path


def number(cell: str) -> float:
    """A cell's number, NaN where it is empty."""
    return float(cell) if cell else math.nan


def scored(
    study: str, rows: Iterable[Mapping[str, Any]], rng: random.Random, shift: float = 0.0, jitter: float = 0.0
) -> list[dict[str, Any]]:
    """Rows with probabilities of Experiment 2, the same for the same stimulus.

    `shift` is how much of the probability goes to the last answer of each question, `jitter` how much of it is drawn.
    """
    from grace.studies.study import load_study

    own = load_study(study)
    shown = [name for name in own.columns if name != own.design.participant]
    made = []
    for trial in rows:
        row = dict(trial)
        for name, question in own.questions.items():
            columns = question.columns.probabilities
            same = random.Random(name + "".join(str(trial[column]) for column in shown if column in trial))
            p, other = (_distribution(source, len(columns)) for source in (same, rng))
            p = [(1 - jitter) * x + jitter * y for x, y in zip(p, other, strict=True)]
            p = [(1 - shift) * x for x in p]
            p[-1] += shift
            row |= dict(zip(columns, p, strict=True))
            if question.space.values is not None:
                row[f"{name}_mean"] = sum(x * value for x, value in zip(p, question.space.values, strict=True))
        made.append(row)
    return made


def _distribution(rng: random.Random, labels: int) -> list[float]:
    weights = [rng.expovariate(1) for _ in range(labels)]
    return [weight / sum(weights) for weight in weights]
