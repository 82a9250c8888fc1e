"""Tests' numbers: against what R gives, against libraries, and under the null hypothesis."""

import math
import random
from collections.abc import Sequence

import pytest

pytest.importorskip("statsmodels")

import numpy as np
from scipy import stats

from grace.analysis.mixed import INFORMATIVE, BinaryAnswer, evidence_bound, mixed_tests, separable
from grace.analysis.names import PLANNED, TestName
from grace.analysis.statistics import (
    Numbers,
    Observation,
    binomial_test,
    clustered_t_test,
    effective,
    holm,
    mean_and_se,
    t_test,
    two_way_anova,
    wilson,
)

NAME = TestName(PLANNED, "a comparison")
SLEEP = (0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0), (1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4)
"""Extra hours of sleep with two drugs (Student 1908): R's data set `sleep`."""


def distinct(values: Sequence[float]) -> Numbers:
    return Numbers(values, [str(place) for place in range(len(values))])


def test_paired_t_is_that_of_r() -> None:
    differences = [b - a for a, b in zip(*SLEEP, strict=True)]
    test = t_test(NAME, distinct(differences), "greater")
    # R: with(sleep, t.test(extra[group == 2], extra[group == 1], paired = TRUE, alternative = "greater"))
    assert test.statistic == pytest.approx(4.062127683382037, abs=1e-12)
    assert test.df1 == 9
    assert test.p == pytest.approx(0.002832890197 / 2, abs=1e-9)
    assert test.effect_size == pytest.approx(4.062127683382037 / math.sqrt(10))
    assert (test.n, test.n_effective, test.note) == (10, 10.0, "")


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ([], "no rows"),
        ([3.0], "a single row has no variance"),
        ([100.0, 100.0, 100.0], "all 3 values are equal (100)"),
        ([0.1 + 0.2, 0.3, 0.3], "all 3 values are equal (0.3)"),  # rounding is no variance, as R says too
        ([0.0, 0.0], "all 2 values are equal (0)"),
    ],
)
def test_what_is_not_defined_has_a_reason_and_no_number(values: list[float], why: str) -> None:
    test = t_test(NAME, distinct(values), "greater")
    assert (test.statistic, test.p, test.effect_size) == (None, None, None)
    assert test.note.startswith(why)
    assert clustered_t_test(NAME, distinct(values), "greater").p is None
    assert [one.p for one in two_way_anova(("a", "b"), [Observation("1", "1", v, "s") for v in values])] == [None] * 4


def test_clustered_t_counts_each_stimulus_once() -> None:
    sample = Numbers([1, 3, 5, 5, 5, 5, 9], ["a", "a", "b", "b", "b", "b", "c"])
    test = clustered_t_test(NAME, sample, "greater")
    expected = stats.ttest_1samp([2, 5, 9], 0, alternative="greater")
    assert test.statistic == pytest.approx(expected.statistic)
    assert (test.df1, test.n, test.n_effective) == (2, 7, 3)
    single = clustered_t_test(NAME, Numbers([1, 2], ["a", "a"]), "greater")
    assert single.note == "a single stimulus has no variance"
    assert "does not tell" in clustered_t_test(NAME, Numbers([1, 2], None), "greater").note


def test_effective_n() -> None:
    assert effective({"": distinct([1, 2, 3])}) == 3  # no stimulus stands twice
    assert effective({"": Numbers([1, 1, 5, 5], ["a", "a", "b", "b"])}) == 2  # replications that say the same
    assert effective({"": Numbers([7, 7, 7, 7], ["a", "a", "b", "b"])}) == 2  # nothing differs, so nothing is known
    assert effective({"": Numbers([1, 2, 3, 4], ["a"] * 4)}) == 1
    rng = random.Random(3)
    independent = Numbers([rng.gauss(0, 1) for _ in range(2000)], [str(i % 50) for i in range(2000)])
    assert effective({"": independent}) > 1000
    shared = [rng.gauss(0, 1) for _ in range(50)]
    half = Numbers([shared[i % 50] + rng.gauss(0, 1) for i in range(2000)], [str(i % 50) for i in range(2000)])
    assert effective({"": half}) == pytest.approx(2000 / (1 + 39 * 0.5), rel=0.3)
    moved = {"a": half, "b": Numbers([value + 100 for value in half.values], half.stimuli)}
    assert effective(moved) == pytest.approx(2 * effective({"": half}))  # cells may differ by design


