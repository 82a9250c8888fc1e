"""`grace serve`."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from grace.errors import InputError

if TYPE_CHECKING:
    from grace.endpoints.serving import ModelServer


def serve(
    model: Annotated[
        str,
        typer.Argument(help="Name from `grace models list`, a .gguf file, a model folder, or an id on a model hub."),
    ] = "smollm2-135m",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 finds a free one.")] = 8000,
    host: Annotated[str, typer.Option(help="Address to listen on; it must belong to this machine.")] = "127.0.0.1",
    engine: Annotated[
        Literal["auto", "llamacpp", "vllm"],
        typer.Option(help="auto: llama.cpp for GGUF files, vLLM for anything else."),
    ] = "auto",
    served_model_name: Annotated[
        str | None, typer.Option(metavar="NAME", help="The model's name for clients. Default: from MODEL.")
    ] = None,
    context: Annotated[int | None, typer.Option(min=16, help="Longest prompt and answer together, in tokens.")] = None,
    parallel: Annotated[int | None, typer.Option(min=1, help="Simultaneous requests.")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Processor threads (llama.cpp).")] = None,
    api_key_env: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Environment variable with a key that clients must send."),
    ] = None,
    batch_invariant: Annotated[
        bool,
        typer.Option("--batch-invariant", help="vLLM: answers that do not depend on what is computed beside them."),
    ] = False,
    exact: Annotated[
        bool,
        typer.Option("--exact", help="llama.cpp: keep prompts in 32 bits, not 16, for the surprisal of texts."),
    ] = False,
) -> None:
    """Serve a model on this machine for `grace query`, curl and other clients, until Ctrl-C.

    \b
    Examples:
      grace serve
      grace serve --port 8000 --served-model-name gemma-2-2b-it
      grace serve models/gemma-2-2b-it-Q4_K_M.gguf --context 2048 --parallel 4
      grace serve google/gemma-2-2b-it --engine vllm --api-key-env MY_KEY
    """
    from grace.endpoints.embedded import EmbeddedServer
    from grace.endpoints.keys import read_key
    from grace.endpoints.vllm import VllmServer, vllm_is_installed
    from grace.models.files import file_to_serve, find_model
    from grace.models.serving import ServingOptions

    def options_of(name: str) -> ServingOptions:
        return ServingOptions(name, host, port, context, parallel, threads, batch_invariant, exact)

    key = read_key(api_key_env) or ""
    is_file = _is_gguf(model)
    if engine == "auto" and not is_file and not vllm_is_installed():
        raise InputError(
            f"{model}: is not a GGUF file, and vLLM, which could serve it, is not installed (pip install vllm)"
        )
    if engine == "llamacpp" or (engine == "auto" and is_file):
        options = options_of(served_model_name or find_model(model).name)
        with _until_interrupted(), EmbeddedServer(file_to_serve(model), options, api_key=key) as server:
            _tell(server, api_key_env, "ready")
            server.wait()
    elif is_file:
        raise InputError(f"{model}: vLLM serves model folders and hub ids, not GGUF files; leave out --engine vllm")
    else:
        name = served_model_name or Path(model).absolute().name
        vllm = VllmServer(model, options_of(name), api_key=key)
        with _until_interrupted():
            _tell(vllm, api_key_env, "starting; ready when /health answers")
            with vllm:
                vllm.wait()


def _is_gguf(model: str) -> bool:
    from grace.models.catalogue import catalogue

    return model in catalogue() or model.lower().endswith(".gguf")


@contextmanager
def _until_interrupted() -> Iterator[None]:
    """End the block at Ctrl-C, SIGTERM, or SIGHUP, and go on after it."""
    import signal

    # SIGTERM ends it as Ctrl-C does, which shells let jobs in the background ignore; nohup keeps its effect.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
        signal.signal(signal.SIGHUP, signal.default_int_handler)
    with suppress(KeyboardInterrupt):
        yield


def _tell(server: "ModelServer", key_name: str | None, state: str) -> None:
    """Print where the model is, with two commands to paste."""
    import json
    from shlex import quote

    name, url = server.name, server.url
    key_header = f' -H "Authorization: Bearer ${key_name}"' if key_name else ""
    key_option = f" --api-key-env {key_name}" if key_name else ""
    body = quote(json.dumps({"model": name, "prompt": "Test", "max_tokens": 10}))
    typer.echo(f"{name} at {url} ({state}; Ctrl-C ends it)")
    typer.echo("In another terminal:")
    typer.echo(f"  curl {url}/v1/completions -H 'Content-Type: application/json'{key_header} -d {body}")
    typer.echo(
        f"  grace query study1 --input data/test_sample_study1.csv --output outputs/test_study1.csv "
        f"--model-endpoint {url} --model-name {quote(name)}{key_option}"
    )
