"""Evidence: what the words around a mention say of it. Is it given as the answer, or listed, explained, denied?

All patterns look at a bounded stretch of text before or behind a mention, so that reading takes time in proportion to
the length of a text.
"""

import re

from grace.studies.reading.conditions import is_supposed, last_part
from grace.studies.reading.languages import (
    ANSWER,
    AT_FIRST,
    BUT,
    CHOOSE,
    FALLS_OUT,
    GOES_ON,
    INSTEAD,
    IS,
    IS_IN,
    MORE_OR_LESS,
    NOT,
    NOW,
    OPTION,
    OR,
    OR_RATHER,
    RATHER,
    SPACED,
    TAKEN_BACK,
    THUS,
    TOO_MUCH,
    WRONG,
    either,
    word_of,
)
from grace.studies.reading.languages import (
    COUNTED as COUNTED_WORDS,
)
from grace.studies.reading.late import Late

BEFORE, BEHIND = 120, 60
"""Characters that are looked at before and behind a mention."""
EDGE = 16
"""Characters of a text's end that tell whether it breaks off."""

_GAP = r"[^.:;?!\n]"
_MARKS = r"[\"'\])}*|]*+"
_NOTE = r"(?:[\"'\])|]|\s?\([^()\n]{0,60}\))*+"
_ARTICLES = (
    r"(?:(?:an?|the|more of|more like|rather|eher|plutôt|plus tôt|option|answer|choice|number|level|letter|value"
    r"|scores?|ratings?|category|label|reading|version"
    r"|statement|interpretation|candidate|picture|meaning|clear|definite|firm|solid|strong|simple|single|full|of|at|as"
    r"|with|to|about|around|roughly|approximately|probably|likely|maybe|perhaps|just|only|exactly|is|be|it|that|he|she"
    r"|they|eine?n?|une?|una|uno|un|il|le|la|el|l(?=')|um|uma|een|het|en|ett|et|egy|ang|die|der|das|den|de|mit|nummer"
    r"|número|numéro"
    r"|номер|вариант|letra|lettre|lettera|buchstabe|litera|буква|harf|opción|opção|opzione|optie"
    r"|το|η|ο|τον|την|τη|ένα|environ|etwa|circa|unos?|около)(?![^\W\d_])[ :]*+|[\"'(\[{|*:=>\s-]++)*"
)
_RATE = (
    r"(?:rat(?:e|ing)|choos(?:e|ing)|chose|pick(?:ing)?|select(?:ing)?|assign|giv(?:e|ing)|score|rank|mark|opt for"
    r"|(?:stay(?:ing)?|remain(?:ing)?|stick(?:ing)?) (?:with|at|to)|(?:land|end|arrive|settle)(?:ed"
    r"|ing)? (?:up )?(?:at|on|with)"
    r"|keep(?:ing)?|come (?:out |down )?(?:at|to)|tick|circle|check"
    r"|(?:go|going|went) (?:with|for)|go (?:up|down) to|settled? (?:on|for)|ended up (?:with|at)|landed (?:on|at)"
    r"|lean(?:ing)?"
    r"|stick (?:with|to)|use|pay|spend|charge|offer|blame|put|place|vote|judge|classify|label"
    r"|assess|evaluate|deem|call|describe|estimate|grade|respond|reply|conclude|prefer|favou?r|endorse)"
)
_SAY = r"(?:say|answer|think|guess|believe|reply|respond|conclude|argue|estimate|feel|suppose|expect|reckon)"
_I = (
    r"\b(?:i|we)(?:'d|'ll|'m)?(?: (?:would|will|do|am|must|might|can|could|should|have|had|need|want|to|going|inclined"
    r"|therefore|thus|hence|finally|ultimately|also|still|just|now|then|here|somewhat|rather|then|like|that"
    r"|[a-z]+ly)){0,5}+ "
)
_IT = r"(?:it|this|that|this one|that one|he|she|they|the [a-z]+(?: [a-z]+)?)"
_SHE = r"(?:he|she|they|it|он|она|оно|они|er|sie|es|il|elle|lui|lei|él|ella|ele|ela|hij|zij|ze|hon|han|on|ona|ono)"
RATES_OBJECT = Late(
    lambda: (
        rf"{_I}(?:{_RATE} (?:the|this|that|his|her|their"
        rf"|its) (?:[a-z]+ ){{1,2}}(?<!first )(?<!last )(?<!next )(?<!over )"
        r"(?<!least )(?<!most )(?<!than )(?<!every )|(?:prefer|choose|pick|select|chose|go with|favou?r) (?:sentence"
        r"|example"
        r"|item|story|statement|picture|line|person|case|scenario) )[\"'*(]*\Z"
    )
)
"""What is judged, between the verb and the value: "I would rate the sentence 6/7"."""
CUE = Late(
    lambda: (
        rf"(?:(?<![a-z])(?:final |my |the |overall |correct |best )*(?:{either(ANSWER)}\w{{0,3}}(?!{SPACED}){_NOTE}"
        rf"(?:{_GAP}{{0,50}}?(?:{word_of(IS)}|[=→|—-]|->|=>)|\s?[:=|-]|[:=]|\s)"
        rf"|{either(OPTION)}\w{{0,3}}(?!{SPACED}){_NOTE}(?:{_GAP}{{0,50}}?(?:{word_of(IS)}|[=→—]|->|=>)|\s?[:=]))"
        rf"|{_I}{_RATE}\b(?:{_GAP}{{0,60}}?\s)?"
        rf"|{_I}{_SAY}\b,?(?: that)?(?: {_IT}(?:'s| is| was| are| were| deserves| would be| should be))?,? ?:? ?"
        rf"|(?<!{SPACED})(?!选项|選項|選択肢){either(CHOOSE)}{_GAP}{{0,50}}?"
        rf"|{word_of(THUS)},?(?: i(?:'d| would)? {_SAY}| {_SHE}(?= )| {_IT}(?:'s| is| was| would be))?,? ?"
        rf"|\b{_IT}(?:'s| is| gets| deserves| would be| rates| scores| merits| earns| should be) "
        r"|\b(?:leaves|leaving|deserves|merits|earns|makes (?:it|this|that)|leaning(?: towards?)?|verdient|mérite"
        r"|заслуживает) "
        r"|(?<!nothing )(?<!little )(?<!hardly )(?<!what )(?<!that )\b(?:favou?rs|points to) "
        rf"|\b(?:go(?:ing)?|went) (?:with|for) |\b(?:choosing|selecting|picking|rating|rated|scored){_GAP}{{0,40}}? "
        rf"){_ARTICLES}\Z"
    )
)
"""Words before a mention that give it as the answer, as "I would rate it a"."""
WOULD = Late(lambda: rf"\b(?:would|should) {_RATE}\b{_GAP}{{0,40}}? {_ARTICLES}\Z")
"""The same, of somebody else."""
ARTICLES = Late(lambda: _ARTICLES)
ASSENT = Late(lambda: r"\bi(?:'d| would| do| must| have to)?(?: [a-z]+ly)? \Z")
"""Words before a label that is a verb, as "I strongly agree"."""
CUE_BEHIND = Late(
    lambda: (
        rf"{_MARKS}(?:\s?(?:くらい|ぐらい|程度|前後|ほど|정도|쯤)| (?:one|sentence|option|version|reading"
        rf"|continuation)(?= ))?\s?"
        rf"(?:(?:is|was|would be|seems?(?: to be)?|feels|looks|appears(?: to be)?|sounds|remains)(?: (?:like"
        rf"|as))?"
        r" (?:(?:my|the|a|an|most|best|more|quite|very|clearly|probably|about|only|closest|final|single|correct) )*+"
        r"(?:answer|choice|rating|pick|option|selection|response|score|verdict|guess|fit|match|strongest|dominant|right"
        r"|correct|plausible|natural|likely|probable|sensible|acceptable|appropriate|suitable|fitting|accurate"
        r"|reasonable|fair|best|better|apt|closest)\b(?!-)"
        r"|is (?:what|the one) i\b|is to blame|is left|is (?:the )?(?:responsible|guilty|culprit|cause)|(?:did"
        r"|caused) (?:it|this)\b"
        r"|(?:es|est|è|é|ist|is|är|er|jest|είναι)(?: (?:la|el|le|il|o|a|die|der|das|de|den|det|het|η|το|lo))?"
        r"(?: (?:que|qui|che))?(?: (?:más|plus|più|mais))?\s(?:mejor|meilleur\w*|migliore|melhor|beste[nrs]?\b|bäst\w*"
        r"|bedst\w*|najleps\w+|correct\w+|corrett\w+|corret\w+|richtig\w*|korrekt\w*|juiste?|adecuad\w+|adequad\w+"
        r"|adatt\w+|approprié\w*|passend\w*|apropiad\w+|naturel\w*|plausib\w+|καλύτερ\w+|σωστ\w+)"
        r"|passt am besten|past het best|passar bäst|passer bedst|encaja mejor|convient le mieux|va meglio"
        r"|encaixa melhor"
        r"|подходит лучше|лучше всего|pasuje najlepiej|(?:最|更)(?:合适|合適|好|自然|恰当|符合|贴切)"
        r"|が(?:最も|一番|もっとも)"
        r"|번?(?:이|가) (?:가장|제일)"
        r"|(?:fits|matches)(?=[.!]|\Z)|\b(?:ist|is|est|es|è|é|är|er|jest|je|là)?\s?(?:richtig|juist|juste|correcta?"
        r"|corretta|korrekt|सही)\b"
        r"|(?:fits|matches|describes|captures|suits|reflects|works) (?:it |this |that |the [a-z]+ |[a-z]+ly )*+"
        r"(?:best|well|better|most)\b|it is\b(?! not)|for me\b|(?:です|だ。|だと|と答|と思|입니다|이다|예요|이에요"
        r"|(?:이)?라고|[일인] 것(?: 같|입니|이)|ครับ|ค่ะ))"
    )
)
"""Words behind a mention that give it as the answer, as "fits best"."""
NUMBER_BEHIND = Late(
    lambda: (
        rf"{_MARKS}\s?(?:(?:अंक|নম্বর|점|点|分)\s?)?(?:(?:(?:को|का|के|की|ही)\s)?(?:है|हूँ|हूं|चुन|दूँगा|दूंगा|देता|देती"
        rf"|दूँगी|आहे|দেব|দিব|বেছে|ఎంచు|ఇస్తా|است|می ?دهم|میدهم)"
        r"|\s?(?:şıkk|seçene|번|番|選択肢)|(?:くらい|ぐらい|程度)?(?:でしょう|かな)|を選|を付|をつけ|にし|とし|だ|점"
        r"|(?:을|를|로|으로)\s?(?:선택|고르|고를|골|주|드리|택|매기|부여|뽑|하|정|평가|답|바꾸|결정|보|생각)"
        r"|(?:'[^\W\d_]{1,4}\s)?(?:seç|veri|der(?:im|dim)\b|diyor)|puan|分|点|星|คะแนน|ครับ|ค่ะ)"
    )
)
"""The same behind a number or a letter."""
OR_SO = r"\s(?:or so|of zo)(?=[.!]|\Z)|\s?(?:左右|上下)"
"""What makes a value a rough one, behind it; the value is meant all the same."""
_UNITS = (
    r"(?:stars?|yildiz|gwiazd\w+|звезд\w*|звёзд\w*|hvězd\w*|stelle|estrelas|sterren|stjärnor|csillag|αστέρια"
    r"|points?|pts|punkten?|sterne|puntos?|estrellas|étoiles|punti|pontos|балл\w*|điểm|poin|puan|bod[ůy]?"
    r"|pkt|punkt\w*|poäng|pontos|punten|نقاط|درجات|נקודות|ponto|mark(?:s)?|분|점|分|点|星|คะแนน|अंक"
    r"|out of|of|/)(?![^\W\u0e00-\u9fff\uac00-\ud7af])"
)
UNITS = Late(lambda: rf"[-\s]?{_UNITS}")
ENDS = Late(
    lambda: (
        rf" an(?=[.!,]|\Z)|[)\].:](?=\s)|:an?\b|-e[st]t?\b|'[^\W\d_]{{1,5}}\b"
        rf"|(?:{OR_SO})?{_MARKS}(?:[ \t]*+(?:[.,;:!?()|/\n&#\\—]|\Z|-(?:\s|\Z))"
        rf"|'[^\W\d_]{{1,5}}\b"
        rf"|\s?[\u0900-\u0dff\u0e00-\u9fff]|[\uac00-\ud7af]|\s(?:{_UNITS}|{either(GOES_ON)}(?!{SPACED})))"
    )
)
"""What may follow a mention that is an answer; anything else is its noun, as in "2 people"."""
MARKER = Late(lambda: r"[.):\]](?=\s|\Z)|\s?[-:=]\s|\s?=")
EXPLAINS = Late(
    lambda: (
        r"\s(?:for|means?|is|=|stands for|indicates|being)\s(?!(?:me|my|the|an?|too|not|it|this|that|your|his|her|wrong"
        r"|right"
        r"|correct|incorrect|true|false|out|excluded|ruled|eliminated|best|better|closest|more|most|less|least|clearly"
        r"|probably"
        r"|definitely|implausible|plausible|likely|unlikely|odd|impossible|possible|appropriate|inappropriate|what)\b)"
    )
)
"""What stands between a label and its explanation, as "1 for yes, 2 for no"."""
STEP = Late(lambda: r"(?:^|\n)[ \t>*-]*\(?\Z|(?:[,;:(]|\b(?:and|where|from|to|as|with))\s?\Z")
"""Where the items of a list begin."""
FINAL = Late(lambda: rf"{word_of(THUS)}|\b(?:final|conclusion|boxed|on balance)\b|####|最终|最後|endgültig|окончательн")
DECIDES = Late(
    lambda: (
        rf"{word_of(THUS)}|{word_of(CHOOSE)}|{_I}{_RATE}\b|\bich (?:entscheide|behalte|gebe)\b"
        r"|\bi (?:decide|keep|give)\b|最终|最後|结论|結論|결론"
    )
)
"""What a text says before that which it comes to."""
_FINAL_ANSWER = Late(
    lambda: (
        rf"(?:\b(?:rais|lower|chang|revis|updat|bump|increas|reduc|decreas|upgrad|downgrad|adjust|correct|amend)(?:e|es"
        rf"|ed|ing|s)?"
        rf"(?: (?:it|this|that|(?:my|the) [a-z]+))?(?: up| down)? (?:to|into){_ARTICLES}"
        rf"|\b(?:primary|main|overall|dominant|total)\b[^.;:\n\d]{{0,20}}[:=][\s\"'*]*"
        rf"|\bfinal(?:ly)?,? (?:my )?{either(ANSWER)}\w{{0,3}}\b[^.;!?\n]{{0,40}}|####"
        r"|(?<!\w)(?:final|fazit|(?:end)?ergebnis|résultat|resultado|risultato|resultat|итог\w*|результат|wynik|sonuç)"
        r"[\"')\]]*\s?[:=]\s?|(?:结果|結果|结论|結論|결론|결과)[:=]\s?"
        rf"|最终答案.{{0,4}})\s?\Z"
    )
)
"""Words before the mention that settles everything."""
_RESETS = Late(
    lambda: (
        rf"[.;:!?\n()]|,\s(?!which|that|who)|\b(?:because|i'd|i would|i'll|i will|i choose|i think)\b"
        rf"|{word_of(BUT + ' ' + THUS)}"
    )
)
_TURNS = Late(lambda: rf"[.;:!?\n]|{word_of(BUT + NOW)}|が,|けど|지만|现在|今は")
_AT_FIRST = Late(lambda: word_of(AT_FIRST))
_NOT = Late(lambda: rf"{word_of(NOT)}|\bni\b(?<!jibu ni)(?<!sahihi ni)|n't\b|\bno(?: clear| real| strong| sign of)? \Z")
_INSTEAD = Late(lambda: either(INSTEAD))
_DIGIT = re.compile(r"\d")
_OPEN_END = Late(lambda: rf"(?:{word_of(OR)}|{word_of(BUT)}|\b(?:and|und|et|because|however|although)|[,(])[\s*]*\Z")
"""How a text ends that says no more, but meant to."""
_THEN = Late(
    lambda: rf"(?<!\bwould)(?<!\bwere),\s(?:then |so )?{_IT}(?:'s| is| are| must be| has to be)(?: now)? {_ARTICLES}\Z"
)
_BOUND = Late(
    lambda: (
        rf"(?:(?:(?!do un)(?<!\bi )(?<!\bwe ){word_of(MORE_OR_LESS)}|[<>≤≥≦≧])[\s\"'(]*(?:(?:an?|the|eine?[nr]?|une?"
        rf"|una?|um|uma|el|il"
        rf"|la|le|les|los|las|die|der|den|das|het|os|as|de|di|a|o|than"
        rf"|als)\s)?\Z)|"
        r"(?:\b(?:at least|at most|no more than|no less than|no fewer than|more than|less than|fewer than|up to|above"
        r"|below"
        r"|over|under|between|from|either|higher than|lower than|greater than|exceed(?:s|ing)?|minimum of|maximum of"
        r"|half of"
        r"|first|last|next|every|each|all|step|part|item|question|sentence|paragraph|example|figure|case|person"
        r"|participant"
        r"|scenario|section|chapter|phase|stage|day|week|page|criterion|reason|factor|point|turn|line|row|trial"
        r"|experiment"
        r"|study|story|character|class|year|room|round|table|appendix)"
        rf"|{word_of(COUNTED_WORDS)}:?|\b(?:e\.g\.|z\. ?b\.|p\. ?ej\.)|\b(?:step|question|example|confidence):"
        r"|(?<![^\W_])(?:min|max|minimum|maximum|lower|upper|low|high|total|confidence|certainty|bound)[\"']?\s?[:=]"
        r"|满分(?:是|为)?)\s*\Z"
    )
)
_OTHERS = Late(
    lambda: (
        r"\b(?:whether|ob|tempted|doubt)\b|\b(?:almost|nearly) (?:gave|chose|said|picked)\b"
        r"|\b(?:some|others|many|someone|somebody|critics|a person|another)\b(?: people)?(?: who .{0,30})?"
        r"(?: (?:would|might|may|could|will|can|often|sometimes|usually|possibly))+(?: \w+){0,2}"
        r" (?:say|rate|choose|answer|give|pick|select|go|think|argue|consider|call|see)\b"
        r"|\b(?:form|vorm|forme|forma|guise|shape|disguise|wording)\s(?:of|van|de|di|einer|eines|d')(?:\s"
        r"|(?<=')).{0,8}\Z"
        r"|\b(?:could|might|may) (?:be|mean|suggest|indicate|imply|warrant)\b"
        r"|\b(?:pourrait|könnte|podría|potrebbe|poderia|могло бы|mogłoby) (?:[^\W\d_]+ ){0,3}\Z"
        r"|\d\W{0,3}(?:means?|meaning|stands? for|represents?|representing|indicat\w+|corresponds? to"
        r"|denot\w+)\s.{0,25}\Z"
        r"|\b(?:(?:options?|choices?|labels?) (?:are|were)|such as|for example|e\.g\.)\s.{0,25}\Z"
    )
)
"""What others might say, and what is only an example."""
_SCALE = Late(
    lambda: (
        r"\b(?:from|between|scale|out|zwischen|von|skala|de|entre|échelle|escala|scala|da[il]?|tra|шкал\w*|от|od"
        r"|skali)\b"
        r"[^.;!?\n]{0,70}[\d)](?:\s?(?:[%€$£]|percent|prozent|pour cent|por ciento|per cento|por cento|procent"
        r"|процент\w*|euros?|dollars?))? ?(?:to|and|bis|und|à|et|a[il]?|y|e|até|до|do)"
        r" (?:(?:the|el|la|le|les|los|il|al|o|os|den?r?|das) )?\Z"
    )
)
_DENIES_BEHIND = Late(
    lambda: (
        rf"{_MARKS}\s?(?:(?:is|was|seems?|would be|feels|looks|sounds|might be|may be|could be|appears)"
        r"(?: (?:also|far|much|a bit|a little|slightly|rather|way|just|probably|perhaps|clearly|not|n't|certainly))*"
        r" (?:not|too|wrong|incorrect|excessive|inaccurate|unlikely|unreasonable|extreme|harsh|generous|low\b"
        r"|high\b|out\b"
        r"|impossible|implausible|off\b|less)|(?:isn't|wasn't|wouldn't|doesn't|can't|cannot|won't|does not|do not)\b"
        r"|(?:is|are|was|can be|could be) (?:ruled out|excluded|eliminated|discarded|rejected|out of the question)"
        r"|is (?:the |a )?(?:mid|middle|neutral point|highest|lowest|maximum|minimum|top\b|bottom\b|end ?point)"
        r"|ist (?:die|der|das) (?:(?:mitte|mittel|neutral|höchst|niedrigst)\w* ?(?:wert|punkt|note|der|\W)"
        r"|(?:best|schlechtest)\w* ?(?:wert|punkt|note|bewertung))"
        r"|(?:est|es|è|é) (?:le|el|il|o|la|a) (?:milieu|maximum|minimum|point|punto|ponto|máxim|mínim|massim|minim"
        r"|cent)"
        r"|would (?:mean|imply|suggest|indicate|require|need|signify|have|overstate|understate)"
        rf"|{word_of(IS_IN)} (?:[^\W\d_]+ )?{either(WRONG)}|{either(FALLS_OUT)}|(?:被)?排除|(?:是)?错|不对|不合适|不符"
        rf"|とは(?:限|言|思|いえ|いい)|わけではな|라고 (?:할|볼) 수 없|다고 (?:할|볼) 수 없"
        rf"|は(?:違|不適|間違)"
        rf"|(?:은|는) (?:틀|아니|제외)"
        rf"|{word_of(NOT)} (?:convient|correspond|passt|encaja|es\b|est\b|è\b|é\b|klopt|подходит|pasuje)|n'est pas"
        rf"|ne (?:convient|correspond|va|peut)"
        r"|(?:means?|stands for|represents|indicates|corresponds|denotes|signifies|refers|implies|being|meaning|says"
        r"|reads)\b"
        r"|\([^()\n]{1,40}\)\s?(?:to|through|and|bis|à|-)\s"
        r"|(?:out )?of (?:the|these|them|those|his|her|their)\b"
        r"|(?:नहीं|नाही|নয়|కాదు|değil|ではあ|ではな|じゃな|이 아니|가 아니|는 아니|은 아니|아니라|아닙니다|üzerinden"
        r"|점 만점|点満点|में से))"
    )
)
_PREFIX = (
    rf"(?:(?:but|oh|hmm|no|well|and|eh|bueno|bon|enfin|naja|nun|aber|mais|pero|ma|{'|'.join(OR.split())})"
    r"(?!\w)[,. ]{0,4}){0,4}"
)
"""Little words before a correction."""
_RETRACTS = Late(
    lambda: (
        rf"[.!?\n,;:—(-][\s\"'*]{{0,12}}+{_PREFIX}(?:{either(TAKEN_BACK)}(?!{SPACED})"
        r"|that(?:'s| is| was| seems| may be| might be) (?:too|not right|wrong|incorrect|a mistake))"
    )
)
"""A clause that begins by taking back what was said."""
_TOO = Late(lambda: rf"[\"')\]]*(?: [^\W\d_]+)?[.,;:—(-][^.;!?\n\d]{{0,40}}?(?<!{SPACED}){either(TOO_MUCH)}")
"""What says so right behind a mention, as in "a 6, but that is too high"."""
_TOO_HINTS = (
    "too",
    "zu",
    "trop",
    "dema",
    "muito",
    "te ",
    "слишк",
    "zbyt",
    "za ",
    "çok",
    "太",
    "すぎ",
    "너무",
    "för",
    "for ",
    "terlalu",
    "quá",
)
_ABSTAINS = Late(
    lambda: (
        r"\bnie (?:wiem|wiadomo|mogę|da się|sposób)\b|trudno powiedzieć|"
        r"わか(?:りません|らない)|分かりません|判断できません|判断でき(?:ない|かね)|言えません|无法|不知道|不能确定"
        r"|不好说|很难说|모르겠|알 수 없습|판단할 수 없|नहीं कह सकत"
        r"|कहना (?:संभव नहीं|मुश्किल)|لا أعرف|لا يمكن"
        r"|не знаю|нельзя сказать|трудно сказать|\bnicht (?:sagen|beurteilen|entscheiden|bestimmen)\b|\bweiß (?:es "
        r"|das )?nicht\b|\b(?:ne (?:sais|peux|peut) pas|impossible de)\b"
        r"|\bno (?:sé|puedo|se puede)\b|\bnon (?:so|posso|si può)\b|\bnão (?:sei|posso|é possível|dá para)\b"
        r"|\bweet (?:het )?niet\b|bilmiyorum|söylenemez|"
        r"\bnothing (?:in the (?:text|story|passage) )?(?:tells|says|indicates|suggests)\b|\bi (?:do not|don't) know\b"
        r"|\bweiß ich (?:es )?n|\b(?:n'en|ne) sais (?:rien|pas)\b|\b(?:is|are) not (?:stated|given|specified"
        r"|mentioned)\b"
        r"|\b(?:no|non|nada) (?:sé|so|sei) nada\b|\b(?:does|do) not (?:say|state|specify|mention)\b|"
        r"\bi(?:'d| would)? (?:rather|prefer) not\b|\b(?:i|we|one) (?:really |simply |just )?(?:can(?:not|'t)|could not"
        r"|couldn't|won't) (?:really |possibly "
        r"|simply )?(?:decide|judge|choose|tell|determine|say|pick|know|rate|answer)\b|\bit (?:all )?depends\b"
    )
)
_CORRECTS = Late(
    lambda: (
        rf"[.,;:!?\n(-][\s\"'*(]*{_PREFIX}(?:{either(TAKEN_BACK)}|no|nope)(?!{SPACED})"
        rf"(?:[\s,.:-]|i (?:say|mean)\b|{either(RATHER)}(?!{SPACED})|no\b|non\b|{_ARTICLES})*\Z"
    )
)
_OR_RATHER = Late(
    lambda: (
        rf"[.,;:!?\n(-][\s\"'*(]*(?:{either(OR)}|a|of|ya da|nebo|tai|eli),? {either(OR_RATHER)}(?!{SPACED})[\s,:-]*"
        rf"{_ARTICLES}\Z"
    )
)
_REASON = Late(
    lambda: (
        r"[\"')\]]*,?\s(?:given|since|because|considering|although|though|whereas|while|compared|knowing|as|weil|da"
        r"|denn"
        r"|obwohl|car|parce que|puisque|étant donné|sachant|alors que|dado|ya que|porque|puesto que|considerando|aunque"
        r"|poiché|dato che|visto che|perché|siccome|pois|já que|visto que|omdat|aangezien|hoewel|так как|потому что"
        r"|поскольку|учитывая|ponieważ|bo|gdyż|skoro|eftersom|fordi|siden|çünkü|protože|mivel|koska)(?!\w)"
    )
)
_STAYS = Late(
    lambda: (
        r"(?:\b(?:stay|stick|keep|remain|hold|stand)(?:ing|s)? (?:with|to|at|by|on)?|\bkeep(?:ing)?"
        r"|bleibe? (?:ich )?(?:bei"
        r"|dabei)|reste (?:à|sur|avec)|(?:quedo|mantengo) (?:con|en)?|mantengo|(?:resto|rimango|tengo) (?:a|su|con|il)?"
        r"|(?:fico|mantenho)(?: com)?|blijf bij|(?:остаюсь|останусь) при|оставлю|zostaję przy|zostanę przy"
        r"|håller fast vid"
        rf"|zůstávám u|还是|仍然|やはり|그대로)[\s:]*{_ARTICLES}\Z"
    )
)
_MINE = Late(
    lambda: (
        r"(?:^|\n)[\s|>*+-]*(?:(?:la|il|o|a|el|i) )?(?:my|our|i(?:'d| would| will)?|mein\w*|ich|ma|mon|mes|je|mi|yo"
        r"|mio|mia"
        r"|minha|meu|eu|mijn|ik|min|mitt|jag|мой|моя|моё|moja|mój|můj|moje|benim)\s[^\n:|=]{0,40}[:|=][\s\"'*$€£]*\Z"
    )
)
_DEDUCTS = Late(
    lambda: (
        r"\b(?:taking (?:off|away)|tak(?:e|ing) off|deduct(?:ing|ed|s)?|subtract(?:ing|ed|s)?|knock(?:ing|ed)? off"
        r"|dock(?:ing"
        r"|ed)|los(?:es?|ing)|wins? back|tirando|tirei|descontando|descontei|quitando"
        r"|quito|restando|resto|en retirant|retire|enlève|en enlevant|togliendo|tolgo|abzüglich|abzug von|ziehe"
        r"|снимаю|сняв"
        r"|минус|odejmuj\w+|trekt?|avdrag (?:på|med))\s\Z"
    )
)
_DEDUCTED = re.compile(
    r"(?:\s(?:punkte?n?|points?|puntos?|pontos?|punti|балл\w*|poäng))?\s(?:abzug|off\b|deducted|subtracted|de moins"
    r"|de menos"
    r"|less\b|aftrek|avdrag)"
)
"""What was added to a value, or taken from it."""
DENIED = "names labels only to deny, explain or suppose them"
COUNTED = "names a bound, or a number of something else"


