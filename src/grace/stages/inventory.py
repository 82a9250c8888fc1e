"""What runs there are, and how each stands; and the removal of a run, which takes its own files and nothing else."""

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from grace.errors import GraceError, InputError
from grace.index import is_index
from grace.lock import writer_of
from grace.manifest import EXTRACT, SCORE
from grace.runs import Run, last_worked
from grace.stages.answers.records import Done
from grace.stages.records import study_of
from grace.stages.related import answers_of, extractions_of, table_of
from grace.stages.scores.records import Keys, Scores, distinct, share
from grace.stages.shard import shard_of

PARTS = frozenset({"run.json", "ledger.jsonl", "input.csv", "study.yaml", "people.csv", "lock", "lock.guard"})
PARTS |= {"noise.json", "noise.jsonl"}
"""The files of a run's folder, besides what a killed process left of them."""
LEFT = ".tmp"
SKIPPED = frozenset({"node_modules", "__pycache__", "site-packages"})
"""Folders that hold no runs, besides those whose names begin with a dot."""
WRITING, DONE, UNFINISHED, STOPPED, LOCKED, DAMAGED = (
    "being written",
    "done",
    "unfinished",
    "stopped",
    "locked",
    "damaged",
)
"""The states of a run: `stopped` is one whose last session was killed, `locked` one that another machine may write."""


@dataclass(frozen=True)
class Listed:
    """One run of a list.

    Attributes:
        path: its folder.
        experiment, study, model: what it holds, of which study and model; "" where that is not known.
        state: one of the states.
        why: more about the state, "" where there is nothing to say.
        rows: how many rows it asks about, each replication counted.
        asked, answered: its requests, and those with an answer; None for values, which need no requests.
        size: bytes on disk.
        worked: when it was last worked on, ISO 8601 in UTC; "" where that is not known.
    """

    path: Path
    experiment: str = ""
    study: str = ""
    model: str = ""
    state: str = DAMAGED
    why: str = ""
    rows: int = 0
    asked: int | None = None
    answered: int | None = None
    size: int = 0
    worked: str = ""

    def as_json(self) -> dict[str, object]:
        """All of it, for programs."""
        return {**vars(self), "path": str(self.path)}


def runs_below(folder: Path) -> Iterator[Run]:
    """The runs in a folder and below it, in the order of their paths. Raises InputError where there is no folder."""
    if not folder.is_dir():
        raise InputError(f"{folder}: is no folder; give one that has runs in it or below it")
    for place, folders, files in os.walk(folder):
        if "run.json" in files:
            folders.clear()
            yield Run(Path(place))
            continue
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name not in SKIPPED)


def listed(run: Run) -> Listed:
    """How a run stands. Reads its ledger, and renders the questions of a run of probabilities."""
    size = sum(_size(path) for path in _files(run))
    try:
        identity, scope = run.identity, run.scope
        asked, answered = _progress(run)
        state, why = _state(run, asked, answered)
        rows = scope.rows * max(scope.replications, 1)
        if identity.experiment == EXTRACT:
            with run.table() as table:
                rows = len(table)
    except (GraceError, OSError) as error:
        return Listed(run.path, why=str(error), size=size)
    asking = answers_of(run) if identity.experiment == EXTRACT else run
    model = str(asking.identity.model.get("name", "")) if asking else ""
    worked = last_worked([run])
    return Listed(run.path, identity.experiment, identity.study, model, state, why, rows, asked, answered, size, worked)


def _progress(run: Run) -> tuple[int | None, int | None]:
    """The requests of a run, and how many of them have an answer."""
    identity, scope, shard = run.identity, run.scope, shard_of(run.path)
    if identity.experiment == EXTRACT:
        return None, None
    with run.table() as table:
        if identity.experiment == SCORE:
            study = study_of(run)
            keys = Keys(study, table, identity.model, identity.scoring)
            todos = distinct(keys, min(scope.rows, len(table)))
            own = share(todos, shard) if shard else todos
            return len(own), Scores.read(run, study).count(own)
        done = Done.read(run, len(table), identity.turns)
        asked = answered = 0
        for replication in range(scope.replications):
            every = range(scope.rows)
            rows = shard.rows(every, replication) if shard else every
            asked += len(rows) * len(identity.turns)
            answered += done.count(rows, replication)
        return asked, answered


def _state(run: Run, asked: int | None, answered: int | None) -> tuple[str, str]:
    """The state of a run, and more about it."""
    writer = writer_of(run.path)
    if writer is not None:
        return WRITING, f"by process {writer}"
    last = run.sessions[-1] if run.sessions else None
    if (run.path / "lock").exists() and (last is None or last.ended is None):
        return LOCKED, "a process of another machine may be writing it, or was killed"
    failed = sum((last.failed or {}).values()) if last else 0
    if asked is not None and answered is not None and answered < asked:
        if last and last.ended is None:
            return STOPPED, f"{asked - answered} of {asked} requests are open"
        return UNFINISHED, f"{asked - answered} of {asked} requests are open" + (f", {failed} failed" if failed else "")
    if asked is None and last and last.ended is None:
        return STOPPED, "its last session was killed"
    if asked is None and failed:
        return UNFINISHED, f"{failed} requests failed"
    return DONE, ""


# Removal


@dataclass(frozen=True)
class Removal:
    """What the removal of a run takes.

    Attributes:
        run: the run.
        files: its files, `run.json` last, so that a removal that is interrupted can be repeated.
        size: their bytes.
        decisions: how many decisions of people are among them, which nothing brings back.
        table: the table that was made from it, which stays; None where there is none.
        orphans: the extractions that were made from its answers and stay, without the prompts.
    """

    run: Run
    files: tuple[Path, ...]
    size: int
    decisions: int
    table: Path | None
    orphans: tuple[Run, ...]


def removal(path: Path) -> Removal:
    """What the removal of a run would take.

    Raises:
        InputError: it is no run, or holds what is no part of one.
        RunLocked: it is being written.
    """
    run = Run(path)
    if path.is_symlink():
        raise InputError(f"{path}: is a link to a folder; give the folder itself")
    _ = run.manifest
    with run.locked():
        pass
    files = sorted(_files(run), key=lambda file: (file.name == "run.json", file))
    strangers = [file for file in files if not _is_part(file)]
    if strangers:
        raise InputError(
            f"{strangers[0]}: is no part of a run, so {path} is not removed; move it out of the folder first"
        )
    table = table_of(run)
    orphans = () if run.identity.experiment == EXTRACT else tuple(extractions_of(run))
    size = sum(map(_size, files))
    decisions = sum(session.decided or 0 for session in run.sessions)
    return Removal(run, tuple(files), size, decisions, table if table.exists() else None, orphans)


def remove(what: Removal) -> None:
    """Remove a run. Raises RunLocked where it is being written, InputError where a file cannot be removed."""
    path = what.run.path
    with what.run.locked():
        try:
            for file in what.files:
                file.unlink(missing_ok=True)
        except OSError as error:
            raise InputError(f"{file}: cannot be removed: {error.strerror}") from None
    try:
        path.rmdir()
    except OSError as error:
        raise InputError(f"{path}: cannot be removed: {error.strerror}; its files are gone") from None


def _files(run: Run) -> list[Path]:
    """All that is in a run's folder."""
    with suppress(OSError):
        return list(run.path.iterdir())
    return []


def _is_part(file: Path) -> bool:
    left = file.name.startswith(".") and file.name.endswith(LEFT)
    return (file.name in PARTS or left or is_index(file)) and (file.is_file() or file.is_symlink())


def _size(path: Path) -> int:
    with suppress(OSError):
        return path.lstat().st_size
    return 0
