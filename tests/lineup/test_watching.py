"""How far a lineup is: counted from ledgers that grow, seen through the back end, shown harmlessly."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from conftest import ROOT, Command
from grace.calls.display import Lines
from grace.endpoints.metrics import ServerMetrics
from grace.errors import ClusterError, InputError
from grace.ledger import void
from grace.lineup.backend import Sighting
from grace.lineup.counting import LedgerCounter
from grace.lineup.folder import LineupFolder, visited
from grace.lineup.journal import Journal, Step
from grace.lineup.lineup_file import LineupFile
from grace.lineup.prometheus import gpu_use
from grace.lineup.watching import ModelStatus, Watcher
from grace.stages.visit_file import VisitFile
from played_backend import PlayedBackend


def moment(seconds_ago: float = 0.0) -> str:
    return (datetime.now(UTC) - timedelta(seconds=seconds_ago)).isoformat().replace("+00:00", "Z")


def write(path: Path, *records: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "a") as file:
        file.writelines(json.dumps(record) + "\n" for record in records)


def answer(seconds_ago: float = 0.0, status: str = "answered") -> dict[str, Any]:
    return {"status": status, "ended": moment(seconds_ago), "response": {"text": '"status":"failed"\x1b[2J'}}


# --- counting --------------------------------------------------------------------------------------------------------


def test_a_growing_ledger_is_counted_once(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.jsonl"
    reader = LedgerCounter(ledger)
    assert reader.look().answered == 0
    write(ledger, answer(100), answer(50), answer(10, "failed"))
    counted = reader.look()
    assert (counted.answered, counted.failed) == (2, 1)
    assert counted.rate == pytest.approx(3 / 100, rel=0.1)
    with open(ledger, "a") as file:
        file.write('{"status": "answered", "ended"')
    assert reader.look().answered == 2
    with open(ledger, "a") as file:
        file.write(f': "{moment()}"}}\n')
    assert reader.look().answered == 3
    assert LedgerCounter(ledger).look().answered == 3


def test_what_is_voided_does_not_count(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.jsonl"
    write(ledger, answer(), answer(), answer())
    size = ledger.stat().st_size
    write(ledger, void([(size // 3, size)], "another server", moment()))
    assert LedgerCounter(ledger).look().answered == 1


def test_a_ledger_that_is_replaced_is_counted_anew_and_a_damaged_line_is_passed_over(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.jsonl"
    reader = LedgerCounter(ledger)
    write(ledger, answer(), answer(), answer())
    assert reader.look().answered == 3
    ledger.write_text("no json\n[]\n")
    write(ledger, answer())
    assert reader.look().answered == 1


def test_the_rate_of_a_ledger_that_stands_still_is_none(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.jsonl"
    write(ledger, *(answer(4000 + number) for number in range(10)))
    assert LedgerCounter(ledger).look().rate == 0


# --- looking ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> LineupFolder:
    folder = LineupFolder(tmp_path / "lineups" / "seen")
    visits, inputs = visited([("study1", ROOT / "data" / "test_sample_study1.csv")])
    folder.begin(LineupFile(name="seen", profile="local", models=("a", "b")), VisitFile(studies=visits), inputs)
    return folder


def begin_visit(folder: LineupFolder, model: str) -> Journal:
    """A journal that stands in the middle of a visit."""
    journal = Journal(folder.journal)
    for step in (Step.CHECK, Step.WEIGHTS, Step.SERVE):
        with journal.step(model, step):
            pass
    journal.step(model, Step.VISIT).__enter__()
    return journal


def look(folder: LineupFolder, *seen: Sighting, prometheus: str | None = None) -> ModelStatus:
    backend = PlayedBackend()
    backend.seen["a"] = seen
    with begin_visit(folder, "a"):
        status = Watcher(folder, backend, Lines(), prometheus).look()
    assert status.models[1].phase == "waiting"
    assert json.dumps(status.as_json())
    return status.models[0]


def test_what_is_answered_and_what_is_left(folder: LineupFolder) -> None:
    write(folder.path / "a" / "study1.run" / "ledger.jsonl", *(answer(second) for second in range(7, 0, -1)))
    seen = look(folder, Sighting("process 1", "serves", restarts=2))
    assert (seen.phase, seen.requests, seen.answered, seen.restarts) == ("visit begun", 70, 7, 2)
    assert seen.rate == pytest.approx(1, rel=0.2)
    assert seen.seconds_left == pytest.approx(63, rel=0.2)


def test_answers_that_are_not_home_yet_count_as_the_back_end_says(folder: LineupFolder) -> None:
    write(folder.path / "a" / "study1.run" / "ledger.jsonl", answer())
    assert look(folder, Sighting("Pod/x", "Running", answered=42)).answered == 42


def test_causes_and_ages_come_from_what_is_seen(folder: LineupFolder) -> None:
    seen = look(
        folder,
        Sighting("Pod/x", "Pending", cause="no node has a free GPU", seen=moment(90)),
        Sighting("Pod/y", "Pending", cause="no node has a free GPU"),
    )
    assert seen.cause == "no node has a free GPU"
    assert seen.age == pytest.approx(90, abs=20)


def test_a_back_end_that_cannot_be_asked_is_said(folder: LineupFolder) -> None:
    backend = PlayedBackend()

    def fail(_: str) -> tuple[Sighting, ...]:
        raise ClusterError("the token has expired")

    backend.sightings = fail  # type: ignore[method-assign]
    with begin_visit(folder, "a"):
        assert Watcher(folder, backend, Lines()).look().models[0].cause == "the token has expired"


# --- GPU use ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def prometheus() -> Iterator[Any]:
    """A Prometheus that knows a mean of each pod, in percent, over more and over less than five minutes."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            query = parse_qs(urlsplit(self.path).query)["query"][0]
            server.queries.append(query)
            seconds = int(query.split("[")[1].split("s]")[0])
            value = server.lately if seconds <= 300 else server.whole
            result = [] if value is None else [{"metric": {}, "value": [0, str(value)]}]
            body = server.body or json.dumps({"status": "success", "data": {"result": result}}).encode()
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    server: Any = HTTPServer(("127.0.0.1", 0), Handler)
    server.whole = server.lately = server.body = None
    server.queries = []
    server.url = f"http://127.0.0.1:{server.server_port}/"
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


