"""Study 1, knowledge: bets by condition, analysis of variance, planned comparisons, knowledge judgements.

Goodman & Stuhlmueller (2013) asked people to bet on whether the speaker knew exactly how many, and excluded trials with
70 or less on the answer that fits: "yes" where the speaker had looked at all three, "no" otherwise. A model answers yes
or no. So a trial is excluded here when the answer does not fit, or when there is none: whoever has not understood what
the speaker knows shows nothing about what follows from that knowledge. Trials that a person marked in a column drop_...
are excluded too.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from math import fsum
from typing import Any

import numpy as np

from grace.analysis import rsa_knowledge, scores
from grace.analysis.decisions import REVERSED, SHOWN, UNSURE
from grace.analysis.designs import ACCESS_NUMBER, ACCESS_WORD, STATES, WORDS
from grace.analysis.distances import Array
from grace.analysis.effects import ALPHA, Effect
from grace.analysis.frames import Frame, Row
from grace.analysis.names import ANOVA, EXPECTED, PLANNED, Factors, TestName
from grace.analysis.people import study1_tests
from grace.analysis.samples import BETS, CHOICE
from grace.analysis.statistics import (
    INTERVALS,
    NO_STIMULI,
    TEST_COLUMNS,
    Numbers,
    Observation,
    Tested,
    holm,
    mean_and_se,
    repeated_anova,
    stimulus_means,
    stimulus_test,
    t_test,
    two_way_anova,
    wilson,
)
from grace.analysis.study_analysis import EffectSizes, Results, StudyAnalysis
from grace.analysis.trials import Cell, ModelTrials, Trial, flaw_of
from grace.errors import InputError
from grace.studies.study import Study

YES, NO = "yes", "no"
PRIOR = "Prior_A"
KNOWLEDGE = "knowledge"
"""The question's name in the study file, and that of a table of results."""

OUTSIDE = "access and observe are no cell of the design"
NO_BETS = "not all four bets are numbers from 0 to 100"
UNCLEAR = "the knowledge answer is missing or neither yes nor no"
WRONG = "the knowledge answer does not fit access"
MARKED = "marked in "

FACTORS = ("access", "word")

ANOVA_STATE = 3
"""The analysis of variance is on the bets on state 3: that all three have the property.

The paper reports F(2,205) for access and for word, and F(1,205) for their interaction. Its planned comparisons have
44, 43, 25, 25 and 26 trials in five cells, 163 together. With 48 in the sixth, "three" at access 3, that makes 211: one
number for each trial that was kept, less six cells, leaves 205. That number is the bet on state 3, as in the one-way
analysis of its Experiment 1, since the question is whether a speaker who says less rules that state out.
"""


@dataclass(frozen=True)
class BetComparison:
    """A planned comparison: in a condition more is bet on one state than on another. As text it is a3-two:2>3."""

    access: int
    word: str
    higher: int
    lower: int

    def __str__(self) -> str:
        return f"a{self.access}-{self.word}:{self.higher}>{self.lower}"

    @property
    def cell(self) -> Cell:
        """Its condition."""
        return str(self.access), self.word

    @property
    def weights(self) -> Array:
        """The comparison as a contrast, shape (conditions, states)."""
        weights = np.zeros((len(ACCESS_WORD), len(STATES)))
        weights[ACCESS_WORD.index(self.cell), [self.higher, self.lower]] = 1, -1
        return weights

    def difference(self, bets: Sequence[float]) -> float:
        """By how much the bet on the one state is higher."""
        return bets[self.higher] - bets[self.lower]


COMPARISONS = (
    BetComparison(3, "two", 2, 3),
    BetComparison(3, "one", 1, 3),
    BetComparison(3, "one", 1, 2),
    BetComparison(1, "one", 1, 2),
    BetComparison(1, "one", 1, 3),
    BetComparison(2, "two", 2, 3),
    BetComparison(2, "one", 1, 3),
    BetComparison(2, "one", 1, 2),
)
"""The planned comparisons of the paper, in its order."""


# Reading


def bet_columns(frame: Frame) -> tuple[str, ...]:
    """The columns of bets: `probability_0`, or X0 and 0, as R and people's own tables call them; () without all."""
    names = [frame.column(f"probability_{state}", f"X{state}", str(state)) for state in STATES]
    return tuple(name for name in names if name) if all(names) else ()


