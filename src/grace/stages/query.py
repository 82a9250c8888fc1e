"""`grace query`, from a table of trials to a table of answers: checks first, then the model, then the table."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any

from grace.endpoints.client import Client
from grace.endpoints.dialects import Sampling
from grace.endpoints.embedded import EmbeddedServer
from grace.endpoints.handshake import Handshake, Need, meet
from grace.endpoints.pace import Pace
from grace.endpoints.transport import AiohttpTransport, check_url
from grace.errors import InputError, StudyError
from grace.runs import Run
from grace.stages.done import EXPERIMENT, Done
from grace.stages.export import Exported, answer_columns, export
from grace.stages.generate import Outcome, Plan, Progress, generate, order
from grace.studies.study import Conversation, Message, Study, completed, load_study
from grace.tables import CsvTable, sweep

EMBEDDED = "embedded"
ODDITY_ROWS = 10_000
"""So many rows are checked before the asking starts; `grace data check` looks at all."""
RESERVED = frozenset({"model", "messages", "seed", "temperature", "max_tokens", "stream", "n"})
"""What a request's body holds already; `extra_body` cannot say it again."""
START, CEILING = 8, 256
"""Requests under way at first and at most, for servers that do not tell how many they work on at once."""


@dataclass(frozen=True)
class Query:
    """What the user asked for; each field is an option of the command."""

    study: str
    input: Path
    output: Path
    endpoint: str
    model: str
    temperature: float = 0.7
    max_tokens: int = 512
    protocol: str | None = None
    seed: int = 1
    replications: int = 1
    shuffle: bool = False
    limit: int | None = None
    concurrency: int | None = None
    timeout: float = 300.0
    max_retries: int = 5
    extra_body: dict[str, Any] = field(default_factory=dict)
    api_key: str | None = None
    revision: str | None = None
    break_lock: bool = False


def query(wanted: Query, progress: Progress) -> tuple[Outcome, Exported | None]:
    """Ask every trial once for each replication, and write the answers' table unless interrupted.

    Raises:
        InputError: options, study or table do not fit, or the run is another one's.
        EndpointError: the endpoint cannot do what is asked of it.
    """
    study = load_study(wanted.study)
    conversation = study.conversation(wanted.protocol)
    run = Run.beside(wanted.output)
    _check_options(wanted, run)
    with CsvTable(wanted.input) as table:
        _check_table(study, conversation, table, progress)
        with run.locked(wanted.break_lock), _server(wanted) as (url, key):
            sweep(wanted.output)
            return asyncio.run(_query(wanted, study, conversation, table, run, url, key, progress))


async def _query(
    wanted: Query,
    study: Study,
    conversation: Conversation,
    table: CsvTable,
    run: Run,
    url: str,
    key: str | None,
    progress: Progress,
) -> tuple[Outcome, Exported | None]:
    transport = AiohttpTransport(url)
    client = Client(
        transport, url, api_key=key, timeout=wanted.timeout, max_retries=wanted.max_retries, on_fault=progress.fault
    )
    try:
        rows = order(len(table), wanted.limit, wanted.shuffle, wanted.seed)
        progress.note(f"checking {client.shown_url}")
        hands = await meet(client, wanted.model, _need(study, conversation, table, len(rows), wanted.max_tokens))
        sampling = Sampling(wanted.temperature, wanted.max_tokens, wanted.extra_body)
        model = {**hands.facts.identity, "revision": wanted.revision}
        identity = {
            "experiment": EXPERIMENT,
            "study": study.name,
            "protocol": conversation.name,
            "turns": conversation.turns,
            "templates": conversation.hashes,
            "input": {"file": table.path.name, "rows": len(table), "sha256": table.sha256},
            "model": model,
            "sampling": {
                "temperature": wanted.temperature,
                "max_tokens": wanted.max_tokens,
                **hands.dialect.neutral,
                **wanted.extra_body,
            },
            "seed": wanted.seed,
        }
        run.begin(identity, table.path, study.content)
        table.read_from(run.input)
        run.widen(len(rows), wanted.replications)
        plan = Plan(study, conversation, table, rows, wanted.replications, wanted.seed, sampling, wanted.model, model)
        done = Done.read(run, len(table), conversation.turns)
        pace = _pace(wanted.concurrency, hands.facts.slots)
        client.on_push_back = pace.pushed_back
        with run.session(**_facts(wanted, study, client, hands)) as session:
            outcome = await generate(plan, run, done, client, hands.dialect, pace, progress)
            session |= {"finished": outcome.finished, "failed": dict(outcome.failures)}
        return outcome, None if outcome.interrupted else export(run, wanted.output, done)
    finally:
        await transport.close()


