"""Checks a table against its study: columns, cells of the design, distinct stimuli, and oddities."""

import itertools
import random
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from grace.columns import ANSWER_COLUMNS, INPUT
from grace.errors import InputError, StudyError
from grace.studies.format import MISSING
from grace.studies.people import check_people
from grace.studies.questions import TABLE
from grace.studies.study import BUILT_IN, Study, load_study
from grace.tables import CsvTable

FIRST_ROWS = 5
"""How many row numbers are kept for each oddity."""
MOST_KINDS = 1000
"""How many kinds of oddities are counted separately; a column of nonsense would otherwise fill the memory."""

Cell = tuple[str, ...]
"""One combination of the design's conditions."""


@dataclass(frozen=True)
class Oddity:
    """Something odd about a table, and the rows that have it."""

    column: str
    """"" where it concerns several columns."""
    what: str
    count: int
    rows: tuple[int, ...]
    """The first of them; 1 is the row below the header."""

    def __str__(self) -> str:
        where = ", ".join(map(str, self.rows))
        more = f" and {self.count - len(self.rows):,} more" if self.count > len(self.rows) else ""
        return f"{f'{self.column} ' if self.column else ''}{self.what} (row{'s' * (self.count > 1)} {where}{more})"


@dataclass(frozen=True)
class TableReport:
    """The content of a table, compared with its study."""

    study: str
    rows: int
    names: tuple[str, ...]
    """What is odd about the names of columns, in words."""
    read_as: str
    """How its file was read, in words; empty for a plain CSV."""
    absent_columns: tuple[str, ...]
    """Optional columns that the table does not have; a required one is an error."""
    extra_columns: tuple[str, ...]
    """Columns that the study does not know; they pass through unchanged."""
    cells: dict[Cell, int]
    """Rows in each cell of the design, in the design's order; then cells that are not in the design."""
    missing_cells: tuple[Cell, ...]
    unexpected_cells: tuple[Cell, ...]
    participants: int | None
    rows_each: tuple[int, int] | None
    """Fewest and most rows of one participant."""
    items: int | None
    rows_per_item_and_cell: tuple[int, int] | None
    """Fewest and most rows of one item in one cell, among the combinations that occur."""
    stimuli: int
    """Different prompts of the default protocol; equal ones are scored only once."""
    repeats: Oddity | None
    """Rows that equal an earlier one in every cell."""
    oddities: tuple[Oddity, ...]
    """Cells outside the design and checks that fail, most frequent first."""
    design: tuple[str, ...]
    """The columns that make up a cell."""

    @property
    def ok(self) -> bool:
        """Whether nothing contradicts the study; remarks do not count."""
        return not self.problems

    @property
    def problems(self) -> tuple[str, ...]:
        """What contradicts the study, in words."""
        missing = () if self._is_small else self.missing_cells
        cells = itertools.chain(
            (f"no row has {self._name(cell)}" for cell in missing),
            (f"not in the design: {self._name(cell)} ({_rows(self.cells[cell])})" for cell in self.unexpected_cells),
        )
        return (*map(str, self.oddities), *cells)

    @property
    def _is_small(self) -> bool:
        """Whether the table is too small for the whole design, such as a sample for a first test."""
        return self.rows < len(self.cells) - len(self.unexpected_cells)

    @property
    def remarks(self) -> tuple[str, ...]:
        """Remarks that contradict nothing, in words."""
        return tuple(self._remarks())

    def _remarks(self) -> Iterator[str]:
        if self._is_small:
            yield f"{_rows(self.rows)} cannot hold the whole design: {len(self.missing_cells)} of its cells have none"
        counts = [count for cell, count in self.cells.items() if cell not in self.unexpected_cells]
        if counts and max(counts) - min(counts) > 1:  # numbers that do not divide evenly differ by one
            yield f"the cells are uneven: {min(counts):,} to {max(counts):,} rows"
        if (spread := self.rows_per_item_and_cell) and spread[1] - spread[0] > 1:
            yield f"the items are spread unevenly: {spread[0]:,} to {spread[1]:,} rows of an item in a cell"
        if (each := self.rows_each) and each[0] != each[1]:
            yield f"participants have different numbers of rows: {each[0]:,} to {each[1]:,}"
        if self.repeats:
            yield str(self.repeats)
        yield from self.names
        if self.extra_columns:
            yield f"columns that the study does not know, kept as they are: {', '.join(self.extra_columns)}"
        if self.absent_columns:
            yield f"optional columns that are not there: {', '.join(self.absent_columns)}"
        if self.read_as:
            yield f"the file is read {self.read_as}"

    def _name(self, cell: Cell) -> str:
        return ", ".join(f"{column} {value!r}" for column, value in zip(self.design, cell, strict=True))


