"""Extraction: the fields that a study finds in responses, and the rules that find them."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import product
from typing import Any, Literal, get_args

from grace.columns import EXTRACTED, REASONING, RESPONSE
from grace.errors import StudyError
from grace.studies import format
from grace.studies.answers import fill
from grace.studies.choices import ChoiceByRow, choice_of
from grace.studies.fields import Cell, Extracted, Field, Method
from grace.studies.format import TEMPLATE, StudyFile
from grace.studies.reading import Answer, Missing, Reader, Value, doubted
from grace.studies.reading.count import CountReader
from grace.studies.reading.scale import NumberReader, RatingReader
from grace.studies.reading.sentence import Parts, SentenceReader
from grace.studies.reading.shares import SharesReader
from grace.studies.reading.text import REFUSAL, Headings, Section, Text, listed, numbered, plain, set_apart
from grace.studies.reading.thoughts import answer_of
from grace.studies.reading.words import TextReader
from grace.studies.templates import Compiler
from grace.text import did_you_mean, nearest

MOST_POINTS = 1000
LIKE_ANOTHER = 0.85
"""So similar to the column of a turn, a name is a slip rather than another table's column (1 is equal)."""
REPEATED, REPEATED_LONG = 20_000, 1_000
"""So many short answers are kept as they were read, and so many long ones."""
SHORT = 500
"""Characters of the longest short answer: models repeat these, and few bytes keep them."""


@dataclass(frozen=True)
class Sum:
    """Fields that make a total."""

    fields: tuple[str, ...]
    total: float


