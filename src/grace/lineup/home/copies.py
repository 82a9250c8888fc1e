"""Copies of files: what is at home, or in an archive, with the digest that it has elsewhere, may be deleted there."""

from collections.abc import Callable, Container, Iterable
from pathlib import Path

from grace.files import FileFacts
from grace.lineup.home.listing import RemoteFile

Archived = Callable[[FileFacts], bool]
"""Whether a verified archive holds a file with this digest and length."""


def nowhere(facts: FileFacts) -> bool:
    """No archive is asked. A room of archives brings its own answer to `without_copy`."""
    return False


def copies_in(folder: Path) -> frozenset[FileFacts]:
    """Digests and lengths of all files below a folder, made now; none where there is no folder."""
    paths = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return frozenset(FileFacts.of(path) for path in paths)


def without_copy(files: Iterable[RemoteFile], here: Container[FileFacts], archived: Archived = nowhere) -> list[str]:
    """The names of files of which neither this machine nor an archive has a copy, whatever the copy is called.

    Args:
        files: as they are elsewhere.
        here: from `copies_in`.
        archived: knows what archives hold.
    """
    return [file.name for file in files if file.bytes and file.facts not in here and not archived(file.facts)]
