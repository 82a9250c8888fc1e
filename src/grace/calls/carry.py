"""Carrying out a task: its endpoint, a server where one has to be started, the asking, the table."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, TypeVar

from grace.endpoints.client import without_userinfo
from grace.endpoints.embedded import EmbeddedServer
from grace.endpoints.keys import read_key
from grace.endpoints.serving import EMBEDDED, Address
from grace.endpoints.transport import check_url
from grace.errors import InputError
from grace.progress import Progress
from grace.stages.fields.ask import Extract, ExtractResult
from grace.stages.fields.extractor import DEEPSEEK as DEEPSEEK_URL
from grace.stages.fields.extractor import DEEPSEEK_EXTRA, DEEPSEEK_MODEL
from grace.stages.task import Endpoint, Task, TaskOutcome
from grace.tables import TableFormat

T = TypeVar("T")

DEFAULT_MODEL = "smollm2-135m"
"""The model of the embedded server, where none is named."""
DEEPSEEK = "deepseek"
KEY = "DEEPSEEK_API_KEY"

JsonMode = Literal["auto", "schema", "object"]


def endpoint_of(
    url: str, model: str | None, concurrency: int | None, timeout: float, max_retries: int, api_key_env: str | None
) -> Endpoint:
    """The endpoint to ask; the arguments are the options of the commands. Raises InputError."""
    if model is None:
        model = DEFAULT_MODEL if url == EMBEDDED else ""
    return Endpoint(
        url=url,
        model=model,
        concurrency=concurrency,
        timeout=timeout,
        max_retries=max_retries,
        api_key=read_key(api_key_env),
    )


def extraction_of(
    *,
    study: str | None,
    input: Path,
    output: Path,
    extractor: str | None,
    extractor_model: str | None,
    check_rules: float,
    json_mode: JsonMode,
    seed: int,
    concurrency: int | None,
    timeout: float,
    max_retries: int,
    api_key_env: str | None,
    table_format: TableFormat,
    break_lock: bool,
) -> Extract:
    """The extraction that these options of `grace extract` mean. Raises InputError where they contradict each other."""
    endpoint = None
    if extractor is not None:
        url, name, key = _extractor(extractor, extractor_model, api_key_env)
        endpoint = endpoint_of(url, name, concurrency, timeout, max_retries, key)
    elif extractor_model or api_key_env or json_mode != "auto":
        raise InputError(
            "--extractor-model, --json-mode and --api-key-env belong to an --extractor, which is not given"
        )
    deepseek = extractor == DEEPSEEK
    if json_mode == "auto":
        json_mode = "object" if deepseek else "schema"
    return Extract(
        study=study,
        input=input,
        output=output,
        extractor=endpoint,
        mode=json_mode,
        extra=DEEPSEEK_EXTRA if deepseek else {},
        check_rules=check_rules,
        seed=seed,
        table_format=table_format,
        break_lock=break_lock,
    )


def _extractor(extractor: str, model: str | None, api_key_env: str | None) -> tuple[str, str, str | None]:
    """The URL, the model's name and the key's variable. Raises InputError for options that contradict each other."""
    if extractor == DEEPSEEK:
        api_key_env = api_key_env or KEY
        if api_key_env == KEY and not os.environ.get(KEY, "").strip():
            raise InputError(f"--extractor deepseek: needs a key in the environment variable {KEY}")
        return DEEPSEEK_URL, model or DEEPSEEK_MODEL, api_key_env
    if extractor == EMBEDDED:
        return EMBEDDED, model or DEFAULT_MODEL, api_key_env
    check_url(extractor, f"--extractor (or {DEEPSEEK!r} or {EMBEDDED!r})")
    if model is None:
        raise InputError(
            f"--extractor {without_userinfo(extractor)}: --extractor-model is missing, the name that this server "
            "knows the model by"
        )
    return extractor, model, api_key_env


@contextmanager
def server_for(endpoint: Endpoint, slots: int | None = None, exact: bool = False) -> Iterator[Address]:
    """The address of an endpoint; `embedded` starts a server with `slots` slots for the length of the block.

    `exact` has it keep prompts in 32 bits.

    Raises:
        InputError: there is no such model, or llama.cpp is not installed.
        ModelFileError: the model's file is not there yet, or cannot be served.
    """
    if endpoint.url != EMBEDDED:
        yield Address(endpoint.url, endpoint.api_key)
        return
    with EmbeddedServer.of(endpoint.model, slots, exact=exact) as server:
        yield Address(server.url, server.api_key)


def carry_out(task: Task[T], progress: Progress) -> TaskOutcome[T]:
    """Ask what a task has not asked yet, and make its result.

    Raises:
        InputError: options, study, table or run do not fit, or another process writes the run.
        ModelFileError: the embedded model's file is not there yet, or cannot be served.
        EndpointError: the server cannot do what the task needs, or requests failed in the same way.
    """
    with task.prepared(progress) as prepared, server_for(task.endpoint, task.slots, prepared.exact) as address:
        return prepared.ask(address, progress)


def carry_out_extraction(task: Extract, progress: Progress) -> TaskOutcome[ExtractResult]:
    """The same for an extraction, which asks no server where it has no extractor."""
    with task.prepared(progress) as prepared:
        if task.extractor is None:
            return prepared.read(progress)
        with server_for(task.extractor) as address:
            return prepared.ask(address, progress)
