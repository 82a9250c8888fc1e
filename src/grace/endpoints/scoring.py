"""The scorer: the exact probability of every answer of a closed set, from any server that reports enough for it."""

import asyncio
import unicodedata
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from math import fsum
from typing import Any

from grace.endpoints.client import Client, RequestFailed
from grace.endpoints.dialects import Lane, OpenAI, TokenDialect
from grace.endpoints.dialects.openai import TOP, number, read_top, top_body
from grace.endpoints.spelling import BoundaryMoves, Ending, Speller
from grace.endpoints.surprisal import Measured, measure
from grace.endpoints.trie import Node, SameSpelling, TrieMass, grow
from grace.errors import StudyError
from grace.models.reasoning import answer_start
from grace.studies.templates import Message, raw_text

Forms = Mapping[str, Sequence[str]]
"""The surface forms of each label."""
_Forms = tuple[tuple[str, tuple[str, ...]], ...]
MOST_TRIES = 1000
"""Tries that are kept: of questions whose forms are the same in all rows, and of the last ones of others."""


@dataclass(frozen=True)
class Scored:
    """What a model's probabilities say of one question.

    Attributes:
        labels: the probability that the answer is each label, not normalised; a lower bound by `residual` at most.
        residual: upper bound of the labels' probability that was not asked for, or not reported.
        forms: the probability that the answer starts with each surface form; None where it was not asked.
        prompt_tokens: the rendered prompt's length.
        places: how many places of the answer were asked about.
        requests, attempts: HTTP requests for it, and how often they were sent.
        milliseconds: what these took together.
    """

    labels: dict[str, float]
    residual: float
    forms: dict[str, float | None]
    prompt_tokens: int | None
    places: int
    requests: int
    attempts: int
    milliseconds: float


@dataclass(frozen=True)
class Surprisals:
    """The surprisal of each text, and what the requests for it took."""

    texts: dict[str, Measured]
    requests: int
    attempts: int
    milliseconds: float


