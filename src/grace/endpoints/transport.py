"""The transport: one HTTP exchange, and nothing else. Tests replace it with one of their own."""

import ipaddress
import os
import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from grace.errors import InputError
from grace.text import one_line

if TYPE_CHECKING:  # a quarter of a second, which what asks no server does not pay
    import aiohttp

TOO_LONG = "too long"
"""The kind of a reply with more than MOST_BYTES, which no further try would shorten."""
MOST_BYTES = 64 << 20
"""Bytes that a reply may have, unpacked."""


@dataclass(frozen=True)
class Reply:
    """A server's reply; names of headers are in lower case."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


class NoReply(Exception):
    """The exchange ended before the whole reply arrived; `kind` is "timeout", "connection" or "too long"."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Transport(Protocol):
    """Sends one request to a server and returns its whole reply, or raises NoReply."""

    async def send(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes | None, timeout: float
    ) -> Reply:
        """Send one request; `timeout` is in seconds and covers the whole exchange."""

    async def close(self) -> None:
        """Close all connections."""


class AiohttpTransport:
    """HTTP over aiohttp, with a connection for each open request, and no reply longer than MOST_BYTES."""

    def __init__(self, base_url: str) -> None:
        import aiohttp

        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            proxy=proxy_of(base_url),
            trust_env=False,  # which would also send the passwords of ~/.netrc
            auto_decompress=False,
            headers={"Accept-Encoding": "gzip, deflate"},
        )

    async def send(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes | None, timeout: float
    ) -> Reply:
        """Send one request and read the reply to its end."""
        import aiohttp

        limits = aiohttp.ClientTimeout(total=timeout, sock_connect=min(timeout, 15))
        try:
            async with self._session.request(
                method, url, headers=headers, data=body, timeout=limits, allow_redirects=False
            ) as response:
                content = await _whole(response)
                return Reply(response.status, content, {k.lower(): v for k, v in response.headers.items()})
        except TimeoutError:
            raise NoReply("timeout", f"no answer within {timeout:g} s") from None
        except aiohttp.ClientConnectorError as error:
            number = error.os_error.errno
            why = os.strerror(number) if number and number > 0 else error.os_error
            raise NoReply("connection", f"cannot connect: {why}") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise NoReply("connection", str(error) or type(error).__name__) from None

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()


async def _whole(response: "aiohttp.ClientResponse") -> bytes:
    """The body of a reply, read in pieces and unpacked as far as MOST_BYTES. Raises NoReply."""
    packed = response.headers.get("Content-Encoding", "identity").strip().lower()
    if packed == "identity" and 0 <= (response.content_length or -1) <= MOST_BYTES:
        return await response.read()
    unpack: Callable[[bytes], bytes] = bytes
    if packed != "identity":
        unpack = _unpacking(packed)
    parts, size = [], 0
    async for piece in response.content.iter_any():
        parts.append(unpack(piece))
        size += len(parts[-1])
        if size > MOST_BYTES:
            response.close()
            raise NoReply(TOO_LONG, f"the reply is longer than {MOST_BYTES >> 20} MB")
    return b"".join(parts)


def _unpacking(packed: str) -> Callable[[bytes], bytes]:
    """What unpacks the pieces of a body, each to one byte more than is allowed at most. Raises NoReply."""
    if packed not in ("gzip", "x-gzip", "deflate"):
        raise NoReply("connection", f"the reply is packed in an unknown way ({one_line(packed)[:40]})")
    stream = zlib.decompressobj(zlib.MAX_WBITS | 32)  # gzip or zlib, as it begins
    begun = False

    def unpack(piece: bytes) -> bytes:
        nonlocal stream, begun
        try:
            unpacked = stream.decompress(piece, MOST_BYTES + 1)
        except zlib.error:
            if begun or packed != "deflate":
                raise NoReply("connection", f"the reply is not packed as it says ({packed})") from None
            stream = zlib.decompressobj(-zlib.MAX_WBITS)  # some servers send it without zlib's header
            try:
                unpacked = stream.decompress(piece, MOST_BYTES + 1)
            except zlib.error:
                raise NoReply("connection", f"the reply is not packed as it says ({packed})") from None
        begun = True
        return unpacked

    return unpack


def check_url(url: str, option: str) -> None:
    """Raise InputError unless `url` is a server's address; the message has its option, but no user or password."""
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        good = good and not parts.query and not parts.fragment
    except ValueError:
        good = False
    if not good:
        shown = re.split(r"[?#]", url)[0].rpartition("@")[2]
        raise InputError(f"{option} {shown}: is not the address of a server, as http://localhost:8000")


def is_loopback(url: str) -> bool:
    """Whether the URL's host is this machine."""
    host = (urlsplit(url).hostname or "").removesuffix(".")
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
    own = getattr(address, "ipv4_mapped", None) or address
    return own.is_loopback or own.is_unspecified


def proxy_of(url: str) -> str | None:
    """The proxy that the environment names for a server elsewhere (HTTPS_PROXY, NO_PROXY); None where it names none.

    Most proxies cannot reach this machine's loopback, and none has to see what is sent there.
    """
    from urllib.request import getproxies_environment, proxy_bypass

    parts = urlsplit(url)
    if is_loopback(url) or proxy_bypass(parts.netloc.rpartition("@")[2]):
        return None
    return getproxies_environment().get(parts.scheme)
