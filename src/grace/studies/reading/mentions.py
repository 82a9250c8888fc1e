"""Mentions: where a text names a label or a number, with borders that hold in every script."""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from grace.errors import StudyError
from grace.studies.reading.languages import (
    MINUS,
    MINUS_SIGNS,
    NOT,
    OPPOSITES,
    OR_MORE,
    SPACED,
    THUS,
    UNSPACED,
    either,
    word_of,
)
from grace.studies.reading.late import Late
from grace.studies.reading.number_words import ROMAN
from grace.studies.reading.numerals import CLOCK, CLOCK_BEFORE, TIME_OF_DAY, Numeral, numerals
from grace.studies.reading.text import WORDS, plain

_LETTER = rf"[^\W\d_{UNSPACED}\uac00-\ud7af]"
"""A letter that a number beside it belongs to, as in B12; in scripts without spaces it only stands next to it."""
_COUNTER = "[点點分점歳才岁歲세살人名回次個个개명円元块원%]"
_TO = (
    rf"(?:{_COUNTER}?\s?(?:-|to|through|bis|à|hasta|até|ai?|až|do|до|tot|till|đến|hingga|sampai|에서|부터|から|से"
    rf"|থেকে|至|到"
    rf"|ถึง|إلى"
    rf"|تا|~|〜|～|か|または|もしくは|ないし|あるいは|或者?|或是|还是|또는|혹은|이나|나|หรือ|या|বা|أو|یا|±|\+/-))"
)
_BETWEEN = (
    rf"{_COUNTER}?\s?(?:と|和|与|跟|及|과|와|और)\s?[+-]?\d+(?:[.,]\d+)?{_COUNTER}?"
    r"\s?(?:の間|のあいだ|之间|之間|中间|사이|के बीच)"
)
"""Ranges whose sign stands behind them."""
_OF = (
    r"(?:/|(?:out )?of|on|na|dari|trên|von|sur|sobre|de|su|em|op|din|out of a possible|aus|av|ud af|z|з|из|από|στα"
    r"|kati ya|מתוך|จาก|من|از|/ )"
)
_OUT_OF = (
    r"(?:üzerinden|段階(?:評価)?(?:中|で)|점 척도에서|점 만점에|点満点(?:中|で)?|点中|分中|分满分[,:]?"
    r"|-?(?:এর|র)? ?মধ্যে|-?এ(?!র)|में से|पैकी|میں سے|-?(?:లో|కి|కు)"
    r"|-?(?:இல்|க்கு|ல்)|-?(?:ൽ|ല്)|-?b[őóo]l|ದಲ್ಲಿ|માંથી|ਵਿੱਚੋਂ)"
)
"""What stands behind the largest point of a scale, and before the point."""
_PLAIN_NUMBER = r"\d+(?:[.,]\d+)?"
_THOUSANDS = (
    r"[1-9]\d{0,2}(?:(?:,\d{3})+(?:\.\d+)?(?![\d,])|(?:'\d{3})+(?:[.,]\d{1,2})?(?![\d'])"
    r"|(?: \d{3})+(?:,\d{1,2})?(?![\d,.]| \d)|(?:\.\d{3})+,\d{1,2}(?![\d,.]))"
)
NUMERAL = rf"(?:{_THOUSANDS.replace(')+', '){1,4}')}|{_PLAIN_NUMBER})(?!\d)"
"""A number in digits, as a regular expression."""
_POINTS_OF = (
    r"(?:stars?|points?|pts|sternen?|punkten?|étoiles?|estrellas?|puntos?|stelle|punti|estrelas?|pontos?|sterren|punten"
    r"|poäng|балл\w*|звезд\w*|звёзд\w*|punkt\w*|gwiazd\w*)"
)
_NUMBER_OR_MORE = (
    rf"(?<![\d#])(?<!\d[.,:])(?<!{_LETTER})(?<!\w-)(?<!\w[/_])(?P<before>[$€£]\s?)?"
    rf"(?:(?P<most>\d+)(?=\s?[^\x00-\x7f]|-[^\x00-\x7f]|-b)\s?{_OUT_OF}\s?)?"
    rf"(?P<number>(?:(?<![\w)])[+-])?(?:{_THOUSANDS}|{_PLAIN_NUMBER}))(?![\d_])(?P<unit>UNIT)?+"
    rf"(?:\s?(?P<to>{_TO})\s?[$€£]?[+-]?{_PLAIN_NUMBER}(?!\d)(?:UNIT)?|(?P<among>{_BETWEEN})"
    rf"|(?:[\s-]{_POINTS_OF})?\s?(?P<of>{_OF})\s?(?P<top>\d+)(?![\d%]|[.,]\d))?"
    rf"(?P<more>\s?(?:%|percent\b|/)|{_LETTER}|[-+](?!\s)(?=\w|[\s.,]|$)|\+(?=\s?[^\W\d])|[.:,]\d|\s?[°$€£]"
    r"|\^)?"
)
_HANGUL = re.compile(r"[\uac00-\ud7af]")
_SPACES = re.compile(r"[\s-]+")
_HYPHENS = re.compile(r"(?:\\ |\\-|\s)+")
_EDGES = " \n\t.!\"'()[]{}:;,*|。"
MARGIN = 60
"""Characters that may surround a label that is the whole answer."""
PERCENT = 100
"""The highest point of a scale on which a percentage is a point."""
_POLITE = re.compile(r"(?:的|啊|呀|哦|です(?:ね|よ)?|でしょう|だ|입니다|이에요|예요|이다|ครับ|ค่ะ|คะ|है|ఉంది)\Z")
_TAIL = re.compile(r"(?:的|啊|呀|哦|です(?:ね|よ)?|ครับ|ค่ะ|คะ)(?!\w)")
"""What makes a label polite or firm, behind it: "是的", "はいです"."""
_SIGNS = {"": 1, "plus ": 1, "minus ": -1, "negative ": -1}
OR_MORE_BEHIND = Late(
    lambda: (
        rf"{_COUNTER}?[-\s]?(?:{either(OR_MORE)})(?!{SPACED})|\s?\(?(?:or|and) (?:more|less|higher|lower|older"
        rf"|younger)\b"
    )
)
_MORE_THAN = re.compile(r"(?<![=-])[<>≤≥≦≧]=?\s?\Z")
_IN_THOUSANDS = re.compile(rf"[+-]?{_THOUSANDS}")
NO_NUMBER = "is no plain number"
GAP = re.compile(r"[\s.:=()\"',-]{1,4}")
"""What stands between a label's number and its words."""


