"""What both experiments do before they ask: options and table are checked, a pace is chosen."""

from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from math import isfinite
from pathlib import Path
from typing import Any

from grace.endpoints.client import Client
from grace.endpoints.handshake import Handshake
from grace.endpoints.pace import Pace
from grace.endpoints.serving import EMBEDDED
from grace.endpoints.transport import check_url
from grace.errors import InputError, RunMismatch
from grace.files import check_outside_runs, sha256_of
from grace.index import beside
from grace.manifest import BATCH_INVARIANT, InputFacts
from grace.progress import Progress
from grace.runs import Run
from grace.stages.task import Endpoint, ExperimentTask
from grace.studies.check import check_names, choose_study
from grace.studies.people import check_people
from grace.studies.study import Study, completed
from grace.studies.vary import crossed
from grace.table_files import AUTO, open_table
from grace.tables import CsvTable, TableFormat, check_writable

WINDOWS = TableFormat(encoding="cp1252")
FIRST_ROWS = 3
"""So many rows are rendered before a server is started, so that a template that fits no row is found early."""
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
    check_outside_runs(output)
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


def check_table(
    study: Study, table: CsvTable, added: Collection[str], kept: Collection[str], repeated: str, progress: Progress
) -> None:
    """Refuse what cannot be asked; say what is odd.

    Args:
        study: that the table is of.
        table: the trials.
        added: the columns that the command adds.
        kept: the names that columns of the trials may have; see `check_names`.
        repeated: what is done about rows that repeat another one.
        progress: hears what is odd.

    Raises:
        InputError: columns are missing or in the way, or there are no rows.
    """
    study.check_columns(table.columns, table.path)
    check_people(study)
    if not len(table):
        raise InputError(f"{table.path}: has a header but no rows")
    if renamed := check_names(table, added, kept):
        progress.note(f"{table.path}: {renamed}")
    tell_how_read(table, progress)
    odd: Counter[tuple[str, str]] = Counter()
    first: dict[tuple[str, str], int] = {}
    seen: set[int] = set()
    for row in range(min(len(table), ODDITY_ROWS)):
        cells = table.row(row)
        fingerprint = hash(tuple(cells.values()))
        repeats = [("", f"repeats an earlier row; {repeated}")] * (fingerprint in seen)
        seen.add(fingerprint)
        for oddity in (*study.oddities(completed(study, table, row), table.decimal), *repeats):
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


def model_facts(handshake: Handshake, revision: str | None, batch_invariant: bool) -> dict[str, Any]:
    """The model as a run's identity has it: what the server says, and what the user says of it."""
    facts = {**handshake.facts.identity, "revision": revision}
    return {**facts, BATCH_INVARIANT: True} if batch_invariant else facts


@contextmanager
def open_input(path: Path, given: TableFormat, run: Run) -> Iterator[CsvTable]:
    """The table of trials for the length of the block: read as the run has read it, where no option says otherwise.

    Raises:
        InputError: it cannot be read.
        RunMismatch: the run has read the same file in another way.
    """
    facts = run.identity.input if run.exists else InputFacts()
    same = facts.sha256 and sha256_of(path) == (facts.source or facts.sha256) if path.is_file() else False
    if same and not facts.source and given in (AUTO, WINDOWS):  # also in the encoding that 0.1.0 chose by itself
        with CsvTable(path, index=beside(run.input), digest=facts.sha256) as table:
            table.read_as = TableFormat(**facts.read_as)
            table.decimal = table.read_as.decimal
            yield table
        return
    with open_table(path, TableFormat(**facts.read_as) if same and given == AUTO else given) as table:
        before, now = facts.read_as.get("decimal"), table.decimal
        if table.sha256 == facts.sha256 and before != now:
            raise RunMismatch(
                f"{run.path}: was made with {f'--decimal {before}' if before else 'no --decimal'}; repeat that to "
                "continue it, or choose another --output"
            )
        yield table


@contextmanager
def open_trials(task: ExperimentTask) -> Iterator[tuple[Study, CsvTable]]:
    """The study of a task, and its trials, crossed with what the study varies, for the length of the block.

    Raises InputError, as `open_input` and `choose_study` do.
    """
    with open_input(task.input, task.table_format, task.run) as given:
        study = choose_study(task.study, given)
        with crossed(given, study.vary) as table:
            yield study, table


def tell_how_read(table: CsvTable, progress: Progress) -> None:
    """Say how a file was read that is no plain CSV."""
    if table.encoding != "utf-8":
        progress.note(f"{table.path}: is not UTF-8; read as Latin-1 ({table.encoding}), as when the run began")
    if words := table.read_as.in_words():
        progress.note(f"{table.path}: is read {words}; tables are written as UTF-8, with commas")


def input_facts(table: CsvTable) -> InputFacts:
    """What tells a table from others, and how its file was read."""
    facts = {"file": table.path.name, "rows": len(table), "sha256": table.sha256}
    if read_as := table.read_as.as_json():
        facts["read_as"] = read_as
    if table.plain != table.path:
        facts["source"] = sha256_of(table.path)
    return InputFacts(**facts)
