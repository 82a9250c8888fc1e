"""vLLM as a server of our own: it loads weights, then it answers, and it ends with the process that started it."""

import http.client
import importlib.util
import os
import secrets
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from grace.endpoints.serving import ModelServer, OwnedProcess, check_port
from grace.errors import EndpointError, InputError
from grace.models.serving import VLLM_BATCH_INVARIANT, ServingOptions, vllm_arguments

END_SECONDS = 30.0
"""Seconds that vLLM has to shut down before it is killed."""
LOOK_SECONDS = 0.2
"""Seconds between two questions whether vLLM is ready, while it loads."""

_LEASH = Path(__file__).with_name("leash.py")
_MODULE = "vllm.entrypoints.openai.api_server"


def vllm_is_installed() -> bool:
    """Whether this Python has vLLM."""
    return importlib.util.find_spec("vllm") is not None


class VllmServer(ModelServer):
    """vLLM with a model folder or the weights of a hub."""

    def __init__(
        self,
        model: str,
        options: ServingOptions,
        *,
        api_key: str | None = None,
        limit: float | None = None,
        log: Path | None = None,
    ) -> None:
        """Prepare to serve a model.

        Args:
            model: folder with a model in Hugging Face's format, or its id on the hub.
            options: how it is served; the port must be given.
            api_key: the key that clients must send. None makes a random one, NO_KEY lets everybody in. It is passed
                in the environment: processes show their arguments.
            limit: seconds within which it must answer; None: however long it takes to load.
            log: the file for its messages; None: they go where this process writes its own.

        Raises:
            InputError: vLLM is not installed, or an option that it does not have.
        """
        if not vllm_is_installed():
            raise InputError(
                "vLLM is not installed in this Python: pip install vllm (it needs a GPU), or serve a GGUF file instead"
            )
        if not options.port:
            raise InputError("vLLM needs a port of your choice; give one with --port")
        self._arguments = [sys.executable, "-m", _MODULE, *vllm_arguments(model, options)]
        self._options, self._limit, self._log = options, limit, log
        self.name = options.name
        self.url = f"http://{options.host}:{options.port}"
        self.api_key = secrets.token_urlsafe(32) if api_key is None else api_key

    def __enter__(self) -> Self:
        check_port(self._options)
        environment = {"VLLM_NO_USAGE_STATS": "1", **os.environ}
        environment.pop("VLLM_API_KEY", None)
        if self.api_key:
            environment["VLLM_API_KEY"] = self.api_key
        if self._options.batch_invariant:
            environment[VLLM_BATCH_INVARIANT] = "1"
        command = [sys.executable, "-P", str(_LEASH), f"{END_SECONDS:g}", *self._arguments]
        with ExitStack() as files:
            try:
                log = files.enter_context(open(self._log, "wb")) if self._log else None
            except OSError as error:
                raise InputError(f"{self._log}: cannot be written: {error.strerror}") from None
            self._process = OwnedProcess(command, environment, stdout=log, stderr=log)
        try:
            self._wait_until_ready()
        except BaseException:
            self._end()
            raise
        return self

    def _end(self) -> None:
        self._process.end(END_SECONDS)

    def _ended(self, code: int) -> str:
        return f"vLLM ended by itself with code {code}; {self._messages} say why"

    def _wait_until_ready(self) -> None:
        started = time.monotonic()
        while not self._answers():
            self.wait(LOOK_SECONDS)
            if self._limit is not None and time.monotonic() - started > self._limit:
                raise EndpointError(
                    f"{self.url}: vLLM did not answer within {self._limit:g} s; {self._messages} show how far it came"
                )

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection(self._options.host, self._options.port, timeout=5)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    @property
    def _messages(self) -> str:
        return f"its messages in {self._log}" if self._log else "its own messages above"
