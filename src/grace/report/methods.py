"""The methods section of a paper, from the manifests of its runs and the tables of its design."""

from collections.abc import Iterator, Sequence
from importlib import metadata

import grace
from grace.analysis.analyze import PACKAGES
from grace.report.gather import Part
from grace.report.grids import Record, model_of, models_of, records
from grace.report.markdown import plain
from grace.report.numbers import is_known, whole
from grace.report.ran import ANSWERS, PROBABILITIES, RULES, VALUES
from grace.report.sentences import ALPHA


def methods_of(part: Part) -> Iterator[str]:
    """Its paragraphs; what no manifest tells is not in them."""
    runs = records(part.tables.get("runs"))
    yield " ".join(_models(runs))
    yield " ".join(_design(part))
    for kind, told in ((ANSWERS, _answers), (PROBABILITIES, _probabilities), (VALUES, _values)):
        own = dict.fromkeys(told(row) for row in runs if row["kind"] == kind)
        if own:
            yield " ".join(own)
    if part.analysis:
        yield " ".join(_analysis(part))
    packages = ", ".join(f"{name} {metadata.version(name)}" for name in PACKAGES)
    yield f"All was done with Grace {plain(grace.__version__)}" + (f" ({packages})." if part.analysis else ".")


def _models(runs: Sequence[Record]) -> Iterator[str]:
    """Each model with what its server tells of it."""
    seen: dict[str, str] = {}
    for row in runs:
        if row["kind"] == VALUES or not row["model_name"]:
            continue
        facts = [f"{name} {plain(row[name])}" for name in ("revision", "quantization") if row[name]]
        facts += [f"{whole(row['parameters'])} parameters"] if is_known(row["parameters"]) else []
        facts += [f"served by {plain(row['engine'])}"] if row["engine"] else []
        seen.setdefault(str(row["model_name"]), ", ".join(facts))
    names = [f"{plain(name)} ({facts})" if facts else plain(name) for name, facts in seen.items()]
    if names:
        yield f"The following {'models were' if len(names) > 1 else 'model was'} asked: {'; '.join(names)}."


def _design(part: Part) -> Iterator[str]:
    rows = records(part.tables.get("design"))
    for model in models_of(rows):
        counts = [f"{row['what']}: {whole(row['rows'])}" for row in rows if model_of(row) == model]
        of = f" of {plain(model)}" if model else ""
        yield f"Numbers in the data{of}: {', '.join(counts)}."


def _answers(row: Record) -> str:
    told = [f"protocol {plain(row['protocol'])}"] if row["protocol"] else []
    names = {"temperature": "temperature", "max_tokens": "at most {} tokens", "seed": "seed"}
    for name, text in names.items():
        if row[name] is not None:
            told.append(text.format(whole(row[name])) if "{}" in text else f"{text} {plain(row[name])}")
    told += [plain(row["further_sampling"])] if row["further_sampling"] else []
    told += [f"{whole(row['replications'])} replications"] if row["replications"] not in (None, 1) else []
    return f"In Experiment 1 answers of {plain(row['model_name'])} were sampled ({', '.join(told)})."


def _probabilities(row: Record) -> str:
    told = [f"{name} {plain(row[name])}" for name in ("policy", "residual") if row[name]]
    how = f" ({', '.join(told)})" if told else ""
    return f"In Experiment 2 the probability of every answer of {plain(row['model_name'])} was computed exactly{how}."


def _values(row: Record) -> str:
    if row["extractor"] == RULES:
        return "Values were found in the answers by rules, without a model."
    return f"Values were found in the answers by {plain(row['extractor'])}."


def _analysis(part: Part) -> Iterator[str]:
    assert part.analysis is not None
    if part.study.name == "study1":
        yield (
            "Bets on state 3 were submitted to an analysis of variance with access and word as factors; since some "
            "conditions do not exist, effects were tested by comparing nested models. Planned comparisons of bets are "
            "paired, one-tailed t tests with Holm's correction."
        )
        if part.analysis.summary["exclusions"]:
            yield "Trials were excluded whose knowledge answer does not fit what the speaker saw."
        else:
            yield "No trial was excluded by its knowledge answer."
    else:
        yield (
            "Negation was submitted to a mixed-effects logistic regression with goal and hearts as fixed effects "
            "and random intercepts of participants and items. Intervals of shares are Wilson's, at 95%."
        )
    yield (
        "Rows of one stimulus are not independent, so each test stands beside one in which each stimulus counts "
        f"once, where that is defined. A *p* below {ALPHA} is called significant."
    )
