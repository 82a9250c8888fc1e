"""A run that is killed at any moment, again and again, loses no finished answer, repeats none, and ends up the same."""

import asyncio
import json
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from canned import CannedServer, completion
from conftest import ROOT, read_rows
from forge import Forked, open_forge
from grace.ledger import request_key, scan
from grace.runs import Run
from limits import HANG, wait_until

KILLS = 50
"""As many again are in `tests/faults/test_killed.py`, at less cost."""
CONCURRENCY = 8
MILESTONES = ("lock", "input.csv", "study.yaml", "run.json", "ledger.jsonl", ".run.json.*.tmp")
"""What appears in a run's folder at start-up, in this order."""


Start = Callable[..., Forked]


@pytest.fixture(scope="module")
def start() -> Iterator[Start]:
    """Start `grace query` in a process of its own: `start(input, output, url, "--limit", 3)`."""
    rehearsal = ("query", "study1", "--input", ROOT / "data" / "study1.csv", "--output", "none.csv", "--dry-run")
    with open_forge(*rehearsal) as forge:

        def query(input: Path, output: Path, url: str, *options: object) -> Forked:
            asked = ("--input", input, "--output", output, "--model-endpoint", url, "--model-name", "canned")
            return forge.start("query", "study1", *asked, *options)

        yield query


def without_times(path: Path) -> list[dict[str, str]]:
    """The rows of a table of answers but for what differs from run to run."""
    return [
        {name: cell for name, cell in row.items() if name not in ("response_timestamp", "processing_time_ms")}
        for row in read_rows(path)
    ]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Callable[[], tuple[str, Path]]]:
    """Start canned servers, each a process of its own with a log of what it was asked."""
    processes: list[subprocess.Popen[str]] = []

    def begin() -> tuple[str, Path]:
        log = tmp_path / f"requests{len(processes)}.log"
        log.touch()
        command = [sys.executable, ROOT / "tests" / "support" / "canned.py", "--latency", "0.02", "--log", log]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        processes.append(process)
        assert process.stdout is not None
        return process.stdout.readline().strip(), log

    yield begin
    for process in processes:
        process.kill()
        process.communicate()


