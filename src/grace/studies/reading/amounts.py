"""Amounts of many languages in one spelling: money as "$5", percentages and parts as "50%", for the rules of shares."""

import re
from collections.abc import Collection

from grace.studies.reading.languages import SPACED, UNSPACED, folded
from grace.studies.reading.late import Late, words_in
from grace.studies.reading.mentions import NUMERAL, value_of
from grace.studies.reading.numerals import in_digits, numerals

_PARTS = {
    "50%": """
hälfte la_moitié la_mitad mitad la_metà metà a_metade metade половина половину половины połowa połowę połowy de_helft
hälften halvdelen yarısı yarısını 一半 半数 半分 절반 आधा आधे आधी نصف نیمی setengah separuh một_nửa το_μισό τα_μισά
""",
    "33.333333333%": """
ein_drittel un_tiers un_tercio un_terzo um_terço треть jedna_trzecia een_derde en_tredjedel üçte_biri 三分之一
एक_तिहाई ثلث sepertiga
""",
    "66.666666667%": """
two_thirds two-thirds zwei_drittel deux_tiers dos_tercios due_terzi dois_terços две_трети dwie_trzecie twee_derde
två_tredjedelar üçte_ikisi 三分之二 दो_तिहाई dua_pertiga
""",
    "25%": """
ein_viertel un_quart un_cuarto una_cuarta_parte un_quarto um_quarto четверть ćwierć jedna_czwarta een_kwart
en_fjärdedel çeyreği dörtte_biri 四分之一 एक_चौथाई ربع seperempat
""",
    "20%": """
a_fifth one_fifth ein_fünftel un_cinquième un_quinto una_quinta_parte um_quinto пятая_часть пятую_часть jedna_piąta
jedną_piątą een_vijfde en_femtedel beşte_biri 五分之一 seperlima
""",
    "40%": """
two_fifths two-fifths zwei_fünftel deux_cinquièmes dos_quintos due_quinti dois_quintos
""",
    "60%": """
three_fifths three-fifths drei_fünftel trois_cinquièmes tres_quintos tre_quinti três_quintos
""",
    "80%": """
four_fifths four-fifths vier_fünftel quatre_cinquièmes cuatro_quintos quattro_quinti quatro_quintos
""",
    "75%": """
three_quarters three-quarters three_fourths drei_viertel dreiviertel trois_quarts tres_cuartos tre_quarti três_quartos
три_четверти trzy_czwarte driekwart tre_fjärdedelar dörtte_üçü 四分之三 तीन_चौथाई tiga_perempat
""",
}
_MONEY = """
€ euro euros eur £ pound pounds ¥ 円 元 块钱 块 圆 人民币 원 won рублей рубля рубль руб ₽ zł złotych złote złoty tl lira
liras lirayı lirası ₺ ₹ rupees rupee रुपये रुपए रुपया peso pesos reais kronor kronen kroner kr franken francs franc chf
ريال ريالا جنيه جنيها درهم درهما دينار دينارا تومان rupiah đồng บาท coins münzen points punkte puntos punti pontos
баллов punktów puan
"""
_PERCENT = """
prozent pour_cent por_ciento por_cento per_cento процентов процента процент procent persen phần_trăm 퍼센트 프로
パーセント प्रतिशत بالمئة في_المئة بالمائة درصد τοις_εκατό
"""
_NOBODY = """
nobody no_one niemand keiner personne_ne nadie nessuno ninguém никто nikt kimse 没有人 没人 誰も 아무도 niemand ingen
"""
_EVENLY = """
evenly equally equal_shares equal_parts equal_amounts down_the_middle half_each half_and_half each_get_half
each_gets_half each_pay_half each_pays_half each_take_half pay_the_same get_the_same half-half
halbe-halbe halbe_halbe gleichmäßig zu_gleichen_teilen je_zur_hälfte jeder_die_hälfte jedem_die_hälfte
hälfte_für_jeden hälfte_für_jede hälfte_für_beide half_for_each half_to_each
moitié_chacun moitié_pour_chacun moitié_à_chacun moitié-moitié moitié_moitié à_parts_égales parts_égales
équitablement chacun_la_moitié en_deux
mitad_y_mitad a_partes_iguales partes_iguales por_igual mitad_para_cada_uno
metà_e_metà in_parti_uguali metà_ciascuno metà_per_uno a_metà meio_a_meio em_partes_iguais metade_para_cada_um ao_meio
поровну пополам порівну навпіл po_równo pół_na_pół po_połowie ieder_de_helft gelijk_verdelen hälften_var lika_mycket
halvdelen_hver yarı_yarıya eşit_olarak eşit आधा-आधा आधा_आधा बराबर بالتساوي مناصفة النصف_لكل نصف_لكل sama_rata
setengah-setengah
chia_đều mỗi_người_một_nửa μισά_μισά εξίσου fifty-fifty fifty_fifty
平分 均分 平均分 对半 各半 一人一半 各一半 五五开 五五分 半分ずつ 半々 均等 山分け 折半 반반 반씩 절반씩 똑같이 균등
"""
_EACH = """
each apiece both je jeder jedem jeden jeweils chacun chacune cada_uno cada_una ciascuno ciascuna a_testa cada_um каждому
каждый по każdy każdemu każdego po her_birimize her_biri herkese kişi_başı elk ieder var hver masing-masing mỗi_người
दोनों प्रत्येक لكل 每人 各 一人 ずつ 씩 각각 각자
"""
_ALL = """
everything it_all all_of_it the_whole alles tout todo tutto tudo всё все wszystko hepsi hepsini tamamını 全部 全て
全要 すべて 전부 모두 सब सारा كل_شيء semuanya tất_cả alt allt
"""
_NOTHING = """
nothing nichts rien nada niente ничего nic hiçbir_şey 何も 아무것도 niets inget intet कुछ_नहीं
"""


