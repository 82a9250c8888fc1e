"""Figures of any study: for each field and question its means by condition, models side by side, and its contrasts."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil

from matplotlib.figure import Figure

from grace.analysis.figures.marks import Series, draw_panel, head, legend_below, spread
from grace.analysis.figures.points import Point, Row, Rows, count, distinct, models_in, number, slug
from grace.analysis.figures.saving import Drawing
from grace.analysis.figures.theme import COLOURS, MARKERS, Theme, legend_name, lines_of, names_of, new_figure, styled
from grace.analysis.study_people import with_people
from grace.columns import MODEL

BEFORE_MEASURES = "experiment"
"""The first column of means.csv that does not name a condition."""
COLUMNS = 3
MOST_SERIES = 14
"""More lines could not be told apart."""
BARS = "Marks are means over stimuli, each of which counts once; bars are their 95% intervals."


@dataclass(frozen=True)
class Panelled:
    """What the figure of a measure shows.

    Attributes:
        places: names of places on the x axis.
        series: for each name in the legend and each model the points, by place.
        about: what the places are.
    """

    places: tuple[str, ...]
    series: Mapping[str, Mapping[str, Mapping[float, Point]]]
    about: str


def draw(study: str, tables: Mapping[str, Rows], theme: Theme) -> Iterator[Drawing]:
    """The figures of the rows of means.csv."""
    rows = tables.get("means", ())
    if not rows:
        return
    names = list(rows[0])
    rows = with_people(rows, tables.get("people_means", ()))
    factors = [name for name in names[: names.index(BEFORE_MEASURES)] if name != MODEL]
    measures = list(dict.fromkeys((int(number(row, BEFORE_MEASURES)), str(row["measure"])) for row in rows))
    files = distinct(f"{slug(study)}_{slug(name)}" for _, name in measures)
    for (experiment, name), file in zip(measures, files, strict=True):
        own = [row for row in rows if (int(number(row, BEFORE_MEASURES)), str(row["measure"])) == (experiment, name)]
        for part, of_part in (
            ("", [row for row in own if row["value"]]),
            ("_mean", [r for r in own if not r["value"]]),
        ):
            if any(number(row, "mean") == number(row, "mean") for row in of_part):
                yield _drawing(f"{file}{part}", experiment, name, of_part, factors, theme)


def _drawing(file: str, experiment: int, name: str, rows: Rows, factors: Sequence[str], theme: Theme) -> Drawing:
    labels = list(dict.fromkeys(str(row["value"]) for row in rows))
    shown = labels[:1] if len(labels) == 2 else labels
    rows = [row for row in rows if str(row["value"]) in shown]
    what = {1: "share of answers", 2: "probability"}[experiment] if labels[0] else "mean"
    of_label = f" of {shown[0]}" if len(shown) == 1 and shown[0] else ""
    panels = _panelled(rows, factors, len(shown) > 1)
    caption = f"{name} (Experiment {experiment}): {what}{of_label} by condition"
    caption += f" ({', '.join(factors)}). {BARS}" if factors else f". {BARS}"
    left_out = len(panels.series) - MOST_SERIES
    if left_out > 0:
        caption += f" The first {MOST_SERIES} of {len(panels.series)} series are shown; means.csv has all."
    figure = _draw(panels, rows, f"{what}{of_label}", bool(labels[0]), f"{name} (Experiment {experiment})", theme)
    return Drawing(file, figure, caption, theme, experiment)


def _panelled(rows: Rows, factors: Sequence[str], several: bool) -> Panelled:
    """Conditions on the x axis and labels as series; with one label the first factor there, the others as series."""
    across, along = (factors, ()) if several or len(factors) < 2 else (factors[:1], factors[1:])
    places = list(dict.fromkeys(_levels(row, across) for row in rows))
    series: dict[str, dict[str, dict[float, Point]]] = {}
    for row in rows:
        label = str(row["value"]) if several else ", ".join(f"{name}: {row[name]}" for name in along)
        model = str(row.get(MODEL) or "")
        point = Point(number(row, "mean"), number(row, "low"), number(row, "high"), count(row))
        series.setdefault(label, {}).setdefault(model, {})[places.index(_levels(row, across))] = point
    return Panelled(tuple(places), series, ", ".join(across))


def _levels(row: Row, factors: Sequence[str]) -> str:
    return ", ".join(str(row[name]) for name in factors) or "all trials"


def _draw(panels: Panelled, rows: Rows, what: str, share: bool, title: str, theme: Theme) -> Figure:
    models = models_in(rows)
    names = names_of(models)
    labels = list(panels.series)[:MOST_SERIES]
    shifts = spread(len(labels), min(0.5, 0.12 * len(labels)))
    columns = min(COLUMNS, len(models))
    lines = ceil(len(models) / columns)
    long = sum(map(len, panels.places)) > 60 / columns
    width = 1.0 if columns > 1 or len(panels.places) > 4 else 0.7
    with styled(theme):
        figure = new_figure(theme, (0.5 if long else 0.38) * lines + 0.06, width)
        grid = figure.subplots(lines, columns, squeeze=False, sharey=True)
        for axes in list(grid.flat)[len(models) :]:
            axes.set_axis_off()
        for place, (model, axes) in enumerate(zip(models, grid.flat, strict=False)):
            series = [
                Series(label, *_look(place), panels.series[label].get(model, {}), ":", shift=shift)
                for place, (label, shift) in enumerate(zip(labels, shifts, strict=True))
            ]
            note = draw_panel(axes, series)
            axes.set_xticks(range(len(panels.places)), list(panels.places))
            axes.set_xlim(-0.6, len(panels.places) - 0.4)
            if long:
                axes.tick_params("x", labelrotation=90)
            if share:
                axes.set_ylim(-0.03, 1.03)
                axes.set_yticks([0, 0.25, 0.5, 0.75, 1])
            axes.set_xlabel(panels.about if place + columns >= len(models) else "")
            head(axes, lines_of(names[model] or title, theme.letters(width / columns)), note, theme)
        figure.supylabel(what)
        shown = [(place, label) for place, label in enumerate(labels) if label]
        legend_below(
            figure, [Series(legend_name(label, theme, width), *_look(place), {}) for place, label in shown], width
        )
    return figure


def _look(place: int) -> tuple[str, str]:
    return COLOURS[place % len(COLOURS)], MARKERS[place % len(MARKERS)]
