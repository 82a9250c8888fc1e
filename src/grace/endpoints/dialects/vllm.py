"""vLLM's dialect (tried with 0.32): many places of an answer in one request, and any tokens by their ids."""

from collections.abc import Iterator, Mapping, Sequence
from math import exp
from typing import Any, ClassVar

from grace.endpoints.client import Client, RequestFailed
from grace.endpoints.dialects.openai import ServerDescription, entry_of, get_json, names_of, number, text_or_none, word
from grace.endpoints.dialects.tokens import (
    ROUNDING,
    Ask,
    Lane,
    Post,
    Read,
    TokenDialect,
    checked,
    checked_top,
    garbage,
    text_of,
    token_ids,
)
from grace.studies.templates import Message, raw_text

MOST_IDS = 128
"""Ids that one request may ask for; each of its prompts gets the same ones."""
NEUTRAL = {"repetition_penalty": 1, "presence_penalty": 0, "frequency_penalty": 0}
"""A model's own settings of these would shape probabilities in some of vLLM's logprobs modes."""
BIAS = 10.0
COUNTING = "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19"
LIKELY = 0.01
"""The least probability of the five most likely next tokens together, however badly a model counts."""
MISSING = -9999.0
"""What vLLM writes for a log probability that it does not have."""


class Vllm(TokenDialect):
    """vLLM."""

    name = "vllm"
    neutral: ClassVar[Mapping[str, Any]] = {"top_p": 1, "top_k": 0, "min_p": 0, "repetition_penalty": 1}
    reads_many = True
    residual = 0.0  # all places go in one request; a round that finds out what to skip costs more than it saves

    async def facts(self, client: Client, model: str, models: Sequence[Mapping[str, Any]]) -> ServerDescription:
        """Names, version, context length, and the folder or hub repository that the weights came from."""
        entry = entry_of(model, models)
        version = await get_json(client, "/version")
        return ServerDescription(
            names_of(models),
            version=text_or_none(version.get("version")),
            context=number(entry.get("max_model_len")) or None,
            identity={"name": model, "source": word(entry.get("root"))},
        )

    async def count_tokens(self, client: Client, model: str, messages: Sequence[Message]) -> int | None:
        """The count of /tokenize, which renders the chat template too."""
        if (text := raw_text(messages)) is not None:
            return len(await self.encode(client.post_once, model, text))
        body = {"model": model, "messages": messages, "add_generation_prompt": True}
        return number((await client.post_once("/tokenize", body)).get("count"))

    async def logprob_support(self, client: Client, model: str) -> str | None:
        """Whether the tokens asked for by id come back: an unknown request field is ignored with status 200."""
        tokens = (11, 12, 13)
        body = _one_token(model, "Yes", logprobs=1, logprob_token_ids=tokens)
        try:
            reply = await client.post_once("/v1/completions", body)
            names = reply["choices"][0]["logprobs"]["top_logprobs"][0].keys()
        except (RequestFailed, LookupError, TypeError, AttributeError):
            names = ()
        if {f"token_id:{token}" for token in tokens}.issubset(names):
            return "any tokens, by id"
        return await super().logprob_support(client, model)

    async def render(self, post: Post, model: str, messages: Sequence[Message]) -> list[int]:
        """What /tokenize makes of a conversation, or of a text without one."""
        if (text := raw_text(messages)) is not None:
            return await self.encode(post, model, text)
        body = {"model": model, "messages": messages, "add_generation_prompt": True}
        return token_ids((await post("/tokenize", body)).get("tokens"))

    async def encode(self, post: Post, model: str, text: str) -> list[int]:
        """What /tokenize makes of a text, special tokens added."""
        return token_ids((await post("/tokenize", {"model": model, "prompt": text})).get("tokens"))

    async def tokenize(self, post: Post, model: str, text: str) -> list[int]:
        """What /tokenize makes of a text."""
        body = {"model": model, "prompt": text, "add_special_tokens": False}
        return token_ids((await post("/tokenize", body)).get("tokens"))

    async def detokenize(self, post: Post, model: str, tokens: Sequence[int]) -> str:
        """What /detokenize makes of ids."""
        return text_of((await post("/detokenize", {"model": model, "tokens": tokens})).get("prompt"))

    async def read(
        self, post: Post, model: str, prompt: Sequence[int], asks: Sequence[Ask], lane: Lane | None
    ) -> list[Read]:
        """All places in one request, unless they have more tokens than it may name. The prefix cache does the rest."""
        probabilities: list[dict[int, float]] = [{} for _ in asks]
        for group in _groups(asks):
            ids = sorted({token for _, tokens in group for token in tokens})
            prompts = [[*prompt, *asks[place].path] for place, _ in group]
            body = _one_token(model, prompts, logprobs=1, logprob_token_ids=ids)
            logprobs = _logprobs(await post("/v1/completions", body), len(group))
            for (place, tokens), by_name in zip(group, logprobs, strict=True):
                probabilities[place].update(_probabilities(by_name, tokens))
        return [checked(Read(own), ask.path) for ask, own in zip(asks, probabilities, strict=True)]

    async def prove(self, post: Post, model: str, exact: bool = False) -> None:
        """Check that its --logprobs-mode is raw_logprobs: a bias changes nothing, and likely tokens are likely."""
        [token, *_] = await self.tokenize(post, model, "a")
        one = _one_token(model, COUNTING, logprobs=1, logprob_token_ids=[token])
        [plain] = _logprobs(await post("/v1/completions", one), 1)
        [biased] = _logprobs(await post("/v1/completions", {**one, "logit_bias": {str(token): BIAS}}), 1)
        before, after = (_probabilities(logprobs, [token])[token] for logprobs in (plain, biased))
        if after > before * exp(BIAS / 2):
            raise garbage("its probabilities are shaped by settings; start vLLM with --logprobs-mode raw_logprobs")
        [likely] = _logprobs(await post("/v1/completions", _one_token(model, COUNTING, logprobs=5)), 1)
        try:
            together = sum(map(exp, likely.values()))
        except (TypeError, AttributeError, OverflowError):
            together = 0.0
        if not LIKELY <= together <= 1 + ROUNDING:
            raise garbage("it gives no probabilities; start vLLM with --logprobs-mode raw_logprobs")


