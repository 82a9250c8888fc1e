"""Shards: parts of a run, each in a folder of its own, that joined are what one run would have been."""

import shutil
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from canned import CannedServer, error
from conftest import Command, Result, read_rows
from grace.errors import InputError
from grace.ledger import scan
from grace.runs import Run
from grace.stages.related import related
from grace.stages.shard import Shard
from table_model import TableServer
from things import MODEL, STUDY, TRIALS

WHEN = ("response_timestamp", "processing_time_ms")
"""Columns that differ from run to run."""


def timeless(path: Path) -> list[dict[str, str]]:
    return [{name: cell for name, cell in row.items() if name not in WHEN} for row in read_rows(path)]


def parts(folder: Path) -> list[Path]:
    return sorted(folder.glob("answers.shard-*"))


@pytest.fixture
def join(grace: Command, tmp_path: Path) -> Callable[..., Result]:
    return lambda name="answers.csv": grace("join", tmp_path / name)


@given(rows=st.integers(0, 40), replications=st.integers(1, 4), count=st.integers(1, 7))
def test_every_row_and_replication_belongs_to_exactly_one_shard(rows: int, replications: int, count: int) -> None:
    for replication in range(replications):
        taken = [row for index in range(count) for row in Shard(index, count).rows(range(rows), replication)]
        assert sorted(taken) == list(range(rows))


@pytest.mark.parametrize("extra", [(), ("--shuffle",), ("--protocol", "sequential")])
def test_joined_shards_are_what_one_run_would_have_been(
    query: Command, canned: CannedServer, join: Command, tmp_path: Path, extra: tuple[str, ...]
) -> None:
    """Same answers with the same seeds, nothing asked twice."""
    assert query("--replications", 2, "--output", tmp_path / "whole.csv", *extra).code == 0
    asked, canned.count = canned.count, 0
    for index in (2, 0, 1):
        made = query("--replications", 2, "--shard", f"{index}/3", *extra)
        assert made.code == 0, made.err
        assert f"{asked // 3} of {asked // 3} requests of part {index}/3 done" in made.out
    assert canned.count == asked
    assert not (tmp_path / "answers.csv").exists()
    joined = join()
    assert joined.code == 0, joined.err
    assert f"3 shards joined, {asked} new records" in joined.out
    assert timeless(tmp_path / "answers.csv") == timeless(tmp_path / "whole.csv")
    assert query("--replications", 2, *extra).code == 0  # the joined run is one like any other, and complete
    assert canned.count == asked


def test_shards_of_scores_share_the_distinct_questions(grace: Command, tmp_path: Path) -> None:
    (tmp_path / "things.yaml").write_text(STUDY)
    (tmp_path / "t.csv").write_text(TRIALS)

    def score(*options: object) -> Result:
        common = ("--input", tmp_path / "t.csv", "--model-endpoint", server.url, "--model-name", server.name)
        return grace("score", tmp_path / "things.yaml", *common, *options)

    with TableServer(MODEL, "vllm") as server:
        assert score("--output", tmp_path / "whole.csv").code == 0
        for index in range(4):
            made = score("--output", tmp_path / "scores.csv", "--shard", f"{index}/4")
            assert made.code == 0, made.err
    assert grace("join", tmp_path / "scores.csv").code == 0
    assert read_rows(tmp_path / "scores.csv") == read_rows(tmp_path / "whole.csv")
    keys = [record["key"] for _, record in scan(tmp_path / "scores.run" / "ledger.jsonl")]
    assert len(keys) == len(set(keys)) == 7


def test_a_shard_without_work_is_no_failure(query: Command, join: Command, tmp_path: Path) -> None:
    for index in range(3):
        assert query("--limit", 2, "--shard", f"{index}/3").code == 0
    assert join().code == 0
    assert len(read_rows(tmp_path / "answers.csv")) == 2


def test_failures_of_a_shard_are_asked_again_and_joined_again(
    query: Command, canned: CannedServer, join: Command, tmp_path: Path
) -> None:
    async def refuse(number: int, body: object) -> object:
        return error(400, "no") if number == 3 else None

    assert query("--shard", "0/2").code == 0
    canned.handler, canned.count = refuse, 0  # type: ignore[assignment]
    failed = query("--shard", "1/2")
    assert failed.code == 1
    assert "5 of 6 requests of part 1/2 done" in failed.out
    joined = join()
    assert joined.code == 1
    assert sum(bool(row["error"]) for row in read_rows(tmp_path / "answers.csv")) == 1
    canned.handler = None
    assert query("--shard", "1/2").code == 2  # the joined run is there: it is gone on with instead
    assert query().code == 0
    assert canned.count == 7
    again = join()
    assert again.code == 0
    assert "2 shards joined, 0 new records" in again.out


