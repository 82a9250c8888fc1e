"""Marks: the amounts, the labels, and words such as "the rest" in a text about shares, and the place of each."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from grace.studies.reading.languages import MORE_OR_LESS, REST, SPACED, any_of, either, folded, word_of
from grace.studies.reading.late import Late
from grace.studies.reading.mentions import bordered
from grace.studies.reading.text import WORDS, plain

Unit = Literal["money", "percent", "fraction", "plain", "word"]
"""How an amount is written; "plain" is a bare number, and "word" is "everything" or "nothing"."""

_TENS = {
    word: 10 * tens
    for tens, word in enumerate(["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"], 2)
}
_DIGITS = "one|two|three|four|five|six|seven|eight|nine"
SPELLED = rf"(?:{any_of(_TENS)}(?:[- ](?:{_DIGITS}))?|(?:a |one )?hundred|{any_of(WORDS)})"
_THOUSANDS = r"[1-9]\d{0,2}(?:,\d{3})+(?!,?\d)"
_NUMBER = rf"(?<![_.])-?(?:{_THOUSANDS}|\d+(?:[.,]\d+)?|\.\d+)"
_BARE = rf"(?<![_.])-?(?:{_THOUSANDS}|\d+(?:\.\d+)?|\.\d+)"  # without a unit, a comma parts two numbers
_THINGS = (
    r"(?:options?|outcomes?|possibilit(?:y|ies)|numbers?|choices?|values?|scenarios?|cases?|states?|answers?"
    r"|categories|counts?)"
)
_OTHERS = rf"(?:{_THINGS}|ones?|two|three)"

_RANGE = r"(?P<range>\$?\d+(?:\.\d+)? ?%? ?(?:-|to) ?\$?\d+(?:\.\d+)? ?(?:%|percent|dollars)|\$\d+ ?(?:-|to) ?\$\d+)"
_DIGITS_AMOUNT = (
    rf"(?P<money>\$ ?{_THOUSANDS}|\$ ?\d+(?:[.,]\d+)?|{_NUMBER} ?(?:\$|usd\b|dollars?\b|bucks\b))"
    rf"|(?P<percent>{_NUMBER} ?(?:%|percent\b|per cent\b))"
    r"|(?P<fraction>(?<![\w/.])\d+ ?/ ?\d+(?![\w/]))"
)
_WORD_AMOUNT = (
    r"(?P<among>between \$?\d+ ?%? ?and \$?\d+ ?(?:%|percent|dollars)?)"
    rf"|{SPELLED} (?:(?P<dollars>dollars?\b|bucks\b)|(?P<percents>percent\b|per cent\b))"
    r"|(?P<relative>(?:twice|double|half|three times|the same)(?: (?:that|as much|the amount|amount|again))+\b)"
    r"|(?P<part>(?:(?:a|one|three) (?:quarter|third|fourth|half|fifth|tenth)s?|half)\b"
    r"(?: of (?:the|my) (?:\$\d+|money|total|bet|stake))?)"
    r"|(?P<but>(?:everything|all)(?: of it)? (?:but|except) \$\d+)"
    r"|(?P<all>(?:all|everything|the (?:entire|whole|full)|my (?:entire|whole|full)|the total)(?: of)?"
    r"(?: (?:the|my|your|this|that))?(?: \$\d+| 100\b| amount| sum| money| bet| stake| dollars| probability| mass)+\b"
    r"|all of it\b|all my money\b|all in\b|everything\b(?! else))"
    r"|(?P<nothing>nothing\b|no (?:money|bet|probability|dollars|chance)\b"
    r"|(?:none|nothing) of (?:the|my) (?:money|\$\d+))"
)
_REST = (
    rf"(?P<rest>(?:the )?(?:rest\b(?: of (?:the|my) (?:money|{_OTHERS}))?|remainder\b"
    rf"|remaining (?:money|amount|funds|balance|probability|{_OTHERS})"
    rf"|others?\b(?: {_OTHERS})?|other (?:three |two )?{_OTHERS}|balance\b)"
    rf"|(?:all|each|any|every)(?: of)? (?:the )?other(?:s\b| (?:three |two )?{_OTHERS})"
    r"|(?:everything|anything|whatever|what) (?:else|is left|remains)\b|what's left\b)"
)
_OF_REST = ("den ", "der ", "le ", "el ", "il ", "o ", "de ", "det ")
_FOREIGN_REST = rf"(?:{'|'.join(_OF_REST)})?{either(REST)}(?!{SPACED})"
_MANY = r"(?:two|three|four|five|six|seven|eight|nine|ten|\d)"
_EACH = (
    rf"(?P<each>each(?: of (?:the|these|those) (?:{_MANY} )?{_THINGS}| {_THINGS})\b"
    rf"|(?:all|every) (?:of )?(?:the )?(?:{_MANY} )?{_THINGS}\b|all (?:four|five|six)\b)"
)
_OR_MORE = re.compile(r" (?:or (?:more|less|higher|lower|above|below)|at (?:least|most)|and up)\b")
_BOUND = re.compile(
    r"\b(?:at least|at most|less than|more than|up to|under|over|below|above|no more than|no less than|a maximum of"
    r"|a minimum of|fewer than|well over)\s*$"
)
_BOUND_OF_NAMES = Late(
    lambda: (
        rf"(?:{word_of(MORE_OR_LESS)}|{_BOUND.pattern[:-4]})(?: de| als| than)?"
        r"(?:\s\$?\d[\d.,]*%?\s(?:and|und|et|y|e|a|и|och|og|en|ile|dan|i))?\s?\Z"
    )
)
"""The same in all languages, also as "entre 10 et"."""
_PRONOUNS = frozenset(("me", "myself", "mich", "mir", "moi", "mí", "mim", "mij", "меня", "mnie", "mne", "mig", "meg"))
_GIVER = re.compile(r"(?<!\w)(?:from|von|de|da|van|от|od|ode|av|från|fra) \Z")
"""What stands before somebody who gives instead of receiving."""
BEGINNING = 4
"""Letters of a word that tell whether a mark may begin there."""
_FIRSTS = (
    *(*_TENS, *WORDS, "hundred", "a ", "half", "all", "everything", "the ", "my ", "nothing", "no ", "none", "between"),
    *("twice", "double"),
    *("rest", "remainder", "other", "balance", "each", "any", "every", "what"),
)
"""The beginnings of the words of amounts, "the rest" and "each"."""


@dataclass(slots=True)
class Mark:
    """An amount, a label or the like, and its place. A bare number may be an amount and a label."""

    start: int
    end: int
    amount: float | None = None
    unit: Unit | None = None
    bad: str | None = None
    """Why the amount does not count, such as a range."""
    labels: tuple[str, ...] = ()
    rest: bool = False
    each: bool = False


class Marks:
    """Finds the marks of texts about some labels."""

    def __init__(self, labels: Mapping[str, Sequence[str]], total: float) -> None:
        self._labels = tuple(labels)
        self._total = total
        self.names = {plain(way).strip(): label for label, ways in labels.items() for way in (label, *ways)}
        numbers = [name for name in self.names if name.isdecimal()]
        self.has_numbers = bool(numbers)
        self._bound: re.Pattern[str] | Late = _BOUND if numbers else _BOUND_OF_NAMES
        words = sorted((name for name in self.names if not name.isdecimal()), key=len, reverse=True)
        number, span, of_all = "(?!)", "(?!)", ""
        if numbers:
            no_amount = r"(?![\w%]|[.,]\d| ?(?:%|percent|dollars))"
            number = rf"(?<![\w.$/])(?<!\d,)(?:{'|'.join(numbers)}){no_amount}(?!/\d)"
            span = rf"(?<![\w.,$/-])\d ?(?:-|to|through) ?\d{no_amount}"
            of_all = (
                r"(?: (?:out )?of (?:the |these |those |his |her |their |[a-z]+'s? )?(?:[a-z]+ ){0,2}?"
                rf"(?:{max(map(int, numbers))}|three|four|five)\b)?"
            )
        names = [_named(n) for n in words]
        spelled = rf"(?:{'|'.join(names)})(?!-)" if words else "(?!)"
        in_all = r"(?:all (?:of )?(?:the |[a-z]+'s )?)?"
        named = rf"{in_all}(?P<name>{number}|{spelled})(?! ?(?:dollars|percent)){of_all}"
        rest = _REST if numbers else f"{_REST}|(?P<foreign>{_FOREIGN_REST})"
        bare = _BARE if numbers else rf"(?<![\d.,_])\d+,\d{{1,2}}(?![\d,])|{_BARE}"
        amount = re.compile(f"{_WORD_AMOUNT}|{rest}|{_EACH}")
        several = [bordered(n) for n in words if (" " in n or re.fullmatch(_REST, n)) and amount.match(n)]
        long = rf"(?:the )??(?P<long>{'|'.join(several)})|" if several else ""  # "the other player" is no rest
        of_rest = () if numbers else (*_OF_REST, *folded(REST).split())
        firsts = _beginnings((*words, *_FIRSTS, *of_rest))
        self._pattern = re.compile(
            r"(?<![a-z\d])(?:"  # most places are skipped at once, and then one of two halves
            rf"(?=[\d$.-])(?:{_RANGE}|{_DIGITS_AMOUNT}|(?P<span>{span})|(?P<digit>{number}){of_all}"
            rf"|(?P<plain>{bare})(?!{SPACED}))"
            rf"|(?={firsts})(?:{long}{_WORD_AMOUNT}|{rest}|{_EACH}|{named}))"
        )

    def unread(self) -> str | None:
        """A word for a label that a text with nothing else would not be read as; None where there is none."""
        for name, label in self.names.items():
            if [(mark.start, mark.end, mark.labels) for mark in self.find(name)] != [(0, len(name), (label,))]:
                return name
        return None

    def find(self, text: str) -> Iterator[Mark]:
        """The marks of a text, in order."""
        for match in self._pattern.finditer(text):
            kind = match.lastgroup
            assert kind is not None
            start, end = match.span()
            if kind in ("digit", "name", "long"):
                name = match[kind]
                if name in _PRONOUNS and _GIVER.search(text, max(0, start - 8), start):
                    continue  # "Ann gets 40 from me"
                bare = kind == "digit" and match[0] == name
                labels: tuple[str, ...] = (self.names[name],)
                yield Mark(start, end, float(name) if bare else None, "plain" if bare else None, labels=labels)
            elif kind in ("rest", "foreign"):
                yield Mark(start, end, rest=True)
            elif kind == "each":
                every = self.names.get("all") if match[0].startswith("all") else None  # "all four" of a label "all"
                yield Mark(start, end, labels=(every,) if every else self._labels, each=every is None)
            elif kind == "span":
                labels = self._spanned(match[0])
                if labels:
                    yield Mark(start, end, labels=labels)
            elif kind in ("range", "among"):
                yield Mark(start, end, unit="money", bad="is a range")
            elif kind == "relative":
                yield Mark(start, end, unit="money", bad="is said by another amount")
            elif kind == "but":
                yield Mark(start, end, self._total - amount_of(match[0], "money"), "money")
            elif kind in ("all", "nothing"):
                yield Mark(start, end, self._total if kind == "all" else 0.0, "word")
            else:
                unit = _UNITS[kind]
                worded = start > 1 and text[start - 2].isalpha()  # most amounts begin a line or follow a mark
                bound = (worded and self._bound.search(text, max(0, start - 24), start)) or _OR_MORE.match(text, end)
                bad = "is only a bound" if bound else None
                yield Mark(start, end, amount_of(match[0], unit), unit, bad)

    def _spanned(self, words: str) -> tuple[str, ...]:
        """The labels of "0-2"; none when not all of these are labels."""
        low, high = sorted(int(digit) for digit in re.findall(r"\d", words))
        labels = tuple(str(number) for number in range(low, high + 1))
        return labels if all(label in self._labels for label in labels) else ()


_HAN = re.compile(r"[\u4e00-\u9fff]")
_HANGUL = re.compile(r"[\uac00-\ud7af]")


def _named(name: str) -> str:
    """A regular expression of a label's name; a single sign, as of "I", may stand before any other word."""
    if _HAN.fullmatch(name):
        return rf"{name}(?![们們的])"
    if _HANGUL.fullmatch(name):
        return rf"(?<!\w){name}(?=(?:는|은|가|에게|한테|를|을|의)?(?:\W|\Z))"
    return rf"{re.escape(name)}(?!{SPACED})" if name.isascii() and name.replace(" ", "").isalpha() else bordered(name)


