"""Results in words, for the terminal and the page."""

from grace.quality.checks import CHECKS
from grace.quality.looks import Flagged
from grace.quality.report import UNCHECKED, Result

EXAMPLES = 3
"""The most kinds of flags that are quoted."""


def measured_of(result: Result) -> str:
    """What was measured, as "3 rows" or "0.021"; for groups, the worst one's."""
    if result.status == UNCHECKED or result.measured is None:
        return ""
    unit = CHECKS[result.check].unit
    if unit == "share":
        return f"{result.measured:.3g}" + (f" ({result.worst})" if result.worst else "")
    return f"{result.measured:,.10g} {unit.removesuffix('s') if result.measured == 1 else unit}"


def limit_of(result: Result) -> str:
    """The threshold, as "at most 0.05"."""
    if result.limit is None:
        return ""
    return f"{'at least' if CHECKS[result.check].least else 'at most'} {result.limit:g}"


def remark_of(result: Result) -> str:
    """What a check that did not fail has to say."""
    return f"{_name(result)}{': not checked' if result.status == UNCHECKED else ''}: {result.why}"


def failure_of(result: Result) -> str:
    """A failed check in a few sentences: what it found, some examples, and what to do."""
    kinds: dict[tuple[str, str], Flagged] = {}
    for flagged in result.kept:  # one of each kind, since more of the same add nothing
        kinds.setdefault((flagged.column, flagged.why), flagged)
    examples = [_example(flagged) for flagged in list(kinds.values())[:EXAMPLES]]
    what = f"{measured_of(result)}, {limit_of(result)}: {CHECKS[result.check].finds}"
    such = f". For example: {'; '.join(examples)}" if examples else ""
    return f"{_name(result)}: {what}{such}. Next: {result.advice}."


def _name(result: Result) -> str:
    return f"{result.check} ({result.table})"


def _example(flagged: Flagged) -> str:
    place = "" if flagged.row is None else f"row {flagged.row}"
    about = "" if flagged.why.startswith(flagged.column) else flagged.column
    return ": ".join(filter(None, (" ".join(filter(None, (place, about))), flagged.why)))
