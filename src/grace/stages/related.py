"""Runs that belong together: the answers, their extraction, and the probabilities, of one study, table and model."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from grace.errors import InputError
from grace.ledger import request_key
from grace.manifest import EXTRACT, GENERATE, SCORE, Identity
from grace.models.serving import CACHE
from grace.runs import Run, differences
from grace.stages.records import study_of
from grace.stages.shard import is_shard
from grace.studies.study import Study


@dataclass(frozen=True)
class Related:
    """The runs of one study, table and model; at least one is there.

    A command finds them once and hands this value on: the runs' manifests are read and their studies compiled once.

    Attributes:
        given: the run that the others were found by.
        answers, extraction, scores: the runs.
    """

    given: Run
    answers: Run | None = None
    extraction: Run | None = None
    scores: Run | None = None
    _compiled: dict[bytes, Study] = field(default_factory=dict, repr=False, compare=False)

    @property
    def runs(self) -> tuple[Run, ...]:
        """The runs that are there."""
        return tuple(run for run in (self.answers, self.extraction, self.scores) if run)

    @property
    def base(self) -> Run:
        """The run that gives the rows: answers, else an extraction of a user's own table, else probabilities."""
        return self.answers or self.extraction or self.scores or self.given

    @property
    def study(self) -> Study:
        """The study of the base. Raises InputError."""
        return self.study_of(self.base)

    def study_of(self, run: Run) -> Study:
        """The study of one of the runs; runs with equal copies of it share one. Raises InputError."""
        return study_of(run, self._compiled)


def source_of(run: Run) -> str:
    """The key that identifies a run in the manifest of another one made from it."""
    return request_key(run.identity.as_json(), run.manifest.id)


def table_of(run: Run) -> Path:
    """The table that was last made from a run."""
    name = run.sessions[-1].output if run.sessions else None
    return run.path.with_name(name) if name else run.path.with_suffix(".csv")


def related(run: Run, extraction: Run | None = None, scores: Run | None = None) -> Related:
    """The runs that belong to `run`, from the same folder; those given are taken as they are.

    Answers and probabilities belong together when study, input and model are the same; an extraction belongs to the run
    whose table it was made from.

    Raises:
        InputError: several runs fit; the message names them and the option that chooses.
    """
    kinds = {GENERATE: "answers", SCORE: "scores", EXTRACT: "extraction"}
    group = {kinds[run.identity.experiment]: run}
    for option, experiment, chosen in (("scores", SCORE, scores), ("extraction", EXTRACT, extraction)):
        if chosen and option not in group:
            holds = chosen.identity.experiment
            if holds != experiment:
                raise InputError(f"--{option} {chosen.path}: holds {holds!r}, not {experiment!r}")
            group[option] = chosen
    others = [other for other in _siblings(run) if other.path.resolve() != run.path.resolve()]
    for name in ("answers", "extraction", "scores"):  # an extraction leads to its answers, and these to the scores
        if name in group:
            continue
        fitting = [other for other in others if kinds[other.identity.experiment] == name and _fits(other, name, group)]
        if len(fitting) > 1:
            names = ", ".join(str(other.path) for other in fitting)
            how = f"give it in the place of {run.path}" if name == "answers" else f"choose with --{name}"
            raise InputError(f"{run.path}: several runs may belong to it ({names}); {how}")
        if fitting:
            group[name] = fitting[0]
    return Related(run, group.get("answers"), group.get("extraction"), group.get("scores"))


def groups_of(runs: Sequence[Run], extraction: Run | None = None, scores: Run | None = None) -> list[Related]:
    """Each of some runs with what belongs to it; a run that belongs to one before it has no group of its own.

    Raises:
        InputError: as `related`; or one run is chosen for several.
    """
    if len(runs) > 1 and (extraction or scores):
        raise InputError("--extraction and --scores choose for a single RUN; give only one RUN")
    groups: list[Related] = []
    covered: set[Path] = set()
    for run in runs:
        if run.path.resolve() not in covered:
            groups.append(related(run, extraction, scores))
            covered |= {other.path.resolve() for other in groups[-1].runs}
    return groups


