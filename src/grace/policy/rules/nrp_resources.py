"""NRP: requests and limits, and what bare Pods may use."""

import math
from collections.abc import Callable, Iterator
from typing import Any

from grace.models.plan import GIB
from grace.policy.documents import Container, Scene, Workload, together
from grace.policy.pods import HOSTNAME, node_terms, pod_amount, pod_gpus
from grace.policy.quantities import quantity
from grace.policy.rule import Hit, Severity, broken, changed, error, kubernetes, note, warning
from grace.policy.rules.examples import example
from grace.policy.rules.nrp_pages import POLICIES, USING

BOUNDED = ("cpu", "memory", "ephemeral-storage")
"""Resources whose limits are bound to their requests."""
MOST_GPU_PODS = 50
CORES = "limit of cpu"
DEFAULTED = {"InferenceService", "ServingRuntime", "ClusterServingRuntime"}
"""Custom resources whose controllers fill in requests and limits."""
EXACT = 1 + 1e-9
"""Factor that prevents rounding from turning 120% into more."""
_JOB = example("sized-job")
_RATIO = ('limits: {cpu: "1", memory: 2Gi', "limits: {cpu: 1200m, memory: 2.4Gi")
_POD = example("bare-pod")
_DEPLOYMENT = example("four-gpu-server")
_HOSTS = example("pod-on-hosts")


@error(
    "NRP001",
    "no requests or limits of cores and memory",
    why="The cluster refuses each pod that has a container without them. Whether it asks init containers for them is "
    "not known, and where only the limit of cores is missing, it may accept the pod: both are warnings.",
    source=f"{POLICIES}; its admission rule container-must-have-limits-and-requests",
    fix="Write cpu and memory into resources of this container, the same as requests and limits: `resources: "
    "{requests: {cpu: 1, memory: 2Gi}, limits: {cpu: 1, memory: 2Gi}}`.",
    examples=broken(
        _JOB,
        ('requests: {cpu: "1", memory: 2Gi,', 'requests: {cpu: "1",'),
        ('limits: {cpu: "1", memory: 2Gi,', 'limits: {cpu: "1",'),
    ),
)
def check_given(scene: Scene) -> Iterator[Hit]:
    for workload, container in scene.containers:
        if missing := _missing(workload, container):
            severity, known = _certainty(workload, container, missing)
            message = f"container {container.name} has no {', no '.join(missing)}{known}"
            yield Hit(workload.manifest, (*container.path, "resources"), message, severity=severity)


def _certainty(workload: Workload, container: Container, missing: list[str]) -> tuple[Severity | None, str]:
    """How bad it is that a container lacks some, and what is not known of that."""
    if workload.manifest.kind.endswith("TrainingRuntime") and container.name == "node":
        return Severity.NOTE, ": the TrainJob must set spec.trainer.resourcesPerNode"
    if container.init:
        return Severity.WARNING, "; whether init containers need them is not known: try kubectl's --dry-run=server"
    return Severity.WARNING if missing == [CORES] else None, ""


def _missing(workload: Workload, container: Container) -> list[str]:
    """Requests and limits that a container does not have. A limit alone is a request, too."""
    if workload.custom and workload.manifest.kind in DEFAULTED:
        return []
    return [
        f"{part} of {resource}"
        for resource in ("cpu", "memory")
        for part, amount in (("request", container.request(resource)), ("limit", container.limit(resource)))
        if amount is None and _written(container, f"{part}s", resource) is None
    ]


@warning(
    "NRP002",
    "limit too far above its request",
    why="Limits are at most 20% above requests, so that nodes are not promised twice. Admission warns, and the "
    "administrators ask.",
    source=f"{POLICIES}; its admission rule container-must-meet-memory-and-cpu-ratio",
    fix="Decide how much the program needs, and write that as the request and as the limit.",
    examples=(changed(_JOB, ("limits: {cpu: 500m,", "limits: {cpu: 601m,")), changed(_JOB, _RATIO)),
)
def check_ratio(scene: Scene) -> Iterator[Hit]:
    ratio = scene.cluster.limits.ratio
    for workload, container in scene.containers if ratio else ():
        for resource in BOUNDED:
            request, limit = container.request(resource), container.limit(resource)
            if ratio and request is not None and limit is not None and limit > request * ratio * EXACT:
                share = f"is {100 * limit / request:.4g}% of" if request else "is above"
                least = f"a request of at least {_amount(resource, limit / ratio, math.ceil)}"
                ways = f"a limit of at most {_amount(resource, request * ratio, math.floor)}, or {least}"
                message = (
                    f"container {container.name}: the {resource} limit {_written(container, 'limits', resource)} "
                    f"{share} the request {_written(container, 'requests', resource)}, and may be {100 * ratio:g}%: "
                    f"write {ways if request else least}"
                )
                yield Hit(workload.manifest, (*container.path, "resources", "limits", resource), message)


