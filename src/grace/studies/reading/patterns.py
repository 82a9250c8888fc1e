"""Patterns: regular expressions of a study's own, and how much work they can make of a text.

Python's engine tries every way in which a pattern may fit. Where a repeat and what follows it can take the same letter,
their border may be anywhere: a text of n letters costs n tries, and another n for each further repeat of this kind. One
inside the other, as in `(?:a+)+$`, costs 2 to the power of n. An engine without this trouble, RE2, knows no "not
followed by", and its `\\w` and `\\b` no letters but those of English, so that it is none for answers in any language.
Therefore the ways are counted when a study is loaded: a pattern with too many is refused.
"""

import re
import warnings
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

from grace.errors import StudyError

LETTERS = 20_000
"""Letters of an answer that a study's patterns read."""
BUDGET = 1_000_000_000
"""Tries of one pattern on one answer; they take seconds, and ordinary patterns make a thousandth of them."""
FEW = 40
"""Times of a repeat that are counted as such; more are as good as endless."""
_PARSER: Any = import_module("re._parser")
_SAMPLE = frozenset(map(chr, (*range(9, 14), *range(32, 127), *range(0xC0, 0x180), *range(0x400, 0x460))))
_SAMPLE |= frozenset("अआइกखا بتאב一二三あいアイ가나、。！？“”«»—–ß")
_CATEGORIES: dict[str, Callable[[str], bool]] = {
    "DIGIT": str.isdecimal,
    "SPACE": str.isspace,
    "WORD": lambda letter: letter.isalnum() or letter == "_",
}
_Letters = frozenset[str]


class _RunawayError(Exception):
    """A repeat inside another one that can take the same letters."""


def safe(pattern: str, where: str) -> None:
    """Refuse a study's pattern that is none, or that can take too long. Raises StudyError."""
    try:
        with warnings.catch_warnings(action="error", category=FutureWarning):
            items = list(_PARSER.parse(pattern))
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise StudyError(f"{where}: {pattern!r} is not a regular expression: {error}") from None
    except FutureWarning as warning:
        raise StudyError(
            f"{where}: {pattern!r} means something else in later versions of Python: {str(warning).lower()}; "
            "write a backslash before a sign that stands for itself, as in [\\[]"
        ) from None
    try:
        is_safe = LETTERS * _Count().ways(items, frozenset()) <= BUDGET
    except (_RunawayError, RecursionError):
        is_safe = False
    if not is_safe:
        raise StudyError(
            f"{where}: {pattern!r} can take for ever on a long answer, as a repeat in it can end at many places; "
            "write how often something may come, as {0,40} instead of * or +, and no repeat inside of another"
        )


class _Count:
    """Counts the ways in which a pattern can fit."""

    def __init__(self) -> None:
        self._depth, self._words, self._is_open = 0, 0, False

    def ways(self, items: Sequence[Any], behind: _Letters) -> int:
        """In how many ways items can fit from one place on, at most; letters of `behind` may follow them."""
        ways = 1
        for place, (kind, value) in enumerate(items):
            rest = items[place + 1 :]
            ways *= self._of_item(str(kind), value, _first(rest) | (behind if _is_empty(rest) else frozenset()))
            if ways > BUDGET:
                raise _RunawayError
        return ways

    def _of_item(self, kind: str, value: Any, follows: _Letters) -> int:
        match kind:
            case "MAX_REPEAT" | "MIN_REPEAT":
                return self._of_repeat(value, follows)
            case "BRANCH":
                branches = [list(branch) for branch in value[1]]
                return max(_overlap(branches), 1) * max(self.ways(branch, follows) for branch in branches)
            case "SUBPATTERN":
                return self.ways(list(value[-1]), follows)
            case "ASSERT" | "ASSERT_NOT":
                return self.ways(list(value[1]), frozenset())
            case "POSSESSIVE_REPEAT":
                self._of_repeat(value, frozenset())
            case "ATOMIC_GROUP":
                self.ways(list(value), follows)
        return 1

    def _of_repeat(self, repeat: tuple[Any, Any, Any], follows: _Letters) -> int:
        low, high, body = repeat
        most, first = min(int(high), LETTERS), _first(body)
        self._depth += most > 1
        inner = self.ways(list(body), first | follows if most > 1 else follows)
        self._depth -= most > 1
        if inner > 1 and most > 1:
            return _power(inner, most) * most
        if low == high or all(map(str.isspace, first)):
            return inner  # answers are read without blank stretches
        if not (first & follows or _is_empty(body)):  # it ends where something else begins
            return most if self._is_open and most > FEW and not all(map(str.isalnum, first)) else inner
        if most > FEW and not self._depth and all(map(str.isalnum, first)):
            self._words += 1  # as patterns begin where words do, the first one costs a text its length
            return 1 if self._words == 1 else most
        self._is_open = self._is_open or most > FEW
        return most if most > 1 else inner + 1


def _power(base: int, exponent: int) -> int:
    """A power, as far as it matters."""
    if base > 1 and exponent > FEW:
        raise _RunawayError
    return int(min(base**exponent, BUDGET + 1))


def _overlap(branches: Sequence[Sequence[Any]]) -> int:
    """How many of some branches can begin with the same letter, at most."""
    firsts = [_first(branch) for branch in branches]
    return max((sum(letter in first for first in firsts) for letter in frozenset().union(*firsts)), default=1)


def _first(items: Any) -> _Letters:
    """The letters with which some items can begin."""
    letters: _Letters = frozenset()
    for place, (kind, value) in enumerate(items):
        letters |= _of_kind(str(kind), value)
        if not _is_empty(items[place : place + 1]):
            break
    return letters


def _of_kind(kind: str, value: Any) -> _Letters:
    match kind:
        case "LITERAL":
            return frozenset((chr(value),))
        case "NOT_LITERAL":
            return _SAMPLE - {chr(value)}
        case "ANY":
            return _SAMPLE - {"\n"}
        case "IN":
            return _of_class(value)
        case "BRANCH":
            return frozenset().union(*(_first(branch) for branch in value[1]))
        case "SUBPATTERN":
            return _first(value[-1])
        case "ATOMIC_GROUP":
            return _first(value)
        case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
            return _first(value[2])
        case "GROUPREF" | "GROUPREF_EXISTS":
            return _SAMPLE
        case _:
            return frozenset()


def _of_class(items: Sequence[Any]) -> _Letters:
    letters: set[str] = set()
    negated = False
    for kind, value in items:
        match str(kind):
            case "NEGATE":
                negated = True
            case "LITERAL":
                letters.add(chr(value))
            case "RANGE":
                low, high = value
                letters |= {letter for letter in _SAMPLE if low <= ord(letter) <= high} | {chr(low)}
            case "CATEGORY":
                name = str(value).removeprefix("CATEGORY_")
                has = _CATEGORIES[name.removeprefix("NOT_")]
                letters |= {letter for letter in _SAMPLE if has(letter) != name.startswith("NOT_")}
    return _SAMPLE - letters if negated else frozenset(letters)


def _is_empty(items: Any) -> bool:
    """Whether items can fit without any letter."""
    return all(_may_be_empty(str(kind), value) for kind, value in items)


def _may_be_empty(kind: str, value: Any) -> bool:
    match kind:
        case "LITERAL" | "NOT_LITERAL" | "ANY" | "IN":
            return False
        case "BRANCH":
            return any(_is_empty(branch) for branch in value[1])
        case "SUBPATTERN":
            return _is_empty(value[-1])
        case "ATOMIC_GROUP":
            return _is_empty(value)
        case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
            return value[0] == 0 or _is_empty(value[2])
        case _:
            return True
