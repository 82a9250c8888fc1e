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
нуль одна дві три чотири п'ять шість сім вісім дев'ять десять одинадцять дванадцять тринадцять чотирнадцять
 п'ятнадцять шістнадцять сімнадцять вісімнадцять дев'ятнадцять двадцять
нула едно две три четири пет шест седем осем девет десет единадесет дванадесет тринадесет четиринадесет петнадесет
 шестнадесет седемнадесет осемнадесет деветнадесет двадесет
nula jeden dva tri štyri päť šesť sedem osem deväť desať jedenásť dvanásť trinásť štrnásť pätnásť šestnásť sedemnásť
 osemnásť devätnásť dvadsať
nula jedan dva tri četiri pet šest sedam osam devet deset jedanaest dvanaest trinaest četrnaest petnaest šesnaest
 sedamnaest osamnaest devetnaest dvadeset
zero jeden dwa trzy cztery pięć sześć siedem osiem dziewięć dziesięć jedenaście dwanaście trzynaście czternaście
nula jedna dva tři čtyři pět šest sedm osm devět deset jedenáct dvanáct třináct čtrnáct patnáct šestnáct sedmnáct
zero unu doi trei patru cinci șase șapte opt nouă zece unsprezece doisprezece treisprezece paisprezece cincisprezece
 șaisprezece șaptesprezece optsprezece nouăsprezece douăzeci
nulla egy kettő három négy öt hat hét nyolc kilenc tíz
nolla yksi kaksi kolme neljä viisi kuusi seitsemän kahdeksan yhdeksän kymmenen
μηδέν ένα δύο τρία τέσσερα πέντε έξι επτά οκτώ εννέα δέκα έντεκα δώδεκα δεκατρία δεκατέσσερα δεκαπέντε δεκαέξι
 δεκαεπτά δεκαοκτώ δεκαεννέα είκοσι
אפס אחת שתיים שלוש ארבע חמש שש שבע שמונה תשע עשר
אפס אחד שניים שלושה ארבעה חמישה שישה שבעה שמונה תשעה עשרה
பூஜ்யம் ஒன்று இரண்டு மூன்று நான்கு ஐந்து ஆறு ஏழு எட்டு ஒன்பது பத்து
शून्य एक दोन तीन चार पाच सहा सात आठ नऊ दहा अकरा बारा तेरा चौदा पंधरा सोळा सतरा अठरा एकोणीस वीस
sıfır bir iki üç dört beş altı yedi sekiz dokuz on
शून्य एक दो तीन चार पाँच छह सात आठ नौ दस ग्यारह बारह तेरह चौदह पंद्रह सोलह सत्रह अठारह उन्नीस बीस इक्कीस बाईस तेईस
 चौबीस पच्चीस छब्बीस सत्ताईस अट्ठाईस उनतीस तीस इकतीस बत्तीस तैंतीस चौंतीस पैंतीस छत्तीस सैंतीस अड़तीस उनतालीस चालीस
 इकतालीस बयालीस तैंतालीस चौवालीस पैंतालीस छियालीस सैंतालीस अड़तालीस उनचास पचास इक्यावन बावन तिरपन चौवन पचपन छप्पन सत्तावन
 अट्ठावन उनसठ साठ इकसठ बासठ तिरसठ चौंसठ पैंसठ छियासठ सड़सठ अड़सठ उनहत्तर सत्तर इकहत्तर बहत्तर तिहत्तर चौहत्तर पचहत्तर
 छिहत्तर सतहत्तर अठहत्तर उनासी अस्सी इक्यासी बयासी तिरासी चौरासी पचासी छियासी सत्तासी अट्ठासी नवासी नब्बे इक्यानवे बानवे
 तिरानवे चौरानवे पंचानवे छियानवे सत्तानवे अट्ठानवे निन्यानवे
