"""A day of six models in virtual time: real runner, sessions, pace and ledgers; simulated servers and preemption."""

import asyncio
import csv
import json
import random
from collections import Counter
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from threading import Event, current_thread, main_thread
from types import SimpleNamespace
from typing import Any

import orjson
import pytest

import virtual_time
from grace.endpoints.pace import Pace
from grace.endpoints.serving import Address
from grace.endpoints.transport import Reply
from grace.files import FileList
from grace.ledger import scan
from grace.lineup.backend import Backend, State
from grace.lineup.folder import LineupFolder, visited
from grace.lineup.journal import Journal, histories
from grace.lineup.lineup_file import LineupFile
from grace.lineup.runner import carry
from grace.models.catalogue import hub_models
from grace.models.plan import plan_model
from grace.progress import Progress
from grace.stages.session import RequestCounts
from grace.stages.task import Endpoint, TaskOptions
from grace.stages.visit import ask_all, tasks
from grace.stages.visit_file import QuerySettings, VisitFile
from limits import HANG
from virtual_time import Clock

MINUTE, HOUR = 60.0, 3600.0
LIFE = 40 * MINUTE
"""A pod is preempted so long after it got its GPUs."""
QUEUE = (5.0, 3 * MINUTE)
"""A pod waits so long for GPUs."""
LOAD_RATE, WARMING = 1.0e9, 90.0
"""Bytes of weights a second into GPUs, and the seconds that vLLM takes beside that."""
DOWNLOAD_RATE = 0.1e9
FETCH = 6 * MINUTE
SEQUENCES = 64
"""Requests that a server works on at once; others wait in it."""
ANSWER = (1500, 6000)
"""Tokens of an answer: these models think."""
ROWS, REPLICATIONS = 50, 60

STUDY = """\
name: day
title: A day
columns: {thing: {}}
protocols: {single: {turns: {response: "What of {{ thing }}?"}}}
"""


class Preempted(Exception):
    """The pod is gone, with what was under way in it."""


@dataclass
class Gpus:
    """What GPUs did: seconds that they were taken, and that they computed."""

    clock: Clock
    taken: float = 0.0
    busy: float = 0.0
    since: float | None = None
    running: int = 0
    busy_since: float = 0.0

    def take(self) -> None:
        assert self.since is None, "two pods at once"
        self.since = self.clock.now

    def release(self) -> None:
        if self.since is not None:
            self.taken += self.clock.now - self.since
            self.since = None
            self.idle()

    def begin(self) -> None:
        self.busy_since = self.busy_since if self.running else self.clock.now
        self.running += 1

    def end(self) -> None:
        if self.running:
            self.running -= 1
            self.busy += 0 if self.running else self.clock.now - self.busy_since

    def idle(self) -> None:
        if self.running:
            self.busy += self.clock.now - self.busy_since
            self.running = 0


class SimulatedServer:
    """A transport to a server with vLLM's latencies: a step takes longer the more requests it computes."""

    def __init__(self, cluster: "SimulatedCluster") -> None:
        self._cluster = cluster
        self._room = asyncio.Semaphore(SEQUENCES)

    async def send(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes | None, timeout: float
    ) -> Reply:
        if url.endswith("/health"):
            return Reply(200, b"")
        if url.endswith("/v1/models"):
            return Reply(200, orjson.dumps({"data": [{"id": self._cluster.model}]}))
        if not url.endswith("/v1/chat/completions"):
            return Reply(404, b"{}")
        return await self._answer(orjson.loads(body or b"{}"))

    async def _answer(self, asked: dict[str, Any]) -> Reply:
        gpus, speed = self._cluster.gpus, self._cluster.step_seconds
        tokens = random.Random(asked["seed"]).randint(*ANSWER) if asked["max_tokens"] > 16 else 16
        async with self._room:
            gpus.begin()
            try:
                await asyncio.sleep(0.2 + tokens * speed * (1 + gpus.running / SEQUENCES))
            finally:
                gpus.end()
        usage = {"prompt_tokens": 8, "completion_tokens": tokens}
        choice = {"message": {"content": f"Answer {asked['seed']}"}, "finish_reason": "stop"}
        return Reply(200, orjson.dumps({"choices": [choice], "usage": usage}))

    async def close(self) -> None: ...


