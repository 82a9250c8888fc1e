"""The handshake recognises servers, proves that they can do what a run needs, and says what to do when they cannot."""

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest

from canned import CannedServer, completion, error
from conftest import Command
from grace.endpoints.client import Client, RequestFailed
from grace.endpoints.dialects import ChatAnswer, LlamaCpp, OpenAI, Sampling, Vllm, read_answer
from grace.endpoints.handshake import EndpointCheck, EndpointNeed, Handshake, checks, meet
from grace.endpoints.transport import AiohttpTransport, Reply
from grace.errors import EndpointError

Route = Reply | Callable[[dict[str, Any]], Reply]
LONGEST = [{"role": "user", "content": "word " * 90}]


def as_json(content: object, status: int = 200) -> Reply:
    return Reply(status, orjson.dumps(content))


class Routes:
    """A transport that answers by path; what it does not know is 404."""

    def __init__(self, routes: Mapping[str, Route]) -> None:
        self.routes = {
            "GET /v1/models": as_json({"data": [{"id": "canned"}]}),
            "POST /v1/chat/completions": as_json(completion("Hello.")),
            **routes,
        }

    async def send(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes | None, timeout: float
    ) -> Reply:
        route = self.routes.get(f"{method} {url.removeprefix('http://s')}", as_json({"detail": "Not Found"}, 404))
        return route if isinstance(route, Reply) else route(orjson.loads(body or b"{}"))

    async def close(self) -> None:
        """Nothing is open."""


def look(
    routes: Mapping[str, Route], need: EndpointNeed | None = None, model: str = "canned"
) -> tuple[Handshake, list[EndpointCheck]]:
    """All checks of a server with these routes."""
    hands = Handshake(Client(Routes(routes), "http://s", max_retries=0), model)

    async def gather() -> list[EndpointCheck]:
        return [check async for check in checks(hands, need or EndpointNeed())]

    return hands, asyncio.run(gather())


def told(found: Sequence[EndpointCheck], name: str) -> tuple[bool | None, str]:
    """What one check found."""
    [check] = [check for check in found if check.name == name]
    return check.ok, check.detail


def refused(server: CannedServer, need: EndpointNeed | None = None, model: str = "canned", **options: Any) -> str:
    """The message with which a run would end."""

    async def scenario() -> str:
        transport = AiohttpTransport(server.url)
        try:
            with pytest.raises(EndpointError) as caught:
                await meet(
                    Client(transport, server.url, **{"max_retries": 0, **options}), model, need or EndpointNeed()
                )
            return str(caught.value)
        finally:
            await transport.close()

    return asyncio.run(scenario())


def met(server: CannedServer, need: EndpointNeed | None = None, model: str = "canned", **options: Any) -> Handshake:
    async def scenario() -> Handshake:
        transport = AiohttpTransport(server.url)
        try:
            return await meet(Client(transport, server.url, **options), model, need or EndpointNeed())
        finally:
            await transport.close()

    return asyncio.run(scenario())


# Dialects

VLLM_MODELS = {"data": [{"id": "canned", "owned_by": "vllm", "root": "org/weights", "max_model_len": 100}]}
LLAMA_PROPS = {
    "default_generation_settings": {"n_ctx": 100},
    "total_slots": 3,
    "build_info": "b1234",
    "model_path": "/models/small-Q8.gguf",
}
LLAMA_MODELS = {"data": [{"id": "canned", "owned_by": "llamacpp", "meta": {"ftype": "Q8_0", "n_params": 7, "size": 9}}]}


def test_a_plain_server() -> None:
    hands, found = look({})
    assert type(hands.dialect) is OpenAI
    assert hands.facts.served == ("canned",)
    assert hands.facts.context is hands.facts.slots is None
    assert [check.name for check in found if check.ok is False] == []
    assert told(found, "health") == (None, "/health answers 404")
    assert told(found, "completion") == (True, "answers (20 tokens)")
    assert told(found, "chat template") == (True, "takes user, assistant")
    assert told(found, "logprobs") == (None, "none")


