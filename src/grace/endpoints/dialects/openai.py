"""The plain OpenAI dialect: chat completions, and the most likely first tokens where the server gives them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import exp
from typing import Any, ClassVar

import orjson

from grace.endpoints.client import Client, RequestFailed
from grace.studies.reading.thoughts import separated
from grace.studies.templates import Message
from grace.text import one_line

MOST = 2**53
"""The largest number that a server may say: more than any count, and exact in every format."""
MOST_OF_A_NAME = 1000
TOP = (20, 5, 1)
"""How many of the most likely tokens to ask for; servers have different limits."""


@dataclass(frozen=True)
class Sampling:
    """How answers are drawn; `extra` is added to each request's body as it is."""

    temperature: float
    max_tokens: int
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ChatAnswer:
    """What a model answered to one chat request; token counts are None where the server gives none."""

    text: str
    reasoning: str | None
    finish_reason: str | None
    prompt_tokens: int | None
    completion_tokens: int | None


@dataclass(frozen=True)
class ServerDescription:
    """What a server says about itself and the model; None where it says nothing.

    Attributes:
        served: the names of all models that it serves.
        version: the server's version.
        context: the longest prompt and answer together, in tokens.
        slots: how many requests it works on at once, where that is fixed.
        identity: distinguishes this model from any other: served name, source, weights.
    """

    served: tuple[str, ...]
    version: str | None = None
    context: int | None = None
    slots: int | None = None
    identity: Mapping[str, Any] = field(default_factory=dict)


class OpenAI:
    """Any server with OpenAI's chat completions; Grace uses nothing beyond that interface."""

    name: ClassVar[str] = "openai"
    neutral: ClassVar[Mapping[str, Any]] = {"top_p": 1}
    """Sampling settings that change nothing. Every request has them: servers and model files have defaults that
    would make one temperature mean different things on different servers."""
    residual: ClassVar[float] = 1e-6
    """The probability that scoring may leave unasked by default; the fastest value up to 1e-6, as measured."""

    async def facts(self, client: Client, model: str, models: Sequence[Mapping[str, Any]]) -> ServerDescription:
        """The server's description; `models` is its own list. Raises RequestFailed."""
        entry = entry_of(model, models)
        identity = {"name": model, "source": None, "owned_by": word(entry.get("owned_by"))}
        return ServerDescription(names_of(models), identity=identity)

    def chat_body(self, model: str, messages: Sequence[Message], sampling: Sampling, seed: int) -> dict[str, Any]:
        """The JSON body of a chat request."""
        return {
            "model": model,
            "messages": messages,
            "temperature": sampling.temperature,
            "max_tokens": sampling.max_tokens,
            "seed": seed,
            **self.neutral,
            **sampling.extra,
        }

    async def count_tokens(self, client: Client, model: str, messages: Sequence[Message]) -> int | None:
        """The length of a chat prompt in tokens, None where the server does not count. Raises RequestFailed."""
        return None

    async def logprob_support(self, client: Client, model: str) -> str | None:
        """Which logprobs the server gives, in words; None when it gives none."""
        for most in TOP:
            try:
                reply = await client.post_once(
                    "/v1/chat/completions", top_body(model, [{"role": "user", "content": "Say yes."}], most)
                )
                top = _top(reply)
            except (RequestFailed, LookupError, TypeError):
                continue
            if top:
                return f"the {len(top)} most likely tokens"
        return None


def top_body(model: str, messages: Sequence[Message], most: int) -> dict[str, Any]:
    """The body of a chat request for the most likely first tokens of the answer."""
    return {
        "model": model,
        "messages": messages,
        "max_tokens": 1,
        "temperature": 0,
        "logprobs": True,
        "top_logprobs": most,
    }


def read_top(data: Mapping[str, Any]) -> list[tuple[str, float]]:
    """The first tokens' texts with their probabilities; the text of a part of a character is "".

    Raises RequestFailed of kind "garbage" when the reply gives none.
    """
    try:
        top = [(_text(entry), exp(entry["logprob"])) for entry in _top(data)]
    except (LookupError, TypeError, ValueError, OverflowError):
        top = []
    if not top or sum(probability for _, probability in top) > 1 + 1e-3:
        raise RequestFailed("garbage", "the reply gives no probabilities of first tokens")
    return top


def _text(entry: Mapping[str, Any]) -> str:
    text = entry["token"]
    if not isinstance(text, str):
        raise TypeError
    return "" if "\ufffd" in text or text.startswith("bytes:") else text


def _top(data: Mapping[str, Any]) -> list[dict[str, Any]]:
    top: list[dict[str, Any]] = data["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
    return top


def read_answer(data: Mapping[str, Any]) -> ChatAnswer:
    """Read a chat completion.

    Reasoning comes in a field of its own or, from servers without a parser for it, before the answer in one text.

    Raises:
        RequestFailed: of kind "garbage", when the reply is not a chat completion.
    """
    try:
        choice = data["choices"][0]
        message = choice["message"]
        text = _joined(message.get("content")) or message.get("refusal") or ""
        reasoning = message.get("reasoning_content") or message.get("reasoning") or None
        finish = choice.get("finish_reason")
        if not (isinstance(text, str) and isinstance(reasoning, str | None) and isinstance(finish, str | None)):
            raise TypeError
    except (LookupError, TypeError, AttributeError):
        why = one_line(str(data["error"]))[:300] if data.get("error") else "it is JSON but not a chat completion"
        raise RequestFailed("garbage", f"the reply is not an answer: {why}") from None
    usage = data.get("usage")
    counts = usage if isinstance(usage, dict) else {}
    if reasoning is None:
        reasoning, text = separated(text)
    return ChatAnswer(
        text, reasoning, finish, number(counts.get("prompt_tokens")), number(counts.get("completion_tokens"))
    )


def _joined(content: Any) -> Any:
    """The text of an answer that comes in parts; anything else as it is."""
    if not isinstance(content, list):
        return content
    return "".join(part["text"] for part in content if part.get("type") == "text")


def number(value: Any) -> int | None:
    """A count from a server, up to MOST; None for anything else."""
    return int(value) if type(value) in (int, float) and 0 <= value <= MOST and value == int(value) else None


def word(value: Any) -> str | int | float | None:
    """What a server calls something: a text of up to MOST_OF_A_NAME characters, or a number; None for all else."""
    if isinstance(value, str):
        return value[:MOST_OF_A_NAME]
    return value if type(value) in (int, float) and abs(value) <= MOST else None


def text_or_none(value: Any) -> str | None:
    """A short text from a server, None for anything else."""
    return value[:MOST_OF_A_NAME] if isinstance(value, str) else None


def names_of(models: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """The names in a server's list of models."""
    return tuple(str(entry.get("id"))[:MOST_OF_A_NAME] for entry in models)


def entry_of(model: str, models: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """What a server's list says about one model, empty when the model is not in it."""
    return next((entry for entry in models if entry.get("id") == model), {})


async def get_json(client: Client, path: str) -> dict[str, Any]:
    """The JSON object at `path`, empty when the server has none there."""
    reply = await client.get(path)
    try:
        data = orjson.loads(reply.body) if reply.status == 200 else {}
    except orjson.JSONDecodeError:
        data = {}
    return data if isinstance(data, dict) else {}
