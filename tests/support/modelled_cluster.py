"""A cluster in a thread: an API server, its controllers and its nodes, with a time that only waiting moves.

It does what a real one does and what no simple mock shows: Jobs make pods, pods wait for volumes and GPUs, are
preempted, evicted, refused and lost; deletion takes time, and leaves what its policy says; watches forget; logins end.
Time goes on while somebody waits for it: a watch, or the clock that `ModelledClock` gives to a client. While a pod does
real work (`modelled_pods`), it goes on slowly.
"""

import asyncio
import copy
import heapq
import itertools
import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

import api_server
from api_server import Asked, Key, status
from grace.cluster.access.connection import Clock
from limits import HANG
from modelled_controllers import Controllers
from modelled_pods import Pods

KINDS = {
    **api_server.KINDS,
    "v1": {**api_server.KINDS["v1"], "Event": ("events", True)},
    "apps/v1": {"Deployment": ("deployments", True), "ReplicaSet": ("replicasets", True)},
}
KIND_OF = {plural: (version, kind) for version, kinds in KINDS.items() for kind, (plural, _) in kinds.items()}
EPOCH = 1_800_000_000
TOKEN_SECONDS = 60.0
"""Tokens are taken for so long after their end."""

_PATH = re.compile(
    r"/(?:api/(?P<core>v1)|apis/(?P<group>[^/]+/v1))(?:/namespaces/(?P<namespace>[^/]+)(?=/))?"
    r"/(?P<plural>[a-z]+)(?:/(?P<name>[^/]+))?(?:/(?P<part>log|exec))?"
)


class ModelledClock(Clock):
    """The cluster's time, for a client: who sleeps lets it go on."""

    def __init__(self, cluster: "ModelledCluster") -> None:
        self.cluster = cluster

    def now(self) -> float:
        return self.cluster.now

    def sleep(self, seconds: float) -> None:
        self.cluster.call(self.cluster.elapse(seconds))