def test_holm_is_that_of_r_and_leaves_out_what_has_no_p() -> None:
    tests = [t_test(NAME, distinct(v), "greater") for i, v in enumerate([[1, 2, 4], [1, 1], [3, 4, 5], [-1, 2, 1]])]
    raw = [test.p for test in tests if test.p is not None]
    first, second, third = sorted(raw)  # R: p.adjust(p, "holm")
    expected = {first: min(1, 3 * first), second: max(3 * first, 2 * second), third: max(3 * first, 2 * second, third)}
    corrected = holm(tests)
    assert [test.p_holm for test in corrected if test.p] == pytest.approx([expected[p] for p in raw])
    assert corrected[1].p_holm is None


def test_anova_is_that_of_r_in_a_design_with_empty_cells() -> None:
    import pandas
    from statsmodels.formula.api import ols
    from statsmodels.stats.anova import anova_lm

    rng = random.Random(5)
    cells = [("1", "one"), ("2", "one"), ("2", "two"), ("3", "one"), ("3", "two"), ("3", "three")]
    numbers = [25, 26, 25, 43, 44, 48]  # the published ones
    data = [
        Observation(*cell, rng.gauss(10 * place, 15), f"{cell}{i}")
        for place, (cell, n) in enumerate(zip(cells, numbers, strict=True))
        for i in range(n)
    ]
    tests = {str(test.name): test for test in two_way_anova(("access", "word"), data)}
    assert [(test.df1, test.df2) for test in tests.values()] == [(2, 205), (2, 205), (1, 205), (2, 205)]
    table = pandas.DataFrame(
        {"y": [d.value for d in data], "a": [d.first for d in data], "w": [d.second for d in data]}
    )
    table["cell"] = table.a + table.w
    models = [ols(formula, table).fit() for formula in ("y ~ 1", "y ~ a", "y ~ a + w", "y ~ cell")]
    nested = anova_lm(*models)  # R: anova(lm(y ~ a * w))
    for name, place in (("anova:access", 1), ("anova:word", 2), ("anova:access:word", 3)):
        assert tests[name].statistic == pytest.approx(nested["F"].iloc[place], rel=1e-9)
        assert tests[name].p == pytest.approx(stats.f.sf(nested["F"].iloc[place], nested["df_diff"].iloc[place], 205))
    swapped = two_way_anova(("word", "access"), [Observation(d.second, d.first, d.value, "") for d in data])
    assert tests["anova:access|word"].statistic == pytest.approx(swapped[1].statistic)


def test_anova_says_what_empty_cells_leave_undefined() -> None:
    rng = random.Random(1)
    data = [Observation(a, w, rng.gauss(0, 1), None) for a, w in [("1", "one"), ("2", "two")] for _ in range(5)]
    access, word, both, given = two_way_anova(("access", "word"), data)
    assert access.p is not None
    assert access.n_effective is None
    for test in (word, both, given):
        assert test.p is None
        assert "cannot be estimated" in test.note
    equal = [Observation(a, "one", float(a), "s") for a in "112233"]
    assert "no variance" in two_way_anova(("access", "word"), equal)[0].note


