"""Damage done to files that are read back: to the bytes of one, or to one value of the JSON or YAML in it."""

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

import yaml
from hypothesis import strategies as st

Place = tuple[str | int, ...]
Damage = Callable[[bytes], bytes]

GONE = object()
"""Stands for a value that is taken away."""
DEEP = "DEEP"
"""Stands for lists in lists, more than JSON can be written with."""
OTHERS: list[Any] = [
    None,
    True,
    False,
    0,
    1,
    -1,
    7,
    0.5,
    -0.5,
    1e308,
    2**63,
    2**64,
    10**30,
    "",
    "x",
    "1",
    "\0",
    "\x1b[2J",
]
OTHERS += ["../../x", "x" * 5000, [], [1], [[]], ["x"], {}, {"x": 1}, {"": []}, GONE, DEEP]
"""Values that may stand where another one stood."""


def places(value: Any, place: Place = ()) -> Iterator[Place]:
    """The places of all values in a value, with its own."""
    yield place
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, part in inner:
        yield from places(part, (*place, name))


def exchanged(value: Any, place: Place, other: Any) -> Any:
    """A copy of a value with another one at a place, or without it."""
    if not place:
        return other
    whole = copy.deepcopy(value)
    part = whole
    for step in place[:-1]:
        part = part[step]
    if other is GONE:
        del part[place[-1]]
    else:
        part[place[-1]] = other
    return whole


def as_json(value: Any) -> bytes:
    """One line of JSON."""
    text = json.dumps(None if value is GONE else value, ensure_ascii=False, separators=(",", ":"))
    return text.replace(f'"{DEEP}"', "[" * 900 + "]" * 900).encode()


@st.composite
def damaged_values(draw: st.DrawFn, content: bytes, lines: bool) -> bytes:
    """A JSON file, or one with a value on each line, in which one value is another one."""
    parts = content.splitlines() if lines else [content]
    number = draw(st.integers(0, len(parts) - 1))
    value = json.loads(parts[number])
    place = draw(st.sampled_from(list(places(value))))
    parts[number] = as_json(exchanged(value, place, draw(st.sampled_from(OTHERS))))
    return b"\n".join(parts) + b"\n" * lines


@st.composite
def damaged_yaml(draw: st.DrawFn, content: bytes) -> bytes:
    """A YAML file in which one value is another one."""
    value = yaml.safe_load(content)
    place = draw(st.sampled_from(list(places(value))))
    other = draw(st.sampled_from(OTHERS))
    if other == DEEP:
        other = "[" * 300
    text: str = yaml.safe_dump(exchanged(value, place, None if other is GONE and not place else other), sort_keys=False)
    return text.encode()


@st.composite
def damaged_bytes(draw: st.DrawFn, content: bytes) -> bytes:
    """A file that was cut, whose bytes were changed, repeated or taken away, or whose line ends are others."""
    how = draw(st.sampled_from(["cut", "change", "repeat", "remove", "CR", "CRLF", "zeros", "swap"]))
    start = draw(st.integers(0, len(content)))
    end = draw(st.integers(start, min(len(content), start + 200)))
    lines = content.splitlines(keepends=True)
    match how:
        case "cut":
            return content[:start]
        case "change":
            return content[:start] + draw(st.binary(min_size=1, max_size=4)) + content[end:]
        case "repeat":
            return content[:end] + content[start:]
        case "remove":
            return content[:start] + content[end:]
        case "CR":
            return content.replace(b"\n", b"\r")
        case "CRLF":
            return content.replace(b"\n", b"\r\n")
        case "zeros":
            return content[:start] + bytes(end - start) + content[end:]
    one, other = (draw(st.integers(0, len(lines) - 1)) for _ in range(2))
    lines[one], lines[other] = lines[other], lines[one]
    return b"".join(lines)
