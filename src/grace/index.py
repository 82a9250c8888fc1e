"""An index beside a large file: what a pass over its bytes found, so that the next pass is a digest and nothing else.

It is never trusted over the file. It holds the digest of the very bytes that it was made of, and whoever uses it
computes that digest anew; it ends with a digest of its own. One that is missing, damaged, cut, of another version or of
other bytes counts as none, and the pass is made. So it may be removed at any time, and is left out of all copies.
"""

import sys
import threading
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import orjson

from grace.files import replacing
from grace.version import __version__

PIECE = 1 << 20
LEAST = 1 << 24
"""Bytes of the smallest file that gets an index; a pass over a smaller one takes no time worth a file."""
ENDING = ".index"
FORMAT = 1
OWN = 32
"""Bytes of the digest at an index's end."""
WIDTH = 8
"""Bytes of a number."""
SELDOM = 4
"""An index of a growing file is written again when the file has grown by so many times the index's size."""


@dataclass(frozen=True)
class Index:
    """What is known of the first bytes of a file.

    Attributes:
        length: how many bytes it is about.
        digest: of these bytes, as hexadecimal digits, by whatever function its owner uses.
        facts: of any kind; equal facts mean that the numbers are of use.
        numbers: lists of signed numbers of 64 bits.
    """

    length: int
    digest: str
    facts: Mapping[str, Any]
    numbers: Sequence["array[int]"]

    def write(self, path: Path) -> None:
        """Write it, atomically. Raises InputError, as `grace.files.replacing`."""
        head = {"format": _FORM, "length": self.length, "digest": self.digest, "facts": self.facts}
        first = orjson.dumps({**head, "counts": list(map(len, self.numbers))}, option=orjson.OPT_APPEND_NEWLINE)
        own = blake2b(first, digest_size=OWN)
        with replacing(path) as file:
            file.write(first)
            for numbers in self.numbers:
                own.update(numbers)
                file.write(numbers)
            file.write(own.digest())

    @classmethod
    def read(cls, path: Path, most: int) -> "Index | None":
        """That at a path; None where there is none, or none that is whole and about at most so many bytes."""
        if not is_large(most):
            return None
        try:
            content = path.read_bytes()
        except OSError:
            return None
        body = memoryview(content)[:-OWN]
        if blake2b(body, digest_size=OWN).digest() != content[-OWN:]:
            return None
        start = content.find(b"\n") + 1
        try:
            head = orjson.loads(content[:start])
            if head["format"] != _FORM or head["length"] > most:
                return None
            numbers = []
            for count in head["counts"]:
                numbers.append(array("q", body[start : start + WIDTH * count].tobytes()))
                start += WIDTH * count
            return cls(head["length"], head["digest"], head["facts"], numbers)
        except (ValueError, LookupError, TypeError):
            return None


class GrowingIndex:
    """The index of a file that only grows: about all of it up to some line, and written anew from time to time."""

    def __init__(self, path: Path) -> None:
        """Prepare for the file at `path`; nothing is read yet."""
        self._path = path
        self._lock = threading.Lock()
        self._digest, self._length = blake2b(digest_size=OWN), 0
        """The digest of so many first bytes."""
        self._written = self._size = 0
        """How many bytes of the file the index is about, and how many it has itself."""

    def read(self) -> Index | None:
        """The index, if the file still begins with the bytes that it was made of."""
        try:
            length = self._path.stat().st_size
        except OSError:
            return None
        index = Index.read(beside(self._path), length)
        if index is None or self._digest_to(index.length) != index.digest:
            self._digest, self._length = blake2b(digest_size=OWN), 0
            return None
        self._written = index.length
        self._size = sum(map(len, index.numbers)) * WIDTH
        return index

    def due(self, end: int, last: bool = False) -> bool:
        """Whether it is time to write it, with so many bytes in the file; `last`: the file will not grow soon."""
        grown = end - self._written
        return is_large(end) and grown >= (1 if last else max(LEAST, SELDOM * self._size))

    def write(self, end: int, facts: Mapping[str, Any], numbers: Sequence["array[int]"]) -> None:
        """Write what was found in the bytes up to `end`, a line's end. In any thread. Raises InputError."""
        with self._lock:
            if end > self._written:
                Index(end, self._digest_to(end), facts, numbers).write(beside(self._path))
                self._written, self._size = end, sum(map(len, numbers)) * WIDTH

    def _digest_to(self, end: int) -> str:
        """The digest of the file's bytes up to `end`, which is no earlier than the last time."""
        with open(self._path, "rb") as file:
            file.seek(self._length)
            while piece := file.read(min(PIECE, end - self._length)):
                self._digest.update(piece)
                self._length += len(piece)
        return self._digest.hexdigest() if self._length == end else ""


def beside(path: Path) -> Path:
    """Where the index of a file lies."""
    return path.with_name(f".{path.name}{ENDING}")


def is_large(length: int) -> bool:
    """Whether a file of so many bytes gets an index."""
    return length >= LEAST


def is_index(path: Path) -> bool:
    """Whether a file has the name of an index."""
    return path.name.startswith(".") and path.name.endswith(ENDING)


_FORM = [FORMAT, __version__, sys.byteorder]