def test_wilson_and_binomial() -> None:
    assert wilson(0.25, 8) == pytest.approx((0.0714, 0.5907), abs=1e-4)
    assert wilson(0, 10)[0] == 0
    assert wilson(1, 10)[1] == 1
    assert wilson(0, 0) == (None, None)
    test = binomial_test(NAME, distinct([1.0] * 8 + [0.0] * 2), 0.5)
    assert (test.statistic, test.p) == (8, pytest.approx(0.109375))  # R: binom.test(8, 10, 0.5)
    assert binomial_test(NAME, distinct([]), 0.5).note == "no rows"
    assert mean_and_se([2.0]) == (2.0, None)
    assert mean_and_se([]) == (None, None)


def test_null_p_values_are_uniform_by_row_and_by_stimulus() -> None:
    rng = random.Random(11)
    rows, stimuli, f = [], [], []
    for _ in range(500):
        rows.append(t_test(NAME, distinct([rng.gauss(0, 20) for _ in range(25)]), "greater").p)
        shared = [rng.gauss(0, 10) for _ in range(6)]
        sample = Numbers([shared[i % 6] + rng.gauss(0, 10) for i in range(48)], [str(i % 6) for i in range(48)])
        stimuli.append(clustered_t_test(NAME, sample, "greater").p)
        cells = [("1", "one"), ("2", "one"), ("2", "two"), ("3", "one"), ("3", "two"), ("3", "three")]
        data = [Observation(*cell, rng.gauss(0, 20), None) for cell in cells for _ in range(8)]
        f.append([test.p for test in two_way_anova(("a", "w"), data)])
    assert stats.kstest(rows, "uniform").pvalue > 0.01
    assert stats.kstest(stimuli, "uniform").pvalue > 0.01
    for column in np.array(f, dtype=float).T:
        assert stats.kstest(column, "uniform").pvalue > 0.01


def outcomes(rng: random.Random, people: int, share: dict[tuple[str, str], float], spread: float) -> list[BinaryAnswer]:
    """Each person answers each condition once, with another item each time."""
    items = [rng.gauss(0, spread) for _ in range(12)]
    found = []
    for person in range(people):
        of_person = rng.gauss(0, spread)
        order = rng.sample(range(12), 12)
        for item, (levels, p) in zip(order, share.items(), strict=True):
            logit = math.inf if p == 1 else -math.inf if p == 0 else math.log(p / (1 - p)) + of_person + items[item]
            yes = rng.random() < (1 / (1 + math.exp(-logit)) if math.isfinite(logit) else p)
            found.append(BinaryAnswer(int(yes), levels, {"participant": str(person), "item": str(item)}))
    return found


CELLS = [(goal, state) for goal in ("both", "info", "social") for state in "0123"]


@pytest.mark.slow
def test_mixed_model_has_uniform_p_values_where_people_and_items_differ() -> None:
    rng = random.Random(2)
    state_only = {cell: (0.7, 0.5, 0.3, 0.2)[int(cell[1])] for cell in CELLS}
    p = [[test.p for test in mixed_tests(("goal", "state"), outcomes(rng, 30, state_only, 0.7))] for _ in range(40)]
    goal, state, both = np.array(p, dtype=float).T
    assert stats.kstest(goal, "uniform").pvalue > 0.01
    assert stats.kstest(both, "uniform").pvalue > 0.01
    assert (state < 1e-5).all()  # the planted effect


