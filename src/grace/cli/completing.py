"""What the Tab key offers: names of models and of studies. Nothing here may fail or take long."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import typer

SECONDS = 2.0
"""How long a server has to name its models."""
YAML = (".yaml", ".yml")


def complete_model(ctx: typer.Context, incomplete: str) -> list[str]:
    """The models of the endpoint that the line names, or those that Grace can serve by itself."""
    url = ctx.params.get("model_endpoint") or ctx.params.get("url") or "embedded"
    names = _embedded() if url == "embedded" else _served(url, ctx.params.get("api_key_env"))
    return [name for name in names if name.startswith(incomplete)]


def complete_catalogue(incomplete: str) -> list[str]:
    """The models of the catalogue: those of this machine, and those of a hub."""
    from grace.models.catalogue import hub_models

    with suppress(Exception):
        return [name for name in dict.fromkeys((*_embedded(), *hub_models())) if name.startswith(incomplete)]
    return []


def complete_study(incomplete: str) -> list[str]:
    """The built-in studies, those of grace.yaml, and the YAML files and folders that the text leads to."""
    with suppress(Exception):
        return [name for name in dict.fromkeys(_studies(incomplete)) if name.startswith(incomplete)]
    return []


def _embedded() -> list[str]:
    from grace.models.catalogue import catalogue

    with suppress(Exception):
        return list(catalogue())
    return []


def _served(url: str, key_name: str | None) -> list[str]:
    """The models of a server; none where it does not answer at once."""
    import asyncio

    with suppress(Exception):
        return asyncio.run(asyncio.wait_for(_asked(url, key_name), SECONDS))
    return []


async def _asked(url: str, key_name: str | None) -> list[str]:
    import os

    from grace.endpoints.client import Client
    from grace.endpoints.dialects import names_of
    from grace.endpoints.handshake import list_models
    from grace.endpoints.transport import AiohttpTransport

    transport = AiohttpTransport(url)
    key: Any = os.environ.get(key_name, "").strip() if key_name else None
    try:
        client = Client(transport, url, api_key=key or None, timeout=SECONDS, max_retries=0, patience=0)
        return [name for name in names_of(await list_models(client)) if name.isprintable()]
    finally:
        await transport.close()


def _studies(incomplete: str) -> Iterator[str]:
    from grace.project import find_project
    from grace.studies.study import BUILT_IN

    yield from BUILT_IN
    with suppress(Exception):
        project = find_project()
        yield from project.tables if project else ()
    start, slash, _ = incomplete.rpartition("/")
    for path in sorted(Path(start + slash or ".").iterdir()):
        name = f"{start}{slash}{path.name}"
        if path.is_dir() and not path.name.startswith("."):
            yield f"{name}/"
        elif path.suffix.lower() in YAML:
            yield name
