"""Late: regular expressions that are compiled when they are first used, as commands that read no answers need none."""

import re
from collections.abc import Callable, Iterator
from functools import cached_property

from grace.studies.reading.languages import SPACED, folded

_Match = re.Match[str]


class Late:
    """A regular expression whose text is made, and compiled, at its first use."""

    def __init__(self, source: Callable[[], str], words: str = "") -> None:
        """`words` are those without which nothing matches: whole words, in the form of the lists of `languages`."""
        self._source, self.words = source, words

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """The compiled expression."""
        return re.compile(self._source())

    @cached_property
    def search(self) -> Callable[..., _Match | None]:
        """Search anywhere in a text; this and the others take what a compiled expression takes."""
        return self.pattern.search

    @cached_property
    def match(self) -> Callable[..., _Match | None]:
        """Of the start of a text."""
        return self.pattern.match

    @cached_property
    def fullmatch(self) -> Callable[..., _Match | None]:
        """Of a whole text."""
        return self.pattern.fullmatch

    @cached_property
    def finditer(self) -> Callable[..., Iterator[_Match]]:
        """All matches."""
        return self.pattern.finditer

    @cached_property
    def sub(self) -> Callable[..., str]:
        """Replace all matches."""
        return self.pattern.sub

    @cached_property
    def _needles(self) -> tuple[frozenset[str], tuple[str, ...]]:
        """One word of each way that is parted by spaces, and the other ways."""
        ways = {way.replace("_", " ") for way in folded(self.words).split()}
        spaced = {way for way in ways if _SPACED.match(way)}
        return frozenset(max(_SPACED.findall(way), key=len) for way in spaced), tuple(ways - spaced)

    def may_match(self, text: str, words: set[str]) -> bool:
        """Whether the `words_in` a text make a match possible: a quick test, as most texts have none of them."""
        spaced, others = self._needles
        return not spaced.isdisjoint(words) or (not text.isascii() and any(way in text for way in others))


_SPACED = re.compile(f"{SPACED}+")


def words_in(text: str) -> set[str]:
    """The words of a text in scripts that part them, for `Late.may_match`."""
    return set(_SPACED.findall(text))
