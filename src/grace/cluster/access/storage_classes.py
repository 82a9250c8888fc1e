"""Storage classes of a cluster: which there are, and which access modes their volumes can have."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from grace.cluster.access.connection import Api
from grace.cluster.access.paths import path_of
from grace.policy.cluster_file import Cluster

_DEFAULT = ("storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class")
_ONE_NODE = frozenset({"ReadWriteOnce", "ReadWriteOncePod"})
_ALL = _ONE_NODE | {"ReadOnlyMany", "ReadWriteMany"}
_BY_PROVISIONER = {
    # https://kubernetes.io/docs/concepts/storage/persistent-volumes/#access-modes; an RBD volume with a file system may
    # be read by many, but Ceph CSI writes it from one node only.
    "cephfs.csi.ceph.com": _ALL,
    "nfs.csi.k8s.io": _ALL,
    "rbd.csi.ceph.com": _ONE_NODE | {"ReadOnlyMany"},
    "linstor.csi.linbit.com": _ONE_NODE,
    "ebs.csi.aws.com": _ONE_NODE,
    "pd.csi.storage.gke.io": _ONE_NODE | {"ReadOnlyMany"},
    "rancher.io/local-path": _ONE_NODE,
    "kubernetes.io/no-provisioner": _ONE_NODE,
}


@dataclass(frozen=True)
class StorageClassInfo:
    """A storage class as the cluster has it.

    Attributes:
        provisioner: the program that makes its volumes.
        default: it is used where a claim names none.
        waits: volumes are made for the first pod that uses them; a claim stays Pending until then.
        expandable: volumes can grow.
    """

    name: str
    provisioner: str
    default: bool
    waits: bool
    expandable: bool


def storage_classes(api: Api) -> list[StorageClassInfo]:
    """All storage classes by name. Raises ApiError."""
    items = api.items(path_of("apis", "storage.k8s.io", "v1", "storageclasses"))
    return sorted((_class(item) for item in items), key=lambda each: each.name)


def _class(item: Mapping[str, Any]) -> StorageClassInfo:
    metadata = item.get("metadata") or {}
    annotations = metadata.get("annotations") or {}
    return StorageClassInfo(
        str(metadata.get("name", "")),
        str(item.get("provisioner", "")),
        any(annotations.get(name) == "true" for name in _DEFAULT),
        item.get("volumeBindingMode") == "WaitForFirstConsumer",
        bool(item.get("allowVolumeExpansion")),
    )


def access_modes(storage_class: StorageClassInfo, cluster: Cluster) -> frozenset[str] | None:
    """The access modes that volumes of a class can have: those in the cluster's file, else those known of its
    provisioner; None when neither gives them.
    """
    if described := cluster.storage_class(storage_class.name):
        return frozenset(described.access)
    ending = (modes for name, modes in _BY_PROVISIONER.items() if storage_class.provisioner.endswith(name))
    return next(ending, None)
