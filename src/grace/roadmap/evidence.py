"""The evidence of a project: a chain of what was proven, attested and decided, in which every change shows.

evidence.jsonl   one entry a line; each holds the SHA-256 of the entry before it, and its own
evidence.head    how many entries there are, and the last one's SHA-256: so the chain cannot be cut short unseen
"""

import getpass
import hashlib
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import orjson

from grace.errors import InputError, LedgerCorrupt
from grace.files import replacing
from grace.ledger import Ledger, scan
from grace.lock import locked
from grace.runs import now
from grace.version import __version__

FILE, HEAD, FOLDER = "evidence.jsonl", "evidence.head", "roadmap"
_START = hashlib.sha256(b"grace evidence 1").hexdigest()
"""What the first entry holds in place of a digest before it."""


class Kind(StrEnum):
    """What an entry is about."""

    BEGUN = "begun"
    RUN = "run"
    LINEUP = "lineup"
    ARCHIVE = "archive"
    RESULT = "result"
    ATTESTATION = "attestation"
    FREEZE = "freeze"
    PAGE = "page"
    DECISION = "decision"
    REQUEST = "request"
    APPROVAL = "approval"
    OVERRIDE = "override"
    PASSED = "passed"
    ROAD = "road"


@dataclass(frozen=True)
class EvidenceEntry:
    """One entry.

    Attributes:
        number: from 1.
        time: ISO 8601, in UTC.
        kind, subject: what it is about, as a lineup and its folder.
        facts: what was seen or said.
        by: the person who said it; None for what the program saw.
        grace: the version that wrote it.
        sha256: digest of the entry, which holds that of the one before.
    """

    number: int
    time: str
    kind: Kind
    subject: str
    facts: Mapping[str, Any]
    by: str | None
    grace: str
    sha256: str

    @property
    def name(self) -> str:
        """How texts cite it."""
        return f"E{self.number}"


@dataclass
class Evidence:
    """The chain of a project's folder.

    Attributes:
        entries: in order.
        fault: why nothing in it counts; empty where the chain holds.
    """

    folder: Path
    entries: list[EvidenceEntry] = field(default_factory=list)
    fault: str = ""

    @property
    def path(self) -> Path:
        """The file of the chain."""
        return self.folder / FILE

    @classmethod
    def read(cls, folder: Path, rehearsal: bool = False) -> "Evidence":
        """Read and verify the chain of a project; a chain of a rehearsal counts in a rehearsal only."""
        evidence = cls(folder)
        try:
            evidence._verify()
        except (LedgerCorrupt, _BrokenChain) as broken:
            evidence.fault = f"{broken}. Nothing in it counts until it is restored from a copy"
            return evidence
        rehearsed = any(entry.facts.get("rehearsal") for entry in evidence.of(Kind.BEGUN))
        if evidence.entries and rehearsed != rehearsal:
            evidence.fault = (
                f"{evidence.path}: is that of {'a' if rehearsed else 'no'} rehearsal; it proves nothing here"
            )
        return evidence

    def of(self, kind: Kind, subject: str | None = None) -> list[EvidenceEntry]:
        """The entries of a kind, of one subject or all, in order."""
        return [entry for entry in self.entries if entry.kind is kind and subject in (None, entry.subject)]

    def last(self, kind: Kind, subject: str | None = None) -> EvidenceEntry | None:
        """The latest entry of a kind."""
        return next(iter(reversed(self.of(kind, subject))), None)

    def append(
        self, kind: Kind, subject: str, facts: Mapping[str, Any], *, by: str | None = None, rehearsal: bool = False
    ) -> EvidenceEntry:
        """Add an entry to the file's end, and to this list of them.

        Raises:
            InputError: the chain is broken, or the file cannot be written.
            RunLocked: another process writes it.
        """
        with locked(self.folder / FOLDER):
            fresh = Evidence.read(self.folder, rehearsal)  # another process may have written meanwhile
            if fresh.fault:
                raise InputError(fresh.fault)
            with Ledger(self.path) as ledger:
                if not fresh.entries and kind is not Kind.BEGUN:
                    fresh._write(ledger, Kind.BEGUN, "project", {"rehearsal": rehearsal}, None)
                entry = fresh._write(ledger, kind, subject, facts, by)
            self.entries, self.fault = fresh.entries, ""
        return entry

    def _write(
        self, ledger: Ledger, kind: Kind, subject: str, facts: Mapping[str, Any], by: str | None
    ) -> EvidenceEntry:
        record = {
            "number": len(self.entries) + 1,
            "time": now(),
            "kind": kind,
            "subject": subject,
            "facts": orjson.loads(orjson.dumps(facts)),
            "by": by,
            "grace": __version__,
            "previous": self._end,
        }
        record["sha256"] = _digest(record)
        ledger.append(record)
        ledger.sync()
        with replacing(self.folder / HEAD) as file:
            file.write(orjson.dumps({"entries": record["number"], "sha256": record["sha256"]}))
        record.pop("previous")
        entry = EvidenceEntry(**record)
        self.entries.append(entry)
        return entry

    @property
    def _end(self) -> str:
        return self.entries[-1].sha256 if self.entries else _START

    def _verify(self) -> None:
        for place, (_, record) in enumerate(scan(self.path), 1):
            try:
                previous, claimed = record["previous"], record["sha256"]
                entry = EvidenceEntry(**{name: value for name, value in record.items() if name != "previous"})
                entry = EvidenceEntry(**{**vars(entry), "kind": Kind(entry.kind)})
            except (KeyError, TypeError, ValueError):
                raise _BrokenChain(f"{self.path}, line {place}: is not an entry") from None
            if entry.number != place or previous != self._end:
                raise _BrokenChain(f"{self.path}, line {place}: does not follow the entry before it")
            if _digest({name: value for name, value in record.items() if name != "sha256"}) != claimed:
                raise _BrokenChain(f"{self.path}, line {place}: was changed after it was written")
            self.entries.append(entry)
        self._verify_head()

    def _verify_head(self) -> None:
        path = self.folder / HEAD
        try:
            head = orjson.loads(path.read_bytes())
            count, digest = int(head["entries"]), str(head["sha256"])
        except FileNotFoundError:
            if len(self.entries) > 1:  # a first writer may be killed between the file and its head
                raise _BrokenChain(f"{path}: is gone") from None
            return
        except (OSError, ValueError, LookupError, TypeError):
            raise _BrokenChain(f"{path}: is damaged") from None
        if len(self.entries) < count:
            raise _BrokenChain(f"{self.path}: was cut short: {len(self.entries)} of {count} entries are there")
        if count < 1 or self.entries[count - 1].sha256 != digest:
            raise _BrokenChain(f"{self.path}: is not the chain that {HEAD} ends")


class _BrokenChain(Exception):
    """The chain does not hold; the message says where."""


def _digest(record: Mapping[str, Any]) -> str:
    """SHA-256 of an entry as JSON with sorted keys."""
    return hashlib.sha256(orjson.dumps(record, option=orjson.OPT_SORT_KEYS)).hexdigest()


def person(named: str | None = None) -> str:
    """Who says something: the name given, else git's, else the account's."""
    if named:
        return named
    try:
        command = ["git", "config", "user.name"]
        name = subprocess.run(command, capture_output=True, text=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        name = ""
    try:
        return name or getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
