"""Corpora of answers that were written by somebody who had not seen the rules, with what a careful person enters."""

from pathlib import Path

import pytest

from answer_corpus import measured, outcomes, report

FIXTURES = Path(__file__).parents[1] / "fixtures"


@pytest.mark.parametrize(("name", "precision", "recall"), [("answers_fourth_corpus_a", 0.995, 0.97)])
def test_a_blind_corpus_is_read(name: str, precision: float, recall: float) -> None:
    """How many values at confidence 0.9 and above are right, and how many of all values are found."""
    all_of = list(outcomes(FIXTURES / f"{name}.jsonl"))
    counts = measured(all_of)
    assert counts.plain, name
    assert counts.precision >= precision, report(all_of)
    assert counts.recall >= recall, report(all_of)