@dataclass
class SimulatedCluster(Backend):
    """One pod at a time, with a server and what asks it; it is preempted, and another one goes on where it was."""

    folder: LineupFolder
    clock: Clock
    draw: random.Random = field(default_factory=lambda: random.Random(7))
    ready: dict[str, float] = field(default_factory=dict)
    began_ahead: dict[str, Event] = field(default_factory=dict)
    preemptions: int = 0
    idle_while_fetching: float = 0.0
    model: str = ""
    step_seconds: float = 0.0

    def __post_init__(self) -> None:
        self.gpus = Gpus(self.clock)
        models = self.folder.lineup.models
        self._next = dict(pairwise(models))
        self.began_ahead = {model: Event() for model in models}

    def __enter__(self) -> "SimulatedCluster":
        return self

    def __exit__(self, *exc: object) -> None:
        self.gpus.release()

    def check(self, model: str) -> None: ...

    def prepare(self, model: str, progress: Progress) -> None:
        """The download begins when it is first asked for; only who needs the weights waits for its end."""
        size = plan_model(model, profile="rtx3090").variant.weights_bytes
        self.ready.setdefault(model, self.clock.now + size / DOWNLOAD_RATE)
        self.began_ahead[model].set()
        if current_thread() is main_thread():
            self.clock.now = max(self.clock.now, self.ready[model])

    def adopt(self, model: str) -> State:
        return State.ABSENT

    def serve(self, model: str, progress: Progress) -> None:
        plan = plan_model(model, profile="rtx3090")
        self.model = model
        self.step_seconds = 0.01 + plan.weights_gib / 1000
        self._start_pod(plan.variant.weights_bytes)

    def _start_pod(self, weights: int) -> None:
        self.clock.sleep(self.draw.uniform(*QUEUE))
        self.gpus.take()
        self.ends = self.clock.now + LIFE
        self.clock.sleep(WARMING + weights / LOAD_RATE)

    def visit(self, model: str, progress: Progress) -> RequestCounts:
        if following := self._next.get(model):
            assert self.began_ahead[following].wait(HANG)
        options = TaskOptions(endpoint=Endpoint(url="http://127.0.0.1:8000", model=model, timeout=HOUR))
        while True:
            try:
                listed = tasks(self.folder.visit, self.folder.model(model), options)
                served = lambda: nullcontext(Address("http://127.0.0.1:8000"))  # noqa: E731
                finished = 0
                for _, outcome in ask_all(listed, served, lambda: nullcontext(progress)):
                    assert outcome.error is None
                    assert not outcome.requests.failures
                    finished += outcome.requests.finished
            except Preempted:
                self.preemptions += 1
                self.gpus.release()
                self._start_pod(plan_model(model, profile="rtx3090").variant.weights_bytes)
                continue
            self.gpus.release()  # the Job is complete
            return RequestCounts(finished)

    def fetch(self, model: str, folder: Path, progress: Progress) -> FileList:
        assert self.gpus.since is None, "a GPU waits while data comes home"
        self.clock.sleep(FETCH)
        return FileList.of(folder, sorted(path for path in folder.rglob("*") if path.is_file() and path.name != "lock"))

    def remove(self, model: str) -> None:
        self.gpus.release()

    def prove_gone(self, model: str) -> tuple[str, ...]:
        return () if self.gpus.since is None else (f"pod of {model}",)

    async def until_preempted(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Do work in the pod, as long as that lives."""
        task = asyncio.create_task(work)
        await asyncio.wait({task}, timeout=self.ends - self.clock.now)
        if not task.done():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            raise Preempted
        return task.result()


@contextmanager
def simulated(cluster: SimulatedCluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Sessions talk to the cluster's server, in its time."""
    clock = cluster.clock
    run = SimpleNamespace(run=lambda work: virtual_time.run(cluster.until_preempted(work), clock))
    with monkeypatch.context() as patch:
        patch.setattr("grace.stages.task.asyncio", run)
        patch.setattr("grace.stages.task.AiohttpTransport", lambda url: SimulatedServer(cluster))
        patch.setattr("grace.stages.session.time", clock)
        patch.setattr("grace.endpoints.client.time", clock)
        patch.setattr("grace.stages.session.SYNC_SECONDS", 5 * MINUTE)
        patch.setitem(Pace.__init__.__kwdefaults__, "clock", clock.monotonic)
        yield


class Silent:
    """Nobody looks at a simulated day."""

    def begin(self, total: int, done: int, what: str = "requests") -> None: ...

    def advance(self, failed: bool, by: int = 1) -> None: ...

    def note(self, text: str) -> None: ...

    def fault(self, text: str) -> None: ...


@pytest.mark.slow
def test_a_day_of_six_models_preempted_every_40_minutes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "day.yaml").write_text(STUDY)
    (tmp_path / "trials.csv").write_text("thing\n" + "".join(f"thing {row}\n" for row in range(ROWS)))
    visits, inputs = visited([(str(tmp_path / "day.yaml"), tmp_path / "trials.csv")])
    settings = QuerySettings(replications=REPLICATIONS, max_tokens=ANSWER[1])
    folder = LineupFolder(tmp_path / "lineups" / "day")
    models = tuple(hub_models())
    lineup = LineupFile(name="day", profile="rtx3090", models=models)
    folder.begin(lineup, VisitFile(studies=visits, experiments=(1,), query=settings), inputs)
    cluster = SimulatedCluster(folder, Clock())
    with simulated(cluster, monkeypatch), Journal(folder.journal) as journal, cluster:
        carried = list(carry(folder, cluster, journal, Silent()))

    assert [each.error for each in carried] == [None] * 6
    assert 15 * HOUR < cluster.clock.now < 36 * HOUR
    assert cluster.preemptions > 20
    for model in models:
        answered = Counter(record["key"] for _, record in scan(folder.model(model) / "day.run" / "ledger.jsonl"))
        assert len(answered) == ROWS * REPLICATIONS
        assert set(answered.values()) == {1}
        with open(folder.model(model) / "day.csv", newline="") as table:
            assert [row["error"] for row in csv.DictReader(table)] == [""] * ROWS * REPLICATIONS
        assert json.loads(folder.cleanup.read_bytes())[model]["left"] == []
    assert all(history.closed for history in histories(folder.journal).values())
    use = cluster.gpus.busy / cluster.gpus.taken
    assert use > 0.8, use
    downloads = sum(plan_model(model, profile="rtx3090").variant.weights_bytes for model in models) / DOWNLOAD_RATE
    others = cluster.clock.now - cluster.gpus.taken - 6 * FETCH - cluster.preemptions * QUEUE[1] - 6 * QUEUE[1]
    assert others < downloads / 4, "the weights of the next model come while this one is asked"
    print(f"{cluster.clock.now / HOUR:.1f} h, {cluster.preemptions} preemptions, GPU use {use:.1%}")
