"""What back ends share that ask from this machine: passes over a visit's tasks, and the list of the data they left."""

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from pathlib import Path
from typing import Any

from grace.endpoints.serving import Address
from grace.errors import EndpointError
from grace.files import FileList
from grace.lineup.folder import LIST
from grace.progress import Progress
from grace.stages.answers.ask import Query
from grace.stages.scores.ask import Score
from grace.stages.session import RequestCounts
from grace.stages.task import TaskOutcome
from grace.stages.visit import ask_all

TRIES = 3
"""Passes over a visit's tasks: what failed is asked again, of a new server where the first one died."""


def ask_in_passes(
    listed: Sequence[Query | Score], serve: Callable[[], AbstractContextManager[Address]], progress: Progress
) -> RequestCounts:
    """Do all tasks, those that failed or have failed requests up to TRIES times, and count the requests.

    `serve` is as that of `ask_all`.

    Raises:
        GraceError: tasks still fail; of the kind of the first failure, with the words of all.
        KeyboardInterrupt: the user stopped it.
    """
    finished = 0
    last: dict[Path, TaskOutcome[Any]] = {}
    left = list(listed)
    for _ in range(TRIES):
        again: list[Query | Score] = []
        with closing(ask_all(left, serve, lambda: nullcontext(progress))) as asked:
            for task, outcome in asked:
                if outcome.interrupted:
                    raise KeyboardInterrupt
                finished += outcome.requests.finished
                last[task.output] = outcome
                if outcome.requests.failures or isinstance(outcome.error, EndpointError):
                    again.append(task)
        left = again
        if not left:
            break
    errors = [outcome.error for outcome in last.values() if outcome.error]
    if errors:
        raise type(errors[0])("; ".join(dict.fromkeys(map(str, errors))))
    failures = sum((outcome.requests.failures for outcome in last.values()), Counter[str]())
    return RequestCounts(finished, failures)


def list_data(folder: Path) -> FileList:
    """Write the list of a model's files with their digests, which says later whether they are as they were."""
    files = FileList.of(folder, sorted(path for path in folder.rglob("*") if path.is_file() and _is_data(path)))
    files.write(folder / LIST)
    return files


def _is_data(path: Path) -> bool:
    """Whether a file belongs to a model's data: no lock, no list of files, nothing half written or hidden."""
    return path.name not in ("lock", LIST) and not any(part.startswith(".") for part in path.parts[-2:])
