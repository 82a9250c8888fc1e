"""The tests' own browser: it shows pages, takes keys and pictures, and hears of errors and of requests to others."""

import struct
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from browser import Tab, browse, find_chromium

PAGE = b"""<!doctype html>
<html lang="en">
<title>A page</title>
<p id="pressed">nothing yet</p>
<script>
addEventListener("keydown", event => { document.getElementById("pressed").textContent = event.key; });
</script>
"""


class Server(ThreadingHTTPServer):
    """Shows the same page at every address but /away, which sends to another host; knows what was asked of it."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        if self.path == "/away":
            self.send_response(302)
            self.send_header("Location", "http://redirected.example/")
            self.end_headers()
            return
        self.send_response(404 if self.path == "/missing" else 200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(PAGE)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.browser
def test_a_page_is_shown_takes_a_key_and_is_pictured(tab: Tab, server: Server, tmp_path):
    tab.page.goto(server.url)
    assert tab.page.title() == "A page"
    tab.page.keyboard.press("n")
    assert tab.page.locator("#pressed").inner_text() == "n"
    tab.check()
    picture = tmp_path / "page.png"
    tab.page.screenshot(path=picture)
    begin = picture.read_bytes()[:24]
    assert begin[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", begin[16:]) == (1280, 720)


@pytest.mark.browser
@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("setTimeout(() => { throw Error('thrown') })", "thrown"),
        ("void Promise.reject(Error('rejected'))", "rejected"),
        ("console.error('complained')", "complained"),
        ("fetch('/missing')", "404"),
    ],
)
def test_what_goes_wrong_in_a_page_is_seen(tab: Tab, server: Server, script, told):
    tab.page.goto(server.url)
    tab.check()
    with tab.page.expect_event("console" if told in {"complained", "404"} else "pageerror"):
        tab.page.evaluate(f"() => {{ {script} }}")
    with pytest.raises(AssertionError, match=told):
        tab.check()


@pytest.mark.browser
def test_others_are_not_reached_and_asking_them_is_seen(tab: Tab, server: Server):
    tab.page.goto(server.url)
    here = list(server.asked)
    local = f"http://localhost:{server.server_port}/by-name"  # would be answered, were it asked
    for address in ("http://other.example/", local):
        assert (
            tab.page.evaluate("address => fetch(address, {mode: 'no-cors'}).catch(() => 'refused')", address)
            == "refused"
        )
    assert tab.page.evaluate("() => fetch('/away', {mode: 'no-cors'}).catch(() => 'refused')") == "refused"
    with tab.page.expect_websocket():
        tab.page.evaluate("() => { new WebSocket('ws://socket.example/') }")
    assert tab.strangers == ["http://other.example/", local, "http://redirected.example/", "ws://socket.example/"]
    assert {*server.asked} - {*here} <= {"/away", "/favicon.ico"}


def test_without_chromium_a_test_is_skipped_and_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setenv("GRACE_CHROMIUM", str(tmp_path / "none"))
    assert find_chromium() is None
    with pytest.raises(pytest.skip.Exception, match=r"GRACE_CHROMIUM is .*none, which does not start"), browse():
        pass
    monkeypatch.delenv("GRACE_CHROMIUM")
    monkeypatch.setattr("browser.PLACES", ())
    with pytest.raises(pytest.skip.Exception, match=r"run scripts/install_chromium\.sh"), browse():
        pass