@warning(
    "NRP003",
    "limits above requests, and many pods",
    why="Above about 100 pods or jobs at once, limits must equal requests: 20% of each would be too much together.",
    source=POLICIES,
    fix="Write the same amounts as requests and limits.",
    examples=broken(changed(_JOB, ("parallelism: 1", "parallelism: 101")), _RATIO),
)
def check_equal(scene: Scene) -> Iterator[Hit]:
    most = scene.cluster.limits.equal_above
    for group in together(scene.workloads):
        pods = sum(workload.pods for workload in group)
        for container in [one for workload in group for one in workload.containers] if most and pods > most else ():
            apart = [each for each in BOUNDED if container.limit(each) not in (None, container.request(each))]
            if apart:
                message = (
                    f"container {container.name}: limit and request of {' and '.join(apart)} differ, and this file "
                    f"makes {pods} pods; with more than {most} they must be equal"
                )
                yield Hit(container.manifest, (*container.path, "resources", "limits"), message)


def _amount(resource: str, number: float, rounded: Callable[[float], int]) -> str:
    """An amount as one writes it, rounded up or down."""
    if resource == "cpu":
        scale, unit = (1000.0, "m") if number < 4 else (10.0, "")
    else:
        scale, unit = (10 / GIB, "Gi") if number >= 4 * GIB else (1024 / GIB, "Mi")
    value = rounded(number * scale + (1e-6 if rounded is math.floor else -1e-6))
    return f"{value / 10 if unit in ('', 'Gi') else value:g}{unit}"


def _written(container: Container, part: str, resource: str) -> Any:
    return ((container.body.get("resources") or {}).get(part) or {}).get(resource)


@error(
    "NRP004",
    "bare Pod (not made by a Job) that asks for too much",
    why="Bare Pods are for looking around: 2 GPUs, 32 GB and 16 cores at most. Pods of Jobs have no such bounds.",
    source=POLICIES,
    fix="Make it a Job, or ask for less.",
    examples=broken(_POD, ("nvidia.com/gpu: 2", "nvidia.com/gpu: 3")),
)
def check_bare(scene: Scene) -> Iterator[Hit]:
    bounds = scene.cluster.limits.bare_pod
    for workload in scene.workloads:
        if not _bare(workload):
            continue
        asked = {
            "GPUs": (pod_gpus(workload, scene.cluster), bounds.gpus),
            "GiB of memory": (_most(workload, "memory") / GIB, (quantity(bounds.memory) or 0) / GIB or None),
            "cores": (_most(workload, "cpu"), bounds.cpu),
        }
        amounts = asked.items()
        over = [f"{amount:g} {what} (at most {most:g})" for what, (amount, most) in amounts if most and amount > most]
        if over:
            message = f"a bare Pod asks for {' and '.join(over)}"
            yield Hit(workload.manifest, (*workload.path, "containers"), message)


def _bare(workload: Workload) -> bool:
    return workload.kind == "Pod" and not workload.manifest.metadata.get("ownerReferences")


def _most(workload: Workload, resource: str) -> float:
    """What a pod may use: its limits, where it has some."""
    return pod_amount(workload, lambda container: container.limit(resource) or container.request(resource) or 0)


@warning(
    "NRP005",
    "bare Pod (not made by a Job) that is to run too long",
    why="NRP deletes bare Pods after 6 hours, with all that they did not write to a volume.",
    source=POLICIES,
    fix="Make it a Job.",
    examples=broken(_POD, ("21600", "21601")),
)
def check_bare_deadline(scene: Scene) -> Iterator[Hit]:
    hours = scene.cluster.limits.bare_pod.hours
    for workload in scene.workloads:
        seconds = workload.spec.get("activeDeadlineSeconds")
        if hours and _bare(workload) and seconds is not None and seconds > hours * 3600:
            message = f"activeDeadlineSeconds is {seconds / 3600:g} h, and a bare Pod is deleted after {hours:g} h"
            yield Hit(workload.manifest, (*workload.path, "activeDeadlineSeconds"), message)


@note(
    "NRP006",
    "bare Pod (not made by a Job), which is deleted after 6 hours",
    why="NRP deletes bare Pods after 6 hours, even while they work. If their node fails before, nothing starts them "
    "again.",
    source=POLICIES,
    fix="For looking around that is right. Make work that takes longer a Job. activeDeadlineSeconds: 21600 in the "
    "spec says that you know.",
    examples=broken(_POD, ("  activeDeadlineSeconds: 21600\n", "")),
)
def check_bare_end(scene: Scene) -> Iterator[Hit]:
    hours = scene.cluster.limits.bare_pod.hours
    for workload in scene.workloads:
        if hours and _bare(workload) and "activeDeadlineSeconds" not in workload.spec:
            message = f"is deleted after {hours:g} hours, even while it works"
            yield Hit(workload.manifest, ("kind",), message)


