"""The embedded server: llama.cpp on this machine's loopback, for as long as a block runs.

It is a process of its own, not a thread of this one, although xllamacpp offers that. Measured: a server inside this
process cannot be closed while a request is under way (its destructor hangs), writes its log over the progress bar, and
takes the run down with it when llama.cpp aborts.
"""

import importlib.util
import json
import os
import re
import secrets
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from grace.errors import InputError, ModelFileError
from grace.models.files import GGUF_MAGIC, find_model
from grace.models.serving import ServingOptions, llamacpp_settings

NO_KEY = ""
"""As an API key: everybody on this machine may ask."""

_WAITING = {"GOMP_SPINCOUNT": "1000"}
"""llama.cpp's threads wait for each other many times for every token, spinning for a while before they sleep. If they
spin for long, they stop each other whenever anything else takes a processor. Measured on two processors, tokens a
second alone and beside one busy program: 157 and 2.5 with OpenMP's own patience, 84 and 88 without any, 158 and 76 with
this."""
_CHILD = Path(__file__).with_name("llamacpp_child.py")
_ERROR_LINE = re.compile(r"^[\d.]+ E (.*)$", re.MULTILINE)


class EmbeddedServer:
    """A context manager around a model that is served while the block runs.

    Attributes:
        url: base address, as "http://127.0.0.1:41525"; set when the block is entered.
        api_key: what clients send as bearer token; empty when none is needed.
    """

    url: str
    api_key: str

    def __init__(self, path: Path, options: ServingOptions, *, api_key: str | None = None) -> None:
        """Prepare to serve a GGUF file.

        Args:
            path: the model file.
            options: name, port, context, slots and threads.
            api_key: the key that clients must send. None makes a random one, NO_KEY lets everybody in.
        """
        self._path, self._options = path, options
        self.api_key = secrets.token_urlsafe(32) if api_key is None else api_key

    @classmethod
    @contextmanager
    def running(cls, model: str, parallel: int | None = None) -> Iterator[tuple[str, str | None]]:
        """Serve a model under the very name that the user gave, at a free port, with a random key.

        Args:
            model: name of the catalogue, path of a GGUF file, or file of a hub (`grace.models.files.find_model`).
            parallel: requests worked on at once; see ServingOptions.

        Yields:
            Address and key.

        Raises:
            InputError: no such model, or llama.cpp is not installed.
            ModelFileError: its file is not there yet, or cannot be served.
        """
        with cls(find_model(model).path, ServingOptions(model, parallel=parallel)) as server:
            yield server.url, server.api_key

    def __enter__(self) -> Self:
        """Start the server and wait until it answers.

        Raises:
            InputError: llama.cpp is not installed, or the port is taken.
            ModelFileError: llama.cpp cannot serve the file.
        """
        if importlib.util.find_spec("xllamacpp") is None:
            raise InputError("serving a GGUF file here needs llama.cpp: pip install 'grace-experiments[local]'")
        _check_gguf(self._path)
        check_port(self._options)
        settings = json.dumps(llamacpp_settings(self._path, self._options, self.api_key))
        with tempfile.TemporaryFile() as log:
            # Its own session, so that Ctrl-C on the terminal reaches us alone; we end it when all is tidied up.
            self._process = subprocess.Popen(
                [sys.executable, "-P", str(_CHILD)],
                env=_WAITING | os.environ,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                bufsize=0,
                start_new_session=True,
            )
            try:
                self.url = self._talk(settings, log)
            except BaseException:
                self._stop()
                raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def wait(self) -> int:
        """Wait until the server's process ends by itself, and return its exit code (minus the signal's number)."""
        return self._process.wait()

    def _talk(self, settings: str, log: IO[bytes]) -> str:
        """Send the settings (a key has no place among the arguments, which everybody sees) and read the address."""
        to, answers = self._process.stdin, self._process.stdout
        assert to is not None
        assert answers is not None
        with suppress(BrokenPipeError):  # it died at once: its log says why
            to.write(settings.encode() + b"\n")
        line = answers.readline()
        if line:
            return str(json.loads(line))
        code = self._process.wait()
        log.seek(0)
        raise ModelFileError(
            f"{self._path}: llama.cpp cannot serve it: {_why(log.read().decode(errors='replace'), code)}"
        )

    def _stop(self) -> None:
        process = self._process
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()  # standard input: its sign to end
        try:
            process.wait(1)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _why(log: str, code: int) -> str:
    """What the log of a server that did not start gives as the reason: llama.cpp's first error says it best."""
    lines = _ERROR_LINE.findall(log) or log.splitlines()[-1:]
    if "bad_alloc" in log or code == -9:
        return "not enough memory; choose a smaller model, a shorter context or fewer requests at once"
    return lines[0].strip() if lines else f"it ended with code {code}"


def _check_gguf(path: Path) -> None:
    try:
        with open(path, "rb") as file:
            magic = file.read(len(GGUF_MAGIC))
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be read: {error.strerror}") from None
    if magic != GGUF_MAGIC:
        raise ModelFileError(f"{path}: is not a GGUF file")


def check_port(options: ServingOptions) -> None:
    """See that the port is free, which servers themselves say late or not at all.

    Raises:
        InputError: it is not.
    """
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
