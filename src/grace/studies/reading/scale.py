"""Reads numbers: a rating on a scale of whole points, and a number that makes no total with others."""

import re
from collections.abc import Iterator, Mapping, Sequence

from grace.studies.reading import DOUBT, IMPLIED, Answer, Missing, Value, whole
from grace.studies.reading.choice import ChoiceReader, decide
from grace.studies.reading.evidence import ARTICLES, BEFORE, abstains
from grace.studies.reading.languages import THUS, word_of
from grace.studies.reading.late import Late
from grace.studies.reading.mentions import NO_NUMBER, OR_MORE_BEHIND, Mention, Number, number_pattern, numbers
from grace.studies.reading.numerals import numerals
from grace.studies.reading.text import Text
from grace.studies.reading.units import others_than
from grace.studies.reading.units import pattern_of as units_of
from grace.studies.reading.weighing import GIVEN, Weighed, weigh

AROUND = " \n\t.!\"'()[]{}:;,*|"
"""What may surround a number that is the whole answer."""
_MONEYS = ("$", "€", "£", "₽", "zł")
_CENT = (
    r"\s?(?:(?:euro[- ]?)?cents?|¢|centimes?|céntimos?|centavos?|cêntimos?|centesimi|pence|копе\w+|groszy|grosz)(?!\w)"
)
_AND = re.compile(r",?\s?(?:(?:and|und|et|y|e|en|och|и|i)\s)?")
PERCENT = 100
FEW_WORDS = 2
"""Words besides the number in an answer that is about nothing else."""
THOUSAND = 3
"""Digits of a group, where a point parts thousands."""
_POINTS = re.compile(r"(?<![\d.])[1-9]\d{0,2}(?:\.\d{3})+(?![\d.,])")
_TIMES = Late(
    lambda: (
        r"\s?(?:(?P<k>k|tsd|тыс|mil|mille|thousand|tausend|duizend|tusen|тысяч\w?|hezar|千|천|हज़ार|হাজার|ألف)\b\.?"
        r"|(?P<man>万|萬|만)|(?P<m>million\w*|millones|milh\w+|mln|миллион\w*)\b|(?P<dozen>dozen|dutzend)\b"
        r"|(?P<hundred>hundred)\b)"
    )
)
_FACTORS = {"k": 1_000, "man": 10_000, "m": 1_000_000, "dozen": 12, "hundred": 100}
_HALF = Late(
    lambda: (
        r"[\s-](?:quarters?|thirds?|halves|fourths?|viertel|quarts?|cuartos?|quarti|четверт\w+)\b|\s?(?:and a half"
        r"|½|1/2"
        r"|und ein halb|et demie?|y medi[ao]|e mezz[ao]|e mei[ao]|半|반|с половиной)|\s?(?:point|comma|komma|virgule"
        r"|coma)\s"
    )
)
_IN_ALL = Late(
    lambda: (
        r"[^.;,\n]{0,15}\b(?:in all|in total|altogether|overall|insgesamt|zusammen|au total|en total|in totale|ao todo"
        r"|in totaal|totalt|всего)\b"
    )
)
_CALCULATED = Late(lambda: r"\d[^=\n]{0,20}[-+*/x×·÷−][^=\n]{0,30}\d[^=\n]{0,20}=\s*[^\w=\n]{0,3}\Z")
_MAKES = Late(
    lambda: (
        rf"(?:=|→|{word_of(THUS)}|\b(?:makes?|making|total(?:s|ing)?|together|altogether|sum|result|gives|leaves|equals"
        rf"|comes? to|needs?|requires?"
        r"|would (?:be|cost|take)|must be|insgesamt|zusammen|macht|ergibt|au total|cela fait|ça fait|donne|en total|son"
        r"|suman|hacen"
        r"|in totale|fanno|fa|ao todo|são|dá|samen|totaal|totalt|blir|итого|всего|получается|razem|toplam|共|合計|一共"
        r"|总共|총"
        r"|합계|कुल|মোট|รวม|المجموع|يساوي|أي)(?!\w)"
        r")[^.;!?\n\d]{0,40}\Z"
    )
)
"""Words before a number that follows from the others."""


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
        own = units_of(units)
        self._pattern = number_pattern(own)
        self._unit = re.compile(own)
        self._is_percent = units_of(["%"]) == own
        self._cent = re.compile(_CENT if any(units_of([unit]) == own for unit in _MONEYS) else "(?!)")
        self._other = others_than(units)

    def read(self, text: Text) -> dict[str, Answer]:
        """The number."""
        plain = text.plain
        mentions = self._with_cents(plain, sorted(self._mentions(plain), key=lambda mention: mention.start))
        made = _equals(plain, mentions)
        if made:
            return {self.columns[0]: _numbered(made)}
        mentions = [one for one in mentions if not one.odd.startswith("is in ")] or mentions
        weighed, against = weigh(text, mentions)
        weighed = [_alone(plain, one) for one in weighed] if len(mentions) == 1 else weighed
        answer = decide(text, weighed)
        if not isinstance(answer, Value) and not text.cut and not abstains(plain):
            answer = _in_prose(plain, weighed, mentions) or answer
        return {self.columns[0]: _numbered(answer or Missing(against or "gives no number"))}

    def _with_cents(self, text: str, mentions: Sequence[Mention]) -> list[Mention]:
        """The mentions with "50 cents" as a part of the unit; parts of one amount with several units are none."""
        made: list[Mention] = []
        for mention in mentions:
            cents = self._cent.match(text, mention.end)
            last = made[-1] if made else None
            other = self._other.match(text, last.end) if last else None
            gap = text[other.end() if other else last.end : mention.start] if last else ""
            follows = last is not None and last.kind == "amount" and _AND.fullmatch(gap)
            if last is not None and follows and not cents and self._is_cents(mention, last):  # "3 € 50"
                value = float(str(last.label)) + float(mention.words) / PERCENT
                odd = self._fault(value)
                label = None if odd else str(whole(value))
                made[-1] = Mention(label, last.start, mention.end, text[last.start : mention.end], "amount", odd)
                continue
            if cents:
                number = re.match(r"\d+", mention.words)
                value = float(number[0]) if number else next((own.value for own in numerals(mention.words)), 0)
                end = cents.end()
                whole_units = float(last.label) if follows and last and last.label else 0.0
                amount = whole_units + value / 100
                odd = self._fault(amount)
                start = last.start if follows and last else mention.start
                one = Mention(None if odd else str(whole(amount)), start, end, text[start:end], "amount", odd)
                made[-1:] = [one] if follows else [*made[-1:], one]
            elif follows and last is not None and mention.odd.startswith("is in ") and not gap.startswith(" ("):
                made[-1] = last._replace(label=None, odd="is a part of an amount")
            elif (
                last is not None and _AND.fullmatch(gap) and last.odd.startswith("is in ") and mention.kind == "amount"
            ):
                made.append(mention._replace(label=None, odd="is a part of an amount"))
            else:
                made.append(mention)
        return made

    def _is_cents(self, mention: Mention, last: Mention) -> bool:
        """Whether two digits behind an amount of money without decimals are a part of it."""
        is_money = self._cent.pattern != "(?!)" and last.label is not None and last.label.isdigit()
        return is_money and len(mention.words) == 2 and mention.words.isdigit() and not last.words[-1].isdigit()

    def _mentions(self, text: str) -> Iterator[Mention]:
        taken = []
        for number in numbers(text, self._pattern, self._high):
            times, value, end = _TIMES.match(text, number.end), self._value(number), number.end
            if times:
                end = times.end()
                value *= next(_FACTORS[name] for name, own in times.groupdict().items() if own)
            unit = self._unit.match(text, end) if times else None
            end = unit.end() if unit else end
            kind = "amount" if number.unit or unit else "figure"
            is_rate = text[end : end + 1] == "/" and text[end + 1 : end + 2].isalpha()
            odd = "" if number.odd == NO_NUMBER and (times or is_rate) else number.odd
            odd = odd or self._fault(value) or self._other_unit(text, number, end)
            if self._is_percent and not number.unit and 0 < value < 1:
                odd = "may be a part of 1 or of 100"
            if not times and _HALF.match(text, number.end):
                odd = NO_NUMBER
            taken.append((number.start, end))
            yield Mention(None if odd else str(whole(value)), number.start, end, text[number.start : end], kind, odd)
        for numeral in numerals(text):
            start, end = numeral.start, numeral.end
            if any(first <= start < last for first, last in taken):
                continue
            unit = self._unit.match(text, end)
            is_all = not text[: numeral.start].strip(AROUND) and not text[numeral.end :].strip(AROUND)
            if numeral.is_ordinary and not unit and not is_all:
                continue
            minus = text[max(0, start - 6) : start] == "minus "
            value = -numeral.value if minus else numeral.value
            odd = self._fault(value) or self._other_unit(text, None, end)
            if _HALF.match(text, end) or OR_MORE_BEHIND.match(text, end):
                odd = NO_NUMBER
            kind = "figure" if is_all else "amount" if unit else "spelled"
            end = unit.end() if unit else end
            yield Mention(None if odd else str(whole(value)), start, end, text[start:end], kind, odd)

    def _value(self, number: Number) -> float:
        """A number's value; "1.200" is more than a thousand where so many decimals are not asked for."""
        points = _POINTS.search(number.words) if self._decimals < THOUSAND else None
        return float(points[0].replace(".", "")) if points else number.value

    def _other_unit(self, text: str, number: Number | None, end: int) -> str:
        """Why a number is none where it has another unit, "" where it has not."""
        sign = number.unit[:1] if number else ""
        if sign in ("$", "€", "£") and not self._unit.match(sign):
            return f"is in {sign}"
        other = self._other.match(text, end) if number is None or not number.unit else None
        return f"is in {other[0].strip(' -')}" if other else ""

    def _fault(self, value: float) -> str:
        """Why a number is none of those asked for, "" where it is one."""
        if not self._low <= value <= self._high:
            return f"says {whole(value)}, which is outside {whole(self._low)} to {whole(self._high)}"
        if round(value, self._decimals) != value:
            return f"says {value}, which has more than {self._decimals} decimals"
        return ""


