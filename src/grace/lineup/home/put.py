"""Bringing files to a remote: in pieces that go on after cuts, final there only with the digest that they have here."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from grace.declared import bytes_of
from grace.errors import ClusterError, EndpointError, InputError, Refused
from grace.lineup.home import beside
from grace.lineup.home.fetch import RUN, TRIES, pause
from grace.lineup.home.listing import (
    HostileListing,
    RemoteAway,
    RemoteFile,
    WritableRemote,
    check_names,
    parsed_listing,
)
from grace.progress import Progress


def put(
    remote: WritableRemote, files: Mapping[str, Path], progress: Progress, *, replace: bool = False
) -> tuple[str, ...]:
    """Bring files to a remote, and give the names of those that were sent. Equal files are not sent again.

    Args:
        remote: where they go.
        files: by their names there.
        progress: is told of bytes.
        replace: send also what is there with another content.

    Raises:
        InputError: a file cannot be read, or changes meanwhile.
        Refused: a file is there with another content, and `replace` is not set; nothing was sent.
        ClusterError, EndpointError: no byte went in TRIES tries.
    """
    own = tuple(_described(name, path) for name, path in files.items())
    check_names("these files", own)
    there = {file.name: file for file in remote.listing()}
    missing = [file for file in own if file.name not in there or there[file.name].facts != file.facts]
    other = [file.name for file in missing if file.name in there]
    if other and not replace:
        raise Refused(
            f"{remote.title}: {', '.join(other)} is there, and is not {files[other[0]]}; --replace sends it, and "
            "loses what is there"
        )
    progress.begin(sum(file.bytes for file in missing), 0, "bytes")
    for file in missing:
        _send(remote, file, files[file.name], progress)
    return tuple(file.name for file in missing)


def _described(name: str, path: Path) -> RemoteFile:
    """A file of this machine as a remote would list it."""
    bytes_of(path, most=0)  # says what is wrong where it cannot be read
    text = io.BytesIO()
    beside.list_file(path, name, text)
    return parsed_listing(str(path), [*text.getvalue().splitlines(), b'{"files": 1}'])[0]


def _send(remote: WritableRemote, file: RemoteFile, path: Path, progress: Progress) -> None:
    """Send the pieces of a file that are not there, until all are."""
    faults, left = 0, len(file.pieces) + 1
    while True:
        try:
            missing = _missing(file, remote.unfinished(file.name))
            faults, left = (0, len(missing)) if len(missing) < left else (faults, left)
            if not missing:
                break
            _send_run(remote, file, path, missing, progress)
        except (HostileListing, RemoteAway, Refused):
            raise
        except (ClusterError, EndpointError) as error:
            faults += 1
            if faults == TRIES:
                raise ClusterError(f"{error}; no piece of {path} arrived in {TRIES} tries") from None
            progress.fault(str(error))
            pause(faults)
    if _described(file.name, path).facts != file.facts:
        raise InputError(f"{path}: changed while it was sent; the same command sends it anew")
    remote.finish(file)


def _missing(file: RemoteFile, there: RemoteFile) -> list[int]:
    """The pieces that are not there."""
    pieces = [*there.pieces, *[""] * len(file.pieces)]
    return [number for number, digest in enumerate(file.pieces) if pieces[number] != digest]


def _send_run(remote: WritableRemote, file: RemoteFile, path: Path, missing: list[int], progress: Progress) -> None:
    """Send the first run of missing pieces."""
    count = 1
    while count < min(RUN, len(missing)) and missing[count] == missing[0] + count:
        count += 1
    start, end = file.piece(missing[0])[0], file.piece(missing[count - 1])[1]
    with open(path, "rb") as content:
        content.seek(start)
        remote.write(file.name, start, end - start, _Span(content, end - start))
    progress.advance(False, end - start)


class _Span(io.BytesIO):
    """A part of a file, read as if it were a whole one."""

    def __init__(self, file: IO[bytes], length: int) -> None:
        super().__init__()
        self._file, self._left = file, length

    def read(self, size: int | None = -1, /) -> bytes:
        """The next bytes of it."""
        most = self._left if size is None or size < 0 else min(size, self._left)
        content = self._file.read(most)
        self._left -= len(content)
        return content
