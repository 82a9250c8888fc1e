"""Effects: contrasts of conditions that people show or do not show, and their estimates in a sample.

Items, as the stories of study 1 and the things of study 2, are crossed with the conditions. So a contrast is computed
for each item and tested by these numbers: repeated measures by item, where what an item does to all conditions is no
error.
"""

from dataclasses import dataclass, field, replace

import numpy as np

from grace.analysis.distances import SLACK, Array
from grace.analysis.samples import Grouped
from grace.analysis.statistics import never_0

ALPHA = 0.05
ONE_STIMULUS = "a condition has one stimulus only, so nothing tells how much stimuli vary"
"""Why there is no standard error and no interval."""
ALL_ALIKE = "stimuli do not vary at all, so there is no t"
"""Why there is no t test: that no difference was seen between some stimuli does not mean that there is none."""


@dataclass(frozen=True)
class Effect:
    """A directed contrast of mean shares: it is there when the sum of weights times means is above zero.

    Attributes:
        name, about, title: its name, such as planned:a3-two:2>3; in words; and in fewer words, for figures.
        weights: shape (conditions, labels).
        people: what is decided of it in people, as of `decisions`.
    """

    name: str
    about: str
    title: str
    weights: Array
    people: str


@dataclass(frozen=True)
class Estimate:
    """A contrast in a sample.

    Attributes:
        value: the contrast; NaN where it is not defined.
        se: its standard error; NaN with fewer than two stimuli in a condition, and where none varies.
        df: degrees of freedom.
        stimuli: how many stimuli it rests on: the effective n.
        reason: why something is not defined, or rests on less than all.
        items: the contrast of each item, NaN where it lacks a condition; empty where items are not crossed with
            conditions.
        least: where no stimulus varies, a standard error (`variance_of_pairs`) and degrees of freedom for an interval.
    """

    value: float
    se: float
    df: float
    stimuli: int
    reason: str = ""
    items: Array = field(default_factory=lambda: np.array([]))
    least: tuple[float, float] = (np.nan, np.nan)

    @property
    def varied(self) -> "Estimate":
        """The same with the standard error for an interval where no stimulus varies."""
        return replace(self, se=self.least[0], df=self.least[1]) if np.isnan(self.se) else self

    @property
    def statistic(self) -> float:
        """t; NaN where there is no standard error."""
        return self.value / self.se

    @property
    def p(self) -> float:
        """One-tailed: how likely so high a value or higher would be without the effect.

        Where no item varies, the exact sign-flip test's: of all signs that items may have, one gives so high a value.
        """
        from scipy.stats import t

        if self.reason == ALL_ALIKE and len(self.items):
            return never_0(0.5 ** np.isfinite(self.items).sum()) if self.value > SLACK else 1.0
        return never_0(t.sf(self.statistic, self.df))


def stimuli_alike(grouped: Grouped) -> Grouped:
    """The same with each stimulus counted once, as the mean of its rows, however many these are."""
    return replace(grouped, sums=grouped.sums / grouped.rows[:, None], rows=np.ones_like(grouped.rows))


def estimate(grouped: Grouped, weights: Array, shift: bool = False) -> Estimate:
    """A contrast of condition means with its standard error.

    Each stimulus counts once, as the mean of its rows. (The variance of a mean over rows is far too small where few
    stimuli have most of them.) Where most items have all conditions, it is the mean of their contrasts, with Student's
    t of these. Else conditions count as independent, with Welch's t.

    Args:
        grouped: shares, or differences of them.
        weights: of the contrast, shape (conditions, labels).
        shift: whether it is of differences: then it can be twice as large.
    """
    means = stimuli_alike(grouped).sums
    used = np.flatnonzero(np.abs(weights).sum(axis=1))
    table = np.full((len(used), grouped.items.max(initial=-1) + 1), np.nan)
    for row, condition in enumerate(used):
        own = grouped.cells == condition
        if not own.any():
            return Estimate(np.nan, np.nan, np.nan, 0, "a condition has no rows")
        table[row, grouped.items[own]] = means[own] @ weights[condition]
    stimuli = int(np.isfinite(table).sum())
    contrasts, scales = table.sum(axis=0), [weights]
    complete, every = int(np.isfinite(contrasts).sum()), int(np.isfinite(table).any(axis=0).sum())
    reason = "" if complete == every else f"over {complete} of {every} items; others lack a condition"
    parts = [contrasts]
    if complete <= every / 2:
        parts, scales, reason, contrasts = list(table), [weights[[one]] for one in used], "", np.array([])
    parts = [part[np.isfinite(part)] for part in parts]
    value, sizes = float(sum(part.mean() for part in parts)), np.array([len(part) for part in parts])
    if (sizes == 1).any():
        return Estimate(value, np.nan, np.nan, stimuli, ONE_STIMULUS)
    spread = np.array([part.var(ddof=1) for part in parts]) / sizes
    if spread.sum() > SLACK**2:
        se, df = _welch(spread, sizes)
        return Estimate(value, se, df, stimuli, reason, contrasts)
    ends = [bounds(scale) for scale in scales]
    ends = [(low - high, high - low) for low, high in ends] if shift else ends
    least = np.array([least_variance(part, *own) for part, own in zip(parts, ends, strict=True)])
    return Estimate(value, np.nan, np.nan, stimuli, ALL_ALIKE, contrasts, _welch(least, sizes))


def _welch(variances: Array, sizes: Array) -> tuple[float, float]:
    """The standard error of a sum of means, and its degrees of freedom after Welch and Satterthwaite."""
    total = float(variances.sum())
    return float(np.sqrt(total)), total**2 / float((variances**2 / (sizes - 1)).sum())


def least_variance(values: Array, least: float, largest: float) -> float:
    """The variance of the mean of values within bounds, never 0; NaN where these leave no choice."""
    half = (largest - least) / 2
    return variance_of_pairs((values - least) / half - 1) * half**2 if half else np.nan


def variance_of_pairs(differences: Array) -> float:
    """The variance of the mean of differences from -1 to 1, never 0: that of matched pairs with two of them added.

    One that differs by half in either direction, and one that does not (Agresti & Min 2005, Statistics in Medicine 24,
    729-740).
    """
    n = len(differences) + 2
    return float(((differences**2).sum() + 1) / n - (differences.sum() / n) ** 2) / n


def bounds(weights: Array) -> tuple[float, float]:
    """The least and the largest that a contrast of shares can be; `weights` have the shape (conditions, labels)."""
    return float(weights.min(axis=1).sum()), float(weights.max(axis=1).sum())