def _some(words: str) -> str:
    """Any of some words, with borders where words have them."""
    ways = sorted(set(folded(words).split()), key=len, reverse=True)
    unspaced = re.compile(rf"[{UNSPACED}\uac00-\ud7af]")
    free = "|".join(re.escape(way) for way in ways if unspaced.match(way))
    bound = "|".join(re.escape(way).replace("_", " ") for way in ways if not unspaced.match(way))
    return rf"(?:(?<!{SPACED})(?:{bound})(?!{SPACED}){'|' + free if free else ''})"


_PART = Late(
    lambda: "|".join(f"(?P<p{place}>{_some(words)})" for place, words in enumerate(_PARTS.values())),
    " ".join(_PARTS.values()),
)
_TENTHS = Late(
    lambda: (
        r"(?<![\d.一二三四五六七八九十])(?P<tenths>[1-9]|[一二两三四五六七八九])\s?(?:成(?![为功长本员立了])|割(?!引)|할(?![\uac00-\ud7af])"
        r"|할(?=[이은을가는]))"
    )
)
_OF_HUNDRED = re.compile(r"百分之(?P<number>[一二三四五六七八九十]{1,5})")
_HUNDREDTHS = re.compile(rf"(?:百分之|yüzde )(?P<number>{NUMERAL})")
_SIGN_FIRST = re.compile(rf"%(?<!\w%)\s?(?P<number>{NUMERAL})")
_DENOMINATED = re.compile(r"(?<!\d)(?P<low>\d{1,3})\s?(?:分之|分の|분의)\s?(?P<high>\d{1,3})(?!\d)")
_SHARE = Late(lambda: rf"(?<![\w.,])(?P<number>{NUMERAL})\s?{_some(_PERCENT)}", _PERCENT)
_THOUSANDS = re.compile(r"(?<![\d.,])(?P<number>\d{1,4})\s?(?P<times>[千천万萬만])(?=\s?[元円원块])")
_AMOUNT = Late(lambda: rf"(?<![\w.,$])(?P<number>{NUMERAL})\s?(?P<unit>{_some(_MONEY)})", _MONEY)
_SIGNED = re.compile(rf"(?<!\w)(?:[€£¥₹₽₺]|r\$|us\$|rs\.?)\s?(?P<number>{NUMERAL})(?![\d%])")
_SIGNS = ("€", "£", "¥", "₹", "₽", "₺", "r$", "us$", "rs")
_POINTS = re.compile(r"[1-9]\d{0,2}(?:\.\d{3})+")
_ZERO = Late(lambda: _some(_NOBODY), _NOBODY)
EVENLY = Late(lambda: rf"{_some(_EVENLY)}|(?<![\d.])50\s?[-/:]\s?50(?!\d)", f"{_EVENLY} 50")
"""What says that all shares are equal, without their labels."""
EACH = Late(lambda: _some(_EACH), _EACH)
ALL = Late(lambda: _some(_ALL), _ALL)
_EACH_OF = Late(lambda: rf"(?<!{SPACED})(?:je|jeweils|chacun|cada uno|ciascuno|elk|var|по|po) (?=\$?\d)")
NOTHING = Late(lambda: _some(_NOTHING), _NOTHING)
_LEFT = Late(
    lambda: (
        rf"\b(?:the|die|les|los|las|i|gli|os|as|de) \$?(?P<number>{NUMERAL})(?: (?:dollars?|euros?|points?))?"
        r" (?:(?:that|which) (?:are|is) left(?: over)?|(?:that|which) remains?|left over|restante?s|qui restent"
        r"|que quedan"
        r"|rimanenti|che (?:restano|rimangono)|que sobram)(?!\w)"
    )
)
_REMAINING = Late(
    lambda: (
        rf"\b(?:(?:the|her|his|their|my) remaining|(?:die|den) (?:restlichen|übrigen|verbleibenden)|de resterende) \$?"
        rf"(?P<number>{NUMERAL})(?! ?(?:%|percent|per cent|prozent)|[\w.,]?\d)"
    )
)
_LEFT_HINTS = ("left", "remain", "rest", "quedan", "sobram", "riman", "übrig", "verbleib")
"""An amount that is called what is left, as "the 20 that are left"."""
_IN = Late(
    lambda: (
        r"(?<![\w/])(?P<part>an?|one|two|three|four|five|une?|deux|trois|quatre|una?|dos|tres|due|tre"
        r"|[1-9])(?: chances?"
        r"| odds"
        r"| posibilidades?| possibilità)? (?:in|out of|sur|de cada|su|von) (?P<of>two|three|four|five|ten|deux|trois"
        r"|quatre|cinq"
        r"|dix|dos|tres|cuatro|cinco|due|tre|quattro|cinque|[2-9]|10|20|100)(?![\w/%.])(?: chances?)?"
    )
)
_CHANCE = re.compile(r"\b(?:chances?|odds|probab|likel|posibilidad|possibilit)")
_HAN = dict(zip("一二两三四五六七八九", (1, 2, 2, 3, 4, 5, 6, 7, 8, 9), strict=True))


