"""The calls of `import grace`: each waits for its result, in scripts and in notebooks."""

from grace.calls import task_calls
from grace.calls.forms import blocking

ask = blocking(task_calls.ask)
score = blocking(task_calls.score)
extract = blocking(task_calls.extract)
