"""Numerals: numbers written in words, as "seventy-two", "zweiundsiebzig" and "七十二", in many languages."""

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from grace.studies.reading.languages import UNSPACED
from grace.studies.reading.late import Late
from grace.studies.reading.number_words import ORDINARY, TIMES, number_words

_AND = {"and", "y", "e", "et", "i", "и", "و"}
_UNIT_FIRST = {"und", "en", "og", "och", "و"}
"""Words behind a unit and before tens, as in "fem og tyve"; the others follow tens or hundreds."""
_NUMBERS = number_words()
_ORDINARY = frozenset(ORDINARY.split())
_TIMES = {word: int(number) for number, *row in map(str.split, TIMES.strip().splitlines()) for word in row}
_UNITS = {word: value for word, value in _NUMBERS.items() if 0 < value < 10 and word.isalpha()} | {"tré": 3}
_LONG = {word: value for word, value in _NUMBERS.items() if 10 <= value < 100 and word.isalpha()}
_LONG |= {ten[:-1]: value for ten, value in _LONG.items() if ten.endswith("nta") or ten == "venti"}
_ALL = _LONG | _UNITS
LONGEST = 40
"""Letters of a numeral that is one word."""


def _either(words: Iterable[str]) -> str:
    return "|".join(map(re.escape, sorted(words, key=len, reverse=True)))


_COMPOUND = Late(
    lambda: (
        rf"(?:(?P<hundreds>{_either(_UNITS)})?(?P<hundred>hundert|honderd|cento|hundra))?(?:und|en|e)?"
        rf"(?:(?P<one>{_either(_UNITS)})(?:und|en|ën|og)(?P<ten>{_either(_LONG)})"
        rf"|(?P<tens>{_either(_LONG)})(?P<ones>{_either(_UNITS)})|(?P<rest>{_either(_ALL)}))?"
    )
)
"""Words that German, Dutch, Italian, Swedish and Danish write together."""
_WORD = Late(lambda: rf"(?:[^\W\d_{UNSPACED}\uac00-\ud7af]|[\u0900-\u0dff])+(?:'[^\W\d_]+)?")
_DIGITS = dict(
    zip("零〇一二两兩三四五六七八九영일이삼사오육칠팔구", (0, 0, 1, 2, 2, 2, *range(3, 10), *range(10)), strict=True)
)
_DIGITS |= dict(zip(("หนึ่ง", "สอง", "สาม", "สี่", "ห้า", "หก", "เจ็ด", "แปด", "เก้า"), range(1, 10), strict=True))
_DIGITS |= {"เอ็ด": 1, "ยี่": 2}
_PLACES = dict.fromkeys(("十", "십", "สิบ"), 10) | dict.fromkeys(("百", "백", "ร้อย"), 100)
_PLACES |= dict.fromkeys(("千", "천", "พัน"), 1_000) | dict.fromkeys(("万", "萬", "만"), 10_000)
_NATIVE = dict(
    zip(("열", "스물", "서른", "마흔", "쉰", "예순", "일흔", "여든", "아흔"), range(10, 100, 10), strict=True)
) | {"스무": 20}
_NATIVE_ONES = dict(zip(("하나", "둘", "셋", "넷", "다섯", "여섯", "일곱", "여덟", "아홉"), range(1, 10), strict=True))
_NATIVE_ONES |= dict(zip(("한", "두", "세", "네"), range(1, 5), strict=True))
_SIGNS = sorted((*_DIGITS, *_PLACES), key=len, reverse=True)
_FRENCH = frozenset(("deux", "trois", "quatre", "cinq", "six", "sept", "huit", "neuf", "mille"))
_SIGN = Late(lambda: "|".join(_SIGNS))
_UNSPACED = Late(
    lambda: (
        rf"(?<!第)[{''.join(sign for sign in _SIGNS if '一' <= sign <= '鿿' or sign == '〇')}]{{1,20}}+"
        rf"|(?<![\uac00-\ud7af])(?:(?P<tens>{_either(_NATIVE)})(?P<ones>{_either(_NATIVE_ONES)})?"
        rf"|(?P<one>{_either(_NATIVE_ONES)}))"
        rf"|(?<![\uac00-\ud7af])[{''.join(sign for sign in _SIGNS if '가' <= sign <= '힣')}]{{1,16}}+"
        rf"|(?:{_either(sign for sign in _SIGNS if sign < '一' and sign != '〇')}){{1,12}}+"
    )
)


class Numeral(NamedTuple):
    """A number in words, its place, and whether it is one word that may mean something else, as "one" does."""

    value: int
    start: int
    end: int
    is_ordinary: bool


