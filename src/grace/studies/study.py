"""A study, ready to use: its prompts compiled, its rows completed and checked."""

import hashlib
import json
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2

from grace.columns import EXTRACTED, INPUT, MERGED, METHOD, RESPONSE, answer_columns, folded
from grace.declared import bytes_of
from grace.errors import InputError, StudyError
from grace.manifest import PEOPLE, STUDY
from grace.studies.contrasts import Contrast, compile_contrasts
from grace.studies.extraction import Extraction, compile_extraction
from grace.studies.format import MISSING, Design, InputColumn, PeopleSpec, Protocol, StudyFile, read_study_file
from grace.studies.questions import TABLE, Question, compile_questions
from grace.studies.shuffle import Shuffled
from grace.studies.surprisal import SurprisalQuestion, compile_surprisal
from grace.studies.templates import Compiler, Message, render, spoken
from grace.studies.vary import text_of
from grace.tables import CsvTable
from grace.text import did_you_mean

PLANNED = ("study1", "study2")
"""The studies that are asked where none is named."""
BUILT_IN = (*PLANNED, "agreement")
KIN = 3
"""A table with so many columns of another study, and none of its own, is the other's."""


@dataclass(frozen=True)
class Conversation:
    """A compiled protocol, which renders the messages to the model about a row."""

    name: str
    turns: tuple[str, ...]
    hashes: dict[str, str]
    """SHA-256 of every text that affects a prompt: by turn, "system", and "derived.NAME"."""
    uses: frozenset[str] | None
    """The input columns that the messages depend on; None when these can be any."""
    _templates: dict[str, jinja2.Template]
    _varies: bool = False
    """Whether factors vary, so that there may be no system message."""

    def opening(self, row: Mapping[str, str]) -> list[Message]:
        """The messages before the first turn: the system message, where the protocol has one."""
        said = [self._message("system", "system", row)] if "system" in self._templates else []
        return spoken(said) if self._varies else said

    def turn(self, name: str, row: Mapping[str, str]) -> Message:
        """The user's message of turn `name` about `row`."""
        return self._message("user", name, row)

    def _message(self, role: str, part: str, row: Mapping[str, str]) -> Message:
        return {"role": role, "content": render(self._templates[part], row)}


