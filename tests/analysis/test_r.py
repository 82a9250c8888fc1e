"""R says the same as Python: means, t, F and p of both studies agree, whatever is missing in a table."""

import csv
import math
import random
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

import analysis_tables
from conftest import Command, read_rows

pytest.importorskip("statsmodels")
pytest.importorskip("matplotlib")

PACKAGES = ("lme4", "ggplot2", "dplyr", "tidyr")
ONLY_PYTHON = ("mixed:", "expected:")
NUMBERS = ("statistic", "df1", "df2", "p", "p_holm", "effect_size", "n", "n_effective")

Rows = list[dict[str, Any]]


def _has_r() -> bool:
    if shutil.which("Rscript") is None:
        return False
    load = "for (name in commandArgs(TRUE)) loadNamespace(name)"
    return subprocess.run(["Rscript", "--vanilla", "-e", load, *PACKAGES], capture_output=True).returncode == 0


needs_r = pytest.mark.skipif(not _has_r(), reason="no R here: scripts/install_r_and_pandoc.sh")


def _plain1(rng: random.Random) -> Rows:
    return analysis_tables.study1(rng, of_stimulus=8)


def _awkward1(rng: random.Random) -> Rows:
    """A model lacks a cell, answers wrongly, was dropped in part or not read; one failed; one says the same."""
    rows = [row for row in analysis_tables.study1(rng) if (row["access"], row["observe"]) != ("2", "1")]
    for row in rows:
        row["model_name"] = "gemma"
        if rng.random() < 0.2:
            row["Knowledge_A"] = rng.choice(["Yes", "no ", "NA", "perhaps"])
        if rng.random() < 0.1:
            row["probability_2"] = rng.choice(["", "NA", "101", "40%", "many"])
        row["drop_odd"] = rng.choice(["", "", "no", "x"])
    failed = [{**row, "model_name": "broken", "error": "HTTP 500"} for row in analysis_tables.study1(rng)]
    bets = {f"probability_{state}": 25 for state in range(4)}
    equal = [{**row, **bets, "model_name": "equal", "error": ""} for row in analysis_tables.study1(rng)]
    return [{"drop_odd": "", **row} for row in (*rows, *failed, *equal)]


def _certain1(rng: random.Random) -> Rows:
    """All that is bet is bet on the likeliest state, so that stories do not vary, in some effects or in any."""
    found = []
    for row in analysis_tables.study1(rng):
        bets = analysis_tables.BETS[int(row["access"]), int(row["observe"])]
        sure = {f"probability_{state}": 100 * (bet == max(bets)) for state, bet in enumerate(bets)}
        even = {name: 25 if row["access"] != "3" else bet for name, bet in sure.items()}
        found += [{**row, **sure, "model_name": "sure"}, {**row, **even, "model_name": "even"}]
    return found


def _replicated1(rng: random.Random) -> Rows:
    """Two temperatures of one model, in the layout of people's own tables: X0 to X3, and no knowledge answers."""
    found = []
    for temperature in ("0.2", "1"):
        for row in analysis_tables.study1(rng)[:200]:
            bets = {f"X{state}": row.pop(f"probability_{state}") for state in range(4)}
            del row["Knowledge_A"]
            found += [{**row, **bets, "model_name": "gemma", "temperature": temperature}] * rng.choice([1, 2])
    return found


def _conditions1(rng: random.Random) -> Rows:
    """Nothing tells which rows show the same stimulus."""
    wanted = ("access", "observe", "Knowledge_A", *(f"probability_{state}" for state in range(4)))
    return [{name: row[name] for name in wanted} for row in analysis_tables.study1(rng)]


def _plain2(rng: random.Random) -> Rows:
    return analysis_tables.study2(rng)[:1000]


def _awkward2(rng: random.Random) -> Rows:
    """One model separates completely and lacks cells; one says the same everywhere; one failed."""
    negated = {cell: round(share) for cell, share in analysis_tables.NEGATED.items()} | {("social", 1): 0.5}
    rows = [
        {**row, "model_name": "stiff"} for row in analysis_tables.study2(rng, negated)[:1200] if row["State"][0] != "2"
    ]
    for row in rows[:100]:
        row["Was_Wasnt"] = rng.choice(["Was", "was not", "wasn\u2019t", "neither"])
    same = {"Was_Wasnt": "was", "Assessment": "good", "model_name": "equal"}
    equal = [{**row, **same} for row in analysis_tables.study2(rng)]
    return [*rows, *equal, *({**row, "model_name": "broken", "error": "HTTP 500"} for row in equal[:50])]


TABLES = {
    "plain1": ("study1", _plain1),
    "awkward1": ("study1", _awkward1),
    "certain1": ("study1", _certain1),
    "replicated1": ("study1", _replicated1),
    "conditions1": ("study1", _conditions1),
    "plain2": ("study2", _plain2),
    "awkward2": ("study2", _awkward2),
}