class Mention(NamedTuple):
    """A place where a text names a label.

    Attributes:
        label: the label; None for a number that is none, or is said in a way in which it is no answer.
        words: what the text says there.
        kind: how it is written.
        odd: why it cannot be an answer, as a range.
    """

    label: str | None
    start: int
    end: int
    words: str
    kind: str
    odd: str = ""


class Mentions:
    """Finds the mentions of a closed set of labels."""

    def __init__(self, labels: Mapping[str, Sequence[str]], where: str) -> None:
        """Compile the labels and the other words for them. Raises StudyError where two labels have one word."""
        self.ways: dict[str, str] = {}
        for label, ways in labels.items():
            for way in (label, *ways):
                if not _bare(way):
                    raise StudyError(f"{where}.labels: {way!r} has nothing in it that can be read")
                owner = self.ways.setdefault(_bare(way), label)
                if owner != label:
                    raise StudyError(f"{where}.labels: {way!r} is a word for {owner!r} and for {label!r}")
        self.values = {value: label for way, label in self.ways.items() if (value := _number(way)) is not None}
        self.top = max(self.values, default=None)
        self._longest = MARGIN + max(map(len, self.ways))
        words = {way: label for way, label in self.ways.items() if _number(way) is None}
        self._of_list = list(self.values) == [float(point) for point in range(1, len(self.values) + 1)] and not words
        signed = {f"{sign}{word}": times * n for word, n in WORDS.items() for sign, times in _SIGNS.items()}
        signed |= ROMAN
        spelled = {word: self.values[n] for word, n in signed.items() if n in self.values and word not in words}
        self._spelled = frozenset(spelled)
        self._words: dict[str, str] = {re.sub(r"[\s-]+", " ", way): label for way, label in (spelled | words).items()}
        ordered = sorted(spelled | words, key=len, reverse=True)
        self._pattern = re.compile(_any_of_bordered(ordered))
        self._stronger = _stronger(words)
        self._opposites = {
            way: words[start + way]
            for way in words
            for start in OPPOSITES
            if words.get(start + way, words[way]) != words[way]
        }
        self._of_ascii = _of_ascii(ordered) or self._pattern

    def exactly(self, text: str) -> str | None:
        """The label that a text is, and nothing else."""
        if len(text) > self._longest:
            return None
        bare = _bare(text)
        if bare not in self.ways and not bare.isascii():
            bare = _POLITE.sub("", bare)
            bare = bare[:-1] if self.values and bare[-1:] in "点點分점星" else bare
        if bare and bare not in self.ways and not bare[0].isalnum() and bare == bare[0] * len(bare):
            several = any(len(way) > 1 and way[0] == bare[0] for way in self.ways)  # "★★★" is none of "★"
            bare = bare if several or bare.isascii() else bare[0]
        if bare in self.ways or not self.values:
            return self.ways.get(bare)
        value = _number(bare.removesuffix("%").rstrip()) if self.top == PERCENT else _number(bare)
        value = ROMAN.get(bare) if value is None else value
        if value is None:
            own = next((own for own in numerals(bare) if bare[own.start : own.end] == bare), None)
            value = own.value if own and not own.odd else None
        return None if value is None else self.values.get(value)

    def repeated(self, text: str, mentions: Sequence[Mention]) -> str | None:
        """The label that a text repeats, and nothing else."""
        labels = {None if mention.odd else mention.label for mention in mentions}
        spans = (text[one.end : two.start] for one, two in pairwise(mentions))
        outside = "".join((text[: mentions[0].start], *spans, text[mentions[-1].end :])) if mentions else "?a"
        return labels.pop() if len(labels) == 1 and not any(map(str.isalnum, outside)) else None

    def may_grow(self, text: str) -> bool:
        """Whether a text that is cut may be the beginning of another label."""
        bare = _bare(text)
        return any(way != bare and way.startswith(bare) for way in self.ways)

    def find(self, text: str) -> list[Mention]:
        """The mentions of a text in order; the number and the words of one label side by side are one."""
        mentions = sorted((*self._named(text), *self._numbers(text)), key=lambda mention: mention.start)
        joined: list[Mention] = []
        for mention in mentions:
            last = joined[-1] if joined else None
            if last is None or mention.start >= last.end:
                one = last and self._joined(text, last, mention)
                joined[-1:] = [one] if one else [*joined[-1:], mention]
            elif mention.end > last.end:
                joined[-1] = mention
        if self._stronger or self._opposites:
            joined = [self._changed(text, mention) for mention in joined]
        return joined

    def _changed(self, text: str, mention: Mention) -> Mention:
        """A mention with what another label adds to it, as in "I agree, and strongly so", or with what denies it."""
        for extra, label in self._stronger.get(mention.words, ()):
            behind = re.compile(
                rf"{_BEHIND_LABEL}{extra}(?!{SPACED})(?! {re.escape(mention.words)})(?: much)?(?: so"
                rf"| indeed)?(?!{SPACED})"
            ).match(text, mention.end)
            if behind:
                return mention._replace(label=label, end=behind.end())
            before = re.compile(f"(?<!{SPACED}){extra}{_BEFORE_LABEL}").search(
                text, max(0, mention.start - MARGIN), mention.start
            )
            if before:
                return mention._replace(label=label, start=before.start())
        opposite = self._opposites.get(mention.words)
        denied = _DENIED.search(text, max(0, mention.start - MARGIN), mention.start) if opposite else None
        if denied and not _UNSURE.search(text, max(0, denied.start() - MARGIN), denied.start()):
            return Mention(opposite, denied.start("not"), mention.end, f"not {mention.words}", "word")
        return mention

    def _joined(self, text: str, one: Mention, two: Mention) -> Mention | None:
        """The number and the words of one label as one mention."""
        if one.label is None or one.label != two.label or one.kind == two.kind or one.odd or two.odd:
            return None
        gap = text[one.end : two.start]
        if not GAP.fullmatch(gap):
            return None
        end = two.end + ("(" in gap and text[two.end : two.end + 1] == ")")
        return Mention(one.label, one.start, end, text[one.start : end], "both")

    def _named(self, text: str) -> Iterator[Mention]:
        for match in (self._of_ascii if text.isascii() else self._pattern).finditer(text):
            start, end = match.span()
            if _goes_on(text, start, end):
                continue
            tail = None if text.isascii() else _TAIL.match(text, end)
            end = tail.end() if tail else end + 2 * (text[end : end + 2] == "'s")
            words = _SPACES.sub(" ", match[0])
            label = self._words[words if words in self._words else match[0]]
            kind = "spelled" if words in self._spelled else "letter" if len(words) == 1 and words.isalpha() else "word"
            yield Mention(label, start, end, words, kind)

    def _numbers(self, text: str) -> Iterator[Mention]:
        if not self.values:
            return
        negated, has_signs = negatives(text), min(self.values) < 0
        for numeral, odd in self._numerals(text):
            end = numeral.end
            unit = _POINTS.match(text, end)
            is_signed = has_signs and (
                numeral.start in negated or _PLUS.search(text, max(0, numeral.start - 6), numeral.start)
            )
            is_cued = numeral.is_ordinary and _is_cued(text, numeral.start, end)
            if not numeral.is_ordinary or unit or is_signed or is_cued or _SAID.match(text, end):
                end = unit.end() if unit else end
                start = negated.get(numeral.start, numeral.start)
                label = self.values.get(numeral.value if start == numeral.start else -numeral.value)
                odd = odd or numeral.odd
                yield Mention(label, start, end, text[start:end], "spelled", odd)
        if self._of_list and any(hint in text for hint in _ORDINAL_HINTS):
            for ordinal in _ORDINAL.finditer(text):
                name = next(name for name, own in ordinal.groupdict().items() if own)
                label = self.values.get(float(name[1:]))
                yield Mention(label, ordinal.start(), ordinal.end(), ordinal[0], "word")
        for number in numbers(text, _PERCENTAGE if self.top == PERCENT else _NUMBER, self.top):
            odd = number.odd or ("is an amount of money" if number.unit not in _PERCENTS else "")
            yield Mention(self.values.get(number.value), number.start, number.end, number.words, "number", odd)

    def _numerals(self, text: str) -> Iterator[tuple[Numeral, str]]:
        """The numbers in words, and why they are none; "eight out of ten" is one where ten is the top."""
        last: Numeral | None = None
        odd = ""
        for numeral in numerals(text):
            if last and 0 < numeral.start - last.end < FURTHEST and _IS_OF.fullmatch(text, last.end, numeral.start):
                odd = "" if numeral.value == self.top else f"is out of {numeral.value}"
                last = last._replace(end=numeral.end, is_ordinary=False)
                continue
            if last:
                yield last, odd
            last, odd = numeral, ""
        if last:
            yield last, odd


