"""What vouches for an archive: a digest that other tools read, and signatures, which need what they need."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
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
    monkeypatch.setattr("grace.extras.importlib.util.find_spec", lambda name: None)
    refused = grace("archive", "create", "skies.run", "--to", "kept", "--no-results", "--sign")
    assert refused.code == 2
    assert "grace-experiments[sign]" in refused.err
    assert not Path("kept").exists()


def test_without_an_identity_nothing_is_begun(monkeypatch: pytest.MonkeyPatch, grace: Command) -> None:
    _sigstore(monkeypatch, detect_credential=lambda: None)
    refused = grace("archive", "create", "skies.run", "--to", "kept", "--no-results", "--sign")
    assert refused.code == 2
    assert "nobody says who signs" in refused.err
    assert not Path("kept").exists()


def test_a_signature_is_written_beside_the_archive(monkeypatch: pytest.MonkeyPatch, grace: Command) -> None:
    """With a Sigstore of the test's own: the real one signs only for people with an identity, on its own machines."""
    signed: list[bytes] = []

    @contextmanager
    def signer(identity: str) -> Iterator[SimpleNamespace]:
        assert identity == "token of a person"
        yield SimpleNamespace(
            sign_artifact=lambda content: signed.append(content) or SimpleNamespace(to_json=lambda: "{}")
        )

    context = SimpleNamespace(from_trust_config=lambda config: SimpleNamespace(signer=signer))
    config = SimpleNamespace(production=lambda: None)
    _sigstore(
        monkeypatch, detect_credential=lambda: "token of a person", ClientTrustConfig=config, SigningContext=context
    )
    done = grace("archive", "create", "skies.run", "--to", "kept/skies", "--no-results", "--sign")
    assert done.code == 0, done.err
    assert "signed: " in done.out
    assert Path("kept/skies.sigstore.json").read_text() == "{}"
    assert signed == [Path("kept/skies/tagmanifest-sha256.txt").read_bytes()]
    assert grace("archive", "verify", "kept/skies").code == 0


def test_an_archive_is_whole_where_sigstore_fails(monkeypatch: pytest.MonkeyPatch, grace: Command) -> None:
    def production() -> None:
        raise sys.modules["sigstore.errors"].Error("no route\x1b[31m to the log")

    config = SimpleNamespace(production=production)
    _sigstore(
        monkeypatch,
        detect_credential=lambda: "token",
        ClientTrustConfig=config,
        SigningContext=SimpleNamespace(from_trust_config=None),
    )
    done = grace("archive", "create", "skies.run", "--to", "kept/skies", "--no-results", "--sign")
    assert done.code == 3
    assert "the archive is whole, and not signed" in done.err
    assert "\x1b" not in done.err
    assert "SHA-256" in done.out
    assert grace("archive", "verify", "kept/skies").code == 0


def _sigstore(monkeypatch: pytest.MonkeyPatch, **names: object) -> None:
    """Put modules in the place of sigstore's, with these names in them."""
    error = type("Error", (Exception,), {})
    for module in ("sigstore", "sigstore.errors", "sigstore.oidc", "sigstore.models", "sigstore.sign"):
        made = ModuleType(module)
        vars(made).update({"Error": error, "IdentityError": error, "IdentityToken": str, **names})
        monkeypatch.setitem(sys.modules, module, made)
    monkeypatch.setattr("grace.extras.importlib.util.find_spec", lambda name: SimpleNamespace())
