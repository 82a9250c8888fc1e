"""Surprisal: how many bits each word of a text carries for a model, given all that stands before it.

The surprisal of a token is -log2 P(token | the tokens before it), that of a word the sum over its tokens. A token is of
the word that its first character other than a space is in, so the space before a word is a part of the word. The first
token of all has nothing before it and no surprisal, unless the model's tokenizer puts a token in front of every text.
"""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from math import fsum, log2

from grace.endpoints.dialects.tokens import Ask, Lane, Post, TokenDialect, garbage
from grace.errors import StudyError

MOST_TRIES = 8
"""How often more of the likeliest tokens are asked for, each time many more, until the token is among them."""
CLOSING = ".,;:!?)]}’'\"%"
"""A text that begins with one of these follows without a space."""
CUT = "\ufffd"
"""What stands for a character of which the last tokens are missing."""


@dataclass(frozen=True)
class Measured:
    """The surprisal of one text.

    Attributes:
        bits: of all its words, as far as they have one; None where no token has.
        words: of each word; None where nothing is before its first token.
        tokens: how many tokens have a surprisal.
    """

    bits: float | None
    words: tuple[float | None, ...]
    tokens: int


@dataclass(frozen=True)
class _End:
    """Where a token ends in a text: one before the text at 0, a cut part of a character where that character begins."""

    at: int
    cut: bool = False

    def within(self, length: int) -> bool:
        """Whether the token is a part of the first characters, so many of them."""
        return self.at < length or (self.at == length and not self.cut)


def joined(before: str, text: str) -> str:
    """A text as it follows another one: after a space, but not at the start, after a special token or before a stop."""
    free = not before or before.endswith(">") or before[-1].isspace() or text[0].isspace() or text[0] in CLOSING
    return text if free else f" {text}"


async def measure(
    dialect: TokenDialect, post: Post, model: str, before: str, texts: Mapping[str, str], lane: Lane | None
) -> dict[str, Measured]:
    """The surprisal of texts that follow each other, after `before`, which may be empty.

    Raises:
        RequestFailed: the server failed, or gave nothing that can be used.
        StudyError: a text joins with the one before it in the model's tokenizer.
    """
    whole, spans = before, {}
    for label, text in texts.items():
        piece = joined(whole, text)
        spans[label] = (len(whole), len(whole) + len(piece))
        whole += piece
    ids = await dialect.encode(post, model, whole)
    ends = await _ends(ids, whole, lambda tokens: dialect.detokenize(post, model, tokens))
    bits = await _bits(dialect, post, model, ids, first=max(1, sum(end.within(len(before)) for end in ends)), lane=lane)
    return {label: _measured(whole, span, ends, bits, len(before)) for label, span in spans.items()}


async def _ends(ids: Sequence[int], whole: str, text_of: Callable[[Sequence[int]], Awaitable[str]]) -> list[_End]:
    """Where each token ends in a text."""
    front = len(await text_of(ids)) - len(whole)
    if front < 0 or not (await text_of(ids)).endswith(whole):
        raise StudyError("the model's tokenizer does not read the text back, so its words cannot be found")
    texts = [await text_of(ids[:count]) for count in range(1, len(ids))]
    ends = [_End(max(0, len(text.rstrip(CUT)) - front), text.endswith(CUT)) for text in texts]
    return [*ends, _End(len(whole))]


async def _bits(
    dialect: TokenDialect, post: Post, model: str, ids: Sequence[int], first: int, lane: Lane | None
) -> list[float | None]:
    """The surprisal of each token from the first one that is measured; None before it."""
    open_places = list(range(first, len(ids)))
    found: dict[int, float] = {}
    for tries in range(MOST_TRIES if open_places else 0):
        asks = [Ask(tuple(ids[1:place]), (ids[place],), tries, exact=True) for place in open_places]
        for place, read in zip(open_places, await dialect.read(post, model, ids[:1], asks, lane), strict=True):
            if not read.unknown:
                found[place] = read.probabilities[ids[place]]
        open_places = [place for place in open_places if place not in found]
        if not open_places:
            break
    if open_places or min(found.values(), default=1.0) <= 0:
        raise garbage("it gives no probability for a token of the text")
    return [-log2(found[place]) if place in found else None for place in range(len(ids))]


def _measured(
    whole: str, span: tuple[int, int], ends: Sequence[_End], bits: Sequence[float | None], before: int
) -> Measured:
    """What the tokens of a part of the text have, by word; `before` characters of the text are not measured."""
    start, end = span
    words = [(word.start() + start, word.end() + start) for word in re.finditer(r"\S+", whole[start:end])]
    parts: list[list[float | None]] = [[] for _ in words]
    for began, ended, own in zip([_End(0), *ends], ends, bits, strict=False):
        visible = [at for at in range(began.at, ended.at) if not whole[at].isspace()]
        if visible and visible[0] < start <= visible[-1]:
            raise StudyError(f"the text {whole[start:end]!r} joins with the one before it in the model's tokenizer")
        owner = visible[0] if visible else ended.at  # a space alone is a part of what follows
        place = next((place for place, (_, last) in enumerate(words) if owner < last), None)
        if place is not None and owner >= start and not ended.within(before):
            parts[place].append(own)
    sums = [None if None in part else fsum(own for own in part if own is not None) for part in parts]
    known = [own for part in parts for own in part if own is not None]
    return Measured(fsum(known) if known else None, tuple(sums), len(known))
