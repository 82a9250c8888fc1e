"""Values that an extraction's table has already: taken where the table is proven to be what reading again would make.

The manifest of an extraction notes the digest of its table and that of all that the table was made of: the study, the
ledger, the extractor and the rules themselves. A row's values count where both digests are those of now and the row's
other cells are, one by one, those that are asked about. Everything else is read again.
"""

import csv
import hashlib
import io
from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from pathlib import Path

from grace.files import sha256_of
from grace.ledger import request_key
from grace.manifest import TableFacts
from grace.runs import Run
from grace.studies.extraction import Extraction
from grace.studies.fields import Cell
from grace.studies.study import Study
from grace.version import __version__

RULES = ("studies", "stages/fields", "json_text.py", "text.py", "tables.py", "columns.py")
"""The parts of this package on which the values that are read in an answer depend."""
REPEATED = 2**16
"""So many numbers are kept as they were read."""


def note_table(run: Run, table: Path, study: Study) -> None:
    """Note in an extraction's manifest that this table was just made of it. The caller holds the run's lock."""
    made_of = _made_of(run, study)
    run.manifest.table = TableFacts(sha256=sha256_of(table), made_of=made_of) if made_of else None
    run.save()


def known_values(
    run: Run, table: Path, study: Study, columns: Sequence[str], extraction: Extraction
) -> "KnownValues | None":
    """The values in an extraction's table; None where it is not proven to be what reading again would make.

    Args:
        run: the extraction.
        table: its table.
        study: its study.
        columns: those of the answers that are asked about.
        extraction: what is read in them.
    """
    facts = run.manifest.table
    if facts is None or table.suffix.lower() != ".csv" or facts.made_of != _made_of(run, study):
        return None
    try:
        file = open(table, "rb")  # noqa: SIM115 - closed by KnownValues, or below
    except OSError:
        return None
    if hashlib.file_digest(file, "sha256").hexdigest() != facts.sha256:
        file.close()
        return None
    file.seek(0)
    known = KnownValues(file, columns, extraction)
    if not known.fits:
        known.close()
        return None
    return known


class KnownValues:
    """The rows of a table of values, which are asked for in their order.

    Attributes:
        fits: whether the table has these columns and fields.
    """

    def __init__(self, file: io.BufferedReader, columns: Sequence[str], extraction: Extraction) -> None:
        self._text = io.TextIOWrapper(file, encoding="utf-8", newline="")
        self._rows: Iterator[list[str]] = csv.reader(self._text)
        kinds = extraction.kinds
        self._numbers = [name in kinds for name in extraction.columns]
        self._width = len(columns)
        self.fits = next(self._rows, None) == [*columns, *extraction.columns]

    def next(self, given: Sequence[str]) -> list[Cell | None] | None:
        """The values of the table's next row, as `Extracted.cells` gives them; None unless it is this row.

        `given` are the cells of the answer's row, as they are written.
        """
        row = next(self._rows, None)
        if row is None or row[: self._width] != given:
            return None
        values: list[Cell | None] = []
        for text, number in zip(row[self._width :], self._numbers, strict=True):
            value = (_number(text) if number else text) if text else None
            if value is None and text:
                return None
            values.append(value)
        return values

    def close(self) -> None:
        """Close the table."""
        self._text.close()


@lru_cache(REPEATED)
def _number(text: str) -> Cell | None:
    """The number that was written as this text; None where no number is written so."""
    for kind in (int, float):
        try:
            if str(value := kind(text)) == text:
                return value
        except ValueError:
            continue
    return None


def _made_of(run: Run, study: Study) -> str | None:
    """A digest of all that an extraction's table is made of, besides the answers; None where it cannot be known."""
    rules = _rules()
    ledger = sha256_of(run.ledger) if run.ledger.exists() else ""
    extractor = run.manifest.extractor
    asked = extractor.as_json() if extractor else None
    return rules and request_key(rules, study.sha256, ledger, asked)


@cache
def _rules() -> str | None:
    """A digest of the code that reads answers; None where its source is not there."""
    package = Path(__file__).parents[2]
    digest = hashlib.sha256(__version__.encode())
    for part in (package / name for name in RULES):
        files = sorted(part.rglob("*.py")) if part.is_dir() else [part]
        if not files or not all(file.is_file() for file in files):
            return None
        for file in files:
            digest.update(f"\0{file.relative_to(package).as_posix()}\0".encode() + file.read_bytes())
    return digest.hexdigest()
