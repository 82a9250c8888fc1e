"""Lists of files: what was altered is named, what is stale goes, and nothing else is touched."""

import json
import os
from pathlib import Path

import pytest

from grace.errors import InputError
from grace.files import FileFacts, FileList, replacing


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
