"""A real Chromium for tests of pages: a tab, what went wrong in it, and whom it asked other than this machine.

    with browse() as tab:
        tab.page.goto(url)
        tab.page.keyboard.press("n")
        tab.check()

`tab` of conftest.py is the same as a fixture. `tab.page` is a page of Playwright's synchronous interface, which runs an
event loop in this thread: while the tab is open, whatever calls `asyncio.run` (a server, the command line) needs
another thread or process.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from limits import HANG

if TYPE_CHECKING:
    from playwright.sync_api import ConsoleMessage, Page

LOOPBACK = "127.0.0.1"
PLACES = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
)
SWITCHES = (
    "--no-sandbox",  # it cannot be had as root, and the only pages shown are our own
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Whatever the page, or Chromium by itself, wants of another host ends before it leaves this machine.
    "--no-proxy-server",
    f"--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE {LOOPBACK}",
)
PATIENCE = 10_000
"""Milliseconds that a page has for anything it is waited for."""


@cache
def _starts(program: str) -> bool:
    """Whether it is a browser that runs. Ubuntu's chromium-browser is there and only says that a snap is needed."""
    try:
        asked = subprocess.run([program, "--version"], stdin=subprocess.DEVNULL, capture_output=True, timeout=HANG)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return asked.returncode == 0


def find_chromium() -> str | None:
    """The path of GRACE_CHROMIUM or, where that is not set, of the first Chromium or Chrome that starts."""
    named = os.environ.get("GRACE_CHROMIUM")
    found = (shutil.which(place) for place in ([named] if named else PLACES))
    return next((path for path in found if path and _starts(path)), None)


@dataclass
class Tab:
    """A page of its own in a browser of its own.

    Attributes:
        page: Playwright's.
        errors: what the page threw, or wrote to its console as an error or a warning. A reply such as 404 is an error.
        strangers: the addresses it asked for that are not on 127.0.0.1, redirects and web sockets included (these
            are known a few milliseconds late). None is reached, localhost neither.
    """

    page: "Page"
    errors: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)

    def settle(self) -> None:
        """Let the page draw once, and what it has done until then be known here."""
        self.page.evaluate("() => new Promise(done => requestAnimationFrame(() => setTimeout(done)))")

    def check(self) -> None:
        """Nothing went wrong so far, and nobody else was asked."""
        self.settle()
        assert not self.errors, self.errors
        assert not self.strangers, self.strangers

    def _asked(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme in {"http", "https", "ws", "wss"} and parts.hostname != LOOPBACK:
            self.strangers.append(url)

    def _wrote(self, message: "ConsoleMessage") -> None:
        # Chromium asks for /favicon.ico at a moment of its own, where a page names no icon; that is not the page's.
        place = message.location["url"]
        if message.type in {"error", "warning"} and urlsplit(place).path != "/favicon.ico":
            self.errors.append(f"{message.text} ({place})" if place else message.text)


@contextmanager
def browse(**options: Any) -> Iterator[Tab]:
    """A tab of a new headless Chromium, 1280 by 720; the test is skipped where there is no Chromium.

    `options` are those of Playwright's `Browser.new_context`, such as `viewport` or `color_scheme`. Starting and ending
    take about a second.
    """
    program = find_chromium()
    if program is None:
        named = os.environ.get("GRACE_CHROMIUM")
        pytest.skip(
            f"GRACE_CHROMIUM is {named}, which does not start"
            if named
            else "no Chromium here: run scripts/install_chromium.sh, or name one in GRACE_CHROMIUM"
        )
    from playwright.sync_api import sync_playwright

    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=program, args=SWITCHES) as browser,
        browser.new_context(**{"viewport": {"width": 1280, "height": 720}, "locale": "en-GB", **options}) as context,
    ):
        context.set_default_timeout(PATIENCE)
        tab = Tab(context.new_page())
        context.on("request", lambda request: tab._asked(request.url))
        context.on("weberror", lambda error: tab.errors.append(str(error.error)))
        context.on("console", tab._wrote)
        tab.page.on("websocket", lambda socket: tab._asked(socket.url))
        yield tab
