"""The shapes of a ledger's records: which fields each kind has, and of which type, checked once on reading."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StrictStr, ValidationError
from pydantic_core import ErrorDetails

from grace.declared import problem_of
from grace.text import printable, shortened

FAILED = "failed"
"""The status of a request without an answer."""
MOST = 2**53
"""The largest number of a record: what a request stores is no larger."""
MOST_CHARACTERS = 60
"""How much of a strange value a message shows."""

_Count = Annotated[int, Field(ge=0, le=MOST)]
_Number = Annotated[int, Field(ge=1, le=MOST)]
_Share = Annotated[float, Field(ge=0, le=1.01)]  # sums of rounded probabilities may be a little more than 1
_Milliseconds = Annotated[float, Field(ge=0, le=MOST)]
_Key = Annotated[str, Field(min_length=1, max_length=200)]


class _Part(BaseModel):
    """A part of a record; what else it has is of no concern to its readers."""

    model_config = ConfigDict(strict=True, extra="ignore", protected_namespaces=())

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> "type[_Part]":
        """The model of a record, where there are several."""
        return cls


class _Tokens(_Part):
    prompt: _Count | None
    completion: _Count | None


class _Text(_Part):
    text: str
    reasoning: str | None
    finish_reason: str | None


class _Labels(_Part):
    labels: dict[str, _Share]
    residual: _Share


class _Fault(_Part):
    kind: str
    message: str


class _Request(_Part):
    key: _Key
    rows: Annotated[list[_Number], Field(min_length=1)]
    question: str
    request: dict[str, Any]
    started: str
    ended: str


class _Failed(_Request):
    error: _Fault


class _Answered(_Request):
    response: _Text
    tokens: _Tokens
    milliseconds: _Milliseconds


class _Bits(_Part):
    bits: dict[str, float | None]
    words: dict[str, list[float | None]]
    measured: dict[str, _Count]


class _Measured(_Request):
    response: _Bits
    milliseconds: _Milliseconds


class _Scored(_Request):
    response: _Labels
    milliseconds: _Milliseconds

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> type[_Part]:
        response = record.get("response")
        return _Measured if isinstance(response, dict) and "bits" in response else cls


class _Decided(_Part):
    key: _Key
    question: str
    verdict: str
    values: dict[str, StrictStr | int | float | None]
    by: str
    ended: str


class _Replicated(_Part):
    replication: _Number


class _AnsweredTrial(_Answered, _Replicated): ...


class _FailedTrial(_Failed, _Replicated): ...


class _Repeated(_Part):
    repetition: _Number
    conditions: dict[str, Any]


class _ScoredAgain(_Scored, _Repeated):
    @classmethod
    def of(cls, record: Mapping[str, Any]) -> type[_Part]:
        return cls  # texts are not measured again


class _FailedAgain(_Failed, _Repeated): ...


class RecordShape:
    """What the records of one kind of ledger look like, by their status."""

    def __init__(self, models: Mapping[str, type[_Part]]) -> None:
        self._models = models

    def fault(self, record: Mapping[str, Any]) -> str | None:
        """What is wrong with a record, with the name of its field; None where nothing is."""
        status = record.get("status")
        model = self._models.get(status) if isinstance(status, str) else None
        if model is None:
            shown = printable(shortened(repr(status), MOST_CHARACTERS))
            return f"status: is {shown}, not one of {', '.join(self._models)}"
        try:
            model.of(record).model_validate(record)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            return f"{_place(first)}: {problem_of(first, model)}"
        return None


def _place(error: ErrorDetails) -> str:
    return printable(shortened(".".join(map(str, error["loc"])), MOST_CHARACTERS)) or "the record"


TRIALS = RecordShape({"answered": _AnsweredTrial, "empty": _AnsweredTrial, FAILED: _FailedTrial})
"""Answers of Experiment 1."""
SCORES = RecordShape({"scored": _Scored, FAILED: _Failed})
"""Probabilities of Experiment 2."""
REPEATS = RecordShape({"scored": _ScoredAgain, FAILED: _FailedAgain})
"""Probabilities that were measured again (`grace noise`)."""
FIELDS = RecordShape({"answered": _Answered, "empty": _Answered, FAILED: _Failed, "human": _Decided})
"""Replies of an extractor, and what people decided."""
