"""What a run has already done: which requests are finished, and where their records are in its ledger."""

from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from hashlib import blake2b
from typing import Any

from grace.errors import InputError
from grace.files import holding
from grace.index import GrowingIndex, Index
from grace.ledger import Misfit, replay
from grace.manifest import GENERATE
from grace.record_shapes import TRIALS
from grace.runs import Run

NOT_ASKED = "not asked yet"


class Done:
    """Which requests are finished, and where their records are in the ledger: eight bytes for each planned request.

    A request is listed by row, replication and turn, since within a run these determine its key: the manifest holds
    the digests of everything else. Of several records for one request a finished one counts over a failed one.
    """

    def __init__(self, rows: int, turns: Sequence[str]) -> None:
        self._rows = rows
        self._turns = turns
        self._offsets: dict[tuple[int, str], array[int]] = {}
        self._failed: dict[tuple[int, int, str], int] = {}

    @classmethod
    def read(cls, run: Run, rows: int, turns: Sequence[str], index: GrowingIndex | None = None) -> "Done":
        """Read a run's ledger: of records that the index knows, the index. Raises LedgerCorrupt."""
        known = (index or GrowingIndex(run.ledger)).read()
        start = cls._restored(known, rows, turns) if known else None
        return replay(run.ledger, lambda: cls(rows, turns), TRIALS.fault, start)

    @classmethod
    def _restored(cls, index: Index, rows: int, turns: Sequence[str]) -> "tuple[int, Done] | None":
        """What an index holds, and where the records after it begin; None where it is about other requests."""
        done = cls(rows, turns)
        try:
            *lists, failed = index.numbers
            pairs = [(int(replication), turns[turn]) for replication, turn in index.facts["lists"]]
            fits = index.facts["rows"] == rows and index.facts["turns"] == list(turns)
            if not fits or any(len(each) != rows or not -1 <= max(each) < index.length for each in lists):
                return None
            done._offsets = dict(zip(pairs, lists, strict=True))
            quads = zip(*(iter(failed),) * 4, strict=True)
            done._failed = {(row, replication, turns[turn]): offset for row, replication, turn, offset in quads}
        except (LookupError, ValueError, TypeError):
            return None
        return index.length, done

    def write(self, run: Run, index: GrowingIndex, end: int) -> Callable[[], None]:
        """What writes the index of a run's ledger up to `end`; all that it needs is copied here and now.

        Where it cannot be written there is none.
        """
        turns = list(self._turns)
        lists = [(replication, turns.index(turn)) for replication, turn in self._offsets]
        failed = array("q")
        for (row, replication, turn), offset in self._failed.items():
            failed.extend((row, replication, turns.index(turn), offset))
        numbers = [*(each[:] for each in self._offsets.values()), failed]

        def write() -> None:
            with suppress(InputError), holding(run.path):
                index.write(end, {"rows": self._rows, "turns": turns, "lists": lists}, numbers)

        return write

    def add(self, offset: int, record: dict[str, Any]) -> None:
        """Add one record. Raises Misfit for one of a row or turn that the run does not have."""
        row, replication, turn = record["rows"][0] - 1, record["replication"] - 1, record["question"]
        if not 0 <= row < self._rows:
            raise Misfit(f"rows: has {row + 1}, and the input has {self._rows}")
        if turn not in self._turns:
            raise Misfit(f"question: is {turn!r}, not one of {', '.join(self._turns)}")
        if record["status"] == "failed":
            self._failed[row, replication, turn] = offset
            return
        offsets = self._offsets.get((replication, turn))
        if offsets is None:
            offsets = self._offsets[replication, turn] = array("q", [-1]) * self._rows
        offsets[row] = offset
        if self._failed:
            self._failed.pop((row, replication, turn), None)

    def finished(self, row: int, replication: int, turn: str) -> int | None:
        """The offset of the finished record, None where there is none."""
        offsets = self._offsets.get((replication, turn))
        return None if offsets is None or offsets[row] < 0 else offsets[row]

    def failed(self, row: int, replication: int, turn: str) -> int | None:
        """The offset of the last failed record of a request that was never finished."""
        return self._failed.get((row, replication, turn))

    def count(self, rows: Sequence[int], replication: int) -> int:
        """How many requests about these rows are finished in one replication."""
        turns = [turn for turn in self._turns if (replication, turn) in self._offsets]
        return sum(len(rows) - sum(1 for _ in self.open(rows, replication, turn)) for turn in turns)

    def beyond(self, rows: int, replications: int) -> set[tuple[int, str]]:
        """The rows and turns of records that are not about the first `rows` rows and first `replications`."""
        finished = {
            (row, turn)
            for (replication, turn), offsets in self._offsets.items()
            for row in range(0 if replication >= replications else rows, self._rows)
            if offsets[row] >= 0
        }
        failed = {(row, turn) for row, other, turn in self._failed if row >= rows or other >= replications}
        return finished | failed

    @property
    def replications(self) -> set[int]:
        """The replications (0 is the first) of which something is finished."""
        return {replication for replication, _ in self._offsets}

    def open(self, rows: Sequence[int], replication: int, turn: str) -> Iterator[int]:
        """Those of `rows` whose request is not finished; each is looked up when it is taken."""
        offsets = self._offsets.get((replication, turn))
        return (row for row in rows if offsets is None or offsets[row] < 0)


def request_seed(base: int, study: str, row: int, replication: int) -> int:
    """The sampling seed of one row's answer: equal prompts in different rows give independent draws; below 2**31."""
    digest = blake2b(f"{base}/{study}/{GENERATE}/{row + 1}/{replication + 1}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") % 2**31
