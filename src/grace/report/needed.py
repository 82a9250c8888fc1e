"""What reports need to be installed."""

import importlib.util

from grace.analysis.analyze import check_installed
from grace.errors import InputError


def check_needed() -> None:
    """See that the analysis's packages and that of its figures are there. Raises InputError."""
    check_installed()
    if importlib.util.find_spec("matplotlib") is None:
        raise InputError("a report needs matplotlib for its figures: pip install 'grace-experiments[analysis]'")
