"""A project's own file, grace.yaml: the defaults of commands that are called in its folder or below it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from grace.declared import Strict, bytes_of, checked, loaded
from grace.errors import InputError
from grace.files import replacing

FILE = "grace.yaml"

TEMPLATE = """\
# Defaults of Grace's commands in this folder and below it. An option on the command line overrules each of them;
# `grace config` shows each value and where it comes from. Take the # away from what you set.

# The studies, each with its table; paths start at this file's folder.
# studies:
#   - {study: study1, input: data/study1.csv}
#   - {study: my_study.yaml, input: data/trials.csv}

# The model server, the model's name on it, and the environment variable that holds its key (never the key itself).
# endpoint: embedded
# model: smollm2-135m
# api_key_env: MY_KEY

# The cluster (nrp, or a file that describes one), your namespace there, and the image that has Grace.
# cluster: nrp
# namespace: my-lab
# image: registry.example/my-lab/grace:0.1.0

# The models of each profile, in order; without them, those of the catalogue.
# profiles:
#   local: {models: [smollm2-135m]}
#   rtx3090: {models: [gemma-2-2b-it, gemma-2-9b-it]}

# Limits of the checks of data; `grace validate --show-thresholds` lists all.
# thresholds: {truncated: 0.05}
"""


class StudyTable(Strict):
    """A study's name or file, and its table of trials."""

    study: Annotated[str, Field(min_length=1)]
    input: Annotated[str, Field(min_length=1)]


class ProfileModels(Strict):
    """The models of a profile, in order."""

    models: Annotated[tuple[str, ...], Field(min_length=1)]


class ProjectFile(Strict):
    """The content of grace.yaml; what it does not say stays as without it."""

    studies: tuple[StudyTable, ...] = ()
    endpoint: str | None = None
    model: str | None = None
    api_key_env: str | None = None
    cluster: str | None = None
    namespace: str | None = None
    image: str | None = None
    profiles: Mapping[str, ProfileModels] = {}
    thresholds: Mapping[str, float] = {}


OPTIONS: Mapping[str, Mapping[str, str]] = {
    "endpoint": {"model_endpoint": "query score visit"},
    "model": {"model_name": "query score visit"},
    "api_key_env": {"api_key_env": "query score visit"},
    "cluster": {"cluster": "cluster.render cluster.check cluster.preflight cluster.gpus cluster.secret"},
    "namespace": {"namespace": "cluster.render cluster.preflight cluster.secret"},
    "image": {"image": "cluster.render"},
}
"""For each field that stands for one option: the option's name, and the commands that take it."""


@dataclass(frozen=True)
class Project:
    """A project: its file, and what it says."""

    path: Path
    content: ProjectFile

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
        commands: dict[str, Any] = {}
        for field, options in OPTIONS.items():
            value = getattr(self.content, field)
            if value is None:
                continue
            for option, names in options.items():
                for name in names.split():
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
            content = loaded(bytes_of(path), str(path)) or {}  # a file of comments alone
            return Project(path, checked(content, str(path), ProjectFile))
    return None


def begin_project(folder: Path) -> Path:
    """Write a commented grace.yaml that sets nothing yet, and return its path. Raises InputError where there is one."""
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
