"""Suppression: an annotation on an object says which rules do not hold for it, and why.

metadata:
  annotations:
    grace/ignore: "K8S023: the registry has no version tags; NRP012: agreed with the administrators"
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date

from grace.policy.documents import Manifest, Scene
from grace.policy.rule import Hit, Rule, Severity
from grace.text import did_you_mean

ANNOTATION = "grace/ignore"
PATH = ("metadata", "annotations", ANNOTATION)
NEVER = ("K8S001", "K8S003")
"""Rules that cannot be suppressed: the cluster would refuse the object all the same, and this very one."""


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


def suppression_rule(ids: Collection[str]) -> Rule:
    """The rule about the annotation itself; `ids` are those of all other rules."""

    def check(scene: Scene) -> Iterator[Hit]:
        for manifest in (*scene.manifests, *scene.broken):
            for entry in dict.fromkeys(entries(manifest)):
                if fault := _fault(entry, ids):
                    yield Hit(manifest, PATH, fault)

    return Rule(
        id="K8S003",
        severity=Severity.WARNING,
        title="suppression that does not count",
        why="An entry of the annotation grace/ignore names a rule that there is none of, or gives no reason. It "
        "suppresses nothing, and whoever wrote it believes that it does.",
        source="Grace's own: docs/policy-rules.md, Suppressing a rule",
        read=date(2026, 11, 25),
        mend='Write "RULE: the reason", several with semicolons between.',
        policy="general",
        check=check,
        failing=(_example("K8S023"), _example("K8S999: no such rule"), _example("K8S001: the schema is wrong")),
        passing=(_example("K8S023: the registry has no version tags"),),
    )


def _fault(entry: Entry, ids: Collection[str]) -> str:
    """What is wrong with an entry; empty when nothing is."""
    if entry.rule in NEVER:
        return f"{entry.rule} cannot be suppressed"
    if entry.rule not in ids:
        return f"there is no rule {entry.rule!r}{did_you_mean(entry.rule, sorted(ids))}"
    return "" if entry.reason else f"{entry.rule} is suppressed without a reason, and so is not"


def _example(entry: str) -> str:
    return f'''
apiVersion: v1
kind: ConfigMap
metadata:
  name: settings
  annotations:
    {ANNOTATION}: "{entry}"
data:
  LOG_LEVEL: info
'''