def test_vllm() -> None:
    hands, found = look(
        {
            "GET /health": Reply(200, b""),
            "GET /v1/models": as_json(VLLM_MODELS),
            "GET /version": as_json({"version": "0.32.0"}),
            "POST /tokenize": lambda body: as_json({"count": 90}),
        }
    )
    assert type(hands.dialect) is Vllm
    assert (hands.facts.version, hands.facts.context) == ("0.32.0", 100)
    assert hands.facts.identity == {"name": "canned", "source": "org/weights"}
    assert told(found, "server") == (None, "vllm 0.32.0")
    assert told(found, "model") == (True, "name canned, source org/weights")


def test_vllm_behind_a_gateway_that_does_not_say_so() -> None:
    hands, _ = look({"GET /version": as_json({"version": "0.32.0"}), "GET /tokenize": as_json({}, 405)})
    assert type(hands.dialect) is Vllm


def test_another_server_with_a_version_is_not_vllm() -> None:
    hands, _ = look({"GET /version": as_json({"version": "9"})})
    assert type(hands.dialect) is OpenAI


def test_llama_cpp() -> None:
    hands, found = look({"GET /v1/models": as_json(LLAMA_MODELS), "GET /props": as_json(LLAMA_PROPS)})
    assert type(hands.dialect) is LlamaCpp
    assert (hands.facts.version, hands.facts.context, hands.facts.slots) == ("b1234", 100, 3)
    assert hands.facts.identity == {
        "name": "canned",
        "source": "small-Q8.gguf",
        "template": None,
        "quantization": "Q8_0",
        "parameters": 7,
        "bytes": 9,
    }
    assert told(found, "server") == (None, "llamacpp b1234")


def test_llama_cpp_by_its_addresses() -> None:
    hands, _ = look({"GET /props": as_json(LLAMA_PROPS)})
    assert type(hands.dialect) is LlamaCpp


def test_pages_for_people_are_not_facts() -> None:
    page = Reply(200, b"<html>Welcome</html>")
    hands, _ = look({"GET /version": page, "GET /props": page, "GET /tokenize": page})
    assert type(hands.dialect) is OpenAI


NEUTRAL = {OpenAI: {"top_p"}, Vllm: {"top_p", "top_k", "min_p", "repetition_penalty"}}


@pytest.mark.parametrize("dialect", [OpenAI, Vllm, LlamaCpp])
def test_a_request_says_all_that_determines_its_answer(dialect: type[OpenAI]) -> None:
    """Servers and model files bring sampling defaults of their own; one left out would be theirs."""
    message = {"role": "user", "content": "?"}
    body = dialect().chat_body("m", [message], Sampling(0.5, 9, {"stop": ["x"], "top_p": 0.9}), seed=7)
    assert body.items() >= {"model": "m", "temperature": 0.5, "max_tokens": 9, "seed": 7, "top_p": 0.9}.items()
    assert body["messages"] == [message]
    assert body["stop"] == ["x"]
    assert NEUTRAL.get(dialect, {"repeat_penalty"}) <= body.keys()


# What goes wrong


def test_the_wrong_name_lists_the_right_ones(canned: CannedServer) -> None:
    canned.models = ["gemma-2-2b-it", "llama-3"]
    message = refused(canned, model="gemma-2-2b")
    assert message == (
        f"{canned.url}: model: 'gemma-2-2b' is not served here, only gemma-2-2b-it, "
        "llama-3 (did you mean 'gemma-2-2b-it'?)"
    )


def test_of_hundreds_of_names_some_are_listed(canned: CannedServer) -> None:
    canned.models = [f"model-{number}" for number in range(300)]
    message = refused(canned, model="zzz")
    assert "model-0, model-1" in message
    assert message.endswith(" and 280 more")