_BEHIND_LABEL = (
    r"(?:,| -)?\s(?:(?:and|very|quite|rather|indeed|so|do|that|i|it|even|in fact|und|zwar|sogar|et|même|y|muy|e|molto"
    r"|och|en|и|a) ){0,4}"
)
_BEFORE_LABEL = r" (?:and|und|et|y|e|en|och|и|i) (?:[^\W\d_]+ ){1,3}\Z"
_DENIED = Late(
    lambda: (
        r"\b(?P<not>not|(?:do|does|would|can)(?:n't| not) (?:really |personally |actually )?(?:think|believe|say"
        r"|consider"
        r"|find|call|regard|feel)(?: that)?(?: (?:it|this|that|he|she|they|these|those|(?:the|his|her|their) [a-z]+))?"
        r"(?:'s| is| was| to be| as| are| would be| counts as)?)"
        r"(?: (?:be|seem|sound|look|feel|really|actually|at all|morally|legally|ethically|truly|an?|as))* \Z"
    )
)
"""What denies a label right before it; "not entirely" does not."""
_UNSURE = Late(lambda: r"\b(?:if|whether|ob|si|se|not|never|nor|n't|nobody|nothing)\b[^.;!?\n]{0,30}\Z")


def _stronger(words: Mapping[str, str]) -> dict[str, list[tuple[str, str]]]:
    """For each way the words that another one adds to it, and the label of that: "strongly" to "agree"."""
    made: dict[str, list[tuple[str, str]]] = {}
    for way, label in words.items():
        for longer, other in words.items():
            parts = longer.split()
            if other == label or len(parts) <= len(way.split()) or (not longer.isascii() and longer[0] > "\u0500"):
                continue
            for part in way.split():
                if part not in parts:
                    break
                parts.remove(part)
            else:
                if not _NO.fullmatch(" ".join(parts)):
                    made.setdefault(way, []).append((re.escape(" ".join(parts)), other))
    return made


