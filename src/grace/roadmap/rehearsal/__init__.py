"""The rehearsal: a project in which all phases are played on this machine, each gate closed once and opened once."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import yaml

from grace.errors import InputError
from grace.files import replacing
from grace.project import FILE, Project, find_project
from grace.roadmap.ground import Ground
from grace.roadmap.status import Status

FILES = ("study.yaml", "trials.csv")
STAND_INS = ("models/stand-in-1.gguf", "models/stand-in-2.gguf")
"""Two names of one small model: what comes after the first model can be told from it."""
BEHIND = {0: "{run_first}", 1: "{run_all}", 2: "grace request a100", 3: "{run_a100}"}
"""What the gate after a phase is before: a command that is refused while the phase goes on."""

RunCommand = Callable[[str], int]
"""Runs a printed command in the rehearsal's folder, and gives its exit code."""


@dataclass(frozen=True)
class Played:
    """A step of a rehearsal.

    Attributes:
        phase: its number.
        command: what was run.
        code: its exit code.
        refused: whether it was run to be refused by a gate.
        opened: the gate that is open after it; None where none opened.
    """

    phase: int
    command: str
    code: int
    refused: bool = False
    opened: int | None = None


def begin_rehearsal(folder: Path, model: Path) -> Path:
    """Make the project of a rehearsal, with a study of two trials and a model file under two names.

    Raises:
        InputError: the folder is there already and holds something.
    """
    if folder.exists() and any(folder.iterdir()):
        raise InputError(f"{folder}: is not empty; name another folder for the rehearsal")
    for name in FILES:
        with replacing(folder / name) as file:
            file.write(resources.files(__name__).joinpath(name).read_bytes())
    for name in STAND_INS:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            path.symlink_to(model.resolve())
        except OSError:  # a file system without links
            shutil.copy(model, path)
    content = {
        "studies": [{"study": FILES[0], "input": FILES[1]}],
        "profiles": {
            "local": {"models": [STAND_INS[0]]},
            "rtx3090": {"models": list(STAND_INS)},
            "a100": {"models": list(STAND_INS)},
        },
        "rehearsal": True,
    }
    with replacing(folder / FILE) as file:
        file.write(b"# A rehearsal of the road: profiles keep their names, and all of them run on this machine.\n")
        file.write(yaml.safe_dump(content, sort_keys=False).encode())
    return folder


def play(folder: Path, run: RunCommand, more_time: Callable[[], bool]) -> Iterator[Played]:
    """Follow the printed next commands to the end of the road, and before each gate try what it guards.

    Args:
        folder: the project of a rehearsal.
        run: runs a command there.
        more_time: says whether another step may begin.

    Raises:
        InputError: a command was followed and the road did not go on.
    """
    tried: set[int] = set()
    before = ""
    while True:
        status = status_in(folder)
        phase, coming = status.current, status.next
        if phase is None or coming is None or not more_time():
            return
        number = phase.phase.number
        if number in BEHIND and number not in tried:
            tried.add(number)
            command = status.ground.filled(BEHIND[number])
            yield Played(number, command, run(command), refused=True)
        if coming.command == before:
            raise InputError(f"the road does not go on after `{before}`: {coming.item.item.id}: {coming.item.text}")
        before = coming.command
        code = run(before)
        after = status_in(folder).current
        opened = number if phase.phase.question and (after is None or after.phase.number > number) else None
        yield Played(number, before, code, opened=opened)


def status_in(folder: Path) -> Status:
    """The status of the project in a folder. Raises InputError where there is none."""
    project = find_project(folder)
    if project is None or not project.content.rehearsal:
        raise InputError(f"{folder}: is no rehearsal")
    return Status(Ground(Project(project.path, project.content)))
