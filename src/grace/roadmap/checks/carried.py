"""Checks of what lineups and runs left: models that were carried, answers, quality, clean-up."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from grace.lineup.journal import Step
from grace.manifest import EXTRACT, GENERATE, SCORE
from grace.models.catalogue import find_hub_model
from grace.roadmap.checks.finding import FIRST_FEW, ItemFinding, check
from grace.roadmap.ground import Ground
from grace.roadmap.traces import LINEUPS, LineupTrace, ModelTrace, RunTrace

EXPERIMENTS = {"answers": GENERATE, "scores": SCORE, "values": EXTRACT}


@dataclass(frozen=True)
class Carrying:
    """The models of a profile that were carried, and why others were not.

    Attributes:
        models: by name, each with its lineup; the latest that proves.
        lacking: by name, why it is not there.
        stale: whether a missing one was there, and something changed since.
    """

    models: Mapping[str, tuple[LineupTrace, ModelTrace]]
    lacking: Mapping[str, str]
    stale: bool

    @property
    def subject(self) -> str:
        """The lineups, as the evidence names them."""
        return ", ".join(dict.fromkeys(f"{LINEUPS}/{lineup.name}" for lineup, _ in self.models.values()))


def carrying(ground: Ground, profile: str, all: bool) -> Carrying:
    """The models that lineups of a profile carried: every one with all its trials, or any one."""
    profile = ground.profile(profile)
    wanted = ground.models_of(profile)
    models: dict[str, tuple[LineupTrace, ModelTrace]] = {}
    lacking: dict[str, str] = {}
    stale = False
    for lineup in ground.lineups(profile):
        for model in lineup.models:
            why = _why_not(ground, lineup, model, whole=all)
            if not why:
                models[model.name] = lineup, model
                lacking.pop(model.name, None)
            elif model.name not in models:
                lacking[model.name] = why
                stale |= bool(model.stale)
    if all:
        for name in wanted:
            if name not in models:
                broken = _broken(ground, profile, name)[:FIRST_FEW]
                lacking.setdefault(name, "; ".join(broken) or f"{name}: no lineup of the profile {profile} carried it")
        models = {name: each for name, each in models.items() if name in wanted or not wanted}
        lacking = {name: why for name, why in lacking.items() if name in wanted}
        if not wanted and not models:
            lacking[profile] = (
                f"no lineup of the profile {profile} yet, and grace.yaml names no models of it (profiles)"
            )
    elif models:
        lacking = {}
    elif not lacking:
        broken = [*ground.traces.unreadable, *_broken(ground, profile)]
        lacking[profile] = "; ".join(broken[:FIRST_FEW]) or f"no lineup of the profile {profile} yet"
    return Carrying(models, lacking, stale)


def _broken(ground: Ground, profile: str, model: str = "") -> list[str]:
    """Why lineups of a profile, or those that carry a model, prove nothing at all."""
    found = []
    for each in ground.traces.lineups:
        if each.file.profile == profile and (not model or model in each.file.models):
            found += [*each.problems, *filter(None, [ground.rewritten(each)])]
    return found


def _why_not(ground: Ground, lineup: LineupTrace, model: ModelTrace, *, whole: bool) -> str:
    """Why a model of a lineup proves nothing; empty where it does."""
    if model.problems or model.stale:
        return "; ".join((*model.problems, *model.stale)[:FIRST_FEW])
    if not model.history.closed:
        return f"{lineup.name}, {model.name}: {' '.join(model.history.summary).strip()}"
    asked = [run for run in model.runs if run.experiment != EXTRACT]
    if missing := set(ground.studies) - {run.study for run in asked}:
        return f"{lineup.name}, {model.name}: was not asked {', '.join(sorted(missing))}"
    if not whole:
        return ""
    for run in asked:
        if not run.whole:
            return f"{run.path}: holds a part of its trials only"
        if not run.input & ground.digests[run.study]:
            return f"{run.path}: asks another table than {ground.path_of(run.study)}"
        if ground.last_freeze is None:
            return "no thresholds are frozen yet, and data that were there before do not count"
        if run.started < ground.first_freeze_time:
            return f"{run.path}: was begun before the thresholds were frozen, on {ground.first_freeze_time[:10]}"
    return ""


def _told(carried: Carrying, good: str) -> ItemFinding:
    """The finding about what was carried: what is missing, or the words for all of it."""
    if carried.lacking:
        reasons = list(carried.lacking.values())
        more = f"; and {len(reasons) - FIRST_FEW} more" if len(reasons) > FIRST_FEW else ""
        return ItemFinding(False, "; ".join(reasons[:FIRST_FEW]) + more, carried.subject, carried.stale)
    return ItemFinding(True, f"{good}: {', '.join(carried.models)}", carried.subject)


@check
def lineup(ground: Ground, profile: str, all: bool = False) -> ItemFinding:
    """A lineup of the profile carried a model, or all of them, and all is as it was."""
    return _told(carrying(ground, profile, all), "carried")


@check
def served(ground: Ground, profile: str, all: bool = False, full: bool = False) -> ItemFinding:
    """The models were served where the profile says; in full precision, or the profile's own next to it."""
    carried = carrying(ground, profile, all)
    for name, (lineup, model) in carried.models.items() if full else ():
        hub = find_hub_model(name)
        serving = {own: each for own, each in hub.profiles.items() if own == lineup.file.profile} if hub else {}
        wanted = {hub.variant(each.variant).served_name for each in serving.values()} if hub else set()
        names = {str(run.model.get("name")) for run in model.runs if run.experiment != EXTRACT}
        if wanted and not names <= wanted:
            return ItemFinding(False, f"{name}: was served as {', '.join(sorted(names))}, not in full precision")
    return _told(carried, "served")


