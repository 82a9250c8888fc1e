"""Experiment 1: ask the model about every trial and keep its raw answers in the ledger."""

import asyncio
import random
import signal
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from grace.endpoints.client import Client, RequestFailed
from grace.endpoints.dialects import OpenAI, Sampling, read_answer
from grace.endpoints.pace import Pace
from grace.errors import EndpointError, StudyError
from grace.ledger import Ledger, LedgerReader, request_key
from grace.runs import Run, now
from grace.stages.done import Done, request_seed
from grace.studies.study import Conversation, Message, Study
from grace.tables import CsvTable

ALIKE = 20
"""So many failures of one kind in a row, with no success between them, end a run early."""
FATAL = ("http 401", "http 403", "http 404", "quota")
"""Failures that every request will share; while nothing has been answered, one is enough."""
OWN = ("http 400", "http 413", "http 422")
"""Failures that are a row's own where others were answered, as a prompt too long is: they do not end a run."""
LAST_SECONDS = 10.0
"""So long the answers under way may still come when a run ends early."""
SYNC_SECONDS = 2.0


@dataclass(frozen=True)
class Plan:
    """What is asked of whom, and how.

    Attributes:
        rows: numbers of the table's rows (0 is the first) to ask about, in the order of asking.
        replications: how many independent answers are drawn for each row.
        seed: the base seed, from which every request's own is derived.
    """

    study: Study
    conversation: Conversation
    table: CsvTable
    rows: Sequence[int]
    replications: int
    seed: int
    sampling: Sampling
    model: str
    identity: dict[str, Any]

    @property
    def total(self) -> int:
        """How many requests the whole plan takes."""
        return len(self.rows) * self.replications * len(self.conversation.turns)


class Progress(Protocol):
    """Hears what happens; a terminal's progress bar, or plain lines, or nothing."""

    def begin(self, total: int, done: int) -> None:
        """`done` of `total` requests were finished in earlier sessions."""

    def advance(self, failed: bool) -> None:
        """One more request has ended."""

    def note(self, text: str) -> None:
        """Something the user should know."""

    def fault(self, text: str) -> None:
        """A request failed and is tried again."""


@dataclass
class Outcome:
    """How a session went: requests by what became of them."""

    finished: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    """How many requests failed, by kind."""
    examples: dict[str, str] = field(default_factory=dict)
    """For each kind of failure, the first one in words."""
    interrupted: bool = False


async def generate(
    plan: Plan, run: Run, done: Done, client: Client, dialect: OpenAI, pace: Pace, progress: Progress
) -> Outcome:
    """Ask what is not finished yet, each answer written to the ledger as it comes.

    An interrupt (SIGINT, SIGTERM) lets the requests under way finish; a second one drops them.

    Raises:
        EndpointError: requests failed one like the other and the rest was not tried.
    """
    outcome = Outcome()
    before = done.count(plan.rows, plan.replications)
    progress.begin(plan.total, before)
    with Ledger(run.ledger) as ledger, LedgerReader(run.ledger) as reader:
        asker = _Asker(plan, done, client, dialect, pace, progress, ledger, reader, outcome, before > 0)
        syncing = asyncio.create_task(_sync_now_and_then(ledger))
        syncing.add_done_callback(asker.ended)
        try:
            with _interrupts(asker.interrupt):
                await asker.ask_all()
        finally:
            syncing.cancel()
    if asker.verdict and not outcome.interrupted:
        raise EndpointError(
            f"{client.shown_url}: {asker.verdict}. {before + outcome.finished} of {plan.total} answers are safe "
            f"in {run.path}; when the cause is mended, the same command goes on"
        )
    return outcome


