"""Looks at the way in: the server and its version, who one is, what one may do, and the namespace."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from grace.cluster.access.connection import ApiError, path_of
from grace.cluster.preflight.inspection import Probe, Subject, Trial, Wanted
from grace.cluster.preflight.report import Line, failed, passed, unknown
from grace.errors import ClusterError


@dataclass(frozen=True)
class Need:
    """Rights that are needed.

    Attributes:
        api_version, kind: of objects in manifests; empty for what Grace itself needs.
        group, resource: of the API, where the kind does not tell; a subresource follows a slash.
        verbs: what has to be allowed.
        wide: of the whole cluster, not of a namespace.
        optional: without it, something stays unknown, and all works.
    """

    verbs: tuple[str, ...]
    api_version: str = ""
    kind: str = ""
    group: str = ""
    resource: str = ""
    wide: bool = False
    optional: bool = False


_OWN = (
    Need(("get", "list", "watch", "delete"), group="batch", resource="jobs"),
    Need(("get", "list", "watch"), resource="pods"),
    Need(("get",), resource="pods/log"),
    Need(("get",), resource="secrets"),
    Need(("get", "list"), resource="persistentvolumeclaims"),
    Need(("list",), resource="events", optional=True),
    Need(("list",), resource="nodes", wide=True, optional=True),
    Need(("list",), group="storage.k8s.io", resource="storageclasses", wide=True, optional=True),
)
"""What Grace needs to watch what it runs, and to look before."""
_WRITES = ("create", "get", "patch", "delete")
"""What the objects of manifests need: to be made, seen, changed and removed again."""
_RENDERED = (
    ("batch/v1", "Job"),
    ("v1", "Pod"),
    ("v1", "Service"),
    ("apps/v1", "Deployment"),
    ("v1", "ConfigMap"),
    ("v1", "PersistentVolumeClaim"),
)
"""Kinds that `grace cluster render` writes: those that are asked about when no manifests are given."""


def _server(trial: Trial, subject: Subject) -> Iterator[Line]:
    try:
        version = trial.api.get("/version")
    except ApiError as error:
        if error.status not in (401, 403):
            raise
        yield passed("server", "", f"{trial.api.target.server} answers; it does not tell its version")
        return
    text = str(version.get("gitVersion") or "no version")
    yield passed("server", "", f"{trial.api.target.server} answers: Kubernetes {text}", _other_version(trial, text))


def _other_version(trial: Trial, text: str) -> list[str]:
    """A note when manifests are checked against another version than that of the server."""
    found = re.match(r"v?(1\.\d+)", text)
    known = trial.cluster.kubernetes
    if not found or found[1] == known:
        return []
    return [f"manifests are checked against the schemas of {known}, as the file of cluster {trial.cluster.name} says"]


def _identity(trial: Trial, subject: Subject) -> Iterator[Line]:
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview", "metadata": {}}
    try:
        review = trial.api.review("/apis/authentication.k8s.io/v1/selfsubjectreviews", body)
    except ApiError as error:
        if error.status in (403, 404, 405):
            yield unknown(
                "identity", "", "the cluster does not tell who you are (it is older than 1.28, or forbids it)"
            )
            return
        raise
    user = ((review.get("status") or {}).get("userInfo") or {}).get("username") or ""
    if user in ("", "system:anonymous"):
        yield failed(
            "identity",
            "",
            "the cluster does not know you: no login was sent",
            f"log in, or get the kubeconfig anew from the cluster's portal; see {trial.api.target.title}",
            code=ClusterError.exit_code,
        )
        return
    yield passed("identity", "", f"the cluster knows you as {user}")


def _rights(wanted: Wanted) -> Sequence[Subject]:
    kinds = sorted({(manifest.api_version, manifest.kind) for manifest in wanted.manifests}) or _RENDERED
    needs = [Need(_WRITES, api_version, kind) for api_version, kind in kinds if api_version and kind]
    return [
        Subject(f"{need.kind or need.resource}{'' if need.wide else f' in {namespace}'}", namespace, need)
        for number, namespace in enumerate(wanted.namespaces)
        for need in (*needs, *_OWN)
        if not (need.wide and number)
    ]


def _permission(trial: Trial, subject: Subject) -> Iterator[Line]:
    need: Need = subject.of
    group, resource = need.group, need.resource
    namespace = "" if need.wide else subject.namespace
    if need.kind:
        known = trial.api.resource(need.api_version, need.kind)
        group, resource = known.group, known.plural
        namespace = namespace if known.namespaced else ""
    refused = [verb for verb in need.verbs if not _allowed(trial, verb, group, resource, namespace)]
    if not refused:
        yield passed("permission", subject.title, f"you may {', '.join(need.verbs)}")
    elif need.optional:
        yield unknown(
            "permission", subject.title, f"you may not {', '.join(refused)}; what it would tell stays unknown"
        )
    elif need.kind == "Namespace":
        yield failed("permission", subject.title, f"you may not {', '.join(refused)}", _PORTAL)
    else:
        yield failed(
            "permission",
            subject.title,
            f"you may not {', '.join(refused)}",
            "ask an administrator of the namespace, or choose yours with --namespace",
        )


_PORTAL = "namespaces are made on the cluster's portal, not with kubectl: leave the Namespace out of the manifests"


def _allowed(trial: Trial, verb: str, group: str, resource: str, namespace: str) -> bool:
    name, _, sub = resource.partition("/")
    attributes = {"verb": verb, "group": group, "resource": name, "subresource": sub, "namespace": namespace}
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {key: value for key, value in attributes.items() if value}},
    }
    review = trial.api.review("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", body)
    return (review.get("status") or {}).get("allowed") is True


def _namespaces(wanted: Wanted) -> Sequence[Subject]:
    return [Subject(namespace, of=namespace) for namespace in wanted.namespaces]


def _namespace(trial: Trial, subject: Subject) -> Iterator[Line]:
    found = trial.find(path_of("api", "v1", "namespaces", subject.title))
    if found is None:
        yield failed(
            "namespace",
            subject.title,
            "the cluster has no such namespace",
            "make it, or join it, on the cluster's portal (not with kubectl); --namespace names another",
        )
    elif (found.get("status") or {}).get("phase") == "Terminating":
        yield failed("namespace", subject.title, "it is being deleted", "choose another with --namespace")
    else:
        yield passed("namespace", subject.title, "is there")


def once(wanted: Wanted) -> Sequence[Subject]:
    """Of a look at the cluster as a whole."""
    return [Subject("")]


SERVER = Probe("server", once, _server)
IDENTITY = Probe("identity", once, _identity)
NAMESPACE = Probe("namespace", _namespaces, _namespace)
PERMISSION = Probe("permission", _rights, _permission)
