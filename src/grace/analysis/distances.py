"""Distances between distributions, and correlation, over the last axis of arrays; what is not defined is NaN."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

SLACK = 1e-9
"""How far the sum of a distribution may be from 1; a spread below this counts as none."""


@dataclass(frozen=True)
class Measurement:
    """A number, or NaN and the reason why it is not defined."""

    value: float
    reason: str = ""


def normalised(weights: Array) -> Array:
    """Weights divided by their sum over the last axis; NaN where they sum to nothing or one is missing or negative."""
    weights = np.asarray(weights, dtype=float)
    total = weights.sum(axis=-1, keepdims=True)
    bad = ~(total > 0) | (weights < 0).any(axis=-1, keepdims=True)
    return np.where(bad, np.nan, weights / np.where(bad, 1.0, total))


def total_variation(p: Array, q: Array) -> Array:
    """Half of the summed absolute differences: the most by which any set of answers differs in probability, 0 to 1.

    `p` and `q` are distributions over the same labels, shape (..., labels).
    """
    return np.asarray(np.abs(p - q).sum(axis=-1) / 2)


def jensen_shannon(p: Array, q: Array) -> Array:
    """Jensen-Shannon divergence in bits, 0 to 1; a label that has no probability on either side adds nothing.

    JS(P, Q) = H((P + Q) / 2) - (H(P) + H(Q)) / 2 (Lin 1991, IEEE Transactions on Information Theory 37, 145-151). It is
    the divergence itself; its square root would be a metric, and is what scipy calls the Jensen-Shannon distance.

    `p` and `q` are distributions over the same labels, shape (..., labels).
    """
    from scipy.special import rel_entr

    middle = (p + q) / 2
    divergence = (rel_entr(p, middle) + rel_entr(q, middle)).sum(axis=-1) / (2 * np.log(2))
    return np.asarray(np.maximum(divergence, 0.0))  # rounding may leave -1e-17; NaN stays


def earth_mover(p: Array, q: Array, values: Array) -> Array:
    """How far probability has to be moved to turn one distribution into the other, in the unit of the labels' values.

    On a line it is the area between the two distribution functions (`scipy.stats.wasserstein_distance`, for arrays).

    `p` and `q` are distributions over the same labels, shape (..., labels); `values` are the labels' places on the
    scale, ascending, shape (labels,).
    """
    return np.asarray(np.abs(np.cumsum(p - q, axis=-1)[..., :-1]) @ np.diff(values))


def correlations(x: Array, y: Array) -> Array:
    """Pearson's r over the last axis, NaN where a side does not vary; shapes broadcast."""
    x = x - x.mean(axis=-1, keepdims=True)
    y = y - y.mean(axis=-1, keepdims=True)
    spread = np.sqrt((x * x).sum(axis=-1) * (y * y).sum(axis=-1))
    flat = ~(spread > SLACK**2)
    return np.asarray(np.where(flat, np.nan, np.clip((x * y).sum(axis=-1) / np.where(flat, 1.0, spread), -1, 1)))


def correlation(x: Array, y: Array) -> Measurement:
    """Pearson's r of two vectors, with the reason where it is not defined."""
    if len(x) < 3:
        return Measurement(np.nan, f"correlation needs three pairs at least, there are {len(x)}")
    for name, side in (("first", x), ("second", y)):
        if np.ptp(side) < SLACK:
            return Measurement(np.nan, f"correlation is not defined: the {name} side is constant")
    return Measurement(float(correlations(x, y)))


def finite(value: Any) -> float | None:
    """A number for JSON: None where it is NaN or infinite."""
    number = float(value)
    return number if np.isfinite(number) else None
