"""Latin squares: every participant meets every condition once, each with another item."""

import random
from collections.abc import Iterator, Sequence
from typing import TypeVar

C = TypeVar("C")
I = TypeVar("I")  # noqa: E741 - item, beside condition


def sessions(
    participants: int, conditions: Sequence[C], items: Sequence[I], rng: random.Random
) -> Iterator[list[tuple[C, I]]]:
    """Each participant's trials, as (condition, item), each in its own order.

    There are as many items as conditions. The participants come in blocks of that number, and within each block every
    item meets every condition exactly once: a square with a new arrangement for each block.
    """
    size = len(conditions)
    assert len(items) == size, "a Latin square has as many items as conditions"
    for first in range(0, participants, size):
        arranged = rng.sample(items, size)
        for shift in rng.sample(range(size), size)[: participants - first]:
            trials = [(condition, arranged[(place + shift) % size]) for place, condition in enumerate(conditions)]
            rng.shuffle(trials)
            yield trials
