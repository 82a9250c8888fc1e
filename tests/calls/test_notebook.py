"""The notebook of `examples/` runs as it is, with the real model, and on a kernel where there is one."""

import json
from pathlib import Path

import pandas
import pytest

from conftest import ROOT

NOTEBOOK = ROOT / "examples" / "agreement.ipynb"


def cells_of(notebook: Path) -> list[str]:
    """The code of a notebook's cells."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


def test_its_cells_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one_core: None) -> None:
    (tmp_path / "data").symlink_to(ROOT / "data")
    (tmp_path / "examples").mkdir()
    monkeypatch.chdir(tmp_path / "examples")
    names: dict[str, object] = {}
    first, *rest = cells_of(NOTEBOOK)
    assert ".head(16)" in first
    for source in (first.replace(".head(16)", ".head(4)"), *rest):  # one sentence is enough to see that it runs
        exec(compile(source, NOTEBOOK.name, "exec"), names)
    effects, values = names["effects"], names["values"]
    assert isinstance(effects, pandas.DataFrame)
    assert effects.loc["window", "subject"] > 0
    assert isinstance(values, pandas.DataFrame)
    assert len(values) == 4
    assert Path("../outputs/notebook_scores.run/run.json").exists()


def test_it_is_kept_without_what_one_machine_says() -> None:
    text = NOTEBOOK.read_text(encoding="utf-8")
    assert str(Path.home()) not in text
    assert "/tmp/" not in text
