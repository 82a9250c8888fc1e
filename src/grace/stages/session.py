"""A session: one stretch of work on a run, with as many requests under way as the pace allows, each recorded.

From time to time, after a lost connection and at the end it is checked that the server is still the same. Where it is
another one, the records since the last good check are voided (`grace.ledger`).
"""

import asyncio
import signal
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from grace.endpoints.client import RequestFailed
from grace.endpoints.handshake import Handshake
from grace.endpoints.pace import Pace
from grace.endpoints.watch import ServerWatch
from grace.errors import EndpointError
from grace.ledger import Ledger, void
from grace.manifest import SessionRecord
from grace.progress import Progress
from grace.runs import Run, now

ALIKE = 20
"""This many failures of one kind in a row, with no success between them, end a session early."""
FATAL = ("http 401", "http 403", "http 404", "quota")
"""Failures that every request will share; one is enough while nothing has been answered."""
OWN = ("http 400", "http 413", "http 422", "inexact", "too long")
"""Failures of a single row where others were answered, such as a prompt that is too long: they end no session."""
LAST_SECONDS = 10.0
"""Seconds that open requests have left when a session ends early."""
SYNC_SECONDS = 2.0
CHECK_SECONDS = 60.0
"""The most seconds between two checks that the server is still the same, while it can be asked."""
LAST_CHECKS, LAST_CHECK_SECONDS = 4, 30.0
"""How often that is tried at the end of a session, a second after each other, and the seconds that all may take."""

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


@dataclass(frozen=True)
class _Checked:
    """How far a session was when the server was last seen to be the same: records before `end` belong to it."""

    end: int
    finished: int
    when: str


