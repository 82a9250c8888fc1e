"""The agreement of people who decided about the same rows, field by field."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from grace.errors import InputError
from grace.review.alpha import Level, alpha
from grace.review.sitting import extraction_of
from grace.runs import Run
from grace.stages.fields.records import Decision, FieldRecords, extractor_of
from grace.stages.records import study_of
from grace.studies.fields import Cell, Field

NONE = ""
"""The label of a field that a person left empty, among labels."""


@dataclass(frozen=True)
class FieldAgreement:
    """How far people agree about one field.

    Attributes:
        name, level: the field, and how its values differ.
        rows: rows about which two or more decided.
        equal: the share of them in which all say the same, no value included.
        alpha: Krippendorff's; of numbers among those who give one; None where there is nothing to agree about.
        one_only: rows in which some give a value and others say that there is none.
    """

    name: str
    level: Level
    rows: int
    equal: float
    alpha: float | None
    one_only: int


@dataclass(frozen=True)
class Agreed:
    """How far people agree about a run.

    Attributes:
        raters: how many rows each decided about.
        rows: rows about which two or more decided.
        seen: decisions about these that were not blind.
        decisions: all decisions about these.
        fields: the agreement, field by field.
    """

    raters: Mapping[str, int]
    rows: int
    seen: int
    decisions: int
    fields: tuple[FieldAgreement, ...]


def agreement(runs: Sequence[Run]) -> Agreed:
    """The agreement of all who decided about the rows of some runs, which may be copies given to several people.

    Raises:
        InputError: a run holds no values, the runs have other fields, or no row was decided about by two.
    """
    fields: dict[str, Field] = {}
    by_row: dict[str, dict[str, Decision]] = {}
    for run in map(extraction_of, runs):
        extraction = study_of(run).extraction
        assert extraction is not None  # it is an extraction's run
        if fields and fields.keys() != extraction.fields.keys():
            raise InputError(f"{run.path}: has other fields than {runs[0].path}; compare runs of one study")
        fields = dict(extraction.fields)
        with FieldRecords.read(run, extraction, extractor_of(run)) as records:
            for key, made in records.ratings().items():
                by_row.setdefault(key, {}).update(_latest(by_row.get(key, {}), made))
    both = [list(made.values()) for made in by_row.values() if len(made) > 1]
    raters: dict[str, int] = {}
    for made in by_row.values():
        for name in made:
            raters[name] = raters.get(name, 0) + 1
    if not both:
        who = ", ".join(raters) or "nobody"
        where = ", ".join(str(run.path) for run in runs)
        raise InputError(
            f"{where}: no row was decided about by two people ({who} decided); let a second person review the same "
            "rows, with `grace review --blind --by NAME`"
        )
    seen = sum(not decision.blind for made in both for decision in made)
    told = tuple(_of_field(field, both) for field in fields.values())
    return Agreed(raters, len(both), seen, sum(map(len, both)), told)


def _latest(before: Mapping[str, Decision], made: Mapping[str, Decision]) -> dict[str, Decision]:
    """Each person's last decision, where several runs have one."""
    return {name: max((made[name], before.get(name, made[name])), key=lambda each: each.when) for name in made}


def _of_field(field: Field, both: Sequence[Sequence[Decision]]) -> FieldAgreement:
    rated = [[decision.values.get(field.name) for decision in made] for made in both]
    equal = sum(len(set(values)) == 1 for values in rated) / len(rated)
    one_only = sum(None in values and any(value is not None for value in values) for values in rated)
    if field.kind is str:
        labels = [[NONE if value is None else str(value) for value in values] for values in rated]
        return FieldAgreement(field.name, "nominal", len(rated), equal, alpha(labels, "nominal"), one_only)
    numbers = [[_number(value) for value in values if value is not None] for values in rated]
    return FieldAgreement(field.name, "interval", len(rated), equal, alpha(numbers, "interval"), one_only)


def _number(value: Cell) -> float:
    return float(value)