def knowledge_column(frame: Frame) -> str | None:
    """The column of knowledge answers."""
    return frame.column("Knowledge_A")


def check(frame: Frame, study: Study) -> None:
    """Check that a table has conditions, and bets or probabilities. Raises InputError."""
    frame.needed("how many the speaker looked at", "access")
    frame.needed("how many of these have the property, the word that the speaker says", "observe")
    if bet_columns(frame) or scores.has_scores(frame, study):
        return
    lacking = [name for state in STATES if (name := f"probability_{state}") not in frame.columns]
    if len(lacking) < len(STATES):
        raise InputError(f"{frame.name}: has bets, but no column {lacking[0]!r}; all four are needed")
    raise InputError(
        f"{frame.name}: has neither bets (probability_0 to probability_3) nor probabilities (state0_mean, ...); "
        "`grace extract` finds the values in answers"
    )


def reader(frame: Frame, study: Study) -> Callable[[Row], Trial]:
    """Interprets the rows of a table. Access and word are columns of the study, not read from its sentences again."""
    columns, of_knowledge, marks = bet_columns(frame), knowledge_column(frame), frame.marks
    assert study.extraction is not None
    field, cells = study.extraction.fields["Knowledge_A"], {cell: cell for cell in ACCESS_WORD}

    @cache
    def answered(numbers: tuple[float | None, ...], said: str) -> tuple[tuple[float, ...] | None, str, dict[str, Any]]:
        """The bets, the knowledge answer, and both by question; rows that say the same share them."""
        bets = tuple(bet for bet in numbers if bet is not None and 0 <= bet <= 100)
        weights = bets if len(bets) == len(STATES) else None
        try:
            knowledge = str(field.parse(said))
        except ValueError:
            knowledge = ""
        answers = {f"state{state}": bet for state, bet in enumerate(weights or ())}
        return weights, knowledge, {**answers, **({KNOWLEDGE: knowledge} if knowledge else {})}

    def read(row: Row) -> Trial:
        cell = str(row.integer("access")), WORDS.get(row.integer("observe") or 0, "")
        cell = cells.get(cell, ("", ""))
        weights, knowledge, answers = answered(tuple(map(row.number, columns)), row[of_knowledge])
        exclusion = _misunderstood(cell[0], knowledge) if of_knowledge else None
        if not exclusion and (mark := row.marked(marks)):
            exclusion = f"{MARKED}{mark}"
        return Trial(
            row,
            cell,
            row.unit(study.design.item),
            weights,
            {} if row.failed else answers,
            flaw_of(row, cell, weights, OUTSIDE, NO_BETS),
            exclusion,
        )

    return read


def _misunderstood(access: str, knowledge: str) -> str | None:
    """Why a knowledge answer excludes its trial: yes fits where the speaker looked at all three, no elsewhere."""
    if not knowledge:
        return UNCLEAR
    return None if knowledge == (YES if access == "3" else NO) else WRONG


# Results


def sample(trials: Sequence[Trial], value: Callable[[Trial], float]) -> Numbers:
    """A number for each trial, with the trials' stimuli."""
    stimuli = [trial.unit for trial in trials if trial.unit is not None]
    return Numbers([value(trial) for trial in trials], stimuli if len(stimuli) == len(trials) else None)


def _bets(trial: Trial) -> tuple[float, ...]:
    """The bets of a trial that is analysed."""
    assert trial.weights is not None
    return trial.weights


def _in_cell(trials: Sequence[Trial], cell: Cell) -> list[Trial]:
    return [trial for trial in trials if trial.cell == cell]


def results(trials: ModelTrials, frame: Frame, study: Study) -> Results:
    """The tables and tests of one model."""
    tables, tests, notes = {}, list[Tested](), []
    if bet_columns(frame):
        tables["means"] = list(means(trials.kept))
        tests = tests_of(trials.kept)
    if knowledge_column(frame):
        tables[KNOWLEDGE] = list(knowledge(trials.trials))
    elif trials.exclusions and bet_columns(frame):
        notes.append("the table has no column Knowledge_A, so no trial is excluded by its knowledge answer")
    sums = [sum(_bets(trial)) for trial in trials.kept]
    if uneven := sum(abs(total - 100) > 0.5 for total in sums):
        notes.append(f"the bets of {uneven} of {len(sums)} trials do not sum to 100; they are analysed as they are")
    if scores.has_scores(frame, study):
        tests += expected_tests([trial for trial in trials.trials if trial.inside])
    return Results(tables, tests, notes)


