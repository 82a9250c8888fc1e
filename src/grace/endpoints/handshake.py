"""The handshake: checks that an endpoint can do what a run needs, before the run asks it anything."""

import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from grace.endpoints.client import Client, RequestFailed
from grace.endpoints.dialects import (
    ChatAnswer,
    OpenAI,
    Sampling,
    ServerDescription,
    names_of,
    read_answer,
    recognise,
)
from grace.errors import EndpointError
from grace.studies.templates import Message
from grace.text import did_you_mean, one_line

PROBE_TOKENS = 16
MOST_NAMES = 20
BRIEF = 80
"""Characters of each turn that show whether a template takes a conversation: reading a whole one costs time."""


@dataclass(frozen=True)
class EndpointNeed:
    """What a run needs of an endpoint.

    Attributes:
        shape: a conversation like those of the run, with a few words for the answers; its turns' beginnings are sent.
        longest: the run's longest conversation, without the model's answers; None when not known.
        longest_name: what messages call it, as "row 17".
        max_tokens: the answer's limit in tokens.
        chats: whether it holds conversations; a model without a chat template cannot.
    """

    shape: Sequence[Message] = (
        {"role": "user", "content": "Is two less than three?"},
        {"role": "assistant", "content": "Yes."},
        {"role": "user", "content": "And is four?"},
    )
    longest: Sequence[Message] | None = None
    longest_name: str = ""
    max_tokens: int = 512
    chats: bool = True


@dataclass(frozen=True)
class EndpointCheck:
    """The result of one check: `ok` is None for a remark that is neither good nor bad."""

    name: str
    ok: bool | None
    detail: str


@dataclass
class Handshake:
    """What is known about an endpoint. The checks fill it in, also the `model` where it is "": the only one there."""

    client: Client
    model: str
    dialect: OpenAI = field(default_factory=OpenAI)
    facts: ServerDescription = field(default_factory=lambda: ServerDescription(()))
    reasons: bool = False
    """Whether the model reasoned before its answer to a check."""

    async def prompt_tokens(self, messages: Sequence[Message]) -> int | None:
        """The length of a chat prompt as the server counts it in a real request. Raises RequestFailed."""
        return (await _ask(self, messages)).prompt_tokens


async def meet(client: Client, model: str, need: EndpointNeed) -> Handshake:
    """Do all checks. Raises EndpointError when one fails; the message says which, and what to do.

    A `model` of "" means the only one that the server has.
    """
    handshake = Handshake(client, model)
    async for check in checks(handshake, need):
        if check.ok is False:
            raise EndpointError(f"{client.shown_url}: {check.name}: {check.detail}")
    return handshake


async def checks(handshake: Handshake, need: EndpointNeed) -> AsyncIterator[EndpointCheck]:
    """Check the endpoint step by step, and end after a failure that leaves the other checks without meaning."""
    async for check in _checks(handshake, need):
        detail = one_line(handshake.client.redaction.text(check.detail))  # servers name their models as they like
        yield replace(check, detail=detail)


