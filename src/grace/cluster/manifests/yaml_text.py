"""Kubernetes objects as YAML that a person can read, and that every reader reads in the same way.

Readers differ in what they take for a number or a truth value: PyYAML reads `1e3` as text and kubectl as a number,
kubectl reads `y` as true. So a text has no quotes only when no reader takes it for anything else.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import yaml
from yaml.emitter import ScalarAnalysis

FIRST = ("apiVersion", "kind", "metadata", "name", "namespace", "labels", "annotations", "image", "command", "args")
"""Keys that come before the others, in this order; the others follow by name."""
LAST = ("template", "initContainers", "containers", "volumes")
"""Keys that come after the others: the long ones."""

_PLAIN = re.compile(r"(?:[A-Za-z/]|--?[a-z])(?:[\w./=@%+,-]|:(?=[\w/])| (?=[\w(]))*", re.ASCII)
_QUANTITY = re.compile(r"[0-9]+(?:m|[KMGT]i)")
_BASE64 = re.compile(r"(?:[A-Za-z0-9+/]{60,124}={0,2}\n)+", re.ASCII)
_OTHER_BREAKS = re.compile("[\x85\u2028\u2029]")
"""Characters that YAML 1.1 takes for ends of lines: in a block they would be read as such."""
_MEANT_OTHERWISE = {"y", "n", "yes", "no", "on", "off", "true", "false", "null", "none", "nan", "inf"}


class _Dumper(yaml.SafeDumper):
    """No anchors: two equal parts are written twice."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        """Indent lists in mappings, as people do."""
        super().increase_indent(flow, False)

    def analyze_scalar(self, scalar: str) -> ScalarAnalysis:
        """What may be written how. The parts of a wheel are long, and their letters need no look at each."""
        if not _BASE64.fullmatch(scalar):
            return super().analyze_scalar(scalar)
        return ScalarAnalysis(scalar, False, "\n" in scalar, False, False, True, True, True)


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=_style(text))


def _style(text: str) -> str | None:
    if "\n" in text and not _OTHER_BREAKS.search(text):
        return "|"
    if _QUANTITY.fullmatch(text) or (_PLAIN.fullmatch(text) and text.lstrip("-").lower() not in _MEANT_OTHERWISE):
        return None
    return '"'


_Dumper.add_representer(str, _represent_text)


def to_yaml(objects: Iterable[Mapping[str, Any]]) -> str:
    """Objects as one YAML text, with `---` between them. Equal objects give equal text."""
    return "---\n".join(dumped(_ordered(each)) for each in objects)


def dumped(value: Any) -> str:
    """A value as YAML, its keys in the order that they have."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, width=1_000_000, allow_unicode=True)


def _ordered(value: Any) -> Any:
    """The same with keys in the order that readers expect."""
    if isinstance(value, Mapping):
        return {key: _ordered(value[key]) for key in sorted(value, key=_place)}
    if isinstance(value, list | tuple):
        return [_ordered(each) for each in value]
    return value


def _place(key: str) -> tuple[int, str]:
    if key in FIRST:
        return FIRST.index(key) - len(FIRST), ""
    return (LAST.index(key) + 1, "") if key in LAST else (0, key)
