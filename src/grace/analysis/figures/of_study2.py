"""Figures of study 2: utterances by goal and state, from answers and from distributions; negation; beside people."""

from collections.abc import Callable, Iterator, Mapping
from itertools import product

from grace.analysis.designs import GOALS, HEARTS, UTTERANCES
from grace.analysis.figures.grids import FRAME_LOOK, Negation, Shares, draw_negation, draw_utterances
from grace.analysis.figures.points import (
    MISSING,
    SHARES_BARS,
    STIMULI_BARS,
    Point,
    Row,
    Rows,
    any_defined,
    mean_point,
    models_in,
    number,
    of_model,
    share_point,
    suffixes,
    without,
)
from grace.analysis.figures.saving import Drawing
from grace.analysis.figures.scatter import Cloud, Scales, ScatterPoint, draw_scatter
from grace.analysis.figures.theme import Theme, names_of
from grace.analysis.people import study2_counts
from grace.analysis.statistics import wilson

PEOPLE = "people"
OF_PEOPLE = "people's choices (Yoon, Tessler, Goodman & Frank 2020)"
EXPERIMENTS = {
    1: ("Share of each utterance", "Experiment 1", SHARES_BARS, "share", "share of the model’s answers"),
    2: ("Mean probability of each utterance", "Experiment 2", STIMULI_BARS, "probability", "the model’s probability"),
}


def draw(tables: Mapping[str, Rows], theme: Theme) -> Iterator[Drawing]:
    """The figures that the tables have rows for."""
    if rows := tables.get("means"):
        yield from _utterances(rows, "utterances", 1, _shares, theme)
    if rows := tables.get("negation"):
        yield from _negation(rows, theme)
    spoken = {f"prob_{utterance}" for utterance in UTTERANCES}
    if rows := [row for row in tables.get("distributions", ()) if row["quantity"] in spoken]:
        yield from _utterances(rows, "probabilities", 2, _probabilities, theme)


def people() -> Shares:
    """The share of people who chose each utterance."""
    return {
        (*cell, utterance): _share(chosen, counts.sum())
        for cell, counts in zip(product(GOALS, HEARTS), study2_counts(), strict=True)
        for utterance, chosen in zip(UTTERANCES, counts, strict=True)
    }


def people_negate() -> Negation:
    """The share of people who chose an utterance with "wasn't"."""
    half = len(UTTERANCES) // 2
    cells = zip(product(GOALS, HEARTS), study2_counts(), strict=True)
    return {cell: _share(counts[half:].sum(), counts.sum()) for cell, counts in cells}


def _share(chosen: float, total: float) -> Point:
    low, high = wilson(float(chosen / total), float(total))
    return Point(float(chosen / total), float(low or 0), float(high or 0), int(total))


def _key(row: Row, utterance: object) -> tuple[str, int, str]:
    return str(row["goal"]), int(number(row, "state")), str(utterance)


def _shares(rows: Rows) -> Shares:
    return {_key(row, row["utterance"]): share_point(row) for row in rows}


def _probabilities(rows: Rows) -> Shares:
    return {_key(row, str(row["quantity"]).removeprefix("prob_")): mean_point(row, 1) for row in rows}


def _utterances(
    rows: Rows, kind: str, experiment: int, read: Callable[[Rows], Shares], theme: Theme
) -> Iterator[Drawing]:
    """A grid for each model, and the scatter of all of them."""
    what, which, bars, unit, axis = EXPERIMENTS[experiment]
    names, files = names_of(models_in(rows)), suffixes(models_in(rows))
    everyone = {name: read(of_model(rows, model)) for model, name in names.items()}
    there = {name: own for name, own in everyone.items() if any_defined(own.values())}
    reference = {key: Point(point.mean) for key, point in people().items()}  # their bars would be too many
    for model, name in names.items():
        if name not in there:
            continue
        title = f"{name}. " if name else ""
        caption = (
            f"{title}{what} by goal (rows) and true state (columns), {which}; utterances with and without negation are "
            f"apart. {bars} Hollow marks and broken lines are {OF_PEOPLE}."
        )
        figure = draw_utterances(name, there[name], theme, {PEOPLE: reference}, unit)
        yield Drawing(f"study2_{kind}{files[model]}", figure, caption, theme, experiment)
    if not there:
        return

    def pair(key: tuple[str, int, str], own: Shares) -> ScatterPoint:
        look = FRAME_LOOK[key[2].split("_")[0]]
        return ScatterPoint(reference[key].mean, own.get(key, MISSING).mean, _label(key), look[0])

    clouds = [Cloud(name, [pair(key, own) for key in reference]) for name, own in there.items()]
    looks = {label: (colour, marker) for label, colour, marker in FRAME_LOOK.values()}
    caption = (
        f"{what}, {which}, against the share of {OF_PEOPLE}, a point for each goal, state and utterance; r is "
        "Pearson's. The farthest points are named where there is room, as `both, 0: wasn’t bad`."
        f"{without(everyone, there)}"
    )
    figure = draw_scatter(clouds, looks, Scales("share of people who say it", axis, (0, 1), 4), theme)
    yield Drawing(f"study2_people_{kind}", figure, caption, theme, experiment)


def _label(key: tuple[str, int, str]) -> str:
    goal, hearts, utterance = key
    said = utterance.replace("wasnt", "wasn’t").replace("_", " ")
    return f"{goal}, {hearts}: {said}"


def _negation(rows: Rows, theme: Theme) -> Iterator[Drawing]:
    names = names_of(models_in(rows))
    everyone = {
        name: {(str(row["goal"]), int(number(row, "state"))): share_point(row) for row in of_model(rows, model)}
        for model, name in names.items()
    }
    there = [name for name, own in everyone.items() if any_defined(own.values())]
    if not there:
        return
    caption = (
        f"Share of utterances with negation by goal and true state, Experiment 1. {SHARES_BARS} "
        f"Diamonds are {OF_PEOPLE}.{without(everyone, there)}"
    )
    yield Drawing("study2_negation", draw_negation(everyone, theme, people_negate()), caption, theme)