def _one_token(model: str, prompt: Any, **logprobs: Any) -> dict[str, Any]:
    body = {"model": model, "prompt": prompt, "max_tokens": 1, "temperature": 0, "return_tokens_as_token_ids": True}
    return {**body, **NEUTRAL, **logprobs}


def _groups(asks: Sequence[Ask]) -> Iterator[list[tuple[int, tuple[int, ...]]]]:
    """Asks by their place in the list, in groups whose tokens one request can name."""
    group: list[tuple[int, tuple[int, ...]]] = []
    ids: set[int] = set()
    for place, ask in enumerate(asks):
        for start in range(0, len(ask.tokens), MOST_IDS):
            tokens = ask.tokens[start : start + MOST_IDS]
            if len(ids.union(tokens)) > MOST_IDS:
                yield group
                group, ids = [], set()
            group.append((place, tokens))
            ids.update(tokens)
    yield group


def _logprobs(reply: Mapping[str, Any], prompts: int) -> list[Mapping[str, float]]:
    """For each prompt, in order, log probabilities by the names of tokens."""
    try:
        by_prompt = {choice["index"]: choice["logprobs"]["top_logprobs"][0] for choice in reply["choices"]}
        choices = len(reply["choices"])
    except (LookupError, TypeError):
        raise garbage("it gives no log probabilities") from None
    if choices != prompts or by_prompt.keys() != set(range(prompts)):
        raise garbage(f"{prompts} prompts, choices {sorted(map(str, by_prompt))}")
    return [by_prompt[place] for place in range(prompts)]


def _probabilities(logprobs: Mapping[str, float], tokens: Sequence[int]) -> dict[int, float]:
    try:
        logs = {token: logprobs[f"token_id:{token}"] for token in tokens}
        if min(logs.values()) <= MISSING:
            raise KeyError
        checked_top({0: exp(max(logprobs.values()))})  # the likeliest token, which is drawn, is always among them
        return {token: exp(log) for token, log in logs.items()}
    except (LookupError, TypeError, OverflowError, AttributeError):
        raise garbage("it lacks the log probability of a token that was asked for by its id") from None
