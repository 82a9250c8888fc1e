"""`grace paper`: methods and results as text, whose every number is in the tables; tables and figures as files."""

import math
import os
import re
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import ROOT, Command, read_rows
from report_runs import Speaker, ask, speaker

pytest.importorskip("statsmodels")
pytest.importorskip("matplotlib")

STUDY1, STUDY2 = ROOT / "data" / "study1.csv", ROOT / "data" / "study2.csv"
NUMBER = re.compile(r"(?<![\w.])\u2212?(?:\d[\d,]*\.?\d*|\.\d+)")
FIXED = {"1", "2", "3", "95", "95%", "0.05", "0", "100"}
"""Names of experiments and states, the level of significance, and that of intervals."""


@pytest.fixture
def own() -> Iterator[Speaker]:
    with speaker() as own:
        yield own


def prose(text: str) -> str:
    """The methods and the results, without tables and figures."""
    return text.partition("## Methods")[2].partition("## Tables")[0]


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


@pytest.mark.parametrize(("study", "trials", "rows"), [("study1", STUDY1, 300), ("study2", STUDY2, 240)])
def test_every_number_of_the_text_is_in_the_tables(
    grace: Command, own: Speaker, tmp_path: Path, study: str, trials: Path, rows: int
) -> None:
    run = ask(grace, own, study, trials, tmp_path / "a.csv", "--limit", rows, score=6)
    result = grace("paper", run)
    assert result.code == 0, result.err
    text = (tmp_path / "a_paper" / "paper.md").read_text(encoding="utf-8")
    for version in re.findall(r"All was done with .*", text):
        text = text.replace(version, "")
    told = {number.rstrip(".,") for number in NUMBER.findall(prose(text))}
    assert len(told) > 30
    assert told - known(tmp_path / "a_paper") == set()


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


def test_an_edited_text_is_not_overwritten(grace: Command, own: Speaker, tmp_path: Path) -> None:
    run = ask(grace, own, "study1", STUDY1, tmp_path / "a.csv", "--limit", 6)
    text = tmp_path / "a_paper" / "paper.md"
    text.parent.mkdir()
    text.write_text("mine")
    result = grace("paper", run)
    assert (result.code, text.read_text()) == (2, "mine")
    assert "is there already, perhaps edited; choose another --out, or add --force" in result.err
    assert grace("paper", run, "--force").code == 0
    assert text.read_text().startswith("# ")


def test_it_writes_nothing_into_a_run(grace: Command, own: Speaker, tmp_path: Path) -> None:
    run = ask(grace, own, "study1", STUDY1, tmp_path / "a.csv", "--limit", 6)
    before = sorted(os.listdir(run))
    result = grace("paper", run, "--out", run / "paper")
    assert result.code == 2
    assert "is inside the run" in result.err
    assert sorted(os.listdir(run)) == before
