"""What quantization (or another server, or another model) shifts: distances and effects, beside the margin."""

from collections.abc import Mapping, Sequence
from math import isfinite

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from grace.analysis.figures.marks import NO_DATA, Series, legend_below, say, spread, title
from grace.analysis.figures.points import Point, Row, Rows, number
from grace.analysis.figures.theme import BLACK, GREY, PALE, VERMILLION, Theme, clean, look_of, new_figure, styled
from grace.analysis.figures.words import QUESTIONS, SOURCES
from grace.text import shortened

DISTANCES = ("total_variation",)
LONGEST = 44
"""The most letters of a row's name."""


def draw_shift(findings: Rows, titles: Mapping[str, str], margin: float, name: str, theme: Theme) -> Figure:
    """Two panels: how far the distributions are apart, and how far each effect moves; with 90% intervals.

    Args:
        findings: rows of compare.csv, or of a Comparison's findings as dictionaries.
        titles: titles of the effects, by name; others keep their name.
        margin: shares that differ by less count as the same; both panels show it.
        name: the title.
        theme: the look.
    """
    apart = [row for row in findings if row.get("measure") in DISTANCES and not row.get("condition")]
    shifts = [row for row in findings if str(row.get("experiment")).startswith("effects of")]
    with styled(theme):
        effects = list(dict.fromkeys(str(row["of"]) for row in shifts))
        longer = max(len(apart), len(effects), 3)
        figure = new_figure(theme, 0.035 * longer + 0.22)
        title(figure, name, theme)
        left, right = figure.subplots(1, 2)
        _distances(left, apart, margin, theme)
        _rows(right, [_name(titles.get(effect, effect)) for effect in effects])
        legend = _effects(right, shifts, effects, margin, theme)
        legend.append(Series(f"margin ({margin:g})", PALE, "s", {}))
        if any(isfinite(number(row, "noise")) for row in apart):
            legend.append(Series("noise: one model asked twice", VERMILLION, "|", {}))
        legend_below(figure, legend)
    return figure


def _distances(axes: Axes, rows: Rows, margin: float, theme: Theme) -> None:
    axes.set_title("distance of distributions")
    of_answers = {True: "", False: " (answers)"}
    _rows(
        axes,
        [
            _name(f"{QUESTIONS.get(of := str(row['of']), of)}{of_answers[row['experiment'] == 'probabilities']}")
            for row in rows
        ],
    )
    axes.axvspan(0, margin, color=PALE, zorder=0, linewidth=0)
    points = [_interval(row) for row in rows]
    _across(axes, points, range(len(rows)), BLACK, "o")
    for place, row in enumerate(rows):
        if isfinite(noise := number(row, "noise")):
            axes.plot(noise, place, color=VERMILLION, marker="|", markersize=theme.font, zorder=4)
    ends = [margin, *(value for point in points for value in (point.mean, point.high) if isfinite(value))]
    axes.set_xlim(0, min(max(ends) * 1.15, 1.02))
    axes.set_xlabel("total variation, 0 to 1")
    if not any(point.is_defined for point in points):
        say(axes, NO_DATA, theme)


def _effects(axes: Axes, rows: Rows, effects: Sequence[str], margin: float, theme: Theme) -> list[Series]:
    """A row for each effect, with the sources that it is known from side by side."""
    axes.set_title("shift of effects")
    axes.axvspan(-margin, margin, color=PALE, zorder=0, linewidth=0)
    axes.axvline(0, color=GREY, linewidth=theme.line * 0.7, zorder=1)
    sources = list(dict.fromkeys(str(row["experiment"]).removeprefix("effects of ") for row in rows))
    looks, shifts = look_of(sources), spread(len(sources)) if sources else []
    for source, shift in zip(sources, shifts, strict=True):
        own = [row for row in rows if row["experiment"] == f"effects of {source}"]
        places = [effects.index(str(row["of"])) + shift for row in own]
        _across(axes, [_interval(row) for row in own], places, *looks[source])
    intervals = [_interval(row) for row in rows]
    ends = [abs(value) for point in intervals for value in (point.mean, point.low, point.high) if isfinite(value)]
    reach = max([margin, *ends]) * 1.15
    axes.set_xlim(-reach, reach)
    axes.set_xlabel("second less first")
    if not any(point.is_defined for point in intervals):
        say(axes, NO_DATA, theme)
    return [Series(SOURCES.get(source, source), *look, {}) for source, look in looks.items()]


def _rows(axes: Axes, names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(max(len(names), 1) - 0.4, -0.6)
    axes.grid(visible=False, axis="y")
    axes.grid(visible=True, axis="x")


def _across(axes: Axes, points: Sequence[Point], places: Sequence[float], colour: str, marker: str) -> None:
    reaches = [point.reach for point in points]
    axes.errorbar(
        [point.mean for point in points],
        list(places),
        xerr=[[low for low, _ in reaches], [high for _, high in reaches]],
        color=colour,
        marker=marker,
        linestyle="none",
        zorder=3,
    )


def _interval(row: Row) -> Point:
    return Point(number(row, "value"), number(row, "low"), number(row, "high"))


def _name(text: str) -> str:
    return shortened(clean(text), LONGEST)
