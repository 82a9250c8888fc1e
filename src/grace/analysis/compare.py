"""Comparison of two models on the same trials: distances, agreement, shifts of effects, equivalence, and a verdict.

Everything is paired by trial. What varies are the stimuli (`grace.analysis.samples`): intervals and tests take them as
units. Experiment 2 compares distributions question by question; Experiment 1 compares drawn answers.
"""

from array import array
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from grace.analysis.bootstrap import DRAWS, SEED
from grace.analysis.compare_sides import Pairs, Side, check_comparable, pair
from grace.analysis.contrast_shifts import shifts_of_contrasts
from grace.analysis.decisions import decide
from grace.analysis.distances import SLACK, Array, earth_mover, jensen_shannon, normalised, total_variation
from grace.analysis.effects import ALPHA, ONE_STIMULUS, bounds, estimate
from grace.analysis.equivalence import (
    DIFFERENT,
    EQUIVALENT,
    MARGIN,
    UNDECIDED,
    differing,
    most_that_differ,
    overall,
    p_of_agreement,
    verdict_of_distance,
    verdict_of_tests,
)
from grace.analysis.frames import Row
from grace.analysis.paired import EARTH_MOVER, ComparedNumber, Paired
from grace.analysis.samples import ANSWERS, shares, weights_in
from grace.analysis.study_analysis import StudyAnalysis
from grace.errors import InputError
from grace.studies.fields import Field
from grace.studies.questions import Question

PROBABILITIES, DRAWN = "probabilities", "answers"
ALL_FIELDS = "all fields"
READ = 2**12
"""So many different cells of a field are kept as they were read."""


@dataclass(frozen=True)
class Judgement:
    """What is judged on its own: a question of Experiment 2, or all answers of Experiment 1.

    Attributes:
        experiment, of: as in ComparedNumber.
        verdict: equivalent, different, can't tell.
        why: the numbers that it follows from, in words.
        within_noise: whether no probability differs by more than when one model is asked twice; None where not known.
    """

    experiment: str
    of: str
    verdict: str
    why: str
    within_noise: bool | None = None


@dataclass(frozen=True)
class Comparison:
    """What came out.

    Attributes:
        notes: what else differs between the sides, and what was left out.
        verdict: equivalent, different or can't tell.
        sentence: the verdict with its numbers.
    """

    a: Side
    b: Side
    pairs: Pairs
    margin: float
    draws: int
    seed: int
    notes: tuple[str, ...]
    findings: tuple[ComparedNumber, ...]
    parts: tuple[Judgement, ...]
    verdict: str
    sentence: str

    @property
    def compared(self) -> bool:
        """Whether anything could be compared."""
        return any(np.isfinite(finding.value) for finding in self.findings)


def compare_models(a: Side, b: Side, margin: float = MARGIN, draws: int = DRAWS, seed: int = SEED) -> Comparison:
    """Compare two sides; differences are b - a.

    Shares that differ by less than `margin`, above 0 and below 1, count as the same; `draws` and `seed` are of the
    bootstrap over stimuli.

    Raises:
        InputError: they are of different studies or inputs, have no trial in common, or the margin is none.
    """
    if not 0 < margin < 1:
        raise InputError(f"--margin {margin:g}: is a share, above 0 and below 1, as 0.05 for 5 percentage points")
    notes = check_comparable(a, b)
    both = Paired(a, b, pair(a, b), margin, draws, seed)
    names = set(a.frame.columns) & set(b.frame.columns)
    findings: list[ComparedNumber] = []
    parts: list[Judgement] = []
    for name, question in a.study.questions.items():
        if set(question.columns.probabilities) <= names:
            own, part = compare_question(both, name, question)
            findings += own
            parts.append(part)
    fields = [field for name, field in a.study.extraction.fields.items() if name in names] if a.study.extraction else []
    if fields:
        own, part = compare_answers(both, fields)
        findings += own
        parts.append(part)
    findings += shifts_of_effects(both)
    findings += shifts_of_contrasts(both)
    if not parts:
        notes.append("the two have neither probabilities nor extracted values in common")
    verdict = overall([part.verdict for part in parts])
    said = (_sentence(a.name, b.name, verdict, parts, margin), _of_pairs(both.pairs), *_of_noise(parts, findings))
    sentence = " ".join(filter(None, said))
    return Comparison(
        a, b, both.pairs, margin, draws, seed, tuple(notes), tuple(findings), tuple(parts), verdict, sentence
    )


