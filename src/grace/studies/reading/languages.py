"""Words that surround answers, in the languages that models answer in: one language a line, English first.

A `_` is a space, a `*` any ending. The lists need not be complete: a word that is missing costs a reading, never
makes a
false one.
"""

import re
import unicodedata
from collections.abc import Iterable
from typing import Any

UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff\uf900-\ufaff"
"""Scripts that do not part words by spaces: Thai, Lao, Burmese, Khmer, Chinese and Japanese."""
SPACED = rf"[^\W{UNSPACED}\uac00-\ud7af]"
"""A letter or digit of other scripts; Korean adds endings to words and numbers without a space."""
ANSWER = """
answer response rating score choice verdict judgment judgement decision selection conclusion evaluation grade
pick guess estimate assessment reply label category position stance vote value number result rank ranking
opinion likelihood probability price age amount
letra lettre lettera letter буква alternativa alternative gabarito şık* şıkk* richtig* korrekt* rätt riktig* correcta
corretta correct poprawn* правильно верно hodnota arvosana értékelés* βαθμολογία βαθμό* оцінк* ocjena ocjen* cijfer
karakter punktzahl punkte punteggio pontuação notă kadirio puanım vastau* odgovor* отговор* választ*
antwort wert bewertung punktzahl einschätzung note wahl urteil schätzung
réponse choix évaluation estimation
respuesta elección puntuación calificación valoración
risposta scelta voto valutazione
resposta escolha nota avaliação
antwoord keuze beoordeling svar vastaus
ответ* оценк* выбор відповідь оцінка odpowied* ocena wybór odpověď hodnocení răspuns* válasz* απάντηση
cevap* cevab* yanıt* puan* tahmin*
उत्तर जवाब रेटिंग উত্তর రేటింగ్ సమాధానం జవాబు பதில்
คำตอบ คะแนน
إجابت* الإجابة الاجابة الجواب جواب تقييم* التقييم الدرجة תשובה* התשובה דירוג* הדירוג ציון הציון پاسخ جواب
امتیاز نمره رتبه
答案 回答 答え 選択 选择 評価 评分 评价 정답 대답 답변 답 응답 평점 점수
trả_lời đáp_án điểm jawaban pilihan nilai skor jibu sagot vurdering betyg omdöme
"""
OPTION = """
option optie opción opção opzione вариант варіант seçenek* विकल्प ตัวเลือก الخيار 选项 選項 選択肢 선택지 opcja možnost
alternativ pilihan vaihtoehto επιλογή אפשרות opțiune
"""
"""What a label is called: "option C" alone only names it."""
IS = """
is was be being would_be will_be as to at of
ist lautet wäre est serait es sería è sarebbe é seria är er jest
هي هو هست است je este ay είναι היא הוא הינה হলো ஆகும் liegt_bei beträgt wäre_eine 是 为
為 は 이 은 는 가 คือ là adalah است
"""
CHOOSE = """
ich_tendiere tendiere_ich ich_neige bekommt erhält ich_würde ich_wähle ich_gebe ich_sage ich_bewerte
bewerte_ich ich_vergebe ich_entscheide entscheide_ich halte_ich ich_nähme nähme_ich ich_tippe ich_stufe ich_nehme
ich_schätze ich_schätzte ich_denke ich_finde ich_halte ich_glaube ich_meine ich_tippe bleibt bliebe bleibt_nur
es_bleibt ist_es wäre_es ich_würde_sagen ich_bleibe_bei ich_lande_bei würde_ich gebe_ich wähle_ich vergebe_ich sage_ich
schätze_ich das_ist es_ist lui_donne* lui_mets
c'est ce_serait es_un es_una sería_un sería_una è_un è_una sarebbe_un sarebbe_una dit_is het_is dat_is dit_zou
det_är det_er
это_— это_- to_jest bu_bir este_un
il_reste reste je_pense je_trouve je_crois claro_que por_supuesto_que bien_sûr_que il_me_semble je_choisi*
je_donne* je_dirais je_mets je_mettrais je_réponds je_note je_classe je_sélectionne j'attribu* j'évalu*
j'opte je_l'évaluer* je_lui_donner* je_dis je_pencherais
queda quedaría creo_que pienso_que me_parece elijo elegiría escojo escogería diría daría pondría doy pongo
calificaría puntuaría respondo selecciono optaría merece
prenderei prendo je_prends je_prendrais tomaría cogería escogeré
elegiré assegnerei darei_un voterei rimane resta credo penso_che scelgo sceglierei direi darei do_un metterei assegno
rispondo merita
sobra acho_que penso_que escolho escolheria diria daria darei avaliaria dou
blijft ik_denk ik_kies ik_zou zou_ik geef_ik kies_ik jag_tror ik_geef ik_zeg jag_väljer
jag_skulle jag_ger jag_svarar jeg_vælger
jeg_velger jeg_ville jeg_gir
jeg_giver
я_б_поставив я_б_поставила обираю я_обираю ставлю_оцінку dałbym dałabym oceniłbym oceniłabym dal_bych dala_bych
volím zvolil_bych aș_da aleg dau adnék adok választom választanám antaisin annan valitsen valitsisin θα_έδινα δίνω
επιλέγω vastaus_on arvosana_on valinta_on jibu_ni jibu_sahihi_ni jibu_langu_ni ningetoa natoa
nachagua ningechagua pinipili_ko
ang_pipiliin_ko chọn سأعطي* سأختار נותן הייתי_נותן
אני_בוחר אתן dávám اختارم انتخاب_می‌کنم
остаётся остается считаю думаю полагаю я_бы я_выб* я_отве* я_став* я_оцен* я_дал* я_скаж* выбираю выберу
ставлю zostaje myślę_że wybieram oceniam daję vybírám
bych_dal bych_dala ger_jag ger_den väljer_jag giver_jeg gir_jeg vælger_jeg velger_jeg end_up_with
ended_up_with tôi_nghĩ_là myślę,_że penso_di credo_di direi_di acredito_que parece_que suponho_que supongo_que
ik_denk_dat entscheide_mich_für me_decanto_por me_quedo_con me_decido_por opto_por opto_per decido_per fico_com
kies_voor decyduję_się_na propendo_per
nehme_ich ik_vind pienso_que מדרג seçiyorum أختار سأختار اختار أقول أعطي tôi_chọn tôi_cho tôi_sẽ
tôi_đánh_giá saya_memilih saya_akan
θα_έβαζα βάζω pongámosle ponle le_pongo le_pondría digamos disons sagen_wir diciamo powiedzmy скажем let's_say
let's_call_it let's_go_with let_us_say zeggen_we vamos_dizer jag_säger säger_jag kreuze macht_insgesamt
insgesamt_eine insgesamt_ein en_total_un en_total_una au_total_un comes_closest_to corresponds_to
entspricht correspond_à corresponde_a corrisponde_a wäre_dann
saya_memberi saya_beri saya_pilih من_می‌دهم
เลือก ให้ ตอบ 我会选择 我会选 我会给 我选择 我選擇 我选 我選 我给 我給 我打 我认为是 剩下 只剩 就是 应该是 选择
選擇 选 選 给 給 打
"""
THUS = """
so therefore thus hence overall in_conclusion in_short all_in_all ultimately finally in_the_end in_summary to_conclude
i.e. that_is also das_heißt d.h. daher deshalb somit demnach folglich donc alors du_coup c'est-à-dire o_sea
es_decir cioè ossia ou_seja yani 即 也就是 así_que por_eso por_consiguiente por_tanto por_lo_tanto entonces quindi
allora portanto então dus daarom därför så derfor więc zatem czyli takže
поэтому итак значит так_что то_есть таким_образом следовательно इसलिए তাই కాబట్టి 따라서 그래서 그러므로 つまり
したがって よって
unterm_strich en_definitiva in_definitiva nel_complesso no_geral au_final en_somme
en_conjunto al_met_al sammantaget ogółem в_целом в_итоге итого demek_ki o_halde
总体来说 总的来说 综上 总之 結局 総合的に 결국 종합하면 전반적으로
だから 所以 因此 故 ดังนั้น لذلك إذن vậy jadi
"""
GOES_ON = """
because since as for given than rather_than instead_of out_of at_best at_most in_total per on due which but
and here too overall again now would is was are seems feels fits though
although while based in with when considering that i it he she they this we you the there if at so to by from or then
instead however
ankreuzen angeben schreiben tippen wählte bewerten benoten beurteilen bewertet verteilen geven kiezen
zeggen noemen välja ge säga sätta vælge velge sige si
over plutôt más_bien en_vez en_lugar piuttosto invece em_vez statt anstatt als niż скорее чем än
give gi adnék adok antaisin juist goed fout richtig falsch gut schlecht juste correcte correcta correcto corretta
korrekt sahihi
weil denn da stellen setzen legen einordnen einstufen ansetzen who qui von auf für geben vergeben wählen sagen
nehmen ist
car parce puisque sur pour à au de parmi est
porque ya لأن* است थी दूँगा de sobre para a al por es perché su per a di è pois para em é
omdat van op потому так из для за vì karena çünkü üzerinden क्योंकि কারণ ఎందుకంటే
"""
NOT = """
not never neither nor cannot without rather_than instead_of as_opposed_to except avoid* reject* exclud* eliminat*
versus vs
by_no_means far_from anything_but hardly barely scarcely ruling_out rule_out no_evidence no_reason
no_indication no_need no_sign no_basis no_longer than unlike
nicht keineswegs mitnichten keine keinen kein weder statt anstatt anstelle pas nullement au_lieu plutôt_que
no_lo no_está no_parece no_es no_diría no_elegiría no_creo no_un no_una
nunca en_absoluto en_lugar_de en_vez_de non affatto invece não nem em_vez niet geen geenszins in_plaats_van
inte ikke i_stället i_stedet не ни вместо nie zamiast değil_de nem
bukan tidak không_phải غير ليس ليست
чем niż än eher_als más_que 不是 不会 没有 并非 而非 排除 不可能 不太可能 未必 不一定 无法 無法 难以 没法 不见得 ไม่
"""
INSTEAD = """
rather_than instead_of as_opposed_to than statt anstatt anstelle au_lieu plutôt_que en_lugar_de en_vez_de invece
em_vez in_plaats_van i_stället i_stedet вместо zamiast más_bien_que mejor_que antes_que piuttosto_che más_que
"""
"""Those of them that deny only what stands right behind them."""
BUT = """
but sondern aber mais sino pero ma bensì mas senão maar utan men а но ale lecz ama बल्कि 但 而是
"""
NOW = """
now however still jetzt maintenant ahora adesso agora nu теперь teraz şimdi
"""
YES_NO = """
yes no ja nein oui non sí si no sì não नहीं हाँ नाही होय না হ্যাঁ لا نعم نه بله לא כן 예 네 아니요 아니오 はい
いいえ ใช่
ไม่ 是 否 不是 да нет ஆம் இல்லை tak nie evet hayır ano igen nem ναι όχι ya tidak có không так ні
"""
"""Labels that are little words, and stand in sentences that answer nothing."""
ABOUT = """
about around roughly approximately circa ca in_my_opinion in_my_view to_me for_me personally i'd_say
ungefähr etwa rund zirka schätzungsweise meiner_meinung_nach meines_erachtens nach_meinem_gefühl für_mich
environ à_peu_près à_mon_avis selon_moi
pour_moi aproximadamente alrededor_de más_o_menos en_mi_opinión a_mi_juicio para_mí circa più_o_meno secondo_me
a_mio_parere cerca_de mais_ou_menos
na_minha_opinião para_mim ongeveer naar_mijn_mening volgens_mij ungefär cirka enligt_mig omkring efter_min_mening
примерно около приблизительно по-моему на_мой_взгляд около_того moim_zdaniem około mniej_więcej podle_mě asi
yaklaşık bence bana_göre sekitar kira-kira menurut_saya khoảng theo_tôi मेरे_हिसाब_से मेरे_विचार_से लगभग करीब
আমার_মতে প্রায়
تقريبا حوالي برأيي في_رأيي به_نظر_من حدود حدودا بنظري ประมาณ 大约 大概 约 我认为 我觉得 在我看来 約 私なら 私は
おそらく たぶん 약 제_생각에는 대략
"""
MAYBE = """
maybe perhaps possibly vielleicht möglicherweise peut-être quizás quizá tal_vez forse talvez misschien kanske
måske может_быть возможно może belki
可能 也许 また 혹시 शायद হয়তো อาจ ربما شاید
"""
AT_FIRST = """
at_first initially originally first_thought first_thought_of i_first my_first zuerst zunächst anfangs d'abord
au_début primero al_principio inicialmente
inizialmente all'inizio a_princípio eerst aanvankelijk först сначала поначалу najpierw początkowo önce
ilk_başta awalnya ban_đầu
最初 初めは はじめは 처음에는 처음엔 一开始 起初 开始 पहले প্রথমে في_البداية ابتدا
"""
IN_FACT = """
actually in_fact in_reality really pragmatically tatsächlich eigentlich in_wahrheit en_réalité en_fait
en_realidad in_realtà na_verdade eigenlijk egentligen
на_самом_деле w_rzeczywistości aslında 实际上 其实 真正 実際 実は 本当は 사실 실제로 वास्तव_में আসলে จริง_ๆ في_الواقع
"""
MORE_OR_LESS = """
before à_partir_de a_partir_de a_partire_da after since until till mid early late plus_or_minus
give_or_take plus-minus mitte anfang ende début fin
mediados_de principios_de finales_de
avant après depuis antes_de después_de desde prima_di dopo inizio metà após após_de antes
mindestens höchstens wenigstens maximal minimal über unter mehr_als weniger_als nicht_mehr_als zwischen fast
knapp ab bis_zu
au_moins au_plus plus_de moins_de entre presque jusqu'à pas_plus_de supérieur_à inférieur_à
al_menos por_lo_menos como_mínimo como_máximo más_de menos_de mayor_de menor_de a_lo_sumo casi hasta entre
almeno al_massimo più_di meno_di oltre tra fra quasi fino_a
pelo_menos no_máximo no_mínimo mais_de menos_de acima_de abaixo_de quase até
minstens hoogstens ten_minste meer_dan minder_dan boven onder tussen bijna tot
minst högst mer_än mindre_än över mellan nästan upp_till mindst højst mere_end mellem næsten
минимум максимум не_менее не_более более менее больше_чем меньше_чем больше меньше свыше между почти до
co_najmniej co_najwyżej ponad poniżej więcej_niż mniej_niż między prawie do
en_az en_fazla neredeyse
至少 最多 最少 超过 不超过 少于 多于 大于 小于 不到 不足 接近 介于 少なくとも 最大 最低 多くても 최소 최대
적어도 많아야 거의
कम_से_कम अधिकतम কমপক্ষে সর্বোচ্চ
przynajmniej najwyżej maksymalnie minimalnie najmniej najwięcej по_меньшей_мере не_меньше не_больше
самое_большее как_минимум максимально щонайменше щонайбільше принаймні не_менше не_більше понад майже більше_ніж
менше_ніж поне най-малко най-много най-вече над под
nejméně nejvýše nanejvýš alespoň aspoň přinejmenším maximálně minimálně více_než méně_než přes téměř skoro
najmenej najviac nanajvýš aspoň viac_ako menej_ako takmer vyše najmanje najviše barem više_od manje_od gotovo
legalább legfeljebb maximum minimum több_mint kevesebb_mint majdnem cel_puțin cel_mult mai_mult_de mai_puțin_de
peste aproape τουλάχιστον το_πολύ πάνω_από κάτω_από περισσότερο_από λιγότερο_από σχεδόν
vähintään ainakin enintään korkeintaan yli alle melkein lähes åtminstone som_mest som_minst
zumindest allerhöchstens allenfalls minimaal maximaal op_zijn_minst hooguit zowat
au_minimum au_maximum tout_au_plus tout_au_moins come_minimo come_massimo al_più al_meno non_più_di non_meno_di
no_más_de no_menos_de não_mais_de não_menos_de maksimal upwards_of
ज़्यादा_से_ज़्यादा ज्यादा_से_ज्यादा
ít_nhất nhiều_nhất tối_đa tối_thiểu hơn dưới trên khoảng_từ setidaknya paling_tidak paling_banyak lebih_dari
kurang_dari antara di_atas di_bawah
อย่างน้อย ไม่เกิน มากกว่า น้อยกว่า เกิน ระหว่าง على_الأقل على_الأكثر أكثر_من أقل_من بين لا_يقل_عن لا_يزيد_عن
حداقل حداکثر بیش_از کمتر_از بین
לפחות לכל_היותר יותר_מ פחות_מ בין
"""
"""What makes a bound or a range of the number behind it."""
MINUS = """
minus negative moins menos meno минус мінус eksi mínus âm ऋण سالب ناقص manfi
"""
"""What makes the number behind it one below zero."""
MINUS_SIGNS = ("零下", "负", "負", "マイナス", "영하", "마이너스")
VAGUE = """
few couple several many various paar einige mehrere viele etliche wenige quelques plusieurs varios varias algunos
algunas muchos alcune alcuni qualche parecchi* diversi alguns algumas vários várias несколько нескольких пара пару kilka
parę wiele birkaç beberapa enkele enige några flera noen flere vài mấy कुछ कई بضع بضعة عدة چند
"""
"""What makes a size of "dozen", "hundred" and "thousand"."""
OR_MORE = """
passés passées et_quelques y_pico y_tantos y_tantas e_passa e_qualcosa and_change something odd с_лишним с_небольшим
z_okładem z_kawałkiem küsur içinde lebih
or_more or_less or_above or_below or_higher or_lower or_older or_younger or_over or_under or_fewer and_up
and_above and_over plus ish at_least
at_most at_the_most at_the_least at_minimum minimum maximum tops mindestens höchstens maximal minimal au_moins
au_plus au_minimum au_maximum como_mínimo como_máximo al_menos almeno al_massimo pelo_menos no_máximo minstens hoogstens
минимум максимум minimálně maximálně nejméně nanejvýš
oder_mehr oder_weniger und_mehr ou_plus ou_moins et_plus o_más o_menos o_più o_meno ou_mais ou_menos
of_meer of_minder eller_mer eller_mindre
и_более и_больше или_больше или_меньше lub_więcej i_więcej ve_üzeri ve_üstü ve_altı
以上 以下 未満 未满 超 前半 後半 多 余 出头 台 代 来岁 이상 이하 미만 초과 대 से_अधिक से_ज़्यादा से_ज्यादा
से_कम या_अधिक এর_বেশি ขึ้นไป lebih
trở_lên hoặc_hơn فأكثر فأقل أو_أكثر أو_أقل یا_بیشتر
"""
"""What does so behind it."""
WRONG = """
wrong incorrect excluded
falsch ausgeschlossen unpassend exclu* éliminé* écarté* faux fausse incorrect* inexact* descartad* excluid*
errad* equivocad* esclus* sbagliat* errat*
scartat* fout onjuist uitgesloten fel utesluten felaktig* forkert неверн* неправильн* исключ* błędn*
wykluczon* nieprawidłow* yanlış
"""
IS_IN = """
ist war est sont es está queda quedan è sono é são está is är er jest быть
"""
FALLS_OUT = """
scheidet_aus scheiden_aus entfällt entfallen fällt_weg fallen_weg kommt_nicht s'élimine отпадает отпадают
исключается не_подходит valt_af vallen_af odpada
se_descarta si_esclude yanlış elenir
"""
EVEN = """
even auch selbst même anche mesmo incluso aun даже nawet zelfs även selv bile także też
"""
"""What makes a condition one that changes nothing: "even if"."""
OTHERWISE = """
otherwise sonst sinon si_no altrimenti иначе
"""
IF = """
otherwise sonst sinon si_no altrimenti иначе unless suppose supposing provided_that
assuming_that wenn falls si se
s'il s'ils s'elle
если 如果 假如 要是 倘若 除非 यदि अगर जर যদি kalau jika andaikan seandainya apabila gdyby jeśli jeżeli kdyby pokud
jestliže dacă якщо якби εάν αν jos hvis eğer nếu ถ้า หาก இருந்தால் అయితే لو إذا اگر אם kung ikiwa
als_ze als_hij als_zij als_men als_dit als_dat als_je als_u om_hon om_han om_det om_de om_den om_man
たら ければ ならば としたら 었다면 았다면 였다면 했다면
"""
FORCED = """
had_to have_to must forced pressed asked choose pick wählen entscheiden müsste muss
gezwungen choisir devais dois fallait
faut obligé* elegir tuviera_que tengo_que tuviese_que hay_que obligado scegliere dovessi devo costretto escolher
tivesse_que tiver_que obrigado приш* нужно выбирать выбрать заставили moest moet kiezen gedwongen musiał* muszę
wybra* zorunda seç* vybrat musel* välja tvingad tvungen måste vælge velge nødt trebui* választan* kellene valita
pitäisi 选 選 必须 一定要 非要 選ぶ つける 選択 골라 매기 선택 चुनना اختيار اضطرر* انتخاب memilih harus chọn phải
เลือก kuchagua pumili לבחור διαλέξω
"""
"""What a condition says that is none: "if I had to choose"."""
OR = """
or oder ou o of albo lub eller vagy veya или або atau hoặc sau ή tai או أو या বা
"""
RATHER = """
rather better instead make_it make_that lieber eher doch toch maar liever plutôt mejor meglio facciamo melhor antes
jednak raczej скорее лучше все_же всё_же snarare hellre heller inkább aslında daha_çok बल्कि saja đúng_hơn
"""
"""What stands between "no" and what is said in place of the first thought."""
OR_RATHER = """
rather better better_said better_put say more_precisely more_exactly lieber eher besser besser_gesagt genauer
genauer_gesagt vielmehr plutôt mieux mieux_dit plus_exactement mejor mejor_dicho más_bien meglio piuttosto
per_meglio_dire
melhor melhor_dizendo liever beter beter_gezegd eerder snarare bättre hellere snarere bedre heller raczej lepiej
właściwie
скорее вернее точнее лучше_сказать spíš spíše lépe inkább pontosabban daha_doğrusu mieluummin pikemminkin μάλλον
"""
"""What makes a correction of "or", as in "yes, or rather: no"."""
TOO_MUCH = """
too_high too_low too_much too_harsh too_generous too_strict too_positive too_negative
zu_hoch zu_niedrig zu_viel zu_wenig
zu_streng zu_positiv trop_haut* trop_bas* trop_élevé* trop_sévère trop_généreu* demasiado* troppo_alto troppo_basso
troppo_alta troppo_bassa muito_alto muito_baixo muito_alta muito_baixa demais te_hoog te_laag te_veel слишком_высок*
слишком_низк* слишком_много zbyt_wysok* zbyt_nisk* za_wysoko za_nisko za_dużo çok_yüksek çok_düşük 太高 太低 太多
高すぎ* 低すぎ* 너무_높* 너무_낮* för_hög* för_låg* for_høj* for_høy* for_lav* terlalu_tinggi terlalu_rendah quá_cao
quá_thấp
"""


