"""What vouches for an archive: a digest that other tools read, and signatures, which need what they need."""

import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from conftest import ROOT, Command

RUN = ROOT / "tests" / "fixtures" / "runs-0.1.0" / "outputs" / "skies.run"


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with a run, and nobody who signs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SIGSTORE_IDENTITY_TOKEN", raising=False)
    shutil.copytree(RUN, "skies.run")


def test_other_tools_read_the_digest_beside_an_archive(grace: Command) -> None:
    made = grace("archive", "create", "skies.run", "--to", "kept/skies", "--no-results")
    assert made.code == 0, made.err
    assert "kept/skies.sha256" in made.out
    check = ["sha256sum", "-c", "skies.sha256"]
    assert subprocess.run(check, cwd="kept", capture_output=True).returncode == 0
    assert Path("kept/skies.sha256").read_text().split()[0] in made.out
    with open("kept/skies/tagmanifest-sha256.txt", "a") as file:
        file.write("x")
    assert subprocess.run(check, cwd="kept", capture_output=True).returncode == 1
    assert grace("archive", "create", "skies.run", "--to", "kept/again", "--no-results").code == 0


def test_without_sigstore_nothing_is_begun(monkeypatch: pytest.MonkeyPatch, grace: Command) -> None:
    monkeypatch.setitem(sys.modules, "sigstore", None)
    monkeypatch.setattr("grace.archive.sign.importlib.util.find_spec", lambda name: None)
    refused = grace("archive", "create", "skies.run", "--to", "kept", "--no-results", "--sign")
    assert refused.code == 2
    assert "grace-experiments[sign]" in refused.err
    assert not Path("kept").exists()


def test_without_an_identity_nothing_is_begun(monkeypatch: pytest.MonkeyPatch, grace: Command) -> None:
    errors, oidc = ModuleType("sigstore.errors"), ModuleType("sigstore.oidc")
    errors.Error = type("Error", (Exception,), {})  # type: ignore[attr-defined]
    vars(oidc).update(IdentityError=errors.Error, IdentityToken=str, detect_credential=lambda: None)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "sigstore", ModuleType("sigstore"))
    monkeypatch.setitem(sys.modules, "sigstore.errors", errors)
    monkeypatch.setitem(sys.modules, "sigstore.oidc", oidc)
    monkeypatch.setattr("grace.archive.sign.importlib.util.find_spec", lambda name: SimpleNamespace())
    refused = grace("archive", "create", "skies.run", "--to", "kept", "--no-results", "--sign")
    assert refused.code == 2
    assert "nobody says who signs" in refused.err
    assert not Path("kept").exists()
