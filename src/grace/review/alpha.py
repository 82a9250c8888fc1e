"""Krippendorff's alpha: how far raters agree, compared with chance (Krippendorff 2004, Content Analysis, ch. 11)."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Literal, TypeVar

Level = Literal["nominal", "interval"]
"""Whether values are only equal or not, or numbers whose differences mean something."""
T = TypeVar("T", str, float)


def alpha(units: Iterable[Sequence[T]], level: Level) -> float | None:
    """The agreement of several raters, any of whom may have left units out.

    Each unit has the values that it was given. 1 - D_o / D_e, where D_o is the mean squared difference of two values
    within units, each unit with m values counting m, and D_e that of any two values; nominal differences are 0 or 1.

    Returns:
        1 for perfect agreement, 0 for chance, less for more disagreement than chance; None where no unit has two
        values, or all values are the same, so that there is nothing to agree about.
    """
    distance: Callable[[T, T], float] = _unequal if level == "nominal" else _squared
    paired = [Counter(unit) for unit in units if len(unit) > 1]
    every = sum(paired, Counter())
    number = every.total()
    expected = _differences(every, distance) / (number - 1) if number > 1 else 0.0
    if not expected:
        return None
    observed = sum(_differences(unit, distance) / (unit.total() - 1) for unit in paired)
    return 1 - observed / expected


def _differences(values: "Counter[T]", distance: Callable[[T, T], float]) -> float:
    """The sum of the differences of all ordered pairs of values."""
    return sum(own * others * distance(one, other) for one, own in values.items() for other, others in values.items())


def _unequal(one: T, other: T) -> float:
    return float(one != other)


def _squared(one: T, other: T) -> float:
    return (float(one) - float(other)) ** 2
