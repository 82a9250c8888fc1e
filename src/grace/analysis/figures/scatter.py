"""Scatter of a model against people, or a theory: near the diagonal where they agree; the farthest points are named."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, isfinite

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Annotation, Text
from matplotlib.transforms import Bbox

from grace.analysis.distances import correlation
from grace.analysis.figures.marks import NO_DATA, Series, head, legend_below, say
from grace.analysis.figures.theme import GREY, PALE, Theme, lines_of, new_figure, styled

WIDTH = 0.5
"""The least width of a figure and the most of a panel, as shares of the theme's width."""
ROOM_BELOW = 0.07
"""For the legend."""
PLACES = (
    (1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1),
    (1, 2), (-1, 2), (1, -2), (-1, -2), (0, 2), (0, -2), (1, 3), (-1, 3), (1, -3), (-1, -3),
)  # fmt: skip
"""Places for a label beside its point, in steps; the first that is free is used."""


@dataclass(frozen=True)
class ScatterPoint:
    """A point: the reference's number, the model's, what it is about, and the group that gives it its look."""

    x: float
    y: float
    label: str
    group: str


@dataclass(frozen=True)
class Cloud:
    """A panel: a model's name and its points; NaN is what is not known."""

    name: str
    pairs: Sequence[ScatterPoint]

    @property
    def defined(self) -> list[ScatterPoint]:
        """The points that are there."""
        return [pair for pair in self.pairs if isfinite(pair.x) and isfinite(pair.y)]


@dataclass(frozen=True)
class Scales:
    """What the axes are: names, ends (None for those of the data), and how many of the farthest points get a label.

    The names may have formulas, such as $d_z$: they are never a user's.
    """

    x: str
    y: str
    ends: tuple[float, float] | None
    labels: int


def draw_scatter(clouds: Sequence[Cloud], looks: dict[str, tuple[str, str]], scales: Scales, theme: Theme) -> Figure:
    """A panel for each model, with Pearson's r over its points; `looks` are the colour and marker of each group."""
    with styled(theme):
        columns, rows, side = _shape(len(clouds), theme)
        width = max(side * columns, WIDTH)
        figure = new_figure(theme, side * rows + ROOM_BELOW, width)
        grid = figure.subplots(rows, columns, squeeze=False)
        for axes in list(grid.flat)[len(clouds) :]:
            axes.set_axis_off()
        low, high = scales.ends or _ends(clouds)
        named: list[tuple[Axes, list[ScatterPoint]]] = []
        for place, (cloud, axes) in enumerate(zip(clouds, grid.flat, strict=False)):
            _draw_cloud(axes, cloud, looks, (low, high), theme)
            name = lines_of(cloud.name, theme.letters(0.7 * side)) if cloud.name else ""
            head(axes, f"{name}\n{_r(cloud)}".strip(), "", theme)
            across, up = (lines_of(text, theme.letters(0.7 * side)) for text in (scales.x, scales.y))
            axes.set_xlabel(across if place + columns >= len(clouds) else "", parse_math=True)
            axes.set_ylabel(up if place % columns == 0 else "", parse_math=True)
            far = sorted(cloud.defined, key=lambda pair: -abs(pair.x - pair.y))
            named.append((axes, far[: scales.labels]))
        legend_below(figure, [Series(group, *look, {}) for group, look in looks.items()], width)
        figure.draw_without_rendering()  # so that the places of labels are known, which must not overlap
        figure.set_layout_engine("none")  # and stay
        for (axes, pairs), cloud in zip(named, clouds, strict=True):
            _name(axes, pairs, cloud.defined, theme)
    return figure


def _shape(panels: int, theme: Theme) -> tuple[int, int, float]:
    """Columns, rows, and the largest side of a panel that they leave, as a share of the theme's width."""
    tallest = theme.height / theme.width - ROOM_BELOW
    shapes = [(columns, ceil(panels / columns)) for columns in range(1, panels + 1)]
    sides = [min(1 / columns, tallest / rows, WIDTH) for columns, rows in shapes]
    best = sides.index(max(sides))
    return *shapes[best], sides[best]


