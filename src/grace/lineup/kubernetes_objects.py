"""The objects of a lineup on a cluster: made, kept as they are, deleted, and waited for until they are gone."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any

from grace.cluster.access.answers import ApiError
from grace.cluster.access.connection import Api
from grace.cluster.access.logs import read_log
from grace.cluster.access.objects import ClusterObject, labelled
from grace.cluster.access.paths import path_of
from grace.cluster.names import file_name
from grace.errors import ClusterError
from grace.lineup.kubernetes_views import JobView, PodView

END_SECONDS = 300.0
"""The longest that deleted objects may take until they are gone; a pod has a minute to end."""
PAUSE_SECONDS = 2.0
LOST_SECONDS = 120.0
"""A pod that is being deleted on a node that is not ready, or gone, is given up after this. Nothing would happen by
itself: its node cannot say that it has ended. Should it live on, the lock of the run, which it can no longer renew or
finds taken, keeps it from writing (`grace.lock`)."""
UNKNOWN_SECONDS = 900.0
"""The same, where one may not look at nodes."""


@dataclass
class LineupNamespace:
    """A namespace of a cluster in which a lineup works. Threads may share it.

    Attributes:
        api: the connection.
        namespace: its name.
        logs: the folder for logs of containers.
    """

    api: Api
    namespace: str
    logs: Path
    _stopped: Event = field(default_factory=Event)
    _deleting: dict[str, float] = field(default_factory=dict)
    """When each pod that is being deleted was first seen so, by its uid."""
    _kept: set[tuple[str, str, int, bool]] = field(default_factory=set)
    """Containers whose logs are here: the pod's uid, the name, its restarts, whether it had ended."""

    def stop(self) -> None:
        """Have all that waits end by KeyboardInterrupt."""
        self._stopped.set()

    def go_on(self) -> None:
        """Raises KeyboardInterrupt when the user has stopped the lineup."""
        if self._stopped.is_set():
            raise KeyboardInterrupt

    def pause(self, seconds: float = PAUSE_SECONDS) -> None:
        """Let time pass. Raises KeyboardInterrupt."""
        self.go_on()
        self.api.clock.sleep(seconds)
        self.go_on()

    @property
    def pods(self) -> str:
        """The path of all pods."""
        return path_of("api", "v1", "namespaces", self.namespace, "pods")

    def path(self, body: Mapping[str, Any]) -> str:
        """Where an object is, or belongs. Raises ApiError."""
        resource = self.api.resource(str(body["apiVersion"]), str(body["kind"]))
        return resource.path(self.namespace, str(body["metadata"]["name"]))

    def put(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Have an object as it is described, and give it as the cluster has it then.

        One that is being deleted is waited for. A Job that failed, or is another one and has no pods left, is replaced:
        what a Job does can never be changed.

        Raises:
            ApiError: it is refused; other programs own fields of it.
            ClusterError: another Job of its name runs; or the old one did not go within END_SECONDS.
        """
        path = self.path(body)
        there = self.api.find(path)
        if there and body["kind"] == "Job" and (JobView.of(there).failed or JobView.of(there).deleting):
            self._replace(path, there)
        elif there and there["metadata"].get("deletionTimestamp"):
            self.await_gone(path, there)
        try:
            return self.api.apply(path, body).body
        except ApiError as error:
            there = self.api.find(path) if error.status == 422 and body["kind"] == "Job" else None
            if there is None:
                raise
            if JobView.of(there).active:
                raise ClusterError(
                    f"Job/{body['metadata']['name']} in {self.namespace} runs, and is not the one that this lineup "
                    f"asks for: {error.detail or error}; wait until it ends, or remove it with `grace lineup clean`"
                ) from None
            self._replace(path, there)
            return self.api.apply(path, body).body

    def _replace(self, path: str, there: Mapping[str, Any]) -> None:
        self.api.delete(path, there["metadata"]["uid"], propagation="Foreground")
        self.await_gone(path, there)

    def await_gone(self, path: str, there: Mapping[str, Any]) -> None:
        """Wait until an object that is being deleted is gone. Raises ClusterError, which names END_SECONDS."""
        uid, title = there["metadata"]["uid"], f"{there['kind']}/{there['metadata']['name']}"
        ends = self.api.clock.now() + END_SECONDS
        while (now := self.api.find(path)) and now["metadata"]["uid"] == uid:
            if self.api.clock.now() > ends:
                holders = ", ".join(now["metadata"].get("finalizers") or []) or "nobody says what"
                raise ClusterError(
                    f"{title} in {self.namespace}: is being deleted, and was not gone after {END_SECONDS:g} s; "
                    f"it waits for {holders}"
                )
            self.release_lost(pod for pod in self.pods_of(uid))
            self.pause()

    def pods_of(self, owner: str, labels: Mapping[str, str] | None = None) -> list[PodView]:
        """The pods that an object made. Raises ApiError."""
        query = {"labelSelector": ",".join(f"{key}={value}" for key, value in labels.items())} if labels else {}
        return [pod for pod in map(PodView.of, self.api.items(self.pods, **query)) if pod.owner == owner]

    def remove(self, labels: Mapping[str, str], kinds: Sequence[str]) -> None:
        """Delete all objects with these labels, and wait until they and their pods are gone. Logs come home before.

        Raises:
            ApiError: one may not.
            ClusterError: some are left after END_SECONDS; the message names them.
        """
        ends = self.api.clock.now() + END_SECONDS
        while True:
            there = labelled(self.api, self.namespace, labels, kinds)
            if not there:
                return
            uids = {each.uid for each in there}
            self.keep_logs([PodView.of(each.body) for each in there if each.kind == "Pod"], last=True)
            for each in there:
                if not each.deleting and _owner(each) not in uids:
                    self.api.delete(each.path, each.uid, propagation="Foreground")
            if self.api.clock.now() > ends:
                names = ", ".join(map(str, there[:5]))
                raise ClusterError(f"still there after {END_SECONDS:g} s: {names}; the same command tries again")
            self.release_lost(PodView.of(each.body) for each in there if each.kind == "Pod")
            self.pause()

    def release_lost(self, pods: Iterable[PodView]) -> list[PodView]:
        """Forget pods that are being deleted on a lost node; those that were. Raises ApiError."""
        released = []
        for pod in pods:
            if not pod.deleting:
                continue
            first = self._deleting.setdefault(pod.uid, self.api.clock.now())
            lasted = self.api.clock.now() - first
            if lasted < LOST_SECONDS:
                continue
            ready = self._ready(pod.node)
            if ready is False or (ready is None and lasted > UNKNOWN_SECONDS):
                self.api.delete(f"{self.pods}{path_of(pod.name)}", pod.uid, grace_seconds=0)
                released.append(pod)
        return released

    def _ready(self, node: str) -> bool | None:
        """Whether a node is there and ready; None when one may not look."""
        try:
            body = self.api.find(path_of("api", "v1", "nodes", node)) if node else None
        except ApiError as error:
            if error.status == 403:
                return None
            raise
        conditions = ((body or {}).get("status") or {}).get("conditions") or []
        return any(each.get("type") == "Ready" and each.get("status") == "True" for each in conditions)

    def keep_logs(self, pods: Sequence[PodView], *, last: bool = False) -> list[Path]:
        """Bring home the logs of containers that failed, were started again, or whose pod is being deleted.

        Args:
            pods: to look at.
            last: the pods will be deleted now: all their containers' logs.

        Returns:
            The files, those that were there before too.
        """
        files = []
        for pod in pods:
            for each in reversed(pod.containers):  # those that do the work first: the pod may go at any moment
                ended = each.phase == "terminated"
                if not ended and each.phase != "running" and not each.restarts:
                    continue
                if not (each.code or each.restarts or pod.deleting or last):
                    continue
                path = self.logs / f"{file_name(pod.name)}.{file_name(each.name)}.log"
                key = (pod.uid, each.name, each.restarts, ended)
                if key in self._kept or self._keep_log(pod, each.name, path, each.phase == "waiting"):
                    self._kept.add(key)
                if path.exists():
                    files.append(path)
        return files

    def _keep_log(self, pod: PodView, container: str, path: Path, previous: bool) -> bool:
        try:
            text = read_log(self.api, self.namespace, pod.name, container, previous=previous)
        except ApiError as error:  # its node is lost, or it was never started: there is nothing to be had
            return error.status in (400, 404)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return True


def _owner(each: ClusterObject) -> str:
    owners = (each.body.get("metadata") or {}).get("ownerReferences") or []
    return next((str(owner.get("uid")) for owner in owners if owner.get("controller")), "")
