"""Contrasts in a comparison: those that a study file names, on both sides, and how far they shift, paired by item."""

from collections import Counter
from collections.abc import Iterator, Mapping
from math import isfinite

import numpy as np

from grace.analysis.distances import SLACK
from grace.analysis.effects import ONE_STIMULUS, Estimate, least_variance
from grace.analysis.general import is_about, paired, reader
from grace.analysis.measures import Measure, measures
from grace.analysis.paired import ComparedNumber, Paired
from grace.analysis.samples import ANSWERS, CHOICE
from grace.studies.contrasts import Contrast

SOURCES = {1: ANSWERS, 2: CHOICE}
ALL_THE_SAME = "all items shift by the same"


def shifts_of_contrasts(both: Paired) -> Iterator[ComparedNumber]:
    """Every contrast of a study without an analysis of its own, for each measure that it names and both sides have."""
    study = both.a.study
    if both.analysis or not study.contrasts:
        return
    ours, theirs = (list(map(reader(side.frame, study), rows)) for side, rows in
                    zip((both.a, both.b), zip(*both.pairs.rows, strict=True), strict=True))  # fmt: skip
    of_other = {_key(one): one for one in measures(both.b.frame, study)}
    for contrast in study.contrasts:
        own = [one for one in measures(both.a.frame, study) if is_about(contrast, one) and _key(one) in of_other]
        several = Counter(one.experiment for one in own)
        for measure in own:
            sides = [paired(contrast, one, trials, study)
                     for one, trials in ((measure, ours), (of_other[_key(measure)], theirs))]  # fmt: skip
            name = f"{contrast.name} ({measure.name})" if several[measure.experiment] > 1 else contrast.name
            yield _shift(both, contrast, measure, name, *sides)


def _key(measure: Measure) -> tuple[int, str, str]:
    return measure.experiment, measure.name, measure.value


def _shift(
    both: Paired,
    contrast: Contrast,
    measure: Measure,
    name: str,
    ours: Mapping[str, tuple[float, float]],
    theirs: Mapping[str, tuple[float, float]],
) -> ComparedNumber:
    """The contrast on either side, over the items that have it on both, and Student's t of the difference."""
    about = ComparedNumber(f"effects of {SOURCES[measure.experiment]}", name, "contrast")
    items = [item for item in ours if item in theirs]
    if not items:
        return ComparedNumber(about.experiment, name, "contrast", reason=f"no item has {contrast.name} on both sides")
    values = np.array([[side[item][0] - side[item][1] for side in (ours, theirs)] for item in items])
    a, b = values.mean(axis=0)
    about = ComparedNumber(about.experiment, name, "contrast", rows=len(both.pairs.rows), a=float(a), b=float(b))
    scale = measure.high - measure.low
    whole = scale if isfinite(scale) and scale > 0 else 1.0
    shifts = (values[:, 1] - values[:, 0]) / whole
    value, df = float(shifts.mean()), len(items) - 1
    if not df:
        return both.tested(about, Estimate(value, np.nan, np.nan, 1, ONE_STIMULUS), whole)
    se = float(shifts.std(ddof=1) / np.sqrt(len(items)))
    shift = Estimate(value, se, df, len(items))
    if se < SLACK:
        least = float(np.sqrt(least_variance(shifts, -2.0, 2.0))) if isfinite(scale) else np.nan
        shift = Estimate(value, np.nan, df, len(items), ALL_THE_SAME, shifts, (least, df))
    return both.tested(about, shift, whole, 2.0 if isfinite(scale) else np.inf)
