"""`grace paper`: methods and results as text, whose every number is in the tables; tables and figures as files."""

import hashlib
import json
import math
import os
import random
import re
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis_tables import BETS, NEGATED, study1, study2, write
from conftest import ROOT, Command, read_rows
from report_runs import Speaker, ask, chosen, speaker

pytest.importorskip("statsmodels")
pytest.importorskip("matplotlib")

from grace.analysis.analyze import Table, analyze_table
from grace.analysis.frames import read_frame
from grace.ledger import Ledger
from grace.report import tables
from grace.report.grids import Grid
from grace.report.markdown import fenced, latex_table
from grace.report.places import WRITTEN, list_files
from grace.report.sentences import results_of
from grace.report.study1 import bets
from grace.runs import Run
from grace.stages.fields.records import Rows, decide
from grace.stages.records import study_of
from grace.studies.study import load_study
from grace.tables import CsvTable

STUDY1, STUDY2 = ROOT / "data" / "study1.csv", ROOT / "data" / "study2.csv"
NUMBER = re.compile(r"(?<![\w.])\u2212?(?:\d[\d,]*\.?\d*|\.\d+)")
FIXED = {"1", "2", "3", "95", "95%", "0.05", "0", "100"}
"""Names of experiments and states, the level of significance, and that of intervals."""


@pytest.fixture
def own() -> Iterator[Speaker]:
    with speaker() as own:
        yield own


