"""Files between this machine and a cluster's volume: through a small pod, each with its digest, and resumed."""

import io
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from grace.cluster.access.commands import execute
from grace.cluster.access.pods import COMPONENT, LINEUP
from grace.cluster.names import object_name
from grace.errors import ClusterError
from grace.files import FileFacts, FileList, sha256_of
from grace.lineup.folder import LIST
from grace.lineup.kubernetes_causes import in_words
from grace.lineup.kubernetes_objects import LineupNamespace
from grace.lineup.kubernetes_views import PodView
from grace.progress import Progress

READER = "reader"
DATA = "/data"
UP_SECONDS = 900.0
"""The longest that the pod may take until it runs: its image is pulled, its volume attached."""
LIFE_SECONDS = 6 * 3600
"""Bare pods may live so long on NRP; it is deleted long before."""
TRIES = 5
"""A connection that is cut costs a file one try; it goes on where it was."""
LIST_SECONDS = 1800.0

_LISTING = """\
import hashlib, json, os, sys
root = sys.argv[1]
for folder, folders, names in os.walk(root):
    folders[:] = sorted(name for name in folders if not name.startswith("."))
    for name in sorted(names):
        path = os.path.join(folder, name)
        if name.startswith(".") or name == "lock" or name.startswith("lock.") or not os.path.isfile(path):
            continue
        with open(path, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        print(json.dumps([os.path.relpath(path, root), os.path.getsize(path), digest]), flush=True)
"""
_READING = """\
import shutil, sys
with open(sys.argv[1], "rb") as file:
    file.seek(int(sys.argv[2]))
    shutil.copyfileobj(file, sys.stdout.buffer, 1 << 18)
"""
_WRITING = """\
import os, sys
path, left = sys.argv[1], int(sys.argv[2])
os.makedirs(os.path.dirname(path), exist_ok=True)
with open(path + ".part", "wb") as file:
    while left and (piece := sys.stdin.buffer.read(min(left, 1 << 18))):
        left -= file.write(piece)
os.replace(path + ".part", path)
"""


def fetch(connection: LineupNamespace, claim: str, path: str, folder: Path, progress: Progress) -> FileList:
    """Bring the files of a folder on a volume home.

    A file is final only when its digest is that which was made beside the data; one that is here already is not
    fetched again, and one whose connection was cut goes on where it was. Locks and hidden files stay there.

    Args:
        connection: the namespace.
        claim: of the volume.
        path: of the folder on it.
        folder: where the files go.
        progress: is told how many files there are, and have come.

    Returns:
        The files, also as the folder's list.

    Raises:
        ClusterError: the pod does not come up, or a file does not arrive as it is there.
    """
    with _reader(connection, claim) as pod:
        listed = _listed(connection, pod, f"{DATA}/{path}")
        progress.begin(len(listed), 0, "files")
        for name, facts in listed.items():
            _fetch_file(connection, pod, f"{DATA}/{path}/{name}", folder / name, facts)
            progress.advance(failed=False)
    files = FileList(folder, listed)
    files.write(folder / LIST)
    return files


def put(connection: LineupNamespace, claim: str, tables: Sequence[Path], progress: Progress) -> None:
    """Bring tables to the root of a volume. Those that are there as they are here are not sent again.

    Raises:
        ClusterError: the pod does not come up, or a file is not there as it is here.
    """
    with _reader(connection, claim) as pod:
        there = _listed(connection, pod, DATA)
        for table in tables:
            facts = FileFacts.of(table)
            if there.get(table.name) == facts:
                continue
            progress.note(f"{table.name}: to the volume {claim}")
            command = ["python3", "-c", _WRITING, f"{DATA}/{table.name}", str(facts.bytes)]
            with open(table, "rb") as file:
                _done(execute(connection.api, connection.namespace, pod, command, stdin=file), table.name)
        there = _listed(connection, pod, DATA)
        other = [table.name for table in tables if there.get(table.name) != FileFacts.of(table)]
    if other:
        raise ClusterError(f"{claim}: {', '.join(other)} did not arrive as it is here; try again")


