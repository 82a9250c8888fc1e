"""Limits that hold on a busy machine: CPU time for what must be quick, and one long time for what has hung."""

import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

HANG = 600.0
"""Seconds after which a process that should have ended has hung; no machine is so busy that it only needs longer."""


@contextmanager
def cpu_below(seconds: float) -> Iterator[None]:
    """What is done inside takes less CPU time than this, in this process and in those that it has waited for.

    The time on the wall says how busy a machine is. CPU time says how much work there was.
    """
    began = _cpu_seconds()
    yield
    spent = _cpu_seconds() - began
    assert spent < seconds, f"{spent:.1f} s of CPU"


def _cpu_seconds() -> float:
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


class Ending(Protocol):
    """A process, as subprocess.Popen shows it."""

    def poll(self) -> int | None:
        """How it ended; None while it runs."""


def wait_until(happened: Callable[[], bool], process: Ending) -> bool:
    """Wait until something has happened or the process has ended; False when it has ended."""
    deadline = time.monotonic() + HANG
    while not happened():
        if process.poll() is not None:
            return False
        assert time.monotonic() < deadline, "the process hangs"
        time.sleep(0.001)
    return True
