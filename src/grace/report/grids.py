"""Grids: tables of text as a reader sees them, made from the cells of the analysis's tables."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from grace.analysis.analyze import Table
from grace.columns import MODEL

Record = Mapping[str, object]
"""A row of a table by column."""
Records = Sequence[Record]
Key = tuple[object, ...]


@dataclass(frozen=True)
class Grid:
    """A table to be read.

    Attributes:
        name: of its file and its place in the page, as study1-anova.
        title: its caption.
        head: of the columns.
        rows: of texts, each as long as the head.
        labels: so many first columns say what a row is about.
        note: below it.
    """

    name: str
    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    labels: int = 1
    note: str = ""

    @property
    def without_empty_columns(self) -> "Grid":
        """The same without columns that have no text in any row."""
        kept = [place for place in range(len(self.head)) if place < self.labels or any(row[place] for row in self.rows)]
        return Grid(
            self.name,
            self.title,
            tuple(self.head[place] for place in kept),
            tuple(tuple(row[place] for place in kept) for row in self.rows),
            self.labels,
            self.note,
        )


def records(table: Table | None) -> list[dict[str, object]]:
    """The rows of a table by column; none where there is no table."""
    if table is None:
        return []
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows]


def table_of(rows: Iterable[Record], columns: Sequence[str]) -> Table:
    """A table from rows by column; what a row lacks is empty."""
    return Table(tuple(columns), tuple(tuple(row.get(name) for name in columns) for row in rows))


def models_of(rows: Records) -> list[str]:
    """The models of some rows, in their order; "" where they name none."""
    return list(dict.fromkeys(str(row.get(MODEL) or "") for row in rows))


def model_of(row: Record) -> str:
    """The model of a row."""
    return str(row.get(MODEL) or "")


def pivot(
    rows: Records, keys: Sequence[str], across: str, cell: Callable[[Record], str], levels: Sequence[object]
) -> list[tuple[Key, list[str], list[Record]]]:
    """Rows put side by side: for each key its cells, one for each level of a column, and the rows that they are of."""
    groups: dict[Key, dict[object, Record]] = {}
    for row in rows:
        groups.setdefault(tuple(row.get(name) for name in keys), {})[row[across]] = row
    return [
        (key, [cell(own[level]) if level in own else "" for level in levels], list(own.values()))
        for key, own in groups.items()
    ]


def named(keys: Sequence[str], several: bool) -> tuple[str, ...]:
    """The columns that say what a row is about: the model too, where there are several."""
    return (MODEL, *keys) if several else tuple(keys)


def texts(key: Key) -> tuple[str, ...]:
    """A row's labels."""
    return tuple("" if part is None else str(part) for part in key)


HEADS = {MODEL: "model", "goal": "goal", "state": "hearts", "access": "access", "word": "word", "question": "question"}


def heads(keys: Sequence[str]) -> tuple[str, ...]:
    """What columns are called for readers."""
    return tuple(HEADS.get(name, name) for name in keys)
