"""Effects: contrasts of conditions that people show or do not show, and their estimates in a sample."""

from dataclasses import dataclass, replace

import numpy as np

from grace.analysis.distances import SLACK, Array
from grace.analysis.samples import Grouped

ALPHA = 0.05
ONE_STIMULUS = "a condition has one stimulus only, so nothing tells how much stimuli vary"
"""Why there is no standard error and no interval."""
ALL_ALIKE = "stimuli do not vary at all, so nothing tells how sure this is"
"""Why there is no test: that no difference was seen between some stimuli does not mean that there is none."""


@dataclass(frozen=True)
class Effect:
    """A directed contrast of mean shares: it is there when the sum of weights times means is above zero.

    Attributes:
        name, about, title: its name, such as planned:a3-two:2>3; in words; and in fewer words, for figures.
        weights: shape (conditions, labels).
        people: whether people show it.
    """

    name: str
    about: str
    title: str
    weights: Array
    people: bool


@dataclass(frozen=True)
class Estimate:
    """A contrast in a sample.

    Attributes:
        value: the contrast; NaN where it is not defined.
        se: its standard error over stimuli; NaN with fewer than two of them in a condition, and where they do not vary.
        df: degrees of freedom, after Welch and Satterthwaite.
        stimuli: how many stimuli it rests on: the effective n.
        reason: why something is not defined.
    """

    value: float
    se: float
    df: float
    stimuli: int
    reason: str = ""

    @property
    def statistic(self) -> float:
        """t; NaN where there is no standard error."""
        return self.value / self.se

    @property
    def p(self) -> float:
        """One-tailed: how likely so high a value or higher would be without the effect."""
        from scipy.stats import t

        return float(t.sf(self.statistic, self.df))


def stimuli_alike(grouped: Grouped) -> Grouped:
    """The same with each stimulus counted once, as the mean of its rows, however many these are."""
    return replace(grouped, sums=grouped.sums / grouped.rows[:, None], rows=np.ones_like(grouped.rows))


def estimate(grouped: Grouped, weights: Array) -> Estimate:
    """A contrast of condition means with its standard error over stimuli.

    Each stimulus counts once, as the mean of its rows: a condition's mean is that of its stimuli's means, its variance
    s^2 / m. Of one condition that is Student's t test of stimuli's means, of two Welch's. (The variance of a mean over
    rows is far too small where few stimuli have most of them.) `weights` have the shape (conditions, labels).
    """
    means = stimuli_alike(grouped).sums
    value, variances, dfs, stimuli = 0.0, [], [], 0
    for condition in np.flatnonzero(np.abs(weights).sum(axis=1)):
        own = means[grouped.cells == condition] @ weights[condition]
        if not len(own):
            return Estimate(np.nan, np.nan, np.nan, 0, "a condition has no rows")
        value += float(own.mean())
        stimuli += len(own)
        variances.append(own.var(ddof=1) / len(own) if len(own) > 1 else np.nan)
        dfs.append(len(own) - 1)
    spread = np.array(variances)
    total = float(spread.sum())
    if not total > SLACK**2:
        return Estimate(value, np.nan, np.nan, stimuli, ONE_STIMULUS if np.isnan(total) else ALL_ALIKE)
    return Estimate(value, float(np.sqrt(total)), total**2 / float((spread**2 / dfs).sum()), stimuli)


def bounds(weights: Array) -> tuple[float, float]:
    """The least and the largest that a contrast of shares can be; `weights` have the shape (conditions, labels)."""
    return float(weights.min(axis=1).sum()), float(weights.max(axis=1).sum())
