"""Write examples/answers/, invented answers to both studies that the analysis can be tried with."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from grace.analysis.designs import UTTERANCES
from grace.analysis.frames import Row, read_frame
from grace.analysis.studies import ANALYSES
from grace.studies.study import load_study
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
    analysis, own = ANALYSES[study], load_study(study)
    predicted = dict(zip(analysis.conditions, analysis.predictions(), strict=True))
    frame = read_frame(ROOT / "data" / f"{study}.csv", own)
    read = analysis.reader(frame, own)
    for row in frame.models[""]:
        if int(row[SHOWN[study][0]]) > PARTICIPANTS[study]:
            return
        shares = predicted[read(row).cell]
        answer = bets(row, shares, rng) if study == "study1" else utterance(shares, rng)
        yield *(row[name] for name in SHOWN[study]), *answer


def bets(row: Row, shares: Sequence[float], rng: np.random.Generator) -> list[str]:
    """Percentages that sum to 100, and whether the speaker knows."""
    drawn = np.floor(100 * rng.dirichlet(CONCENTRATION * np.asarray(shares) + 0.1)).astype(int)
    drawn[drawn.argmax()] += 100 - drawn.sum()
    knows = (row["access"] == "3") != (rng.random() < UNKNOWING)
    return [*map(str, drawn), "yes" if knows else "no"]


def utterance(shares: Sequence[float], rng: np.random.Generator) -> list[str]:
    """One of the eight, as its two values."""
    frame, word = str(rng.choice(UTTERANCES, p=np.asarray(shares) / np.sum(shares))).split("_")
    return ["was" if frame == "was" else "wasn't", word]


if __name__ == "__main__":
    for study in SHOWN:
        write_table(ROOT / "examples" / "answers" / f"{study}.csv", SHOWN[study] + ANSWERS[study], rows(study))
