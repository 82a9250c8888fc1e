"""`grace extract`, and what it prints about its table."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from grace.cli import options
from grace.cli.asking import end, show, tell_outcome
from grace.cli.options import count, reads_table

if TYPE_CHECKING:
    from grace.stages.fields.ask import ExtractResult
    from grace.stages.fields.table import Agreement, ExportedFields
    from grace.tables import TableFormat

KEY = "DEEPSEEK_API_KEY"


@reads_table
def extract(
    table_format: "TableFormat",
    input: Annotated[Path, typer.Option(help="CSV table of raw answers, such as `grace query` writes.")],
    output: options.Output,
    study: options.StudyName = None,
    extractor: Annotated[
        str | None,
        typer.Option(
            metavar="deepseek|embedded|URL",
            help=f"Model to ask where rules find nothing: DeepSeek's API (key in {KEY}), one on this machine, a URL.",
        ),
    ] = None,
    extractor_model: Annotated[
        str | None, typer.Option(metavar="NAME", help="The model's name on the extractor's server.")
    ] = None,
    check_rules: Annotated[
        float,
        typer.Option(
            min=0.0, max=1.0, metavar="P", help="Also send this share of the rows that rules read to the extractor."
        ),
    ] = 0.0,
    json_mode: Annotated[
        Literal["auto", "schema", "object"],
        typer.Option(
            help="How to request JSON from the extractor's server; auto: object for DeepSeek, schema for others."
        ),
    ] = "auto",
    seed: Annotated[int, typer.Option(help="Chooses the rows of --check-rules; also sent to the extractor.")] = 1,
    concurrency: options.Concurrency = "auto",
    timeout: options.Timeout = 300.0,
    max_retries: options.MaxRetries = 5,
    api_key_env: options.ApiKeyEnv = None,
    break_lock: options.BreakLock = False,
) -> None:
    """Find the values in the raw answers of Experiment 1.

    The study's rules read every answer; what an answer does not say stays empty, with the reason. An extractor model
    can fill fields that the rules leave empty or in doubt. It must quote the words of the answer that state its values.
    People's decisions from `grace review` override both.

    \b
    Examples:
      grace extract study1 --input outputs/study1.csv --output outputs/study1_structured.csv
      grace extract study1 --input outputs/study1.csv --output outputs/study1_structured.csv \\
          --extractor deepseek --check-rules 0.05
      grace extract study2 --input outputs/study2.csv --output outputs/study2_structured.csv \\
          --extractor http://localhost:8000 --extractor-model gemma-2-9b-it
    """
    from grace.calls.carry import carry_out_extraction, extraction_of

    task = extraction_of(
        study=study,
        input=input,
        output=output,
        extractor=extractor,
        extractor_model=extractor_model,
        check_rules=check_rules,
        json_mode=json_mode,
        seed=seed,
        concurrency=options.read_concurrency(concurrency),
        timeout=timeout,
        max_retries=max_retries,
        api_key_env=api_key_env,
        table_format=table_format,
        break_lock=break_lock,
    )
    end(tell_outcome(task.run.path, show(partial(carry_out_extraction, task)), _tell))


def _tell(result: "ExtractResult") -> bool:
    """Print the result; False when requests failed."""
    tell_fields(result.table)
    if result.checked:
        _tell_agreement("the extractor", result.checked)
    if result.failed:
        print("  Repeat the `grace extract` to retry what failed.")
    return not result.failed


def tell_fields(fields: "ExportedFields") -> None:
    """Print what the table holds."""
    from rich.console import Console
    from rich.table import Table

    by = ", ".join(f"{number} by {'rules' if who == 'rule' else 'a ' + who}" for who, number in fields.methods.items())
    whole = f"{fields.whole} with every field ({fields.whole / fields.rows:.1%})"
    print(f"{fields.path}: {count(fields.rows, 'row')} ({by}), {whole}")
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("field", "rows with a value", "share"):
        table.add_column(heading, justify="left" if heading == "field" else "right")
    for name, lacking in fields.lacking.items():
        filled = fields.rows - lacking
        table.add_row(name, f"{filled:,}", f"{filled / fields.rows:.1%}")
    Console(soft_wrap=True).print(table)
    for why, number in fields.reasons.most_common(5):
        print(f"  {count(number, 'row')}: {why}")
    if fields.doubtful:
        print(f"  {count(fields.doubtful, 'row')} with a value in doubt (extraction_confidence below 0.7)")
    if fields.unmatched:
        print(f"  {count(fields.unmatched, 'decision')} of people belong to no row of this table, and stay in the run")
    if fields.with_input:
        _tell_agreement("the input's own columns (kept under names ending in _input)", fields.with_input)


def _tell_agreement(whom: str, agreements: "Mapping[str, Agreement]") -> None:
    print(f"  Rules and {whom}:")
    for name, agreement in agreements.items():
        said = f"{agreement.equal} of {agreement.compared} equal" if agreement.compared else "nothing to compare"
        print(
            f"    {name}: {said}" + (f", {agreement.one_only} with a value in just one" if agreement.one_only else "")
        )
