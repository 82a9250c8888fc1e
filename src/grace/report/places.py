"""The places of reports and papers: what is already there, and what is stale from an earlier paper."""

import os
from collections.abc import Iterable
from pathlib import Path

from grace.errors import InputError
from grace.files import FileList

GENERATOR = "Grace"
"""The beginning of the content of a page's meta element named generator."""
MARK = f'<meta name="generator" content="{GENERATOR} '
BEGINNING = 4096
"""The first bytes of a page, which contain the mark."""
WRITTEN = Path("tables", "written.json")
"""The list of a paper's files with their SHA-256 and size."""


def check_page(path: Path) -> None:
    """Check that a report can be written to a file, before the work. Raises InputError."""
    if path.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"--out {path}: a report is a web page; choose a name that ends in .html")
    if path.is_dir():
        raise InputError(f"--out {path}: is a folder; give the name of a file in it")
    _check_writable(path, path.parent)
    if path.exists() and MARK.encode() not in _beginning(path):
        raise InputError(f"--out {path}: already exists, and is not a report of Grace; choose another --out")


def check_folder(out: Path) -> None:
    """Check that a paper can be written to a folder, before the work. Raises InputError."""
    for folder in (out, out / "tables", out / "tables" / "numbers", out / "figures"):
        _check_writable(out, folder)


def _check_writable(out: Path, folder: Path) -> None:
    """Check that a folder exists or can be made. Raises InputError that names `out`."""
    there = folder.absolute()
    while not os.path.lexists(there):
        there = there.parent
    if not there.is_dir():
        raise InputError(f"--out {out}: {there} exists, and is not a folder; choose another --out")
    if not os.access(there, os.W_OK | os.X_OK):
        raise InputError(f"--out {out}: the folder {there} cannot be written; choose another --out")


def _beginning(path: Path) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(BEGINNING)
    except OSError as error:
        raise InputError(f"--out {path}: cannot be read: {error.strerror}; choose another --out") from None


def list_files(out: Path, files: Iterable[Path]) -> None:
    """Write the list of a paper's files, and remove those of the earlier list that are no longer made.

    A file that was changed since then stays, and so does one that is in no list.

    Args:
        out: the paper's folder.
        files: the files just written, inside `out`.

    Raises:
        InputError: the list cannot be written.
    """
    listed = FileList.of(out, files)
    FileList.read(out, out / WRITTEN).remove_stale(listed.entries)
    if listed.entries:
        listed.write(out / WRITTEN)
    else:
        (out / WRITTEN).unlink(missing_ok=True)
