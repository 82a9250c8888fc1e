"""A run as a table in Python: rows as dicts, or a pandas DataFrame, with numbers as numbers."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from html import escape
from os import PathLike
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from grace.columns import ANSWER_KINDS, ERROR
from grace.errors import InputError
from grace.manifest import EXTRACT, GENERATE, SCORE
from grace.runs import Run
from grace.stages.export import export_run
from grace.stages.records import study_of
from grace.stages.related import table_of
from grace.stages.scores.table import score_kinds
from grace.studies.study import Study
from grace.table_files import open_table
from grace.tables import is_ambiguous, number_text

if TYPE_CHECKING:
    from pandas import DataFrame

Cell = str | int | float | None
SHOWN = 5
"""Rows that a notebook shows of a table."""


class IncompleteWarning(UserWarning):
    """Some requests failed, or some answers are empty: the table says so in its column `error`."""


@dataclass(frozen=True)
class RunTable:
    """What a run holds, as a table: one row for each row asked about, and each replication of it.

    Attributes:
        run: the run's folder.
        path: the table that belongs to it; `load_run` does not write it.
        experiment: "generate" (answers), "score" (probabilities) or "extract" (values read from answers).
        study: the study's name.
        model: the model's name; None for values.
        columns: the names of the columns, as `grace export` writes them.
        failures: how many requests of this call failed, by kind.
        examples: for each kind of failure, the first message.
    """

    run: Path
    path: Path
    experiment: str
    study: str
    model: str | None
    columns: tuple[str, ...]
    failures: Mapping[str, int] = field(default_factory=dict)
    examples: Mapping[str, str] = field(default_factory=dict)
    _cells: tuple[Sequence[Cell], ...] = field(default=(), repr=False, compare=False)
    _study: Study | None = field(default=None, repr=False, compare=False)

    def __len__(self) -> int:
        """How many rows it has."""
        return len(self._cells[0]) if self._cells else 0

    @property
    def errors(self) -> Counter[str]:
        """How many rows have no answer, by the reason; the values that an extraction lacks are not among them."""
        if ERROR not in self.columns or self.experiment == EXTRACT:
            return Counter()
        return Counter(str(cell) for cell in self._cells[self.columns.index(ERROR)] if cell is not None)

    @property
    def complete(self) -> bool:
        """Whether every row has its answer, and no request failed."""
        return not self.errors and not self.failures

    def to_dicts(self) -> list[dict[str, Cell]]:
        """The rows, each by column. A number is a number, and an empty cell is None."""
        return [dict(zip(self.columns, row, strict=True)) for row in zip(*self._cells, strict=True)]

    def to_pandas(self) -> "DataFrame":
        """The rows as a DataFrame: numbers as int64, Int64 (where some are missing) or float64, all else as text.

        Raises:
            InputError: pandas is not installed.
        """
        pandas = _pandas()
        series = {
            name: pandas.Series(list(cells), dtype=_dtype(cells))
            for name, cells in zip(self.columns, self._cells, strict=True)
        }
        return pandas.DataFrame(series, columns=list(self.columns))

    def probabilities(self) -> list[dict[str, Cell]]:
        """The distributions of a table of probabilities in long form: one dict for each row, question and label.

        Keys: `row` (the row of this table, 1 is the first), `question`, `label`, `probability`, `label_mass`. Rows
        that were not scored are left out. `pandas.DataFrame(table.probabilities())` makes a frame of them.

        Raises:
            InputError: the run holds no probabilities.
        """
        if self.experiment != SCORE or self._study is None:
            raise InputError(f"{self.run}: holds no probabilities; `grace score` measures them")
        return list(self._long(self._study))

    def _long(self, study: Study) -> Iterator[dict[str, Cell]]:
        by_name = dict(zip(self.columns, self._cells, strict=True))
        for row in range(len(self)):
            for name, question in study.questions.items():
                mass = by_name[question.columns.label_mass][row]
                for label, column in zip(question.space.labels, question.columns.probabilities, strict=True):
                    probability = by_name[column][row]
                    if probability is not None:
                        yield {
                            "row": row + 1,
                            "question": name,
                            "label": label,
                            "probability": probability,
                            "label_mass": mass,
                        }

    def _repr_html_(self) -> str:
        """The first rows, for notebooks."""
        head = "".join(f"<th>{escape(name)}</th>" for name in self.columns)
        rows = zip(*(cells[:SHOWN] for cells in self._cells), strict=True)
        body = "".join(f"<tr>{''.join(map(_shown, row))}</tr>" for row in rows)
        return f"<p>{escape(self._summary)}</p><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

    @cached_property
    def _summary(self) -> str:
        model = f" of {self.model}" if self.model else ""
        return f"{self.run}: {len(self)} rows, {self.experiment}{model}, study {self.study}"


def load_run(path: str | PathLike[str]) -> RunTable:
    """Read a run from its ledger, as `grace export` does. No model is asked, and nothing is written.

    Rows that were not asked yet, or not answered, are there, with the reason in `error`.

    Args:
        path: the run's folder, or the table that belongs to it: `outputs/answers.run` or `outputs/answers.csv`.

    Raises:
        InputError: there is no run, or it was changed since it began.
        LedgerCorrupt: its ledger holds a line that is no record.
    """
    place = Path(path)
    run = Run(place) if Run(place).exists or place.suffix == ".run" else Run.beside(place)
    _ = run.identity  # says so where it is no run
    study = study_of(run)
    with TemporaryDirectory(prefix="grace-run-") as folder:
        copy = Path(folder) / "table.csv"
        export_run(run, copy, study)
        return read_run_table(run, copy, study, table_of(run))


def read_run_table(run: Run, table: Path, study: Study, path: Path, **facts: Any) -> RunTable:
    """Read the table that was made from a run; it belongs at `path`."""
    given, own = _input_kinds(study), _kinds(run, study)
    with open_table(table) as opened:
        columns = opened.columns
        texts = list(zip(*opened.all_cells(), strict=True)) or [()] * len(columns)
    identity = run.identity
    decimal = identity.input.read_as.get("decimal")
    return RunTable(
        run=run.path,
        path=path,
        experiment=identity.experiment,
        study=identity.study,
        model=str(identity.model["name"]) if identity.model else None,
        columns=columns,
        _cells=tuple(
            _typed(cells, own[name], ".") if name in own else _typed(cells, given.get(name, str), decimal)
            for name, cells in zip(columns, texts, strict=True)
        ),
        _study=study,
        **facts,
    )


def _kinds(run: Run, study: Study) -> dict[str, type]:
    """The type of those of Grace's columns that hold numbers."""
    experiment = run.identity.experiment
    if experiment == GENERATE:
        return dict(ANSWER_KINDS)
    if experiment == SCORE:
        return score_kinds(study)
    fields = study.extraction.kinds if study.extraction else {}
    return {**ANSWER_KINDS, **fields}


def _input_kinds(study: Study) -> dict[str, type]:
    types: dict[str, type] = {"integer": int, "number": float}
    return {name: types[column.type] for name, column in study.columns.items() if column.type in types}


def _typed(texts: Sequence[str], kind: type, decimal: str | None) -> Sequence[Cell]:
    """Cells as what they are; a column with a cell that is not of its kind, or may be two numbers, stays text."""
    if kind is not str and not any(is_ambiguous(text, decimal) for text in texts):
        try:
            return [kind(number_text(text, kind is int, decimal)) if text else None for text in texts]
        except ValueError:
            pass
    return [text or None for text in texts]


def _dtype(cells: Sequence[Cell]) -> str | None:
    kinds = {type(cell) for cell in cells if cell is not None}
    if kinds == {int}:
        return "int64" if None not in cells else "Int64"
    return "float64" if kinds == {float} else None


def _shown(cell: Cell) -> str:
    return f"<td>{'' if cell is None else escape(str(cell))}</td>"


def _pandas() -> Any:
    try:
        import pandas
    except ImportError:
        raise InputError(
            "to_pandas: needs pandas, which is not installed: pip install 'grace-experiments[analysis]', or use "
            "to_dicts()"
        ) from None
    return pandas
