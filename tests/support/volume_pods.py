"""Pods of an API server whose commands run for real, on this machine, in the folders that stand for volumes.

Objects are deleted as a cluster does it: what they own first, and some of them never.
"""

import asyncio
import base64
import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from api_server import ApiServer, status
from grace.cluster.access.commands import PROTOCOLS


@dataclass
class VolumePods:
    """Makes, runs and deletes pods in an API server's place.

    Attributes:
        server: whose `fault` this takes over.
        folder: has a folder for each claim.
        cuts: the number of bytes of output after which the next commands are cut, one each; -1: not.
        pending: how often a new pod is looked at before it runs.
        commands: what was run: the words after the program.
        made: names of pods.
        deleted: names of all objects that were deleted, each with how its dependents were to be treated.
        stuck: names of objects that stay, being deleted.
    """

    server: ApiServer
    folder: Path
    cuts: list[int] = field(default_factory=list)
    pending: int = 1
    commands: list[list[str]] = field(default_factory=list)
    made: list[str] = field(default_factory=list)
    deleted: list[tuple[str, str]] = field(default_factory=list)
    stuck: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._looks: dict[str, int] = {}
        self.server.fault = self.answer

    def take_away(self) -> None:
        """Let all pods vanish, as preemption does."""
        for key in [key for key in self.server.objects if key[0] == "pods"]:
            del self.server.objects[key]

    async def answer(self, number: int, request: web.Request) -> web.StreamResponse | None:
        """The answer to a request about pods; None for others."""
        parts = request.path.split("/")
        if request.method == "DELETE":
            return await self._delete(request)
        if "pods" not in parts:
            return None
        name = parts[6] if len(parts) > 6 else ""
        if request.method == "POST":
            body = json.loads(await request.text())
            body["metadata"] |= {"uid": f"uid-{len(self.made)}", "resourceVersion": "1"}
            body["status"] = {"phase": "Pending"}
            self.made.append(body["metadata"]["name"])
            self.server.objects["pods", parts[4], self.made[-1]] = body
            return web.json_response(body, status=201)
        pod = self.server.objects.get(("pods", parts[4], name))
        if name and pod is None:
            return status(404, "NotFound", f'pods "{name}" not found')
        if request.path.endswith("/exec"):
            return await self._run(request, pod)
        if name in self.made:
            self._looks[name] = self._looks.get(name, 0) + 1
            pod["status"]["phase"] = "Running" if self._looks[name] > self.pending else "Pending"
        return None

    async def _delete(self, request: web.Request) -> web.Response:
        *_, namespace, plural, name = request.path.split("/")
        options = json.loads(await request.text())
        body = self.server.objects.get((plural, namespace, name))
        if body is None:
            return status(404, "NotFound", f'{plural} "{name}" not found')
        if options["preconditions"]["uid"] != body["metadata"]["uid"]:
            return status(409, "Conflict", "the UID in the precondition does not match the UID in record")
        self.deleted.append((name, options["propagationPolicy"]))
        self._drop(plural, namespace, name)
        return web.json_response(body)

    def _drop(self, plural: str, namespace: str, name: str) -> None:
        body = self.server.objects[plural, namespace, name]
        uid = body["metadata"]["uid"]
        for key, other in list(self.server.objects.items()):
            if any(owner["uid"] == uid for owner in other["metadata"].get("ownerReferences", ())):
                self._drop(*key)
        if name in self.stuck:
            body["metadata"]["deletionTimestamp"] = "2026-11-01T00:00:00Z"
        else:
            del self.server.objects[plural, namespace, name]

    async def _run(self, request: web.Request, pod: dict[str, Any]) -> web.StreamResponse:
        container = pod["spec"]["containers"][0]
        claim = pod["spec"]["volumes"][0]["persistentVolumeClaim"]["claimName"]
        place = self.folder / claim
        place.mkdir(parents=True, exist_ok=True)
        words = [value for name, value in request.query.items() if name == "command"]
        assert words[0] == "python"
        self.commands.append(words[3:])
        words = [str(place) + word[5:] if word.startswith("/data") else word for word in words]
        variables = {each["name"]: each["value"].replace("$$", "$") for each in container["env"]}
        for each in container.get("envFrom", ()):
            secret = self.server.objects["secrets", "lab", each["secretRef"]["name"]]["data"]
            variables |= {name: base64.b64decode(value).decode() for name, value in secret.items()}
        socket = web.WebSocketResponse(protocols=PROTOCOLS)
        await socket.prepare(request)
        content = await _received(socket, int(words[-1]) if "write" in words[3:4] else 0)
        command = [sys.executable, "-I", *words[1:]]
        done = await asyncio.to_thread(
            subprocess.run, command, input=content, capture_output=True, env=os.environ | variables
        )
        cut = self.cuts.pop(0) if self.cuts else -1
        output = done.stdout if cut < 0 else done.stdout[:cut]
        for start in range(0, len(output), 1 << 15):
            await socket.send_bytes(b"\1" + output[start : start + (1 << 15)])
        if cut >= 0:
            request.transport.abort()
            return socket
        await socket.send_bytes(b"\2" + done.stderr)
        causes = [{"reason": "ExitCode", "message": str(done.returncode)}]
        failed = {"status": "Failure", "details": {"causes": causes}, "code": 500}
        await socket.send_bytes(b"\3" + json.dumps(failed if done.returncode else {"status": "Success"}).encode())
        await socket.close()
        return socket


async def _received(socket: web.WebSocketResponse, length: int) -> bytes:
    """So much of the input."""
    content = b""
    while len(content) < length:
        content += (await socket.receive_bytes())[1:]
    return content
