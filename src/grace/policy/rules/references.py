"""Rules about what pods refer to: volumes, ConfigMaps, Secrets, service accounts."""

import posixpath
import re
from collections.abc import Iterator

from grace.policy.documents import SINGLE, FieldPath, Manifest, Scene, Workload, distinct, meet, together
from grace.policy.forms import is_subdomain
from grace.policy.placeholders import placeholder_at
from grace.policy.references import ALWAYS_THERE, Reference, references
from grace.policy.rule import Hit, Severity, broken, changed, error, kubernetes, note, warning
from grace.policy.rules.examples import example
from grace.text import did_you_mean

ALIKE = 0.85
"""How similar a name must be to be proposed: users have many names that are somewhat alike."""
_COPY = re.compile(r"backup|archive|(?<![0-9])20[0-9]{2}-?[01][0-9]-?[0-3][0-9](?![0-9])", re.IGNORECASE)
"""Names of files and folders of an earlier day."""
COMMAND = {"PersistentVolumeClaim": "pvc"}
"""Kinds by the name that kubectl has for them."""
_CLAIM = example("claim")
_HUB = example("hub-secret")
_JOB = example("referring-job")
_ALL = f"{_JOB}---\n{_CLAIM}---\n{_HUB}"
_VOLUME = "      volumes: [{name: data, persistentVolumeClaim: {claimName: outputs}}]\n      containers:"
_ROLLING = f"{changed(example('plain-server'), ('      containers:', _VOLUME))}---\n{_CLAIM}"


@note(
    "K8S017",
    "object that must be in the namespace already",
    why="The pod waits in Pending or ContainerCreating until there is one of that name in its namespace; without its "
    "RuntimeClass, which belongs to the cluster, it is refused. That it is in no file is "
    "right for a Secret, which belongs in no file, and for a volume claim that outlives its users.",
    source=kubernetes("Persistent Volumes", "concepts/storage/persistent-volumes/"),
    fix="See whether it is there, with the command that the message names, or check its file together with this one.",
    examples=(f"{_JOB}---\n{_HUB}", _ALL),
)
def check_there(scene: Scene) -> Iterator[Hit]:
    """One hit in each file for each object that its workloads need and that is not there."""
    reported: set[tuple[str, str, str]] = set()
    for workload in scene.workloads:
        for reference in references(workload):
            key, file = (reference.kind, reference.name), workload.manifest.source.file
            if reference.optional or not is_subdomain(reference.name) or (*key, file) in reported:
                continue
            claimed = reference.path[-1] == "claimName" and _from_template(workload, reference.path)
            there = claimed or key in ALWAYS_THERE or key in scene.generated
            if there or placeholder_at(workload.manifest, reference.path):
                continue
            if not scene.near(reference.kind, reference.name, workload.manifest):
                reported.add((*key, file))
                meant = _elsewhere(scene, reference) or did_you_mean(
                    reference.name, (manifest.name for manifest in scene.kind(reference.kind)), ALIKE
                )
                private = ", if the image is private" if "imagePullSecrets" in reference.path else ""
                look = f"kubectl get {COMMAND.get(reference.kind, reference.kind.lower())} {reference.name}"
                message = f"{reference.kind} {reference.name!r} must exist already{private}: `{look}`{meant}"
                yield Hit(workload.manifest, reference.path, message)


def _elsewhere(scene: Scene, reference: Reference) -> str:
    """The namespaces of these files that have an object of the name; empty for none."""
    same = (one.namespace for one in scene.kind(reference.kind) if one.name == reference.name)
    return f"; these files have one in {' and '.join(places)} only" if (places := sorted(set(same))) else ""


def _from_template(workload: Workload, path: FieldPath) -> bool:
    """Whether a claim of a StatefulSet's own templates takes the place of a volume."""
    templates = workload.manifest.at(("spec", "volumeClaimTemplates")) or []
    names = [(template.get("metadata") or {}).get("name") for template in templates]
    return workload.manifest.at((*path[:-2], "name")) in names


@error(
    "K8S019",
    "key that the ConfigMap or Secret does not have",
    why="The container does not start: CreateContainerConfigError, or FailedMount. Where the object is in another file "
    "and only one of both names a namespace, or is a copy by its name (backup, a date), it may be another one of that "
    "name: a note.",
    source=kubernetes("Secrets", "concepts/configuration/secret/"),
    fix="Use a key that is there, or add this one.",
    examples=broken(_ALL, ("key: token", "key: HF_TOKEN")),
)
def check_keys(scene: Scene) -> Iterator[Hit]:
    for workload in scene.workloads:
        for reference in references(workload):
            target = scene.near(reference.kind, reference.name, workload.manifest)
            if not reference.keys or reference.optional or target is None or target in scene.broken:
                continue
            parts = ("data", "binaryData", "stringData")
            present = {key for part in parts for key in target.body.get(part) or {}}
            own, other = workload.manifest.source.file, target.source.file
            sure = own == other or (workload.manifest.namespace == target.namespace and not _is_copy(other, own))
            for key, path in reference.keys:
                if key not in present:
                    has = ", ".join(sorted(present)) or "none"
                    message = f"{target.title} has no key {key!r} (it has {has})"
                    yield Hit(workload.manifest, path, message, severity=None if sure else Severity.NOTE)


