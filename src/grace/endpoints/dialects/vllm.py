"""vLLM's dialect (tried with 0.32): many places of an answer in one request, and any tokens by their ids."""

from collections.abc import Iterator, Mapping, Sequence
from math import exp
from typing import Any, ClassVar

from grace.endpoints.client import Client, RequestFailed
from grace.endpoints.dialects.openai import ServerDescription, entry_of, get_json, names_of, number
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
from grace.studies.templates import Message

MOST_IDS = 128
"""So many ids one request may ask for; the same ones are told for each of its prompts."""
NEUTRAL = {"repetition_penalty": 1, "presence_penalty": 0, "frequency_penalty": 0}
"""A model's own settings of these would shape probabilities under some of vLLM's --logprobs-mode."""
BIAS = 10.0
COUNTING = "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19"
LIKELY = 0.01
"""However badly a model counts, its five most likely next tokens have more probability than this together."""
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
            version=version.get("version"),
            context=number(entry.get("max_model_len")) or None,
            identity={"name": model, "source": entry.get("root")},
        )

    async def count_tokens(self, client: Client, model: str, messages: Sequence[Message]) -> int | None:
        """The count of /tokenize, which renders the chat template too."""
        body = {"model": model, "messages": messages, "add_generation_prompt": True}
        count = (await client.post_once("/tokenize", body)).get("count")
        return count if isinstance(count, int) else None

    async def logprob_support(self, client: Client, model: str) -> str | None:
        """Whether the tokens asked for by id come back: an unknown request field is ignored with status 200."""
        asked = (11, 12, 13)
        body = {
            "model": model,
            "prompt": "Yes",
            "max_tokens": 1,
            "temperature": 0,
            "logprobs": 1,
            "logprob_token_ids": asked,
            "return_tokens_as_token_ids": True,
        }
        try:
            reply = await client.post_once("/v1/completions", body)
            given = reply["choices"][0]["logprobs"]["top_logprobs"][0].keys()
        except (RequestFailed, LookupError, TypeError, AttributeError):
            return await super().logprob_support(client, model)
        if {f"token_id:{token}" for token in asked} <= set(given):
            return "any tokens, by id"
        return await super().logprob_support(client, model)

    async def render(self, post: Post, model: str, messages: Sequence[Message]) -> list[int]:
        """What /tokenize makes of a conversation."""
        body = {"model": model, "messages": messages, "add_generation_prompt": True}
        return token_ids((await post("/tokenize", body)).get("tokens"))

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
        """All places in one request, unless their tokens are more than it may name. The prefix cache does the rest."""
        found: list[dict[int, float]] = [{} for _ in asks]
        for group in _groups(asks):
            ids = sorted({token for _, tokens in group for token in tokens})
            body = {
                "model": model,
                "prompt": [[*prompt, *asks[place].path] for place, _ in group],
                "max_tokens": 1,
                "temperature": 0,
                "logprobs": 1,
                "logprob_token_ids": ids,
                "return_tokens_as_token_ids": True,
                **NEUTRAL,
            }
            for (place, tokens), told in zip(
                group, _told(await post("/v1/completions", body), len(group)), strict=True
            ):
                found[place].update(_probabilities(told, tokens))
        return [checked(Read(probabilities), ask.path) for ask, probabilities in zip(asks, found, strict=True)]

    async def prove(self, post: Post, model: str) -> None:
        """See that its --logprobs-mode is raw_logprobs: a bias changes nothing, and likely tokens are likely."""
        [token, *_] = await self.tokenize(post, model, "a")
        body = {"model": model, "prompt": COUNTING, "max_tokens": 1, "temperature": 0, **NEUTRAL}
        body["return_tokens_as_token_ids"] = True
        one = {**body, "logprobs": 1, "logprob_token_ids": [token]}
        plain = _told(await post("/v1/completions", one), 1)
        biased = _told(await post("/v1/completions", {**one, "logit_bias": {str(token): BIAS}}), 1)
        before, after = (_probabilities(told[0], [token])[token] for told in (plain, biased))
        if after > before * exp(BIAS / 2):
            raise garbage("its probabilities are shaped by settings; start vLLM with --logprobs-mode raw_logprobs")
        likely = _told(await post("/v1/completions", {**body, "logprobs": 5}), 1)[0]
        if not LIKELY <= sum(map(exp, likely.values())) <= 1 + ROUNDING:
            raise garbage("what it tells are no probabilities; start vLLM with --logprobs-mode raw_logprobs")


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


def _told(reply: Mapping[str, Any], prompts: int) -> list[Mapping[str, float]]:
    """For each prompt, in order, the log probabilities of named tokens."""
    try:
        told = {choice["index"]: choice["logprobs"]["top_logprobs"][0] for choice in reply["choices"]}
        number = len(reply["choices"])
    except (LookupError, TypeError):
        raise garbage("it tells no log probabilities") from None
    if number != prompts or told.keys() != set(range(prompts)):
        raise garbage(f"{prompts} prompts, choices {sorted(map(str, told))}")
    return [told[place] for place in range(prompts)]


def _probabilities(told: Mapping[str, float], tokens: Sequence[int]) -> dict[int, float]:
    try:
        logs = {token: told[f"token_id:{token}"] for token in tokens}
        if min(logs.values()) <= MISSING:
            raise KeyError
        checked_top({0: exp(max(told.values()))})  # the likeliest token, which is drawn, is told too
        return {token: exp(log) for token, log in logs.items()}
    except (LookupError, TypeError, OverflowError, AttributeError):
        raise garbage("it lacks the log probability of a token that was asked for by its id") from None
