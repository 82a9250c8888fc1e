"""Data through a bucket of a real S3 server: brought there beside the data, read here, cut in between."""

import json
import random
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from api_server import ApiServer
from grace.calls.display import Lines
from grace.cluster.access.connection import Clock, connect
from grace.errors import ClusterError, InputError, Refused
from grace.lineup.home import bucket, fetch
from grace.lineup.home.beside import PIECE
from grace.lineup.home.bucket import BucketKeys, BucketPlace, BucketRemote, bucket_place, upload
from grace.lineup.home.copies import copies_in
from grace.lineup.home.listing import HostileListing
from grace.lineup.home.relay import clean_bucket, fetch_relayed
from grace.lineup.home.volumes import Volume
from grace.project_file import BucketSettings
from s3_server import KEY, SECRET, CutLine, serve_s3
from volume_pods import VolumePods

DRAW = random.Random(5)


class Hours(Clock):
    """Time that only sleeping moves."""

    seconds = 0.0

    def now(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "PAUSE_SECONDS", 0.0)
    monkeypatch.setenv(bucket.KEY, KEY)
    monkeypatch.setenv(bucket.SECRET, SECRET)
    for name in (bucket.SESSION, "HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """The address of a server, and the folder of its bucket."""
    folder = tmp_path_factory.mktemp("s3")
    (folder / "data" / "lab").mkdir(parents=True)
    with serve_s3(folder / "data", folder / "log") as url:
        yield url, folder / "data" / "lab"


def settings(url: str, prefix: str = "grace") -> BucketSettings:
    return BucketSettings(url=f"s3://lab/{prefix}", endpoint=url)


@pytest.fixture
def place(s3: tuple[str, Path], tmp_path: Path) -> BucketPlace:
    return bucket_place(settings(s3[0]), f"{tmp_path.name}/smol")


def write(folder: Path, **files: bytes) -> None:
    for name, content in files.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "files.json"
    }


def test_what_is_brought_to_a_bucket_comes_home_as_it_was(
    place: BucketPlace, s3: tuple[str, Path], tmp_path: Path
) -> None:
    there, home = tmp_path / "there", tmp_path / "home"
    write(there, run__ledger=DRAW.randbytes(2 * PIECE + 100), table=b"a,b\n", copy=b"a,b\n", empty=b"")
    upload(there, place, Lines())
    fetch.fetch(BucketRemote(place), home, Lines())
    assert contents(home) == contents(there)

    before = place.pieces()
    assert len(before) == 4
    write(there, run__ledger=(there / "run" / "ledger").read_bytes() + b"more", table=b"c\n")
    upload(there, place, Lines())
    assert len(before & place.pieces()) == 3  # of the ledger, all but its last piece; and the copy
    assert len(place.pieces()) == 5
    fetch.fetch(BucketRemote(place), home, Lines())
    assert contents(home) == contents(there)
    (there / "copy").unlink()
    upload(there, place, Lines())
    assert len(place.pieces()) == 4
    assert all(path.is_relative_to(s3[1] / "grace") for path in s3[1].rglob("*") if path.is_file())


def test_a_pod_brings_data_to_the_bucket_and_nothing_is_left_there(s3: tuple[str, Path], tmp_path: Path) -> None:
    data = {"mine/smol/run/ledger.jsonl": DRAW.randbytes(50_000), "mine/smol/table.csv": b"a\n"}
    with ApiServer() as server, connect(server.kubeconfig(tmp_path / "config"), clock=Hours()) as api:
        server.add("{apiVersion: v1, kind: Namespace, metadata: {name: lab}, status: {phase: Active}}")
        pods = VolumePods(server, tmp_path / "volumes")
        for name, content in data.items():
            write(pods.folder / "mine-outputs", **{name: content})
        volume = Volume(api, "lab", "mine", "mine-outputs", "registry.example/grace:1", "smol")
        options = settings(s3[0], tmp_path.name)
        with CutLine(s3[0]) as line:  # the same server, by the address that this machine has for it
            outside = options.model_copy(update={"endpoint": line.url, "inside": s3[0]})
            fetch_relayed(volume, "mine/smol", outside, tmp_path / "home", Lines())
        assert f"--endpoint={s3[0]}" in pods.commands[-1]
        assert contents(tmp_path / "home") == {name.removeprefix("mine/smol/"): data[name] for name in data}
        assert not [key for key in server.objects if key[0] == "pods"]
        secret = server.objects["secrets", "lab", "mine-bucket"]
        assert secret["metadata"]["labels"] == {"app.kubernetes.io/managed-by": "grace", "grace/lineup": "mine"}
        shown = json.dumps([(asked.path, asked.query) for asked in server.asked]) + json.dumps(pods.commands)
        assert SECRET not in shown

    title = f"s3://lab/{tmp_path.name}/mine/smol"
    kept = clean_bucket(options, "mine", frozenset())
    assert list(kept) == [title]
    assert "2 of its files have no copy at home" in kept[title]
    assert clean_bucket(options, "mine", copies_in(tmp_path / "home")) == {title: ""}
    assert [path for path in (s3[1] / tmp_path.name).rglob("*") if path.is_file()] == []
    assert clean_bucket(options, "mine", frozenset()) == {}


def test_where_nothing_was_brought_there_is_nothing(place: BucketPlace, tmp_path: Path) -> None:
    assert fetch.fetch(BucketRemote(place), tmp_path / "home", Lines()).entries == {}


def test_cut_connections_cost_no_byte_that_came(s3: tuple[str, Path], tmp_path: Path) -> None:
    write(tmp_path / "there", ledger=DRAW.randbytes(2 * PIECE + 9))
    with CutLine(s3[0]) as line:
        place = bucket_place(settings(line.url), tmp_path.name)
        line.cuts = [0, 200, 500]
        upload(tmp_path / "there", place, Lines())
        assert line.cuts == []
        line.cuts = [300_000, PIECE + 400_000, 10, PIECE // 2]
        fetch.fetch(BucketRemote(place), tmp_path / "home", Lines())
        assert line.cuts == []
    assert contents(tmp_path / "home") == contents(tmp_path / "there")


def test_pieces_that_rot_in_a_bucket_never_come_home(place: BucketPlace, s3: tuple[str, Path], tmp_path: Path) -> None:
    write(tmp_path / "there", ledger=DRAW.randbytes(PIECE + 9))
    upload(tmp_path / "there", place, Lines())
    mine = s3[1] / "grace" / tmp_path.name
    stored = max((path for path in mine.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
    content = stored.read_bytes()
    stored.write_bytes(b"x" + content[1:])
    with pytest.raises(ClusterError, match="ledger was another one at each of"):
        fetch.fetch(BucketRemote(place), tmp_path / "home", Lines())
    assert not (tmp_path / "home" / "ledger").exists()
    place.remove(place.path("pieces", stored.name))
    with pytest.raises(ClusterError, match="ledger was another one at each of"):
        fetch.fetch(BucketRemote(place), tmp_path / "home", Lines())
    upload(tmp_path / "there", place, Lines())
    fetch.fetch(BucketRemote(place), tmp_path / "home", Lines())
    assert contents(tmp_path / "home") == contents(tmp_path / "there")


def test_a_stranger_s_listing_in_a_bucket_is_refused(place: BucketPlace, tmp_path: Path) -> None:
    place.write(
        b'{"name": "../x", "bytes": 0, "sha256": "' + b"0" * 64 + b'", "pieces": []}\n{"files": 1}\n', "listing.jsonl"
    )
    with pytest.raises(HostileListing, match=r"\.\./x does not stay in its folder"):
        fetch.fetch(BucketRemote(place), tmp_path / "home", Lines())


def test_links_are_not_brought_to_a_bucket(place: BucketPlace, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "leak").symlink_to("/etc/passwd")
    with pytest.raises(HostileListing, match="leak is no file, but a link"):
        upload(tmp_path / "there", place, Lines())


def test_wrong_keys_are_refused_and_never_shown(
    s3: tuple[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(bucket.SECRET, "wrong-secret-value")
    write(tmp_path / "there", a=b"1")
    with pytest.raises((Refused, ClusterError)) as refused:
        upload(tmp_path / "there", bucket_place(settings(s3[0]), "x"), Lines())
    assert "wrong-secret-value" not in str(refused.value)
    assert "\n" not in str(refused.value)


def test_nobody_at_the_address_is_said(tmp_path: Path, unused_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bucket, "TRIES", 0)
    with pytest.raises(ClusterError, match="s3://lab/grace/x: cannot list"):
        upload(tmp_path, bucket_place(settings(f"http://127.0.0.1:{unused_port}"), "x"), Lines())


def test_keys_come_from_the_environment_or_the_usual_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(bucket.SESSION, "for-an-hour")
    assert BucketKeys.read() == BucketKeys(KEY, SECRET, "for-an-hour")
    assert SECRET not in repr(BucketKeys.read())
    path = tmp_path / "credentials"
    path.write_text("[default]\naws_access_key_id = k\naws_secret_access_key = s%x\n[lab]\naws_access_key_id = only\n")
    path.chmod(stat.S_IRUSR)
    monkeypatch.delenv(bucket.SECRET)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(path))
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    assert BucketKeys.read() == BucketKeys("k", "s%x")
    for profile in ("lab", "none"):
        monkeypatch.setenv("AWS_PROFILE", profile)
        with pytest.raises(
            InputError, match=f"AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY .* the profile {profile} in"
        ):
            BucketKeys.read()