class Session:
    """The moving parts of one session."""

    def __init__(
        self,
        run: Run,
        ledger: Ledger,
        handshake: Handshake,
        pace: Pace,
        progress: Progress,
        keep: Callable[[int, dict[str, Any]], None],
        save: Callable[[int], Callable[[], None] | None] = lambda end: None,
    ) -> None:
        """Prepare to work on a run.

        `keep` is called with each record and its offset in the ledger; `save` from time to time with the ledger's end,
        and what it returns is carried out in a thread.
        """
        self.requests = RequestCounts()
        self.stopping = False
        self._run, self._ledger, self._pace, self._progress, self._keep = run, ledger, pace, progress, keep
        self._save = save
        self._handshake, self._client = handshake, handshake.client
        self._verdict: str | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._alike: tuple[str, int] = ("", 0)
        self._fault: BaseException | None = None
        self._change: str | None = None
        """What is different about the server than when the session began."""

    async def work(self, jobs: Iterable[Job], total: int, done: int) -> RequestCounts:
        """Do the jobs, each begun as soon as the pace allows; `done` of `total` requests were finished before.

        An interrupt (SIGINT, SIGTERM) lets the requests under way finish; a second one drops them.

        Raises:
            EndpointError: requests failed in the same way and the rest was not tried; or the server was another one.
        """
        self._answered = done > 0
        self._progress.begin(total, done)
        if done < total:
            self._watch = await ServerWatch.begin(self._handshake)
        self._checked = self._so_far()
        keeping_safe = asyncio.create_task(self._keep_safe())
        keeping_safe.add_done_callback(self._ended)
        try:
            with _interrupts(self._interrupt):
                await self._do_all(jobs)
                keeping_safe.cancel()
                await self._check_at_end()
        finally:
            keeping_safe.cancel()
        if self._change:
            raise self._void(done, total)
        if self._fault:
            raise self._fault
        if self._verdict and not self.requests.interrupted:
            raise EndpointError(
                f"{self._client.shown_url}: {self._verdict}. {done + self.requests.finished} of {total} answers are "
                f"safe in {self._run.path}; once the cause is fixed, the same command continues"
            )
        return self.requests

    async def record(self, request: dict[str, Any], ask: Callable[[], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
        """Make one request and write its record: `request`, what `ask` returns or how it failed, and the times."""
        begun = {**request, "started": now()}
        try:
            record = begun | await ask() | {"error": None, "ended": now()}
            offset = self._append(record)
        except RequestFailed as error:
            message = self._client.clean(str(error))
            self._failed(error, message)
            facts = {"kind": error.kind, "status": error.status, "message": message}
            record = begun | {"status": "failed", "attempts": error.attempts, "error": facts, "ended": now()}
            offset = self._append(record)
        else:
            self._alike, self._answered = ("", 0), True
            self.requests.finished += 1
        self._keep(offset, record)
        self._progress.advance(record["status"] == "failed")
        return record

    def _append(self, record: dict[str, Any]) -> int:
        """Append a record. Raises RequestFailed where a server said something that none can hold."""
        try:
            return self._ledger.append(record)
        except TypeError as error:  # orjson's: a number above 64 bits, half of a character
            raise RequestFailed(
                "garbage", f"the answer cannot be recorded: {error}", attempts=record.get("attempts", 1)
            ) from None

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

    def _failed(self, error: RequestFailed, message: str) -> None:
        """Count a failure, and see whether going on makes sense."""
        self.requests.failures[error.kind] += 1
        self.requests.examples.setdefault(error.kind, message)
        kind, number = self._alike
        self._alike = (error.kind, number + 1 if kind == error.kind else 1)
        shared = error.kind in FATAL
        if self._answered and error.kind in OWN:
            return
        enough = ALIKE if self._answered or not shared else 1  # a gateway may say 404 once and answer the next request
        if self._verdict is None and self._alike[1] >= enough:
            many = "a request" if enough == 1 else f"{enough} requests in a row"
            self._verdict = f"{many} failed with {error.kind}: {message}"
            asyncio.get_running_loop().call_later(LAST_SECONDS, self._drop)
            self._stop()

    # Whether it is the same server

    async def _keep_safe(self) -> None:
        """Limit what a power failure can lose, and what a server that was exchanged can spoil."""
        losses, checked = self._client.losses, time.monotonic()
        while True:
            await asyncio.sleep(SYNC_SECONDS)
            await asyncio.to_thread(self._ledger.sync)
            if saving := self._save(self._ledger.end):
                await asyncio.to_thread(saving)
            now_lost, due = self._client.losses, time.monotonic() >= checked + CHECK_SECONDS
            if (due or now_lost > losses) and await self._check() is None:
                losses, checked = now_lost, time.monotonic()
            if self._change:
                self._stop()
                self._drop()
                return

    async def _check(self) -> RequestFailed | None:
        """See whether the server is still the same; give the failure where it cannot be asked."""
        so_far = self._so_far()
        if (so_far.end, so_far.finished) == (self._checked.end, self._checked.finished):
            return None
        try:
            self._change = await self._watch.change()
        except RequestFailed as error:
            return error
        if self._change is None:
            self._checked = so_far
        return None

    async def _check_at_end(self) -> None:
        """Check the records since the last check, unless all of them failed."""
        since = self.requests.finished - self._checked.finished
        if self._change or not since:
            return
        task = asyncio.create_task(self._checks_at_end())
        self._tasks.add(task)  # so that an interrupt ends it
        task.add_done_callback(self._ended)
        await asyncio.wait([task], timeout=LAST_CHECK_SECONDS)
        task.cancel()
        if self._checked.finished < self.requests.finished and not self._change:
            self._progress.note(
                f"{self._client.shown_url}: cannot be asked whether it is still the same server as at "
                f"{self._checked.when}; the answers since then ({since}) are kept"
            )

    async def _checks_at_end(self) -> None:
        for _ in range(1 if self.requests.interrupted else LAST_CHECKS):
            if await self._check() is None:
                return
            await asyncio.sleep(1.0)

    def _so_far(self) -> _Checked:
        return _Checked(self._ledger.end, self.requests.finished, now())

    def _void(self, done: int, total: int) -> EndpointError:
        """Void the records since the last good check."""
        since, count = self._checked, self.requests.finished - self._checked.finished
        if self._ledger.end > since.end:
            self._ledger.append(void([(since.end, self._ledger.end)], f"another server: {self._change}", now()))
        return EndpointError(
            f"{self._client.shown_url}: is not the server any more that this session began with ({self._change}). "
            f"{count} answers since {since.when} do not count: they stay in {self._ledger.path}, marked, and the "
            f"same command asks them again. {done + since.finished} of {total} answers are safe"
        )


def interrupt_sessions(thread: int | None = None) -> bool:
    """Interrupt the sessions of other threads, as Ctrl-C does in the main one: signals do not reach them.

    `thread` is the identifier of the only one that is meant. Returns whether there was such a session.
    """
    meant = [own for own in list(_IN_THREADS.items()) if thread is None or own[0] == thread]
    for _, (loop, handler) in meant:
        with suppress(RuntimeError):  # it has ended meanwhile
            loop.call_soon_threadsafe(handler)
    return bool(meant)


_IN_THREADS: dict[int, tuple[asyncio.AbstractEventLoop, Callable[[], None]]] = {}
"""What interrupts the session of each thread but the main one, by the thread's identifier."""


@contextmanager
def _interrupts(handler: Callable[[], None]) -> Iterator[None]:
    """Have SIGINT and SIGTERM, or in other threads `interrupt_sessions`, call `handler` for the length of the block."""
    loop = asyncio.get_running_loop()
    if threading.current_thread() is not threading.main_thread():
        own = threading.get_ident()
        _IN_THREADS[own] = (loop, handler)
        try:
            yield
        finally:
            del _IN_THREADS[own]
        return
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
