"""A folder on a volume of a cluster as a remote: commands in a short-lived pod list, read and write its files."""

import json
import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import IO, Any, Self

from grace.cluster.access.answers import ApiError
from grace.cluster.access.commands import execute
from grace.cluster.access.connection import Api
from grace.cluster.access.paths import path_of
from grace.cluster.names import object_name
from grace.errors import ClusterError, Refused
from grace.files import FileList
from grace.lineup.home.beside import GONE
from grace.lineup.home.fetch import FileChanged, fetch
from grace.lineup.home.listing import (
    MOST_BYTES,
    HostileListing,
    RemoteAway,
    RemoteFile,
    Take,
    WritableRemote,
    parsed_file,
    parsed_listing,
)
from grace.progress import Progress
from grace.text import one_line, shortened

START_SECONDS = 900.0
"""The longest that the pod may take until it runs: its image is pulled, its volume attached."""
END_SECONDS = 120.0
"""The longest that it may take until it is gone."""
LOOK_SECONDS = 2.0
IDLE_SECONDS = 60.0
READING_SECONDS = 3600.0
"""The longest that one run of pieces may take."""
LISTING_SECONDS = 3 * 3600.0
"""The longest that digests of all files may take; those of 100 GB take minutes, and on a slow volume an hour."""
_NOT_RUNNING = 400
"""A command that is refused so: its container does not run, or no longer."""


@dataclass(frozen=True)
class Volume:
    """A volume of a lineup.

    Attributes:
        api: the connection.
        namespace: where it is.
        lineup: whose it is.
        claim: of the volume.
        image: one with Python, for the pod.
        model: whose data is brought home, as labels name models; empty where it is no model's.
        secret: the Secret with the keys of a bucket; empty for none.
        pause: lets seconds pass, and may raise KeyboardInterrupt; None: the connection's clock.
    """

    api: Api = field(repr=False)
    namespace: str
    lineup: str
    claim: str
    image: str
    model: str = ""
    secret: str = ""
    pause: Callable[[float], object] | None = field(default=None, repr=False)

    def wait(self) -> None:
        """Let a moment pass before the cluster is looked at again."""
        (self.pause or self.api.clock.sleep)(LOOK_SECONDS)


def fetch_volume(volume: Volume, path: str, folder: Path, progress: Progress) -> FileList:
    """Bring the files of a folder on a volume home. Raises as `fetch`, and ClusterError when no pod comes up."""
    with VolumeRemote(volume, path) as remote:
        return fetch(remote, folder, progress)


