"""Bringing data home: cut anywhere, killed, altered, growing, hostile; what is final is what was there."""

import json
import os
import random
import signal
import subprocess
import sys
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grace.calls.display import Lines
from grace.errors import ClusterError, InputError
from grace.files import FileList, sha256_of
from grace.lineup.home import beside, fetch, listing
from grace.lineup.home.folders import FolderRemote
from grace.lineup.home.listing import HostileListing, Remote, RemoteFile, Take, parsed_listing
from limits import wait_until
from unruly_remote import Fault, UnrulyRemote


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "PAUSE_SECONDS", 0.0)


@contextmanager
def pieces_of(size: int) -> Iterator[None]:
    """Pieces of so few bytes, so that small files have many."""
    with patch.object(beside, "PIECE", size), patch.object(listing, "PIECE", size):
        yield


def write(folder: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def contents(folder: Path) -> dict[str, bytes]:
    """The files of a folder, but for the list of them."""
    paths = (path for path in folder.rglob("*") if path.is_file() and path.name != "files.json")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


names = st.sampled_from(["a", "b.csv", "study1.run/ledger.jsonl", "study1.run/run.json", "déjà vu/x y", "c/d/e"])
folders = st.dictionaries(names, st.binary(max_size=60), max_size=5)
faults = st.lists(st.builds(Fault, st.integers(0, 40), st.sampled_from(Fault.KINDS)), max_size=6)


@given(files=folders, faults=faults, size=st.integers(1, 24), run=st.integers(1, 4))
def test_whatever_is_cut_or_altered_what_comes_home_is_what_was_there(
    files: dict[str, bytes], faults: list[Fault], size: int, run: int
) -> None:
    with TemporaryDirectory() as place, pieces_of(size), patch.object(fetch, "RUN", run):
        there, home = Path(place, "there"), Path(place, "home")
        write(there, files)
        remote = UnrulyRemote(there, faults=list(faults))
        brought = fetch.fetch(remote, home, Lines())
        assert contents(home) == files
        assert brought.altered() == []
        assert {name: facts.bytes for name, facts in brought.entries.items()} == {
            name: len(content) for name, content in files.items()
        }
        assert FileList.read(home, home / "files.json").entries == brought.entries

        again = UnrulyRemote(there)
        fetch.fetch(again, home, Lines())
        assert again.readings == 0


@given(
    files=folders,
    changes=st.lists(st.tuples(names, st.binary(max_size=60)), max_size=3),
    size=st.integers(1, 24),
    data=st.data(),
)
def test_files_that_change_while_they_are_read_are_listed_again(
    files: dict[str, bytes], changes: list[tuple[str, bytes]], size: int, data: st.DataObject
) -> None:
    with TemporaryDirectory() as place, pieces_of(size):
        there, home = Path(place, "there"), Path(place, "home")
        write(there, files)
        left = list(changes)

        def change(what: str) -> None:
            if left and what != "listing" and data.draw(st.booleans()):
                name, content = left.pop()
                (there / name).unlink(missing_ok=True)
                write(there, {name: content})

        remote = UnrulyRemote(there, before=change)
        fetch.fetch(remote, home, Lines())
        remote.before = lambda what: None
        fetch.fetch(remote, home, Lines())
        listed = FileList.read(home, home / "files.json")
        assert listed.altered() == []
        assert contents(home) == contents(there)


@given(st.binary(min_size=1, max_size=200), st.binary(min_size=1, max_size=50), st.integers(1, 24))
def test_of_a_ledger_that_grew_only_the_end_is_sent(before: bytes, more: bytes, size: int) -> None:
    with TemporaryDirectory() as place, pieces_of(size):
        there, home = Path(place, "there"), Path(place, "home")
        write(there, {"ledger.jsonl": before})
        fetch.fetch(FolderRemote(there), home, Lines())
        write(there, {"ledger.jsonl": before + more})
        remote = UnrulyRemote(there)
        fetch.fetch(remote, home, Lines())
        assert contents(home) == {"ledger.jsonl": before + more}
        assert remote.sent <= len(more) + len(before) % size


def test_a_file_that_grows_while_it_is_read_comes_as_it_was_listed(tmp_path: Path) -> None:
    there, home = tmp_path / "there", tmp_path / "home"
    write(there, {"ledger.jsonl": b"1\n" * 5000})

    def grow(what: str) -> None:
        with open(there / "ledger.jsonl", "ab") as file:
            file.write(b"2\n" * 3)

    remote = UnrulyRemote(there, before=grow)
    fetch.fetch(remote, home, Lines())
    assert remote.listings == 1
    assert contents(home)["ledger.jsonl"] == b"1\n" * 5000 + b"2\n" * 3


def test_a_file_that_never_holds_still_is_given_up_and_named(tmp_path: Path) -> None:
    write(tmp_path / "there", {"table.csv": b"0"})
    turns = iter(range(1000))
    remote = UnrulyRemote(tmp_path / "there")
    remote.before = lambda what: write(tmp_path / "there", {"table.csv": b"%d" % next(turns)})
    with pytest.raises(ClusterError, match=rf"table.csv was another one at each of {fetch.LISTINGS} readings"):
        fetch.fetch(remote, tmp_path / "home", Lines())
    assert contents(tmp_path / "home").keys() <= {".table.csv.part"}


def test_without_a_byte_it_ends_after_so_many_tries_and_goes_on_where_it_was(tmp_path: Path) -> None:
    content = random.Random(1).randbytes(3000)
    write(tmp_path / "there", {"big": content})
    remote = UnrulyRemote(tmp_path / "there", faults=[Fault(1000, "cut"), *[Fault(0, "cut")] * fetch.TRIES])
    with pytest.raises(ClusterError, match=f"no byte of big came in {fetch.TRIES} tries"):
        fetch.fetch(remote, tmp_path / "home", Lines())
    assert not (tmp_path / "home" / "big").exists()
    fetch.fetch(remote, tmp_path / "home", Lines())
    assert contents(tmp_path / "home") == {"big": content}
    assert remote.sent == 3000


KILLED = """
import sys, time
from pathlib import Path
from grace.calls.display import Lines
from grace.lineup.home import fetch
from grace.lineup.home.folders import FolderRemote
class Slow(FolderRemote):
    def read(self, file, start, length, take):
        def slow(content):
            take(content)
            time.sleep(0.001)
        super().read(file, start, length, slow)
fetch.fetch(Slow(Path(sys.argv[1])), Path(sys.argv[2]), Lines())
"""


def test_killed_at_any_moment_nothing_is_sent_twice_but_a_piece(tmp_path: Path) -> None:
    draw = random.Random(7)
    there, home = tmp_path / "there", tmp_path / "home"
    write(there, {f"{number}.run/ledger.jsonl": draw.randbytes(5_000_000 + number) for number in range(2)})

    def kept() -> int:
        paths = (path for path in home.rglob("*") if path.is_file() and path.name != "lock")
        return sum(path.stat().st_size for path in paths)

    for target in (draw.randrange(1, 4_000_000), draw.randrange(5_000_000, 9_000_000)):
        process = subprocess.Popen([sys.executable, "-c", KILLED, str(there), str(home)], text=True)
        wait_until(lambda target=target: kept() >= target, process)  # type: ignore[misc]
        process.send_signal(signal.SIGKILL)
        process.wait()
    before = kept()
    remote = UnrulyRemote(there)
    fetch.fetch(remote, home, Lines())
    assert contents(home) == contents(there)
    assert remote.sent <= 10_000_001 - before + beside.PIECE


class Listed(Remote):
    """A remote that says what it wants of its files."""

    title = "the stranger"

    def __init__(self, *names: str, **more: object) -> None:
        empty = sha256().hexdigest()
        self.files = tuple(RemoteFile(name=name, bytes=0, sha256=empty, pieces=()) for name in names)

    def listing(self) -> tuple[RemoteFile, ...]:
        return self.files

    def read(self, file: RemoteFile, start: int, length: int, take: Take) -> None:
        raise AssertionError("nothing is to be read")


@pytest.mark.parametrize(
    "names",
    [
        ("../escape",),
        ("a/../../escape",),
        ("/etc/passwd",),
        ("a//b",),
        ("./a",),
        ("..",),
        ("",),
        ("a/",),
        ("a\0b",),
        ("a\nb",),
        ("a\x1b[2Jb",),
        ("C:\\windows",),
        ("half\ud800",),
        ("x" * 250,),
        ("a", "a"),
        ("a", "A"),
        ("Run/a", "run/b"),
        (unicodedata.normalize("NFC", "é"), unicodedata.normalize("NFD", "é")),
        ("straße", "strasse"),
        ("a", "a/b"),
        ("run/lock",),
    ],
)
def test_names_that_could_do_harm_bring_nothing_home(tmp_path: Path, names: tuple[str, ...]) -> None:
    with pytest.raises(HostileListing, match="nothing of it was brought home"):
        fetch.fetch(Listed("fine", *names), tmp_path / "home", Lines())
    assert contents(tmp_path / "home") == {}
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


@pytest.mark.parametrize("kind", ["link", "folder link", "pipe"])
def test_links_and_pipes_are_refused(tmp_path: Path, kind: str) -> None:
    there = tmp_path / "there"
    write(there, {"a": b"1"})
    if kind == "pipe":
        os.mkfifo(there / "b")
    else:
        (there / "b").symlink_to("/etc/passwd" if kind == "link" else "/etc")
    with pytest.raises(HostileListing, match="b is no file, but a"):
        fetch.fetch(FolderRemote(there), tmp_path / "home", Lines())
    assert contents(tmp_path / "home") == {}


def test_a_link_at_home_is_not_followed(tmp_path: Path) -> None:
    write(tmp_path / "there", {"run/a": b"new", "b": b"new"})
    write(tmp_path / "elsewhere", {"a": b"old"})
    home = tmp_path / "home"
    home.mkdir()
    (home / "b").symlink_to(tmp_path / "elsewhere" / "a")
    (home / "run").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="leads out of"):
        fetch.fetch(FolderRemote(tmp_path / "there"), home, Lines())
    (home / "run").unlink()
    fetch.fetch(FolderRemote(tmp_path / "there"), home, Lines())
    assert contents(tmp_path / "elsewhere") == {"a": b"old"}
    assert not (home / "b").is_symlink()


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"name": "a", "bytes": -1, "sha256": "0" * 64, "pieces": []}, "bytes"),
        ({"name": "a", "bytes": 1, "sha256": "0" * 64, "pieces": []}, "pieces"),
        ({"name": "a", "bytes": 0, "sha256": "zz", "pieces": []}, "sha256"),
        ({"name": "a", "bytes": 0, "sha256": "0" * 64, "pieces": [], "mode": "s"}, "mode"),
        ({"name": 5, "bytes": 0, "sha256": "0" * 64, "pieces": []}, "name"),
    ],
)
def test_a_listing_is_read_strictly(entry: dict[str, object], message: str) -> None:
    with pytest.raises(HostileListing, match=message):
        parsed_listing("the stranger", [json.dumps(entry).encode()])


