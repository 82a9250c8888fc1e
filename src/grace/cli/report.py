"""`grace report`."""

from pathlib import Path
from typing import Annotated

import typer

from grace.cli.options import progressing


def report(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN...", help="Runs' folders, one for each model, as outputs/study1.run.")
    ],
    out: Annotated[
        Path | None, typer.Option(help="File to write, .html. Default: outputs/a_report.html for outputs/a.run.")
    ] = None,
    no_exclusions: Annotated[
        bool, typer.Option("--no-exclusions", help="Study 1: exclude no trial by its knowledge answer or a mark.")
    ] = False,
    extraction: Annotated[
        Path | None, typer.Option(metavar="RUN", help="The run of `grace extract`, where several belong to the RUN.")
    ] = None,
    scores: Annotated[
        Path | None, typer.Option(metavar="RUN", help="The run of `grace score`, where several would do.")
    ] = None,
) -> None:
    """Write a report as one web page: what ran, data quality, results with figures, comparisons, examples, provenance.

    The page needs no network and nothing beside it: it can be mailed, printed, and read on a phone. What belongs to a
    run is found beside it; several runs of a study are compared with the first. What failed or is missing is said
    first.

    \b
    Examples:
      grace report outputs/study1.run
      grace report outputs/study1.run outputs/study2.run --out outputs/report.html
      grace report outputs/study1_gemma.run outputs/study1_llama.run --out outputs/models.html
    """
    from grace.report.needed import check_needed

    check_needed()
    from grace.report.gather import Wanted
    from grace.report.page import report as make
    from grace.runs import Run

    path = out or runs[0].with_name(f"{runs[0].stem}_report.html")
    wanted = Wanted(
        [Run(run) for run in runs],
        not no_exclusions,
        Run(extraction) if extraction else None,
        Run(scores) if scores else None,
    )
    with progressing() as progress:
        sections = make(wanted, path, progress)
    for section in sections:
        for line in section.short:
            print(f"{section.id}: {line}")
        for line in section.troubles:
            print(f"  To know: {line}")
    print(f"{path.resolve()}")
