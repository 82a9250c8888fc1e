"""Ratios of earlier results, kept beside RESULTS.md, and what got slower since.

Only ratios of two things that were measured in turns in one run are compared, so that it hardly matters which machine
measured them: the more the better, for each of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import orjson

RATIOS = Path(__file__).with_name("ratios.json")
SLOWER = 0.9
"""A ratio below this share of the earlier one is worth a word."""


@dataclass(frozen=True)
class Ratio:
    """A ratio as it was measured: median and range of so many repeats."""

    median: float
    low: float
    high: float
    repeats: int

    @classmethod
    def of(cls, values: Sequence[float]) -> "Ratio":
        """That of some repeats, at least one."""
        return cls(*(float(f"{value:.4g}") for value in (median(values), min(values), max(values))), len(values))


Ratios = dict[str, dict[str, Ratio]]
"""By benchmark, and by what is compared."""


def read_ratios(path: Path) -> Ratios:
    """The ratios of a file; none where it is not there."""
    if not path.exists():
        return {}
    content = orjson.loads(path.read_bytes())
    return {name: {what: Ratio(**ratio) for what, ratio in own.items()} for name, own in content.items()}


def write_ratios(path: Path, ratios: Ratios) -> None:
    """Write ratios to a file."""
    content = {name: {what: asdict(ratio) for what, ratio in own.items()} for name, own in ratios.items()}
    options = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE
    path.write_bytes(orjson.dumps(content, option=options))


def slower(before: Mapping[str, Ratio], now: Mapping[str, Ratio]) -> list[str]:
    """A sentence for each ratio that is more than a tenth below the earlier one, and for each that is gone."""
    found = [f"{what}: not measured any more" for what in before if what not in now]
    for what, ratio in now.items():
        earlier = before.get(what)
        if earlier is None or ratio.median >= SLOWER * earlier.median:
            continue
        apart = "" if ratio.high < earlier.low else "; the ranges overlap, so measure again"
        found.append(
            f"{what}: {1 - ratio.median / earlier.median:.0%} slower than before, {_shown(ratio)} and was "
            f"{_shown(earlier)}{apart}"
        )
    return found


def _shown(ratio: Ratio) -> str:
    return f"{ratio.median:g} ({ratio.low:g} to {ratio.high:g}, n = {ratio.repeats})"
