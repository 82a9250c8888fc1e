"""Traces: what runs and lineups left behind in a project, each looked at anew, and why it may prove nothing."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

from grace.endpoints.client import base_url, without_userinfo
from grace.endpoints.serving import EMBEDDED
from grace.errors import GraceError, InputError
from grace.files import FileList, sha256_of
from grace.ledger import Record, replay
from grace.lineup.folder import LIST, LineupFolder
from grace.lineup.journal import History, Step, histories
from grace.lineup.lineup_file import LineupFile
from grace.manifest import EXTRACT, GENERATE, SCORE, Experiment
from grace.models.catalogue import HubModel, find_hub_model, hub_models, profile
from grace.record_shapes import FIELDS, SCORES, TRIALS
from grace.runs import Run
from grace.stages.related import table_of
from grace.studies.study import Study
from grace.version import __version__

LINEUPS, OUTPUTS = "lineups", "outputs"
DEEP = 3
"""Folders below outputs/ in which runs are looked for."""
SLACK = timedelta(minutes=10)
"""How far the clocks of two machines may be apart."""


def behaviour(version: str) -> str:
    """The part of a version that changes when answers may: 0.3.1 behaves as 0.3.0, 2.4 as 2.0."""
    parts = version.split(".")
    return ".".join(parts[:2]) if parts[0] == "0" else parts[0]


@dataclass(frozen=True)
class RunTrace:
    """A run, as it is now.

    Attributes:
        path: its folder.
        id: the run's own; a copy of a run has the same.
        study, experiment, model: what it holds, and of whom.
        whole: whether all rows of its table were asked.
        answered, failed: requests by how they ended last.
        input: digests by which its table is recognised.
        endpoints: who answered: addresses, or EMBEDDED for a server of this machine.
        started, ended: of its sessions, the earliest and the latest time.
        files: digests of its files, by name.
        problems: why it proves nothing.
        stale: what changed since it was made.
    """

    path: Path
    id: str
    study: str
    experiment: Experiment
    model: Mapping[str, Any]
    whole: bool
    answered: int
    failed: int
    input: frozenset[str]
    endpoints: frozenset[str]
    started: str
    ended: str
    files: Mapping[str, str]
    problems: tuple[str, ...]
    stale: tuple[str, ...]

    @property
    def table(self) -> Path:
        """The table that was last made of it."""
        return table_of(Run(self.path))


SHAPES = {GENERATE: TRIALS, SCORE: SCORES, EXTRACT: FIELDS}
"""The records of a run, by what it holds."""


class LastAnswers:
    """Whether each request of a ledger was answered in the end, by its key; and the rows that any was about."""

    def __init__(self) -> None:
        self.by_key: dict[str, bool] = {}
        self.rows: set[int] = set()

    def add(self, offset: int, record: Record) -> None:
        """Take one record in."""
        self.by_key[str(record["key"])] = record["status"] != "failed"
        self.rows.update(record.get("rows") or ())


def run_trace(run: Run, studies: Mapping[str, Study]) -> RunTrace:
    """Look at a run. Raises InputError, LedgerCorrupt for one that cannot be read."""
    identity, sessions = run.identity, run.sessions
    answers = replay(run.ledger, LastAnswers, SHAPES[identity.experiment].fault)
    last = answers.by_key
    names = ("run.json", "ledger.jsonl", "input.csv", "study.yaml")
    files = {name: sha256_of(run.path / name) for name in names if (run.path / name).is_file()}
    times = sorted(time for each in sessions for time in (each.started, each.ended) if time)
    problems, stale = [], []
    if not times or (identity.experiment != EXTRACT and not any(last.values())):
        problems.append(f"{run.path}: is empty: nothing was answered")
    if identity.input.sha256 and files.get("input.csv") != identity.input.sha256:
        problems.append(f"{run.path / 'input.csv'}: is not the table that was asked about")
    if identity.study not in studies:
        problems.append(f"{run.path}: asks the study {identity.study}, which is none of this project's")
    elif files.get("study.yaml") != studies[identity.study].sha256:
        stale.append(f"{run.path}: the study {identity.study} or its prompts changed since")
    stale += _stale_versions(run)
    return RunTrace(
        path=run.path,
        id=run.manifest.id or "",
        study=identity.study,
        experiment=identity.experiment,
        model=identity.model,
        whole=min(run.scope.rows, len(answers.rows)) >= identity.input.rows > 0,
        answered=sum(last.values()),
        failed=len(last) - sum(last.values()),
        input=frozenset(digest for digest in (identity.input.sha256, identity.input.source) if digest),
        endpoints=frozenset(each.endpoint for each in sessions if each.endpoint),
        started=times[0] if times else "",
        ended=times[-1] if times else "",
        files=files,
        problems=tuple(problems),
        stale=tuple(stale),
    )


def _stale_versions(run: Run) -> Iterator[str]:
    """What changed since: Grace's behaviour, or the revision of the model that the catalogue names."""
    for version in {each.grace for each in run.sessions if each.grace}:
        if behaviour(version) != behaviour(__version__):
            yield f"{run.path}: was made by Grace {version}, and {__version__} behaves differently"
    name, revision = run.identity.model.get("name"), run.identity.model.get("revision")
    for model in hub_models().values():
        for variant in model.variants:
            if variant.served_name == name and variant.revision and revision and revision != variant.revision:
                yield f"{run.path}: {name} is pinned to revision {variant.revision[:12]} now; it has {revision[:12]}"


