"""`grace review`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grace.cli import options
from grace.cli.extract import tell_fields
from grace.cli.options import count
from grace.errors import InputError

if TYPE_CHECKING:
    from grace.review.queue import Queue
    from grace.review.sitting import OpenPage


def review(
    run: Annotated[Path, typer.Argument(help="Run of `grace extract`, or of its answers.")],
    by: Annotated[
        str | None, typer.Option(metavar="NAME", help="Your name, stored with every decision. Default: the login name.")
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the page; 0 finds a free one.")] = 0,
    all: Annotated[bool, typer.Option("--all", help="Show every row that has an answer.")] = False,
    sample: Annotated[
        int, typer.Option(min=0, metavar="N", help="Also show N random rows without problems, as a spot check.")
    ] = 0,
    seed: Annotated[int, typer.Option(help="Chooses the rows of --sample.")] = 1,
    blind: Annotated[
        bool,
        typer.Option("--blind", help="Hide what was read and what others decided; you code each row from its text."),
    ] = False,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Only print the address.")] = False,
    break_lock: options.BreakLock = False,
) -> None:
    """Accept, correct or reject extracted values on a local web page, until Ctrl-C or "Finish".

    The page shows the rows that need a person: values missing or in doubt, sums that are off, refusals, cut-off
    answers. Grace adds each decision to the run with your name, the time and the earlier values. At the end it
    rewrites the table of values with all decisions.

    \b
    Examples:
      grace review outputs/study1_structured.run
      grace review outputs/study1_structured.run --by "Ada Lovelace" --sample 20
      grace review outputs/study1_structured.run --by "Ada Lovelace" --all --blind
    """
    from grace.calls.display import make_progress
    from grace.review.queue import Choice
    from grace.review.sitting import Review
    from grace.review.sitting import review as hold_sitting
    from grace.runs import Run

    sitting = Review(
        run=Run(run),
        by=_login() if by is None else by,
        port=port,
        choice=Choice(all, sample, seed),
        blind=blind,
        break_lock=break_lock,
    )

    def opened(page: "OpenPage") -> None:
        _tell_queue(page.run.path, page.queue)
        print(page.address)
        print(f"  Decisions are signed {sitting.by!r}. Ctrl-C, or the page's button, ends the review.", flush=True)
        if not no_browser and has_display():
            import webbrowser

            webbrowser.open(page.once)

    try:
        result = hold_sitting(sitting, make_progress, opened)
    except KeyboardInterrupt:  # while it reads or writes: on the page, it is an end like any other
        print(
            f"grace: interrupted; all decisions are safe. `grace review {run}` continues, and `grace export` on the "
            "extraction's run writes the table.",
            file=sys.stderr,
        )
        raise typer.Exit(130) from None
    queue = result.queue
    if not len(queue):
        _tell_queue(result.run.path, queue)
        print("  Nothing to review; --all or --sample N shows other rows.")
        return
    print(f"{count(result.decisions, 'decision')} written; {queue.decided} of {len(queue)} rows are decided")
    if result.table:
        tell_fields(result.table)


def _tell_queue(run: Path, queue: "Queue") -> None:
    """Print how many rows are shown, and why."""
    why = ", ".join(f"{number} with {reason}" for reason, number in queue.counts.most_common())
    print(f"{run}: {count(queue.flagged, 'row')} need{'s' * (queue.flagged == 1)} a person{f' ({why})' if why else ''}")
    if len(queue) > queue.flagged:
        print(f"  {len(queue) - queue.flagged} other rows are shown too")
    if queue.decided:
        print(f"  {queue.decided} of {len(queue)} were decided earlier")
    if queue.unanswered:
        print(f"  {count(queue.unanswered, 'row')} without an answer left out")


def _login() -> str:
    """The login name. Raises InputError where there is none."""
    import getpass

    try:
        return getpass.getuser()
    except (OSError, KeyError):
        raise InputError("--by: this machine does not report a login name; give your name") from None


def has_display() -> bool:
    """Whether a browser could show itself."""
    import os

    return sys.platform in ("darwin", "win32") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
