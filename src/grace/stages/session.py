"""A session: one stretch of work on a run, with as many requests under way as the pace allows, each recorded."""

import asyncio
import signal
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from grace.endpoints.client import Client, RequestFailed
from grace.endpoints.pace import Pace
from grace.errors import EndpointError
from grace.ledger import Ledger
from grace.manifest import SessionRecord
from grace.progress import Progress
from grace.runs import Run, now

ALIKE = 20
"""This many failures of one kind in a row, with no success between them, end a session early."""
FATAL = ("http 401", "http 403", "http 404", "quota")
"""Failures that every request will share; one is enough while nothing has been answered."""
OWN = ("http 400", "http 413", "http 422", "inexact")
"""Failures of a single row where others were answered, such as a prompt that is too long: they end no session."""
LAST_SECONDS = 10.0
"""Seconds that open requests have left when a session ends early."""
SYNC_SECONDS = 2.0

Job = Callable[[], Awaitable[float | None]]
"""Makes requests that belong together, in order; returns the seconds that the last one took, None if it failed."""


@dataclass
class RequestCounts:
    """The requests of a session, by how they ended.

    Attributes:
        finished: how many were answered.
        failures: how many failed, by kind.
        examples: for each kind of failure, the first message.
        interrupted: whether the user stopped the session before all was asked.
    """

    finished: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    interrupted: bool = False

    def note_in(self, record: SessionRecord) -> None:
        """Write them into the session's record in the manifest."""
        record.finished, record.failed = self.finished, dict(self.failures)


class Session:
    """The moving parts of one session."""

    def __init__(
        self,
        run: Run,
        ledger: Ledger,
        client: Client,
        pace: Pace,
        progress: Progress,
        keep: Callable[[int, dict[str, Any]], None],
    ) -> None:
        """Prepare to work on a run; `keep` is called with each record and its offset in the ledger."""
        self.requests = RequestCounts()
        self.stopping = False
        self._run, self._ledger, self._client, self._pace, self._progress = run, ledger, client, pace, progress
        self._keep = keep
        self._verdict: str | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._alike: tuple[str, int] = ("", 0)
        self._fault: BaseException | None = None

    async def work(self, jobs: Iterable[Job], total: int, done: int) -> RequestCounts:
        """Do the jobs, each begun as soon as the pace allows; `done` of `total` requests were finished before.

        An interrupt (SIGINT, SIGTERM) lets the requests under way finish; a second one drops them.

        Raises:
            EndpointError: requests failed in the same way and the rest was not tried.
        """
        self._answered = done > 0
        self._progress.begin(total, done)
        syncing = asyncio.create_task(_sync_now_and_then(self._ledger))
        syncing.add_done_callback(self._ended)
        try:
            with _interrupts(self._interrupt):
                await self._do_all(jobs)
        finally:
            syncing.cancel()
        if self._verdict and not self.requests.interrupted:
            raise EndpointError(
                f"{self._client.shown_url}: {self._verdict}. {done + self.requests.finished} of {total} answers are "
                f"safe in {self._run.path}; once the cause is fixed, the same command continues"
            )
        return self.requests

    async def record(self, request: dict[str, Any], ask: Callable[[], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
        """Make one request and write its record: `request`, what `ask` returns or how it failed, and the times."""
        record = {**request, "started": now()}
        try:
            record |= await ask()
        except RequestFailed as error:
            self._failed(error)
            record |= {"status": "failed", "attempts": error.attempts}
            record["error"] = {"kind": error.kind, "status": error.status, "message": str(error)}
        else:
            self._alike, self._answered = ("", 0), True
            record["error"] = None
            self.requests.finished += 1
        record["ended"] = now()
        self._keep(self._ledger.append(record), record)
        self._progress.advance(record["status"] == "failed")
        return record

    async def _do_all(self, jobs: Iterable[Job]) -> None:
        for job in jobs:
            await self._pace.acquire()
            if self.stopping:
                self._pace.release()
                break
            task = asyncio.create_task(self._do(job))
            self._tasks.add(task)
            task.add_done_callback(self._ended)
        while self._tasks:
            await asyncio.wait(self._tasks)
        if self._fault:
            raise self._fault

    async def _do(self, job: Job) -> None:
        seconds = None
        try:
            seconds = await job()
        finally:
            self._pace.release(seconds)

    def _interrupt(self) -> None:
        """Stop sending; on the second call drop what is under way."""
        if self.requests.interrupted:
            self._drop()
            return
        self.requests.interrupted = True
        if self._tasks:
            self._progress.note(f"stopping: waiting for {len(self._tasks)} answers under way (again to drop them)")
            asyncio.get_running_loop().call_later(self._client.timeout, self._drop)
        self._stop()

    def _stop(self) -> None:
        """Send nothing more, not even retries."""
        self.stopping = True
        self._client.stop()
        self._pace.close()

    def _drop(self) -> None:
        for task in self._tasks:
            task.cancel()

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Start no more jobs when something other than a request failed; requests under way go on."""
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            self._fault = self._fault or error
            self._stop()

    def _failed(self, error: RequestFailed) -> None:
        """Count a failure, and see whether going on makes sense."""
        self.requests.failures[error.kind] += 1
        self.requests.examples.setdefault(error.kind, str(error))
        kind, number = self._alike
        self._alike = (error.kind, number + 1 if kind == error.kind else 1)
        shared = error.kind in FATAL
        if self._answered and error.kind in OWN:
            return
        enough = ALIKE if self._answered or not shared else 1  # a gateway may say 404 once and answer the next request
        if self._verdict is None and self._alike[1] >= enough:
            many = "a request" if enough == 1 else f"{enough} requests in a row"
            self._verdict = f"{many} failed with {error.kind}: {error}"
            asyncio.get_running_loop().call_later(LAST_SECONDS, self._drop)
            self._stop()


async def _sync_now_and_then(ledger: Ledger) -> None:
    """Limit what a power failure can lose."""
    while True:
        await asyncio.sleep(SYNC_SECONDS)
        await asyncio.to_thread(ledger.sync)


@contextmanager
def _interrupts(handler: Callable[[], None]) -> Iterator[None]:
    """Have SIGINT and SIGTERM call `handler` for the length of the block."""
    loop = asyncio.get_running_loop()
    signals = (signal.SIGINT, signal.SIGTERM)
    on_term = signal.getsignal(signal.SIGTERM)
    for number in signals:
        loop.add_signal_handler(number, handler)
    try:
        yield
    finally:
        for number in signals:
            loop.remove_signal_handler(number)
        signal.signal(signal.SIGTERM, on_term)  # asyncio restores only the handler of SIGINT
