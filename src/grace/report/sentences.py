"""Sentences of a paper's results, each from a row of the analysis's tables; without a row there is no sentence."""

from collections.abc import Iterator, Mapping

from grace.analysis.analyze import Table
from grace.analysis.references import UNKNOWN
from grace.analysis.samples import number_in
from grace.report.grids import Record, Records, model_of, models_of, records
from grace.report.grids_common import in_words, source_of
from grace.report.grids_study1 import EFFECTS as EFFECTS1
from grace.report.grids_study1 import comparison, f_of, t_of
from grace.report.grids_study2 import EFFECTS as EFFECTS2
from grace.report.grids_study2 import chi_of
from grace.report.markdown import plain
from grace.report.numbers import counted, decimal, interval, is_known, p_in_words, share, whole

ALPHA = 0.05
"""A p below it is called significant; the methods say so."""


def results_of(study: str, tables: Mapping[str, Table]) -> Iterator[tuple[str, list[str]]]:
    """For each model its name and the paragraphs about it."""
    for model in models_of(records(tables.get("design"))):
        own = {name: _own(records(table), model) for name, table in tables.items()}
        paragraphs = [" ".join(_rows(own["rows"]))]
        if study == "study1":
            paragraphs += [" ".join(_variance(own)), " ".join(_planned(own, "planned")), " ".join(_knowledge(own))]
            paragraphs.append(" ".join(_planned(own, "expected")))
        else:
            paragraphs += [" ".join(_mixed(own)), " ".join(_negation(own))]
        paragraphs += [" ".join(_calibration(own)), *_patterns(records(tables.get("patterns")), model)]
        yield model, [text for text in paragraphs if text]


def _own(rows: Records, model: str) -> list[Record]:
    return [row for row in rows if model_of(row) == model]


def _rows(rows: Records) -> Iterator[str]:
    counts = {str(row["what"]): row["rows"] for row in rows}
    if not counts:
        yield "There were no answers of Experiment 1: this model was asked for probabilities alone."
        return
    every, analysed = counts.pop("all"), counts.pop("analysed")
    were = "was" if analysed == 1 else "were"
    yield f"Of {counted(every, 'answer')} of Experiment 1, {whole(analysed)} {were} analysed."
    left = [f"{whole(number)} {plain(in_words(why))}" for why, number in counts.items()]
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
    effects = [row for name, row in tests.items() if name.startswith("anova:")]
    if (
        len(effects) > 1
        and not any(is_known(row["p"]) for row in effects)
        and len({row["note"] for row in effects}) == 1
    ):
        yield f"The analysis of variance of the bet on state 3 is not defined ({plain(effects[0]['note'])})."
        return
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
    """How well the distributions predict the sampled answers, and whether an even one would do better."""
    for row in own.get("calibration_of_all", ()):
        brier, even = number_in(row["brier"]), number_in(row["brier_uniform"])
        if brier is None or even is None:
            continue
        than = "better than" if brier < even else "worse than" if brier > even else "as good as"
        yield (
            f"Held against {counted(row['answers'], 'sampled answer')} to the question {plain(row['question'])}, the "
            f"distributions of Experiment 2 have a Brier score of {decimal(brier, 3)} (0 is perfect), {than} the "
            f"{decimal(even, 3)} of an even distribution."
        )


def _patterns(rows: Records, model: str) -> Iterator[str]:
    """The effects of people's tests by what the model does, told apart by what it was measured in."""
    by_source: dict[str, list[Record]] = {}
    for row in rows:
        if model_of(row) == model and row["verdict"]:
            by_source.setdefault(source_of(row), []).append(row)
    for source, own in by_source.items():
        if all(row["verdict"] == UNKNOWN for row in own):
            why = "; ".join(dict.fromkeys(str(row["reason"]) for row in own if row["reason"])) or "nothing is known"
            yield f"Effects of people's study in {plain(source)} are not defined: {plain(in_words(why))}."
            continue
        verdicts: dict[str, list[str]] = {}
        for row in own:
            verdicts.setdefault(str(row["verdict"]), []).append(f"{in_words(row['about'])} (people: {row['people']})")
        told = ". ".join(f"{verdict.capitalize()}: {'; '.join(names)}" for verdict, names in verdicts.items())
        yield f"Effects of people's study in {plain(source)}. {plain(told)}."
