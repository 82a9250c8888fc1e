"""The keys of endpoints: they stand in environment variables, and nowhere else."""

import os

from grace.errors import InputError


def read_key(variable: str | None) -> str | None:
    """The key in an environment variable; None where none is named. Raises InputError when it is not set."""
    if variable is None:
        return None
    key = os.environ.get(variable, "").strip()
    if not key:
        raise InputError(f"--api-key-env {variable}: no such environment variable is set")
    return key
