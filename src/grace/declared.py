"""Declared: a YAML or JSON file as a strict pydantic model; errors have one wording, and name file and place."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from grace.errors import InputError
from grace.text import did_you_mean, printable

Model = TypeVar("Model", bound=BaseModel)

NAME = r"^[a-z][a-z0-9_]*$"
WHOLE = "the file"
MOST = 5
"""The most problems of a file that are named; the others are counted."""
_NAMES = ("name", "family", "repo")
"""Fields that name an entry of a list, in the place of its number."""
_WORDS = {
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "dict_type": "must hold names with a colon after each, as {{a: ..., b: ...}}",
    "finite_number": "must be a finite number",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "greater_than": "must be more than {gt:g}",
    "greater_than_equal": "must be {ge:g} or more",
    "int_from_float": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "must be a whole number with fewer digits",
    "int_type": "must be a whole number",
    "less_than": "must be less than {lt:g}",
    "less_than_equal": "must be {le:g} or less",
    "literal_error": "must be {expected}",
    "missing": "is missing",
    "string_pattern_mismatch": "must be of the form {pattern}",
    "string_too_long": "must have {max_length} characters or fewer",
    "string_too_short": "is empty",
    "string_type": "must be text",
    "string_unicode": "must be text",
    "too_long": "must have {max_length} entries or fewer",
    "tuple_type": "must be a list, as [a, b]",
    "union_tag_not_found": "is missing",
}
"""Plain words for pydantic's errors, with the names that pydantic gives to their limits."""
_TAGS = ("union_tag_invalid", "union_tag_not_found")
"""Errors about the field that says which of several models an entry is."""
_YAML_ADVICE = (
    (r"^\s*(?:- +)?[^\s:]+: +\{[{%]|^\s*(?:- +)?\{[{%]", "put quotes around a text that begins with {{ or {%"),
    (r"^ *\t", "indent with spaces, not with tabs"),
    (r": [^'\"\[{|>].*: ", "put quotes around a text with a colon and a space in it"),
)
"""What is wrong with a line that is not YAML, by its look: the first that fits."""
_BADLY_INDENTED = "expected <block end>, but found '<block"
_OWN = ("value_error", "assertion_error")
"""Errors of a model's own validators, whose words are the project's."""


class Strict(BaseModel):
    """A model without unknown fields, whose values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def read(path: Path, model: type[Model]) -> Model:
    """Read a YAML file; JSON is YAML too.

    Raises:
        InputError: it cannot be read, or does not hold together.
    """
    return parsed(bytes_of(path), str(path), model)


def bytes_of(path: Path, next_step: str = "", most: int = -1) -> bytes:
    """A file's content, or its first `most` bytes. Raises InputError, which ends in the next step."""
    try:
        with open(path, "rb") as file:
            return file.read(most)
    except (OSError, ValueError) as error:  # ValueError: a NUL, or half of a character
        reason = error.strerror if isinstance(error, OSError) else "no file can have this name"
        raise InputError(f"{printable(str(path))}: cannot be read: {reason}{next_step}") from None


def parsed(content: bytes, name: str, model: type[Model]) -> Model:
    """Read the content of a file that errors call `name`. Raises InputError."""
    return checked(loaded(content, name), name, model)


def brought(content: str | bytes) -> Any:
    """The value of a YAML file that Grace itself brings. The C parser is fast, but deep files would end it."""
    return yaml.load(content, Loader=yaml.CSafeLoader)


def loaded(
    content: bytes,
    name: str,
    loader: type[yaml.BaseLoader | yaml.SafeLoader] = yaml.SafeLoader,
    next_step: str = "",
    secret: bool = False,
) -> Any:
    """The value that YAML says, which a model has yet to check.

    Raises:
        InputError: it is not YAML; the message says why, but only where when the content is secret.
    """
    try:
        return yaml.load(content, Loader=loader)  # noqa: S506 - loaders make texts, numbers, lists and mappings only
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        what = ""
        if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
            problem = "" if secret else f": {printable(str(error.problem))}"
            what = f"{problem} (line {error.problem_mark.line + 1})" + _advice(content, error)
        raise InputError(f"{name}: is not YAML{what}{next_step}") from None


def _advice(content: bytes, error: yaml.MarkedYAMLError) -> str:
    """What to do about a line that is not YAML; empty where its look says nothing."""
    assert error.problem_mark is not None
    line = dict(enumerate(content.decode(errors="replace").splitlines())).get(error.problem_mark.line, "")
    advice = next((advice for look, advice in _YAML_ADVICE if re.search(look, line)), "")
    if not advice and str(error.problem).startswith(_BADLY_INDENTED):
        advice = "lines of one level begin in the same column"
    return advice and f"; {advice}"


