"""The container that serves a model with vLLM, and where it may run."""

import shlex

from kubernetes import client as k8s

from grace.cluster.manifests.grace_container import grace_container
from grace.cluster.manifests.layout import LineupLayout, Served
from grace.cluster.manifests.parts import (
    TMP,
    WEIGHTS,
    claim_volume,
    container_security,
    empty_volume,
    environment,
    mount,
    resources,
    selector,
)
from grace.cluster.manifests.weights_job import catalogue_mounts, catalogue_variables, model_arguments
from grace.cluster.names import literal
from grace.models.serving import VLLM_BATCH_INVARIANT, vllm_serve_arguments
from grace.policy.pods import DRIVER, HOSTNAME, MEMORY, PRODUCT, ZONE

PORT = 8000
NAME = "vllm"
CHECK = "weights"
"""Name of the init container that checks that the weights are there."""
DISK = "10Gi"
"""For compiled kernels and logs."""
MOST_SHARED_GIB = 10

_START = """\
# Each pod of the Job is one node of the server, and only the first one answers requests.
headless=--headless
if [ "$JOB_COMPLETION_INDEX" = 0 ]; then headless=; fi
exec vllm serve {options} \\
  --node-rank="$JOB_COMPLETION_INDEX" $headless
"""
_LOOK = """\
import os, sys, time, urllib.request
first, seconds, address = sys.argv[1:]
try:
    urllib.request.urlopen(address, timeout=8)
except OSError:
    if not os.path.exists(first):
        open(first, "w").close()
    sys.exit(time.time() - os.path.getmtime(first) < float(seconds))
"""
"""A probe that ends well when an address answers with success, and also so many seconds after the first look: a sidecar
that never comes up would start again and again, and hold its GPU until the pod's deadline. So the container that asks
starts, waits, and fails the pod."""
FIRST_LOOK = f"{TMP}/first-look"


