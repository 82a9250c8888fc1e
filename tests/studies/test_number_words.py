"""Numbers in words, of many languages: with fractions, large words, short forms, and words that are known only in part.

Where a part of the words is not known there is no number: a part of a number is a false one.
"""

from typing import Any

import pytest
from test_reading_kinds import extraction, rating, values

from grace.studies.extraction import Extraction
from grace.studies.reading.number_words import MORE_NUMBERS, NUMBERS, ORDINARY, number_words

NUMBER = {"read": "number", "column": "X", "min": "0", "max": "100000000", "decimals": "2"}
AMOUNT = extraction(NUMBER)
PEOPLE = extraction(NUMBER | {"max": "500", "decimals": "0"})
YUAN = extraction(NUMBER | {"max": "200000000", "unit": ["元", "块"]})
YEN = extraction(NUMBER | {"decimals": "0", "unit": "円"})
RUPEES = extraction(NUMBER | {"decimals": "0", "unit": ["रुपये", "₹"]})
CROWNS = extraction(NUMBER | {"decimals": "0", "unit": ["Kč", "korun"]})
DOLLARS = extraction(NUMBER | {"unit": ["$", "dollars"]})
EUROS = extraction(NUMBER | {"unit": ["€", "euros"]})
TEN = extraction(rating(1, 10))
FIVE = extraction(rating(1, 5))


