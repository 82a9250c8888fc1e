"""Rules about objects as a whole: their schema, two of one name, and what ConfigMaps can hold."""

import posixpath
import re
from collections.abc import Iterator

from grace.errors import InputError
from grace.policy.documents import CLUSTER_WIDE, Manifest, Scene, meet
from grace.policy.foreign import foreign
from grace.policy.forms import is_key
from grace.policy.placeholders import placeholder_in_field
from grace.policy.reading import parse
from grace.policy.rule import Hit, Severity, broken, changed, error, kubernetes, note, warning
from grace.policy.rules.examples import example
from grace.policy.rules.names import NAMES_SOURCE, shown
from grace.policy.schema import missing_name, schemas
from grace.policy.suppress import ANNOTATION, NEVER, PATH, Entry, entries
from grace.text import did_you_mean

MOST_DATA = 1_048_576
"""Bytes of a ConfigMap or Secret."""
_CONFIG = example("config")
_OTHER = changed(_CONFIG, ("gemma-2b", "gemma-9b"))
_AT_HOME = "name: lineup\n  namespace: home"
FIXED = ("Job", "Pod")
"""Kinds that nobody can change once they are there."""
_IN_LAB = changed(_CONFIG, ("name: lineup\n", "name: lineup\n  namespace: lab\n"))
_OBJECT = re.compile(r"^apiVersion:.*\nkind:|^kind:.*\napiVersion:", re.MULTILINE)
_JOB = example("job")
_SETTINGS = example("settings")
_SUPPRESSED = (
    "  name: settings",
    f'  name: settings\n  annotations:\n    {ANNOTATION}: "K8S023: the registry has no version tags"',
)


@error(
    "K8S001",
    "object that its schema does not accept",
    why="A field that Kubernetes does not know, a value of the wrong type, or a required field that is missing. "
    "kubectl refuses it, or an older one drops the field in silence: a limit with a misspelt name is no limit. A name "
    "that a program fills in is a note or a warning.",
    source="Kubernetes' own API schemas, by kubernetes-validate, https://github.com/willthames/kubernetes-validate",
    fix="Correct what the message names; `kubectl explain KIND.FIELD` says what belongs there. An unknown field is "
    "often badly indented; another apiVersion may have other fields, too.",
    examples=broken(_JOB, ("restartPolicy: Never", "restartpolicy: Never")),
)
def check_schema(scene: Scene) -> Iterator[Hit]:
    for manifest in scene.broken:
        yield from filter(_is_filled_in, schemas(scene.cluster.kubernetes).faults(manifest))
    for manifest in (*scene.manifests, *scene.broken):
        if manifest.api_version and manifest.kind and (hit := missing_name(manifest)):
            yield hit


def _is_filled_in(hit: Hit) -> bool:
    """Whether a value is none that another rule asks to fill in."""
    return hit.path[-1:] in (("apiVersion",), ("kind",)) or not placeholder_in_field(hit.manifest.at(hit.path))


@note(
    "K8S002",
    "object that cannot be checked as a whole",
    why="A cluster knows a custom resource only if somebody has installed its kind there, and only that cluster has "
    "its schema. Manifests inside a ConfigMap are texts to the checker.",
    source=kubernetes("Custom Resources", "concepts/extend-kubernetes/api-extension/custom-resources/"),
    fix="Ask the cluster whether it has the kind and takes the object: `kubectl apply --dry-run=server -f FILE`. Of "
    "manifests in a ConfigMap, check the files that it is made from.",
    examples=("apiVersion: kueue.x-k8s.io/v1beta1\nkind: LocalQueue\nmetadata: {name: queue}\n", _CONFIG),
)
def check_known(scene: Scene) -> Iterator[Hit]:
    all_schemas = schemas(scene.cluster.kubernetes)
    for manifest in scene.broken:
        if not all_schemas.knows(manifest) and not all_schemas.faults(manifest):
            pods = any(workload.manifest is manifest for workload in scene.embedded)
            what = "only its pods are checked" if pods else "it is not checked"
            message = f"{manifest.kind} of {manifest.api_version} is a custom resource: {what}"
            yield Hit(manifest, ("kind",), message)
    for config in scene.kind("ConfigMap"):
        for key, text in (config.body.get("data") or {}).items():
            if key.endswith((".yaml", ".yml")) and _OBJECT.search(text):
                message = f"holds manifests ({key}), which are not checked"
                if _holds_objects(text):
                    yield Hit(config, ("data", key), message)


