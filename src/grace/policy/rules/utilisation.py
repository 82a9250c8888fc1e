"""NRP: pods whose use of what they ask for will be outside the bounds, as far as a manifest can tell."""

from collections.abc import Iterator
from dataclasses import dataclass

from grace.models.plan import SERVER_GIB, WORKER_GIB
from grace.policy.documents import Container, Scene, Workload
from grace.policy.pods import GIB, gpu_count
from grace.policy.programs import programs
from grace.policy.rule import Hit, Severity, changed, rule
from grace.policy.rules.examples import example
from grace.policy.rules.nrp_jobs import is_sleep
from grace.policy.rules.nrp_pages import POLICIES, READ
from grace.policy.servers import Client, Server, clients, servers

LEAST = 0.2
"""Share of its request that a pod uses at least, of cores and of memory."""
EXEMPT_CORES = 1
EXEMPT_BYTES = 2 * GIB
"""Pods that ask for no more are exempt from both; the page says 2 GB."""
CLIENT_CORES = 0.25
CLIENT_GIB = 0.5
"""What a program that asks a model over HTTP needs, with room to spare: Grace's own took 0.06 GiB and 0.3 ms of a core
for each request."""
SERVER_CORES = 2
"""Of vLLM, beside one for each GPU: the least that its documentation asks for (API server and engine)."""
WITHOUT_GPU = {
    "aria2c",
    "aws",
    "cp",
    "curl",
    "gdown",
    "git",
    "hf",
    "huggingface-cli",
    "kubectl",
    "mv",
    "nginx",
    "rclone",
    "rsync",
    "s3cmd",
    "s5cmd",
    "tar",
    "unzip",
    "wget",
}
"""Programs that use no GPU."""
_ASIDE = {
    "cd",
    "echo",
    "export",
    "mkdir",
    "set",
    "ls",
    "chmod",
    "date",
    "true",
    "exit",
    "nvidia-smi",
    "trap",
    "wait",
    "[",
    "test",
}
"""Programs that say nothing about what a pod is for."""
_CLIENT = example("sized-client")
_AMOUNTS = "{cpu: 1, memory: 2Gi}"
_SERVER = example("large-server")
_WARM = example("warming-job")


@dataclass(frozen=True)
class _Need:
    cores: float
    gib: float
    what: str


