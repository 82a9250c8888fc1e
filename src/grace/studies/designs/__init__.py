"""Designs: complete, balanced trial tables for the built-in studies, from stimuli written for this project."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from grace.studies.designs import study1, study2

Rows = Iterator[tuple[str | int, ...]]


@dataclass(frozen=True)
class Generator:
    """What makes the trials of one study.

    Attributes:
        columns: the table's header.
        participants: how many the published study had, the default.
        trials: yields the rows of so many participants, with the generator of random numbers to draw from.
    """

    columns: tuple[str, ...]
    participants: int
    trials: Callable[[int, random.Random], Rows]

    def rows(self, participants: int, seed: int) -> Rows:
        """The table's rows, the same for the same seed; further participants only add to its end."""
        return self.trials(participants, random.Random(seed))


GENERATORS = {
    "study1": Generator(study1.COLUMNS, study1.PARTICIPANTS, study1.trials),
    "study2": Generator(study2.COLUMNS, study2.PARTICIPANTS, study2.trials),
}
