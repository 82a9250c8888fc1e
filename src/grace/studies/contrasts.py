"""Contrasts: the comparisons of conditions that a study file names, checked against its columns and answers."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from grace.errors import StudyError
from grace.studies.extraction import Extraction
from grace.studies.fields import Field
from grace.studies.format import ContrastSpec, StudyFile
from grace.studies.questions import Question
from grace.text import did_you_mean


@dataclass(frozen=True)
class Contrast:
    """A comparison of two conditions, or of two groups of conditions.

    Attributes:
        name, about: its name in tables, and its meaning.
        fields: the columns of values that it is about (Experiment 1).
        questions: the questions that it is about (Experiment 2).
        value: the label whose share or probability is compared; None for numbers.
        a, b: the values of the condition's columns on either side; other columns may have any.
    """

    name: str
    about: str
    fields: tuple[str, ...]
    questions: tuple[str, ...]
    value: str | None
    a: Mapping[str, str]
    b: Mapping[str, str]

    @property
    def sides(self) -> tuple[str, str]:
        """Both sides in words, as "access 3"."""
        first, second = (", ".join(f"{name} {value}" for name, value in side.items()) for side in (self.a, self.b))
        return first, second


def compile_contrasts(
    spec: StudyFile,
    extraction: Extraction | None,
    questions: Mapping[str, Question],
    bits: Collection[str],
    origin: str,
) -> tuple[Contrast, ...]:
    """The contrasts of a study file; `bits` are its columns of surprisal. Raises StudyError, which names the place."""
    contrasts: list[Contrast] = []
    for place, declared in enumerate(spec.analysis.compare, 1):
        where = f"{origin}: analysis.compare, number {place} ({declared.name})"
        if any(declared.name == other.name for other in contrasts):
            raise StudyError(f"{where}: there is one of this name already")
        contrasts.append(_contrast(declared, spec, extraction, questions, bits, where))
    return tuple(contrasts)


def _contrast(
    declared: ContrastSpec,
    spec: StudyFile,
    extraction: Extraction | None,
    questions: Mapping[str, Question],
    bits: Collection[str],
    where: str,
) -> Contrast:
    of_reading: Mapping[str, Field] = extraction.fields if extraction else {}
    fields = tuple(name for name, field in of_reading.items() if declared.of in (name, field.reading))
    asked = tuple(name for name in questions if name == declared.of)
    if not (fields or asked or declared.of in bits):
        known = sorted({*questions, *bits, *of_reading, *(field.reading for field in of_reading.values())})
        raise StudyError(
            f"{where}: of: no reading, column or question {declared.of!r}{did_you_mean(declared.of, known)}"
        )
    for side in (declared.a, declared.b):
        for name, value in side.items():
            _check_condition(spec, name, value, where)
    if declared.a == declared.b:
        raise StudyError(f"{where}: a and b are the same conditions")
    if declared.of in bits and declared.value is None:
        return Contrast(declared.name, declared.about, (), (declared.of,), None, declared.a, declared.b)
    if declared.value is not None:
        labels = {str(value) for name in fields for value in of_reading[name].values}.union(
            *(_labels(questions[name]) for name in asked)
        )
        fields = tuple(name for name in fields if declared.value in map(str, of_reading[name].values))
        asked = tuple(name for name in asked if declared.value in _labels(questions[name]))
        if not (fields or asked):
            near = did_you_mean(declared.value, sorted(labels))
            raise StudyError(f"{where}: value: {declared.of} has no label {declared.value!r}{near}")
    else:
        fields = tuple(name for name in fields if of_reading[name].kind is not str)
        asked = tuple(name for name in asked if questions[name].space.values is not None)
        if not (fields or asked):
            raise StudyError(f"{where}: {declared.of} has labels and no numbers; `value` says which label is compared")
    return Contrast(declared.name, declared.about, fields, asked, declared.value, declared.a, declared.b)


def _labels(question: Question) -> Iterator[str]:
    yield from question.space.labels
    for levels in question.columns.marginals.values():
        yield from levels


def _check_condition(spec: StudyFile, name: str, value: str, where: str) -> None:
    cells = spec.design.cells
    if name not in cells:
        raise StudyError(f"{where}: {name!r} is not among design.cells{did_you_mean(name, cells)}")
    place = cells.index(name)
    expected = {str(one[place]) for one in spec.design.expect}
    if not expected and name in spec.columns:
        expected = set(map(str, spec.columns[name].values))
    if expected and value not in expected:
        raise StudyError(f"{where}: {name} is never {value!r}{did_you_mean(value, sorted(expected))}")
