"""Sentences of a paper's results, each from a row of the analysis's tables; without a row there is no sentence."""

from collections.abc import Iterator, Mapping

from grace.analysis.analyze import Table
from grace.analysis.samples import number_in
from grace.report.grids import Record, Records, model_of, models_of, records
from grace.report.grids_study1 import EFFECTS as EFFECTS1
from grace.report.grids_study1 import comparison, f_of, t_of
from grace.report.grids_study2 import EFFECTS as EFFECTS2
from grace.report.grids_study2 import chi_of
from grace.report.markdown import plain
from grace.report.numbers import decimal, interval, is_known, p_in_words, share, whole

ALPHA = 0.05
"""A p below it is called significant; the methods say so."""


def results_of(study: str, tables: Mapping[str, Table]) -> Iterator[tuple[str, list[str]]]:
    """For each model its name and the paragraphs about it."""
    rows = records(tables.get("rows"))
    for model in models_of(rows):
        own = {name: _own(records(table), model) for name, table in tables.items()}
        paragraphs = [" ".join(_rows(own["rows"]))]
        if study == "study1":
            paragraphs += [" ".join(_variance(own)), " ".join(_planned(own, "planned")), " ".join(_knowledge(own))]
            paragraphs.append(" ".join(_planned(own, "expected")))
        else:
            paragraphs += [" ".join(_mixed(own)), " ".join(_negation(own))]
        paragraphs += [" ".join(_calibration(own)), " ".join(_patterns(records(tables.get("patterns")), model))]
        yield model, [text for text in paragraphs if text]


def _own(rows: Records, model: str) -> list[Record]:
    return [row for row in rows if model_of(row) == model]


def _rows(rows: Records) -> Iterator[str]:
    counts = {str(row["what"]): row["rows"] for row in rows}
    yield f"Of {whole(counts.pop('all'))} answers of Experiment 1, {whole(counts.pop('analysed'))} were analysed."
    left = [f"{whole(number)} {plain(why)}" for why, number in counts.items()]
    if left:
        yield f"Left out: {'; '.join(left)}."


def _verdict(p: object) -> str:
    found = number_in(p)
    return "significant" if found is not None and found < ALPHA else "not significant"


def _undefined(what: str, row: Record) -> str:
    note = f" ({plain(row['note'])})" if row.get("note") else ""
    return f"The test of {what} is not defined{note}."


def _variance(own: Mapping[str, Records]) -> Iterator[str]:
    """The analysis of variance, and by stimulus."""
    tests = {str(row["test"]): row for row in own.get("tests", ())}
    for effect, told in EFFECTS1.items():
        row = tests.get(f"anova:{effect}")
        if row is None:
            continue
        if not is_known(row["p"]):
            yield _undefined(f"the effect of {told} on the bet on state 3", row)
            continue
        size = f", partial η² = {share(row['effect_size'])}" if is_known(row["effect_size"]) else ""
        beside = tests.get(f"clustered:{effect}")
        by = f"; by stimulus, {f_of(beside)}, *p* {p_in_words(beside['p'])}" if beside and is_known(beside["p"]) else ""
        yield (
            f"The effect of {told} on the bet on state 3 was {_verdict(row['p'])}, {f_of(row)}, "
            f"*p* {p_in_words(row['p'])}{size}{by}."
        )


def _planned(own: Mapping[str, Records], family: str) -> Iterator[str]:
    """The planned comparisons of bets, or of expected bets."""
    rows = [row for row in own.get("tests", ()) if str(row["test"]).startswith(f"{family}:") and row["n"]]
    what = (
        "Planned comparisons of bets" if family == "planned" else "Planned comparisons of expected bets (Experiment 2)"
    )
    told = []
    for row in rows:
        name = comparison(str(row["test"]).removeprefix(f"{family}:"))
        if is_known(row["p_holm"]):
            size = f", *dz* = {decimal(row['effect_size'])}" if is_known(row["effect_size"]) else ""
            told.append(f"{name}: {t_of(row)}, Holm-corrected *p* {p_in_words(row['p_holm'])}{size}")
        else:
            told.append(f"{name}: not defined")
    if told:
        yield f"{what}, one-tailed: {'; '.join(told)}."


def _knowledge(own: Mapping[str, Records]) -> Iterator[str]:
    told = [
        f"{share(row['proportion_yes'])} {interval(row['low'], row['high'])}".strip()
        + f" at access {row['access']}, “{row['word']}”"
        for row in own.get("knowledge", ())
        if is_known(row["proportion_yes"])
    ]
    if told:
        yield f"The share of answers by which the speaker knows exactly how many was {'; '.join(told)}."


def _mixed(own: Mapping[str, Records]) -> Iterator[str]:
    """The mixed-effects regression."""
    tests = {str(row["test"]): row for row in own.get("tests", ())}
    for effect, told in EFFECTS2.items():
        row = tests.get(f"mixed:{effect}")
        if row is None:
            continue
        if not is_known(row["p"]):
            yield _undefined(f"the effect of {told} on negation", row)
            continue
        note = f" ({plain(row['note'])})" if row["note"] else ""
        yield (
            f"The effect of {told} on negation was {_verdict(row['p'])}, {chi_of(row)}, "
            f"*p* {p_in_words(row['p'])}{note}."
        )


def _negation(own: Mapping[str, Records]) -> Iterator[str]:
    told = [
        f"{share(row['proportion'])} {interval(row['low'], row['high'])}".strip()
        + f" (goal {row['goal']}, hearts {row['state']})"
        for row in own.get("negation", ())
        if is_known(row["proportion"])
    ]
    if told:
        yield f"The share of utterances with negation was {'; '.join(told)}."


def _calibration(own: Mapping[str, Records]) -> Iterator[str]:
    for row in own.get("calibration_of_all", ()):
        if is_known(row["brier"]):
            yield (
                "The distributions of Experiment 2 predicted the sampled answers to the question "
                f"{row['question']} with a Brier score of {decimal(row['brier'], 3)} "
                f"(an even distribution: {decimal(row['brier_uniform'], 3)})."
            )


def _patterns(rows: Records, model: str) -> Iterator[str]:
    """The effects of people's tests by what the model does, told apart by what it was measured in."""
    found: dict[str, dict[str, list[str]]] = {}
    for row in rows:
        if model_of(row) == model and row["verdict"]:
            verdicts = found.setdefault(str(row["source"]), {})
            verdicts.setdefault(str(row["verdict"]), []).append(f"{row['about']} (people: {row['people']})")
    for source, verdicts in found.items():
        told = ". ".join(f"{verdict.capitalize()}: {'; '.join(names)}" for verdict, names in verdicts.items())
        yield f"Effects of people's study in the model's {plain(source)}. {plain(told)}."
