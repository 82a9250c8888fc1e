"""Options in an order of each row's own: from a seed, the same wherever it is asked for, and undone in tables."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from conftest import Command, read_rows
from extracting import write
from grace.errors import StudyError
from grace.studies.study import Study, parse_study

STUDY = """\
name: pick
title: Pick
columns:
  who: {}
  target: {}
  near: {}
  far: {required: false}
  key: {hidden: true, required: false}
shuffle:
  options: [target, near, far]
protocols:
  ask: {turns: "{{ options }}"}
questions:
  pick:
    prompt: |
      Which one?
      {{ options }}
    answers:
      labels: {target: "{{ options_target }}", near: "{{ options_near }}"}
extraction:
  readings:
    pick:
      read: choice
      column: Pick
      labels: {target: ["{{ options_target }}", "{{ target }}"], near: ["{{ options_near }}", "{{ near }}"]}
"""


def study(old: str = "", new: str = "") -> Study:
    assert old in STUDY
    return parse_study(STUDY.replace(old, new, 1).encode(), "pick.yaml")


def row(who: int = 1, **cells: str) -> dict[str, str]:
    return {"who": str(who), "target": "dog", "near": "cat", "far": "car", **cells}


def test_each_row_has_an_order_of_its_own_and_letters_that_undo_it() -> None:
    orders: Counter[Any] = Counter()
    for who in range(600):
        full = study().complete(row(who))
        places = dict(line.split(". ") for line in full["options"].splitlines())
        assert [*places] == ["A", "B", "C"]
        assert {full[f"options_{name}"]: text for name, text in row().items() if name != "who"} == places
        assert [full["options_1"], full["options_2"], full["options_3"]] == list(places.values())
        orders[tuple(places.values())] += 1
    assert len(orders) == 6
    assert min(orders.values()) > 60


def test_an_order_depends_on_what_a_model_may_see_and_the_seed_alone() -> None:
    orders = [study().complete(row(who))["options"] for who in range(20)]
    assert orders == [study().complete({**row(who), "key": "x", "note": "y"})["options"] for who in range(20)]
    other = study("options: [target, near, far]", "options: {of: [target, near, far], seed: 2}")
    assert orders != [other.complete(row(who))["options"] for who in range(20)]


def test_a_column_without_text_is_no_option() -> None:
    full = study().complete(row(far="NA"))
    assert full["options"].count("\n") == 1
    assert (full["options_far"], full["options_3"]) == ("", "")


def test_another_seed_is_another_question_and_another_prompt() -> None:
    other = study("options: [target, near, far]", "options: {of: [target, near, far], seed: 2}")
    assert other.questions["pick"].sha256 != study().questions["pick"].sha256
    assert other.conversation(None).hashes != study().conversation(None).hashes
    assert study().questions["pick"].uses == {"who", "target", "near", "far"}


def test_answers_by_letter_or_text_are_read_as_the_option(grace: Command, tmp_path: Path) -> None:
    path = tmp_path / "pick.yaml"
    path.write_text(STUDY)
    rows = [row(who) for who in range(12)]
    letters = [study().complete(own)["options_target"] for own in rows]
    answers = [{**own, "model_response": f"Answer: {letter}"} for own, letter in zip(rows, letters, strict=True)]
    answers.append({**row(12), "model_response": "cat"})
    table = write(tmp_path / "answers.csv", answers)
    assert grace("extract", path, "--input", table, "--output", tmp_path / "out.csv").code == 0
    assert [own["Pick"] for own in read_rows(tmp_path / "out.csv")] == ["target"] * 12 + ["near"]
    assert len(set(letters)) > 1


@pytest.mark.parametrize(
    ("new", "said"),
    [
        ("options: [target, naer]", "shuffle.options: no column 'naer' (did you mean 'near'?)"),
        ("options: [target, key]", "shuffle.options: the column 'key' is hidden"),
        ("options: [target]", "shuffle.options: needs 2 entries at least"),
        ("target: [target, near]", "shuffle.target: 'target' is a name that is taken already"),
    ],
)
def test_what_cannot_be_is_refused(new: str, said: str) -> None:
    with pytest.raises(StudyError) as caught:
        study("options: [target, near, far]", new)
    assert said in str(caught.value)
