"""Event loops whose time passes only when nothing is left to do: hours of waiting take no time."""

import asyncio
import heapq
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass
class Clock:
    """Seconds since the beginning; all loops of a simulation share it."""

    now: float = 0.0

    def monotonic(self) -> float:
        """In place of time.monotonic."""
        return self.now

    perf_counter = monotonic

    def sleep(self, seconds: float) -> None:
        """Let time pass outside of a loop."""
        self.now += seconds


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop that jumps to its next timer when nothing is ready; it waits for other threads as any loop."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._virtual_clock = clock

    def time(self) -> float:
        return self._virtual_clock.now

    def _run_once(self) -> None:
        timers = self._scheduled  # type: ignore[attr-defined]
        while timers and timers[0]._cancelled:
            self._timer_cancelled_count -= 1  # type: ignore[attr-defined]
            heapq.heappop(timers)._scheduled = False
        if timers and not self._ready:  # type: ignore[attr-defined]
            self._virtual_clock.now = max(self._virtual_clock.now, timers[0]._when)
        super()._run_once()  # type: ignore[misc]


def run(work: Coroutine[Any, Any, T], clock: Clock) -> T:
    """As asyncio.run, in virtual time."""
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(clock)) as runner:
        return runner.run(work)
