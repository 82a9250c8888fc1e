"""Figures of study 1: bets by word and access, from answers and from distributions; beside theory and people."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from grace.analysis.designs import ACCESS_NUMBER, STATES, WORDS
from grace.analysis.figures.grids import Bets, draw_bets, draw_bets_of_models
from grace.analysis.figures.points import (
    MEANS_BARS,
    MISSING,
    STIMULI_BARS,
    Point,
    Row,
    Rows,
    any_defined,
    mean_point,
    models_in,
    number,
    of_model,
    suffixes,
    without,
)
from grace.analysis.figures.saving import Drawing
from grace.analysis.figures.scatter import Cloud, Scales, ScatterPoint, draw_scatter
from grace.analysis.figures.theme import BLUE, GREEN, VERMILLION, Theme, names_of
from grace.analysis.names import PLANNED, kind_in
from grace.analysis.people import study1_tests
from grace.analysis.rsa_knowledge import predictions
from grace.analysis.study1 import cell_title, planned_effects

THEORY = "rational speech acts"
WORD_LOOK = {"one": (BLUE, "o"), "two": (VERMILLION, "s"), "three": (GREEN, "^")}


@dataclass(frozen=True)
class Spread:
    """Numbers for each state in distributions.csv; `quantity` has {} for the state, `scale` makes means percent."""

    quantity: str
    kind: str
    unit: str
    about: str
    scale: float


DISTRIBUTIONS = (
    Spread("state{}_mean", "expected_bets", "expected bet (%)", "Mean expected bets on each state", 1.0),
    Spread(
        "prob_state_{}", "state_probabilities", "probability (%)", "Mean probability of each state, in percent,", 100.0
    ),
)


def draw(tables: Mapping[str, Rows], theme: Theme) -> Iterator[Drawing]:
    """The figures that the tables have rows for."""
    if rows := tables.get("means"):
        yield from _of_means(rows, theme)
    for spread_over in DISTRIBUTIONS:
        yield from _of_distributions(tables.get("distributions", ()), spread_over, theme)
    if rows := [row for row in tables.get("tests", ()) if kind_in(row["test"]) == PLANNED]:
        yield from _people(rows, theme)


def theory() -> Bets:
    """What rational speech acts predict, percent."""
    return {
        (access, WORDS[number], state): Point(100 * float(share))
        for (access, number), shares in zip(ACCESS_NUMBER, predictions(), strict=True)
        for state, share in enumerate(shares)
    }


def bets_of(rows: Rows) -> Bets:
    """The bets in rows of means.csv, one model's."""
    return {_key(row, int(number(row, "state"))): mean_point(row, 100) for row in rows}


def _key(row: Row, state: int) -> tuple[int, str, int]:
    return int(number(row, "access")), str(row["word"]), state


def _of_means(rows: Rows, theme: Theme) -> Iterator[Drawing]:
    names, files = names_of(models_in(rows)), suffixes(models_in(rows))
    everyone = {name: bets_of(of_model(rows, model)) for model, name in names.items()}
    there = {name: bets for name, bets in everyone.items() if any_defined(bets.values())}
    for model, name in names.items():
        if name not in there:
            continue
        caption = (
            f"{_title(name)}Mean bets on each state by word and access (how many of the three the speaker looked at), "
            f"Experiment 1. {MEANS_BARS} Diamonds are what rational speech acts predict (Goodman & Stuhlmüller 2013)."
        )
        figure = draw_bets(name, everyone[name], theme, {THEORY: theory()})
        yield Drawing(f"study1_bets{files[model]}", figure, caption, theme)
    if len(there) > 1:
        caption = (
            f"Mean bets on each state by word and access, Experiment 1, of all models. {MEANS_BARS}"
            f"{without(everyone, there)}"
        )
        yield Drawing("study1_bets_of_models", draw_bets_of_models(everyone, theme), caption, theme)
    if there:
        yield _against_theory(there, without(everyone, there), theme)


def _title(name: str) -> str:
    return f"{name}. " if name else ""


def _of_distributions(rows: Rows, what: Spread, theme: Theme) -> Iterator[Drawing]:
    columns = {what.quantity.format(state): state for state in STATES}
    own = [row for row in rows if row["quantity"] in columns]
    if not own:
        return
    names, files = names_of(models_in(own)), suffixes(models_in(own))
    for model, name in names.items():
        bets = {
            _key(row, columns[str(row["quantity"])]): mean_point(row, 100, what.scale) for row in of_model(own, model)
        }
        if not any_defined(bets.values()):
            continue
        caption = (
            f"{_title(name)}{what.about} by word and access, from the distributions of Experiment 2. {STIMULI_BARS} "
            "Diamonds are what rational speech acts predict (Goodman & Stuhlmüller 2013)."
        )
        figure = draw_bets(name, bets, theme, {THEORY: theory()}, what.unit)
        yield Drawing(f"study1_{what.kind}{files[model]}", figure, caption, theme, 2)


def _against_theory(everyone: Mapping[str, Bets], more: str, theme: Theme) -> Drawing:
    predicted = theory()

    def pair(key: tuple[int, str, int], bets: Bets) -> ScatterPoint:
        access, word, state = key
        title = f"{cell_title((str(access), word))}: {state}"
        return ScatterPoint(predicted[key].mean, bets.get(key, MISSING).mean, title, f"word “{word}”")

    clouds = [Cloud(name, [pair(key, bets) for key in predicted]) for name, bets in everyone.items()]
    scales = Scales(f"{THEORY} (%)", "mean bet (%)", (0, 100), 4)
    caption = (
        "Mean bets of Experiment 1 against what rational speech acts predict (Goodman & Stuhlmüller 2013), a point for "
        "each word, access and state; r is Pearson's. The farthest points are named where there is room, as "
        f"`access 3, “two”: 3` for the bet on state 3 at access 3 and the word two.{more}"
    )
    looks = {f"word “{word}”": look for word, look in WORD_LOOK.items()}
    return Drawing("study1_theory", draw_scatter(clouds, looks, scales, theme), caption, theme)


def _people(rows: Rows, theme: Theme) -> Iterator[Drawing]:
    """Effect sizes, since the means of people are not published as numbers."""
    published = {effect.name: (effect.title, study1_tests()[effect.name]) for effect in planned_effects()}
    names = names_of(models_in(rows))
    clouds = []
    for model, name in names.items():
        sizes = {str(row["test"]): number(row, "effect_size") for row in of_model(rows, model)}
        pairs = [
            ScatterPoint(test.effect_size, sizes.get(key, float("nan")), title, _shown(test.holds))
            for key, (title, test) in published.items()
        ]
        clouds.append(Cloud(name, pairs))
    there = [cloud for cloud in clouds if cloud.defined]
    if not there:
        return
    looks = {_shown(True): (BLUE, "o"), _shown(False): (VERMILLION, "s")}
    caption = (
        "Effect sizes d_z (mean difference over its standard deviation) of the eight planned comparisons, of each "
        "model against people; theirs follow from the t of Goodman & Stuhlmüller (2013), whose means are not "
        "published as numbers. `access 3, “two”: 2 > 3` is the bet on 2 less that on 3 at access 3 and the word two; "
        "r is Pearson's. A comparison whose differences do not vary has no d_z, and is missing."
        f"{without(names.values(), (cloud.name for cloud in there))}"
    )
    scales = Scales("effect size of people, $d_z$", "effect size of the model, $d_z$", None, len(published))
    yield Drawing("study1_people", draw_scatter(there, looks, scales, theme), caption, theme)


def _shown(holds: bool) -> str:
    return "people show it" if holds else "people do not"
