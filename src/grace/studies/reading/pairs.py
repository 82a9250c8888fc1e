"""Pairs: which amount belongs to which labels, by the words between two marks of a text.

"$90 *on* 3 lamps", "3 lamps*:* $90", "nothing *for* 0, 1 and 2", "the rest *on* 3".
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from grace.studies.reading import CLEAR, IMPLIED
from grace.studies.reading.late import Late
from grace.studies.reading.marks import Mark, Unit

LONGEST_GAP = 110
BEFORE_EACH = 5
"""Characters before an amount in which "each" may stand."""
LONGEST_LIST = 12
"""The most labels of one amount; endless repetition is not an answer."""
SEVERAL = "is one amount for several"

_ON = Late(
    lambda: (
        r"^,? ?(?:each |apiece |or so |is |are |goes |go |would go |will go "
        r"|(?:is |be |would be |will be )?(?:bet|placed|put|allocated|assigned|going) )?"
        r"(?:(?:chance|probability|likelihood|odds) )?"
        r"(?:on|onto|for|to|toward|towards|of|in|into|in favou?r of|behind|against|that"
        r"|at)\b(?P<words>[^.;:\n,!?]{0,70}?)"
        r"[ \"'(\[]*\Z"
    )
)
_BESIDE = re.compile(r" (?:the |an? |die |eine? |einen |la |una? |une |le |el |il |de |den |a |en |et )?")
_BESIDE_ON = Late(
    lambda: (
        r" (?:each )?(?:(?:are|ist|sind|est|sont|es|son|è|sono|é|são|is|zijn|är|jest|są) )?"
        r"(?:(?:für|an|à|pour|para|a|per|al|ao|для|dla|do|voor|aan|till|til|для|cho|untuk|kepada)"
        r" (?:den |die |das |la |le |el |les |o |a )?)?"
    )
)
"""What stands between an amount and a name beside it."""
_ON_BARE = Late(
    lambda: r"^ ?(?:on|for|to|in) (?:the )?(?:options?|outcomes?|numbers?|exactly|having|there being)? ?[\"'(\[]*\Z"
)
_NOT_ON = Late(
    lambda: (
        r"\b(?:at least|at most|more than|less than|fewer than|up to|because|since|as|not|or more|confidence|divide)\b"
    )
)
_GIVE = r"(?:bet|put|place|allocate|assign|give|wager|say|go with)"
_IS = Late(
    lambda: (
        r"^(?P<words>[^.;\n:=|,]{0,70}?(?:, (?=i\b|we\b|my\b|with\b)|,? which )?)[\"')\]]* ?"
        r"(?:(?:[:=|]|->|=>|→| - |-|- |: ?- |\(|: ?\n ?(?:- ?)?(?:[a-z]+: ?)?|\| ?\|)"
        rf"|\b(?P<verb>gets?|receives?|takes?|costs?|should (?:get|receive|have)|bekommt|bekäme|kriegt|erhält|erhielte"
        rf"|bekommen|behalte|behielte|reçoit|recevrait|garde|recibe|recibiría|riceve"
        rf"|recebe|is|are|has|at|with|(?:i|we)(?:'d| would| will|'ll)? {_GIVE}|{_GIVE}"
        r"|would (?:be|get|receive)|my bet is))"
        r"(?: (?:from|von|de|da|van|от|od|av|från|fra) (?:me|mir|moi|mí|mim|mij|меня|mnie|mig|meg)\b)?"
        r"[ \"'\[(]*(?:(?:about|approximately|around|roughly|a|an|the|only|just|probability|chance|likelihood|of|is"
        r"|i'd|i would|i|bet|put|place|allocate|assign|give|~|≈|p|=|:|\||bet:)[ \"'\[(]*)*\Z"
    )
)
_WEAK = re.compile(r"\b(?:at|with|has|have|are)\b[^a-z]*$")
_IS_BARE = re.compile(r"^(?: [a-z' ]{1,40}?)?[\"')\]]* ?(?:[:=|]|->|=>|→| -) ?[\"'\[(]*\Z")
_AND = Late(
    lambda: (
        r"^(?:(?:\s[a-z']+){0,4}?)(?:\s?,|\s?,?\s?\b(?:and|or|nor|und|oder|et|ou|y|e|och|og|en|и|i)\b|\s?&|\s?/)"
        r"(?:\s(?:and|or|on|for|to|options?|exactly|either|the|outcomes?))*\s*[\"'(\[]*\Z"
    )
)
_OWN_AMOUNT = re.compile(r"^[^,.;\n]{0,40}(?:[:=|]|\s-)\s?\Z")
_EACH_AFTER = re.compile(r"^[^.;\n]{0,25}?\b(?:each|apiece|respectively|both)\b")
_EACH = re.compile(r"\beach\b")
_TOTAL = Late(
    lambda: (
        r"\b(?:divide|distribute|allocate|split|spread|dividing|distributing|allocating|splitting|have|with|of|total"
        r"|sum)"
        r"\s(?:up\s)?(?:the|my|your|this|that|a total of|out of)?\s?(?:total\s|full\s|entire\s)?(?:of\s)?$"
    )
)
_FOR = re.compile(r"\b(?:for|on|to|option) (?:the )?(?:option |exactly )?$")
_NOUN = re.compile(r"(?: [a-z]+){0,2} ")
_LINE_START = re.compile(r"(?:^|\n) *(?:[-+] *)?[\[(]?$")
_LISTED = re.compile(r"(?: [a-z]+){0,3}, |\. |[)\]] ")
_ASKED = re.compile(r"[^.!\n;]{0,60}\?")
_NOT_GIVEN = re.compile(r"\b(?:not|never|n't) (?:[a-z]+ )?(?:give|keep|put|offer|take|hand|leave) (?:away |over )?\Z")
_HAD_BEEN = re.compile(r"\bwould have (?:bet|put|placed|allocated|gone|divided|split|said)\b[^.;\n]*$")


@dataclass(slots=True)
class Pair:
    """An amount that belongs to some labels; without any, to all labels that are left.

    Attributes:
        amount: None where it is "the rest", or bad.
        bad: why the amount does not count.
        is_rest: whether the amount is what the others leave.
        grade: how plainly the text says it.
        weak: whether it is a bet only among others, such as "2 at 10%".
    """

    labels: tuple[str, ...]
    amount: float | None
    unit: Unit | None
    start: int
    end: int
    bad: str | None = None
    is_rest: bool = False
    grade: float = CLEAR
    weak: bool = False


def find_pairs(text: str, marks: Sequence[Mark], total: float, of_names: bool = False) -> list[Pair]:
    """The pairs of a text, from left to right; a mark that was used is not used again.

    Names, unlike numbers, may stand right beside their amounts: "80% glad", "keep $60".
    """
    finder = _Finder(text, marks, total, of_names)
    pairs: list[Pair] = []
    place = 0
    while place < len(marks) - 1:
        pair, place = finder.amount_first(place) or finder.label_first(place) or (None, place + 1)
        if pair and not finder.is_hypothetical(pair):
            pairs.append(pair)
    return pairs


class _Finder:
    def __init__(self, text: str, marks: Sequence[Mark], total: float, of_names: bool) -> None:
        self._text, self._marks, self._total, self._of_names = text, marks, total, of_names
        self._may_ask, self._may_suppose = "?" in text, "would have" in text

    def _gap(self, place: int) -> str:
        """The text between a mark and the next one; a long gap is a full stop."""
        start, end = self._marks[place].end, self._marks[place + 1].start
        return self._text[start:end] if end - start <= LONGEST_GAP else "."

    def amount_first(self, place: int) -> tuple[Pair, int] | None:
        """As in "$90 on 3", "the rest on 2", "$0 for the options 0, 1 and 2"; and the place after it."""
        here, there = self._marks[place], self._marks[place + 1]
        if not (there.labels or there.rest) or (here.amount is None and not here.bad and not here.rest):
            return None
        if not self._is_on(place):
            return None
        labels, last = list(there.labels), place + 1
        while last + 1 < len(self._marks) and last - place <= LONGEST_LIST and self._continues(last):
            if self._has_own_amount(last + 1):
                break
            last += 1
            labels += self._marks[last].labels
        all_of_it = here.amount == self._total and (len(labels) > 1 or there.each)
        if all_of_it and _TOTAL.search(self._text, max(0, here.start - 40), here.start):
            return None  # "divide the $100 on 0, 1, 2 and 3 as follows"
        return self._pair(here, labels, there, here.start, self._marks[last].end), last + 1

    def label_first(self, place: int) -> tuple[Pair, int] | None:
        """As in "3 lamps: $90", "0, 1 and 2: nothing", "2 gets the rest"; and the place after it."""
        here = self._marks[place]
        if not (here.labels or here.rest):
            return None
        last = place
        while last + 2 < len(self._marks) and last - place < LONGEST_LIST and self._continues(last):
            last += 1
        for end in dict.fromkeys((last, place)):
            amount = self._marks[end + 1]
            if amount.amount is None and not amount.bad and not amount.rest:
                continue
            if self._is_of(end, alone=end == place):
                labels = [label for mark in self._marks[place : end + 1] for label in mark.labels]
                pair = self._pair(amount, labels, here, here.start, amount.end)
                pair.weak = bool(_WEAK.search(self._gap(end)))
                return pair, end + 2
        return None

    def is_hypothetical(self, pair: Pair) -> bool:
        """Whether a pair is only a question, or a bet that somebody would have made."""
        if self._of_names and _NOT_GIVEN.search(self._text, max(0, pair.start - 30), pair.start):
            return True
        if self._may_ask and _ASKED.match(self._text, pair.end):
            return True
        return self._may_suppose and bool(_HAD_BEEN.search(self._text, max(0, pair.start - 60), pair.start))

    def _is_on(self, place: int) -> bool:
        """Whether the text says that the amount at `place` is on what follows."""
        gap = self._gap(place)
        if self._of_names and _BESIDE_ON.fullmatch(gap) and self._marks[place].unit in ("percent", "money", "fraction"):
            return not self._has_own_amount(place + 1)
        if self._marks[place].unit == "plain":
            return bool(_ON_BARE.search(gap))
        if gap == " - " or (gap == ": " and _LINE_START.search(self._text, 0, self._marks[place].start)):
            return not self._has_own_amount(place + 1)
        on = _ON.search(gap)
        return bool(on and not _NOT_ON.search(on["words"]))

    def _is_of(self, place: int, alone: bool) -> bool:
        """Whether the text says that the amount after the label at `place` belongs to it."""
        label, amount, gap = self._marks[place], self._marks[place + 1], self._gap(place)
        is_beside = self._of_names and (
            gap == " " or (_BESIDE.fullmatch(gap) and amount.unit in ("percent", "fraction"))
        )
        if is_beside and (amount.rest or amount.unit in ("percent", "money", "word", "fraction")):
            return not self._is_taken(place + 1)
        if amount.unit == "plain":
            return bool(_IS_BARE.search(gap))
        parted = "." in gap or ";" in gap or ("\n" in gap and ":" not in gap and "|" not in gap)
        link = None if parted else _IS.search(gap)
        if not link:
            before = self._text[max(0, label.start - 20) : label.start]
            start = _FOR if _NOUN.fullmatch(gap) else _LINE_START if _LISTED.fullmatch(gap) else None
            return bool(start and start.search(before)) and not self._is_taken(place + 1)
        if _NOT_ON.search(link["words"]):
            return False
        worded = (alone and label.unit != "plain" and not label.rest) or link["verb"]
        return not (worded and self._is_taken(place + 1))  # "... one is $20 on 1": it belongs to what follows

    def _is_taken(self, place: int) -> bool:
        """Whether the amount at `place` belongs to a label after it."""
        if place + 1 >= len(self._marks) or not self._marks[place + 1].labels or self._gap(place).startswith(","):
            return False
        return self._is_on(place)

    def _continues(self, place: int) -> bool:
        """Whether a list of labels goes on after `place`."""
        following = self._marks[place + 1]
        return bool(following.labels) and not following.each and bool(_AND.search(self._gap(place)))

    def _has_own_amount(self, place: int) -> bool:
        """Whether the label at `place` is followed by its own amount, as the 1 in "$0 on 0, 1: $10"."""
        if place + 1 >= len(self._marks) or self._marks[place + 1].amount is None or self._marks[place + 1].labels:
            return False
        return bool(_OWN_AMOUNT.search(self._gap(place)))

    def _pair(self, amount: Mark, labels: Sequence[str], other: Mark, start: int, end: int) -> Pair:
        """A pair; several labels have the same amount when the text says so, or when the amount is nothing."""
        pair = Pair(tuple(dict.fromkeys(labels)), amount.amount, amount.unit, start, end, amount.bad, amount.rest)
        if other.rest:
            pair.labels, pair.grade = (), IMPLIED
        if amount.unit == "word" or amount.rest:
            pair.grade = IMPLIED
        if len(pair.labels) > 1 and amount.amount != 0 and not other.each and not amount.bad:
            each = _EACH_AFTER.search(self._text[end : end + 40]) or _EACH.search(
                self._text, max(0, start - BEFORE_EACH), end
            )
            pair.bad = None if each or amount.rest else SEVERAL
        return pair