@needs_r
@pytest.mark.parametrize("name", TABLES)
def test_r_agrees(name: str, grace: Command, tmp_path: Path) -> None:
    study, make = TABLES[name]
    table = analysis_tables.write(tmp_path / "table.csv", make(random.Random(11)))
    done = grace("analyze", study, "--input", table, "--out", tmp_path, "--no-figures", "--with-r")
    assert done.code == 0, done.err
    for file in ("means.csv", "negation.csv")[: 1 + (study == "study2")]:
        ours, theirs = read_rows(tmp_path / file), read_rows(tmp_path / "r" / file)
        assert len(ours) > 20 or file == "negation.csv"
        for one, other in zip(ours, theirs, strict=True):
            _agree(one, other, tuple(one))
    ours, theirs = _tests(tmp_path / "tests.csv"), _tests(tmp_path / "r" / "tests.csv")
    assert list(ours[0]) == list(theirs[0])
    by_name = {(row.get("model_name"), row["test"]): row for row in theirs}
    compared = [row for row in ours if not row["test"].startswith(ONLY_PYTHON)]
    assert len(compared) >= 24
    for row in compared:
        _agree(row, by_name.pop((row.get("model_name"), row["test"])), NUMBERS)
    assert all(test.startswith("lme4:") for _, test in by_name)
    if name == "plain2":  # Laplace's approximation in both; lme4 has no priors
        ratios = {row["test"].removeprefix("mixed:likelihood:"): row for row in ours if "likelihood" in row["test"]}
        for (_, test), row in by_name.items():
            own = ratios.pop(test.removeprefix("lme4:"))
            assert float(own["statistic"]) == pytest.approx(float(row["statistic"]), rel=0.05)
        assert not ratios
    assert {path.suffix for path in (tmp_path / "r").iterdir()} == {".csv", ".pdf", ".png"}


def _tests(path: Path) -> Rows:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def _agree(one: dict[str, Any], other: dict[str, Any], columns: tuple[str, ...]) -> None:
    for column in columns:
        try:
            expected = analysis_tables.number(one[column])
        except ValueError:
            assert one[column] == other[column]
            continue
        found = analysis_tables.number(other[column])
        if math.isnan(expected):
            assert math.isnan(found), (column, one, other)
        else:
            assert found == pytest.approx(expected, rel=1e-6, abs=1e-12), (column, one, other)


@needs_r
def test_lme4_finds_what_was_planted_and_nothing_in_noise(grace: Command, tmp_path: Path) -> None:
    rng, null = random.Random(4), dict.fromkeys(analysis_tables.NEGATED, 0.4)
    rows = [
        *analysis_tables.study2(rng, model_name="planted")[:1000],
        *analysis_tables.study2(rng, null, model_name="null")[:1000],
    ]
    table = analysis_tables.write(tmp_path / "table.csv", rows)
    assert grace("analyze", "study2", "--input", table, "--out", tmp_path, "--no-figures", "--with-r").code == 0
    found = {
        (row["model_name"], row["test"]): float(row["p"])
        for row in read_rows(tmp_path / "r" / "tests.csv")
        if row["test"].startswith("lme4:")
    }
    assert {test for _, test in found} == {"lme4:goal", "lme4:state", "lme4:goal:state"}
    assert max(p for (model, _), p in found.items() if model == "planted") < 0.001
    assert min(p for (model, _), p in found.items() if model == "null") > 0.001


@needs_r
def test_exclusions_can_be_left_out_in_r_too(grace: Command, tmp_path: Path) -> None:
    rows = [{**row, "Knowledge_A": "no"} for row in analysis_tables.study1(random.Random(2))]
    command = (
        "analyze",
        "study1",
        "--input",
        analysis_tables.write(tmp_path / "t.csv", rows),
        "--no-figures",
        "--with-r",
    )
    for options, kept in ((("--out", tmp_path / "a"), 150), (("--out", tmp_path / "b", "--no-exclusions"), 300)):
        assert grace(*command, *options).code == 0
        means = read_rows(Path(options[1]) / "r" / "means.csv")
        assert sum(int(row["n"]) for row in means) == 4 * kept


def test_without_r_the_message_says_what_to_install(
    grace: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = analysis_tables.write(tmp_path / "t.csv", analysis_tables.study1(random.Random(1)))
    monkeypatch.setenv("PATH", str(tmp_path))
    done = grace("analyze", "study1", "--input", table, "--out", tmp_path / "out", "--with-r")
    assert done.code == 2
    assert "there is no Rscript on the PATH" in done.err
    assert "scripts/install_r_and_pandoc.sh" in done.err
    assert not (tmp_path / "out").exists()
