"""A run's folder: its manifest (`run.json`), the ledger, copies of the inputs, and the writer's lock.

NAME.run/
    run.json        the manifest: what determines the answers, and every session that worked on them
    ledger.jsonl    one line per finished request (`grace.ledger`)
    input.csv       the input table: byte for byte where it is a plain CSV, and else made a plain CSV
    study.yaml      the study file, byte for byte
    lock            exists while a process writes

Beside a large ledger and a large input lies an index, `.ledger.jsonl.index` and `.input.csv.index` (`grace.index`).
"""

import hashlib
import platform
import secrets
import shutil
import socket
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any

import orjson

from grace.errors import InputError, RunMismatch
from grace.files import MANIFEST, holding, replacing, run_around, sha256_of, sweep
from grace.index import beside
from grace.lock import locked
from grace.manifest import (
    EXTRACT,
    FORMAT,
    INPUT,
    PEOPLE,
    STUDY,
    Identity,
    RunManifest,
    Scope,
    SessionRecord,
    read_manifest,
)
from grace.tables import CsvTable
from grace.version import __version__

PACKAGES = ("aiohttp", "orjson", "pydantic", "jinja2", "xllamacpp")


@dataclass(frozen=True)
class Run:
    """A run on disk."""

    path: Path

    @classmethod
    def beside(cls, output: Path) -> "Run":
        """The run whose table is `output`: `answers.csv` is made from `answers.run/`."""
        return cls(output.with_suffix(".run"))

    @property
    def ledger(self) -> Path:
        """The append-only file of finished requests."""
        return self.path / "ledger.jsonl"

    @property
    def input(self) -> Path:
        """The run's own copy of the input table."""
        return self.path / INPUT

    def table(self) -> CsvTable:
        """The rows of that copy. Raises InputError where it is not the table that the run is about."""
        identity = self.identity
        table = CsvTable(self.input, index=beside(self.input))
        try:
            if not {identity.input.sha256, self.manifest.files.get(INPUT, "")} <= {"", table.sha256}:
                raise InputError(f"{self.input}: was changed since the run began; restore it from a copy")
            if identity.experiment != EXTRACT and self.scope.rows > len(table):
                raise InputError(f"{self.input}: has {len(table)} rows, and the run is about {self.scope.rows}")
        except InputError:
            table.close()
            raise
        table.decimal = identity.input.read_as.get("decimal")
        return table

    @property
    def study(self) -> Path:
        """The run's own copy of the study file."""
        return self.path / STUDY

    @property
    def people(self) -> Path:
        """The run's own copy of people's data; it is there where the study brings some."""
        return self.path / PEOPLE

    @property
    def exists(self) -> bool:
        """Whether the run has begun."""
        return (self.path / MANIFEST).exists()

    @cached_property
    def manifest(self) -> RunManifest:
        """The content of `run.json`. Raises InputError for a folder that is not a run of this version."""
        path = self.path / MANIFEST
        try:
            return read_manifest(path.read_bytes(), str(path))
        except (FileNotFoundError, NotADirectoryError):
            beside = self.path.with_suffix(".run")
            hint = f"; give {beside}, from which it was made" if beside != self.path and Run(beside).exists else ""
            raise InputError(f"{self.path}: is not a run (it has no run.json){hint}") from None
        except OSError as error:
            raise InputError(f"{path}: cannot be read: {error.strerror}") from None

    @property
    def identity(self) -> Identity:
        """All that determines the run's answers. Raises InputError, as `manifest` does."""
        return self.manifest.identity

    @property
    def sessions(self) -> list[SessionRecord]:
        """The sessions of work on the run, the earliest first. Raises InputError, as `manifest` does."""
        return self.manifest.sessions

    def save(self) -> None:
        """Write the manifest back, atomically."""
        with holding(self.path), replacing(self.path / MANIFEST) as file:
            file.write(orjson.dumps(self.manifest.as_json(), option=orjson.OPT_INDENT_2))

    def begin(self, identity: Identity, input: Path, study: bytes) -> None:
        """Start the run, or continue one with the same `identity`; `session` then writes the manifest.

        Args:
            identity: all that determines the answers.
            input: the table to copy into a new run.
            study: the bytes of the study file.

        Raises:
            RunMismatch: the run has another identity; the message lists the differences.
            InputError: the folder holds answers without a run.json that says whose they are.
        """
        if self.exists:
            different = list(differences(self.identity.as_json(), identity.as_json()))
            if different:
                raise RunMismatch(
                    f"{self.path}: was made with different settings.\n"
                    + "\n".join(f"  {name}: {then!r} in this run, {now!r} now" for name, then, now in different)
                    + "\nChoose another --output to start a new run, or repeat the old settings to continue this one."
                )
            return
        if self.ledger.exists() and self.ledger.stat().st_size:
            raise InputError(
                f"{self.path}: holds answers (ledger.jsonl) but no run.json that says whose they are; restore it from "
                "a copy, or choose another --output"
            )
        _copy(input, self.input)
        self._write_study(study)
        self.__dict__["manifest"] = RunManifest(
            format=FORMAT,
            id=secrets.token_hex(8),
            identity=identity,
            scope=Scope(rows=0, replications=0),
            sessions=[],
            files={INPUT: sha256_of(self.input), STUDY: hashlib.sha256(study).hexdigest()},
        )

    def keep_study(self, study: bytes) -> None:
        """Replace the run's study file by one that asks the same and only names its columns differently."""
        if not self.study.exists() or self.study.read_bytes() != study:
            self._write_study(study)
        self._note(STUDY, hashlib.sha256(study).hexdigest())

    def keep_people(self, people: Path) -> None:
        """Keep people's data with the run, in the place of earlier ones."""
        digest = sha256_of(people)
        if not self.people.exists() or digest != sha256_of(self.people):
            _copy(people, self.people)
        self._note(PEOPLE, digest)

    def keep_input(self, input: Path) -> None:
        """Replace the run's input table, where each record names its row by the row's content."""
        digest = sha256_of(input)
        if not self.input.exists() or digest != sha256_of(self.input):
            _copy(input, self.input)
        self._note(INPUT, digest)

    def _note(self, name: str, digest: str) -> None:
        """Note the digest of one of the run's copies."""
        if self.manifest.files.get(name) != digest:
            self.manifest.files = {**self.manifest.files, name: digest}
            if self.exists:
                self.save()

    def _write_study(self, study: bytes) -> None:
        with holding(self.path), replacing(self.study) as copy:
            copy.write(study)

    @property
    def scope(self) -> Scope:
        """The largest number of rows, and of replications, that any session asked for."""
        return self.manifest.scope

    def widen(self, rows: int, replications: int) -> None:
        """Widen the scope to these numbers; a smaller number changes nothing, since it would hide answers."""
        self.manifest.scope = Scope(
            rows=max(rows, self.scope.rows), replications=max(replications, self.scope.replications)
        )

    @contextmanager
    def session(self, **facts: Any) -> Iterator[SessionRecord]:
        """Record one session of work on the run: versions, start, end, and `facts`; the block may add more."""
        record = SessionRecord(**facts, **_provenance(), started=now(), ended=None)
        self.sessions.append(record)
        self.save()
        try:
            yield record
        finally:
            record.ended = now()
            self.save()

    @contextmanager
    def locked(self, break_lock: bool = False) -> Iterator[None]:
        """Be the only writer of the run; see `grace.lock`."""
        with locked(self.path, break_lock):
            for kept in (self.path / MANIFEST, self.input, self.study, self.people):
                sweep(kept)
            yield


