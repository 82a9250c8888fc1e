"""A canned model server: answers at once and always the same, and misbehaves on demand.

It stands in for real servers where those will not do: to produce faults, and to be faster than any model. In a test it
runs in a thread (`CannedServer`); as a program it is a process of its own, for benchmarks and kill tests:

    python tests/support/canned.py --latency 0.05 --log requests.log      prints its address
"""

import argparse
import asyncio
import hashlib
import json
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from in_thread import InThread, listening

Handler = Callable[[int, dict[str, Any]], Awaitable[web.StreamResponse | None]]


def answer_to(body: dict[str, Any]) -> str:
    """The same text for the same messages and seed."""
    digest = hashlib.sha256(json.dumps([body["messages"], body.get("seed")]).encode()).hexdigest()
    return f"Initial Answer: 3 ({digest[:12]})"


def completion(
    text: str | None, *, finish_reason: str = "stop", reasoning: str | None = None, **message: Any
) -> dict[str, Any]:
    """A chat completion as servers send it."""
    if reasoning is not None:
        message["reasoning_content"] = reasoning
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1700000000,
        "model": "canned",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text, **message},
                "finish_reason": finish_reason,
            }
        ],
        "usage": {"prompt_tokens": 200, "completion_tokens": 20, "total_tokens": 220},
    }


def error(status: int, message: str, **headers: str) -> web.Response:
    """A refusal as servers send it; `retry_after` becomes the header Retry-After."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return web.json_response({"error": {"message": message, "type": "x", "code": None}}, status=status, headers=named)


class Cut(web.StreamResponse):
    """A reply whose connection is cut in the middle of its body."""

    async def prepare(self, request: web.BaseRequest) -> Any:
        self.content_length = 1000
        writer = await super().prepare(request)
        await self.write(b'{"choices": [{"message": {"content": "half an ans')
        assert request.transport is not None
        request.transport.close()
        return writer

    async def write_eof(self, data: bytes = b"") -> None:
        """There is no end."""


@dataclass
class CannedServer(InThread):
    """A server in a thread, with vLLM's addresses; `handler` may answer a chat request in its place.

    The handler is given the number of the chat request, counted from 1 without those of the handshake, and its body.
    `handshake` does the same for the handshake's chat requests, whose number is always 0.
    """

    models: list[str] = field(default_factory=lambda: ["canned"])
    owned_by: str = "canned"
    root: str | None = None
    context: int | None = None
    key: str | None = None
    latency: float = 0.0
    handler: Handler | None = None
    handshake: Handler | None = None
    health: int = 200
    log: Path | None = None
    bodies: list[dict[str, Any]] = field(default_factory=list)
    """The bodies of all chat requests after the handshake's."""
    keep: bool = True
    """Whether `bodies` is filled; a program of a million requests has no room for it."""
    count: int = 0
    """How many chat requests came after the handshake's."""
    first: float | None = None
    """When the first of them came, in seconds since 1970."""
    under_way: int = 0
    most_under_way: int = 0

    def application(self) -> web.Application:
        app = web.Application(middlewares=[self._check_key])
        app.router.add_get("/health", self._health)
        app.router.add_get("/version", self._version)
        app.router.add_get("/v1/models", self._models)
        app.router.add_get("/count", self._count)
        app.router.add_post("/v1/chat/completions", self._chat)
        app.router.add_post("/tokenize", self._tokenize)
        return app

    @web.middleware
    async def _check_key(self, request: web.Request, handler: Any) -> web.StreamResponse:
        given = request.headers.get("Authorization")
        if self.key and request.path != "/health" and given != f"Bearer {self.key}":
            message = f"Incorrect API key provided: {given}"
            return web.json_response({"error": {"message": message}}, status=401)
        response: web.StreamResponse = await handler(request)
        return response

    async def _health(self, request: web.Request) -> web.Response:
        return web.Response(status=self.health)

    async def _version(self, request: web.Request) -> web.Response:
        if self.owned_by != "vllm":
            raise web.HTTPNotFound
        return web.json_response({"version": "0.32.0"})

    async def _models(self, request: web.Request) -> web.Response:
        entry = {"owned_by": self.owned_by, "root": self.root, "max_model_len": self.context}
        return web.json_response({"object": "list", "data": [{"id": name, **entry} for name in self.models]})

    async def _count(self, request: web.Request) -> web.Response:
        return web.json_response({"count": self.count, "first": self.first})

    async def _tokenize(self, request: web.Request) -> web.Response:
        if self.owned_by != "vllm":
            raise web.HTTPNotFound
        body = await request.json()
        return web.json_response({"count": sum(len(m["content"].split()) for m in body["messages"])})

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        if body.get("max_tokens") == 16 or body.get("logprobs"):  # the handshake's
            if self.handshake and (response := await self.handshake(0, body)) is not None:
                return response
            return web.json_response(completion("Hello."))
        self.first = self.first or time.time()
        self.count = number = self.count + 1
        if self.keep:
            self.bodies.append(body)
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            if self.log:
                with self.log.open("a") as file:
                    file.write(json.dumps([body["messages"], body["seed"]]) + "\n")
            if self.latency:
                await asyncio.sleep(self.latency)
            if self.handler and (response := await self.handler(number, body)) is not None:
                return response
            return web.json_response(completion(answer_to(body)))
        finally:
            self.under_way -= 1

    def served(self) -> AbstractAsyncContextManager[str]:
        return listening(self.application())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each answer")
    parser.add_argument("--log", type=Path, help="append each chat request's messages and seed, one JSON line each")
    arguments = parser.parse_args()
    with CannedServer(latency=arguments.latency, log=arguments.log, keep=False) as server:
        print(server.url, flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
