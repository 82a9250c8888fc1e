"""Numerals: numbers written in words, as "seventy-two", "zweiundsiebzig" and "七十二", in many languages."""

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

from grace.studies.reading.languages import SPACED, UNSPACED, VAGUE, word_of
from grace.studies.reading.late import Late
from grace.studies.reading.number_words import ORDINARY, TIMES, number_words

_AND = {"and", "y", "e", "et", "i", "и", "و"}
_UNIT_FIRST = {"und", "en", "og", "och", "و"}
"""Words behind a unit and before tens, as in "fem og tyve"; the others follow tens or hundreds."""
_NUMBERS = number_words()
_ORDINARY = frozenset(ORDINARY.split())
_OFTEN_OTHERS = frozenset(("to", "on", "once", "bin", "fire", "hat", "ha", "sei", "ni", "ti"))
"""Those of them that are other words far more often."""
_TIMES = {word: int(number) for number, *row in map(str.split, TIMES.strip().splitlines()) for word in row}
_LARGE = [word for word, value in _TIMES.items() if value >= 1_000]
_UNITS = {word: value for word, value in _NUMBERS.items() if 0 < value < 10 and word.isalpha()} | {"tré": 3}
_LONG = {word: value for word, value in _NUMBERS.items() if 10 <= value < 100 and word.isalpha()}
_LONG |= {ten[:-1]: value for ten, value in _LONG.items() if ten.endswith("nta") or ten == "venti"}
_ALL = _LONG | _UNITS
LONGEST = 40
"""Letters of a numeral that is one word."""


def _either(words: Iterable[str]) -> str:
    return "|".join(map(re.escape, sorted(words, key=len, reverse=True)))


_TEENS = {word: value for word, value in _LONG.items() if 10 < value < 20}
_COMPOUND = Late(
    lambda: (
        rf"(?:(?P<hundreds>{_either(_UNITS | _TEENS)})?(?P<hundred>hundert|honderd|cento|hundra))?(?:und|en|e)?"
        rf"(?:(?P<one>{_either(_UNITS)})(?:und|en|ën|og)(?P<ten>{_either(_LONG)})"
        rf"|(?P<tens>{_either(_LONG)})(?P<ones>{_either(_UNITS)})|(?P<rest>{_either(_ALL)}))?"
    )
)
"""Words that German, Dutch, Italian, Swedish and Danish write together."""
_THOUSANDS = ("tausend", "duizend", "tusen", "mille", "mila")
_AFTER_TEN = {
    "on": frozenset(("bir", "iki", "üç", "dört", "beş", "alti", "yedi", "sekiz", "dokuz")),
    "mười": frozenset(("một", "hai", "ba", "bốn", "lăm", "sáu", "bảy", "tám", "chín")),
}
"""Words for ten behind which a unit stands as a word of its own: "on beş" is 15."""
_HALVES = {
    "anderthalb": 1.5,
    "eineinhalb": 1.5,
    "zweieinhalb": 2.5,
    "dreieinhalb": 3.5,
    "viereinhalb": 4.5,
    "fünfeinhalb": 5.5,
    "anderhalf": 1.5,
    "полтора": 1.5,
    "полторы": 1.5,
    "полутора": 1.5,
    "półtora": 1.5,
    "półtorej": 1.5,
}
"""Words for a number and a half."""
AND_A_HALF = Late(
    lambda: (
        r"(?:[\s-]?½|[\s-](?:and a half|and one half|und eine? halbe?r?s?|et demie?|y medi[ao]|e mezz[ao]|e mei[ao]"
        rf"|с половиной|i pół|buçuk|en een half|og en halv|och en halv|setengah)(?!{SPACED}))"
    )
)
"""What adds a half to the number before it."""
_HALF_A = Late(
    lambda: (
        rf"(?<!{SPACED})(?:half an? |(?:un |une )?demi[ -]|medi[oa] |mezzo |mei[oa] |(?:eine )?halbe "
        rf"|(?:an? )?quarter of an? |pół |пол|yarim )(?P<times>{_either(_LARGE)})"
        rf"(?!{SPACED})"
    )
)
"""A part of a large number, as "half a million"."""
_VAGUE = Late(lambda: rf"{word_of(VAGUE)}(?: (?:of|de|di|d'))?[\s-]\Z")
_VAGUE_SIGN = re.compile(r"[几幾数數]\Z")
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
_FRENCH_UNITS = "deux trois quatre cinq six sept huit neuf mille onze douze treize quatorze quinze seize"
_FRENCH = frozenset(_FRENCH_UNITS.split())
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
    """A number in words, its place, and whether it is one word that may mean something else, as "one" does.

    `is_vague` is whether the words give only its size, as "a few dozen" does.
    """

    value: float
    start: int
    end: int
    is_ordinary: bool
    is_vague: bool = False


