"""A task: one experiment or measurement over a run, what it needs from a server, and what becomes of it."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Generic, Protocol, Self, TypeVar

from grace.endpoints.client import Client
from grace.endpoints.serving import Address
from grace.endpoints.transport import AiohttpTransport
from grace.errors import GraceError
from grace.progress import Progress
from grace.runs import Run
from grace.stages.session import RequestCounts
from grace.stages.shard import Shard
from grace.studies.study import Study
from grace.table_files import AUTO
from grace.tables import CsvTable, TableFormat

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """Which model is asked, and how patiently.

    Attributes:
        url: a server's address, or EMBEDDED.
        model: the name that the server knows the model by; "": the only one that it has.
        concurrency: requests under way at once; None: as many as the server can take.
        timeout: seconds to wait for one answer.
        max_retries: further tries after transient faults.
        api_key: what is sent as bearer token; None: nothing.
    """

    url: str
    model: str
    concurrency: int | None = None
    timeout: float = 300.0
    max_retries: int = 5
    api_key: str | None = None


@dataclass(frozen=True, kw_only=True)
class TaskOptions:
    """What all tasks of a visit share; each field is an option of the command, and `endpoint` holds several.

    `batch_invariant` says that the server's answers do not depend on what it computes beside them.
    """

    endpoint: Endpoint
    limit: int | None = None
    revision: str | None = None
    batch_invariant: bool = False
    table_format: TableFormat = AUTO
    shard: Shard | None = None
    break_lock: bool = False

    def asking(self, model: str) -> Self:
        """The same of a model by its name, where the server's only one was meant."""
        return replace(self, endpoint=replace(self.endpoint, model=model))


@dataclass(frozen=True, kw_only=True)
class ExperimentTask(TaskOptions):
    """What both experiments have in common."""

    study: str | None
    input: Path
    output: Path

    @property
    def run(self) -> Run:
        """The run that is worked on: the output's, or that of its shard."""
        return self.shard.run(self.output) if self.shard else Run.beside(self.output)

    @property
    def table_name(self) -> str | None:
        """The table that is made of the run; a shard has none."""
        return None if self.shard else self.output.name


@dataclass(frozen=True)
class ShardResult:
    """How far a shard is, in requests: no table is made of it before it is joined with the others."""

    shard: Shard
    run: Run
    asked: int
    done: int


@dataclass(frozen=True)
class TaskOutcome(Generic[T_co]):
    """What became of a task.

    Attributes:
        result: what was made; None where the task failed or was interrupted.
        requests: this session's requests, by how they ended.
        error: why the task failed; None where it did not.
    """

    result: T_co | None = None
    requests: RequestCounts = field(default_factory=RequestCounts)
    error: GraceError | None = None

    @property
    def interrupted(self) -> bool:
        """Whether the task was stopped; it can be resumed."""
        return self.result is None and self.error is None


class Task(Protocol[T_co]):
    """Something to ask; `Query`, `Score` and `Noise` are tasks."""

    @property
    def endpoint(self) -> Endpoint:
        """Which model is asked, and how patiently."""

    @property
    def slots(self) -> int | None:
        """How many requests a server that is started for this should work on at once; None: its own default."""

    @property
    def run(self) -> Run:
        """The run that is worked on."""

    def prepared(self, progress: Progress) -> "AbstractContextManager[Prepared[T_co]]":
        """Find all mistakes that can be found without a server, and keep the run locked for the length of the block.

        Raises:
            InputError: options, study, table or run do not fit, or another process writes the run.
        """


@dataclass(frozen=True)
class Prepared(ABC, Generic[T_co]):
    """A task whose options and files are in order, whose table is open and whose run is locked."""

    task: Task[T_co]
    run: Run
    study: Study
    table: CsvTable

    @property
    def exact(self) -> bool:
        """Whether a server that is started for this should be as exact as it can, at the cost of memory."""
        return False

    def ask(self, address: Address, progress: Progress) -> TaskOutcome[T_co]:
        """Ask the model server at an address what is not answered yet, and make the result unless interrupted.

        Raises:
            InputError: the run belongs to other inputs, another model or other settings.
            EndpointError: the server cannot do what the task needs, or requests failed in the same way.
        """
        return with_client(self.task.endpoint, address, progress, lambda client: self._ask(client, progress))

    @abstractmethod
    async def _ask(self, client: Client, progress: Progress) -> TaskOutcome[T_co]: ...


def with_client(endpoint: Endpoint, address: Address, progress: Progress, work: Callable[[Client], Awaitable[T]]) -> T:
    """Do some work with a client of the server at an address, and close the connections."""

    async def connected() -> T:
        transport = AiohttpTransport(address.url)
        client = Client(
            transport,
            address.url,
            api_key=address.api_key,
            timeout=endpoint.timeout,
            max_retries=endpoint.max_retries,
            on_fault=progress.fault,
        )
        try:
            progress.note(f"checking {client.shown_url}")
            return await work(client)
        finally:
            await transport.close()

    return asyncio.run(connected())