def test_no_models_at_all(canned: CannedServer) -> None:
    canned.models = []
    assert refused(canned).endswith("'canned' is not served here, only nothing")


def test_names_do_not_reach_the_terminal_as_orders(canned: CannedServer) -> None:
    canned.models = ["\x1b]0;owned\x07\x1b[2Jm", "n\r\n"]
    message = refused(canned)
    assert "only  ]0;owned [2Jm, n" in message
    assert message.isprintable()


def test_a_server_that_is_not_up(canned: CannedServer, unused_port: int) -> None:
    canned.url = f"http://127.0.0.1:{unused_port}"
    assert refused(canned) == (
        f"{canned.url}: health: no answer (cannot connect: Connection refused); "
        "is the server up, and the address right?"
    )


def test_a_server_that_still_loads(canned: CannedServer) -> None:
    canned.health = 503
    assert refused(canned) == f"{canned.url}: health: /health answers 503; is the model still loading?"


def test_a_server_that_sends_us_elsewhere() -> None:
    _, found = look({"GET /health": Reply(307, b"", {"location": "https://s/\x1b[0mhealth"})})
    assert [(check.name, check.ok) for check in found] == [("health", False)]
    assert found[0].detail == "redirects to https://s/ [0mhealth; give that address"
    _, found = look({"GET /health": Reply(307, b"", {"location": "https://ada:secret@[s/health?token=secret#secret"})})
    assert found[0].detail == "redirects to https://[s/health; give that address"


def test_a_server_that_wants_a_key(canned: CannedServer) -> None:
    canned.key = "sk-right-one"
    assert "models: status 401: Incorrect API key provided: None; give the key's" in refused(canned)
    message = refused(canned, api_key="sk-wrong-one")
    assert "Incorrect API key provided: Bearer [redacted]; " in message
    assert "--api-key-env NAME" in message
    assert "sk-wrong-one" not in message
    assert met(canned, api_key="sk-right-one").facts.served == ("canned",)


@pytest.mark.parametrize(
    "models",
    [b"", b"<html>", b"[]", b"{}", b'{"data": {}}', b'{"data": ["m"]}', b'{"data": null}'],
    ids=repr,
)
def test_what_lists_no_models_is_no_model_server(models: bytes) -> None:
    _, found = look({"GET /v1/models": Reply(200, models)})
    assert found[-1].name == "models"
    assert found[-1].ok is False


@pytest.mark.parametrize(
    "routes",
    [
        {"GET /props": as_json({"default_generation_settings": 5})},
        {"GET /props": as_json({"default_generation_settings": {}, "model_path": 5})},
        {"GET /v1/models": as_json({"data": [{"id": "canned", "owned_by": "llamacpp", "meta": [1]}]})},
    ],
    ids=["settings", "path", "meta"],
)
def test_a_server_that_describes_itself_in_another_form_is_refused(routes: dict[str, Route]) -> None:
    _, found = look(routes)
    assert found[-1] == EndpointCheck("models", False, "a llamacpp server that describes itself in an unknown form")


@pytest.mark.parametrize("context", ["4096", -1, 0, 1.5, None, [1]], ids=repr)
def test_a_context_that_is_no_number_is_not_known(context: object) -> None:
    entry = {"id": "canned", "owned_by": "vllm", "max_model_len": context}
    need = EndpointNeed(longest=LONGEST, longest_name="row 3", max_tokens=10)
    hands, found = look({"GET /v1/models": as_json({"data": [entry]}), "POST /tokenize": as_json({"count": 90})}, need)
    assert hands.facts.context is None
    assert told(found, "longest prompt")[0] is None


def test_a_model_that_cannot_answer(canned: CannedServer) -> None:
    async def broken(number: int, body: dict[str, Any]) -> Any:
        return error(500, "CUDA \x1b[31merror")

    canned.handshake = broken
    assert refused(canned) == f"{canned.url}: completion: status 500: CUDA  [31merror"


