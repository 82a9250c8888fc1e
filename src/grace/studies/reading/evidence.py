"""Evidence: what the words around a mention say of it. Is it given as the answer, or listed, explained, denied?

All patterns look at a bounded stretch of text before or behind a mention, so that reading takes time in proportion to
the length of a text.
"""

import re
import unicodedata


def _as_read(words: str) -> str:
    """Words in the form in which texts have them: some letters are written in two ways."""
    return unicodedata.normalize("NFKC", words)


BEFORE, BEHIND = 120, 60
"""Characters that are looked at before and behind a mention."""

_ANSWER = (
    r"(?:final |my |the |overall |correct |best |chosen |selected )*(?:answer|response|rating|score|choice|verdict"
    r"|judge?ment|decision|selection|option"
    r"|conclusion|evaluation|grade|pick|guess|estimate|assessment|reply|label|category|position|stance|vote|opinion"
    r"|value|number|result|rank(?:ing)?|likelihood)s?"
)
_FOREIGN_ANSWER = _as_read(
    r"(?:antwort|bewertung|note\b|wahl\b|urteil|réponse|choix|évaluation|respuesta|elección|opción|puntuación"
    r"|calificación|valoración|risposta|scelta"
    r"|voto|valutazione|resposta|escolha|opção|nota\b|avaliação|antwoord|keuze|beoordeling|score|svar|vastaus|ответ"
    r"|оценка|выбор|вариант|відповідь"
    r"|оцінка|odpowied|ocena|wybór|odpověď|hodnocení|răspuns|válasz|απάντηση|cevap|cevab|yanıt|puan|seçenek|उत्तर"
    r"|जवाब|रेटिंग|উত্তর|రేటింగ్|సమాధానం|జవాబు"
    r"|பதில்|विकल्प|คำตอบ|คะแนน|ตัวเลือก|إجابت|الإجابة|الاجابة|الجواب|جواب|الخيار|تقييم|תשובה|پاسخ|答案|回答|答え|選択|选项"
    r"|选择|評価|评分|评价|정답|대답|답변|답|응답|평점"
    r"|trả lời|đáp án|jawaban|pilihan|jibu|sagot)"
)
_IS = (
    r"(?:is|was|be|being|would be|will be|=|:|->|=>|→|as|to|at|of|ist|lautet|wäre|est|serait|es|sería|è|sarebbe|é"
    r"|seria|är|er|on|jest|to|هي|هو|是|为|為|は|は、|이|은|는|คือ|là|adalah|هست"
    r"|-|—|\|)"
)
_ARTICLES = (
    r"(?:(?:an?|the|option|answer|choice|number|level|letter|value|scores?|ratings?|category|label|reading|version"
    r"|statement|interpretation|candidate|picture|meaning|clear|definite|firm|solid|strong|simple|single|of|at|as"
    r"|with|to"
    r"|about|around|roughly|approximately|probably|likely|maybe|perhaps|just|only|is|be|it|that|a full|eine?n?|une?"
    r"|una|le|la|el|um|uma|en|ett|et|option|"
    r"die|der|das|den|de|nummer|número|numéro|número|номер|вариант|mit)(?![^\W\d_])[ :]*+|[\"'(\[{|*:=>\s-]++)*"
)
_RATES = (
    r"(?:rate|rating|choose|choosing|chose|pick|picking|select|selecting|assign|give|giving|score|rank|mark|opt for"
    r"|go with|going with|went with|go for|settle (?:on|for)"
    r"|lean(?:ing)? (?:towards?|to)|stick with|put|place|vote(?: for)?|judge|classify|label|assess|evaluate|deem"
    r"|call|describe|estimate|grade|respond|reply|conclude|prefer|favou?r|endorse|lean)"
)
_SAYS = r"(?:say|answer|think|guess|believe|reply|respond|conclude|argue|estimate|feel|suppose|expect|reckon)"
_I = (
    r"\b(?:i|we|i'd|i'll|i'm|we'd)(?: (?:would|will|do|am|must|might|can|could|should|have|had|need|want|to|going"
    r"|inclined|'d|[a-z]+ly|also|still|just|rather|then|like|"
    r"choose to|confident|comfortable|that|have to)){0,4}+ "
)
_FOREIGN_I = _as_read(
    r"(?:\b(?:ich (?:würde|wähle|gebe|sage|bewerte|vergebe|entscheide|tippe|stufe|nehme)|je (?:choisi|donne|dirais"
    r"|mettrais|réponds|note|classe|pense|sélectionne|l')"
    r"|j'(?:attribu|évalu|opte)|elijo|elegiría|escojo|escogería|diría|daría|pondría|calificaría|puntuaría|respondo"
    r"|selecciono|optaría|scelgo|sceglierei|direi|darei|metterei"
    r"|assegno|rispondo|escolho|escolheria|diria|daria|avaliaria|ik (?:kies|zou|geef|zeg)|jag (?:väljer|skulle|ger"
    r"|svarar)|jeg (?:vælger|velger|ville|gir|giver)"
    r"|я (?:бы|выб|отве|став|оцен|счита|дал|скаж)|выбираю|выберу|ставлю|wybieram|oceniam|daję|vybírám|seçiyorum"
    r"|أختار|سأختار|اختار|أقول|أعطي|tôi (?:chọn|cho|sẽ)|saya (?:memilih|akan|memberi|pilih)"
    r"|ฉันเลือก|ขอเลือก|ผมเลือก|เลือก|ตอบ)|我(?:会|會|的)?(?:选|選|给|給|打|认为|認為|觉得|回答)|[选選][择擇]?|给|評|打)"
)
_GAP = r"[^.:;?!\n]"
_THUS = (
    r"\b(?:so|therefore|thus|hence|overall|in conclusion|in short|all in all|ultimately|finally|in the end"
    r"|in summary|to conclude|also|daher|deshalb|donc|por (?:lo )?tanto|quindi|portanto|dus|então|entonces"
    r"|alors|allora|dann|therefore|daarom|därför|поэтому|итак|значит|इसलिए|তাই|కాబట్టి|따라서|그래서|したがって|よって|だから|所以"
    r"|因此|故|ดังนั้น|لذلك|إذن|vậy|jadi)"
)
CUE = re.compile(
    rf"(?:(?<![^\W_]){_ANSWER}\b(?:[\"'\])|]|\s?\([^()\n]{{0,60}}\))*+(?:{_GAP}{{0,50}}?(?:(?<!\w){_IS}(?!\w)"
    rf"|[:=→])|\s?[:=|-]|\s)(?P<a>\s?)"
    rf"|{_FOREIGN_ANSWER}\w{{0,8}}[\"']?(?:\s?\([^()\n]{{0,60}}\))?{_GAP}{{0,30}}?(?:[:=\s]|{_IS}"
    rf"|(?<=[\u0e00-\u9fff]))"
    rf"|{_I}{_RATES}\b(?:{_GAP}{{0,60}}?(?:\s))?"
    rf"|{_I}{_SAYS}\b,?(?: that)?(?: (?:it|this|he|she|they|the [a-z]+(?: [a-z]+)?)(?:'s| is| was| are| were"
    rf"| deserves| would be| should be))?,? ?:? ?"
    rf"|{_FOREIGN_I}{_GAP}{{0,30}}?"
    rf"|{_THUS}[,:]?(?: i(?:'d| would)? (?:say|think|answer|choose)| it(?:'s| is| was| would be)| this is"
    rf"| that(?:'s| is)| the [a-z]+ is)?,? ?"
    rf"|(?:\b(?:it|this|that)(?:'s| is| gets| deserves| would be| rates| scores| merits| earns| should be)"
    rf"|\bdeserves|\bgets|\bmakes (?:it|this|that)) "
    rf"|\b(?:go(?:ing)?|went) (?:with|for) |\b(?:choosing|selecting|picking|rating|rated|scored|ranked|labelled"
    rf"|labeled|classified)\b{_GAP}{{0,40}}? "
    rf"){_ARTICLES}\Z"
)
"""Words before a mention that give it as the answer, as "I would rate it a"."""
WOULD = re.compile(rf"\b(?:would|should) {_RATES}\b{_GAP}{{0,40}}? {_ARTICLES}\Z")
"""The same, of somebody else."""
ARTICLES = re.compile(_ARTICLES)
FINAL = re.compile(
    r"\b(?:final(?:ly)?|in the end|ultimately|in conclusion|to conclude|therefore|thus|hence|overall|all in all|so"
    r"|on balance|in sum(?:mary)?|conclusion|boxed)\b|####|最终|最终答案|最後|endgültig|finale?|окончательн"
)
CUE_BEHIND = re.compile(
    r"[\"'\])*|]*+\s?(?:(?:is|was|would be|seems?(?: to be)?|feels|looks|appears(?: to be)?|sounds|remains"
    r"|would seem)(?: (?:like|as))?"
    r" (?:(?:my|the|a|an|most|best|more|quite|very|clearly|probably|about|only|closest|final|single|correct) )*+"
    r"(?:answer|choice|rating|pick|option|selection|response|score|verdict|guess|fit|match|strongest|dominant"
    r"|main one|primary one|most \w+|right|correct|appropriate|suitable|fitting|accurate|reasonable|fair|best"
    r"|better|apt|closest)\b(?!-)"
    r"|(?:fits|matches|describes|captures|suits|reflects|works) (?:it |this |that |the [a-z]+ |[a-z]+ly )*+(?:best"
    r"|well|better|most)\b|it is\b(?!n't| not)"
    r"|for me\b|[:—-]? ?final answer\b"
    r"|(?:です|だと|と(?:答|思|し)|입니다|이다|예요|이에요)"
    r")"
)
"""Words behind a mention that give it as the answer, as "fits best"."""
NUMBER_BEHIND = re.compile(
    r"[\"'\])*|]*+\s?(?:(?:(?:को|का|के|की)\s)?(?:है|हूँ|हूं|चुन|दूँगा|दूंगा|आहे|দেব|বেছে|ఎంచు|ఇస్తా)|を選|を选|だ|점|을|를"
    r"|seç|veri|diyor|puan|分|点|星|คะแนน)"
)
"""The same behind a number or a letter."""
_NOUNS = (
    r"(?:stars?|points?|pts|punkten?|sterne|puntos?|estrellas|étoiles|punti|pontos|балл\w*|분|점|分|点|星|คะแนน|अंक"
    r"|out of|of|/)"
)
ENDS = re.compile(
    rf"[\"'\])*}}|]*+[ \t]*+(?:[.,;:!?()|/\n}}]|\Z|-(?:\s|\Z)|—|\\|&|#)|[\"'\])*]*+\s(?:{_NOUNS}(?!\w)|(?:because"
    rf"|since|as|for|given|on|due|which|but|and|here|too|overall|again|now|would|is|was|are|seems|feels|fits"
    r"|though|although|while|based|in|with|when|considering|that|i|it|he|she|they|this|we|you|the|there|if|at|so|to"
    r"|by|from|geben|vergeben|wählen|sagen|nehmen|geven|kiezen|ge|star|point|rating|or|then|instead|however"
    r"|weil|denn|da|von|auf|car|parce|puisque|sur|porque|ya|de|sobre|perché|su|pois|omdat|потому|так|из|vì|karena"
    r"|çünkü|क्योंकि|কারণ|ఎందుకంటే)(?![^\W_]))"
    r"|[\u0900-\u0dff\u0e00-\u9fff\uac00-\ud7af]"
)
"""What may follow a mention that is an answer; anything else is its noun, as in "2 people"."""
_RESETS = re.compile(
    r"[.;:!?\n()]|,\s(?!which|that|who)|\b(?:but|so|therefore|thus|hence|because|hence|i'd|i would"
    r"|i'll|i will|i choose|i think|aber|mais|pero|ma|mas|но|但|所以|と)\b"
)
_NOT = re.compile(
    r"(?:\bnot\b|n't\b|\bnever\b|\bneither\b|\bnor\b|\bcannot\b|\bwithout\b|\brather than\b|\binstead of\b"
    r"|\bas opposed to\b|\bexcept\b|\bavoid\w*|\breject\w*|\brul(?:e|es|ed|ing) out\b|\bexclud\w+|\beliminat\w+"
    r"|\bversus\b|\bvs\b"
    r"|\bno (?:evidence|reason|indication|need|sign|basis|longer|case)\b|\bthan\b|\bunlike\b|\bnicht\b|\bkeine?n?\b"
    r"|\bstatt\b|\bpas\b|\bau lieu\b|\bno es\b|\bno (?:diría|elegiría|creo)\b|\bnunca\b|\bnon\b|\bnão\b|\bniet\b"
    r"|\bне\b|\bnie\b|不是|不会|没有|并非|ไม่|नहीं|ではな|없)"
)
_BOUND = re.compile(
    r"\b(?:at least|at most|no more than|no less than|no fewer than|more than|less than|fewer than|up to|above"
    r"|below|over|under|between|from|either|higher than|lower than"
    r"|greater than|exceed(?:s|ing)?|minimum of|maximum of|half of|first|last|next|every|each|all|exactly these"
    r"|step|part|item|question|sentence|paragraph|example|figure|case|person|participant|scenario"
    r"|statement|section|chapter|phase|stage|day|week|page|criterion|reason|factor|point|turn|line|row|trial"
    r"|experiment|study|version|story|character|grade|class|year|age|aged|room|round|note|table|appendix|(?:min|max"
    r"|minimum|maximum|lower|upper|low|high|total|confidence|certainty|lower_bound|upper_bound)[\"']?\s?[:=])\s*\Z"
)
_IF = re.compile(
    r"\b(?:if(?! (?:i|we|you|one|forced|pressed|asked|required|pushed|anything)\b)|unless|suppose|supposing|imagine"
    r"|wenn|falls|si|se|если|如果|यदि|अगर)(?!\w)"
)
_HYPOTHETICAL = re.compile(
    r"\b(?:whether|ob)\b|\b(?:from|between|scale)\b.{0,60}\b(?:to|and)\s*\Z"
    r"|\b(?:some|others|many|someone|somebody|critics|a person|another)\b(?: people)?(?: who [^.,\n]{0,30})?"
    r"(?: (?:would|might|may|could|will|can|often|sometimes|usually|possibly))+(?: \w+){0,2} (?:say|rate|choose"
    r"|answer|give|pick|select|go|think|argue|consider|call|see)\b"
    r"|\b(?:could|might|may) (?:be|mean|suggest|indicate|imply|warrant)\b"
    r"|\d\W{0,3}(?:means?|meaning|stands? for|represents?|representing|indicat(?:es?|ing)|corresponds? to"
    r"|denot(?:es?|ing)|defined as)\s.{0,25}\Z|\b(?:(?:options?|choices?|labels?) (?:are|were)|such as|for example"
    r"|e\.g\.)\s.{0,25}\Z"
)
_AGAINST_BEHIND = re.compile(
    r"[\"'\])*|]*+\s?(?:(?:is|was|seems?|would be|feels|looks|sounds|might be|may be|could be|appears)(?: (?:also"
    r"|far|much|a bit|a little|slightly|rather|way|just|probably|perhaps|clearly|not|n't|certainly))*"
    r" (?:not|too|wrong|incorrect|excessive|inaccurate|unlikely|unreasonable|extreme|harsh|generous|low\b|high\b"
    r"|out\b|impossible|implausible|off\b|less)|(?:isn't|wasn't|wouldn't|doesn't|can't|cannot|won't)\b"
    r"|would (?:mean|imply|suggest|indicate|require|need|signify|have|overstate|understate)|(?:means?|stands for"
    r"|represents|indicates|corresponds|denotes|signifies|refers|implies|being|meaning|says|reads|describes? (?!it"
    r"|this|best))\b"
    r"|(?:does|do) not\b|\([^()\n]{1,40}\)\s?(?:to|through|and|bis|à|-)\s|(?:or|to|bis|oder|ou|o|или) (?:(?:maybe"
    r"|perhaps|even|possibly|an?|the) )*+[\d\"']|(?:out )?of (?:the|these|them|those|his|her|their)\b|(?:नहीं|ではあ"
    r"|じゃな|이 아니|가 아니))"
)
STEP = re.compile(r"(?:^|\n)[ \t>*-]*\(?\Z")
BULLET = re.compile(r"(?:[,;:(]|\b(?:and|where|from|to|as|with))\s?\Z")
UNITS = re.compile(rf"[-\s]?{_NOUNS}(?!\w)")
EXPLAINS = re.compile(
    r"\s(?:for|means?|is|=|stands for|indicates|being)\s(?!(?:me|my|the|a|too|not|too|it|this"
    r"|that|your|his|her)\b)"
)
MARKER = re.compile(r"[.):\]](?=\s|\Z)|\s?[-:=–]\s|\s?=")
_RETRACTS = re.compile(
    r"(?:wait\b|on (?:second thoughts?|reflection|further (?:reflection|thought|consideration))|scratch that"
    r"|correction\b|let me (?:re|correct|change|rethink|adjust)|i (?:take (?:that|it) back|change my|was wrong"
    r"|made a mistake|misread|reconsider|revise)"
    r"|my mistake|make that|thinking again|that(?:'s| is| was| seems| may be| might be) (?:too|not right|wrong"
    r"|incorrect|a mistake)|revis(?:ed?|ing)|upon reflection|reconsider(?:ing)?|changed my mind|i meant|sorry,? i|hmm)"
    r"|actually,|no,? (?:that|it)(?:'s| is)|doch (?:eher|lieber)|bei näherer|à la réflexion|finalement"
    r"|pensándolo|mejor dicho|ripensandoci|pensando bem|подумав|хотя нет|(?:espere|espera|attend(?:s|ez)|warte"
    r"|aspetta|подожди)|等等|等一下|待って|잠깐|انتظر|再想|不对|仔细想|やっぱり|다시 생각"
)


