"""The report of a preflight: a line for each subject, with a verdict: pass, fail or unknown."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from grace.cluster.access.answers import ApiError
from grace.errors import ClusterError, GraceError, InputError, Refused
from grace.text import printable

Status = Literal["pass", "fail", "unknown"]
_ORDER: tuple[type[GraceError], ...] = (InputError, ClusterError, Refused)
"""Of several failures, the one that comes first here decides how the command ends: it hides the others."""


@dataclass(frozen=True)
class Verdict:
    """What a probe says about one subject.

    Attributes:
        status: unknown where the probe may not look, or nothing shows it.
        message: what the probe saw.
        todo: what to do; empty when nothing is to be done.
        notes: warnings, which change no status.
        failure: the kind of error; None unless the status is fail.
    """

    status: Status
    message: str
    todo: str = ""
    notes: tuple[str, ...] = ()
    failure: type[GraceError] | None = None


@dataclass(frozen=True)
class PreflightLine:
    """A verdict with the check and the object or namespace that it is about; empty for the whole cluster."""

    check: str
    about: str
    status: Status
    message: str
    todo: str
    notes: tuple[str, ...]
    failure: type[GraceError] | None


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
    def failure(self) -> type[GraceError] | None:
        """The failure that hides the others: of the kubeconfig, of the cluster, or refused; None when nothing fails."""
        kinds = {line.failure for line in self.lines}
        return next((kind for kind in _ORDER if kind in kinds), None)


def line(check: str, about: str, verdict: Verdict) -> PreflightLine:
    """The report's line for a verdict."""
    return PreflightLine(check, about, **vars(verdict))


def passed(message: str, notes: Sequence[str] = ()) -> Verdict:
    """All is well."""
    return Verdict("pass", message, notes=tuple(notes))


def failed(message: str, todo: str = "", *, notes: Sequence[str] = (), failure: type[GraceError] = Refused) -> Verdict:
    """Something keeps the manifests from running."""
    return Verdict("fail", message, todo, tuple(notes), failure)


def unknown(message: str, todo: str = "", notes: Sequence[str] = ()) -> Verdict:
    """It could not be found out."""
    return Verdict("unknown", message, todo, tuple(notes))


def not_answered(error: ApiError) -> Verdict:
    """The cluster did not answer a question."""
    if error.status == 403:
        return unknown(f"you may not look at it: {error.detail or error}", notes=error.warnings)
    if error.status == 404:
        return unknown(f"the cluster does not have it: {error.detail or error}", notes=error.warnings)
    failure = Refused if isinstance(error, Refused) or error.status == 409 else ClusterError
    return failed(str(error), notes=error.warnings, failure=failure)


def as_text(report: PreflightReport) -> str:
    """The report for people: below a line come warnings, after an exclamation mark, and what to do, after an arrow."""
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


def as_json(report: PreflightReport) -> dict[str, Any]:
    """The report for programs, with the counts by status; `failure` of a line is the kind of error, or None."""
    return asdict(report) | {"counts": dict(report.counts)}
