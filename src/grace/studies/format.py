"""The format of a study file, read from YAML and checked before anything is compiled.

Built-in studies and a user's own use the same format; `docs/add-a-study.md` explains it field by field.
"""

import re
from collections.abc import Collection, Hashable, Iterator
from contextlib import suppress
from functools import cached_property
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BeforeValidator, Field

from grace.declared import Strict, checked, loaded
from grace.errors import InputError, StudyError
from grace.studies.question_format import Forms, Labels, Name, QuestionSpec, Texts, by_name
from grace.studies.reading.text import plain
from grace.studies.shuffle import Shuffle
from grace.studies.vary import TEXT, Levels, text_of
from grace.tables import is_ambiguous, number_text
from grace.text import did_you_mean

MISSING = ("", "NA")  # how spreadsheets and R write an absent value

CONSTANTS = frozenset(("true", "false", "none", "True", "False", "None"))
"""Names that are values in every template, so that no column of such a name is ever looked up."""
TEMPLATE_NAMES = CONSTANTS | {"row", "self"}
"""Names that templates have already, at every place."""
_OTHER_TEXT = re.compile(
    r"title|source|vary\..*|derived|checks|protocols|analysis|people|.*\.about|questions\..*\.(?:prompt|system|answer_start|(?:texts|regions)\..*)|columns\..*",
    re.DOTALL,
)
"""Places of a study file with templates or prose, or with columns, whose names may be anything."""
TEMPLATE = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)
_LABELLED = re.compile(
    r"questions\..*\.answers\.(?:labels\..*|factors\.[^.]*\..*|forms)|extraction\.readings\.[^.]*\.labels\..*",
    re.DOTALL,
)
"""Places with the texts of labels, which may be templates, though the labels' names may not."""


class InputColumn(Strict):
    """One column of the input table."""

    about: str = ""
    type: Literal["text", "integer", "number"] = "text"
    values: tuple[str | int | float, ...] = ()
    """The values of the design; empty where any is fine."""
    required: bool = True
    hidden: bool = False
    """Never shown to a model: templates cannot see it."""

    def canonical(self, cell: str, decimal: str | None = None) -> str:
        """A cell of numbers as the study writes them: 1.0 among integers is 1, and 1,5 is 1.5; see `number_text`."""
        if self.type == "text" or cell.isdigit():
            return cell
        cell = number_text(cell, self.type == "integer", decimal)
        try:
            return self._by_number.get(float(cell), cell) if self.values else cell
        except ValueError:
            return cell

    def oddity(self, cell: str, decimal: str | None = None) -> str | None:
        """Why a cell, written as `canonical` writes it, does not belong to the design, or None."""
        if cell in MISSING:
            return "is missing"
        if self.type != "text" and not cell.isdigit() and is_ambiguous(cell, decimal):
            point, none = re.sub("[,.]", ".", cell.strip()), re.sub("[,.]", "", cell.strip())
            return f"{cell!r} may be {point} or {none}; --decimal , or --decimal . says which"
        if self.type != "text":
            try:
                float(cell) if self.type == "number" else int(cell)
            except ValueError:
                return f"{cell!r} is not {'a number' if self.type == 'number' else 'an integer'}"
        if self.values and cell not in self._allowed:
            return f"{cell!r} is outside the design ({', '.join(map(str, self.values))})"
        return None

    @cached_property
    def _by_number(self) -> dict[float, str]:
        numbers = {}
        for value in self.values:
            with suppress(ValueError):
                numbers[float(value)] = str(value)
        return numbers

    @cached_property
    def _allowed(self) -> frozenset[str]:
        return frozenset(map(str, self.values))


def _columns(value: object) -> object:
    """Columns by name; a plain list of names, and a name with nothing behind it, say that there is nothing to say."""
    named = by_name(value)
    if not isinstance(named, dict):
        return named
    return {name: {} if own == "" or named is not value else own for name, own in named.items()}


Columns = Annotated[dict[str, InputColumn], BeforeValidator(_columns)]


class RowCheck(Strict):
    """A condition on every row."""

    that: str
    """A Jinja expression over the row."""
    otherwise: str
    """The message about a row where it does not hold."""


