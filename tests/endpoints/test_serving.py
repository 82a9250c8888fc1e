"""The contract of model servers that Grace starts itself: llama.cpp with a real model, and a stand-in for vLLM."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

import vllm_stand_in
from grace.endpoints import embedded, vllm
from grace.endpoints.embedded import EmbeddedServer
from grace.endpoints.serving import ModelServer
from grace.endpoints.vllm import VllmServer
from grace.errors import EndpointError, InputError
from grace.models.files import model_path
from grace.models.serving import ServingOptions
from served import ask, is_open

NAME = "smollm2-135m"


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """vLLM is installed, as it seems, and has two seconds to end."""
    monkeypatch.setenv("PYTHONPATH", vllm_stand_in.install(tmp_path))
    monkeypatch.setattr(vllm, "vllm_is_installed", lambda: True)
    monkeypatch.setattr(vllm, "END_SECONDS", 2.0)


@pytest.fixture(params=["llamacpp", "vllm"])
def make(
    request: pytest.FixtureRequest, stand_in: None, tmp_path: Path, unused_port: int
) -> Callable[..., ModelServer]:
    """Makes a server of either engine."""

    def make(limit: float | None = None) -> ModelServer:
        if request.param == "vllm":
            options = ServingOptions(NAME, port=unused_port)
            return VllmServer("owner/model", options, limit=limit, log=tmp_path / "vllm.log")
        return EmbeddedServer(model_path(NAME), ServingOptions(NAME, context=512, parallel=1), limit=limit)

    return make


def children() -> list[psutil.Process]:
    return psutil.Process().children(recursive=True)


def test_in_the_block_it_answers_and_behind_it_nothing_is_left(make: Callable[..., ModelServer]) -> None:
    with make() as server:
        assert server.name == NAME
        assert len(server.api_key) > 30
        assert ask(server.url, "/health", key=server.api_key)[0] == 200
        server.wait(0)  # it is alive
        processes = children()
        assert processes
    psutil.wait_procs(processes, timeout=10)
    assert not any(process.is_running() for process in processes)
    assert not is_open(server.url)


def test_one_that_ends_by_itself_is_told_with_its_code(make: Callable[..., ModelServer]) -> None:
    with make() as server:
        leader = psutil.Process().children()[0]
        served = [*leader.children(), leader][0]  # the process that serves: llama.cpp's child, or vLLM below its leash
        served.send_signal(signal.SIGKILL)
        with pytest.raises(EndpointError, match="ended by itself with code -9"):
            server.wait(30)
        processes = children()
    psutil.wait_procs(processes, timeout=10)
    assert not any(process.is_running() for process in processes)  # nor vLLM's worker


def test_one_that_does_not_answer_within_its_limit(
    make: Callable[..., ModelServer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = tmp_path / "child.py"
    child.write_text("import sys; sys.stdin.buffer.read()")  # llama.cpp that loads for ever
    monkeypatch.setattr(embedded, "_CHILD", child)
    monkeypatch.setenv("GRACE_STAND_IN", "silent")
    with pytest.raises(EndpointError, match=r"did not answer within 0\.2 s"), make(limit=0.2):
        pass
    assert not children()


@pytest.mark.usefixtures("stand_in")
def test_vllm_that_does_not_start_leaves_its_messages_in_the_log(tmp_path: Path, unused_port: int) -> None:
    log = tmp_path / "vllm.log"
    options = ServingOptions("m", port=unused_port, context=99)
    with pytest.raises(EndpointError) as error, VllmServer("owner/model", options, log=log):
        pass
    assert str(error.value) == f"vLLM ended by itself with code 7; its messages in {log} say why"
    assert log.read_text() == "out of luck\n"


@pytest.mark.usefixtures("stand_in")
def test_vllm_that_does_not_listen_is_killed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, unused_port: int) -> None:
    monkeypatch.setattr(vllm, "END_SECONDS", 0.1)
    monkeypatch.setenv("GRACE_STAND_IN", "stubborn")
    with VllmServer("owner/model", ServingOptions("m", port=unused_port), log=tmp_path / "vllm.log"):
        processes = children()
        assert len(processes) == 3
        assert all(os.getsid(process.pid) != os.getsid(0) for process in processes)
    _, alive = psutil.wait_procs(processes, timeout=10)
    assert not alive


@pytest.mark.usefixtures("stand_in")
def test_a_log_that_cannot_be_written_is_named(tmp_path: Path, unused_port: int) -> None:
    server = VllmServer("owner/model", ServingOptions("m", port=unused_port), log=tmp_path / "none" / "vllm.log")
    with pytest.raises(InputError, match=r"vllm\.log: cannot be written: No such file"), server:
        pass
    assert not children()
