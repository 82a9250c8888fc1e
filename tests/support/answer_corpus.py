"""Corpora of answers with the values that a careful person enters: how many readings find, and which they make up.

A corpus is a file of JSON lines. Each has the reading (`read`, as in a study file), the answer as a model wrote it with
its finish reason, the person's value (an object by label for shares, null where there is none), and whether the person
was sure. `python tests/support/answer_corpus.py FILE ...` prints a report.
"""

import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from grace.studies.extraction import Extraction
from grace.studies.reading import CLEAR, Answer, Missing, Value
from grace.studies.study import parse_study


@dataclass(frozen=True)
class Outcome:
    """What rules find in one answer of a corpus.

    Attributes:
        case: the line of the corpus.
        expected: the person's value of each column.
        found: what rules find, for the same columns.
    """

    case: dict[str, Any]
    expected: dict[str, Any]
    found: dict[str, Answer]

    @property
    def has_value(self) -> bool:
        """Whether a person found a value, and was sure of it."""
        return self.case["value"] is not None and bool(self.case["sure"])

    @property
    def is_found(self) -> bool:
        """Whether every column has the person's value, at any confidence, and none where the person has none."""
        return all(
            self.expected[name] is None if isinstance(answer, Missing) else self._fits(name)
            for name, answer in self.found.items()
        )

    @property
    def plain(self) -> list[str]:
        """The columns with a value of confidence 0.9 or more."""
        return [name for name, answer in self.found.items() if isinstance(answer, Value) and answer.confidence >= CLEAR]

    @property
    def false(self) -> list[str]:
        """Those of them whose value is not the person's."""
        return [name for name in self.plain if not self._fits(name)]

    @property
    def in_words(self) -> str:
        """What was found, in one line."""
        return ", ".join(
            f"{name}: {answer.why}" if isinstance(answer, Missing) else f"{name}={answer.value!r} ({answer.confidence})"
            for name, answer in self.found.items()
        )

    def _fits(self, name: str) -> bool:
        answer, expected = self.found[name], self.expected[name]
        if not isinstance(answer, Value) or expected is None:
            return False
        if isinstance(expected, str) or isinstance(answer.value, str):
            return answer.value == expected
        return abs(answer.value - float(expected)) < 1e-9


@dataclass(frozen=True)
class Measured:
    """Counts over some answers: with a sure value, found ones of them, plain values, and right ones of them."""

    values: int
    found: int
    plain: int
    right: int

    @property
    def recall(self) -> float:
        """The share of answers with a value that are found."""
        return self.found / self.values if self.values else 1.0

    @property
    def precision(self) -> float:
        """The share of plain values that are right."""
        return self.right / self.plain if self.plain else 1.0

    def __str__(self) -> str:
        return (
            f"recall {self.found}/{self.values} = {self.recall:.1%}, "
            f"precision {self.right}/{self.plain} = {self.precision:.1%}"
        )


def outcomes(path: Path) -> Iterator[Outcome]:
    """What rules find in every answer of a corpus, as `extract` reads it."""
    for line in path.read_text(encoding="utf-8").splitlines():
        case = json.loads(line)
        own = _extraction(json.dumps(case["read"], ensure_ascii=False))
        read = own.read({"r": case["answer"]}, case["finish_reason"] == "length").answers
        columns = list(read)[:1] if case["read"]["read"] == "text" else list(read)
        yield Outcome(case, _expected(case, columns), {name: read[name] for name in columns})


def measured(all_of: Sequence[Outcome]) -> Measured:
    """Counts over some outcomes."""
    with_value = [one for one in all_of if one.has_value]
    plain = sum(len(one.plain) for one in all_of)
    return Measured(
        len(with_value), sum(one.is_found for one in with_value), plain, plain - sum(len(one.false) for one in all_of)
    )


def report(all_of: Sequence[Outcome]) -> str:
    """Counts in all, by language and by kind, then every false value and every miss."""
    lines = [f"{len(all_of)} answers: {measured(all_of)}"]
    for what in ("kind", "language"):
        lines += ["", f"by {what}"]
        for name, _ in Counter(one.case[what] for one in all_of).most_common():
            lines.append(f"  {name}: {measured([one for one in all_of if one.case[what] == name])}")
    for title, some in (
        (f"values at {CLEAR} and above that are false", [one for one in all_of if one.false]),
        ("values that are missed", [one for one in all_of if one.has_value and not one.is_found]),
    ):
        lines += ["", f"{title}: {len(some)}"]
        lines += [_described(one) for one in some]
    return "\n".join(lines)


def _described(one: Outcome) -> str:
    case = one.case
    labels = {name: value for name, value in case["read"].items() if name not in ("read", "column")}
    return (
        f"- {case['id']} ({case['read']['read']} {json.dumps(labels, ensure_ascii=False)}), {case['finish_reason']}"
        f"{'' if case['sure'] else ', not sure'}\n    answer:   {case['answer']!r}\n    expected: {case['value']!r}"
        f" ({case['why']})\n    found:    {one.in_words}"
    )


def _expected(case: dict[str, Any], columns: Sequence[str]) -> dict[str, Any]:
    value, pattern = case["value"], case["read"]["column"]
    if not isinstance(value, dict):
        return dict.fromkeys(columns, value)
    own = {pattern.replace("{label}", label): amount for label, amount in value.items()}
    return {name: own.get(name) for name in columns}


@cache
def _extraction(reading: str) -> Extraction:
    """The extraction of a study with one reading."""
    study = {
        "name": "own",
        "title": "Own",
        "columns": {"x": {}},
        "protocols": {"single": {"turns": {"response": "{{ x }}"}}},
        "extraction": {"readings": {"r": json.loads(reading)}},
    }
    made = parse_study(json.dumps(study, ensure_ascii=False).encode(), "own.yaml").extraction
    assert made is not None
    return made


if __name__ == "__main__":
    print(report([one for path in sys.argv[1:] for one in outcomes(Path(path))]))
