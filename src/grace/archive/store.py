"""Where an archive lies: a folder of this machine, or a prefix of an S3 bucket; both are read and written in pieces."""

import os
import re
import stat
import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from grace.archive.bag import NO_LETTERS
from grace.errors import EndpointError, InputError
from grace.extras import check_installed
from grace.files import holding, meant_by, replacing
from grace.text import printable, shortened

if TYPE_CHECKING:
    from obstore.store import S3Store

PIECE = 1 << 23
"""Bytes that are read or sent at once."""
S3 = "s3://"
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
MOST_TEXT = 1 << 28
"""Bytes of a manifest: two million files."""
ORDINARY, LINK, SPECIAL, EMPTY = "a file", "a link", "a special file", "an empty folder"


class Store(ABC):
    """Files by name, with `/` between the parts of a name."""

    title: str
    """What messages call it."""

    @abstractmethod
    def sizes(self) -> Mapping[str, int]:
        """The bytes of every file. Raises InputError, EndpointError."""

    @abstractmethod
    def irregular(self) -> Mapping[str, str]:
        """What is there and is no ordinary file, by its name: a link, a special file or an empty folder."""

    @abstractmethod
    def pieces(self, name: str) -> Iterator[bytes]:
        """The content of a file. Raises InputError where it cannot be read, EndpointError."""

    @abstractmethod
    def put(self, name: str, pieces: Iterator[bytes]) -> None:
        """Write a file; it is there as a whole or not at all. Raises InputError, EndpointError."""

    @abstractmethod
    def sweep(self, names: Collection[str]) -> None:
        """Remove what a killed writer of these files left. Raises InputError."""

    def content(self, name: str) -> bytes:
        """The content of a text file. Raises InputError where it has more than MOST_TEXT bytes, or cannot be read."""
        content = b""
        for piece in self.pieces(name):
            content += piece
            if len(content) > MOST_TEXT:
                raise InputError(
                    f"{self.title}/{name}: is larger than {MOST_TEXT:,} bytes; this is not an archive of Grace"
                )
        return content


def store_at(place: str) -> Store:
    """The store at a path or at `s3://BUCKET/PREFIX`. Raises InputError for other forms, or without obstore."""
    if place.startswith(S3):
        bucket, _, prefix = place.removeprefix(S3).removesuffix("/").partition("/")
        if not _BUCKET.fullmatch(bucket):
            raise InputError(f"{place}: has no name of a bucket; write s3://BUCKET/PREFIX")
        if prefix and {"", ".", ".."} & set(prefix.split("/")):
            raise InputError(f"{place}: has an empty part, or one of full stops; write s3://BUCKET/PREFIX")
        if any(unicodedata.category(letter) in NO_LETTERS for letter in prefix):
            raise InputError(f"{place!r}: holds a character that no name may have; write s3://BUCKET/PREFIX")
        return BucketStore(bucket, prefix)
    if "://" in place or place.lower().startswith("s3:"):
        raise InputError(f"{place}: an archive lies in a folder or at s3://BUCKET/PREFIX")
    return FolderStore(Path(place))


def name_of(place: str) -> str:
    """What an archive at a place is called: the last part of its path."""
    return place.rstrip("/").rsplit("/", 1)[-1] if place.startswith(S3) else Path(place).resolve().name


