"""Manifests: the objects, workloads and containers that rules look at.

Rules see only objects that their schema accepts, so that a field that is there has the type that Kubernetes gives it.
Fields may be absent: use `.get`. Fields that are null are absent here, and no list has an item that is null. Two things
are less strict than they seem: a quantity may be a text or a number, and a port (IntOrString) an int or a name.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from operator import itemgetter
from pathlib import Path
from typing import Any

from grace.policy.cluster_file import Cluster
from grace.policy.quantities import quantity
from grace.policy.yaml_reader import Double, Node, is_block, line_of

FieldPath = tuple[str | int, ...]
"""The path of a field in an object: ("spec", "containers", 0, "image")."""

_POD_PATHS: dict[str, FieldPath] = {
    "Pod": (),
    "Deployment": ("spec", "template"),
    "StatefulSet": ("spec", "template"),
    "DaemonSet": ("spec", "template"),
    "ReplicaSet": ("spec", "template"),
    "ReplicationController": ("spec", "template"),
    "Job": ("spec", "template"),
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
}
LASTING = ("Deployment", "StatefulSet", "ReplicaSet", "ReplicationController")
"""Kinds whose pods run until somebody removes them."""
SINGLE = ("container", "script")
"""Where a step of Argo has its one container."""
_SHARED = ("affinity", "nodeSelector", "priorityClassName", "securityContext", "serviceAccountName", "tolerations")
"""What a workflow of Argo may say for all its steps."""
CLUSTER_WIDE = {
    "APIService",
    "CSIDriver",
    "ClusterRole",
    "ClusterRoleBinding",
    "CustomResourceDefinition",
    "IngressClass",
    "MutatingWebhookConfiguration",
    "Namespace",
    "Node",
    "PersistentVolume",
    "PriorityClass",
    "RuntimeClass",
    "StorageClass",
    "ValidatingWebhookConfiguration",
}
"""Kinds whose objects are in no namespace, among those that users write."""


@dataclass(frozen=True)
class Origin:
    """Where an object begins: a file as it was given ("-" for standard input), a line from 1."""

    file: str
    line: int


@dataclass(frozen=True, eq=False)
class Manifest:
    """One object of a file.

    Attributes:
        body: the object, as in its file, without null fields; a missing apiVersion or kind is "".
        source: where it begins.
        doubles: keys that a mapping of it has twice; the last one counts.
        remarks: comments that ask somebody to change something, by their line.
    """

    body: dict[str, Any]
    source: Origin
    node: Node = field(repr=False)
    doubles: tuple[Double, ...] = ()
    remarks: Mapping[int, str] = field(default_factory=dict, repr=False)

    @cached_property
    def api_version(self) -> str:
        """As `batch/v1`."""
        return _text(self.body.get("apiVersion"))

    @cached_property
    def kind(self) -> str:
        """As `Job`."""
        return _text(self.body.get("kind"))

    @cached_property
    def metadata(self) -> dict[str, Any]:
        """The object's metadata; empty when it has none."""
        return _mapping(self.body.get("metadata"))

    @cached_property
    def name(self) -> str:
        """The name of the object; if it has only a generateName, that with a star."""
        if prefix := _text(self.metadata.get("generateName")):
            return _text(self.metadata.get("name")) or f"{prefix}*"
        return _text(self.metadata.get("name"))

    @cached_property
    def namespace(self) -> str:
        """As written in it; "" when none is: whoever applies it decides. `meet` compares two."""
        return _text(self.metadata.get("namespace"))

    @cached_property
    def labels(self) -> dict[str, str]:
        """Its own, not those of its pods."""
        return _texts(self.metadata.get("labels"))

    @cached_property
    def annotations(self) -> dict[str, str]:
        """Its own, not those of its pods."""
        return _texts(self.metadata.get("annotations"))

    @cached_property
    def title(self) -> str:
        """As `Job/name`."""
        return f"{self.kind or '?'}/{self.name or '?'}"

    def at(self, path: FieldPath) -> Any:
        """The value at a path; None where there is none."""
        value: Any = self.body
        for part in path:
            if isinstance(value, dict) and isinstance(part, str):
                value = value.get(part)
            elif isinstance(value, list) and isinstance(part, int) and part < len(value):
                value = value[part]
            else:
                return None
        return value

    def line(self, path: FieldPath = (), row: int = 0) -> int:
        """The line of a field, from 1; where the path leads nowhere, the line of the deepest part that exists.

        With `row`, the line of that row of the text in the field, where the text stands as it is (a block with |); of
        the object itself, that many lines below.
        """
        if not path:
            return self.source.line + row
        return line_of(self.node, path) + (row if row and is_block(self.node, path) else 0)


