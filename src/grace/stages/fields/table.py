"""The table of extraction: every row of the answers' table with its values."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from grace.columns import EXTRACTED
from grace.errors import InputError
from grace.progress import Progress
from grace.runs import Run
from grace.stages.fields.records import FieldRecords, Rows, all_rows, extractor_of
from grace.studies.extraction import Extraction
from grace.studies.fields import DOUBTFUL, Cell
from grace.studies.study import Study
from grace.tables import CsvTable, write_table

BATCH = 200
"""How many rows are read between two signs of progress."""
NOTHING = ("", "NA")
"""What people write where they found no value."""


@dataclass
class Agreement:
    """How often two readings of a field agree: rows in which both give a value, the same value, or only one does."""

    compared: int = 0
    equal: int = 0
    one_only: int = 0

    def add(self, one: Cell | None, other: Cell | None) -> None:
        """Compare two readings."""
        if one is None or other is None:
            self.one_only += (one is None) != (other is None)
            return
        self.compared += 1
        self.equal += one == other


@dataclass(frozen=True)
class ExportedFields:
    """What a table of values holds.

    Attributes:
        lacking: for each field, how many rows have no value.
        methods: how many rows were read by each method.
        whole: how many rows have all fields.
        doubtful: how many rows have a value of low confidence.
        reasons: why rows lack fields, by the reason's text.
        with_input: agreement with the input's own columns of the same names.
        unmatched: how many decisions of people belong to no row of the table.
    """

    path: Path
    rows: int
    lacking: Counter[str]
    methods: Counter[str]
    whole: int
    doubtful: int
    reasons: Counter[str]
    with_input: dict[str, Agreement]
    unmatched: int = 0


def output_columns(extraction: Extraction, table: CsvTable) -> tuple[str, ...]:
    """The columns of the values' table: the input's, renamed where a field has their name, and the fields.

    Raises:
        InputError: the input is such a table itself, or also has a column of the new name.
    """
    if set(EXTRACTED) <= set(table.columns):
        raise InputError(
            f"{table.path}: is a table that `grace extract` made; give the table of raw answers as --input"
        )
    return (*table.beside(extraction.columns), *extraction.columns)


def export_fields(
    run: Run, output: Path, table: CsvTable, study: Study, progress: Progress | None = None
) -> ExportedFields:
    """Write the values' table of an extraction: the rows of its input, in their order, without asking a model."""
    rows = Rows(study, table.columns)
    extraction = rows.extraction
    columns = output_columns(extraction, table)
    annotated = [name for name in extraction.fields if name in table.columns]
    lacking: Counter[str] = Counter(dict.fromkeys(extraction.fields, 0))
    counts = ExportedFields(output, 0, lacking, Counter(), 0, 0, Counter(), {name: Agreement() for name in annotated})
    whole = doubtful = 0
    matched: set[str] = set()

    def cells(records: FieldRecords) -> Iterator[list[object]]:
        nonlocal whole, doubtful
        if progress:
            progress.begin(len(table), 0, "rows")
        for number, (given, row, answered, read) in enumerate(all_rows(rows, records, table), 1):
            values = read.values
            counts.methods[read.method] += 1
            absent = [name for name, value in values.items() if value is None]
            whole += not absent
            if absent:
                counts.lacking.update(absent)
                counts.reasons.update(set(read.errors.values()))
            doubtful += (read.confidence or 1) < DOUBTFUL
            if read.method == "human":
                matched.add(answered.key)
            for name in annotated:
                theirs = _annotated(extraction, name, row[name])
                if theirs is not None or row[name].strip() in NOTHING:
                    counts.with_input[name].add(values[name], theirs)
            yield [*given, *read.cells()]
            if progress and (number % BATCH == 0 or number == len(table)):
                progress.advance(False, number % BATCH or BATCH)

    with FieldRecords.read(run, extraction, extractor_of(run)) as records:
        written = write_table(output, columns, cells(records), extraction.kinds)
        unmatched = records.decisions - len(matched)
    return replace(counts, rows=written, whole=whole, doubtful=doubtful, unmatched=unmatched)


def _annotated(extraction: Extraction, name: str, cell: str) -> Cell | None:
    """The value that a person wrote into the input; None for anything else, such as a guess with a question mark."""
    try:
        return extraction.fields[name].parse(cell.strip())
    except ValueError:
        return None
