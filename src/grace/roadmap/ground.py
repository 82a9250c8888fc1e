"""The ground that a roadmap stands on: project, phases, evidence, traces, and the words that fill its commands."""

import hashlib
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import count
from pathlib import Path

import orjson

from grace.declared import read
from grace.errors import GraceError
from grace.files import sha256_of
from grace.lineup.folder import LineupFolder
from grace.manifest import EXTRACT
from grace.models.catalogue import models_of as catalogue_models
from grace.models.catalogue import profiles
from grace.project import FILE, Project, find_project
from grace.project_file import ProjectFile
from grace.roadmap.evidence import FILE as EVIDENCE
from grace.roadmap.evidence import Evidence, EvidenceEntry, Kind
from grace.roadmap.phases import Phases, Road, RoadName, plan_of
from grace.roadmap.traces import LINEUPS, LineupTrace, ModelTrace, RunTrace, Traces, extends
from grace.roadmap.verdicts import StudyVerdict, verdicts_on
from grace.runs import Run
from grace.stages.visit_file import Experiment, VisitFile
from grace.studies.study import Study, load_study

TABLES = {"study1": "data/study1.csv", "study2": "data/study2.csv"}
"""The studies of a folder without a project's file, with their tables."""
MONTH = timedelta(days=30)
YOUR_NOTE = "WRITE WHAT YOU SAW"
"""Stands in printed commands where a person has to write; it is refused as a note."""
REHEARSED = "rehearsal"


