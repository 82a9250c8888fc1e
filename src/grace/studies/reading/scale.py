"""Reads numbers: a rating on a scale of whole points, and a number that makes no total with others."""

import re
from collections.abc import Iterator, Mapping, Sequence

from grace.studies.reading import Answer, Missing, Value, whole
from grace.studies.reading.choice import GIVEN, ChoiceReader, Weighed, decide, weigh
from grace.studies.reading.marks import SPELLED, amount_of
from grace.studies.reading.mentions import Mention, Number, number_pattern, numbers
from grace.studies.reading.text import Text, plain

_PERCENT = (
    r"\s?(?:%|percent\b|per cent\b|pct\b|prozent\b|pour ?cents?\b|por ?(?:ciento|cento)\b|per ?cento\b|процент\w*)"
)
_MONEY = r"\s?(?:[$€£]|dollars?\b|usd\b|bucks\b|euros?\b|eur\b|pounds?\b|gbp\b)"
_OLD = r"(?:[\s-]old\b| of age\b)?"


_TIMES = {"hundred": 100, "thousand": 1000, "dozen": 12}
_LARGE = r"(?:(?:a )?(?:hundred|thousand|dozen))"
FEW_WORDS = 4
THOUSAND = 3
"""Digits of a group, where a point parts thousands."""
_POINTS = re.compile(r"(?<![\d.])[1-9]\d{0,2}(?:\.\d{3})+(?![\d.])")
_SIGNS = {
    **dict.fromkeys(("$", "dollars", "usd"), "$"),
    **dict.fromkeys(("€", "euros", "eur"), "€"),
    **dict.fromkeys(("£", "pounds", "gbp"), "£"),
}


class RatingReader:
    """Finds a point of a scale, by its number or its words."""

    def __init__(self, column: str, low: int, high: int, words: Mapping[str, Sequence[str]], where: str) -> None:
        """Compile the points and their words. Raises StudyError where two points have one word."""
        self.columns = (column,)
        points = {str(point): words.get(str(point), ()) for point in range(low, high + 1)}
        self._choice = ChoiceReader(column, points, {}, (), where, none=f"gives no point from {low} to {high}")

    def read(self, text: Text) -> dict[str, Answer]:
        """The point."""
        answers = self._choice.read(text).items()
        return {column: _numbered(answer) for column, answer in answers}


class NumberReader:
    """Finds one number, with its unit or without."""

    def __init__(self, column: str, low: float, high: float, decimals: int, units: Sequence[str]) -> None:
        self.columns = (column,)
        self._low, self._high, self._decimals = low, high, decimals
        unit = rf"(?:{'|'.join(map(_unit, units))})" if units else "(?!)"
        self._signs = {_SIGNS[plain(unit).strip()] for unit in units if plain(unit).strip() in _SIGNS}
        self._pattern = number_pattern(unit)
        words = rf"(?:(?:{SPELLED}|{_LARGE})(?:[\s-](?:and )?(?:{SPELLED}|{_LARGE})){{0,7}}+)"
        self._spelled = re.compile(rf"(?<![\w-])(?P<minus>minus )?(?P<words>{words})(?![\w-])(?P<unit>{unit})?")

    def read(self, text: Text) -> dict[str, Answer]:
        """The number."""
        mentions = sorted(self._mentions(text.plain), key=lambda mention: mention.start)
        weighed, against = weigh(text, mentions)
        weighed = [_alone(text.plain, one) for one in weighed] if len(mentions) == 1 else weighed
        answer = decide(text, weighed) or Missing(against or "gives no number")
        return {self.columns[0]: _numbered(answer)}

    def _mentions(self, text: str) -> Iterator[Mention]:
        for number in numbers(text, self._pattern, self._high):
            kind = "amount" if number.unit else "figure"
            value = self._value(number)
            odd = number.odd or self._fault(value) or self._other_money(number)
            label = None if odd else str(whole(value))
            yield Mention(label, number.start, number.end, number.words, kind, odd)
        for match in self._spelled.finditer(text):
            value = _spelled_value(match["words"]) * (-1 if match["minus"] else 1)
            odd = self._fault(value)
            kind = "amount" if match["unit"] else "spelled"
            yield Mention(None if odd else str(whole(value)), *match.span(), match[0], kind, odd)

    def _value(self, number: Number) -> float:
        """A number's value; "1.200" is more than a thousand where so many decimals are not asked for."""
        points = _POINTS.search(number.words) if self._decimals < THOUSAND else None
        return float(points[0].replace(".", "")) if points else number.value

    def _other_money(self, number: Number) -> str:
        """Why a number is none where it is money of another kind, "" where it is not."""
        sign = number.unit[:1] if number.unit[:1] in ("$", "€", "£") else ""
        return f"is in {sign}" if sign and self._signs and sign not in self._signs else ""

    def _fault(self, value: float) -> str:
        """Why a number is none of those asked for, "" where it is one."""
        if not self._low <= value <= self._high:
            return f"says {whole(value)}, which is outside {whole(self._low)} to {whole(self._high)}"
        if round(value, self._decimals) != value:
            return f"says {value}, which has more than {self._decimals} decimals"
        return ""


def _alone(text: str, one: Weighed) -> Weighed:
    """The only number of a text, which is what a few words are about: "6 students"."""
    return one._replace(weight=GIVEN) if len(text.split()) <= FEW_WORDS and one.mention.kind != "spelled" else one


def _spelled_value(words: str) -> float:
    """The number of words as "one hundred and twenty" or "two dozen"."""
    total = part = 0.0
    for word in re.split(r"[\s-]+", words):
        if word in _TIMES:
            part = (part or 1) * _TIMES[word]
            total, part = (total + part, 0.0) if word == "thousand" else (total, part)
        elif word not in ("and", "a"):
            part += amount_of(word, "plain")
    return total + part


def _numbered(answer: Answer) -> Answer:
    """An answer whose value is a number's text, as one with the number."""
    return Value(whole(float(answer.value)), answer.confidence) if isinstance(answer, Value) else answer


def _unit(unit: str) -> str:
    """A regular expression of a unit behind a number, in the singular too."""
    name = plain(unit).strip()
    if name in ("%", "percent"):
        return _PERCENT
    if name in _SIGNS:
        return _MONEY
    stem = name.removesuffix("s") if len(name) > 3 else name
    ending = "(?:s|es)?" if stem.isascii() else r"\w{0,4}"
    return rf"[\s-]?{re.escape(stem)}{ending}(?![^\W\d_]){_OLD}"
