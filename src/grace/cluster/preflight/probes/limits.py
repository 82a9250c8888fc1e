"""Probes of what a namespace may use: quotas, GPUs that need a quota, and the limits of each container."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from grace.cluster.access.answers import ApiError
from grace.cluster.access.paths import path_of
from grace.cluster.preflight.demands import claims, counted, gpus_of, pod_limits, pod_requests, resources_of
from grace.cluster.preflight.probe import ClusterView, Probe, Subject, Submission
from grace.cluster.preflight.report import Verdict, failed, passed, unknown
from grace.policy.documents import Container, Workload
from grace.policy.pods import operator_holds
from grace.policy.quantities import quantity

_BYTES = ("memory", "storage")


def _namespaces(submission: Submission) -> Sequence[Subject]:
    return [Subject(namespace, namespace) for namespace in submission.namespaces]


def _quota(view: ClusterView, subject: Subject) -> list[Verdict]:
    quotas = view.quotas(subject.namespace)
    new = [manifest for manifest in view.scene.manifests if not _there(view, manifest)]
    ours = [manifest for manifest in new if view.scene.namespace_of(manifest) == subject.namespace]
    fine: list[str] = []
    full: list[Verdict] = []
    for quota in quotas:
        name = (quota.get("metadata") or {}).get("name", "")
        asked = counted(view.scene, ours, lambda workload, quota=quota: _in_scope(quota, workload))  # type: ignore[misc]
        for what, hard, used in _entries(quota):
            want = asked.get(what, 0.0)
            words = f"{what} {_amount(what, used)} used + {_amount(what, want)} asked of {_amount(what, hard)}"
            if want and used + want > hard:
                full.append(failed(f"{name}: {words}", _ask_for(view, what)))
            elif want:
                fine.append(f"{name}: {words}")
    message = "; ".join(fine) or ("nothing that is requested has a quota" if quotas else "the namespace has no quota")
    return full or [passed(message)]


def _there(view: ClusterView, manifest: Any) -> bool:
    """Whether the cluster already has an object and counts it. An object that it does not show counts as new."""
    try:
        return view.existing(manifest) is not None
    except ApiError as error:
        if error.status in (403, 404):
            return False
        raise


def _entries(quota: Mapping[str, Any]) -> Iterator[tuple[str, float, float]]:
    """What a quota limits: its name for it, how much there may be, and how much there is."""
    status = quota.get("status") or {}
    used = status.get("used") or {}
    for what, amount in (status.get("hard") or (quota.get("spec") or {}).get("hard") or {}).items():
        hard = quantity(amount)
        if hard is not None:
            yield what, hard, quantity(used.get(what)) or 0.0


def _in_scope(quota: Mapping[str, Any], workload: Workload) -> bool:
    """Whether a quota counts the pods of a workload.

    https://kubernetes.io/docs/concepts/policy/resource-quotas/#quota-scopes
    """
    spec = quota.get("spec") or {}
    plain = [{"scopeName": scope, "operator": "Exists"} for scope in spec.get("scopes") or []]
    expressions = (spec.get("scopeSelector") or {}).get("matchExpressions") or []
    return all(_matches(each, workload) for each in [*plain, *expressions])


def _matches(expression: Mapping[str, Any], workload: Workload) -> bool:
    scope, values = expression.get("scopeName"), expression.get("values") or []
    if scope == "PriorityClass":
        name = workload.spec.get("priorityClassName") or None
        return bool(operator_holds(expression.get("operator"), name, values))
    ends = workload.spec.get("activeDeadlineSeconds") is not None
    bare = not pod_requests(workload) and not pod_limits(workload)
    truths = {"Terminating": ends, "NotTerminating": not ends, "BestEffort": bare, "NotBestEffort": not bare}
    return truths.get(str(scope), False)


def _ask_for(view: ClusterView, what: str) -> str:
    """How to get more of something."""
    resource = what.removeprefix("requests.").removeprefix("limits.")
    limited = [gpu for gpu in view.cluster.gpus if gpu.resource == resource and gpu.quota is not None]
    if not limited:
        return "ask for less, delete what is no longer needed, or ask the administrators for more"
    form = next((gpu.request for gpu in limited if gpu.request), "")
    free = " or ".join(view.cluster.priority_classes.no_quota)
    ways = [f"ask for a quota with the form {form}"] if form else []
    if free:
        ways += [f"set priorityClassName: {free} (no quota is needed then, and the pod can be stopped at any time)"]
    return ", or ".join(ways) or "ask for a quota from the administrators"


def _rare(submission: Submission) -> Sequence[Subject]:
    """Workloads that request GPUs of a kind that a namespace only has on request."""
    cluster = submission.cluster
    rare = {gpu.resource for gpu in cluster.gpus if gpu.quota == 0}
    return [
        Subject(
            f"{workload.manifest.title}, {name}", submission.scene.namespace_of(workload.manifest), (workload, name)
        )
        for workload in submission.scene.workloads
        for name in gpus_of(pod_requests(workload))
        if name in rare and workload.spec.get("priorityClassName") not in cluster.priority_classes.no_quota
    ]


def _granted(view: ClusterView, subject: Subject) -> Verdict:
    workload, resource = subject.of
    what = f"requests.{resource}"
    todo = _ask_for(view, what)
    usual = f"the file of cluster {view.cluster.name} says that a namespace has none until it asks"
    try:
        quotas = [quota for quota in view.quotas(subject.namespace) if _in_scope(quota, workload)]
    except ApiError as error:
        if error.status != 403:
            raise
        return unknown(f"you may not see the namespace's quotas, and {usual}", todo)
    hard = [hard for quota in quotas for name, hard, _ in _entries(quota) if name == what]
    if hard and min(hard) > 0:
        return passed(f"the namespace has a quota of {min(hard):g}")
    if hard:
        return failed("the namespace's quota is 0", todo)
    return failed(f"the namespace's quotas do not name it, and {usual}", todo)


def _limits(view: ClusterView, subject: Subject) -> list[Verdict]:
    ranges = view.api.items(path_of("api", "v1", "namespaces", subject.namespace, "limitranges"))
    items = [item for each in ranges for item in (each.get("spec") or {}).get("limits") or []]
    broken = [
        message
        for workload in view.scene.workloads
        if view.scene.namespace_of(workload.manifest) == subject.namespace
        for item in items
        for message in _broken(workload, item)
    ]
    for claim in claims(view.scene):
        for item in items:
            ours = view.scene.namespace_of(claim.manifest) == subject.namespace
            if ours and item.get("type") == "PersistentVolumeClaim" and claim.size is not None:
                broken += _outside(f"{claim.title} asks", "storage", claim.size, claim.size, item)
    if broken:
        todo = "change the manifest, or ask the administrators"
        return [failed(message, todo) for message in dict.fromkeys(broken)]
    words = "all keep to the namespace's LimitRange" if items else "the namespace has no LimitRange"
    return [passed(words, [_defaults(item) for item in items if _defaults(item)])]


def _broken(workload: Workload, item: Mapping[str, Any]) -> Iterator[str]:
    """What a workload has outside a range."""
    title = workload.manifest.title
    if item.get("type") == "Pod":
        requests, limits = pod_requests(workload), pod_limits(workload)
        for resource in {*requests, *limits}:
            yield from _outside(f"a pod of {title}", resource, requests.get(resource), limits.get(resource), item)
    elif item.get("type") == "Container":
        for container in workload.containers:
            for resource in {*resources_of([container]), *(item.get("default") or {})}:
                request, limit = _with_defaults(container, resource, item)
                yield from _outside(f"{title}, container {container.name}", resource, request, limit, item)


def _with_defaults(container: Container, resource: str, item: Mapping[str, Any]) -> tuple[float | None, float | None]:
    """Request and limit of a container with the defaults that the cluster adds."""
    limit = container.limit(resource)
    request = container.request(resource)
    if request is None:
        request = quantity((item.get("defaultRequest") or {}).get(resource))
    return request, limit if limit is not None else quantity((item.get("default") or {}).get(resource))


def _outside(
    what: str, resource: str, request: float | None, limit: float | None, item: Mapping[str, Any]
) -> Iterator[str]:
    least, most, ratio = (
        quantity((item.get(part) or {}).get(resource)) for part in ("min", "max", "maxLimitRequestRatio")
    )
    highest = limit if limit is not None else request
    if least is not None and request is not None and request < least:
        yield f"{what}: {resource} {_amount(resource, request)} is below the minimum, {_amount(resource, least)}"
    if most is not None and highest is not None and highest > most:
        yield f"{what}: {resource} {_amount(resource, highest)} is above the maximum, {_amount(resource, most)}"
    if request is not None and limit is not None and request > limit:
        yield f"{what}: {resource} asks for {_amount(resource, request)}, above its limit {_amount(resource, limit)}"
    if ratio is not None and request and limit is not None and limit / request > ratio:
        yield f"{what}: {resource} has a limit of {limit / request:.3g} times the request, {ratio:g} at most"


def _defaults(item: Mapping[str, Any]) -> str:
    """The limits that the cluster adds where a container names none."""
    amounts = [f"{name} {amount}" for name, amount in (item.get("default") or {}).items()]
    return f"a container that names no limit gets {', '.join(amounts)}" if amounts else ""


def _amount(resource: str, number: float) -> str:
    if any(part in resource for part in _BYTES) and not resource.endswith("persistentvolumeclaims"):
        return f"{number / 2**30:.4g}Gi"
    return f"{number:g}"


QUOTA = Probe("quota", _namespaces, _quota)
GPU_QUOTA = Probe("gpu quota", _rare, _granted)
LIMITS = Probe("limits", _namespaces, _limits)
