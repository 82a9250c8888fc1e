"""NRP: pods that will use too little or too much of what they request, as far as a manifest can tell."""

from collections.abc import Iterator
from typing import Literal

from grace.models.plan import GIB
from grace.policy.documents import LASTING, Scene, Workload, together
from grace.policy.rule import Hit, Severity, broken, changed, warning
from grace.policy.rules.examples import example
from grace.policy.rules.nrp_pages import POLICIES
from grace.policy.servers import HUB, Server
from grace.policy.usage import Usage

_NUMBER = {"Job": "parallelism", "CronJob": "parallelism", **dict.fromkeys(LASTING, "replicas")}
"""The field of each kind that says how many pods it runs at once."""
_CLIENT = example("sized-client")
_AMOUNTS = "{cpu: 1, memory: 2G}"
_SERVER = example("large-server")


@warning(
    "NRP032",
    "memory that will not be used",
    why="A pod that uses less than 20% of the memory it requests counts against you; above 4 such pods, new Jobs are "
    "refused. Pods of at most 1 core and 2 GB are exempt. How much is needed is an estimate.",
    source=POLICIES,
    fix="Request what is needed, and a little more. For a client, 1 core and 2G (2Gi is more than 2 GB).",
    examples=broken(_CLIENT, (_AMOUNTS, "{cpu: 1, memory: 4Gi}")),
)
def check_memory(scene: Scene) -> Iterator[Hit]:
    yield from _low(scene, "memory")


@warning(
    "NRP033",
    "cores that will not be used",
    why="A pod that uses less than 20% of the cores it requests counts against you; above 4 such pods, new Jobs are "
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
    why="A pod that uses less than 40% of its GPUs, on average over its life, counts against you; above 4 such pods, "
    "new Jobs are refused. In a bare Pod, where somebody may use it by hand, and after other programs, this is a note.",
    source=POLICIES,
    fix="Remove the GPU from requests and limits, if nothing computes on it: clients and downloads need none. Delete "
    "a Pod for looking around when you are done.",
    examples=broken(_CLIENT, (_AMOUNTS, "{cpu: 1, memory: 2Gi, nvidia.com/gpu: 1}")),
)
def check_gpu(scene: Scene) -> Iterator[Hit]:
    usage = Usage(scene)
    for workload in scene.workloads:
        if idle := usage.gpu(workload):
            container, why = idle
            message = f"container {container.name} asks for a GPU and {why}"
            severity = Severity.NOTE if workload.kind == "Pod" else None
            yield Hit(workload.manifest, (*container.path, "resources", "limits"), message, severity=severity)
        elif sleeper := usage.asleep(workload):
            message = f"container {sleeper.name} keeps its GPU, asleep, when its programs have ended"
            yield Hit(workload.manifest, (*sleeper.path, "resources", "limits"), message, severity=Severity.NOTE)


@warning(
    "NRP035",
    "GPU that waits for a download",
    why="Without a volume at the hub's cache, weights are downloaded at every start and restart. Meanwhile the GPU is "
    "idle, which counts against you, and a download that fails starts over.",
    source=POLICIES,
    fix="Mount a volume claim where the server keeps downloads, and fill it before in a Job without a GPU: `hf "
    "download MODEL`. For vLLM and SGLang set HF_HOME to its path; for Text Generation Inference mount it at /data, "
    "which images of older versions name in HUGGINGFACE_HUB_CACHE, so that HF_HOME changes nothing there.",
    examples=broken(_SERVER, ("mountPath: /cache", "mountPath: /weights")),
)
def check_loading(scene: Scene) -> Iterator[Hit]:
    usage = Usage(scene)
    for workload in scene.workloads:
        if server := usage.loading(workload):
            size = f" ({server.entry[1].weights_bytes / GIB:.1f} GiB)" if server.entry else ""
            message = (
                f"container {server.container.name} downloads {server.model}{size} each time that it starts, "
                f"while its GPU waits{_kept(server)}"
            )
            yield Hit(workload.manifest, server.path, message)


def _kept(server: Server) -> str:
    """Where a server with a folder of its own keeps what it downloads, as the end of a message."""
    return "" if server.engine.cache == HUB else f": it keeps downloads in {server.engine.cache}"


@warning(
    "NRP036",
    "too many pods that use too little of what they ask for",
    why="A user may have 4 pods that use less than 20% of their memory or cores, or 40% of their GPUs. Above, new "
    "Jobs are refused. How much is used is an estimate.",
    source=POLICIES,
    fix="Request less (NRP032 to NRP034 say where), or run fewer pods at once.",
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
            field = _NUMBER.get(outside[0].kind) if len(outside) == 1 else None
            fewer = f"; `{field}: {most}` runs fewer at once" if field else ""
            what = f"{pods} pods use too little of what they ask for, and {most} may: {names}{more}"
            message = f"we estimate that {what}{fewer}"
            yield Hit(outside[-1].manifest, outside[-1].path, message)
