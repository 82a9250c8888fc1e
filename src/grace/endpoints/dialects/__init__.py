"""Dialects: how one family of servers is recognised and asked. The plain OpenAI dialect is the base of the others."""

from collections.abc import Mapping, Sequence
from typing import Any

from grace.endpoints.client import Client
from grace.endpoints.dialects.llamacpp import LlamaCpp
from grace.endpoints.dialects.openai import (
    ChatAnswer,
    OpenAI,
    Sampling,
    ServerDescription,
    get_json,
    names_of,
    read_answer,
)
from grace.endpoints.dialects.tokens import Ask, Lane, Post, Read, TokenDialect
from grace.endpoints.dialects.vllm import Vllm

__all__ = [
    "Ask",
    "ChatAnswer",
    "Lane",
    "LlamaCpp",
    "OpenAI",
    "Post",
    "Read",
    "Sampling",
    "ServerDescription",
    "TokenDialect",
    "Vllm",
    "names_of",
    "read_answer",
    "recognise",
]


async def recognise(client: Client, models: Sequence[Mapping[str, Any]]) -> OpenAI:
    """The dialect, by the server's list of models, or else by its addresses. Raises RequestFailed without a reply."""
    owners = {entry.get("owned_by") for entry in models}
    if "vllm" in owners:
        return Vllm()
    if "llamacpp" in owners:
        return LlamaCpp()
    if "version" in await get_json(client, "/version") and (await client.get("/tokenize")).status == 405:
        return Vllm()  # behind a gateway that lists models under its own name
    if "default_generation_settings" in await get_json(client, "/props"):
        return LlamaCpp()
    return OpenAI()
