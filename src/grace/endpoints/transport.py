"""The transport: one HTTP exchange, and nothing else. Tests replace it with one of their own."""

import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import urlsplit

import aiohttp

from grace.errors import InputError


@dataclass(frozen=True)
class Reply:
    """A server's reply; names of headers are in lower case."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


class NoReply(Exception):
    """The exchange ended before the whole reply arrived; `kind` is "timeout" or "connection"."""

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
    """HTTP over aiohttp, with a connection for each open request."""

    def __init__(self, base_url: str) -> None:
        # Proxies from the environment are for servers elsewhere; most proxies cannot reach this machine's loopback.
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), trust_env=not is_loopback(base_url)
        )

    async def send(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes | None, timeout: float
    ) -> Reply:
        """Send one request and read the reply to its end."""
        limits = aiohttp.ClientTimeout(total=timeout, sock_connect=min(timeout, 15))
        try:
            async with self._session.request(
                method, url, headers=headers, data=body, timeout=limits, allow_redirects=False
            ) as response:
                content = await response.read()
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
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
