"""Pods of an API server whose commands run for real, on this machine, in the folders that stand for volumes."""

import asyncio
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
        made, deleted: names of pods.
    """

    server: ApiServer
    folder: Path
    cuts: list[int] = field(default_factory=list)
    pending: int = 1
    commands: list[list[str]] = field(default_factory=list)
    made: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)

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
        if "pods" not in parts:
            return None
        name = parts[6] if len(parts) > 6 else ""
        key = ("pods", parts[4], name)
        if request.method == "POST":
            body = json.loads(await request.text())
            body["metadata"] |= {"uid": f"uid-{len(self.made)}", "resourceVersion": "1"}
            body["status"] = {"phase": "Pending"}
            self.made.append(body["metadata"]["name"])
            self.server.objects["pods", parts[4], self.made[-1]] = body
            return web.json_response(body, status=201)
        pod = self.server.objects.get(key)
        if name and pod is None:
            return status(404, "NotFound", f'pods "{name}" not found')
        if request.path.endswith("/exec"):
            return await self._run(request, pod)
        if request.method == "DELETE":
            options = json.loads(await request.text())
            if options["preconditions"]["uid"] != pod["metadata"]["uid"]:
                return status(409, "Conflict", "the UID in the precondition does not match the UID in record")
            del self.server.objects[key]
            self.deleted.append(name)
            return web.json_response(pod)
        if name:
            self._looks[name] = self._looks.get(name, 0) + 1
            pod["status"]["phase"] = "Running" if self._looks[name] > self.pending else "Pending"
        return None

    async def _run(self, request: web.Request, pod: dict[str, Any]) -> web.StreamResponse:
        container = pod["spec"]["containers"][0]
        claim = pod["spec"]["volumes"][0]["persistentVolumeClaim"]["claimName"]
        place = self.folder / claim
        place.mkdir(parents=True, exist_ok=True)
        words = [value for name, value in request.query.items() if name == "command"]
        assert words[:2] == ["python", "-c"]
        self.commands.append(words[3:])
        words = [str(place) + word[5:] if word.startswith("/data") else word for word in words]
        variables = {each["name"]: each["value"] for each in container["env"]}
        socket = web.WebSocketResponse(protocols=PROTOCOLS)
        await socket.prepare(request)
        content = await _received(socket, int(words[-1]) if words[3] == "write" else 0)
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
