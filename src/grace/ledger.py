"""The ledger: an append-only file of finished requests that survives a kill at any byte.

One line of JSON for each record, written with a single `write` as soon as a request has finished. What a kill can leave
behind is one line without its newline; the next writer cuts it off. Nothing else ever changes a line that was written.
There are no memory maps, no renames and no database, so it also works on network file systems.

A record that turns out not to belong stays, and a later one voids it: `{"status": "void", "voids": [[FROM, TO], ...],
"why": ..., "ended": ...}`. The numbers are bytes of this file, from the beginning of the first voided line to the end
of the last. Voided records count as never written, so their requests are open again.

The last field of a line, `check`, is the CRC-32 of what is before it. It tells of a bit that a disk or a transfer has
turned, and of an editor's slip; it is no signature. It belongs to the line and not to the record, and lines that
earlier versions wrote have none.
"""

import os
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any, Protocol, TypeVar
from zlib import crc32

import orjson

from grace.errors import InputError, LedgerCorrupt, RunLocked
from grace.json_text import read_json

Record = dict[str, Any]

VOID = "void"
"""The status of a record that voids others."""
CHECK = "check"
"""The last field of a line."""
_TAIL = b',"check":"%08x"}'
_TAIL_BYTES = len(_TAIL % 0)
PIECE = 65_536


class Records(Protocol):
    """What is made of a ledger's records, one after the other."""

    def add(self, offset: int, record: Record) -> None:
        """Add the record that begins at `offset`. Raises Misfit for one that does not belong here."""


class Misfit(Exception):
    """A record that does not belong to a run; the message says why."""


Made = TypeVar("Made", bound=Records)


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
            LedgerCorrupt: what follows the last line is no line of a killed writer.
        """
        self.path = path
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        except OSError as error:
            raise InputError(f"{path}: cannot be written: {error.strerror}") from None
        try:
            self.end = _end_of_last_line(self._fd)
            _check_torn(path, _pieces(self._fd, self.end))
            os.ftruncate(self._fd, self.end)
        except BaseException:
            os.close(self._fd)
            raise

    def append(self, record: Mapping[str, Any]) -> int:
        """Write one record and return the offset of its line.

        When this returns, a kill of the process cannot lose the record; `sync` guards against power failures.

        Raises:
            InputError: the disk is full or gone; a partly written line is removed.
            RunLocked: another process has written the file, or cut it.
        """
        line = _line(record)
        offset, written = self.end, 0
        if (length := os.fstat(self._fd).st_size) != offset:
            raise RunLocked(
                f"{self.path}: has {length} bytes, and had {offset} after the last line of this process: another one "
                "writes it too. Nothing was added to it; end the other process, then give the same command again"
            )
        try:
            while written < len(line):
                written += os.write(self._fd, line[written:])
        except OSError as error:
            if os.fstat(self._fd).st_size == offset + written:
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


def scan(path: Path, start: int = 0) -> Iterator[tuple[int, Record]]:
    """Read all complete records with their offsets, in the order of writing; a torn last line is passed over.

    Args:
        path: the ledger.
        start: the offset of the first record to read.

    Raises:
        LedgerCorrupt: a complete line is not a JSON object, or was altered; the message names the line.
        InputError: the file cannot be read.
    """
    offset = start
    try:
        file = open(path, "rb")  # noqa: SIM115 - closed below
    except FileNotFoundError:
        return
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    with file:
        file.seek(start)
        for line in file:
            if not line.endswith(b"\n"):
                _check_torn(path, (line,))
                return
            record = _record(line, path, offset)
            if record.pop(CHECK, None) is not None and not _is_as_written(line):
                raise _damaged(path, offset, "is not as it was written: its check is of another content")
            yield offset, record
            offset += len(line)


def replay(
    path: Path,
    begin: Callable[[], Made],
    fault_of: Callable[[Record], str | None],
    known: tuple[int, Made] | None = None,
) -> Made:
    """Make something of all records that count: those that no later record voids.

    Args:
        path: the ledger.
        begin: makes an empty one; where records are voided, it is called again.
        fault_of: checks each record before anything is made of it: what is wrong with it, None where nothing is
            (`grace.record_shapes`).
        known: what was made of the records before an offset, so that only those from there on are read.

    Raises:
        LedgerCorrupt: a line is not a record, or one of another kind than is expected; the message names the line and
            the field.
    """
    start, made = known or (0, begin())
    voided = Voided()
    for offset, record in scan(path, start):
        if record.get("status") == VOID:
            if start:  # it may void records that the known ones are among
                return replay(path, begin, fault_of)
            voided.add(offset, record, path)
            continue
        if fault := fault_of(record):
            raise _unexpected(path, offset, fault)
        try:
            made.add(offset, record)
        except Misfit as misfit:
            raise _unexpected(path, offset, str(misfit)) from None
    if not voided:
        return made
    made = begin()
    for offset, record in scan(path):
        if record.get("status") != VOID and offset not in voided:
            made.add(offset, record)
    return made


class Voided:
    """The records of a ledger that do not count, by their offsets."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []

    @classmethod
    def read(cls, path: Path) -> "Voided":
        """Those of a ledger. Raises LedgerCorrupt."""
        voided = cls()
        for offset, record in scan(path):
            if record.get("status") == VOID:
                voided.add(offset, record, path)
        return voided

    def add(self, offset: int, record: Record, path: Path) -> None:
        """Add what the record at `offset` voids. Raises LedgerCorrupt where that cannot be."""
        try:
            ranges = [(start, end) for start, end in record["voids"]]
            good = all(type(start) is type(end) is int and 0 <= start < end <= offset for start, end in ranges)
        except (LookupError, TypeError, ValueError):
            good = False
        if not good or not _are_lines(path, ranges):
            raise _unexpected(path, offset, "voids: must name lines before this one")
        merged: list[tuple[int, int]] = []
        for start, end in sorted([*zip(self._starts, self._ends, strict=True), *ranges]):
            if merged and start <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
            else:
                merged.append((start, end))
        self._starts, self._ends = [start for start, _ in merged], [end for _, end in merged]

    def __contains__(self, offset: int) -> bool:
        place = bisect_right(self._starts, offset) - 1
        return place >= 0 and offset < self._ends[place]

    def __bool__(self) -> bool:
        return bool(self._starts)


