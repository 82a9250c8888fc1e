"""Mistakes of a first study file: what is taken as it is meant, and what the others are told to write."""

from pathlib import Path

import pytest

from grace.errors import StudyError
from grace.studies.study import Study, load_study, parse_study

FIRST = """name: first
title: First
columns:
  item: {about: x}
  sentence: {about: y}
protocols:
  ask:
    turns:
      response: "Read: {{ sentence }}"
questions:
  verdict:
    prompt: "Right? {{ sentence }}"
    answers:
      labels: {right: right, wrong: wrong}
"""
LABELS = "labels: {right: right, wrong: wrong}"
TURNS = 'turns:\n      response: "Read: {{ sentence }}"'
ROW = {"item": "a", "sentence": "A b."}


def changed(old: str, new: str) -> bytes:
    assert old in FIRST
    return FIRST.replace(old, new, 1).encode()


def asked(study: Study) -> tuple[str, str, dict[str, tuple[str, ...]]]:
    """What a study asks in both experiments."""
    row = study.complete(ROW)
    conversation, question = study.conversation(None), study.questions["verdict"]
    return (
        conversation.turn("response", row)["content"],
        question.messages(row)[0]["content"],
        dict(question.space.forms),
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (LABELS, "labels: [right, wrong]"),
        (LABELS, "labels:\n        - right\n        - wrong"),
        (f"answers:\n      {LABELS}", "answers: [right, wrong]"),
        ("columns:\n  item: {about: x}\n  sentence: {about: y}", "columns: [item, sentence]"),
        ("item: {about: x}", "item:"),
        (TURNS, 'turns: "Read: {{ sentence }}"'),
    ],
)
def test_the_short_way_means_the_same(old: str, new: str) -> None:
    assert asked(parse_study(changed(old, new), "study.yaml")) == asked(parse_study(FIRST.encode(), "study.yaml"))


def test_a_list_of_labels_does_for_readings_and_for_the_parts_of_answers() -> None:
    more = "extraction: {readings: {mood: {read: choice, column: mood, labels: [glad, sad]}}}\n"
    extraction = parse_study((FIRST + more).encode(), "study.yaml").extraction
    assert extraction is not None
    assert extraction.fields["mood"].values == ("glad", "sad")
    parts = "factors: {be: [is, are], end: [here, there]}\n      forms: It {be} {end}"
    assert parse_study(changed(LABELS, parts), "study.yaml").questions["verdict"].space.forms["are_here"] == (
        "It are here",
    )


BRACES = "put quotes around a text that begins with {{ or {%"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (LABELS, "labels: right or wrong", "answers.labels: must hold names with a colon after each, as {a: "),
        (LABELS, "labels: {right, wrong}", "the label 'right' has an empty form; write its text after the colon"),
        (LABELS, "labels: [right, right]", "questions.verdict.answers.labels: 'right' appears twice"),
        (LABELS, "options: [a, b]", "no field 'options'; the fields here are labels, numeric, factors, "),
        (TURNS, 'prompt: "x"', "protocols.ask: no field 'prompt'; the fields here are turns, about, system"),
        (f"ask:\n    {TURNS}", 'ask: "x"', "protocols.ask: must hold fields, as {turns: ...}"),
        ("prompt:", "promt:", "questions.verdict: no field 'promt' (did you mean 'prompt'?)"),
        ("protocols:", "design: {conditions: [item]}\nprotocols:", "fields here are participant, item, cells"),
        ('"Right? {{ sentence }}"', "{{ sentence }}", f"(line 12); {BRACES}"),
        ('"Right? {{ sentence }}"', "{{ sentence }} is right?", f"(line 12); {BRACES}"),
        ('"Right? {{ sentence }}"', "Say: is it so: {{ sentence }}", "quotes around a text with a colon and a space"),
        ("    prompt:", "\tprompt:", "(line 12); indent with spaces, not with tabs"),
        ("    answers:", "   answers:", "(line 13); lines of one level begin in the same column"),
    ],
)  # fmt: skip
def test_a_mistake_says_what_to_write(old: str, new: str, said: str) -> None:
    with pytest.raises(StudyError) as caught:
        parse_study(changed(old, new), "study.yaml")
    assert said in str(caught.value)


def test_fields_of_one_kind_of_reading_are_named_for_another() -> None:
    more = "extraction: {readings: {age: {read: number, column: age, min: 0, max: 99, labels: [a, b]}}}\n"
    with pytest.raises(StudyError, match=r"no field 'labels'; the fields here are read, column, min, max"):
        parse_study((FIRST + more).encode(), "study.yaml")


def test_a_column_in_single_braces_is_refused_in_a_new_file_and_read_in_the_copy_of_a_run(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_bytes(changed("Right? {{ sentence }}", "Right? {sentence}"))
    with pytest.raises(StudyError, match=r"questions.verdict.prompt: \{sentence\} has one brace on each side"):
        load_study(str(path))
    assert asked(parse_study(path.read_bytes(), "study.yaml"))[1] == "Right? {sentence}"
    for fine in ("{{ '{sentence}' }} {{ sentence }}", "Reply in JSON: {verdict} {{ sentence }}"):
        path.write_bytes(changed("Right? {{ sentence }}", fine))
        assert load_study(str(path)).questions
