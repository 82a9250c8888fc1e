"""Experiment 1: ask the model about every trial and keep its raw answers in the ledger."""

import random
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from grace.endpoints.client import Client
from grace.endpoints.dialects import OpenAI, Sampling
from grace.errors import StudyError
from grace.ledger import LedgerReader, request_key
from grace.stages.answers.records import Done, request_seed
from grace.stages.records import chat
from grace.stages.session import Job, Session
from grace.stages.shard import Shard
from grace.studies.study import Conversation, Study
from grace.studies.templates import Message
from grace.tables import CsvTable


@dataclass(frozen=True)
class Plan:
    """What the model is asked, and how.

    Attributes:
        rows: numbers of the table's rows (0 is the first) to ask about, in the order of asking.
        replications: how many independent answers are drawn for each row.
        seed: the base seed, from which every request's own is derived.
        shard: the part that is asked; None: all.
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
    shard: Shard | None = None

    def rows_of(self, replication: int) -> Sequence[int]:
        """The rows to ask about in one replication."""
        return self.shard.rows(self.rows, replication) if self.shard else self.rows

    @property
    def total(self) -> int:
        """How many requests the whole plan takes."""
        return requests_of(self.rows, self.replications, self.shard) * len(self.conversation.turns)

    def done(self, done: Done) -> int:
        """How many of them are finished."""
        return finished_of(done, self.rows, self.replications, self.shard)


def requests_of(rows: Sequence[int], replications: int, shard: Shard | None) -> int:
    """How many requests a turn takes."""
    return shard.count_rows(rows, replications) if shard else len(rows) * replications


def finished_of(done: Done, rows: Sequence[int], replications: int, shard: Shard | None) -> int:
    """How many requests about these rows, of all turns, are finished."""
    begun = [number for number in done.replications if number < replications]
    return sum(done.count(shard.rows(rows, number) if shard else rows, number) for number in begun)


@dataclass(frozen=True)
class Asker:
    """Holds the conversations of one session."""

    plan: Plan
    done: Done
    client: Client
    dialect: OpenAI
    session: Session
    reader: LedgerReader

    def jobs(self) -> Iterator[Job]:
        """A conversation for each row and replication with a turn left to ask."""
        last = self.plan.conversation.turns[-1]
        for replication in range(self.plan.replications):
            for row in self.done.open(self.plan.rows_of(replication), replication, last):
                yield partial(self._ask_row, row, replication)

    async def _ask_row(self, row: int, replication: int) -> float | None:
        """Hold the conversation about one row, from where an earlier session stopped."""
        plan = self.plan
        seconds = None
        try:
            cells = plan.study.complete(plan.table.row(row), plan.table.decimal)
            messages = plan.conversation.opening(cells)
            seed = request_seed(plan.seed, plan.study.name, row, replication)
            for turn in plan.conversation.turns:
                messages.append(plan.conversation.turn(turn, cells))
                offset = self.done.finished(row, replication, turn)
                if offset is None and self.session.stopping:
                    return seconds
                record = (
                    self.reader[offset]
                    if offset is not None
                    else await self._ask(messages, row, replication, turn, seed)
                )
                if record["status"] == "failed":
                    return None
                messages.append({"role": "assistant", "content": record["response"]["text"]})
                seconds = record["milliseconds"] / 1000
        except StudyError as error:
            raise StudyError(f"{plan.table.path}, row {row + 1}: {error}") from None
        return seconds

    async def _ask(self, messages: list[Message], row: int, replication: int, turn: str, seed: int) -> dict[str, Any]:
        body = self.dialect.chat_body(self.plan.model, messages, self.plan.sampling, seed)
        settings = {name: value for name, value in body.items() if name not in ("model", "messages")}
        request = {
            "key": request_key(self.plan.identity, messages, settings),
            "rows": [row + 1],
            "replication": replication + 1,
            "question": turn,
            "request": settings,
        }
        return await self.session.record(request, partial(chat, self.client, body))


def order(rows: int, limit: int | None, shuffle: bool, seed: int) -> Sequence[int]:
    """The rows to ask about, in the order of asking: the first `limit`, shuffled or not, four bytes a row."""
    chosen = range(rows if limit is None else min(limit, rows))
    if not shuffle:
        return chosen
    shuffled = array("I", chosen)
    random.Random(seed).shuffle(shuffled)
    return shuffled
