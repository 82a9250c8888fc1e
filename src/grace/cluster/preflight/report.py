"""The report of a preflight: one line for each thing that was looked at, each pass, fail or unknown."""

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
class Line:
    """What one look brought.

    Attributes:
        check: what was looked at: "secret".
        about: the object or namespace; empty for the whole cluster.
        status: unknown where it could not be looked at, or nothing tells.
        message: what is so.
        todo: what to do; empty when nothing is to be done.
        notes: warnings, which change no status.
        code: how the command ends because of it; 0 for those that do not fail.
    """

    check: str
    about: str
    status: Status
    message: str
    todo: str = ""
    notes: tuple[str, ...] = ()
    code: int = 0


@dataclass(frozen=True)
class Report:
    """A preflight's lines, in their order, and where it looked; empty where that could not be found."""

    cluster: str
    context: str
    server: str
    namespace: str
    lines: tuple[Line, ...]

    @property
    def counts(self) -> Counter[Status]:
        """Lines by status."""
        return Counter(line.status for line in self.lines)

    @property
    def exit_code(self) -> int:
        """0 when nothing fails, else 2 (kubeconfig), 5 (the cluster) or 4 (refused, or missing), in this order."""
        codes = {line.code for line in self.lines if line.status == "fail"}
        return next((code for code in _ORDER if code in codes), 0)


def passed(check: str, about: str, message: str, notes: Sequence[str] = ()) -> Line:
    """A line that all is well."""
    return Line(check, about, "pass", message, notes=tuple(notes))


def failed(
    check: str, about: str, message: str, todo: str = "", *, notes: Sequence[str] = (), code: int = Refused.exit_code
) -> Line:
    """A line that something keeps the manifests from running."""
    return Line(check, about, "fail", message, todo, tuple(notes), code)


def unknown(check: str, about: str, message: str, todo: str = "", notes: Sequence[str] = ()) -> Line:
    """A line that something could not be found out."""
    return Line(check, about, "unknown", message, todo, tuple(notes))


def not_answered(check: str, about: str, error: ApiError) -> Line:
    """The line of a question that the cluster did not answer."""
    if error.status == 403:
        return unknown(check, about, f"you may not look at it: {error.detail or error}", notes=error.warnings)
    if error.status == 404:
        return unknown(check, about, f"the cluster does not have it: {error.detail or error}", notes=error.warnings)
    code = Refused.exit_code if error.status in (400, 409, 422) else error.exit_code
    return failed(check, about, str(error), notes=error.warnings, code=code)


def as_text(report: Report) -> str:
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


def as_json(report: Report) -> str:
    """The report for programs."""
    return json.dumps({**asdict(report), "counts": dict(report.counts), "exit_code": report.exit_code}, indent=2)
