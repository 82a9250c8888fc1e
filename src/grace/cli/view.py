"""`grace view`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grace.cli.exits import INTERRUPTED
from grace.cli.options import count
from grace.cli.review import has_display

if TYPE_CHECKING:
    from grace.review.looking import OpenView


def view(
    run: Annotated[
        list[Path] | None, typer.Argument(help="Folders of runs. Default: all runs in this folder and below it.")
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the page; 0 finds a free one.")] = 0,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Only print the address.")] = False,
) -> None:
    """Look around in runs on a local web page, until Ctrl-C or "Close": rows by models, also while a run is on.

    The page filters by condition, flag, value and text, shows each row with its prompts, answers and values, and how
    all of them are distributed. Runs about the same trials stand beside each other. Nothing is changed.

    \b
    Examples:
      grace view
      grace view outputs/study1_gemma.run outputs/study1_llama.run
      grace view outputs/study1.run --port 8124 --no-browser
    """
    from grace.calls.display import make_progress
    from grace.review.looking import View, look
    from grace.runs import Run

    def opened(page: "OpenView") -> None:
        for board in page.boards:
            units = board.rows * board.replications
            print(f"{board.name}: {count(units, 'row')}, {', '.join(lane.name for lane in board.lanes)}")
        print(page.address)
        print('  Ctrl-C, or the page\'s "Close", ends it.', flush=True)
        if not no_browser and has_display():
            import webbrowser

            webbrowser.open(page.once)

    try:
        look(View(runs=tuple(Run(path) for path in dict.fromkeys(run or ())), port=port), make_progress, opened)
    except KeyboardInterrupt:  # while it reads; on the page, it is an end like any other
        print("grace: interrupted; nothing was changed", file=sys.stderr)
        raise typer.Exit(INTERRUPTED) from None
