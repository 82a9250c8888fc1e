"""Words that surround answers, in the languages that models answer in: one language a line, English first.

A `_` is a space, a `*` any ending. The lists need not be complete: a word that is missing costs a reading, never
makes
a false one.
"""

import re
import unicodedata

UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff\uf900-\ufaff"
"""Scripts that do not part words by spaces: Thai, Lao, Burmese, Khmer, Chinese and Japanese."""
SPACED = rf"[^\W{UNSPACED}\uac00-\ud7af]"
"""A letter or digit of other scripts; Korean adds endings to words and numbers without a space."""
ANSWER = """
answer response rating score choice verdict judgment judgement decision selection option conclusion evaluation grade
pick guess estimate assessment reply label category position stance vote opinion value number result rank ranking
likelihood probability price age amount
antwort bewertung note wahl urteil schätzung
réponse choix évaluation estimation
respuesta elección opción puntuación calificación valoración
risposta scelta voto valutazione
resposta escolha opção nota avaliação
antwoord keuze beoordeling svar vastaus
ответ* оценк* выбор вариант відповідь оцінка odpowied* ocena wybór odpověď hodnocení răspuns* válasz* απάντηση
cevap* cevab* yanıt* puan* seçenek* tahmin*
उत्तर जवाब रेटिंग विकल्प উত্তর రేటింగ్ సమాధానం జవాబు பதில்
คำตอบ คะแนน ตัวเลือก
إجابت* الإجابة الاجابة الجواب جواب الخيار تقييم* תשובה* התשובה پاسخ
答案 回答 答え 選択 选项 选择 評価 评分 评价 정답 대답 답변 답 응답 평점 점수
trả_lời đáp_án jawaban pilihan jibu sagot
"""
IS = """
is was be being would_be will_be as to at of
ist lautet wäre est serait es sería è sarebbe é seria är er jest
هي هو 是 为 為 は 이 은 는 가 คือ là adalah است
"""
CHOOSE = """
ich_würde ich_wähle ich_gebe ich_sage ich_bewerte bewerte_ich ich_vergebe ich_entscheide ich_tippe ich_stufe ich_nehme
ich_schätze würde_ich gebe_ich wähle_ich vergebe_ich sage_ich schätze_ich das_ist es_ist lui_donne* lui_mets
c'est_un c'est_une es_un es_una è_un è_una
je_choisi* je_donne* je_dirais je_mets je_mettrais je_réponds je_note je_classe je_sélectionne j'attribu* j'évalu*
j'opte
elijo elegiría escojo escogería diría daría pondría doy pongo calificaría puntuaría respondo selecciono optaría merece
scelgo sceglierei direi darei do_un metterei assegno rispondo merita
escolho escolheria diria daria darei avaliaria dou
ik_kies ik_zou ik_geef ik_zeg jag_väljer jag_skulle jag_ger jag_svarar jeg_vælger jeg_velger jeg_ville jeg_gir
jeg_giver
я_бы я_выб* я_отве* я_став* я_оцен* я_дал* я_скаж* выбираю выберу ставлю wybieram oceniam daję vybírám
seçiyorum أختار سأختار اختار أقول أعطي tôi_chọn tôi_cho tôi_sẽ saya_memilih saya_akan saya_memberi saya_pilih
เลือก ให้ ตอบ 我会选择 我会选 我会给 我选择 我選擇 我选 我選 我给 我給 我打 我认为是 选择 選擇 选 選 给 給 打
"""
THUS = """
so therefore thus hence overall in_conclusion in_short all_in_all ultimately finally in_the_end in_summary to_conclude
also daher deshalb somit donc alors por_tanto por_lo_tanto entonces quindi allora portanto então dus daarom därför
поэтому итак значит इसलिए তাই కాబట్టి 따라서 그래서 したがって よって だから 所以 因此 故 ดังนั้น لذلك إذن vậy jadi
"""
GOES_ON = """
because since as for given on due which but and here too overall again now would is was are seems feels fits though
although while based in with when considering that i it he she they this we you the there if at so to by from or then
instead however
weil denn da von auf für geben vergeben wählen sagen nehmen ist
car parce puisque sur pour à au de parmi est
porque ya de sobre para a al por es perché su per a di è pois para em é
omdat van op потому так из для за vì karena çünkü üzerinden क्योंकि কারণ ఎందుకంటే
"""
NOT = """
not never neither nor cannot without rather_than instead_of as_opposed_to except avoid* reject* exclud* eliminat*
versus vs
ruling_out rule_out no_evidence no_reason no_indication no_need no_sign no_basis no_longer than unlike
nicht keine keinen kein statt pas au_lieu no_es no_diría no_elegiría no_creo nunca non não niet не nie
不是 不会 没有 并非 ไม่ नहीं ではな
"""
BUT = "but sondern aber mais sino pero ma mas а но 但"
IF = "unless suppose supposing imagine wenn falls si se если 如果 यदि अगर"
NUMBERS = """
zero one two three four five six seven eight nine ten
null eins zwei drei vier fünf sechs sieben acht neun zehn
zéro un deux trois quatre cinq six sept huit neuf dix
cero uno dos tres cuatro cinco seis siete ocho nueve diez
zero uno due tre quattro cinque sei sette otto nove dieci
zero um dois três quatro cinco seis sete oito nove dez
nul één twee drie vier vijf zes zeven acht negen tien
noll ett två tre fyra fem sex sju åtta nio tio
ноль один два три четыре пять шесть семь восемь девять десять
zero jeden dwa trzy cztery pięć sześć siedem osiem dziewięć dziesięć
sıfır bir iki üç dört beş altı yedi sekiz dokuz on
शून्य एक दो तीन चार पाँच छह सात आठ नौ दस
শূন্য এক দুই তিন চার পাঁচ ছয় সাত আট নয় দশ
సున్నా ఒకటి రెండు మూడు నాలుగు ఐదు ఆరు ఏడు ఎనిమిది తొమ్మిది పది
ศูนย์ หนึ่ง สอง สาม สี่ ห้า หก เจ็ด แปด เก้า สิบ
صفر واحد اثنان ثلاثة أربعة خمسة ستة سبعة ثمانية تسعة عشرة
零 一 二 三 四 五 六 七 八 九 十
영 일 이 삼 사 오 육 칠 팔 구 십
"""


