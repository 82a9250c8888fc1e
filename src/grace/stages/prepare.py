"""What both experiments do before they ask: options and table checked, server started and met, a pace chosen."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any, TypeVar

from grace.endpoints.client import Client
from grace.endpoints.embedded import EmbeddedServer
from grace.endpoints.handshake import Handshake
from grace.endpoints.pace import Pace
from grace.endpoints.transport import AiohttpTransport, check_url
from grace.errors import InputError
from grace.files import sweep
from grace.manifest import InputFacts
from grace.progress import Progress
from grace.runs import Run
from grace.stages.shard import Shard
from grace.studies.study import Study, completed
from grace.tables import CsvTable, check_writable

EMBEDDED = "embedded"
ODDITY_ROWS = 10_000
"""So many rows are checked before the asking starts; `grace data check` looks at all."""
START, CEILING = 8, 256
"""Requests under way at first and at most, for servers that do not tell how many they work on at once."""

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """Which model is asked, and how patiently; each field is an option of the command."""

    endpoint: str
    model: str
    concurrency: int | None = None
    timeout: float = 300.0
    max_retries: int = 5
    api_key: str | None = None


@dataclass(frozen=True, kw_only=True)
class Wanted(Endpoint):
    """What the user asked for in either experiment."""

    study: str | None
    input: Path
    output: Path
    limit: int | None = None
    revision: str | None = None
    shard: Shard | None = None
    break_lock: bool = False

    @property
    def run(self) -> Run:
        """The run that is worked on: the output's, or that of its shard."""
        return self.shard.run(self.output) if self.shard else Run.beside(self.output)

    @property
    def table_name(self) -> str | None:
        """The table that is made of the run; a shard has none."""
        return None if self.shard else self.output.name


@dataclass(frozen=True)
class ShardDone:
    """A shard that was worked on: no table is made of it before it is joined with the others.

    Attributes:
        asked: how many requests it takes in all.
        done: how many of them are finished now.
    """

    shard: Shard
    run: Run
    asked: int
    done: int


def check_options(wanted: Wanted) -> None:
    """Refuse options that cannot be meant.

    Raises:
        InputError: the message names the option.
    """
    check_endpoint(wanted)
    check_output(wanted.output, wanted.input, Run.beside(wanted.output))
    if wanted.shard and Run.beside(wanted.output).exists:
        raise InputError(
            f"--shard {wanted.shard}: {Run.beside(wanted.output).path} is there, which asks all by itself; go on with "
            "it without --shard, or choose another --output"
        )


def check_output(output: Path, input: Path, run: Run) -> None:
    """Refuse an output that cannot be written, or would replace what it was not made from. Raises InputError."""
    check_writable(output)
    if output.resolve() == input.resolve():
        raise InputError(f"--output {output}: is the input itself; choose another name, the input is kept as it is")
    if output.exists() and not run.exists:
        raise InputError(
            f"--output {output}: is there already, and {run.path} that it would have been made from is not; "
            "choose another name or move the file away"
        )


def check_endpoint(wanted: Endpoint) -> None:
    """Refuse an address or timeout that cannot be used. Raises InputError."""
    if wanted.endpoint != EMBEDDED:
        check_url(wanted.endpoint, f"--model-endpoint (or {EMBEDDED!r})")
    check_number("timeout", wanted.timeout)


def check_number(option: str, value: float) -> None:
    """Refuse what is no finite number. Raises InputError."""
    if not isfinite(value):
        raise InputError(f"--{option} {value}: is not a number that can be used")


