"""A guess of how fast a model answers, before anybody measured it: from its size, and what its hardware can do."""

from dataclasses import dataclass

from grace.errors import GraceError
from grace.models.catalogue import catalogue, hub_models
from grace.models.files import find_model
from grace.models.latency import FACTOR, Steps, scored
from grace.models.plan import GIB, KIB, MemoryPlan, plan_model
from grace.models.serving import default_threads

SEQUENCE_TOKENS = 1000
"""Prompt and answer together, of the requests that the KV cache holds at once."""
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
        again: tokens of a prompt that each place of a question computes again.
    """

    reading: float
    writing: float
    factor: float
    source: str
    again: float = 0.0


def gpu_speed(plan: MemoryPlan) -> SpeedGuess | None:
    """A guess for a model of the lineup on its GPUs; None where the catalogue does not know what these can do."""
    gpu = plan.gpu
    if gpu.bandwidth_gbs is None or gpu.tflops is None:
        return None
    gpus = plan.gpus * plan.nodes
    weights = plan.variant.weights_bytes
    steps = Steps(
        plan.model.parameters,
        weights / gpus,
        plan.kv_kib_gpu * KIB,
        gpu.bandwidth_gbs * 1e9,
        gpu.tflops * 1e12 * gpus,
    )
    together = steps.together(min(plan.parallel, plan.kv_tokens / SEQUENCE_TOKENS), SEQUENCE_TOKENS)
    return SpeedGuess(
        steps.reading,
        steps.writing(together, SEQUENCE_TOKENS),
        FACTOR,
        f"a model of vLLM's steps, {weights / GIB:.1f} GiB of weights on {gpus} x {gpu.title}, "
        f"{together} requests at once",
        scored(0, 2),
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
