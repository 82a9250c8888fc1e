"""`grace init` and `grace config`: the project's own file."""

from pathlib import Path
from typing import Annotated

import typer

from grace.errors import InputError
from grace.project import FILE, begin_project, find_project


def init(folder: Annotated[Path, typer.Argument(help="The project's folder.")] = Path()) -> None:
    """Begin a project: write grace.yaml, with comments on what it can set.

    Commands that are called in the folder or below it take their defaults from the file. Options overrule it.

    \b
    Examples:
      grace init
      grace init my_project
    """
    path = begin_project(folder)
    print(f"{path}: written; it sets nothing yet. Edit it, then `grace config` shows what holds.")


def config() -> None:
    """Show the project's defaults, and where each of them comes from.

    \b
    Example:
      grace config
    """
    from rich.console import Console
    from rich.table import Table

    project = find_project()
    if project is None:
        raise InputError(
            f"no {FILE} in this folder or above it, so all defaults are Grace's own; `grace init` writes one"
        )
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("setting", "value", "source"):
        table.add_column(heading)
    for name, value in project.content.model_dump(mode="json").items():
        given = name in project.content.model_fields_set
        table.add_row(name, str(value) if given else "-", str(project.path) if given else "Grace's default")
    Console(soft_wrap=True, highlight=False, markup=False).print(table)
