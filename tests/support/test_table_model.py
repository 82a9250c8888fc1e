"""The table model is what it says: distributions, a tokenizer, servers in the real shapes, a reference for scorers."""

import http.client
import json
import math
import os
from typing import Any

import pytest
from aiohttp import web
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

from canned import Cut, error
from conftest import Command
from limits import HANG
from strategies import questions, table_models
from table_model import (
    LOWEST,
    MISSING,
    Question,
    TableModel,
    TableServer,
    Untokenizable,
    brute_force,
    printable_model,
)

MODEL = TableModel(
    ("<s>", "<turn>", "</turn>", "\n", "user", "assistant", "a", "b", "ab"), frozenset({0, 1, 2}), seed=7
)
HI = [{"role": "user", "content": "ab"}]
PROMPT = [0, 1, 4, 3, 8, 2, 3, 1, 5, 3]


def ask(server: str, path: str, body: object = None) -> tuple[int, Any]:
    """Status and content, read as JSON where there is any."""
    connection = http.client.HTTPConnection(server.removeprefix("http://"), timeout=HANG)
    try:
        head = {"Content-Type": "application/json"}
        connection.request("GET" if body is None else "POST", path, None if body is None else json.dumps(body), head)
        reply = connection.getresponse()
        text = reply.read().decode()
        return reply.status, json.loads(text) if text else None
    finally:
        connection.close()


def logs(model: TableModel, context: list[int]) -> list[float]:
    return [math.log(share) for share in model.probabilities(context)]


# The model


@given(table_models(), st.lists(st.integers(0, 9), max_size=5))
@settings(max_examples=30)
def test_every_context_has_a_distribution_of_its_own_and_always_the_same(model, context):
    shares = model.probabilities(context)
    assert len(shares) == len(model.tokens)
    assert min(shares) > 0
    assert math.fsum(shares) == pytest.approx(1, abs=1e-14)
    again = TableModel(model.tokens, model.special, model.seed, model.spread)
    assert again.probabilities(tuple(context)) == shares
    assert model.spread == 0 or model.probabilities([*context, 0]) != shares


def test_some_probabilities_are_tiny_and_a_wide_spread_makes_zeros():
    assert any(min(MODEL.probabilities([n])) < 1e-11 for n in range(100))
    wide = TableModel(MODEL.tokens, spread=500)
    assert any(0 in wide.probabilities([n]) for n in range(10))


def test_the_longest_override_counts():
    even, sure = [1 / 9] * 9, [1.0, *[0.0] * 8]
    model = TableModel(MODEL.tokens, overrides={(): even, (5, 3): sure})
    assert model.probabilities([1, 3]) == even
    assert model.probabilities([1, 5, 3]) == sure
    with pytest.raises(ValueError, match="no distribution"):
        TableModel(MODEL.tokens, overrides={(): [1.0]})


@given(questions())
@settings(max_examples=50)
def test_tokens_have_the_text_that_they_were_made_of_and_the_prompt_ends_at_a_stable_boundary(question):
    model = question.model
    prompt = model.render(question.messages)
    assert model.text(question.prompt_ids) == prompt
    assert 10 <= len(model.tokens) <= 60
    texts = [form for forms in question.labels.values() for form in forms]
    assert len(texts) == len(set(texts))
    for label, forms in question.labels.items():
        for text, ids in zip(forms, question.forms[label], strict=True):
            assert model.text(ids) == text
            assert model.tokenize(prompt + text) == question.prompt_ids + ids


def test_special_tokens_are_split_out_first_and_the_longest_token_comes_next():
    assert MODEL.tokenize(MODEL.render(HI)) == PROMPT
    assert MODEL.tokenize("aab") == [6, 8]
    assert MODEL.tokenize("a", add_special=True) == [6]
    assert TableModel(MODEL.tokens, bos=0).tokenize("a", add_special=True) == [0, 6]
    with pytest.raises(Untokenizable, match="'<s>a'"):
        MODEL.tokenize("b<s>a", parse_special=False)
    assert printable_model("Yes").tokenize("<s>Yes!")[0] == 0


