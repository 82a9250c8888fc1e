"""No form of a key or password gets from a server's reply into ledger, table or terminal."""

import html
import json
import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import orjson
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from canned import CannedServer, completion, error
from conftest import Command
from grace.endpoints.redaction import INSTEAD, Redaction

pytestmark = pytest.mark.usefixtures("impatient")

KEY = 'sk-very+secret/01"2345&678é'

FORMS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "in a header": lambda key: f"Authorization: Bearer {key}",
    "in capitals": str.upper,
    "in a URL": lambda key: quote(key, safe=""),
    "in a URL with small letters": lambda key: re.sub("%..", lambda escape: escape[0].lower(), quote(key, safe="")),
    "in a query": quote_plus,
    "in JSON": lambda key: json.dumps(key),
    "in JSON in JSON": lambda key: json.dumps(json.dumps({"key": key})),
    "on a page": html.escape,
    "as Python shows it": repr,
    "in hexadecimal": lambda key: key.encode().hex(),
    "in Base64": lambda key: b64encode(key.encode()).decode(),
    "in Base64 with more before": lambda key: b64encode(f"user:{key}".encode()).decode(),
    "in Base64 with more around": lambda key: b64encode(f"Bearer {key}\n".encode()).decode(),
    "in Base64 for URLs": lambda key: urlsafe_b64encode(key.encode()).decode().rstrip("="),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_every_form_is_taken_out_of_messages_and_bodies(form: Callable[[str], str]) -> None:
    redaction, said = Redaction("http://here", KEY), form(KEY)
    for text in (said, f"no such key: {said}!", "x" * 15_000 + said):
        assert INSTEAD in redaction.text(text)
    for body in ({"error": {"message": said}}, {"choices": [said, 1]}, [[{said: 7}]]):
        for written in (orjson.dumps(body), json.dumps(body).encode()):
            clean = redaction.body(written)
            assert INSTEAD.encode() in clean, written
            assert b"very" not in clean.lower()


@given(st.text(min_size=8, max_size=40), st.text(max_size=20), st.text(max_size=20))
def test_no_key_whatever_its_characters(key: str, before: str, after: str) -> None:
    key = key.encode(errors="ignore").decode()
    if len(key) < 8 or key in before + after or key in INSTEAD:
        return
    redaction = Redaction("http://here", key)
    said = json.dumps({"text": before + key + after}, ensure_ascii=True).encode()
    assert key not in orjson.loads(redaction.body(said) if "\\ud" not in said.decode() else b'{"text": ""}')["text"]


def test_a_part_of_a_key_at_the_end_of_a_long_message() -> None:
    key = "k3y" * 700
    assert "k3yk3y" not in Redaction("http://here", key).text(f"{key} " * 20)


@pytest.mark.parametrize("url", ["http://ada:p%40ss-w0rd!@here/v1", "http://tok-0123456789@here"])
def test_user_and_password_of_a_url(url: str) -> None:
    user, _, password = url.removeprefix("http://").rpartition("@")[0].partition(":")
    redaction = Redaction(url, None)
    plain = f"{user}:p@ss-w0rd!" if password else f"{user}:"
    said = [url, b64encode(plain.encode()).decode(), plain.partition(":")[2] or user]
    for text in said:
        assert INSTEAD in redaction.text(f"see {text} there")


def test_words_that_are_short_keys_stay_in_answers() -> None:
    """Servers without keys take any; `EMPTY` is usual."""
    redaction = Redaction("http://here", "EMPTY")
    body = orjson.dumps({"text": "The box is EMPTY."})
    assert redaction.body(body) is body
    assert redaction.text("Bearer EMPTY") == f"Bearer {INSTEAD}"


def test_numbers_stay_as_they_are() -> None:
    redaction = Redaction("http://here", "1234567890")
    body = b'{"tokens": [1234567890, 0.1234567890], "said": "1234567890"}'
    assert orjson.loads(redaction.body(body)) == {"tokens": [1234567890, 0.123456789], "said": INSTEAD}


def everything_written(folder: Path) -> bytes:
    return b"\n".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


Said = Callable[[str], web.StreamResponse]
PLACES: dict[str, Said] = {
    "status 200 with an error inside": lambda said: web.json_response({"error": {"message": said}}),
    "status 200 with an error as text": lambda said: web.json_response({"error": said}),
    "an answer": lambda said: web.json_response(completion(f"My key is {said}.")),
    "reasoning": lambda said: web.json_response(completion("Yes.", reasoning=said)),
    "the reason of its end": lambda said: web.json_response(completion("Yes.", finish_reason=said)),
    "a refusal": lambda said: error(400, said),
    "a refusal without JSON": lambda said: web.Response(status=400, text=f"<p>{said}</p>"),
    "no JSON at all": lambda said: web.Response(text=said),
    "the name of a header": lambda said: web.Response(status=400, headers={"X": quote(said)}, text=said),
}


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_a_server_that_echoes_the_key_gets_it_nowhere(
    place: Said, query: Command, canned: CannedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = "sk-very+secret/0123456789"
    monkeypatch.setenv("THE_KEY", key)
    forms = list(FORMS.values())
    canned.key = key

    async def echo(number: int, body: dict[str, Any]) -> web.StreamResponse:
        return place(forms[number % len(forms)](key))

    handler: Callable[[int, dict[str, Any]], Awaitable[web.StreamResponse | None]] = echo
    canned.handler = handler
    done = query("--api-key-env", "THE_KEY", "--replications", 2, "--max-retries", 0)
    assert done.code in (0, 1, 3)
    assert canned.bodies
    written = everything_written(tmp_path) + (done.out + done.err).encode()
    for form in forms:
        assert form(key).encode() not in written
    for part in (b"very+secret", b"very%2", b"dmVyeStzZWNyZX", b"2d766572792b"):
        assert part.lower() not in written.lower()


def test_a_server_that_describes_itself_by_the_key(
    query: Command, canned: CannedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = "sk-very+secret/0123456789"
    monkeypatch.setenv("THE_KEY", key)
    canned.key, canned.owned_by, canned.models = key, f"of {key}", ["canned", key]
    done = query("--api-key-env", "THE_KEY")
    assert done.code == 0
    assert b"very+secret" not in everything_written(tmp_path) + (done.out + done.err).encode()
    assert key not in query("--api-key-env", "THE_KEY", "--model-name", "other").err
