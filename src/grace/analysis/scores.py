"""Experiment 2: distributions by condition, tests on expected bets, and how well they predict sampled answers.

Here a stimulus counts once, with the mean of its rows: those with equal prompts have one distribution. Knowledge
answers exclude nothing, since a distribution belongs to no single answer.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import fsum
from statistics import fmean

from grace.analysis.frames import Frame, Row
from grace.analysis.statistics import Sample, Tested, holm, mean_and_se, t_test
from grace.studies.questions import Question
from grace.studies.study import Study

DISTRIBUTIONS = ("quantity", "mean", "se", "n", "sampled", "sampled_n")
CALIBRATION = ("question", "low", "high", "predicted", "observed", "n", "answers")
BINS = 10

Cell = tuple[object, ...]


@dataclass(frozen=True)
class Asked:
    """A row with its condition, and what the model answered in Experiment 1.

    Attributes:
        row: the row.
        cell: its condition.
        unit: its stimulus, within its condition; None where the table does not tell.
        sampled: what the sampled answer says of a quantity, as {"prob_knowledge_yes": 1.0, "state3_mean": 60.0}.
        labels: the sampled answer of each question that it answers, as {"knowledge": "yes", "state3": "60"}.
    """

    row: Row
    cell: Cell
    unit: str | None
    sampled: Mapping[str, float]
    labels: Mapping[str, str]


def has_scores(frame: Frame, study: Study) -> bool:
    """Whether a table holds probabilities."""
    return any(question.columns.label_mass in frame.columns for question in study.questions.values())


def quantities(study: Study) -> list[str]:
    """The columns that are summed up: means of numeric answers, probabilities of others, entropies, label masses."""
    found: list[str] = []
    for question in study.questions.values():
        own = question.columns
        if question.space.values is not None:
            found += [name for name in (own.mean, own.std) if name]
        else:
            found += [*own.probabilities, *(name for levels in own.marginals.values() for name in levels.values())]
        found += [own.entropy, *own.marginal_entropies.values(), own.label_mass]
    return found


def distributions(asked: Sequence[Asked], cells: Sequence[Cell], names: Sequence[str]) -> Iterator[tuple[object, ...]]:
    """Each quantity's mean over the stimuli of a cell, and what the sampled answers of Experiment 1 say of it.

    Args:
        asked: all rows of one model.
        cells: the design's.
        names: of the columns.

    Yields:
        The cell, then the cells under DISTRIBUTIONS.
    """
    for cell in cells:
        own = [one for one in asked if one.cell == cell]
        for name in names:
            values = by_stimulus(own, lambda row, name=name: row.number(name))  # type: ignore[misc]
            sampled = [one.sampled[name] for one in own if name in one.sampled]
            mean_of_sampled = fmean(sampled) if sampled else None
            yield *cell, name, *mean_and_se(values.values), len(values.values), mean_of_sampled, len(sampled)


def by_stimulus(asked: Sequence[Asked], value: Callable[[Row], float | None]) -> Sample:
    """A number of each stimulus; where stimuli are not known, of each row."""
    groups: dict[str, list[float]] = defaultdict(list)
    for place, one in enumerate(asked):
        if (number := value(one.row)) is not None:
            groups[one.unit if one.unit is not None else f"row {place}"].append(number)
    return Sample([fmean(group) for group in groups.values()], list(groups))


def expected_tests(asked: Sequence[Asked], planned: Sequence[tuple[int, str, int, int]]) -> list[Tested]:
    """Study 1's planned comparisons on expected bets: a stimulus's four means, divided by their sum, times 100."""
    tests = []
    for access, word, state, than in planned:
        own = [one for one in asked if one.cell == (access, word)]
        differences = by_stimulus(own, lambda row, a=state, b=than: _difference(row, a, b))  # type: ignore[misc]
        tests.append(t_test(f"expected:a{access}-{word}:{state}>{than}", differences, "greater"))
    return holm(tests)


def expected_bets(row: Row) -> tuple[float, ...] | None:
    """Study 1: what a model would bet on 0, 1, 2 and 3, percent; None where a mean is missing, or all are 0."""
    means = [row.number(f"state{state}_mean") for state in range(4)]
    known = [mean for mean in means if mean is not None]
    total = fsum(known)
    if len(known) < len(means) or total <= 0:
        return None
    return tuple(100 * mean / total for mean in known)


def _difference(row: Row, state: int, than: int) -> float | None:
    bets = expected_bets(row)
    return bets[state] - bets[than] if bets else None


@dataclass(frozen=True)
class Calibration:
    """How well a question's distributions predict the sampled answers to it.

    Attributes:
        question: its name.
        bins: cells under CALIBRATION: probabilities from `low` to `high`, their mean, the share of these labels that
            were the answer, how many labels, and how many answers these come from.
        answers: how many sampled answers have a distribution.
        brier: mean of the summed squares of probability less 0 or 1 (Brier 1950); 0 is perfect, 2 the worst.
        brier_uniform: the same of a model that gives all labels the same.
        ece: expected calibration error: mean distance of predicted and observed over the bins, weighted by labels
            (Naeini, Cooper & Hauskrecht 2015).
    """

    question: str
    bins: tuple[tuple[object, ...], ...]
    answers: int
    brier: float
    brier_uniform: float
    ece: float


def calibrations(asked: Sequence[Asked], study: Study) -> Iterator[Calibration]:
    """Each question that Experiment 1 answers too, against its sampled answers; those without both are left out."""
    for name, question in study.questions.items():
        pairs = list(_pairs(asked, name, question))
        if pairs:
            yield _calibration(name, pairs)


def _pairs(asked: Sequence[Asked], name: str, question: Question) -> Iterator[list[tuple[float, bool]]]:
    """For each answer, the probability of each label and whether it is the answer."""
    columns = list(zip(question.space.labels, question.columns.probabilities, strict=True))
    for one in asked:
        said = one.labels.get(name)
        found = [(label, one.row.number(column)) for label, column in columns]
        known = [(probability, label == said) for label, probability in found if probability is not None]
        if said is not None and len(known) == len(columns):
            yield known


def _calibration(name: str, pairs: Sequence[Sequence[tuple[float, bool]]]) -> Calibration:
    labels = len(pairs[0])
    bins: dict[int, list[tuple[float, bool, int]]] = defaultdict(list)
    for answer, pair in enumerate(pairs):
        for probability, right in pair:
            bins[min(int(probability * BINS), BINS - 1)].append((probability, right, answer))
    rows = []
    error = 0.0
    for place, own in sorted(bins.items()):
        predicted, observed = fmean(one[0] for one in own), fmean(one[1] for one in own)
        error += len(own) * abs(predicted - observed)
        answers = len({one[2] for one in own})
        rows.append((name, place / BINS, (place + 1) / BINS, predicted, observed, len(own), answers))
    brier = fmean(fsum((probability - right) ** 2 for probability, right in pair) for pair in pairs)
    return Calibration(name, tuple(rows), len(pairs), brier, 1 - 1 / labels, error / (labels * len(pairs)))


def nearest_label(question: Question, number: float) -> str:
    """The label of a numeric question that is nearest to a sampled number; of two that are, the lower one."""
    assert question.space.values is not None
    distances = [abs(value - number) for value in question.space.values]
    return list(question.space.labels)[distances.index(min(distances))]
