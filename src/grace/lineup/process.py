"""The back end of this machine: each model is a local process, and its data is home as soon as it is written."""

import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import accumulate
from pathlib import Path
from typing import Self

from grace.endpoints.embedded import EmbeddedServer
from grace.endpoints.serving import EMBEDDED, Address, ModelServer
from grace.errors import ClusterError
from grace.files import FileList
from grace.lineup.backend import Backend, Cleanup, Sighting, State
from grace.lineup.folder import LineupFolder
from grace.lineup.here import ask_in_passes, list_data
from grace.lineup.server_record import ServerRecord, metered
from grace.lock import process_mark
from grace.models.files import find_model
from grace.models.memory import available_memory
from grace.progress import Progress
from grace.runs import now
from grace.stages.answers.ask import Query
from grace.stages.scores.ask import Score
from grace.stages.session import RequestCounts, interrupt_sessions
from grace.stages.task import Endpoint, TaskOptions
from grace.stages.visit import exact_for, slots_for, tasks

START_SECONDS, START_RATE = 120.0, 20e6
"""The longest that llama.cpp may take until it answers: so long, and a second for so many bytes of the model's file."""
END_SECONDS = 60.0
"""The longest that a server of a killed runner may take to follow it; vLLM takes 30 s."""

KILL_SECONDS = 10.0
"""The longest that one may take to go that was killed."""
LOOK_SECONDS = 0.2
"""While it does, it is looked at so often."""

SERVER_BYTES = 600_000_000
"""What llama.cpp takes beside the weights, with four requests at once of a small model: 90 MB for each, and its own."""
MEMORY_SHARE = 0.8
"""Of the memory that is free, what servers may take."""

StartServer = Callable[[str, int | None, bool], ModelServer]
"""Makes the server of a model with so many slots (None: its own default), which may have to be exact."""


def embedded(model: str, slots: int | None, exact: bool) -> ModelServer:
    """llama.cpp with a limit for its start. Raises InputError, ModelFileError."""
    limit = START_SECONDS + find_model(model).path.stat().st_size / START_RATE
    return EmbeddedServer.of(model, slots, limit, exact)


class ProcessBackend(Backend):
    """Serves each model by a child process, which ends with this one, for whatever reason that ends."""

    def __init__(self, folder: LineupFolder, *, start: StartServer = embedded) -> None:
        self._folder, self._start = folder, start
        self._servers: dict[str, ModelServer] = {}
        self._starts: Counter[str] = Counter()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        for model in list(self._servers):
            self._end(model)

    def check(self, model: str) -> None:
        """See that the model's file is here."""
        find_model(model)

    def prepare(self, model: str, progress: Progress) -> None:
        """The weights are on this machine, as `check` has seen."""

    def adopt(self, model: str) -> State:
        """A server never outlives its runner: there is one only if this runner started it."""
        return State.SERVED if model in self._servers else State.ABSENT

    def serve(self, model: str, progress: Progress) -> None:
        """Start the server, after one of a killed runner has ended."""
        self._wait_for_earlier(model)
        listed = self._tasks(model)
        server = self._start(model, slots_for(listed), exact_for(listed))
        progress.note(f"{model}: starting its server")
        self._servers[model] = server.__enter__()
        self._starts[model] += 1
        record = ServerRecord(server.pid, process_mark(server.pid), now(), self._starts[model] - 1)
        record.write(self._record(model))

    def visit(self, model: str, progress: Progress) -> RequestCounts:
        """Ask, starting the server again where it died, as often as there are passes."""
        return ask_in_passes(self._tasks(model), lambda: self._address(model, progress), progress)

    def fetch(self, model: str, folder: Path, progress: Progress) -> FileList:
        """The data was written where it belongs; its list is made, and says later whether it is as it was."""
        return list_data(folder)

    def remove(self, model: str) -> None:
        """End the server, also one of a killed runner."""
        self._end(model)
        self._wait_for_earlier(model)

    def prove_gone(self, model: str) -> tuple[str, ...]:
        """Look whether the process that was started last still runs."""
        alive = self._alive(model)
        if alive:
            return (f"process {alive}, the server of {model}",)
        self._record(model).unlink(missing_ok=True)
        return ()

    def sightings(self, model: str) -> tuple[Sighting, ...]:
        """The process that was started last, and what its server reported last to the one that asks it."""
        record = ServerRecord.read(self._record(model))
        if record is None:
            return ()
        state = "serves" if record.lives else "ended"
        what = f"process {record.pid}"
        return (Sighting(what, state, record.since, "", record.restarts, record.seen, record.reported),)

    def most_at_once(self, models: Sequence[str]) -> int:
        """As many as the free memory holds, the largest first; at least one."""
        free = available_memory()
        sizes = sorted((find_model(model).path.stat().st_size + SERVER_BYTES for model in models), reverse=True)
        fitting = sum(1 for whole in accumulate(sizes) if free is not None and whole <= free * MEMORY_SHARE)
        return max(1, fitting)

    def stop(self) -> None:
        """Interrupt the asking in other threads."""
        interrupt_sessions()

    def leftovers(self) -> tuple[str, ...]:
        """Servers that outlived their runner."""
        alive = {model: self._alive(model) for model in self._folder.lineup.models}
        return tuple(f"process {pid}, the server of {model}" for model, pid in alive.items() if pid)

    def clean(self, progress: Progress) -> Cleanup:
        """End them: they have a moment to follow their runner, and are killed then."""
        before = self.leftovers()
        for model in self._folder.lineup.models:
            try:
                self.remove(model)
            except ClusterError:
                self._kill(model)
            self.prove_gone(model)
        left = self.leftovers()
        return Cleanup(removed=tuple(each for each in before if each not in left), left=left)

    def _kill(self, model: str) -> None:
        """End a server by force; the mark of its start says that the process is still the one that was started."""
        started = time.monotonic()
        while (pid := self._alive(model)) and time.monotonic() - started < KILL_SECONDS:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            time.sleep(LOOK_SECONDS)

    def _tasks(self, model: str) -> Sequence[Query | Score]:
        options = TaskOptions(endpoint=Endpoint(url=EMBEDDED, model=model), limit=self._folder.lineup.limit)
        return tasks(self._folder.visit, self._folder.model(model), options)

    @contextmanager
    def _address(self, model: str, progress: Progress) -> Iterator[Address]:
        """The running server's address; left when the server died, or when all is asked and it need not wait."""
        if model not in self._servers:
            self.serve(model, progress)
        server = self._servers[model]
        with metered(server, self._record(model)):
            try:
                yield Address(server.url, server.api_key)
            finally:
                self._end(model)

    def _end(self, model: str) -> None:
        server = self._servers.pop(model, None)
        if server:
            server.__exit__(None, None, None)

    def _wait_for_earlier(self, model: str) -> None:
        """A server whose runner was killed ends by itself, a moment later."""
        started = time.monotonic()
        while pid := self._alive(model):
            if time.monotonic() - started < END_SECONDS:
                time.sleep(LOOK_SECONDS)
                continue
            raise ClusterError(
                f"{model}: process {pid}, its server, was left by an earlier `grace lineup` and did not end within "
                f"{END_SECONDS:g} s; end it (kill {pid}), then the same command continues"
            )

    def _alive(self, model: str) -> int | None:
        """The process of the server that was started last, where it still runs."""
        record = ServerRecord.read(self._record(model))
        return record.pid if record and record.lives else None

    def _record(self, model: str) -> Path:
        return self._folder.model(model) / ".server.json"
