"""`grace query`, from a table of trials to a table of answers: checks first, then the model, then the table."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from grace.endpoints.client import Client
from grace.endpoints.dialects import Sampling
from grace.endpoints.handshake import Need, meet
from grace.errors import InputError, StudyError
from grace.manifest import GENERATE, Identity
from grace.progress import Progress
from grace.runs import Run
from grace.stages.answers.generate import Plan, generate, order
from grace.stages.answers.records import Done
from grace.stages.answers.table import ExportedAnswers, answer_columns
from grace.stages.export import export
from grace.stages.prepare import (
    ShardDone,
    Wanted,
    check_number,
    check_options,
    check_table,
    choose_pace,
    input_facts,
    on_run,
    session_facts,
)
from grace.stages.session import Outcome
from grace.studies.check import choose_study
from grace.studies.study import Conversation, Study, completed
from grace.studies.templates import Message
from grace.tables import CsvTable

RESERVED = frozenset({"model", "messages", "seed", "temperature", "max_tokens", "stream", "n"})
"""What a request's body holds already; `extra_body` cannot say it again."""


@dataclass(frozen=True, kw_only=True)
class Query(Wanted):
    """What the user asked for; each field is an option of the command."""

    temperature: float = 0.7
    max_tokens: int = 512
    protocol: str | None = None
    seed: int = 1
    replications: int = 1
    shuffle: bool = False
    extra_body: dict[str, Any] = field(default_factory=dict)


def query(wanted: Query, progress: Progress) -> tuple[Outcome, ExportedAnswers | ShardDone | None]:
    """Ask every trial once for each replication, and write the answers' table unless interrupted.

    Raises:
        InputError: options, study or table do not fit, or the run is another one's.
        EndpointError: the endpoint cannot do what is asked of it.
    """
    run = wanted.run
    check_options(wanted)
    check_number("temperature", wanted.temperature)
    taken = RESERVED & wanted.extra_body.keys()
    if taken:
        raise InputError(f"--extra-body: {', '.join(sorted(taken))} cannot be set there; use the command's own options")
    with CsvTable(wanted.input) as table:
        study = choose_study(wanted.study, table)
        conversation = study.conversation(wanted.protocol)
        taken_columns = answer_columns(conversation.turns)
        check_table(study, table, taken_columns, "both are asked, with seeds of their own", progress)
        return on_run(
            wanted, run, progress, lambda client: _query(wanted, study, conversation, table, run, client, progress)
        )


async def _query(
    wanted: Query,
    study: Study,
    conversation: Conversation,
    table: CsvTable,
    run: Run,
    client: Client,
    progress: Progress,
) -> tuple[Outcome, ExportedAnswers | ShardDone | None]:
    rows = order(len(table), wanted.limit, wanted.shuffle, wanted.seed)
    hands = await meet(client, wanted.model, _need(study, conversation, table, len(rows), wanted.max_tokens))
    sampling = Sampling(wanted.temperature, wanted.max_tokens, wanted.extra_body)
    model = {**hands.facts.identity, "revision": wanted.revision}
    identity = Identity(
        experiment=GENERATE,
        study=study.name,
        protocol=conversation.name,
        turns=conversation.turns,
        templates=conversation.hashes,
        input=input_facts(table),
        model=model,
        sampling={
            "temperature": wanted.temperature,
            "max_tokens": wanted.max_tokens,
            **hands.dialect.neutral,
            **wanted.extra_body,
        },
        seed=wanted.seed,
    )
    run.begin(identity, table.path, study.content)
    table.read_from(run.input)
    run.widen(len(rows), wanted.replications)
    plan = Plan(
        study, conversation, table, rows, wanted.replications, wanted.seed, sampling, wanted.model, model, wanted.shard
    )
    done = Done.read(run, len(table), conversation.turns)
    pace = choose_pace(wanted.concurrency, hands.facts.slots, client)
    facts = session_facts(wanted, client, hands, "limit", "replications", "shuffle", "shard")
    with run.session(**facts, study_sha256=study.sha256, output=wanted.table_name) as record:
        outcome = await generate(plan, run, done, client, hands.dialect, pace, progress)
        record.finished, record.failed = outcome.finished, dict(outcome.failures)
    if outcome.interrupted:
        return outcome, None
    if wanted.shard:
        return outcome, ShardDone(wanted.shard, run, plan.total, plan.done(done))
    exported = export(run, wanted.output, done)
    assert isinstance(exported, ExportedAnswers)
    return outcome, exported


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
