"""A check that remembers rows sees each different row once, and says of equal ones the same."""

import pytest

from grace.quality import looks
from grace.quality.layout import Cells, places_of
from grace.quality.looks import CellLook, Remembered, RememberedCells, RowLook, Unit


def test_equal_cells_are_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looks, "REMEMBERED", 2)
    seen: list[str] = []

    def look(cells: Cells) -> list[Unit]:
        seen.append(cells["a"] + cells["b"])
        return [Unit("", [("a", cells["a"])])]

    remembered = Remembered(RowLook(("a", "b", "a", "absent"), look), places_of(("a", "b", "c")))
    for row in ("xy1", "xy2", "xz1", "xy3", "yz1", "xy1"):
        assert remembered.see([row], {}) == ({"": 1}, [(0, Unit("", [("a", row[0])]))])
    assert seen == ["xy", "xz", "yz", "xy"]  # the third different row made it forget the others


def test_rows_together_are_seen_as_one_by_one() -> None:
    def look(cells: Cells) -> list[Unit]:
        return [Unit(cells["a"], [("b", "is y")] if cells["b"] == "y" else [])] if cells["a"] else []

    rows = [("x", "y"), ("x", "z"), ("", "y"), ("x", "y"), ("z", "z"), (None, "y")]
    units, bad = Remembered(RowLook(("a", "b"), look), places_of(("a", "b"))).see(rows, {})
    assert units == {"x": 3, "z": 1}
    assert bad == [(place, Unit("x", [("b", "is y")])) for place in (0, 3)]


def test_cells_are_looked_at_once_and_excused_by_their_own_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looks, "REMEMBERED", 3)
    seen: list[str] = []

    def fault_of(cell: str) -> str | None:
        seen.append(cell)
        return None if cell else "is empty"

    cells = RememberedCells(CellLook("a", fault_of, "why"), places_of(("why", "a")))
    empty = Unit("", [("a", "is empty")])
    for _ in range(2):
        rows = [("", "x"), ("", ""), ("it failed", ""), ("NA", None), ("", "x")]
        assert cells.see(rows, {}) == ({"": 5}, [(1, empty), (3, empty)])
    assert sorted(seen) == ["", "", "x"]
    cells.see([("", "y")], {})
    assert cells.see([("", "")], {}) == ({"": 1}, [(0, empty)])  # it was forgotten meanwhile
    assert sorted(seen) == ["", "", "", "x", "y"]


def test_a_column_that_is_not_there_is_empty() -> None:
    cells = RememberedCells(CellLook("a", lambda cell: None if cell else "is empty"), places_of(("b",)))
    assert cells.see([("x",)], {}) == ({"": 1}, [(0, Unit("", [("a", "is empty")]))])
