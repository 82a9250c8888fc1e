"""`grace data`: make, sample and check tables of trials."""

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grace.cli.completing import complete_study
from grace.cli.entries import group
from grace.cli.options import reads_table
from grace.errors import InputError

if TYPE_CHECKING:
    from grace.studies.check import TableReport
    from grace.studies.study import Study
    from grace.tables import TableFormat

MOST_CELLS = 60
MOST_LINES = 20

data_app = group()

Output = Annotated[Path | None, typer.Option(help="CSV table to write. Default: standard output.")]
Force = Annotated[bool, typer.Option("--force", help="Replace an existing output.")]


@data_app.command()
def synth(
    study: Annotated[str, typer.Argument(help="study1, study2 or agreement.")],
    output: Output = None,
    participants: Annotated[
        int | None, typer.Option(min=1, help="Number of sessions. Default: as in the published study.")
    ] = None,
    seed: Annotated[int, typer.Option(help="The same seed makes the same table.")] = 1,
    force: Force = False,
) -> None:
    """Make a complete, balanced table of trials from stimuli written for this project.

    Every participant sees every condition once, each with a different item; items and conditions form Latin squares.
    The sentences of agreement are the same for everybody.

    \b
    Examples:
      grace data synth study1 > trials.csv
      grace data synth study2 --output outputs/small.csv --participants 12 --seed 7
      grace data synth agreement --output outputs/agreement_trials.csv
    """
    from grace.studies.designs import GENERATORS
    from grace.text import did_you_mean

    if study not in GENERATORS:
        raise InputError(
            f"there is nothing to make {study!r} from{did_you_mean(study, GENERATORS)}; "
            f"tables can be made for {', '.join(GENERATORS)}"
        )
    generator = GENERATORS[study]
    if participants and generator.participants is None:
        raise InputError(f"--participants: {study} has none; its trials are the same for everybody")
    sessions = participants or generator.participants
    rows = _write(output, force, generator.columns, generator.rows(sessions or 1, seed))
    of = f" of {sessions:,} participants" if sessions else ""
    typer.echo(f"{output or study}: {rows:,} rows{of}", err=output is None)


@data_app.command()
@reads_table
def sample(
    table_format: "TableFormat",
    file: Annotated[Path, typer.Argument(help="Table to take rows from: CSV, .xlsx, .jsonl or .parquet.")],
    output: Output = None,
    rows: Annotated[int, typer.Option(min=1, help="Number of rows.")] = 10,
    seed: Annotated[int | None, typer.Option(help="Take random rows instead of the first ones.")] = None,
    force: Force = False,
) -> None:
    """Write the first rows of a table, or random ones, to a new table.

    Cells and the order of rows stay unchanged.

    \b
    Examples:
      grace data sample data/study1.csv --rows 10 --output outputs/first.csv
      grace data sample data/study2.csv --rows 50 --seed 3 --output outputs/random.csv
      grace data sample trials.xlsx --rows 1000000 --output trials.csv
    """
    from grace.studies.check import sample_rows
    from grace.table_files import open_table

    with open_table(file, table_format) as table:
        if output and output.exists() and output.samefile(file):
            raise InputError(f"{output}: is the file to take rows from; choose another --output")
        chosen = sample_rows(len(table), rows, seed)
        _write(output, force, table.columns, map(table.cells, chosen))
        typer.echo(f"{output or file}: {len(chosen):,} of {len(table):,} rows", err=output is None)


@data_app.command()
@reads_table
def check(
    table_format: "TableFormat",
    file: Annotated[Path, typer.Argument(help="Table of trials: CSV, .xlsx, .jsonl or .parquet.")],
    study: Annotated[
        str | None,
        typer.Option(
            help="study1, study2, agreement, or the path of a study file. Default: the one that fits the columns.",
            autocompletion=complete_study,
        ),
    ] = None,
) -> None:
    """Check a table against its study: columns, values, conditions, stimuli.

    Exit code 0: the table fits (remarks are not failures). 1: it does not fit. 2: it cannot be used at all.

    \b
    Examples:
      grace data check data/study1.csv
      grace data check trials.csv --study my_study.yaml
      grace data check export.csv --study my_study.yaml --encoding cp1252 --skip-rows 2
      grace data check trials.xlsx --study my_study.yaml --sheet Trials
    """
    from grace.studies.check import check_table, choose_study
    from grace.studies.vary import crossed
    from grace.table_files import open_table

    with open_table(file, table_format) as given:
        chosen = choose_study(study, given)
        with crossed(given, chosen.vary) as table:
            report = check_table(chosen, table)
    _show(file, chosen, report)
    if not report.ok:
        raise typer.Exit(1)


def _write(output: Path | None, force: bool, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> int:
    """Write a table to a file, or to standard output, and return its number of rows."""
    from grace.tables import print_csv, write_table

    if output is None:
        return print_csv(sys.stdout.buffer, columns, rows)
    if output.exists() and not force:
        raise InputError(f"{output}: already exists; choose another --output, or add --force to replace it")
    return write_table(output, columns, rows)


def _show(file: Path, study: "Study", report: "TableReport") -> None:
    """Print a report: numbers, cells, problems and remarks."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from grace.text import one_line

    console = Console(highlight=False, markup=False, soft_wrap=True)
    console.print(f"{file} as {study.name} ({study.title})\n")

    facts = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    facts.add_row("rows", f"{report.rows:,}")
    if report.participants is not None and report.rows_each:
        fewest, most = report.rows_each
        facts.add_row("participants", f"{report.participants:,}")
        facts.add_row("rows of each", f"{fewest:,}" if fewest == most else f"{fewest:,} to {most:,}")
    if report.items is not None:
        facts.add_row("items", f"{report.items:,}")
    facts.add_row("distinct stimuli", f"{report.stimuli:,}")
    console.print(facts)

    if report.cells:
        cells = Table(box=None, padding=(0, 2, 0, 0))
        for name in report.design:
            cells.add_column(name, overflow="fold")
        cells.add_column("rows", justify="right")
        for cell, count in list(report.cells.items())[:MOST_CELLS]:
            style = "red" if cell in report.missing_cells or cell in report.unexpected_cells else ""
            cells.add_row(*(Text(one_line(value)) for value in cell), f"{count:,}", style=style)
        console.print()
        console.print(cells)
        if len(report.cells) > MOST_CELLS:
            console.print(f"and {len(report.cells) - MOST_CELLS:,} cells more")

    for title, lines in (("Problems", report.problems), ("Remarks", report.remarks)):
        if lines:
            console.print(f"\n{title}")
            for line in lines[:MOST_LINES]:
                console.print(f"- {one_line(line)}")
            if len(lines) > MOST_LINES:
                console.print(f"- and {len(lines) - MOST_LINES:,} more")
    console.print("\nThe table does not fit its study." if report.problems else "\nThe table fits its study.")
