"""Points: the numbers of a figure, from rows of the analysis's tables; intervals that stay within their scale."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count as count_from
from math import isfinite, nan, sqrt

from grace.quality.layout import number_in

Row = Mapping[str, object]
Rows = Sequence[Row]

SLUG = 48
"""How many letters of a model's name a file's name has."""


@dataclass(frozen=True)
class Point:
    """A mean or share with its 95% interval and number of rows; NaN is what is not known."""

    mean: float
    low: float = nan
    high: float = nan
    n: int = 0

    @property
    def is_defined(self) -> bool:
        """Whether there is anything to draw."""
        return isfinite(self.mean)

    @property
    def reach(self) -> tuple[float, float]:
        """How far the interval reaches down and up from the mean; NaN where there is none, which draws nothing."""
        if not (isfinite(self.low) and isfinite(self.high)):
            return nan, nan
        return max(self.mean - self.low, 0.0), max(self.high - self.mean, 0.0)


MISSING = Point(nan)

MEANS_BARS = (
    "Error bars are 95% intervals that stay within the scale (Wilson's, from mean and standard error; where stimuli "
    "are known, rows count as n_effective says)."
)
SHARES_BARS = (
    "Error bars are 95% intervals of Wilson, which stay within 0 and 1; where stimuli are known, rows count as "
    "n_effective says."
)
STIMULI_BARS = (
    "Error bars are 95% intervals over stimuli that stay within the scale (Wilson's, from mean and standard error); a "
    "stimulus counts once, however often it is shown."
)


def number(row: Row, column: str) -> float:
    """A cell's number; NaN where there is none."""
    value = number_in(row.get(column))
    return nan if value is None else value


def count(row: Row, column: str = "n") -> int:
    """A cell's whole number; 0 where there is none."""
    return int(number_in(row.get(column)) or 0)


def bounded(mean: float, se: float, n: float, top: float) -> tuple[float, float]:
    """The 95% interval of a mean on a scale from 0 to `top`, which it never leaves: Wilson's, with Student's t.

    For as many answers of 0 and `top` as would have this mean and this standard error, it is the interval of study 2's
    shares, so that both studies show the same; surveys call that number the effective sample size (Dean & Pagano
    2015, Survey Statistics and Methodology 3, 484-503, compare such intervals). In the middle of the scale it is the
    plain one. Without a variance (one row, or all rows at an end of the scale) there is none: NaN.

    The mean rests on `n` independent rows; the degrees of freedom are one less.
    """
    from scipy.stats import t

    if not (0 < mean < top and se > 0 and n > 1):
        return nan, nan
    share = mean / top
    spread = share * (1 - share)
    reached = float(t.ppf(0.975, n - 1)) * se / top
    ratio = reached * reached / spread if spread else nan  # t squared over Wilson's n
    if not ratio < 1e12:  # hardly more than one row, and nothing is known
        return nan, nan
    middle = (share + ratio / 2) / (1 + ratio)
    reach = sqrt(ratio * spread + ratio**2 / 4) / (1 + ratio)
    return top * max(middle - reach, 0.0), top * min(middle + reach, 1.0)


def mean_point(row: Row, top: float, scale: float = 1.0) -> Point:
    """The point of a row with mean, se, n and, where stimuli are known, n_effective.

    Rows of one stimulus are worth less than as many independent ones, so the standard error is that of n_effective.
    Means are multiplied by `scale`; `top` is the upper end of the scale after that.
    """
    mean, se, n = number(row, "mean") * scale, number(row, "se") * scale, count(row)
    worth = number(row, "n_effective")
    if not isfinite(worth) or worth <= 0:
        worth = float(n)
    low, high = bounded(mean, se * sqrt(n / worth) if n else nan, worth, top)
    return Point(mean, low, high, n)


def share_point(row: Row) -> Point:
    """The point of a row with a share and Wilson's interval: that by the effective number, where stimuli are known."""
    low, high = number(row, "low_clustered"), number(row, "high_clustered")
    if not isfinite(low):
        low, high = number(row, "low"), number(row, "high")
    return Point(number(row, "proportion"), low, high, count(row))


def models_in(rows: Rows) -> list[str]:
    """The models of a table, in its order; one without a name where it names none."""
    return list(dict.fromkeys(str(row.get("model_name") or "") for row in rows))


def of_model(rows: Rows, model: str) -> list[Row]:
    """The rows of one model."""
    return [row for row in rows if str(row.get("model_name") or "") == model]


def any_defined(points: Iterable[Point]) -> bool:
    """Whether there is anything to draw."""
    return any(point.is_defined for point in points)


def without(everyone: Iterable[str], shown: Iterable[str]) -> str:
    """A sentence for captions about the models that a figure does not show; "" where it shows all."""
    drawn = set(shown)
    missing = [name for name in everyone if name not in drawn]
    return f" Not shown, since nothing is known of it here: {'; '.join(missing)}." if missing else ""


def slug(name: str) -> str:
    """A name as a part of a file's name."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:SLUG].strip("-") or "model"


def distinct(names: Iterable[str]) -> list[str]:
    """The names, with a number after those that occurred before."""
    taken: list[str] = []
    for name in names:
        numbered = (name if place == 1 else f"{name}-{place}" for place in count_from(1))
        taken.append(next(one for one in numbered if one not in taken))
    return taken


def suffixes(models: Sequence[str]) -> dict[str, str]:
    """The part of file names that distinguishes models: nothing for a single one."""
    if len(models) == 1:
        return {models[0]: ""}
    return dict(zip(models, distinct(f"_{slug(model)}" for model in models), strict=True))
