"""Reading: rules that find the value of an answer in a model's prose. A value that the text does not say is missing.

A reader takes a `Text` and gives, for each of its columns, a `Value`, or `Missing` with the reason.
"""

from typing import NamedTuple, Protocol

from grace.studies.reading.text import Text

EXACT = 1.0
"""Said in the form of the question, or as the answer's first words."""
CLEAR = 0.9
"""Said in free prose, and nothing in the text contradicts it."""
IMPLIED = 0.8
"""Follows from what is said: the rest, an even split, zeros where the total is reached, words between the parts."""
DOUBT = 0.5
"""Read, but the text also says something else, or may not mean this as the answer."""


BY_PERSON = "is for a person to code"
"""The reason for a field that neither rules nor a model fill."""


class Value(NamedTuple):
    """A value, and how plainly the text says it (one of the grades above); `why` it is in doubt, where it is."""

    value: int | float | str
    confidence: float
    why: str = ""


class Missing(NamedTuple):
    """Why there is no value."""

    why: str


Answer = Value | Missing


class Reader(Protocol):
    """Finds the values of some columns in a text."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that it fills."""

    def read(self, text: Text) -> dict[str, Answer]:
        """An answer for every column."""


def doubted(value: int | float | str, why: str) -> Value:
    """A value that is in doubt, with the reason."""
    return Value(value, DOUBT, why)


def whole(value: float) -> int | float:
    """A number as an integer where it is whole, and without rounding errors of binary fractions."""
    if isinstance(value, int):
        return value
    rounded = round(value, 9)
    return int(rounded) if rounded.is_integer() else rounded
