"""What a rule is: a pure function over all objects, with what a person needs to understand and mend what it finds."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Literal

from grace.policy.documents import FieldPath, Manifest, Scene


class Severity(StrEnum):
    """How bad a finding is; errors refuse (exit code 4)."""

    ERROR = "error"
    """Will be rejected, cannot work, loses data or gets somebody banned."""
    WARNING = "warning"
    """Likely trouble."""
    NOTE = "note"
    """Worth knowing."""


Policy = Literal["general", "nrp"]


@dataclass(frozen=True)
class Hit:
    """A place where a rule is broken.

    Attributes:
        manifest: the object.
        path: the field, as ("spec", "replicas"); of a missing one where it should be: the line of its parent is shown.
        message: what is wrong, with names and numbers, in one line. Never a secret's value.
    """

    manifest: Manifest
    path: FieldPath
    message: str


@dataclass(frozen=True)
class Rule:
    """A rule.

    Attributes:
        id: NRP001 ... for a cluster's policy, K8S001 ... for any Kubernetes, VLLM001 ... for serving models.
        severity: of all its findings.
        title: what is wrong, in a few words: "Service selects no pod".
        why: what happens otherwise, in a sentence or two.
        source: where that is written: a page's name and address.
        read: when it was read there.
        mend: what to do, in the imperative.
        policy: the set of rules it belongs to; a cluster names its sets.
        check: the function; it sees only objects that their schema accepts (see `documents`).
        failing: manifests that break it, as YAML; it must hit each of them.
        passing: manifests that do not.
    """

    id: str
    severity: Severity
    title: str
    why: str
    source: str
    read: date
    mend: str
    policy: Policy
    check: Callable[[Scene], Iterable[Hit]]
    failing: tuple[str, ...]
    passing: tuple[str, ...]


def changed(example: str, *changes: tuple[str, str]) -> str:
    """An example with texts of it replaced, each of which must be there. For rules whose examples differ in a line."""
    for old, new in changes:
        if old not in example:
            raise ValueError(f"the example has no {old!r}")
        example = example.replace(old, new)
    return example
