"""`grace cluster render`: write the manifests of a lineup."""

from dataclasses import asdict
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import Annotated, Any, get_args

import typer

from grace.cluster.manifests.request import Request
from grace.errors import InputError


def render(
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Folder for the manifests.")] = Path("kubernetes"),
    run: Annotated[str | None, typer.Option(hidden=True)] = None,
    **request: Any,
) -> None:
    """Write the manifests of a lineup for a cluster. Contacts no cluster; the same command writes the same files.

    \b
    Examples:
      grace cluster render --profile rtx3090
      grace cluster render --profile a100 --model llama-3-70b-instruct --namespace my-lab --out kubernetes/a100
      grace cluster render --profile rtx3090 --study my_study.yaml --experiment 1 --replications 10 --shards 4
      grace cluster render --profile rtx3090 --model gemma-2-9b-it --mode server --code wheel
    """
    from grace.cluster.access.connection import check_client

    check_client()
    from grace.cluster.manifests.render import render_lineup, write_rendering

    if run is not None:
        request["lineup"] = _renamed(run, request["lineup"])
    rendering = render_lineup(Request(**request))
    files = write_rendering(rendering, out)
    for path in files.written:
        typer.echo(path)
    for path in files.removed:
        typer.echo(f"removed {path}, which only an earlier rendering has")
    for note in rendering.notes:
        typer.echo(f"grace: note: {note}", err=True)
    typer.echo(
        f"Lineup {rendering.lineup} in namespace {rendering.namespace}. Next: `grace cluster check {out}`, then "
        f"`grace cluster preflight {out} --namespace {rendering.namespace}`."
    )


def _renamed(run: str, lineup: str | None) -> str:
    """The lineup's name from `--run`, the earlier name of that option. Raises InputError when both are given."""
    if lineup is not None:
        raise InputError("--run and --lineup: give only --lineup; --run is its earlier name")
    typer.echo("grace: note: --run is now called --lineup; the next release no longer accepts --run", err=True)
    return run


def _option(field: Parameter) -> Parameter:
    """A field of a `Request` as an option of the command."""
    kind, option = get_args(field.annotation)
    return field.replace(annotation=Annotated[kind, typer.Option(**asdict(option))])


_profile, *_others = map(_option, signature(Request).parameters.values())
_out, _run, _ = signature(render).parameters.values()
render.__signature__ = Signature(  # type: ignore[attr-defined]
    [each.replace(kind=each.KEYWORD_ONLY) for each in (_profile, _out, *_others, _run)]
)
"""The command takes the fields of a `Request` in place of `**request`."""
