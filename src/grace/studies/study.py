"""The study file: columns, prompts and checks, read from YAML and compiled once.

Both built-in studies use this format and so does a user's own; `docs/add-a-study.md` explains it field by field.
"""

import difflib
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal

import jinja2
import jinja2.meta
import jinja2.sandbox
import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from grace.errors import InputError, StudyError

BUILT_IN = ("study1", "study2")
MISSING = ("", "NA")  # how spreadsheets and R write an absent value

Message = dict[str, str]
"""One chat message: {"role": "system" | "user" | "assistant", "content": text}."""

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Column(_Strict):
    """One column of the input table."""

    about: str = ""
    type: Literal["text", "integer", "number"] = "text"
    values: tuple[str | int | float, ...] = ()
    """The values of the design; empty where any is fine."""
    required: bool = True
    hidden: bool = False
    """Never shown to a model: templates cannot see it."""

    def oddity(self, cell: str) -> str | None:
        """Why `cell` does not belong to the design, or None."""
        if cell in MISSING:
            return "is missing"
        if self.type != "text":
            try:
                float(cell) if self.type == "number" else int(cell)
            except ValueError:
                return f"{cell!r} is not {'a number' if self.type == 'number' else 'an integer'}"
        if self.values and cell not in self._allowed:
            return f"{cell!r} is outside the design ({', '.join(map(str, self.values))})"
        return None

    @cached_property
    def _allowed(self) -> frozenset[str]:
        return frozenset(map(str, self.values))


class Check(_Strict):
    """Something that should hold for every row."""

    that: str
    """A Jinja expression over the row."""
    otherwise: str
    """What to say of a row where it does not hold."""


class Design(_Strict):
    """How trials are spread over participants, items and conditions."""

    participant: str | None = None
    item: str | None = None
    cells: tuple[str, ...] = ()
    """The columns, given or derived, whose combinations are the conditions."""
    expect: tuple[tuple[str | int, ...], ...] = ()
    """The combinations that the design has, where it is not all of them."""


class Protocol(_Strict):
    """One way to hold the conversation with a model about a trial: its turns, in order, by name."""

    about: str = ""
    system: str | None = None
    turns: dict[Name, str] = Field(min_length=1)


class _StudyFile(_Strict):
    name: Name
    title: str
    source: str = ""
    columns: dict[str, Column] = Field(min_length=1)
    derived: dict[Name, str] = {}
    design: Design = Design()
    checks: tuple[Check, ...] = ()
    protocols: dict[Name, Protocol] = Field(min_length=1)


@dataclass(frozen=True)
class Conversation:
    """A protocol compiled: renders what is said to the model about a row."""

    name: str
    turns: tuple[str, ...]
    hashes: dict[str, str]
    """SHA-256 of each template, by turn (and "system")."""
    _system: jinja2.Template | None
    _templates: dict[str, jinja2.Template]

    def opening(self, row: Mapping[str, str]) -> list[Message]:
        """What stands before the first turn: the system message, where the protocol has one."""
        return [{"role": "system", "content": _render(self._system, row)}] if self._system else []

    def turn(self, name: str, row: Mapping[str, str]) -> Message:
        """The user's message of turn `name` about `row`."""
        return {"role": "user", "content": _render(self._templates[name], row)}


@dataclass(frozen=True)
class Study:
    """A study, ready to use.

    Attributes:
        name, title, source: what it is called and where it was published.
        columns: the input table's columns by name.
        design: how trials are spread over conditions.
        conversations: the protocols by name; the first is the default.
        content: the study file's bytes.
    """

    name: str
    title: str
    source: str
    columns: dict[str, Column]
    design: Design
    conversations: dict[str, Conversation]
    content: bytes
    _derived: dict[str, jinja2.Template]
    _checks: tuple[tuple[jinja2.environment.TemplateExpression, str], ...]
    _hidden: tuple[str, ...]

    @property
    def sha256(self) -> str:
        """Hex digest of the study file."""
        return hashlib.sha256(self.content).hexdigest()

    def conversation(self, protocol: str | None) -> Conversation:
        """The protocol called so, or the default.

        Raises:
            InputError: the study has no such protocol.
        """
        if protocol is None:
            return next(iter(self.conversations.values()))
        if protocol not in self.conversations:
            raise InputError(f"{self.name} has no protocol {protocol!r}; it has {', '.join(self.conversations)}")
        return self.conversations[protocol]

    def check_columns(self, columns: Sequence[str], path: Path) -> None:
        """See that a table has what the study needs.

        Raises:
            InputError: a column is missing; the message names the nearest one that is there.
        """
        problems = []
        for name, column in self.columns.items():
            if column.required and name not in columns:
                near = nearest(name, columns)
                problems.append(f"no column {name!r}" + (f" (is {near!r} meant?)" if near else ""))
        if problems:
            raise InputError(f"{path}: {'; '.join(problems)}. {self.name} needs: {', '.join(self._needed())}")

    def _needed(self) -> list[str]:
        return [name for name, column in self.columns.items() if column.required]

    def complete(self, row: Mapping[str, str]) -> dict[str, str]:
        """The row as templates see it: derived columns added, hidden ones left out."""
        full = {**dict.fromkeys(self.columns, ""), **row}
        for name in self._hidden:
            del full[name]
        for name, template in self._derived.items():
            full[name] = _render(template, full)
        return full

    def oddities(self, full_row: Mapping[str, str]) -> Iterator[tuple[str, str]]:
        """What is odd about a completed row, as (column, what); the column is "" where a check over several fails."""
        for name, column in self.columns.items():
            if not column.hidden and (column.required or full_row[name]) and (what := column.oddity(full_row[name])):
                yield name, what
        for holds, otherwise in self._checks:
            try:
                fine = holds({**full_row, "row": full_row})  # one mapping: a table may have a column "self"
            except Exception as error:  # as in _render
                raise StudyError(f"the check {otherwise!r} cannot be computed: {error}") from None
            if not fine:
                yield "", otherwise


