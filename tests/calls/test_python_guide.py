"""The guide to Python says what is so: its blocks run, in order, and it names what there is."""

import re
import warnings
from pathlib import Path

import pytest

import grace
from conftest import ROOT
from table_model import TableServer, printable_model

GUIDE = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")


def test_its_blocks_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data").symlink_to(ROOT / "data")
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    assert len(blocks) == 4
    with TableServer(printable_model("é", "’", "is", "are", seed=5, spread=2.0)) as server, warnings.catch_warnings():
        (tmp_path / "grace.yaml").write_text(f"endpoint: {server.url}\n")
        names: dict[str, object] = {}
        for block in blocks:
            exec(compile(block, "docs/python.md", "exec"), names)
    assert isinstance(names["one"], grace.RunTable)
    assert names["one"].complete
    assert Path("outputs/py_values.run/run.json").exists()


def test_it_names_every_call_and_exception() -> None:
    for name in grace.__all__:
        assert name in GUIDE or name in ("TableFormat", "__version__"), name