# The reference


def coin(*sides: float) -> TableModel:
    """Tokens a, b, c, ... with these probabilities, whatever came before."""
    return TableModel(tuple("abcdefgh"[: len(sides)]), overrides={(): sides})


A, B, C = 0, 1, 2


def test_a_form_is_worth_the_product_along_its_path():
    assert brute_force(coin(0.5, 0.3, 0.2), [A], {"x": [[A, B]], "y": [[B], [C, C]]}) == pytest.approx(
        {"x": 0.15, "y": 0.3 + 0.04}
    )


def test_a_longer_form_takes_its_share_from_the_shorter_one():
    across = brute_force(coin(0.5, 0.3, 0.2), [], {"x": [[A]], "y": [[A, B]], "z": [[A, B, C]]})
    assert across == pytest.approx({"x": 0.5 - 0.15, "y": 0.15 - 0.03, "z": 0.03})
    within = brute_force(coin(0.5, 0.3, 0.2), [], {"x": [[A], [A, B, C]], "y": [[A, B]]})
    assert within == pytest.approx({"x": 0.35 + 0.03, "y": 0.12})
    nothing_new = brute_force(coin(0.5, 0.3, 0.2), [], {"x": [[A], [A, B]]})
    assert nothing_new == pytest.approx({"x": 0.5})


def test_a_gap_in_the_path_falls_back_to_the_longest_form_passed():
    # after a, b, the longest form passed is a: only a b c belongs to y
    assert brute_force(coin(0.5, 0.3, 0.2), [], {"x": [[A]], "y": [[A, B, C]]}) == pytest.approx(
        {"x": 0.5 - 0.03, "y": 0.03}
    )


def test_the_prompt_counts_and_one_form_cannot_have_two_labels():
    model = TableModel(("a", "b"), overrides={(): [0.5, 0.5], (1, 1): [0.9, 0.1], (1, 1, 0): [0.2, 0.8]})
    assert brute_force(model, [1, 1], {"x": [[0, 1]], "y": [[1]]}) == pytest.approx({"x": 0.72, "y": 0.1})
    with pytest.raises(ValueError, match="same form"):
        brute_force(model, [], {"x": [[0]], "y": [[0]]})


@given(questions())
@settings(max_examples=30)
def test_labels_share_what_starts_with_a_shortest_form(question):
    forms = [tuple(form) for forms in question.forms.values() for form in forms]
    shortest = [form for form in forms if not any(form[: len(other)] == other for other in forms if other != form)]
    mass = 0.0
    for form in shortest:
        share = 1.0
        for place, token in enumerate(form):
            share *= question.model.probabilities([*question.prompt_ids, *form[:place]])[token]
        mass += share
    found = brute_force(question.model, question.prompt_ids, question.forms)
    assert math.fsum(found.values()) == pytest.approx(mass, rel=1e-9)


@pytest.mark.parametrize("same", [True, False])
def test_questions_have_forms_that_begin_others_within_a_label_and_across(same):
    def begins(question: Question) -> bool:
        forms = [(label, form) for label, forms in question.forms.items() for form in forms]
        return any(
            one != other and other[: len(one)] == one and (label == its) is same
            for label, one in forms
            for its, other in forms
        )

    only_look = settings(max_examples=100, database=None, phases=[Phase.generate])
    find(questions(), begins, settings=only_look)


# The servers

VLLM = {
    "/tokenize": ["count", "max_model_len", "tokens", "token_strs"],
    "/detokenize": ["prompt"],
    "/v1/completions": [
        "id",
        "object",
        "created",
        "model",
        "choices",
        "service_tier",
        "system_fingerprint",
        "usage",
        "kv_transfer_params",
        "ec_transfer_params",
        "metrics",
    ],
    "choices": [
        "index",
        "text",
        "logprobs",
        "finish_reason",
        "stop_reason",
        "token_ids",
        "prompt_logprobs",
        "prompt_token_ids",
        "routed_experts",
    ],
    "logprobs": ["text_offset", "token_logprobs", "tokens", "top_logprobs"],
}
"""The keys of vLLM 0.32's replies."""


