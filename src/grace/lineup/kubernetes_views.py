"""What a cluster says of Jobs, pods and containers, as far as a lineup needs it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Phase = Literal["waiting", "running", "terminated"]


@dataclass(frozen=True)
class ContainerView:
    """A container of a pod.

    Attributes:
        phase: empty where the cluster says nothing yet.
        reason: of its phase, such as ImagePullBackOff, OOMKilled or Error; may be empty.
        message: what else is said; of a container that ended, its last words.
        code: its exit code; None while it has none.
        restarts: how often it was started again.
        started: it runs, and its startup probe has succeeded where it has one.
        last: why it ended before its last restart; empty when it did not.
    """

    name: str
    phase: Phase | Literal[""]
    reason: str
    message: str
    code: int | None
    restarts: int
    started: bool
    last: str


@dataclass(frozen=True)
class PodView:
    """A pod.

    Attributes:
        phase: Pending, Running, Succeeded, Failed or Unknown.
        node: empty while it has none.
        deleting: it is being deleted.
        owner: uid of what made it; empty when nothing did.
        index: its place in an indexed Job; 0 otherwise.
        reason: why it is in its phase, such as Evicted.
        message: what else is said.
        unplaced: what the scheduler says; empty when it has a node.
        disruption: why the cluster took it away, such as PreemptionByScheduler; empty when it did not.
        containers: init containers and sidecars first.
        volumes: names of its claims.
    """

    name: str
    uid: str
    phase: str
    node: str
    deleting: bool
    owner: str
    index: int
    reason: str
    message: str
    unplaced: str
    disruption: str
    containers: tuple[ContainerView, ...]
    volumes: tuple[str, ...]
    since: str

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> "PodView":
        """A pod as the cluster gives it."""
        metadata, spec, status = (body.get(part) or {} for part in ("metadata", "spec", "status"))
        owners = [each for each in metadata.get("ownerReferences") or [] if each.get("controller")]
        index = (metadata.get("annotations") or {}).get("batch.kubernetes.io/job-completion-index", "0")
        conditions = {each.get("type"): each for each in status.get("conditions") or []}
        placed, taken = conditions.get("PodScheduled") or {}, conditions.get("DisruptionTarget") or {}
        listed = [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]
        claims = [(each.get("persistentVolumeClaim") or {}).get("claimName") for each in spec.get("volumes") or []]
        return cls(
            name=str(metadata.get("name", "")),
            uid=str(metadata.get("uid", "")),
            phase=str(status.get("phase") or "Unknown"),
            node=str(spec.get("nodeName") or ""),
            deleting=bool(metadata.get("deletionTimestamp")),
            owner=str(owners[0].get("uid", "")) if owners else "",
            index=int(index) if str(index).isdecimal() else 0,
            reason=str(status.get("reason") or ""),
            message=str(status.get("message") or ""),
            unplaced=str(placed.get("message") or "") if placed.get("status") == "False" else "",
            disruption=str(taken.get("reason") or "") if taken.get("status") == "True" else "",
            containers=tuple(_container(each) for each in listed),
            volumes=tuple(str(name) for name in claims if name),
            since=str(status.get("startTime") or metadata.get("creationTimestamp") or ""),
        )

    @property
    def ended(self) -> bool:
        """Whether its containers have ended, one way or the other."""
        return self.phase in ("Succeeded", "Failed")

    def container(self, name: str) -> ContainerView | None:
        """One of its containers."""
        return next((each for each in self.containers if each.name == name), None)


def _container(body: Mapping[str, Any]) -> ContainerView:
    state = body.get("state") or {}
    phase: Phase | Literal[""] = next((each for each in ("waiting", "running", "terminated") if each in state), "")
    details = state.get(phase) or {}
    ended = (body.get("lastState") or {}).get("terminated") or {}
    return ContainerView(
        name=str(body.get("name", "")),
        phase=phase,
        reason=str(details.get("reason") or ""),
        message=str(details.get("message") or ""),
        code=details.get("exitCode") if phase == "terminated" else None,
        restarts=int(body.get("restartCount") or 0),
        started=phase == "running" and body.get("started") is not False,
        last=f"{ended.get('reason') or ''} (exit code {ended.get('exitCode')})" if ended else "",
    )


@dataclass(frozen=True)
class JobView:
    """A Job.

    Attributes:
        conditions: those that hold, each with its reason and message.
        active: pods that run or wait; the cluster leaves the number out where it is 0.
        terminating: pods that are being deleted.
        suspended: it waits for a queue.
        deleting: it is being deleted.
    """

    name: str
    uid: str
    conditions: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    active: int = 0
    terminating: int = 0
    suspended: bool = False
    deleting: bool = False

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> "JobView":
        """A Job as the cluster gives it."""
        metadata, spec, status = (body.get(part) or {} for part in ("metadata", "spec", "status"))
        holding = [each for each in status.get("conditions") or [] if each.get("status") == "True"]
        return cls(
            name=str(metadata.get("name", "")),
            uid=str(metadata.get("uid", "")),
            conditions={
                str(each.get("type")): (str(each.get("reason") or ""), str(each.get("message") or ""))
                for each in holding
            },
            active=int(status.get("active") or 0),
            terminating=int(status.get("terminating") or 0),
            suspended=bool(spec.get("suspend")),
            deleting=bool(metadata.get("deletionTimestamp")),
        )

    @property
    def complete(self) -> bool:
        """Whether it ended well; SuccessCriteriaMet alone waits for its pods."""
        return "Complete" in self.conditions

    @property
    def failed(self) -> bool:
        """Whether it failed; FailureTarget alone waits for its pods."""
        return "Failed" in self.conditions