class Design(Strict):
    """The columns with participants, items and conditions."""

    participant: str | None = None
    item: str | None = None
    cells: tuple[str, ...] = ()
    """The columns, given or derived, whose combinations are the conditions."""
    expect: tuple[tuple[str | int, ...], ...] = ()
    """The combinations of the design, where it has not all of them."""


def _one_turn(value: object) -> object:
    """A single text is that of the only turn."""
    return {"response": value} if isinstance(value, str) and value else value


class Protocol(Strict):
    """One way to hold the conversation with a model about a trial: its turns, in order, by name."""

    about: str = ""
    system: str | None = None
    turns: Annotated[dict[Name, str], BeforeValidator(_one_turn)] = Field(min_length=1)


def _said(words: Any) -> Any:
    """Words that are looked for in answers; labels are words too. Raises ValueError for those that nobody can say."""
    texts = (*words, *(way for own in words.values() for way in own)) if isinstance(words, dict) else words
    if not all(plain(text).strip() for text in texts):
        raise ValueError("has a text without words in it")
    return words


class _Reading(Strict):
    """How one answer is found in a response: the fields of all kinds of readings."""

    about: str = ""
    texts: Texts = ()
    """Columns that hold this answer alone, the first one that a table has; without any, the whole response is read."""
    headings: Annotated[Texts, AfterValidator(_said)] = ()
    """The words before this answer in a response with several, as in "Knowledge: yes"."""


class CountReading(_Reading):
    """A whole number of so many things, as in "all three" or "2 of the 3"."""

    read: Literal["count"]
    column: str
    of: int = Field(ge=1, le=20)


class SharesReading(_Reading):
    """An amount for each label, which together make a total: percentages, dollars, fractions."""

    read: Literal["shares"]
    column: str
    """{label} is filled in."""
    labels: Annotated[Labels, AfterValidator(_said)] = Field(min_length=2)
    """Other words for each in prose."""
    total: float = Field(default=100, gt=0)


class ChoiceReading(_Reading):
    """One of a few labels, said by its name or by a sentence."""

    read: Literal["choice"]
    column: str
    labels: Annotated[Labels, AfterValidator(_said)] = Field(min_length=2)
    """The words that are an answer by themselves, as yes and y."""
    phrases: dict[str, Forms] = {}
    """Regular expressions that say a label in prose, in small letters, each beginning with a whole word. Labels that
    stand first outweigh later ones where their phrases overlap."""
    unclear: Texts = ()
    """Regular expressions that say "I do not know"; they outweigh phrases that overlap with them."""


class SentenceReading(_Reading):
    """A whole answer made of parts: one of the forms of a question with factors."""

    read: Literal["sentence"]
    question: str
    columns: dict[str, str]
    """For each factor the column of its part."""
    cleaned: str
    """The column of the whole answer in its canonical form."""
    also: Annotated[dict[str, Forms], AfterValidator(_said)] = {}
    """Other ways to write a part, by the part's label."""
    between: Annotated[Texts, AfterValidator(_said)] = ()
    """Words that may stand between the parts and change nothing."""


class RatingReading(_Reading):
    """A whole point of a scale, by its number or its words."""

    read: Literal["rating"]
    column: str
    min: int
    max: int
    words: Annotated[dict[str, Forms], AfterValidator(_said)] = {}
    """For points that have them, their words."""


class NumberReading(_Reading):
    """A number that makes no total with others, as an age or a price."""

    read: Literal["number"]
    column: str
    min: float
    max: float
    decimals: int = Field(default=0, ge=0, le=9)
    """How many decimals it may have."""
    unit: Annotated[Texts, AfterValidator(_said)] = ()
    """Words or signs that may stand beside it, as [years] or ["%"]."""


class CodeBook(Strict):
    """The codes that a person gives to texts."""

    column: str
    labels: dict[str, str] = Field(min_length=2)
    """Each code with its meaning."""


class TextReading(_Reading):
    """An answer in words, kept for a person to code."""

    read: Literal["text"]
    column: str
    codes: CodeBook | None = None


