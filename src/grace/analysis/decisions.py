"""Which effects are there: decided once for all tables and sentences, two-sided and corrected for their number."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from grace.analysis.distances import SLACK, Array
from grace.analysis.effects import ALPHA, Estimate, bounds
from grace.analysis.equivalence import MARGIN
from grace.analysis.statistics import never_0

SHOWN, REVERSED, ABSENT, UNSURE, UNKNOWN = "shown", "reversed", "absent", "not shown", "not defined"
"""An effect is there; its opposite is; it is smaller than the margin either way; none of these could be told; nothing
could be tested. What is not shown may yet be there."""
DECIDED = (SHOWN, REVERSED, ABSENT)
LEVEL = 0.95
EXACT, DRAWN, SEED = 13, 4096, 1
"""All signs of so many items are tried, and of more items so many draws."""


@dataclass(frozen=True)
class EffectDecision:
    """What is decided of an effect.

    Attributes:
        p: two-tailed, corrected for all effects that were tested with it; NaN where nothing could be tested.
        low, high: the effect's 95% interval, not corrected.
        verdict: shown, reversed, absent, not shown, not defined.
    """

    p: float
    low: float
    high: float
    verdict: str


def decide(effects: Sequence[Estimate], weights: Sequence[Array]) -> list[EffectDecision]:
    """Decide about the effects of one sample, given their contrasts' weights, (conditions, labels) each.

    Contrasts by item are tested by flipping items' signs (`sign_flips`), others by Welch's t with Bonferroni's
    correction. Shown and reversed: p below 0.05. Absent: the 90% interval lies within the margin, which is two
    one-sided tests at 5% (`equivalence.tost`).
    """
    from scipy import stats

    tested = [not np.isnan(effect.varied.se) for effect in effects]
    by_item = [place for place, effect in enumerate(effects) if tested[place] and len(effect.items)]
    p = np.full(len(effects), np.nan)
    if by_item:
        flips = sign_flips(np.stack([effects[place].items for place in by_item]))
        p[by_item] = np.minimum(flips * sum(tested) / len(by_item), 1)
    decisions = []
    for place, (effect, own) in enumerate(zip(effects, weights, strict=True)):
        if not tested[place]:
            decisions.append(EffectDecision(np.nan, np.nan, np.nan, UNKNOWN))
            continue
        se, df = effect.varied.se, effect.varied.df
        if np.isnan(p[place]):
            p[place] = min(never_0(2 * stats.t.sf(abs(effect.value) / se, df)) * sum(tested), 1.0)
        reach, inner = (stats.t.ppf(level, df) * se for level in ((1 + LEVEL) / 2, 1 - ALPHA))
        low, high = np.clip((effect.value - reach, effect.value + reach), *bounds(own))
        if p[place] < ALPHA:
            verdict = SHOWN if effect.value > 0 else REVERSED
        else:
            verdict = ABSENT if abs(effect.value) + inner < MARGIN else UNSURE
        decisions.append(EffectDecision(float(p[place]), float(low), float(high), verdict))
    return decisions


def sign_flips(contrasts: Array) -> Array:
    """Two-tailed p of each effect's mean, exact, corrected for all effects: step-down maxT with items' signs flipped.

    Without any effect an item's contrasts might as well have the opposite signs, those of all effects together
    (Westfall & Young 1993, Resampling-Based Multiple Testing). The statistic is the mean over the root mean square,
    which rises with t and is defined where nothing varies. `contrasts` have the shape (effects, items), NaN where an
    item has none.
    """
    there = np.isfinite(contrasts)
    contrasts = contrasts[:, there.any(axis=0)]
    values = np.nan_to_num(contrasts)
    items = values.shape[1]
    if items <= EXACT:  # the first sign stays: p is two-tailed
        flipped = (np.arange(2 ** (items - 1))[:, None] << 1 >> np.arange(items)) & 1
        signs = 1.0 - 2 * flipped
    else:
        signs = 1.0 - 2 * np.random.default_rng(SEED).integers(0, 2, (DRAWN, items))
        signs[0] = 1
    scale = np.sqrt(there.sum(axis=1) * (values**2).sum(axis=1))
    drawn = np.abs(signs @ values.T) / np.where(scale > SLACK, scale, np.inf)
    order = np.argsort(drawn[0])
    largest = np.maximum.accumulate(drawn[:, order], axis=1)  # of those that are no larger
    p = (largest >= drawn[0, order] - SLACK).mean(axis=0)
    corrected: Array = np.empty(len(p))
    corrected[order] = np.maximum.accumulate(p[::-1])[::-1]
    return corrected