_NO = Late(lambda: rf"{either(NOT)}|no|n't|nothing|.*\bnot\b.*")


_ORDINALS = """
first première premier primera primero prima primo primeira primeiro erste ersten eerste första первый первую
second deuxième seconde segunda segundo seconda secondo zweite zweiten tweede andra второй вторую drugi drugą
third troisième tercera tercero terza terzo terceira terceiro dritte dritten derde tredje третий третью trzeci
fourth quatrième cuarta cuarto quarta quarto vierte vierten vierde fjärde четвёртый четвертый четвёртую czwarty
fifth cinquième quinta quinto fünfte fünften vijfde femte пятый пятую piąty piątą
"""
_ORDINAL_HINTS = (*_ORDINALS.split(), "第")
_ORDINAL = Late(
    lambda: (
        rf"(?:(?<!{SPACED})(?:the|la|le|el|il|o|a|die|der|das|den|de|het|det) )(?:"
        + "|".join(
            f"(?P<o{place}>{'|'.join(row.split())})" for place, row in enumerate(_ORDINALS.strip().splitlines(), 1)
        )
        + r")(?: (?:one|option|answer|choice|alternative|continuation|candidate|opción|opção|opzione|optie|respuesta"
        r"|réponse|risposta|resposta|antwort|alternativ|variante?)(?!\w)|(?<!the )(?=[.!]|\Z))"
        r"|第(?:(?P<p1>[一1])|(?P<p2>[二2])|(?P<p3>[三3])|(?P<p4>[四4])|(?P<p5>[五5]))[个個种種项項句]"
    )
)
"""An option by its place in a list: "the second option", "la segunda"."""
_CUED = Late(lambda: rf"(?:{word_of(THUS)}[:,]? |\A\W*)(?:(?:un|une|en|ett|een|an?|uno|una|um|uma|eine?) )?\Z")
_ALONE = re.compile(r"(?: [^\W\d_]+)?\s*(?:[.!]|\Z)")
_BARE_END = re.compile(r"\s*(?:[.!,;]|\Z)")


