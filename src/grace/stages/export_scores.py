"""The table of Experiment 2: every row with the distribution over each question's answers."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from math import fsum
from pathlib import Path
from typing import Any

from grace.ledger import LedgerReader
from grace.runs import Run
from grace.stages.done import NOT_ASKED
from grace.stages.scored import Keys, Scores, study_of
from grace.studies.answers import distribution
from grace.studies.questions import TABLE
from grace.studies.study import Study
from grace.tables import CsvTable, write_table

LOW_MASS = 0.5
"""With less label mass than this, most of the model's probability lies outside of the answers."""
LOOSE = 0.01
"""A residual of more than this share of the label mass blurs the distribution."""
CACHED = 10_000
NOTHING = "none of the answers has any probability"
NOT_LOOKED_FOR = (
    "all answers lie below the bound, so none was looked for; a smaller --residual, where the server can, finds them"
)


@dataclass
class Mass:
    """The label mass of one question's distinct prompts.

    Attributes:
        prompts: how many distinct prompts were scored.
        total, lowest: of the prompts' label masses.
        low: how many prompts have less than LOW_MASS.
        loose: how many have a residual of more than LOOSE of it.
        residual: the largest.
    """

    prompts: int = 0
    total: float = 0.0
    lowest: float = 1.0
    low: int = 0
    loose: int = 0
    residual: float = 0.0

    def add(self, label_mass: float, residual: float) -> None:
        """Take note of one prompt."""
        self.prompts += 1
        self.total += label_mass
        self.lowest = min(self.lowest, label_mass)
        self.low += label_mass < LOW_MASS
        self.loose += residual > LOOSE * label_mass
        self.residual = max(self.residual, residual)


@dataclass(frozen=True)
class ExportedScores:
    """What a table holds: its rows, the label mass by question, and the errors by their text."""

    path: Path
    rows: int
    masses: dict[str, Mass] = field(default_factory=dict)
    errors: Counter[str] = field(default_factory=Counter)
    failed: int = 0
    """How many rows lack a question that failed or was not asked yet, and will be asked again."""


def score_columns(study: Study) -> tuple[str, ...]:
    """The columns that follow the input's."""
    model, error = TABLE
    return (model, *(name for question in study.questions.values() for name in question.columns.names), error)


def export_scores(
    run: Run, output: Path, table: CsvTable, ledger: LedgerReader, scores: Scores, keys: Keys | None = None
) -> ExportedScores:
    """Write the table of an Experiment 2 run; see `grace.stages.export`."""
    identity = run.manifest["identity"]
    study = study_of(run)
    keys = keys or Keys(study, table, identity["model"], identity["scoring"])
    masses = {name: Mass() for name in study.questions}
    errors: Counter[str] = Counter()
    failed = 0
    seen: set[tuple[str, str]] = set()

    @lru_cache(CACHED)
    def cells(name: str, key: str) -> tuple[tuple[float | None, ...], str | None, bool]:
        """A question's cells, why they are empty, and whether it is to be asked again."""
        columns = study.questions[name].columns
        offset = scores.finished(key)
        if offset is None:
            failed = scores.failed(key)
            why = NOT_ASKED if failed is None else ledger[failed]["error"]["message"]
            return (None,) * len(columns.names), why, True
        response: dict[str, Any] = ledger[offset]["response"]
        found = distribution(study.questions[name].space, response["labels"])
        label_mass = fsum(response["labels"].values())
        if (name, key) not in seen:
            seen.add((name, key))
            masses[name].add(label_mass, response["residual"])
        why = None if found else NOTHING if not response["residual"] else NOT_LOOKED_FOR
        return columns.cells(found, label_mass, response["residual"]), why, False

    def rows() -> Iterator[list[object]]:
        nonlocal failed
        for row in range(run.scope["rows"]):
            full: list[object] = [*table.cells(row), identity["model"]["name"]]
            bad, again = [], False
            for name, key in keys.of(row).items():
                own, why, open_ = cells(name, key)
                full += own
                again |= open_
                if why:
                    bad.append(why if why == NOT_ASKED else f"{name}: {why}")
            error = "; ".join(dict.fromkeys(bad)) or None
            if error:
                errors[error] += 1
            failed += again
            full.append(error)
            yield full

    columns = (*table.columns, *score_columns(study))
    kinds = {name: float for question in study.questions.values() for name in question.columns.names}
    return ExportedScores(output, write_table(output, columns, rows(), kinds), masses, errors, failed)
