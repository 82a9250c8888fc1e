"""`grace study`: a file from a few answers is a study, and looking at one asks and writes nothing."""

from pathlib import Path

import pytest

from conftest import ROOT, Command
from grace.studies.study import load_study

EXAMPLE = ROOT / "examples" / "some-and-all"
MOOD = ("--title", 'Mood: "glad" or not', "--show", "a sentence", "--question", "Is the speaker glad?")


@pytest.mark.parametrize(
    ("kind", "labels"),
    [
        (("--kind", "choice", "--labels", "yes, no"), ("yes", "no")),
        (("--kind", "rating", "--low", 1, "--high", 3), ("1", "2", "3")),
        (("--kind", "text"), ()),
    ],
)
def test_a_new_file_is_a_study_that_can_be_looked_at(
    kind: tuple[object, ...], labels: tuple[str, ...], grace: Command, tmp_path: Path
) -> None:
    trials, path = tmp_path / "trials.csv", tmp_path / "my mood.yaml"
    trials.write_text("item,a sentence\n1,Oh well.\n")
    done = grace("study", "new", path, "--input", trials, *MOOD, *kind)
    assert done.code == 0, done
    study = load_study(str(path))
    assert (study.name, study.title, list(study.columns)) == ("my_mood", 'Mood: "glad" or not', ["item", "a sentence"])
    assert tuple(label for question in study.questions.values() for label in question.space.labels) == labels
    before = sorted(tmp_path.iterdir())
    shown = grace("study", "check", path, "--input", trials)
    assert shown.code == 0, shown
    assert "Oh well.\n\nIs the speaker glad?" in shown.out
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--columns", "a,b", "--show", "c", "--question", "x", "--kind", "text", "--title", "t"), "--show c: is not"),
        (("--columns", "a", "--show", "a", "--question", "x", "--kind", "choice", "--labels", "y", "--title", "t"),
         "--labels: a choice needs two"),
        (("--columns", "a", "--show", "a", "--question", "x", "--kind", "rating", "--low", 9, "--title", "t"),
         "--high 7: must be above --low, which is 9"),
        (("--columns", "a", "--show", "a"), "--question is missing, and nobody is at the terminal to ask"),
    ],
)  # fmt: skip
def test_answers_that_do_not_fit_are_refused_and_nothing_is_written(
    options: tuple[object, ...], said: str, grace: Command, tmp_path: Path
) -> None:
    done = grace("study", "new", tmp_path / "s.yaml", *options)
    assert done.code == 2
    assert said in done.err
    assert not (tmp_path / "s.yaml").exists()


@pytest.mark.parametrize(("file", "name"), [
    ("grüße.yaml", "gruesse"), ("Café à Noël.yaml", "cafe_a_noel"), ("2nd-try.yaml", "study_2nd_try"),
    ("gru\u0308n.yaml", "gruen"),
])  # fmt: skip
def test_a_study_is_named_after_its_file_in_plain_letters(file: str, name: str, grace: Command, tmp_path: Path) -> None:
    path = tmp_path / file
    assert grace("study", "new", path, "--columns", "a sentence", *MOOD, "--kind", "text").code == 0
    assert load_study(str(path)).name == name


def test_a_table_in_another_encoding_begins_a_study_as_its_message_advises(grace: Command, tmp_path: Path) -> None:
    trials, path = tmp_path / "trials.csv", tmp_path / "mood.yaml"
    trials.write_bytes("Straße;a sentence\nLange Straße;Schön\n".encode("cp1252"))
    begun = ("study", "new", path, "--input", trials, *MOOD, "--kind", "text")
    assert "--encoding NAME" in grace(*begun).err
    assert grace(*begun, "--encoding", "cp1252").code == 0
    assert list(load_study(str(path)).columns) == ["Straße", "a sentence"]


def test_a_wrong_column_is_told_before_the_next_question(grace: Command, tmp_path: Path) -> None:
    done = grace("study", "new", tmp_path / "s.yaml", "--columns", "item,sentence", "--show", "sentense")
    assert done.code == 2
    assert "--show sentense: is not among the columns item, sentence (did you mean 'sentence'?)" in done.err


def test_a_file_that_is_there_is_kept(grace: Command, tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text("mine")
    assert "is there already" in grace("study", "new", path, "--columns", "a").err
    assert path.read_text() == "mine"


def test_looking_shows_prompts_answers_a_request_and_what_is_read(grace: Command) -> None:
    files = (EXAMPLE / "study.yaml", "--input", EXAMPLE / "trials.csv")
    done = grace("study", "check", *files, "--rows", 2, "--answer", "That is not quite true.", "--answer", "Hm.")
    assert done.code == 0, done
    for part in (
        "--- row 1, verdict.response\n[user] Read this sentence about the world:\n\nAll clouds are made of wood.",
        "--- row 2, naturalness.reason\n[user] Why?",
        "  right: 'right', 'correct', 'Right', 'Correct'\n",
        '"max_tokens": 512',
        "--- read in 'That is not quite true.'\n  Verdict: wrong\n",
        "--- read in 'Hm.'\n  Verdict: nothing (says none of right, wrong)\n",
    ):
        assert part in done.out
    assert "--- read in 'right'\n  Verdict: right\n" in grace("study", "check", *files).out


def test_what_a_question_without_a_chat_and_with_a_start_gets_is_shown(grace: Command, tmp_path: Path) -> None:
    path, trials = tmp_path / "s.yaml", tmp_path / "t.csv"
    path.write_text(
        "name: s\ntitle: S\ncolumns: [word]\nquestions:\n"
        '  gap: {prompt: Fill it., answer_start: "It {{ word }}:", answers: {labels: {a: "{{ word }}", b: x}}}\n'
        "  pair: {chat: false, texts: {good: 'Some {{ word }}'}}\n"
    )
    trials.write_text("word\ndogs\n")
    out = grace("study", "check", path, "--input", trials).out
    assert "[user] Fill it.\n[assistant] It dogs:\n  a: 'dogs'\n  b: 'x'\n" in out
    assert "--- row 1, pair\n[text] \n  good: 'Some dogs'\n" in out


def test_a_misspelt_threshold_is_told_before_anything_is_asked(grace: Command, tmp_path: Path) -> None:
    study = tmp_path / "study.yaml"
    study.write_text(EXAMPLE.joinpath("study.yaml").read_text(encoding="utf-8") + "quality: {trunkated: 0.1}\n")
    done = grace("study", "check", study, "--input", EXAMPLE / "trials.csv")
    assert done.code == 2
    assert "quality: no threshold 'trunkated' (did you mean 'truncated'?)" in done.err
