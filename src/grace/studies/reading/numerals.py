"""Numerals: numbers written in words, as "seventy-two", "zweiundsiebzig" and "七十二", in many languages."""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import cache, lru_cache
from itertools import pairwise
from typing import NamedTuple

from grace.studies.reading.languages import SPACED, UNSPACED, VAGUE, folded, word_of
from grace.studies.reading.late import Late
from grace.studies.reading.number_words import ADDED, HALVES, ONLY_AFTER, ORDINARY, TIMES, number_words

_AND = {"and", "y", "e", "et", "i", "и", "و", "și", "a", "linh", "lẻ"}
_UNIT_FIRST = {"und", "en", "og", "och", "و"}
"""Words behind a unit and before tens, as in "fem og tyve"; the others follow tens or hundreds."""
_AND_BEFORE = ("و", "ו")
"""The word for "and" that is written together with the next one."""
_NUMBERS = number_words()
_ORDINARY = frozenset(ORDINARY.split())
_OFTEN_OTHERS = frozenset(("to", "on", "once", "bin", "fire", "hat", "ha", "sei", "ni", "ti"))
"""Those of them that are other words far more often."""
_TIMES = {word: int(number) for number, *row in map(str.split, folded(TIMES).strip().splitlines()) for word in row}
_ONLY_AFTER = {word: frozenset(folded(row).split()) for word, row in ONLY_AFTER.items()}
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
_THOUSANDS = ("tausend", "duizend", "tusen", "mille", "mila", "tuhatta", "tuhat", "ezer")
_AFTER_TEN = {
    "on": frozenset(("bir", "iki", "üç", "dört", "beş", "alti", "yedi", "sekiz", "dokuz")),
    "mười": frozenset(("một", "hai", "ba", "bốn", "lăm", "sáu", "bảy", "tám", "chín")),
}
"""Words for ten behind which a unit stands as a word of its own: "on beş" is 15."""


def _valued(rows: str) -> dict[str, float]:
    """Words and their value, of rows that begin with it."""
    rows_of = map(str.split, folded(rows).strip().splitlines())
    return {word: float(number) for number, *row in rows_of for word in row}


