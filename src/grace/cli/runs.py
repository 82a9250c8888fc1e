"""`grace runs`: what runs there are, and the removal of one."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grace.cli.entries import group
from grace.cli.options import count, progressing
from grace.errors import InputError

if TYPE_CHECKING:
    from grace.stages.inventory import Listed, Removal

HOLDS = {"generate": "answers", "score": "probabilities", "extract": "values", "": ""}
"""What a run holds, by its experiment."""
NUMBERS = (5, 6)
"""The places of columns of numbers."""

runs_app = group(no_args_is_help=False, invoke_without_command=True)


@runs_app.callback()
def runs(
    context: typer.Context,
    folder: Annotated[
        Path, typer.Option("--folder", metavar="FOLDER", help="Where to look, with all folders below it.")
    ] = Path(),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the runs in a folder and below it: study, model, state, rows and size.

    \b
    Examples:
      grace runs
      grace runs --folder=outputs --json
      grace runs remove outputs/first.run
    """
    if context.invoked_subcommand:
        return
    from grace.stages.inventory import listed, runs_below

    found = list(runs_below(folder))
    with progressing() as progress:
        progress.begin(len(found), 0, "runs")
        lines = []
        for run in found:
            lines.append(listed(run))
            progress.advance(False)
    if as_json:
        import orjson

        typer.echo(orjson.dumps([line.as_json() for line in lines], option=orjson.OPT_INDENT_2).decode())
    else:
        _show(folder, lines)


def _show(folder: Path, lines: "list[Listed]") -> None:
    """Print a table of runs, and below it why some are not done."""
    from grace.text import one_line, sized

    if not lines:
        where = "this folder" if folder == Path() else str(folder)
        print(f"no run in {where} or below it; `grace query` and `grace score` make one beside their --output")
        return
    table: list[tuple[str, ...]] = [("run", "holds", "study", "model", "state", "rows", "size", "last worked on")]
    for each in lines:
        words = (str(each.path), HOLDS[each.experiment], each.study, each.model, each.state)
        table.append((*map(one_line, words), f"{each.rows:,}", sized(each.size), each.worked[:16].replace("T", " ")))
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:  # whatever the width of the terminal: names of runs are to be copied
        aligned = (
            cell.rjust(width) if place in NUMBERS else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        print("  ".join(aligned).rstrip())
    for each in lines:
        if each.why:
            print(f"  {one_line(str(each.path))}: {one_line(each.why)}")


@runs_app.command()
def remove(
    run: Annotated[list[Path], typer.Argument(help="Folders of runs, such as outputs/first.run.")],
    yes: Annotated[bool, typer.Option("--yes", help="Remove without asking.")] = False,
) -> None:
    """Remove runs with all that was answered in them, after a question. Tables stay, but cannot be made again.

    Nothing is removed of a run that is being written, of a folder that is no run, or of one that holds other files.

    \b
    Examples:
      grace runs remove outputs/first.run
      grace runs remove outputs/first.run outputs/second.run --yes
    """
    from grace.stages.inventory import removal
    from grace.stages.inventory import remove as take_away

    removals = [removal(path) for path in dict.fromkeys(run)]
    for each in removals:
        _tell(each)
    if not yes and not _agreed(len(removals)):
        print("nothing was removed")
        raise typer.Exit(1)
    for each in removals:
        take_away(each)
        print(f"{each.run.path}: removed")


def _tell(what: "Removal") -> None:
    """Print what a removal takes, and what stays."""
    from grace.text import one_line, sized

    identity = what.run.identity
    model = f" of {identity.model['name']}" if identity.model.get("name") else ""
    holds = one_line(f"{HOLDS[identity.experiment]}{model} for {identity.study}")
    print(f"{what.run.path}: {holds}, {count(len(what.files), 'file')}, {sized(what.size)}")
    if what.decisions:
        print(f"  {count(what.decisions, 'decision')} of people would be lost")
    if what.table:
        print(f"  {what.table} stays, but can no longer be made again")
    for other in what.orphans:
        print(f"  {other.path} stays; its answers were this run's")


def _agreed(runs: int) -> bool:
    """Whether the person wants it. Raises InputError where nobody can be asked."""
    if not sys.stdin.isatty():
        raise InputError("nobody can be asked here, so nothing was removed; add --yes to remove without a question")
    return typer.confirm(f"Remove {'it' if runs == 1 else f'these {runs} runs'} for good?")