def _alone(text: str, one: Weighed) -> Weighed:
    """The only number of a text, which is what a few words are about: "6 students"."""
    behind = text[one.mention.end :].split()
    before = ARTICLES.fullmatch(text, 0, one.mention.start)
    is_all = len(behind) <= FEW_WORDS and before and one.mention.kind != "spelled"
    return one._replace(weight=GIVEN) if is_all else one


def _equals(text: str, mentions: Sequence[Mention]) -> Answer | None:
    """What a text ends with that calculates: "2 + 1 = 3"."""
    last = mentions[-1] if mentions else None
    if last is None or last.label is None or last.odd or text[last.end :].strip(AROUND + "$"):
        return None
    return Value(last.label, IMPLIED) if _CALCULATED.search(text, max(0, last.start - BEFORE), last.start) else None


def _in_prose(text: str, weighed: Sequence[Weighed], mentions: Sequence[Mention]) -> Answer | None:
    """The number of a sentence, in doubt: the only one, the only one with its unit, or the one that others make."""
    own_weighed = [one for one in weighed if one.weight]
    amounts = [one.mention for one in own_weighed if one.mention.kind == "amount"]
    for own in (amounts, [one.mention for one in own_weighed]):
        made = [one for one in own if _MAKES.search(text, max(0, one.start - BEFORE), one.start)][-1:]
        made = made or [one for one in own if _IN_ALL.match(text, one.end)]
        for some, grade in ((own, IMPLIED if len(mentions) == 1 else DOUBT), (made, DOUBT)):
            values = {str(one.label) for one in some}
            if len(values) == 1:
                return Value(values.pop(), grade)
    return None


def _numbered(answer: Answer) -> Answer:
    """An answer whose value is a number's text, as one with the number."""
    return Value(whole(float(answer.value)), answer.confidence) if isinstance(answer, Value) else answer
