"""Labels whose texts come from columns: in questions and in choices, and what is refused."""

from pathlib import Path

import pytest

from conftest import Command, read_rows
from extracting import write
from grace.errors import StudyError
from grace.studies.reading import Value
from grace.studies.study import Study, parse_study

STUDY = """\
name: pairs
title: Pairs
columns: [sentence, target, other]
protocols:
  ask: {turns: "{{ sentence }}"}
questions:
  word:
    prompt: "{{ sentence }}"
    answers: {labels: {target: "{{ target }}", other: "{{ other }}"}, variants: [case]}
extraction:
  readings:
    word:
      read: choice
      column: Word
      labels: {target: "{{ target }}", other: "{{ other }}"}
"""


def study(old: str = "", new: str = "") -> Study:
    assert old in STUDY
    return parse_study(STUDY.replace(old, new).encode(), "pairs.yaml")


ROW = {"sentence": "It drinks.", "target": "dog", "other": "car"}


def test_forms_come_from_the_row_and_variants_are_made_of_them() -> None:
    question = study().questions["word"]
    asked = question.asked(study().complete(ROW), "variants")
    assert asked.forms == {"target": ("dog", "Dog"), "other": ("car", "Car")}
    assert question.asked(study().complete(ROW), "canonical").forms == {"target": ("dog",), "other": ("car",)}
    assert question.columns.names[-2:] == ("text_word_target", "text_word_other")
    assert question.uses == {"sentence", "target", "other"}


def test_all_that_bears_on_the_answers_is_in_the_digest() -> None:
    digests = {
        study(*change).questions["word"].sha256
        for change in (
            ("", ""), ('"{{ other }}"}, v', '"{{ other }}s"}, v'), ("[case]", "[stop]"),
            ('    prompt: "{{ sentence }}"', '    prompt: "{{ sentence }}"\n    answer_start: "A"'),
        )
    }  # fmt: skip
    assert len(digests) == 4


def test_parts_and_values_of_each_may_differ_by_row_too() -> None:
    parts = 'factors: {be: {one: is, many: are}, what: {target: "{{ target }}"}}, forms: "It {be} a {what}"'
    asked = study('labels: {target: "{{ target }}", other: "{{ other }}"}, v', f"{parts}, v").questions["word"]
    assert asked.asked(study().complete(ROW), "canonical").forms == {
        "one_target": ("It is a dog",),
        "many_target": ("It are a dog",),
    }
    each = STUDY.replace("  word:\n    prompt", "  w{k}:\n    each: {k: [a, b]}\n    prompt").replace(
        '"{{ other }}"}, v', '"{{ other }}{{ k }}"}, v'
    )
    question = parse_study(each.encode(), "pairs.yaml").questions["wb"]
    assert question.asked(study().complete(ROW), "canonical").forms["other"] == ("carb",)


def test_a_choice_is_read_by_the_rows_own_words() -> None:
    extraction = study().extraction
    assert extraction is not None
    assert extraction.fields["Word"].values == ("target", "other")
    for row, said, label in (
        (ROW, "dog", "target"),
        ({**ROW, "target": "car", "other": "dog"}, "My answer is: dog.", "other"),
        (ROW, "Answer: car", "other"),
    ):
        answer = extraction.of_row(study().complete(row)).read({"word": said}).answers["Word"]
        assert isinstance(answer, Value)
        assert answer.value == label


def test_extracted_tables_hold_the_labels(grace: Command, tmp_path: Path) -> None:
    path = tmp_path / "pairs.yaml"
    path.write_text(STUDY)
    rows = [
        {**ROW, "model_response": "dog"},
        {**ROW, "target": "car", "other": "dog", "model_response": "Answer: dog"},
        {**ROW, "model_response": "A house."},
    ]
    answers = write(tmp_path / "answers.csv", rows)
    assert grace("extract", path, "--input", answers, "--output", tmp_path / "values.csv").code in (0, 1)
    assert [row["Word"] for row in read_rows(tmp_path / "values.csv")] == ["target", "other", ""]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('other: "{{ other }}"}, v', 'other: "{{ othr }}"}, v', "questions.word.answers: no column 'othr'"),
        ('other: "{{ other }}"}\n', 'other: "{{ othr }}"}\n', "readings.word.labels.other: no column 'othr'"),
        ('labels: {target: "{{ target }}", other: "{{ other }}"}, v', 'labels: {"{{ target }}": a, b: b}, v',
         "questions.word.answers.labels: '{{ target }}' is a template"),
        ("choice\n      column: Word\n", "shares\n      column: w_{label}\n", "a template is for the labels"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(old: str, new: str, said: str) -> None:
    with pytest.raises(StudyError) as caught:
        study(old, new)
    assert said in str(caught.value)
