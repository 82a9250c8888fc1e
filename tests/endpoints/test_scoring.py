"""The scorer finds, over the real HTTP dialects, what brute force finds in the table; where it cannot, it says so."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import replace
from itertools import groupby
from math import exp, fsum, log
from typing import Any, TypeVar

import pytest
from aiohttp import web
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from grace.endpoints import spelling
from grace.endpoints.client import Client, RequestFailed
from grace.endpoints.dialects import LlamaCpp, OpenAI, Vllm, llamacpp
from grace.endpoints.scoring import Scored, Scorer, bounds_by_text
from grace.endpoints.transport import AiohttpTransport
from grace.studies.answers import AnswerSpace
from strategies import questions
from table_model import Question, TableModel, TableServer, ascii_model, brute_force

T = TypeVar("T")
DIALECTS = {"vllm": Vllm, "llamacpp": LlamaCpp, "openai": OpenAI}
READS = {"vllm": "/v1/completions", "llamacpp": "/completion"}
RESIDUALS = (0.0, 1e-6, 1e-3, 0.2)
EXACT = 1e-9


def use(
    server: TableServer,
    scenario: Callable[[Scorer], Awaitable[T]],
    *,
    residual: float = 0.0,
    slots: int | None = None,
    start: str | None = "",
) -> T:
    """Let a scorer of that server do something, in an event loop of its own."""

    async def whole() -> T:
        transport = AiohttpTransport(server.url)
        try:
            client = Client(transport, server.url, max_retries=0)
            dialect = DIALECTS[server.dialect]()
            scorer = Scorer(client, dialect, server.name, residual=residual, slots=slots, start=start)
            return await scenario(scorer)
        finally:
            await transport.close()

    return asyncio.run(whole())


def score(server: TableServer, question: Question, **options: Any) -> Scored:
    """Score one question."""
    return use(server, lambda scorer: scorer.score("q", question.messages, question.labels), **options)


def fails(server: TableServer, question: Question, **options: Any) -> RequestFailed:
    """How scoring one question fails."""
    with pytest.raises(RequestFailed) as caught:
        score(server, question, **options)
    return caught.value


def readable(question: Question) -> Question:
    """The question to a model that can read whatever the speller tries before a prompt's end."""
    model = question.model
    more = sorted(set("".join(spelling.BEFORE)) - set(model.tokens))
    return replace(question, model=replace(model, tokens=(*model.tokens, *more), _known={}))


def truth(question: Question) -> dict[str, float]:
    return brute_force(question.model, question.prompt_ids, question.forms)


def serve(server: TableServer, question: Question) -> Question:
    """Put a question's model on a running server."""
    question = readable(question)
    server.model = question.model
    server.requests.clear()
    return question


@pytest.fixture(scope="module")
def vllm() -> Iterator[TableServer]:
    with TableServer(ascii_model(), "vllm") as server:
        yield server


@pytest.fixture(scope="module")
def llama() -> Iterator[TableServer]:
    with TableServer(ascii_model(), "llamacpp") as server:
        yield server


@pytest.fixture(scope="module")
def plain() -> Iterator[TableServer]:
    with TableServer(ascii_model(), "openai") as server:
        yield server


PERCENT = {f"{k}0": [f"{k}0%"] for k in range(1, 11)} | {"0": ["0%"]}
YES_NO = {"yes": ["yes", "Yes", "yes."], "no": ["no", "No", "not sure"]}


def percent(seed: int = 1, **options: Any) -> Question:
    return Question(ascii_model(seed=seed, **options), "How sure are you?", PERCENT)


# Right, whatever the vocabulary, the table and the answers


async def all_bounds(scorer: Scorer, question: Question) -> None:
    """Under both policies and any residual, the truth lies within the bounds; with none, on them."""
    space = AnswerSpace({label: tuple(forms) for label, forms in question.labels.items()})
    for policy in ("variants", "canonical"):
        forms = space.chosen(policy)
        true = truth(replace(question, labels={label: list(own) for label, own in forms.items()}))
        for residual in RESIDUALS:
            scorer.residual = residual
            scored = await scorer.score(policy, question.messages, forms)
            assert list(scored.labels) == list(forms)
            assert 0 <= scored.residual <= residual + 1e-15
            check_bounds(scored.labels, scored.residual, true)
            if residual == 0:
                assert scored.residual == 0
                assert scored.labels == pytest.approx(true, rel=0, abs=EXACT)
                assert fsum(scored.labels.values()) == pytest.approx(fsum(true.values()), rel=0, abs=EXACT)


