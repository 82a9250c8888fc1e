"""Study 2, politeness: utterances and negation by goal and state, against chance and by mixed-effects regression."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from grace.analysis import rsa_politeness
from grace.analysis.decisions import decide
from grace.analysis.designs import GOAL_HEARTS, GOALS, HEARTS, UTTERANCES
from grace.analysis.distances import Array
from grace.analysis.effects import Effect, Estimate
from grace.analysis.frames import Frame, Row
from grace.analysis.mixed import BinaryAnswer, mixed_tests
from grace.analysis.names import AUTHORS, BINOMIAL, LIKELIHOOD, MIXED, TestName
from grace.analysis.people import study2_counts
from grace.analysis.samples import CHOICE
from grace.analysis.statistics import (
    INTERVALS,
    TEST_COLUMNS,
    Numbers,
    Tested,
    binomial_test,
    holm,
    stimulus_test,
    wilson,
)
from grace.analysis.study_analysis import Results, StudyAnalysis
from grace.analysis.trials import Cell, ModelTrials, Trial, flaw_of
from grace.errors import InputError
from grace.studies.study import Study

UTTERANCE = "utterance"
"""The question's name in the study file, whose labels name the utterances."""
NEGATED = "wasnt_"

OUTSIDE = "goal or state is none of the design's"
NO_UTTERANCE = "the answer is none of the eight utterances"

FACTORS = ("goal", "state")
SHARE = ("proportion", *INTERVALS)

CHANCE, CHANCE_OF_NEGATION = 1 / 8, 1 / 2
"""A speaker who draws one of the eight utterances says each with 1/8, and one of the four with "wasn't" with 1/2."""


@dataclass(frozen=True)
class ConditionShare:
    """A share that is tested: of negation or of an utterance in a condition. As text it is negation:both-s0."""

    goal: str
    state: str
    utterance: str = ""

    def __str__(self) -> str:
        if self.utterance:
            return f"utterance:{self.goal}-s{self.state}:{self.utterance}"
        return f"negation:{self.goal}-s{self.state}"


# Reading

_GOALS = {**{goal: goal for goal in GOALS}, "informative": "informational", "kind": "social"}
"""Names of goals in tables."""


def goal_column(frame: Frame) -> str | None:
    """The column of goals: if-clauses, or what the study derives from them, also as people's own tables call it."""
    return frame.column("Goal", "goal", "Goal_simplified")


def state_column(frame: Frame) -> str | None:
    """The column of hearts."""
    return frame.column("State", "State_number", "state")


def answer_columns(frame: Frame) -> tuple[str, str] | None:
    """The columns of frame and assessment, as Grace, R and people's own tables call them; None without both."""
    words, assessment = frame.column("Was_Wasnt", "Was/Wasn't", "Was.Wasn.t"), frame.column("Assessment")
    return (words, assessment) if words and assessment else None


def check(frame: Frame, study: Study) -> None:
    """Check that a table has conditions, and answers or probabilities. Raises InputError."""
    if not goal_column(frame):
        frame.needed("the speaker's goal", "goal")
    if not state_column(frame):
        frame.needed("the true state", "State")
    if not answer_columns(frame) and "prob_was_terrible" not in frame.columns:
        raise InputError(
            f"{frame.name}: has neither answers (Was_Wasnt, Assessment) nor probabilities (prob_was_terrible, ...); "
            "`grace extract` finds the values in answers"
        )


def reader(frame: Frame, study: Study) -> Callable[[Row], Trial]:
    """Interprets the rows of a table."""
    goals, states, columns = goal_column(frame), state_column(frame), answer_columns(frame)
    goal_of = _goals(study) if goals == "Goal" else lambda cell: _GOALS.get(cell, "")

    def read(row: Row) -> Trial:
        state = row[states].strip().partition(" ")[0].removesuffix(".0")
        cell = goal_of(row[goals]), state if state in map(str, HEARTS) else ""
        utterance = _utterance(row, study, columns) if columns else None
        weights = tuple(float(utterance == label) for label in UTTERANCES) if utterance else None
        return Trial(
            row,
            cell,
            row.unit(study.design.item),
            weights,
            {UTTERANCE: utterance} if utterance and not row.failed else {},
            flaw_of(row, cell, weights, OUTSIDE, NO_UTTERANCE),
        )

    return read


