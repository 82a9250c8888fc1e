"""Wait for a model server to come up, or to be gone."""

import asyncio
import time
from collections.abc import Callable
from typing import NoReturn

from grace.endpoints.client import base_url
from grace.endpoints.client import without_userinfo as shown
from grace.endpoints.redaction import Redaction
from grace.endpoints.transport import AiohttpTransport, NoReply, check_url
from grace.errors import EndpointError, LeaderGone
from grace.text import one_line

EVERY_SECONDS = 2.0
TELL_SECONDS = 60.0
"""Seconds between two messages that a wait goes on: a cluster's logs show nothing else."""
GONE_SECONDS = 30.0
"""Seconds of silence after which a server counts as gone; a busy one answers now and then."""


def wait_until_up(url: str, seconds: float, note: Callable[[str], None], option: str = "--model-endpoint") -> None:
    """Wait until a server answers /health with 200.

    Raises:
        InputError: the URL is not a server's address; the message names the option.
        EndpointError: it did not come up in time.
    """
    check_url(url, option)
    began = noted = time.monotonic()
    note(f"waiting for {shown(url)}, {seconds:.0f} s at most")
    while (answer := _health(url)) != "200":
        now = time.monotonic()
        if now - began > seconds:
            raise EndpointError(f"{shown(url)}: was not ready within {seconds:.0f} s; it last said: {answer}")
        if now - noted > TELL_SECONDS:
            noted = now
            note(f"still waiting for {shown(url)} ({now - began:.0f} s): {answer}")
        time.sleep(EVERY_SECONDS)


def wait_until_gone(url: str, seconds: float, note: Callable[[str], None]) -> NoReturn:
    """Wait until a server is up, for `seconds` at most, and then, however long it takes, until it is gone.

    Raises:
        InputError: the URL is not a server's address.
        EndpointError: it did not come up.
        LeaderGone: in the end, it is gone.
    """
    wait_until_up(url, seconds, note, "--leader")
    note(f"{shown(url)} is up; waiting until it is gone")
    heard = time.monotonic()
    while time.monotonic() - heard < GONE_SECONDS:
        if _health(url).isdecimal():
            heard = time.monotonic()
        time.sleep(EVERY_SECONDS)
    raise LeaderGone(f"{shown(url)}: is gone")


def _health(url: str) -> str:
    """The status of /health as text, or why there is none."""

    async def ask() -> str:
        transport = AiohttpTransport(url)
        try:
            reply = await transport.send("GET", f"{base_url(url)}/health", headers={}, body=None, timeout=10)
        except NoReply as error:
            return one_line(Redaction(url, None).text(str(error)))
        finally:
            await transport.close()
        return str(reply.status)

    return asyncio.run(ask())
