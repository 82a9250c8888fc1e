"""The floor of study 2's references beside the distance of a model that is just as people; docs/references.md.

The truth are people's shares, as they are or with half an answer more of each utterance ("rare ones"), or rational
speech acts. From it 203 people are drawn for each condition, and as many answers of a model as the line says; "none" is
a model whose probabilities are the truth. Printed are the model's mean distance from these people, and the mean of the
floor, which is computed from these people alone. Where the floor is right, the two agree.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from grace.analysis.distances import Array, normalised
from grace.analysis.people import study2_counts
from grace.analysis.references import PEOPLE, Fit, against
from grace.analysis.samples import ANSWERS, CHOICE, Sample
from grace.analysis.studies import ANALYSES

NAME, SAMPLES = "floor", 60
MEASURES = ("jensen_shannon", "total_variation")
DRAWS = 100


def fits(rng: np.random.Generator, truth: Array, answers: int) -> list[Fit]:
    """How near a model comes to people; both are drawn, the model's probabilities alone where it has no answers."""
    people = np.array([rng.multinomial(203, own) for own in truth], dtype=float)
    conditions, labels = truth.shape
    values = truth
    if answers:
        drawn = [rng.multinomial(answers, own) for own in truth]
        values = np.repeat(np.tile(np.eye(labels), (conditions, 1)), np.ravel(drawn), axis=0)
    cells = np.repeat(np.arange(conditions), answers or 1)
    sample = Sample(values, cells, np.arange(len(cells)), conditions)
    study = replace(ANALYSES["study2"], people=lambda: people)
    return list(against(study, "model", {ANSWERS if answers else CHOICE: sample}, DRAWS).fits)


def run(samples: int) -> Iterator[str]:
    """The lines of a table."""
    rng, people = np.random.default_rng(1), study2_counts()
    truths = {"people": people, "rare ones": people + 0.5, "theory": ANALYSES["study2"].predictions()}
    yield "truth      answers  measure          distance  floor   floor / distance"
    for name, truth in truths.items():
        for answers in (12, 51, 203, 1000, 0):
            drawn = [fit for _ in range(samples) for fit in fits(rng, normalised(truth), answers)]
            for measure in MEASURES:
                own = [fit for fit in drawn if (fit.reference, fit.measure) == (PEOPLE, measure)]
                value, floor = (np.mean([getattr(fit, number) for fit in own]) for number in ("value", "floor"))
                about = f"{name:<10} {answers or 'none':<8} {measure:<16}"
                yield f"{about} {value:<9.4f} {floor:<7.4f} {floor / value:.2f}"
