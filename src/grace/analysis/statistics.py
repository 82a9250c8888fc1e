"""Statistics: tests on plain lists of numbers; what is not defined is None, with the reason in words."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import accumulate
from math import asin, fsum, sqrt
from statistics import fmean, stdev
from sys import float_info
from typing import TYPE_CHECKING, Literal

from grace.analysis.names import ANOVA, REPEATED, Factors, TestName

if TYPE_CHECKING:
    from numpy import float64
    from numpy.typing import NDArray

Alternative = Literal["greater", "two-sided"]

SMALLEST = float_info.min
"""A p that is smaller than any number is this one: no p is 0."""
CONSTANT = 10 * 2.0**-52
"""A standard error below this share of the largest value is rounding; R's `t.test` draws the line here too."""
Z95 = 1.9599639845400545
"""Between minus this and this lie 95% of a standard normal distribution."""
PERFECT = 1e-20
"""A residual variance below this share of the values' mean square is rounding, which fitting itself leaves."""


@dataclass(frozen=True)
class Tested:
    """One line of `tests.csv`; None is what is not defined, and `note` says why.

    Attributes:
        name: what it tests, as the tables write it.
        statistic: t, F, chi-squared, or the number of successes of a binomial test.
        df1, df2: degrees of freedom; of t and of chi-squared there is only the first.
        p: not corrected.
        p_holm: corrected for the tests of its family.
        effect_size: dz of t, partial eta squared of F, Cohen's h of a binomial test.
        n: rows (in tests by stimulus too, so that the two can be compared).
        n_effective: how many independent rows these are worth; in tests by stimulus the number of stimuli.
        note: what a reader should know.
    """

    name: TestName
    statistic: float | None = None
    df1: float | None = None
    df2: float | None = None
    p: float | None = None
    p_holm: float | None = None
    effect_size: float | None = None
    n: int = 0
    n_effective: float | None = None
    note: str = ""

    @property
    def cells(self) -> tuple[object, ...]:
        """The line's cells, under `TEST_COLUMNS`."""
        return str(self.name), *(getattr(self, column) for column in TEST_COLUMNS[1:])


TEST_COLUMNS = ("test", "statistic", "df1", "df2", "p", "p_holm", "effect_size", "n", "n_effective", "note")


@dataclass(frozen=True)
class Numbers:
    """Numbers, each with the stimulus that it is about.

    Attributes:
        values: one for each row.
        stimuli: of the same length; None where nobody knows which rows show the same.
        texts: of the same length, where several texts are of one stimulus and rows of one text, as replications, are
            still more alike.
    """

    values: Sequence[float]
    stimuli: Sequence[str] | None
    texts: Sequence[str] | None = None

    @property
    def by_stimulus(self) -> "Numbers | None":
        """The mean of each stimulus; None where the stimuli are not known."""
        if self.stimuli is None:
            return None
        groups: dict[str, list[float]] = defaultdict(list)
        for stimulus, value in zip(self.stimuli, self.values, strict=True):
            groups[stimulus].append(value)
        return Numbers([fmean(group) for group in groups.values()], list(groups))

    @property
    def n_effective(self) -> float | None:
        """How many independent rows these are worth; see `effective`."""
        return None if self.stimuli is None else effective({"": self})


NO_STIMULI = "the table does not tell which rows show the same stimulus"
BY_SIGNS = "p is exact, by flipping signs"


def never_0(p: float) -> float:
    """A p value, above 0 also where it is smaller than any number."""
    return max(float(p), SMALLEST)


def mean_and_se(values: Sequence[float]) -> tuple[float | None, float | None]:
    """Mean and standard error (standard deviation over the root of n); None where there are too few values."""
    mean = fmean(values) if values else None
    return mean, stdev(values) / sqrt(len(values)) if len(values) > 1 else None


