"""What Experiment 2 has to ask and has already done: questions by the key of their prompt, each asked once."""

from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from grace.errors import StudyError
from grace.ledger import Misfit, replay, request_key
from grace.record_shapes import FAILED, SCORES
from grace.runs import Run
from grace.stages.shard import Shard
from grace.studies.answers import Policy
from grace.studies.questions import AskedQuestion, Question
from grace.studies.study import Study
from grace.studies.surprisal import SurprisalQuestion
from grace.tables import CsvTable


class Keys:
    """The key of each row's questions: rows whose rendered prompt is the same have the same key.

    Attributes:
        study: the study that has the questions.
        scoring: the settings that affect all answers: `policy`, `residual`, `answer_start`, and `measuring` where
            texts are measured by a server that can be asked in several ways.
    """

    def __init__(self, study: Study, table: CsvTable, model: Mapping[str, Any], scoring: Mapping[str, Any]) -> None:
        self.study, self._table, self._model = study, table, model
        self.scoring = dict(scoring)
        self._policy: Policy = self.scoring["policy"]
        self._by_content: dict[tuple[str, tuple[str, ...]], str] = {}
        uses = [question.uses for question in study.scored.values()]
        self._seen = [
            place for place, name in enumerate(table.columns) if any(own is None or name in own for own in uses)
        ]

    def seen(self, cells: Sequence[str]) -> tuple[str, ...]:
        """Those cells of a row of the table that the key of any question depends on."""
        return tuple([cells[place] for place in self._seen])

    def of(self, row: int) -> dict[str, str]:
        """The key of each question about row `row`, by the question's name. Raises StudyError naming the row."""
        cells = self._table.row(row)
        keys = {}
        for name, question in self.study.scored.items():
            seen = tuple(value for column, value in cells.items() if question.uses is None or column in question.uses)
            key = self._by_content.get((name, seen))
            if key is None:
                key = request_key(self._model, *self.asked(row, question).key_parts, self.scoring)
                self._by_content[name, seen] = key
            keys[name] = key
        return keys

    def asked(self, row: int, question: Question | SurprisalQuestion) -> AskedQuestion:
        """The question about row `row`. Raises StudyError naming the row."""
        try:
            return question.asked(self.study.complete(self._table.row(row), self._table.decimal), self._policy)
        except StudyError as error:
            raise StudyError(f"{self._table.path}, row {row + 1}: question {question.name!r}: {error}") from None


@dataclass
class Todo:
    """One distinct question: asked about `row`, and its answer holds for all of `rows` (both from 0)."""

    question: str
    row: int
    rows: "array[int]" = field(default_factory=lambda: array("I"))


def distinct(keys: Keys, rows: int) -> dict[str, Todo]:
    """The distinct questions about the first rows of a table, by key, in the order of asking."""
    todos: dict[str, Todo] = {}
    for row in range(rows):
        for name, key in keys.of(row).items():
            todo = todos.get(key)
            if todo is None:
                todo = todos[key] = Todo(name, row)
            if not todo.rows or todo.rows[-1] != row:  # two questions of a row may be the same
                todo.rows.append(row)
    return todos


def share(todos: Mapping[str, Todo], shard: Shard) -> dict[str, Todo]:
    """A shard's part of the questions; those that first occur in one row stay together: their prompts begin alike."""
    together = groupby(todos.items(), key=lambda item: item[1].row)
    return dict(item for number, (_, items) in enumerate(together) if shard.takes(number) for item in items)


class Scores:
    """Which questions have been answered, and where in the ledger: a finished record counts over a failed one."""

    def __init__(self, study: Study) -> None:
        self._study = study
        self._finished: dict[str, int] = {}
        self._failed: dict[str, int] = {}

    @classmethod
    def read(cls, run: Run, study: Study) -> "Scores":
        """Read a run's ledger. Raises LedgerCorrupt."""
        return replay(run.ledger, lambda: cls(study), SCORES.fault)

    def add(self, offset: int, record: dict[str, Any]) -> None:
        """Add one record. Raises Misfit, as `check_labels`."""
        check_labels(record, self._study)
        (self._failed if record["status"] == FAILED else self._finished)[record["key"]] = offset

    def finished(self, key: str) -> int | None:
        """The offset of the finished record, None where there is none."""
        return self._finished.get(key)

    def failed(self, key: str) -> int | None:
        """The offset of the last failed record of a question that was never finished."""
        return self._failed.get(key)

    def count(self, todos: Mapping[str, Todo]) -> int:
        """How many of the questions are finished."""
        return len(todos) - sum(1 for _ in self.open(todos))

    def open(self, todos: Mapping[str, Todo]) -> Iterator[tuple[str, Todo]]:
        """Those questions that are not finished."""
        return ((key, todo) for key, todo in todos.items() if key not in self._finished)


def check_labels(record: Mapping[str, Any], study: Study) -> None:
    """Raise Misfit for a record of another question than the study's, or with other labels than its question has."""
    question = study.scored.get(record["question"])
    if question is None:
        raise Misfit(f"question: is {record['question']!r}, not one of {', '.join(study.scored)}")
    if record["status"] == FAILED:
        return
    response = record["response"]
    if isinstance(question, SurprisalQuestion):
        named = [response.get(name, {}).keys() for name in ("bits", "words", "measured")]
        if not named[0] or any(names != named[0] for names in named) or not named[0] <= set(question.labels):
            raise Misfit(f"response.bits: must be of {', '.join(question.labels)}")
    elif response.get("labels", {}).keys() != set(question.space.labels):
        raise Misfit(f"response.labels: must be {', '.join(question.space.labels)}")
