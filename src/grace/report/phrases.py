"""Phrases of results in papers about any study."""

from collections.abc import Callable, Iterable, Mapping

from grace.quality.layout import number_in
from grace.report.grids import Record, Records, ReportedTest
from grace.report.markdown import plain
from grace.report.numbers import interval, is_known, p_in_words, share

ALPHA = 0.05
"""A p below this is called significant; the methods say so."""


def verdict(p: object) -> str:
    """Whether a p is significant, in words."""
    number = number_in(p)
    return "significant" if number is not None and number < ALPHA else "not significant"


def effects_in_words(
    tests: Iterable[ReportedTest],
    names: Mapping[object, str],
    on: str,
    statistic: Callable[[Record], str],
    more: Callable[[ReportedTest], str],
) -> Iterable[str]:
    """A sentence for each test of an effect.

    Args:
        tests: those of one model.
        names: names of the effects, for readers.
        on: what they are effects on.
        statistic: the test's, with its degrees of freedom.
        more: the end of the sentence.
    """
    for test in tests:
        effect, row = f"effect of {names[test.of]} on {on}", test.row
        if is_known(row["p"]):
            p = f"*p* {p_in_words(row['p'])}"
            yield f"The {effect} was {verdict(row['p'])}, {statistic(row)}, {p}{more(test)}."
        else:
            note = f" ({plain(row['note'])})" if row.get("note") else ""
            yield f"The test of the {effect} is not defined{note}."


def shares_in_words(what: str, rows: Records, column: str, where: Callable[[Record], str]) -> str:
    """A share in each condition where it is known, with its interval; "" where it is known in none."""
    parts = [f"{share_of(row, column)}{where(row)}" for row in rows if is_known(row[column])]
    return f"{what} was {'; '.join(parts)}." if parts else ""


def share_of(row: Record, column: str) -> str:
    """A share with its interval, as .30 [.21, .38]."""
    return f"{share(row[column])} {interval(row['low'], row['high'])}".strip()
