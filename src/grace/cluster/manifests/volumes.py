"""Volumes: for tables of trials, for outputs, and for weights."""

from kubernetes import client as k8s

from grace.cluster.manifests.jobs import make_job
from grace.cluster.manifests.layout import LineupLayout
from grace.cluster.manifests.parts import (
    FULL,
    INPUT,
    OUTPUTS,
    WEIGHTS,
    claim_volume,
    container_security,
    metadata,
    mount,
    pod,
    small,
)

COMPONENT = "storage"
INPUT_SIZE = "5Gi"
OUTPUT_SIZE = "100Gi"
PLACES = {"input": INPUT, "outputs": OUTPUTS, "weights": WEIGHTS}


def claims(layout: LineupLayout) -> list[k8s.V1PersistentVolumeClaim]:
    """The volume claims; several pods on several nodes use each of them."""
    sizes = {"input": INPUT_SIZE, "outputs": OUTPUT_SIZE, "weights": f"{layout.weights_gib}Gi"}
    return [
        k8s.V1PersistentVolumeClaim(
            api_version="v1",
            kind="PersistentVolumeClaim",
            metadata=metadata(layout, layout.name(name), COMPONENT),
            spec=k8s.V1PersistentVolumeClaimSpec(
                access_modes=[FULL],
                storage_class_name=layout.storage_class or None,
                resources=k8s.V1VolumeResourceRequirements(requests={"storage": size}),
            ),
        )
        for name, size in sizes.items()
    ]


def open_job(layout: LineupLayout) -> k8s.V1Job:
    """Where volumes belong to root whatever fsGroup says: a Job that, as root, once opens their root folders.

    It needs no capability: the folders are root's own.
    """
    opening = container_security()
    opening.run_as_non_root, opening.run_as_user = False, 0
    container = k8s.V1Container(
        name="open",
        image=layout.image,
        command=["chmod", "0777", *PLACES.values()],
        resources=small(),
        security_context=opening,
        volume_mounts=[mount(name, path) for name, path in PLACES.items()],
    )
    reason = f"volumes of {layout.storage_class} belong to root, this Job opens them, and nothing else runs as root"
    return make_job(
        metadata(layout, layout.name("open"), COMPONENT, suppress={"K8S029": reason}),
        pod([container], [claim_volume(layout, name) for name in PLACES], deadline=3600),
        hopeless={"open": (1,)},
    )
