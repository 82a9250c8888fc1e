"""Weighing: how much each mention of a label counts, by what stands around it.

Every place that names a label is a mention: given as the answer, standing by itself, set apart, or only named.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from grace.studies.reading import evidence
from grace.studies.reading.languages import ABOUT, BUT, IN_FACT, INSTEAD, MAYBE, OPTION, YES_NO, either, folded, word_of
from grace.studies.reading.late import Late
from grace.studies.reading.mentions import Mention
from grace.studies.reading.text import REFUSAL, Text

MOST = 400
"""Mentions that are looked at; a text with more of them is no answer."""
EDGE = 12
"""Characters around a label that stands alone in its line; there are fewer."""
FEW_WORDS = 4
"""Words of an answer that is about nothing but the label in it."""
LONGEST_NAME = 6
"""Words behind "1." that may be a name of that label; more are a step of a list."""
GIVEN, ALONE, APART, HINTED, NAMED, SEVERAL = 5, 4, 3, 2, 1, 0
"""How much a mention counts: given as the answer; alone in its line, or first words with a mark behind; set apart from
its sentence; perhaps meant as the answer; only named; one of several side by side."""
_NOT_AN_ANSWER = Late(
    lambda: (
        r"(?:\s(?:one|way|doubt|worries|wonder|thanks|thank|problem|information|info|idea|evidence|matter|more|longer"
        r"|specific|other|such|indication|mention"
        r"|guarantee|explicit|reason|need|certainty|sign|problem|question|further|additional|direct|definite|definitive"
        r"|statement|of|answers?|after|before|enough)\b|-(?:one|brainer|go)\b|/)"
    )
)
_OPENER = Late(
    lambda: (
        rf"\W*(?:(?:{word_of(ABOUT)}|(?:(?:la|el|le|il|o|a|die|der|das|de|det|den|the|η)\s)?{word_of(OPTION)}"
        rf"|l'op(?:tion|zione)"
        rf"|(?:选项|選項|選択肢|선택지)\s?|dass?|que|che)[\W_]*){{0,2}}"
        r"\W*(?:(?:(?:an?|the|eine?|une?|my (?:answer|rating|choice)(?: is)?|it(?:'s| is)|option|rating|score|choice"
        r"|number"
        r"|level|around|about|approximately|roughly|maybe|perhaps|ca|circa|etwa|environ)\b(?!['’-])|(?:well|hmm+|oh"
        r"|ok(?:ay)?|sure|great|thanks|honestly|certainly|absolutely|definitely"
        r"|in my (?:opinion|view)|personally|probably|final answer|answer|response|knowledge|sorry|also|bueno|pues|eh"
        r"|alors"
        r"|ja,|nun|(?:most|very) likely|almost certainly|mostly|mainly|primarily|een|el|la|le|il|eher|wohl"
        r"|wahrscheinlich|vermutlich|vielleicht|rather|raczej|más bien|plutôt|probablement|probablemente"
        r"|probabilmente|provavelmente|waarschijnlijk|eerder|скорее(?: всего)?|наверное|вероятно|bence"
        r"|galiba|на)\b)[\W_]*){0,3}"
    )
)
_FOLLOWS = Late(lambda: rf"(?:{evidence.OR_SO})?[\"'\])}}]*+\s*(?:[.,;:!()\n—]|-\s|\Z|/|\|)")
_PRONOUN = Late(
    lambda: (
        r"\s(?:i|he|she|they|it|we|you|the|this|that|there|these|because|since|as|but|in|based|given|mr|mrs|ms|dr"
        r"|according"
        r"|for|and|so)\b"
    )
)
_ASSENTS = Late(lambda: r"[\"')\]]*\s*(?:[.,;:!\n]|\Z|(?:with|because|since|as)\b)")
_BECAUSE = Late(
    lambda: (
        rf"\s(?:{either(INSTEAD)}|rather than|instead of|as opposed to|and not|over|als|niż|än|et (?:non|pas)|und nicht"
        r"|y no|e non|e não|en niet|а не|a nie|och inte|скорее,? чем|eher als"
        r"|on (?:an?|the|this|my)? ?(?:scale|\d)|auf der skala"
        r"|sur une échelle|en una escala|su una scala|because|since|as|weil|da|denn|car|parce|porque|perché|pois|omdat"
        r"|потому)\b"
    )
)
_SENTENCE = Late(lambda: r"[^\W\d_][\"')]*[.!?]{1,3}[\"')]*\s+[\"'(]*\Z")
_SENTENCE_A = Late(
    lambda: r"[^\W\d_][\"')]*[.!?]{1,3}[\"')]*\s+(?:an?|eine?n?|une?|una?|uno|een|ett?|um|uma) (?:[^\W\d_]+ )?\Z"
)
"""The same with an article and one word between: "Very polite? No. A mild +1."."""
_SENTENCE_END = Late(lambda: r"[.!?;\n] ")
_CLOSES = Late(lambda: r"[\"')]*(?:[.!]|[.!]?[\"')]*\s*\Z)")
_SET_APART = Late(
    lambda: (
        rf"(?:[:=|(→是为即は]|คือ|->|=>|[,;] ?(?:so|then)?"
        rf"|{word_of(BUT)}(?: rather| instead| eher|,? {word_of(IN_FACT)},?)?)"
        r" ?(?:just|only|an?|the|eine?n?|une?|una?|een|um|uma|en|ett|et)?(?: (?:solid|clear|firm"
        r"|strong))?\s*[\"'(\[]*\Z"
    )
)
_A_MARK = Late(lambda: r"(?<![^\W_])(?:an?|eine[nr]?|une?|uno|uma?|een|ett?|en) \Z")
"""What makes a number in words a mark: "eine Fünf"."""
_OUGHT = Late(lambda: r"\b(?!i\b)[a-z]+ (?:should|must|ought to|has to|have to|needs? to|had better) \Z")
"""What a verb stands under that somebody is advised to do."""
_COPULA = Late(
    lambda: (
        r"\b(?:ist|klingt|wirkt|scheint|est|semble|paraît|es|parece|suena|è|sembra|suona|é|soa|lijkt|klinkt|är|låter|er"
        r"|jest|brzmi|звучит|adalah|là)"
        r"(?: (?:eher|sehr|ziemlich|recht|doch|wohl|plutôt|très|assez|clairement|muy|más bien|bastante|molto|piuttosto"
        r"|muito|heel|vrij|nogal|väldigt|raczej"
        r"|eine?|une?|una?|um|uma|een|ett|en)){0,2} [\"']*\Z"
        r"|\b(?:am|is|was|are|were|seems|sounds|feels|looks|reads|counts|works|serves|functions) (?:as |like )?(?:an? "
        r"|the )?"
        r"(?:[a-z]+ly |very |quite |rather |an? )?[\"']*\Z"
    )
)
_PREDICATE = Late(
    lambda: (
        r"\b(?:am|is|was|are|were|seems|sounds|feels|looks|reads|counts|works|serves|functions|mak(?:es|ing)|giv(?:es"
        r"|ing)|expresses"
        r"|expressing|shows|means|conveys|issuing|(?:intended|meant|used) as|blames?|caused by"
        r"|due to) (?:to me )?(?:as "
        r"|like )?(?:an? |the |his |her )?(?:[a-z]+ ){0,2}[\"']*\Z"
    )
)
_FOREIGN = Late(lambda: r"[\u0900-\u0fff\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7af\u0590-\u06ff]")
_QUANTIFIERS = frozenset(("both", "neither", "beide", "les deux", "ambos", "entrambi"))
"""Labels that name others behind them, as in "both of them"."""
_LEAD = Late(
    lambda: (
        r"(?:(?:an?|the|eine?|une?|un|una|een|rating|score|option|answer|solid|clear|firm|strong|simple|single|full"
        r"|about|around|roughly"
        r"|approximately|probably|likely|just|only|exactly|environ|etwa|circa|unos|около|glatte|gute"
        r"|klare)[ :]+)*[\"'(\[]*"
    )
)
_NAMED_BY = Late(
    lambda: (
        r"\b(?!(?:an?|is|be|was|say|answer|rating|score|number|option|choose|pick|give|it|with|of|as|at|to|or|and|that"
        r"|so|but|than|choice|select"
        r"|letter|candidate|version|sentence|reading|then|thus|hence|think|believe|case|statement|not|both|either"
        r"|neither|with|for|from)\b)[a-z]{3,} \Z"
    )
)
_NUMBER_ALONE = Late(lambda: r"[.):]\s*\(?\d+\)?[.\s]*")
_VERDICT = Late(
    lambda: (
        r"[\"')\].:]*\s(?:is|was|would be) (?:clearly |also |the )?(?:in)?(?:correct|wrong|right|true|false|out|best"
        r"|excluded)\b"
    )
)
_PRONOUN_ONE = Late(
    lambda: (
        r"\b(?!(?:an?|is|be|was|say|answer|rating|score|number|option|choose|pick|give|it|with|of|as|at|to|or|and|minus"
        r"|plus|level|just"
        r"|only|solid|point)\b)[a-z]+ \Z"
    )
)
_REPORTS = Late(
    lambda: (
        r" (?:says?|said|claims?|thinks?|believes?|accuses?|blames?|insists?|argues?)(?: that)?(?: it (?:was"
        r"|is))? ?[\"']?"
    )
)
_SUBJECT = Late(lambda: r"\s(?:was|were|is|are|had|has|did|does|could|might|may|would|says?|[a-z]+ed)\b")
_YES_NO = frozenset(folded(YES_NO).split())
_THIS = Late(lambda: r"\b(?:this|that|the|it|each|both) [a-z]+ \Z")
_QUESTIONS = frozenset(("question", "vraag", "frage", "pregunta", "pergunta", "domanda", "fråga", "point", "request"))
_PRAISED = Late(
    lambda: (
        r"\b(?:good|great|excellent|interesting|fair|tough|tricky|hard|difficult|valid|goede|gute|schwierige|bonne"
        r"|buena"
        r"|boa|bella) \Z"
    )
)
_BETWEEN = Late(
    lambda: (
        rf"[\"')\]]*\s*(?:[,;/|&\n-]|\((?:or|oder|ou|o|или)\s|(?:or|or so|about|and|to|through|oder|und|ou|et|o|y|e|или"
        rf"|и|veya|mı|mi|ile|ve|dan|og|och|en|και|atau|hoặc|lub|of|eller|या|বা|أو|یا|even|an?|eine?|une?|una?"
        rf"|{either(MAYBE)})(?!\w)|或者?|还是"
        rf"|和|または"
        rf"|もしくは|か|と|또는|아니면|이나|หรือ|인지|점|点|分|\s)*[\"'(\[]*"
    )
)
QUESTION = Late(lambda: r"(?:^|(?<=[.!?\n\"]))[^.!?\n\"]*+\"?\?(?=[\s\"')\]]|\Z)")
_ASKED = Late(lambda: r"[\"')\]*]*\?")
_STILL_NAMED = ("", "is cut off", "only asks", evidence.COUNTED)
"""Why a mention may be no answer, and yet one of several side by side."""


class Weighed(NamedTuple):
    """A mention that may be the answer, how much it counts, and whether it is the text's first words."""

    mention: Mention
    weight: int
    exact: bool = False


