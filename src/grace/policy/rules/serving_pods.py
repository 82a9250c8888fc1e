"""Serving models with vLLM: its pods: shared memory, probes, ports, several nodes."""

from collections.abc import Iterator
from typing import Any

from grace.policy.documents import FieldPath, Scene
from grace.policy.pods import place_of
from grace.policy.rule import Hit, Severity, broken, changed, error, kubernetes, note, warning
from grace.policy.rules.serving import SERVER, VLLM
from grace.policy.servers import Server, model_servers, servers

LARGE = 40e9
"""Parameters from which loading takes longest."""
LOADING_SECONDS = 600
LOADING_LARGE_SECONDS = 1800
"""How long loading may take: 60 to 90 probes of 10 s below 10 billion parameters, 180 to 360 from 40 billion."""
READY_VARIABLE = "VLLM_ENGINE_READY_TIMEOUT_S"
READY_SECONDS = 600
"""vLLM's default of that variable."""
_70B = (
    ("google/gemma-2-2b-it", "meta-llama/Meta-Llama-3-70B-Instruct"),
    ("failureThreshold: 90", "failureThreshold: 360"),
)
_TWO_GPUS = changed(
    SERVER,
    ("nvidia.com/gpu: 1", "nvidia.com/gpu: 2"),
    ("- --port=8000", "- --port=8000\n        - --tensor-parallel-size=2"),
)
_TWO_NODES = (
    (
        "- --port=8000",
        "- --port=8000\n        - --nnodes=2\n        - --pipeline-parallel-size=2\n        - --master-addr=first",
    ),
)


@warning(
    "VLLM010",
    "too little shared memory",
    why="The processes of a server on several GPUs exchange data in /dev/shm, of which a container has 64 MB. Above, "
    "they end with a bus error.",
    source=f"{VLLM}deployment/k8s/",
    fix="Add `- {name: shm, emptyDir: {medium: Memory, sizeLimit: 10Gi}}` to the pod's volumes, and `- {name: shm, "
    "mountPath: /dev/shm}` to the container's volumeMounts. It counts as the container's memory.",
    examples=broken(_TWO_GPUS, ("mountPath: /dev/shm", "mountPath: /shm")),
)
def check_shared_memory(scene: Scene) -> Iterator[Hit]:
    for server in model_servers(scene):
        place = place_of(server.workload, server.container, "/dev/shm")  # noqa: S108 - a path in a container
        shared = place is not None or server.workload.spec.get("hostIPC") is True
        if server.engine.parallel and server.gpus > 1 and not shared:
            message = (
                f"container {server.container.name} has {server.gpus} GPUs, and nothing is mounted at /dev/shm, where "
                "its processes have 64 MB"
            )
            yield Hit(server.workload.manifest, (*server.container.path, "volumeMounts"), message)


@warning(
    "VLLM011",
    "server that counts as ready before it is",
    why="Loading takes minutes. Without a startup or readiness probe the pod is ready at once, and clients find "
    "nobody. Of a sidecar, only the startup probe holds the main containers back.",
    source=kubernetes("Probes", "concepts/configuration/liveness-readiness-startup-probes/"),
    fix="Add a startupProbe: httpGet /health at its port, periodSeconds 10, failureThreshold 90 (360 for 70B).",
    examples=broken(
        SERVER,
        ("startupProbe", "livenessProbe"),
        ("        livenessProbe:\n          httpGet: {path: /health, port: 8000}\n", ""),
    ),
)
def check_ready(scene: Scene) -> Iterator[Hit]:
    for server in model_servers(scene):
        body = server.container.body
        alone = server.workload.job_path or not server.workload.pod_labels
        if alone and not server.container.sidecar:
            continue  # nothing but its own script can ask it, or no Service leads to it
        if server.container.sidecar and "startupProbe" not in body:
            lack = "no startupProbe, so that the main containers start while it still loads"
            message = f"sidecar {server.container.name} has {lack}"
        elif (
            server.engine.loads
            and not server.container.init
            and "startupProbe" not in body
            and "readinessProbe" not in body
        ):
            lack = "no startupProbe and no readinessProbe, so that it gets requests while it still loads"
            message = f"container {server.container.name} has {lack}"
        else:
            continue
        yield Hit(server.workload.manifest, (*server.container.path, "startupProbe"), message)


