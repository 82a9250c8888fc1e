"""The least that asking takes: a fixed number of workers over one aiohttp session, no ledger, no retries.

    python -m benchmarks.bare URL BODIES WORKERS      prints seconds from the first request sent to the last answer read

BODIES holds one request body a line, made beforehand.
"""

import asyncio
import json
import sys
import time
from pathlib import Path

import aiohttp


async def ask_all(url: str, bodies: list[bytes], workers: int) -> float:
    """Ask everything once and return the seconds it took."""
    left = iter(bodies)
    headers = {"Content-Type": "application/json"}

    async def work(session: aiohttp.ClientSession) -> None:
        for body in left:
            async with session.post(f"{url}/v1/chat/completions", data=body, headers=headers) as response:
                assert json.loads(await response.read())["choices"][0]["message"]["content"]

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        started = time.perf_counter()
        await asyncio.gather(*(work(session) for _ in range(workers)))
        return time.perf_counter() - started


if __name__ == "__main__":
    address, path, number = sys.argv[1:]
    print(asyncio.run(ask_all(address, Path(path).read_bytes().splitlines(), int(number))))
