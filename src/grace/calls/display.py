"""Progress of long work: a bar on a terminal, the output of a notebook's cell, else a plain line now and then."""

import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress

from grace.progress import Progress
from grace.text import sized

_DOING = {"requests": "asking", "bytes": "moving"}
"""What is done with what is counted; "reading" where nothing else is said."""
LINE_SECONDS = 10.0
FAULT_SECONDS = 5.0
CELL_SECONDS = 0.25
"""Between two changes of a notebook's cell."""
MOST_NOTES = 12
"""The most notes that stay in it."""


@contextmanager
def make_progress() -> Iterator[Progress]:
    """The progress display that fits where this runs: a notebook, or standard error."""
    if in_notebook():
        display = import_module("IPython.display").display
        yield InCell(lambda said: display({"text/plain": said}, raw=True, display_id=True))
        return
    if not sys.stderr.isatty():
        yield Lines()
        return
    with Bar() as bar:
        yield bar


def in_notebook() -> bool:
    """Whether this process is a notebook's kernel."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return getattr(shell, "kernel", None) is not None


class Lines:
    """One line every ten seconds: done, rate, time left, failures."""

    def __init__(self) -> None:
        self.total = self.done = self.failed = self.before = 0
        self.what = "requests"
        self._started = self._said = time.monotonic()
        self._fault_said = -FAULT_SECONDS

    def begin(self, total: int, done: int, what: str = "requests") -> None:
        """`done` of `total` were finished earlier."""
        self.total, self.done, self.before, self.failed, self.what = total, done, done, 0, what
        self._started = self._said = time.monotonic()
        if done:
            self.note(f"resuming: {self._done_of_total()} are already finished")
        elif total:
            self.note(f"{_DOING.get(what, 'reading')} {sized(total) if what == 'bytes' else f'{total} {what}'}")

    def advance(self, failed: bool, by: int = 1) -> None:
        """Count more requests that have ended."""
        self._count(failed, by)
        now = time.monotonic()
        if now - self._said >= LINE_SECONDS or self.done == self.total:
            self._said = now
            rate = (self.done - self.before) / max(now - self._started, 1e-9)
            left = (self.total - self.done) / rate if rate else float("inf")
            eta = f", {left:.0f} s left" if 0 < left < float("inf") else ""
            failures = f", {self.failed} failed" if self.failed else ""
            self.note(f"{self._done_of_total()}, {self._rate(rate)} a second{eta}{failures}")

    def _done_of_total(self) -> str:
        if self.what == "bytes":
            return f"{sized(self.done)} of {sized(self.total)}"
        return f"{self.done} of {self.total} {self.what}"

    def _rate(self, rate: float) -> str:
        return sized(rate) if self.what == "bytes" else f"{rate:.1f}"

    def _count(self, failed: bool, by: int) -> None:
        self.done += by * (not failed)
        self.failed += by * failed
        self.total = max(self.total, self.done)  # replies that need a second request come on top

    def note(self, text: str) -> None:
        """Something the user should know."""
        with suppress(OSError):  # the terminal was closed: no reason to stop
            print(f"grace: {text}", file=sys.stderr, flush=True)

    def fault(self, text: str) -> None:
        """A request failed and is tried again; shown now and then, not each time."""
        now = time.monotonic()
        if now - self._fault_said >= FAULT_SECONDS:
            self._fault_said = now
            self.note(f"trying again after {text}")


class Bar(Lines):
    """The same in one line that changes."""

    def __init__(self) -> None:
        super().__init__()
        self._console = Console(stderr=True)
        self._bar = RichProgress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[amount]}"),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[errors]}"),
            console=self._console,
        )
        self._task = self._bar.add_task("asking", total=None, rate="", amount="", errors="", visible=False)

    def __enter__(self) -> "Bar":
        self._bar.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._bar.stop()

    def begin(self, total: int, done: int, what: str = "requests") -> None:
        """Show the bar."""
        super().begin(total, done, what)
        doing = _DOING.get(what, "reading")
        self._bar.update(self._task, description=doing, total=total, completed=done, amount=self._short(), visible=True)

    def advance(self, failed: bool, by: int = 1) -> None:
        """Move the bar."""
        self._count(failed, by)
        self._bar.update(
            self._task,
            total=self.total,
            completed=self.done,
            amount=self._short(),
            rate=f"{self._rate((self.done - self.before) / max(time.monotonic() - self._started, 1e-9))}/s",
            errors=f"[red]{self.failed} failed[/red]" if self.failed else "",
        )

    def _short(self) -> str:
        return self._done_of_total() if self.what == "bytes" else f"{self.done}/{self.total}"

    def note(self, text: str) -> None:
        """Print above the bar."""
        self._bar.console.print(f"grace: {text}", markup=False, highlight=False, soft_wrap=True)


class CellOutput(Protocol):
    """What a cell shows, and can show otherwise later."""

    def update(self, said: Mapping[str, str], *, raw: bool) -> object:
        """Show this in its place."""


class InCell(Lines):
    """The same in the output of a notebook's cell: what was noted, and below it a line that changes."""

    def __init__(self, show: Callable[[str], CellOutput]) -> None:
        """`show` shows a text and gives what can be updated."""
        super().__init__()
        self._show, self._notes, self._line = show, deque[str](maxlen=MOST_NOTES), ""
        self._shown: CellOutput | None = None
        self._drawn = -CELL_SECONDS

    def begin(self, total: int, done: int, what: str = "requests") -> None:
        """Show how much there is."""
        super().begin(total, done, what)
        self._draw(self._done_of_total())

    def advance(self, failed: bool, by: int = 1) -> None:
        """Let the line change, now and then and at the end."""
        self._count(failed, by)
        now = time.monotonic()
        if now - self._drawn < CELL_SECONDS and self.done + self.failed < self.total:
            return
        self._drawn = now
        rate = (self.done - self.before) / max(now - self._started, 1e-9)
        failures = f", {self.failed} failed" if self.failed else ""
        self._draw(f"{self._done_of_total()}, {self._rate(rate)} a second{failures}")

    def note(self, text: str) -> None:
        """Show it above the line."""
        self._notes.append(f"grace: {text}")
        self._draw(self._line)

    def _draw(self, line: str) -> None:
        self._line = line
        said = "\n".join([*self._notes, *filter(None, [line])])
        if self._shown is None:
            self._shown = self._show(said)
        else:
            self._shown.update({"text/plain": said}, raw=True)
