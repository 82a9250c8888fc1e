"""The client retries what may pass, waits where it is told to, tells failures apart, and keeps secrets."""

import asyncio
import base64
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from email.utils import formatdate
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from canned import CannedServer, Cut
from grace.endpoints.client import (
    LONGEST_PAUSE,
    PATIENCE,
    SHORTEST_PAUSE,
    Client,
    Exchange,
    RequestFailed,
    base_url,
    without_userinfo,
)
from grace.endpoints.transport import AiohttpTransport, NoReply, Reply, check_url, is_loopback, proxy_of
from grace.errors import InputError
from grace.text import one_line
from limits import HANG

OK = Reply(200, b'{"answer": 42}')
TEXT_PATH = "/v1/chat/completions"


class Scripted:
    """A transport that plays a list of replies and exceptions, the last one for ever."""

    def __init__(self, *script: Reply | Exception) -> None:
        self.script = list(script)
        self.sent: list[tuple[str, str, Mapping[str, str], bytes | None, float]] = []

    async def send(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes | None, timeout: float
    ) -> Reply:
        self.sent.append((method, url, headers, body, timeout))
        turn = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(turn, Exception):
            raise turn
        return turn

    async def close(self) -> None:
        """Nothing is open."""


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Sleeping takes no time and is written down."""
    pauses: list[float] = []

    async def wait(event: asyncio.Event, seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr("grace.endpoints.client._wait", wait)
    return pauses


def post(*script: Reply | Exception, **options: Any) -> tuple[Exchange | RequestFailed, Scripted]:
    """What becomes of one request when the server answers so."""
    transport = Scripted(*script)
    client = Client(transport, options.pop("url", "http://server:8000"), **options)

    async def ask() -> Exchange | RequestFailed:
        try:
            return await client.post(TEXT_PATH, {"question": "6 x 7?"})
        except RequestFailed as failed:
            return failed

    return asyncio.run(ask()), transport


def failure(*script: Reply | Exception, **options: Any) -> RequestFailed:
    outcome, _ = post(*script, **options)
    assert isinstance(outcome, RequestFailed)
    return outcome


def refusal(status: int, message: str = "no", **headers: str) -> Reply:
    body = orjson.dumps({"error": {"message": message}})
    return Reply(status, body, {name.replace("_", "-"): value for name, value in headers.items()})


def test_an_answer_at_once(slept: list[float]) -> None:
    outcome, transport = post(OK, api_key="sk-1", timeout=7.0)
    assert isinstance(outcome, Exchange)
    assert (outcome.data, outcome.attempts) == ({"answer": 42}, 1)
    [(method, url, headers, body, timeout)] = transport.sent
    assert (method, url, body, timeout) == (
        "POST",
        "http://server:8000/v1/chat/completions",
        b'{"question":"6 x 7?"}',
        7.0,
    )
    assert headers["Authorization"] == "Bearer sk-1"
    assert slept == []


def test_without_a_key_none_is_sent() -> None:
    _, transport = post(OK)
    assert "Authorization" not in transport.sent[0][2]


TRANSIENT_FAULTS = {
    "408": refusal(408),
    "425": refusal(425),
    "500": refusal(500),
    "502": Reply(502, b"<html>Bad Gateway</html>"),
    "503": refusal(503),
    "504": Reply(504, b""),
    "529": refusal(529),
    "timeout": NoReply("timeout", "no answer within 5 s"),
    "connection": NoReply("connection", "reset"),
    "not JSON": Reply(200, b"<html>"),
    "half of JSON": Reply(200, b'{"answer": 4'),
    "empty": Reply(200, b""),
    "not an object": Reply(200, b"[42]"),
}


@pytest.mark.parametrize("fault", TRANSIENT_FAULTS.values(), ids=TRANSIENT_FAULTS)
def test_what_may_pass_is_tried_again(fault: Reply | Exception, slept: list[float]) -> None:
    outcome, transport = post(fault, fault, OK)
    assert isinstance(outcome, Exchange)
    assert outcome.attempts == len(transport.sent) == 3
    assert len(slept) == 2


@pytest.mark.parametrize("fault", TRANSIENT_FAULTS.values(), ids=TRANSIENT_FAULTS)
@pytest.mark.parametrize("retries", [0, 3])
def test_but_not_for_ever(fault: Reply | Exception, retries: int, slept: list[float]) -> None:
    outcome, transport = post(fault, max_retries=retries)
    assert isinstance(outcome, RequestFailed)
    assert outcome.attempts == len(transport.sent) == retries + 1
    assert len(slept) == retries


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 413, 422, 501])
def test_what_cannot_pass_is_not_tried_again(status: int, slept: list[float]) -> None:
    outcome, transport = post(refusal(status, "this will not do"), OK)
    assert isinstance(outcome, RequestFailed)
    assert (outcome.kind, outcome.status, outcome.attempts) == (f"http {status}", status, 1)
    assert str(outcome) == "this will not do"
    assert len(transport.sent) == 1
    assert slept == []


def test_what_an_empty_purse_says_is_not_tried_again(slept: list[float]) -> None:
    body = orjson.dumps({"error": {"message": "You exceeded your quota", "code": "insufficient_quota"}})
    outcome, transport = post(Reply(429, body), OK)
    assert isinstance(outcome, RequestFailed)
    assert outcome.kind == "quota"
    assert len(transport.sent) == 1


def test_kinds_tell_failures_apart(slept: list[float]) -> None:
    kinds = [
        failure(fault, max_retries=0).kind
        for fault in (refusal(500), Reply(200, b"x"), NoReply("timeout", ""), NoReply("connection", ""))
    ]
    assert kinds == ["http 500", "garbage", "timeout", "connection"]


# Rate limits


def test_a_rate_limit_costs_patience_and_no_retries(slept: list[float]) -> None:
    held: list[float] = []
    limits = [refusal(429)] * 9
    outcome, _ = post(*limits, OK, max_retries=0, on_push_back=held.append)
    assert isinstance(outcome, Exchange)
    assert outcome.attempts == 10
    assert len(held) == 9
    assert [pause <= slept_for <= 1.1 * pause for pause, slept_for in zip(held, slept, strict=True)] == [True] * 9


def test_retry_after_as_a_number_is_kept(slept: list[float]) -> None:
    held: list[float] = []
    post(refusal(429, retry_after="7"), OK, on_push_back=held.append)
    assert held == [7.0]
    assert 7.0 <= slept[0] <= 7.7


@pytest.mark.parametrize("zone", ["GMT", "-0000"])
def test_retry_after_as_a_date_is_kept(zone: str, slept: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "America/New_York")  # dates of servers do not depend on where we are
    time.tzset()
    held: list[float] = []
    date = formatdate(time.time() + 30, usegmt=True).replace("GMT", zone)
    post(refusal(429, retry_after=date), OK, on_push_back=held.append)
    assert 28 <= held[0] <= 31
    assert held[0] <= slept[0] <= 1.1 * held[0]
    monkeypatch.undo()
    time.tzset()


def test_a_date_in_the_past_is_now(slept: list[float]) -> None:
    outcome, _ = post(refusal(429, retry_after=formatdate(time.time() - 500, usegmt=True)), OK)
    assert isinstance(outcome, Exchange)
    assert SHORTEST_PAUSE <= slept[0] <= 1


@pytest.mark.parametrize("value", ["soon", "", "nan", "inf", "-inf", "Fri, 99 Dec 2030 00:00:00 GMT", "1e999", "٣x"])
def test_an_unreadable_retry_after_is_as_none(value: str, slept: list[float]) -> None:
    outcome, _ = post(refusal(429, retry_after=value), OK)
    assert isinstance(outcome, Exchange)
    assert 0.1 <= slept[0] <= 1.1


@pytest.mark.parametrize("value", ["0", "-5", "0.0"])
def test_a_server_that_says_at_once_for_ever_is_left_alone_in_the_end(value: str, slept: list[float]) -> None:
    outcome, transport = post(refusal(429, retry_after=value), patience=10)
    assert isinstance(outcome, RequestFailed)
    assert outcome.kind == "http 429"
    assert len(transport.sent) <= 10 / SHORTEST_PAUSE + 1
    assert min(slept) >= SHORTEST_PAUSE


@pytest.mark.parametrize("headers", [{}, {"retry_after": "60"}], ids=["silent", "with Retry-After"])
def test_patience_ends(headers: dict[str, str], slept: list[float]) -> None:
    outcome, _ = post(refusal(429, "slow down", **headers))
    assert isinstance(outcome, RequestFailed)
    assert (outcome.kind, outcome.status, str(outcome)) == ("http 429", 429, "slow down")
    assert PATIENCE - 61 <= sum(slept) <= 1.1 * PATIENCE


def test_a_wait_beyond_all_patience_is_not_begun(slept: list[float]) -> None:
    for status in (429, 503):
        assert failure(refusal(status, retry_after="86400")).attempts == 1
    assert slept == []


def test_a_busy_server_is_a_fault_and_a_push_back(slept: list[float]) -> None:
    held: list[float] = []
    post(refusal(503, retry_after="3"), OK, on_push_back=held.append)
    assert held == [3.0]
    post(refusal(500), OK, on_push_back=held.append)
    assert held == [3.0]


def test_pauses_grow_with_jitter(slept: list[float]) -> None:
    random.seed(3)
    for _ in range(40):
        post(refusal(500), max_retries=9)
    rounds = [slept[start : start + 9] for start in range(0, len(slept), 9)]
    middle = [sorted(round[number] for round in rounds)[20] for number in range(9)]
    assert middle[0] < middle[2] < middle[4] < middle[6]
    assert max(slept) <= 1.1 * LONGEST_PAUSE
    assert min(slept) >= 0.1
    assert len({round(pause, 6) for pause in slept}) > 300  # those refused together do not come back together


def test_faults_are_told(slept: list[float]) -> None:
    told: list[str] = []
    post(refusal(500, "out of memory"), NoReply("timeout", "no answer within 5 s"), OK, on_fault=told.append)
    assert told == ["http 500: out of memory", "timeout: no answer within 5 s"]


# Messages


MESSAGES = {
    "openai": (b'{"error": {"message": "too long", "code": 1}}', "too long"),
    "old vllm": (b'{"object": "error", "message": "too long"}', "too long"),
    "text": (b'{"error": "too long"}', "too long"),
    "fastapi": (b'{"detail": "Not Found"}', "Not Found"),
    "fastapi list": (b'{"detail": [{"msg": "bad"}]}', "[{'msg': 'bad'}]"),
    "no message": (b'{"error": {"code": 5}}', '{"error": {"code": 5}}'),
    "null": (b'{"error": null}', '{"error": null}'),
    "html": (b"<html>\n<b>Bad</b>\n</html>\n", "<html> <b>Bad</b> </html>"),
    "nothing": (b"", "(no text)"),
    "bytes": (b"\xff\xfe", "\ufffd\ufffd"),
    "a number": (b"5", "5"),
}


@pytest.mark.parametrize(("body", "text"), MESSAGES.values(), ids=MESSAGES)
def test_what_a_server_says_in_any_form(body: bytes, text: str) -> None:
    assert str(failure(Reply(400, body))) == text


KEY = "sk-abcdefghijklmnopqrstuvwxyz0123456789"


ECHOES = {
    "text": (400, str.encode),
    "json": (400, lambda echo: orjson.dumps([echo])),
    "message": (400, lambda echo: orjson.dumps({"error": {"message": echo}})),
    "garbage": (200, str.encode),
    "list": (200, lambda echo: orjson.dumps([echo])),
}


@pytest.mark.parametrize("before", [0, 60, 75, 79, 270, 290, 299, 5000])
@pytest.mark.parametrize(("status", "form"), ECHOES.values(), ids=ECHOES)
def test_an_echoed_key_is_taken_out_wherever_it_stands(before: int, status: int, form: Callable[[str], bytes]) -> None:
    body = form("x" * before + KEY + " is wrong")
    message = str(failure(Reply(status, body), api_key=KEY, max_retries=0))
    for part in range(4, len(KEY)):
        assert KEY[:part] not in message
    assert len(message) <= 300


def test_a_password_in_the_address_is_taken_out() -> None:
    url = "http://me:p%40ss@server:8000/v1"
    for said in ("p%40ss", "p@ss"):
        assert "[redacted]" in str(failure(refusal(400, f"bad password {said}"), url=url))
        message = str(failure(NoReply("connection", f"cannot reach http://me:{said}@server"), url=url, max_retries=0))
        assert said not in message
    assert Client(Scripted(OK), url).shown_url == "http://server:8000"


def test_a_short_message_is_kept_and_a_long_one_cut() -> None:
    assert str(failure(refusal(400, "y" * 300))) == "y" * 300
    assert str(failure(refusal(400, "y" * 301))) == "y" * 297 + "..."


@given(st.text())
def test_nothing_printable_moves_the_terminal(text: str) -> None:
    shown = one_line("a\x1b[31m" + text + "\u202eb\x9b2J")
    assert not any(ord(character) < 32 or 127 <= ord(character) < 160 for character in shown)
    assert "\u202e" not in shown


@given(st.text(st.characters(exclude_categories=["Cc", "Cf", "Zl", "Zp"])))
def test_what_is_printable_stays(text: str) -> None:
    assert one_line(text) == text.strip()


# Addresses


@pytest.mark.parametrize(
    "url",
    ["http://h:1", "http://h:1/", "http://h:1/v1", "http://h:1/v1/", "http://h:1//"],
)
def test_addresses_are_taken_with_and_without_v1(url: str) -> None:
    assert base_url(url) == "http://h:1"
    _, transport = post(OK, url=url)
    assert transport.sent[0][1] == "http://h:1/v1/chat/completions"


def test_a_path_before_v1_is_kept() -> None:
    assert base_url("https://gateway/team/v1") == "https://gateway/team"


def test_userinfo_is_not_shown() -> None:
    assert without_userinfo("https://me:pw@h:1/x?y=@z") == "https://h:1/x?y=@z"
    assert without_userinfo("https://h/x") == "https://h/x"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:8000",
        "h",
        "ftp://h",
        "http://",
        "http://[::1",
        "http://h:port",
        "http://h:99999",
        "http:///v1",
        "ftp://me:secret@h",
        "//h",
        "file:///etc/passwd",
    ],
)
def test_no_address_of_a_server(url: str) -> None:
    with pytest.raises(InputError, match=r"^--model-endpoint .*is not the address of a server") as caught:
        check_url(url, "--model-endpoint")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("url", ["http://h", "https://me:pw@h:1/v1", "http://[::1]:8000", "http://127.0.0.1:1/v1/"])
def test_addresses_of_servers(url: str) -> None:
    check_url(url, "URL")


def test_loopback_is_recognised() -> None:
    own = (
        "localhost:1",
        "LOCALHOST.",
        "my.localhost",
        "127.0.0.9",
        "[::1]:1",
        "0.0.0.0",
        "[::]",
        "[::ffff:127.0.0.1]:1",
    )
    assert {url: is_loopback(f"http://{url}") for url in own} == dict.fromkeys(own, True)
    others = ("10.0.0.1", "localhost.org", "/", "notlocalhost", "[::ffff:10.0.0.1]")
    assert {url: is_loopback(f"http://{url}") for url in others} == dict.fromkeys(others, False)


# The real transport


def exchange(server: CannedServer, use: Callable[[AiohttpTransport], Awaitable[Reply]]) -> Reply | NoReply:
    async def scenario() -> Reply | NoReply:
        transport = AiohttpTransport(server.url)
        try:
            return await use(transport)
        except NoReply as broken:
            return broken
        finally:
            await transport.close()

    return asyncio.run(scenario())


BODY = orjson.dumps({"messages": [{"role": "user", "content": "x"}], "seed": 1})


def send(server: CannedServer, timeout: float = HANG, url: str = "", path: str = TEXT_PATH) -> Reply | NoReply:
    return exchange(
        server,
        lambda transport: transport.send("POST", (url or server.url) + path, headers={}, body=BODY, timeout=timeout),
    )


def test_a_reply_comes_whole(canned: CannedServer) -> None:
    reply = send(canned)
    assert isinstance(reply, Reply)
    assert reply.status == 200
    assert orjson.loads(reply.body)["choices"]
    assert reply.headers["content-type"].startswith("application/json")


def test_a_stall_is_a_timeout(canned: CannedServer) -> None:
    canned.latency = HANG
    broken = send(canned, timeout=0.2)
    assert isinstance(broken, NoReply)
    assert (broken.kind, str(broken)) == ("timeout", "no answer within 0.2 s")


def test_a_cut_body_is_no_reply(canned: CannedServer) -> None:
    async def cut(number: int, body: dict[str, Any]) -> Cut:
        return Cut()

    canned.handler = cut
    broken = send(canned)
    assert isinstance(broken, NoReply)
    assert broken.kind == "connection"


def test_a_closed_port_says_so(canned: CannedServer, unused_port: int) -> None:
    broken = send(canned, url=f"http://127.0.0.1:{unused_port}")
    assert isinstance(broken, NoReply)
    assert (broken.kind, str(broken)) == ("connection", "cannot connect: Connection refused")


def test_an_unknown_host_says_so(canned: CannedServer) -> None:
    broken = send(canned, url="http://no-such-host.invalid")
    assert isinstance(broken, NoReply)
    assert broken.kind == "connection"
    assert str(broken).startswith("cannot connect: ")


def test_a_proxy_is_not_asked_for_this_machine(canned: CannedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert isinstance(send(canned), Reply)


def test_proxies_come_from_the_environment_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    assert proxy_of("http://lab.org") is None
    monkeypatch.setenv("https_proxy", "http://me:pw@proxy:3128")
    monkeypatch.setenv("no_proxy", "inside.org,10.0.0.1:8000")
    assert proxy_of("https://lab.org/v1") == "http://me:pw@proxy:3128"
    for url in ("http://lab.org", "https://a.inside.org", "https://me:pw@10.0.0.1:8000", "https://localhost.:8000"):
        assert proxy_of(url) is None


def test_no_password_comes_from_netrc(canned: CannedServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\ndefault login me password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setattr("grace.endpoints.transport.is_loopback", lambda url: False)  # as a server elsewhere
    canned.key = "own"
    refused = send(canned)
    assert isinstance(refused, Reply)
    assert (refused.status, b"Incorrect API key provided: None" in refused.body) == (401, True)


def test_the_password_in_an_address_is_used(canned: CannedServer) -> None:
    expected = base64.b64encode(b"me:pw").decode()
    canned.key = "never"

    async def ask() -> Reply:
        transport = AiohttpTransport(canned.url)
        try:
            url = canned.url.replace("http://", "http://me:pw@")
            return await transport.send("POST", url + TEXT_PATH, headers={}, body=BODY, timeout=HANG)
        finally:
            await transport.close()

    reply = asyncio.run(ask())
    assert reply.status == 401
    assert f"Basic {expected}" in reply.body.decode()
