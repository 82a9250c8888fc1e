"""Data on a cluster's volume: brought home and put there by commands that really run, in pods that come and go."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from api_server import ApiServer
from conftest import Command
from grace.calls.display import Lines
from grace.cluster.access.connection import Api, Clock, connect
from grace.errors import ClusterError, Refused
from grace.lineup.home import fetch
from grace.lineup.home.beside import PIECE
from grace.lineup.home.folders import FolderRemote
from grace.lineup.home.listing import HostileListing
from grace.lineup.home.put import put
from grace.lineup.home.volumes import Volume, VolumeRemote, fetch_volume
from volume_pods import VolumePods


class Hours(Clock):
    """Time that only sleeping moves."""

    seconds = 0.0

    def now(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "PAUSE_SECONDS", 0.0)


@pytest.fixture
def server() -> Iterator[ApiServer]:
    with ApiServer() as running:
        running.add("{apiVersion: v1, kind: Namespace, metadata: {name: lab}, status: {phase: Active}}")
        yield running


@pytest.fixture
def api(server: ApiServer, tmp_path: Path) -> Iterator[Api]:
    with connect(server.kubeconfig(tmp_path / "config"), clock=Hours()) as connection:
        yield connection


@pytest.fixture
def pods(server: ApiServer, tmp_path: Path) -> VolumePods:
    return VolumePods(server, tmp_path / "volumes")


@pytest.fixture
def volume(api: Api, pods: VolumePods) -> Volume:
    return Volume(api, "lab", "mine", "mine-outputs", "python:3.12-slim", "smol")


def write(folder: Path, **files: bytes) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)


def test_files_come_home_through_cut_connections_and_pods_that_are_taken_away(
    volume: Volume, pods: VolumePods, tmp_path: Path
) -> None:
    content = random.Random(1).randbytes(PIECE + 300_000)
    write(pods.folder / "mine-outputs" / "mine" / "smol" / "study1.run", ledger=content, empty=b"")
    pods.cuts = [-1, 100_000, 0, 700_000, -1]
    remote = VolumeRemote(volume, "mine/smol")
    real, left = remote.read, [2]

    def read(*arguments: object) -> None:
        left[0] -= 1
        if not left[0]:
            pods.take_away()
        real(*arguments)  # type: ignore[arg-type]

    remote.read = read  # type: ignore[method-assign,assignment]
    with remote:
        brought = fetch.fetch(remote, tmp_path / "home", Lines())
    assert (tmp_path / "home" / "study1.run" / "ledger").read_bytes() == content
    assert brought.entries.keys() == {"study1.run/ledger", "study1.run/empty"}
    assert len(pods.made) == 2
    assert [name for name, _ in pods.deleted] == pods.made[1:]
    assert not [key for key in pods.server.objects if key[0] == "pods"]

    before = len(pods.commands)
    fetch_volume(volume, "mine/smol", tmp_path / "home", Lines())
    assert [words[0] for words in pods.commands[before:]] == ["list"]


def test_a_pod_that_never_runs_is_given_up_and_deleted(volume: Volume, pods: VolumePods, tmp_path: Path) -> None:
    pods.pending = 10**9
    with pytest.raises(ClusterError, match=r"does not run after 900 s: the cluster says nothing"):
        fetch_volume(volume, "mine/smol", tmp_path / "home", Lines())
    assert [name for name, _ in pods.deleted] == pods.made


def test_links_on_a_volume_are_refused(volume: Volume, pods: VolumePods, tmp_path: Path) -> None:
    folder = pods.folder / "mine-outputs" / "mine"
    folder.mkdir(parents=True)
    (folder / "leak").symlink_to("/etc/passwd")
    with pytest.raises(HostileListing, match="leak is no file, but a link"):
        fetch_volume(volume, "mine", tmp_path / "home", Lines())


def test_what_may_not_be_run_ends_at_once(volume: Volume, pods: VolumePods, tmp_path: Path) -> None:
    pods.server.token = "another"
    with pytest.raises(ClusterError, match="401"):
        fetch_volume(volume, "mine", tmp_path / "home", Lines())


def test_tables_go_to_a_volume_once_and_are_never_replaced_unasked(
    volume: Volume, pods: VolumePods, tmp_path: Path
) -> None:
    content = random.Random(2).randbytes(PIECE + 5000)
    write(tmp_path, **{"a.csv": content, "b.csv": b"x,y\n1,2\n", "empty.csv": b""})
    files = {name: tmp_path / name for name in ("a.csv", "b.csv", "empty.csv")}
    there = pods.folder / "mine-outputs"
    with VolumeRemote(volume, writing=True) as remote:
        assert put(remote, files, Lines()) == ("a.csv", "b.csv", "empty.csv")
        assert {path.name: path.read_bytes() for path in there.iterdir()} == {
            name: path.read_bytes() for name, path in files.items()
        }
        assert put(remote, files, Lines()) == ()
        write(there, **{"b.csv": b"somebody else's"})
        write(there, **{"other.csv": b"stays"})
        with pytest.raises(Refused, match=r"b.csv is there, and is not .*--replace"):
            put(remote, files, Lines())
        assert (there / "b.csv").read_bytes() == b"somebody else's"
        assert put(remote, files, Lines(), replace=True) == ("b.csv",)
    assert (there / "b.csv").read_bytes() == b"x,y\n1,2\n"
    assert (there / "other.csv").read_bytes() == b"stays"
    assert not list(there.glob(".*"))


class Cutting(FolderRemote):
    """A folder to whose writing faults happen, one each."""

    faults: list[int]

    def write(self, name, start, length, source):  # type: ignore[no-untyped-def]
        if self.faults:
            length = min(length, self.faults.pop(0))
            super().write(name, start, length, source)
            raise ClusterError("the connection was cut")
        super().write(name, start, length, source)


def test_a_table_that_is_cut_on_its_way_goes_on_with_the_pieces_that_are_missing(tmp_path: Path) -> None:
    content = random.Random(3).randbytes(3 * PIECE + 17)
    write(tmp_path, table=content)
    remote = Cutting(tmp_path / "there")
    remote.faults = [0, PIECE + 10, 5, 2 * PIECE]
    assert put(remote, {"run/table": tmp_path / "table"}, Lines()) == ("run/table",)
    assert (tmp_path / "there" / "run" / "table").read_bytes() == content

    remote.faults = [0] * 100
    write(tmp_path, table=content[:-1])
    with pytest.raises(ClusterError, match=f"no piece of .* arrived in {fetch.TRIES} tries"):
        put(remote, {"run/table": tmp_path / "table"}, Lines(), replace=True)
    assert (tmp_path / "there" / "run" / "table").read_bytes() == content


def test_the_pod_keeps_the_rules_of_the_cluster(tmp_path: Path, grace: Command) -> None:
    from grace.cluster.manifests.volume_pod import volume_pod
    from grace.cluster.manifests.yaml_text import to_yaml

    manifests = tmp_path / "manifests"
    options = ["--profile", "rtx3090", "--model", "gemma-2-2b-it", "--namespace", "lab", "--lineup", "mine"]
    assert grace("cluster", "render", *options, "--out", manifests).code == 0
    for read_only in (True, False):
        body = volume_pod(
            "mine-outputs-transfer-1",
            namespace="lab",
            lineup="mine",
            claim="mine-outputs",
            image="python:3.12.12-slim-bookworm",
            code="pass  # $(HOME)",
            read_only=read_only,
        )
        (manifests / "pod.yaml").write_text(to_yaml([body]))
        done = grace("cluster", "check", manifests, "--strict")
        assert done.code == 0, done.out
        assert body["spec"]["activeDeadlineSeconds"] <= 6 * 3600
