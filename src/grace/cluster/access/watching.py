"""Watching: the changes of objects as they come, through cut connections, expired logins and forgotten places."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from grace.cluster.access.answers import ApiError
from grace.cluster.access.connection import Api

BEAT_SECONDS = 240.0
"""How long the cluster is asked to send changes before the next request: proxies cut long ones."""
LIST_SECONDS = 300.0
"""All is listed again so often: a watch from a place that is yet to come stays silent, without any error."""
PAUSE_SECONDS = 2.0
"""Between a fault and the next try."""

_GONE = 410
_NO_WATCH = (403, 405)
"""One may look, but not watch: all is listed at each beat instead."""
PASSING = (0, 429, 500, 502, 503, 504)
"""Statuses of faults that pass."""


@dataclass(frozen=True)
class Change:
    """A change of an object; one that is there when the watch begins is added."""

    kind: Literal["ADDED", "MODIFIED", "DELETED"]
    body: dict[str, Any] = field(repr=False)


def watch(
    api: Api, path: str, seconds: float, *, labels: str = "", beat: float = BEAT_SECONDS
) -> Iterator[Change | None]:
    """The objects that are there, then their changes as they come, and None now and then. It ends after some seconds.

    Nothing is missed: what went and came while a connection was cut, or the cluster forgot its changes (410, which it
    sends as an event of a successful answer), is found by listing all again.

    Args:
        api: the connection.
        path: of a list, as `Resource.path` gives it.
        seconds: the limit.
        labels: a selector.
        beat: so many seconds after the last None comes the next one, for a caller who looks at other things too.

    Raises:
        ApiError: the list is refused, or could not be had until the limit.
    """
    ends = api.clock.now() + seconds
    query = {"labelSelector": labels} if labels else {}
    seen: dict[str, dict[str, Any]] = {}
    while (left := ends - api.clock.now()) > 0:
        try:
            listed, version = listing(api, path, labels=labels)
        except ApiError as error:
            if error.status not in PASSING or left <= PAUSE_SECONDS:
                raise
            api.clock.sleep(PAUSE_SECONDS)
            continue
        now = {_uid(body): body for body in listed}
        yield from _differences(seen, now)
        seen = now
        until = min(ends, api.clock.now() + LIST_SECONDS)
        yield from _followed(api, path, query, version, until, beat, seen)


def listing(api: Api, path: str, *, labels: str = "") -> tuple[list[dict[str, Any]], str]:
    """All objects of a list, and the place in the cluster's history at which they were so. Raises ApiError."""
    query = {"labelSelector": labels} if labels else {}
    for last in (False, True):
        bodies: list[dict[str, Any]] = []
        token = ""
        try:
            while True:
                page = api.get(path, limit="500", **query, **({"continue": token} if token else {}))
                metadata = page.get("metadata") or {}
                bodies += [item for item in page.get("items") or [] if isinstance(item, dict)]
                token = metadata.get("continue") or ""
                if not token:
                    return bodies, str(metadata.get("resourceVersion") or "")
        except ApiError as error:
            if error.status != _GONE or last:  # the pages of the list were too far apart
                raise
    raise AssertionError("the last try returns or raises")


def _differences(before: Mapping[str, dict[str, Any]], now: Mapping[str, dict[str, Any]]) -> Iterator[Change]:
    for uid, body in before.items():
        if uid not in now:
            yield Change("DELETED", body)
    for uid, body in now.items():
        if uid not in before:
            yield Change("ADDED", body)
        elif _version(body) != _version(before[uid]):
            yield Change("MODIFIED", body)


def _followed(
    api: Api,
    path: str,
    query: Mapping[str, str],
    version: str,
    until: float,
    beat: float,
    seen: dict[str, dict[str, Any]],
) -> Iterator[Change | None]:
    """Changes after a place, until a time or until the cluster no longer knows the place."""
    while version and (left := until - api.clock.now()) > 0:
        once = max(1, int(min(left, beat)))
        asked = {**query, "watch": "1", "resourceVersion": version, "allowWatchBookmarks": "true"}
        try:
            with api.pieces(path, once + 30.0, timeoutSeconds=str(once), **asked) as pieces:
                for event in _events(pieces):
                    kind, body = event.get("type"), event.get("object") or {}
                    if kind == "ERROR":
                        if body.get("code") != _GONE:
                            api.clock.sleep(PAUSE_SECONDS)
                        return
                    version = _version(body) or version
                    if kind in ("ADDED", "MODIFIED", "DELETED"):
                        _note(seen, kind, body)
                        yield Change(kind, body)
                    if api.clock.now() >= until:
                        return
        except ApiError as error:
            if error.status == _GONE:
                return
            if error.status not in (*PASSING, *_NO_WATCH):
                raise
            pause = beat if error.status in _NO_WATCH else PAUSE_SECONDS
            api.clock.sleep(min(pause, max(0.0, until - api.clock.now())))
            if error.status in _NO_WATCH:
                yield None
                return
            continue
        yield None


def _events(pieces: Iterator[bytes]) -> Iterator[dict[str, Any]]:
    """The lines of a watch. A torn last one is dropped: its change comes again, after the last whole one."""
    held = b""
    for piece in pieces:
        *lines, held = (held + piece).split(b"\n")
        for line in lines:
            try:
                event = json.loads(line)
            except ValueError:
                return
            if isinstance(event, dict):
                yield event


def _note(seen: dict[str, dict[str, Any]], kind: str, body: dict[str, Any]) -> None:
    if kind == "DELETED":
        seen.pop(_uid(body), None)
    else:
        seen[_uid(body)] = body


def _uid(body: Mapping[str, Any]) -> str:
    return str((body.get("metadata") or {}).get("uid") or (body.get("metadata") or {}).get("name"))


def _version(body: Mapping[str, Any]) -> str:
    return str((body.get("metadata") or {}).get("resourceVersion") or "")
