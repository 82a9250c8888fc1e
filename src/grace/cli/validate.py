"""`grace validate`, and how its report is told."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grace.cli.options import beside, count, progressing
from grace.errors import InputError

if TYPE_CHECKING:
    from grace.quality.report import Report
    from grace.runs import Run

WIDTH = 160
"""Of the table at least: a terminal may break its lines, a file keeps them whole."""
STYLES = {"passed": "green", "failed": "bold red", "not checked": "yellow"}


def validate(
    what: Annotated[
        list[Path] | None,
        typer.Argument(metavar="RUN...|FILES...", help="Folders of runs, or tables (.csv or .parquet)."),
    ] = None,
    input: Annotated[
        Path | None, typer.Option(help="With FILES: the table of trials that they were made from.")
    ] = None,
    study: Annotated[
        str | None,
        typer.Option(
            help="With FILES: study1, study2, or the path of a study file. Default: the one that the columns fit."
        ),
    ] = None,
    threshold: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="What is good enough, as truncated=0.1; may be given several times."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the report. Default: outputs/a_quality for outputs/a.run or a.csv.")
    ] = None,
    extraction: Annotated[
        Path | None,
        typer.Option(metavar="RUN", help="The run of `grace extract` that is meant, where several would do."),
    ] = None,
    scores: Annotated[
        Path | None, typer.Option(metavar="RUN", help="The run of `grace score` that is meant, where several would do.")
    ] = None,
    show_thresholds: Annotated[
        bool, typer.Option("--show-thresholds", help="List all thresholds with their defaults, and do nothing.")
    ] = False,
) -> None:
    """Check the quality of an experiment's tables: is it good enough to be analysed?

    With a run, the tables of its answers, values and probabilities are checked against its input and its ledger. Writes
    quality.json, quality.html and review.csv (the flagged rows). Ends with 0 when all is good enough, with 1 when a
    check fails, with 2 when something cannot be checked at all.

    \b
    Examples:
      grace validate outputs/study1.run
      grace validate outputs/study1.run --threshold truncated=0.1 --threshold extracted=0.9
      grace validate outputs/study1.csv outputs/study1_scores.csv --input data/study1.csv
    """
    from grace.quality.thresholds import read_thresholds
    from grace.quality.validate import validate_files, validate_runs
    from grace.runs import Run
    from grace.stages.related import groups_of

    if show_thresholds:
        _show_thresholds()
        return
    given = read_thresholds(threshold or ())
    runs, files = _sorted_out(what or ())
    if files:
        if extraction or scores:
            raise InputError("--extraction and --scores go with a RUN; give their tables as further FILES")
        folder = out or beside(files[0], "_quality")
        with progressing() as progress:
            report = validate_files(files, folder, given, progress, input, study)
        _tell([(report, folder)])
        return
    if input or study:
        raise InputError("--input and --study go with FILES; a RUN has its own copies of both")
    groups = groups_of(runs, Run(extraction) if extraction else None, Run(scores) if scores else None)
    if len(groups) > 1 and out:
        raise InputError("--out: these runs do not belong together, and each has a report of its own; leave it out")
    reports = []
    for group in groups:
        folder = out or beside(group.given.path, "_quality")
        with progressing() as progress:
            reports.append((validate_runs(group, folder, given, progress), folder))
    _tell(reports)


def _sorted_out(what: Sequence[Path]) -> "tuple[list[Run], list[Path]]":
    """The runs and the files among the arguments. Raises InputError when there are both, or none."""
    from grace.runs import Run

    runs = [Run(path) for path in what if path.is_dir() or path.suffix == ".run"]
    files = [path for path in what if not (path.is_dir() or path.suffix == ".run")]
    if runs and files:
        raise InputError(f"give either runs or files: {runs[0].path} is a run, {files[0]} is a file")
    if not what:
        raise InputError("give a run's folder, as outputs/study1.run, or tables; `grace validate --help` has examples")
    for run in runs:
        _ = run.manifest
    return runs, files


def _show_thresholds() -> None:
    from rich.console import Console
    from rich.table import Table

    from grace.quality.checks import CHECKS

    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("threshold", "default", "meaning"):
        table.add_column(heading, justify="right" if heading == "default" else "left")
    for check in CHECKS.values():
        unit = "share" if check.unit == "share" else f"number of {check.unit}"
        table.add_row(check.name, f"{check.limit:g}", f"{'least' if check.least else 'most'} {unit}: {check.finds}")
        for own in check.settings:
            table.add_row(own.name, f"{own.default:g}", own.about)
    Console(soft_wrap=True, highlight=False, markup=False).print(table)


def _tell(reports: "Sequence[tuple[Report, Path]]") -> None:
    """Print reports; exit 1 when one is not good enough."""
    for number, (report, folder) in enumerate(reports):
        if number:
            print()
        _tell_one(report, folder)
    if not all(report.ok for report, _ in reports):
        raise typer.Exit(1)


def _tell_one(report: "Report", folder: Path) -> None:
    """A table of checks, the failed ones in words, what was written, the verdict."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from grace.quality.validate import FILES
    from grace.quality.words import failure_of, limit_of, measured_of, remark_of
    from grace.text import one_line

    console = Console(highlight=False, markup=False, soft_wrap=True, width=max(WIDTH, Console().width))
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("check", "table", "measured", "threshold", "verdict"):
        table.add_column(heading)
    for result in report.results:
        cells = (result.check, result.table, measured_of(result), limit_of(result))
        table.add_row(*(Text(one_line(text)) for text in cells), Text(result.status, STYLES[result.status]))
    console.print(table)
    for title, lines in (
        ("Failed", [failure_of(result) for result in report.failed]),
        ("Notes", [remark_of(result) for result in report.remarks]),
    ):
        if lines:
            console.print(f"\n{title}")
        for line in lines:
            console.print(f"- {one_line(line)}")
    flags = sum(len(result.kept) for result in report.results)
    names = ", ".join(str(folder / name) for name in FILES)
    console.print(f"\nWrote {names} ({count(flags, 'flag')})")
    console.print(f"{report.group.study.name}: {one_line(report.verdict)}")
