"""A row on the page, as JSON: the trial, the conversation, and the values with their origin."""

import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from grace.columns import IDENTIFYING
from grace.errors import StudyError
from grace.review.queue import SLACK, reasons
from grace.stages.fields.records import Answered, Decision, Rows
from grace.studies.extraction import Extraction
from grace.studies.fields import DOUBTFUL, Extracted, Field
from grace.studies.reading import Answer, Missing, Value
from grace.studies.study import Study

JSON = dict[str, Any]


@dataclass(frozen=True)
class Shown:
    """How the trials were shown to the model.

    Attributes:
        study: the study as it was when the model was asked.
        protocol: the protocol's name, None for the study's first one.
        sure: whether the model is known to have seen this.
    """

    study: Study
    protocol: str | None
    sure: bool


@dataclass(frozen=True)
class Readings:
    """The values of one row by their origin.

    Attributes:
        rules: the values that rules read.
        read: the same with the values of the extractor model.
        now: the same with the values of a person.
        decision: the person's decision, None where there is none.
    """

    rules: Extracted
    read: Extracted
    now: Extracted
    decision: Decision | None


def row_view(
    rows: Rows, shown: Shown, row: Mapping[str, str], answered: Answered, readings: Readings, blind: bool = False
) -> JSON:
    """One row on the page, without the columns that were hidden from the model; `blind` leaves out what was read."""
    conditions, others = _trial(shown.study, row)
    decision = readings.decision
    return {
        "conditions": conditions,
        "others": others,
        "talk": list(_talk(rows, shown, row, answered)),
        "sure": shown.sure,
        "reasons": [] if blind else list(reasons(rows.extraction, row, readings.read).values()),
        "groups": _groups(rows.extraction, readings, blind),
        "decision": decision and _decision(decision, blind),
        "comment": decision.comment if decision else "",
    }


def _decision(decision: Decision, blind: bool) -> JSON:
    verdict = "coded" if blind and decision.verdict != "rejected" else decision.verdict
    return {"verdict": verdict, "by": decision.by, "when": decision.when}


def _trial(study: Study, row: Mapping[str, str]) -> tuple[list[JSON], list[JSON]]:
    """The cells that identify a trial, and the row's other columns of the study."""
    hidden = {name for name, column in study.columns.items() if column.hidden}
    try:
        full = study.complete({**row, **study.trial(row)})
    except StudyError:
        full = {name: cell for name, cell in row.items() if name not in hidden}
    design = study.design
    first = [name for name in (design.item, design.participant, *design.cells, *IDENTIFYING) if name]
    about = {name: column.about for name, column in study.columns.items()}
    conditions = [name for name in dict.fromkeys(first) if full.get(name)]
    others = [name for name in study.columns if name in row and name not in (*conditions, *hidden)]
    return [_cell(name, full, about) for name in conditions], [_cell(name, full, about) for name in others]


def _cell(name: str, row: Mapping[str, str], about: Mapping[str, str]) -> JSON:
    return {"name": name, "value": row[name], "about": about.get(name, "")}


def _talk(rows: Rows, shown: Shown, row: Mapping[str, str], answered: Answered) -> Iterator[JSON]:
    """The messages to the model and its answers, in order."""
    answers = {column: answered.texts[reading] for reading, column in rows.sources.items()}
    try:
        conversation = shown.study.conversation(shown.protocol)
        cells = shown.study.complete({**row, **shown.study.trial(row)})
        for message in conversation.opening(cells):
            yield _said("system", "System message", message["content"])
        several = len(conversation.turns) > 1
        for turn in conversation.turns:
            yield _said("shown", f"Shown: {turn}" if several else "Shown", conversation.turn(turn, cells)["content"])
            column = f"response_{turn}"
            if column in answers:
                yield _said("answer", f"Answer: {column}", answers.pop(column))
    except StudyError as error:
        yield _said("trouble", "The stimulus cannot be shown", str(error))
    for column, text in answers.items():
        yield _said("answer", f"Answer: {column}", text)


def _said(who: str, title: str, text: str) -> JSON:
    return {"who": who, "title": title, "text": text, "unseen": list(unseen(text)) if who == "answer" else []}


def unseen(text: str) -> Iterator[str]:
    """Characters that do not show, or change how others do, in words: "U+202E RIGHT-TO-LEFT OVERRIDE, 2 times"."""
    counts = Counter(char for char in text if unicodedata.category(char) in ("Cc", "Cf") and char not in "\t\n\r")
    for char, times in counts.most_common():
        name = unicodedata.name(char, "control character")
        yield f"U+{ord(char):04X} {name}" + (f", {times} times" if times > 1 else "")


def _groups(extraction: Extraction, readings: Readings, blind: bool) -> list[JSON]:
    """The fields by reading."""
    return [
        {
            "about": about,
            "total": extraction.sums[reading].total if reading in extraction.sums else None,
            "slack": SLACK,
            "fields": [
                _field(field, field.about.removeprefix(about).lstrip(": "), readings, blind)
                for field in extraction.fields.values()
                if field.reading == reading
            ],
        }
        for reading, about in extraction.about.items()
    ]


def _field(field: Field, about: str, readings: Readings, blind: bool) -> JSON:
    """One field; its name is not repeated in words."""
    read, now = readings.read.answers[field.name], readings.now.answers[field.name]
    return {
        "name": field.name,
        "about": "" if field.name.endswith(f"_{about}") else about,
        "kind": "choice" if _options(field) else "text" if field.kind is str else "number",
        "options": _options(field),
        "low": field.low,
        "high": field.high,
        "step": 1 if field.kind is int else "any",
        "wanted": field.requirement,
        "value": now.value if isinstance(now, Value) else None,
        "found": None if blind else value_read(read, readings.rules.answers[field.name]),
    }


def _options(field: Field) -> list[Any]:
    """The values to choose from, where they are few."""
    if field.values:
        return list(field.values)
    if field.kind is int and field.low is not None and field.high is not None and field.high - field.low <= 10:
        return list(range(int(field.low), int(field.high) + 1))
    return []


def value_read(read: Answer, rules: Answer) -> JSON:
    """The value before a person's decision, its confidence and origin; or why there is none."""
    if isinstance(read, Missing):
        return {"value": None, "why": read.why}
    if read == rules:
        by = "rules"
    elif isinstance(rules, Value) and rules.value == read.value:
        by = "rules, and the extractor model agrees"
    else:
        by = "the extractor model"
    doubtful = read.confidence < DOUBTFUL
    return {"value": read.value, "confidence": read.confidence, "by": by, "doubtful": doubtful}
