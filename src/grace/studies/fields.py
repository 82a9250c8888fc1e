"""Fields: the columns of values that a study finds in responses, and the values of one response."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from grace.studies.reading import BY_PERSON, Answer, Missing, Value
from grace.studies.reading.marks import numbers_in
from grace.studies.reading.text import plain

DOUBTFUL = 0.7
"""An extractor model or a person looks at values below this confidence."""

SENTENCE = 3
"""The fewest words that can say a choice without naming it."""
_NO_WORDS = re.compile(r"\b(?:no|none|nothing|never|not|neither|zero)\b")
_ALL_WORDS = re.compile(r"\b(?:all|each|every|everything|whole|entire|both)\b")

Method = Literal["rule", "model", "human"]
Cell = int | float | str


@dataclass(frozen=True)
class Field:
    """One column of values.

    Attributes:
        name: the column.
        about: its meaning.
        kind: int, float or str.
        reading: the reading that fills it.
        values: the closed set of its values; empty where any number between the bounds is one.
        low, high: bounds of numbers.
        also: other words for values, such as those in tables of people's annotations.
        unit: the unit of numbers, "" where there is none.
        literal: whether an answer says a value as one word of it, and not by a whole sentence.
    """

    name: str
    about: str
    kind: type
    reading: str
    values: tuple[Cell, ...] = ()
    low: float | None = None
    high: float | None = None
    also: Mapping[str, str] = field(default_factory=dict)
    literal: bool = False
    unit: str = ""

    def schema(self) -> dict[str, Any]:
        """JSON Schema of the field's value; null where there is none."""
        if self.values:
            return {"description": self.about, "enum": [*self.values, None]}
        if self.kind is str:
            return {"description": self.about, "type": ["string", "null"]}
        kind = "integer" if self.kind is int else "number"
        return {"description": self.about, "type": [kind, "null"], "minimum": self.low, "maximum": self.high}

    def parse(self, value: object) -> Cell:
        """A value from a table, a model or a person as one of the field's. Raises ValueError, which lists them."""
        if isinstance(value, bool) or value is None:
            raise ValueError(f"{value!r} is not {self.requirement}")
        if self.kind is str and not self.values:
            return str(value).strip()
        if self.kind is str:
            own = self._by_name.get(plain(str(value)).strip())
            if own is None:
                raise ValueError(f"{value!r} is not {self.requirement}")
            return own
        try:
            number = float(value.replace(",", ".") if isinstance(value, str) else value)  # type: ignore[arg-type]
        except (TypeError, ValueError):
            raise ValueError(f"{value!r} is not {self.requirement}") from None
        fits = self.low is not None and self.high is not None and self.low <= number <= self.high
        if not fits or (self.kind is int and not number.is_integer()):
            raise ValueError(f"{value!r} is not {self.requirement}")
        return int(number) if number.is_integer() else number

    @cached_property
    def _by_name(self) -> dict[str, str]:
        """The values by the words for them."""
        return {**self.also, **{plain(str(own)): str(own) for own in self.values}}

    def is_said(self, value: Cell, quote: str) -> bool:
        """Whether some words, in text as `plain` makes it, can say a value: they contain a number or word of it.

        A choice is said by its word, or by a sentence of several words. A quote in another script counts as a choice.
        """
        foreign = any(letter.isalpha() and not letter.isascii() for letter in quote)
        if isinstance(value, str) and not self.values:
            return plain(value).strip() in quote
        if isinstance(value, str):
            ways = {plain(value), *(word for word, own in self.also.items() if own == value)}
            named = any(re.search(rf"(?<![a-z]){re.escape(way)}(?![a-z])", quote) for way in ways)
            return named or foreign or (not self.literal and len(quote.split()) >= SENTENCE)
        words = _NO_WORDS if value == 0 else _ALL_WORDS if self.kind is int and value == self.high else None
        return bool(numbers_in(quote) & {value, value / 100}) or bool(words and words.search(quote))

    @property
    def requirement(self) -> str:
        """What a value has to be, in words."""
        if self.values:
            return "one of " + ", ".join(map(str, self.values))
        if self.kind is str:
            return "words of the answer"
        return f"{'a whole number' if self.kind is int else 'a number'} from {self.low:g} to {self.high:g}"


@dataclass(frozen=True)
class Extracted:
    """The values of one row's answer.

    Attributes:
        answers: for each field its value, or why it has none.
        method: who found the values.
        refused: whether the answer declines to answer.
    """

    answers: Mapping[str, Answer]
    method: Method = "rule"
    refused: bool = False

    @property
    def values(self) -> dict[str, Cell | None]:
        """The value of each field, None where there is none."""
        return {name: answer.value if isinstance(answer, Value) else None for name, answer in self.answers.items()}

    @property
    def confidence(self) -> float | None:
        """The confidence of the least plain value; None where there is no value at all."""
        return min((answer.confidence for answer in self.answers.values() if isinstance(answer, Value)), default=None)

    @property
    def errors(self) -> dict[str, str]:
        """Why fields are empty, by field."""
        return {name: answer.why for name, answer in self.answers.items() if isinstance(answer, Missing)}

    @property
    def doubts(self) -> dict[str, str]:
        """Why values are in doubt, by field."""
        return {
            name: f"in doubt: {answer.why}"
            for name, answer in self.answers.items()
            if isinstance(answer, Value) and answer.why and answer.confidence < DOUBTFUL
        }

    @property
    def open(self) -> tuple[str, ...]:
        """The fields without a value, or with one that is in doubt, but not those that only a person fills."""
        return tuple(
            name
            for name, answer in self.answers.items()
            if (answer.why != BY_PERSON if isinstance(answer, Missing) else answer.confidence < DOUBTFUL)
        )

    def cells(self) -> list[Cell | None]:
        """The row's cells: fields, method, confidence, errors."""
        confidence = self.confidence
        return [*self.values.values(), self.method, confidence, in_words(self.errors | self.doubts) or None]


def in_words(errors: Mapping[str, str]) -> str:
    """Why fields are empty or in doubt, in one line: fields with the same reason together."""
    by_reason: dict[str, list[str]] = {}
    for name, why in errors.items():
        by_reason.setdefault(why, []).append(name)
    return "; ".join(f"{', '.join(names)}: {why}" for why, names in by_reason.items())
