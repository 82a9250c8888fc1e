"""The analysis of any study: means by condition, the contrasts that its file names, and mixed models.

Everything comes from the study file: `design` says what conditions and items are, readings and questions what is
measured, `analysis` which conditions are compared.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from statistics import fmean

import numpy as np

from grace.analysis.effects import least_variance
from grace.analysis.frames import Frame, Row
from grace.analysis.linear_mixed import linear_tests, logistic_tests
from grace.analysis.measures import Measure, average, grouped, measures, se_of, t_interval
from grace.analysis.names import COMPARE, TestName
from grace.analysis.statistics import TEST_COLUMNS, Numbers, Tested, holm, stimulus_test
from grace.analysis.study_analysis import Lines, Results, StudyAnalysis
from grace.analysis.study_people import FIT, fits, people_of
from grace.analysis.trials import Cell, ModelTrials, Trial, flaw_of
from grace.analysis.variation import VARIATION, variation
from grace.errors import InputError
from grace.studies.contrasts import Contrast
from grace.studies.study import Study

MEANS = ("experiment", "measure", "value", "mean", "se", "low", "high", "n", "stimuli")
CONTRASTS = (
    "contrast", "experiment", "measure", "value", "a", "b", "mean_a", "mean_b", "difference", "low", "high", "t", "df",
    "p", "p_holm", "effect_size", "pairs", "note",
)  # fmt: skip
OUTSIDE = "a column of the design is empty"
NO_VALUE = "no value was found in the answer"
NO_ITEM = "the study has neither items nor participants to pair by, so there is no test"


def general_analysis(study: Study, frame: Frame | None = None) -> StudyAnalysis:
    """The analysis of a study that has none of its own; its conditions are those of a table, where one is given."""
    factors = study.design.cells
    return StudyAnalysis(
        name=study.name,
        factors=factors,
        needs=" and ".join(factors) or "nothing",
        conditions={cell: cell_title(cell) for cell in (_cells(study, frame) if frame else ())},
        labels=(),
        scale=None,
        tables={"means": (*factors, *MEANS), "contrasts": CONTRASTS, "tests": TEST_COLUMNS, "people_fit": FIT}
        | ({"variation": VARIATION} if study.vary else {}),
        sources={},
        whole_answer="all fields",
        excludes=False,
        check=check,
        has_answers=lambda frame: bool(study.extraction and set(study.extraction.fields) & set(frame.columns)),
        reader=reader,
        results=results,
        effects=tuple,
        predictions=lambda: np.empty((0, 0)),
        own_predictions=lambda _: None,
        people=lambda: np.empty((0, 0)),
        cell_title=cell_title,
        has_references=False,
    )


def cell_title(cell: Cell) -> str:
    """The name of a condition."""
    return ", ".join(cell) or "all trials"


def check(frame: Frame, study: Study) -> None:
    """Check that a table has the design's columns, and something to analyse. Raises InputError."""
    for name in study.design.cells:
        if name in study.columns:
            frame.needed("the conditions", study.called(name, frame.columns))
    if not measures(frame, study):
        raise InputError(
            f"{frame.name}: has neither values nor probabilities of {study.name}; `grace extract` finds the values in "
            "answers, `grace score` measures probabilities"
        )


def cell_reader(study: Study) -> Callable[[Row], Cell]:
    """The condition of a row."""
    cells = study.design.cells
    if set(cells) <= study.columns.keys():
        return lambda row: tuple(study.columns[name].canonical(row[study.called(name, row.cells)]) for name in cells)

    def derived(row: Row) -> Cell:
        full = study.complete({**row.cells, **study.trial(row.cells)})
        return tuple(full.get(name, "") for name in cells)

    return derived


