"""Equivalence: two one-sided tests, and verdicts by stated rules."""

from dataclasses import dataclass

import numpy as np

from grace.analysis.distances import Array
from grace.analysis.effects import ALPHA, Estimate, variance_of_pairs
from grace.analysis.statistics import holm_of, never_0

EQUIVALENT, DIFFERENT, UNDECIDED = "equivalent", "different", "can't tell"
MARGIN = 0.05
"""Shares that differ by less than this (5 percentage points) count as the same."""


@dataclass(frozen=True)
class Tost:
    """Two one-sided tests of a difference.

    Attributes:
        p_equivalence: the larger p of the two: small where the difference lies between -margin and margin.
        p_difference: two-tailed, of no difference.
        low, high: the 90% interval, which lies within the margins just where p_equivalence is below 0.05.
    """

    p_equivalence: float
    p_difference: float
    low: float
    high: float


def tost(difference: Estimate, margin: float) -> Tost:
    """Test whether a difference lies within the margin (Schuirmann 1987, J Pharmacokinet Biopharm 15, 657-680).

    NaN where it has no standard error.
    """
    from scipy.stats import t

    if np.isnan(difference.se):
        return Tost(np.nan, np.nan, np.nan, np.nan)
    above = t.sf((difference.value + margin) / difference.se, difference.df)
    below = t.cdf((difference.value - margin) / difference.se, difference.df)
    reach = t.ppf(1 - ALPHA, difference.df) * difference.se
    two_tailed = 2 * t.sf(abs(difference.value) / difference.se, difference.df)
    p = never_0(max(above, below)), never_0(two_tailed)
    return Tost(*p, float(difference.value - reach), float(difference.value + reach))


def variance_of_drawing(shares: Array, n: Array) -> float:
    """The variance that drawing alone gives the mean difference of two shares over stimuli: within them, not between.

    The sum over stimuli and sides of p (1 - p) / n, divided by the squared number of stimuli, with a success and a
    failure added to each share (Agresti & Caffo 2000, The American Statistician 54, 280-288): else a share of 0 or 1
    among a few answers would count as certain. Where each stimulus is worth one answer on both sides, nothing tells how
    answers vary within one; then it is that of matched pairs (`effects.variance_of_pairs`).

    `shares` of each stimulus's answers and their numbers `n` have the shape (stimuli, 2).
    """
    if (n == 1).all():
        return variance_of_pairs(shares[:, 1] - shares[:, 0])
    smoothed = (shares * n + 1) / (n + 2)
    return float((smoothed * (1 - smoothed) / n).sum() / len(shares) ** 2)


def most_that_differ(stimuli: int) -> float:
    """The largest share of differing stimuli, at one-sided 95%, where none of some differs (the rule of three)."""
    return float(1 - ALPHA ** (1 / stimuli))


def p_of_agreement(stimuli: int, margin: float) -> float:
    """How likely it is that no stimulus differs where a share of `margin` does.

    It is below 0.05 just where `most_that_differ` is below the margin.
    """
    return never_0((1 - margin) ** stimuli)


def p_of_same_shift(further: int) -> float:
    """How likely it is at most that two draws from one source differ at some further stimuli by as much as at a first.

    Draws x and y of one distribution have x - y = d, not 0, with a probability of 1/4 at most (Motzkin & Straus 1965,
    Canadian Journal of Mathematics 17, 533-540: steps of d make a graph without triangles); the first stimulus sets d.
    """
    return never_0(0.25**further)


def holm(p: list[float]) -> list[float]:
    """P values corrected after Holm; those that are NaN stay so and do not count."""
    corrected = iter(holm_of([value for value in p if not np.isnan(value)]))
    return [value if np.isnan(value) else next(corrected) for value in p]


def verdict_of_tests(tests: list[Tost]) -> str:
    """The verdict on several differences.

    equivalent: every one lies within the margin (each p_equivalence below 0.05; that all must, needs no correction).
    different: one at least differs (p_difference below 0.05 after Holm) and is not shown to lie within the margin.
    can't tell: neither.
    """
    if not tests:
        return UNDECIDED
    if all(test.p_equivalence < ALPHA for test in tests):
        return EQUIVALENT
    return DIFFERENT if any(differing(tests)) else UNDECIDED


def differing(tests: list[Tost]) -> list[bool]:
    """Which of several differences are there (p_difference below 0.05 after Holm) and not shown to be too small."""
    corrected = holm([test.p_difference for test in tests])
    return [p < ALPHA and not test.p_equivalence < ALPHA for p, test in zip(corrected, tests, strict=True)]


def verdict_of_distance(low: float, high: float, margin: float) -> str:
    """The verdict on a distance, by its 90% interval.

    equivalent: the interval ends below the margin. different: it begins above it. can't tell: the margin is within it,
    or there is no interval.
    """
    if high < margin:
        return EQUIVALENT
    return DIFFERENT if low > margin else UNDECIDED


def overall(verdicts: list[str]) -> str:
    """The verdict on the whole: different where one part is, equivalent where all are, else can't tell."""
    if DIFFERENT in verdicts:
        return DIFFERENT
    return EQUIVALENT if verdicts and all(verdict == EQUIVALENT for verdict in verdicts) else UNDECIDED