@dataclass(frozen=True)
class ModelTrace:
    """A model of a lineup.

    Attributes:
        name, folder: as the lineup has them.
        history: what the journal says.
        runs: its runs.
        problems, stale: why it proves nothing.
    """

    name: str
    folder: Path
    history: History
    runs: tuple[RunTrace, ...]
    problems: tuple[str, ...]
    stale: tuple[str, ...]

    @property
    def proves(self) -> bool:
        """Whether it was carried, and all of it is as it was."""
        return self.history.closed and not self.problems and not self.stale


@dataclass(frozen=True)
class LineupTrace:
    """A lineup, as it is now.

    Attributes:
        folder: on disk.
        file: what was asked.
        models: in order.
        journal: digest of the journal, and its size in bytes.
        problems: why none of it proves anything.
    """

    folder: LineupFolder
    file: LineupFile
    models: tuple[ModelTrace, ...]
    journal: tuple[str, int]
    problems: tuple[str, ...]

    @property
    def name(self) -> str:
        """Its folder's name."""
        return self.folder.path.name


def lineup_trace(path: Path, studies: Mapping[str, Study], rehearsal: bool) -> LineupTrace:
    """Look at a lineup's folder. Raises InputError, LedgerCorrupt for one that cannot be read."""
    folder = LineupFolder(path)
    file, journal = folder.lineup, histories(folder.journal)
    content = folder.journal.read_bytes() if folder.journal.is_file() else b""
    models = tuple(_model_trace(folder, name, journal.get(name, History()), studies) for name in file.models)
    problems = []
    if strangers := sorted(set(journal) - set(file.models)):
        problems.append(f"{folder.journal}: is about {', '.join(strangers)}, which this lineup does not carry")
    if not rehearsal:
        problems += _place_problems(file, models)
    problems += _shared_folders(models)
    return LineupTrace(folder, file, models, (hashlib.sha256(content).hexdigest(), len(content)), tuple(problems))


def _place_problems(file: LineupFile, models: Sequence[ModelTrace]) -> Iterator[str]:
    """Whether the models were asked where the profile says, and each under its own name."""
    where = profile(file.profile)
    for model in models:
        hub = find_hub_model(model.name) if where.gpus else None
        names = _served_names(hub, file) if hub else {model.name}
        for run in model.runs:
            if run.experiment == EXTRACT:
                continue
            if not where.embedded and EMBEDDED in run.endpoints:
                yield f"{run.path}: was asked on this machine, which is not the profile {file.profile}"
            elif where.embedded and run.endpoints != {EMBEDDED}:
                yield f"{run.path}: was not asked on this machine alone, which is the profile {file.profile}"
            elif file.endpoint and run.endpoints != {address := without_userinfo(base_url(file.endpoint.url))}:
                yield f"{run.path}: was asked at {', '.join(sorted(run.endpoints))}, not at {address} alone"
            elif run.model.get("name") not in names:
                yield f"{run.path}: holds answers of {run.model.get('name')}, not of {model.name}"


def _served_names(hub: HubModel, file: LineupFile) -> set[str]:
    """The names under which a profile serves a model: those of its own weights, and of others that were asked for."""
    asked = file.place.variant if file.place else None
    own = [serving.variant for name, serving in hub.profiles.items() if name == file.profile]
    return {variant.served_name for variant in hub.variants if variant.name in (*own, asked)}


def _shared_folders(models: Sequence[ModelTrace]) -> Iterator[str]:
    """Models whose data would be one: each has a folder of its own."""
    folders: dict[Path, str] = {}
    for model in models:
        other = folders.setdefault(model.folder, model.name)
        if other != model.name:
            yield f"{model.folder}: is that of both {other} and {model.name}"


def _model_trace(folder: LineupFolder, name: str, history: History, studies: Mapping[str, Study]) -> ModelTrace:
    own = folder.model(name)
    runs, problems = [], []
    for path in sorted(own.glob("*.run")):
        try:
            runs.append(run_trace(Run(path), studies))
        except GraceError as error:
            problems.append(str(error))
    problems += [problem for run in runs for problem in run.problems]
    if history.closed:
        problems += _list_problems(own, history, runs)
        problems += _time_problems(folder, history, runs)
        problems += _clean_problems(folder, own, history)
    stale = tuple(each for run in runs for each in run.stale)
    return ModelTrace(name, own, history, tuple(runs), tuple(problems), stale)


