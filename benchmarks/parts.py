"""What the benchmarks share: the canned server, trials, measured commands, and how a result is told."""

import asyncio
import csv
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
ROOT = Path(__file__).parents[1]
PYTHON = sys.executable
MODEL = "canned"
CONNECTIONS = 64


@dataclass(frozen=True)
class Options:
    """What the user asked for beyond names.

    Attributes:
        full: ask all of the million rows, instead of filling most of the ledger beforehand.
    """

    full: bool = False


@dataclass
class Result:
    """What a benchmark found.

    Attributes:
        name: the benchmark's.
        target: what is wanted, in words.
        met: None when it was not run.
        figures: what was measured, as (what, value) in words.
        commands: what ran, with the temporary folder and the server's address left out.
        notes: how it was measured, and what to know when reading it.
        ratios: repeats of ratios that later results are compared with (`earlier.py`), by what they compare: things
            that were measured in turns, the more the better.
    """

    name: str
    target: str
    met: bool | None = None
    figures: list[tuple[str, str]] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    ratios: dict[str, Sequence[float]] = field(default_factory=dict)

    @property
    def verdict(self) -> str:
        return "not run" if self.met is None else "met" if self.met else "MISSED"

    def markdown(self) -> str:
        """The result as a section of RESULTS.md."""
        lines = [f"## {self.name}: {self.verdict}", "", f"Target: {self.target}.", ""]
        if self.figures:
            lines += ["| measured | |", "|---|---|", *(f"| {what} | {value} |" for what, value in self.figures), ""]
        if self.commands:
            lines += ["```", *self.commands, "```", ""]
        lines += [f"- {note}" for note in self.notes]
        return "\n".join(lines).rstrip() + "\n"


@dataclass(frozen=True)
class Spent:
    """What one command took: wall and CPU time in seconds, the largest resident memory in MB, and what it printed."""

    wall: float
    cpu: float
    peak: float
    printed: str


class CommandFailed(Exception):
    """A measured command did not end with 0; the message holds what it printed."""


def measured(
    command: Sequence[str], *, env: Mapping[str, str] | None = None, cwd: Path = ROOT, codes: Sequence[int] = (0,)
) -> Spent:
    """Run a command to its end. Raises CommandFailed where it ends with another code than these."""
    with tempfile.TemporaryFile() as output:
        started = time.perf_counter()
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, cwd=cwd, env=env)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        printed = output.read().decode(errors="replace")
    if process.returncode not in codes:
        raise CommandFailed(f"{' '.join(command)} ended with {process.returncode}:\n{printed[-2000:]}")
    return Spent(wall, usage.ru_utime + usage.ru_stime, megabytes(usage.ru_maxrss), printed)


YARDSTICK = """
import hashlib, json
text = json.dumps({str(place): [place, str(place) * 3] for place in range(2_000)})
for _ in range(60):
    hashlib.blake2b(json.dumps(json.loads(text), sort_keys=True).encode()).digest()
"""


def yardstick() -> float:
    """Seconds of CPU that a fixed piece of Python takes here and now; in turns with what is measured by it."""
    return measured([PYTHON, "-c", YARDSTICK]).cpu


def megabytes(maxrss: int) -> float:
    """`ru_maxrss` in MB: Linux counts it in KiB, macOS in bytes."""
    return maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6


@contextmanager
def canned_server(latency: float = 0.0, module: str | None = None) -> Iterator[str]:
    """The canned server, or another one that is a module, as a process of its own; gives its address."""
    command = [PYTHON, "-m", module] if module else [PYTHON, "tests/support/canned.py", "--latency", str(latency)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as process:
        try:
            assert process.stdout
            yield process.stdout.readline().decode().strip()
        finally:
            process.kill()


def requests_seen(url: str) -> tuple[int, float | None]:
    """How many chat requests the canned server has seen after the handshake, and when the first came (Unix time)."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"{url}/count", timeout=60) as reply:
        seen = json.load(reply)
    return seen["count"], seen["first"]


@contextmanager
def workspace() -> Iterator[Path]:
    """A temporary folder."""
    with tempfile.TemporaryDirectory(prefix="grace-bench-") as folder:
        yield Path(folder)


def free_gigabytes() -> float:
    """Room where temporary folders are made."""
    return shutil.disk_usage(tempfile.gettempdir()).free / 1e9


def write_trials(path: Path, rows: int) -> Path:
    """A table of `rows` trials: those of data/study1.csv over and over, with participants numbered on."""
    with open(ROOT / "data" / "study1.csv", newline="", encoding="utf-8") as file:
        header, *trials = csv.reader(file)
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows([str(row // 6 + 1), *trials[row % len(trials)][1:]] for row in range(rows))
    return path


def query(trials: Path, output: Path, url: str, connections: int = CONNECTIONS) -> list[str]:
    """The command that asks about all trials."""
    return [
        *(PYTHON, "-m", "grace", "query", "study1", "--input", str(trials), "--output", str(output)),
        *("--model-endpoint", url, "--model-name", MODEL, "--concurrency", str(connections)),
    ]


QUERY_SHOWN = (
    "python -m grace query study1 --input trials.csv --output answers.csv --model-endpoint URL "
    f"--model-name {MODEL} --concurrency {CONNECTIONS}"
)


def spread(values: Sequence[float], digits: int = 2, unit: str = "") -> str:
    """Median and range in words."""
    unit = f" {unit}" if unit else ""
    middle, low, high = statistics.median(values), min(values), max(values)
    return f"{middle:,.{digits}f}{unit} ({low:,.{digits}f} to {high:,.{digits}f}, n = {len(values)})"


async def timed(work: Callable[[T], Awaitable[object]], items: Sequence[T], at_once: int) -> float:
    """Seconds to do some work for all items, so many at once."""
    left = iter(items)

    async def worker() -> None:
        for item in left:
            await work(item)

    started = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(at_once)))
    return time.perf_counter() - started


def say(text: str) -> None:
    """A line of progress, to standard error."""
    print(f"  {text}", file=sys.stderr, flush=True)
