"""Which figures an analysis has, and those of a comparison with their names and captions."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from grace.analysis.figures import of_any, of_scores, of_study1, of_study2
from grace.analysis.figures.points import Rows, distinct, slug
from grace.analysis.figures.saving import Drawing
from grace.analysis.figures.shift import draw_shift
from grace.analysis.figures.theme import LONGEST, NAMELESS, Theme, clean
from grace.analysis.studies import ANALYSES
from grace.studies.study import load_study
from grace.text import shortened

if TYPE_CHECKING:
    from grace.analysis.analyze import Analysis
    from grace.analysis.compare import Comparison

OWN_FIGURES = {"study1": of_study1.draw, "study2": of_study2.draw}
"""By study, the function that draws the figures that only it has, from tables of results by name."""
ENDINGS = r"\.(run|csv|parquet)$"
"""Endings of runs and tables, which are left out of the names of figures."""


def draw_analysis(analysis: "Analysis", theme: Theme) -> Iterator[Drawing]:
    """The figures of an analysis, one after the other."""
    tables = {
        name: [dict(zip(table.columns, row, strict=True)) for row in table.rows]
        for name, table in analysis.tables.items()
    }
    yield from draw_tables(analysis.study, tables, theme)


def draw_tables(study: str, tables: Mapping[str, Rows], theme: Theme) -> Iterator[Drawing]:
    """The same from its tables: the rows of means.csv, tests.csv and so on, by name; cells may be numbers or text.

    A table that is not there is not drawn.
    """
    if study not in OWN_FIGURES:
        yield from of_any.draw(study, tables, theme)
        return
    yield from OWN_FIGURES[study](tables, theme)
    if rows := tables.get("distributions"):
        yield from of_scores.draw(load_study(study), ANALYSES[study], rows, theme)


def draw_comparisons(comparisons: Sequence["Comparison"], theme: Theme) -> Iterator[Drawing]:
    """The figures of comparisons, each of its own name."""
    names = distinct(_file_name(comparison) for comparison in comparisons)
    for comparison, name in zip(comparisons, names, strict=True):
        yield replace(draw_comparison(comparison, theme), name=name)


def draw_comparison(comparison: "Comparison", theme: Theme) -> Drawing:
    """The figure of a comparison: what shifts from one side to the other. Its sides are in its name."""
    a, b = (shortened(clean(name), LONGEST) or NAMELESS for name in _sides(comparison))
    rows = [asdict(finding) for finding in comparison.findings]
    caption = (
        f"{b} against {a}. Left: mean total variation between the two models' distributions (or answers), by question, "
        "with 90% intervals from bootstrap samples of stimuli. Right: how far each effect of the study, a contrast of "
        "shares, shifts, with 90% intervals of Student's t over stimuli. The grey area is the margin of "
        f"{comparison.margin:g}; a red line is how far one model is from itself when asked twice, where that is known."
    )
    analysis = ANALYSES.get(comparison.a.study.name)
    titles = {effect.name: effect.title for effect in analysis.effects()} if analysis else {}
    figure = draw_shift(rows, titles, comparison.margin, f"{b} against {a}", theme)
    return Drawing(_file_name(comparison), figure, caption, theme)


def _file_name(comparison: "Comparison") -> str:
    """The figure's name, such as compare_shift_awq_bf16 for awq.run and bf16.run."""
    return "_".join(("compare_shift", *(slug(re.sub(ENDINGS, "", name)) for name in _sides(comparison))))


def _sides(comparison: "Comparison") -> tuple[str, str]:
    """The names of the sides; where both have the same name, with their folders."""
    a, b = comparison.a, comparison.b
    if a.name != b.name:
        return a.name, b.name
    return f"{a.path.absolute().parent.name}/{a.name}", f"{b.path.absolute().parent.name}/{b.name}"
