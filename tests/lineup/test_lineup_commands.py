"""`grace lineup` against a modelled cluster: one command carries models to a cluster and their data home."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import Command
from modelled_lineup import MODELS, NAMESPACE, ModelledLineup, modelled_lineup

WHERE = ["--profile", "rtx3090", "--namespace", NAMESPACE, "--image", "registry.example/grace:1"]


@pytest.fixture
def lineup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModelledLineup]:
    for name in ("HF_HUB_OFFLINE", "HF_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)  # where evidence of a passed gate is kept
    with modelled_lineup(tmp_path) as lineup:
        monkeypatch.setattr("grace.cluster.access.connection.connect", lambda *_, **__: lineup.connect())
        yield lineup


def run(lineup: ModelledLineup) -> list[object]:
    """The command that begins a lineup of the same study on the same cluster."""
    source = lineup.folder.path.parent.parent
    study = f"{source / 'things.yaml'}={source / 'things.csv'}"
    own = ["--name", "one", "--lineups", lineup.folder.path.parent]
    return ["lineup", "run", "--models", "Gemma-2B,gemma-2-9b-it", "--study", study, *WHERE, *own]


def test_one_command_from_nothing_to_data_at_home(lineup: ModelledLineup, grace: Command) -> None:
    closed = grace(*run(lineup))
    assert closed.code == 4
    assert "not yet" in closed.err
    assert not (lineup.folder.path.parent / "one").exists()
    done = grace(*run(lineup), "--override", "the cluster is a model of one")
    assert done.code in (0, 1), done.err  # whether the data is good is another question
    for model in MODELS:
        assert f"{model}: asked, home and removed" in done.out
    folder = lineup.folder.path.parent / "one"
    for model in MODELS:
        assert json.loads((folder / "cleanup.json").read_bytes())[model]["left"] == []
        assert (folder / model / "things.csv").is_file()
    assert lineup.left() == []

    status = grace("lineup", "status", "one", "--json", "--lineups", folder.parent)
    content = json.loads(status.out)
    assert [(model["model"], model["phase"]) for model in content["models"]] == [
        (model, "home and removed") for model in MODELS
    ]
    assert all(model["answered"] == model["requests"] for model in content["models"])

    again = grace("lineup", "resume", "one", "--lineups", folder.parent)
    assert again.out.count("home already") == 2


def test_a_plan_of_a_cluster_asks_no_cluster(
    lineup: ModelledLineup, grace: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("grace.cluster.access.connection.connect", None)
    planned = grace(*run(lineup), "--dry-run")
    assert planned.code == 0, planned.err
    assert "makes Job one-gemma-2-9b-it" in planned.out
    assert planned.out.count("makes PersistentVolumeClaim") == 3
    assert "1 GPU: " in planned.out
    assert "GPU hours" in planned.out.splitlines()[-1]
    assert not (lineup.folder.path.parent / "one").exists()


def test_what_cannot_be_served_is_refused_before_anything_is_written(lineup: ModelledLineup, grace: Command) -> None:
    for wrong in (["--models", "no-such"], ["--variant", "no-such"], ["--image", "UPPER CASE"], ["--namespace", "-"]):
        refused = grace(*run(lineup), *wrong)
        assert refused.code == 2, wrong
    assert not (lineup.folder.path.parent / "one").exists()


def test_without_a_cluster_the_status_shows_what_is_at_home(
    lineup: ModelledLineup, grace: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("KUBECONFIG", "/nowhere/config")
    shown = grace("lineup", "status", "trial", "--lineups", lineup.folder.path.parent)
    assert shown.code == 0
    assert "only what is at home is shown" in shown.err
    assert "waiting" in shown.out
