"""quality.html: the report as one page that needs nothing else; all its text is escaped, since models wrote some."""

from dataclasses import dataclass
from importlib import resources
from itertools import groupby
from pathlib import Path

import jinja2

import grace
from grace.columns import RESPONSE
from grace.files import replacing
from grace.quality.checks import CHECKS
from grace.quality.report import FAILED, PASSED, UNCHECKED, Report, Result, as_json
from grace.quality.review import row_of
from grace.quality.words import limit_of, measured_of
from grace.runs import now
from grace.text import harmless

EXAMPLES = 5
"""So many flags of each check are shown."""
LONGEST = 600
"""So many characters of an answer are shown."""
SIGNS = {PASSED: "✓", FAILED: "✗", UNCHECKED: "–"}


@dataclass(frozen=True)
class Line:
    """A line of the table of checks."""

    check: str
    finds: str
    measured: str
    limit: str
    status: str
    sign: str
    kind: str
    why: str


@dataclass(frozen=True)
class Example:
    """A flag that is shown."""

    row: str
    column: str
    why: str
    answer: str


@dataclass(frozen=True)
class Part:
    """What a check flags, with examples."""

    title: str
    status: str
    finds: str
    advice: str
    count: str
    examples: tuple[Example, ...]


def write_page(report: Report, path: Path) -> None:
    """Write quality.html, atomically."""
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    source = (resources.files("grace.quality") / "page.html").read_text(encoding="utf-8")
    facts = as_json(report)
    page = environment.from_string(source).render(
        report=report,
        title=harmless(report.group.study.title),
        models=[harmless(name) for name in report.models],
        when=now(),
        version=grace.__version__,
        lines=_lines(report),
        parts=[_part(report, result) for result in report.results if result.kept],
        tables=facts["tables"],
        input=facts["input"],
        thresholds=report.thresholds,
    )
    with replacing(path) as file:
        file.write(page.encode())


def _lines(report: Report) -> list[tuple[str, list[Line]]]:
    """The lines of each table."""
    return [
        (harmless(table), [_line(result) for result in results])
        for table, results in groupby(report.results, key=lambda result: result.table)
    ]


def _line(result: Result) -> Line:
    return Line(
        check=result.check,
        finds=CHECKS[result.check].finds,
        measured=measured_of(result),
        limit=limit_of(result),
        status=result.status,
        sign=SIGNS[result.status],
        kind=result.status.replace(" ", "-"),
        why=harmless(result.why),
    )


def _part(report: Report, result: Result) -> Part:
    shown = result.kept[:EXAMPLES]
    left = result.flags - len(shown)
    listed = (
        "review.csv has them" if result.flags == len(result.kept) else f"review.csv has {len(result.kept):,} of all"
    )
    return Part(
        title=f"{result.check}, {harmless(result.table)}",
        status=result.status,
        finds=CHECKS[result.check].finds,
        advice=harmless(result.advice),
        count=f"{left:,} more; {listed}" if left else "",
        examples=tuple(
            Example(
                row="" if flagged.row is None else f"{flagged.row:,}",
                column=harmless(flagged.column),
                why=harmless(flagged.why),
                answer=_shortened(row_of(report, result, flagged).get(RESPONSE, "")),
            )
            for flagged in shown
        ),
    )


def _shortened(text: str) -> str:
    text = harmless(text)
    return text if len(text) <= LONGEST else text[:LONGEST] + "..."