def vllm_keys(url: str, name: str) -> dict[str, list[str]]:
    """The keys of this server's replies."""
    body = {"model": name, "prompt": [[1]], "max_tokens": 1, "temperature": 0, "logprobs": 1, "logprob_token_ids": [6]}
    whole = ask(url, "/v1/completions", body)[1]
    return {
        "/tokenize": [*ask(url, "/tokenize", {"model": name, "messages": HI})[1]],
        "/detokenize": [*ask(url, "/detokenize", {"model": name, "tokens": [6]})[1]],
        "/v1/completions": [*whole],
        "choices": [*whole["choices"][0]],
        "logprobs": [*whole["choices"][0]["logprobs"]],
    }


def test_vllm_answers_in_the_real_shape():
    with TableServer(MODEL) as server:
        assert vllm_keys(server.url, "table") == VLLM
        assert ask(server.url, "/health") == (200, None)
        assert ask(server.url, "/version") == (200, {"version": "0.32.0"})
        assert ask(server.url, "/v1/models")[1]["data"][0]["owned_by"] == "vllm"
        tokens = ask(server.url, "/tokenize", {"messages": HI, "add_generation_prompt": True})[1]
        assert tokens == {"count": 10, "max_model_len": 4096, "tokens": PROMPT, "token_strs": None}
        assert ask(server.url, "/tokenize", {"prompt": "ab", "add_special_tokens": False})[1]["tokens"] == [8]
        assert ask(server.url, "/detokenize", {"tokens": PROMPT}) == (200, {"prompt": MODEL.render(HI)})
        assert ask(server.url, "/props") == (404, {"detail": "Not Found"})
        assert ask(server.url, "/tokenize") == (405, {"detail": "Method Not Allowed"})
        assert ask(server.url, "/tokenize", {"prompt": "x"})[0] == 400
        assert ask(server.url, "/tokenize", {"model": "other", "prompt": "a"})[0] == 404
        assert len(server.bodies("/detokenize")) == 2
        assert server.requests[-1] == ("/tokenize", {"model": "other", "prompt": "a"})


@pytest.mark.vllm
@pytest.mark.skipif("GRACE_VLLM_URL" not in os.environ, reason="GRACE_VLLM_URL names no vLLM server")
def test_the_real_vllm_has_this_shape():
    assert vllm_keys(os.environ["GRACE_VLLM_URL"], "smollm2-135m") == VLLM


ASK = {"max_tokens": 1, "temperature": 0, "logprobs": 1, "return_tokens_as_token_ids": True}


def told(server: TableServer, **options: Any) -> list[dict[str, float]]:
    """The logprobs of each prompt."""
    status, reply = ask(server.url, "/v1/completions", {**ASK, **options})
    assert status == 200, reply
    return [choice["logprobs"]["top_logprobs"][0] for choice in reply["choices"]]


def test_vllm_tells_the_sampled_token_and_then_the_ids_asked_for():
    with TableServer(MODEL) as server:
        prompts = [PROMPT, [*PROMPT, 6]]
        for prompt, given in zip(prompts, told(server, prompt=prompts, logprob_token_ids=[8, 2, 7, 7]), strict=True):
            exact = logs(MODEL, prompt)
            best = exact.index(max(exact))
            assert given == {f"token_id:{id}": exact[id] for id in (best, 8, 2, 7)}
            assert next(iter(given)) == f"token_id:{best}"
        best = max(MODEL.tokens, key=lambda text: MODEL.probabilities([6])[MODEL.tokens.index(text)])
        [named] = told(server, prompt=[6], return_tokens_as_token_ids=False)
        assert [*named] == [best]


