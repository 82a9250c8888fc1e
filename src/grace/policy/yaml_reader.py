"""YAML and JSON as kubectl reads them, with the line of every field; what could harm the reader is refused.

PyYAML by itself differs from kubectl (`y` is a boolean there, `1:30` and `2026-11-25` are strings), takes the last of
two equal keys in silence, follows aliases without end, and its C parser crashes on deep nesting. The values of scalars
were compared with `kubectl label --local` (kubectl 1.32).
"""

import base64
import math
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import yaml

from grace.errors import InputError
from grace.text import printable

DEEPEST = 100
"""Levels of nesting. Kubernetes objects have about twenty."""
MOST_VALUES = 200_000
"""Values of one file, with each alias counted as its content. So many are checked in about five seconds."""
SUSPICIOUS = 1000
"""The number of brackets above which a text may be nested too deep for the parser, which crashes at some 10,000s."""

Path = tuple[str | int, ...]
Node = yaml.Node

_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ufffe\uffff]")
_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
_LEADING = re.compile(r"^[ ?:-]{500}", re.MULTILINE)
_JSON_PAIR = re.compile(r"\\\\|\\u(d[89ab][0-9a-f]{2})\\u(d[c-f][0-9a-f]{2})", re.IGNORECASE)
_JSON_NEXT = re.compile(r"\}(\s*\n)\s*\{")
"""Where one JSON document ends and another begins, which YAML needs a mark for; within one, a comma is in between."""
_TAG = "tag:yaml.org,2002:"
_UNTAGGED = "untagged"
_TYPED = {_UNTAGGED, *(f"{_TAG}{name}" for name in ("int", "float", "bool", "null"))}
_WHOLE = 2**53
"""Floats below this can hold all whole numbers."""
_WORDS = {"y": True, "yes": True, "true": True, "on": True, "n": False, "no": False, "false": False, "off": False}
_NULLS = {"", "~", "null", "Null", "NULL"}
_BOOLS = {form: value for word, value in _WORDS.items() for form in (word, word.capitalize(), word.upper())}
_INT = re.compile(r"[-+]?(0b[01_]+|0o?[0-7_]+|0x[0-9a-fA-F_]+|[1-9][0-9_]*|0)", re.ASCII)
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


class _Loader(yaml.CSafeLoader):
    """The C parser without types of its own: `_scalar` gives them, and distinguishes `5` from `!!str 5` by the tag."""

    def resolve(self, kind: type[Any], value: Any, implicit: Any) -> Any:
        return _UNTAGGED if kind is yaml.ScalarNode else super().resolve(kind, value, implicit)  # type: ignore[no-untyped-call]


class Double(NamedTuple):
    """A key that a mapping has twice: the line of the second, and whether both have the same value."""

    line: int
    key: str
    same: bool


class Document(NamedTuple):
    """One document of a file: what it holds, its node, and the keys that a mapping of it has twice."""

    value: Any
    node: Node
    doubles: tuple[Double, ...]


def documents(text: str, file: str, json: bool = False) -> Iterator[Document]:
    """Read the documents of a text that are not empty, in order.

    Args:
        text: YAML, or JSON.
        file: its name, for messages.
        json: it is JSON, where tabs may separate values, characters above U+FFFF are written as two, and documents need
            no mark between them.

    Returns:
        Each document; its mappings are without the fields that are null, which Kubernetes takes as absent.

    Raises:
        InputError: it is neither, or is invalid; the message names file and line.
    """
    file = printable(file)
    if forbidden := _FORBIDDEN.search(text):
        line = text.count("\n", 0, forbidden.start()) + 1
        raise InputError(f"{file}:{line}: has a control character (U+{ord(forbidden[0]):04X}); it is not a text file")
    if json:
        text = _JSON_NEXT.sub(r"}\1--- {", _JSON_PAIR.sub(_joined, text.replace("\t", " ")))
    try:
        _refuse_depth(text, file)
        loader = _Loader(text)
        try:
            builder = _Builder(file)
            while loader.check_node():
                node = loader.get_node()
                assert node is not None
                builder.doubles = []
                value = builder.value(node, 0)
                if value is not None:
                    yield Document(value, node, tuple(builder.doubles))
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise InputError(f"{file}:{line}: is not YAML: {error.problem or error.context}{_hint(text, line)}") from None
    except yaml.YAMLError as error:
        raise InputError(f"{file}: is not YAML: {' '.join(str(error).split())}") from None


