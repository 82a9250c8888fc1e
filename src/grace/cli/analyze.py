"""`grace analyze`."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grace.cli.keeping import keep_result
from grace.cli.options import Extraction, NoExclusions, Scores, Theme, beside, count, progressing, reads_table
from grace.errors import InputError

if TYPE_CHECKING:
    from grace.analysis.analyze import Analysis
    from grace.tables import TableFormat


@reads_table
def analyze(
    table_format: "TableFormat",
    what: Annotated[
        list[str] | None,
        typer.Argument(metavar="RUN...|STUDY", help="Runs' folders; or, with --input, a study."),
    ] = None,
    input: Annotated[
        Path | None, typer.Option(help="Table of values to analyse in place of runs, .csv or .parquet.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder to write to. Default: outputs/a_analysis for outputs/a.run or outputs/a.csv."),
    ] = None,
    no_exclusions: NoExclusions = False,
    extraction: Extraction = None,
    scores: Scores = None,
    theme: Theme = "paper",
    no_figures: Annotated[bool, typer.Option("--no-figures", help="Write tables only.")] = False,
    with_r: Annotated[
        bool, typer.Option("--with-r", help="Run them in R too, with lme4 and ggplot2, into OUT/r; needs R.")
    ] = False,
) -> None:
    """Run the statistics of a study: means by condition, tests, distributions, calibration.

    Writes CSV tables (means, tests, and others), summary.json, which says what was left out and why, and figures as
    PDF and PNG with their captions. Runs are merged first; what belongs to a run is found beside it. Rows of one
    stimulus are not independent: n_effective says what they are worth, and there are tests by stimulus beside those
    by row. Exit code 1 means that nothing could be analysed.

    \b
    Examples:
      grace analyze outputs/study1.run
      grace analyze outputs/study2_gemma.run outputs/study2_llama.run --out outputs/politeness
      grace analyze study1 --input annotated.csv --out outputs/annotated --no-exclusions
      grace analyze outputs/study1.run --theme slides --with-r
    """
    from grace.extras import check_analysis

    check_analysis(not no_figures)
    from grace.analysis.analyze import analyze_runs, analyze_table, write_analysis
    from grace.analysis.with_r import check_r, run_r
    from grace.runs import Run, outside_runs
    from grace.studies.study import load_study

    if not no_figures:
        from grace.analysis.figures import draw_analysis, theme_named, write_figures

        look = theme_named(theme)
    names = what or []
    if input is not None:
        if len(names) != 1:
            raise InputError("--input goes with one study, as in `grace analyze study1 --input TABLE.csv`")
        if extraction or scores:
            raise InputError("--extraction and --scores go with a RUN, not with --input")
        if with_r:
            check_r([load_study(names[0]).name])
        folder = outside_runs(out or beside(input, "_analysis"))
        analyses = [(analyze_table(names[0], input, not no_exclusions, table_format), folder)]
    elif not names:
        raise InputError("give a run's folder, such as outputs/study1.run, or a study with --input TABLE.csv")
    else:
        runs = [Run(Path(name)) for name in names]
        if with_r:
            check_r({run.identity.study for run in runs})
        folder = outside_runs(out or beside(runs[0].path, "_analysis"))
        with progressing() as progress:
            analyses = analyze_runs(
                runs,
                folder,
                progress,
                not no_exclusions,
                Run(extraction) if extraction else None,
                Run(scores) if scores else None,
            )
    for analysis, place in analyses:
        paths = write_analysis(analysis, place)
        _print_summary(analysis, paths)
        keep_result("analysis", [paths[-1], *paths[:-1]], [Path(name) for name in names] if input is None else [])
        if not no_figures:
            _print_files("figures", write_figures(draw_analysis(analysis, look), place / "figures"))
        if with_r:
            _print_files("R", run_r(analysis, place, not no_exclusions))
    if any(analysis.empty for analysis, _ in analyses):
        raise typer.Exit(1)


def _print_summary(analysis: "Analysis", paths: Sequence[Path]) -> None:
    """Print how many rows of each model count, why others do not, and the files."""
    for model, summary in analysis.summary["models"].items():
        name = f"{analysis.study}, {model}" if model else analysis.study
        print(f"{name}: {summary['analysed']} of {count(summary['rows'], 'row')} analysed")
        for why, number in summary["not_usable"].items():
            print(f"  {number} not usable: {why} (the first: row {summary['first_not_usable'][why]})")
        for why, number in summary.get("excluded", {}).items():
            print(f"  {number} excluded: {why}")
        if undefined := summary["undefined_tests"]:
            print(f"  {count(len(undefined), 'test')} undefined; the column note of tests.csv says why")
        for note in summary["notes"]:
            print(f"  {note}")
    for note in analysis.summary["notes"]:
        print(f"  {note}")
    print(f"  written to {paths[0].parent}: {', '.join(path.name for path in paths)}")


def _print_files(what: str, paths: Sequence[Path]) -> None:
    if paths:
        print(f"  {what}: {count(len(paths), 'file')} in {paths[0].parent}")
    else:
        print(f"  {what}: nothing, since the table has no answers of Experiment 1")