async def _checks(handshake: Handshake, need: EndpointNeed) -> AsyncIterator[EndpointCheck]:
    client = handshake.client
    try:
        reply = await client.get("/health")
    except RequestFailed as error:
        why = f"no answer ({error})" if error.kind == "connection" else error
        yield EndpointCheck("health", False, f"{why}; is the server up, and the address right?")
        return
    if reply.status in (200, 401, 403, 404, 405):  # plain OpenAI servers have no /health
        yield EndpointCheck("health", True if reply.status == 200 else None, f"/health answers {reply.status}")
    elif 300 <= reply.status < 400:
        where = re.split("[?#]", str(reply.headers.get("location")))[0]  # what follows may be a token
        where = re.sub("//[^/]*@", "//", where)
        yield EndpointCheck("health", False, f"redirects to {where}; give that address")
        return
    else:
        yield EndpointCheck("health", False, f"/health answers {reply.status}; is the model still loading?")
        return

    try:
        models = await list_models(client)
        names = names_of(models)
        if not handshake.model and len(names) == 1:
            handshake.model = names[0]
        model = handshake.model
        handshake.dialect = await recognise(client, models)
        handshake.facts = await handshake.dialect.facts(client, model, models)
    except RequestFailed as error:
        yield EndpointCheck("models", False, _advice(error))
        return
    except (AttributeError, TypeError, ValueError):
        yield EndpointCheck(
            "models", False, f"a {handshake.dialect.name} server that describes itself in an unknown form"
        )
        return
    facts = handshake.facts
    yield EndpointCheck("server", None, f"{handshake.dialect.name} {facts.version or ''}".strip())
    if not model:
        which = f"serves {_list(facts.served)}; say which with --model-name" if facts.served else "serves nothing"
        yield EndpointCheck("model", False, which)
        return
    if model not in facts.served:
        hint = did_you_mean(model, facts.served)
        yield EndpointCheck("model", False, f"{model!r} is not served here, only {_list(facts.served)}{hint}")
        return
    yield EndpointCheck("model", True, ", ".join(f"{k} {v}" for k, v in facts.identity.items() if v is not None))

    if not need.chats:
        yield EndpointCheck("chat template", None, "not needed: the study's texts go to the model as they are")
        return

    refused: RequestFailed | None = None
    try:
        answer = await _ask(handshake, _brief(need.shape))
    except RequestFailed as error:  # is it this conversation, or does the model not answer at all?
        refused = error
        try:
            answer = await _ask(handshake, [{"role": "user", "content": "Say hello."}])
        except RequestFailed as silent:
            yield EndpointCheck("completion", False, _advice(silent))
            return
    handshake.reasons = answer.reasoning is not None
    tokens = "?" if answer.completion_tokens is None else answer.completion_tokens
    yield EndpointCheck("completion", True, f"answers ({tokens} tokens)")
    if refused:
        advice = f"refuses the conversation: {refused}"
        if need.shape[0]["role"] == "system":
            advice += "; the model may have no system role: put the study's system text into the first turn"
        yield EndpointCheck("chat template", False, advice)
        return
    yield EndpointCheck("chat template", True, "takes " + ", ".join(dict.fromkeys(m["role"] for m in need.shape)))

    yield await _fits(handshake, need)

    try:
        support = await handshake.dialect.logprob_support(client, model)
    except RequestFailed as error:
        support = None if error.status else str(error)
    yield EndpointCheck("logprobs", None, support or "none")


async def _fits(handshake: Handshake, need: EndpointNeed) -> EndpointCheck:
    context = handshake.facts.context
    if need.longest is None:
        return EndpointCheck("context", None, f"{context or 'unknown'} tokens")
    try:
        tokens = await handshake.dialect.count_tokens(handshake.client, handshake.model, need.longest)
    except RequestFailed as error:
        return EndpointCheck("longest prompt", False, f"{need.longest_name} cannot be tokenized: {error}")
    if tokens is None or context is None:
        return EndpointCheck(
            "longest prompt", None, "the server gives no lengths; a prompt that is too long becomes a failed row"
        )
    turns = sum(message["role"] == "user" for message in need.longest)
    least, most = tokens + need.max_tokens, tokens + turns * need.max_tokens
    said = f"{tokens} tokens ({need.longest_name}), answers up to {need.max_tokens}, context {context}"
    if least <= context:
        note = "" if most <= context else f"; {turns} answers of that length would not fit together"
        return EndpointCheck("longest prompt", True if most <= context else None, said + note)
    room = context - tokens
    way = f"use --max-tokens {room} or less, or " if room > 0 else ""
    return EndpointCheck("longest prompt", False, f"{said}; {way}serve the model with a longer context")


def _brief(messages: Sequence[Message]) -> list[Message]:
    """The same turns with the beginnings of their texts."""
    return [{**message, "content": message["content"][:BRIEF]} for message in messages]


async def _ask(handshake: Handshake, messages: Sequence[Message]) -> ChatAnswer:
    body = handshake.dialect.chat_body(handshake.model, messages, Sampling(0.0, PROBE_TOKENS), seed=1)
    return read_answer((await handshake.client.post("/v1/chat/completions", body)).data)


async def list_models(client: Client) -> list[dict[str, Any]]:
    """A server's list of its models. Raises RequestFailed."""
    entries = (await client.get_object("/v1/models")).get("data")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise RequestFailed("garbage", "/v1/models does not list models; is this a model server?")
    return entries


def _list(names: Sequence[str]) -> str:
    """The first names, in words; gateways serve hundreds."""
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return (", ".join(names[:MOST_NAMES]) or "nothing") + more


def _advice(error: RequestFailed) -> str:
    if error.status in (401, 403):
        return f"status {error.status}: {error}; give the key's environment variable with --api-key-env NAME"
    status = f"status {error.status}: " if error.status else ""
    return f"{status}{error}"
