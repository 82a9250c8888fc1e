"""`grace export`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grace.cli.asking import end
from grace.cli.extract import tell_fields
from grace.cli.options import SpreadsheetSafe
from grace.cli.query import tell_answers
from grace.cli.score import tell_scores
from grace.errors import InputError

if TYPE_CHECKING:
    from grace.stages.answers.table import ExportedAnswers
    from grace.stages.fields.table import ExportedFields
    from grace.stages.scores.table import ExportedScores


def export(
    run: Annotated[Path, typer.Argument(help="A run's folder, such as outputs/study1.run.")],
    output: Annotated[
        Path | None, typer.Option(help="Table to write, .csv or .parquet. Default: the CSV beside the run.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing --output.")] = False,
    spreadsheet_safe: SpreadsheetSafe = False,
) -> None:
    """Remake the table from a run's ledger, without asking a model.

    \b
    Examples:
      grace export outputs/study1.run
      grace export outputs/study1.run --output outputs/copy.csv
      grace export outputs/study1.run --output outputs/study1.parquet
      grace export outputs/study1.run --output outputs/to_open.csv --spreadsheet-safe
    """
    from grace import tables
    from grace.runs import Run
    from grace.stages.export import export_run

    if output and output.exists() and not force:
        raise InputError(f"--output {output}: already exists; choose another name, or add --force to replace it")
    if spreadsheet_safe and output is None:
        raise InputError("--spreadsheet-safe: name an --output; the table beside the run is what other commands read")
    with tables.spreadsheet_safe(spreadsheet_safe):
        end(not tell_table(export_run(Run(run), output or run.with_suffix(".csv"))))


def tell_table(table: "ExportedAnswers | ExportedScores | ExportedFields") -> bool:
    """Print what a run's table holds; False when rows of it have errors."""
    from grace.stages.answers.table import ExportedAnswers
    from grace.stages.fields.table import ExportedFields

    if isinstance(table, ExportedAnswers):
        return tell_answers(table)
    if isinstance(table, ExportedFields):
        tell_fields(table)
        return True
    return tell_scores(table)
