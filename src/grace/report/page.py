"""The report: one HTML page without other files; all texts in it are escaped, since models wrote some."""

import re
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import jinja2
from markupsafe import Markup, escape

from grace.analysis.figures import draw_analysis, draw_comparisons, theme_named
from grace.columns import RESPONSE
from grace.errors import InputError
from grace.files import replacing
from grace.progress import Progress
from grace.quality.checks import CHECKS
from grace.quality.report import UNCHECKED
from grace.quality.words import failure_of, limit_of, measured_of, remark_of
from grace.report import grids_common
from grace.report.commands import commands_of, inputs_of
from grace.report.examples import Example, examples_of, shortened
from grace.report.gather import Part, Quality, ReportRequest, gather
from grace.report.general import of_people
from grace.report.grids import Grid
from grace.report.methods import values_of
from grace.report.pictures import Budget, Picture
from grace.report.places import GENERATOR, check_page
from grace.report.ran import Prompt, prompts_of
from grace.report.studies import report_of
from grace.report.troubles import headline, troubles_of
from grace.runs import last_worked
from grace.text import harmless
from grace.version import __version__

LARGEST = 5_000_000
"""Bytes of a page."""
FLAGGED = 3
"""The most flagged rows of each check that are shown."""
ANSWER = 300
"""The most characters of a flagged answer."""
LONG = 24
"""A table of more rows is folded up; it is unfolded in print."""
SHORT, SHORTEST = 30, 12
"""A cell of fewer characters than the first is on one line; one of at most the second number in print, too."""
ROOM, PADDING = 150, 2
"""Characters that the page has room for in a line of a table, and those of a cell's padding."""
LINE, TALLEST = 130, 18
"""Characters of a line in a box of text, and the lines that it has room for."""
UNBROKEN = 20
"""A word of more characters is broken in print, since a page cannot be scrolled."""


@dataclass(frozen=True)
class Checked:
    """The data quality of one model: its verdict, the failed checks in sentences, remarks, and all checks."""

    name: str
    ok: bool
    verdict: str
    failures: tuple[str, ...]
    remarks: tuple[str, ...]
    checks: Grid | None
    flags: tuple[Mapping[str, str], ...]
    flagged: str


@dataclass(frozen=True)
class Section:
    """What the page says about one study.

    `id` is its place in the page; `short` says how many rows are analysed and who set their values, `troubles` what a
    reader should know first. `prompts` are about the first trial; `figures` are by section; `sentences` are the
    verdicts of comparisons, and `notes` are about these; `commands` and `inputs` are for repeating the work.
    """

    id: str
    title: str
    source: str
    short: tuple[str, ...]
    troubles: tuple[str, ...]
    ran: tuple[Grid, ...]
    prompts: tuple[Prompt, ...]
    quality: tuple[Checked, ...]
    first: tuple[Grid, ...]
    second: tuple[Grid, ...]
    references: tuple[Grid, ...]
    comparisons: tuple[Grid, ...]
    provenance: tuple[Grid, ...]
    figures: Mapping[str, Sequence[Picture]]
    sentences: tuple[str, ...]
    notes: tuple[str, ...]
    examples: tuple[Example, ...]
    commands: tuple[str, ...]
    inputs: Mapping[str, str]


def write_report(request: ReportRequest, path: Path, progress: Progress) -> list[Section]:
    """Write the report of some runs, atomically, and return its content for each study.

    Args:
        request: the runs, and how they are analysed.
        path: a name that ends in .html.
        progress: told how far the work is.

    Raises:
        InputError: an argument is not a run, or the file cannot be written or would be too large.
    """
    check_page(path)
    with tempfile.TemporaryDirectory(prefix="grace-report-") as folder:
        parts = gather(request, Path(folder), progress)
        progress.note("drawing")
        budget = Budget()
        sections = [section_of(part, path.name, budget) for part in parts]
    page = render(sections, last_worked(run for part in parts for group in part.groups for run in group.runs))
    if len(page) > LARGEST:
        raise InputError(
            f"{path}: would have {len(page):,} bytes, more than {LARGEST:,}; give fewer runs, or one study at a time"
        )
    with replacing(path) as file:
        file.write(page)
    return sections


def section_of(part: Part, name: str, budget: Budget) -> Section:
    """All that the page says about one study; `name` is the page's."""
    grids = list(report_of(part.study).grids(part.tables, part.request.exclusions)) if part.analysis else []
    return Section(
        id=part.study.name,
        title=harmless(part.study.title),
        source=harmless(part.study.source or ""),
        short=tuple(map(harmless, filter(None, (*headline(part), values_of(part))))),
        troubles=tuple(map(harmless, troubles_of(part))),
        ran=tuple(grids_common.of_runs(part.tables)),
        prompts=tuple(dict.fromkeys(prompt for group in part.groups for prompt in prompts_of(group))),
        quality=tuple(_checked(one) for one in part.quality),
        first=(*grids_common.of_rows(part.tables), *(grid for grid in grids if grid.experiment == 1)),
        second=(
            *(grid for grid in grids if grid.experiment == 2),
            *grids_common.of_distributions(part.study, part.tables),
        ),
        references=(*grids_common.of_references(part.tables), *of_people(part.study, part.tables)),
        comparisons=tuple(grids_common.of_comparisons(part.tables)),
        provenance=tuple(grids_common.of_provenance(part.tables)),
        figures=_figures(part, budget),
        sentences=tuple(harmless(one.sentence) for one in part.comparisons),
        notes=tuple(dict.fromkeys(harmless(note) for one in part.comparisons for note in one.notes)),
        examples=tuple(examples_of(part)),
        commands=tuple(map(harmless, commands_of(part.groups, part.request, name))),
        inputs=inputs_of(part.groups),
    )


