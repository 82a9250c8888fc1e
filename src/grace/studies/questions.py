"""Questions: what Experiment 2 asks about a row, the answers that count, and the names of their columns."""

import hashlib
import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, product
from math import prod
from typing import Literal

import jinja2

from grace.declared import NAME
from grace.errors import StudyError
from grace.studies.answers import AnswerSpace, Distribution, Policy, Variant, fill, joint, variants_of
from grace.studies.format import TEMPLATE, TEMPLATE_NAMES, StudyFile
from grace.studies.question_format import AnswersSpec, ColumnPatterns, QuestionSpec
from grace.studies.templates import RAW, Compiler, Message, RowText, render, spoken

TABLE = ("model_name", "error")
"""Columns that every table of scores has beside those of the questions."""
MOST_FORMS = 10_000
"""Surface forms that one question may have, without variants."""
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?", re.ASCII)


@dataclass(frozen=True)
class ScoreColumns:
    """The names of one question's columns; None where there is no such column."""

    probabilities: tuple[str, ...]
    mean: str | None
    std: str | None
    entropy: str
    marginals: Mapping[str, Mapping[str, str]]
    marginal_entropies: Mapping[str, str]
    label_mass: str
    residual: str
    texts: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """All of them, in the table's order."""
        return (
            *self.probabilities,
            *filter(None, (self.mean, self.std)),
            self.entropy,
            *(name for levels in self.marginals.values() for name in levels.values()),
            *self.marginal_entropies.values(),
            self.label_mass,
            self.residual,
            *self.texts,
        )

    def cells(self, answers: Distribution | None, label_mass: float, residual: float) -> tuple[float | None, ...]:
        """The cells under `names` but those of texts; the distribution's are empty where there is none."""
        if answers is None:
            return (*(None,) * (len(self.names) - len(self.texts) - 2), label_mass, residual)
        return (
            *answers.probabilities,
            *(value for value in (answers.mean, answers.std) if value is not None),
            answers.entropy,
            *(answers.marginals[factor][level] for factor, levels in self.marginals.items() for level in levels),
            *(answers.marginal_entropies[factor] for factor in self.marginal_entropies),
            label_mass,
            residual,
        )


TextKind = Literal["texts", "regions"]


@dataclass(frozen=True)
class AskedQuestion:
    """A question about one row, as a model is asked: messages, the text that its answer goes on from, and the forms."""

    messages: list[Message]
    start: str
    forms: Mapping[str, tuple[str, ...]]
    kind: "TextKind | None" = None
    """How the forms are measured where they are texts and no answers."""

    @property
    def shown(self) -> list[Message]:
        """What the model gets, for people: the messages, and the texts that are measured."""
        return [
            *self.messages,
            *({"role": own, "content": "".join(text)} for own, text in self.forms.items() if self.kind),
        ]

    @property
    def key_parts(self) -> tuple[object, ...]:
        """What the key of its request is made of, before the settings."""
        return self.messages, self.forms, *filter(None, (self.start, self.kind))


@dataclass(frozen=True)
class Question:
    """A question, ready to be asked.

    Attributes:
        name: as in the ledger and in messages.
        space: its answers; where forms differ by row, they are templates here.
        columns: the names of its columns in the table.
        uses: the input columns that its prompt depends on, None when these can be any.
        sha256: digest of all that determines the prompt and the answers that count.
    """

    name: str
    space: AnswerSpace
    columns: ScoreColumns
    uses: frozenset[str] | None
    sha256: str
    _templates: dict[str, jinja2.Template]
    """By role."""
    _each: dict[str, str]
    _forms: "RowForms | None" = None
    _start: RowText | None = None
    _varies: bool = False
    """Whether factors vary, so that there may be no system message."""

    @property
    def chats(self) -> bool:
        """Whether its prompt goes through the model's chat template."""
        return RAW not in self._templates

    def asked(self, row: Mapping[str, str], policy: Policy) -> AskedQuestion:
        """The question about a completed row. Raises StudyError."""
        forms = self._forms.of(row, self._each).chosen(policy) if self._forms else self.space.chosen(policy)
        return AskedQuestion(self.messages(row), self._start.of(row, self._each) if self._start else "", forms)

    def messages(self, row: Mapping[str, str]) -> list[Message]:
        """The messages to the model about a completed row. Raises StudyError."""
        said = [
            {"role": role, "content": render(template, row, self._each)} for role, template in self._templates.items()
        ]
        return spoken(said) if self._varies else said


