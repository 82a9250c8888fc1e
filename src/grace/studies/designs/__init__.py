"""Designs: complete, balanced trial tables for the built-in studies, from stimuli written for this project."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from grace.studies.designs import agreement, study1, study2

Rows = Iterator[tuple[str | int, ...]]


@dataclass(frozen=True)
class Generator:
    """Makes the trials of one study.

    Attributes:
        columns: the table's header.
        participants: the number of the published study, which is the default; None where a table is not about people.
        trials: yields the rows, given the number of participants and a generator of random numbers.
    """

    columns: tuple[str, ...]
    participants: int | None
    trials: Callable[[int, random.Random], Rows]

    def rows(self, participants: int, seed: int) -> Rows:
        """The table's rows, the same for the same seed; further participants only add to its end."""
        return self.trials(participants, random.Random(seed))


GENERATORS = {
    "study1": Generator(study1.COLUMNS, study1.PARTICIPANTS, study1.trials),
    "study2": Generator(study2.COLUMNS, study2.PARTICIPANTS, study2.trials),
    "agreement": Generator(agreement.COLUMNS, None, agreement.trials),
}
