"""Archives that were left half made, that hold back, or that a stranger made: what must not happen with them."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import orjson
import pytest
import yaml
from test_archive import OUTPUTS, close, faults_of, files_of

from conftest import Command
from grace.archive import bag
from grace.archive.crate import About, checked
from grace.archive.environment import run_in_archived
from grace.archive.store import FolderStore, name_of
from grace.archive.texts import citation, deposit
from grace.errors import InputError, Refused
from grace.lock import locked
from grace.progress import Silence


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive without results, and the run that it was made of, in one folder."""
    folder = tmp_path_factory.mktemp("made")
    shutil.copytree(OUTPUTS / "skies.run", folder / "skies.run")
    code = "from grace.cli import app; app(['archive', 'create', 'skies.run', '--to', 'skies', '--no-results'])"
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def own(made: Path, tmp_path: Path) -> Path:
    """A copy of that folder, to be changed."""
    return Path(shutil.copytree(made, tmp_path / "own"))


# Left half made


def test_what_a_killed_writer_left_is_swept(own: Path, grace: Command) -> None:
    whole, place = files_of(own / "skies"), own / "skies"
    (place / "bagit.txt").unlink()
    (place / "data" / "runs" / "skies.run" / ".ledger.jsonl.4711.tmp").write_bytes(b"half")
    shutil.rmtree(place / "data" / "environment")
    (place / "data" / "environment").mkdir()
    done = grace("archive", "create", own / "skies.run", "--to", place, "--no-results")
    assert done.code == 0, done.err
    assert files_of(place) == whole


