"""Volume claims, and what pods refer to in their namespace: volume claims, ConfigMaps, Secrets, service accounts."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from grace.policy.documents import FieldPath, Manifest, Scene, Workload

ALWAYS_THERE = {("ServiceAccount", "default"), ("ConfigMap", "kube-root-ca.crt")}
"""Objects that the cluster puts into every namespace."""


def claims(scene: Scene) -> Iterator[tuple[Manifest, FieldPath]]:
    """Volume claims, and the templates of some in StatefulSets and in volumes, each with the path of its spec."""
    yield from ((claim, ("spec",)) for claim in scene.kind("PersistentVolumeClaim"))
    for manifest in scene.kind("StatefulSet"):
        count = len(manifest.at(("spec", "volumeClaimTemplates")) or [])
        yield from ((manifest, ("spec", "volumeClaimTemplates", number, "spec")) for number in range(count))
    for workload in scene.workloads:
        for path, volume in workload.volumes:
            if "volumeClaimTemplate" in (volume.get("ephemeral") or {}):
                yield workload.manifest, (*path, "ephemeral", "volumeClaimTemplate", "spec")


@dataclass(frozen=True)
class Reference:
    """What a pod refers to in its namespace.

    Attributes:
        path: the path of the name in the workload's manifest.
        keys: those that it needs, each with its path; empty: all that exist.
        optional: the pod starts without it.
    """

    kind: str
    name: str
    path: FieldPath
    keys: tuple[tuple[str, FieldPath], ...] = ()
    optional: bool = False


@lru_cache(maxsize=4096)
def references(workload: Workload) -> tuple[Reference, ...]:
    """What the pods of a workload refer to, and their RuntimeClass, which is in no namespace; read once."""
    return tuple(_references(workload))


def _references(workload: Workload) -> Iterator[Reference]:
    for path, volume in workload.volumes:
        yield from _of_volume(path, volume)
    for container in workload.containers:
        for number, entry in enumerate(container.body.get("env") or []):
            path = (*container.path, "env", number, "valueFrom")
            yield from _of_key(path, entry.get("valueFrom") or {})
        for number, entry in enumerate(container.body.get("envFrom") or []):
            for field, kind in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")):
                if isinstance(source := entry.get(field), dict):
                    path = (*container.path, "envFrom", number, field, "name")
                    yield Reference(kind, source.get("name", ""), path, optional=source.get("optional", False))
    for number, entry in enumerate(workload.spec.get("imagePullSecrets") or []):
        yield Reference("Secret", entry.get("name", ""), (*workload.path, "imagePullSecrets", number, "name"))
    if runtime := workload.spec.get("runtimeClassName"):
        yield Reference("RuntimeClass", runtime, (*workload.path, "runtimeClassName"))
    if account := workload.spec.get("serviceAccountName"):
        yield Reference("ServiceAccount", account, (*workload.path, "serviceAccountName"))


def _of_volume(path: FieldPath, volume: dict[str, Any]) -> Iterator[Reference]:
    if claim := volume.get("persistentVolumeClaim"):
        yield Reference("PersistentVolumeClaim", claim["claimName"], (*path, "persistentVolumeClaim", "claimName"))
    if source := volume.get("configMap"):
        yield _of_files("ConfigMap", source, "name", (*path, "configMap"))
    if source := volume.get("secret"):
        yield _of_files("Secret", source, "secretName", (*path, "secret"))
    for number, part in enumerate((volume.get("projected") or {}).get("sources") or []):
        for field, kind in (("configMap", "ConfigMap"), ("secret", "Secret")):
            if source := part.get(field):
                yield _of_files(kind, source, "name", (*path, "projected", "sources", number, field))


def _of_files(kind: str, source: dict[str, Any], field: str, path: FieldPath) -> Reference:
    items = source.get("items") or []
    keys = tuple((item["key"], (*path, "items", number, "key")) for number, item in enumerate(items))
    return Reference(kind, source.get(field, ""), (*path, field), keys, source.get("optional", False))


def _of_key(path: FieldPath, source: dict[str, Any]) -> Iterator[Reference]:
    for field, kind in (("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")):
        if reference := source.get(field):
            keys = ((reference["key"], (*path, field, "key")),)
            yield Reference(
                kind, reference.get("name", ""), (*path, field, "name"), keys, reference.get("optional", False)
            )