@dataclass(frozen=True, eq=False)
class Container:
    """A container of a workload.

    Attributes:
        body: as in the pod's spec.
        path: the path of the body in its manifest.
        init: it is an init container.
        sidecar: an init container that runs beside the main ones (`restartPolicy: Always`).
    """

    manifest: Manifest
    body: dict[str, Any]
    path: FieldPath
    init: bool
    sidecar: bool

    @property
    def name(self) -> str:
        """Of the container. Some custom resources leave it out, and call it main."""
        return _text(self.body.get("name")) or "main"

    @property
    def image(self) -> str:
        """The image as written; may be empty."""
        return _text(self.body.get("image"))

    @property
    def words(self) -> list[tuple[FieldPath, str]]:
        """The words of its command, then those of its args, each with its path."""
        return [
            ((*self.path, part, number), word)
            for part in ("command", "args")
            for number, word in enumerate(self.body.get(part) or [])
            if isinstance(word, str)
        ]

    @property
    def line(self) -> list[str]:
        """The words of command and args without their paths."""
        return [word for _, word in self.words]

    @property
    def env(self) -> dict[str, str | None]:
        """Its variables: the value as written, None for those from elsewhere. Among equal names the last counts."""
        entries = [entry for entry in self.body.get("env") or [] if isinstance(entry, dict)]
        return {
            _text(entry.get("name")): None if "valueFrom" in entry else _text(entry.get("value")) for entry in entries
        }

    def request(self, resource: str) -> float | None:
        """What it requests, in cores, bytes or pieces; as on the cluster, a limit replaces a missing request."""
        resources = _mapping(self.body.get("resources"))
        asked = _mapping(resources.get("requests")).get(resource)
        return quantity(_mapping(resources.get("limits")).get(resource) if asked is None else asked)

    def limit(self, resource: str) -> float | None:
        """Its limit, in cores, bytes or pieces."""
        return quantity(_mapping(_mapping(self.body.get("resources")).get("limits")).get(resource))


@dataclass(frozen=True, eq=False)
class Workload:
    """What makes pods: an object of the kinds in `_POD_PATHS`, or a part of a custom resource.

    Attributes:
        path: of the pod's spec in the manifest: ("spec", "template", "spec").
        spec: of its pods.
        custom: it stands in a custom resource, whose controller may complete it.
    """

    manifest: Manifest
    path: FieldPath
    spec: dict[str, Any]
    custom: bool = False

    @property
    def kind(self) -> str:
        """The manifest's kind; of a custom resource with its group, since it may be called Job, too."""
        return f"{self.manifest.api_version}/{self.manifest.kind}" if self.custom else self.manifest.kind

    @property
    def name(self) -> str:
        """The manifest's name."""
        return self.manifest.name

    @property
    def template_path(self) -> FieldPath:
        """Of the part that holds metadata and spec of its pods; () for a Pod itself."""
        return self.path[:-1]

    @cached_property
    def pod_labels(self) -> dict[str, str]:
        """Labels of its pods."""
        return _texts(self.manifest.at((*self.template_path, "metadata", "labels")))

    @property
    def job_path(self) -> FieldPath | None:
        """Where the spec of a Job or CronJob's job is; None for other kinds."""
        paths: dict[str, FieldPath] = {"Job": ("spec",), "CronJob": ("spec", "jobTemplate", "spec")}
        return None if self.custom else paths.get(self.kind)

    @property
    def job_spec(self) -> dict[str, Any] | None:
        """The spec of a Job, or of the jobs of a CronJob; None for other kinds."""
        return None if self.job_path is None else _mapping(self.manifest.at(self.job_path))

    @property
    def pods(self) -> int:
        """Pods at once: replicas, or a job's parallelism (no more than its completions). 1 for a DaemonSet."""
        if self.job_spec is not None:
            parallel = int(self.job_spec.get("parallelism", 1))
            return min(parallel, int(self.job_spec.get("completions", parallel)))
        if self.kind in ("Pod", "DaemonSet"):
            return 1
        replicas = _mapping(self.manifest.at(self.template_path[:-1])).get("replicas", 1)
        return replicas if isinstance(replicas, int) else 1

    @cached_property
    def containers(self) -> tuple[Container, ...]:
        """Init containers, then the others, in their order."""
        entries = [
            (part, number, body)
            for part in ("initContainers", "containers", "sidecars")
            for number, body in enumerate(self.spec.get(part) or [])
        ]
        bodies = [(part, (*self.path, part, number), body) for part, number, body in entries]
        bodies += [(part, (*self.path, part), self.spec[part]) for part in SINGLE if part in self.spec]
        return tuple(
            Container(
                self.manifest,
                body,
                path,
                part == "initContainers",
                part == "initContainers" and body.get("restartPolicy") == "Always",
            )
            for part, path, body in bodies
            if isinstance(body, dict)
        )

    @property
    def volumes(self) -> list[tuple[FieldPath, dict[str, Any]]]:
        """Volumes of its pods with their paths."""
        volumes = enumerate(self.spec.get("volumes") or [])
        return [((*self.path, "volumes", number), body) for number, body in volumes if isinstance(body, dict)]