@dataclass(frozen=True)
class Study:
    """A study, ready to use.

    Attributes:
        name, title, source: its short and long name, and where it was published.
        columns: the input table's columns by name.
        design: how trials are spread over conditions.
        conversations: the protocols of Experiment 1 by name; the first is the default.
        questions: those of Experiment 2 with answers, by name.
        measures: those of Experiment 2 with texts or regions, by name.
        extraction: the fields of the answers of Experiment 1; None where the study has none.
        quality: the study's own thresholds for `grace validate`.
        contrasts: the conditions that the analysis compares.
        people, people_file: what the file says of people's data, and their place; None where it brings none.
        vary: the factors that rows are crossed with, and their levels' texts; their names are among `columns`.
        content: the study file's bytes.
        doubt: what looks like a mistake, though it is right; empty where nothing does.
    """

    name: str
    title: str
    source: str
    columns: dict[str, InputColumn]
    design: Design
    conversations: dict[str, Conversation]
    questions: dict[str, Question]
    measures: dict[str, SurprisalQuestion]
    extraction: Extraction | None
    quality: dict[str, float]
    contrasts: tuple[Contrast, ...]
    people: PeopleSpec | None
    vary: Mapping[str, Mapping[str, str]]
    content: bytes
    doubt: str
    _shuffles: tuple[Shuffled, ...]
    _derived: dict[str, jinja2.Template]
    _varied: dict[str, dict[str, jinja2.Template]]
    _checks: tuple[tuple[jinja2.environment.TemplateExpression, str], ...]
    _hidden: tuple[str, ...]
    people_file: Path | None = None

    @property
    def sha256(self) -> str:
        """Hex digest of the study file."""
        return hashlib.sha256(self.content).hexdigest()

    @cached_property
    def scored(self) -> dict[str, Question | SurprisalQuestion]:
        """All questions of Experiment 2, by name."""
        return {**self.questions, **self.measures}

    @cached_property
    def names(self) -> frozenset[str]:
        """Its columns in any table: given, derived, of values and of probabilities."""
        fields = self.extraction.fields if self.extraction else ()
        scores = (name for question in self.scored.values() for name in question.columns.names)
        return frozenset((*self.columns, *self._derived, *fields, *scores))

    @cached_property
    def turn_columns(self) -> frozenset[str]:
        """The columns of the answers to single turns, of all protocols."""
        return frozenset(f"response_{turn}" for own in self.conversations.values() for turn in own.turns)

    def answer_names(self, turns: Sequence[str]) -> tuple[str, ...]:
        """The columns of a table of answers that no column of its input may be called: Grace's, and texts to read."""
        return (*answer_columns(turns), *(self.extraction.all_texts if self.extraction else ()))

    def called(self, name: str, columns: Collection[str]) -> str:
        """What a column of the input is called in a table of Grace's with these columns; see `columns.beside`."""
        fields = self.extraction.columns if self.extraction and METHOD in columns else ()
        added = self._added_to_trials if RESPONSE in columns else self._added
        renamed = name in fields or (name + INPUT in columns and name.strip().casefold() in added)
        return name + INPUT if renamed else name

    @cached_property
    def _added(self) -> frozenset[str]:
        """The names of the columns that commands add to answers of somebody's own, or to trials that are scored."""
        return folded((*TABLE, *MERGED, *EXTRACTED, *self.names.difference(self.columns)))

    @cached_property
    def _added_to_trials(self) -> frozenset[str]:
        """The names of all columns that commands add to trials."""
        return self._added | folded((*self.answer_names(()), *self.turn_columns))

    def trial(self, row: Mapping[str, str]) -> dict[str, str]:
        """The input's cells of the study's columns, from a row of any table."""
        called = ((name, self.called(name, row)) for name in self.columns)
        return {name: row[own] for name, own in called if own in row}

    def conversation(self, protocol: str | None) -> Conversation:
        """The protocol of this name, or the default. Raises InputError when the study has none."""
        if not self.conversations:
            raise InputError(f"{self.name} has no protocols, only questions: `grace score` asks those")
        if protocol is None:
            return next(iter(self.conversations.values()))
        if protocol not in self.conversations:
            raise InputError(f"{self.name} has no protocol {protocol!r}; it has {', '.join(self.conversations)}")
        return self.conversations[protocol]

    def schema(self) -> dict[str, Any]:
        """JSON Schema of the values that are extracted from one answer. Raises StudyError when the study has none."""
        if self.extraction is None:
            raise StudyError(f"{self.name} has no extraction section, so its values have no schema")
        return self.extraction.schema(f"{self.title}: values of one answer")

    def stimulus(self, full_row: Mapping[str, str]) -> Iterator[str]:
        """The texts of all messages about a completed row, by the default protocol or else by the questions."""
        if not self.conversations:
            for question in self.scored.values():
                asked = question.asked(full_row, "canonical")
                yield from (message["content"] for message in asked.messages)
                yield from (text for texts in asked.forms.values() for text in texts)
            return
        conversation = self.conversation(None)
        yield from (message["content"] for message in conversation.opening(full_row))
        for turn in conversation.turns:
            yield conversation.turn(turn, full_row)["content"]

    def check_columns(self, columns: Sequence[str], path: Path) -> None:
        """Raise InputError when a table lacks a column that the study needs; the message names the nearest column."""
        required = [name for name, column in self.columns.items() if column.required]
        others = [name for name in columns if name not in self.columns]
        problems = [f"no column {name!r}{did_you_mean(name, others)}" for name in required if name not in columns]
        if problems:
            kin = f"{_kin(self, columns)}. It has " if _kin(self, columns) else ""
            raise InputError(f"{path}: {kin}{'; '.join(problems)}. {self.name} needs: {', '.join(required)}")

    def complete(self, row: Mapping[str, str], decimal: str | None = None) -> dict[str, str]:
        """The row as templates see it: numbers in one form, derived columns added, hidden ones left out."""
        full = {**dict.fromkeys(self.columns, ""), **row}
        for name in self._numbers:
            full[name] = self.columns[name].canonical(full[name], decimal)
        for name in self._hidden:
            del full[name]
        for shuffle in self._shuffles:
            full |= shuffle.cells(full, MISSING)
        for name, template in self._derived.items():
            full[name] = render(template, full)
        for name, levels in self._varied.items():
            if full[name] in levels:  # else a template that shows the text says that there is none
                full[text_of(name)] = render(levels[full[name]], full)
        return full

    def condition(self, full_row: Mapping[str, str]) -> tuple[str, ...]:
        """The cell of the design that a completed row is in."""
        return tuple([full_row.get(name, "") for name in self.design.cells])

    @cached_property
    def shown(self) -> frozenset[str]:
        """The columns on which the prompts of `stimulus` and a row's condition depend; all where that can be any."""
        asked = [self.conversation(None)] if self.conversations else list(self.scored.values())
        uses = [own.uses for own in asked]
        if self._derived or self._shuffles or any(own is None for own in uses):
            return frozenset(self.columns)
        return frozenset(self.design.cells).union(*(own for own in uses if own is not None)) & self.columns.keys()

    @cached_property
    def _numbers(self) -> tuple[str, ...]:
        return tuple(name for name, column in self.columns.items() if column.type != "text")

    def oddities(self, full_row: Mapping[str, str], decimal: str | None = None) -> Iterator[tuple[str, str]]:
        """The oddities of a completed row, as (column, what); the column is "" where a check over several fails."""
        for name, column in self.columns.items():
            if (
                not column.hidden
                and (column.required or full_row[name])
                and (what := column.oddity(full_row[name], decimal))
            ):
                yield name, what
        for holds, otherwise in self._checks:
            try:
                fine = holds({**full_row, "row": full_row})  # one mapping: a table may have a column "self"
            except Exception as error:  # as in _render
                raise StudyError(f"the check {otherwise!r} cannot be computed: {error}") from None
            if not fine:
                yield "", otherwise


