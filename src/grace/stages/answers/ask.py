"""`grace query`, from a table of trials to a table of answers: checks first, then the model, then the table."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, ClassVar

from grace.columns import answer_columns
from grace.endpoints.client import Client
from grace.endpoints.dialects import Sampling
from grace.endpoints.handshake import EndpointNeed, meet
from grace.errors import InputError, StudyError
from grace.files import sweep
from grace.index import GrowingIndex
from grace.ledger import Ledger, LedgerReader
from grace.manifest import GENERATE, MOST_REPLICATIONS, Identity
from grace.progress import Progress
from grace.stages.answers.generate import Asker, Plan, order
from grace.stages.answers.records import Done
from grace.stages.answers.table import ExportedAnswers, export_answers
from grace.stages.forecast import Work, spread, tell_estimate
from grace.stages.prepare import (
    FIRST_ROWS,
    check_number,
    check_options,
    check_table,
    choose_pace,
    input_facts,
    model_facts,
    open_trials,
    session_facts,
)
from grace.stages.records import keep_study
from grace.stages.session import Session
from grace.stages.task import ExperimentTask, Prepared, ShardResult, TaskOutcome
from grace.studies.study import Conversation, Study, completed
from grace.studies.templates import Message
from grace.tables import CsvTable

RESERVED = frozenset({"model", "messages", "seed", "temperature", "max_tokens", "stream", "n"})
"""Fields that a request's body already has; `extra_body` cannot set them."""


@dataclass(frozen=True, kw_only=True)
class Query(ExperimentTask):
    """What the user asked for; each field is an option of the command."""

    slots: ClassVar[int | None] = None

    temperature: float = 0.7
    max_tokens: int = 512
    protocol: str | None = None
    seed: int = 1
    replications: int = 1
    shuffle: bool = False
    extra_body: dict[str, Any] = field(default_factory=dict)

    @contextmanager
    def prepared(self, progress: Progress) -> Iterator["PreparedQuery"]:
        """Check options, study and table, and lock the run for the length of the block.

        Raises:
            InputError: options, study or table do not fit, or another process writes the run.
        """
        check_options(self)
        check_number("temperature", self.temperature)
        check_replications(self.replications)
        taken = RESERVED & self.extra_body.keys()
        if taken:
            raise InputError(
                f"--extra-body: {', '.join(sorted(taken))} cannot be set there; use the command's own options"
            )
        with open_trials(self) as (study, table):
            conversation = study.conversation(self.protocol)
            columns = answer_columns(conversation.turns)
            kept = study.answer_names(conversation.turns)
            check_table(study, table, columns, kept, "both are asked, each with its own seed", progress)
            for row in range(min(FIRST_ROWS, len(table), self.limit or FIRST_ROWS)):
                whole_conversation(study, table, conversation, row)
            run = self.run
            with run.locked(self.break_lock):
                sweep(self.output)
                yield PreparedQuery(self, run, study, table, conversation)