def weigh(text: Text, mentions: Sequence[Mention]) -> tuple[list[Weighed], str]:
    """The mentions that may be the answer, and why others are none ("" where there is no other)."""
    if len(mentions) > MOST:
        return [], "names too many labels"
    plain = text.plain
    questions = [match.span() for match in QUESTION.finditer(plain)] if "?" in plain else []
    begin, opened = 0, _end_of(_OPENER, plain, 0)
    if not (mentions and mentions[0].start == opened):
        for start, end in questions:  # an answer may begin with the question
            begin = end if start >= begin and not plain[begin:start].strip() else begin
        opened = _end_of(_OPENER, plain, begin)
    listed = _listed(plain, mentions)
    denied: dict[int, str] = {}
    weighed: list[Weighed] = []
    for place, mention in enumerate(mentions):
        is_first = (
            mention.start == opened
            or bool(_LEAD.fullmatch(plain, opened, mention.start))
            or (mention.start >= begin and not plain[begin : mention.start].strip(" \"'([{\n-"))
        )
        is_bare = mention.kind in ("number", "letter", "figure")
        if text.cut and mention.end >= len(plain.rstrip()):
            denied[place] = "is cut off"
            continue
        if place in listed and (listed[place] or (text.cut and is_bare and not _opens(plain, mention, is_first))):
            denied[place] = "names labels in a list"
            continue
        weight, exact = _weight(text, mention, is_first)
        one = Weighed(mention, weight, exact)
        is_asked = any(start <= mention.start < end for start, end in questions)
        before = mentions[place - 1] if place else None
        against = _against(plain, one, before, is_first, is_asked)
        if against:
            denied[place] = against
            continue
        if place in listed and is_bare:  # "3. So-so", or the only step of a list
            one = Weighed(mention, _of_one_step(plain, mention, weight, is_first))
        weighed.append(one)
    kept = [one for one in weighed if not _is_alternative(plain, mentions, denied, one.mention)]
    reason = "names a range or several answers" if len(kept) < len(weighed) else next(iter(denied.values()), "")
    fit = [one for one in kept if one.mention.label is not None and not one.mention.odd]
    unfit = [one.mention for one in kept if one not in fit and one.weight >= ALONE]
    if unfit and not any(one.weight >= ALONE for one in fit):
        return [], unfit[0].odd or f"says {unfit[0].words.strip()}, which is none of the answers"
    fit += [one._replace(weight=SEVERAL, exact=False) for one in weighed if one not in kept and one.mention.label]
    return (fit if any(one.weight for one in fit) else []), reason