def _behind(words: str, behind: str) -> Late:
    return Late(lambda: rf"(?:{words})\b{behind}\Z")


_UNDER = tuple(
    (
        needles,
        _behind(words, behind),
    )  # without a border in front, so that most places are passed over at once
    for needles, words, behind in (
        (
            ("that", "if", "whether", "how"),
            "not|cannot|can't|never|no|nothing|nobody|hardly|far from|wrong|premature|hard|difficult|impossible|unclear"
            "|uncertain|unknown|unsure|unlikely|doubt|doubts|doubtful|remains|question|questionable|n't",
            r"[^.;!?\n]{0,60}\b(?:that|if|whether|how)\b[^.;!?\n]{0,40}",
        ),
        (
            ("no ", "little ", "without ", "insufficient ", "lack of ", "not enough "),
            "no|little|without|insufficient|lack of|not enough",
            r" (?:[a-z]+ ){0,2}(?:evidence|indication|proof|reason|sign|suggestion|guarantee|information|basis|way)\b"
            r"[^.;!?\n]{0,60}",
        ),
        (
            ("if", "whether", "unless", "until", "once", "suppos", "assuming", "provided"),
            "if|whether|unless|until|once|suppose|supposing|assuming|provided",
            r"(?<!as if)[^.;,!?\n]{0,40}",
        ),
        (
            ("think", "believe", "suppose", "say", "claim"),
            "not|n't|never|hardly",
            r" (?:really |actually )?(?:think|believe|suppose|say|claim)\b[^.;,!?\n]{0,20}",
        ),
        (
            ("ible that", "able that"),
            "possible that|conceivable that|plausible that|imaginable that",
            r"[^.;!?\n]{0,40}",
        ),
    )
)
"""What a statement stands under that is not its own assertion."""
_THINKS = Late(
    lambda: (
        r"\b(?:thinks|believes|claims|assumes|says|pretends|hopes|feels)(?: that)?(?: (?:he|she|they|it))? ?\Z"
        r"|\b(?:may|might|could)(?: [a-z]+){0,2} \Z"
    )
)
_ONLY = Late(
    lambda: r"\b(?:will|would|can|could|may|might|only)\b(?: [a-z]+)? (?:only|then|later|soon)\b|\bonly knows?\b"
)
_LATER = Late(
    lambda: r"[^.;!?\n]{0,60}\b(?:once|unless|only (?:if|when|after)|as soon as|(?:if|after) (?:he|she|they) \w+)\b"
)
_IF_THEN = Late(lambda: r"\bif\b(?:(?!\b(?:yes|no)\b)[^.;!?\n]){3,60}, (?:then )?\Z")
"""A condition right before a statement."""
_BUT_NOT = Late(lambda: r"[^.;!?\n]{0,60}\b(?:but|though|and) not\b")
_SURE = Late(lambda: r"\b(?:no|without(?: a)?|beyond) (?:doubt|question)\b|\bnot (?:only|just|merely)\b")


