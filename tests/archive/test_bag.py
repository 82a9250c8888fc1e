"""BagIt's text files: what is written is read back, and nothing else is."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grace.archive.bag import info_text, manifest_text, name_faults, parsed_info, parsed_manifest
from grace.errors import InputError

NAMES = st.text(st.characters(exclude_categories=["C", "Zl", "Zp"]), min_size=1, max_size=30)
DIGESTS = st.text("0123456789abcdef", min_size=64, max_size=64)


@given(st.dictionaries(NAMES, DIGESTS, max_size=6))
def test_a_manifest_is_read_back(digests: dict[str, str]) -> None:
    assert parsed_manifest(manifest_text(digests), "manifest") == digests


@given(st.dictionaries(NAMES, DIGESTS, min_size=1, max_size=4), st.data())
def test_a_manifest_with_another_letter_says_something_else(digests: dict[str, str], data: st.DataObject) -> None:
    text = manifest_text(digests)
    place = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.sampled_from("0aA \n\t%/").filter(lambda letter: letter != text[place]))
    changed = text[:place] + other + text[place + 1 :]
    with suppress(InputError):
        assert parsed_manifest(changed, "manifest") != digests


@pytest.mark.parametrize(
    "text",
    [
        "",
        f"{'a' * 64}  data/b\n{'a' * 64}  data/a\n",
        f"{'a' * 64}  data/a\n{'b' * 64}  data/a\n",
        f"{'A' * 64}  data/a\n",
        f"{'a' * 64} *data/a\n",
        f"{'a' * 64}  data/a",
    ],
)
def test_lines_that_no_manifest_has(text: str) -> None:
    if not text:
        assert parsed_manifest(text, "manifest") == {}
        return
    with pytest.raises(InputError, match="manifest"):
        parsed_manifest(text, "manifest")


def test_percent_signs_are_written_as_the_format_says() -> None:
    assert manifest_text({"data/50%.csv": "a" * 64}) == f"{'a' * 64}  data/50%25.csv\n"


@pytest.mark.parametrize(
    ("names", "fault"),
    [
        (["../a"], "leaves"),
        (["data/../../a"], "leaves"),
        (["/etc/passwd"], "leaves"),
        (["C:/a"], "leaves"),
        (["data\\..\\a"], "leaves"),
        (["data//a"], "leaves"),
        (["data/a\nb"], "character"),
        (["data/a\x00"], "character"),
        (["data/a\udcff"], "character"),
        (["data/a."], "full stop"),
        (["data/a "], "space"),
        (["data/A", "data/a"], "case"),
        (["data/\u00e9", "data/e\u0301"], "Unicode form"),
        (["data/STRASSE", "data/straße"], "case"),
        (["data/Notes/x", "data/notes/y"], "case"),
        (["data/a/Notes/b/x", "data/a/notes"], "case"),
        (["data/\u00e9/x", "data/e\u0301/y"], "Unicode form"),
        (["data/CON"], "Windows"),
        (["data/nul.txt"], "Windows"),
        (["data/aux/letter.txt"], "Windows"),
        (["data/com1.tar.gz"], "Windows"),
        (["data/a:b"], "Windows"),
        (["data/a?b"], "Windows"),
        (["data/a*b/c"], "Windows"),
        (['data/"a"'], "Windows"),
    ],
)
def test_names_that_mean_something_else_elsewhere(names: list[str], fault: str) -> None:
    (told,) = name_faults(names)
    assert fault in told


def test_ordinary_names_are_fine() -> None:
    names = ["data/runs/a.run/ledger.jsonl", "data/files/für 50%.csv", "data/console.txt", "bagit.txt"]
    assert not list(name_faults(names))


def test_information_is_one_line_for_each_value() -> None:
    text = info_text({"Contact": ["a\nb", "c"], "Payload-Oxum": "3.1"})
    assert text == "Contact: a b\nContact: c\nPayload-Oxum: 3.1\n"
    assert parsed_info(text) == {"Contact": ["a b", "c"], "Payload-Oxum": ["3.1"]}
