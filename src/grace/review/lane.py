"""A lane of `grace view`: what one model answered about a table of trials, indexed once and then read as it grows."""

from array import array
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from math import fsum
from pathlib import Path
from typing import Any

import orjson

from grace.columns import CONFIDENCE, METHOD
from grace.errors import GraceError, LedgerCorrupt
from grace.ledger import VOID, LedgerReader, Record, Voided
from grace.lock import writer_of
from grace.progress import Progress
from grace.runs import Run
from grace.stages.related import Related, table_of
from grace.stages.scores.records import Keys
from grace.studies.answers import distribution
from grace.studies.fields import DOUBTFUL
from grace.studies.study import Study
from grace.table_files import open_table
from grace.tables import CsvTable

BATCH = 1000
LOW_MASS = 0.5
"""With less label mass than this, most of the model's probability lies outside the answers."""
MOST_VALUES = 60_000
"""How many different values of a field are told apart; what is beyond them counts as no value."""
NOWHERE = -1


class RowFlag(StrEnum):
    """What may be odd about a row of one model, in the order in which they are offered."""

    open = "not answered yet"
    failed = "request failed"
    empty = "empty answer"
    cut = "cut off"
    missing = "value missing"
    doubtful = "value in doubt"
    decided = "decided by a person"
    low = "label mass below 0.5"


BITS = {flag: 1 << place for place, flag in enumerate(RowFlag)}


@dataclass(frozen=True)
class ScoredPrompt:
    """One scored prompt: where its record is, and the probability of each label; None where none has any."""

    offset: int
    shares: tuple[float, ...] | None
    mass: float

    @property
    def best(self) -> int | None:
        """The place of the most probable label."""
        return None if self.shares is None else max(range(len(self.shares)), key=self.shares.__getitem__)


class Tail:
    """Reads a ledger as it grows: each whole line once, and all of it again where a line voids others."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._read = 0
        self._voided = Voided()
        self._known: set[int] = set()

    def new(self) -> Iterator[tuple[int, Record] | None]:
        """The records that were added and count, with their offsets; None where all before it is to be forgotten."""
        try:
            file = open(self.path, "rb")  # noqa: SIM115 - closed below
        except OSError:
            return
        with file:
            if file.seek(0, 2) < self._read:  # another file: a copy that was fetched again
                self._read, self._voided, self._known = 0, Voided(), set()
                yield None
            file.seek(self._read)
            while (line := file.readline()).endswith(b"\n"):
                offset, self._read = self._read, self._read + len(line)
                record = _parsed(line)
                if record is None or offset in self._voided or offset in self._known:
                    continue
                if record.get("status") != VOID:
                    yield offset, record
                    continue
                self._known.add(offset)
                with suppress(LedgerCorrupt):  # what reads the run for good says so
                    self._voided.add(offset, record, self.path)
                    file.seek(0)
                    self._read = 0
                    yield None


def _parsed(line: bytes) -> Record | None:
    """A line's record; None where it is none, which what reads the run for good says."""
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return record if isinstance(record, dict) else None


