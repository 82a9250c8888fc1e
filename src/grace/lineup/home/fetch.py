"""Bringing files home: piece by piece, going on after every cut, and final only when the digest is right."""

import os
import shutil
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import IO

from grace.errors import ClusterError, EndpointError, InputError, Refused, RunLocked
from grace.files import FileFacts, FileList, sha256_of
from grace.lineup.folder import LIST
from grace.lineup.home.listing import HostileListing, Remote, RemoteAway, RemoteFile, check_names
from grace.lock import locked
from grace.progress import Progress
from grace.text import sized

LISTINGS = 5
"""How often a folder is listed in which files change while they are read."""
TRIES = 6
"""Faults, one after the other, between which no byte came."""
PAUSE_SECONDS = 0.5
"""After the first of them; each later pause is twice as long."""
RUN = 64
"""Pieces that are asked for at once, so that a file of gigabytes is not one request."""
WAIT_SECONDS = 900.0
"""The longest wait for another process that brings the same files home."""


class FileChanged(ClusterError):
    """A file is not what was listed any more; it is listed again."""


def fetch(remote: Remote, folder: Path, progress: Progress) -> FileList:
    """Bring the files of a remote home, and give their list, which `files.json` in the folder then holds.

    Files that are here are not sent again, nor pieces of them: a ledger that has grown is sent from the piece where it
    ended. What came before a cut, a kill or a full disk is kept. A file that changes while it is read is listed again.
    Hidden files stay where they are.

    Args:
        remote: where they are.
        folder: where they go; it is made. One process at a time fills it, others wait.
        progress: is told of bytes.

    Raises:
        HostileListing: a name leaves the folder, or is two names; nothing was written.
        ClusterError, EndpointError: no byte came in TRIES tries, or files changed at each of LISTINGS times.
        InputError: the folder cannot be written, or its disk is full.
    """
    with _alone(folder, progress):
        for _ in range(LISTINGS):
            files = tuple(file for file in _listed(remote) if not _stays(file.name))
            check_names(remote.title, files)
            changed = _bring_all(remote, files, folder, progress)
            if not changed:
                _sweep(folder)
                home = FileList(folder, {file.name: file.facts for file in files})
                home.write(folder / LIST)
                return home
            progress.note(f"{remote.title}: changed while it was read: {', '.join(changed[:3])}; listing again")
    raise ClusterError(
        f"{remote.title}: {changed[0]} was another one at each of {LISTINGS} readings; try again when what writes it "
        "has ended"
    )


def _listed(remote: Remote) -> Sequence[RemoteFile]:
    """The listing, asked for again after faults."""
    for number in range(1, TRIES + 1):
        try:
            return remote.listing()
        except (HostileListing, RemoteAway, Refused):
            raise
        except (ClusterError, EndpointError):
            if number == TRIES:
                raise
            pause(number)
    raise AssertionError("the last try returns or raises")


def _stays(name: str) -> bool:
    """Whether a file is no data: hidden, or a list that an earlier `fetch` wrote."""
    return name == LIST or any(part.startswith(".") and part not in (".", "..") for part in name.split("/"))


def _bring_all(remote: Remote, files: Sequence[RemoteFile], folder: Path, progress: Progress) -> list[str]:
    """Bring all files home that are not there, and name those that changed meanwhile."""
    missing = [_Arrival(file, folder) for file in files if not _holds(folder / file.name, file.facts)]
    _check_room(folder, missing)
    for arrival in missing:
        arrival.look()
    total = sum(arrival.file.bytes for arrival in missing)
    progress.begin(total, total - sum(arrival.left for arrival in missing), "bytes")
    changed = []
    for arrival in missing:
        try:
            arrival.bring(remote, progress)
        except FileChanged:
            changed.append(arrival.file.name)
    return changed


def _holds(path: Path, facts: FileFacts) -> bool:
    """Whether a file is here, as it is there."""
    return path.is_file() and not path.is_symlink() and FileFacts.of(path) == facts


def _check_room(folder: Path, arrivals: Sequence["_Arrival"]) -> None:
    """Raises InputError when the disk has no room for what is to come."""
    needed = sum(arrival.file.bytes - arrival.kept for arrival in arrivals)
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise InputError(
            f"{folder}: {sized(needed)} are to come, and the disk has {sized(free)}; make room, then the same command "
            "goes on"
        )


