"""References: a model beside people and beside rational speech acts, with bootstrap intervals."""

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, fields, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from grace.analysis.bootstrap import (
    DRAWS,
    SEED,
    drawn_shares,
    interval,
    resampled_counts,
    resampled_means,
    with_unseen,
)
from grace.analysis.decisions import DECIDED, SHOWN, EffectDecision, decide
from grace.analysis.distances import (
    SLACK,
    Array,
    Measurement,
    correlation,
    correlations,
    earth_mover,
    finite,
    jensen_shannon,
    normalised,
    total_variation,
)
from grace.analysis.effects import ONE_STIMULUS, Effect, Estimate, estimate
from grace.analysis.samples import ANSWERS, Integers, Sample
from grace.analysis.study_analysis import EffectSizes, StudyAnalysis
from grace.tables import write_table

Booleans = NDArray[np.bool_]

DRAWN_ALIKE = "stimuli do not vary, so drawing them again tells nothing of how sure this is"
"""Why a bootstrap has no interval."""

PEOPLE, RSA, RSA_OWN, UNIFORM = "people", "rsa", "rsa_own_prior", "uniform"
LARGEST = {
    "correlation": 1.0,
    "effects_correlation": 1.0,
    "jensen_shannon": 1.0,
    "total_variation": 1.0,
    "earth_mover": 3.0,
}


@dataclass(frozen=True)
class Fit:
    """How near a model is to a reference: a row of references.csv.

    Attributes:
        model_name, source: whose distributions, and where they come from (`samples.SOURCES`).
        reference: people, rsa, rsa_own_prior (with the prior that the model's own answers tell).
        measure: correlation, effects_correlation, jensen_shannon (bits), total_variation, earth_mover (states).
        value, low, high: the measure with its 95% bootstrap interval; NaN where not defined.
        conditions, stimuli, missing: what it rests on; rows that had no distribution.
        reason: why it is not defined, or rests on less than all.
        floor: what to expect of a distance for a model that answers just as people and as often as this one (its
            probabilities: just as people, and not sampled); of people's counts alone, else NaN.
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
    floor: float = np.nan


@dataclass(frozen=True)
class Pattern:
    """Whether a model shows an effect of people: a row of patterns.csv.

    Attributes:
        people: whether people show it.
        rsa: the contrast in rational speech acts.
        estimate, low, high: the contrast of shares with its 95% interval.
        statistic, df, p: t by item, one-tailed and not corrected; where no item varies, p is that of signs.
        stimuli: the effective n.
        verdict: shown, reversed, absent, not shown, not defined (`decisions`).
        agrees: whether it is as in people; None where it is undecided in one of them.
        reason: why something is not defined.
        p_corrected: two-tailed, corrected for all effects; the verdict follows from it.
        people_verdict: what is decided of it in people, in the same words.
        rsa_own_prior: the contrast in rational speech acts with the model's own prior, where that is known.
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
    p_corrected: float = np.nan
    people_verdict: str = ""
    rsa_own_prior: float = np.nan


@dataclass(frozen=True)
class Against:
    """A model against the references."""

    fits: tuple[Fit, ...]
    patterns: tuple[Pattern, ...]


def against(
    study: StudyAnalysis,
    model: str,
    samples: Mapping[str, Sample],
    draws: int = DRAWS,
    seed: int = SEED,
    own: Array | None = None,
) -> Against:
    """Compare a model with people and with rational speech acts.

    Args:
        study: the analysis of the study.
        model: its name.
        samples: by source, as of `samples.sample_of`; after exclusions, where there are any.
        draws: those of the bootstrap over stimuli (and over people, where their counts are known).
        seed: the same seed gives the same intervals.
        own: predictions of rational speech acts with the model's own prior; None where it is not known.
    """
    fits: list[Fit] = []
    patterns: list[Pattern] = []
    for source, sample in samples.items():
        rng = np.random.default_rng(seed)
        grouped = sample.grouped
        drawn = resampled_means(grouped, draws, rng)
        side = _ModelMeans(model, source, grouped.means, drawn, grouped.stimuli, sample.missing)
        fits += _with_floors(study, _fits(study, side, rng), sample, source, draws, seed)
        fits += _fits_to(study, side, RSA_OWN, own, own[None]) if own is not None else []
        effects = study.effects()
        estimates = [estimate(grouped, effect.weights) for effect in effects]
        decisions = decide(estimates, [effect.weights for effect in effects])
        patterns += [_pattern(study, side, own, *parts) for parts in zip(effects, estimates, decisions, strict=True)]
    return Against(tuple(fits), tuple(patterns))


