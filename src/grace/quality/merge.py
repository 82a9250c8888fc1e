"""Merging: one analysis-ready table of a study, from the ledgers of its runs; rows are joined by what they hold."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

from grace.columns import ANSWER_KINDS, FLAGS, MODEL, PROVENANCE, ROW_ID, SCORES_ERROR, answer_columns
from grace.errors import InputError
from grace.ledger import LedgerReader, request_key
from grace.progress import Progress
from grace.quality.codebook import Codebook, describe, write_codebook
from grace.quality.flags import RowChecks
from grace.quality.layout import Layout
from grace.quality.thresholds import thresholds_of
from grace.runs import Run
from grace.stages.answers.records import Done
from grace.stages.answers.table import answer_rows
from grace.stages.fields.records import FieldRecords, Rows, extractor_of
from grace.stages.fields.table import BATCH
from grace.stages.related import Related, related
from grace.stages.scores.records import Keys, Scores
from grace.stages.scores.table import ScoreRows
from grace.studies.study import Study
from grace.tables import CsvTable, can_write_parquet, number_text, told_apart, write_table

SHARED = 2_000
"""So many different distributions are kept, since rows of one prompt share theirs."""
DIFFERENT = 2**16
"""So many numbers are kept as they were read."""


@dataclass(frozen=True)
class Merged:
    """What was written.

    Attributes:
        paths: the table as CSV, as Parquet where that can be written, and the codebook.
        rows, columns, flagged: how many rows and columns the table has, and how many rows have quality flags.
        notes: what the reader should know, such as a run that was not found.
        parts: for each group of runs, how many of the rows are its own, and which columns it has.
    """

    paths: tuple[Path, ...]
    rows: int
    columns: int
    flagged: int
    notes: tuple[str, ...]
    parts: tuple[tuple[int, tuple[str, ...]], ...]


def merge_runs(
    runs: Sequence[Run], out: Path, progress: Progress, extraction: Run | None = None, scores: Run | None = None
) -> Merged:
    """Write the merged table of some runs of one study, and its codebook.

    Args:
        runs: one for each model, of answers, of their extraction or of probabilities; the others of the same study,
            table and model are found beside it.
        out: the folder to write to.
        progress: told how far the work is.
        extraction: the extraction, where several fit; with a single run only.
        scores: the probabilities, in the same way.

    Raises:
        InputError: the runs are not of one study, or one cannot be read.
    """
    if len(runs) > 1 and (extraction or scores):
        raise InputError(
            "--extraction and --scores choose for a single RUN; of several runs, each needs just one beside it"
        )
    return merge_groups([related(run, extraction, scores) for run in runs], out, progress)


def merge_groups(groups: Sequence[Related], out: Path, progress: Progress, csv_alone: bool = False) -> Merged:
    """Write the merged table of some groups of runs of one study.

    Args:
        groups: one for each model.
        out: the folder to write to.
        progress: told how far the work is.
        csv_alone: whether to leave out Parquet and the codebook, for a table that is only read again.

    Raises:
        InputError: the runs are not of one study, or one cannot be read.
    """
    with ExitStack() as stack:
        parts = [_MergedGroup(group, stack) for group in groups]
        names = {part.study.name for part in parts}
        if len(names) > 1:
            raise InputError(f"the runs are of different studies ({', '.join(sorted(names))}); merge each on its own")
        _check_distinct(parts)
        return _write(parts, out, progress, csv_alone)


def _check_distinct(parts: "Sequence[_MergedGroup]") -> None:
    """Refuse runs given twice, whose rows would be in the table twice."""
    seen: set[Path] = set()
    for part in parts:
        base = part.base.path.resolve()
        if base in seen:
            raise InputError(f"{part.base.path}: belongs to two of the runs given; give one run for each model")
        seen.add(base)


def _write(parts: "Sequence[_MergedGroup]", out: Path, progress: Progress, csv_alone: bool) -> Merged:
    study = parts[0].study
    columns = tuple(dict.fromkeys(column for part in parts for column in part.columns))
    kinds = {name: kind for part in parts for name, kind in part.kinds.items()}
    typed_by_study = _Typed(study, columns)
    book = Codebook([describe([own for part in parts for own in part.studies], name) for name in columns])
    flagged = 0
    counts: list[int] = []
    progress.begin(sum(part.rows for part in parts), 0, "rows")

    def rows() -> Iterator[list[str | None]]:
        nonlocal flagged
        for part in parts:
            counts.append(0)
            pending: list[list[object]] = []
            for number, (row, written) in enumerate(part.merged(), 1):
                counts[-1] = number
                flagged += bool(row[FLAGS])
                if not csv_alone:
                    pending.append([row.get(name) for name in columns])
                yield [written.get(name) for name in columns]
                if number % BATCH == 0 or number == part.rows:
                    progress.advance(False, number % BATCH or BATCH)
                    book.extend(pending)
                    typed_by_study.extend(pending)
                    pending = []
            book.extend(pending)
            typed_by_study.extend(pending)

    tables = [out / f"{study.name}.csv"]
    count = write_table(tables[0], columns, rows())
    notes = [note for part in parts for note in part.notes]
    sizes = tuple(zip(counts, (part.columns for part in parts), strict=True))
    if csv_alone:
        return Merged(tuple(tables), count, len(columns), flagged, tuple(notes), sizes)
    if can_write_parquet():
        tables.append(out / f"{study.name}.parquet")
        kinds |= typed_by_study.kinds
        with CsvTable(tables[0]) as written:
            typed = (_typed(cells, columns, kinds) for cells in written.all_cells())
            write_table(tables[1], columns, typed, kinds)
    else:
        notes.append("written as CSV only: Parquet needs pyarrow (pip install 'grace-experiments[parquet]')")
    runs = [str(run.path) for part in parts for run in part.group.runs]
    books = write_codebook(book, out, study, runs, tables)
    return Merged((*tables, *books), count, len(columns), flagged, tuple(notes), sizes)


class _Typed:
    """The types of the input's columns whose cells fit the study: only these are numbers in Parquet."""

    def __init__(self, study: Study, columns: Sequence[str]) -> None:
        kinds = {"integer": int, "number": float}
        self.kinds: dict[str, type] = {
            name: kinds[study.columns[name].type]
            for name in columns
            if name in study.columns and study.columns[name].type in kinds
        }
        self._places = {name: columns.index(name) for name in self.kinds}

    def extend(self, rows: Sequence[Sequence[object]]) -> None:
        """Add some rows."""
        for name, kind in list(self.kinds.items()):
            place = self._places[name]
            try:
                for cell in {row[place] for row in rows}:
                    _number(cell or 0, kind)
            except (TypeError, ValueError):
                del self.kinds[name]


