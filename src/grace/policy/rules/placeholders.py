"""Rules about placeholders that nobody has filled in."""

from collections.abc import Iterator

from grace.policy.documents import FieldPath, Scene
from grace.policy.forms import is_label_value, is_subdomain
from grace.policy.placeholders import is_name_field, placeholder_at
from grace.policy.quantities import quantity
from grace.policy.rule import Hit, Severity, broken, error, kubernetes, note
from grace.policy.rules.examples import example
from grace.policy.rules.names import shown
from grace.policy.schema import schemas

PROSE = {"annotations", "description"}
"""Fields that are for people."""
LABELS = ("labels", "matchLabels", "nodeSelector", "selector")
FIRST = ("image", "claimName")
"""The fields to name, of those that have the same placeholder."""
_JOB = example("job")


@error(
    "K8S034",
    "placeholder that is not filled in",
    why="The file is a template. The cluster refuses a name as <username>, and no registry has an image as your-image. "
    "Where the placeholder could be meant, as in a variable, this is a warning: programs get the text as it is.",
    source=kubernetes("Object Names and IDs", "concepts/overview/working-with-objects/names/"),
    fix="Write your own value there. If the file belongs to a tool (Kustomize, envsubst, sed, Jinja, Helm), render it "
    "with that, and check what comes out.",
    examples=broken(_JOB, ("name: study1-exp1", "name: study1-<username>")),
)
def check_placeholders(scene: Scene) -> Iterator[Hit]:
    for manifest in (*scene.manifests, *scene.broken):
        places: dict[str, list[tuple[bool, FieldPath]]] = {}
        invalid: set[FieldPath] | None = None
        for path, value in _texts(manifest.body, ()):
            text = "" if PROSE & set(path) else placeholder_at(manifest, path)
            if text and ("vars", text[2:-1]) not in scene.generated:  # else a Kustomization fills it in
                if invalid is None:
                    known = schemas(scene.cluster.kubernetes)
                    invalid = {hit.path for hit in (*known.faults(manifest), *known.refusals(manifest))}
                places.setdefault(text, []).append((path in invalid or _is_refused(path, value), path))
        for text, found in places.items():
            refused, path = max(found, key=lambda place: (place[0], place[1][-1] in FIRST))
            yield Hit(manifest, path, f"fill this in: {shown(text)}", severity=None if refused else Severity.WARNING)


@note(
    "K8S035",
    "name that a comment asks to change",
    why="Whoever wrote the file meant this name to be yours. Left as it is, it may be that of another one's object.",
    source="Grace's own: forms that published templates have",
    fix="Write your own name there, in all places of the file; then remove the comment.",
    examples=broken(_JOB, ("name: study1-exp1", "name: study1-exp1  # CHANGE THIS")),
)
def check_remarks(scene: Scene) -> Iterator[Hit]:
    for manifest in scene.manifests:
        seen: set[str] = set()
        for path, value in _texts(manifest.body, ()) if manifest.remarks else ():
            remark = manifest.remarks.get(manifest.line(path))
            own = path[-1] == "image" or (is_name_field(path) and path[-1] != "storageClassName")
            if remark and own and value not in seen:
                seen.add(value)
                if not placeholder_at(manifest, path):
                    yield Hit(manifest, path, f'is {shown(value)} yours? The comment beside it says "{remark}"')


def _is_refused(path: FieldPath, value: str) -> bool:
    """Whether the cluster refuses such a value, or no pod with it ever starts."""
    if is_name_field(path):
        return not is_subdomain(value)
    if path[-2:-1] and path[-2] in LABELS:
        return not is_label_value(value)
    amount = "resources" in path and path[-2] in ("limits", "requests")
    return path[-1] == "image" or (amount and quantity(value) is None)


def _texts(value: object, path: FieldPath) -> Iterator[tuple[FieldPath, str]]:
    if isinstance(value, str):
        yield path, value
        return
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in entries:
        yield from _texts(inner, (*path, key))