def _holds_objects(text: str) -> bool:
    """Whether a text has an object for a cluster, and not only settings of programs; what cannot be read has."""
    try:
        return not all(map(foreign, parse(text)))
    except InputError:
        return True


@error(
    "K8S043",
    "field that is written twice",
    why="Of two fields of one name in one mapping, only the last one counts. What the first one says is lost. Where "
    "both say the same, this is a note: kubectl takes it, and stricter tools, as Kustomize, refuse the file.",
    source="YAML 1.2, https://yaml.org/spec/1.2.2/#3213-node-comparison; how kubectl reads it",
    fix="Write it once, with all that belongs there.",
    examples=broken(_JOB, ("        resources:\n", "        image: ubuntu:24.04\n        resources:\n")),
)
def check_doubles(scene: Scene) -> Iterator[Hit]:
    for manifest in (*scene.manifests, *scene.broken):
        if joined := _joined(manifest):
            yield joined
        for double in manifest.doubles:
            if joined and double.key in manifest.body:
                continue
            result = "with the same value" if double.same else "this one counts, and the one above is lost"
            message = f"{shown(double.key)} is written twice in one place{',' if double.same else ':'} {result}"
            severity = Severity.NOTE if double.same else None
            yield Hit(manifest, (), message, double.line - manifest.source.line, severity)


def _joined(manifest: Manifest) -> Hit | None:
    """Two objects without a mark between them, of which only the second is read."""
    begins = [double.line for double in manifest.doubles if double.key in ("apiVersion", "kind")]
    if len(begins) < 2 or max(begins) - min(begins) > 1:
        return None
    message = "two objects are written as one: without a line --- between them, all that the first one says is lost"
    return Hit(manifest, (), message, min(begins) - manifest.source.line)


@warning(
    "K8S003",
    "suppression that does not count",
    why="An entry of the annotation grace/ignore names a rule that does not exist, or gives no reason. It suppresses "
    "nothing, and whoever wrote it believes that it does.",
    source="Grace's own: docs/policy-rules.md, Suppressing a rule",
    fix='Write "RULE: the reason", several with semicolons between.',
    examples=broken(changed(_SETTINGS, _SUPPRESSED), (": the registry has no version tags", "")),
)
def check_suppressions(scene: Scene) -> Iterator[Hit]:
    from grace.policy.rules import ALL

    ids = [rule.id for rule in ALL if rule.id != "K8S003"]
    for manifest in (*scene.manifests, *scene.broken):
        for entry in dict.fromkeys(entries(manifest)):
            if fault := _fault(entry, ids):
                yield Hit(manifest, PATH, fault)


def _fault(entry: Entry, ids: list[str]) -> str:
    """What is wrong with an entry; empty when nothing is."""
    if entry.rule in NEVER:
        return f"{entry.rule} cannot be suppressed"
    if entry.rule not in ids:
        return f"there is no rule {entry.rule!r}{did_you_mean(entry.rule, ids)}"
    return "" if entry.reason else f"{entry.rule} is suppressed without a reason, and so is not"


@error(
    "K8S007",
    "object that occurs twice",
    why="Both are applied to one object, one after the other: nothing of the first remains. Of two Jobs, the second is "
    "refused, because a Job's pods cannot be changed. Two that say the same are a note.",
    source=NAMES_SOURCE,
    fix="Give one of them another name, or remove it.",
    examples=(f"{_CONFIG}---\n{_OTHER}", f"{_CONFIG}---\n{changed(_OTHER, ('name: lineup', 'name: study'))}"),
)
def check_twice(scene: Scene) -> Iterator[Hit]:
    for manifest, before, sure in _twice(scene):
        if sure:
            first = before.line(("metadata", "name"))
            same = manifest.body == before.body
            end = "and says the same" if same else "the one that is applied last replaces the other"
            message = f"{manifest.title} is also in line {first}{',' if same else ':'} {end}"
            yield Hit(manifest, ("metadata", "name"), message, severity=Severity.NOTE if same else None)


