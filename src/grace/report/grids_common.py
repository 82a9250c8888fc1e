"""The grids that both studies have: rows, distributions, calibration, references, comparisons, runs."""

import re
from collections.abc import Iterator, Mapping

from grace.analysis import samples
from grace.analysis.analyze import Table
from grace.report.grids import Grid, Record, Records, heads, model_of, models_of, named, pivot, records, texts
from grace.report.numbers import NOTHING, decimal, interval, is_known, p_value, share, whole, with_error
from grace.report.ran import ANSWERS, PROBABILITIES, VALUES
from grace.studies.study import Study

MEASURES = {
    "correlation": "correlation",
    "effects_correlation": "correlation of effects",
    "jensen_shannon": "Jensen-Shannon divergence (bits)",
    "total_variation": "total variation",
    "earth_mover": "earth mover's distance (states)",
}
SIGNED = ("correlation", "effects_correlation")
SOURCES = {
    samples.ANSWERS: "sampled answers (Experiment 1)",
    samples.BETS: "expected bets (Experiment 2)",
    samples.CHOICE: "direct choice (Experiment 2)",
}
"""What a model's numbers were measured in, for readers."""
EXPERIMENTS = {
    "answers": "answers (Experiment 1)",
    "probabilities": "probabilities (Experiment 2)",
    **{f"effects of {source}": f"effects in {told}" for source, told in SOURCES.items()},
}


def source_of(row: Record) -> str:
    """What a row's numbers were measured in, in words."""
    return SOURCES.get(str(row["source"]), str(row["source"]))


def in_words(text: object) -> str:
    """What the analysis says of an effect or a condition, with one heart in the singular."""
    return re.sub(r"\b1 hearts\b", "1 heart", str(text or ""))


def of_rows(tables: Mapping[str, Table]) -> Iterator[Grid]:
    """What became of the rows."""
    rows = records(tables.get("rows"))
    several = len(models_of(rows)) > 1
    lines = [(*((model_of(row),) if several else ()), str(row["what"]), whole(row["rows"])) for row in rows]
    if lines:
        head = (*heads(("model_name",)), "rows", "number") if several else ("rows", "number")
        yield Grid("rows", "What became of the rows of Experiment 1", head, tuple(lines), 2 if several else 1)


def of_distributions(study: Study, tables: Mapping[str, Table]) -> Iterator[Grid]:
    """Entropies and label masses by condition, and calibration."""
    rows = records(tables.get("distributions"))
    cell = ("access", "word") if study.name == "study1" else ("goal", "state")
    entropies = {
        name: entropy
        for question in study.questions.values()
        for name, entropy in {question.name: question.columns.entropy, **question.columns.marginal_entropies}.items()
    }
    masses = {question.name: question.columns.label_mass for question in study.questions.values()}
    for name, title, columns in (
        ("entropy", "Mean entropy in bits, with standard errors over stimuli, by condition and question", entropies),
        ("label-mass", "Mean label mass: the probability of all answers together, by condition and question", masses),
    ):
        yield from _by_question(rows, cell, name, title, columns)
    yield from _calibration(records(tables.get("calibration_of_all")))


def _by_question(
    rows: Records, cell: tuple[str, ...], name: str, title: str, columns: Mapping[str, str]
) -> Iterator[Grid]:
    own = [row for row in rows if row["quantity"] in columns.values()]
    known = {model_of(row) for row in own if is_known(row["mean"])}
    own = [row for row in own if model_of(row) in known]
    if not own:
        return
    keys = named(cell, len(models_of(rows)) > 1)
    levels = list(columns.values())

    def told(row: Record) -> str:
        return with_error(row["mean"], row["se"], 2) if name == "entropy" else share(row["mean"], 3)

    lines = [
        (*texts(key), *cells, whole(own[0]["n"])) for key, cells, own in pivot(own, keys, "quantity", told, levels)
    ]
    yield Grid(name, title, (*heads(keys), *columns, "stimuli"), tuple(lines), len(keys))


def _calibration(rows: Records) -> Iterator[Grid]:
    if not rows:
        return
    keys = named(("question",), len(models_of(rows)) > 1)
    numbers = ("brier", "brier_uniform", "expected_calibration_error")
    lines = [
        (*texts(tuple(row[key] for key in keys)), *(decimal(row[name], 3) for name in numbers), whole(row["answers"]))
        for row in rows
    ]
    head = (*heads(keys), "Brier score", "of an even distribution", "expected calibration error", "answers")
    title = "How well the distributions of Experiment 2 predict the sampled answers of Experiment 1; 0 is perfect"
    yield Grid("calibration", title, head, tuple(lines), len(keys))


def of_references(tables: Mapping[str, Table]) -> Iterator[Grid]:
    """How near models are to people and to rational speech acts, and which effects they show."""
    fits = records(tables.get("references"))
    lines = [
        (
            model_of(row),
            source_of(row),
            str(row["reference"]),
            MEASURES.get(str(row["measure"]), str(row["measure"])),
            _measured(row),
            whole(row["conditions"]),
            whole(row["stimuli"]) if row["stimuli"] else NOTHING,
            in_words(row["reason"]),
        )
        for row in fits
    ]
    if lines:
        yield Grid(
            "references",
            "How near each model is to people and to rational speech acts (rsa), with 95% bootstrap intervals",
            ("model", "source", "reference", "measure", "value [95%]", "conditions", "stimuli", "note"),
            tuple(lines),
            4,
            "rsa, uniform and people among the models are yardsticks: theory, mere chance, and people drawn again.",
        ).without_empty_columns
    yield from _patterns(records(tables.get("patterns")))


