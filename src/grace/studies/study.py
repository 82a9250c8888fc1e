"""A study, ready to use: its prompts compiled, its rows completed and checked."""

import hashlib
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import jinja2
import jinja2.meta
import jinja2.sandbox

from grace.errors import InputError, StudyError, nearest
from grace.studies.format import Column, Design, Protocol, StudyFile, read_study_file
from grace.tables import CsvTable

_BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)
BUILT_IN = ("study1", "study2")
Message = dict[str, str]
"""One chat message: {"role": "system" | "user" | "assistant", "content": text}."""


@dataclass(frozen=True)
class Conversation:
    """A protocol compiled: renders what is said to the model about a row."""

    name: str
    turns: tuple[str, ...]
    hashes: dict[str, str]
    """SHA-256 of every text that bears on a prompt: by turn, "system", and "derived.NAME"."""
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
        others = [name for name in columns if name not in self.columns]
        for name, column in self.columns.items():
            if column.required and name not in columns:
                near = nearest(name, others)
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
    spec = read_study_file(content, origin)
    compiler = _Compiler(spec, origin)
    derived: dict[str, jinja2.Template] = {}
    for name, source in spec.derived.items():
        derived[name] = compiler.template(source, f"derived.{name}", set(spec.columns) | set(derived))
    return Study(
        name=spec.name,
        title=spec.title,
        source=spec.source,
        columns=spec.columns,
        design=spec.design,
        conversations={name: compiler.conversation(name, protocol) for name, protocol in spec.protocols.items()},
        content=content,
        _derived=derived,
        _checks=tuple((compiler.expression(check.that, "checks"), check.otherwise) for check in spec.checks),
        _hidden=spec.hidden,
    )


class _Compiler:
    """Makes templates of a study file's texts; every name in them must be one that a row has."""

    def __init__(self, spec: StudyFile, origin: str) -> None:
        self._spec, self._origin = spec, origin
        self._environment = jinja2.sandbox.ImmutableSandboxedEnvironment(
            undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False
        )
        self._environment.filters["lines"] = lines_from_html
        # A row makes the same prompt every time.
        del self._environment.filters["random"], self._environment.globals["lipsum"]

    def template(self, source: str, where: str, names: Collection[str] | None = None) -> jinja2.Template:
        """Compile a text; `names` are the columns that it may use, all by default."""
        try:
            for name in jinja2.meta.find_undeclared_variables(self._environment.parse(source)) - {"row"}:
                self._spec.see(name, where, self._origin, names)
            return self._environment.from_string(source)
        except jinja2.TemplateSyntaxError as error:
            raise StudyError(f"{self._origin}: {where}, line {error.lineno}: {error.message}") from None

    def expression(self, source: str, where: str) -> jinja2.environment.TemplateExpression:
        """Compile an expression."""
        self.template("{{ (" + source + ") }}", where)
        return self._environment.compile_expression(source, undefined_to_none=False)

    def conversation(self, name: str, protocol: Protocol) -> Conversation:
        """Compile a protocol."""
        system = protocol.system and self.template(protocol.system, f"protocols.{name}.system")
        turns = {turn: self.template(source, f"protocols.{name}.{turn}") for turn, source in protocol.turns.items()}
        sources = {f"derived.{derived}": source for derived, source in self._spec.derived.items()} | protocol.turns
        if protocol.system:
            sources["system"] = protocol.system
        return Conversation(
            name=name,
            turns=tuple(protocol.turns),
            hashes={part: hashlib.sha256(source.encode()).hexdigest() for part, source in sources.items()},
            _system=system or None,
            _templates=turns,
        )


def completed(study: Study, table: CsvTable, row: int) -> dict[str, str]:
    """Row `row` of a table (0 is the first) as templates see it.

    Raises:
        StudyError: a derived column cannot be computed; the message names table and row.
    """
    try:
        return study.complete(table.row(row))
    except StudyError as error:
        raise StudyError(f"{table.path}, row {row + 1}: {error}") from None


def lines_from_html(text: str) -> str:
    """Turn `<br>` into line breaks, without the spaces around them."""
    return "\n".join(part.strip() for part in _BREAK.split(text))


def _render(template: jinja2.Template, row: Mapping[str, str]) -> str:
    try:
        return template.render(row, row=row).strip()
    except Exception as error:  # a template is the user's code and may fail in any way
        raise StudyError(f"a template of the study cannot be rendered: {error}") from None
