"""Of many processes that want a run, in one container or in several, one writes it."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from canned import CannedServer
from conftest import ROOT
from grace.ledger import scan
from limits import HANG

ROUNDS = 5 * int(os.environ.get("GRACE_KILLS", "0")) or 200


def test_of_eight_contenders_one_holds_the_lock(tmp_path: Path) -> None:
    script = ROOT / "tests" / "support" / "racing.py"
    command = [sys.executable, script, tmp_path, str(ROUNDS)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=HANG * 20)
    assert done.returncode == 0, done.stderr
    raced = json.loads(done.stdout)
    print(raced)
    assert raced["wrong"] == []
    assert raced["taken"] >= ROUNDS
    assert raced["died"] > ROUNDS / 20
    assert not (tmp_path / "inside").exists()


def in_container(*command: object) -> list[str]:
    """A command with process numbers of its own under the host's name, as in a container on the host's network."""
    return ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", *map(str, command)]


@pytest.fixture
def containers() -> None:
    if not shutil.which("unshare") or subprocess.run(in_container("true"), capture_output=True).returncode:
        pytest.skip("needs unshare, and the right to make namespaces")


def test_two_containers_never_write_one_run(
    containers: None, canned: CannedServer, trials: Path, tmp_path: Path
) -> None:
    refused = Event()

    async def wait(number: int, body: dict[str, Any]) -> None:
        """Let the third request wait until the second command has ended."""
        if number > 2:
            await asyncio.to_thread(refused.wait, HANG)

    canned.handler = wait
    output = tmp_path / "answers.csv"
    query = in_container(
        *(sys.executable, "-m", "grace", "query", "study1", "--input", trials, "--output", output),
        *("--model-endpoint", canned.url, "--model-name", "canned", "--concurrency", 1),
    )
    first = subprocess.Popen(query, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    lock, ledger = (output.with_suffix(".run") / name for name in ("lock", "ledger.jsonl"))
    end = time.monotonic() + HANG
    while not (ledger.exists() and ledger.stat().st_size) and first.poll() is None and time.monotonic() < end:
        time.sleep(0.01)
    assert json.loads(lock.read_bytes())["pid"] < 10  # as the other container counts: a process of its own has it
    second = subprocess.run(query, capture_output=True, text=True, timeout=HANG)
    refused.set()
    assert second.returncode == 2, second.stderr
    assert "is being written by process" in second.stderr
    assert "in another container of this machine" in second.stderr
    _, said = first.communicate(timeout=HANG)
    assert first.returncode == 0, said
    keys = [record["key"] for _, record in scan(ledger)]
    assert len(keys) == len(set(keys)) == canned.count == 12
    assert subprocess.run(query, capture_output=True, timeout=HANG).returncode == 0  # it is free again
    assert canned.count == 12
