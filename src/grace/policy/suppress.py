"""Suppression: an annotation on an object says which rules do not apply to it, and why.

metadata:
  annotations:
    grace/ignore: "K8S023: the registry has no version tags; NRP012: agreed with the administrators"
"""

from dataclasses import dataclass

from grace.policy.documents import Manifest

ANNOTATION = "grace/ignore"
PATH = ("metadata", "annotations", ANNOTATION)
NEVER = ("K8S001", "K8S003", "K8S040")
"""Rules that cannot be suppressed: those whose objects the cluster refuses anyway, and the one about suppression."""


@dataclass(frozen=True)
class Entry:
    """One entry of an annotation: a rule and a reason, each empty when it is not there."""

    rule: str
    reason: str


def entries(manifest: Manifest) -> list[Entry]:
    """The entries of an object's annotation, in their order."""
    parts = manifest.annotations.get(ANNOTATION, "").replace("\n", ";").split(";")
    split = [part.partition(":") for part in parts if part.strip()]
    return [Entry(rule.strip(), reason.strip()) for rule, _, reason in split]


def reasons(manifest: Manifest) -> dict[str, str]:
    """Why rules are suppressed on an object, by their id; entries without a reason do not count."""
    return {entry.rule: entry.reason for entry in entries(manifest) if entry.reason and entry.rule not in NEVER}
