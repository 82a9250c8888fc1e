"""Merging: one analysis-ready table of a study, from the ledgers of its runs; rows are joined by what they hold."""

import csv
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import cached_property, lru_cache
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import Any

import orjson

from grace.columns import (
    ANSWER_KINDS,
    EXTRACTED,
    FLAGS,
    MODEL,
    PROVENANCE,
    REPLICATION,
    ROW_ID,
    SCORES_ERROR,
    SEED,
    answer_columns,
)
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
from grace.stages.fields.known import KnownValues, known_values
from grace.stages.fields.records import FieldRecords, Rows, extractor_of
from grace.stages.fields.table import BATCH
from grace.stages.related import Related, check_asked_alike, related, revision_of, table_of
from grace.stages.scores.records import Keys, Scores
from grace.stages.scores.table import ScoredRow, ScoreRows
from grace.studies.fields import Cell
from grace.studies.study import Study
from grace.tables import batches, can_write_parquet, number_text, told_apart, write_parquet, write_table

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
        deciders: the people whose decisions about values are in the table.
    """

    paths: tuple[Path, ...]
    rows: int
    columns: int
    flagged: int
    notes: tuple[str, ...]
    parts: tuple[tuple[int, tuple[str, ...]], ...]
    deciders: frozenset[str]


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
        InputError: the runs are not of one study, one cannot be read, or rows of one model were asked in different
            ways.
    """
    check_asked_alike(groups)
    with ExitStack() as stack:
        ids = Counter[str]()
        parts = [_MergedGroup(group, stack, ids) for group in groups]
        names = {part.study.name for part in parts}
        if len(names) > 1:
            raise InputError(f"the runs are of different studies ({', '.join(sorted(names))}); merge each on its own")
        _check_distinct(parts)
        return _write(parts, out, progress, csv_alone)


@contextmanager
def joined_rows(group: Related, progress: Progress) -> Iterator[tuple[tuple[str, ...], Iterator[list[str]]]]:
    """The header and the rows of the merged table of a group of runs, as they are written, but without flags.

    Raises:
        InputError: a run cannot be read.
    """
    with ExitStack() as stack:
        part = _MergedGroup(group, stack, Counter())
        progress.begin(part.rows, 0, "rows")

        def rows() -> Iterator[list[str]]:
            for batch in batches(part.unflagged(), BATCH):
                yield from ([cell or "" for cell in written] for _, written in batch)
                progress.advance(False, len(batch))

        yield part.columns, rows()


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
            arrange = _arranging(part.columns, columns)
            for number, (row, written, flags) in enumerate(part.merged(), 1):
                counts[-1] = number
                flagged += bool(flags)
                if not csv_alone:
                    pending.append(arrange(row))
                yield arrange(written)
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
    deciders = frozenset[str]().union(*(part.deciders for part in parts))
    if csv_alone:
        return Merged(tuple(tables), count, len(columns), flagged, tuple(notes), sizes, deciders)
    if can_write_parquet():
        tables.append(out / f"{study.name}.parquet")
        kinds |= typed_by_study.kinds
        with open(tables[0], encoding="utf-8", newline="") as file:
            write_parquet(tables[1], columns, islice(csv.reader(file), 1, None), kinds, _number)
    else:
        notes.append("written as CSV only: Parquet needs pyarrow (pip install 'grace-experiments[parquet]')")
    runs = [str(run.path) for part in parts for run in part.group.runs]
    books = write_codebook(book, out, study, runs, tables)
    return Merged((*tables, *books), count, len(columns), flagged, tuple(notes), sizes, deciders)


def _arranging(own: Sequence[str], columns: Sequence[str]) -> Callable[[Sequence[Any]], list[Any]]:
    """What puts a part's cells in the order of the table's columns; the table has columns that the part may lack."""
    if tuple(own) == tuple(columns):
        return list
    places = {name: place for place, name in enumerate(own)}
    there = [places.get(name) for name in columns]
    return lambda cells: [None if place is None else cells[place] for place in there]


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


@lru_cache(DIFFERENT)
def _number(cell: object, kind: type) -> object:
    """A cell as a number, where its column has numbers. Raises ValueError, TypeError for what is none."""
    return kind(number_text(cell, kind is int) if isinstance(cell, str) and kind is not str else cell)


