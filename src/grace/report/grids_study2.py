"""The grids of study 2: negation, mixed-effects regression, utterances, probabilities of utterances."""

from collections.abc import Iterator, Mapping

from grace.analysis.analyze import Table
from grace.analysis.designs import UTTERANCES
from grace.report.grids import Grid, Record, Records, heads, model_of, models_of, named, pivot, records, texts
from grace.report.numbers import NOTHING, decimal, freedom, interval, is_known, p_value, share, whole, with_error

CELL = ("goal", "state")
EFFECTS = {"goal": "goal", "state": "hearts", "goal:state": "goal x hearts"}


def grids(tables: Mapping[str, Table], exclusions: bool = True) -> Iterator[Grid]:
    """Those that the tables have rows for; of this study no trials are excluded by answers, whatever was wanted."""
    tests = records(tables.get("tests"))
    people = records(tables.get("people"))
    yield from negation(records(tables.get("negation")), tests, people)
    yield from mixed(tests)
    yield from utterances(records(tables.get("means")))
    yield from probabilities(records(tables.get("distributions")))
    yield from of_people(people)


def said(utterance: str) -> str:
    """An utterance in words."""
    return utterance.replace("wasnt", "wasn't").replace("_", " ")


def negation(rows: Records, tests: Records, people: Records) -> Iterator[Grid]:
    """The share of negation by condition, against chance and beside people."""
    if not rows:
        return
    by_name = {(model_of(row), str(row["test"])): row for row in tests}
    theirs = {(row["goal"], str(row["state"])): row for row in people if row["utterance"] == "negation"}
    keys = named(CELL, len(models_of(rows)) > 1)
    lines = []
    for row in rows:
        name = f"negation:{row['goal']}-s{row['state']}"
        exact = by_name.get((model_of(row), f"binomial:{name}"), {})
        clustered = by_name.get((model_of(row), f"clustered:{name}"), {})
        human = theirs.get((row["goal"], str(row["state"])))
        lines.append(
            (
                *texts(tuple(row[key] for key in keys)),
                f"{share(row['proportion'])} {interval(row['low'], row['high'])}".strip(),
                interval(row["low_clustered"], row["high_clustered"]) or NOTHING,
                p_value(exact.get("p_holm")),
                p_value(clustered.get("p_holm")),
                share(human["proportion"]) if human else NOTHING,
                whole(row["n"]),
                decimal(row["n_effective"], 0),
            )
        )
    head = (
        "share of negation [95%]",
        "[95%] by n effective",
        "p Holm",
        "p Holm by stimulus",
        "people",
        "n",
        "n effective",
    )
    yield Grid(
        "study2-negation",
        "Share of utterances with negation by goal and hearts (Experiment 1), against chance (one half), and people's "
        "share (Yoon, Tessler, Goodman & Frank 2020)",
        (*heads(keys), *head),
        tuple(lines),
        len(keys),
    )


def chi_of(row: Record) -> str:
    """Chi-squared with its degrees of freedom."""
    if not is_known(row["statistic"]):
        return NOTHING
    return f"χ²({freedom(row['df1'])}) = {decimal(row['statistic'])}"


def mixed(tests: Records) -> Iterator[Grid]:
    """The mixed-effects regression."""
    own = [row for row in tests if str(row["test"]).startswith("mixed:")]
    several = len(models_of(own)) > 1
    lines = [
        (
            *((model_of(row),) if several else ()),
            EFFECTS.get(effect := str(row["test"]).removeprefix("mixed:"), effect),
            chi_of(row),
            p_value(row["p"]),
            whole(row["n"]),
            decimal(row["n_effective"], 0),
            str(row["note"] or ""),
        )
        for row in own
    ]
    if lines:
        head = ("effect", "χ²", "p", "n", "n effective", "note")
        yield Grid(
            "study2-mixed",
            "Mixed-effects logistic regression of negation, with random intercepts of participants and items",
            (*heads(("model_name",)), *head) if several else head,
            tuple(lines),
            2 if several else 1,
        ).without_empty_columns


def utterances(rows: Records) -> Iterator[Grid]:
    """The share of each utterance by condition."""
    if not rows:
        return
    keys = named(CELL, len(models_of(rows)) > 1)
    lines = [
        (*texts(key), *cells, whole(own[0]["n"]))
        for key, cells, own in pivot(rows, keys, "utterance", lambda row: share(row["proportion"]), UTTERANCES)
    ]
    head = (*heads(keys), *map(said, UTTERANCES), "n")
    title = "Share of each utterance by goal and hearts (Experiment 1)"
    yield Grid("study2-utterances", title, head, tuple(lines), len(keys), "means.csv has their intervals.")


def probabilities(rows: Records) -> Iterator[Grid]:
    """The mean probability of each utterance by condition."""
    columns = [f"prob_{utterance}" for utterance in UTTERANCES]
    own = [row for row in rows if row["quantity"] in columns]
    known = {model_of(row) for row in own if is_known(row["mean"])}
    own = [row for row in own if model_of(row) in known]
    if not own:
        return
    keys = named(CELL, len(models_of(rows)) > 1)

    def cell(row: Record) -> str:
        return with_error(row["mean"], row["se"], 2)

    lines = [
        (*texts(key), *cells, whole(own[0]["n"])) for key, cells, own in pivot(own, keys, "quantity", cell, columns)
    ]
    title = "Mean probability of each utterance, with standard errors over stimuli, by goal and hearts (Experiment 2)"
    head = (*heads(keys), *map(said, UTTERANCES), "stimuli")
    yield Grid("study2-probabilities", title, head, tuple(lines), len(keys))


def of_people(rows: Records) -> Iterator[Grid]:
    """What people chose."""
    if not rows:
        return
    levels = (*UTTERANCES, "negation")
    lines = [
        (*texts(key), *cells)
        for key, cells, _ in pivot(rows, CELL, "utterance", lambda row: share(row["proportion"]), levels)
    ]
    title = "What people chose: share of each utterance, and of negation (Yoon, Tessler, Goodman & Frank 2020)"
    yield Grid("study2-people", title, (*heads(CELL), *map(said, levels)), tuple(lines), len(CELL))
