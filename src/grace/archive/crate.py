"""The description of an archive as an RO-Crate: files, models, software, and each session of work as an action.

Follows RO-Crate 1.1 and the profile Process Run Crate 0.5 (https://w3id.org/ro/wfrun/process/0.5).
"""

import mimetypes
import re
import unicodedata
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import orjson

from grace.archive.bag import NO_LETTERS
from grace.errors import InputError
from grace.extras import check_installed
from grace.files import FileFacts
from grace.manifest import EXTRACT, GENERATE, SCORE
from grace.models.catalogue import catalogue, find_hub_model
from grace.runs import Run
from grace.version import __version__

if TYPE_CHECKING:
    from rocrate.model.contextentity import ContextEntity
    from rocrate.rocrate import ROCrate

PACKAGES = ("rocrate", "packaging")
"""What archives need."""
METADATA = "ro-crate-metadata.json"
PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
ORCID = "https://orcid.org/"
NO_LICENCE = "No licence is stated; ask the authors before you use the data."
ACTIONS = {GENERATE: "Experiment 1: answers", SCORE: "Experiment 2: probabilities", EXTRACT: "Extraction of values"}


@dataclass(frozen=True)
class About:
    """What only people can say of an archive.

    Attributes:
        title: its name.
        authors: as `Family, Given`, or `Family, Given, https://orcid.org/...`.
        licence: of the data, as an SPDX identifier or an address; "" where none is stated.
    """

    title: str
    authors: tuple[str, ...] = ()
    licence: str = ""


