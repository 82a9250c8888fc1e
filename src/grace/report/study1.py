"""The report of study 1: bets, analysis of variance, planned comparisons, knowledge, expected bets."""

from collections.abc import Callable, Iterator, Mapping
from math import sqrt

from grace.analysis.analyze import Table
from grace.analysis.designs import STATES
from grace.analysis.names import ANOVA, EXPECTED, PLANNED, Factors
from grace.analysis.people import study1_tests
from grace.analysis.rsa_knowledge import Knowledge
from grace.analysis.study1 import COMPARISONS, FACTORS, BetComparison, cell_title
from grace.quality.layout import number_in
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
    table_of,
    texts_of,
)
from grace.report.markdown import plain
from grace.report.numbers import NOTHING, decimal, f_of, is_known, p_in_words, p_value, share, t_of, whole, with_error
from grace.report.phrases import by_row, effects_in_words, share_of, shares_in_words, statistic_of
from grace.report.study_report import StudyReport

EFFECTS: dict[object, str] = {
    Factors(("access",)): "access",
    Factors(("word",)): "word",
    Factors(FACTORS): "access x word",
    Factors(("access",), after="word"): "access, after word",
}
"""Names of the effects in the analysis of variance, for readers."""


def in_words(comparison: object) -> str:
    """A planned comparison in words: access 3, "two": 2 above 3."""
    assert isinstance(comparison, BetComparison)
    return f"{cell_title(comparison.cell)}: {comparison.higher} above {comparison.lower}"


def _worth(row: Record) -> str:
    return decimal(row["n_effective"], 0)


def _error(row: Record) -> object:
    """The standard error of a mean as if it were of n_effective rows; by rows where nobody knows their stimuli."""
    se, n, worth = (number_in(row[name]) for name in ("se", "n", "n_effective"))
    return se * sqrt(n / worth) if se is not None and n and worth else row["se"]


def grids(tables: Mapping[str, Table], exclusions: bool = True) -> Iterator[Grid]:
    """The grids that the tables have rows for; `exclusions` is whether knowledge answers exclude trials."""
    tests, people = records(tables.get("tests")), records(tables.get("people"))
    yield from bets(records(tables.get("means")))
    yield from variance(tests, people)
    yield from planned(tests, people)
    yield from knowledge(records(tables.get("knowledge")), exclusions)
    yield from expected_bets(records(tables.get("distributions")))
    yield from expected(tests)


def bets(rows: Records) -> Iterator[Grid]:
    """Mean bets by condition."""
    yield from spread(
        "study1-bets",
        "Mean bets in percent, with standard errors by n effective, by access and word (Experiment 1)",
        rows,
        named(FACTORS, len(models_of(rows)) > 1),
        "state",
        {state: f"bet on {state}" for state in STATES},
        lambda row: with_error(row["mean"], _error(row)),
        {"n": lambda row: whole(row["n"]), "n effective": _worth},
        "n effective of the bet on 0: how many independent rows these are worth. A dash: no row.",
    )


def variance(tests: Records, people: Records) -> Iterator[Grid]:
    """The analysis of variance."""
    columns: dict[str, Callable[[ReportedTest], str]] = {
        "effect": lambda test: EFFECTS[test.of],
        "F by story": lambda test: f_of(test.repeated),
        "p by story": lambda test: p_value(test.repeated.get("p")),
        "F by stimulus": lambda test: f_of(test.by_stimulus),
        "p by stimulus": lambda test: p_value(test.by_stimulus.get("p")),
        "F": lambda test: f_of(test.row),
        "p": lambda test: p_value(test.row["p"]),
        "partial η²": lambda test: share(test.row["effect_size"]),
        "F of people": lambda test: f_of(test.people),
        "n": lambda test: whole(test.row["n"]),
        "n effective": lambda test: _worth(test.row),
    }
    title = (
        "Analysis of variance of the bet on state 3, by comparing nested models: repeated measures by story, each "
        "stimulus counting once, and (F, p, partial η²) by row, as the paper printed it"
    )
    lines = reported_tests(tests, ANOVA, EFFECTS, people)
    yield from of_tests("study1-anova", title, lines, columns, len(models_of(tests)) > 1)


