"""`grace visit`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grace.cli import options
from grace.cli.query import ask_and_tell
from grace.cli.score import measure_and_tell
from grace.errors import GraceError

if TYPE_CHECKING:
    from grace.stages.answers.ask import Query
    from grace.stages.scores.ask import Score


def visit(
    file: Annotated[Path, typer.Argument(help="A visit file: which studies and tables, which experiments.")],
    out: Annotated[Path, typer.Option(help="Folder for the tables and their runs.")],
    model_endpoint: options.ModelEndpoint = "embedded",
    model_name: options.ModelName = "smollm2-135m",
    model_revision: options.ModelRevision = None,
    wait: Annotated[float, typer.Option(min=0, metavar="SECONDS", help="Wait so long for the server to be up.")] = 0,
    leader: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="In a pod that is not the first of its Job: ask nothing, wait until this server is gone.",
        ),
    ] = None,
    limit: options.Limit = None,
    concurrency: options.Concurrency = "auto",
    timeout: options.Timeout = 300.0,
    max_retries: options.MaxRetries = 5,
    api_key_env: options.ApiKeyEnv = None,
    shard: options.Shard = None,
    break_lock: options.BreakLock = False,
) -> None:
    """Ask a model everything while it is there: both experiments of all studies that a file lists.

    One that fails does not keep the others from being asked; the exit code is the worst. When the command is stopped,
    the same command goes on where it was.

    \b
    The file, in YAML; its paths start at its own folder:
      studies:
        - {study: study1, input: study1.csv}
        - {study: my_study.yaml, input: trials.csv}
      experiments: [1, 2]
      query: {temperature: 0.7, max_tokens: 512, replications: 1, seed: 1}
      score: {policy: variants}

    \b
    Examples:
      grace visit visit.yaml --out outputs/smollm2
      grace visit visit.yaml --out outputs/gemma --model-endpoint http://localhost:8000 --model-name gemma-2-2b-it \\
          --wait 900
    """
    from grace.endpoints.waiting import wait_until_gone, wait_until_up
    from grace.stages.prepare import EMBEDDED, Endpoint
    from grace.stages.shard import completion_index
    from grace.stages.visit import tasks

    if leader is not None and completion_index():
        # Never with exit code 0: a Job that has its first pod's success ends the others by itself, and where the first
        # pod was taken away, both must come again.
        with options.progressing() as progress:
            wait_until_gone(leader, wait, progress.note)
    endpoint = Endpoint(
        endpoint=model_endpoint,
        model=model_name,
        concurrency=options.read_concurrency(concurrency),
        timeout=timeout,
        max_retries=max_retries,
        api_key=options.read_key(api_key_env),
    )
    todo = tasks(
        file,
        endpoint,
        out,
        revision=model_revision,
        limit=limit,
        shard=options.read_shard(shard),
        break_lock=break_lock,
    )
    if wait and model_endpoint != EMBEDDED:
        with options.progressing() as progress:
            wait_until_up(model_endpoint, wait, progress.note)
    worst = max(_ask(task) for task in todo)
    if worst:
        raise typer.Exit(worst)


def _ask(task: "Query | Score") -> int:
    """Ask one experiment of one study, tell of it, and give its exit code."""
    from grace.stages.answers.ask import Query

    try:
        ask_and_tell(task) if isinstance(task, Query) else measure_and_tell(task)
    except typer.Exit as ended:
        if ended.exit_code == options.INTERRUPTED:
            raise
        return ended.exit_code
    except GraceError as error:
        print(f"grace: {error}", file=sys.stderr)
        return error.exit_code
    return 0