class _Asker:
    """The moving parts of one session."""

    def __init__(
        self,
        plan: Plan,
        done: Done,
        client: Client,
        dialect: OpenAI,
        pace: Pace,
        progress: Progress,
        ledger: Ledger,
        reader: LedgerReader,
        outcome: Outcome,
        answered: bool,
    ) -> None:
        self.plan, self.done, self.outcome = plan, done, outcome
        self.client, self.dialect, self.pace, self.progress = client, dialect, pace, progress
        self.ledger, self.reader = ledger, reader
        self.verdict: str | None = None
        self._answered = answered
        self._stopping = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._alike: tuple[str, int] = ("", 0)
        self._fault: BaseException | None = None

    async def ask_all(self) -> None:
        for row, replication in self._open():
            await self.pace.acquire()
            if self._stopping:
                self.pace.release()
                break
            task = asyncio.create_task(self._ask_row(row, replication))
            self._tasks.add(task)
            task.add_done_callback(self.ended)
        while self._tasks:
            await asyncio.wait(self._tasks)
        if self._fault:
            raise self._fault

    def interrupt(self) -> None:
        """Stop sending; on the second call drop what is under way."""
        if self.outcome.interrupted:
            self._drop()
            return
        self.outcome.interrupted = True
        if self._tasks:
            self.progress.note(f"stopping: waiting for {len(self._tasks)} answers under way (again to drop them)")
            asyncio.get_running_loop().call_later(self.client.timeout, self._drop)
        self._stop()

    def _stop(self) -> None:
        """Send nothing more, retries neither."""
        self._stopping = True
        self.client.stop()
        self.pace.close()

    def _drop(self) -> None:
        for task in self._tasks:
            task.cancel()

    def ended(self, task: asyncio.Task[None]) -> None:
        """Ask no more when something broke that is not a request; what is under way may still come."""
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            self._fault = self._fault or error
            self._stop()

    def _open(self) -> Iterator[tuple[int, int]]:
        """Rows and replications with a turn left to ask."""
        last = self.plan.conversation.turns[-1]
        for replication in range(self.plan.replications):
            for row in self.done.open(self.plan.rows, replication, last):
                yield row, replication

    async def _ask_row(self, row: int, replication: int) -> None:
        """Hold the conversation about one row, going on where an earlier session stopped."""
        plan = self.plan
        seconds = None
        try:
            cells = plan.study.complete(plan.table.row(row))
            messages = plan.conversation.opening(cells)
            seed = request_seed(plan.seed, plan.study.name, row, replication)
            for turn in plan.conversation.turns:
                messages.append(plan.conversation.turn(turn, cells))
                offset = self.done.finished(row, replication, turn)
                if offset is None and self._stopping:
                    return
                record = (
                    self.reader[offset]
                    if offset is not None
                    else await self._ask(messages, row, replication, turn, seed)
                )
                if record["status"] == "failed":
                    seconds = None
                    return
                messages.append({"role": "assistant", "content": record["response"]["text"]})
                seconds = record["milliseconds"] / 1000
        except StudyError as error:
            raise StudyError(f"{plan.table.path}, row {row + 1}: {error}") from None
        finally:
            self.pace.release(seconds)

    async def _ask(self, messages: list[Message], row: int, replication: int, turn: str, seed: int) -> dict[str, Any]:
        """One request and its record."""
        plan = self.plan
        body = self.dialect.chat_body(plan.model, messages, plan.sampling, seed)
        settings = {name: value for name, value in body.items() if name not in ("model", "messages")}
        record: dict[str, Any] = {
            "key": request_key(plan.identity, messages, settings),
            "rows": [row + 1],
            "replication": replication + 1,
            "question": turn,
            "request": settings,
            "started": now(),
        }
        try:
            exchange = await self.client.post("/v1/chat/completions", body)
            answer = read_answer(exchange.data)
        except RequestFailed as error:
            self._failed(error)
            record |= {"status": "failed", "attempts": error.attempts}
            record["error"] = {"kind": error.kind, "status": error.status, "message": str(error)}
        else:
            self._alike, self._answered = ("", 0), True
            record |= {
                "status": "answered" if answer.text.strip() else "empty",
                "response": {
                    "text": answer.text,
                    "reasoning": answer.reasoning,
                    "finish_reason": answer.finish_reason,
                },
                "tokens": {"prompt": answer.prompt_tokens, "completion": answer.completion_tokens},
                "milliseconds": round(exchange.milliseconds, 3),
                "attempts": exchange.attempts,
                "error": None,
            }
            self.outcome.finished += 1
        record["ended"] = now()
        self.done.add(self.ledger.append(record), record)
        self.progress.advance(record["status"] == "failed")
        return record

    def _failed(self, error: RequestFailed) -> None:
        """Count a failure, and see whether going on makes sense."""
        self.outcome.failures[error.kind] += 1
        self.outcome.examples.setdefault(error.kind, str(error))
        kind, number = self._alike
        self._alike = (error.kind, number + 1 if kind == error.kind else 1)
        shared = error.kind in FATAL
        if self._answered and error.kind in OWN:
            return
        enough = ALIKE if self._answered or not shared else 1  # a gateway may say 404 once, and be well again
        if self.verdict is None and self._alike[1] >= enough:
            many = "a request" if enough == 1 else f"{enough} requests in a row"
            self.verdict = f"{many} failed with {error.kind}: {error}"
            asyncio.get_running_loop().call_later(LAST_SECONDS, self._drop)
            self._stop()


async def _sync_now_and_then(ledger: Ledger) -> None:
    """Bound what a loss of power can take."""
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
        signal.signal(signal.SIGTERM, on_term)  # asyncio puts back the one of SIGINT alone


def order(rows: int, limit: int | None, shuffle: bool, seed: int) -> Sequence[int]:
    """The rows to ask about, in the order of asking: the first `limit`, shuffled or not, four bytes a row."""
    chosen = range(rows if limit is None else min(limit, rows))
    if not shuffle:
        return chosen
    shuffled = array("I", chosen)
    random.Random(seed).shuffle(shuffled)
    return shuffled
