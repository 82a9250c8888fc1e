"""Kubernetes quantities, as `500m`, `16Gi` or `1e3`, as numbers."""

import re

_UNITS = {"n": 1e-9, "u": 1e-6, "m": 1e-3, "": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18}
_BINARY = {f"{letter}i": 1024.0**power for power, letter in enumerate("KMGTPE", start=1)}
_FORM = re.compile(r"([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))(?:([KMGTPE]i|[numkMGTPE]?)|[eE]([+-]?[0-9]{1,3}))", re.ASCII)


def quantity(value: object) -> float | None:
    """A quantity as a number of its base unit (cores, bytes, pieces); None for a text that is not a quantity."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    match = _FORM.fullmatch(str(value).strip())
    if not match:
        return None
    number, unit, power = match.groups()
    try:
        return float(number) * (10.0 ** int(power) if power else (_UNITS | _BINARY)[unit or ""])
    except OverflowError:
        return None
