"""The chain of evidence: every way to change it shows, and a chain that does not hold proves nothing."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grace.errors import InputError
from grace.ledger import Record
from grace.roadmap.evidence import FILE, HEAD, Evidence, Kind
from ledgers import rewrite


@pytest.fixture
def chain(tmp_path: Path) -> Path:
    """A project's folder with a chain of five entries."""
    evidence = Evidence.read(tmp_path)
    for number in range(4):
        evidence.append(Kind.ATTESTATION, f"0.7.{number}", {"note": f"note {number}"}, by="Ada")
    return tmp_path


def lines(folder: Path) -> list[bytes]:
    return (folder / FILE).read_bytes().splitlines(keepends=True)


def test_a_chain_is_read_as_it_was_written(chain: Path) -> None:
    evidence = Evidence.read(chain)
    assert not evidence.fault
    assert [entry.number for entry in evidence.entries] == [1, 2, 3, 4, 5]
    assert evidence.entries[0].kind is Kind.BEGUN
    last = evidence.last(Kind.ATTESTATION, "0.7.3")
    assert last
    assert (last.name, last.by, last.facts["note"]) == ("E5", "Ada", "note 3")
    assert evidence.last(Kind.DECISION) is None


def test_two_writers_extend_one_chain(chain: Path) -> None:
    one, other = Evidence.read(chain), Evidence.read(chain)
    one.append(Kind.ROAD, "api", {"reason": "no cluster"})
    assert other.append(Kind.ROAD, "cluster", {"reason": "there is one"}).number == 7
    assert not Evidence.read(chain).fault


CHANGES: dict[str, tuple[Callable[[list[bytes]], list[bytes]], str]] = {
    "cut short": (lambda lines: lines[:3], "was cut short: 3 of 5"),
    "without its beginning": (lambda lines: lines[1:], "line 1: does not follow"),
    "one removed": (lambda lines: [*lines[:2], *lines[3:]], "line 3: does not follow"),
    "two swapped": (lambda lines: [lines[0], lines[2], lines[1], *lines[3:]], "line 2: does not follow"),
    "one changed": (
        lambda lines: [*lines[:2], lines[2].replace(b"e 1", b"e 9"), *lines[3:]],
        "line 3: is not as it was",
    ),
    "one repeated": (lambda lines: [*lines, lines[-1]], "line 6: does not follow"),
    "no record": (lambda lines: [*lines[:4], b"no record\n"], "line 5: is not a record"),
    "no entry": (lambda lines: [*lines[:4], b'{"a": 1}\n'], "line 5: is not an entry"),
    "emptied": (lambda lines: [], "was cut short: 0 of 5"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_of_the_chain_shows(chain: Path, change: str) -> None:
    altered, message = CHANGES[change]
    (chain / FILE).write_bytes(b"".join(altered(lines(chain))))
    evidence = Evidence.read(chain)
    assert message in evidence.fault
    assert "restored from a copy" in evidence.fault
    with pytest.raises(InputError):
        evidence.append(Kind.ROAD, "api", {})


def test_an_entry_rewritten_with_its_digest_breaks_the_next_one(chain: Path) -> None:
    from grace.roadmap.evidence import _digest

    def forge(records: list[Record]) -> None:
        own = {name: value for name, value in records[2].items() if name != "sha256"}
        records[2]["sha256"] = _digest(own)

    rewrite(chain / FILE, lambda records: records[2]["facts"].update(note="another"))
    assert "line 3: was changed" in Evidence.read(chain).fault
    rewrite(chain / FILE, forge)
    assert "line 4: does not follow" in Evidence.read(chain).fault


@pytest.mark.parametrize(
    "content", [None, b"", b"{}", b'{"entries": 5, "sha256": "0"}', b'{"entries": 0, "sha256": "0"}']
)
def test_a_head_that_is_gone_or_another_shows(chain: Path, content: bytes | None) -> None:
    if content is None:
        (chain / HEAD).unlink()
    else:
        (chain / HEAD).write_bytes(content)
    assert HEAD in Evidence.read(chain).fault


def test_a_deleted_chain_shows(chain: Path) -> None:
    (chain / FILE).unlink()
    assert "was cut short: 0 of 5" in Evidence.read(chain).fault


def test_a_writer_that_was_killed_breaks_nothing(chain: Path) -> None:
    head = (chain / HEAD).read_bytes()
    evidence = Evidence.read(chain)
    evidence.append(Kind.ROAD, "api", {"reason": "none"})
    (chain / HEAD).write_bytes(head)  # killed between the two files
    assert not Evidence.read(chain).fault
    with open(chain / FILE, "ab") as file:
        file.write(b'{"number": 7, "ti')  # killed within a line
    assert not Evidence.read(chain).fault
    assert Evidence.read(chain).append(Kind.ROAD, "local", {"reason": "none"}).number == 7


def test_a_rehearsal_proves_nothing_elsewhere(tmp_path: Path) -> None:
    Evidence.read(tmp_path, rehearsal=True).append(Kind.ROAD, "api", {}, rehearsal=True)
    assert not Evidence.read(tmp_path, rehearsal=True).fault
    assert "that of a rehearsal" in Evidence.read(tmp_path).fault


@given(st.data())
def test_no_flipped_byte_goes_unseen(data: st.DataObject) -> None:
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as name:
        folder = Path(name)
        evidence = Evidence.read(folder)
        for number in range(2):
            evidence.append(Kind.ATTESTATION, "0.7.4", {"note": f"note {number}"}, by="Ada")
        content = bytearray((folder / FILE).read_bytes())
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] ^= data.draw(st.integers(1, 255))
        (folder / FILE).write_bytes(content)
        assert Evidence.read(folder).fault
