"""Level and power of the decisions about effects; docs/references.md has the figures.

A model answers the conditions of a study for each item. Items differ in what they do to all conditions, and in each
condition (normal on the logit scale). With weight 0 all answers are as likely in all conditions: printed is how often
any effect is shown or reversed. With others the answers follow rational speech acts (study 1) or people (study 2) by
that weight: printed is also how many of the effects above 2 percentage points are shown.
"""

from collections.abc import Iterator

import numpy as np

from grace.analysis.decisions import REVERSED, SHOWN, decide
from grace.analysis.distances import Array, normalised
from grace.analysis.effects import estimate
from grace.analysis.people import study2_counts
from grace.analysis.samples import Sample
from grace.analysis.studies import ANALYSES

NAME, SAMPLES = "effects", 500
ITEMS = {"study1": 6, "study2": 12}
ROWS = {"study1": 8, "study2": 17}


def decided(rng: np.random.Generator, study: str, means: Array, of_item: float, of_stimulus: float) -> list[str]:
    """The verdicts on one sample; spreads are of logits."""
    analysis, items, rows = ANALYSES[study], ITEMS[study], ROWS[study]
    conditions, labels = means.shape
    logits = np.log(means)[:, None] + rng.normal(0, of_item, (1, items, labels))
    shares = normalised(np.exp(logits + rng.normal(0, of_stimulus, (conditions, items, labels)))).reshape(-1, labels)
    values = np.array([rng.multinomial(rows, own) / rows for own in shares])
    cells, crossed = np.repeat(np.arange(conditions), items), np.tile(np.arange(items), conditions)
    grouped = Sample(values, cells, np.arange(len(cells)), conditions, items=crossed).grouped
    weights = [effect.weights for effect in analysis.effects()]
    return [one.verdict for one in decide([estimate(grouped, own) for own in weights], weights)]


def run(samples: int) -> Iterator[str]:
    """The lines of a table."""
    rng = np.random.default_rng(1)
    yield "study   weight  of item  of stimulus  any shown or reversed  shown of those there"
    for study, theirs in (("study1", ANALYSES["study1"].predictions()), ("study2", normalised(study2_counts()))):
        for weight, of_item, of_stimulus in (
            *((0.0, of_item, of_stimulus) for of_item in (0.0, 1.0) for of_stimulus in (0.0, 0.5)),
            *((weight, 1.0, 0.5) for weight in (0.3, 0.6, 1.0)),
        ):
            means = normalised((1 - weight) / theirs.shape[1] + weight * theirs + 0.01)
            there = [(means * effect.weights).sum() > 0.02 for effect in ANALYSES[study].effects()]
            verdicts = [decided(rng, study, means, of_item, of_stimulus) for _ in range(samples)]
            some = np.mean([SHOWN in own or REVERSED in own for own in verdicts])
            power = (np.array(verdicts) == SHOWN)[:, there].mean() if weight else np.nan
            yield f"{study}  {weight:<6g}  {of_item:<7g}  {of_stimulus:<11g}  {some:<21.3f}  {power:.3f}"
