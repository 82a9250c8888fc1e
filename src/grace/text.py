"""Text for people: harmless on terminals, pages and in spreadsheets, cut to a width, and near to another name."""

import difflib
import re
import unicodedata
from collections.abc import Iterable

_ORDERS = "\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069"
"""Characters that control a terminal or reverse a line, besides those below the space."""
_CONTROL = re.compile(f"[\x00-\x1f{_ORDERS}]+")
_CONTROL_BUT_LINES = re.compile(f"[\x00-\x08\x0b-\x1f{_ORDERS}\ufeff]")
_WRITTEN = str.maketrans(
    {
        "ä": "ae",
        "ö": "oe",
        "ü": "ue",
        "Ä": "Ae",
        "Ö": "Oe",
        "Ü": "Ue",
        "ß": "ss",
        "æ": "ae",
        "ø": "oe",
        "œ": "oe",
        "ł": "l",
    }
)
_INVISIBLE = frozenset(("Cc", "Cf", "Cs", "Co", "Cn"))
"""Unicode's categories of what fonts do not show: controls, formats, surrogates, private and unassigned characters."""


def one_line(text: str) -> str:
    """One line that a terminal only shows; each run of control characters becomes a space."""
    return _CONTROL.sub(" ", text).strip()


def printable(text: str) -> str:
    """One line that a terminal only shows; control characters are written as `\\x1b`."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
    )


def harmless(text: str) -> str:
    """Lines that a spreadsheet or browser only shows: each control character becomes a replacement character."""
    return _CONTROL_BUT_LINES.sub("\ufffd", text.replace("\r\n", "\n"))


def visible(text: str) -> str:
    """One line in Unicode's form NFC, of characters that a font can show."""
    line = unicodedata.normalize("NFC", " ".join(text.split()))
    return "".join(character for character in line if unicodedata.category(character) not in _INVISIBLE)


def latin(text: str) -> str:
    """A text with plain letters for those with marks: "Höflich" is Hoeflich, "Café" is Cafe."""
    written = unicodedata.normalize("NFC", text).translate(_WRITTEN)
    plain = (letter for letter in unicodedata.normalize("NFKD", written) if not unicodedata.combining(letter))
    return "".join(plain)


def shortened(text: str, most: int) -> str:
    """A text without its middle where it is longer than `most` characters."""
    half = (most - 1) // 2
    return text if len(text) <= most else f"{text[:half]}…{text[-half:]}"


def sized(number: float) -> str:
    """A number of bytes for people, in powers of 1,000: "5 bytes", "1.2 MB"."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if unit == "bytes" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"


def nearest(name: str, names: Iterable[str], similar: float = 0.6) -> str | None:
    """The name most similar to `name`, whatever the case; None when none is similar enough (1 is equal)."""
    by_lower = {other.lower(): other for other in names}
    close = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=similar)
    return by_lower[close[0]] if close else None


def did_you_mean(name: str, names: Iterable[str], similar: float = 0.6) -> str:
    """What a message adds to a wrong name: " (did you mean 'speachQ'?)"; empty when no name is similar enough."""
    near = nearest(name, names, similar)
    return "" if near is None else f" (did you mean {near!r}?)"
