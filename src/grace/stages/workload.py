"""What a task will ask, counted without a server and without touching its run."""

from collections.abc import Sequence
from dataclasses import dataclass

from grace.manifest import SCORE
from grace.progress import Progress
from grace.stages.answers.ask import Query, check_replications, query_work
from grace.stages.answers.generate import finished_of, order, requests_of
from grace.stages.answers.records import Done
from grace.stages.forecast import Work
from grace.stages.prepare import check_options, check_table, open_trials
from grace.stages.records import study_of
from grace.stages.scores.ask import Score, score_work
from grace.stages.scores.records import Keys, Scores, distinct, share
from grace.stages.scores.table import score_columns
from grace.studies.questions import TABLE
from grace.studies.study import Study, completed
from grace.studies.templates import Message
from grace.tables import CsvTable


@dataclass(frozen=True)
class Outlook:
    """What a task will ask, and what its first row says to the model: by turn or question, in order."""

    work: Work
    first: Sequence[Sequence[Message]]


def outlook(task: Query | Score, progress: Progress) -> Outlook:
    """Count what a task asks, and render the prompts of its first row.

    Raises:
        InputError: options, study, table or run do not fit.
    """
    check_options(task)
    with open_trials(task) as (study, table):
        if isinstance(task, Query):
            return _of_query(task, study, table, progress)
        return _of_score(task, study, table, progress)


def _of_query(task: Query, study: Study, table: CsvTable, progress: Progress) -> Outlook:
    check_replications(task.replications)
    conversation = study.conversation(task.protocol)
    check_table(study, table, (), study.answer_names(conversation.turns), "both are asked", progress)
    rows = order(len(table), task.limit, False, task.seed)
    what = (rows, task.replications, task.shard)
    done = 0
    if task.run.exists:
        done = finished_of(Done.read(task.run, len(table), conversation.turns), *what)
    cells = completed(study, table, rows[0])
    first = [conversation.opening(cells), *([conversation.turn(turn, cells)] for turn in conversation.turns)]
    requests = requests_of(*what) * len(conversation.turns)
    return Outlook(query_work(task, study, table, conversation, rows, requests, done), [part for part in first if part])


def _of_score(task: Score, study: Study, table: CsvTable, progress: Progress) -> Outlook:
    check_table(study, table, score_columns(study), TABLE, "it is scored once", progress)
    run = task.run
    scored = run.exists and run.identity.experiment == SCORE
    settings = (run.identity.model, run.identity.scoring) if scored else ({}, {"policy": task.policy})
    keys = Keys(study, table, *settings)
    todos = distinct(keys, len(table) if task.limit is None else min(task.limit, len(table)))
    if task.shard:
        todos = share(todos, task.shard)
    done = Scores.read(run, study_of(run)).count(todos) if scored else 0
    first = [keys.asked(0, question).shown for question in study.scored.values()]
    return Outlook(score_work(task, keys, todos, done), first)
