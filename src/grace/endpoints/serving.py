"""Model servers that Grace starts itself: the contract that each of them fulfils, and a process that ends with us."""

import os
import signal
import socket
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Self

from grace.errors import EndpointError, InputError
from grace.models.serving import ServingOptions

EMBEDDED = "embedded"
"""In place of an endpoint's address: llama.cpp on this machine, started while a command asks it."""
NO_KEY = ""
"""As an API key: everybody on this machine may ask."""


@dataclass(frozen=True)
class Address:
    """Where a model server answers, and what it takes as a bearer token; None or empty: it takes no key."""

    url: str
    api_key: str | None = None


class ModelServer(ABC):
    """A model that is served on this machine's loopback while a block runs.

    Attributes:
        name: what clients call the model.
        url: base address, as "http://127.0.0.1:41525"; set when the block is entered.
        api_key: what clients send as bearer token; empty when none is needed.
    """

    name: str
    url: str
    api_key: str
    _process: "OwnedProcess"

    @property
    def pid(self) -> int:
        """The server's process, while the block runs."""
        return self._process.pid

    @abstractmethod
    def __enter__(self) -> Self:
        """Start the server and wait until it answers, within the time limit given when it was made (None: no limit).

        Nothing is left running when this raises.

        Raises:
            InputError: the engine is not installed, or the port is taken.
            ModelFileError: the engine cannot serve these weights; the message has the first error of its log.
            EndpointError: the server ended, or did not answer within the limit; the message says where its log is.
        """

    def __exit__(self, *exc: object) -> None:
        """End the server. It gets a limited time for that (llama.cpp 1 s, vLLM 30 s) and is killed after it.

        An exception (a second Ctrl-C) while this waits kills the server at once.
        """
        self._end()

    def wait(self, seconds: float | None = None) -> None:
        """Return after so many seconds; None: never. A healthy server runs until the block ends.

        Raises:
            EndpointError: the server ended by itself; the message has its exit code (minus a signal's number).
        """
        code = self._process.wait(seconds)
        if code is not None:
            raise EndpointError(self._ended(code))

    @abstractmethod
    def _end(self) -> None:
        """End the process within the engine's time limit."""

    @abstractmethod
    def _ended(self, code: int) -> str:
        """The message about a server that ended by itself."""


class OwnedProcess:
    """A child that ends when its standard input does: because we close it, or because we die, for any reason.

    It leads a session of its own, so that Ctrl-C on the terminal reaches only us.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        stdout: int | IO[bytes] | None = None,
        stderr: IO[bytes] | None = None,
    ) -> None:
        """Start it; `stdout` and `stderr` are as in subprocess.Popen."""
        self._process = subprocess.Popen(
            arguments,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=stdout,
            stderr=stderr,
            bufsize=0,
            start_new_session=True,
        )
        self.stdin, self.stdout, self.pid = self._process.stdin, self._process.stdout, self._process.pid

    def wait(self, seconds: float | None = None) -> int | None:
        """Its exit code (minus a signal's number); None where it still runs after so many seconds."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def end(self, seconds: float) -> None:
        """Have it end, and kill it with all that it started after so many seconds or when this is interrupted."""
        for pipe in (self.stdin, self.stdout):
            if pipe is not None:
                pipe.close()
        try:
            self.wait(seconds)
        finally:
            with suppress(ProcessLookupError, PermissionError):  # nobody is left; macOS says so by the latter
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


def check_port(options: ServingOptions) -> None:
    """Check that the port is free: servers themselves report it late or not at all. Raises InputError."""
    if not options.port:
        return
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((options.host, options.port))
        except OSError as error:
            raise InputError(
                f"port {options.port} of {options.host} cannot be used: {error.strerror}; "
                f"choose another with --port (0 finds a free one)"
            ) from None
