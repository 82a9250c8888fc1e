"""Verifying an archive: every byte of it is read, and nothing may be there that its manifests do not list."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256

from grace.archive import bag
from grace.archive.store import Store, digest_of
from grace.errors import InputError, Refused
from grace.files import FileFacts
from grace.progress import Progress


@dataclass(frozen=True)
class Verified:
    """What is in an archive.

    Attributes:
        title: its name.
        files: the bytes of each payload file, by name without `data/`.
        digests: their SHA-256 as the manifest has it, by the same name.
        faults: what is wrong, in sentences; empty for an archive as it was made.
        sha256: the digest of the tag manifest, which stands for every byte.
    """

    title: str
    files: Mapping[str, int]
    digests: Mapping[str, str]
    faults: tuple[str, ...]
    sha256: str

    @property
    def ledgers(self) -> list[str]:
        """SHA-256 of the ledgers of runs in it: what says whose archive it is."""
        return sorted(digest for name, digest in self.digests.items() if name.endswith("/ledger.jsonl"))


def listed(store: Store) -> Verified:
    """What an archive's manifests say, without reading the payload; `faults` are those that show without it.

    Raises:
        InputError: this is no archive, or its tag files cannot be read.
        EndpointError: the bucket cannot be used.
    """
    sizes = store.sizes()
    if not sizes:
        raise InputError(f"{store.title}: there is no archive")
    if bag.BAGIT not in sizes:
        raise InputError(
            f"{store.title}: has no {bag.BAGIT}, so it is no archive, or was not finished; create it again"
        )
    tags = {name: store.content(name) for name in (bag.TAG_MANIFEST, *bag.TAGS) if name in sizes}
    faults = list(_tag_faults(store, tags))
    digests = _manifest(tags, bag.MANIFEST, faults)
    faults += bag.name_faults(sizes)
    faults += (f"{name} is {kind}, which an archive may not hold" for name, kind in store.irregular().items())
    faults += (f"{name} is missing" for name in sorted({*digests, *bag.TAGS, bag.TAG_MANIFEST} - sizes.keys()))
    unlisted = sorted(sizes.keys() - digests.keys() - {*bag.TAGS, bag.TAG_MANIFEST})
    faults += (f"{name} is in no manifest: it was added" for name in unlisted)
    payload = {name.removeprefix(bag.PAYLOAD): sizes[name] for name in digests if name in sizes}
    info = bag.parsed_info(tags.get(bag.INFO, b"").decode("utf-8", "replace"))
    total = f"{sum(payload.values())}.{len(digests)}"
    if info.get("Payload-Oxum", [""])[0] != total:
        faults.append(
            f"{bag.INFO} says {info.get('Payload-Oxum', ['nothing'])[0]} bytes and files, and there are {total}"
        )
    title = info.get("External-Description", [""])[0]
    own = sha256(tags.get(bag.TAG_MANIFEST, b"")).hexdigest()
    own_digests = {name: digests[f"{bag.PAYLOAD}{name}"] for name in payload}
    return Verified(title, payload, own_digests, tuple(faults), own)


def verify_archive(store: Store, progress: Progress, expected: str | None = None) -> Verified:
    """Read every byte of an archive.

    Args:
        store: where it is.
        progress: told of bytes.
        expected: the digest that `create_archive` gave, kept apart from the archive.

    Raises:
        InputError: this is no archive, or `expected` is no digest.
        EndpointError: the bucket cannot be used.
    """
    if expected is not None and not re.fullmatch(r"[0-9a-f]{64}", expected := expected.strip().lower()):
        raise InputError("--sha256: is not a digest, which has 64 digits from 0 to f; `grace archive create` prints it")
    facts = listed(store)
    faults = list(facts.faults)
    if expected not in (None, facts.sha256):
        faults.append(
            f"the archive's digest is {facts.sha256}, not {expected}: it is another archive, or was made anew"
        )
    progress.begin(sum(facts.files.values()), 0, "bytes")
    for name, size in facts.files.items():
        if digest_of(store.pieces(f"{bag.PAYLOAD}{name}")) != facts.digests[name]:
            faults.append(f"{bag.PAYLOAD}{name} was changed")
        progress.advance(False, size)
    return replace(facts, faults=tuple(faults))


def intact(store: Store, progress: Progress, expected: str | None = None) -> Verified:
    """What is in an archive that is as it was made: all of it is read now, as `verify_archive` does.

    Raises:
        Refused: it is not as it was made.
        InputError, EndpointError: as `verify_archive`.
    """
    verified = verify_archive(store, progress, expected)
    if verified.faults:
        raise Refused(f"{store.title}: is not as it was made: {verified.faults[0]}; `grace archive verify` says it all")
    return verified


def copies_of(store: Store, progress: Progress) -> frozenset[FileFacts]:
    """Digests and lengths of the files that an intact archive holds. Raises as `intact`."""
    verified = intact(store, progress)
    return frozenset(FileFacts(verified.digests[name], size) for name, size in verified.files.items())


def _tag_faults(store: Store, tags: Mapping[str, bytes]) -> Iterator[str]:
    """What is wrong with the tag files: every one is listed in the tag manifest, with its digest."""
    strange = tags[bag.BAGIT] != bag.DECLARATION.encode()
    if strange:
        yield f"{bag.BAGIT} was changed"
    faults: list[str] = []
    listed = _manifest(tags, bag.TAG_MANIFEST, faults)
    yield from faults
    if not faults and listed.keys() != set(bag.TAGS):
        yield f"{bag.TAG_MANIFEST} does not list {', '.join(sorted(listed.keys() ^ set(bag.TAGS)))} as it must"
    for name, digest in listed.items():
        if name in tags and sha256(tags[name]).hexdigest() != digest and not (strange and name == bag.BAGIT):
            yield f"{name} was changed"


def _manifest(tags: Mapping[str, bytes], name: str, faults: list[str]) -> dict[str, str]:
    """The digests of a manifest; a fault where it is none."""
    try:
        digests = bag.parsed_manifest(tags.get(name, b"").decode(), name)
    except UnicodeDecodeError:
        faults.append(f"{name} is not text")
        return {}
    except InputError as error:
        faults.append(str(error))
        return {}
    outside = [each for each in digests if name == bag.MANIFEST and not each.startswith(bag.PAYLOAD)]
    if outside:
        faults.append(f"{name} lists {outside[0]}, which is outside of {bag.PAYLOAD}")
    return {each: digest for each, digest in digests.items() if each not in outside}
