"""Reads a text: the answer in its own words, cleaned, for a person to code."""

import re
from typing import Any

import orjson

from grace.studies.reading import BY_PERSON, EXACT, Answer, Missing, Value
from grace.studies.reading.text import Text, tidy

_FENCE = re.compile(r"\A\s*```\w*\n(.*?)\n?```\s*\Z", re.DOTALL)
_HEAD = re.compile(
    r"\A\W{0,4}(?:(?:my|the|final)\s+){0,2}(?:answer|response|reply|antwort|réponse|respuesta|risposta|resposta"
    r"|ответ|答案|回答|答え|답변?|جواب|الإجابة|उत्तर)\W{0,4}?\s?[:：]\s*",
    re.IGNORECASE,
)
_KEYS = ("answer", "response", "text", "reply", "output")
_QUOTES = {'"': '"', "“": "”", "«": "»", "„": "“", "'": "'", "「": "」", "‘": "’"}


class TextReader:
    """Keeps an answer in words; its code is a person's to give."""

    def __init__(self, column: str, code: str | None) -> None:
        self.columns = (column, *([code] if code else []))

    def read(self, text: Text) -> dict[str, Answer]:
        """The text, without markup and what a model puts around it; and no code."""
        words = bare(text.raw)
        kept: Answer = Value(words, EXACT) if words else Missing("the answer is empty")
        return dict.fromkeys(self.columns[1:], Missing(BY_PERSON)) | {self.columns[0]: kept}


def bare(raw: str) -> str:
    """The words of an answer: out of its code fence, JSON, heading and quotes, its spaces tidied."""
    fenced = _FENCE.match(raw)
    inner = _of_json(fenced[1] if fenced else raw) or (fenced[1] if fenced else raw)
    words = tidy(_HEAD.sub("", tidy(inner)))
    if (
        len(words) > 1
        and _QUOTES.get(words[0]) == words[-1]
        and words[0] not in words[1:-1]
        and words[-1] not in words[1:-1]
    ):
        words = words[1:-1].strip()
    return words


def _of_json(text: str) -> str | None:
    """The text of a JSON object that holds one answer."""
    if not text.lstrip().startswith("{"):
        return None
    try:
        data: Any = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    texts = [value for value in data.values() if isinstance(value, str)] if isinstance(data, dict) else []
    named = [data[key] for key in _KEYS if isinstance(data, dict) and isinstance(data.get(key), str)]
    return named[0] if named else texts[0] if len(texts) == 1 else None