@check
def home(ground: Ground, profile: str, all: bool = False) -> ItemFinding:
    """The data of the models is home, and has the digests that it had when it came."""
    return _told(carrying(ground, profile, all), "home and unaltered")


@check
def answered(ground: Ground, profile: str, all: bool = False, experiment: str = "") -> ItemFinding:
    """No request of the models is left unanswered."""
    carried = carrying(ground, profile, all)
    if carried.lacking:
        return _told(carried, "")
    requests = 0
    for _, model in carried.models.values():
        runs = [run for run in model.runs if not experiment or run.experiment == EXPERIMENTS[experiment]]
        lacking = _studies_for(ground, experiment) - {run.study for run in runs}
        if experiment and lacking:
            return ItemFinding(False, f"{model.folder}: has no {experiment} of {', '.join(sorted(lacking))}")
        for run in runs:
            if run.failed:
                return ItemFinding(False, f"{run.path}: {run.failed} requests failed and have no answer")
            requests += run.answered
    what = f"{requests:,} requests answered" if requests else "all read"
    return ItemFinding(True, f"{what}: {', '.join(carried.models)}", carried.subject)


def _studies_for(ground: Ground, experiment: str) -> set[str]:
    """The studies that have such an experiment."""
    has: dict[str, Callable[[Any], bool]] = {
        "answers": lambda study: bool(study.conversations),
        "scores": lambda study: bool(study.scored),
        "values": lambda study: bool(study.extraction and study.conversations),
    }
    return {name for name, study in ground.studies.items() if experiment and has[experiment](study)}


@check
def sound(ground: Ground, profile: str, all: bool = False, table: str = "") -> ItemFinding:
    """The tables hold together: nothing in them is wrong but what the model says."""
    carried = carrying(ground, profile, all)
    if carried.lacking:
        return _told(carried, "")
    for _, model in carried.models.values():
        for verdict in ground.verdicts_on_model(model):
            if unsound := verdict.unsound(table):
                report = model.folder / f"{verdict.study}_quality" / "quality.html"
                return ItemFinding(False, f"{model.name}, {verdict.study}: {', '.join(unsound)}; see {report}")
    return ItemFinding(True, f"checked anew: {', '.join(carried.models)}", carried.subject)


@check
def judged(ground: Ground, profile: str, all: bool = False) -> ItemFinding:
    """The quality of each model's data is known, good or not."""
    carried = carrying(ground, profile, all)
    if carried.lacking:
        return _told(carried, "")
    words = []
    for _, model in carried.models.values():
        verdicts = ground.verdicts_on_model(model)
        words.append(f"{model.name}: {sum(one.ok for one in verdicts)} of {len(verdicts)} studies passed all checks")
    return ItemFinding(True, "; ".join(words), carried.subject)


@check
def clean(ground: Ground, profile: str = "", all: bool = False) -> ItemFinding:
    """Nothing of the profile's lineups is left running, by their clean-up proofs; of all lineups without a profile."""
    if profile:
        return _told(carrying(ground, profile, all), "nothing left")
    if not ground.traces.lineups:
        return ItemFinding(False, "no lineup yet")
    for each in ground.traces.lineups:
        for model in each.models:
            left = model.history.facts.get(Step.PROVE_GONE, {}).get("left")
            if model.history.last and not (model.history.done(Step.PROVE_GONE) and left == []):
                return ItemFinding(
                    False, f"{each.name}, {model.name}: is not proven gone; `grace lineup status {each.name}`"
                )
    return ItemFinding(True, f"{len(ground.traces.lineups)} lineups left nothing")


@check
def asked(ground: Ground, profile: str, experiment: str) -> ItemFinding:
    """Each study was asked here: in a lineup of the profile, or in a run in outputs/."""
    kind, wanted = EXPERIMENTS[experiment], _studies_for(ground, experiment)
    found: dict[str, str] = {}
    doubts: list[str] = []
    stale = False
    for run in _runs_of(ground, ground.profile(profile)):
        if run.experiment != kind or run.study not in wanted:
            continue
        why = (*run.problems, *run.stale, *_run_doubts(ground, run))
        if why:
            doubts.append(why[0])
            stale |= bool(run.stale)
        else:
            found[run.study] = ground.name_of(run.path)
    if missing := sorted(wanted - set(found)):
        reasons = "; ".join(dict.fromkeys((*doubts, *ground.traces.unreadable)))
        return ItemFinding(False, reasons or f"{', '.join(missing)}: not asked yet", stale=stale)
    return ItemFinding(True, ", ".join(found.values()), ", ".join(found.values()))


def _runs_of(ground: Ground, profile: str) -> Iterator[RunTrace]:
    yield from ground.traces.runs
    for each in ground.lineups(profile):
        for model in each.models:
            if not model.problems:
                yield from model.runs


def _run_doubts(ground: Ground, run: RunTrace) -> Iterator[str]:
    """What speaks against a run outside of lineups: its table, and what the evidence has of it."""
    if LINEUPS in run.path.parts:
        return
    if not run.table.is_file():
        yield f"{run.table}: the table of {run.path} is gone; `grace export {run.path}` makes it again"
        return
    if why := ground.altered(run):
        yield why
    siblings = tuple(other for other in ground.traces.runs if other.path.parent == run.path.parent)
    for verdict in ground.verdicts_of(run.path.parent, siblings):
        if run.path.name in verdict.runs and (unsound := verdict.unsound()):
            yield f"{run.path}: {', '.join(unsound)} failed"