TAKEN_BACK = """
wait on_second_thought on_reflection upon_reflection on_further upon_further scratch_that correction let_me_re*
let_me_correct
let_me_change let_me_adjust i_take_that_back i_take_it_back i_change_my i_changed_my i_was_wrong i_made_a_mistake
i_misread
i_reconsider i_revise my_mistake make_that thinking_again changed_my_mind i_meant revised revising reconsidering hmm
sorry sorry,_i actually actually, no,_that no,_it edit update strike_that amended i_now_think now_i_think
i_stand_corrected apologies pardon_me
oops i'd_raise i'd_lower i'd_change i_raise i_lower i_change i_want_to_change i_would_raise i_would_lower rather:
nein doch doch_eher doch_lieber bei_näherer warte korrektur ich_korrigiere pardon non à_la_réflexion
finalement plutôt attends attendez
correction perdón pensándolo mejor_dicho quería_decir espere espera corrijo
scusa ripensandoci aspetta correggo anzi desculpe aliás pensando_bem corrigindo nee bij_nader wacht nej vänta
нет подумав хотя_нет подожди точнее
исправ* nie pardon hayır düzelt* 等等 等一下 再想* 不对 不， 不, 更正 仔细想* 应该是
нет, nej, yok tidak नहीं nem inkább mejor plutôt або_ні hayır vielmehr bueno,_no 待って* やっぱり* やはり いや いえ
訂正 잠깐 아니 다시_생각* 정정 انتظر عفو* تصحيح
"""


