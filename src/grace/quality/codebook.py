"""The codebook of a merged table: what every column means, its type, unit and values, and how much of it is missing."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import orjson

from grace.columns import EXTRACTED, FLAGS, INPUT, ROW_ID, SCORES_ERROR
from grace.files import replacing, sha256_of
from grace.studies.fields import Method
from grace.studies.questions import Question
from grace.studies.study import Study
from grace.version import __version__

MOST_VALUES = 20
"""Columns with more different values than this have them counted, not listed."""

TEXT, INTEGER, NUMBER = "text", "integer", "number"
_TYPES = {str: TEXT, int: INTEGER, float: NUMBER}

_OWN: dict[str, tuple[str, str, str]] = {
    ROW_ID: ("names the row: study, model, how it was asked, trial, replication and seed", TEXT, ""),
    "model_name": ("the name that the server knows the model by", TEXT, ""),
    "model_response": ("the model's raw answer; several turns one after the other", TEXT, ""),
    "response_timestamp": ("when the answer came", TEXT, "ISO 8601, UTC"),
    "processing_time_ms": ("how long the server took", INTEGER, "milliseconds"),
    "finish_reason": ("why the answer ended: stop, or length at the token limit", TEXT, ""),
    "prompt_tokens": ("length of the prompt", INTEGER, "tokens"),
    "completion_tokens": ("length of the answer", INTEGER, "tokens"),
    "replication": ("which of several independent answers to the same trial", INTEGER, ""),
    "seed": ("the answer's sampling seed", INTEGER, ""),
    "error": ("why there is no answer, or only an empty one", TEXT, ""),
    "model_reasoning": ("what the model wrote before its answer, where it reasons", TEXT, ""),
    EXTRACTED[0]: ("who found the values: rule, model or human", TEXT, ""),
    EXTRACTED[1]: ("how plainly the least plain value was said", NUMBER, "0 to 1, a grade and no probability"),
    EXTRACTED[2]: ("why fields are empty or in doubt", TEXT, ""),
    SCORES_ERROR: ("why probabilities are missing", TEXT, ""),
    FLAGS: ("names of the quality checks that flag the row, with ; between", TEXT, ""),
    "protocol": ("how the conversation was held", TEXT, ""),
    "temperature": ("of the sampling of answers", NUMBER, ""),
    "model_revision": ("which weights answered, as far as the server or the user told", TEXT, ""),
    "answers_run": ("folder of the run with the answers", TEXT, ""),
    "extraction_run": ("folder of the run with the extraction", TEXT, ""),
    "scores_run": ("folder of the run with the probabilities", TEXT, ""),
    "grace_version": ("version of Grace that asked for the answers", TEXT, ""),
}


@dataclass(frozen=True)
class Column:
    """What is known about a column before its cells are read; `values` are those that it may have, if few."""

    name: str
    about: str
    type: str
    unit: str = ""
    values: tuple[str, ...] = ()


@dataclass
class _ColumnSummary:
    """A summary of a column's cells."""

    missing: int = 0
    low: float | None = None
    high: float | None = None
    distinct: Counter[str] = field(default_factory=Counter)
    many: bool = False

    def extend(self, cells: Sequence[object]) -> None:
        present = [cell for cell in cells if cell is not None and cell != ""]
        self.missing += len(cells) - len(present)
        if numbers := [cell for cell in present if isinstance(cell, int | float)]:
            low, high = min(numbers), max(numbers)
            self.low = low if self.low is None else min(self.low, low)
            self.high = high if self.high is None else max(self.high, high)
        if not self.many:
            self.distinct.update(map(str, present))
            if len(self.distinct) > MOST_VALUES:
                self.many = True
                self.distinct.clear()


