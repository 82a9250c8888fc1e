"""Answers to extract values from, and what `grace extract` makes of them."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from conftest import ROOT, Result, read_rows

PLAIN = "Initial Answer: 3\nProbabilities: 0: 0%, 1: 10%, 2: 20%, 3: 70%\nKnowledge: no"
"""An answer in the form that the single protocol asks for."""
FIELDS = ("Prior_A", "probability_0", "probability_1", "probability_2", "probability_3", "Knowledge_A")
VALUES = ["3", "0", "10", "20", "70", "no"]
"""What the plain answer says."""
REFUSAL = "I'm sorry, but as an AI language model I cannot answer that."


def write(path: Path, rows: Sequence[Mapping[str, object]], encoding: str = "utf-8") -> Path:
    """A CSV table of these rows, whose columns are those of the first."""
    with open(path, "w", newline="", encoding=encoding) as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return path


def trial(number: int, study: str = "study1") -> dict[str, str]:
    return dict(read_rows(ROOT / "data" / f"{study}.csv")[number])


def fields_of(row: Mapping[str, str], names: Sequence[str] = FIELDS) -> list[str]:
    return [row[name] for name in names]


def one_message(done: Result, code: int = 2) -> str:
    """The message of a command that was refused; there is one, and no traceback."""
    assert done.code == code, done
    assert done.out == ""
    [line] = [line for line in done.err.splitlines() if line.startswith("grace: ")]
    assert "defect" not in line
    return line.removeprefix("grace: ")
