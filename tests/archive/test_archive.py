"""Archives of real runs: every change of a byte is found, and results made again have the same bytes."""

import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

import bagit
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import ROOT, Command
from grace.archive import bag
from grace.archive.reproduce import difference_of
from grace.archive.store import FolderStore, Store
from grace.archive.verify import verify_archive
from grace.progress import Progress

OUTPUTS = ROOT / "tests" / "fixtures" / "runs-0.1.0" / "outputs"


class NoProgress(Progress):
    """Nobody looks."""

    def begin(self, total: int, done: int, what: str = "requests") -> None: ...

    def advance(self, failed: bool, by: int = 1) -> None: ...

    def note(self, text: str) -> None: ...

    def fault(self, text: str) -> None: ...


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with runs of a small study, as they lie beside each other."""
    folder = tmp_path_factory.mktemp("runs")
    shutil.copytree(OUTPUTS / "skies.run", folder / "skies.run")
    manifest = folder / "skies.run" / "run.json"
    manifest.write_text(manifest.read_text().replace('"grace": "0.1.0"', '"grace": "0.0.9"'))
    (folder / "notes.txt").write_text("kept as it is\n")
    return folder


@pytest.fixture(scope="module")
def archive(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small archive with results."""
    place = tmp_path_factory.mktemp("archives") / "skies"
    create(runs / "skies.run", runs / "notes.txt", to=place)
    return place


def create(*places: Path, to: Path | str, **options: str) -> str:
    """Run `grace archive create` as a process of its own, and give what it prints."""
    return command("archive", "create", *map(str, places), "--to", str(to), env=options)


