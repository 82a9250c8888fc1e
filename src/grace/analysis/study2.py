"""Study 2, politeness: utterances and negation by goal and state, against chance and by mixed-effects regression."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from grace.analysis.exclusions import FAILED
from grace.analysis.frames import Frame, Row
from grace.analysis.mixed import Outcome, mixed_tests
from grace.analysis.statistics import Sample, Tested, binomial_test, clustered_t_test, effective, holm, wilson
from grace.errors import InputError
from grace.studies.study import Study

GOALS = ("informational", "social", "both")
_GOALS = {**{goal: goal for goal in GOALS}, "informative": "informational", "kind": "social"}
HEARTS = ("0", "1", "2", "3")
UTTERANCE = "utterance"
"""The question's name in the study file, whose labels name the utterances."""
NEGATED = "wasnt_"

NO_UTTERANCE = "the answer is none of the eight utterances"
NO_CELL = "goal or state is none of the design's"
SHARE = ("proportion", "low", "high", "n", "n_effective", "low_clustered", "high_clustered")
MEANS = ("goal", "state", "utterance", *SHARE)
NEGATION = ("goal", "state", *SHARE)

CHANCE, CHANCE_OF_NEGATION = 1 / 8, 1 / 2
"""A speaker who draws one of the eight utterances says each with 1/8, and one of the four with "wasn't" with 1/2."""


@dataclass(frozen=True)
class Columns:
    """What a table calls the columns; None where it has none."""

    goal: str
    derived: bool
    state: str
    frame: str | None
    assessment: str | None

    @classmethod
    def of(cls, frame: Frame) -> "Columns":
        """Find them: Grace's names, or those of people's own tables. Raises InputError."""
        derived = frame.column("Goal")
        return cls(
            derived or frame.needed("the speaker's goal", "goal", "Goal_simplified"),
            derived is not None,
            frame.needed("the true state", "State", "State_number", "state"),
            frame.column("Was_Wasnt", "Was/Wasn't", "Was.Wasn.t"),
            frame.column("Assessment"),
        )

    @property
    def answered(self) -> bool:
        """Whether there are answers of Experiment 1."""
        return self.frame is not None and self.assessment is not None


@dataclass(frozen=True)
class Trial:
    """One row of study 2, understood.

    Attributes:
        row: the row.
        goal: informational, social or both; "" where it is neither.
        state: hearts, 0 to 3; "" where it is none of these.
        utterance: its label, as was_good; None where the answer is none of the eight.
    """

    row: Row
    goal: str
    state: str
    utterance: str | None

    @property
    def cell(self) -> tuple[str, str]:
        """Its condition."""
        return self.goal, self.state

    @property
    def unit(self) -> str | None:
        """Its stimulus, within its condition."""
        return self.row.unit("Domain")

    @property
    def negated(self) -> bool:
        """Whether the speaker says "wasn't"."""
        return bool(self.utterance and self.utterance.startswith(NEGATED))

    @property
    def unusable(self) -> str | None:
        """Why the row cannot be analysed; None where it can."""
        if self.row.failed:
            return FAILED
        if not all(self.cell):
            return NO_CELL
        return None if self.utterance else NO_UTTERANCE


@dataclass(frozen=True)
class Answers:
    """The answers of one model: all rows, those that are analysed, and how many are not, by reason."""

    trials: tuple[Trial, ...]
    kept: tuple[Trial, ...]
    unusable: Counter[str]


def cells() -> list[tuple[str, str]]:
    """The design's cells."""
    return [(goal, state) for goal in GOALS for state in HEARTS]


def utterances(study: Study) -> tuple[str, ...]:
    """The labels of the eight utterances, as was_terrible."""
    return tuple(study.questions[UTTERANCE].space.labels)


def read_answers(rows: Sequence[Row], frame: Frame, study: Study) -> Answers:
    """Understand the rows of one model. Raises InputError."""
    columns = Columns.of(frame)
    goal = _goals(study, columns)
    trials = tuple(_read(row, study, columns, goal) for row in rows)
    return Answers(
        trials,
        tuple(trial for trial in trials if not trial.unusable),
        Counter(trial.unusable for trial in trials if trial.unusable),
    )


def _goals(study: Study, columns: Columns) -> Callable[[str], str]:
    """What tells the goal of a cell: the study derives it from the if-clause."""
    known = dict(_GOALS)

    def goal(cell: str) -> str:
        if columns.derived and cell not in known:
            known[cell] = study.complete({"Goal": cell}).get("goal", "")
        found = known.get(cell, "")
        return found if found in GOALS else ""

    return goal