def test_kills_at_any_moment_end_in_the_same_archive(own: Path, made: Path, grace: Command) -> None:
    place = own / "again" / "skies"
    asked = [sys.executable, "-m", "grace", "archive", "create", str(own / "skies.run"), "--to", str(place)]
    for name in (0, 5, 12):
        process = subprocess.Popen([*asked, "--no-results"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while process.poll() is None and len([path for path in place.rglob("*") if path.is_file()]) <= name:
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert grace("archive", "create", own / "skies.run", "--to", place, "--no-results").code == 0
    assert files_of(place) == files_of(made / "skies")


@pytest.mark.parametrize("name", [".letter.txt.12.tmp", "data/.letter.12.tmp", ".bagit.txt.tmp", "data/mine"])
def test_what_is_not_of_the_archive_is_never_removed(name: str, own: Path, grace: Command) -> None:
    (own / "skies" / name).write_text("dear")
    done = grace("archive", "create", own / "skies.run", "--to", own / "skies", "--no-results")
    assert done.code == 2
    assert name in done.err
    assert (own / "skies" / name).read_text() == "dear"


@pytest.mark.parametrize("change", ["shorter", "title", "added"])
def test_a_finished_archive_is_not_written_over(change: str, own: Path, grace: Command) -> None:
    run, place, more = own / "skies.run", own / "skies", []
    whole, digest = files_of(place), (own / "skies.sha256").read_bytes()
    if change == "shorter":
        lines = (run / "ledger.jsonl").read_bytes().splitlines(keepends=True)
        (run / "ledger.jsonl").write_bytes(b"".join(lines[:-1]))
    elif change == "title":
        more = ["--title", "Other skies"]
    else:
        (own / "notes.txt").write_text("new\n")
        more = [own / "notes.txt"]
    done = grace("archive", "create", run, *more, "--to", place, "--no-results")
    assert done.code == 2
    told = {"shorter": "data/runs/skies.run/ledger.jsonl"}
    told |= {"title": "data/CITATION.cff", "added": "data/files/notes.txt"}
    assert f"finished archive, in which {told[change]}" in done.err
    assert "another --to" in done.err
    assert files_of(place) == whole
    assert (own / "skies.sha256").read_bytes() == digest


def test_a_finished_archive_is_made_again_and_mended(own: Path, grace: Command) -> None:
    place = own / "skies"
    whole = files_of(place)
    (place / "data" / "runs" / "skies.run" / "input.csv").write_bytes(b"damaged")
    done = grace("archive", "create", own / "skies.run", "--to", place, "--no-results")
    assert done.code == 0, done.err
    assert files_of(place) == whole


@pytest.mark.parametrize("names", [("Notes/x", "notes/y"), ("nul.txt",), ("a:b",), ("what?/x",)])
def test_names_that_another_system_cannot_hold_are_not_archived(
    names: tuple[str, ...], own: Path, grace: Command
) -> None:
    for name in names:
        path = own / "letters" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("dear")
    done = grace("archive", "create", own / "letters", "--to", own / "kept", "--no-results")
    assert done.code == 2
    assert names[0].split("/")[0] in done.err
    assert "rename it" in done.err
    assert not (own / "kept").exists()


@pytest.mark.parametrize(
    "place",
    ["s3://lab/a//b/../c", "s3://lab//a", "s3://lab/.", "s3://lab/a/..", "s3://", "s3:/lab/x", "s3:lab", "S3://lab/x"],
)
@pytest.mark.parametrize("asked", ["create", "verify", "list", "reproduce"])
def test_what_is_no_place_in_a_bucket(
    place: str, asked: str, own: Path, grace: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(own)
    before = files_of(own)
    given = {"create": ["archive", "create", "skies.run", "--to"], "reproduce": ["reproduce"]}
    done = grace(*given.get(asked, ["archive", asked]), place)
    assert done.code == 2
    assert "s3://BUCKET/PREFIX" in done.err
    assert files_of(own) == before


@pytest.mark.parametrize("to", ["skies.run", "skies.run/archive", "."])
def test_an_archive_never_lies_in_what_it_holds(to: str, own: Path, grace: Command) -> None:
    places = [own] if to == "." else [own / "skies.run"]
    done = grace("archive", "create", *places, "--to", own / to, "--no-results")
    assert done.code == 2
    assert "which is archived" in done.err
    assert not (own / to / "bagit.txt").exists()


def test_a_digest_that_cannot_be_written_is_printed(own: Path, grace: Command) -> None:
    (own / "skies.sha256").unlink()
    (own / "skies.sha256").mkdir()
    done = grace("archive", "create", own / "skies.run", "--to", own / "skies", "--no-results")
    assert done.code == 2
    assert "SHA-256" in done.out
    assert "is a folder" in done.err


# What it holds, and what it leaves out


def test_runs_that_are_not_done_are_named(own: Path, grace: Command) -> None:
    ledger = own / "skies.run" / "ledger.jsonl"
    ledger.write_bytes(b"".join(ledger.read_bytes().splitlines(keepends=True)[:-1]))
    done = grace("archive", "create", own / "skies.run", "--to", own / "part", "--no-results")
    assert done.code == 0
    assert "runs/skies.run is unfinished: 1 of" in done.out
    with locked(own / "skies.run"):
        refused = grace("archive", "create", own / "skies.run", "--to", own / "busy", "--no-results")
    assert refused.code == 2
    assert "is being written by process" in refused.err
    assert not (own / "busy").exists()


def test_what_is_left_out_is_named(own: Path, grace: Command) -> None:
    folder = own / "notes"
    folder.mkdir()
    (folder / "lock").write_text("a file of the user's own\n")
    (folder / ".hidden").write_text("")
    (folder / "gone").symlink_to(folder / "nowhere")
    os.mkfifo(folder / "pipe")
    done = grace("archive", "create", folder, "--to", own / "kept")
    assert done.code == 0
    for name in (".hidden", "gone", "pipe"):
        assert f"{folder / name} is left out: " in done.out
    assert (own / "kept" / "data" / "files" / "notes" / "lock").exists()


def test_two_folders_of_one_name_are_refused(own: Path, grace: Command) -> None:
    for parent, name in (("a", "one.txt"), ("b", "two.txt")):
        (own / parent / "notes").mkdir(parents=True)
        (own / parent / "notes" / name).write_text(name)
    done = grace("archive", "create", own / "a" / "notes", own / "b" / "notes", "--to", own / "kept")
    assert done.code == 2
    assert "one name" in done.err
    assert grace("archive", "create", own / "a" / "notes", own / "a" / "notes", "--to", own / "kept").code == 0


@pytest.mark.parametrize("name", ["100%.txt", "line\u2028separator.txt", "bell\x07.txt"])
def test_names_that_tools_read_in_two_ways_are_refused(name: str, own: Path, grace: Command) -> None:
    (own / name).write_text("x")
    done = grace("archive", "create", own / name, "--to", own / "kept")
    assert done.code == 2
    assert "rename it" in done.err
    assert "\x07" not in done.err


def test_what_is_held_back_is_in_no_result(own: Path, grace: Command) -> None:
    asked = ("archive", "create", own / "skies.run", "--to", own / "shared", "--because", "no consent", "--exclude")
    done = grace(*asked, "runs/*/ledger.jsonl")
    assert done.code == 0, done.err
    assert "not made: results: they would tell what runs/skies.run/ledger.jsonl does" in done.out
    assert not (own / "shared" / "data" / "results").exists()


def test_what_tells_the_same_is_held_back_too(own: Path, grace: Command) -> None:
    for name in ("judged.run", "judged_structured.run"):
        shutil.copytree(OUTPUTS / name, own / name)
    shutil.copy(own / "judged.run" / "ledger.jsonl", own / "copy.txt")
    places = (own / "judged.run", own / "copy.txt", own / "skies.run")
    asked = ("archive", "create", *places, "--to", own / "shared", "--because", "no", "--exclude")
    done = grace(*asked, "runs/judged.run/ledger.jsonl")
    assert done.code == 0, done.err
    kept = {name.removeprefix("data/") for name in files_of(own / "shared")}
    extraction = {f"runs/judged_structured.run/{name}" for name in ("input.csv", "ledger.jsonl")}
    gone = {"runs/judged.run/ledger.jsonl", "files/copy.txt", *extraction}
    assert not gone & kept
    assert {"runs/skies.run/ledger.jsonl", "runs/judged.run/input.csv", "runs/judged_structured.run/run.json"} <= kept
    text = (own / "shared" / "data" / "REPRODUCING.md").read_text()
    assert all(name in text for name in gone)


@pytest.mark.parametrize("excluded", ["skies.run", "skies.shard-0-of-2.run"])
def test_shards_and_what_they_were_joined_into_tell_the_same(excluded: str, own: Path, grace: Command) -> None:
    names = ["skies.run", "skies.shard-0-of-2.run", "skies.shard-1-of-2.run", "faults.run"]
    for name in names:
        shutil.copytree(OUTPUTS / name, own / name, dirs_exist_ok=True)
    asked = ("archive", "create", *(own / name for name in names), "--to", own / "shared", "--because", "no consent")
    done = grace(*asked, "--no-results", "--exclude", f"runs/{excluded}/ledger.jsonl")
    assert done.code == 0, done.err
    kept = [name for name in files_of(own / "shared") if name.endswith(("ledger.jsonl", "noise.jsonl"))]
    assert kept == ["data/runs/faults.run/ledger.jsonl"]


@pytest.mark.parametrize(
    "licence",
    ["CC BY 4.0", "CC-BY-4.0; drop", "<b>", "ftp://x", "-x", "Bogus-9.9", "MIT OR 0BSD", "MIT+", "LicenseRef-own"],
)
def test_a_licence_is_an_identifier_or_an_address(licence: str, own: Path, grace: Command) -> None:
    done = grace("archive", "create", own / "skies.run", "--to", own / "kept", f"--license={licence}")
    assert done.code == 2
    assert "SPDX" in done.err
    assert not (own / "kept").exists()


@pytest.mark.parametrize(
    "said",
    [
        "--author=Doe, Jane, https://example.org/me",
        "--author=X, Y, not a page",
        "--author=Doe, Jane, https://orcid.org/0000-0002-1825-0098",
        "--author=Doe, Jane, 0000-0002-1825-0097",
        "--author=Doe, Jane, https://orcid.org/0000-0002-1825-0097/x",
        "--author=Doe, Ja\nne",
        "--author=Doe",
        "--title=Skies\nand seas",
        "--title=Skies\u2028and seas",
        "--title= ",
    ],
)
def test_what_cannot_be_cited_is_refused(said: str, own: Path, grace: Command) -> None:
    done = grace("archive", "create", own / "skies.run", "--to", own / "kept", "--no-results", said)
    assert done.code == 2
    assert said.split("=")[0] in done.err
    assert not (own / "kept").exists()


@pytest.mark.parametrize(
    ("licence", "kept"),
    [
        ("cc-by-4.0", {"license": "CC-BY-4.0"}),
        ("https://lab.example/terms", {"license-url": "https://lab.example/terms"}),
    ],
)
def test_authors_and_licence_reach_the_citation_and_the_deposit(licence: str, kept: dict[str, str]) -> None:
    authors = (
        "Carberry, Josiah, https://orcid.org/0000-0002-1825-0097",
        "Doe, Jane",
        "B, A, https://orcid.org/0000-0002-1694-233X",
    )
    about = checked(About("Skies", authors, licence))
    cited = yaml.safe_load(citation(about, "2026-01-02T00:00:00Z"))
    assert {name: value for name, value in cited.items() if name.startswith("license")} == kept
    assert [author.get("orcid") for author in cited["authors"]] == [
        "https://orcid.org/0000-0002-1825-0097",
        None,
        "https://orcid.org/0000-0002-1694-233X",
    ]
    creators = json.loads(deposit(about, "2026-01-02"))["metadata"]["creators"]
    assert [creator.get("orcid") for creator in creators] == ["0000-0002-1825-0097", None, "0000-0002-1694-233X"]


def test_files_without_a_run_are_dated_by_their_change(own: Path, grace: Command) -> None:
    (own / "letter.txt").write_text("x")
    os.utime(own / "letter.txt", (1_700_000_000, 1_700_000_000))
    assert grace("archive", "create", own / "letter.txt", "--to", own / "kept").code == 0
    kept = json.loads((own / "kept" / "data" / "metadata.json").read_bytes())
    assert kept["metadata"]["publication_date"] == "2023-11-14"


# Made by a stranger


def test_empty_folders_are_found(own: Path, grace: Command) -> None:
    (own / "skies" / "data" / "more").mkdir()
    assert "data/more is an empty folder" in " ".join(faults_of(own / "skies"))


@pytest.mark.parametrize("digest", ["", "abc", "0" * 63, "g" * 64])
def test_what_is_no_digest_is_refused(digest: str, own: Path, grace: Command) -> None:
    for command in (("archive", "verify"), ("reproduce",)):
        done = grace(*command, own / "skies", "--sha256", digest)
        assert done.code == 2, done.out
        assert "is not a digest" in done.err


def test_a_digest_may_be_in_capitals(own: Path, grace: Command) -> None:
    digest = (own / "skies.sha256").read_text().split()[0]
    assert grace("archive", "verify", own / "skies", "--sha256", digest.upper()).code == 0
    done = grace("reproduce", own / "skies", "--sha256", "0" * 64, "--into", own / "again")
    assert done.code == 4
    assert "another archive" in done.err
    assert not (own / "again").exists()


@pytest.mark.parametrize("name", ["../out", "/tmp/out", "runs/none.run", "results", "", "files"])
def test_runs_are_those_in_the_archive(name: str, own: Path, grace: Command) -> None:
    _forge(own / "skies", "results.json", {"runs": [name]})
    done = grace("reproduce", own / "skies", "--into", own / "deep" / "again")
    assert done.code == 2
    assert "which is not in the archive" in done.err
    assert not (own / "deep").exists()


def test_results_are_those_in_the_archive(own: Path, grace: Command) -> None:
    _forge(own / "skies", "results.json", {"runs": [], "files": ["../runs/skies.run/run.json"]})
    assert grace("reproduce", own / "skies", "--into", own / "again").code == 2


@pytest.mark.parametrize("content", [[1], {"grace": 1}, "x", {"a": {"b": "c"}}, None])
def test_versions_that_are_none(content: object, own: Path, grace: Command) -> None:
    _forge(own / "skies", "environment/versions.json", content)
    done = grace("reproduce", own / "skies", "--into", own / "again")
    assert done.code == 2
    assert "versions.json" in done.err


def test_what_a_stranger_wrote_reaches_no_terminal_raw(own: Path, grace: Command) -> None:
    info = own / "skies" / "bag-info.txt"
    info.write_text(info.read_text().replace("skies", "\x1b[2Jskies"))
    (own / "skies" / "data" / "\x1b[31mred").write_text("x")
    for command in ("verify", "list"):
        done = grace("archive", command, own / "skies")
        assert "\x1b" not in done.out + done.err


def test_nothing_of_a_changed_archive_is_installed(own: Path) -> None:
    wheel = next((own / "skies" / "data" / "environment").glob("*.whl"))
    wheel.write_bytes(wheel.read_bytes() + b"x")
    with pytest.raises(Refused, match="is not as it was made"):
        run_in_archived(FolderStore(own / "skies"), str(own / "skies"), own / "again", Silence())
    assert not (own / "again.environment").exists()


def test_another_wheel_is_not_installed(own: Path) -> None:
    other = own / "skies" / "data" / "environment" / "evil-1.0-py3-none-any.whl"
    next((own / "skies" / "data" / "environment").glob("*.whl")).rename(other)
    close(own / "skies")
    with pytest.raises(InputError, match="has no environment/ of Grace"):
        run_in_archived(FolderStore(own / "skies"), str(own / "skies"), own / "again", Silence())
    assert not (own / "again.environment").exists()


def test_archived_versions_run_apart_from_the_current_folder(
    own: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def create(folder: Path, with_pip: bool) -> None:
        assert with_pip
        (folder / "bin").mkdir(parents=True)
        python = folder / "bin" / "python"
        python.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\ncase "$*" in *reproduce*) exit 7;; esac\n')
        python.chmod(0o755)

    monkeypatch.setattr("venv.create", create)
    place = str(own / "skies")
    assert run_in_archived(FolderStore(own / "skies"), place, own / "again", Silence()) == 7
    installed, run = (tmp_path / "calls").read_text().splitlines()
    assert installed.startswith("-I -m pip install ")
    assert run == f"-I -m grace reproduce {place} --into {own / 'again'}"


def test_an_archive_is_called_by_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "skies").mkdir()
    monkeypatch.chdir(tmp_path / "skies")
    assert [name_of(place) for place in (".", "../skies/", "s3://lab/2026/skies/", "s3://lab")] == [
        *["skies"] * 3,
        "lab",
    ]


def _forge(place: Path, name: str, content: object) -> None:
    (place / bag.PAYLOAD / name).write_bytes(orjson.dumps(content))
    close(place)
