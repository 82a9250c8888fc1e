"""Trials: the rows of a table as the analysis of their study interprets them, and those of one model sorted."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from grace.analysis.frames import Row

FAILED = "the request failed"

Cell = tuple[str, ...]
"""A condition, as the columns of the results that name it; an empty part where a row is outside the design."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One interpreted row.

    Attributes:
        row: the row.
        cell: its condition.
        unit: its stimulus, within its condition; None where the table does not have it.
        weights: the weight of each of the study's labels in the answer of Experiment 1: bets in percent, or 1 for the
            label that was chosen and 0 for the others; None where the answer gives none.
        answers: the sampled answer to each question that it answers, a label or a number, as {"knowledge": "yes",
            "state3": 60.0}; empty where the request failed.
        flaw: why the row cannot be analysed at all; None where it can.
        exclusion: why a row that can be analysed is excluded, the first reason of several; None where it is not.
    """

    row: Row
    cell: Cell
    unit: str | None
    weights: tuple[float, ...] | None
    answers: Mapping[str, str | float]
    flaw: str | None
    exclusion: str | None = None

    @property
    def inside(self) -> bool:
        """Whether it is in one of the design's conditions."""
        return all(self.cell)


@dataclass(frozen=True)
class ModelTrials:
    """The trials of one model; `exclusions` is whether trials with an exclusion are left out."""

    trials: Sequence[Trial]
    exclusions: bool

    @cached_property
    def usable(self) -> list[Trial]:
        """The trials that can be analysed."""
        return [trial for trial in self.trials if not trial.flaw]

    @cached_property
    def kept(self) -> list[Trial]:
        """The trials that are analysed."""
        return [trial for trial in self.usable if not (self.exclusions and trial.exclusion)]

    @property
    def flawed(self) -> Counter[str]:
        """How many trials cannot be analysed, by reason."""
        return Counter(trial.flaw for trial in self.trials if trial.flaw)

    @property
    def excluded(self) -> Counter[str]:
        """How many trials are excluded, by reason."""
        return Counter(trial.exclusion for trial in self.usable if self.exclusions and trial.exclusion)


def flaw_of(row: Row, cell: Cell, weights: tuple[float, ...] | None, outside: str, no_answer: str) -> str | None:
    """Why a row cannot be analysed, the first reason of several; the last two arguments say it for the study."""
    if row.failed:
        return FAILED
    if not all(cell):
        return outside
    return no_answer if weights is None else None
