"""Nodes of a cluster: what they have, who may use them, and whether a pod could run there."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from grace.cluster.access.connection import Api
from grace.cluster.access.paths import path_of
from grace.policy.documents import Workload
from grace.policy.pods import HOSTNAME, PRODUCT, operator_holds
from grace.policy.quantities import quantity


@dataclass(frozen=True)
class Taint:
    """What keeps pods that do not tolerate it off a node."""

    key: str
    value: str
    effect: str

    def __str__(self) -> str:
        return f"{self.key}={self.value}:{self.effect}" if self.value else f"{self.key}:{self.effect}"


@dataclass(frozen=True)
class ClusterNode:
    """A machine.

    Attributes:
        allocatable: what all of its pods together may request, in cores, bytes or pieces.
        ready: it works.
        cordoned: it takes no new pods for now.
    """

    name: str
    labels: Mapping[str, str] = field(repr=False)
    taints: tuple[Taint, ...]
    allocatable: Mapping[str, float]
    ready: bool
    cordoned: bool

    @property
    def gpus(self) -> dict[str, int]:
        """GPUs by the name of their resource, including parts of GPUs (mig-...)."""
        amounts = {name: int(amount) for name, amount in self.allocatable.items() if name.startswith("nvidia.com/")}
        return {name: amount for name, amount in sorted(amounts.items()) if amount > 0}

    @property
    def product(self) -> str:
        """The product of its GPUs; empty when it has none, or does not say."""
        return self.labels.get(PRODUCT, "")


def list_nodes(api: Api) -> list[ClusterNode]:
    """All nodes, page by page. Raises ApiError."""
    return [_node(item) for item in api.items(path_of("api", "v1", "nodes"))]


def _node(item: Mapping[str, Any]) -> ClusterNode:
    metadata, spec, status = (item.get(part) or {} for part in ("metadata", "spec", "status"))
    conditions = {each.get("type"): each.get("status") for each in status.get("conditions") or []}
    return ClusterNode(
        name=str(metadata.get("name", "")),
        labels=metadata.get("labels") or {},
        taints=tuple(
            Taint(each.get("key", ""), each.get("value") or "", each.get("effect", ""))
            for each in spec.get("taints") or []
        ),
        allocatable={name: quantity(amount) or 0.0 for name, amount in (status.get("allocatable") or {}).items()},
        ready=conditions.get("Ready") == "True",
        cordoned=bool(spec.get("unschedulable")),
    )


def why_not(node: ClusterNode, pod: Mapping[str, Any], asked: Mapping[str, float]) -> str:
    """Why a pod of a spec cannot run on a node, in the order in which the scheduler would say it; empty when it can.

    `asked` is what the pod requests, in cores, bytes or pieces.
    """
    if not _selected(node, pod):
        return "not selected"
    if not node.ready:
        return "not ready"
    if node.cordoned and not _tolerated(Taint("node.kubernetes.io/unschedulable", "", "NoSchedule"), pod):
        return "cordoned"
    for taint in node.taints:
        if taint.effect != "PreferNoSchedule" and not _tolerated(taint, pod):
            return f"taint {taint}"
    for resource, amount in asked.items():
        has = node.allocatable.get(resource, 0.0)
        if amount > has:
            return f"has {has:.4g} of {resource}" if has < 1e6 else f"has {has / 2**30:.0f}Gi of {resource}"
    return ""


def apart(workload: Workload) -> bool:
    """Whether no two pods of a workload can be on one node: each keeps away from pods with labels that all have."""
    affinity = (workload.spec.get("affinity") or {}).get("podAntiAffinity") or {}
    return any(
        term.get("topologyKey") == HOSTNAME
        and all(
            workload.pod_labels.get(key) == value
            for key, value in ((term.get("labelSelector") or {}).get("matchLabels") or {"": ""}).items()
        )
        and not (term.get("labelSelector") or {}).get("matchExpressions")
        for term in affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or []
    )


def _selected(node: ClusterNode, pod: Mapping[str, Any]) -> bool:
    """Whether nodeSelector, nodeName and the required node affinity let a pod onto a node."""
    if pod.get("nodeName", node.name) != node.name:
        return False
    if any(node.labels.get(key) != value for key, value in (pod.get("nodeSelector") or {}).items()):
        return False
    affinity = (pod.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    return required is None or any(_term(node, term) for term in required.get("nodeSelectorTerms") or [])


def _term(node: ClusterNode, term: Mapping[str, Any]) -> bool:
    """All expressions of a term hold; an empty term selects nothing."""
    expressions, fields = term.get("matchExpressions") or [], term.get("matchFields") or []
    return bool(expressions or fields) and all(
        [_holds(each, node.labels) for each in expressions]
        + [_holds(each, {"metadata.name": node.name}) for each in fields]
    )


def _holds(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    value, values = labels.get(expression.get("key", "")), expression.get("values") or []
    operator = expression.get("operator")
    if operator in ("Gt", "Lt"):
        numbers = [text for text in (value, *values) if isinstance(text, str) and text.lstrip("-").isdecimal()]
        if len(numbers) != 2:
            return False
        mine, bound = map(int, numbers)
        return mine > bound if operator == "Gt" else mine < bound
    return bool(operator_holds(operator, value, values))


def _tolerated(taint: Taint, pod: Mapping[str, Any]) -> bool:
    return any(_tolerates(toleration, taint) for toleration in pod.get("tolerations") or [])


def _tolerates(toleration: Mapping[str, Any], taint: Taint) -> bool:
    if toleration.get("effect") not in (None, "", taint.effect):
        return False
    key = toleration.get("key") or ""
    if toleration.get("operator") == "Exists":
        return key in ("", taint.key)
    return key == taint.key and (toleration.get("value") or "") == taint.value


def most_common(reasons: Iterable[str], most: int = 4) -> str:
    """Reasons with how many nodes have them, the most common first: `12 taint x; 3 not ready`."""
    return "; ".join(f"{count} {reason}" for reason, count in Counter(reasons).most_common(most))
