"""`grace compare`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grace.cli.keeping import keep_result
from grace.cli.options import beside, count, progressing, reads_table

if TYPE_CHECKING:
    from grace.analysis.compare import Comparison
    from grace.analysis.figures import Theme
    from grace.tables import TableFormat


@reads_table
def compare(
    table_format: "TableFormat",
    a: Annotated[Path, typer.Argument(metavar="RUN_A", help="A run's folder, or a table (.csv or .parquet).")],
    b: Annotated[Path, typer.Argument(metavar="RUN_B", help="The run or table to compare with, on the same trials.")],
    margin: Annotated[
        float, typer.Option(help="Shares that differ by less than this count as the same: 0.05 is 5 percentage points.")
    ] = 0.05,
    out: Annotated[
        Path | None, typer.Option(help="Folder to write to. Default: outputs/a_and_b for outputs/a.run and b.run.")
    ] = None,
    study: Annotated[
        str | None, typer.Option(help="With tables: study1, study2 or a study file. Default: the one that fits.")
    ] = None,
    draws: Annotated[int, typer.Option(min=100, help="Bootstrap samples.")] = 2000,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same intervals.")] = 1,
    theme: Annotated[str, typer.Option(metavar="paper|slides", help="The look of the figure.")] = "paper",
    no_figures: Annotated[bool, typer.Option("--no-figures", help="Write tables and text only.")] = False,
) -> None:
    """Compare two models on the same trials: quantized and full precision, cluster and laptop, or any two models.

    Rows are paired by trial. Says how far the distributions of Experiment 2 and the answers of Experiment 1 are apart,
    which effects shift, and whether the two are equivalent within the margin, beside the noise floor where `grace
    noise` has measured it. What belongs to a run (its extraction, its probabilities) is found beside it. Writes
    compare.csv, compare.json, compare.txt and, as PDF and PNG with its caption, a figure of what shifts.

    \b
    Examples:
      grace compare outputs/study1_bf16.run outputs/study1_awq.run
      grace compare outputs/study2_a.run outputs/study2_b.run --margin 0.02 --out outputs/quantized
      grace compare merged_a.csv merged_b.csv --study study1 --theme slides
    """
    from grace.extras import check_analysis
    from grace.runs import outside_runs

    check_analysis(not no_figures)
    look = None
    if not no_figures:
        from grace.analysis.figures import theme_named

        look = theme_named(theme)
    from grace.analysis.compare import compare_models
    from grace.analysis.compare_report import in_words, write_comparison
    from grace.analysis.compare_sides import read_side

    with progressing() as progress:
        sides = [read_side(path, progress, study, table_format) for path in (a, b)]
    comparison = compare_models(sides[0], sides[1], margin, draws, seed)
    folder = outside_runs(out or beside(a, f"_and_{b.stem}"))
    paths = write_comparison(comparison, folder)
    for line in in_words(comparison):
        print(line)
    print(f"Wrote {', '.join(map(str, paths))}")
    if look:
        _draw(comparison, look, folder / "figures")
    if not comparison.compared:
        raise typer.Exit(1)
    keep_result("comparison", (paths[1], paths[0], paths[2]), (a, b), comparison.sentence)


def _draw(comparison: "Comparison", look: "Theme", folder: Path) -> None:
    """Draw the comparison; where nothing is compared, remove the figure of an earlier one."""
    from grace.analysis.figures import draw_comparison, write_figures

    if comparison.compared:
        paths = write_figures([draw_comparison(comparison, look)], folder)
        print(f"Wrote figures: {count(len(paths), 'file')} in {folder}")
    elif folder.is_dir():
        write_figures([], folder)
