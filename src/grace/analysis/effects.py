"""Effects: contrasts of conditions that people show or do not show, and their estimates in a sample."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from grace.analysis.distances import SLACK, Array
from grace.analysis.people import study1_tests, study2_counts
from grace.analysis.samples import ACCESS_WORD, GOALS, UTTERANCES, Grouped

ALPHA = 0.05
WORDS = {1: "one", 2: "two", 3: "three"}
ONE_STIMULUS = "a condition has one stimulus only, so nothing tells how much stimuli vary"
"""Why there is no standard error and no interval."""
ALL_ALIKE = "stimuli do not vary at all, so nothing tells how sure this is"
"""Why there is no test: that no difference was seen between some stimuli does not mean that there is none."""


@dataclass(frozen=True)
class Effect:
    """A directed contrast of mean shares: it is there when the sum of weights times means is above zero.

    Attributes:
        name: as planned:a3-two:2>3.
        about: in words.
        weights: shape (conditions, labels).
        people: whether people show it.
    """

    name: str
    about: str
    weights: Array
    people: bool


@dataclass(frozen=True)
class Estimate:
    """A contrast in a sample.

    Attributes:
        value: the contrast; NaN where it is not defined.
        se: its standard error over stimuli; NaN with fewer than two of them in a condition, and where none varies.
        df: degrees of freedom, after Welch and Satterthwaite.
        stimuli: how many stimuli it rests on: the effective n.
        reason: why something is not defined.
    """

    value: float
    se: float
    df: float
    stimuli: int
    reason: str = ""

    @property
    def statistic(self) -> float:
        """t; NaN where there is no standard error."""
        return self.value / self.se

    @property
    def p(self) -> float:
        """One-tailed: how likely so high a value or higher would be without the effect."""
        from scipy.stats import t

        return float(t.sf(self.statistic, self.df))


def stimuli_alike(grouped: Grouped) -> Grouped:
    """The same with each stimulus counted once, as the mean of its rows, however many these are."""
    return replace(grouped, sums=grouped.sums / grouped.rows[:, None], rows=np.ones_like(grouped.rows))


def estimate(grouped: Grouped, weights: Array) -> Estimate:
    """A contrast of condition means with its standard error over stimuli.

    Each stimulus counts once, as the mean of its rows: a condition's mean is that of its stimuli's means, its variance
    s^2 / m. Of one condition that is Student's t test of stimuli's means, of two Welch's. (The variance of a mean over
    rows is far too small where few stimuli have most of them.) `weights` have the shape (conditions, labels).
    """
    means = stimuli_alike(grouped).sums
    value, variances, dfs, stimuli = 0.0, [], [], 0
    for condition in np.flatnonzero(np.abs(weights).sum(axis=1)):
        own = means[grouped.cells == condition] @ weights[condition]
        if not len(own):
            return Estimate(np.nan, np.nan, np.nan, 0, "a condition has no rows")
        value += float(own.mean())
        stimuli += len(own)
        variances.append(own.var(ddof=1) / len(own) if len(own) > 1 else np.nan)
        dfs.append(len(own) - 1)
    spread = np.array(variances)
    total = float(spread.sum())
    if not total > SLACK**2:
        return Estimate(value, np.nan, np.nan, stimuli, ONE_STIMULUS if np.isnan(total) else ALL_ALIKE)
    return Estimate(value, float(np.sqrt(total)), total**2 / float((spread**2 / dfs).sum()), stimuli)


def bounds(weights: Array) -> tuple[float, float]:
    """The least and the largest that a contrast of shares can be; `weights` have the shape (conditions, labels)."""
    return float(weights.min(axis=1).sum()), float(weights.max(axis=1).sum())


def effects_of(study: str) -> tuple[Effect, ...]:
    """The effects of a study."""
    return tuple(_study1() if study == "study1" else _study2())


@cache
def planned_weights() -> dict[str, Array]:
    """The planned comparisons of study 1 as weights, shape (conditions, states), in the order of the paper."""
    return {name: _comparison(name) for name in study1_tests() if name.startswith("planned:")}


def _comparison(name: str) -> Array:
    """The weights of a comparison named as planned:a3-two:2>3."""
    _, condition, states = name.split(":")
    access, word = condition[1:].split("-")
    number = next(number for number, spelled in WORDS.items() if spelled == word)
    higher, lower = states.split(">")
    weights = np.zeros((len(ACCESS_WORD), 4))
    weights[ACCESS_WORD.index((int(access), number)), [int(higher), int(lower)]] = 1, -1
    return weights


def _study1() -> Iterator[Effect]:
    tests = study1_tests()
    planned = planned_weights()
    for name, weights in planned.items():
        _, condition, states = name.split(":")
        access, word = condition[1:].split("-")
        higher, lower = states.split(">")
        about = f"access {access}, '{word}': more on {higher} than on {lower}"
        yield Effect(name, about, weights, tests[name].holds)
    for word, states, partial in (("two", "2>3", 2), ("one", "1>2", 1)):
        full, less = (planned[f"planned:a{access}-{word}:{states}"] for access in (3, partial))
        about = f"'{word}' means '{word}, not more' rather with access 3 than with access {partial}"
        yield Effect(f"interaction:{word}:{states}", about, full - less, tests["anova:access:word"].holds)


NEGATION = np.array([utterance.startswith("wasnt") for utterance in UTTERANCES], dtype=float)
PRAISE = np.array([utterance in ("was_good", "was_amazing") for utterance in UTTERANCES], dtype=float)
BLUNT = np.array([utterance == "was_terrible" for utterance in UTTERANCES], dtype=float)


def _cell(goal: str, hearts: int, labels: Array) -> Array:
    """Weights that pick the share of some utterances in one condition of study 2."""
    weights = np.zeros((len(GOALS) * 4, len(UTTERANCES)))
    weights[GOALS.index(goal) * 4 + hearts] = labels
    return weights


def _study2() -> Iterator[Effect]:
    def effect(name: str, about: str, weights: Array) -> Effect:
        return Effect(name, about, weights, shown_by_people(weights))

    def falls(goal: str) -> Array:
        return _cell(goal, 0, NEGATION) - _cell(goal, 3, NEGATION)

    for hearts in range(4):
        for goal in ("informational", "social"):
            about = f"{hearts} hearts: more negation with both goals than with the {goal} one"
            weights = _cell("both", hearts, NEGATION) - _cell(goal, hearts, NEGATION)
            yield effect(f"negation:{hearts}:both>{goal}", about, weights)
    for goal in GOALS:
        yield effect(f"negation:{goal}:0>3", f"goal {goal}: more negation at 0 hearts than at 3", falls(goal))
    for goal in ("informational", "social"):
        about = f"negation falls more steeply with the hearts for both goals than for the {goal} one"
        yield effect(f"interaction:both>{goal}", about, falls("both") - falls(goal))
    about = "0 hearts: more praise ('was good', 'was amazing') with the social goal than with the informational one"
    praise = _cell("social", 0, PRAISE) - _cell("informational", 0, PRAISE)
    yield effect("praise:0:social>informational", about, praise)
    blunt = _cell("informational", 0, BLUNT) - _cell("both", 0, BLUNT)
    yield effect("blunt:0:informational>both", "0 hearts: 'was terrible' more with the informational goal", blunt)


def shown_by_people(weights: Array) -> bool:
    """Whether a contrast of study 2 is above zero in people: z of the counts, one-tailed p below 0.05.

    The same people answered in all conditions, but who answered what is not published, so conditions count as
    independent; the variance of a share of n people is that of a multinomial.
    """
    from scipy.stats import norm

    counts = study2_counts()
    people = counts.sum(axis=1)
    shares = counts / people[:, None]
    means = (shares * weights).sum(axis=1)
    variance = (((shares * weights**2).sum(axis=1) - means**2) / people).sum()
    return bool(norm.sf(means.sum() / np.sqrt(variance)) < ALPHA)
