"""The command line with all its commands imported, for tests that look at every one."""

from functools import cache
from typing import Any

from typer.main import get_command

from grace.cli import app
from grace.cli.entries import CommandEntry


@cache
def all_commands() -> Any:
    """The group `grace`, with each command itself where an entry stands for it."""
    return _imported(get_command(app))


def _imported(command: Any) -> Any:
    if isinstance(command, CommandEntry):
        command = command.command
    if below := getattr(command, "commands", None):
        command.commands = {name: _imported(each) for name, each in below.items()}
    return command
