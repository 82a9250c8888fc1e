"""Preflight: is a cluster ready, and would it take these manifests? Asks, tries with dryRun, and changes nothing."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from grace.cluster.access.connection import Api, ApiError
from grace.cluster.access.kubeconfig import Target, find_kubeconfig, find_target
from grace.cluster.names import check_namespace
from grace.cluster.preflight.inspection import Probe, Subject, Trial, Wanted
from grace.cluster.preflight.probes.access import IDENTITY, NAMESPACE, PERMISSION, SERVER
from grace.cluster.preflight.probes.limits import GPU_QUOTA, LIMITS, QUOTA
from grace.cluster.preflight.probes.needs import CONFIGS, NODES, PRIORITY, SECRETS, STORAGE, VOLUMES
from grace.cluster.preflight.probes.objects import DRY_RUN, EXISTING
from grace.cluster.preflight.report import Line, Report, failed, not_answered, passed, unknown
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
    SECRETS,
    CONFIGS,
    VOLUMES,
    EXISTING,
    QUOTA,  # does not count again what is there
    GPU_QUOTA,
    LIMITS,
    DRY_RUN,
)
"""In the order of the report. A later one may depend on an earlier one, never the other way round."""
AT_ONCE = 8
"""Questions under way at once: a cluster is often a tenth of a second away."""
_WIDE = {"server", "identity", "namespace", "permission"}
"""Looks that work without the namespace."""


def preflight(
    manifests: Sequence[Manifest],
    cluster: Cluster,
    *,
    namespace: str | None = None,
    kubeconfig: Path | None = None,
    context: str | None = None,
) -> Report:
    """Look at all that manifests need. Faults of the cluster or of the login become lines of the report.

    Args:
        manifests: as read; none: only the way in, and what the cluster has.
        cluster: its file.
        namespace: for objects that name none; None: the context's, then that of the cluster's file.
        kubeconfig: as `access.connect` has it.
        context: as `access.connect` has it.

    Raises:
        InputError: there are no schemas of the cluster's version, or the extra that brings them is not installed; or
            no namespace can have this name.
    """
    if namespace is not None:
        check_namespace(namespace)
    lines: list[Line] = []
    target = _found(lines, kubeconfig, context)
    where = namespace or (target.namespace if target else "") or cluster.namespace
    scene = make_scene(manifests, cluster.model_copy(update={"namespace": where}))
    wanted = Wanted(scene, tuple(manifests))
    lines += _elsewhere(wanted, namespace)
    lines += _broken(wanted)
    api = _logged_in(lines, target)
    if api is None:
        lines += _unasked(wanted, "there is no login to ask the cluster with")
    else:
        with api:
            lines += _asked(Trial(wanted, api))
    return Report(cluster.name, target.context if target else "", target.server if target else "", where, tuple(lines))


def _found(lines: list[Line], kubeconfig: Path | None, context: str | None) -> Target | None:
    """The target, with lines about the kubeconfig and its context; None when there is none."""
    try:
        config = find_kubeconfig(kubeconfig)
    except InputError as error:
        lines.append(failed("kubeconfig", "", str(error), code=error.exit_code))
        lines.append(unknown("context", "", "the kubeconfig could not be read"))
        return None
    try:
        target = find_target(config, context)
    except InputError as error:
        if config:
            lines.append(passed("kubeconfig", "", f"{config.where} is read"))
        check = "context" if config else "kubeconfig"
        lines.append(failed(check, "", str(error), code=error.exit_code))
        return None
    lines.append(passed("kubeconfig", "", f"{target.where} is read", target.warnings))
    user = f" as user {target.user_name}" if target.user_name else ", without a user"
    lines.append(passed("context", target.context, f"leads to {target.server}{user}"))
    return target


def _logged_in(lines: list[Line], target: Target | None) -> Api | None:
    """A connection, with a line about the login; None when there is none."""
    if target is None:
        return None
    try:
        api = Api(target)
    except GraceError as error:
        lines.append(failed("login", "", str(error), code=error.exit_code))
        return None
    lines.append(passed("login", "", "there is one; whether the cluster takes it is seen below"))
    return api


def _elsewhere(wanted: Wanted, namespace: str | None) -> Iterator[Line]:
    """Objects whose own namespace is not the one that is asked for: kubectl refuses them."""
    for manifest in wanted.manifests if namespace else ():
        if manifest.namespace not in ("", namespace):
            place = f"{manifest.source.file}:{manifest.source.line}"
            todo = f"leave --namespace out, or change {place} (`grace cluster render --namespace {namespace}`)"
            yield failed("namespace", manifest.title, f"it names {manifest.namespace}, not {namespace}", todo)


def _broken(wanted: Wanted) -> Iterator[Line]:
    """Objects that their schema does not accept: what they need cannot be told. Custom resources are fine."""
    known = schemas(wanted.cluster.kubernetes)
    for manifest in wanted.scene.broken:
        faults = known.faults(manifest)
        if faults:
            more = f" and {len(faults) - 1} more" if len(faults) > 1 else ""
            place = f"{manifest.source.file}:{manifest.line(faults[0].path)}"
            todo = "`grace cluster check` shows all; what the object needs is not looked at"
            yield failed("schema", manifest.title, f"{place}: {faults[0].message}{more}", todo)


def _unasked(wanted: Wanted, reason: str) -> Iterator[Line]:
    for probe in PROBES:
        for subject in probe.subjects(wanted):
            yield unknown(probe.check, subject.title, reason)


def _asked(trial: Trial) -> Iterator[Line]:
    """The lines of all probes. What depends on something that failed is unknown, and says why."""
    gone: set[str] = set()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for probe in PROBES:
            subjects = probe.subjects(trial.wanted)
            told = ""
            for subject, (lines, lost) in zip(
                subjects, pool.map(partial(_look, trial, probe, frozenset(gone)), subjects), strict=True
            ):
                yield from [unknown(probe.check, subject.title, told)] if lost and told else lines
                told = told or lost
                if probe is NAMESPACE and _fails(lines):
                    gone.add(subject.title)
                if probe is IDENTITY and _fails(lines):
                    trial.lost = trial.lost or "the cluster does not know you"


def _look(trial: Trial, probe: Probe, gone: frozenset[str], subject: Subject) -> tuple[list[Line], str]:
    """The lines about a subject, and why nothing more can be asked after it."""
    if trial.lost:
        return [unknown(probe.check, subject.title, trial.lost)], ""
    if subject.namespace in gone and probe.check not in _WIDE:
        return [unknown(probe.check, subject.title, f"the namespace {subject.namespace} is not there")], ""
    try:
        return list(probe.look(trial, subject)), ""
    except ApiError as error:
        lost = _lost(error)
        if lost:
            trial.lost = lost
        return [not_answered(probe.check, subject.title, error)], lost


def _lost(error: ApiError) -> str:
    """Why nothing else can be asked after an error; empty when it can."""
    if error.status == 401:
        return "the cluster does not take the login"
    return "" if error.status else "the cluster cannot be reached"


def _fails(lines: Sequence[Line]) -> bool:
    return any(line.status == "fail" for line in lines)
