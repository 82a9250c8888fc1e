"""The report of a preflight: a line for each subject, with a verdict: pass, fail or unknown."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from grace.cluster.access.connection import ApiError
from grace.errors import ClusterError, InputError, Refused
from grace.text import printable

Status = Literal["pass", "fail", "unknown"]
_ORDER = (InputError.exit_code, ClusterError.exit_code, Refused.exit_code)
"""Of several failures that which comes first here decides how the command ends: it hides the others."""


@dataclass(frozen=True)
class Verdict:
    """What a probe says of one subject.

    Attributes:
        status: unknown where the probe cannot look, or nothing tells.
        message: what is so.
        todo: what to do; empty when nothing is to be done.
        notes: warnings, which change no status.
        code: how the command ends because of it; 0 unless the status is fail.
    """

    status: Status
    message: str
    todo: str = ""
    notes: tuple[str, ...] = ()
    code: int = 0


@dataclass(frozen=True)
class PreflightLine:
    """A verdict with the check and the object or namespace that it is about; empty for the whole cluster."""

    check: str
    about: str
    status: Status
    message: str
    todo: str
    notes: tuple[str, ...]
    code: int


@dataclass(frozen=True)
class PreflightReport:
    """A preflight's lines, in their order, and where it looked; empty where that could not be found."""

    cluster: str
    context: str
    server: str
    namespace: str
    lines: tuple[PreflightLine, ...]

    @property
    def counts(self) -> Counter[Status]:
        """Lines by status."""
        return Counter(line.status for line in self.lines)

    @property
    def exit_code(self) -> int:
        """0 when nothing fails, else 2 (kubeconfig), 5 (the cluster) or 4 (refused, or missing), in this order."""
        codes = {line.code for line in self.lines if line.status == "fail"}
        return next((code for code in _ORDER if code in codes), 0)


def line(check: str, about: str, verdict: Verdict) -> PreflightLine:
    """The report's line for a verdict."""
    return PreflightLine(check, about, **vars(verdict))


def passed(message: str, notes: Sequence[str] = ()) -> Verdict:
    """All is well."""
    return Verdict("pass", message, notes=tuple(notes))


def failed(message: str, todo: str = "", *, notes: Sequence[str] = (), code: int = Refused.exit_code) -> Verdict:
    """Something keeps the manifests from running."""
    return Verdict("fail", message, todo, tuple(notes), code)


def unknown(message: str, todo: str = "", notes: Sequence[str] = ()) -> Verdict:
    """Nobody could find out."""
    return Verdict("unknown", message, todo, tuple(notes))


def not_answered(error: ApiError) -> Verdict:
    """The cluster did not answer a question."""
    if error.status == 403:
        return unknown(f"you may not look at it: {error.detail or error}", notes=error.warnings)
    if error.status == 404:
        return unknown(f"the cluster does not have it: {error.detail or error}", notes=error.warnings)
    code = Refused.exit_code if error.status in (400, 409, 422) else error.exit_code
    return failed(str(error), notes=error.warnings, code=code)


def as_text(report: PreflightReport) -> str:
    """The report for people: what to do stands under a line, after an arrow; warnings after an exclamation mark."""
    wide = max((len(line.check) for line in report.lines), default=0)
    rows: list[str] = []
    for line in report.lines:
        about = f"{line.about}: " if line.about else ""
        rows.append(f"{line.status:<7}  {line.check:<{wide}}  {printable(f'{about}{line.message}')}")
        rows += [f"{'':<7}  {'':<{wide}}  ! {printable(note)}" for note in line.notes]
        rows += [f"{'':<7}  {'':<{wide}}  -> {printable(line.todo)}"] * bool(line.todo)
    counts = report.counts
    rows += ["", f"{counts['pass']} pass, {counts['fail']} fail, {counts['unknown']} unknown; nothing was changed"]
    return "\n".join(rows)


def as_json(report: PreflightReport) -> str:
    """The report for programs."""
    return json.dumps({**asdict(report), "counts": dict(report.counts), "exit_code": report.exit_code}, indent=2)
