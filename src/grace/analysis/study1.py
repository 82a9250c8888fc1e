"""Study 1, knowledge: bets by condition, analysis of variance, planned comparisons, knowledge judgements."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from grace.analysis.exclusions import NO, STATES, YES, Columns, Trial, cells, excluded, read_trial
from grace.analysis.frames import Frame, Row
from grace.analysis.statistics import (
    NO_STIMULI,
    Observation,
    Sample,
    Tested,
    clustered_t_test,
    holm,
    mean_and_se,
    stimulus_means,
    t_test,
    two_way_anova,
    wilson,
)
from grace.studies.study import Study

PLANNED = (
    (3, "two", 2, 3),
    (3, "one", 1, 3),
    (3, "one", 1, 2),
    (1, "one", 1, 2),
    (1, "one", 1, 3),
    (2, "two", 2, 3),
    (2, "one", 1, 3),
    (2, "one", 1, 2),
)
"""The paper's planned comparisons: access, word, the state that is claimed to get more, and the other one."""

ANOVA_STATE = 3
"""The analysis of variance is on the bets on state 3: that all three have the property.

The paper reports F(2,205) for access and for word, and F(1,205) for their interaction. Its planned comparisons have
44, 43, 25, 25 and 26 trials in five cells, 163 together. With 48 in the sixth, "three" at access 3, that makes 211: one
number for each trial that was kept, less six cells, leaves 205. That number is the bet on state 3, as in the one-way
analysis of its Experiment 1, since the question is whether a speaker who says less rules that state out.
"""

MEANS = ("access", "word", "state", "mean", "se", "n", "n_effective")
KNOWLEDGE = ("access", "word", "yes", "no", "unclear", "failed", "proportion_yes", "low", "high", "n", "n_effective")


@dataclass(frozen=True)
class Answers:
    """The answers of one model.

    Attributes:
        trials: all rows.
        kept: those that are analysed.
        unusable, excluded: how many rows are not, by reason.
        columns: what the table has.
    """

    trials: tuple[Trial, ...]
    kept: tuple[Trial, ...]
    unusable: Counter[str]
    excluded: Counter[str]
    columns: Columns


def read_answers(rows: Sequence[Row], frame: Frame, study: Study, exclusions: bool) -> Answers:
    """Understand the rows of one model, and sort out those that are not analysed."""
    columns = Columns.of(frame)
    trials = tuple(read_trial(row, study, columns) for row in rows)
    usable = [trial for trial in trials if not trial.unusable]
    reasons = [excluded(trial, columns.knowledge is not None) if exclusions else None for trial in usable]
    return Answers(
        trials,
        tuple(trial for trial, reason in zip(usable, reasons, strict=True) if reason is None),
        Counter(trial.unusable for trial in trials if trial.unusable),
        Counter(reason for reason in reasons if reason),
        columns,
    )


def sample(trials: Sequence[Trial], value: Callable[[Trial], float]) -> Sample:
    """A number of each trial, with the trials' stimuli."""
    stimuli = [trial.unit for trial in trials if trial.unit is not None]
    return Sample([value(trial) for trial in trials], stimuli if len(stimuli) == len(trials) else None)


def _bet(state: int) -> Callable[[Trial], float]:
    return lambda trial: trial.bets[state] if trial.bets else 0.0


def _more(state: int, than: int) -> Callable[[Trial], float]:
    return lambda trial: _bet(state)(trial) - _bet(than)(trial)


def means(kept: Sequence[Trial], study: Study) -> Iterator[tuple[object, ...]]:
    """The mean bet on each state in each cell of the design, under MEANS; a cell without rows has n 0 and no mean."""
    for access, word in cells(study):
        own = [trial for trial in kept if trial.cell == (access, word)]
        for state in STATES:
            bets = sample(own, _bet(state))
            yield access, word, state, *mean_and_se(bets.values), len(own), bets.n_effective if own else 0


def knowledge(trials: Sequence[Trial], study: Study) -> Iterator[tuple[object, ...]]:
    """The knowledge answers in each cell, under KNOWLEDGE: of all rows, since exclusions follow from them."""
    for cell in cells(study):
        own = [trial for trial in trials if trial.cell == cell]
        answered = [trial for trial in own if trial.knowledge and not trial.row.failed]
        said = Counter(trial.knowledge for trial in answered)
        failed = sum(trial.row.failed for trial in own)
        n = len(answered)
        share = said[YES] / n if n else None
        worth = sample(answered, lambda trial: float(trial.knowledge == YES)).n_effective if n else 0
        low, high = wilson(share, n) if share is not None else (None, None)
        yield *cell, said[YES], said[NO], len(own) - n - failed, failed, share, low, high, n, worth


def tests(kept: Sequence[Trial]) -> list[Tested]:
    """Analysis of variance and planned comparisons, over rows and, with names that begin with clustered:, stimuli."""
    data = [Observation(str(trial.access), trial.word, _bet(ANOVA_STATE)(trial), trial.unit) for trial in kept]
    factors = ("access", "word")
    anova = two_way_anova("anova", factors, data)
    means_of_stimuli = stimulus_means(data)
    by_stimulus = [
        replace(test, n=len(data), n_effective=float(test.n), note=test.note.replace("rows", "stimuli"))
        for test in two_way_anova("clustered", factors, means_of_stimuli or [])
    ]
    if means_of_stimuli is None:
        by_stimulus = [replace(test, n_effective=None, note=NO_STIMULI) for test in by_stimulus]
    pairs = [
        (f"a{access}-{word}:{state}>{than}", sample([t for t in kept if t.cell == (access, word)], _more(state, than)))
        for access, word, state, than in PLANNED
    ]
    planned = [t_test(f"planned:{name}", differences, "greater") for name, differences in pairs]
    clustered = [clustered_t_test(f"clustered:{name}", differences, "greater") for name, differences in pairs]
    return [*anova, *holm(planned), *by_stimulus, *holm(clustered)]
