"""Factors that are crossed with the trials: what is asked, what the tables hold, and the variance they account for."""

import csv
import re
from pathlib import Path
from typing import Any

import pytest

import grace as python
from canned import CannedServer
from conftest import ROOT, Command, read_rows
from grace.analysis.variation import _shares
from grace.errors import StudyError
from grace.ledger import LedgerReader, scan
from grace.runs import Run
from grace.studies.study import load_study, parse_study
from grace.studies.vary import crossed
from grace.tables import CsvTable
from table_model import TableServer, printable_model

STUDY = """
name: colours
title: Colours
columns: [thing]
vary:
  persona: {none: "", teacher: "You are a teacher."}
  wording: {what: "What colour has {{ thing }}?", say: "Say the colour of {{ thing }}."}
protocols:
  single:
    system: "{{ persona_text }}"
    turns: "{{ wording_text }} One word."
questions:
  colour:
    system: "{{ persona_text }}"
    prompt: "{{ wording_text }} One word."
    answers: {labels: {red: red, blue: blue}}
extraction:
  readings:
    colour: {read: choice, column: Colour, labels: {red: red, blue: blue}}
"""
THINGS = [{"thing": "blood"}, {"thing": "the sky"}, {"thing": "a rose"}]
VARIANTS = [("none", "what"), ("none", "say"), ("teacher", "what"), ("teacher", "say")]


@pytest.fixture
def study(tmp_path: Path) -> Path:
    path = tmp_path / "colours.yaml"
    path.write_text(STUDY)
    return path


@pytest.fixture
def trials(tmp_path: Path) -> Path:
    path = tmp_path / "things.csv"
    path.write_text("thing\n" + "".join(f"{row['thing']}\n" for row in THINGS))
    return path


def test_every_trial_is_asked_at_every_level(
    canned: CannedServer, study: Path, trials: Path, tmp_path: Path, grace: Command
) -> None:
    output = tmp_path / "a.csv"
    options: dict[str, Any] = {"output": output, "model_endpoint": canned.url, "concurrency": 1, "progress": False}
    answers = python.ask(trials, study, **options)
    rows = answers.to_dicts()
    assert answers.columns[:3] == ("thing", "persona", "wording")
    assert [(row["thing"], row["persona"], row["wording"]) for row in rows] == [
        (thing["thing"], *variant) for thing in THINGS for variant in VARIANTS
    ]
    asked = [body["messages"] for body in canned.bodies[:4]]
    assert asked[0] == [{"role": "user", "content": "What colour has blood? One word."}]
    assert asked[3] == [
        {"role": "system", "content": "You are a teacher."},
        {"role": "user", "content": "Say the colour of blood. One word."},
    ]
    with LedgerReader(Run(answers.run).ledger) as ledger:
        assert len({ledger[offset]["key"] for offset in ledger_offsets(Run(answers.run).ledger)}) == 12
    before = canned.count
    assert python.ask(THINGS, study, **options).to_dicts() == rows  # the same table continues the same run
    assert grace("query", study, "--input", trials, "--output", output, "--model-endpoint", canned.url).code == 0
    assert canned.count == before
    values = python.extract(answers, output=tmp_path / "values.csv", progress=False)
    assert values.columns[:3] == ("thing", "persona", "wording")
    dry = grace("query", study, "--input", trials, "--output", tmp_path / "b.csv", "--dry-run")
    assert re.search(r"\b12 requests", dry.out), dry


def ledger_offsets(path: Path) -> list[int]:
    return [offset for offset, _ in scan(path)]


def test_a_changed_level_is_another_run(canned: CannedServer, study: Path, trials: Path, tmp_path: Path) -> None:
    options: dict[str, Any] = {"output": tmp_path / "a.csv", "model_endpoint": canned.url, "progress": False}
    python.ask(trials, study, **options)
    study.write_text(STUDY.replace("a teacher", "a painter"))
    with pytest.raises(python.RunMismatch, match=r"templates\.vary\.persona"):
        python.ask(trials, study, **options)


