"""Grids: tables of text as a reader sees them, made from the cells of the analysis's tables."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from grace.analysis.analyze import Table
from grace.analysis.names import REPEATED, TestName
from grace.columns import MODEL
from grace.report.numbers import is_known, whole

Record = Mapping[str, object]
"""A row of a table by column."""
Records = Sequence[Record]
Line = TypeVar("Line")


@dataclass(frozen=True)
class Grid:
    """A table for readers.

    Attributes:
        name: that of its file and of its place in the page, such as study1-anova.
        title: its caption.
        head: the heads of the columns.
        rows: rows of texts, each as long as the head.
        labels: how many of the first columns say what a row is about.
        note: the note below it.
        experiment: the one that its numbers are from, 1 or 2.
    """

    name: str
    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    labels: int = 1
    note: str = ""
    experiment: int = 1


def records(table: Table | None) -> list[dict[str, object]]:
    """The rows of a table by column; none where there is no table."""
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows] if table else []


def table_of(rows: Iterable[Record], columns: Sequence[str]) -> Table:
    """A table from rows by column; what a row lacks is empty."""
    return Table(tuple(columns), tuple(tuple(row.get(name) for name in columns) for row in rows))


def models_of(rows: Records) -> list[str]:
    """The models of some rows, in their order; "" where they name none."""
    return list(dict.fromkeys(map(model_of, rows)))


def model_of(row: Record) -> str:
    """The model of a row."""
    return str(row.get(MODEL) or "")


def rows_of(rows: Iterable[Record], model: str) -> list[Record]:
    """The rows about a model."""
    return [row for row in rows if model_of(row) == model]


def named(keys: Sequence[str], several: bool) -> tuple[str, ...]:
    """The columns that say what a row is about: the model too, where there are several."""
    return (MODEL, *keys) if several else tuple(keys)


HEADS = {MODEL: "model", "state": "hearts"}
"""Columns of tables that have other names for readers."""


def heads(keys: Sequence[str]) -> tuple[str, ...]:
    """Names of columns for readers."""
    return tuple(HEADS.get(name, name) for name in keys)


def texts_of(*keys: str) -> dict[str, Callable[[Record], str]]:
    """Columns of a list that show a cell as it is."""
    return {HEADS.get(key, key): lambda row, key=key: "" if row[key] is None else str(row[key]) for key in keys}  # type: ignore[misc]


def listing(
    name: str,
    title: str,
    lines: Collection[Line],
    columns: Mapping[str, Callable[[Line], str]],
    labels: int,
    note: str = "",
    experiment: int = 1,
) -> Iterator[Grid]:
    """A grid with a row for each line; there is none without lines.

    `columns` gives for each head the cell of a line; columns that are empty in all rows are left out.
    """
    cells = {head: [cell(line) for line in lines] for head, cell in columns.items()}
    kept = {head: column for place, (head, column) in enumerate(cells.items()) if place < labels or any(column)}
    if rows := tuple(zip(*kept.values(), strict=True)):
        yield Grid(name, title, tuple(kept), rows, labels, note, experiment)


def spread(
    name: str,
    title: str,
    rows: Records,
    keys: Sequence[str],
    across: str,
    levels: Mapping[int, str] | Mapping[str, str],
    cell: Callable[[Record], str],
    ends: Mapping[str, Callable[[Record], str]],
    note: str = "",
    experiment: int = 1,
) -> Iterator[Grid]:
    """A grid of rows put side by side; there is none without rows.

    `keys` are the columns that say what a line is about, `across` is the column whose `levels`, each with its head,
    are side by side, `ends` are the last columns, from the first row of a line.
    """
    groups: dict[tuple[str, ...], dict[object, Record]] = {}
    for row in rows:
        key = tuple("" if (part := row.get(name)) is None else str(part) for name in keys)
        groups.setdefault(key, {})[row[across]] = row
    if not groups:
        return
    lines = []
    for key, own in groups.items():
        cells = (cell(own[level]) if level in own else "" for level in levels)
        first = next(iter(own.values()))
        lines.append((*key, *cells, *(end(first) for end in ends.values())))
    yield Grid(name, title, (*heads(keys), *levels.values(), *ends), tuple(lines), len(keys), note, experiment)


def quantities(
    name: str,
    title: str,
    rows: Records,
    factors: Sequence[str],
    columns: Mapping[str, str],
    cell: Callable[[Record], str],
) -> Iterator[Grid]:
    """Some quantities of distributions.csv by condition, of the models that have any; `columns` has their heads."""
    own = [row for row in rows if row["quantity"] in columns]
    models = {model_of(row) for row in own if is_known(row["mean"])}
    own = [row for row in own if model_of(row) in models]
    keys = named(factors, len(models_of(rows)) > 1)
    ends = {"stimuli": lambda row: whole(row["n"])}
    yield from spread(name, title, own, keys, "quantity", columns, cell, ends, experiment=2)


@dataclass(frozen=True)
class ReportedTest:
    """A test of a model.

    Attributes:
        of: what it tests, as in its name.
        row: its row of tests.csv.
        by_stimulus: the row of the same test in which each stimulus counts once; empty where there is none.
        repeated: that of the same test with repeated measures of stimuli; empty where there is none.
        people: the published row of the same test; empty where there is none.
    """

    of: object
    row: Record
    by_stimulus: Record
    repeated: Record
    people: Record

    @property
    def lead(self) -> Record:
        """The row that counts: of stimuli, not of rows, which are not independent; by row where there is no other."""
        others = [row for row in (self.repeated, self.by_stimulus) if row]
        return next((row for row in others if is_known(row["p"])), others[0] if others else self.row)


def of_tests(
    name: str,
    title: str,
    tests: Collection[ReportedTest],
    columns: Mapping[str, Callable[[ReportedTest], str]],
    several: bool,
    experiment: int = 1,
) -> Iterator[Grid]:
    """A grid with a row for each test, its model in front where there are several, and its note at the end."""
    model = {"model": lambda test: model_of(test.row)} if several else {}
    note = {"note": lambda test: str(test.row["note"] or "")}
    return listing(name, title, tests, {**model, **columns, **note}, 1 + several, experiment=experiment)


def reported_tests(tests: Records, kind: str, of: Iterable[object], people: Records = ()) -> list[ReportedTest]:
    """The tests of a kind, model by model, in the order of what they test."""
    by_name = {(model_of(row), str(row["test"])): row for row in tests}
    published = {str(row["test"]): row for row in people}
    subjects = list(of)
    return [
        ReportedTest(
            subject,
            row,
            by_name.get((model, str(TestName(kind, subject, by_stimulus=True))), {}),
            by_name.get((model, str(TestName(REPEATED, subject))), {}),
            published.get(name, {}),
        )
        for model in models_of(tests)
        for subject in subjects
        if (row := by_name.get((model, name := str(TestName(kind, subject)))))
    ]
