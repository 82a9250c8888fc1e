"""Following a Job until something is decided: with limits, an eye on lost nodes, and logs that come home in time."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from grace.cluster.access.answers import ApiError
from grace.cluster.access.events import EventNote, events_of
from grace.cluster.access.watching import PASSING, watch
from grace.errors import ClusterAway, ClusterError, EndpointError, GraceError, Refused
from grace.lineup.kubernetes_causes import Cause, Trouble, cause_of, ending_of, taken_away
from grace.lineup.kubernetes_objects import LineupNamespace
from grace.lineup.kubernetes_views import ContainerView, JobView, PodView
from grace.progress import Progress
from grace.stages.ending import VisitEnding

T = TypeVar("T")

LOOK_SECONDS = 15.0
"""All is looked at so often, also while nothing seems to change."""
AWAY_SECONDS = 1800.0
"""A cluster that does not answer for so long is away: the runner ends, and what runs there goes on."""
LIMITS: Mapping[Trouble, float] = {
    Trouble.UNPLACED: 24 * 3600.0,  # GPUs may be rare, and a pod that waits costs nothing
    Trouble.SUSPENDED: 24 * 3600.0,
    Trouble.IMAGE: 900.0,
    Trouble.SETTINGS: 300.0,
    Trouble.QUOTA: 3600.0,  # others may delete something
    Trouble.REFUSED: 300.0,  # a webhook may be down for a moment
    Trouble.CRASHES: 900.0,
    Trouble.LOST: 3600.0,  # it is forgotten long before (`LineupNamespace.release_lost`), unless its node is well
}
"""Seconds for which each trouble may last without a break."""
HALF_SECONDS = 1800.0
"""Pods of several nodes are not scheduled as one: those that have GPUs do not wait longer for the others."""
MOST_CRASHES = 4
"""A server that was started again so often without coming up will not come up."""


class JobVanished(ClusterError):
    """A Job is gone, though nobody here deleted it."""


@dataclass(frozen=True)
class JobEnd:
    """How a Job ended.

    Attributes:
        complete: whether it ended well.
        container: the one whose failure ended it; None where none did, or it is gone with its pod.
        ending: what the visit in it left as its last words.
        cause: why it failed, in words; empty where it did not.
    """

    complete: bool
    container: ContainerView | None
    ending: VisitEnding
    cause: str


@dataclass
class Follower:
    """Follows one Job.

    Attributes:
        place: where it is.
        path: its path.
        uid: its uid; another Job of its name is another one.
        labels: of its pods.
        main: the container that does the work.
        title: for messages.
        progress: is told what keeps it from running.
    """

    place: LineupNamespace
    path: str
    uid: str
    labels: Mapping[str, str]
    main: str
    title: str
    progress: Progress
    _since: dict[str, float] = field(default_factory=dict)
    """When each trouble that lasts began."""
    _seen: dict[str, PodView] = field(default_factory=dict)
    """Its pods at the last look, by uid."""
    _ended: dict[str, tuple[PodView, ContainerView, Path]] = field(default_factory=dict)
    """Of each pod, the container that failed: the pod may be gone when the Job has failed."""
    _told: str = ""

    def follow(self, decided: Callable[[JobView, Sequence[PodView]], T | None]) -> T:
        """Wait until something is decided.

        Raises:
            JobVanished: the Job is gone.
            ClusterAway: the cluster does not answer, or no longer takes the login.
            EndpointError, ClusterError, Refused: a limit was reached; the message names it and the cause.
            KeyboardInterrupt: the user has stopped the lineup.
        """
        while True:
            try:
                for _ in watch(
                    self.place.api, self.place.pods, AWAY_SECONDS, labels=_selector(self.labels), beat=LOOK_SECONDS
                ):
                    self.place.go_on()
                    verdict = self._look(decided)
                    if verdict is not None:
                        return verdict
            except ApiError as error:
                raise away(error) from None

    def end(self, job: JobView, pods: Sequence[PodView]) -> JobEnd | None:
        """How the Job ended; None while it has not."""
        if not job.complete and not job.failed:
            return None
        last = max(pods, key=lambda pod: pod.since, default=None)
        main = last.container(self.main) if last else None
        ending = VisitEnding.read(main.message) if main else VisitEnding()
        if job.complete:
            return JobEnd(True, main, ending, "")
        reason, message = job.conditions["Failed"]
        failed = self._ended.get(last.uid) if last else next(reversed(self._ended.values()), None)
        if failed is None:
            return JobEnd(False, None, ending, f"{reason}: {message}")
        pod, container, log = failed
        ending = VisitEnding.read(container.message) if container.name == self.main else VisitEnding()
        told = "; ".join(ending.errors) or taken_away(pod, ()) or ending_of(container, _text(log))
        return JobEnd(False, container, ending, f"{told} ({reason}; log: {log})")

    def _look(self, decided: Callable[[JobView, Sequence[PodView]], T | None]) -> T | None:
        """What is decided by the state of things now; what cannot be seen now is seen at the next look."""
        try:
            body = self.place.api.find(self.path)
            if body is None or body["metadata"]["uid"] != self.uid:
                raise JobVanished(f"{self.title}: its Job is gone, and was not removed by this lineup")
            job, pods = JobView.of(body), self.place.pods_of(self.uid, self.labels)
            self._note_gone(pods)
            self._keep_logs(pods)
            for pod in self.place.release_lost(pods):
                self.progress.note(f"{self.title}: {pod.name} on {pod.node} is lost with its node; another one comes")
            verdict = decided(job, pods)
            if verdict is None:
                self._watch_limits(job, pods)
            return verdict
        except ApiError as error:
            if error.status not in PASSING:
                raise
            return None

    def events(self, uid: str) -> Sequence[EventNote]:
        """The events of an object, the newest first; none where one may not look. Raises ApiError."""
        try:
            return events_of(self.place.api, self.place.namespace, uid)
        except ApiError as error:
            if error.status != 403:
                raise
            return ()

    def _note_gone(self, pods: Sequence[PodView]) -> None:
        """Say why pods are gone that were there: those that were preempted leave nothing but an event."""
        there = {pod.uid: pod for pod in pods}
        for uid, pod in self._seen.items():
            now = there.get(uid)
            if (now is None and not pod.ended) or (now and now.phase == "Failed" and pod.phase != "Failed"):
                why = taken_away(now or pod, self.events(uid))
                if why:
                    self.progress.note(f"{self.title}: {pod.name} is gone: {why}; its Job goes on with another one")
        self._seen = there

    def _keep_logs(self, pods: Sequence[PodView]) -> None:
        files = self.place.keep_logs(pods)
        for pod in pods:
            failed = [each for each in pod.containers if each.phase == "terminated" and each.code]
            # Sidecars are ended with the main container; what they say then is no cause.
            first = next((each for each in failed if each.name == self.main), None) or next(iter(failed), None)
            if first:
                log = next((each for each in files if each.name.endswith(f".{first.name}.log")), Path())
                self._ended[pod.uid] = pod, first, log

    def _watch_limits(self, job: JobView, pods: Sequence[PodView]) -> None:
        """Raise what lasts too long, and tell what keeps the Job from running."""
        cause = cause_of(job, pods, self.events)
        lasting = {cause.trouble.value} if cause else set()
        placed = sum(bool(pod.node) and not pod.ended for pod in pods)
        half = 0 < placed < sum(not pod.ended for pod in pods)
        lasting |= {"half"} if half else set()
        now = self.place.api.clock.now()
        self._since = {name: self._since.get(name, now) for name in lasting}
        if half and now - self._since["half"] > HALF_SECONDS:
            raise ClusterError(
                f"{self.title}: only {placed} of its pods have a node after {HALF_SECONDS / 60:g} minutes, and their "
                f"GPUs are idle: {cause.text if cause else 'the others wait'}"
            )
        if cause:
            self._tell(cause.text)
            lasted = now - self._since[cause.trouble.value]
            crashes = max((each.restarts for pod in pods for each in pod.containers if not each.started), default=0)
            worn = cause.trouble is Trouble.CRASHES and crashes >= MOST_CRASHES
            if cause.hopeless or worn or lasted > LIMITS[cause.trouble]:
                raise self._given_up(cause, pods, lasted)

    def _given_up(self, cause: Cause, pods: Sequence[PodView], lasted: float) -> GraceError:
        kind = {
            Trouble.QUOTA: Refused,
            Trouble.REFUSED: Refused,
            Trouble.CRASHES: EndpointError,
        }.get(cause.trouble, ClusterError)
        why = cause.text
        if cause.trouble is Trouble.CRASHES:
            logs = self.place.keep_logs(pods)
            crashed = next(
                (each for pod in pods for each in pod.containers if each.restarts and not each.started), None
            )
            log = next((each for each in logs if crashed and each.name.endswith(f".{crashed.name}.log")), None)
            why += f": {ending_of(crashed, _text(log))} (log: {log})" if crashed and log else ""
        after = "" if cause.hopeless else f"; given up after {max(1, round(lasted / 60))} minutes"
        return kind(f"{self.title}: {why}{after}")

    def _tell(self, text: str) -> None:
        if text != self._told:
            self._told = text
            self.progress.note(f"{self.title}: {text}")


def away(error: ApiError) -> GraceError:
    """A failed request as the runner needs it: a cluster that is away, or the failure itself."""
    if error.status not in (*PASSING, 401):
        return error
    again = "what runs on the cluster goes on, and the same command adopts it"
    return ClusterAway(f"{error}. {again[0].upper()}{again[1:]}")


def _text(log: Path | None) -> str:
    try:
        return log.read_text(encoding="utf-8") if log else ""
    except OSError:
        return ""


def _selector(labels: Mapping[str, str]) -> str:
    return ",".join(f"{key}={value}" for key, value in labels.items())
