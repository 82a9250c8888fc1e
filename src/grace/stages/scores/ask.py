"""`grace score`, Experiment 2: from a table of trials to a table of exact answer probabilities."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Any, ClassVar

from grace.endpoints.client import Client
from grace.endpoints.dialects import TokenDialect
from grace.endpoints.handshake import EndpointNeed, Handshake, meet
from grace.endpoints.pace import Pace
from grace.endpoints.scoring import Scored, Scorer, Surprisals
from grace.endpoints.serving import EMBEDDED
from grace.errors import InputError, StudyError
from grace.files import sweep
from grace.ledger import Ledger, LedgerReader
from grace.manifest import SCORE, Identity
from grace.progress import Progress
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
from grace.stages.scores.proof import prove
from grace.stages.scores.records import Keys, Scores, Todo, distinct, share
from grace.stages.scores.table import ExportedScores, export_scores, score_columns
from grace.stages.session import Job, Session
from grace.stages.task import Endpoint, ExperimentTask, Prepared, ShardResult, TaskOutcome
from grace.studies.answers import Policy
from grace.studies.questions import TABLE
from grace.studies.study import Study, completed
from grace.tables import CsvTable

SLOTS = 1
"""Slots of the embedded server. More are no faster on few processors; with one, no request changes another's sums."""


@dataclass(frozen=True, kw_only=True)
class Score(ExperimentTask):
    """What the user asked for; each field is an option of the command."""

    slots: ClassVar[int | None] = SLOTS

    policy: Policy = "variants"
    residual: float | None = None
    answer_start: str | None = None

    @contextmanager
    def prepared(self, progress: Progress) -> Iterator["PreparedScore"]:
        """Check options, study and table, and lock the run for the length of the block.

        Raises:
            InputError: options, study or table do not fit, or another process writes the run.
        """
        check_options(self)
        if self.residual is not None:
            check_number("residual", self.residual)
        with open_trials(self) as (study, table):
            if not study.scored:
                raise InputError(
                    f"{self.study or study.name}: has no questions to score; docs/add-a-study.md shows how to write "
                    "them"
                )
            check_table(study, table, score_columns(study), TABLE, "it is scored once", progress)
            keys = Keys(study, table, {}, {"policy": self.policy})
            for row in range(min(FIRST_ROWS, len(table), self.limit or FIRST_ROWS)):
                keys.of(row)
            run = self.run
            with run.locked(self.break_lock):
                sweep(self.output)
                yield PreparedScore(self, run, study, table)


@dataclass(frozen=True)
class PreparedScore(Prepared[ExportedScores | ShardResult]):
    """A score that is ready to ask every distinct question about the trials once."""

    task: Score

    @property
    def exact(self) -> bool:
        """The surprisal of a text adds up all that its tokens lack."""
        return bool(self.study.measures)

    async def _ask(self, client: Client, progress: Progress) -> TaskOutcome[ExportedScores | ShardResult]:
        task, study, table, run = self.task, self.study, self.table, self.run
        rows = len(table) if task.limit is None else min(task.limit, len(table))
        handshake = await meet(client, task.endpoint.model, _need(study, table, rows))
        task = task.asking(handshake.model)
        scorer = make_scorer(task.endpoint, client, handshake, task.residual, task.answer_start)
        first = completed(study, table, 0)
        proof = await prove(scorer, handshake, study.scored, first, task.policy, progress)
        scoring = {"policy": task.policy, "residual": scorer.residual, "answer_start": scorer.start}
        if study.measures and isinstance(handshake.dialect, TokenDialect) and handshake.dialect.measuring:
            scoring["measuring"] = handshake.dialect.measuring
        identity = Identity(
            experiment=SCORE,
            study=study.name,
            questions={name: question.sha256 for name, question in study.scored.items()},
            input=input_facts(table),
            model=model_facts(handshake, task.revision, task.batch_invariant),
            scoring=scoring,
            rendered=proof.rendered,
        )
        run.begin(identity, table.plain, study.content)
        keep_study(run, study)
        table.read_from(run.input)
        table.keep_index(run.path)
        run.widen(rows, 1)
        keys = Keys(study, table, run.identity.model, scoring)
        todos = distinct(keys, rows)
        asked = rows * len(study.scored)
        progress.note(f"{asked} question{'s' * (asked != 1)} in {rows} row{'s' * (rows != 1)}, {len(todos)} distinct")
        if task.shard:
            todos = share(todos, task.shard)
        scores = Scores.read(run, study)
        done = scores.count(todos)
        pace = score_pace(task.endpoint, client, handshake)
        facts = session_facts(task.endpoint, client, handshake, limit=task.limit, shard=task.shard)
        facts |= {"study_sha256": study.sha256, "output": task.table_name, "spellings": proof.spellings}
        tell_estimate(score_work(task, keys, todos, done), run, progress)
        with run.session(**facts) as record, Ledger(run.ledger) as ledger:
            session = Session(run, ledger, handshake, pace, progress, scores.add)
            jobs = _jobs(session, scorer, keys, scores.open(todos))
            requests = await session.work(jobs, len(todos), done)
            requests.note_in(record)
        if requests.interrupted:
            return TaskOutcome(requests=requests)
        if task.shard:
            return TaskOutcome(ShardResult(task.shard, run, len(todos), scores.count(todos)), requests)
        with LedgerReader(run.ledger) as reader:
            return TaskOutcome(export_scores(run, task.output, table, reader, scores, keys), requests)