def _against(text: str, one: Weighed, before: Mention | None, is_first: bool, is_asked: bool) -> str:
    """Why a mention is no answer by what stands around it, "" where nothing is against it."""
    mention, start, end = one.mention, one.mention.start, one.mention.end
    is_named_by = mention.kind == "letter" and _NAMED_BY.search(text, max(0, start - 20), start) is not None
    if is_named_by and one.weight == GIVEN and not evidence.CUE.search(text[max(0, start - evidence.BEFORE) : start]):
        return evidence.COUNTED  # "plan B is better"
    if is_asked and not (is_first and one.exact and not _ASKED.match(text, end)):
        return "only asks"
    if mention.words == "no" and one.weight <= NAMED and text[end : end + 1] == " " and _NOT_AN_ANSWER.match(text, end):
        return evidence.DENIED  # "no doubt"
    if before and _REPORTS.fullmatch(text, before.end, start):
        return evidence.DENIED  # "Ann says that it was Ben"
    is_bare = mention.kind in ("number", "letter", "figure")
    opens = one.exact and one.weight == ALONE and not (is_bare and evidence.is_denied_behind(text, end))
    against = "" if opens else evidence.why_not(text, start, end)
    if against == evidence.DENIED:
        return "" if is_first and mention.words in _QUANTIFIERS else against
    is_pronoun = mention.words == "one" and mention.kind == "spelled"
    if is_pronoun and _PRONOUN_ONE.search(text, max(0, start - 20), start):
        return evidence.COUNTED  # "the third one is best"
    if mention.words in _QUESTIONS and _PRAISED.search(text, max(0, start - EDGE), start):
        against = evidence.COUNTED
    return "" if against and _is_meant(text, start, end) else against


