"""Text as readers see it: lower case, plain quotes and dashes, no markup; and its parts after headings."""

import html
import re
import unicodedata
from collections.abc import Mapping, Sequence
from functools import lru_cache, partial
from typing import NamedTuple

LONGEST = 100_000
"""How many characters of a response are read; an answer is in them or nowhere."""

_TYPOGRAPHY = str.maketrans(
    {
        **dict.fromkeys("‘’‚‛´ʼ＇", "'"),
        **dict.fromkeys("“”„‟«»", '"'),
        **dict.fromkeys("‐‑−", "-"),
        **dict.fromkeys("‒–—―", " - "),  # dashes separate sentences, hyphens join words
        "⁄": "/",
        "•": "-",
        **dict.fromkeys("。．।॥۔", ". "),
        **dict.fromkeys("，、،", ", "),
        "【": "\n[",
        "】": "]: ",
        "？": "? ",
        "؟": "? ",
        "！": "! ",
        "：": ": ",
        "；": "; ",
        "؛": "; ",
        "٫": ".",
        "٬": ",",
        **dict.fromkeys("「」『』《》〈〉", '"'),
        **dict.fromkeys("\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\ufeff\ufe0e\ufe0f\u20e3", ""),  # nothing that shows
    }
)
_MINUS = re.compile(r"(?m:(?<![^\s(\[:=])(?<![\w.,] ))[–—](?=\d)")  # a dash before a number, and behind none
_GUILLEMETS = re.compile(r"«\s?|\s?»")
_DIGIT = re.compile(r"(?![0-9])\d")
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\xa0\u200b-\u200f\u2028-\u202f\u2060-\u2069\ufeff]")
_ANSI = re.compile(r"\x1b\[[\d;]*[a-z]", re.IGNORECASE)
_HIDDEN = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")
_TAG = re.compile(r"</?[a-z][^<>\n]{0,200}>", re.IGNORECASE)
_BREAK = re.compile(r"<(?:br|/p|/li|/tr|/div)\b[^<>\n]{0,20}>", re.IGNORECASE)
_MATH = re.compile(r"\$(\\[a-z][^$\n]{0,60}|-?\d{1,3}|[a-e])\$(?!\d)")
_FORMULA = re.compile(r"\$(?=[\d\\(-])([^$\n]{0,80}?(?:=|\\[a-z])[^$\n]{0,80}?)(?<=\S)\$(?!\d)")
_LATEX = re.compile(r"\\(?:boxed|text|mathrm|mathbf|textbf|mathit|bm|emph)\s?\{([^{}]*)\}")
_SIGNS = re.compile(r"\\(?:times|cdot|div|approx|quad|qquad|left|right|implies|rightarrow|to|[,;!])(?![a-z])")
_OF_LATEX = {"times": "×", "cdot": "×", "div": "÷", "approx": "≈", "implies": "=>", "rightarrow": "->", "to": "->"}
_FRACTION = re.compile(r"\\[dt]?frac\{(\d+(?:\.\d+)?)\}\{(\d+(?:\.\d+)?)\}")
_MARKS = re.compile(r"\*+|`+|__+|~~|\\(?=[$%_#()\[\]])|(?m:^\s{0,3}#{1,6}\s|^\s{0,3}>\s)|\\[()\[\]]")
_STRUCK = re.compile(r"~~(?=\S)[^~\n]{1,200}(?<=\S)~~")
_SET_APART = re.compile(
    r"\*\*([^*\n]{1,60})\*\*|__([^_\n]{1,60})__|`([^`\n]{1,60})`|\\boxed\s?\{((?:[^{}]|\{[^{}]{0,60}\}){1,80})\}"
)
_TITLES = (" dr. ", " mr. ", " mrs. ", " ms. ", " prof. ")  # their full stop ends no sentence
_MARKED = re.compile(r"[*`_~\\#>]")
_SPACES = re.compile(r"[ ]{2,}")
LONG = 500
"""Characters of a text in which long runs of one sign are cut."""
LONGEST_RUN = 12
"""As many of one sign are read in a row as labels may be made of, as "★★★★★"; degenerate models write thousands."""
_RUN = re.compile(rf"([^\w\s])\1{{{LONGEST_RUN},}}+")
_BLANK = re.compile(r"\n ?(?:\n ?){1,}+")
_ENDS = frozenset(".!?。！？)]}\"'|*`>")

