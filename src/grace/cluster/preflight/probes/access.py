"""Probes of the way in: the server and its version, who you are, what you may do, and the namespace."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from grace.cluster.access.answers import ApiError
from grace.cluster.access.paths import path_of
from grace.cluster.preflight.probe import ClusterView, Probe, Subject, Submission
from grace.cluster.preflight.report import Verdict, failed, passed, unknown
from grace.errors import ClusterError


@dataclass(frozen=True)
class Right:
    """What you must be allowed to do with some objects.

    Attributes:
        api_version, kind: of objects in manifests; empty for what Grace itself needs.
        group, resource: of the API, where there is no kind; a subresource follows a slash.
        verbs: what has to be allowed.
        wide: the objects belong to the whole cluster, not to a namespace.
        optional: without it, everything works, but something stays unknown.
    """

    verbs: tuple[str, ...]
    api_version: str = ""
    kind: str = ""
    group: str = ""
    resource: str = ""
    wide: bool = False
    optional: bool = False


_OWN = (
    Right(("get", "list", "watch", "delete"), group="batch", resource="jobs"),
    Right(("create", "get", "list", "watch", "delete"), resource="pods"),
    Right(("create",), resource="pods/exec"),
    Right(("get",), resource="pods/log"),
    Right(("get",), resource="secrets"),
    Right(("get", "list"), resource="persistentvolumeclaims"),
    Right(("list",), resource="events", optional=True),
    Right(("list",), resource="nodes", wide=True, optional=True),
    Right(("list",), group="storage.k8s.io", resource="storageclasses", wide=True, optional=True),
)
"""What Grace needs to watch what it runs, and to check before it starts."""
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


def _server(view: ClusterView, subject: Subject) -> Verdict:
    try:
        version = view.api.get("/version")
    except ApiError as error:
        if error.status not in (401, 403):
            raise
        return passed(f"{view.api.target.server} answers; it does not give its version")
    text = str(version.get("gitVersion") or "no version")
    return passed(f"{view.api.target.server} answers: Kubernetes {text}", _other_version(view, text))


def _other_version(view: ClusterView, text: str) -> list[str]:
    """A note when the schemas of the manifests are of another version than the server."""
    server = re.match(r"v?(1\.\d+)", text)
    checked = view.cluster.kubernetes
    if not server or server[1] == checked:
        return []
    return [f"manifests are checked against the schemas of {checked}, as the file of cluster {view.cluster.name} says"]


def _identity(view: ClusterView, subject: Subject) -> Verdict:
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview", "metadata": {}}
    try:
        review = view.api.review("/apis/authentication.k8s.io/v1/selfsubjectreviews", body)
    except ApiError as error:
        if error.status in (403, 404, 405):
            return unknown("the cluster does not tell who you are (it is older than 1.28, or forbids it)")
        raise
    user = ((review.get("status") or {}).get("userInfo") or {}).get("username") or ""
    if user in ("", "system:anonymous"):
        return failed(
            "the cluster does not know you: no login was sent",
            f"log in, or get the kubeconfig again from the cluster's portal; see {view.api.target.title}",
            failure=ClusterError,
        )
    return passed(f"the cluster knows you as {user}")


def _rights(submission: Submission) -> Sequence[Subject]:
    kinds = sorted({(manifest.api_version, manifest.kind) for manifest in submission.manifests}) or _RENDERED
    rights = [Right(_WRITES, api_version, kind) for api_version, kind in kinds if api_version and kind]
    return [
        Subject(f"{right.kind or right.resource}{'' if right.wide else f' in {namespace}'}", namespace, right)
        for number, namespace in enumerate(submission.namespaces)
        for right in (*rights, *_OWN)
        if not (right.wide and number)
    ]


def _permission(view: ClusterView, subject: Subject) -> Verdict:
    right: Right = subject.of
    group, resource = right.group, right.resource
    namespace = "" if right.wide else subject.namespace
    if right.kind:
        named = view.api.resource(right.api_version, right.kind)
        group, resource = named.group, named.plural
        namespace = namespace if named.namespaced else ""
    refused = [verb for verb in right.verbs if not _allowed(view, verb, group, resource, namespace)]
    if not refused:
        return passed(f"you may {', '.join(right.verbs)}")
    if right.optional:
        return unknown(f"you may not {', '.join(refused)}; what it would show stays unknown")
    if right.kind == "Namespace":
        return failed(f"you may not {', '.join(refused)}", _PORTAL)
    todo = "ask an administrator of the namespace, or choose yours with --namespace"
    return failed(f"you may not {', '.join(refused)}", todo)


_PORTAL = "namespaces are made on the cluster's portal, not with kubectl: leave the Namespace out of the manifests"


def _allowed(view: ClusterView, verb: str, group: str, resource: str, namespace: str) -> bool:
    name, _, sub = resource.partition("/")
    attributes = {"verb": verb, "group": group, "resource": name, "subresource": sub, "namespace": namespace}
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {key: value for key, value in attributes.items() if value}},
    }
    review = view.api.review("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", body)
    return (review.get("status") or {}).get("allowed") is True


def _namespace(view: ClusterView, subject: Subject) -> Verdict:
    try:
        namespace = view.find(path_of("api", "v1", "namespaces", subject.title))
    except ApiError as error:
        if error.status != 403 or _allowed(view, "list", "", "pods", subject.title):
            raise
        todo = "choose yours with --namespace, or ask its administrators to add you"
        return failed(f"there is none of that name, or it is {view.api.not_yours()}", todo)
    if namespace is None:
        todo = "make it, or join it, on the cluster's portal (not with kubectl); --namespace names another"
        return failed("the cluster has no such namespace", todo)
    if (namespace.get("status") or {}).get("phase") == "Terminating":
        return failed("it is being deleted", "choose another with --namespace")
    return passed("is there")


def once(submission: Submission) -> Sequence[Subject]:
    """The cluster as a whole."""
    return [Subject("")]


SERVER = Probe("server", once, _server)
IDENTITY = Probe("identity", once, _identity)
NAMESPACE = Probe(
    "namespace", lambda submission: [Subject(each, of=each) for each in submission.namespaces], _namespace
)
PERMISSION = Probe("permission", _rights, _permission)
