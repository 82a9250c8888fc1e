"""Runs that belong together: the answers, their extraction, and the probabilities, of one study, table and model."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grace.errors import InputError
from grace.ledger import request_key
from grace.runs import EXTRACT, GENERATE, SCORE, Run
from grace.stages.shard import is_shard
from grace.studies.study import Study, parse_study


@dataclass(frozen=True)
class Related:
    """The runs of one study, table and model; one at least is there."""

    answers: Run | None = None
    extraction: Run | None = None
    scores: Run | None = None

    @property
    def runs(self) -> tuple[Run, ...]:
        """Those that are there."""
        return tuple(run for run in (self.answers, self.extraction, self.scores) if run)


def experiment_of(run: Run) -> str:
    """Which experiment a run holds. Raises InputError."""
    experiment = run.manifest["identity"].get("experiment")
    known = (GENERATE, SCORE, EXTRACT)
    if experiment not in known:
        raise InputError(f"{run.path}: holds the experiment {experiment!r}; {', '.join(known)} are known")
    return str(experiment)


def source_of(run: Run) -> str:
    """What names a run in the manifest of another that was made from it."""
    return request_key(run.manifest["identity"], run.manifest.get("id"))


def study_in(run: Run) -> Study:
    """The study of a run, from the run's own copy. Raises InputError."""
    try:
        return parse_study(run.study.read_bytes(), str(run.study))
    except OSError as error:
        raise InputError(f"{run.study}: cannot be read: {error.strerror}; restore it from a copy") from None


def table_of(run: Run) -> Path:
    """The table that was made from a run last."""
    sessions = run.manifest["sessions"]
    name = sessions[-1].get("output") if sessions else None
    return run.path.with_name(str(name)) if name else run.path.with_suffix(".csv")


def related(run: Run, extraction: Run | None = None, scores: Run | None = None) -> Related:
    """The runs that belong to `run`, from the same folder; those given are taken as they are.

    Answers and probabilities belong together when study, input and model are the same; an extraction belongs to the run
    whose table it was made from.

    Raises:
        InputError: several runs would do; the message names them and the option that chooses.
    """
    kinds = {GENERATE: "answers", SCORE: "scores", EXTRACT: "extraction"}
    found = {kinds[experiment_of(run)]: run}
    if scores and "scores" not in found:
        found["scores"] = _as(scores, SCORE, "--scores")
    if extraction and "extraction" not in found:
        found["extraction"] = _as(extraction, EXTRACT, "--extraction")
    others = [other for other in _siblings(run) if other.path.resolve() != run.path.resolve()]
    for name in ("answers", "extraction", "scores"):  # an extraction tells its answers, and these the scores
        if name in found:
            continue
        fitting = [other for other in others if kinds[experiment_of(other)] == name and _fits(other, name, found)]
        if len(fitting) > 1:
            names = ", ".join(str(other.path) for other in fitting)
            how = "give the one that is meant itself" if name == "answers" else f"choose with --{name}"
            raise InputError(f"{run.path}: several runs may belong to it ({names}); {how}")
        if fitting:
            found[name] = fitting[0]
    return Related(**found)


def extractions_of(answers: Run) -> list[Run]:
    """The extractions of the same folder that were made from a run of answers."""
    return [
        other
        for other in _siblings(answers)
        if experiment_of(other) == EXTRACT and other.manifest["identity"]["source"] == source_of(answers)
    ]


def answers_of(extraction: Run) -> Run | None:
    """The run of answers that an extraction was made from, where it lies in the same folder."""
    source = extraction.manifest["identity"]["source"]
    return next((other for other in _siblings(extraction) if source_of(other) == source), None)


def _as(run: Run, experiment: str, option: str) -> Run:
    if experiment_of(run) != experiment:
        raise InputError(f"{option} {run.path}: holds {experiment_of(run)!r}, not {experiment!r}")
    return run


def _siblings(run: Run) -> list[Run]:
    """The readable runs of the same folder."""
    siblings = []
    for path in sorted(run.path.resolve().parent.glob("*.run")):
        if is_shard(path):
            continue  # its records are in the run that it was joined into
        other = Run(run.path.parent / path.name)
        try:
            experiment_of(other)
        except InputError:
            continue
        siblings.append(other)
    return siblings


def _fits(other: Run, name: str, found: dict[str, Run]) -> bool:
    """Whether a run belongs to one of those found."""
    theirs = other.manifest["identity"]
    if "extraction" in found and name == "answers":
        return bool(found["extraction"].manifest["identity"].get("source") == source_of(other))
    if name == "extraction":
        return "answers" in found and theirs.get("source") == source_of(found["answers"])
    ours = next((found[own].manifest["identity"] for own in ("answers", "scores") if own in found), None)
    return ours is not None and _asked(theirs) == _asked(ours)


def _asked(identity: dict[str, Any]) -> tuple[Any, ...]:
    """What two experiments about the same trials have in common."""
    return identity.get("study"), identity.get("input", {}).get("sha256"), identity.get("model")