def _copy(source: Path, target: Path) -> None:
    with holding(target.parent), replacing(target) as copy, open(source, "rb") as file:
        shutil.copyfileobj(file, copy, 1 << 20)


def outside_runs(out: Path) -> Path:
    """A place to write to, as given. Raises InputError for a place inside a run, which must not change."""
    if run := run_around(out):
        raise InputError(f"--out {out}: is inside the run {run}, which is kept as it is; choose another --out")
    return out


def last_worked(runs: Iterable[Run]) -> str:
    """When the latest of some runs was last worked on, as `now` writes it; "" where no session is on record.

    What is made of runs is dated by it, so that it is the same whenever it is made.
    """
    return max((session.ended or session.started or "" for run in runs for session in run.sessions), default="")


def now() -> str:
    """The time as ISO 8601 text in UTC, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def differences(before: Any, after: Any, name: str = "") -> Iterator[tuple[str, Any, Any]]:
    """The leaves in which two JSON values differ, with their names; files with the same digest are equal."""
    if isinstance(before, dict) and isinstance(after, dict):
        if before.get("sha256") and before["sha256"] == after.get("sha256"):
            return
        for key in sorted(before.keys() | after.keys()):
            yield from differences(before.get(key), after.get(key), f"{name}.{key}".lstrip("."))
    elif before != after:
        yield name, before, after


def _provenance() -> dict[str, Any]:
    """Versions of everything that may change an answer."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return {
        "grace": __version__,
        "git": _git_state(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "host": socket.gethostname(),
        "packages": versions,
    }


def _git_state() -> dict[str, Any] | None:
    """Commit of the source tree that runs, and whether it has uncommitted changes; None when installed from a wheel."""
    root = Path(__file__).parents[2]
    if not (root / ".git").exists():
        return None

    def git(*arguments: str) -> bytes:
        command = ["git", "-C", str(root), *arguments]
        return subprocess.run(command, capture_output=True, check=True, timeout=10).stdout.strip()

    try:
        commit, changes = git("rev-parse", "HEAD"), git("status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return None
    return {"commit": commit.decode(), "dirty": bool(changes)}
