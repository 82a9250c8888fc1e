"""What many tests need: a canned model server, the command line, a small table of trials."""

import csv
import os
import shutil
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from browser import Tab, browse
from canned import CannedServer
from forge import end_shared_forge

ROOT = Path(__file__).parents[1]

# Matrices are small here: threads that wait for each other take more than twice the CPU time of one that computes.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# A busy machine takes long to make an example and to try it: that is no failure.
settings.register_profile("grace", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("grace")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with a slow test come first, so that no core is left with one at the end."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="module", autouse=True)
def _forge_of_a_file() -> Iterator[None]:
    yield
    end_shared_forge()


@dataclass(frozen=True)
class Result:
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str


Command = Callable[..., Result]


@pytest.fixture
def grace(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """Call the command line in this process: `grace("query", "study1", "--limit", 3)`."""
    from grace.cli import main

    monkeypatch.setenv("GRACE_DEBUG", "")

    def run(*arguments: object) -> Result:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        code = ended.value.code
        return Result(code if isinstance(code, int) else 0, *capsys.readouterr())

    return run


@pytest.fixture
def canned() -> Iterator[CannedServer]:
    """A server of the model "canned"; tests change its attributes to make it misbehave."""
    with CannedServer() as server:
        yield server


@pytest.fixture
def tab() -> Iterator[Tab]:
    """A tab of a real Chromium; the test is skipped where there is none."""
    with browse() as tab:
        yield tab


@pytest.fixture
def trials(tmp_path: Path) -> Path:
    """The first twelve rows of study 1."""
    with open(ROOT / "data" / "study1.csv", newline="") as file:
        rows = list(csv.reader(file))[:13]
    path = tmp_path / "trials.csv"
    with open(path, "w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)
    return path


@pytest.fixture
def query(grace: Command, canned: CannedServer, trials: Path, tmp_path: Path) -> Command:
    """`grace query study1` about `trials` on `canned`, to answers.csv; options given replace these."""
    usual = {
        "--input": trials,
        "--output": tmp_path / "answers.csv",
        "--model-endpoint": canned.url,
        "--model-name": "canned",
    }

    def run(*options: object) -> Result:
        defaults = [part for name, value in usual.items() if name not in options for part in (name, value)]
        return grace("query", "study1", *defaults, *options)

    return run


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries follow at once."""
    monkeypatch.setattr("grace.endpoints.client._backoff", lambda tries: 0.01)


@pytest.fixture(scope="module")
def one_core() -> Iterator[None]:
    """What starts meanwhile has one core, and so an embedded server one thread.

    Threads that wait for each other take more CPU time than one, and other tests use the other cores.
    """
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    cores = os.sched_getaffinity(0)
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    os.sched_setaffinity(0, {sorted(cores)[worker % len(cores)]})
    yield
    os.sched_setaffinity(0, cores)


@pytest.fixture
def unused_port() -> int:
    """A port of this machine that nobody listens at."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return int(held.getsockname()[1])


@pytest.fixture(scope="session")
def carried(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose local lineup is done. Not to be changed: `project` is a copy."""
    import roads

    folder = roads.begin(tmp_path_factory.mktemp("carried") / "project")
    assert roads.carry(folder) in (0, 1)  # the model knows nothing, so its data fails checks
    return folder


@pytest.fixture
def project(carried: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that project; commands are called in it."""
    folder = tmp_path / "project"
    shutil.copytree(carried, folder)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder beside the checkout, or in GRACE_SHARED, with researchers' own files in data/."""
    folder = Path(os.environ.get("GRACE_SHARED", ROOT.parent / "shared"))
    if not (folder / "data" / "study1.csv").exists():
        pytest.skip(f"no data of researchers in {folder / 'data'}")
    return folder


def read_rows(path: Path) -> list[dict[str, Any]]:
    """A CSV file's rows."""
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, strict=True))