def checked(value: Any, name: str, model: type[Model], next_step: str = "") -> Model:
    """Check a value against a model. Raises InputError, which names each place that is wrong and what belongs there."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        problems: dict[tuple[str, bool], list[str]] = {}  # of a place that may hold several types, all of them
        for each in error.errors(include_input=False, include_url=False):
            problems.setdefault((_place(each, value), "[key]" in each["loc"]), []).append(problem_of(each, model))
        words = [f"{place}: {', or '.join(dict.fromkeys(own))}" for (place, _), own in problems.items()]
        more = f"; and {len(words) - MOST} more" if len(words) > MOST else ""
        raise InputError(f"{name}: {'; '.join(words[:MOST])}{more}{next_step}") from None


def _place(error: ErrorDetails, value: Any) -> str:
    """Where an error is, as `lineup.gemma-2-9b-it.profiles`; an unknown field is named by the problem."""
    parts = [part for part in error["loc"] if part != "[key]"]
    if error["type"] == "extra_forbidden":
        parts.pop()
    steps = list(_steps(parts, value))
    if error["type"] == "missing":
        steps.append(str(parts[-1]))
    if error["type"] in _TAGS:
        steps.append(error["ctx"]["discriminator"].strip("'"))
    return printable(".".join(steps)) or WHOLE


def _steps(parts: list[int | str], value: Any) -> Iterator[str]:
    """The parts that lead into the value; others name the model or type that pydantic tried."""
    for part in parts:
        if isinstance(value, str):  # a single text where a list may stand
            return
        try:
            value = value[part]
        except (LookupError, TypeError):
            continue
        entry = value if isinstance(part, int) and isinstance(value, dict) else {}
        yield str(next((entry[name] for name in _NAMES if entry.get(name)), part))


def problem_of(error: ErrorDetails, model: type[BaseModel]) -> str:
    """One of pydantic's errors in plain words."""
    kind, limits = error["type"], error.get("ctx", {})
    if kind == "extra_forbidden":
        return printable(f"no field {str(error['loc'][-1])!r}{_meant(error['loc'], model)}")
    if kind == "too_short":
        least = limits["min_length"]
        return "is empty" if least == 1 else f"needs {least} entries at least"
    if limits.get("pattern") == NAME:
        return "must be a name of small letters, digits and _, with a letter first"
    if kind == "union_tag_invalid":
        tag, expected = limits["tag"], limits["expected_tags"].replace("'", "").split(", ")
        return printable(f"must be one of {', '.join(expected)}, not {tag!r}{did_you_mean(tag, expected)}")
    if kind in ("model_type", "model_attributes_type"):
        return f"must hold fields, as {{{next(_fields_at(model, error['loc']), 'name')}: ...}}"
    if kind in _OWN:
        return str(limits["error"])
    return _WORDS.get(kind, "is not what belongs here").format(**limits)


def _meant(loc: tuple[int | str, ...], model: type[BaseModel]) -> str:
    """What an unknown field may be: the nearest of its place, or else all of them."""
    field = str(loc[-1])
    here = list(_fields_at(model, loc[:-1]))
    near = did_you_mean(field, here or dict.fromkeys(_fields(model, set())))
    return near or (f"; the fields here are {', '.join(here)}" if here else "")


def _fields_at(annotation: Any, loc: tuple[int | str, ...]) -> Iterator[str]:
    """The names of the fields of the model at a place."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        if not loc:  # those that must be there come first
            fields = sorted(annotation.model_fields.items(), key=lambda item: not item[1].is_required())
            yield from (field.alias or name for name, field in fields)
        elif (field := annotation.model_fields.get(str(loc[0]))) is not None:
            yield from _fields_at(field.annotation, loc[1:])
        elif any(loc[0] in get_args(own.annotation) for own in annotation.model_fields.values()):
            yield from _fields_at(annotation, loc[1:])  # the field that says which of several models this is
        return
    is_container = get_origin(annotation) in (dict, tuple, list)
    for part in get_args(annotation):
        yield from _fields_at(part, loc[1:] if is_container and loc else loc)


def _fields(annotation: Any, seen: set[Any]) -> Iterator[str]:
    """The names of all fields of a model and of the models in it."""
    if annotation in seen:
        return
    seen.add(annotation)
    for part in get_args(annotation):
        yield from _fields(part, seen)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        for name, field in annotation.model_fields.items():
            yield field.alias or name
            yield from _fields(field.annotation, seen)