@pytest.fixture
def figures_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the files of figures, which take most of the time, for tests that look at no figure."""
    monkeypatch.setattr("grace.report.paper.write_figures", lambda drawings, folder: [])


def prose(text: str) -> str:
    """The methods and the results, without versions, tables and figures."""
    return re.sub("All was done with .*", "", text.partition("## Methods")[2].partition("## Tables")[0])


def numbers(text: str) -> set[str]:
    """Those of the methods and the results."""
    return {number.rstrip(".,") for number in NUMBER.findall(prose(text))}


def known(folder: Path) -> set[str]:
    """Every number of the tables, in each of the forms that a text may give it."""
    found = set(FIXED)
    for path in (folder / "tables" / "numbers").glob("*.csv"):
        for row in read_rows(path):
            for cell in row.values():
                found |= {text.rstrip(".,") for text in NUMBER.findall(cell)}
                try:
                    value = float(cell)
                except ValueError:
                    continue
                if math.isfinite(value):
                    for digits in range(4):
                        text = f"{value:,.{digits}f}".replace("-", "\u2212")
                        found |= {text, text.replace("0.", ".", 1), text.lstrip("\u2212")}
    return found | {".001", ".999"}


@pytest.mark.usefixtures("figures_apart")
@pytest.mark.parametrize(("study", "trials", "rows"), [("study1", STUDY1, 300), ("study2", STUDY2, 240)])
def test_every_number_of_the_text_is_in_the_tables(
    grace: Command, own: Speaker, tmp_path: Path, study: str, trials: Path, rows: int
) -> None:
    run = ask(grace, own, study, trials, tmp_path / "a.csv", "--limit", rows, "--temperature", 1, score=6)
    result = grace("paper", run)
    assert result.code == 0, result.err
    text = (tmp_path / "a_paper" / "paper.md").read_text(encoding="utf-8")
    assert len(numbers(text)) > 30
    assert numbers(text) - known(tmp_path / "a_paper") == set()
    assert "Effects of people's study in sampled answers (Experiment 1)" in text
    assert "seed 1). Rational speech acts are those of" in text
    assert ("divided by the design effect" in text) == (study == "study2")
    assert ("Planned comparisons of expected bets (Experiment 2) are" in text) == (study == "study1")
    assert "Brier score of" in text
    assert "1 hearts" not in text


def test_the_text_says_what_the_table_says(grace: Command, own: Speaker, tmp_path: Path) -> None:
    run = ask(grace, own, "study1", STUDY1, tmp_path / "a.csv")
    assert grace("paper", run, "--out", tmp_path / "p").code == 0
    text = (tmp_path / "p" / "paper.md").read_text(encoding="utf-8")
    tests = {row["test"]: row for row in read_rows(tmp_path / "p" / "tables" / "numbers" / "tests.csv")}
    word = tests["anova:word"]
    assert f"F({word['df1']}, {word['df2']}) = {float(word['statistic']):,.2f}, *p* < .001" in text
    counts = {row["what"]: row["rows"] for row in read_rows(tmp_path / "p" / "tables" / "numbers" / "rows.csv")}
    assert f"Of {counts['all']} answers of Experiment 1, {counts['analysed']} were analysed." in text
    for path in re.findall(r"\]\((figures/[\w.]+)\)", text):
        assert (tmp_path / "p" / path).stat().st_size > 1000
        assert (tmp_path / "p" / path).with_suffix(".pdf").exists()


def test_a_failed_model_has_no_results(grace: Command, own: Speaker, tmp_path: Path) -> None:
    run = ask(grace, own, "study1", STUDY1, tmp_path / "a.csv", "--limit", 30, answer=None)
    result = grace("paper", run)
    assert result.code == 0, result.err
    assert "the model failed: none of 30 rows has an answer" in result.out
    text = (tmp_path / "a_paper" / "paper.md").read_text(encoding="utf-8")
    assert "Of 30 answers of Experiment 1, 0 were analysed." in text
    assert "seed 1), and did not answer; the requests of 30 rows failed." in text
    assert "were sampled" not in text
    assert "The analysis of variance of the bet on state 3 is not defined (no rows)." in text
    assert (
        "Effects of people's study in sampled answers (Experiment 1) are not defined: a condition has no rows." in text
    )
    assert prose(text).count("not defined") == 2
    assert "significant," not in text
    assert not {"nan", "inf", "none"} & set(re.findall(r"\w+", prose(text).lower()))


def test_docx_has_the_text_and_the_tables(grace: Command, own: Speaker, tmp_path: Path) -> None:
    if shutil.which("pandoc") is None:
        pytest.skip("pandoc is not here")
    run = ask(grace, own, "study1", STUDY1, tmp_path / "a.csv", "--limit", 60, model="m_1 *x* <b> $y$")
    result = grace("paper", run)
    assert result.code == 0, result.err
    words = zipfile.ZipFile(tmp_path / "a_paper" / "paper.docx").read("word/document.xml").decode()
    assert "m_1 *x* &lt;b&gt; $y$" in words
    assert (
        "Mean bets in percent"
        in zipfile.ZipFile(tmp_path / "a_paper" / "tables" / "tables.docx").read("word/document.xml").decode()
    )
    latex = (tmp_path / "a_paper" / "tables" / "settings.tex").read_text(encoding="utf-8")
    assert r"m\_1 *x* \textless{}b\textgreater{} \$y\$" in latex


@pytest.mark.usefixtures("figures_apart")
def test_without_pandoc_all_else_is_written(
    grace: Command, own: Speaker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = ask(grace, own, "study1", STUDY1, tmp_path / "a.csv", "--limit", 30)
    monkeypatch.setattr("grace.report.paper.shutil.which", lambda name: None)
    result = grace("paper", run)
    assert result.code == 0
    assert "pandoc is not here. Install it" in result.out
    assert (tmp_path / "a_paper" / "tables" / "study1-bets.tex").exists()
    assert not list(tmp_path.glob("a_paper/**/*.docx"))


@pytest.mark.usefixtures("figures_apart")
def test_an_edited_text_is_not_overwritten(grace: Command, own: Speaker, tmp_path: Path) -> None:
    run = ask(grace, own, "study1", STUDY1, tmp_path / "a.csv", "--limit", 6)
    text = tmp_path / "a_paper" / "paper.md"
    text.parent.mkdir()
    text.write_text("mine")
    result = grace("paper", run)
    assert (result.code, text.read_text()) == (2, "mine")
    assert "already exists, perhaps edited; choose another --out, or add --force" in result.err
    assert grace("paper", run, "--force").code == 0
    assert text.read_text().startswith("# ")


def test_it_writes_nothing_into_a_run(grace: Command, own: Speaker, tmp_path: Path) -> None:
    run = ask(grace, own, "study1", STUDY1, tmp_path / "a.csv", "--limit", 6)
    before = sorted(os.listdir(run))
    result = grace("paper", run, "--out", run / "paper" / "further")
    assert result.code == 2
    assert "is inside the run" in result.err
    assert sorted(os.listdir(run)) == before


@pytest.mark.parametrize("name", ["file", "file/paper", "blocked"])
def test_a_place_that_will_not_do_is_refused(grace: Command, own: Speaker, tmp_path: Path, name: str) -> None:
    run = ask(grace, own, "study1", STUDY1, tmp_path / "a.csv", "--limit", 6)
    (tmp_path / "file").write_text("mine")
    (tmp_path / "blocked").mkdir()
    (tmp_path / "blocked" / "tables").write_text("mine")
    result = grace("paper", run, "--out", tmp_path / name)
    assert result.code == 2
    assert f"--out {tmp_path / name}: {tmp_path}" in result.err
    assert "exists, and is not a folder; choose another --out" in result.err
    assert "reading" not in result.err


@pytest.mark.usefixtures("figures_apart")
def test_what_is_not_made_any_longer_goes(grace: Command, own: Speaker, tmp_path: Path) -> None:
    runs = [ask(grace, own, "study1", STUDY1, tmp_path / f"{name}.csv", "--limit", 36, model=name) for name in "ab"]
    out = tmp_path / "p"
    assert grace("paper", *runs, "--out", out).code == 0
    text = (out / "paper.md").read_text(encoding="utf-8")
    assert "hold it within a margin of .05" in text
    assert numbers(text) - known(out) == set()
    stale = out / "tables" / "verdicts.tex", out / "tables" / "numbers" / "comparison_verdicts.csv"
    edited, foreign = out / "tables" / "verdicts.csv", out / "tables" / "mine.csv"
    edited.write_text("edited")
    foreign.write_text("mine")
    assert all(path.exists() for path in stale)
    assert grace("paper", runs[0], "--out", out, "--force").code == 0
    assert not any(path.exists() for path in stale)
    assert (edited.read_text(), foreign.read_text()) == ("edited", "mine")
    assert (out / "tables" / "study1-bets.csv").exists()


def test_a_list_of_files_removes_nothing_elsewhere(tmp_path: Path) -> None:
    out, other = tmp_path / "p", tmp_path / "other.csv"
    other.write_text("mine")
    list_files(out, [])
    listed = {"../other.csv": hashlib.sha256(b"mine").hexdigest(), str(other): hashlib.sha256(b"mine").hexdigest()}
    for damaged in (json.dumps(listed), json.dumps([1]), "{", json.dumps({"": 1, "\0": 2})):
        (out / WRITTEN).parent.mkdir(parents=True, exist_ok=True)
        (out / WRITTEN).write_text(damaged)
        list_files(out, [])
        assert other.read_text() == "mine"


def test_exclusions_that_were_off_are_said(grace: Command, own: Speaker, tmp_path: Path) -> None:
    run = ask(grace, own, "study1", STUDY1, tmp_path / "a.csv", "--limit", 60)
    assert grace("paper", run, "--no-exclusions", "--theme", "slides").code == 0
    text = (tmp_path / "a_paper" / "paper.md").read_text(encoding="utf-8")
    assert "No trial is excluded by its knowledge answer or a mark, since --no-exclusions was given." in text
    assert "No trial was excluded by its knowledge answer." in text
    assert "Trials were excluded" not in text
    assert "A trial is excluded" not in text


@pytest.mark.usefixtures("figures_apart")
def test_probabilities_alone_are_not_told_as_answers(grace: Command, own: Speaker, tmp_path: Path) -> None:
    ask(grace, own, "study1", STUDY1, tmp_path / "a.csv", "--limit", 1, score=12)
    (tmp_path / "alone").mkdir()
    run = (tmp_path / "a_scores.run").rename(tmp_path / "alone" / "a_scores.run")
    assert grace("paper", run).code == 0
    text = (tmp_path / "alone" / "a_scores_paper" / "paper.md").read_text(encoding="utf-8")
    assert "There were no answers of Experiment 1: this model was asked for probabilities alone." in text
    assert "answers of Experiment 1, 0" not in text
    assert "analysis of variance" not in text


@pytest.mark.usefixtures("figures_apart")
def test_prompts_stand_in_an_appendix(grace: Command, own: Speaker, tmp_path: Path) -> None:
    trials = chosen(STUDY1, tmp_path / "t.csv", lambda row: row["participant_id"] == "1")
    trials.write_text(trials.read_text(encoding="utf-8").replace("parcels", "`````` # owned"), encoding="utf-8")
    run = ask(grace, own, "study1", trials, tmp_path / "a.csv", model="=cmd()")
    assert grace("paper", run).code == 0
    appendix = (tmp_path / "a_paper" / "paper.md").read_text(encoding="utf-8").partition("## Prompts")[2]
    assert "Initial Answer" in appendix
    assert "'=cmd()" in (tmp_path / "a_paper" / "tables" / "settings.csv").read_text(encoding="utf-8")


@given(st.text(alphabet="`~\n a#<\u202e", max_size=60))
def test_a_fence_cannot_be_left(text: str) -> None:
    first, *body, last, end = fenced(text).split("\n")
    fence = first.removesuffix("text")
    assert (set(fence), last, end) == ({"`"}, fence, "")
    assert len(fence) > 2
    assert not any(fence in line for line in body)
    assert "\n".join(body) == text.replace("\u202e", "\ufffd")


def test_a_long_table_breaks_over_pages() -> None:
    def table(rows: int) -> str:
        return latex_table(Grid("name", "Title", ("a", "b"), (("*x", "1"),) * rows, 1, "A note"))

    short, long = table(40), table(41)
    assert r"\begin{table}" in short
    assert "longtable" not in short
    assert r"\usepackage{booktabs,longtable}" in long
    assert r"\begin{longtable}{lr}" in long
    assert r"\resizebox" not in long
    assert long.count(r"{}*x & 1 \\") == 41  # a star would belong to the line end before it
    assert long.count("{") == long.count("}")


def text_about(study: str, rows: list[dict[str, Any]], folder: Path) -> str:
    """The results about a table of one model in words."""
    own, path = load_study(study), write(folder / "table.csv", rows)
    analysis, frame = analyze_table(study, path), read_frame(path, own)
    values = dict(analysis.tables) | {"design": tables.of_design(own, frame)} | tables.of_summary(analysis, frame)
    values |= tables.of_people(own) | tables.of_references(analysis.fits, analysis.patterns)
    ((_, paragraphs),) = results_of(own, values)
    text = "\n".join(paragraphs)
    assert not {"nan", "inf", "none"} & set(re.findall(r"\w+", text.lower()))
    assert "= .000" not in text
    assert "not significant" not in text
    return text


def certain(row: dict[str, Any]) -> dict[str, Any]:
    """All is bet on the likeliest state."""
    bets = BETS[int(row["access"]), int(row["observe"])]
    return row | {f"probability_{state}": 100 * (bet == max(bets)) for state, bet in enumerate(bets)}


def test_the_largest_effects_are_tested_and_as_sure_as_stories_are_many(tmp_path: Path) -> None:
    text = text_about("study1", [certain(row) for row in study1(random.Random(1))], tmp_path)
    assert "The effect of word on the bet on state 3 was significant, exact test of signs, *p* = .031 by story." in text
    assert "access 3, “two”: 2 above 3: exact test of signs" in text
    assert "(which effects are shown, the tests below decide)" in text
    assert "1.00 [.61, 1.00] at access 3, “one”" in text  # six stories, not 50 rows


def test_errors_of_bets_count_what_rows_are_worth() -> None:
    row = {"access": 3, "word": "two", "state": 2, "mean": 50.0, "se": 2.0, "n": 50, "n_effective": 8}
    for worth, cell in ((8, "50.0 (5.0)"), (50, "50.0 (2.0)"), (None, "50.0 (2.0)")):
        (grid,) = bets([{**row, "n_effective": worth}])
        assert cell in grid.rows[0]


def test_rows_decide_nothing_where_stimuli_cannot(tmp_path: Path) -> None:
    rows = study1(random.Random(1))
    text = text_about("study1", [row for row in rows if row["story_shortname"] == rows[0]["story_shortname"]], tmp_path)
    assert "The analysis of variance of the bet on state 3 is not defined (fewer than two stimuli" in text
    assert "2 above 3: not defined, by row t(" in text
    assert "significant" not in text


def test_effects_on_odds_and_on_shares_are_told_apart(tmp_path: Path) -> None:
    """What is always so in some conditions, and never in others, needs no interaction of log odds."""
    whole = {cell: float(cell[0] == "both" and cell[1] < 2) for cell in NEGATED}
    text = text_about("study2", study2(random.Random(1), whole, Assessment="good")[:600], tmp_path)
    assert "The effect of goal x hearts on the log odds of negation was undecided" in text
    assert "(Experiment 1), as differences of shares. Shown: " in text
    assert "negation falls more steeply with the hearts for both goals" in text.partition("Shown: ")[2]
    assert "1.00 [.98, 1.00]" not in text


@pytest.mark.parametrize(("brier", "told"), [(1.1, "worse than"), (0.5, "better than"), (0.9, "as good as")])
def test_a_score_is_held_against_an_even_distribution(brier: float, told: str) -> None:
    tables = {
        "design": Table(("model_name", "what", "rows"), (("m", "rows", 1),)),
        "rows": Table(("model_name", "what", "rows"), (("m", "all", 1), ("m", "analysed", 1))),
        "calibration_of_all": Table(
            ("model_name", "question", "answers", "brier", "brier_uniform"), (("m", "state0", 1, brier, 0.9),)
        ),
    }
    ((model, paragraphs),) = results_of(load_study("study1"), tables)
    assert model == "m"
    assert paragraphs[0] == "Of 1 answer of Experiment 1, 1 was analysed."
    assert "Held against 1 sampled answer to the question state0" in paragraphs[1]
    assert f"{told} the 0.900 of an even distribution." in paragraphs[1]


@pytest.mark.usefixtures("figures_apart")
@pytest.mark.parametrize(
    ("deciders", "said"),
    [
        ((), "those of 6 answers by rules, without a model"),
        (("ada",), "those of 5 answers by rules, without a model; those of 1 answer by people in review (1 person)"),
        (
            ("ada", "bo", "ada", "bo", "ada", "cleo"),
            "Values were set in this way: those of 6 answers by people in review (3 people)",
        ),
    ],
)
def test_paper_and_report_say_who_set_the_values(
    grace: Command, own: Speaker, tmp_path: Path, deciders: tuple[str, ...], said: str
) -> None:
    run = ask(grace, own, "study1", STUDY1, tmp_path / "a.csv", "--limit", 6)
    extraction = Run(tmp_path / "a_structured.run")
    with CsvTable(extraction.input) as table, Ledger(extraction.ledger) as ledger:
        rows = Rows(study_of(extraction), table.columns)
        for place, by in enumerate(deciders):
            answered = rows.of(table.row(place))
            read = rows.read(answered)
            decide(ledger, answered, place + 1, read, "accepted", read.values, by, "2026-01-01")
    assert grace("paper", run, "--out", tmp_path / "p").code == 0
    assert grace("report", run, "--out", tmp_path / "r.html").code == 0
    for text in (tmp_path / "p" / "paper.md", tmp_path / "p" / "checklist.md", tmp_path / "r.html"):
        assert said in text.read_text(encoding="utf-8"), text
    assert numbers((tmp_path / "p" / "paper.md").read_text(encoding="utf-8")) - known(tmp_path / "p") == set()