def _is_meant(text: str, start: int, end: int) -> bool:
    """Whether what seems to count something is the answer all the same."""
    if evidence.is_final(text, start) or evidence.CUE_BEHIND.match(text, end):
        return True  # "I raise it up to 5", "sentence 2 is better"
    if evidence.RATES_OBJECT.search(text, max(0, start - evidence.BEHIND), start):
        return True
    is_this = _THIS.search(text, max(0, start - 30), start) is not None
    return is_this and evidence.UNITS.match(text, end) is not None  # "I give this sentence 5 points"


def _opens(text: str, mention: Mention, is_first: bool) -> bool:
    """Whether a text that may be a list begins with an answer and its reason: "5 - it is fine", "Rating: 5. It is"."""
    return text[: mention.start].rstrip().endswith(":") or (is_first and mention.words not in ("1", "a"))


def _is_outside(mention: Mention) -> bool:
    """Whether a number is none of those asked for because of its size."""
    return mention.kind in ("figure", "amount") and mention.odd.startswith("says ")


def _end_of(pattern: Late, text: str, start: int) -> int:
    match = pattern.match(text, start)
    return match.end() if match else start


def _weight(text: Text, mention: Mention, is_first: bool) -> tuple[int, bool]:
    """How much a mention counts, and whether it is the text's first words."""
    plain, start, end = text.plain, mention.start, mention.end
    around = plain[max(0, start - EDGE) : start].split("\n")[-1] + plain[end : end + EDGE].split("\n")[0]
    if len(around) < EDGE and not any(map(str.isalnum, around)):
        return ALONE, is_first
    follows = bool(_FOLLOWS.match(plain, end))
    if _SENTENCE.search(plain, max(0, start - EDGE), start) and _CLOSES.match(plain, end):
        return ALONE, is_first
    closes = mention.kind in ("number", "spelled") and _CLOSES.match(plain, end)
    if closes and _SENTENCE_A.search(plain, max(0, start - 40), start):
        return ALONE, is_first
    is_pronoun = mention.words == "i" and plain[end : end + 1] == ","  # "I, for one, ..."
    if is_first and follows and not (is_pronoun or _NOT_AN_ANSWER.match(plain, end)):
        return (NAMED, False) if REFUSAL.search(plain, end, end + 80) else (ALONE, True)
    if is_first and mention.words in _QUANTIFIERS and not REFUSAL.search(plain, end, end + 80):
        return ALONE, True
    unit = evidence.UNITS.match(plain, end) if mention.kind != "word" else None
    # "one" is a number only where it stands by itself
    ends = bool(evidence.ENDS.match(plain, end)) if mention.words != "one" else follows or bool(unit)
    before = plain[max(0, start - evidence.BEFORE) : start]
    named = mention.kind in ("word", "both")
    if not is_first and (ends or follows) and evidence.corrects_plainly(plain, start):
        return GIVEN, is_first
    if ends and not named and (evidence.is_final(plain, start) or evidence.corrects(plain, start)):
        return GIVEN, is_first
    if (ends or named or mention.kind == "figure") and evidence.CUE.search(before):
        return (GIVEN, is_first) if not named or ends or " " in mention.words else (NAMED, False)
    if is_first and not named and _BECAUSE.match(plain, end):
        return ALONE, True
    if is_first and (mention.kind == "both" or (unit and _FOLLOWS.match(plain, unit.end()))):
        return ALONE, True
    if named and _ASSENTS.match(plain, end) and evidence.ASSENT.search(before):
        return GIVEN, is_first
    if evidence.CUE_BEHIND.match(plain, end) or (not named and evidence.NUMBER_BEHIND.match(plain, end)):
        return GIVEN, False
    if is_first and named and _PRONOUN.match(plain, end) and not REFUSAL.search(plain, end, end + 80):
        return ALONE, True
    if mention.kind == "spelled" and follows and mention.words != "one" and _A_MARK.search(before[-6:]):
        return APART, False
    if (mention.kind != "spelled" or " " in mention.words) and _is_apart(text, mention, before, ends, follows):
        return APART, False
    return (HINTED if _is_hinted(plain, mention, before, ends) else NAMED), False