def line_of(node: Node, path: Path) -> int:
    """The line, from 1, of the field at a path; of the deepest part of the path that is there."""
    line = node.start_mark.line
    for part in path:
        if isinstance(node, yaml.MappingNode) and (entry := _entry(node, str(part))):
            key, value = entry
            node = value
            line = key.start_mark.line
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and 0 <= part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line
        else:
            break
    return int(line) + 1


def is_block(node: Node, path: Path) -> bool:
    """Whether the field at a path is a text whose lines are those of the file: a block with |."""
    field = node_at(node, path)
    return isinstance(field, yaml.ScalarNode) and field.style == "|"


def node_at(node: Node, path: Path) -> Node:
    """The node at a path that exists."""
    for part in path:
        if isinstance(node, yaml.SequenceNode):
            node = node.value[part]
        elif isinstance(node, yaml.MappingNode) and (entry := _entry(node, str(part))):
            node = entry[1]
    return node


def path_text(path: Path) -> str:
    """A path as people write one: `spec.containers[0].env`, `metadata.labels["app.kubernetes.io/name"]`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif re.fullmatch(r"[\w$-]+", part):
            text += f".{part}"
        else:
            text += f'["{part}"]'
    return text.removeprefix(".")


class _Builder:
    """Makes values of nodes, and counts them: an alias counts as its whole content."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.values = 0
        self.doubles: list[Double] = []

    def value(self, node: Node, depth: int) -> Any:
        self.values += 1
        if self.values > MOST_VALUES:
            raise self._error(node, f"has more than {MOST_VALUES:,} values, with its aliases written out")
        if depth > DEEPEST:
            raise self._error(node, f"is nested more than {DEEPEST} levels deep, or an alias contains itself")
        if isinstance(node, yaml.ScalarNode):
            return _scalar(node, self)
        if isinstance(node, yaml.MappingNode) and node.tag == f"{_TAG}map":
            return self._mapping(node, depth)
        if isinstance(node, yaml.SequenceNode) and node.tag == f"{_TAG}seq":
            return [self.value(item, depth + 1) for item in node.value]
        raise self._error(node, f"the tag {printable(node.tag)} means nothing here")

    def _mapping(self, node: yaml.MappingNode, depth: int) -> dict[str, Any]:
        own: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        seen: set[str] = set()
        for key_node, value_node in node.value:
            if _is_merge(key_node):
                merged = self._merged(value_node, depth) | merged
                continue
            key = self._key(key_node)
            value = self.value(value_node, depth + 1)
            if key in seen:
                self.doubles.append(Double(key_node.start_mark.line + 1, key, own[key] == value))
            seen.add(key)
            own[key] = value
        whole = {key: value for key, value in merged.items() if key not in own} | own
        return {key: value for key, value in whole.items() if value is not None}

    def _merged(self, node: Node, depth: int) -> dict[str, Any]:
        """What `<<` adds: a mapping, or several; the first one that has a key wins."""
        value = self.value(node, depth + 1)
        several = value if isinstance(value, list) else [value]
        merged: dict[str, Any] = {}
        for one in several:
            if not isinstance(one, dict):
                raise self._error(node, "<< takes a mapping, or a list of them")
            merged = one | merged
        return merged

    def _key(self, node: Node) -> str:
        if not isinstance(node, yaml.ScalarNode):
            raise self._error(node, "looks like a template ({ } in place of a key): render it first, and check that")
        value = _scalar(node, self)
        if isinstance(value, bool):
            return str(value).lower()
        return "null" if value is None else str(value)

    def _error(self, node: Node, what: str) -> InputError:
        return InputError(f"{self.file}:{node.start_mark.line + 1}: {what}")

    def integer(self, node: yaml.ScalarNode, text: str) -> int | float:
        """As in kubectl: what does not fit into 64 bits is a float."""
        sign, digits = (text[0], text[1:]) if text[0] in "+-" else ("", text)
        if digits[:1] == "0" and len(digits) > 1:
            base = {"b": 2, "x": 16, "o": 8}.get(digits[1], 8)
            digits = digits[2:] if digits[1] in "bxo" else digits[1:]
            if not digits or len(digits) > 64:
                return self.number(node, text)
            return int(sign + digits, base)
        return self.number(node, text) if len(digits) > 18 else int(text)

    def number(self, node: yaml.ScalarNode, text: str) -> int | float:
        """A float, or an int where it is whole. JSON has neither infinity nor NaN."""
        try:
            number = float(text)
        except ValueError:  # ".inf", ".nan", "0x" and digits without end
            number = math.inf
        if not math.isfinite(number):
            raise self._error(
                node, f"{node.value[:40]} is not a number that JSON can hold; put it in quotes if it is a text"
            )
        return int(number) if number.is_integer() and abs(number) < _WHOLE else number

    def binary(self, node: yaml.ScalarNode, text: str) -> str:
        """The text that base64 encodes."""
        try:
            return base64.b64decode("".join(text.split()), validate=True).decode()
        except ValueError:
            raise self._error(node, "is not base64 of a text, as its tag says") from None


