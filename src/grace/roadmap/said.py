"""What people say: attestations, the choice of a road, decisions, overrides; each with name, date and a note."""

from collections.abc import Mapping

from grace.errors import InputError
from grace.roadmap.evidence import EvidenceEntry, Kind, person
from grace.roadmap.ground import YOUR_NOTE, Ground
from grace.roadmap.phases import Item
from grace.roadmap.status import context_of
from grace.text import one_line


def attest(ground: Ground, name: str, note: str, by: str | None) -> list[tuple[EvidenceEntry, Item]]:
    """Keep a person's word about an item, or about all items of a task that a person may attest.

    Raises:
        InputError: there is no such item, nobody may attest it, or the note says nothing.
    """
    items = [item for item in ground.plan.items_of(name) if item.attest]
    if not items:
        item = ground.plan.items_of(name)[0]
        raise InputError(f"{name}: is checked, not attested; `grace roadmap explain {item.id}` says what proves it")
    facts = {"note": noted(note), "studies": context_of(ground)}
    return [(say(ground, Kind.ATTESTATION, item.id, facts, by), item) for item in items]


def choose_road(ground: Ground, name: str, reason: str, by: str | None) -> EvidenceEntry:
    """Keep the choice of a road. Raises InputError."""
    return say(ground, Kind.ROAD, name, {"reason": noted(reason)}, by)


def say(ground: Ground, kind: Kind, subject: str, facts: Mapping[str, object], by: str | None) -> EvidenceEntry:
    """Add what a person says to the evidence. Raises InputError, RunLocked."""
    return ground.evidence.append(kind, subject, facts, by=person(by), rehearsal=ground.rehearsal)


def noted(note: str, option: str = "--note") -> str:
    """A note as it is kept. Raises InputError for one that says nothing; `option` gave it."""
    text = one_line(note)
    if not text or text == YOUR_NOTE:
        raise InputError(f"{option}: write what you saw or decided, and why, in a sentence")
    return text


def record_archive(ground: Ground, place: str, facts: Mapping[str, object]) -> EvidenceEntry:
    """Keep that an archive was made, read back and verified; the command that verified it calls this.

    Args:
        ground: the project's (`Ground.here()`).
        place: a folder or an address such as s3://bucket/prefix.
        facts: what was verified: at least the digest of the archive's list of files, how many there are, and those of
            the ledgers in it.

    Raises:
        InputError: the chain of evidence does not hold.
        RunLocked: another process writes it.
    """
    return ground.evidence.append(Kind.ARCHIVE, place, facts, rehearsal=ground.rehearsal)
