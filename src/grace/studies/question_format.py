"""The format of questions and answers in a study file: labels with their texts, and the names of columns."""

from typing import Annotated

from pydantic import BeforeValidator, Field, StringConstraints, model_validator

from grace.declared import NAME, Strict
from grace.studies.answers import Variant

Name = Annotated[str, StringConstraints(pattern=NAME)]


def _as_tuple(value: object) -> object:
    return (value,) if isinstance(value, str) else value


Texts = Annotated[tuple[str, ...], BeforeValidator(_as_tuple)]
"""Some texts; a single one needs no list."""
Forms = Annotated[Texts, Field(min_length=1)]
"""Surface forms, the canonical one first."""


def by_name(value: object) -> object:
    """A plain list of texts as names with themselves behind them: [yes, no] is {yes: yes, no: no}."""
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        return value
    twice = next((name for place, name in enumerate(value) if name in value[:place]), None)
    if twice is not None:
        raise ValueError(f"{twice!r} appears twice")
    return {name: name for name in value}


Labels = Annotated[dict[str, Forms], BeforeValidator(by_name)]
"""Labels with their forms; a plain list where each label is its own form."""


class AnswersSpec(Strict):
    """The closed set of answers to a question: `labels`, or `factors` and `forms` for answers made of parts."""

    labels: Labels = {}
    numeric: bool = False
    """Whether labels are numbers, which have a mean and a standard deviation."""
    factors: dict[Name, Labels] = {}
    forms: Forms | None = None
    """Whole answers, with {factor} in the place of each part."""
    variants: tuple[Variant, ...] = ()
    """Further surface forms, made from the listed ones."""

    @model_validator(mode="before")
    @classmethod
    def _from_list(cls, value: object) -> object:
        """A plain list is that of the labels."""
        return {"labels": value} if isinstance(value, list) else value


class ColumnPatterns(Strict):
    """Patterns of a question's column names: {question}, {label}, {factor} and the names of `each` are filled in."""

    probability: str = "prob_{question}_{label}"
    mean: str = "mean_{question}"
    std: str = "std_{question}"
    entropy: str = "entropy_{question}"
    marginal: str = "prob_{question}_{label}"
    marginal_entropy: str = "entropy_{question}_{factor}"
    label_mass: str = "label_mass_{question}"
    residual: str = "residual_{question}"
    text: str = "text_{question}_{label}"
    """For labels whose text differs by row."""
    surprisal: str = "surprisal_{question}_{label}"
    """For texts and regions, as the next two."""
    surprisal_words: str = "surprisal_words_{question}_{label}"
    tokens: str = "tokens_{question}_{label}"


class QuestionSpec(Strict):
    """One thing asked of the model about one trial, whose answers are a closed set."""

    about: str = ""
    each: dict[Name, tuple[str, ...]] = {}
    """Ask once for each combination of these values; prompt and columns can use them."""
    system: str | None = None
    chat: bool = True
    """Whether the prompt goes through the model's chat template."""
    prompt: str
    answer_start: str | None = None
    """What the answer is to go on with, behind the prompt."""
    answers: AnswersSpec | None
    texts: dict[Name, str] = {}
    """In place of answers: texts whose surprisal is measured, each on its own after the prompt."""
    regions: dict[Name, str] = {}
    """In place of answers: the parts of one text, one after the other, whose surprisal is measured."""
    columns: ColumnPatterns = ColumnPatterns()

    @property
    def measures(self) -> bool:
        """Whether texts are measured, and no answers scored."""
        return bool(self.texts or self.regions)

    @model_validator(mode="before")
    @classmethod
    def _without_answers(cls, value: object) -> object:
        """Where texts are measured there are no answers, and there may be nothing before the texts."""
        measures = isinstance(value, dict) and ("texts" in value or "regions" in value)
        return {"prompt": "", "answers": None, **value} if measures and isinstance(value, dict) else value