def check_asked_alike(groups: Sequence[Related]) -> None:
    """Check that groups whose rows an analysis would pool, as those of one model, were asked in one way.

    Several tables of trials and several seeds are pooled; models of other names or revisions, protocols and
    temperatures are kept apart.

    Raises:
        InputError: they were not; the message names what differs.
    """
    first: dict[tuple[object, ...], Related] = {}
    for group in groups:
        if not (group.answers or group.scores):
            continue
        identity = group.base.identity
        key = (
            identity.study, identity.model["name"], revision_of(identity), identity.protocol,
            identity.sampling.get("temperature"),
        )  # fmt: skip
        other = first.setdefault(key, group)
        for ours, theirs in ((other.answers, group.answers), (other.scores, group.scores)):
            if ours and theirs and (different := list(differences(_way(ours.identity), _way(theirs.identity)))):
                raise InputError(
                    f"{ours.path} and {theirs.path}: were asked in different ways, so their rows cannot be pooled as "
                    f"those of one model, {identity.model['name']}.\n"
                    + "\n".join(map(_difference, different))
                    + "\nGive one of them at a time; `grace compare` holds one against the other. To analyse several "
                    "wordings together, name them in `vary` of the study file."
                )


def revision_of(identity: Identity) -> str | None:
    """What tells a model from others of its name: its revision, or the digest of its weights."""
    model = identity.model
    return model.get("revision") or model.get("sha256") or model.get("weights")


def _way(identity: Identity) -> dict[str, object]:
    """What determines an answer besides the trial and the draw."""
    facts = identity.as_json()
    model = {name: fact for name, fact in identity.model.items() if name != CACHE}
    names = ("protocol", "turns", "templates", "sampling", "questions", "scoring")
    return {"model": model, **{name: facts.get(name) for name in names}}


def _difference(different: tuple[str, object, object]) -> str:
    """A difference of two runs, in a line; digests and long texts are not written out."""
    name, *values = different
    if any(len(str(value)) > 40 for value in values):
        return f"  {name} differs"
    return f"  {name}: {values[0]!r} in the first, {values[1]!r} in the second"


def extractions_of(answers: Run) -> list[Run]:
    """The extractions of the same folder that were made from a run of answers."""
    return [
        other
        for other in _siblings(answers)
        if other.identity.experiment == EXTRACT and other.identity.source == source_of(answers)
    ]


def answers_of(extraction: Run) -> Run | None:
    """The run of answers that an extraction was made from, where it lies in the same folder."""
    source = extraction.identity.source
    return next((other for other in _siblings(extraction) if source_of(other) == source), None)


def _siblings(run: Run) -> list[Run]:
    """The readable runs of the same folder."""
    siblings = []
    for path in sorted(run.path.resolve().parent.glob("*.run")):
        if is_shard(path):
            continue  # its records are in the run that it was joined into
        other = Run(run.path.parent / path.name)
        try:
            _ = other.manifest
        except InputError:
            continue
        siblings.append(other)
    return siblings


def _fits(other: Run, name: str, group: dict[str, Run]) -> bool:
    theirs = other.identity
    if "extraction" in group and name == "answers":
        return group["extraction"].identity.source == source_of(other)
    if name == "extraction":
        return "answers" in group and theirs.source == source_of(group["answers"])
    ours = next((group[own].identity for own in ("answers", "scores") if own in group), None)
    return ours is not None and _asked(theirs) == _asked(ours)


def _asked(identity: Identity) -> tuple[object, ...]:
    """What two experiments about the same trials have in common."""
    model = {name: fact for name, fact in identity.model.items() if name != CACHE}
    return identity.study, identity.input.sha256, model
