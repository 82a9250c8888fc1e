"""Objects of a namespace that carry given labels, kind by kind, as they are listed before and after cleaning."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from grace.cluster.access.connection import Api
from grace.cluster.access.paths import Resource
from grace.cluster.access.watching import listing

KINDS: Mapping[str, Resource] = {
    resource.kind: resource
    for resource in (
        Resource("v1", "Pod", "pods", namespaced=True),
        Resource("batch/v1", "Job", "jobs", namespaced=True),
        Resource("apps/v1", "Deployment", "deployments", namespaced=True),
        Resource("apps/v1", "ReplicaSet", "replicasets", namespaced=True),
        Resource("v1", "Service", "services", namespaced=True),
        Resource("v1", "ConfigMap", "configmaps", namespaced=True),
        Resource("v1", "Secret", "secrets", namespaced=True),
        Resource("v1", "PersistentVolumeClaim", "persistentvolumeclaims", namespaced=True),
    )
}
"""The kinds that a lineup's objects, or what controllers make of them, can have. `kubectl get all` lists not all."""


@dataclass(frozen=True)
class ClusterObject:
    """An object that the cluster has.

    Attributes:
        path: where it is.
        uid: that of this one; another of the same name has another.
        deleting: it is being deleted, and waits for something: its pods, a finalizer, or users of a volume.
        body: all of it.
    """

    kind: str
    name: str
    path: str
    uid: str
    labels: Mapping[str, str] = field(repr=False)
    deleting: bool
    body: dict[str, Any] = field(repr=False)

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"


def labelled(api: Api, namespace: str, labels: Mapping[str, str], kinds: Iterable[str] = KINDS) -> list[ClusterObject]:
    """All objects that have these labels, by kind in the order given. Raises ApiError, also when one may not look.

    Args:
        api: the connection.
        namespace: to look in.
        labels: all of them; an empty value means that the label must be there with any.
        kinds: names of `KINDS`.
    """
    selector = ",".join(f"{key}={value}" if value else key for key, value in labels.items())
    if not selector:
        raise ValueError("without labels these would be everybody's objects")
    objects = []
    for kind in kinds:
        resource = KINDS[kind]
        for body in listing(api, resource.path(namespace), labels=selector)[0]:
            metadata = body.get("metadata") or {}
            name = str(metadata.get("name", ""))
            objects.append(
                ClusterObject(
                    kind,
                    name,
                    resource.path(namespace, name),
                    str(metadata.get("uid", "")),
                    metadata.get("labels") or {},
                    bool(metadata.get("deletionTimestamp")),
                    body,
                )
            )
    return objects
