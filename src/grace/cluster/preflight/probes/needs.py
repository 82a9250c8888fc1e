"""Looks at what manifests need from the cluster: storage, nodes, priority classes, secrets and volumes."""

from collections.abc import Iterator, Sequence
from typing import Any

from grace.cluster.access.connection import path_of
from grace.cluster.access.gpus import FREE, gpu_products
from grace.cluster.access.nodes import most_common, why_not
from grace.cluster.access.secret import missing_key
from grace.cluster.access.storage import StorageClassInfo, access_modes
from grace.cluster.preflight.demands import Claim, claims, gpus_of, pod_requests
from grace.cluster.preflight.inspection import Probe, Subject, Trial, Wanted
from grace.cluster.preflight.report import Line, failed, passed, unknown
from grace.policy.documents import Workload
from grace.policy.pods import named_products, node_terms
from grace.policy.rules.references import ALWAYS_THERE, Reference, references
from grace.text import did_you_mean

_PLURALS = {"ConfigMap": "configmaps", "Secret": "secrets", "ServiceAccount": "serviceaccounts"}


def _claims(wanted: Wanted) -> Sequence[Subject]:
    return [Subject(claim.title, of=claim) for claim in claims(wanted.scene)] or [Subject("")]


def _storage(trial: Trial, subject: Subject) -> Iterator[Line]:
    claim: Claim | None = subject.of
    known = trial.storage_classes
    if claim is None:
        yield passed("storage", "", f"the cluster has the classes {', '.join(known) or 'none'}")
    elif claim.storage_class == "":
        yield unknown("storage", subject.title, "names no class on purpose: a volume that fits must be there already")
    elif claim.storage_class is None:
        default = [each for each in known.values() if each.default]
        if default:
            yield _modes(trial, claim, default[0], "of the default class ")
        else:
            todo = f"name a class in storageClassName: {', '.join(known) or 'the cluster has none'}"
            yield failed("storage", subject.title, "names no class, and the cluster has no default one", todo)
    else:
        yield _named_class(trial, claim, claim.storage_class)


def _named_class(trial: Trial, claim: Claim, name: str) -> Line:
    known = trial.storage_classes
    usable = [each for each in known if not _forbidden(trial, each)]
    described = trial.cluster.storage_class(name)
    if described and described.forbidden:
        todo = f"take another class: {', '.join(usable) or 'ask the administrators'}"
        return failed("storage", claim.title, f"users may not take the class {name} ({described.forbidden})", todo)
    if name not in known:
        todo = f"take a class that it has: {', '.join(usable) or 'none'}{did_you_mean(name, usable)}"
        return failed("storage", claim.title, f"the cluster has no class {name}", todo)
    root = " (its roots belong to root, whatever fsGroup says)" if described and described.root_owned else ""
    return _modes(trial, claim, known[name], f"of the class {name}{root} ")


def _forbidden(trial: Trial, name: str) -> bool:
    described = trial.cluster.storage_class(name)
    return bool(described and described.forbidden)


def _modes(trial: Trial, claim: Claim, known: StorageClassInfo, words: str) -> Line:
    modes = access_modes(known, trial.cluster)
    if modes is None:
        message = f"{words}is there; whether its volumes can be {', '.join(claim.modes)} is not known"
        return unknown("storage", claim.title, message)
    wrong = [mode for mode in claim.modes if mode not in modes]
    if wrong:
        message = f"volumes {words}cannot be {', '.join(wrong)}, only {', '.join(sorted(modes))}"
        return failed("storage", claim.title, message, "change accessModes, or take another class")
    return passed("storage", claim.title, f"volumes {words}can be {', '.join(claim.modes)}")


def _workloads(wanted: Wanted) -> Sequence[Subject]:
    return [Subject(workload.manifest.title, of=workload) for workload in wanted.scene.workloads] or [Subject("")]