def test_vllm_refuses_what_it_refuses():
    wrong: list[dict[str, Any]] = [
        {"logprob_token_ids": [1] * 129},
        {"logprob_token_ids": [len(MODEL.tokens)]},
        {"logprob_token_ids": [1], "logprobs": None},
        {"logprobs": 21},
        {"prompt": []},
        {"prompt": [99]},
        {"prompt": [1] * 4096},
    ]
    with TableServer(MODEL) as server:
        for options in wrong:
            status, reply = ask(server.url, "/v1/completions", {**ASK, "prompt": [1], **options})
            assert (status, reply["error"]["type"]) == (400, "BadRequestError"), options
        assert ask(server.url, "/v1/completions", {**ASK, "prompt": [1], "max_tokens": 2})[0] == 501


def test_vllm_can_be_old_give_sentinels_and_heed_the_temperature():
    exact = logs(MODEL, [1])
    order = sorted(range(9), key=lambda id: -exact[id])
    with TableServer(MODEL, knows_ids=False) as server:
        [given] = told(server, prompt=[1], logprob_token_ids=[order[-1]], logprobs=2)
        assert [*given] == [f"token_id:{id}" for id in order[:2]]
        server.knows_ids, server.sentinel = True, {order[3]}
        [given] = told(server, prompt=[1], logprob_token_ids=order[3:5])
        assert [*given.values()] == [exact[order[0]], MISSING, exact[order[4]]]
        server.sentinel, server.processed = set(), True
        [given] = told(server, prompt=[1], logprob_token_ids=[*range(9)], temperature=2)
        scaled = [math.exp(one / 2) for one in exact]
        assert given == {f"token_id:{id}": pytest.approx(math.log(scaled[id] / sum(scaled))) for id in range(9)}
        assert told(server, prompt=[1], logprob_token_ids=[5])[0]["token_id:5"] == exact[5]


def test_llamacpp_answers_in_the_real_shape():
    with TableServer(MODEL, "llamacpp") as server:
        assert ask(server.url, "/health") == (200, {"status": "ok"})
        [entry] = ask(server.url, "/v1/models")[1]["data"]
        assert (entry["owned_by"], entry["meta"]["n_vocab"]) == ("llamacpp", 9)
        props = ask(server.url, "/props")[1]
        assert (props["default_generation_settings"]["n_ctx"], props["total_slots"]) == (4096, 4)
        assert {"chat_template", "model_path", "build_info"} <= set(props)
        rendered = ask(server.url, "/apply-template", {"messages": HI})[1]["prompt"]
        assert rendered == MODEL.render(HI)
        body = {"content": rendered, "add_special": True, "parse_special": True}
        assert ask(server.url, "/tokenize", body)[1] == {"tokens": PROMPT}
        pieces = ask(server.url, "/tokenize", {"content": "ab", "with_pieces": True})[1]["tokens"]
        assert pieces == [{"id": 8, "piece": "ab"}]
        assert ask(server.url, "/detokenize", {"tokens": PROMPT}) == (200, {"content": rendered})
        missing = {"error": {"message": "File Not Found", "type": "not_found_error", "code": 404}}
        assert ask(server.url, "/version") == (404, missing)
        assert ask(server.url, "/completion", {"prompt": [99], "n_predict": 1})[1]["error"]["code"] == 400


def test_llamacpp_tells_the_most_likely_tokens_up_to_the_whole_vocabulary():
    sure = [0.0, 0.25, 0.0, 0.25, 0.5, *[0.0] * 4]
    model = TableModel(MODEL.tokens, MODEL.special, overrides={(6,): sure})
    body = {"n_predict": 1, "n_probs": 1000, "post_sampling_probs": False, "temperature": 0}
    with TableServer(model, "llamacpp") as server:
        reply = ask(server.url, "/completion", {**body, "prompt": [8, 6]})[1]
        [first] = reply["completion_probabilities"]
        assert (reply["tokens_evaluated"], reply["content"], first["id"]) == (2, "user", 4)
        top = first["top_logprobs"]
        assert top[0] == {"id": 4, "token": "user", "bytes": [*b"user"], "logprob": math.log(0.5)}
        assert top[1] == {"id": 1, "token": "", "bytes": [], "logprob": math.log(0.25)}  # a special token
        assert [entry["id"] for entry in top] == [4, 1, 3, 0, 2, 5, 6, 7, 8]
        assert {entry["logprob"] for entry in top[3:]} == {LOWEST}
        two = ask(server.url, "/completion", {**body, "prompt": [[6], [7]], "n_probs": 2})[1]
        assert [reply["index"] for reply in two] == [0, 1]
        assert [len(reply["completion_probabilities"][0]["top_logprobs"]) for reply in two] == [2, 2]
        assert "completion_probabilities" not in ask(server.url, "/completion", {"prompt": [6], "n_predict": 1})[1]