def check_bounds(found: Mapping[str, float], residual: float, true: Mapping[str, float]) -> None:
    """For every label, and for the label mass: found <= true <= found + residual."""
    for low, exact in [*((found[label], true[label]) for label in true), (fsum(found.values()), fsum(true.values()))]:
        assert low - 1e-12 <= exact <= low + residual + 1e-12


@given(questions())
@settings(max_examples=80)
def test_vllm_tells_every_label_exactly_or_within_the_residual(vllm: TableServer, question: Question) -> None:
    question = serve(vllm, question)
    use(vllm, lambda scorer: all_bounds(scorer, question))


@given(questions(spreads=(0.0, 0.5, 3.0, 8.0, 300.0)), st.integers(1, 8), st.integers(2, 5), st.sampled_from([None, 3]))
@settings(max_examples=60)
def test_llama_cpp_tells_every_label_exactly_or_within_the_residual(
    llama: TableServer, question: Question, first: int, growth: int, slots: int | None
) -> None:
    question = serve(llama, question)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(llamacpp, "FIRST", first)
        patch.setattr(llamacpp, "GROWTH", growth)
        use(llama, lambda scorer: all_bounds(scorer, question), slots=slots)


def test_an_answer_without_any_probability_gets_none_and_nothing_is_open(llama: TableServer) -> None:
    model = ascii_model()
    sure = [0.0] * len(model.tokens)
    sure[model.tokens.index("y")] = 1.0
    question = serve(llama, Question(replace(model, overrides={(): sure}), "Yes?", {"yes": ["y"], "no": ["n", "none"]}))
    scored = score(llama, question)
    assert (scored.labels, scored.residual) == ({"yes": 1, "no": 0}, 0)


def test_raw_probabilities_are_read_whether_or_not_vllm_tells_processed_ones() -> None:
    question = percent()
    with TableServer(question.model, processed=True) as server:
        assert score(server, question).labels == pytest.approx(truth(question), rel=0, abs=EXACT)


@pytest.mark.parametrize("dialect", ["vllm", "llamacpp"])
def test_each_form_has_the_probability_that_the_answer_starts_with_it(dialect: Any) -> None:
    labels = {"one": ["1", "one"], "ten": ["10"], "100": ["100", "10 0"]}
    question = Question(ascii_model(seed=3), "How many?", labels)
    with TableServer(question.model, dialect) as server:
        scored = score(server, question)
    for form, found in scored.forms.items():
        ids, context, whole = question.model.tokenize(form), list(question.prompt_ids), 1.0
        for token in ids:
            whole *= question.model.probabilities(context)[token]
            context.append(token)
        assert found == pytest.approx(whole, rel=1e-9)
    assert scored.prompt_tokens == len(question.prompt_ids)


@pytest.mark.parametrize("dialect", ["vllm", "llamacpp"])
def test_the_token_that_begins_a_text_stands_before_the_prompt_once_and_before_no_form(dialect: Any) -> None:
    question = replace(percent(), model=ascii_model(seed=2, bos=0))
    assert question.prompt_ids[:2] == [0, 1]
    with TableServer(question.model, dialect) as server:
        scored = score(server, question)
    assert scored.labels == pytest.approx(truth(question), rel=0, abs=EXACT)
    assert scored.prompt_tokens == len(question.prompt_ids)


def test_probabilities_are_asked_for_as_the_model_has_them(vllm: TableServer, llama: TableServer) -> None:
    for server in (vllm, llama):
        score(server, serve(server, percent()))
    for body in vllm.bodies("/v1/completions"):
        assert (body["temperature"], body["max_tokens"], body["return_tokens_as_token_ids"]) == (0, 1, True)
    for body in llama.bodies("/completion"):
        assert (body["temperature"], body["n_predict"], body["post_sampling_probs"]) == (0, 1, False)


@pytest.mark.parametrize(("dialect", "slots"), [("vllm", None), ("llamacpp", None), ("llamacpp", 2)])
def test_questions_asked_at_once_are_scored_as_each_alone(dialect: Any, slots: int | None) -> None:
    model = ascii_model(seed=5)
    asked = [Question(model, f"{message}?", labels) for message in "abcdef" for labels in (PERCENT, YES_NO)]

    async def together(scorer: Scorer) -> list[Scored]:
        return await asyncio.gather(
            *(scorer.score(str(len(question.labels)), question.messages, question.labels) for question in asked)
        )

    with TableServer(model, dialect) as server:
        for question, scored in zip(asked, use(server, together, slots=slots), strict=True):
            assert scored.labels == pytest.approx(truth(question), rel=0, abs=EXACT)


