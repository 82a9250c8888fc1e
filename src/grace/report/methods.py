"""The methods section of a paper, from the manifests of its runs and the tables of its design."""

from collections.abc import Iterator, Sequence
from importlib import metadata

from grace.analysis.decisions import UNKNOWN
from grace.analysis.names import kind_in
from grace.analysis.references import RSA
from grace.extras import STATISTICS
from grace.report.gather import Part
from grace.report.grids import Record, model_of, models_of, records, rows_of
from grace.report.markdown import plain
from grace.report.numbers import counted, is_known, share, whole
from grace.report.phrases import ALPHA
from grace.report.ran import ANSWERS, PROBABILITIES, RULES, VALUES
from grace.report.studies import report_of
from grace.version import __version__


def methods_of(part: Part) -> Iterator[str]:
    """The paragraphs, without anything that no manifest has."""
    runs = records(part.tables.get("runs"))
    yield " ".join(_models(runs))
    yield " ".join(_design(part))
    for kind, paragraph in ((ANSWERS, _answers), (PROBABILITIES, _probabilities)):
        own = dict.fromkeys(paragraph(row, part) for row in runs if row["kind"] == kind)
        if own:
            yield " ".join(own)
    if values := values_of(part):
        yield f"{plain(values)}."
    for of_analysis in (_analysis, _references, _comparisons):
        if part.analysis and (text := " ".join(of_analysis(part))):
            yield text
    packages = ", ".join(f"{name} {metadata.version(name)}" for name in STATISTICS)
    yield f"All was done with Grace {plain(__version__)}" + (f" ({packages})." if part.analysis else ".")


def _models(runs: Sequence[Record]) -> Iterator[str]:
    """Each model with what its server reports about it."""
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
        counts = [f"{row['what']}: {whole(row['rows'])}" for row in rows_of(rows, model)]
        of = f" of {plain(model)}" if model else ""
        yield f"Numbers in the data{of}: {', '.join(counts)}."


def _answers(row: Record, part: Part) -> str:
    settings = [f"protocol {plain(row['protocol'])}"] if row["protocol"] else []
    names = {"temperature": "temperature", "max_tokens": "at most {} tokens", "seed": "seed"}
    for name, text in names.items():
        if row[name] is not None:
            settings.append(text.format(whole(row[name])) if "{}" in text else f"{text} {plain(row[name])}")
    settings += [plain(row["further_sampling"])] if row["further_sampling"] else []
    settings += [f"{whole(row['replications'])} replications"] if row["replications"] not in (None, 1) else []
    model, how = plain(row["model_name"]), f" ({', '.join(settings)})"
    answered, failed = _counts(part, str(row["model_name"]))
    failures = f"the requests of {counted(failed, 'row')} failed"
    if answered == 0:
        return f"In Experiment 1 {model} was asked for answers{how}, and did not answer; {failures}."
    return f"In Experiment 1 answers of {model} were sampled{how}{f'; {failures}' if failed else ''}."


def _counts(part: Part, model: str) -> tuple[object, object]:
    """How many rows of a model have an answer, and how many failed; None where that is not known."""
    rows = records(part.tables.get("design"))
    own = model if model in models_of(rows) else ""  # a table of one model may not name it
    counts = {row["what"]: row["rows"] for row in rows_of(rows, own)}
    return counts.get("answered"), counts.get("failed")


def _probabilities(row: Record, part: Part) -> str:
    settings = [f"{name} {plain(row[name])}" for name in ("policy", "residual") if row[name]]
    how = f" ({', '.join(settings)})" if settings else ""
    return f"In Experiment 2 the probability of every answer of {plain(row['model_name'])} was computed exactly{how}."


def values_of(part: Part) -> str:
    """Who set the values of how many answers, in a sentence without its full stop; "" where none were extracted."""
    asked = dict.fromkeys(str(row["extractor"]) for row in records(part.tables.get("runs")) if row["extractor"])
    extractors = " and ".join(name for name in asked if name != RULES) or "not on record"
    told = {"rules": "rules, without a model", "extractor": f"a model ({extractors}) where rules left them open"}
    parts = []
    for row in records(part.tables.get("values")):
        people = f"people in review ({whole(row['people'])} {'person' if row['people'] == 1 else 'people'})"
        parts.append(f"those of {counted(row['answers'], 'answer')} by {told.get(str(row['by']), people)}")
    return f"Values were set in this way: {'; '.join(parts)}" if parts else ""


def _analysis(part: Part) -> Iterator[str]:
    kinds = frozenset(kind_in(row["test"]) for row in records(part.tables.get("tests")) if row["n"])
    yield from report_of(part.study).methods(kinds, part.request.exclusions)
    if kinds:
        yield f"A *p* below {ALPHA} is called significant; else an effect is undecided, and not absent."


def _references(part: Part) -> Iterator[str]:
    """How effects of people are recognised, and what rational speech acts are."""
    rows = records(part.tables.get("parameters"))
    parameters = {(row["about"], row["name"]): row["value"] for row in rows}
    if any(row["verdict"] != UNKNOWN for row in records(part.tables.get("patterns"))):
        yield (
            "A model shows an effect of people's study, or its reverse, where the contrast of conditions differs from "
            "zero by a two-tailed test that flips the signs of items (stories, things), corrected for the number of "
            "effects (step-down maxT), "
            f"*p* < {share(parameters['tests', 'level of significance'])}. An effect is absent where two "
            "one-sided tests at that level hold its contrast within "
            f"{share(parameters['tests', 'margin of absence'])} of zero, and else undecided."
        )
    models = models_of(records(part.tables.get("design")))
    if not any(is_known(row["value"]) and model_of(row) in models for row in records(part.tables.get("references"))):
        return
    yield (
        "Measures of how near models are to people and to theory have "
        f"{parameters['bootstrap', 'interval in percent']}% bootstrap intervals over stimuli "
        f"({whole(parameters['bootstrap', 'draws'])} draws, seed {parameters['bootstrap', 'seed']})."
    )
    yield f"Rational speech acts are those of {parameters[RSA, 'from']}, with {_theory(rows)}."


def _theory(rows: Sequence[Record]) -> str:
    """The parameters of rational speech acts, those of one goal together."""
    parameters: dict[str, list[str]] = {}
    for row in rows:
        if row["about"] == RSA and row["name"] != "from":
            about, _, name = str(row["name"]).rpartition(": ")
            parameters.setdefault(about, []).append(f"{name} {row['value']}")
    return "; ".join((f"{about}: " if about else "") + ", ".join(values) for about, values in parameters.items())


def _comparisons(part: Part) -> Iterator[str]:
    """How models were compared."""
    rows = records(part.tables.get("parameters"))
    parameters = {row["name"]: row["value"] for row in rows if row["about"] == "comparison"}
    if parameters:
        margin = share(parameters["margin"])
        yield (
            "Models were compared with the first one over the same trials. A difference of shares counts as none "
            f"where two one-sided tests over stimuli hold it within a margin of {margin} (each *p* < {share(ALPHA)}), "
            f"and a distance where its {parameters['interval in percent']}% bootstrap interval over stimuli "
            f"({whole(parameters['draws'])} draws) ends below that margin."
        )
