"""Checks of single answers: cut off, refused, or no answer at all."""

import re
from collections.abc import Iterator
from contextlib import suppress

import orjson

from grace.columns import ENDING, ERROR, RESPONSE
from grace.quality.layout import Cells, Layout
from grace.quality.looks import Looks, RowLook, Thresholds, Unit
from grace.stages.answers.table import EMPTIES
from grace.studies.reading.text import REFUSAL, plain

ERROR_TEXT = re.compile(
    r"""\s*(?:
        error: | \[error\] | error\W*\Z | error\ code:\ *[45]\d\d\b | traceback\b
        | http(?:/[\d.]+)?[ ]+(?:error[ ]+)?[45]\d\d\b
        | (?:[45]\d\d[ ]+)?(?:internal\ server\ error|bad\ gateway|gateway\ time-?out|too\ many\ requests)\b
        | 503[ ]+service\ unavailable\b
        | https?connectionpool\( | max\ retries\ exceeded
        | <(?:!doctype\ html|html)\b.{0,500}?\b[45]\d\d\b
    )""",
    re.IGNORECASE | re.DOTALL | re.VERBOSE,
)
"""The beginnings of answers that are a program's error message."""


def truncated(layout: Layout, _: Thresholds) -> Looks | str:
    """Answers that ended at the token limit."""
    if ENDING not in layout.present:
        return f"the table has no column {ENDING}"

    def look(cells: Cells) -> Iterator[Unit]:
        if ending := cells[ENDING]:
            yield Unit("", [(ENDING, "was cut off at the token limit")] if ending == "length" else [])

    return [RowLook((ENDING,), look)]


def empty_answers(layout: Layout, _: Thresholds) -> Looks | str:
    """Answers that arrived empty."""
    if ERROR not in layout.present:
        return f"the table has no column {ERROR}"

    def look(cells: Cells) -> Iterator[Unit]:
        if cells[ERROR] in EMPTIES or not cells[ERROR]:
            yield Unit("", [(ERROR, cells[ERROR])] if cells[ERROR] else [])

    return [RowLook((ERROR,), look)]


def refusals(layout: Layout, _: Thresholds) -> Looks | str:
    """Answers that decline to answer; one in which a value was found does not."""
    names = layout.responses
    if not names:
        return f"the table has no column {RESPONSE}"
    fields = layout.fields_present

    def look(cells: Cells) -> Iterator[Unit]:
        texts = [(name, cells[name]) for name in names if cells[name]]
        if texts:
            answered = any(cells[name] for name in fields)
            declined = () if answered else (name for name, text in texts if REFUSAL.search(plain(text)))
            yield Unit("", [(name, "declines to answer") for name in declined])

    return [RowLook((*names, *fields), look)]


def error_texts(layout: Layout, _: Thresholds) -> Looks | str:
    """Answers that are a program's error message."""
    names = layout.responses
    if not names:
        return f"the table has no column {RESPONSE}"

    def look(cells: Cells) -> Iterator[Unit]:
        texts = [(name, cells[name]) for name in names if cells[name]]
        if texts:
            yield Unit("", [(name, "is an error message, not an answer") for name, text in texts if is_error(text)])

    return [RowLook(names, look)]


def is_error(text: str) -> bool:
    """Whether a text is a program's error message: `Error: ...`, a traceback, an HTTP status, JSON with an error."""
    if ERROR_TEXT.match(text):
        return True
    reply: object = None
    if text.lstrip().startswith("{"):
        with suppress(orjson.JSONDecodeError):
            reply = orjson.loads(text)
    return isinstance(reply, dict) and bool(reply.get("error"))
