"""Surprisal: questions that measure texts themselves, as a model without a chat would write them on."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jinja2

from grace.errors import StudyError
from grace.studies.answers import Policy, fill
from grace.studies.question_format import QuestionSpec
from grace.studies.questions import AskedQuestion, TextKind
from grace.studies.templates import RAW, Compiler, RowText, render


@dataclass(frozen=True)
class SurprisalColumns:
    """The names of one question's columns: for each label three, of bits, of the bits of each word, and of tokens."""

    bits: tuple[str, ...]
    words: tuple[str, ...]
    tokens: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """All of them, in the table's order."""
        return (*self.bits, *self.words, *self.tokens)

    def cells(self, labels: Sequence[str], response: Mapping[str, Any]) -> tuple[float | str | None, ...]:
        """The cells under `names`, from a record's response; empty for a label that had no text."""
        words = {
            label: " ".join("NA" if own is None else repr(own) for own in bits)
            for label, bits in response["words"].items()
        }
        columns: tuple[Mapping[str, float | str | None], ...] = (response["bits"], words, response["measured"])
        return tuple(each.get(label) for each in columns for label in labels)


@dataclass(frozen=True)
class SurprisalQuestion:
    """A question whose texts are measured; the attributes are those of `Question`.

    Attributes:
        kind: "texts", each on its own after the prompt, or "regions", one after the other.
    """

    name: str
    labels: tuple[str, ...]
    kind: TextKind
    columns: SurprisalColumns
    uses: frozenset[str] | None
    sha256: str
    _prompt: jinja2.Template
    _texts: Mapping[str, RowText]

    def asked(self, row: Mapping[str, str], policy: Policy) -> AskedQuestion:
        """The texts about a completed row; a label without text in this row is left out. Raises StudyError."""
        texts = {label: (text.of(row),) for label, text in self._texts.items()}
        texts = {label: own for label, own in texts.items() if own[0]}
        if not texts:
            raise StudyError("there is no text to measure in this row")
        return AskedQuestion([{"role": RAW, "content": render(self._prompt, row)}], "", texts, self.kind)


def compile_surprisal(declared: QuestionSpec, name: str, compiler: Compiler) -> SurprisalQuestion:
    """Compile a question with `texts` or `regions`. Raises StudyError."""
    where = f"questions.{name}"
    if declared.texts and declared.regions:
        raise StudyError(f"{compiler.origin}: {where}: has texts, or regions of one text, not both")
    kind: TextKind = "texts" if declared.texts else "regions"
    sources = declared.texts or declared.regions
    if declared.chat or declared.system or declared.answer_start or declared.each or declared.answers:
        raise StudyError(
            f"{compiler.origin}: {where}: {kind} are measured without a chat: write `chat: false`, and no system, "
            "answer_start, each or answers"
        )
    texts = {
        label: RowText(source, compiler, f"{where}.{kind}.{label}", compiler.spec.visible)
        for label, source in sources.items()
    }
    columns = [
        tuple(fill(pattern, {"question": name, "label": label}) for label in sources)
        for pattern in (declared.columns.surprisal, declared.columns.surprisal_words, declared.columns.tokens)
    ]
    shuffles = {own: shuffle.model_dump() for own, shuffle in compiler.spec.shuffle.items()}
    more = [*([shuffles] if shuffles else []), *([{"vary": compiler.spec.vary}] if compiler.spec.vary else [])]
    content = ("surprisal", kind, declared.prompt, compiler.spec.derived, sources, *more)
    return SurprisalQuestion(
        name=name,
        labels=tuple(sources),
        kind=kind,
        columns=SurprisalColumns(*columns),
        uses=compiler.columns_used(declared.prompt, *sources.values()),
        sha256=hashlib.sha256(json.dumps(content, ensure_ascii=False).encode()).hexdigest(),
        _prompt=compiler.template(declared.prompt, f"{where}.prompt"),
        _texts=texts,
    )