@dataclass
class Torment:
    """One run after the other, killed again and again."""

    start: Start
    folder: Path
    url: str
    log: Path
    dice: random.Random
    options: tuple[object, ...]
    kills: int = 0
    while_working: int = 0
    runs: int = 0

    def go_on_until(self, kills: int) -> None:
        """Make runs until so many processes were killed, each run to its end."""
        table = ROOT / "data" / "study1.csv"
        untouched = self.folder / "untouched.csv"
        process = self.start(table, untouched, self.url, *self.options)
        assert process.wait(HANG) == 0, process.communicate()
        process.communicate()
        expected = without_times(untouched)
        while self.kills < kills:
            output = self.folder / f"killed{self.runs}.csv"
            heard, killed = self._heard_in_all(), self.kills
            while not self.one_process(table, output, self.kills < kills):
                pass
            total = len(expected) * len(Run.beside(output).identity.turns)
            repeated = self._heard_in_all() - heard - total
            assert 0 <= repeated <= CONCURRENCY * (self.kills - killed), "more was lost than was under way"
            assert without_times(output) == expected
            self.all_is_well(output, len(expected))

    def one_process(self, table: Path, output: Path, to_be_killed: bool) -> bool:
        """Start, kill, and look at what is left; True when the process came to its end before."""
        run = Run.beside(output)
        before = run.ledger.read_bytes() if run.ledger.exists() else b""
        before = before[: before.rfind(b"\n") + 1]
        finished = {record["key"] for _, record in scan(run.ledger)}
        heard = self.log.stat().st_size

        process = self.start(table, output, self.url, *self.options)
        killed = to_be_killed and self._wait_for_a_bad_moment(process, run, output)
        if killed:
            process.kill()
        _, err = process.communicate(timeout=HANG)
        assert "Traceback" not in err, err
        killed = killed and process.returncode != 0  # it may have ended by itself just before
        assert process.returncode == (-signal.SIGKILL if killed else 0), err
        if killed:
            self.kills += 1

        after = run.ledger.read_bytes() if run.ledger.exists() else b""
        assert after.startswith(before), "a line that was complete is gone"
        self.while_working += killed and len(after) > len(before)
        if finished:
            asked = self._asked_since(heard, run)
            assert not asked & finished, "a request that was finished is asked again"
        return not killed

    def _wait_for_a_bad_moment(self, process: Forked, run: Run, output: Path) -> bool:
        """False when the process has ended by itself."""
        size = run.ledger.stat().st_size if run.ledger.exists() else 0
        nearly_done = size > 300 * 300  # bytes; a line has about 500
        kind = self.dice.choices(["start", "milestone", "work", "export"], [2, 1, 5, 6 if nearly_done else 0])[0]
        if kind == "start":
            pause = time.monotonic() + self.dice.uniform(0, 0.3)
            wait_until(lambda: time.monotonic() > pause, process)
        elif kind == "milestone":
            there = self.dice.choice(MILESTONES)
            known = {path: path.stat().st_mtime_ns for path in run.path.glob(there)}
            wait_until(lambda: any(known.get(path) != _changed(path) for path in run.path.glob(there)), process)
        elif kind == "export":
            known = {path: path.stat().st_mtime_ns for path in output.parent.glob(f".{output.name}.*.tmp")}
            wait_until(lambda: any(path not in known for path in output.parent.glob(f".{output.name}.*.tmp")), process)
        else:
            wanted = size + self.dice.randrange(1, 20_000)
            wait_until(lambda: run.ledger.exists() and run.ledger.stat().st_size >= wanted, process)
            time.sleep(self.dice.uniform(0, 0.02))
        return process.poll() is None

    def _heard_in_all(self) -> int:
        """How many requests the server has received."""
        return self.log.read_bytes().count(b"\n")

    def _asked_since(self, heard: int, run: Run) -> set[str]:
        """The keys of the requests that the server has received, by its own log."""
        identity = run.identity
        with self.log.open("rb") as file:
            file.seek(heard)
            lines = [json.loads(line) for line in file]
        return {request_key(identity.model, messages, {**identity.sampling, "seed": seed}) for messages, seed in lines}

    def all_is_well(self, output: Path, rows: int) -> None:
        """Look at a run that has ended."""
        self.runs += 1
        run = Run.beside(output)
        records = [record for _, record in scan(run.ledger)]
        assert {record["status"] for record in records} == {"answered"}
        asked = [(record["rows"][0], record["replication"], record["question"]) for record in records]
        assert len(asked) == len(set(asked)) == rows * len(run.identity.turns)
        assert len({record["key"] for record in records}) == len(records)
        for record in records:
            assert record["key"] in self.keys_heard(run)
        left = sorted(path.name for path in run.path.iterdir())
        assert left == ["input.csv", "ledger.jsonl", "run.json", "study.yaml"]
        assert list(output.parent.glob(f".{output.name}*")) == []
        sessions = run.sessions
        assert sessions[-1].ended is not None

    def keys_heard(self, run: Run) -> set[str]:
        """All keys of requests about this model that the server ever received."""
        size = self.log.stat().st_size
        if getattr(self, "_heard_at", None) != size:
            self._heard_at, self._heard = size, self._asked_since(0, run)
        return self._heard


def _changed(path: Path) -> int | None:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return None