@dataclass(frozen=True)
class PreparedQuery(Prepared[ExportedAnswers | ShardResult]):
    """A query that is ready to ask every trial once for each replication."""

    task: Query
    conversation: Conversation

    async def _ask(self, client: Client, progress: Progress) -> TaskOutcome[ExportedAnswers | ShardResult]:
        query, run, study, table, conversation = self.task, self.run, self.study, self.table, self.conversation
        rows = order(len(table), query.limit, query.shuffle, query.seed)
        handshake = await meet(client, query.endpoint.model, self._need(len(rows)))
        query = query.asking(handshake.model)
        sampling = Sampling(query.temperature, query.max_tokens, query.extra_body)
        model = model_facts(handshake, query.revision, query.batch_invariant)
        run.begin(self._identity(model, handshake.dialect.neutral), table.plain, study.content)
        keep_study(run, study)
        table.read_from(run.input)
        table.keep_index(run.path)
        run.widen(len(rows), query.replications)
        what = (study, conversation, table, rows, query.replications, query.seed)
        plan = Plan(*what, sampling, query.endpoint.model, model, query.shard)
        index = GrowingIndex(run.ledger)
        done = Done.read(run, len(table), conversation.turns, index)
        pace = choose_pace(query.endpoint.concurrency, handshake.facts.slots, client)
        options = {name: getattr(query, name) for name in ("limit", "replications", "shuffle", "shard")}
        facts = session_facts(query.endpoint, client, handshake, **options)
        with (
            run.session(**facts, study_sha256=study.sha256, output=query.table_name) as record,
            Ledger(run.ledger) as ledger,
            LedgerReader(run.ledger) as reader,
        ):
            with suppress(StudyError):  # a row that cannot be rendered ends the run when its turn comes
                work = query_work(query, study, table, conversation, rows, plan.total, plan.done(done))
                tell_estimate(work, run, progress)

            def save(end: int, last: bool = False) -> Callable[[], None] | None:
                return done.write(run, index, end) if index.due(end, last) else None

            session = Session(run, ledger, handshake, pace, progress, done.add, save)
            asker = Asker(plan, done, client, handshake.dialect, session, reader)
            requests = await session.work(asker.jobs(), plan.total, plan.done(done))
            requests.note_in(record)
            if saving := save(ledger.end, last=True):
                saving()
        if requests.interrupted:
            return TaskOutcome(requests=requests)
        if query.shard:
            return TaskOutcome(ShardResult(query.shard, run, plan.total, plan.done(done)), requests)
        with LedgerReader(run.ledger) as reader:
            return TaskOutcome(export_answers(run, query.output, table, reader, done, study), requests)

    def _identity(self, model: dict[str, Any], neutral: Mapping[str, Any]) -> Identity:
        """All that determines the answers; `neutral` are the sampling settings that change nothing."""
        query, conversation = self.task, self.conversation
        return Identity(
            experiment=GENERATE,
            study=self.study.name,
            protocol=conversation.name,
            turns=conversation.turns,
            templates=conversation.hashes,
            input=input_facts(self.table),
            model=model,
            sampling={
                "temperature": query.temperature,
                "max_tokens": query.max_tokens,
                **neutral,
                **query.extra_body,
            },
            seed=query.seed,
        )

    def _need(self, rows: int) -> EndpointNeed:
        """The conversations that the handshake tries: this one, and the longest row's."""
        longest = max(range(rows), key=self.table.row_bytes)
        return EndpointNeed(
            shape=whole_conversation(self.study, self.table, self.conversation, 0),
            longest=whole_conversation(self.study, self.table, self.conversation, longest),
            longest_name=f"row {longest + 1}",
            max_tokens=self.task.max_tokens,
        )


def check_replications(number: int) -> None:
    """Refuse more replications than a manifest can name. Raises InputError."""
    if number > MOST_REPLICATIONS:
        raise InputError(f"--replications {number}: must be at most {MOST_REPLICATIONS:,}")


def query_work(
    query: Query,
    study: Study,
    table: CsvTable,
    conversation: Conversation,
    rows: Sequence[int],
    requests: int,
    done: int,
) -> Work:
    """What a query asks, for its forecast."""
    prompts = [whole_conversation(study, table, conversation, row) for row in spread(rows)]
    return Work.of(GENERATE, study.name, query.endpoint, requests, done, prompts, query.max_tokens)


def whole_conversation(study: Study, table: CsvTable, conversation: Conversation, row: int) -> Sequence[Message]:
    """The conversation about a row up to its last question, with a few words wherever the model would speak.

    Raises:
        StudyError: the row cannot be rendered; the message names it.
    """
    cells = completed(study, table, row)
    try:
        messages = conversation.opening(cells)
        for turn in conversation.turns:
            messages += [conversation.turn(turn, cells), {"role": "assistant", "content": "I see."}]
    except StudyError as error:
        raise StudyError(f"{table.path}, row {row + 1}: {error}") from None
    return messages[:-1]
