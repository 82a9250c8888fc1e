"""The client of one endpoint: JSON requests, retried when that can help, with every failure told apart.

A rate limit is not a failure: the server will answer later, so waiting for it uses up patience, not retries. After a
transient fault (no reply, 5xx, a body that is not JSON) the request is tried again a few times with full jitter.
Anything else would fail in the same way again and is not repeated.
"""

import asyncio
import math
import random
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import orjson

from grace.endpoints.redaction import Redaction
from grace.endpoints.transport import TOO_LONG, NoReply, Reply, Transport
from grace.text import one_line

TRANSIENT = frozenset({408, 425, 500, 502, 503, 504, 529})
PATIENCE = 900.0
"""Seconds in all that one request waits for a server that answers 429."""
SHORTEST_PAUSE = 0.1
"""The fewest seconds between two tries, even when the server asks for none: one that repeats that is overloaded."""
LONGEST_PAUSE = 60.0


class RequestFailed(Exception):
    """A request got no usable answer.

    Attributes:
        kind: groups failures of one cause: "http 500", "timeout", "connection", "garbage".
        status: the last HTTP status, None without a reply.
        attempts: how often the request was sent.
    """

    def __init__(self, kind: str, message: str, *, status: int | None = None, attempts: int = 1) -> None:
        super().__init__(message)
        self.kind, self.status, self.attempts = kind, status, attempts


@dataclass(frozen=True)
class Exchange:
    """A request that was answered: the reply's JSON, the time its last attempt took, and how many it needed."""

    data: dict[str, Any]
    milliseconds: float
    attempts: int


class Client:
    """Asks one endpoint."""

    def __init__(
        self,
        transport: Transport,
        url: str,
        *,
        api_key: str | None = None,
        timeout: float = 300.0,
        max_retries: int = 5,
        patience: float = PATIENCE,
        on_push_back: Callable[[float], None] = lambda seconds: None,
        on_fault: Callable[[str], None] = lambda message: None,
    ) -> None:
        """Make a client of the server at `url`.

        `timeout` is in seconds and for one attempt, `patience` in seconds and for all waiting at a rate limit.
        """
        self.url = base_url(url)
        self.timeout = timeout
        self.max_retries = max_retries
        self.patience = patience
        self.on_push_back = on_push_back
        self.on_fault = on_fault
        self.losses = 0
        """How many connections were lost or refused: the server may be another one since."""
        self._transport = transport
        self._stopped = asyncio.Event()
        self.redaction = Redaction(url, api_key)
        self._headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if api_key:
            self._headers["Authorization"] = f"Bearer {api_key}"

    @property
    def shown_url(self) -> str:
        """The URL without user and password, for messages and manifests."""
        return without_userinfo(self.url)

    async def get(self, path: str) -> Reply:
        """One GET, not retried. Raises RequestFailed when there is no reply at all."""
        return await self._send("GET", path, None)

    async def get_object(self, path: str) -> dict[str, Any]:
        """One GET of a JSON object, not retried. Raises RequestFailed for anything else."""
        return self._read(await self.get(path))

    async def post_once(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """One POST, not retried. Raises RequestFailed for anything but a JSON object with status 200."""
        return self._read(await self._send("POST", path, orjson.dumps(body)))

    async def post(self, path: str, body: Mapping[str, Any]) -> Exchange:
        """A POST, retried while that can help. Raises RequestFailed."""
        payload = orjson.dumps(body)
        attempts = faults = 0
        waited = 0.0
        while True:
            attempts += 1
            started = time.perf_counter()
            reply: Reply | None = None
            try:
                reply = await self._send("POST", path, payload)
                data = self._read(reply)
                return Exchange(data, (time.perf_counter() - started) * 1000, attempts)
            except RequestFailed as error:
                failure = error
            failure.attempts = attempts
            retry_after = _retry_after(reply)
            if failure.kind == "http 429":
                pause = _backoff(attempts) if retry_after is None else retry_after
                if waited + pause > self.patience:
                    raise failure
                waited += pause
                self.on_push_back(pause)
            else:
                if failure.kind == TOO_LONG or (failure.status is not None and failure.status not in TRANSIENT):
                    raise failure
                faults += 1
                if faults > self.max_retries or (retry_after or 0) > PATIENCE:
                    raise failure
                pause = _backoff(faults) if retry_after is None else retry_after
                if failure.status == 503:
                    self.on_push_back(pause)
            self.on_fault(f"{failure.kind}: {failure}")
            # Requests that were refused together must not come back together.
            await _wait(self._stopped, pause + random.uniform(0, 0.1 * pause))
            if self._stopped.is_set():
                raise failure

    def stop(self) -> None:
        """Retry nothing more: requests that wait for their next try fail with their last failure."""
        self._stopped.set()

    async def _send(self, method: str, path: str, body: bytes | None) -> Reply:
        try:
            reply = await self._transport.send(
                method, self.url + path, headers=self._headers, body=body, timeout=self.timeout
            )
            clean = self.redaction.body(reply.body)
            return reply if clean is reply.body else replace(reply, body=clean)
        except NoReply as error:
            self.losses += error.kind == "connection"
            raise RequestFailed(error.kind, self.clean(str(error))) from None

    def _read(self, reply: Reply) -> dict[str, Any]:
        try:
            data = orjson.loads(reply.body)
        except orjson.JSONDecodeError:
            data = None
        if reply.status != 200:
            kind = f"http {reply.status}"
            error = data.get("error") if isinstance(data, dict) else None
            if reply.status == 429 and isinstance(error, dict) and error.get("code") == "insufficient_quota":
                kind = "quota"
            raise RequestFailed(kind, self.clean(_error_text(data, reply.body)), status=reply.status)
        if not isinstance(data, dict):
            text = reply.body.decode(errors="replace")
            raise RequestFailed("garbage", self.clean(f"the body is not a JSON object: {text or '(nothing)'}"))
        return data

    def clean(self, text: str) -> str:
        """One printable line of a message, with secrets taken out before it is cut."""
        text = one_line(self.redaction.text(text))
        return text if len(text) <= 300 else text[:297] + "..."


async def _wait(event: asyncio.Event, seconds: float) -> None:
    """Wait for the event, for so many seconds at most."""
    with suppress(TimeoutError):
        await asyncio.wait_for(event.wait(), seconds)


def base_url(url: str) -> str:
    """The server's root: users paste the address with `/v1`, or the full address of a request."""
    return url.rstrip("/").removesuffix("/chat/completions").removesuffix("/v1")


def without_userinfo(url: str) -> str:
    """The URL without user and password."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _error_text(data: Any, body: bytes) -> str:
    """What a server says went wrong, in any of the forms that servers use."""
    if isinstance(data, dict):
        inner = data.get("error", data.get("detail", data.get("message")))
        if isinstance(inner, dict):
            inner = inner.get("message")
        if inner:
            return str(inner)
    return body.decode(errors="replace") or "(no text)"


def _backoff(tries: int) -> float:
    """Full jitter: a random time up to a limit that doubles with each try, in seconds."""
    return random.uniform(0.1, min(LONGEST_PAUSE, 0.5 * 2.0 ** min(tries, 10)))


def _retry_after(reply: Reply | None) -> float | None:
    """The Retry-After header in seconds, given as a number or as a date; None when absent or unreadable."""
    value = reply.headers.get("retry-after") if reply else None
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        try:
            date = parsedate_to_datetime(value)
            seconds = date.replace(tzinfo=date.tzinfo or UTC).timestamp() - time.time()
        except (ValueError, OverflowError):
            return None
    return max(SHORTEST_PAUSE, seconds) if math.isfinite(seconds) else None
