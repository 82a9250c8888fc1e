"""The watch on a server: does it still serve the model, behind the same chat template, that a session began with?"""

import asyncio
from typing import Any

import orjson

from grace.endpoints.client import TRANSIENT, Client, RequestFailed
from grace.endpoints.dialects import OpenAI, ServerDescription, TokenDialect
from grace.endpoints.handshake import Handshake, list_models
from grace.ledger import request_key
from grace.runs import differences

BUSY = TRANSIENT | {429}
"""Statuses that say nothing about the model: of a server that starts, or has too much to do."""
UNABLE = frozenset({404, 405, 410, 501})
"""Statuses of a server that has no such address."""
SECOND_LOOK = 1.0
"""Seconds until a difference is looked at again: a proxy may answer in its server's place while that restarts."""
LOOKS = 3


class ServerWatch:
    """Compares what a server says of itself with what it said at the handshake."""

    def __init__(self, handshake: Handshake, rendered: str | None) -> None:
        self._client, self._model, self._dialect = handshake.client, handshake.model, handshake.dialect
        self._rendered = rendered
        self._before = _description(handshake.dialect, handshake.model, handshake.facts, rendered)

    @classmethod
    async def begin(cls, handshake: Handshake) -> "ServerWatch":
        """Watch the server of a handshake from now on."""
        try:
            rendered = await rendering(handshake.client, handshake.model, handshake.dialect)
        except RequestFailed:
            rendered = None
        return cls(handshake, rendered)

    async def change(self) -> str | None:
        """What is different now, in words, seen twice in a row; None where nothing is.

        Raises:
            RequestFailed: the server cannot be asked, or does not say.
        """
        seen: dict[str, Any] = {}
        for look in range(LOOKS):
            if look:
                await asyncio.sleep(SECOND_LOOK)
            before, seen = seen, await self._look()
            if seen == self._before:
                return None
            if seen == before:
                break
        parts = [f"{name} was {then!r} and is {now!r}" for name, then, now in differences(self._before, seen)]
        return "; ".join(parts)

    async def _look(self) -> dict[str, Any]:
        client, dialect = self._client, self._dialect
        status = (await client.get("/health")).status
        if status in BUSY:
            raise RequestFailed(f"http {status}", f"/health answers {status}", status=status)
        try:
            models = await list_models(client)
            facts = await dialect.facts(client, self._model, models)
        except (AttributeError, TypeError, ValueError):
            return {"description": "in an unknown form"}
        except RequestFailed as error:
            if error.status in UNABLE or error.kind == "garbage":
                return {"description": str(error)}
            raise
        rendered = self._rendered and await rendering(client, self._model, dialect)
        return _description(dialect, self._model, facts, rendered)


async def rendering(client: Client, model: str, dialect: OpenAI) -> str | None:
    """Digest of a fixed conversation, as the server renders it in tokens; None where it does not render.

    It is different for another chat template, and each day for one that writes the date.

    Raises:
        RequestFailed: the server cannot be asked.
    """
    if not isinstance(dialect, TokenDialect):
        return None
    try:
        return request_key(await dialect.render(client.post_once, model, [{"role": "user", "content": "Say hello."}]))
    except RequestFailed as error:
        if error.status in UNABLE or error.kind == "garbage":
            return None
        raise


def _description(dialect: OpenAI, model: str, facts: ServerDescription, rendered: str | None) -> dict[str, Any]:
    """What must stay the same for the length of a session."""
    described = {
        "served": model in facts.served,
        "dialect": dialect.name,
        "version": facts.version,
        "context": facts.context,
        "model": dict(facts.identity),
        "rendered": rendered,
    }
    content: dict[str, Any] = orjson.loads(orjson.dumps(described))
    return content
