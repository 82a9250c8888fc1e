"""The sequence of a preflight: the probes, their order, and what stays unknown when one of them fails."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from grace.cluster.access.answers import ApiError
from grace.cluster.access.connection import Api
from grace.cluster.access.kubeconfig import Target, find_kubeconfig, find_target
from grace.cluster.names import check_namespace
from grace.cluster.preflight.probe import ClusterView, Probe, Subject, Submission
from grace.cluster.preflight.probes.access import IDENTITY, NAMESPACE, PERMISSION, SERVER
from grace.cluster.preflight.probes.limits import GPU_QUOTA, LIMITS, QUOTA
from grace.cluster.preflight.probes.needs import CONFIGS, NODES, PRIORITY, QUEUE, SECRETS, STORAGE, VOLUMES
from grace.cluster.preflight.probes.objects import DRY_RUN, EXISTING, POD, WRITERS
from grace.cluster.preflight.report import (
    PreflightLine,
    PreflightReport,
    Verdict,
    failed,
    line,
    not_answered,
    passed,
    unknown,
)
from grace.errors import GraceError, InputError
from grace.policy.check import make_scene
from grace.policy.cluster_file import Cluster
from grace.policy.documents import Manifest
from grace.policy.schema import schemas

PROBES: tuple[Probe, ...] = (
    SERVER,
    IDENTITY,
    NAMESPACE,
    PERMISSION,
    STORAGE,
    NODES,
    PRIORITY,
    QUEUE,
    SECRETS,
    CONFIGS,
    VOLUMES,
    EXISTING,
    WRITERS,
    QUOTA,  # does not count again what is already there
    GPU_QUOTA,
    LIMITS,
    DRY_RUN,
    POD,
)
"""The probes, in the order of the report. A later one may depend on an earlier one, never the other way round."""
AT_ONCE = 8
"""Questions under way at once: a cluster is often a tenth of a second away."""
_WIDE = {"server", "identity", "namespace", "permission"}
"""Probes that work without the namespace."""


def preflight(
    manifests: Sequence[Manifest],
    cluster: Cluster,
    *,
    namespace: str | None = None,
    kubeconfig: Path | None = None,
    context: str | None = None,
) -> PreflightReport:
    """Check everything that manifests need. Faults of the cluster and of the login are lines of the report.

    Args:
        manifests: as read; without any, only access and the cluster itself are checked.
        cluster: the cluster's file.
        namespace: for objects that name none; None: the context's, then that of the cluster's file.
        kubeconfig: as `access.connection.connect` takes it.
        context: as `access.connection.connect` takes it.

    Raises:
        InputError: there are no schemas of the cluster's version, or the extra that brings them is not installed; or
            no namespace can have this name.
    """
    if namespace is not None:
        check_namespace(namespace)
    lines: list[PreflightLine] = []
    target = _target(lines, kubeconfig, context)
    where = namespace or (target.namespace if target else "") or cluster.namespace
    scene = make_scene(manifests, cluster.model_copy(update={"namespace": where}))
    submission = Submission(scene, tuple(manifests))
    lines += _elsewhere(submission, namespace)
    lines += _broken(submission)
    api = _logged_in(lines, target)
    if api is None:
        lines += _unasked(submission, "there is no login for asking the cluster")
    else:
        with api:
            lines += _asked(ClusterView(submission, api))
    context, server = (target.context, target.server) if target else ("", "")
    return PreflightReport(cluster.name, context, server, where, tuple(lines))


def preflight_over(api: Api, manifests: Sequence[Manifest], cluster: Cluster, namespace: str) -> PreflightReport:
    """As `preflight`, over a connection that is open, which stays so. Raises InputError, as `preflight`."""
    scene = make_scene(manifests, cluster.model_copy(update={"namespace": namespace}))
    submission = Submission(scene, tuple(manifests))
    lines = [*_broken(submission), *_asked(ClusterView(submission, api))]
    return PreflightReport(cluster.name, api.target.context, api.target.server, namespace, tuple(lines))


def _target(lines: list[PreflightLine], kubeconfig: Path | None, context: str | None) -> Target | None:
    """The target, with lines about the kubeconfig and its context; None when there is none."""
    try:
        config = find_kubeconfig(kubeconfig)
    except InputError as error:
        lines.append(line("kubeconfig", "", failed(str(error), failure=type(error))))
        lines.append(line("context", "", unknown("the kubeconfig could not be read")))
        return None
    try:
        target = find_target(config, context)
    except InputError as error:
        if config:
            lines.append(line("kubeconfig", "", passed(f"{config.where} is read")))
        lines.append(line("context" if config else "kubeconfig", "", failed(str(error), failure=type(error))))
        return None
    lines.append(line("kubeconfig", "", passed(f"{target.where} is read", target.warnings)))
    user = f" as user {target.user_name}" if target.user_name else ", without a user"
    lines.append(line("context", target.context, passed(f"leads to {target.server}{user}")))
    return target


def _logged_in(lines: list[PreflightLine], target: Target | None) -> Api | None:
    """A connection, with a line about the login; None when there is none."""
    if target is None:
        return None
    try:
        api = Api(target)
    except GraceError as error:
        lines.append(line("login", "", failed(str(error), failure=type(error))))
        return None
    lines.append(line("login", "", passed("there is one; the lines below show whether the cluster accepts it")))
    return api


def _elsewhere(submission: Submission, namespace: str | None) -> Iterator[PreflightLine]:
    """Objects whose own namespace is not the requested one: kubectl refuses them."""
    for manifest in submission.manifests if namespace else ():
        if manifest.namespace not in ("", namespace):
            place = f"{manifest.source.file}:{manifest.source.line}"
            todo = f"leave --namespace out, or change {place} (`grace cluster render --namespace {namespace}`)"
            yield line("namespace", manifest.title, failed(f"it names {manifest.namespace}, not {namespace}", todo))


def _broken(submission: Submission) -> Iterator[PreflightLine]:
    """Objects that the API refuses. What those need that their schema does not accept is unknown."""
    accepted = schemas(submission.cluster.kubernetes)
    for manifest in submission.manifests:
        if faults := accepted.faults(manifest) or accepted.refusals(manifest):
            more = f" and {len(faults) - 1} more" if len(faults) > 1 else ""
            place = f"{manifest.source.file}:{manifest.line(faults[0].path)}"
            broken = manifest in submission.scene.broken
            todo = f"`grace cluster check` shows all{'; what the object needs is not checked' if broken else ''}"
            yield line("schema", manifest.title, failed(f"{place}: {faults[0].message}{more}", todo))


def _unasked(submission: Submission, reason: str) -> Iterator[PreflightLine]:
    for probe in PROBES:
        for subject in probe.subjects(submission):
            yield line(probe.check, subject.title, unknown(reason))


def _asked(view: ClusterView) -> Iterator[PreflightLine]:
    """The lines of all probes. What depends on something that failed is unknown, and says why."""
    gone: set[str] = set()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for probe in PROBES:
            subjects = probe.subjects(view.submission)
            reason = ""
            looks = pool.map(partial(_look, view, probe, frozenset(gone)), subjects)
            for subject, (verdicts, lost) in zip(subjects, looks, strict=True):
                for verdict in [unknown(reason)] if lost and reason else verdicts:
                    yield line(probe.check, subject.title, verdict)
                reason = reason or lost
                fails = any(verdict.status == "fail" for verdict in verdicts)
                if probe is NAMESPACE and fails:
                    gone.add(subject.title)
                if probe is IDENTITY and fails:
                    view.lost = view.lost or "the cluster does not know you"


def _look(view: ClusterView, probe: Probe, gone: frozenset[str], subject: Subject) -> tuple[list[Verdict], str]:
    """The verdicts on a subject, and why nothing more can be asked after it."""
    if view.lost:
        return [unknown(view.lost)], ""
    if subject.namespace in gone and probe.check not in _WIDE:
        return [unknown(f"the namespace {subject.namespace} cannot be used")], ""
    try:
        verdicts = probe.look(view, subject)
        return verdicts if isinstance(verdicts, list) else [verdicts], ""
    except ApiError as error:
        lost = _lost(error)
        view.lost = lost or view.lost
        return [not_answered(error)], lost


def _lost(error: ApiError) -> str:
    """Why nothing else can be asked after an error; empty when it can."""
    if error.status == 401:
        return "the cluster does not take the login"
    return "" if error.status else "the cluster cannot be reached"
