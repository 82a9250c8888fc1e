"""`grace visit`: all that is asked of a model while it is there, and the waiting around it."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from canned import CannedServer, error
from conftest import ROOT, Command, Result, read_rows
from grace.declared import read
from grace.endpoints import waiting
from grace.endpoints.embedded import EmbeddedServer
from grace.endpoints.serving import OwnedProcess
from grace.errors import InputError, ModelFileError
from grace.runs import Run
from grace.stages.scores.ask import Score
from grace.stages.visit_file import VisitFile
from limits import HANG
from table_model import TableServer
from things import MODEL, STUDY, TRIALS

pytestmark = pytest.mark.usefixtures("impatient")

BOTH = """\
studies:
  - {study: study1, input: study1.csv}
  - {study: study2, input: study2.csv}
"""
FOUR_TABLES = {"more_things.csv": 6, "more_things_scores.csv": 6, "things.csv": 6, "things_scores.csv": 6}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A visit file with its tables, ten trials of each built-in study."""
    for study in ("study1", "study2"):
        (tmp_path / f"{study}.csv").write_bytes((ROOT / "data" / f"test_sample_{study}.csv").read_bytes())
    (tmp_path / "visit.yaml").write_text(BOTH)
    return tmp_path


@pytest.fixture
def table_server() -> Iterator[TableServer]:
    with TableServer(MODEL, "vllm") as server:
        yield server


class Clock:
    """Goes on only while its owner sleeps, so that a busy machine is no slow server."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        time.sleep(seconds)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting looks often, and gives up soon."""
    monkeypatch.setattr(waiting, "time", Clock())
    monkeypatch.setattr(waiting, "EVERY_SECONDS", 0.02)
    monkeypatch.setattr(waiting, "GONE_SECONDS", 0.2)


def test_both_experiments_of_all_studies(grace: Command, table_server: TableServer, folder: Path) -> None:
    """Weights load once; the tables are those that the single commands make."""
    _two_studies(folder, "query: {max_tokens: 1}")
    out = folder / "out"
    server = ("--model-endpoint", table_server.url, "--model-name", table_server.name)
    done = grace("visit", folder / "visit.yaml", "--out", out, *server, "--model-revision", "owner/model@1")
    assert done.code == 0, done.err
    assert {path.name: len(read_rows(path)) for path in out.glob("*.csv")} == FOUR_TABLES
    alone = folder / "alone.csv"
    grace("score", folder / "things.yaml", "--input", folder / "t.csv", "--output", alone, *server)
    assert read_rows(alone) == read_rows(out / "things_scores.csv")
    ledgers = {path: path.read_bytes() for path in out.glob("*.run/ledger.jsonl")}
    again = grace("visit", folder / "visit.yaml", "--out", out, *server, "--model-revision", "owner/model@1")
    assert again.code == 0
    assert len(ledgers) == 4
    assert {path: path.read_bytes() for path in ledgers} == ledgers  # nothing is asked twice


