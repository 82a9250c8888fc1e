"""Figures of Experiment 2's distributions: entropy by condition, and how much probability the answers had at all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil, log2

from matplotlib.figure import Figure

from grace.analysis.figures.marks import Series, draw_panel, head, legend_below, scale, spread
from grace.analysis.figures.points import Point, any_defined
from grace.analysis.figures.theme import GREY, Theme, legend_name, lines_of, look_of, new_figure, styled

COLUMNS = 3
LETTERS = 11
"""The width of a question on a line of questions side by side."""


@dataclass(frozen=True)
class Panel:
    """A panel for a quantity: the upper end of its scale is `top`; its points are by model, then by condition."""

    title: str
    top: float
    points: Mapping[str, Mapping[str, Point]]


def most_bits(labels: int) -> float:
    """The entropy of an even distribution over so many labels."""
    return log2(labels)


def draw_entropy(panels: Sequence[Panel], conditions: Sequence[str], about: str, theme: Theme) -> Figure:
    """Mean entropy in bits by condition, a panel for each question, models side by side.

    Each panel's scale ends at the entropy of an even distribution over its labels, which a line marks. `about` says
    what the conditions are, which the lowest panels name. A model without any point has its colour, but is not drawn.
    """
    with styled(theme):
        rows = ceil(len(panels) / COLUMNS)
        figure = new_figure(theme, 0.32 * rows + 0.12)
        grid = figure.subplots(rows, min(COLUMNS, len(panels)), squeeze=False)
        looks = look_of(list(panels[0].points))
        models = [name for name in looks if any(any_defined(panel.points[name].values()) for panel in panels)]
        shifts = spread(len(models))
        for axes in list(grid.flat)[len(panels) :]:
            axes.set_axis_off()
        for place, (panel, axes) in enumerate(zip(panels, grid.flat, strict=False)):
            lowest = place + COLUMNS >= len(panels)
            axes.set_xlabel(about if lowest else "")
            scale(axes, range(len(conditions)), conditions, panel.top, 1 if panel.top > 1 else 0.5)
            axes.tick_params("x", labelrotation=90, labelbottom=lowest)
            axes.axhline(panel.top, color=GREY, linestyle="--", linewidth=theme.line * 0.7, zorder=1)
            series = [
                Series(model, *looks[model], _placed(panel.points[model], conditions), shift=shift)
                for model, shift in zip(models, shifts, strict=True)
            ]
            head(axes, panel.title, draw_panel(axes, series), theme)
        figure.supylabel("entropy (bits)")
        legend_below(figure, [Series(legend_name(model, theme), *looks[model], {}) for model in models])
    return figure


def _placed(points: Mapping[str, Point], conditions: Sequence[str]) -> dict[float, Point]:
    return {place: points[name] for place, name in enumerate(conditions) if name in points}


def draw_label_mass(masses: Mapping[str, Mapping[str, Sequence[float]]], theme: Theme) -> Figure:
    """The probability of all answers together.

    `masses` are by the model's name to show, then by question: the mean of each condition.
    """
    questions = list(dict.fromkeys(question for own in masses.values() for question in own))
    looks = look_of(list(masses))
    there = {model: own for model, own in masses.items() if own}
    shifts = spread(len(there))
    width = 1.0 if len(questions) > 2 else 0.6
    with styled(theme):
        figure = new_figure(theme, 0.45, width)
        axes = figure.subplots()
        scale(axes, range(len(questions)), [lines_of(question, LETTERS) for question in questions], 1, 0.25)
        for (model, own), shift in zip(there.items(), shifts, strict=True):
            colour, marker = looks[model]
            for place, question in enumerate(questions):
                means = own.get(question)
                if not means:
                    continue  # an empty line that is not clipped has an endless box
                axes.plot(
                    [place + shift] * len(means), means, color=colour, marker=marker, linestyle="none",
                    markerfacecolor="none", clip_on=False,
                )  # fmt: skip
        axes.set_ylabel("label mass")
        axes.set_xlabel("question")
        shown = {model: legend_name(model, theme, width) for model in there}
        legend_below(figure, [Series(name, *looks[model], {}, hollow=True) for model, name in shown.items()], width)
    return figure
