"""References: a model beside people and beside rational speech acts, with bootstrap intervals."""

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, fields, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from grace.analysis import rsa_knowledge, rsa_politeness
from grace.analysis.bootstrap import DRAWS, SEED, interval, resampled_counts, resampled_means
from grace.analysis.distances import (
    Array,
    Measured,
    correlation,
    correlations,
    earth_mover,
    finite,
    jensen_shannon,
    normalised,
    total_variation,
)
from grace.analysis.effects import (
    ALPHA,
    ONE_STIMULUS,
    Effect,
    Estimate,
    bounds,
    effects_of,
    estimate,
    planned_weights,
    stimuli_alike,
)
from grace.analysis.people import study1_tests, study2_counts
from grace.analysis.samples import LAYOUTS, Grouped, Integers, Sample
from grace.tables import write_table

Booleans = NDArray[np.bool_]

PEOPLE, RSA, UNIFORM = "people", "rsa", "uniform"
LARGEST = {
    "correlation": 1.0,
    "effects_correlation": 1.0,
    "jensen_shannon": 1.0,
    "total_variation": 1.0,
    "earth_mover": 3.0,
}
SHOWN, REVERSED, ABSENT, UNKNOWN = "shown", "reversed", "not shown", "not defined"


@dataclass(frozen=True)
class Fit:
    """How near a model is to a reference: a row of references.csv.

    Attributes:
        model_name, source: whose distributions, and where they come from (`samples.SOURCES`).
        reference: people, rsa.
        measure: correlation, effects_correlation, jensen_shannon (bits), total_variation, earth_mover (states).
        value, low, high: with its 95% bootstrap interval; NaN where not defined.
        conditions, stimuli, missing: what it rests on; rows that had no distribution.
        reason: why it is not defined, or rests on less than all.
    """

    model_name: str
    source: str
    reference: str
    measure: str
    value: float
    low: float
    high: float
    conditions: int
    stimuli: int
    missing: int
    reason: str = ""


@dataclass(frozen=True)
class Pattern:
    """Whether a model shows an effect of people: a row of patterns.csv.

    Attributes:
        model_name, source: as in Fit.
        effect, about: its name, and in words.
        people: whether people show it.
        rsa: the contrast in rational speech acts.
        estimate, low, high: the contrast of shares with its 95% bootstrap interval.
        statistic, df, p: t over stimuli, one-tailed.
        stimuli: the effective n.
        verdict: shown or reversed (p below 0.05 in that direction), not shown, not defined.
        agrees: whether it is shown just as in people; None where not defined.
        reason: why something is not defined.
    """

    model_name: str
    source: str
    effect: str
    about: str
    people: bool
    rsa: float
    estimate: float
    low: float
    high: float
    statistic: float
    df: float
    p: float
    stimuli: int
    verdict: str
    agrees: bool | None
    reason: str = ""


@dataclass(frozen=True)
class Against:
    """A model against the references."""

    fits: tuple[Fit, ...]
    patterns: tuple[Pattern, ...]


def predictions(study: str) -> Array:
    """Rational speech acts in each condition, shape (conditions, labels)."""
    return rsa_knowledge.predictions() if study == "study1" else rsa_politeness.predictions()


def against(study: str, model: str, samples: Mapping[str, Sample], draws: int = DRAWS, seed: int = SEED) -> Against:
    """Compare a model with people and with rational speech acts.

    Args:
        study: study1 or study2.
        model: its name.
        samples: by source, as of `samples.sample_of`; after exclusions, where there are any.
        draws: of the bootstrap over stimuli (and over people, where their counts are known).
        seed: the same seed gives the same intervals.
    """
    fits: list[Fit] = []
    patterns: list[Pattern] = []
    for source, sample in samples.items():
        rng = np.random.default_rng(seed)
        grouped, alike = sample.grouped, stimuli_alike(sample.grouped)
        drawn = resampled_means(grouped, draws, rng)
        side = _Side(model, source, grouped.means, drawn, grouped.stimuli, sample.missing)
        fits += _fits(study, side, rng)
        again = resampled_means(alike, draws, np.random.default_rng(seed))
        patterns += [_pattern(study, effect, replace(side, drawn=again), alike) for effect in effects_of(study)]
    return Against(tuple(fits), tuple(patterns))


