"""Placeholders: texts that somebody is to fill in before a manifest is used, as <username> or CHANGE_ME."""

import re

_START = r"(?<![A-Za-z0-9])"
_WORDS = (
    rf"{_START}(change|replace|fill)[-_ ]?(me|in|this|with)[A-Za-z0-9_-]*",
    rf"{_START}your[-_][A-Za-z0-9_.-]*|{_START}your(name|username|namespace|user|token|key|image|project|password)\b",
    rf"{_START}insert[-_][A-Za-z0-9_-]+",
    "placeholder",
    rf"{_START}(todo|fixme|tbd|x{{4,12}})(?![A-Za-z0-9])",
    r"__[A-Z][A-Z0-9_]*__",
    rf"{_START}path/to/",
)
_BRACKETS = r"<[A-Za-z][^<>\n]{0,60}>"
_TEMPLATES = r"\{\{[^{}]*\}\}|\{%.*?%\}|\$\{[A-Za-z_]\w*[^{}]*\}|\$[A-Z][A-Z0-9_]*\b"
_MOST = 10_000
"""Characters of a text that is looked at."""
_ANYWHERE = re.compile("|".join(_WORDS), re.IGNORECASE)
_IN_TEXT = re.compile("|".join((_BRACKETS, *_WORDS)), re.IGNORECASE)
_IN_NAME = re.compile("|".join((_TEMPLATES, _BRACKETS, *_WORDS)), re.IGNORECASE)


def placeholder(text: object) -> str:
    """The placeholder in a name, an image, a label or a short value; empty when there is none."""
    match = _IN_NAME.search(text, 0, _MOST) if isinstance(text, str) else None
    return match[0] if match else ""


def placeholder_in_text(text: str) -> str:
    """The placeholder in a text that may be a script or a template by right; empty when there is none."""
    one_word = len(text) < 200 and not re.search(r"\s", text.strip())
    match = (_IN_TEXT if one_word else _ANYWHERE).search(text, 0, _MOST)
    return match[0] if match else ""