def _cells(study: Study, frame: Frame) -> list[Cell]:
    """The conditions of the design and of a table, in the design's order."""
    read = cell_reader(study)
    seen = dict.fromkeys(cell for rows in frame.models.values() for row in rows if all(cell := read(row)))
    design = study.design
    listed: list[Cell] = [tuple(map(str, one)) for one in design.expect]
    columns = [study.columns[name].values if name in study.columns else () for name in design.cells]
    if not listed and all(columns):
        listed = [tuple(map(str, one)) for one in product(*columns)]
    return list(dict.fromkeys((*listed, *seen)))


def reader(frame: Frame, study: Study) -> Callable[[Row], Trial]:
    """Interprets the rows of a table."""
    read_cell = cell_reader(study)
    own = [measure for measure in measures(frame, study) if measure.experiment == 1]
    fields = study.extraction.fields if study.extraction else {}
    questions = {name: field for name, field in fields.items() if field.reading in study.questions}

    def read(row: Row) -> Trial:
        cell = read_cell(row)
        weights = () if any(measure.read(row) is not None for measure in own) else None
        answers: dict[str, str | float] = {}
        for name, field in questions.items():
            question = study.questions[field.reading]
            if row.failed or not row[name]:
                continue
            try:
                value = field.parse(row[name])
            except ValueError:
                continue
            if question.space.values is not None and not isinstance(value, str):
                answers[field.reading] = float(value)
            elif str(value) in question.space.labels:
                answers[field.reading] = str(value)
        flaw = flaw_of(row, cell, weights, OUTSIDE, NO_VALUE)
        return Trial(row, cell, row.unit(study.design.item), weights, answers, flaw)

    return read


def results(trials: ModelTrials, frame: Frame, study: Study) -> Results:
    """The tables and tests of one model."""
    own = measures(frame, study)
    inside = [trial for trial in trials.trials if trial.inside]
    cells = _cells(study, frame)
    people = people_of(study, own)
    means: list[tuple[object, ...]] = []
    tests: list[Tested] = []
    for measure in own:
        numbers = grouped(inside, measure)
        means += _means(measure, numbers, cells)
        if not measure.complement:
            tests += linear_tests(measure, inside, study)
            tests += logistic_tests(measure, inside, study)
    tables: dict[str, Lines] = {"means": means, "contrasts": list(contrasts(inside, own, study))}
    if people:
        tables["people_fit"] = list(fits(inside, own, people))
    if study.vary:
        tables["variation"] = list(variation(inside, own, study, frame))
    return Results(tables, tests)


def people_tables(frame: Frame, study: Study) -> tuple[dict[str, tuple[Sequence[str], Lines]], Sequence[str]]:
    """People's own means and contrasts, by table columns and rows, and notes about them; none where there are none."""
    people = people_of(study, measures(frame, study))
    if people is None:
        return {}, ()
    cells = _cells(study, frame)
    inside = [trial for trial in people.trials if trial.inside]
    means = [row for one in people.measures for row in _means(one, grouped(inside, one), cells)]
    own = list(contrasts(inside, people.measures, study))
    tables: dict[str, tuple[Sequence[str], Lines]] = {"people_means": ((*study.design.cells, *MEANS), means)}
    if own:
        tables["people_contrasts"] = CONTRASTS, own
    return tables, people.notes


def _means(
    measure: Measure, numbers: Mapping[Cell, Mapping[str, Sequence[float]]], cells: Sequence[Cell]
) -> Iterator[tuple[object, ...]]:
    for cell in cells:
        one = average(numbers.get(cell, {}), measure.low, measure.high)
        about = (*cell, measure.experiment, measure.name, measure.value)
        yield *about, one.mean, one.se, one.low, one.high, one.rows, one.stimuli


# Contrasts


