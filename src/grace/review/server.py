"""The server of a review: the page and its few requests, for this machine's browser only.

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
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib import resources
from typing import Any

import orjson
from aiohttp import web

from grace.errors import GraceError, InputError
from grace.review.desk import Desk, Unfit

HOST = "127.0.0.1"
TOKEN_HEADER = "X-Grace-Token"  # noqa: S105 - the header's name
MOST_BYTES = 64 * 1024
"""Bytes of a request's body; a decision takes a few hundred."""
PAGE = {
    "/": ("page.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
"""The bare page, which holds no data and needs no token."""
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

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


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


class ReviewServer:
    """Answers the page's requests to one desk.

    Attributes:
        door: holds the token.
        finished: set when the page asks to end the review.
    """

    def __init__(self, desk: Desk) -> None:
        self.door = Door()
        self.finished = asyncio.Event()
        self._desk = desk
        self._hosts: frozenset[str] = frozenset()

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
        for path in PAGE:
            app.router.add_get(path, _page)
        app.router.add_post("/api/enter", self._enter)
        app.router.add_get("/api/review", self._overview)
        app.router.add_get(r"/api/rows/{place:\d{1,12}}", self._show)
        app.router.add_post(r"/api/rows/{place:\d{1,12}}", self._decide)
        app.router.add_get(r"/api/place/{row:\d{1,12}}", self._find)
        app.router.add_post("/api/finish", self._finish)
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Refuse requests of others, and give every failure as JSON."""
        try:
            if request.headers.get("Host", "").lower() not in self._hosts:
                return _problem(403, "this address is only for 127.0.0.1 and localhost, with its own port")
            if request.path not in PAGE and not self._is_admitted(request):
                return _problem(401, "the token is missing or wrong; open the address that `grace review` printed")
            if request.method == "POST" and request.content_type != "application/json":
                return _problem(415, "the body must be application/json")
            return await handler(request)
        except web.HTTPRequestEntityTooLarge:
            return _problem(413, f"the body is larger than {MOST_BYTES} bytes")
        except web.HTTPException as error:
            return _problem(error.status, error.reason)
        except Unfit as error:
            return _problem(422, str(error), fields=error.fields)
        except GraceError as error:
            return _problem(500, str(error))
        except Exception as error:
            if os.environ.get("GRACE_DEBUG"):
                traceback.print_exc()
            return _problem(500, f"{type(error).__name__}: {error}. This is a defect of Grace")

    def _is_admitted(self, request: web.Request) -> bool:
        given = request.headers.get(TOKEN_HEADER, "")
        return request.path == "/api/enter" or self.door.admits(given)

    async def _enter(self, request: web.Request) -> web.Response:
        """Give the token in exchange for the token or the ticket."""
        if not self.door.enter(request.headers.get(TOKEN_HEADER, "")):
            return _problem(401, "the token is wrong or was used up; open the address that `grace review` printed")
        return _reply({"token": self.door.token})

    async def _overview(self, _: web.Request) -> web.Response:
        return _reply(self._desk.overview())

    async def _show(self, request: web.Request) -> web.Response:
        return _reply(self._desk.show(self._place(request)))

    async def _decide(self, request: web.Request) -> web.Response:
        place = self._place(request)
        body = await _body(request)
        return _reply(self._desk.decide(place, body.get("verdict"), body.get("values")))

    async def _find(self, request: web.Request) -> web.Response:
        row = int(request.match_info["row"])
        place = self._desk.queue.place(row - 1)
        if place is None:
            return _problem(404, f"Row {row} is not in this review")
        return _reply({"place": place})

    async def _finish(self, _: web.Request) -> web.Response:
        self.finished.set()
        return _reply({"made": self._desk.decisions})

    def _place(self, request: web.Request) -> int:
        place = int(request.match_info["place"])
        rows = len(self._desk.queue)
        if place >= rows:
            raise web.HTTPNotFound(reason=f"there are {rows} rows")
        return place


async def _body(request: web.Request) -> dict[str, Any]:
    """The object in a request's body."""
    try:
        body = orjson.loads(await request.read())
    except orjson.JSONDecodeError as error:
        raise web.HTTPBadRequest(reason=f"the body is not JSON ({error.msg})") from None
    if not isinstance(body, dict):
        raise web.HTTPBadRequest(reason="the body is not a JSON object")
    return body


async def _page(request: web.Request) -> web.Response:
    name, kind = PAGE[request.path]
    content = resources.files("grace.review").joinpath(name).read_bytes()
    return web.Response(body=content, content_type=kind, charset="utf-8")


def _reply(data: object, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(data), status=status, content_type="application/json")


def _problem(status: int, message: str, **more: object) -> web.Response:
    return _reply({"message": message, **more}, status)


async def _harden(_: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(HEADERS)
    response.headers["Server"] = "grace"


def _silent() -> logging.Logger:
    """A log that goes nowhere: the page shows what matters."""
    logger = logging.getLogger("grace.review.server")
    logger.addHandler(logging.NullHandler())
    logger.propagate = False
    return logger
