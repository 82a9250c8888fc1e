"""Strict schemas of Kubernetes objects: unknown fields, wrong types and missing fields, each with its place.

The schema files are those of kubernetes-validate. Its own `validate` reads 1.3 MB of them for each object and stops at
the first fault; here they are read once, and all faults are reported.
"""

import copy
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grace.errors import InputError
from grace.policy.documents import FieldPath, Manifest, Workload
from grace.policy.fitting import fits
from grace.policy.rule import Hit, Severity
from grace.policy.values import VALUES, formats, is_of_values, validator, value_rules, words_for
from grace.text import did_you_mean

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError  # type: ignore[import-untyped]

_TYPES = {
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "object": "a mapping",
    "array": "a list",
}
_CORE = {"", "apps", "autoscaling", "batch", "extensions", "policy"}
"""Groups that only Kubernetes itself has. Others have a dot in their name, as those of custom resources."""
_TEMPLATE = re.compile(r"templ|tmpl|skeleton", re.IGNORECASE)
"""In the name of a file, what says that a program fills in the rest."""
_STRICT = re.compile(r"v(\d+\.\d+)\.\d+-local-strict")
"""A folder with strict schemas, and its version of Kubernetes."""
GONE_KINDS = {
    "PodSecurityPolicy": ": it was removed in 1.25; labels of the namespace take its place (Pod Security Admission)",
}
"""Kinds that Kubernetes had, with what a message says of them."""


@dataclass(frozen=True, eq=False)
class Schemas:
    """The schemas of one version of Kubernetes.

    Attributes:
        version: the version, as "1.32".
        names: the name of each kind's definition, by apiVersion and kind.
        definitions: the definitions by name, with those that they refer to in place: some contain themselves.
    """

    version: str
    names: Mapping[tuple[str, str], str]
    definitions: Mapping[str, Any]

    def knows(self, manifest: Manifest) -> bool:
        """Whether there is a schema for an object of this apiVersion and kind."""
        return (manifest.api_version, manifest.kind) in self.names

    def faults(self, manifest: Manifest) -> list[Hit]:
        """What is wrong with an object, from its top to its bottom; nothing, for a custom resource.

        That it has no name is not among it: `missing_name`.
        """
        faults = list(_basics(manifest)) or (
            list(self._checked(manifest)) if self.knows(manifest) else list(self._unknown(manifest))
        )
        return _in_order(((hit.path, hit.message), hit) for hit in faults)

    def mended(self, manifest: Manifest) -> Manifest | None:
        """The object that was meant where an object breaks its schema, for the rules to look at; None if unclear.

        Numbers where texts belong become texts, fields that are unknown go, and a kind that has moved to another
        apiVersion is taken for the one that is there.
        """
        body, moved = copy.deepcopy(manifest.body), self._versions(manifest.kind)
        if manifest.api_version and not self.knows(manifest) and len(moved) == 1:
            body["apiVersion"] = moved[0]
        found = replace(manifest, body=body)
        if not self.knows(found):
            return None
        for error in self._errors(found):
            path, parent = tuple(error.absolute_path), found.at(tuple(error.absolute_path)[:-1])
            if error.validator == "additionalProperties":
                for field in set(error.instance) - set(error.schema.get("properties", {})):
                    del error.instance[field]
            elif error.validator == "type" and "string" in error.validator_value and _is_plain(error.instance):
                parent[path[-1]] = json.dumps(error.instance)
        return found if not list(_basics(found)) and not list(self._checked(replace(found))) else None

    def refusals(self, manifest: Manifest) -> list[Hit]:
        """Values that the API refuses although the schema allows them, from top to bottom; one for each place."""
        return _refused(manifest, self._errors(manifest)) if self.knows(manifest) else []

    def pod_refusals(self, workload: Workload) -> list[Hit]:
        """The same for the spec of pods that stands in a custom resource."""
        if fits(self.definitions[self._pod], workload.spec):
            return []
        return _refused(workload.manifest, self._validator(self._pod).iter_errors(workload.spec), workload.path)

    @lru_cache(maxsize=4096)  # noqa: B019 - each version's schemas live as long as the program
    def _errors(self, manifest: Manifest) -> tuple["ValidationError", ...]:
        """All that the schema of an object's kind says of it, read once for its form and its values.

        Its status is not looked at: the cluster writes it, and drops what a file says.
        """
        definition = self.names[manifest.api_version, manifest.kind]
        if fits(self.definitions[definition], manifest.body):
            return ()
        errors = self._validator(definition).iter_errors(manifest.body)
        return tuple(error for error in errors if not (error.absolute_path and error.absolute_path[0] == "status"))

    def _validator(self, definition: str) -> Any:
        return validator()(self.definitions[definition], format_checker=formats())

    @property
    def _pod(self) -> str:
        """The definition of a pod's spec."""
        return f"{self.names['v1', 'Pod']}Spec"

    def accepts_pod(self, workload: Workload) -> bool:
        """Whether fields of a pod's spec in a custom resource have the types of Kubernetes; it may have more fields.

        Its probes may be without a port.
        """
        containers = [{**container.body, "name": container.name} for container in workload.containers]
        spec = {**workload.spec, "containers": containers, "initContainers": []}
        if fits(self.definitions[self._pod], spec):
            return True
        errors = self._validator(self._pod).iter_errors(spec)
        return all(
            error.validator == "additionalProperties" or is_of_values(error) or _is_of_probe(error) for error in errors
        )

    def _checked(self, manifest: Manifest) -> Iterator[Hit]:
        for error in self._errors(manifest):
            if not is_of_values(error):
                yield from _hits(manifest, error, self._newest(error.schema))
        for path in _empty_items({key: value for key, value in manifest.body.items() if key != "status"}):
            yield Hit(manifest, path, "an item of the list is empty")

    def _newest(self, schema: Any) -> Mapping[str, Any]:
        """The newest version's definition of a definition, empty when it has none: the cluster may be newer."""
        name = next((name for name, definition in self.definitions.items() if definition is schema), "")
        newest = schemas(versions()[-1]).definitions.get(name)
        return newest if newest is not None else {}

    def _unknown(self, manifest: Manifest) -> Iterator[Hit]:
        """Kinds that Kubernetes has under another version, or would have if it had any such kind."""
        group = manifest.api_version.rpartition("/")[0]
        if group not in _CORE and not any(version.startswith(f"{group}/") for version, _ in self.names):
            return  # a custom resource
        if schemas(versions()[-1]).knows(manifest):
            return
        others = self._versions(manifest.kind)
        if others:
            where = " or ".join(others)
            message = f"Kubernetes {self.version} has {manifest.kind} in {where}, not in {manifest.api_version}"
            yield Hit(manifest, ("apiVersion",), message)
            return
        meant = did_you_mean(manifest.kind, sorted({kind for _, kind in self.names}), 0.8)
        gone = GONE_KINDS.get(manifest.kind, meant)
        message = f"Kubernetes {self.version} has no kind {manifest.kind!r} in {manifest.api_version}{gone}"
        yield Hit(manifest, ("kind",), message)

    def _versions(self, wanted: str) -> list[str]:
        """The apiVersions that have a kind."""
        return sorted(version for version, kind in self.names if kind == wanted)


