"""Why a Job's pods do not run, in words: what the cluster says about them, explained from the table of messages."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from grace.cluster.access.events import EventNote
from grace.cluster.messages import explain
from grace.lineup.kubernetes_views import ContainerView, JobView, PodView
from grace.text import one_line, shortened


class Trouble(StrEnum):
    """Kinds of causes, each with a limit of its own."""

    UNPLACED = "unplaced"
    IMAGE = "image"
    SETTINGS = "settings"
    QUOTA = "quota"
    REFUSED = "refused"
    CRASHES = "crashes"
    LOST = "lost"
    TAKEN = "taken"
    SUSPENDED = "suspended"


@dataclass(frozen=True)
class Cause:
    """Why something does not run.

    Attributes:
        text: in words, with what to do.
        hopeless: waiting changes nothing.
    """

    trouble: Trouble
    text: str
    hopeless: bool = False


EventsOf = Callable[[str], Sequence[EventNote]]
"""The events of an object by its uid, the newest first."""

_PULLING = ("ErrImagePull", "ImagePullBackOff", "RegistryUnavailable", "ImageInspectError")
_HOPELESS_IMAGE = ("InvalidImageName", "ErrImageNeverPull")
_SETTINGS = ("CreateContainerConfigError", "CreateContainerError", "RunContainerError")
MOST_TEXT = 300


def in_words(text: str, reason: str = "") -> str:
    """What a cluster says, explained: what it means, what it was, and what to do."""
    said = shortened(one_line(text), MOST_TEXT)
    explained = explain(text) or explain(text, reason)  # a reason alone, as FailedCreate, says little
    if not explained:
        return f"{reason}: {said}" if reason and said else said or reason
    message = explained[0].message
    return f"{message.means} ({said or reason}); {message.do}"


def cause_of(job: JobView, pods: Sequence[PodView], events_of: EventsOf) -> Cause | None:
    """Why a Job's pods do not run; None where nothing keeps them from it."""
    if job.suspended:
        return Cause(Trouble.SUSPENDED, "waits until its queue admits it")
    for pod in pods:
        if pod.deleting and not pod.ended:
            return Cause(Trouble.LOST, f"{pod.name} is being deleted on {pod.node or 'no node'}, and has not ended yet")
    for pod in pods:
        if not pod.ended and (cause := _of_containers(pod)):
            return cause
    for pod in pods:
        if pod.phase == "Pending" and not pod.node:
            return Cause(Trouble.UNPLACED, _unplaced(pod, events_of))
    if not job.active and not any(not pod.ended for pod in pods):
        return _refused(job, events_of)
    return None


def _of_containers(pod: PodView) -> Cause | None:
    for each in pod.containers:
        if each.phase == "waiting" and each.reason in (*_PULLING, *_HOPELESS_IMAGE):
            return Cause(Trouble.IMAGE, in_words(each.message, each.reason), each.reason in _HOPELESS_IMAGE)
        if each.phase == "waiting" and each.reason in _SETTINGS:
            return Cause(Trouble.SETTINGS, in_words(each.message, each.reason))
        if each.restarts and not each.started:
            return Cause(Trouble.CRASHES, f"{each.name} of {pod.name} ended {each.restarts} times: {each.last}")
    return None


def _unplaced(pod: PodView, events_of: EventsOf) -> str:
    """Why a pod has no node: the newest event counts, since the first one is usually about claims."""
    for note in events_of(pod.uid):
        if note.reason in ("FailedScheduling", "NotTriggerScaleUp"):
            return in_words(note.message, note.reason)
    return in_words(pod.unplaced, "FailedScheduling") if pod.unplaced else "no node was chosen yet"


def _refused(job: JobView, events_of: EventsOf) -> Cause | None:
    """Why a Job has no pods: where they are refused there is no condition, only an event of the Job."""
    note = next(iter(events_of(job.uid)), None)
    if note is None or note.reason != "FailedCreate":
        return None
    trouble = Trouble.QUOTA if "exceeded quota" in note.message else Trouble.REFUSED
    return Cause(trouble, in_words(note.message.removeprefix("Error creating: "), note.reason))


def taken_away(pod: PodView, notes: Sequence[EventNote]) -> str:
    """Why a pod is gone, or failed without a fault of its own; empty when nobody says."""
    if pod.reason == "Evicted" or pod.disruption in ("TerminationByKubelet", "DeletionByTaintManager"):
        return in_words(pod.message or pod.disruption, pod.reason or pod.disruption)
    note = next((each for each in notes if each.reason in _TAKING), None)
    if note:
        return in_words(note.message, note.reason)
    return in_words("", pod.disruption) if pod.disruption else ""


_TAKING = ("Preempted", "Evicted", "TaintManagerEviction", "NodeNotReady", "Killing", "DeadlineExceeded")


def ending_of(container: ContainerView, log: str) -> str:
    """Why a container ended with an error, in words: its log is explained where its reason alone says too little."""
    if container.reason == "OOMKilled":
        return in_words(f"{container.name} was OOMKilled", "OOMKilled")
    explained = explain(log)
    if explained:
        return in_words("; ".join(explained[0].texts))
    last = [line for line in log.splitlines() if line.strip()][-1:]
    said = f": {shortened(one_line(last[0]), MOST_TEXT)}" if last else ""
    return f"{container.name} ended with exit code {container.code} ({container.reason or 'no reason given'}){said}"