_ONES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_TEENS = ("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty")
WORDS = {word: number for number, word in enumerate((*_ONES, *_TEENS))}

REFUSAL = re.compile(
    r"\bas an? (?:ai|artificial intelligence|(?:large )?language model)\b"
    r"|\bi(?:'m| am) (?:just |only )?an? (?:ai|language model)\b"
    r"|\bi(?:'m| am) (?:sorry|afraid)\b[^.\n]{0,40}\b(?:can(?:no|')t|cannot|unable|won't|not able|not comfortable)\b"
    r"|\bi(?:'m| am) (?:unable|not able) to\b"
    r"|\bi (?:can(?:no|')t|cannot|won't|will not|must decline to|refuse to) "
    r"(?:\w+ )?(?:answer|assist|help|provide|give|respond|comply|participate|engage|fulfil+|continue|bet|gamble)\b"
)
"""Answers that decline to answer, in text as `plain` makes it."""


class Text(NamedTuple):
    """A text to read.

    Attributes:
        plain: the text, as `plain` makes it.
        cut: whether it ends because of a limit; None when that is not known.
        apart: what its markup sets apart, as **3** does.
        raw: the text as it was written.
    """

    plain: str
    cut: bool | None = None
    apart: frozenset[str] = frozenset()
    raw: str = ""

    @property
    def may_be_cut(self) -> bool:
        """Whether the text may be incomplete: it is known to be, or it does not end like an answer."""
        return self.cut if self.cut is not None else self.plain.rstrip()[-1:] not in _ENDS


def plain(text: str) -> str:
    """A text in lower case with plain quotes, dashes and spaces, without markup of Markdown, HTML and LaTeX."""
    text = text[:LONGEST]
    if not text.isascii():
        text = _MINUS.sub("-", _DIGIT.sub(lambda digit: str(unicodedata.digit(digit[0])), text))
        text = _GUILLEMETS.sub('"', text) if "«" in text else text
        text = unicodedata.normalize("NFKC", text.translate(_TYPOGRAPHY)).translate(_TYPOGRAPHY)
    if not text.replace("\n", " ").isprintable():
        text = _CONTROL.sub(" ", _ANSI.sub("", text).replace("\r\n", "\n").replace("\r", "\n"))
    text = text.lower()
    if not text.isascii():
        text = text.replace("i\u0307", "i").replace(
            "ı", "i"
        )  # of Turkish capitals nobody knows which small letter they are
    if "&" in text:
        text = html.unescape(text).translate(_TYPOGRAPHY)
    if "<" in text:
        text = _TAG.sub(" ", _BREAK.sub("\n", text))
    if "$" in text:
        text = _MATH.sub(r"\1", text.replace("$$", " "))
        text = _FORMULA.sub(r"\1", text) if "=" in text or "\\" in text else text
    if "\\" in text:
        text = _SIGNS.sub(lambda sign: _OF_LATEX.get(sign[0][1:], " "), text)
        text = _FRACTION.sub(r"\1/\2", text)
        text = _LATEX.sub(r"\1", _LATEX.sub(r"\1", text))  # one may stand in another
    if "~~" in text:
        text = _STRUCK.sub(" ", text)
    if _MARKED.search(text):
        text = _MARKS.sub("", text)
    for title in _TITLES:
        if title in text:
            text = text.replace(title, title.replace(".", ""))
    text = _SPACES.sub(" ", text) if "  " in text else text
    if len(text) > LONG:
        text = _RUN.sub(lambda run: run[0][:LONGEST_RUN], text)
    return _BLANK.sub("\n\n", text) if "\n\n\n" in text or "\n \n" in text else text