ROOM = ServerMetrics(running=2, waiting=0, kv_use=0.1)
FULL = ServerMetrics(running=64, waiting=9, kv_use=0.97)


@pytest.mark.parametrize(
    ("whole", "lately", "server", "said"),
    [
        (80, 10, ROOM, None),
        (45, 45, ROOM, None),
        (45, 20, ROOM, "is heading below"),
        (30, 60, ROOM, "raise the concurrency first"),
        (30, 30, FULL, "as many requests as it can hold"),
        (None, None, ROOM, None),
    ],
)
def test_a_warning_comes_before_the_policy_is_broken(
    folder: LineupFolder,
    prometheus: Any,
    whole: float | None,
    lately: float | None,
    server: ServerMetrics,
    said: str | None,
) -> None:
    prometheus.whole, prometheus.lately = whole, lately
    seen = look(folder, Sighting("Pod/vllm-x", "Running", moment(3600), server=server), prometheus=prometheus.url)
    assert seen.gpu_use == (None if whole is None else whole / 100)
    assert bool(seen.warnings) == (said is not None)
    assert said is None or said in seen.warnings[0]
    assert 'pod="vllm-x"}[36' in prometheus.queries[0]  # over its life


def test_a_young_pod_is_not_judged(folder: LineupFolder, prometheus: Any) -> None:
    prometheus.whole = prometheus.lately = 0
    assert look(folder, Sighting("Pod/x", "Running", moment(100)), prometheus=prometheus.url).warnings == ()


@pytest.mark.parametrize("pod", ['x"} or vector(1)', "", "X", "a" * 300])
def test_only_names_become_part_of_a_query(prometheus: Any, pod: str) -> None:
    prometheus.whole = 50
    assert gpu_use(prometheus.url, pod, 600) is None
    assert prometheus.queries == []


@pytest.mark.parametrize("body", [b"", b"no json", b"[]", b'{"data": {"result": [{"value": [0, "NaN"]}]}}', b"\xff"])
def test_a_strange_reply_is_no_number(prometheus: Any, body: bytes) -> None:
    prometheus.body = body
    assert gpu_use(prometheus.url, "x", 600) is None


def test_prometheus_needs_an_address(folder: LineupFolder) -> None:
    with pytest.raises(InputError, match="without a password"):
        Watcher(folder, PlayedBackend(), Lines(), "https://me:secret@prometheus.example")


# --- the commands ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [["status"], ["watch", "--once"]])
def test_the_commands_show_it_harmlessly(
    folder: LineupFolder, grace: Command, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    backend = PlayedBackend()
    hostile = "\x1b]0;owned\x07[red]fine"
    backend.seen["a"] = (Sighting(f"Pod/{hostile}", "Running", cause=f"it said {hostile}", server=ROOM),)
    monkeypatch.setattr("grace.lineup.backends.backend_for", lambda *_: backend)
    monkeypatch.setenv("COLUMNS", "300")
    write(folder.path / "a" / "study1.run" / "ledger.jsonl", answer(), answer())
    with begin_visit(folder, "a"):
        shown = grace("lineup", *command, "seen", "--lineups", folder.path.parent)
    assert shown.code == 0, shown.err
    assert "2 of 70" in shown.out
    assert "2+0" in shown.out
    assert "it said \\x1b]0;owned\\x07[red]fine" in shown.out.replace("\n", "")
    assert "\x1b]0" not in shown.out
    assert "no process of this machine carries it now" in shown.out
    assert "GPU" not in shown.out.splitlines()[0]


def test_as_json_for_programs(folder: LineupFolder, grace: Command) -> None:
    shown = grace("lineup", "status", "seen", "--json", "--lineups", folder.path.parent)
    content = json.loads(shown.out)
    assert [model["model"] for model in content["models"]] == ["a", "b"]
    assert content["carrier"] is None