def mean_of(values: Iterable[tuple[float, int]]) -> float:
    """The mean of values that occur so many times each: the same to the last bit as `fmean` of all of them."""
    total, count = Fraction(0), 0
    for value, times in values:
        total += Fraction(value) * times
        count += times
    return float(total) / count


def effective(cells: Mapping[str, Numbers]) -> float:
    """How many independent rows are worth as much as these, when rows of one stimulus are alike.

    n / (1 + (m - 1) r) with r the intraclass correlation of rows of one stimulus, and m the sum of squared numbers of
    rows of a stimulus over n (Kish 1965, Survey Sampling; for unequal sizes Donner & Klar 2000). r is the estimator
    from one-way analysis of variance within cells (Donner 1986, International Statistical Review 54, 67-82), cut off
    at 0 and 1. It cannot be estimated where all rows are equal, nor where each cell has one stimulus: then it counts
    as 1, and n_effective is at most the number of stimuli. Where samples have texts too, the smaller number counts.
    The cells' means may differ by design.
    """
    worth = _effective_by({name: (one.values, one.stimuli or ()) for name, one in cells.items()})
    texts = {name: (one.values, one.texts) for name, one in cells.items() if one.texts is not None}
    return min(worth, _effective_by(texts)) if len(texts) == len(cells) else worth


def _effective_by(cells: Mapping[str, tuple[Sequence[float], Sequence[str]]]) -> float:
    """`effective`, of values with what they are grouped by."""
    sizes: list[int] = []
    between = within = freedom = weight = 0.0
    for values, labels in cells.values():
        if not values:
            continue
        groups: dict[str, list[float]] = defaultdict(list)
        for label, value in zip(labels, values, strict=True):
            groups[label].append(value)
        grand, n = fmean(values), len(values)
        own = [len(group) for group in groups.values()]
        sizes += own
        freedom += len(own) - 1
        weight += n - sum(size * size for size in own) / n
        for group in groups.values():
            mean = fmean(group)
            between += len(group) * (mean - grand) ** 2
            within += fsum((value - mean) ** 2 for value in group)
    n = sum(sizes)
    if n == len(sizes):  # no stimulus stands twice
        return float(n)
    correlation = 1.0
    if freedom:
        of_stimuli, of_rows, size = between / freedom, within / (n - len(sizes)), weight / freedom
        if total := of_stimuli + (size - 1) * of_rows:
            correlation = min(max((of_stimuli - of_rows) / total, 0.0), 1.0)
    mean_size = sum(size * size for size in sizes) / n
    return n / (1 + (mean_size - 1) * correlation)


def t_test(name: TestName, sample: Numbers, alternative: Alternative, against: float = 0.0) -> Tested:
    """Whether a mean differs from a number: Student's t of one sample, which for differences is the paired t.

    The same as R's `t.test(values - against, alternative = ...)`; dz is t over the root of n.
    """
    from scipy import stats

    values = [value - against for value in sample.values]
    n = len(values)
    empty = Tested(name, n=n, n_effective=sample.n_effective)
    if n < 2:
        return replace(empty, note="no rows" if n == 0 else "a single row has no variance")
    mean, se = mean_and_se(values)
    assert mean is not None
    assert se is not None
    if se <= CONSTANT * abs(mean):
        return replace(empty, note=f"all {n} values are equal ({mean + against:g}), so there is no variance to test by")
    test = stats.ttest_1samp(values, 0.0, alternative=alternative)
    return replace(
        empty,
        statistic=float(test.statistic),
        df1=n - 1,
        p=never_0(test.pvalue),
        effect_size=float(test.statistic) / sqrt(n),
    )


def clustered_t_test(name: TestName, sample: Numbers, alternative: Alternative, against: float = 0.0) -> Tested:
    """The same of the stimuli's means: each stimulus counts once, however often it was asked (Clark 1973, "F2")."""
    means = sample.by_stimulus
    if means is None:
        return Tested(name, n=len(sample.values), note=NO_STIMULI)
    test = t_test(name, means, alternative, against)
    note = test.note.replace("single row", "single stimulus").replace("values are", "stimuli's means are")
    return replace(test, n=len(sample.values), n_effective=float(len(means.values)), note=note)


