"""What runs where data lies: it lists files with their digests, and reads and writes parts of them.

A pod on a cluster runs the text of this file, so it imports nothing but Python's own. Its arguments are a command, a
folder, and what the command needs.
"""

import hashlib
import json
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

PIECE = 1 << 22
"""Bytes of a piece; every piece of a file has a digest of its own, so that what changes is sent alone."""
CHUNK = 1 << 16
"""Bytes read or written at once."""
ENDINGS = (".part", ".tmp")
"""Of files that are half written; their names begin with a dot."""
LOCKS = ("lock", "lock.guard")
"""Files that say who writes a folder."""
GONE = 44
"""Exit code: the file is not there any more."""


def list_files(folder: Path, output: IO[bytes]) -> None:
    """Write a line of JSON for each file, and at last one with their number. A folder that is not there has none.

    Half-written files and locks are left out. A link or a device is listed by its kind alone.
    """
    count = 0
    for path in _paths(folder):
        with suppress(FileNotFoundError):
            list_file(path, str(path.relative_to(folder)), output)
            count += 1
    _say({"files": count}, output)


def list_file(path: Path, name: str, output: IO[bytes]) -> None:
    """Write the line of one file. Raises FileNotFoundError."""
    _say({"name": name, **_facts(path)}, output)


def read_part(folder: Path, name: str, start: int, length: int, output: IO[bytes]) -> None:
    """Write so many bytes of a file; fewer where it ends before. Raises FileNotFoundError."""
    with _opened(folder / name) as file:
        file.seek(start)
        _copy(file, output, length)


def list_unfinished(folder: Path, name: str, output: IO[bytes]) -> None:
    """Write what there is of a file that is being written, as `list_files` does; no bytes where nothing is."""
    try:
        list_file(_unfinished(folder, name), name, output)
    except FileNotFoundError:
        _say({"name": name, "bytes": 0, "sha256": hashlib.sha256().hexdigest(), "pieces": []}, output)


def write_part(folder: Path, name: str, start: int, length: int, source: IO[bytes]) -> None:
    """Put so many bytes into the file that is being written, at a place in it."""
    with _writable(_unfinished(folder, name)) as file:
        file.seek(start)
        if _copy(source, file, length) < length:
            raise SystemExit(f"{name}: the input ended before {length} bytes")


def finish(folder: Path, name: str, length: int, sha256: str) -> None:
    """Give a file that is written its name, if it has this length and digest; else remove it."""
    path = _unfinished(folder, name)
    with _writable(path) as file:
        file.truncate(length)
        os.fsync(file.fileno())
    if _facts(path).get("sha256") != sha256:
        path.unlink()
        raise SystemExit(f"{name}: did not arrive as it was")
    path.replace(folder / name)


def _paths(folder: Path) -> Iterator[Path]:
    """Files and links below a folder."""
    try:
        paths = sorted(folder.iterdir())
    except FileNotFoundError:
        return
    for path in paths:
        if path.is_dir() and not path.is_symlink():
            yield from _paths(path)
        elif path.name not in LOCKS and not (path.name.startswith(".") and path.name.endswith(ENDINGS)):
            yield path


def _facts(path: Path) -> dict[str, Any]:
    """Length and digests of a file, or its kind if it is none. Raises FileNotFoundError."""
    mode = path.lstat().st_mode
    if not stat.S_ISREG(mode):
        return {"kind": "link" if stat.S_ISLNK(mode) else "special file"}
    whole, pieces, size = hashlib.sha256(), [], 0
    with _opened(path) as file:
        left = os.fstat(file.fileno()).st_size  # a file that grows meanwhile keeps these bytes
        while left > 0:
            piece = file.read(min(PIECE, left))
            if not piece:  # it was cut meanwhile
                break
            whole.update(piece)
            pieces.append(hashlib.sha256(piece).hexdigest())
            size, left = size + len(piece), left - len(piece)
    return {"bytes": size, "sha256": whole.hexdigest(), "pieces": pieces}


def _opened(path: Path) -> IO[bytes]:
    """A file, but never what a link points to."""
    return os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb")


def _writable(path: Path) -> IO[bytes]:
    """A file to write into, made where it is not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o644), "wb")


def _unfinished(folder: Path, name: str) -> Path:
    """Where a file is while it is written: beside its place, hidden."""
    place = folder / name
    return place.with_name(f".{place.name}.part")


def _copy(source: IO[bytes], target: IO[bytes], length: int) -> int:
    """Copy up to so many bytes, and say how many there were."""
    left = length
    while left > 0:
        chunk = source.read(min(CHUNK, left))
        if not chunk:
            break
        target.write(chunk)
        left -= len(chunk)
    target.flush()
    return length - left


def _say(entry: dict[str, Any], output: IO[bytes]) -> None:
    output.write(json.dumps(entry).encode() + b"\n")
    output.flush()


def main(command: str, folder: Path, name: str = "", *more: str) -> None:
    """Run a command with standard input and output. Raises FileNotFoundError."""
    if command == "list":
        list_files(folder, sys.stdout.buffer)
    elif command == "read":
        read_part(folder, name, int(more[0]), int(more[1]), sys.stdout.buffer)
    elif command == "unfinished":
        list_unfinished(folder, name, sys.stdout.buffer)
    elif command == "write":
        write_part(folder, name, int(more[0]), int(more[1]), sys.stdin.buffer)
    elif command == "finish":
        finish(folder, name, int(more[0]), more[1])


if __name__ == "__main__":
    try:
        main(sys.argv[1], Path(sys.argv[2]), *sys.argv[3:])
    except FileNotFoundError:
        sys.exit(GONE)
