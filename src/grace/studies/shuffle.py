"""Shuffled options: each row has its own order of some columns, from a seed, and letters that say which is where."""

import json
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Annotated

from pydantic import BeforeValidator, Field

from grace.declared import Strict


class ShuffleSpec(Strict):
    """Columns whose texts are shown in an order of each row's own."""

    of: tuple[str, ...] = Field(min_length=2, max_length=len(ascii_uppercase))
    seed: int = 1

    def names(self, name: str) -> tuple[str, ...]:
        """What templates can use: the lines, the letter of each column, and the text at each place."""
        places = range(1, len(self.of) + 1)
        return (name, *(f"{name}_{column}" for column in self.of), *(f"{name}_{place}" for place in places))


def _as_spec(value: object) -> object:
    return {"of": value} if isinstance(value, list) else value


Shuffle = Annotated[ShuffleSpec, BeforeValidator(_as_spec)]
"""A plain list of columns, or fields."""


@dataclass(frozen=True)
class Shuffled:
    """One set of options of a study; `basis` are the columns that decide about a row's order, besides the seed."""

    study: str
    name: str
    spec: ShuffleSpec
    basis: Sequence[str]

    def cells(self, row: Mapping[str, str], missing: Iterable[str]) -> dict[str, str]:
        """The cells of a row under the names of `ShuffleSpec.names`; a column without text is not among the options."""
        shown = [column for column in self.spec.of if row[column] not in missing]
        content = json.dumps([row[column] for column in self.basis], ensure_ascii=False)
        random.Random(f"{self.spec.seed}/{self.study}/{self.name}/{content}").shuffle(shown)
        cells = dict.fromkeys(self.spec.names(self.name), "")
        placed = list(zip(ascii_uppercase, shown, strict=False))
        cells[self.name] = "\n".join(f"{letter}. {row[column]}" for letter, column in placed)
        for place, (letter, column) in enumerate(placed, 1):
            cells[f"{self.name}_{column}"] = letter
            cells[f"{self.name}_{place}"] = row[column]
        return cells
