"""The queue of a review: the rows that need a person, the reasons, and which of them are decided."""

import heapq
import random
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from grace.columns import ENDING, ERROR
from grace.progress import Progress
from grace.stages.fields.records import Answered, FieldRecords, Rows
from grace.stages.fields.table import BATCH
from grace.studies.extraction import Extraction
from grace.studies.fields import DOUBTFUL, Extracted
from grace.studies.reading import Missing, Value
from grace.tables import CsvTable

SLACK = 1.0
"""How far the sum of values may be from their total because of rounding."""


class Reason(StrEnum):
    """Why a row needs a person."""

    missing = "missing values"
    doubtful = "values in doubt"
    sum = "sums that are off"
    refused = "refusals"
    cut = "cut-off answers"
    failed = "answers in part"


@dataclass(frozen=True)
class Choice:
    """The rows that are shown besides those that need a person.

    Attributes:
        all: whether every row with an answer is shown.
        sample: the number of other rows, drawn at random.
        seed: chooses these by their content, so that the order of the table does not matter.
    """

    all: bool = False
    sample: int = 0
    seed: int = 1


def reasons(extraction: Extraction, row: Mapping[str, str], read: Extracted) -> dict[Reason, str]:
    """Why a row needs a person, in words; empty where it does not."""
    why: dict[Reason, str] = {}
    missing = [name for name, answer in read.answers.items() if isinstance(answer, Missing)]
    if missing:
        why[Reason.missing] = f"No value for {', '.join(missing)}"
    doubtful = [name for name in read.open if name not in missing]
    if doubtful:
        doubts = {name: read.doubts.get(name, "").removeprefix("in doubt: ") for name in doubtful}
        named = ", ".join(f"{name}, which {own}" if own else name for name, own in doubts.items())
        why[Reason.doubtful] = f"In doubt: {named} (confidence below {DOUBTFUL})"
    off = list(_off(extraction, read))
    if off:
        why[Reason.sum] = "; ".join(off)
    if read.refused:
        why[Reason.refused] = "The answer looks like a refusal"
    if row.get(ENDING) == "length":
        why[Reason.cut] = "The answer was cut off at the token limit"
    if row.get(ERROR):
        why[Reason.failed] = f"Not all was answered: {row[ERROR]}"
    return why


def _off(extraction: Extraction, read: Extracted) -> Iterator[str]:
    """The sums that miss their total."""
    for group in extraction.sums.values():
        values = [answer.value for name in group.fields if isinstance(answer := read.answers[name], Value)]
        total = sum(value for value in values if not isinstance(value, str))
        if len(values) == len(group.fields) and abs(total - group.total) > SLACK:
            yield f"{group.fields[0]} to {group.fields[-1]} make {total:g}, not {group.total:g}"


class Queue:
    """The rows of a review, in the table's order; each takes eighteen bytes.

    Attributes:
        counts: how many rows of the table need a person, by reason.
        flagged: how many need one for any reason.
        unanswered: how many rows are left out because they have no answer.
    """

    def __init__(self) -> None:
        self.counts: Counter[Reason] = Counter()
        self.flagged = 0
        self.unanswered = 0
        self._rows = array("Q")
        self._marks = array("Q")
        self._decided = bytearray()
        self._why = bytearray()

    @classmethod
    def of(
        cls,
        rows: Rows,
        records: FieldRecords,
        table: CsvTable,
        choice: Choice,
        progress: Progress,
        by: str | None = None,
    ) -> "Queue":
        """Read a table once and choose its rows. Decided rows stay, so that a person can decide again.

        With `by`, only the decisions of that person count.
        """
        queue = cls()
        drawn: list[tuple[float, int, int]] = []  # a heap: of those drawn the one with the largest draw first
        progress.begin(len(table), 0, "rows")
        for row, cells in enumerate(table.rows()):
            if (row + 1) % BATCH == 0 or row + 1 == len(table):
                progress.advance(False, (row + 1) % BATCH or BATCH)
            answered = rows.of(cells)
            if not answered.has_text:
                queue.unanswered += 1
                continue
            why = reasons(rows.extraction, cells, records.unreviewed(answered, rows.read(answered)))
            decided = records.decision(answered.key, by) is not None
            queue.counts.update(why.keys())
            queue.flagged += bool(why)
            if why or decided or choice.all:
                queue._add(row, _mark(answered.key), decided, _bits(why))
            elif choice.sample:
                draw = random.Random(f"{choice.seed}/{answered.key}").random()
                (heapq.heappush if len(drawn) < choice.sample else heapq.heappushpop)(
                    drawn, (-draw, row, _mark(answered.key))
                )
        queue._insert(sorted((row, mark) for _, row, mark in drawn))
        return queue

    def _add(self, row: int, mark: int, decided: bool, why: int) -> None:
        self._rows.append(row)
        self._marks.append(mark)
        self._decided.append(decided)
        self._why.append(why)

    def _insert(self, others: Iterable[tuple[int, int]]) -> None:
        """Put undecided rows in their places."""
        before = zip(self._rows, self._marks, self._decided, self._why, strict=True)
        self._rows, self._marks, self._decided, self._why = array("Q"), array("Q"), bytearray(), bytearray()
        for row, mark, decided, why in heapq.merge(before, ((row, mark, 0, 0) for row, mark in others)):
            self._add(row, mark, bool(decided), why)

    def __len__(self) -> int:
        return len(self._rows)

    def row(self, place: int) -> int:
        """The row (from 0) at a place of the queue."""
        return self._rows[place]

    def place(self, row: int) -> int | None:
        """The place of a row (from 0) in the queue; None where it is not in it."""
        place = bisect_left(self._rows, row)
        return place if place < len(self) and self._rows[place] == row else None

    @property
    def decided(self) -> int:
        """How many rows of the queue are decided."""
        return self._decided.count(1)

    def places(self, reason: Reason | None) -> Sequence[int]:
        """The places of the rows that are there for a reason; None: all places."""
        if reason is None:
            return range(len(self))
        bit = _bits([reason])
        return [place for place, why in enumerate(self._why) if why & bit]

    def done(self, places: Sequence[int]) -> int:
        """How many of some places are decided."""
        return sum(self._decided[place] for place in places)

    def undecided(self, start: int, reason: Reason | None = None) -> int | None:
        """The first undecided place from `start` on, or from the beginning; None where all are decided."""
        open_places = [place for place in self.places(reason) if not self._decided[place]]
        after = bisect_left(open_places, start)
        return open_places[after % len(open_places)] if open_places else None

    def decide(self, answered: Answered) -> None:
        """Mark a row as decided, and every row with the same content."""
        mark = _mark(answered.key)
        for place, other in enumerate(self._marks):
            if other == mark:
                self._decided[place] = 1


def _bits(why: Iterable[Reason]) -> int:
    """Reasons as bits."""
    every = list(Reason)
    return sum(1 << every.index(reason) for reason in why)


def _mark(key: str) -> int:
    """A row's key in eight bytes."""
    return int(key[:16], 16)