def _figures(part: Part, budget: Budget) -> dict[str, list[Picture]]:
    """The figures of the analysis by experiment, and those of comparisons."""
    theme = theme_named(part.request.theme)
    pictures: dict[str, list[Picture]] = {"first": [], "second": [], "comparisons": []}
    for drawing in draw_analysis(part.analysis, theme) if part.analysis else ():
        pictures["first" if drawing.experiment == 1 else "second"].append(budget.picture(drawing))
    comparisons = [one for one in part.comparisons if one.compared]
    pictures["comparisons"] = list(map(budget.picture, draw_comparisons(comparisons, theme)))
    return pictures


def _checked(one: Quality) -> Checked:
    """The data quality of a model, as the page shows it."""
    if one.report is None:
        return Checked(harmless(one.name), False, f"could not be checked: {harmless(one.why)}", (), (), None, (), "")
    results = one.report.results
    lines = [
        (own.check, own.table, measured_of(own) or "–", limit_of(own), own.status, CHECKS[own.check].finds)
        for own in results
    ]
    head = ("check", "table", "measured", "threshold", "verdict", "what it finds")
    flags = sum(result.flags for result in results)
    return Checked(
        name=harmless(one.name),
        ok=one.report.ok,
        verdict=harmless(one.report.verdict),
        failures=tuple(harmless(failure_of(result)) for result in one.report.failed),
        remarks=tuple(harmless(remark_of(result)) for result in one.report.remarks if result.status == UNCHECKED),
        checks=Grid(f"checks-{_slug(one.name)}", f"All checks of {harmless(one.name)}", head, tuple(lines), 2),
        flags=tuple(_flags(one)),
        flagged=f"{flags:,} flag{'s' * (flags != 1)} in all" if flags else "no row is flagged",
    )


def _flags(one: Quality) -> Iterator[Mapping[str, str]]:
    """The first flagged rows of each check, each with its shortened answer and how much was cut off."""
    counts: Counter[tuple[str, str]] = Counter()
    for row in one.flagged:
        counts[row["check"], row["table"]] += 1
        if counts[row["check"], row["table"]] <= FLAGGED:
            answer, cut = shortened(row.get(RESPONSE) or "", ANSWER)
            yield {**row, "answer": answer, "cut": cut}


def _slug(name: str) -> str:
    """A name as part of an id."""
    return "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in name)


def coded(text: str) -> Markup:
    """A text of Grace's own as HTML, in which names and commands are between backticks."""
    return Markup(re.sub("`([^`]+)`", r"<code>\1</code>", str(escape(harmless(text)))))  # noqa: S704 - escaped before


def is_wide(grid: Grid) -> bool:
    """Whether a table may be wider than the page, so that the keyboard has to reach it to scroll it.

    (Browsers let it reach what scrolls on a small screen by themselves.)
    """
    columns = zip(grid.head, *grid.rows, strict=True)
    room = 0
    for place, (head, *cells) in enumerate(columns):
        broken = (longest_word(cell) if len(cell) >= SHORT or place < grid.labels else len(cell) for cell in cells)
        room += max(longest_word(head), *broken) + PADDING
    return room > ROOM


def longest_word(text: str) -> int:
    """Characters of the longest word: no line is shorter."""
    return max(map(len, text.split()), default=0)


def is_tall(text: str) -> bool:
    """Whether a text may be higher than its box, so that the keyboard has to reach it."""
    return sum(1 + len(line) // LINE for line in text.split("\n")) > TALLEST


def _classes(cell: str) -> str:
    """How a cell is shown: on one line, on one line in print too, with long words broken in print."""
    classes = {"short": len(cell) < SHORT, "shortest": len(cell) <= SHORTEST, "unbroken": longest_word(cell) > UNBROKEN}
    return " ".join(name for name, holds in classes.items() if holds)


def render(sections: Sequence[Section], when: str) -> bytes:
    """The page as bytes; `when` is the date of its data."""
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"harmless": harmless, "coded": coded, "classes": _classes}
    environment.tests |= {"wide": is_wide, "tall": is_tall}
    files = resources.files("grace.report")
    page = environment.from_string((files / "page.html").read_text(encoding="utf-8")).render(
        sections=sections,
        style=(files / "page.css").read_text(encoding="utf-8"),
        title=" and ".join(section.title for section in sections),
        when=when,
        version=__version__,
        generator=GENERATOR,
        long=LONG,
    )
    return page.encode()
