"""Reading manifests from files and folders; what is none, or cannot be read, is named and left out."""

import os
import posixpath
import re
import stat
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from grace.errors import InputError
from grace.policy.documents import Manifest, Origin
from grace.policy.foreign import Kustomization, foreign, is_kustomization, kustomization, of_chart
from grace.policy.yaml_reader import Document, documents, node_at
from grace.text import printable

SUFFIXES = (".yaml", ".yml", ".json")
_ASKS = re.compile(
    r"\b(CHANGE|REPLACE|YOUR|EDIT|FILL IN|TODO|[Cc]hange (this|me)|[Rr]eplace (this|with)|[Ff]ill (this )?in)\b"
)
"""What a comment says that asks somebody to change what stands before it."""
_IN_CASE = re.compile(r"\b(if|unless|in case|when needed|as needed|optional(ly)?|to match)\b", re.IGNORECASE)
"""What a comment says that leaves the change to the reader."""
KUSTOMIZATIONS = ("kustomization.yaml", "kustomization.yml", "Kustomization")
MOST_BYTES = 10_000_000
"""Of a file. The cluster itself takes no object above 1.5 MB."""


@dataclass(frozen=True)
class Unread:
    """A file, or a part of it, that is not checked.

    Attributes:
        line: where it begins, or where it cannot be read; 0 where it is the whole file.
        reason: why: what it is, or what is wrong with it.
    """

    file: str
    line: int
    reason: str

    def __str__(self) -> str:
        return f"{printable(self.file)}{f':{self.line}' if self.line else ''}: {self.reason}"


@dataclass(frozen=True)
class Reading:
    """What files hold.

    Attributes:
        manifests: their objects, in the order of the files; those of a List each by itself.
        unread: what is not checked.
        generated: kinds and names of objects that Kustomizations make when they are rendered.
    """

    manifests: tuple[Manifest, ...] = ()
    unread: tuple[Unread, ...] = ()
    generated: frozenset[tuple[str, str]] = frozenset()


def read(paths: Sequence[Path | str]) -> list[Manifest]:
    """The objects of files and folders, of which all must be readable. Arguments and errors are those of `survey`."""
    reading = survey(paths)
    if reading.unread:
        raise InputError(str(reading.unread[0]))
    return list(reading.manifests)


def survey(paths: Sequence[Path | str]) -> Reading:
    """Read manifests of files and folders, in the order of the arguments, folders by name.

    Args:
        paths: files; folders, of which all .yaml, .yml and .json files are read, also in folders inside (not hidden
            ones); "-" for standard input.

    Raises:
        InputError: a path is not there, or no file holds an object: the program that wrote them has probably failed,
            so they do not pass as clean.
    """
    parts = [_read(file) for path in paths for file in _files(path)]
    manifests = [manifest for part in parts for manifest in part.manifests]
    unread = [one for part in parts for one in part.unread]
    read = [manifest for manifest in manifests if is_kustomization(manifest)]
    overlays = [kustomization(manifest) for manifest in (*read, *_beside(parts, read))]
    reading = _sorted(manifests, unread, overlays)
    if not reading.manifests:
        names = ", ".join(printable(str(path)) for path in paths)
        raise InputError("\n".join(map(str, reading.unread)) or f"{names}: no object to check; it is empty")
    return reading


def _beside(parts: Sequence[Reading], read: Sequence[Manifest]) -> Iterator[Manifest]:
    """Kustomizations in the folders of files that were given without them: they say what is filled in later."""
    files = {manifest.source.file for part in parts for manifest in part.manifests[:1]} - {"-"}
    for folder in {posixpath.dirname(file) for file in files} - {posixpath.dirname(one.source.file) for one in read}:
        for name in KUSTOMIZATIONS:
            with suppress(InputError):
                if Path(file := posixpath.join(folder, name)).is_file():
                    yield from filter(is_kustomization, _read(file).manifests)


def _sorted(manifests: list[Manifest], unread: list[Unread], overlays: list[Kustomization]) -> Reading:
    """Tell objects for a cluster from patches, charts and other programs' files."""
    patches = {file: overlay for overlay in overlays for file in overlay.patches}
    kept: list[Manifest] = []
    others = [
        replace(one, reason=patches[path].reason) if (path := _path(one.file)) in patches else one for one in unread
    ]
    for manifest in manifests:
        source, overlay = manifest.source, patches.get(_path(manifest.source.file))
        reason = overlay.reason if overlay else foreign(manifest)
        if reason:
            others.append(Unread(source.file, source.line, reason))
        else:
            kept.append(manifest)
    generated = frozenset(name for overlay in overlays for name in overlay.generated)
    return Reading(tuple(kept), tuple(others), generated)


