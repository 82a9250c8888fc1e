"""Disclosures: what a reader of results should know about the road to them, in sentences for reports and papers."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from grace.errors import GraceError
from grace.roadmap.evidence import FILE as EVIDENCE
from grace.roadmap.evidence import Kind
from grace.roadmap.freeze import deviations
from grace.roadmap.ground import Ground


def disclosures_near(path: Path) -> tuple[str, ...]:
    """The disclosures of the project that a run or lineup lies in; none where it lies in none, or nothing was kept."""
    ground = Ground.around(path)
    if ground is None or not (ground.folder / EVIDENCE).exists():
        return ()
    try:
        return tuple(disclosures(ground))
    except GraceError as error:
        return (f"The project's roadmap could not be read: {error}.",)


def disclosures(ground: Ground) -> Iterator[str]:
    """What to disclose: a broken chain, a rehearsal, overrides, what was left out, deviations, no full precision."""
    evidence = ground.evidence
    if evidence.fault:
        yield f"The evidence of the project does not hold: {evidence.fault}."
        return
    if ground.rehearsal:
        yield "This is a rehearsal: a small model of this machine stood in for all others, and nothing here is data."
    for entry in evidence.of(Kind.OVERRIDE):
        yield (
            f"The lineup {entry.subject} ({entry.facts['profile']}) passed closed gates on {entry.time[:10]} "
            f"({entry.name}), says {entry.by}: {entry.facts['reason']}."
        )
    if ground.road_name != "cluster" and (road := evidence.last(Kind.ROAD)):
        yield f"The road without a cluster was taken, {ground.road_name} ({road.name}: {road.facts['reason']})."
    yield from _changes(ground)
    yield from deviations(ground)
    for phase in (2, 3):
        decided = evidence.last(Kind.DECISION, str(phase))
        if decided and not decided.facts["go"]:
            yield (
                "The results are those of phase 2, some of them of quantized models; no scarce GPUs were used "
                f"({decided.name}, {decided.time[:10]}: {decided.facts['note']})."
            )


def _changes(ground: Ground) -> Iterator[str]:
    """The items of the plan that the project leaves out or changes, and those that it did when it passed a gate."""
    now = ground.project.content.roadmap
    said = [*_told(now.leave_out, now.items)]
    for entry in ground.evidence.of(Kind.PASSED):
        then = _told(entry.facts["changes"]["leave_out"], entry.facts["changes"]["items"])
        said += [
            f"{line[:-1]} ({entry.name}, when the lineup {entry.subject} passed)." for line in then if line not in said
        ]
    yield from said


def _told(leave_out: Mapping[str, str], items: Mapping[str, Mapping[str, Any]]) -> list[str]:
    left = [f"The plan's item {name} was left out: {reason}." for name, reason in leave_out.items()]
    return left + [
        f"The plan's item {name} was changed or added: {', '.join(sorted(fields))}." for name, fields in items.items()
    ]
