"""Values that the API refuses although its schema allows them: the words of values.yaml, and formats.

A schema gets the rules of its definitions under the keyword VALUES. Whatever breaks one has that in its path.
"""

import base64
import binascii
import ipaddress
import re
import zoneinfo
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from grace.declared import brought

if TYPE_CHECKING:
    from jsonschema import FormatChecker  # type: ignore[import-untyped]
    from jsonschema.exceptions import ValidationError  # type: ignore[import-untyped]

VALUES = "x-values"
Schema = dict[str, Any]

_CRON = (
    (0, 59, ""),
    (0, 23, ""),
    (1, 31, ""),
    (1, 12, "jan feb mar apr may jun jul aug sep oct nov dec"),
    (0, 6, "sun mon tue wed thu fri sat"),
)
"""The fields of a schedule: bounds, and names for the numbers from the first on."""
_MACRO = re.compile(r"@(yearly|annually|monthly|weekly|daily|midnight|hourly|every ([0-9.]+(h|m|s|ms))+)")


@cache
def value_rules() -> Mapping[str, Schema]:
    """Schemas of values by the end of the name of their definition, as core.v1.Container."""
    rules: dict[str, Schema] = brought(resources.files("grace.policy").joinpath("values.yaml").read_bytes())
    return {name: rule for name, rule in rules.items() if name != "shared"}


@cache
def validator() -> Any:
    """The class that checks an object against its schema and the rules of values in it."""
    from jsonschema import Draft202012Validator, validators

    return validators.extend(Draft202012Validator, {VALUES: _descend, **WORDS})


@cache
def formats() -> "FormatChecker":
    """The formats of _FORMATS, and no others."""
    from jsonschema import FormatChecker

    checker = FormatChecker(())
    for name, (check, _) in _FORMATS.items():
        checker.checks(name, ValueError)(check)
    return checker


def conforms(value: object, name: str) -> bool:
    """Whether a value has a format, or a format is none of those that are looked at."""
    try:
        return name not in _FORMATS or _FORMATS[name][0](value)
    except ValueError:
        return False


def is_of_values(error: "ValidationError") -> bool:
    """Whether an error is about a value, and not about the form of the object."""
    return error.validator == "format" or VALUES in error.absolute_schema_path


def words_for(error: "ValidationError") -> str:
    """Such an error in words; empty for one that is none, as an empty text in place of a default.

    Values are never shown: one may be a secret in the wrong place.
    """
    limit: Any = error.validator_value
    if says := error.schema.get("says"):
        return f"{says}"
    if error.validator == "format":
        return _FORMATS[limit][1]
    if error.validator == "required":
        return f"the field {next(field for field in limit if field not in error.instance)!r} is missing"
    if error.validator == "enum":
        alike = str(error.instance).casefold() in {str(value).casefold() for value in limit}
        return f"must be {', '.join(map(str, limit))}{'; capitals matter' * alike}" if error.instance != "" else ""
    wording = {
        "minimum": f"must be {limit} or more",
        "maximum": f"must be {limit} or less",
        "minItems": "is empty; it needs at least one item",
        "maxItems": f"has too many items; {limit} at most",
        "uniqueItems": "has an item twice",
        "minLength": "is empty",
    }
    return wording.get(error.validator) or str(error.message)


def _descend(validator: Any, rule: Schema, instance: Any, schema: Schema) -> Iterator["ValidationError"]:
    yield from validator.descend(instance, rule)


def _error(message: str, *path: str | int) -> "ValidationError":
    from jsonschema.exceptions import ValidationError

    return ValidationError(message, path=path)


def _absent(value: object) -> bool:
    return value is None or value == "" or value == []


def _only(validator: Any, rule: Schema, instance: Any, schema: Schema) -> Iterator["ValidationError"]:
    """At most one of some fields, or exactly one. `except` names those of the definition that are none of them."""
    if not isinstance(instance, dict):
        return
    fields = rule.get("of") or [field for field in instance if field not in rule["except"]]
    there = [field for field in fields if not _absent(instance.get(field))]
    if len(there) > 1:
        yield _error(f"has {' and '.join(there)}; only one of them may be there")
    elif len(there) < rule.get("least", 0):
        yield _error(f"is empty; it needs one of {', '.join(rule['of'])}" if "of" in rule else "is empty")


