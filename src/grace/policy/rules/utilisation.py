"""NRP: pods that will use too little or too much of what they request, as far as a manifest can tell."""

from collections.abc import Iterator
from typing import Literal

from grace.models.plan import GIB
from grace.policy.documents import Scene, Workload, together
from grace.policy.programs import programs, variables
from grace.policy.rule import Hit, broken, changed, error, note, warning
from grace.policy.rules.examples import example
from grace.policy.rules.nrp_pages import LOCAL, POLICIES
from grace.policy.servers import cache_of
from grace.policy.usage import Usage

_CLIENT = example("sized-client")
_AMOUNTS = "{cpu: 1, memory: 2G}"
_SERVER = example("large-server")
_DOWNLOAD = changed(
    example("installing-job"),
    ("pip install --no-deps /wheels/grace.whl", "hf download google/gemma-2-2b-it --local-dir /data/m"),
)


@warning(
    "NRP032",
    "memory that will not be used",
    why="A pod that uses less than 20% of the memory it requests counts as a violation; above 4 such pods, new Jobs "
    "are refused. Pods of at most 1 core and 2 GB are exempt. How much is needed is an estimate.",
    source=POLICIES,
    fix="Request what is needed, and a little more. For a client, 1 core and 2G (2Gi is more than 2 GB).",
    examples=broken(_CLIENT, (_AMOUNTS, "{cpu: 1, memory: 4Gi}")),
)
def check_memory(scene: Scene) -> Iterator[Hit]:
    yield from _low(scene, "memory")


@warning(
    "NRP033",
    "cores that will not be used",
    why="A pod that uses less than 20% of the cores it requests counts as a violation; above 4 such pods, new Jobs are "
    "refused. Pods of at most 1 core and 2 GB are exempt. How much is needed is an estimate.",
    source=f"{POLICIES}; for vLLM its documentation, https://docs.vllm.ai/en/latest/configuration/optimization/",
    fix="Request what is needed: for a client 1 core, for vLLM 2 and one for each GPU.",
    examples=broken(_CLIENT, (_AMOUNTS, "{cpu: 2, memory: 2Gi}")),
)
def check_cores(scene: Scene) -> Iterator[Hit]:
    yield from _low(scene, "cpu")


def _low(scene: Scene, resource: Literal["cpu", "memory"]) -> Iterator[Hit]:
    """Pods that will use too little of a resource; the place is the container that requests most memory."""
    usage = Usage(scene)
    for workload in scene.workloads:
        if why := usage.low(workload, resource):
            main = max(workload.containers, key=lambda container: container.request("memory") or 0)
            yield Hit(workload.manifest, (*main.path, "resources", "requests", resource), why)


@warning(
    "NRP034",
    "GPU that nothing uses",
    why="A pod that uses less than 40% of its GPUs, on average over its life, counts as a violation. Others wait for "
    "them.",
    source=POLICIES,
    fix="Remove the GPU from requests and limits: clients and downloads need none.",
    examples=broken(_CLIENT, (_AMOUNTS, "{cpu: 1, memory: 2Gi, nvidia.com/gpu: 1}")),
)
def check_gpu(scene: Scene) -> Iterator[Hit]:
    usage = Usage(scene)
    for workload in scene.workloads:
        if idle := usage.gpu(workload):
            container, why = idle
            message = f"container {container.name} asks for a GPU and {why}; at least 40% of it must be used"
            yield Hit(workload.manifest, (*container.path, "resources", "limits"), message)


@warning(
    "NRP035",
    "GPU that waits for a download",
    why="Without a volume at the hub's cache, weights are downloaded at every start and restart. Meanwhile the GPU is "
    "idle, which counts as a violation, and a download that fails starts over.",
    source=POLICIES,
    fix="Mount a volume claim at the cache (HF_HOME), and fill it beforehand in a Job without a GPU: `grace cluster "
    "render` makes one.",
    examples=broken(_SERVER, ("mountPath: /cache", "mountPath: /weights")),
)
def check_loading(scene: Scene) -> Iterator[Hit]:
    usage = Usage(scene)
    for workload in scene.workloads:
        if server := usage.loading(workload):
            size = f" ({server.entry[1].weights_bytes / GIB:.1f} GiB)" if server.entry else ""
            message = (
                f"container {server.container.name} downloads {server.model}{size} each time that it starts, "
                "and its GPU waits"
            )
            yield Hit(workload.manifest, server.path, message)


@note(
    "NRP045",
    "download to the container's own disk",
    why="It is downloaded again at every start and restart, and counts as local storage, of which a container has 50Gi "
    "where no limit is written; above, the pod is evicted.",
    source=LOCAL,
    fix="Download once into a volume claim: --local-dir, or HF_HOME on a volume.",
    examples=broken(_DOWNLOAD, (" --local-dir /data/m", "")),
)
def check_downloads(scene: Scene) -> Iterator[Hit]:
    for workload, container in scene.containers:
        for program in programs(scene, workload, container):
            if program.name not in ("hf", "huggingface-cli") or program.words[1:2] != ("download",):
                continue
            given = program.option("--local-dir", "--cache-dir") or ""
            place = cache_of(workload, container, {**variables(scene, workload, container), **program.settings}, given)
            is_plain = not given or (given.startswith("/") and "$" not in given)
            if is_plain and not (place and place.lasting):
                what = next((word for word in program.words[2:] if not word.startswith("-")), "a model")
                message = f"container {container.name} downloads {what} to its own disk{program.place}"
                yield Hit(workload.manifest, program.path, message)


@error(
    "NRP036",
    "too many pods that will be outside the bounds of use",
    why="A user may have 4 pods that use too little of what they ask for. Above, new Jobs are refused.",
    source=POLICIES,
    fix="Request less (NRP032 to NRP034 say where), or run fewer at once: parallelism: 4.",
    examples=broken(
        changed(
            _CLIENT,
            (_AMOUNTS, "{cpu: 2, memory: 4Gi}"),
            ("completions: 1", "completions: 8"),
            ("parallelism: 1", "parallelism: 4"),
        ),
        ("parallelism: 4", "parallelism: 5"),
    ),
)
def check_violators(scene: Scene) -> Iterator[Hit]:
    usage, most = Usage(scene), scene.cluster.limits.violators

    def low(each: Workload) -> bool:
        return bool(usage.low(each, "memory") or usage.low(each, "cpu") or usage.gpu(each))

    for outside in together(filter(low, scene.workloads)):
        pods = sum(workload.pods for workload in outside)
        if most and pods > most:
            names = ", ".join(f"{workload.manifest.title} ({workload.pods})" for workload in outside[:6])
            more = ", ..." if len(outside) > 6 else ""
            message = f"{pods} pods will be outside the bounds of use, and {most} may be: {names}{more}"
            yield Hit(outside[-1].manifest, outside[-1].path, message)
