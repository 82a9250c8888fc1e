"""A local page: what serves it, for this machine's browser only, and lets nobody else in.

Every request needs a random token. It follows the "#" of the address, which browsers keep to themselves, and
is sent in a header of every request, which no other site's page can do. The Host header must be this machine's name: a
foreign name that leads here (DNS rebinding) is refused. The page may load nothing from elsewhere and run no inline
script.
"""

import asyncio
import hmac
import logging
import os
import secrets
import signal
import traceback
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from importlib import resources
from typing import Any, ClassVar

import orjson
from aiohttp import web

from grace.errors import GraceError, InputError

HOST = "127.0.0.1"
TOKEN_HEADER = "X-Grace-Token"  # noqa: S105 - the header's name
MOST_BYTES = 64 * 1024
"""Bytes of a request's body; a decision takes a few hundred."""
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Signals that end a page as its button does, unless they are ignored, as under nohup."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
PageFiles = Mapping[str, tuple[str, str]]
"""The bare page, which holds no data and needs no token: by address, the file's name and its kind."""


class Unfit(Exception):
    """A request that cannot be granted; nothing was done. `fields` says what is wrong with which field."""

    def __init__(self, message: str, fields: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.fields = dict(fields or {})


class Outdated(Exception):
    """The page showed something that is no longer so; `row` is what it should show now."""

    def __init__(self, message: str, row: Mapping[str, Any]) -> None:
        super().__init__(message)
        self.row = row


class Door:
    """Who may use the page.

    Attributes:
        token: admits as long as the server runs.
        ticket: admits once. A browser is started with it, since everybody on the machine can read a program's
            arguments; after the browser has opened the page, the ticket is of no use.
    """

    def __init__(self) -> None:
        self.token = secrets.token_urlsafe(32)
        self.ticket = secrets.token_urlsafe(32)

    def admits(self, given: str) -> bool:
        """Whether this is the token."""
        return _are_equal(given, self.token)

    def enter(self, given: str) -> bool:
        """Whether this is the token, or the ticket, which counts once."""
        if self.ticket and _are_equal(given, self.ticket):
            self.ticket = ""
            return True
        return self.admits(given)


def _are_equal(given: str, secret: str) -> bool:
    """Compare in a time that does not depend on the texts."""
    return hmac.compare_digest(given.encode(errors="surrogateescape"), secret.encode())


class LocalServer(ABC):
    """Serves a page and answers its requests.

    Attributes:
        door: holds the token.
        finished: set when the page asks to end.
    """

    command: ClassVar[str]
    """The command that serves the page, for messages."""
    page: ClassVar[PageFiles]

    def __init__(self) -> None:
        self.door = Door()
        self.finished = asyncio.Event()
        self._hosts: frozenset[str] = frozenset()

    @abstractmethod
    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Add the page's own requests, below /api/; all of them need the token."""

    async def serve(self, port: int, opened: Callable[[str, str], None]) -> None:
        """Serve the page until it is finished or a signal ends it.

        `opened` is called with its address and with one that opens it once. Raises InputError, as `running`.
        """
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                loop.add_signal_handler(number, self.finished.set)
        async with self.running(port) as url:
            await asyncio.to_thread(opened, f"{url}#{self.door.token}", f"{url}#{self.door.ticket}")
            await self.finished.wait()

    @asynccontextmanager
    async def running(self, port: int) -> AsyncIterator[str]:
        """Listen at a port of this machine's loopback (0: any free one) while the block runs, and give the address.

        Raises InputError when the port cannot be used.
        """
        runner = web.AppRunner(self._app(), access_log=None, logger=_silent(), shutdown_timeout=2.0)
        await runner.setup()
        try:
            site = web.TCPSite(runner, HOST, port)
            try:
                await site.start()
            except OSError as error:
                raise InputError(
                    f"port {port} of {HOST} cannot be used: {error.strerror}; choose another with --port "
                    "(0 finds a free one)"
                ) from None
            port = int(runner.addresses[0][1])
            self._hosts = frozenset({f"{HOST}:{port}", f"localhost:{port}"})
            yield f"http://{HOST}:{port}/"
        finally:
            await runner.cleanup()

    def _app(self) -> web.Application:
        app = web.Application(middlewares=[self._guard], client_max_size=MOST_BYTES)
        app.on_response_prepare.append(_harden)
        for path in self.page:
            app.router.add_get(path, self._page)
        app.router.add_post("/api/enter", self._enter)
        self.add_routes(app.router)
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Refuse requests of others, and give every failure as JSON."""
        try:
            if request.headers.get("Host", "").lower() not in self._hosts:
                return problem(403, "this address is only for 127.0.0.1 and localhost, with its own port")
            if request.path not in self.page and not self._is_admitted(request):
                return problem(401, f"the token is missing or wrong; open the address that `{self.command}` printed")
            if request.method == "POST" and request.content_type != "application/json":
                return problem(415, "the body must be application/json")
            return await handler(request)
        except web.HTTPRequestEntityTooLarge:
            return problem(413, f"the body is larger than {MOST_BYTES} bytes")
        except web.HTTPException as error:
            return problem(error.status, error.reason)
        except Unfit as error:
            return problem(422, str(error), fields=error.fields)
        except Outdated as error:
            return problem(409, str(error), row=error.row)
        except GraceError as error:
            return problem(500, str(error))
        except Exception as error:
            if os.environ.get("GRACE_DEBUG"):
                traceback.print_exc()
            return problem(500, f"{type(error).__name__}: {error}. This is a defect of Grace")

    def _is_admitted(self, request: web.Request) -> bool:
        given = request.headers.get(TOKEN_HEADER, "")
        return request.path == "/api/enter" or self.door.admits(given)

    async def _enter(self, request: web.Request) -> web.Response:
        """Give the token in exchange for the token or the ticket."""
        if not self.door.enter(request.headers.get(TOKEN_HEADER, "")):
            return problem(401, f"the token is wrong or was used up; open the address that `{self.command}` printed")
        return reply({"token": self.door.token})

    async def _page(self, request: web.Request) -> web.Response:
        name, kind = self.page[request.path]
        content = resources.files("grace.review").joinpath(name).read_bytes()
        return web.Response(body=content, content_type=kind, charset="utf-8")


async def body_of(request: web.Request) -> dict[str, Any]:
    """The object in a request's body."""
    try:
        body = orjson.loads(await request.read())
    except orjson.JSONDecodeError as error:
        raise web.HTTPBadRequest(reason=f"the body is not JSON ({error.msg})") from None
    if not isinstance(body, dict):
        raise web.HTTPBadRequest(reason="the body is not a JSON object")
    return body


def reply(data: object, status: int = 200) -> web.Response:
    """A reply of JSON."""
    return web.Response(body=orjson.dumps(data), status=status, content_type="application/json")


def problem(status: int, message: str, **more: object) -> web.Response:
    """A reply that says what is wrong."""
    return reply({"message": message, **more}, status)


async def _harden(_: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(HEADERS)
    response.headers["Server"] = "grace"


def _silent() -> logging.Logger:
    """A log that goes nowhere: the page shows what matters."""
    logger = logging.getLogger("grace.review.local")
    logger.addHandler(logging.NullHandler())
    logger.propagate = False
    return logger