def means(kept: Sequence[Trial]) -> Iterator[tuple[object, ...]]:
    """The mean bet on each state in each cell of the design; a cell without rows has n 0 and no mean."""
    for cell in ACCESS_WORD:
        own = _in_cell(kept, cell)
        for state in STATES:
            bets = sample(own, lambda trial, state=state: _bets(trial)[state])  # type: ignore[misc]
            yield *cell, state, *mean_and_se(bets.values), len(own), bets.n_effective if own else 0


def knowledge(trials: Sequence[Trial]) -> Iterator[tuple[object, ...]]:
    """The knowledge answers in each cell: of all rows, since exclusions follow from them."""
    for cell in ACCESS_WORD:
        own = _in_cell(trials, cell)
        answered = [trial for trial in own if KNOWLEDGE in trial.answers]
        said = Counter(trial.answers[KNOWLEDGE] for trial in answered)
        failed = sum(trial.row.failed for trial in own)
        n = len(answered)
        share = said[YES] / n if n else None
        worth = sample(answered, lambda trial: float(trial.answers[KNOWLEDGE] == YES)).n_effective if n else 0
        by_row, clustered = (
            wilson(share, number) if share is not None and number is not None else (None, None) for number in (n, worth)
        )
        yield *cell, said[YES], said[NO], len(own) - n - failed, failed, share, *by_row, n, worth, *clustered


def tests_of(kept: Sequence[Trial]) -> list[Tested]:
    """Analysis of variance and planned comparisons: over rows, over stimuli, and with repeated measures by story."""
    data = [Observation(trial.cell[0], trial.cell[1], _bets(trial)[ANOVA_STATE], trial.unit) for trial in kept]
    means_of_stimuli = stimulus_means(data)
    by_stimulus = [
        replace(test, n=len(data), n_effective=float(test.n), note=test.note.replace("rows", "stimuli"))
        for test in two_way_anova(FACTORS, means_of_stimuli or [], by_stimulus=True)
    ]
    repeated = [replace(test, n=len(data)) for test in repeated_anova(FACTORS, means_of_stimuli or [])]
    if means_of_stimuli is None:
        by_stimulus, repeated = (
            [replace(test, n_effective=None, note=NO_STIMULI) for test in tests] for tests in (by_stimulus, repeated)
        )
    differences = {
        comparison: sample(_in_cell(kept, comparison.cell), lambda trial, own=comparison: own.difference(_bets(trial)))  # type: ignore[misc]
        for comparison in COMPARISONS
    }
    planned = [t_test(TestName(PLANNED, own), values, "greater") for own, values in differences.items()]
    clustered = [
        stimulus_test(TestName(PLANNED, own, by_stimulus=True), values, "greater")
        for own, values in differences.items()
    ]
    return [*two_way_anova(FACTORS, data), *holm(planned), *by_stimulus, *holm(clustered), *repeated]


def expected_tests(trials: Sequence[Trial]) -> list[Tested]:
    """The planned comparisons on expected bets: a stimulus's four means, divided by their sum, times 100."""
    tests = []
    for comparison in COMPARISONS:
        differences = scores.by_stimulus(
            _in_cell(trials, comparison.cell),
            lambda row, own=comparison: own.difference(bets) if (bets := expected_bets(row)) else None,  # type: ignore[misc]
        )
        tests.append(stimulus_test(TestName(EXPECTED, comparison), differences, "greater"))
    return holm(tests)


def expected_bets(row: Row) -> tuple[float, ...] | None:
    """What a model would bet on 0, 1, 2 and 3, percent; None where a mean is missing, or all are 0."""
    means = [row.number(f"state{state}_mean") for state in STATES]
    numbers = [mean for mean in means if mean is not None]
    total = fsum(numbers)
    if len(numbers) < len(means) or total <= 0:
        return None
    return tuple(100 * mean / total for mean in numbers)