def stimulus_test(name: TestName, sample: Numbers, alternative: Alternative, against: float = 0.0) -> Tested:
    """`clustered_t_test`, and where all means are equal, so that there is no t, the exact test that flips their signs.

    Of all 2^n ways to give n equal differences a sign, one makes their mean so high, and two so far from 0. Where they
    are 0, there is nothing to test.
    """
    test, means = clustered_t_test(name, sample, alternative, against), sample.by_stimulus
    if test.p is not None or means is None or len(means.values) < 2 or (away := fmean(means.values) - against) == 0:
        return test
    two_sided = alternative == "two-sided"
    p = never_0(2.0 ** (two_sided - len(means.values))) if two_sided or away > 0 else 1.0
    return replace(test, p=p, note=f"{test.note}; {BY_SIGNS}")


def binomial_test(name: TestName, sample: Numbers, chance: float) -> Tested:
    """Whether a share of 0s and 1s differs from chance: the exact binomial test, two-sided, rows taken as independent.

    The same as R's `binom.test`. The effect is Cohen's h (1988): the difference of 2 asin(sqrt(share)).
    """
    from scipy import stats

    n, k = len(sample.values), round(fsum(sample.values))
    if n == 0:
        return Tested(name, note="no rows")
    h = 2 * asin(sqrt(k / n)) - 2 * asin(sqrt(chance))
    p = never_0(stats.binomtest(k, n, chance).pvalue)
    return Tested(name, statistic=k, p=p, effect_size=h, n=n, n_effective=sample.n_effective)


INTERVALS = ("low", "high", "n", "n_effective", "low_clustered", "high_clustered")
"""Columns behind a share: Wilson's interval by rows, their number, what they are worth, and the interval by that."""


def wilson(share: float, n: float) -> tuple[float | None, float | None]:
    """The 95% interval of a share after Wilson (1927); `n` may be an effective number. None where n is 0."""
    if n <= 0:
        return None, None
    scale = 1 + Z95**2 / n
    centre = (share + Z95**2 / (2 * n)) / scale
    reach = Z95 * sqrt(share * (1 - share) / n + Z95**2 / (4 * n**2)) / scale
    return 0.0 if share == 0 else centre - reach, 1.0 if share == 1 else centre + reach  # exact, where rounding is not


def holm(tests: Sequence[Tested]) -> list[Tested]:
    """The tests of one family with corrected p values; those without a p do not count."""
    corrected = iter(holm_of([test.p for test in tests if test.p is not None]))
    return [test if test.p is None else replace(test, p_holm=next(corrected)) for test in tests]


def holm_of(p: Sequence[float]) -> list[float]:
    """P values corrected after Holm (1979, Scandinavian Journal of Statistics 6, 65-70)."""
    order = sorted(range(len(p)), key=p.__getitem__)
    steps = accumulate((min(p[place] * (len(p) - rank), 1.0) for rank, place in enumerate(order)), max)
    return [value for _, value in sorted(zip(order, steps, strict=True))]


@dataclass(frozen=True, slots=True)
class Observation:
    """A number in a design of two factors."""

    first: str
    second: str
    value: float
    stimulus: str | None


MODELS: dict[str, list[Callable[[Observation], str]]] = {
    "mean": [],
    "first": [lambda row: row.first],
    "second": [lambda row: row.second],
    "both": [lambda row: row.first, lambda row: row.second],
    "cells": [lambda row: f"{row.first}\0{row.second}"],
}
"""What the models of an analysis of variance take into account."""
STEPS = (("mean", "first"), ("first", "both"), ("both", "cells"), ("second", "both"))
"""The models that are compared: for the first factor, the second after it, the interaction, the first after that."""


