"""The grids that readers of both papers know: bets by word and access, utterances by goal and state."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from grace.analysis.designs import ASSESSMENTS, GOALS, HEARTS, STATES
from grace.analysis.designs import WORDS as NUMBER_WORDS
from grace.analysis.figures import marks
from grace.analysis.figures.marks import Line, Series
from grace.analysis.figures.points import MISSING, Point, any_defined
from grace.analysis.figures.theme import BLACK, BLUE, GREY, VERMILLION, Theme, legend_name, look_of, new_figure, styled
from grace.analysis.study2 import hearts_title

WORDS = tuple(NUMBER_WORDS.values())
FRAME_LOOK = {"was": ("It was …", BLUE, "o"), "wasnt": ("It wasn't …", VERMILLION, "s")}

GAP = 0.24
"""The share of the height of a grid of bets that is empty at its lower left."""

Bets = Mapping[tuple[int, str, int], Point]
"""By access, word and state, in percent; what is missing is not there or has no mean."""
Shares = Mapping[tuple[str, int, str], Point]
"""By goal, hearts and utterance, as was_good; what is missing is not there or has no mean."""
Negation = Mapping[tuple[str, int], Point]
"""By goal and hearts."""


def draw_bets(
    name: str, bets: Bets, theme: Theme, others: Mapping[str, Bets] | None = None, what: str = "bet (%)"
) -> Figure:
    """Study 1: bars of the bets on each state, words by access.

    `others` are further bets by name, such as those that a theory predicts, drawn as hollow marks. `what` says, with
    its unit, what the bars show.
    """
    with styled(theme):
        figure, panels = _bets_grid(theme, name, what)
        for cell, axes in panels.items():
            points = {state: point for state, point in _in_cell(bets, cell).items() if point.is_defined}
            _bars(axes, points)
            if points:  # or the head says that there is nothing
                _gaps(axes, points, theme)
            for label, other in (others or {}).items():
                marks.draw_series(axes, Series(label, BLACK, "D", _in_cell(other, cell), hollow=True))
            _head_bets(axes, cell, marks.rows_note(points.values()), theme)
        _legend_in_gap(figure, [Series(label, BLACK, "D", {}, hollow=True) for label in others or {}], theme)
    return figure


def draw_bets_of_models(bets: Mapping[str, Bets], theme: Theme) -> Figure:
    """Study 1: the bets of several models side by side, words by access.

    `bets` are by the name to show; a model without any has its colour, but is not drawn.
    """
    looks = look_of(list(bets))
    there = {name: own for name, own in bets.items() if any_defined(own.values())}
    shifts = marks.spread(len(there))
    with styled(theme):
        figure, panels = _bets_grid(theme, "", "bet (%)")
        for cell, axes in panels.items():
            series = [
                Series(legend_name(name, theme), *looks[name], _in_cell(own, cell), shift=shift)
                for (name, own), shift in zip(there.items(), shifts, strict=True)
            ]
            _head_bets(axes, cell, marks.draw_panel(axes, series), theme)
        _legend_in_gap(figure, [Series(legend_name(name, theme), *looks[name], {}) for name in there], theme)
    return figure


def _bets_grid(theme: Theme, name: str, what: str) -> tuple[Figure, dict[tuple[int, str], Axes]]:
    """A figure with a panel for each access and word that can be; a speaker who saw one does not say two."""
    figure = new_figure(theme, 0.8)
    marks.title(figure, name, theme)
    grid = figure.subplots(len(WORDS), 3, squeeze=False)
    panels = {}
    for row, word in enumerate(WORDS):
        for column, axes in enumerate(grid[row]):
            if column < row:
                axes.set_axis_off()
                continue
            marks.scale(axes, STATES, [str(state) for state in STATES], 100, 25)
            axes.tick_params(labelbottom=row == column, labelleft=row == column)
            axes.set_ylabel(what if row == column else "")
            if column == len(WORDS) - 1:
                marks.row_name(axes, f"word “{word}”")
            panels[column + 1, word] = axes
    panels[3, "three"].set_xlabel("state (how many of 3)")
    return figure, panels


def _head_bets(axes: Axes, cell: tuple[int, str], note: str, theme: Theme) -> None:
    access, word = cell
    marks.head(axes, f"access {access} of 3" if word == WORDS[0] else "", note, theme)


def _in_cell(bets: Bets, cell: tuple[int, str]) -> dict[float, Point]:
    return {state: bets.get((*cell, state), MISSING) for state in STATES}


def _bars(axes: Axes, points: Mapping[float, Point]) -> None:
    reaches = [point.reach for point in points.values()]
    axes.bar(list(points), [point.mean for point in points.values()], width=0.7, color=BLUE, alpha=0.75, zorder=1)
    axes.errorbar(
        list(points),
        [point.mean for point in points.values()],
        yerr=[[low for low, _ in reaches], [high for _, high in reaches]],
        color=BLACK,
        linestyle="none",
        zorder=3,
    )


def _gaps(axes: Axes, points: Mapping[float, Point], theme: Theme) -> None:
    """Say what is missing, since no bar looks like a bar of 0."""
    for state in set(STATES) - set(points):
        axes.text(state, 6, "n/a", ha="center", va="bottom", color=GREY, fontsize=theme.small)


def _legend_in_gap(figure: Figure, series: Sequence[Series], theme: Theme) -> None:
    """The legend in the corner of the grid that stays empty, or below where it is too long for that."""
    handles = marks.handles_of(series)
    lines = sum(one.label.count("\n") + 1 for one in series)
    if lines * theme.small * 1.7 > GAP * figure.get_figheight() * 72:  # points; 1.7 with the space between entries
        marks.legend_below(figure, series)
    elif handles:
        figure.legend(handles=handles, loc="lower left", bbox_to_anchor=(0.06, 0.1))


def draw_utterances(
    name: str, shares: Shares, theme: Theme, others: Mapping[str, Shares] | None = None, what: str = "share"
) -> Figure:
    """Study 2: the share of each utterance, goals by states, "was" and "wasn't" apart.

    The shares are full marks, joined by lines; `others` are further shares by name, such as those of people, drawn as
    hollow marks with broken lines. `what` says what the full marks show.
    """
    with styled(theme):
        figure, panels = _utterances_grid(theme, name, what)
        for cell, axes in panels.items():
            for series in _frames(shares, cell, "", False):
                marks.draw_series(axes, series)
            for label, other in (others or {}).items():
                for series in _frames(other, cell, label, True):
                    marks.draw_series(axes, series)
            own = [point for key, point in shares.items() if key[:2] == cell and point.is_defined]
            marks.head(axes, hearts_title(cell[1]) if cell[0] == GOALS[0] else "", marks.rows_note(own), theme)
        marks.legend_below(
            figure, [one for label in ("", *(others or {})) for one in _frames({}, ("", 0), label, bool(label))]
        )
    return figure


def _utterances_grid(theme: Theme, name: str, what: str) -> tuple[Figure, dict[tuple[str, int], Axes]]:
    figure = new_figure(theme, 0.95)
    marks.title(figure, name, theme)
    grid = figure.subplots(len(GOALS), len(HEARTS), squeeze=False)
    panels = {}
    for row, goal in enumerate(GOALS):
        for column, axes in enumerate(grid[row]):
            marks.scale(axes, range(len(ASSESSMENTS)), ASSESSMENTS, 1, 0.5)
            axes.tick_params(labelbottom=row == len(GOALS) - 1, labelleft=column == 0)
            axes.tick_params("x", labelrotation=45, labelrotation_mode="xtick")
            if column == 0:
                axes.set_ylabel(what)
            if column == len(HEARTS) - 1:
                marks.row_name(axes, goal)
            panels[goal, HEARTS[column]] = axes
    return figure, panels


def _frames(shares: Shares, cell: tuple[str, int], whose: str, hollow: bool) -> list[Series]:
    """A line for "was" and one for "wasn't", a little apart."""
    series = []
    for side, (frame, (label, colour, marker)) in zip((-1, 1), FRAME_LOOK.items(), strict=True):
        points: dict[float, Point] = {
            place: shares.get((*cell, f"{frame}_{assessment}"), MISSING) for place, assessment in enumerate(ASSESSMENTS)
        }
        line: Line = "--" if hollow else "-"
        series.append(
            Series(f"{label} ({whose})" if whose else label, colour, marker, points, line, hollow, 0.1 * side)
        )
    return series


def draw_negation(negation: Mapping[str, Negation], theme: Theme, people: Negation | None = None) -> Figure:
    """Study 2: the share of "wasn't" by goal and state, models side by side.

    `negation` is by the name to show; a model without any has its colour, but is not drawn.
    """
    looks = look_of(list(negation))
    there = {name: own for name, own in negation.items() if any_defined(own.values())}
    shifts = marks.spread(len(there), min(0.6, 0.12 * len(there)))
    with styled(theme):
        figure = new_figure(theme, 0.48)
        panels = figure.subplots(1, len(GOALS), squeeze=False)[0]
        everyone = [(legend_name(name, theme), *looks[name], own) for name, own in there.items()]
        for goal, axes in zip(GOALS, panels, strict=True):
            marks.scale(axes, HEARTS, [str(hearts) for hearts in HEARTS], 1, 0.25)
            series = [
                Series(label, colour, marker, _of_goal(own, goal), ":", shift=shift)
                for (label, colour, marker, own), shift in zip(everyone, shifts, strict=True)
            ]
            marks.head(axes, goal, marks.draw_panel(axes, series), theme)
            if people:
                marks.draw_series(axes, Series("people", BLACK, "D", _of_goal(people, goal), "--", True))
            axes.set_xlabel("state (hearts)")
            axes.tick_params(labelleft=axes is panels[0])
        panels[0].set_ylabel("share of “wasn’t”")
        marks.legend_below(
            figure,
            [Series(label, colour, marker, {}, ":") for label, colour, marker, _ in everyone]
            + ([Series("people", BLACK, "D", {}, "--", True)] if people else []),
        )
    return figure


def _of_goal(negation: Negation, goal: str) -> dict[float, Point]:
    return {hearts: negation.get((goal, hearts), MISSING) for hearts in HEARTS}
