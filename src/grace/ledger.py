"""The ledger: an append-only file of finished requests that survives a kill at any byte.

One line of JSON for each record, written with a single `write` as soon as a request has finished. What a kill can leave
behind is one line without its newline; the next writer cuts it off. Nothing else ever changes a line that was written.
There are no memory maps, no renames and no database, so it also works on network file systems.
"""

import os
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any

import orjson

from grace.errors import InputError, LedgerCorrupt

Record = dict[str, Any]


def request_key(*parts: object) -> str:
    """Name a request by what determines its answer.

    Args:
        parts: JSON-serialisable values, such as model identity, rendered prompt, sampling parameters and seed.

    Returns:
        128 bits as 32 hexadecimal digits; equal for equal parts, whatever the order of keys in mappings.
    """
    return blake2b(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS), digest_size=16).hexdigest()


class Ledger:
    """The one writer of a ledger file. The caller holds the run's lock (`grace.runs`)."""

    def __init__(self, path: Path) -> None:
        """Open or make the file and cut off what a killed writer left unfinished.

        Raises:
            InputError: the file cannot be written.
        """
        self.path = path
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        except OSError as error:
            raise InputError(f"{path}: cannot be written: {error.strerror}") from None
        self.end = _end_of_last_line(self._fd)
        os.ftruncate(self._fd, self.end)

    def append(self, record: Mapping[str, Any]) -> int:
        """Write one record and return the offset of its line.

        When this returns, a kill of the process cannot lose the record; `sync` guards against power failures.

        Raises:
            InputError: the disk is full or gone; a partly written line is removed.
        """
        line = orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)
        offset, written = self.end, 0
        try:
            while written < len(line):
                written += os.write(self._fd, line[written:])
        except OSError as error:
            os.ftruncate(self._fd, offset)
            raise self._cannot_be_written(error) from None
        self.end += written
        return offset

    def sync(self) -> None:
        """Write all records to disk.

        Raises:
            InputError: the disk is full or gone, which network file systems may report only now.
        """
        try:
            os.fsync(self._fd)
        except OSError as error:
            raise self._cannot_be_written(error) from None

    def close(self) -> None:
        """Sync and close. Raises InputError, as `sync`."""
        try:
            self.sync()
        finally:
            os.close(self._fd)

    def _cannot_be_written(self, error: OSError) -> InputError:
        return InputError(
            f"{self.path}: cannot be written: {error.strerror}. Nothing in it is lost; check the disk, then "
            "the same command continues where this one stopped"
        )

    def __enter__(self) -> "Ledger":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def scan(path: Path) -> Iterator[tuple[int, Record]]:
    """Read all complete records with their offsets, in the order of writing; a torn last line is passed over.

    Raises:
        LedgerCorrupt: a complete line is not a JSON object; the message names the line.
    """
    if not path.exists():
        return
    offset = 0
    with open(path, "rb") as file:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                return
            yield offset, _parse(line, path, number)
            offset += len(line)


class LedgerReader:
    """Reads single records of a ledger by their offsets."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = open(path, "rb")  # noqa: SIM115 - closed by close()

    def __getitem__(self, offset: int) -> Record:
        self._file.seek(offset)
        return _parse(self._file.readline(), self.path, None)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> "LedgerReader":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _parse(line: bytes, path: Path, number: int | None) -> Record:
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError:
        record = None
    if not isinstance(record, dict):
        where = f"{path}, line {number}" if number else str(path)
        raise LedgerCorrupt(f"{where}: is not a record. The file was changed or damaged; restore it from a copy")
    return record


def _end_of_last_line(fd: int) -> int:
    """The offset after the last newline, 0 where there is none."""
    end = os.fstat(fd).st_size
    while end > 0:
        start = max(0, end - 65536)
        newline = os.pread(fd, end - start, start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        end = start
    return 0