def test_llamacpp_leaves_the_token_that_begins_a_text_to_its_tokenizer():
    with TableServer(TableModel(MODEL.tokens, MODEL.special, bos=0), "llamacpp") as server:
        rendered = ask(server.url, "/apply-template", {"messages": HI})[1]["prompt"]
        assert rendered == MODEL.render(HI).removeprefix("<s>")
        assert ask(server.url, "/tokenize", {"content": rendered, "add_special": True})[1]["tokens"] == PROMPT
        assert ask(server.url, "/v1/chat/completions", {"messages": HI})[1]["usage"]["prompt_tokens"] == 10


@pytest.mark.parametrize("dialect", ["vllm", "llamacpp", "openai"])
def test_chat_counts_the_prompt_and_tells_the_first_token(dialect):
    exact = logs(MODEL, PROMPT)
    order = sorted(range(9), key=lambda id: -exact[id])
    with TableServer(MODEL, dialect) as server:
        plain = ask(server.url, "/v1/chat/completions", {"model": "table", "messages": HI})[1]
        assert plain["usage"]["prompt_tokens"] == 10
        assert plain["choices"][0]["message"]["content"] == "Hello."
        body = {"model": "table", "messages": HI, "max_tokens": 1, "logprobs": True, "top_logprobs": 4}
        [first] = ask(server.url, "/v1/chat/completions", body)[1]["choices"][0]["logprobs"]["content"]
        assert [entry["logprob"] for entry in first["top_logprobs"]] == [exact[id] for id in order[:4]]
        if dialect != "llamacpp":
            assert [entry["token"] for entry in first["top_logprobs"]] == [MODEL.tokens[id] for id in order[:4]]
            server.most = 3
            assert ask(server.url, "/v1/chat/completions", body)[0] == 400
            server.clips = True
            [first] = ask(server.url, "/v1/chat/completions", body)[1]["choices"][0]["logprobs"]["content"]
            assert len(first["top_logprobs"]) == 3
        server.logprobs = False
        assert ask(server.url, "/v1/chat/completions", body)[0] == 400


def test_an_openai_server_has_no_more_than_chat():
    with TableServer(MODEL, "openai") as server:
        assert ask(server.url, "/v1/models")[1]["data"][0]["owned_by"] == "table"
        assert [ask(server.url, path)[0] for path in ("/version", "/props", "/tokenize")] == [404] * 3


def test_faults_can_be_asked_for():
    def fail(path: str, number: int, body: dict[str, Any]) -> web.StreamResponse | None:
        if path == "/detokenize":
            return {1: error(429, "too many", retry_after="1"), 2: Cut()}.get(number)
        return None

    with TableServer(MODEL, fail=fail, latency=0.01) as server:
        assert ask(server.url, "/detokenize", {"tokens": [6]})[0] == 429
        with pytest.raises(http.client.IncompleteRead):
            ask(server.url, "/detokenize", {"tokens": [6]})
        assert ask(server.url, "/detokenize", {"tokens": [6]}) == (200, {"prompt": "a"})


@pytest.mark.parametrize(
    ("dialect", "support"),
    [("vllm", "any tokens, by id"), ("llamacpp", "as many of the most likely"), ("openai", "the 20 most likely")],
)
def test_the_handshake_takes_it_for_real(grace: Command, dialect, support):
    with TableServer(printable_model("Yes", "No"), dialect) as server:
        done = grace("check-endpoint", server.url, "--model-name", "table")
    assert done.code == 0, done.out + done.err
    assert support in done.out
