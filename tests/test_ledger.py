"""The ledger survives being cut at any byte, a full disk and a short write, and never hides damage."""

import errno
import os
import re
import subprocess
import sys
from pathlib import Path

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grace.errors import GraceError, InputError, LedgerCorrupt, RunLocked
from grace.ledger import Ledger, LedgerReader, Record, replay, request_key, scan, void
from limits import HANG
from strategies import ledger_records, ledger_texts, ledger_values

same_folder = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=60
)


def write(path: Path, content: list[dict[str, object]]) -> list[int]:
    with Ledger(path) as ledger:
        return [ledger.append(record) for record in content]


@given(ledger_records)
@same_folder
def test_scan_gives_what_was_written(tmp_path: Path, content: list[dict[str, object]]) -> None:
    path = tmp_path / "ledger.jsonl"
    path.unlink(missing_ok=True)
    offsets = write(path, content)
    assert list(scan(path)) == list(zip(offsets, content, strict=True))
    with LedgerReader(path) as reader:
        for offset, record in reversed(list(zip(offsets, content, strict=True))):
            assert reader[offset] == record


@given(ledger_records.filter(bool), st.data())
@same_folder
def test_cut_at_any_byte_the_complete_lines_stay(
    tmp_path: Path, content: list[dict[str, object]], data: st.DataObject
) -> None:
    path = tmp_path / "ledger.jsonl"
    path.unlink(missing_ok=True)
    offsets = write(path, content)
    whole = path.read_bytes()
    cut = data.draw(st.integers(0, len(whole)) | st.sampled_from(offsets), label="cut")
    path.write_bytes(whole[:cut])
    kept = content[: whole[:cut].count(b"\n")]

    assert [record for _, record in scan(path)] == kept  # a reader passes over the torn line
    with Ledger(path) as ledger:  # the writer cuts it off
        assert path.read_bytes() == whole[: ledger.end]
        assert [record for _, record in scan(path)] == kept
        added = ledger.append({"after": cut})
    assert list(scan(path))[len(kept) :] == [(added, {"after": cut})]
    assert path.read_bytes().startswith(whole[:added])


