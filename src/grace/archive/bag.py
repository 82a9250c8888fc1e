"""A BagIt bag (RFC 8493): the names that it allows, its manifests and tag files. Text in, text out; nothing is read."""

import io
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping

from grace.errors import InputError

PAYLOAD = "data/"
BAGIT = "bagit.txt"
INFO = "bag-info.txt"
MANIFEST = "manifest-sha256.txt"
TAG_MANIFEST = "tagmanifest-sha256.txt"
TAGS = (BAGIT, INFO, MANIFEST)
"""The tag files that the tag manifest lists."""

DECLARATION = "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"

NO_LETTERS = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Classes of characters that no name may have: controls, halves of characters, ends of lines and paragraphs."""
NO_WINDOWS = frozenset('<>:"|?*')
DEVICES = frozenset({"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"})
DEVICES |= {f"{port}{number}" for port in ("COM", "LPT") for number in "123456789\u00b9\u00b2\u00b3"}
"""Names that Windows takes for devices, with any ending."""
_LINE = re.compile(r"([0-9a-f]{64})  ([^\r\n]+)\n")


def manifest_text(digests: Mapping[str, str]) -> str:
    """A manifest: a line for each file, in the order of names; a percent sign is written `%25`."""
    return "".join(f"{digests[name]}  {name.replace('%', '%25')}\n" for name in sorted(digests))


def parsed_manifest(text: str, name: str) -> dict[str, str]:
    """The SHA-256 by file name.

    Only what `manifest_text` writes is taken, byte for byte, so that no other text says the same.

    Raises:
        InputError: it is no such text; the message names the line.
    """
    digests: dict[str, str] = {}
    for number, line in enumerate(io.StringIO(text, newline="\n"), 1):  # no other letter ends a line
        match = _LINE.fullmatch(line)
        if not match:
            raise InputError(f"{name}, line {number}: is not a digest, two spaces and a name")
        digests[match[2].replace("%25", "%")] = match[1]
    if manifest_text(digests) != text:
        raise InputError(f"{name}: its lines are not in order, or name a file twice")
    return digests


def info_text(entries: Mapping[str, str | Iterable[str]]) -> str:
    """The text of bag-info.txt; an entry with several values has a line for each."""
    lines = []
    for label, value in entries.items():
        lines += [f"{label}: {' '.join(each.split())}\n" for each in ([value] if isinstance(value, str) else value)]
    return "".join(lines)


def parsed_info(text: str) -> dict[str, list[str]]:
    """The entries of bag-info.txt, each with all its values."""
    entries: dict[str, list[str]] = {}
    for line in text.splitlines():
        label, _, value = line.partition(": ")
        entries.setdefault(label, []).append(value)
    return entries


def name_faults(names: Iterable[str]) -> Iterator[str]:
    """What is wrong with file names: those that leave the folder, or that another system takes for one, or cannot hold.

    Yields:
        A sentence for each fault.
    """
    alike: dict[str, str] = {}
    for name in names:
        parts = name.split("/")
        if name.startswith("/") or re.match(r"[A-Za-z]:", name) or "\\" in name or {"", ".", ".."} & set(parts):
            yield f"{name!r} leaves the archive's folder, or does on another system"
        elif any(unicodedata.category(letter) in NO_LETTERS for letter in name):
            yield f"{name!r} holds a character that no name may have"
        elif any(part.endswith((".", " ")) for part in parts):
            yield f"{name!r} ends with a full stop or a space, which other systems drop"
        elif any(_is_unknown_to_windows(part) for part in parts):
            yield f"{name!r} is a name that Windows cannot hold"
        for number in range(1, len(parts) + 1):
            path = "/".join(parts[:number])
            key = unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())
            other = alike.setdefault(key, path)
            if other != path:
                yield f"{other!r} and {path!r} differ only in case or Unicode form, and are one on other systems"
                break


def _is_unknown_to_windows(part: str) -> bool:
    """Whether a part of a name has a character that Windows keeps for itself, or names a device, as `nul.txt` does."""
    return bool(NO_WINDOWS & set(part)) or part.split(".")[0].rstrip(" ").upper() in DEVICES