def _goals(study: Study) -> Callable[[str], str]:
    """The function that derives the goal of an if-clause, as the study does; "" where it is not one of the design's."""

    @cache
    def goal_of(clause: str) -> str:
        goal = _GOALS.get(clause) or study.complete({"Goal": clause}).get("goal", "")
        return goal if goal in GOALS else ""

    return goal_of


def _utterance(row: Row, study: Study, columns: tuple[str, str]) -> str | None:
    """The label of the utterance in a row's cells."""
    assert study.extraction is not None
    fields = study.extraction.fields
    try:
        words, assessment = (
            str(fields[name].parse(row[column]))
            for name, column in zip(("Was_Wasnt", "Assessment"), columns, strict=True)
        )
    except ValueError:
        return None
    label = f"{'was' if words == 'was' else 'wasnt'}_{assessment}"
    return label if label in UTTERANCES else None


# Results


def sample(trials: Sequence[Trial], value: Callable[[Trial], bool]) -> Numbers:
    """A 0 or 1 for each trial, with the trials' stimuli and texts."""
    stimuli = [trial.unit for trial in trials if trial.unit is not None]
    texts = [trial.row.stimulus for trial in trials if trial.row.stimulus is not None]
    return Numbers(
        [float(value(trial)) for trial in trials],
        stimuli if len(stimuli) == len(trials) else None,
        texts if len(texts) == len(trials) else None,
    )


def _says(utterance: str) -> Callable[[Trial], bool]:
    return lambda trial: trial.answers[UTTERANCE] == utterance


def _negated(trial: Trial) -> bool:
    return str(trial.answers[UTTERANCE]).startswith(NEGATED)


def _share(answers: Numbers) -> tuple[float | int | None, ...]:
    """The cells of SHARE: a share, Wilson's interval, numbers, and the interval by the effective number."""
    n = len(answers.values)
    if not n:
        return None, None, None, 0, 0, None, None
    share, worth = sum(answers.values) / n, answers.n_effective
    return share, *wilson(share, n), n, worth, *(wilson(share, worth) if worth is not None else (None, None))


def results(trials: ModelTrials, frame: Frame, study: Study) -> Results:
    """The tables and tests of one model."""
    if not answer_columns(frame):
        return Results({})
    by_cell: dict[Cell, list[Trial]] = {
        cell: [trial for trial in trials.kept if trial.cell == cell] for cell in GOAL_HEARTS
    }
    tables = {
        # a cell without rows has n 0 and no share
        "means": [
            (*cell, utterance, *_share(sample(own, _says(utterance))))
            for cell, own in by_cell.items()
            for utterance in UTTERANCES
        ],
        "negation": [(*cell, *_share(sample(own, _negated))) for cell, own in by_cell.items()],
    }
    groups = {"participant": study.design.participant or "", "item": study.design.item or ""}
    outcomes = [
        BinaryAnswer(
            int(_negated(trial)),
            (trial.cell[0], trial.cell[1]),
            {name: trial.row[column] for name, column in groups.items()},
            trial.unit,
            trial.row.stimulus,
        )
        for trial in trials.kept
    ]
    mixed = mixed_tests(FACTORS, outcomes, (MIXED, LIKELIHOOD, AUTHORS))
    return Results(tables, [*mixed, *against_chance(by_cell)])


def against_chance(by_cell: Mapping[Cell, Sequence[Trial]]) -> list[Tested]:
    """Negation and utterances against chance, over rows and over stimuli; Holm's correction is for each family."""
    negation = {
        ConditionShare(cell[0], cell[1]): (sample(own, _negated), CHANCE_OF_NEGATION) for cell, own in by_cell.items()
    }
    utterances = {
        ConditionShare(cell[0], cell[1], utterance): (sample(own, _says(utterance)), CHANCE)
        for cell, own in by_cell.items()
        for utterance in UTTERANCES
    }
    exact = [
        [binomial_test(TestName(BINOMIAL, of), *share) for of, share in family.items()]
        for family in (negation, utterances)
    ]
    clustered = [
        [
            stimulus_test(TestName(BINOMIAL, of, by_stimulus=True), values, "two-sided", chance)
            for of, (values, chance) in family.items()
        ]
        for family in (negation, utterances)
    ]
    return [test for family in (*exact, *clustered) for test in holm(family)]


# References

NEGATION = np.array([utterance.startswith(NEGATED) for utterance in UTTERANCES], dtype=float)
PRAISE = np.array([utterance in ("was_good", "was_amazing") for utterance in UTTERANCES], dtype=float)
BLUNT = np.array([utterance == "was_terrible" for utterance in UTTERANCES], dtype=float)


