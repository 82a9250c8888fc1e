"""Exact scoring as it is done today: every form is sent behind its whole prompt, for the prompt's log probabilities.

    python -m benchmarks.whole_sequences URL MODEL < items.json      prints {"seconds": ..., "logprobs": [[...], ...]}

The items are `{"items": [{"prompt": [ids], "forms": [[ids], ...]}, ...]}`, and a number is the natural logarithm of
P(form | prompt). `prompt_logprobs` is vLLM's. A request that has it does not read the prefix cache, so each form costs
all of its prompt again. No setting tried was faster, beyond the noise, than these: one HTTP request a prompt, with all
its forms; four of them under way at once (of 1, 2, 4 and 8); and 0 alternatives, which gives each token of the prompt
its own log probability and no other, in the smallest reply.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Sequence
from typing import Any

import aiohttp
import orjson

AT_ONCE = 4
Item = dict[str, Any]
"""`prompt`: token ids; `forms`: lists of token ids."""


async def score_all(url: str, model: str, items: Sequence[Item], at_once: int = AT_ONCE) -> list[list[float]]:
    """The log probability of each form of each item, in their order, with `at_once` prompts under way."""
    scores: list[list[float]] = [[] for _ in items]
    left = iter(enumerate(items))
    headers = {"Content-Type": "application/json"}

    async def work(session: aiohttp.ClientSession) -> None:
        for place, item in left:
            body = orjson.dumps(_body(model, item))
            async with session.post(f"{url}/v1/completions", data=body, headers=headers) as response:
                reply = await response.read()
                assert response.status == 200, f"{response.status}: {reply[:500]!r}"
            scores[place] = _scores(item, orjson.loads(reply))

    patience = aiohttp.ClientTimeout(total=None, sock_connect=30)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=patience) as session:
        await asyncio.gather(*(work(session) for _ in range(at_once)))
    return scores


def _body(model: str, item: Item) -> dict[str, Any]:
    return {
        "model": model,
        "prompt": [item["prompt"] + form for form in item["forms"]],
        "max_tokens": 1,
        "temperature": 0,
        "prompt_logprobs": 0,
    }


def _scores(item: Item, reply: dict[str, Any]) -> list[float]:
    """Sums over the forms' tokens, which are the last ones of what was sent."""
    start = len(item["prompt"])
    choices = sorted(reply["choices"], key=lambda choice: int(choice["index"]))
    return [
        sum(choice["prompt_logprobs"][place][str(token)]["logprob"] for place, token in enumerate(form, start))
        for form, choice in zip(item["forms"], choices, strict=True)
    ]


def timed(url: str, model: str, items: Sequence[Item], at_once: int = AT_ONCE) -> tuple[float, list[list[float]]]:
    """Seconds from the first request to the last score, and the scores."""
    started = time.perf_counter()
    scores = asyncio.run(score_all(url, model, items, at_once))
    return time.perf_counter() - started, scores


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.whole_sequences", description=__doc__.splitlines()[0])
    parser.add_argument("url", metavar="URL", help="the server's address, without /v1")
    parser.add_argument("model", metavar="MODEL", help="the name it serves the model by")
    parser.add_argument("--at-once", type=int, default=AT_ONCE, help="prompts under way; default: %(default)s")
    arguments = parser.parse_args()
    items = orjson.loads(sys.stdin.buffer.read())["items"]
    seconds, scores = timed(arguments.url.rstrip("/"), arguments.model, items, arguments.at_once)
    print(orjson.dumps({"seconds": seconds, "logprobs": scores}).decode())


if __name__ == "__main__":
    main()
