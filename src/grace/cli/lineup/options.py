"""Options that the commands of `grace lineup` have in common."""

from pathlib import Path
from typing import Annotated

import typer

Lineups = Annotated[Path, typer.Option(help="Folder that holds the lineups.")]
LineupName = Annotated[str, typer.Argument(help="The lineup's name.")]
Parallel = Annotated[
    int, typer.Option(min=1, metavar="N", help="So many models at once, where memory or GPUs have room for them.")
]
StopOnFailure = Annotated[bool, typer.Option("--stop-on-failure", help="Begin no model after one that failed.")]
Detach = Annotated[
    bool,
    typer.Option(
        "--detach",
        help="Go on in the background, whatever becomes of this terminal; `grace lineup resume` waits for it.",
    ),
]
