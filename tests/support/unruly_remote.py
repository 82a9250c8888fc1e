"""A remote that does what networks and strangers do: it cuts, sends too much, alters bytes, and changes its files."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from grace.errors import ClusterError
from grace.lineup.home.folders import FolderRemote
from grace.lineup.home.listing import RemoteFile, Take


@dataclass
class Fault:
    """What happens to one reading: after so many bytes it is cut, or altered, or followed by others."""

    after: int
    kind: str

    KINDS = ("cut", "altered", "more", "short")


@dataclass
class UnrulyRemote(FolderRemote):
    """A folder. `faults` happen to the next readings, one each; `before` runs before each listing and reading."""

    folder: Path
    faults: list[Fault] = field(default_factory=list)
    before: Callable[[str], None] = lambda what: None
    sent: int = 0
    """Bytes that were read in all."""
    readings: int = 0
    listings: int = 0

    def __post_init__(self) -> None:
        self.title = "the unruly folder"

    def listing(self) -> tuple[RemoteFile, ...]:
        self.before("listing")
        self.listings += 1
        return super().listing()

    def read(self, file: RemoteFile, start: int, length: int, take: Take) -> None:
        self.before(file.name)
        self.readings += 1
        fault = self.faults.pop(0) if self.faults else None
        content = bytearray()
        super().read(file, start, length, content.extend)
        at = min(fault.after, len(content)) if fault else len(content)
        for place in range(0, at, 7):
            piece = bytes(content[place : min(place + 7, at)])
            self.sent += len(piece)
            take(piece)
        if fault and fault.kind == "cut":
            raise ClusterError("the connection was cut")
        if fault and fault.kind != "short":
            rest = bytes(content[at:])
            take(bytes((rest[0] ^ 1,)) + rest[1:] if rest and fault.kind == "altered" else rest)
            if fault.kind == "more":
                take(b"more than was asked for")
