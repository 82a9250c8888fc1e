"""The grids that both studies have: rows, distributions, calibration, references, comparisons, runs."""

import re
from collections.abc import Callable, Iterator, Mapping

from grace.analysis import samples
from grace.analysis.analyze import Table
from grace.analysis.studies import analysis_of
from grace.columns import MODEL
from grace.report.grids import Grid, Record, Records, listing, model_of, models_of, named, quantities, records, texts_of
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
"""The source of a model's numbers, for readers."""
EXPERIMENTS = {
    "answers": "answers (Experiment 1)",
    "probabilities": "probabilities (Experiment 2)",
    **{f"effects of {source}": f"effects in {name}" for source, name in SOURCES.items()},
}


def source_of(row: Record) -> str:
    """The source of a row's numbers, in words."""
    return SOURCES.get(str(row["source"]), str(row["source"]))


def in_words(text: object) -> str:
    """The analysis's words for an effect or a condition, with one heart in the singular."""
    return re.sub(r"\b1 hearts\b", "1 heart", str(text or ""))


def of_rows(tables: Mapping[str, Table]) -> Iterator[Grid]:
    """What became of the rows."""
    rows = records(tables.get("rows"))
    several = len(models_of(rows)) > 1
    columns = texts_of(*named(("what",), several)) | {"number": lambda row: whole(row["rows"])}
    columns = {"rows" if head == "what" else head: cell for head, cell in columns.items()}
    yield from listing("rows", "What became of the rows of Experiment 1", rows, columns, 1 + several)


def of_distributions(study: Study, tables: Mapping[str, Table]) -> Iterator[Grid]:
    """Entropies and label masses by condition, and calibration."""
    rows = records(tables.get("distributions"))
    if rows:
        factors = analysis_of(study).factors
        entropies = {
            entropy: name
            for question in study.questions.values()
            for name, entropy in {
                question.name: question.columns.entropy,
                **question.columns.marginal_entropies,
            }.items()
        }
        yield from quantities(
            "entropy",
            "Mean entropy in bits, with standard errors over stimuli, by condition and question",
            rows,
            factors,
            entropies,
            lambda row: with_error(row["mean"], row["se"], 2),
        )
        yield from quantities(
            "label-mass",
            "Mean label mass: the probability of all answers together, by condition and question",
            rows,
            factors,
            {question.columns.label_mass: question.name for question in study.questions.values()},
            lambda row: share(row["mean"], 3),
        )
    yield from _calibration(records(tables.get("calibration_of_all")))


def _calibration(rows: Records) -> Iterator[Grid]:
    keys = named(("question",), len(models_of(rows)) > 1)
    yield from listing(
        "calibration",
        "How well the distributions of Experiment 2 predict the sampled answers of Experiment 1; 0 is perfect",
        rows,
        texts_of(*keys)
        | {
            "Brier score": lambda row: decimal(row["brier"], 3),
            "of an even distribution": lambda row: decimal(row["brier_uniform"], 3),
            "expected calibration error": lambda row: decimal(row["expected_calibration_error"], 3),
            "answers": lambda row: whole(row["answers"]),
        },
        len(keys),
    )


def of_references(tables: Mapping[str, Table]) -> Iterator[Grid]:
    """How near models are to people and to rational speech acts, and which effects they show."""
    yield from listing(
        "references",
        "How near each model is to people and to rational speech acts (rsa; rsa_own_prior: with the prior that the "
        "model's own answers tell), with 95% bootstrap intervals",
        records(tables.get("references")),
        {
            "model": model_of,
            "source": source_of,
            "reference": lambda row: str(row["reference"]),
            "measure": lambda row: MEASURES.get(str(row["measure"]), str(row["measure"])),
            "value [95%]": _measured,
            "floor": lambda row: decimal(row["floor"], 3) if is_known(row["floor"]) else "",
            "conditions": lambda row: whole(row["conditions"]),
            "stimuli": lambda row: whole(row["stimuli"]) if row["stimuli"] else NOTHING,
            "note": lambda row: in_words(row["reason"]),
        },
        4,
        "rsa, uniform and people among the models are yardsticks: theory, mere chance, and people drawn again. Floor: "
        "what to expect of a model that answers just as people, and as often as this one.",
    )
    yield from listing(
        "patterns",
        "Which effects of people each model shows: contrasts of shares by items, two-tailed, corrected for all",
        records(tables.get("patterns")),
        {
            "model": model_of,
            "source": source_of,
            "effect": lambda row: in_words(row["about"]),
            "people": lambda row: str(row["people_verdict"]),
            "model's": lambda row: str(row["verdict"]),
            "contrast [95%]": lambda row: f"{share(row['estimate'])} {interval(row['low'], row['high'])}".strip(),
            "p": lambda row: p_value(row["p_corrected"]),
            "rsa": lambda row: share(row["rsa"]),
            "stimuli": lambda row: whole(row["stimuli"]),
            "note": lambda row: in_words(row["reason"]),
        },
        3,
        "Shown: p below .05, corrected for all effects. Reversed: as sure in the other direction. Absent: surely "
        "smaller than .05 either way. Not shown: undecided. Intervals are not corrected.",
    )


