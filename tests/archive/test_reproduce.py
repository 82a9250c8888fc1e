"""Reproduction step by step: Grace from the archive itself, without extras, and what is told of differences."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from test_archive import OUTPUTS

from grace.archive.reproduce import PACKAGES


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
