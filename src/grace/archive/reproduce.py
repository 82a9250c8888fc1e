"""Reproduction: the results of an archive are made again from its runs, and compared byte for byte."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from grace.archive import bag
from grace.archive.create import RESULTS, RESULTS_LIST, ResultsList
from grace.archive.environment import VERSIONS, Versions, differences
from grace.archive.store import Store
from grace.archive.verify import Verified, intact
from grace.declared import parsed
from grace.errors import InputError
from grace.extras import check_installed
from grace.files import holding, replacing
from grace.progress import Progress
from grace.text import printable

if TYPE_CHECKING:
    import pyarrow

TEXTS = (".json", ".md", ".tex", ".html", ".bib", ".svg")
"""Ends of files of which the first line that differs is told."""
DRAWN = (".png", ".pdf", ".svg", ".parquet")
"""Ends of files whose bytes depend on the versions of packages, too."""
PACKAGES = ("matplotlib", "numpy", "pandas", "pyarrow", "scipy")
"""Packages without which some results cannot be made."""
WRITTEN = "cells are the same, and written differently"
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
    check_installed("results need", PACKAGES, "analysis", ", or use --environment")
    from grace.archive.results import make_results

    check_empty(into)
    verified = intact(store, progress, expected)
    results = _results_of(store, verified)
    archived = parsed(store.content(f"{bag.PAYLOAD}{VERSIONS}"), f"{store.title}/{bag.PAYLOAD}{VERSIONS}", Versions)
    added = _added(verified, results)
    if not results.files and not added:
        raise InputError(f"{store.title}: {_without_results(results)}")
    others = tuple(differences(archived.root))
    runs = {name: into / name for name in results.runs}
    for name in verified.files:
        if any(name.startswith(f"{run}/") for run in runs):
            with holding((into / name).parent), replacing(into / name) as file:
                for piece in store.pieces(f"{bag.PAYLOAD}{name}"):
                    file.write(piece)
    folder = into / RESULTS
    folder.mkdir(parents=True)
    made = make_results(folder, runs, progress)
    found = [ResultDifference(name, "is in the archive, whose results.json does not list it") for name in added]
    found += _compared(store, results, [name for name in made.files if name not in added], folder, bool(others))
    return Reproduced(
        len(results.files) - sum(each.name in results.files for each in found),
        tuple(found),
        others,
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


def _added(verified: Verified, results: ResultsList) -> list[str]:
    """Names in `results/` that are not on the list of results."""
    inside = f"{RESULTS}/"
    there = {name.removeprefix(inside) for name in verified.files if name.startswith(inside)}
    return sorted(there.difference(results.files))


def _without_results(results: ResultsList) -> str:
    if not results.runs:
        return "has no results to compare; it holds no runs of which they are made"
    if results.missing:
        name, why = next(iter(results.missing.items()))
        return f"has no results to compare; none could be made: {name}: {printable(why)}"
    return "has no results to compare; it was created with --no-results"


def _compared(
    store: Store, results: ResultsList, made: Sequence[str], folder: Path, other_versions: bool
) -> Iterator[ResultDifference]:
    for name in results.files:
        if name not in made:
            yield ResultDifference(name, "could not be made here")
            continue
        now = (folder / name).read_bytes()
        then = b"".join(store.pieces(f"{bag.PAYLOAD}{RESULTS}/{name}"))
        if now != then:
            yield ResultDifference(name, difference_of(name, then, now, other_versions))
    for name in made:
        if name not in results.files:
            yield ResultDifference(name, "is made here, and is not in the archive")


def difference_of(name: str, then: bytes, now: bytes, other_versions: bool) -> str:
    """Where two versions of a file differ, in words: the first cell of a table, the first line of a text.

    Args:
        name: of the file; its ending tells how it is read.
        then: its bytes in the archive.
        now: its bytes here.
        other_versions: whether packages are of other versions here, which is a reason for other bytes.
    """
    ending = PurePosixPath(name).suffix
    excuse = ", which packages of other versions give, too" if other_versions and ending in DRAWN else ""
    if ending == ".csv":
        return _cell(_csv_rows(then), _csv_rows(now)) or WRITTEN
    if ending == ".parquet" and (tables := _parquet_tables(then, now)):
        return _column(*tables) or _cell(*map(_parquet_rows, tables)) or WRITTEN + excuse
    if ending in TEXTS:
        pairs = zip_longest(then.decode("utf-8", "replace").splitlines(), now.decode("utf-8", "replace").splitlines())
        for number, (before, after) in enumerate(pairs, 1):
            if before != after:
                return f"line {number}: {_around(before, after)}{excuse}"
    return f"{len(then):,} bytes in the archive, {len(now):,} here{excuse}"


def _csv_rows(content: bytes) -> Iterator[Sequence[str]]:
    return csv.reader(io.StringIO(content.decode("utf-8", "replace"), newline=""))


def _parquet_tables(then: bytes, now: bytes) -> "tuple[pyarrow.Table, pyarrow.Table] | None":
    """Both as tables; None where one cannot be read."""
    import pyarrow
    from pyarrow import parquet

    try:
        return parquet.read_table(io.BytesIO(then)), parquet.read_table(io.BytesIO(now))
    except (pyarrow.ArrowException, OSError):
        return None


def _column(then: "pyarrow.Table", now: "pyarrow.Table") -> str:
    """The first column of another type; "" where names differ, which rows tell, or none does."""
    if then.schema.names == now.schema.names:
        for before, after in zip(then.schema, now.schema, strict=True):
            if before.type != after.type:
                return f"column {before.name!r}: {before.type} in the archive, {after.type} here"
    return ""


def _parquet_rows(table: "pyarrow.Table") -> Iterator[Sequence[str]]:
    """The header, then each row, as Python writes its values: an empty text is not a missing one."""
    yield table.schema.names
    for batch in table.to_batches(max_chunksize=1000):
        for row in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            yield [repr(value) for value in row]


def _cell(then: Iterator[Sequence[str]], now: Iterator[Sequence[str]]) -> str:
    """The first cell that differs; "" where none does."""
    header: Sequence[str] = ()
    for number, (before, after) in enumerate(zip_longest(then, now, fillvalue=())):
        if number == 0 and before == after:
            header = before
        for place, (old, new) in enumerate(zip_longest(before, after)):
            if old != new:
                column = repr(header[place]) if place < len(header) else str(place + 1)
                where = f"row {number}, column {column}" if header else f"header, column {place + 1}"
                return f"{where}: {_around(old, new)}"
    return ""


def _around(before: str | None, after: str | None) -> str:
    """Both texts around the first letter in which they differ."""
    if before is None or after is None:
        return "is not in the archive" if before is None else "is in the archive alone"
    start = next(
        (n for n, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), min(len(before), len(after))
    )
    start = max(0, start - SHOWN // 2)
    return f"{before[start : start + SHOWN]!r} in the archive, {after[start : start + SHOWN]!r} here"