@pytest.mark.slow
def test_killed_again_and_again(start: Start, server: Callable[[], tuple[str, Path]], tmp_path: Path) -> None:
    """Two runs at a time, each with a server of its own: 300 rows once, and 100 rows in three turns, shuffled."""
    ways: list[tuple[object, ...]] = [
        ("--concurrency", CONCURRENCY),
        ("--concurrency", CONCURRENCY, "--protocol", "sequential", "--limit", 100, "--shuffle"),
    ]
    torments = []
    for number, options in enumerate(ways):
        folder = tmp_path / str(number)
        folder.mkdir()
        torments.append(Torment(start, folder, *server(), random.Random(number), options))
    with ThreadPoolExecutor(2) as both:
        for done in [both.submit(torment.go_on_until, KILLS // 2) for torment in torments]:
            done.result()
    assert sum(torment.kills for torment in torments) >= KILLS
    for torment in torments:  # the kills were not all too early to matter
        assert torment.while_working > KILLS // 8
        assert torment.runs >= 2


# Signals that ask politely


def ended(process: Forked) -> tuple[int, str]:
    out, err = process.communicate(timeout=HANG)
    assert out == ""
    assert "Traceback" not in err
    return process.returncode, err


def finished(output: Path) -> list[dict[str, Any]]:
    return [record for _, record in scan(Run.beside(output).ledger)]


def read_until(process: Forked, text: str) -> None:
    """Read what a process says until it says `text`."""
    said = ""
    while text not in said:
        said = process.stderr.readline()
        assert said, "it ended before"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
@pytest.mark.parametrize("protocol", ["single", "sequential"])
def test_an_interrupt_lets_answers_under_way_finish(
    number: signal.Signals, protocol: str, start: Start, canned: CannedServer, trials: Path, tmp_path: Path
) -> None:
    held = threading.Event()

    async def four_then_wait(number: int, body: dict[str, Any]) -> None:
        if number > 4:
            await asyncio.to_thread(held.wait, HANG)

    canned.handler = four_then_wait
    output = tmp_path / "answers.csv"
    options = ("--concurrency", 4, "--protocol", protocol)
    process = start(trials, output, canned.url, *options)
    assert wait_until(lambda: canned.count == 8, process)
    process.send_signal(number)
    read_until(process, "stopping: waiting for 4 answers under way (again to drop them)")
    held.set()
    code, err = ended(process)
    assert code == 130
    run = output.with_suffix(".run")
    assert f"interrupted; all finished answers are safe in {run}. The same command continues" in err
    assert f"`grace export {run}` writes what there is" in err
    assert not output.exists()
    assert not (run / "lock").exists()
    assert len(finished(output)) == canned.count == 8  # what was asked is kept, and nothing more was asked

    process = start(trials, output, canned.url, *options)
    out, _ = process.communicate(timeout=HANG)
    assert (process.returncode, out) == (0, f"{output}: 12 rows, 12 answered, 0% cut off\n")
    asked = [json.dumps([body["messages"], body["seed"]]) for body in canned.bodies]
    assert len(asked) == len(set(asked)) == 12 * (1 if protocol == "single" else 3)  # exactly the rest


def test_a_second_interrupt_drops_them(start: Start, canned: CannedServer, trials: Path, tmp_path: Path) -> None:
    canned.latency = HANG
    output = tmp_path / "answers.csv"
    process = start(trials, output, canned.url, "--concurrency", 4)
    assert wait_until(lambda: canned.count == 4, process)
    process.send_signal(signal.SIGINT)
    read_until(process, "stopping: waiting for 4 answers")
    process.send_signal(signal.SIGINT)
    code, err = ended(process)
    assert code == 130
    assert "interrupted; all finished answers are safe" in err
    assert finished(output) == []
    canned.latency = 0
    process = start(trials, output, canned.url)
    assert process.communicate(timeout=HANG)[0] == f"{output}: 12 rows, 12 answered, 0% cut off\n"


def test_an_interrupt_does_not_wait_for_ever(start: Start, canned: CannedServer, trials: Path, tmp_path: Path) -> None:
    """A request that gets no answer ends with the time limit of one, and is not tried again."""
    canned.latency = HANG
    output = tmp_path / "answers.csv"
    process = start(trials, output, canned.url, "--timeout", 1)
    assert wait_until(lambda: canned.count > 0, process)
    process.send_signal(signal.SIGTERM)
    code, _ = ended(process)
    assert code == 130
    records = finished(output)
    assert len(records) == canned.count
    assert {(record["error"]["kind"], record["attempts"]) for record in records} == {("timeout", 1)}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_an_interrupt_before_the_first_question(
    number: signal.Signals, start: Start, canned: CannedServer, trials: Path, tmp_path: Path
) -> None:
    waiting = False

    async def stall(_: int, body: dict[str, Any]) -> web.StreamResponse | None:
        nonlocal waiting
        waiting = True
        await asyncio.sleep(HANG)
        return web.json_response(completion("late"))

    canned.handshake = stall
    output = tmp_path / "answers.csv"
    process = start(trials, output, canned.url)
    assert wait_until(lambda: waiting, process)
    process.send_signal(number)
    code, err = ended(process)
    assert code == 130
    assert "The same command continues where this one stopped" in err
    assert not (output.with_suffix(".run") / "lock").exists()
    canned.handshake = None
    process = start(trials, output, canned.url)
    assert process.communicate(timeout=HANG)[0] == f"{output}: 12 rows, 12 answered, 0% cut off\n"


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 130), (signal.SIGKILL, -9)],
    ids=["SIGINT", "SIGTERM", "SIGKILL"],
)
def test_a_table_is_replaced_whole_or_not_at_all(
    number: signal.Signals, code: int, start: Start, canned: CannedServer, trials: Path, tmp_path: Path
) -> None:
    output = tmp_path / "answers.csv"
    process = start(trials, output, canned.url, "--replications", 100)
    assert process.communicate(timeout=HANG)[0] == f"{output}: 1200 rows, 1200 answered, 0% cut off\n"
    whole = output.read_bytes()
    output.write_bytes(b"the table as it was")
    for _ in range(20):  # the moment is short
        process = start(trials, output, canned.url, "--replications", 100)
        if wait_until(lambda: any(tmp_path.glob(".answers.csv.*.tmp")), process):
            process.send_signal(number)
        process.communicate(timeout=HANG)
        if process.returncode == code:
            break
        assert process.returncode == 0
        assert output.read_bytes() == whole
        output.write_bytes(b"the table as it was")
    assert process.returncode == code
    assert output.read_bytes() in (b"the table as it was", whole)
    if number != signal.SIGKILL:
        assert not any(tmp_path.glob(".answers.csv.*"))
    asked = canned.count
    process = start(trials, output, canned.url, "--replications", 100)
    process.communicate(timeout=HANG)
    assert process.returncode == 0
    assert output.read_bytes() == whole
    assert canned.count == asked == 1200
    assert not any(tmp_path.glob(".answers.csv.*"))