def contrasts(trials: Sequence[Trial], own: Sequence[Measure], study: Study) -> Iterator[tuple[object, ...]]:
    """The rows of contrasts.csv: each contrast for each measure that it names, paired by item."""
    for experiment in (1, 2):
        pairs = [
            (contrast, measure)
            for contrast in study.contrasts
            for measure in own
            if measure.experiment == experiment and is_about(contrast, measure)
        ]
        sides = [paired(contrast, measure, trials, study) for contrast, measure in pairs]
        names = [TestName(COMPARE, contrast.name) for contrast, _ in pairs]
        tests = [_test(name, side) for name, side in zip(names, sides, strict=True)]
        for (contrast, measure), side, test in zip(pairs, sides, holm(tests), strict=True):
            yield _line(contrast, measure, side, test)


def is_about(contrast: Contrast, measure: Measure) -> bool:
    """Whether a contrast names a measure."""
    names = contrast.fields if measure.experiment == 1 else contrast.questions
    return measure.name in names and measure.value == (contrast.value or "")


def paired(
    contrast: Contrast, measure: Measure, trials: Sequence[Trial], study: Study
) -> dict[str, tuple[float, float]]:
    """The numbers of both sides, by item (or participant, where there are no items) that has both.

    On each side the conditions count the same, and only those whose other columns are on both sides.
    """
    factors = study.design.cells
    unit = study.design.item or study.design.participant
    numbers: dict[str, dict[Cell, dict[str, list[float]]]] = defaultdict(lambda: defaultdict(lambda: defaultdict(list)))
    for trial in trials:
        if unit and (number := measure.read(trial.row)) is not None:
            numbers[trial.row[unit]][trial.cell][trial.unit or ""].append(number)
    return {
        name: (fmean(sides[0].values()), fmean(sides[1].values()))
        for name, cells in numbers.items()
        if (sides := _sides(contrast, factors, cells))
    }


def _sides(
    contrast: Contrast, factors: Sequence[str], cells: Mapping[Cell, Mapping[str, Sequence[float]]]
) -> list[dict[Cell, float]]:
    """For each side the mean of each condition, by its other columns; empty where a side has none."""
    sides: list[dict[Cell, float]] = []
    free = [place for place, name in enumerate(factors) if name not in contrast.a or name not in contrast.b]
    for wanted in (contrast.a, contrast.b):
        means: dict[Cell, list[float]] = defaultdict(list)
        for cell, stimuli in cells.items():
            if all(cell[factors.index(name)] == value for name, value in wanted.items()):
                other = tuple(cell[place] for place in free if factors[place] not in wanted)
                means[other].append(fmean(fmean(one) for one in stimuli.values()))
        sides.append({other: fmean(values) for other, values in means.items()})
    if contrast.a.keys() == contrast.b.keys():
        both = sides[0].keys() & sides[1].keys()
        sides = [{other: side[other] for other in side if other in both} for side in sides]
    return sides if all(sides) else []


def _test(name: TestName, sides: Mapping[str, tuple[float, float]]) -> Tested:
    differences = Numbers([a - b for a, b in sides.values()], list(sides))
    return stimulus_test(name, differences, "two-sided")


def _line(
    contrast: Contrast, measure: Measure, sides: Mapping[str, tuple[float, float]], test: Tested
) -> tuple[object, ...]:
    about = (contrast.name, measure.experiment, measure.name, measure.value, *contrast.sides)
    if not sides:
        return *about, *(None,) * 10, 0, test.note if test.n else NO_PAIRS
    a, b = (fmean(side) for side in zip(*sides.values(), strict=True))
    differences, reach = np.array([one - other for one, other in sides.values()]), measure.high - measure.low
    se = se_of(differences.tolist())
    if test.statistic is None:  # nothing varies
        se = float(np.sqrt(least_variance(differences, -reach, reach))) if 0 < reach < np.inf else None
    low, high = t_interval(a - b, se, len(sides))
    if low is not None and high is not None:  # a difference cannot be larger than the scale
        low, high = max(low, -reach), min(high, reach)
    numbers = (a, b, a - b, low, high, test.statistic, test.df1, test.p, test.p_holm, test.effect_size)
    return *about, *numbers, len(sides), test.note


NO_PAIRS = "no item has both sides"
