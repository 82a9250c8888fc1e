"""Groups of commands that import a command when it is called; until then, a name and one line of help stand for it."""

from collections.abc import Sequence
from functools import cached_property
from importlib import import_module
from typing import Any, ClassVar

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command, get_group

from grace.cli.arguments import checked


class CommandEntry(TyperCommand):
    """A command of a group, or a group in it.

    Attributes:
        place: its module below grace.cli and the function or typer.Typer there, as "lineup.run:run".
        settings: for `typer.Typer.command`.
    """

    def __init__(self, name: str, place: str, line: str, **settings: Any) -> None:
        super().__init__(name, short_help=line, rich_markup_mode=None)
        self.place = place
        self.settings = settings

    @cached_property
    def command(self) -> Any:
        """The TyperCommand or TyperGroup, which checks its arguments; a group without own help has the line of help."""
        module, _, name = self.place.partition(":")
        there = getattr(import_module(f"grace.cli.{module}"), name)
        app = there if isinstance(there, typer.Typer) else typer.Typer(add_completion=False, rich_markup_mode=None)
        if app is not there:
            app.command(self.name, **self.settings)(there)
        checked(app)
        command = get_group(app) if app is there else get_command(app)
        command.name = self.name
        command.help = command.help or self.short_help
        return command

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """Begin the command itself."""
        return self.command.make_context(info_name, args, parent, **extra)


class CommandGroup(TyperGroup):
    """A group with the commands of `entries`, and those that its typer.Typer registers."""

    entries: ClassVar[Sequence[CommandEntry]] = ()

    def __init__(self, commands: dict[str, Any], **settings: Any) -> None:
        super().__init__(commands=commands | {str(entry.name): entry for entry in self.entries}, **settings)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the options. Where a command comes first, all have their defaults, and typer need not convert these."""
        options, given = self.params, ctx.default_map or {}
        if not args or args[0] not in self.commands or any(option.name in given for option in options):
            return super().parse_args(ctx, args)
        self.params = []
        try:
            rest = super().parse_args(ctx, args)
        finally:
            self.params = options
        ctx.params |= {option.name: option.default for option in options if option.expose_value}
        return rest

    def get_help_option(self, ctx: Any) -> Any:
        """The option --help, which is False where it is not given: typer would import pydantic to convert None."""
        option = super().get_help_option(ctx)
        if option is not None:
            option.default = False
        return option


def group(*entries: CommandEntry, no_args_is_help: bool = True, **settings: Any) -> typer.Typer:
    """A group of commands; its help is plain, since rich would cost a tenth of a second at each start."""
    kind = type("CommandGroup", (CommandGroup,), {"entries": entries})
    return typer.Typer(cls=kind, no_args_is_help=no_args_is_help, rich_markup_mode=None, **settings)