def test_the_embedded_server_is_started_once_and_scores_as_for_each_command(
    grace: Command, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its slots are for Experiment 1; Experiment 2 uses one of them, so it gets the numbers of a server with one."""
    starts = []
    start = OwnedProcess.__init__

    def counted(self: OwnedProcess, *arguments: Any, **named: Any) -> None:
        starts.append(arguments)
        start(self, *arguments, **named)

    monkeypatch.setattr(OwnedProcess, "__init__", counted)
    _two_studies(folder, "query: {max_tokens: 4, temperature: 0}\nscore: {residual: 0}")
    out = folder / "out"
    done = grace("visit", folder / "visit.yaml", "--out", out)
    assert done.code == 0, done.err
    assert len(starts) == 1
    assert {path.name: len(read_rows(path)) for path in out.glob("*.csv")} == FOUR_TABLES
    for study, file in (("things", "things.yaml"), ("more_things", "more.yaml")):
        sessions = Run(out / f"{study}_scores.run").sessions
        assert [session.endpoint for session in sessions] == ["embedded"]
        alone = folder / f"{study}_scores.csv"
        grace("score", folder / file, "--input", folder / "t.csv", "--output", alone, "--residual", 0)
        assert alone.read_bytes() == (out / alone.name).read_bytes()
    assert len(starts) == 3


def test_a_server_that_died_is_started_again_for_the_next_task(
    grace: Command, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    servers: list[OwnedProcess] = []
    start, prepared = OwnedProcess.__init__, Score.prepared

    def counted(self: OwnedProcess, *arguments: Any, **named: Any) -> None:
        servers.append(self)
        start(self, *arguments, **named)

    def kill_first(self: Score, progress: Any) -> Any:
        if len(servers) == 1:
            servers[0].end(0)
        return prepared(self, progress)

    monkeypatch.setattr(OwnedProcess, "__init__", counted)
    monkeypatch.setattr(Score, "prepared", kill_first)
    _two_studies(folder, "query: {max_tokens: 4, temperature: 0}")
    done = grace("visit", folder / "visit.yaml", "--out", folder / "out", "--limit", 1, "--max-retries", 0)
    assert done.code == 3, done.err
    assert len(servers) == 2
    made = {path.name for path in (folder / "out").glob("*.csv")}
    assert made == FOUR_TABLES.keys() - {"things_scores.csv"}


def test_a_server_that_cannot_start_is_tried_once_and_all_tasks_fail_for_that_reason(
    grace: Command, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    starts = 0

    def refuse(*_: object, **options: object) -> EmbeddedServer:
        nonlocal starts
        starts += 1
        raise ModelFileError("tiny.gguf: llama.cpp cannot serve it")

    monkeypatch.setattr(EmbeddedServer, "of", refuse)
    done = grace("visit", folder / "visit.yaml", "--out", folder / "out")
    assert done.code == 3
    assert starts == 1
    assert done.err.count("grace: tiny.gguf: llama.cpp cannot serve it") == 4


def test_what_fails_does_not_keep_the_others_from_being_asked(
    grace: Command, canned: CannedServer, folder: Path
) -> None:
    """The canned server has no logprobs: Experiment 2 is refused, Experiment 1 of both studies is done all the same."""
    done = grace(
        *("visit", folder / "visit.yaml", "--out", folder / "out"),
        *("--model-endpoint", canned.url, "--model-name", "canned"),
    )
    assert done.code == 3
    assert sorted(path.name for path in (folder / "out").glob("*.csv")) == ["study1.csv", "study2.csv"]


def test_a_table_that_is_missing_is_named_and_the_rest_is_asked(
    grace: Command, canned: CannedServer, folder: Path
) -> None:
    (folder / "study1.csv").unlink()
    (folder / "visit.yaml").write_text(BOTH + "experiments: [1]\n")
    done = grace(
        *("visit", folder / "visit.yaml", "--out", folder / "out"),
        *("--model-endpoint", canned.url, "--model-name", "canned"),
    )
    assert done.code == 2
    assert "study1.csv" in done.err
    assert len(read_rows(folder / "out" / "study2.csv")) == 10


def test_failed_requests_give_1(grace: Command, canned: CannedServer, folder: Path) -> None:
    async def refuse(number: int, body: object) -> web.StreamResponse | None:
        return error(400, "no") if number == 3 else None

    canned.handler = refuse
    (folder / "visit.yaml").write_text(BOTH + "experiments: [1]\n")
    done = grace(
        *("visit", folder / "visit.yaml", "--out", folder / "out"),
        *("--model-endpoint", canned.url, "--model-name", "canned"),
    )
    assert done.code == 1
    assert "1 row: " in done.out


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("studies: []\n", "studies: is empty"),
        ("[", "is not YAML"),
        ("", "the file: must hold fields"),
        (BOTH + "experiments: [3]\n", "experiments.0: must be 1 or 2"),
        (BOTH + "experimnets: [1]\n", "the file: no field 'experimnets' (did you mean 'experiments'?)"),
        (BOTH + "query: {temperature: .nan}\n", "query.temperature: must be a finite number"),
        (BOTH + "query: {seed: true, max_tokens: 0}\n", "query.max_tokens"),
        (BOTH + "  - {study: study3, input: a.csv}\n", "there is no study"),
        (BOTH + "  - {study: study1, input: other.csv}\n", "lists a study twice"),
    ],
)
def test_an_invalid_visit_file(grace: Command, folder: Path, text: str, why: str) -> None:
    (folder / "visit.yaml").write_text(text)
    refused = grace("visit", folder / "visit.yaml", "--out", folder / "out")
    assert refused.code == 2
    assert why in refused.err, refused.err
    assert "visit.yaml" in refused.err or "study3" in refused.err
    assert not (folder / "out").exists()


def test_no_visit_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.yaml: cannot be read: No such file"):
        read(tmp_path / "none.yaml", VisitFile)


@pytest.mark.usefixtures("quick")
def test_it_waits_for_the_server(grace: Command, canned: CannedServer, folder: Path) -> None:
    (folder / "visit.yaml").write_text(BOTH + "experiments: [1]\n")
    canned.health = 503
    timer = threading.Timer(0.3, lambda: setattr(canned, "health", 200))
    timer.start()
    done = _visit(grace, folder, canned.url, "--wait", HANG)
    timer.join()
    assert done.code == 0, done.err
    assert "waiting for" in done.err


@pytest.mark.usefixtures("quick")
def test_a_server_that_does_not_come_up(grace: Command, folder: Path, unused_port: int) -> None:
    done = _visit(grace, folder, f"http://127.0.0.1:{unused_port}", "--wait", 0.1)
    assert done.code == 3
    assert "was not ready within 0 s; it last said: cannot connect: Connection refused" in done.err


@pytest.mark.usefixtures("quick")
def test_pods_after_the_first_wait_for_the_leader_to_end(
    grace: Command, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They hold a part of the model; asking is the first one's. Without it they are of no use, and come again."""
    monkeypatch.setenv("JOB_COMPLETION_INDEX", "1")
    watched, ending = threading.Event(), threading.Event()

    class Leader(CannedServer):
        looks = 0

        async def _health(self, request: web.Request) -> web.Response:
            self.looks += 1
            if self.looks > 20:
                watched.set()
            return await super()._health(request)

    def end() -> None:
        watched.wait(HANG)
        ending.set()
        leader.__exit__(None, None, None)

    leader = Leader()
    leader.__enter__()
    ends = threading.Thread(target=end)
    ends.start()
    done = _visit(grace, folder, leader.url, "--wait", HANG, "--leader", leader.url)
    ended_before = ending.is_set()
    ends.join()
    assert done.code == 75, done.err
    assert f"grace: {leader.url}: is gone" in done.err
    assert ended_before
    assert leader.count == 0


def test_the_first_pod_asks(
    grace: Command, canned: CannedServer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOB_COMPLETION_INDEX", "0")
    (folder / "visit.yaml").write_text(BOTH + "experiments: [1]\n")
    done = _visit(grace, folder, canned.url, "--leader", canned.url)
    assert done.code == 0, done.err
    assert canned.count == 20


def _visit(grace: Command, folder: Path, url: str, *options: object) -> Result:
    server = ("--model-endpoint", url, "--model-name", "canned")
    return grace("visit", folder / "visit.yaml", "--out", folder / "out", *server, *options)


def _two_studies(folder: Path, settings: str) -> None:
    """A visit file with two small studies, six trials each."""
    study = STUDY + "protocols: {plain: {turns: {ask: 'What is {{ thing }} like?'}}}\n"
    (folder / "things.yaml").write_text(study)
    (folder / "more.yaml").write_text(study.replace("name: things", "name: more_things"))
    (folder / "t.csv").write_text(TRIALS)
    studies = "studies: [{study: things.yaml, input: t.csv}, {study: more.yaml, input: t.csv}]\n"
    (folder / "visit.yaml").write_text(studies + settings + "\n")
