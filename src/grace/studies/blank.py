"""A first study file, written from a few answers: small, commented, and valid as it is."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from grace.errors import InputError
from grace.text import did_you_mean

Kind = Literal["choice", "rating", "text"]


@dataclass(frozen=True)
class Blank:
    """What a first study file says.

    Attributes:
        name, title: its short and long name.
        columns: those of the table of trials.
        shown: the column that the model sees.
        ask: what it is asked about that.
        kind: the kind of its answers.
        labels: the answers of a choice.
        low, high: the ends of a rating.
    """

    name: str
    title: str
    columns: Sequence[str]
    shown: str
    ask: str
    kind: str
    labels: Sequence[str] = ()
    low: int = 1
    high: int = 7

    def text(self) -> str:
        """The file. Raises InputError where the answers do not fit together."""
        check_kind(self.kind)
        check_shown(self.shown, self.columns)
        if self.kind == "choice" and len(self.labels) < 2:
            raise InputError("--labels: a choice needs two at least, as yes,no")
        if self.kind == "rating" and not self.low < self.high:
            raise InputError(f"--high {self.high}: must be above --low, which is {self.low}")
        prompt = f"{{{{ row[{self.shown!r}] }}}}\n\n{self.ask}"
        parts = [
            f"# {self.title}",
            "# docs/add-a-study.md explains every field; `grace study check` shows what a model will see.",
            f"name: {self.name}",
            f"title: {_quoted(self.title)}",
            "",
            "# The columns of the table of trials. `hidden: true` keeps one from the model.",
            "columns:",
            *(f'  {_quoted(column)}: {{about: ""}}' for column in self.columns),
            "",
            "# Which columns are items and conditions; the results are given by these.",
            "# design: {item: COLUMN, cells: [COLUMN]}",
            "",
            "# Experiment 1, `grace query`: the model answers in its own words.",
            "protocols:",
            "  ask:",
            f"    turns: {_quoted(prompt)}",
            *self._questions(prompt),
            "",
            "# The value that `grace extract` finds in each answer.",
            "extraction:",
            "  readings:",
            "    answer:",
            *self._reading(),
        ]
        return "\n".join([*parts, ""])

    def _questions(self, prompt: str) -> list[str]:
        labels = self.labels if self.kind == "choice" else [str(point) for point in range(self.low, self.high + 1)]
        if self.kind == "text":
            return []
        return [
            "",
            "# Experiment 2, `grace score`: the probability of each of these answers.",
            "questions:",
            "  answer:",
            f"    prompt: {_quoted(prompt)}",
            "    answers:",
            f"      labels: [{', '.join(map(_quoted, labels))}]",
            "      variants: [case]" if self.kind == "choice" else "      numeric: true",
        ]

    def _reading(self) -> list[str]:
        fields = {
            "choice": [f"labels: [{', '.join(map(_quoted, self.labels))}]"],
            "rating": [f"min: {self.low}", f"max: {self.high}"],
            "text": [],
        }[self.kind]
        return [f"      {field}" for field in (f"read: {self.kind}", "column: Answer", *fields)]


def check_kind(kind: str) -> None:
    """Raise InputError unless it is a kind of answers that a first file can have."""
    if kind not in get_args(Kind):
        raise InputError(
            f"--kind {kind}: must be one of {', '.join(get_args(Kind))}{did_you_mean(kind, get_args(Kind))}"
        )


def check_shown(shown: str, columns: Sequence[str]) -> None:
    """Raise InputError unless the column that the model sees is one of the table's."""
    if shown not in columns:
        near = did_you_mean(shown, columns)
        raise InputError(f"--show {shown}: is not among the columns {', '.join(columns)}{near}")


def _quoted(text: str) -> str:
    """A text as YAML has it, whatever it holds."""
    return json.dumps(text, ensure_ascii=False)
