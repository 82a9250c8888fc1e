"""Lists of files: what was altered is named, what is stale goes, and nothing else is touched."""

import errno
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from grace.errors import InputError
from grace.files import FileFacts, FileList, replacing, sweep
from limits import HANG


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "figures").mkdir()
    for name in ("a.csv", "b.csv", "figures/c.png"):
        (tmp_path / name).write_text(name)
    return tmp_path


def listed(folder: Path) -> FileList:
    return FileList.of(folder, [folder / name for name in ("a.csv", "b.csv", "figures/c.png")])


def test_a_list_is_read_as_it_was_written(folder: Path) -> None:
    listed(folder).write(folder / "list.json")
    again = FileList.read(folder, folder / "list.json")
    assert again == listed(folder)
    assert again.entries["figures/c.png"].bytes == len("figures/c.png")


def test_what_was_altered_is_named(folder: Path) -> None:
    files = listed(folder)
    assert files.altered() == []
    (folder / "a.csv").write_text("other")
    (folder / "figures" / "c.png").unlink()
    assert files.altered() == ["a.csv", "figures/c.png"]


def test_a_file_of_equal_length_but_other_bytes_is_altered(folder: Path) -> None:
    files = listed(folder)
    (folder / "b.csv").write_text("B.csv")
    assert files.altered() == ["b.csv"]


def test_stale_files_go_and_changed_ones_stay(folder: Path) -> None:
    files = listed(folder)
    (folder / "b.csv").write_text("by hand")
    assert files.remove_stale(["a.csv"]) == [folder / "figures" / "c.png"]
    assert sorted(path.name for path in folder.rglob("*.*")) == ["a.csv", "b.csv"]


@pytest.mark.parametrize("name", ["../outside.csv", "/etc/passwd", "a\0b", "nothing.csv", "figures"])
def test_nothing_outside_of_the_folder_is_removed(folder: Path, name: str) -> None:
    outside = folder.parent / "outside.csv"
    outside.write_text("x")
    facts = FileFacts.of(outside)
    assert FileList(folder, {name: facts}).remove_stale([]) == []
    assert outside.exists()
    outside.unlink()


def test_a_link_that_leads_out_of_the_folder_stays(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    target = tmp_path_factory.mktemp("elsewhere") / "target.csv"
    target.write_text("x")
    (folder / "link.csv").symlink_to(target)
    assert FileList(folder, {"link.csv": FileFacts.of(target)}).remove_stale([]) == []
    assert (folder / "link.csv").exists()


def test_a_list_of_digests_alone_is_read_too(folder: Path) -> None:
    digests = {name: facts.sha256 for name, facts in listed(folder).entries.items()}
    (folder / "list.json").write_text(json.dumps(digests))
    files = FileList.read(folder, folder / "list.json")
    assert files.altered() == []
    assert len(files.remove_stale([])) == 3


@pytest.mark.parametrize("content", ["", "{", "[]", "1", '{"a.csv": 1}', '{"a.csv": {"sha": "x"}}', "\udcff"])
def test_a_damaged_list_is_an_empty_one(folder: Path, content: str) -> None:
    (folder / "list.json").write_bytes(content.encode(errors="surrogateescape"))
    assert FileList.read(folder, folder / "list.json").entries == {}
    assert FileList.read(folder, folder / "none.json").entries == {}


def test_no_file_takes_the_place_of_a_pipe_or_device(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    (folder / "link").symlink_to(folder / "pipe")
    for name in ("pipe", "link"):
        with pytest.raises(InputError, match="is no ordinary file"), replacing(folder / name) as file:
            file.write(b"x")
        assert (folder / name).is_fifo()


# What killed writers leave


KILLED = """
import os, signal, sys
from pathlib import Path
from grace.files import replacing
with replacing(Path(sys.argv[1])) as file:
    file.write(b"half")
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def leftovers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob(".*.tmp"))


def test_the_next_writer_in_a_folder_sweeps_what_killed_ones_left(tmp_path: Path) -> None:
    for name in ("a.csv", "b [1].csv"):
        done = subprocess.run([sys.executable, "-c", KILLED, tmp_path / name], timeout=HANG)
        assert done.returncode == -signal.SIGKILL
    assert len(leftovers(tmp_path)) == 1  # the second has swept what the first one left
    assert not (tmp_path / "a.csv").exists()
    with replacing(tmp_path / "c.csv") as file:
        file.write(b"whole")
    assert [path.name for path in tmp_path.iterdir()] == ["c.csv"]


def test_what_may_be_written_yet_is_not_swept(tmp_path: Path) -> None:
    """A living writer holds its file; one of another machine may have made one a moment ago."""
    (tmp_path / ".user.csv.tmp").write_bytes(b"of somebody else")
    other = tmp_path / f".b.csv.{os.getppid()}-00000000.tmp"
    other.write_bytes(b"")
    with replacing(tmp_path / "a.csv") as file:
        with replacing(tmp_path / "c.csv"):
            pass
        sweep(tmp_path / "a.csv")
        file.write(b"whole")
    assert (tmp_path / "a.csv").read_bytes() == b"whole"
    assert leftovers(tmp_path) == [other.name, ".user.csv.tmp"]
    os.utime(other, (0, 0))
    with replacing(tmp_path / "a.csv"):
        pass
    assert leftovers(tmp_path) == [".user.csv.tmp"]


def test_without_flock_what_is_a_day_old_is_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unsupported(*_: object) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", unsupported)
    left = tmp_path / ".b.csv.99999999-00000000.tmp"
    left.write_bytes(b"")
    for age, there in ((3600, True), (90_000, False)):
        os.utime(left, (time.time() - age,) * 2)
        with replacing(tmp_path / "a.csv"):
            pass
        assert left.exists() is there