def _is_copy(file: str, user: str) -> bool:
    """Whether a file in another folder than that of its user is of an earlier day, by its name or its folder's."""
    return posixpath.dirname(file) != posixpath.dirname(user) and _COPY.search(file) is not None


@warning(
    "K8S020",
    "volume of one node in several pods",
    why="A ReadWriteOnce volume is attached to one node. A second pod that lands on another node waits in "
    "ContainerCreating (Multi-Attach error) until the first one is gone. Pods of several files are a note: they may be "
    "meant one after the other.",
    source=kubernetes("Persistent Volumes, Access Modes", "concepts/storage/persistent-volumes/#access-modes"),
    fix="Use ReadWriteMany with a storage class that has it, a volume for each pod, or run one after the other.",
    examples=broken(_ALL, ("parallelism: 1", "parallelism: 4\n  completions: 4")),
)
def check_shared(scene: Scene) -> Iterator[Hit]:
    users: dict[str, list[Workload]] = {}
    for workload in scene.workloads:
        for name in dict.fromkeys(_claims(workload)):
            users.setdefault(name, []).append(workload)
    for claim in scene.kind("PersistentVolumeClaim"):
        if not _is_of_one_node(claim):
            continue
        modes = " and ".join(sorted(claim.at(("spec", "accessModes"))))
        groups = together(each for each in users.get(claim.name, ()) if _may_use(each, claim))
        several = [group for group in groups if _pods(group) > 1]
        apart = distinct(workload for group in groups for workload in group)
        for group in several or [apart] * (_pods(apart) > 1):
            names = ", ".join(workload.manifest.title for workload in group[:6])
            where = "one pod" if "Pod" in modes else "one node"
            message = (
                f"can be mounted on {where} at a time ({modes}), and may have {_pods(group)} pods at once: {names}"
            )
            yield Hit(claim, ("spec", "accessModes"), message, severity=None if several else Severity.NOTE)


def _pods(users: list[Workload]) -> int:
    """How many pods there may be at once. Steps of one workflow of Argo may depend on each other."""
    steps = {each.manifest for each in users if any(name in each.spec for name in SINGLE)}
    others = (each for each in users if each.manifest not in steps)
    return len(steps) + sum(2 if each.kind == "DaemonSet" else each.pods for each in others)


def _is_of_one_node(claim: Manifest) -> bool:
    modes = set(claim.at(("spec", "accessModes")) or [])
    return bool(modes) and modes <= {"ReadWriteOnce", "ReadWriteOncePod"}


@warning(
    "K8S039",
    "rolling update of a pod that holds its volume",
    why="A rolling update, which is the default, starts the new pod before it ends the old one. A ReadWriteOnce "
    "volume is attached to the old one's node: on another node the new pod waits (Multi-Attach error), and the update "
    "hangs.",
    source=kubernetes("Deployments, Strategy", "concepts/workloads/controllers/deployment/#strategy"),
    fix="Write strategy: {type: Recreate} into the Deployment's spec, or use a claim of ReadWriteMany.",
    examples=(_ROLLING, changed(_ROLLING, ("  replicas: 1\n", "  strategy: {type: Recreate}\n"))),
)
def check_rolling(scene: Scene) -> Iterator[Hit]:
    for workload in scene.workloads:
        strategy = workload.manifest.at(("spec", "strategy")) or {}
        starts_first = strategy.get("type", "RollingUpdate") == "RollingUpdate"
        if (
            workload.kind != "Deployment"
            or not starts_first
            or (strategy.get("rollingUpdate") or {}).get("maxSurge") == 0
        ):
            continue
        used = {*_claims(workload)}
        claims = [claim for claim in scene.kind("PersistentVolumeClaim") if claim.name in used]
        held = dict.fromkeys(claim.name for claim in claims if _is_of_one_node(claim) and _may_use(workload, claim))
        if held:
            message = f"updates start a new pod while the old one holds what is mounted on one node: {', '.join(held)}"
            yield Hit(workload.manifest, ("spec", "strategy"), message)


def _claims(workload: Workload) -> Iterator[str]:
    """The names of the volume claims that pods use."""
    return (reference.name for reference in references(workload) if reference.kind == "PersistentVolumeClaim")


def _may_use(workload: Workload, claim: Manifest) -> bool:
    """Whether a claim of the name that pods use may be the one."""
    return meet(workload.manifest.namespace, claim.namespace)
