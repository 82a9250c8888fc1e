"""Creating an archive: results are made, files are digested, described and sent; what is there is not sent again."""

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path, PurePosixPath

import orjson
from pydantic import Field

from grace.archive import bag
from grace.archive.contents import ROOMS, Contents
from grace.archive.crate import METADATA, About, checked, described
from grace.archive.environment import environment_files
from grace.archive.store import EMPTY, PIECE, FolderStore, Store, digest_of, pieces_of
from grace.archive.texts import citation, deposit, reproducing
from grace.declared import Strict
from grace.errors import InputError
from grace.extras import STATISTICS, check_installed
from grace.files import FileFacts, check_outside_runs, sha256_of
from grace.progress import Progress
from grace.runs import last_worked
from grace.version import __version__

RESULTS = "results"
RESULTS_LIST = "results.json"


@dataclass(frozen=True)
class ArchiveRequest:
    """What an archive holds, and what is said of it.

    Attributes:
        places: runs, lineups, and other files and folders.
        about: title, authors, licence.
        exclude: patterns of names that are held back, and `reason` why.
        results: whether results are made from the runs.
    """

    places: Sequence[Path]
    about: About
    exclude: Sequence[str] = ()
    reason: str = ""
    results: bool = True


class ResultsList(Strict):
    """results.json of an archive.

    Attributes:
        runs: from which results are made, in order.
        files: the results, by name in `results/`.
        missing: those that could not be made, and why.
        held_back: files of the archive that were held back.
    """

    runs: tuple[str, ...]
    files: tuple[str, ...] = ()
    missing: dict[str, str] = Field(default_factory=dict)
    held_back: tuple[str, ...] = ()


@dataclass(frozen=True)
class Created:
    """What was archived.

    Attributes:
        files, bytes: how much there is.
        sent: how many files were sent; the others were there.
        held_back: names that were held back.
        missing: results that could not be made, and why.
        remarks: sentences about runs that are not done, and about what was left out.
        sha256: the digest of the tag manifest, which stands for every byte.
    """

    files: int
    bytes: int
    sent: int
    held_back: tuple[str, ...]
    missing: Mapping[str, str]
    remarks: tuple[str, ...]
    sha256: str


def create_archive(request: ArchiveRequest, store: Store, progress: Progress) -> Created:
    """Make an archive; killed, the same call continues. The same contents give the same bytes.

    Raises:
        InputError: what is said of it has another form, as `checked` says; a place cannot be read or is being written;
            an excluded name is not there; the store holds something else or a finished archive of other contents, or
            lies in what is archived.
        EndpointError: the bucket cannot be used.
    """
    if request.exclude and not request.reason:
        raise InputError("--exclude needs --because: an archive says why files are held back")
    request = replace(request, about=checked(request.about))
    _check_outside(store, request.places)
    contents = Contents.of(request.places)
    if request.results and contents.whole_runs:
        check_installed("results need", STATISTICS, "analysis", ", or use --no-results")
    progress.note("reading runs")
    remarks = [*contents.unfinished(), *(f"{path} is left out: {why}" for path, why in contents.left_out.items())]
    held = contents.withheld(request.exclude)
    there = store.sizes()
    with tempfile.TemporaryDirectory(prefix="grace-archive-") as scratch:
        made = Path(scratch, RESULTS)
        made.mkdir()
        results = ResultsList(runs=tuple(contents.whole_runs), held_back=tuple(held))
        told = [name for name in held if any(name.startswith(f"{run}/") for run in contents.runs)]
        if told:
            why = f"they would tell what {told[0]} does, which is held back"
            results = results.model_copy(update={"missing": {RESULTS: why}})
        elif request.results and results.runs:
            results = _make_results(made, contents, results, progress)
        sources: dict[str, Path | bytes] = {**contents.files}
        sources |= {f"{RESULTS}/{name}": made / name for name in results.files}
        sources[RESULTS_LIST] = orjson.dumps(results.model_dump(), option=orjson.OPT_INDENT_2)
        sources |= environment_files()
        progress.begin(sum(size_of(source) for source in sources.values()), 0, "bytes")
        facts = {name: _facts(source, progress) for name, source in sorted(sources.items())}
        held_facts = {name: facts.pop(name) for name in held}
        date = last_worked(contents.runs.values()) or _last_changed(contents.files.values())
        texts = _texts(request, contents, date, held_facts)
        facts |= {name: FileFacts(sha256(text).hexdigest(), len(text)) for name, text in texts.items()}
        texts[METADATA] = described(request.about, date, dict(sorted(facts.items())), contents.runs)
        facts[METADATA] = FileFacts(sha256(texts[METADATA]).hexdigest(), len(texts[METADATA]))
        payload = {f"{bag.PAYLOAD}{name}": (sources | texts)[name] for name in sorted(facts)}
        digests = {f"{bag.PAYLOAD}{name}": each.sha256 for name, each in facts.items()}
        tags = _tags(request.about, date, digests, sum(each.bytes or 0 for each in facts.values()))
        _check_same(store, there, tags, digests)
        store.sweep({*payload, *tags})
        _check_place(store, {*payload, *tags})
        sent = _send({**payload, **tags}, digests, store, there, progress)
    total = sum(each.bytes or 0 for each in facts.values())
    own = sha256(tags[bag.TAG_MANIFEST]).hexdigest()
    return Created(len(payload), total, sent, tuple(held), results.missing, tuple(remarks), own)


def _check_outside(store: Store, places: Sequence[Path]) -> None:
    """Raises InputError for an archive inside of what is archived, which would hold itself, or of a run."""
    if isinstance(store, FolderStore):
        for place in places:
            if store.folder.resolve().is_relative_to(place.resolve()):
                raise InputError(f"{store.title}: lies in {place}, which is archived; choose another --to")
        check_outside_runs(store.folder)


