"""Bad input, bad servers and bad luck: one clear message, the right exit code, and nothing lost."""

import asyncio
import csv
import os
import re
import signal
import time
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import web

from canned import CannedServer, Cut, answer_to, completion, error
from conftest import ROOT, Command, Result, read_rows
from grace.columns import ANSWER_COLUMNS
from grace.ledger import scan
from grace.runs import Run
from grace.stages.export import export_run
from limits import HANG
from outputs import manifest, rows_of

pytestmark = pytest.mark.usefixtures("impatient")

Answer = Callable[[int, dict[str, Any]], Awaitable[web.StreamResponse | None]]


@pytest.fixture
def answers(tmp_path: Path) -> Path:
    """Where `query` writes."""
    return tmp_path / "answers.csv"


def ledger(answers: Path) -> list[dict[str, Any]]:
    return [record for _, record in scan(answers.with_suffix(".run") / "ledger.jsonl")]


def write_rows(path: Path, rows: list[list[str]]) -> Path:
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)
    return path


def always(make: Callable[[], web.StreamResponse]) -> Answer:
    async def handler(number: int, body: dict[str, Any]) -> web.StreamResponse | None:
        return make()

    return handler


def first(count: int, make: Callable[[], web.StreamResponse]) -> Answer:
    """Misbehave that many times, then behave."""

    async def handler(number: int, body: dict[str, Any]) -> web.StreamResponse | None:
        return make() if number <= count else None

    return handler


def nth(count: int, make: Callable[[], web.StreamResponse]) -> Answer:
    """Misbehave that one time."""

    async def handler(number: int, body: dict[str, Any]) -> web.StreamResponse | None:
        return make() if number == count else None

    return handler


def about(text: str, make: Callable[[], web.StreamResponse]) -> Answer:
    """Misbehave when the prompt holds `text`."""

    async def handler(number: int, body: dict[str, Any]) -> web.StreamResponse | None:
        return make() if text in body["messages"][-1]["content"] else None

    return handler


def saying(**options: Any) -> Answer:
    """Answer with a completion of this kind."""
    return always(lambda: web.json_response(completion(**options)))


def one_message(done: Result, code: int) -> str:
    """The message of a command that was refused; there is one, and no traceback."""
    assert done.code == code, done
    assert done.out == ""
    assert "Traceback" not in done.err
    messages = [line for line in done.err.splitlines() if line.startswith("grace: ") and " checking " not in line]
    assert len(messages) == 1, done.err
    return messages[0].removeprefix("grace: ")


# The run that everything else is measured by


def test_a_run_without_faults(query: Command, canned: CannedServer, trials: Path, answers: Path) -> None:
    done = query()
    assert done.code == 0
    assert done.out == f"{answers}: 12 rows, 12 answered, 0% cut off\n"
    given, made = rows_of(trials), rows_of(answers)
    assert made[0] == [*given[0], *ANSWER_COLUMNS, "model_reasoning"]
    assert [row[: len(given[0])] for row in made] == given
    bodies = {body["seed"]: body for body in canned.bodies}
    assert len(bodies) == 12
    for row in read_rows(answers):
        assert row["model_response"] == answer_to(bodies[int(row["seed"])])
        assert row["story_setup"].split("<br>")[0] in bodies[int(row["seed"])]["messages"][0]["content"]
        assert (row["model_name"], row["finish_reason"], row["error"]) == ("canned", "stop", "")
        assert (row["prompt_tokens"], row["completion_tokens"], row["replication"]) == ("200", "20", "1")
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", row["response_timestamp"])
        assert 0 <= int(row["processing_time_ms"]) < 60_000
    for body in canned.bodies:
        assert (body["model"], body["temperature"], body["max_tokens"]) == ("canned", 0.7, 512)


def test_a_second_start_asks_nothing(query: Command, canned: CannedServer, answers: Path) -> None:
    query()
    before, asked = answers.read_bytes(), len(canned.bodies)
    done = query()
    assert (done.code, len(canned.bodies)) == (0, asked)
    assert answers.read_bytes() == before
    assert len(manifest(answers)["sessions"]) == 2


def test_keys_in_the_ledger_are_all_different(query: Command, answers: Path) -> None:
    query("--replications", 3)
    keys = [record["key"] for record in ledger(answers)]
    assert len(set(keys)) == len(keys) == 36


def test_keys_name_the_model_and_not_the_address(query: Command, canned: CannedServer, tmp_path: Path) -> None:
    canned.models.append("other")
    ways = {
        "here": (),
        "other model": ("--model-name", "other"),
        "other weights": ("--model-revision", "q4"),
        "other temperature": ("--temperature", "0"),
        "other seed": ("--seed", 2),
    }
    keys = {}
    for name, options in ways.items():
        query("--output", tmp_path / f"{name}.csv", *options)
        keys[name] = {record["key"] for record in ledger(tmp_path / f"{name}.csv")}
    assert len(set.union(*keys.values())) == 5 * 12
    with CannedServer() as elsewhere:
        query("--output", tmp_path / "there.csv", "--model-endpoint", elsewhere.url)
    assert {record["key"] for record in ledger(tmp_path / "there.csv")} == keys["here"]


# Servers


def test_the_server_is_down(query: Command, unused_port: int, tmp_path: Path) -> None:
    message = one_message(query("--model-endpoint", f"http://127.0.0.1:{unused_port}/v1"), 3)
    assert message.startswith(f"http://127.0.0.1:{unused_port}: health: no answer (cannot connect: Connection refused)")
    assert not (tmp_path / "answers.csv").exists()


def test_the_name_is_wrong(query: Command, canned: CannedServer) -> None:
    canned.models = ["gemma-2-2b-it", "llama"]
    message = one_message(query("--model-name", "gema-2-2b-it"), 3)
    assert "'gema-2-2b-it' is not served here, only gemma-2-2b-it, llama (did you mean 'gemma-2-2b-it'?)" in message


def test_a_start_that_failed_leaves_nothing_in_the_way(query: Command, canned: CannedServer) -> None:
    assert query("--model-name", "other").code == 3
    assert query().code == 0


KEY = "sk-verysecret0123456789"