def test_every_byte_of_one_ledger(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    content = [{"text": "a\nb", "n": 1}, {"text": "ü"}, {}]
    write(path, content)
    whole = path.read_bytes()
    for cut in range(len(whole) + 1):
        path.write_bytes(whole[:cut])
        complete = whole[:cut].count(b"\n")
        write(path, [{"cut": cut}])
        assert [record for _, record in scan(path)] == [*content[:complete], {"cut": cut}]


@pytest.mark.parametrize("size", [65_535, 65_536, 65_537, 200_000])
def test_a_torn_line_longer_than_one_look_back(tmp_path: Path, size: int) -> None:
    path = tmp_path / "ledger.jsonl"
    path.write_bytes(b'{"n":1}\n' + b"x" * size)
    write(path, [{"n": 2}])
    assert list(scan(path)) == [(0, {"n": 1}), (8, {"n": 2})]
    path.write_bytes(b"x" * size)
    write(path, [{"n": 3}])
    assert list(scan(path)) == [(0, {"n": 3})]


def test_zeros_that_a_loss_of_power_left_are_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    path.write_bytes(b'{"n":1}\n' + b"\0" * 5000)
    write(path, [{"n": 2}])
    assert [record for _, record in scan(path)] == [{"n": 1}, {"n": 2}]


@pytest.mark.parametrize("damage", [b"{", b"", b"[1]", b"null", b'{"n":1', b"\0\0", b"\xff", b'{"n":NaN}'], ids=repr)
def test_a_damaged_line_is_named(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "ledger.jsonl"
    write(path, [{"n": 1}])
    with path.open("ab") as file:
        file.write(damage + b"\n")
    write(path, [{"n": 3}])
    found = []
    with pytest.raises(LedgerCorrupt, match=r"ledger\.jsonl, line 2: is not a record") as caught:
        found += [record for _, record in scan(path)]
    assert isinstance(caught.value, InputError)
    assert b"\n" + damage + b"\n" in path.read_bytes()  # opening to write repairs nothing but the end


@given(ledger_records.filter(any), st.data())
@same_folder
def test_a_byte_that_was_altered_is_found(
    tmp_path: Path, content: list[dict[str, object]], data: st.DataObject
) -> None:
    """Or else all records say the same; the last one may have become a torn line, or the check's name another one."""
    path = tmp_path / "ledger.jsonl"
    path.unlink(missing_ok=True)
    write(path, content)
    whole = path.read_bytes()
    place = data.draw(st.integers(0, len(whole) - 1), label="place")
    byte = data.draw(st.sampled_from(b'0123456789abcxyz.-e" ,:{}[]\n\r\t\0\xff'), label="byte")
    path.write_bytes(whole[:place] + bytes([byte]) + whole[place + 1 :])
    found = []
    try:
        found += [record for _, record in scan(path)]
    except LedgerCorrupt as damage:
        assert re.search(r"ledger\.jsonl(, line \d+)?: ", str(damage))  # noqa: PT017 - both ways are good
    for record, written in zip(found, content, strict=False):
        assert {name: record.get(name) for name in written} == written


def test_what_an_altered_line_is_called(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    write(path, [{"p": 0.25}, {"p": 0.5}])
    assert path.read_bytes().startswith(b'{"p":0.25,"check":"1b0afba5"}\n')
    for other in (
        b'{"p":0.75,"check":"1b0afba5"}',
        b'{"p": 0.25, "check": "1b0afba5"}',
        b'{"p":0.25,"check":"","q":1}',
    ):
        path.write_bytes(other + b"\n" + path.read_bytes().partition(b"\n")[2])
        with pytest.raises(LedgerCorrupt, match=r"ledger\.jsonl, line 1: is not as it was written: its check"):
            list(scan(path))


def test_lines_of_earlier_versions_have_no_check(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    path.write_bytes(b'{"n":1}\n{"n":2}\r\n')
    write(path, [{"n": 3}])
    path.write_bytes(path.read_bytes() + b'{"n": 4}\n')  # and a later one, too, may be of an earlier version
    assert [record["n"] for _, record in scan(path)] == [1, 2, 3, 4]


class Numbers:
    """Takes records with a number."""

    def __init__(self) -> None:
        self.taken: list[int] = []

    def add(self, offset: int, record: Record) -> None:
        self.taken.append(record["n"])


@given(st.lists(st.integers(0, 9) | st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=30))
@same_folder
def test_voided_records_count_as_never_written(tmp_path: Path, script: list[int | tuple[int, int]]) -> None:
    """Numbers are records; a pair voids the records from one place to another, those already voided among them."""
    path = tmp_path / "ledger.jsonl"
    path.unlink(missing_ok=True)
    places: list[int] = []
    count: list[int | None] = []
    with Ledger(path) as ledger:
        for step in script:
            if isinstance(step, int):
                places.append(ledger.append({"n": step}))
                count.append(step)
                continue
            first, last = sorted(place % (len(places) + 1) for place in step)
            if first < last:
                end = places[last] if last < len(places) else ledger.end
                ledger.append(void([(places[first], end)], "why", "now"))
                count[first:last] = [None] * (last - first)
    assert replay(path, Numbers, lambda record: None).taken == [number for number in count if number is not None]


@pytest.mark.parametrize(
    "voids",
    [None, 1, [1], [[1]], [[0, 8, 9]], [["a", "b"]], [[0, 0]], [[8, 0]], [[-1, 8]], [[0, 10**9]], [[0.0, 8]]],
    ids=repr,
)
def test_voiding_what_is_not_there_is_damage(tmp_path: Path, voids: object) -> None:
    path = tmp_path / "ledger.jsonl"
    write(path, [{"n": 1}, {"n": 2}, {"status": "void", "voids": voids}])
    with pytest.raises(LedgerCorrupt, match=r"ledger\.jsonl, line 3: is not a record of this run: voids"):
        replay(path, Numbers, lambda record: None)


def test_no_ledger_yet_holds_nothing(tmp_path: Path) -> None:
    assert list(scan(tmp_path / "ledger.jsonl")) == []


def test_a_ledger_that_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "ledger.jsonl").mkdir()
    with pytest.raises(InputError, match=r"ledger\.jsonl: cannot be written: Is a directory"):
        Ledger(tmp_path / "ledger.jsonl")


@given(ledger_records.filter(bool), st.lists(st.integers(1, 30), min_size=1, max_size=8))
@same_folder
def test_short_writes_are_finished(tmp_path: Path, content: list[dict[str, object]], lengths: list[int]) -> None:
    path = tmp_path / "ledger.jsonl"
    path.unlink(missing_ok=True)
    system_write, calls = os.write, 0

    def short(fd: int, line: bytes) -> int:
        nonlocal calls
        calls += 1
        return system_write(fd, line[: lengths[calls] if calls < len(lengths) else len(line)])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "write", short)
        write(path, content)
    assert [record for _, record in scan(path)] == content


@given(st.integers(0, 60))
@same_folder
def test_a_full_disk_leaves_no_torn_line(tmp_path: Path, room: int) -> None:
    path = tmp_path / "ledger.jsonl"
    path.unlink(missing_ok=True)
    system_write = os.write

    def nearly_full(fd: int, line: bytes) -> int:
        nonlocal room
        if not room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = system_write(fd, line[:room])
        room -= written
        return written

    record = {"text": "t" * 80}
    with Ledger(path) as ledger:
        ledger.append({"n": 1})
        before = ledger.end
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "write", nearly_full)
            with pytest.raises(GraceError, match=r"ledger\.jsonl: cannot be written: No space left on device"):
                ledger.append(record)
        assert path.stat().st_size == before
        assert ledger.append(record) == before  # room was made: go on where it stood
    assert [found for _, found in scan(path)] == [{"n": 1}, record]


def test_a_real_limit_on_the_file(tmp_path: Path) -> None:
    """The kernel itself writes a part and refuses the rest."""
    path = tmp_path / "ledger.jsonl"
    program = f"""
import resource, signal
from pathlib import Path
from grace.errors import GraceError
from grace.ledger import Ledger
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
with Ledger(Path({str(path)!r})) as ledger:
    try:
        for number in range(100):
            ledger.append({{"number": number, "text": "t" * 60}})
    except GraceError as error:
        print(number, error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=HANG)
    assert done.returncode == 0, done.stderr
    number, message = done.stdout.split(maxsplit=1)
    assert "ledger.jsonl: cannot be written: File too large" in message
    assert [record["number"] for _, record in scan(path)] == list(range(int(number)))
    assert path.read_bytes().endswith(b"}\n")
    assert int(number) > 5


def test_a_disk_that_fails_on_sync_is_one_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Network file systems tell of a full quota only when the data is flushed."""
    path = tmp_path / "ledger.jsonl"
    ledger = Ledger(path)
    ledger.append({"n": 1})

    def full(fd: int) -> None:
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(GraceError, match=r"ledger\.jsonl: cannot be written: Disk quota exceeded"):
            ledger.sync()
        with pytest.raises(GraceError, match=r"ledger\.jsonl: cannot be written: Disk quota exceeded"):
            ledger.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(ledger._fd)  # closed all the same


@pytest.mark.parametrize("other", [b'{"n":7}\n', b"", b"x"], ids=["a line more", "cut to nothing", "cut to a byte"])
def test_a_file_that_another_one_writes_too_is_left_alone(tmp_path: Path, other: bytes) -> None:
    path = tmp_path / "ledger.jsonl"
    with Ledger(path) as ledger:
        ledger.append({"n": 1})
        with path.open("ab" if other.endswith(b"\n") else "wb") as file:
            file.write(other)
        content = path.read_bytes()
        for _ in range(2):
            with pytest.raises(RunLocked, match=r"ledger\.jsonl: has \d+ bytes, and had 27 after the last line"):
                ledger.append({"n": 2})
        assert path.read_bytes() == content


@given(st.dictionaries(ledger_texts, ledger_values, min_size=2, max_size=5), st.randoms(use_true_random=False))
def test_a_key_does_not_depend_on_the_order_of_keys(mapping: dict[str, object], random: object) -> None:
    items = list(mapping.items())
    random.shuffle(items)  # type: ignore[attr-defined]
    assert request_key(dict(items), "prompt", {"inner": dict(items)}) == request_key(
        mapping, "prompt", {"inner": mapping}
    )


@given(st.lists(ledger_values, max_size=3), st.lists(ledger_values, max_size=3))
def test_a_key_names_one_request_only(one: list[object], other: list[object]) -> None:
    alike = orjson.dumps(one, option=orjson.OPT_SORT_KEYS) == orjson.dumps(other, option=orjson.OPT_SORT_KEYS)
    assert (request_key(*one) == request_key(*other)) == alike


def test_keys_stay_the_same_from_version_to_version() -> None:
    """A ledger outlives the program that wrote it."""
    identity = {"name": "m", "source": None}
    messages = [{"role": "user", "content": "Wie viele? ü"}]
    assert request_key(identity, messages, {"temperature": 0.7, "seed": 1}) == "d03a011b99524be4dce090d77aa72117"
    assert request_key(messages, identity, {"temperature": 0.7, "seed": 1}) != "d03a011b99524be4dce090d77aa72117"
    assert len({request_key(identity, messages, {"seed": seed}) for seed in range(1000)}) == 1000
