"""The embedded server with a real model: what it answers, to whom, and that it never outlives its owner."""

import importlib.util
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from grace.endpoints import embedded
from grace.endpoints.embedded import EmbeddedServer
from grace.endpoints.serving import NO_KEY
from grace.errors import InputError, ModelFileError
from grace.models.files import model_path
from grace.models.serving import F32, MOST_PARALLEL, ServingOptions, default_threads, llamacpp_settings, vllm_arguments
from limits import HANG
from served import ask, is_open, occupy

NAME = "smollm2-135m"
SMALL = ServingOptions(NAME, context=512, parallel=2)


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedServer]:
    with EmbeddedServer(model_path(NAME), SMALL) as server:
        yield server


# What it answers


def test_it_answers_under_its_name_at_loopback(server):
    assert server.url.startswith("http://127.0.0.1:")
    _, models, _ = ask(server.url, "/v1/models", key=server.api_key)
    assert [model["id"] for model in models["data"]] == [NAME]
    body = {"model": NAME, "messages": [{"role": "user", "content": "Say hello."}], "max_tokens": 8}
    status, reply, _ = ask(server.url, "/v1/chat/completions", body, key=server.api_key)
    assert status == 200
    assert reply["choices"][0]["message"]["content"]


def test_the_model_s_own_chat_template_is_used(server):
    body = {"messages": [{"role": "user", "content": "Say hello."}]}
    _, reply, _ = ask(server.url, "/apply-template", body, key=server.api_key)
    assert "<|im_start|>user\nSay hello.<|im_end|>\n<|im_start|>assistant\n" in reply["prompt"]


def test_each_slot_has_its_own_context_and_nothing_shapes_the_distribution(server):
    _, facts, _ = ask(server.url, "/props", key=server.api_key)
    settings = facts["default_generation_settings"]
    assert (facts["total_slots"], settings["n_ctx"]) == (2, 512)
    assert facts["model_path"] == str(model_path(NAME))
    shaping = {name: settings["params"][name] for name in ("top_k", "top_p", "min_p", "repeat_penalty")}
    assert shaping == {"top_k": 0, "top_p": 1, "min_p": 0, "repeat_penalty": 1}


def test_a_prompt_longer_than_a_slot_is_refused_not_cut(server):
    status, reply, _ = ask(server.url, "/v1/completions", {"prompt": "word " * 600}, key=server.api_key)
    assert status == 400
    assert "context" in reply["error"]["message"]


# To whom


@pytest.mark.parametrize("key", ["", "wrong"])
def test_only_who_has_the_key_is_answered(server, key):
    assert len(server.api_key) > 30
    assert ask(server.url, "/v1/completions", {"prompt": "Test", "max_tokens": 1}, key=key)[0] == 401


def test_each_server_has_its_own_key():
    keys = {EmbeddedServer(Path("x"), SMALL).api_key for _ in range(3)}
    assert len(keys) == 3
    assert EmbeddedServer(Path("x"), SMALL, api_key="mine").api_key == "mine"
    assert EmbeddedServer(Path("x"), SMALL, api_key=NO_KEY).api_key == ""


def test_web_sites_and_the_curious_get_nothing(server):
    origin = {"Origin": "http://site.example"}
    for method in ("GET", "OPTIONS"):
        _, _, headers = ask(server.url, "/v1/models", key=server.api_key, headers=origin, method=method)
        assert not headers.get("access-control-allow-origin")
        assert headers.get("access-control-allow-credentials") != "true"
    assert ask(server.url, "/", key=server.api_key)[0] == 404  # no page
    assert ask(server.url, "/slots", key=server.api_key)[0] == 501  # no view into others' requests


def test_the_key_is_not_among_the_arguments_of_any_process(server):
    processes = [psutil.Process(), *psutil.Process().children(recursive=True)]
    arguments = [" ".join(process.cmdline()) for process in processes]
    assert any("llamacpp_child" in line for line in arguments)
    assert not any(server.api_key in line for line in arguments)


# How it ends


def test_closing_is_quick_even_while_it_works_and_leaves_nothing():
    answered: list[object] = []
    with EmbeddedServer(model_path(NAME), SMALL) as server:
        waiting = occupy(server.url, server.api_key, answered)
    for thread in waiting:
        thread.join(HANG)
    assert not answered
    assert not is_open(server.url)


