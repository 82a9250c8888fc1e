"""vLLM as a child in the foreground: started, told when to end, and waited for."""

import importlib.util
import os
import signal
import subprocess
import sys
from types import FrameType

from grace.endpoints.embedded import check_port
from grace.errors import EndpointError, InputError
from grace.models.serving import ServingOptions, vllm_arguments

PATIENCE = 30.0
"""Seconds that vLLM gets to end by itself once it was asked to."""

_MODULE = "vllm.entrypoints.openai.api_server"


def vllm_is_installed() -> bool:
    """Whether this Python has vLLM."""
    return importlib.util.find_spec("vllm") is not None


def run_vllm(model: str, options: ServingOptions, api_key: str) -> None:
    """Run vLLM's server until SIGINT, SIGTERM or SIGHUP asks this process to end, and pass that on.

    Args:
        model: folder with a model in Hugging Face's format, or its id on the hub.
        options: how it is served; the port must be given.
        api_key: what clients must send; empty: nothing. It goes by the environment: processes show their arguments.

    Raises:
        InputError: vLLM is not installed, or the port cannot be used.
        EndpointError: vLLM ended without having been asked to.
    """
    if not vllm_is_installed():
        raise InputError(
            "vLLM is not installed in this Python: pip install vllm (it wants a GPU), or serve a GGUF file instead"
        )
    if not options.port:
        raise InputError("vLLM wants a port of your choice; give one with --port")
    check_port(options)
    environment = {"VLLM_NO_USAGE_STATS": "1", **os.environ}
    environment.pop("VLLM_API_KEY", None)
    if api_key:
        environment["VLLM_API_KEY"] = api_key
    # Its own session: a Ctrl-C on the terminal comes to us only, and once.
    process = subprocess.Popen(
        [sys.executable, "-m", _MODULE, *vllm_arguments(model, options)], env=environment, start_new_session=True
    )
    asked = False

    def pass_on(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        asked = True
        process.terminate()
        signal.setitimer(signal.ITIMER_REAL, PATIENCE)

    def lose_patience(number: int, frame: FrameType | None) -> None:
        os.killpg(process.pid, signal.SIGKILL)

    signal.signal(signal.SIGALRM, lose_patience)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, pass_on)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:  # else nohup: stay
        signal.signal(signal.SIGHUP, pass_on)
    code = process.wait()
    signal.setitimer(signal.ITIMER_REAL, 0)
    if not asked:
        raise EndpointError(f"vLLM ended by itself with code {code}; its own messages above say why")
