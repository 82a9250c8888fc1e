"""Checks of single distributions: sums, derived values, label mass, uniform ones."""

from collections.abc import Iterator, Sequence
from math import fsum, sqrt

from grace.quality.layout import Cells, Layout
from grace.quality.looks import Fault, Looks, RowLook, Thresholds, Unit
from grace.studies.answers import entropy
from grace.studies.questions import Question

NO_QUESTIONS = "no question has all its columns of probabilities"
EVEN = "all answers have exactly the same probability"


def probability_sum(layout: Layout, thresholds: Thresholds) -> Looks | str:
    """Distributions, and those of each part of joint answers, that do not sum to 1; the unit is the row."""
    if not layout.questions:
        return NO_QUESTIONS
    distributions = (columns for question in layout.questions.values() for columns in _distributions(question))
    groups = [columns for columns in distributions if layout.present.issuperset(columns)]
    tolerance = thresholds["probability_sum_tolerance"]

    def look(cells: Cells) -> Iterator[Unit]:
        sums = [(own, fsum(shares)) for own in groups if (shares := cells.numbers(own)) is not None]
        if sums:
            off = [(own, total) for own, total in sums if abs(total - 1) > tolerance]
            yield Unit("", [(_span(own), f"sum to {total:.6g}, not 1") for own, total in off])

    return [RowLook(layout.around_scores, look)]


def _distributions(question: Question) -> Iterator[tuple[str, ...]]:
    """The columns of each distribution of a question: of its answers, and of each part of joint ones."""
    yield question.columns.probabilities
    yield from (tuple(levels.values()) for levels in question.columns.marginals.values())


def _span(columns: Sequence[str]) -> str:
    """Some adjacent columns, in words."""
    return f"{columns[0]} to {columns[-1]}"


def derived_values(layout: Layout, thresholds: Thresholds) -> Looks | str:
    """Means, standard deviations, entropies and marginals that do not follow from the distribution beside them."""
    questions = layout.questions
    if not questions:
        return NO_QUESTIONS
    tolerance = thresholds["derived_values_tolerance"]

    def look(cells: Cells) -> Iterator[Unit]:
        asked = [
            (question, probabilities)
            for question in questions.values()
            if (probabilities := cells.numbers(question.columns.probabilities)) is not None
        ]
        if asked:
            yield Unit("", [fault for pair in asked for fault in faults(cells, *pair)])

    def faults(cells: Cells, question: Question, probabilities: list[float]) -> Iterator[Fault]:
        for column, value in _derived(question, probabilities):
            cell = cells.number(column)
            if cell is not None and abs(cell - value) > tolerance:
                yield column, f"is {cell:.9g}; the probabilities of {question.name} give {value:.9g}"

    return [RowLook(layout.around_scores, look)]


def _derived(question: Question, probabilities: list[float]) -> Iterator[tuple[str, float]]:
    """What follows from a distribution, by its column; formulas as in `grace.studies.answers.distribution`."""
    space, columns = question.space, question.columns
    yield columns.entropy, entropy(probabilities)
    if space.values is not None and columns.mean and columns.std:
        mean = fsum(p * x for p, x in zip(probabilities, space.values, strict=True))
        yield columns.mean, mean
        variance = fsum(p * (x - mean) ** 2 for p, x in zip(probabilities, space.values, strict=True))
        yield columns.std, sqrt(max(0.0, variance))
    by_label = dict(zip(space.labels, probabilities, strict=True))
    for factor, levels in columns.marginals.items():
        level_of = (space.factors or {})[factor]
        shares = {own: fsum(p for label, p in by_label.items() if level_of[label] == own) for own in levels}
        yield from ((column, shares[level]) for level, column in levels.items())
        yield columns.marginal_entropies[factor], entropy(shares.values())


def label_mass(layout: Layout, thresholds: Thresholds) -> Looks | str:
    """Distributions of low label mass, by question."""
    masses = {
        name: question.columns.label_mass
        for name, question in layout.study.questions.items()
        if question.columns.label_mass in layout.present
    }
    low = thresholds["label_mass_low"]

    def look(cells: Cells) -> Iterator[Unit]:
        for name, column in masses.items():
            mass = cells.number(column)
            if mass is not None:
                yield Unit(name, [(column, f"is {mass:.3g}, below {low:g}")] if mass < low else [])

    return [RowLook(layout.around_scores, look)]


def uniform(layout: Layout, thresholds: Thresholds) -> Looks | str:
    """Distributions in which all answers are equally probable, by question."""
    questions = layout.questions
    if not questions:
        return NO_QUESTIONS
    tolerance = thresholds["uniform_tolerance"]

    def look(cells: Cells) -> Iterator[Unit]:
        for name, question in questions.items():
            probabilities = cells.numbers(question.columns.probabilities)
            if probabilities is not None:
                even = 1 / len(probabilities)
                same = all(abs(p - even) <= tolerance for p in probabilities)
                yield Unit(name, [(_span(question.columns.probabilities), EVEN)] if same else [])

    return [RowLook(layout.around_scores, look)]
