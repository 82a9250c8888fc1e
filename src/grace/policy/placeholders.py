"""Placeholders: texts that somebody is to fill in before a manifest is used, as <username> or CHANGE_ME."""

import re

from grace.policy.documents import FieldPath, Manifest
from grace.policy.forms import is_subdomain

NAMES = {"name", "generateName", "namespace", "claimName", "secretName", "serviceAccountName", "storageClassName"}
"""Fields that hold the name of an object."""
REFERRING = NAMES - {"name", "namespace"}
"""Of these, the ones that stand nowhere else."""
FREE = {"command", "args", "env", "data", "stringData", "binaryData"}
"""Fields whose texts may be scripts and templates."""

_MOST = 10_000
"""Characters of a text that is looked at."""
_START = r"(?<![A-Za-z0-9])"
_END = r"(?![A-Za-z0-9])"
_CAPITALS = (
    rf"{_START}(CHANGE|REPLACE|FILL|EDIT)[-_ ]?(ME|IN|THIS|WITH)[A-Z0-9_-]*",
    rf"{_START}YOUR[-_][A-Z0-9_.-]*",
    rf"{_START}INSERT[-_][A-Z0-9_-]+",
    rf"{_START}([A-Z0-9]+[-_]){{0,5}}PLACEHOLDER{_END}",
)
"""What nobody means as it is, also in the middle of a script."""
_WORDS = (
    r"<[A-Za-z][^<>\n]{0,60}>",
    rf"(?i:{_START}(change|replace|fill)[-_ ]?(me|in|this|with){_END})",
    rf"(?i:{_START}your[-_](?!spotify)[a-z0-9_.-]*)",
    rf"(?i:{_START}your(name|username|namespace|user|token|key|image|project|password){_END})",
    rf"(?i:{_START}placeholder{_END})",
    rf"{_START}(TODO|FIXME|TBD|x{{4,12}}|X{{3,12}}){_END}",
    rf"{_START}path/to/",
    rf"(?i:{_START}([a-z]+[-_])?name[-_]here{_END}|{_START}persistent[-_]?volume[-_]?(claim[-_]?)?name{_END})",
)
_TEMPLATES = (
    r"\{\{[^{}]*\}\}|\{%.*?%\}|\$\{[A-Za-z_]\w*[^{}]*\}|\$[A-Z][A-Z0-9_]*\b",
    r"__[A-Z][A-Z0-9_]*__|%[A-Z][A-Z0-9_]*%",
)
"""Of any program; in a script they have a meaning."""
_BRACES = r"(?<![${])\{[A-Za-z_]\w*\}(?!\})"
"""Of Python's str.format; neither a name nor an image has braces."""
_AMONG_SMALL = r"(?<=[a-z][-.])[A-Z][A-Z0-9_]{2,}(?![A-Za-z])"
_IMAGE = re.compile(r"((my|your|some|the)[-_]?)?(docker[-_]?)?image([-_]?name)?(:[\w.-]+)?", re.IGNORECASE)
"""An image of the public registry's own that it does not have."""
_VARIABLE = re.compile(r"\$\([A-Za-z_][A-Za-z0-9_]*\)")
"""In a name it is for a tool: Kubernetes fills it in only where programs get it."""
_FILLED = re.compile(rf"\$[A-Za-z_]\w*|\$\([A-Za-z_]\w*\)|{_BRACES}", re.ASCII)
"""In an image it is for a tool, whatever its letters."""
_WHOLE = re.compile(r"\$(?:[A-Z_][A-Z0-9_]*|\{[A-Z_][A-Z0-9_]*\})")
"""A variable's whole value: Kubernetes fills in $(NAME) only, so that the program gets these letters."""
_IN_TEXT = re.compile("|".join(_CAPITALS))
_IN_VALUE = re.compile("|".join((*_CAPITALS, *_WORDS)))
_IN_FIELD = re.compile("|".join((*_CAPITALS, *_WORDS, *_TEMPLATES)))
_IN_NAME = re.compile("|".join((*_CAPITALS, *_WORDS, *_TEMPLATES, _BRACES, _AMONG_SMALL)))


def placeholder_in_name(text: object) -> str:
    """The placeholder in the name of an object; empty when there is none."""
    return _first(_IN_NAME, text)


def placeholder_in_field(text: object) -> str:
    """The placeholder in a field whose texts are no scripts; empty when there is none."""
    return _first(_IN_FIELD, text)


def placeholder(text: object) -> str:
    """The placeholder in a value; of one that is a script or a long text, only what cannot be meant."""
    one_word = isinstance(text, str) and len(text) < 200 and not re.search(r"\s", text.strip())
    return _first(_IN_VALUE if one_word else _IN_TEXT, text)


def placeholder_at(manifest: Manifest, path: FieldPath) -> str:
    """The placeholder in a text of an object, or a name that the cluster refuses and a comment asks to change."""
    value = manifest.at(path)
    name = is_name_field(path)
    if ("metadata" in path or path[-1] in REFERRING) and (variable := _first(_VARIABLE, value)):
        return variable
    if path[-1] == "image" and isinstance(value, str) and _IMAGE.fullmatch(value):
        return value
    if path[-1] == "image" and (variable := _first(_FILLED, value)):
        return variable
    if path[-3:-2] == ("env",) and isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
        return value.strip()
    if (FREE & set(path) and not name) or "argoproj.io/" in manifest.api_version:
        return placeholder(value)
    if name:
        refused = isinstance(value, str) and not is_subdomain(value)
        return placeholder_in_name(value) or (str(value) if refused and manifest.line(path) in manifest.remarks else "")
    custom = "." in manifest.api_version and ".k8s.io/" not in manifest.api_version  # which may have templates
    return placeholder(value) if custom and path[-1] != "image" else placeholder_in_field(value)


def is_name_field(path: FieldPath) -> bool:
    """Whether a field holds the name of an object."""
    return path[-1] in NAMES and not (FREE & set(path) and "valueFrom" not in path)


def _first(pattern: re.Pattern[str], text: object) -> str:
    match = pattern.search(text, 0, _MOST) if isinstance(text, str) else None
    return match[0] if match else ""
