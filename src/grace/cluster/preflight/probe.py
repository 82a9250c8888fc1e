"""What a probe is, and what it is given: the manifests, and a view of the cluster that asks each question once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from threading import Lock
from typing import Any

from grace.cluster.access.answers import ApiError
from grace.cluster.access.connection import Api
from grace.cluster.access.nodes import ClusterNode, list_nodes
from grace.cluster.access.paths import path_of
from grace.cluster.access.storage_classes import StorageClassInfo, storage_classes
from grace.cluster.preflight.report import Verdict
from grace.policy.cluster_file import Cluster
from grace.policy.documents import Manifest, Scene


@dataclass(frozen=True)
class Subject:
    """One thing that a probe looks at; it has a line in the report, also when the cluster cannot be asked.

    Attributes:
        title: kind and name, such as `Secret/huggingface-token`.
        namespace: the one that it is in; empty for none.
        of: the object, for the probe.
    """

    title: str
    namespace: str = ""
    of: Any = None


@dataclass(frozen=True)
class Submission:
    """The manifests to send, before any cluster is asked.

    Attributes:
        scene: the manifests; its cluster has the namespace to use.
        manifests: all of them, including those that their schema does not accept.
    """

    scene: Scene
    manifests: tuple[Manifest, ...]

    @property
    def cluster(self) -> Cluster:
        """The cluster's file."""
        return self.scene.cluster

    @cached_property
    def namespaces(self) -> tuple[str, ...]:
        """The namespaces that the objects go to; without objects, the one that they would go to."""
        named = {self.scene.namespace_of(manifest) for manifest in self.manifests} - {""}
        return tuple(sorted(named)) or (self.cluster.namespace,)


@dataclass
class ClusterView:
    """What the cluster says. It keeps the answers, so that no two probes ask the same question; threads may share it.

    Attributes:
        submission: the manifests that it is asked about.
        lost: why nothing more can be asked; empty while it can.
    """

    submission: Submission
    api: Api
    lost: str = ""
    _existing: dict[Manifest, dict[str, Any] | None] = field(default_factory=dict)
    _unchanged: dict[Manifest, bool] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)
    _nodes: list[ClusterNode] | None = None
    _classes: dict[str, StorageClassInfo] | None = None

    @property
    def scene(self) -> Scene:
        """The manifests."""
        return self.submission.scene

    @property
    def cluster(self) -> Cluster:
        """The cluster's file."""
        return self.submission.cluster

    @property
    def nodes(self) -> list[ClusterNode]:
        """All nodes. Raises ApiError, as all of these."""
        with self._lock:
            if self._nodes is None:
                self._nodes = list_nodes(self.api)
            return self._nodes

    @property
    def storage_classes(self) -> dict[str, StorageClassInfo]:
        """All storage classes by name."""
        with self._lock:
            if self._classes is None:
                self._classes = {each.name: each for each in storage_classes(self.api)}
            return self._classes

    def quotas(self, namespace: str) -> Sequence[dict[str, Any]]:
        """The ResourceQuotas of a namespace."""
        return list(self.api.items(path_of("api", "v1", "namespaces", namespace, "resourcequotas")))

    def path(self, manifest: Manifest, *, own: bool) -> str:
        """Where an object is (`own`), or where it is created."""
        resource = self.api.resource(manifest.api_version, manifest.kind)
        return resource.path(self.scene.namespace_of(manifest), manifest.name if own else "")

    def existing(self, manifest: Manifest) -> dict[str, Any] | None:
        """The object of that name that the cluster already has; None when it has none."""
        if manifest not in self._existing:
            named = bool(manifest.metadata.get("name"))
            self._existing[manifest] = self.find(self.path(manifest, own=True)) if named else None
        return self._existing[manifest]

    def unchanged(self, job: Manifest) -> bool:
        """Whether the cluster's Job of that name would take this one: what a Job does can never be changed."""
        if job not in self._unchanged:
            try:
                self.api.apply(self.path(job, own=True), job.body, dry_run=True)
                self._unchanged[job] = True
            except ApiError as error:
                if error.status != 422:
                    raise
                self._unchanged[job] = False
        return self._unchanged[job]

    def command(self, words: str, namespace: str = "") -> str:
        """A command of kubectl or Grace as it can be typed: with the namespace, and the options that led here."""
        where = f" --namespace {namespace}" if namespace else ""
        return f"`{words}{where}{self.api.target.options}`"

    def find(self, path: str) -> dict[str, Any] | None:
        """An object; None when there is none."""
        try:
            return self.api.get(path)
        except ApiError as error:
            if error.status == 404:
                return None
            raise


@dataclass(frozen=True)
class Probe:
    """One check of a preflight.

    Attributes:
        check: its name in the report.
        subjects: what it looks at.
        look: asks the cluster about one of them. Raises ApiError when that gives no answer.
    """

    check: str
    subjects: Callable[[Submission], Sequence[Subject]]
    look: Callable[[ClusterView, Subject], Verdict | list[Verdict]]
