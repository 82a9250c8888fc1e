"""Dialects: how one family of servers is recognised and asked. The plain OpenAI one is the base of the others."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import orjson

from grace.endpoints.client import Client, RequestFailed, printable
from grace.endpoints.transport import is_loopback
from grace.ledger import request_key
from grace.models.files import weights_digest
from grace.studies.study import Message

THINK_OPEN, THINK_CLOSE = "<think>", "</think>"


@dataclass(frozen=True)
class Sampling:
    """How answers are drawn; `extra` is added to each request's body as it is."""

    temperature: float
    max_tokens: int
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """What a model said to one chat request; token counts are None where the server does not tell."""

    text: str
    reasoning: str | None
    finish_reason: str | None
    prompt_tokens: int | None
    completion_tokens: int | None


@dataclass(frozen=True)
class ServerFacts:
    """What a server tells about itself and the model.

    Attributes:
        served: the names of all models that it serves.
        version: the server's version, where it tells.
        context: the longest prompt and answer together, in tokens, where it tells.
        slots: how many requests it works on at once, where that is fixed.
        identity: what tells this model from any other: served name, source, weights.
    """

    served: tuple[str, ...]
    version: str | None = None
    context: int | None = None
    slots: int | None = None
    identity: Mapping[str, Any] = field(default_factory=dict)


