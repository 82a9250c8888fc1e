"""Figures of Experiment 2 that both studies have: entropy by condition, and label mass."""

from collections.abc import Iterator, Mapping

from grace.analysis.figures.points import (
    STIMULI_BARS,
    Point,
    Row,
    Rows,
    any_defined,
    mean_point,
    models_in,
    number,
    of_model,
    without,
)
from grace.analysis.figures.saving import Drawing
from grace.analysis.figures.spaces import Panel, draw_entropy, draw_label_mass, most_bits
from grace.analysis.figures.theme import Theme, names_of
from grace.analysis.figures.words import QUESTIONS
from grace.analysis.study_analysis import StudyAnalysis
from grace.studies.study import Study


def draw(study: Study, analysis: StudyAnalysis, rows: Rows, theme: Theme) -> Iterator[Drawing]:
    """The figures of the rows of distributions.csv."""

    def condition(row: Row) -> str:
        return analysis.cell_title(tuple(str(row[factor]) for factor in analysis.factors))

    def points(rows: Rows, column: str, top: float) -> dict[str, Point]:
        return {condition(row): mean_point(row, top) for row in rows if row["quantity"] == column}

    there = {str(row["quantity"]) for row in rows}
    names = names_of(models_in(rows))
    panels = [
        Panel(title, top, {name: points(of_model(rows, model), column, top) for model, name in names.items()})
        for column, (title, top) in _entropies(study).items()
        if column in there
    ]
    shown = {name for panel in panels for name, points in panel.points.items() if any_defined(points.values())}
    if shown:
        conditions = list(dict.fromkeys(map(condition, rows)))
        about = " and ".join(analysis.factors)
        caption = (
            f"Mean entropy of the distributions of Experiment 2 by condition ({about}). "
            f"{STIMULI_BARS} The broken line is the entropy of an even distribution, the most that there can be."
            f"{without(names.values(), shown)}"
        )
        yield Drawing(f"{study.name}_entropy", draw_entropy(panels, conditions, about, theme), caption, theme, 2)
    masses = {name: _masses(study, of_model(rows, model)) for model, name in names.items()}
    if any(masses.values()):
        caption = (
            "Label mass: the probability that a model gives to all answers of a question together, before it is "
            "divided by it. A mark is the mean of a condition; near 0 a model would say something else than an answer."
            f"{without(names.values(), (name for name, own in masses.items() if own))}"
        )
        yield Drawing(f"{study.name}_label_mass", draw_label_mass(masses, theme), caption, theme, 2)


def _entropies(study: Study) -> Mapping[str, tuple[str, float]]:
    """By column: the title of its panel, and the largest entropy."""
    panels: dict[str, tuple[str, float]] = {}
    for name, question in study.questions.items():
        panels[question.columns.entropy] = (QUESTIONS.get(name, name), most_bits(len(question.space.labels)))
        for factor, column in question.columns.marginal_entropies.items():
            panels[column] = (QUESTIONS.get(factor, factor), most_bits(len(question.columns.marginals[factor])))
    return panels


def _masses(study: Study, rows: Rows) -> dict[str, list[float]]:
    columns = {question.columns.label_mass: QUESTIONS.get(name, name) for name, question in study.questions.items()}
    means: dict[str, list[float]] = {}
    for row in rows:
        if row["quantity"] in columns and (mass := number(row, "mean")) == mass:
            means.setdefault(columns[str(row["quantity"])], []).append(mass)
    return means