@pytest.mark.parametrize(
    ("own", "text", "value"),
    [
        (AMOUNT, "两千五", 2500),
        (AMOUNT, "三百五", 350),
        (AMOUNT, "一万二", 12_000),
        (AMOUNT, "一万两千", 12_000),
        (AMOUNT, "三千六百五", 3650),
        (AMOUNT, "一百零五", 105),
        (AMOUNT, "两千零五十", 2050),
        (AMOUNT, "大概两千五吧", 2500),
        (YUAN, "两千五块", 2500),
        (YUAN, "三万五", 35_000),
        (YUAN, "3万5", 35_000),
        (YUAN, "2千5", 2500),
        (YUAN, "一亿", 100_000_000),
        (AMOUNT, "七八百", None),
        (AMOUNT, "十几", None),
        (AMOUNT, "三四百五十", None),
        (YUAN, "三块五", 3.5),
        (YEN, "千五百円", 1500),
        (YEN, "二千五円です", 2005),
        (YEN, "三百五十円くらい", 350),
        (AMOUNT, "三分之一", None),
        (RUPEES, "लगभग डेढ़ हज़ार रुपये।", 1500),
        (RUPEES, "ढाई सौ रुपये", 250),
        (RUPEES, "साढ़े तीन हज़ार रुपये", 3500),
        (RUPEES, "सवा सौ रुपये", 125),
        (RUPEES, "सवा दो हज़ार रुपये", 2250),
        (RUPEES, "पौने दो सौ रुपये", 175),
        (RUPEES, "पौने तीन लाख", 275_000),
        (RUPEES, "डेढ़ लाख रुपये", 150_000),
        (RUPEES, "दो लाख रुपये", 200_000),
        (RUPEES, "2 लाख रुपये", 200_000),
        (RUPEES, "1.5 लाख", 150_000),
        (RUPEES, "पाँच करोड़", 50_000_000),
        (RUPEES, "तीन हज़ार तैंतीस रुपये", 3033),
        (RUPEES, "एक सौ बयालीस", 142),
        (RUPEES, "निन्यानवे रुपये", 99),
        (RUPEES, "साढ़े चार", None),
        (AMOUNT, "साढ़े चार", 4.5),
        (AMOUNT, "দেড় হাজার টাকা", 1500),
        (AMOUNT, "আড়াইশো", None),
        (AMOUNT, "আড়াই হাজার", 2500),
        (AMOUNT, "সাড়ে তিন হাজার", 3500),
        (AMOUNT, "দুই লাখ", 200_000),
        (AMOUNT, "বাহাত্তর", 72),
        (CROWNS, "Tři a půl tisíce korun.", 3500),
        (CROWNS, "Dva tisíce korun", 2000),
        (CROWNS, "Půldruhého tisíce korun", 1500),
        (CROWNS, "Dvě stě korun", 200),
        (CROWNS, "tři sta padesát korun", 350),
        (CROWNS, "pět set korun", 500),
        (CROWNS, "dva tisíce pět set korun", 2500),
        (CROWNS, "asi čtyři tisíce korun", 4000),
        (CROWNS, "3,5 tisíce korun", 3500),
        (AMOUNT, "dvetisíc", None),
        (AMOUNT, "dve tisíc", 2000),
        (AMOUNT, "двадцять п'ять", 25),
        (AMOUNT, "дві тисячі", 2000),
        (AMOUNT, "дві з половиною тисячі", 2500),
        (AMOUNT, "півтори тисячі", 1500),
        (AMOUNT, "двадесет и пет", 25),
        (AMOUNT, "две хиляди", 2000),
        (AMOUNT, "douăzeci și cinci", 25),
        (AMOUNT, "două mii", 2000),
        (AMOUNT, "două mii cinci sute", 2500),
        (AMOUNT, "trei sute", 300),
        (AMOUNT, "huszonöt", 25),
        (AMOUNT, "kétszáz", 200),
        (AMOUNT, "két és fél ezer", 2500),
        (AMOUNT, "kétezer-ötszáz", 2500),
        (AMOUNT, "másfél ezer", 1500),
        (AMOUNT, "kaksikymmentäviisi", 25),
        (AMOUNT, "kaksi ja puoli tuhatta", 2500),
        (AMOUNT, "kaksisataa", 200),
        (AMOUNT, "puolitoista tuhatta", 1500),
        (AMOUNT, "kolmetuhatta", 3000),
        (AMOUNT, "είκοσι πέντε", 25),
        (AMOUNT, "δύο χιλιάδες", 2000),
        (AMOUNT, "δυόμισι χιλιάδες", 2500),
        (AMOUNT, "τριακόσια πενήντα", 350),
        (AMOUNT, "עשרים וחמש", 25),
        (AMOUNT, "שלוש מאות", 300),
        (AMOUNT, "אלפיים", 2000),
        (AMOUNT, "חמישה עשר", 15),
        (AMOUNT, "אלף וחמש מאות", 1500),
        (AMOUNT, "שלוש וחצי", 3.5),
        (AMOUNT, "ثلاثة عشر", 13),
        (AMOUNT, "ثلاثة آلاف", 3000),
        (AMOUNT, "ألفان وخمسمائة", 2500),
        (AMOUNT, "ألف وخمسمئة", 1500),
        (AMOUNT, "ثلاثة ونصف", 3.5),
        (AMOUNT, "خمسة وعشرون", 25),
        (AMOUNT, "مليون ونصف", 1_500_000),
        (AMOUNT, "دو هزار و پانصد", 2500),
        (AMOUNT, "سه و نیم", 3.5),
        (AMOUNT, "دو ہزار", 2000),
        (AMOUNT, "ڈیڑھ ہزار", 1500),
        (AMOUNT, "hai triệu", 2_000_000),
        (AMOUNT, "hai nghìn rưỡi", 2500),
        (AMOUNT, "hai mươi lăm", 25),
        (AMOUNT, "ba trăm linh năm", 305),
        (AMOUNT, "ba trăm năm", None),
        (AMOUNT, "một triệu rưỡi", 1_500_000),
        (AMOUNT, "dua belas", 12),
        (AMOUNT, "dua ribu lima ratus", 2500),
        (AMOUNT, "seratus lima puluh", 150),
        (AMOUNT, "dua setengah ribu", 2500),
        (AMOUNT, "elfu mbili", None),
        (AMOUNT, "kumi na tano", None),
        (AMOUNT, "mia tano", None),
        (AMOUNT, "สองหมื่น", 20_000),
        (AMOUNT, "สองแสน", 200_000),
        (AMOUNT, "สามล้าน", 3_000_000),
        (AMOUNT, "สองพันห้า", None),
        (AMOUNT, "สองพันห้าร้อย", 2500),
        (AMOUNT, "two grand", 2000),
        (AMOUNT, "two lakh", 200_000),
        (AMOUNT, "three point five", 3.5),
        (AMOUNT, "drei Komma fünf", 3.5),
        (AMOUNT, "deux virgule cinq", 2.5),
        (AMOUNT, "two and a quarter", None),
        (AMOUNT, "three and three quarters", None),
        (AMOUNT, "zweieinhalbtausend", 2500),
        (AMOUNT, "anderthalbtausend", 1500),
        (AMOUNT, "anderthalb Tausend", 1500),
        (AMOUNT, "eineinhalb", 1.5),
        (AMOUNT, "tweeënhalf", 2.5),
        (AMOUNT, "två och en halv", 2.5),
        (AMOUNT, "halvanden", 1.5),
        (AMOUNT, "halvandet tusind", 1500),
        (AMOUNT, "twenty-five hundred", 2500),
        (AMOUNT, "one and a half thousand", 1500),
        (AMOUNT, "mil quinientos", 1500),
        (AMOUNT, "dos centenares", 200),
        (AMOUNT, "deux milliers", 2000),
        (AMOUNT, "полторы тысячи", 1500),
        (AMOUNT, "две с половиной тысячи", 2500),
        (AMOUNT, "три миллиарда", None),
        (AMOUNT, "två tusen femhundra", 2500),
        (AMOUNT, "iki buçuk bin", 2500),
        (AMOUNT, "yüz elli", 150),
        (AMOUNT, "bin beş yüz", 1500),
        (AMOUNT, "iki yüz bin", 200_000),
        (AMOUNT, "이천오백", 2500),
        (AMOUNT, "두 시간 반", None),
        (AMOUNT, "이만 오천", 25_000),
        (AMOUNT, "1亿", 100_000_000),
        (AMOUNT, "2만 5천", 25_000),
        (AMOUNT, "dez mil e quinhentos", 10_500),
        (TEN, "dve a půl", None),
        (TEN, "drei Komma fünf", None),
        (TEN, "three and a half", None),
        (TEN, "साढ़े तीन", None),
        (TEN, "तीन", 3),
        (TEN, "dua belas", None),
        (TEN, "двадцять п'ять", None),
        (FIVE, "tres y cuarto", None),
        (TEN, "three point five", None),
        (TEN, "trei virgulă cinci", None),
        (TEN, "siete coma cinco", None),
        (PEOPLE, "fünfundzwanzig Leute", 25),
        (PEOPLE, "tucet lidí", None),
        (AMOUNT, "2 million", 2_000_000),
        (AMOUNT, "2.5 Mio.", 2_500_000),
        (AMOUNT, "3 тыс.", 3000),
        (AMOUNT, "2 tisíce", 2000),
        (AMOUNT, "2천5백", 2500),
        (AMOUNT, "3만 5천", 35_000),
        (AMOUNT, "5 thousand", 5000),
        (AMOUNT, "৫ লাখ", 500_000),
        (AMOUNT, "2,5 mil", 2500),
        (AMOUNT, "3 milioane", 3_000_000),
        (DOLLARS, "about 5k", 5000),
        (EUROS, "12 Tsd. Euro", 12_000),
        (YUAN, "3块5", 3.5),
        (YUAN, "3万多", None),
        (YUAN, "一千多块", None),
        (YEN, "1万5円", None),
        (YUAN, "一亿二千万", 120_000_000),
    ],
)
def test_numbers_in_words_are_read_whole_or_not_at_all(own: Extraction, text: str, value: Any) -> None:
    assert values(own, text) == [value]


def test_a_word_has_one_number() -> None:
    """But for words that are ordinary ones elsewhere, no word is a number in two languages with two values."""
    found: dict[str, set[int]] = {}
    for row in NUMBERS.strip().replace("\n ", " ").splitlines():
        for number, word in enumerate(row.split()):
            found.setdefault(word, set()).add(number)
    for row in MORE_NUMBERS.strip().splitlines():
        number, *words = row.split()
        for word in words:
            found.setdefault(word, set()).add(int(number))
    several = {word for word, numbers in found.items() if len(numbers) > 1}
    assert several <= set(ORDINARY.split()), several
    assert number_words()["twelve"] == 12
