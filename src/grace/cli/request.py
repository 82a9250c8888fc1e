"""`grace request`: ask for scarce GPUs, and keep the answer."""

from typing import Annotated

import typer

from grace.cli.entries import group
from grace.cli.options import progressing
from grace.cli.roadmap import By, Note

request_app = group()

DryRun = Annotated[bool, typer.Option("--dry-run", help="Only print it; no gate is asked, and nothing is kept.")]


@request_app.command()
def a100(dry_run: DryRun = False) -> None:
    """Write the request for A100 GPUs: the form's fields and the message.

    \b
    Examples:
      grace request a100 --dry-run
      grace request a100
    """
    _write("a100", dry_run)


@request_app.command()
def reservation(dry_run: DryRun = False) -> None:
    """Write the request for a reservation of A100 GPUs.

    \b
    Example:
      grace request reservation --dry-run
    """
    _write("reservation", dry_run)


@request_app.command()
def exception(dry_run: DryRun = False) -> None:
    """Say which exceptions from the cluster's policies are needed; usually none.

    \b
    Example:
      grace request exception --dry-run
    """
    _write("exception", dry_run)


@request_app.command()
def approve(
    until: Annotated[str, typer.Option(metavar="DATE", help="The last day on which it holds, as 2027-01-31.")],
    note: Note,
    by: By = None,
) -> None:
    """Keep that the administrators granted the request. The gate before the A100s closes again after the date.

    \b
    Example:
      grace request approve --until 2027-01-31 --note "granted in the chat by the administrators"
    """
    from grace.roadmap.ground import Ground
    from grace.roadmap.requests import approve as keep

    entry = keep(Ground.here(), until, note, by)
    print(f"{entry.name}: approved until {entry.facts['until']}, says {entry.by}")


def _write(what: str, dry_run: bool) -> None:
    from grace.roadmap.ground import Ground
    from grace.roadmap.requests import write_request

    with progressing() as progress:
        text, entry = write_request(Ground.here(), what, dry_run, progress)
    print(text, end="")
    if entry:
        print(f"\n{entry.name}: written to {entry.facts['file']}; complete what is in capitals, and send it")