def command(*arguments: str, env: dict[str, str] | None = None, umask: int = -1) -> str:
    with TemporaryDirectory() as folder:  # what goes to the current folder stays in this one
        done = subprocess.run(
            [sys.executable, "-m", "grace", *arguments],
            capture_output=True,
            text=True,
            cwd=folder,
            env={**os.environ, **(env or {})},
            umask=umask,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def faults_of(place: Path) -> tuple[str, ...]:
    return verify_archive(FolderStore(place), NoProgress()).faults


def test_an_archive_is_a_bag_that_other_tools_open(archive: Path, grace: Command) -> None:
    bagit.Bag(str(archive)).validate()
    assert grace("archive", "verify", str(archive)).code == 0
    listing = grace("archive", "list", str(archive))
    assert "runs/skies.run/ledger.jsonl" in listing.out
    assert "files/notes.txt" in listing.out
    assert "results/runs/skies.csv" in listing.out


def test_an_archive_describes_itself(archive: Path) -> None:
    crate = json.loads((archive / "data" / "ro-crate-metadata.json").read_bytes())
    by_id = {entity["@id"]: entity for entity in crate["@graph"]}
    assert by_id["ro-crate-metadata.json"]["about"] == {"@id": "./"}
    parts = {part["@id"] for part in by_id["./"]["hasPart"]}
    assert parts == {name for name in files_of(archive / "data") if name != "ro-crate-metadata.json"}
    actions = [entity for entity in crate["@graph"] if entity["@type"] == "CreateAction"]
    sessions = json.loads((archive / "data" / "runs" / "skies.run" / "run.json").read_bytes())["sessions"]
    assert [action["startTime"] for action in actions] == [session["started"] for session in sessions]
    for action, session in zip(actions, sessions, strict=True):
        assert action["result"] == [{"@id": "runs/skies.run/ledger.jsonl"}]
        assert by_id[action["instrument"]["@id"]]["softwareVersion"] == session["grace"]
    assert "TO BE NAMED BY THE AUTHORS" in (archive / "data" / "CITATION.cff").read_text()


def test_results_made_elsewhere_have_the_same_bytes(archive: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere" / "skies"
    shutil.copytree(archive, moved)
    elsewhere = {"TZ": "Asia/Tokyo", "LC_ALL": "C", "PYTHONHASHSEED": "7"}
    out = command("reproduce", str(moved), "--into", str(tmp_path / "again"), env=elsewhere, umask=0o077)
    assert "results are the same, byte for byte" in out
    assert files_of(tmp_path / "again" / "results").keys() == files_of(archive / "data" / "results").keys()


def test_the_same_contents_give_the_same_archive(archive: Path, runs: Path, tmp_path: Path) -> None:
    create(runs / "skies.run", runs / "notes.txt", to=tmp_path / "skies", TZ="America/Lima")
    assert files_of(tmp_path / "skies") == files_of(archive)


def test_a_result_that_does_not_follow_from_the_answers_is_named(archive: Path, tmp_path: Path, grace: Command) -> None:
    forged = tmp_path / "forged"
    shutil.copytree(archive, forged)
    table = forged / "data" / "results" / "runs" / "skies.csv"
    lines = table.read_text().splitlines(keepends=True)
    table.write_text("".join([*lines[:2], lines[2].replace("table", "forged"), *lines[3:]]))
    close(forged)
    assert not faults_of(forged)
    done = grace("reproduce", forged, "--into", tmp_path / "again")
    assert done.code == 1
    assert "runs/skies.csv: row 2, column 'model_name': 'forged' in the archive, 'table' here" in done.out


def close(place: Path) -> None:
    """Write the manifests of a changed archive anew, as a forger would."""
    files = files_of(place)
    payload = {name: content for name, content in files.items() if name.startswith("data/")}
    info = bag.parsed_info((place / bag.INFO).read_text())
    info["Payload-Oxum"] = [f"{sum(map(len, payload.values()))}.{len(payload)}"]
    digests = {name: sha256(content).hexdigest() for name, content in payload.items()}
    (place / bag.MANIFEST).write_text(bag.manifest_text(digests))
    (place / bag.INFO).write_text(bag.info_text(info))
    tags = {name: sha256((place / name).read_bytes()).hexdigest() for name in bag.TAGS}
    (place / bag.TAG_MANIFEST).write_text(bag.manifest_text(tags))


@given(data=st.data())
def test_every_flipped_byte_is_found(archive: Path, data: st.DataObject) -> None:
    names = sorted(files_of(archive))
    path = archive / data.draw(st.sampled_from(names))
    content = path.read_bytes()
    place = data.draw(st.integers(0, len(content) - 1))
    bit = data.draw(st.integers(0, 7))
    try:
        path.write_bytes(content[:place] + bytes([content[place] ^ 1 << bit]) + content[place + 1 :])
        assert faults_of(archive)
    finally:
        path.write_bytes(content)


@given(data=st.data())
def test_files_removed_added_and_swapped_are_found(archive: Path, data: st.DataObject) -> None:
    before = files_of(archive)
    names = sorted(name for name in before if name != "bagit.txt")
    first, second = data.draw(st.lists(st.sampled_from(names), min_size=2, max_size=2, unique=True))
    added = data.draw(st.sampled_from(["data/a", "note", "data/runs/skies.run/more.jsonl", "tagmanifest-md5.txt"]))
    try:
        (archive / first).unlink()
        assert any(f"{first} is missing" in fault for fault in faults_of(archive))
        (archive / first).write_bytes(before[first])
        (archive / added).write_bytes(b"")
        assert any(added in fault for fault in faults_of(archive))
        (archive / added).unlink()
        if before[first] != before[second]:
            (archive / first).write_bytes(before[second])
            (archive / second).write_bytes(before[first])
            assert faults_of(archive)
    finally:
        (archive / added).unlink(missing_ok=True)
        for name in (first, second):
            (archive / name).write_bytes(before[name])
    assert not faults_of(archive)


def test_links_and_special_files_are_found(archive: Path, tmp_path: Path) -> None:
    own = tmp_path / "own"
    shutil.copytree(archive, own)
    notes = own / "data" / "files" / "notes.txt"
    notes.rename(tmp_path / "notes.txt")
    notes.symlink_to(tmp_path / "notes.txt")
    os.mkfifo(own / "data" / "pipe")
    faults = " ".join(faults_of(own))
    assert "data/files/notes.txt is a link" in faults
    assert "data/pipe is a special file" in faults


def test_a_digest_kept_apart_tells_an_archive_made_anew(archive: Path, grace: Command) -> None:
    digest = verify_archive(FolderStore(archive), NoProgress()).sha256
    assert grace("archive", "verify", str(archive), "--sha256", digest).code == 0
    other = grace("archive", "verify", str(archive), "--sha256", "0" * 64)
    assert other.code == 1
    assert "another archive" in other.out


def test_what_is_held_back_is_listed_with_the_reason(runs: Path, tmp_path: Path, grace: Command) -> None:
    place, pattern = tmp_path / "shared", "runs/*/ledger.jsonl"
    asked = ("archive", "create", str(runs / "skies.run"), "--to", str(place), "--no-results", "--exclude")
    assert "--because" in grace(*asked, pattern).err
    assert "no file of the archive" in grace(*asked, "runs/none/*", "--because", "x").err
    done = grace(*asked, pattern, "--because", "the answers are licensed")
    assert done.code == 0, done.err
    assert "ledger.jsonl" not in " ".join(name for name in files_of(place) if name.startswith("data/runs"))
    text = (place / "data" / "REPRODUCING.md").read_text()
    assert "the answers are licensed" in text
    assert "runs/skies.run/ledger.jsonl" in text
    assert grace("archive", "verify", str(place)).code == 0
    assert "holds back" in grace("reproduce", str(place), "--into", str(tmp_path / "again")).err


def test_an_unfinished_archive_is_continued(runs: Path, tmp_path: Path, grace: Command) -> None:
    place = tmp_path / "skies"
    asked = ("archive", "create", str(runs / "skies.run"), "--to", str(place), "--no-results")
    first = grace(*asked)
    assert first.code == 0, first.err
    whole = files_of(place)
    (place / "bagit.txt").unlink()
    (place / "data" / "runs" / "skies.run" / "ledger.jsonl").write_bytes(b"half")
    assert "not finished" in grace("archive", "verify", str(place)).err
    assert "; 2 sent now" in grace(*asked).out
    assert files_of(place) == whole


@pytest.mark.parametrize("what", ["a stranger's file", "no such run", "a folder's link", "two of one name"])
def test_places_that_cannot_be_archived(what: str, runs: Path, tmp_path: Path, grace: Command) -> None:
    place, given = tmp_path / "to", [runs / "skies.run"]
    if what == "a stranger's file":
        place.mkdir()
        (place / "letter.txt").write_text("dear")
    elif what == "no such run":
        given = [tmp_path / "none.run"]
    elif what == "a folder's link":
        (tmp_path / "files").mkdir()
        (tmp_path / "files" / "link").symlink_to(runs)
        given = [tmp_path / "files"]
    else:
        shutil.copytree(runs / "skies.run", tmp_path / "skies.run")
        given.append(tmp_path / "skies.run")
    done = grace("archive", "create", *map(str, given), "--to", str(place), "--no-results")
    assert done.code == 2
    assert not (place / "bagit.txt").exists()


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="measures memory as Linux tells it")
def test_a_large_file_takes_little_memory(tmp_path: Path) -> None:
    large = tmp_path / "large.bin"
    with open(large, "wb") as file:
        file.truncate(300_000_000)
    code = (
        "import re, sys; from grace.cli import app\n"
        "try: app(sys.argv[1:])\n"
        "except SystemExit as end: assert not end.code\n"
        "print(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1])"
    )
    for arguments in (["create", str(large), "--to", str(tmp_path / "a")], ["verify", str(tmp_path / "a")]):
        done = subprocess.run([sys.executable, "-c", code, "archive", *arguments], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert int(done.stdout.split()[-1]) < 200_000  # kilobytes


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A bucket of a real S3 server on this machine, as the environment names it."""
    folder = tmp_path_factory.mktemp("bucket")
    (folder / "lab").mkdir()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    rclone = shutil.which("rclone", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    assert rclone
    server = subprocess.Popen(
        [rclone, "serve", "s3", "--addr", f"127.0.0.1:{port}", "--auth-key", "key,secret", str(folder)],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "RCLONE_CONFIG": os.devnull},
    )
    assert server.stderr
    line = ""
    while "tarting" not in line:
        line = server.stderr.readline()
        assert line, "the server ended"
    yield {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "us-east-1",
    }
    server.kill()
    server.communicate()


def test_an_archive_in_a_bucket(archive: Path, runs: Path, bucket: dict[str, str], tmp_path: Path) -> None:
    place = "s3://lab/2026/skies"
    out = create(runs / "skies.run", runs / "notes.txt", to=place, **bucket)
    assert "; 0 sent now" in create(runs / "skies.run", runs / "notes.txt", to=place, **bucket)
    digest = out.split("SHA-256 ")[1].split(";")[0]
    assert digest == verify_archive(FolderStore(archive), NoProgress()).sha256
    assert digest in command("archive", "verify", place, "--sha256", digest, env=bucket)
    assert "byte for byte" in command("reproduce", place, "--into", str(tmp_path / "again"), env=bucket)


@pytest.mark.parametrize(
    ("name", "then", "now", "told"),
    [
        ("a.csv", b"x,y\n1,2\n", b"x,y\n1,3\n", "row 1, column 'y': '2' in the archive, '3' here"),
        ("a.csv", b"x,y\n", b"x,z\n", "header, column 2"),
        ("a.csv", b"x\n1\n", b"x\n1\n2\n", "is not in the archive"),
        ("a.csv", b"x\n1\n", b'x\n"1"\n', "written differently"),
        ("a.md", b"one\ntwo\n", b"one\nthree\n", "line 2"),
        ("a.png", b"123", b"1234", "other versions"),
        (
            "a.svg",
            b"<a>\n<b>\n",
            b"<a>\n<c>\n",
            "line 2: '<b>' in the archive, '<c>' here, which packages of other versions",
        ),
        ("a.parquet", b"no table", b"none", "8 bytes in the archive, 4 here, which packages of other versions"),
        ("a.bin", b"123", b"1234", "3 bytes in the archive, 4 here"),
    ],
)
def test_where_two_files_differ(name: str, then: bytes, now: bytes, told: str) -> None:
    assert told in difference_of(name, then, now, other_versions=True)
    assert "other versions" not in difference_of(name, then, now, other_versions=False)


def test_every_store_reads_what_it_wrote(tmp_path: Path) -> None:
    store: Store = FolderStore(tmp_path / "new")
    assert store.sizes() == {}
    store.put("a/b c.txt", iter([b"one", b"two"]))
    assert store.sizes() == {"a/b c.txt": 6}
    assert store.content("a/b c.txt") == b"onetwo"


@pytest.mark.parametrize(("package", "to", "extra"), [
    ("rocrate", "archive", "[archive]"), ("obstore", "s3://lab/archive", "[s3]"),
])  # fmt: skip
def test_a_missing_package_is_told_before_any_work(
    package: str, to: str, extra: str, grace: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def work(*arguments: object) -> None:
        raise AssertionError("work began")

    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *more: None if name == package else find(name, *more))
    monkeypatch.setattr("grace.archive.contents.Contents.of", work)
    done = grace("archive", "create", tmp_path / "a.run", "--to", to if "://" in to else tmp_path / to)
    assert done.code == 2
    assert f"pip install 'grace-experiments{extra}'" in done.err
    assert not (tmp_path / "archive").exists()