COMPARISON: dict[str, Callable[[ReportedTest], str]] = {"comparison": lambda test: in_words(test.of)}
COMPARED: dict[str, Callable[[ReportedTest], str]] = {
    "t": lambda test: t_of(test.row),
    "p": lambda test: p_value(test.row["p"]),
    "p Holm": lambda test: p_value(test.row["p_holm"]),
    "d_z": lambda test: decimal(test.row["effect_size"]),
}
"""Columns of all planned comparisons."""


def planned(tests: Records, people: Records) -> Iterator[Grid]:
    """The planned comparisons."""
    by_stimulus: dict[str, Callable[[ReportedTest], str]] = {
        "t by stimulus": lambda test: t_of(test.by_stimulus),
        "p Holm by stimulus": lambda test: p_value(test.by_stimulus.get("p_holm")),
    }
    columns = {
        **COMPARISON,
        **by_stimulus,
        **COMPARED,
        "t of people": lambda test: t_of(test.people) + _also(test.people),
        "p of people": lambda test: str(test.people.get("p") or NOTHING),
        "n": lambda test: whole(test.row["n"]),
    }
    title = (
        "Planned comparisons of bets, one-tailed, with Holm's correction: each stimulus counting once, and by row, as "
        "the paper printed them; beside them people's (Goodman & Stuhlmüller 2013; public transcriptions give 13.1 and "
        "17.1 both ways round)"
    )
    lines = reported_tests(tests, PLANNED, COMPARISONS, people)
    yield from of_tests("study1-planned", title, lines, columns, len({model_of(line.row) for line in lines}) > 1)


def _also(row: Record) -> str:
    """The statistic as others transcribe it."""
    return f" or {decimal(row['also'])}" if is_known(row.get("also")) else ""


def expected(tests: Records) -> Iterator[Grid]:
    """The planned comparisons of expected bets."""
    columns = COMPARISON | COMPARED | {"stimuli": lambda test: whole(test.row["n"])}
    title = (
        "Planned comparisons of expected bets (Experiment 2), one-tailed, with Holm's correction; each stimulus counts "
        "once"
    )
    lines = [test for test in reported_tests(tests, EXPECTED, COMPARISONS) if test.row["n"]]
    yield from of_tests("study1-expected-tests", title, lines, columns, len(models_of(tests)) > 1, experiment=2)


def knowledge(rows: Records, exclusions: bool) -> Iterator[Grid]:
    """The knowledge answers."""
    keys = named(FACTORS, len(models_of(rows)) > 1)
    rule = "A trial is excluded where the answer does not fit: yes at access 3, no at access 1 and 2."
    yield from listing(
        "study1-knowledge",
        "Does the speaker know exactly how many? Answers",
        rows,
        texts_of(*keys)
        | {name: lambda row, name=name: whole(row[name]) for name in ("yes", "no", "unclear", "failed")}
        | {
            "share of yes [95%]": lambda row: share_of(row, "proportion_yes"),
            "[95%] by row": by_row,
            "n effective": _worth,
        },
        len(keys),
        f"Of all rows. {rule if exclusions else 'No trial was excluded by this answer.'}",
    )


def expected_bets(rows: Records) -> Iterator[Grid]:
    """Expected bets by condition, beside the sampled ones, and the probabilities of states."""

    def bet(row: Record) -> str:
        expected = with_error(row["mean"], row["se"])
        return f"{expected} [{decimal(row['sampled'], 1)}]" if is_known(row["sampled"]) else expected

    yield from quantities(
        "study1-expected",
        "Mean expected bets in percent, with standard errors over stimuli (Experiment 2); in brackets the mean "
        "sampled bet",
        rows,
        FACTORS,
        {f"state{state}_mean": f"state {state}" for state in STATES},
        bet,
    )
    yield from quantities(
        "study1-states",
        "Mean probability of each state, with standard errors over stimuli (Experiment 2)",
        rows,
        FACTORS,
        {f"prob_state_{state}": f"state {state}" for state in STATES},
        lambda row: with_error(row["mean"], row["se"], 2),
    )


def results(own: Mapping[str, Records]) -> Iterator[str]:
    """The paragraphs about one model."""
    yield " ".join(_variance(own.get("tests", ())))
    yield _planned(own.get("tests", ()), PLANNED, "Planned comparisons of bets")
    yield shares_in_words(
        "The share of answers by which the speaker knows exactly how many",
        own.get("knowledge", ()),
        "proportion_yes",
        lambda row: f" at access {row['access']}, “{row['word']}”",
    )
    yield _planned(own.get("tests", ()), EXPECTED, "Planned comparisons of expected bets (Experiment 2)")


