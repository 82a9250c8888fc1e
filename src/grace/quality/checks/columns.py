"""The check of columns: is one missing, or did two change places?"""

from collections.abc import Iterator

from grace.quality.checks.rows import Trials
from grace.quality.layout import Layout
from grace.quality.looks import Flagged


def column_faults(layout: Layout, trials: Trials | None) -> Iterator[Flagged]:
    """Columns that should be there and are not, and those in another order than Grace writes them."""
    groups = layout.expected()
    if trials:
        groups["input"] = tuple(layout.called(name) for name in trials.table.columns if name)
    else:
        groups["input"] = tuple(name for name, column in layout.study.columns.items() if column.required)
    for name in dict.fromkeys(name for names in groups.values() for name in names):
        if name not in layout.present:
            yield Flagged(None, name, "the column is missing")
    for part, names in groups.items():
        if part == "input" and not trials:
            continue
        expected = [name for name in names if name in layout.present]
        those = set(expected)
        actual = [name for name in layout.columns if name in those]
        moved = [one for one, other in zip(actual, expected, strict=True) if one != other]
        if moved:
            yield Flagged(None, ", ".join(moved), "are in another order than Grace writes them; were names swapped?")
