"""`grace lineup status`."""

from pathlib import Path

from grace.cli.lineup.options import LineupName, Lineups


def status(name: LineupName = "local", lineups: Lineups = Path("lineups")) -> None:
    """Show how far each model of a lineup is.

    \b
    Example:
      grace lineup status local
    """
    from rich.console import Console
    from rich.table import Table

    from grace.lineup.folder import LineupFolder
    from grace.lineup.journal import History, histories

    folder = LineupFolder(lineups / name)
    carried = histories(folder.journal)
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("model", "state", "since", ""):
        table.add_column(heading)
    for model in folder.lineup.models:
        table.add_row(model, *carried.get(model, History()).summary)
    Console(soft_wrap=True, highlight=False, markup=False).print(table)
