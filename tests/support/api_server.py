"""A Kubernetes API server in a thread, as far as Grace asks one: a store of objects behind real HTTP.

It answers as https://kubernetes.io/docs/reference/using-api/api-concepts/ describes: Status objects, paging with limit
and continue, dryRun, Warning headers, server-side apply. Tests change its attributes to make it refuse or misbehave.
"""

import asyncio
import base64
import json
import re
import ssl
import subprocess
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from aiohttp import web

from canned import Cut
from in_thread import InThread, listening

KINDS = {
    "v1": {
        "Namespace": ("namespaces", False),
        "Node": ("nodes", False),
        "Pod": ("pods", True),
        "Service": ("services", True),
        "ConfigMap": ("configmaps", True),
        "Secret": ("secrets", True),
        "ServiceAccount": ("serviceaccounts", True),
        "PersistentVolumeClaim": ("persistentvolumeclaims", True),
        "ResourceQuota": ("resourcequotas", True),
        "LimitRange": ("limitranges", True),
    },
    "apps/v1": {"Deployment": ("deployments", True), "ReplicaSet": ("replicasets", True)},
    "batch/v1": {"Job": ("jobs", True)},
    "storage.k8s.io/v1": {"StorageClass": ("storageclasses", False)},
    "scheduling.k8s.io/v1": {"PriorityClass": ("priorityclasses", False)},
}
_PATH = re.compile(
    r"/(?:api/(?P<core>v1)|apis/(?P<group>[^/]+/v1))(?:/namespaces/(?P<namespace>[^/]+))?/(?P<plural>[a-z]+)(?:/(?P<name>[^/]+))?"
)
_NAMESPACES = re.compile(r"/api/(?P<core>v1)/(?P<plural>namespaces)(?:/(?P<name>[^/]+))?")

Key = tuple[str, str, str]
"""Plural, namespace, name."""


@dataclass(frozen=True)
class Asked:
    """One request."""

    method: str
    path: str
    query: dict[str, str]
    body: Any

    @property
    def changes(self) -> bool:
        """Whether the cluster would be another one after it."""
        review = "selfsubject" in self.path
        return self.method != "GET" and self.query.get("dryRun") != "All" and not review


