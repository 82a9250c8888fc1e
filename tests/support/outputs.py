"""What a command has written, read back."""

import csv
from pathlib import Path
from typing import Any

import orjson


def rows_of(path: Path) -> list[list[str]]:
    """A CSV file's rows as they stand in it, the names of the columns first."""
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.reader(file, strict=True))


def manifest(output: Path) -> dict[str, Any]:
    """`run.json` of the run that made this table."""
    content: dict[str, Any] = orjson.loads((output.with_suffix(".run") / "run.json").read_bytes())
    return content