def score_work(score: Score, keys: Keys, todos: Mapping[str, Todo], done: int) -> Work:
    """What a score asks, for its forecast."""
    prompts = [keys.asked(todo.row, keys.study.scored[todo.question]).messages for todo in spread(list(todos.values()))]
    return Work.of(SCORE, keys.study.name, score.endpoint, len(todos), done, prompts)


def slots_of(endpoint: Endpoint, handshake: Handshake) -> int | None:
    """How many of the server's slots are used, one for each question under way; None if it has no slots.

    The embedded server may be shared with Experiment 1 and have more slots. With only one in use, it gives the same
    numbers as a server with a single slot.
    """
    return SLOTS if endpoint.url == EMBEDDED else handshake.facts.slots


def make_scorer(
    endpoint: Endpoint, client: Client, handshake: Handshake, residual: float | None, answer_start: str | None
) -> Scorer:
    """The scorer for an endpoint, with the bound of its dialect where none is given."""
    dialect = handshake.dialect
    bound = dialect.residual if residual is None else residual
    slots = slots_of(endpoint, handshake)
    return Scorer(client, dialect, endpoint.model, residual=bound, slots=slots, start=answer_start)


def score_pace(endpoint: Endpoint, client: Client, handshake: Handshake) -> Pace:
    """As many questions at once as the user says, else one for each slot of the server, else adapted to the server."""
    return choose_pace(endpoint.concurrency or slots_of(endpoint, handshake), None, client)


def _jobs(session: Session, scorer: Scorer, keys: Keys, todos: Iterator[tuple[str, Todo]]) -> Iterator[Job]:
    """One job for all questions that first occur in one row: their prompts begin alike."""
    for _, together in groupby(todos, key=lambda item: item[1].row):
        yield partial(_ask_together, session, scorer, keys, list(together))


async def _ask_together(session: Session, scorer: Scorer, keys: Keys, todos: list[tuple[str, Todo]]) -> float | None:
    seconds = None
    for key, todo in todos:
        if session.stopping:
            break
        seconds = await ask_question(session, scorer, keys, key, todo)
    return seconds


async def ask_question(session: Session, scorer: Scorer, keys: Keys, key: str, todo: Todo, **more: Any) -> float | None:
    """Score one question and record it, with `more` in the record; return the seconds it took, None when it failed."""
    asked = keys.asked(todo.row, keys.study.scored[todo.question])
    request = {
        "key": key,
        "rows": [row + 1 for row in todo.rows],
        "question": todo.question,
        **more,
        "request": keys.scoring,
    }

    async def answer() -> dict[str, Any]:
        try:
            if asked.kind:
                before = asked.messages[0]["content"]
                texts = {label: text for label, (text,) in asked.forms.items()}
                return _measured_record(await scorer.measure(before, texts, asked.kind == "regions"))
            return _record(await scorer.score(todo.question, asked.messages, asked.forms, asked.start))
        except StudyError as error:
            raise StudyError(f"row {todo.row + 1}: {error}") from None

    record = await session.record(request, answer)
    return None if record["status"] == "failed" else record["milliseconds"] / 1000


def _record(scored: Scored) -> dict[str, Any]:
    return {
        "status": "scored",
        "response": {
            "labels": scored.labels,
            "residual": scored.residual,
            "forms": scored.forms,
            "places": scored.places,
        },
        "tokens": {"prompt": scored.prompt_tokens, "completion": None},
        "milliseconds": round(scored.milliseconds, 3),
        "requests": scored.requests,
        "attempts": scored.attempts,
    }


def _measured_record(surprisals: Surprisals) -> dict[str, Any]:
    return {
        "status": "scored",
        "response": {
            "bits": {label: own.bits for label, own in surprisals.texts.items()},
            "words": {label: own.words for label, own in surprisals.texts.items()},
            "measured": {label: own.tokens for label, own in surprisals.texts.items()},
        },
        "tokens": {"prompt": None, "completion": None},
        "milliseconds": round(surprisals.milliseconds, 3),
        "requests": surprisals.requests,
        "attempts": surprisals.attempts,
    }


def _need(study: Study, table: CsvTable, rows: int) -> EndpointNeed:
    """The questions that the handshake tries: the first one, and the longest of the longest row."""
    longest = max(range(rows), key=table.row_bytes)
    cells = completed(study, table, longest)
    questions = [question for question in study.questions.values() if question.chats]
    if not questions:
        return EndpointNeed(chats=False)
    return EndpointNeed(
        shape=questions[0].messages(completed(study, table, 0)),
        longest=max((question.messages(cells) for question in questions), key=lambda said: len(said[-1]["content"])),
        longest_name=f"row {longest + 1}",
        max_tokens=16,
    )
