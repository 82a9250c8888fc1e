"""`grace visit`."""

from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from grace.cli import options
from grace.cli.asking import end, tell_outcome
from grace.cli.export import tell_table


def visit(
    file: Annotated[Path, typer.Argument(help="Visit file: the studies with their tables, and the experiments.")],
    out: Annotated[Path, typer.Option(help="Folder for the tables and their runs.")],
    model_endpoint: options.ModelEndpoint = "embedded",
    model_name: options.ModelName = None,
    model_revision: options.ModelRevision = None,
    batch_invariant: options.BatchInvariant = False,
    wait: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="How long to wait for the server to start.")
    ] = 0,
    leader: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="In a pod that is not the first of its Job: ask nothing, and wait until this server is gone.",
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
    """Ask a model everything while it is loaded: both experiments of all studies that a file lists.

    If one of them fails, the others still run; the exit code is the highest. After an interruption, the same command
    continues where it left off.

    \b
    The file, in YAML, with paths relative to its folder:
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
    from grace.calls.carry import server_for
    from grace.calls.display import make_progress
    from grace.endpoints.serving import EMBEDDED
    from grace.endpoints.waiting import wait_until_up
    from grace.stages.ending import leave_ending
    from grace.stages.task import TaskOptions
    from grace.stages.visit import ask_all, exact_for, follow_leader, slots_for, tasks

    if leader is not None:
        with options.progressing() as progress:
            follow_leader(leader, wait, progress)
    endpoint = options.read_endpoint(model_endpoint, model_name, concurrency, timeout, max_retries, api_key_env)
    part = options.read_shard(shard)
    shared = TaskOptions(
        endpoint=endpoint,
        revision=model_revision,
        batch_invariant=batch_invariant,
        limit=limit,
        shard=part,
        break_lock=break_lock,
    )
    listed = tasks(file, out, shared)
    if wait and model_endpoint != EMBEDDED:
        with options.progressing() as progress:
            wait_until_up(model_endpoint, wait, progress.note)
    serve = partial(server_for, endpoint, slots_for(listed), exact_for(listed))
    worst, ended = 0, []
    with closing(ask_all(listed, serve, make_progress)) as outcomes:
        for task, outcome in outcomes:
            ended.append(outcome)
            leave_ending(ended)
            worst = max(worst, tell_outcome(task.run.path, outcome, tell_table))
    end(worst)
