"""Starts commands at the cost of a fork: a process that has imported Grace forks one for each.

A command in it is a process like any other, with standard streams, a number and signals of its own. Only what Python
does before Grace is imported is missing.
"""

import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from functools import cache
from io import StringIO
from pathlib import Path
from typing import Any, TextIO

if __name__ != "__main__":
    from limits import HANG

ASKING = (
    "aiohttp",
    "grace.calls.carry",
    "grace.calls.display",
    "grace.stages.answers.ask",
    "grace.stages.scores.ask",
    "grace.stages.visit",
)
"""Modules that commands import when they ask a server."""
NUMBER = 8
"""Bytes of a number that the forge says."""
_STREAMS = ("stdout", "stderr", "status")


class Forked:
    """A command in a process of its own, as subprocess.Popen shows it; its pipes are there if nothing logs it."""

    def __init__(self, pid: int, status: int, *streams: TextIO) -> None:
        self.pid = pid
        if streams:
            self.stdout, self.stderr = streams
        self.returncode: int | None = None
        self._status = status

    def poll(self) -> int | None:
        """How it ended, as Popen says it: below zero, the signal that killed it; None while it runs."""
        if self.returncode is None and select.select([self._status], [], [], 0)[0]:
            self._end()
        return self.returncode

    def wait(self, timeout: float = 0.0) -> int:
        """Wait for its end, `timeout` seconds at most. Raises subprocess.TimeoutExpired."""
        if self.returncode is None:
            if not select.select([self._status], [], [], timeout or HANG)[0]:
                raise subprocess.TimeoutExpired("a forked command", timeout)
            self._end()
        assert self.returncode is not None
        return self.returncode

    def communicate(self, timeout: float = 0.0) -> tuple[str, str]:
        """Read what it says to its end, and wait for that."""
        said: dict[TextIO, list[bytes]] = {stream: [] for stream in (self.stdout, self.stderr) if not stream.closed}
        texts = dict.fromkeys((self.stdout, self.stderr), "")
        deadline = time.monotonic() + (timeout or HANG)
        waiting = list(said)
        while waiting:
            ready = select.select(waiting, [], [], max(0.0, deadline - time.monotonic()))[0]
            if not ready:
                raise subprocess.TimeoutExpired("a forked command", timeout)
            for stream in ready:
                if piece := os.read(stream.fileno(), 1 << 16):
                    said[stream].append(piece)
                else:
                    waiting.remove(stream)
        for stream, pieces in said.items():
            texts[stream] = b"".join(pieces).decode()
            stream.close()
        self.wait(timeout)
        return texts[self.stdout], texts[self.stderr]

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self.poll() is None:
            with suppress(ProcessLookupError):  # it has ended in between
                os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it without another step of its own."""
        self.send_signal(signal.SIGKILL)

    def _end(self) -> None:
        how = os.read(self._status, NUMBER)
        os.close(self._status)
        self.returncode = os.waitstatus_to_exitcode(int.from_bytes(how, "big"))


class Forge:
    """A process that forks commands."""

    def __init__(self, *rehearsal: object) -> None:
        """Begin; `rehearsal` is a command that the process itself carries out first: what it loads, all have."""
        self._one_at_a_time = threading.Lock()
        self._socket, other = socket.socketpair()
        with other:
            command = [sys.executable, __file__, str(other.fileno()), *map(str, rehearsal)]
            self._process = subprocess.Popen(command, pass_fds=[other.fileno()])

    def start(
        self,
        *arguments: object,
        folder: Path | None = None,
        environment: Mapping[str, str] | None = None,
        settings: Mapping[str, object] | None = None,
        log: Path | None = None,
    ) -> Forked:
        """Start a command: `forge.start("query", "study1", "--limit", 3)`.

        Args:
            arguments: of `grace`.
            folder: its current one.
            environment: variables that it has besides those of the forge.
            settings: values of modules that are others in it, as {"grace.lock.LEASE_SECONDS": 1.0}.
            log: a file that gets what it says, instead of the pipes.
        """
        status, status_end = os.pipe()
        streams, ends = [], []
        for _ in range(2):
            if log:
                ends.append(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND))
                continue
            stream, end = os.pipe()
            streams.append(os.fdopen(stream))
            ends.append(end)
        request = {
            "arguments": [str(each) for each in arguments],
            "folder": str(folder or Path.cwd()),
            "environment": dict(environment or {}),
            "settings": dict(settings or {}),
        }
        ends.append(status_end)
        with self._one_at_a_time:
            socket.send_fds(self._socket, [json.dumps(request).encode()], ends)
            for end in ends:
                os.close(end)
            pid = os.read(status, NUMBER)
        assert pid, "the forge has ended"
        return Forked(int.from_bytes(pid, "big"), status, *streams)

    def close(self) -> None:
        """End the process; commands go on."""
        self._socket.close()
        self._process.wait(HANG)


@contextmanager
def open_forge(*rehearsal: object) -> Iterator[Forge]:
    """A forge for a with block."""
    forge = Forge(*rehearsal)
    try:
        yield forge
    finally:
        forge.close()


@cache
def shared_forge() -> Forge:
    """One for the tests of a file, behind which `tests/conftest.py` ends it."""
    return Forge()


def end_shared_forge() -> None:
    """End it, if it was begun: later tests see no process of earlier ones."""
    if shared_forge.cache_info().currsize:
        shared_forge().close()
        shared_forge.cache_clear()


# In the forge


def _serve(requests: socket.socket, rehearsal: Sequence[str]) -> None:
    """Fork a command for each request, until nobody is there who could ask."""
    from grace.cli import main

    for module in ASKING:
        importlib.import_module(module)
    if rehearsal:
        with suppress(SystemExit), redirect_stdout(StringIO()):
            main(list(rehearsal))
    while True:
        message, given, _, _ = socket.recv_fds(requests, 1 << 16, len(_STREAMS))
        with suppress(ChildProcessError):  # these are keepers that have ended; at the end, all
            while os.waitpid(-1, os.WNOHANG if message else 0)[0]:
                pass
        if not message:
            return
        if os.fork() == 0:
            requests.close()
            _keep(main, json.loads(message), dict(zip(_STREAMS, given, strict=True)))
        for number in given:
            os.close(number)


def _keep(main: Callable[[list[str]], None], request: dict[str, Any], pipes: dict[str, int]) -> None:
    """Fork the command, say its number, wait for it, and say how it ended (a wait status)."""
    status = pipes.pop("status")
    command = os.fork()
    if command == 0:
        os.close(status)
        _begin(main, request, pipes)
    for number in pipes.values():
        os.close(number)
    os.write(status, command.to_bytes(NUMBER, "big"))
    _, how = os.waitpid(command, 0)
    with suppress(BrokenPipeError):
        os.write(status, how.to_bytes(NUMBER, "big"))
    os._exit(0)


def _begin(main: Callable[[list[str]], None], request: dict[str, Any], pipes: dict[str, int]) -> None:
    """Run the command in this process, and end it as Python ends."""
    code = 1
    try:
        os.chdir(request["folder"])
        os.environ.update(request["environment"])
        for name, value in request["settings"].items():
            module, _, setting = name.rpartition(".")
            setattr(importlib.import_module(module), setting, value)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for number, name in enumerate(pipes, 1):
            os.dup2(pipes[name], number)
            os.close(pipes[name])
        main(request["arguments"])
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError):
                stream.flush()
        os._exit(code)


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as asked:
        _serve(asked, sys.argv[2:])
