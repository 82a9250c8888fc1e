"""The tiny model's own facts: its tokens, its templates, and that its distribution is a real one."""

import json
import math
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from grace.endpoints.embedded import EmbeddedServer
from grace.models.serving import ServingOptions
from limits import HANG
from tiny_gguf import CHATML, CONTROL, HARMONY, NUMBERS, THINKING, WORDS, write_tiny_gguf

OPTIONS = ServingOptions("tiny", context=512, parallel=2)
MESSAGES = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Is it bad?"}]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    path = tmp_path_factory.mktemp("tiny") / "tiny.gguf"
    write_tiny_gguf(path)
    with EmbeddedServer(path, OPTIONS) as server:
        yield server


def post(server: EmbeddedServer, path: str, body: object) -> Any:
    head = {"Content-Type": "application/json", "Authorization": f"Bearer {server.api_key}"}
    request = urllib.request.Request(server.url + path, json.dumps(body).encode(), head)
    with urllib.request.urlopen(request, timeout=HANG) as reply:
        return json.load(reply)


def tokens(server: EmbeddedServer, text: str) -> dict[str, Any]:
    body = {"content": text, "add_special": True, "parse_special": True, "with_pieces": True}
    found = post(server, "/tokenize", body)["tokens"]
    return {"ids": [token["id"] for token in found], "pieces": [token["piece"] for token in found]}


def pieces(server: EmbeddedServer, text: str) -> list[str]:
    return tokens(server, text)["pieces"]


def completion(server: EmbeddedServer, prompt: list[int], **more: object) -> dict[str, Any]:
    return post(server, "/completion", {"prompt": prompt, "n_predict": 1, "n_probs": 1000, "temperature": 0, **more})


def distribution(server: EmbeddedServer, prompt: list[int]) -> dict[int, float]:
    """Probability of each token of the vocabulary after the prompt."""
    (drawn,) = completion(server, prompt)["completion_probabilities"]
    return {token["id"]: math.exp(token["logprob"]) for token in drawn["top_logprobs"]}


def distance(one: dict[int, float], other: dict[int, float]) -> float:
    """Total variation, from 0 (the same) to 1."""
    return sum(abs(one[token] - other[token]) for token in one) / 2


def test_each_word_number_and_control_token_is_one_token(server):
    for text in (*WORDS, *NUMBERS, *CONTROL):
        assert pieces(server, text) == [text]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10%", ["10", "%"]),
        ("100%", ["100", "%"]),
        ("5%", ["5", "%"]),
        (" 10%.", [" 10", "%."]),
        ("It wasn't terrible.", ["It", " wasn", "'t", " terrible", "."]),
        (
            "<|start|>assistant<|channel|>final<|message|>",
            ["<|start|>", "assistant", "<|channel|>", "final", "<|message|>"],
        ),
    ],
)
def test_digits_merge_and_no_token_is_added(server, text, expected):
    assert pieces(server, text) == expected


@pytest.mark.parametrize(
    ("left", "right"), [("It was ", "10"), ("<think>\n", "\n</think>"), ("</think>\n\n", "yes"), ("90%", ".")]
)
def test_tokens_together_are_not_always_the_tokens_apart(server, left, right):
    assert pieces(server, left + right) != pieces(server, left) + pieces(server, right)


@pytest.mark.parametrize(
    ("template", "rendered"),
    [
        (CHATML, "<|im_start|>user\nIs it bad?<|im_end|>\n<|im_start|>assistant\n"),
        (THINKING, "<|im_start|>user\nIs it bad?<|im_end|>\n<|im_start|>assistant\n<think>\n"),
        (
            HARMONY,
            "<|start|>system<|message|>Be brief.<|end|><|start|>user<|message|>Is it bad?<|end|><|start|>assistant",
        ),
    ],
    ids=["chatml", "thinking", "harmony"],
)
def test_each_template_with_single_digits(tmp_path, template, rendered):
    write_tiny_gguf(tmp_path / "tiny.gguf", digits="single", template=template)
    with EmbeddedServer(tmp_path / "tiny.gguf", OPTIONS) as server:
        assert post(server, "/apply-template", {"messages": MESSAGES})["prompt"].endswith(rendered)
        assert pieces(server, " 100%.") == [" ", "1", "0", "0", "%."]


def test_the_distribution_is_whole_and_far_from_uniform(server):
    prompts = ["It was", " It was", "It wasn't bad.", "<|im_start|>user\n100%", "no", "Yes, 90%"]
    likeliest = []
    for prompt in prompts:
        probabilities = distribution(server, tokens(server, prompt)["ids"])
        assert len(probabilities) > 300
        assert sum(probabilities.values()) == pytest.approx(1, abs=1e-5)
        likeliest.append(max(probabilities.values()))
    assert min(likeliest) > 0.05
    assert sorted(likeliest)[len(likeliest) // 2] < 0.7


def test_the_distribution_depends_on_the_first_token_as_on_the_last(server):
    usual, first, last = (
        distribution(server, tokens(server, text)["ids"])
        for text in ("yes It was bad, not good.", "no It was bad, not good.", "yes It was bad, not good,")
    )
    assert distance(usual, first) > 0.01
    assert distance(usual, last) > 0.2


def test_the_same_arguments_make_the_same_file(tmp_path):
    files = [tmp_path / f"{i}.gguf" for i in range(3)]
    for path, seed in zip(files, (0, 0, 1), strict=True):
        write_tiny_gguf(path, seed=seed)
    one, same, other = (path.read_bytes() for path in files)
    assert one == same != other


def test_a_torn_character_hides_the_probabilities_until_another_token_is_drawn(tmp_path):
    write_tiny_gguf(tmp_path / "torn.gguf", torn=True)
    with EmbeddedServer(tmp_path / "torn.gguf", OPTIONS) as server:
        (yes,) = tokens(server, "yes")["ids"]
        replies = [(i, completion(server, [i])) for i in range(100)]
        hidden = [i for i, reply in replies if "completion_probabilities" not in reply]
        assert hidden
        for i in hidden:
            (drawn,) = completion(server, [i], logit_bias=[[yes, 1000]])["completion_probabilities"]
            assert drawn["id"] == yes
            # The bias chose the token and left the probabilities as they were.
            assert drawn["logprob"] < drawn["top_logprobs"][0]["logprob"]
            assert sum(math.exp(token["logprob"]) for token in drawn["top_logprobs"]) == pytest.approx(1, abs=1e-5)
