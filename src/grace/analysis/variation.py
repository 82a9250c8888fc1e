"""Variation: how much of the variance of a measure is due to factors that a study varies, such as its wording."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from math import fsum
from statistics import fmean

from grace.analysis.frames import Frame
from grace.analysis.measures import Measure
from grace.analysis.trials import Trial
from grace.studies.study import Study

VARIATION = ("factor", "experiment", "measure", "value", "shift", "change", "trials", "levels")
"""`shift` and `change` are shares of the variance, 0 to 1."""


def variation(
    trials: Sequence[Trial], measures: Sequence[Measure], study: Study, frame: Frame
) -> Iterator[tuple[object, ...]]:
    """The rows of variation.csv: one for each factor of `vary` and each measure.

    Only trials that have a number at every level count; the numbers of replications are averaged first. `shift` is
    the sum of squares of the levels' means (what a level does to all trials alike), and `change` that of all
    differences between levels within trials, each divided by the total sum of squares. So `change` has the interaction
    with the trial in it, too, and in answers the chance of single draws.
    """
    columns = {factor: study.called(factor, frame.columns) for factor in study.vary}
    for factor, column in columns.items():
        others = [own for own in columns.values() if own != column]
        for measure in measures:
            numbers: dict[tuple[str, ...], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
            for trial in trials:
                number = measure.read(trial.row)
                if number is not None and trial.row.stimulus is not None:
                    same = (trial.row.stimulus, *(trial.row[own] for own in others))
                    numbers[same][trial.row[column]].append(number)
            levels = tuple(study.vary[factor])
            whole = [[fmean(own[level]) for level in levels] for own in numbers.values() if all(map(own.get, levels))]
            about = (factor, measure.experiment, measure.name, measure.value)
            yield (*about, *_shares(whole), len(whole), len(levels))


def _shares(whole: Sequence[Sequence[float]]) -> tuple[float | None, float | None]:
    """The shares of a table with a row for each trial and a column for each level; None where nothing varies."""
    if not whole:
        return None, None
    mean = fmean(fmean(row) for row in whole)
    total = fsum((number - mean) ** 2 for row in whole for number in row)
    if not total:
        return None, None
    shift = len(whole) * fsum((fmean(level) - mean) ** 2 for level in zip(*whole, strict=True))
    change = fsum((number - fmean(row)) ** 2 for row in whole for number in row)
    return shift / total, change / total