@dataclass
class _Arrival:
    """A file on its way. It grows beside its place, under a hidden name, until its digest is right."""

    file: RemoteFile
    folder: Path

    def __post_init__(self) -> None:
        self.place = self.folder / self.file.name
        self.part = self.place.with_name(f".{self.place.name}.part")
        self.missing: list[int] = []
        self.begun = 0
        """Bytes of the first missing piece that came before a cut."""

    @property
    def kept(self) -> int:
        """Bytes that an earlier try left."""
        return min(self.part.stat().st_size, self.file.bytes) if self.part.is_file() else 0

    @property
    def left(self) -> int:
        """Bytes to come."""
        spans = [self.file.piece(number) for number in self.missing]
        return sum(end - start for start, end in spans) - self.begun

    def look(self) -> None:
        """See which pieces are here: from an earlier try, or in an earlier form of the file."""
        with self._open() as part, _earlier(self.place) as earlier:
            size = os.fstat(part.fileno()).st_size
            self.missing, self.begun = [], 0
            for number, digest in enumerate(self.file.pieces):
                start, end = self.file.piece(number)
                if self._has(part, number):
                    continue
                known = os.pread(earlier.fileno(), end - start, start) if earlier else b""
                if sha256(known).hexdigest() == digest:
                    with _writing(self.part):
                        _write(part, known, start)
                    continue
                if not self.missing and start < size < end:
                    self.begun = size - start
                self.missing.append(number)

    def bring(self, remote: Remote, progress: Progress) -> None:
        """Have all pieces come, and give the file its place. Raises FileChanged, and as `fetch`."""
        with self._open() as part:
            faults, damaged = 0, Counter[int]()
            while self.missing:
                incoming = self._next(part, progress)
                fault = _read(remote, self.file, incoming)
                wrong = self._settle(part, incoming)
                damaged.update(wrong)
                if any(damaged[number] > 1 for number in wrong):
                    raise FileChanged(f"{remote.title}: {self.file.name}: a piece is not what was listed")
                if incoming.moved:
                    faults = 0
                elif fault is None:
                    raise FileChanged(f"{remote.title}: {self.file.name}: ends before byte {self.file.bytes}")
                if fault:
                    faults += 1
                    if faults == TRIES:
                        raise ClusterError(f"{fault}; no byte of {self.file.name} came in {TRIES} tries")
                    progress.fault(str(fault))
                    pause(faults)
            with _writing(self.part):
                os.ftruncate(part.fileno(), self.file.bytes)
                os.fsync(part.fileno())
        if sha256_of(self.part) != self.file.sha256:
            self.part.unlink()
            raise FileChanged(f"{remote.title}: {self.file.name}: its pieces are not the whole")
        with _writing(self.place):
            self.part.replace(self.place)

    def _next(self, part: IO[bytes], progress: Progress) -> "_Incoming":
        """The next run of missing pieces."""
        first, count = self.missing[0], 1
        while count < min(RUN, len(self.missing)) and self.missing[count] == first + count:
            count += 1
        start = self.file.piece(first)[0] + self.begun
        return _Incoming(self.part, part, start, self.file.piece(first + count - 1)[1], progress)

    def _settle(self, part: IO[bytes], incoming: "_Incoming") -> list[int]:
        """Strike off the pieces that came, and name those that came wrong."""
        came = [number for number in self.missing if self.file.piece(number)[1] <= incoming.position]
        wrong = [number for number in came if not self._has(part, number)]
        self.missing = wrong + self.missing[len(came) :]
        start = self.file.piece(self.missing[0])[0] if self.missing else incoming.position
        self.begun = 0 if wrong else max(0, incoming.position - start)
        return wrong

    def _has(self, part: IO[bytes], number: int) -> bool:
        start, end = self.file.piece(number)
        return sha256(os.pread(part.fileno(), end - start, start)).hexdigest() == self.file.pieces[number]

    def _open(self) -> IO[bytes]:
        """The file that grows. Raises InputError."""
        with _writing(self.part):
            self.part.parent.mkdir(parents=True, exist_ok=True)
            if not self.part.parent.resolve().is_relative_to(self.folder.resolve()):
                raise InputError(f"{self.part.parent}: a link leads out of {self.folder}; remove it")
            return os.fdopen(os.open(self.part, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644), "rb+", buffering=0)


@dataclass
class _Incoming:
    """A part of a file that comes now.

    Attributes:
        path: for messages.
        part: where it is written.
        position: where the next byte goes.
        end: before which the last one goes.
        progress: is told of bytes.
        moved: whether any byte came.
    """

    path: Path
    part: IO[bytes]
    position: int
    end: int
    progress: Progress
    moved: bool = False

    def take(self, content: bytes) -> None:
        """Write what came; what was not asked for is a fault."""
        more = len(content) > self.end - self.position
        content = content[: self.end - self.position]
        with _writing(self.path):
            _write(self.part, content, self.position)
        self.position += len(content)
        self.moved = self.moved or bool(content)
        self.progress.advance(False, len(content))
        if more:
            raise ClusterError(f"{self.path.name}: more bytes came than were asked for")


def _read(remote: Remote, file: RemoteFile, incoming: _Incoming) -> ClusterError | EndpointError | None:
    """Read, and give the fault that ended it, if one did."""
    try:
        remote.read(file, incoming.position, incoming.end - incoming.position, incoming.take)
    except (FileChanged, RemoteAway, Refused):
        raise
    except (ClusterError, EndpointError) as error:
        return error
    return None


def _write(file: IO[bytes], content: bytes, place: int) -> None:
    """Write all of some bytes: what a disk takes last may be a part of them."""
    while content:
        written = os.pwrite(file.fileno(), content, place)
        content, place = content[written:], place + written


@contextmanager
def _earlier(path: Path) -> Iterator[IO[bytes] | None]:
    """An earlier form of a file; None where there is none."""
    if not path.is_file() or path.is_symlink():
        yield None
        return
    with open(path, "rb") as file:
        yield file


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """What the system says about a file that cannot be written, as InputError."""
    try:
        yield
    except OSError as error:
        raise InputError(
            f"{path}: cannot be written: {error.strerror}; what came is kept: check the disk, then the same command "
            "goes on"
        ) from None


@contextmanager
def _alone(folder: Path, progress: Progress) -> Iterator[None]:
    """Wait until no other process brings files into a folder. Raises RunLocked after WAIT_SECONDS."""
    started, lock = time.monotonic(), locked(folder)
    while True:
        try:
            lock.__enter__()
            break
        except RunLocked as error:
            if time.monotonic() - started > WAIT_SECONDS:
                raise
            progress.note(f"{error}; waiting for it")
            time.sleep(5 * PAUSE_SECONDS)
            lock = locked(folder)
    try:
        yield
    finally:
        lock.__exit__(None, None, None)


def _sweep(folder: Path) -> None:
    """Remove what is left of files that are not listed any more."""
    for left in folder.rglob(".*.part"):
        left.unlink(missing_ok=True)


def pause(number: int) -> None:
    """Wait after a fault, longer after each."""
    time.sleep(min(30.0, PAUSE_SECONDS * 2.0 ** (number - 1)))
