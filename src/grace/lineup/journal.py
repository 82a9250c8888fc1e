"""The journal of a lineup: an append-only record of every step that begins, ends or fails, for each model."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from threading import Lock
from typing import Any

from grace.errors import GraceError, LedgerCorrupt
from grace.ledger import Ledger, scan
from grace.runs import now


class Step(StrEnum):
    """What is done with a model, in this order."""

    CHECK = "check"
    WEIGHTS = "weights"
    SERVE = "serve"
    VISIT = "visit"
    FETCH = "fetch"
    VALIDATE = "validate"
    REMOVE = "remove"
    PROVE_GONE = "prove gone"


class Event(StrEnum):
    """What became of a step."""

    BEGUN = "begun"
    DONE = "done"
    FAILED = "failed"


@dataclass
class History:
    """What a journal says of one model.

    Attributes:
        last: of each step, its latest event.
        facts: of each step that was done, what it noted.
        failure: the step that failed last and why; None when the model went well since.
        times: of each step, when it began first and ended last.
    """

    last: dict[Step, Event] = field(default_factory=dict)
    facts: dict[Step, dict[str, Any]] = field(default_factory=dict)
    failure: tuple[Step, str] | None = None
    times: dict[Step, tuple[str, str]] = field(default_factory=dict)

    def done(self, step: Step) -> bool:
        """Whether the step ended well, and nothing before it was begun again since."""
        return self.last.get(step) is Event.DONE

    @property
    def closed(self) -> bool:
        """Whether the model was asked, is home, and gone."""
        return self.failure is None and all(self.done(step) for step in (Step.FETCH, Step.PROVE_GONE))

    @property
    def summary(self) -> tuple[str, str, str]:
        """The state in words, since when, and what there is to say of it."""
        if not self.last:
            return "waiting", "", ""
        step, event = next(reversed(self.last.items()))
        since = self.times[step][1]
        if self.failure:
            return f"failed at {self.failure[0]}", since, self.failure[1]
        if self.closed:
            return "home and removed", since, ""
        return f"{step} {event}", since, ""

    def note(self, step: Step, event: Event, time: str, facts: dict[str, Any]) -> None:
        """Take one record in."""
        if event is Event.BEGUN:  # what follows a step holds no more once the step is done again
            for later in list(Step)[list(Step).index(step) :]:
                self.last.pop(later, None)
            if step is Step.CHECK:
                self.failure = None
        self.last[step] = event
        self.times[step] = (self.times.get(step, (time, time))[0], time)
        if event is Event.DONE:
            self.facts[step] = facts
        if event is Event.FAILED:
            self.failure = (step, str(facts.get("error", "")))


class Journal:
    """The one writer of a journal; the caller holds the lock of the lineup's folder. Threads may share it."""

    def __init__(self, path: Path) -> None:
        """Open it, and read what it holds. Raises InputError, LedgerCorrupt."""
        self.histories = histories(path)
        self._ledger = Ledger(path)
        self._one_by_one = Lock()

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *exc: object) -> None:
        self._ledger.close()

    def of(self, model: str) -> History:
        """What happened to a model so far."""
        return self.histories.setdefault(model, History())

    @contextmanager
    def step(self, model: str, step: Step) -> Iterator[dict[str, Any]]:
        """Record that a step begins, and how it ends; the block may note facts. Errors pass through."""
        facts: dict[str, Any] = {}
        self._write(model, step, Event.BEGUN, {})
        try:
            yield facts
        except GraceError as error:
            self._write(model, step, Event.FAILED, {"kind": type(error).__name__, "error": str(error)})
            raise
        self._write(model, step, Event.DONE, facts)

    def _write(self, model: str, step: Step, event: Event, facts: dict[str, Any]) -> None:
        with self._one_by_one:
            time = now()
            self._ledger.append({"time": time, "model": model, "step": step, "event": event, **facts})
            self._ledger.sync()
            self.of(model).note(step, event, time, facts)


@dataclass(frozen=True)
class JournalEntry:
    """One record of a journal: what became of a step of a model, when, and what was noted of it."""

    time: str
    model: str
    step: Step
    event: Event
    facts: dict[str, Any]


def entries(path: Path) -> Iterator[JournalEntry]:
    """The records of a journal; without a file, none. Raises LedgerCorrupt, which names the line."""
    for number, (_, record) in enumerate(scan(path), 1):
        try:
            model, time = str(record.pop("model")), str(record.pop("time"))
            yield JournalEntry(time, model, Step(record.pop("step")), Event(record.pop("event")), record)
        except (KeyError, ValueError):
            raise LedgerCorrupt(f"{path}, line {number}: is not a record of a lineup; restore it from a copy") from None


def histories(path: Path) -> dict[str, History]:
    """What a journal says of each model; without a file, nothing. Raises LedgerCorrupt."""
    by_model: dict[str, History] = {}
    for entry in entries(path):
        by_model.setdefault(entry.model, History()).note(entry.step, entry.event, entry.time, entry.facts)
    return by_model
