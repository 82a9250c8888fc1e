"""The built-in study of agreement attraction: its trials, and how its answers are read."""

import csv
import re
from collections import defaultdict
from pathlib import Path

import pytest

from grace.studies.check import check_table, guess_study
from grace.studies.study import load_study
from grace.tables import CsvTable

TRIALS = Path(__file__).parents[2] / "data" / "agreement.csv"


def test_the_trials_fit_their_study_and_no_other() -> None:
    with CsvTable(TRIALS) as table:
        report = check_table(load_study("agreement"), table)
        assert guess_study(table.columns, TRIALS).name == "agreement"
    assert report.ok, report.problems
    assert not report.remarks
    assert (report.rows, report.items, report.stimuli) == (48, 12, 48)
    assert set(report.cells.values()) == {12}


def test_the_sentences_of_an_item_differ_only_in_the_number_of_their_nouns() -> None:
    sentences: dict[str, dict[tuple[str, str], str]] = defaultdict(dict)
    with open(TRIALS, newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            sentences[row["noun"]][row["subject_number"], row["neighbour_number"]] = row["sentence_with_gap"]
    for noun, own in sentences.items():
        assert len(set(own.values())) == 4
        for (subject, _), sentence in own.items():
            assert sentence.startswith(f"The {noun}{'s' * (subject == 'plural')} ")
        frames = set()
        for sentence in own.values():
            found = re.fullmatch(r"The \w+ ([\w ]+ the) (\w+) ___ (\w+)\.", sentence)
            assert found, sentence
            frames.add((found[1], found[3]))
        assert len(frames) == 1


@pytest.mark.parametrize(
    ("answer", "verb"),
    [
        ("The gate beside the barns is rusty.", "singular"),
        ("The gates beside the barn are rusty.", "plural"),
        ("are", "plural"),
        ('"Is".', "singular"),
        ("The roads to the village were wet.", None),
        ("This island's path is muddy.", "singular"),
    ],
)
def test_an_answer_says_one_of_two_verbs(answer: str, verb: str | None) -> None:
    extraction = load_study("agreement").extraction
    assert extraction is not None
    assert extraction.read({"verb": answer}).values == {"Verb": verb}
