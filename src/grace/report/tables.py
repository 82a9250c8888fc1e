"""Tables of a report's numbers beside those of the analysis: no number is anywhere else."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import astuple, fields

from grace.analysis.analyze import Analysis, Table
from grace.analysis.bootstrap import DRAWS, LEVEL, SEED
from grace.analysis.compare import Comparison
from grace.analysis.effects import ALPHA
from grace.analysis.equivalence import MARGIN
from grace.analysis.frames import Frame, Row
from grace.analysis.paired import WITHIN, ComparedNumber
from grace.analysis.references import FIT_COLUMNS, PATTERN_COLUMNS, RSA, Fit, Pattern, cell_of
from grace.columns import ERROR, METHOD, MODEL, RESPONSE
from grace.quality.report import Report as QualityReport
from grace.report.grids import Record, table_of
from grace.report.studies import report_of
from grace.studies.study import Study

QUALITY = ("run", "table", "check", "status", "measured", "threshold", "looked_at", "flagged", "flags", "why")
ROWS = (MODEL, "what", "rows")
METHODS = {"rule": "rules", "model": "extractor", "human": "people"}
"""Who set the values of a row, by its cell of `extraction_method`."""
SET_BY = ("by", "answers", "people")
CALIBRATION = (MODEL, "question", "answers", "brier", "brier_uniform", "expected_calibration_error")
PARAMETERS = ("about", "name", "value")
COMPARED = ("a", "b")
PARTS = (*COMPARED, "rows", "without_partner_a", "without_partner_b", "margin", "draws", "verdict", "sentence")
VERDICTS = (*COMPARED, "experiment", "of", "verdict", "why", "within_noise")


def of_quality(reports: Iterable[tuple[str, QualityReport | None]]) -> Table:
    """Every check of every model's tables."""
    rows = [
        (name, own.table, own.check, own.status, own.measured, own.limit, own.of, own.bad, own.flags, own.why)
        for name, report in reports
        for own in (report.results if report else ())
    ]
    return Table(QUALITY, tuple(rows))


def of_design(study: Study, frame: Frame) -> Table:
    """How many participants, items, conditions, trials and replications the rows have, for each model."""
    rows: list[Record] = []
    design = study.design
    for model, own in frame.models.items():
        trials = (study.complete(study.trial(row.cells)) for row in own)
        counts = {
            "rows": len(own),
            "participants": len({row[design.participant] for row in own}) if design.participant else None,
            "items": len({row[design.item] for row in own}) if design.item else None,
            "conditions": len({tuple(full.get(name, "") for name in design.cells) for full in trials}),
            "distinct texts": len({row.stimulus for row in own}),
            "replications": len({row["replication"] for row in own}),
        }
        if asked_for_answers(own):
            counts |= {"answered": sum(bool(row[RESPONSE]) for row in own), "failed": sum(row.failed for row in own)}
        rows += [{MODEL: model, "what": what, "rows": count} for what, count in counts.items() if count is not None]
    return table_of(rows, ROWS)


def asked_for_answers(rows: Sequence[Row]) -> bool:
    """Whether a model was asked for answers (Experiment 1) at all."""
    return any(row[RESPONSE] or row[ERROR] for row in rows)


def of_values(frame: Frame, deciders: Collection[str]) -> dict[str, Table]:
    """Of how many answers who set the values, as the extraction has it; nothing where values were not extracted.

    `deciders` are the people whose decisions count.
    """
    counts = Counter(row[METHOD] for rows in frame.models.values() for row in rows if not row.failed)
    rows: list[Record] = [
        {"by": name, "answers": counts[method], "people": len(deciders) if method == "human" else None}
        for method, name in METHODS.items()
        if counts[method]
    ]
    return {"values": table_of(rows, SET_BY)} if rows else {}


def of_summary(analysis: Analysis, frame: Frame) -> dict[str, Table]:
    """What happened to the rows of each model that answered, and how well distributions predict its answers."""
    rows: list[Record] = []
    calibrated: list[Record] = []
    for model, summary in analysis.summary["models"].items():
        counted = {"all": summary["rows"], "analysed": summary["analysed"]}
        counted |= {f"not usable: {why}": count for why, count in summary["not_usable"].items()}
        counted |= {f"excluded: {why}": count for why, count in summary.get("excluded", {}).items()}
        if asked_for_answers(frame.models[model]):
            rows += [{MODEL: model, "what": what, "rows": count} for what, count in counted.items()]
        of_all = summary.get("calibration", {})
        calibrated += [{MODEL: model, "question": name, **numbers} for name, numbers in of_all.items()]
    tables = {"rows": table_of(rows, ROWS)}
    return tables | ({"calibration_of_all": table_of(calibrated, CALIBRATION)} if calibrated else {})


def of_parameters(study: Study, comparisons: Sequence[Comparison]) -> dict[str, Table]:
    """The parameters of tests, intervals and theory, as the analysis uses them."""
    rows: list[tuple[str, str, object]] = [
        ("tests", "level of significance", ALPHA),
        ("tests", "margin of absence", MARGIN),
        ("bootstrap", "draws", DRAWS),
        ("bootstrap", "seed", SEED),
        ("bootstrap", "interval in percent", round(100 * LEVEL)),
        *((RSA, name, value) for name, value in report_of(study).theory()),
        *(("regression's normal priors", name, value) for name, value in report_of(study).priors.items()),
    ]
    for one in comparisons[:1]:
        of_it = {"margin": one.margin, "draws": one.draws, "interval in percent": round(100 * WITHIN)}
        rows += [("comparison", name, value) for name, value in of_it.items()]
    return {"parameters": Table(PARAMETERS, tuple(rows))}


def of_people(study: Study) -> dict[str, Table]:
    """The published results of people; nothing where there are none."""
    table = report_of(study).people()
    return {"people": table} if table.rows else {}


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
    columns = {"a": "value_a", "b": "value_b"}
    names = (columns.get(field.name, field.name) for field in fields(ComparedNumber))

    def lines(rows: Callable[[Comparison], Iterable[Sequence[object]]]) -> tuple[tuple[object, ...], ...]:
        return tuple((one.a.name, one.b.name, *map(cell_of, row)) for one in comparisons for row in rows(one))

    return {
        "comparisons": Table(PARTS, lines(lambda one: [_whole(one)])),
        "comparison_verdicts": Table(VERDICTS, lines(lambda one: map(astuple, one.parts))),
        "comparison_numbers": Table((*COMPARED, *names), lines(lambda one: map(astuple, one.findings))),
    }


def _whole(one: Comparison) -> tuple[object, ...]:
    pairs = one.pairs
    return len(pairs.rows), pairs.only_a, pairs.only_b, one.margin, one.draws, one.verdict, one.sentence