def _scalar(node: yaml.ScalarNode, builder: _Builder) -> Any:
    """A scalar's value, as kubectl reads it."""
    text: str = node.value
    if node.tag == f"{_TAG}binary":
        return builder.binary(node, text)
    if node.style or node.tag not in _TYPED:  # quoted, a block, or said to be a text
        return text
    if text in _NULLS:
        return None
    if text in _BOOLS:
        return _BOOLS[text]
    if text[0] not in "+-.0123456789":
        return text
    if _INT.fullmatch(text):
        return builder.integer(node, text.replace("_", ""))
    if _FLOAT.fullmatch(text):
        return builder.number(node, text.lower())
    return text


def _is_merge(node: Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.value == "<<" and not node.style


def _entry(node: yaml.MappingNode, key: str) -> tuple[Node, Node] | None:
    """The nodes of a key and its value; its own before merged ones, and the last of several, which counts."""
    for key_node, value_node in reversed(node.value):
        if isinstance(key_node, yaml.ScalarNode) and key_node.value == key and not _is_merge(key_node):
            return key_node, value_node
    for key_node, value_node in node.value:
        if _is_merge(key_node):
            several = value_node.value if isinstance(value_node, yaml.SequenceNode) else [value_node]
            for one in several:
                if isinstance(one, yaml.MappingNode) and (entry := _entry(one, key)):
                    return entry
    return None


def _joined(match: re.Match[str]) -> str:
    """Two escapes of JSON that make one character, as YAML writes it; other escapes as they are."""
    if not match[1]:
        return match[0]
    return f"\\U{0x10000 + ((int(match[1], 16) - 0xD800) << 10) + int(match[2], 16) - 0xDC00:08x}"


def _refuse_depth(text: str, file: str) -> None:
    """Refuse deep nesting before the parser, whose C stack overflows, meets it; only suspicious texts are looked at."""
    if text.count("[") + text.count("{") < SUSPICIOUS and not _LEADING.search(text):
        return
    depth = 0
    event: Any
    for event in yaml.parse(text, Loader=_Loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise InputError(f"{file}:{event.start_mark.line + 1}: is nested more than {DEEPEST} levels deep")


def _hint(text: str, line: int) -> str:
    """What is often wrong with a line that is not YAML."""
    lines = _BREAK.split(text)[max(line - 2, 0) : line]  # what does not end is noticed a line later
    there = lines[-1] if lines else ""
    if any("{{" in one or "{%" in one for one in lines):
        return "; it looks like a template: render it first, and check what comes out"
    if "\t" in there[: len(there) - len(there.lstrip())]:
        return "; the line begins with a tab: indent with spaces"
    return ""
