"""The grids of study 1: bets, analysis of variance, planned comparisons, knowledge, expected bets."""

from collections.abc import Iterator, Mapping

from grace.analysis.analyze import Table
from grace.report.grids import Grid, Record, Records, heads, model_of, models_of, named, pivot, records, texts
from grace.report.numbers import NOTHING, decimal, freedom, interval, is_known, p_value, share, whole, with_error

STATES = (0, 1, 2, 3)
CELL = ("access", "word")
EFFECTS = {
    "access": "access",
    "word": "word",
    "access:word": "access x word",
    "access|word": "access, after word",
}
FAMILIES = {
    "planned": "Planned comparisons of bets, one-tailed, with Holm's correction; beside them people's (Goodman & "
    "Stuhlmüller 2013), and the same test with each stimulus counting once",
    "expected": "Planned comparisons of expected bets (Experiment 2), one-tailed, with Holm's correction; each "
    "stimulus counts once",
}


def grids(tables: Mapping[str, Table], exclusions: bool = True) -> Iterator[Grid]:
    """Those that the tables have rows for; `exclusions` is whether trials were excluded by their knowledge answers."""
    yield from bets(records(tables.get("means")))
    tests = records(tables.get("tests"))
    people = {str(row["test"]): row for row in records(tables.get("people"))}
    yield from variance(tests, people)
    yield from planned(tests, people)
    yield from knowledge(records(tables.get("knowledge")), exclusions)
    yield from expected_bets(records(tables.get("distributions")))
    yield from expected(tests)


def bets(rows: Records) -> Iterator[Grid]:
    """Mean bets by condition."""
    if not rows:
        return
    keys = named(CELL, len(models_of(rows)) > 1)
    lines = [
        (*texts(key), *cells, whole(own[0]["n"]), _worth(own[0]))
        for key, cells, own in pivot(rows, keys, "state", lambda row: with_error(row["mean"], row["se"]), STATES)
    ]
    head = (*heads(keys), *(f"bet on {state}" for state in STATES), "n", "n effective")
    yield Grid(
        "study1-bets",
        "Mean bets in percent, with standard errors, by access and word (Experiment 1)",
        head,
        tuple(lines),
        len(keys),
        "n effective of the bet on 0: how many independent rows these are worth. A dash: no row.",
    )


def _worth(row: Record) -> str:
    return decimal(row["n_effective"], 0)


def f_of(row: Record | None) -> str:
    """F with its degrees of freedom."""
    if row is None or not is_known(row["statistic"]):
        return NOTHING
    return f"F({freedom(row['df1'])}, {freedom(row['df2'])}) = {decimal(row['statistic'])}"


def t_of(row: Record | None) -> str:
    """t with its degrees of freedom."""
    if row is None or not is_known(row["statistic"]):
        return NOTHING
    return f"t({freedom(row['df1'])}) = {decimal(row['statistic'])}"


def variance(tests: Records, people: Mapping[str, Record]) -> Iterator[Grid]:
    """The analysis of variance."""
    by_name = {(model_of(row), str(row["test"])): row for row in tests}
    models = models_of(tests)
    lines = []
    for model in models:
        for effect, told in EFFECTS.items():
            row = by_name.get((model, f"anova:{effect}"))
            if row is None:
                continue
            by_stimulus = by_name.get((model, f"clustered:{effect}"), {"statistic": None, "p": None})
            own = (model, told) if len(models) > 1 else (told,)
            numbers = (f_of(row), p_value(row["p"]), share(row["effect_size"]))
            beside = (f_of(by_stimulus), p_value(by_stimulus["p"]), f_of(people.get(f"anova:{effect}")))
            lines.append((*own, *numbers, *beside, whole(row["n"]), _worth(row), str(row["note"] or "")))
    head = (
        "effect",
        "F",
        "p",
        "partial η²",
        "F by stimulus",
        "p by stimulus",
        "F of people",
        "n",
        "n effective",
        "note",
    )
    if lines:
        yield Grid(
            "study1-anova",
            "Analysis of variance of the bet on state 3, by comparing nested models",
            (*heads(("model_name",)), *head) if len(models) > 1 else head,
            tuple(lines),
            2 if len(models) > 1 else 1,
        ).without_empty_columns