শূন্য এক দুই তিন চার পাঁচ ছয় সাত আট নয় দশ এগারো বারো তেরো চৌদ্দ পনেরো ষোলো সতেরো আঠারো উনিশ বিশ একুশ বাইশ তেইশ
 চব্বিশ পঁচিশ ছাব্বিশ সাতাশ আটাশ ঊনত্রিশ ত্রিশ একত্রিশ বত্রিশ তেত্রিশ চৌত্রিশ পঁয়ত্রিশ ছত্রিশ সাঁইত্রিশ আটত্রিশ
 ঊনচল্লিশ চল্লিশ একচল্লিশ বিয়াল্লিশ তেতাল্লিশ চুয়াল্লিশ পঁয়তাল্লিশ ছেচল্লিশ সাতচল্লিশ আটচল্লিশ ঊনপঞ্চাশ পঞ্চাশ
 একান্ন বায়ান্ন তিপ্পান্ন চুয়ান্ন পঞ্চান্ন ছাপ্পান্ন সাতান্ন আটান্ন ঊনষাট ষাট একষট্টি বাষট্টি তেষট্টি চৌষট্টি
 পঁয়ষট্টি ছেষট্টি সাতষট্টি আটষট্টি ঊনসত্তর সত্তর একাত্তর বাহাত্তর তিয়াত্তর চুয়াত্তর পঁচাত্তর ছিয়াত্তর সাতাত্তর
 আটাত্তর ঊনআশি আশি একাশি বিরাশি তিরাশি চুরাশি পঁচাশি ছিয়াশি সাতাশি আটাশি ঊননব্বই নব্বই একানব্বই বিরানব্বই
 তিরানব্বই চুরানব্বই পঁচানব্বই ছিয়ানব্বই সাতানব্বই আটানব্বই নিরানব্বই