@cache
def schemas(version: str) -> Schemas:
    """The schemas of a version of Kubernetes, as "1.32"; read once.

    Raises:
        InputError: kubernetes-validate is not installed, or has no schemas of that version.
    """
    if version not in versions():
        raise InputError(f"there are schemas of Kubernetes {versions()[0]} to {versions()[-1]}, not of {version}")
    file = _folder() / f"v{version}.0-local-strict" / "_definitions.json"
    document = json.loads(file.read_bytes())
    for rules, rule in value_rules().items():
        for name in (name for name in document["$defs"] if name.endswith(f".{rules}")):
            document["$defs"][name][VALUES] = rule
    names = {
        (f"{each['group']}/{each['version']}" if each["group"] else each["version"], each["kind"]): name
        for name, definition in document["$defs"].items()
        for each in definition.get("x-kubernetes-group-version-kind", [])
    }
    return Schemas(version, names, _joined(document["$defs"]))


def _joined(definitions: dict[str, Any]) -> dict[str, Any]:
    """Definitions with each other in place of references, which cost a look for each value that they are about."""
    waiting: list[Any] = [definitions]
    while waiting:
        part = waiting.pop()
        for key, inner in list(part.items() if isinstance(part, dict) else enumerate(part)):
            if isinstance(inner, dict) and isinstance(inner.get("$ref"), str):
                part[key] = definitions[inner["$ref"].rpartition("/")[2]]
            elif isinstance(inner, dict | list):
                waiting.append(inner)
    return definitions


@cache
def versions() -> Sequence[str]:
    """The versions of Kubernetes that there are schemas of, as "1.32", the newest last. Raises as `schemas`."""
    matches = (_STRICT.fullmatch(entry.name) for entry in _folder().iterdir())
    return sorted((match[1] for match in matches if match), key=lambda text: [int(part) for part in text.split(".")])


def _folder() -> Path:
    """Where the schemas are. The package itself would import jsonschema, which few files need."""
    package = find_spec("kubernetes_validate")
    if package is None or package.origin is None:
        raise InputError(
            "manifests are checked with kubernetes-validate, which is not installed: "
            "pip install 'grace-experiments[cluster]'"
        )
    return Path(package.origin).parent / "kubernetes-json-schema"


def _in_order(hits: Iterable[tuple[object, Hit]]) -> list[Hit]:
    """Hits from the top to the bottom of their object, one for each key."""
    unique = dict(reversed(list(hits)))
    return sorted(unique.values(), key=lambda hit: (hit.manifest.line(hit.path), str(hit.path)))


def _refused(manifest: Manifest, errors: Iterable["ValidationError"], start: FieldPath = ()) -> list[Hit]:
    """Errors of values in words, for the part of an object that begins at a path."""
    worded = [(error, words_for(error)) for error in errors if is_of_values(error)]
    hits = [Hit(manifest, (*start, *_place(error)), words) for error, words in worded if words]
    return _in_order((hit.path, hit) for hit in hits)


