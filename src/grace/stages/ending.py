"""The ending of a visit, as a pod's status shows it: how many requests ended how, and what was wrong."""

import os
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from grace.stages.session import RequestCounts
from grace.stages.task import TaskOutcome
from grace.stages.visit_file import ENDING
from grace.text import shortened

MOST_ERRORS = 6
MOST_TEXT = 400
"""Characters of an error: a pod's status has room for 4,096 bytes."""


@dataclass(frozen=True)
class VisitEnding:
    """How a visit ended.

    Attributes:
        requests: those of its last session, by how they ended.
        errors: what was wrong, each once.
    """

    requests: RequestCounts = field(default_factory=RequestCounts)
    errors: tuple[str, ...] = ()

    @classmethod
    def read(cls, text: str) -> "VisitEnding":
        """From a pod's status, which anybody may have written; what is no ending has no requests and no errors."""
        try:
            content = orjson.loads(text)
            failures = Counter({str(kind): int(number) for kind, number in content["failed"].items()})
            errors = tuple(str(each) for each in content["errors"])
            return cls(RequestCounts(int(content["finished"]), failures), errors)
        except (ValueError, LookupError, TypeError, AttributeError):
            return cls()


def leave_ending(outcomes: Sequence[TaskOutcome[Any]]) -> None:
    """Write the ending of these tasks where the environment says. What cannot be written is of no consequence."""
    path = os.environ.get(ENDING)
    if not path:
        return
    failures = sum((outcome.requests.failures for outcome in outcomes), Counter[str]())
    errors = dict.fromkeys(shortened(str(outcome.error), MOST_TEXT) for outcome in outcomes if outcome.error)
    content = {
        "finished": sum(outcome.requests.finished for outcome in outcomes),
        "failed": dict(failures),
        "errors": list(errors)[:MOST_ERRORS],
    }
    with suppress(OSError):
        Path(path).write_bytes(orjson.dumps(content))
