"""Mixed models of any number of factors: linear ones of a measure, and logistic ones of a label in answers.

Both have random intercepts of items and participants. The logistic ones are those of `mixed`.

y = X b + Z u + e. The standard deviations of the random intercepts, as multiples of the residual's, are found by
restricted maximum likelihood, with b and the residual variance profiled out (Bates, Mächler, Bolker & Walker 2015,
Journal of Statistical Software 67(1), whose criterion this is). A term's test is F = b' C^-1 b / df1, with C the
covariance of its coefficients. The denominator's degrees of freedom are those of the residual: rows, less the rank of
fixed effects and of the groups' intercepts together. In a balanced design that is the F of the analysis of variance.

A share of answers is taken for a number from 0 to 1 here, which is good enough as long as it is not near an end.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from statistics import fmean
from typing import TYPE_CHECKING

from grace.analysis.distances import SLACK
from grace.analysis.measures import Measure
from grace.analysis.mixed import BinaryAnswer, columns_of, term_tests, worth_of
from grace.analysis.names import LINEAR, LOGISTIC, TestName
from grace.analysis.statistics import BY_SIGNS, PERFECT, Tested, never_0
from grace.analysis.trials import Trial
from grace.studies.study import Study

if TYPE_CHECKING:
    from numpy import float64
    from numpy.typing import NDArray

ALIKE = "nothing varies beside the conditions"
"""Why there is no F. An effect that is the same in all items has the p of the exact test that flips their signs."""
MOST_LEVELS = 1500
"""Random intercepts that are fitted; more would take minutes."""
MOST_FACTORS = 3
"""With more factors, interactions of more than two are left out."""


@dataclass(frozen=True)
class MeasuredEffect:
    """The effect of factors on a measure; as text verb=singular:subject:neighbour."""

    measure: str
    value: str
    factors: tuple[str, ...]

    def __str__(self) -> str:
        of = f"{self.measure}={self.value}" if self.value else self.measure
        return ":".join((f"{of}", *self.factors))


@dataclass(frozen=True)
class MeasuredRow:
    """A number with its levels of the factors and of the groups that have intercepts."""

    value: float
    levels: tuple[str, ...]
    groups: Mapping[str, str]


def linear_tests(measure: Measure, trials: Sequence[Trial], study: Study) -> list[Tested]:
    """The tests of all effects of the design's columns on a measure; none where the design has no conditions."""
    factors = study.design.cells
    rows = _rows(measure, trials, study)
    if not factors or not rows:
        return []
    stimuli = {(row.levels, row.groups.get("item", "")) for row in rows}
    if measure.experiment == 2 or _are_copies(rows):
        rows = _of_stimuli(rows)
    terms = list(_terms(len(factors)))
    names = [MeasuredEffect(measure.name, measure.value, tuple(factors[one] for one in term)) for term in terms]
    empty = [Tested(TestName(LINEAR, name), n=len(rows), n_effective=float(len(stimuli))) for name in names]
    return list(_tested(empty, terms, rows))


def logistic_tests(measure: Measure, trials: Sequence[Trial], study: Study) -> list[Tested]:
    """The tests of all effects of the design's columns on whether answers say a label; none of other measures."""
    factors = study.design.cells
    if measure.experiment != 1 or not measure.value or not factors:
        return []
    own = [trial for trial in trials if measure.read(trial.row) is not None]
    outcomes = [
        BinaryAnswer(int(row.value), row.levels, row.groups, trial.unit)
        for row, trial in zip(_rows(measure, own, study), own, strict=True)
    ]
    if not outcomes:
        return []
    terms = list(_terms(len(factors)))
    names = [MeasuredEffect(measure.name, measure.value, tuple(factors[one] for one in term)) for term in terms]
    worth = worth_of(outcomes)
    empty = [Tested(TestName(LOGISTIC, name), n=len(outcomes), n_effective=worth) for name in names]
    return term_tests(empty, terms, outcomes)


def _rows(measure: Measure, trials: Sequence[Trial], study: Study) -> list[MeasuredRow]:
    """One for each row that has a number."""
    design = study.design
    groups = {"item": design.item} | ({"participant": design.participant} if measure.experiment == 1 else {})
    return [
        MeasuredRow(number, trial.cell, {name: trial.row[column] for name, column in groups.items() if column})
        for trial in trials
        if (number := measure.read(trial.row)) is not None
    ]


def _are_copies(rows: Sequence[MeasuredRow]) -> bool:
    """Whether items have several answers in a condition, and these never differ, as at temperature 0."""
    if "item" not in rows[0].groups:
        return False
    stimuli = [(row.levels, row.groups["item"]) for row in rows]
    answers = zip(stimuli, (row.value for row in rows), strict=True)
    return len(set(answers)) == len(set(stimuli)) < len(rows)


def _of_stimuli(rows: Sequence[MeasuredRow]) -> list[MeasuredRow]:
    """One row for each stimulus, with the mean of its own; without items each row is one."""
    of_stimulus: dict[tuple[object, ...], list[MeasuredRow]] = {}
    for place, row in enumerate(rows):
        item = row.groups.get("item", str(place))
        of_stimulus.setdefault((row.levels, item), []).append(row)
    return [
        MeasuredRow(
            fmean(row.value for row in own),
            own[0].levels,
            {name: level for name, level in own[0].groups.items() if name == "item"},
        )
        for own in of_stimulus.values()
    ]


