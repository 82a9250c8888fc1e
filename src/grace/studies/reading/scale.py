"""Reads numbers: a rating on a scale of whole points, and a number that makes no total with others."""

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence

from grace.studies.reading import CLEAR, DOUBT, IMPLIED, Answer, Missing, Value, doubted, whole
from grace.studies.reading.choice import ChoiceReader, decide
from grace.studies.reading.evidence import ARTICLES, BEFORE, abstains
from grace.studies.reading.languages import CHANGE_SIGNS, CHANGES, ONLY, SPACED, THUS, any_of, folded, word_of
from grace.studies.reading.late import Late
from grace.studies.reading.mentions import (
    NO_NUMBER,
    OR_MORE_BEHIND,
    Mention,
    Number,
    negatives,
    number_pattern,
    numbers,
)
from grace.studies.reading.number_words import TIMES
from grace.studies.reading.numerals import AND_A_HALF, KANA, UNKNOWN, numerals
from grace.studies.reading.text import Text, plain
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
_LARGE = {
    word: int(number)
    for number, *row in map(str.split, folded(TIMES).strip().splitlines())
    for word in row
    if int(number) >= 1_000
}
_LARGE |= dict.fromkeys(("k", "tsd", "тыс", "tys", "thsd"), 1_000) | {"lac": 100_000, "cr": 10_000_000}
_LARGE |= dict.fromkeys(("mln", "mio", "млн", "mn"), 1_000_000) | dict.fromkeys(("mrd", "bn", "млрд"), 1_000_000_000)
_LARGE |= {"hundred": 100, "dozen": 12, "dutzend": 12}
_PLACES = {"百": 100, "백": 100, "千": 1_000, "천": 1_000, "万": 10_000, "萬": 10_000, "만": 10_000}
_PLACES |= dict.fromkeys("亿億억", 100_000_000) | {"พัน": 1_000, "หมื่น": 10_000, "แสน": 100_000, "ล้าน": 1_000_000}
_TIMES = Late(
    lambda: (
        rf"\s?(?:(?P<word>{any_of(map(re.escape, _LARGE))}|million\w*|milh\w+|миллион\w*)(?!{SPACED})\.?"
        rf"|(?P<place>{any_of(_PLACES)}))"
    )
)
_BELOW_ZERO = Late(
    lambda: (
        r"(?:\s?(?:degrees?|°c?))?\s(?:below(?: zero| freezing| 0)?(?!\s\w)|unter null|unter dem gefrierpunkt|sous zéro"
        r"|au-dessous de zéro|en dessous de zéro|bajo cero|sotto (?:lo )?zero|abaixo de zero|negativ[oa]s?|ниже нуля"
        r"|мороза|poniżej zera|mrozu|onder nul|under noll|under nullet|dưới 0)(?!\w)"
    )
)
"""What makes a temperature before it one below zero."""
_MORE = re.compile(r"\s?(?P<many>\d{1,4})(?![\d.,])\s?(?P<place>[千천百백])?")
"""What follows a place, as in "1万5千", "1万5000" and, short, "1万5"."""
_AFTER_KUAI = re.compile(r"(?:(?<=块)|块)\s?(?P<digit>[1-9一二三四五六七八九])(?:毛|角)?(?![\d十百千万.])")
"""The tenths of "三块五"."""
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
_CALCULATED = Late(
    lambda: r"(?:\d[^=\n]{0,20}[-+*/x×·÷−][^=\n]{0,30}\d[^=\n]{0,20}=|(?:\A|\n)\s*(?:=>|->|→|⇒|∴|=))\s*[^\w=\n]{0,3}\Z"
)
_BOX = re.compile(r"\\boxed\s?\{((?:[^{}]|\{[^{}]{0,60}\}){1,80})\}")
_BRACKETS = re.compile(r"\([^()\n]{1,120}\)")
_PLAIN = re.compile(r"[+-]?\d{1,9}(?:,\d{3})*(?:\.\d+)?")
_CHANGES = Late(lambda: word_of(CHANGES))
_FROM_TO = Late(
    lambda: (
        r"\d[\d.,]{0,20}(?:\s?[^\W\d]{1,12}|\s?[€$£¥°%]c?){0,2}?\s?(?:\b(?:to|auf|à|a|al|alle|para|till|til|naar|op"
        r"|до|do"
        r"|na|к|menjadi|ke|còn|lên)\s|降到|降至|升到|升至|涨到|涨至|跌到|减到|变成|到|至"
        r"|から|に|에서|로|से|(?<=d[ae]n) |إلى\s)"
        r"(?:to |an? |the )?(?=[$€£]?\s?\d)"
    )
)
"""What stands between an amount and the one that it became, with the first one."""
_ASIDE = Late(
    lambda: (
        r"\s?(?:(?:years?|degrees?|points?|people|percent)\s)?(?:older|younger|warmer|colder|cooler|hotter|cheaper"
        r"|dearer|higher|lower|longer|shorter|more|fewer|less|ago|off\b|discount|älter|jünger|wärmer|kälter|billiger"
        r"|teurer|rabatt|de plus\b|de moins\b|plus (?:âgé|jeune|cher)\w*|de réduction|mayor que|menor que|más que"
        r"|menos que|de descuento|più (?:di|vecchi\w|giovan\w)|di sconto|mais (?:velh|nov)\w|de desconto|старше|младше"
        r"|назад|starsz\w+|młodsz\w+|temu|büyük|küçük|önce)(?!\w)|\s?(?:年前|살 (?:많|적|어리)|歳(?:年上|年下))"
        r"|\s?[명人个個名]?\s?(?:중(?!\w)|중에|中(?!\w)|のうち|里面|当中|में से|kişiden)"
    )
)
_OF_ALL = Late(
    lambda: (
        r"\b(?:out of(?: the| all)?|of (?:the|these|those|all)|von (?:den|diesen|insgesamt)|sur (?:les|ces|un total de)"
        r"|de (?:los|las|un total de)|d[eo]i|delle|degli|dos|das|из|spośród|van de|av de)\s\Z"
    )
)
"""What makes a number one of how many there are in all."""
_MAKES = Late(
    lambda: (
        rf"(?:=|→|{word_of(THUS)}|{word_of(ONLY)}|므로|니까|ので|ため|から、|\b(?:makes?|making|total(?:s|ing)?|together"
        rf"|altogether|sum|result|gives|leaves|equals"
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


STARS = 5
"""As many stars are all, where none is empty."""
_STARS = re.compile(r"([★⭐🌟]+)([☆✩]*)")
_NONE = Late(
    lambda: (
        r"\W*(?:(?:i(?:'d| would) (?:pay|give|offer|spend)|gar|überhaupt|absolutely|well|ja"
        r"|also)[, ]{1,2})?(?P<none>nobody|no one"
        r"|none of (?:them|the)|nothing(?: at all)?|not a single (?:one|person|soul)|niemand|keiner|keine[rn]?|nichts"
        r"|personne n"
        r"|personne(?=\W|\Z)"
        r"|rien|aucune?|nadie|ningun[oa]|nada|nessuno|niente|nulla|ninguém|nenhum|никто|ничего|ни одного|nikt|nic|żaden"
        r"|ingen"
        r"|inget|niets|niemand|kimse|hiçbir\w*|没有人|没人|一个也没有|一个人也没"
        r"|誰も|一人も|아무도|कोई नहीं|لا أحد|لا شيء)"
    )
)
_NOT_KNOWN = Late(
    lambda: (
        r"\b(?:know|said|say|tell|told|state|mention|given|gives?|specif|indicat|clear|certain|sure|text|story|passage"
        r"|inform"
        r"|answer|impl|suggest|idea|angabe|antwort|ahnung|meinung|réponse|respuesta|risposta|resposta|idée|idea|dato"
        r"|dado|ответ|odpowied|svar|antwoord|can|could|else|wei(?:ß|ss)|sag|erwähn|genannt|angegeben|text|sait|dit"
        r"|mention|indiqu|peut"
        r"|sabe"
        r"|dice|diz|menciona|indica|puede|pode|può|sa\b|detto|знает|сказан|указан|говор|может|wie\b|mówi|podan|tym\b"
        r"|pisan|może"
        r"|vet\b|sägs"
        r"|kan\b|weet|gezegd|biliyor|belirt)|知道|说|提|分か|わか|書|述べ|知ら|모르|언급|알|जानता|बताया|يعرف|مذكور"
    )
)
"""Words of a sentence in which nobody knows, or nothing is said."""


def _factor(times: re.Match[str]) -> int:
    """What a word such as "thousand" multiplies by."""
    if times["place"]:
        return _PLACES[times["place"]]
    return _LARGE.get(times["word"], 1_000_000)


def _with_more(text: str, value: float, times: re.Match[str]) -> tuple[float, int, bool]:
    """A number with the places behind its largest one, as "1万5千"; its end, and whether it is clear."""
    end, least, is_clear = times.end(), _factor(times), True
    while times["place"] and (more := _MORE.match(text, end)):
        many = int(more["many"])
        if more["place"] and many < 10 and _PLACES[more["place"]] < least:
            least = _PLACES[more["place"]]
            value += many * least
        elif len(more["many"]) == len(str(least)) - 1:
            value, least = value + many, 1
        elif len(more["many"]) == 1:  # "1万5" is 15,000 in Chinese
            is_clear = text[end - 1] in "千万萬" and not KANA.search(text) and text[more.end() : more.end() + 1] != "円"
            value, least = value + many * least // 10, 1
        else:
            break
        end = more.end()
    return value, end, is_clear


class RatingReader:
    """Finds a point of a scale, by its number or its words."""

    def __init__(self, column: str, low: int, high: int, words: Mapping[str, Sequence[str]], where: str) -> None:
        """Compile the points and their words. Raises StudyError where two points have one word."""
        self.columns = (column,)
        self._low, self._high = low, high
        points = {str(point): words.get(str(point), ()) for point in range(low, high + 1)}
        self._choice = ChoiceReader(column, points, {}, (), where, none=f"gives no point from {low} to {high}")

    def read(self, text: Text) -> dict[str, Answer]:
        """The point."""
        answers = self._choice.read(text).items()
        stars = _STARS.findall(text.plain) if any(isinstance(answer, Missing) for _, answer in answers) else []
        full, all_of = (len(stars[0][0]), len("".join(stars[0]))) if len(stars) == 1 else (-1, 0)
        if self._low <= full <= self._high and (all_of == self._high or (all_of == full and self._high == STARS)):
            return {column: Value(full, CLEAR) for column, _ in answers}
        return {column: _numbered(answer) for column, answer in answers}


class NumberReader:
    """Finds one number, with its unit or without."""

    def __init__(self, column: str, low: float, high: float, decimals: int, units: Sequence[str]) -> None:
        self.columns = (column,)
        self._low, self._high, self._decimals = low, high, decimals
        own = units_of(units)
        self._pattern = number_pattern(own)
        self._unit = re.compile(own)
        self._in_man = any(unit.startswith(("万", "萬")) for unit in units)
        self._is_percent = self._unit.fullmatch("%") is not None
        self._cent = re.compile(_CENT if any(units_of([unit]) == own for unit in _MONEYS) else "(?!)")
        self._other = others_than(units)

    def read(self, text: Text) -> dict[str, Answer]:
        """The number."""
        words = text.plain
        inner = boxed(text)
        if inner is not None:
            own = self.read(inner)
            if isinstance(own[self.columns[0]], Value):
                return own
        all_of = self._with_cents(words, sorted(self._mentions(words), key=lambda mention: mention.start))
        made = _equals(words, all_of)
        if made:
            return {self.columns[0]: _numbered(made)}
        mentions = [one for one in all_of if not one.odd.startswith("is in ")] or all_of
        mentions = _without_asides(words, mentions)
        weighed, against = weigh(text, mentions)
        weighed = [_alone(words, one) for one in weighed] if len(mentions) == 1 else weighed
        answer = decide(text, weighed)
        if (not isinstance(answer, Value) or answer.confidence < CLEAR) and not text.cut and not abstains(words):
            ends = bool(all_of and weighed) and weighed[-1].mention == all_of[-1]
            answer = self._changed(words) or (_calculated(all_of) if ends else None) or answer
            if not isinstance(answer, Value):
                answer = _in_prose(words, weighed, mentions) or _of_several(words, all_of) or answer
        if not isinstance(answer, Value) and not all_of and self._low <= 0 <= self._high:
            answer = _zero(words) or answer
        if isinstance(answer, Value) and answer.confidence > IMPLIED and AND_A_HALF.search(words):
            answer = Value(answer.value, IMPLIED)
        return {self.columns[0]: _numbered(answer or Missing(against or "gives no number"))}

    def _changed(self, text: str) -> Answer | None:
        """The second of two amounts of which one became the other: "the price fell from 20 € to 12 €"."""
        if not (_CHANGES.search(text) or any(sign in text for sign in CHANGE_SIGNS)):
            return None
        changes = list(_FROM_TO.finditer(text))
        if len(changes) != 1:
            return None
        first = min(self._mentions(text[changes[0].end() :]), key=lambda mention: mention.start, default=None)
        is_next = first is not None and first.label is not None and first.start == 0
        return doubted(str(first.label), "another amount became this one") if first and is_next else None

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
        taken: list[tuple[int, int]] = []
        for number in numbers(text, self._pattern, self._high):
            if taken and number.start < taken[-1][1]:
                continue  # the thousands of "1万5千"
            value, end = self._value(number), number.end
            times = _TIMES.match(text, end) if text[end - 1].isdigit() else None
            if times:
                value, end, is_clear = _with_more(text, value * _factor(times), times)
            unit = self._unit.match(text, end) if times else None
            end = unit.end() if unit else end
            tenth = _AFTER_KUAI.match(text, end)
            if tenth:
                value, end = value + unicodedata.numeric(tenth["digit"]) / 10, tenth.end()
            kind = "amount" if number.unit or unit else "figure"
            is_rate = text[end : end + 1] == "/" and text[end + 1 : end + 2].isalpha()
            half = AND_A_HALF.match(text, end)
            if half:
                value, end = value + (0.5 if value >= 0 else -0.5) * (_factor(times) if times else 1), half.end()
            cold = _BELOW_ZERO.match(text, end) if self._low < 0 < value else None
            value, end = (-value, cold.end()) if cold else (value, end)
            odd = "" if number.odd == NO_NUMBER and (times or is_rate) else number.odd
            if times and not is_clear:
                odd = UNKNOWN
            elif times and OR_MORE_BEHIND.match(text, end):
                odd = "is only a bound"
            other = self._other_unit(text, number, end)
            odd = (other if odd == NO_NUMBER and other else odd) or other or self._fault(value)
            if self._is_percent and not number.unit and 0 < value < 1:
                odd = "may be a part of 1 or of 100"
            if not times and not half and _HALF.match(text, number.end):
                odd = NO_NUMBER
            taken.append((number.start, end))
            yield Mention(None if odd else str(whole(value)), number.start, end, text[number.start : end], kind, odd)
        negated = negatives(text)
        for numeral in numerals(text):
            start, end = numeral.start, numeral.end
            if any(first <= start < last for first, last in taken):
                continue
            unit = self._unit.match(text, end)
            is_all = not text[: numeral.start].strip(AROUND) and not text[numeral.end :].strip(AROUND)
            if numeral.is_ordinary and not unit and not is_all:
                continue
            value = -numeral.value if start in negated else numeral.value
            if self._in_man and text[start:end].endswith(("万", "萬")):
                value, unit = value / 10_000, self._unit.match(text, end - 1)
            kind = "figure" if is_all else "amount" if unit else "spelled"
            other = "" if unit else self._other_unit(text, None, end)
            start, end = negated.get(start, start), unit.end() if unit else end
            half = AND_A_HALF.match(text, end) if unit else None
            if half:
                value, end = value + 0.5, half.end()
            tenth = _AFTER_KUAI.match(text, end)
            if tenth:
                value, end = value + unicodedata.numeric(tenth["digit"]) / 10, tenth.end()
            cold = _BELOW_ZERO.match(text, end) if self._low < 0 < value else None
            value, end = (-value, cold.end()) if cold else (value, end)
            odd = other or self._fault(value)
            odd = numeral.odd or odd
            if _HALF.match(text, numeral.end) or OR_MORE_BEHIND.match(text, end):
                odd = NO_NUMBER
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


def _without_asides(text: str, mentions: Sequence[Mention]) -> list[Mention]:
    """The mentions without those that only explain another one: in brackets, by how much it differs, of how many."""
    if len(mentions) < 2:
        return list(mentions)
    brackets = [match.span() for match in _BRACKETS.finditer(text)] if "(" in text else []
    kept = [
        one
        for one in mentions
        if not (_ASIDE.match(text, one.end) or _OF_ALL.search(text, max(0, one.start - 24), one.start))
        and not _is_inside(brackets, one.start)
    ]
    kinds = {one.kind for one in kept if one.label is not None}
    loses_amount = "amount" not in kinds and any(one.kind == "amount" and one.label is not None for one in mentions)
    return kept if kinds and not loses_amount else list(mentions)


def _is_inside(spans: Sequence[tuple[int, int]], place: int) -> bool:
    """Whether a place is in one of some spans, which are in order."""
    before = bisect_left(spans, (place, 0))
    return before > 0 and place < spans[before - 1][1]


def _of_several(text: str, mentions: Sequence[Mention]) -> Answer | None:
    """The first number of "7 of the 50 came", in doubt."""
    if len(mentions) != 2 or mentions[0].label is None:
        return None
    one, two = mentions
    is_part = two.start - one.end < 24 and _OF_ALL.fullmatch(text, one.end + 1, two.start)
    return doubted(str(one.label), "is a part of another number") if is_part else None


def _calculated(mentions: Sequence[Mention]) -> Answer | None:
    """The last number where it is the sum, difference, product or ratio of those right before it."""
    numbers_of = [(one, value) for one in mentions if (value := _plain_value(one)) is not None]
    if len(numbers_of) < 3 or numbers_of[-1][0].label is None or numbers_of[-1][0] is not mentions[-1]:
        return None
    *_, (_, one), (_, two), (last, made) = numbers_of
    results = [one + two, one - two, two - one, one * two, sum(value for _, value in numbers_of[:-1])]
    results += [one / two] if two else []
    is_result = any(abs(made - result) < 1e-6 for result in results)
    return Value(str(last.label), IMPLIED) if is_result and made not in (one, two) else None


def _plain_value(one: Mention) -> float | None:
    """The value of a mention, also where it is none of those asked for."""
    if one.label is not None:
        return float(one.label)
    number = _PLAIN.fullmatch(one.words.strip(" $€£"))
    return float(number[0].replace(",", "")) if number else None


def boxed(text: Text) -> Text | None:
    """What the last box of a LaTeX answer holds; None without one, or where something else is read."""
    if "boxed" not in text.raw:
        return None
    boxes = _BOX.findall(text.raw)
    inner = plain(boxes[-1]).strip() if boxes else ""
    is_own = inner and inner in text.plain and text.plain.strip() != inner
    return Text(inner, False) if is_own else None


def _zero(text: str) -> Answer | None:
    """Zero that is said in words, "Nobody came" and "Nothing", but not "Nobody knows"."""
    said = _NONE.match(text)
    sentence = re.split(r"[.!?\n。]", text[said.start("none") :])[0] if said else ""
    if not said or _NOT_KNOWN.search(sentence) or abstains(text):
        return None
    is_bare = len(sentence.split()) <= FEW_WORDS and not sentence[said.end() - said.start("none") :].strip()
    return Value("0", CLEAR if is_bare else IMPLIED)


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
                return Value(values.pop(), grade, "is one of several numbers" if grade == DOUBT else "")
    return None


def _numbered(answer: Answer) -> Answer:
    """An answer whose value is a number's text, as one with the number."""
    return answer._replace(value=whole(float(answer.value))) if isinstance(answer, Value) else answer