def _path(file: str) -> str:
    return posixpath.normpath(file)


def parse(text: str, file: str = "-", json: bool = False) -> list[Manifest]:
    """The manifests of a text, with `file` as its name. Raises InputError where it does not hold together."""
    remarks = _remarks(text)
    return [manifest for one in documents(text, file, json) for manifest in _objects(one, file, remarks)]


def _remarks(text: str) -> dict[int, str]:
    """Comments that ask to change what stands before them, by line."""
    parted = ((number, line.partition(" #")) for number, line in enumerate(text.split("\n"), start=1) if " #" in line)
    return {
        number: comment.strip("# ")[:60]
        for number, (before, _, comment) in parted
        if before.strip() and _ASKS.search(comment[:200]) and not _IN_CASE.search(comment[:200])
    }


def _files(given: Path | str) -> Iterator[str]:
    path = Path(given)
    if str(given) == "-" or not path.is_dir():
        yield str(given)
        return
    files = [file for file in _walk(path, frozenset()) if file.suffix.lower() in SUFFIXES]
    if not files:
        raise InputError(f"{printable(str(given))}: has no file named *.yaml, *.yml or *.json")
    yield from (str(file) for file in files)


def _walk(folder: Path, above: frozenset[tuple[int, int]]) -> Iterator[Path]:
    """Files of a folder and those in it, by name; a link to a folder that it stands in is not followed."""
    try:
        here = folder.stat()
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise InputError(f"{printable(str(folder))}: cannot be read: {error.strerror}") from None
    identity = (here.st_dev, here.st_ino)
    if identity in above:
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            yield from _walk(entry, above | {identity})
        elif entry.is_file():
            yield entry


def _read(file: str) -> Reading:
    """What a file holds, up to where it cannot be read."""
    try:
        content = _content(file)
    except OSError as error:
        raise InputError(f"{printable(file)}: cannot be read: {error.strerror or error}") from None
    if len(content) > MOST_BYTES:
        return _unread(file, 0, f"has more than {MOST_BYTES // 1_000_000} MB; no manifest is that long")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return _unread(file, line, f"is not UTF-8 (byte {content[error.start]:#04x}); save it as UTF-8")
    if chart := of_chart(file, text):
        return _unread(file, 0, chart)
    manifests: list[Manifest] = []
    remarks = _remarks(text)
    try:
        for document in documents(text, file, file.lower().endswith(".json")):
            manifests += _objects(document, file, remarks)
    except InputError as error:
        line, reason = _place(str(error), file)
        return Reading(tuple(manifests), (Unread(file, line, reason),))
    return Reading(tuple(manifests))


def _unread(file: str, line: int, reason: str) -> Reading:
    return Reading(unread=(Unread(file, line, reason),))


def _place(message: str, file: str) -> tuple[int, str]:
    """The line and the rest of a message that begins with `file:line: `; 0 where it names no line."""
    line, _, rest = message.removeprefix(f"{printable(file)}:").partition(": ")
    return (int(line), rest) if line.isdecimal() else (0, message.removeprefix(f"{printable(file)}: "))


def _content(file: str) -> bytes:
    """The bytes of a file, at most one more than are allowed."""
    if file == "-":
        return sys.stdin.buffer.read(MOST_BYTES + 1)
    with open(file, "rb") as opened:
        if stat.S_ISREG(os.fstat(opened.fileno()).st_mode) and os.fstat(opened.fileno()).st_size > MOST_BYTES:
            return bytes(MOST_BYTES + 1)
        return opened.read(MOST_BYTES + 1)


def _objects(document: Document, file: str, remarks: Mapping[int, str]) -> Iterator[Manifest]:
    """The object of a document, or those of a List."""
    value, node, doubles = document
    source = Origin(file, node.start_mark.line + 1)
    if not isinstance(value, dict):
        place = f"{printable(file)}:{source.line}"
        raise InputError(f"{place}: holds no Kubernetes object: a mapping with apiVersion and kind")
    last = node.end_mark.line + 1
    own = tuple(double for double in doubles if source.line <= double.line <= last)
    manifest = Manifest(value, source, node, own, remarks)
    if not manifest.kind.endswith("List") or not isinstance(value.get("items"), list):
        yield manifest
        return
    usual = {} if manifest.kind == "List" else {"apiVersion": manifest.api_version, "kind": manifest.kind[:-4]}
    for number, item in enumerate(value["items"]):
        whole = {**usual, **item} if isinstance(item, dict) else item
        yield from _objects(Document(whole, node_at(node, ("items", number)), doubles), file, remarks)
