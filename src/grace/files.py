"""Files: replaced atomically, known by SHA-256 and size, and listed, so that a list can be verified and swept."""

import errno
import fcntl
import hashlib
import os
import re
import secrets
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

import orjson

from grace.errors import InputError

MANIFEST = "run.json"
"""The file that makes a folder a run; see `grace.runs`."""
YOUNG_SECONDS = 60.0
"""A temporary file that nobody holds may be one whose writer, of another machine, has just made it."""
OLD_SECONDS = 86_400.0
"""A temporary file of a file system without `flock` has no writer any more."""
_TEMPORARY = re.compile(r"\.(?P<name>.+)\.(?P<pid>[0-9]{1,9})(-[0-9a-f]{8})?\.tmp", re.DOTALL)
_held: list[Path] = []


@contextmanager
def holding(folder: Path) -> Iterator[None]:
    """Let this process replace files in a folder that is a run, or becomes one, for the length of the block."""
    folder = folder.resolve()
    _held.append(folder)
    try:
        yield
    finally:
        _held.remove(folder)


def check_outside_runs(path: Path) -> None:
    """Refuse a place inside a run, unless this process holds that run.

    Raises:
        InputError: the place is inside a run, which is kept as it is.
    """
    if run := run_around(path.parent):  # a link in a run is replaced itself, not what it leads to
        raise InputError(f"{path}: is inside the run {run}, which is kept as it is; choose another place")


def run_around(folder: Path) -> Path | None:
    """The run that a folder is, or is in; None where there is none, or where this process holds it."""
    place = folder.resolve()
    outer = (place, *place.parents)
    return next((each for each in outer if each not in _held and (each / MANIFEST).exists()), None)


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Open a file that takes the place of `path` when the block ends, and not at all when the block fails.

    A reader sees the old file or the new one, never a part; folders are made as needed. What killed writers left in
    the folder is removed.

    Raises:
        InputError: `path` is a folder or a device, or inside a run that this process does not hold, or its folder
            cannot be made or written, or the disk is full.
    """
    if path.is_dir():
        raise InputError(f"{path}: is a folder; give the name of a file in it")
    if path.exists() and not path.is_file():
        raise InputError(f"{path}: is no ordinary file, and would be replaced by one; give the name of a file")
    check_outside_runs(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep_dead(path.parent)
        file = open(temporary, "xb")  # noqa: SIM115 - closed below, before the rename
        with suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # as long as it is open, so that nobody sweeps it
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}; choose another folder") from None
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise InputError(f"{path}: cannot be written: {error.strerror}; check the disk and try again") from None
        raise


def meant_by(path: Path) -> Path | None:
    """The file that `replacing` was writing when it was killed and left this one; None: this is no such file."""
    match = _TEMPORARY.fullmatch(path.name)
    return path.with_name(match["name"]) if match else None


def sweep(path: Path) -> None:
    """Remove what killed writers of `path` left beside it. Only for the holder of its lock."""
    for left, name, _ in _temporaries(path.parent):
        if name == path.name and _holder_of(left) is not True:
            left.unlink(missing_ok=True)


def _temporaries(folder: Path) -> Iterator[tuple[Path, str, int]]:
    """The temporary files in a folder, with the name that each is to have, and the process that writes it."""
    with suppress(OSError):
        for entry in list(os.scandir(folder)):
            if match := _TEMPORARY.fullmatch(entry.name):
                yield Path(entry.path), match["name"], int(match["pid"])


def _sweep_dead(folder: Path) -> None:
    """Remove temporary files whose writers were killed."""
    for left, _, pid in _temporaries(folder):
        with suppress(OSError):
            age, held = time.time() - left.lstat().st_mtime, _holder_of(left)
            if (held is False and (age > YOUNG_SECONDS or not _is_there(pid))) or (held is None and age > OLD_SECONDS):
                left.unlink()


def _holder_of(path: Path) -> bool | None:
    """Whether a process has a temporary file open; None where the file system cannot tell."""
    try:
        fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return True if error.errno in (errno.EWOULDBLOCK, errno.EAGAIN) else None
    finally:
        os.close(fd)
    return False


def _is_there(pid: int) -> bool:
    """Whether this machine has a process of that number."""
    try:
        os.kill(pid, 0)
    except OSError as error:
        return error.errno == errno.EPERM
    return True


def sha256_of(path: Path) -> str:
    """Hex digest of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True)
class FileFacts:
    """What a list says about a file: the hex digest, and the size in bytes where the list has it."""

    sha256: str
    bytes: int | None = None

    @classmethod
    def of(cls, path: Path) -> "FileFacts":
        """The entry of a file on disk."""
        return cls(sha256_of(path), path.stat().st_size)


@dataclass(frozen=True)
class FileList:
    """Files of a folder, by their path in it with `/` between its parts."""

    folder: Path
    entries: Mapping[str, FileFacts]

    @classmethod
    def of(cls, folder: Path, paths: Iterable[Path]) -> "FileList":
        """The list of some files in a folder, as they are now."""
        return cls(folder, {path.relative_to(folder).as_posix(): FileFacts.of(path) for path in paths})

    @classmethod
    def read(cls, folder: Path, path: Path) -> "FileList":
        """A list that `write` wrote; an empty one where none can be read."""
        try:
            content = orjson.loads(path.read_bytes())
            entries = {
                name: FileFacts(one) if isinstance(one, str) else FileFacts(**one) for name, one in content.items()
            }
        except (OSError, ValueError, TypeError, AttributeError):
            return cls(folder, {})
        return cls(folder, entries)  # before 0.2.0 an entry was the digest alone

    @property
    def sha256(self) -> str:
        """Hex digest of the list itself: that of its JSON, names sorted."""
        content = {name: asdict(entry) for name, entry in self.entries.items()}
        return hashlib.sha256(orjson.dumps(content, option=orjson.OPT_SORT_KEYS)).hexdigest()

    def write(self, path: Path) -> None:
        """Write the list as JSON, atomically. Raises InputError."""
        content = {name: asdict(entry) for name, entry in self.entries.items()}
        with replacing(path) as file:
            file.write(orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS))

    def altered(self) -> list[str]:
        """The names of files that are gone, or differ from the list."""
        return [name for name in self.entries if not self._holds(name)]

    def remove_stale(self, current: Iterable[str]) -> list[Path]:
        """Remove the files of this list that are not among the current ones, and return their paths.

        A file that was changed since stays, and so does one outside the folder.
        """
        stale = [self.folder / name for name in self.entries.keys() - set(current) if self._holds(name)]
        for path in stale:
            path.unlink()
        return stale

    def _holds(self, name: str) -> bool:
        if "\0" in name:
            return False
        path, entry = self.folder / name, self.entries[name]
        inside = path.resolve().is_relative_to(self.folder.resolve())
        if not inside or not path.is_file() or entry.bytes not in (None, path.stat().st_size):
            return False
        return sha256_of(path) == entry.sha256