def parts_as_percents(text: str) -> str:
    """A text with halves, thirds, quarters and tenths as percentages: "die Hälfte" is "50%", "七成" is "70%"."""
    words = words_in(text)
    if not text.isascii():
        text = _OF_HUNDRED.sub(lambda part: f"{in_digits(part['number'])}%", text)
    if _CHANCE.search(text):
        text = _IN.sub(_chance, text)
    if _PART.may_match(text, words):
        percents = list(_PARTS)
        text = _PART.sub(lambda part: percents[int(str(part.lastgroup)[1:])], text)
    if text.isascii():
        return text
    text = _TENTHS.sub(lambda part: f"{10 * int(_HAN.get(part['tenths'], part['tenths']))}%", text)
    return _DENOMINATED.sub(lambda part: _percent(part["high"], part["low"]), text)


def _chance(part: re.Match[str]) -> str:
    """As in "two in three", with the article as one."""
    one, of = (next((own.value for own in numerals(word)), None) for word in part.group("part", "of"))
    one = int(part["part"]) if part["part"].isdigit() else one or 1
    of = int(part["of"]) if part["of"].isdigit() else of
    return f"{100 * one / of:.12g}%" if of and one <= of else part[0]


def in_one_spelling(text: str, names: Collection[str]) -> str:
    """A text with its amounts as the rules for English write them; words that are `names` of labels stay."""
    words = words_in(text)
    text = _SIGN_FIRST.sub(r"\g<number>%", text) if "%" in text else text
    text = text if text.isascii() else _HUNDREDTHS.sub(r"\g<number>%", text)
    if _SHARE.may_match(text, words):
        text = _SHARE.sub(lambda share: f"{_value(share['number']):.12g}%", text)
    if not text.isascii():
        text = _THOUSANDS.sub(
            lambda many: str(int(many["number"]) * (1_000 if many["times"] in "千천" else 10_000)), text
        )
    if any(sign in text for sign in _SIGNS):
        text = _SIGNED.sub(lambda amount: f"${_value(amount['number']):.12g}", text)
    if _AMOUNT.may_match(text, words):
        text = _AMOUNT.sub(
            lambda amount: amount[0] if amount["unit"] in names else f"${_value(amount['number']):.12g}", text
        )
    text = _EACH_OF.sub("each ", text)
    if any(hint in text for hint in _LEFT_HINTS):
        text = _LEFT.sub(r"$\g<number>", _REMAINING.sub(r"$\g<number>", text))
    return _ZERO.sub("0%", text) if "%" in text and _ZERO.may_match(text, words) else text


def _percent(part: str, of: str) -> str:
    return f"{100 * int(part) / int(of):.12g}%" if int(of) else part


def _value(number: str) -> float:
    """The number of an amount of money, where a point before three digits parts thousands."""
    return float(number.replace(".", "")) if _POINTS.fullmatch(number) else value_of(number)