def yardsticks(study: str, draws: int = DRAWS, seed: int = SEED) -> tuple[Fit, ...]:
    """What to hold a model's fit against: that of rational speech acts, of mere chance, and of people.

    People against people are bootstrap samples of them: nothing can be expected to come nearer.
    """
    rng = np.random.default_rng(seed)
    shape = (len(LAYOUTS[study].cells), len(LAYOUTS[study].labels))
    none = np.zeros(shape[0], dtype=np.int64)
    sides = [
        _Side(RSA, "equations", predictions(study), predictions(study)[None], none, 0),
        _Side(UNIFORM, "chance", np.full(shape, 1 / shape[1]), np.full((1, *shape), 1 / shape[1]), none, 0),
    ]
    made = [fit for side in sides for fit in _fits(study, side, rng) if fit.reference == PEOPLE]
    if study == "study2":
        shares = normalised(study2_counts())
        again = resampled_counts(study2_counts(), draws, rng)
        for measure, values in _distances(study, again, shares).items():
            low, high = np.quantile(values, [0.025, 0.975])
            far = (float(values.mean()), float(low), float(high))
            made.append(Fit(PEOPLE, "again", PEOPLE, measure, *far, shape[0], 0, 0))
    return tuple(made)


@dataclass(frozen=True)
class _Side:
    """A model's means, shape (conditions, labels), and those of its bootstrap samples, (draws, conditions, labels).

    `stimuli` has their number in each condition, shape (conditions,).
    """

    model: str
    source: str
    means: Array
    drawn: Array
    stimuli: Integers
    missing: int

    def alone(self, used: Booleans) -> bool:
        """Whether one of the conditions that are used has a single stimulus: drawn again it is always the same."""
        return bool((self.stimuli[used] == 1).any())


def _fits(study: str, side: _Side, rng: np.random.Generator) -> list[Fit]:
    found = []
    if study == "study1":
        found.append(_effects_fit(side))
    else:
        counts = study2_counts()
        again = resampled_counts(counts, len(side.drawn) if len(side.drawn) > 1 else DRAWS, rng)
        found += _fits_to(study, side, PEOPLE, normalised(counts), again)
    if side.model != RSA:
        found += _fits_to(study, side, RSA, predictions(study), predictions(study)[None])
    return found


def _fits_to(study: str, side: _Side, reference: str, means: Array, drawn: Array) -> list[Fit]:
    """All measures of a model against a reference, over the conditions that the model has."""
    there: Booleans = np.asarray(np.isfinite(side.means).all(axis=1))
    empty = [name for name, known in zip(LAYOUTS[study].cells, there, strict=True) if not known]
    reason = f"without {len(empty)} of {len(there)} conditions, which are empty: {'; '.join(empty)}" if empty else ""
    if not there.any():
        nothing = f"no distributions ({side.missing} rows have none)"
        measures = ("correlation", *_distances(study, means, means))
        return [_fit(side, reference, measure, Measured(np.nan, nothing), np.array([]), there) for measure in measures]
    own, other = side.means[there], means[there]
    drawn_own, drawn_other = side.drawn[:, there], drawn[:, there]
    r = correlation(own.ravel(), other.ravel())
    flat = [drawn.reshape(len(drawn), -1) for drawn in (drawn_own, drawn_other)]
    made = {"correlation": (r, correlations(*flat))}
    distances = _distances(study, own[None], other)
    for measure, values in _distances(study, drawn_own, drawn_other).items():
        made[measure] = (Measured(float(distances[measure][0])), values)
    return [
        _fit(side, reference, measure, Measured(point.value, point.reason or reason), values, there)
        for measure, (point, values) in made.items()
    ]


def _distances(study: str, p: Array, q: Array) -> dict[str, Array]:
    """Distances, each the mean over conditions, shape (draws,); shapes of p and q broadcast."""
    made = {"jensen_shannon": jensen_shannon(p, q), "total_variation": total_variation(p, q)}
    scale = LAYOUTS[study].scale
    if scale is not None:
        made["earth_mover"] = earth_mover(p, q, scale)
    return {measure: np.asarray(values.mean(axis=-1)) for measure, values in made.items()}


