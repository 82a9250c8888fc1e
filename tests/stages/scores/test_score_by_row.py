"""`grace score` where the answers, and the text that they go on from, differ by row."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import Command, read_rows
from grace.ledger import scan
from table_model import TableServer, brute_force
from things import MODEL

pytestmark = pytest.mark.usefixtures("impatient")

STUDY = """\
name: gaps
title: Gaps
columns: [noun, first, second]
questions:
  verb:
    prompt: What fits {{ noun }}?
    answer_start: "It {{ noun }}:"
    answers:
      labels: {expected: " {{ first }}", other: [" {{ second }}", " was"]}
      variants: [stop]
"""
TRIALS = "noun,first,second\none,good,bad\ntwo, bad ,good\nthree,amazing,terrible\none,good,bad\n"


@pytest.fixture
def table() -> Iterator[TableServer]:
    with TableServer(MODEL) as server:
        yield server


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path, Path]:
    """A study, its trials, and the output."""
    study, trials = tmp_path / "gaps.yaml", tmp_path / "trials.csv"
    study.write_text(STUDY, encoding="utf-8")
    trials.write_text(TRIALS, encoding="utf-8")
    return study, trials, tmp_path / "scores.csv"


def score(grace: Command, table: TableServer, files: tuple[Path, Path, Path], *more: object) -> Any:
    study, trials, output = files
    where = ("--model-endpoint", table.url, "--model-name", "table")
    return grace("score", study, "--input", trials, "--output", output, *where, "--residual", 0, *more)


@pytest.mark.parametrize("dialect", ["vllm", "llamacpp"])
def test_each_row_gets_the_true_distribution_over_its_own_answers(
    dialect: Any, grace: Command, table: TableServer, files: tuple[Path, Path, Path]
) -> None:
    table.dialect = dialect
    assert score(grace, table, files).code == 0
    rows = read_rows(files[2])
    for row in rows:
        first, second = row["first"].strip(), row["second"].strip()
        forms = {"expected": [f" {first}", f" {first}."], "other": [f" {second}", f" {second}.", " was", " was."]}
        prompt = MODEL.render([{"role": "user", "content": f"What fits {row['noun']}?"}]) + f"It {row['noun']}:"
        ids = MODEL.tokenize(prompt)
        masses = brute_force(
            MODEL,
            ids,
            {label: [MODEL.tokenize(prompt + form)[len(ids) :] for form in own] for label, own in forms.items()},
        )
        total = math.fsum(masses.values())
        assert float(row["label_mass_verb"]) == pytest.approx(total, rel=1e-9)
        for label in forms:
            assert float(row[f"prob_verb_{label}"]) == pytest.approx(masses[label] / total, abs=1e-9)
        assert (row["text_verb_expected"], row["text_verb_other"]) == (f" {first}", f" {second}")
    assert rows[0]["prob_verb_expected"] != rows[1]["prob_verb_expected"]
    records = [record for _, record in scan(files[2].with_suffix(".run") / "ledger.jsonl")]
    assert [record["rows"] for record in records] == [[1, 4], [2], [3]]  # equal rows are asked about once


def test_a_second_start_asks_nothing_and_validation_and_merging_know_the_columns(
    grace: Command, table: TableServer, files: tuple[Path, Path, Path]
) -> None:
    assert score(grace, table, files).code == 0
    ledger = files[2].with_suffix(".run") / "ledger.jsonl"
    before = ledger.read_bytes()
    assert score(grace, table, files).code == 0
    assert ledger.read_bytes() == before
    assert "label_mass" in grace("validate", files[2].with_suffix(".run")).out
    merged = files[2].parent / "merged"
    assert grace("merge", files[2].with_suffix(".run"), "--out", merged).code == 0
    assert "the text that counts as 'other' in this row" in (merged / "codebook.md").read_text()


def test_another_start_or_other_forms_are_another_run(
    grace: Command, table: TableServer, files: tuple[Path, Path, Path]
) -> None:
    assert score(grace, table, files).code == 0
    for old, new in (("It {{ noun }}:", "It:"), ("[stop]", "[case]"), ('" was"', '" isn"')):
        files[0].write_text(STUDY.replace(old, new), encoding="utf-8")
        assert "questions.verb: " in score(grace, table, files).err


@pytest.mark.parametrize(
    ("trials", "said"),
    [
        ("one,good,good\n", "row 5: question 'verb': answers: the form ' good' belongs to 'expected' and to 'other'"),
        ("one,good,was\n", ""),
        ("one, ,bad\n", "row 5: question 'verb': answers: the label 'expected' has no text in this row"),
    ],
)
def test_a_row_whose_answers_are_no_answers_is_named_before_anything_is_asked(
    trials: str, said: str, grace: Command, table: TableServer, files: tuple[Path, Path, Path]
) -> None:
    files[1].write_text(TRIALS + trials, encoding="utf-8")
    done = score(grace, table, files)
    assert (done.code == 2) == bool(said)
    assert said in done.err
