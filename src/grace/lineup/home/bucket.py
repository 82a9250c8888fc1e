"""An S3 bucket between a cluster and this machine: pieces of files under their digests, and a listing that names them.

A piece never changes, as its name is its digest. So what is there is not sent again, a ledger that grows costs its last
piece, a cut costs one piece, and whoever reads an older listing reads the files as they were.
"""

import configparser
import io
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from grace.errors import ClusterError, InputError, Refused
from grace.lineup.home import beside
from grace.lineup.home.fetch import LISTINGS, FileChanged
from grace.lineup.home.listing import MOST_BYTES, HostileListing, Remote, RemoteFile, Take, parsed_listing
from grace.progress import Progress
from grace.project_file import BucketSettings
from grace.text import one_line, shortened

if TYPE_CHECKING:
    from obstore.store import S3Config, S3Store

KEY, SECRET, SESSION = "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"
PIECES, LISTING = "pieces", "listing.jsonl"
_DIGEST = re.compile("[0-9a-f]{64}")
REQUEST_SECONDS = 120
"""The longest that one request may take; it carries a piece at most."""
TRIES = 3
"""Of a request that finds nobody, or is told to come again; obstore's own."""


@dataclass(frozen=True)
class BucketKeys:
    """What a bucket asks for; nothing of it is ever shown."""

    key: str = field(repr=False)
    secret: str = field(repr=False)
    session: str = field(default="", repr=False)

    @classmethod
    def read(cls) -> "BucketKeys":
        """From the environment, or the file that S3's own clients read. Raises InputError without both."""
        if os.environ.get(KEY) and os.environ.get(SECRET):
            return cls(os.environ[KEY], os.environ[SECRET], os.environ.get(SESSION, ""))
        path = Path(os.environ.get("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials")).expanduser()
        profile = os.environ.get("AWS_PROFILE", "default")
        parser = configparser.RawConfigParser()
        try:
            parser.read(path, encoding="utf-8")
            section = parser[profile]
            return cls(section[KEY.lower()], section[SECRET.lower()], section.get(SESSION.lower(), ""))
        except (configparser.Error, KeyError, UnicodeDecodeError):
            raise InputError(
                f"the bucket needs {KEY} and {SECRET} in the environment, or the profile {profile} in {path}"
            ) from None

    @property
    def variables(self) -> dict[str, str]:
        """As the environment has them."""
        return {KEY: self.key, SECRET: self.secret, **({SESSION: self.session} if self.session else {})}


@dataclass(frozen=True)
class BucketPlace:
    """A place in a bucket: all below a prefix."""

    settings: BucketSettings
    place: str
    store: "S3Store" = field(repr=False)

    @property
    def title(self) -> str:
        """For messages."""
        return f"{self.settings.url.rstrip('/')}/{self.place}".rstrip("/")

    def path(self, *parts: str) -> str:
        """The name of an object in the bucket."""
        return "/".join(part for part in (self.settings.prefix, self.place, *parts) if part)

    def pieces(self) -> set[str]:
        """The digests of the pieces that are there. Raises as `answering`."""
        from obstore import list as listed

        with self.answering("list"):
            found = [str(each["path"]) for page in listed(self.store, self.path(PIECES)) for each in page]
        return {name for path in found if _DIGEST.fullmatch(name := path.rpartition("/")[2])}

    def write(self, content: bytes, *parts: str) -> None:
        """Write an object. Raises as `answering`."""
        from obstore import put

        with self.answering("write"):
            put(self.store, self.path(*parts), content, use_multipart=False)

    def clear(self) -> None:
        """Remove all that `upload` has written. Raises as `answering`."""
        pieces = [self.path(PIECES, digest) for digest in sorted(self.pieces())]
        self.remove(*pieces, self.path(LISTING))

    def remove(self, *paths: str) -> None:
        """Remove objects by their names in the bucket. Raises as `answering`."""
        from obstore import delete

        with self.answering("remove"):
            delete(self.store, list(paths))

    @contextmanager
    def answering(self, what: str) -> Iterator[None]:
        """What a bucket says, in words. Raises Refused, FileChanged (it is not there), ClusterError."""
        from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError

        try:
            yield
        except FileNotFoundError:
            raise FileChanged(f"{self.title}: what was listed is not there any more") from None
        except (PermissionDeniedError, UnauthenticatedError) as error:
            raise Refused(f"{self.title}: refuses to {what} ({_said(error)}); check {KEY} and {SECRET}") from None
        except (BaseError, OSError, ValueError) as error:
            raise ClusterError(f"{self.title}: cannot {what}: {_said(error)}") from None