def _when(validator: Any, rules: list[Schema], instance: Any, schema: Schema) -> Iterator["ValidationError"]:
    """What the value of a field asks for."""
    for rule in rules if isinstance(instance, dict) else ():
        field, values = next(iter(rule.items()))
        value = instance.get(field) or None
        if value not in values:
            continue
        state = f"where {field} is {value}" if value else f"without {field}"
        for other in rule.get("needs", ()):
            if _absent(instance.get(other)):
                yield _error(f"is needed {state}", other)
        for other in rule.get("bars", ()):
            if not _absent(instance.get(other)):
                yield _error(f"is not allowed {state}", other)


def _distinct(validator: Any, fields: list[str], items: Any, schema: Schema) -> Iterator["ValidationError"]:
    seen: set[tuple[str | None, ...]] = set()
    mappings = [(n, item) for n, item in enumerate(items if isinstance(items, list) else []) if isinstance(item, dict)]
    for number, item in mappings:
        key = tuple(str(item[field]) if field in item else None for field in fields)
        if key in seen and key[0] is not None:
            yield _error(f"has the same {' and '.join(fields)} as another one", number)
        seen.add(key)


def _ordered(validator: Any, fields: list[str], instance: Any, schema: Schema) -> Iterator["ValidationError"]:
    values = [instance.get(field) for field in fields] if isinstance(instance, dict) else []
    numbers = [value for value in values if isinstance(value, int)]
    if len(numbers) == 2 and numbers[0] > numbers[1]:
        yield _error(f"{fields[0]} is above {fields[1]}", fields[0])


WORDS: Mapping[str, Callable[..., Iterator[Any]]] = {
    "only": _only,
    "when": _when,
    "distinct": _distinct,
    "ordered": _ordered,
}
"""The words of values.yaml that JSON Schema does not have."""


def _whole(bits: int) -> Callable[[object], bool]:
    return lambda value: not isinstance(value, int | float) or -(2 ** (bits - 1)) <= value < 2 ** (bits - 1)


def _base64(text: object) -> bool:
    try:
        base64.b64decode(str(text).replace("\n", "").replace("\r", ""), validate=True)
    except binascii.Error:
        return False
    return True


def _cron(text: object) -> bool:
    fields = str(text).lower().split()
    if str(text).startswith("@"):
        return _MACRO.fullmatch(str(text).lower()) is not None
    return len(fields) == len(_CRON) and all(map(_cron_field, fields, _CRON))


def _cron_field(field: str, bounds: tuple[int, int, str]) -> bool:
    """Whether a field of a schedule is a list of numbers, names and ranges, each with or without a step."""
    low, high, names = bounds
    numbers = {name: str(low + number) for number, name in enumerate(names.split())}
    for part in field.split(","):
        span, slash, step = part.partition("/")
        ends = [numbers.get(end, end) for end in span.split("-")]
        if slash and not (step.isdecimal() and int(step)):
            return False
        if span in ("*", "?"):
            continue
        if len(ends) > 2 or not all(end.isdecimal() and low <= int(end) <= high for end in ends):
            return False
        if int(ends[0]) > int(ends[-1]):
            return False
    return True


def _timezone(text: object) -> bool:
    zones = zoneinfo.available_timezones()
    return not zones or text in zones


def _cidr(text: object) -> bool:
    ipaddress.ip_network(str(text), strict=False)
    return "/" in str(text)


_FORMATS: dict[str, tuple[Callable[[object], bool], str]] = {
    "int32": (_whole(32), "is beyond what 32 bits hold"),
    "int64": (_whole(64), "is beyond what 64 bits hold"),
    "byte": (_base64, "is not base64; plain text belongs in stringData, or is made with `base64 -w0`"),
    "cron": (
        _cron,
        "is no schedule: five fields (minute hour day month weekday), or one as @daily; no time zone in it",
    ),
    "timezone": (_timezone, "is no time zone; they are called as Europe/Berlin or Etc/UTC"),
    "cidr": (_cidr, "is no range of addresses, as 10.0.0.0/8"),
}
"""Each with its check, and what is wrong with a value that is none."""