def check_table(study: Study, table: CsvTable) -> TableReport:
    """Read every row of a table and compare it with its study.

    Memory grows with the number of distinct rows, by about a hundred bytes each.

    Raises:
        InputError: a required column is missing, or there are no rows.
        StudyError: a template or check of the study fails on a row; the message names the row.
    """
    study.check_columns(table.columns, table.path)
    check_people(study)
    renamed = check_names(table, ANSWER_COLUMNS, (*study.answer_names(()), *study.turn_columns, *TABLE))
    if not len(table):
        raise InputError(f"{table.path}: has a header and no rows")
    design = study.design
    cells: Counter[Cell] = Counter()
    participants: Counter[str] = Counter()
    items: set[str] = set()
    crossings: Counter[tuple[str, Cell]] = Counter()
    stimuli: set[int] = set()
    seen: set[int] = set()
    oddities, repeats = _OddityCounts(), _OddityCounts()
    for number, row in enumerate(table.rows(), start=1):
        try:
            full = study.complete(row, table.decimal)
            oddities.add(number, study.oddities(full, table.decimal))
            stimuli.add(hash(tuple(study.stimulus(full))))
        except StudyError as error:
            raise StudyError(f"{table.path}, row {number}: {error}") from None
        cell = tuple(full[column] for column in design.cells)
        if design.cells:
            cells[cell] += 1
        if design.participant:
            participants[full[design.participant]] += 1
        if design.item:
            items.add(full[design.item])
            if design.cells:
                crossings[full[design.item], cell] += 1
        fingerprint = hash(tuple(row.values()))
        if fingerprint in seen:
            repeats.add(number, [("", "repeats an earlier row in every cell")])
        seen.add(fingerprint)
    expected = tuple(expected_cells(study, cells))
    unexpected = tuple(sorted(set(cells) - set(expected)))
    return TableReport(
        study=study.name,
        rows=len(table),
        names=(*filter(None, [renamed]), *name_remarks(table.columns)),
        read_as=table.read_as.in_words(),
        absent_columns=tuple(name for name in study.columns if name not in table.columns),
        extra_columns=tuple(name for name in table.columns if name not in study.columns),
        cells={cell: cells[cell] for cell in (*expected, *unexpected)},
        missing_cells=tuple(cell for cell in expected if cell not in cells),
        unexpected_cells=unexpected,
        participants=len(participants) if design.participant else None,
        rows_each=_range(participants.values()),
        items=len(items) if design.item else None,
        rows_per_item_and_cell=_range(crossings.values()),
        stimuli=len(stimuli),
        repeats=next(iter(repeats.most_common()), None),
        oddities=oddities.most_common(),
        design=design.cells,
    )


def check_names(table: CsvTable, added: Collection[str], kept: Collection[str]) -> str:
    """What is done about columns that are called as those that Grace adds, in words; empty where there are none.

    Args:
        table: the trials.
        added: the columns that a command adds.
        kept: the names that columns of the trials may have; they are kept under another name, ending in _input.

    Raises:
        InputError: the table is an output itself, or has a column of such another name.
    """
    clash = set(added).intersection(table.columns)
    if clash.difference(kept) or clash.issuperset(ANSWER_COLUMNS):
        raise InputError(
            f"{table.path}: already has the column {min(clash.difference(kept) or clash)!r}, which the answers would "
            "be written to; is it an output file? Give the trials' own table as --input"
        )
    renamed = [name for name, new in zip(table.columns, table.beside(kept), strict=True) if name != new]
    if not renamed:
        return ""
    return f"Grace writes columns of these names too, so yours are kept as NAME{INPUT}: {', '.join(renamed)}"