class _View:
    """What the containers of some objects are, looked up once."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.servers: dict[Container, Server] = {server.container: server for server in servers(scene)}
        self.clients: dict[Container, Client] = {client.container: client for client in clients(scene)}

    def need(self, workload: Workload) -> _Need | None:
        """What a pod needs; None when that is not known of one of its containers."""
        running = [container for container in workload.containers if container.sidecar or not container.init]
        needs = [self._need(container) for container in running]
        known = [need for need in needs if need is not None]
        if len(known) < len(needs):
            return None
        whats = " and ".join(dict.fromkeys(need.what for need in known))
        return _Need(sum(need.cores for need in known), sum(need.gib for need in known), whats)

    def _need(self, container: Container) -> _Need | None:
        server = self.servers.get(container)
        if server and server.gpus:
            what = "vLLM on 1 GPU" if server.gpus == 1 else f"vLLM on {server.gpus} GPUs"
            return _Need(SERVER_CORES + server.gpus, SERVER_GIB + WORKER_GIB * server.gpus, what)
        if container in self.clients and not gpu_count(container, self.scene.cluster):
            return _Need(CLIENT_CORES, CLIENT_GIB, "a client that asks over HTTP")
        return None

    def memory(self, workload: Workload) -> str:
        """Why the use of memory will be too low; empty when it will not."""
        need, asked = self.need(workload), _running(workload, "memory")
        if need is None or _exempt(workload) or need.gib * GIB >= LEAST * asked:
            return ""
        share = f"{need.gib:g} of {asked / GIB:.4g} GiB, {100 * need.gib * GIB / asked:.0f}%"
        return f"{need.what} needs about {share}; at least {LEAST:.0%} must be used"

    def cores(self, workload: Workload) -> str:
        """Why the use of cores will be too low; empty when it will not."""
        need, asked = self.need(workload), _running(workload, "cpu")
        if need is None or _exempt(workload) or need.cores >= LEAST * asked:
            return ""
        share = f"{need.cores:g} of {asked:g} cores, {100 * need.cores / asked:.0f}%"
        return f"{need.what} needs about {share}; at least {LEAST:.0%} must be used"

    def gpu(self, workload: Workload) -> tuple[Container, str] | None:
        """A container whose GPU nothing will use, and why."""
        for container in workload.containers:
            gpus = gpu_count(container, self.scene.cluster)
            if not gpus or container in self.servers:
                continue
            if container in self.clients:
                return container, f"asks the model at {self.clients[container].endpoint} instead"
            found = [p for p in programs(self.scene, workload, container) if p.name not in _ASIDE]
            idle = [program for program in found if is_sleep(program) or program.name in WITHOUT_GPU]
            if found and len(idle) == len(found) and not (workload.kind == "Pod" and is_sleep(found[-1])):
                return container, f"runs only {', '.join(dict.fromkeys(program.name for program in found))}"
        return None

    def loading(self, workload: Workload) -> Server | None:
        """A server that brings its weights from the hub while its GPU waits."""
        for container in workload.containers:
            server = self.servers.get(container)
            if server and server.gpus and server.downloads:
                return server
        return None


def _running(workload: Workload, resource: str) -> float:
    """What the containers of a pod that run together request."""
    running = [container for container in workload.containers if container.sidecar or not container.init]
    return sum(container.request(resource) or 0 for container in running)


def _exempt(workload: Workload) -> bool:
    return _running(workload, "cpu") <= EXEMPT_CORES and _running(workload, "memory") <= EXEMPT_BYTES


@rule(
    "NRP032",
    Severity.WARNING,
    "memory that will not be used",
    why="A pod that uses less than 20% of the memory it requests counts as a violation; above 4 such pods, new Jobs "
    "are refused. Pods of at most 1 core and 2 GB are exempt. How much is needed is an estimate.",
    source=POLICIES,
    read=READ,
    fix="Request what is needed, and a little more. For a client, 1 core and 2Gi.",
    failing=changed(_CLIENT, (_AMOUNTS, "{cpu: 1, memory: 4Gi}")),
    passing=_CLIENT,
)
def check_memory(scene: Scene) -> Iterator[Hit]:
    """Memory far above need."""
    view = _View(scene)
    for workload in scene.workloads:
        if why := view.memory(workload):
            yield Hit(workload.manifest, (*_main(workload).path, "resources", "requests", "memory"), why)


@rule(
    "NRP033",
    Severity.WARNING,
    "cores that will not be used",
    why="A pod that uses less than 20% of the cores it requests counts as a violation; above 4 such pods, new Jobs are "
    "refused. Pods of at most 1 core and 2 GB are exempt. How much is needed is an estimate.",
    source=f"{POLICIES}; for vLLM its documentation, https://docs.vllm.ai/en/latest/configuration/optimization/",
    read=READ,
    fix="Request what is needed: for a client 1 core, for vLLM 2 and one for each GPU.",
    failing=changed(_CLIENT, (_AMOUNTS, "{cpu: 2, memory: 2Gi}")),
    passing=_CLIENT,
)
def check_cores(scene: Scene) -> Iterator[Hit]:
    """Cores far above need."""
    view = _View(scene)
    for workload in scene.workloads:
        if why := view.cores(workload):
            yield Hit(workload.manifest, (*_main(workload).path, "resources", "requests", "cpu"), why)


def _main(workload: Workload) -> Container:
    """The container that requests most memory."""
    return max(workload.containers, key=lambda container: container.request("memory") or 0)


@rule(
    "NRP034",
    Severity.WARNING,
    "GPU that nothing uses",
    why="A pod that uses less than 40% of its GPUs, on average over its life, counts as a violation. Others wait for "
    "them.",
    source=POLICIES,
    read=READ,
    fix="Remove the GPU from requests and limits: clients and downloads need none.",
    failing=changed(_CLIENT, (_AMOUNTS, "{cpu: 1, memory: 2Gi, nvidia.com/gpu: 1}")),
    passing=_CLIENT,
)
def check_gpu(scene: Scene) -> Iterator[Hit]:
    """GPUs that nothing will use."""
    view = _View(scene)
    for workload in scene.workloads:
        if found := view.gpu(workload):
            container, why = found
            message = f"container {container.name} asks for a GPU and {why}; at least 40% of it must be used"
            yield Hit(workload.manifest, (*container.path, "resources", "limits"), message)


@rule(
    "NRP035",
    Severity.WARNING,
    "GPU that waits for a download",
    why="Without a volume at the hub's cache, weights are downloaded at every start and restart. Meanwhile the GPU is "
    "idle, which counts as a violation, and a download that fails starts over.",
    source=POLICIES,
    read=READ,
    fix="Mount a volume claim at the cache (HF_HOME), and fill it before in a Job without a GPU: `grace cluster "
    "render` makes one.",
    failing=changed(_SERVER, ("mountPath: /cache", "mountPath: /weights")),
    passing=_SERVER,
)
def check_loading(scene: Scene) -> Iterator[Hit]:
    """GPUs that wait for a download."""
    view = _View(scene)
    for workload in scene.workloads:
        if server := view.loading(workload):
            known = server.known
            size = f" ({known[1].weights_bytes / GIB:.1f} GiB)" if known else ""
            message = (
                f"container {server.container.name} downloads {server.command.model}{size} each time that it starts, "
                f"and its GPU waits"
            )
            yield Hit(workload.manifest, server.path, message)


@rule(
    "NRP036",
    Severity.ERROR,
    "too many pods that will be outside the bounds of use",
    why="A user may have 4 pods that use too little of what they ask for. Above, new Jobs are refused.",
    source=POLICIES,
    read=READ,
    fix="Request less (NRP032 to NRP034 say where), or run fewer at once: parallelism: 4.",
    failing=changed(
        _CLIENT,
        (_AMOUNTS, "{cpu: 2, memory: 4Gi}"),
        ("completions: 1", "completions: 8"),
        ("parallelism: 1", "parallelism: 5"),
    ),
    passing=changed(
        _CLIENT,
        (_AMOUNTS, "{cpu: 2, memory: 4Gi}"),
        ("completions: 1", "completions: 8"),
        ("parallelism: 1", "parallelism: 4"),
    ),
)
def check_violators(scene: Scene) -> Iterator[Hit]:
    """More pods that will be outside the bounds than there may be."""
    view, most = _View(scene), scene.cluster.limits.violators
    outside = [
        workload for workload in scene.workloads if view.memory(workload) or view.cores(workload) or view.gpu(workload)
    ]
    pods = sum(workload.pods for workload in outside)
    if most and pods > most:
        names = ", ".join(f"{workload.manifest.title} ({workload.pods})" for workload in outside[:6])
        more = ", ..." if len(outside) > 6 else ""
        message = f"{pods} pods will be outside the bounds of use, and {most} may be: {names}{more}"
        yield Hit(outside[-1].manifest, outside[-1].path, message)