OWNER = """
import sys, time
from grace.endpoints.embedded import EmbeddedServer
with EmbeddedServer.of("smollm2-135m") as server:
    print(server.url, server.api_key, flush=True)
    try:
        time.sleep(600)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_no_server_outlives_its_owner(number):
    command = [sys.executable, "-c", f"import signal; signal.signal(2, signal.default_int_handler){OWNER}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        assert owner.stderr is not None
        url, key = owner.stdout.readline().split()
        children = psutil.Process(owner.pid).children(recursive=True)
        waiting = occupy(url, key)
        owner.send_signal(number)
        gone, alive = psutil.wait_procs(children, timeout=HANG)
        assert gone
        assert not alive
        owner.wait(HANG)
        for thread in waiting:
            thread.join(HANG)
        assert not is_open(url)
        assert owner.stderr.read() == ""  # llama.cpp's log stays away from the terminal
        if number == signal.SIGINT:
            assert owner.stdout.read() == "interrupted\n"
            assert owner.returncode == 0


def test_ctrl_c_on_the_terminal_is_the_owner_s_to_handle(server):
    (child,) = [process for process in psutil.Process().children() if "llamacpp_child" in " ".join(process.cmdline())]
    assert os.getsid(child.pid) != os.getsid(0)


# What cannot be served


def cannot_serve(path: Path, options: ServingOptions = SMALL) -> str:
    """The message about a file that cannot be served."""
    with pytest.raises(ModelFileError) as error, EmbeddedServer(path, options):
        pass
    assert "\n" not in str(error.value)
    return str(error.value)


def test_files_that_are_no_models(tmp_path):
    path = tmp_path / "model.gguf"
    assert "model.gguf: cannot be read: No such file" in cannot_serve(path)
    path.write_bytes(b"<html>not here</html>")
    assert "is not a GGUF file" in cannot_serve(path)
    path.write_bytes(b"GGUF\x03\0\0\0and then rubbish of all kinds")
    assert "llama.cpp cannot serve it: " in cannot_serve(path)
    whole = model_path(NAME)
    with open(whole, "rb") as file:
        path.write_bytes(file.read(5_000_000))
    assert "corrupted or incomplete" in cannot_serve(path)


def test_a_child_that_dies_at_once_is_told_with_its_last_line(tmp_path, monkeypatch):
    child = tmp_path / "child.py"
    child.write_text("import sys; sys.exit('out of luck')")
    monkeypatch.setattr(embedded, "_CHILD", child)
    assert cannot_serve(model_path(NAME)).endswith("llama.cpp cannot serve it: out of luck")


@pytest.mark.parametrize(
    ("log", "code"),
    [("0.1 E llama_init: failed\n0.2 E x: failed to initialize the context: std::bad_alloc", 1), ("", -9)],
    ids=["told", "killed"],
)
def test_too_little_memory_is_named(log, code):
    assert embedded._why(log, code).startswith("not enough memory")


def test_a_taken_port_is_named():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with (
            pytest.raises(InputError, match=rf"port {port} of 127\.0\.0\.1 cannot be used: .*--port"),
            EmbeddedServer(model_path(NAME), ServingOptions(NAME, port=port)),
        ):
            pass


def test_without_llama_cpp_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"grace-experiments\[local\]"), EmbeddedServer(model_path(NAME), SMALL):
        pass


def test_a_model_is_served_under_the_very_name_that_was_asked_for(tmp_path):
    path = tmp_path / "my model.gguf"
    path.symlink_to(model_path(NAME))
    with EmbeddedServer.of(str(path)) as server:
        assert server.name == str(path)
        assert ask(server.url, "/v1/models", key=server.api_key)[1]["data"][0]["id"] == str(path)


# Options


def test_one_set_of_options_for_both_servers():
    options = ServingOptions("gemma", port=8001, context=2048, parallel=4)
    settings = llamacpp_settings(Path("gemma.gguf"), options, "")
    assert settings["n_ctx"] == 4 * 2048
    assert settings["api_keys"] == []
    assert settings["cpuparams.n_threads"] == default_threads()
    arguments = vllm_arguments("google/gemma-2-2b-it", options)
    for part in ("--served-model-name=gemma", "--port=8001", "--max-model-len=2048", "--max-num-seqs=4"):
        assert part in arguments
    assert "--generation-config=vllm" in arguments
    assert not any("max-model-len" in part for part in vllm_arguments("x", ServingOptions("x")))
    assert "cache_type_k" not in settings
    exact = llamacpp_settings(Path("x"), ServingOptions("x", exact=True), "")
    assert (exact["cache_type_k"], exact["cache_type_v"]) == (F32, F32)


def test_options_that_cannot_be_served():
    with pytest.raises(InputError, match=r"host 0\.0\.0\.0"):
        ServingOptions("x", host="0.0.0.0")
    with pytest.raises(InputError, match=f"{MOST_PARALLEL} at most"):
        llamacpp_settings(Path("x"), ServingOptions("x", parallel=MOST_PARALLEL + 1), "")
    with pytest.raises(InputError, match="threads"):
        vllm_arguments("x", ServingOptions("x", threads=2))
    with pytest.raises(InputError, match="exact"):
        vllm_arguments("x", ServingOptions("x", exact=True))