class _MergedGroup:
    """The rows of one group of related runs.

    Attributes:
        base: the run that gives the rows: answers, or else an extraction of a user's own table, or scores.
        studies: the studies of all runs, which describe the columns.
        columns: those of the merged rows, in order; each has another name.
        kinds: the types of columns with numbers.
        rows: how many there will be.
        notes: what is missing.
    """

    def __init__(self, group: Related, stack: ExitStack, ids: Counter[str]) -> None:
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
        self._known: KnownValues | None = None
        self._rows, self._records = self._open_extraction(stack)
        self._scores = self._open_scores(stack)
        self._provenance = _provenance(group)
        if base is group.scores:  # else the answers, or the user's own table, name the model
            self._provenance |= {MODEL: base.identity.model["name"]}
        self._ids = ids
        identity = (group.answers or group.scores or base).identity
        self._how = [identity.study, identity.model, identity.protocol, identity.sampling]
        self._drawn = [self._named.index(name) for name in (REPLICATION, SEED) if group.answers]
        scope = base.scope
        self.rows = scope.rows * (scope.replications if group.answers else 1)
        self._given = self._renamed()
        self._shared: dict[int, tuple[ScoredRow, _Scored]] = {}
        self._models = (MODEL,) if base is group.scores else ()
        self.columns = (
            ROW_ID,
            *self._given,
            *self._answers,
            *self._models,
            *(self._rows.extraction.columns if self._rows else ()),
            *((*self._scores.columns, SCORES_ERROR) if self._scores else ()),
            FLAGS,
            *PROVENANCE,
        )
        layout = Layout.of(self._rows.study if self._rows else self.study, self.columns)
        self._checks = RowChecks(layout, thresholds_of(self.study))

    def merged(self) -> Iterator[tuple[list[object], list[str | None], str | None]]:
        """The rows: their values by column, how they are written, and the flags."""
        place = self.columns.index(FLAGS)
        for rows in batches(self.unflagged(), BATCH):
            found = self._checks.flags([written for _, written in rows])
            for (full, written), flags in zip(rows, found, strict=True):
                flagged = "; ".join(dict.fromkeys(flag.check for flag in flags)) or None
                full[place] = written[place] = flagged
                yield full, written, flagged

    def unflagged(self) -> Iterator[tuple[list[object], list[str | None]]]:
        """The rows without flags: their values by column, and how they are written."""
        decided = 0
        models = [self._provenance[name] for name in self._models]
        provenance = [self._provenance[name] for name in PROVENANCE]
        models_written, provenance_written = _written(models), _written(provenance)
        copies = self.base.scope.replications if self.group.answers else 1
        for number, cells in enumerate(self._base_rows()):
            texts = ["" if cell is None else str(cell) for cell in cells]
            row_id = self._row_id(texts)
            full: list[object] = [row_id, *cells, *models]
            written = [row_id, *[text or None for text in texts], *models_written]
            if self._rows and self._records:
                values = self._values(texts)
                decided += values[-len(EXTRACTED)] == "human"
                full += values
                written += _written(values)
            if self._scores:
                scored, scored_texts = self._scored(number // copies, texts)
                full += scored
                written += scored_texts
            yield [*full, None, *provenance], [*written, None, *provenance_written]
        lost = self._records.decisions - decided if self._records else 0
        if lost > 0:
            self.notes.append(
                f"{self.base.path}: {lost} decisions of people belong to no row; see `grace extract` again"
            )

    @property
    def deciders(self) -> frozenset[str]:
        """The people whose decisions about values count."""
        return self._records.deciders if self._records else frozenset()

    def _values(self, texts: list[str]) -> list[Cell | None]:
        """The cells of the fields in a row: those that the extraction's table has, or else as they are read now."""
        assert self._rows is not None
        assert self._records is not None
        if self._known and (known := self._known.next(texts)) is not None:
            return known
        answered = self._rows.of(dict(zip(self._named, texts, strict=True)))
        return self._records.completed(answered, self._rows.read(answered)).cells()

    def _renamed(self) -> list[str]:
        """The input's columns: one with the name of a column of Grace's gets another name, as in `grace extract`.

        Raises:
            InputError: that name is also taken.
        """
        taken = {ROW_ID, SCORES_ERROR, FLAGS, *PROVENANCE, *self._provenance}
        taken |= set(self._rows.extraction.columns) if self._rows else set()
        taken |= set(self._scores.columns) if self._scores else set()
        return told_apart(self._table.beside({*taken, *self._answer_names}))

    def _row_id(self, texts: Sequence[str]) -> str:
        """The id of a row: the model and how it was asked, the trial, and the draw; equal rows are numbered."""
        drawn = [texts[place] for place in self._drawn] if self.group.answers else None
        key = request_key(self._how, texts[: len(self._given)], drawn)[:16]
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
        records = stack.enter_context(FieldRecords.read(run, rows.extraction, extractor_of(run)))
        self._known = known_values(run, table_of(run), study, self._named, rows.extraction)
        if self._known:
            stack.enter_context(closing(self._known))
        return rows, records

    def _open_scores(self, stack: ExitStack) -> ScoreRows | None:
        """The maker of the probabilities."""
        run = self.group.scores
        if run is None:
            self.notes.append(f"{self.base.path}: no run of `grace score` beside it, so there are no probabilities")
            return None
        if not run.ledger.exists():
            raise InputError(f"{run.path}: holds no answers yet (it has no {run.ledger.name})")
        study = self.group.study_of(run)
        table = stack.enter_context(run.table())
        keys = Keys(study, table, run.identity.model, run.identity.scoring)
        scores = ScoreRows(stack.enter_context(LedgerReader(run.ledger)), Scores.read(run, keys.study), keys)
        self.studies.append(scores.study)
        self.kinds |= scores.kinds

        self._asked = table
        self._score_columns = [name for name in table.columns if name in scores.study.columns]
        self._same_input = table.sha256 == self._table.sha256
        return scores

    @cached_property
    def _scored_rows(self) -> dict[bytes, int]:
        """The row of the scores' own input by the cells that identify a trial: those of the study's columns."""
        assert self._scores is not None
        assert self.group.scores is not None
        places = [self._asked.columns.index(name) for name in self._score_columns]
        rows = enumerate(islice(self._asked.all_cells(), self.group.scores.scope.rows))
        return {_content([cells[place] for place in places]): row for row, cells in rows}

    def _scored(self, row: int, texts: Sequence[str]) -> "_Scored":
        """The probabilities of a row of the base's input, and how they are written."""
        assert self._scores is not None
        assert self.group.scores is not None
        given = texts
        if not self._same_input or row >= self.group.scores.scope.rows:
            cells = dict(zip(self._table.columns, texts, strict=False))
            place = self._scored_rows.get(_content([cells.get(name, "") for name in self._score_columns]))
            if place is None:
                return self._never_scored
            row, given = place, self._asked.cells(place)
        scored = self._scores.of(row, given)
        earlier = self._shared.get(id(scored))
        if earlier is None or earlier[0] is not scored:
            if len(self._shared) == SHARED:
                self._shared.clear()
            cells_of, error, _ = scored
            full: list[object] = [*cells_of, error]
            earlier = self._shared[id(scored)] = scored, (full, _written(full))
        return earlier[1]

    @cached_property
    def _never_scored(self) -> "_Scored":
        assert self._scores is not None
        full: list[object] = [None] * len(self._scores.columns)
        full.append("not asked: the run of probabilities has no such row")
        return full, _written(full)


_Scored = tuple[list[object], list[str | None]]
"""The probabilities of a row and why some are missing, as values and as they are written."""


def _content(cells: Sequence[str]) -> bytes:
    """What identifies a trial, by its cells: 16 bytes."""
    return blake2b(orjson.dumps(cells), digest_size=16).digest()


def _written(cells: Iterable[object]) -> list[str | None]:
    """Cells as a table has them; nothing is written for a missing one."""
    return [None if cell is None or cell == "" else str(cell) for cell in cells]


def _provenance(group: Related) -> dict[str, object]:
    """The provenance columns of a group."""
    cells: dict[str, Any] = dict.fromkeys(PROVENANCE)
    base = group.answers or group.scores
    if base is not None:
        identity, sessions = base.identity, base.sessions
        cells["model_revision"] = revision_of(identity)
        cells["grace_version"] = sessions[-1].grace if sessions else None
        cells["protocol"] = identity.protocol
        cells["temperature"] = identity.sampling.get("temperature")
    names = {"answers_run": group.answers, "extraction_run": group.extraction, "scores_run": group.scores}
    return cells | {name: run.path.name for name, run in names.items() if run}
