"""`grace validate`, and its report in words."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grace.cli.options import Extraction, Scores, beside, count, progressing, reads_table
from grace.errors import InputError

if TYPE_CHECKING:
    from grace.quality.report import Report
    from grace.runs import Run
    from grace.tables import TableFormat

WIDTH = 160
"""The least width of the printed table: a terminal may break its lines, a file keeps them whole."""
STYLES = {"passed": "green", "failed": "bold red", "not checked": "yellow"}


@reads_table
def validate(
    table_format: "TableFormat",
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
            help="With FILES: study1, study2, agreement, or a study file's path. Default: the one that fits the table."
        ),
    ] = None,
    threshold: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="Limit of a check, such as truncated=0.1; may be given several times."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the report. Default: outputs/a_quality for outputs/a.run or a.csv.")
    ] = None,
    extraction: Extraction = None,
    scores: Scores = None,
    show_thresholds: Annotated[
        bool, typer.Option("--show-thresholds", help="Only list all thresholds with their defaults.")
    ] = False,
) -> None:
    """Check whether an experiment's tables are good enough to analyse.

    With a run, Grace checks the tables of its answers, values and probabilities against its input and its ledger.
    Writes quality.json, quality.html and review.csv (the flagged rows). Exit code 0: good enough. 1: a check failed. 2:
    wrong input.

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
    thresholds = read_thresholds(threshold or ())
    runs, files = _sorted_out(what or ())
    if files:
        if extraction or scores:
            raise InputError("--extraction and --scores go with a RUN; give their tables as further FILES")
        folder = out or beside(files[0], "_quality")
        with progressing() as progress:
            report = validate_files(files, folder, thresholds, progress, input, study, table_format=table_format)
        _print_reports([(report, folder)])
        return
    if input or study:
        raise InputError("--input and --study go with FILES; a RUN has its own copies of both")
    groups = groups_of(runs, Run(extraction) if extraction else None, Run(scores) if scores else None)
    if len(groups) > 1 and out:
        raise InputError("--out: these runs do not belong together, and each gets its own report; leave it out")
    reports = []
    for group in groups:
        folder = out or beside(group.given.path, "_quality")
        with progressing() as progress:
            reports.append((validate_runs(group, folder, thresholds, progress), folder))
    _print_reports(reports)


def _sorted_out(what: Sequence[Path]) -> "tuple[list[Run], list[Path]]":
    """The runs and the files among the arguments. Raises InputError when there are both, or none."""
    from grace.runs import Run

    runs = [Run(path) for path in what if path.is_dir() or path.suffix == ".run"]
    files = [path for path in what if not (path.is_dir() or path.suffix == ".run")]
    if runs and files:
        raise InputError(f"give either runs or files: {runs[0].path} is a run, {files[0]} is a file")
    if not what:
        raise InputError("give a run's folder (outputs/study1.run) or tables; `grace validate --help` has examples")
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
        for setting in check.settings:
            table.add_row(setting.name, f"{setting.default:g}", setting.about)
    Console(soft_wrap=True, highlight=False, markup=False).print(table)


def _print_reports(reports: "Sequence[tuple[Report, Path]]") -> None:
    """Print reports; exit 1 when one is not good enough."""
    for number, (report, folder) in enumerate(reports):
        if number:
            print()
        _print_report(report, folder)
    if not all(report.ok for report, _ in reports):
        raise typer.Exit(1)


def _print_report(report: "Report", folder: Path) -> None:
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
        ("Remarks", [remark_of(result) for result in report.remarks]),
    ):
        if lines:
            console.print(f"\n{title}")
        for line in lines:
            console.print(f"- {one_line(line)}")
    flags = sum(len(result.kept) for result in report.results)
    names = ", ".join(str(folder / name) for name in FILES)
    console.print(f"\nWrote {names} ({count(flags, 'flag')})")
    console.print(f"{report.group.study.name}: {one_line(report.verdict)}")
