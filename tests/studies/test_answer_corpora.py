"""Corpora of answers that were written by somebody who had not seen the rules, with what a careful person enters.

The fifth corpus has 180 answers in 15 languages. Whoever wrote it had leafed through a part of the rules once, but not
through other corpora. At first sight, before it taught the rules anything, 127 of its 142 sure values were found
(89.4%), and 142 of the 146 values at confidence 0.9 and above were right (97.3%; two of the four others are values of
which the writer was not sure). What was wrong is mended by kind, so that its figures today are no estimate for new
answers.

The sixth corpus has 403 answers in 22 languages to 85 questions, by somebody who had seen no rules. At first sight 249
of its 308 values were found (80.8%), and 201 of the 211 answers at confidence 0.9 and above were right (95.3%). What
was wrong is mended by kind here, too.
"""

from pathlib import Path

import pytest

from answer_corpus import measured, outcomes, report

FIXTURES = Path(__file__).parents[1] / "fixtures"


@pytest.mark.parametrize(
    ("name", "precision", "recall"),
    [
        ("answers_fourth_corpus", 0.995, 0.96),
        ("answers_fifth_corpus", 0.99, 0.95),
        ("answers_sixth_corpus", 0.995, 0.96),
    ],
)
def test_a_blind_corpus_is_read(name: str, precision: float, recall: float) -> None:
    """How many values at confidence 0.9 and above are right, and how many of all values are found."""
    all_of = [one for path in sorted(FIXTURES.glob(f"{name}*.jsonl")) for one in outcomes(path)]
    counts = measured(all_of)
    assert counts.plain, name
    assert counts.precision >= precision, report(all_of)
    assert counts.recall >= recall, report(all_of)
