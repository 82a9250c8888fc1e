"""Runs and merged tables in R: factors of the design, numbers, long probabilities; and the example renders."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import grace
from conftest import ROOT, read_rows
from table_model import TableServer, printable_model

SCRIPT = ROOT / "analysis" / "read_grace.R"


def has_r(*packages: str) -> bool:
    """Whether R is here, with these packages."""
    if shutil.which("Rscript") is None:
        return False
    load = "for (name in commandArgs(TRUE)) loadNamespace(name)"
    return subprocess.run(["Rscript", "--vanilla", "-e", load, *packages], capture_output=True).returncode == 0


needs_r = pytest.mark.skipif(not has_r("jsonlite"), reason="no R here: scripts/install_r_and_pandoc.sh")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of probabilities about twelve trials."""
    output = tmp_path_factory.mktemp("r") / "agreement.csv"
    with TableServer(printable_model("é", "’", "is", "are", seed=5, spread=2.0)) as server:
        trials = ROOT / "data" / "agreement.csv"
        grace.score(trials, "agreement", output=output, limit=12, model_endpoint=server.url, progress=False)
    return output.with_suffix(".run")


def rscript(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run some R, with the command of this environment."""
    return subprocess.run(
        ["Rscript", "--vanilla", "-e", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, "GRACE": str(Path(sys.executable).parent / "grace")},
    )


READ = f"""
source("{SCRIPT}")
path <- commandArgs(TRUE)[1]
data <- read_grace(path)
long <- read_grace(sub("[.]run$", "_merged", path), long = TRUE)
cat(jsonlite::toJSON(list(
  rows = nrow(data), classes = lapply(data, function(column) class(column)[1]),
  subject = levels(data$subject_number), items = levels(data$noun), singular = data$prob_verb_singular,
  names = names(long), long = nrow(long), labels = levels(long$label), total = sum(long$probability)
), auto_unbox = TRUE, digits = NA))
"""


@needs_r
def test_a_run_has_factors_numbers_and_long_probabilities(run: Path) -> None:
    done = rscript(READ, run)
    assert done.returncode == 0, done.stderr
    read = json.loads(done.stdout)
    table = read_rows(run.with_suffix(".csv"))
    assert read["rows"] == 12
    assert read["subject"] == ["singular", "plural"]
    assert read["items"] == list(dict.fromkeys(row["noun"] for row in table))
    classes = read["classes"]
    assert {classes[name] for name in ("model_name", "noun", "subject_number", "neighbour_number")} == {"factor"}
    assert {classes[name] for name in ("prob_verb_singular", "label_mass_verb", "residual_verb")} == {"numeric"}
    assert classes["sentence_with_gap"] == "character"
    assert read["singular"] == pytest.approx([float(row["prob_verb_singular"]) for row in table])
    assert read["long"] == 24
    assert read["labels"] == ["singular", "plural"]
    assert read["total"] == pytest.approx(12)
    beside = ["row_id", "model_name", "noun", "subject_number", "neighbour_number"]
    assert [name for name in read["names"] if name != "replication"] == [
        *beside,
        "question",
        "label",
        "probability",
        "label_mass",
    ]


@needs_r
def test_what_is_no_table_is_refused_with_what_to_do(run: Path, tmp_path: Path) -> None:
    assert "there is no codebook.json" in rscript(READ, tmp_path).stderr
    done = rscript('Sys.setenv(GRACE = "no-such-command")\n' + READ, run)
    assert "set the environment variable GRACE to its path, or run `grace merge" in done.stderr


@pytest.mark.skipif(not has_r("rmarkdown", "ggplot2"), reason="no R with rmarkdown: scripts/install_r_and_pandoc.sh")
@pytest.mark.skipif(shutil.which("pandoc") is None, reason="no pandoc here: scripts/install_r_and_pandoc.sh")
def test_the_example_renders(run: Path, tmp_path: Path) -> None:
    document = shutil.copy(ROOT / "examples" / "agreement.Rmd", tmp_path)
    render = (
        "given <- commandArgs(TRUE); rmarkdown::render(given[1], quiet = TRUE, "
        "params = list(table = given[2], code = given[3]))"
    )
    done = rscript(render, document, run, SCRIPT)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "agreement.html").read_text(encoding="utf-8")
    assert "Agreement attraction" in page
    assert "One Sample t-test" in page
    assert "data:image/png" in page


@needs_r
@pytest.mark.parametrize(
    ("cells", "numbers"),
    [
        (["3,5", "12", "-0,25"], [3.5, 12, -0.25]),
        (["1.234,5", "2,50", "1.000"], [1234.5, 2.5, 1000]),
        (["3.5", "1e-3"], [3.5, 0.001]),
        (["1,234", "5"], ["1,234", "5"]),
        (["3,5", "some"], ["3,5", "some"]),
    ],
)
def test_numbers_with_decimal_commas_are_numbers(cells: list[str], numbers: list[float] | list[str]) -> None:
    read = f'source("{SCRIPT}"); cat(jsonlite::toJSON(as_number(commandArgs(TRUE)), digits = NA))'
    assert json.loads(rscript(read, *cells).stdout) == numbers