def two_way_anova(factors: tuple[str, str], data: Sequence[Observation], by_stimulus: bool = False) -> list[Tested]:
    """Analysis of variance with two factors in a design that may have empty cells, by comparing nested models.

    Four models, each within the next: the mean; + the first factor; + the second; a mean for each cell. Each step's F
    is its sum of squares per degree of freedom over the residual variance of the last model. That is R's
    `anova(lm(value ~ first * second))`, which drops what empty cells leave undefined. A line more has the first
    factor given the second, since in an unbalanced design the order matters. Effects are partial eta squared.

    `data` has one number for each row, or each stimulus where `by_stimulus` says so, which is for the tests' names.
    """
    first, second = factors
    effects = (Factors((first,)), Factors((second,)), Factors(factors), Factors((first,), after=second))
    cells: dict[str, list[Observation]] = defaultdict(list)
    for row in data:
        cells[f"{row.first}\0{row.second}"].append(row)
    n_effective = _effective(cells)
    tests = [Tested(TestName(ANOVA, of, by_stimulus), n=len(data), n_effective=n_effective) for of in effects]
    if not data:
        return [replace(test, note="no rows") for test in tests]
    models = {name: _fit(data, model) for name, model in MODELS.items()}
    steps = [(models[small], models[large]) for small, large in STEPS]
    return [_step(test, *step, models["cells"], data) for test, step in zip(tests, steps, strict=True)]


def repeated_anova(factors: tuple[str, str], means: Sequence[Observation]) -> list[Tested]:
    """The same effects with repeated measures: stimuli, as stories, are crossed with the cells that are there.

    A step from model to model spans a space of contrasts of cells. F is that of these contrasts of each stimulus,
    against how they vary among stimuli: what R's `anova(lm(wide ~ 1), lm(wide ~ 0), M = ~ larger, X = ~ smaller)`
    tests. p is after Greenhouse and Geisser (1959, Psychometrika 24, 95-112), whose epsilon the note has. Where stimuli
    do not vary in an effect, so that there is no F, p is that of the exact test that flips their signs.

    `means` are one number for each cell and stimulus; stimuli that lack a cell are left out.
    """
    import numpy as np

    first, second = factors
    effects = (Factors((first,)), Factors((second,)), Factors(factors), Factors((first,), after=second))
    cells = list({(row.first, row.second): replace(row, value=0.0) for row in means}.values())
    table = {(row.stimulus, row.first, row.second): row.value for row in means}
    stimuli = list(dict.fromkeys(row.stimulus for row in means))
    wide = [[table.get((one, cell.first, cell.second)) for cell in cells] for one in stimuli]
    complete = np.array([row for row in wide if None not in row], dtype=float)
    lost = len(wide) - len(complete)
    tests = [Tested(TestName(REPEATED, of), n_effective=float(len(complete))) for of in effects]
    if len(complete) < 2:
        why = "fewer than two stimuli have all conditions" if means else "no rows"
        return [replace(test, note=why) for test in tests]
    spaces = {name: _projection(_columns(cells, model)) for name, model in MODELS.items()}
    less = f"{lost} stimuli lack a condition and are left out" if lost else ""
    return [
        _repeated(test, complete, spaces[large] - spaces[small], less)
        for test, (small, large) in zip(tests, STEPS, strict=True)
    ]


def _projection(columns: "NDArray[float64]") -> "NDArray[float64]":
    """Onto what columns span."""
    import numpy as np

    return np.asarray(columns @ np.linalg.pinv(columns))


