"""`make demo`: recorded runs of two models become a report, without a model, and without a word that is not so."""

import csv
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import ROOT

pytest.importorskip("matplotlib")

RUNS = ("agreement_135m", "agreement_135m-q8")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder in which the demonstration was made, and what it said; no model is on this machine."""
    folder = tmp_path_factory.mktemp("demo")
    shutil.copytree(ROOT / "examples" / "demo", folder / "examples" / "demo")
    homeless = {**os.environ, "HOME": str(folder), "XDG_CACHE_HOME": str(folder / "cache")}
    command = [sys.executable, str(ROOT / "scripts" / "demo.py")]
    done = subprocess.run(command, cwd=folder, env=homeless, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder / "outputs" / "demo", done.stdout


def test_it_ends_with_the_report_and_what_comes_next(demo: tuple[Path, str]) -> None:
    out, said = demo
    lines = said.splitlines()
    assert len(lines) <= 12
    assert "outputs/demo/report.html" in lines[-3]
    assert lines[-1].startswith("Next:  make pilot")
    page = (out / "report.html").read_text(encoding="utf-8")
    for words in ("47 of 48 answers analysed", "48 of 48 answers analysed", "good enough (50 passed", "attraction"):
        assert words in page
    assert page.count("<img") >= 3


def test_what_it_says_is_what_its_tables_say(demo: tuple[Path, str]) -> None:
    out, said = demo
    for name in RUNS:
        with open(out / f"{name}_scores.csv", newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        means = {
            number: sum(float(row["prob_verb_singular"]) for row in rows if row["neighbour_number"] == number) / 24
            for number in ("singular", "plural")
        }
        line = next(
            line for line in said.splitlines() if line.strip().startswith(name.replace("agreement_", "smollm2-") + ":")
        )
        told = re.findall(r"\d\.\d\d", line)
        assert told == [f"{means['singular']:.2f}", f"{means['plural']:.2f}"]


def test_it_is_small_and_has_no_path_of_a_machine() -> None:
    files = [path for path in (ROOT / "examples" / "demo").rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 500_000
    for path in files:
        assert not re.search(rb'"/(home|tmp|root|Users|work)/', path.read_bytes()), path