def hearts_title(hearts: object) -> str:
    """The name of a state in figures: 1 heart, 2 hearts."""
    return f"{hearts} heart{'s' * (str(hearts) != '1')}"


def cell_title(cell: Cell) -> str:
    """The name of a condition in figures."""
    return f"{cell[0]}, {hearts_title(cell[1])}"


def _share_in(goal: str, hearts: int, labels: Array) -> Array:
    """Weights that pick the share of some utterances in one condition, shape (conditions, utterances)."""
    weights = np.zeros((len(GOAL_HEARTS), len(UTTERANCES)))
    weights[GOAL_HEARTS.index((goal, str(hearts)))] = labels
    return weights


def _fall(goal: str) -> Array:
    """How much more negation there is at 0 hearts than at 3."""
    return _share_in(goal, 0, NEGATION) - _share_in(goal, 3, NEGATION)


@cache
def effects() -> tuple[Effect, ...]:
    """More negation with both goals, its fall with the hearts, praise and bluntness."""
    contrasts = list(_contrasts())
    weights = [contrast[-1] for contrast in contrasts]
    decisions = decide([of_people(own) for own in weights], weights)
    return tuple(Effect(*contrast, decision.verdict) for contrast, decision in zip(contrasts, decisions, strict=True))


def _contrasts() -> Iterator[tuple[str, str, str, Array]]:
    """The name of each effect, what it is about, its title, and its weights."""
    for hearts in HEARTS:
        for goal in ("informational", "social"):
            yield (
                f"negation:{hearts}:both>{goal}",
                f"{hearts} hearts: more negation with both goals than with the {goal} one",
                f"wasn’t, {hearts_title(hearts)}: both > {goal}",
                _share_in("both", hearts, NEGATION) - _share_in(goal, hearts, NEGATION),
            )
    for goal in GOALS:
        yield (
            f"negation:{goal}:0>3",
            f"goal {goal}: more negation at 0 hearts than at 3",
            f"wasn’t, {goal}: 0 > 3 hearts",
            _fall(goal),
        )
    for goal in ("informational", "social"):
        yield (
            f"interaction:both>{goal}",
            f"negation falls more steeply with the hearts for both goals than for the {goal} one",
            f"steeper fall of wasn’t: both > {goal}",
            _fall("both") - _fall(goal),
        )
    yield (
        "praise:0:social>informational",
        "0 hearts: more praise ('was good', 'was amazing') with the social goal than with the informational one",
        "praise, 0 hearts: social > informational",
        _share_in("social", 0, PRAISE) - _share_in("informational", 0, PRAISE),
    )
    yield (
        "blunt:0:informational>both",
        "0 hearts: 'was terrible' more with the informational goal",
        "was terrible, 0 hearts: informational > both",
        _share_in("informational", 0, BLUNT) - _share_in("both", 0, BLUNT),
    )


def of_people(weights: Array) -> Estimate:
    """A contrast of people's shares; they are so many that t is normal.

    The same people answered in all conditions, but the counts do not tell who answered what, so conditions count as
    independent; the variance of a share of n people is that of a multinomial.
    """
    counts = study2_counts()
    people = counts.sum(axis=1)
    shares = counts / people[:, None]
    means = (shares * weights).sum(axis=1)
    variance = (((shares * weights**2).sum(axis=1) - means**2) / people).sum()
    return Estimate(float(means.sum()), float(np.sqrt(variance)), np.inf, int(people.sum()))


STUDY2 = StudyAnalysis(
    name="study2",
    factors=FACTORS,
    needs="Goal (or goal) and State",
    conditions={cell: f"{cell[0]}, {cell[1]} hearts" for cell in GOAL_HEARTS},
    labels=UTTERANCES,
    scale=None,
    tables={"means": (*FACTORS, UTTERANCE, *SHARE), "tests": TEST_COLUMNS, "negation": (*FACTORS, *SHARE)},
    sources={CHOICE: tuple(f"prob_{utterance}" for utterance in UTTERANCES)},
    whole_answer=UTTERANCE,
    excludes=False,
    check=check,
    has_answers=lambda frame: answer_columns(frame) is not None,
    reader=reader,
    results=results,
    effects=effects,
    predictions=cache(rsa_politeness.predictions),
    own_predictions=lambda rows: None,
    people=study2_counts,
    cell_title=cell_title,
)