@dataclass
class ApiServer(InThread):
    """The server.

    `fault` may answer a request in the server's place; it is given the number of the request, from 1. `admit` judges
    objects that are created or changed: it returns warnings and, to refuse, a message.
    """

    token: str = "secret-token-of-the-user"
    open: bool = False
    """Whether it asks for no login. kubectl sends none without TLS."""
    anonymous: bool = False
    """Whether who shows no login is let in as nobody, who may do nothing: the default of Kubernetes."""
    own: set[str] | None = None
    """The namespaces that one has rights in; in all others, there or not, everything is refused. None: all."""
    user: str | None = "ada"
    version: str = "v1.32.4"
    denied: set[str] = field(default_factory=set)
    """What one may not do: "delete jobs"; "list nodes" also refuses that request."""
    fault: Callable[[int, web.Request], Awaitable[web.StreamResponse | None]] | None = None
    admit: Callable[[dict[str, Any]], tuple[list[str], str]] = lambda body: ([], "")
    tls: ssl.SSLContext | None = None
    objects: dict[Key, dict[str, Any]] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    latency: float = 0.0
    """Seconds before each answer."""
    under_way: int = 0
    rounds: int = 0
    """How many requests came while no other one was waiting for its answer."""
    most: int = 500
    """Objects of a page, however many are asked for."""

    def add(self, text: str, namespace: str = "") -> None:
        """Objects as YAML; those that need a namespace and name none get this one."""
        for body in yaml.safe_load_all(text):
            plural, namespaced = KINDS[body["apiVersion"]][body["kind"]]
            metadata = body["metadata"]
            if namespaced:
                metadata.setdefault("namespace", namespace)
            metadata.setdefault("resourceVersion", "1")
            self.objects[plural, metadata.get("namespace", ""), metadata["name"]] = body

    def kubeconfig(self, path: Path, **changes: Any) -> Path:
        """Write a kubeconfig for it; `user`, `cluster`, `context` replace those parts."""
        parts = {
            "cluster": {"server": self.url},
            "user": {"token": self.token},
            "context": {"cluster": "here", "user": "ada"},
        } | changes
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "clusters": [{"name": "here", "cluster": parts["cluster"]}],
            "users": [{"name": "ada", "user": parts["user"]}],
            "contexts": [{"name": "test", "context": parts["context"]}],
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(content))
        path.chmod(0o600)
        return path

    def served(self) -> AbstractAsyncContextManager[str]:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        return listening(app, self.tls)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        text = await request.text()
        body = yaml.safe_load(text) if text else None
        self.rounds += not self.under_way
        self.under_way += 1
        try:
            await asyncio.sleep(self.latency)
        finally:
            self.under_way -= 1
        self.asked.append(Asked(request.method, request.path, dict(request.query), body))
        if self.fault and (answer := await self.fault(len(self.asked), request)):
            return answer
        shown = request.headers.get("Authorization")
        if not shown and self.anonymous:
            what = (
                'selfsubjectreviews is forbidden: User "system:anonymous" cannot create resource "selfsubjectreviews"'
            )
            return status(403, "Forbidden", f"{what} at the cluster scope")
        if not self.open and shown != f"Bearer {self.token}":
            return status(401, "Unauthorized", "Unauthorized")
        if request.path == "/version":
            return web.json_response({"major": "1", "minor": "32", "gitVersion": self.version})
        if "selfsubject" in request.path:
            return self._review(body)
        if found := self._discovery(request.path):
            return found
        return self._object(request, body)

    def _review(self, body: dict[str, Any]) -> web.Response:
        if body["kind"] == "SelfSubjectReview":
            if self.user is None:
                return status(404, "NotFound", "the server could not find the requested resource")
            return web.json_response({**body, "status": {"userInfo": {"username": self.user}}}, status=201)
        what = body["spec"]["resourceAttributes"]
        resource = "/".join(part for part in (what["resource"], what.get("subresource", "")) if part)
        allowed = f"{what['verb']} {resource}" not in self.denied and self._is_own(what.get("namespace", ""))
        return web.json_response({**body, "status": {"allowed": allowed}}, status=201)

    def _is_own(self, namespace: str) -> bool:
        return not namespace or self.own is None or namespace in self.own

    def _discovery(self, path: str) -> web.Response | None:
        if path == "/api":
            return web.json_response({"kind": "APIVersions", "versions": ["v1"]})
        if path == "/apis":
            groups = [
                {"name": version.split("/")[0], "versions": [{"groupVersion": version, "version": "v1"}]}
                for version in KINDS
                if "/" in version
            ]
            return web.json_response({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
        version = path.removeprefix("/apis/").removeprefix("/api/")
        if version not in KINDS:
            return None
        verbs = ["create", "delete", "get", "list", "patch", "update"]
        resources = [
            {"name": plural, "kind": kind, "namespaced": namespaced, "singularName": kind.lower(), "verbs": verbs}
            for kind, (plural, namespaced) in KINDS[version].items()
        ]
        resources.append({"name": "pods/log", "kind": "Pod", "namespaced": True, "singularName": "", "verbs": ["get"]})
        return web.json_response(
            {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": resources}
        )

    def _object(self, request: web.Request, body: Any) -> web.Response:
        match = _NAMESPACES.fullmatch(request.path) or _PATH.fullmatch(request.path)
        if match is None:
            return status(404, "NotFound", "the server could not find the requested resource")
        parts = match.groupdict()
        plural, namespace, name = parts["plural"], parts.get("namespace") or "", parts["name"] or ""
        key = (plural, namespace, name)
        verb = {"GET": "get" if name else "list", "POST": "create", "PATCH": "patch"}[request.method]
        place = namespace or (name if plural == "namespaces" else "")
        if f"{verb} {plural}" in self.denied or not self._is_own(place):
            group = (parts.get("group") or "").rpartition("/")[0]
            what = f'{plural} is forbidden: User "{self.user}" cannot {verb} resource "{plural}" in API group "{group}"'
            return status(403, "Forbidden", f'{what} in the namespace "{place}"' if place else what)
        if verb == "list":
            return self._list(request, plural, namespace, parts.get("group") or "v1")
        if verb == "get":
            found = self.objects.get(key)
            return web.json_response(found) if found else status(404, "NotFound", f'{plural} "{name}" not found')
        return self._write(request, key, body)

    def _list(self, request: web.Request, plural: str, namespace: str, version: str) -> web.Response:
        found = [body for key, body in self.objects.items() if key[0] == plural and namespace in ("", key[1])]
        found = [body for body in found if _selected(body, request.query.get("labelSelector", ""))]
        start = int(request.query.get("continue", 0))
        end = start + min(int(request.query.get("limit", self.most)), self.most)
        more = {"continue": str(end)} if end < len(found) else {}
        kind = next(kind for kind, (name, _) in KINDS[version].items() if name == plural)
        return web.json_response(
            {"kind": f"{kind}List", "apiVersion": version, "metadata": more, "items": found[start:end]}
        )

    def _write(self, request: web.Request, key: Key, body: Any) -> web.Response:
        plural, namespace, name = key
        if namespace and ("namespaces", "", namespace) not in self.objects:
            return status(404, "NotFound", f'namespaces "{namespace}" not found')
        existing = self.objects.get(key)
        if request.method == "POST":
            name = body["metadata"].get("name") or body["metadata"]["generateName"] + "abc12"
            key = (plural, namespace, name)
            if key in self.objects:
                return status(409, "AlreadyExists", f'{plural} "{name}" already exists')
        if request.content_type == "application/merge-patch+json":
            if existing is None:
                return status(404, "NotFound", f'{plural} "{name}" not found')
            version = body.get("metadata", {}).get("resourceVersion", existing["metadata"]["resourceVersion"])
            if version != existing["metadata"]["resourceVersion"]:
                return status(409, "Conflict", f'Operation cannot be fulfilled on {plural} "{name}"')
            body = merged(existing, body)
        elif request.method == "PATCH" and not (
            request.content_type == "application/apply-patch+yaml" and request.query.get("fieldManager")
        ):
            return status(415, "UnsupportedMediaType", f"{request.content_type} is not supported")
        elif plural == "jobs" and existing and body["spec"]["template"] != (existing.get("spec") or {}).get("template"):
            what = f'Job.batch "{name}" is invalid: spec.template: Invalid value: {{}}: field is immutable'
            return status(422, "Invalid", what)
        warnings, refusal = self.admit(body)
        quoted = [text.replace("\\", r"\\").replace('"', r"\"") for text in warnings]
        headers = [("Warning", f'299 - "{text}"') for text in quoted]
        if refusal:
            return status(403, "Forbidden", refusal, headers)
        if request.query.get("dryRun") != "All":
            number = int(existing["metadata"].get("resourceVersion", 0)) + 1 if existing else 1
            body.setdefault("metadata", {})["resourceVersion"] = str(number)
            self.objects[key] = body
        return web.Response(
            text=json.dumps(body), content_type="application/json", status=200 if existing else 201, headers=headers
        )


def _selected(body: dict[str, Any], selector: str) -> bool:
    """Whether an object has the labels of `a=b,c in (d,e)`."""
    labels = body["metadata"].get("labels") or {}
    expressions = re.findall(r"([^=, ]+)(?:=([^,]*)| in \(([^)]*)\))", selector)
    return all(labels.get(key) in (value or values).split(",") for key, value, values in expressions)


def merged(old: Any, new: Any) -> Any:
    """A merge patch (RFC 7386)."""
    if not isinstance(new, dict):
        return new
    base = old if isinstance(old, dict) else {}
    return {**base, **{key: merged(base.get(key), value) for key, value in new.items() if value is not None}}


def status(
    code: int,
    reason: str,
    message: str,
    headers: list[tuple[str, str]] | None = None,
    body: dict[str, Any] | None = None,
) -> web.Response:
    """A refusal as Kubernetes sends it, or another answer."""
    if body is not None:
        return web.json_response(body, status=code)
    body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "code": code}
    text = json.dumps({**body, "message": message})
    return web.Response(text=text, content_type="application/json", status=code, headers=headers or [])


def cut() -> web.StreamResponse:
    """An answer whose connection is cut in its middle."""
    return Cut()


def certificate(folder: Path, name: str = "127.0.0.1") -> tuple[ssl.SSLContext, Path]:
    """A server's self-signed certificate for an address, and the file that a kubeconfig may trust."""
    key, file = folder / "server.key", folder / "server.crt"
    kind = "IP" if name[0].isdigit() else "DNS"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}"]
    extensions = ["-addext", f"subjectAltName={kind}:{name}", "-addext", "keyUsage=digitalSignature,keyCertSign"]
    subprocess.run([*command, *extensions, "-keyout", key, "-out", file], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, key)
    return context, file


def web_token(**claims: Any) -> str:
    """A JSON web token with these claims, unsigned."""
    parts = [json.dumps(part).encode() for part in ({"alg": "RS256"}, claims)]
    return ".".join([*(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts), "c2lnbmF0dXJl"])