def _is_of_probe(error: "ValidationError") -> bool:
    """Whether a probe lacks its port, which controllers as KServe fill in."""
    return error.validator == "required" and any(str(part).endswith("Probe") for part in error.absolute_path)


def _place(error: "ValidationError") -> FieldPath:
    """Where an error is; of the name of a field, that field, and of a missing one where it would be."""
    path: FieldPath = tuple(error.absolute_path)
    if "propertyNames" in error.relative_schema_path:
        return (*path, error.instance)
    if error.validator == "required":
        return (*path, next(field for field in error.validator_value if field not in error.instance))
    return path


def _empty_items(value: object, path: FieldPath = ()) -> Iterator[FieldPath]:
    """Places of list items that are null: the schemas accept them, but nobody intends them."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _empty_items(inner, (*path, key))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            if inner is None:
                yield (*path, number)
            yield from _empty_items(inner, (*path, number))


def _basics(manifest: Manifest) -> Iterator[Hit]:
    """Fields that every object has, although no schema requires them."""
    for field in ("apiVersion", "kind"):
        value = manifest.body.get(field)
        if not isinstance(value, str) or not value:
            yield Hit(manifest, (field,), f"{field} is missing, or is not a text: every Kubernetes object has one")
            return
    if not isinstance(manifest.body.get("metadata", {}), dict):
        yield Hit(manifest, ("metadata", "name"), "metadata.name is missing: metadata is not a mapping")


def missing_name(manifest: Manifest) -> Hit | None:
    """That an object has no name: no error where a program may fill it in, as files called a template say."""
    metadata = manifest.body.get("metadata", {})
    if not isinstance(metadata, dict) or any(metadata.get(key, "") != "" for key in ("name", "generateName")):
        return None
    state = "is empty" if "name" in metadata else "is missing"
    template = is_template(manifest)
    severity = Severity.NOTE if template else Severity.WARNING if "metadata" not in manifest.body else None
    filled = (
        "the program that fills in this template has to write one"
        if template
        else ("if a program fills it in, check what it writes")
    )
    return Hit(manifest, ("metadata", "name"), f"metadata.name {state}; {filled}", severity=severity)


def is_template(manifest: Manifest) -> bool:
    """Whether an object is one that a program completes: without a name, in a file that is called a template."""
    return not manifest.name and _TEMPLATE.search(manifest.source.file) is not None


def _is_plain(value: object) -> bool:
    return isinstance(value, bool | int | float)


def _hits(manifest: Manifest, error: "ValidationError", newest: Mapping[str, Any]) -> Iterator[Hit]:
    """An error in words, unless a newer version takes it. Values are never shown: one may be a misplaced secret."""
    path: FieldPath = tuple(error.absolute_path)
    if error.validator == "additionalProperties":
        fields = sorted(error.schema.get("properties", {}))
        for field in error.instance:
            if field not in fields and field not in newest.get("properties", {}):
                yield Hit(manifest, (*path, field), f"unknown field {field!r}{_meant(field, fields)}")
    elif error.validator == "required":
        for field in error.validator_value:
            if field not in error.instance and field in newest.get("required", [field]):
                yield Hit(manifest, (*path, field), f"the field {field!r} is missing")
    elif error.validator in ("type", "oneOf"):
        yield Hit(manifest, path, f"must be {_allowed(error)}, and is {_is(error.instance)}")
    elif error.validator == "enum":
        yield Hit(manifest, path, f"must be one of {', '.join(map(str, error.validator_value))}")
    else:
        yield Hit(manifest, path, f"breaks the schema's {error.validator!r}")


def _meant(field: str, fields: list[str]) -> str:
    """A guess at an unknown field: a similar known one, or one that belongs elsewhere."""
    if meant := did_you_mean(field, fields):
        return meant
    return f"; here belong {', '.join(fields[:8])}{', ...' * (len(fields) > 8)}" if fields else ""


def _allowed(error: "ValidationError") -> str:
    """The types that a schema allows, in words."""
    schemas = error.validator_value if error.validator == "oneOf" else [error.schema]
    types = [schema.get("type", []) for schema in schemas]
    names = [name for each in types for name in ([each] if isinstance(each, str) else each) if name != "null"]
    return " or ".join(_TYPES.get(name, name) for name in dict.fromkeys(names)) or "of another type"


def _is(value: object) -> str:
    """What a value is, and how a value that should be a text becomes one."""
    if isinstance(value, bool):
        return "true or false (in quotes, it is a text)"
    if isinstance(value, int | float):
        return "a number (in quotes, it is a text)"
    if isinstance(value, str):
        return "a text"
    if value is None:
        return "empty"
    if value == {}:  # as {name} is, whose value is empty
        return "an empty mapping; if a program fills in what stands in { }, render it first, and check that"
    return "a list" if isinstance(value, list) else "a mapping"
