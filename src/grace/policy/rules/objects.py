"""Rules about objects as a whole: their schema, two of one name, and what ConfigMaps can hold."""

from collections.abc import Iterator
from datetime import date

from grace.policy.documents import Manifest, Scene
from grace.policy.forms import is_key
from grace.policy.rule import Hit, Rule, Severity, changed
from grace.policy.rules.examples import CONFIG, JOB
from grace.policy.rules.names import NAMES_SOURCE, shown
from grace.policy.schema import schemas

READ = date(2026, 11, 25)

MOST_DATA = 1_048_576
"""Bytes of a ConfigMap or Secret."""


def check_schema(scene: Scene) -> Iterator[Hit]:
    """Objects that their schema does not accept."""
    for manifest in scene.broken:
        yield from schemas(scene.cluster.kubernetes).faults(manifest)


def check_known(scene: Scene) -> Iterator[Hit]:
    """Objects that have no schema, and no fault that shows without one."""
    known = schemas(scene.cluster.kubernetes)
    for manifest in scene.broken:
        if not known.knows(manifest) and not known.faults(manifest):
            yield Hit(
                manifest, ("kind",), f"{manifest.kind} of {manifest.api_version} is not checked: a custom resource"
            )


def check_twice(scene: Scene) -> Iterator[Hit]:
    """Objects that are there twice."""
    seen: dict[tuple[str, str, str], Manifest] = {}
    for manifest in scene.manifests:
        key = (manifest.kind, scene.namespace_of(manifest), manifest.name)
        if manifest.metadata.get("name") is None:
            continue
        if before := seen.get(key):
            where = f"{before.source.file}:{before.source.line}"
            yield Hit(
                manifest, ("metadata", "name"), f"{manifest.title} stands also in {where}; applied last, one wins"
            )
        else:
            seen[key] = manifest


def check_data(scene: Scene) -> Iterator[Hit]:
    """ConfigMaps and Secrets that are too big, or have keys that are none."""
    for manifest in scene.kind("ConfigMap", "Secret"):
        total = 0
        for part in ("data", "binaryData", "stringData"):
            for key, value in (manifest.body.get(part) or {}).items():
                coded = part == "binaryData" or (part == "data" and manifest.kind == "Secret")
                total += len(value) * 3 // 4 if coded else len(value.encode())
                if not is_key(key):
                    yield Hit(manifest, (part, key), f"{shown(key)} is no key: letters, digits, - _ and dots are")
        if total > MOST_DATA:
            yield Hit(manifest, ("data",), f"holds {total / MOST_DATA:.1f} MiB, and can hold 1 MiB")


RULES = (
    Rule(
        id="K8S001",
        severity=Severity.ERROR,
        title="object that its schema does not accept",
        why="A field that Kubernetes does not know, a value of the wrong type, or a required field that is missing. "
        "kubectl refuses it, or an older one drops the field in silence: a limit with a misspelt name is no limit.",
        source="Kubernetes' own API schemas, by kubernetes-validate, https://github.com/willthames/kubernetes-validate",
        read=READ,
        mend="Correct the field; `kubectl explain KIND.FIELD` says what belongs there. Indentation is the usual cause.",
        policy="general",
        check=check_schema,
        failing=(
            changed(JOB, ("restartPolicy: Never", "restartpolicy: Never")),
            changed(CONFIG, ('"models: [gemma-2b]"', "5")),
            changed(JOB, ("batch/v1", "batch/v1beta1")),
        ),
        passing=(JOB,),
    ),
    Rule(
        id="K8S002",
        severity=Severity.NOTE,
        title="object that cannot be checked",
        why="It is a custom resource, whose schema only its own cluster has. No rule looks at it.",
        source="Kubernetes documentation, Custom Resources, "
        "https://kubernetes.io/docs/concepts/extend-kubernetes/api-extension/custom-resources/",
        read=READ,
        mend="Nothing, if it is meant. `kubectl apply --dry-run=server -f FILE` asks the cluster.",
        policy="general",
        check=check_known,
        failing=("apiVersion: kueue.x-k8s.io/v1beta1\nkind: LocalQueue\nmetadata: {name: queue}\n",),
        passing=(CONFIG,),
    ),
    Rule(
        id="K8S007",
        severity=Severity.ERROR,
        title="object that is there twice",
        why="Both are applied, one after the other, to one object: of the first, nothing stays. Of two Jobs, the "
        "second is refused, because a Job's pods cannot be changed.",
        source=NAMES_SOURCE,
        read=READ,
        mend="Give one of them another name, or remove it.",
        policy="general",
        check=check_twice,
        failing=(f"{CONFIG}---{CONFIG}",),
        passing=(f"{CONFIG}---{changed(CONFIG, ('name: lineup', 'name: study'))}",),
    ),
    Rule(
        id="K8S011",
        severity=Severity.ERROR,
        title="ConfigMap or Secret that is too big, or has a key that is none",
        why="The cluster refuses ConfigMaps and Secrets above 1 MiB, and keys with other characters than letters, "
        "digits, -, _ and dots: a path is no key.",
        source="Kubernetes documentation, ConfigMaps, https://kubernetes.io/docs/concepts/configuration/configmap/",
        read=READ,
        mend="Keep data on a volume; give files of a folder keys without slashes.",
        policy="general",
        check=check_data,
        failing=(changed(CONFIG, ("lineup.yaml:", "models/lineup.yaml:")),),
        passing=(CONFIG,),
    ),
)
