"""Check that the packages that reports need are installed."""

import importlib.util

from grace.analysis.analyze import check_installed
from grace.errors import InputError


def check_needed() -> None:
    """Check that the analysis's packages and that of its figures are installed. Raises InputError."""
    check_installed()
    if importlib.util.find_spec("matplotlib") is None:
        raise InputError("a report needs matplotlib for its figures: pip install 'grace-experiments[analysis]'")
