"""The status of a roadmap: what is proven, by what, what is left, and the one thing that comes next."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import orjson

from grace.manifest import EXTRACT
from grace.roadmap.checks import ItemFinding, look
from grace.roadmap.evidence import EvidenceEntry, Kind
from grace.roadmap.ground import Ground
from grace.roadmap.phases import Item, Phase
from grace.roadmap.traces import LineupTrace
from grace.runs import Run


class Standing(StrEnum):
    """How far an item is."""

    PROVEN = "proven"
    ATTESTED = "attested"
    OPEN = "open"
    STALE = "stale"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class ItemState:
    """An item, its state, what was found, and the entries of the evidence that it rests on."""

    item: Item
    state: Standing
    text: str
    entries: tuple[str, ...] = ()

    @property
    def closed(self) -> bool:
        """Whether nothing waits for it."""
        return self.state not in (Standing.OPEN, Standing.STALE)


@dataclass(frozen=True)
class PhaseState:
    """A phase with its items; `skipped` says why nobody asks for it."""

    phase: Phase
    items: tuple[ItemState, ...]
    skipped: str = ""

    @property
    def needed(self) -> tuple[ItemState, ...]:
        """The items that the phase's gate waits for."""
        return tuple(each for each in self.items if each.item.needed and each.state is not Standing.SKIPPED)

    @property
    def missing(self) -> tuple[ItemState, ...]:
        """Those that are left."""
        return tuple(each for each in self.needed if not each.closed)

    @property
    def done(self) -> bool:
        """Whether nothing needed is left."""
        return not self.missing


@dataclass(frozen=True)
class Next:
    """What comes next: an item, the command to copy (or None), and what to do besides."""

    item: ItemState
    command: str
    do: str


class Status:
    """All items of a project's ground, each looked at once."""

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        self._findings: dict[str, ItemFinding] = {}
        self._states: dict[str, ItemState] = {}
        self.phases = tuple(self._phase(phase) for phase in ground.plan.phases)

    @property
    def current(self) -> PhaseState | None:
        """The first phase with something left; None at the end of the road."""
        return next((phase for phase in self.phases if not phase.done), None)

    def phase(self, number: int) -> PhaseState:
        """A phase by its number. Raises InputError."""
        wanted = self.ground.plan.phase(number)
        return next(phase for phase in self.phases if phase.phase is wanted)

    def item(self, name: str) -> ItemState:
        """An item by its id. Raises InputError."""
        return self._state(self.ground.plan.item(name))

    @property
    def next(self) -> Next | None:
        """The one thing that comes next; None at the end of the road."""
        phase = self.current
        if phase is None:
            return None
        left = [each for each in phase.missing if not each.item.follows]
        return self.way(left) if left else None

    def way(self, left: Sequence[ItemState]) -> Next:
        """What comes first of some open items."""
        return self._way(left[0])

    def _way(self, state: ItemState) -> Next:
        item, ground = state.item, self.ground
        do = ground.filled(item.do)
        if item.run:
            return Next(state, ground.filled(item.run), do)
        if item.attest:
            name = self._shared_attestation(item)
            return Next(state, f'grace roadmap attest {name} --note "{ground.note}"', do)
        return Next(state, f"grace roadmap explain {item.id}", do)

    def _shared_attestation(self, item: Item) -> str:
        """The task of an item where all that is left in it waits for a person's word, else the item."""
        for phase in self.ground.plan.phases:
            for task in phase.tasks:
                if item in task.items:
                    left = [each for each in task.items if each.needed and not self._state(each).closed]
                    return task.id if len(left) > 1 and all(each.attest and not each.run for each in left) else item.id
        return item.id

    # Looking

    def _phase(self, phase: Phase) -> PhaseState:
        skipped = self._skips(phase.number)
        return PhaseState(phase, tuple(self._state(item) for item in phase.items), skipped)

    def _skips(self, number: int) -> str:
        ground = self.ground
        if number in ground.road.skips:
            entry = ground.evidence.last(Kind.ROAD)
            return f"the road is {ground.road_name} ({entry.name}: {entry.facts['reason']})" if entry else ""
        return stopped(ground, number)

    def _state(self, item: Item) -> ItemState:
        if item.id not in self._states:
            self._states[item.id] = self._looked(item)
        return self._states[item.id]

    def _looked(self, item: Item) -> ItemState:
        ground = self.ground
        if why := self._skips(int(item.id[0])) or self._left_out(item):
            return ItemState(item, Standing.SKIPPED, why)
        if item.follows:
            before = [self._state(ground.plan.item(name)) for name in item.follows]
            left = [each.item.id for each in before if not each.closed]
            state = Standing.OPEN if left else Standing.PROVEN
            return ItemState(item, state, f"waits for {', '.join(left)}" if left else f"by {', '.join(item.follows)}")
        if ground.evidence.fault:
            return ItemState(item, Standing.OPEN, "the evidence does not hold")
        finding = self._finding(item) if item.check else ItemFinding(False, "nobody said so yet")
        if finding.met:
            return ItemState(item, Standing.PROVEN, finding.text, self._names_of(finding.subject))
        said = ground.evidence.last(Kind.ATTESTATION, item.id) if item.attest else None
        if said and (changed := self._changed(item, said)):
            return ItemState(item, Standing.STALE, f"{said.name}: {changed} changed since; look again", (said.name,))
        if said:
            text = f"{said.time[:10]}, says {said.by}: {said.facts['note']}"
            return ItemState(item, Standing.ATTESTED, text, (said.name,))
        return ItemState(item, Standing.STALE if finding.stale else Standing.OPEN, finding.text)

    def _left_out(self, item: Item) -> str:
        ground = self.ground
        roads = ground.plan.roads_of(item)
        if roads and ground.road_name not in roads:
            return f"not on the road {ground.road_name}"
        reason = ground.leaves_out(item.id)
        return f"left out by grace.yaml: {reason}" if reason else ""

    def _finding(self, item: Item) -> ItemFinding:
        key = repr(item.check)
        if key not in self._findings:
            self._findings[key] = look(self.ground, item.check)
        return self._findings[key]

    def _names_of(self, subject: str) -> tuple[str, ...]:
        """The latest entries of the evidence about some lineups and runs."""
        proof = [entry for kind in (Kind.LINEUP, Kind.RUN) for entry in self.ground.evidence.of(kind)]
        latest = {entry.subject: entry.name for entry in proof}
        parts = (f"{each}/" for each in subject.split(", ") if each)
        return tuple(dict.fromkeys(latest[name] for each in parts for name in latest if each.startswith(f"{name}/")))

    def _changed(self, item: Item, said: EvidenceEntry) -> str:
        """What a person's word was about and changed since."""
        if item.about != "data":
            return ""
        before: Mapping[str, Any] = said.facts.get("studies", {})
        return ", ".join(name for name, digest in context_of(self.ground).items() if before.get(name) != digest)


