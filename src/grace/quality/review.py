"""review.csv: the flagged rows with what is wrong, to look at in a spreadsheet."""

from collections.abc import Iterator
from pathlib import Path

from grace.columns import RESPONSE
from grace.quality.looks import Flagged
from grace.quality.report import Report, Result
from grace.tables import guarded, write_table
from grace.text import harmless

COLUMNS = ("table", "row", "column", "check", "why")
LONGEST = 4000
"""The most characters of an answer that are copied."""


def cell(text: str) -> str:
    """A text as a spreadsheet's cell, with a quote before what it would take for a formula."""
    if len(text) > LONGEST:
        text = f"{text[:LONGEST]}... ({len(text) - LONGEST:,} characters more)"
    return str(guarded(harmless(text)))


def write_review(report: Report, path: Path) -> None:
    """Write review.csv, atomically: one line for each flag, with the input's cells and the answer."""
    names = _given(report)
    given = (cell(f"{name}_input" if name in COLUMNS else name) for name in names)
    write_table(path, (*COLUMNS, *given, RESPONSE), _lines(report, names))


def _given(report: Report) -> tuple[str, ...]:
    """The input's columns; the study's own where there is no input."""
    group = report.group
    names = group.input.columns if group.input else tuple(group.study.columns)
    return tuple(name for name in names if name and name != RESPONSE)


def _lines(report: Report, names: tuple[str, ...]) -> Iterator[list[str]]:
    """Each flag that was kept, including those of checks that passed, since any row may be looked at."""
    for result, flagged in ((own, flagged) for own in report.results for flagged in own.kept):
        row = row_of(report, result, flagged)
        place = "" if flagged.row is None else str(flagged.row)
        yield [
            *(cell(text) for text in (result.table, place, flagged.column, result.check, flagged.why)),
            *(cell(row.get(name, "")) for name in (*names, RESPONSE)),
        ]


def row_of(report: Report, result: Result, flagged: Flagged) -> dict[str, str]:
    """The row that a flag is about, its input columns by their names in the input; of a missing row the input's."""
    group = report.group
    source = next((source for source in group.sources if source.name == result.table), None)
    if flagged.row is not None and source:
        row = source.table.row(flagged.row - 1)
        return row | {name: row.get(source.layout.called(name), "") for name in _given(report)}
    trials = source.trials if source else None
    return trials.table.row(flagged.trial - 1) if trials and flagged.trial is not None else {}
