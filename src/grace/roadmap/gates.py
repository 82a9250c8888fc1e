"""The gates before GPUs: what must be proven before a lineup may take them. Only the command line asks."""

from collections.abc import Iterator, Sequence

from grace.errors import InputError, Refused
from grace.lineup.folder import LineupFolder
from grace.lineup.journal import History, Step, histories
from grace.models.catalogue import profile as profile_of
from grace.roadmap.evidence import Kind
from grace.roadmap.ground import Ground
from grace.roadmap.said import noted, say
from grace.roadmap.status import PhaseState, Status, record, stopped

BEFORE_FIRST, BEFORE_ALL, BEFORE_SCARCE = (0,), (0, 1), (0, 1, 2, 3)
"""The phases whose gates must be open: before the first model on a cluster, before all models, before scarce GPUs."""
FROZEN = "2.0.1"
SCARCE = "a100"


def ask(ground: Ground, profile: str, models: Sequence[str], lineup: str, override: str | None) -> None:
    """Let a lineup pass, or refuse it; an override lets it pass, and is kept.

    Args:
        ground: the project's.
        profile: where the lineup's models run.
        models: those that it carries.
        lineup: its name.
        override: why it may pass although a gate is closed.

    Raises:
        Refused: a gate is closed; the message says what is missing, and the command that supplies it.
        InputError: the override says nothing, or cannot be kept.
    """
    if override is not None:
        override = noted(override, "--override")
    if not profile_of(profile).gpus:
        return
    record(ground)
    status = Status(ground)
    reasons = list(_closed(status, profile, models))
    if not reasons:
        _keep_changes(ground, profile, models, lineup)
        return
    if override is None and _overridden(ground, profile, lineup):
        return
    if override is not None:
        missing = [each.item.id for phase in status.phases for each in phase.missing]
        facts = {"reason": override, "profile": profile, "models": list(models), "missing": missing, "closed": reasons}
        say(ground, Kind.OVERRIDE, lineup, facts, None)
        return
    lines = "\n".join(f"  {reason}" for reason in reasons)
    raise Refused(
        f"--profile {profile}: not yet.\n{lines}\n"
        '`grace roadmap status` shows the road. --override "reason" passes all the same; it is kept, and reports and '
        "papers say so."
    )


def ask_again(ground: Ground, folder: LineupFolder) -> None:
    """Let a lineup that was begun go on; it is refused where models are still to be served and a gate closed since.

    Those that were served already may be brought home and removed whatever the gates say. Raises as `ask`.
    """
    lineup = folder.lineup
    carried = histories(folder.journal)
    if any(Step.SERVE not in carried.get(model, History()).times for model in lineup.models):
        ask(ground, lineup.profile, lineup.models, lineup.name, None)


def _keep_changes(ground: Ground, profile: str, models: Sequence[str], lineup: str) -> None:
    """Keep which items the project had changed or left out when it passed a gate: grace.yaml may forget them."""
    changes = ground.project.content.roadmap.model_dump(mode="json")
    last = ground.evidence.last(Kind.PASSED, lineup)
    if any(changes.values()) and (last is None or last.facts["changes"] != changes):
        say(ground, Kind.PASSED, lineup, {"profile": profile, "models": list(models), "changes": changes}, None)


def _overridden(ground: Ground, profile: str, lineup: str) -> bool:
    """Whether this lineup was let pass before: it may continue."""
    if ground.evidence.fault:
        return False
    return any(entry.facts["profile"] == profile for entry in ground.evidence.of(Kind.OVERRIDE, lineup))


def _closed(status: Status, profile: str, models: Sequence[str]) -> Iterator[str]:
    """Why a lineup may not pass, in lines."""
    ground = status.ground
    if ground.evidence.fault:
        yield ground.evidence.fault
        return
    if ground.road_name != "cluster":
        yield f'The road is {ground.road_name}; `grace roadmap road cluster --reason "..."` takes that of the cluster.'
        return
    first = ground.models_of(profile)[:1]
    beyond = tuple(models) != tuple(first) or _others_before(ground, profile, first)
    before = BEFORE_SCARCE if profile == SCARCE else BEFORE_ALL if beyond else BEFORE_FIRST
    for number in before:
        if why := stopped(ground, number):
            yield f"Phase {number}: {why}; `grace roadmap decide` changes that"
        yield from _missing(status, status.phase(number))
    frozen = status.item(FROZEN)
    if before is BEFORE_ALL and not frozen.closed:
        yield f"{FROZEN} {frozen.item.text}: {frozen.text}\n      {ground.filled(frozen.item.run)}"


def _others_before(ground: Ground, profile: str, first: Sequence[str]) -> bool:
    """Whether other models were carried on the profile before: then this one is not the first, whatever its place."""
    there = {model for each in ground.traces.lineups if each.file.profile == profile for model in each.file.models}
    noted = {
        model
        for entry in ground.evidence.of(Kind.LINEUP)
        if entry.facts["profile"] == profile
        for model in entry.facts["models"]
    }
    return bool((there | noted) - set(first))


def _missing(status: Status, phase: PhaseState) -> Iterator[str]:
    """What a phase lacks: the first thing with its command, and how many more."""
    missing = [each for each in phase.missing if not each.item.follows]
    if missing:
        way = status.way(missing)
        more = f" ({len(missing) - 1} more: `grace roadmap check {phase.phase.number}`)" if len(missing) > 1 else ""
        text = f"{way.item.item.id} {way.item.item.text}: {way.item.text}"
        yield f"Phase {phase.phase.number} lacks {text}{more}\n      {way.command}"


def require(ground: Ground, phases: Sequence[int], what: str) -> Status:
    """The status, where the gates of some phases are open. Raises Refused, which says what is missing for `what`."""
    record(ground)
    if ground.evidence.fault:
        raise InputError(ground.evidence.fault)
    status = Status(ground)
    reasons = [reason for number in phases for reason in _missing(status, status.phase(number))]
    if reasons:
        lines = "\n".join(f"  {reason}" for reason in reasons)
        raise Refused(f"{what}: not yet.\n{lines}\n`grace roadmap status` shows the road.")
    return status
