"""Tables of numbers that a report tells beside those of the analysis: no number stands elsewhere."""

from collections.abc import Iterable, Sequence
from dataclasses import astuple, fields

from grace.analysis import rsa_knowledge, rsa_politeness
from grace.analysis.analyze import Analysis, Table
from grace.analysis.bootstrap import DRAWS, LEVEL, SEED
from grace.analysis.compare import Comparison
from grace.analysis.designs import GOALS, UTTERANCES
from grace.analysis.effects import ALPHA
from grace.analysis.frames import Frame, Row
from grace.analysis.paired import WITHIN, Finding
from grace.analysis.people import study1_tests, study2_counts
from grace.analysis.references import FIT_COLUMNS, PATTERN_COLUMNS, RSA, Fit, Pattern, cell_of
from grace.columns import ERROR, MODEL, RESPONSE
from grace.quality.report import Report as QualityReport
from grace.report.grids import Record, table_of
from grace.studies.study import Study

QUALITY = ("run", "table", "check", "status", "measured", "threshold", "looked_at", "flagged", "flags", "why")
ROWS = (MODEL, "what", "rows")
CALIBRATION = (MODEL, "question", "answers", "brier", "brier_uniform", "expected_calibration_error")
PARAMETERS = ("about", "name", "value")
COMPARED = ("a", "b")
PARTS = (*COMPARED, "rows", "without_partner_a", "without_partner_b", "margin", "draws", "verdict", "sentence")
VERDICTS = (*COMPARED, "experiment", "of", "verdict", "why", "within_noise")


def of_quality(reports: Iterable[tuple[str, QualityReport | None]]) -> Table:
    """Every check of every model's tables."""
    rows: list[Record] = [
        {
            "run": name,
            "table": result.table,
            "check": result.check,
            "status": result.status,
            "measured": result.measured,
            "threshold": result.limit,
            "looked_at": result.of,
            "flagged": result.bad,
            "flags": result.flags,
            "why": result.why,
        }
        for name, report in reports
        if report
        for result in report.results
    ]
    return table_of(rows, QUALITY)


def of_design(study: Study, frame: Frame) -> Table:
    """How many participants, items, conditions, trials and replications the rows are of, for each model."""
    rows: list[Record] = []
    design = study.design
    for model, own in frame.models.items():
        full = [study.complete({name: row[name] for name in study.columns}) for row in own]
        found = {
            "rows": len(own),
            "participants": len({row[design.participant] for row in own}) if design.participant else None,
            "items": len({row[design.item] for row in own}) if design.item else None,
            "conditions": len({tuple(row.get(name, "") for name in design.cells) for row in full}),
            "distinct texts": len({row.stimulus for row in own}),
            "replications": len({row["replication"] for row in own}),
        }
        if asked_for_answers(own):
            found |= {"answered": sum(bool(row[RESPONSE]) for row in own), "failed": sum(row.failed for row in own)}
        rows += [{MODEL: model, "what": what, "rows": count} for what, count in found.items() if count is not None]
    return table_of(rows, ROWS)


def asked_for_answers(rows: Sequence[Row]) -> bool:
    """Whether a model was asked for answers (Experiment 1) at all."""
    return any(row[RESPONSE] or row[ERROR] for row in rows)


def of_summary(analysis: Analysis, frame: Frame) -> dict[str, Table]:
    """What happened to the rows of each model that answered, and how well distributions predict its answers."""
    rows: list[Record] = []
    calibrated: list[Record] = []
    for model, found in analysis.summary["models"].items():
        counted = {"all": found["rows"], "analysed": found["analysed"]}
        counted |= {f"not usable: {why}": count for why, count in found["not_usable"].items()}
        counted |= {f"excluded: {why}": count for why, count in found.get("excluded", {}).items()}
        if asked_for_answers(frame.models[model]):
            rows += [{MODEL: model, "what": what, "rows": count} for what, count in counted.items()]
        of_all = found.get("calibration", {})
        calibrated += [{MODEL: model, "question": name, **numbers} for name, numbers in of_all.items()]
    made = {"rows": table_of(rows, ROWS)}
    return made | ({"calibration_of_all": table_of(calibrated, CALIBRATION)} if calibrated else {})


