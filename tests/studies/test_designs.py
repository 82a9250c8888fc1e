"""The trial tables made for the built-in studies: complete, balanced, the same for the same seed, and well worded."""

import csv
import random
from collections import Counter
from itertools import islice, product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grace.studies.check import check_table
from grace.studies.designs import GENERATORS, study1, study2
from grace.studies.designs.latin import sessions
from grace.studies.study import PLANNED, load_study
from grace.tables import CsvTable, write_table

SHARED = Path(__file__).parents[3] / "shared" / "data"
shared_data = pytest.mark.skipif(not SHARED.exists(), reason="needs the researcher's files")


def test_the_sentences_of_agreement_are_those_of_the_data() -> None:
    path = Path(__file__).parents[2] / "data" / "agreement.csv"
    with open(path, newline="", encoding="utf-8") as file:
        assert made("agreement") == list(csv.DictReader(file))


def made(name: str, participants: int | None = None, seed: int = 1) -> list[dict[str, object]]:
    generator = GENERATORS[name]
    rows = generator.rows(participants or generator.participants or 1, seed)
    return [dict(zip(generator.columns, row, strict=True)) for row in rows]


@pytest.mark.parametrize(("name", "rows", "stimuli"), [("study1", 300, 36), ("study2", 2424, None)])
def test_a_default_table_fits_its_study(tmp_path: Path, name: str, rows: int, stimuli: int | None) -> None:
    generator, path = GENERATORS[name], tmp_path / "made.csv"
    assert write_table(path, generator.columns, generator.rows(generator.participants or 1, 1)) == rows

    with CsvTable(path) as table:
        report = check_table(load_study(name), table)

    assert report.ok, report.problems
    assert not report.remarks
    assert stimuli in (None, report.stimuli)


@pytest.mark.parametrize(("name", "person", "item", "cells"), [
    ("study1", "participant_id", "story_shortname", ("access", "observe")),
    ("study2", "Participant_ID", "Domain", ("Goal", "State")),
])  # fmt: skip
def test_items_and_conditions_form_latin_squares(name: str, person: str, item: str, cells: tuple[str, str]) -> None:
    rows = made(name, participants=24)
    for row in rows:
        if name == "study2":
            row["Goal"] = goal_kind(str(row["Goal"]))
    conditions = {tuple(row[cell] for cell in cells) for row in rows}
    items = {row[item] for row in rows}
    size = len(conditions)
    assert len(items) == size

    for participant in range(1, 25):
        own = [row for row in rows if row[person] == participant]
        assert {tuple(row[cell] for cell in cells) for row in own} == conditions
        assert {row[item] for row in own} == items
        assert len(own) == size

    for first in range(1, 25, size):  # over so many participants, every item meets every condition once
        block = [row for row in rows if first <= row[person] < first + size]  # type: ignore[operator]
        met = Counter((row[item], *(row[cell] for cell in cells)) for row in block)
        assert set(met.values()) == {1}
        assert len(met) == size * size


@given(st.integers(1, 40), st.integers(1, 9), st.integers())
def test_any_number_of_participants_is_as_even_as_it_can_be(participants: int, size: int, seed: int) -> None:
    met = Counter(
        trial for session in sessions(participants, range(size), range(size), random.Random(seed)) for trial in session
    )
    assert met.total() == participants * size
    counts = [met[pair] for pair in product(range(size), repeat=2)]
    assert max(counts) - min(counts) <= 1


@pytest.mark.parametrize("name", PLANNED)
def test_seeds(name: str) -> None:
    assert made(name, 7) == made(name, 7)
    assert made(name, 7) != made(name, 7, seed=2)
    small, large = made(name, 7), made(name, 30)
    assert small == large[: len(small)], "more participants only add rows"
    assert len(made(name, 1)) == len(small) // 7


@pytest.mark.parametrize("name", PLANNED)
def test_participants_get_orders_of_their_own(name: str) -> None:
    column = "story_shortname" if name == "study1" else "Domain"
    size = 6 if name == "study1" else 12
    rows = iter(made(name))
    orders = {tuple(row[column] for row in session) for session in iter(lambda: tuple(islice(rows, size)), ())}
    assert len(orders) > 40


def test_study1_is_grammatical_for_one_and_for_several() -> None:
    for story in study1.STORIES.values():
        for access, observe in study1.CELLS:
            setup, prior, speech, after, knowledge = study1.sentences(story, access, observe)
            assert "almost always" in setup
            assert setup.count("<br>") == 1
            assert f"{observe} of the {story.things} {story.one if observe == 1 else story.many}." in speech
            assert f" {access} of the 3 {story.things} " in speech
            assert story.speaker in setup
            assert story.speaker in speech
            assert story.speaker in knowledge
            for question in (prior, after, knowledge):
                assert f"how many of the 3 {story.things} " in question
                assert question.endswith(f"{story.many}?")


def test_the_property_agrees_with_its_number() -> None:
    for story in study1.STORIES.values():
        verb, *rest = story.one.split(" ", 1)
        plural = "have" if verb == "has" else verb.removesuffix("s")
        assert story.many == " ".join([plural, *rest])


def goal_kind(goal: str) -> str:
    kinds = [kind for kind, cue in (("social", "feel good"), ("informational", "accurate")) if cue in goal]
    return "both" if len(kinds) == 2 else kinds[0]


def test_study2_speaks_of_the_two_people_of_the_row() -> None:
    rows = made("study2")
    for row in rows:
        speaker, listener = str(row["SP_Name"]), str(row["LS_Name"])
        assert speaker != listener
        assert str(row["Precontext"]).startswith(f"{listener} ")
        assert str(row["Scenario"]).startswith(f"{speaker} ")
        assert f"{listener}'s {row['Domain']}" in str(row["Scenario"])
        assert speaker in str(row["Goal"])
        shown = f"{row['Precontext']} {row['Scenario']} {row['Goal']}"
        assert {name for name in study2.NAMES if name in shown.replace("'", " ").replace(".", " ").split()} <= {
            speaker,
            listener,
        }
        assert not {"he", "she", "they", "his", "her", "their", "him", "them"} & set(shown.lower().split())
        assert row["Utterance"] in study2.UTTERANCES
    assert Counter(goal_kind(str(row["Goal"])) for row in rows) == dict.fromkeys(study2.GOALS, 808)
    assert {row["SP_Name"] for row in rows} == {row["LS_Name"] for row in rows} == set(study2.NAMES)


@pytest.mark.parametrize(("kind", "cues"), [
    ("informational", {"accurate"}), ("social", {"feel good"}), ("both", {"accurate", "feel good"})
])  # fmt: skip
def test_goals_hold_the_cues_that_tell_them_apart(kind: str, cues: set[str]) -> None:
    assert {cue for cue in ("accurate", "feel good") if cue in study2.GOALS[kind]} == cues


@shared_data
@pytest.mark.parametrize("name", PLANNED)
def test_no_stimulus_is_taken_from_the_published_files(name: str) -> None:
    with open(SHARED / f"{name}.csv", encoding="utf-8", newline="") as file:
        published = {cell for row in csv.DictReader(file) for cell in row.values()}
    own_words = {
        str(cell) for row in made(name) for column, cell in row.items() if column not in ("State", "Utterance")
    }
    shared = {text for text in own_words & published if not text.isdigit()}
    assert not shared
