"""Layout: what kind of table this is, as its columns show, and what each of its columns may hold."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import isfinite, log2
from operator import itemgetter
from typing import Any

from grace.columns import (
    ANSWER_COLUMNS,
    CONFIDENCE,
    ERROR,
    FLAGS,
    METHOD,
    MODEL,
    RESPONSE,
    ROW_ID,
    SCORES_ERROR,
)
from grace.studies.format import MISSING
from grace.studies.questions import Question
from grace.studies.study import Study
from grace.tables import number_text

MASS = "label_mass_"
SLACK = 1e-6
"""How far sums of floating-point numbers may be outside their range."""

ANSWERS, STRUCTURED, SCORES, MERGED, TRIALS = "answers", "structured", "scores", "merged", "input"
KINDS = (ANSWERS, STRUCTURED, SCORES, MERGED, TRIALS)
"""The kinds of tables, in the order in which they are reported."""


class Cells:
    """The cells of one row; an absent value is an empty text, and numbers are read once."""

    __slots__ = ("_numbers", "_row")

    def __init__(self, row: Mapping[str, str | None]) -> None:
        self._row = row
        self._numbers: dict[str, float | None] = {}

    def __getitem__(self, column: str) -> str:
        return given(self._row.get(column))

    def raw(self, column: str) -> str:
        """The cell as written."""
        return self._row.get(column) or ""

    def number(self, column: str) -> float | None:
        """The number in a cell, None where there is none."""
        try:
            return self._numbers[column]
        except KeyError:
            number = self._numbers[column] = number_in(self[column])
            return number

    def numbers(self, columns: Sequence[str]) -> list[float] | None:
        """The numbers in some cells, None unless all of them hold one."""
        numbers = [number for column in columns if (number := self.number(column)) is not None]
        return numbers if len(numbers) == len(columns) else None


def given(cell: str | None) -> str:
    """A cell; one that is marked as missing counts as empty."""
    return "" if cell is None or cell in MISSING else cell


def picking(columns: Sequence[str], names: Sequence[str]) -> Callable[[Sequence[Any]], tuple[Any, ...]]:
    """What takes the cells of some columns out of a table's row; a column that is not there has an empty one."""
    return picking_at(list(map(places_of(columns).get, names)))


def places_of(columns: Sequence[str]) -> dict[str, int]:
    """The place of each column in a row."""
    return {name: place for place, name in enumerate(columns)}


def picking_at(places: Sequence[int | None]) -> Callable[[Sequence[Any]], tuple[Any, ...]]:
    """What takes the cells at some places out of a row; None is an empty cell."""
    there = [place for place in places if place is not None]
    if len(there) < len(places):
        return lambda row: tuple(["" if place is None else row[place] for place in places])
    if len(there) == 1:
        (only,) = there
        return lambda row: (row[only],)
    return itemgetter(*there) if there else lambda _: ()


def number_in(cell: object) -> float | None:
    """The finite number that a cell holds, also with a decimal comma; None where it holds none."""
    try:
        number = float(cell)  # type: ignore[arg-type]  # what float cannot read is not a number
    except (TypeError, ValueError):
        if not isinstance(cell, str) or (text := number_text(cell)) == cell:
            return None
        number = float(text)
    return number if isfinite(number) else None


@dataclass(frozen=True)
class Numeric:
    """A column of numbers: whole ones or not, and the bounds; None where there is no bound."""

    whole: bool
    low: float | None
    high: float | None
    slack: float = 0.0

    def fits(self, number: float) -> bool:
        """Whether a number is between the bounds."""
        low_enough = self.high is None or number <= self.high + self.slack
        return low_enough and (self.low is None or number >= self.low - self.slack)

    @property
    def bounds(self) -> str:
        """The bounds in words."""
        return f"{self.low:g} or more" if self.high is None else f"from {self.low:g} to {self.high:.4g}"


COUNTS = {
    **dict.fromkeys(("processing_time_ms", "prompt_tokens", "completion_tokens"), Numeric(True, 0, None)),
    "replication": Numeric(True, 1, None),
    "seed": Numeric(True, 0, None),
}
"""The answers' columns of numbers."""


