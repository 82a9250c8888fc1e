"""Krippendorff's alpha against published examples, and against its definition computed in another way."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grace.review.alpha import Level, alpha

# Krippendorff (2011), Computing Krippendorff's Alpha-Reliability: four observers, twelve units, missing values.
OBSERVERS = ("123321412...", "1233224125.3", ".3332342251.", "1233244125 1.".replace(" ", ""))
UNITS = [[float(cell) for cell in unit if cell != "."] for unit in zip(*OBSERVERS, strict=True)]
# The same paper: two observers, ten units, two labels.
TWO = [(one, other) for one, other in zip("0100000010", "1110010000", strict=True)]


@pytest.mark.parametrize(("level", "value"), [("nominal", 0.743), ("interval", 0.849)])
def test_it_is_what_the_paper_says_of_four_observers(level: Level, value: float) -> None:
    assert alpha(UNITS, level) == pytest.approx(value, abs=5e-4)


def test_it_is_what_the_paper_says_of_two_observers() -> None:
    assert alpha(TWO, "nominal") == pytest.approx(0.095, abs=5e-4)


def test_perfect_agreement_is_one_and_systematic_disagreement_is_below_zero() -> None:
    assert alpha([("a", "a"), ("b", "b")], "nominal") == 1
    assert alpha([("a", "b"), ("b", "a")], "nominal") < 0  # type: ignore[operator]


@pytest.mark.parametrize("units", [[], [("a",)], [("a", "a"), ("a", "a")], [("a",), ("b",)]])
def test_without_two_values_to_tell_apart_there_is_none(units: list[tuple[str, ...]]) -> None:
    assert alpha(units, "nominal") is None


def by_definition(units: list[list[float]], level: Level) -> float | None:
    """Alpha by a matrix of coincidences, pair by pair."""

    def difference(one: float, other: float) -> float:
        return float(one != other) if level == "nominal" else (one - other) ** 2

    matrix: dict[tuple[float, float], float] = {}
    for unit in units:
        for one, other in permutations(unit, 2):
            matrix[one, other] = matrix.get((one, other), 0) + 1 / (len(unit) - 1)
    margins: dict[float, float] = {}
    for (one, _), times in matrix.items():
        margins[one] = margins.get(one, 0) + times
    number = sum(margins.values())
    observed = sum(times * difference(*pair) for pair, times in matrix.items())
    expected = sum(
        margins[one] * margins[other] * difference(one, other) for one in margins for other in margins if one != other
    )
    return 1 - (number - 1) * observed / expected if expected else None


values = st.lists(st.lists(st.integers(0, 4).map(float), max_size=4), max_size=12)


@given(values, st.sampled_from(["nominal", "interval"]))
def test_it_is_the_definition(units: list[list[float]], level: Level) -> None:
    mine, other = alpha(units, level), by_definition(units, level)
    assert (mine is None) == (other is None)
    if mine is not None:
        assert mine == pytest.approx(other, abs=1e-9)
