"""A canned vLLM: tells the same log probability of every token that is asked for, as fast as Python can.

    python -m benchmarks.canned_scores      prints its address

A chat prompt is 180 tokens, whatever it says; any other text is one token a character.
"""

import asyncio
import hashlib
from functools import lru_cache

import orjson
from aiohttp import web

LENGTH = 180
LOG_PROBABILITY = -3.0


async def models(request: web.Request) -> web.Response:
    entry = {"id": "canned", "owned_by": "vllm", "root": "canned", "max_model_len": 4096}
    return web.json_response({"object": "list", "data": [entry]})


async def version(request: web.Request) -> web.Response:
    return web.json_response({"version": "0.32.0"})


async def health(request: web.Request) -> web.Response:
    return web.Response()


async def chat(request: web.Request) -> web.Response:
    message = {"role": "assistant", "content": "Hello."}
    usage = {"prompt_tokens": LENGTH, "completion_tokens": 2}
    return web.json_response({"choices": [{"message": message, "finish_reason": "stop"}], "usage": usage})


async def tokenize(request: web.Request) -> web.Response:
    body = orjson.loads(await request.read())
    if "messages" in body:
        digest = hashlib.sha256(body["messages"][-1]["content"].encode()).digest()
        tokens = [*digest, *range(1000, 1000 + LENGTH - len(digest) - 1), ord("\n")]
    else:
        tokens = [ord(character) for character in body["prompt"]]
    return web.Response(body=orjson.dumps({"count": len(tokens), "tokens": tokens}), content_type="application/json")


async def detokenize(request: web.Request) -> web.Response:
    body = orjson.loads(await request.read())
    return web.json_response({"prompt": "".join(map(chr, body["tokens"]))})


async def complete(request: web.Request) -> web.Response:
    body = orjson.loads(await request.read())
    prompts = 1 if isinstance(body["prompt"], str) else len(body["prompt"])
    reply = _reply(prompts, tuple(body.get("logprob_token_ids", ())))
    return web.Response(body=reply, content_type="application/json")


@lru_cache
def _reply(prompts: int, ids: tuple[int, ...]) -> bytes:
    """What vLLM 0.32 sends, all its fields."""
    top = {f"token_id:{token}": LOG_PROBABILITY for token in (504, *ids)}
    logprobs = {"text_offset": [0], "token_logprobs": [-1.5], "tokens": ["token_id:504"], "top_logprobs": [top]}
    nothing = dict.fromkeys(("stop_reason", "token_ids", "prompt_logprobs", "prompt_token_ids", "routed_experts"))
    choice = {"text": "The", "logprobs": logprobs, "finish_reason": "length", **nothing}
    choices = [{"index": number, **choice} for number in range(prompts)]
    usage = {"prompt_tokens": LENGTH * prompts, "total_tokens": (LENGTH + 1) * prompts, "completion_tokens": prompts}
    head = {"id": "cmpl-1", "object": "text_completion", "created": 1700000000, "model": "canned"}
    return orjson.dumps({**head, "choices": choices, "usage": usage})


async def serve() -> None:
    app = web.Application(client_max_size=1 << 24)
    app.router.add_get("/v1/models", models)
    app.router.add_get("/version", version)
    app.router.add_get("/health", health)
    app.router.add_post("/v1/chat/completions", chat)
    app.router.add_post("/tokenize", tokenize)
    app.router.add_post("/detokenize", detokenize)
    app.router.add_post("/v1/completions", complete)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    print(f"http://{host}:{port}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve())