def test_a_rate_limit_is_waited_for(canned: CannedServer, impatient: None) -> None:
    asked = 0

    async def busy(number: int, body: dict[str, Any]) -> Any:
        nonlocal asked
        asked += 1
        return error(429, "slow down") if asked < 4 else None

    canned.handshake = busy
    assert met(canned).facts.served == ("canned",)
    assert asked > 4


def test_a_template_that_knows_no_system_message(canned: CannedServer) -> None:
    async def no_system(number: int, body: dict[str, Any]) -> Any:
        return error(400, "System role not supported") if body["messages"][0]["role"] == "system" else None

    canned.handshake = no_system
    shape = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "?"}]
    message = refused(canned, EndpointNeed(shape=shape))
    assert "chat template: refuses the conversation: System role not supported" in message
    assert "put the study's system text into the first turn" in message
    assert met(canned).facts.served == ("canned",)


def test_a_template_that_takes_one_turn_only(canned: CannedServer) -> None:
    async def one_turn(number: int, body: dict[str, Any]) -> Any:
        return error(400, "Conversation roles must alternate") if len(body["messages"]) > 1 else None

    canned.handshake = one_turn
    message = refused(canned)
    assert message.endswith("chat template: refuses the conversation: Conversation roles must alternate")


# Lengths


def fits(tokens: int, max_tokens: int, context: int | None, turns: int = 1) -> tuple[bool | None, str]:
    longest = [message for _ in range(turns) for message in ({"role": "user", "content": "?"},)]
    entry = {"id": "canned", "owned_by": "vllm", "max_model_len": context}
    _, found = look(
        {"GET /v1/models": as_json({"data": [entry]}), "POST /tokenize": as_json({"count": tokens})},
        EndpointNeed(longest=longest, longest_name="row 17", max_tokens=max_tokens),
    )
    return told(found, "longest prompt")


def test_a_prompt_that_fits_exactly() -> None:
    assert fits(90, 10, 100) == (True, "90 tokens (row 17), answers up to 10, context 100")


def test_one_token_too_many_is_refused_with_the_number_to_use() -> None:
    assert fits(90, 11, 100) == (
        False,
        "90 tokens (row 17), answers up to 11, context 100; "
        "use --max-tokens 10 or less, or serve the model with a longer context",
    )


def test_the_number_to_use_is_one_that_works() -> None:
    for tokens in (1, 50, 99):
        ok, detail = fits(tokens, 512, 100)
        assert ok is False
        [number] = re.findall(r"--max-tokens (\d+)", detail)
        assert fits(tokens, int(number), 100)[0] is True
        assert fits(tokens, int(number) + 1, 100)[0] is False


def test_a_prompt_longer_than_the_context_needs_another_server() -> None:
    for tokens in (100, 101):
        ok, detail = fits(tokens, 5, 100)
        assert ok is False
        assert detail.endswith("context 100; serve the model with a longer context")


def test_turns_that_may_not_fit_together_are_remarked() -> None:
    ok, detail = fits(60, 20, 100, turns=3)
    assert ok is None
    assert detail.endswith("3 answers of that length would not fit together")
    assert fits(40, 20, 100, turns=3)[0] is True


def test_a_server_that_tells_no_lengths() -> None:
    _, found = look({}, EndpointNeed(longest=LONGEST, longest_name="row 3"))
    assert told(found, "longest prompt") == (
        None,
        "the server gives no lengths; a prompt that is too long becomes a failed row",
    )


def test_a_prompt_too_long_stops_a_run_before_it_starts(canned: CannedServer, query: Command, tmp_path: Path) -> None:
    canned.owned_by, canned.context = "vllm", 300
    done = query()
    assert done.code == 3
    assert re.search(r"longest prompt: \d+ tokens \(row \d+\), answers up to 512, context 300", done.err)
    [number] = re.findall(r"--max-tokens (\d+)", done.err)
    assert canned.bodies == []
    assert not (tmp_path / "answers.csv").exists()
    assert query("--max-tokens", number).code == 0


