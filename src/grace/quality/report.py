"""The report of a validation: each check's result, and the verdict; written as JSON, as CSV and as a page."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import orjson

import grace
from grace.files import replacing
from grace.quality.checks import CHECKS
from grace.quality.looks import Flagged, Tally, Thresholds
from grace.quality.sources import Absent, Group, Source, facts_of
from grace.runs import now

Status = Literal["passed", "failed", "not checked"]
PASSED: Status = "passed"
FAILED: Status = "failed"
UNCHECKED: Status = "not checked"
FIRST = 20
"""So many row numbers are listed in quality.json."""


@dataclass(frozen=True)
class Result:
    """What a check found in a table.

    Attributes:
        check, table: their names.
        status: passed, failed or not checked.
        measured: a count, or a share of `of`; None where it is not checked.
        limit: the threshold.
        of: how many units were looked at.
        bad: how many of them are flagged.
        flags: how many flags there are; one unit may have several.
        kept: the first of the flags.
        groups: the share of each group, where shares are of groups.
        why: why it is not checked, or something to know beside.
        advice: what to do, "" where it did not fail.
    """

    check: str
    table: str
    status: Status
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

    Attributes:
        group: the tables.
        thresholds: those that decided.
        models: names of the models in the tables.
        results: by table, and in the order of the checks.
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
        """The checks that did not fail and have something to say, as why they were not done."""
        return tuple(result for result in self.results if result.why and result.status != FAILED)

    @property
    def ok(self) -> bool:
        """Whether the data are good enough; without a check that passed they are not."""
        return not self.failed and any(result.status == PASSED for result in self.results)

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

    Args:
        check: its name.
        table: the table's.
        tally: what was counted.
        limit: the threshold.
        measured: where it is neither the count nor the share of what is flagged.
        why: something to know beside.
        advice: what to do if it failed.
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
    status = PASSED if rule.holds(measured, limit) else FAILED
    return Result(
        check,
        table,
        status,
        measured,
        limit,
        of,
        bad,
        tally.flags,
        tuple(tally.kept),
        groups,
        why,
        advice if status == FAILED else "",
    )


def as_json(report: Report) -> dict[str, Any]:
    """The report as JSON says it."""
    group = report.group
    return {
        "format": 1,
        "when": now(),
        "grace": grace.__version__,
        "study": {"name": group.study.name, "title": group.study.title, "sha256": group.study.sha256},
        "models": list(report.models),
        "ok": report.ok,
        "verdict": report.verdict,
        "thresholds": dict(report.thresholds),
        "input": _input(group),
        "tables": [*map(_table, group.sources), *map(_absent, group.absent)],
        "checks": [_result(result) for result in report.results],
    }


def _input(group: Group) -> dict[str, Any] | None:
    return {**facts_of(group.input_path), "rows": len(group.input)} if group.input and group.input_path else None


def _table(source: Source) -> dict[str, Any]:
    run = str(source.run.path) if source.run else None
    return {"table": source.name, **facts_of(source.path), "rows": len(source.table), "run": run}


def _absent(absent: Absent) -> dict[str, Any]:
    run = str(absent.run.path) if absent.run else None
    path = str(absent.path) if absent.path else None
    return {"table": absent.name, "file": path, "sha256": None, "rows": None, "run": run}


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


def flags_of(report: Report) -> Iterator[tuple[Result, Flagged]]:
    """Every flag that was kept, with its result; those of checks that passed too, since each row may be looked at."""
    for result in report.results:
        for flagged in result.kept:
            yield result, flagged
