"""Rules about names and labels."""

import re
from collections.abc import Iterator

from grace.policy.documents import FieldPath, Manifest, Scene
from grace.policy.forms import LABEL, LONGEST_LABEL, LONGEST_NAME, is_label, is_label_value, is_subdomain
from grace.policy.placeholders import placeholder_at, placeholder_in_field
from grace.policy.references import references
from grace.policy.rule import Hit, broken, changed, error, kubernetes
from grace.policy.rules.examples import example

SERVICE_LABEL = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
LONGEST_PORT_NAME = 15
FREE_NAMES = {"Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"}
"""Kinds whose names may hold colons and capitals."""
NAMES_SOURCE = kubernetes("Object Names and IDs", "concepts/overview/working-with-objects/names/")
_OF_OBJECTS = f"small letters, digits, - and dots, and {LONGEST_NAME} of them; no - or dot first or last"
_JOB = example("job")


@error(
    "K8S004",
    "name that the cluster refuses",
    why="The cluster refuses names with underscores, capitals, slashes or too many characters, as those that are made "
    "of file or model names often are.",
    source=NAMES_SOURCE,
    fix="Use small letters, digits and -, a letter first and no - last; the message says how long it may be.",
    examples=broken(_JOB, ("study1-exp1", "study1_exp1")),
)
def check_names(scene: Scene) -> Iterator[Hit]:
    """Names of objects, their namespaces, and what has a name inside pods."""
    for manifest in scene.manifests:
        yield from _object_name(manifest)
    for workload in scene.workloads:
        for container in workload.containers:
            yield from _label(workload.manifest, (*container.path, "name"), container.name, "the container's name")
            for number, port in enumerate(container.body.get("ports") or []):
                name = port.get("name", "")
                if name and (len(name) > LONGEST_PORT_NAME or not LABEL.fullmatch(name)):
                    fault = f"the port's name {name!r} may have only {LONGEST_PORT_NAME} small letters, digits and -"
                    yield Hit(workload.manifest, (*container.path, "ports", number, "name"), fault)
        for path, volume in workload.volumes:
            yield from _label(workload.manifest, (*path, "name"), volume.get("name", ""), "the volume's name")
        for each in references(workload):
            if each.name and not is_subdomain(each.name) and not placeholder_at(workload.manifest, each.path):
                message = f"no {each.kind} is called {shown(each.name)}: names may have only {_OF_OBJECTS}"
                yield Hit(workload.manifest, each.path, message + _suggestion(each.name))


def _object_name(manifest: Manifest) -> Iterator[Hit]:
    if manifest.kind in FREE_NAMES:
        return
    if manifest.namespace:
        yield from _label(manifest, ("metadata", "namespace"), manifest.namespace, "the namespace")
    if not manifest.name:
        return  # which another rule says
    generated = not manifest.metadata.get("name")
    field = "generateName" if generated else "name"
    name = str(manifest.metadata.get(field, "")) + "x" * generated  # the cluster appends letters and digits
    path: FieldPath = ("metadata", field)
    if placeholder_at(manifest, path):
        return
    if manifest.kind == "Namespace":
        yield from _label(manifest, path, name, "the name")
    elif manifest.kind == "Service":
        if len(name) > LONGEST_LABEL or not SERVICE_LABEL.fullmatch(name):
            fault = f"it may have only small letters, digits and -, a letter first, {LONGEST_LABEL} at most"
            yield Hit(manifest, path, f"{shown(name)} is no name for a Service: {fault}{_suggestion(name)}")
    elif not is_subdomain(name):
        yield Hit(manifest, path, f"the name {shown(name)} may have only {_OF_OBJECTS}{_suggestion(name)}")


def _label(manifest: Manifest, path: FieldPath, name: str, what: str) -> Iterator[Hit]:
    if not is_label(name) and not placeholder_at(manifest, path):
        rule = f"may have only small letters, digits and -, and {LONGEST_LABEL} of them; no - first or last"
        yield Hit(manifest, path, f"{what} {shown(name)} {rule}{_suggestion(name)}")


def shown(name: str) -> str:
    """A name as messages show it: not too long."""
    return repr(name) if len(name) <= 80 else f"{name[:60]!r}... ({len(name)} characters)"


