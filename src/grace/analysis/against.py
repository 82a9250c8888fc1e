"""A table against the references: every model in it, from its answers and from its probabilities."""

from array import array
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from grace.analysis.bootstrap import DRAWS, SEED
from grace.analysis.frames import Frame, Row
from grace.analysis.references import Fit, Pattern, against, yardsticks
from grace.analysis.samples import ANSWERS, Sample, shares, weights_in
from grace.analysis.studies import analysis_of
from grace.analysis.study_analysis import StudyAnalysis
from grace.analysis.trials import Cell
from grace.errors import InputError
from grace.studies.study import Study


def table_against(
    frame: Frame, study: Study, exclusions: bool = True, draws: int = DRAWS, seed: int = SEED
) -> tuple[tuple[Fit, ...], tuple[Pattern, ...]]:
    """Compare all models of a table with people and with rational speech acts, and add what to hold that against.

    `exclusions` is whether trials are excluded by their answers, as in the other tables; `draws` and `seed` are those
    of the bootstrap.

    Raises:
        InputError: the table lacks the columns of its conditions, or there is no analysis of the study.
    """
    analysis = analysis_of(study)
    fits: list[Fit] = []
    patterns: list[Pattern] = []
    for model, rows in frame.models.items():
        samples = dict(_samples(analysis, frame, study, exclusions, rows))
        result = against(analysis, model, samples, draws, seed, analysis.own_predictions(rows))
        fits += result.fits
        patterns += result.patterns
    return (*fits, *yardsticks(analysis, draws, seed)), tuple(patterns)


def _samples(
    analysis: StudyAnalysis, frame: Frame, study: Study, exclusions: bool, rows: Sequence[Row]
) -> Iterator[tuple[str, Sample]]:
    """The samples of one model, by source; the answers are those that the other tables rest on."""
    own = analysis.read(rows, frame, study, exclusions)
    if analysis.has_answers(frame):
        kept = ((trial.cell, trial.unit, trial.weights) for trial in own.kept)
        yield ANSWERS, sample_of(analysis, kept, own.flawed.total())
    for source, columns in analysis.sources.items():
        if set(columns) <= set(frame.columns):
            items = ((trial, trial.row[study.design.item]) for trial in own.trials)
            rows_of_source = ((trial.cell, item, weights_in(trial.row, columns)) for trial, item in items)
            yield source, sample_of(analysis, rows_of_source)


def sample_of(
    analysis: StudyAnalysis, rows: Iterable[tuple[Cell, str | None, Sequence[float] | None]], missing: int = 0
) -> Sample:
    """The distributions of rows; those of a row without one are counted as missing.

    Args:
        analysis: the analysis of their study.
        rows: for each its cell, its stimulus, and its weight of each label.
        missing: how many rows are already missing.

    Raises:
        InputError: no row tells its condition.
    """
    numbers = {cell: number for number, cell in enumerate(analysis.conditions)}
    stimuli: dict[tuple[int, str], int] = {}
    items: dict[str, int] = {}
    values, (cells, of, items_of) = array("d"), (array("q"), array("q"), array("q"))
    lost = 0
    for cell, stimulus, weights in rows:
        number, distribution = numbers.get(cell), shares(weights)
        if number is None or distribution is None:
            missing += 1
            lost += number is None
            continue
        values.extend(distribution)
        cells.append(number)
        of.append(stimuli.setdefault((number, stimulus or ""), len(stimuli)))
        items_of.append(items.setdefault(stimulus or "", len(items)))
    if lost and not values and lost == missing:
        raise InputError(f"no row tells its condition: {analysis.name} needs {analysis.needs}")
    distributions = np.array(values).reshape(len(cells), len(analysis.labels))
    where = [np.array(part, dtype=np.int64) for part in (cells, of, items_of)]
    return Sample(distributions, where[0], where[1], len(numbers), missing, where[2])