def _beginnings(words: Sequence[str]) -> str:
    """A regular expression of the first letters of some words, which quickly excludes most places."""
    return any_of(re.escape(word[:BEGINNING]) for word in words)


_UNITS: Mapping[str, Unit] = {
    "money": "money",
    "dollars": "money",
    "percent": "percent",
    "percents": "percent",
    "fraction": "fraction",
    "part": "fraction",
    "plain": "plain",
}


def numbers_in(text: str) -> set[float]:
    """All numbers that a text names, in digits, in words up to a hundred, or as a part of a hundred."""
    numbers = {float(digits.replace(",", ".")) for digits in re.findall(r"\d+(?:[.,]\d+)?|\.\d+", text)}
    numbers |= {amount_of(words, "plain") for words in re.findall(rf"\b{SPELLED}\b", text)}
    return numbers | {100 / size for name, size in _PARTS.items() if name in text}


_OF_THOUSANDS = re.compile(_THOUSANDS)
_DIGITS_OF = re.compile(r"-?(?:\d+(?:[.,]\d+)?|\.\d+)")
_PARTS = {"half": 2, "third": 3, "quarter": 4, "fourth": 4, "fifth": 5, "tenth": 10}


def amount_of(words: str, unit: Unit) -> float:
    """The number in the words of an amount: "$5" is 5, "ninety percent" 90, "1/4" and "a quarter" 0.25."""
    if words[1:].isdecimal():  # "$5", and most others
        return float(words[1:] if words[0] == "$" else words)
    if unit == "fraction":
        if "/" in words:
            over, under = (int(part) for part in words.split("/"))
            return over / under if under else float("inf")
        part = next(size for name, size in _PARTS.items() if name in words)
        return (3 if words.startswith("three") else 1) / part
    if _OF_THOUSANDS.search(words):
        words = words.replace(",", "")
    number = _DIGITS_OF.search(words)
    if number:
        return float(number[0].replace(",", "."))
    if "hundred" in words:
        return 100.0
    return float(sum(_TENS.get(part, WORDS.get(part, 0)) for part in re.split(r"[\s-]", words)))
