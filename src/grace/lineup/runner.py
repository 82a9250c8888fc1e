"""The runner: carries the models of a lineup, one after the other, and can be killed at any point."""

from collections.abc import Iterator
from dataclasses import dataclass

import orjson

from grace.errors import ClusterAway, ClusterError, GraceError
from grace.files import replacing
from grace.lineup.backend import Backend, State
from grace.lineup.folder import LineupFolder
from grace.lineup.journal import Journal, Step
from grace.lineup.judging import Judged, judged
from grace.progress import Progress
from grace.runs import now


@dataclass(frozen=True)
class Carried:
    """What became of one model.

    Attributes:
        model: its name.
        error: why it failed; None where it did not.
        judged: its studies' checks.
        earlier: it was carried by an earlier session, and nothing was done now.
    """

    model: str
    error: str | None
    judged: tuple[Judged, ...]
    earlier: bool = False

    @property
    def good(self) -> bool:
        """Whether all was asked, and all checks passed."""
        return self.error is None and all(each.good for each in self.judged)


def carry(
    folder: LineupFolder, backend: Backend, journal: Journal, progress: Progress, *, stop_on_failure: bool = False
) -> Iterator[Carried]:
    """Carry all models, and yield each as soon as it is gone. A model that fails does not stop the others.

    The caller holds the folder's lock and has entered the back end.

    Raises:
        ClusterError: something of a model is left, so that the next one must not come.
        ClusterAway: the cluster cannot be reached; nothing is removed, and the same call adopts it later.
        KeyboardInterrupt: the same call continues where this one stopped.
    """
    for model in folder.lineup.models:
        carried = _carry(model, folder, backend, journal, progress)
        yield carried
        if carried.error and stop_on_failure:
            return


def _carry(model: str, folder: LineupFolder, backend: Backend, journal: Journal, progress: Progress) -> Carried:
    history = journal.of(model)
    if history.closed:
        return Carried(model, None, _noted(history.facts[Step.VALIDATE]), earlier=True)
    error: GraceError | None = None
    checks: tuple[Judged, ...] = ()
    try:
        if not history.done(Step.VISIT):
            _ask(model, backend, journal, progress)
        if not history.done(Step.FETCH):
            _bring_home(model, folder, backend, journal, progress)
        with journal.step(model, Step.VALIDATE) as facts:
            checks = judged(folder.model(model), progress)
            facts["studies"] = [each.as_json() for each in checks]
    except ClusterAway:  # what runs there is of use, and the same command finds it again
        raise
    except GraceError as failure:
        error = failure
    _leave_nothing(model, folder, backend, journal)
    return Carried(model, str(error) if error else None, checks)


def _ask(model: str, backend: Backend, journal: Journal, progress: Progress) -> None:
    """Everything up to the last answer."""
    with journal.step(model, Step.CHECK):
        backend.check(model)
    with journal.step(model, Step.WEIGHTS):
        backend.prepare(model, progress)
    with journal.step(model, Step.SERVE) as facts:
        state = backend.adopt(model)
        facts["state"] = state
        if state is State.ABSENT:
            backend.serve(model, progress)
    with journal.step(model, Step.VISIT) as facts:
        counts = backend.visit(model, progress)
        facts |= {"finished": counts.finished, "failed": dict(counts.failures)}


def _bring_home(model: str, folder: LineupFolder, backend: Backend, journal: Journal, progress: Progress) -> None:
    with journal.step(model, Step.FETCH) as facts:
        files = backend.fetch(model, folder.model(model), progress)
        altered = files.altered()
        if altered:
            raise ClusterError(f"{folder.model(model)}: {', '.join(altered[:3])} did not arrive as it was")
        size = sum(each.bytes or 0 for each in files.entries.values())
        facts |= {"files": len(files.entries), "bytes": size, "sha256": files.sha256}


def _leave_nothing(model: str, folder: LineupFolder, backend: Backend, journal: Journal) -> None:
    with journal.step(model, Step.REMOVE):
        backend.remove(model)
    with journal.step(model, Step.PROVE_GONE) as facts:
        left = backend.prove_gone(model)
        facts["left"] = list(left)
        _write_proof(folder, model, left)
        if left:
            raise ClusterError(f"{model}: still there: {', '.join(left)}; the same command tries again")


def _write_proof(folder: LineupFolder, model: str, left: tuple[str, ...]) -> None:
    """Note in cleanup.json what was left of a model."""
    try:
        proof = orjson.loads(folder.cleanup.read_bytes())
    except (OSError, ValueError):
        proof = {}
    with replacing(folder.cleanup) as file:
        content = {**proof, folder.model(model).name: {"looked": now(), "left": list(left)}}
        file.write(orjson.dumps(content, option=orjson.OPT_INDENT_2))


def _noted(facts: dict[str, list[dict[str, object]]]) -> tuple[Judged, ...]:
    return tuple(Judged.of(each) for each in facts.get("studies", ()))
