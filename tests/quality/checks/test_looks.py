"""A check that remembers rows sees each different row once, and says of equal ones the same."""

import pytest

from grace.quality import looks
from grace.quality.layout import Cells


def test_equal_cells_are_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looks, "REMEMBERED", 2)
    seen: list[str] = []

    def look(cells: Cells) -> list[str]:
        seen.append(cells["a"] + cells["b"])
        return [cells["a"]]

    remembered = looks.remembered(("a", "b", "a"), look)
    rows = [{"a": a, "b": b, "c": c} for a, b, c in ("xy1", "xy2", "xz1", "xy3", "yz1", "xy1")]
    assert [remembered(Cells(row)) for row in rows] == [(row["a"],) for row in rows]
    assert seen == ["xy", "xz", "yz", "xy"]  # the third different row made it forget the others
