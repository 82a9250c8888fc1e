"""Where an answer's tokens begin: forms are spelled behind the prompt's own end, and refused when they join with it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import pytest
from aiohttp import web
from hypothesis import given, settings
from hypothesis import strategies as st

from grace.endpoints import spelling
from grace.endpoints.client import Client, RequestFailed
from grace.endpoints.dialects import LlamaCpp, OpenAI, Vllm
from grace.endpoints.scoring import Scorer
from grace.endpoints.spelling import BoundaryMoves, Ending, Speller
from grace.endpoints.transport import AiohttpTransport
from grace.errors import StudyError
from grace.models.reasoning import answer_start
from strategies import merging_models
from table_model import Messages, TableModel, TableServer, ascii_model, brute_force, plain_template

T = TypeVar("T")
TOKENIZED = "/tokenize"


def say(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


def connected(server: TableServer, scenario: Callable[[Client], Awaitable[T]]) -> T:
    async def whole() -> T:
        transport = AiohttpTransport(server.url)
        try:
            return await scenario(Client(transport, server.url, max_retries=0))
        finally:
            await transport.close()

    return asyncio.run(whole())


def with_speller(server: TableServer, scenario: Callable[[Speller], Awaitable[T]]) -> T:
    """Let a speller of that server do something."""
    dialect = Vllm() if server.dialect == "vllm" else LlamaCpp()

    async def whole(client: Client) -> T:
        async def post(path: str, body: Mapping[str, Any]) -> dict[str, Any]:
            return (await client.post(path, body)).data

        return await scenario(Speller(dialect, post, server.name))

    return connected(server, whole)


def with_scorer(server: TableServer, scenario: Callable[[Scorer], Awaitable[T]], start: str | None = "") -> T:
    """Let a scorer of that server do something."""
    dialect: OpenAI = Vllm() if server.dialect == "vllm" else LlamaCpp()
    return connected(
        server, lambda client: scenario(Scorer(client, dialect, server.name, residual=0, slots=None, start=start))
    )


def ending_of(server: TableServer, prompt: Sequence[int]) -> Ending:
    return with_speller(server, lambda speller: speller.ending(prompt))


def spelled(server: TableServer, prompt: Sequence[int], forms: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """The tokens of forms behind a prompt."""

    async def spell(speller: Speller) -> dict[str, tuple[int, ...]]:
        return await speller.spell(await speller.ending(prompt), forms)

    return with_speller(server, spell)


def prompt_of(model: TableModel, message: str = "hm") -> list[int]:
    return model.tokenize(model.render(say(message)))


def texts(model: TableModel, tokens: Sequence[int]) -> list[str]:
    return [model.tokens[token] for token in tokens]


@pytest.fixture(scope="module", params=["vllm", "llamacpp"])
def server(request: pytest.FixtureRequest) -> Iterator[TableServer]:
    with TableServer(ascii_model(), request.param) as running:
        yield running


@pytest.fixture(scope="module")
def vllm() -> Iterator[TableServer]:
    with TableServer(ascii_model(), "vllm") as running:
        yield running


def serve(server: TableServer, model: TableModel) -> TableModel:
    server.model, server.fail = model, None
    server.requests.clear()
    return model


# The end of the prompt


def test_the_end_is_as_short_as_it_can_be(server: TableServer) -> None:
    model = serve(server, ascii_model())
    assert ending_of(server, prompt_of(model)).text == "\n"


@pytest.mark.parametrize(
    ("merges", "end"),
    [
        (["7\n"], "assistant\n"),  # behind a 7 the line break would join
        (["\n\n"], "assistant\n"),  # behind a line break it would
        (["7\n", "aassistant"], "<turn>assistant\n"),  # nothing joins with a special token
    ],
)
def test_the_end_reaches_back_until_nothing_before_it_can_join(
    server: TableServer, merges: list[str], end: str
) -> None:
    model = serve(server, ascii_model(*merges))
    ending = ending_of(server, prompt_of(model))
    assert ending.text == end
    assert list(ending.tokens) == model.tokenize(end)


@pytest.mark.parametrize("dialect", ["vllm", "llamacpp"])
def test_the_same_end_is_found_for_all_prompts_and_looked_for_once(dialect: Any) -> None:
    model = ascii_model("7\n", "aassistant")

    async def two(speller: Speller) -> tuple[Ending, Ending, int, int]:
        first = await speller.ending(prompt_of(model, "one"))
        before = len(server.requests)
        second = await speller.ending(prompt_of(model, "two, and longer"))
        return first, second, before, len(server.requests)

    with TableServer(model, dialect) as server:
        first, second, before, after = with_speller(server, two)
    assert first is second
    assert before == after


# Forms behind it


def test_forms_are_written_as_they_stand_behind_the_prompt(server: TableServer) -> None:
    model = serve(server, ascii_model("Yes", "no", " no"))
    found = spelled(server, prompt_of(model), ["Yes", "Yes.", "no", " no", "not"])
    assert {form: texts(model, tokens) for form, tokens in found.items()} == {
        "Yes": ["Yes"],
        "Yes.": ["Yes", "."],
        "no": ["no"],
        " no": [" no"],
        "not": ["no", "t"],
    }


def test_a_form_that_joins_with_the_prompt_is_refused_by_name(server: TableServer) -> None:
    model = serve(server, ascii_model("\n "))
    prompt = prompt_of(model)
    assert texts(model, spelled(server, prompt, ["no"])["no"]) == ["n", "o"]
    with pytest.raises(
        BoundaryMoves, match=r"the answer ' no' has no spelling of its own after .* ends with '\\n'"
    ) as caught:
        spelled(server, prompt, ["no", " no"])
    assert isinstance(caught.value, StudyError)
    assert "' no'" in str(caught.value)


def test_a_form_that_joins_in_part_is_refused_too(server: TableServer) -> None:
    # "\nn" is one token, so the answer "no" would need a prompt that ends before its line break
    model = serve(server, ascii_model("\nn"))
    with pytest.raises(BoundaryMoves, match="'no'"):
        spelled(server, prompt_of(model), ["yes", "no"])


def test_scoring_says_which_question_has_the_form(server: TableServer) -> None:
    serve(server, ascii_model("\n "))
    with pytest.raises(StudyError, match="question 'knows': the answer ' yes' has no spelling"):
        with_scorer(server, lambda scorer: scorer.score("knows", say("?"), {"yes": ["yes", " yes"], "no": ["no"]}))


def test_scoring_says_which_labels_have_the_same_tokens(vllm: TableServer) -> None:
    serve(vllm, CaseBlind(ascii_model().tokens, ascii_model().special))
    with pytest.raises(StudyError, match="question 'q': the model writes forms of 'small' and 'large' with the same"):
        with_scorer(vllm, lambda scorer: scorer.score("q", say("?"), {"small": ["yes"], "large": ["YES"]}))


class CaseBlind(TableModel):
    """A tokenizer that sees no capital letters, as some do."""

    def split(self, text: str) -> list[int]:
        return super().split(text.lower())


@pytest.mark.parametrize("dialect", ["vllm", "llamacpp"])
def test_each_form_is_asked_once_per_end_and_not_once_per_prompt(dialect: Any) -> None:
    labels = {"yes": ["yes", "Yes"], "no": ["no", "not yet"]}

    async def six(scorer: Scorer) -> None:
        for number in range(5):
            await scorer.score("q", say(f"{number}?"), labels)
        await scorer.score("other", say("And this?"), {"yes": ["yes"], "maybe": ["maybe"]})

    with TableServer(ascii_model(), dialect) as server:
        with_scorer(server, six)
    asked = [str(body.get("prompt", body.get("content"))) for body in server.bodies(TOKENIZED)]
    forms = ["Yes", "maybe", "no", "not yet", "yes"]
    assert sorted(text for text in asked if text.removeprefix("\n") in forms) == ["\n" + form for form in forms]


def test_a_form_that_leaves_no_token_is_refused(server: TableServer) -> None:
    model = serve(server, ascii_model())
    with pytest.raises(BoundaryMoves, match="the answer ''"):
        spelled(server, prompt_of(model), [""])


# Where no end stands alone


class Pairs(TableModel):
    """A tokenizer that takes two characters at a time, so that any character before a text changes all its tokens."""

    def split(self, text: str) -> list[int]:
        return [self.tokens.index(text[place : place + 2]) for place in range(0, len(text), 2)]


ALPHABET = sorted({*"".join(spelling.BEFORE), *"Q:A ?\nhyesno"})
PAIRS = Pairs((*ALPHABET, *(one + other for one in ALPHABET for other in ALPHABET)), seed=4, template=plain_template)


def test_where_no_end_stands_alone_the_whole_prompt_is_the_end(server: TableServer) -> None:
    model = serve(server, PAIRS)
    prompt = prompt_of(model, "hey")  # "Q: hey\nA:" has 9 characters: the last token is ":"
    even = prompt_of(model, "heyy")
    assert ending_of(server, even) == Ending(tuple(even), "Q: heyy\nA:", whole=True)
    found = spelled(server, even, ["yes", "no"])
    assert {form: texts(model, tokens) for form, tokens in found.items()} == {"yes": ["ye", "s"], "no": ["no"]}
    with pytest.raises(BoundaryMoves, match=r"the answer 'yes' .* ends with 'Q: hey\\nA:'"):
        spelled(server, prompt, ["yes"])  # ":y" would be one token


class Alternating(TableModel):
    """A tokenizer with two tokens for each character, for even and for odd places."""

    def split(self, text: str) -> list[int]:
        return [2 * ALPHABET.index(letter) + place % 2 for place, letter in enumerate(text)]


ALTERNATING = Alternating(tuple(letter for one in ALPHABET for letter in (one, one)), seed=4, template=plain_template)


class Marked(TableModel):
    """A tokenizer that begins every text with a mark for a space, as SentencePiece does, and a decoder without it."""

    def split(self, text: str) -> list[int]:
        return super().split("▁" + text)

    def text(self, ids: Iterable[int]) -> str:
        return super().text(ids).removeprefix("▁")


def test_a_mark_before_every_text_is_not_taken_for_a_part_of_the_form(server: TableServer) -> None:
    model = serve(server, Marked(("▁", *ascii_model().tokens), template=plain_template))
    prompt = prompt_of(model)
    assert texts(model, prompt)[:2] == ["▁", "Q"]
    assert texts(model, spelled(server, prompt, ["yes"])["yes"]) == [*"yes"]


@pytest.mark.parametrize("model", [PAIRS, ALTERNATING], ids=["pairs", "alternating"])
def test_the_right_tokens_are_scored_behind_each_whole_prompt(server: TableServer, model: TableModel) -> None:
    serve(server, model)
    labels = {"yes": ["yes", "ye"], "no": ["no", "none"], "not": ["nos"]}
    messages = ("heyy", "no", "heyhey") if model is PAIRS else ("heyy", "hey", "heyhey", "h")

    async def each(scorer: Scorer) -> None:
        for message in messages:
            prompt, text = prompt_of(model, message), model.render(say(message))
            scored = await scorer.score("q", say(message), labels)
            forms = {
                label: [model.tokenize(text + form)[len(prompt) :] for form in own] for label, own in labels.items()
            }
            assert scored.labels == pytest.approx(brute_force(model, prompt, forms), rel=0, abs=1e-9)

    with_scorer(server, each)


def test_where_the_last_special_token_is_far_back_the_whole_prompt_is_the_end(server: TableServer) -> None:
    # each x before the end could join with what stands before it, up to more of them than are tried
    long = "x" * (spelling.LONGEST + 1)
    model = serve(
        server, ascii_model("ax", "x.", template=lambda messages, _: f"{messages[-1]['content']}<turn>{long}")
    )
    prompt = prompt_of(model)
    assert ending_of(server, prompt) == Ending(tuple(prompt), "hm<turn>" + long, whole=True)
    assert texts(model, spelled(server, prompt, ["xes"])["xes"]) == [*"xes"]
    with pytest.raises(BoundaryMoves, match=r"'\. No'"):
        spelled(server, prompt, [". No"])


class Tidy(Pairs):
    """And its decoder swallows spaces before punctuation, as some do to tidy up."""

    def text(self, ids: Iterable[int]) -> str:
        return super().text(ids).replace(" ?", "?")


def test_a_prompt_whose_text_does_not_give_its_tokens_again_is_refused(server: TableServer) -> None:
    model = serve(server, Tidy(PAIRS.tokens, template=plain_template))
    assert spelled(server, prompt_of(model, "hey?"), ["yes"])
    with pytest.raises(BoundaryMoves, match="does not read its own prompt back"):
        spelled(server, prompt_of(model, "hey ?"), ["yes"])


@given(
    merging_models(),
    st.text(st.sampled_from("abQ:7. \n"), max_size=6),
    st.text(st.sampled_from("abQ:7. \n"), min_size=1, max_size=5),
)
@settings(max_examples=120)
def test_a_form_is_written_as_behind_the_whole_prompt_or_refused(
    vllm: TableServer, model: TableModel, message: str, form: str
) -> None:
    serve(vllm, model)
    text = model.render(say(message))
    prompt = model.tokenize(text)
    together = model.tokenize(text + form)
    try:
        found = spelled(vllm, prompt, [form])[form]
    except BoundaryMoves:
        assert together[: len(prompt)] != prompt
    else:
        assert prompt + list(found) == together


# What stands between a reasoning model's prompt and its answer

HARMONY = ("<|start|>", "<|message|>", "<|end|>", "<|channel|>")


def chat_of(
    special: Sequence[str], template: Callable[[Messages, bool], str], *pieces: str, seed: int = 0
) -> TableModel:
    """A model with special tokens and a template of its own."""
    model = ascii_model(*pieces)
    tokens = (*special, *model.tokens[3:])
    return TableModel(tokens, frozenset(range(len(special))), seed, template=template)


def harmony(messages: Messages, _: bool) -> str:
    return f"<|start|>user<|message|>{messages[-1]['content']}<|end|><|start|>assistant"


def chatml(messages: Messages, _: bool) -> str:
    return f"<|im_start|>user\n{messages[-1]['content']}<|im_end|>\n<|im_start|>assistant\n"


def thinking(messages: Messages, add: bool) -> str:
    return chatml(messages, add) + "<think>\n"


CHATML = ("<|im_start|>", "<|im_end|>")


@pytest.mark.parametrize(
    ("model", "name", "start"),
    [
        (chat_of(HARMONY, harmony, "final"), "openai/gpt-oss-20b", "<|channel|>final<|message|>"),
        (chat_of((*CHATML, "<think>", "</think>"), thinking, "\n\n"), "DeepSeek-R1-Distill-Qwen-7B", "</think>\n\n"),
        (chat_of(CHATML, thinking), "any", "</think>\n\n"),
        (chat_of((*CHATML, "<think>", "</think>"), chatml, "\n\n"), "Qwen/Qwen3-8B", "<think>\n\n</think>\n\n"),
        (chat_of(CHATML, chatml), "HuggingFaceTB/SmolLM2-135M-Instruct", ""),
    ],
    ids=["harmony", "opened think block", "opened think block without special tokens", "Qwen 3", "no reasoning"],
)
def test_answers_are_scored_behind_an_empty_reasoning(
    server: TableServer, model: TableModel, name: str, start: str
) -> None:
    serve(server, model)
    labels = {"yes": ["yes", "Yes"], "no": ["no", "none"]}

    async def settled(scorer: Scorer) -> None:
        assert await scorer.settle_start(say("hm"), [name, ""], reasons=False)
        assert scorer.start == start
        scored = await scorer.score("q", say("Is it?"), labels)
        behind = model.tokenize(model.render(say("Is it?")) + start)
        forms = {label: [model.tokenize(form) for form in own] for label, own in labels.items()}
        assert scored.labels == pytest.approx(brute_force(model, behind, forms), rel=0, abs=1e-9)
        assert scored.prompt_tokens == len(behind)

    with_scorer(server, settled, start=None)


def test_forms_are_spelled_behind_the_reasonings_end_and_not_behind_the_prompts(server: TableServer) -> None:
    # behind "assistant" the word "yes" would join, behind the channel's header it does not
    model = serve(server, chat_of(HARMONY, harmony, "final", "tyes", "assistan"))
    forms = {"yes": ["yes"], "no": ["no"]}
    found = with_scorer(
        server, lambda scorer: scorer.spellings("q", say("?"), forms), start="<|channel|>final<|message|>"
    )
    assert {form: texts(model, tokens) for form, tokens in found.items()} == {"yes": [*"yes"], "no": [*"no"]}


def test_where_answers_start_is_not_guessed_for_an_unknown_model_that_reasons(server: TableServer) -> None:
    serve(server, chat_of(CHATML, chatml))

    async def settle(scorer: Scorer) -> tuple[bool, str | None]:
        return await scorer.settle_start(say("hm"), ["new-thinker"], reasons=True), scorer.start

    assert with_scorer(server, settle, start=None) == (False, None)
    assert with_scorer(server, settle, start="") == (True, "")
    assert with_scorer(server, settle, start="So:") == (True, "So:")


def test_a_start_that_joins_with_the_prompt_is_refused_by_name(server: TableServer) -> None:
    serve(server, ascii_model("\n\n"))
    with pytest.raises(StudyError, match=r"the start of answers '\\nSo:' joins"):
        with_scorer(server, lambda scorer: scorer.score("q", say("?"), {"yes": ["yes"], "no": ["no"]}), start="\nSo:")


IM = "<|im_start|>assistant\n"


@pytest.mark.parametrize(
    ("end", "names", "start"),
    [
        ("<|end|><|start|>assistant", ["gpt-oss-20b", "openai/gpt-oss-20b"], "<|channel|>final<|message|>"),
        ("<|start|>assistant", [""], "<|channel|>final<|message|>"),
        ("<｜Assistant｜><think>\n", ["deepseek-ai/DeepSeek-R1"], "</think>\n\n"),
        (IM + "<think>\n", ["Qwen3-30B-A3B-Thinking-2507"], "</think>\n\n"),
        (IM, ["qwen3"], "<think>\n\n</think>\n\n"),
        (IM, ["served", "Qwen/Qwen3-8B"], "<think>\n\n</think>\n\n"),
        (IM, ["Qwen/Qwen2.5-7B-Instruct"], None),
        (IM, ["smollm2-135m", "HuggingFaceTB/SmolLM2-135M-Instruct"], None),
        (IM, [], None),
        (IM + "<think>\n\n</think>\n\n", ["Qwen3-8B"], None),  # the template wrote the empty reasoning itself
        ("<start_of_turn>model\n", ["google/gemma-2-2b-it"], None),
        ("<|start_header_id|>assistant<|end_header_id|>\n\n", ["meta-llama/Meta-Llama-3-8B-Instruct"], None),
        ("", ["qwen3"], None),
    ],
)
def test_the_catalogue_knows_where_answers_start(end: str, names: list[str], start: str | None) -> None:
    assert answer_start(end, names) == start


@pytest.mark.parametrize("name", ["Qwen/Qwen3-4B-Instruct-2507", "Qwen/Qwen3-Coder-30B-A3B-Instruct"])
def test_a_model_of_qwen_3_that_never_reasons_is_not_scored_behind_a_reasoning(name: str) -> None:
    # Their cards: "supports only non-thinking mode and does not generate <think></think> blocks".
    assert answer_start(IM, [name]) is None


# Servers that cannot be believed

TOKENS = [None, [], "12", {"0": 1}, ["1", "2"], [1.0, 2.0], [None], [True]]


@pytest.mark.parametrize("tokens", TOKENS, ids=str)
def test_a_reply_that_is_no_list_of_ids_is_garbage(server: TableServer, tokens: Any) -> None:
    model = serve(server, ascii_model())
    server.fail = lambda path, number, body: web.json_response({"tokens": tokens}) if path == TOKENIZED else None
    with pytest.raises(RequestFailed) as caught:
        spelled(server, prompt_of(model), ["yes"])
    assert caught.value.kind == "garbage"
    with pytest.raises(RequestFailed) as caught:
        with_scorer(server, lambda scorer: scorer.score("q", say("?"), {"yes": ["yes"], "no": ["no"]}))
    assert caught.value.kind == "garbage"


@pytest.mark.parametrize("reply", [{}, {"prompt": None, "content": None}, {"prompt": 7, "content": 7}], ids=str)
def test_a_reply_without_the_text_of_tokens_is_garbage_and_not_the_word_none(server: TableServer, reply: Any) -> None:
    model = serve(server, ascii_model())
    server.fail = lambda path, number, body: web.json_response(reply) if path == "/detokenize" else None
    with pytest.raises(RequestFailed) as caught:
        spelled(server, prompt_of(model), ["yes"])
    assert caught.value.kind == "garbage"


@pytest.mark.parametrize("reply", [{}, {"prompt": None}, {"prompt": ["x"]}], ids=str)
def test_a_reply_without_a_rendered_prompt_is_garbage(reply: Any) -> None:
    with TableServer(ascii_model(), "llamacpp") as server:
        server.fail = lambda path, number, body: web.json_response(reply) if path == "/apply-template" else None
        with pytest.raises(RequestFailed) as caught:
            with_scorer(server, lambda scorer: scorer.score("q", say("?"), {"yes": ["yes"], "no": ["no"]}))
        assert caught.value.kind == "garbage"
        assert server.bodies(TOKENIZED) == []  # nothing is made of it
