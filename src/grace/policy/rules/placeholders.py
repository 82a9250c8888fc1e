"""Rules about placeholders that nobody has filled in."""

import re
from collections.abc import Iterator

from grace.policy.documents import FieldPath, Manifest, Scene
from grace.policy.forms import is_subdomain
from grace.policy.placeholders import placeholder, placeholder_in_field, placeholder_in_name
from grace.policy.rule import Hit, broken, error, kubernetes, warning
from grace.policy.rules.examples import example
from grace.policy.rules.names import shown

NAMES = {"name", "generateName", "namespace", "claimName", "secretName", "serviceAccountName", "storageClassName"}
"""Fields that hold the name of an object."""
PROSE = {"annotations", "description"}
"""Fields that are for people."""
FREE = {"command", "args", "env", "data", "stringData", "binaryData"}
"""Fields whose texts may be scripts and templates."""
_JOB = example("job")


@error(
    "K8S034",
    "placeholder in the place of a name",
    why="The file is a template: the cluster refuses a name or an image as <username>.",
    source=kubernetes("Object Names and IDs", "concepts/overview/working-with-objects/names/"),
    fix="Fill it in, or render the file by its own tool (envsubst, sed, Jinja, helm), and check what comes out.",
    examples=broken(_JOB, ("name: study1-exp1", "name: study1-<username>")),
)
def check_names(scene: Scene) -> Iterator[Hit]:
    for manifest in (*scene.manifests, *scene.broken):
        for path, text, value in _placeholders(manifest):
            if _refused(path, value):
                yield Hit(manifest, path, f"fill this in: {shown(text)}")


@warning(
    "K8S035",
    "placeholder that is not filled in",
    why="Whoever wrote the file meant it to be filled in. As it is, programs get the placeholder itself.",
    source="Grace's own: forms that published templates have",
    fix="Fill it in, or render the file by its own tool (envsubst, sed, Jinja, helm), and check what comes out.",
    examples=broken(_JOB, ("name: study1-exp1", "name: study1-exp1\n  namespace: your-namespace")),
)
def check_values(scene: Scene) -> Iterator[Hit]:
    for manifest in (*scene.manifests, *scene.broken):
        for path, text, value in _placeholders(manifest):
            if not _refused(path, value):
                yield Hit(manifest, path, f"fill this in: {shown(text)}")


def _refused(path: FieldPath, value: str) -> bool:
    """Whether the cluster refuses a name or an image, or never starts it."""
    name = path[-1] in NAMES and "env" not in path and not is_subdomain(value)
    return name or (path[-1] == "image" and re.search(r"[<>{}$\s]", value) is not None)


def _placeholders(manifest: Manifest) -> Iterator[tuple[FieldPath, str, str]]:
    """Placeholders of an object, each once, with their path and the whole text that they stand in."""
    seen: set[tuple[str, bool]] = set()
    for path, value in _texts(manifest.body, ()):
        if PROSE & set(path):
            continue
        text = _placeholder(manifest, path, value)
        key = (text, _refused(path, value))
        if text and key not in seen:
            seen.add(key)
            yield path, text, value


def _placeholder(manifest: Manifest, path: FieldPath, value: str) -> str:
    """The placeholder in a text; custom resources may have templates of their own."""
    if FREE & set(path) or "argoproj.io/" in manifest.api_version:
        return placeholder(value)
    if path[-1] in NAMES:
        return placeholder_in_name(value)
    custom = "." in manifest.api_version and ".k8s.io/" not in manifest.api_version
    return placeholder(value) if custom and path[-1] != "image" else placeholder_in_field(value)


def _texts(value: object, path: FieldPath) -> Iterator[tuple[FieldPath, str]]:
    if isinstance(value, str):
        yield path, value
        return
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in entries:
        yield from _texts(inner, (*path, key))
