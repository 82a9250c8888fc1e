"""The texts of an archive for people: how to reproduce it, how to cite it, and its metadata for repositories."""

from collections.abc import Mapping

import orjson
import yaml

from grace.archive.crate import ORCID, About, name_parts
from grace.archive.environment import CONSTRAINTS, EXTRAS
from grace.cluster.manifests.wheel import WHEEL_NAME
from grace.files import FileFacts
from grace.version import __version__

OPEN = "TO BE NAMED BY THE AUTHORS"
"""Stands where only the authors can say what belongs there."""


def reproducing(about: About, runs: Mapping[str, object], held_back: Mapping[str, FileFacts], reason: str) -> str:
    """REPRODUCING.md."""
    lines = [
        f"# How to reproduce: {about.title}",
        "",
        "This folder is the payload of a BagIt bag. `manifest-sha256.txt` beside it lists the digest of every file.",
        "",
        "`ARCHIVE` is the folder of that bag, or the address of its bucket.",
        "",
        "1. Make a new environment of Python, with the version that `environment/versions.json` says. In this folder, "
        "install Grace into it:",
        "",
        f'       pip install --constraint {CONSTRAINTS} "./environment/{WHEEL_NAME}[{EXTRAS}]"',
        "",
        "2. Check that nothing is missing or changed: `grace archive verify ARCHIVE`. Other BagIt tools do it, too.",
        "3. Make every table, check, figure and text again from the answers, without asking a model, and compare them "
        "byte for byte with those in `results/`: `grace reproduce ARCHIVE`.",
        f"4. With another Grace than that of `environment/`, packages of other versions can give other bytes: "
        f"`grace reproduce ARCHIVE --environment` installs the versions of `{CONSTRAINTS}` and Grace {__version__} for "
        "you, and needs of Grace no more than `pip install grace-experiments`.",
        "",
        "## What is where",
        "",
        "- `runs/`, `lineups/`: what the models were asked and answered (`ledger.jsonl`), with the inputs.",
        "- `results/`: what follows from that; `results.json` says what could not be made, and why.",
        "- `files/`: other files, as they were given.",
        "- `environment/`: versions, and the code of Grace.",
        "",
        f"Runs: {', '.join(f'`{name}`' for name in runs) or 'none'}.",
    ]
    if held_back:
        lines += ["", "## What is held back", "", f"{reason}", ""]
        lines += [f"- `{name}`, {facts.bytes:,} bytes, SHA-256 {facts.sha256}" for name, facts in held_back.items()]
    return "\n".join([*lines, ""])


def citation(about: About, date: str) -> str:
    """CITATION.cff (Citation File Format 1.2.0)."""
    content = {
        "cff-version": "1.2.0",
        "message": "If you use these data, please cite them as below.",
        "type": "dataset",
        "title": about.title,
        "authors": [_cited(author) for author in about.authors] or [{"name": OPEN}],
        "date-released": date[:10],
    }
    if about.licence:
        content["license-url" if "://" in about.licence else "license"] = about.licence
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True)


def _cited(author: str) -> dict[str, str]:
    family, given, orcid = name_parts(author)
    return {"family-names": family, "given-names": given, **({"orcid": orcid} if orcid else {})}


def _creator(author: str) -> dict[str, str]:
    family, given, orcid = name_parts(author)
    return {"name": f"{family}, {given}", **({"orcid": orcid.removeprefix(ORCID)} if orcid else {})}


def deposit(about: About, date: str) -> bytes:
    """metadata.json: the deposit metadata of Zenodo; title, creators and licence are what OSF asks for, too."""
    content = {
        "metadata": {
            "title": about.title,
            "upload_type": "dataset",
            "publication_date": date[:10],
            "creators": [_creator(author) for author in about.authors] or [{"name": OPEN}],
            "description": f"Language models asked as people were, with Grace {__version__}: inputs, answers, "
            "and all results made from them, as a BagIt bag that is described as an RO-Crate.",
            "access_right": "open",
            "license": about.licence or OPEN,
            "keywords": ["language models", "experiments", "reproducibility"],
        }
    }
    return orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
