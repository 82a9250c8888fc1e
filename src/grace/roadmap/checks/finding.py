"""What a check finds, and the list of all checks by name."""

from collections.abc import Callable
from dataclasses import dataclass

FIRST_FEW = 2
"""The most problems that one line names."""


@dataclass(frozen=True)
class ItemFinding:
    """What a check found.

    Attributes:
        met: whether the item is proven.
        text: what was found, or what is missing.
        subject: the lineup or run that proves it, as the evidence names it.
        stale: it was proven once, and something changed since.
    """

    met: bool
    text: str
    subject: str = ""
    stale: bool = False


Check = Callable[..., ItemFinding]
CHECKS: dict[str, Check] = {}


def check(function: Check) -> Check:
    """Make a function the check of its name."""
    CHECKS[function.__name__.strip("_")] = function
    return function
