"""Which figures an analysis or a comparison has, with their names and captions."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING

from grace.analysis.figures import of_scores, of_study1, of_study2
from grace.analysis.figures.points import Rows
from grace.analysis.figures.saving import Drawing
from grace.analysis.figures.shift import draw_shift
from grace.analysis.figures.theme import Theme, names_of
from grace.studies.study import load_study

if TYPE_CHECKING:
    from grace.analysis.analyze import Analysis
    from grace.analysis.compare import Comparison


def draw_analysis(analysis: "Analysis", theme: Theme) -> Iterator[Drawing]:
    """The figures of an analysis, one after the other."""
    tables = {
        name: [dict(zip(table.columns, row, strict=True)) for row in table.rows]
        for name, table in analysis.tables.items()
    }
    yield from draw_tables(analysis.study, tables, theme)


def draw_tables(study: str, tables: Mapping[str, Rows], theme: Theme) -> Iterator[Drawing]:
    """The same of its tables: the rows of means.csv, tests.csv and so on, by name; cells may be numbers or text.

    Args:
        study: study1 or study2.
        tables: by name; what is not there is not drawn.
        theme: the look.
    """
    yield from (of_study1 if study == "study1" else of_study2).draw(tables, theme)
    if rows := tables.get("distributions"):
        yield from of_scores.draw(load_study(study), rows, theme)


def draw_comparison(comparison: "Comparison", theme: Theme) -> Drawing:
    """The figure of a comparison: what shifts from one side to the other."""
    a, b = names_of([comparison.a.name, comparison.b.name]).values()
    rows = [asdict(finding) for finding in comparison.findings]
    caption = (
        f"{b} against {a}. Left: mean total variation between the two models' distributions (or answers), by question, "
        "with 90% intervals from bootstrap samples of stimuli. Right: how far each effect of the study, a contrast of "
        "shares, shifts, with 90% intervals of Student's t over stimuli. The grey area is the margin of "
        f"{comparison.margin:g}; a red line is how far one model is from itself when asked twice, where that is known."
    )
    return Drawing("compare_shift", draw_shift(rows, comparison.margin, f"{b} against {a}", theme), caption, theme)
