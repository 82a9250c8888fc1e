"""A back end that serves nothing: it notes what it is asked, and waits, fails or sees what a test tells it to."""

from collections.abc import Sequence
from pathlib import Path
from threading import Event, Lock
from typing import Any

from grace.files import FileList
from grace.lineup.backend import Backend, Sighting, State
from grace.progress import Progress
from grace.stages.session import RequestCounts


class PlayedBackend(Backend):
    """Serves nothing; notes what it is asked, and can wait or fail at any place."""

    def __init__(self, room: int = 1) -> None:
        self.calls: list[tuple[str, str]] = []
        self.room = room
        self.at: dict[tuple[str, str], Any] = {}
        self.seen: dict[str, tuple[Sighting, ...]] = {}
        self.stopped = Event()
        self._one = Lock()

    def __enter__(self) -> "PlayedBackend":
        return self

    def __exit__(self, *exc: object) -> None: ...

    def _call(self, what: str, model: str) -> None:
        with self._one:
            self.calls.append((what, model))
        act = self.at.get((what, model))
        if act:
            act()

    def check(self, model: str) -> None:
        self._call("check", model)

    def prepare(self, model: str, progress: Progress) -> None:
        self._call("prepare", model)

    def adopt(self, model: str) -> State:
        return State.ABSENT

    def serve(self, model: str, progress: Progress) -> None:
        self._call("serve", model)

    def visit(self, model: str, progress: Progress) -> RequestCounts:
        self._call("visit", model)
        return RequestCounts(1)

    def fetch(self, model: str, folder: Path, progress: Progress) -> FileList:
        folder.mkdir(exist_ok=True)
        return FileList(folder, {})

    def remove(self, model: str) -> None:
        self._call("remove", model)

    def prove_gone(self, model: str) -> tuple[str, ...]:
        return ()

    def sightings(self, model: str) -> tuple[Sighting, ...]:
        return self.seen.get(model, ())

    def most_at_once(self, models: Sequence[str]) -> int:
        return self.room

    def stop(self) -> None:
        self.stopped.set()
