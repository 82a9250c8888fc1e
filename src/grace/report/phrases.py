"""Phrases of results in papers about any study."""

from collections.abc import Callable, Iterable, Mapping

from grace.quality.layout import number_in
from grace.report.grids import Record, Records, ReportedTest
from grace.report.markdown import plain
from grace.report.numbers import NOTHING, interval, is_known, p_in_words, share

EXACT = "exact test of signs"
"""What stands in the place of a statistic where there is a p and none."""
ALPHA = 0.05
"""A p below this is called significant; the methods say so."""


def verdict(p: object) -> str:
    """What a p is called: an effect that is not shown may yet be there."""
    number = number_in(p)
    return "significant" if number is not None and number < ALPHA else "undecided"


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
        effect, row = f"effect of {names[test.of]} on {on}", test.lead
        if is_known(row["p"]):
            p = f"*p* {p_in_words(row['p'])}"
            yield f"The {effect} was {verdict(row['p'])}, {statistic_of(row, statistic)}, {p}{more(test)}."
        else:
            note = f" ({plain(row['note'])})" if row.get("note") else ""
            yield f"The test of the {effect} is not defined{note}."


def statistic_of(row: Record, statistic: Callable[[Record], str]) -> str:
    """A test's statistic; where there is none and yet a p, that is of an exact test."""
    return statistic(row) if is_known(row["statistic"]) else EXACT


def shares_in_words(what: str, rows: Records, column: str, where: Callable[[Record], str]) -> str:
    """A share in each condition where it is known, with its interval; "" where it is known in none."""
    parts = [f"{share_of(row, column)}{where(row)}" for row in rows if is_known(row[column])]
    return f"{what} was {'; '.join(parts)}." if parts else ""


def share_of(row: Record, column: str) -> str:
    """A share with its interval, as .30 [.21, .38]: that by the effective number, where stimuli are known."""
    by = "_clustered" if is_known(row["low_clustered"]) else ""
    return f"{share(row[column])} {interval(row[f'low{by}'], row[f'high{by}'])}".strip()


def by_row(row: Record) -> str:
    """A share's interval by rows."""
    return interval(row["low"], row["high"]) or NOTHING
