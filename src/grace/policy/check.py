"""Check manifests: their schema first, then all rules of the cluster's policies."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from grace.errors import InputError
from grace.policy.cluster_file import Cluster
from grace.policy.documents import Manifest, Origin, Scene, embedded
from grace.policy.reading import Unread
from grace.policy.rule import Hit, Rule, Severity
from grace.policy.rules import ALL
from grace.policy.schema import is_template, schemas
from grace.policy.suppress import reasons
from grace.policy.yaml_reader import path_text
from grace.text import did_you_mean


@dataclass(frozen=True)
class Finding:
    """A rule that an object breaks.

    Attributes:
        rule: the broken rule.
        file, line: where.
        object: kind and name, as `Job/name`.
        path: the path of the field, as `spec.template.spec.containers[0].image`.
        message: what is wrong, in one line.
        severity: how bad it is: that of its rule, unless the rule says otherwise of this place.
        reason: why it is suppressed; empty when it is not.
    """

    rule: Rule
    file: str
    line: int
    object: str
    path: str
    message: str
    severity: Severity
    reason: str = ""


@dataclass(frozen=True)
class CheckReport:
    """What a check found, by file in the order of reading, then by line.

    Attributes:
        findings: those that count.
        suppressed: those that an annotation suppresses.
        objects: how many were checked.
        files: how many files held them.
        unread: what was not checked.
    """

    findings: tuple[Finding, ...]
    suppressed: tuple[Finding, ...]
    objects: int
    files: int
    unread: tuple[Unread, ...] = ()

    @cached_property
    def counts(self) -> dict[Severity, int]:
        """Findings of each severity."""
        return {severity: sum(finding.severity is severity for finding in self.findings) for severity in Severity}

    def refuses(self, strict: bool = False) -> bool:
        """Whether there is an error; when strict, an error or a warning."""
        return self.counts[Severity.ERROR] > 0 or (strict and self.counts[Severity.WARNING] > 0)


def check_manifests(
    manifests: Sequence[Manifest],
    cluster: Cluster,
    unread: Sequence[Unread] = (),
    generated: frozenset[tuple[str, str]] = frozenset(),
) -> CheckReport:
    """Check objects together, for a cluster.

    Args:
        manifests: the objects.
        cluster: where they go.
        unread: what of their files could not be read; what seems missing may stand there.
        generated: kinds and names of objects that are made elsewhere.

    Raises:
        InputError: there are no schemas of the cluster's version, or the extra that brings them is not installed.
    """
    scene = replace(make_scene(manifests, cluster), unread=tuple(one.file for one in unread), generated=generated)
    order = {manifest.source: number for number, manifest in enumerate(manifests)}
    mended = {*scene.manifests} - {*manifests}
    names = dict.fromkeys(manifest.source.file for manifest in manifests)
    files = {file: number for number, file in enumerate(names)}
    hits = [
        (hit, rule, reasons(hit.manifest).get(rule.id, ""))
        for rule in rules_for(cluster)
        for hit in rule.check(scene)
        if not (hit.manifest in mended or is_template(hit.manifest))
        or rule.id == "K8S001"
        or hit.manifest.at(hit.path) is not None  # else a fault hides it, or a program fills it in
    ]
    findings = [_finding(hit, rule, reason) for hit, rule, reason in sorted(hits, key=lambda one: _key(one, order))]
    findings.sort(key=lambda finding: files[finding.file])
    unique = dict.fromkeys(findings)
    return CheckReport(
        tuple(_folded([finding for finding in unique if not finding.reason])),
        tuple(finding for finding in unique if finding.reason),
        len(manifests),
        len(files),
        tuple(unread),
    )


def make_scene(manifests: Sequence[Manifest], cluster: Cluster) -> Scene:
    """Sort objects into those that their schema accepts and the others, of which rules see what was meant.

    Raises InputError, as `check`.
    """
    all_schemas = schemas(cluster.kubernetes)
    good = {manifest for manifest in manifests if all_schemas.knows(manifest) and not all_schemas.faults(manifest)}
    other = tuple(manifest for manifest in manifests if manifest not in good)
    seen = (manifest if manifest in good else all_schemas.mended(manifest) for manifest in manifests)
    custom = [manifest for manifest in other if not all_schemas.knows(manifest) and not all_schemas.faults(manifest)]
    return Scene(
        tuple(manifest for manifest in seen if manifest),
        cluster,
        other,
        tuple(each for manifest in custom for each in embedded(manifest) if all_schemas.accepts_pod(each)),
    )


def rules_for(cluster: Cluster) -> list[Rule]:
    """The rules that apply to a cluster, by id."""
    return [rule for rule in ALL if rule.policy in cluster.policies]


def find_rule(name: str) -> Rule:
    """A rule by its id, whatever the case. Raises InputError."""
    rules = {rule.id: rule for rule in ALL}
    if rule := rules.get(name.upper()):
        return rule
    raise InputError(f"there is no rule {name!r}{did_you_mean(name, sorted(rules))}; docs/policy-rules.md lists all")


def _finding(hit: Hit, rule: Rule, reason: str) -> Finding:
    manifest, line = hit.manifest, hit.manifest.line(hit.path, hit.row)
    severity = hit.severity or rule.severity
    return Finding(rule, manifest.source.file, line, manifest.title, path_text(hit.path), hit.message, severity, reason)


def _folded(findings: Sequence[Finding]) -> Iterator[Finding]:
    """Findings without those that say of further objects what is said once; the first one has their number."""
    first = {finding.rule: finding for finding in reversed(findings)}
    others = Counter(finding.rule for finding in findings)
    for finding in findings:
        if not finding.rule.once:
            yield finding
        elif finding is first[finding.rule]:
            more = others[finding.rule] - 1
            same = f" (so do {more} more objects)" if more > 1 else " (so does 1 more object)" if more else ""
            yield replace(finding, message=finding.message + same)


def _key(entry: tuple[Hit, Rule, str], order: dict[Origin, int]) -> tuple[int, int, str, str, str]:
    """The order of findings: by line, then by rule."""
    hit, rule, _ = entry
    return hit.manifest.line(hit.path, hit.row), order[hit.manifest.source], rule.id, path_text(hit.path), hit.message
