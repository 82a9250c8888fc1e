"""A guess of how fast a model answers, before anybody measured it: from its size, and what its hardware can do.

Each step that writes one token for every request under way reads all weights once and the KV cache of these requests,
or computes two operations for each parameter and request, whichever takes longer; reading a prompt takes two operations
for each parameter and token. Both at a share of what the maker's data sheet gives. The same sum is the roofline model
of Williams, Waterman and Patterson (2009), doi 10.1145/1498765.1498785.
"""

from dataclasses import dataclass

from grace.errors import GraceError
from grace.models.catalogue import catalogue, hub_models
from grace.models.files import find_model
from grace.models.plan import GIB, KIB, MemoryPlan, plan_model
from grace.models.serving import default_threads

BANDWIDTH_SHARE = 0.6
COMPUTE_SHARE = 0.4
"""What of a data sheet's bandwidth and arithmetic a server reaches."""
STEP_SECONDS = 0.005
"""What a step takes beside the network: choosing tokens, HTTP, Python."""
SEQUENCE_TOKENS = 1000
"""Prompt and answer together, of the requests that the KV cache holds at once."""
GPU_FACTOR = 3.0
CPU_FACTOR = 4.0
"""So many times faster or slower the truth may be."""
CPU_BANDWIDTH = 15e9
CPU_OPERATIONS = 75e9
"""Bytes a second of a machine, and operations a second of each thread. Measured on two processors: 157 tokens a second
of a model of 98 MB."""
PACKED_BYTES = 0.6
"""Bytes of a parameter in a file of about 4 bits."""


@dataclass(frozen=True)
class SpeedGuess:
    """How many tokens a second a server handles, of all requests together, when it has enough of them.

    Attributes:
        reading: tokens of prompts.
        writing: tokens of answers.
        factor: so many times faster or slower the truth may be.
        source: what the guess is made from, in words.
    """

    reading: float
    writing: float
    factor: float
    source: str


def gpu_speed(plan: MemoryPlan) -> SpeedGuess | None:
    """A guess for a model of the lineup on its GPUs; None where the catalogue does not know what these can do."""
    gpu = plan.gpu
    if gpu.bandwidth_gbs is None or gpu.tflops is None:
        return None
    gpus = plan.gpus * plan.nodes
    operations = gpu.tflops * 1e12 * COMPUTE_SHARE * gpus
    together = max(1.0, min(plan.parallel, plan.kv_tokens / SEQUENCE_TOKENS))
    read = plan.variant.weights_bytes / gpus + together * SEQUENCE_TOKENS * plan.kv_kib_gpu * KIB
    step = max(read / (gpu.bandwidth_gbs * 1e9 * BANDWIDTH_SHARE), together * 2 * plan.model.parameters / operations)
    return SpeedGuess(
        operations / (2 * plan.model.parameters),
        together / (step + STEP_SECONDS),
        GPU_FACTOR,
        f"{plan.variant.weights_bytes / GIB:.1f} GiB of weights on {gpus} x {gpu.title}",
    )


def cpu_speed(weights_bytes: int, threads: int) -> SpeedGuess:
    """A guess for a model file on this machine's processors."""
    return SpeedGuess(
        threads * CPU_OPERATIONS / (2 * weights_bytes / PACKED_BYTES),
        CPU_BANDWIDTH / weights_bytes,
        CPU_FACTOR,
        f"{weights_bytes / 1e6:,.0f} MB of weights on {threads} processors",
    )


def guess_speed(model: str, embedded: bool) -> SpeedGuess | None:
    """A guess for a model by the name that clients call it; None where nothing is known of it.

    One that is not `embedded` is taken to run on the GPUs of the first profile that has it.
    """
    if embedded:
        size = weights_bytes(model)
        return cpu_speed(size, default_threads()) if size else None
    for known in hub_models().values():
        for profile, serving in known.profiles.items():
            if known.variant(serving.variant).served_name == model:
                return gpu_speed(plan_model(known, profile=profile))
    return None


def weights_bytes(model: str) -> int | None:
    """The size of a model file of this machine, or as the catalogue has it; None where neither says."""
    try:
        return find_model(model).path.stat().st_size
    except (GraceError, OSError):
        return catalogue()[model].bytes if model in catalogue() else None