def of_parameters(study: str, comparisons: Sequence[Comparison]) -> dict[str, Table]:
    """The parameters of tests, intervals and theory, as the analysis takes them."""
    rows: list[tuple[str, str, object]] = [
        ("tests", "level of significance", ALPHA),
        ("bootstrap", "draws", DRAWS),
        ("bootstrap", "seed", SEED),
        ("bootstrap", "interval in percent", round(100 * LEVEL)),
        *((RSA, name, value) for name, value in (_knowledge() if study == "study1" else _politeness())),
    ]
    for one in comparisons[:1]:
        of_it = {"margin": one.margin, "draws": one.draws, "interval in percent": round(100 * WITHIN)}
        rows += [("comparison", name, value) for name, value in of_it.items()]
    return {"parameters": Table(PARAMETERS, tuple(rows))}


def _knowledge() -> Iterable[tuple[str, object]]:
    """Those of rational speech acts in study 1."""
    own = rsa_knowledge.Knowledge()
    yield "from", "Goodman & Stuhlmüller 2013"
    yield "rationality", own.rationality
    yield "base rate (fitted to the published comparisons)", own.base_rate


def _politeness() -> Iterable[tuple[str, object]]:
    """Those of rational speech acts in study 2; weights are told as in the paper."""
    own = rsa_politeness.Politeness()
    yield "from", "Yoon, Tessler, Goodman & Frank 2020"
    yield "rationality", own.rationality
    yield "cost of negation", own.cost
    for goal, weights in own.goals.items():
        for field in fields(weights):
            yield f"goal {goal}: {field.name}", getattr(weights, field.name)


def of_people(study: str) -> dict[str, Table]:
    """The published results of people."""
    if study == "study1":
        columns = ("test", "statistic", "df1", "df2", "p", "effect_size", "holds")
        rows = (
            {
                "test": test.name,
                "statistic": test.statistic,
                "df1": test.df[0],
                "df2": test.df[1] if len(test.df) > 1 else None,
                "p": test.p,
                "effect_size": test.effect_size if len(test.df) == 1 else None,
                "holds": "yes" if test.holds else "no",
            }
            for test in study1_tests().values()
        )
        return {"people": table_of(rows, columns)}
    return {"people": Table(("goal", "state", "utterance", "people", "proportion"), tuple(_choices()))}


def _choices() -> Iterable[tuple[object, ...]]:
    """Who said what in study 2, and under `negation` who said wasn't."""
    cells = [(goal, str(hearts)) for goal in GOALS for hearts in range(4)]
    for cell, counts in zip(cells, study2_counts(), strict=True):
        said = {name: float(count) for name, count in zip(UTTERANCES, counts, strict=True)}
        said["negation"] = sum(count for name, count in said.items() if name.startswith("wasnt"))
        total = float(counts.sum())
        for name, count in said.items():
            yield *cell, name, int(count), count / total


def of_references(fits: Sequence[Fit], patterns: Sequence[Pattern]) -> dict[str, Table]:
    """How near models are to people and to rational speech acts, and which effects of people they show."""
    return {
        "references": Table(FIT_COLUMNS, tuple(tuple(map(cell_of, astuple(fit))) for fit in fits)),
        "patterns": Table(PATTERN_COLUMNS, tuple(tuple(map(cell_of, astuple(pattern))) for pattern in patterns)),
    }


def of_comparisons(comparisons: Sequence[Comparison]) -> dict[str, Table]:
    """What comparisons found; nothing where there are none."""
    if not comparisons:
        return {}
    names = tuple(field.name for field in fields(Finding))
    found = [
        (one.a.name, one.b.name, *map(cell_of, astuple(finding))) for one in comparisons for finding in one.findings
    ]
    wholes = [
        (
            one.a.name,
            one.b.name,
            len(one.pairs.rows),
            one.pairs.only_a,
            one.pairs.only_b,
            one.margin,
            one.draws,
            one.verdict,
            one.sentence,
        )
        for one in comparisons
    ]
    verdicts = [
        (one.a.name, one.b.name, *(cell_of(value) for value in astuple(part)))
        for one in comparisons
        for part in one.parts
    ]
    columns = tuple("value_a" if name == "a" else "value_b" if name == "b" else name for name in names)
    return {
        "comparisons": Table(PARTS, tuple(wholes)),
        "comparison_verdicts": Table(VERDICTS, tuple(verdicts)),
        "comparison_numbers": Table((*COMPARED, *columns), tuple(found)),
    }
