"""Kubernetes quantities: what they mean, and the 20% that stand between a request and its limit."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("kubernetes_validate")

from grace.policy.quantities import quantity
from policy_examples import checked, job

FACTORS = {
    "": Fraction(1),
    "n": Fraction(1, 10**9),
    "u": Fraction(1, 10**6),
    "m": Fraction(1, 1000),
    **{unit: Fraction(1000) ** power for power, unit in enumerate("kMGTPE", start=1)},
    **{f"{unit}i": Fraction(1024) ** power for power, unit in enumerate("KMGTPE", start=1)},
}


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("5", 5),
        (6, 6),
        (0.5, 0.5),
        ("500m", 0.5),
        ("19Gi", 19 * 2**30),
        ("1e3", 1000),
        ("1E3", 1000),
        ("2E", 2e18),
        ("2.5G", 2.5e9),
        (".5", 0.5),
        ("1.", 1),
        ("12.1Gi", 12.1 * 2**30),
        ("100k", 1e5),
        ("-1", -1),
    ],
)
def test_quantities(text: object, number: float):
    assert quantity(text) == pytest.approx(number, rel=1e-12)


@pytest.mark.parametrize(
    "text", ["", "16GB", "16gi", "1 Gi", "K", "100K", "1e", "1e3Gi", "five", "0x10", "١", True, None, [], "1e999"]
)
def test_what_is_no_quantity(text: object):
    assert quantity(text) is None


@given(st.decimals(0, 10**6, places=3), st.sampled_from(sorted(FACTORS)))
def test_a_quantity_is_its_number_times_its_unit(number, unit):
    exact = Fraction(number) * FACTORS[unit]
    assert quantity(f"{number}{unit}") == pytest.approx(float(exact), rel=1e-12)


@given(st.integers(1, 10**9), st.sampled_from(["m", "", "Mi", "Gi"]))
def test_exactly_120_percent_is_within_20_percent_whatever_the_unit(request_amount: int, unit: str):
    limit = Fraction(request_amount) * 6 / 5
    text = f"{float(limit):.1f}{unit}"  # a multiple of 1/5 has one decimal
    amounts = f"cpu: '{request_amount}{unit}'"
    assert "NRP002" not in ratio_rules(amounts, f"cpu: '{text}'")


@given(st.integers(1, 10**6))
def test_one_thousandth_of_a_core_above_is_not(tens: int):
    assert "NRP002" in ratio_rules(f"cpu: {tens * 10}m", f"cpu: {tens * 12 + 1}m")


def ratio_rules(requests: str, limits: str) -> set[str]:
    """The rules of NRP that a Job with these amounts breaks."""
    from grace.policy.cluster_file import load_cluster

    document = job(
        ('requests: {cpu: "1", memory: 2Gi}', f"requests: {{{requests}, memory: 2Gi}}"),
        ('limits: {cpu: "1", memory: 2Gi}', f"limits: {{{limits}, memory: 2Gi}}"),
    )
    return {finding.rule.id for finding in checked(document, cluster=load_cluster("nrp")).findings}