# Experiment 2


def compare_question(both: Paired, name: str, question: Question) -> tuple[list[ComparedNumber], Judgement]:
    """Distances between the distributions over one question's answers; what is shown twice counts once."""
    places, p, q, lost = _distributions(both, question.columns.probabilities)
    if not places:
        why = f"no trial has probabilities on both sides ({lost} pairs of rows)"
        nothing = ComparedNumber(PROBABILITIES, name, "total_variation", reason=why)
        return [nothing], Judgement(PROBABILITIES, name, UNDECIDED, why)
    measures = {"total_variation": total_variation(p, q), "jensen_shannon": jensen_shannon(p, q)}
    values = question.space.values
    if values is not None:
        measures[EARTH_MOVER] = earth_mover(p, q, np.array(values))
    measures["same_most_likely"] = _same_top(p, q)
    measures["difference_of_probability"] = np.abs(p - q).mean(axis=1)
    numbers = both.means(PROBABILITIES, name, places, measures)
    floors = [side.floor for side in (both.a, both.b) if side.floor]
    mean_floor = max((floor["mean"] for floor in floors), default=np.nan)
    of_question = [floor["by_question"][name] for floor in floors if name in floor["by_question"]]
    floor = max(of_question, default=np.nan)
    numbers["difference_of_probability"] = replace(numbers["difference_of_probability"], noise=mean_floor)
    largest = float(np.abs(p - q).max())
    distance = numbers["total_variation"]
    most = replace(
        distance, measure="largest_difference_of_probability", value=largest, low=np.nan, high=np.nan, noise=floor
    )
    findings = [*numbers.values(), most]
    if values is not None:
        reach = float(np.ptp(values))
        numbers[EARTH_MOVER] = replace(numbers[EARTH_MOVER], high=min(numbers[EARTH_MOVER].high, reach))
        expected = np.column_stack([p @ np.array(values), q @ np.array(values)]) / reach
        findings += both.difference(PROBABILITIES, name, "expected_value", places, expected, reach)
    within = None if np.isnan(floor) else largest <= floor
    return findings, _judged(name, distance, both.margin, within, _without(lost, both.empty(places)))


def _distributions(both: Paired, columns: Sequence[str]) -> tuple[list[int], Array, Array, int]:
    """Distinct pairs with distributions on both sides: places, those of a and of b, and how many pairs lack one."""
    seen: dict[object, tuple[int, list[float], list[float]]] = {}
    lost = 0
    for place, (ours, theirs) in enumerate(both.pairs.rows):
        one, other = weights_in(ours, columns), weights_in(theirs, columns)
        if one is None or other is None:
            lost += 1
        else:
            seen.setdefault(ours.stimulus or place, (place, one, other))
    p, q = _columns(list(seen.values()), len(columns))
    return [place for place, _, _ in seen.values()], normalised(p), normalised(q), lost


def _columns(pairs: Sequence[tuple[int, list[float], list[float]]], labels: int) -> tuple[Array, Array]:
    """The distributions of both sides, each of shape (pairs, labels)."""
    p = np.array([own for _, own, _ in pairs], dtype=float).reshape(len(pairs), labels)
    return p, np.array([own for _, _, own in pairs], dtype=float).reshape(len(pairs), labels)


def _same_top(p: Array, q: Array) -> Array:
    return np.asarray(p.argmax(axis=1) == q.argmax(axis=1), dtype=float)


def _judged(name: str, distance: ComparedNumber, margin: float, within: bool | None, without: "Gaps") -> Judgement:
    """The verdict on a question; a distance that is no more than noise is no difference."""
    verdict = without.verdict(verdict_of_distance(distance.low, distance.high, margin))
    sure = f"90% interval {distance.low:.3g} to {distance.high:.3g}" if np.isfinite(distance.low) else distance.reason
    why = f"mean total variation {distance.value:.3g} ({sure})"
    if verdict == DIFFERENT and within:
        verdict = UNDECIDED
        why += ", no more than the noise floor"
    return Judgement(PROBABILITIES, name, verdict, why + without.words, within)


@dataclass(frozen=True)
class Gaps:
    """What a part of a comparison does not rest on.

    Attributes:
        words: the same in words, to be added to others; "" where it rests on everything.
        conditions: how many conditions are empty.
    """

    words: str
    conditions: int

    def verdict(self, verdict: str) -> str:
        """A verdict, but nobody can tell equivalence of a condition that was not seen."""
        return UNDECIDED if self.conditions and verdict == EQUIVALENT else verdict


