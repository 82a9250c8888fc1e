"""Validate the RO-Crate of archives against the profile Process Run Crate, without a network.

    python scripts/validate_crate.py ARCHIVE...

Runs in an environment of its own, with `roc-validator`. The validator loads the JSON-LD context of RO-Crate from the
web. Here each term of a crate stands for the term of schema.org of that name, as that context says for all terms that
Grace writes, but for those in TERMS.
"""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import requests
from rdflib.plugins.shared.jsonld.context import Context
from rocrate_validator import services
from rocrate_validator.models import Severity, ValidationSettings
from rocrate_validator.utils.http import HttpRequester

CONTEXT = "https://w3id.org/ro/crate/1.1/context"
TERMS = {
    "File": "http://schema.org/MediaObject",
    "conformsTo": "http://purl.org/dc/terms/conformsTo",
}


def main(archives: list[Path]) -> int:
    """The number of archives that do not conform; what is wrong is printed."""
    wrong = 0
    for archive in archives:
        data = archive / "data"
        problems = _problems(data)
        wrong += bool(problems)
        print(f"{archive}: {'conforms to Process Run Crate 0.5' if not problems else ''}")
        for problem in problems:
            print(f"  {problem}")
    return min(wrong, 1)


def _problems(data: Path) -> list[str]:
    metadata = json.loads((data / "ro-crate-metadata.json").read_text())
    assert metadata["@context"] == CONTEXT, metadata["@context"]
    names = {key for entity in metadata["@graph"] for key in entity if not key.startswith("@")}
    types = {each for entity in metadata["@graph"] for each in _listed(entity["@type"])}
    meaning = {name: TERMS.get(name, f"http://schema.org/{name}") for name in sorted(names | types)}
    with _context_here({"@context": meaning}):
        settings = ValidationSettings(
            rocrate_uri=str(data),
            profile_identifier="process-run-crate-0.5",
            requirement_severity=Severity.REQUIRED,
        )
        return [f"{issue.check.identifier}: {issue.message}" for issue in services.validate(settings).get_issues()]


@contextmanager
def _context_here(context: dict[str, Any]) -> Iterator[None]:
    """Whoever asks for the context gets this one: the parser of JSON-LD, and the validator's own check of it."""

    def get(_: object, address: str, **__: object) -> requests.Response:
        response = requests.Response()
        response.status_code = 200 if address == CONTEXT else 504
        response.headers["Content-Type"] = "application/ld+json"
        response._content = json.dumps(context).encode()
        return response

    with (
        patch.object(Context, "_fetch_context", lambda *_: context),
        patch.object(HttpRequester, "get", get, create=True),
    ):
        yield


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


if __name__ == "__main__":
    sys.exit(main([Path(each) for each in sys.argv[1:]]))
