"""How a tokenizer writes a surface form right after a prompt, which may differ from how it writes the form alone.

Text and tokens meet at the boundary between prompt and answer. A tokenizer that sees both together may put the boundary
elsewhere: after a line break, SmolLM2 writes the break and a space before a digit as one token, so " 10%" has no
spelling of its own there. Such a form is refused, since no path of tokens would be its probability.

A form is therefore tokenized together with the end of the prompt: the shortest end that keeps its tokens whatever
comes before it, as one that begins with a special token does. Where there is none, it is the whole prompt.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from grace.endpoints.dialects.tokens import Post, TokenDialect
from grace.errors import StudyError

BEFORE = ("a", "A", "é", "7", " ", "\n", "  \n\n", ".", "<", "a ")
"""What may come before the end of a prompt; each joins with other texts, unless the end is separate from it."""
AT_ONCE = 16
"""Forms that are tokenized at once."""
LONGEST = 16
"""The most tokens that the end may have; the generation prompts of known models have at most five."""


@dataclass(frozen=True)
class Ending:
    """The end of a prompt, in tokens and as text."""

    tokens: tuple[int, ...]
    text: str
    whole: bool = False
    """Whether it is all of the prompt."""


class BoundaryMoves(StudyError):
    """A form has no spelling of its own after a prompt."""


class Speller:
    """Knows the ends of prompts and how forms are written after them; asks the server once for each."""

    def __init__(self, dialect: TokenDialect, post: Post, model: str) -> None:
        self._dialect, self._post, self._model = dialect, post, model
        self._endings: dict[tuple[int, ...], Ending] = {}
        self._none_stands_alone = False
        self._spelled: dict[tuple[Ending, str], tuple[int, ...]] = {}

    async def ending(self, prompt: Sequence[int], raw: bool = False) -> Ending:
        """The end of a prompt that forms are tokenized with; of a raw one, which ends in no special token, all of it.

        Raises:
            RequestFailed: the server does not answer.
            BoundaryMoves: the prompt's text does not give its tokens again.
        """
        if raw:
            return await self._whole(prompt)
        for tokens, ending in self._endings.items():
            if tuple(prompt[-len(tokens) :]) == tokens:
                return ending
        for length in () if self._none_stands_alone else range(1, min(LONGEST, len(prompt)) + 1):
            ending = await self._text_of(prompt[-length:])
            if await self._stands_alone(ending):
                self._endings[ending.tokens] = ending
                return ending
        self._none_stands_alone = not self._endings
        return await self._whole(prompt)

    async def _whole(self, prompt: Sequence[int]) -> Ending:
        whole = await self._text_of(prompt, whole=True)
        if await self._tokenize(whole.text) != whole.tokens:
            raise BoundaryMoves(
                "the model's tokenizer does not read its own prompt back, so no answer can be spelled after it"
            )
        return whole

    async def spell(self, ending: Ending, forms: Iterable[str]) -> dict[str, tuple[int, ...]]:
        """The tokens of each form after a prompt with that end.

        Raises:
            RequestFailed: the server does not answer.
            BoundaryMoves: a form joins with the prompt; the message names it.
        """
        unique = list(dict.fromkeys(forms))
        spelled: dict[str, tuple[int, ...]] = {}
        for batch in (unique[start : start + AT_ONCE] for start in range(0, len(unique), AT_ONCE)):
            paths = await asyncio.gather(*(self._spell(ending, form) for form in batch), return_exceptions=True)
            for form, path in zip(batch, paths, strict=True):
                if isinstance(path, BaseException):  # the first one in order, whichever was quickest
                    raise path
                spelled[form] = path
        return spelled

    async def _spell(self, ending: Ending, form: str) -> tuple[int, ...]:
        spelled = self._spelled.get((ending, form))
        if spelled is not None:
            return spelled
        together = await self._tokenize(ending.text + form)
        length = len(ending.tokens)
        if together[:length] != ending.tokens or len(together) == length:
            raise BoundaryMoves(
                f"the answer {form!r} has no spelling of its own after a prompt that ends with {ending.text[-40:]!r}: "
                "the model's tokenizer joins them; take that form out of the study"
            )
        spelled = together[length:]
        if not ending.whole:
            self._spelled[ending, form] = spelled
        return spelled

    async def _stands_alone(self, ending: Ending) -> bool:
        """Whether an end has the same tokens whatever comes before it."""
        if not ending.text or await self._tokenize(ending.text) != ending.tokens:
            return False
        for before in BEFORE:
            if await self._tokenize(before + ending.text) != await self._tokenize(before) + ending.tokens:
                return False
        return True

    async def _text_of(self, tokens: Sequence[int], whole: bool = False) -> Ending:
        return Ending(tuple(tokens), await self._dialect.detokenize(self._post, self._model, tokens), whole)

    async def _tokenize(self, text: str) -> tuple[int, ...]:
        return tuple(await self._dialect.tokenize(self._post, self._model, text))