@dataclass(frozen=True)
class Ground:
    """What can be known of a project; what takes time is looked at when it is first asked for."""

    project: Project

    @classmethod
    def here(cls) -> "Ground":
        """That of the current folder, with or without a grace.yaml. Raises InputError."""
        return cls.around(Path.cwd() / FILE) or cls(Project(Path.cwd() / FILE, ProjectFile()))

    @classmethod
    def around(cls, path: Path) -> "Ground | None":
        """That of the project which a path lies in: the first folder upwards with a grace.yaml or with evidence."""
        for folder in path.absolute().parents:
            if (folder / FILE).is_file():
                project = find_project(folder)
                return cls(project) if project else None
            if (folder / EVIDENCE).is_file():
                return cls(Project(folder / FILE, ProjectFile()))
        return None

    @property
    def folder(self) -> Path:
        """The project's folder."""
        return self.project.folder

    @property
    def rehearsal(self) -> bool:
        """Whether all of it is a rehearsal."""
        return self.project.content.rehearsal

    @cached_property
    def plan(self) -> Phases:
        """The phases, with the project's changes."""
        return plan_of(self.project.content.roadmap)

    @cached_property
    def evidence(self) -> Evidence:
        """The chain, verified."""
        return Evidence.read(self.folder, self.rehearsal)

    @property
    def road_name(self) -> RoadName:
        """The road that was chosen last; else that of the cluster."""
        entry = None if self.evidence.fault else self.evidence.last(Kind.ROAD)
        name = entry.subject if entry else "cluster"
        return name if name in self.plan.roads else "cluster"  # type: ignore[return-value]

    @property
    def road(self) -> Road:
        """The road."""
        return self.plan.roads[self.road_name]

    @cached_property
    def tables(self) -> Mapping[str, Path]:
        """The table of each study, by the study's name or file."""
        if self.project.content.studies:
            return self.project.tables
        return {name: self.folder / path for name, path in TABLES.items()}

    @cached_property
    def studies(self) -> Mapping[str, Study]:
        """The studies by name. Raises InputError for one that cannot be read."""
        return {study.name: study for study in map(load_study, self.tables)}

    @cached_property
    def traces(self) -> Traces:
        """What runs and lineups left behind."""
        first: dict[str, str] = {}
        for entry in self.evidence.of(Kind.LINEUP):
            for model in entry.facts.get("models", {}).values():
                for run, facts in model["runs"].items():
                    first.setdefault(facts["id"], str(self.folder / entry.subject / model["folder"] / run))
        for entry in self.evidence.of(Kind.RUN):
            first.setdefault(entry.facts["id"], str(self.folder / entry.subject))
        return Traces.of(self.folder, self.studies, self.rehearsal, first)

    def profile(self, name: str) -> str:
        """The profile that stands on this road for another."""
        return self.road.instead.get(name, name)

    def models_of(self, profile: str) -> tuple[str, ...]:
        """The models of a profile: the project's, else the catalogue's."""
        own = self.project.content.profiles.get(profile)
        if own:
            return own.models
        described = profiles().get(profile)
        if described and described.endpoint:
            return (self.project.content.model,) if self.project.content.model else ()
        return tuple(catalogue_models(described)) if described else ()

    @cached_property
    def last_freeze(self) -> EvidenceEntry | None:
        """The latest freeze of thresholds."""
        return None if self.evidence.fault else self.evidence.last(Kind.FREEZE)

    @property
    def first_freeze_time(self) -> str:
        """When thresholds were frozen first; later freezes are deviations."""
        return self.evidence.of(Kind.FREEZE)[0].time

    @cached_property
    def digests(self) -> Mapping[str, frozenset[str]]:
        """SHA-256 of each study's table, by the study's name."""
        tables = zip(self.studies, self.tables.values(), strict=True)
        return {name: frozenset([sha256_of(path)] if path.is_file() else []) for name, path in tables}

    def path_of(self, study: str) -> Path:
        """A study's table."""
        return dict(zip(self.studies, self.tables.values(), strict=True))[study]

    # What was seen of lineups

    def rewritten(self, trace: LineupTrace) -> str:
        """Why a lineup is not the one that the evidence has; empty where it is, or is not there yet."""
        entry = None if self.evidence.fault else self.evidence.last(Kind.LINEUP, self.name_of(trace.folder.path))
        if entry and not extends(trace.folder.journal, entry.facts["journal"]):
            return f"{trace.folder.journal}: was rewritten since {entry.name}"
        own = {run.id for model in trace.models for run in model.runs if run.id}
        for entry in [] if self.evidence.fault else self.evidence.of(Kind.LINEUP):
            seen = {run["id"] for model in entry.facts["models"].values() for run in model["runs"].values()}
            if entry.facts["profile"] != trace.file.profile and own & seen:
                return f"{trace.folder.path}: its runs are those of the profile {entry.facts['profile']} ({entry.name})"
        return ""

    def altered(self, run: RunTrace) -> str:
        """Why a run outside of lineups is not the one that the evidence has; empty where it is, or is not there yet."""
        entry = None if self.evidence.fault else self.evidence.last(Kind.RUN, self.name_of(run.path))
        ledger = Run(run.path).ledger
        if entry and entry.facts["ledger"] and not extends(ledger, entry.facts["ledger"]):
            return f"{ledger}: was rewritten since {entry.name}"
        return ""

    def lineups(self, profile: str) -> list[LineupTrace]:
        """The lineups of a profile that hold together, the latest last."""
        fitting = [
            each
            for each in self.traces.lineups
            if each.file.profile == profile and not each.problems and not self.rewritten(each)
        ]
        return sorted(
            fitting, key=lambda each: max((run.ended for model in each.models for run in model.runs), default="")
        )

    @cached_property
    def verdicts(self) -> "dict[Path, tuple[StudyVerdict, ...]]":
        """The verdicts so far, by the folder of their runs."""
        return {}

    def verdicts_of(self, folder: Path, runs: tuple[RunTrace, ...]) -> tuple[StudyVerdict, ...]:
        """The verdicts on the runs of a folder, from the evidence where nothing changed since, else made now."""
        if folder not in self.verdicts:
            noted: dict[str, StudyVerdict] = {}
            for entry in [] if self.evidence.fault else self.evidence.of(Kind.LINEUP):
                for model in entry.facts.get("models", {}).values():
                    if self.folder / entry.subject / model["folder"] == folder:
                        noted = {each["study"]: StudyVerdict.of(each) for each in model.get("verdicts", ())}
            self.verdicts[folder] = verdicts_on(runs, self.project.content.thresholds, noted)
        return self.verdicts[folder]

    def verdicts_on_model(self, model: ModelTrace) -> tuple[StudyVerdict, ...]:
        """The verdicts on a model of a lineup."""
        return self.verdicts_of(model.folder, model.runs)

    def name_of(self, path: Path) -> str:
        """A path as the evidence names it: from the project's folder."""
        return path.resolve().relative_to(self.folder.resolve()).as_posix()

    def leaves_out(self, item: str) -> str:
        """Why the project leaves an item or its task out; empty where it does not."""
        left_out = self.project.content.roadmap.leave_out
        return left_out.get(item) or left_out.get(item.rpartition(".")[0]) or ""

    def experiments(self, profile: str) -> tuple[Experiment, ...]:
        """What a lineup of a profile is to be asked: an endpoint without probabilities answers, and no more."""
        return (1,) if profile == "api" and self.leaves_out("2.4.1") else (1, 2)

    def data(self, profile: str) -> str:
        """Digest of all that lineups of a profile prove: their runs, each with its answers."""
        runs = {
            run.id: run.files.get("ledger.jsonl")
            for each in self.lineups(profile)
            for model in each.models
            for run in model.runs
            if model.proves and run.experiment != EXTRACT
        }
        return hashlib.sha256(orjson.dumps(runs, option=orjson.OPT_SORT_KEYS)).hexdigest()

    # Words of commands

    def filled(self, text: str) -> str:
        """A command of phases.yaml with its placeholders replaced."""
        for name, value in self._words.items():
            text = text.replace("{" + name + "}", value)
        return text

    @cached_property
    def note(self) -> str:
        """What a printed command says in a person's place."""
        return REHEARSED if self.rehearsal else YOUR_NOTE

    @cached_property
    def _words(self) -> dict[str, str]:
        given = (
            ""
            if self.project.content.studies
            else "".join(
                f" --study {shlex.quote(f'{name}={path.relative_to(self.folder)}')}"
                for name, path in self.tables.items()
            )
        )
        profile = self.profile("rtx3090")
        first = next(iter(self.models_of(profile)), "MODEL")
        stand_in = next(iter(self.models_of("local")), "MODEL")
        every = "local-all" if profile == "local" else profile
        return {
            "note": self.note,
            "first": first,
            "stand_in": stand_in,
            "month_ahead": (datetime.now(UTC) + MONTH).date().isoformat(),
            "run_local": self._run("local", "local", limit=10) + given,
            "run_first": self._run("rtx3090", "rtx3090-first", (first,), limit=10) + given,
            "run_all": self._run(profile, every) + given,
            "run_a100": self._run("a100", "a100") + given,
            "decide": f'grace roadmap decide 2 --go --note "{self.note}"'
            if self.page_holds
            else "grace roadmap decide 2",
            "report": f"grace report {self._runs} --out outputs/report.html",
            "paper": f"grace paper {self._runs} --out outputs/paper --force",
            "compare": f"grace compare {self._pair}",
        }

    def _run(self, profile: str, name: str, models: tuple[str, ...] = (), limit: int | None = None) -> str:
        """The command that carries a lineup, or goes on with it; of another name where one of this is of no use."""
        wanted = models or self.models_of(profile)
        names = (f"{name}-{number}" if number > 1 else name for number in count(1))
        free = next(each for each in names if self._goes_on(each, profile, wanted, limit))
        command = f"grace lineup run --profile {profile}"
        command += f" --models {','.join(models)}" if models else ""
        command += " --experiment 1" if self.experiments(profile) == (1,) else ""
        command += f" --limit {limit}" if limit else ""
        return command + (f" --name {free}" if free != profile else "")

    def _goes_on(self, name: str, profile: str, models: tuple[str, ...], limit: int | None) -> bool:
        """Whether the command of a lineup would begin it, or go on with it, and what is there already counts."""
        folder = LineupFolder(self.folder / LINEUPS / name)
        if not folder.file.is_file():
            return True
        trace = next((each for each in self.traces.lineups if each.folder.path == folder.path), None)
        if trace is None or trace.problems or self.rewritten(trace):
            return False
        if (trace.file.profile, trace.file.models, trace.file.limit) != (profile, models, limit):
            return False
        try:
            if read(folder.visit, VisitFile).experiments != self.experiments(profile) or not self._same_inputs(folder):
                return False
        except GraceError:
            return False
        whole = limit is None and self.last_freeze is not None
        return not any(
            model.problems or model.stale or (whole and any(run.started < self.first_freeze_time for run in model.runs))
            for model in trace.models
            if model.runs
        )

    def _same_inputs(self, folder: LineupFolder) -> bool:
        """Whether a lineup began with the tables and study files that there are now."""
        for study in self.studies.values():
            table = self.path_of(study.name)
            own = folder.path / "input" / f"{study.name}{table.suffix}"
            if not own.is_file() or sha256_of(own) not in self.digests[study.name]:
                return False
            file = own.with_suffix(".yaml")
            if file.is_file() and sha256_of(file) != study.sha256:
                return False
        return True

    @property
    def page_holds(self) -> bool:
        """Whether the page of the decision after phase 2 was written, and nothing that it shows changed since."""
        if self.evidence.fault:
            return False
        page = self.evidence.last(Kind.PAGE, "2")
        if page is None:
            return False
        path = self.folder / page.facts["file"]
        same = path.is_file() and sha256_of(path) == page.facts["sha256"]
        return same and page.facts.get("data") == self.data(self.profile("rtx3090"))

    @cached_property
    def final(self) -> str:
        """The profile whose data are the results: full precision where it is there, else that of phase 2."""
        try:
            a100 = any(model.proves for each in self.lineups("a100") for model in each.models)
        except GraceError:
            a100 = False
        return "a100" if a100 else self.profile("rtx3090")

    @cached_property
    def _runs(self) -> str:
        """The runs of the final data with answers or scores, as arguments of a command."""
        paths = [
            self.name_of(run.path)
            for each in self.lineups(self.final)[-1:]
            for model in each.models
            for run in model.runs
            if model.proves and run.experiment == "generate"
        ]
        return " ".join(map(shlex.quote, paths)) or "RUN..."

    @cached_property
    def _pair(self) -> str:
        """A run of phase 4 and the one of phase 2 with the same study, of models with one place in the lineup."""
        for full in self.lineups("a100")[-1:]:
            for light in self.lineups(self.profile("rtx3090"))[-1:]:
                for one in full.models:
                    for other in light.models:
                        for a in other.runs:
                            for b in one.runs:
                                if one.name == other.name and a.path.name == b.path.name and a.experiment == "generate":
                                    return shlex.join((self.name_of(a.path), self.name_of(b.path)))
        return "RUN_OF_PHASE_2 RUN_OF_PHASE_4"