@warning(
    "VLLM012",
    "probe that ends a server while it loads",
    why="A container that does not answer in time is restarted, and loads from the start, for ever.",
    source=kubernetes("Probes", "concepts/configuration/liveness-readiness-startup-probes/"),
    fix="Add `startupProbe: {httpGet: {path: /health, port: PORT}, periodSeconds: 10, failureThreshold: 90}` with "
    "the server's port (360 for 70B): the liveness probe waits until it has succeeded.",
    examples=broken(SERVER, ("failureThreshold: 90", "failureThreshold: 30")),
)
def check_killed(scene: Scene) -> Iterator[Hit]:
    for server in model_servers(scene):
        if not server.engine.parallel:
            continue  # of others, sizes and ways to load differ too much
        entry = server.entry
        needed = LOADING_LARGE_SECONDS if entry and entry[0].parameters >= LARGE else LOADING_SECONDS
        for name in ("startupProbe", "livenessProbe"):
            probe = server.container.body.get(name)
            if probe is None:
                continue
            period = probe.get("periodSeconds", 10)
            patience = period * probe.get("failureThreshold", 3) + probe.get("initialDelaySeconds", 0)
            if patience < needed:
                message = (
                    f"container {server.container.name} is restarted when it has not answered after about "
                    f"{patience - period} s, and loading may take {needed} s"
                )
                yield Hit(server.workload.manifest, (*server.container.path, name), message)
            break  # the liveness probe waits for the startup probe


@note(
    "VLLM013",
    "large model with vLLM's default time limit",
    why="vLLM's server gives up on its own engine after 600 s, whatever the probes allow. From a slow volume, 131 GiB "
    "take longer.",
    source="vLLM, vllm/envs.py, VLLM_ENGINE_READY_TIMEOUT_S, https://github.com/vllm-project/vllm",
    fix="Set the variable VLLM_ENGINE_READY_TIMEOUT_S to what the startup probe allows, as 3600.",
    examples=broken(SERVER, *_70B),
)
def check_timeout(scene: Scene) -> Iterator[Hit]:
    for server in servers(scene):
        entry, value = server.entry, server.settings.get(READY_VARIABLE, str(READY_SECONDS))
        if entry and entry[0].parameters >= LARGE and value.isdecimal() and int(value) <= READY_SECONDS:
            message = f"vLLM itself gives up after {value} s, and {entry[0].title} may take longer to load"
            yield Hit(server.workload.manifest, (*server.container.path, "env"), message)


@warning(
    "VLLM014",
    "port that the server does not listen at",
    why="A Service that leads there, or a probe that asks there, finds nobody; a probe then restarts the server for "
    "ever.",
    source=f"{VLLM}serving/openai_compatible_server/",
    fix="Write the server's port (vLLM's is 8000 where no --port is given) as containerPort and in the probes.",
    examples=broken(SERVER, ("--port=8000", "--port=8080")),
)
def check_ports(scene: Scene) -> Iterator[Hit]:
    for server in model_servers(scene):
        port, container = server.port, server.container
        declared = container.body.get("ports") or []
        names = {entry.get("name"): entry.get("containerPort") for entry in declared if entry.get("name")}
        places: list[tuple[FieldPath, Any]] = []
        if declared and port not in [entry.get("containerPort") for entry in declared]:
            places.append(((*container.path, "ports", 0, "containerPort"), declared[0].get("containerPort")))
        for name in ("startupProbe", "readinessProbe", "livenessProbe"):
            asked = (container.body.get(name) or {}).get("httpGet") or {}
            if "port" in asked:
                path = (*container.path, name, "httpGet", "port")
                places.append((path, names.get(asked["port"], asked["port"])))
        for path, number in places:
            if port is not None and isinstance(number, int) and number != port:
                yield Hit(server.workload.manifest, path, f"port {number}, but {server.engine.name} listens at {port}")


@error(
    "VLLM015",
    "several nodes, and too few pods",
    why="Each node of a multi-node server is a pod of its own with its own --node-rank. The first waits for the others "
    "for ever. Where the others may stand in another file, this is a warning.",
    source=f"{VLLM}serving/parallelism_scaling/",
    fix="Use an Indexed Job or a StatefulSet with as many pods as --nnodes, and take --node-rank from the index.",
    examples=broken(SERVER, *_TWO_NODES),
)
def check_nodes(scene: Scene) -> Iterator[Hit]:
    groups: dict[tuple[str, str | None, int], list[Server]] = {}
    for server in servers(scene):
        nodes = server.command.number("nnodes", 1)
        if nodes and nodes > 1:
            key = (server.workload.manifest.namespace, server.command.model, nodes)
            groups.setdefault(key, []).append(server)
    for (_, _, nodes), group in groups.items():
        pods = sum(server.workload.pods for server in group)
        for server in group:
            rank = server.command.value("node-rank") or "0"
            same = rank.isdecimal() and server.workload.pods > 1
            if pods < nodes or same:
                count = "1 pod" if pods == 1 else f"{pods} pods"
                why = f"all its pods have rank {rank}" if same else f"these files make {count} of it"
                message = f"--nnodes={nodes} needs {nodes} pods, of ranks 0 to {nodes - 1}; {why}"
                severity = None if same else Severity.WARNING
                yield Hit(server.workload.manifest, server.where("nnodes"), message, severity=severity)