def _list_problems(own: Path, history: History, runs: Sequence[RunTrace]) -> Iterator[str]:
    """Whether the data is that which came home."""
    files, noted = FileList.read(own, own / LIST), history.facts.get(Step.FETCH, {})
    if not files.entries:
        yield f"{own / LIST}: is missing or empty"
    elif files.sha256 != noted.get("sha256"):
        yield f"{own / LIST}: is not the list that the journal noted"
    for altered in files.altered()[:3]:
        yield f"{own / altered}: was changed or removed since it came home"
    asked = [run for run in runs if run.experiment != EXTRACT]
    for run in asked:
        if f"{run.path.name}/ledger.jsonl" not in files.entries:
            yield f"{run.path}: did not come home with the others"
    if not asked:
        yield f"{own}: has no run"


def _time_problems(folder: LineupFolder, history: History, runs: Sequence[RunTrace]) -> Iterator[str]:
    """Whether the runs were made while this journal's visit went on."""
    begun, ended = (_time(text) for text in history.times[Step.VISIT])
    for run in runs:
        if (
            run.experiment != EXTRACT
            and run.started
            and not (begun - SLACK <= _time(run.started) and _time(run.ended) <= ended + SLACK)
        ):
            yield f"{run.path}: was made {run.started}, and not in the visit of {folder.journal}"


def _clean_problems(folder: LineupFolder, own: Path, history: History) -> Iterator[str]:
    """Whether the proof of the clean-up says that nothing is left."""
    try:
        proof = orjson.loads(folder.cleanup.read_bytes())[own.name]
        left, looked = proof["left"], _time(proof["looked"])
    except (OSError, ValueError, LookupError, TypeError):
        yield f"{folder.cleanup}: has no proof for {own.name}"
        return
    if left:
        yield f"{folder.cleanup}: {own.name} left {', '.join(map(str, left[:3]))}"
    elif looked + SLACK < _time(history.times[Step.VISIT][1]):
        yield f"{folder.cleanup}: is older than the visit of {own.name}"


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


@dataclass(frozen=True)
class Traces:
    """All that is looked at in a project.

    Attributes:
        runs: those in outputs/, beside lineups.
        lineups: those in lineups/.
        unreadable: what could not be looked at, and why.
    """

    runs: tuple[RunTrace, ...]
    lineups: tuple[LineupTrace, ...]
    unreadable: tuple[str, ...]

    @classmethod
    def of(cls, folder: Path, studies: Mapping[str, Study], rehearsal: bool, first: Mapping[str, str]) -> "Traces":
        """Look at a project's folder.

        Args:
            folder: the project's.
            studies: its studies, by name.
            rehearsal: whether profiles with GPUs run on this machine.
            first: where runs were seen first, by their ids: a run of the same id elsewhere is a copy.
        """
        runs, lineups, unreadable = [], [], []
        for path in _run_folders(folder / OUTPUTS):
            try:
                _check_inside(path, folder)
                runs.append(run_trace(Run(path), studies))
            except GraceError as error:
                unreadable.append(str(error))
        for path in sorted((folder / LINEUPS).glob("*/lineup.yaml")):
            try:
                _check_inside(path.parent, folder)
                lineups.append(lineup_trace(path.parent, studies, rehearsal))
            except (GraceError, ValueError) as error:
                unreadable.append(str(error) if isinstance(error, GraceError) else f"{path.parent}: {error}")
        copies = _copies([*runs, *(run for each in lineups for model in each.models for run in model.runs)], first)
        return cls(
            tuple(_marked(run, copies) for run in runs),
            tuple(
                replace(
                    each,
                    models=tuple(
                        replace(
                            model, problems=(*model.problems, *(copies[r.path] for r in model.runs if r.path in copies))
                        )
                        for model in each.models
                    ),
                )
                for each in lineups
            ),
            tuple(unreadable),
        )


def _check_inside(path: Path, folder: Path) -> None:
    """Raises InputError for a link to another project's data."""
    if not path.resolve().is_relative_to(folder.resolve()):
        raise InputError(f"{path}: leads out of the project, where it proves nothing")


def _copies(runs: Sequence[RunTrace], first: Mapping[str, str]) -> dict[Path, str]:
    """The runs that are there twice, but for the one that was seen first, each with what to say of it."""
    places: dict[str, list[Path]] = {}
    for run in runs:
        if run.id:
            places.setdefault(run.id, [])
            places[run.id] += [] if run.path in places[run.id] else [run.path]
    return {
        path: f"{path}: is a copy: the same run is {next(other for other in paths if other != path)}"
        for id, paths in places.items()
        if len(paths) > 1
        for path in paths
        if str(path) != first.get(id)
    }


def _marked(run: RunTrace, copies: Mapping[Path, str]) -> RunTrace:
    return replace(run, problems=(*run.problems, copies[run.path])) if run.path in copies else run


def _run_folders(outputs: Path) -> Iterator[Path]:
    for depth in range(1, DEEP + 1):
        yield from sorted(path.parent for path in outputs.glob("*/" * depth + "run.json"))


def extends(path: Path, noted: Mapping[str, Any]) -> bool:
    """Whether an append-only file still begins as it did when its digest and size were noted."""
    try:
        with open(path, "rb") as file:
            return hashlib.sha256(file.read(noted["bytes"])).hexdigest() == str(noted["sha256"])
    except OSError:
        return False