def _nodes(trial: Trial, subject: Subject) -> Iterator[Line]:
    workload: Workload | None = subject.of
    if workload is None:
        products = gpu_products(trial.nodes, trial.cluster)
        served = [
            f"{each.usable_gpus} {each.product} for {', '.join(each.profiles)}" for each in products if each.profiles
        ]
        yield passed("nodes", "", f"usable GPUs: {'; '.join(served) or 'none that a profile of Grace takes'}. {FREE}")
        return
    asked = pod_requests(workload)
    reasons = {node.name: why_not(node, workload.spec, asked) for node in trial.nodes}
    fitting = [node for node in trial.nodes if not reasons[node.name]]
    if not fitting:
        yield _nowhere(trial, workload, list(reasons.values()))
        return
    gpus = gpus_of(asked)
    room = min(
        (sum(node.gpus.get(name, 0) // count for node in fitting) for name, count in gpus.items() if count), default=0
    )
    if gpus and room < workload.pods:
        message = (
            f"asks for {workload.pods} pods at once, and the nodes that fit have GPUs for {room} when all are free"
        )
        yield failed("nodes", subject.title, message, "lower parallelism or replicas; the others would wait")
        return
    have = ", ".join(f"{sum(node.gpus.get(name, 0) for node in fitting)} {name}" for name in gpus)
    message = f"{len(fitting)} of {len(trial.nodes)} nodes fit" + (
        f", with {have} in all (how many are free cannot be known)" if gpus else ""
    )
    yield passed("nodes", subject.title, message)


def _nowhere(trial: Trial, workload: Workload, reasons: Sequence[str]) -> Line:
    title = workload.manifest.title
    selected = [reason for reason in reasons if reason != "not selected"]
    if not trial.nodes:
        return unknown("nodes", title, "the cluster shows no nodes")
    if selected:
        message = f"no node fits; of {len(selected)} that it selects: {most_common(selected)}"
        todo = "tolerate a taint only with its owner's permission; else select other nodes, or ask for less"
        return failed("nodes", title, message, todo)
    there = sorted({node.product for node in trial.nodes if node.product})
    wrong = [name for name in _products(workload) if name not in there]
    if wrong:
        todo = f"it has {', '.join(there) or 'no GPUs'}{did_you_mean(wrong[0], there)}"
        return failed("nodes", title, f"no node has the GPU {' or '.join(wrong)}", todo)
    todo = "see the labels of nodes with `kubectl get nodes --show-labels`, and GPUs with `grace cluster gpus`"
    return failed("nodes", title, f"its nodeSelector and affinity select none of {len(trial.nodes)} nodes", todo)


def _products(workload: Workload) -> list[str]:
    """Products of GPUs that a workload's nodes may have, as its selectors name them."""
    named = [named_products(term) for term in node_terms(workload)]
    return sorted({product for products in named if products for product in products})


def _priorities(wanted: Wanted) -> Sequence[Subject]:
    names = {workload.spec.get("priorityClassName") for workload in wanted.scene.workloads}
    return [Subject(name, of=name) for name in sorted(name for name in names if name)]


def _priority(trial: Trial, subject: Subject) -> Iterator[Line]:
    allowed = trial.cluster.priority_classes.allowed
    choices = ", ".join(allowed) or "none is needed"
    if trial.find(path_of("apis", "scheduling.k8s.io", "v1", "priorityclasses", subject.title)) is None:
        yield failed("priority", subject.title, "the cluster has no such priority class", f"take another: {choices}")
    elif allowed and subject.title not in allowed:
        yield failed("priority", subject.title, "users may not set this priority class", f"take another: {choices}")
    else:
        yield passed("priority", subject.title, "is there")


def _references(wanted: Wanted, kinds: tuple[str, ...]) -> Sequence[Subject]:
    """What pods refer to, each object once, with all keys that are needed of it."""
    found: dict[tuple[str, str, str], dict[str, None]] = {}
    for workload in wanted.scene.workloads:
        namespace = wanted.scene.namespace_of(workload.manifest)
        for each in references(workload):
            if each.kind in kinds and each.name and not each.optional and (each.kind, each.name) not in ALWAYS_THERE:
                keys = found.setdefault((namespace, each.kind, each.name), {})
                keys |= dict.fromkeys(key for key, _ in each.keys)
    return [
        Subject(f"{kind}/{name}", namespace, Reference(kind, name, (), tuple((key, ()) for key in keys)))
        for (namespace, kind, name), keys in found.items()
    ]


def _secrets(wanted: Wanted) -> Sequence[Subject]:
    return _references(wanted, ("Secret",))


def _configs(wanted: Wanted) -> Sequence[Subject]:
    return _references(wanted, ("ConfigMap", "ServiceAccount"))


def _object(trial: Trial, subject: Subject) -> Iterator[Line]:
    """Whether a Secret, ConfigMap or service account is there, with its keys. Values are not looked at."""
    wanted: Reference = subject.of
    check = "secret" if wanted.kind == "Secret" else "config"
    if trial.scene.find(wanted.kind, subject.namespace, wanted.name):
        yield passed(check, subject.title, "is among the manifests")
        return
    plural = _PLURALS[wanted.kind]
    found = trial.find(path_of("api", "v1", "namespaces", subject.namespace, plural, wanted.name))
    needed = [key for key, _ in wanted.keys]
    if found is None:
        yield failed(check, subject.title, f"is neither in {subject.namespace} nor among the manifests", _make(wanted))
        return
    keys = tuple(sorted({*(found.get("data") or {}), *(found.get("binaryData") or {})}))
    missing = [key for key in needed if key not in keys]
    if missing and wanted.kind == "Secret":
        what, _, todo = missing_key(wanted.name, missing[0], keys).partition(": ")
        yield failed(check, subject.title, what, todo)
    elif missing:
        yield failed(
            check, subject.title, f"has no key {missing[0]!r}, only {', '.join(keys) or 'none'}", "apply it anew"
        )
    else:
        with_keys = f", with {', '.join(needed)}" if needed else ""
        yield passed(check, subject.title, f"is there{with_keys}")


def _make(wanted: Reference) -> str:
    if wanted.kind == "Secret":
        key = f" --key {wanted.keys[0][0]}" if wanted.keys else ""
        return f"`grace cluster secret --name {wanted.name}{key}` makes it from the environment"
    return f"write {wanted.kind} {wanted.name} into the manifests, or apply it first"


def _volumes(wanted: Wanted) -> Sequence[Subject]:
    return _references(wanted, ("PersistentVolumeClaim",))


def _volume(trial: Trial, subject: Subject) -> Iterator[Line]:
    name, namespace = subject.of.name, subject.namespace
    found = trial.find(path_of("api", "v1", "namespaces", namespace, "persistentvolumeclaims", name))
    listed = trial.scene.find("PersistentVolumeClaim", namespace, name)
    if found is None:
        if listed:
            yield passed("volume", subject.title, "is among the manifests, and not on the cluster yet")
        else:
            todo = "`grace cluster render` writes claims; apply them first"
            yield failed("volume", subject.title, f"is neither in {namespace} nor among the manifests", todo)
        return
    yield _claim_state(trial, subject.title, found)


def _claim_state(trial: Trial, title: str, found: dict[str, Any]) -> Line:
    phase = (found.get("status") or {}).get("phase", "")
    events = f"see why with `kubectl describe {title.lower()}`"
    if (found.get("metadata") or {}).get("deletionTimestamp"):
        return failed(
            "volume", title, "is being deleted", "wait until it is gone (pods that use it keep it), then apply it"
        )
    if phase == "Bound":
        size = ((found.get("status") or {}).get("capacity") or {}).get("storage", "?")
        return passed("volume", title, f"is bound, {size}")
    if phase == "Pending":
        name = (found.get("spec") or {}).get("storageClassName", "")
        known = trial.storage_classes.get(name)
        if known and known.waits:
            return passed("volume", title, "waits for its first pod, as its storage class has it")
        return failed("volume", title, "has no volume yet (Pending)", events)
    return failed("volume", title, f"is {phase or 'in no phase'}", events)


STORAGE = Probe("storage", _claims, _storage)
NODES = Probe("nodes", _workloads, _nodes)
PRIORITY = Probe("priority", _priorities, _priority)
SECRETS = Probe("secret", _secrets, _object)
CONFIGS = Probe("config", _configs, _object)
VOLUMES = Probe("volume", _volumes, _volume)
