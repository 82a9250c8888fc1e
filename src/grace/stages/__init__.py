"""Stages: what is done with a run, each a function from a study and a table to records in the ledger."""

from typing import TYPE_CHECKING

from grace.exports import exported

if TYPE_CHECKING:
    from grace.stages.answers.ask import Query
    from grace.stages.export import export_run
    from grace.stages.fields.ask import Extract
    from grace.stages.join import join_shards
    from grace.stages.scores.ask import Score
    from grace.stages.scores.noise import Noise
    from grace.stages.task import Endpoint, TaskOutcome
    from grace.stages.visit import ask_all, tasks
    from grace.stages.visit_file import VisitFile

__all__ = [
    "Endpoint",
    "Extract",
    "Noise",
    "Query",
    "Score",
    "TaskOutcome",
    "VisitFile",
    "ask_all",
    "export_run",
    "join_shards",
    "tasks",
]

__getattr__ = exported(
    __name__,
    Endpoint="task",
    TaskOutcome="task",
    Query="answers.ask",
    Score="scores.ask",
    Noise="scores.noise",
    Extract="fields.ask",
    export_run="export",
    join_shards="join",
    VisitFile="visit_file",
    tasks="visit",
    ask_all="visit",
)