def check_kin(study: Study, columns: Sequence[str], path: Path) -> None:
    """Raise InputError where a table has columns of another built-in study and none of this one."""
    if kin := _kin(study, columns):
        raise InputError(f"{path}: {kin}")


def _kin(study: Study, columns: Sequence[str]) -> str:
    """What to say of a table that has columns of another built-in study and none of this one; else empty."""
    if not study.names.isdisjoint(columns):
        return ""
    other = next((name for name in BUILT_IN if len(load_study(name).names.intersection(columns)) >= KIN), None)
    return f"this looks like a table of {other}, not of {study.name}: name {other} in its place" if other else ""


def built_in_file(name: str) -> bytes:
    """The file of a built-in study."""
    return (resources.files("grace.studies") / f"{name}.yaml").read_bytes()


def load_study(name_or_path: str) -> Study:
    """Read a study: a built-in one by name, or any by the path of its YAML file.

    Raises:
        StudyError: the file is invalid, or has what is right only by chance; the message names the place in it.
        InputError: there is no such study or file.
    """
    study = _loaded(name_or_path)
    refuse_doubt(study)
    return study


def refuse_doubt(study: Study) -> None:
    """Raise StudyError where a file has what looks like a mistake; a run's own copy is read as it is."""
    if study.doubt:
        raise StudyError(study.doubt)


def _loaded(name_or_path: str) -> Study:
    if name_or_path in BUILT_IN:
        return parse_study(built_in_file(name_or_path), f"{name_or_path}.yaml")
    path = Path(name_or_path)
    if not path.suffix and not os.path.exists(path):  # noqa: PTH110 - Path.exists raises where it is too long
        raise InputError(
            f"there is no study {name_or_path!r}{did_you_mean(name_or_path, BUILT_IN)}; "
            f"built in are {', '.join(BUILT_IN)}; give any other by the path of its YAML file"
        )
    study = parse_study(bytes_of(path), str(path))
    if study.people is None:
        return study
    of_run = path.name == STUDY and (path.parent / "run.json").exists()
    people = path.parent / (PEOPLE if of_run else study.people.file)
    if not people.is_file():
        raise StudyError(f"{path}: people.file: there is no file {people}")
    return replace(study, people_file=people)


