"""The runner: carries the models of a lineup, one after the other, and can be killed at any point."""

from collections.abc import Iterator
from dataclasses import dataclass
from threading import Lock

import orjson

from grace.errors import ClusterAway, ClusterError, GraceError
from grace.files import replacing
from grace.lineup.backend import Backend, State
from grace.lineup.folder import LineupFolder
from grace.lineup.journal import History, Journal, Step
from grace.lineup.judging import Judged, judged
from grace.lineup.threads import Ahead, Together, named
from grace.progress import Progress
from grace.runs import now

_PROOF = Lock()
"""Held while cleanup.json is changed."""


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
    folder: LineupFolder,
    backend: Backend,
    journal: Journal,
    progress: Progress,
    *,
    stop_on_failure: bool = False,
    parallel: int = 1,
) -> Iterator[Carried]:
    """Carry all models, and yield each as soon as it is gone. A model that fails does not stop the others.

    The caller holds the folder's lock and has entered the back end.

    Args:
        folder: the lineup's.
        backend: serves the models.
        journal: records each step.
        progress: hears what is done.
        stop_on_failure: begin no further model after one that failed.
        parallel: so many models at once, where the back end has room for them.

    Raises:
        ClusterError: something of a model is left, so that the next one must not come.
        ClusterAway: the cluster cannot be reached; nothing is removed, and the same call adopts it later.
        KeyboardInterrupt: the same call continues where this one stopped.
    """
    models = folder.lineup.models
    room = min(parallel, backend.most_at_once(models)) if parallel > 1 else 1
    if room < parallel:
        progress.note(f"--parallel {parallel}: there is room for {room}")
    if room > 1:

        def work(model: str) -> Carried:
            return _carry(model, folder, backend, journal, named(progress, model), Ahead(backend, progress))

        yield from Together(backend, room, work, lambda done: stop_on_failure and done.error is not None).each(models)
        return
    ahead = Ahead(backend, progress)
    for place, model in enumerate(models):
        ahead.plan(next((later for later in models[place + 1 :] if not journal.of(later).done(Step.VISIT)), None))
        carried = _carry(model, folder, backend, journal, progress, ahead)
        yield carried
        if carried.error and stop_on_failure:
            return


def outcome(model: str, history: History | None) -> Carried | None:
    """What became of a model by its history; None where it is not done with."""
    if history and history.failure:
        return Carried(model, history.failure[1], ())
    if history and history.closed:
        return Carried(model, None, _noted(history.facts[Step.VALIDATE]), earlier=True)
    return None


def _carry(
    model: str, folder: LineupFolder, backend: Backend, journal: Journal, progress: Progress, ahead: Ahead
) -> Carried:
    history = journal.of(model)
    if history.closed and (earlier := outcome(model, history)):
        return earlier
    error: GraceError | None = None
    checks: tuple[Judged, ...] = ()
    try:
        if not history.done(Step.VISIT):
            _ask(model, backend, journal, progress, ahead)
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


def _ask(model: str, backend: Backend, journal: Journal, progress: Progress, ahead: Ahead) -> None:
    """Everything up to the last answer."""
    with journal.step(model, Step.CHECK):
        backend.check(model)
    with journal.step(model, Step.WEIGHTS):
        ahead.wait(model)
        backend.prepare(model, progress)
    with journal.step(model, Step.SERVE) as facts:
        state = backend.adopt(model)
        facts["state"] = state
        if state is State.ABSENT:
            backend.serve(model, progress)
    ahead.begin()
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
        with _PROOF:
            _write_proof(folder, model, left)
        if left:
            raise ClusterError(f"{model}: still there: {', '.join(left)}; the same command tries again")


def _write_proof(folder: LineupFolder, model: str, left: tuple[str, ...]) -> None:
    """Note in cleanup.json what was left of a model; the caller lets only one thread in."""
    try:
        proof = orjson.loads(folder.cleanup.read_bytes())
    except (OSError, ValueError):
        proof = {}
    with replacing(folder.cleanup) as file:
        content = {**proof, folder.model(model).name: {"looked": now(), "left": list(left)}}
        file.write(orjson.dumps(content, option=orjson.OPT_INDENT_2))


def _noted(facts: dict[str, list[dict[str, object]]]) -> tuple[Judged, ...]:
    return tuple(Judged.of(each) for each in facts.get("studies", ()))
