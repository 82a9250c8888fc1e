"""Reproduction step by step: Grace from the archive itself, without extras, and what is told of differences."""

import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet
from test_archive import OUTPUTS, close, faults_of

from conftest import Command
from grace.archive.reproduce import PACKAGES, difference_of


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive without results."""
    folder = tmp_path_factory.mktemp("bare")
    shutil.copytree(OUTPUTS / "skies.run", folder / "skies.run")
    asked = ["archive", "create", "skies.run", "--to", "skies", "--no-results"]
    done = subprocess.run([sys.executable, "-m", "grace", *asked], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder / "skies"


def test_grace_is_installed_as_the_archive_says(bare: Path, tmp_path: Path) -> None:
    """The line of REPRODUCING.md in the folder that it names; without the network, so without what Grace requires."""
    text = (bare / "data" / "REPRODUCING.md").read_text()
    (line,) = re.findall(r"^ +pip (install .+)$", text, re.MULTILINE)
    assert text.index(line) < text.index("grace archive verify")
    assert line.endswith('[analysis,parquet,archive]"')
    assert "--constraint environment/constraints.txt" in line
    site = tmp_path / "site"
    asked = [sys.executable, "-m", "pip", *shlex.split(line), "--target", str(site)]
    environment = os.environ | {"PIP_NO_DEPS": "1", "PIP_NO_INDEX": "1"}
    done = subprocess.run(asked, cwd=bare / "data", capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    verified = subprocess.run(
        [str(site / "bin" / "grace"), "archive", "verify", str(bare)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(site)},
    )
    assert verified.returncode == 0, verified.stderr
    assert "as it was made" in verified.stdout


WITHOUT = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name in {names}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

def find(name, package=None, find=importlib.util.find_spec):
    return None if name in {names} else find(name, package)

importlib.util.find_spec = find
sys.meta_path.insert(0, Missing())
{before}
from grace.cli import main
sys.argv = ['grace', *{arguments}]
main()
"""


def without_extras(*arguments: str, before: str = "") -> subprocess.CompletedProcess[str]:
    """Run a command where no package of an extra is installed."""
    names = {*PACKAGES, "rocrate", "obstore"}
    code = "import importlib.util\n" + WITHOUT.format(names=names, before=before, arguments=list(arguments))
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


def test_without_extras_the_extra_is_named(bare: Path, tmp_path: Path) -> None:
    done = without_extras("reproduce", str(bare), "--into", str(tmp_path / "again"))
    assert done.returncode == 2, done.stderr
    assert "pip install 'grace-experiments[analysis]', or use --environment" in done.stderr
    assert not (tmp_path / "again").exists()


def test_archived_versions_need_no_extras(bare: Path, tmp_path: Path) -> None:
    before = "import grace.archive.environment as environment; environment.run_in_archived = lambda *given: 7"
    done = without_extras("reproduce", str(bare), "--into", str(tmp_path / "again"), "--environment", before=before)
    assert done.returncode == 7, done.stderr


@pytest.mark.parametrize(("change", "told"), [
    ({}, "has no results to compare; it was created with --no-results"),
    ({"missing": {"report.html": "no rows"}}, "has no results to compare; none could be made: report.html: no rows"),
    ({"runs": []}, "has no results to compare; it holds no runs"),
])  # fmt: skip
def test_an_archive_without_results_says_so(
    change: dict[str, object], told: str, bare: Path, tmp_path: Path, grace: Command
) -> None:
    own = Path(shutil.copytree(bare, tmp_path / "own"))
    listed = own / "data" / "results.json"
    listed.write_text(json.dumps(json.loads(listed.read_text()) | change))
    close(own)
    done = grace("reproduce", own, "--into", tmp_path / "again")
    assert done.code == 2, done.out
    assert told in done.err
    assert not (tmp_path / "again").exists()


def test_results_that_the_list_leaves_out_differ(bare: Path, tmp_path: Path, grace: Command) -> None:
    own = Path(shutil.copytree(bare, tmp_path / "own"))
    for name in ("more/forged.csv", "runs/skies.csv"):
        (own / "data" / "results" / name).parent.mkdir(parents=True)
        (own / "data" / "results" / name).write_text("x\n1\n")
    close(own)
    assert not faults_of(own)
    done = grace("reproduce", own, "--into", tmp_path / "again")
    assert done.code == 1, done.err
    for name in ("more/forged.csv", "runs/skies.csv"):
        assert done.out.count(f"  {name}: is in the archive, whose results.json does not list it\n") == 1


def bytes_of(table: pa.Table, **options: str) -> bytes:
    file = io.BytesIO()
    parquet.write_table(table, file, **options)
    return file.getvalue()


@pytest.mark.parametrize(("then", "now", "told"), [
    ({"x": [1, 2], "y": [0.5, 0.25]}, {"x": [1, 2], "y": [0.5, 0.75]}, "row 2, column 'y': '0.25' in the archive"),
    ({"x": ["a", None]}, {"x": ["a", ""]}, "row 2, column 'x': 'None' in the archive"),
    ({"x": ["None"]}, {"x": [None]}, "column 'x': string in the archive, null here"),
    ({"x": [1]}, {"x": [1.0]}, "column 'x': int64 in the archive, double here"),
    ({"x": [1]}, {"z": [1]}, "header, column 1: 'x' in the archive, 'z' here"),
    ({"x": [1, 2]}, {"x": [1]}, "row 2, column 'x': is in the archive alone"),
    ({"x": [*range(5000), 1]}, {"x": [*range(5000), 2]}, "row 5001, column 'x': '1' in the archive, '2' here"),
])  # fmt: skip
@pytest.mark.parametrize("other_versions", [True, False])
def test_a_changed_cell_of_parquet_is_named_and_has_no_excuse(
    then: dict[str, list[object]], now: dict[str, list[object]], told: str, other_versions: bool
) -> None:
    what = difference_of("a.parquet", bytes_of(pa.table(then)), bytes_of(pa.table(now)), other_versions)
    assert told in what
    assert "other versions" not in what


def test_only_other_versions_excuse_other_bytes_of_the_same_cells() -> None:
    table = pa.table({"x": [1.5, float("nan"), None]})
    files = bytes_of(table), bytes_of(table, compression="gzip")
    assert difference_of("a.parquet", *files, other_versions=False) == "cells are the same, and written differently"
    assert "packages of other versions" in difference_of("a.parquet", *files, other_versions=True)
