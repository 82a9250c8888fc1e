"""The pace climbs while that pays, settles, obeys push-backs, and recovers; all in simulated time."""

import asyncio
import heapq
import itertools
import random
from collections.abc import Coroutine
from typing import Any

import pytest

from grace.endpoints.pace import REST, WINDOW_SECONDS, Pace
from limits import HANG


class Clock:
    """Time that passes when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def run(coroutine: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(coroutine, HANG))


async def free(pace: Pace) -> bool:
    """Whether a slot is to be had at once; takes it."""
    taking = asyncio.create_task(pace.acquire())
    for _ in range(3):
        await asyncio.sleep(0)
    if taking.done():
        return True
    taking.cancel()
    return False


class Simulation:
    """A server of `capacity` slots of `service` seconds each: further requests queue, or are refused.

    A client keeps as many requests under way as the pace allows; a refused one is sent again after a pause, as
    `grace.endpoints.client` does, and holds its slot meanwhile.
    """

    def __init__(
        self, pace: Pace, clock: Clock, *, capacity: int, service: float, refuses: bool = False, spread: float = 0.1
    ) -> None:
        self.spread = spread
        self.pace, self.clock = pace, clock
        self.capacity, self.service, self.refuses = capacity, service, refuses
        self.finished = 0
        self.limits: list[int] = []
        self._busy = 0
        self._queue: list[tuple[float, int]] = []
        self._waiting: list[float] = []
        self._number = itertools.count()
        self._events: list[tuple[float, int, str, float]] = []
        self._random = random.Random(4)

    def run(self, seconds: float) -> None:
        """Let time pass."""
        end = self.clock.now + seconds
        while True:
            self._send()
            if not self._events or self._events[0][0] > end:
                break
            self.clock.now, _, what, sent = heapq.heappop(self._events)
            if what == "try":
                self._arrive(sent)
            elif what == "done":
                self._busy -= 1
                if self._waiting:
                    self._serve(self._waiting.pop(0))
                self.finished += 1
                self.pace.release(self.clock.now - sent)
                self.limits.append(self.pace.limit)
        self.clock.now = end

    def _at(self, when: float, what: str, sent: float) -> None:
        heapq.heappush(self._events, (when, next(self._number), what, sent))

    def _send(self) -> None:
        """Take slots as `acquire` would, without a loop of events."""
        while self.pace._active < self.pace.limit and self.clock.now >= self.pace._hold_until:
            self.pace._active += 1
            self._arrive(self.clock.now)
        self.pace._full = True
        if self.pace._hold_until > self.clock.now:
            self._at(self.pace._hold_until, "wake", 0.0)

    def _arrive(self, sent: float) -> None:
        if self._busy < self.capacity:
            self._serve(sent)
        elif self.refuses:
            pause = self._random.uniform(0.1, 1.0)
            self.pace.pushed_back(pause)
            self._at(self.clock.now + pause, "try", self.clock.now + pause)
        else:
            self._waiting.append(sent)

    def _serve(self, sent: float) -> None:
        self._busy += 1
        self._at(self.clock.now + self.service * self._random.uniform(1 - self.spread, 1 + self.spread), "done", sent)


def test_no_more_than_the_limit() -> None:
    async def scenario() -> None:
        pace = Pace(3, clock=Clock())
        assert [await free(pace) for _ in range(5)] == [True, True, True, False, False]
        pace.release(1.0)
        assert [await free(pace), await free(pace)] == [True, False]

    run(scenario())


def test_closing_frees_who_waits() -> None:
    async def scenario() -> None:
        pace = Pace(1, clock=Clock())
        await pace.acquire()
        waiting = [asyncio.create_task(pace.acquire()) for _ in range(5)]
        await asyncio.sleep(0)
        pace.close()
        await asyncio.wait_for(asyncio.gather(*waiting), 5)
        await pace.acquire()

    run(scenario())


def test_closing_frees_who_waits_for_a_rate_limit() -> None:
    async def scenario() -> None:
        pace = Pace(4, clock=Clock())
        pace.pushed_back(3600)
        waiting = asyncio.create_task(pace.acquire())
        await asyncio.sleep(0.01)
        assert not waiting.done()
        pace.close()
        await asyncio.wait_for(waiting, 5)

    run(scenario())


def test_a_push_back_halves_and_holds() -> None:
    async def scenario() -> None:
        clock = Clock()
        pace = Pace(16, ceiling=64, clock=clock)
        pace.pushed_back(5)
        assert pace.limit == 8
        assert not await free(pace)
        clock.now += 4.9
        assert not await free(pace)
        clock.now += 0.2
        assert [await free(pace) for _ in range(9)] == [True] * 8 + [False]

    run(scenario())


def test_the_pause_ends_by_itself() -> None:
    async def scenario() -> None:
        pace = Pace(1)
        pace.pushed_back(0.05)
        await asyncio.wait_for(pace.acquire(), 5)

    run(scenario())


def test_a_burst_of_push_backs_is_one_order() -> None:
    clock = Clock()
    pace = Pace(64, ceiling=64, clock=clock)
    for _ in range(40):
        pace.pushed_back(2)
    assert pace.limit == 32
    clock.now += 1.9
    pace.pushed_back(2)  # a straggler makes the pause longer, and the limit no smaller
    assert pace.limit == 32
    clock.now += 1.9
    pace.pushed_back(2)
    assert pace.limit == 32
    clock.now += 2.1
    pace.pushed_back(2)
    assert pace.limit == 16


def test_never_below_one() -> None:
    clock = Clock()
    pace = Pace(2, ceiling=8, clock=clock)
    for _ in range(5):
        pace.pushed_back(1)
        clock.now += 2
    assert pace.limit == 1


def test_a_longer_pause_counts_over_a_shorter() -> None:
    async def scenario() -> None:
        clock = Clock()
        pace = Pace(4, clock=clock)
        pace.pushed_back(10)
        pace.pushed_back(1)
        clock.now += 5
        assert not await free(pace)

    run(scenario())


@pytest.mark.parametrize("capacity", [4, 16, 60, 200])
@pytest.mark.parametrize("service", [0.05, 2.0])
def test_converges_near_a_servers_capacity(capacity: int, service: float) -> None:
    """More than it can do at once only queues, so the limit stays near; less would leave it idle."""
    clock = Clock()
    pace = Pace(8, ceiling=256, clock=clock)
    simulation = Simulation(pace, clock, capacity=capacity, service=service)
    simulation.run(200 * max(service, WINDOW_SECONDS))
    before = simulation.finished
    simulation.limits.clear()
    seconds = 200 * max(service, WINDOW_SECONDS)
    simulation.run(seconds)
    used = (simulation.finished - before) / seconds * service / capacity
    assert used > 0.85  # of all that the server could have done
    limits = sorted(simulation.limits)
    assert limits[len(limits) // 2] <= 2.5 * capacity + 2


def test_does_not_creep_up_on_a_server_that_queues() -> None:
    """Half a day of measurements with noise in them: lengths of answers differ."""
    clock = Clock()
    pace = Pace(8, ceiling=256, clock=clock)
    simulation = Simulation(pace, clock, capacity=4, service=2.0, spread=0.8)
    simulation.run(3600)
    simulation.limits.clear()
    before = simulation.finished
    simulation.run(12 * 3600)
    limits = sorted(simulation.limits)
    assert limits[len(limits) // 2] <= 10
    assert limits[len(limits) * 95 // 100] <= 24
    assert (simulation.finished - before) / (12 * 3600) * 2.0 / 4 > 0.9


def test_a_fast_server_is_not_mistaken_for_a_full_one() -> None:
    """A window in which slots stayed empty says nothing about more slots."""
    clock = Clock()
    pace = Pace(8, ceiling=256, clock=clock)
    for _ in range(2000):
        pace._active += 1
        clock.now += 0.01
        pace.release(0.001)
    assert pace.limit == 8


def test_stays_under_its_ceiling() -> None:
    clock = Clock()
    pace = Pace(8, ceiling=20, clock=clock)
    simulation = Simulation(pace, clock, capacity=1000, service=0.2)
    simulation.run(60)
    assert max(simulation.limits) == pace.limit == 20


def test_a_refusing_servers_capacity_is_used_without_storming_it() -> None:
    clock = Clock()
    pace = Pace(8, ceiling=256, clock=clock)
    simulation = Simulation(pace, clock, capacity=24, service=0.5, refuses=True)
    simulation.run(120)
    before = simulation.finished
    simulation.limits.clear()
    simulation.run(600)
    assert (simulation.finished - before) / 600 * 0.5 / 24 > 0.5
    assert max(simulation.limits) <= 24 * 1.5 + 1


@pytest.mark.parametrize("refuses", [False, True])
def test_recovers_after_a_collapse(refuses: bool) -> None:
    clock = Clock()
    pace = Pace(8, ceiling=256, clock=clock)
    simulation = Simulation(pace, clock, capacity=40, service=0.5, refuses=refuses)
    simulation.run(100)
    good = pace.limit
    simulation.capacity, simulation.service = 3, 2.0
    simulation.run(600)
    assert pace.limit < good / 2
    simulation.capacity, simulation.service = 40, 0.5
    simulation.run(300)
    before = simulation.finished
    simulation.run(200)
    assert (simulation.finished - before) / 200 * 0.5 / 40 > 0.5


def test_a_number_given_is_kept_whatever_the_rate() -> None:
    clock = Clock()
    pace = Pace(12, clock=clock)
    simulation = Simulation(pace, clock, capacity=3, service=1.0)
    simulation.run(100)
    simulation.capacity = 100
    simulation.run(100)
    assert set(simulation.limits) == {12}


def test_a_number_given_is_reached_again_after_push_backs() -> None:
    """A gateway's bad hour must not slow down the other nineteen of the day."""
    clock = Clock()
    pace = Pace(32, clock=clock)
    simulation = Simulation(pace, clock, capacity=100, service=0.5)
    simulation.run(5)
    for _ in range(6):
        pace.pushed_back(1)
        clock.now += 2
    assert pace.limit == 1
    simulation.run(600)
    assert pace.limit == 32
    assert max(simulation.limits) == 32


def test_the_limit_rests_between_tries() -> None:
    """Windows at too high a limit are few: one in about REST."""
    clock = Clock()
    pace = Pace(8, ceiling=256, clock=clock)
    simulation = Simulation(pace, clock, capacity=30, service=0.5)
    simulation.run(200)
    simulation.limits.clear()
    simulation.run(1000)
    usual = sorted(simulation.limits)[len(simulation.limits) // 2]
    above = sum(limit > usual for limit in simulation.limits) / len(simulation.limits)
    assert above < 3 / REST


def test_many_who_wait_all_get_their_turn() -> None:
    async def scenario() -> None:
        pace = Pace(4)
        under_way = most = 0

        async def work() -> None:
            nonlocal under_way, most
            await pace.acquire()
            under_way += 1
            most = max(most, under_way)
            await asyncio.sleep(0.001)
            under_way -= 1
            pace.release(0.001)

        await asyncio.gather(*(work() for _ in range(200)))
        assert most == 4

    run(scenario())
