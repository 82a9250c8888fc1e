"""Rational speech acts with partial knowledge, after Goodman and Stuhlmüller (2013); see docs/references.md.

Three objects have a property or not; the state is how many have it. A speaker who has looked at some of them (access)
and found how many of these have it (observation) says a number word. The listener knows the access, hears the word,
and infers the state. (Topics in Cognitive Science 5, 173-184, doi 10.1111/tops.12007.)
"""

from dataclasses import dataclass

import numpy as np

from grace.analysis.designs import ACCESS_NUMBER
from grace.analysis.distances import Array, normalised
from grace.analysis.study_analysis import EffectSizes

OBJECTS = 3
STATES = np.arange(OBJECTS + 1)
NUMBERS = np.arange(1, OBJECTS + 1)
"""The words that the speaker chooses among: one, two, three."""

RATIONALITY = 3.4
"""Speaker optimality alpha, as cited from the paper; the results do not depend on it (docs/references.md)."""
BASE_RATE = 0.51
"""Fitted here to the eight published comparisons (`fitted_base_rate`), since the paper's own was not to be found."""


@dataclass(frozen=True)
class Knowledge:
    """The model's parameters.

    Attributes:
        rationality: alpha, how strictly the speaker chooses the best word.
        base_rate: the probability that an object has the property; the prior over states is binomial.
    """

    rationality: float = RATIONALITY
    base_rate: float = BASE_RATE


def prior(base_rate: float) -> Array:
    """P(s), binomial, shape (states,)."""
    from scipy.stats import binom

    return np.asarray(binom.pmf(STATES, OBJECTS, base_rate))


def literal_listener(parameters: Knowledge) -> Array:
    """L0(s|w) ~ [w is true of s] P(s), where a number word means that number or more, shape (words, states)."""
    return normalised((STATES[None] >= NUMBERS[:, None]) * prior(parameters.base_rate))


def observations(access: int) -> Array:
    """P(o|s, a): objects are looked at without preference, so hypergeometric, shape (observations, states)."""
    from scipy.stats import hypergeom

    seen = np.arange(access + 1)
    return np.asarray(hypergeom.pmf(seen[:, None], OBJECTS, STATES[None], access))


def speaker(parameters: Knowledge, access: int) -> Array:
    """S(w|o, a) ~ exp(alpha E[ln L0(s|w)]) with s as the speaker believes after o, shape (observations, words).

    A word that may be false by what the speaker knows has a utility of minus infinity. After an observation of none, no
    word will do, and the row is zero.
    """
    from scipy.special import xlogy

    belief = normalised(observations(access) * prior(parameters.base_rate))
    utility = xlogy(belief[:, None, :], literal_listener(parameters)[None]).sum(axis=-1)
    possible = np.isfinite(utility)
    best = np.where(possible.any(axis=-1, keepdims=True), utility.max(axis=-1, keepdims=True), 0.0)
    worse = np.where(possible, utility, 0.0) - best  # minus infinity is set aside first: alpha may be 0
    weights = np.where(possible, np.exp(parameters.rationality * np.where(possible, worse, 0.0)), 0.0)
    return np.nan_to_num(normalised(weights))


def listener(parameters: Knowledge, access: int) -> Array:
    """L(s|w, a) ~ P(s) sum over o of P(o|s, a) S(w|o, a), shape (words, states); NaN for a word that nobody says."""
    heard = np.einsum("ow,os->ws", speaker(parameters, access), observations(access))
    return normalised(heard * prior(parameters.base_rate))


def predictions(parameters: Knowledge | None = None) -> Array:
    """What the listener infers in each condition of study 1, shape (conditions, states)."""
    parameters = parameters or Knowledge()
    by_access = {access: listener(parameters, access) for access in range(1, OBJECTS + 1)}
    return np.stack([by_access[access][word - 1] for access, word in ACCESS_NUMBER])


def fitted_base_rate(people: EffectSizes, rationality: float = RATIONALITY) -> float:
    """The base rate that is most likely given the published planned comparisons of people.

    Means of people are not published as numbers; effect sizes follow from what is (d_z = t / sqrt(n)). They are taken
    as the model's differences of probability, times one scale that is fitted too, with normal errors: least squares.
    """
    from scipy.optimize import minimize_scalar

    def misfit(base_rate: float) -> float:
        means = predictions(Knowledge(rationality, base_rate))
        model = np.array([(means * own).sum() for own in people.weights])
        return float(((people.sizes - model * (model @ people.sizes) / (model @ model)) ** 2).sum())

    return float(minimize_scalar(misfit, bounds=(0.05, 0.95), method="bounded").x)