class Codebook:
    """Summarises the columns of a table while its rows are written."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self.columns = columns
        self.rows = 0
        self._cells = [_ColumnSummary() for _ in columns]

    def extend(self, rows: Sequence[Sequence[object]]) -> None:
        """Add some rows."""
        self.rows += len(rows)
        for column, cells in zip(self._cells, zip(*rows, strict=True), strict=False):
            column.extend(cells)

    def entries(self) -> list[dict[str, Any]]:
        """Every column as JSON has it."""
        return [
            {
                "name": column.name,
                "meaning": column.about,
                "type": column.type,
                "unit": column.unit or None,
                "values": list(column.values) or None,
                "missing": cells.missing,
                "missing_share": cells.missing / self.rows if self.rows else None,
                "lowest": cells.low,
                "highest": cells.high,
                "found": None if cells.many else cells.distinct,
            }
            for column, cells in zip(self.columns, self._cells, strict=True)
        ]


def describe(studies: Sequence[Study], name: str) -> Column:
    """What a column of a merged table means, by the studies' files and Grace's own words."""
    if name == EXTRACTED[0]:
        return Column(name, *_OWN[name], values=get_args(Method))
    if name in _OWN:
        return Column(name, *_OWN[name])
    if column := next(filter(None, (_of_study(study, name) for study in studies)), None):
        return column
    if name.endswith(INPUT):
        return Column(name, f"the input's own column {name.removesuffix(INPUT)}", TEXT)
    if any(name in study.turn_columns for study in studies):
        return Column(name, f"the model's raw answer in the turn {name.removeprefix('response_')}", TEXT)
    return Column(name, "a column of the input that the study does not describe", TEXT)


def _of_study(study: Study, name: str) -> Column | None:
    if name in study.columns:
        column = study.columns[name]
        return Column(name, column.about, column.type, values=tuple(map(str, column.values)))
    if study.extraction and name in study.extraction.fields:
        own = study.extraction.fields[name]
        values = tuple(map(str, own.values)) or (own.requirement,)
        return Column(name, own.about, _TYPES[own.kind], own.unit, values)
    for question in study.questions.values():
        if about := _of_question(question, name):
            return Column(name, *about)
    for measure in study.measures.values():
        columns = measure.columns
        for label, bits, words, tokens in zip(measure.labels, columns.bits, columns.words, columns.tokens, strict=True):
            meaning, kind, unit = {
                bits: ("surprisal", NUMBER, "bits"),
                words: ("surprisal of each word, with spaces between", TEXT, "bits"),
                tokens: ("tokens that have a surprisal", INTEGER, "tokens"),
            }.get(name, ("", "", ""))
            if meaning:
                return Column(name, f"{measure.name}: {meaning} of {label!r}", kind, unit)
    return None


def _of_question(question: Question, name: str) -> tuple[str, str, str] | None:
    columns = question.columns
    described = {
        columns.mean: ("mean of the distribution", "the labels' own"),
        columns.std: ("standard deviation of the distribution", "the labels' own"),
        columns.entropy: ("entropy of the distribution", "bits"),
        columns.label_mass: ("probability of all answers together, before they are normalised", "probability"),
        columns.residual: ("at most so much probability was not asked for", "probability"),
    }
    for label, own in zip(question.space.labels, columns.probabilities, strict=True):
        described[own] = f"probability of {label!r}, normalised over the answers", "probability"
    for label, own in zip(question.space.labels, columns.texts, strict=False):
        if name == own:
            return f"{question.name}: the text that counts as {label!r} in this row", TEXT, ""
    for factor, levels in columns.marginals.items():
        for level, own in levels.items():
            described[own] = f"probability of {level!r}, whatever the other parts", "probability"
        described[columns.marginal_entropies[factor]] = f"entropy over {factor}", "bits"
    if name not in described:
        return None
    about, unit = described[name]
    return f"{question.name}: {about}", NUMBER, unit


def _design(book: Codebook, study: Study) -> dict[str, Any]:
    """The columns of participants, items and conditions as they are called in the table; null for one it lacks."""
    names = [column.name for column in book.columns]

    def called(name: str | None) -> str | None:
        own = study.called(name, names) if name else None
        return own if own in names else None

    conditions = {own: study.columns.get(name) for name in (*study.design.cells, *study.vary) if (own := called(name))}
    return {
        "participant": called(study.design.participant),
        "item": called(study.design.item),
        "conditions": {name: list(map(str, column.values if column else ())) for name, column in conditions.items()},
    }


def _distributions(book: Codebook, study: Study) -> list[dict[str, str]]:
    """One entry for each label of each question whose probabilities the table has."""
    names = {column.name for column in book.columns}
    return [
        {"question": question.name, "label": label, "column": column, "label_mass": question.columns.label_mass}
        for question in study.questions.values()
        for label, column in zip(question.space.labels, question.columns.probabilities, strict=True)
        if column in names
    ]


def write_codebook(book: Codebook, out: Path, study: Study, runs: Sequence[str], tables: Sequence[Path]) -> list[Path]:
    """Write codebook.json and codebook.md into a folder, and return their paths."""
    data = {
        "study": study.name,
        "title": study.title,
        "source": study.source,
        "grace": __version__,
        "rows": book.rows,
        "runs": list(runs),
        "tables": [{"file": table.name, "sha256": sha256_of(table)} for table in tables],
        "design": _design(book, study),
        "distributions": _distributions(book, study),
        "columns": book.entries(),
    }
    paths = [out / "codebook.json", out / "codebook.md"]
    with replacing(paths[0]) as file:
        file.write(orjson.dumps(data, option=orjson.OPT_INDENT_2))
    with replacing(paths[1]) as file:
        file.write(_markdown(data).encode())
    return paths


def _markdown(data: Mapping[str, Any]) -> str:
    tables = ", ".join(f"`{table['file']}`" for table in data["tables"])
    lines = [
        f"# Codebook: {_cell(data['title'])}",
        "",
        f"{data['rows']:,} rows, {len(data['columns'])} columns: {tables}.",
        f"Made by Grace {data['grace']}.",
        "",
        *([f"Source of the study: {_cell(data['source'])}", ""] if data["source"] else []),
        "An empty cell means: missing. Each row is one answer of one model to one trial.",
        "",
        "| column | meaning | type | unit | values | missing |",
        "|---|---|---|---|---|---|",
    ]
    for column in data["columns"]:
        cells = (
            f"`{column['name']}`",
            column["meaning"],
            column["type"],
            column["unit"] or "",
            _values(column),
            "?" if column["missing_share"] is None else f"{column['missing_share']:.1%}",
        )
        lines.append("| " + " | ".join(map(_cell, cells)) + " |")
    return "\n".join([*lines, ""])


def _values(column: Mapping[str, Any]) -> str:
    """What a column holds, in few words."""
    if column["values"]:
        return ", ".join(column["values"])
    if column["lowest"] is not None:
        return f"{column['lowest']:.6g} to {column['highest']:.6g}"
    distinct = column["found"]
    if distinct is None:
        return f"more than {MOST_VALUES} different ones"
    short = [value if len(value) <= 40 else value[:39] + "…" for value in distinct]
    return ", ".join(short[:6]) + (f" and {len(short) - 6} more" if len(short) > 6 else "")


def _cell(text: str) -> str:
    """A text that cannot break out of its cell: a model's answer may be anything."""
    flat = " ".join(str(text).split())
    for mark in "\\|<>[]`" if not flat.startswith("`") else "|<>":
        flat = flat.replace(mark, "\\" + mark)
    return flat