def _without(lost: int, empty: Sequence[str]) -> Gaps:
    words = f", without {lost} {'pair' if lost == 1 else 'pairs'} of rows that lack it on a side" if lost else ""
    if empty:
        words += f"; nothing is known of {'; '.join(empty)} (no pair of rows)"
    return Gaps(words, len(empty))


# Experiment 1


def compare_answers(both: Paired, fields: Sequence[Field]) -> tuple[list[ComparedNumber], Judgement]:
    """Agreement of drawn answers, field by field, and shifts of shares and means by condition."""
    findings: list[ComparedNumber] = []
    shifts: list[ComparedNumber] = []
    alike: list[ComparedNumber] = []
    conditions: set[str] = set()
    lacking = []
    for field in fields:
        agreed, own = _compare_field(both, field)
        findings += [agreed, *own]
        conditions |= {shift.condition for shift in own}
        if agreed.value == 1:
            alike.append(agreed)
        else:
            shifts += own
        if not own:
            lacking.append(field.name)
    findings += _whole_answers(both)
    if not conditions:
        return findings, Judgement(DRAWN, ALL_FIELDS, UNDECIDED, f"no trial has values on both sides{_failures(both)}")
    every = dict.fromkeys((*both.conditions, *both.empty(range(len(both.pairs.rows)))))
    without = _without(0, [name for name in every if name not in conditions])
    verdict = without.verdict(verdict_of_tests([number.test for number in (*shifts, *alike)]))
    if lacking and verdict == EQUIVALENT:
        verdict = UNDECIDED
    return findings, Judgement(
        DRAWN, ALL_FIELDS, verdict, _why(shifts, alike, lacking) + _failures(both) + without.words
    )


def _failures(both: Paired) -> str:
    """How many requests failed on either side, in words; "" where none did."""
    failed = [sum(pair[side].failed for pair in both.pairs.rows) for side in (0, 1)]
    return f"; requests that failed: {failed[0]} of the first, {failed[1]} of the second" if any(failed) else ""


def _why(shifts: Sequence[ComparedNumber], alike: Sequence[ComparedNumber], lacking: Sequence[str]) -> str:
    """The numbers that a verdict follows from: shares and means, and fields that agree in all pairs."""
    parts = [_why_shifts(shifts)] if shifts else []
    names: dict[str, list[str]] = defaultdict(list)
    for agreed in alike:
        most = f"so at most {1 - agreed.low:.1%} of stimuli differ" if np.isfinite(agreed.low) else ONE_STIMULUS
        pairs, stimuli = ((agreed.rows, "pair", "pairs"), (agreed.stimuli, "stimulus", "stimuli"))
        said = " of ".join(f"{number} {one if number == 1 else many}" for number, one, many in (pairs, stimuli))
        names[f"the same in all {said}, {most}"].append(agreed.of)
    parts += [f"{', '.join(own)}: {said}" for said, own in names.items()]
    if lacking:
        parts.append(f"{', '.join(lacking)} could not be compared")
    return "; ".join(parts)


def _why_shifts(shifts: Sequence[ComparedNumber]) -> str:
    differ = [shift for shift, apart in zip(shifts, differing([s.test for s in shifts]), strict=True) if apart]
    apart, whole = ([shift for shift in differ if bool(shift.condition) == of_one] for of_one in (True, False))
    shifts = [shift for shift in shifts if shift.condition]
    settled = sum(shift.p_equivalence < ALPHA for shift in shifts)
    why = f"{settled} of {len(shifts)} shares and means by condition lie within the margin"
    defined = [shift for shift in shifts if np.isfinite(shift.low)]
    if apart:
        why += f", {len(apart)} differ; the surest is {_shift(min(apart, key=_surest))}"
    elif defined and settled < len(shifts) and not whole:
        why += f"; the one farthest from it is {_shift(max(defined, key=lambda shift: shift.p_equivalence))}"
    elif not defined:
        why += f"; none could be tested ({next((shift.reason for shift in shifts if shift.reason), 'no variance')})"
    if whole:
        why += f"; over all conditions {len(whole)} differ; the surest is {_shift(min(whole, key=_surest))}"
    return why


def _surest(shift: ComparedNumber) -> float:
    return shift.p_difference


