"""Reproduction: the results of an archive are made again from its runs, and compared byte for byte."""

import csv
import importlib.util
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path, PurePosixPath

from grace.archive import bag
from grace.archive.create import RESULTS, RESULTS_LIST, ResultsList
from grace.archive.environment import VERSIONS, Versions, differences
from grace.archive.store import Store
from grace.archive.verify import Verified, intact
from grace.declared import parsed
from grace.errors import InputError
from grace.files import holding, replacing
from grace.progress import Progress

TEXTS = (".csv", ".json", ".md", ".tex", ".html", ".bib", ".svg")
"""Ends of files that are compared by what they say; of others only the bytes are compared."""
DRAWN = (".png", ".pdf", ".svg", ".parquet")
"""Ends of files whose bytes depend on the versions of packages, too."""
PACKAGES = ("matplotlib", "numpy", "pandas", "pyarrow", "scipy")
"""Packages without which some results cannot be made."""
SHOWN = 60
"""Characters of a difference."""


@dataclass(frozen=True)
class ResultDifference:
    """A result that is not as in the archive: its name, and where and why it differs."""

    name: str
    what: str


@dataclass(frozen=True)
class Reproduced:
    """What became of a reproduction.

    Attributes:
        same: how many results have the same bytes.
        differences: the others.
        environment: what is of another version here.
        missing: results that the archive does not have, and why.
        folder: where the results of now are.
        runs: copies of the archived runs, by name.
    """

    same: int
    differences: tuple[ResultDifference, ...]
    environment: tuple[str, ...]
    missing: Mapping[str, str]
    folder: Path
    runs: Mapping[str, Path]


def check_empty(into: Path) -> None:
    """Raises InputError where results cannot be made in a folder, since something is there."""
    if into.exists() and (not into.is_dir() or any(into.iterdir())):
        raise InputError(f"--into {into}: is not an empty folder; choose another")


def check_installed() -> None:
    """Raises InputError where packages are missing that make results."""
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(
            f"results need {', '.join(missing)}: pip install 'grace-experiments[analysis]', or use --environment"
        )


def reproduce_archive(store: Store, into: Path, progress: Progress, expected: str | None = None) -> Reproduced:
    """Verify an archive, make its results again in a folder, and compare them.

    Args:
        store: where the archive is.
        into: the folder, which is empty or made now.
        progress: told of bytes, then of each step.
        expected: the archive's digest, kept apart from it; None: its own manifests say what it holds.

    Raises:
        Refused: the archive is not as it was made.
        InputError: packages are missing, it is no archive, has no results, holds back what they are made from, or the
            folder is in use.
        EndpointError: the bucket cannot be used.
    """
    check_installed()
    from grace.archive.results import make_results

    check_empty(into)
    verified = intact(store, progress, expected)
    results = _results_of(store, verified)
    archived = parsed(store.content(f"{bag.PAYLOAD}{VERSIONS}"), f"{store.title}/{bag.PAYLOAD}{VERSIONS}", Versions)
    runs = {name: into / name for name in results.runs}
    for name in verified.files:
        if any(name.startswith(f"{run}/") for run in runs):
            with holding((into / name).parent), replacing(into / name) as file:
                for piece in store.pieces(f"{bag.PAYLOAD}{name}"):
                    file.write(piece)
    folder = into / RESULTS
    folder.mkdir(parents=True)
    made = make_results(folder, runs, progress)
    found = list(_compared(store, results, made.files, folder))
    return Reproduced(
        len(results.files) - sum(each.name in results.files for each in found),
        tuple(found),
        tuple(differences(archived.root)),
        results.missing,
        folder,
        runs,
    )


def _results_of(store: Store, verified: Verified) -> ResultsList:
    """The list of results, whose every name is that of a file in the archive. Raises InputError."""
    if not {RESULTS_LIST, VERSIONS} <= verified.files.keys():
        raise InputError(f"{store.title}: has no {RESULTS_LIST} or {VERSIONS}, so it is no archive of Grace")
    title = f"{store.title}/{bag.PAYLOAD}{RESULTS_LIST}"
    results = parsed(store.content(f"{bag.PAYLOAD}{RESULTS_LIST}"), title, ResultsList)
    held = [name for name in results.held_back if any(name.startswith(f"{run}/") for run in results.runs)]
    if held:
        raise InputError(f"{store.title}: holds back {held[0]}, from which results are made")
    needed = [f"{run}/run.json" for run in results.runs] + [f"{RESULTS}/{name}" for name in results.files]
    absent = [name for name in needed if name not in verified.files]
    if absent:
        raise InputError(f"{title}: names {absent[0]!r}, which is not in the archive")
    return results


def _compared(store: Store, results: ResultsList, made: tuple[str, ...], folder: Path) -> Iterator[ResultDifference]:
    for name in results.files:
        if name not in made:
            yield ResultDifference(name, "could not be made here")
            continue
        now = (folder / name).read_bytes()
        then = b"".join(store.pieces(f"{bag.PAYLOAD}{RESULTS}/{name}"))
        if now != then:
            yield ResultDifference(name, difference_of(name, then, now))
    for name in made:
        if name not in results.files:
            yield ResultDifference(name, "is made here, and is not in the archive")


def difference_of(name: str, then: bytes, now: bytes) -> str:
    """Where two versions of a file differ, in words: the first cell of a table, the first line of a text."""
    ending = PurePosixPath(name).suffix
    if ending == ".csv":
        return _cell(then, now)
    if ending in TEXTS and ending not in DRAWN:
        pairs = zip_longest(then.decode("utf-8", "replace").splitlines(), now.decode("utf-8", "replace").splitlines())
        for number, (before, after) in enumerate(pairs, 1):
            if before != after:
                return f"line {number}: {_around(before, after)}"
    if ending in DRAWN:
        return f"{len(then):,} bytes in the archive, {len(now):,} here, which packages of other versions give, too"
    return f"{len(then):,} bytes in the archive, {len(now):,} here"


def _cell(then: bytes, now: bytes) -> str:
    tables = [csv.reader(io.StringIO(content.decode("utf-8", "replace"), newline="")) for content in (then, now)]
    header: list[str] = []
    for number, (before, after) in enumerate(zip_longest(*tables, fillvalue=())):
        if number == 0 and before == after:
            header = list(before)
        for place, (old, new) in enumerate(zip_longest(before, after)):
            if old != new:
                column = repr(header[place]) if place < len(header) else str(place + 1)
                where = f"row {number}, column {column}" if header else f"header, column {place + 1}"
                return f"{where}: {_around(old, new)}"
    return "cells are the same, and written differently"


def _around(before: str | None, after: str | None) -> str:
    """Both texts around the first letter in which they differ."""
    if before is None or after is None:
        return "is not in the archive" if before is None else "is in the archive alone"
    start = next(
        (n for n, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), min(len(before), len(after))
    )
    start = max(0, start - SHOWN // 2)
    return f"{before[start : start + SHOWN]!r} in the archive, {after[start : start + SHOWN]!r} here"