def _is_apart(text: Text, mention: Mention, before: str, ends: bool, follows: bool) -> bool:
    """Whether a mention is set apart by markup or marks, or is what a sentence says of something."""
    named = mention.kind in ("word", "both")
    if mention.kind == "amount" or (mention.kind == "both" and ends):
        return True
    if any(_is_named(mention.words.strip(), words) for words in text.apart) or (ends and evidence.WOULD.search(before)):
        return True
    is_said = named or mention.kind == "figure"
    if named and follows and _SENTENCE.search(before[-EDGE:]) and not _NOT_AN_ANSWER.match(text.plain, mention.end):
        return True
    return follows and bool(_SET_APART.search(before[-20:]) or (is_said and _COPULA.search(before[-30:])))


def _is_hinted(text: str, mention: Mention, before: str, ends: bool) -> bool:
    """Whether a mention may be meant as the answer: several words, what is said of something, or beyond these rules."""
    if mention.kind not in ("word", "both"):
        return False
    words = mention.words
    if " " in words and not _SUBJECT.match(text, mention.end):
        return evidence.is_asserted(text, mention.start, mention.end)
    if ends and (_PREDICATE.search(before[-40:]) or _OUGHT.search(before[-30:])):
        return True
    if words not in _YES_NO and len(text.split()) <= FEW_WORDS and not _FOREIGN.match(words):
        return len(words) > 3
    return (
        len(words) > 1 and words not in _YES_NO and bool(_FOREIGN.match(words)) and not _SENTENCE_END.search(text[:-1])
    )


