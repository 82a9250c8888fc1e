"""The handshake: see that an endpoint can do what a run will ask of it, before anything is asked in earnest."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from grace.endpoints.client import Client, RequestFailed
from grace.endpoints.dialects import Answer, OpenAI, Sampling, ServerFacts, read_answer, recognise
from grace.errors import EndpointError
from grace.studies.templates import Message
from grace.text import did_you_mean, one_line

PROBE_TOKENS = 16
MOST_NAMES = 20


@dataclass(frozen=True)
class Need:
    """What a run will ask of the model.

    Attributes:
        shape: a conversation of the kind that will be held, with a few words for the answers.
        longest: the longest one that will be held, without the model's answers; None when not known.
        longest_name: where it comes from, for messages, as "row 17".
        max_tokens: the answer's limit in tokens.
    """

    shape: Sequence[Message] = (
        {"role": "user", "content": "Is two less than three?"},
        {"role": "assistant", "content": "Yes."},
        {"role": "user", "content": "And is four?"},
    )
    longest: Sequence[Message] | None = None
    longest_name: str = ""
    max_tokens: int = 512


@dataclass(frozen=True)
class Check:
    """One thing that was looked at: `ok` is None for a remark that is neither good nor bad."""

    name: str
    ok: bool | None
    detail: str


@dataclass
class Handshake:
    """What is known of an endpoint, filled in as the checks go on."""

    client: Client
    model: str
    dialect: OpenAI = field(default_factory=OpenAI)
    facts: ServerFacts = field(default_factory=lambda: ServerFacts(()))
    reasons: bool = False
    """Whether the model was seen to reason before it answers."""

    async def prompt_tokens(self, messages: Sequence[Message]) -> int | None:
        """The length of a chat prompt as the server counts it when asked in earnest. Raises RequestFailed."""
        return (await _ask(self, messages)).prompt_tokens


async def meet(client: Client, model: str, need: Need) -> Handshake:
    """Do all checks.

    Raises:
        EndpointError: one of them failed; the message says which, and what to do.
    """
    hands = Handshake(client, model)
    async for check in checks(hands, need):
        if check.ok is False:
            raise EndpointError(f"{client.shown_url}: {check.name}: {check.detail}")
    return hands


async def checks(hands: Handshake, need: Need) -> AsyncIterator[Check]:
    """Look at the endpoint, one check after the other, and end after the first without which the rest means nothing."""
    async for check in _checks(hands, need):
        yield replace(check, detail=one_line(check.detail))  # servers name their models as they like


async def _checks(hands: Handshake, need: Need) -> AsyncIterator[Check]:
    client, model = hands.client, hands.model
    try:
        reply = await client.get("/health")
    except RequestFailed as error:
        yield Check("health", False, f"{_no_reply(error)}; is the server up, and the address right?")
        return
    if reply.status in (200, 401, 403, 404, 405):  # plain OpenAI servers have no /health
        yield Check("health", True if reply.status == 200 else None, f"/health answers {reply.status}")
    elif 300 <= reply.status < 400:
        yield Check("health", False, f"sends us on to {reply.headers.get('location')}; give the address that it names")
        return
    else:
        yield Check("health", False, f"/health answers {reply.status}; is the model still loading?")
        return

    try:
        models = await _list_models(client)
        hands.dialect = await recognise(client, models)
        hands.facts = await hands.dialect.facts(client, model, models)
    except RequestFailed as error:
        yield Check("models", False, _advice(error))
        return
    except (AttributeError, TypeError, ValueError):
        yield Check("models", False, f"a {hands.dialect.name} server that describes itself in no form we know")
        return
    facts = hands.facts
    yield Check("server", None, f"{hands.dialect.name} {facts.version or ''}".strip())
    if model not in facts.served:
        hint = did_you_mean(model, facts.served)
        yield Check("model", False, f"{model!r} is not served here, only {_list(facts.served)}{hint}")
        return
    yield Check("model", True, ", ".join(f"{k} {v}" for k, v in facts.identity.items() if v is not None))

    try:
        answer = await _ask(hands, [{"role": "user", "content": "Say hello."}])
        hands.reasons = answer.reasoning is not None
        tokens = "?" if answer.completion_tokens is None else answer.completion_tokens
        yield Check("completion", True, f"answers ({tokens} tokens)")
    except RequestFailed as error:
        yield Check("completion", False, _advice(error))
        return

    try:
        await _ask(hands, need.shape)
        yield Check("chat template", True, "takes " + ", ".join(dict.fromkeys(m["role"] for m in need.shape)))
    except RequestFailed as error:
        advice = f"refuses the conversation: {error}"
        if need.shape[0]["role"] == "system":
            advice += "; it may know no system message: put the study's system text into the first turn"
        yield Check("chat template", False, advice)
        return

    yield await _fits(hands, need)

    try:
        support = await hands.dialect.logprob_support(client, model)
    except RequestFailed as error:
        support = None if error.status else str(error)
    yield Check("logprobs", None, support or "none")


async def _fits(hands: Handshake, need: Need) -> Check:
    context = hands.facts.context
    if need.longest is None:
        return Check("context", None, f"{context or 'unknown'} tokens")
    try:
        tokens = await hands.dialect.count_tokens(hands.client, hands.model, need.longest)
    except RequestFailed as error:
        return Check("longest prompt", False, f"{need.longest_name} cannot be tokenized: {error}")
    if tokens is None or context is None:
        return Check("longest prompt", None, "the server does not tell lengths; a prompt too long becomes a failed row")
    turns = sum(message["role"] == "user" for message in need.longest)
    least, most = tokens + need.max_tokens, tokens + turns * need.max_tokens
    said = f"{tokens} tokens ({need.longest_name}), answers up to {need.max_tokens}, context {context}"
    if least <= context:
        note = "" if most <= context else f"; {turns} answers of that length would not fit together"
        return Check("longest prompt", True if most <= context else None, said + note)
    room = context - tokens
    way = f"use --max-tokens {room} or less, or " if room > 0 else ""
    return Check("longest prompt", False, f"{said}; {way}serve the model with a longer context")


async def _ask(hands: Handshake, messages: Sequence[Message]) -> Answer:
    body = hands.dialect.chat_body(hands.model, messages, Sampling(0.0, PROBE_TOKENS), seed=1)
    return read_answer((await hands.client.post("/v1/chat/completions", body)).data)


async def _list_models(client: Client) -> list[dict[str, Any]]:
    entries = (await client.get_object("/v1/models")).get("data")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise RequestFailed("garbage", "/v1/models does not list models; is this a model server?")
    return entries


def _list(names: Sequence[str]) -> str:
    """Some names in words; gateways serve hundreds."""
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return (", ".join(names[:MOST_NAMES]) or "nothing") + more


def _no_reply(error: RequestFailed) -> str:
    return f"no answer ({error})" if error.kind == "connection" else str(error)


def _advice(error: RequestFailed) -> str:
    if error.status in (401, 403):
        return f"status {error.status}: {error}; give the key's environment variable with --api-key-env NAME"
    status = f"status {error.status}: " if error.status else ""
    return f"{status}{error}"
