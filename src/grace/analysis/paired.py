"""Paired rows of two sides with their conditions and stimuli, and the statistics that comparisons are made of."""

from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from grace.analysis.bootstrap import interval, resampled_total
from grace.analysis.compare_sides import Pairs, Side
from grace.analysis.distances import SLACK, Array
from grace.analysis.effects import ONE_STIMULUS, Estimate, stimuli_alike
from grace.analysis.equivalence import Tost, p_of_same_shift, tost, variance_of_drawing
from grace.analysis.frames import Row
from grace.analysis.samples import Grouped, Integers, Sample
from grace.analysis.statistics import never_0
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
    def readers(self) -> tuple[Callable[[Row], Trial], ...]:
        """What interprets the rows of either side for the analysis; none where there is no analysis."""
        if not self.analysis:
            return ()
        return tuple(self.analysis.reader(side.frame, side.study) for side in (self.a, self.b))

    @cached_property
    def _places(self) -> tuple[tuple[str, ...], Integers, Integers, Integers]:
        """The conditions' names, and of each pair the condition, the stimulus and the item, as indices."""
        names = self.analysis.conditions.values() if self.analysis else ()
        conditions = {name: number for number, name in enumerate(names)}
        stimuli: dict[tuple[int, str], int] = {}
        items: dict[str, int] = {}
        item = self.a.study.design.item
        cells, of, items_of = array("q"), array("q"), array("q")
        for place, (row, _) in enumerate(self.pairs.rows):
            cell = conditions.setdefault(self._condition(row), len(conditions))
            cells.append(cell)
            unit = row.unit(item) or str(place)
            of.append(stimuli.setdefault((cell, unit), len(stimuli)))
            items_of.append(items.setdefault(unit, len(items)))
        return tuple(conditions), *(np.array(part, dtype=np.int64) for part in (cells, of, items_of))  # type: ignore[return-value]

    def _condition(self, row: Row) -> str:
        """What the condition of a pair with this row of the first side is called."""
        if self.analysis:
            return self.analysis.conditions.get(self.readers[0](row).cell, OUTSIDE)
        return self._own_condition(row)

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
        names, cells, stimuli, items = self._places
        index = np.array(places, dtype=np.int64)
        return Sample(values, cells[index], stimuli[index], len(names), items=items[index])

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
        draws: Array | None = None,
    ) -> list[ComparedNumber]:
        """The mean difference between sides over all conditions and in each, tested against the margin.

        Each stimulus counts once, and over all conditions each condition.

        Args:
            experiment: what the findings are called, with the next two.
            of: the question or field.
            measure: the statistic.
            places: the pairs.
            sides: values as shares of their scale, shape (pairs, 2).
            scale: what the findings' values are multiplied by, so that they have their own unit.
            draws: of shares of drawn answers, what those about a pair's stimulus are worth, shape (pairs, 2), as of
                `independent_draws`; None for numbers.
        """
        columns = [sides, sides[:, 1] - sides[:, 0], np.ones_like(sides) if draws is None else draws]
        grouped = stimuli_alike(self.sample(places, np.column_stack(columns)).grouped)
        cells = self._places[1][np.array(places, dtype=np.int64)]
        numbers = []
        for conditions, shift in shifts_of(grouped, draws is not None):
            a, b = grouped.means[conditions, :2].mean(axis=0) * scale
            condition = "" if len(conditions) > 1 else self.conditions[conditions[0]]
            rows = int(np.isin(cells, conditions).sum())
            about = ComparedNumber(experiment, of, measure, condition, rows, a=float(a), b=float(b))
            number = self.tested(about, shift, scale)
            if shift.reason and np.isfinite(shift.se):
                p = p_of_same_shift(shift.stimuli - len(conditions)) if abs(shift.value) > SLACK else 1.0
                number = replace(number, p_difference=p)
            numbers.append(number)
        return numbers

    def independent_draws(self, places: Sequence[int], answers: Sequence[tuple[object, object]]) -> Array:
        """How many draws the answers about the stimulus of each pair are worth, by side, shape (pairs, 2).

        As many as there are, but those that never differ are copies of one draw, as at temperature 0: the replications
        of a trial where no trial has two different answers, and all about a stimulus where no stimulus has.
        """
        stimuli = self._places[2][np.array(places, dtype=np.int64)]
        participant = self.a.study.design.participant
        rows = [self.pairs.rows[place][0] for place in places]
        trials = [(stimulus, row.stimulus, row[participant]) for stimulus, row in zip(stimuli, rows, strict=True)]
        worth = []
        for side in zip(*answers, strict=True):
            groupings: list[Sequence[object]] = [stimuli.tolist(), trials]
            copies = (own for own in groupings if len(set(zip(own, side, strict=True))) == len(set(own)))
            draws = set(zip(stimuli.tolist(), next(copies, range(len(rows))), strict=True))
            count = Counter(stimulus for stimulus, _ in draws)
            worth.append([float(count[stimulus]) for stimulus in stimuli.tolist()])
        return np.array(worth).T

    def tested(self, about: ComparedNumber, shift: Estimate, scale: float = 1.0, reach: float = 1.0) -> ComparedNumber:
        """A finding with a difference (a share of its scale, at most `reach`) and its tests.

        Where no item varies, `p_difference` is that of the exact test that flips their signs.
        """
        test = tost(shift.varied, self.margin)
        if np.isnan(shift.se) and len(shift.items):
            items = int(np.isfinite(shift.items).sum())
            exact = never_0(2.0 ** (1 - items)) if abs(shift.value) > SLACK else np.nan
            test = replace(test, p_difference=exact)
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


