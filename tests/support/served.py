"""`grace serve` as a process of its own, and how to ask the server that it starts."""

import http.client
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from limits import HANG


@contextmanager
def serving(*arguments: str, **environment: str) -> Iterator[tuple["subprocess.Popen[str]", Sequence[str]]]:
    """`grace serve` and the four lines that it prints when it is ready."""
    process = subprocess.Popen(
        [sys.executable, "-m", "grace", "serve", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | environment,
    )
    with process:
        try:
            assert process.stdout is not None
            yield process, [process.stdout.readline() for _ in range(4)]
        finally:
            process.kill()


def ends(process: "subprocess.Popen[str]", number: int) -> None:
    """Send a signal that ends the process, as it should."""
    process.send_signal(number)
    out, err = process.communicate(timeout=HANG)
    assert (process.returncode, out, err) == (0, "", "")


def ask(
    url: str, path: str, body: object = None, *, key: str = "", headers: dict[str, str] | None = None, method: str = ""
) -> tuple[int, Any, dict[str, str]]:
    """Status, content (read as JSON where it is) and headers of one exchange."""
    host, _, port = url.removeprefix("http://").rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=HANG)
    try:
        head = {"Content-Type": "application/json", **(headers or {})}
        if key:
            head["Authorization"] = f"Bearer {key}"
        data = None if body is None else json.dumps(body)
        connection.request(method or ("GET" if body is None else "POST"), path, data, head)
        reply = connection.getresponse()
        text = reply.read().decode()
        content = json.loads(text) if reply.headers.get_content_type() == "application/json" else text
        return reply.status, content, {name.lower(): value for name, value in reply.getheaders()}
    finally:
        connection.close()


def occupy(url: str, key: str, answered: list[object] | None = None) -> list[threading.Thread]:
    """Keep the server busy with long answers, for as long as it lives; join the threads when it is gone.

    Answers that came are put into `answered`.
    """
    body = {"prompt": "Once", "max_tokens": 400, "ignore_eos": True}

    def long_answer() -> None:
        with suppress(OSError, http.client.HTTPException):  # the server goes away, as it should
            answer = ask(url, "/v1/completions", body, key=key)
            if answered is not None:
                answered.append(answer)

    threads = [threading.Thread(target=long_answer) for _ in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(0.7)
    return threads


def is_open(url: str) -> bool:
    host, _, port = url.removeprefix("http://").rpartition(":")
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0
