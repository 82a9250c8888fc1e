"""Write examples/answers/, invented answers to both studies that the analysis can be tried with."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from grace.analysis import rsa_knowledge, rsa_politeness
from grace.analysis.samples import LAYOUTS, UTTERANCES, condition_of
from grace.tables import write_table

ROOT = Path(__file__).parents[1]
PARTICIPANTS = {"study1": 20, "study2": 40}
SHOWN = {"study1": ("participant_id", "story_shortname", "speach", "access", "observe"),
         "study2": ("Participant_ID", "Domain", "Precontext", "Goal", "State")}  # fmt: skip
ANSWERS = {
    "study1": ("probability_0", "probability_1", "probability_2", "probability_3", "Knowledge_A"),
    "study2": ("Was_Wasnt", "Assessment"),
}
CONCENTRATION = 12
"""Of the Dirichlet distribution that bets are drawn from: the larger, the less they vary about the prediction."""
UNKNOWING = 0.1
"""So many knowledge answers are wrong."""


def rows(study: str) -> Iterator[tuple[str, ...]]:
    """The trials of the first participants, each with an answer drawn from what rational speech acts predict."""
    rng = np.random.default_rng(1)
    predicted = (rsa_knowledge if study == "study1" else rsa_politeness).predictions()
    with open(ROOT / "data" / f"{study}.csv", newline="", encoding="utf-8") as file:
        for trial in csv.DictReader(file):
            if int(trial[SHOWN[study][0]]) > PARTICIPANTS[study]:
                return
            shares = predicted[LAYOUTS[study].cells.index(condition_of(study, trial) or "")]
            answer = bets(trial, shares, rng) if study == "study1" else utterance(shares, rng)
            yield *(trial[name] for name in SHOWN[study]), *answer


def bets(trial: dict[str, str], shares: Sequence[float], rng: np.random.Generator) -> list[str]:
    """Percentages that sum to 100, and whether the speaker knows."""
    drawn = np.floor(100 * rng.dirichlet(CONCENTRATION * np.asarray(shares) + 0.1)).astype(int)
    drawn[drawn.argmax()] += 100 - drawn.sum()
    knows = (trial["access"] == "3") != (rng.random() < UNKNOWING)
    return [*map(str, drawn), "yes" if knows else "no"]


def utterance(shares: Sequence[float], rng: np.random.Generator) -> list[str]:
    """One of the eight, as its two values."""
    frame, word = str(rng.choice(UTTERANCES, p=np.asarray(shares) / np.sum(shares))).split("_")
    return ["was" if frame == "was" else "wasn't", word]


if __name__ == "__main__":
    for study in SHOWN:
        write_table(ROOT / "examples" / "answers" / f"{study}.csv", SHOWN[study] + ANSWERS[study], rows(study))