def _is_cued(text: str, start: int, end: int) -> bool:
    """Whether a word that may be no number is one where it stands: "La moyenne, donc dix.", "Un sei politico."."""
    cue = _CUED.search(text, max(0, start - MARGIN), start)
    if cue is None:
        return False
    opens = not text[: cue.start()].strip() and cue[0].endswith(" ")
    return (_ALONE if opens else _BARE_END).match(text, end) is not None


class Number(NamedTuple):
    """A number in a text: its value, place and words, its unit, and why it is no single number ("" where it is one)."""

    value: float
    start: int
    end: int
    words: str
    unit: str
    odd: str


def number_pattern(unit: str = "(?!)") -> Late:
    """A regular expression of numbers, with a unit or not, which `numbers` takes."""
    return Late(lambda: _NUMBER_OR_MORE.replace("UNIT", unit))


def numbers(text: str, pattern: Late, top: float | None) -> Iterator[Number]:
    """The numbers of a text; `top` is the largest one of the scale: "4 out of 5" is 4 where it is 5."""
    negated = negatives(text)
    for match in pattern.finditer(text):
        odd = ""
        if (
            _MORE_THAN.search(text, max(0, match.start() - 3), match.start())
            and text[match.end() : match.end() + 1] != ">"
        ):
            odd = "is only a bound"
        elif match["to"] or match["among"]:
            odd = "names a range"
        elif (most := match["top"] or match["most"]) and (top is None or float(most) != top):
            odd = f"is out of {most}"
        elif match["more"]:
            odd = NO_NUMBER
        elif OR_MORE_BEHIND.match(text, match.end()):
            odd = "is only a bound"
        if CLOCK.match(text, match.end("number")) or CLOCK_BEFORE.search(
            text, max(0, match.start() - 16), match.start()
        ):
            odd = TIME_OF_DAY
        unit = (match["before"] or "") + (match["unit"] or "")
        end = match.start("more") if match["more"] else match.end()
        value, start = value_of(match["number"]), match.start()
        if start in negated:
            value, start = -value, negated[start]
        yield Number(value, start, end, match[0], unit.strip(), odd)


