"""The memory plan: does a model fit on GPUs, with how long a context, and how many questions at once.

The sum is vLLM's own, for each GPU (vllm/v1/worker/gpu_worker.py, `determine_available_memory`, vLLM 0.32):

    KV cache = utilization x memory - weights - peak of activations - what CUDA takes - CUDA graphs

- Weights: published size, over the GPUs that share them.
- KV cache of one token: 2 (keys and values) x layers x KV heads x head size x 2 bytes. Under tensor parallelism each
  GPU keeps its share of the KV heads, and at least one. A layer with sliding attention keeps, of a sequence, no more
  than its window and what is being computed (vllm/v1/kv_cache_interface.py, `SlidingWindowSpec`).
- Peak of activations, CUDA, CUDA graphs: estimated, see the constants.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from math import ceil

from grace.errors import InputError, Refused
from grace.models import catalogue
from grace.models.catalogue import Dtype, Gpu, HubModel, Serving, Variant
from grace.models.rules import Problem, weights_problems

GIB = 1 << 30
KIB = 1 << 10

BATCHED_TOKENS = 2048
"""Tokens computed in one step: vLLM's default for its server on GPUs below 70 GiB, and asked for everywhere, so that
the plan holds."""
SAMPLING_BYTES = 30
"""Memory of sampling per request and word of the vocabulary, while vLLM tries its largest batch. From public logs of
Llama 3.1 8B (vLLM 0.9 to 0.11, 256 requests): all that is neither weights nor KV cache was 1.22 to 1.26 GiB."""
CUDA_GIB = 0.35
"""What CUDA and its libraries take on each GPU; the same logs."""
NCCL_GIB = 0.4
"""What communication between GPUs takes on each."""
GRAPHS_GIB = 0.5
"""CUDA graphs; public logs of vLLM from 0.21 on estimate 0.2 to 0.7 GiB."""
CONTEXT = 4096
"""Tokens of context, where no profile gives a number: prompt and answer of the built-in studies take a few hundred."""
SERVER_GIB = 4
WORKER_GIB = 6
"""Host memory of vLLM's server and engine, and of each GPU's process, which holds one file of weights (5 GB)."""


class CannotRun(Refused):
    """A plan that a rule forbids; `problem` says which."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


