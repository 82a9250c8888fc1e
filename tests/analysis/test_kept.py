"""Rows kept by column: cells come back as they were, whatever takes the least memory; means of what repeats."""

from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grace.analysis.kept import FEW, SOME, KeptCells, KeptRows
from grace.analysis.statistics import mean_of

NAMES = ("same", "some", "each", "long")


def rows_of(count: int) -> list[list[str]]:
    return [["yes", f"é{row % 7}", str(row), "x" * (row % 5)] for row in range(count)]


@pytest.mark.parametrize("count", [1, FEW - 1, FEW, FEW + 1, 999, 1001, SOME, SOME + 1, SOME + 1500])
def test_cells_come_back_as_they_were(count: int) -> None:
    rows = rows_of(count)
    kept = KeptRows(NAMES, rows, (), ("same", "each"))
    assert kept.rows == count
    assert [list(cells) for cells in zip(*(kept.columns[name] for name in NAMES), strict=True)] == rows
    places = {0, count // 2, count - 1}
    assert [kept.key(place) for place in places] == [f"yes\0{place}" for place in places]
    assert [dict(KeptCells(kept.columns, place)) for place in places] == [
        dict(zip(NAMES, rows[place], strict=True)) for place in places
    ]


@pytest.mark.parametrize("count", [3, SOME + 10])
def test_what_counts_as_empty_is_empty_and_keys_have_it_as_written(count: int) -> None:
    rows = [["NA" if row % 3 == 0 else str(row)] for row in range(count)]
    kept = KeptRows(("each",), rows, ("", "NA"), ("each",))
    assert list(kept.columns["each"]) == ["" if cell == "NA" else cell for (cell,) in rows]
    assert kept.key(0) == "NA"
    assert KeptRows(("each",), rows, ("", "NA"), ()).key(0) is None


def test_a_column_that_is_not_there_has_no_cell() -> None:
    cells = KeptCells(KeptRows(NAMES, rows_of(2), (), ()).columns, 1)
    assert "other" not in cells
    assert cells.get("other") == ""
    assert cells.get("other", "none") == "none"
    assert len(cells) == len(NAMES)
    with pytest.raises(KeyError):
        cells["other"]


@pytest.mark.parametrize("count", [5, SOME + 10])
def test_numbers_are_read_in_cells_of_few_or_many_kinds(count: int) -> None:
    said = ["40%", "$7", " 1,5 ", "none", ""]
    rows = [[said[row % 5] if row < 5 else str(row)] for row in range(count)]
    column = KeptRows(("each",), rows, (), ()).columns["each"]
    assert [column.number(place) for place in range(5)] == [40, 7, 1.5, None, None]
    assert column.number(count - 1) == (None if count == 5 else count - 1)
    assert KeptCells({"each": column}, 1).number("each") == 7
    assert KeptCells({"each": column}, 1).number("other") is None


@given(st.lists(st.tuples(st.floats(-1e9, 1e9), st.integers(1, 50)), min_size=1, max_size=20))
def test_the_mean_of_what_repeats_is_that_of_all_values_to_the_last_bit(values: list[tuple[float, int]]) -> None:
    assert mean_of(values) == fmean(value for value, times in values for _ in range(times))
