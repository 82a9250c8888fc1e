"""Replies are read in pieces, unpacked, up to a limit; and nothing that a server says ends a run as a defect."""

import asyncio
import gzip
import json
import tracemalloc
import zlib
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import orjson
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from canned import CannedServer, completion
from conftest import Command, read_rows
from grace.endpoints.client import RequestFailed
from grace.endpoints.dialects import Ask, LlamaCpp, Vllm, read_answer
from grace.endpoints.dialects.openai import read_top
from grace.endpoints.transport import MOST_BYTES
from grace.ledger import scan
from strategies import json_values

pytestmark = pytest.mark.usefixtures("impatient")

ANSWER = orjson.dumps(completion("Initial Answer: 3"))


def raw_deflate(content: bytes) -> bytes:
    stream = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return stream.compress(content) + stream.flush()


def packed(encoding: str, pack: Callable[[bytes], bytes], content: bytes) -> web.Response:
    return web.Response(body=pack(content), headers={"Content-Encoding": encoding, "Content-Type": "application/json"})


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [("gzip", gzip.compress), ("deflate", zlib.compress), ("deflate", raw_deflate), ("identity", bytes)],
    ids=["gzip", "zlib", "raw deflate", "identity"],
)
def test_packed_replies_are_read(encoding: str, pack: Any, query: Command, canned: CannedServer, tmp_path: Any) -> None:
    async def handler(number: int, body: dict[str, Any]) -> web.StreamResponse:
        return packed(encoding, pack, ANSWER)

    canned.handler = handler
    assert query("--limit", 3).code == 0
    assert [row["model_response"] for row in read_rows(tmp_path / "answers.csv")] == ["Initial Answer: 3"] * 3


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "a thing"])
def test_what_is_not_packed_as_it_says_is_a_failed_request(encoding: str, query: Command, canned: CannedServer) -> None:
    async def handler(number: int, body: dict[str, Any]) -> web.StreamResponse | None:
        return packed(encoding, bytes, ANSWER) if number == 2 else None

    canned.handler = handler
    done = query("--limit", 3, "--concurrency", 1, "--max-retries", 0)
    assert done.code == 1
    assert "the reply is " in done.err


def endless(encoding: str | None) -> Callable[[web.Request], Any]:
    """A body of a gigabyte, in a megabyte where it is packed."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Encoding": encoding} if encoding else {})
        await response.prepare(request)
        stream = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
        for _ in range(1024):
            piece = b" " * (1 << 20)
            await response.write(stream.compress(piece) if encoding else piece)
        await response.write(stream.flush() if encoding else b"")
        return response

    return answer


@pytest.mark.parametrize("encoding", ["gzip", None])
@pytest.mark.parametrize("when", ["an answer", "the handshake"])
def test_a_reply_without_an_end_takes_no_memory(
    encoding: str | None, when: str, query: Command, canned: CannedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = endless(encoding)
    usual = CannedServer._chat if when == "an answer" else CannedServer._models

    async def chat(self: CannedServer, request: web.Request) -> web.StreamResponse:
        if when == "an answer" and self.count != 1:
            return await usual(self, request)
        self.count += 1
        return await answer(request)  # type: ignore[no-any-return]

    monkeypatch.setattr(CannedServer, usual.__name__, chat)
    with CannedServer() as server:
        tracemalloc.start()
        done = query("--model-endpoint", server.url, "--limit", 3, "--concurrency", 1)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert done.code == (1 if when == "an answer" else 3), done.err
    assert "the reply is longer than 64 MB" in done.err
    assert most < 4 * MOST_BYTES


HUGE = 2**64
ODD: dict[str, Any] = {
    "above 64 bits": HUGE,
    "far above 64 bits": 10**300,
    "negative": -1,
    "half a token": 1.5,
    "text": "200",
    "a truth": True,
    "nested": {"a": [1]},
    "nothing": None,
}


@pytest.mark.parametrize("count", ODD.values(), ids=ODD)
def test_an_odd_count_of_tokens_is_none(count: Any, query: Command, canned: CannedServer, tmp_path: Any) -> None:
    async def handler(number: int, body: dict[str, Any]) -> web.StreamResponse:
        reply = completion("Yes.") | {"usage": {"prompt_tokens": count, "completion_tokens": count}}
        return web.Response(body=json_of(reply), content_type="application/json")

    canned.handler = handler
    done = query("--limit", 3)
    assert done.code == 0, done.err
    assert {row["prompt_tokens"] for row in read_rows(tmp_path / "answers.csv")} == {""}


def json_of(value: Any) -> bytes:
    return json.dumps(value).encode()


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
@pytest.mark.parametrize("where", ["owned_by", "root", "context"])
def test_odd_facts_of_a_server_end_no_run_as_a_defect(
    odd: Any, where: str, query: Command, canned: CannedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = {"owned_by": "vllm", "root": "r", "max_model_len": 4096}
    facts["max_model_len" if where == "context" else where] = odd

    async def models(self: CannedServer, request: web.Request) -> web.Response:
        return web.Response(body=json_of({"data": [{"id": "canned", **facts}]}), content_type="application/json")

    monkeypatch.setattr(CannedServer, "_models", models)
    with CannedServer() as server:
        assert query("--model-endpoint", server.url, "--limit", 2).code in (0, 3)


def test_what_no_record_can_hold_is_a_failed_record(
    query: Command, canned: CannedServer, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever comes through the readers all the same."""
    monkeypatch.setattr("grace.endpoints.dialects.openai.MOST", 2**80)

    async def handler(number: int, body: dict[str, Any]) -> web.StreamResponse | None:
        reply = completion("Yes.")
        reply["usage"]["prompt_tokens"] = HUGE
        return web.Response(body=json_of(reply), content_type="application/json") if number == 2 else None

    canned.handler = handler
    done = query("--limit", 4, "--concurrency", 1)
    assert done.code == 1, done.err
    records = [record for _, record in scan(tmp_path / "answers.run" / "ledger.jsonl")]
    assert [record["status"] for record in records] == ["answered", "failed", "answered", "answered"]
    assert records[1]["error"]["kind"] == "garbage"
    assert "cannot be recorded" in records[1]["error"]["message"]
    canned.handler = None
    assert query("--limit", 4).code == 0


NAMES = """
choices message content logprobs top_logprobs token logprob usage prompt_tokens text index finish_reason id tokens error
completion_probabilities reasoning_content type
"""
SHAPES = st.sampled_from(NAMES.split())
REPLIES = json_values(SHAPES, st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False))


@given(st.dictionaries(SHAPES, REPLIES, max_size=4))
def test_no_reply_is_a_defect(reply: dict[str, Any]) -> None:
    """Whatever JSON a server sends, it is read or it is a failed request."""

    async def post(path: str, body: Any) -> dict[str, Any]:
        return reply

    asks = [Ask((), (1, 2))]
    for read in (read_answer, read_top):
        with suppress(RequestFailed):
            read(reply)
    for dialect in (Vllm(), LlamaCpp()):
        for work in (
            dialect.render(post, "m", []),
            dialect.tokenize(post, "m", "a"),
            dialect.detokenize(post, "m", [1]),
            dialect.read(post, "m", [1], asks, None),
            dialect.prove(post, "m"),
        ):
            with suppress(RequestFailed):
                asyncio.run(work)