def test_two_at_once(start: Start, canned: CannedServer, trials: Path, tmp_path: Path) -> None:
    """Of two processes that start on one output one asks, the other says who does."""
    held = threading.Event()

    async def hold(number: int, body: dict[str, Any]) -> None:
        await asyncio.to_thread(held.wait, HANG)

    canned.handler = hold
    output = tmp_path / "answers.csv"
    both = [start(trials, output, canned.url, "--concurrency", 2) for _ in range(2)]
    wait_until(lambda: both[1].poll() is not None, both[0])
    held.set()
    ends = [process.communicate(timeout=HANG) for process in both]
    assert sorted(process.returncode for process in both) == [0, 2]
    for process, other, (_, err) in zip(both, reversed(both), ends, strict=True):
        if process.returncode == 2:
            assert f"is being written by process {other.pid} of this machine" in err
    assert canned.count == 12


def test_a_terminal_that_is_closed_does_not_stop_a_run(
    start: Start, canned: CannedServer, trials: Path, tmp_path: Path
) -> None:
    output = tmp_path / "answers.csv"
    canned.latency = 0.3
    process = start(trials, output, canned.url, "--concurrency", 4)
    read_until(process, "asking")
    process.stderr.close()
    process.stdout.close()
    process.wait(HANG)
    assert len(read_rows(output)) == len(finished(output)) == canned.count == 12