@dataclass(frozen=True)
class Extraction:
    """The fields of a study, and how they are found.

    Attributes:
        fields: by column, in the order of the table.
        sums: the fields that make a total, by reading.
        about: what each reading is about.
    """

    fields: Mapping[str, Field]
    sums: Mapping[str, Sum]
    about: Mapping[str, str]
    _readers: Mapping[str, Reader]
    _texts: Mapping[str, tuple[str, ...]]
    _response: tuple[str, ...]
    _items: Literal["numbered", "listed"] | None
    _headings: Headings
    _by_row: Mapping[str, "ChoiceByRow"] = dataclasses.field(default_factory=dict)
    """The readings whose labels have other words in other rows."""

    @property
    def differs(self) -> bool:
        """Whether labels have other words in other rows; see `of_row`."""
        return bool(self._by_row)

    def of_row(self, row: Mapping[str, str]) -> "Extraction":
        """The extraction of one completed row's answer. Raises StudyError."""
        if not self._by_row:
            return self
        readers, fields, about = dict(self._readers), dict(self.fields), dict(self.about)
        for name, by_row in self._by_row.items():
            readers[name], own, words = by_row.of(row)
            fields[own.name] = own
            about[name] = f"{about[name]} ({words})"
        return replace(self, fields=fields, about=about, _readers=readers, _by_row={})

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that follow the input's."""
        return (*self.fields, *EXTRACTED)

    @property
    def kinds(self) -> dict[str, type]:
        """The type of each column that holds numbers."""
        return {name: field.kind for name, field in self.fields.items() if field.kind is not str} | {
            EXTRACTED[1]: float
        }

    @property
    def asked(self) -> dict[str, str]:
        """What the readings are about that an extractor model is asked for: all but those that keep a text."""
        return {name: about for name, about in self.about.items() if not isinstance(self._readers[name], TextReader)}

    @cached_property
    def all_texts(self) -> tuple[str, ...]:
        """Every column that may hold an answer."""
        return tuple(dict.fromkeys((*(name for names in self._texts.values() for name in names), *self._response)))

    def sources(self, columns: Sequence[str]) -> dict[str, str]:
        """For each reading the column of a table that holds its answer.

        Raises LookupError when a table has none of a reading's columns; the message says which would do.
        """
        sources: dict[str, str] = {}
        for reading, texts in self._texts.items():
            names = (*texts, *self._response)
            source = next((name for name in names if name in columns), None)
            if source is None:
                raise LookupError(f"no column {' or '.join(map(repr, names))} for {reading}")
            sources[reading] = source
        return sources

    def read(self, texts: Mapping[str, str], cut: bool | None = None, shared: bool | None = None) -> Extracted:
        """Find the fields in the texts of one row.

        Args:
            texts: for each reading the text with its answer; several readings may share one.
            cut: whether the text ends at a token limit; None when that is not known.
            shared: whether one text holds several answers; None: it does when texts are equal.
        """
        answers: dict[str, Answer] = {}
        refused = False
        if shared is None:
            shared = len(set(texts.values())) < len(texts)
        own_words = {text: answer_of(text) for text in dict.fromkeys(texts.values())}
        whole_texts = {text: Text(plain(own), cut, set_apart(own), own) for text, own in own_words.items()}
        sections = {text: self._sections(whole.plain, shared) for text, whole in whole_texts.items()}
        for reading, reader in self._readers.items():
            answer = whole_texts[texts[reading]]
            if not answer.plain.strip():
                answers |= dict.fromkeys(reader.columns, Missing("the answer is empty"))
                continue
            own = self._read_one(reading, reader, answer, sections[texts[reading]], shared)
            if not any(isinstance(answer, Value) for answer in own.values()) and REFUSAL.search(answer.plain):
                refused = True
                own = dict.fromkeys(reader.columns, Missing("the answer is a refusal"))
            answers |= own
        return Extracted({name: answers[name] for name in self.fields}, refused=refused)

    @cached_property
    def read_once(self) -> Callable[[tuple[tuple[str, str], ...], bool | None, bool], Extracted]:
        """`read`, which keeps the last answers; models repeat short ones, and several may ask about one row."""

        def read(texts: tuple[tuple[str, str], ...], cut: bool | None, shared: bool) -> Extracted:
            return self.read(dict(texts), cut, shared)

        short, long = lru_cache(REPEATED)(read), lru_cache(REPEATED_LONG)(read)
        return lambda texts, *how: (short if all(len(text) <= SHORT for _, text in texts) else long)(texts, *how)

    def _sections(self, text: str, shared: bool) -> Sequence[Section]:
        """The parts of a text that belong to one reading each: by headings, or else by numbers."""
        sections = self._headings.sections(text)
        if not shared or sections or not self._items:
            return sections
        parts = numbered(text, len(self._readers))
        if not parts and self._items == "listed":
            parts = listed(text, len(self._readers))
        return [(name, *part[:1], *part) for name, part in zip(self._readers, parts, strict=False)]

    def _read_one(
        self, reading: str, reader: Reader, answer: Text, sections: Sequence[Section], shared: bool
    ) -> dict[str, Answer]:
        """Read the parts behind the reading's headings; without any, the text outside of other readings' parts."""
        text = answer.plain
        own = [
            reader.read(answer._replace(plain=text[start:end], cut=answer.cut if end == len(text) else False))
            for name, _, start, end in sections
            if name == reading
        ]
        if not shared and not any(_plainness(values)[0] for values in own):
            return reader.read(answer)  # what looks like a heading may be the answer
        if own:
            return max(own, key=_plainness)  # the first of those that say most
        taken = [(start, end) for name, start, _, end in sections if name != reading]
        if not isinstance(reader, CountReader):  # other answers take a line each; what follows may be this one's
            taken = [(start, _line_end(text, begin, end)) for name, start, begin, end in sections if name != reading]
        free = _outside(taken, text)
        if not free.strip():
            return reader.read(Text("", False))
        if isinstance(reader, CountReader) and not sections:
            return self._doubted(reader, free)
        return reader.read(answer._replace(plain=free))

    def _doubted(self, reader: Reader, text: str) -> dict[str, Answer]:
        """A count in a text without headings: the one before any amount, in doubt."""
        shares = next((other for other in self._readers.values() if isinstance(other, SharesReader)), None)
        before = text[: shares.begins(text)] if shares else text
        return {
            name: doubted(answer.value, "no heading says that it is meant") if isinstance(answer, Value) else answer
            for name, answer in reader.read(Text(before, False)).items()
        }

    def contradiction(self, values: Mapping[str, Cell | None]) -> str | None:
        """How values contradict each other, as a sentence and the parts beside it; None: they do not."""
        sentences = (reader for reader in self._readers.values() if isinstance(reader, SentenceReader))
        return next((odd for reader in sentences if (odd := reader.contradiction(values))), None)

    def schema(self, title: str) -> dict[str, Any]:
        """JSON Schema (2020-12) of one row's fields, as a table and `grace merge` have them."""
        method, confidence, errors = EXTRACTED
        return {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": title,
            "type": "object",
            "properties": {
                **{name: field.schema() for name, field in self.fields.items()},
                method: {"description": "who found the values", "enum": list(get_args(Method))},
                confidence: {
                    "description": "how plainly the least plain value was said; null where there is no value",
                    "type": ["number", "null"],
                    "minimum": 0,
                    "maximum": 1,
                },
                errors: {"description": "why fields are empty or in doubt", "type": ["string", "null"]},
            },
            "required": list(self.columns),
            "additionalProperties": True,
        }


def _plainness(answers: Mapping[str, Answer]) -> tuple[int, float]:
    values = [answer.confidence for answer in answers.values() if isinstance(answer, Value)]
    return len(values), min(values, default=0.0)