def tidy(text: str) -> str:
    """A text in its own letters and typography, without markup, and with no more spaces than it needs."""
    text = _ANSI.sub("", text[:LONGEST]).replace("\r\n", "\n").replace("\r", "\n")
    text = _HIDDEN.sub(" ", html.unescape(_TAG.sub(" ", _BREAK.sub("\n", text))))
    text = _LATEX.sub(r"\1", _LATEX.sub(r"\1", text))
    lines = (" ".join(_MARKS.sub("", line).split()) for line in text.split("\n"))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def set_apart(text: str) -> frozenset[str]:
    """The few words that are bold, boxed or the like, as `plain` makes them."""
    if "**" not in text and "\\" not in text and "__" not in text and "`" not in text:
        return frozenset()
    return frozenset(plain(next(filter(None, words.groups()))).strip(" .:\n") for words in _SET_APART.finditer(text))


Section = tuple[str, int, int, int]
NAMES = 1_000
"""Of so many ways to write headings it is kept whose they are."""
_HEADING_ENDS = (":", "\n", "|", "=", " - ")


class Headings:
    """Finds the parts of a response after headings, such as "Initial Answer:" and "Knowledge:"."""

    def __init__(self, headings: Mapping[str, Sequence[str]]) -> None:
        """Compile headings, given by the name of their part; spaces in them match _ and - too."""
        owner = {re.sub(r"[\s_-]+", " ", heading.lower()): name for name, own in headings.items() for heading in own}
        self._owner_of = lru_cache(NAMES)(partial(_owner_of, owner))
        self._firsts = {heading.split()[0] for heading in owner}  # a text without any of them has no heading
        names = "|".join(r"[\s_-]?".join(map(re.escape, name.split())) for name in sorted(owner, key=len, reverse=True))
        begins = "" if not owner else f"(?=[{''.join(sorted({re.escape(name[0]) for name in owner}))}])"
        # A heading begins a line, a cell or a sentence, or has quotes as in JSON, and ends in a colon or a line break.
        self._pattern = re.compile(
            rf"(?:^|(?<=[\n.;|,{{]))[\s\"'|-]{{0,12}}+(?:\d{{1,2}}[.)]\s*)?{begins}(?P<name>{names})"
            rf"(?:\s(?:answer|question|estimate|distribution"
            rf"|response)s?)?(?:\s?\([^()\n]{{0,60}}\))?[\"']?\s*(?:[:=|]|\s-\s|\n)"
            rf"|(?<=\s){begins}(?P<inner>{names})\s?:"
        )

    def sections(self, text: str) -> list[Section]:
        """The name of each section, where its heading starts, where its text starts and where it ends."""
        if not any(end in text for end in _HEADING_ENDS) or not any(first in text for first in self._firsts):
            return []
        headings = list(self._pattern.finditer(text))
        ends = [*(following.start() for following in headings[1:]), len(text)]
        return [
            (self._owner_of(heading["name"] or heading["inner"]), *heading.span(), end)
            for heading, end in zip(headings, ends, strict=False)
        ]


_NUMBERED = re.compile(r"(?:^|\n)\W{0,12}(?P<word>question|answer|q|a)?\s?#?(?P<number>\d{1,2})\s?[.):]\s")


def numbered(text: str, parts: int) -> list[tuple[int, int]]:
    """The places of the parts of a text that are numbered from 1 to `parts`; empty unless there are exactly these."""
    numbers = list(_NUMBERED.finditer(text))
    ends = [number.start() for number in numbers] + [len(text)]
    answers = [number for number in numbers if number["word"] in ("a", "answer")] or numbers
    if [int(number["number"]) for number in answers] != list(range(1, parts + 1)):
        return []
    return [(number.end(), min(end for end in ends if end >= number.end())) for number in answers]


_PART = re.compile(r"[^\n;,/|]+(?:,(?! )[^\n;,/|]+)*")


def listed(text: str, parts: int) -> list[tuple[int, int]]:
    """Where the items of a list stand, by lines, commas or slashes; empty unless a text has just so many."""
    start = text.find(":") + 1 if ":" in text.split("\n")[0] and text.count(":") == 1 else 0
    items = [part.span() for part in _PART.finditer(text, start) if part[0].strip(" []().\"'")]
    return items if len(items) == parts else []


def _owner_of(owner: Mapping[str, str], written: str) -> str:
    """The owner of a heading, which may be written without its spaces, or with _ or - in their place."""
    name = re.sub(r"[\s_-]+", " ", written)
    if name in owner:
        return owner[name]
    return owner[next(heading for heading in owner if heading.replace(" ", "") == name.replace(" ", ""))]
