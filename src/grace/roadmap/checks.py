"""The checks of items: small functions that look at a project's ground, each found by its name in phases.yaml.

A check takes the ground and its arguments from phases.yaml, and gives a `ItemFinding`. A new one is a function marked
`@check`.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import orjson

from grace.errors import GraceError, InputError
from grace.files import sha256_of
from grace.lineup.journal import Step
from grace.manifest import EXTRACT, GENERATE, SCORE
from grace.models.files import find_model
from grace.roadmap.evidence import EvidenceEntry, Kind
from grace.roadmap.ground import Ground
from grace.roadmap.traces import LINEUPS, OUTPUTS, LineupTrace, ModelTrace, RunTrace
from grace.table_files import open_table

EXPERIMENTS = {"answers": GENERATE, "scores": SCORE, "values": EXTRACT}
FIRST_FEW = 2
"""The most problems that one line names."""


@dataclass(frozen=True)
class ItemFinding:
    """What a check found.

    Attributes:
        met: whether the item is proven.
        text: what was found, or what is missing.
        subject: the lineup or run that proves it, as the evidence names it.
        stale: it was proven once, and something changed since.
    """

    met: bool
    text: str
    subject: str = ""
    stale: bool = False


Check = Callable[..., ItemFinding]
CHECKS: dict[str, Check] = {}


def check(function: Check) -> Check:
    """Make a function the check of its name."""
    CHECKS[function.__name__.strip("_")] = function
    return function


def look(ground: Ground, called: Mapping[str, Mapping[str, Any]]) -> ItemFinding:
    """Run the check that an item calls. Raises InputError where phases.yaml or grace.yaml names none."""
    (name, arguments), *_ = called.items()
    if name not in CHECKS:
        raise InputError(f"roadmap: there is no check {name!r} ({', '.join(CHECKS)})")
    try:
        return CHECKS[name](ground, **arguments)
    except GraceError as error:
        return ItemFinding(False, str(error))
    except TypeError as error:
        raise InputError(f"roadmap: check {name}: {error}") from None


# --- this machine


@check
def program(ground: Ground, names: Sequence[str]) -> ItemFinding:
    """One of some programs is on the path."""
    there = next(filter(shutil.which, names), None)
    return ItemFinding(bool(there), f"{there} is here" if there else f"none of {', '.join(names)} is here")


@check
def python(ground: Ground) -> ItemFinding:
    """This Python, in an environment of its own."""
    version = ".".join(map(str, sys.version_info[:3]))
    return ItemFinding(sys.version_info >= (3, 11), f"Python {version}")


@check
def installed(ground: Ground, packages: Sequence[str]) -> ItemFinding:
    """Some packages can be imported."""
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    return ItemFinding(not missing, f"{', '.join(missing)} missing" if missing else f"{', '.join(packages)} installed")


@check
def hub_token(ground: Ground) -> ItemFinding:
    """A token of the model hub is set, or stored where the hub's own tool stores it. It is not read."""
    home = Path(os.environ.get("HF_HOME", Path.home() / ".cache" / "huggingface"))
    stored = Path(os.environ.get("HF_TOKEN_PATH", home / "token"))
    there = bool(os.environ.get("HF_TOKEN")) or stored.is_file()
    return ItemFinding(there, "a token is there" if there else f"neither HF_TOKEN nor {stored} is there")


@check
def model_file(ground: Ground) -> ItemFinding:
    """The file of the model that stands in here."""
    names = ground.models_of("local")
    for name in names:
        find_model(str(ground.folder / name) if name.endswith(".gguf") else name)
    return ItemFinding(True, f"{', '.join(names)}: here")


@check
def kubeconfig(ground: Ground) -> ItemFinding:
    """A kubeconfig is there; it is not read."""
    paths = [Path(part) for part in os.environ.get("KUBECONFIG", "").split(os.pathsep) if part]
    there = next((path for path in (*paths, Path.home() / ".kube" / "config") if path.is_file()), None)
    return ItemFinding(bool(there), f"{there}" if there else "neither KUBECONFIG nor ~/.kube/config is there")


@check
def file(ground: Ground, names: Sequence[str]) -> ItemFinding:
    """Some files of the project."""
    missing = [name for name in names if not (ground.folder / name).exists()]
    return ItemFinding(not missing, f"{', '.join(missing)} missing" if missing else f"{', '.join(names)}: there")


@check
def repository(ground: Ground, committed: bool = False) -> ItemFinding:
    """The project is in a git repository; with a commit."""
    arguments = ["rev-parse", "HEAD" if committed else "--git-dir"]
    try:
        done = subprocess.run(["git", "-C", str(ground.folder), *arguments], capture_output=True, timeout=10)
        good = done.returncode == 0
    except (OSError, subprocess.SubprocessError):
        good = False
    what = "a commit" if committed else "a git repository"
    return ItemFinding(good, f"{what} is there" if good else f"there is no {what[2:]}")


@check
def ignored(ground: Ground, names: Sequence[str]) -> ItemFinding:
    """Names that .gitignore keeps out."""
    path = ground.folder / ".gitignore"
    lines = path.read_text(errors="replace").split() if path.is_file() else []
    plain = {line.strip("/") for line in lines}
    missing = [name for name in names if name.strip("/") not in plain]
    return ItemFinding(not missing, f"{path.name} lacks {', '.join(missing)}" if missing else "kept out")