def _shift(shift: ComparedNumber) -> str:
    name = ", ".join(filter(None, (shift.of, shift.measure, shift.condition)))
    sure = f"90% interval {shift.low:.3g} to {shift.high:.3g}" if np.isfinite(shift.low) else shift.reason
    return f"{name}: {shift.value:+.3g} ({sure})"


def _compare_field(both: Paired, field: Field) -> tuple[ComparedNumber, list[ComparedNumber]]:
    read = _reader(field)
    cells = both.pairs.rows.cells(field.name)
    values = ((place, read(ours), read(theirs)) for place, (ours, theirs) in enumerate(cells))
    pairs = [(place, x, y) for place, x, y in values if x is not None and y is not None]
    lost = len(both.pairs.rows) - len(pairs)
    if not pairs:
        why = f"no trial has a value on both sides ({lost} pairs of rows)"
        return ComparedNumber(DRAWN, field.name, "agreement", reason=why), []
    places = [place for place, _, _ in pairs]
    same = np.array([float(x == y) for _, x, y in pairs])
    agreed = _certain(both.means(DRAWN, field.name, places, {"agreement": same})["agreement"])
    if agreed.value == 1 and np.isfinite(agreed.low):
        agreed = replace(agreed, p_equivalence=p_of_agreement(agreed.stimuli, both.margin))
    own = [value for side in (both.a, both.b) if not np.isnan(value := own_agreement(side, field.name, read))]
    reasons = [agreed.reason, _without(lost, both.empty(places)).words.lstrip(",; ")]
    if len({value for _, x, y in pairs for value in (x, y)}) == 1:
        reasons.append(f"all answers of both sides are {pairs[0][1]}")
    agreed = replace(agreed, noise=min(own, default=np.nan), reason="; ".join(filter(None, reasons)))
    shifts = []
    answers = [(x, y) for _, x, y in pairs]
    draws = both.independent_draws(places, answers) if field.kind is str else None
    for measure, scale, sides in _shares(field, answers):
        shifts += both.difference(DRAWN, field.name, measure, places, sides, scale, draws)
    return agreed, shifts


def _certain(number: ComparedNumber) -> ComparedNumber:
    """A mean of 0 or 1 in all pairs, as sure as that many stimuli make it: drawn again they are always the same."""
    if np.isnan(number.low) or SLACK < number.value < 1 - SLACK:
        return number
    most = most_that_differ(number.stimuli)
    return replace(number, low=max(number.value - most, 0.0), high=min(number.value + most, 1.0))


def _reader(field: Field) -> Callable[[str], object]:
    """What reads a field's value in a cell, None where there is none."""

    @lru_cache(READ)
    def value(cell: str) -> object:
        with suppress(ValueError):
            return field.parse(cell) if cell else None
        return None

    return value


def _shares(field: Field, pairs: Sequence[tuple[object, object]]) -> Iterator[tuple[str, float, Array]]:
    """What is compared of a field: each value's share (of two values the first one's), or a number's mean.

    Yields:
        What it is called, its scale, and the values as shares of it, shape (pairs, 2).
    """
    if field.kind is str:
        for value in field.values[:1] if len(field.values) == 2 else field.values:
            yield f"share of {value}", 1.0, np.array([[float(x == value), float(y == value)] for x, y in pairs])
        return
    numbers = np.array(pairs, dtype=float)
    ends = [float(value) for value in field.values] or [end for end in (field.low, field.high) if end is not None]
    reach = max(ends) - min(ends) if len(ends) > 1 else float(np.ptp(numbers))
    yield "mean", reach or 1.0, numbers / (reach or 1.0)


def own_agreement(side: Side, column: str, read: Callable[[str], object]) -> float:
    """How often a side agrees with itself: the answers of each replication and the next; NaN with one replication."""
    cells = (side.rows.cells(column, pair) for pair in side.again)
    answers = ((read(one), read(other)) for one, other in cells)
    same = [x == y for x, y in answers if x is not None and y is not None]
    return sum(same) / len(same) if same else np.nan


def _whole_answers(both: Paired) -> Iterator[ComparedNumber]:
    """Distance of whole answers, taken as distributions over the labels of the study's analysis."""
    if not both.analysis:
        return
    places, p, q = _values(both, both.analysis, ANSWERS)
    if places:
        measures = {"total_variation": total_variation(p, q), "same_most_likely": _same_top(p, q)}
        numbers = both.means(DRAWN, both.analysis.whole_answer, places, measures)
        yield from map(_certain, numbers.values())


# Effects


