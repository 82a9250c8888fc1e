"""The server of `grace view`: the requests of its page, which read and never write."""

import time
from collections.abc import Sequence
from typing import Any

from aiohttp import web

from grace.review.board import PAGE as PAGE_ROWS
from grace.review.board import Board, Where
from grace.review.drill import drill
from grace.review.local import LocalServer, Unfit, body_of, reply

LOOK_PAGE = {
    "/": ("look.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/look.css": ("look.css", "text/css"),
    "/look.js": ("look.js", "text/javascript"),
    "/local.js": ("local.js", "text/javascript"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
REFRESH_SECONDS = 1.0
"""The fewest seconds between two looks at what was added to the runs."""


class LookServer(LocalServer):
    """Answers the page's requests to some boards."""

    command = "grace view"
    page = LOOK_PAGE

    def __init__(self, boards: Sequence[Board]) -> None:
        super().__init__()
        self._boards = boards
        self._refreshed = 0.0

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """The boards, their rows and distributions, one row in full, and the end."""
        router.add_get("/api/boards", self._list)
        router.add_get(r"/api/boards/{board:\d{1,6}}", self._overview)
        router.add_get(r"/api/boards/{board:\d{1,6}}/state", self._state)
        router.add_post(r"/api/boards/{board:\d{1,6}}/rows", self._rows)
        router.add_post(r"/api/boards/{board:\d{1,6}}/distributions", self._distributions)
        router.add_post(r"/api/boards/{board:\d{1,6}}/units/{unit:\d{1,12}}", self._unit)
        router.add_post("/api/finish", self._finish)

    async def _list(self, _: web.Request) -> web.Response:
        return reply({"boards": [board.name for board in self._boards]})

    async def _overview(self, request: web.Request) -> web.Response:
        return reply(self._board(request).overview())

    async def _state(self, request: web.Request) -> web.Response:
        board = self._board(request)
        if time.monotonic() - self._refreshed > REFRESH_SECONDS:
            board.refresh()
            self._refreshed = time.monotonic()
        return reply(board.state())

    async def _rows(self, request: web.Request) -> web.Response:
        board, body = self._board(request), await body_of(request)
        start, count = body.get("start", 0), body.get("count", PAGE_ROWS)
        if not all(type(number) is int and 0 <= number < 10**12 for number in (start, count)):
            raise Unfit("start and count: must be numbers from 0")
        return reply(board.page(Where.read(body.get("where"), board), start, count))

    async def _distributions(self, request: web.Request) -> web.Response:
        board, body = self._board(request), await body_of(request)
        return reply(board.distributions(Where.read(body.get("where"), board)))

    async def _unit(self, request: web.Request) -> web.Response:
        board, body = self._board(request), await body_of(request)
        unit, units = int(request.match_info["unit"]), board.rows * board.replications
        if unit >= units:
            raise web.HTTPNotFound(reason=f"there are {units} rows")
        where: dict[str, Any] = board.neighbours(Where.read(body.get("where"), board), unit)
        return reply({**drill(board, unit), **where})

    async def _finish(self, _: web.Request) -> web.Response:
        self.finished.set()
        return reply({})

    def _board(self, request: web.Request) -> Board:
        place = int(request.match_info["board"])
        if place >= len(self._boards):
            raise web.HTTPNotFound(reason=f"there are {len(self._boards)} tables")
        return self._boards[place]
