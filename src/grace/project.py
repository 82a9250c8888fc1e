"""A project: the folder of a grace.yaml, which gives the commands called in it or below it their defaults.

Every command looks for the file when it starts, so what reads it is imported where there is one.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grace.errors import InputError

if TYPE_CHECKING:
    from grace.project_file import ProjectFile

FILE = "grace.yaml"


@dataclass(frozen=True)
class Project:
    """A project: its file, and what it says."""

    path: Path
    content: "ProjectFile"

    @property
    def folder(self) -> Path:
        """Where its paths start."""
        return self.path.parent

    def place(self, text: str) -> Path:
        """A path of the file, as seen from the current folder."""
        return Path(os.path.relpath(self.folder / text))

    @property
    def tables(self) -> dict[str, Path]:
        """The table of each study, by the study's name or file as commands take it."""
        return {self.study(each.study): self.place(each.input) for each in self.content.studies}

    def study(self, named: str) -> str:
        """A study as commands take it: a name as it is, a file as seen from the current folder."""
        return str(self.place(named)) if Path(named).suffix else named

    def defaults(self) -> dict[str, Any]:
        """The defaults of options, by command and name, in the nesting of Click's `default_map`."""
        from grace.project_file import OPTIONS

        commands: dict[str, Any] = {}
        for field, (option, names) in OPTIONS.items():
            value = getattr(self.content, field)
            for name in names.split() if value is not None else ():
                _inside(commands, name)[option] = value
        if self.content.thresholds:
            given = [f"{name}={value:g}" for name, value in self.content.thresholds.items()]
            _inside(commands, "validate")["threshold"] = given
        return commands


def find_project(start: Path | None = None) -> Project | None:
    """The project that a folder (the current one) lies in: the first grace.yaml upwards; None without one.

    Raises:
        InputError: the file cannot be read, or says what it cannot say.
    """
    try:
        here = (start or Path.cwd()).absolute()
    except FileNotFoundError:  # the current folder was deleted
        return None
    for folder in (here, *here.parents):
        path = folder / FILE
        if path.is_file():
            from grace.declared import bytes_of, checked, loaded
            from grace.project_file import ProjectFile

            content = loaded(bytes_of(path), str(path)) or {}  # a file of comments alone
            return Project(path, checked(content, str(path), ProjectFile))
    return None


def begin_project(folder: Path) -> Path:
    """Write a commented grace.yaml that sets nothing yet, and return its path. Raises InputError where there is one."""
    from grace.files import replacing
    from grace.project_file import TEMPLATE

    path = folder / FILE
    if path.exists():
        raise InputError(f"{path}: is there already; edit it, or move it away")
    with replacing(path) as file:
        file.write(TEMPLATE.encode())
    return path


def _inside(commands: dict[str, Any], name: str) -> dict[str, Any]:
    """The defaults of a command, `cluster.render` among those of `cluster`."""
    for part in name.split("."):
        commands = commands.setdefault(part, {})
    return commands