# Logprobs


def test_vllm_proves_that_asked_ids_come_back() -> None:
    top = {f"token_id:{token}": -1.0 for token in (11, 12, 13, 99)}
    vllm = {"GET /v1/models": as_json(VLLM_MODELS), "POST /tokenize": as_json({"count": 9})}
    reply = {"choices": [{"logprobs": {"top_logprobs": [top]}}]}
    _, found = look({**vllm, "POST /v1/completions": as_json(reply)})
    assert told(found, "logprobs") == (None, "any tokens, by id")
    del top["token_id:12"]  # an unknown field is ignored with status 200
    _, found = look({**vllm, "POST /v1/completions": as_json(reply)})
    assert told(found, "logprobs") == (None, "none")


@pytest.mark.parametrize("reply", [{}, {"choices": []}, {"choices": [{"logprobs": None}]}, {"choices": [5]}], ids=repr)
def test_replies_without_logprobs_give_none(reply: object) -> None:
    for models in (VLLM_MODELS, LLAMA_MODELS):
        _, found = look(
            {
                "GET /v1/models": as_json(models),
                "POST /tokenize": as_json({"count": 9, "tokens": [1]}),
                "POST /apply-template": as_json({"prompt": "p"}),
                "POST /v1/completions": as_json(reply),
                "POST /completion": as_json(reply),
            }
        )
        assert told(found, "logprobs") == (None, "none")


def test_a_plain_servers_most_likely_tokens_are_counted() -> None:
    def chat(body: dict[str, Any]) -> Reply:
        asked = body.get("top_logprobs", 0)
        if asked > 5:
            return as_json({"error": {"message": "top_logprobs must be at most 5"}}, 400)
        reply = completion("Yes.")
        if asked:
            reply["choices"][0]["logprobs"] = {"content": [{"top_logprobs": [{}] * asked}]}
        return as_json(reply)

    _, found = look({"POST /v1/chat/completions": chat})
    assert told(found, "logprobs") == (None, "the 5 most likely tokens")


# Answers


def answer(**message: Any) -> ChatAnswer:
    return read_answer({"choices": [{"message": message, "finish_reason": "stop"}]})


def test_an_answer_is_kept_as_it_is() -> None:
    assert read_answer(completion("  3\n", finish_reason="length")) == ChatAnswer("  3\n", None, "length", 200, 20)


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_reasoning_in_a_field_of_its_own(field: str) -> None:
    assert answer(content="3", **{field: "hm"}) == ChatAnswer("3", "hm", "stop", None, None)
    assert answer(content=None, **{field: "hm"}) == ChatAnswer("", "hm", "stop", None, None)
    assert answer(content="3", **{field: ""}).reasoning is None


@pytest.mark.parametrize(
    ("content", "reasoning", "text"),
    [
        ("<think>hm</think>\n\n3", "hm", "3"),
        ("\n<think>\nhm\n</think>3", "hm", "3"),
        ("<think>hm", "hm", ""),  # cut off before the answer began
        ("<think>\n\n</think>\n\n3", None, "3"),  # told not to think
        ("hm</think>\n3", "hm", "3"),  # the chat template opened the block
        ("<think>a</think>3</think>", "a", "3</think>"),
        ("I <think> so", None, "I <think> so"),
        ("I say <think>x</think>", None, "I say <think>x</think>"),
        ("", None, ""),
        (None, None, ""),
    ],
    ids=repr,
)
def test_reasoning_in_a_think_block(content: str | None, reasoning: str | None, text: str) -> None:
    found = answer(content=content)
    assert (found.reasoning, found.text) == (reasoning, text)