@dataclass(frozen=True, eq=False)
class Scene:
    """All objects that are checked together, and the cluster that they are for.

    Attributes:
        manifests: objects that their schema accepts, and what was meant by some others: those that rules look at.
        cluster: the one that they are for.
        broken: objects that their schema does not accept, or that have none. `find` gives them too, so that no rule
            reports an object as missing that is there; what else seems missing may stand in one of them.
        embedded: workloads of custom resources whose pods' specs are what Kubernetes accepts.
        unread: files that could not be read, at least in part.
        generated: kinds and names of objects that Kustomizations make.
    """

    manifests: tuple[Manifest, ...]
    cluster: Cluster
    broken: tuple[Manifest, ...] = ()
    embedded: tuple[Workload, ...] = ()
    unread: tuple[str, ...] = ()
    generated: frozenset[tuple[str, str]] = frozenset()

    @cached_property
    def workloads(self) -> tuple[Workload, ...]:
        """Of the manifests, in their order, then those of custom resources."""
        own = tuple(workload for manifest in self.manifests if (workload := _workload(manifest)))
        return own + self.embedded

    @cached_property
    def containers(self) -> tuple[tuple[Workload, Container], ...]:
        """All containers, each with its workload, in the order of the manifests."""
        return tuple((workload, container) for workload in self.workloads for container in workload.containers)

    def kind(self, *kinds: str) -> list[Manifest]:
        """The manifests of some kinds, in their order."""
        found = [each for kind in dict.fromkeys(kinds) for each in self._of_kind.get(kind, ())]
        return [manifest for _, manifest in (sorted(found, key=itemgetter(0)) if len(kinds) > 1 else found)]

    @cached_property
    def _of_kind(self) -> dict[str, list[tuple[int, Manifest]]]:
        """The manifests by kind, each with its number: rules ask for some kinds again and again."""
        kinds: dict[str, list[tuple[int, Manifest]]] = {}
        for number, manifest in enumerate(self.manifests):
            kinds.setdefault(manifest.kind, []).append((number, manifest))
        return kinds

    def namespace_of(self, manifest: Manifest) -> str:
        """Where an object goes: its own namespace, or the cluster's; "" for kinds that are in none."""
        return "" if manifest.kind in CLUSTER_WIDE else manifest.namespace or self.cluster.namespace

    def find(self, kind: str, namespace: str, name: str) -> Manifest | None:
        """The object of a kind and name that may be in a namespace, broken ones included; the last of several."""
        some = [one for one in self._index.get((kind, name), ()) if meet(one.namespace, namespace)]
        exact = [one for one in some if one.namespace == namespace] or some
        return exact[-1] if exact else None

    def partial(self, manifest: Manifest) -> bool:
        """Whether what seems missing for an object may stand in a file that was not read: of its folder, or of one that
        holds it or is in it.
        """
        own = Path(manifest.source.file).parent
        folders = {Path(file).parent for file in self.unread}
        return any(own.is_relative_to(folder) or folder.is_relative_to(own) for folder in folders)

    def near(self, kind: str, name: str, manifest: Manifest) -> Manifest | None:
        """The object of a kind and name that may be in another's namespace; of several, that of the nearest file."""
        some = [one for one in self._index.get((kind, name), ()) if meet(one.namespace, manifest.namespace)]
        file = Path(manifest.source.file)
        beside = [one for one in some if Path(one.source.file).parent == file.parent]
        own = [one for one in beside if Path(one.source.file) == file] or beside
        return own[-1] if own else self.find(kind, manifest.namespace, name)

    def selected(self, namespace: str, selector: dict[str, str]) -> tuple[Workload, ...]:
        """Workloads that may be in a namespace, and whose pods have all labels of a selector; an empty one has none."""
        if not selector:
            return ()
        key = (namespace, frozenset(selector.items()))
        if key not in self._selected:
            self._selected[key] = tuple(
                workload
                for workload in self._labelled.get(next(iter(selector.items())), ())
                if meet(workload.manifest.namespace, namespace) and selector.items() <= workload.pod_labels.items()
            )
        return self._selected[key]

    @cached_property
    def _selected(self) -> dict[tuple[str, frozenset[tuple[str, str]]], tuple[Workload, ...]]:
        """Earlier selections: rules ask for the same again and again."""
        return {}

    @cached_property
    def _labelled(self) -> dict[tuple[str, str], list[Workload]]:
        """The workloads by each label of their pods."""
        labelled: dict[tuple[str, str], list[Workload]] = {}
        for workload in self.workloads:
            for label in workload.pod_labels.items():
                labelled.setdefault(label, []).append(workload)
        return labelled

    @cached_property
    def running(self) -> dict[Container, Any]:
        """What containers run, as `grace.policy.programs` has read it: many rules ask for it."""
        return {}

    @cached_property
    def _index(self) -> dict[tuple[str, str], list[Manifest]]:
        index: dict[tuple[str, str], list[Manifest]] = {}
        for manifest in (*self.manifests, *self.broken):
            index.setdefault((manifest.kind, manifest.name), []).append(manifest)
        return index