class _Sum:
    """The number that the numbers of some words make, from left to right."""

    def __init__(self, first: float) -> None:
        self.above, self.rest = (first, 0.0) if first >= 1_000 else (0.0, first)

    def add(self, value: float, link: str) -> bool:
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
            if self.above and (self.rest == 0 or times > 1_000):  # "thousand million" is another number
                return False
            self.above, self.rest = self.above + self.rest * times, 0
            return True
        fits = self.rest % 100 != 0 and self.rest < 10 if times == 10 else 0 < self.rest < 100
        self.rest *= times if fits else 1
        return fits


@lru_cache(4096)
def _value(word: str) -> float | None:
    """The number of a single word; None where it is none."""
    if word in _NUMBERS:
        return _NUMBERS[word]
    if word in _HALVES:
        return _HALVES[word]
    for thousand in _THOUSANDS:
        if thousand in word and word != thousand and len(word) <= LONGEST:
            left, _, right = word.partition(thousand)
            many, rest = (_value(left) if left else 1), (_value(right.removeprefix("und")) if right else 0)
            return None if many is None or rest is None or many >= 1_000 else many * 1_000 + rest
    parts = _COMPOUND.fullmatch(word) if 5 < len(word) <= LONGEST else None
    if parts is None:
        return _NUMBERS.get(word[1:]) if word[:1] == "و" else None
    hundreds = 100 * _ALL.get(parts["hundreds"] or "", 1) if parts["hundred"] else 0
    return hundreds + sum(_ALL[part] for part in parts.group("one", "ten", "tens", "ones", "rest") if part)


@lru_cache(8192)
def _is_one(word: str) -> bool:
    return _value(word) is not None


def numerals(text: str) -> Iterator[Numeral]:
    """The numbers in words of a text that `plain` made; those without spaces between words come last."""
    words = list(_WORD.finditer(text))
    if not any(map(_is_one, {word[0] for word in words})):
        words = []
    parts = list(_parts_of_large(text)) if words or "пол" in text else []
    yield from parts
    if parts:
        taken = {place for part in parts for place in range(part.start, part.end)}
        words = [word for word in words if word.start() not in taken]
    place = 0
    while place < len(words):
        first = _value(words[place][0])
        if first is None:
            place += 1
            continue
        made, last = _longest(text, words, place, first)
        start, end = words[place].start(), words[last].end()
        half = AND_A_HALF.match(text, end)
        if half:
            made, last, end = _with_half(text, words, made, last, half.end())
        is_vague = words[place][0] in _TIMES and _VAGUE.search(text, max(0, start - 20), start) is not None
        yield Numeral(made, start, end, text[start:end] in _ORDINARY, is_vague)
        place = last + 1
    if not text.isascii():
        yield from _unspaced(text)


def _with_half(text: str, words: Sequence[re.Match[str]], made: float, last: int, end: int) -> tuple[float, int, int]:
    """A number and a half, "one and a half million" and "un millón y medio": its value, last word and end."""
    times = _TIMES.get(words[last][0], 1)
    made += times / 2
    following = next((place for place in range(last, len(words)) if words[place].start() >= end), len(words))
    last = max(last, following - 1)
    if following < len(words) and text[end : words[following].start()] == " " and words[following][0] in _TIMES:
        return made * _TIMES[words[following][0]], following, words[following].end()
    return made, last, end


def _parts_of_large(text: str) -> Iterator[Numeral]:
    """As in "half a million"."""
    for part in _HALF_A.finditer(text):
        parts = 4 if "quarter" in part[0] else 2
        yield Numeral(_TIMES[part["times"]] / parts, part.start(), part.end(), False)


def in_digits(text: str) -> str:
    """A text with its numbers in digits, but for the words that may mean something else."""
    made, place = [], 0
    for numeral in sorted(numerals(text), key=lambda numeral: numeral.start):
        word = text[numeral.start : numeral.end]
        is_meant = (numeral.value > 1 and word not in _OFTEN_OTHERS) or not numeral.is_ordinary
        if is_meant and numeral.start >= place and not numeral.is_vague:
            made += [text[place : numeral.start], f"{numeral.value:.12g}"]
            place = numeral.end
    return "".join([*made, text[place:]])


def _longest(text: str, words: Sequence[re.Match[str]], place: int, first: float) -> tuple[float, int]:
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
        elif link == " " and word in _AFTER_TEN.get(words[last][0], ()) and made.rest % 100 == 10:
            made.rest += value or 0
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
        is_vague = signs[0] in _PLACES and _VAGUE_SIGN.search(text, max(0, start - 1), start) is not None
        if not several or len(signs) > 3:  # "七八" is seven or eight, "一九二八" is a year
            yield Numeral(total + section + digit, start, end, len(signs) == 1, is_vague)