def _last_changed(paths: Iterable[Path]) -> str:
    """When the latest of some files was changed, as ISO 8601 text in UTC: the date of data that no run dates."""
    latest = max((path.stat().st_mtime for path in paths), default=0.0)
    return datetime.fromtimestamp(latest, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _make_results(folder: Path, contents: Contents, results: ResultsList, progress: Progress) -> ResultsList:
    """Make all results in a folder. Raises InputError for a table of a lineup that is not what its ledger says."""
    from grace.archive.results import make_results

    made = make_results(folder, {name: contents.runs[name].path for name in results.runs}, progress)
    for name, table in contents.tables.items():
        again = folder / Path(name).with_name(table.name)
        if again.is_file() and sha256_of(again) != sha256_of(table):
            raise InputError(
                f"{table}: is not what its ledger says, so one of them was changed; `grace export` makes the table "
                "again, and another name keeps the changed one"
            )
    return results.model_copy(update={"files": made.files, "missing": dict(made.missing)})


def _texts(request: ArchiveRequest, contents: Contents, date: str, held: Mapping[str, FileFacts]) -> dict[str, bytes]:
    return {
        "REPRODUCING.md": reproducing(request.about, contents.runs, held, request.reason).encode(),
        "CITATION.cff": citation(request.about, date).encode(),
        "metadata.json": deposit(request.about, date),
    }


def _tags(about: About, date: str, digests: Mapping[str, str], total: int) -> dict[str, bytes]:
    """The tag files, in the order in which they are sent: the declaration that this is a bag comes last."""
    info = bag.info_text(
        {
            "Bag-Software-Agent": f"grace {__version__}",
            "Bagging-Date": date[:10],
            "External-Description": about.title,
            "Payload-Oxum": f"{total}.{len(digests)}",
        }
    )
    tags = {bag.MANIFEST: bag.manifest_text(digests).encode(), bag.INFO: info.encode()}
    tags[bag.BAGIT] = bag.DECLARATION.encode()
    listed = {name: sha256(text).hexdigest() for name, text in tags.items()}
    return {bag.TAG_MANIFEST: bag.manifest_text(listed).encode(), **tags}


def _check_same(store: Store, there: Mapping[str, int], tags: Mapping[str, bytes], digests: Mapping[str, str]) -> None:
    """Raises InputError for a finished archive of other contents: it may be the only copy, and is not written over."""
    if not {bag.BAGIT, bag.TAG_MANIFEST, bag.MANIFEST} <= there.keys():  # unfinished
        return
    if store.content(bag.TAG_MANIFEST) == tags[bag.TAG_MANIFEST]:
        return
    differ = [bag.TAG_MANIFEST]
    with suppress(InputError):  # a damaged manifest
        before = bag.parsed_manifest(store.content(bag.MANIFEST).decode("utf-8", "replace"), bag.MANIFEST)
        differ = sorted(name for name in before.keys() | digests if before.get(name) != digests.get(name)) or differ
    given = [name for name in differ if name.startswith(tuple(f"{bag.PAYLOAD}{room}/" for room in ROOMS))]
    first = (given or differ)[0]
    others = f" and {len(differ) - 1} more" if len(differ) > 1 else ""
    raise InputError(
        f"{store.title}: holds a finished archive, in which {first}{others} would change; choose another --to"
    )


def _check_place(store: Store, names: set[str]) -> None:
    """Refuse to write where something else is; empty folders of this archive are what a killed call leaves."""
    folders = {folder.as_posix() for name in names for folder in PurePosixPath(name).parents}
    irregular = [name for name, kind in store.irregular().items() if kind != EMPTY or name not in folders]
    others = sorted(store.sizes().keys() - names) + irregular
    if others:
        raise InputError(f"{store.title}: holds {others[0]!r}, which is not of this archive; choose another --to")


def _send(
    sources: Mapping[str, Path | bytes],
    digests: Mapping[str, str],
    store: Store,
    there: Mapping[str, int],
    progress: Progress,
) -> int:
    """Send what is not there yet, or is there with other bytes."""
    progress.begin(sum(size_of(source) for source in sources.values()), 0, "bytes")
    sent = 0
    for name, source in sources.items():
        expected = digests.get(name) or sha256(bytes(source)).hexdigest()
        if there.get(name) == size_of(source) and digest_of(store.pieces(name)) == expected:
            progress.advance(False, size_of(source))
            continue
        store.put(name, _counted(source, expected, name, progress))
        sent += 1
    return sent


def _counted(source: Path | bytes, expected: str, name: str, progress: Progress) -> Iterator[bytes]:
    """The pieces of a source, which must be what was digested. Raises InputError."""
    digest = sha256()
    for piece in _pieces(source):
        digest.update(piece)
        progress.advance(False, len(piece))
        yield piece
    if digest.hexdigest() != expected:
        raise InputError(
            f"{source if isinstance(source, Path) else name}: changed meanwhile; archive it when nobody writes"
        )


def _facts(source: Path | bytes, progress: Progress) -> FileFacts:
    digest, size = sha256(), 0
    for piece in _pieces(source):
        digest.update(piece)
        size += len(piece)
        progress.advance(False, len(piece))
    return FileFacts(digest.hexdigest(), size)


def _pieces(source: Path | bytes) -> Iterator[bytes]:
    if isinstance(source, Path):
        yield from pieces_of(source)
    else:
        yield from (source[start : start + PIECE] for start in range(0, len(source), PIECE))


def size_of(source: Path | bytes) -> int:
    """The bytes of a source."""
    return source.stat().st_size if isinstance(source, Path) else len(source)
