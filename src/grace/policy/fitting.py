"""Whether a value fits a schema, many times faster than jsonschema, which tells what is wrong with those that do not.

It knows the words of Kubernetes' schemas and of values.yaml, and says no where it is not sure.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from grace.policy.values import VALUES, WORDS, conforms

_REMARKS = {"description", "default", "says", "then"}
_TYPES: dict[str, Callable[[Any], bool]] = {
    "string": lambda value: isinstance(value, str),
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "integer": lambda value: not isinstance(value, bool) and (isinstance(value, int) or _is_whole(value)),
}


class _UnsureError(Exception):
    """A word, or a value, that is not read here."""


def fits(schema: Mapping[str, Any], value: Any) -> bool:
    """Whether a value surely has no fault by a schema."""
    try:
        return _fits(schema, value)
    except _UnsureError:
        return False


def _fits(schema: Mapping[str, Any], value: Any) -> bool:
    for word, limit in schema.items():
        check = _CHECKS.get(word)
        if check is not None:
            if not check(limit, value, schema):
                return False
        elif word not in _REMARKS and not word.startswith("x-kubernetes-"):
            raise _UnsureError(word)
    return True


def _is_whole(value: Any) -> bool:
    return isinstance(value, float) and value.is_integer()


def _type(limit: Any, value: Any, schema: Any) -> bool:
    return _TYPES[limit](value) if isinstance(limit, str) else any(_TYPES[name](value) for name in limit)


def _properties(limit: Any, value: Any, schema: Any) -> bool:
    return not isinstance(value, dict) or all(key not in limit or _fits(limit[key], value[key]) for key in value)


def _others(limit: Any, value: Any, schema: Any) -> bool:
    """additionalProperties: those that the schema does not name."""
    if not isinstance(value, dict) or limit is True:
        return True
    named = schema.get("properties", {})
    return all(key in named or (limit is not False and _fits(limit, value[key])) for key in value)


def _enum(limit: Any, value: Any, schema: Any) -> bool:
    if value is not None and not isinstance(value, str):
        raise _UnsureError("enum")  # numbers and booleans are compared otherwise
    return value in limit


def _distinct_items(limit: Any, value: Any, schema: Any) -> bool:
    if isinstance(value, list) and not all(isinstance(item, str) for item in value):
        raise _UnsureError("uniqueItems")
    return not limit or not isinstance(value, list) or len(set(value)) == len(value)


def _if(limit: Any, value: Any, schema: Any) -> bool:
    return not _fits(limit, value) or _fits(schema.get("then", {}), value)


def _number(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any, Any], bool]:
    return lambda limit, value, schema: not _TYPES["number"](value) or compare(value, limit)


def _length(kind: type[Any], compare: Callable[[int, Any], bool]) -> Callable[[Any, Any, Any], bool]:
    return lambda limit, value, schema: not isinstance(value, kind) or compare(len(value), limit)


def _silent(word: Callable[..., Iterator[Any]]) -> Callable[[Any, Any, Any], bool]:
    """A word of values.yaml, which finds no error."""
    return lambda limit, value, schema: next(word(None, limit, value, schema), None) is None


_CHECKS: dict[str, Callable[[Any, Any, Any], bool]] = {
    "type": _type,
    "properties": _properties,
    "additionalProperties": _others,
    "items": lambda limit, value, _: not isinstance(value, list) or all(_fits(limit, item) for item in value),
    "required": lambda limit, value, _: not isinstance(value, dict) or all(key in value for key in limit),
    "propertyNames": lambda limit, value, _: not isinstance(value, dict) or all(_fits(limit, key) for key in value),
    "enum": _enum,
    "const": lambda limit, value, _: _enum([limit], value, _),
    "pattern": lambda limit, value, _: not isinstance(value, str) or re.search(limit, value) is not None,
    "format": lambda limit, value, _: conforms(value, limit),
    "minimum": _number(lambda value, limit: bool(value >= limit)),
    "maximum": _number(lambda value, limit: bool(value <= limit)),
    "minLength": _length(str, lambda length, limit: length >= limit),
    "maxLength": _length(str, lambda length, limit: length <= limit),
    "minItems": _length(list, lambda length, limit: length >= limit),
    "maxItems": _length(list, lambda length, limit: length <= limit),
    "uniqueItems": _distinct_items,
    "allOf": lambda limit, value, _: all(_fits(each, value) for each in limit),
    "anyOf": lambda limit, value, _: any(_fits(each, value) for each in limit),
    "oneOf": lambda limit, value, _: sum(_fits(each, value) for each in limit) == 1,
    "not": lambda limit, value, _: not _fits(limit, value),
    "if": _if,
    VALUES: lambda limit, value, _: _fits(limit, value),
    **{name: _silent(word) for name, word in WORDS.items()},
}