def is_asserted(text: str, start: int, end: int) -> bool:
    """Whether a statement in a text is its own assertion: not denied, asked, supposed, or somebody's belief."""
    first = max(0, start - BEFORE)
    words = text[max(first, *(text.rfind(mark, first, start) + 1 for mark in ".;!?\n")) : start]
    is_under = any(
        any(needle in words for needle in needles) and pattern.search(words) is not None for needles, pattern in _UNDER
    )
    if (is_under or ("if" in words and _IF_THEN.search(words))) and not _SURE.search(words):
        return False
    if " not" in text[end : end + BEFORE] and _BUT_NOT.match(text, end, end + BEFORE):
        return False
    if _NOT.search(text, start, end):
        return True
    return not (_THINKS.search(words) or _ONLY.search(text, start, end) or _LATER.match(text, end, end + BEFORE))


def is_final(text: str, start: int) -> bool:
    """Whether the mention that starts at a place is called the final answer."""
    return _FINAL_ANSWER.search(text, max(0, start - BEHIND), start) is not None


def abstains(text: str) -> bool:
    """Whether a text says that it does not answer."""
    return _ABSTAINS.search(text) is not None


def corrects(text: str, start: int) -> bool:
    """Whether the mention that starts at a place replaces what was said right before, as in "3 ... no, 4"."""
    return _CORRECTS.search(text, max(0, start - BEHIND), start) is not None


