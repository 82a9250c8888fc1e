"""Benchmarks say what got slower since the ratios that were kept, and nothing of what only varies."""

from pathlib import Path

import pytest
from benchmarks.__main__ import BENCHMARKS
from benchmarks.earlier import RATIOS, Ratio, read_ratios, slower, write_ratios
from benchmarks.parts import Result


def test_a_ratio_is_the_median_of_its_repeats_with_their_range() -> None:
    assert Ratio.of([3.0, 1.0, 2.0]) == Ratio(2.0, 1.0, 3.0, 3)


@pytest.mark.parametrize(("now", "said"), [
    ([1.0, 1.0, 1.0], []),
    ([0.91, 0.92, 0.91], []),
    ([5.0], []),
    ([0.8, 0.81, 0.79], ["rate: 20% slower than before, 0.8 (0.79 to 0.81, n = 3) and was 1 (0.95 to 1.1, n = 3)"]),
    ([0.8, 0.96], ["rate: 12% slower than before, 0.88 (0.8 to 0.96, n = 2) and was 1 (0.95 to 1.1, n = 3); the ranges "
                   "overlap, so measure again"]),
])  # fmt: skip
def test_what_is_more_than_a_tenth_below(now: list[float], said: list[str]) -> None:
    assert slower({"rate": Ratio.of([0.95, 1.0, 1.1])}, {"rate": Ratio.of(now)}) == said


def test_a_ratio_that_is_gone_is_told_and_a_new_one_is_not() -> None:
    one = Ratio.of([1.0])
    assert slower({"old": one}, {"new": one}) == ["old: not measured any more"]


def test_ratios_are_read_as_they_were_written(tmp_path: Path) -> None:
    ratios = {"latency": {"Grace to a bare loop": Ratio.of([0.96, 0.9, 1.02])}}
    write_ratios(tmp_path / "ratios.json", ratios)
    assert read_ratios(tmp_path / "ratios.json") == ratios
    assert read_ratios(tmp_path / "none.json") == {}


def test_the_kept_ratios_are_of_benchmarks_that_there_are() -> None:
    kept = read_ratios(RATIOS)
    assert kept
    assert kept.keys() <= BENCHMARKS.keys()
    assert all(ratio.low <= ratio.median <= ratio.high for own in kept.values() for ratio in own.values())


def test_a_result_without_figures_is_still_a_section() -> None:
    assert Result("x", "y").markdown() == "## x: not run\n\nTarget: y.\n"
