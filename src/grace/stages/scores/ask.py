"""`grace score`, Experiment 2: from a table of trials to a table of exact answer probabilities."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Any

from grace.endpoints.client import Client
from grace.endpoints.handshake import Handshake, Need, meet
from grace.endpoints.pace import Pace
from grace.endpoints.scoring import Scored, Scorer
from grace.errors import InputError, StudyError
from grace.ledger import Ledger
from grace.manifest import SCORE, Identity
from grace.progress import Progress
from grace.runs import Run
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
from grace.stages.scores.proof import prove
from grace.stages.scores.records import Keys, Scores, Todo, distinct, share
from grace.stages.scores.table import ExportedScores, score_columns
from grace.stages.session import Job, Outcome, Session
from grace.studies.answers import Policy
from grace.studies.check import choose_study
from grace.studies.study import Study, completed
from grace.tables import CsvTable

SLOTS = 1
"""Of the embedded server: on a few processors more are no faster, and with one its numbers do not depend on company."""


@dataclass(frozen=True, kw_only=True)
class Score(Wanted):
    """What the user asked for; each field is an option of the command."""

    policy: Policy = "variants"
    residual: float | None = None
    answer_start: str | None = None


def score(wanted: Score, progress: Progress) -> tuple[Outcome, ExportedScores | ShardDone | None]:
    """Score every distinct question about the trials once, and write the table unless interrupted.

    Raises:
        InputError: options, study or table do not fit, or the run is another one's.
        EndpointError: the endpoint cannot do what is asked of it.
    """
    run = wanted.run
    check_options(wanted)
    if wanted.residual is not None:
        check_number("residual", wanted.residual)
    with CsvTable(wanted.input) as table:
        study = choose_study(wanted.study, table)
        if not study.questions:
            raise InputError(
                f"{wanted.study or study.name}: has no questions to score; docs/add-a-study.md shows how to write them"
            )
        check_table(study, table, score_columns(study), "it is scored once", progress)
        return on_run(wanted, run, progress, lambda client: _score(wanted, study, table, run, client, progress), SLOTS)


async def _score(
    wanted: Score, study: Study, table: CsvTable, run: Run, client: Client, progress: Progress
) -> tuple[Outcome, ExportedScores | ShardDone | None]:
    rows = len(table) if wanted.limit is None else min(wanted.limit, len(table))
    hands = await meet(client, wanted.model, _need(study, table, rows))
    scorer = make_scorer(client, wanted.model, hands, wanted.residual, wanted.answer_start)
    model = {**hands.facts.identity, "revision": wanted.revision}
    first = completed(study, table, 0)
    proof = await prove(scorer, hands, study.questions, first, wanted.policy, progress)
    scoring = {"policy": wanted.policy, "residual": scorer.residual, "answer_start": scorer.start}
    identity = Identity(
        experiment=SCORE,
        study=study.name,
        questions={name: question.sha256 for name, question in study.questions.items()},
        input=input_facts(table),
        model=model,
        scoring=scoring,
        rendered=proof.rendered,
    )
    run.begin(identity, table.path, study.content)
    run.keep_study(study.content)
    table.read_from(run.input)
    run.widen(rows, 1)
    keys = Keys(study, table, run.identity.model, scoring)
    todos = distinct(keys, rows)
    asked = rows * len(study.questions)
    progress.note(f"{asked} question{'s' * (asked != 1)} in {rows} row{'s' * (rows != 1)}, {len(todos)} distinct")
    if wanted.shard:
        todos = share(todos, wanted.shard)
    scores = Scores.read(run)
    done = scores.count(todos)
    pace = score_pace(wanted.concurrency, hands, client)
    facts = session_facts(wanted, client, hands, "limit", "shard")
    with run.session(**facts, study_sha256=study.sha256, output=wanted.table_name, spellings=proof.spellings) as record:
        with Ledger(run.ledger) as ledger:
            session = Session(run, ledger, client, pace, progress, scores.add)
            jobs = _jobs(session, scorer, keys, study, scores.open(todos))
            outcome = await session.work(jobs, len(todos), done)
        record.finished, record.failed = outcome.finished, dict(outcome.failures)
    if outcome.interrupted:
        return outcome, None
    if wanted.shard:
        return outcome, ShardDone(wanted.shard, run, len(todos), scores.count(todos))
    exported = export(run, wanted.output, scores, keys)
    assert isinstance(exported, ExportedScores)
    return outcome, exported


def make_scorer(
    client: Client, model: str, hands: Handshake, residual: float | None, answer_start: str | None
) -> Scorer:
    """The scorer for an endpoint, with its dialect's own bound where none is given."""
    return Scorer(
        client,
        hands.dialect,
        model,
        residual=hands.dialect.residual if residual is None else residual,
        slots=hands.facts.slots,
        start=answer_start,
    )


def score_pace(concurrency: int | None, hands: Handshake, client: Client) -> Pace:
    """As many questions at once as the user says, else as the server has slots, since each keeps one; else adapted."""
    return choose_pace(concurrency or hands.facts.slots, None, client)


def _jobs(
    session: Session, scorer: Scorer, keys: Keys, study: Study, todos: Iterator[tuple[str, Todo]]
) -> Iterator[Job]:
    """One job for all questions that are first met in one row: their prompts begin alike."""
    for _, together in groupby(todos, key=lambda item: item[1].row):
        yield partial(_ask_together, session, scorer, keys, study, list(together))


async def _ask_together(
    session: Session, scorer: Scorer, keys: Keys, study: Study, todos: list[tuple[str, Todo]]
) -> float | None:
    seconds = None
    for key, todo in todos:
        if session.stopping:
            break
        seconds = await ask_question(session, scorer, keys, study, key, todo)
    return seconds


async def ask_question(
    session: Session, scorer: Scorer, keys: Keys, study: Study, key: str, todo: Todo, **more: Any
) -> float | None:
    """Score one question and record it, with `more` in the record; gives the seconds it took, None when it failed."""
    messages = keys.messages(todo.row, study.questions[todo.question])
    request = {
        "key": key,
        "rows": [row + 1 for row in todo.rows],
        "question": todo.question,
        **more,
        "request": keys.scoring,
    }

    async def answer() -> dict[str, Any]:
        try:
            return _record(await scorer.score(todo.question, messages, keys.forms[todo.question]))
        except StudyError as error:
            raise StudyError(f"row {todo.row + 1}: {error}") from None

    record = await session.record(request, answer)
    return None if record["status"] == "failed" else record["milliseconds"] / 1000


def _record(scored: Scored) -> dict[str, Any]:
    """What a ledger keeps of a score."""
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


def _need(study: Study, table: CsvTable, rows: int) -> Need:
    """What the handshake is to try: the first question, and the longest row's longest one."""
    longest = max(range(rows), key=table.row_bytes)
    cells = completed(study, table, longest)
    questions = list(study.questions.values())
    return Need(
        shape=questions[0].messages(completed(study, table, 0)),
        longest=max((question.messages(cells) for question in questions), key=lambda said: len(said[-1]["content"])),
        longest_name=f"row {longest + 1}",
        max_tokens=16,
    )