class OpenAI:
    """Any server with OpenAI's chat completions; asks for nothing that is not in that interface."""

    name: ClassVar[str] = "openai"
    neutral: ClassVar[Mapping[str, Any]] = {"top_p": 1}
    """Sampling settings that change nothing, sent always: servers and model files bring defaults of their own that
    would make one temperature mean different things on different servers."""

    async def facts(self, client: Client, model: str, models: Sequence[Mapping[str, Any]]) -> ServerFacts:
        """Read what the server tells; `models` is its own list. Raises RequestFailed."""
        entry = _entry(model, models)
        identity = {"name": model, "source": None, "owned_by": entry.get("owned_by")}
        return ServerFacts(_names(models), identity=identity)

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
        """The length of a chat prompt in tokens, None where the server cannot tell. Raises RequestFailed."""
        return None

    async def logprob_support(self, client: Client, model: str) -> str | None:
        """In words, which logprobs the server gives; None when it gives none."""
        for most in (20, 5, 1):
            body = {
                "model": model,
                "messages": [{"role": "user", "content": "Say yes."}],
                "max_tokens": 1,
                "logprobs": True,
                "top_logprobs": most,
            }
            try:
                reply = await client.post_once("/v1/chat/completions", body)
                top = reply["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
            except (RequestFailed, LookupError, TypeError):
                continue
            if top:
                return f"the {len(top)} most likely tokens"
        return None


class Vllm(OpenAI):
    """vLLM."""

    name = "vllm"
    neutral: ClassVar[Mapping[str, Any]] = {"top_p": 1, "top_k": 0, "min_p": 0, "repetition_penalty": 1}

    async def facts(self, client: Client, model: str, models: Sequence[Mapping[str, Any]]) -> ServerFacts:
        """Names, version, context length, and the folder or hub repository that the weights came from."""
        entry = _entry(model, models)
        version = await _get_json(client, "/version")
        return ServerFacts(
            _names(models),
            version=version.get("version"),
            context=_number(entry.get("max_model_len")) or None,
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


class LlamaCpp(OpenAI):
    """llama.cpp's server, the embedded one too."""

    name = "llamacpp"
    neutral: ClassVar[Mapping[str, Any]] = {"top_p": 1, "top_k": 0, "min_p": 0, "repeat_penalty": 1}

    async def facts(self, client: Client, model: str, models: Sequence[Mapping[str, Any]]) -> ServerFacts:
        """Names, build, context length of a slot, slots, and the model file's own facts and digest."""
        meta = _entry(model, models).get("meta") or {}
        props = await _get_json(client, "/props")
        path = Path(props.get("model_path") or "")
        identity = {
            "name": model,
            "source": path.name or None,
            "template": request_key(props["chat_template"]) if "chat_template" in props else None,
            "quantization": meta.get("ftype"),
            "parameters": meta.get("n_params"),
            "bytes": meta.get("size"),
        }
        if is_loopback(client.url):
            identity["weights"] = await asyncio.to_thread(_digest, path)
        settings = props.get("default_generation_settings") or {}
        return ServerFacts(
            _names(models),
            version=props.get("build_info"),
            context=_number(settings.get("n_ctx")) or None,
            slots=_number(props.get("total_slots")) or None,
            identity=identity,
        )

    async def count_tokens(self, client: Client, model: str, messages: Sequence[Message]) -> int | None:
        """The count of the rendered template's tokens."""
        rendered = (await client.post_once("/apply-template", {"messages": messages})).get("prompt")
        body = {"content": rendered, "add_special": True, "parse_special": True}
        tokens = (await client.post_once("/tokenize", body)).get("tokens")
        return len(tokens) if isinstance(tokens, list) else None

    async def logprob_support(self, client: Client, model: str) -> str | None:
        """Whether the most likely tokens come back before sampling changes them, as many as asked for."""
        body = {
            "prompt": "Yes",
            "n_predict": 1,
            "n_probs": 100,
            "temperature": 0,
            "post_sampling_probs": False,
        }
        try:
            reply = await client.post_once("/completion", body)
            top = reply["completion_probabilities"][0]["top_logprobs"]
        except (RequestFailed, LookupError, TypeError):
            return await super().logprob_support(client, model)
        return "as many of the most likely tokens as asked for" if len(top) == 100 else f"the {len(top)} most likely"


async def recognise(client: Client, models: Sequence[Mapping[str, Any]]) -> OpenAI:
    """Find the dialect by what the server says of its models, or else by which addresses it knows.

    Raises:
        RequestFailed: the server stopped answering.
    """
    owners = {entry.get("owned_by") for entry in models}
    if "vllm" in owners:
        return Vllm()
    if "llamacpp" in owners:
        return LlamaCpp()
    if "version" in await _get_json(client, "/version") and (await client.get("/tokenize")).status == 405:
        return Vllm()  # behind a gateway that lists models under its own name
    if "default_generation_settings" in await _get_json(client, "/props"):
        return LlamaCpp()
    return OpenAI()


def read_answer(data: Mapping[str, Any]) -> Answer:
    """Read a chat completion.

    Reasoning comes in a field of its own or, from servers without a parser for it, as a leading think block. A block
    that was never closed is all reasoning: the answer was cut off before it began. One that was never opened was opened
    by the chat template, as some models' do.

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
        why = printable(str(data["error"]))[:300] if data.get("error") else "it is JSON but not a chat completion"
        raise RequestFailed("garbage", f"the reply is no answer: {why}") from None
    usage = data.get("usage")
    counts = usage if isinstance(usage, dict) else {}
    if reasoning is None:
        reasoning, text = _without_thoughts(text)
    return Answer(
        text, reasoning, finish, _number(counts.get("prompt_tokens")), _number(counts.get("completion_tokens"))
    )


def _joined(content: Any) -> Any:
    """The text of an answer that comes in parts; anything else as it is."""
    if not isinstance(content, list):
        return content
    return "".join(part["text"] for part in content if part.get("type") == "text")


def _without_thoughts(text: str) -> tuple[str | None, str]:
    """Reasoning, if there is any, and answer."""
    opened = text.lstrip().startswith(THINK_OPEN)
    thoughts, closed, answer = text.partition(THINK_CLOSE)
    if not (opened or (closed and THINK_OPEN not in thoughts)):
        return None, text
    return thoughts.lstrip().removeprefix(THINK_OPEN).strip() or None, answer.lstrip()


def _digest(path: Path) -> str | None:
    """The digest of a model file, None where this machine has no such file."""
    return weights_digest(path) if path.is_file() else None


def _number(value: Any) -> int | None:
    """A count from a server, None where it is none."""
    return int(value) if isinstance(value, int | float) and value >= 0 and value == int(value) else None


def _names(models: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    return tuple(str(entry.get("id")) for entry in models)


def _entry(model: str, models: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    return next((entry for entry in models if entry.get("id") == model), {})


async def _get_json(client: Client, path: str) -> dict[str, Any]:
    """The JSON object at `path`, empty when the server has none there."""
    reply = await client.get(path)
    try:
        data = orjson.loads(reply.body) if reply.status == 200 else {}
    except orjson.JSONDecodeError:
        data = {}
    return data if isinstance(data, dict) else {}