def test_mixed_model_has_the_bound_of_statsmodels(monkeypatch: pytest.MonkeyPatch) -> None:
    from scipy.sparse import csr_array
    from statsmodels.genmod import bayes_mixed_glm
    from statsmodels.genmod.bayes_mixed_glm import BinomialBayesMixedGLM

    nodes, weights = np.polynomial.hermite_e.hermegauss(10)  # in the layout of the package's own, which sum to 0.999
    monkeypatch.setattr(bayes_mixed_glm, "glw", list(zip(weights * np.exp(nodes**2 / 2) / 5, nodes / 5, strict=True)))

    rng = np.random.default_rng(3)
    yes, fixed = rng.integers(0, 2, 60).astype(float), rng.normal(size=(60, 3))
    random_ = np.hstack([np.eye(5)[rng.integers(0, 5, 60)], np.eye(4)[rng.integers(0, 4, 60)]])
    kinds = np.repeat([0, 1], [5, 4])
    package = BinomialBayesMixedGLM(yes, fixed, random_, kinds, vcp_p=1.0, fe_p=2.5)
    columns = csr_array(np.hstack([fixed, random_]))
    order = [0, 1, 2, 12, 13, *range(3, 12)]  # the package has the standard deviations before the random intercepts
    for size in (0.1, 0.5, 1.0):
        x = rng.normal(0, size, 28)
        means, sds = x[:14][order], np.exp(x[14:][order])
        value, gradient = evidence_bound(x, columns, columns**2, yes, kinds, 2.5)
        of_means, of_sds = package.vb_elbo_grad(means, sds)
        assert -value == pytest.approx(package.vb_elbo(means, sds))
        assert -gradient[:14][order] == pytest.approx(of_means)
        assert -gradient[14:][order] == pytest.approx(of_sds * sds)  # here it is that of the logarithms


def test_mixed_model_finds_nothing_in_sparse_noise() -> None:
    rng = random.Random(6)
    null = dict.fromkeys(CELLS, 0.15)
    tests = [mixed_tests(("goal", "state"), outcomes(rng, 10, null, 0.0)) for _ in range(30)]
    assert sum("complete separation" in own[2].note for own in tests) > 10
    for place in range(3):
        assert sum((own[place].p or 0) < 0.05 for own in tests) <= 4  # 1.5 expected; 5 or more has a chance of 2%


def test_mixed_model_says_when_the_prior_decides() -> None:
    rng = random.Random(4)
    share = {cell: 0.0 if cell[1] == "3" else 0.6 if cell[0] == "both" else 0.3 for cell in CELLS}
    found = outcomes(rng, 80, share, 0.5)
    goal, state, both = mixed_tests(("goal", "state"), found)
    for test in (goal, state, both):
        assert f"sd {INFORMATIVE:g}" in test.note
        assert "complete separation" in test.note
        assert "participant (sd" in test.note
        assert test.n_effective is None  # what the answers are about is not told
    assert goal.p is not None
    assert state.p is not None
    assert goal.p < 1e-6
    assert state.p < 0.01  # cautious: 0 of 240 against 3 of 10, which a likelihood ratio would call far less likely
    assert mixed_tests(("goal", "state"), found) == [goal, state, both]  # nothing is drawn
    usual = mixed_tests(("goal", "state"), outcomes(rng, 80, dict.fromkeys(CELLS, 0.4), 0.5))
    assert "separation" not in usual[0].note


def test_mixed_model_with_nothing_to_explain() -> None:
    same = [BinaryAnswer(0, cell, {"participant": "1", "item": "1"}) for cell in CELLS]
    for found in ([], same):
        assert [test.p for test in mixed_tests(("goal", "state"), found)] == [None] * 3
    lone = [BinaryAnswer(place % 2, ("both", "0"), {"participant": str(place), "item": "1"}) for place in range(6)]
    tests = mixed_tests(("goal", "state"), lone)
    assert {test.note for test in tests} == {"a factor has one level only"}


def test_separation_is_found_in_any_direction() -> None:
    x = np.array([0.0, 1, 2, 3, 4, 5])
    columns = np.column_stack([np.ones(6), x])
    assert separable(columns, (x > 2).astype(float))
    assert separable(columns, np.array([0, 0, 0, 0, 0, 1.0]))
    assert not separable(columns, np.array([0, 1, 0, 1, 0, 1.0]))
    quasi = np.column_stack([np.ones(6), [0, 0, 0, 1, 1, 1]])
    assert separable(quasi, np.array([0, 1, 0, 1, 1, 1.0]))  # one level has only yes
