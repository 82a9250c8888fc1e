"""Downloads of files with a known digest: resumed where they stopped, checked when they are complete."""

import asyncio
import fcntl
from collections.abc import Callable
from pathlib import Path
from typing import IO, TYPE_CHECKING
from urllib.parse import urlsplit

from grace.errors import InputError, ModelFileError
from grace.files import sha256_of
from grace.models.registry import Network

if TYPE_CHECKING:
    import aiohttp

DownloadProgress = Callable[[int, int], None]
"""Called now and then with the number of bytes so far, and in all."""

RETRIES = 4
"""Further tries without a single new byte before giving up."""
PAUSE = 1.0
"""Seconds before the first of them; each later one waits twice as long."""
_CHUNK = 1 << 18


class AccessRefused(ModelFileError):
    """The server needs credentials, or has a certificate that is not trusted here."""


def fetch(url: str, part: Path, *, size: int, sha256: str, network: Network, progress: DownloadProgress) -> None:
    """Fetch a file into `part`, after the bytes that it holds already.

    Args:
        url: where it is, http or https.
        part: file to fill; the next call goes on from its end.
        size: the whole file's length in bytes.
        sha256: hex digest of the whole file. A file with another one is deleted.
        network: certificates and proxy.
        progress: called while bytes arrive.

    Raises:
        AccessRefused: the server needs credentials, or its certificate is not trusted.
        ModelFileError: the file cannot be fetched, or is not the expected one.
        InputError: `part` cannot be written.
    """
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        file = open(part, "ab")  # noqa: SIM115 - the next line closes it
    except OSError as error:
        raise InputError(f"{part}: cannot be written: {error.strerror}; GRACE_CACHE names another folder") from None
    try:
        with file:
            _lock(file, part)
            asyncio.run(_fill(url, file, size, network, progress))
    except OSError as error:
        raise ModelFileError(f"{part}: cannot be written: {error.strerror}") from None
    if sha256_of(part) != sha256:
        part.unlink()
        raise ModelFileError(
            f"{_shown(url)}: is not the expected file (its sha256 differs), so it was deleted; try once more, and "
            f"if it happens again, the mirror that pip uses holds another file"
        )


def _lock(file: IO[bytes], part: Path) -> None:
    """Lock the file: two downloads into it would mix their bytes. The lock ends with the process."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ModelFileError(f"{part}: another process is downloading it; wait for that one") from None
    except OSError:
        return  # some network file systems have no locks; the checksum still holds


async def _fill(url: str, file: IO[bytes], size: int, network: Network, progress: DownloadProgress) -> None:
    """Ask again until the file has its size, or no more bytes arrive."""
    import aiohttp

    if file.tell() > size:
        _empty(file)
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=30, sock_read=60)
    connector = aiohttp.TCPConnector(ssl=network.tls())
    async with aiohttp.ClientSession(
        connector=connector, proxy=network.proxy, timeout=timeout, trust_env=True
    ) as session:
        idle = 0
        while (start := file.tell()) < size:
            try:
                await _append(session, url, file, size, progress)
                why = "the connection was closed early"
            except (aiohttp.ClientConnectorCertificateError, aiohttp.ClientConnectorSSLError) as error:
                raise AccessRefused(f"{_shown(url)}: {error}") from None
            except (aiohttp.ClientError, TimeoutError) as error:
                why = str(error) or type(error).__name__
            idle = 0 if file.tell() > start else idle + 1
            if idle > RETRIES:
                raise ModelFileError(
                    f"{_shown(url)}: {why}; {file.tell():,} of {size:,} bytes are kept, and the same command "
                    f"continues from there"
                )
            if idle:
                await asyncio.sleep(PAUSE * 2 ** (idle - 1))


async def _append(
    session: "aiohttp.ClientSession", url: str, file: IO[bytes], size: int, progress: DownloadProgress
) -> None:
    """Ask once for the bytes that are missing, and append what comes."""
    start = file.tell()
    headers = {"Accept-Encoding": "identity"}  # so that byte offsets mean the same on both sides
    if start:
        headers["Range"] = f"bytes={start}-"
    async with session.get(url, headers=headers) as response:
        _check_status(url, response.status)
        if not response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
            _empty(file)
            if response.status == 206:
                return  # another part than the one asked for: ask for the whole file
        async for chunk in response.content.iter_chunked(_CHUNK):
            file.write(chunk)
            progress(min(file.tell(), size), size)
            if file.tell() > size:
                return  # too long: the checksum shows it


def _empty(file: IO[bytes]) -> None:
    file.truncate(0)
    file.seek(0)


def _check_status(url: str, status: int) -> None:
    if status in (200, 206):
        return
    if status in (401, 403, 407):
        raise AccessRefused(f"{_shown(url)}: answers {status}: it needs credentials")
    if status == 429 or status >= 500:
        import aiohttp

        raise aiohttp.ClientError(f"answers {status}")
    raise ModelFileError(f"{_shown(url)}: answers {status}; is the mirror that pip uses up to date?")


def _shown(url: str) -> str:
    """The URL for messages: without credentials and query."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}{parts.path}"