_NAME_IT = "name its file: FILE.yaml for `grace query`, `score` and `extract`, elsewhere --study FILE.yaml"


def choose_study(name_or_path: str | None, table: CsvTable) -> Study:
    """The named study, or else the built-in one that the table's columns fit. Raises InputError."""
    return load_study(name_or_path) if name_or_path else guess_study(table.columns, table.path)


def guess_study(columns: Sequence[str], path: Path) -> Study:
    """The built-in study that a table's columns fit. Raises InputError, which says what the nearest one lacks."""
    studies = [load_study(name) for name in BUILT_IN]
    missing = {
        study.name: [name for name, column in study.columns.items() if column.required and name not in columns]
        for study in studies
    }
    nearest = min(studies, key=lambda study: len(missing[study.name]) / len(study.columns))
    if set(columns).isdisjoint(nearest.columns):
        raise InputError(f"{path}: has the columns of no built-in study; {_NAME_IT}")
    try:
        nearest.check_columns(columns, path)
    except InputError as error:
        raise InputError(f"{error}. If the table has a study of its own, {_NAME_IT}") from None
    return nearest


def sample_rows(rows: int, count: int, seed: int | None) -> Sequence[int]:
    """The numbers of a table's first `count` rows (0 is the first), of all rows, or with a seed of random rows.

    They are in the table's order.
    """
    if seed is None or count >= rows:
        return range(min(count, rows))
    return sorted(random.Random(seed).sample(range(rows), count))


def name_remarks(columns: Sequence[str]) -> Iterator[str]:
    """What is odd about the names of columns, in words: no name, or names that are hard to tell apart."""
    unnamed = [str(place) for place, name in enumerate(columns, 1) if not name.strip()]
    if unnamed and unnamed != ["1"]:  # R writes the numbers of rows there
        yield f"columns without a name, which no template reaches: {', '.join(unnamed)}"
    alike: dict[str, list[str]] = {}
    for name in columns:
        alike.setdefault("".join(name.split()).casefold(), []).append(name)
    for names in (names for names in alike.values() if len(names) > 1 and names[0].strip()):
        yield f"columns whose names differ only in capitals or spaces: {', '.join(map(repr, names))}"


class _OddityCounts:
    """Counts oddities by column and kind, while rows are read."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()
        self._rows: dict[tuple[str, str], list[int]] = {}

    def add(self, number: int, oddities: Iterable[tuple[str, str]]) -> None:
        """Count the oddities of row `number`."""
        for kind in oddities:
            if kind not in self._counts and len(self._counts) >= MOST_KINDS:
                kind = (kind[0], "has many other kinds of oddities")
            self._counts[kind] += 1
            rows = self._rows.setdefault(kind, [])
            if len(rows) < FIRST_ROWS:
                rows.append(number)

    def most_common(self) -> tuple[Oddity, ...]:
        """All oddities, most frequent first."""
        return tuple(
            Oddity(column, what, count, tuple(self._rows[column, what]))
            for (column, what), count in self._counts.most_common()
        )


def expected_cells(study: Study, counts: Mapping[Cell, int]) -> Iterator[Cell]:
    """The design's cells as the study file lists them; without a list, all combinations of its columns' values.

    A column without a list of values has those of the table.
    """
    if study.design.expect:
        for combination in study.design.expect:
            yield tuple(map(str, combination))
        return
    if not study.design.cells:
        return
    levels = []
    for place, name in enumerate(study.design.cells):
        declared = study.columns[name].values if name in study.columns else ()
        levels.append(
            [str(value) for value in declared] or sorted({cell[place] for cell in counts}.difference(MISSING))
        )
    yield from itertools.product(*levels)


def _rows(count: int) -> str:
    return f"{count:,} row{'s' * (count != 1)}"


def _range(counts: Collection[int]) -> tuple[int, int] | None:
    return (min(counts), max(counts)) if counts else None
