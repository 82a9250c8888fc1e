"""The server of a review: the requests of its page."""

from aiohttp import web

from grace.review.desk import Desk
from grace.review.local import LocalServer, Unfit, body_of, problem, reply
from grace.review.queue import Reason

PAGE = {
    "/": ("page.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
    "/local.js": ("local.js", "text/javascript"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}


class ReviewServer(LocalServer):
    """Answers the page's requests to one desk."""

    command = "grace review"
    page = PAGE

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self._desk = desk

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """The overview, rows to show and to decide, the place of a row, and the end."""
        router.add_get("/api/review", self._overview)
        router.add_get(r"/api/rows/{place:\d{1,12}}", self._show)
        router.add_post(r"/api/rows/{place:\d{1,12}}", self._decide)
        router.add_get(r"/api/place/{row:\d{1,12}}", self._find)
        router.add_post("/api/finish", self._finish)

    async def _overview(self, _: web.Request) -> web.Response:
        return reply(self._desk.overview())

    async def _show(self, request: web.Request) -> web.Response:
        return reply(self._desk.show(self._place(request), self._reason(request)))

    async def _decide(self, request: web.Request) -> web.Response:
        place = self._place(request)
        body = await body_of(request)
        verdict, values, comment, seen = (body.get(name) for name in ("verdict", "values", "comment", "seen"))
        return reply(self._desk.decide(place, verdict, values, comment, self._reason(request), seen))

    async def _find(self, request: web.Request) -> web.Response:
        row = int(request.match_info["row"])
        place = self._desk.queue.place(row - 1)
        if place is None:
            return problem(404, f"Row {row} is not in this review")
        return reply({"place": place})

    async def _finish(self, _: web.Request) -> web.Response:
        self.finished.set()
        return reply({"made": self._desk.decisions})

    def _reason(self, request: web.Request) -> Reason | None:
        """The reason that the page shows rows of."""
        name = request.query.get("reason", "")
        if not name or self._desk.blind:
            return None
        if name not in Reason.__members__:
            raise Unfit(f"reason: {name!r} is not one of {', '.join(Reason.__members__)}")
        return Reason[name]

    def _place(self, request: web.Request) -> int:
        place = int(request.match_info["place"])
        rows = len(self._desk.queue)
        if place >= rows:
            raise web.HTTPNotFound(reason=f"there are {rows} rows")
        return place