def yardsticks(study: StudyAnalysis, draws: int = DRAWS, seed: int = SEED) -> tuple[Fit, ...]:
    """Benchmarks for a model's fit: that of rational speech acts, of mere chance, and of people.

    People against people are bootstrap samples of them, of as many people: nothing but chance lies between these. What
    chance does to a model's own answers too is in `Fit.floor`.
    """
    rng = np.random.default_rng(seed)
    shape = (len(study.conditions), len(study.labels))
    none = np.zeros(shape[0], dtype=np.int64)
    sides = [
        _ModelMeans(RSA, "equations", study.predictions(), study.predictions()[None], none, 0),
        _ModelMeans(UNIFORM, "chance", np.full(shape, 1 / shape[1]), np.full((1, *shape), 1 / shape[1]), none, 0),
    ]
    fits = [fit for side in sides for fit in _fits(study, side, rng) if fit.reference == PEOPLE]
    counts = study.people()
    if isinstance(counts, EffectSizes):
        return tuple(fits)
    again = resampled_counts(counts, draws, rng)
    for measure, values in _distances(study, again, normalised(counts)).items():
        low, high = np.quantile(values, [0.025, 0.975])
        fits.append(
            Fit(PEOPLE, "again", PEOPLE, measure, float(values.mean()), float(low), float(high), shape[0], 0, 0)
        )
    return tuple(fits)


@dataclass(frozen=True)
class _ModelMeans:
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
        """Whether one of the used conditions has a single stimulus: drawn again it is always the same."""
        return bool((self.stimuli[used] == 1).any())


def _fits(study: StudyAnalysis, side: _ModelMeans, rng: np.random.Generator) -> list[Fit]:
    people = study.people()
    if isinstance(people, EffectSizes):
        fits = [_effects_fit(people, side)]
    else:
        again = resampled_counts(people, len(side.drawn) if len(side.drawn) > 1 else DRAWS, rng)
        fits = _fits_to(study, side, PEOPLE, normalised(people), again)
    if side.model != RSA:
        fits += _fits_to(study, side, RSA, study.predictions(), study.predictions()[None])
    return fits


def _with_floors(
    study: StudyAnalysis, fits: Sequence[Fit], sample: Sample, source: str, draws: int, seed: int
) -> list[Fit]:
    """Fits to people with what to expect of a model that is just as they: both are drawn from the same shares."""
    people = study.people()
    if isinstance(people, EffectSizes) or not len(sample):
        return list(fits)
    rows = np.bincount(sample.cells, minlength=len(people))
    there, rng = rows > 0, np.random.default_rng(seed)
    shares, n = with_unseen(people[there]), people[there].sum(axis=1).astype(np.int64)
    model = drawn_shares(shares, rows[there], draws, rng) if source == ANSWERS else shares[None]
    again = drawn_shares(shares, n, draws, rng)
    floors = {measure: float(values.mean()) for measure, values in _distances(study, model, again).items()}
    return [replace(fit, floor=floors.get(fit.measure, np.nan)) if fit.reference == PEOPLE else fit for fit in fits]


