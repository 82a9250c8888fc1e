"""A folder of this machine as a remote: what processes wrote elsewhere, and what tests bring home."""

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from grace.errors import ClusterError
from grace.lineup.home import beside
from grace.lineup.home.fetch import FileChanged
from grace.lineup.home.listing import RemoteFile, Take, WritableRemote, parsed_file, parsed_listing

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class FolderRemote(WritableRemote):
    """A folder that this process can read."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.title = folder, str(folder)

    def listing(self) -> tuple[RemoteFile, ...]:
        """The files; none where there is no folder."""
        text = io.BytesIO()
        try:
            beside.list_files(self.folder, text)
        except OSError as error:
            raise ClusterError(f"{error.filename or self.folder}: cannot be read: {error.strerror}") from None
        return parsed_listing(self.title, text.getvalue().splitlines())

    def read(self, file: RemoteFile, start: int, length: int, take: Take) -> None:
        """Read bytes of a file."""
        try:
            beside.read_part(self.folder, file.name, start, length, _Taking(take))
        except FileNotFoundError:
            raise FileChanged(f"{self.folder / file.name}: is not there any more") from None
        except OSError as error:
            raise ClusterError(f"{self.folder / file.name}: cannot be read: {error.strerror}") from None

    def unfinished(self, name: str) -> RemoteFile:
        """What an earlier try has left."""
        text = io.BytesIO()
        beside.list_unfinished(self.folder, name, text)
        return parsed_file(self.title, json.loads(text.getvalue()))

    def write(self, name: str, start: int, length: int, source: IO[bytes]) -> None:
        """Write bytes into the file that grows."""
        with _written(self.folder / name):
            beside.write_part(self.folder, name, start, length, source)

    def finish(self, file: RemoteFile) -> None:
        """Compare digests."""
        with _written(self.folder / file.name):
            beside.finish(self.folder, file.name, file.bytes, file.sha256)


@contextmanager
def _written(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ClusterError(f"{path}: cannot be written: {error.strerror}") from None
    except SystemExit as error:
        raise ClusterError(f"{path.parent}: {error}") from None


class _Taking(io.BytesIO):
    """What is written goes to a function."""

    def __init__(self, take: Take) -> None:
        super().__init__()
        self._take = take

    def write(self, content: "ReadableBuffer", /) -> int:
        """Hand it over."""
        self._take(bytes(content))
        return len(bytes(content))
