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
"""Tokens, where no profile says more: prompt and answer of the built-in studies take a few hundred."""
SERVER_GIB = 4
WORKER_GIB = 6
"""Host memory of vLLM's server and engine, and of each GPU's process with one file of weights (5 GB) in its hands."""


class CannotRun(Refused):
    """A plan that a rule forbids; `problem` says which."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


@dataclass(frozen=True)
class MemoryPlan:
    """A model on GPUs. Memory is that of one GPU, in GiB, unless a name says otherwise.

    Attributes:
        dtype: of activations and KV cache: vLLM's --dtype.
        gpus: of one node, which share every layer (tensor parallel).
        nodes: machines, which share the layers among them (pipeline parallel).
        context: longest prompt and answer together, in tokens.
        longest_context: what the KV cache could hold, or what the model was trained for if that is less.
        utilization: share of the memory that vLLM may take.
        parallel: requests worked on at once, at most.
        weights_gib, activations_gib, runtime_gib, graphs_gib: what comes before the KV cache.
        kv_gib: what is left for the KV cache.
        kv_kib: KV cache of one token in KiB, on all GPUs together, each key and value counted once.
        kv_kib_gpu: the same on one GPU, where KV heads may be kept several times.
        sequences: prompts of full context that the KV cache holds at once.
        host_gib: memory of the machine that vLLM needs, an estimate; without /dev/shm.
        arguments: further arguments for vLLM that the profile gives.
        startup_minutes: how long loading may take before it counts as failed.
        notes: what to know.
    """

    model: HubModel
    variant: Variant
    gpu: Gpu
    dtype: Dtype
    gpus: int
    nodes: int
    context: int
    longest_context: int
    utilization: float
    parallel: int
    weights_gib: float
    activations_gib: float
    runtime_gib: float
    graphs_gib: float
    kv_gib: float
    kv_kib: float
    kv_kib_gpu: float
    sequences: float
    host_gib: int
    arguments: tuple[str, ...] = ()
    startup_minutes: int = 15
    notes: tuple[str, ...] = ()

    @property
    def overhead_gib(self) -> float:
        """What is neither weights nor KV cache."""
        return self.activations_gib + self.runtime_gib + self.graphs_gib

    @property
    def usable_gib(self) -> float:
        """What vLLM may take of a GPU."""
        return self.gpu.memory_gib * self.utilization

    @property
    def kv_tokens(self) -> int:
        """Tokens that the KV cache holds, of prompts with full context."""
        return int(self.sequences * self.context)


@dataclass(frozen=True)
class _Layout:
    """A model, its weights, and the GPUs that share it."""

    model: HubModel
    variant: Variant
    gpu: Gpu
    dtype: Dtype
    gpus: int
    nodes: int

    @property
    def stage_layers(self) -> int:
        return ceil(self.model.layers / self.nodes)

    @property
    def element_bytes(self) -> int:
        return 4 if self.dtype == "float32" else 2

    def weights_gib(self) -> float:
        """Of one GPU. vLLM converts weights to its dtype; quantized ones do not run in float32."""
        size = self.variant.weights_bytes
        if self.dtype == "float32":
            size *= 2
        return size * self.stage_layers / self.model.layers / self.gpus / GIB

    def kv_bytes(self, layers: int) -> int:
        """Of one token in so many layers, on one GPU."""
        return 2 * layers * max(1, self.model.kv_heads // self.gpus) * self.model.head_size * self.element_bytes

    def sliding_layers(self) -> int:
        return ceil(self.model.sliding_layers * self.stage_layers / self.model.layers)

    def sequence_bytes(self, tokens: int) -> int:
        """KV cache of a sequence on one GPU."""
        sliding = self.sliding_layers()
        full = self.kv_bytes(self.stage_layers - sliding) * tokens
        return full + self.kv_bytes(sliding) * min(tokens, self._window())

    def _window(self) -> int:
        return (self.model.sliding_window or 0) - 1 + BATCHED_TOKENS

    def longest(self, free: float) -> int:
        """Tokens of the longest sequence that fits into so many bytes, at most what the model was trained for."""
        least, most = 0, self.model.context
        while least < most:
            middle = (least + most + 1) // 2
            least, most = (middle, most) if self.sequence_bytes(middle) <= free else (least, middle - 1)
        return least

    def activations_gib(self, parallel: int) -> float:
        """The larger of two peaks: a step of the network, and sampling for all requests."""
        model = self.model
        step = BATCHED_TOKENS * (3 * model.intermediate_size / self.gpus + 6 * model.hidden_size) * self.element_bytes
        return max(step, parallel * model.vocabulary * SAMPLING_BYTES) / GIB

    def runtime_gib(self) -> float:
        return CUDA_GIB + NCCL_GIB * (self.gpus * self.nodes > 1)


def plan(
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
        profile: what stands for everything that is not said otherwise; None: one RTX 3090, full precision.
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
    found = _model(model) if isinstance(model, str) else model
    usual = _usual(found, profile)
    kind = catalogue.gpu(usual.gpu if gpu is None else gpu)
    chosen = _variant(found, usual.variant if variant is None else variant)
    asked = Serving(
        variant=chosen.name,
        gpu=kind.name,
        gpus=_positive("gpus", gpus, usual.gpus),
        nodes=_positive("nodes", nodes, usual.nodes),
        context=_positive("context", context, min(usual.context, found.context)),
        gpu_memory_utilization=_share(utilization, usual.gpu_memory_utilization),
        parallel=_positive("parallel", parallel, usual.parallel),
        arguments=usual.arguments,
        startup_minutes=usual.startup_minutes,
    )
    for problem in weights_problems(chosen.repo, dtype, chosen.quantization):
        raise CannotRun(problem)
    layout = _Layout(found, chosen, kind, _dtype(found, chosen, dtype), asked.gpus, asked.nodes)
    for problem in _layout_problems(layout, asked.context):
        raise CannotRun(problem)
    return _sum(layout, asked)


def plan_lineup(planned: Callable[[HubModel], MemoryPlan]) -> list[MemoryPlan | CannotRun]:
    """Plan every model of the lineup, in its order; in the place of what cannot run stands the refusal."""
    plans: list[MemoryPlan | CannotRun] = []
    for model in catalogue.hub_models().values():
        try:
            plans.append(planned(model))
        except CannotRun as refused:
            plans.append(refused)
    return plans


def _model(name: str) -> HubModel:
    """The model of that name; what cannot run under it is refused with the reason, where it is known."""
    try:
        return catalogue.hub_model(name)
    except InputError:
        for problem in weights_problems(name, None, None):
            raise CannotRun(problem) from None
        raise


def _usual(model: HubModel, name: str | None) -> Serving:
    """What holds where nothing else is said."""
    if name is None:
        return Serving(variant=model.full.name, gpu="rtx3090", context=CONTEXT)
    known = catalogue.profile(name)
    if known.embedded:
        raise InputError(
            f"profile {name}: nothing to plan; on this machine {known.embedded} stands for every model of the lineup "
            f"(`grace models pull {known.embedded}`, then --model-endpoint embedded)"
        )
    if known.name not in model.profiles:
        raise InputError(f"{model.name}: the catalogue does not say how profile {name} serves it; give --gpu")
    return model.profiles[known.name]


def _variant(model: HubModel, name: str) -> Variant:
    """The variant of that name; a name of what does not exist is refused with the reason, where it is known."""
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
    wanted = names.get(asked, asked)
    may = [known for known in model.dtypes if known != "float32" or variant is model.full]  # no kernels for 4 bits
    for known in may:
        if wanted == known:
            return known
    raise InputError(f"{variant.served_name}: dtype {asked!r} is none that it runs in ({', '.join(may)})")


def _layout_problems(layout: _Layout, context: int) -> Iterator[Problem]:
    """Rules that need no sum."""
    model, kind, gpus, nodes = layout.model, layout.gpu, layout.gpus, layout.nodes
    if layout.dtype == "bfloat16" and kind.capability < 8:
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


def _sum(layout: _Layout, asked: Serving) -> MemoryPlan:
    weights = layout.weights_gib()
    activations = layout.activations_gib(asked.parallel)
    runtime = layout.runtime_gib()
    usable = layout.gpu.memory_gib * asked.gpu_memory_utilization
    free = usable - weights - activations - runtime - GRAPHS_GIB
    where = f"{layout.model.name} ({layout.variant.name}) on {layout.nodes * layout.gpus} x {layout.gpu.title}"
    if free <= 0:
        raise CannotRun(_too_big(layout, where, usable, weights, activations + runtime + GRAPHS_GIB))
    longest = layout.longest(free * GIB)
    if asked.context > longest:
        raise CannotRun(
            Problem(
                "context-fits",
                f"{where}: {free:.1f} GiB are left for the KV cache, which is {longest} tokens, not {asked.context}",
                f"take --context {longest} or less, more GPUs, or a quantized variant",
            )
        )
    model = layout.model
    return MemoryPlan(
        model=model,
        variant=layout.variant,
        gpu=layout.gpu,
        dtype=layout.dtype,
        gpus=layout.gpus,
        nodes=layout.nodes,
        context=asked.context,
        longest_context=longest,
        utilization=asked.gpu_memory_utilization,
        parallel=asked.parallel,
        weights_gib=weights,
        activations_gib=activations,
        runtime_gib=runtime,
        graphs_gib=GRAPHS_GIB,
        kv_gib=free,
        kv_kib=2 * model.layers * model.kv_heads * model.head_size * layout.element_bytes / KIB,
        kv_kib_gpu=layout.kv_bytes(layout.stage_layers) / KIB,
        sequences=free * GIB / layout.sequence_bytes(asked.context),
        host_gib=SERVER_GIB + WORKER_GIB * layout.gpus,
        arguments=asked.arguments,
        startup_minutes=asked.startup_minutes,
        notes=tuple(_notes(layout)),
    )


def _too_big(layout: _Layout, where: str, usable: float, weights: float, overhead: float) -> Problem:
    fits = [size for size in range(layout.gpus + 1, layout.gpu.per_node + 1) if layout.model.heads % size == 0]
    enough = [size for size in fits if weights * layout.gpus / size + overhead + NCCL_GIB < usable]
    ways = [f"--gpus {enough[0]}"] if enough else []
    smaller = [other.name for other in layout.model.variants if other.weights_bytes < layout.variant.weights_bytes]
    ways += [f"--variant {name}" for name in smaller]
    return Problem(
        "weights-fit",
        f"{where}: each GPU needs {weights:.1f} GiB for weights and {overhead:.1f} GiB beside them, and vLLM may take "
        f"{usable:.1f} GiB",
        f"take {' or '.join([*ways, 'a larger GPU'])}",
    )


def _notes(layout: _Layout) -> Iterator[str]:
    model, variant = layout.model, layout.variant
    if variant.note:
        yield variant.note
    if variant.revision is None:
        yield (
            f"{variant.repo} is not pinned to a commit: look one up on its page and put it as `revision` into a "
            f"catalogue of your own (GRACE_CATALOGUE)"
        )
    if layout.gpus > model.kv_heads:
        times = layout.gpus // model.kv_heads
        yield f"{layout.gpus} GPUs share {model.kv_heads} KV heads, so each is kept {times} times"
    if layout.nodes > 1:
        yield f"{layout.nodes} nodes: one pod on each, with vLLM's multi-node serving; slower than one node"
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
