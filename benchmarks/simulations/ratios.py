"""Level and power of the likelihood ratios of `grace analyze study2`, and of Wald's tests beside them.

48 people answer each of the 12 conditions, which are crossed with 12 items, yes or no. Persons and items shift the log
odds of all their answers (normal, standard deviation 1), and stimuli, which are an item in a condition, those of theirs
(by the column "of stimulus"). What is planted is a share of yes in each condition. "rare" and "split" separate the
conditions completely in most samples, so that the informative prior is in use. Printed is how often p is below 0.05.
"""

from collections.abc import Iterator

import numpy as np

from grace.analysis.designs import GOAL_HEARTS, GOALS, HEARTS
from grace.analysis.distances import Array
from grace.analysis.effects import ALPHA
from grace.analysis.mixed import BinaryAnswer, mixed_tests
from grace.analysis.names import AUTHORS, LIKELIHOOD, MIXED

NAME, SAMPLES = "ratios", 100
PEOPLE, ITEMS, SPREAD = 48, 12, 1.0
KINDS = (LIKELIHOOD, AUTHORS, MIXED)

FLAT = np.zeros((len(GOALS), len(HEARTS)))
"""Log odds by goal and hearts, beside those of the base share."""
BOTH = FLAT + (np.array(GOALS) == "both")[:, None]
FALL = -np.arange(len(HEARTS))[None] + FLAT
PLANTED = {
    "nothing": (0.3, FLAT),
    "nothing, rare": (0.02, FLAT),
    "hearts, split": (0.5, np.where(np.arange(len(HEARTS)) < 2, 0.0, -np.inf) + FLAT),
    "goal by 0.5": (0.3, 0.5 * BOTH),
    "goal by 1": (0.3, BOTH),
    "goal by hearts": (0.6, FALL * (0.2 + 0.8 * BOTH)),
}


def answers(rng: np.random.Generator, share: float, odds: Array, of_stimulus: float) -> list[BinaryAnswer]:
    """Drawn answers; `odds` are added to the log odds of the share."""
    persons, items = (rng.normal(0, SPREAD, size) for size in (PEOPLE, ITEMS))
    stimuli = rng.normal(0, of_stimulus, (len(GOAL_HEARTS), ITEMS))
    base = np.log(share / (1 - share)) + odds.ravel()
    drawn = []
    for person, place in np.ndindex(PEOPLE, len(GOAL_HEARTS)):
        item = (person + place) % ITEMS
        logit = base[place] + persons[person] + items[item] + stimuli[place, item]
        yes = int(rng.random() < 1 / (1 + np.exp(-logit)))
        groups = {"participant": str(person), "item": str(item)}
        drawn.append(BinaryAnswer(yes, GOAL_HEARTS[place], groups, str(item)))
    return drawn


def drawn_p(rng: np.random.Generator, share: float, odds: Array, of_stimulus: float) -> list[float]:
    """P of goal, hearts and their interaction in drawn answers, three of each kind of test; 1 where not defined."""
    tests = mixed_tests(("goal", "state"), answers(rng, share, odds, of_stimulus), KINDS)
    return [1.0 if test.p is None else test.p for test in tests]


def run(samples: int) -> Iterator[str]:
    """The lines of the table."""
    yield "                              likelihood ratio          authors' models           Wald"
    yield "planted           of stimulus  goal   hearts both        goal   hearts both        goal   hearts both"
    rng = np.random.default_rng(1)
    settings = [(planted, 0.0) for planted in PLANTED] + [("nothing", 1.0), ("goal by 1", 1.0)]
    for planted, of_stimulus in settings:
        p = [drawn_p(rng, *PLANTED[planted], of_stimulus) for _ in range(samples)]
        shares = (np.array(p) < ALPHA).mean(axis=0).reshape(len(KINDS), -1)
        cells = "  ".join(" ".join(f"{share:<6.3f}" for share in own) + "    " for own in shares)
        yield f"{planted:<17} {of_stimulus:<11g}  {cells}".rstrip()