@check
def dockerfiles(ground: Ground) -> ItemFinding:
    """Dockerfiles of the project or of Grace's repository."""
    there = sorted(ground.folder.glob("docker/*/Dockerfile"))
    return ItemFinding(bool(there), f"{len(there)} Dockerfiles" if there else "no docker/*/Dockerfile here")


@check
def tables_fit(ground: Ground) -> ItemFinding:
    """Each study's table is there, has rows, and has the study's columns."""
    words = []
    for (named, path), study in zip(ground.tables.items(), ground.studies.values(), strict=True):
        if not path.is_file():
            return ItemFinding(False, f"{path}: is not there; it is the table of {named}")
        with open_table(path) as table:
            study.check_columns(table.columns, path)
            if not len(table):
                return ItemFinding(False, f"{path}: has no rows")
            words.append(f"{study.name}: {len(table):,} trials")
    return ItemFinding(True, ", ".join(words))


# --- what lineups and runs left


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
                lacking.setdefault(name, f"{name}: no lineup of the profile {profile} carried it")
        models = {name: each for name, each in models.items() if name in wanted or not wanted}
        lacking = {name: why for name, why in lacking.items() if name in wanted}
    elif models:
        lacking = {}
    elif not lacking:
        broken = [*ground.traces.unreadable]
        for each in ground.traces.lineups:
            if each.file.profile == profile:
                broken += [*each.problems, ground.rewritten(each)]
        reasons = "; ".join(filter(None, broken[:FIRST_FEW]))
        lacking[profile] = reasons or f"no lineup of the profile {profile} yet"
    return Carrying(models, lacking, stale)


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
def served(ground: Ground, profile: str, all: bool = False) -> ItemFinding:
    """The models were served where the profile says."""
    return _told(carrying(ground, profile, all), "served")


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
        "scores": lambda study: bool(study.questions),
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


# --- what was written, said and decided


@check
def written(ground: Ground, names: Sequence[str]) -> ItemFinding:
    """A file of one of these names is in outputs/ or beside lineups, younger than the data that it is about."""
    newest = max(
        (run.ended for each in ground.lineups(ground.final) for m in each.models for run in m.runs), default=""
    )
    folders = [ground.folder / OUTPUTS, ground.folder / LINEUPS]
    candidates = [path for folder in folders if folder.is_dir() for path in folder.rglob("*") if path.is_file()]
    fitting = [
        path for path in candidates if any(fnmatch(path.as_posix(), f"*/{name.removeprefix('**/')}") for name in names)
    ]
    for path in sorted(fitting):
        made = datetime.fromtimestamp(path.stat().st_mtime, UTC).isoformat().replace("+00:00", "Z")
        if path.stat().st_size and made >= newest:
            return ItemFinding(True, ground.name_of(path))
    if fitting:
        return ItemFinding(False, f"{ground.name_of(fitting[0])}: is older than the data", stale=True)
    return ItemFinding(False, f"no {' or '.join(names)} in {OUTPUTS}/ yet")


@check
def compared(ground: Ground) -> ItemFinding:
    """A comparison of two models or runs was made."""
    for folder in (OUTPUTS, LINEUPS):
        for path in sorted((ground.folder / folder).rglob("compare.json")):
            try:
                content = orjson.loads(path.read_bytes())
                return ItemFinding(True, f"{ground.name_of(path)}: {content['sentence']}")
            except (OSError, ValueError, LookupError, TypeError):
                continue
    return ItemFinding(False, f"no compare.json in {OUTPUTS}/ or {LINEUPS}/ yet; `grace compare RUN RUN` writes one")


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
    """A person decided after a phase."""
    entry = None if ground.evidence.fault else ground.evidence.last(Kind.DECISION, str(phase))
    if entry is None:
        return ItemFinding(False, "nobody decided yet")
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


@check
def manifests(ground: Ground, profile: str, folder: str) -> ItemFinding:
    """Manifests of the profile are there and break no rule of the cluster."""
    from grace.policy.check import check_manifests
    from grace.policy.cluster_file import load_cluster
    from grace.policy.reading import survey

    place = ground.folder / folder
    if not any(place.glob("*.yaml")):
        return ItemFinding(False, f"no manifests in {folder}/")
    reading = survey([place])
    report = check_manifests(
        reading.manifests, load_cluster(ground.project.content.cluster or "nrp"), reading.unread, reading.generated
    )
    good = not report.refuses(strict=False)
    return ItemFinding(
        good, f"{folder}/: {'break no rule' if good else f'`grace cluster check {folder}` names errors'}"
    )


@check
def archive(ground: Ground) -> ItemFinding:
    """An archive was made, read back and verified."""
    entry = None if ground.evidence.fault else ground.evidence.last(Kind.ARCHIVE)
    if entry is None:
        return ItemFinding(False, "no archive was verified yet")
    return ItemFinding(True, f"{entry.name}, {entry.time[:10]}: {entry.subject}")
