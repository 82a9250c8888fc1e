"""Packages of Grace's extras: what is not installed is said before any work begins."""

import importlib.util
from collections.abc import Iterable

from grace.errors import InputError

STATISTICS = ("numpy", "scipy")
FIGURES = (*STATISTICS, "matplotlib")


def check_installed(what: str, packages: Iterable[str], extra: str, otherwise: str = "") -> None:
    """Check that packages are installed.

    Args:
        what: needs them, with its verb, as "an archive needs".
        packages: their names for `import`.
        extra: of Grace, which brings them.
        otherwise: the rest of the message: what can be done without.

    Raises:
        InputError: some are not installed; the message names these and the extra.
    """
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(f"{what} {', '.join(missing)}: pip install 'grace-experiments[{extra}]'{otherwise}")


def check_analysis(figures: bool = True) -> None:
    """Check that the packages of an analysis are installed. Raises InputError."""
    check_installed("the analysis needs", FIGURES if figures else STATISTICS, "analysis")
