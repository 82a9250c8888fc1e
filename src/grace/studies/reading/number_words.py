"""Words for numbers, in the languages that models answer in: one language a line, from zero on."""

from grace.studies.reading.languages import folded

NUMBERS = """
zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
 seventeen eighteen
null eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn fünfzehn sechzehn
 siebzehn achtzehn
zéro un deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize
cero uno dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince dieciséis diecisiete
 dieciocho
zero uno due tre quattro cinque sei sette otto nove dieci undici dodici tredici quattordici quindici sedici
 diciassette
zero um dois três quatro cinco seis sete oito nove dez onze doze treze quatorze quinze dezesseis dezessete dezoito
nul één twee drie vier vijf zes zeven acht negen tien elf twaalf dertien veertien vijftien zestien zeventien achttien
noll ett två tre fyra fem sex sju åtta nio tio elva tolv tretton fjorton femton sexton sjutton arton
nul en to tre fire fem seks syv otte ni ti elleve tolv tretten fjorten femten seksten sytten atten
ноль один два три четыре пять шесть семь восемь девять десять одиннадцать двенадцать тринадцать четырнадцать
нуль одна дві три чотири п'ять шість сім вісім дев'ять десять
zero jeden dwa trzy cztery pięć sześć siedem osiem dziewięć dziesięć jedenaście dwanaście trzynaście czternaście
nula jedna dva tři čtyři pět šest sedm osm devět deset jedenáct dvanáct třináct čtrnáct patnáct šestnáct sedmnáct
zero unu doi trei patru cinci șase șapte opt nouă zece
nulla egy kettő három négy öt hat hét nyolc kilenc tíz
nolla yksi kaksi kolme neljä viisi kuusi seitsemän kahdeksan yhdeksän kymmenen
μηδέν ένα δύο τρία τέσσερα πέντε έξι επτά οκτώ εννέα δέκα
אפס אחת שתיים שלוש ארבע חמש שש שבע שמונה תשע עשר
பூஜ்யம் ஒன்று இரண்டு மூன்று நான்கு ஐந்து ஆறு ஏழு எட்டு ஒன்பது பத்து
शून्य एक दोन तीन चार पाच सहा सात आठ नऊ दहा
sıfır bir iki üç dört beş altı yedi sekiz dokuz on
शून्य एक दो तीन चार पाँच छह सात आठ नौ दस ग्यारह बारह तेरह चौदह पंद्रह सोलह सत्रह अठारह
শূন্য এক দুই তিন চার পাঁচ ছয় সাত আট নয় দশ এগারো বারো তেরো চৌদ্দ পনেরো ষোলো সতেরো আঠারো
సున్నా ఒకటి రెండు మూడు నాలుగు ఐదు ఆరు ఏడు ఎనిమిది తొమ్మిది పది
ศูนย์ หนึ่ง สอง สาม สี่ ห้า หก เจ็ด แปด เก้า สิบ
صفر واحد اثنان ثلاثة أربعة خمسة ستة سبعة ثمانية تسعة عشرة
صفر یک دو سه چهار پنج شش هفت هشت نه ده یازده دوازده سیزده چهارده پانزده شانزده هفده هجده
không một hai ba bốn năm sáu bảy tám chín mười
nol satu dua tiga empat lima enam tujuh delapan sembilan sepuluh sebelas
sifuri moja mbili tatu nne tano sita saba nane tisa kumi
零 一 二 三 四 五 六 七 八 九 十
영 일 이 삼 사 오 육 칠 팔 구 십
"""
MORE_NUMBERS = """
1 ein eine einen een une una uma
2 zwo две dwie двойка двойку
3 тройка тройку trójka trójkę
4 четвёрка четвёрку четверка четверку czwórka czwórkę τέσσερις
5 пятёрка пятёрку пятерка пятерку piątka piątkę
6 шестёрка шестёрку шестерка шестерку szóstka szóstkę
7 семёрка семёрку семерка семерку siódemka siódemkę εφτά
8 восьмёрка восьмёрку восьмерка восьмерку ósemka ósemkę åtte οχτώ
9 девятка девятку dziewiątka dziewiątkę
10 десятка десятку dziesiątka dziesiątkę
5 lăm
15 пятнадцать piętnaście
16 шестнадцать szesnaście dezasseis
17 семнадцать siedemnaście dezassete
18 восемнадцать osiemnaście osmnáct diciotto
19 nineteen neunzehn diecinueve diciannove dezenove dezanove negentien nitton nitten девятнадцать
19 dziewiętnaście उन्नीस উনিশ
20 twenty zwanzig vingt vingts veinte venti vinte twintig tjugo tyve двадцать dwadzieścia dvacet yirmi बीस বিশ
20 عشرون عشرين بیست
21 veintiuno veintiún veintiuna इक्कीस একুশ
22 veintidós बाईस বাইশ
23 veintitrés तेईस তেইশ
24 veinticuatro चौबीस চব্বিশ
25 veinticinco पच्चीस পঁচিশ
26 veintiséis छब्बीस ছাব্বিশ
27 veintisiete सत्ताईस সাতাশ
28 veintiocho अट्ठाईस আটাশ
29 veintinueve उनतीस ঊনত্রিশ
30 thirty dreißig dreissig trente treinta trenta trinta dertig trettio tredive tretti тридцать trzydzieści
30 třicet otuz तीस ত্রিশ
30 ثلاثون ثلاثين سی
35 पैंतीस পঁয়ত্রিশ
40 forty vierzig quarante cuarenta quaranta quarenta veertig fyrtio fyrre førti сорок czterdzieści čtyřicet
40 kırk चालीस চল্লিশ
40 أربعون أربعين چهل
45 पैंतालीस পঁয়তাল্লিশ
50 fifty fünfzig cinquante cincuenta cinquanta cinquenta vijftig femtio halvtreds femti пятьдесят pięćdziesiąt
50 padesát elli
50 पचास পঞ্চাশ خمسون خمسين پنجاه
55 पचपन
60 sixty sechzig soixante sesenta sessanta sessenta zestig sextio tres seksti шестьдесят sześćdziesiąt šedesát
60 altmış साठ ষাট
60 ستون ستين شصت
65 पैंसठ পঁয়ষট্টি
70 seventy siebzig septante setenta settanta zeventig sjuttio halvfjerds sytti семьдесят siedemdziesiąt
70 sedmdesát yetmiş सत्तर সত্তর
70 سبعون سبعين هفتاد
72 बहत्तर
75 पचहत्तर পঁচাত্তর
80 eighty achtzig huitante octante ochenta ottanta oitenta tachtig åttio firs åtti восемьдесят osiemdziesiąt
80 osmdesát seksen अस्सी আশি
80 ثمانون ثمانين هشتاد
85 पचासी
90 ninety neunzig nonante noventa novanta negentig nittio halvfems nitti девяносто dziewięćdziesiąt devadesát
90 doksan नब्बे নব্বই
90 تسعون تسعين نود
95 पंचानवे
100 hundred hundert cent cents cien ciento cento cem honderd hundra hundrede сто sto yüz सौ একশ مئة مائة صد
200 doscientos doscientas duzentos duzentas двести dwieście مئتان مئتين دویست
300 trescientos trescientas trezentos триста trzysta سیصد
400 cuatrocientos quatrocentos четыреста czterysta چهارصد
500 quinientos quinhentos пятьсот pięćset پانصد
600 seiscientos seiscentos шестьсот sześćset
700 setecientos setecentos семьсот siedemset
800 ochocientos oitocentos восемьсот osiemset
900 novecientos novecentos девятьсот dziewięćset
1000 thousand tausend mille mila mil duizend tusen tusind тысяча тысячи тысяч tysiąc tysiące tysięcy tisíc bin
1000 हज़ार হাজার ألف هزار
1000000 million millón milione milhão миллион milyon miljoen miljon milion
12 dozen dutzend douzaine docena dozzina dúzia dozijn dussin дюжина
"""
"""Further words for numbers: the number, and its words in any language."""
TIMES = """
10 puluh mươi
12 dozen dutzend douzaine douzaines docena docenas dozzina dozzine dúzia dúzias dozijn dussin
100 hundred hundert cent cents hundra hundrede honderd ratus trăm yüz सौ শ
1000 thousand tausend mille mila mil duizend tusen tusind тысяча тысячи тысяч tysiąc tysiące tysięcy ribu
1000 nghìn bin हज़ार হাজার ألف هزار tysiąc tysiące tysięcy tysiąca tisíc
1000000 million millionen millions millón millones milione milioni milhão milhões miljoen miljoner миллион миллиона
1000000 миллионов juta milyon milion miliony milionów miliona
"""
"""Words that multiply the number before them."""
ORDINARY = """
a an one un une uno una um uma ein eine einen eins een één ett en to on once sei due sex ni ti tio tre tres
sto bin mil mille
cem bir elf million hai ba năm một dix null nul nula fire fem firs cent cents ten dos doi opt deset tano dua
trei osm sept egy hat nulla ένα אחת
एक दो सौ एक দুই এক دو سه نه ده یک سی واحد صد six zero
"""
"""Numerals that are other words as well, in their own language or in another."""
ROMAN = dict(zip(["ii", "iii", "iv", "vi", "vii", "viii", "ix"], (2, 3, 4, 6, 7, 8, 9), strict=True))
"""Roman numerals; the others are letters and words as well."""


def number_words() -> dict[str, int]:
    """Words for numbers in all of these languages, each a single word."""
    rows = (folded(line).split() for line in NUMBERS.strip().replace("\n ", " ").splitlines())
    words = {word: number for row in rows for number, word in enumerate(row)}
    further = (folded(line).split() for line in MORE_NUMBERS.strip().splitlines())
    return {word: int(number) for number, *row in further for word in row} | words
