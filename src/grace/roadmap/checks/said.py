"""Checks of what people said and decided, from the evidence: thresholds, decisions, requests, approvals."""

from collections.abc import Mapping
from datetime import UTC, datetime

from grace.files import sha256_of
from grace.roadmap.checks.finding import ItemFinding, check
from grace.roadmap.evidence import EvidenceEntry, Kind
from grace.roadmap.ground import Ground


@check
def frozen(ground: Ground) -> ItemFinding:
    """Thresholds and comparisons were frozen."""
    entry = ground.last_freeze
    if entry is None:
        return ItemFinding(False, "nothing is frozen yet")
    if wrong := altered(ground, entry):
        return ItemFinding(False, f"{wrong[0]}: is gone, or not what was frozen; restore it from a copy")
    return ItemFinding(True, f"{entry.name}, {entry.time[:10]}: {len(entry.facts['claims'])} thresholds")


def altered(ground: Ground, entry: EvidenceEntry) -> list[str]:
    """The frozen files that are gone or changed since."""
    files: Mapping[str, str] = entry.facts["files"]
    return [
        name
        for name, digest in files.items()
        if not (ground.folder / name).is_file() or sha256_of(ground.folder / name) != digest
    ]


@check
def decision(ground: Ground, phase: int) -> ItemFinding:
    """A person decided after a phase, about the data that there are now."""
    entry = None if ground.evidence.fault else ground.evidence.last(Kind.DECISION, str(phase))
    if entry is None:
        return ItemFinding(False, "nobody decided yet")
    if phase == 2 and entry.facts.get("data") != ground.data(ground.profile("rtx3090")):
        return ItemFinding(False, f"{entry.name}: the data changed since; decide again", stale=True)
    word = "go" if entry.facts["go"] else "stop"
    return ItemFinding(True, f"{entry.name}, {entry.time[:10]}: {word}, says {entry.by}: {entry.facts['note']}")


@check
def request(ground: Ground, what: str) -> ItemFinding:
    """A request was written."""
    entry = None if ground.evidence.fault else ground.evidence.last(Kind.REQUEST, what)
    if entry is None:
        return ItemFinding(False, "not written yet")
    return ItemFinding(True, f"{entry.name}, {entry.time[:10]}: {entry.facts['file']}")


@check
def exceptions(ground: Ground) -> ItemFinding:
    """The exceptions that are needed were asked for, or none is needed."""
    return request(ground, "exception")


@check
def approval(ground: Ground) -> ItemFinding:
    """A request was approved, and the approval still holds."""
    entry = None if ground.evidence.fault else ground.evidence.last(Kind.APPROVAL)
    if entry is None:
        return ItemFinding(False, "not approved yet")
    until = str(entry.facts["until"])
    if today() > until:
        return ItemFinding(False, f"{entry.name}: the approval ended on {until}; ask again", stale=True)
    return ItemFinding(True, f"{entry.name}: until {until}, says {entry.by}: {entry.facts['note']}")


def today() -> str:
    """The date, in UTC."""
    return datetime.now(UTC).date().isoformat()