def check_table(study: Study, table: CsvTable, taken: Collection[str], repeated: str, progress: Progress) -> None:
    """Refuse what cannot be asked; say what is odd.

    Args:
        study: says which columns are needed.
        table: the trials.
        taken: the columns that the command will add.
        repeated: what is done about rows that repeat another one.
        progress: hears of oddities.

    Raises:
        InputError: columns are missing or in the way, or there are no rows.
    """
    study.check_columns(table.columns, table.path)
    if not len(table):
        raise InputError(f"{table.path}: has a header but no rows")
    clash = set(table.columns) & set(taken)
    if clash:
        raise InputError(
            f"{table.path}: already has the column {min(clash)!r}, which the answers would be written to; "
            "is it an output file? Give the trials' own table as --input"
        )
    if table.encoding != "utf-8":
        progress.note(f"{table.path}: is not UTF-8; read as Latin-1 ({table.encoding}), answers are written as UTF-8")
    odd: Counter[tuple[str, str]] = Counter()
    first: dict[tuple[str, str], int] = {}
    seen: set[int] = set()
    for row in range(min(len(table), ODDITY_ROWS)):
        cells = table.row(row)
        fingerprint = hash(tuple(cells.values()))
        repeats = [("", f"repeats an earlier row; {repeated}")] * (fingerprint in seen)
        seen.add(fingerprint)
        for oddity in (*study.oddities(completed(study, table, row)), *repeats):
            odd[oddity] += 1
            first.setdefault(oddity, row + 1)
    for (column, what), count in odd.most_common(5):
        where = f"row {first[column, what]}" + (f" and {count - 1} more" if count > 1 else "")
        progress.note(f"{table.path}, {where}{f', column {column!r}' if column else ''}: {what}")
    if len(odd) > 5:
        progress.note(f"{table.path}: {len(odd) - 5} more oddities; `grace data check {table.path}` lists them")


def on_run(
    wanted: Wanted, run: Run, progress: Progress, work: Callable[[Client], Awaitable[T]], slots: int | None = None
) -> T:
    """Do some work on a run, as its one writer, with a client of the endpoint; see `served` for `slots`."""
    with run.locked(wanted.break_lock), served(wanted, slots) as (url, key):
        sweep(wanted.output)
        return asyncio.run(with_client(wanted, url, key, progress, work))


async def with_client(
    wanted: Endpoint, url: str, key: str | None, progress: Progress, work: Callable[[Client], Awaitable[T]]
) -> T:
    """Do some work with a client, and close its connections."""
    transport = AiohttpTransport(url)
    client = Client(
        transport, url, api_key=key, timeout=wanted.timeout, max_retries=wanted.max_retries, on_fault=progress.fault
    )
    try:
        progress.note(f"checking {client.shown_url}")
        return await work(client)
    finally:
        await transport.close()


@contextmanager
def served(wanted: Endpoint, slots: int | None = None) -> Iterator[tuple[str, str | None]]:
    """The endpoint's address and key; an embedded server, with so many slots, runs for the length of the block."""
    if wanted.endpoint != EMBEDDED:
        yield wanted.endpoint, wanted.api_key
        return
    with EmbeddedServer.of(wanted.model, slots) as server:
        yield server.url, server.api_key


def choose_pace(concurrency: int | None, slots: int | None, client: Client) -> Pace:
    """How many requests are under way at once; the client's push-backs slow it down."""
    if concurrency is not None:
        pace = Pace(concurrency)
    else:
        pace = Pace(slots or START, ceiling=2 * slots if slots else CEILING)
    client.on_push_back = pace.pushed_back
    return pace


def session_facts(wanted: Endpoint, client: Client, hands: Handshake, *options: str) -> dict[str, Any]:
    """What a session's entry in the manifest tells beyond versions and times; `options` are fields of `wanted`."""
    return {
        "endpoint": EMBEDDED if wanted.endpoint == EMBEDDED else client.shown_url,
        "server": {
            "dialect": hands.dialect.name,
            "version": hands.facts.version,
            "context": hands.facts.context,
        },
        "options": {name: getattr(wanted, name) for name in (*options, "concurrency", "timeout", "max_retries")},
    }


def input_facts(table: CsvTable) -> InputFacts:
    """What tells a table from others."""
    return InputFacts(file=table.path.name, rows=len(table), sha256=table.sha256)
