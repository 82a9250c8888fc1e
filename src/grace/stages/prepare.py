"""What both experiments do before they ask: options and table are checked, a pace is chosen."""

from collections import Counter
from collections.abc import Collection
from math import isfinite
from pathlib import Path
from typing import Any

from grace.endpoints.client import Client
from grace.endpoints.handshake import Handshake
from grace.endpoints.pace import Pace
from grace.endpoints.serving import EMBEDDED
from grace.endpoints.transport import check_url
from grace.errors import InputError
from grace.manifest import InputFacts
from grace.progress import Progress
from grace.runs import Run
from grace.stages.task import Endpoint, ExperimentTask
from grace.studies.study import Study, completed
from grace.tables import CsvTable, check_writable

ODDITY_ROWS = 10_000
"""The most rows that are checked before the asking starts; `grace data check` looks at all."""
START, CEILING = 8, 256
"""Requests under way at first and at most, for servers that do not say how many they work on at once."""


def check_options(task: ExperimentTask) -> None:
    """Refuse options that cannot be used. Raises InputError naming the option."""
    check_endpoint(task.endpoint)
    whole = Run.beside(task.output)
    check_output(task.output, task.input, whole)
    if task.shard and whole.exists:
        raise InputError(
            f"--shard {task.shard}: {whole.path} is there, which already covers all rows; go on with "
            "it without --shard, or choose another --output"
        )


def check_output(output: Path, input: Path, run: Run) -> None:
    """Refuse an output that cannot be written, or would replace a file of another origin. Raises InputError."""
    check_writable(output)
    if output.resolve() == input.resolve():
        raise InputError(f"--output {output}: is the input itself, which is kept as it is; choose another name")
    if output.exists() and not run.exists:
        raise InputError(
            f"--output {output}: already exists, but {run.path}, from which it would be made, does not; "
            "choose another name or move the file away"
        )


def check_endpoint(endpoint: Endpoint) -> None:
    """Refuse an address or timeout that cannot be used. Raises InputError."""
    if endpoint.url != EMBEDDED:
        check_url(endpoint.url, f"--model-endpoint (or {EMBEDDED!r})")
    check_number("timeout", endpoint.timeout)


def check_number(option: str, value: float) -> None:
    """Refuse numbers that are not finite. Raises InputError."""
    if not isfinite(value):
        raise InputError(f"--{option} {value}: is not a number that can be used")


def check_table(study: Study, table: CsvTable, taken: Collection[str], repeated: str, progress: Progress) -> None:
    """Refuse a table that cannot be asked about, and note what is odd. `taken` are the columns that the command adds.

    `repeated` says, in messages, what is done about rows that repeat another one.

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


def choose_pace(concurrency: int | None, slots: int | None, client: Client) -> Pace:
    """How many requests are under way at once; the server's push-backs slow it down."""
    if concurrency is not None:
        pace = Pace(concurrency)
    else:
        pace = Pace(slots or START, ceiling=2 * slots if slots else CEILING)
    client.on_push_back = pace.pushed_back
    return pace


def session_facts(endpoint: Endpoint, client: Client, handshake: Handshake, **options: Any) -> dict[str, Any]:
    """What a session's entry in the manifest has besides versions and times; `options` are those of the command."""
    patience = {name: getattr(endpoint, name) for name in ("concurrency", "timeout", "max_retries")}
    return {
        "endpoint": EMBEDDED if endpoint.url == EMBEDDED else client.shown_url,
        "server": {
            "dialect": handshake.dialect.name,
            "version": handshake.facts.version,
            "context": handshake.facts.context,
        },
        "options": {**options, **patience},
    }


def input_facts(table: CsvTable) -> InputFacts:
    """What distinguishes a table from others."""
    return InputFacts(file=table.path.name, rows=len(table), sha256=table.sha256)