_LINKS = re.compile(r"[.;:!?\n]|\b(?:but|so|therefore|thus|hence|however|still|aber|mais|pero|но|但)\b")
DENIED = "names labels only to deny, explain or suppose them"
COUNTED = "names a bound, or a number of something else"


def retracts(text: str, start: int = 0) -> bool:
    """Whether a text takes back, from some place on, what it said before."""
    return any(not text[match.start() - 1 : match.start()].isalnum() for match in _RETRACTS.finditer(text, start))


def is_denied_behind(text: str, end: int) -> bool:
    """Whether the words behind a mention deny or explain it, as "is too low"."""
    return bool(_AGAINST_BEHIND.match(text, end, end + BEHIND))


def why_not(text: str, start: int, end: int) -> str:
    """Why a mention is no answer by what stands beside it, "" where nothing is against it."""
    words = text[max(0, start - BEFORE) : start]
    near, sentence = _last(_RESETS, words), _last(_LINKS, words)
    denied = is_denied_behind(text, end) or _NOT.search(near) or _HYPOTHETICAL.search(near)
    if denied or _IF.search(sentence):
        return DENIED
    return COUNTED if _BOUND.search(words) else ""


def _last(limits: re.Pattern[str], words: str) -> str:
    """What stands behind the last limit in some words."""
    end = max((match.end() for match in limits.finditer(words)), default=0)
    return words[end:]
