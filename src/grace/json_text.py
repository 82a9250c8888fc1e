"""JSON that others wrote: read, unless it could not be written again."""

from typing import Any

import orjson

DEEPEST = 254
"""The deepest nesting that orjson writes; it reads deeper ones."""


def read_json(content: bytes | str) -> Any:
    """The value that a text says.

    Raises:
        ValueError: it is not JSON, or nested more deeply than JSON is written here.
    """
    text = content.encode(errors="surrogatepass") if isinstance(content, str) else content
    value = orjson.loads(text)
    if len(text) > 2 * DEEPEST and text.count(b"[") + text.count(b"{") > DEEPEST:
        try:
            orjson.dumps(value)
        except TypeError:
            raise ValueError(f"is nested more than {DEEPEST} levels deep") from None
    return value
