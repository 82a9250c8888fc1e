"""The files that the plan refers to are what the commands make."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from conftest import ROOT, Command


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("documents", ROOT / "scripts" / "make_cluster_documents.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_manifests_are_those_that_render_writes(script: ModuleType, tmp_path: Path) -> None:
    script.render(tmp_path)
    made = {path.relative_to(tmp_path): path.read_text() for path in tmp_path.rglob("*.yaml")}
    kept = ROOT / "kubernetes"
    there = {path.relative_to(kept): path.read_text() for path in kept.glob("*/*.yaml")}
    assert there == made, "python scripts/make_cluster_documents.py makes them again"


def test_the_pages_are_those_that_are_computed(script: ModuleType) -> None:
    assert script.COMPLIANCE.read_text() == script.compliance()
    assert script.CONTINGENCY.read_text() == script.contingency()


def test_an_audit_names_what_is_broken(grace: Command) -> None:
    told = grace("cluster", "audit", ROOT / "kubernetes" / "rtx3090")
    assert told.code == 0
    assert "| NRP010 |" in told.out
    assert "broken" not in told.out.replace("would break it", "")
