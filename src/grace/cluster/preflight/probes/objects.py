"""Looks at each object: whether one of its name is there, and whether the cluster would take it (a trial on it)."""

from collections.abc import Iterator, Sequence
from typing import Any

from grace.cluster.access.connection import ApiError
from grace.cluster.preflight.inspection import Probe, Subject, Trial, Wanted
from grace.cluster.preflight.report import Line, failed, not_answered, passed, unknown
from grace.policy.documents import Manifest
from grace.text import printable


def _manifests(wanted: Wanted) -> Sequence[Subject]:
    return [
        Subject(manifest.title, wanted.scene.namespace_of(manifest), manifest)
        for manifest in wanted.manifests
        if manifest.kind and manifest.api_version and manifest.name
    ]


def _existing(trial: Trial, subject: Subject) -> Iterator[Line]:
    manifest: Manifest = subject.of
    found = trial.existing(manifest)
    if found is None:
        yield passed("existing", subject.title, "its name is free")
    elif (found.get("metadata") or {}).get("deletionTimestamp"):
        yield failed("existing", subject.title, "one of that name is being deleted", "wait until it is gone")
    elif manifest.kind == "Job":
        where = f" -n {subject.namespace}" if subject.namespace else ""
        yield failed(
            "existing",
            subject.title,
            f"one of that name is there ({_state(found)}); a Job cannot be changed, and does not run twice",
            f"fetch its results, then `kubectl delete job {manifest.name}{where}`; or give this one another name",
        )
    else:
        yield passed("existing", subject.title, "is there; applying it changes it to what the manifest says")


def _state(job: dict[str, Any]) -> str:
    status = job.get("status") or {}
    ended = [each.get("type") for each in status.get("conditions") or [] if each.get("status") == "True"]
    if "Complete" in ended:
        return "it is finished"
    return "it failed" if "Failed" in ended else "it is running" if status.get("active") else "it waits"


def _dry_run(trial: Trial, subject: Subject) -> Iterator[Line]:
    manifest: Manifest = subject.of
    try:
        existing = trial.existing(manifest)
    except ApiError as error:
        if error.status != 403:
            yield _refused(subject.title, error)
            return
        existing = None  # it may not be read: creating it is tried, which says whether it is there
    if existing and manifest.kind == "Job":
        yield unknown("dry run", subject.title, "not tried: a Job of that name is there")
        return
    try:
        if existing:
            answer = trial.api.apply(trial.path(manifest, own=True), manifest.body, dry_run=True)
        else:
            answer = trial.api.create(trial.path(manifest, own=False), _placed(trial, manifest), dry_run=True)
    except ApiError as error:
        yield _refused(subject.title, error)
        return
    yield passed("dry run", subject.title, "the cluster would take it", answer.warnings)


def _placed(trial: Trial, manifest: Manifest) -> dict[str, Any]:
    """The object with the namespace that it goes to, where it names none."""
    namespace = trial.scene.namespace_of(manifest)
    return {**manifest.body, "metadata": {**manifest.metadata, **({"namespace": namespace} if namespace else {})}}


def _refused(title: str, error: ApiError) -> Line:
    """What it means that the cluster would not take an object."""
    detail = error.detail or str(error)
    if error.status == 400 and "dry run" in detail:
        return unknown("dry run", title, f"the cluster cannot try it: {detail}", notes=error.warnings)
    meaning = {
        400: ("the cluster does not understand it", "mend the manifest; `grace cluster check` shows the place"),
        403: ("the cluster would refuse it", "mend what it names, or ask the administrators"),
        404: ("the cluster has no place for it", "is the namespace there, and the kind known to the cluster?"),
        409: ("something of that name is there", "delete it, or choose another name"),
        422: ("the cluster finds it invalid", "mend the manifest; `grace cluster check` shows the place"),
    }.get(error.status)
    if meaning is None:
        return not_answered("dry run", title, error)
    return failed("dry run", title, f"{meaning[0]}: {printable(detail)}", meaning[1], notes=error.warnings)


EXISTING = Probe("existing", _manifests, _existing)
DRY_RUN = Probe("dry run", _manifests, _dry_run)
