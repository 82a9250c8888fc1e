"""What a cluster answers: an object with warnings, or an error with what it said."""

import re
from dataclasses import dataclass, field
from typing import Any

from grace.errors import ClusterError, Refused

_WARNING = re.compile(r'\b\d{3}\s+\S+\s+"((?:[^"\\]|\\.)*)"')


class ApiError(ClusterError):
    """A request failed, or the cluster refused it.

    Attributes:
        status: of HTTP; 0 when there was no answer.
        detail: what the cluster said, without secrets; may be empty.
        warnings: as in ApiAnswer.
    """

    def __init__(self, message: str, status: int = 0, detail: str = "", warnings: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.detail = detail
        self.warnings = warnings


class ApiRefusal(Refused, ApiError):
    """The cluster understood a request, and says no: to this user, or to this object."""


@dataclass(frozen=True)
class ApiAnswer:
    """What the cluster answered.

    Attributes:
        body: the object.
        warnings: those of the cluster's admission rules.
    """

    body: dict[str, Any] = field(repr=False)
    warnings: tuple[str, ...] = ()


def warnings_of(headers: list[str]) -> list[str]:
    """The texts of Warning headers (RFC 7234, 5.5), each once: `299 - "text"`; several may share a header."""
    texts = [re.sub(r"\\(.)", r"\1", text) for header in headers for text in _WARNING.findall(header)]
    return list(dict.fromkeys(texts))