def planned(tests: Records, people: Mapping[str, Record]) -> Iterator[Grid]:
    """The planned comparisons."""
    own = [row for row in tests if str(row["test"]).startswith("planned:")]
    by_stimulus = {(model_of(row), str(row["test"])): row for row in tests}
    several = len(models_of(own)) > 1
    lines = []
    for row in own:
        name = str(row["test"]).removeprefix("planned:")
        other = by_stimulus.get((model_of(row), f"clustered:{name}"))
        theirs = people.get(f"planned:{name}")
        lines.append(
            (
                *((model_of(row),) if several else ()),
                comparison(name),
                t_of(row),
                p_value(row["p"]),
                p_value(row["p_holm"]),
                decimal(row["effect_size"]),
                t_of(other),
                p_value(other["p_holm"]) if other else NOTHING,
                t_of(theirs),
                str(theirs["p"]) if theirs and theirs["p"] else NOTHING,
                whole(row["n"]),
                str(row["note"] or ""),
            )
        )
    head = (
        "comparison",
        "t",
        "p",
        "p Holm",
        "d_z",
        "t by stimulus",
        "p Holm by stimulus",
        "t of people",
        "p of people",
        "n",
        "note",
    )
    if lines:
        full = (*heads(("model_name",)), *head) if several else head
        labels = 2 if several else 1
        yield Grid("study1-planned", FAMILIES["planned"], full, tuple(lines), labels).without_empty_columns


def comparison(name: str) -> str:
    """A comparison in words: a3-two:2>3 is access 3, "two": 2 above 3."""
    condition, states = name.split(":")
    access, word = condition[1:].split("-")
    higher, lower = states.split(">")
    return f"access {access}, “{word}”: {higher} above {lower}"


def knowledge(rows: Records, exclusions: bool) -> Iterator[Grid]:
    """The knowledge answers."""
    several = len(models_of(rows)) > 1
    keys = named(CELL, several)
    lines = [
        (
            *texts(tuple(row[key] for key in keys)),
            *(whole(row[name]) for name in ("yes", "no", "unclear", "failed")),
            f"{share(row['proportion_yes'])} {interval(row['low'], row['high'])}".strip(),
            _worth(row),
        )
        for row in rows
    ]
    head = (*heads(keys), "yes", "no", "unclear", "failed", "share of yes [95% interval]", "n effective")
    if lines:
        rule = "A trial is excluded where the answer does not fit: yes at access 3, no at access 1 and 2."
        note = f"Of all rows. {rule if exclusions else 'No trial was excluded by this answer.'}"
        yield Grid(
            "study1-knowledge", "Does the speaker know exactly how many? Answers", head, tuple(lines), len(keys), note
        )


def expected_bets(rows: Records) -> Iterator[Grid]:
    """Expected bets by condition, beside the sampled ones, and the probabilities of states."""
    yield from _of_states(
        rows,
        "state{}_mean",
        "study1-expected",
        "Mean expected bets in percent, with standard errors over stimuli (Experiment 2); in brackets the mean "
        "sampled bet",
        1,
        True,
    )
    yield from _of_states(
        rows,
        "prob_state_{}",
        "study1-states",
        "Mean probability of each state, with standard errors over stimuli (Experiment 2)",
        2,
        False,
    )


def _of_states(rows: Records, pattern: str, name: str, title: str, digits: int, sampled: bool) -> Iterator[Grid]:
    quantities = [pattern.format(state) for state in STATES]
    own = [row for row in rows if row["quantity"] in quantities]
    known = {model_of(row) for row in own if is_known(row["mean"])}
    own = [row for row in own if model_of(row) in known]
    if not own:
        return

    def cell(row: Record) -> str:
        told = with_error(row["mean"], row["se"], digits)
        return f"{told} [{decimal(row['sampled'], digits)}]" if sampled and is_known(row["sampled"]) else told

    keys = named(CELL, len(models_of(rows)) > 1)
    lines = [
        (*texts(key), *cells, whole(own[0]["n"])) for key, cells, own in pivot(own, keys, "quantity", cell, quantities)
    ]
    yield Grid(name, title, (*heads(keys), *(f"state {state}" for state in STATES), "stimuli"), tuple(lines), len(keys))


def expected(tests: Records) -> Iterator[Grid]:
    """The planned comparisons of expected bets."""
    own = [row for row in tests if str(row["test"]).startswith("expected:") and row["n"]]
    several = len(models_of(tests)) > 1
    lines = [
        (
            *((model_of(row),) if several else ()),
            comparison(str(row["test"]).removeprefix("expected:")),
            t_of(row),
            p_value(row["p"]),
            p_value(row["p_holm"]),
            decimal(row["effect_size"]),
            whole(row["n"]),
            str(row["note"] or ""),
        )
        for row in own
    ]
    if lines:
        head = ("comparison", "t", "p", "p Holm", "d_z", "stimuli", "note")
        full = (*heads(("model_name",)), *head) if several else head
        labels = 2 if several else 1
        yield Grid("study1-expected-tests", FAMILIES["expected"], full, tuple(lines), labels).without_empty_columns