def test_a_missing_shard_is_named_and_can_come_later(query: Command, join: Command, tmp_path: Path) -> None:
    for index in (0, 2):
        query("--shard", f"{index}/3")
    joined = join()
    assert joined.code == 1
    assert "not there: 1/3; join again when they are" in joined.out
    assert [bool(row["error"]) for row in read_rows(tmp_path / "answers.csv")] == [False, True, False] * 4
    late = tmp_path / "elsewhere"
    late.mkdir()
    query("--shard", "1/3", "--output", late / "answers.csv")
    shutil.move(late / "answers.shard-1-of-3.run", tmp_path)
    assert "3 shards joined, 4 new records" in join().out
    assert not any(row["error"] for row in read_rows(tmp_path / "answers.csv"))


def test_joining_keeps_the_shards_and_tells_their_sessions(query: Command, join: Command, tmp_path: Path) -> None:
    for index in range(2):
        query("--shard", f"{index}/2")
    before = [path.read_bytes() for part in parts(tmp_path) for path in sorted(part.iterdir())]
    join()
    join()
    assert [path.read_bytes() for part in parts(tmp_path) for path in sorted(part.iterdir())] == before
    sessions = orjson.loads((tmp_path / "answers.run" / "run.json").read_bytes())["sessions"]
    assert [session["options"]["shard"] for session in sessions if "options" in session] == [
        {"index": 0, "count": 2},
        {"index": 1, "count": 2},
    ]
    assert [session["joined"] for session in sessions if "joined" in session] == [["0/2", "1/2"]] * 2


def test_shards_are_not_taken_for_runs_of_their_own(query: Command, join: Command, tmp_path: Path) -> None:
    """`grace validate` and `merge` find the runs that belong together by their folder."""
    for index in range(2):
        query("--shard", f"{index}/2")
    join()
    assert related(Run(tmp_path / "answers.run")).runs == (Run(tmp_path / "answers.run"),)


def test_shards_of_other_settings_or_divisions_are_not_joined(query: Command, join: Command, tmp_path: Path) -> None:
    query("--shard", "0/2")
    other = tmp_path / "other"
    other.mkdir()
    query("--shard", "1/2", "--output", other / "answers.csv", "--temperature", 0.1)
    shutil.move(other / "answers.shard-1-of-2.run", tmp_path)
    refused = join()
    assert refused.code == 2
    assert "answers.shard-1-of-2.run: is not a part of the same run as" in refused.err
    assert "temperature: 0.7 in that one, 0.1 in this" in refused.err
    assert not (tmp_path / "answers.csv").exists()
    query("--shard", "0/3")
    assert "shards of several divisions beside it (of 2, 3)" in join().err


def test_there_are_no_shards(join: Command) -> None:
    refused = join("nothing.csv")
    assert refused.code == 2
    assert "nothing.csv: has no shards beside it (as nothing.shard-0-of-4.run)" in refused.err


@pytest.mark.parametrize("text", ["", "1", "1/", "/2", "-1/2", "2/2", "0/0", "1/2/3", "a/2", "٣/4", "0/1e3", "auto"])
def test_what_is_no_shard(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOB_COMPLETION_INDEX", "0")
    with pytest.raises(InputError, match="--shard"):
        Shard.parse(text)


def test_the_index_comes_from_the_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JOB_COMPLETION_INDEX", "3")
    assert Shard.parse("auto/4") == Shard(3, 4)
    for bad in ("", "x", "-1"):
        monkeypatch.setenv("JOB_COMPLETION_INDEX", bad)
        with pytest.raises(InputError, match="JOB_COMPLETION_INDEX holds no number"):
            Shard.parse("auto/4")
    monkeypatch.delenv("JOB_COMPLETION_INDEX")
    with pytest.raises(InputError, match="completionMode is Indexed"):
        Shard.parse("auto/4")


def test_a_shard_beside_the_whole_run_is_refused(query: Command) -> None:
    query()
    refused = query("--shard", "0/2")
    assert refused.code == 2
    assert "which already covers all rows" in refused.err