@pytest.mark.parametrize(
    "reply",
    [
        {},
        {"choices": []},
        {"choices": None},
        {"choices": {}},
        {"choices": [None]},
        {"choices": [{}]},
        {"choices": [{"message": None}]},
        {"choices": [{"message": {"content": 5}}]},
        {"choices": [{"message": {"content": ["3"]}}]},
        {"choices": [{"message": {"content": "3", "reasoning": {}, "x": 1}, "finish_reason": 5}]},
        {"error": {"message": "no"}},
    ],
    ids=repr,
)
def test_json_that_is_no_completion_is_garbage(reply: dict[str, Any]) -> None:
    with pytest.raises(RequestFailed) as caught:
        read_answer(reply)
    assert caught.value.kind == "garbage"


@pytest.mark.parametrize("usage", [None, [1], {"prompt_tokens": "12"}, {"prompt_tokens": -1}, {"prompt_tokens": 1.5}])
def test_an_answer_is_kept_whatever_its_counts_look_like(usage: Any) -> None:
    assert read_answer({"choices": [{"message": {"content": "3"}}], "usage": usage}).prompt_tokens is None


def test_answers_in_parts_counts_with_a_point_and_refusals() -> None:
    parts = [{"type": "text", "text": "three"}, {"type": "image_url"}, {"type": "text", "text": " of them"}]
    found = read_answer({"choices": [{"message": {"content": parts}}], "usage": {"prompt_tokens": 20.0}})
    assert (found.text, found.prompt_tokens) == ("three of them", 20)
    assert read_answer({"choices": [{"message": {"content": None, "refusal": "I will not."}}]}).text == "I will not."


def test_an_error_with_status_200_says_its_reason() -> None:
    with pytest.raises(RequestFailed, match="upstream overloaded"):
        read_answer({"error": {"message": "upstream overloaded"}})


def test_another_chat_template_is_another_model() -> None:
    identities = [
        look({"GET /v1/models": as_json(LLAMA_MODELS), "GET /props": as_json({**LLAMA_PROPS, "chat_template": text})})[
            0
        ]
        for text in ("one", "two")
    ]
    assert identities[0].facts.identity != identities[1].facts.identity


# The command


def test_check_endpoint_shows_it_as_a_table(canned: CannedServer, grace: Command) -> None:
    done = grace("check-endpoint", canned.url, "--model-name", "canned")
    assert done.code == 0
    for name in ("health", "server", "model", "completion", "chat template", "context", "logprobs"):
        assert re.search(rf"^ *{name} +(ok|-) ", done.out, re.MULTILINE), name


def test_check_endpoint_says_what_fails(canned: CannedServer, grace: Command) -> None:
    canned.models = ["\x1b[31mother[bold]"]
    done = grace("check-endpoint", canned.url, "--model-name", "canned")
    assert done.code == 3
    assert re.search(r"model +FAILED +'canned' is not served here, only  \[31mother\[bold\]", done.out)
    assert done.err == f"grace: {canned.url}: cannot be used as it is (model)\n"


def test_check_endpoint_shows_no_password(canned: CannedServer, grace: Command) -> None:
    canned.key = "right"
    done = grace("check-endpoint", canned.url.replace("://", "://me:p4ssw0rd@"), "--model-name", "canned")
    assert done.code == 3
    assert "p4ssw0rd" not in done.out + done.err


def test_check_endpoint_takes_a_key(canned: CannedServer, grace: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    canned.key = "right"
    monkeypatch.setenv("GATEWAY_KEY", "right\n")
    done = grace("check-endpoint", canned.url, "--model-name", "canned", "--api-key-env", "GATEWAY_KEY")
    assert done.code == 0, done.out


def test_check_endpoint_does_not_wait_for_a_rate_limit(canned: CannedServer, grace: Command) -> None:
    async def busy(number: int, body: dict[str, Any]) -> Any:
        return error(429, "slow down", Retry_After="30")

    canned.handshake = busy
    done = grace("check-endpoint", canned.url, "--model-name", "canned")
    assert done.code == 3
    assert "slow down" in done.out
