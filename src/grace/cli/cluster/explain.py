"""`grace cluster explain`: say in plain words what a cluster's message means."""

import sys
from typing import Annotated

import typer

from grace.errors import InputError


def explain(
    message: Annotated[
        list[str], typer.Argument(metavar="MESSAGE", help="The message, in quotes; - reads it from standard input.")
    ],
) -> None:
    """Explain what kubectl, an event, a log or a mail of a cluster says, and what to do. Contacts no cluster.

    A text may hold several messages, as `kubectl describe` prints them. docs/troubleshooting.md lists all messages that
    Grace knows. Exit code 0: explained. 1: the message is not in the list.

    \b
    Examples:
      grace cluster explain "0/8 nodes are available: 8 Insufficient nvidia.com/gpu."
      grace cluster explain OOMKilled
      kubectl describe pod NAME | grace cluster explain -
    """
    from grace.cluster.messages import as_text, nearest
    from grace.cluster.messages import explain as look_up
    from grace.text import printable

    text = sys.stdin.read() if message == ["-"] else " ".join(message)
    if not text.strip():
        raise InputError("the message is empty; give what the cluster says, in quotes")
    explanations = look_up(text)
    if explanations:
        typer.echo("\n".join(map(printable, as_text(explanations).split("\n"))))
        return
    typer.echo("Grace does not know this message.")
    if similar := nearest(text):
        typer.echo("It knows these, which share words with it:")
        for each in similar:
            typer.echo(f"  {each.patterns[0]}: {each.means}")
    raise typer.Exit(1)
