"""Probes of what manifests need from the cluster: storage, nodes, priority classes, secrets and volumes."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from grace.cluster.access.gpus import FREE, gpu_products
from grace.cluster.access.nodes import apart, most_common, why_not
from grace.cluster.access.paths import path_of
from grace.cluster.access.storage_classes import StorageClassInfo, access_modes
from grace.cluster.preflight.demands import Claim, claims, gpus_of, pod_requests
from grace.cluster.preflight.probe import ClusterView, Probe, Subject, Submission
from grace.cluster.preflight.report import Verdict, failed, passed, unknown
from grace.policy.documents import Workload
from grace.policy.pods import named_products, node_terms
from grace.policy.references import ALWAYS_THERE, Reference, references
from grace.text import did_you_mean

KUEUE = "kueue.x-k8s.io/queue-name"
_PLURALS = {"ConfigMap": "configmaps", "Secret": "secrets", "ServiceAccount": "serviceaccounts"}


def _claims(submission: Submission) -> Sequence[Subject]:
    return [Subject(claim.title, of=claim) for claim in claims(submission.scene)] or [Subject("")]


def _storage(view: ClusterView, subject: Subject) -> Verdict:
    claim: Claim | None = subject.of
    classes = view.storage_classes
    if claim is None:
        return passed(f"the cluster has the classes {', '.join(classes) or 'none'}")
    if claim.storage_class == "":
        return unknown("names no class on purpose: a fitting volume must already be there")
    if claim.storage_class is None:
        default = [each for each in classes.values() if each.default]
        if default:
            return _modes(view, claim, default[0], "of the default class ")
        todo = f"name a class in storageClassName: {', '.join(classes) or 'the cluster has none'}"
        return failed("names no class, and the cluster has no default one", todo)
    return _named_class(view, claim, claim.storage_class)


def _named_class(view: ClusterView, claim: Claim, name: str) -> Verdict:
    classes = view.storage_classes
    usable = [each for each in classes if not _forbidden(view, each)]
    described = view.cluster.storage_class(name)
    if described and described.forbidden:
        todo = f"take another class: {', '.join(usable) or 'ask the administrators'}"
        return failed(f"users may not take the class {name} ({described.forbidden})", todo)
    if name not in classes:
        todo = f"take a class that it has: {', '.join(usable) or 'none'}{did_you_mean(name, usable)}"
        return failed(f"the cluster has no class {name}", todo)
    root = " (its roots belong to root, whatever fsGroup says)" if described and described.root_owned else ""
    verdict = _modes(view, claim, classes[name], f"of the class {name}{root} ")
    purged = ("data of this class may be deleted at any time",) if described and described.purged else ()
    return replace(verdict, notes=purged)


def _forbidden(view: ClusterView, name: str) -> bool:
    described = view.cluster.storage_class(name)
    return bool(described and described.forbidden)


def _modes(view: ClusterView, claim: Claim, storage_class: StorageClassInfo, words: str) -> Verdict:
    modes = access_modes(storage_class, view.cluster)
    if modes is None:
        return unknown(f"{words}is there; whether its volumes can be {', '.join(claim.modes)} is not known")
    wrong = [mode for mode in claim.modes if mode not in modes]
    if wrong:
        message = f"volumes {words}cannot be {', '.join(wrong)}, only {', '.join(sorted(modes))}"
        return failed(message, "change accessModes, or take another class")
    return passed(f"volumes {words}can be {', '.join(claim.modes)}")


def _workloads(submission: Submission) -> Sequence[Subject]:
    return [Subject(workload.manifest.title, of=workload) for workload in submission.scene.workloads] or [Subject("")]


def _nodes(view: ClusterView, subject: Subject) -> Verdict:
    workload: Workload | None = subject.of
    if workload is None:
        products = gpu_products(view.nodes, view.cluster)
        served = [
            f"{each.usable_gpus} {each.product} for {', '.join(each.profiles)}" for each in products if each.profiles
        ]
        return passed(f"usable GPUs: {'; '.join(served) or 'none that a profile of Grace takes'}. {FREE}")
    asked = pod_requests(workload)
    reasons = {node.name: why_not(node, workload.spec, asked) for node in view.nodes}
    fitting = [node for node in view.nodes if not reasons[node.name]]
    if not fitting:
        return _nowhere(view, workload, list(reasons.values()))
    gpus = gpus_of(asked)
    room = min(
        (sum(node.gpus.get(name, 0) // count for node in fitting) for name, count in gpus.items() if count), default=0
    )
    if apart(workload) and len(fitting) < workload.pods:
        fits = f"asks for {workload.pods} pods on a node each (podAntiAffinity), and only {len(fitting)} nodes fit"
        return failed(fits, "ask for fewer nodes, or select more")
    if gpus and room < workload.pods:
        fits = f"asks for {workload.pods} pods at once, and the nodes that fit have GPUs for {room} when all are free"
        return failed(fits, "lower parallelism or replicas; the others would wait")
    sums = ", ".join(f"{sum(node.gpus.get(name, 0) for node in fitting)} {name}" for name in gpus)
    have = f", with {sums} in all (how many are free cannot be known)" if gpus else ""
    return passed(f"{len(fitting)} of {len(view.nodes)} nodes fit{have}")


def _nowhere(view: ClusterView, workload: Workload, reasons: Sequence[str]) -> Verdict:
    selected = [reason for reason in reasons if reason != "not selected"]
    if not view.nodes:
        return unknown("the cluster shows no nodes")
    if selected:
        todo = "tolerate a taint only with its owner's permission; else select other nodes, or ask for less"
        return failed(f"no node fits; of {len(selected)} that it selects: {most_common(selected)}", todo)
    there = sorted({node.product for node in view.nodes if node.product})
    named = sorted({name for term in node_terms(workload) for name in named_products(term) or ()})
    wrong = [name for name in named if name not in there]
    if wrong:
        todo = f"it has {', '.join(there) or 'no GPUs'}{did_you_mean(wrong[0], there)}"
        return failed(f"no node has the GPU {' or '.join(wrong)}", todo)
    labels, gpus = view.command("kubectl get nodes --show-labels"), view.command("grace cluster gpus")
    todo = f"see the labels of nodes with {labels}, and GPUs with {gpus}"
    return failed(f"its nodeSelector and affinity select none of {len(view.nodes)} nodes", todo)


def _priorities(submission: Submission) -> Sequence[Subject]:
    names = {workload.spec.get("priorityClassName") for workload in submission.scene.workloads}
    return [Subject(name, of=name) for name in sorted(name for name in names if name)]


def _priority(view: ClusterView, subject: Subject) -> Verdict:
    allowed = view.cluster.priority_classes.allowed
    choices = ", ".join(allowed) or "none is needed"
    if view.find(path_of("apis", "scheduling.k8s.io", "v1", "priorityclasses", subject.title)) is None:
        return failed("the cluster has no such priority class", f"take another: {choices}")
    if allowed and subject.title not in allowed:
        return failed("users may not set this priority class", f"take another: {choices}")
    return passed("is there")


def _queues(submission: Submission) -> Sequence[Subject]:
    """Objects that wait for a queue of Kueue."""
    scene = submission.scene
    names = {(scene.namespace_of(manifest), manifest.labels.get(KUEUE, "")) for manifest in scene.manifests}
    return [Subject(name, namespace, name) for namespace, name in sorted(names) if name]


def _queue(view: ClusterView, subject: Subject) -> Verdict:
    group, *_ = KUEUE.split("/")
    served = view.find(path_of("apis", group))
    if served is None:
        todo = "leave --queue out of `grace cluster render`, or the label out of the manifests"
        return failed("the cluster has no Kueue, so nothing lets the Job start: it stays suspended", todo)
    version = str((served.get("preferredVersion") or {}).get("version") or "v1beta1")
    if view.find(path_of("apis", group, version, "namespaces", subject.namespace, "localqueues", subject.title)):
        return passed("is there")
    queues = view.command("kubectl get localqueue", subject.namespace)
    return failed("the namespace has no such queue: the Job would stay suspended", f"{queues} lists those that it has")


def _references(submission: Submission, kinds: tuple[str, ...]) -> Sequence[Subject]:
    """What pods refer to, each object once, with all its keys that they need."""
    needed: dict[tuple[str, str, str], dict[str, None]] = {}
    for workload in submission.scene.workloads:
        namespace = submission.scene.namespace_of(workload.manifest)
        for each in references(workload):
            if each.kind in kinds and each.name and not each.optional and (each.kind, each.name) not in ALWAYS_THERE:
                keys = needed.setdefault((namespace, each.kind, each.name), {})
                keys |= dict.fromkeys(key for key, _ in each.keys)
    return [
        Subject(f"{kind}/{name}", namespace, Reference(kind, name, (), tuple((key, ()) for key in keys)))
        for (namespace, kind, name), keys in needed.items()
    ]


def _object(view: ClusterView, subject: Subject) -> Verdict:
    """Whether a Secret, ConfigMap or service account is there, with its keys. Values are not read."""
    reference: Reference = subject.of
    if view.scene.find(reference.kind, subject.namespace, reference.name):
        return passed("is among the manifests")
    plural = _PLURALS[reference.kind]
    current = view.find(path_of("api", "v1", "namespaces", subject.namespace, plural, reference.name))
    needed = [key for key, _ in reference.keys]
    if current is None:
        return failed(f"is neither in {subject.namespace} nor among the manifests", _make(view, subject))
    keys = tuple(sorted({*(current.get("data") or {}), *(current.get("binaryData") or {})}))
    missing = [key for key in needed if key not in keys]
    if missing:
        add = view.command(f"grace cluster secret --name {reference.name} --key {missing[0]}", subject.namespace)
        words = f"has no key {missing[0]!r}, only {', '.join(keys) or 'none'}{did_you_mean(missing[0], keys)}"
        return failed(words, f"{add} adds it" if reference.kind == "Secret" else "apply it again")
    with_keys = f", with {', '.join(needed)}" if needed else ""
    return passed(f"is there{with_keys}")


def _make(view: ClusterView, subject: Subject) -> str:
    reference: Reference = subject.of
    if reference.kind == "Secret":
        key = f" --key {reference.keys[0][0]}" if reference.keys else ""
        make = view.command(f"grace cluster secret --name {reference.name}{key}", subject.namespace)
        return f"{make} makes it from the environment"
    return f"write {reference.kind} {reference.name} into the manifests, or apply it first"


def _volume(view: ClusterView, subject: Subject) -> Verdict:
    name, namespace = subject.of.name, subject.namespace
    claim = view.find(path_of("api", "v1", "namespaces", namespace, "persistentvolumeclaims", name))
    if claim is not None:
        return _claim_state(view, subject, claim)
    if view.scene.find("PersistentVolumeClaim", namespace, name):
        return passed("is among the manifests, and not on the cluster yet")
    todo = "`grace cluster render` writes claims; apply them first"
    return failed(f"is neither in {namespace} nor among the manifests", todo)


def _claim_state(view: ClusterView, subject: Subject, claim: dict[str, Any]) -> Verdict:
    phase = (claim.get("status") or {}).get("phase", "")
    describe = f"kubectl describe persistentvolumeclaim {subject.of.name}"
    events = f"see why with {view.command(describe, subject.namespace)}"
    if (claim.get("metadata") or {}).get("deletionTimestamp"):
        return failed("is being deleted", "wait until it is gone (pods that use it keep it), then apply it")
    if phase == "Bound":
        size = ((claim.get("status") or {}).get("capacity") or {}).get("storage", "?")
        return passed(f"is bound, {size}")
    if phase == "Pending":
        name = (claim.get("spec") or {}).get("storageClassName", "")
        storage_class = view.storage_classes.get(name)
        if storage_class and storage_class.waits:
            return passed("waits for its first pod, as its storage class requires")
        return failed("has no volume yet (Pending)", events)
    return failed(f"is {phase or 'in no phase'}", events)


STORAGE = Probe("storage", _claims, _storage)
NODES = Probe("nodes", _workloads, _nodes)
PRIORITY = Probe("priority", _priorities, _priority)
QUEUE = Probe("queue", _queues, _queue)
SECRETS = Probe("secret", partial(_references, kinds=("Secret",)), _object)
CONFIGS = Probe("config", partial(_references, kinds=("ConfigMap", "ServiceAccount")), _object)
VOLUMES = Probe("volume", partial(_references, kinds=("PersistentVolumeClaim",)), _volume)