class FolderStore(Store):
    """A folder of this machine."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.title = folder, str(folder)

    def sizes(self) -> Mapping[str, int]:
        """The bytes of every ordinary file."""
        return {name: size for name, kind, size in self._entries() if kind == ORDINARY}

    def irregular(self) -> Mapping[str, str]:
        """Links, special files, and folders without anything in them."""
        return {name: kind for name, kind, _ in self._entries() if kind != ORDINARY}

    def _entries(self) -> Iterator[tuple[str, str, int]]:
        if self.folder.exists() and not self.folder.is_dir():
            raise InputError(f"{self.folder}: is not a folder")

        def fail(error: OSError) -> None:
            raise InputError(f"{error.filename}: cannot be read: {error.strerror}")

        for folder, folders, files in os.walk(self.folder, onerror=fail if self.folder.exists() else None):
            if not folders and not files and Path(folder) != self.folder:
                yield Path(folder).relative_to(self.folder).as_posix(), EMPTY, 0
            for name in sorted((*files, *(each for each in folders if Path(folder, each).is_symlink()))):
                path = Path(folder, name)
                facts = path.lstat()
                kind = LINK if stat.S_ISLNK(facts.st_mode) else ORDINARY if stat.S_ISREG(facts.st_mode) else SPECIAL
                yield path.relative_to(self.folder).as_posix(), kind, facts.st_size

    def pieces(self, name: str) -> Iterator[bytes]:
        """The content of a file."""
        yield from pieces_of(self.folder / name)

    def sweep(self, names: Collection[str]) -> None:
        """Remove half-written files."""
        for path in (self.folder / name for name, kind, _ in list(self._entries()) if kind == ORDINARY):
            meant = meant_by(path)
            if meant and meant.relative_to(self.folder).as_posix() in names:
                try:
                    path.unlink()
                except OSError as error:
                    raise InputError(f"{path}: cannot be removed: {error.strerror}") from None

    def put(self, name: str, pieces: Iterator[bytes]) -> None:
        """Write a file."""
        path = self.folder / name
        with holding(path.parent), replacing(path) as file:  # an archive has runs in it
            for piece in pieces:
                file.write(piece)


class BucketStore(Store):
    """A prefix of an S3 bucket. The endpoint and the credentials come from the environment, as for other S3 tools."""

    def __init__(self, bucket: str, prefix: str) -> None:
        self.bucket, self.prefix = bucket, prefix
        self.title = f"{S3}{bucket}/{prefix}".rstrip("/")
        check_installed(f"{self.title}: S3 needs", ["obstore"], "s3")

    @cached_property
    def _client(self) -> "S3Store":
        from obstore.store import S3Store

        plain = os.environ.get("AWS_ENDPOINT_URL", os.environ.get("AWS_ENDPOINT", "")).startswith("http://")
        options = {"allow_http": True} if plain else {}
        return S3Store(self.bucket, prefix=self.prefix or None, client_options={"timeout": "120s", **options})  # type: ignore[arg-type]

    def sizes(self) -> Mapping[str, int]:
        """The bytes of every object."""
        import obstore

        with _refusals(self.title):
            return {entry["path"]: entry["size"] for page in obstore.list(self._client) for entry in page}

    def irregular(self) -> Mapping[str, str]:
        """Nothing: a bucket has objects alone."""
        return {}

    def pieces(self, name: str) -> Iterator[bytes]:
        """The content of an object."""
        import obstore

        with _refusals(f"{self.title}/{name}"):
            for piece in obstore.get(self._client, name).stream(min_chunk_size=PIECE):
                yield bytes(piece)

    def sweep(self, names: Collection[str]) -> None:
        """Nothing: an object is there as a whole, or not at all."""

    def put(self, name: str, pieces: Iterator[bytes]) -> None:
        """Write an object, in parts where it is large."""
        import obstore

        with _refusals(f"{self.title}/{name}"):
            obstore.put(self._client, name, pieces, chunk_size=PIECE, max_concurrency=4)


@contextmanager
def _refusals(what: str) -> Iterator[None]:
    """The errors of a bucket as ours."""
    from obstore.exceptions import BaseError, NotFoundError

    try:
        yield
    except (NotFoundError, FileNotFoundError):
        raise InputError(f"{what}: is not there") from None
    except BaseError as error:
        first = shortened(printable(str(error).strip().splitlines()[0]), 300)
        raise EndpointError(
            f"{what}: {first}; check AWS_ENDPOINT_URL, AWS_REGION and the credentials in the environment"
        ) from None


def digest_of(pieces: Iterator[bytes]) -> str:
    """SHA-256 of a content that comes in pieces."""
    digest = sha256()
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()


def pieces_of(path: Path) -> Iterator[bytes]:
    """The content of a file on this machine, in pieces. Raises InputError."""
    try:
        with open(path, "rb") as file:
            while piece := file.read(PIECE):
                yield piece
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