@given(st.binary(max_size=300))
def test_any_bytes_are_a_listing_or_refused(content: bytes) -> None:
    with pytest.raises(ClusterError) as refused:
        parsed_listing("the stranger", content.split(b"\n"))
    assert str(refused.value).isprintable()


def test_a_torn_listing_brings_nothing_home(tmp_path: Path) -> None:
    line = json.dumps({"name": "a", "bytes": 0, "sha256": sha256().hexdigest(), "pieces": []}).encode()
    assert len(parsed_listing("x", [line, b'{"files": 1}'])) == 1
    for lines in ([line], [], [line, b'{"files": 2}']):
        with pytest.raises(ClusterError, match="torn"):
            parsed_listing("x", lines)


def test_without_room_nothing_is_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "there", {"big": bytes(5_000_000)})
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=1_000_000))
    with pytest.raises(InputError, match=r"5.0 MB are to come, and the disk has 1.0 MB"):
        fetch.fetch(FolderRemote(tmp_path / "there"), tmp_path / "home", Lines())
    assert contents(tmp_path / "home") == {}


@pytest.mark.skipif(not os.access("/dev/full", os.W_OK), reason="no device that is always full")
def test_a_disk_that_becomes_full_keeps_what_came(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = random.Random(3).randbytes(2_000_000)
    write(tmp_path / "there", {"big": content})
    real, room = os.pwrite, 700_000

    def full(fd: int, content: bytes, place: int) -> int:
        if place + len(content) > room:
            with open("/dev/full", "wb", buffering=0) as device:
                return device.write(content)  # raises ENOSPC
        return real(fd, content, place)

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(InputError, match=r"No space left on device; what came is kept"):
        fetch.fetch(FolderRemote(tmp_path / "there"), tmp_path / "home", Lines())
    monkeypatch.setattr(os, "pwrite", real)
    remote = UnrulyRemote(tmp_path / "there")
    fetch.fetch(remote, tmp_path / "home", Lines())
    assert (tmp_path / "home" / "big").read_bytes() == content
    assert remote.sent < 1_400_000


def test_what_is_hidden_or_half_written_stays(tmp_path: Path) -> None:
    write(tmp_path / "there", {"a": b"1", ".a.123.tmp": b"2", "run/lock": b"3", ".nfs01": b"4", "files.json": b"{}"})
    brought = fetch.fetch(FolderRemote(tmp_path / "there"), tmp_path / "home", Lines())
    assert contents(tmp_path / "home") == {"a": b"1"}
    assert brought.entries.keys() == {"a"}


def test_what_runs_beside_the_data_needs_nothing_but_its_text(tmp_path: Path) -> None:
    write(tmp_path / "there", {"run/a b": b"0123456789"})
    command = [sys.executable, "-I", "-c", Path(str(beside.__file__)).read_text()]
    for start, length, expected in ((0, 10, b"0123456789"), (3, 4, b"3456"), (8, 10, b"89")):
        words = ["read", str(tmp_path / "there"), "run/a b", str(start), str(length)]
        assert subprocess.run([*command, *words], capture_output=True, check=True).stdout == expected
    listed = subprocess.run([*command, "list", str(tmp_path / "there")], capture_output=True, check=True)
    (file,) = parsed_listing("x", listed.stdout.splitlines())
    assert file.facts.sha256 == sha256_of(tmp_path / "there" / "run" / "a b")
    assert subprocess.run([*command, "read", str(tmp_path), "gone", "0", "1"]).returncode == beside.GONE