def _variance(tests: Records) -> Iterator[str]:
    """The analysis of variance, and by stimulus."""
    effects = reported_tests(tests, ANOVA, EFFECTS)
    notes = {line.lead["note"] for line in effects}
    if len(effects) > 1 and len(notes) == 1 and not any(is_known(line.lead["p"]) for line in effects):
        yield f"The analysis of variance of the bet on state 3 is not defined ({plain(notes.pop())})."
        return

    def more(line: ReportedTest) -> str:
        size = f", partial η² = {share(line.lead['effect_size'])}" if is_known(line.lead["effect_size"]) else ""
        ways = {"by story": line.repeated, "by stimulus": line.by_stimulus, "by row": line.row}
        own = next(way for way, row in ways.items() if row is line.lead)
        others = [
            f"{way}, {statistic_of(row, f_of)}, *p* {p_in_words(row['p'])}"
            for way, row in ways.items()
            if way != own and is_known(row.get("p"))
        ]
        return "; ".join([f"{size} {own}", *others])

    yield from effects_in_words(effects, EFFECTS, "the bet on state 3", f_of, more)


def _planned(tests: Records, kind: str, what: str) -> str:
    """The planned comparisons of bets, or of expected bets."""
    parts = []
    for line in (line for line in reported_tests(tests, kind, COMPARISONS) if line.row["n"]):
        own = [_test(line.lead)] if is_known(line.lead["p_holm"]) else ["not defined"]
        if line.lead is not line.row and is_known(line.row["p_holm"]):
            own.append(f"by row {_test(line.row)}")
        parts.append(f"{in_words(line.of)}: {', '.join(own)}")
    how = "one-tailed and by stimulus where that is defined (which effects are shown, the tests below decide)"
    return f"{what}, {how}: {'; '.join(parts)}." if parts else ""


def _test(row: Record) -> str:
    """A planned comparison's numbers; where there is no t, its p is that of an exact test."""
    size = f", *dz* = {decimal(row['effect_size'])}" if is_known(row["effect_size"]) else ""
    return f"{statistic_of(row, t_of)}, Holm-corrected *p* {p_in_words(row['p_holm'])}{size}"


def methods(kinds: frozenset[str], exclusions: bool) -> Iterator[str]:
    """The analysis."""
    if ANOVA in kinds:
        yield (
            "Bets on state 3 were submitted to an analysis of variance with access and word as factors and repeated "
            "measures of stories, which are crossed with the conditions; since some conditions do not exist, effects "
            "were tested by comparing nested models, with Greenhouse and Geisser's correction. Planned comparisons of "
            "bets are paired, one-tailed t tests of stimuli's means with Holm's correction; where all means are equal, "
            "the exact test that flips their signs. They are there for comparison with people's and decide nothing: "
            "which effects a model shows follows from two-tailed tests. Rows of one stimulus are not independent: the "
            "tests by row, as the paper printed them, stand beside these only for comparison."
        )
        excluded = "Trials were excluded whose knowledge answer does not fit what the speaker saw."
        yield excluded if exclusions else "No trial was excluded by its knowledge answer."
    if EXPECTED in kinds:
        yield (
            "Planned comparisons of expected bets (Experiment 2) are the same tests of the expectations of the "
            "distributions of bets; each stimulus counts once."
        )


def theory() -> Iterator[tuple[str, object]]:
    """The parameters of rational speech acts."""
    own = Knowledge()
    yield "from", "Goodman & Stuhlmüller 2013"
    yield "rationality", own.rationality
    yield "base rate (fitted to the published comparisons)", own.base_rate


def people() -> Table:
    """The published tests."""
    columns = ("test", "statistic", "df1", "df2", "p", "effect_size", "holds", "also")
    rows = (
        {
            "test": test.name,
            "statistic": test.statistic,
            "df1": test.df[0],
            "df2": test.df[1] if len(test.df) > 1 else None,
            "p": test.p,
            "effect_size": test.effect_size if len(test.df) == 1 else None,
            "holds": "yes" if test.holds else "no",
            "also": test.also,
        }
        for test in study1_tests().values()
    )
    return table_of(rows, columns)


STUDY1 = StudyReport("study1", grids, results, methods, theory, people)