def load_study(name_or_path: str) -> Study:
    """Read a study: a built-in one by name, or any by the path of its YAML file.

    Raises:
        StudyError: the file does not hold together; the message names the place in it.
        InputError: there is no such study or file.
    """
    if name_or_path in BUILT_IN:
        resource = resources.files("grace.studies") / f"{name_or_path}.yaml"
        return parse_study(resource.read_bytes(), resource.name)
    path = Path(name_or_path)
    if not path.suffix and not path.exists():
        near = nearest(name_or_path, BUILT_IN)
        raise InputError(
            f"there is no study {name_or_path!r}{f' (is {near!r} meant?)' if near else ''}; "
            f"built in are {', '.join(BUILT_IN)}, and any other is given by the path of its YAML file"
        )
    try:
        return parse_study(path.read_bytes(), str(path))
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None


def parse_study(content: bytes, origin: str) -> Study:
    """Compile the bytes of a study file; `origin` names it in errors. Raises StudyError."""
    try:
        raw = yaml.load(content, Loader=yaml.BaseLoader)  # noqa: S506 - makes text only: yes, no, 01 stay as written
    except yaml.YAMLError as error:
        raise StudyError(f"{origin}: is not YAML: {' '.join(str(error).split())}") from None
    try:
        spec = _StudyFile.model_validate(raw)
    except ValidationError as error:
        lines = (f"{'.'.join(map(str, e['loc'])) or 'the file'}: {e['msg']}" for e in error.errors())
        raise StudyError(f"{origin}: " + "; ".join(lines)) from None

    hidden = tuple(name for name, column in spec.columns.items() if column.hidden)
    known = (set(spec.columns) | set(spec.derived)) - set(hidden)
    for field in ("participant", "item"):
        _known(getattr(spec.design, field), known, origin, f"design.{field}")
    for cell in spec.design.cells:
        _known(cell, known, origin, "design.cells")

    environment = jinja2.sandbox.ImmutableSandboxedEnvironment(
        undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False
    )
    environment.filters["lines"] = lines_from_html

    def template(source: str, where: str) -> jinja2.Template:
        try:
            for name in jinja2.meta.find_undeclared_variables(environment.parse(source)) - {"row"}:
                _known(name, known, origin, where)
            return environment.from_string(source)
        except jinja2.TemplateSyntaxError as error:
            raise StudyError(f"{origin}: {where}, line {error.lineno}: {error.message}") from None

    conversations = {}
    for name, protocol in spec.protocols.items():
        sources = ({"system": protocol.system} if protocol.system else {}) | protocol.turns
        if protocol.system and "system" in protocol.turns:
            raise StudyError(f"{origin}: protocols.{name}: a turn cannot be called system")
        compiled = {turn: template(source, f"protocols.{name}.{turn}") for turn, source in sources.items()}
        conversations[name] = Conversation(
            name=name,
            turns=tuple(protocol.turns),
            hashes={turn: hashlib.sha256(source.encode()).hexdigest() for turn, source in sources.items()},
            _system=compiled["system"] if protocol.system else None,
            _templates={turn: compiled[turn] for turn in protocol.turns},
        )
    checks = []
    for check in spec.checks:
        template("{{ " + check.that + " }}", "checks")
        checks.append((environment.compile_expression(check.that, undefined_to_none=False), check.otherwise))
    return Study(
        name=spec.name,
        title=spec.title,
        source=spec.source,
        columns=spec.columns,
        design=spec.design,
        conversations=conversations,
        content=content,
        _derived={name: template(source, f"derived.{name}") for name, source in spec.derived.items()},
        _checks=tuple(checks),
        _hidden=hidden,
    )


def nearest(name: str, names: Sequence[str]) -> str | None:
    """The name most like `name`, whatever the case, or None when none is much like it."""
    by_lower = {other.lower(): other for other in names}
    found = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[found[0]] if found else None


def lines_from_html(text: str) -> str:
    """Turn `<br>` into line breaks, without the spaces around them."""
    parts = text.replace("<br/>", "<br>").replace("<br />", "<br>").split("<br>")
    return "\n".join(part.strip() for part in parts)


def _known(name: str | None, known: set[str], origin: str, where: str) -> None:
    if name is not None and name not in known:
        near = nearest(name, sorted(known))
        raise StudyError(f"{origin}: {where}: no column {name!r}" + (f"; is {near!r} meant?" if near else ""))


def _render(template: jinja2.Template, row: Mapping[str, str]) -> str:
    try:
        return template.render(row, row=row).strip()
    except Exception as error:  # a template is the user's code and may fail in any way
        raise StudyError(f"a template of the study cannot be rendered: {error}") from None
