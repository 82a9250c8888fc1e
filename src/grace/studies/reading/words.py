"""Reads a text: the answer in its own words, cleaned, for a person to code."""

import re
from typing import Any

import orjson

from grace.studies.reading import BY_PERSON, EXACT, Answer, Missing, Value
from grace.studies.reading.languages import HEADS
from grace.studies.reading.text import REFUSAL, Text, tidy

_FENCE = re.compile(r"\A\s*```\w*\n(.*?)\n?```\s*\Z", re.DOTALL)
_HEADS = f"(?:{'|'.join(word.replace('_', ' ') for word in sorted(HEADS.split(), key=len, reverse=True))})"
_HEAD = re.compile(
    r"\A(?:(?:sure|certainly|of course|okay|ok)\b[!,.]?\s*)?(?:here(?:'s| is)\b[^:\n]{0,60}:\s*|\W{0,4}(?:(?:my|the"
    r"|final|meine?|ma|mon|la|mi|il|mia|a|minha|mijn|het|mitt|min|mój|moja|moje|мой|můj)\s+){0,2}"
    rf"{_HEADS}\W{{0,4}}?(?:\s(?:is|would be|ist|lautet|est|es|è|é)(?=\s?:))?\s?[:：]\s*"
    rf"|\s*[【\[]{_HEADS}[】\]]\s*[:：]?\s*)",
    re.IGNORECASE,
)
_QUOTED = re.compile(r"(?:my|the)\s(?:answer|reply|response)\s(?:is|would be)\s([\"“][^\"“”]*[\"”])\.?", re.IGNORECASE)
_REFUSES = re.compile(
    r"\bas an? (?:ai|(?:large )?language model)\b|\b(?:can(?:no|')t|cannot|unable to|won't"
    r"|not able to) (?:\w+ )?(?:help|assist|answer|comply|provide"
    r"|complete|fulfil|respond|do that)\b"
)
"""What a refusal says; a text may well begin with "I am sorry"."""
LONGEST_REFUSAL = 300
_KEYS = ("answer", "response", "text", "reply", "output")
_QUOTES = {'"': '"', "“": "”", "«": "»", "„": "“", "'": "'", "「": "」", "‘": "’"}


class TextReader:
    """Keeps an answer in words; its code is a person's to give."""

    def __init__(self, column: str, code: str | None) -> None:
        self.columns = (column, *([code] if code else []))

    def read(self, text: Text) -> dict[str, Answer]:
        """The text, without markup and what a model puts around it; and no code."""
        words = bare(text.raw)
        if REFUSAL.search(text.plain) and _REFUSES.search(text.plain) and len(words) < LONGEST_REFUSAL:
            return dict.fromkeys(self.columns, Missing("the answer is a refusal"))
        kept: Answer = Value(words, EXACT) if words else Missing("the answer is empty")
        return dict.fromkeys(self.columns[1:], Missing(BY_PERSON)) | {self.columns[0]: kept}


def bare(raw: str) -> str:
    """The words of an answer: out of its code fence, JSON, heading and quotes, its spaces tidied."""
    fenced = _FENCE.match(raw)
    inner = _of_json(fenced[1] if fenced else raw) or (fenced[1] if fenced else raw)
    words = tidy(_HEAD.sub("", tidy(inner)))
    quoted = _QUOTED.fullmatch(words)
    words = quoted[1] if quoted else words
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
