"""How far a run is: its ledger read as it grows, each line once."""

from array import array
from collections import deque
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from time import time

import orjson

from grace.errors import LedgerCorrupt
from grace.ledger import VOID, Voided

RECENT_SECONDS = 300.0
"""The rate is that of so many seconds."""
MOST_RECENT = 5000
"""Records whose ends are kept for it."""
PIECE = 4 << 20


@dataclass(frozen=True)
class AnswerCount:
    """How far a run is.

    Attributes:
        answered: requests with an answer that counts.
        failed: records of failed requests; a later one may have been answered.
        rate: answers a second in the last five minutes, or since the first one; None without any.
        latest: when the last record was written, ISO 8601 in UTC; empty without any.
    """

    answered: int = 0
    failed: int = 0
    rate: float | None = None
    latest: str = ""


class LedgerCounter:
    """Counts a ledger's records; each look reads what was added since the last one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._reset()

    def _reset(self) -> None:
        self._read = 0
        self._finished: array[int] = array("q")
        self._failed = 0
        self._voided = Voided()
        self._ends: deque[str] = deque(maxlen=MOST_RECENT)

    def look(self) -> AnswerCount:
        """Count. A line that is no record is passed over: what reads the run for good says so."""
        try:
            with open(self._path, "rb") as file:
                if file.seek(0, 2) < self._read:  # another file: a copy that was fetched again
                    self._reset()
                file.seek(self._read)
                while piece := file.read(PIECE):
                    piece += b"" if piece.endswith(b"\n") else file.readline()
                    whole = piece[: piece.rfind(b"\n") + 1]
                    self._take(whole)
                    if len(whole) < len(piece):
                        break
        except OSError:
            return AnswerCount()
        answered = len(self._finished)
        if self._voided:
            answered = sum(1 for offset in self._finished if offset not in self._voided)
        return AnswerCount(answered, self._failed, self._rate(), self._ends[-1] if self._ends else "")

    def _take(self, lines: bytes) -> None:
        for line in lines.splitlines(keepends=True):
            offset = self._read
            self._read += len(line)
            try:
                record = orjson.loads(line)
                if record["status"] == VOID:
                    self._voided.add(offset, record, self._path)
                    continue
                self._ends.append(str(record["ended"]))
                if record["status"] == "failed":
                    self._failed += 1
                else:
                    self._finished.append(offset)
            except (ValueError, LookupError, TypeError, LedgerCorrupt):
                continue

    def _rate(self) -> float | None:
        """Answers a second lately; a ledger that stands still has a falling rate."""
        try:
            times = [datetime.fromisoformat(end).timestamp() for end in self._ends]
        except (ValueError, TypeError):
            return None
        now = time()
        recent = [moment for moment in times if moment > now - RECENT_SECONDS]
        if len(recent) < 2:
            return 0.0 if times else None
        return len(recent) / max(now - min(recent), 1e-3)
