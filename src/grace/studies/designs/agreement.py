"""The agreement study's trials: twelve sentences, subject and neighbour each in the singular and in the plural."""

import random
from collections.abc import Iterator

COLUMNS = ("noun", "subject_number", "neighbour_number", "sentence_with_gap")
SENTENCES = {
    ("window", "windows"): ("behind the", "curtain", "curtains", "open"),
    ("button", "buttons"): ("under the", "screen", "screens", "broken"),
    ("gate", "gates"): ("beside the", "barn", "barns", "rusty"),
    ("letter", "letters"): ("from the", "lawyer", "lawyers", "long"),
    ("road", "roads"): ("to the", "village", "villages", "wet"),
    ("lamp", "lamps"): ("above the", "table", "tables", "bright"),
    ("song", "songs"): ("about the", "sailor", "sailors", "short"),
    ("bridge", "bridges"): ("near the", "factory", "factories", "old"),
    ("photo", "photos"): ("of the", "garden", "gardens", "dark"),
    ("clock", "clocks"): ("over the", "door", "doors", "slow"),
    ("report", "reports"): ("on the", "accident", "accidents", "ready"),
    ("path", "paths"): ("along the", "river", "rivers", "muddy"),
}
"""By the subject in both numbers: what stands before the neighbour, the neighbour in both numbers, the adjective."""
NUMBERS = ("singular", "plural")
CELLS = ((0, 0), (0, 1), (1, 1), (1, 0))
"""Numbers of subject and neighbour."""


def trials(_participants: int, _rng: random.Random) -> Iterator[tuple[str | int, ...]]:
    """Rows in the order of COLUMNS. All see the same sentences, so there is neither a participant nor chance."""
    for subjects, (before, one, many, adjective) in SENTENCES.items():
        for subject, neighbour in CELLS:
            sentence = f"The {subjects[subject]} {before} {(one, many)[neighbour]} ___ {adjective}."
            yield subjects[0], NUMBERS[subject], NUMBERS[neighbour], sentence