def _ends(clouds: Sequence[Cloud]) -> tuple[float, float]:
    """A scale that has room for all points and 0."""
    values = [0.0, *(value for cloud in clouds for pair in cloud.defined for value in (pair.x, pair.y))]
    if len(values) == 1:
        return -1.0, 1.0
    room = 0.1 * (max(values) - min(values) or 1.0)
    return min(values) - room, max(values) + room


def _draw_cloud(
    axes: Axes, cloud: Cloud, looks: dict[str, tuple[str, str]], ends: tuple[float, float], theme: Theme
) -> None:
    axes.set_aspect("equal", adjustable="box")
    room = 0.03 * (ends[1] - ends[0])
    axes.set_xlim(ends[0] - room, ends[1] + room)
    axes.set_ylim(ends[0] - room, ends[1] + room)
    axes.plot(ends, ends, color=GREY, linestyle="--", linewidth=theme.line * 0.7, zorder=1)
    axes.axhline(0, color=PALE, linewidth=theme.line * 0.7, zorder=0)
    axes.axvline(0, color=PALE, linewidth=theme.line * 0.7, zorder=0)
    for group, (colour, marker) in looks.items():
        own = [pair for pair in cloud.defined if pair.group == group]
        if not own:
            continue  # a line without points that is not clipped has an endless box, and leaves panels no room
        axes.plot(
            [pair.x for pair in own], [pair.y for pair in own], color=colour, marker=marker, linestyle="none",
            markersize=theme.marker * 0.85, alpha=0.8, clip_on=False, zorder=3,
        )  # fmt: skip
    if not cloud.defined:
        say(axes, NO_DATA, theme)


def _r(cloud: Cloud) -> str:
    defined = cloud.defined
    r = correlation(np.array([pair.x for pair in defined]), np.array([pair.y for pair in defined]))
    missing = len(cloud.pairs) - len(defined)
    lost = f", {missing} of {len(cloud.pairs)} missing" if missing else ""
    if not isfinite(r.value):
        return f"r not defined{lost}"
    return f"r = {r.value:.2f}".replace("-", "\N{MINUS SIGN}") + lost


def _name(axes: Axes, pairs: Sequence[ScatterPoint], everyone: Sequence[ScatterPoint], theme: Theme) -> None:
    """Label points where there is room; others stay without a label."""
    size = theme.marker * axes.figure.dpi / 72
    frame = axes.get_window_extent().padded(-0.4 * size)  # not on the axes
    taken = [_box(axes, pair, size) for pair in everyone]
    for pair in pairs:
        for across, up in PLACES:
            label = _label(axes, pair, across, up, theme)
            label.get_window_extent()  # sets it into its place
            box = Text.get_window_extent(label)  # without the line to its point
            inside = frame.containsx(box.x0) and frame.containsx(box.x1) and frame.containsy(box.y0)
            if inside and frame.containsy(box.y1) and not any(box.overlaps(other) for other in taken):
                taken.append(box)
                break
            label.remove()


def _box(axes: Axes, pair: ScatterPoint, size: float) -> Bbox:
    x, y = axes.transData.transform((pair.x, pair.y))
    return Bbox.from_bounds(x - size / 2, y - size / 2, size, size)


def _label(axes: Axes, pair: ScatterPoint, across: int, up: int, theme: Theme) -> Annotation:
    step = theme.marker
    return axes.annotate(
        pair.label,
        (pair.x, pair.y),
        (across * step, up * step * (1.0 if abs(up) == 1 else 1.6)),
        textcoords="offset points",
        ha={1: "left", -1: "right", 0: "center"}[across],
        va="center" if up == 0 else "bottom" if up > 0 else "top",
        fontsize=theme.small * 0.9,
        arrowprops={"arrowstyle": "-", "color": GREY, "linewidth": theme.line * 0.5, "shrinkA": 0, "shrinkB": 0}
        if abs(up) > 1
        else None,
    )
