"""Samples: what a model answered in each condition, as distributions, with the stimuli that rows belong to.

Rows about one stimulus are not independent of each other. A stimulus is an item under a condition: study 1's story,
study 2's thing that was made, whatever the names of the persons in it. Everything here that measures uncertainty
(bootstrap, standard errors, tests) takes stimuli as the units, never rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from grace.analysis.distances import Array
from grace.analysis.frames import Row
from grace.quality.layout import number_in

Integers = NDArray[np.int64]

ANSWERS, BETS, CHOICE = "answers", "bets", "choice"
"""The sources of a study's distributions: the answers of Experiment 1; in Experiment 2 the expected bets of one
question for each state, and the probabilities of one question for all labels."""


@dataclass(frozen=True)
class Sample:
    """Distributions of rows.

    Attributes:
        values: shape (rows, labels).
        cells: the condition of each row, an index, shape (rows,).
        stimuli: the stimulus of each row, an index; each lies in one condition, shape (rows,).
        conditions: how many conditions there are.
        missing: how many rows have no distribution, and are not in `values`.
    """

    values: Array
    cells: Integers
    stimuli: Integers
    conditions: int
    missing: int = 0

    def __len__(self) -> int:
        return len(self.values)

    @cached_property
    def grouped(self) -> "Grouped":
        """The rows summed up by stimulus."""
        _, first, place = np.unique(self.stimuli, return_index=True, return_inverse=True)
        sums = np.zeros((len(first), self.values.shape[1]))
        np.add.at(sums, place, self.values)
        return Grouped(sums, np.bincount(place, minlength=len(first)).astype(float), self.cells[first], self.conditions)


@dataclass(frozen=True)
class Grouped:
    """Rows summed up by stimulus.

    Attributes:
        sums: summed values, shape (stimuli, labels).
        rows: how many rows each stimulus has, shape (stimuli,).
        cells: the condition of each, shape (stimuli,).
        conditions: how many conditions there are.
    """

    sums: Array
    rows: Array
    cells: Integers
    conditions: int

    @cached_property
    def means(self) -> Array:
        """Mean over rows, shape (conditions, labels); NaN in a condition without rows."""
        sums = np.zeros((self.conditions, self.sums.shape[1]))
        np.add.at(sums, self.cells, self.sums)
        rows = np.bincount(self.cells, self.rows, minlength=self.conditions)[:, None]
        return np.where(rows > 0, sums / np.where(rows > 0, rows, 1), np.nan)

    @cached_property
    def stimuli(self) -> Integers:
        """How many stimuli each condition has, shape (conditions,)."""
        return np.bincount(self.cells, minlength=self.conditions)


def weights_in(row: Row, columns: Sequence[str]) -> list[float] | None:
    """The numbers in some columns of a row, as weights; None where one is missing or negative, or all are 0."""
    numbers = [number for column in columns if (number := number_in(row[column])) is not None and number >= 0]
    return numbers if len(numbers) == len(columns) and sum(numbers) > 0 else None


def shares(weights: Sequence[float] | None) -> list[float] | None:
    """Weights divided by their sum; None where there is nothing to divide."""
    total = sum(weights or ())
    return [weight / total for weight in weights or ()] if total > 0 else None
