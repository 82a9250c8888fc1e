"""Samples: what a model answered in each condition, as distributions, with the stimuli that rows belong to.

Rows about one stimulus are not independent of each other. A stimulus is an item under a condition: study 1's story,
study 2's thing that was made, whatever the names of the persons in it. Everything here that says how sure a number is
(bootstrap, standard errors, tests) takes stimuli as the units, never rows.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import isfinite

import numpy as np
from numpy.typing import NDArray

from grace.analysis.distances import Array
from grace.errors import InputError

Integers = NDArray[np.int64]

STUDIES = ("study1", "study2")
GOALS = ("informational", "social", "both")
FRAMES = ("was", "wasnt")
ASSESSMENTS = ("terrible", "bad", "good", "amazing")
UTTERANCES = tuple(f"{frame}_{assessment}" for frame in FRAMES for assessment in ASSESSMENTS)
ACCESS_WORD = ((1, 1), (2, 1), (2, 2), (3, 1), (3, 2), (3, 3))

ANSWERS, BETS, CHOICE = "answers", "bets", "choice"
SOURCES = {
    "study1": {
        ANSWERS: "bets in the answers of Experiment 1",
        BETS: "expected bets in Experiment 2, one question for each state",
        CHOICE: "probability of each state in Experiment 2, one question for all",
    },
    "study2": {
        ANSWERS: "utterances in the answers of Experiment 1",
        CHOICE: "probability of each utterance in Experiment 2",
    },
}
"""Where the distributions of a study come from."""


@dataclass(frozen=True)
class Layout:
    """The conditions and labels of a study, in the order of all arrays.

    Attributes:
        cells: names of the conditions.
        labels: names of the labels that distributions are over.
        scale: the labels' places on a scale, for labels that have an order.
        unit: of that scale.
    """

    cells: tuple[str, ...]
    labels: tuple[str, ...]
    scale: Array | None = None
    unit: str = ""


LAYOUTS = {
    "study1": Layout(
        tuple(f"access {access}, word {word}" for access, word in ACCESS_WORD),
        ("0", "1", "2", "3"),
        np.arange(4.0),
        "states",
    ),
    "study2": Layout(tuple(f"{goal}, {hearts} hearts" for goal in GOALS for hearts in range(4)), UTTERANCES),
}


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


def sample_of(study: str, source: str, rows: Iterable[Mapping[str, object]], missing: int = 0) -> Sample:
    """The distributions in the rows of a merged table; those of a row without one are counted as missing.

    Args:
        study: study1 or study2.
        source: one of SOURCES[study].
        rows: mappings of column to cell: text, number, or nothing (None, "", NaN).
        missing: how many rows are missing already.

    Raises:
        InputError: no row tells its condition.
    """
    names = {name: number for number, name in enumerate(LAYOUTS[study].cells)}
    stimuli: dict[tuple[int, str], int] = {}
    values, cells, of = [], [], []
    lost = 0
    for row in rows:
        cell = names.get(condition_of(study, row) or "")
        found = distribution_in(study, source, row)
        if cell is None or found is None:
            missing += 1
            lost += cell is None
            continue
        key = (cell, str(row.get("story_shortname" if study == "study1" else "Domain") or ""))
        values.append(found)
        cells.append(cell)
        of.append(stimuli.setdefault(key, len(stimuli)))
    if lost and not values and lost == missing:
        raise InputError(f"no row tells its condition: {study} needs {' and '.join(CONDITIONS[study])}")
    array = np.array(values, dtype=float).reshape(len(values), len(LAYOUTS[study].labels))
    return Sample(array, np.array(cells, dtype=np.int64), np.array(of, dtype=np.int64), len(names), missing)


CONDITIONS = {"study1": ("access", "observe"), "study2": ("Goal (or goal)", "State")}
"""The columns that tell a row's condition."""


def condition_of(study: str, row: Mapping[str, object]) -> str | None:
    """The name of a row's condition, None where the row does not tell."""
    if study == "study1":
        access, word = number_in(row.get("access")), number_in(row.get("observe"))
        return None if access is None or word is None else f"access {access:.0f}, word {word:.0f}"
    hearts = number_in(str(row.get("State") or "").strip()[:1])
    goal = goal_of(row)
    return None if goal is None or hearts is None else f"{goal}, {hearts:.0f} hearts"


def goal_of(row: Mapping[str, object]) -> str | None:
    """The kind of a row's goal, from the column `goal` or else the words of `Goal`, as study2.yaml derives it."""
    if row.get("goal") in GOALS:
        return str(row["goal"])
    text = str(row.get("Goal") or "")
    social, informational = "feel good" in text, "accurate" in text
    if social and informational:
        return "both"
    return "social" if social else "informational" if informational else None


def number_in(cell: object) -> float | None:
    """The finite number in a cell, None where there is none."""
    try:
        number = float(cell)  # type: ignore[arg-type]  # what float cannot read is no number
    except (TypeError, ValueError):
        return None
    return number if isfinite(number) else None


_COLUMNS = {
    ("study1", ANSWERS): tuple(f"probability_{state}" for state in range(4)),
    ("study1", BETS): tuple(f"state{state}_mean" for state in range(4)),
    ("study1", CHOICE): tuple(f"prob_state_{state}" for state in range(4)),
    ("study2", CHOICE): tuple(f"prob_{utterance}" for utterance in UTTERANCES),
}


def columns_of(study: str, source: str) -> tuple[str, ...]:
    """The columns of a merged table that a source needs."""
    return _COLUMNS.get((study, source), ("Was_Wasnt", "Assessment"))


def distribution_in(study: str, source: str, row: Mapping[str, object]) -> list[float] | None:
    """A row's distribution, None where it has none; bets and percentages are divided by their sum."""
    if (study, source) == ("study2", ANSWERS):
        frame = str(row.get("Was_Wasnt") or "").replace("'", "").replace("’", "").lower()
        said = f"{frame}_{str(row.get('Assessment') or '').lower()}"
        return [float(said == utterance) for utterance in UTTERANCES] if said in UTTERANCES else None
    found = [number_in(row.get(column)) for column in _COLUMNS[study, source]]
    numbers = [number for number in found if number is not None and number >= 0]
    total = sum(numbers)
    return [number / total for number in numbers] if len(numbers) == len(found) and total > 0 else None