def _terms(factors: int) -> Iterator[tuple[int, ...]]:
    for size in range(1, (factors if factors <= MOST_FACTORS else 2) + 1):
        yield from combinations(range(factors), size)


def _tested(empty: Sequence[Tested], terms: Sequence[tuple[int, ...]], rows: Sequence[MeasuredRow]) -> Iterator[Tested]:
    import numpy as np
    from scipy import stats

    y = np.array([row.value for row in rows])
    if np.ptp(y) == 0:
        yield from (replace(test, note="all numbers are equal, so nothing can depend on anything") for test in empty)
        return
    x, places = columns_of([row.levels for row in rows], terms)
    if int(np.linalg.matrix_rank(x)) < x.shape[1]:
        yield from (replace(test, note="cannot be estimated: conditions are empty") for test in empty)
        return
    fitted = _fit(x, y, _groups(rows))
    if isinstance(fitted, str):
        items = _crossed(rows) if fitted == ALIKE else 0
        b = np.linalg.lstsq(x, y)[0]
        for test, own in zip(empty, places, strict=True):
            there = items > 1 and bool((np.abs(b[own]) > SLACK * np.abs(y).max()).any())
            yield (
                replace(test, p=never_0(2.0 ** (1 - items)), note=f"{fitted}; {BY_SIGNS}")
                if there
                else replace(test, note=fitted)
            )
        return
    b, covariance, freedom = fitted
    for test, own in zip(empty, places, strict=True):
        if not own:
            yield replace(test, note="a factor has one level only")
            continue
        f = float(b[own] @ np.linalg.solve(covariance[np.ix_(own, own)], b[own])) / len(own)
        p = never_0(stats.f.sf(f, len(own), freedom))
        size = f * len(own) / (f * len(own) + freedom)
        yield replace(test, statistic=f, df1=len(own), df2=float(freedom), p=p, effect_size=size)


def _crossed(rows: Sequence[MeasuredRow]) -> int:
    """How many items there are, where each has all conditions; else 0."""
    items = {row.groups.get("item") for row in rows}
    stimuli = {(row.levels, row.groups.get("item")) for row in rows}
    return len(items) if len(stimuli) == len(items) * len({row.levels for row in rows}) else 0


def _groups(rows: Sequence[MeasuredRow]) -> list[list[int]]:
    """For each group with several levels, some with several rows, and no two the same: the level of each row."""
    groups: dict[tuple[int, ...], None] = {}
    for name in rows[0].groups:
        levels = [row.groups[name] for row in rows]
        numbers = {level: place for place, level in enumerate(dict.fromkeys(levels))}
        if 1 < len(numbers) < len(rows):
            groups[tuple(numbers[level] for level in levels)] = None
    return [list(own) for own in groups]


def _fit(
    x: "NDArray[float64]", y: "NDArray[float64]", groups: Sequence[Sequence[int]]
) -> "tuple[NDArray[float64], NDArray[float64], int] | str":
    """Coefficients, their covariance and the residual's degrees of freedom; or why there are none."""
    import numpy as np
    from scipy.optimize import minimize

    n, fixed = x.shape
    blocks = [np.eye(max(own) + 1)[list(own)] for own in groups]
    levels = sum(block.shape[1] for block in blocks)
    if levels > MOST_LEVELS:
        return f"more than {MOST_LEVELS} items and participants, which is too many for this model"
    z = np.hstack(blocks) if blocks else np.empty((n, 0))
    everything = np.hstack([x, z])
    coefficients, _, rank, _ = np.linalg.lstsq(everything, y)
    freedom = n - int(rank)
    if freedom < 1:
        return "too few rows for so many conditions and items"
    if ((y - everything @ coefficients) ** 2).sum() <= PERFECT * (y**2).sum():
        return ALIKE
    sizes = [block.shape[1] for block in blocks]
    ztz, ztx, zty = z.T @ z, z.T @ x, z.T @ y

    def solved(theta: "NDArray[float64]") -> "tuple[float, NDArray[float64], NDArray[float64]]":
        """The REML criterion, coefficients and their covariance."""
        scale = np.repeat(theta, sizes)
        root = np.linalg.cholesky(scale[:, None] * ztz * scale + np.eye(levels))
        of_x = np.linalg.solve(root, scale[:, None] * ztx)
        of_y = np.linalg.solve(root, scale * zty)
        information = x.T @ x - of_x.T @ of_x
        b = np.linalg.solve(information, x.T @ y - of_x.T @ of_y)
        residual = float(y @ y - of_y @ of_y - b @ (x.T @ y - of_x.T @ of_y))
        variance = max(residual, 1e-300) / (n - fixed)
        criterion = 2 * float(np.log(np.diag(root)).sum()) + float(np.linalg.slogdet(information)[1])
        return criterion + (n - fixed) * float(np.log(variance)), b, variance * np.linalg.inv(information)

    theta = np.empty(0)
    if blocks:
        bounds = [(0.0, 100.0)] * len(blocks)
        theta = minimize(lambda own: solved(own)[0], np.ones(len(blocks)), bounds=bounds, method="L-BFGS-B").x
    _, b, covariance = solved(theta)
    return b, covariance, freedom
