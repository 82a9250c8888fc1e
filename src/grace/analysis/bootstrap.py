"""Bootstrap over stimuli: they are drawn with replacement within their condition, with all of their rows."""

import numpy as np

from grace.analysis.distances import Array
from grace.analysis.samples import Grouped, Integers

DRAWS = 2000
SEED = 1
LEVEL = 0.95


def resampled_means(grouped: Grouped, draws: int, rng: np.random.Generator) -> Array:
    """Means by condition of bootstrap samples, shape (draws, conditions, labels); NaN where a condition has no rows.

    Within a condition as many stimuli are drawn as it has. (With one, nothing varies: its interval is empty.)
    """
    sums, rows = _resampled(grouped, draws, rng)
    return np.where(rows[..., None] > 0, sums / np.where(rows > 0, rows, 1)[..., None], np.nan)


def resampled_total(grouped: Grouped, draws: int, rng: np.random.Generator) -> Array:
    """Means over all rows of bootstrap samples, shape (draws, labels); conditions keep their number of stimuli."""
    sums, rows = _resampled(grouped, draws, rng)
    return np.asarray(sums.sum(axis=1) / rows.sum(axis=1)[:, None])


def _resampled(grouped: Grouped, draws: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Sums, shape (draws, conditions, labels), and numbers of rows, shape (draws, conditions)."""
    sums = np.zeros((draws, grouped.conditions, grouped.sums.shape[1]))
    rows = np.zeros((draws, grouped.conditions))
    for condition in range(grouped.conditions):
        own = grouped.cells == condition
        count = int(own.sum())
        if count:
            times = rng.multinomial(count, np.full(count, 1 / count), size=draws).astype(float)
            sums[:, condition] = times @ grouped.sums[own]
            rows[:, condition] = times @ grouped.rows[own]
    return sums, rows


def resampled_counts(counts: Array, draws: int, rng: np.random.Generator) -> Array:
    """Shares in bootstrap samples of people, shape (draws, conditions, labels), from counts (conditions, labels).

    Only counts are published, not who gave which answers, so the conditions are drawn independently of each other.
    """
    people = counts.sum(axis=-1).astype(np.int64)
    return drawn_shares(counts / people[:, None], people, draws, rng)


def drawn_shares(shares: Array, n: Integers, draws: int, rng: np.random.Generator) -> Array:
    """Shares of labels in samples of `n` answers, (conditions,), drawn from `shares`, (conditions, labels).

    The shape is (draws, conditions, labels).
    """
    return np.stack([rng.multinomial(own, p, draws) / own for own, p in zip(n, shares, strict=True)], axis=1)


def with_unseen(counts: Array) -> Array:
    """The shares that counts are likely to be drawn from, shape (conditions, labels): no label is impossible.

    Labels that were not chosen share evenly what fell on labels that were chosen once (Good 1953, Biometrika 40,
    237-264). A bootstrap from the counts alone never draws them, so that its samples are too much alike.
    """
    n, unseen = counts.sum(axis=-1, keepdims=True), counts == 0
    left = np.where(unseen.any(axis=-1, keepdims=True), (counts == 1).sum(axis=-1, keepdims=True) / n, 0.0)
    return np.asarray(
        np.where(unseen, left / np.maximum(unseen.sum(axis=-1, keepdims=True), 1), counts / n * (1 - left))
    )


def interval(values: Array, point: float, level: float = LEVEL) -> tuple[float, float]:
    """An interval from bootstrap values: what the percentile and the reflected interval cover together.

    Resampling adds noise of its own, which makes distances larger and correlations smaller; so percentiles alone
    may all lie on one side of the estimate itself. Where nothing is biased the two intervals are the same;
    elsewhere this one is wide rather than wrong. Values that are not defined are left out; NaN where none is.
    """
    values = values[np.isfinite(values)]
    if not len(values) or not np.isfinite(point):
        return np.nan, np.nan
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(min(low, 2 * point - high)), float(max(high, 2 * point - low))