def _measured(row: Record) -> str:
    signed = row["measure"] in SIGNED
    value, low, high = (share(row[name]) if signed else decimal(row[name], 3) for name in ("value", "low", "high"))
    return f"{value} [{low}, {high}]" if is_known(row["low"]) and is_known(row["high"]) else value


def of_comparisons(tables: Mapping[str, Table]) -> Iterator[Grid]:
    """Verdicts on each pair, and the numbers that they follow from, without single conditions."""
    sides = {"first (a)": lambda row: str(row["a"]), "second (b)": lambda row: str(row["b"])}
    yield from listing(
        "verdicts",
        "Are the models equivalent? Verdicts by question",
        records(tables.get("comparison_verdicts")),
        sides
        | {
            "about": lambda row: str(row["of"]),
            "verdict": lambda row: str(row["verdict"]),
            "why": lambda row: str(row["why"]),
        },
        3,
    )
    yield from listing(
        "comparison-numbers",
        "What the verdicts follow from, with 90% intervals over stimuli; shifts are b less a",
        [row for row in records(tables.get("comparison_numbers")) if not row["condition"] and is_known(row["value"])],
        sides
        | {
            "from": lambda row: EXPERIMENTS.get(str(row["experiment"]), str(row["experiment"])),
            "about": lambda row: in_words(row["of"]),
            "measure": lambda row: str(row["measure"]).replace("_", " "),
            "in a": lambda row: _if_known(row["value_a"]),
            "in b": lambda row: _if_known(row["value_b"]),
            "value [90%]": _with_interval,
            "noise": lambda row: _if_known(row["noise"]),
            "stimuli": lambda row: whole(row["stimuli"]),
            "note": lambda row: in_words(row["reason"]),
        },
        5,
        "comparison_numbers.csv has each condition. Noise: the same of one model asked twice, where that is known.",
    )


def _if_known(value: object) -> str:
    return decimal(value, 3) if is_known(value) else ""


def _with_interval(row: Record) -> str:
    value = decimal(row["value"], 3)
    if not (is_known(row["low"]) and is_known(row["high"])):
        return value
    return f"{value} [{decimal(row['low'], 3)}, {decimal(row['high'], 3)}]"


ASKED = {
    ANSWERS: ("protocol", "temperature", "max_tokens", "further_sampling", "seed", "replications"),
    PROBABILITIES: ("policy", "residual"),
    VALUES: ("extractor",),
}


PROVENANCE = {
    "run": "run",
    "run's id": "run_id",
    "input": "input",
    "rows": "input_rows",
    "SHA-256 of the input": "input_sha256",
    "SHA-256 of the study file": "study_sha256",
    "SHA-256 of prompts, first 16 digits": "prompts_sha256",
    "started": "started",
    "ended": "ended",
    "Grace": "grace",
    "commit": "commit",
    "Python": "python",
}
COUNTS = ("parameters", "rows", "input_rows", "finished", "context", "max_tokens")
"""Columns of whole numbers."""


def of_runs(tables: Mapping[str, Table]) -> Iterator[Grid]:
    """What ran, and with which settings."""
    rows = records(tables.get("runs"))
    facts = ("revision", "quantization", "weights", "source", "parameters", "engine", "context", "run")
    models = {"model": MODEL, **{name: name for name in facts}}
    asked = {tuple(row[name] for name in models.values()): row for row in rows if row["kind"] != VALUES}
    note = "Weights: the digest that the server tells. Context in tokens."
    yield from listing("models", "Models and engines", asked.values(), _cells(models), 1, note)
    settings = dict.fromkeys(name for names in ASKED.values() for name in names)
    columns = {"model": MODEL, "what": "kind", "run": "run"}
    columns |= {name.replace("_", " "): name for name in (*settings, "rows", "finished", "failed")}
    yield from listing("settings", "What was asked, and how", rows, _cells(columns), 3, "Finished, failed: requests.")


def of_provenance(tables: Mapping[str, Table]) -> Iterator[Grid]:
    """Where everything comes from."""
    rows = records(tables.get("runs"))
    yield from listing("provenance", "Runs and their inputs", rows, _cells(PROVENANCE), 1)


def _cells(columns: Mapping[str, str]) -> dict[str, Callable[[Record], str]]:
    """The cells of runs.csv under each head; "" for what is not known."""

    def cell(row: Record, name: str) -> str:
        value = row.get(name)
        return "" if value is None else whole(value) if name in COUNTS else str(value)

    return {head: lambda row, name=name: cell(row, name) for head, name in columns.items()}  # type: ignore[misc]
