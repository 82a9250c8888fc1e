"""The memory that this machine, or the container that we are in, has left."""

import re
from contextlib import suppress
from pathlib import Path

_MEMINFO = Path("/proc/meminfo")
_GROUPS = (
    (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")),
    (Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"), Path("/sys/fs/cgroup/memory/memory.usage_in_bytes")),
)
"""A limit and what is taken of it, as control groups of version 2 and 1 show them."""


def available_memory() -> int | None:
    """Bytes that programs can still have without swapping; None where the system does not say (macOS)."""
    free: list[int] = []
    with suppress(OSError):
        if found := re.search(r"^MemAvailable:\s+(\d+) kB", _MEMINFO.read_text(), re.MULTILINE):
            free.append(int(found[1]) * 1024)
    for limit, taken in _GROUPS:
        with suppress(OSError, ValueError):  # "max" is no limit
            free.append(int(limit.read_text()) - int(taken.read_text()))
    return max(0, min(free)) if free else None
