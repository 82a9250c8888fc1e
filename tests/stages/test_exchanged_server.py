"""A server that becomes another one while it is asked: noticed, exit 3, and what it answered is asked again."""

import asyncio
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from canned import CannedServer, Cut
from conftest import Command, Result, read_rows
from grace.ledger import VOID, Ledger, scan, void
from grace.runs import Run
from table_model import TableServer
from things import MODEL, STUDY, TRIALS

pytestmark = pytest.mark.usefixtures("impatient")

Exchange = Callable[[CannedServer], None]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second look follows at once."""
    monkeypatch.setattr("grace.endpoints.watch.SECOND_LOOK", 0.01)


@pytest.fixture
def answers(tmp_path: Path) -> Path:
    return tmp_path / "answers.csv"


def records(answers: Path) -> list[dict[str, Any]]:
    return [record for _, record in scan(Run.beside(answers).ledger)]


def at(number: int, canned: CannedServer, exchange: Exchange) -> None:
    """Exchange the server right before it answers that request."""

    async def handler(count: int, body: dict[str, Any]) -> web.StreamResponse | None:
        if count == number:
            exchange(canned)
        return None

    canned.handler = handler


def other_weights(canned: CannedServer) -> None:
    canned.root = "org/other"


def other_owner(canned: CannedServer) -> None:
    canned.owned_by = "somebody"


def other_name(canned: CannedServer) -> None:
    canned.models = ["another"]


def shorter_context(canned: CannedServer) -> None:
    canned.context = 512


def no_models(canned: CannedServer) -> None:
    canned.models = []


@pytest.mark.parametrize("exchange", [other_weights, other_owner, other_name, shorter_context, no_models])
@pytest.mark.parametrize("number", [1, 7, 12])
def test_an_exchange_is_noticed_and_asked_again(
    exchange: Exchange, number: int, query: Command, canned: CannedServer, answers: Path
) -> None:
    canned.owned_by, canned.root, canned.context = "vllm", "org/model", 4096
    at(number, canned, exchange)
    done = query("--concurrency", 1)
    assert done.code == 3, done.err
    assert "is not the server any more that this session began with" in done.err
    assert "12 answers since" in done.err
    assert "0 of 12 answers are safe" in done.err
    assert not answers.exists()
    *answered, voids = records(answers)
    assert [record["status"] for record in answered] == ["answered"] * 12  # kept, as they were
    assert voids["status"] == VOID
    *_, (end, _) = scan(Run.beside(answers).ledger)
    assert voids["voids"] == [[0, end]]
    assert Run.beside(answers).sessions[-1].ended

    canned.owned_by, canned.models, canned.root, canned.context = "vllm", ["canned"], "org/model", 4096
    canned.handler = None
    asked = canned.count
    again = query("--concurrency", 1)
    assert again.code == 0, again.err
    assert canned.count == asked + 12
    assert [row["error"] for row in read_rows(answers)] == [""] * 12
    assert len(records(answers)) == 25


def test_what_an_exchanged_server_answered_is_in_no_table(
    query: Command, grace: Command, canned: CannedServer, answers: Path
) -> None:
    canned.owned_by = "vllm"
    at(3, canned, other_weights)
    assert query("--limit", 6).code == 3
    done = grace("export", Run.beside(answers).path, "--output", answers)
    assert done.code in (0, 1)
    assert {(row["model_response"], row["error"]) for row in read_rows(answers)} == {("", "not asked yet")}
    assert grace("validate", Run.beside(answers).path).code == 1


def test_answers_before_the_last_good_check_stay(
    query: Command, canned: CannedServer, answers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Checks come often here, and the exchange after some of them."""
    monkeypatch.setattr("grace.stages.session.SYNC_SECONDS", 0.05)
    monkeypatch.setattr("grace.stages.session.CHECK_SECONDS", 0.05)
    canned.owned_by, canned.latency = "vllm", 0.1
    at(10, canned, other_weights)
    done = query("--concurrency", 1)
    assert done.code == 3
    *answered, voids = records(answers)
    assert voids["voids"][0][0] > 0
    canned.root, canned.handler, canned.latency = None, None, 0
    asked = canned.count
    assert query().code == 0
    assert 0 < canned.count - asked < 12  # those before a good check are not asked again
    assert len(answered) < 12  # and it ended soon after the exchange


