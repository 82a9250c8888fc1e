"""Reads a count: a whole number of things, as in "3", "all three of them" or "2 of the 3"."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from grace.studies.reading import CLEAR, EXACT, IMPLIED, Answer, Missing, Value
from grace.studies.reading.languages import any_of
from grace.studies.reading.late import Late
from grace.studies.reading.text import WORDS, Text

_OWNER = r"(?:the|these|those|this|his|her|their|my|our|your|its|[a-z]+'s?)"
_LEADING = (
    r"^\W*(?:(?:the |my |final |initial |prior )*(?:answer|response|estimate|guess)\s*(?:is|would be|:)?\W*)?"
    r"(?:(?:i|we)(?:'d| would)? (?:[a-z]+ )?(?:say|guess|think|expect|believe|estimate|answer)(?: that)?"
    r"(?: about| around| probably)?\W*"
    r"|(?:probably|likely|most likely|exactly|about|approximately|around|maybe|i think)\W+){0,2}"
)
_CUE = (
    r"(?:expect(?:ed|ing)?|think|believe|say|guess|estimat(?:e|ed|ing)|predict|answer(?: is| would be)?|assumed?"
    r"|suppose|likely|probably|conclude|infer(?:red)?|number is|would be|settle on|count on|go with|favou?rs?)\b[\s:,]*"
    r"(?:(?:is|that|about|around|approximately|just|only|there (?:are|will be|would be)|probably|likely|exactly|on|with"
    r"|it is|it's)\s+){0,3}"
)
_FIRSTS = (
    *("expect", "think", "believe", "say", "guess", "estimate", "predict", "answer", "assume", "suppose", "likely"),
    *("probably", "conclude", "infer", "number", "would", "settle", "count", "go", "favour", "the"),
)
"""Words that a cue begins with."""
_STATE = (
    r"(?:[a-z]+ly )?(?:have|has|had|are|is|were|will|would|did|do|can|may|might|should|won|work|contain|[a-z]+ed)\b"
)
_LIKELY = (
    r"(?:is|are|would be|seems?) (?:the |thus |therefore )?(?:most |highly |very )?"
    r"(?:likely|probable|probably|plausible|expected)\b"
)
_BOUND = re.compile(
    r"\b(?:at least|at most|at minimum|at the very least|a minimum of|a maximum of|up to|no more than|no fewer than"
    r"|no less than|more than|less than|fewer than|as many as|over|under|between|from|either|not only|not just)\s*$"
)
_NEGATED = Late(
    lambda: (
        r"(?:\bnot\b|n't\b|\bcannot\b|\bnever\b|\bunlikely\b|\bno (?:guarantee|certainty|evidence|reason)\b|\bwithout\b"
        r"|\bunless\b|\bif\b|\bwhether\b|\bdoubt(?:ful)?\b|\brather than\b|\binstead of\b)(?:\s[a-z']+){0,6}\s*$"
    )
)
_NEGATIONS = (
    "not",
    "n't",
    "never",
    "unlikely",
    "no ",
    "without",
    "unless",
    "if",
    "whether",
    "doubt",
    "rather",
    "instead",
)
_PERHAPS = r"(?:even|possibly|perhaps|maybe|potentially)"
_JOINED = Late(
    lambda: (
        rf"^[^.!?\n;:]{{0,40}}?(?:\bor\b|\bto\b|\band {_PERHAPS}\b|\bif not\b|\bthough {_PERHAPS}\b|-)"
        rf"\s*(?:(?:{_PERHAPS}|likely|probably|as many as|all|just|only|exactly)\s*)*$"
    )
)
_OR = re.compile(rf"(?:\bor\b|(?:\band\b|,)\s*{_PERHAPS})(?:\s{_PERHAPS})?\s*$")
_NUMBERED = re.compile(r"^\W*1[.)]\s[^\n]*(?:\n[^\n]*)*?\s2[.)]\s")
_BARE = re.compile(r"\s*(?:[.,;:!)\]\"}]|$)")
"""The characters after a number that is an answer by itself."""
_SENTENCE = re.compile(r"[.!?]\s|\n")
_VERDICT = Late(
    lambda: (
        r"\b(?:my (?:final |initial )?(?:answer|estimate|guess)|the (?:final )?answer"
        r"|i(?:'d| would)? (?:[a-z]+ )?(?:say|guess|expect|estimate|think)|most (?:likely|probable)|therefore|so,? "
        r"|thus"
        r"|hence|conclu|overall|best guess)"
    )
)


@dataclass(slots=True)
class _Mention:
    number: int
    start: int
    end: int
    weak: bool = False
    """Whether it counts only where nothing else does, as "one of them" does."""


class CountReader:
    """Finds a number from 0 to `of`."""

    def __init__(self, column: str, of: int) -> None:
        self.columns = (column,)
        self._of = of
        words = {word: number for word, number in WORDS.items() if number <= of}
        self._numbers = {str(number): number for number in range(of + 1)} | words
        self._numbers |= {"none": 0, "no": 0, "all": of, "each": of, "every": of, "both": 2}
        spelled = next(word for word, number in WORDS.items() if number == of)
        total = rf"(?:{of}|{spelled})"
        names = "|".join(sorted((*map(str, range(of + 1)), *words), key=len, reverse=True))
        names = names.replace("one", r"one(?! (?:can|could|would|might|may|should|must)\b)")  # "one can assume ..."
        number = rf"(?<![\d.,$/-])(?:{names})(?![\d%]|[.,]\d|\s?(?:%|percent|dollars)|\s?:\s?\$?\d)\b"
        self._leading = re.compile(
            rf"{_LEADING}(?P<n>{number}|none\b|no\b(?=\s[a-z]+s\b)|all(?: of)? (?:{_OWNER} )?{total}\b|all of them\b)"
        )
        self._onwards = re.compile(
            rf"[\s,.;]{{0,2}}(?:-|to|or|and|(?:or )?(?:no|actually|rather),?(?: make that)?)\s?"
            rf"(?:{_PERHAPS} )?(?:all )?(?:{'|'.join(map(re.escape, self._numbers))})\b"
        )
        self._listed = re.compile(rf",? ?(?:(?:or|and) )?(?:{names})(?:,| or| and)")
        self._outside = re.compile(rf"{_LEADING}(?P<n>-?\d+(?:\.\d+)?)(?!\s?[%\d]|\s?percent)")
        kinds = (
            rf"(?:all|each|every (?:single )?one)(?: of)?(?: {_OWNER}(?: [a-z]+){{0,3}}?)? {total}\b"
            rf"(?! of the {total})",
            r"(?:all|none|each|every one)(?: of)? (?:them|these|those)\b",
            rf"(?:all|none)(?: of)? {_OWNER}(?: [a-z]+){{1,3}}? (?={_STATE})",
            rf"(?P<of>{number}|none\b|both\b) (?:out )?of (?:{_OWNER} )?(?:[a-z]+ ){{0,2}}?{total}\b",
            rf"(?P<over>{number})\s?/\s?{total}\b",
            rf"{_CUE}(?P<cued>{number}|none\b)(?! (?:out )?of (?:{_OWNER} )?(?:[a-z]+ ){{0,2}}?{total}\b)",
            rf"{_CUE}(?P<the>the {total})(?= [a-z])",
            rf"the {total} (?:[a-z]+ ){{1,4}}?(?:are|were|have|will|would|should)\b(?: [a-z]+)? all\b",
            rf"(?P<them>{number}) of (?:them|these|those)\b",
            rf"(?P<my>{number}) (?:would be|is|seems|would seem) (?:my|the)\b",
            rf"(?P<is>{number}) (?:of (?:{_OWNER} ))?(?:[a-z]+ ){{1,3}}?{_LIKELY}",
            rf"(?<=:) (?P<colon>{number})(?=(?: [a-z]+){{0,2}}\s*(?:[.!]\s*)?$)",
        )
        firsts = any_of({word[:2] for word in (*self._numbers, *_FIRSTS)})  # others are passed over at once
        first = rf"(?:(?=\d|{firsts})(?:{'|'.join(kinds[:-1])})|{kinds[-1]})"
        self._mention = re.compile(rf"(?<![a-z\d.,$/-]){first}")

    def read(self, text: Text) -> dict[str, Answer]:
        """The count. A bound, a range or several different numbers are not a count."""
        mentions = list(self._mentions(text.plain))
        answer = self._first_words(text.plain, mentions) or self._anywhere(text.plain, mentions)
        return {self.columns[0]: answer}

    def _first_words(self, text: str, mentions: list[_Mention]) -> Answer | None:
        """The count of a text that begins with its answer."""
        leading = self._leading.search(text)
        if leading is None:
            outside = self._outside.search(text)
            if outside is None or 0 <= float(outside["n"]) <= self._of:
                return None
            return Missing(f"says {outside['n']}, which is outside 0 to {self._of}")
        if _BOUND.search(text, 0, leading.start("n")):
            return None
        number, end = self._number(leading["n"]), leading.end()
        if _NUMBERED.search(text):
            return None  # "1. The lamps ... 2. So I expect ..."
        if not _BARE.match(text, end) and any(other.number != number for other in mentions):
            return None  # "3 lamps were bought, so I expect that 2 of them work"
        goes_on = (
            self._onwards.match(text, end)
            or self._listed.match(text, end)
            or any(
                other.number != number and other.start > end and _JOINED.search(text[end : other.start])
                for other in mentions
            )
        )
        return Missing("names a range, not one number") if goes_on else Value(number, EXACT)

    def _anywhere(self, text: str, mentions: list[_Mention]) -> Answer:
        """The count that the mentions of a text agree on."""
        firm, loose = [], False
        for place, mention in enumerate(mentions):
            before = _SENTENCE.split(text[max(0, mention.start - 60) : mention.start])[-1]
            if any(word in before for word in _NEGATIONS) and _NEGATED.search(before):
                continue
            if (
                _BOUND.search(before)
                or _OR.search(before)
                or self._onwards.match(text, mention.end)
                or self._is_alternative(text, mentions, place)
            ):
                loose = True
            else:
                firm.append(mention)
        numbers = {mention.number for mention in firm}
        if not numbers:
            return Missing("names a range or a bound, not one number" if loose else "names no number")
        if len(numbers) == 1:
            return Value(numbers.pop(), CLEAR)
        strong = {mention.number for mention in firm if not mention.weak}
        if len(strong) == 1:
            return Value(strong.pop(), CLEAR)
        verdicts = {mention.number for mention in firm if _VERDICT.search(_sentence(text, mention))}
        if len(verdicts) == 1:
            return Value(verdicts.pop(), IMPLIED)
        return Missing(f"names several numbers ({', '.join(map(str, sorted(numbers)))})")

    def _is_alternative(self, text: str, mentions: list[_Mention], place: int) -> bool:
        """Whether a mention and the one before or after it are joined by "or", "to" and the like."""
        near = mentions[max(0, place - 1) : place + 2]
        return any(
            one.number != two.number and _JOINED.search(text[one.end : two.start]) for one, two in pairwise(near)
        )

    def _mentions(self, text: str) -> Iterator[_Mention]:
        for match in self._mention.finditer(text):
            group = match.lastgroup or 0
            yield _Mention(self._number(match[group]), match.start(group), match.end(), weak=group == "them")

    def _number(self, words: str) -> int:
        """The number that a mention names, by its first word; "all of the 3" is all of them."""
        return self._numbers.get(words.split()[0], self._of)


def _sentence(text: str, mention: _Mention) -> str:
    """The sentence of a mention, up to its end."""
    start = max((match.end() for match in _SENTENCE.finditer(text, 0, mention.start)), default=0)
    return text[start : mention.end]
