"""Units: the ways in which a number's unit is written, and which other unit a number has."""

import re
from collections.abc import Sequence

from grace.studies.reading.languages import SPACED, folded
from grace.studies.reading.late import Late
from grace.studies.reading.text import plain

_FAMILIES = """
% percent per_cent pct prozent pour_cent pour_cents pourcent por_ciento por_cento per_cento procent procenta
 prosent процент* yüzde persen phần_trăm
 퍼센트 프로 प्रतिशत শতাংশ เปอร์เซ็นต์ パーセント بالمئة في_المئة درصد
$ dollar dollars usd bucks us$ dólar* dollari долл* 美元 ドル 달러
€ euro euros eur evro евро 欧元 ユーロ 유로 يورو
£ pound pounds gbp quid pfund livre* libra* sterlin*
¥ yen 円
元 块 块钱 圆 人民币 rmb cny yuan
원 won 원을
₹ rupee rupees rupien rs रुपये रुपए रुपया टका টাকা
₽ руб рубл* rub rouble* rubel
tl lira lirası ₺ try
zł złot* pln
kr krona kronor kroner kr. sek nok dkk
ریال ريال* ریال* riyal riyals sar
cent cents centimes céntimos centavos centesimi копе*
second seconds sec secs s sekunde* seconde* segundo* secondi sekund* секунд* 秒 초
minute minutes min mins minuten minuto minutos minuti minuut minuter minutter минут* minut* dakika मिनट মিনিট
 นาที 分钟 分鐘 分間 분
 دقيقة دقائق دقیقه phút menit
hour hours hr hrs h stunde* heure* hora* ora ore uur timmar timer час* godzin* saat घंट* ঘন্টা ชั่วโมง 小时 時間
 시간 ساعة ساعات ساعت giờ jam
day days tag tage tagen jour jours día* dia dias giorn* dag dagen dagar день дн* dni gün दिन দিন วัน 天 日間 일
 يوم أيام روز ngày hari
week weeks woche* semaine* semana* settiman* weken vecka* veckor недел* tydzień tygodni* hafta सप्ताह সপ্তাহ
 สัปดาห์ 周 週間 주 أسبوع tuần minggu
month months monat* mois mes meses mese mesi maand* månad* месяц* miesi* ay महीन* মাস เดือน 个月 か月 ヶ月 개월 شهر
 tháng bulan
year years yr yrs yo jahr jahre jahren jährig* an ans année* año* ano anos anni jaar år год* лет lat rok lata
 yaş yaşında yıl साल वर्ष বছর বয়স ปี
 岁 歲 歳 才 年 세 살 년 سنة سنوات عام عامًا عاما عامًا سال ساله tuổi năm tahun
mm millimetre* millimeter*
cm centimetre* centimeter* zentimeter* centímetro* centimetri сантиметр* 厘米 センチ 센티미터 ซม
km kilometre* kilometer* kilómetro* quilómetro* quilômetro* chilometr* километр* км 公里 千米 キロ 킬로미터 किलोमीटर
 কিলোমিটার กิโลเมตร كيلومتر* کیلومتر*
m metre metres meter meters mètre* metro metros metri метр* 米 メートル 미터 मीटर
mile miles mi meile* milla*
foot feet ft
lb lbs pounds stone
ounce ounces oz
litre* liter* litro* литр* リットル 升 리터
inch inches in
kg kilo kilos kilogram* kilogramm* quilo* килограмм* кг 公斤 千克 キログラム 킬로그램 किलो কেজি กิโลกรัม
 كيلوغرام* کیلوگرم
g gram grams gramm* gramme* gramo* 克 グラム 그램
°c celsius c degree degrees grad degré* grado* gradi grader graden градус* 度 도 डिग्री °
°f fahrenheit
people persons person personen personne* persona* persone pessoa* человек* mensen osób kişi लोग 人 명 名 คน
"""
"""Units and other ways to write them: one unit a line (a line that begins with a space goes on), `*` is any ending."""
_SHORT = frozenset(("%", "$", "h", "lb", "oz", "ft", "km", "kg", "cm", "mm"))
"""Units of one or two letters that mean nothing else behind a number."""
ENDING = r"(?:s|es)?"
_OLD = r"(?:[\s-]old\b| of age\b| alt\b|[-\s]?jährig\w*)?"


ROWS = [folded(row).split() for row in _FAMILIES.strip().replace("\n ", " ").splitlines()]


def pattern_of(units: Sequence[str]) -> str:
    """A regular expression of units behind a number, in all ways to write them; it matches nothing without any."""
    ways = {way for unit in units for way in _ways(plain(unit).strip().rstrip("."))}
    return _behind(ways) + _OLD if ways else "(?!)"


def others_than(units: Sequence[str]) -> Late:
    """A regular expression of the units that are none of these; it matches nothing without any."""
    return Late(lambda: _others_than(units) if units else "(?!)")


def _others_than(units: Sequence[str]) -> str:
    own = {plain(unit).strip().rstrip(".") for unit in units}
    rows = [row for row in ROWS if not own & set(row) and not any(_fits(row, unit) for unit in own)]
    ways = {way for row in rows for way in row if len(way) > 2 or not way.isascii() or way in _SHORT}
    return _behind(ways - own)


def _fits(row: Sequence[str], unit: str) -> bool:
    return any(way.endswith("*") and unit.startswith(way[:-1]) for way in row) or unit.removesuffix("s") in row


def _ways(unit: str) -> list[str]:
    """All ways to write a unit: those of its row, and the singular or another ending of its own."""
    own = next((row for row in ROWS if unit in row or _fits(row, unit)), [])
    stem = unit.removesuffix("s") if len(unit) > 3 else unit
    endless = len(stem) > 2 and not stem.isascii()
    return [*own, unit, stem, stem + "s", *([stem + "*"] if endless else [])]


def _behind(ways: set[str]) -> str:
    """A regular expression of any of some units, with the border that a word has."""
    any_of = "|".join(
        re.escape(way).replace("_", r"[\s-]?").replace(r"\*", r"\w{0,6}") for way in sorted(ways, key=len, reverse=True)
    )
    return rf"(?:\s|-(?=\w))?(?:{any_of})(?:(?<=[^\w])|(?!{SPACED})(?![\u0300-\u036f]))"
