"""Pods of a lineup: which of them still live, and so may write into a run."""

from dataclasses import dataclass

from grace.cluster.access.connection import Api
from grace.cluster.access.paths import path_of

LINEUP = "grace/lineup"
MODEL = "grace/model"
COMPONENT = "app.kubernetes.io/component"
WRITING = ("visit", "client")
"""Components whose pods write into a run."""
_ENDED = ("Succeeded", "Failed")


@dataclass(frozen=True)
class LivingPod:
    """A pod that has not ended, as far as the cluster knows; one on a lost node may have.

    Attributes:
        phase: Pending, Running or Unknown; "Terminating" when it is being deleted.
        node: empty while it waits for one.
        owner: uid of the Job that made it; empty when it has none.
    """

    name: str
    phase: str
    node: str
    owner: str

    def __str__(self) -> str:
        return f"{self.name} ({self.phase}{f' on {self.node}' if self.node else ''})"


def living_pods(api: Api, namespace: str, lineup: str, model: str) -> list[LivingPod]:
    """Pods that may write into the run of a model, whether their Job is still there or not. Raises ApiError."""
    selector = f"{LINEUP}={lineup},{MODEL}={model},{COMPONENT} in ({','.join(WRITING)})"
    living = []
    for item in api.items(path_of("api", "v1", "namespaces", namespace, "pods"), labelSelector=selector):
        metadata, spec, status = (item.get(part) or {} for part in ("metadata", "spec", "status"))
        phase = str(status.get("phase") or "Unknown")
        if phase not in _ENDED:
            owners = [owner for owner in metadata.get("ownerReferences") or [] if owner.get("controller")]
            living.append(
                LivingPod(
                    str(metadata.get("name", "")),
                    "Terminating" if metadata.get("deletionTimestamp") else phase,
                    str(spec.get("nodeName") or ""),
                    str(owners[0].get("uid", "")) if owners else "",
                )
            )
    return living