@dataclass(frozen=True, kw_only=True)
class MemoryPlan:
    """A model on GPUs. Memory is that of one GPU, in GiB, unless a name says otherwise.

    Attributes:
        dtype: of activations and KV cache: vLLM's --dtype.
        gpus: of one node, which share every layer (tensor parallel).
        nodes: machines, which share the layers among them (pipeline parallel).
        context: longest prompt and answer together, in tokens.
        utilization: share of the memory that vLLM may take.
        parallel: requests worked on at once, at most.
        arguments: further arguments for vLLM that the profile gives.
        startup_minutes: how long loading may take before it counts as failed.
        graphs_gib: CUDA graphs.
    """

    model: HubModel
    variant: Variant
    gpu: Gpu
    dtype: Dtype
    gpus: int
    nodes: int
    context: int
    utilization: float
    parallel: int
    arguments: tuple[str, ...]
    startup_minutes: int
    graphs_gib: float = GRAPHS_GIB

    @property
    def usable_gib(self) -> float:
        """What vLLM may take of a GPU."""
        return self.gpu.memory_gib * self.utilization

    @property
    def weights_gib(self) -> float:
        """The weights. vLLM converts them to its dtype; quantized ones do not run in float32."""
        size = self.variant.weights_bytes * (2 if self.dtype == "float32" else 1)
        return size * self._stage_layers / self.model.layers / self.gpus / GIB

    @property
    def activations_gib(self) -> float:
        """The larger of two peaks: a step of the network, and sampling for all requests."""
        model = self.model
        step = BATCHED_TOKENS * (3 * model.intermediate_size / self.gpus + 6 * model.hidden_size) * self._element_bytes
        return max(step, self.parallel * model.vocabulary * SAMPLING_BYTES) / GIB

    @property
    def runtime_gib(self) -> float:
        """CUDA and its libraries, and the communication between GPUs."""
        return CUDA_GIB + NCCL_GIB * (self.gpus * self.nodes > 1)

    @property
    def overhead_gib(self) -> float:
        """What is neither weights nor KV cache."""
        return self.activations_gib + self.runtime_gib + self.graphs_gib

    @property
    def kv_gib(self) -> float:
        """What is left for the KV cache."""
        return self.usable_gib - self.weights_gib - self.activations_gib - self.runtime_gib - self.graphs_gib

    @property
    def kv_kib(self) -> float:
        """KV cache of one token in KiB, on all GPUs together, each key and value counted once."""
        return 2 * self.model.layers * self.model.kv_heads * self.model.head_size * self._element_bytes / KIB

    @property
    def kv_kib_gpu(self) -> float:
        """KV cache of one token in KiB on one GPU, where KV heads may be kept several times."""
        return self._kv_bytes(self._stage_layers) / KIB

    @cached_property
    def longest_context(self) -> int:
        """Tokens of the longest sequence that the KV cache holds, at most what the model was trained for."""
        least, most = 0, self.model.context
        while least < most:
            middle = (least + most + 1) // 2
            fits = self._sequence_bytes(middle) <= self.kv_gib * GIB
            least, most = (middle, most) if fits else (least, middle - 1)
        return least

    @property
    def sequences(self) -> float:
        """Prompts of full context that the KV cache holds at once."""
        return self.kv_gib * GIB / self._sequence_bytes(self.context)

    @property
    def kv_tokens(self) -> int:
        """Tokens that the KV cache holds, of prompts with full context."""
        return int(self.sequences * self.context)

    @property
    def host_gib(self) -> int:
        """Memory of the machine that vLLM needs, an estimate; without /dev/shm."""
        return SERVER_GIB + WORKER_GIB * self.gpus

    @property
    def notes(self) -> tuple[str, ...]:
        """Remarks on the plan, one sentence each."""
        return tuple(_notes(self))

    @property
    def _stage_layers(self) -> int:
        return ceil(self.model.layers / self.nodes)

    @property
    def _element_bytes(self) -> int:
        return 4 if self.dtype == "float32" else 2

    def _kv_bytes(self, layers: int) -> int:
        """The KV cache of one token in a number of layers, on one GPU."""
        return 2 * layers * max(1, self.model.kv_heads // self.gpus) * self.model.head_size * self._element_bytes

    def _sequence_bytes(self, tokens: int) -> int:
        """KV cache of a sequence on one GPU."""
        sliding = ceil(self.model.sliding_layers * self._stage_layers / self.model.layers)
        window = (self.model.sliding_window or 0) - 1 + BATCHED_TOKENS
        full = self._kv_bytes(self._stage_layers - sliding) * tokens
        return full + self._kv_bytes(sliding) * min(tokens, window)


def plan_model(
    model: str | HubModel,
    *,
    profile: str | None = None,
    gpu: str | None = None,
    gpus: int | None = None,
    nodes: int | None = None,
    variant: str | None = None,
    dtype: str | None = None,
    context: int | None = None,
    utilization: float | None = None,
    parallel: int | None = None,
) -> MemoryPlan:
    """Plan a model of the lineup on GPUs.

    Args:
        model: its name, title or repository, or the model itself.
        profile: gives whatever is not given here; None: one RTX 3090, full precision.
        gpu: kind of GPU.
        gpus: of one node.
        nodes: machines.
        variant: its name, served name or repository.
        dtype: as vLLM's --dtype; None or "auto": what the variant is made for.
        context: longest prompt and answer together, in tokens.
        utilization: share of the memory that vLLM may take, above 0 and at most 1.
        parallel: requests worked on at once, at most.

    Raises:
        CannotRun: a rule forbids it; it is a Refused.
        InputError: there is no such model, profile, GPU or variant, or a number makes no sense.
    """
    model = _model(model) if isinstance(model, str) else model
    serving = _serving(model, profile)
    weights = _variant(model, serving.variant if variant is None else variant)
    for problem in weights_problems(weights.repo, dtype, weights.quantization):
        raise CannotRun(problem)
    planned = MemoryPlan(
        model=model,
        variant=weights,
        gpu=catalogue.gpu(serving.gpu if gpu is None else gpu),
        dtype=_dtype(model, weights, dtype),
        gpus=_positive("gpus", gpus, serving.gpus),
        nodes=_positive("nodes", nodes, serving.nodes),
        context=_positive("context", context, min(serving.context, model.context)),
        utilization=_share(utilization, serving.gpu_memory_utilization),
        parallel=_positive("parallel", parallel, serving.parallel),
        arguments=serving.arguments,
        startup_minutes=serving.startup_minutes,
    )
    for problem in chain(_layout_problems(planned), _memory_problems(planned)):
        raise CannotRun(problem)
    return planned


def plan_lineup(planned: Callable[[HubModel], MemoryPlan]) -> list[MemoryPlan | CannotRun]:
    """Plan every model of the lineup, in its order; a model that cannot run has the refusal in its place."""
    plans: list[MemoryPlan | CannotRun] = []
    for model in catalogue.hub_models().values():
        try:
            plans.append(planned(model))
        except CannotRun as refused:
            plans.append(refused)
    return plans


def _model(name: str) -> HubModel:
    """The model of that name. What is known not to run is refused with the reason."""
    try:
        return catalogue.hub_model(name)
    except InputError:
        for problem in weights_problems(name, None, None):
            raise CannotRun(problem) from None
        raise


def _serving(model: HubModel, name: str | None) -> Serving:
    """How a profile serves the model; without a profile, on one RTX 3090 in full precision."""
    if name is None:
        return Serving(variant=model.full.name, gpu="rtx3090", context=CONTEXT)
    profile = catalogue.profile(name)
    if profile.embedded:
        raise InputError(
            f"profile {name}: nothing to plan; on this machine {profile.embedded} replaces every model of the lineup "
            f"(`grace models pull {profile.embedded}`, then --model-endpoint embedded)"
        )
    if profile.endpoint:
        raise InputError(f"profile {name}: nothing to plan; somebody else serves the models of an endpoint")
    if profile.name not in model.profiles:
        raise InputError(f"{model.name}: the catalogue does not say how profile {name} serves it; give --gpu")
    return model.profiles[profile.name]


def _variant(model: HubModel, name: str) -> Variant:
    """The variant of that name. A name that is known not to exist is refused with the reason."""
    try:
        return model.variant(name)
    except InputError:
        for problem in weights_problems(name if "/" in name else model.full.repo, name, name):
            raise CannotRun(problem) from None
        raise


def _dtype(model: HubModel, variant: Variant, asked: str | None) -> Dtype:
    """vLLM's --dtype in its long form."""
    if asked is None or asked == "auto":
        return variant.dtype
    names: dict[str, Dtype] = {"half": "float16", "fp16": "float16", "bf16": "bfloat16", "float": "float32"}
    dtypes = [dtype for dtype in model.dtypes if dtype != "float32" or variant is model.full]  # no kernels for 4 bits
    for dtype in dtypes:
        if dtype == names.get(asked, asked):
            return dtype
    raise InputError(f"{variant.served_name}: dtype {asked!r} is not one that it runs in ({', '.join(dtypes)})")


def _layout_problems(plan: MemoryPlan) -> Iterator[Problem]:
    """Rules that need no sum."""
    model, kind, gpus, nodes, context = plan.model, plan.gpu, plan.gpus, plan.nodes, plan.context
    if plan.dtype == "bfloat16" and kind.capability < 8:
        other = "--dtype float16 or another GPU" if "float16" in model.dtypes else "another GPU, as an RTX 3090 or A40"
        yield Problem(
            "bfloat16-capability",
            f"{model.name} on {kind.title}: bfloat16 needs compute capability 8.0, and this one has {kind.capability}",
            f"take {other}",
        )
    if gpus > kind.per_node:
        yield Problem(
            "pod-one-node",
            f"{gpus} GPUs in one pod: a machine has at most {kind.per_node} of {kind.title}, and a pod never spans two",
            f"take up to {kind.per_node}, or say --gpus {kind.per_node} --nodes {ceil(gpus / kind.per_node)}, which is "
            f"another layout: one pod on each machine",
        )
    if model.heads % gpus:
        sizes = ", ".join(str(size) for size in range(1, kind.per_node + 1) if model.heads % size == 0)
        yield Problem(
            "heads-divisible",
            f"{model.name}: {model.heads} attention heads cannot be shared by {gpus} GPUs",
            f"take {sizes}",
        )
    if max(model.kv_heads, gpus) % min(model.kv_heads, gpus):
        yield Problem(
            "heads-divisible",
            f"{model.name}: {model.kv_heads} KV heads cannot be shared by {gpus} GPUs",
            "take a number of GPUs that divides them or is a multiple of them",
        )
    if nodes > model.layers:
        yield Problem("layers-divisible", f"{model.name}: {model.layers} layers on {nodes} nodes", "take fewer nodes")
    if context > model.context:
        yield Problem(
            "context-trained",
            f"{model.name}: a context of {context} tokens, but it was trained for {model.context}",
            f"take at most {model.context}",
        )


def _memory_problems(plan: MemoryPlan) -> Iterator[Problem]:
    """Rules about the sum."""
    where = f"{plan.model.name} ({plan.variant.name}) on {plan.nodes * plan.gpus} x {plan.gpu.title}"
    if plan.kv_gib <= 0:
        yield Problem(
            "weights-fit",
            f"{where}: each GPU needs {plan.weights_gib:.1f} GiB for weights and {plan.overhead_gib:.1f} GiB beside "
            f"them, and vLLM may take {plan.usable_gib:.1f} GiB",
            f"take {' or '.join([*_smaller(plan), 'a larger GPU'])}",
        )
    elif plan.context > plan.longest_context:
        yield Problem(
            "context-fits",
            f"{where}: {plan.kv_gib:.1f} GiB are left for the KV cache, which is {plan.longest_context} tokens, not "
            f"{plan.context}",
            f"take --context {plan.longest_context} or less, more GPUs, or a quantized variant",
        )


def _smaller(plan: MemoryPlan) -> Iterator[str]:
    """Options that put less on each GPU: the fewest GPUs that are enough, and smaller variants."""
    for size in range(plan.gpus + 1, plan.gpu.per_node + 1):
        weights = plan.weights_gib * plan.gpus / size
        if plan.model.heads % size == 0 and weights + plan.overhead_gib + NCCL_GIB < plan.usable_gib:
            yield f"--gpus {size}"
            break
    for other in plan.model.variants:
        if other.weights_bytes < plan.variant.weights_bytes:
            yield f"--variant {other.name}"


def _notes(plan: MemoryPlan) -> Iterator[str]:
    model, variant = plan.model, plan.variant
    if variant.note:
        yield variant.note
    if variant.revision is None:
        yield (
            f"{variant.repo} is not pinned to a commit: look one up on its page and put it as `revision` into a "
            f"catalogue of your own (GRACE_CATALOGUE)"
        )
    if plan.gpus > model.kv_heads:
        times = plan.gpus // model.kv_heads
        yield f"{plan.gpus} GPUs share {model.kv_heads} KV heads, so each is kept {times} times"
    if plan.nodes > 1:
        yield f"{plan.nodes} nodes: one pod on each, with vLLM's multi-node serving; slower than one node"
    if model.chat.reasoning:
        yield f"it writes {model.chat.reasoning}: leave room for it in the context and in --max-tokens"


def _positive(what: str, asked: int | None, usual: int) -> int:
    if asked is not None and asked < 1:
        raise InputError(f"{what} {asked}: must be at least 1")
    return usual if asked is None else asked


def _share(asked: float | None, usual: float) -> float:
    if asked is not None and not 0 < asked <= 1:
        raise InputError(f"utilization {asked}: must be above 0 and at most 1")
    return usual if asked is None else asked