# What it costs


def wide(children: int, *more: str) -> TableModel:
    """A printable model with so many further tokens of one character."""
    return ascii_model(*(chr(0x4E00 + number) for number in range(children)), *more, seed=11, spread=1)


@pytest.mark.parametrize(
    ("labels", "requests"),
    [
        ({"a": ["a", "b", "c"], "d": ["de", "df"]}, 1),
        ({chr(0x4E00 + n): [chr(0x4E00 + n)] for n in range(128)}, 1),
        ({chr(0x4E00 + n): [chr(0x4E00 + n)] for n in range(129)}, 2),
        ({chr(0x4E00 + n): ["x" + chr(0x4E00 + n), "y" + chr(0x4E00 + n)] for n in range(126)}, 1),  # 126 and x, y
        ({chr(0x4E00 + n): ["x" + chr(0x4E00 + n), "y" + chr(0x4E00 + n)] for n in range(127)}, 2),
        ({chr(0x4E00 + n): [chr(0x4E00 + n), "x" + chr(0x4E00 + n)] for n in range(300)}, 6),
        ({chr(0x4E00 + n): ["x" + chr(0x4E00 + n), chr(0x4E00 + n) + "x"] for n in range(140)}, None),
    ],
    ids=["few", "128", "129", "128 over places", "129 over places", "300 and 300", "one each below 140"],
)
def test_vllm_is_asked_once_for_up_to_128_ids_and_as_often_as_it_takes_for_more(
    vllm: TableServer, labels: dict[str, list[str]], requests: int | None
) -> None:
    question = serve(vllm, Question(wide(300), "Which?", labels))
    scored = score(vllm, question)
    bodies = vllm.bodies("/v1/completions")
    assert scored.labels == pytest.approx(truth(question), rel=0, abs=EXACT)
    assert len(bodies) == requests if requests else 1 < len(bodies) < 10
    assert all(len(body["logprob_token_ids"]) <= 128 for body in bodies)


def test_under_a_residual_vllm_is_asked_only_for_what_matters(vllm: TableServer) -> None:
    question = serve(vllm, percent(spread=8))
    places = []
    for residual in (0.0, 0.5, 1.0):
        vllm.requests.clear()
        scored = score(vllm, question, residual=residual)
        places.append(sum(len(body["prompt"]) for body in vllm.bodies("/v1/completions")))
        assert scored.residual <= residual
        assert scored.places == places[-1]
    assert places[0] > places[1] >= places[2] == 1  # one place is read always


