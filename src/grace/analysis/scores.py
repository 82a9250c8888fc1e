"""Experiment 2: distributions by condition, tests on expected bets, and how well they predict sampled answers.

Here a stimulus counts once, with the mean of its rows: those with equal prompts have one distribution. Knowledge
answers exclude nothing, since a distribution belongs to no single answer.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import fsum
from statistics import fmean

from grace.analysis.frames import Frame, Row
from grace.analysis.statistics import Numbers, mean_and_se, mean_of
from grace.analysis.trials import Cell, Trial
from grace.studies.questions import Question
from grace.studies.study import Study

DISTRIBUTIONS = ("quantity", "mean", "se", "n", "sampled", "sampled_n")
CALIBRATION = ("question", "low", "high", "predicted", "observed", "n", "answers")
BINS = 10

Pair = tuple[tuple[float, ...], int | None]
"""The probabilities of a question's labels, and the number of the label that was the answer."""


def tables(factors: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The columns of the tables of Experiment 2; `factors` are those that name a condition."""
    return {"distributions": (*factors, *DISTRIBUTIONS), "calibration": CALIBRATION}


def has_scores(frame: Frame, study: Study) -> bool:
    """Whether a table holds probabilities."""
    return any(question.columns.label_mass in frame.columns for question in study.questions.values())


def quantities(study: Study) -> list[str]:
    """The columns that are averaged: means of numeric answers, probabilities of others, entropies, label masses."""
    names: list[str] = []
    for question in study.questions.values():
        own = question.columns
        if question.space.values is not None:
            names += [name for name in (own.mean, own.std) if name]
        else:
            names += [*own.probabilities, *(name for levels in own.marginals.values() for name in levels.values())]
        names += [own.entropy, *own.marginal_entropies.values(), own.label_mass]
    return names


def distributions(
    trials: Sequence[Trial], study: Study, cells: Iterable[Cell], names: Sequence[str]
) -> Iterator[tuple[object, ...]]:
    """Each quantity's mean over the stimuli of a cell, and the same of the sampled answers of Experiment 1.

    Args:
        trials: the trials of one model in the design's cells.
        study: their study.
        cells: the design's cells.
        names: the names of the columns.

    Yields:
        The cell, then the cells under DISTRIBUTIONS.
    """
    for cell in cells:
        own = [trial for trial in trials if trial.cell == cell]
        said = [(sampled(dict(answers), study), times) for answers, times in Counter(map(_said, own)).items()]
        for name in names:
            values = by_stimulus(own, lambda row, name=name: row.number(name)).values  # type: ignore[misc]
            answers = [(one[name], times) for one, times in said if name in one]
            n = sum(times for _, times in answers)
            yield *cell, name, *mean_and_se(values), len(values), mean_of(answers) if answers else None, n


def _said(trial: Trial) -> tuple[tuple[str, str | float], ...]:
    return tuple(trial.answers.items())


def sampled(answers: Mapping[str, str | float], study: Study) -> dict[str, float]:
    """The quantities in a trial's answers: a number for the mean, a label for the probabilities (1 and 0)."""
    quantities: dict[str, float] = {}
    for name, answer in answers.items():
        question = study.questions[name]
        columns = question.columns
        if isinstance(answer, float):
            assert columns.mean is not None
            quantities[columns.mean] = answer
            continue
        labels = zip(question.space.labels, columns.probabilities, strict=True)
        quantities |= {column: float(label == answer) for label, column in labels}
        for factor, level_of in (question.space.factors or {}).items():
            levels = columns.marginals[factor].items()
            quantities |= {column: float(level == level_of[answer]) for level, column in levels}
    return quantities


def by_stimulus(trials: Sequence[Trial], value: Callable[[Row], float | None]) -> Numbers:
    """A number for each stimulus; where stimuli are not known, for each row."""
    groups: dict[str, list[float]] = defaultdict(list)
    for place, trial in enumerate(trials):
        if (number := value(trial.row)) is not None:
            groups[trial.unit if trial.unit is not None else f"row {place}"].append(number)
    return Numbers([fmean(group) for group in groups.values()], list(groups))


@dataclass(frozen=True)
class Calibration:
    """How well a question's distributions predict the sampled answers to it.

    Attributes:
        question: its name.
        bins: cells under CALIBRATION: probabilities from `low` to `high`, their mean, the share of these labels that
            were the answer, how many labels, and how many answers these come from.
        answers: how many sampled answers have a distribution.
        brier: mean of the summed squares of probability less 0 or 1 (Brier 1950); 0 is perfect, 2 the worst.
        brier_uniform: the same for a model that gives all labels the same probability.
        ece: expected calibration error: mean distance of predicted and observed over the bins, weighted by labels
            (Naeini, Cooper & Hauskrecht 2015).
    """

    question: str
    bins: tuple[tuple[object, ...], ...]
    answers: int
    brier: float
    brier_uniform: float
    ece: float


def at_other_temperatures(trials: Iterable[Trial]) -> list[str]:
    """The temperatures but 1 of trials' answers, in words; probabilities are those at temperature 1."""
    temperatures = {trial.row.number("temperature") for trial in trials if trial.answers} - {1}
    known = sorted(temperature for temperature in temperatures if temperature is not None)
    return [*(f"temperature {one:g}" for one in known), *(["a temperature that is not known"] * (None in temperatures))]


def calibrations(trials: Sequence[Trial], study: Study) -> Iterator[Calibration]:
    """Each question that Experiment 1 answers too, against its sampled answers; those without both are left out.

    There is none where answers were sampled at another temperature than the probabilities' 1, or at one that the table
    does not tell: theirs are others, which do not follow from those of the labels alone.
    """
    if at_other_temperatures(trials):
        return
    for name, question in study.questions.items():
        if pairs := Counter(_pairs(trials, name, question)):
            yield _calibration(name, pairs)


def _pairs(trials: Sequence[Trial], name: str, question: Question) -> Iterator[Pair]:
    """For each answer, the probability of each label, and which label is the answer."""
    columns, labels = question.columns.probabilities, list(question.space.labels)
    for trial in trials:
        answer = trial.answers.get(name)
        if answer is None:
            continue
        label = nearest_label(question, answer) if isinstance(answer, float) else answer
        probabilities = tuple([number for column in columns if (number := trial.row.number(column)) is not None])
        if len(probabilities) == len(columns):
            yield probabilities, labels.index(label) if label in labels else None


def _calibration(name: str, pairs: Mapping[Pair, int]) -> Calibration:
    """From how often each answer was given to each distribution."""
    labels, answers = len(next(iter(pairs))[0]), sum(pairs.values())
    bins: dict[int, list[tuple[float, bool, int]]] = defaultdict(list)
    answers_in: Counter[int] = Counter()
    for (probabilities, label), times in pairs.items():
        places = [min(int(probability * BINS), BINS - 1) for probability in probabilities]
        for place, (number, probability) in zip(places, enumerate(probabilities), strict=True):
            bins[place].append((probability, number == label, times))
        answers_in.update(dict.fromkeys(places, times))
    rows = []
    error = 0.0
    for place, own in sorted(bins.items()):
        n = sum(times for *_, times in own)
        predicted = mean_of((probability, times) for probability, _, times in own)
        observed = mean_of((float(right), times) for _, right, times in own)
        error += n * abs(predicted - observed)
        rows.append((name, place / BINS, (place + 1) / BINS, predicted, observed, n, answers_in[place]))
    brier = mean_of(
        (fsum((probability - (number == label)) ** 2 for number, probability in enumerate(probabilities)), times)
        for (probabilities, label), times in pairs.items()
    )
    return Calibration(name, tuple(rows), answers, brier, 1 - 1 / labels, error / (labels * answers))


def nearest_label(question: Question, number: float) -> str:
    """The label of a numeric question that is nearest to a sampled number; of two that are, the lower one."""
    assert question.space.values is not None
    distances = [abs(value - number) for value in question.space.values]
    return list(question.space.labels)[distances.index(min(distances))]