# References


def cell_title(cell: Cell) -> str:
    """The name of a condition in figures."""
    return f"access {cell[0]}, “{cell[1]}”"


@cache
def planned_effects() -> tuple[Effect, ...]:
    """The planned comparisons, and which of them people show."""
    of_people = _decided()
    return tuple(
        Effect(
            name := str(TestName(PLANNED, comparison)),
            f"access {comparison.access}, '{comparison.word}': more on {comparison.higher} than on {comparison.lower}",
            f"{cell_title(comparison.cell)}: {comparison.higher} > {comparison.lower}",
            comparison.weights,
            of_people[name],
        )
        for comparison in COMPARISONS
    )


@cache
def effects() -> tuple[Effect, ...]:
    """The planned comparisons, and that a word means only its own number more with full access than with less."""
    return *planned_effects(), *_interactions()


def _decided() -> dict[str, str]:
    """What is decided of people's planned comparisons, two-tailed with Holm's correction; none can be called absent."""
    from scipy.stats import t

    planned = [study1_tests()[str(TestName(PLANNED, comparison))] for comparison in COMPARISONS]
    tests = holm(
        [
            Tested(TestName(PLANNED, own.name), own.statistic, p=2 * t.sf(abs(own.statistic), own.df[0]))
            for own in planned
        ]
    )
    return {
        own.name: UNSURE if (test.p_holm or 0) >= ALPHA else SHOWN if own.statistic > 0 else REVERSED
        for own, test in zip(planned, tests, strict=True)
    }


def _interactions() -> Iterator[Effect]:
    holds = SHOWN if study1_tests()[str(TestName(ANOVA, Factors(FACTORS)))].holds else UNSURE
    for word, higher, lower, partial in (("two", 2, 3, 2), ("one", 1, 2, 1)):
        full, less = (BetComparison(access, word, higher, lower).weights for access in (3, partial))
        yield Effect(
            f"interaction:{word}:{higher}>{lower}",
            f"'{word}' means '{word}, not more' rather with access 3 than with access {partial}",
            f"“{word}”: {higher} > {lower} rather with access 3",
            full - less,
            holds,
        )


def own_predictions(rows: Sequence[Row]) -> Array | None:
    """Rational speech acts with a model's own prior: the base rate of its answers to how many it expects (Prior_A).

    An object with the property and one without are added, so that no state is impossible.
    """
    priors = [number for row in rows if not row.failed and (number := row.integer(PRIOR)) in STATES]
    if not priors:
        return None
    objects = max(STATES)
    rate = (sum(filter(None, priors)) + 1) / (objects * len(priors) + 2)
    return rsa_knowledge.predictions(rsa_knowledge.Knowledge(base_rate=rate))


def effect_sizes() -> EffectSizes:
    """The sizes of people's planned comparisons: means of people are not published as numbers."""
    planned = planned_effects()
    return EffectSizes(
        np.stack([effect.weights for effect in planned]),
        np.array([study1_tests()[effect.name].effect_size for effect in planned]),
    )


STUDY1 = StudyAnalysis(
    name="study1",
    factors=FACTORS,
    needs="access and observe",
    conditions={(str(access), WORDS[number]): f"access {access}, word {number}" for access, number in ACCESS_NUMBER},
    labels=tuple(map(str, STATES)),
    scale=np.arange(4.0),
    tables={
        "means": (*FACTORS, "state", "mean", "se", "n", "n_effective"),
        "tests": TEST_COLUMNS,
        KNOWLEDGE: (*FACTORS, "yes", "no", "unclear", "failed", "proportion_yes", *INTERVALS),
    },
    sources={
        BETS: tuple(f"state{state}_mean" for state in STATES),
        CHOICE: tuple(f"prob_state_{state}" for state in STATES),
    },
    whole_answer="bets",
    excludes=True,
    check=check,
    has_answers=lambda frame: bool(bet_columns(frame)),
    reader=reader,
    results=results,
    effects=effects,
    predictions=cache(rsa_knowledge.predictions),
    own_predictions=own_predictions,
    people=effect_sizes,
    cell_title=cell_title,
)