def _values(both: Paired, analysis: StudyAnalysis, source: str) -> tuple[Sequence[int], Array, Array]:
    """The pairs that have a distribution of a source on both sides, and these distributions."""
    columns = analysis.sources.get(source)
    readers = both.readers

    def distribution(side: int, row: Row) -> list[float] | None:
        return shares(weights_in(row, columns) if columns else readers[side](row).weights)

    places, values = array("Q"), (array("d"), array("d"))
    for place, rows in enumerate(both.pairs.rows):
        p = distribution(0, rows[0])
        q = distribution(1, rows[1]) if p else None
        if p and q:
            places.append(place)
            values[0].extend(p)
            values[1].extend(q)
    p_and_q = (np.array(own).reshape(len(places), len(analysis.labels)) for own in values)
    return places, *p_and_q  # type: ignore[return-value]


def shifts_of_effects(both: Paired) -> Iterator[ComparedNumber]:
    """Every effect of the study on both sides and its shift, from each source of distributions that both have."""
    analysis = both.analysis
    if not analysis:
        return
    for source in (ANSWERS, *analysis.sources):
        places, p, q = _values(both, analysis, source)
        if not places:
            continue
        ours, theirs, shift = (both.sample(places, values).grouped for values in (p, q, q - p))
        effects = analysis.effects()
        padding = ((0, len(both.conditions) - len(analysis.conditions)), (0, 0))  # conditions outside of the design
        contrasts = [np.pad(effect.weights, padding) for effect in effects]
        sides = [[estimate(grouped, weights) for weights in contrasts] for grouped in (ours, theirs)]
        verdicts = [[one.verdict for one in decide(estimates, contrasts)] for estimates in sides]
        for effect, weights, x, y, *both_verdicts in zip(effects, contrasts, *sides, *verdicts, strict=True):
            first, second = both_verdicts
            changed = "" if first == second else f"{first} in the first, {second} in the second"
            about = ComparedNumber(
                f"effects of {source}", effect.name, "contrast", rows=len(places), a=x.value, b=y.value, reason=changed
            )
            least, largest = bounds(weights)
            yield both.tested(about, estimate(shift, weights, shift=True), reach=largest - least)


# The verdict


def _sentence(a: str, b: str, verdict: str, parts: Sequence[Judgement], margin: float) -> str:
    if not parts:
        return f"Can't tell whether {a} and {b} are equivalent: there is nothing that could be compared."
    claim = {
        EQUIVALENT: f"{a} and {b} are equivalent within a margin of {margin:g}",
        DIFFERENT: f"{a} and {b} are different (margin {margin:g})",
        UNDECIDED: f"Can't tell whether {a} and {b} are equivalent within a margin of {margin:g}",
    }[verdict]
    names: dict[str, list[str]] = defaultdict(list)
    for part in parts:
        if part.verdict == verdict:
            names[part.why].append(part.of)
    reasons = (f"{', '.join(own)}: {why}" for why, own in names.items())  # as questions that one reason holds for
    return f"{claim}: {'; '.join(reasons)}."


def _of_pairs(pairs: Pairs) -> str:
    if not pairs.only_a + pairs.only_b:
        return ""
    alone = f"{pairs.only_a} rows of the first and {pairs.only_b} of the second have none"
    return f"It rests on {len(pairs.rows)} pairs; {alone}."


def _of_noise(parts: Sequence[Judgement], findings: Sequence[ComparedNumber]) -> Iterator[str]:
    """What the noise floor says of probabilities, and of answers."""
    scored = [part for part in parts if part.experiment == PROBABILITIES]
    judged = [part for part in scored if part.within_noise is not None]
    beyond = [part.of for part in judged if not part.within_noise]
    if beyond:
        yield f"Beyond the noise floor lie the probabilities of {', '.join(beyond)}."
    elif judged:
        yield "No probability differs by more than when one model is asked twice."
    elif scored:
        yield "How far the probabilities of one model differ from themselves was not measured; grace noise does."
    agreements = [row for row in findings if row.measure == "agreement" and np.isfinite(row.value)]
    own = [row for row in agreements if np.isfinite(row.noise)]
    less = [row.of for row in own if row.high < row.noise]
    if less:
        yield f"The two agree less often than one model with itself in {', '.join(less)}."
    elif own:
        yield "The two agree no less often than one model with itself."
    elif agreements:
        yield "How often the answers of one model agree with themselves is not known; two replications would tell."
