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
import select
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import IO, Self

from grace.endpoints.serving import ModelServer, OwnedProcess, check_port
from grace.errors import EndpointError, InputError, ModelFileError
from grace.models.files import GGUF_MAGIC, file_to_serve
from grace.models.serving import ServingOptions, llamacpp_settings

END_SECONDS = 1.0
"""Seconds that llama.cpp has to shut down before it is killed; it needs a few milliseconds."""

_WAITING = {"GOMP_SPINCOUNT": "300"}
"""llama.cpp's threads wait for each other many times for every token, spinning for a while before they sleep. If they
spin for long, they stop each other whenever anything else takes a processor; if they sleep at once, waking takes longer
than the work. Measured on two processors, tokens a second, and the processors' time for each token beside other busy
programs: 90 and 34 ms to 41 ms with 1000, 87 and 24 ms with this, 57 and 21 ms with 100, 44 and 22 ms without any."""
_CHILD = Path(__file__).with_name("llamacpp_child.py")
_ERROR_LINE = re.compile(r"^[\d.]+ E (.*)$", re.MULTILINE)


class EmbeddedServer(ModelServer):
    """llama.cpp serving a GGUF file."""

    def __init__(
        self, path: Path, options: ServingOptions, *, api_key: str | None = None, limit: float | None = None
    ) -> None:
        """Prepare to serve a GGUF file, which must answer within `limit` seconds; None: however long it takes to load.

        `api_key` is the key that clients must send. None makes a random one, NO_KEY lets everybody in.
        """
        self._path, self._options, self._limit = path, options, limit
        self.name = options.name
        self.api_key = secrets.token_urlsafe(32) if api_key is None else api_key

    @classmethod
    def of(cls, model: str, slots: int | None = None, limit: float | None = None, exact: bool = False) -> Self:
        """A server of a model under the name that the user gave, at a free port, with a random key.

        Args:
            model: name of the catalogue, path of a GGUF file, or file of a hub (`grace.models.files.file_to_serve`).
            slots: requests worked on at once; see ServingOptions.
            limit: seconds within which it must answer; None: however long it takes to load.
            exact: see ServingOptions.

        Raises:
            InputError: no such model.
            ModelFileError: its file is not there yet, or was altered.
        """
        return cls(file_to_serve(model), ServingOptions(model, parallel=slots, exact=exact), limit=limit)

    def __enter__(self) -> Self:
        if importlib.util.find_spec("xllamacpp") is None:
            raise InputError("serving a GGUF file here needs llama.cpp: pip install 'grace-experiments[local]'")
        _check_gguf(self._path)
        check_port(self._options)
        settings = json.dumps(llamacpp_settings(self._path, self._options, self.api_key))
        with tempfile.TemporaryFile() as log:
            self._process = OwnedProcess(
                [sys.executable, "-P", str(_CHILD)], _WAITING | os.environ, stdout=subprocess.PIPE, stderr=log
            )
            try:
                self.url = self._handed_over(settings, log)
            except BaseException:
                self._end()
                raise
        return self

    def _end(self) -> None:
        self._process.end(END_SECONDS)

    def _ended(self, code: int) -> str:
        return f"llama.cpp ended by itself with code {code}; start it again, with less --context if memory ran out"

    def _handed_over(self, settings: str, log: IO[bytes]) -> str:
        """Send the settings (everybody can see arguments, so the key is not among them) and read the address."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        with suppress(BrokenPipeError):  # it died at once: its log says why
            stdin.write(settings.encode() + b"\n")
        if not select.select([stdout], [], [], self._limit)[0]:
            raise EndpointError(f"{self._path}: llama.cpp did not answer within {self._limit:g} s")
        line = stdout.readline()
        if line:
            return str(json.loads(line))
        code = self._process.wait(END_SECONDS)
        log.seek(0)
        raise ModelFileError(
            f"{self._path}: llama.cpp cannot serve it: {_why(log.read().decode(errors='replace'), code)}"
        )


def _why(log: str, code: int | None) -> str:
    """The reason in the log of a server that did not start: llama.cpp's first error says it best."""
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