def meet(one: str, other: str) -> bool:
    """Whether two namespaces can be the same; "" is one that is not written, and so may be any."""
    return not one or not other or one == other


def distinct(workloads: Iterable[Workload]) -> list[Workload]:
    """Workloads of which none replaces another: of one kind and name, only the one with most pods.

    Where a name stands in several files, they are one object, or alternatives as of a folder for tests and one for use.
    """
    kept: list[Workload] = []
    alike: dict[tuple[str, FieldPath], list[Workload]] = {}
    for workload in sorted(workloads, key=lambda each: -each.pods):
        own = workload.manifest
        same = alike.setdefault((own.title, workload.path), [])
        if not any(each.manifest is not own and meet(each.manifest.namespace, own.namespace) for each in same):
            same.append(workload)
            kept.append(workload)
    return kept


def together(workloads: Iterable[Workload]) -> list[list[Workload]]:
    """Distinct workloads by the file that they are in: of one file, all run at once; of several, nobody knows."""
    files: dict[str, list[Workload]] = {}
    for workload in workloads:
        files.setdefault(workload.manifest.source.file, []).append(workload)
    return [distinct(group) for group in files.values()]


def _workload(manifest: Manifest) -> Workload | None:
    template_path = _POD_PATHS.get(manifest.kind)
    if template_path is None:
        return None
    path = (*template_path, "spec")
    spec = manifest.at(path)
    return Workload(manifest, path, spec) if isinstance(spec, dict) else None


def template_labels(manifest: Manifest) -> dict[str, Any] | None:
    """The labels of the pods that an object makes, also of an invalid one; None for other kinds."""
    path = None if "." in manifest.api_version else _POD_PATHS.get(manifest.kind)
    return None if path is None else _mapping(manifest.at((*path, "metadata", "labels")))


def embedded(manifest: Manifest) -> list[Workload]:
    """The workloads of a custom resource: its parts that have the shape of a pod's spec, or of a step of Argo."""
    spec = _mapping(manifest.body.get("spec"))
    shared = _mapping(_mapping(spec.get("workflowSpec")) or spec)
    return [Workload(manifest, path, _step(part, shared), custom=True) for path, part in _specs(manifest.body, ())]


def _step(part: dict[str, Any], shared: dict[str, Any]) -> dict[str, Any]:
    """A pod's spec; of a step, with what its workflow says for all steps, and those of its volumes that it mounts."""
    if not any(name in part for name in SINGLE):
        return part
    bodies = [*(part.get(name) for name in SINGLE), *(part.get("initContainers") or []), *(part.get("sidecars") or [])]
    mounts = [mount for body in bodies if isinstance(body, dict) for mount in body.get("volumeMounts") or []]
    mounted = {mount.get("name") for mount in mounts if isinstance(mount, dict)}
    offered = [volume for volume in shared.get("volumes") or [] if isinstance(volume, dict)]
    volumes = [*(part.get("volumes") or []), *(volume for volume in offered if volume.get("name") in mounted)]
    return {**{name: shared[name] for name in _SHARED if name in shared}, **part, "volumes": volumes}


def _specs(value: object, path: FieldPath) -> Iterator[tuple[FieldPath, dict[str, Any]]]:
    if isinstance(value, dict):
        containers = value.get("containers")
        listed = isinstance(containers, list) and containers and all(_is_container(one) for one in containers)
        if listed or any(_is_container(value.get(name)) for name in SINGLE):
            yield path, value
            return
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in entries:
        yield from _specs(inner, (*path, key))


def _is_container(value: object) -> bool:
    return isinstance(value, dict) and isinstance(value.get("image"), str)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _texts(value: object) -> dict[str, str]:
    return {key: text for key, text in _mapping(value).items() if isinstance(text, str)}
