"""What a study makes of the first rows of a table: prompts, answers that count, a request, and what is read."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from grace.endpoints.dialects import OpenAI, Sampling
from grace.studies.fields import Extracted
from grace.studies.study import Study, completed
from grace.studies.templates import Message
from grace.tables import CsvTable

MODEL = "MODEL"


@dataclass(frozen=True)
class RenderedPrompt:
    """One thing that is asked about a row.

    Attributes:
        name: of the protocol and its turn, or of the question.
        messages: what the model gets.
        answers: for a question, the texts that count as each label.
        variant: the levels of the factors that the study varies, in words; "" where it varies none.
    """

    row: int
    name: str
    messages: Sequence[Message]
    answers: Mapping[str, Sequence[str]]
    variant: str = ""


def shown(study: Study, table: CsvTable, rows: int) -> Iterator[RenderedPrompt]:
    """What is asked about the first rows of a table. Raises StudyError naming the row."""
    for row in range(min(rows, len(table))):
        cells = completed(study, table, row)
        variant = ", ".join(f"{factor} {cells[factor]}" for factor in study.vary)
        for name, conversation in study.conversations.items():
            opening = conversation.opening(cells)
            for turn in conversation.turns:
                yield RenderedPrompt(row + 1, f"{name}.{turn}", [*opening, conversation.turn(turn, cells)], {}, variant)
                opening = []
        for name, question in study.scored.items():
            asked = question.asked(cells, "variants")
            start = [{"role": "assistant", "content": asked.start}] if asked.start else []
            yield RenderedPrompt(row + 1, name, [*asked.messages, *start], asked.forms, variant)


def request(study: Study, table: CsvTable) -> dict[str, Any] | None:
    """The body of the first request of Experiment 1; None where the study has none."""
    if not study.conversations:
        return None
    conversation, cells = study.conversation(None), completed(study, table, 0)
    messages = [*conversation.opening(cells), conversation.turn(conversation.turns[0], cells)]
    return OpenAI().chat_body(MODEL, messages, Sampling(0.7, 512), seed=1)


def read(study: Study, table: CsvTable, answers: Sequence[str]) -> Iterator[tuple[str, Extracted]]:
    """What is read in some answers to the first row; without any, in one made of values that the readings take."""
    if study.extraction is None:
        return
    extraction = study.extraction.of_row(completed(study, table, 0))
    for answer in answers or [_example(extraction.fields)]:
        yield answer, extraction.read(dict.fromkeys(extraction.about, answer))


def _example(fields: Mapping[str, Any]) -> str:
    """A plain answer: a line for each column that has a value to name."""
    values = {
        name: field.values[0] if field.values else field.low
        for name, field in fields.items()
        if field.values or field.low is not None
    }
    return (
        str(next(iter(values.values())))
        if len(values) == 1
        else "\n".join(f"{name}: {own}" for name, own in values.items())
    )
