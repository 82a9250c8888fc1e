"""What scoring needs of a server: token ids, and the probability of any tokens."""

from abc import abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from grace.endpoints.client import Client, RequestFailed
from grace.endpoints.dialects.openai import OpenAI
from grace.studies.templates import Message

Post = Callable[[str, Mapping[str, Any]], Awaitable[dict[str, Any]]]
"""Sends a body to a path and gives the reply's JSON object; raises RequestFailed."""

FLOOR = 1e-7
"""The likeliest token has at least this probability, for vocabularies have fewer than ten million tokens."""
ROUNDING = 1e-3
"""How far a sum of a server's probabilities may go beyond 1: servers compute in 32 bits, some in 16."""


@dataclass(frozen=True)
class Ask:
    """A question about one place in an answer: how probable is each of `tokens` after prompt and `path`?

    `tries` counts the earlier requests for it that did not give all of them. `exact` asks for the last digits, too, as
    where the logarithms of many probabilities are added up.
    """

    path: tuple[int, ...]
    tokens: tuple[int, ...]
    tries: int = 0
    exact: bool = False


@dataclass(frozen=True)
class Lane:
    """One of the server's slots; a `fresh` one forgets first what it holds of the prompt."""

    slot: int
    fresh: bool = False


@dataclass(frozen=True)
class Read:
    """A server's answer to an ask: the probability of each token, and a bound for all missing ones together."""

    probabilities: Mapping[int, float]
    unknown: float = 0.0


class TokenDialect(OpenAI):
    """A server that can be asked about single tokens."""

    reads_many: ClassVar[bool]
    """Whether the server works on many places at once; False if one after the other is faster."""
    measuring: ClassVar[str | None] = None
    """How exact probabilities are asked for, where runs of an earlier version did it in another way."""

    @abstractmethod
    async def render(self, post: Post, model: str, messages: Sequence[Message]) -> list[int]:
        """The ids of a conversation in the model's chat template, up to where its answer begins."""

    @abstractmethod
    async def encode(self, post: Post, model: str, text: str) -> list[int]:
        """The ids of a text that is no chat, with the token that the model's tokenizer puts in front, if it has one."""

    @abstractmethod
    async def tokenize(self, post: Post, model: str, text: str) -> list[int]:
        """The ids of a text as it is, special tokens recognised and none added."""

    @abstractmethod
    async def detokenize(self, post: Post, model: str, tokens: Sequence[int]) -> str:
        """The text of some ids, special tokens written out."""

    @abstractmethod
    async def read(
        self, post: Post, model: str, prompt: Sequence[int], asks: Sequence[Ask], lane: Lane | None
    ) -> list[Read]:
        """The next token's probabilities, before anything shapes them, for each ask.

        Args:
            post: sends requests.
            model: the served name.
            prompt: token ids of the rendered prompt.
            asks: places in the answer.
            lane: the slot to use, where the server has slots.

        Raises:
            RequestFailed: no answer, or one that is not a distribution (kind "garbage").
        """

    async def prove(self, post: Post, model: str, exact: bool = False) -> None:
        """Raise RequestFailed unless the server gives the model's own probabilities, whatever its settings.

        `exact` is whether it will be asked for exact ones.
        """

    async def count_tokens(self, client: Client, model: str, messages: Sequence[Message]) -> int | None:
        """The length of the rendered prompt."""
        return len(await self.render(client.post_once, model, messages))


def checked(read: Read, path: Sequence[int]) -> Read:
    """A read that is part of a distribution. Raises RequestFailed for any other."""
    total = 0.0
    for token, probability in read.probabilities.items():
        if not 0 <= probability <= 1 + ROUNDING:
            raise garbage(f"token {token} after {list(path)} has the probability {probability}")
        total += probability
    if total > 1 + ROUNDING:
        raise garbage(f"the tokens asked for after {list(path)} have the probability {total} together")
    return read


def checked_top(top: Mapping[int, float]) -> Mapping[int, float]:
    """The likeliest tokens' probabilities. Raises RequestFailed where they cannot be a distribution's."""
    if not top or max(top.values()) < FLOOR or sum(top.values()) > 1 + ROUNDING:
        raise garbage("it gives no probabilities of tokens (are they logits?)")
    return top


def text_of(value: Any) -> str:
    """A text from a server. Raises RequestFailed for anything else."""
    if not isinstance(value, str):
        raise garbage("no text")
    return value


def token_ids(value: Any) -> list[int]:
    """A server's list of token ids. Raises RequestFailed for anything else."""
    if not isinstance(value, list) or not value or not all(type(token) is int for token in value):
        raise garbage("no list of token ids")
    return value


def garbage(what: str) -> RequestFailed:
    """A reply that cannot be used."""
    return RequestFailed("garbage", f"the reply cannot be used: {what}")
