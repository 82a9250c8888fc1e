"""Checks of draws: seeds that several rows share, and answers that are the same under every seed."""

from array import array
from collections.abc import Hashable, Iterator, Sequence

from grace.quality.looks import Flagged, Tally, groups

FEWEST = 5
"""With fewer stimuli, their answers are not judged."""
MANY, OFTEN = 20, 5
"""The fewest stimuli, and the fewest seeds of each, that are enough even if all answers are short."""
_NONE = hash(("", ""))


class Seeds:
    """Finds rows that share a seed; eight bytes a row."""

    def __init__(self) -> None:
        self._seeds = array("q")

    def see(self, asked: Hashable, seed: str) -> None:
        """Add the next row's seed; models, and ways of asking, do not share theirs."""
        self._seeds.append(hash((asked, seed)) if seed else _NONE)

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
    """Finds stimuli whose answers are all the same though their seeds differ; 33 bytes an answer.

    A model that is sure of a short answer repeats it under every seed, so equal short answers prove nothing: such a
    stimulus does not count, unless many stimuli were asked often, and no answer to any of them ever differs.
    """

    def __init__(self, long: float) -> None:
        """For answers that count as long from this number of characters."""
        self._from = long
        self._rows, self._stimuli, self._texts, self._seeds = array("q"), array("q"), array("q"), array("q")
        self._long = array("b")

    def see(self, number: int, stimulus: int, text: str, seed: str) -> None:
        """Add an answer; `stimulus` is the same number for the same stimulus."""
        for kept, value in (
            (self._rows, number - 1),
            (self._stimuli, stimulus),
            (self._texts, hash(text)),
            (self._seeds, hash(seed)),
            (self._long, len(text) >= self._from),
        ):
            kept.append(value)

    def finish(self, keep: int, column: str) -> Tally:
        """The stimuli that count, and those whose answers are all the same."""
        tally, short, often = Tally(keep), Tally(keep), 0
        for group in groups(range(len(self._rows)), self._stimuli):
            seeds = len({self._seeds[place] for place in group})
            if seeds < 2:
                continue
            same = len({self._texts[place] for place in group}) == 1
            own = short if same and not any(self._long[place] for place in group) else tally
            often += seeds >= OFTEN
            own.units[""] += 1
            if same:
                own.bad[""] += 1
                why = f"equals, word for word, all {len(group)} answers to its stimulus, which have {seeds} seeds"
                own.flag(Flagged(self._rows[group[0]] + 1, column, why))
        return short if not tally.units and often >= MANY else tally


def _each(rows: Sequence[int], column: str, why: str) -> Iterator[Flagged]:
    """A flag for each of some rows (from 0) that names another one of them."""
    for row in rows:
        other = rows[0] if row != rows[0] else rows[1]
        yield Flagged(row + 1, column, f"{why} {other + 1}")
