"""Events: what the cluster notes about an object. They outlive it, and another object of its name has its own."""

from dataclasses import dataclass
from typing import Any

from grace.cluster.access.connection import Api
from grace.cluster.access.paths import path_of


@dataclass(frozen=True)
class EventNote:
    """An event.

    Attributes:
        reason: one word, such as FailedScheduling.
        message: what happened.
        time: when it happened last, as the cluster writes it.
        warning: whether the cluster takes it for a fault.
        about: kind and name of the object.
        uid: that of the object.
        count: how often it happened.
    """

    reason: str
    message: str
    time: str
    warning: bool
    about: str
    uid: str
    count: int


def events_of(api: Api, namespace: str, uid: str) -> list[EventNote]:
    """The events of one object, by its uid, the newest first. Raises ApiError."""
    path = path_of("api", "v1", "namespaces", namespace, "events")
    notes = [_note(body) for body in api.items(path, fieldSelector=f"involvedObject.uid={uid}")]
    return sorted((note for note in notes if note.uid == uid), key=lambda note: note.time, reverse=True)


def _note(body: dict[str, Any]) -> EventNote:
    involved, metadata, series = (body.get(part) or {} for part in ("involvedObject", "metadata", "series"))
    times = (series.get("lastObservedTime"), body.get("lastTimestamp"), body.get("eventTime"))
    return EventNote(
        str(body.get("reason") or ""),
        str(body.get("message") or ""),
        str(next((time for time in times if time), None) or metadata.get("creationTimestamp") or ""),
        body.get("type") == "Warning",
        f"{involved.get('kind', '')}/{involved.get('name', '')}",
        str(involved.get("uid") or ""),
        int(series.get("count") or body.get("count") or 1),
    )