def _line_end(text: str, start: int, end: int) -> int:
    """Where the first line that is not blank ends, in a part of a text."""
    held = next((place for place in range(start, end) if not text[place].isspace()), end)
    line = text.find("\n", held, end)
    return end if line < 0 else line


def _outside(spans: Sequence[tuple[int, int]], text: str) -> str:
    """The parts of a text outside of some spans, a line each."""
    kept, place = [], 0
    for start, end in spans:
        kept.append(text[place:start])
        place = end
    return "\n".join([*kept, text[place:]])


def compile_extraction(spec: StudyFile, taken: Mapping[str, str], compiler: Compiler) -> Extraction | None:
    """Compile the extraction of a study file; None where it has none.

    Args:
        spec: the study file.
        taken: columns that are in use, with what they belong to.
        compiler: of the study's templates.

    Raises:
        StudyError: names or columns do not fit together; the message says where.
    """
    if spec.extraction is None:
        return None
    fields: dict[str, Field] = {}
    readers: dict[str, Reader] = {}
    sums: dict[str, Sum] = {}
    by_row: dict[str, ChoiceByRow] = {}
    for name, reading in spec.extraction.readings.items():
        place = f"extraction.readings.{name}"
        where = f"{compiler.origin}: {place}"
        _check_texts(reading, where)
        compiler.doubt = compiler.doubt or _doubt_about_texts(spec, reading.texts, f"{where}.texts")
        if isinstance(reading, format.ChoiceReading) and _has_template(reading):
            by_row[name] = ChoiceByRow(name, reading, compiler, place)
            reading = reading.model_copy(update={"labels": {label: (label,) for label in reading.labels}})
        readers[name], columns = _compile(spec, name, reading, where)
        if isinstance(reading, format.SharesReading):
            sums[name] = Sum(tuple(field.name for field in columns), reading.total)
        for field in columns:
            owner = fields[field.name].reading if field.name in fields else taken.get(field.name)
            if owner or field.name in EXTRACTED:
                raise StudyError(f"{where}: its column {field.name!r} is one of {owner or 'the table'} already")
            fields[field.name] = field
    return Extraction(
        fields=fields,
        sums=sums,
        about={name: reading.about for name, reading in spec.extraction.readings.items()},
        _readers=readers,
        _texts={name: tuple(reading.texts) for name, reading in spec.extraction.readings.items()},
        _response=tuple(spec.extraction.response),
        _items=spec.extraction.items,
        _headings=Headings(
            {
                name: (
                    *reading.headings,
                    *(column for column in readers[name].columns if len(readers[name].columns) == 1),
                )
                for name, reading in spec.extraction.readings.items()
            }
        ),
        _by_row=by_row,
    )


def _has_template(reading: format.ChoiceReading | format.SharesReading) -> bool:
    return any(TEMPLATE.search(word) for words in reading.labels.values() for word in words)


def _check_texts(reading: format.Reading, where: str) -> None:
    if isinstance(reading, format.SharesReading) and _has_template(reading):
        raise StudyError(f"{where}.labels: a template is for the labels of a choice; write the words of `shares` out")


def _doubt_about_texts(spec: StudyFile, texts: Sequence[str], where: str) -> str:
    """What to say of columns of answers that nothing makes: the whole answer would be read in their place.

    Some may be those of older tables, beside one that is made; a study whose `response` is not Grace's own reads tables
    of somebody's own, which have any columns.
    """
    assert spec.extraction is not None
    if not spec.protocols or RESPONSE not in spec.extraction.response:
        return ""
    turns = dict.fromkeys(f"response_{turn}" for protocol in spec.protocols.values() for turn in protocol.turns)
    made = {*turns, *spec.extraction.response, REASONING, *spec.columns}
    others = sorted(made.difference(texts))
    odd = next((name for name in texts if name not in made), None)
    if made.intersection(texts):  # another one may be an older table's, unless it is a slip
        odd = next((name for name in texts if name not in made and nearest(name, others, LIKE_ANOTHER)), None)
    if odd is None:
        return ""
    return (
        f"{where}: no turn makes a column {odd!r}{did_you_mean(odd, others)}, so the whole answer would be read; the "
        f"turns' columns are {', '.join(turns)}. A column of another table is listed under `columns`, as "
        f"{odd}: {{required: false, hidden: true}}"
    )