def _suggestion(name: str) -> str:
    """A similar name that would do, where there is one."""
    valid = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    return f"; {valid} is possible" if SERVICE_LABEL.fullmatch(valid) and len(valid) <= LONGEST_LABEL else ""


@error(
    "K8S005",
    "name without room for what is added to it",
    why="The name of a Job, with its index where it has some, and of a StatefulSet, with a hash, becomes a label or "
    "host name of its pods, which have 63 characters at most; that of a CronJob becomes one of Jobs.",
    source="Kubernetes documentation, Jobs and CronJob, "
    "https://kubernetes.io/docs/concepts/workloads/controllers/job/, .../cron-jobs/; for StatefulSets "
    "https://github.com/kubernetes/kubernetes/issues/64023",
    fix="Shorten the name: 52 characters always fit.",
    examples=broken(changed(_JOB, ("study1-exp1", "study1-" + "x" * 56)), ("x" * 56, "x" * 60)),
)
def check_lengths(scene: Scene) -> Iterator[Hit]:
    for workload in scene.workloads:
        name, spec = workload.name, workload.job_spec or {}
        if workload.manifest.metadata.get("name") is None:
            continue
        longest = {"Job": 63, "CronJob": 52, "StatefulSet": 52}.get(workload.kind)
        if longest and len(name) > longest:
            message = f"the name has {len(name)} characters, and a {workload.kind} can have {longest}"
            yield Hit(workload.manifest, ("metadata", "name"), message)
        elif workload.kind == "Job" and spec.get("completionMode") == "Indexed":
            room = len(f"-{max(int(spec.get('completions', 1)) - 1, 0)}")
            if len(name) + room > LONGEST_LABEL:
                message = f"with the index of its last pod the name has {len(name) + room} characters, and can have 63"
                yield Hit(workload.manifest, ("metadata", "name"), message)


@error(
    "K8S006",
    "label that is not valid",
    why="The cluster refuses labels with slashes, spaces or colons in their value, as hub names of models have, and "
    "values above 63 characters.",
    source=kubernetes("Labels and Selectors", "concepts/overview/working-with-objects/labels/"),
    fix="Put what does not fit into an annotation, whose values are free, and a short form of it into the label.",
    examples=broken(
        _JOB, ("name: study1-exp1\n  labels: {app: grace}", "name: study1\n  labels: {model: google/gemma}")
    ),
)
def check_labels(scene: Scene) -> Iterator[Hit]:
    """Keys and values of labels, wherever they occur; keys of annotations."""
    for manifest, path in _label_maps(scene):
        labels = manifest.at(path)
        for key, value in labels.items() if isinstance(labels, dict) else ():
            yield from _label_key(manifest, path, key)
            if path[-1] == "annotations" or not value or not isinstance(value, str):
                continue
            if not (is_label_value(value) or placeholder_in_field(value) or placeholder_at(manifest, (*path, key))):
                rule = "may have only 63 letters, digits, - _ and dots, a letter or digit first and last"
                yield Hit(manifest, (*path, key), f"the value {shown(value)} of label {key} {rule}")


def _label_maps(scene: Scene) -> Iterator[tuple[Manifest, FieldPath]]:
    """The places of labels and annotations."""
    for manifest in scene.manifests:
        yield manifest, ("metadata", "labels")
        yield manifest, ("metadata", "annotations")
        yield manifest, ("spec", "selector") if manifest.kind == "Service" else ("spec", "selector", "matchLabels")
    for workload in scene.workloads:
        if workload.template_path:
            yield workload.manifest, (*workload.template_path, "metadata", "labels")
            yield workload.manifest, (*workload.template_path, "metadata", "annotations")
        yield workload.manifest, (*workload.path, "nodeSelector")


def _label_key(manifest: Manifest, path: FieldPath, key: str) -> Iterator[Hit]:
    prefix, slash, name = key.rpartition("/")
    if not is_label_value(name) or (slash and not is_subdomain(prefix)):
        message = f"{shown(key)} is not a key of {'annotations' if path[-1] == 'annotations' else 'labels'}"
        yield Hit(manifest, (*path, key), f"{message}: a name, or a domain, a slash and a name")