_MINUS = Late(
    lambda: (
        rf"(?:(?<!{SPACED})(?<!al )(?<!lo )(?<!au )(?<!du )(?<!ao )(?<!pelo )(?<!ou )(?<!o )(?<!or )(?<!oder )(?<!или )"
        rf"(?<!plus/){either(MINUS)} |(?:{'|'.join(MINUS_SIGNS)})\s?)(?=[\w$€£])"
    )
)
_MINUS_HINTS = (
    "minus",
    "negat",
    "moins",
    "meno",
    "минус",
    "мінус",
    "eksi",
    "mínus",
    "âm",
    "ऋण",
    "سالب",
    "ناقص",
    "manfi",
)
_PLUS = re.compile(r"(?<!\w)(?:plus|più|más|mais|плюс|artı|プラス|플러스) ?\Z")
_CALCULATES = re.compile(r"\d[^.,;:\n]{0,25}\Z")


def negatives(text: str) -> dict[int, int]:
    """Where numbers below zero begin, by the place of their digits or words: "minus 5", "moins cinq", "零下5"."""
    if not any(hint in text for hint in (*_MINUS_HINTS, *MINUS_SIGNS)):
        return {}
    return {
        minus.end(): minus.start()
        for minus in _MINUS.finditer(text)
        if not _CALCULATES.search(text, max(0, minus.start() - 30), minus.start())
    }


def value_of(digits: str) -> float:
    """The value of digits with a point or a comma before the decimals, and commas between thousands."""
    if not _IN_THOUSANDS.fullmatch(digits):
        return float(digits.replace(",", "."))
    digits = re.sub("[ ']", "", digits)
    is_decimal_comma = digits.rfind(",") > digits.rfind(".") and not re.search(r",\d{3}\Z", digits)
    return float(digits.replace(".", "").replace(",", ".") if is_decimal_comma else digits.replace(",", ""))


def _bare(text: str) -> str:
    """A text without what surrounds it; the text itself where nothing else is left."""
    clean = " ".join(plain(text).split())
    bare = clean.strip(_EDGES)
    return bare if any(character.isalnum() or not character.isascii() for character in bare) else clean


def _number(text: str) -> float | None:
    """The number that a text is, with a point or a comma before the decimals."""
    return value_of(text) if re.fullmatch(rf"[+-]?{_PLAIN_NUMBER}", text) else None


_SUFFIX = r"(?:[dt][iuü]r|[iuü]|y[iuü])\b"
"""What Turkish puts behind an apostrophe."""


_ELIDED = r"(?<=\b[ld]')|(?<=\bun')|(?<=\b(?:dell|nell|sull|dall)')|(?<=\ball')"
"""What French and Italian put before a vowel: "l'auto"."""