REST = """
rest restes reste resto resten resterende restante restanti resztę reszta остальное остаток остальные kalan kalanı
kalanını zbytek restul loput maradék sisanya phần_còn_lại 剩下的 剩余 其余 其余的 残り 나머지 बाकी الباقي بقیه
"""
"""What is left of an amount; English has further words for it."""
CHANGES = """
fell fall* drop* decreas* declin* lower* reduc* cut rose risen rais* increas* went grew grown climb* chang* shr*nk
sank gesunken senk* fiel gefallen stieg gestiegen reduzier* erhöh* ging verringer*
pass* baiss* augment* diminu* tomb* réduit* mont*
baj* sub* redu* aument* cay* pas* disminu* rebaj*
sces* salit* passat* cal* aumentat* ridott*
caiu caíram subiu passou baixou diminuiu aumentou
сни* упал* вырос* подня* подорож* подешев* увелич* уменьш* повыс*
spad* wzros* obniż* podnios* zmniejsz* zwiększ*
düş* yüksel* çık* indi indir* iner art*
daal* gedaald steeg gestegen zakte gezakt verlaagd verhoogd sjönk steg sänk* höj* faldt falt
turun naik menjadi giảm tăng
घट* गिर* बढ़*
"""
"""What says that an amount became another one."""
CHANGE_SIGNS = (
    *("降", "升", "涨", "漲", "跌", "减", "減", "变", "変", "增", "下が", "上が", "下げ", "上げ", "値下"),
    *("떨어", "내렸", "내려", "올랐", "올라", "인하", "인상", "줄", "늘", "انخفض", "ارتفع"),
)
"""The same where words have no borders."""
ONLY = """
only just nur lediglich seulement solo sólo solamente soltanto só somente apenas только лишь tylko jedynie slechts maar
bara endast kun sadece yalnızca hanya chỉ केवल सिर्फ
"""
"""What stands before the number that counts, behind one that does not: "40 were invited, but only 28 came"."""
COUNTED = """
schritt étape paso passo stap krok шаг frage pregunta domanda pergunta vraag вопрос pytanie otázka fråga spørgsmål
步骤 问题 第 단계 질문 sicherheit konfidenz confiance confianza fiducia confiança zekerheid уверенность pewność jistota
置信度 信心 確信度 확신도 güven keyakinan độ_tin_cậy beispiel exemple ejemplo esempio exemplo voorbeeld пример przykład
"""
"""What a number beside it counts or measures instead of the answer."""
OPPOSITES = ("not ", "non-", "non ", "un", "in", "im", "ir", "il")
"""What makes a label the opposite of another one."""
HEADS = """
answer response reply antwort réponse respuesta risposta resposta antwoord svar vastaus ответ відповідь отговор odgovor
odpowiedź odpověď odpoveď răspuns válasz απάντηση cevap yanıt उत्तर जवाब উত্তর সমাধান సమాధానం జవాబు பதில் விடை ഉത്തരം
ಉತ್ತರ
જવાબ คำตอบ إجابة الإجابة الجواب جواب תשובה התשובה پاسخ 答案 回答 答え 答 解答 정답 대답 답변 답 응답 trả_lời câu_trả_lời
đáp_án jawaban jibu sagot ang_sagot
"""
"""What may stand before a colon and the answer in words."""