def corrects_plainly(text: str, start: int) -> bool:
    """The same with "or" and a word for "rather", as in "Yes. Or rather: no"."""
    return _OR_RATHER.search(text, max(0, start - BEHIND), start) is not None


def gives_reason(text: str, start: int) -> bool:
    """Whether a reason or a concession begins at a place."""
    return _REASON.match(text, start, start + BEHIND) is not None


def stays(text: str, start: int) -> bool:
    """Whether the text says of the mention that starts at a place that it stays with it."""
    return _STAYS.search(text, max(0, start - BEHIND), start) is not None


def is_mine(text: str, start: int) -> bool:
    """Whether a line begins with the answerer's own and a mark, and then the mention at a place: "My offer: 40"."""
    return _MINE.search(text, max(0, start - BEFORE), start) is not None


def retracts(text: str, start: int = 0) -> bool:
    """Whether a text takes back, from some place on, what it said before."""
    near = text[start : start + BEFORE]
    may_be = any(hint in near for hint in _TOO_HINTS)
    return (may_be and _TOO.match(near) is not None) or _RETRACTS.search(text, start) is not None


def is_denied_behind(text: str, end: int) -> bool:
    """Whether the words behind a mention deny or explain it, as "is too low"."""
    return bool(_DENIES_BEHIND.match(text, end, end + BEHIND))