_HALVES = _valued(HALVES)
_ADDED = _valued(ADDED)
AND_A_HALF = Late(
    lambda: (
        r"(?:[\s-]?½|[\s-](?:and a half|and one half|und eine? halbe?r?s?|et demie?|y medi[ao]|e mezz[ao]|e mei[ao]"
        r"|с половиной|з половиною|и половина|i pół|a půl|a pol|i pol|és fél|ja puoli|και μισ[όήά]|și jumătate|וחצי"
        r"|ونصف|و نیم|buçuk|en een half|og en halv|och en halv|setengah|rưỡi|na nusu)"
        rf"(?!{SPACED}))"
    )
)
"""What adds a half to the number before it."""
_HALF_A = Late(
    lambda: (
        rf"(?<!{SPACED})(?<!\ba )(?<!\bi )(?<!\by )(?<!\be )(?<!\bet )(?<!\bés )(?<!\bи )"
        rf"(?:half an? |(?:un |une )?demi[ -]|medi[oa] |mezzo |mei[oa] |(?:eine )?halbe "
        rf"|(?:an? )?quarter of an? |pół |půl |pol |fél |пол|пів |yarim |आधा |आधे "
        rf"|nửa |نصف )(?P<times>{_either(_LARGE)})"
        rf"(?!{SPACED})"
    )
)
"""A part of a large number, as "half a million"."""
_VAGUE = Late(lambda: rf"{word_of(VAGUE)}(?: (?:of|de|di|d'))?[\s-]\Z")
KANA = re.compile(r"[\u3041-\u30fa]")
_PART_OF_SIGNS = re.compile(r"分之|分の|분의|[个個箇]?半|[点點][零〇一二三四五六七八九]|[廿卅兆京垓]")
"""What follows only a part of a number."""
_VAGUE_SIGN = re.compile(r"[几幾数數]\Z")
_WORD = Late(lambda: rf"(?:[^\W\d_{UNSPACED}\uac00-\ud7af]|[\u0900-\u0dff])+(?:'[^\W\d_]+)?")
_DIGITS = dict(
    zip("零〇一二两兩三四五六七八九영일이삼사오육칠팔구", (0, 0, 1, 2, 2, 2, *range(3, 10), *range(10)), strict=True)
)
_DIGITS |= dict(zip(("หนึ่ง", "สอง", "สาม", "สี่", "ห้า", "หก", "เจ็ด", "แปด", "เก้า"), range(1, 10), strict=True))
_DIGITS |= {"เอ็ด": 1, "ยี่": 2} | dict(zip("壹贰叁肆伍陆柒捌玖", range(1, 10), strict=True))
_PLACES = dict.fromkeys(("十", "십", "สิบ"), 10) | dict.fromkeys(("百", "백", "ร้อย"), 100)
_PLACES |= dict.fromkeys(("千", "천", "พัน"), 1_000) | dict.fromkeys(("万", "萬", "만", "หมื่น"), 10_000)
_PLACES |= {"แสน": 100_000, "ล้าน": 1_000_000} | dict.fromkeys(("亿", "億", "억"), 100_000_000)
_PLACES |= {"拾": 10, "佰": 100, "仟": 1_000}
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

    `odd` is why the words are no single number, as "a few dozen", or words that these tables know only in part.
    """

    value: float
    start: int
    end: int
    is_ordinary: bool
    odd: str = ""


CLOCK = re.compile(
    r"\s?(?:[ap]\.m\.?|[ap]m\b|o'clock|uhr\b|点钟|點鐘|[时時](?!间|間)|시(?!간)(?=\W|에|부터|까지|쯤|\Z)|น\.|बजे"
    r"|час(?:а|ов)? (?:утра|дня|вечера|ночи)|(?:(?<=\bà \d)|(?<=\bà \d\d)|(?<=\bà \d )|(?<=\bà \d\d ))h\b)"
    r"|:[0-5]\d(?!\d)"
)
CLOCK_BEFORE = re.compile(
    r"\b(?:halb|half past|quarter (?:to|past)|viertel (?:vor|nach)|půl|halv|kwart (?:voor|over)|a las|alle ore|às"
    r"|kl\.?)"
    r" ?\Z|(?:上午|下午|午前|午後|오전|오후) ?\Z"
)
TIME_OF_DAY = "is a time of day"
"""What makes a time of day of a number."""
ROUGH = "is only a rough number"
UNKNOWN = "is a number in words that is not known"
RANGE = "names a range"
"""Why a number in words does not count: a part of it is not read."""
_LARGER = Late(
    lambda: (
        r"[\s-](?:(?:de )?(?:тысяч|тисяч|хиляд|миллион|мільйон|милион|миллиард|мільярд|милиард|трилл|hundre|thousand"
        r"|million|millio|milliar|billi|trilli|tausend|milj|milion|bilh|bilj|bilion|trilh|tisíc|tysi|stovk|tisuć|hiljad"
        r"|milijun|milijar|stotin|ribu|ratus|juta|miliar|triệu|tỷ|nghìn|trăm|χιλιάδ|εκατομμ|δισεκ|हज़ार|हजार|लाख|करोड़"
        r"|अरब|শ(?:ত|ো)(?![\u0980-\u09ff])|হাজার|লাখ|কোটি|ہزار|لاکھ|کروڑ|ارب|ஆயிர|நூறு|லட்ச|கோடி|వేల|వంద|లక్ష|కోట"
        r"|ആയിര|നൂറ|ലക്ഷ"
        r"|ನೂರ|ಸಾವಿರ|ಲಕ್ಷ|હજાર|સો|લાખ|ਹਜ਼ਾਰ|ਸੌ|ਲੱਖ|מאות|אלפ|מיליו|آلاف|ألف|مليون|ملايين|مليار|میلیون|میلیارد|ezer"
        r"|millió"
        r"|dozen|dutzend|centenares|lusin|kodi|na (?:moja|mbili|tatu|nne|tano|sita|saba|nane|tisa))"
        r"|(?:(?:and|et|y|e|und|и|i|a|en|og|och|és)\s)?(?:(?:an?|eine?|un|one|three|trois|tres|tre|três|drei|три"
        r"|két)\s)?(?:quarters?|thirds?|fourths?|fifths?|tenths?|viertel|drittel|zehntel|quarts?|tiers|dixièmes?"
        r"|cuartos?|tercios?|décimas?|quarti|terzi|decimi|quartos?|terços|décimos?|четверт\w*|треть\w*|целых"
        r"|десят(?:ая|ых)|negyed|čtvrtin\w?|čtvrtě)"
        rf"(?!{SPACED}))"
    )
)
"""What follows only a part of a number: a larger word that was not taken in, a quarter or a tenth."""
_LARGER_BEFORE = Late(
    lambda: (
        rf"(?<!{SPACED})(?:elfu|mia|laki|ishirini|thelathini|arobaini|hamsini|sitini|sabini|themanini|tisini|kumi"
        rf"|{'|'.join(_ADDED)})(?: na)? \Z"
    )
)
"""The same before it, as in Swahili."""
_RANGE = Late(
    lambda: (
        r"-|-?,? (?:to|through|or|bis|oder|à|ou|a|o|hasta|até|of|tot|или|до|albo|lub|do|až|nebo|ili|veya|ila|till"
        r"|eller|tai"
        r"|से|या|থেকে|বা|sampai|atau|đến|hoặc|ή|έως|או|עד|أو|إلى|یا|تا) "
    )
)
_BOTH = frozenset(f" {word} " for word in (*_AND, *_UNIT_FIRST, "ve", "dan"))
_AMONG = re.compile(r"(?:between|zwischen|entre|tra|fra|между|między|mellan|mellem|mezi|tussen|antara|între)\s\Z")
"""What makes a range of two numbers."""
_POINT = Late(
    lambda: (
        r"[\s-](?:point|dot|komma|virgule|coma|vírgula|virgola|comma|kropka|przecinek|запятая|кома|čárka|virgulă|koma"
        r"|phẩy|virgül|pilkku|κόμμα|दशमलव|দশমিক|فاصلة|נקודה)[\s-]"
    )
)
"""What stands before decimals in words."""
_TEN_BEHIND = frozenset(("belas", "عشر", "عشرة", "עשר", "עשרה"))
"""Words behind a unit that make a number between ten and twenty of it."""
_VIETNAMESE = frozenset(("trăm", "nghìn", "ngàn", "triệu"))
"""Places behind which a bare unit may count the next smaller one."""


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
            or (0 < tens < 10 and value % 10 == 0 and 20 <= value < 100 and link in _UNIT_FIRST)
            or (0 < tens < 10 and value == 10 and link == "ten")
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
        if times == 10:
            fits = 0 < self.rest % 100 < 10
            self.rest += 9 * (self.rest % 100) if fits else 0
            return fits
        fits = 0 < self.rest < 100
        self.rest *= times if fits else 1
        return fits


@cache
def _glued() -> dict[str, int]:
    """The numbers below a thousand that Hungarian and Finnish write as one word."""
    units = _numbered_from_one("egy két három négy öt hat hét nyolc kilenc")
    two = units | {"kettő": 2, "tíz": 10, "húsz": 20}
    tens = _numbered_from_one("tizen huszon harminc negyven ötven hatvan hetven nyolcvan kilencven")
    for ten, value in tens.items():
        own = units | {"kettő": 2} | ({"": 0} if value > 2 else {})
        two |= {ten + unit: 10 * value + one for unit, one in own.items()}
    made = _with_hundreds("száz", "száz", units, two)
    units = _numbered_from_one("yksi kaksi kolme neljä viisi kuusi seitsemän kahdeksan yhdeksän")
    two = units | {f"{unit}toista": 10 + one for unit, one in units.items()} | {"kymmenen": 10}
    for ten, value in units.items():
        two |= {f"{ten}kymmentä{unit}": 10 * value + one for unit, one in (units | {"": 0}).items() if value > 1}
    return made | _with_hundreds("sata", "sataa", units, two)


def _numbered_from_one(words: str) -> dict[str, int]:
    return {word: number for number, word in enumerate(words.split(), 1)}


def _with_hundreds(one: str, many: str, units: dict[str, int], two: dict[str, int]) -> dict[str, int]:
    """Numbers below a hundred, and all below a thousand."""
    hundreds = {one: 100} | {unit + many: 100 * value for unit, value in units.items() if value > 1}
    return two | hundreds | {h + t: hundreds[h] + two[t] for h in hundreds for t in two}


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
        return _NUMBERS.get(word[1:]) if word[:1] in _AND_BEFORE else _glued().get(word)
    hundreds = 100 * _ALL.get(parts["hundreds"] or "", 1) if parts["hundred"] else 0
    return hundreds + sum(_ALL[part] for part in parts.group("one", "ten", "tens", "ones", "rest") if part)


@lru_cache(8192)
def _is_one(word: str) -> bool:
    return _value(word) is not None


def numerals(text: str) -> Iterator[Numeral]:
    """The numbers in words of a text that `plain` made; those without spaces between words come last."""
    words = list(_WORD.finditer(text))
    known = {word for word in {word[0] for word in words} if _is_one(word)}
    if not known:
        words = []
    parts = list(_parts_of_large(text)) if words or "пол" in text else []
    yield from parts
    if parts:
        taken = {place for part in parts for place in range(part.start, part.end)}
        words = [word for word in words if word.start() not in taken]
    yield from _told_apart(text, list(_in_words(text, words, known)))
    if not text.isascii():
        yield from _unspaced(text)


def _in_words(text: str, words: Sequence[re.Match[str]], known: Collection[str]) -> Iterator[Numeral]:
    """The numbers of words between spaces, from left to right; `known` are the words that are numbers."""
    place = 0
    while place < len(words):
        word = words[place][0]
        if word not in known and word not in _ADDED:
            place += 1
            continue
        begun, start = place, words[place].start()
        first = _value(word)
        following = words[place + 1][0] if word in _ADDED and place + 1 < len(words) else ""
        if following in known:
            first = _ADDED[word] + (1 if following in _TIMES else _value(following) or 0)
            place += following not in _TIMES
        if first is None:
            place += 1
            continue
        made, last = _longest(text, words, place, first)
        end = words[last].end()
        half = AND_A_HALF.match(text, end)
        if half:
            made, last, end = _with_half(text, words, made, last, half.end())
        goes_on, is_behind = text[end : end + 1] in (" ", "-"), text[max(0, start - 1) : start] == " "
        point = _POINT.match(text, end) if goes_on else None
        if point:
            made, last = _with_decimals(text, words, made, last, point.end())
            end = max(end, words[last].end())
        is_vague = words[begun][0] in _TIMES and _VAGUE.search(text, max(0, start - 20), start) is not None
        is_part = (
            (goes_on and _LARGER.match(text, end))
            or (point and end < point.end())
            or (is_behind and _LARGER_BEFORE.search(text, max(0, start - 20), start))
            or (last > begun and words[last - 1][0] in _VIETNAMESE and made % 10 > 0)
        )
        odd = ROUGH if is_vague else UNKNOWN if is_part else ""
        if is_behind and not odd and CLOCK_BEFORE.search(text, max(0, start - 16), start):
            odd = TIME_OF_DAY
        yield Numeral(made, start, end, text[start:end] in _ORDINARY, odd)
        place = last + 1


def _told_apart(text: str, found: Sequence[Numeral]) -> Iterator[Numeral]:
    """The numbers; the ends of a range are none, nor are two that stand side by side and make no number together."""
    odd: dict[int, str] = {}
    likely = [one for one in found if text[one.start : one.end] not in _OFTEN_OTHERS]
    for one, two in pairwise(likely):
        gap = text[one.end : two.start]
        is_range = _RANGE.fullmatch(gap) or (gap in _BOTH and _AMONG.search(text, max(0, one.start - 12), one.start))
        if is_range and one.value != two.value and not (one.is_ordinary and two.is_ordinary):
            odd[one.start] = odd[two.start] = RANGE
        elif gap == " " and not (one.is_ordinary or two.is_ordinary):
            odd[one.start] = odd[two.start] = UNKNOWN
    for one in found:
        yield one._replace(odd=one.odd or odd.get(one.start, "")) if odd else one


def _with_decimals(text: str, words: Sequence[re.Match[str]], made: float, last: int, start: int) -> tuple[float, int]:
    """A number with the decimals that begin at a place, "three point two five": its value and last word."""
    following = next((place for place in range(last + 1, len(words)) if words[place].start() == start), len(words))
    digits = ""
    for place in range(following, len(words)):
        value = _value(words[place][0])
        if value is None or value != int(value) or value >= (10 if digits else 100):
            break
        digits, last = f"{digits}{int(value)}", place
        if value >= 10 or text[words[place].end() : words[place].end() + 1] != " ":
            break
    return (float(f"{int(made)}.{digits}"), last) if digits and made == int(made) else (made, last)


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
        if is_meant and numeral.start >= place and not numeral.odd:
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
        if word[:1] in _AND_BEFORE and word not in _NUMBERS:
            link = "و"
        if words[last][0] not in _ONLY_AFTER.get(word, (words[last][0],)):
            break
        if word in _TEN_BEHIND and link == " " and made.add(10, "ten"):
            last = following
            continue
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
    last: Numeral | None = None
    for match in _UNSPACED.finditer(text):
        start, end = match.span()
        if match["tens"] or match["one"]:
            ones = _NATIVE_ONES.get(match["ones"] or match["one"] or "", 0)
            yield Numeral(_NATIVE.get(match["tens"], 0) + ones, start, end, not (match["tens"] and match["ones"]))
            continue
        signs = [sign[0] for sign in _SIGN.finditer(match[0])]
        is_vague = signs[0] in _PLACES and _VAGUE_SIGN.search(text, max(0, start - 1), start) is not None
        value = _of_signs(signs, _is_short(text, signs, end))
        if value is not None:
            odd = ROUGH if is_vague else UNKNOWN if _is_part(text, signs, end) else ""
            one = Numeral(value, start, end, len(signs) == 1, odd)
            if last and _follows(text, last, one):
                last = last._replace(value=last.value + value, end=end, is_ordinary=False, odd=last.odd or odd)
                continue
            yield from [last] if last else []
            last = one
    yield from [last] if last else []


def _follows(text: str, last: Numeral, one: Numeral) -> bool:
    """Whether two numbers are one that Korean parts by a space: "이만 오천"."""
    is_korean = "가" <= text[one.start] <= "힣" and text[last.end : one.start] == " " and text[last.end - 1] in "만억"
    return is_korean and one.value < last.value


def _of_signs(signs: Sequence[str], is_short: bool) -> float | None:
    """The value of digits and places, as 三千五百; None where several digits stand in a row, as in "seven or eight".

    `is_short` is whether a last digit counts the next smaller place: 三千五 is 3,500.
    """
    if len(signs) > 3 and all(sign in _DIGITS for sign in signs):
        return float("".join(str(_DIGITS[sign]) for sign in signs))  # a year
    total = section = digit = last = 0
    for sign in signs:
        if sign in _DIGITS:
            if digit:
                return None
            digit = _DIGITS[sign]
            continue
        larger, last = last, _PLACES[sign]
        if last < 10_000:
            section, digit = section + (digit or 1) * last, 0
        elif total and last < max(larger, total):
            total, section, digit = total + (section + digit or 1) * last, 0, 0
        else:
            total, section, digit = (total + section + digit or 1) * last, 0, 0
    return total + section + digit * (last // 10 if is_short else 1)


def _ends_short(signs: Sequence[str]) -> bool:
    """Whether a digit stands behind a place of which it may be a tenth: 三千五, but not 三千零五."""
    return len(signs) > 1 and signs[-1] in _DIGITS and _PLACES.get(signs[-2], 0) >= 100


def _is_short(text: str, signs: Sequence[str], end: int) -> bool:
    """Whether a last digit counts the next smaller place, as Chinese says it, but not Japanese and Korean."""
    is_chinese = "一" <= signs[-1] <= "鿿" and signs[0] in _DIGITS and text[end : end + 1] != "円"
    return is_chinese and _ends_short(signs) and not KANA.search(text)


def _is_part(text: str, signs: Sequence[str], end: int) -> bool:
    """Whether signs may be only a part of a number, or a Thai one of which nobody knows how short it is."""
    return (signs[-1] < "一" and _ends_short(signs)) or _PART_OF_SIGNS.match(text, end) is not None
