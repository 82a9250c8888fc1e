"""Redaction: takes a key, and the password of a URL, out of what a server says, in all forms in which it may."""

import html
import json
import re
from base64 import b64encode
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote, quote_plus, unquote, urlsplit

import orjson

INSTEAD = "[redacted]"
LONG = 8
"""Secrets of fewer characters, such as "EMPTY", are taken out of messages alone: an answer may hold the same word."""
_ESCAPE = re.compile("%[0-9A-F]{2}")
STABLE = 10
"""The fewest characters of Base64 that are looked for: fewer may occur by chance."""


MOST_OF_A_MESSAGE = 20_000
"""The most characters of a message that are looked at, and shown."""


class Redaction:
    """Knows the secrets of an endpoint, and takes them out of texts and replies."""

    def __init__(self, url: str, api_key: str | None) -> None:
        """For the key, and for user and password of the URL, as they stand there and as they are meant."""
        parts = urlsplit(url)
        user, password = parts.username or "", parts.password or ""
        secrets = [api_key or "", password, unquote(password)] + ([] if password else [user, unquote(user)])
        pairs = [f"{user}:{password}", f"{unquote(user)}:{unquote(password)}"] if password else []
        long = [secret for secret in (*secrets, *pairs) if len(secret) >= LONG]
        forms = {form for secret in long for form in _forms(secret)}
        self._forms = _longest_first(forms)
        self._in_messages = _longest_first(forms | {secret for secret in secrets if secret})
        self._in_bodies = [written.encode() for written in {one for form in forms for one in (form, *_in_json(form))}]

    def text(self, text: str) -> str:
        """A message without secrets, however short these are."""
        clean = _without(text[:MOST_OF_A_MESSAGE], self._in_messages)
        if len(text) > MOST_OF_A_MESSAGE and self._in_messages:
            return clean[: -len(self._in_messages[0])]  # a part of a secret may be at the end
        return clean

    def body(self, body: bytes) -> bytes:
        """A reply's body without secrets, also where they are written with escapes; numbers stay as they are."""
        if not self._in_bodies or not (b"\\" in body or self._is_in(body)):
            return body
        try:
            content = orjson.loads(body)
        except orjson.JSONDecodeError:
            return _without(body.decode(errors="replace"), self._forms).encode() if self._is_in(body) else body
        return orjson.dumps(self._value(content)) if self._is_in(orjson.dumps(content)) else body

    def _is_in(self, content: bytes) -> bool:
        return any(form in content for form in self._in_bodies)

    def _value(self, value: Any) -> Any:
        if isinstance(value, str):
            return _without(value, self._forms)
        if isinstance(value, list):
            return [self._value(one) for one in value]
        if isinstance(value, dict):
            return {_without(name, self._forms): self._value(one) for name, one in value.items()}
        return value


def _longest_first(forms: Iterable[str]) -> list[str]:
    return sorted(forms, key=len, reverse=True)


def _without(text: str, forms: Iterable[str]) -> str:
    for form in forms:
        text = text.replace(form, INSTEAD)
    return text


def _forms(secret: str) -> Iterator[str]:
    """A secret in the ways in which URLs, headers, pages and programs write it."""
    yield from (secret, secret.lower(), secret.upper(), html.escape(secret), repr(secret)[1:-1], *_in_json(secret))
    for quoted in (quote(secret), quote(secret, safe=""), quote_plus(secret), quote(quote(secret, safe=""), safe="")):
        yield from (quoted, _ESCAPE.sub(lambda escape: escape[0].lower(), quoted))
    raw = secret.encode()
    yield from (raw.hex(), raw.hex().upper())
    for before in range(3):  # of any text that holds it: Base64 writes three bytes in four characters
        whole = b64encode(b"\0" * before + raw).decode().rstrip("=")
        end = len(whole) if (before + len(raw)) % 3 == 0 else len(whole) - 1
        part = whole[-(-before * 8 // 6) : end]
        if len(part) >= STABLE:
            yield from (part, part.replace("+", "-").replace("/", "_"))


def _in_json(text: str) -> Iterator[str]:
    """A text as JSON writes it, and JSON within JSON."""
    for once in {json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1]}:
        yield once
        yield json.dumps(once)[1:-1]
        yield once.replace("/", "\\/")