def is_first_thought(words: str) -> bool:
    """Whether words before a mention say that it was only the first thought."""
    last = last_part(_TURNS, words)
    return _AT_FIRST.search(last) is not None


def is_open(text: str) -> bool:
    """Whether a text breaks off before it has said all."""
    return _OPEN_END.search(text, max(0, len(text) - EDGE)) is not None


def is_conclusion(text: str, start: int) -> bool:
    """Whether the mention that starts at a place follows from a condition that is met, as in "If he is 5, she is 7"."""
    return _THEN.search(text, max(0, start - BEFORE), start) is not None


def _is_denied(near: str) -> bool:
    """Whether the words right before a mention deny it; "instead of 20 € it costs" denies only the first number."""
    return any(not (_INSTEAD.fullmatch(word[0]) and _DIGIT.search(near, word.end())) for word in _NOT.finditer(near))


def why_not(text: str, start: int, end: int) -> str:
    """Why a mention is no answer by what stands beside it, "" where nothing is against it."""
    words = text[max(0, start - BEFORE) : start]
    near = last_part(_RESETS, words)
    denied = is_denied_behind(text, end) or _is_denied(near) or _OTHERS.search(near)
    supposed = is_supposed(words) and not (is_conclusion(text, start) and " not " not in words)
    if denied or supposed or is_first_thought(words) or _SCALE.search(words):
        return DENIED
    is_number = text[start : start + 1].isdigit()
    is_part = is_number and (_DEDUCTS.search(near, max(0, len(near) - EDGE)) or _DEDUCTED.match(text, end))
    return COUNTED if is_part or _BOUND.search(words, max(0, len(words) - BEHIND)) else ""