def _measured(row: Record) -> str:
    signed = row["measure"] in SIGNED
    told = share(row["value"]) if signed else decimal(row["value"], 3)
    if not (is_known(row["low"]) and is_known(row["high"])):
        return told
    low, high = (share(row[end]) if signed else decimal(row[end], 3) for end in ("low", "high"))
    return f"{told} [{low}, {high}]"


def _patterns(rows: Records) -> Iterator[Grid]:
    lines = [
        (
            model_of(row),
            source_of(row),
            in_words(row["about"]),
            str(row["people"]),
            str(row["verdict"]),
            f"{share(row['estimate'])} {interval(row['low'], row['high'])}".strip(),
            p_value(row["p"]),
            share(row["rsa"]),
            whole(row["stimuli"]),
            in_words(row["reason"]),
        )
        for row in rows
    ]
    if lines:
        yield Grid(
            "patterns",
            "Which effects of people each model shows: contrasts of shares, one-tailed over stimuli",
            ("model", "source", "effect", "people", "model's", "contrast [95%]", "p", "rsa", "stimuli", "note"),
            tuple(lines),
            3,
            "Shown: p below .05, not corrected. Reversed: as sure in the other direction. Intervals: bootstrap.",
        ).without_empty_columns


def of_comparisons(tables: Mapping[str, Table]) -> Iterator[Grid]:
    """Verdicts on each pair, and the numbers that they follow from, without single conditions."""
    verdicts = records(tables.get("comparison_verdicts"))
    lines: list[tuple[str, ...]] = [
        tuple(str(row[name]) for name in ("a", "b", "of", "verdict", "why")) for row in verdicts
    ]
    if lines:
        about = ("first (a)", "second (b)", "about", "verdict", "why")
        yield Grid("verdicts", "Are the models equivalent? Verdicts by question", about, tuple(lines), 3)
    numbers = [
        row for row in records(tables.get("comparison_numbers")) if not row["condition"] and is_known(row["value"])
    ]
    if numbers:
        head = (
            "first (a)",
            "second (b)",
            "from",
            "about",
            "measure",
            "in a",
            "in b",
            "value [90%]",
            "noise",
            "stimuli",
            "note",
        )
        yield Grid(
            "comparison-numbers",
            "What the verdicts follow from, with 90% intervals over stimuli; shifts are b less a",
            head,
            tuple(map(_compared, numbers)),
            5,
            "comparison_numbers.csv has each condition. Noise: the same of one model asked twice, where that is known.",
        ).without_empty_columns


def _compared(row: Record) -> tuple[str, ...]:
    told = decimal(row["value"], 3)
    if is_known(row["low"]) and is_known(row["high"]):
        told += f" [{decimal(row['low'], 3)}, {decimal(row['high'], 3)}]"
    sides = (decimal(row[name], 3) if is_known(row[name]) else "" for name in ("value_a", "value_b"))
    noise = decimal(row["noise"], 3) if is_known(row["noise"]) else ""
    of = str(row["experiment"])
    return (
        str(row["a"]),
        str(row["b"]),
        EXPERIMENTS.get(of, of),
        in_words(row["of"]),
        str(row["measure"]).replace("_", " "),
        *sides,
        told,
        noise,
        whole(row["stimuli"]),
        in_words(row["reason"]),
    )


ASKED = {
    ANSWERS: ("protocol", "temperature", "max_tokens", "further_sampling", "seed", "replications"),
    PROBABILITIES: ("policy", "residual"),
    VALUES: ("extractor",),
}


def of_runs(tables: Mapping[str, Table]) -> Iterator[Grid]:
    """What ran, and with which settings."""
    rows = records(tables.get("runs"))
    if not rows:
        return
    told = ("revision", "quantization", "weights", "source", "parameters", "engine", "context")
    head = ("model", *told, "run")
    asked = [row for row in rows if row["kind"] != VALUES]
    if asked:
        lines = tuple(dict.fromkeys(_cells(row, ("model_name", *told, "run")) for row in asked))
        note = "Weights: the digest that the server tells. Context in tokens."
        yield Grid("models", "Models and engines", head, lines, 1, note).without_empty_columns
    settings = dict.fromkeys(name for names in ASKED.values() for name in names)
    names = ("model_name", "kind", "run", *settings, "rows", "finished", "failed")
    called = ("model", "what", "run", *(name.replace("_", " ") for name in names[3:]))
    lines = tuple(_cells(row, names) for row in rows)
    yield Grid(
        "settings", "What was asked, and how", called, lines, 3, "Finished, failed: requests."
    ).without_empty_columns


def of_provenance(tables: Mapping[str, Table]) -> Iterator[Grid]:
    """Where everything comes from."""
    rows = records(tables.get("runs"))
    if not rows:
        return
    names = (
        "run",
        "run_id",
        "input",
        "input_rows",
        "input_sha256",
        "study_sha256",
        "prompts_sha256",
        "started",
        "ended",
        "grace",
        "commit",
        "python",
    )
    head = (
        "run",
        "run's id",
        "input",
        "rows",
        "SHA-256 of the input",
        "SHA-256 of the study file",
        "SHA-256 of prompts, first 16 digits",
        "started",
        "ended",
        "Grace",
        "commit",
        "Python",
    )
    lines = tuple(_cells(row, names) for row in rows)
    yield Grid("provenance", "Runs and their inputs", head, lines, 1).without_empty_columns


def _cells(row: Record, names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(_cell(name, row.get(name)) for name in names)


def _cell(name: str, value: object) -> str:
    if value is None:
        return ""
    return (
        whole(value)
        if name in ("parameters", "rows", "input_rows", "finished", "context", "max_tokens")
        else str(value)
    )
