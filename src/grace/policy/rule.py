"""What a rule is: a pure function over all objects, with what a person needs to understand and fix what it finds."""

from collections.abc import Callable, Iterable
from dataclasses import KW_ONLY, dataclass
from datetime import date
from enum import StrEnum
from functools import partial
from typing import Literal

from grace.policy.documents import FieldPath, Manifest, Scene


class Severity(StrEnum):
    """How bad a finding is; errors refuse (exit code 4). What another file may supply is never more than a note."""

    ERROR = "error"
    """For certain: will be rejected, cannot work as it stands, loses data, or breaks a policy."""
    WARNING = "warning"
    """Likely costs something: time, a GPU, results."""
    NOTE = "note"
    """Worth knowing."""


Policy = Literal["general", "nrp"]
READ: dict[Policy, date] = {"general": date(2026, 11, 25), "nrp": date(2026, 10, 1)}
"""When the sources of each set of rules were last read as a whole."""


@dataclass(frozen=True)
class Hit:
    """A place where a rule is broken.

    Attributes:
        manifest: the object.
        path: the field, as ("spec", "replicas"); for a missing field, its place: the line of its parent is shown.
        message: what is wrong, with names and numbers, in one line. Never a secret's value.
        row: of a script in that field, counted from 1; 0 for the field itself.
        severity: where it is not that of the rule.
    """

    manifest: Manifest
    path: FieldPath
    message: str
    row: int = 0
    severity: Severity | None = None


Check = Callable[[Scene], Iterable[Hit]]
"""Where a rule is broken. It sees only objects that their schema accepts (see `documents`)."""


@dataclass(frozen=True)
class Rule:
    """A rule.

    Attributes:
        severity: of its findings, where they have none of their own.
        id: NRP001 ... for a cluster's policy, K8S001 ... for any Kubernetes, VLLM001 ... for serving models.
        title: what is wrong, in a few words: "Service selects no pod".
        check: the function that finds the places.
        why: what happens if it is broken, in a sentence or two.
        source: where that is written: a page's name and address.
        fix: what to do, in the imperative.
        failing: manifests that break it, as YAML.
        passing: manifests that do not.
        once: only its first finding is shown, with the number of objects that have the same.
    """

    severity: Severity
    id: str
    title: str
    check: Check
    _: KW_ONLY
    why: str
    source: str
    fix: str
    failing: str
    passing: str
    once: bool = False

    @property
    def policy(self) -> Policy:
        """The set of rules it belongs to; a cluster names its sets."""
        return "nrp" if self.id.startswith("NRP") else "general"

    @property
    def read(self) -> date:
        """When its source was read."""
        return READ[self.policy]


def _rule(
    severity: Severity,
    id: str,
    title: str,
    *,
    why: str,
    source: str,
    fix: str,
    examples: tuple[str, str],
    once: bool = False,
) -> Callable[[Check], Rule]:
    """Make a rule of the function below, its check. The attributes are those of `Rule`; `examples` fail and pass."""
    failing, passing = examples
    return lambda check: Rule(
        severity, id, title, check, why=why, source=source, fix=fix, failing=failing, passing=passing, once=once
    )


error = partial(_rule, Severity.ERROR)
warning = partial(_rule, Severity.WARNING)
note = partial(_rule, Severity.NOTE)


def kubernetes(title: str, path: str) -> str:
    """A page of Kubernetes' documentation, as a rule's source."""
    return f"Kubernetes documentation, {title}, https://kubernetes.io/docs/{path}"


def broken(passing: str, *changes: tuple[str, str]) -> tuple[str, str]:
    """Examples of a rule: `passing`, and the same with these texts replaced, which breaks the rule."""
    return changed(passing, *changes), passing


def changed(example: str, *changes: tuple[str, str]) -> str:
    """An example with texts of it replaced, each of which must be there. For rules whose examples differ in a line."""
    for old, new in changes:
        if old not in example:
            raise ValueError(f"the example has no {old!r}")
        example = example.replace(old, new)
    return example
