"""Tables of answers, values and probabilities made by hand, which pass every check of `grace validate`."""

import csv
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from conftest import ROOT, read_rows
from grace.stages.answers.records import request_seed
from grace.stages.answers.table import answer_columns
from grace.stages.scores.table import score_columns
from grace.studies.answers import distribution
from grace.studies.study import Study, load_study

MODEL = "table"
Row = dict[str, Any]


@dataclass
class Table:
    """A table that can be changed before it is written."""

    path: Path
    columns: list[str]
    rows: list[Row] = field(default_factory=list)

    def write(self) -> Path:
        with open(self.path, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(self.columns)
            writer.writerows([row.get(name, "") for name in self.columns] for row in self.rows)
        return self.path


def read_table(path: Path) -> Table:
    with open(path, newline="", encoding="utf-8") as file:
        columns = next(csv.reader(file))
    return Table(path, columns, read_rows(path))


def edit(path: Path, change: Callable[[Table], None]) -> None:
    """Change a table that lies there."""
    table = read_table(path)
    change(table)
    table.write()


def trials(study: str, folder: Path, rows: int = 24) -> Table:
    """The first trials of a built-in study."""
    table = read_table(ROOT / "data" / f"{study}.csv")
    return Table(folder / "trials.csv", table.columns, table.rows[:rows])


def said(study: str, number: int) -> str:
    """An answer that holds every value, another one for each number."""
    if study == "study2":
        frame, word = ("was", "wasn't")[number % 2], ("terrible", "bad", "good", "amazing")[number // 2 % 4]
        return f"It {frame} {word}."
    shares = [number % 50, 20, 30, 50 - number % 50]
    amounts = ", ".join(f"{k}: {share}%" for k, share in enumerate(shares))
    return f"Initial Answer: {number % 4}\nProbabilities: {amounts}\nKnowledge: {('yes', 'no')[number % 2]}"


def answers(study: str, given: Table, folder: Path, replications: int = 2) -> Table:
    """What `grace query` would have written."""
    table = Table(folder / "answers.csv", [*given.columns, *answer_columns(("response",))])
    for place, trial in enumerate(given.rows):
        for replication in range(replications):
            number = len(table.rows)
            table.rows.append(
                trial
                | {
                    "model_name": MODEL,
                    "model_response": said(study, number),
                    "response_timestamp": "2026-01-02T03:04:05.678Z",
                    "processing_time_ms": 17 + number,
                    "finish_reason": "stop",
                    "prompt_tokens": 200,
                    "completion_tokens": 20,
                    "replication": replication + 1,
                    "seed": request_seed(1, study, place, replication),
                }
            )
    return table


def structured(study: str, asked: Table, folder: Path) -> Table:
    """What `grace extract` would have written."""
    extraction = load_study(study).extraction
    assert extraction is not None
    table = Table(folder / "structured.csv", [*asked.columns, *extraction.columns])
    for row in asked.rows:
        read = extraction.read(dict.fromkeys(extraction.about, row["model_response"]), False)
        cells = ("" if cell is None else cell for cell in read.cells())
        table.rows.append(row | dict(zip(extraction.columns, cells, strict=True)))
    return table


def scores(study: str | Study, given: Table, folder: Path, seed: int = 1) -> Table:
    """What `grace score` would have written, with a label mass of 0.9."""
    chosen = load_study(study) if isinstance(study, str) else study
    table = Table(folder / "scores.csv", [*given.columns, *score_columns(chosen)])
    source = random.Random(seed)
    for trial in given.rows:
        row = trial | {"model_name": MODEL}
        for question in chosen.questions.values():
            masses = {label: source.random() + 0.01 for label in question.space.labels}
            total = sum(masses.values())
            masses = {label: 0.9 * mass / total for label, mass in masses.items()}
            cells = question.columns.cells(distribution(question.space, masses), 0.9, 0.0)
            row |= dict(zip(question.columns.names, cells, strict=True))
        table.rows.append(row)
    return table


@dataclass
class Experiment:
    """The tables of one study about the same trials."""

    study: str
    trials: Table
    answers: Table
    structured: Table
    scores: Table

    @property
    def outputs(self) -> tuple[Table, Table, Table]:
        return self.answers, self.structured, self.scores

    def write(self, *names: str) -> list[Path]:
        """Write the trials, and the tables called so or all; their paths without that of the trials."""
        self.trials.write()
        return [getattr(self, name).write() for name in names or ("answers", "structured", "scores")]


def experiment(study: str, folder: Path) -> Experiment:
    given = trials(study, folder)
    asked = answers(study, given, folder)
    return Experiment(study, given, asked, structured(study, asked, folder), scores(study, given, folder))


def merged(made: Experiment, folder: Path) -> Table:
    """Answers, values and probabilities of one row side by side."""
    by_trial = {tuple(row[name] for name in made.trials.columns): row for row in made.scores.rows}
    probabilities = [name for name in made.scores.columns if name not in (*made.trials.columns, "model_name", "error")]
    table = Table(folder / "merged.csv", [*made.structured.columns, *probabilities, "scores_error"])
    for row in made.structured.rows:
        scored = by_trial[tuple(row[name] for name in made.trials.columns)]
        table.rows.append(row | {name: scored[name] for name in probabilities})
    return table