def everything_written(folder: Path) -> bytes:
    return b"\n".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_a_key_leaks_nowhere(
    query: Command, canned: CannedServer, answers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THE_KEY", KEY)
    canned.key = "another"
    done = query("--api-key-env", "THE_KEY")
    message = one_message(done, 3)
    assert "status 401: Incorrect API key provided: Bearer [redacted]" in message
    assert "--api-key-env NAME" in message
    assert KEY not in done.out + done.err

    canned.key = KEY  # right now, and echoed by every failing request
    canned.handler = always(lambda: error(400, "x" * 280 + f"Bearer {KEY}"))
    done = query("--api-key-env", "THE_KEY")
    assert done.code == 1
    assert KEY.encode() not in everything_written(tmp_path)
    assert b"sk-very" not in everything_written(tmp_path)
    assert "sk-very" not in done.out + done.err
    assert canned.bodies


def test_no_key_where_one_is_needed(query: Command, canned: CannedServer) -> None:
    canned.key = KEY
    assert "give the key's environment variable with --api-key-env NAME" in one_message(query(), 3)


def test_the_variable_of_the_key_is_not_set(
    query: Command, canned: CannedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_KEY", raising=False)
    assert one_message(query("--api-key-env", "NO_KEY"), 2) == (
        "--api-key-env NO_KEY: no such environment variable is set"
    )
    monkeypatch.setenv("NO_KEY", " \n")
    assert query("--api-key-env", "NO_KEY").code == 2
    assert canned.bodies == []


def test_the_address_is_of_no_server(query: Command, grace: Command) -> None:
    for address in ("localhost:8000", "http://", "http://[::1", "ftp://me:pw@h", "embeded"):
        message = one_message(query("--model-endpoint", address), 2)
        assert "is not the address of a server" in message
        assert "me:pw" not in message


@pytest.mark.parametrize("status", [401, 403, 404])
def test_what_every_request_will_share_ends_the_run_at_once(
    status: int, query: Command, canned: CannedServer, answers: Path
) -> None:
    canned.handler = always(lambda: error(status, "no such thing"))
    done = query("--concurrency", 2)
    assert f"a request failed with http {status}: no such thing" in done.err
    assert done.code == 3
    assert 1 <= len(canned.bodies) <= 2
    assert not answers.exists()
    canned.handler = None
    assert query("--concurrency", 2).code == 0
    assert [row["error"] for row in read_rows(answers)] == [""] * 12


def test_an_early_end_waits_for_the_others_but_not_for_ever(
    query: Command, canned: CannedServer, answers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("grace.stages.session.LAST_SECONDS", 0.3)

    async def one_of_two(number: int, body: dict[str, Any]) -> web.StreamResponse | None:
        if number == 2:
            return error(404, "gone")
        await asyncio.sleep(HANG)
        return None

    canned.handler = one_of_two
    assert query("--concurrency", 2).code == 3
    assert [record["status"] for record in ledger(answers)] == ["failed"]


def test_an_early_end_keeps_what_was_under_way_and_says_how_to_go_on(
    query: Command, canned: CannedServer, answers: Path
) -> None:
    async def second_is_gone(number: int, body: dict[str, Any]) -> web.StreamResponse | None:
        if number == 2:
            return error(404, "gone")
        await asyncio.sleep(0.3)
        return None

    canned.handler = second_is_gone
    done = query("--concurrency", 4)
    assert done.code == 3
    assert [record["status"] for record in ledger(answers)] == ["failed", "answered", "answered", "answered"]
    assert f"3 of 12 answers are safe in {answers.with_suffix('.run')}" in done.err
    assert "the same command continues" in done.err


def test_one_404_among_answers_is_that_rows_alone(query: Command, canned: CannedServer, answers: Path) -> None:
    canned.handler = nth(5, lambda: error(404, "a blip"))
    assert query("--concurrency", 1).code == 1
    assert [row["error"] for row in read_rows(answers)].count("") == 11


def test_a_row_that_cannot_be_rendered_takes_no_answer_with_it(
    query: Command, canned: CannedServer, trials: Path, answers: Path, tmp_path: Path, grace: Command
) -> None:
    study = tmp_path / "mine.yaml"
    study.write_text(
        "name: mine\ntitle: Mine\ncolumns: {access: {}}\nprotocols:\n  single:\n    turns:\n"
        '      response: "{{ 6 // (access | int - 2) }}"\n'
    )
    rows = read_rows(trials)
    fine, failing = ([row for row in rows if (row["access"] == "2") is bad] for bad in (False, True))
    rows = [*fine[:4], failing[0]]
    write_rows(trials, [list(rows[0]), *(list(row.values()) for row in rows)])
    canned.latency = 0.3
    options = ["--input", trials, "--output", answers, "--model-endpoint", canned.url, "--model-name", "canned"]
    done = grace("query", study, *options, "--limit", 5, "--concurrency", 5)
    assert done.code == 2
    assert f"{trials}, row 5: " in done.err
    assert len(ledger(answers)) == len(canned.bodies) == 4


def test_a_changed_copy_of_the_input_is_not_asked_about(query: Command, canned: CannedServer, answers: Path) -> None:
    assert query("--limit", 2).code == 0
    copy = answers.with_suffix(".run") / "input.csv"
    copy.write_bytes(copy.read_bytes().replace(b"almost", b"hardly"))
    assert "was changed since the run began" in one_message(query(), 2)
    copy.unlink()
    assert "restore it from" in one_message(query(), 2)
    assert len(canned.bodies) == 2


def test_an_interrupt_ends_the_wait_for_another_try(query: Command, canned: CannedServer, answers: Path) -> None:
    async def busy(number: int, body: dict[str, Any]) -> web.StreamResponse:
        asyncio.get_running_loop().call_later(0.5, os.kill, os.getpid(), signal.SIGINT)
        return error(429, "busy", retry_after=str(HANG))

    canned.handler = busy
    assert query("--concurrency", 1).code == 130
    assert len(canned.bodies) == 1
    assert [record["status"] for record in ledger(answers)] == ["failed"]


def test_a_defect_of_our_own_is_told_apart_from_failed_rows(grace: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: object) -> None:
        raise ZeroDivisionError("oh")

    monkeypatch.setattr("grace.stages.export.export_run", broken)
    assert "ZeroDivisionError: oh. This is a defect of Grace" in one_message(grace("export", "a.run"), 70)


def test_a_context_too_long_is_that_rows_own_failure(
    query: Command, canned: CannedServer, trials: Path, answers: Path
) -> None:
    message = "This model's maximum context length is 4096 tokens"
    story = read_rows(trials)[4]["story_setup"].split("<br>")[0]
    canned.handler = about(story, lambda: error(400, message))
    hit = [number for number, row in enumerate(read_rows(trials)) if row["story_setup"].startswith(story)]
    done = query()
    assert done.code == 1
    assert f"{answers}: 12 rows, {12 - len(hit)} answered, 0% cut off\n" in done.out
    assert f"  {len(hit)} rows: {message}\n" in done.out
    assert f"grace: {len(hit)} requests failed with http 400: {message}\n" in done.err
    for number, row in enumerate(read_rows(answers)):
        assert row["error"] == (message if number in hit else "")
        assert bool(row["model_response"]) == (number not in hit)
        assert (row["finish_reason"], row["prompt_tokens"]) == (("", "") if number in hit else ("stop", "200"))
    failed = [record for record in ledger(answers) if record["status"] == "failed"]
    assert [record["error"] for record in failed] == [{"kind": "http 400", "status": 400, "message": message}] * len(
        hit
    )
    assert all("response" not in record for record in failed)

    canned.bodies.clear()  # the next run asks again, for these alone
    canned.handler = None
    assert query().code == 0
    assert len(canned.bodies) == len(hit)
    assert [row["error"] for row in read_rows(answers)] == [""] * 12


@pytest.mark.parametrize(
    "headers",
    [{}, {"Retry_After": "1"}, {"Retry_After": "date"}, {"Retry_After": "soon"}],
    ids=["silent", "number", "date", "unreadable"],
)
def test_a_rate_limit_is_waited_for(
    headers: dict[str, str], query: Command, canned: CannedServer, answers: Path
) -> None:
    came: list[float] = []

    async def limited(number: int, body: dict[str, Any]) -> web.StreamResponse | None:
        came.append(time.monotonic())
        if len(came) > 3:
            return None
        told = {
            name: formatdate(time.time() + 2, usegmt=True) if value == "date" else value
            for name, value in headers.items()
        }
        return error(429, "slow down", **told)

    canned.handler = limited
    done = query("--max-retries", 0, "--concurrency", 3)
    assert done.code == 0
    assert len(canned.bodies) == 15
    assert "trying again after http 429: slow down" in done.err
    assert sorted(record["attempts"] for record in ledger(answers)) == [1] * 9 + [2] * 3
    if headers.get("Retry_After") in ("1", "date"):
        assert came[3] - came[2] > 0.9  # nothing is sent until then


def test_a_rate_limit_of_one_holds_back_all(query: Command, canned: CannedServer, answers: Path) -> None:
    came: list[float] = []

    async def first_is_refused(number: int, body: dict[str, Any]) -> web.StreamResponse | None:
        came.append(time.monotonic())
        if number == 1:
            return error(429, "slow down", Retry_After="1")
        await asyncio.sleep(0.1)
        return None

    canned.handler = first_is_refused
    assert query("--concurrency", 3, "--limit", 6).code == 0
    assert came[3] - came[0] > 0.9


def test_500s_that_pass_are_no_failures(query: Command, canned: CannedServer, answers: Path) -> None:
    canned.handler = first(5, lambda: error(500, "busy"))
    done = query()
    assert done.code == 0
    assert len(canned.bodies) == 17
    assert sum(record["attempts"] for record in ledger(answers)) == 17


@pytest.mark.parametrize(
    ("kind", "make"),
    [
        ("http 500", lambda: error(500, "out of memory")),
        ("connection", Cut),
        ("garbage", lambda: web.Response(text="<html>out of memory</html>")),
    ],
    ids=["500", "cut", "garbage"],
)
def test_when_every_request_fails_alike_the_run_ends_early(
    kind: str, make: Callable[[], web.StreamResponse], query: Command, canned: CannedServer, trials: Path, answers: Path
) -> None:
    header, *rows = rows_of(trials)
    write_rows(trials, [header, *rows * 5])
    canned.handler = about(rows[3][2].split("<br>")[0], lambda: web.json_response(completion("fine")))
    assert query("--limit", 4, "--max-retries", 0).code == 0
    kept = ledger(answers)
    asked = len(canned.bodies)

    canned.handler = always(make)
    done = query("--max-retries", 0, "--concurrency", 4)
    assert done.code == 3
    ends = [line for line in done.err.splitlines() if "requests in a row" in line]
    assert len(ends) == 1
    assert ends[0].startswith(f"grace: {canned.url}: 20 requests in a row failed with {kind}: ")
    assert done.out == ""
    assert 20 <= len(canned.bodies) - asked <= 24
    assert ledger(answers)[: len(kept)] == kept

    canned.handler = None
    asked = len(canned.bodies)
    assert query().code == 0
    assert len(canned.bodies) - asked == 60 - 4
    assert [row["error"] for row in read_rows(answers)] == [""] * 60


def test_many_rows_that_are_refused_do_not_bar_the_way_to_the_others(
    query: Command, canned: CannedServer, trials: Path, answers: Path
) -> None:
    """Prompts too long stand together when a table is sorted; were they to end the run, it could never be finished."""
    header, *rows = rows_of(trials)
    long = [[*row[:2], "LONG. " + row[2], *row[3:]] for row in rows]
    write_rows(trials, [header, *rows, *long * 3, *rows])
    canned.handler = about("LONG", lambda: error(400, "context length exceeded"))
    done = query()
    assert done.code == 1
    assert f"{answers}: 60 rows, 24 answered" in done.out
    assert "36 rows: context length exceeded" in done.out
    asked = canned.count
    assert query().code == 1
    assert canned.count == asked + 36


def test_when_nothing_was_ever_answered_refusals_end_the_run(
    query: Command, canned: CannedServer, trials: Path
) -> None:
    header, *rows = rows_of(trials)
    write_rows(trials, [header, *rows * 5])
    canned.handler = always(lambda: error(400, "temperature is not supported"))
    done = query("--concurrency", 2)
    assert done.code == 3
    assert "20 requests in a row failed with http 400: temperature is not supported" in done.err
    assert canned.count <= 22


def test_failures_with_success_between_do_not_end_a_run(
    query: Command, canned: CannedServer, trials: Path, answers: Path
) -> None:
    header, *rows = rows_of(trials)
    write_rows(trials, [header, *rows * 5])

    async def mostly(number: int, body: dict[str, Any]) -> web.StreamResponse | None:
        return None if number % 10 == 0 else error(500, "flaky")

    canned.handler = mostly
    done = query("--max-retries", 0, "--concurrency", 1)
    assert done.code == 1
    assert len(canned.bodies) == 60
    assert f"{answers}: 60 rows, 6 answered" in done.out


def test_a_stall_is_a_timeout(query: Command, canned: CannedServer, answers: Path) -> None:
    async def stall(number: int, body: dict[str, Any]) -> web.StreamResponse | None:
        if number == 1:
            await asyncio.sleep(HANG)
        return None

    canned.handler = stall
    done = query("--timeout", 2, "--max-retries", 0, "--limit", 3)
    assert done.code == 1
    assert "grace: 1 request failed with timeout: no answer within 2 s\n" in done.err
    assert sorted(row["error"] for row in read_rows(answers)) == ["", "", "no answer within 2 s"]
    assert query("--limit", 3).code == 0


@pytest.mark.parametrize(
    "make",
    [
        Cut,
        lambda: web.Response(text='{"choices": [{"mess', content_type="application/json"),
        lambda: web.Response(text="", content_type="application/json"),
        lambda: web.Response(text="<html>Bad gateway</html>", content_type="text/html"),
        lambda: web.json_response([1]),
        lambda: web.Response(body=b"\xff\xfe\x00", content_type="application/json"),
        lambda: web.Response(text='{"choices": [{"message": {"content": "\\ud800"}}]}'),
    ],
    ids=["cut", "half", "empty", "html", "list", "bytes", "surrogate"],
)
def test_a_broken_body_is_asked_for_again(
    make: Callable[[], web.StreamResponse], query: Command, canned: CannedServer, answers: Path
) -> None:
    canned.handler = first(1, make)
    assert query("--limit", 2).code == 0
    assert len(canned.bodies) == 3
    assert [row["error"] for row in read_rows(answers)] == ["", ""]


def test_json_that_is_no_completion(query: Command, canned: CannedServer, answers: Path) -> None:
    canned.handler = first(1, lambda: web.json_response({"choices": [{"text": "a completion of the old kind"}]}))
    done = query("--limit", 2, "--concurrency", 1)
    assert done.code == 1
    assert [row["error"] for row in read_rows(answers)] == [
        "the reply is not an answer: it is JSON but not a chat completion",
        "",
    ]
    assert [row["model_response"] == "" for row in read_rows(answers)] == [True, False]


def test_orders_to_the_terminal_do_not_reach_it(query: Command, canned: CannedServer, answers: Path) -> None:
    canned.handler = always(lambda: error(400, "no\x1b[2J\x1b]0;owned\x07 \u202egood\r\nat all"))
    done = query("--limit", 2)
    assert done.code == 1
    shown = done.out + done.err
    assert "at all" in shown
    assert {character for character in shown if not character.isprintable()} == {"\n"}
    assert "\x1b" not in answers.read_text()


# Answers


@pytest.mark.parametrize("text", ["", " \n\t", None], ids=repr)
def test_an_empty_answer_is_told_and_kept(
    text: str | None, query: Command, canned: CannedServer, answers: Path
) -> None:
    canned.handler = saying(text=text)
    done = query("--limit", 2)
    assert done.code == 1
    assert "  2 rows: empty answer\n" in done.out
    assert [record["status"] for record in ledger(answers)] == ["empty"] * 2
    canned.bodies.clear()
    assert query("--limit", 2).code == 1  # a model that said nothing has answered
    assert canned.bodies == []


def test_nothing_but_reasoning(query: Command, canned: CannedServer, answers: Path) -> None:
    canned.handler = saying(text=None, reasoning="Three, or two?")
    assert query("--limit", 1).code == 1
    [row] = read_rows(answers)
    assert row["model_response"] == ""
    assert row["model_reasoning"] == "Three, or two?"
    assert row["error"] == "empty answer: all of it was reasoning"


def test_reasoning_is_kept_apart(query: Command, canned: CannedServer, answers: Path) -> None:
    canned.handler = saying(text='<think>\nHm, "three",\nor 2?\n</think>\n\nThree.')
    assert query("--limit", 1).code == 0
    [row] = read_rows(answers)
    assert (row["model_response"], row["model_reasoning"]) == ("Three.", 'Hm, "three",\nor 2?')


def test_cut_answers_are_kept_flagged_and_counted(query: Command, canned: CannedServer, answers: Path) -> None:
    async def cut_some(number: int, body: dict[str, Any]) -> web.StreamResponse | None:
        return web.json_response(completion("Initial Ans", finish_reason="length" if number % 4 == 0 else "stop"))

    canned.handler = cut_some
    done = query()
    assert done.code == 0
    assert "  3 answers cut off at the token limit; a higher --max-tokens avoids that\n" in done.out
    assert sorted(row["finish_reason"] for row in read_rows(answers)) == ["length"] * 3 + ["stop"] * 9
    assert {row["model_response"] for row in read_rows(answers)} == {"Initial Ans"}


@pytest.mark.parametrize(
    "text",
    ['a "quoted", thing', "two\nlines", "bare\rreturn", "both\r\nends", "\n", "=SUM(A1)", "ü🂡\u2028", "," * 9],
    ids=repr,
)
def test_any_answer_comes_through(text: str, query: Command, canned: CannedServer, answers: Path) -> None:
    canned.handler = saying(text=f".{text}.")
    assert query("--limit", 2).code == 0
    assert [row["model_response"] for row in read_rows(answers)] == [f".{text}."] * 2


def test_nul_is_kept_in_the_ledger_and_shown_in_the_table(query: Command, canned: CannedServer, answers: Path) -> None:
    """R and spreadsheets stop reading at a NUL."""
    canned.handler = saying(text="a\0b")
    assert query("--limit", 1).code == 0
    assert [row["model_response"] for row in read_rows(answers)] == ["a\ufffdb"]
    [(_, record)] = scan(answers.with_suffix(".run") / "ledger.jsonl")
    assert record["response"]["text"] == "a\0b"


# The run and its folder


def test_a_second_writer_is_refused(query: Command, canned: CannedServer, answers: Path) -> None:
    run = answers.with_suffix(".run")
    run.mkdir()
    lock = orjson.dumps({"host": "node17.cluster", "pid": 4242, "started": "1"})
    (run / "lock").write_bytes(lock)
    message = one_message(query(), 2)
    assert "is being written by process 4242 on node17.cluster" in message
    assert canned.bodies == []
    assert (run / "lock").read_bytes() == lock
    assert query("--break-lock").code == 0
    assert not (run / "lock").exists()


def test_a_writer_of_this_machine_is_refused_whatever_is_said(query: Command, answers: Path) -> None:
    with Run(answers.with_suffix(".run")).locked():
        message = one_message(query(), 2)
    assert f"is being written by process {os.getpid()} of this machine; wait until it ends" in message


def test_the_output_is_the_input(query: Command, trials: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = trials.read_bytes()
    (tmp_path / "link.csv").symlink_to(trials)
    monkeypatch.chdir(tmp_path)
    for output in (trials, tmp_path / "link.csv", "trials.csv", tmp_path / "x" / ".." / "trials.csv"):
        assert "is the input itself" in one_message(query("--output", output), 2)
    assert trials.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link.csv", "trials.csv"]


def test_the_output_is_of_no_run(query: Command, canned: CannedServer, answers: Path) -> None:
    answers.write_text("precious")
    message = one_message(query(), 2)
    assert f"--output {answers}: already exists" in message
    assert "answers.run" in message
    assert answers.read_text() == "precious"
    assert canned.bodies == []


def test_the_output_folder_is_made(query: Command, tmp_path: Path) -> None:
    output = tmp_path / "new" / "and deep" / "ä.csv"
    assert query("--output", output).code == 0
    assert len(read_rows(output)) == 12


def test_the_output_folder_cannot_be_made(query: Command, canned: CannedServer, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    message = one_message(query("--output", tmp_path / "file" / "answers.csv"), 2)
    assert "cannot be written: Not a directory; choose another --output" in message
    assert canned.bodies == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
@pytest.mark.parametrize("mode", [0o500, 0o000])
def test_the_output_folder_cannot_be_written(mode: int, query: Command, canned: CannedServer, tmp_path: Path) -> None:
    folder = tmp_path / "closed"
    folder.mkdir()
    folder.chmod(mode)
    try:
        assert "Permission denied" in one_message(query("--output", folder / "answers.csv"), 2)
    finally:
        folder.chmod(0o700)
    assert canned.bodies == []


def test_a_name_too_long_for_the_disk(query: Command, tmp_path: Path) -> None:
    assert "File name too long" in one_message(query("--output", tmp_path / ("x" * 300 + ".csv")), 2)


@pytest.mark.parametrize("name", ["answers.xlsx", "answers", "answers.tsv", ".csv", "answers.run"])
def test_the_output_is_a_table_of_another_kind(name: str, query: Command, canned: CannedServer, tmp_path: Path) -> None:
    message = one_message(query("--output", tmp_path / name), 2)
    assert "choose a name that ends in .csv" in message
    assert canned.bodies == []


@pytest.mark.parametrize(
    ("option", "value", "line"),
    [
        ("--temperature", "0", "sampling.temperature: 0.7 in this run, 0.0 now"),
        ("--max-tokens", "99", "sampling.max_tokens: 512 in this run, 99 now"),
        ("--seed", "2", "seed: 1 in this run, 2 now"),
        ("--extra-body", '{"top_k": 5}', "sampling.top_k: None in this run, 5 now"),
        ("--extra-body", '{"top_p": 0.5}', "sampling.top_p: 1 in this run, 0.5 now"),
        ("--model-name", "other", "model.name: 'canned' in this run, 'other' now"),
        ("--model-revision", "q4", "model.revision: None in this run, 'q4' now"),
        ("--protocol", "sequential", "protocol: 'single' in this run, 'sequential' now"),
    ],
)
def test_an_output_made_otherwise_is_refused_naming_both(
    option: str, value: str, line: str, query: Command, canned: CannedServer, answers: Path
) -> None:
    query()
    before, asked = answers.read_bytes(), len(canned.bodies)
    canned.models.append("other")
    done = query(option, value)
    assert done.code == 2
    assert "answers.run: was made with different settings.\n" in done.err
    assert f"\n  {line}\n" in done.err
    assert len(canned.bodies) == asked
    assert answers.read_bytes() == before
    assert query().code == 0


def test_an_output_made_from_other_inputs_is_refused_naming_both(
    query: Command, canned: CannedServer, trials: Path, answers: Path, tmp_path: Path
) -> None:
    query()
    asked = len(canned.bodies)
    other = write_rows(tmp_path / "other.csv", rows_of(trials)[:-1])
    done = query("--input", other)
    assert done.code == 2
    for line in ("input.file: 'trials.csv' in this run, 'other.csv' now", "input.rows: 12 in this run, 11 now"):
        assert f"\n  {line}\n" in done.err
    trials.write_bytes(trials.read_bytes().replace(b"always", b"never", 1))
    done = query()
    assert done.code == 2
    assert re.search(r"\n  input\.sha256: '\w{64}' in this run, '\w{64}' now\n", done.err)
    assert len(canned.bodies) == asked


def test_the_same_inputs_elsewhere_go_on(query: Command, canned: CannedServer, trials: Path, tmp_path: Path) -> None:
    query()
    moved = tmp_path / "moved.csv"
    moved.write_bytes(trials.read_bytes())
    asked = len(canned.bodies)
    assert query("--input", moved).code == 0
    assert len(canned.bodies) == asked


def test_another_server_of_the_same_model_goes_on(query: Command, canned: CannedServer, answers: Path) -> None:
    query("--limit", 5)
    with CannedServer() as elsewhere:
        assert query("--model-endpoint", elsewhere.url).code == 0
        assert len(elsewhere.bodies) == 7
    assert [session["endpoint"] for session in manifest(answers)["sessions"]] == [canned.url, elsewhere.url]


def test_a_damaged_ledger_line_is_named_and_nothing_is_asked(
    query: Command, canned: CannedServer, answers: Path
) -> None:
    query()
    path = answers.with_suffix(".run") / "ledger.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    asked = len(canned.bodies)
    for damage in (b"garbage\n", b"\n"):
        path.write_bytes(b"".join([*lines[:4], damage, *lines[5:]]))
        assert "ledger.jsonl, line 5: is not a record" in one_message(query(), 2)
    for damage in (
        b"{}\n",
        b'{"rows":[13],"replication":1,"question":"response","status":"answered"}\n',
        b'{"rows":[0],"replication":1,"question":"response","status":"answered"}\n',
        b'{"rows":[1],"replication":1,"question":"other","status":"answered"}\n',
        b'{"rows":"1","replication":1,"question":"response","status":"failed"}\n',
    ):
        path.write_bytes(b"".join([*lines[:4], damage, *lines[5:]]))
        assert "ledger.jsonl, line 5: is not a record of this run: " in one_message(query(), 2)
    assert len(canned.bodies) == asked


def test_a_torn_last_line_is_asked_again(query: Command, canned: CannedServer, answers: Path) -> None:
    query("--concurrency", 1)
    path = answers.with_suffix(".run") / "ledger.jsonl"
    path.write_bytes(path.read_bytes()[:-7])
    canned.bodies.clear()
    done = query("--concurrency", 1)
    assert done.code == 0
    assert "resuming: 11 of 12 requests are already finished" in done.err
    assert len(canned.bodies) == 1
    assert len(ledger(answers)) == 12


def test_a_full_disk_loses_nothing(
    query: Command, canned: CannedServer, answers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    system_write, written = os.write, 0

    def nearly_full(fd: int, data: bytes) -> int:
        nonlocal written
        if b'"key"' in data:
            written += 1
            if written > 5:
                system_write(fd, data[:20])
                raise OSError(28, os.strerror(28))
        return system_write(fd, data)

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", nearly_full)
        done = query("--concurrency", 1)
    assert done.code == 2
    assert "Traceback" not in done.err
    assert "ledger.jsonl: cannot be written: No space left on device" in done.err.splitlines()[-1]
    assert len(ledger(answers)) == 5
    canned.bodies.clear()
    assert query().code == 0
    assert len(canned.bodies) == 7


# The table


def test_a_missing_column_suggests_the_nearest(query: Command, canned: CannedServer, trials: Path) -> None:
    header, *rows = rows_of(trials)
    write_rows(trials, [[{"speach": "speech", "access": "Acces"}.get(name, name) for name in header], *rows])
    message = one_message(query(), 2)
    assert message.startswith(
        f"{trials}: no column 'speach' (did you mean 'speech'?); no column 'access' (did you mean 'Acces'?)"
    )
    assert "study1 needs: participant_id, story_shortname" in message
    assert canned.bodies == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\n\n", "is empty"),
        (b"\xef\xbb\xbf", "is empty"),
        (b"header\n", "a header but no rows"),
        (b"header\n\n\n", "a header but no rows"),
        (b"header\n1,2\n", "row 1 (line 2): has 2 cells, the header has 9"),
        ("header\n".encode("utf-16"), "no column 'participant_id'"),
        (b'header\n"1,2\n', "is a quote opened and not closed?"),
    ],
    ids=repr,
)
def test_tables_that_are_none(content: bytes, message: str, query: Command, canned: CannedServer, trials: Path) -> None:
    header = trials.read_bytes().splitlines()[0]
    trials.write_bytes(content.replace(b"header", header))
    said = one_message(query(), 2)
    assert said.startswith(str(trials))
    assert message in said
    assert canned.bodies == []


def test_the_table_is_not_there(query: Command, tmp_path: Path) -> None:
    assert one_message(query("--input", tmp_path / "no.csv"), 2).endswith(
        "no.csv: cannot be read: No such file or directory"
    )
    assert one_message(query("--input", tmp_path), 2).endswith("cannot be read: Is a directory")


def test_values_outside_the_design_are_told_and_asked(query: Command, trials: Path, answers: Path) -> None:
    header, *rows = rows_of(trials)
    rows[1][header.index("access")] = "7"
    rows[2][header.index("observe")] = "two"
    rows[3][header.index("story_shortname")] = "NA"
    rows[4][header.index("priorQ")] = ""
    write_rows(trials, [header, *rows])
    done = query()
    assert done.code == 0
    assert f"{trials}, row 2, column 'access': '7' is outside the design (1, 2, 3)" in done.err
    assert f"{trials}, row 3, column 'observe': 'two' is not an integer" in done.err
    assert f"{trials}, row 4, column 'story_shortname': is missing" in done.err
    assert [row[: len(header)] for row in rows_of(answers)[1:]] == rows


@pytest.mark.parametrize(
    "change",
    [
        lambda text: b"\xef\xbb\xbf" + text,
        lambda text: text.replace(b"\n", b"\r\n"),
        lambda text: b"\xef\xbb\xbf" + text.replace(b"\n", b"\r\n"),
        lambda text: text.replace(b"\n", b"\n\n"),
        lambda text: text.rstrip(b"\n"),
    ],
    ids=["BOM", "CRLF", "BOM and CRLF", "blank lines", "no last line end"],
)
def test_the_same_table_written_otherwise(
    change: Callable[[bytes], bytes], query: Command, trials: Path, answers: Path
) -> None:
    rows = rows_of(trials)
    trials.write_bytes(change(trials.read_bytes()))
    assert query().code == 0
    assert [row[: len(rows[0])] for row in rows_of(answers)] == rows


def test_latin_1_is_read_where_declared(query: Command, canned: CannedServer, trials: Path, answers: Path) -> None:
    text = trials.read_text().replace("always", "immer früh")
    trials.write_bytes(text.encode("latin-1"))
    refused = query()
    assert refused.code == 2
    assert f"{trials}, line 2: is not UTF-8 text" in refused.err
    assert re.search("\n  cp1252 .*immer früh", refused.err)
    done = query("--encoding", "latin-1")
    assert done.code == 0
    assert f"{trials}: is read as latin-1" in done.err
    assert "immer früh" in canned.bodies[0]["messages"][0]["content"]
    assert [row[:9] for row in rows_of(answers)] == [line[:9] for line in csv.reader(text.splitlines())]


def test_cells_are_kept_as_they_were(query: Command, trials: Path, answers: Path) -> None:
    header, *rows = rows_of(trials)
    odd = ["NA", "", " padded ", 'a "b" c', "two\nlines", "two\r\nlines", "1.0", "007", "=1+1", "ü", "a,b"]
    header.append("notes")
    rows = [[*row, odd[number % len(odd)]] for number, row in enumerate(rows)]
    rows.append(rows[0])  # a duplicate is a row of its own
    write_rows(trials, [header, *rows])
    assert query().code == 0
    made = rows_of(answers)
    assert [row[: len(header)] for row in made] == [header, *rows]
    assert len({row["seed"] for row in read_rows(answers)}) == 13


def test_an_exported_table_given_as_input(query: Command, canned: CannedServer, answers: Path, tmp_path: Path) -> None:
    query()
    asked = len(canned.bodies)
    message = one_message(query("--input", answers, "--output", tmp_path / "again.csv"), 2)
    assert "already has the column" in message
    assert "is it an output file?" in message
    assert len(canned.bodies) == asked


# Options


@pytest.mark.parametrize("text", ["many", "0", "-1", "1.5", "", "auto ", "²"], ids=repr)
def test_a_concurrency_that_is_none(text: str, query: Command) -> None:
    assert one_message(query("--concurrency", text), 2) == (
        f"--concurrency {text}: is neither 'auto' nor a number from 1"
    )


@pytest.mark.parametrize("text", ["auto", "1", "64"])
def test_concurrencies(text: str, query: Command, canned: CannedServer) -> None:
    canned.latency = 0.02
    assert query("--concurrency", text).code == 0
    assert canned.most_under_way <= {"auto": 12, "1": 1, "64": 12}[text]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not JSON"),
        ("", "is not JSON"),
        ("top_p=1", "is not JSON"),
        ('{"top_p": NaN}', "is not JSON"),
        ("[1]", "must be a JSON object"),
        ("5", "must be a JSON object"),
        ("null", "must be a JSON object"),
        ('{"temperature": 0}', "temperature cannot be set there; use the command's own options"),
        ('{"seed": 1, "messages": []}', "messages, seed cannot be set there"),
        ('{"stream": true}', "stream cannot be set there"),
        ('{"n": 2}', "n cannot be set there"),
    ],
    ids=repr,
)
def test_an_extra_body_that_will_not_do(text: str, message: str, query: Command, canned: CannedServer) -> None:
    said = one_message(query("--extra-body", text), 2)
    assert said.startswith("--extra-body: ")
    assert message in said
    assert canned.bodies == []


def test_an_extra_body_is_sent_and_written_down(query: Command, canned: CannedServer, answers: Path) -> None:
    extra = {"top_p": 0.9, "chat_template_kwargs": {"enable_thinking": False}, "big": 10**30}
    assert query("--limit", 2, "--extra-body", orjson.dumps(extra | {"big": 1e30}).decode()).code == 0
    for body in canned.bodies:
        assert body.items() >= (extra | {"big": 1e30}).items()
    assert manifest(answers)["identity"]["sampling"].items() >= (extra | {"big": 1e30}).items()


@pytest.mark.parametrize(
    "options",
    [
        ["--temperature", "-1"],
        ["--temperature", "nan"],
        ["--temperature", "inf"],
        ["--timeout", "nan"],
        ["--timeout", "0"],
        ["--max-tokens", "0"],
        ["--limit", "0"],
        ["--replications", "0"],
        ["--max-retries", "-1"],
        ["--seed", "99999999999999999999999"],
        ["--protocol", "parallel"],
        ["--no-such-option"],
    ],
    ids=" ".join,
)
def test_options_out_of_range(options: list[str], query: Command, canned: CannedServer) -> None:
    done = query(*options)
    assert done.code == 2
    assert options[0] in done.err or options[1] in done.err
    assert "Traceback" not in done.err
    assert canned.bodies == []


def test_a_study_that_is_not_there(grace: Command, canned: CannedServer, trials: Path, answers: Path) -> None:
    where = ["--input", trials, "--output", answers, "--model-endpoint", canned.url, "--model-name", "canned"]
    assert "did you mean 'study1'?" in one_message(grace("query", "studi1", *where), 2)
    assert "no.yaml: cannot be read: No such file" in one_message(grace("query", "no.yaml", *where), 2)


# What a run asks, and in which order


def test_limit_then_more(query: Command, canned: CannedServer, answers: Path, tmp_path: Path) -> None:
    assert query("--limit", 5).code == 0
    assert len(read_rows(answers)) == len(canned.bodies) == 5
    assert query("--limit", 8).code == 0
    assert len(read_rows(answers)) == len(canned.bodies) == 8
    assert query().code == 0
    assert len(read_rows(answers)) == len(canned.bodies) == 12
    assert query("--limit", 99).code == 0
    assert len(canned.bodies) == 12
    assert query("--limit", 3).code == 0  # fewer again: nothing is asked, and the table hides no answer
    assert len(read_rows(answers)) == len(canned.bodies) == 12
    assert len(ledger(answers)) == len(canned.bodies) == 12
    at_once = tmp_path / "at_once.csv"
    query("--output", at_once)
    query()
    assert without_times(answers) == without_times(at_once)


def test_replications_then_more(query: Command, canned: CannedServer, trials: Path, answers: Path) -> None:
    assert query("--replications", 2).code == 0
    assert len(canned.bodies) == 24
    two = {row["seed"]: row["model_response"] for row in read_rows(answers)}
    assert query("--replications", 3).code == 0
    assert len(canned.bodies) == 36
    rows = read_rows(answers)
    assert [row["replication"] for row in rows] == ["1", "2", "3"] * 12
    assert [row["speach"] for row in rows[::3]] == [row["speach"] for row in read_rows(trials)]
    assert {row["seed"]: row["model_response"] for row in rows}.items() >= two.items()
    assert len({body["seed"] for body in canned.bodies}) == 36


def without_times(path: Path) -> list[dict[str, str]]:
    """The rows of a table of answers but for what differs from run to run."""
    return [
        {name: cell for name, cell in row.items() if name not in ("response_timestamp", "processing_time_ms")}
        for row in read_rows(path)
    ]


def test_shuffling_changes_the_order_of_asking_alone(
    query: Command, canned: CannedServer, answers: Path, tmp_path: Path
) -> None:
    query("--concurrency", 1)
    in_order = [body["seed"] for body in canned.bodies]
    canned.bodies.clear()
    shuffled = tmp_path / "shuffled.csv"
    assert query("--concurrency", 1, "--shuffle", "--output", shuffled).code == 0
    order = [body["seed"] for body in canned.bodies]
    assert order != in_order
    assert sorted(order) == sorted(in_order)
    assert without_times(shuffled) == without_times(answers)
    canned.bodies.clear()
    query("--concurrency", 1, "--shuffle", "--output", tmp_path / "again.csv")
    assert [body["seed"] for body in canned.bodies] == order


def test_shuffling_may_change_between_sessions(
    query: Command, canned: CannedServer, answers: Path, tmp_path: Path
) -> None:
    query("--limit", 5)
    assert query("--shuffle").code == 0
    assert len(canned.bodies) == 12
    query("--output", tmp_path / "plain.csv")
    assert without_times(answers) == without_times(tmp_path / "plain.csv")


def test_equal_prompts_get_seeds_of_their_own(
    query: Command, canned: CannedServer, trials: Path, answers: Path
) -> None:
    header, row, *_ = rows_of(trials)
    write_rows(trials, [header, *[row] * 10])
    assert query("--replications", 2).code == 0
    assert len({orjson.dumps(body["messages"]) for body in canned.bodies}) == 1
    seeds = {body["seed"] for body in canned.bodies}
    assert len(seeds) == len(canned.bodies) == 20
    assert all(0 <= seed < 2**31 for seed in seeds)
    assert {int(row["seed"]) for row in read_rows(answers)} == seeds
    assert len({row["model_response"] for row in read_rows(answers)}) == 20


def test_seeds_depend_on_the_base_seed_alone(query: Command, canned: CannedServer, tmp_path: Path) -> None:
    tables = {}
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        query("--output", tmp_path / f"{name}.csv", "--seed", seed)
        tables[name] = [row["seed"] for row in read_rows(tmp_path / f"{name}.csv")]
    assert tables["a"] == tables["b"]
    assert not set(tables["a"]) & set(tables["c"])


# Several turns


def test_turns_see_the_answers_before_them(query: Command, canned: CannedServer, answers: Path) -> None:
    assert query("--protocol", "sequential", "--limit", 2).code == 0
    assert sorted(len(body["messages"]) for body in canned.bodies) == [1, 1, 3, 3, 5, 5]
    for row in read_rows(answers):
        said = [row["response_prior"], row["response_state"], row["response_knowledge"]]
        assert row["model_response"] == "\n\n".join(said)
        [last] = [body for body in canned.bodies if body["seed"] == int(row["seed"]) and len(body["messages"]) == 5]
        assert [message["content"] for message in last["messages"] if message["role"] == "assistant"] == said[:2]
        assert row["prompt_tokens"] == "600"


def test_a_conversation_goes_on_after_the_turn_that_was_finished(
    query: Command, canned: CannedServer, answers: Path, tmp_path: Path
) -> None:
    async def second_turn_fails(number: int, body: dict[str, Any]) -> web.StreamResponse | None:
        return error(400, "no more") if len(body["messages"]) == 3 else None

    canned.handler = second_turn_fails
    assert query("--protocol", "sequential", "--limit", 3).code == 1
    for row in read_rows(answers):
        assert row["response_prior"] == row["model_response"] != ""
        assert row["response_state"] == row["response_knowledge"] == ""
        assert row["error"] == "no more"
    canned.handler = None
    canned.bodies.clear()
    assert query("--protocol", "sequential", "--limit", 3).code == 0
    assert sorted(len(body["messages"]) for body in canned.bodies) == [3, 3, 3, 5, 5, 5]
    at_once = tmp_path / "at_once.csv"
    query("--protocol", "sequential", "--limit", 3, "--output", at_once)
    assert without_times(answers) == without_times(at_once)


def test_a_cut_turn_flags_the_row(query: Command, canned: CannedServer, answers: Path) -> None:
    async def second_is_cut(number: int, body: dict[str, Any]) -> web.StreamResponse | None:
        return web.json_response(completion("x", finish_reason="length" if len(body["messages"]) == 3 else "stop"))

    canned.handler = second_is_cut
    done = query("--protocol", "sequential", "--limit", 1)
    assert "1 row, 1 answered, 100% cut off" in done.out
    assert read_rows(answers)[0]["finish_reason"] == "length"


# Export


def test_export_remakes_the_table_byte_for_byte(
    query: Command, grace: Command, canned: CannedServer, answers: Path, tmp_path: Path
) -> None:
    async def odd(number: int, body: dict[str, Any]) -> web.StreamResponse | None:
        texts = ["a\r\nb", 'c"d', "", "<think>e</think>f"]
        return web.json_response(completion(texts[number % 4])) if number % 3 else error(400, "g,\th")

    canned.handler = odd
    query("--replications", 2)
    before, asked = answers.read_bytes(), len(canned.bodies)
    done = grace("export", answers.with_suffix(".run"), "--output", tmp_path / "copy.csv")
    assert done.code == 1  # some rows have errors, and it says so
    assert (tmp_path / "copy.csv").read_bytes() == before
    answers.unlink()
    grace("export", f"{answers.with_suffix('.run')}/")
    assert answers.read_bytes() == before
    assert len(canned.bodies) == asked


def test_export_while_the_run_goes_on(query: Command, canned: CannedServer, answers: Path, tmp_path: Path) -> None:
    seen: list[int] = []

    async def look(number: int, body: dict[str, Any]) -> web.StreamResponse | None:
        if number == 7:
            made = export_run(Run.beside(answers), tmp_path / "meanwhile.csv")
            seen.append(made.errors["not asked yet"])
        return None

    canned.handler = look
    assert query("--concurrency", 1).code == 0
    assert seen == [6]
    whole = read_rows(answers)
    assert read_rows(tmp_path / "meanwhile.csv")[:6] == whole[:6]


def test_export_of_a_part_tells_what_is_missing(
    query: Command, grace: Command, canned: CannedServer, answers: Path
) -> None:
    canned.handler = always(lambda: error(404, "gone"))
    assert query("--concurrency", 1).code == 3
    done = grace("export", answers.with_suffix(".run"))
    assert done.code == 1
    assert "12 rows, 0 answered" in done.out
    assert "  11 rows: not asked yet\n" in done.out
    assert "  1 row: gone\n" in done.out
    assert [row["model_name"] for row in read_rows(answers)] == ["canned"] * 12


def test_what_cannot_be_exported(query: Command, grace: Command, answers: Path, tmp_path: Path, trials: Path) -> None:
    query()
    run = answers.with_suffix(".run")
    assert "is not a run" in one_message(grace("export", tmp_path / "none.run"), 2)
    assert "is not a run" in one_message(grace("export", trials), 2)
    assert "ends in .csv" in one_message(grace("export", run, "--output", tmp_path / "a.xlsx"), 2)
    assert "is inside the run" in one_message(grace("export", run, "--output", run / "input.csv", "--force"), 2)
    kept = trials.read_bytes()
    assert "add --force" in one_message(grace("export", run, "--output", trials), 2)
    assert trials.read_bytes() == kept
    assert grace("export", run, "--output", trials, "--force").code == 0
    assert trials.read_bytes() == answers.read_bytes()
    before = (run / "input.csv").read_bytes()
    (run / "input.csv").write_bytes(before.replace(b"always", b"never", 1))
    assert "input.csv: was changed since the run began" in one_message(grace("export", run), 2)
    (run / "input.csv").write_bytes(before)
    (run / "ledger.jsonl").unlink()
    assert "holds no answers yet" in one_message(grace("export", run), 2)


# Real data, and what is written where


@pytest.mark.parametrize("study", ["study1", "study2"])
def test_the_projects_own_tables(study: str, grace: Command, canned: CannedServer, tmp_path: Path) -> None:
    output = tmp_path / "answers.csv"
    table = ROOT / "data" / f"test_sample_{study}.csv"
    where = ["--output", output, "--model-endpoint", canned.url, "--model-name", "canned"]
    assert grace("query", study, "--input", table, *where).code == 0
    assert len(read_rows(output)) == len(read_rows(table)) == 10


@pytest.mark.parametrize("study", ["study1", "study2"])
def test_researchers_own_tables(study: str, grace: Command, canned: CannedServer, tmp_path: Path, shared: Path) -> None:
    output = tmp_path / "answers.csv"
    table = shared / "data" / f"{study}.csv"
    where = ["--output", output, "--model-endpoint", canned.url, "--model-name", "canned"]
    done = grace("query", study, "--input", table, *where)
    assert done.code == 0, done
    given, made = rows_of(table), rows_of(output)
    assert [row[: len(given[0])] for row in made] == given
    assert len(canned.bodies) == len(given) - 1


def test_the_manifest_tells_what_made_the_answers(
    query: Command, canned: CannedServer, answers: Path, trials: Path
) -> None:
    canned.owned_by, canned.root, canned.context = "vllm", "org/weights", 4096
    query("--model-revision", "abc", "--shuffle", "--replications", 2)
    told = manifest(answers)
    identity = told["identity"]
    assert identity["model"] == {"name": "canned", "source": "org/weights", "revision": "abc"}
    assert identity["input"]["file"] == "trials.csv"
    assert identity["templates"].keys() == {"response"}
    assert identity["sampling"].items() >= {"temperature": 0.7, "max_tokens": 512, "top_k": 0}.items()
    [session] = told["sessions"]
    assert session["server"] == {"dialect": "vllm", "version": "0.32.0", "context": 4096}
    assert (session["finished"], session["failed"]) == (24, {})
    assert session["options"].items() >= {"shuffle": True, "replications": 2, "limit": None}.items()
    run = answers.with_suffix(".run")
    assert (run / "input.csv").read_bytes() == trials.read_bytes()
    assert sorted(path.name for path in run.iterdir()) == ["input.csv", "ledger.jsonl", "run.json", "study.yaml"]


def test_debug_shows_where_it_happened(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, grace: Command) -> None:
    """And the exit code is what it is without."""
    monkeypatch.setenv("GRACE_DEBUG", "")
    plain = grace("export", tmp_path)
    done = grace("--debug", "export", tmp_path)
    assert done.code == plain.code == 2
    assert "Traceback" in done.err
    assert "Traceback" not in plain.err
    assert plain.err.removeprefix("grace: ").strip() in done.err