class ModelLane:
    """One model's answers, values and probabilities about the rows of a table of trials.

    A unit is a row and a replication of it: unit = row * replications + replication, both from 0.

    Attributes:
        related: the runs.
        study: the study as it was when the model was asked.
        name: the model.
        turns: those of the conversation.
        version: changes when anything does.
        values: for each field the place of each unit's value in `words`, from 1; 0 where there is none.
        vocabulary, words: for each field its values that were seen, with their places, and in their order.
        prompts: for each question the number of each row's prompt in `keys`, from 1; 0 where it is not asked.
        scored: what was scored, by the prompt's key.
        milliseconds, tokens: of each unit's answer, 0 where there is none.
    """

    def __init__(self, related: Related, table: CsvTable, rows: int, replications: int) -> None:
        self.related, self.study, self.table = related, related.study, table
        identity = (related.answers or related.scores or related.base).identity
        self.name = str(identity.model.get("name") or related.base.path.stem)
        self.turns = related.answers.identity.turns if related.answers else ()
        self.rows, self.replications = rows, replications
        self.version = 0
        self.values: dict[str, array[int]] = {}
        self.vocabulary: dict[str, dict[str, int]] = {}
        self.words: dict[str, list[str]] = {}
        self.prompts: dict[str, array[int]] = {}
        self.scored: dict[str, ScoredPrompt] = {}
        self.keys: list[str] = []
        self._number: dict[str, int] = {}
        self._failed_keys: dict[str, int] = {}
        self._answers = Tail(related.answers.ledger) if related.answers else None
        self._scores = Tail(related.scores.ledger) if related.scores else None
        self._forget_answers()
        self.table_flags = array("H", bytes(2 * self.units))

    @property
    def units(self) -> int:
        """How many rows the lane has, each replication counted."""
        return self.rows * self.replications

    @property
    def live(self) -> bool:
        """Whether a process of this machine writes one of its runs."""
        return any(writer_of(run.path) is not None for run in self.related.runs)

    def _forget_answers(self) -> None:
        self.offsets = {turn: array("q", [NOWHERE]) * self.units for turn in self.turns}
        self.failures = {turn: array("q", [NOWHERE]) * self.units for turn in self.turns}
        self.milliseconds = array("f", bytes(4 * self.units))
        self.tokens = array("L", [0]) * self.units
        self.flags = array("H", bytes(2 * self.units))

    def _forget_scores(self) -> None:
        self.scored.clear()
        self._failed_keys.clear()

    # The index

    def index(self, progress: Progress) -> None:
        """Read everything once. Raises GraceError for runs that cannot be read."""
        self._index_prompts(progress)
        self.refresh()
        self._index_values()

    def refresh(self) -> bool:
        """Read what was added since; True where anything was."""
        before = self.version
        for tail, take, forget in (
            (self._answers, self._take_answer, self._forget_answers),
            (self._scores, self._take_score, self._forget_scores),
        ):
            if tail is None:
                continue
            for new in tail.new():
                self.version += 1
                if new is None:
                    forget()
                    continue
                offset, record = new
                with suppress(LookupError, TypeError, AttributeError, ValueError):
                    take(offset, record)
        return self.version != before

    def _take_answer(self, offset: int, record: Record) -> None:
        row, replication, turn = record["rows"][0] - 1, record["replication"] - 1, record["question"]
        if not (0 <= row < self.rows and 0 <= replication < self.replications):
            return
        unit = row * self.replications + replication
        if record["status"] == "failed":
            self.failures[turn][unit] = offset
            return
        again = self.offsets[turn][unit] != NOWHERE
        self.offsets[turn][unit] = offset
        self.failures[turn][unit] = NOWHERE
        if again:
            return
        self.milliseconds[unit] += record["milliseconds"]
        self.tokens[unit] += record["tokens"]["completion"] or 0
        if record["status"] == "empty":
            self.flags[unit] |= BITS[RowFlag.empty]
        if record["response"]["finish_reason"] == "length":
            self.flags[unit] |= BITS[RowFlag.cut]

    def _take_score(self, offset: int, record: Record) -> None:
        key = record["key"]
        if record["status"] == "failed":
            self._failed_keys[key] = offset
            return
        labels = record["response"].get("labels")
        if labels is None:  # texts were measured; they have no distribution
            return
        shares = distribution(self.study_of_scores.questions[record["question"]].space, labels)
        self.scored[key] = ScoredPrompt(offset, shares.probabilities if shares else None, fsum(labels.values()))
        self._failed_keys.pop(key, None)

    @property
    def study_of_scores(self) -> Study:
        """The study whose questions were scored."""
        return self.related.study_of(self.related.scores) if self.related.scores else self.study

    def _index_prompts(self, progress: Progress) -> None:
        """Which prompt each row has, by question."""
        run = self.related.scores
        if run is None:
            return
        study = self.study_of_scores
        self.prompts = {name: array("I", [0]) * self.rows for name in study.questions}
        keys = Keys(study, self.table, run.identity.model, run.identity.scoring)
        scope = min(run.scope.rows, self.rows)
        progress.begin(scope, 0, "rows")
        for row in range(scope):
            for name, key in keys.of(row).items():
                number = self._number.get(key)
                if number is None:
                    self.keys.append(key)
                    number = self._number[key] = len(self.keys)
                self.prompts[name][row] = number
            if (row + 1) % BATCH == 0 or row + 1 == scope:
                progress.advance(False, (row + 1) % BATCH or BATCH)

    def _index_values(self) -> None:
        """The values of each unit, from the table that was made of the extraction."""
        run, extraction = self.related.extraction, self.study.extraction
        if run is None or extraction is None or not (path := table_of(run)).exists():
            return
        try:
            table = open_table(path)
        except GraceError:
            return
        with table as opened:
            names = {name: opened.columns.index(name) for name in extraction.fields if name in opened.columns}
            marks = {name: opened.columns.index(name) for name in (CONFIDENCE, METHOD) if name in opened.columns}
            copies = self._copies(run)
            self.values = {name: array("I", [0]) * self.units for name in names}
            self.vocabulary = {name: {} for name in names}
            self.words = {name: [] for name in names}
            for place, cells in enumerate(opened.all_cells()):
                row, replication = divmod(place, copies)
                if row < self.rows and replication < self.replications:
                    self._take_values(row * self.replications + replication, cells, names, marks)

    def _copies(self, run: Run) -> int:
        """How many replications the table of answers had when its values were extracted."""
        if self.related.answers is None:
            return 1
        with run.table() as table:
            if not len(table) or "replication" not in table.columns:
                return 1
            last = table.row(len(table) - 1)["replication"]
        return int(last) if last.isdecimal() and int(last) else 1

    def _take_values(self, unit: int, cells: list[str], names: Mapping[str, int], marks: Mapping[str, int]) -> None:
        missing = False
        for name, place in names.items():
            vocabulary, cell = self.vocabulary[name], cells[place]
            missing |= not cell
            if cell and cell not in vocabulary and len(vocabulary) < MOST_VALUES:
                vocabulary[cell] = len(vocabulary) + 1
                self.words[name].append(cell)
            self.values[name][unit] = vocabulary.get(cell, 0)
        confidence = cells[marks[CONFIDENCE]] if CONFIDENCE in marks else ""
        doubtful = confidence and float(confidence) < DOUBTFUL
        decided = METHOD in marks and cells[marks[METHOD]] == "human"
        flags = (missing and RowFlag.missing, doubtful and RowFlag.doubtful, decided and RowFlag.decided)
        self.table_flags[unit] |= sum(BITS[flag] for flag in flags if flag)

    # One unit

    def flags_of(self, unit: int) -> int:
        """The flags of a unit, as bits."""
        flags = self.flags[unit] | self.table_flags[unit]
        if self.turns:
            if any(failed[unit] != NOWHERE for failed in self.failures.values()):
                flags |= BITS[RowFlag.failed]
            elif any(offsets[unit] == NOWHERE for offsets in self.offsets.values()):
                flags |= BITS[RowFlag.open]
        row = unit // self.replications
        for prompts in self.prompts.values():
            scored = self.scored_of(prompts[row])
            if scored is None:
                number = prompts[row]
                failed = number and self.keys[number - 1] in self._failed_keys
                flags |= BITS[RowFlag.failed if failed else RowFlag.open]
            elif scored.mass < LOW_MASS:
                flags |= BITS[RowFlag.low]
        return flags

    def scored_of(self, number: int) -> ScoredPrompt | None:
        """What was scored of a prompt by its number; None where it was not, or is not asked."""
        return self.scored.get(self.keys[number - 1]) if number else None

    def value(self, name: str, unit: int) -> str:
        """The value of a field, "" where there is none."""
        place = self.values[name][unit]
        return self.words[name][place - 1] if place else ""

    def label(self, question: str, unit: int) -> tuple[str, float] | None:
        """The most probable label of a question, and its probability."""
        scored = self.scored_of(self.prompts[question][unit // self.replications])
        if scored is None or scored.best is None or scored.shares is None:
            return None
        return self.study_of_scores.questions[question].space.labels[scored.best], scored.shares[scored.best]

    def records(self, unit: int, reader: LedgerReader) -> list[tuple[str, Record]]:
        """The records of a unit's turns, also failed ones, in order."""
        found = []
        for turn in self.turns:
            offset = self.offsets[turn][unit]
            offset = self.failures[turn][unit] if offset == NOWHERE else offset
            if offset != NOWHERE:
                found.append((turn, reader[offset]))
        return found

    def facts(self) -> dict[str, Any]:
        """What the page shows of the lane itself."""
        answered = sum(1 for offset in self.offsets[self.turns[-1]] if offset != NOWHERE) if self.turns else 0
        asked = sum(1 for key in self.keys if key in self.scored)
        runs = [{"run": run.path.name, "holds": run.identity.experiment} for run in self.related.runs]
        return {"name": self.name, "runs": runs, "answered": answered, "scored": asked, "live": self.live}