class Scorer:
    """Scores questions at one endpoint."""

    def __init__(
        self, client: Client, dialect: OpenAI, model: str, *, residual: float, slots: int | None, start: str | None
    ) -> None:
        """Make a scorer.

        Args:
            client: asks the endpoint.
            dialect: the endpoint's.
            model: the served name.
            residual: how much probability may be left unasked in one question.
            slots: how many requests the server works on at once, each in a slot of its own; None when not known.
            start: the text between the rendered prompt and the answer, such as a reasoning model's final channel; None
                leaves it to the catalogue (`grace.models.reasoning`).
        """
        self._client, self._dialect, self._model = client, dialect, model
        self.residual = residual
        self.start = start
        self._lanes = _Lanes(slots) if slots else None
        self._top_tokens: int | None = None
        self._tries: dict[tuple[Ending, _Forms], _Spelled] = {}
        self._speller = Speller(dialect, self._post, model) if isinstance(dialect, TokenDialect) else None

    async def _post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return (await self._client.post(path, body)).data

    async def settle_start(self, messages: Sequence[Message], names: Sequence[str], reasons: bool) -> bool:
        """Find where answers start, unless it is given: False when the model reasons and nothing tells where that ends.

        Args:
            messages: a conversation.
            names: what the model is called.
            reasons: whether it was seen to reason before it answers.
        """
        if self.start is None and isinstance(self._dialect, TokenDialect):
            prompt = await self._dialect.render(self._post, self._model, messages)
            end = await self._dialect.detokenize(self._post, self._model, prompt[-32:])
            self.start = answer_start(end, names)
        if self.start is None and not reasons:
            self.start = ""
        return self.start is not None

    async def score(self, name: str, messages: Sequence[Message], forms: Forms, start: str = "") -> Scored:
        """Score a question.

        Args:
            name: the question's.
            messages: the conversation up to the answer.
            forms: what counts as each label.
            start: the beginning of the answer, which the forms follow.

        Raises:
            RequestFailed: the server failed, or gave nothing that can be used (kind "garbage"), or not enough (kind
                "inexact").
            StudyError: a form cannot be scored with this model.
        """
        tally = _Meter(self._client)
        if not isinstance(self._dialect, TokenDialect):
            return await self._score_by_text(tally, messages, forms)
        prompt = await self._dialect.render(tally.post, self._model, messages)
        prompt, spelled = await self._spell(name, prompt, forms, start, raw_text(messages) is not None)
        mass = TrieMass(spelled.root)
        if self._lanes is None:
            await self._read(self._dialect, tally, prompt, mass, spelled.root, None)
        else:
            async with self._lanes.lane(prompt) as lane:
                await self._read(self._dialect, tally, prompt, mass, spelled.root, lane)
        return Scored(
            mass.labels(list(forms)),
            mass.residual(),
            {form: mass.starts_with(path) for form, path in spelled.forms.items()},
            len(prompt),
            mass.places,
            tally.requests,
            tally.attempts,
            tally.milliseconds,
        )

    async def measure(self, before: str, texts: Mapping[str, str], consecutive: bool) -> "Surprisals":
        """The surprisal of texts after `before`: one after the other, or each on its own.

        Raises:
            RequestFailed: the server failed, or gives no tokens (kind "inexact").
            StudyError: the words cannot be told apart in the model's tokens.
        """
        tally, dialect = _Meter(self._client), self._dialect
        if not isinstance(dialect, TokenDialect):
            raise RequestFailed(
                "inexact", "the server takes no tokens, so texts have no surprisal; use vLLM or llama.cpp"
            )
        measured: dict[str, Measured] = {}
        for group in [dict(texts)] if consecutive else [{label: text} for label, text in texts.items()]:
            if self._lanes is None:
                measured |= await measure(dialect, tally.post, self._model, before, group, None)
            else:
                async with self._lanes.lane([]) as lane:
                    measured |= await measure(dialect, tally.post, self._model, before, group, lane)
        return Surprisals(measured, tally.requests, tally.attempts, tally.milliseconds)

    async def _read(
        self, dialect: TokenDialect, tally: "_Meter", prompt: list[int], mass: TrieMass, root: Node, lane: Lane | None
    ) -> None:
        """Ask until what is still open is within the bound."""
        nodes = list(root.inner()) if dialect.reads_many and not self.residual else [root]
        while nodes:
            asks = [mass.ask(node) for node in nodes]
            reads = await dialect.read(tally.post, self._model, prompt, asks, lane)
            for node, read in zip(nodes, reads, strict=True):
                mass.tell(node, read)
            nodes = mass.open_places(self.residual)
            nodes = [inner for node in nodes for inner in node.inner()] if dialect.reads_many else nodes[:1]

    async def spellings(
        self, name: str, messages: Sequence[Message], forms: Forms, start: str = ""
    ) -> dict[str, list[int]]:
        """The tokens of each form after prompt and start, {} where the server has none. Raises as `score`."""
        if not isinstance(self._dialect, TokenDialect):
            return {}
        prompt = await self._dialect.render(self._post, self._model, messages)
        _, spelled = await self._spell(name, prompt, forms, start, raw_text(messages) is not None)
        return {form: list(path) for form, path in spelled.forms.items()}

    async def prove(self, chat: bool = True, exact: bool = False) -> list[int] | None:
        """Check that the server gives the model's own probabilities, and see how it renders a conversation.

        Args:
            chat: whether it is asked in chats.
            exact: whether texts are measured.

        Returns:
            The tokens of a fixed conversation, None from a server that does not count in tokens, or without a chat.

        Raises:
            RequestFailed: they are not the model's own.
        """
        if not isinstance(self._dialect, TokenDialect):
            return None
        await self._dialect.prove(self._post, self._model, exact)
        if not chat:
            return None
        return await self._dialect.render(self._post, self._model, [{"role": "user", "content": "Say hello."}])

    async def _spell(
        self, name: str, prompt: list[int], forms: Forms, start: str, raw: bool
    ) -> tuple[list[int], "_Spelled"]:
        """The prompt up to the answer's start, and the forms as they are written there."""
        speller = self._speller
        assert speller is not None
        try:
            ending = await speller.ending(prompt, raw)
            if begin := ("" if raw else self.start or "") + start:
                prompt = prompt + await self._begin(ending, begin)
                ending = await speller.ending(prompt, raw)
            spelt = ending, tuple((label, tuple(own)) for label, own in forms.items())
            spelled = self._tries.get(spelt)
            if spelled is None:
                paths = await speller.spell(ending, [form for own in forms.values() for form in own])
                root = grow({label: [paths[form] for form in own] for label, own in forms.items()})
                spelled = _Spelled(root, paths)
                if not ending.whole:
                    if len(self._tries) >= MOST_TRIES:  # forms that differ by row would fill the memory
                        self._tries.clear()
                    self._tries[spelt] = spelled
        except BoundaryMoves as error:
            raise StudyError(f"question {name!r}: {error}") from None
        except SameSpelling as error:
            raise StudyError(f"question {name!r}: the model writes forms of {error} with the same tokens") from None
        return prompt, spelled

    async def _begin(self, ending: Ending, start: str) -> list[int]:
        """The tokens between prompt and answer."""
        assert self._speller is not None
        try:
            return list((await self._speller.spell(ending, [start]))[start])
        except BoundaryMoves:
            raise StudyError(
                f"the start of answers {start!r} joins with the prompt's end {ending.text[-40:]!r} in the model's "
                "tokenizer; choose another --answer-start, or answer_start of the question"
            ) from None

    async def _score_by_text(self, tally: "_Meter", messages: Sequence[Message], forms: Forms) -> Scored:
        """Bounds from the texts of the most likely first tokens, which is all that other servers give."""
        reply = await self._top(tally, messages)
        labels, residual = bounds_by_text(read_top(reply), forms)
        if residual > self.residual:
            raise RequestFailed(
                "inexact",
                f"the first tokens that this server gives leave {residual:.2g} of the probability undecided, and "
                f"{self.residual:g} is allowed; use vLLM or llama.cpp, or allow more with --residual",
            )
        usage = reply.get("usage")
        tokens = number(usage.get("prompt_tokens")) if isinstance(usage, dict) else None
        return Scored(labels, residual, {}, tokens, 1, tally.requests, tally.attempts, tally.milliseconds)

    async def _top(self, tally: "_Meter", messages: Sequence[Message]) -> dict[str, Any]:
        """The reply with as many first tokens as the server gives; the first question settles how many."""
        for most in TOP if self._top_tokens is None else (self._top_tokens,):
            try:
                reply = await tally.post("/v1/chat/completions", top_body(self._model, messages, most))
            except RequestFailed as error:
                if most == TOP[-1] or self._top_tokens or error.status not in (400, 422):
                    raise
            else:
                self._top_tokens = most
                return reply
        raise AssertionError


