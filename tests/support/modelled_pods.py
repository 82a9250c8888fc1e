"""The nodes of a modelled cluster: what containers do, by a script or for real, their logs, and commands in them."""

import asyncio
import base64
import json
import os
import re
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import WSMsgType, web

from api_server import status
from forge import Forked, shared_forge

MAIN = "grace"
VLLM = "http://127.0.0.1:8000"
QUICK = {"grace.lock.LEASE_SECONDS": 1.0, "grace.lock.RENEW_SECONDS": 0.2}
"""How long the lock of a pod that is gone holds."""


@dataclass(frozen=True)
class Play:
    """What the next pod of a component does.

    Attributes:
        works: its main container really runs `grace`.
        code: otherwise, the exit code of `container` after some seconds.
        container: the one that ends so; empty for the main one.
        log: what it says.
        restarts: the sidecar ends again and again instead, with this log.
    """

    works: bool = False
    code: int = 0
    seconds: float = 5.0
    container: str = ""
    reason: str = "Error"
    log: str = ""
    restarts: bool = False


@dataclass
class Running:
    """A pod whose main container does real work."""

    key: Any
    process: Forked
    log: Path
    ending: Path
    folder: Path


class Pods:
    """What pods do on a modelled cluster.

    Attributes:
        models: the address of each model's server, by its served name.
        load_seconds: how long a server takes to load.
        plays: of each component, what its next pods do; the usual: asking is done for real, all else succeeds.
        missing_images: images that cannot be pulled.
        started: component and model of each pod that was started.
        exec_cuts: so many of the next pieces that commands say are the last ones of their connection.
    """

    def prepare_pods(self) -> None:
        """Set up: no servers, no plays, nothing at work."""
        self.models: dict[str, str] = {}
        self.load_seconds = 60.0
        self.plays: dict[str, list[Play]] = {}
        self.missing_images: set[str] = set()
        self.work: dict[str, Running] = {}
        self.logs: dict[tuple[str, str], str] = {}
        self.started: list[str] = []
        self.exec_cuts = 0
        self._grace: dict[str, float] = {}

    def working(self) -> bool:
        """Whether a pod does real work now."""
        return any(running.process.poll() is None for running in self.work.values())

    def attend(self) -> None:
        """Take note of work that has ended."""
        for uid, running in list(self.work.items()):
            code = running.process.poll()
            if code is None:
                if self.now > self._grace.get(uid, float("inf")):
                    running.process.kill()
                continue
            del self.work[uid]
            pod = self.objects.get(running.key)
            self.logs[uid, MAIN] = running.log.read_text(errors="replace")
            if pod is None or pod["metadata"]["uid"] != uid or pod["spec"]["nodeName"] in self.down:
                continue
            if pod["metadata"].get("deletionTimestamp"):
                self._forget(running.key)
                continue
            words = running.ending.read_text() if running.ending.exists() else ""
            code = 128 - code if code < 0 else code
            self._end_container(running.key, MAIN, code, "Completed" if code == 0 else "Error", words)

    # Starting

    def start_pod(self, key: Any, uid: str) -> None:
        """The node takes a pod on: images, init containers, sidecars, the main container."""
        pod = self.objects.get(key)
        if pod is None or pod["metadata"]["uid"] != uid or pod["metadata"].get("deletionTimestamp"):
            return
        missing = [each for each in _containers(pod) if each["image"] in self.missing_images]
        if missing:
            self._no_image(key, pod, missing[0], uid)
            return
        component = (pod["metadata"].get("labels") or {}).get("app.kubernetes.io/component", "")
        queue = self.plays.get(component)
        play = queue.pop(0) if queue else Play(works=component == "visit")
        self.started.append(f"{component} {(pod['metadata'].get('labels') or {}).get('grace/model', '')}".strip())
        names = [each["name"] for each in pod["spec"].get("initContainers") or []]
        sidecars = [each["name"] for each in pod["spec"].get("initContainers") or [] if each.get("restartPolicy")]
        plain = [_status(name, terminated=_ended(0)) for name in names if name not in sidecars]
        if play.container in names and play.container not in sidecars:
            self.logs[uid, play.container] = play.log
            plain = [_status(play.container, terminated=_ended(play.code, play.reason))]
            self._set(key, "Failed", initContainerStatuses=plain)
            return
        beside = [_status(name, running={}, started=False) for name in sidecars]
        waiting = [_status(each["name"], waiting={"reason": "PodInitializing"}) for each in pod["spec"]["containers"]]
        self._set(key, "Running", initContainerStatuses=plain + beside, containerStatuses=waiting)
        if play.restarts:
            self._crash(key, uid, sidecars[0], play, 1)
            return
        self.at(self.load_seconds if sidecars else 1.0, lambda: self._main(key, uid, play))

    def _no_image(self, key: Any, pod: dict[str, Any], container: dict[str, Any], uid: str) -> None:
        text = f'Failed to pull image "{container["image"]}": not found'
        self.note(pod, "Failed", text)
        waiting = {"reason": "ImagePullBackOff", "message": f'Back-off pulling image "{container["image"]}": {text}'}
        self._set(key, "Pending", containerStatuses=[_status(container["name"], waiting=waiting)])
        self.at(30.0, lambda: self.start_pod(key, uid))

    def _crash(self, key: Any, uid: str, name: str, play: Play, times: int) -> None:
        pod = self.objects.get(key)
        if pod is None or pod["metadata"]["uid"] != uid or pod["metadata"].get("deletionTimestamp"):
            return
        self.logs[uid, name] = play.log
        crashed = _status(name, waiting={"reason": "CrashLoopBackOff", "message": "back-off restarting"})
        crashed |= {"restartCount": times, "lastState": {"terminated": _ended(play.code, play.reason)}}
        self._set(key, "Pending", initContainerStatuses=[crashed])
        self.at(20.0, lambda: self._crash(key, uid, name, play, times + 1))

    def _main(self, key: Any, uid: str, play: Play) -> None:
        pod = self.objects.get(key)
        if pod is None or pod["metadata"]["uid"] != uid or pod["metadata"].get("deletionTimestamp"):
            return
        inits = [
            each | ({"started": True} if "running" in each["state"] else {})
            for each in pod["status"].get("initContainerStatuses", [])
        ]
        running = [_status(each["name"], running={}, started=True) for each in pod["spec"]["containers"]]
        self._set(key, "Running", initContainerStatuses=inits, containerStatuses=running)
        if pod["metadata"].get("ownerReferences") is None and not play.code:
            return  # a bare pod lives until it is deleted
        if play.works:
            self._work(key, uid, pod)
            return
        name = play.container or pod["spec"]["containers"][0]["name"]
        self.logs[uid, name] = play.log
        reason = "Completed" if play.code == 0 else play.reason
        self.at(play.seconds, lambda: self._end_container(key, name, play.code, reason, "", uid))

    def _work(self, key: Any, uid: str, pod: dict[str, Any]) -> None:
        (container,) = pod["spec"]["containers"]
        folder = self.folder / "pods" / uid
        folder.mkdir(parents=True)
        places = self.mounted(key[1], pod, container)
        model = next(word.partition("=")[2] for word in container["args"] if word.startswith("--model-name="))
        words = [placed(word, places).replace(VLLM, self.models[model]) for word in container["args"]]
        ending, log = folder / "ending", folder / "log"
        own = os.environ | {"GRACE_POD": key[2], "GRACE_ENDING": str(ending)}
        process = shared_forge().start(*words, folder=folder, environment=own, settings=QUICK, log=log)
        self.work[uid] = Running(key, process, log, ending, folder)

    def mounted(self, namespace: str, pod: dict[str, Any], container: dict[str, Any]) -> dict[str, Path]:
        """The folders that stand for what a container mounts, by where it mounts them."""
        places: dict[str, Path] = {}
        volumes = {each["name"]: each for each in pod["spec"].get("volumes") or []}
        for each in container.get("volumeMounts") or []:
            volume = volumes[each["name"]]
            if claim := volume.get("persistentVolumeClaim"):
                path = self.volume(claim["claimName"])
            else:
                path = self.folder / "pods" / pod["metadata"]["uid"] / each["name"]
            path.mkdir(parents=True, exist_ok=True)
            places[each["mountPath"]] = path
        for each in container.get("volumeMounts") or []:
            if config := volumes[each["name"]].get("configMap"):
                data = self.objects["configmaps", namespace, config["name"]].get("data") or {}
                for name, text in data.items():
                    (places[each["mountPath"]] / name).write_text(placed(text, places))
        return places

    def volume(self, claim: str) -> Path:
        """The folder that stands for a volume."""
        return self.folder / "volumes" / claim

    # Ending

    def _end_container(self, key: Any, name: str, code: int, reason: str, words: str, uid: str = "") -> None:
        pod = self.objects.get(key)
        if pod is None or (uid and pod["metadata"]["uid"] != uid) or pod["metadata"].get("deletionTimestamp"):
            return
        if pod["spec"].get("nodeName") in self.down:
            return
        ended = [_status(name, terminated={**_ended(code, reason), **({"message": words} if words else {})})]
        inits = [
            _status(each["name"], terminated=_ended(137)) if "running" in each["state"] else each
            for each in pod["status"].get("initContainerStatuses", [])
        ]
        self._set(key, "Failed" if code else "Succeeded", initContainerStatuses=inits, containerStatuses=ended)

    def end_pod(self, key: Any, phase: str, **more: str) -> None:
        """End all of a pod at once."""
        self._halt(self.objects[key]["metadata"]["uid"], signal.SIGKILL)
        self._set(key, phase, **more)

    def delete_pod(self, key: Any, grace: int | None = None) -> None:
        """Delete a pod: its containers get some time to end, and on a lost node nothing happens."""
        pod = self.objects.get(key)
        if pod is None:
            return
        uid, node = pod["metadata"]["uid"], pod["spec"].get("nodeName")
        done = pod["status"].get("phase") in ("Succeeded", "Failed") or not node
        if grace == 0 or done:
            self._halt(uid, signal.SIGKILL)
            self._forget(key)
            return
        first = not pod["metadata"].get("deletionTimestamp")
        if first:
            stamp = self.stamp()
            self.save(key, {**pod, "metadata": {**pod["metadata"], "deletionTimestamp": stamp}})
        if node in self.down:
            return
        allowed = float(pod["spec"].get("terminationGracePeriodSeconds", 30) if grace is None else grace)
        if uid in self.work and self.work[uid].process.poll() is None:
            if first or uid not in self._grace:
                self.work[uid].process.terminate()
                self._grace[uid] = self.now + allowed
        elif uid not in self.work and uid not in self._grace:
            self._grace[uid] = self.now + 2.0
            self.at(min(2.0, allowed), lambda: self._forget_if(key, uid))

    def _forget_if(self, key: Any, uid: str) -> None:
        pod = self.objects.get(key)
        if pod and pod["metadata"]["uid"] == uid and pod["spec"].get("nodeName") not in self.down:
            self._forget(key)
        elif pod and pod["metadata"]["uid"] == uid:
            self._grace.pop(uid, None)

    def _forget(self, key: Any) -> None:
        pod = self.objects[key]
        self.drop(key)
        self.pod_gone(pod)

    def _halt(self, uid: str, how: int) -> None:
        running = self.work.pop(uid, None)
        if running and running.process.poll() is None:
            running.process.send_signal(how)
            running.process.wait()

    def end_all_work(self) -> None:
        """Kill what still runs, at the end of a test."""
        for uid in list(self.work):
            self._halt(uid, signal.SIGKILL)

    def _set(self, key: Any, phase: str, **fields: Any) -> None:
        pod = self.objects[key]
        new = {**pod["status"], "phase": phase, "startTime": pod["status"].get("startTime") or self.stamp(), **fields}
        self.save(key, {**pod, "status": new})

    # Logs and commands

    def show_log(self, request: web.Request, key: Any) -> web.Response:
        """The log of a container."""
        pod = self.objects.get(key)
        if pod is None:
            return status(404, "NotFound", f'pods "{key[2]}" not found')
        uid = pod["metadata"]["uid"]
        name = request.query.get("container") or pod["spec"]["containers"][0]["name"]
        text = self.logs.get((uid, name), "")
        if uid in self.work and name == MAIN:
            text = self.work[uid].log.read_text(errors="replace")
        lines = text.splitlines(keepends=True)[-int(request.query.get("tailLines", 1000)) :]
        return web.Response(text="".join(lines))

    async def run_command(self, request: web.Request, key: Any) -> web.StreamResponse:
        """A command in a container, for real, in the folders of its volumes."""
        pod = self.objects.get(key)
        if pod is None:
            return status(404, "NotFound", f'pods "{key[2]}" not found')
        if pod["status"].get("phase") != "Running":
            return status(400, "BadRequest", f"pod {key[2]} does not have a host assigned")
        socket = web.WebSocketResponse(protocols=("v5.channel.k8s.io",))
        await socket.prepare(request)
        places = self.mounted(key[1], pod, pod["spec"]["containers"][0])
        words = [placed(word, places) for name, word in request.query.items() if name == "command"]
        words[0] = sys.executable if words[0].startswith("python") else words[0]
        given = pod["spec"]["containers"][0].get("env") or []
        env = os.environ | {each["name"]: each["value"].replace("$$", "$") for each in given if "value" in each}
        for each in pod["spec"]["containers"][0].get("envFrom") or []:
            secret = self.objects["secrets", key[1], each["secretRef"]["name"]]["data"]
            env |= {name: base64.b64decode(value).decode() for name, value in secret.items()}
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(*words, stdin=pipe, stdout=pipe, stderr=pipe, env=env)

        async def send(stream: Any, channel: int) -> None:
            while piece := await stream.read(1 << 15):
                await socket.send_bytes(bytes((channel,)) + piece)
                if channel == 1 and self.exec_cuts:
                    self.exec_cuts -= 1
                    process.kill()
                    request.transport.abort()

        async def take() -> None:
            async for message in socket:
                if message.type is not WSMsgType.BINARY or message.data[:1] == b"\xff":
                    break
                process.stdin.write(message.data[1:])
                await process.stdin.drain()
            process.stdin.close()

        reading = asyncio.create_task(take())
        try:
            await asyncio.gather(send(process.stdout, 1), send(process.stderr, 2))
            code = await process.wait()
            content: dict[str, Any] = {"status": "Success"}
            if code:
                causes = [{"reason": "ExitCode", "message": str(code)}]
                content = {"status": "Failure", "reason": "NonZeroExitCode", "details": {"causes": causes}}
            await socket.send_bytes(b"\3" + json.dumps(content).encode())
        except ConnectionError:
            pass
        reading.cancel()
        await socket.close()
        return socket


def placed(text: str, places: dict[str, Path]) -> str:
    """A text whose paths of a container are those of this machine."""
    mounts = "|".join(re.escape(mount) for mount in sorted(places, key=len, reverse=True))
    pattern = rf"(?<![\w/.-])({mounts})(?=/|$|[\s\"'])"
    return re.sub(pattern, lambda found: str(places[found[1]]), text, flags=re.MULTILINE)


def _containers(pod: dict[str, Any]) -> list[dict[str, Any]]:
    return [*(pod["spec"].get("initContainers") or []), *pod["spec"]["containers"]]


def _status(name: str, started: bool | None = None, **state: Any) -> dict[str, Any]:
    known = {} if started is None else {"started": started, "ready": started}
    return {"name": name, "state": state, "restartCount": 0, **known}


def _ended(code: int, reason: str = "") -> dict[str, Any]:
    return {"exitCode": code, "reason": reason or ("Error" if code else "Completed")}
