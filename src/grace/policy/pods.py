"""What pods ask a cluster for: amounts, GPUs, and the nodes that they may run on."""

import posixpath
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from grace.models import catalogue
from grace.policy.cluster_file import Cluster, ClusterGpu
from grace.policy.documents import Container, FieldPath, Workload

HOSTNAME = "kubernetes.io/hostname"
REGION = "topology.kubernetes.io/region"
ZONE = "topology.kubernetes.io/zone"
DRIVER = "nvidia.com/cuda.driver.major"
PRODUCT = "nvidia.com/gpu.product"
MEMORY = "nvidia.com/gpu.memory"
"""Label of nodes: memory of each GPU in MiB."""

_AFFINITY: FieldPath = (
    "affinity",
    "nodeAffinity",
    "requiredDuringSchedulingIgnoredDuringExecution",
    "nodeSelectorTerms",
)


@dataclass(frozen=True)
class Requirement:
    """What a pod requires of its node's labels: an operator as In or Gt, and values."""

    key: str
    operator: str
    values: tuple[str, ...]
    path: FieldPath

    def at(self, value: str) -> FieldPath:
        """The path of one of its values; in a nodeSelector, that of the label."""
        return self.path if "nodeSelector" in self.path else (*self.path, "values", self.values.index(value))


def operator_holds(operator: object, value: str | None, values: Sequence[str]) -> bool | None:
    """Whether a value, or None for no value, meets an operator of a selector; None for other operators, such as Gt."""
    return {
        "In": value in values,
        "NotIn": value not in values,
        "Exists": value is not None,
        "DoesNotExist": value is None,
    }.get(str(operator))


def node_terms(workload: Workload) -> list[list[Requirement]]:
    """What the pods of a workload require of their node: everything in one of these lists. Preferences are left out."""
    selector = [
        Requirement(key, "In", (value,), (*workload.path, "nodeSelector", key))
        for key, value in (workload.spec.get("nodeSelector") or {}).items()
    ]
    path = (*workload.path, *_AFFINITY)
    terms: Any = workload.spec
    for part in _AFFINITY:
        terms = (terms or {}).get(part)
    return [
        [
            *selector,
            *(
                Requirement(
                    expression["key"],
                    expression["operator"],
                    tuple(str(value) for value in expression.get("values") or []),
                    (*path, number, "matchExpressions", place),
                )
                for place, expression in enumerate(term.get("matchExpressions") or [])
            ),
        ]
        for number, term in enumerate(terms or [])
    ] or [selector]


def pod_amount(workload: Workload, of: Callable[[Container], float]) -> float:
    """What a pod requests, from what its containers request.

    Those that run together add up; an init container runs before the main ones, beside the sidecars.
    """
    sidecars, before = 0.0, 0.0
    for container in workload.containers:
        if container.sidecar:
            sidecars += of(container)
        elif container.init:
            before = max(before, sidecars + of(container))
    return max(before, sidecars + sum(of(container) for container in workload.containers if not container.init))


PARTS_OF_GPUS = frozenset(f"nvidia.com/{part}" for part in ("gpumem", "gpumem-percentage", "gpucores", "priority"))
"""Resources of HAMi, which shares GPUs: they count memory and cores, and no GPUs."""


def gpu_resources(container: Container, cluster: Cluster) -> dict[str, float]:
    """How many GPUs a container asks for, by resource."""
    resources = container.body.get("resources") or {}
    named = dict.fromkeys([*(resources.get("limits") or {}), *(resources.get("requests") or {})])
    own = {gpu.resource for gpu in cluster.gpus}
    gpus = [name for name in named if name in own or (name.startswith("nvidia.com/") and name not in PARTS_OF_GPUS)]
    return {name: number for name in gpus if (number := container.request(name) or 0) > 0}


def gpu_count(container: Container, cluster: Cluster) -> int:
    """How many GPUs a container asks for."""
    return int(sum(gpu_resources(container, cluster).values()))


def pod_gpus(workload: Workload, cluster: Cluster) -> int:
    """How many GPUs a pod of a workload asks for."""
    return int(pod_amount(workload, lambda container: gpu_count(container, cluster)))


def named_products(term: list[Requirement]) -> set[str] | None:
    """The GPU products that nodes of a term may have; None when it names none."""
    sets = [set(each.values) for each in term if each.key == PRODUCT and each.operator == "In"]
    return set.intersection(*sets) if sets else None


def gpu_kinds(workload: Workload, container: Container, cluster: Cluster) -> list[ClusterGpu]:
    """The kinds of GPU that a container may get, among those that the cluster's file and the catalogue know.

    Returns:
        Nothing when it asks for none, or when it may get an unknown one.
    """
    asked = gpu_resources(container, cluster)
    kinds: dict[str, ClusterGpu] = {}
    for term in node_terms(workload) if asked else []:
        products = named_products(term)
        listed = {product for gpu in cluster.gpus for product in gpu.products}
        if products is not None and not products <= listed:
            return []
        for gpu in cluster.gpus:
            fits = gpu.resource in asked if products is None else bool(products & set(gpu.products))
            if fits and gpu.gpu in catalogue.gpus() and _has_memory(gpu, term):
                kinds[gpu.gpu] = gpu
    return list(kinds.values())


def _has_memory(gpu: ClusterGpu, term: list[Requirement]) -> bool:
    """Whether a kind of GPU has the memory that a term requires."""
    mebibytes = max(catalogue.gpus()[gpu.gpu].memory_gib * 1024, gpu.memory_above or 0)
    for requirement in term:
        if requirement.key == MEMORY and requirement.values and requirement.values[0].isdecimal():
            bound = int(requirement.values[0])
            if {"Gt": mebibytes < bound, "Lt": mebibytes > bound}.get(requirement.operator):
                return False
    return True


@dataclass(frozen=True)
class Place:
    """The storage of a path in a container.

    Attributes:
        mount: the volume mount that holds it.
        volume: the pod's volume; empty for one that a StatefulSet makes from a template.
        rest: the path in the volume.
    """

    mount: dict[str, Any]
    volume: dict[str, Any]
    rest: str

    @property
    def claim(self) -> str:
        """The name of its volume claim; empty when it has none, or one from a template."""
        return (self.volume.get("persistentVolumeClaim") or {}).get("claimName") or ""

    @property
    def lasting(self) -> bool:
        """Whether it outlives the pod."""
        return not {"emptyDir", "ephemeral", "configMap", "secret", "projected", "downwardAPI"} & set(self.volume)


def place_of(workload: Workload, container: Container, path: str) -> Place | None:
    """The volume that holds a path of a container; None for the container's own storage."""
    full = posixpath.normpath(posixpath.join(container.body.get("workingDir", "/"), path))
    volumes = {body.get("name"): body for _, body in workload.volumes}
    mounts = [(posixpath.normpath(each["mountPath"]), each) for each in container.body.get("volumeMounts") or []]
    around = [(point, mount) for point, mount in mounts if full == point or full.startswith(point.rstrip("/") + "/")]
    if not around:
        return None
    point, mount = max(around, key=lambda each: len(each[0]))
    rest = posixpath.join(mount.get("subPath", ""), full[len(point) :].lstrip("/"))
    return Place(mount, volumes.get(mount.get("name")) or {}, rest)
