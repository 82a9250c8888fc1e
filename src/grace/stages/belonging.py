"""Whether a run's records belong to it: keys, seeds and settings are computed again from its study, table and model."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Any

from grace.errors import StudyError
from grace.ledger import LedgerReader, replay, request_key
from grace.manifest import GENERATE, SCORE
from grace.record_shapes import SCORES
from grace.runs import Run
from grace.stages.answers.records import Done, request_seed
from grace.stages.scores.records import Keys, check_labels
from grace.studies.study import Conversation, Study
from grace.studies.templates import Message
from grace.tables import CsvTable

CACHED = 10_000
ELSEWHERE = (
    "the record's key is not that of this row's prompt, settings and model: rows, questions or answers were swapped, "
    "or run.json, study.yaml or input.csv were changed"
)
BEYOND = "the run has a record of it, but its scope in run.json ends before: run.json was changed"


@dataclass(frozen=True)
class Stray:
    """A record that does not belong where it stands: the row of the input (1 is the first), the question, and why."""

    row: int
    question: str
    why: str


def strays(run: Run, study: Study) -> Iterator[Stray]:
    """The records of a run that do not belong to it; an extraction's are of rows that may have changed since.

    A run without a ledger has none.

    Raises:
        InputError: the run cannot be read.
    """
    if not run.ledger.exists():
        return
    if run.identity.experiment == GENERATE:
        yield from _stray_answers(run, study)
    elif run.identity.experiment == SCORE:
        yield from _stray_scores(run, study)


def _stray_answers(run: Run, study: Study) -> Iterator[Stray]:
    identity, scope = run.identity, run.scope
    with run.table() as table, LedgerReader(run.ledger) as reader:
        done = Done.read(run, len(table), identity.turns)
        prompts = _Prompts(study, study.conversation(identity.protocol), table)
        for row, cells in enumerate(islice(table.all_cells(), scope.rows)):
            for replication in range(scope.replications):
                seed = request_seed(identity.seed, identity.study, row, replication)
                said: list[str] = []
                for turn in identity.turns:
                    offset = done.finished(row, replication, turn)
                    offset = done.failed(row, replication, turn) if offset is None else offset
                    if offset is None:
                        break
                    record = reader[offset]
                    try:
                        messages = prompts.of(cells, said)
                    except StudyError as error:
                        yield Stray(row + 1, turn, str(error))
                        break
                    if why := _why(record, identity.model, messages, {**identity.sampling, "seed": seed}):
                        yield Stray(row + 1, turn, why)
                    if record["status"] == "failed":
                        break
                    said.append(record["response"]["text"])
        for row, turn in sorted(done.beyond(scope.rows, scope.replications)):
            yield Stray(row + 1, turn, BEYOND)


def _why(
    record: Mapping[str, Any], model: Mapping[str, Any], messages: Sequence[Message], settings: Mapping[str, Any]
) -> str | None:
    """Why a record is not of this request; None where it is."""
    asked = record["request"]
    for name, value in settings.items():
        if asked.get(name) != value:
            return f"{name} is {asked.get(name)!r} in the record, and has to be {value!r} here"
    return None if record["key"] == request_key(model, messages, asked) else ELSEWHERE


class _Prompts:
    """Renders the conversations about rows; rows that show the model the same share them."""

    def __init__(self, study: Study, conversation: Conversation, table: CsvTable) -> None:
        self._study, self._conversation, self._table = study, conversation, table
        uses = conversation.uses
        self._places = [place for place, name in enumerate(table.columns) if uses is None or name in uses]
        self._cells: Sequence[str] = ()
        self._rendered = lru_cache(CACHED)(self._render)

    def of(self, cells: Sequence[str], said: Sequence[str]) -> list[Message]:
        """The messages about a row with these cells, after the model has said some things. Raises StudyError."""
        self._cells = cells
        opening, turns = self._rendered(tuple([cells[place] for place in self._places]))
        messages = [*opening]
        for turn, answer in zip(turns, said, strict=False):
            messages += [turn, {"role": "assistant", "content": answer}]
        return [*messages, turns[len(said)]]

    def _render(self, shown: tuple[str, ...]) -> tuple[list[Message], list[Message]]:
        """The messages before the first turn, and those of the turns; `shown` is what they depend on in this row."""
        row = dict(zip(self._table.columns, self._cells, strict=True))
        cells = self._study.complete(row, self._table.decimal)
        turns = [self._conversation.turn(turn, cells) for turn in self._conversation.turns]
        return self._conversation.opening(cells), turns


def _stray_scores(run: Run, study: Study) -> Iterator[Stray]:
    with run.table() as table:
        keys = Keys(study, table, run.identity.model, run.identity.scoring)
        yield from replay(run.ledger, lambda: _ScoreCheck(study, keys, len(table), run.scope.rows), SCORES.fault).strays


class _ScoreCheck:
    """Collects the records of probabilities whose key is not the one of their row's question."""

    def __init__(self, study: Study, keys: Keys, rows: int, scope: int) -> None:
        self.strays: list[Stray] = []
        self._study, self._keys, self._rows, self._scope = study, keys, rows, scope

    def add(self, offset: int, record: dict[str, Any]) -> None:
        """Look at one record. Raises Misfit, as `check_labels`."""
        check_labels(record, self._study)
        row, question = record["rows"][0], record["question"]
        if row > self._rows:
            why: str | None = f"the input has {self._rows} rows"
        elif row > self._scope:
            why = BEYOND
        elif record["request"] != self._keys.scoring:
            why = f"{record['request']!r} are not the run's settings, {self._keys.scoring!r}"
        else:
            why = None if self._keys.of(row - 1)[question] == record["key"] else ELSEWHERE
        if why:
            self.strays.append(Stray(row, question, why))
