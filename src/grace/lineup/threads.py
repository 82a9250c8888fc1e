"""What goes on beside one model: the next one's weights, or further models, each in a thread."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread
from typing import Generic, TypeVar

from grace.errors import GraceError
from grace.lineup.backend import Backend
from grace.progress import Progress

T = TypeVar("T")

STOP_SECONDS = 90.0
"""The longest that an interrupted lineup waits for what is under way: the last answers, the end of a server."""


class Ahead:
    """Has the weights of the next model prepared while this one is asked; that takes no GPU.

    What goes wrong is passed over: the model's own turn prepares again, and says it.
    """

    def __init__(self, backend: Backend, progress: Progress) -> None:
        self._backend, self._progress = backend, progress
        self._next: str | None = None
        self._under_way: dict[str, Thread] = {}

    def plan(self, model: str | None) -> None:
        """Which model comes next."""
        self._next = model

    def begin(self) -> None:
        """Start preparing the next model, if there is one."""
        if self._next is not None and self._next not in self._under_way:
            thread = Thread(target=self._prepare, args=(self._next,), daemon=True)
            self._under_way[self._next] = thread
            thread.start()

    def wait(self, model: str) -> None:
        """Return when nothing is under way for a model."""
        if thread := self._under_way.get(model):
            thread.join()

    def _prepare(self, model: str) -> None:
        with suppress(GraceError):
            self._backend.check(model)
            self._backend.prepare(model, named(self._progress, model))


class Together(Generic[T]):
    """Works on several models at once, each in a thread of its own."""

    def __init__(self, backend: Backend, room: int, work: Callable[[str], T], is_last: Callable[[T], bool]) -> None:
        """Prepare to `work` on `room` models at once; after a result that `is_last` no further one is begun."""
        self._backend, self._room, self._work, self._is_last = backend, room, work, is_last
        self._waiting: deque[str] = deque()
        self._results: SimpleQueue[T | BaseException | None] = SimpleQueue()

    def each(self, models: Sequence[str]) -> Iterator[T]:
        """What becomes of each model, as soon as it is done. What one of them raises ends the others, and is raised."""
        self._waiting.extend(models)
        threads = [Thread(target=self._go_on, daemon=True) for _ in range(self._room)]
        for thread in threads:
            thread.start()
        try:
            ended = 0
            while ended < len(threads):
                result = self._results.get()
                if isinstance(result, BaseException):
                    raise result
                if result is None:
                    ended += 1
                else:
                    yield result
        except BaseException:
            self._waiting.clear()
            self._backend.stop()
            raise
        finally:
            for thread in threads:
                thread.join(STOP_SECONDS)

    def _go_on(self) -> None:
        """Take one model after the other; None among the results says that this thread has ended."""
        try:
            while (model := self._next()) is not None:
                result = self._work(model)
                if self._is_last(result):
                    self._waiting.clear()
                self._results.put(result)
            self._results.put(None)
        except BaseException as error:  # it is raised where the results are read
            self._results.put(error)

    def _next(self) -> str | None:
        try:
            return self._waiting.popleft()
        except IndexError:
            return None


class _Named:
    """Says of which model it speaks, and counts nothing: several models would count over each other."""

    def __init__(self, progress: Progress, name: str) -> None:
        self._progress, self._name = progress, name

    def begin(self, total: int, done: int, what: str = "requests") -> None:
        """Say how much there is."""
        if total > done:
            self.note(f"{total - done} {what} to come")

    def advance(self, failed: bool, by: int = 1) -> None:
        """Nothing is shown: `grace lineup status` counts."""

    def note(self, text: str) -> None:
        """Pass it on with the model's name."""
        self._progress.note(text if text.startswith(f"{self._name}:") else f"{self._name}: {text}")

    def fault(self, text: str) -> None:
        """Pass it on with the model's name."""
        self._progress.fault(f"{self._name}: {text}")


def named(progress: Progress, name: str) -> Progress:
    """A progress that tells with each note which model it is about, for work beside other work."""
    return _Named(progress, name)
