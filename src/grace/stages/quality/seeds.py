"""Checks of draws: seeds that several rows share, and long answers that repeat each other under different seeds."""

from array import array
from collections.abc import Iterator, Sequence

from grace.stages.quality.looks import Flagged, Tally, groups

_NONE = hash(("", ""))


class Seeds:
    """Finds rows that share a seed; eight bytes a row."""

    def __init__(self) -> None:
        self._seeds = array("q")

    def see(self, model: str, seed: str) -> None:
        """Take note of the next row's seed; models do not share theirs."""
        self._seeds.append(hash((model, seed)) if seed else _NONE)

    def finish(self, keep: int) -> Tally:
        """The rows with a seed, and those whose seed another one has too."""
        tally = Tally(keep)
        for rows in groups(range(len(self._seeds)), self._seeds):
            if self._seeds[rows[0]] == _NONE:
                continue
            tally.units[""] += len(rows)
            if len(rows) > 1:
                tally.bad[""] += len(rows)
                tally.flag(*_each(rows, "seed", "has the seed of row"))
        return tally


class Answers:
    """Finds answers that equal another one to the same stimulus under another seed; 32 bytes an answer."""

    def __init__(self) -> None:
        self._rows, self._stimuli, self._texts, self._seeds = array("q"), array("q"), array("q"), array("q")

    def see(self, number: int, stimulus: int, text: str, seed: str) -> None:
        """Take note of an answer; `stimulus` is the same number for the same stimulus."""
        for kept, value in (
            (self._rows, number - 1),
            (self._stimuli, stimulus),
            (self._texts, hash(text)),
            (self._seeds, hash(seed)),
        ):
            kept.append(value)

    def finish(self, keep: int, column: str) -> Tally:
        """The answers with another one to the same stimulus and of another seed, and those that equal such a one."""
        tally = Tally(keep)
        for group in groups(range(len(self._rows)), self._stimuli):
            if self._differ(group):
                tally.units[""] += len(group)
                for same in groups(group, self._texts):
                    if self._differ(same):
                        tally.bad[""] += len(same)
                        rows = [self._rows[place] for place in same]
                        tally.flag(*_each(rows, column, "equals, word for word, the answer of row"))
        return tally

    def _differ(self, places: Sequence[int]) -> bool:
        """Whether some answers have different seeds."""
        return any(self._seeds[place] != self._seeds[places[0]] for place in places)


def _each(rows: Sequence[int], column: str, why: str) -> Iterator[Flagged]:
    """A flag for each of some rows (from 0) that names another one of them."""
    for row in rows:
        other = rows[0] if row != rows[0] else rows[1]
        yield Flagged(row + 1, column, f"{why} {other + 1}")