def compile_questions(spec: StudyFile, compiler: Compiler) -> dict[str, Question]:
    """All questions of a study by name, those with `each` once for every combination of its values.

    Raises StudyError when names, forms or columns do not fit together; the message says where.
    """
    questions: dict[str, Question] = {}
    taken: dict[str, str] = dict.fromkeys((*spec.columns, *TABLE), "the table")
    for pattern, declared in spec.questions.items():
        if declared.measures:
            continue
        for variable, values in declared.each.items():
            if not values or variable in TEMPLATE_NAMES:
                why = "has no values" if not values else "is a name that templates use already"
                raise StudyError(f"{compiler.origin}: questions.{pattern}.each: {variable!r} {why}")
        for combination in product(*declared.each.values()):
            each = dict(zip(declared.each, combination, strict=True))
            name = fill(pattern, each)
            where = f"{compiler.origin}: questions.{name}"
            if not re.fullmatch(NAME, name):
                raise StudyError(f"{where}: a question's name has small letters, digits and _, a letter first")
            if name in questions:
                raise StudyError(f"{where}: appears twice; put the names of `each` in braces into its name")
            questions[name] = question = _compile(declared, name, each, compiler)
            for column in question.columns.names:
                if column in taken:
                    raise StudyError(f"{where}: its column {column!r} is one of {taken[column]} already; see `columns`")
                taken[column] = name
    return questions


def _compile(declared: QuestionSpec, name: str, each: dict[str, str], compiler: Compiler) -> Question:
    where = f"questions.{name}"
    visible = compiler.spec.visible | each.keys()
    assert declared.answers is not None
    if declared.system and not declared.chat:
        raise StudyError(f"{compiler.origin}: {where}: without a chat there is no system message")
    space = _space(declared.answers, f"{compiler.origin}: {where}.answers")
    texts = list(chain(*space.forms.values()))
    by_row = any(TEMPLATE.search(text) for text in texts)
    unfilled = next(
        (name for name in each if any(re.search(rf"(?<!{{){{{name}}}(?!}})", text) for text in texts)), None
    )
    if unfilled:
        raise StudyError(
            f"{compiler.origin}: {where}.answers: {{{unfilled}}} is not filled in here, since the answers are the same "
            "for all values of `each`; write them out, in questions of their own where they differ"
        )
    sources = {"prompt": declared.prompt} | ({"system": declared.system} if declared.system else {})
    templates = {part: compiler.template(source, f"{where}.{part}", visible) for part, source in sources.items()}
    system = {"system": templates["system"]} if declared.system else {}
    content: tuple[object, ...] = (sources, each, compiler.spec.derived, space.forms)
    if compiler.spec.shuffle:
        content = (*content, {own: shuffle.model_dump() for own, shuffle in compiler.spec.shuffle.items()})
    if compiler.spec.vary:
        content = (*content, {"vary": compiler.spec.vary})
    start = None
    if declared.answer_start:
        start = RowText(declared.answer_start, compiler, f"{where}.answer_start", visible)
        content = (*content, start.source)
    if not declared.chat:
        content = (*content, RAW)
    if by_row:
        content = (*content, declared.answers.variants)
    return Question(
        name=name,
        space=space,
        columns=_columns(declared.columns, space, name, each, by_row),
        uses=compiler.columns_used(*sources.values(), *texts, *([start.source] if start else [])),
        sha256=hashlib.sha256(json.dumps(content, ensure_ascii=False).encode()).hexdigest(),
        _templates={**system, "user" if declared.chat else RAW: templates["prompt"]},
        _each=each,
        _forms=RowForms(space, declared.answers.variants, compiler, f"{where}.answers", visible) if by_row else None,
        _start=start,
        _varies=bool(compiler.spec.vary),
    )