def _listed(connection: LineupNamespace, pod: str, path: str) -> dict[str, FileFacts]:
    """Files with digest and size, by their path in a folder. The volume's names are those of strangers."""
    out = io.BytesIO()
    command = ["python3", "-c", _LISTING, path]
    end = execute(
        connection.api, connection.namespace, pod, command, stdout=out.write, idle_seconds=LIST_SECONDS, seconds=86400
    )
    _done(end, path)
    facts = {}
    for line in out.getvalue().splitlines():
        name, size, digest = json.loads(line)
        place = PurePosixPath(name)
        if place.is_absolute() or ".." in place.parts:
            raise ClusterError(f"{path}: holds a file of the name {name!r}, which leads out of its folder")
        facts[name] = FileFacts(str(digest), int(size))
    return facts


def _fetch_file(connection: LineupNamespace, pod: str, source: str, path: Path, facts: FileFacts) -> None:
    if path.is_file() and path.stat().st_size == facts.bytes and sha256_of(path) == facts.sha256:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    fault = "its digest differs"
    for _ in range(TRIES):
        have = part.stat().st_size if part.exists() else 0
        try:
            with open(part, "ab") as file:
                command = ["python3", "-c", _READING, source, str(have)]
                _done(execute(connection.api, connection.namespace, pod, command, stdout=file.write), source)
        except ClusterError as error:
            fault = str(error)
            continue
        if sha256_of(part) == facts.sha256:
            part.replace(path)
            return
        part.unlink()
    raise ClusterError(f"{path}: did not arrive as it is on the volume, in {TRIES} tries: {fault}")


def _done(end: Any, what: str) -> None:
    if end.code:
        raise ClusterError(f"{what}: the command in the pod ended with {end.code}: {end.errors[-300:].strip()}")


@contextmanager
def _reader(connection: LineupNamespace, claim: str) -> Iterator[str]:
    """A pod with the volume at DATA; its name. It is gone when the block ends."""
    body = _pod(connection, claim)
    path = connection.path(body)
    connection.put(body)
    try:
        yield _up(connection, path)
    finally:
        there = connection.api.find(path)
        if there:
            connection.api.delete(path, there["metadata"]["uid"], grace_seconds=1)
            connection.await_gone(path, there)


def _up(connection: LineupNamespace, path: str) -> str:
    ends = connection.api.clock.now() + UP_SECONDS
    while True:
        pod = PodView.of(connection.api.get(path))
        if pod.phase == "Running":
            return pod.name
        why = next((in_words(each.message, each.reason) for each in pod.containers if each.reason), pod.unplaced)
        if pod.ended or connection.api.clock.now() > ends:
            raise ClusterError(f"{pod.name}: does not run after {UP_SECONDS:g} s ({pod.phase}): {why or pod.message}")
        connection.pause()


def _pod(connection: LineupNamespace, claim: str) -> dict[str, Any]:
    amounts = {"cpu": "1", "memory": "1900Mi", "ephemeral-storage": "1Gi"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": object_name(claim, READER),
            "namespace": connection.namespace,
            "labels": {
                "app.kubernetes.io/name": "grace",
                "app.kubernetes.io/managed-by": "grace",
                COMPONENT: READER,
                LINEUP: connection.lineup,
            },
        },
        "spec": {
            "restartPolicy": "Never",
            "activeDeadlineSeconds": LIFE_SECONDS,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": 1,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 2000,
                "runAsGroup": 2000,
                "fsGroup": 2000,
                "fsGroupChangePolicy": "OnRootMismatch",
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": READER,
                    "image": connection.image,
                    "command": ["python3", "-c", f"import time; time.sleep({LIFE_SECONDS})"],
                    "resources": {"requests": amounts, "limits": amounts},
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "readOnlyRootFilesystem": True,
                        "capabilities": {"drop": ["ALL"]},
                    },
                    "volumeMounts": [{"name": "data", "mountPath": DATA}],
                }
            ],
            "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": claim}}],
        },
    }
