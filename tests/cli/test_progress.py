"""Progress: now and then a plain line, or a bar on a terminal; never an order to the terminal that a server gave."""

import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from canned import CannedServer, error
from grace.calls.display import FAULT_SECONDS, LINE_SECONDS, Lines


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, in its only element."""
    now = [100.0]
    monkeypatch.setattr("grace.calls.display.time.monotonic", lambda: now[0])
    return now


def said(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().err.splitlines()


def test_a_line_now_and_then(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines()
    lines.begin(100, 0)
    assert said(capsys) == ["grace: asking 100 requests"]
    for _ in range(25):
        clock[0] += LINE_SECONDS / 10
        lines.advance(failed=False)
    assert said(capsys) == [
        "grace: 10 of 100 requests, 1.0 a second, 90 s left",
        "grace: 20 of 100 requests, 1.0 a second, 80 s left",
    ]
    clock[0] += LINE_SECONDS
    lines.advance(failed=True)
    assert said(capsys) == ["grace: 25 of 100 requests, 0.7 a second, 105 s left, 1 failed"]


def test_what_was_finished_earlier_is_not_speed(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines()
    lines.begin(100, 90)
    assert said(capsys) == ["grace: resuming: 90 of 100 requests are already finished"]
    clock[0] += LINE_SECONDS
    lines.advance(failed=False)
    assert said(capsys) == ["grace: 91 of 100 requests, 0.1 a second, 90 s left"]


def test_the_last_one_is_said_at_once(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines()
    lines.begin(2, 0)
    lines.advance(failed=False)
    clock[0] += 1
    lines.advance(failed=False)
    assert said(capsys)[-1] == "grace: 2 of 2 requests, 2.0 a second"


def test_nothing_finished_yet_has_no_time_left(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines()
    lines.begin(3, 0)
    clock[0] += LINE_SECONDS
    lines.advance(failed=True)
    assert said(capsys)[-1] == "grace: 0 of 3 requests, 0.0 a second, 1 failed"


def test_bytes_are_said_in_units(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines()
    lines.begin(50_000_000, 0, "bytes")
    clock[0] += LINE_SECONDS
    lines.advance(failed=False, by=20_000_000)
    assert said(capsys) == ["grace: moving 50.0 MB", "grace: 20.0 MB of 50.0 MB, 2.0 MB a second, 15 s left"]


def test_faults_are_said_now_and_then(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines()
    for _ in range(10):
        lines.fault("http 500: busy")
        clock[0] += FAULT_SECONDS / 4
    assert said(capsys) == ["grace: trying again after http 500: busy"] * 3


def test_a_bar_on_a_terminal(canned: CannedServer, trials: Path, tmp_path: Path) -> None:
    async def one_fails(number: int, body: dict[str, Any]) -> web.StreamResponse | None:
        return error(400, "no [bold]such\x1b]0;owned\x07 thing") if number == 5 else None

    canned.handler = one_fails
    canned.latency = 0.1
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "grace", "query", "study1", "--input", trials, "--output", tmp_path / "a.csv"]
    command += ["--model-endpoint", canned.url, "--model-name", "canned", "--concurrency", "2"]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "200"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=theirs, env=environment) as process:
        os.close(theirs)
        shown = bytearray()
        try:
            while part := os.read(ours, 65536):
                shown += part
        except OSError:  # how Linux says that the other end was closed
            pass
        finally:
            os.close(ours)
        assert process.wait(30) == 1
    text = re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]", b"", bytes(shown)).decode()
    assert "11/12" in text
    assert "1 failed" in text
    assert re.search(r"\d\.\d/s", text)
    assert "grace: asking 12 requests" in text
    assert "1 request failed with http 400: no [bold]such ]0;owned  thing" in text
    assert "\x1b]" not in bytes(shown).decode()