def stopped(ground: Ground, number: int) -> str:
    """Why a phase is not asked for any more: somebody decided to stop before it."""
    if ground.evidence.fault or number not in (3, 4):
        return ""
    for phase in (2, 3):
        entry = ground.evidence.last(Kind.DECISION, str(phase))
        if entry and not entry.facts["go"] and phase < number:
            return f"the results of phase 2 are used ({entry.name}: {entry.facts['note']})"
    return ""


def context_of(ground: Ground) -> dict[str, str]:
    """The studies and their tables, by digests: what a person's word about data holds for."""
    return {
        name: study.sha256[:16] + "".join(digest[:16] for digest in ground.digests[name])
        for name, study in ground.studies.items()
    }


def record(ground: Ground) -> list[EvidenceEntry]:
    """Add to the evidence what lineups and runs prove now and it does not have yet. Raises InputError, RunLocked."""
    if ground.evidence.fault:
        return []
    added = []
    for lineup in ground.traces.lineups:
        facts = lineup_facts(ground, lineup)
        if facts["models"] and not lineup.problems and not ground.rewritten(lineup):
            added += _added(ground, Kind.LINEUP, ground.name_of(lineup.folder.path), facts)
    for run in ground.traces.runs:
        if run.problems or run.stale or ground.altered(run):
            continue
        ledger = Run(run.path).ledger
        size = {"sha256": run.files["ledger.jsonl"], "bytes": ledger.stat().st_size} if ledger.is_file() else None
        facts = {"id": run.id, "study": run.study, "experiment": run.experiment, "model": run.model.get("name")}
        added += _added(ground, Kind.RUN, ground.name_of(run.path), {**facts, "ledger": size})
    return added


def lineup_facts(ground: Ground, lineup: LineupTrace) -> dict[str, Any]:
    """What the evidence keeps of a lineup: its journal, and of each model that it carried, runs and verdicts."""
    models = {}
    for model in lineup.models:
        if model.proves:
            models[model.name] = {
                "folder": model.folder.name,
                "runs": {run.path.name: {"id": run.id, "model": dict(run.model)} for run in model.runs},
                "requests": sum(run.answered for run in model.runs if run.experiment != EXTRACT),
                "verdicts": [verdict.as_json() for verdict in ground.verdicts_on_model(model)],
            }
    digest, size = lineup.journal
    return {"profile": lineup.file.profile, "journal": {"sha256": digest, "bytes": size}, "models": models}


def _added(ground: Ground, kind: Kind, subject: str, facts: Mapping[str, Any]) -> list[EvidenceEntry]:
    last = ground.evidence.last(kind, subject)
    if last and dict(last.facts) == orjson.loads(orjson.dumps(facts)):
        return []
    return [ground.evidence.append(kind, subject, facts, rehearsal=ground.rehearsal)]
