"""`grace lineup fetch` and `put`."""

from pathlib import Path
from typing import Annotated

import typer

from grace.cli import options
from grace.cli.lineup.options import LineupName, Lineups


def fetch(name: LineupName = "local", lineups: Lineups = Path("lineups")) -> None:
    """Bring home what the models of a lineup have answered so far, also while they are being asked.

    Only what is new is sent, and a file is here only with the digest that was made beside the data. After a cut or a
    kill the same command goes on where it was.

    \b
    Example:
      grace lineup fetch local
    """
    from grace.lineup.backends import backend_for
    from grace.lineup.folder import LineupFolder
    from grace.text import sized

    folder = LineupFolder(lineups / name)
    with options.progressing() as progress, backend_for(folder.lineup, folder) as backend:
        for model in folder.lineup.models:
            place = folder.model(model)
            entries = backend.fetch(model, place, progress).entries
            size = sum(facts.bytes or 0 for facts in entries.values())
            print(f"{place}: {options.count(len(entries), 'file')}, {sized(size)}, all as they are there")


def put(
    name: LineupName = "local",
    lineups: Lineups = Path("lineups"),
    replace: Annotated[bool, typer.Option("--replace", help="Replace a different table of the same name.")] = False,
) -> None:
    """Bring a lineup's tables where its models are asked. `grace lineup run` does this by itself.

    Exit code 4: another table of that name is there.

    \b
    Example:
      grace lineup put mine
    """
    from grace.lineup.backends import backend_for
    from grace.lineup.folder import LineupFolder

    folder = LineupFolder(lineups / name)
    with options.progressing() as progress, backend_for(folder.lineup, folder) as backend:
        sent = backend.put(progress, replace=replace)
    print(f"{folder.path}: " + (f"sent {', '.join(sent)}" if sent else "all tables are there"))