def described(about: About, date: str, files: Mapping[str, FileFacts], runs: Mapping[str, Run]) -> bytes:
    """The JSON-LD of an archive; the same archive gives the same bytes.

    Args:
        about: what people say of it.
        date: of the data, ISO 8601.
        files: what it holds.
        runs: its runs, by name in it.

    Raises:
        InputError: rocrate is not installed.
    """
    check_installed("an archive needs", PACKAGES, "archive")
    from rocrate.rocrate import ROCrate

    crate = ROCrate(version="1.1")
    crate.root_dataset.properties().update(
        name=about.title,
        description=f"Language models asked as people were: {len(runs)} runs of Grace {__version__}, "
        "with inputs, answers, and all results made from them.",
        datePublished=date,
        license=_licence(crate, about.licence),
        author=[{"@id": _person(crate, author).id} for author in about.authors],
        conformsTo={"@id": PROFILE},
    )
    _context(crate, PROFILE, "CreativeWork", name="Process Run Crate", version="0.5")
    for name, facts in files.items():
        crate.add_file(
            dest_path=name,
            properties={
                "name": name.rsplit("/", 1)[-1],
                "contentSize": str(facts.bytes),
                "encodingFormat": _format(name),
            },
        )
    for name, run in runs.items():
        _actions(crate, name, run, files)
    return orjson.dumps(_sorted(crate.metadata.generate()), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _actions(crate: "ROCrate", name: str, run: Run, files: Mapping[str, FileFacts]) -> None:
    """Every session of a run: which software asked which model about which table, and into which ledger."""
    identity = run.identity
    inputs = [f"{name}/{each}" for each in ("input.csv", "study.yaml") if f"{name}/{each}" in files]
    outputs = [f"{name}/ledger.jsonl"] if f"{name}/ledger.jsonl" in files else []
    model = [_model(crate, identity.model).id] if identity.model else []
    for number, session in enumerate(run.sessions, 1):
        crate.add_action(
            _software(crate, session.grace or ""),
            identifier=f"#{name}/session-{number}",
            object=[{"@id": _reference(crate, each)} for each in (*inputs, *model)],
            result=[{"@id": _reference(crate, each)} for each in outputs],
            properties={
                "@type": "CreateAction",
                "name": f"{ACTIONS[identity.experiment]} of {identity.model.get('name', 'rules')}",
                "startTime": session.started or "",
                **({"endTime": session.ended} if session.ended else {}),
            },
        )
    crate.root_dataset.append_to("mentions", [{"@id": f"#{name}/session-{n}"} for n, _ in enumerate(run.sessions, 1)])


def _software(crate: "ROCrate", version: str) -> "ContextEntity":
    """Grace as it was when it asked: runs of an earlier version are archived by a later one."""
    page = "https://pypi.org/project/grace-experiments/"
    identifier = f"#grace-{version}".replace(" ", "-") if version else "#grace"
    return _context(crate, identifier, "SoftwareApplication", name="Grace", softwareVersion=version, url=page)


def _model(crate: "ROCrate", facts: Mapping[str, Any]) -> "ContextEntity":
    name = str(facts["name"])
    known = catalogue().get(name)
    hub = find_hub_model(name)
    licence = {"license": hub.licence.page} if hub else {"license": known.licence} if known else {}
    return _context(
        crate,
        f"#model-{name}",
        "SoftwareApplication",
        name=name,
        softwareVersion=str(facts.get("revision") or facts.get("sha256") or "not stated by the server"),
        url=hub.licence.page if hub else "",
        **licence,
    )


def _licence(crate: "ROCrate", licence: str) -> str | dict[str, str]:
    if not licence:
        return NO_LICENCE
    address = licence if "://" in licence else f"https://spdx.org/licenses/{licence}"
    return {"@id": _context(crate, address, "CreativeWork", name=licence).id}


def _person(crate: "ROCrate", author: str) -> "ContextEntity":
    family, given, page = name_parts(author)
    identifier = page or f"#{family}-{given}".replace(" ", "-")
    return _context(crate, identifier, "Person", name=f"{given} {family}", familyName=family, givenName=given)


def _context(crate: "ROCrate", identifier: str, kind: str, **properties: str) -> "ContextEntity":
    from rocrate.model.contextentity import ContextEntity

    given = {name: value for name, value in properties.items() if value}
    return crate.add(ContextEntity(crate, identifier, properties={"@type": kind, **given}))


def _reference(crate: "ROCrate", name: str) -> str:
    entity = crate.get(name)
    return str(entity.id) if entity else name


def _format(name: str) -> str:
    own = {
        ".jsonl": "application/jsonl",
        ".yaml": "application/yaml",
        ".cff": "application/yaml",
        ".md": "text/markdown",
    }
    ending = name[name.rfind(".") :]
    return own.get(ending) or mimetypes.guess_type(name)[0] or "application/octet-stream"


def _sorted(metadata: dict[str, Any]) -> dict[str, Any]:
    """The graph in the order of identifiers, so that it does not depend on the order of work."""

    def place(entity: Mapping[str, Any]) -> tuple[bool, bool, str]:
        return entity["@id"] != METADATA, entity["@id"] != "./", entity["@id"]

    return {**metadata, "@graph": sorted(metadata["@graph"], key=place)}


def checked(about: About) -> About:
    """What people say, with the licence as SPDX writes it.

    Raises:
        InputError: the title or an author is no line of text, an author's page is no ORCID, the licence is neither an
            SPDX identifier nor an address, or a package for archives is not installed.
    """
    check_installed("an archive needs", PACKAGES, "archive")
    if not about.title.strip() or not _is_line(about.title):
        raise InputError(f"--title {about.title!r}: write one line of text")
    for author in about.authors:
        name_parts(author)
    return replace(about, licence=_checked_licence(about.licence))


def _checked_licence(licence: str) -> str:
    from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

    if not licence or re.fullmatch(r"https?://[^\s<>\"]+", licence):
        return licence
    with suppress(InvalidLicenseExpression):
        if re.fullmatch(r"(?!LicenseRef-)[A-Za-z0-9][A-Za-z0-9.-]*", licence, re.IGNORECASE):  # one, with no operators
            return canonicalize_license_expression(licence)
    raise InputError(f"--license {licence}: write an SPDX identifier, such as CC-BY-4.0, or an address")


def name_parts(author: str) -> tuple[str, str, str]:
    """Family name, given name, and the author's ORCID as an address or "". Raises InputError for another form."""
    parts = [part.strip() for part in author.split(",", 2)]
    if len(parts) < 2 or not all(parts) or not _is_line(author):
        raise InputError(f"--author {author!r}: write `Family, Given` or `Family, Given, {ORCID}0000-...`")
    page = parts[2] if len(parts) > 2 else ""
    if page and not _is_orcid(page):
        raise InputError(
            f"--author {author}: {page} is no ORCID, which is {ORCID} and four times four digits, the last of which "
            "checks the others (or is X); leave it out, or correct it"
        )
    return parts[0], parts[1], page


def _is_orcid(page: str) -> bool:
    """Whether an address is an ORCID whose last digit is right by ISO 7064 MOD 11-2."""
    if not re.fullmatch(re.escape(ORCID) + r"([0-9]{4}-){3}[0-9]{3}[0-9X]", page):
        return False
    digits = page.removeprefix(ORCID).replace("-", "")
    total = 0
    for digit in digits[:-1]:
        total = (total + int(digit)) * 2
    return digits[-1] == "0123456789X"[(12 - total % 11) % 11]


def _is_line(text: str) -> bool:
    return not any(unicodedata.category(letter) in NO_LETTERS for letter in text)
