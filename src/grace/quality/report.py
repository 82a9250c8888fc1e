"""The report of a validation: each check's result, and the verdict; written as JSON, as CSV and as a page."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from grace.files import replacing
from grace.quality.checks import CHECKS
from grace.quality.looks import Flagged, Tally, Thresholds
from grace.quality.sources import Absent, Group, Source, facts_of
from grace.runs import last_worked
from grace.version import __version__

PASSED, FAILED, UNCHECKED = "passed", "failed", "not checked"
FIRST = 20
"""The most row numbers that quality.json lists."""


@dataclass(frozen=True)
class Result:
    """What a check found in a table.

    Attributes:
        check, table: their names.
        status: passed, failed or not checked.
        measured: a count, or a share of `of`; None if it is not checked.
        limit: the threshold.
        of: how many units were looked at.
        bad: how many of them are flagged.
        flags: how many flags there are; one unit may have several.
        kept: the first of the flags.
        groups: the share of each group, where shares are of groups.
        why: why it is not checked, or a remark.
        advice: what to do, "" where it did not fail.
    """

    check: str
    table: str
    status: str
    measured: float | None = None
    limit: float | None = None
    of: int = 0
    bad: int = 0
    flags: int = 0
    kept: tuple[Flagged, ...] = ()
    groups: Mapping[str, float] | None = None
    why: str = ""
    advice: str = ""

    @property
    def worst(self) -> str:
        """The name of the group that decides, "" where there are no groups, or nothing is flagged in any."""
        if not self.groups or not self.bad:
            return ""
        best = min if CHECKS[self.check].least else max
        return best(self.groups, key=self.groups.__getitem__)


@dataclass(frozen=True)
class Report:
    """What a validation found.

    `thresholds` are those that decided, `models` the names of the models in the tables; `results` are by table, and in
    the order of the checks.
    """

    group: Group
    thresholds: Thresholds
    models: tuple[str, ...]
    results: tuple[Result, ...]

    @property
    def failed(self) -> tuple[Result, ...]:
        """The checks that failed."""
        return tuple(result for result in self.results if result.status == FAILED)

    @property
    def remarks(self) -> tuple[Result, ...]:
        """The checks that did not fail but have a remark, such as why they were not done."""
        return tuple(result for result in self.results if result.why and result.status != FAILED)

    @property
    def ok(self) -> bool:
        """Whether the data are good enough; without a check that passed they are not."""
        return not self.failed and any(result.status == PASSED for result in self.results)

    @property
    def data_of(self) -> str:
        """When the runs of the tables were last worked on; "" for tables without runs."""
        return last_worked(source.run for source in self.group.sources if source.run)

    @property
    def verdict(self) -> str:
        """The decision in a line."""
        counts = {status: sum(result.status == status for result in self.results) for status in (PASSED, UNCHECKED)}
        rest = f"{counts[PASSED]} passed, {counts[UNCHECKED]} not checked"
        if self.ok:
            return f"good enough ({rest})"
        if not self.failed:
            return f"nothing could be checked ({rest})"
        names = ", ".join(f"{result.check} ({result.table})" for result in self.failed)
        return f"{len(self.failed)} check{'s' * (len(self.failed) > 1)} failed: {names} ({rest})"


def judged(
    check: str,
    table: str,
    tally: Tally,
    limit: float,
    *,
    measured: float | None = None,
    why: str = "",
    advice: str = "",
) -> Result:
    """The result of a check from what it counted; a share of nothing is not checked.

    `measured` is given where it is neither the count nor the share of what is flagged. `advice` is for a failure.
    """
    rule = CHECKS[check]
    of, bad = tally.units.total(), tally.bad.total()
    groups = None
    if rule.unit == "share":
        if not of:
            return Result(check, table, UNCHECKED, limit=limit, why=why or "no row to look at")
        shares = {name: tally.bad[name] / count for name, count in tally.units.items()}
        if rule.least:
            shares = {name: 1 - share for name, share in shares.items()}
        groups = shares if set(shares) != {""} else None
        if measured is None:
            measured = min(shares.values()) if rule.least else max(shares.values())
    elif measured is None:
        measured = bad
    status = PASSED if (measured >= limit if rule.least else measured <= limit) else FAILED
    kept, advice = tuple(tally.kept), advice if status == FAILED else ""
    return Result(check, table, status, measured, limit, of, bad, tally.flags, kept, groups, why, advice)


def as_json(report: Report) -> dict[str, Any]:
    """The content of quality.json."""
    group = report.group
    return {
        "format": 1,
        "data_of": report.data_of,
        "grace": __version__,
        "study": {"name": group.study.name, "title": group.study.title, "sha256": group.study.sha256},
        "models": list(report.models),
        "ok": report.ok,
        "verdict": report.verdict,
        "thresholds": dict(report.thresholds),
        "input": {**facts_of(group.input_path), "rows": len(group.input)} if group.input and group.input_path else None,
        "tables": [
            *(_table(own, facts_of(own.path), len(own.table)) for own in group.sources),
            *(_table(own, {"file": str(own.path) if own.path else None, "sha256": None}, None) for own in group.absent),
        ],
        "checks": [_result(result) for result in report.results],
    }


def _table(table: Source | Absent, facts: Mapping[str, object], rows: int | None) -> dict[str, Any]:
    return {"table": table.name, **facts, "rows": rows, "run": str(table.run.path) if table.run else None}


def _result(result: Result) -> dict[str, Any]:
    rule = CHECKS[result.check]
    rows = list(dict.fromkeys(flagged.row for flagged in result.kept if flagged.row is not None))
    return {
        "check": result.check,
        "table": result.table,
        "status": result.status,
        "unit": rule.unit,
        "measured": result.measured,
        "threshold": result.limit,
        "bound": "least" if rule.least else "most",
        "looked_at": result.of,
        "flagged": result.bad,
        "flags": result.flags,
        "flags_in_review": len(result.kept),
        "by_group": dict(result.groups) if result.groups else None,
        "first_rows": rows[:FIRST],
        "first_reasons": list(dict.fromkeys(flagged.why for flagged in result.kept))[:FIRST],
        "why": result.why or None,
        "advice": result.advice or None,
    }


def write_json(report: Report, path: Path) -> None:
    """Write quality.json, atomically."""
    with replacing(path) as file:
        file.write(orjson.dumps(as_json(report), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