def _typed(cells: Sequence[str], columns: Sequence[str], kinds: Mapping[str, type]) -> list[object]:
    """A CSV row's cells as their columns' types; an empty one is missing."""
    return [_number(cell, kinds.get(name, str)) if cell else None for name, cell in zip(columns, cells, strict=True)]


@lru_cache(DIFFERENT)
def _number(cell: object, kind: type) -> object:
    """A cell as a number, where its column has numbers. Raises ValueError, TypeError for what is none."""
    return kind(number_text(cell, kind is int) if isinstance(cell, str) and kind is not str else cell)


class _MergedGroup:
    """The rows of one group of related runs.

    Attributes:
        base: the run that gives the rows: answers, or else an extraction of a user's own table, or scores.
        studies: the studies of all runs, which describe the columns.
        columns: those of the merged rows.
        kinds: the types of columns with numbers.
        rows: how many there will be.
        notes: what is missing.
    """

    def __init__(self, group: Related, stack: ExitStack) -> None:
        self.group = group
        self.base = base = group.base
        self._table = stack.enter_context(base.table())
        self.study = group.study
        self.studies = [self.study]
        self.kinds: dict[str, type] = {"temperature": float, **(ANSWER_KINDS if group.answers else {})}
        self.notes: list[str] = []
        self._answers = answer_columns(base.identity.turns) if group.answers else ()
        self._answer_names = self.study.answer_names(base.identity.turns) if group.answers else ()
        self._named = (*self._table.beside(self._answer_names), *self._answers)
        self._rows, self._records = self._open_extraction(stack)
        self._scores, self._scored_rows = self._open_scores(stack)
        self._provenance = _provenance(group)
        if base is group.scores:  # else the answers, or the user's own table, name the model
            self._provenance |= {MODEL: base.identity.model["name"]}
        self._ids: Counter[str] = Counter()
        scope = base.scope
        self.rows = scope.rows * (scope.replications if group.answers else 1)
        self._given = self._renamed()
        self.columns = (
            ROW_ID,
            *self._given,
            *self._answers,
            *((MODEL,) if base is group.scores else ()),
            *(self._rows.extraction.columns if self._rows else ()),
            *((*self._scores.columns, SCORES_ERROR) if self._scores else ()),
            FLAGS,
            *PROVENANCE,
        )
        layout = Layout.of(self._rows.study if self._rows else self.study, self.columns)
        self._checks = RowChecks(layout, thresholds_of(self.study))

    def merged(self) -> Iterator[tuple[Mapping[str, object], Mapping[str, str | None]]]:
        """The rows, each by column: its values, and how they are written."""
        decided = 0
        provenance = _written(self._provenance)
        for cells in self._base_rows():
            texts = {name: "" if cell is None else str(cell) for name, cell in zip(self._named, cells, strict=True)}
            full: dict[str, object] = dict(zip((*self._given, *self._answers), cells, strict=True))
            full[ROW_ID] = self._row_id(cells, texts)
            if self._rows and self._records:
                answered = self._rows.of(texts)
                read = self._records.completed(answered, self._rows.read(answered))
                decided += read.method == "human"
                full |= zip(self._rows.extraction.columns, read.cells(), strict=True)
            written = _written(full)
            if self._scores:
                scored, scored_texts = self._scored(dict(zip(self._table.columns, map(str, cells), strict=False)))
                full |= scored
                written |= scored_texts
            flags = self._checks.flags(written)
            full[FLAGS] = written[FLAGS] = "; ".join(dict.fromkeys(flag.check for flag in flags)) or None
            yield full | self._provenance, written | provenance
        lost = self._records.decisions - decided if self._records else 0
        if lost > 0:
            self.notes.append(
                f"{self.base.path}: {lost} decisions of people belong to no row; see `grace extract` again"
            )

    def _renamed(self) -> list[str]:
        """The input's columns: one with the name of a column of Grace's gets another name, as in `grace extract`.

        Raises:
            InputError: that name is also taken.
        """
        taken = {ROW_ID, SCORES_ERROR, FLAGS, *PROVENANCE, *self._provenance}
        taken |= set(self._rows.extraction.columns) if self._rows else set()
        taken |= set(self._scores.columns) if self._scores else set()
        return told_apart(self._table.beside({*taken, *self._answer_names}))

    def _row_id(self, cells: Sequence[object], texts: Mapping[str, str]) -> str:
        """The id of a row: the model and how it was asked, the trial, and the draw; equal rows are numbered."""
        identity = (self.group.answers or self.group.scores or self.base).identity
        how = [identity.study, identity.model, identity.protocol, identity.sampling]
        drawn = [texts.get(name) for name in ("replication", "seed")] if self.group.answers else None
        key = request_key(how, [str(cell) for cell in cells[: len(self._given)]], drawn)[:16]
        self._ids[key] += 1
        return key if self._ids[key] == 1 else f"{key}-{self._ids[key]}"

    def _base_rows(self) -> Iterator[Sequence[object]]:
        if self.group.answers is None:
            yield from islice(self._table.all_cells(), self.base.scope.rows)
            return
        if not self.base.ledger.exists():
            raise InputError(f"{self.base.path}: holds no answers yet (it has no {self.base.ledger.name})")
        done = Done.read(self.base, len(self._table), self.base.identity.turns)
        with LedgerReader(self.base.ledger) as ledger:
            yield from answer_rows(self.base, self._table, ledger, done)

    def _open_extraction(self, stack: ExitStack) -> tuple[Rows | None, FieldRecords | None]:
        """The reader of the fields; without an extraction's run, rules alone."""
        run = self.group.extraction
        if run is None and (self.group.answers is None or self.study.extraction is None):
            return None, None
        study = self.group.study_of(run) if run else self.study
        self.studies.append(study)
        rows = Rows(study, self._named)
        self.kinds |= rows.extraction.kinds
        if run is None:
            self.notes.append(f"{self.base.path}: no extraction beside it, so its fields are read by rules alone")
            return rows, FieldRecords(self.base, rows.extraction, None)
        return rows, stack.enter_context(FieldRecords.read(run, rows.extraction, extractor_of(run)))

    def _open_scores(self, stack: ExitStack) -> tuple[ScoreRows | None, dict[str, int]]:
        """The maker of the probabilities, and the row of the scores' own input by its cells."""
        run = self.group.scores
        if run is None:
            self.notes.append(f"{self.base.path}: no run of `grace score` beside it, so there are no probabilities")
            return None, {}
        if not run.ledger.exists():
            raise InputError(f"{run.path}: holds no answers yet (it has no {run.ledger.name})")
        study = self.group.study_of(run)
        table = stack.enter_context(run.table())
        keys = Keys(study, table, run.identity.model, run.identity.scoring)
        scores = ScoreRows(stack.enter_context(LedgerReader(run.ledger)), Scores.read(run, keys.study), keys)
        self.studies.append(scores.study)
        self.kinds |= scores.kinds

        @lru_cache(SHARED)
        def by_scores(
            cells: tuple[float | str | None, ...], error: str | None
        ) -> tuple[dict[str, object], dict[str, str | None]]:
            named: dict[str, object] = dict(zip(scores.columns, cells, strict=True))
            named[SCORES_ERROR] = error
            return named, _written(named)

        self._by_scores = by_scores
        columns = [name for name in table.columns if name in scores.study.columns]
        rows = islice(table.rows(), run.scope.rows)
        by_content = {_content(cells, columns): row for row, cells in enumerate(rows)}
        self._score_columns = columns
        return scores, by_content

    def _scored(self, texts: Mapping[str, str]) -> tuple[Mapping[str, object], Mapping[str, str | None]]:
        """The probabilities of a row, and how they are written."""
        assert self._scores is not None
        row = self._scored_rows.get(_content(texts, self._score_columns))
        if row is None:
            unknown: dict[str, object] = {SCORES_ERROR: "not asked: the run of probabilities has no such row"}
            return unknown, _written(unknown)
        cells, error, _ = self._scores.of(row)
        return self._by_scores(cells, error)


def _content(row: Mapping[str, str], columns: Sequence[str]) -> str:
    """The cells that identify a trial: those of the study's columns."""
    return request_key([row.get(name, "") for name in columns])


def _written(cells: Mapping[str, object]) -> dict[str, str | None]:
    """Cells as a table has them; nothing is written for a missing one."""
    return {name: None if cell is None or cell == "" else str(cell) for name, cell in cells.items()}


def _provenance(group: Related) -> dict[str, object]:
    """The provenance columns of a group."""
    cells: dict[str, Any] = dict.fromkeys(PROVENANCE)
    base = group.answers or group.scores
    if base is not None:
        identity, sessions = base.identity, base.sessions
        model = identity.model
        cells["model_revision"] = model.get("revision") or model.get("sha256") or model.get("weights")
        cells["grace_version"] = sessions[-1].grace if sessions else None
        cells["protocol"] = identity.protocol
        cells["temperature"] = identity.sampling.get("temperature")
    names = {"answers_run": group.answers, "extraction_run": group.extraction, "scores_run": group.scores}
    return cells | {name: run.path.name for name, run in names.items() if run}
