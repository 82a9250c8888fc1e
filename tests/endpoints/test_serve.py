"""`grace serve` as a process: the plan's three curl calls, keys, and how it ends."""

import json
import os
import re
import signal
import socket
import subprocess
from pathlib import Path

import psutil
import pytest

import vllm_stand_in
from grace.models.files import model_path
from limits import HANG
from served import ask, ends, is_open, occupy, serving

NAME = "smollm2-135m"
FAST = ("--context", "512", "--parallel", "2")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def curl(*arguments: str) -> str:
    """What curl prints."""
    done = subprocess.run(["curl", "-sS", "--noproxy", "*", *arguments], capture_output=True, text=True, timeout=HANG)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_plan_s_three_calls_and_ctrl_c():
    port = free_port()
    with serving("--port", str(port), *FAST) as (process, lines):
        address = f"http://localhost:{port}"
        assert json.loads(curl(f"{address}/health")) == {"status": "ok"}
        assert json.loads(curl(f"{address}/v1/models"))["data"][0]["id"] == NAME
        body = '{"model":"gemma-2-2b-it","prompt":"Test","max_tokens":10}'
        reply = curl(f"{address}/v1/completions", "-H", "Content-Type: application/json", "-d", body)
        assert json.loads(reply)["choices"][0]["text"]
        assert lines[0].startswith(f"{NAME} at http://127.0.0.1:{port} (ready")
        answered: list[object] = []
        waiting = occupy(f"http://127.0.0.1:{port}", "", answered)
        ends(process, signal.SIGINT)
        for thread in waiting:
            thread.join(HANG)
        assert not answered  # it was not waited for
        assert not is_open(f"http://127.0.0.1:{port}")


def test_the_printed_curl_command_works_with_the_key_and_without_it_nothing_does():
    with serving("--port", "0", "--api-key-env", "MY_KEY", *FAST, MY_KEY="s3cret") as (process, lines):
        url = re.search(r"http://[\d.:]+", lines[0]).group()
        assert "s3cret" not in "".join(lines)
        printed = lines[2].strip().replace("curl", "curl -sS --noproxy '*'", 1)
        done = subprocess.run(
            ["sh", "-c", printed], env=os.environ | {"MY_KEY": "s3cret"}, capture_output=True, text=True, timeout=HANG
        )
        assert json.loads(done.stdout)["choices"][0]["text"]
        assert ask(url, "/v1/completions", {"prompt": "Test"})[0] == 401
        ends(process, signal.SIGTERM)


def test_a_path_and_names(tmp_path):
    path = tmp_path / "my-model.gguf"
    path.symlink_to(model_path(NAME))
    with serving(str(path), "--port", "0", *FAST) as (process, lines):
        assert lines[0].startswith("my-model at ")
        ends(process, signal.SIGINT)
    with serving(str(path), "--port", "0", "--served-model-name", "gemma-2-2b-it", *FAST) as (process, lines):
        assert "--model-name gemma-2-2b-it" in lines[3]
        ends(process, signal.SIGINT)


def test_a_server_that_dies_is_told():
    with serving("--port", "0", *FAST) as (process, _):
        (child,) = psutil.Process(process.pid).children()
        child.kill()
        _, err = process.communicate(timeout=HANG)
        assert process.returncode == 3
        assert "llama.cpp ended by itself with code -9" in err


def test_a_taken_port_is_one_line(grace):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = grace("serve", "--port", taken.getsockname()[1])
    assert done.code == 2
    assert "cannot be used" in done.err
    assert done.err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--host", "0.0.0.0"], 2, "this machine only"),
        (["nothing.gguf"], 2, "no such file"),
        (["google/gemma-2-2b-it"], 2, "pip install vllm"),
        (["smolm2", "--engine", "llamacpp"], 2, "did you mean 'smollm2-135m'?"),
        (["--engine", "vllm"], 2, "not GGUF files"),
        (["owner/repo:file-Q4.gguf"], 3, "grace models pull owner/repo:file-Q4.gguf"),
        (["--api-key-env", "GRACE_NO_SUCH_KEY"], 2, "GRACE_NO_SUCH_KEY"),
        (["--parallel", "300"], 2, "256 at most"),
        (["--engine", "ollama"], 2, "ollama"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_cannot_be_served_is_one_clear_line(grace, monkeypatch, arguments, code, says):
    pytest.importorskip("huggingface_hub")
    monkeypatch.setattr("grace.endpoints.vllm.vllm_is_installed", lambda: False)
    done = grace("serve", "--port", free_port(), *arguments)
    assert done.code == code
    assert says in done.err


# vLLM, played by a package of the same name


@pytest.fixture
def stand_in(tmp_path: Path) -> str:
    """A PYTHONPATH with a package named vllm."""
    return vllm_stand_in.install(tmp_path)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_vllm_is_given_its_options_and_told_to_end(stand_in, number):
    arguments = ["google/gemma-2-2b-it", "--port", str(free_port()), "--api-key-env", "MY_KEY", "--context", "2048"]
    with serving(*arguments, PYTHONPATH=stand_in, MY_KEY="s3cret") as (process, lines):
        assert lines[0].startswith("gemma-2-2b-it at ")
        given, key = json.loads(process.stdout.readline())
        assert key == "s3cret"
        assert not any("s3cret" in part for part in given)
        assert {"--model=google/gemma-2-2b-it", "--served-model-name=gemma-2-2b-it", "--max-model-len=2048"} <= set(
            given
        )
        process.send_signal(number)
        assert process.communicate(timeout=HANG)[0] == "ended\n"
        assert process.returncode == 0


def test_vllm_that_does_not_start_is_told(stand_in):
    arguments = ["google/gemma-2-2b-it", "--port", str(free_port()), "--context", "99"]
    with serving(*arguments, PYTHONPATH=stand_in) as (process, _):
        _, err = process.communicate(timeout=HANG)
        assert process.returncode == 3
        assert "vLLM ended by itself with code 7" in err


@pytest.mark.parametrize("mode", ["ready", "silent"])
def test_vllm_ends_with_all_its_workers_when_its_owner_is_killed(stand_in, mode):
    """Also one that still loads (silent)."""
    arguments = ["google/gemma-2-2b-it", "--port", str(free_port())]
    with serving(*arguments, PYTHONPATH=stand_in, GRACE_STAND_IN=mode) as (process, _):
        assert process.stdout.readline().startswith("[[")  # it has started, and its worker
        processes = psutil.Process(process.pid).children(recursive=True)
        assert len(processes) == 3  # the leash, vLLM and its worker
        process.kill()
        _, alive = psutil.wait_procs(processes, timeout=60)
        assert not alive
