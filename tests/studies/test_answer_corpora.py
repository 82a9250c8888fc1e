"""Corpora of answers that were written by somebody who had not seen the rules, with what a careful person enters."""

from pathlib import Path

import pytest

from answer_corpus import measured, outcomes, report

FIXTURES = Path(__file__).parents[1] / "fixtures"


@pytest.mark.parametrize(("name", "precision", "recall"), [("answers_fourth_corpus", 0.995, 0.96)])
def test_a_blind_corpus_is_read(name: str, precision: float, recall: float) -> None:
    """How many values at confidence 0.9 and above are right, and how many of all values are found."""
    all_of = [one for path in sorted(FIXTURES.glob(f"{name}_*.jsonl")) for one in outcomes(path)]
    counts = measured(all_of)
    assert counts.plain, name
    assert counts.precision >= precision, report(all_of)
    assert counts.recall >= recall, report(all_of)