def shifts_of(grouped: Grouped, drawn: bool) -> Iterator[tuple[Integers, Estimate]]:
    """The mean difference over all conditions, where there are several, and in each of them.

    The variance of numbers is that of stimuli's means. That of drawn answers is what drawing makes it, times how much
    more than that stimuli vary, if they do: one factor for all conditions, as in quasi-likelihood (McCullagh & Nelder
    1989, Generalized Linear Models, 4.5), with their degrees of freedom together. In one condition that is the
    modified test of Knapp and Hartung (Roever, Knapp & Friede 2015, BMC Medical Research Methodology 15, 99).

    Args:
        grouped: stimuli's means of five columns: a value of either side as a share of its scale, their difference, and
            what the answers of either side are worth in draws.
        drawn: whether the values are shares of drawn answers.

    Yields:
        The conditions and the difference. Where no stimulus varies, the reason says so, and the variance is that of
        `effects.variance_of_pairs`.
    """
    present = np.flatnonzero(grouped.stimuli)
    parts = [grouped.sums[grouped.cells == condition] for condition in present]
    means = np.array([own[:, 2].mean() for own in parts])
    freedom = grouped.stimuli[present] - 1
    several = freedom > 0
    spread = np.array([own[:, 2].var(ddof=1) / len(own) if len(own) > 1 else 0.0 for own in parts])
    drawing = np.array([variance_of_drawing(own[:, :2], own[:, 3:]) for own in parts])
    single = bool((grouped.sums[:, 3:] == 1).all())  # then drawing's variance is that of stimuli already
    factor = 1.0 if single else max(spread.sum() / drawing[several].sum(), 1.0) if several.any() else 1.0
    variances = drawing * factor if drawn else spread
    places = np.arange(len(present))
    for chosen in ([places] if len(places) > 1 else []) + [places[[place]] for place in places]:
        value, stimuli = float(means[chosen].mean()), int(grouped.stimuli[present[chosen]].sum())
        own, reason = variances[chosen], ""
        if not several[chosen].all():
            yield present[chosen], Estimate(value, np.nan, np.nan, stimuli, ONE_STIMULUS)
            continue
        if own.sum() <= SLACK**2:
            own, reason = drawing[chosen], f"all {stimuli} stimuli differ by the same"
        df = freedom.sum() if drawn and not single else own.sum() ** 2 / (own**2 / freedom[chosen]).sum()
        yield present[chosen], Estimate(value, float(np.sqrt(own.sum()) / len(chosen)), float(df), stimuli, reason)
