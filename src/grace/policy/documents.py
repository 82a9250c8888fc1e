"""Manifests: reading them from files, and the objects, workloads and containers that rules look at.

Rules see only objects that their schema accepts, so that a field that is there has the type that Kubernetes gives it.
Fields may be absent: use `.get`. Fields that are null are absent here, and no list has an item that is null. Two things
are less strict than they seem: a quantity may be a text or a number, and a port (IntOrString) an int or a name.
"""

import os
import stat
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from grace.errors import InputError
from grace.policy.cluster_file import Cluster
from grace.policy.quantities import quantity
from grace.policy.yaml_reader import Node, documents, line_of, node_at
from grace.text import printable

SUFFIXES = (".yaml", ".yml", ".json")
MOST_BYTES = 10_000_000
"""Bytes of a file. The cluster itself accepts no object above 1.5 MB."""

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
CLUSTER_WIDE = {
    "ClusterRole",
    "ClusterRoleBinding",
    "CustomResourceDefinition",
    "Namespace",
    "Node",
    "PersistentVolume",
    "PriorityClass",
    "StorageClass",
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
    """

    body: dict[str, Any]
    source: Origin
    node: Node = field(repr=False)

    @property
    def api_version(self) -> str:
        """As `batch/v1`."""
        return _text(self.body.get("apiVersion"))

    @property
    def kind(self) -> str:
        """As `Job`."""
        return _text(self.body.get("kind"))

    @property
    def metadata(self) -> dict[str, Any]:
        """The object's metadata; empty when it has none."""
        return _mapping(self.body.get("metadata"))

    @property
    def name(self) -> str:
        """The name of the object; if it has only a generateName, that with a star."""
        if prefix := _text(self.metadata.get("generateName")):
            return _text(self.metadata.get("name")) or f"{prefix}*"
        return _text(self.metadata.get("name"))

    @property
    def namespace(self) -> str:
        """The namespace that it names; "" for none. `Scene.namespace_of` says where it goes then."""
        return _text(self.metadata.get("namespace"))

    @property
    def labels(self) -> dict[str, str]:
        """Its own, not those of its pods."""
        return _texts(self.metadata.get("labels"))

    @property
    def annotations(self) -> dict[str, str]:
        """Its own, not those of its pods."""
        return _texts(self.metadata.get("annotations"))

    @property
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

    def line(self, path: FieldPath = ()) -> int:
        """The line of a field, from 1; where the path leads nowhere, the line of the deepest part that exists."""
        return line_of(self.node, path) if path else self.source.line


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
        """The container's name."""
        return _text(self.body.get("name"))

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
    """An object that makes pods: those of the kinds in `_POD_PATHS`.

    Attributes:
        template_path: the path of the part with metadata and spec of its pods; () for a Pod itself.
        spec: the spec of its pods.
    """

    manifest: Manifest
    template_path: FieldPath
    spec: dict[str, Any]

    @property
    def kind(self) -> str:
        """The manifest's kind."""
        return self.manifest.kind

    @property
    def name(self) -> str:
        """The manifest's name."""
        return self.manifest.name

    @property
    def path(self) -> FieldPath:
        """The path of the pod's spec in the manifest: ("spec", "template", "spec")."""
        return (*self.template_path, "spec")

    @cached_property
    def pod_labels(self) -> dict[str, str]:
        """Labels of its pods."""
        return _texts(self.manifest.at((*self.template_path, "metadata", "labels")))

    @property
    def job_path(self) -> FieldPath | None:
        """The path of the spec of a Job, or of a CronJob's job; None for other kinds."""
        return {"Job": ("spec",), "CronJob": ("spec", "jobTemplate", "spec")}.get(self.kind)

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
        return int(_mapping(self.manifest.body.get("spec")).get("replicas", 1))

    @cached_property
    def containers(self) -> tuple[Container, ...]:
        """Init containers, then the others, in their order."""
        return tuple(
            Container(
                self.manifest,
                body,
                (*self.path, part, number),
                part == "initContainers",
                part == "initContainers" and body.get("restartPolicy") == "Always",
            )
            for part in ("initContainers", "containers")
            for number, body in enumerate(self.spec.get(part) or [])
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
        manifests: objects that their schema accepts: those that rules look at.
        cluster: the one that they are for.
        broken: objects that their schema does not accept, or that have none. `find` gives them too, so that no rule
            reports an object as missing that is there; whatever else seems missing may be in one of them.
    """

    manifests: tuple[Manifest, ...]
    cluster: Cluster
    broken: tuple[Manifest, ...] = ()

    @cached_property
    def workloads(self) -> tuple[Workload, ...]:
        """The workloads among the manifests, in their order."""
        return tuple(workload for manifest in self.manifests if (workload := _workload(manifest)))

    @cached_property
    def containers(self) -> tuple[tuple[Workload, Container], ...]:
        """All containers, each with its workload, in the order of the manifests."""
        return tuple((workload, container) for workload in self.workloads for container in workload.containers)

    def kind(self, *kinds: str) -> list[Manifest]:
        """The manifests of some kinds, in their order."""
        return [manifest for manifest in self.manifests if manifest.kind in kinds]

    def namespace_of(self, manifest: Manifest) -> str:
        """Where an object goes: its own namespace, or the cluster's; "" for kinds that are in none."""
        return "" if manifest.kind in CLUSTER_WIDE else manifest.namespace or self.cluster.namespace

    def find(self, kind: str, namespace: str, name: str) -> Manifest | None:
        """The object of a kind and name, broken ones included; the last of several."""
        return self._index.get((kind, namespace, name))

    def near(self, kind: str, name: str, manifest: Manifest) -> Manifest | None:
        """The object of a kind and name in the same namespace as another."""
        return self.find(kind, self.namespace_of(manifest), name)

    def selected(self, namespace: str, selector: dict[str, str]) -> tuple[Workload, ...]:
        """Workloads in a namespace whose pods have all labels of a selector. An empty one selects none."""
        if not selector:
            return ()
        key = (namespace, frozenset(selector.items()))
        if key not in self._selected:
            self._selected[key] = tuple(
                workload
                for workload in self.workloads
                if self.namespace_of(workload.manifest) == namespace and selector.items() <= workload.pod_labels.items()
            )
        return self._selected[key]

    @cached_property
    def _selected(self) -> dict[tuple[str, frozenset[tuple[str, str]]], tuple[Workload, ...]]:
        """Earlier selections: rules ask for the same again and again."""
        return {}

    @cached_property
    def running(self) -> dict[Container, Any]:
        """What containers run, as `grace.policy.programs` has read it: many rules ask for it."""
        return {}

    @cached_property
    def _index(self) -> dict[tuple[str, str, str], Manifest]:
        every = (*self.manifests, *self.broken)
        return {(manifest.kind, self.namespace_of(manifest), manifest.name): manifest for manifest in every}


def read(paths: Sequence[Path | str]) -> list[Manifest]:
    """Read manifests of files and folders, in the order of the arguments, folders by name.

    Args:
        paths: files; folders, whose .yaml, .yml and .json files are all read, also those in folders inside (except
            hidden ones); "-" for standard input.

    Returns:
        One Manifest for each object; the objects of a List are separate.

    Raises:
        InputError: a file cannot be read or is invalid; the message names it and the line. Or no file holds an
            object: the program that wrote them has probably failed, so they do not pass as clean.
    """
    manifests = [manifest for path in paths for file in _files(path) for manifest in _read(file)]
    if not manifests:
        raise InputError(f"{', '.join(printable(str(path)) for path in paths)}: no object to check; it is empty")
    return manifests


def parse(text: str, file: str = "-", json: bool = False) -> list[Manifest]:
    """The manifests of a text, as `read` gives them; `file` is its name. Raises InputError."""
    return [manifest for value, node in documents(text, file, json) for manifest in _objects(value, node, file)]


def _files(given: Path | str) -> Iterator[str]:
    path = Path(given)
    if str(given) == "-" or not path.is_dir():
        yield str(given)
        return
    files = [file for file in _walk(path, frozenset()) if file.suffix.lower() in SUFFIXES]
    if not files:
        raise InputError(f"{printable(str(given))}: has no file named *.yaml, *.yml or *.json")
    yield from (str(file) for file in files)


def _walk(folder: Path, above: frozenset[tuple[int, int]]) -> Iterator[Path]:
    """Files of a folder and those in it, by name; a link to a folder that contains it is not followed."""
    try:
        here = folder.stat()
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise InputError(f"{printable(str(folder))}: cannot be read: {error.strerror}") from None
    identity = (here.st_dev, here.st_ino)
    if identity in above:
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            yield from _walk(entry, above | {identity})
        elif entry.is_file():
            yield entry


def _read(file: str) -> list[Manifest]:
    shown = printable(file)
    try:
        content = _content(file)
    except OSError as error:
        raise InputError(f"{shown}: cannot be read: {error.strerror or error}") from None
    if len(content) > MOST_BYTES:
        raise InputError(f"{shown}: has more than {MOST_BYTES // 1_000_000} MB; no manifest is that long")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(f"{shown}:{line}: is not UTF-8 (byte {content[error.start]:#04x}); save it as UTF-8") from None
    return parse(text, file, json=file.lower().endswith(".json"))


def _content(file: str) -> bytes:
    """The bytes of a file, at most one more than are allowed."""
    if file == "-":
        return sys.stdin.buffer.read(MOST_BYTES + 1)
    with open(file, "rb") as opened:
        if stat.S_ISREG(os.fstat(opened.fileno()).st_mode) and os.fstat(opened.fileno()).st_size > MOST_BYTES:
            return bytes(MOST_BYTES + 1)
        return opened.read(MOST_BYTES + 1)


def _objects(value: Any, node: Node, file: str) -> Iterator[Manifest]:
    """The object of a document, or those of a List."""
    source = Origin(file, node.start_mark.line + 1)
    if not isinstance(value, dict):
        place = f"{printable(file)}:{source.line}"
        raise InputError(f"{place}: holds no Kubernetes object: a mapping with apiVersion and kind")
    kind = _text(value.get("kind"))
    if not kind.endswith("List") or not isinstance(value.get("items"), list):
        yield Manifest(value, source, node)
        return
    usual = {} if kind == "List" else {"apiVersion": value.get("apiVersion"), "kind": kind.removesuffix("List")}
    for number, item in enumerate(value["items"]):
        own = node_at(node, ("items", number))
        yield from _objects({**usual, **item} if isinstance(item, dict) else item, own, file)


def _workload(manifest: Manifest) -> Workload | None:
    template_path = _POD_PATHS.get(manifest.kind)
    if template_path is None:
        return None
    spec = manifest.at((*template_path, "spec"))
    return Workload(manifest, template_path, spec) if isinstance(spec, dict) else None


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _texts(value: object) -> dict[str, str]:
    return {key: text for key, text in _mapping(value).items() if isinstance(text, str)}
