"""The roadmap in words: one screen of status, what was checked, one item in full, and all of it as JSON."""

import textwrap
from collections.abc import Iterator
from typing import Any

from grace.roadmap.checks import CHECKS
from grace.roadmap.evidence import Kind
from grace.roadmap.status import ItemState, Next, PhaseState, Standing, Status
from grace.text import one_line

WIDTH = 118
MOST = 8
"""The most items that one screen names."""
MARKS = {Standing.PROVEN: "+", Standing.ATTESTED: "+", Standing.OPEN: "-", Standing.STALE: "!", Standing.SKIPPED: "o"}


def status_lines(status: Status) -> Iterator[str]:
    """One screen: where we are, what is next, what is left to prove."""
    ground, current = status.ground, status.current
    rehearsed = " (a rehearsal: nothing here is proof elsewhere)" if ground.rehearsal else ""
    yield f"The road: {ground.road.title}{rehearsed}"
    for phase in status.phases:
        here = "  <- here" if phase is current else ""
        yield f"  {phase.phase.number}  {phase.phase.title:<42} {_how_far(phase)}{here}"
    if ground.evidence.fault:
        yield from ("", *_wrapped(ground.evidence.fault, "! ", "  "))
    for trouble in _troubles(status):
        yield from _wrapped(trouble, "! ", "  ")
    coming = status.next
    if current is None or coming is None:
        yield from ("", "The end of the road: everything needed is proven.")
        return
    yield ""
    yield from _next_lines(coming)
    yield from ("", f"Left to prove in phase {current.phase.number} ({_aim(current)}):")
    left = [each for each in current.missing if not each.item.follows]
    for each in left[:MOST]:
        yield from _wrapped(_left(each), "  ", "         ")
    if len(left) > MOST:
        yield f"  and {len(left) - MOST} more; `grace roadmap check {current.phase.number}` lists all"


def _how_far(phase: PhaseState) -> str:
    if phase.skipped:
        return f"skipped: {phase.skipped}"
    proven = len(phase.needed) - len(phase.missing)
    return f"{proven} of {len(phase.needed)} proven" if phase.missing else "done"


def _aim(phase: PhaseState) -> str:
    return phase.phase.aim[0].lower() + phase.phase.aim[1:].rstrip(".")


def _left(each: ItemState) -> str:
    how = "a person's word" if each.item.attest and not each.item.check else "checked"
    return f"{each.item.id:<6} {each.item.text} ({how}): {each.text}"


def _troubles(status: Status) -> Iterator[str]:
    """Traces that prove nothing though they look as if they did."""
    ground = status.ground
    for trace in ground.traces.lineups:
        yield from (*trace.problems, *filter(None, [ground.rewritten(trace)]))
        for model in trace.models:
            yield from (*model.problems[:1], *model.stale[:1])
    yield from ground.traces.unreadable


def _next_lines(coming: Next) -> Iterator[str]:
    yield "Next:"
    yield f"  {coming.command}"
    yield from _wrapped(f"for {coming.item.item.id}, {coming.item.item.text}: {coming.item.text}", "  ", "    ")
    if coming.do:
        yield from _wrapped(coming.do, "  ", "    ")


def check_lines(status: Status, number: int | None) -> Iterator[str]:
    """Every item of a phase or of all, with what was found."""
    for phase in status.phases:
        if number not in (None, phase.phase.number):
            continue
        yield f"Phase {phase.phase.number}, {phase.phase.title}: {_how_far(phase)}"
        for each in phase.items:
            more = "" if each.item.needed else " (not needed)"
            cited = f" [{', '.join(each.entries)}]" if each.entries else ""
            text = f"{each.item.id:<7} {each.state:<9} {each.item.text}{more}: {each.text}{cited}"
            yield from _wrapped(text, f"{MARKS[each.state]} ", "                    ")
        if phase.phase.question:
            yield f"  Gate: {phase.phase.question} {'Open.' if phase.done else 'Closed.'}"


def explain_lines(status: Status, name: str) -> Iterator[str]:
    """One item, or all of a task, in full. Raises InputError."""
    for item in status.ground.plan.items_of(name):
        each = status.item(item.id)
        yield f"{item.id}  {item.text}: {each.state}"
        yield from _wrapped(each.text, "  Found: ", "    ")
        if item.check:
            (check, arguments), *_ = item.check.items()
            given = ", ".join(f"{key}={value}" for key, value in arguments.items())
            doc = (CHECKS[check].__doc__ or "").strip() if check in CHECKS else ""
            yield from _wrapped(f"{doc} ({check}{f': {given}' if given else ''})", "  Checked: ", "    ")
        if item.attest:
            note = status.ground.note
            yield f'  A person may say so: grace roadmap attest {item.id} --note "{note}"'
        if item.follows:
            yield f"  Follows from: {', '.join(item.follows)}"
        if item.run:
            yield f"  Command: {status.ground.filled(item.run)}"
        if item.do:
            yield from _wrapped(status.ground.filled(item.do), "  Do: ", "    ")
        if item.plan:
            yield from _wrapped(item.plan, "  The plan says otherwise: ", "    ")
        yield "  " + ("A gate waits for it." if item.needed else "No gate waits for it.")


def as_json(status: Status) -> dict[str, Any]:
    """All of it, for programs."""
    coming, current = status.next, status.current
    return {
        "road": status.ground.road_name,
        "rehearsal": status.ground.rehearsal,
        "fault": status.ground.evidence.fault or None,
        "phase": current.phase.number if current else None,
        "next": {"command": coming.command, "item": coming.item.item.id, "do": coming.do} if coming else None,
        "phases": [
            {
                "phase": phase.phase.number,
                "title": phase.phase.title,
                "done": phase.done,
                "skipped": phase.skipped or None,
                "gate": {"question": phase.phase.question, "open": phase.done} if phase.phase.question else None,
                "items": [
                    {
                        "id": each.item.id,
                        "text": each.item.text,
                        "state": each.state,
                        "needed": each.item.needed,
                        "found": each.text,
                        "evidence": list(each.entries),
                    }
                    for each in phase.items
                ],
            }
            for phase in status.phases
        ],
        "evidence": [
            {"name": entry.name, "time": entry.time, "kind": entry.kind, "subject": entry.subject}
            for entry in status.ground.evidence.entries
            if entry.kind is not Kind.BEGUN
        ],
        "troubles": list(_troubles(status)),
    }


def _wrapped(text: str, first: str, later: str) -> list[str]:
    return textwrap.wrap(
        one_line(text),
        WIDTH,
        initial_indent=first,
        subsequent_indent=later,
        break_long_words=False,
        break_on_hyphens=False,
    )
