"""What a remote is, and what it says that it has: checked before anything of it touches this machine."""

import json
import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import IO, Annotated, Any

from pydantic import Field

from grace.declared import Strict, checked
from grace.errors import ClusterError, InputError
from grace.files import FileFacts
from grace.lineup.home.beside import ENDINGS, LOCKS, PIECE
from grace.text import printable, shortened

MOST_FILES = 100_000
MOST_BYTES = 1 << 26
"""Of a listing's text: the digests of 100,000 files, or of four terabytes."""
MOST_NAME = 240
"""Bytes of each part of a name; file systems take 255, and a file that is not complete has a longer one."""

Take = Callable[[bytes], object]
"""Takes bytes as they come."""

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class RemoteFile(Strict):
    """A file as it was when it was listed.

    Attributes:
        name: in its folder, with `/` between the parts.
        bytes: its length.
        sha256: hex digest.
        pieces: hex digests of each PIECE bytes of it, the last ones of what is left.
    """

    name: str
    bytes: Annotated[int, Field(ge=0)]
    sha256: Digest
    pieces: tuple[Digest, ...]

    @property
    def facts(self) -> FileFacts:
        """As lists of files have it."""
        return FileFacts(self.sha256, self.bytes)

    def piece(self, number: int) -> tuple[int, int]:
        """Where a piece begins and ends."""
        return number * PIECE, min((number + 1) * PIECE, self.bytes)


class Remote(ABC):
    """A folder whose files are brought home, wherever it is."""

    title: str
    """What messages call it."""

    @abstractmethod
    def listing(self) -> tuple[RemoteFile, ...]:
        """The files as they are now, with digests made beside the data.

        Raises:
            ClusterError, EndpointError: the folder cannot be listed; or its listing is not one.
        """

    @abstractmethod
    def read(self, file: RemoteFile, start: int, length: int, take: Take) -> None:
        """Hand over bytes of a file as they come. Their digests are the caller's to check, and so is their number.

        Raises:
            ClusterError, EndpointError: they stopped coming; another call may go on.
        """


class WritableRemote(Remote):
    """A remote that files can be brought to. Methods raise as those of Remote."""

    @abstractmethod
    def unfinished(self, name: str) -> RemoteFile:
        """What there is of a file that is being written; of no bytes where nothing is."""

    @abstractmethod
    def write(self, name: str, start: int, length: int, source: IO[bytes]) -> None:
        """Put so many bytes of a source into the file that is being written, at a place in it."""

    @abstractmethod
    def finish(self, file: RemoteFile) -> None:
        """Give a file that was written its name, when its digest there is right; else remove it."""


class RemoteAway(ClusterError):
    """A remote cannot be had, for a reason that does not pass within minutes."""


class HostileListing(ClusterError):
    """A listing names what no folder of Grace's data has."""

    def __init__(self, title: str, reason: str) -> None:
        super().__init__(f"{title}: {reason}; nothing of it was brought home")


def parsed_listing(title: str, lines: Iterable[bytes]) -> tuple[RemoteFile, ...]:
    """The files that `beside.list_files` wrote. Raises HostileListing, or ClusterError for a torn one."""
    files: list[RemoteFile] = []
    for line in lines:
        entry = _entry(title, line)
        if "files" in entry and "name" not in entry:
            if entry["files"] != len(files):
                break
            return tuple(files)
        files.append(parsed_file(title, entry))
        if len(files) > MOST_FILES:
            raise HostileListing(title, f"lists more than {MOST_FILES} files")
    raise ClusterError(f"{title}: its listing is torn (after {len(files)} files); the same command tries again")


def parsed_file(title: str, entry: dict[str, Any]) -> RemoteFile:
    """One file of a listing. Raises HostileListing."""
    shown = shortened(printable(str(entry.get("name"))), 120)
    if "kind" in entry:
        raise HostileListing(title, f"{shown} is no file, but a {entry['kind']}")
    try:
        file = checked(entry, "listing", RemoteFile)
    except InputError as error:
        raise HostileListing(title, f"{shown} is not described as a file ({error})") from None
    if len(file.pieces) != -(-file.bytes // PIECE):
        raise HostileListing(title, f"{shown} has {len(file.pieces)} pieces, which are not {file.bytes} bytes")
    return file


def check_names(title: str, files: Iterable[RemoteFile]) -> None:
    """Refuse names that leave their folder, or that are one file here and another there. Raises HostileListing."""
    names: set[str] = set()
    folders: set[str] = set()
    spelled: dict[str, str] = {}
    for file in files:
        shown = shortened(printable(file.name), 120)
        if fault := _fault(file.name):
            raise HostileListing(title, f"{shown} {fault}")
        if file.name in names:
            raise HostileListing(title, f"{shown} is listed twice")
        names.add(file.name)
        parts = file.name.split("/")
        paths = ["/".join(parts[:number]) for number in range(1, len(parts) + 1)]
        folders.update(paths[:-1])
        for path in paths:
            before = spelled.setdefault(_same(path), path)
            if before != path:
                raise HostileListing(title, f"{shown} and {printable(before)} are one file on some machines")
    if both := sorted(names & folders):
        raise HostileListing(title, f"{printable(both[0])} is a file and a folder")


def _same(path: str) -> str:
    """Equal for names that a file system may take for one: without case, in any of Unicode's forms."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())


def _entry(title: str, line: bytes) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        entry = None
    if not isinstance(entry, dict):
        said = shortened(printable(line.decode(errors="replace")), 120)
        raise ClusterError(f"{title}: answers with {said!r} in place of a listing")
    return entry


def _fault(name: str) -> str:
    """Why a name cannot be a file's in a folder of data; empty where it can."""
    parts = name.split("/")
    if not name.isprintable():
        return "has characters that no name of a file should have"
    if "" in parts or "." in parts or ".." in parts or "\\" in name:
        return "does not stay in its folder"
    if any(len(part.encode()) > MOST_NAME for part in parts) or len(name.encode()) > 2000:
        return "is too long"
    if parts[-1] in LOCKS or parts[-1].endswith(ENDINGS):
        return "is a name of Grace's own"
    return ""
