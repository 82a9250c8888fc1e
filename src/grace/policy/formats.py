"""Reports of a check as text for people, as JSON, and as SARIF for code hosts; texts of files are made harmless."""

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from grace.policy.check import CheckReport, Finding
from grace.policy.rule import Rule, Severity
from grace.text import printable
from grace.version import __version__

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def as_text(report: CheckReport, show_suppressed: bool = False) -> str:
    """A report for people: findings by file, each with its meaning and how to fix it, then their number."""
    lines: list[str] = []
    shown = [*report.findings, *(report.suppressed if show_suppressed else ())]
    for file in dict.fromkeys(finding.file for finding in shown):
        lines.append(printable("standard input" if file == "-" else file))
        own = [finding for finding in shown if finding.file == file]
        for finding in sorted(own, key=lambda finding: finding.line):
            lines += _lines(finding)
        lines.append("")
    for one in report.unread:
        lines += [
            printable(one.file),
            f"  not checked{f' (line {one.line})' if one.line else ''}: {printable(one.reason)}",
            "",
        ]
    lines.append(summary(report))
    return "\n".join(lines) + "\n"


def _lines(finding: Finding) -> Iterator[str]:
    severity = "suppressed" if finding.reason else finding.severity
    where = f"line {finding.line}, {printable(finding.object)}"
    yield f"  {severity} {finding.rule.id}: {finding.rule.title} ({where})"
    path = f"{printable(finding.path)}: " if finding.path else ""
    yield f"      {path}{printable(finding.message)}"
    yield f"      Why: {printable(finding.reason)}" if finding.reason else f"      Fix: {finding.rule.fix}"


def summary(report: CheckReport) -> str:
    """As "12 files, 30 objects: 3 errors, 2 warnings, 1 note; 1 suppressed; 2 files not checked"."""
    counts = ", ".join(_count(report.counts[severity], severity) for severity in Severity)
    suppressed = f"; {len(report.suppressed)} suppressed" if report.suppressed else ""
    files = len({one.file for one in report.unread})
    unread = f"; {_count(files, 'file')} not checked, at least in part" if files else ""
    return f"{_count(report.files, 'file')}, {_count(report.objects, 'object')}: {counts}{suppressed}{unread}"


def explanation(rule: Rule) -> str:
    """A rule for people: what it finds, why that matters, where that is written, how to fix it, an example."""
    return (
        f"{rule.id} ({rule.severity}): {rule.title}\n\n"
        f"Why: {rule.why}\n"
        f"Fix: {rule.fix}\n"
        f"Source: {rule.source} (read {rule.read})\n\n"
        f"An example that breaks it:\n\n{rule.failing.strip()}\n"
    )


def as_json(report: CheckReport) -> str:
    """A report for programs.

    Returns:
        An object with `version` (1), `files` and `objects` (how many), `errors`, `warnings`, `notes` (how many), and
        two lists of findings, `findings` and `suppressed`. A finding has `rule`, `severity`, `title`, `file`, `line`
        (from 1), `object` (as `Job/name`), `path` (of the field), `message`, `mend`; a suppressed one also `reason`.
        `unread` lists what was not checked: `file`, `line`, `reason`.
    """
    content = {
        "version": 1,
        "files": report.files,
        "objects": report.objects,
        **{f"{severity}s": report.counts[severity] for severity in Severity},
        "findings": [_json(finding) for finding in report.findings],
        "suppressed": [_json(finding) | {"reason": finding.reason} for finding in report.suppressed],
        "unread": [{"file": one.file, "line": one.line, "reason": one.reason} for one in report.unread],
    }
    return json.dumps(content, indent=2) + "\n"


def _json(finding: Finding) -> dict[str, Any]:
    return {
        "rule": finding.rule.id,
        "severity": str(finding.severity),
        "title": finding.rule.title,
        "file": finding.file,
        "line": finding.line,
        "object": finding.object,
        "path": finding.path,
        "message": finding.message,
        "mend": finding.rule.fix,  # the key since the first version: scripts read it
    }


def as_sarif(report: CheckReport, rules: Sequence[Rule]) -> str:
    """A report in SARIF 2.1.0, with all rules that were applied; suppressed findings are marked."""
    index = {rule.id: number for number, rule in enumerate(rules)}
    content = {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "grace cluster check",
                        "semanticVersion": __version__,
                        "rules": [_sarif_rule(rule) for rule in rules],
                    }
                },
                "columnKind": "unicodeCodePoints",
                "results": [
                    _sarif_result(finding, index[finding.rule.id]) for finding in (*report.findings, *report.suppressed)
                ],
                **_unread(report),
            }
        ],
    }
    return json.dumps(content, indent=2) + "\n"


def _unread(report: CheckReport) -> dict[str, Any]:
    """What was not checked, as SARIF's notifications; nothing where all was."""
    notes = [
        {"level": "warning", "message": {"text": one.reason}, "locations": [_location(one.file, one.line)]}
        for one in report.unread
    ]
    invocations = [{"executionSuccessful": True, "toolExecutionNotifications": notes}]
    return {"invocations": invocations} if notes else {}


def _location(file: str, line: int) -> dict[str, Any]:
    return {"physicalLocation": {"artifactLocation": {"uri": _uri(file)}, "region": {"startLine": max(line, 1)}}}


def _sarif_rule(rule: Rule) -> dict[str, Any]:
    address = re.search(r"https?://[^\s,]+", rule.source)
    return {
        "id": rule.id,
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": rule.why},
        "help": {"text": f"{rule.fix}\nSource: {rule.source} (read {rule.read})"},
        **({"helpUri": address[0]} if address else {}),
        "defaultConfiguration": {"level": str(rule.severity)},
    }


def _sarif_result(finding: Finding, index: int) -> dict[str, Any]:
    suppressed = {"suppressions": [{"kind": "inSource", "justification": finding.reason}]} if finding.reason else {}
    return {
        "ruleId": finding.rule.id,
        "ruleIndex": index,
        "level": str(finding.severity),
        "message": {"text": f"{finding.object}: {finding.path}: {finding.message}"},
        "locations": [
            {
                **_location(finding.file, finding.line),
                "logicalLocations": [{"fullyQualifiedName": f"{finding.object}/{finding.path}"}],
            }
        ],
        **suppressed,
    }


def _uri(file: str) -> str:
    """A file's address: relative ones stay so, for the host to find them in its own copy."""
    if file == "-":
        return "stdin"
    path = Path(file)
    return path.as_uri() if path.is_absolute() else quote(path.as_posix())


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"
