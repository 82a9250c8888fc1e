"""Rules about what pods refer to: volumes, ConfigMaps, Secrets, service accounts."""

from collections.abc import Iterator

from grace.policy.documents import FieldPath, Manifest, Scene, Workload, meet, together
from grace.policy.placeholders import placeholder_in_name
from grace.policy.references import ALWAYS_THERE, references
from grace.policy.rule import Hit, broken, changed, error, kubernetes, note, warning
from grace.policy.rules.examples import example
from grace.text import did_you_mean

ALIKE = 0.85
"""How similar a name must be to be proposed: users have many names that are somewhat alike."""
_CLAIM = example("claim")
_HUB = example("hub-secret")
_JOB = example("referring-job")
_ALL = f"{_JOB}---\n{_CLAIM}---\n{_HUB}"
_VOLUME = "      volumes: [{name: data, persistentVolumeClaim: {claimName: outputs}}]\n      containers:"
_ROLLING = f"{changed(example('plain-server'), ('      containers:', _VOLUME))}---\n{_CLAIM}"


@warning(
    "K8S017",
    "volume claim, ConfigMap or service account that is not in the files",
    why="The pod waits in Pending or ContainerCreating until there is one of that name in its namespace.",
    source=kubernetes("Persistent Volumes and ConfigMaps", "concepts/storage/persistent-volumes/"),
    fix="Check all files together. If it is made elsewhere, check that it is there: `kubectl get pvc,configmap`.",
    examples=(f"{_JOB}---\n{_HUB}", _ALL),
)
def check_there(scene: Scene) -> Iterator[Hit]:
    yield from _missing(scene, ("PersistentVolumeClaim", "ConfigMap", "ServiceAccount"))


@note(
    "K8S018",
    "Secret that is not in the files",
    why="This is right, as a secret belongs in no file; but the pod does not start before the Secret exists.",
    source=kubernetes("Secrets", "concepts/configuration/secret/"),
    fix="Check that it is there: `kubectl get secret NAME`. `grace cluster secret` makes that of the model hub.",
    examples=(f"{_JOB}---\n{_CLAIM}", _ALL),
)
def check_secret_there(scene: Scene) -> Iterator[Hit]:
    yield from _missing(scene, ("Secret",))


def _missing(scene: Scene, kinds: tuple[str, ...]) -> Iterator[Hit]:
    """One hit for each object that a workload needs and that is not there."""
    for workload in scene.workloads:
        reported: set[tuple[str, str]] = set()
        for reference in references(workload):
            key = (reference.kind, reference.name)
            claimed = reference.path[-1] == "claimName" and _from_template(workload, reference.path)
            there = claimed or key in ALWAYS_THERE or key in scene.generated or key in reported
            if (
                reference.kind not in kinds
                or reference.optional
                or there
                or not reference.name
                or placeholder_in_name(reference.name)
            ):
                continue
            reported.add(key)
            if not scene.near(reference.kind, reference.name, workload.manifest):
                meant = did_you_mean(reference.name, (manifest.name for manifest in scene.kind(reference.kind)), ALIKE)
                absent = "is not in these files, so must be in the namespace"
                absent += ", if the image is private" if "imagePullSecrets" in reference.path else ""
                yield Hit(workload.manifest, reference.path, f"{reference.kind} {reference.name!r} {absent}{meant}")


def _from_template(workload: Workload, path: FieldPath) -> bool:
    """Whether a claim of a StatefulSet's own templates takes the place of a volume."""
    templates = workload.manifest.at(("spec", "volumeClaimTemplates")) or []
    names = [(template.get("metadata") or {}).get("name") for template in templates]
    return workload.manifest.at((*path[:-2], "name")) in names


@error(
    "K8S019",
    "key that the ConfigMap or Secret does not have",
    why="The container does not start: CreateContainerConfigError.",
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
            for key, path in reference.keys:
                if key not in present:
                    has = ", ".join(sorted(present)) or "none"
                    yield Hit(workload.manifest, path, f"{target.title} has no key {key!r} (it has {has})")


@warning(
    "K8S020",
    "volume of one node in several pods",
    why="A ReadWriteOnce volume is attached to one node. A second pod that lands on another node waits in "
    "ContainerCreating (Multi-Attach error) until the first one is gone.",
    source=kubernetes("Persistent Volumes, Access Modes", "concepts/storage/persistent-volumes/#access-modes"),
    fix="Use ReadWriteMany with a storage class that has it, a volume for each pod, or run one after the other.",
    examples=broken(_ALL, ("parallelism: 1", "parallelism: 4\n  completions: 4")),
)
def check_shared(scene: Scene) -> Iterator[Hit]:
    for claim in scene.kind("PersistentVolumeClaim"):
        modes = set(claim.at(("spec", "accessModes")) or [])
        if not modes or not modes <= {"ReadWriteOnce", "ReadWriteOncePod"}:
            continue
        for users in together(workload for workload in scene.workloads if _uses(workload, claim)):
            pods = sum(2 if workload.kind == "DaemonSet" else workload.pods for workload in users)
            if pods > 1:
                names = ", ".join(workload.manifest.title for workload in users)
                one = "one pod" if modes == {"ReadWriteOncePod"} else "the pods of one node"
                message = f"{' and '.join(sorted(modes))} is for {one} at a time, and {pods} pods use it: {names}"
                yield Hit(claim, ("spec", "accessModes"), message)


@warning(
    "K8S039",
    "rolling update of a pod that holds its volume",
    why="A rolling update starts the new pod before it ends the old one. A ReadWriteOnce volume is attached to the old "
    "one's node: on another node the new pod waits (Multi-Attach error), and the old one is never ended.",
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
        for claim in scene.kind("PersistentVolumeClaim"):
            modes = set(claim.at(("spec", "accessModes")) or [])
            if modes and modes <= {"ReadWriteOnce", "ReadWriteOncePod"} and _uses(workload, claim):
                message = f"the strategy is RollingUpdate, and the claim {claim.name} is {' and '.join(sorted(modes))}"
                yield Hit(workload.manifest, ("spec", "strategy"), message)


def _uses(workload: Workload, claim: Manifest) -> bool:
    if not meet(workload.manifest.namespace, claim.namespace):
        return False
    return any(reference.kind == claim.kind and reference.name == claim.name for reference in references(workload))
