"""Files beside manifests that are no objects for a cluster: Kustomizations, Helm charts, other programs' settings."""

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from grace.declared import Strict, brought
from grace.policy.documents import Manifest

_GENERATORS = {"configMapGenerator": "ConfigMap", "secretGenerator": "Secret"}
_PATCHES = ("patches", "patchesStrategicMerge", "patchesJson6902", "transformers", "replacements")


class _Foreign(Strict):
    """A line of `foreign.yaml`, which says what the fields mean."""

    what: str
    file: str = ""
    version: str = ""
    kind: str = ".*"
    keys: tuple[str, ...] = ()
    instead: str = ""

    def fits(self, manifest: Manifest) -> bool:
        if self.version:
            fits = bool(re.fullmatch(self.version, manifest.api_version) and re.fullmatch(self.kind, manifest.kind))
        else:
            fits = not manifest.api_version and not manifest.kind
        named = not self.file or re.fullmatch(self.file, Path(manifest.source.file).as_posix(), re.IGNORECASE)
        return fits and bool(named) and set(self.keys) <= manifest.body.keys()


@cache
def _table() -> tuple[_Foreign, ...]:
    text = resources.files("grace.policy").joinpath("foreign.yaml").read_text(encoding="utf-8")
    return tuple(_Foreign.model_validate(line) for line in brought(text))


def foreign(manifest: Manifest) -> str:
    """What a document is that is no object for a cluster, and what to do with it; empty when it is one."""
    entry = next((entry for entry in _table() if entry.fits(manifest)), None)
    if entry:
        return f"is {entry.what}, no object for the cluster{f'; {entry.instead}' if entry.instead else ''}"
    if _is_patch(manifest):
        return "is a patch, and no whole object: `kubectl kustomize FOLDER` renders it"
    if manifest.api_version or manifest.kind or {"metadata", "spec"} <= manifest.body.keys():
        return ""
    return "is no Kubernetes object: it has neither apiVersion nor kind"


def _is_patch(manifest: Manifest) -> bool:
    """Whether it says how to patch, or a workload lacks what makes it one in a file that is called a patch."""
    file = Path(manifest.source.file)
    named = "patch" in "/".join(file.parts[-2:]).lower() or (file.parent / "kustomization.yaml").is_file()
    partial = named and manifest.api_version == "apps/v1" and manifest.at(("spec", "selector")) is None
    return partial or _directs(manifest.body)


def _directs(value: object) -> bool:
    """Whether a part of a document has $patch, as only patches of Kustomize and kubectl do."""
    if isinstance(value, dict):
        return value.get("$patch") in ("delete", "merge", "replace") or any(map(_directs, value.values()))
    return isinstance(value, list) and any(map(_directs, value))


def of_chart(file: str, text: str) -> str:
    """That a file is a template of a Helm chart, and how it is rendered; empty when it is none."""
    for folder in Path(file).parents:
        if folder.name == "templates" and (folder.parent / "Chart.yaml").is_file():
            return f"is a template of a Helm chart: `helm template {folder.parent}` renders it" if "{{" in text else ""
    return ""


@dataclass(frozen=True)
class Kustomization:
    """What a Kustomization does with the files beside it.

    Attributes:
        patches: files that it applies as patches.
        generated: kinds and names of objects that it makes; its variables (vars); its own kind with its folder; images
            whose name ("image") or version ("tag") it replaces.
        reason: why its patches are not checked.
    """

    patches: frozenset[str]
    generated: frozenset[tuple[str, str]]
    reason: str


def is_kustomization(manifest: Manifest) -> bool:
    """Whether a document is a Kustomization, by its apiVersion or its file's name."""
    named = Path(manifest.source.file).stem.lower() == "kustomization"
    return named or manifest.api_version.startswith("kustomize.config.k8s.io/")


def kustomization(manifest: Manifest) -> Kustomization:
    """Read a Kustomization."""
    folder = posixpath.dirname(manifest.source.file)
    patches = frozenset(posixpath.normpath(posixpath.join(folder, file)) for file in _patch_files(manifest))
    generated = frozenset(
        (kind, str(entry.get("name")))
        for field, kind in _GENERATORS.items()
        for entry in _list(manifest.body.get(field))
        if isinstance(entry, dict)
    )
    variables = frozenset(
        ("vars", str(entry.get("name"))) for entry in _list(manifest.body.get("vars")) if isinstance(entry, dict)
    )
    generated |= variables | {("Kustomization", folder)}
    for entry in filter(lambda entry: isinstance(entry, dict), _list(manifest.body.get("images"))):
        named = {"newName": {"image"}, "newTag": {"tag"}, "digest": {"tag"}}
        generated |= {(what, str(entry.get("name"))) for field in named if entry.get(field) for what in named[field]}
    reason = f"is a patch of a Kustomization: `kubectl kustomize {folder or '.'}` renders it"
    return Kustomization(patches, generated, reason)


def _patch_files(manifest: Manifest) -> Iterator[str]:
    for field in _PATCHES:
        for entry in _list(manifest.body.get(field)):
            file = entry.get("path") if isinstance(entry, dict) else entry
            if isinstance(file, str) and "\n" not in file:
                yield file


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