def test_a_lost_connection_is_reason_to_look_again(
    query: Command, canned: CannedServer, answers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that restarts with other weights: hours may pass until the next check by time, and none until this."""
    monkeypatch.setattr("grace.stages.session.SYNC_SECONDS", 0.05)
    canned.owned_by = "vllm"

    async def restarted(number: int, body: dict[str, Any]) -> web.StreamResponse | None:
        if number == 3:
            other_weights(canned)
            return Cut()
        await asyncio.sleep(0.1)
        return None

    canned.handler = restarted
    assert query("--concurrency", 1).code == 3
    assert canned.count < 12
    assert {record["status"] for record in records(answers)} == {"answered", VOID}


def test_a_server_that_restarts_as_it_was_is_no_reason_to_stop(
    query: Command, canned: CannedServer, answers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even while a proxy says busy, or a page, in its place."""
    monkeypatch.setattr("grace.stages.session.SYNC_SECONDS", 0.05)
    canned.owned_by = "vllm"

    async def restarted(number: int, body: dict[str, Any]) -> web.StreamResponse | None:
        canned.health = 503 if 3 <= number < 8 else 200
        await asyncio.sleep(0.05)
        return Cut() if number == 3 else None

    canned.handler = restarted
    done = query("--concurrency", 1)
    assert done.code == 0, done.err
    assert {record["status"] for record in records(answers)} == {"answered"}


def test_a_server_that_is_gone_at_the_end_keeps_its_answers(
    query: Command, canned: CannedServer, answers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("grace.stages.session.LAST_CHECKS", 2)

    def gone(canned: CannedServer) -> None:
        canned.health = 503

    at(12, canned, gone)
    done = query("--concurrency", 1)
    assert done.code == 0, done.err
    assert "cannot be asked whether it is still the same server" in done.err
    assert len(records(answers)) == 12


def test_another_server_of_two_failures_voids_nothing_that_others_answered(
    query: Command, canned: CannedServer, answers: Path
) -> None:
    """What an earlier session left counts on."""
    assert query("--limit", 5).code == 0
    at(7, canned, other_owner)
    assert query("--concurrency", 1).code == 3
    canned.owned_by, canned.handler, asked = "canned", None, canned.count
    assert query().code == 0
    assert canned.count - asked == 7


def test_an_interrupt_checks_too(query: Command, canned: CannedServer, answers: Path) -> None:
    async def stop(number: int, body: dict[str, Any]) -> web.StreamResponse | None:
        if number == 4:
            other_owner(canned)
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.sleep(0.3)
        return None

    canned.handler = stop
    assert query("--concurrency", 1).code == 3
    assert records(answers)[-1]["status"] == VOID


@pytest.mark.parametrize(("dialect", "number"), [("vllm", 8), ("llamacpp", 20)])
def test_a_template_that_writes_another_date_is_noticed(
    dialect: Any, number: int, grace: Command, tmp_path: Path
) -> None:
    (tmp_path / "things.yaml").write_text(STUDY)
    (tmp_path / "t.csv").write_text(TRIALS)

    def score(server: TableServer) -> Result:
        common = ("--input", tmp_path / "t.csv", "--model-endpoint", server.url, "--model-name", server.name)
        return grace("score", tmp_path / "things.yaml", *common, "--output", tmp_path / "scores.csv")

    whole = MODEL.template
    with TableServer(MODEL, dialect) as server:
        count = 0

        def midnight(path: str, _: int, body: dict[str, Any]) -> Any:
            nonlocal count
            count += path in ("/v1/completions", "/completion")
            if count == number:
                server.model = replace(MODEL, template=lambda *given: "b" + whole(*given))
            return None

        server.fail = midnight
        done = score(server)
        assert done.code == 3, done.err
        assert "rendered was" in done.err
        server.fail, server.model = None, MODEL
        score(server)
    statuses = [record["status"] for record in records(tmp_path / "scores.csv")]
    assert statuses.count(VOID) == 1
    assert statuses[statuses.index(VOID) + 1 :] == ["scored"] * 7  # all are asked again


def test_voided_records_of_a_shard_are_voided_in_the_joined_run(
    query: Command, grace: Command, canned: CannedServer, answers: Path
) -> None:
    assert query("--shard", "0/2").code == 0
    assert query("--shard", "1/2").code == 0
    assert grace("join", answers).code == 0
    joined, part = Run.beside(answers), Run(answers.with_name("answers.shard-1-of-2.run"))
    before = list(scan(joined.ledger))
    with Ledger(part.ledger) as ledger:
        ledger.append(void([(0, ledger.end)], "another server", "now"))
    assert grace("join", answers).code == 1
    assert list(scan(joined.ledger))[: len(before)] == before
    assert [row["error"] for row in read_rows(answers)].count("not asked yet") == 6
    assert grace("join", answers).code == 1  # the second time there is nothing new to void
    assert [record["status"] for record in records(answers)].count(VOID) == 1
    assert query().code == 0
    assert [row["error"] for row in read_rows(answers)] == [""] * 12
