"""Pace: how many requests are under way at once.

A server's best concurrency cannot be known from outside: a laptop peaks at 4, an A100 at 200, and a shared gateway
says 429 when it has enough. So the limit climbs while climbing pays: after each window of finished requests the rate is
compared with the best so far, and while it is clearly better the limit grows by half. Then it settles, and from time to
time tries the other way and back again, since servers change. A step down is kept when it costs nothing: what is above
a server's capacity only queues there, and measurements have noise, so a limit that could only climb would creep up
forever. A rate that falls clearly while answers take twice as long is a collapse: the limit goes down step by step
without a rest. A push-back (429, 503) is not a measurement but an order: the limit halves and nothing is sent until
the time that the server named.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from statistics import median

GROWTH = 1.5
BETTER = 1.05
AS_GOOD = 0.98
COLLAPSED = 0.8
REST = 10
"""Windows between two tries to climb from a settled limit."""
WINDOW_SECONDS = 0.5


class Pace:
    """Hands out slots for requests, fixed in number or adapted to the server."""

    def __init__(
        self,
        limit: int,
        *,
        ceiling: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start with `limit` slots.

        With a `ceiling` the limit adapts up to it; without one it gives way to push-backs alone, and climbs back.
        """
        self.limit = limit
        self._ceiling = ceiling or limit
        self._adapts = ceiling is not None
        self._clock = clock
        self._active = 0
        self._free = asyncio.Event()
        self._closed = False
        self._hold_until = 0.0
        self._best_rate = 0.0
        self._best_limit = limit
        self._best_latency = 0.0
        self._rest = 0
        self._upwards = True
        self._begin_window()

    async def acquire(self) -> None:
        """Wait until a request may be sent, and take its slot."""
        while not self._closed:
            pause = self._hold_until - self._clock()
            if pause <= 0 and self._active < self.limit:
                break
            self._full = True
            self._free.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._free.wait(), pause if pause > 0 else None)
        self._active += 1

    def close(self) -> None:
        """Note that nothing more will be sent: whoever waits for a slot gets one at once."""
        self._closed = True
        self._free.set()

    def release(self, seconds: float | None = None) -> None:
        """Give a slot back; `seconds` is how long the request took, None when it failed."""
        self._active -= 1
        self._free.set()
        if seconds is None or not (self._adapts or self.limit < self._ceiling):
            return
        if self._active > self.limit:  # a lower limit is measured when it is reached
            self._begin_window()
            return
        self._latencies.append(seconds)
        elapsed = self._clock() - self._window_start
        if len(self._latencies) >= 2 * self.limit and elapsed >= WINDOW_SECONDS:
            if self._full:  # a window in which slots stayed empty says nothing about more slots
                self._adapt(len(self._latencies) / elapsed, median(self._latencies))
            self._begin_window()

    def pushed_back(self, seconds: float) -> None:
        """Note that the server asked for less: halve the limit and send nothing for `seconds`."""
        now = self._clock()
        if now >= self._hold_until:  # a burst of refusals is one order
            self.limit = max(1, self.limit // 2)
            self._best_rate, self._best_limit, self._rest = 0.0, self.limit, REST
            self._upwards = True
            self._begin_window()
        self._hold_until = max(self._hold_until, now + seconds)

    def _adapt(self, rate: float, latency: float) -> None:
        """Go on from a window's measurement; rates are in requests a second, latencies in seconds."""
        if not self._adapts:
            self._climb_back()
        elif self.limit == self._best_limit:
            self._settled(rate, latency)
        elif rate > self._best_rate * (BETTER if self._upwards else AS_GOOD):
            self._best_rate, self._best_limit, self._best_latency = max(rate, self._best_rate), self.limit, latency
            self._try()
        else:
            self.limit = self._best_limit
            self._turn()
        self._free.set()

    def _settled(self, rate: float, latency: float) -> None:
        """See whether the limit is still best where it was best before."""
        collapsed = rate < self._best_rate * COLLAPSED and latency > 2 * self._best_latency
        if self._rest and not collapsed:
            self._rest -= 1
            return
        self._best_rate, self._best_latency = rate, latency  # forget old times
        self._upwards = self._upwards and not collapsed
        self._try()

    def _climb_back(self) -> None:
        if self._rest:
            self._rest -= 1
        else:
            self.limit, self._rest = self._grown(), REST

    def _try(self) -> None:
        """Take one step, up or down."""
        before = self.limit
        self.limit = self._grown() if self._upwards else max(1, self.limit * 2 // 3)
        if self.limit == before:
            self._turn()

    def _turn(self) -> None:
        """Rest, and then try the other way."""
        self._upwards, self._rest = not self._upwards, REST

    def _grown(self) -> int:
        return min(self._ceiling, max(self.limit + 1, int(self.limit * GROWTH)))

    def _begin_window(self) -> None:
        self._window_start = self._clock()
        self._latencies: list[float] = []
        self._full = False
