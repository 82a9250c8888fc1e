"""quality.html: the report as one page without other files; all its text is escaped, since models wrote some."""

from collections.abc import Iterator
from importlib import resources
from itertools import groupby
from operator import attrgetter
from pathlib import Path

import jinja2

from grace.columns import RESPONSE
from grace.files import replacing
from grace.quality.checks import CHECKS
from grace.quality.looks import Flagged
from grace.quality.report import FAILED, PASSED, UNCHECKED, Report, Result, as_json
from grace.quality.review import row_of
from grace.quality.words import limit_of, measured_of
from grace.text import harmless
from grace.version import __version__

EXAMPLES = 5
"""The most flags of each check that are shown."""
LONGEST = 600
"""The most characters of an answer that are shown."""
SIGNS = {PASSED: "✓", FAILED: "✗", UNCHECKED: "–"}


def write_page(report: Report, path: Path) -> None:
    """Write quality.html, atomically."""
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"harmless": harmless, "measured": measured_of, "limit": limit_of}
    source = (resources.files("grace.quality") / "page.html").read_text(encoding="utf-8")
    facts = as_json(report)
    page = environment.from_string(source).render(
        report=report,
        when=report.data_of,
        version=__version__,
        by_table=[(table, list(own)) for table, own in groupby(report.results, key=attrgetter("table"))],
        checks=CHECKS,
        signs=SIGNS,
        shown=EXAMPLES,
        tables=facts["tables"],
        input=facts["input"],
        examples=lambda result: _examples(report, result),
    )
    with replacing(path) as file:
        file.write(page.encode())


def _examples(report: Report, result: Result) -> Iterator[tuple[Flagged, str]]:
    """The first flags of a check, each with the answer that it is about."""
    for flagged in result.kept[:EXAMPLES]:
        answer = harmless(row_of(report, result, flagged).get(RESPONSE, ""))
        yield flagged, answer if len(answer) <= LONGEST else answer[:LONGEST] + "..."
