"""`grace serve`."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from grace.cli.options import read_key
from grace.errors import EndpointError, InputError

if TYPE_CHECKING:
    from grace.models.serving import ServingOptions


class Engine(StrEnum):
    """What serves the model."""

    auto = "auto"
    llamacpp = "llamacpp"
    vllm = "vllm"


def serve(
    model: Annotated[
        str,
        typer.Argument(help="Name from `grace models list`, a .gguf file, a model folder, or an id on a model hub."),
    ] = "smollm2-135m",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen at; 0 finds a free one.")] = 8000,
    host: Annotated[str, typer.Option(help="Address to listen at; it must be this machine's own.")] = "127.0.0.1",
    engine: Annotated[
        Engine, typer.Option(help="What serves it. auto: llama.cpp for GGUF files, vLLM for anything else.")
    ] = Engine.auto,
    served_model_name: Annotated[
        str | None, typer.Option(metavar="NAME", help="What clients call the model. Default: from its name.")
    ] = None,
    context: Annotated[int | None, typer.Option(min=16, help="Longest prompt and answer together, in tokens.")] = None,
    parallel: Annotated[int | None, typer.Option(min=1, help="Requests worked on at once.")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Processor threads (llama.cpp).")] = None,
    api_key_env: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Environment variable with a key that clients must send."),
    ] = None,
) -> None:
    """Serve a model on this machine until Ctrl-C, at an address that `grace query` and curl can ask.

    \b
    Examples:
      grace serve
      grace serve --port 8000 --served-model-name gemma-2-2b-it
      grace serve models/gemma-2-2b-it-Q4_K_M.gguf --context 2048 --parallel 4
      grace serve google/gemma-2-2b-it --engine vllm --api-key-env MY_KEY
    """
    from grace.endpoints.vllm import vllm_is_installed
    from grace.models.serving import ServingOptions

    key = read_key(api_key_env) or ""
    is_file = _is_gguf(model)
    if engine is Engine.auto and not is_file and not vllm_is_installed():
        raise InputError(
            f"{model}: is not a GGUF file, and vLLM, which could serve it, is not installed (pip install vllm)"
        )
    if engine is Engine.llamacpp or (engine is Engine.auto and is_file):
        from grace.models.files import find_model

        found = find_model(model)
        options = ServingOptions(served_model_name or found.name, host, port, context, parallel, threads)
        _serve_llamacpp(found.path, options, key, api_key_env)
        return
    if is_file:
        raise InputError(f"{model}: vLLM serves model folders and hub ids, not GGUF files; leave out --engine vllm")
    options = ServingOptions(served_model_name or Path(model).absolute().name, host, port, context, parallel, threads)
    _serve_vllm(model, options, key, api_key_env)


def _is_gguf(model: str) -> bool:
    from grace.models.catalogue import catalogue

    return model in catalogue() or model.lower().endswith(".gguf")


def _serve_llamacpp(path: Path, options: "ServingOptions", key: str, key_name: str | None) -> None:
    import signal

    from grace.endpoints.embedded import EmbeddedServer

    # SIGTERM is as good an end as Ctrl-C, which shells let jobs in the background ignore; nohup is to hold.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
        signal.signal(signal.SIGHUP, signal.default_int_handler)
    try:
        with EmbeddedServer(path, options, api_key=key) as server:
            _tell(options.name, server.url, key_name, "ready")
            code = server.wait()
    except KeyboardInterrupt:
        return
    raise EndpointError(
        f"llama.cpp ended by itself with code {code}; start it again, with less --context if memory ran out"
    )


def _serve_vllm(model: str, options: "ServingOptions", key: str, key_name: str | None) -> None:
    from grace.endpoints.vllm import run_vllm

    url = f"http://{options.host}:{options.port}"
    _tell(options.name, url, key_name, "starting; ready when /health answers")
    run_vllm(model, options, key)


def _tell(name: str, url: str, key_name: str | None, state: str) -> None:
    """Say where the model is, with two commands to paste."""
    import json
    from shlex import quote

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
