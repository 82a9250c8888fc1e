"""`grace merge`."""

from pathlib import Path
from typing import Annotated

import typer

from grace.cli.keeping import keep_result
from grace.cli.options import Extraction, Scores, SpreadsheetSafe, beside, count, progressing


def merge(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN...", help="Runs' folders, one per model, such as outputs/study1.run.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="Folder to write to. Default: outputs/study1_merged for outputs/study1.run."),
    ] = None,
    extraction: Extraction = None,
    scores: Scores = None,
    spreadsheet_safe: SpreadsheetSafe = False,
) -> None:
    """Make one table for the analysis: answers, values, probabilities and quality flags, with a codebook.

    Finds what belongs to a run in the same folder: the extraction of its answers, and the probabilities of the same
    study, input and model. Rows are matched by their contents, never by their position.

    \b
    Examples:
      grace merge outputs/study1.run
      grace merge outputs/study1_gemma.run outputs/study1_llama.run --out outputs/study1_all
      grace merge outputs/study2.run --scores outputs/study2_scores_canonical.run
    """
    from grace import tables
    from grace.quality.merge import merge_runs
    from grace.runs import Run, outside_runs

    folder = outside_runs(out or beside(runs[0], "_merged"))
    with progressing() as progress, tables.spreadsheet_safe(spreadsheet_safe):
        merged = merge_runs(
            [Run(run) for run in runs],
            folder,
            progress,
            extraction=Run(extraction) if extraction else None,
            scores=Run(scores) if scores else None,
        )
    print(
        f"{merged.paths[0]}: {count(merged.rows, 'row')}, {merged.columns} columns, {merged.flagged} with quality flags"
    )
    keep_result("merged table", merged.paths, runs)
    print("  with it: " + ", ".join(path.name for path in merged.paths[1:]))
    for note in merged.notes:
        print(f"  {note}")