@dataclass
class ModelledCluster(Controllers, Pods, api_server.ApiServer):
    """The cluster.

    Attributes:
        folder: where its volumes are.
        now: its time, in seconds from its start.
        tokens: logins with the time at which each ends.
        quota: the most that a namespace's pods may request of a resource at once.
        cuts: how many of the next watches are cut in their middle.
        oldest: changes before this version are forgotten.
    """

    folder: Path = Path()
    now: float = 0.0
    tokens: dict[str, float] = field(default_factory=dict)
    quota: dict[str, int] = field(default_factory=dict)
    cuts: int = 0
    oldest: int = 0
    history: list[tuple[int, str, Key, dict[str, Any]]] = field(default_factory=list)
    managers: dict[Key, dict[str, str]] = field(default_factory=dict)
    dirty: bool = False
    _timers: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    _numbers: Any = field(default_factory=itertools.count)
    _version: int = 0

    def __post_init__(self) -> None:
        self.tokens.setdefault(self.token, float("inf"))
        self.prepare_controllers()
        self.prepare_pods()

    # Time

    @property
    def clock(self) -> ModelledClock:
        """For a client."""
        return ModelledClock(self)

    def call(self, work: Any) -> Any:
        """Do something within the cluster's thread, and give its result."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(HANG)

    def do(self, work: Callable[[], Any]) -> Any:
        """Have a plain function done within the cluster's thread, and its consequences settled."""

        async def done() -> Any:
            result = work()
            self.settle()
            return result

        return self.call(done())

    def soon(self, work: Callable[[], Any]) -> None:
        """Have a plain function done as soon as the cluster's thread can, whoever asks."""

        def done() -> None:
            work()
            self.settle()

        self._loop.call_soon_threadsafe(done)

    def at(self, delay: float, work: Callable[[], None]) -> None:
        """Have something done later."""
        heapq.heappush(self._timers, (self.now + delay, next(self._numbers), work))

    async def elapse(self, seconds: float, until_change: bool = False) -> None:
        """Let time go on."""
        until, version = self.now + seconds, self._version
        while self.now < until and not (until_change and self._version != version):
            if self.working():
                await asyncio.sleep(0.01)
                step = min(0.5, until - self.now)
            else:
                await asyncio.sleep(0)
                following = self._timers[0][0] if self._timers else until
                step = max(0.0, min(following, until) - self.now)
            target = self.now + step
            while self._timers and self._timers[0][0] <= target:
                self.now, _, work = heapq.heappop(self._timers)
                work()
                self.settle()
            self.now = target
            self.attend()
            self.settle()

    def stamp(self, delay: float = 0.0) -> str:
        """The time as objects have it."""
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(EPOCH + self.now + delay))

    # The store

    def save(self, key: Key, body: dict[str, Any]) -> dict[str, Any]:
        """Keep an object as it is now."""
        if self.objects.get(key) == body:
            return body
        kind = "MODIFIED" if key in self.objects else "ADDED"
        self._version += 1
        body = copy.deepcopy(body)
        body["metadata"]["resourceVersion"] = str(self._version)
        self.objects[key] = body
        self.history.append((self._version, kind, key, copy.deepcopy(body)))
        self.dirty = True
        return body

    def drop(self, key: Key) -> None:
        """Forget an object."""
        body = self.objects.pop(key, None)
        if body is None:
            return
        self._version += 1
        body["metadata"]["resourceVersion"] = str(self._version)
        self.history.append((self._version, "DELETED", key, body))
        self.managers.pop(key, None)
        self.dirty = True

    def new(self, key: Key, body: dict[str, Any]) -> dict[str, Any]:
        """Make an object as the API server does."""
        version, kind = KIND_OF[key[0]]
        metadata = {**body.get("metadata", {}), "name": key[2], "uid": f"uid-{next(self._numbers):05}"}
        metadata |= {"creationTimestamp": self.stamp()} | ({"namespace": key[1]} if key[1] else {})
        body = {**copy.deepcopy(body), "apiVersion": version, "kind": kind, "metadata": metadata}
        if key[0] == "persistentvolumeclaims":
            metadata["finalizers"] = ["kubernetes.io/pvc-protection"]
        return self.save(key, body)

    def all(self, plural: str) -> list[tuple[Key, dict[str, Any]]]:
        """All objects of a kind."""
        return [(key, body) for key, body in self.objects.items() if key[0] == plural]

    def forget(self) -> None:
        """Forget the changes so far: who watches from an earlier place gets 410."""
        self.oldest = self._version

    # HTTP

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        match = _PATH.fullmatch(request.path)
        part = match["part"] if match else None
        text = "" if part == "exec" else await request.text()
        body = json.loads(text) if text else None
        self.asked.append(Asked(request.method, request.path, dict(request.query), body))
        if self.fault and (answer := await self.fault(len(self.asked), request)):
            return answer
        shown = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if self.now > self.tokens.get(shown, -TOKEN_SECONDS - 1.0) + TOKEN_SECONDS:
            return status(401, "Unauthorized", "Unauthorized")
        if request.path == "/version":
            return web.json_response({"major": "1", "minor": "32", "gitVersion": self.version})
        if "selfsubject" in request.path:
            return self._review(body)
        if found := self._discovery(request.path):
            return found
        if match is None:
            return status(404, "NotFound", "the server could not find the requested resource")
        plural, namespace, name = match["plural"], match["namespace"] or "", match["name"] or ""
        key = (plural, namespace, name)
        verb = {"GET": "get" if name else "list", "POST": "create", "PATCH": "patch", "DELETE": "delete"}
        if f"{verb[request.method]} {plural}" in self.denied:
            what = f'{plural} is forbidden: User "ada" cannot {verb[request.method]} resource "{plural}"'
            return status(403, "Forbidden", f'{what} in API group "" in the namespace "{namespace}"')
        if part == "exec":
            return await self.run_command(request, key)
        if part == "log":
            return self.show_log(request, key)
        if request.query.get("watch"):
            return await self._watch(request, plural, namespace)
        answer = self._done(request, key, body)
        self.settle()
        return answer

    def _discovery(self, path: str) -> web.Response | None:
        version = path.removeprefix("/apis/").removeprefix("/api/")
        if version not in KINDS:
            return None
        resources = [
            {"name": plural, "kind": kind, "namespaced": namespaced, "verbs": ["get"]}
            for kind, (plural, namespaced) in KINDS[version].items()
        ]
        return web.json_response({"kind": "APIResourceList", "groupVersion": version, "resources": resources})

    def _done(self, request: web.Request, key: Key, body: Any) -> web.Response:
        plural, namespace, name = key
        if request.method == "GET" and not name:
            return self._listed(request, plural, namespace)
        there = self.objects.get(key)
        if request.method in ("GET", "DELETE") and there is None:
            return status(404, "NotFound", f'{plural} "{name}" not found')
        if request.method == "GET":
            return web.json_response(there)
        if request.method == "DELETE":
            return self._deleted(key, body or {})
        return self._written(request, key, body)

    def _listed(self, request: web.Request, plural: str, namespace: str) -> web.Response:
        query = request.query
        bodies = [
            body
            for key, body in self.objects.items()
            if key[0] == plural and namespace in ("", key[1]) and selected(body, query.get("labelSelector", ""))
        ]
        if wanted := query.get("fieldSelector", "").removeprefix("involvedObject.uid="):
            bodies = [body for body in bodies if body.get("involvedObject", {}).get("uid") == wanted]
        start, most = int(query.get("continue") or 0), int(query.get("limit") or 500)
        more = {"continue": str(start + most)} if start + most < len(bodies) else {}
        metadata = {"resourceVersion": str(self._version), **more}
        return web.json_response({"metadata": metadata, "items": bodies[start : start + most]})

    def _written(self, request: web.Request, key: Key, body: dict[str, Any]) -> web.Response:
        plural, namespace, name = key
        dry = request.query.get("dryRun") == "All"
        if namespace and ("namespaces", "", namespace) not in self.objects:
            return status(404, "NotFound", f'namespaces "{namespace}" not found')
        if request.method == "POST":
            name = body["metadata"].get("name") or f"{body['metadata']['generateName']}x{next(self._numbers)}"
            key = (plural, namespace, name)
            if key in self.objects:
                return status(409, "AlreadyExists", f'{plural} "{name}" already exists')
        refusal = self.admit(body)[1] or self.over_quota(key, body)
        if refusal:
            return status(403, "Forbidden", refusal)
        there = self.objects.get(key)
        if there and request.content_type == "application/merge-patch+json":
            changed = merged(there, body)
        elif there:
            manager = request.query.get("fieldManager", "")
            conflicts = self._conflicts(key, there, body, manager)
            if conflicts and request.query.get("force") != "true":
                return status(409, "Conflict", f"Apply failed with {len(conflicts)} conflict: {'; '.join(conflicts)}")
            changed = merged(there, body)
            if plural == "jobs" and changed["spec"]["template"] != there["spec"]["template"]:
                what = f'Job.batch "{name}" is invalid: spec.template: Invalid value: ...: field is immutable'
                return status(422, "Invalid", what)
        else:
            changed = body
        if dry:
            return web.json_response(changed, status=200 if there else 201)
        changed["metadata"].pop("resourceVersion", None) if not there else None
        saved = self.save(key, changed) if there else self.new(key, changed)
        owned = self.managers.setdefault(key, {})
        owned |= dict.fromkeys(leaves(body), request.query.get("fieldManager", ""))
        return web.json_response(saved, status=200 if there else 201)

    def _conflicts(self, key: Key, there: dict[str, Any], body: dict[str, Any], manager: str) -> list[str]:
        now, owners = leaves(there), self.managers.get(key, {})
        return [
            f'conflict with "{owners[path]}" using v1: {path}'
            for path, value in leaves(body).items()
            if path in now and now[path] != value and owners.get(path, manager) != manager
        ]

    def _deleted(self, key: Key, options: dict[str, Any]) -> web.Response:
        there = self.objects[key]
        uid = there["metadata"]["uid"]
        wanted = (options.get("preconditions") or {}).get("uid", uid)
        if wanted != uid:
            what = f"Precondition failed: UID in precondition: {wanted}, UID in object meta: {uid}"
            return status(409, "Conflict", f'Operation cannot be fulfilled on {key[0]} "{key[2]}": {what}')
        self.delete(key, options.get("propagationPolicy"), options.get("gracePeriodSeconds"))
        return web.json_response({"kind": "Status", "status": "Success"})

    async def _watch(self, request: web.Request, plural: str, namespace: str) -> web.StreamResponse:
        """Changes after a version. From one that is yet to come it stays silent, without an error."""
        query = request.query
        version, ends = int(query["resourceVersion"]), self.now + float(query.get("timeoutSeconds", 300))
        answer = web.StreamResponse()
        answer.enable_chunked_encoding()
        await answer.prepare(request)

        async def send(kind: str, body: dict[str, Any]) -> None:
            await answer.write(json.dumps({"type": kind, "object": body}).encode() + b"\n")

        if version < self.oldest:
            await send("ERROR", {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"})
            return answer
        at = next((place for place, each in enumerate(self.history) if each[0] > version), len(self.history))
        try:
            while request.transport and not request.transport.is_closing():
                asked, sent = len(self.asked), False
                for _, kind, key, body in self.history[at:]:
                    here = key[0] == plural and namespace in ("", key[1])
                    if here and selected(body, query.get("labelSelector", "")):
                        await send(kind, body)
                        sent = True
                at = len(self.history)
                if self.cuts:
                    self.cuts -= 1
                    await answer.write(b'{"type": "MODI')
                    request.transport.abort()
                    return answer
                if self.now >= ends:
                    await answer.write_eof()
                    return answer
                await asyncio.sleep(0.002)  # a client that has read enough goes away now
                if sent:
                    await self._looked(request, asked)
                if request.transport and not request.transport.is_closing():
                    await self.elapse(ends - self.now, until_change=True)
        except ConnectionError:
            pass
        return answer

    async def _looked(self, request: web.Request, asked: int) -> None:
        """Let a client that was told of a change look at it before time goes on: what it asks takes no time."""
        for _ in range(200):
            if len(self.asked) > asked or request.transport is None or request.transport.is_closing():
                break
            await asyncio.sleep(0.01)
        quiet = 0
        while quiet < 5:
            before = len(self.asked)
            await asyncio.sleep(0.01)
            quiet = quiet + 1 if len(self.asked) == before else 0


def selected(body: dict[str, Any], selector: str) -> bool:
    """Whether an object has the labels of `a=b,c in (d,e),f`."""
    labels = body["metadata"].get("labels") or {}
    for key, equal, several in re.findall(r"([^=,() ]+)(?:=([^,]*)| in \(([^)]*)\))?(?:,|$)", selector):
        if key not in labels or (equal and labels[key] != equal) or (several and labels[key] not in several.split(",")):
            return False
    return True


def merged(old: Any, new: Any) -> Any:
    """What is there with fields of another object; lists are replaced, unless nothing in them changes."""
    if isinstance(new, dict) and isinstance(old, dict):
        return {**old, **{key: merged(old.get(key), value) for key, value in new.items()}}
    return new


def leaves(value: Any, path: str = "") -> dict[str, str]:
    """The fields of an object by their path, without those that name it."""
    if path in (".apiVersion", ".kind", ".metadata.name", ".metadata.namespace"):
        return {}
    if isinstance(value, dict):
        return {place: text for key, each in value.items() for place, text in leaves(each, f"{path}.{key}").items()}
    return {path: json.dumps(value, sort_keys=True)}
