"""Measures: what the analysis of any study averages: shares of labels, numbers, and probabilities, by condition."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf, isfinite
from statistics import fmean

from grace.analysis.frames import Frame, Row
from grace.analysis.statistics import mean_and_se, wilson
from grace.analysis.trials import Cell, Trial
from grace.studies.fields import Field
from grace.studies.questions import Question
from grace.studies.study import Study


@dataclass(frozen=True)
class Measure:
    """A number that rows have.

    Attributes:
        experiment: the one that it is from, 1 or 2.
        name: a column of values, or a question.
        value: the label whose share or probability it is; "" for numbers.
        low, high: the ends of its scale.
        read: the number of a row; None where it has none.
        complement: whether another label's measure says the same, as with two labels.
    """

    experiment: int
    name: str
    value: str
    low: float
    high: float
    read: Callable[[Row], float | None]
    complement: bool = False


def measures(frame: Frame, study: Study) -> list[Measure]:
    """All measures that a table has columns for, those of Experiment 1 first."""
    fields = study.extraction.fields if study.extraction else {}
    own = [measure for name, field in fields.items() if name in frame.columns for measure in _of_field(field)]
    for name, question in study.questions.items():
        if question.columns.label_mass in frame.columns:
            own += _of_question(name, question)
    columns = [column for measured in study.measures.values() for column in measured.columns.bits]
    return own + [Measure(2, name, "", 0, inf, _cell(name)) for name in columns if name in frame.columns]


def _of_field(field: Field) -> Iterator[Measure]:
    if field.kind is not str:
        low, high = float(field.low or 0), float(1 if field.high is None else field.high)
        yield Measure(1, field.name, "", low, high, lambda row: _number(field, row))
        return
    for place, value in enumerate(field.values):
        complement = len(field.values) == 2 and place == 1
        yield Measure(1, field.name, str(value), 0, 1, _is(field, value), complement)


def _parsed(field: Field, row: Row) -> object:
    """The value of a row; None where it has none."""
    if row.failed or not row[field.name]:
        return None
    try:
        return field.parse(row[field.name])
    except ValueError:
        return None


def _number(field: Field, row: Row) -> float | None:
    value = _parsed(field, row)
    return float(value) if isinstance(value, int | float) else None


def _is(field: Field, label: object) -> Callable[[Row], float | None]:
    def read(row: Row) -> float | None:
        value = _parsed(field, row)
        return None if value is None else float(value == label)

    return read


def _of_question(name: str, question: Question) -> Iterator[Measure]:
    columns, values = question.columns, question.space.values
    if values is not None and columns.mean:
        yield Measure(2, name, "", min(values), max(values), _cell(columns.mean))
    labels = list(zip(question.space.labels, columns.probabilities, strict=True))
    labels += [pair for levels in columns.marginals.values() for pair in levels.items()]
    for place, (label, column) in enumerate(labels):
        yield Measure(2, name, label, 0, 1, _cell(column), len(labels) == 2 and place == 1)


def _cell(column: str) -> Callable[[Row], float | None]:
    return lambda row: row.number(column)


@dataclass(frozen=True)
class Average:
    """A mean over stimuli, each of which counts once, with its 95% interval; None is what is not defined."""

    mean: float | None
    se: float | None
    low: float | None
    high: float | None
    rows: int
    stimuli: int


def average(groups: Mapping[str, Sequence[float]], low: float, high: float) -> Average:
    """The mean of the means of groups of numbers, on a scale from `low` to `high`, which the interval does not leave.

    The interval is Wilson's with Student's t (`figures.points.bounded`); where all numbers of a share are at one end of
    the scale, it is Wilson's for so many stimuli; on a scale without an end it is Student's t.
    """
    from grace.analysis.figures.points import bounded

    means = [fmean(group) for group in groups.values()]
    rows = sum(map(len, groups.values()))
    mean, se = mean_and_se(means)
    if mean is None:
        return Average(None, None, None, None, 0, 0)
    if not isfinite(high):
        return Average(mean, se, *t_interval(mean, se, len(means)), rows, len(means))
    reach = high - low
    ends = bounded(mean - low, se or 0.0, len(means), reach) if reach > 0 else (float("nan"),) * 2
    if isfinite(ends[0]):
        return Average(mean, se, low + ends[0], low + ends[1], rows, len(means))
    if len(means) > 1 and (low, high) == (0, 1) and mean in (0, 1):
        return Average(mean, se, *wilson(mean, len(means)), rows, len(means))
    return Average(mean, se, None, None, rows, len(means))


def grouped(trials: Sequence[Trial], measure: Measure) -> dict[Cell, dict[str, list[float]]]:
    """A measure's numbers by condition, then by stimulus; where stimuli are not known, each row is one."""
    numbers: dict[Cell, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for place, trial in enumerate(trials):
        if trial.inside and (number := measure.read(trial.row)) is not None:
            numbers[trial.cell][trial.unit if trial.unit is not None else f"row {place}"].append(number)
    return numbers


def t_interval(mean: float, se: float | None, n: int) -> tuple[float | None, float | None]:
    """The 95% interval of a mean by Student's t; None where nothing varies."""
    from scipy.stats import t

    if se is None or n < 2:
        return None, None
    reach = float(t.ppf(0.975, n - 1)) * se
    return mean - reach, mean + reach


def se_of(values: Sequence[float]) -> float | None:
    """The standard error of a mean; None for fewer than two values."""
    _, se = mean_and_se(values)
    return se
