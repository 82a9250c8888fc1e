"""Late: regular expressions that are compiled when they are first used, as commands that read no answers need none."""

import re
from collections.abc import Callable, Iterator
from functools import cached_property

_Match = re.Match[str]


class Late:
    """A regular expression whose text is made, and compiled, at its first use."""

    def __init__(self, source: Callable[[], str]) -> None:
        self._source = source

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
