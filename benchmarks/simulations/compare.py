"""Level and power of `grace compare` on drawn answers; docs/comparison.md has the figures.

Two sides answer 12 conditions of 12 stimuli with 17 draws each, as study 2 has them: one of two words, and one of four.
Stimuli differ in how likely the words are (normal on the logit scale, with this spread). What is planted is a shift of
the two words' probability, in all conditions or in one. With the spread "inf" either side has an answer of its own
about each stimulus, without any shift on average. Printed is how often the verdict is "different", and "equivalent".
"""

from collections.abc import Iterator

import numpy as np

from grace.analysis.equivalence import DIFFERENT, EQUIVALENT, MARGIN, tost, verdict_of_tests
from grace.analysis.paired import shifts_of
from grace.analysis.samples import Grouped

NAME, SAMPLES = "compare", 400
CONDITIONS, STIMULI, DRAWS = 12, 12, 17


def verdict(rng: np.random.Generator, shift: float, planted: int, spread: float, draws: int, stimuli: int) -> str:
    """The verdict on one pair of samples; `planted` conditions are shifted, stimuli differ by `spread` logits."""
    cells = np.repeat(np.arange(CONDITIONS), stimuli)
    logits = rng.normal(0, 1, CONDITIONS)[cells] + rng.normal(0, min(spread, 9.0), len(cells))
    p = 0.8 / (1 + np.exp(-logits))
    if spread == np.inf:  # each side has its own answer about a stimulus, and almost always gives that
        p = rng.beta(0.1, 0.1, (2, len(cells)))
    up = shift * (cells < planted)
    words = rng.dirichlet(np.full(4, 2.0), len(cells))
    drawn = [[rng.binomial(draws, own) for own in (p if p.ndim > 1 else (p, p + up))]]
    fours = [rng.multinomial(draws, words) for _ in range(2)]
    drawn += [[side[:, word] for side in fours] for word in range(4)]
    tests = []
    for a, b in drawn:
        sides = np.column_stack([a, b]) / draws
        columns = np.column_stack([sides, sides[:, 1] - sides[:, 0], np.full_like(sides, draws)])
        grouped = Grouped(columns, np.ones(len(cells)), cells, CONDITIONS, cells)
        tests += [tost(one, MARGIN) for _, one in shifts_of(grouped, drawn=True)]
    return verdict_of_tests(tests)


def run(samples: int) -> Iterator[str]:
    """The lines of a table."""
    yield "shift  in conditions  spread  draws  stimuli  different  equivalent"
    rng = np.random.default_rng(1)
    for shift, planted, spread, draws, stimuli in [
        *((0.0, 0, spread, *size) for spread in (0.0, 1.0, np.inf) for size in ((17, 12), (1, 12), (8, 6))),
        *((shift, planted, 1.0, DRAWS, STIMULI) for planted in (12, 1) for shift in (0.05, 0.1, 0.2)),
    ]:
        verdicts = [verdict(rng, shift, planted, spread, draws, stimuli) for _ in range(samples)]
        shares = [verdicts.count(one) / samples for one in (DIFFERENT, EQUIVALENT)]
        yield f"{shift:<6g} {planted:<14} {spread:<7g} {draws:<6} {stimuli:<8} {shares[0]:<10.3f} {shares[1]:.3f}"
