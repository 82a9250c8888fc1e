"""Factors that a study crosses with its trials, such as personas and wordings: each row is asked at every level."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

from pydantic import Field

from grace.studies.question_format import Name
from grace.tables import CsvTable, write_table

Levels = Annotated[dict[Name, str], Field(min_length=2)]
"""The levels of one factor by name, each with its text."""
TEXT = "_text"


def text_of(factor: str) -> str:
    """The name that the text of a factor's level has in templates."""
    return f"{factor}{TEXT}"


@contextmanager
def crossed(table: CsvTable, factors: Mapping[str, Mapping[str, str]]) -> Iterator[CsvTable]:
    """A table with each row once for every combination of levels, for the length of the block.

    The columns of the factors come last and hold the levels' names. A factor whose column the table has already is not
    crossed: its rows have their level.
    """
    absent = {name: levels for name, levels in factors.items() if name not in table.columns}
    if not absent:
        yield table
        return
    combinations = list(product(*absent.values()))
    rows = ((*cells, *levels) for cells in table.all_cells() for levels in combinations)
    with TemporaryDirectory(prefix="grace-crossed-") as folder:
        plain = Path(folder) / "table.csv"
        write_table(plain, (*table.columns, *absent), rows)
        with CsvTable(plain, "utf-8", table.path) as whole:
            whole.read_as, whole.decimal = table.read_as, table.decimal
            yield whole