TAKEN_BACK = """
wait on_second_thought on_reflection upon_reflection on_further upon_further scratch_that correction let_me_re*
let_me_correct
let_me_change let_me_adjust i_take_that_back i_take_it_back i_change_my i_changed_my i_was_wrong i_made_a_mistake
i_misread
i_reconsider i_revise my_mistake make_that thinking_again changed_my_mind i_meant revised revising reconsidering hmm
sorry,_i actually, no,_that no,_it
doch_eher doch_lieber bei_näherer warte à_la_réflexion finalement attends attendez pensándolo mejor_dicho espere espera
ripensandoci aspetta pensando_bem подумав хотя_нет подожди 等等 等一下 再想* 不对 仔细想*
待って* やっぱり* 잠깐 다시_생각* انتظر
"""


def either(words: str) -> str:
    """A regular expression of any of some words, the longest first, in the form in which `plain` leaves texts."""
    ways = sorted(set(unicodedata.normalize("NFKC", words).split()), key=len, reverse=True)
    return "(?:" + "|".join(re.escape(way).replace("_", " ").replace(r"\*", r"\w*") for way in ways) + ")"


def word_of(words: str) -> str:
    """The same between the borders that words have where spaces part them."""
    return f"(?<!{SPACED}){either(words)}(?!{SPACED})"


def number_words() -> dict[str, int]:
    """The numbers from 0 to 10 by their words in all of these languages."""
    rows = (unicodedata.normalize("NFKC", line).split() for line in NUMBERS.strip().splitlines())
    return {word: number for row in rows for number, word in enumerate(row)}