@pytest.mark.parametrize("dialect", ["vllm", "llamacpp"])
def test_requests_and_places_are_counted_as_they_were_made(dialect: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(llamacpp, "FIRST", 4)
    monkeypatch.setattr(llamacpp, "GROWTH", 4)
    question = percent()

    async def twice(scorer: Scorer) -> Scored:
        await scorer.score("q", question.messages, question.labels)
        server.requests.clear()  # the forms' spelling is known from here on
        return await scorer.score("q", question.messages, question.labels)

    with TableServer(question.model, dialect) as server:
        scored = use(server, twice)
    assert scored.requests == scored.attempts == len(server.requests)
    prompts = [body["prompt"] for body in server.bodies(READS[dialect])]
    contexts = prompts[0] if dialect == "vllm" else prompts
    assert scored.places == len({tuple(context) for context in contexts})


@pytest.mark.parametrize("count", [1, 3])
def test_a_question_keeps_one_slot_of_llama_cpp_to_itself(count: int) -> None:
    asked = [percent() if number % 2 else Question(percent().model, f"{number}?", YES_NO) for number in range(10)]
    asked = [replace(question, message=f"{number}?") for number, question in enumerate(asked)]

    async def together(scorer: Scorer) -> None:
        await asyncio.gather(
            *(scorer.score(str(len(question.labels)), question.messages, question.labels) for question in asked)
        )

    with TableServer(asked[0].model, "llamacpp", latency=0.002) as server:
        use(server, together, slots=count)
        bodies = server.bodies("/completion")
    prompts = [question.prompt_ids for question in asked]
    who = [next(n for n, p in enumerate(prompts) if body["prompt"][: len(p)] == p) for body in bodies]
    slots = [body["id_slot"] for body in bodies]
    assert set(slots) == set(range(count))
    assert all(len({slot for slot, own in zip(slots, who, strict=True) if own == one}) == 1 for one in set(who))
    for slot in range(count):
        # all requests of a question follow one another there, with none of another's between
        turns = [one for one, _ in groupby(one for one, own in zip(who, slots, strict=True) if own == slot)]
        assert len(turns) == len(set(turns))
    if count > 1:
        assert len([*groupby(who)]) > len(asked)  # and the slots worked at once


def test_a_question_goes_to_the_slot_whose_last_prompt_begins_most_like_it() -> None:
    model = ascii_model()
    said = ["xx one", "yy one", "xx two", "yy two", "xx three"]

    async def in_turn(scorer: Scorer) -> None:
        first = [scorer.score("q", [{"role": "user", "content": text}], YES_NO) for text in said[:2]]
        await asyncio.gather(*first)
        for text in said[2:]:
            await scorer.score("q", [{"role": "user", "content": text}], YES_NO)

    with TableServer(model, "llamacpp", latency=0.002) as server:
        use(server, in_turn, slots=2)
        slot = {text: body["id_slot"] for body in server.bodies("/completion") for text in said
                if text in model.text(body["prompt"])}  # fmt: skip
    assert slot["xx one"] == slot["xx two"] == slot["xx three"]
    assert slot["yy one"] == slot["yy two"] != slot["xx one"]


def test_without_known_slots_llama_cpp_chooses_itself(llama: TableServer) -> None:
    score(llama, serve(llama, percent()))
    assert all("id_slot" not in body for body in llama.bodies("/completion"))


# The reading that this replaces: the first token alone


def first_token_only(question: Question) -> dict[str, float]:
    """Each label's probability as if an answer were known by its first token."""
    shares = question.model.probabilities(question.prompt_ids)
    naive = {
        label: fsum({form[0]: shares[form[0]] for form in forms}.values()) for label, forms in question.forms.items()
    }
    return {label: share / fsum(naive.values()) for label, share in naive.items()}


def normal(labels: Mapping[str, float]) -> dict[str, float]:
    return {label: share / fsum(labels.values()) for label, share in labels.items()}


def far(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    """Total variation: 0 for equal distributions, 1 for those with nothing in common."""
    return fsum(abs(one[label] - other[label]) for label in one) / 2


def follows(model: TableModel, **shares: float) -> list[float]:
    """A distribution with these shares; the rest of the tokens divide what is left."""
    named = {model.tokens.index(text): share for text, share in shares.items()}
    rest = (1 - fsum(named.values())) / (len(model.tokens) - len(named))
    return [named.get(token, rest) for token in range(len(model.tokens))]


def test_the_first_token_alone_cannot_tell_10_from_100_and_the_scorer_can(vllm: TableServer) -> None:
    model = ascii_model()
    one, zero = model.tokenize("10")
    sure_of_100 = {
        (model.tokens.index("\n"),): follows(model, **{"1": 0.9, "5": 0.05}),
        (one,): follows(model, **{"0": 0.98}),
        (one, zero): follows(model, **{"0": 0.95, "%": 0.03}),
        (one, zero, zero): follows(model, **{"%": 0.99}),
    }
    question = serve(vllm, Question(replace(model, overrides=sure_of_100), "Did she say so?", PERCENT))
    naive, found = first_token_only(question), normal(score(vllm, question).labels)
    assert question.forms["10"][0][0] == question.forms["100"][0][0]  # both begin with the token 1
    assert naive["10"] == naive["100"] == pytest.approx(0.48, abs=0.02)
    assert found["100"] > 0.9
    assert found["10"] < 0.04
    assert found == pytest.approx(normal(truth(question)), abs=EXACT)


def test_the_first_token_alone_is_far_off_on_prompts_on_which_the_scorer_is_right(vllm: TableServer) -> None:
    errors = []
    for seed in range(20):
        question = serve(vllm, percent(seed, spread=3))
        right = normal(truth(question))
        assert far(normal(score(vllm, question).labels), right) < EXACT
        naive = first_token_only(question)
        assert naive["10"] == naive["100"]
        errors.append(far(naive, right))
    assert sorted(errors)[10] > 0.3  # half of them are more than that off
    assert min(errors) > 0.01


# Servers that tell only the texts of the most likely first tokens


def by_text(question: Question, least: float = 1e-7) -> tuple[dict[str, float], float]:
    """P(label) over all texts that the model may write, whatever their tokens, and how much was too small to follow.

    A text is decided when no form goes on from it: then the longest form that it starts with counts.
    """
    forms = {form: label for label, own in question.labels.items() for form in own}
    shares: dict[str, list[float]] = {label: [] for label in question.labels}
    lost = []

    def walk(context: tuple[int, ...], text: str, mass: float) -> None:
        if any(form.startswith(text) and form != text for form in forms):
            if mass < least:
                lost.append(mass)
                return
            for token, share in enumerate(question.model.probabilities(context)):
                walk((*context, token), text + question.model.tokens[token], mass * share)
        elif said := [form for form in forms if text.startswith(form)]:
            shares[forms[max(said, key=len)]].append(mass)

    walk(tuple(question.prompt_ids), "", 1.0)
    return {label: fsum(parts) for label, parts in shares.items()}, fsum(lost)


@given(questions(), st.sampled_from([1, 3, 5, 20]))
@settings(max_examples=80)
def test_a_plain_server_tells_bounds_of_what_the_answers_text_says(
    plain: TableServer, question: Question, most: int
) -> None:
    question = serve(plain, question)
    plain.most = most
    true, lost = by_text(question)
    scored = score(plain, question, residual=1.0)
    assert 0 <= scored.residual <= 1
    for low, exact in [*((scored.labels[label], true[label]) for label in true),
                       (fsum(scored.labels.values()), fsum(true.values()))]:  # fmt: skip
        assert low - 1e-12 <= exact + lost
        assert exact <= low + scored.residual + 1e-12
    assume(scored.residual > 0)
    refused = fails(plain, question, residual=scored.residual * 0.99)
    assert refused.kind == "inexact"
    assert score(plain, question, residual=scored.residual) == replace(scored, milliseconds=pytest.approx(0, abs=1e9))


def test_a_plain_server_that_tells_enough_gives_what_the_table_says(plain: TableServer) -> None:
    model = ascii_model("yes", "no", "no idea")
    shares = follows(model, **{"yes": 0.5, "no": 0.25, "no idea": 0.125, "y": 0.0625, "m": 0.0625})
    question = serve(plain, Question(replace(model, overrides={(): shares}), "?", {"yes": ["yes"], "no": ["no"]}))
    plain.most = 20
    scored = score(plain, question, residual=0.1)
    # y may become yes, and the rest of 0 is not told
    assert scored.labels == {"yes": 0.5, "no": 0.375}
    assert scored.residual == pytest.approx(0.0625)


def test_a_refusal_names_how_much_is_undecided_and_what_helps(plain: TableServer) -> None:
    question = serve(plain, percent())
    plain.most = 20
    refused = fails(plain, question, residual=1e-6)
    assert refused.kind == "inexact"
    assert "undecided" in str(refused)
    assert "--residual" in str(refused)
    assert "1e-06 is allowed" in str(refused)


def test_a_plain_server_with_a_limit_of_5_is_asked_for_5(plain: TableServer) -> None:
    question = serve(plain, percent())
    plain.most = 5
    try:
        score(plain, question, residual=1.0)
        assert [body["top_logprobs"] for body in plain.bodies("/v1/chat/completions")] == [20, 5]
        plain.requests.clear()
        plain.logprobs = False
        assert fails(plain, question, residual=1.0).kind == "http 400"
    finally:
        plain.logprobs = True


@pytest.mark.parametrize(
    ("top", "labels", "residual"),
    [
        ([("1", 0.5), ("10", 0.5)], {"1": 0, "10": 0.5}, 0.5),  # 1 may become 10
        ([("1%", 1.0)], {"1": 1, "10": 0}, 0),
        ([("101", 1.0)], {"1": 0, "10": 0}, 1),  # a hundred and one is not ten
        ([("10.", 1.0)], {"1": 0, "10": 0}, 1),  # may become 10.5
        ([("10\n", 1.0)], {"1": 0, "10": 1}, 0),
        ([("15", 1.0)], {"1": 0, "10": 0}, 1),
        ([("2", 1.0)], {"1": 0, "10": 0}, 0),
        ([("", 1.0)], {"1": 0, "10": 0}, 1),  # says nothing yet
        ([("1", 0.25), ("1", 0.25), ("10", 0.125)], {"1": 0, "10": 0.125}, 0.875),  # two tokens of one text
        ([(" 1", 1.0)], {"1": 0, "10": 0}, 0),  # a space is no part of the form
    ],
)
def test_a_first_token_decides_when_no_other_labels_form_can_follow(
    top: list[tuple[str, float]], labels: dict[str, float], residual: float
) -> None:
    assert bounds_by_text(top, {"1": ["1"], "10": ["10"]}) == (labels, residual)


def test_a_first_token_that_only_its_own_label_can_go_on_from_decides() -> None:
    assert bounds_by_text([("no", 0.75)], {"no": ["no", "not"], "yes": ["yes"]}) == ({"no": 0.75, "yes": 0}, 0.25)
    assert bounds_by_text([("n", 0.75)], {"no": ["no", "not"], "yes": ["yes"]}) == ({"no": 0, "yes": 0}, 1)


@pytest.mark.parametrize(("token", "says"), [("No", 1), ("No.", 1), ("No\n", 1), ("Not", 0), ("No-one", 0), ("Nó", 0)])
def test_a_first_token_has_to_end_where_a_form_does(token: str, says: int) -> None:
    assert bounds_by_text([(token, 1.0)], {"no": ["No"], "yes": ["Yes"]})[0]["no"] == says
    assert bounds_by_text([("नहींं", 1.0)], {"no": ["नहीं"], "yes": ["हाँ"]}) == ({"no": 0, "yes": 0}, 1)  # a mark goes on


def first_tokens(*entries: dict[str, Any]) -> Callable[..., web.Response]:
    """A server's fault: it tells these first tokens."""
    choice = {"index": 0, "message": {"role": "assistant", "content": ""}, "finish_reason": "length"}
    choice |= {"logprobs": {"content": [{**entries[0], "top_logprobs": list(entries)}]}}
    return lambda path, number, body: web.json_response({"choices": [choice]})


def test_a_first_token_that_is_a_part_of_a_character_is_not_taken_for_another_answer(plain: TableServer) -> None:
    # Byte-level tokenizers write 日 as two tokens: OpenAI names the first by its bytes, others show a replacement mark.
    labels = {"sun": ["日"], "moon": ["月"]}
    question = replace(serve(plain, percent()), labels=labels)
    for text in ("bytes:\\xe6\\x97", "�"):
        plain.fail = first_tokens(
            {"token": text, "logprob": log(0.6), "bytes": [0xE6, 0x97]},
            {"token": "月", "logprob": log(0.4), "bytes": [*"月".encode()]},
        )
        try:
            scored = score(plain, question, residual=1.0)
        finally:
            plain.fail = None
        assert scored.labels["moon"] == pytest.approx(0.4)
        assert scored.labels["sun"] + scored.residual >= 0.6 - 1e-9, text


def test_a_first_token_without_a_text_is_not_the_word_none(plain: TableServer) -> None:
    question = replace(serve(plain, percent()), labels={"0": ["0", "None"], "1": ["1"]})
    plain.fail = first_tokens({"token": None, "logprob": log(0.9)}, {"token": "1", "logprob": log(0.1)})
    try:
        assert fails(plain, question, residual=1.0).kind == "garbage"
    finally:
        plain.fail = None


# Servers that cannot be believed


def altered(server: TableServer, alter: Callable[[dict[str, Any]], object]) -> Callable[..., web.Response | None]:
    """A fault: the server's own reply to each read, altered in place, or what `alter` returns instead."""

    def fail(path: str, number: int, body: dict[str, Any]) -> web.Response | None:
        if path != READS[server.dialect]:
            return None
        handle = server._vllm_completions if server.dialect == "vllm" else server._llamacpp_completion
        reply = json.loads(handle(body).text or "")
        instead = alter(reply)
        return web.json_response(reply if instead is None else instead)

    return fail


def garbled(server: TableServer, alter: Callable[[dict[str, Any]], object], **options: Any) -> RequestFailed:
    """How scoring fails when the server's replies are altered so."""
    question = serve(server, percent(spread=1))
    server.fail = altered(server, alter)
    try:
        return fails(server, question, **options)
    finally:
        server.fail = None


def each_logprob(change: Callable[[float], Any]) -> Callable[[dict[str, Any]], None]:
    """Change all log probabilities in vLLM's reply."""

    def alter(reply: dict[str, Any]) -> None:
        for choice in reply["choices"]:
            [told] = choice["logprobs"]["top_logprobs"]
            told.update({name: change(one) for name, one in told.items()})

    return alter


def in_choice(place: int, **changes: Any) -> Callable[[dict[str, Any]], None]:
    """Change fields of one of vLLM's choices."""
    return lambda reply: reply["choices"][place].update(changes)


def last_one_null(reply: dict[str, Any]) -> None:
    """The last choice has no number."""
    [told] = reply["choices"][-1]["logprobs"]["top_logprobs"]
    told.update(dict.fromkeys(told))


VLLM_FAULTS: dict[str, Callable[[dict[str, Any]], object]] = {
    "no choices": lambda reply: reply.pop("choices") and None,
    "choices are null": lambda reply: reply.update(choices=None),
    "choices are an object": lambda reply: reply.update(choices={"0": reply["choices"][0]}),
    "an error with status 200": lambda reply: {"error": {"message": "out of memory"}},
    "one choice too few": lambda reply: reply["choices"].pop() and None,
    "one choice too many": lambda reply: reply["choices"].append({**reply["choices"][0], "index": 99}),
    "a choice twice and another not": in_choice(1, index=0),
    "a choice without a number": lambda reply: reply["choices"][1].pop("index") and None,
    "a choice whose number is null": in_choice(1, index=None),
    "a choice is null": lambda reply: reply["choices"].__setitem__(1, None),
    "no log probabilities": in_choice(1, logprobs=None),
    "an empty list of them": in_choice(1, logprobs={"top_logprobs": []}),
    "null in the list": in_choice(1, logprobs={"top_logprobs": [None]}),
    "by text instead of by id": lambda reply: each_keyed(reply, lambda name: "x" + name),
    "one choice of null": last_one_null,
    "all of them null": each_logprob(lambda _: None),
    "text instead of numbers": each_logprob(str),
    "NaN as text": each_logprob(lambda _: "NaN"),
    "NaN": each_logprob(lambda _: float("nan")),
    "minus infinity": each_logprob(lambda _: float("-inf")),
    "a list for a number": each_logprob(lambda one: [one]),
    "logits": each_logprob(lambda one: one + 30),
    "huge logits": each_logprob(lambda one: one + 3000),
    "logits that are all negative": each_logprob(lambda one: one - 60),
    "log probabilities without their sign": each_logprob(lambda one: -one),
    "probabilities": each_logprob(exp),
    "more than 1 together": each_logprob(lambda _: log(0.6)),
    "the sentinel for missing": each_logprob(lambda _: -9999.0),
}


def each_keyed(reply: dict[str, Any], change: Callable[[str], str]) -> None:
    for choice in reply["choices"]:
        [told] = choice["logprobs"]["top_logprobs"]
        choice["logprobs"]["top_logprobs"] = [{change(name): one for name, one in told.items()}]


@pytest.mark.parametrize("fault", VLLM_FAULTS)
def test_a_reply_of_vllm_that_is_no_distribution_is_garbage_and_never_a_number(vllm: TableServer, fault: str) -> None:
    assert garbled(vllm, VLLM_FAULTS[fault]).kind == "garbage"


def test_choices_in_another_order_are_read_by_their_index(vllm: TableServer) -> None:
    question = serve(vllm, percent())
    for order in (
        lambda reply: reply["choices"].reverse(),
        lambda reply: reply["choices"].sort(key=lambda one: one["index"] % 3),
    ):
        vllm.fail = altered(vllm, order)
        try:
            assert score(vllm, question).labels == pytest.approx(truth(question), rel=0, abs=EXACT)
        finally:
            vllm.fail = None


def test_a_vllm_that_ignores_the_ids_asked_for_is_not_believed() -> None:
    with TableServer(percent().model, knows_ids=False) as server:
        for seed in range(5):
            question = serve(server, percent(seed))
            failure = fails(server, question)
            assert failure.kind == "garbage"
            assert "by its id" in str(failure)


def test_one_sentinel_among_the_ids_is_enough_to_refuse() -> None:
    question = percent()
    with TableServer(question.model, sentinel={question.model.tokens.index("7")}) as server:
        assert fails(server, question).kind == "garbage"
        with_others = replace(question, labels={"20": ["20%"], "30": ["30%"]})
        assert score(server, with_others).labels == pytest.approx(truth(with_others), rel=0, abs=EXACT)


def each_entry(change: Callable[[dict[str, Any]], object]) -> Callable[[dict[str, Any]], None]:
    """Change all entries of llama.cpp's list."""

    def alter(reply: dict[str, Any]) -> None:
        for entry in reply["completion_probabilities"][0]["top_logprobs"]:
            change(entry)

    return alter


def first_two(reply: dict[str, Any]) -> None:
    """The list ends early."""
    del reply["completion_probabilities"][0]["top_logprobs"][2:]


LLAMA_FAULTS: dict[str, Callable[[dict[str, Any]], object]] = {
    "no completion_probabilities": lambda reply: reply.pop("completion_probabilities") and None,
    "null": lambda reply: reply.update(completion_probabilities=None),
    "an empty list": lambda reply: reply.update(completion_probabilities=[]),
    "a list of null": lambda reply: reply.update(completion_probabilities=[None]),
    "no tokens": lambda reply: reply["completion_probabilities"][0].update(top_logprobs=[]),
    "tokens are null": lambda reply: reply["completion_probabilities"][0].update(top_logprobs=None),
    "an error with status 200": lambda reply: {"error": {"message": "out of memory"}},
    "fewer tokens than asked for": first_two,
    "no ids": each_entry(lambda entry: entry.pop("id") and None),
    "ids are null": each_entry(lambda entry: entry.update(id=None)),
    "ids are text": each_entry(lambda entry: entry.update(id=entry["token"])),
    "probabilities after sampling": each_entry(lambda entry: entry.update(prob=exp(entry.pop("logprob")))),
    "null for a number": each_entry(lambda entry: entry.update(logprob=None)),
    "text for a number": each_entry(lambda entry: entry.update(logprob=str(entry["logprob"]))),
    "NaN as text": each_entry(lambda entry: entry.update(logprob="NaN")),
    "NaN": each_entry(lambda entry: entry.update(logprob=float("nan"))),
    "logits": each_entry(lambda entry: entry.update(logprob=entry["logprob"] + 30)),
    "huge logits": each_entry(lambda entry: entry.update(logprob=entry["logprob"] + 3000)),
    "logits that are all negative": each_entry(lambda entry: entry.update(logprob=entry["logprob"] - 60)),
    "log probabilities without their sign": each_entry(lambda entry: entry.update(logprob=-entry["logprob"])),
    "more than 1 together": each_entry(lambda entry: entry.update(logprob=log(0.6))),
    "more than 1 together, though not of those asked for": each_entry(
        lambda entry: entry.update(logprob=log(0.6)) if entry["token"].isalpha() else None
    ),
}


@pytest.mark.parametrize("fault", LLAMA_FAULTS)
def test_a_reply_of_llama_cpp_that_is_no_distribution_is_garbage_and_never_a_number(
    llama: TableServer, fault: str
) -> None:
    assert garbled(llama, LLAMA_FAULTS[fault]).kind == "garbage"


def test_the_list_of_llama_cpp_may_come_in_any_order(llama: TableServer) -> None:
    question = serve(llama, percent())
    llama.fail = altered(llama, lambda reply: reply["completion_probabilities"][0]["top_logprobs"].reverse())
    try:
        assert score(llama, question).labels == pytest.approx(truth(question), rel=0, abs=EXACT)
    finally:
        llama.fail = None


def test_llama_cpp_is_asked_again_where_the_drawn_token_is_a_part_of_a_character(llama: TableServer) -> None:
    def silent(path: str, number: int, body: dict[str, Any]) -> web.Response | None:
        drawn = question.model.probabilities(body.get("prompt", []))
        if path != READS["llamacpp"] or "logit_bias" in body or max(drawn) in drawn[::2]:
            return None
        return web.json_response({"content": "", "tokens_predicted": 1})

    question = serve(llama, percent(seed=9))
    llama.fail = silent
    try:
        assert score(llama, question, slots=1).labels == pytest.approx(truth(question), rel=0, abs=EXACT)
    finally:
        llama.fail = None
    assert 0 < sum("logit_bias" in body for body in llama.bodies(READS["llamacpp"])) < 30


@pytest.mark.parametrize(
    "entries",
    [
        [{"token": "1", "logprob": 3.0}],
        [{"token": "1", "logprob": None}],
        [{"token": "1", "logprob": "NaN"}],
        [{"token": "1", "logprob": 3000.0}],
        [{"token": "1"}],
        [{"logprob": -1.0}],
        [{"token": "1", "logprob": log(0.6)}, {"token": "2", "logprob": log(0.6)}],
    ],
)
def test_a_reply_of_a_plain_server_that_is_no_distribution_is_garbage(plain: TableServer, entries: Any) -> None:
    question = serve(plain, percent())
    plain.fail = first_tokens(*entries)
    try:
        assert fails(plain, question, residual=1.0).kind == "garbage"
    finally:
        plain.fail = None


@pytest.mark.parametrize("dialect", ["vllm", "llamacpp", "openai"])
def test_a_server_that_fails_leaves_no_number_and_the_next_question_is_right_again(dialect: Any) -> None:
    question = percent()
    with TableServer(question.model, dialect) as server:
        server.fail = lambda path, number, body: web.json_response({"error": "no"}, status=500)
        assert fails(server, question, residual=1.0).kind == "http 500"
        server.fail = None

        async def after_a_fault(scorer: Scorer) -> Scored:
            server.fail = altered(server, lambda reply: {}) if dialect != "openai" else first_tokens({})
            with pytest.raises(RequestFailed):
                await scorer.score("q", question.messages, question.labels)
            server.fail = None
            return await scorer.score("q", question.messages, question.labels)

        scored = use(server, after_a_fault, residual=1.0, slots=1)
    assert scored.labels.keys() == question.labels.keys()
