"""The files of a comparison: compare.csv, compare.json, and compare.txt to read."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, astuple, fields
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from grace.analysis.compare import Comparison
from grace.analysis.compare_sides import Side
from grace.analysis.distances import finite
from grace.analysis.paired import ComparedNumber
from grace.analysis.references import cell_of
from grace.files import replacing
from grace.tables import write_table

COLUMNS = tuple(field.name for field in fields(ComparedNumber))
FILES = ("compare.csv", "compare.json", "compare.txt")
RULES = (
    "A question of Experiment 2 is equivalent when the 90% interval of its mean total variation ends below the margin, "
    "different when it begins above it and the noise floor, where known, is exceeded.",
    "Answers of Experiment 1 are equivalent when every share and mean lies within the margin in each condition (two "
    "one-sided tests at 5%), different when one at least differs (p below 0.05 after Holm) and does not lie within it. "
    "A value that agrees in all pairs is equivalent when there are so many stimuli that fewer than the margin differ.",
    "The whole is different when a part is, equivalent when all parts are, and else it can't be told.",
)


def write_comparison(comparison: Comparison, folder: Path) -> tuple[Path, ...]:
    """Write the three files; the same input, margin, draws and seed give the same bytes. Raises InputError."""
    paths = tuple(folder / name for name in FILES)
    write_table(paths[0], COLUMNS, ([cell_of(value) for value in astuple(row)] for row in comparison.findings))
    with replacing(paths[1]) as file:
        file.write(orjson.dumps(as_json(comparison), option=orjson.OPT_INDENT_2) + b"\n")
    with replacing(paths[2]) as file:
        file.write(("\n".join(in_words(comparison)) + "\n").encode())
    return paths


def as_json(comparison: Comparison) -> dict[str, Any]:
    """The content of compare.json; what is not defined is null."""
    return {
        "study": comparison.a.study.name,
        "a": _side(comparison.a, comparison.pairs.only_a),
        "b": _side(comparison.b, comparison.pairs.only_b),
        "paired": len(comparison.pairs.rows),
        **{name: getattr(comparison, name) for name in ("margin", "draws", "seed", "verdict", "sentence")},
        "rules": RULES,
        "notes": comparison.notes,
        "parts": [asdict(part) for part in comparison.parts],
        "findings": [
            {name: finite(value) if isinstance(value, float) else value for name, value in asdict(finding).items()}
            for finding in comparison.findings
        ],
    }


def _side(side: Side, alone: int) -> dict[str, Any]:
    return {
        "name": side.name,
        "model": side.model,
        "rows": side.frame.rows,
        "without_partner": alone,
        "noise_floor": side.floor,
    }


def in_words(comparison: Comparison) -> Iterator[str]:
    """The lines of compare.txt."""
    a, b, pairs = comparison.a, comparison.b, comparison.pairs
    yield f"{a.study.name}: {a.name} (a, model {a.model or 'not named'})"
    yield f"    against {b.name} (b, model {b.model or 'not named'}); differences are b - a"
    yield f"{len(pairs.rows)} pairs of rows; without partner: {pairs.only_a} of a, {pairs.only_b} of b"
    yield from (f"Note: {note}" for note in comparison.notes)
    for title, experiment in (("Experiment 2: distributions", "probabilities"), ("Experiment 1: answers", "answers")):
        chosen = [row for row in comparison.findings if row.experiment == experiment and not row.condition]
        if chosen:
            yield ""
            yield f"{title} (value, 90% interval; the same of one model asked twice)"
            yield from _lines(chosen)
    yield from _of_effects(comparison.findings)
    yield ""
    yield "Verdicts"
    yield from (f"  {part.of}: {part.verdict}; {part.why}" for part in comparison.parts)
    yield ""
    yield f"{comparison.verdict}: {comparison.sentence}"
    yield ""
    yield from RULES


def _lines(findings: Sequence[ComparedNumber]) -> Iterator[str]:
    wide = max(len(f"{row.of} {row.measure}") for row in findings)
    for row in findings:
        line = f"  {f'{row.of} {row.measure}':<{wide}}  {_number(row.value):>8}  {_interval(row):<20}"
        noise = f" noise {_number(row.noise)}" if np.isfinite(row.noise) else ""
        yield f"{line}{noise}{f'  ({row.reason})' if row.reason else ''}".rstrip()


def _of_effects(findings: Sequence[ComparedNumber]) -> Iterator[str]:
    sources = dict.fromkeys(row.experiment for row in findings if row.experiment.startswith("effects"))
    for source in sources:
        own = [row for row in findings if row.experiment == source]
        wide = max(len(row.of) for row in own)
        yield ""
        yield f"{source[0].upper()}{source[1:]} (contrast in a, in b, shift with its 90% interval)"
        for row in own:
            values = f"{_number(row.a):>8} {_number(row.b):>8} {_number(row.value):>8}  {_interval(row):<20}"
            yield f"  {row.of:<{wide}} {values}{f'  ({row.reason})' if row.reason else ''}".rstrip()


def _number(value: float) -> str:
    return f"{value:.3f}" if np.isfinite(value) else "-"


def _interval(row: ComparedNumber) -> str:
    return f"[{_number(row.low)}, {_number(row.high)}]" if np.isfinite(row.low) else ""
