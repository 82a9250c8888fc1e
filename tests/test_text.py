"""Text for people: whatever a file or a model says gives no orders, keeps its letters, and near names are found."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grace.text import did_you_mean, harmless, nearest, one_line, printable, shortened, sized, visible

ORDERS = "\x00\x07\x1b[31m\x7f\x85\x9b\u2028\u2029\u202e\u2066"


@pytest.mark.parametrize("clean", [one_line, printable, harmless, visible])
def test_no_order_to_a_terminal_is_left(clean: object) -> None:
    text = clean(f"before {ORDERS} after")  # type: ignore[operator]
    assert text.startswith("before")
    assert text.endswith("after")
    assert not set(text) & set("\x00\x07\x1b\x7f\x85\x9b\u2028\u2029\u202e\u2066")


@given(st.text())
def test_cleaned_text_is_clean_already(text: str) -> None:
    assert one_line(one_line(text)) == one_line(text)
    assert harmless(harmless(text)) == harmless(text)
    assert printable(text).isprintable()


def test_lines_stay_where_they_are_wanted() -> None:
    assert harmless("a\r\nb\tc\rd") == "a\nb\tc\ufffdd"
    assert one_line(" a\n\tb ") == "a b"
    assert printable("a\nb\ud800") == "a\\nb\\ud800"
    assert visible("e\u0301 \n x\u200b") == "\u00e9 x"


@given(st.text(), st.integers(3, 80))
def test_shortened_text_fits(text: str, most: int) -> None:
    assert len(shortened(text, most)) <= most
    assert shortened(text, most) == text or "…" in shortened(text, most)


def test_near_names() -> None:
    assert nearest("Speach", ["speech", "access"]) == "speech"
    assert nearest("zzz", ["speech", "access"]) is None
    assert did_you_mean("acess", {"speech": 1, "access": 2}) == " (did you mean 'access'?)"
    assert did_you_mean("zzz", []) == ""
    assert did_you_mean("a\x1b", ["a\x1b\x1b"]) == " (did you mean 'a\\x1b\\x1b'?)"


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (2_345_678, "2.3 MB"),
        (7e9, "7.0 GB"),
        (1.5e15, "1500.0 TB"),
    ],
)
def test_sizes_are_said_in_powers_of_a_thousand(number: float, text: str) -> None:
    assert sized(number) == text