def bordered(way: str) -> str:
    """A regular expression of a label's words, which begin and end as words do in their script."""
    words = _HYPHENS.sub(r"[\\s-]+", re.escape(way)) if any(map(str.isalnum, way)) else re.escape(way)
    before, after = rf"(?<!{re.escape(way[0])})", rf"(?!{re.escape(way[-1])})"
    if re.match(r"[\u2e80-\u9fff]", way) and len(way) > 1:
        before = r"(?<![不没非未无無別])"
    elif re.match(rf"[{UNSPACED}]", way):
        before = r"(?:(?<!\w)|(?<=[是选選为為择擇说說在即はกอาบดว่]))"
    elif way[0].isalnum():
        before = rf"(?<!{SPACED})(?:(?<!{SPACED}['-])|{_ELIDED})"
    if re.match(r"[\u2e80-\u9fff]", way[-1]) and len(way) > 1:
        after = ""
    elif re.match(rf"[{UNSPACED}]", way[-1]):
        after = r"(?!\w)|(?=的|了|啊|呀|哦|です|だ|で|と|を|に|は|が|も|の|项|\d|ครับ|ค่ะ|เพราะ)"
    elif _HANGUL.match(way[-1]) and len(way) == 1:
        after = r"(?!\w)|(?=입니다|이다|예요|이에요|라고|으로)"
    elif _HANGUL.match(way[-1]):
        after = r"(?!\w)|(?=입니다|이다|예요|이에요|이라고|라고|으로|의|가\s|이\s|는\s|은\s|를\s|을\s|로\s|인\s|일\s)"
    elif way[-1].isalnum() or _is_mark(way[-1]):
        after = (
            rf"(?!{SPACED})(?!['-](?!s\b|{_SUFFIX}){SPACED})"
            if len(way) > 1
            else rf"(?!{SPACED})(?!['-](?!{_SUFFIX}){SPACED})"
        )
    return f"{before}{words}(?:{after})" if "|" in after else before + words + after


def _any_of_bordered(ways: Sequence[str]) -> str:
    """A regular expression of the first of some words that fits, parted by their first letters: most fit no word."""
    by_first: dict[str, list[str]] = {}
    for way in ways:
        by_first.setdefault(re.escape(way[0]), []).append(bordered(way))
    branches = "|".join(f"(?={first})(?:{'|'.join(own)})" for first, own in by_first.items())
    return f"(?=[{''.join(by_first)}])(?:{branches})" if branches else "(?!)"


def _of_ascii(ways: Sequence[str]) -> re.Pattern[str] | None:
    """The same for texts of ASCII alone, which are most: with simpler borders, and quicker; None if it cannot be so."""
    if not ways or not all(way.isascii() and way[0].isalnum() and way[-1].isalnum() for way in ways):
        return None
    words = "|".join(_HYPHENS.sub(r"[\\s-]+", re.escape(way)) for way in ways)
    return re.compile(
        rf"(?=[{''.join(sorted({way[0] for way in ways}))}])\b(?:(?<!\w['-])|{_ELIDED})"
        rf"(?:{words})\b(?!['-](?!s\b|{_SUFFIX})\w)"
    )


def _goes_on(text: str, start: int, end: int) -> bool:
    """Whether a combining mark belongs to the last letter, or the letter before a label has one."""
    return (end < len(text) and _is_mark(text[end])) or (
        start > 0 and text[start - 1] > "\u0300" and text[start].isalpha() and _is_mark(text[start - 1])
    )


def _is_mark(character: str) -> bool:
    return not character.isascii() and unicodedata.category(character)[0] == "M"


_NUMBER = number_pattern()
_PERCENTS = ("", "%", "percent", "per cent", "prozent")
_PERCENTAGE = number_pattern(r"\s?(?:%|percent\b|per cent\b|prozent\b)")
_POINTS = re.compile(r"(?:点|點|分|\s?점)(?!\w)|(?:分|점)(?=。|,|吧|을)")
_IS_OF = re.compile(rf"\s{_OF}\s")
FURTHEST = 24
"""Characters between a point and the largest one, at most."""
_SAID = re.compile(r"(?:です|だ|と思|입니다)")