def either(words: str) -> str:
    """A regular expression of any of some words, the longest first, in the form in which `plain` leaves texts."""
    return any_of(re.escape(way).replace("_", " ").replace(r"\*", r"\w*") for way in folded(words).split())


_TOKEN = re.compile(r"\\w\*|\\.|.", re.DOTALL)
_Branches = dict[str, Any]
"""What may follow in a word, by the next letter; "" is the end of a word."""


def any_of(ways: Iterable[str]) -> str:
    """A regular expression of any of some texts, the longest first: a tree of letters, left at once by most places."""
    tree: _Branches = {}
    for way in sorted(set(ways), key=len, reverse=True):
        branch = tree
        for token in _TOKEN.findall(way):
            branch = branch.setdefault(token, {})
        branch[""] = {}
    if not tree:
        return "(?!)"
    return f"(?=[{''.join(sorted(tree))}])(?:{_branches(tree)})"


def _branches(tree: _Branches) -> str:
    ways = [
        token + _branches(rest) for token, rest in sorted(tree.items(), key=lambda item: item[0] == r"\w*") if token
    ]
    if not ways:
        return ""
    only = ways[0] if len(ways) == 1 else f"(?:{'|'.join(ways)})"
    return f"(?:{only})?" if "" in tree else only


def word_of(words: str) -> str:
    """The same between the borders that words have where spaces part them."""
    return f"(?<!{SPACED}){either(words)}(?!{SPACED})"


def folded(words: str) -> str:
    """Words as `plain` leaves them."""
    return unicodedata.normalize("NFKC", words).replace("ı", "i")
