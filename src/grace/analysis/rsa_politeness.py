"""Polite speech: the model of Yoon, Tessler, Goodman and Frank (2020); see docs/references.md.

A speaker tells how good something was, on a scale of 0 to 3 hearts, with one of eight utterances. The speaker wants to
be informative, to be kind, and to be seen as caring about both. (Open Mind 4, 71-87, doi 10.1162/opmi_a_00035.)
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from grace.analysis.designs import GOALS, UTTERANCES
from grace.analysis.distances import Array, normalised

HEARTS = np.arange(4.0)

LEXICON: dict[str, tuple[float, float, float, float]] = {
    "was_terrible": (0.9999, 0.3142, 0.0708, 0.0198),
    "was_bad": (0.9999, 0.8777, 0.1759, 0.005),
    "was_good": (0.0145, 0.1126, 0.9893, 0.9999),
    "was_amazing": (0.0004, 0.0002, 0.1048, 0.9788),
    "wasnt_terrible": (0.2749, 0.5285, 0.728, 0.9203),
    "wasnt_bad": (0.0967, 0.365, 0.7597, 0.9174),
    "wasnt_good": (0.9909, 0.736, 0.2552, 0.2228),
    "wasnt_amazing": (0.9652, 0.9857, 0.7873, 0.0018),
}
"""How true an utterance is of 0, 1, 2 and 3 hearts: the authors' maximum a posteriori values, from judgements of other
people together with the production data (forestdb.org/models/politeness.html, the demonstration of the paper)."""


@dataclass(frozen=True)
class Weights:
    """What a speaker wants under a goal: shares of three utilities, and the balance that the speaker likes to show.

    Attributes:
        informational, social, presentational: omega of the paper; divided by their sum before use (printed shares are
            rounded).
        projected: phi, between wanting to be kind (0) and to be informative (1).
    """

    informational: float
    social: float
    presentational: float
    projected: float


PAPER = {
    "informational": Weights(0.36, 0.02, 0.62, 0.49),
    "social": Weights(0.25, 0.31, 0.44, 0.37),
    "both": Weights(0.36, 0.11, 0.54, 0.36),
}
"""Table 2 of the paper, the model with all three utilities."""


@dataclass(frozen=True)
class Politeness:
    """The model's parameters, by default as the paper inferred them (Table 2 and the supplement's table of cost).

    Attributes:
        rationality: alpha, of both speakers.
        cost: of an utterance with negation; one without costs 1. Utterances are weighted by exp(-cost), which alpha
            does not multiply: so in the authors' program, whose inferred values these are. (Equation 1 is printed with
            the cost inside the brackets.)
        goals: the weights by goal.
        lexicon: how true each utterance is of each state, above 0, shape (utterances, states).
        step: of the grid of balances that the listener considers; the program's.
    """

    rationality: float = 4.47
    cost: float = 2.64
    goals: Mapping[str, Weights] = field(default_factory=lambda: PAPER)
    lexicon: Array = field(default_factory=lambda: np.array([LEXICON[utterance] for utterance in UTTERANCES]))
    step: float = 0.025

    @property
    def balances(self) -> Array:
        """The grid of phi, from 0 to just below 1."""
        return np.arange(0, 1, self.step)

    @property
    def log_prior(self) -> Array:
        """Log weight of each utterance by its cost, not normalised, shape (utterances,)."""
        return -np.where([utterance.startswith("wasnt") for utterance in UTTERANCES], self.cost, 1.0)


def literal_listener(parameters: Politeness) -> Array:
    """L0(s|w) ~ lexicon(w, s), with all states as likely before, shape (utterances, states)."""
    return normalised(parameters.lexicon)


def first_speaker(parameters: Politeness) -> Array:
    """S1(w|s, phi) ~ exp(-cost(w)) exp(alpha (phi ln L0(s|w) + (1 - phi) E[hearts|w])).

    The shape is (phi, utterances, states).
    """
    literal = literal_listener(parameters)
    balance = parameters.balances[:, None, None]
    utility = balance * np.log(literal) + (1 - balance) * (literal @ HEARTS)[:, None]
    return _softmax(parameters.log_prior[:, None] + parameters.rationality * utility, axis=1)


def listener(parameters: Politeness) -> Array:
    """L1(s, phi|w) ~ S1(w|s, phi), with all states and balances as likely before, shape (phi, utterances, states)."""
    heard = first_speaker(parameters)
    return np.asarray(heard / heard.sum(axis=(0, 2), keepdims=True))


def second_speaker(parameters: Politeness, goal: Weights) -> Array:
    """S2(w|s) ~ exp(-cost(w)) exp(alpha U(w; s)), shape (utterances, states).

    U = omega_inf ln L1(s|w) + omega_soc E[hearts|w] + omega_pres ln L1(phi|w), with L1 summed over what is not asked
    for, and phi the nearest one of the grid.
    """
    joint = listener(parameters)
    states, balances = joint.sum(axis=0), joint.sum(axis=2)
    shown = np.abs(parameters.balances - goal.projected).argmin()
    total = goal.informational + goal.social + goal.presentational
    utility = (
        goal.informational * np.log(states)
        + goal.social * (states @ HEARTS)[:, None]
        + goal.presentational * np.log(balances[shown])[:, None]
    ) / total
    return _softmax(parameters.log_prior[:, None] + parameters.rationality * utility, axis=0)


def predictions(parameters: Politeness | None = None) -> Array:
    """What the polite speaker says in each condition of study 2, shape (conditions, utterances)."""
    parameters = parameters or Politeness()
    return np.concatenate([second_speaker(parameters, parameters.goals[goal]).T for goal in GOALS])


def _softmax(scores: Array, axis: int) -> Array:
    from scipy.special import softmax

    return np.asarray(softmax(scores, axis=axis))
