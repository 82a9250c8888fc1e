"""llama.cpp's dialect, the embedded server's too: one place of an answer at a time, the most likely tokens first."""

import asyncio
import os
from collections.abc import Mapping, Sequence
from math import exp, fsum
from pathlib import Path
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
from grace.endpoints.transport import is_loopback
from grace.ledger import request_key
from grace.models.files import weights_digest
from grace.models.serving import CACHE, EXACT_TAG
from grace.studies.templates import Message, raw_text

FIRST, GROWTH = 64, 16
"""How many of the most likely tokens the first request asks for, and by which factor each further one asks for more."""
BIASED = 0.999
"""A probability that a bias produces but hardly ever a model."""
ALL = 10_000_000
"""More tokens than any vocabulary has: asked for so many of the likeliest, llama.cpp tells all of them."""
DRAWN = {"temperature": 1, "samplers": [], "seed": 0, "post_sampling_probs": True}
"""Settings that draw a token from the model's own probabilities.

What llama.cpp tells before sampling is too large by about 0.0002 of it, since its sum in 32 bits over the sorted
vocabulary loses the unlikely tokens. Where it draws, the sum is in 64 bits.
"""


class LlamaCpp(TokenDialect):
    """llama.cpp's server, the embedded one too."""

    name = "llamacpp"
    neutral: ClassVar[Mapping[str, Any]] = {"top_p": 1, "top_k": 0, "min_p": 0, "repeat_penalty": 1}
    reads_many = False
    measuring = "drawn"

    async def facts(self, client: Client, model: str, models: Sequence[Mapping[str, Any]]) -> ServerDescription:
        """Names, build, context length of a slot, slots, and the model file's own facts and digest."""
        meta = entry_of(model, models).get("meta") or {}
        props = await get_json(client, "/props")
        path = Path(props.get("model_path") or "")
        identity: dict[str, Any] = {
            "name": model,
            "source": word(path.name) or None,
            "template": request_key(props["chat_template"]) if "chat_template" in props else None,
            "quantization": word(meta.get("ftype")),
            "parameters": word(meta.get("n_params")),
            "bytes": word(meta.get("size")),
        }
        if is_loopback(client.url):
            identity["weights"] = await asyncio.to_thread(_digest, path)
        if EXACT_TAG in (entry_of(model, models).get("tags") or ()):
            identity[CACHE] = "F32"
        settings = props.get("default_generation_settings") or {}
        return ServerDescription(
            names_of(models),
            version=text_or_none(props.get("build_info")),
            context=number(settings.get("n_ctx")) or None,
            slots=number(props.get("total_slots")) or None,
            identity=identity,
        )

    async def logprob_support(self, client: Client, model: str) -> str | None:
        """Whether the most likely tokens come back before sampling changes them, as many as asked for."""
        try:
            reply = await client.post_once("/completion", _one_token("Yes", 100))
            given = len(reply["completion_probabilities"][0]["top_logprobs"])
        except (RequestFailed, LookupError, TypeError):
            return await super().logprob_support(client, model)
        return "as many of the most likely tokens as asked for" if given == 100 else f"the {given} most likely"

    async def render(self, post: Post, model: str, messages: Sequence[Message]) -> list[int]:
        """The chat template's text, or a text without one, then its tokens."""
        if (text := raw_text(messages)) is not None:
            return await self.encode(post, model, text)
        rendered = text_of((await post("/apply-template", {"model": model, "messages": messages})).get("prompt"))
        return await self.encode(post, model, rendered)

    async def encode(self, post: Post, model: str, text: str) -> list[int]:
        """What /tokenize makes of a text, special tokens added."""
        body = {"model": model, "content": text, "add_special": True, "parse_special": True}
        return token_ids((await post("/tokenize", body)).get("tokens"))

    async def tokenize(self, post: Post, model: str, text: str) -> list[int]:
        """What /tokenize makes of a text."""
        body = {"model": model, "content": text, "add_special": False, "parse_special": True}
        return token_ids((await post("/tokenize", body)).get("tokens"))

    async def detokenize(self, post: Post, model: str, tokens: Sequence[int]) -> str:
        """What /detokenize makes of ids."""
        return text_of((await post("/detokenize", {"model": model, "tokens": tokens})).get("content"))

    async def prove(self, post: Post, model: str, exact: bool = False) -> None:
        """See that the two ways of asking give the same."""
        if not exact:
            return
        before, drawn = [_top(await post("/completion", _one_token("Yes", FIRST, exact))) for exact in (False, True)]
        if any(abs(drawn.get(token, 0.0) / own - 1) > ROUNDING for token, own in before.items()):
            raise garbage("probabilities before and after drawing differ; is it a llama.cpp of 2026?")

    async def read(
        self, post: Post, model: str, prompt: Sequence[int], asks: Sequence[Ask], lane: Lane | None
    ) -> list[Read]:
        """One request for each place, in the slot that already holds the prompt.

        A token that is not among the most likely ones has at most the least of their probabilities; the next try asks
        for more of them.
        """
        reads = []
        for ask in asks:
            most = FIRST * GROWTH**ask.tries
            body = {"model": model, **_one_token([*prompt, *ask.path], most, ask.exact), "cache_prompt": True}
            if lane is not None:
                body |= {"id_slot": lane.slot, "cache_prompt": bool(ask.path) or not lane.fresh}
            reply = await post("/completion", body)
            if not reply.get("completion_probabilities"):
                # The drawn token was a part of a character, for which llama.cpp gives nothing. A bias has it draw
                # another one; the reply holds the probabilities before the bias.
                [letter, *_] = await self.tokenize(post, model, "a")
                most = ALL if ask.exact else most
                asked = {name: value for name, value in body.items() if name not in DRAWN}
                reply = await post(
                    "/completion", {**asked, **_one_token(body["prompt"], most), "logit_bias": [[letter, 1000]]}
                )
                if _top(reply).get(letter, 0.0) > BIASED:
                    raise garbage("its probabilities are those after a bias, not the model's own")
            top = _top(reply)
            if most == ALL:
                whole = fsum(top.values())
                top = {token: own / whole for token, own in top.items()}
            probabilities = {token: top[token] for token in ask.tokens if token in top}
            missing = len(ask.tokens) - len(probabilities)
            if missing and len(top) < most:
                raise garbage(f"{missing} tokens that were asked for are not in the server's vocabulary")
            reads.append(checked(Read(probabilities, missing * min(top.values()) if missing else 0.0), ask.path))
        return reads


def _one_token(prompt: Any, most: int, exact: bool = False) -> dict[str, Any]:
    how = DRAWN if exact else {"temperature": 0, "post_sampling_probs": False}
    return {"prompt": prompt, "n_predict": 1, "n_probs": most, **how}


def _top(reply: Mapping[str, Any]) -> Mapping[int, float]:
    try:
        told = reply["completion_probabilities"][0]
        if "top_probs" in told:
            top = {int(entry["id"]): float(entry["prob"]) for entry in told["top_probs"]}
        else:
            top = {int(entry["id"]): exp(entry["logprob"]) for entry in told["top_logprobs"]}
    except (LookupError, TypeError, ValueError, OverflowError):
        top = {}
    return checked_top(top)


def _digest(path: Path) -> str | None:
    """The digest of a model file, None where this process cannot read it."""
    return weights_digest(path) if os.access(path, os.R_OK) and path.is_file() else None
