"""The two forms of a call: one that waits for the result, and one that other coroutines go on beside."""

import asyncio
import inspect
import warnings
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, wait
from contextvars import copy_context
from functools import wraps
from threading import Thread
from typing import Any, ParamSpec, TypeVar

from grace.calls.run_table import IncompleteWarning, RunTable
from grace.calls.task_calls import Call
from grace.stages.session import interrupt_sessions

P = ParamSpec("P")
Form = TypeVar("Form", bound=Callable[..., object])

LOOK_SECONDS = 0.1
"""How often a thread that is to stop is looked at, until its session has begun and hears of it."""


def blocking(call: Callable[P, Call]) -> Callable[P, RunTable]:
    """The form that waits, also where an event loop runs already, as in a notebook."""

    @wraps(call)
    def made(*arguments: P.args, **named: P.kwargs) -> RunTable:
        ready = call(*arguments, **named)
        table = ready.work() if _loop() is None else _Worker(ready).wait()
        return _warned(table)

    return _described(made)


def awaited(call: Callable[P, Call]) -> Callable[P, Coroutine[Any, Any, RunTable]]:
    """The form that is awaited. Cancelled, it lets the requests under way finish; cancelled again, it drops them."""

    @wraps(call)
    async def made(*arguments: P.args, **named: P.kwargs) -> RunTable:
        return _warned(await _Worker(call(*arguments, **named)).finished())

    return _described(made)


class _Worker:
    """A call being made in a thread of its own, with an event loop of its own."""

    def __init__(self, call: Call) -> None:
        """Begin. The thread has this one's context, by which a notebook knows whose output is printed."""
        self._future: Future[RunTable] = Future()
        self._thread = Thread(target=copy_context().run, args=(self._make, call), daemon=True)
        self._thread.start()

    def _make(self, call: Call) -> None:
        try:
            self._future.set_result(call.work())
        except BaseException as error:  # it is raised where the result is read
            self._future.set_exception(error)

    def wait(self) -> RunTable:
        """The result. An interrupt lets the requests under way finish, a second one drops them."""
        heard = True
        while not self._future.done():
            try:
                heard = heard or self._stop()
                wait([self._future], None if heard else LOOK_SECONDS)
            except KeyboardInterrupt:
                heard = False
        return self._future.result()

    async def finished(self) -> RunTable:
        """The same for coroutines; a cancellation is an interrupt."""
        result = asyncio.wrap_future(self._future)
        try:
            return await asyncio.shield(result)
        except asyncio.CancelledError:
            heard = False
            while not result.done():
                try:
                    heard = heard or self._stop()
                    await asyncio.wait([result], timeout=None if heard else LOOK_SECONDS)
                except asyncio.CancelledError:
                    heard = False
            result.exception()  # is of no interest any more
            raise

    def _stop(self) -> bool:
        """Interrupt the session of the thread; False where it has none yet."""
        return interrupt_sessions(self._thread.ident)


def _loop() -> asyncio.AbstractEventLoop | None:
    """The event loop that runs in this thread; None where there is none."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _described(made: Form) -> Form:
    """The same form, whose signature says what it gives."""
    signature = inspect.signature(made)
    made.__signature__ = signature.replace(return_annotation=RunTable)  # type: ignore[attr-defined]
    return made


def _warned(table: RunTable) -> RunTable:
    """The same table, after a warning where it is not complete."""
    if table.complete:
        return table
    failed = [f"{number} failed with {kind}: {table.examples.get(kind, '')}" for kind, number in table.failures.items()]
    empty = [f"{number} rows: {why}" for why, number in table.errors.most_common(3)]
    what = "; ".join(failed or empty)
    warnings.warn(f"{table.run}: {what}. The same call asks again what failed", IncompleteWarning, stacklevel=3)
    return table