def _compile(spec: StudyFile, name: str, reading: format.Reading, where: str) -> tuple[Reader, list[Field]]:
    """A reading's reader and fields."""
    about = reading.about
    match reading:
        case format.CountReading():
            count = Field(reading.column, about, int, name, low=0, high=reading.of)
            return CountReader(reading.column, reading.of), [count]
        case format.SharesReading():
            if "{label}" not in reading.column:
                raise StudyError(
                    f"{where}.column: {reading.column!r} has no {{label}} in it, so all would be called the same"
                )
            unit = "percent" if reading.total == 100 else f"of {reading.total:g}"
            shares = SharesReader(reading.column, reading.labels, reading.total, where)
            return shares, [
                Field(column, f"{about}: {label}", float, name, low=0, high=reading.total, unit=unit)
                for label, column in zip(reading.labels, shares.columns, strict=True)
            ]
        case format.ChoiceReading():
            unknown = next((label for label in reading.phrases if label not in reading.labels), None)
            if unknown is not None:
                raise StudyError(f"{where}.phrases: no label {unknown!r}{did_you_mean(unknown, reading.labels)}")
            choice, own_field = choice_of(name, reading, where)
            return choice, [own_field]
        case format.RatingReading():
            _check_scale(reading, where)
            odd = next((point for point in reading.words if not _is_point(point, reading)), None)
            if odd is not None:
                raise StudyError(f"{where}.words: {odd!r} is no whole number from {reading.min} to {reading.max}")
            rating = RatingReader(reading.column, reading.min, reading.max, reading.words, where)
            return rating, [Field(reading.column, about, int, name, low=reading.min, high=reading.max)]
        case format.NumberReading():
            _check_scale(reading, where)
            number = NumberReader(reading.column, reading.min, reading.max, reading.decimals, reading.unit)
            kind, unit = float if reading.decimals else int, next(iter(reading.unit), "")
            return number, [Field(reading.column, about, kind, name, low=reading.min, high=reading.max, unit=unit)]
        case format.TextReading():
            codes = reading.codes
            own = [Field(reading.column, about, str, name)]
            if codes:
                own.append(Field(codes.column, f"{about}: its code", str, name, values=tuple(codes.labels)))
            return TextReader(reading.column, codes.column if codes else None), own
        case format.SentenceReading():
            parts = _parts(spec, reading, where)
            fields = [
                Field(
                    name=parts.columns[factor],
                    about=f"{about}: {factor}",
                    kind=str,
                    reading=name,
                    values=tuple(ways[0] for ways in labels.values()),
                    also={plain(way): ways[0] for ways in labels.values() for way in ways},
                    literal=True,
                )
                for factor, labels in parts.factors.items()
            ]
            whole = Field(parts.cleaned, f"{about}: the whole sentence", str, name, values=tuple(_wholes(parts)))
            return SentenceReader(parts), [*fields, whole]


def _check_scale(reading: format.RatingReading | format.NumberReading, where: str) -> None:
    if not reading.min < reading.max:
        raise StudyError(f"{where}.max: must be above min, which is {reading.min:g}")
    if isinstance(reading, format.RatingReading) and reading.max - reading.min > MOST_POINTS:
        raise StudyError(f"{where}.max: a scale has at most {MOST_POINTS} points; `read: number` has no such limit")


def _is_point(point: str, reading: format.RatingReading) -> bool:
    return point in map(str, range(reading.min, reading.max + 1))


def _parts(spec: StudyFile, reading: format.SentenceReading, where: str) -> Parts:
    question = spec.questions.get(reading.question)
    if question is None or not question.answers or not question.answers.factors or not question.answers.forms:
        raise StudyError(
            f"{where}.question: {reading.question!r} is not a question of the study with factors and forms"
            f"{did_you_mean(reading.question, [] if question else spec.questions)}"
        )
    factors = question.answers.factors
    pieces = (*question.answers.forms, *(way for own in factors.values() for ways in own.values() for way in ways))
    if any(map(TEMPLATE.search, pieces)):
        raise StudyError(f"{where}.question: the forms of {reading.question!r} differ by row, which no sentence may")
    if set(reading.columns) != set(factors):
        odd = next((f", not for {name!r}" for name in reading.columns if name not in factors), "")
        raise StudyError(f"{where}.columns: needs a column for each of {', '.join(factors)}{odd}")
    labels = {label for own in factors.values() for label in own}
    unknown = next((label for label in reading.also if label not in labels), None)
    if unknown is not None:
        raise StudyError(f"{where}.also: no part {unknown!r}; there are {', '.join(sorted(labels))}")
    return Parts(
        form=question.answers.forms[0],
        factors={
            factor: {label: (*ways, *reading.also.get(label, ())) for label, ways in own.items()}
            for factor, own in factors.items()
        },
        columns=reading.columns,
        cleaned=reading.cleaned,
        between=reading.between,
    )


def _wholes(parts: Parts) -> Iterator[str]:
    """Every sentence in its canonical form."""
    canonical = ([ways[0] for ways in labels.values()] for labels in parts.factors.values())
    for pieces in product(*canonical):
        yield fill(parts.form, dict(zip(parts.factors, pieces, strict=True)))
