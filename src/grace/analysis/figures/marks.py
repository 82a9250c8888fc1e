"""Marks: series of points with intervals, and what all panels have."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from grace.analysis.figures.points import Point
from grace.analysis.figures.theme import GREY, Theme, lines_of

Line = Literal["-", "--", ":", "none"]

NO_DATA = "no data"
LEGEND_WIDTH = 108
"""The most letters in a line of a legend, in either theme."""
ROOM = 0.03
"""Share of the scale above and below it, so that marks at its ends are whole."""


@dataclass(frozen=True)
class Series:
    """Points with a look.

    Attributes:
        label: its name in the legend.
        colour, marker: those of the points.
        points: by place on the x axis.
        line: style of the line that joins the points; "none" for none.
        hollow: whether markers are outlines, for what is not data of the model.
        shift: the distance to the side, so that series do not cover each other.
    """

    label: str
    colour: str
    marker: str
    points: Mapping[float, Point]
    line: Line = "none"
    hollow: bool = False
    shift: float = 0.0

    @property
    def is_defined(self) -> bool:
        """Whether there is anything to draw."""
        return any(point.is_defined for point in self.points.values())


def draw_series(axes: Axes, series: Series) -> None:
    """Draw points with their intervals; what is missing leaves a gap."""
    reaches = [point.reach for point in series.points.values()]
    axes.errorbar(
        [place + series.shift for place in series.points],
        [point.mean for point in series.points.values()],
        yerr=[[low for low, _ in reaches], [high for _, high in reaches]],
        color=series.colour,
        marker=series.marker,
        linestyle=series.line,
        markerfacecolor="white" if series.hollow else series.colour,
        clip_on=False,
        zorder=2 if series.hollow else 3,
    )


def draw_panel(axes: Axes, series: Iterable[Series]) -> str:
    """Draw all series that have something; where none has, the note for the panel's head says so, else it is empty."""
    there = [one for one in series if one.is_defined]
    for one in there:
        draw_series(axes, one)
    return "" if there else NO_DATA


def say(axes: Axes, text: str, theme: Theme) -> None:
    """Write into the middle of a panel."""
    style: dict[str, Any] = {"color": GREY, "fontsize": theme.small, "backgroundcolor": "white", "zorder": 1}
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", **style)


def scale(axes: Axes, places: Sequence[float], labels: Sequence[str], top: float, step: float) -> None:
    """Give a panel its scales: named places on the x axis, and the whole scale of y, whatever the data are."""
    axes.set_xticks(list(places), list(labels))
    axes.set_xlim(min(places) - 0.6, max(places) + 0.6)
    axes.set_ylim(-ROOM * top, (1 + ROOM) * top)
    axes.set_yticks([step * place for place in range(int(top / step) + 1)])


def head(axes: Axes, title: str, note: str, theme: Theme) -> None:
    """A panel's title at the left, and a note at the right."""
    axes.set_title(title, loc="left")
    axes.set_title(note, loc="right", fontsize=theme.small, color=GREY)


def row_name(axes: Axes, name: str) -> None:
    """The name of a row of panels, at the right of its last one."""
    axes.text(1.04, 0.5, name, transform=axes.transAxes, rotation=-90, ha="left", va="center")


def rows_note(points: Iterable[Point]) -> str:
    """How many rows the points of a panel rest on. A panel without any says so here, where no mark of a theory is."""
    numbers = sorted({point.n for point in points if point.n})
    if not numbers:
        return NO_DATA
    return f"n = {numbers[0]}" if len(numbers) == 1 else f"n = {numbers[0]} to {numbers[-1]}"


def title(figure: Figure, text: str, theme: Theme) -> None:
    """The figure's title at the left, on as many lines as it needs."""
    if text:
        figure.suptitle(lines_of(text, theme.letters()), x=0.01, ha="left")


def legend_below(figure: Figure, series: Sequence[Series], width: float = 1.0) -> None:
    """A legend of the series below all panels, in as many columns as their names leave room for in a figure's width."""
    handles = handles_of(series)
    if not handles:
        return
    longest = max((len(line) for one in series for line in one.label.split("\n")), default=0)
    columns = max(min(int(LEGEND_WIDTH * width) // (longest + 6), 4, len(series)), 1)
    figure.legend(handles=handles, loc="outside lower left", ncols=columns)


def handles_of(series: Sequence[Series]) -> list[Line2D]:
    """What a legend shows of series."""
    return [
        Line2D(
            [],
            [],
            color=one.colour,
            marker=one.marker,
            linestyle=one.line,
            markerfacecolor="white" if one.hollow else one.colour,
            label=f" {one.label}" if one.label.startswith("_") else one.label,  # which would hide it
        )
        for one in series
        if one.label
    ]


def spread(number: int, room: float = 0.6) -> list[float]:
    """Shifts that set so many series side by side."""
    return [room * ((place + 0.5) / number - 0.5) for place in range(number)]
