"""Paired rows of two sides with their conditions and stimuli, and the statistics that comparisons are made of."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from grace.analysis.bootstrap import interval, resampled_total
from grace.analysis.compare_sides import Pairs, Side
from grace.analysis.distances import SLACK, Array
from grace.analysis.effects import ALL_ALIKE, ONE_STIMULUS, Estimate, estimate, stimuli_alike
from grace.analysis.equivalence import Tost, p_of_same_shift, smoothed_variance, tost
from grace.analysis.frames import Row
from grace.analysis.samples import Integers, Sample
from grace.analysis.statistics import Numbers, effective
from grace.analysis.studies import ANALYSES
from grace.analysis.study_analysis import StudyAnalysis
from grace.analysis.trials import Trial

WITHIN = 0.90
"""Distances are judged by their 90% interval: each end is one test at 5%, as in two one-sided tests."""
EARTH_MOVER = "earth_mover"
"""The one distance without an upper bound of 1: it has the unit of the labels."""
OUTSIDE = "outside of the design"


@dataclass(frozen=True)
class ComparedNumber:
    """One number of a comparison: a row of compare.csv.

    Attributes:
        experiment: probabilities, answers, or effects of a source.
        of: the question, field or effect.
        measure: as total_variation; docs/comparison.md says what each is.
        condition: "" for all conditions together.
        rows, stimuli: what it rests on; stimuli are the effective n.
        a, b: the value on either side, where each has one.
        value: the distance, the agreement, or the difference b - a.
        low, high: its 90% interval.
        p_equivalence, p_difference: of a difference, by `equivalence.tost`; of values that agree in all pairs
            p_equivalence is that of `equivalence.p_of_agreement`.
        noise: the same for one model asked twice, where that is known.
        reason: why something is not defined, or rests on less than all.
    """

    experiment: str
    of: str
    measure: str
    condition: str = ""
    rows: int = 0
    stimuli: int = 0
    a: float = np.nan
    b: float = np.nan
    value: float = np.nan
    low: float = np.nan
    high: float = np.nan
    p_equivalence: float = np.nan
    p_difference: float = np.nan
    noise: float = np.nan
    reason: str = ""

    @property
    def test(self) -> Tost:
        """Its tests and interval."""
        return Tost(self.p_equivalence, self.p_difference, self.low, self.high)


@dataclass(frozen=True)
class Paired:
    """Two sides whose rows were paired, and how sure of things one wants to be.

    Attributes:
        a, b: the sides; differences are b - a.
        margin: shares that differ by less count as the same.
        draws, seed: of the bootstrap over stimuli.
    """

    a: Side
    b: Side
    pairs: Pairs
    margin: float
    draws: int
    seed: int

    @property
    def analysis(self) -> StudyAnalysis | None:
        """The analysis of their study; None where there is none."""
        return ANALYSES.get(self.a.study.name)

    @cached_property
    def trials(self) -> list[tuple[Trial, Trial]]:
        """The pairs as the analysis understands them; none where there is no analysis."""
        if not self.analysis:
            return []
        ours, theirs = (self.analysis.reader(side.frame, side.study) for side in (self.a, self.b))
        return [(ours(row), theirs(other)) for row, other in self.pairs.rows]

    @cached_property
    def _places(self) -> tuple[tuple[str, ...], Integers, Integers]:
        """The conditions' names, and of each pair the condition and the stimulus, as indices."""
        names = self.analysis.conditions.values() if self.analysis else ()
        conditions = {name: number for number, name in enumerate(names)}
        stimuli: dict[tuple[int, str], int] = {}
        item = self.a.study.design.item
        cells, of = [], []
        for place, (row, _) in enumerate(self.pairs.rows):
            cell = conditions.setdefault(self._condition(place), len(conditions))
            cells.append(cell)
            of.append(stimuli.setdefault((cell, row.unit(item) or str(place)), len(stimuli)))
        return tuple(conditions), np.array(cells, dtype=np.int64), np.array(of, dtype=np.int64)

    def _condition(self, place: int) -> str:
        """What the condition of a pair is called: that of its first row."""
        if self.analysis:
            return self.analysis.conditions.get(self.trials[place][0].cell, OUTSIDE)
        return self._own_condition(self.pairs.rows[place][0])

    def _own_condition(self, row: Row) -> str:
        """The condition of a row in a study of the user's own."""
        full = self.a.study.complete({**row.cells, **self.a.study.trial(row.cells)})
        return ", ".join(full.get(name, "") for name in self.a.study.design.cells)

    @property
    def conditions(self) -> tuple[str, ...]:
        """The conditions' names."""
        return self._places[0]

    def empty(self, places: Sequence[int]) -> list[str]:
        """The conditions that none of some pairs is in: of the design, or of both tables where there is no analysis."""
        index = np.array(places, dtype=np.int64)
        there = {self.conditions[cell] for cell in np.unique(self._places[1][index])}
        if self.analysis:
            return [name for name in self.analysis.conditions.values() if name not in there]
        every = dict.fromkeys(self._own_condition(row) for side in (self.a, self.b) for row in side.rows)
        return [name for name in every if name not in there]

    def sample(self, places: Sequence[int], values: Array) -> Sample:
        """Values, shape (rows, labels), of some pairs."""
        names, cells, stimuli = self._places
        index = np.array(places, dtype=np.int64)
        return Sample(values, cells[index], stimuli[index], len(names))

    def means(
        self, experiment: str, of: str, places: Sequence[int], measures: dict[str, Array]
    ) -> dict[str, ComparedNumber]:
        """The mean of measures over some pairs, with intervals; stimuli are drawn within their conditions.

        There is no interval where a condition has one stimulus only: drawn again it is always the same.
        """
        sample = self.sample(places, np.column_stack(list(measures.values())))
        drawn = resampled_total(sample.grouped, self.draws, np.random.default_rng(self.seed))
        alone = bool((sample.grouped.stimuli == 1).any())
        about = ComparedNumber(
            experiment, of, "", rows=len(places), stimuli=len(sample.grouped.rows), reason=ONE_STIMULUS if alone else ""
        )
        numbers = {}
        for column, measure in enumerate(measures):
            point = float(sample.values[:, column].mean())
            low, high = np.nan, np.nan
            if not alone:
                low, high = interval(drawn[:, column], point, WITHIN)
                low, high = max(low, 0.0), high if measure == EARTH_MOVER else min(high, 1.0)
            numbers[measure] = replace(about, measure=measure, value=point, low=low, high=high)
        return numbers

    def difference(
        self,
        experiment: str,
        of: str,
        measure: str,
        places: Sequence[int],
        sides: Array,
        scale: float = 1.0,
        drawn: bool = False,
    ) -> list[ComparedNumber]:
        """The mean difference between sides in each condition, tested against the margin; each stimulus counts once.

        Args:
            experiment: what the findings are called, with the next two.
            of: the question or field.
            measure: the statistic.
            places: the pairs.
            sides: values as shares of their scale, shape (pairs, 2).
            scale: what the findings' values are multiplied by, so that they have their own unit.
            drawn: whether the values are drawn answers, 0 or 1, whose shares are smoothed.
        """
        sample = self.sample(places, np.column_stack([sides, sides[:, 1] - sides[:, 0]]))
        means = stimuli_alike(sample.grouped).means
        numbers = []
        for condition in np.flatnonzero(sample.grouped.stimuli):
            weights = np.zeros((len(self.conditions), 3))
            weights[condition, 2] = 1
            shift = estimate(sample.grouped, weights)
            own = sample.cells == condition
            a, b, _ = means[condition] * scale
            about = ComparedNumber(
                experiment, of, measure, self.conditions[condition], int(own.sum()), a=float(a), b=float(b)
            )
            if drawn:
                shift = smoothed(shift, sample.values[own, :2], sample.stimuli[own])
            number = self.tested(about, shift, scale)
            if shift.reason == ALL_ALIKE and abs(shift.value) > SLACK:
                said = f"all {shift.stimuli} stimuli differ by the same, so there is no interval"
                number = replace(number, p_difference=p_of_same_shift(shift.stimuli), reason=said)
            numbers.append(number)
        return numbers

    def tested(self, about: ComparedNumber, shift: Estimate, scale: float = 1.0, reach: float = 1.0) -> ComparedNumber:
        """A finding with a difference (a share of its scale, at most `reach`) and its tests."""
        test = tost(shift, self.margin)
        low, high = np.clip((test.low, test.high), -reach, reach) * scale
        return replace(
            about,
            stimuli=shift.stimuli,
            value=shift.value * scale,
            low=float(low),
            high=float(high),
            p_equivalence=test.p_equivalence,
            p_difference=test.p_difference,
            reason="; ".join(filter(None, (about.reason, shift.reason))),
        )


def smoothed(shift: Estimate, sides: Array, stimuli: Integers) -> Estimate:
    """A difference of shares with a standard error no smaller than that of smoothed shares.

    Args:
        shift: the difference.
        sides: drawn answers, 0 or 1, shape (pairs, 2).
        stimuli: of the pairs.

    Each share counts as one of so many answers as those of a side are worth (`statistics.effective`): as many as there
    are stimuli where answers about one are all alike, more where they vary.
    """
    if shift.stimuli < 2:
        return shift
    names = [str(stimulus) for stimulus in stimuli]
    variance = 0.0
    for values in sides.T.tolist():
        answers = Numbers(values, names)
        share = float(np.mean((answers.by_stimulus or answers).values))
        variance += smoothed_variance(share, max(effective({"": answers}), shift.stimuli))
    least = float(np.sqrt(variance))
    if shift.reason == ALL_ALIKE:
        return replace(shift, se=least, df=float(shift.stimuli - 1), reason="")
    return replace(shift, se=max(shift.se, least))