def _read(row: Row, study: Study, columns: Columns, goal: Callable[[str], str]) -> Trial:
    state = row[columns.state].strip().partition(" ")[0].removesuffix(".0")
    return Trial(row, goal(row[columns.goal]), state if state in HEARTS else "", _utterance(row, study, columns))


def _utterance(row: Row, study: Study, columns: Columns) -> str | None:
    """The label of the utterance in a row's cells."""
    assert study.extraction is not None
    fields = study.extraction.fields
    try:
        frame = str(fields["Was_Wasnt"].parse(row[columns.frame]))
        assessment = str(fields["Assessment"].parse(row[columns.assessment]))
    except ValueError:
        return None
    label = f"{'was' if frame == 'was' else 'wasnt'}_{assessment}"
    return label if label in study.questions[UTTERANCE].space.labels else None


def sample(trials: Sequence[Trial], value: Callable[[Trial], bool]) -> Sample:
    """A 0 or 1 of each trial, with the trials' stimuli and texts."""
    stimuli = [trial.unit for trial in trials if trial.unit is not None]
    texts = [trial.row.stimulus for trial in trials if trial.row.stimulus is not None]
    return Sample(
        [float(value(trial)) for trial in trials],
        stimuli if len(stimuli) == len(trials) else None,
        texts if len(texts) == len(trials) else None,
    )


def _says(utterance: str) -> Callable[[Trial], bool]:
    return lambda trial: trial.utterance == utterance


def _negated(trial: Trial) -> bool:
    return trial.negated


def _share(found: Sample) -> tuple[float | int | None, ...]:
    """The cells of SHARE: a share, Wilson's interval, numbers, and the interval by the effective number."""
    n = len(found.values)
    if not n:
        return None, None, None, 0, 0, None, None
    share, worth = sum(found.values) / n, found.n_effective
    return share, *wilson(share, n), n, worth, *(wilson(share, worth) if worth is not None else (None, None))


def means(kept: Sequence[Trial], study: Study) -> Iterator[tuple[object, ...]]:
    """The share of each utterance in each cell, under MEANS; a cell without rows has n 0 and no share."""
    for cell in cells():
        own = [trial for trial in kept if trial.cell == cell]
        for utterance in utterances(study):
            yield *cell, utterance, *_share(sample(own, _says(utterance)))


def negation(kept: Sequence[Trial]) -> Iterator[tuple[object, ...]]:
    """The share of "wasn't" in each cell, under NEGATION."""
    for cell in cells():
        yield *cell, *_share(sample([trial for trial in kept if trial.cell == cell], _negated))


def tests(kept: Sequence[Trial], study: Study) -> list[Tested]:
    """Mixed-effects regression of negation; then negation and utterances against chance, over rows and over stimuli."""
    by_cell = {cell: [trial for trial in kept if trial.cell == cell] for cell in cells()}
    found = [
        (f"negation:{goal}-s{state}", sample(own, _negated), CHANCE_OF_NEGATION)
        for (goal, state), own in by_cell.items()
    ]
    said = [
        (f"utterance:{goal}-s{state}:{utterance}", sample(own, _says(utterance)), CHANCE)
        for (goal, state), own in by_cell.items()
        for utterance in utterances(study)
    ]
    mixed = mixed_tests(("goal", "state"), _outcomes(kept, study), _effective(by_cell))
    exact = [
        [binomial_test(f"binomial:{name}", values, chance) for name, values, chance in family]
        for family in (found, said)
    ]
    clustered = [
        [clustered_t_test(f"clustered:{name}", values, "two-sided", chance) for name, values, chance in family]
        for family in (found, said)
    ]
    return [*mixed, *(test for family in (*exact, *clustered) for test in holm(family))]


def _outcomes(kept: Sequence[Trial], study: Study) -> list[Outcome]:
    """Negation, with participant and item."""
    groups = {"participant": study.design.participant or "", "item": study.design.item or ""}
    return [
        Outcome(int(trial.negated), trial.cell, {name: trial.row[column] for name, column in groups.items()})
        for trial in kept
    ]


def _effective(by_cell: dict[tuple[str, str], list[Trial]]) -> float | None:
    samples = {"-".join(cell): sample(own, _negated) for cell, own in by_cell.items() if own}
    if not samples or any(one.stimuli is None for one in samples.values()):
        return None
    return effective(samples)


def check_has_answers(frame: Frame) -> None:
    """See that a table has answers of Experiment 1 or probabilities. Raises InputError."""
    if not Columns.of(frame).answered and "prob_was_terrible" not in frame.columns:
        raise InputError(
            f"{frame.name}: has neither answers (Was_Wasnt, Assessment) nor probabilities (prob_was_terrible, ...); "
            "`grace extract` finds the values in answers"
        )
