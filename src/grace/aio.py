"""The calls of `import grace` for coroutines: `await grace.aio.ask(...)`, with the arguments of `grace.ask`.

The work goes on in a thread of its own, so the event loop is free meanwhile: `asyncio.gather` asks several models at
once. Cancelling a call lets the requests under way finish, and the same call continues later.
"""

from grace.calls import task_calls
from grace.calls.forms import awaited

__all__ = ["ask", "extract", "score"]

ask = awaited(task_calls.ask)
score = awaited(task_calls.score)
extract = awaited(task_calls.extract)