class RowForms:
    """The forms of labels that differ by row."""

    def __init__(
        self, space: AnswerSpace, variants: Sequence[Variant], compiler: Compiler, where: str, names: Collection[str]
    ) -> None:
        """Compile the forms, which may use `names`. Raises StudyError."""
        self._space, self._variants = space, variants
        self._texts = {
            label: [RowText(form, compiler, where, names) for form in own] for label, own in space.forms.items()
        }

    def of(self, row: Mapping[str, str], each: Mapping[str, str]) -> AnswerSpace:
        """The answers to a completed row. Raises StudyError where they are not different texts."""
        texts = {label: [text.of(row, each) for text in own] for label, own in self._texts.items()}
        forms = {
            label: variants_of([text for text in dict.fromkeys(own) if text], self._variants)
            for label, own in texts.items()
        }
        check_forms(forms, "answers")
        return replace(self._space, forms=forms)


def _space(answers: AnswersSpec, where: str) -> AnswerSpace:
    if bool(answers.labels) == bool(answers.factors):
        raise StudyError(f"{where}: gives either labels, or factors and forms")
    if answers.labels and answers.forms:
        raise StudyError(f"{where}: forms go with factors; a label's forms follow it, as {{yes: [yes, yeah]}}")
    if answers.factors and answers.numeric:
        raise StudyError(f"{where}: numeric goes with labels; parts put together are no numbers")
    factors = None
    listed: Mapping[str, tuple[str, ...]] = answers.labels
    if answers.factors:
        if not answers.forms or not all("{" + name + "}" in form for name in answers.factors for form in answers.forms):
            names = " and ".join("{" + name + "}" for name in answers.factors)
            raise StudyError(f"{where}.forms: gives whole answers, each with {names} in it")
        pieces = [sum(map(len, part.values())) for part in answers.factors.values()]
        if prod(pieces) * len(answers.forms) > MOST_FORMS:
            raise StudyError(f"{where}: has more than {MOST_FORMS:,} forms")
        try:
            listed, factors = joint(answers.factors, answers.forms)
        except StudyError as error:
            raise StudyError(f"{where}.factors: {error}") from None
    if len(listed) < 2:
        raise StudyError(f"{where}: needs two labels at least")
    by_row = any(TEMPLATE.search(form) for own in listed.values() for form in own)
    forms = {label: own if by_row else variants_of(own, answers.variants) for label, own in listed.items()}
    if not all(label.strip() for label in forms):
        raise StudyError(f"{where}: has a label without a name")
    check_forms(forms, where)
    return AnswerSpace(forms, tuple(_numbers(forms, where)) if answers.numeric else None, factors)


def check_forms(forms: Mapping[str, Sequence[str]], where: str) -> None:
    """Raise StudyError where a label has no text, or one of another label."""
    owner: dict[str, str] = {}
    for label, own in forms.items():
        if not own:
            raise StudyError(f"{where}: the label {label!r} has no text in this row")
        for form in own:
            if not form.strip():
                raise StudyError(f"{where}: the label {label!r} has an empty form; write its text after the colon")
            if owner.setdefault(form, label) != label:
                raise StudyError(f"{where}: the form {form!r} belongs to {owner[form]!r} and to {label!r}")


def _numbers(labels: Mapping[str, object], where: str) -> Iterator[float]:
    for label in labels:
        if not _NUMBER.fullmatch(label):
            raise StudyError(f"{where}: the label {label!r} is not a number, as `numeric` requires")
        yield float(label)


def _columns(
    patterns: ColumnPatterns, space: AnswerSpace, name: str, each: dict[str, str], by_row: bool
) -> ScoreColumns:
    def called(pattern: str, **fields: str) -> str:
        return fill(pattern, {"question": name, **each, **fields})

    numeric = space.values is not None
    marginals = {
        factor: {level: called(patterns.marginal, factor=factor, label=level) for level in dict.fromkeys(of.values())}
        for factor, of in (space.factors or {}).items()
    }
    return ScoreColumns(
        probabilities=tuple(called(patterns.probability, label=label) for label in space.labels),
        mean=called(patterns.mean) if numeric else None,
        std=called(patterns.std) if numeric else None,
        entropy=called(patterns.entropy),
        marginals=marginals,
        marginal_entropies={factor: called(patterns.marginal_entropy, factor=factor) for factor in marginals},
        label_mass=called(patterns.label_mass),
        residual=called(patterns.residual),
        texts=tuple(called(patterns.text, label=label) for label in space.labels) if by_row else (),
    )