def _check_options(wanted: Query, run: Run) -> None:
    if wanted.endpoint != EMBEDDED:
        check_url(wanted.endpoint, f"--model-endpoint (or {EMBEDDED!r})")
    for option in ("temperature", "timeout"):
        if not isfinite(getattr(wanted, option)):
            raise InputError(f"--{option} {getattr(wanted, option)}: is not a number that can be used")
    if wanted.output.suffix.lower() != ".csv":
        raise InputError(f"--output {wanted.output}: the table is written as CSV; choose a name that ends in .csv")
    if wanted.output.resolve() == wanted.input.resolve():
        raise InputError(
            f"--output {wanted.output}: is the input itself; choose another name, the input is kept as it is"
        )
    if wanted.output.exists() and not run.exists:
        raise InputError(
            f"--output {wanted.output}: is there already, and {run.path} that it would have been made from is not; "
            "choose another name or move the file away"
        )
    taken = RESERVED & wanted.extra_body.keys()
    if taken:
        raise InputError(f"--extra-body: {', '.join(sorted(taken))} cannot be set there; use the command's own options")


def _check_table(study: Study, conversation: Conversation, table: CsvTable, progress: Progress) -> None:
    """Refuse what cannot be asked; say what is odd."""
    study.check_columns(table.columns, table.path)
    if not len(table):
        raise InputError(f"{table.path}: has a header but no rows")
    clash = set(table.columns) & set(answer_columns(conversation.turns))
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
        repeats = [("", "repeats an earlier row; both are asked, with seeds of their own")] * (fingerprint in seen)
        seen.add(fingerprint)
        for oddity in (*study.oddities(completed(study, table, row)), *repeats):
            odd[oddity] += 1
            first.setdefault(oddity, row + 1)
    for (column, what), count in odd.most_common(5):
        where = f"row {first[column, what]}" + (f" and {count - 1} more" if count > 1 else "")
        progress.note(f"{table.path}, {where}{f', column {column!r}' if column else ''}: {what}")
    if len(odd) > 5:
        progress.note(f"{table.path}: {len(odd) - 5} more oddities; `grace data check {table.path}` lists them")


def _need(study: Study, conversation: Conversation, table: CsvTable, rows: int, max_tokens: int) -> Need:
    """What the handshake is to try: this conversation, and the longest row's."""
    longest = max(range(rows), key=table.row_bytes)
    return Need(
        shape=_whole(study, conversation, table, 0),
        longest=_whole(study, conversation, table, longest),
        longest_name=f"row {longest + 1}",
        max_tokens=max_tokens,
    )


def _whole(study: Study, conversation: Conversation, table: CsvTable, row: int) -> Sequence[Message]:
    """The conversation about a row up to its last question, with a few words wherever the model would speak."""
    cells = completed(study, table, row)
    try:
        messages = conversation.opening(cells)
        for turn in conversation.turns:
            messages += [conversation.turn(turn, cells), {"role": "assistant", "content": "I see."}]
    except StudyError as error:
        raise StudyError(f"{table.path}, row {row + 1}: {error}") from None
    return messages[:-1]


def _server(wanted: Query) -> AbstractContextManager[tuple[str, str | None]]:
    """The endpoint's address and key; the embedded server runs for the length of the block."""
    if wanted.endpoint == EMBEDDED:
        return EmbeddedServer.running(wanted.model)
    return nullcontext((wanted.endpoint, wanted.api_key))


def _pace(concurrency: int | None, slots: int | None) -> Pace:
    if concurrency is not None:
        return Pace(concurrency)
    return Pace(slots or START, ceiling=2 * slots if slots else CEILING)


def _facts(wanted: Query, study: Study, client: Client, hands: Handshake) -> dict[str, Any]:
    """What a session's entry in the manifest tells beyond versions and times."""
    return {
        "endpoint": client.shown_url,
        "server": {
            "dialect": hands.dialect.name,
            "version": hands.facts.version,
            "context": hands.facts.context,
        },
        "study_sha256": study.sha256,
        "output": wanted.output.name,
        "options": {
            name: getattr(wanted, name)
            for name in ("limit", "replications", "shuffle", "concurrency", "timeout", "max_retries")
        },
    }
