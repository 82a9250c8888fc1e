"""People's data that a study file brings: their means and contrasts, and how near models come to them.

People's answers are treated as a model's are: the same conditions, the same averages over stimuli, the same contrasts.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import atanh, sqrt, tanh
from pathlib import Path
from statistics import fmean

from grace.analysis.frames import Frame, Row, read_frame
from grace.analysis.measures import Measure, grouped
from grace.analysis.statistics import never_0
from grace.analysis.trials import Cell, Trial
from grace.columns import MODEL
from grace.errors import InputError
from grace.studies.people import check_people
from grace.studies.study import Study
from grace.text import did_you_mean

NAME = "people"
"""Their name where a table or figure has them beside models."""
FIT = (
    "experiment", "measure", "value", "conditions", "mean_difference", "stimuli", "r", "low", "high", "p", "note",
)  # fmt: skip
FEW = 4
"""Stimuli that a correlation needs at least: with fewer there is no interval."""


@dataclass(frozen=True)
class StudyPeople:
    """People's data.

    Attributes:
        trials: their rows, interpreted.
        measures: what of a study's measures they have.
        notes: what was left out.
    """

    trials: Sequence[Trial]
    measures: Sequence[Measure]
    notes: tuple[str, ...]


def with_people(
    rows: Sequence[Mapping[str, object]], people: Sequence[Mapping[str, object]]
) -> list[dict[str, object]]:
    """Rows of models, with those of people behind them as if they were one more model; models may have no name."""
    return [*map(dict, rows), *({MODEL: NAME, **row} for row in people)]


def people_of(study: Study, own: Sequence[Measure]) -> StudyPeople | None:
    """The people's data of a study; None where it brings none.

    Args:
        study: any study.
        own: the measures that models have.

    Raises:
        InputError: the file cannot be read, or lacks a column of the design or of answers.
    """
    if study.people is None or study.people_file is None:
        return None
    check_people(study)
    frame = _read(study.people_file, study)
    measures = [replace(one, read=_reader(one, study, column)) for one in own if (column := _column(one, study, frame))]
    if not measures:
        raise InputError(
            f"{study.people_file}: has no column with people's answers; `people: {{columns: ...}}` of the study file "
            "says for each reading or question which column has them"
        )
    trials = [
        Trial(row, _cell(row, study), row.unit(study.design.item), None, {}, None)
        for rows in frame.models.values()
        for row in rows
    ]
    return StudyPeople(trials, measures, tuple(_notes(trials, measures, frame)))


def _cell(row: Row, study: Study) -> Cell:
    """The condition of an answer; derived columns stand in the file under their names."""
    cells = study.design.cells
    return tuple(study.columns[name].canonical(row[name]) if name in study.columns else row[name] for name in cells)


def _read(path: Path, study: Study) -> Frame:
    try:
        return read_frame(path, study)
    except InputError as error:
        raise InputError(f"people's data: {error}") from None


def _column(measure: Measure, study: Study, frame: Frame) -> str | None:
    """The column of people's answers to what a measure is about; None where they were not asked. Raises InputError."""
    assert study.people
    fields = study.extraction.fields if study.extraction else {}
    names = [measure.name]
    if measure.experiment == 1:
        names.append(fields[measure.name].reading)
    else:
        names += [name for name, field in fields.items() if field.reading == measure.name]
    for name in names:
        if given := study.people.columns.get(name):
            if given not in frame.columns:
                raise InputError(
                    f"{study.people_file}: has no column {given!r}, which people.columns names for {name}"
                    f"{did_you_mean(given, frame.columns)}"
                )
            return given
    return next((name for name in names if name in frame.columns), None)


def _reader(measure: Measure, study: Study, column: str) -> Callable[[Row], float | None]:
    """What reads people's answers as numbers of a measure."""
    if not measure.value:
        return lambda row: _within(row.number(column), measure)
    known = _labels(measure, study)

    def read(row: Row) -> float | None:
        cell = row[column].strip()
        label = known.get(cell) or known.get(cell.lower())
        return None if label is None else float(label == measure.value)

    return read


def _within(number: float | None, measure: Measure) -> float | None:
    return number if number is not None and measure.low <= number <= measure.high else None


def _labels(measure: Measure, study: Study) -> dict[str, str]:
    """The labels among which a measure's is, as people's data may write them: as they are, or in small letters."""
    if measure.experiment == 1:
        assert study.extraction
        labels = list(map(str, study.extraction.fields[measure.name].values))
    else:
        question = study.questions[measure.name]
        groups = [list(question.space.labels), *map(list, question.columns.marginals.values())]
        labels = next(own for own in groups if measure.value in own)
    return {label.lower(): label for label in labels} | {label: label for label in labels}


def _notes(trials: Sequence[Trial], own: Sequence[Measure], frame: Frame) -> Iterator[str]:
    if outside := sum(not trial.inside for trial in trials):
        yield f"people's data: {outside} rows of {frame.name} have no condition, and are left out"
    without = sum(all(measure.read(trial.row) is None for measure in own) for trial in trials)
    if without:
        yield f"people's data: {without} rows of {frame.name} have no answer that the study knows, and are left out"


def fits(trials: Sequence[Trial], own: Sequence[Measure], people: StudyPeople) -> Iterator[tuple[object, ...]]:
    """For each measure that both have: how far a model is from people by condition, and whether it varies as they do.

    `mean_difference` is the mean of the absolute differences of the conditions' means. `r` is Pearson's correlation of
    the stimuli's means, with the 95% interval of Fisher's z and the p of its t.
    """
    theirs = {(one.experiment, one.name, one.value): one for one in people.measures}
    for measure in own:
        other = theirs.get((measure.experiment, measure.name, measure.value))
        if other is None or measure.complement:
            continue
        model, person = grouped(trials, measure), grouped(people.trials, other)
        cells = [cell for cell in model if cell in person]
        differences = [abs(_mean(model[cell]) - _mean(person[cell])) for cell in cells]
        pairs = [
            (fmean(numbers), fmean(person[cell][unit]))
            for cell in cells
            for unit, numbers in model[cell].items()
            if unit in person[cell]
        ]
        about = (measure.experiment, measure.name, measure.value, len(cells), fmean(differences) if cells else None)
        yield *about, len(pairs), *_correlation(pairs)


def _mean(groups: Mapping[str, Sequence[float]]) -> float:
    """The mean of the means of stimuli."""
    return fmean(map(fmean, groups.values()))


def _correlation(pairs: Sequence[tuple[float, float]]) -> tuple[object, ...]:
    """Pearson's r, the ends of its 95% interval, its p (each None where it is not defined), and why there is none."""
    from scipy.stats import norm, pearsonr

    nothing = (None, None, None, None)
    if len(pairs) < FEW:
        return *nothing, f"fewer than {FEW} stimuli that both have"
    model, person = zip(*pairs, strict=True)
    if len(set(model)) == 1 or len(set(person)) == 1:
        return *nothing, "all stimuli have the same mean"
    r, p = map(float, pearsonr(model, person))
    if abs(r) >= 1:
        return r, None, None, None, ""
    reach = float(norm.ppf(0.975)) / sqrt(len(pairs) - 3)
    return r, tanh(atanh(r) - reach), tanh(atanh(r) + reach), never_0(p), ""