Reading = Annotated[
    CountReading | SharesReading | ChoiceReading | SentenceReading | RatingReading | NumberReading | TextReading,
    Field(discriminator="read"),
]


class ExtractionSpec(Strict):
    """How values are found in the raw answers of Experiment 1."""

    response: Forms = ("model_response", "response")
    """Columns that hold a whole response, the first one that a table has."""
    items: Literal["numbered", "listed"] | None = None
    """Whether one response answers all readings in their order: in a list numbered from 1, or in any list of as many
    items."""
    readings: dict[Name, Reading] = Field(min_length=1)


class ContrastSpec(Strict):
    """A comparison of two conditions."""

    name: Name
    about: str = ""
    of: str
    """A reading, a column of values, or a question; a reading and a question of one name are both compared."""
    value: str | None = None
    """The label whose share or probability is compared; left out for numbers."""
    a: dict[str, str] = Field(min_length=1)
    """The first condition: columns of the design with their values. Columns that are not named may have any value."""
    b: dict[str, str] = Field(min_length=1)
    """The second condition, which is subtracted from the first."""


class AnalysisSpec(Strict):
    """What the analysis compares."""

    compare: tuple[ContrastSpec, ...] = ()


class PeopleSpec(Strict):
    """People's answers to the same trials."""

    file: str = Field(pattern=r"^[^/\\].*\.csv$")
    """A CSV, by its path from the study file's folder: a row for each answer, with the columns of the design."""
    source: str = ""
    """Who they were, and where it was published."""
    columns: dict[str, str] = {}
    """For a reading, a column of values or a question: the column of the file that has people's answers. Those of the
    same name need no entry."""


class StudyFile(Strict):
    """A whole study file."""

    name: Name
    title: str
    source: str = ""
    columns: Columns = Field(min_length=1)
    shuffle: dict[Name, Shuffle] = {}
    """Options whose order differs by row."""
    vary: dict[Name, Levels] = {}
    """Factors that every row is crossed with: their levels' names are columns, and their texts are for templates."""
    derived: dict[Name, str] = {}
    design: Design = Design()
    checks: tuple[RowCheck, ...] = ()
    protocols: dict[Name, Protocol] = {}
    questions: dict[str, QuestionSpec] = {}
    extraction: ExtractionSpec | None = None
    quality: dict[str, float] = {}
    """Thresholds of `grace validate` that differ from the default ones."""
    analysis: AnalysisSpec = AnalysisSpec()
    people: PeopleSpec | None = None

    @property
    def hidden(self) -> tuple[str, ...]:
        """The columns that templates cannot see."""
        return tuple(name for name, column in self.columns.items() if column.hidden)

    @property
    def visible(self) -> set[str]:
        """The columns that templates can see."""
        return (set(self.columns) | set(self.derived) | self.shuffled | set(self.varied)).difference(self.hidden)

    @property
    def varied(self) -> dict[str, str]:
        """The factor of each name that stands for a level's text in templates."""
        return {text_of(factor): factor for factor in self.vary}

    @property
    def shuffled(self) -> set[str]:
        """The names that shuffled options have in templates."""
        return {name for own, spec in self.shuffle.items() for name in spec.names(own)}

    def see(self, name: str, where: str, origin: str, names: Collection[str] | None = None) -> None:
        """Raise StudyError unless `name` is a visible column, one of `names` where these are given."""
        if name in self.hidden:
            raise StudyError(f"{origin}: {where}: the column {name!r} is hidden")
        visible = self.visible if names is None else set(names).difference(self.hidden)
        if name not in visible:
            raise StudyError(f"{origin}: {where}: no column {name!r}{did_you_mean(name, sorted(visible))}")


def read_study_file(content: bytes, origin: str) -> StudyFile:
    """Read the bytes of a study file; `origin` names it in errors. Raises StudyError, which names the place."""
    try:
        spec = checked(loaded(content, origin, _TextLoader), origin, StudyFile)
    except InputError as error:
        raise StudyError(str(error)) from None
    spec = _with_factors(spec, origin)
    _check_names(spec, origin)
    return spec