సున్నా ఒకటి రెండు మూడు నాలుగు ఐదు ఆరు ఏడు ఎనిమిది తొమ్మిది పది
ศูนย์ หนึ่ง สอง สาม สี่ ห้า หก เจ็ด แปด เก้า สิบ
صفر واحد اثنان ثلاثة أربعة خمسة ستة سبعة ثمانية تسعة عشرة
صفر أحد اثنا ثلاث أربع خمس ست سبع ثماني تسع عشر
صفر ایک دو تین چار پانچ چھ سات آٹھ نو دس
صفر یک دو سه چهار پنج شش هفت هشت نه ده یازده دوازده سیزده چهارده پانزده شانزده هفده هجده
không một hai ba bốn năm sáu bảy tám chín mười
nol satu dua tiga empat lima enam tujuh delapan sembilan sepuluh sebelas
sifuri moja mbili tatu nne tano sita saba nane tisa kumi
零 一 二 三 四 五 六 七 八 九 十
영 일 이 삼 사 오 육 칠 팔 구 십
"""
MORE_NUMBERS = """
1 ein eine einen een une una uma
1 jedna jedno jednu одно однa один إحدى μία μια en
2 zwo две dwie двойка двойку dvě dve dvije dvoje două kettő két اثنين اثنتا اثنتان اثنتين שני שתי
3 тройка тройку trójka trójkę τρεις
4 четвёрка четвёрку четверка четверку czwórka czwórkę τέσσερις
5 пятёрка пятёрку пятерка пятерку piątka piątkę
6 шестёрка шестёрку шестерка шестерку szóstka szóstkę
7 семёрка семёрку семерка семерку siódemka siódemkę εφτά
8 восьмёрка восьмёрку восьмерка восьмерку ósemka ósemkę åtte οχτώ
9 девятка девятку dziewiątka dziewiątkę εννιά
8 ثمان lapan
11 sebelas
100 seratus
1000 seribu
1000000 sejuta
17 δεκαεφτά
18 δεκαοχτώ
19 devatenáct نوزده
10 десятка десятку dziesiątka dziesiątkę
1 etta ykkönen ykkösen единица единицу jednička jedničku jedynka jedynkę egyes einser eentje
2 tvåa kakkonen kakkosen двоечка двоечку двійка двійку dvojka dvojku dwójka dwójkę kettes zweier tweetje toer
3 trea kolmonen kolmosen троечка троечку трійка трійку trojka trojku hármas dreier drietje treer
4 nelonen nelosen четвёрочка четвёрочку четверочка четверочку четвірка четвірку čtyřka čtyřku négyes vierer viertje
5 femma viitonen viitosen пятёрочка пятёрочку пятерочка пятерочку п'ятірка п'ятірку pětka pětku ötös fünfer
5 vijfje femmer
6 sexa kuutonen kuutosen šestka šestku hatos sechser zesje sekser
7 sjua seiska seiskan sedmička sedmičku hetes zeventje
8 osmička osmičku nyolcas achtje
9 devítka devítku kilences negentje
10 kymppi kympin desítka desítku tízes tientje
5 lăm
15 пятнадцать piętnaście
16 шестнадцать szesnaście dezasseis
17 семнадцать siedemnaście dezassete
18 восемнадцать osiemnaście osmnáct diciotto
19 nineteen neunzehn diecinueve diciannove dezenove dezanove negentien nitton nitten девятнадцать
19 dziewiętnaście
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
1000000 million millón milione milhão миллион milyon miljoen miljon milion milión мільйон милион مليون میلیون
1000000 εκατομμύριο
20 vingt
30 тридцять тридесет tridsať trideset treizeci τριάντα שלושים तेस harminc
40 сорок четиридесет štyridsať četrdeset patruzeci σαράντα ארבעים चाळीस negyven
50 п'ятдесят петдесет päťdesiat pedeset cincizeci πενήντα חמישים पन्नास ötven
60 шістдесят шестдесет šesťdesiat šezdeset šaizeci șaizeci εξήντα שישים hatvan
70 сімдесят седемдесет sedemdesiat sedamdeset șaptezeci εβδομήντα שבעים hetven
80 вісімдесят осемдесет osemdesiat osamdeset optzeci ογδόντα שמונים ऐंशी nyolcvan
90 дев'яносто деветдесет deväťdesiat devedeset nouăzeci ενενήντα תשעים नव्वद kilencven
20 húsz עשרים
100 száz sata εκατό εκατόν מאה शंभर سو مئتا
200 двісті двеста dvesto dvjesto dvesta διακόσια διακόσιες מאתיים مائتان مائتين
300 триста tristo τριακόσια τριακόσιες ثلاثمائة ثلاثمئة
400 чотириста четиристотин štyristo četiristo τετρακόσια τετρακόσιες أربعمائة أربعمئة
500 п'ятсот петстотин päťsto petsto πεντακόσια πεντακόσιες خمسمائة خمسمئة
600 шістсот шестстотин šesťsto šesto εξακόσια εξακόσιες ستمائة ستمئة ششصد
700 сімсот седемстотин sedemsto sedamsto επτακόσια εφτακόσια επτακόσιες سبعمائة سبعمئة هفتصد
800 вісімсот осемстотин osemsto osamsto οκτακόσια οχτακόσια οκτακόσιες ثمانمائة ثمانمئة ثمانيمائة هشتصد
900 дев'ятсот деветстотин deväťsto devetsto εννιακόσια εννιακόσιες تسعمائة تسعمئة نهصد
300 trista
1000 тисяча хиляда hiljada tisuća ezer tuhat χίλια χίλιες אלף ہزار
2000 ألفان ألفين אלפיים
100000 लाख লাখ লক্ষ لاکھ
10000000 करोड़ কোটি کروڑ
12 dozen dutzend douzaine docena dozzina dúzia dozijn dussin дюжина
"""
"""Further words for numbers: the number, and its words in any language."""
TIMES = """
10 puluh mươi chục dizaines decenas
12 dozen dutzend douzaine douzaines docena docenas dozzina dozzine dúzia dúzias dozijn dussin
100 hundred hundert cent cents hundra hundrede honderd ratus trăm yüz सौ শ sta stě set sute sataa száz centaines
100 centenares מאות مئة مائة سو শো
1000 thousand tausend mille mila mil duizend tusen tusind tusinde тысяча тысячи тысяч ribu nghìn ngàn bin
1000 हज़ार हजार হাজার ألف هزار آلاف ہزار tysiąc tysiące tysięcy tysiąca tisíc tisíce tisíců tisíce тисяча тисячі тисяч
1000 хиляди hiljade hiljada hiljadu tisuće tisuća mii tuhatta ezer χιλιάδες אלף אלפים milliers grand
100000 lakh lakhs लाख लाखों লাখ লক্ষ لاکھ
1000000 million millionen millions millón millones milione milioni milhão milhões miljoen miljoner миллион миллиона
1000000 миллионов juta milyon milion miliony milionów miliona milionů milióny miliónov milijun milijuna milijuni
1000000 мільйон мільйони мільйонів милион милиона milioane triệu مليون ملايين میلیون εκατομμύρια εκατομμύριο
1000000 miljoona miljoonaa millió מיליון
10000000 crore crores करोड़ কোটি کروڑ
1000000000 billion milliarde milliarden milliard milliards miliardo miliardi миллиард миллиарда миллиардов
1000000000 мільярд мільярди мільярдів miliard miliardy miliardów miliardů miljard miljarder milyar miliar tỷ
"""
"""Words that multiply the number before them."""
HALVES = """
1.5 anderthalb eineinhalb einenhalb anderhalf полтора полторы полутора півтора півтори půldruhého půldruhé poldruha
1.5 półtora półtorej halvanden halvandet halvannan halvannen másfél puolitoista ενάμισι ενάμιση μιάμιση डेढ़ দেড় ڈیڑھ दीड
2.5 zweieinhalb zweienhalb tweeënhalf tweeëneenhalf δυόμισι δυόμιση ढाई अढ़ाई আড়াই ڈھائی अडीच
3.5 dreieinhalb dreienhalb drieënhalf drieëneenhalf τρεισήμισι τρεισήμιση
4.5 viereinhalb vierenhalb vierenhalf viereneenhalf
5.5 fünfeinhalb fünfenhalf vijfenhalf vijfeneenhalf
6.5 sechseinhalb zesenhalf zeseneenhalf
7.5 siebeneinhalb zevenenhalf zeveneneenhalf
8.5 achteinhalb achtenhalf achteneenhalf
9.5 neuneinhalb negenenhalf negeneneenhalf
"""
"""Words for a number and a half."""
ADDED = """
0.5 साढ़े সাড়ে ساڑھے साडे
0.25 सवा সোয়া سوا सव्वा
-0.25 पौने পৌনে پونے पावणे
"""
"""Words that add a part to the number behind them, before it is multiplied: "साढ़े तीन हज़ार" is 3,500."""
ONLY_AFTER = {
    "sta": "tři čtyři tri štyri",
    "stě": "dvě",
    "set": "pět šest sedm osm devět",
    "sute": "două trei patru cinci șase șapte opt nouă",
    "mii": "două trei patru cinci șase șapte opt nouă zece",
    "grand": "one two three four five six seven eight nine ten twelve fifteen twenty thirty forty fifty",
    "decenas": "dos tres cuatro cinco",
}
"""Words that multiply only these, as they are other words elsewhere."""

ORDINARY = """
a an one un une uno una um uma ein eine einen eins een één ett en to on once sei due sex ni ti tio tre tres
sto bin mil mille
cem bir elf million hai ba năm một dix null nul nula fire fem firs cent cents ten dos doi opt deset tano dua
trei osm sept egy hat nulla ένα אחת
एक दो सौ एक দুই এক دو سه نه ده یک سی واحد صد six zero
pet jedna jedno jednu tri одно один نو چار أحد إحدى ست سو μία μια אחד שני שתי két sata tuhat
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
