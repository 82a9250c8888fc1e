"""Thresholds: the numbers that decide what is good enough: the command's, else the study's, else the defaults."""

from collections.abc import Iterable, Mapping
from math import inf, isfinite

from grace.errors import InputError
from grace.quality.checks import CHECKS
from grace.studies.study import Study
from grace.text import did_you_mean

DEFAULTS: dict[str, float] = {
    name: value
    for check in CHECKS.values()
    for name, value in ((check.name, check.limit), *((own.name, own.default) for own in check.settings))
}
_SHARES = {"label_mass_low", "extracted_review", "extraction_doubt_below"}
_SHARES |= {check.name for check in CHECKS.values() if check.unit == "share"}


def thresholds_of(study: Study, given: Mapping[str, float] | None = None) -> dict[str, float]:
    """All thresholds by name: the defaults, replaced by the study's, and these by those given.

    Raises:
        InputError: there is no such threshold, or it cannot have that value; the message says where it was set.
    """
    _check(study.quality, f"{study.name}: quality")
    _check(given or {}, "--threshold")
    return {**DEFAULTS, **study.quality, **(given or {})}


def read_thresholds(texts: Iterable[str]) -> dict[str, float]:
    """Thresholds written as NAME=VALUE. Raises InputError."""
    given: dict[str, float] = {}
    for text in texts:
        name, sign, value = text.partition("=")
        try:
            given[name.strip()] = float(value)
        except ValueError:
            sign = ""
        if not sign:
            raise InputError(f"--threshold {text}: is not NAME=VALUE, such as truncated=0.1")
    return given


def _check(thresholds: Mapping[str, float], where: str) -> None:
    for name, value in thresholds.items():
        if name not in DEFAULTS:
            raise InputError(
                f"{where}: no threshold {name!r}{did_you_mean(name, DEFAULTS)}; `grace validate --show-thresholds` "
                "lists them"
            )
        most = 1 if name in _SHARES else inf
        if not isfinite(value) or not 0 <= value <= most:
            raise InputError(f"{where}: {name} is {value:g}; it must be {'from 0 to 1' if most == 1 else '0 or more'}")