class VolumeRemote(WritableRemote):
    """A folder on a volume. The pod is made when it is first needed, and again when it was taken away.

    `with` deletes it, and waits until it is gone. A program that was killed leaves it to its deadline, and to whatever
    removes the lineup's objects.
    """

    def __init__(self, volume: Volume, path: str = "", *, writing: bool = False) -> None:
        self.volume, self._writing = volume, writing
        self.title = f"{volume.claim}/{path}" if path else volume.claim
        self._path = path
        self._pod: dict[str, Any] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *exc: object) -> None:
        with suppress(*((ClusterError,) if kind else ())):  # what went wrong before says more
            self.close()

    def listing(self) -> tuple[RemoteFile, ...]:
        """The files, with digests made in the pod."""
        text = _Bounded(self.title)
        self._run(["list", self._folder], stdout=text.take, seconds=LISTING_SECONDS)
        return parsed_listing(self.title, bytes(text.content).splitlines())

    def read(self, file: RemoteFile, start: int, length: int, take: Take) -> None:
        """Read bytes of a file by a command in the pod."""
        self._run(["read", self._folder, file.name, str(start), str(length)], stdout=take)

    def unfinished(self, name: str) -> RemoteFile:
        """What an earlier try has left."""
        text = _Bounded(self.title)
        self._run(["unfinished", self._folder, name], stdout=text.take, seconds=LISTING_SECONDS)
        return parsed_file(self.title, json.loads(text.content))

    def write(self, name: str, start: int, length: int, source: IO[bytes]) -> None:
        """Send bytes to a command in the pod."""
        self._run(["write", self._folder, name, str(start), str(length)], stdin=source)

    def finish(self, file: RemoteFile) -> None:
        """Compare digests in the pod."""
        self._run(["finish", self._folder, file.name, str(file.bytes), file.sha256], seconds=LISTING_SECONDS)

    def upload(self, url: str, options: Sequence[str]) -> None:
        """Have Grace in the pod bring the folder to a bucket. Raises as `listing`."""
        self._execute(["python", "-m", "grace", "lineup", "upload", self._folder, url, *options], LISTING_SECONDS)

    def close(self) -> None:
        """Delete the pod, and wait until it is gone. Raises ClusterError after END_SECONDS."""
        pod, self._pod = self._pod, None
        if pod is None:
            return
        api, path, uid = self.volume.api, self._place(pod), str(pod["metadata"]["uid"])
        ends = api.clock.now() + END_SECONDS
        api.delete(path, uid)
        while (there := api.find(path)) and there["metadata"]["uid"] == uid:
            if api.clock.now() > ends:
                raise ClusterError(
                    f"Pod/{pod['metadata']['name']} in {self.volume.namespace}: is being deleted, and was not gone "
                    f"after {END_SECONDS:g} s; is its node up?"
                )
            self.volume.wait()

    @property
    def _folder(self) -> str:
        from grace.cluster.manifests.volume_pod import DATA

        return f"{DATA}/{self._path}" if self._path else DATA

    def _run(
        self,
        words: Sequence[str],
        *,
        stdin: IO[bytes] | None = None,
        stdout: Take | None = None,
        seconds: float = READING_SECONDS,
    ) -> None:
        """Run the program beside the data. Raises FileChanged, ClusterError."""
        from grace.cluster.manifests.volume_pod import RUN

        self._execute(["python", "-c", RUN, *words], seconds, stdin, stdout)

    def _execute(
        self, words: Sequence[str], seconds: float, stdin: IO[bytes] | None = None, stdout: Take | None = None
    ) -> None:
        volume, pod = self.volume, self._running()
        idle = IDLE_SECONDS if seconds == READING_SECONDS else seconds  # what makes digests says nothing for long
        try:
            end = execute(
                volume.api,
                volume.namespace,
                pod,
                words,
                stdin=stdin,
                stdout=stdout,
                idle_seconds=idle,
                seconds=seconds,
            )
        except ApiError as error:
            if isinstance(error, Refused) and error.status == _NOT_RUNNING:
                raise ClusterError(f"{pod}: does not run any more ({error.detail})") from None
            raise
        if end.code == GONE:
            raise FileChanged(f"{self.title}: {words[-3]}: is not there any more")
        if end.code:
            said = shortened(one_line(end.errors[-500:]), 300)
            raise ClusterError(f"{self.title}: `{words[3]}` ended with {end.code} in {pod}: {said}")

    def _running(self) -> str:
        """The name of the pod, when it runs. Raises RemoteAway after START_SECONDS."""
        api = self.volume.api
        ends = api.clock.now() + START_SECONDS
        while True:
            pod = api.find(self._place(self._pod)) if self._pod else None
            phase = str((pod or {}).get("status", {}).get("phase", ""))
            if pod is None or phase in ("Succeeded", "Failed") or pod["metadata"].get("deletionTimestamp"):
                self._remake(pod)
                continue
            if phase == "Running":
                return str(pod["metadata"]["name"])
            if api.clock.now() > ends:
                raise RemoteAway(
                    f"Pod/{pod['metadata']['name']} in {self.volume.namespace}: does not run after "
                    f"{START_SECONDS:g} s: {_waits_for(pod)}"
                )
            self.volume.wait()

    def _remake(self, ended: dict[str, Any] | None) -> None:
        """Make the pod, after one that is of no use any more."""
        from grace.cluster.manifests.volume_pod import TRANSFER, volume_pod

        volume = self.volume
        if ended:
            self.close()
        code = resources.files("grace.lineup.home").joinpath("beside.py").read_text(encoding="utf-8")
        body = volume_pod(
            object_name(volume.claim, TRANSFER, secrets.token_hex(3)),
            namespace=volume.namespace,
            lineup=volume.lineup,
            claim=volume.claim,
            image=volume.image,
            code=code,
            read_only=not self._writing,
            model=volume.model,
            secret=volume.secret,
        )
        self._pod = volume.api.create(path_of("api", "v1", "namespaces", volume.namespace, "pods"), body).body

    def _place(self, pod: dict[str, Any]) -> str:
        return path_of("api", "v1", "namespaces", self.volume.namespace, "pods", str(pod["metadata"]["name"]))


class _Bounded:
    """Text of a stranger, up to a limit."""

    def __init__(self, title: str) -> None:
        self._title, self.content = title, bytearray()

    def take(self, content: bytes) -> None:
        self.content += content
        if len(self.content) > MOST_BYTES:
            raise HostileListing(self._title, f"its listing is longer than {MOST_BYTES} bytes")


def _waits_for(pod: dict[str, Any]) -> str:
    """What a cluster says of a pod that does not run yet."""
    status = pod.get("status") or {}
    states = [each.get("state", {}).get("waiting") or {} for each in status.get("containerStatuses") or []]
    conditions = [each for each in status.get("conditions") or [] if each.get("status") == "False"]
    said = [f"{each.get('reason', '')} {each.get('message', '')}".strip() for each in [*states, *conditions]]
    return shortened(one_line("; ".join(text for text in said if text)), 300) or "the cluster says nothing of it"