@lru_cache(maxsize=32)
def parse_study(content: bytes, origin: str) -> Study:
    """Compile the bytes of a study file; `origin` names it in errors. Raises StudyError."""
    spec = read_study_file(content, origin)
    compiler = Compiler(spec, origin)
    derived: dict[str, jinja2.Template] = {}
    for name, source in spec.derived.items():
        derived[name] = compiler.template(source, f"derived.{name}", set(spec.columns) | spec.shuffled | set(derived))
    of_row = set(spec.columns) | spec.shuffled | set(spec.derived)
    varied = {
        factor: {
            level: compiler.template(text, f"vary.{factor}.{level}", of_row - set(spec.vary))
            for level, text in levels.items()
        }
        for factor, levels in spec.vary.items()
    }
    questions = compile_questions(spec, compiler)
    measures = {name: compile_surprisal(own, name, compiler) for name, own in spec.questions.items() if own.measures}
    taken = dict.fromkeys((*spec.columns, *spec.derived), "the table") | {
        column: f"the question {name}" for name, question in questions.items() for column in question.columns.names
    }
    for name, measure in measures.items():
        for column in measure.columns.names:
            if column in taken or column in TABLE:
                raise StudyError(f"{origin}: questions.{name}: its column {column!r} is there already; see `columns`")
            taken[column] = f"the question {name}"
    extraction = compile_extraction(spec, taken, compiler)
    bits = [column for measure in measures.values() for column in measure.columns.bits]
    return Study(
        name=spec.name,
        title=spec.title,
        source=spec.source,
        columns=spec.columns,
        design=spec.design,
        conversations={
            name: _conversation(compiler, spec, name, protocol) for name, protocol in spec.protocols.items()
        },
        questions=questions,
        measures=measures,
        extraction=extraction,
        quality=spec.quality,
        contrasts=compile_contrasts(spec, extraction, questions, bits, origin),
        people=_people(spec, extraction, questions, bits, origin),
        vary=spec.vary,
        content=content,
        doubt=compiler.doubt,
        _shuffles=tuple(
            Shuffled(spec.name, name, own, [column for column in spec.columns if column not in spec.hidden])
            for name, own in spec.shuffle.items()
        ),
        _derived=derived,
        _varied=varied,
        _checks=tuple((compiler.expression(check.that, "checks"), check.otherwise) for check in spec.checks),
        _hidden=spec.hidden,
    )


def _people(
    spec: StudyFile, extraction: Extraction | None, questions: Collection[str], bits: Collection[str], origin: str
) -> PeopleSpec | None:
    """What the file says of people's data. Raises StudyError where it names what the study does not measure."""
    fields = extraction.fields if extraction else {}
    known = {*fields, *(field.reading for field in fields.values()), *questions, *bits}
    for name in spec.people.columns if spec.people else ():
        if name not in known:
            raise StudyError(
                f"{origin}: people.columns: no reading, column or question {name!r}{did_you_mean(name, sorted(known))}"
            )
    return spec.people


def _conversation(compiler: Compiler, spec: StudyFile, name: str, protocol: Protocol) -> Conversation:
    """Compile a protocol."""
    parts = protocol.turns | ({"system": protocol.system} if protocol.system else {})
    sources = {f"derived.{column}": source for column, source in spec.derived.items()} | parts
    templates = {part: compiler.template(source, f"protocols.{name}.{part}") for part, source in parts.items()}
    sources |= {f"shuffle.{own}": shuffle.model_dump_json() for own, shuffle in spec.shuffle.items()}
    sources |= {f"vary.{factor}": json.dumps(levels) for factor, levels in spec.vary.items()}
    return Conversation(
        name=name,
        turns=tuple(protocol.turns),
        hashes={part: hashlib.sha256(source.encode()).hexdigest() for part, source in sources.items()},
        uses=compiler.columns_used(*parts.values()),
        _templates=templates,
        _varies=bool(spec.vary),
    )


def completed(study: Study, table: CsvTable, row: int) -> dict[str, str]:
    """Row `row` of a table (0 is the first) as templates see it.

    Raises StudyError when a derived column cannot be computed; the message names table and row.
    """
    try:
        return study.complete(table.row(row), table.decimal)
    except StudyError as error:
        raise StudyError(f"{table.path}, row {row + 1}: {error}") from None
