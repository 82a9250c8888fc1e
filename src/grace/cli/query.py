"""`grace query`, and what it prints about its table."""

from typing import TYPE_CHECKING, Annotated

import typer

from grace.cli import options
from grace.cli.asking import ask
from grace.cli.forecast import DryRun, tell_outlook
from grace.cli.options import count, reads_table
from grace.errors import InputError

if TYPE_CHECKING:
    from grace.stages.answers.table import ExportedAnswers
    from grace.tables import TableFormat


@reads_table
def query(
    table_format: "TableFormat",
    output: options.Output,
    study: options.StudyName = None,
    input: options.Input = None,
    model_endpoint: options.ModelEndpoint = "embedded",
    model_name: options.ModelName = None,
    temperature: Annotated[float, typer.Option(min=0.0, help="Sampling temperature.")] = 0.7,
    max_tokens: Annotated[int, typer.Option(min=1, help="Longest answer, in tokens; longer ones are cut off.")] = 512,
    protocol: Annotated[
        str | None,
        typer.Option(help="How the study asks, such as single or sequential. Default: the study's first."),
    ] = None,
    seed: Annotated[
        int,
        typer.Option(min=-(2**53), max=2**53, help="Base seed; every row and replication gets its own seed from it."),
    ] = 1,
    replications: Annotated[int, typer.Option(min=1, help="Independent answers for each row.")] = 1,
    shuffle: Annotated[
        bool, typer.Option("--shuffle", help="Ask in random order; the table keeps the input's order.")
    ] = False,
    limit: options.Limit = None,
    concurrency: options.Concurrency = "auto",
    timeout: options.Timeout = 300.0,
    max_retries: options.MaxRetries = 5,
    extra_body: Annotated[
        str, typer.Option(metavar="JSON", help="Object to add to each request, such as '{\"top_p\": 0.9}'.")
    ] = "{}",
    api_key_env: options.ApiKeyEnv = None,
    model_revision: options.ModelRevision = None,
    batch_invariant: options.BatchInvariant = False,
    shard: options.Shard = None,
    break_lock: options.BreakLock = False,
    dry_run: DryRun = False,
) -> None:
    """Experiment 1: ask the model about every trial and keep its raw answers.

    Every answer is on disk the moment it arrives. After Ctrl-C or a crash, the same command continues where it
    left off: no finished request is lost or repeated, failed ones are retried.

    \b
    Examples:
      grace query study1 --input data/study1.csv --output outputs/study1.csv
      grace query study2 --input data/study2.csv --output outputs/study2_gemma.csv \\
          --model-endpoint http://localhost:8000 --model-name gemma-2-2b-it
      grace query my_study.yaml --input trials.csv --output outputs/mine.csv --limit 10
      grace query my_study.yaml --input export.csv --output outputs/mine.csv --delimiter ';' --encoding cp1252
    """
    from grace.stages.answers.ask import Query

    table, study = options.read_input(input, study)
    task = Query(
        study=study,
        input=table,
        output=output,
        endpoint=options.read_endpoint(model_endpoint, model_name, concurrency, timeout, max_retries, api_key_env),
        temperature=temperature,
        max_tokens=max_tokens,
        protocol=protocol,
        seed=seed,
        replications=replications,
        shuffle=shuffle,
        limit=limit,
        extra_body=_json_object(extra_body),
        revision=model_revision,
        batch_invariant=batch_invariant,
        shard=options.read_shard(shard),
        table_format=table_format,
        break_lock=break_lock,
    )
    if dry_run:
        tell_outlook(task)
        return
    ask(task, tell_answers)


def _json_object(text: str) -> dict[str, object]:
    import orjson  # takes no NaN, and no number that could not be sent

    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InputError(f"--extra-body: is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise InputError("--extra-body: must be a JSON object, such as '{\"top_p\": 0.9}'")
    return value


def tell_answers(exported: "ExportedAnswers") -> bool:
    """Print what the table holds; False when rows of it have errors."""
    rows, bad = exported.rows, exported.errors.total()
    print(f"{exported.path}: {count(rows, 'row')}, {rows - bad} answered, {exported.cut / max(rows, 1):.0%} cut off")
    if exported.cut:
        print(f"  {count(exported.cut, 'answer')} cut off at the token limit; a higher --max-tokens avoids that")
    for text, number in exported.errors.most_common(5):
        print(f"  {count(number, 'row')}: {text}")
    if bad:
        print("  Repeat the `grace query` to retry what failed; empty answers stay as they are.")
    return not bad
