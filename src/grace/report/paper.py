"""The parts of a paper: methods and results as Markdown, tables as CSV, LaTeX and DOCX, figures as files."""

import csv
import io
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from grace.analysis.figures import draw_analysis, draw_comparisons, theme_named, write_figures
from grace.errors import InputError
from grace.files import replacing
from grace.progress import Progress
from grace.quality.review import cell
from grace.report import grids_common
from grace.report.checklist import checklist_of
from grace.report.gather import Part, ReportRequest, gather
from grace.report.general import of_people
from grace.report.grids import Grid
from grace.report.markdown import fenced, html_table, latex_table, markdown_table, plain
from grace.report.methods import methods_of
from grace.report.places import check_folder, list_files
from grace.report.ran import prompts_of
from grace.report.sentences import results_of
from grace.report.studies import report_of
from grace.report.troubles import troubles_of
from grace.tables import write_table

PAPER, CHECKLIST = "paper.md", "checklist.md"
NO_PANDOC = (
    "DOCX is left out, since pandoc is not here. Install it (Debian, Ubuntu: apt install pandoc; macOS: brew install "
    "pandoc) and run the command again"
)
PATIENCE = 60
"""Seconds that pandoc has for a document."""
FEW = 30
"""Tables with more rows than this are only in files."""


@dataclass(frozen=True)
class Paper:
    """What was written: the folder of each study, its files, and what a reader should know."""

    folder: Path
    files: tuple[Path, ...]
    notes: tuple[str, ...]


def write_paper(
    request: ReportRequest, out: Path, progress: Progress, force: bool = False, documents: bool = True
) -> list[Paper]:
    """Write the parts of a paper about runs; for runs of several studies, each has a folder of its name.

    Without `documents` there is no DOCX, whose bytes depend on pandoc.

    Raises:
        InputError: an argument is not a run, or a file cannot be written; without `force` also where a text already
            exists, since people edit it.
    """
    for text in (found for name in (PAPER, CHECKLIST) for found in (out / name, *out.glob(f"*/{name}"))):
        if text.exists() and not force:
            raise InputError(f"{text}: already exists, perhaps edited; choose another --out, or add --force")
    check_folder(out)
    with tempfile.TemporaryDirectory(prefix="grace-paper-") as folder:
        parts = gather(request, Path(folder), progress)
        progress.note("writing")
        papers = [_write(part, out / part.study.name if len(parts) > 1 else out, documents) for part in parts]
    if len(papers) > 1:
        list_files(out, ())
    return papers


def _write(part: Part, out: Path, documents: bool) -> Paper:
    grids = list(_grids(part))
    files = list(_write_tables(part, grids, out / "tables"))
    theme = theme_named(part.request.theme)
    drawings = list(draw_analysis(part.analysis, theme)) if part.analysis else []
    drawings += draw_comparisons([one for one in part.comparisons if one.compared], theme)
    figures = write_figures(drawings, out / "figures") if drawings else []
    captions = [(drawing.name, drawing.caption) for drawing in drawings]
    files.insert(0, _text(out / PAPER, "\n".join(_lines(part, grids, captions))))
    files.append(_text(out / CHECKLIST, checklist_of(part)))
    notes = troubles_of(part)
    pandoc = shutil.which("pandoc") if documents else None
    if pandoc:
        files += _documents(pandoc, out, grids)
    elif documents:
        notes.append(f"{NO_PANDOC}.")
    files += figures
    list_files(out, files)
    return Paper(out, tuple(files), tuple(notes))


def _grids(part: Part) -> Iterator[Grid]:
    """All tables, in the order of the text."""
    yield from grids_common.of_runs(part.tables)
    yield from grids_common.of_rows(part.tables)
    if part.analysis:
        yield from report_of(part.study).grids(part.tables, part.request.exclusions)
    yield from grids_common.of_distributions(part.study, part.tables)
    yield from grids_common.of_references(part.tables)
    yield from of_people(part.study, part.tables)
    yield from grids_common.of_comparisons(part.tables)


def _write_tables(part: Part, grids: Sequence[Grid], folder: Path) -> Iterator[Path]:
    """The grids, rounded as in print, as CSV and LaTeX; and in numbers/ the tables that they come from, not rounded."""
    for grid in grids:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([map(cell, row) for row in (grid.head, *grid.rows)])
        yield _text(folder / f"{grid.name}.csv", text.getvalue())
        yield _text(folder / f"{grid.name}.tex", latex_table(grid))
    for name, table in part.tables.items():
        path = folder / "numbers" / f"{name}.csv"
        write_table(path, table.columns, table.rows)
        yield path


def _lines(part: Part, grids: Sequence[Grid], captions: Sequence[tuple[str, str]]) -> Iterator[str]:
    """The text: a notice that it is a draft, methods, results, tables, figures, and the prompts as an appendix."""
    yield f"# {plain(part.study.title)}\n"
    if part.study.source:
        yield f"{plain(part.study.source)}\n"
    if troubles := troubles_of(part):
        yield "Read this list before printing, and delete it when it is dealt with:\n"
        yield "\n".join(f"- {plain(line)}" for line in troubles) + "\n"
    yield "## Methods\n"
    yield from (f"{paragraph}\n" for paragraph in methods_of(part))
    yield "## Results\n"
    results = list(results_of(part.study, part.tables)) if part.analysis else []
    if not results:
        yield "There are no results: nothing could be analysed.\n"
    for model, paragraphs in results:
        yield f"### {plain(model) or 'The model'}\n"
        yield from (f"{paragraph}\n" for paragraph in paragraphs)
    if part.comparisons:
        yield "### Comparisons\n"
        yield from (f"{plain(one.sentence)}\n" for one in part.comparisons)
    yield "## Tables\n"
    for grid in grids:
        in_file = f"**{plain(grid.title)}**: tables/{grid.name}.csv\n"
        yield markdown_table(grid) if len(grid.rows) <= FEW else in_file
    yield "## Figures\n" if captions else ""
    for name, caption in captions:
        yield f"![{plain(caption)}](figures/{name}.png)\n"
    prompts = list(dict.fromkeys(prompt for group in part.groups for prompt in prompts_of(group)))
    yield "## Prompts\n\nWhat was said about the first trial.\n" if prompts else ""
    for prompt in prompts:
        yield f"### {plain(prompt.kind.capitalize())}: {plain(prompt.name)}\n"
        yield fenced(prompt.text)


def _documents(pandoc: str, out: Path, grids: Sequence[Grid]) -> Iterator[Path]:
    """The text and its tables as DOCX. Raises InputError."""
    for name in (PAPER, CHECKLIST):
        text = (out / name).with_suffix(".docx")
        _convert([pandoc, "--from=markdown-raw_html-raw_tex-raw_attribute", f"--output={text.name}", name], out, b"")
        yield text
    page = "".join(html_table(grid) for grid in grids).encode()
    tables = Path("tables", "tables.docx")
    _convert([pandoc, "--from=html", f"--output={tables}"], out, page)
    yield out / tables


def _convert(command: Sequence[str], folder: Path, given: bytes) -> None:
    try:
        done = subprocess.run(command, cwd=folder, input=given, capture_output=True, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        raise InputError(f"pandoc did not end within {PATIENCE} s in {folder}; all but DOCX is written") from None
    if done.returncode:
        raise InputError(f"pandoc failed in {folder}: {done.stderr.decode(errors='replace').strip()[:500]}")


def _text(path: Path, text: str) -> Path:
    with replacing(path) as file:
        file.write(text.encode())
    return path