def _repeated(test: Tested, complete: "NDArray[float64]", space: "NDArray[float64]", less: str) -> Tested:
    """An effect, from numbers of shape (stimuli, cells) and the projection onto its contrasts."""
    import numpy as np
    from scipy import stats

    sizes, vectors = np.linalg.eigh(space)
    contrasts = complete @ vectors[:, sizes > 0.5]
    n, df = contrasts.shape
    if df == 0:
        return replace(test, note="cannot be estimated: the cells that are there do not tell it from the other effects")
    covariance = np.atleast_2d(np.cov(contrasts, rowvar=False))
    spread, effect = float(np.trace(covariance)), float((contrasts.mean(axis=0) ** 2).sum())
    rounding, alike = PERFECT * float((complete**2).mean()), "stimuli do not vary in it, so there is no variance"
    if spread <= rounding and effect <= rounding:
        return replace(test, df1=df, df2=df * (n - 1), note=alike)
    if spread <= rounding:  # of all signs that stimuli may have, two make the effect so large
        return replace(test, p=never_0(2.0 ** (1 - n)), note=f"{alike}; {BY_SIGNS}")
    f = n * effect / spread
    epsilon = spread**2 / (df * float((covariance**2).sum()))
    notes = [less, f"Greenhouse-Geisser epsilon {epsilon:.3g}" if df > 1 else ""]
    return replace(
        test,
        statistic=f,
        df1=df,
        df2=df * (n - 1),
        p=never_0(stats.f.sf(f, epsilon * df, epsilon * df * (n - 1))),
        effect_size=f / (f + n - 1),
        note="; ".join(filter(None, notes)),
    )


def _effective(cells: Mapping[str, Sequence[Observation]]) -> float | None:
    """`effective`, where all stimuli are known."""
    samples = {}
    for name, rows in cells.items():
        stimuli = [row.stimulus for row in rows if row.stimulus is not None]
        if len(stimuli) < len(rows):
            return None
        samples[name] = Numbers([row.value for row in rows], stimuli)
    return effective(samples) if samples else None


@dataclass(frozen=True)
class _LeastSquares:
    """A least-squares fit: residual sum of squares and degrees of freedom."""

    ssr: float
    df: int


def _columns(data: Sequence[Observation], factors: Sequence[Callable[[Observation], str]]) -> "NDArray[float64]":
    """The constant, and for each factor a column of 0 and 1 for each level but the first."""
    import numpy as np

    columns = [np.ones(len(data))]
    for factor in factors:
        levels = [factor(row) for row in data]
        columns += [np.fromiter(map(one.__eq__, levels), float, len(levels)) for one in sorted(set(levels))[1:]]
    return np.array(columns).T


def _fit(data: Sequence[Observation], factors: Sequence[Callable[[Observation], str]]) -> _LeastSquares:
    """Fit a mean for each level of some factors, which add up."""
    import numpy as np

    design, values = _columns(data, factors), np.array([row.value for row in data])
    coefficients, _, rank, _ = np.linalg.lstsq(design, values)  # of columns that depend on others, rank counts one
    return _LeastSquares(float(((values - design @ coefficients) ** 2).sum()), len(data) - int(rank))


def _step(
    test: Tested, small: _LeastSquares, large: _LeastSquares, full: _LeastSquares, data: Sequence[Observation]
) -> Tested:
    from scipy import stats

    gained = small.df - large.df
    if gained == 0:
        return replace(test, note="cannot be estimated: the cells that are there do not tell it from the other effects")
    if full.df == 0:
        return replace(test, df1=gained, df2=0, note="no row is left to estimate the variance within cells from")
    if full.ssr / full.df <= PERFECT * fmean(row.value**2 for row in data):
        return replace(test, df1=gained, df2=full.df, note="all rows of a cell are equal, so there is no variance")
    ss = max(small.ssr - large.ssr, 0.0)
    f = (ss / gained) / (full.ssr / full.df)
    p = never_0(stats.f.sf(f, gained, full.df))
    return replace(test, statistic=f, df1=gained, df2=full.df, p=p, effect_size=ss / (ss + full.ssr))


def stimulus_means(data: Iterable[Observation]) -> list[Observation] | None:
    """One observation for each stimulus of a cell: its mean. None where the stimuli are not known."""
    groups: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    for row in data:
        if row.stimulus is None:
            return None
        groups[row.first, row.second, row.stimulus].append(row.value)
    return [Observation(first, second, fmean(values), stimulus) for (first, second, stimulus), values in groups.items()]
