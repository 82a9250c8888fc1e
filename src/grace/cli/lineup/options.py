"""Options that the commands of `grace lineup` have in common."""

from pathlib import Path
from typing import Annotated

import typer

Lineups = Annotated[Path, typer.Option(help="Folder that holds the lineups.")]
LineupName = Annotated[str, typer.Argument(help="The lineup's name.")]
