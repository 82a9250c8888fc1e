"""`grace query` and `grace export`."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grace.errors import InputError

if TYPE_CHECKING:
    from grace.stages.export import Exported


def query(
    study: Annotated[str, typer.Argument(help="study1, study2, or the path of a study file.")],
    input: Annotated[Path, typer.Option(help="CSV table of trials.")],
    output: Annotated[Path, typer.Option(help="CSV table to write; a.csv is made from the run in a.run/.")],
    model_endpoint: Annotated[str, typer.Option(help="Address of a model server, or 'embedded'.")] = "embedded",
    model_name: Annotated[str, typer.Option(help="The name that the server knows the model by.")] = "smollm2-135m",
    temperature: Annotated[float, typer.Option(min=0.0, help="Sampling temperature.")] = 0.7,
    max_tokens: Annotated[int, typer.Option(min=1, help="Longest answer, in tokens; longer ones are cut off.")] = 512,
    protocol: Annotated[
        str | None,
        typer.Option(help="How the study asks, as single or sequential. Default: the study's first."),
    ] = None,
    seed: Annotated[
        int, typer.Option(min=-(2**53), max=2**53, help="Base seed; every row and replication gets its own from it.")
    ] = 1,
    replications: Annotated[int, typer.Option(min=1, help="Independent answers for each row.")] = 1,
    shuffle: Annotated[
        bool, typer.Option("--shuffle", help="Ask in random order; the table keeps the input's.")
    ] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first N rows.")] = None,
    concurrency: Annotated[str, typer.Option(metavar="auto|N", help="Requests under way at once.")] = "auto",
    timeout: Annotated[float, typer.Option(min=0.1, help="Seconds to wait for one answer.")] = 300.0,
    max_retries: Annotated[int, typer.Option(min=0, help="Further tries after transient faults.")] = 5,
    extra_body: Annotated[
        str, typer.Option(metavar="JSON", help="Object added to each request, as '{\"top_p\": 0.9}'.")
    ] = "{}",
    api_key_env: Annotated[
        str | None, typer.Option(metavar="NAME", help="Environment variable that holds the server's key.")
    ] = None,
    model_revision: Annotated[
        str | None,
        typer.Option(help="Which weights answer (revision, quantization), where the server does not tell."),
    ] = None,
    break_lock: Annotated[
        bool, typer.Option("--break-lock", help="Go on with a run whose writer died on another machine.")
    ] = False,
) -> None:
    """Experiment 1: ask the model about every trial and keep its raw answers.

    Every answer is on disk the moment it arrives. When the command is stopped, by Ctrl-C or by a crash, the same
    command goes on where it was: no finished request is lost or repeated, failed ones are tried again.

    \b
    Examples:
      grace query study1 --input data/study1.csv --output outputs/study1.csv
      grace query study2 --input data/study2.csv --output outputs/study2_gemma.csv \\
          --model-endpoint http://localhost:8000 --model-name gemma-2-2b-it
      grace query my_study.yaml --input trials.csv --output outputs/mine.csv --limit 10
    """
    from grace.cli.progress import make_progress
    from grace.stages.query import Query
    from grace.stages.query import query as run_query

    wanted = Query(
        study=study,
        input=input,
        output=output,
        endpoint=model_endpoint,
        model=model_name,
        temperature=temperature,
        max_tokens=max_tokens,
        protocol=protocol,
        seed=seed,
        replications=replications,
        shuffle=shuffle,
        limit=limit,
        concurrency=_concurrency(concurrency),
        timeout=timeout,
        max_retries=max_retries,
        extra_body=_json_object(extra_body),
        api_key=read_key(api_key_env),
        revision=model_revision,
        break_lock=break_lock,
    )
    try:
        with _terminable(), make_progress() as progress:
            outcome, exported = run_query(wanted, progress)
    except KeyboardInterrupt:  # before the asking began, or after it
        exported = None
    if exported is None:
        run = output.with_suffix(".run")
        print(
            f"grace: interrupted; all finished answers are safe in {run}. The same command goes on where this one "
            f"stopped; `grace export {run}` writes what there is.",
            file=sys.stderr,
        )
        raise typer.Exit(130)
    for kind, example in outcome.examples.items():
        print(f"grace: {_count(outcome.failures[kind], 'request')} failed with {kind}: {example}", file=sys.stderr)
    _tell(exported)


def export(
    run: Annotated[Path, typer.Argument(help="A run's folder, as outputs/study1.run.")],
    output: Annotated[Path | None, typer.Option(help="CSV table to write. Default: beside the run.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an --output that is there already.")] = False,
) -> None:
    """Make the answers' table again from a run's ledger, without asking a model.

    \b
    Examples:
      grace export outputs/study1.run
      grace export outputs/study1.run --output outputs/copy.csv
    """
    from grace.runs import Run
    from grace.stages.export import export as make_table

    if output and output.exists() and not force:
        raise InputError(f"--output {output}: is there already; choose another name, or add --force to replace it")
    _tell(make_table(Run(run), output or run.with_suffix(".csv")))


def read_key(variable: str | None) -> str | None:
    """The key in an environment variable. Raises InputError when the variable is not set."""
    if variable is None:
        return None
    key = os.environ.get(variable, "").strip()
    if not key:
        raise InputError(f"--api-key-env {variable}: no such environment variable is set")
    return key


@contextmanager
def _terminable() -> Iterator[None]:
    """Have SIGTERM, which ends jobs on clusters, do what Ctrl-C does: undo what is half done."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _concurrency(text: str) -> int | None:
    if text == "auto":
        return None
    if text.isdecimal() and int(text) > 0:
        return int(text)
    raise InputError(f"--concurrency {text}: is neither 'auto' nor a number from 1")


def _json_object(text: str) -> dict[str, object]:
    import orjson  # takes no NaN, and no number that could not be sent

    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InputError(f"--extra-body: is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise InputError("--extra-body: must be a JSON object, as '{\"top_p\": 0.9}'")
    return value


def _tell(exported: "Exported") -> None:
    """Say what the table holds; exit 1 when rows of it have errors."""
    rows, bad = exported.rows, exported.errors.total()
    print(f"{exported.path}: {_count(rows, 'row')}, {rows - bad} answered, {exported.cut / rows:.0%} cut off")
    if exported.cut:
        print(f"  {_count(exported.cut, 'answer')} cut off at the token limit; a higher --max-tokens avoids that")
    for text, count in exported.errors.most_common(5):
        print(f"  {_count(count, 'row')}: {text}")
    if bad:
        print("  The same command asks again for what failed; empty answers stay as they are.")
        raise typer.Exit(1)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"
