"""`grace paper`."""

from pathlib import Path
from typing import Annotated

import typer

from grace.cli.keeping import keep_result
from grace.cli.options import Extraction, NoExclusions, Scores, Theme, beside, count, progressing


def paper(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN", help="Runs' folders, one per model, such as outputs/study1.run.")
    ],
    out: Annotated[
        Path | None, typer.Option(help="Folder to write to. Default: outputs/a_paper for outputs/a.run.")
    ] = None,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="Rewrite the paper: edits in paper.md are lost, unchanged files of the earlier paper are removed.",
        ),
    ] = False,
    no_exclusions: NoExclusions = False,
    extraction: Extraction = None,
    scores: Scores = None,
    theme: Theme = "paper",
) -> None:
    """Write the parts of a paper: methods and results as Markdown, tables as CSV, LaTeX and DOCX, figure files.

    Every number comes from the tables, which are written too. DOCX needs pandoc, and is left out without it.

    \b
    Examples:
      grace paper outputs/study1.run
      grace paper outputs/study2_gemma.run outputs/study2_llama.run --out outputs/politeness_paper
      grace paper outputs/study1.run --force --theme slides
    """
    from grace.extras import check_analysis
    from grace.runs import outside_runs

    check_analysis()
    from grace.report.gather import request_of
    from grace.report.paper import write_paper
    from grace.roadmap.disclosures import disclosures_near

    options = request_of(runs, not no_exclusions, extraction, scores, theme, disclosures_near(runs[0]))
    folder = outside_runs(out or beside(options.runs[0].path, "_paper"))
    with progressing() as progress:
        papers = write_paper(options, folder, progress, force)
    for paper in papers:
        for note in paper.notes:
            print(f"  Note: {note}")
        keep_result("paper", paper.files, [run.path for run in options.runs])
        print(f"{paper.files[0]}, and {count(len(paper.files) - 1, 'file')} in {paper.folder}")