def server_container(
    layout: LineupLayout, served: Served, leader: str | None = None, sidecar: bool = False
) -> k8s.V1Container:
    """vLLM with a model.

    Args:
        layout: the rendering.
        served: the model.
        leader: host name of the first pod, where there are several.
        sidecar: it runs beside the container that asks, which starts when the model is loaded, and ends after it.
    """
    plan = served.plan
    command, arguments = ["vllm", "serve"], vllm_serve_arguments(plan, port=PORT, leader=leader)
    if leader:
        options = " \\\n  ".join(shlex.quote(word) for word in arguments if word != "--node-rank=0")
        command, arguments = ["bash", "-c"], [_START.format(options=options)]
    cores, memory = str(2 + plan.gpus), f"{plan.host_gib + _shared_gib(served)}Gi"
    return k8s.V1Container(
        name=NAME,
        image=layout.vllm_image,
        command=command,
        args=[literal(argument) for argument in arguments],
        env=environment(_settings(served)),
        ports=[k8s.V1ContainerPort(name="http", container_port=PORT)],
        resources=resources(cores, memory, DISK, {served.gpu.resource: plan.gpus}),
        security_context=container_security(),
        startup_probe=_startup(served, leader or "127.0.0.1") if sidecar else _probe(10, served.startup_seconds // 10),
        liveness_probe=None if sidecar else _probe(period=30, failures=5),
        readiness_probe=None if sidecar else _probe(period=10, failures=3),
        restart_policy="Always" if sidecar else None,
        volume_mounts=[
            mount("weights", WEIGHTS, read_only=True),
            mount("shared-memory", "/dev/shm"),  # noqa: S108 - the container's own
            mount("server-tmp", TMP),
        ],
    )


def _settings(served: Served) -> dict[str, str]:
    """Weights are read from their volume, nothing from the hub; what is written goes to the pod's own disk."""
    return {
        "HF_HOME": WEIGHTS,
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "HF_MODULES_CACHE": f"{TMP}/modules",
        "HOME": TMP,
        "USER": NAME,
        "TMPDIR": TMP,
        "XDG_CACHE_HOME": f"{TMP}/cache",
        "XDG_CONFIG_HOME": f"{TMP}/config",
        "VLLM_CACHE_ROOT": f"{TMP}/vllm",
        "TORCHINDUCTOR_CACHE_DIR": f"{TMP}/inductor",
        "TRITON_CACHE_DIR": f"{TMP}/triton",
        "VLLM_NO_USAGE_STATS": "1",
        "DO_NOT_TRACK": "1",
        "VLLM_ENGINE_READY_TIMEOUT_S": str(served.startup_seconds),
        **({VLLM_BATCH_INVARIANT: "1"} if served.batch_invariant else {}),
    }


def _startup(served: Served, host: str) -> k8s.V1Probe:
    """The startup probe, for the time that loading may take. The first of several nodes answers when all are ready."""
    seconds = served.startup_seconds
    # A minute more, so that the probe gives up before the kubelet does.
    probe = k8s.V1Probe(period_seconds=10, failure_threshold=seconds // 10 + 6, timeout_seconds=10)
    command = ["python3", "-c", _LOOK, FIRST_LOOK, str(seconds), f"http://{host}:{PORT}/health"]
    # Set afterwards: the client's constructor drops this one without a word (version 37).
    probe.var_exec = k8s.V1ExecAction(command=command)
    return probe


def _probe(period: int, failures: int) -> k8s.V1Probe:
    health = k8s.V1HTTPGetAction(path="/health", port="http")
    return k8s.V1Probe(http_get=health, period_seconds=period, failure_threshold=failures, timeout_seconds=10)


def check_container(layout: LineupLayout, served: Served) -> k8s.V1Container:
    """An init container that ends with 3 unless all files of the weights are on their volume."""
    arguments = ["models", "path", *model_arguments(served)]
    mounts = [mount("weights", WEIGHTS, read_only=True), *catalogue_mounts(layout)]
    variables = [*environment({"HF_HUB_OFFLINE": "1"}), *catalogue_variables(layout)]
    return grace_container(layout, CHECK, arguments, mounts, variables)


def server_volumes(layout: LineupLayout, served: Served) -> list[k8s.V1Volume]:
    """What `server_container` mounts."""
    return [
        claim_volume(layout, "weights", read_only=True),
        empty_volume("shared-memory", f"{_shared_gib(served)}Gi", memory=True),
        empty_volume("server-tmp", "8Gi"),
    ]


def _shared_gib(served: Served) -> int:
    """Size of /dev/shm, through which the processes of the GPUs talk; it counts as the container's memory."""
    return min(2 * served.plan.gpus, MOST_SHARED_GIB)


def affinity(layout: LineupLayout, served: Served, component: str) -> k8s.V1Affinity:
    """Nodes with the right GPU and a driver that is new enough; with several nodes, near each other."""
    expressions = [_requires(PRODUCT, "In", *served.gpu.products)]
    if served.gpu.memory_above:
        expressions.append(_requires(MEMORY, "Gt", str(served.gpu.memory_above)))
    expressions.append(_requires(DRIVER, "Gt", str(layout.driver - 1)))
    term = k8s.V1NodeSelectorTerm(match_expressions=expressions)
    required = k8s.V1NodeSelector(node_selector_terms=[term])
    chosen = k8s.V1Affinity(
        node_affinity=k8s.V1NodeAffinity(required_during_scheduling_ignored_during_execution=required)
    )
    if served.nodes > 1:
        own = k8s.V1LabelSelector(match_labels=selector(layout, component, served))
        chosen.pod_affinity = k8s.V1PodAffinity(
            required_during_scheduling_ignored_during_execution=[
                k8s.V1PodAffinityTerm(label_selector=own, topology_key=ZONE)
            ]
        )
        chosen.pod_anti_affinity = k8s.V1PodAntiAffinity(
            required_during_scheduling_ignored_during_execution=[
                k8s.V1PodAffinityTerm(label_selector=own, topology_key=HOSTNAME)
            ]
        )
    return chosen


def _requires(key: str, operator: str, *values: str) -> k8s.V1NodeSelectorRequirement:
    return k8s.V1NodeSelectorRequirement(key=key, operator=operator, values=list(values))