def void(ranges: Sequence[tuple[int, int]], why: str, when: str) -> Record:
    """The record that voids those in some ranges of bytes, each from a line's beginning to a line's end."""
    return {"status": VOID, "voids": [list(pair) for pair in ranges], "why": why, "ended": when}


class LedgerReader:
    """Reads single records of a ledger by their offsets, as `scan` gave them and has checked them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = open(path, "rb")  # noqa: SIM115 - closed by close()

    def __getitem__(self, offset: int) -> Record:
        self._file.seek(offset)
        record = _record(self._file.readline(), self.path, offset)
        record.pop(CHECK, None)
        return record

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> "LedgerReader":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _record(line: bytes, path: Path, offset: int) -> Record:
    """The record of a line, with its check. Raises LedgerCorrupt."""
    try:
        record = read_json(line)
    except ValueError:
        record = None
    if not isinstance(record, dict):
        raise _damaged(path, offset, "is not a record")
    return record


def _line(record: Mapping[str, Any]) -> bytes:
    """The line of a record, with its check; one without fields has nothing to check."""
    content = orjson.dumps(record)[:-1]
    return b"%b%b\n" % (content, _TAIL % crc32(content) if record else b"}")


def _is_as_written(line: bytes) -> bool:
    """Whether a line ends with the check of what is before it."""
    line = line.rstrip()  # an editor may have changed the line's end
    return line[-_TAIL_BYTES:] == _TAIL % crc32(line[:-_TAIL_BYTES])


def _unexpected(path: Path, offset: int, why: str) -> LedgerCorrupt:
    return _damaged(path, offset, f"is not a record of this run: {why}")


def _damaged(path: Path, offset: int, why: str) -> LedgerCorrupt:
    where = f"{path}, line {_number(path, offset)}"
    return LedgerCorrupt(f"{where}: {why}. The file was changed or damaged; restore it from a copy")


def _number(path: Path, offset: int) -> int:
    """The number of the line that begins at an offset; 1 is the first."""
    with open(path, "rb") as file:
        return 1 + sum(1 for _ in iter(lambda: file.tell() < offset and file.readline(), False))


def _are_lines(path: Path, ranges: Sequence[tuple[int, int]]) -> bool:
    """Whether ranges of bytes begin and end where lines do: other line ends would move all that follows."""
    with open(path, "rb") as file:
        for at in (place for pair in ranges for place in pair if place):
            file.seek(at - 1)
            if file.read(1) != b"\n":
                return False
    return True


def _check_torn(path: Path, rest: Iterable[bytes]) -> None:
    """Raise LedgerCorrupt where what follows the last line feed is not one line that a kill cut short."""
    if any(b"\r" in piece for piece in rest):  # in a record they are escaped
        raise LedgerCorrupt(
            f"{path}: has line ends of another system (CR), which an editor or a transfer made; restore it from a copy"
        )


def _pieces(fd: int, start: int) -> Iterator[bytes]:
    """A file's bytes from an offset on."""
    while piece := os.pread(fd, PIECE, start):
        yield piece
        start += len(piece)


def _end_of_last_line(fd: int) -> int:
    """The offset after the last newline, 0 where there is none."""
    end = os.fstat(fd).st_size
    while end > 0:
        start = max(0, end - PIECE)
        newline = os.pread(fd, end - start, start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        end = start
    return 0