def _fits_to(study: StudyAnalysis, side: _ModelMeans, reference: str, means: Array, drawn: Array) -> list[Fit]:
    """All measures of a model against a reference, over the conditions that the model has."""
    there: Booleans = np.asarray(np.isfinite(side.means).all(axis=1))
    empty = [name for name, filled in zip(study.conditions.values(), there, strict=True) if not filled]
    reason = f"without {len(empty)} of {len(there)} conditions, which are empty: {'; '.join(empty)}" if empty else ""
    if not there.any():
        nothing = f"no distributions ({side.missing} rows have none)"
        measures = ("correlation", *_distances(study, means, means))
        return [
            _fit(side, reference, measure, Measurement(np.nan, nothing), np.array([]), there) for measure in measures
        ]
    own, other = side.means[there], means[there]
    drawn_own, drawn_other = side.drawn[:, there], drawn[:, there]
    r = correlation(own.ravel(), other.ravel())
    flat = [drawn.reshape(len(drawn), -1) for drawn in (drawn_own, drawn_other)]
    estimates = {"correlation": (r, correlations(*flat))}
    distances = _distances(study, own[None], other)
    for measure, values in _distances(study, drawn_own, drawn_other).items():
        estimates[measure] = (Measurement(float(distances[measure][0])), values)
    return [
        _fit(side, reference, measure, Measurement(point.value, point.reason or reason), values, there)
        for measure, (point, values) in estimates.items()
    ]


def _distances(study: StudyAnalysis, p: Array, q: Array) -> dict[str, Array]:
    """Distances, each the mean over conditions, shape (draws,); shapes of p and q broadcast."""
    distances = {"jensen_shannon": jensen_shannon(p, q), "total_variation": total_variation(p, q)}
    if study.scale is not None:
        distances["earth_mover"] = earth_mover(p, q, study.scale)
    return {measure: np.asarray(values.mean(axis=-1)) for measure, values in distances.items()}


def _effects_fit(people: EffectSizes, side: _ModelMeans) -> Fit:
    """Correlation of a model's contrasts with people's effect sizes."""
    weights = people.weights
    model = np.einsum("cl,ecl->e", np.nan_to_num(side.means), weights)
    there: Booleans = np.asarray(np.isfinite(side.means).all(axis=1))
    covered = ~(np.abs(weights).sum(axis=2)[:, ~there].any(axis=1))
    drawn = np.einsum("dcl,ecl->de", np.nan_to_num(side.drawn), weights)[:, covered]
    point = correlation(model[covered], people.sizes[covered])
    reason = point.reason or (
        "" if covered.all() else f"over {covered.sum()} of {len(covered)} comparisons: empty conditions"
    )
    values = correlations(drawn, people.sizes[covered]) if covered.sum() > 2 else np.array([])
    used: Booleans = there & np.abs(weights).sum(axis=2)[covered].any(axis=0)
    return _fit(side, PEOPLE, "effects_correlation", Measurement(point.value, reason), values, there, used)


def _fit(
    side: _ModelMeans,
    reference: str,
    measure: str,
    point: Measurement,
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
        if high - low < SLACK:
            low, high, reason = np.nan, np.nan, "; ".join(filter(None, (reason, DRAWN_ALIKE)))
        low, high = max(low, -1.0 if "correlation" in measure else 0.0), min(high, LARGEST[measure])
    counts = (int(there.sum()), int(side.stimuli.sum()), side.missing)
    return Fit(side.model, side.source, reference, measure, point.value, low, high, *counts, reason)


def _pattern(
    study: StudyAnalysis,
    side: _ModelMeans,
    own: Array | None,
    effect: Effect,
    estimated: Estimate,
    decision: EffectDecision,
) -> Pattern:
    agrees = None
    if {decision.verdict, effect.people} <= set(DECIDED):
        agrees = decision.verdict == effect.people
    about = (side.model, side.source, effect.name, effect.about, effect.people == SHOWN)
    predicted = float((study.predictions() * effect.weights).sum())
    with_own = np.nan if own is None else float((own * effect.weights).sum())
    numbers = (estimated.value, decision.low, decision.high, estimated.statistic, estimated.df, estimated.p)
    reason = (estimated.stimuli, decision.verdict, agrees, estimated.reason)
    return Pattern(*about, predicted, *numbers, *reason, decision.p, effect.people, with_own)


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
