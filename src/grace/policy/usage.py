"""How much pods will use of what they request, as far as a manifest can tell: memory, cores, GPUs."""

import re
from dataclasses import dataclass
from typing import Literal

from grace.models.plan import GIB, SERVER_GIB, WORKER_GIB
from grace.policy.documents import LASTING, Container, Scene, Workload
from grace.policy.engines import VLLM
from grace.policy.installs import is_pip
from grace.policy.pods import gpu_count
from grace.policy.programs import Program, programs
from grace.policy.servers import ModelClient, Server, clients, model_servers
from grace.policy.sleeps import final_sleep, is_sleep

LEAST = 0.2
"""The smallest share of its request that a pod may use, of cores and of memory."""
EXEMPT_CORES = 1
EXEMPT_BYTES = 2e9
"""Pods that request no more are exempt from both: 2 GB are 2G, and 2Gi is more."""
CLIENT_CORES = 0.25
CLIENT_GIB = 0.5
"""What a program that asks a model over HTTP needs, with room to spare: Grace's own took 0.06 GiB and 0.3 ms of a core
for each request."""
SERVER_CORES = 2
"""Cores of vLLM, besides one for each GPU: the least that its documentation gives (API server and engine)."""
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
BY_HAND = {
    "code-server",
    "jupyter",
    "jupyter-lab",
    "jupyter-notebook",
    "sshd",
    "start-notebook.sh",
    "start-notebook.py",
}
"""Programs that let somebody in; in a Job, where nobody waits for its pod, a GPU is idle meanwhile."""
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


@dataclass(frozen=True)
class _Need:
    cores: float
    gib: float
    what: str


class Usage:
    """The servers and clients among the containers of some objects, looked up once."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.servers: dict[Container, Server] = {server.container: server for server in model_servers(scene)}
        self.clients: dict[Container, ModelClient] = {each.container: each for each in clients(scene) if each.only_asks}

    def need(self, workload: Workload) -> _Need | None:
        """What a pod needs; None when one of its containers is neither a server nor a client."""
        running = [container for container in workload.containers if container.sidecar or not container.init]
        needs = [self._need(workload, container) for container in running]
        sums = [need for need in needs if need is not None]
        if len(sums) < len(needs):
            return None
        whats = " and ".join(dict.fromkeys(need.what for need in sums))
        return _Need(sum(need.cores for need in sums), sum(need.gib for need in sums), whats)

    def _need(self, workload: Workload, container: Container) -> _Need | None:
        server = self.servers.get(container)
        if server and server.gpus and server.engine.name == VLLM:
            what = "vLLM on 1 GPU" if server.gpus == 1 else f"vLLM on {server.gpus} GPUs"
            return _Need(SERVER_CORES + server.gpus, SERVER_GIB + WORKER_GIB * server.gpus, what)
        if container in self.clients and not gpu_count(container, self.scene.cluster):
            return _Need(CLIENT_CORES, CLIENT_GIB, "a client that asks over HTTP")
        every = programs(self.scene, workload, container) if workload.kind in LASTING else []
        if every and all(is_sleep(program) or program.name in _ASIDE for program in every) and final_sleep(every):
            return _Need(0, 0, "a container that only sleeps")
        return None

    def low(self, workload: Workload, resource: Literal["cpu", "memory"]) -> str:
        """Why the use of a resource will be too low; empty when it will not."""
        need, asked = self.need(workload), _running(workload, resource)
        exempt = _running(workload, "cpu") <= EXEMPT_CORES and _running(workload, "memory") <= EXEMPT_BYTES
        if need is None or exempt:
            return ""
        amount = need.cores if resource == "cpu" else need.gib * GIB
        if amount >= LEAST * asked:
            return ""
        share = f"{amount:g} of {asked:g} cores" if resource == "cpu" else f"{need.gib:g} of {asked / GIB:.4g} GiB"
        estimate = f"we estimate that {need.what} uses {share} ({100 * amount / asked:.0f}%)"
        return f"{estimate}; below {LEAST:.0%} counts against you"

    def gpu(self, workload: Workload) -> tuple[Container, str] | None:
        """A container whose GPU nothing will use, and why."""
        for container in workload.containers:
            gpus = gpu_count(container, self.scene.cluster)
            if not gpus or container in self.servers:
                continue
            if container in self.clients:
                return container, f"asks the model at {self.clients[container].endpoint} instead"
            every = programs(self.scene, workload, container)
            end = final_sleep(every)
            asleep = end if end and not end.fallback else None  # others are pauses
            running = [p for p in every if p is asleep or not (is_sleep(p) or p.name in _ASIDE) or _watches(p)]
            useless = WITHOUT_GPU | BY_HAND if workload.job_path else WITHOUT_GPU
            idle = [p for p in running if p is asleep or p.name in useless or _watches(p)]
            if running and len(idle) == len(running):
                return container, f"runs only {', '.join(dict.fromkeys(program.name for program in running))}"
        return None

    def asleep(self, workload: Workload) -> Container | None:
        """A container with a GPU that sleeps once its other programs have ended. A Job's own rules say so.

        It sleeps for ever, or what it does before needs no GPU.
        """
        for container in workload.containers if not workload.job_path else ():
            every = programs(self.scene, workload, container)
            end = final_sleep(every) if gpu_count(container, self.scene.cluster) and not container.init else None
            last = end is not None and end is every[-1] and not end.fallback
            if end and last and (end.name == "tail" or "infinity" in end.words or all(map(_prepares, every[:-1]))):
                return container
        return None

    def loading(self, workload: Workload) -> Server | None:
        """Servers that download their weights from the hub while their GPU waits."""
        own = [self.servers[container] for container in workload.containers if container in self.servers]
        return next((server for server in own if server.gpus and server.downloads), None)


def _prepares(program: Program) -> bool:
    """Whether a program installs, downloads or says something, and needs no GPU for it."""
    installer = program.name in ("apt", "apt-get", "apk", "dnf", "yum", "conda", "mamba", "micromamba")
    return program.name in WITHOUT_GPU | _ASIDE or installer or is_pip(program) or is_sleep(program)


def _watches(program: Program) -> bool:
    """Whether a program shows the use of GPUs for ever."""
    return program.name == "nvidia-smi" and any(re.match(r"-l|-lms|--loop", word) for word in program.words[1:])


def _running(workload: Workload, resource: str) -> float:
    """What the containers of a pod that run together request."""
    running = [container for container in workload.containers if container.sidecar or not container.init]
    return sum(container.request(resource) or 0 for container in running)