def _with_factors(spec: StudyFile, origin: str) -> StudyFile:
    """The same file, where the factors that vary are columns with their levels as values. Raises StudyError."""
    asked = spec.model_dump_json(include={"protocols", "questions", "derived"})
    for factor in spec.vary:
        for name in (factor, text_of(factor)):
            if name in spec.columns or name in spec.derived or name in spec.shuffled or name in TEMPLATE_NAMES:
                raise StudyError(
                    f"{origin}: vary.{factor}: {name!r} is a name that is taken already; choose another one"
                )
        if not re.search(rf"\b{factor}({TEXT})?\b", asked):
            raise StudyError(
                f"{origin}: vary.{factor}: nothing that is asked depends on it; write {{{{ {text_of(factor)} }}}} "
                "where the text of its level belongs"
            )
    factors = {name: InputColumn(about=f"level of {name}", values=tuple(levels)) for name, levels in spec.vary.items()}
    return spec.model_copy(update={"columns": {**spec.columns, **factors}})


def _check_names(spec: StudyFile, origin: str) -> None:
    """Raise StudyError unless all names refer to something."""
    for field, name in (("participant", spec.design.participant), ("item", spec.design.item)):
        if name is not None:
            spec.see(name, f"design.{field}", origin)
    for name in spec.design.cells:
        spec.see(name, "design.cells", origin)
    for combination in spec.design.expect:
        if len(combination) != len(spec.design.cells):
            cells = ", ".join(spec.design.cells) or "design.cells, which is empty"
            values = ", ".join(map(str, combination))
            raise StudyError(f"{origin}: design.expect: [{values}] should hold one value for each of {cells}")
    if not (spec.protocols or spec.questions):
        raise StudyError(f"{origin}: has neither protocols nor questions, so there is nothing to ask")
    taken = [*spec.columns, *spec.derived]
    for name, shuffle in spec.shuffle.items():
        for column in shuffle.of:
            spec.see(column, f"shuffle.{name}", origin, spec.columns)
        if clash := next((own for own in shuffle.names(name) if own in taken or own in TEMPLATE_NAMES), None):
            raise StudyError(f"{origin}: shuffle.{name}: {clash!r} is a name that is taken already; choose another one")
        taken += shuffle.names(name)
    for name in spec.derived:
        if name in spec.columns or name in TEMPLATE_NAMES:
            what = "a column" if name in spec.columns else "a name of templates"
            raise StudyError(f"{origin}: derived.{name}: is {what} already; choose another name")
    for name, protocol in spec.protocols.items():
        if "system" in protocol.turns:
            raise StudyError(f"{origin}: protocols.{name}: a turn cannot be called system")
    for name, question in spec.questions.items():
        for variable in question.each:
            if variable in spec.columns or variable in spec.derived or variable in spec.shuffled:
                raise StudyError(f"{origin}: questions.{name}.each: {variable!r} is a column already")

    for place, text in _literal_texts(spec.model_dump()):
        if template := TEMPLATE.search(text):
            raise StudyError(
                f"{origin}: {place}: {template[0]!r} is a template, and this is a place for text that is the same for "
                "every row; write the text out, and put what differs by row into the prompt"
            )


def _literal_texts(value: Any, place: str = "") -> Iterator[tuple[str, str]]:
    """The texts of a study file that are taken as they are, with their places: no templates, and no prose."""
    if isinstance(value, str):
        yield place, value
    elif isinstance(value, dict):
        for name, own in value.items():
            inner = f"{place}.{name}".lstrip(".")
            if not _OTHER_TEXT.fullmatch(inner):
                yield place, name
                yield from () if _LABELLED.fullmatch(inner) else _literal_texts(own, inner)
    elif isinstance(value, tuple):
        for own in value:
            yield from _literal_texts(own, place)


class _TextLoader(yaml.BaseLoader):
    """Reads every value as text, so that yes, no and 01 stay as written; a name given twice is an error."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, object]:
        names = [key.value for key, _ in node.value]
        for place, (key, _) in enumerate(node.value):
            if key.value in names[:place]:
                raise yaml.MarkedYAMLError(problem=f"{key.value!r} appears twice", problem_mark=key.start_mark)
        return super().construct_mapping(node, deep)
