"""The checks of items: small functions that look at a project's ground, each found by its name in phases.yaml.

A check takes the ground and its arguments from phases.yaml, and gives an `ItemFinding`. A new one is a function marked
`@check`, in the module of what it looks at.
"""

from collections.abc import Mapping
from typing import Any

from grace.errors import GraceError, InputError
from grace.roadmap.checks import carried, machine, made, said
from grace.roadmap.checks.finding import CHECKS, ItemFinding
from grace.roadmap.ground import Ground

__all__ = ["CHECKS", "ItemFinding", "carried", "look", "machine", "made", "said"]


def look(ground: Ground, called: Mapping[str, Mapping[str, Any]]) -> ItemFinding:
    """Run the check that an item calls. Raises InputError where phases.yaml or grace.yaml names none."""
    (name, arguments), *_ = called.items()
    if name not in CHECKS:
        raise InputError(f"roadmap: there is no check {name!r} ({', '.join(CHECKS)})")
    try:
        return CHECKS[name](ground, **arguments)
    except GraceError as error:
        return ItemFinding(False, str(error))
    except TypeError as error:
        raise InputError(f"roadmap: check {name}: {error}") from None