def test_probabilities_have_the_share_of_variance(study: Path, tmp_path: Path, grace: Command) -> None:
    output = tmp_path / "scores.csv"
    with TableServer(printable_model("é", "’", "red", "blue", seed=5, spread=2.0)) as server:
        scores = python.score(THINGS, study, output=output, model_endpoint=server.url, progress=False)
    assert len(scores) == 12
    assert grace("merge", scores.run).code == 0
    merged = tmp_path / "scores_merged" / "colours.csv"
    done = grace("analyze", study, "--input", merged, "--out", tmp_path / "out")
    assert done.code == 0, done
    table = {(row["factor"], row["value"]): row for row in read_rows(tmp_path / "out" / "variation.csv")}
    assert {factor for factor, _ in table} == {"persona", "wording"}
    numbers = {(row["thing"], row["persona"], row["wording"]): row["prob_colour_red"] for row in scores.to_dicts()}
    blocks = [
        [float(numbers[thing["thing"], level, wording]) for level in ("none", "teacher")]  # type: ignore[arg-type]
        for thing in THINGS
        for wording in ("what", "say")
    ]
    shift, change = _shares(blocks)
    row = table["persona", "red"]
    assert (float(row["shift"]), float(row["change"])) == pytest.approx((shift, change))
    assert (row["trials"], row["levels"]) == ("6", "2")
    (means,) = (row for row in read_rows(tmp_path / "out" / "means.csv") if row["value"] == "red")
    assert (means["n"], means["stimuli"]) == ("12", "3")  # variants are no stimuli of their own
    report = grace("report", scores.run, "--out", tmp_path / "report.html")
    assert report.code in (0, 1), report
    page = next(tmp_path.rglob("report.html")).read_text(encoding="utf-8")
    assert "Share of the variance that is due to what the study varies" in page


def test_shares_are_those_of_an_analysis_of_variance() -> None:
    assert _shares([[1, 3], [5, 7]]) == pytest.approx((0.2, 0.2))  # 4 of 20, the same in both trials
    assert _shares([[1, 3], [7, 5]]) == pytest.approx((0.0, 0.2))  # one up, one down
    assert _shares([[2, 2], [2, 2]]) == (None, None)
    assert _shares([]) == (None, None)


def test_study_check_shows_each_variant(study: Path, trials: Path, grace: Command) -> None:
    shown = grace("study", "check", study, "--input", trials).out
    for persona, wording in VARIANTS:
        assert f"single.response (persona {persona}, wording {wording})" in shown
    assert shown.count("[system] You are a teacher.") == 4  # two wordings, protocol and question
    checked = grace("data", "check", trials, "--study", study)
    assert checked.code == 0, checked
    assert "12" in checked.out


def test_a_table_with_the_column_is_not_crossed_with_it(study: Path, tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows([["thing", "persona"], ["blood", "teacher"], ["snow", "none"]])
    with CsvTable(path) as table, crossed(table, load_study(str(study)).vary) as whole:
        assert whole.columns == ("thing", "persona", "wording")
        assert [whole.cells(row) for row in range(len(whole))] == [
            ["blood", "teacher", "what"],
            ["blood", "teacher", "say"],
            ["snow", "none", "what"],
            ["snow", "none", "say"],
        ]
    with CsvTable(path) as table, crossed(table, {}) as same:
        assert same is table


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("persona:", "thing:", "vary.thing: 'thing' is a name that is taken"),
        ('system: "{{ persona_text }}"', 'system: "You."', "vary.persona: nothing that is asked depends on it"),
        ("of {{ thing }}", "of {{ think }}", "vary.wording.say: no column 'think' (did you mean 'thing'?)"),
        ('{none: "", teacher: "You are a teacher."}', '{none: ""}', "vary.persona"),
        ("[thing]", "{thing: {hidden: true}}", "the column 'thing' is hidden"),
    ],
)
def test_what_cannot_vary_is_refused(old: str, new: str, message: str) -> None:
    assert old in STUDY
    with pytest.raises(StudyError, match=re.escape(message)):
        parse_study(STUDY.replace(old, new).encode(), "colours.yaml")


def test_studies_without_factors_are_as_before() -> None:
    assert not load_study("agreement").vary
    assert "vary" not in " ".join(load_study("agreement").conversation(None).hashes)


def test_the_guides_example_works() -> None:
    text = (ROOT / "docs" / "add-a-study.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```yaml\n(vary:\n.*?)```", text, re.DOTALL)
    study = parse_study(f"name: own\ntitle: Own\ncolumns: [sentence]\n{example}".encode(), "own.yaml")
    row = study.complete({"sentence": "All cats bark.", "persona": "teacher", "wording": "right"})
    said = [*study.conversation(None).opening(row), study.conversation(None).turn("response", row)]
    assert [message["content"] for message in said] == [
        "You are a teacher.",
        'Is this right or wrong: "All cats bark."? Answer in one word.',
    ]