def _effects_fit(side: _Side) -> Fit:
    """Correlation of a model's planned comparisons with people's effect sizes (their means are not published)."""
    weights = np.stack(list(planned_weights().values()))
    people = np.array([study1_tests()[name].effect_size for name in planned_weights()])
    model = np.einsum("cl,ecl->e", np.nan_to_num(side.means), weights)
    there: Booleans = np.asarray(np.isfinite(side.means).all(axis=1))
    known = ~(np.abs(weights).sum(axis=2)[:, ~there].any(axis=1))
    drawn = np.einsum("dcl,ecl->de", np.nan_to_num(side.drawn), weights)[:, known]
    point = correlation(model[known], people[known])
    reason = point.reason or (
        "" if known.all() else f"over {known.sum()} of {len(known)} comparisons: empty conditions"
    )
    values = correlations(drawn, people[known]) if known.sum() > 2 else np.array([])
    used: Booleans = there & np.abs(weights).sum(axis=2)[known].any(axis=0)
    return _fit(side, PEOPLE, "effects_correlation", Measured(point.value, reason), values, there, used)


def _fit(
    side: _Side,
    reference: str,
    measure: str,
    point: Measured,
    drawn: Array,
    there: Booleans,
    used: Booleans | None = None,
) -> Fit:
    """A row of references.csv; `there` are the conditions with rows, `used` those that the measure rests on."""
    low, high, reason = np.nan, np.nan, point.reason
    if np.isfinite(point.value) and side.alone(there if used is None else used):
        reason = "; ".join(filter(None, (reason, ONE_STIMULUS)))
    elif len(drawn) > 1:
        low, high = interval(drawn, point.value)
        low, high = max(low, -1.0 if "correlation" in measure else 0.0), min(high, LARGEST[measure])
    counts = (int(there.sum()), int(side.stimuli.sum()), side.missing)
    return Fit(side.model, side.source, reference, measure, point.value, low, high, *counts, reason)


def _pattern(study: str, effect: Effect, side: _Side, alike: Grouped) -> Pattern:
    found = estimate(alike, effect.weights)
    used: Booleans = np.asarray(np.abs(effect.weights).sum(axis=1) > 0)
    low, high = np.nan, np.nan
    if not side.alone(used):
        low, high = interval(np.einsum("dcl,cl->d", side.drawn[:, used], effect.weights[used]), found.value)
        least, largest = bounds(effect.weights)
        low, high = max(low, least), min(high, largest)
    verdict = shown(found)
    return Pattern(
        side.model,
        side.source,
        effect.name,
        effect.about,
        effect.people,
        float((predictions(study) * effect.weights).sum()),
        found.value,
        low,
        high,
        found.statistic,
        found.df,
        found.p,
        found.stimuli,
        verdict,
        None if verdict == UNKNOWN else (verdict == SHOWN) == effect.people,
        found.reason,
    )


def shown(found: Estimate) -> str:
    """Whether a sample shows an effect: shown or reversed where t is that sure (one-tailed, 5%), else not shown."""
    if np.isnan(found.statistic):
        return UNKNOWN
    return SHOWN if found.p < ALPHA else REVERSED if 1 - found.p < ALPHA else ABSENT


FIT_COLUMNS = tuple(field.name for field in fields(Fit))
PATTERN_COLUMNS = tuple(field.name for field in fields(Pattern))


def write_references(folder: Path, fits: Sequence[Fit], patterns: Sequence[Pattern]) -> tuple[Path, Path]:
    """Write references.csv and patterns.csv; what is not defined is an empty cell with its reason beside it.

    Raises:
        InputError: a file cannot be written.
    """
    paths = folder / "references.csv", folder / "patterns.csv"
    write_table(paths[0], FIT_COLUMNS, ([cell_of(value) for value in astuple(fit)] for fit in fits))
    write_table(paths[1], PATTERN_COLUMNS, ([cell_of(value) for value in astuple(pattern)] for pattern in patterns))
    return paths


def cell_of(value: object) -> object:
    """A value as a table has it: yes or no, a finite number, text; None for nothing."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return finite(value) if isinstance(value, float) else value
