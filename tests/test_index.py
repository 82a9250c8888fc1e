"""An index beside a ledger or a table saves the reading, and is believed only where the file itself is as it was."""

from collections.abc import Callable
from pathlib import Path

import pytest
from aiohttp import web

from canned import CannedServer
from conftest import Command
from grace import index as indexes
from grace.archive.contents import Contents
from grace.errors import LedgerCorrupt
from grace.files import holding
from grace.index import GrowingIndex, Index, beside
from grace.ledger import Ledger, void
from grace.record_shapes import TRIALS
from grace.runs import Run
from grace.stages.answers import records
from grace.stages.answers.records import Done
from grace.stages.export import export_run
from grace.stages.inventory import removal, remove
from grace.tables import CsvTable
from ledgers import rewrite


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of any size get an index."""
    monkeypatch.setattr(indexes, "LEAST", 1)


@pytest.fixture
def run(query: Command, tmp_path: Path, small: None) -> Run:
    """A run of 12 rows, 5 of which are answered."""
    assert query("--limit", 5).code == 0
    return Run.beside(tmp_path / "answers.csv")


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The records of ledgers that are checked from now on."""
    seen: list[object] = []
    fault = TRIALS.fault
    monkeypatch.setattr(records.TRIALS, "fault", lambda record: seen.append(record) or fault(record))
    return seen


def done(run: Run) -> Done:
    return Done.read(run, 12, run.identity.turns)


def finished(run: Run) -> list[int | None]:
    (turn,) = run.identity.turns
    read = done(run)
    return [read.finished(row, 0, turn) for row in range(12)]


def test_small_files_have_none(query: Command, tmp_path: Path) -> None:
    assert query().code == 0
    assert not list((tmp_path / "answers.run").glob(".*"))


def test_only_what_came_after_the_index_is_read(run: Run, query: Command, looked_at: list[object]) -> None:
    kept = beside(run.ledger).read_bytes()
    places = finished(run)
    assert [place is not None for place in places] == [True] * 5 + [False] * 7
    assert looked_at == []
    assert query().code == 0
    beside(run.ledger).write_bytes(kept)  # as after a kill
    looked_at.clear()
    whole = finished(run)
    assert len(looked_at) == 7
    beside(run.ledger).unlink()
    assert finished(run) == whole
    assert whole[:5] == places[:5]


def damaged(content: bytes) -> bytes:
    return content[:90] + bytes([content[90] ^ 1]) + content[91:]


@pytest.mark.parametrize("change", [
    pytest.param(lambda content: b"", id="empty"),
    pytest.param(lambda content: content[:-1], id="cut"),
    pytest.param(lambda content: content[: len(content) // 2], id="cut in half"),
    pytest.param(damaged, id="a bit"),
    pytest.param(lambda content: content + b"x", id="longer"),
])  # fmt: skip
def test_a_damaged_index_counts_as_none(run: Run, change: Callable[[bytes], bytes], looked_at: list[object]) -> None:
    places = finished(run)
    looked_at.clear()
    for path in (run.ledger, run.input):
        beside(path).write_bytes(change(beside(path).read_bytes()))
    assert finished(run) == places
    assert len(looked_at) == 5
    with run.table() as table:
        assert (table.scanned, len(table)) == (True, 12)


def test_an_index_of_another_version_counts_as_none(
    run: Run, looked_at: list[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(indexes, "_FORM", [indexes.FORMAT, "another", "little"])
    finished(run)
    assert len(looked_at) == 5


def test_a_ledger_that_was_changed_is_read_and_not_its_index(run: Run, looked_at: list[object]) -> None:
    content = run.ledger.read_bytes()
    run.ledger.write_bytes(content.replace(b"Answer", b"Bnswer", 1))
    with pytest.raises(LedgerCorrupt, match=r"line 1: is not as it was written"):
        finished(run)
    run.ledger.write_bytes(content)
    rewrite(run.ledger, lambda records: records[0]["response"].update(text="another"))
    looked_at.clear()
    finished(run)
    assert len(looked_at) == 5
    rewrite(run.ledger, lambda records: records[1].update(rows=[0]))
    with pytest.raises(LedgerCorrupt, match=r"line 2: is not a record of this run: rows"):
        finished(run)
    run.ledger.write_bytes(content[: content.index(b"\n") + 1])
    assert sum(place is not None for place in finished(run)) == 1


def test_records_that_are_voided_later_are_open_again(run: Run) -> None:
    before = run.ledger.stat().st_size
    with Ledger(run.ledger) as ledger:
        ledger.append(void([(0, before)], "another server", "now"))
    assert finished(run) == [None] * 12


def test_an_index_that_lies_is_found_out_when_records_are_read(run: Run, tmp_path: Path) -> None:
    index = GrowingIndex(run.ledger).read()
    assert index
    places = index.numbers[0]
    places[0], places[1] = places[1], places[0]
    with holding(run.path):
        index.write(beside(run.ledger))
    with pytest.raises(LedgerCorrupt, match="its index is wrong; remove"):
        export_run(run, tmp_path / "again.csv")


@pytest.mark.parametrize("facts", [{"rows": 11}, {"turns": ["other"]}, {"lists": [[0, 7]]}, {"lists": []}])
def test_an_index_of_other_requests_counts_as_none(run: Run, facts: dict[str, object], looked_at: list[object]) -> None:
    index = GrowingIndex(run.ledger).read()
    assert index
    with holding(run.path):
        Index(index.length, index.digest, {**index.facts, **facts}, index.numbers).write(beside(run.ledger))
    assert sum(place is not None for place in finished(run)) == 5
    assert len(looked_at) == 5


def test_failed_requests_are_in_it(run: Run, canned: CannedServer, query: Command, looked_at: list[object]) -> None:
    async def refuses(number: int, body: dict[str, object]) -> web.Response:
        return web.json_response({"error": {"message": "too long"}}, status=400)

    canned.handler = refuses
    assert query().code == 1
    looked_at.clear()
    (turn,) = run.identity.turns
    read = done(run)
    assert all(read.failed(row, 0, turn) is not None for row in range(5, 12))
    assert looked_at == []


def test_the_table_is_the_same_with_and_without(run: Run, query: Command, tmp_path: Path) -> None:
    with run.table() as table:
        assert not table.scanned
        cells, columns = list(table.all_cells()), table.columns
    export_run(run, tmp_path / "with.csv")
    for path in (run.input, run.ledger):
        beside(path).unlink()
    with run.table() as table:
        assert (table.scanned, table.columns, list(table.all_cells())) == (True, columns, cells)
    export_run(run, tmp_path / "without.csv")
    assert (tmp_path / "with.csv").read_bytes() == (tmp_path / "without.csv").read_bytes()


def test_an_input_that_was_changed_is_not_taken_for_its_index(run: Run) -> None:
    content = run.input.read_bytes()
    run.input.write_bytes(content.replace(b"1", b"2", 1))
    with CsvTable(run.input, index=beside(run.input)) as table:
        assert table.scanned


def test_it_goes_with_its_run_and_into_no_archive(run: Run) -> None:
    contents = Contents.of([run.path])
    assert not any("index" in name for name in contents.files)
    assert contents.left_out == {}
    remove(removal(run.path))
    assert not run.path.exists()
