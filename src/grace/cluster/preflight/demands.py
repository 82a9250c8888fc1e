"""What manifests ask a cluster for: resources of each pod, claims, and the sums that quotas count."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from grace.cluster.access.pods import COMPONENT, LINEUP, MODEL
from grace.policy.documents import Container, Manifest, Scene, Workload
from grace.policy.pods import pod_amount
from grace.policy.quantities import quantity

_COUNTED = {
    "ConfigMap": ("configmaps", "count/configmaps"),
    "CronJob": ("count/cronjobs.batch",),
    "Deployment": ("count/deployments.apps",),
    "Job": ("count/jobs.batch",),
    "PersistentVolumeClaim": ("persistentvolumeclaims", "count/persistentvolumeclaims"),
    "Secret": ("secrets", "count/secrets"),
    "Service": ("services", "count/services"),
    "StatefulSet": ("count/statefulsets.apps",),
}
"""Names of quotas that count objects (https://kubernetes.io/docs/concepts/policy/resource-quotas/)."""
_PLAIN = ("cpu", "memory")
"""Quotas on requests of these have two names: `cpu` is `requests.cpu`."""


@dataclass(frozen=True)
class Claim:
    """A request for a volume.

    Attributes:
        manifest: the claim, or the workload with the claim's template.
        storage_class: its class; None for the cluster's default; "" for a volume that was made by hand.
        modes: the access modes.
        size: in bytes; None when it has none.
        title: kind and name, such as `PersistentVolumeClaim/outputs`.
    """

    manifest: Manifest
    storage_class: str | None
    modes: tuple[str, ...]
    size: float | None
    title: str


def claims(scene: Scene) -> Iterator[Claim]:
    """Claims among the objects, those in templates of a StatefulSet, and those of ephemeral volumes."""
    for manifest in scene.kind("PersistentVolumeClaim"):
        yield _claim(manifest, manifest.at(("spec",)), manifest.title)
    for workload in scene.workloads:
        for template in workload.manifest.at(("spec", "volumeClaimTemplates")) or []:
            name = (template.get("metadata") or {}).get("name", "")
            yield _claim(workload.manifest, template.get("spec"), f"{workload.manifest.title}, volume {name}")
        for _, volume in workload.volumes:
            if template := (volume.get("ephemeral") or {}).get("volumeClaimTemplate"):
                title = f"{workload.manifest.title}, volume {volume.get('name', '')}"
                yield _claim(workload.manifest, template.get("spec"), title)


def _claim(manifest: Manifest, spec: Any, title: str) -> Claim:
    body = spec if isinstance(spec, dict) else {}
    requests = (body.get("resources") or {}).get("requests") or {}
    return Claim(
        manifest,
        body.get("storageClassName"),
        tuple(body.get("accessModes") or ()),
        quantity(requests.get("storage")),
        title,
    )


def pod_requests(workload: Workload) -> dict[str, float]:
    """What one pod requests, in cores, bytes or pieces."""
    return _of_pod(workload, Container.request)


def pod_limits(workload: Workload) -> dict[str, float]:
    """The limits of one pod, in cores, bytes or pieces."""
    return _of_pod(workload, Container.limit)


def resources_of(containers: Iterable[Container]) -> list[str]:
    """Names of all resources that containers request or limit."""
    names: dict[str, None] = {}
    for container in containers:
        resources = container.body.get("resources") or {}
        names |= dict.fromkeys([*(resources.get("requests") or {}), *(resources.get("limits") or {})])
    return list(names)


def _of_pod(workload: Workload, read: Callable[[Container, str], float | None]) -> dict[str, float]:
    amounts = {
        resource: pod_amount(workload, lambda container, name=resource: read(container, name) or 0.0)  # type: ignore[misc]
        for resource in resources_of(workload.containers)
    }
    return {resource: amount for resource, amount in amounts.items() if amount}


def gpus_of(requests: Mapping[str, float]) -> dict[str, int]:
    """The GPUs among a pod's requests."""
    return {name: int(amount) for name, amount in requests.items() if name.startswith("nvidia.com/")}


def counted(scene: Scene, manifests: Iterable[Manifest], scopes: Callable[[Workload], bool]) -> dict[str, float]:
    """What a ResourceQuota would count at most at once, by its names for it.

    The models of a lineup come one after the other, and so do the Jobs that fetch their weights: only the pods of the
    model that asks for most are counted.

    Args:
        scene: the one that the objects belong to.
        manifests: the objects to count.
        scopes: whether the quota is about the pods of a workload.
    """
    submission = set(manifests)
    sums: dict[str, float] = {}
    for manifest in submission:
        for name in _COUNTED.get(manifest.kind, ()):
            _add(sums, name, 1)
    turns: dict[tuple[str | None, ...], dict[str, float]] = {}
    for workload in scene.workloads:
        if workload.manifest in submission and scopes(workload):
            labels = workload.pod_labels
            fetching = labels.get(COMPONENT) if labels.get(COMPONENT) == "weights" else None
            turn = (labels.get(LINEUP), labels.get(MODEL), fetching) if MODEL in labels else ()
            _add_pods(turns.setdefault(turn, {}), workload)
    alone = turns.pop((), {})
    for name in {name for turn in (alone, *turns.values()) for name in turn}:
        _add(sums, name, alone.get(name, 0.0) + max((turn.get(name, 0.0) for turn in turns.values()), default=0.0))
    for claim in claims(scene):
        if claim.manifest in submission and claim.size is not None:
            _add(sums, "requests.storage", claim.size)
            if claim.storage_class:
                _add(sums, f"{claim.storage_class}.storageclass.storage.k8s.io/requests.storage", claim.size)
                _add(sums, f"{claim.storage_class}.storageclass.storage.k8s.io/persistentvolumeclaims", 1)
    return sums


def _add_pods(sums: dict[str, float], workload: Workload) -> None:
    pods = workload.pods
    _add(sums, "pods", pods)
    _add(sums, "count/pods", pods)
    for resource, amount in pod_requests(workload).items():
        _add(sums, f"requests.{resource}", pods * amount)
        if resource in _PLAIN:
            _add(sums, resource, pods * amount)
    for resource, amount in pod_limits(workload).items():
        _add(sums, f"limits.{resource}", pods * amount)


def _add(sums: dict[str, float], name: str, amount: float) -> None:
    sums[name] = sums.get(name, 0.0) + amount
