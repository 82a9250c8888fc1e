"""The table of Experiment 2: every row with the distribution over each question's answers."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from math import fsum
from pathlib import Path
from typing import Any

from grace.ledger import LedgerReader
from grace.runs import Run
from grace.stages.answers.records import NOT_ASKED
from grace.stages.scores.records import Keys, Scores
from grace.studies.answers import distribution
from grace.studies.questions import TABLE, ScoreColumns
from grace.studies.study import Study
from grace.studies.surprisal import SurprisalColumns
from grace.tables import CsvTable, write_table

LOW_MASS = 0.5
"""With less label mass than this, most of the model's probability lies outside the answers."""
LOOSE = 0.01
"""A residual of more than this share of the label mass blurs the distribution."""
CACHED = 10_000
NOTHING = "none of the answers has any probability"
NOT_LOOKED_FOR = (
    "all answers lie below the bound, so none was looked for; a smaller --residual, where the server can, finds them"
)


ScoredRow = tuple[tuple[float | str | None, ...], str | None, bool]
"""The cells of a row, why some are empty, and whether something is to be asked again."""


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
        """Add one prompt."""
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
    """How many rows lack an answer because a question failed or was not asked yet; it will be asked again."""


def score_columns(study: Study) -> tuple[str, ...]:
    """The columns that follow the input's."""
    model, error = TABLE
    return (model, *(name for question in study.scored.values() for name in question.columns.names), error)


def score_kinds(study: Study) -> dict[str, type]:
    """The type of those of a study's columns of scores that hold numbers."""
    columns = [name for question in study.scored.values() for name in question.columns.names]
    texts = {name for question in study.questions.values() for name in question.columns.texts}
    texts |= {name for question in study.measures.values() for name in question.columns.words}
    counts = {name for question in study.measures.values() for name in question.columns.tokens}
    return {name: int if name in counts else float for name in columns if name not in texts}


def export_scores(
    run: Run, output: Path, table: CsvTable, ledger: LedgerReader, scores: Scores, keys: Keys
) -> ExportedScores:
    """Write the table of an Experiment 2 run; see `grace.stages.export`."""
    score_rows = ScoreRows(ledger, scores, keys)
    errors: Counter[str] = Counter()
    failed = 0
    as_text = output.suffix.lower() == ".csv"

    def rows() -> Iterator[list[object]]:
        nonlocal failed
        for given, scored in scored_rows(run, table, score_rows):
            cells, error, again = scored
            if error:
                errors[error] += 1
            failed += again
            yield [*given, run.identity.model["name"], *(score_rows.texts(scored) if as_text else cells), error]

    written = write_table(output, scored_columns(table, keys.study), rows(), score_rows.kinds)
    return ExportedScores(output, written, score_rows.masses, errors, failed)


def scored_columns(table: CsvTable, study: Study) -> tuple[str, ...]:
    """The header of the table."""
    return (*table.beside(TABLE), *score_columns(study))


def scored_rows(run: Run, table: CsvTable, score_rows: "ScoreRows") -> Iterator[tuple[list[str], ScoredRow]]:
    """The rows of the table, in order: the input's cells, and the distributions."""
    for row, given in enumerate(islice(table.all_cells(), run.scope.rows)):
        yield given, score_rows.of(row, given)


class ScoreRows:
    """Makes the cells of rows from a score run's ledger.

    Attributes:
        columns: what the cells are, in order.
        kinds: the type of those that hold numbers.
        masses: the label mass of the prompts so far, by question.
    """

    def __init__(self, ledger: LedgerReader, scores: Scores, keys: Keys) -> None:
        self.study = keys.study
        self.columns = tuple(name for question in self.study.scored.values() for name in question.columns.names)
        self.kinds = score_kinds(self.study)
        self.masses = {name: Mass() for name in self.study.questions}
        self._ledger, self._scores, self._keys = ledger, scores, keys
        self._by_row = {name for name, question in self.study.questions.items() if question.columns.texts}
        self._seen: set[tuple[str, str]] = set()
        self._cells = lru_cache(CACHED)(self._cells_of)
        self._rows = lru_cache(CACHED)(self._row_of)
        self._scored: dict[tuple[str, ...], ScoredRow] = {}
        self._texts: dict[int, tuple[ScoredRow, Sequence[str | None]]] = {}

    def of(self, row: int, given: Sequence[str]) -> ScoredRow:
        """The cells of row `row` (0 is the first), why some are empty, and whether something is to be asked again.

        `given` are the input's cells in this row. Rows that show the model the same share one value.
        """
        if self._by_row:
            return self._rows(tuple(self._keys.of(row).items()), self._texts_of(row))
        seen = self._keys.seen(given)
        scored = self._scored.get(seen)
        if scored is None:
            if len(self._scored) == CACHED:
                self._scored.clear()
            scored = self._scored[seen] = self._rows(tuple(self._keys.of(row).items()), self._texts_of(row))
        return scored

    def texts(self, scored: ScoredRow) -> Sequence[str | None]:
        """The cells of a row as they are written; rows that show the model the same share one value."""
        kept = self._texts.get(id(scored))
        if kept is None or kept[0] is not scored:
            if len(self._texts) == CACHED:
                self._texts.clear()
            cells = [None if cell is None or cell == "" else str(cell) for cell in scored[0]]
            kept = self._texts[id(scored)] = scored, cells
        return kept[1]

    def _texts_of(self, row: int) -> tuple[tuple[str, ...], ...]:
        """For each question the texts of its labels in a row; none where they are the same in all."""
        return tuple(
            tuple(forms[0] for forms in self._keys.asked(row, question).forms.values()) if name in self._by_row else ()
            for name, question in self.study.scored.items()
        )

    def _row_of(self, keys: tuple[tuple[str, str], ...], texts: tuple[tuple[str, ...], ...]) -> ScoredRow:
        full: list[float | str | None] = []
        bad, again = [], False
        for (name, key), own_texts in zip(keys, texts, strict=True):
            own, why, is_open = self._cells(name, key)
            full += [*own, *own_texts]
            again |= is_open
            if why:
                bad.append(why if why == NOT_ASKED else f"{name}: {why}")
        return tuple(full), "; ".join(dict.fromkeys(bad)) or None, again

    def _cells_of(self, name: str, key: str) -> tuple[tuple[float | str | None, ...], str | None, bool]:
        """A question's cells, why they are empty, and whether it is to be asked again."""
        columns = self.study.scored[name].columns
        texts = len(columns.texts) if isinstance(columns, ScoreColumns) else 0
        offset = self._scores.finished(key)
        if offset is None:
            failed = self._scores.failed(key)
            why = NOT_ASKED if failed is None else self._ledger[failed]["error"]["message"]
            return (None,) * (len(columns.names) - texts), why, True
        response: dict[str, Any] = self._ledger[offset]["response"]
        if isinstance(columns, SurprisalColumns):
            return columns.cells(self.study.measures[name].labels, response), None, False
        shares = distribution(self.study.questions[name].space, response["labels"])
        label_mass = fsum(response["labels"].values())
        if (name, key) not in self._seen:
            self._seen.add((name, key))
            self.masses[name].add(label_mass, response["residual"])
        why = None if shares else NOTHING if not response["residual"] else NOT_LOOKED_FOR
        return columns.cells(shares, label_mass, response["residual"]), why, False