def bucket_place(settings: BucketSettings, place: str, *, inside: bool = False) -> BucketPlace:
    """A place in the bucket that a project names.

    Args:
        settings: of the project.
        place: below the prefix: a lineup, or a model of it.
        inside: this is a pod, which may know the bucket by another address.

    Raises:
        InputError: there are no keys, or obstore is not installed.
    """
    try:
        from obstore.store import S3Store
    except ImportError:
        raise InputError(
            "a bucket needs the package obstore, which is not installed: pip install 'grace-experiments[s3]'"
        ) from None
    keys = BucketKeys.read()
    endpoint = (settings.inside if inside else None) or settings.endpoint
    config: S3Config = {
        "region": settings.region,
        "access_key_id": keys.key,
        "secret_access_key": keys.secret,
    }
    if keys.session:
        config["session_token"] = keys.session
    if endpoint:
        config["endpoint"] = endpoint
    store = S3Store(
        settings.bucket,
        config=config,
        client_options={
            "allow_http": bool(endpoint and endpoint.startswith("http://")),
            "timeout": f"{REQUEST_SECONDS} seconds",
        },
        retry_config={"max_retries": TRIES, "retry_timeout": timedelta(seconds=REQUEST_SECONDS)},
    )
    return BucketPlace(settings, place, store)


def place_names(settings: BucketSettings, place: str) -> list[str]:
    """What was brought below a place, by `upload`. Raises as `BucketPlace.answering`."""
    from obstore import list_with_delimiter

    whole = bucket_place(settings, place)
    with whole.answering("list"):
        found = list_with_delimiter(whole.store, whole.path())["common_prefixes"]
    return sorted(path.rstrip("/").rpartition("/")[2] for path in found)


def upload(folder: Path, place: BucketPlace, progress: Progress) -> tuple[RemoteFile, ...]:
    """Bring the files of a folder to a bucket, as they are now; it runs where the data is.

    The listing is written last, when all pieces that it names are there; pieces that no file has any more go then.

    Raises:
        HostileListing: the folder holds links.
        Refused, ClusterError: the bucket does not take them; or files changed at each of LISTINGS times.
    """
    for _ in range(LISTINGS):
        text = io.BytesIO()
        beside.list_files(folder, text)
        files = parsed_listing(str(folder), text.getvalue().splitlines())
        there = place.pieces()
        missing = {digest: (file, number) for file in files for number, digest in enumerate(file.pieces)}
        missing = {digest: where for digest, where in missing.items() if digest not in there}
        progress.begin(sum(_length(*where) for where in missing.values()), 0, "bytes")
        if all(_upload_piece(folder, *where, place, progress) for where in missing.values()):
            place.write(text.getvalue(), LISTING)
            stale = there - {digest for file in files for digest in file.pieces}
            if stale:
                place.remove(*(place.path(PIECES, digest) for digest in sorted(stale)))
            return files
    raise ClusterError(f"{folder}: changed at each of {LISTINGS} readings; try again when what writes it has ended")


def _length(file: RemoteFile, number: int) -> int:
    start, end = file.piece(number)
    return end - start


def _upload_piece(folder: Path, file: RemoteFile, number: int, place: BucketPlace, progress: Progress) -> bool:
    """Bring one piece there; False when it is another one now."""
    content = io.BytesIO()
    try:
        beside.read_part(folder, file.name, file.piece(number)[0], _length(file, number), content)
    except OSError:
        return False
    if sha256(content.getvalue()).hexdigest() != file.pieces[number]:
        return False
    place.write(content.getvalue(), PIECES, file.pieces[number])
    progress.advance(False, _length(file, number))
    return True


class BucketRemote(Remote):
    """What was brought to a bucket, as a remote."""

    def __init__(self, place: BucketPlace) -> None:
        self._place, self.title = place, place.title

    def listing(self) -> tuple[RemoteFile, ...]:
        """The listing that was written last; none when nothing was."""
        content = bytearray()
        try:
            self._get(LISTING, take=content.extend)
        except FileChanged:
            return ()
        return parsed_listing(self.title, bytes(content).splitlines())

    def read(self, file: RemoteFile, start: int, length: int, take: Take) -> None:
        """Hand over pieces as they come."""
        position, end = start, start + length
        while position < end:
            number = position // beside.PIECE
            first, last = file.piece(number)
            wanted = _Wanted(position - first, min(last, end) - position, take)
            self._get(PIECES, file.pieces[number], take=wanted.take)
            position = min(last, end)

    def _get(self, *parts: str, take: Take) -> None:
        from obstore import get

        size = 0
        with self._place.answering("read"):
            reply = get(self._place.store, self._place.path(*parts))
            for chunk in reply.stream(min_chunk_size=beside.CHUNK):
                content = bytes(chunk)
                size += len(content)
                if size > MOST_BYTES:
                    raise HostileListing(self.title, f"an object is longer than {MOST_BYTES} bytes")
                take(content)


@dataclass
class _Wanted:
    """The wanted part of an object that comes as a whole.

    Ranges are not asked for: rclone answers them with a status that obstore does not take, and a piece is small.
    """

    skip: int
    length: int
    take_on: Take

    def take(self, content: bytes) -> None:
        """Hand over what is wanted of it."""
        content, self.skip = content[self.skip :], max(0, self.skip - len(content))
        content = content[: self.length]
        self.length -= len(content)
        if content:
            self.take_on(content)


def _said(error: Exception) -> str:
    """The first line of what obstore says; the others repeat it for developers."""
    return shortened(one_line(str(error).partition("\n")[0]), 300)
