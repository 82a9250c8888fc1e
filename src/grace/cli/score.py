"""`grace score`, and what it prints about its table."""

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from grace.cli import options
from grace.cli.asking import ask
from grace.cli.forecast import DryRun, tell_outlook
from grace.cli.options import count, reads_table

if TYPE_CHECKING:
    from grace.stages.scores.table import ExportedScores
    from grace.tables import TableFormat


Residual = Annotated[
    float | None,
    typer.Option(
        min=0.0,
        max=1.0,
        help="Probability that Grace may skip in each question; 0 skips nothing. "
        "Default: the fastest on the server, 1e-6 at most.",
    ),
]
AnswerStart = Annotated[
    str | None,
    typer.Option(
        metavar="TEXT",
        help="Text between prompt and answer, such as a reasoning model's final channel. Default: the catalogue's.",
    ),
]


@reads_table
def score(
    table_format: "TableFormat",
    output: options.Output,
    study: options.StudyName = None,
    input: options.Input = None,
    model_endpoint: options.ModelEndpoint = "embedded",
    model_name: options.ModelName = None,
    policy: Annotated[
        Literal["variants", "canonical"],
        typer.Option(help="Which forms of a label count: all that the study lists, or only the canonical one."),
    ] = "variants",
    residual: Residual = None,
    limit: options.Limit = None,
    concurrency: options.Concurrency = "auto",
    timeout: options.Timeout = 300.0,
    max_retries: options.MaxRetries = 5,
    answer_start: AnswerStart = None,
    api_key_env: options.ApiKeyEnv = None,
    model_revision: options.ModelRevision = None,
    batch_invariant: options.BatchInvariant = False,
    shard: options.Shard = None,
    break_lock: options.BreakLock = False,
    dry_run: DryRun = False,
) -> None:
    """Experiment 2: measure the exact probability of every possible answer.

    For each question of the study, the table gets the distribution over its answers, and the label mass: the total
    probability that the model gives to them. Equal prompts are scored once. After an interruption, the same command
    continues where it left off.

    \b
    Examples:
      grace score study1 --input data/study1.csv --output outputs/study1_scores.csv
      grace score study2 --input data/study2.csv --output outputs/study2_scores.parquet \\
          --model-endpoint http://localhost:8000 --model-name gemma-2-2b-it
      grace score my_study.yaml --input trials.csv --output outputs/mine.csv --policy canonical --limit 10
    """
    from grace.stages.scores.ask import Score

    table, study = options.read_input(input, study)
    task = Score(
        study=study,
        input=table,
        output=output,
        endpoint=options.read_endpoint(model_endpoint, model_name, concurrency, timeout, max_retries, api_key_env),
        policy=policy,
        residual=residual,
        limit=limit,
        answer_start=answer_start,
        revision=model_revision,
        batch_invariant=batch_invariant,
        shard=options.read_shard(shard),
        table_format=table_format,
        break_lock=break_lock,
    )
    if dry_run:
        tell_outlook(task)
        return
    ask(task, tell_scores)


def tell_scores(exported: "ExportedScores") -> bool:
    """Print what the table holds, with the label mass of each question; False when rows of it have errors."""
    from rich.console import Console
    from rich.table import Table

    rows, bad = exported.rows, exported.errors.total()
    print(f"{exported.path}: {count(rows, 'row')}, {rows - bad} scored")
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("question", "prompts", "mean label mass", "lowest", "below 0.5", "largest residual"):
        table.add_column(heading, justify="left" if heading == "question" else "right")
    for name, mass in exported.masses.items():
        if mass.prompts:
            mean = mass.total / mass.prompts
            cells = (f"{mass.prompts:,}", f"{mean:.3g}", f"{mass.lowest:.3g}", f"{mass.low:,}", f"{mass.residual:.2g}")
            table.add_row(name, *cells, style="yellow" if mass.low else "")
    Console(soft_wrap=True).print(table)
    low, loose = (sum(getattr(mass, kind) for mass in exported.masses.values()) for kind in ("low", "loose"))
    if low:
        print(
            f"  {count(low, 'prompt')} with a label mass below 0.5: the model would mostly say something else, and the "
            "distribution is about the rest"
        )
    if loose:
        print(
            f"  {count(loose, 'prompt')} with a residual above 1% of the label mass, which blurs the distribution; a "
            "smaller --residual, where the server can, needs another --output"
        )
    for text, number in exported.errors.most_common(5):
        print(f"  {count(number, 'row')}: {text}")
    if exported.failed:
        print("  Repeat the `grace score` to retry what failed.")
    return not bad
