"""The report of study 2: negation, mixed-effects regression, utterances, probabilities of utterances."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields

from grace.analysis.analyze import Table
from grace.analysis.designs import GOAL_HEARTS, UTTERANCES
from grace.analysis.mixed import INFORMATIVE, WIDE
from grace.analysis.names import AUTHORS, BINOMIAL, LIKELIHOOD, MIXED, Factors
from grace.analysis.people import study2_counts
from grace.analysis.rsa_politeness import Politeness
from grace.analysis.study2 import FACTORS, NEGATED, ConditionShare
from grace.report.grids import (
    Grid,
    Record,
    Records,
    ReportedTest,
    listing,
    model_of,
    models_of,
    named,
    of_tests,
    quantities,
    records,
    reported_tests,
    spread,
    texts_of,
)
from grace.report.markdown import plain
from grace.report.numbers import (
    NOTHING,
    chi_of,
    decimal,
    is_known,
    p_in_words,
    p_value,
    share,
    whole,
    with_error,
)
from grace.report.phrases import by_row, effects_in_words, share_of, shares_in_words
from grace.report.study_report import StudyReport

EFFECTS: dict[object, str] = {
    Factors(("goal",)): "goal",
    Factors(("state",)): "hearts",
    Factors(FACTORS): "goal x hearts",
}
"""Names of the effects in the mixed-effects regression, for readers."""
SAID = {utterance: utterance.replace("wasnt", "wasn't").replace("_", " ") for utterance in UTTERANCES}
"""The utterances in words."""


def grids(tables: Mapping[str, Table], exclusions: bool = True) -> Iterator[Grid]:
    """The grids that the tables have rows for; in this study, answers exclude no trials, whatever the options."""
    tests, people = records(tables.get("tests")), records(tables.get("people"))
    yield from negation(records(tables.get("negation")), tests, people)
    yield from mixed(tests)
    yield from utterances(records(tables.get("means")))
    yield from probabilities(records(tables.get("distributions")))
    yield from of_people(people)


def negation(rows: Records, tests: Records, people: Records) -> Iterator[Grid]:
    """The share of negation by condition, against chance and beside people."""
    negations = [ConditionShare(*cell) for cell in GOAL_HEARTS]
    by_cell = {(model_of(test.row), test.of): test for test in reported_tests(tests, BINOMIAL, negations)}
    theirs = {(row["goal"], str(row["state"])): row for row in people if row["utterance"] == "negation"}
    keys = named(FACTORS, len(models_of(rows)) > 1)

    def p_holm(row: Record, by_stimulus: bool) -> str:
        test = by_cell.get((model_of(row), ConditionShare(str(row["goal"]), str(row["state"]))))
        return p_value((test.by_stimulus if by_stimulus else test.row).get("p_holm")) if test else NOTHING

    yield from listing(
        "study2-negation",
        "Share of utterances with negation by goal and hearts (Experiment 1), against chance (one half), and people's "
        "share (Yoon, Tessler, Goodman & Frank 2020)",
        rows,
        texts_of(*keys)
        | {
            "share of negation [95%]": lambda row: share_of(row, "proportion"),
            "[95%] by row": by_row,
            "p Holm by stimulus": lambda row: p_holm(row, by_stimulus=True),
            "p Holm": lambda row: p_holm(row, by_stimulus=False),
            "people": lambda row: share(theirs.get((row["goal"], str(row["state"])), {}).get("proportion")),
            "n": lambda row: whole(row["n"]),
            "n effective": lambda row: decimal(row["n_effective"], 0),
        },
        len(keys),
    )


def mixed(tests: Records) -> Iterator[Grid]:
    """The mixed-effects regression."""
    ratio, authors = (_rows(tests, kind) for kind in (LIKELIHOOD, AUTHORS))
    columns: dict[str, Callable[[ReportedTest], str]] = {
        "effect": lambda test: EFFECTS[test.of],
        "χ² (likelihood ratio)": lambda test: chi_of(_of(ratio, test)),
        "p (likelihood ratio)": lambda test: p_value(_of(ratio, test).get("p")),
        "χ² (hearts as a number, random slopes)": lambda test: chi_of(_of(authors, test)),
        "p (hearts as a number, random slopes)": lambda test: p_value(_of(authors, test).get("p")),
        "χ²": lambda test: chi_of(test.row),
        "p": lambda test: p_value(test.row["p"]),
        "n": lambda test: whole(test.row["n"]),
        "n effective": lambda test: decimal(test.row["n_effective"], 0),
    }
    title = (
        "Mixed-effects logistic regression of negation, with random intercepts of participants and items: penalised "
        "likelihood ratios, the same with the authors' parametrisation, and (χ², p) Wald's tests"
    )
    lines = reported_tests(tests, MIXED, EFFECTS)
    yield from of_tests("study2-mixed", title, lines, columns, len({model_of(line.row) for line in lines}) > 1)


def _rows(tests: Records, kind: str) -> dict[tuple[str, object], Record]:
    """The rows of a kind of test by model and what it tests."""
    return {(model_of(test.row), test.of): test.row for test in reported_tests(tests, kind, EFFECTS)}


def _of(rows: Mapping[tuple[str, object], Record], test: ReportedTest) -> Record:
    """The row about the same effect of the same model; empty where there is none."""
    return rows.get((model_of(test.row), test.of), {})


def utterances(rows: Records) -> Iterator[Grid]:
    """The share of each utterance by condition."""
    yield from spread(
        "study2-utterances",
        "Share of each utterance by goal and hearts (Experiment 1)",
        rows,
        named(FACTORS, len(models_of(rows)) > 1),
        "utterance",
        SAID,
        lambda row: share(row["proportion"]),
        {"n": lambda row: whole(row["n"])},
        "means.csv has their intervals.",
    )


def probabilities(rows: Records) -> Iterator[Grid]:
    """The mean probability of each utterance by condition."""
    yield from quantities(
        "study2-probabilities",
        "Mean probability of each utterance, with standard errors over stimuli, by goal and hearts (Experiment 2)",
        rows,
        FACTORS,
        {f"prob_{utterance}": title for utterance, title in SAID.items()},
        lambda row: with_error(row["mean"], row["se"], 2),
    )


def of_people(rows: Records) -> Iterator[Grid]:
    """What people chose."""
    yield from spread(
        "study2-people",
        "What people chose: share of each utterance, and of negation (Yoon, Tessler, Goodman & Frank 2020)",
        rows,
        FACTORS,
        "utterance",
        SAID | {"negation": "negation"},
        lambda row: share(row["proportion"]),
        {},
    )


def results(own: Mapping[str, Records]) -> Iterator[str]:
    """The paragraphs about one model."""
    tests = own.get("tests", ())
    ways = {
        "Wald's test": _rows(tests, MIXED),
        "with hearts as a number and random slopes": _rows(tests, AUTHORS),
    }

    def more(test: ReportedTest) -> str:
        beside = [
            f"; {way}, {chi_of(row)}, *p* {p_in_words(row['p'])}"
            for way, rows in ways.items()
            if is_known((row := _of(rows, test)).get("p"))
        ]
        return f" by the likelihood ratio{''.join(beside)} ({plain(test.row['note'])})"

    ratios = reported_tests(tests, LIKELIHOOD, EFFECTS)
    yield " ".join(effects_in_words(ratios, EFFECTS, "the log odds of negation", chi_of, more))
    yield shares_in_words(
        "The share of utterances with negation",
        own.get("negation", ()),
        "proportion",
        lambda row: f" (goal {row['goal']}, hearts {row['state']})",
    )


def methods(kinds: frozenset[str], exclusions: bool) -> Iterator[str]:
    """The analysis."""
    if MIXED in kinds:
        yield (
            "Negation was submitted to a mixed-effects logistic regression with goal and hearts as fixed effects "
            "and random intercepts of participants and items. It is Bayesian, with normal priors of the coefficients "
            f"(standard deviation {WIDE:g}, or {INFORMATIVE:g} under complete separation) and of the logarithms of the "
            "random effects' standard deviations (1). Coefficients and standard deviations are variational Bayes "
            "means. Effects are tested by the penalised likelihood ratio, with random effects integrated out after "
            "Laplace; beside it stands Wald's test, with the covariance of Laplace's approximation. As the authors "
            "did, hearts were also taken as a number, with random slopes of hearts, goal and their interaction for "
            "participants and items, here uncorrelated. Rows of one stimulus are not independent, so chi-squared is "
            "divided by the design effect: the number of rows over how many independent ones their residuals are "
            "worth. These are effects on log odds. Effects of people's study are differences of shares: near 0 and 1 "
            "an interaction may be in one and not in the other."
        )
    if BINOMIAL in kinds:
        yield (
            "Shares of negation were tested against chance by t tests of stimuli's shares with Holm's correction, or "
            "where all are equal by the exact test that flips signs; exact binomial tests over rows stand beside them. "
            "Intervals of shares are Wilson's, at 95%."
        )


def theory() -> Iterator[tuple[str, object]]:
    """The parameters of rational speech acts; weights are named as in the paper."""
    own = Politeness()
    yield "from", "Yoon, Tessler, Goodman & Frank 2020"
    yield "rationality", own.rationality
    yield "cost of negation", own.cost
    for goal, weights in own.goals.items():
        for field in fields(weights):
            yield f"goal {goal}: {field.name}", getattr(weights, field.name)


def people() -> Table:
    """Who said what, and under `negation` who said wasn't."""
    rows: list[tuple[object, ...]] = []
    for cell, counts in zip(GOAL_HEARTS, study2_counts(), strict=True):
        chosen = {name: float(count) for name, count in zip(UTTERANCES, counts, strict=True)}
        chosen["negation"] = sum(count for name, count in chosen.items() if name.startswith(NEGATED))
        rows += [(*cell, name, int(count), count / float(counts.sum())) for name, count in chosen.items()]
    return Table((*FACTORS, "utterance", "people", "proportion"), tuple(rows))


PRIORS = {"sd of coefficients": WIDE, "the same under complete separation": INFORMATIVE, "sd of logarithms of sds": 1.0}

STUDY2 = StudyReport("study2", grids, results, methods, theory, people, PRIORS)
