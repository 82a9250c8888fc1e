"""Trials given from Python: a file's path, a pandas DataFrame, or records, each as a file that the stages read."""

import math
import numbers
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, TypeAlias

from grace.errors import GraceError, InputError
from grace.tables import write_table

if TYPE_CHECKING:
    from pandas import DataFrame

Trials: TypeAlias = "str | os.PathLike[str] | DataFrame | Iterable[Mapping[str, object]]"
"""A table's path, a DataFrame, or one mapping of column to cell for each row."""
NAME = "trials.csv"
"""What a table that was no file is called in the manifest of its run."""
GIVEN = "the trials"
"""What it is called in errors."""


@contextmanager
def trials_file(trials: Trials) -> Iterator[Path]:
    """The file with some trials for the length of the block; what is no file yet is written to a temporary one.

    Equal trials make equal files, byte for byte, so that a run continues when it is given the same again. A run keeps
    its own copy.

    Raises:
        InputError: a column has no text as its name, or a cell holds what is neither text nor number nor date.
    """
    if isinstance(trials, (str, os.PathLike)):
        yield Path(trials)
        return
    columns, rows = _of_frame(trials) if hasattr(trials, "columns") else _of_records(trials)
    with TemporaryDirectory(prefix="grace-trials-") as folder:
        path = Path(folder) / NAME
        try:
            write_table(path, columns, rows)
        except UnicodeEncodeError as error:
            raise InputError(f"{GIVEN}: hold text that is no Unicode: {error}") from None
        try:
            yield path
        except GraceError as error:
            error.args = (str(error).replace(str(path), GIVEN), *error.args[1:])
            raise


def _of_frame(frame: Any) -> tuple[list[str], list[list[str]]]:
    """The columns and rows of a DataFrame; its index is no column."""
    columns = _names(frame.columns)
    cells = []
    for place, name in enumerate(columns):
        series = frame.iloc[:, place]
        missing = series.isna().tolist()
        values = [None if absent else value for value, absent in zip(series.tolist(), missing, strict=True)]
        cells.append(_column(name, values))
    return columns, [list(row) for row in zip(*cells, strict=True)]


def _of_records(records: Iterable[Mapping[str, object]]) -> tuple[list[str], list[list[str]]]:
    """The columns and rows of records: every name that one of them has, in the order of the first use."""
    rows = [_record(row, number) for number, row in enumerate(records, 1)]
    columns = _names(dict.fromkeys(name for row in rows for name in row))
    if not columns:
        raise InputError(f"{GIVEN}: are empty; there is nothing to ask about")
    cells = [_column(name, [row.get(name) for row in rows]) for name in columns]
    return columns, [list(row) for row in zip(*cells, strict=True)]


def _record(row: object, number: int) -> Mapping[str, object]:
    """One row. Raises InputError for anything but a mapping."""
    if isinstance(row, Mapping):
        return row
    kind = type(row).__name__
    raise InputError(f"{GIVEN}: row {number} is a {kind}; give a DataFrame, a file's path, or one dict for each row")


def _names(names: Iterable[object]) -> list[str]:
    """The names of columns. Raises InputError for one that is no text."""
    listed = list(names)
    odd = next((name for name in listed if not isinstance(name, str)), None)
    if odd is not None:
        raise InputError(f"{GIVEN}: the column {odd!r} has no text as its name; rename it")
    return [str(name) for name in listed]


def _column(name: str, values: Sequence[object]) -> list[str]:
    """The cells of a column as text.

    Where cells are missing, whole numbers are written without decimals: pandas keeps such a column as floats.
    """
    floats = [value for value in values if isinstance(value, float) and not math.isnan(value)]
    whole = len(floats) < len(values) and all(map(float.is_integer, floats))
    return [_cell(value, whole, f"row {row}, column {name!r}") for row, value in enumerate(values, 1)]


def _cell(value: object, whole: bool, place: str) -> str:
    match value:
        case None:
            return ""
        case str():
            return str(value)
        case bool():
            return str(value)
        case numbers.Integral():
            return str(int(value))
        case numbers.Real():
            number = float(value)
            if math.isnan(number):
                return ""
            return str(int(number)) if whole and number.is_integer() else repr(number)
        case date() | time():
            return str(value)
    raise InputError(f"{GIVEN}, {place}: holds a {type(value).__name__}; write it as text or as a number")