@dataclass(frozen=True)
class Layout:
    """The columns of a table, and which of its parts are to be checked.

    Attributes:
        study: the study.
        columns: the table's columns.
        answers, fields, scores: whether the answers', the extraction's and the scores' columns are checked here; each
            part is checked in one table, though others may hold a copy of it.
        judges_refusals: whether refusals are looked for here: where the fields are, when there are any.
        asked: whether Grace asked for the answers; False for answers from a user's own table.
        decimal: what stands before decimals in the input's columns of numbers, where that is known.
    """

    study: Study
    columns: tuple[str, ...]
    answers: bool
    fields: bool
    scores: bool
    judges_refusals: bool
    asked: bool = True
    decimal: str | None = None

    @classmethod
    def of(cls, study: Study, columns: Iterable[str]) -> "Layout":
        """The layout of a table of which all parts are checked."""
        columns = tuple(columns)
        return cls(
            study,
            columns,
            answers=RESPONSE in columns,
            fields=METHOD in columns,
            scores=any(question.columns.label_mass in columns for question in study.questions.values())
            or any(measure.columns.bits[0] in columns for measure in study.measures.values()),
            judges_refusals=RESPONSE in columns or METHOD in columns,
            asked=not {MODEL, "replication", "seed"}.isdisjoint(columns),
        )

    @property
    def kind(self) -> str:
        """What the table is: answers, structured, scores, merged, or input for any other table."""
        if self.present.issuperset((ROW_ID, FLAGS)):
            return MERGED
        if self.scores:
            return MERGED if self.answers or self.fields else SCORES
        return STRUCTURED if self.fields else ANSWERS if self.answers else TRIALS

    @cached_property
    def present(self) -> frozenset[str]:
        """The columns."""
        return frozenset(self.columns)

    @cached_property
    def questions(self) -> dict[str, Question]:
        """The questions whose distributions are checked here and have all their columns."""
        if not self.scores:
            return {}
        return {
            name: question
            for name, question in self.study.questions.items()
            if self.present.issuperset(question.columns.probabilities)
        }

    @cached_property
    def columns_of_scores(self) -> tuple[str, ...]:
        """The columns of the study's questions, where they are checked here."""
        questions = self.study.questions.values() if self.scores else ()
        return tuple(name for question in questions for name in question.columns.names if name in self.present)

    @cached_property
    def around_scores(self) -> tuple[str, ...]:
        """All columns that checks of distributions read: those of the questions, and who failed to answer and why."""
        return tuple(dict.fromkeys((*self.columns_of_scores, self.scores_error, MODEL)))

    @property
    def errors(self) -> tuple[str, ...]:
        """The columns that say why something is missing, of the parts that are checked here."""
        both = SCORES_ERROR in self.present
        checked = {ERROR: self.answers or (self.scores and not both), SCORES_ERROR: self.scores}
        return tuple(name for name in self.all_errors if checked[name])

    @property
    def all_errors(self) -> tuple[str, ...]:
        """Every column that says why something is missing."""
        return tuple(name for name in (ERROR, SCORES_ERROR) if name in self.present)

    @property
    def scores_error(self) -> str:
        """The column that says why probabilities are missing."""
        return SCORES_ERROR if SCORES_ERROR in self.present else ERROR

    @cached_property
    def responses(self) -> tuple[str, ...]:
        """The columns of whole answers: the model's, or those that a user's own table has."""
        if RESPONSE in self.present:
            return (RESPONSE,)
        extraction = self.study.extraction
        if extraction is None or METHOD not in self.present:
            return ()
        return tuple(name for name in extraction.all_texts if name in self.present)

    @cached_property
    def fields_present(self) -> tuple[str, ...]:
        """The extraction's fields that the table has."""
        fields = self.study.extraction.fields if self.study.extraction else ()
        return tuple(name for name in fields if name in self.present)

    @property
    def turns(self) -> tuple[str, ...]:
        """The columns of the answers of single turns."""
        extraction = self.study.extraction
        others = {*self.study.columns, *ANSWER_COLUMNS, *(extraction.columns if extraction else ())}
        return tuple(name for name in self.columns if name in self.study.turn_columns and name not in others)

    @property
    def numeric(self) -> dict[str, Numeric]:
        """The columns of numbers that are checked here."""
        columns = dict(COUNTS) if self.answers else {}
        if self.fields and self.study.extraction:
            columns[CONFIDENCE] = Numeric(False, 0, 1)
            for name, field in self.study.extraction.fields.items():
                if field.kind is not str and not field.values:
                    columns[name] = Numeric(field.kind is int, field.low, field.high)
        if self.scores:
            for question in self.study.questions.values():
                columns |= _of_scores(question)
        return {name: numeric for name, numeric in columns.items() if name in self.present}

    def expected(self) -> dict[str, tuple[str, ...]]:
        """The columns that a table of this kind has, in groups whose order is the table's."""
        groups: dict[str, tuple[str, ...]] = {}
        if self.answers and self.asked:
            groups["answers"] = ANSWER_COLUMNS
        if self.fields and self.study.extraction:
            groups["fields"] = self.study.extraction.columns
        if self.scores:
            groups |= {name: question.columns.names for name, question in self.study.questions.items()}
            groups["scores"] = (MODEL, self.scores_error)
        return groups

    def called(self, name: str) -> str:
        """The name of a column of the input in this table: one with the name of an added column has another one."""
        return self.study.called(name, self.present)


def _of_scores(question: Question) -> dict[str, Numeric]:
    """The numeric columns of a question."""
    space, columns = question.space, question.columns
    share = Numeric(False, 0, 1, SLACK)
    numeric = dict.fromkeys((*columns.probabilities, columns.label_mass, columns.residual), share)
    numeric[columns.entropy] = Numeric(False, 0, log2(len(space.labels)), SLACK)
    if space.values is not None and columns.mean and columns.std:
        low, high = min(space.values), max(space.values)
        numeric[columns.mean] = Numeric(False, low, high, SLACK * max(1.0, high - low))
        numeric[columns.std] = Numeric(False, 0, (high - low) / 2, SLACK * max(1.0, high - low))
    for factor, levels in columns.marginals.items():
        numeric |= dict.fromkeys(levels.values(), share)
        numeric[columns.marginal_entropies[factor]] = Numeric(False, 0, log2(len(levels)), SLACK)
    return numeric
