"""Quick tests before slow expressions: they pass every text that the expression matches."""

import pytest

from grace.studies.reading import amounts
from grace.studies.reading.languages import folded
from grace.studies.reading.late import Late, words_in

QUICK = {name: own for name, own in vars(amounts).items() if isinstance(own, Late) and own.words}


@pytest.mark.parametrize("name", QUICK)
def test_a_text_that_may_not_match_does_not_match(name: str) -> None:
    late = QUICK[name]
    ways = [way.replace("_", " ") for way in folded(late.words).split()]
    matched = 0
    for way in ways:
        for text in (way, f"i say 5 {way}.", f"我给5{way}，", f"a{way}", f"({way}) 50-50", f"5 {way}5"):
            matches = late.search(text) is not None
            matched += matches
            assert late.may_match(text, words_in(text)) or not matches, text
    assert matched >= len(ways)
    assert not late.may_match("abc", words_in("abc"))


def test_there_are_such_expressions() -> None:
    assert len(QUICK) >= 7