def _is_named(label: str, words: str) -> bool:
    """Whether some words are a label, or name it as "option B" does."""
    return words.endswith(label) and evidence.ARTICLES.fullmatch(words, 0, len(words) - len(label)) is not None


def _of_one_step(text: str, mention: Mention, weight: int, is_first: bool) -> int:
    """How much a mention counts that is written as a list's marker is."""
    line = text[mention.end : mention.end + 200].split("\n")[0]
    if text[: mention.start].rstrip().endswith(":"):  # "Formality: 2 - it is casual"
        return weight
    if _NUMBER_ALONE.fullmatch(line):
        return NAMED  # "1. 4"
    if not is_first or (mention.words in ("1", "a") and len(line.split()) > LONGEST_NAME):
        return weight if weight == GIVEN else NAMED
    return max(weight, ALONE)


def _listed(text: str, mentions: Sequence[Mention]) -> dict[int, bool]:
    """The mentions that look like markers of a list or explain a scale ("1. ...", "5 = always"); whether several do."""
    marks: dict[int, str] = {}
    for place, mention in enumerate(mentions):
        if mention.kind == "both" and "=" in mention.words:
            marks[place] = mention.words
            continue
        behind = evidence.MARKER.match(text, mention.end) or evidence.EXPLAINS.match(text, mention.end)
        if (
            mention.kind in ("spelled", "amount")
            or behind is None
            or _VERDICT.match(text, mention.end)
            or not _has_words(text, behind.end())
        ):
            continue
        head = text[max(0, mention.start - EDGE) : mention.start]
        if evidence.STEP.search(head) or behind[0].strip(" .:)]-"):
            marks[place] = mention.words
    if len(set(marks.values())) > 1:
        return dict.fromkeys(marks, True)
    return {place: False for place in marks if evidence.MARKER.match(text, mentions[place].end)}


def _has_words(text: str, start: int) -> bool:
    """Whether the line goes on behind a place."""
    return bool(text[start : start + 20].split("\n")[0].strip())


def _is_alternative(text: str, mentions: Sequence[Mention], denied: Mapping[int, str], one: Mention) -> bool:
    """Whether a mention is one of several side by side, as in "3 or 4" and "4, 5, 2"."""
    place = mentions.index(one)
    for other in (place - 1, place + 1):
        if not 0 <= other < len(mentions) or denied.get(other, "") not in _STILL_NAMED:
            continue
        first, second = sorted((mentions[other], one), key=lambda mention: mention.start)
        gap = text[first.end : second.start]
        if (first.kind == "letter" and second.kind == "word" and gap == " ") or (
            _is_outside(mentions[other]) and gap in (" ", ", ")
        ):
            continue  # "a metaphor", "March 3, 1848"
        if first.kind == "letter" and first.words in "aeioy" and gap == " ":
            continue  # "a resposta é a C"
        if first.words in _QUANTIFIERS or (second.words == "one" and first.kind != "spelled"):
            continue  # "both the boy and the girl", "the second one"
        is_near = first.label != second.label and second.start - first.end < 20
        if is_near and _BETWEEN.fullmatch(text, first.end, second.start):
            return True
    return False
