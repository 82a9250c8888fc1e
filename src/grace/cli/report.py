"""`grace report`."""

from pathlib import Path
from typing import Annotated

import typer

from grace.cli.keeping import keep_result
from grace.cli.options import Extraction, NoExclusions, Scores, Theme, beside, progressing


def report(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN", help="Runs' folders, one per model, such as outputs/study1.run.")
    ],
    out: Annotated[
        Path | None, typer.Option(help="File to write, .html. Default: outputs/a_report.html for outputs/a.run.")
    ] = None,
    no_exclusions: NoExclusions = False,
    extraction: Extraction = None,
    scores: Scores = None,
    theme: Theme = "paper",
) -> None:
    """Write a report as one web page: what ran, data quality, results with figures, comparisons, examples, provenance.

    The page is one file and needs no network: it can be emailed, printed, and read on a phone. Finds what belongs to a
    run in the same folder; compares several runs of a study with the first. Failures and gaps come first on the page.

    \b
    Examples:
      grace report outputs/study1.run
      grace report outputs/study1.run outputs/study2.run --out outputs/report.html
      grace report outputs/study1_gemma.run outputs/study1_llama.run --out outputs/models.html
      grace report outputs/study1.run --no-exclusions --theme slides
    """
    from grace.extras import check_analysis
    from grace.runs import outside_runs

    check_analysis()
    from grace.report.gather import request_of
    from grace.report.page import write_report
    from grace.roadmap.disclosures import disclosures_near

    options = request_of(runs, not no_exclusions, extraction, scores, theme, disclosures_near(runs[0]))
    path = outside_runs(out or beside(options.runs[0].path, "_report.html"))
    with progressing() as progress:
        sections = write_report(options, path, progress)
    for section in sections:
        for line in section.short:
            print(f"{section.id}: {line}")
        for line in section.troubles:
            print(f"  Note: {line}")
    keep_result("report", [path], [run.path for run in options.runs])
    print(f"{path.resolve()}")