@note(
    "K8S033",
    "object that may be there twice",
    why="Applied together into one namespace, the last one wins. Where files are alternatives, as for tests and for "
    "use, nothing is wrong: one of them is applied. Copies that say the same are none.",
    source=NAMES_SOURCE,
    fix="Check and apply one alternative at a time; or give one of them another name.",
    examples=broken(f"{_IN_LAB}---\n{_OTHER.replace('name: lineup', _AT_HOME)}", ("  namespace: home\n", "")),
)
def check_files(scene: Scene) -> Iterator[Hit]:
    for manifest, before, sure in _twice(scene):
        if not sure and manifest.body != before.body and not _overlays(scene, manifest, before):
            where = f"{before.source.file}, line {before.line(('metadata', 'name'))}"
            counts = "the second is refused" if manifest.kind in FIXED else "the last one counts"
            message = f"the same name is in {where}{_one_object(manifest, before)}, and {counts}"
            yield Hit(manifest, ("metadata", "name"), message)


def _overlays(scene: Scene, *manifests: Manifest) -> bool:
    """Whether each of some objects is in a folder with a Kustomization of its own, which says what name it gets."""
    folders = {posixpath.dirname(manifest.source.file) for manifest in manifests}
    return len(folders) == len(manifests) and all(("Kustomization", folder) in scene.generated for folder in folders)


def _one_object(manifest: Manifest, before: Manifest) -> str:
    """When two objects of one name are the same."""
    one, other = manifest.namespace, before.namespace
    if manifest.kind in CLUSTER_WIDE:
        return f": a {manifest.kind} is in no namespace, so they are one object"
    if one == other:
        return ": in one namespace they are one object"
    which = "that" if other else "this"
    return f"; only {which} one names a namespace: applied with `-n {one or other}` they are one object"


def _twice(scene: Scene) -> Iterator[tuple[Manifest, Manifest, bool]]:
    """Objects of a name that another one before has, each with that one, and whether both are surely applied."""
    seen: dict[tuple[str, str], list[Manifest]] = {}
    for manifest in scene.manifests:
        others = seen.setdefault((manifest.kind, manifest.name), [])
        same = [other for other in others if meet(other.namespace, manifest.namespace)]
        place = (manifest.source.file, manifest.namespace)
        near = [other for other in same if (other.source.file, other.namespace) == place]
        if same and manifest.metadata.get("name"):
            yield manifest, (near or same)[0], bool(near)
        others.append(manifest)


@error(
    "K8S011",
    "ConfigMap or Secret that is too big or has an invalid key",
    why="The cluster refuses ConfigMaps and Secrets above 1 MiB, and keys with other characters than letters, digits, "
    "-, _ and dots: a path is not a key.",
    source=kubernetes("ConfigMaps", "concepts/configuration/configmap/"),
    fix="Keep data on a volume; give files of a folder keys without slashes.",
    examples=broken(_CONFIG, ("lineup.yaml:", "models/lineup.yaml:")),
)
def check_data(scene: Scene) -> Iterator[Hit]:
    for manifest in scene.kind("ConfigMap", "Secret"):
        total = 0
        for part in ("data", "binaryData", "stringData"):
            for key, value in (manifest.body.get(part) or {}).items():
                coded = part == "binaryData" or (part == "data" and manifest.kind == "Secret")
                total += len(value) * 3 // 4 if coded else len(value.encode())
                if not is_key(key):
                    message = f"{shown(key)} is not a key: a key has letters, digits, - _ and dots"
                    yield Hit(manifest, (part, key), message)
        if total > MOST_DATA:
            yield Hit(manifest, ("data",), f"holds {total / MOST_DATA:.1f} MiB, and can hold 1 MiB")


@error(
    "K8S040",
    "value that the cluster refuses",
    why="The field is there and has the right type, but the API takes only some values: a port is at most 65535, "
    "`protocol: tcp` is written TCP, a probe has one handler, a claim has a size. The cluster refuses the object.",
    source="Kubernetes API reference, https://kubernetes.io/docs/reference/kubernetes-api/",
    fix="Correct the value; `kubectl explain KIND.FIELD` says what is allowed.",
    examples=broken(_JOB, ("restartPolicy: Never", "restartPolicy: Never\n      terminationGracePeriodSeconds: -1")),
)
def check_values(scene: Scene) -> Iterator[Hit]:
    all_schemas = schemas(scene.cluster.kubernetes)
    for manifest in scene.manifests:
        rendered = ("Kustomization", posixpath.dirname(manifest.source.file)) in scene.generated
        for hit in filter(_is_filled_in, all_schemas.refusals(manifest)):
            if not (rendered and hit.path[-1:] == ("namespace",)):  # which a Kustomization sets
                yield hit
    for workload in scene.embedded:
        yield from filter(_is_filled_in, all_schemas.pod_refusals(workload))
