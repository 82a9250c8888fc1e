"""Lineups of a modelled cluster that are cleaned as a whole, in the middle and at the end, also through a bucket."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import Command, Result
from grace.cluster.access import connection
from grace.lineup.home import bucket
from grace.lineup.journal import Journal
from grace.lineup.kubernetes import KubernetesBackend, request_of
from grace.lineup.runner import carry
from grace.project_file import BucketSettings
from modelled_lineup import MODELS, NAMESPACE, Killed, ModelledLineup, modelled_lineup
from s3_server import KEY, SECRET, serve_s3

MODEL = MODELS[0]
KEPT_BY_ITS_USER = {("namespaces", "lab"), ("secrets", "huggingface-token"), ("storageclasses", "rook-cephfs")}
CLAIMS = ("trial-outputs", "trial-input", "trial-weights")


@pytest.fixture
def lineup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModelledLineup]:
    """A lineup of one model; commands have the cluster's time."""
    for name in ("KUBECONFIG", "HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    with modelled_lineup(tmp_path, [MODEL]) as made:
        monkeypatch.setattr(connection, "Clock", lambda: made.cluster.clock)
        yield made


def clean(lineup: ModelledLineup, grace: Command, *options: str) -> Result:
    return grace("lineup", "clean", "trial", "--kubeconfig", lineup.kubeconfig, *options)


def there(lineup: ModelledLineup) -> set[tuple[str, str]]:
    """What the cluster holds beside nodes and events."""
    return {(key[0], key[2]) for key in lineup.cluster.objects if key[0] not in ("nodes", "events")}


def proof(lineup: ModelledLineup) -> dict[str, object]:
    return dict(json.loads(lineup.folder.cleanup.read_bytes())["lineup"])


def test_what_a_killed_runner_left_goes_but_for_data_without_a_copy(lineup: ModelledLineup, grace: Command) -> None:
    lineup.servers[MODEL].latency = 1.0
    with pytest.raises(Killed):
        lineup.run(kill_after=7)
    while not any(path.stat().st_size for path in lineup.cluster.volume("trial-outputs").rglob("ledger.jsonl")):
        lineup.cluster.clock.sleep(1.0)  # the pod goes on asking
    told = clean(lineup, grace, "--dry-run")
    assert f"Job/trial-{MODEL}" in told.out
    assert lineup.pods("visit")

    kept = clean(lineup, grace)
    assert kept.code == 4, kept.err
    assert "have no copy at home" in kept.out
    assert f"removed Job/trial-{MODEL}" in kept.out
    assert not lineup.cluster.working()
    assert there(lineup) == KEPT_BY_ITS_USER | {("persistentvolumeclaims", "trial-outputs")}
    assert proof(lineup)["left"] == []

    with lineup.backend() as backend:
        backend.fetch(MODEL, lineup.folder.model(MODEL), lineup.notes)
    gone = clean(lineup, grace)
    assert gone.code == 0, gone.err
    assert there(lineup) == KEPT_BY_ITS_USER
    assert (proof(lineup)["kept"], proof(lineup)["left"]) == ({}, [])
    assert "nothing is left" in clean(lineup, grace).out


def test_a_lost_node_keeps_its_pod_and_the_clean_up_says_so(lineup: ModelledLineup, grace: Command) -> None:
    with pytest.raises(Killed):
        lineup.run(kill_after=7)
    (key,) = lineup.pods("visit")
    node = lineup.cluster.objects[key]["spec"]["nodeName"]
    lineup.cluster.do(lambda: lineup.cluster.lose_node(node))
    failed = clean(lineup, grace)
    assert failed.code == 5
    assert f"on {node}: is that node up?" in failed.err
    assert proof(lineup)["left"]


def test_a_lineup_comes_home_through_a_bucket_and_leaves_neither_objects_nor_pieces(
    lineup: ModelledLineup, grace: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in ((bucket.KEY, KEY), (bucket.SECRET, SECRET)):
        monkeypatch.setenv(name, value)
    monkeypatch.delenv(bucket.SESSION, raising=False)
    store = tmp_path / "s3" / "lab"
    store.mkdir(parents=True)
    with serve_s3(store.parent, tmp_path / "s3.log") as url:
        settings = BucketSettings(url="s3://lab/grace", endpoint=url)
        request = request_of(lineup.folder, namespace=NAMESPACE, image="registry.example/grace:1")
        with (
            Journal(lineup.folder.journal) as journal,
            KubernetesBackend(lineup.folder, lineup.connect(), request, settings) as backend,
        ):
            (carried,) = carry(lineup.folder, backend, journal, lineup.notes)
        assert carried.error is None
        lineup.assert_home([MODEL])
        assert any("to s3://lab/grace/trial/" in text for text in lineup.notes.texts)
        assert ("secrets", "trial-bucket") in there(lineup)
        assert [path for path in store.rglob("*") if path.is_file()]

        Path("grace.yaml").write_text(f"bucket: {{url: s3://lab/grace, endpoint: '{url}'}}\n")
        lineup.folder.model(MODEL).rename(tmp_path / "elsewhere")
        kept = clean(lineup, grace)
        assert kept.code == 4
        assert "kept s3://lab/grace/trial/" in kept.out
        assert "kept PersistentVolumeClaim/trial-outputs" in kept.out
        (tmp_path / "elsewhere").rename(lineup.folder.model(MODEL))
        gone = clean(lineup, grace)
        assert gone.code == 0, gone.err
    assert there(lineup) == KEPT_BY_ITS_USER
    assert [path for path in store.rglob("*") if path.is_file()] == []
    assert (proof(lineup)["kept"], proof(lineup)["left"]) == ({}, [])
    assert SECRET not in "".join(lineup.notes.texts) + kept.out + gone.out