@error(
    "NRP007",
    "more GPUs than a node has",
    why="All containers of a pod run on one node. The pod waits for ever.",
    source=USING,
    fix="Take at most 8 GPUs, a quantized model, or vLLM on several nodes with a pod on each.",
    examples=(changed(_DEPLOYMENT, ("gpu: 4", "gpu: 9")), changed(_DEPLOYMENT, ("gpu: 4", "gpu: 8"))),
)
def check_node_gpus(scene: Scene) -> Iterator[Hit]:
    most = scene.cluster.limits.gpus_of_a_node
    for workload in scene.workloads:
        gpus = pod_gpus(workload, scene.cluster)
        if most and gpus > most:
            message = f"one pod asks for {gpus} GPUs, and a node has {most} at most; a pod never spans two nodes"
            yield Hit(workload.manifest, (*workload.path, "containers"), message)


@warning(
    "NRP043",
    "many pods with GPUs",
    why="Whoever runs more than 50 pods with GPUs at once has a plan for it that the administrators agreed to.",
    source=POLICIES,
    fix="Run fewer at once (parallelism, replicas), or ask the administrators first.",
    examples=broken(
        changed(_DEPLOYMENT, ("spec:\n  sel", "spec:\n  replicas: 50\n  sel")), ("replicas: 50", "replicas: 51")
    ),
)
def check_gpu_pods(scene: Scene) -> Iterator[Hit]:
    for group in together(workload for workload in scene.workloads if pod_gpus(workload, scene.cluster)):
        pods = sum(workload.pods for workload in group)
        if pods > MOST_GPU_PODS:
            largest = max(group, key=lambda workload: workload.pods)
            message = f"{pods} pods with GPUs at once; more than {MOST_GPU_PODS} need the administrators' agreement"
            yield Hit(largest.manifest, largest.path, message)


@error(
    "NRP008",
    "one pod on two nodes",
    why="No node has two names. The pod waits for ever.",
    source=kubernetes("Assigning Pods to Nodes", "concepts/scheduling-eviction/assign-pod-node/"),
    fix="Name one node, or none and let nvidia.com/gpu.product choose; for two nodes, run a pod on each.",
    examples=broken(_HOSTS, ("values: [node-2, node-3]", "values: [node-4]")),
)
def check_two_nodes(scene: Scene) -> Iterator[Hit]:
    for workload in scene.workloads:
        together = []
        for term in node_terms(workload):
            hosts = [each for each in term if each.key == HOSTNAME and each.operator == "In"]
            names = [{name for value in requirement.values for name in _split(value)} for requirement in hosts]
            several = any(len(_split(value)) > 1 for requirement in hosts for value in requirement.values)
            together.append((hosts, names, several or (bool(names) and not set.intersection(*names))))
        if all(impossible for _, _, impossible in together):
            hosts, names, _ = together[0]
            message = f"one pod is to run on {' and '.join(sorted(set.union(*names)))}; a pod never spans two nodes"
            yield Hit(workload.manifest, hosts[-1].path, message)


def _split(value: str) -> list[str]:
    """The hostnames in a value that has several."""
    return value.replace("+", " ").replace(",", " ").split()


@warning(
    "NRP009",
    "as many GPUs as named nodes",
    why="Several hostnames are alternatives. The GPUs of a pod are those of the one node that it runs on, never one of "
    "each.",
    source=kubernetes("Assigning Pods to Nodes", "concepts/scheduling-eviction/assign-pod-node/"),
    fix="Name nodes that have as many GPUs each, or run vLLM on several nodes with a pod on each.",
    examples=broken(_HOSTS, ("nvidia.com/gpu: 1", "nvidia.com/gpu: 2")),
)
def check_one_of_nodes(scene: Scene) -> Iterator[Hit]:
    """Pods with as many GPUs as named nodes: probably meant to use one of each."""
    for workload in scene.workloads:
        gpus = pod_gpus(workload, scene.cluster)
        for term in node_terms(workload):
            for requirement in term:
                hosts = len(set(requirement.values))
                if requirement.key == HOSTNAME and requirement.operator == "In" and hosts > 1 and hosts == gpus:
                    names = " or ".join(requirement.values)
                    message = f"the pod runs on {names}, never on several: that one node must have all {gpus} GPUs"
                    yield Hit(workload.manifest, requirement.path, message)
