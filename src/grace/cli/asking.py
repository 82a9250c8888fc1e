"""Asking a model from the command line: where it is served, how it goes, and what comes of it."""

import sys
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from grace.cli.exits import INTERRUPTED, exit_code
from grace.cli.options import count

if TYPE_CHECKING:
    from pathlib import Path

    from grace.progress import Progress
    from grace.stages.task import ShardResult, Task, TaskOutcome

T = TypeVar("T")


def ask(task: "Task[T | ShardResult]", tell: Callable[[T], bool]) -> None:
    """Ask with progress shown, and print the outcome. Raises typer.Exit unless all is well."""
    from grace.calls.carry import carry_out

    end(tell_outcome(task.run.path, show(partial(carry_out, task)), tell))


def show(work: "Callable[[Progress], TaskOutcome[T]]") -> "TaskOutcome[T]":
    """Do work that Ctrl-C and SIGTERM interrupt, with progress shown."""
    from grace.calls.display import make_progress
    from grace.stages.task import TaskOutcome

    try:
        with make_progress() as progress:
            return work(progress)
    except KeyboardInterrupt:  # before the asking began, or after it
        return TaskOutcome()


def tell_outcome(run: "Path", outcome: "TaskOutcome[Any]", tell: Callable[[Any], bool]) -> int:
    """Print the outcome of a task on a run's folder, and return its exit code.

    `tell` prints the result, unless that is a shard, and returns whether all of it is well.
    """
    from grace.stages.task import ShardResult

    if outcome.error:
        print(f"grace: {outcome.error}", file=sys.stderr)
        return exit_code(outcome.error)
    if outcome.result is None:
        print(
            f"grace: interrupted; all finished answers are safe in {run}. The same command continues where this one "
            f"stopped; `grace export {run}` writes what there is.",
            file=sys.stderr,
        )
        return INTERRUPTED
    requests = outcome.requests
    for kind, example in requests.examples.items():
        print(f"grace: {count(requests.failures[kind], 'request')} failed with {kind}: {example}", file=sys.stderr)
    result = outcome.result
    return 0 if (_tell_shard(result) if isinstance(result, ShardResult) else tell(result)) else 1


def _tell_shard(shard: "ShardResult") -> bool:
    """Print how far a shard is; False when a part of it failed."""
    print(f"{shard.run.path}: {shard.done} of {count(shard.asked, 'request')} of part {shard.shard} done")
    if shard.done < shard.asked:
        print("  repeat the command to retry what failed.")
    return shard.done >= shard.asked


def end(code: int) -> None:
    """End the command with an exit code other than 0."""
    if code:
        raise typer.Exit(code)
