"""Probes of each object: whether its name is free, and whether the cluster would take it (a dry run)."""

from collections.abc import Sequence
from typing import Any

from grace.cluster.access.connection import ApiError
from grace.cluster.preflight.probe import ClusterView, Probe, Subject, Submission
from grace.cluster.preflight.report import Verdict, failed, not_answered, passed, unknown
from grace.policy.documents import Manifest
from grace.text import printable


def _manifests(submission: Submission) -> Sequence[Subject]:
    return [
        Subject(manifest.title, submission.scene.namespace_of(manifest), manifest)
        for manifest in submission.manifests
        if manifest.kind and manifest.api_version and manifest.name
    ]


def _existing(view: ClusterView, subject: Subject) -> Verdict:
    manifest: Manifest = subject.of
    current = view.existing(manifest)
    if current is None:
        return passed("its name is free")
    if (current.get("metadata") or {}).get("deletionTimestamp"):
        return failed("one of that name is being deleted", "wait until it is gone")
    if manifest.kind == "Job":
        where = f" -n {subject.namespace}" if subject.namespace else ""
        return failed(
            f"one of that name is there ({_state(current)}); a Job cannot be changed, and does not run twice",
            f"fetch its results, then `kubectl delete job {manifest.name}{where}`; or give this one another name",
        )
    return passed("is there; applying it changes it to what the manifest says")


def _state(job: dict[str, Any]) -> str:
    status = job.get("status") or {}
    ended = [each.get("type") for each in status.get("conditions") or [] if each.get("status") == "True"]
    if "Complete" in ended:
        return "it is finished"
    return "it failed" if "Failed" in ended else "it is running" if status.get("active") else "it waits"


def _dry_run(view: ClusterView, subject: Subject) -> Verdict:
    manifest: Manifest = subject.of
    try:
        existing = view.existing(manifest)
    except ApiError as error:
        if error.status != 403:
            return _refused(subject.title, error)
        existing = None  # it may not be read: trying to create it shows whether it is there
    if existing and manifest.kind == "Job":
        return unknown("not tried: a Job of that name is there")
    try:
        if existing:
            answer = view.api.apply(view.path(manifest, own=True), manifest.body, dry_run=True)
        else:
            answer = view.api.create(view.path(manifest, own=False), _placed(view, manifest), dry_run=True)
    except ApiError as error:
        return _refused(subject.title, error)
    return passed("the cluster would take it", answer.warnings)


def _placed(view: ClusterView, manifest: Manifest) -> dict[str, Any]:
    """The object with the namespace that it goes to, where it names none."""
    namespace = view.scene.namespace_of(manifest)
    return {**manifest.body, "metadata": {**manifest.metadata, **({"namespace": namespace} if namespace else {})}}


def _refused(title: str, error: ApiError) -> Verdict:
    """The verdict when the cluster would not take an object."""
    detail = error.detail or str(error)
    if error.status == 400 and "dry run" in detail:
        return unknown(f"the cluster cannot try it: {detail}", notes=error.warnings)
    meaning = {
        400: ("the cluster does not understand it", "fix the manifest; `grace cluster check` shows the place"),
        403: ("the cluster would refuse it", "fix what it names, or ask the administrators"),
        404: ("the cluster has no place for it", "is the namespace there, and the kind known to the cluster?"),
        409: ("something of that name is there", "delete it, or choose another name"),
        422: ("the cluster finds it invalid", "fix the manifest; `grace cluster check` shows the place"),
    }.get(error.status)
    if meaning is None:
        return not_answered(error)
    return failed(f"{meaning[0]}: {printable(detail)}", meaning[1], notes=error.warnings)


EXISTING = Probe("existing", _manifests, _existing)
DRY_RUN = Probe("dry run", _manifests, _dry_run)