class _Sum:
    """The number that the numbers of some words make, from left to right."""

    def __init__(self, first: int) -> None:
        self.above, self.rest = (first, 0) if first >= 1_000 else (0, first)

    def add(self, value: int, link: str) -> bool:
        """Take in the number of a further word; False where the two are no number together."""
        tens = self.rest % 100
        follows = (
            (tens == 0 and 0 < value < (100 if self.rest else 1_000))
            or (0 < value < 10 and tens % 10 == 0 and (tens >= 20 or link == "-"))
            or (tens in (60, 80) and 10 <= value < 20 and link in ("-", "et", "-et-"))
            or (self.rest < 10 and value % 10 == 0 and 20 <= value < 100 and link in _UNIT_FIRST)
        )
        if not self.above and 13 <= self.rest <= 20 and 10 <= value < 100 and link == " ":  # "nineteen twenty-eight"
            self.above, self.rest = 100 * self.rest, value
            return True
        self.rest += value if follows else 0
        return follows

    def multiply(self, times: int) -> bool:
        """Take in a word such as "hundred"; False where it does not fit."""
        if times >= 1_000:
            self.above, self.rest = self.above + self.rest * times, 0
            return True
        fits = self.rest % 100 != 0 and self.rest < 10 if times == 10 else 0 < self.rest < 100
        self.rest *= times if fits else 1
        return fits


@lru_cache(4096)
def _value(word: str) -> int | None:
    """The number of a single word; None where it is none."""
    if word in _NUMBERS:
        return _NUMBERS[word]
    parts = _COMPOUND.fullmatch(word) if 5 < len(word) <= LONGEST else None
    if parts is None:
        return _NUMBERS.get(word[1:]) if word[:1] == "و" else None
    hundreds = 100 * _UNITS.get(parts["hundreds"] or "", 1) if parts["hundred"] else 0
    return hundreds + sum(_ALL[part] for part in parts.group("one", "ten", "tens", "ones", "rest") if part)


@lru_cache(8192)
def _is_one(word: str) -> bool:
    return _value(word) is not None


def numerals(text: str) -> Iterator[Numeral]:
    """The numbers in words of a text that `plain` made; those without spaces between words come last."""
    words = list(_WORD.finditer(text))
    if not any(map(_is_one, {word[0] for word in words})):
        words = []
    place = 0
    while place < len(words):
        first = _value(words[place][0])
        if first is None:
            place += 1
            continue
        made, last = _longest(text, words, place, first)
        start, end = words[place].start(), words[last].end()
        yield Numeral(made, start, end, text[start:end] in _ORDINARY)
        place = last + 1
    if not text.isascii():
        yield from _unspaced(text)


def in_digits(text: str) -> str:
    """A text with its numbers in digits, but for the words that may mean something else."""
    made, place = [], 0
    for numeral in sorted(numerals(text), key=lambda numeral: numeral.start):
        if (numeral.value > 1 or not numeral.is_ordinary) and numeral.start >= place:
            made += [text[place : numeral.start], str(numeral.value)]
            place = numeral.end
    return "".join([*made, text[place:]])


def _longest(text: str, words: Sequence[re.Match[str]], place: int, first: int) -> tuple[int, int]:
    """The number that begins with a word, and the place of its last word."""
    made = _Sum(first)
    last = place
    while last + 1 < len(words):
        link, following = text[words[last].end() : words[last + 1].start()], last + 1
        if link not in (" ", "-"):
            break
        word = words[following][0]
        if word in _AND | _UNIT_FIRST and word not in _TIMES and following + 1 < len(words):
            link, following = word, following + 1
            word = words[following][0]
            if text[words[following - 1].end() : words[following].start()] not in (" ", "-"):
                break
        value = _value(word)
        if word.startswith("و") and word not in _NUMBERS:
            link = "و"
        if link == "-" and word in ("vingt", "vingts") and made.rest == 4:
            made.rest = 80
        elif (word in ("cent", "cents") and words[last][0] not in _FRENCH) or not (
            made.multiply(_TIMES[word]) if word in _TIMES else value is not None and made.add(value, link)
        ):
            break
        last = following
    return made.above + made.rest, last


def _unspaced(text: str) -> Iterator[Numeral]:
    """The numbers in Han, Hangul and Thai."""
    for match in _UNSPACED.finditer(text):
        start, end = match.span()
        if match["tens"] or match["one"]:
            ones = _NATIVE_ONES.get(match["ones"] or match["one"] or "", 0)
            yield Numeral(_NATIVE.get(match["tens"], 0) + ones, start, end, not (match["tens"] and match["ones"]))
            continue
        total = section = digit = 0
        several = False
        signs = [sign[0] for sign in _SIGN.finditer(match[0])]
        for sign in signs:
            if sign in _DIGITS:
                several = several or digit > 0
                digit = 10 * digit + _DIGITS[sign]
            elif _PLACES[sign] == 10_000:
                total, section, digit = total + (section + digit or 1) * 10_000, 0, 0
            else:
                section, digit = section + (digit or 1) * _PLACES[sign], 0
        if not several or len(signs) > 3:  # "七八" is seven or eight, "一九二八" is a year
            yield Numeral(total + section + digit, start, end, len(signs) == 1)