@dataclass(frozen=True)
class _Spelled:
    root: Node
    forms: dict[str, tuple[int, ...]]


class _Meter:
    """Sends requests and counts what they took."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.requests = self.attempts = 0
        self.milliseconds = 0.0

    async def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        exchange = await self._client.post(path, body)
        self.requests += 1
        self.attempts += exchange.attempts
        self.milliseconds += exchange.milliseconds
        return exchange.data


class _Lanes:
    """A server's slots: a question keeps one to itself, so that its prompt is computed once and stays there.

    A prompt that a slot already holds is computed again. A server that continues from all of it would compute its last
    token alone, with other sums than for several tokens together, and equal questions would get different numbers.
    """

    def __init__(self, count: int) -> None:
        self._free = asyncio.Semaphore(count)
        self._held: dict[int, list[int]] = {slot: [] for slot in range(count)}

    @asynccontextmanager
    async def lane(self, prompt: list[int]) -> AsyncIterator[Lane]:
        """The idle slot whose last prompt begins most like this one."""
        async with self._free:
            slot = max(self._held, key=lambda slot: _shared(self._held[slot], prompt))
            held = self._held.pop(slot)
            try:
                yield Lane(slot, fresh=held in ([], prompt))
            finally:
                self._held[slot] = prompt


def _shared(one: Sequence[int], other: Sequence[int]) -> int:
    """How many tokens two prompts have in common at their beginning."""
    for place, (a, b) in enumerate(zip(one, other, strict=False)):
        if a != b:
            return place
    return min(len(one), len(other))


def _ends_behind(form: str, text: str) -> bool:
    """Whether a text that starts with a form shows that the word or number ends there, as far as it goes."""
    if not form or text == form:
        return True
    after = text[len(form)]
    inside = after.isalnum() or unicodedata.category(after).startswith("M") or after in "'’_-"
    return not inside and not (form[-1].isdigit() and after in ".,:/")


def bounds_by_text(top: Sequence[tuple[str, float]], forms: Forms) -> tuple[dict[str, float], float]:
    """Lower bounds of the labels' probabilities from some first tokens' texts, and how much is undecided.

    A token decides for a label when it is one of its forms, or goes on behind it with what ends a word or a number, and
    no longer form of another label can follow. `Not` does not say no, nor `15` one: a token that goes on otherwise
    decides nothing, nor does one that only begins a form, nor do tokens that were not told. Any spelling counts here.

    Args:
        top: first tokens' texts with their probabilities.
        forms: the surface forms of each label.
    """
    labels: dict[str, list[float]] = {label: [] for label in forms}
    undecided = [max(0.0, 1.0 - fsum(probability for _, probability in top))]
    for text, probability in top:
        begun = {label for label, own in forms.items() for form in own if form.startswith(text) and form != text}
        said = [(len(form), form, label) for label, own in forms.items() for form in own if text.startswith(form)]
        _, form, label = max(said, default=(0, "", None))
        if begun - {label} or not _ends_behind(form, text):
            undecided.append(probability)
        elif label is not None:
            labels[label].append(probability)
    return {label: fsum(parts) for label, parts in labels.items()}, fsum(undecided)
