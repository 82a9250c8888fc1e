"""Decisions about effects, repeated measures, likelihood ratios: against second implementations, and by simulation."""

import itertools
import random
from dataclasses import replace

import numpy as np
import pytest
from benchmarks.simulations.effects import decided
from benchmarks.simulations.floor import fits
from benchmarks.simulations.ratios import PLANTED, drawn_p
from scipy import stats

from grace.analysis.bootstrap import with_unseen
from grace.analysis.decisions import decide, sign_flips
from grace.analysis.effects import Estimate, estimate, variance_of_pairs
from grace.analysis.equivalence import p_of_agreement, p_of_same_shift, tost
from grace.analysis.mixed import BinaryAnswer, mixed_tests, worth_of
from grace.analysis.names import AUTHORS, LIKELIHOOD, MIXED, PLANNED, TestName
from grace.analysis.people import study2_counts
from grace.analysis.references import against, yardsticks
from grace.analysis.samples import Sample
from grace.analysis.statistics import (
    Numbers,
    Observation,
    binomial_test,
    repeated_anova,
    stimulus_test,
    t_test,
    two_way_anova,
)
from grace.analysis.studies import ANALYSES
from grace.analysis.study1 import own_predictions
from grace.report.phrases import verdict

POLITENESS = ANALYSES["study2"]


def crossed(values: np.ndarray) -> Sample:
    """Values of shape (conditions, items, labels), a row for each stimulus."""
    conditions, items, labels = values.shape
    cells, of = np.repeat(np.arange(conditions), items), np.tile(np.arange(items), conditions)
    return Sample(values.reshape(-1, labels), cells, np.arange(len(cells)), conditions, items=of)


# --- effects ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("items", "low"), [(6, 0.49), (12, 0.74)])
def test_all_against_none_is_shown_and_not_certain(items: int, low: float) -> None:
    """100% against 0% at 24 stimuli, or at 12: nothing varies, so there is no t."""
    values = np.zeros((2, items, 2))
    values[0, :, 0] = values[1, :, 1] = 1
    weights = np.array([[1.0, 0], [-1, 0]])
    effect = estimate(crossed(values).grouped, weights)
    assert (effect.value, effect.stimuli, effect.p) == (1, 2 * items, 0.5**items)
    (decision,) = decide([effect], [weights])
    assert (decision.verdict, decision.p, decision.high) == ("shown", 0.5 ** (items - 1), 1)
    assert decision.low == pytest.approx(low, abs=0.01)
    (reverse,) = decide([estimate(crossed(values[::-1]).grouped, weights)], [weights])
    assert (reverse.verdict, reverse.low) == ("reversed", -1)


def test_pairs_that_are_added_make_agresti_and_mins_interval() -> None:
    """Of 10 pairs 3 differ in one direction and 1 in the other: cells of 3.5 and 1.5 among 12."""
    b, c, n = 3.5, 1.5, 12
    wald = (b + c - (b - c) ** 2 / n) / n**2
    assert variance_of_pairs(np.array([1.0] * 3 + [-1.0] + [0.0] * 6)) == pytest.approx(wald)


def test_what_items_do_to_all_conditions_is_no_error() -> None:
    rng = np.random.default_rng(1)
    items = rng.normal(0, 0.1, 8)
    values = np.stack([0.6 + items, 0.4 + items])[..., None] + rng.normal(0, 0.01, (2, 8, 1))
    weights = np.array([[1.0], [-1]])
    paired = estimate(crossed(values).grouped, weights)
    expected = stats.ttest_rel(values[0, :, 0], values[1, :, 0], alternative="greater")
    assert (paired.statistic, paired.df, paired.p) == pytest.approx((expected.statistic, 7, expected.pvalue))
    kept = np.arange(16) != 3  # an item lacks a condition
    sample = crossed(values)
    fewer = Sample(sample.values[kept], sample.cells[kept], np.arange(15), 2, items=np.tile(np.arange(8), 2)[kept])
    less = estimate(fewer.grouped, weights)
    own = np.arange(8) != 3
    expected = stats.ttest_rel(values[0, own, 0], values[1, own, 0])
    assert (less.statistic, less.df) == pytest.approx((expected.statistic, 6))
    assert less.reason == "over 7 of 8 items; others lack a condition"


def test_flipped_signs_are_those_of_scipy() -> None:
    rng = np.random.default_rng(2)
    values = rng.normal(0.5, 1, (1, 9))
    expected = stats.permutation_test(
        (values[0], -values[0]), lambda x, y, axis: (x - y).mean(axis), permutation_type="samples", n_resamples=np.inf
    )
    assert sign_flips(values)[0] == pytest.approx(expected.pvalue)


def test_corrected_p_is_that_of_plain_loops() -> None:
    """Step-down maxT once more, over all signs, with an item that one effect lacks."""
    rng = np.random.default_rng(3)
    contrasts = rng.normal([[1.2], [0.4], [0.0]], 1, (3, 7))
    contrasts[1, 2] = np.nan

    def statistic(row: np.ndarray, signs: tuple[int, ...]) -> float:
        own = [(value, sign) for value, sign in zip(row, signs, strict=True) if not np.isnan(value)]
        mean = sum(value * sign for value, sign in own) / len(own)
        return abs(mean) / np.sqrt(sum(value**2 for value, _ in own) / len(own))

    flips = list(itertools.product((1, -1), repeat=7))
    drawn = np.array([[statistic(row, signs) for row in contrasts] for signs in flips])
    order = np.argsort(-drawn[0])
    expected, before = np.zeros(3), 0.0
    for rank, place in enumerate(order):
        largest = drawn[:, order[rank:]].max(axis=1)
        before = expected[place] = max(before, float(np.mean(largest >= drawn[0, place] - 1e-9)))
    assert sign_flips(contrasts) == pytest.approx(expected)


def test_a_small_effect_is_absent_only_where_that_is_sure() -> None:
    weights = np.array([[1.0, -1]])
    rng = np.random.default_rng(4)
    for spread, expected in ((0.01, "absent"), (0.3, "not shown")):
        half = 0.5 + rng.normal(0, spread / 2, (1, 12, 1))
        half += 0.5 - half.mean()
        (decision,) = decide([estimate(crossed(np.concatenate([half, 1 - half], axis=2)).grouped, weights)], [weights])
        assert decision.verdict == expected


def test_one_tail_decides_nothing() -> None:
    weights = np.array([[1.0]])
    (decision,) = decide([Estimate(0.2, 0.1, 20, 21)], [weights])
    assert stats.t.sf(2, 20) < 0.05 < decision.p  # one-tailed it would be
    assert decision.verdict == "not shown"
    first, second = decide([Estimate(0.2, 0.08, 20, 21), Estimate(0.0, 0.08, 20, 21)], [weights, weights])
    assert first.p == pytest.approx(4 * stats.t.sf(2.5, 20))
    assert second.p == 1


def test_effects_are_shown_wrongly_once_in_twenty_times() -> None:
    """Seeded, and smaller than `benchmarks.simulations effects`, whose figures stand in docs/references.md."""
    rng = np.random.default_rng(6)
    for study, shape in (("study1", (6, 4)), ("study2", (12, 8))):
        verdicts = [decided(rng, study, np.full(shape, 1 / shape[1]), 1.0, 0.5) for _ in range(60)]
        assert sum("shown" in own or "reversed" in own for own in verdicts) <= 7  # of 60 with 5% each: 99%


def test_an_effect_that_is_undecided_in_people_agrees_with_nothing() -> None:
    values = np.zeros((6, 6, 4))
    values[..., 1] = 1
    patterns = {
        pattern.effect: pattern
        for pattern in against(ANALYSES["study1"], "m", {"answers": crossed(values)}, 20).patterns
    }
    shown, undecided, reverse = (patterns[f"planned:{name}"] for name in ("a3-one:1>2", "a1-one:1>2", "a1-one:1>3"))
    assert (shown.verdict, shown.people_verdict, shown.agrees) == ("shown", "shown", True)
    assert (undecided.verdict, undecided.people_verdict, undecided.agrees) == ("shown", "not shown", None)
    assert (reverse.verdict, reverse.people_verdict, reverse.agrees) == ("shown", "reversed", False)
    assert 0 < shown.low < shown.estimate == shown.high == 1


# --- people and theory -----------------------------------------------------------------------------------------------


def test_the_floor_falls_with_the_number_of_answers() -> None:
    """Of as many answers as people it is above that of people alone, since both are sampled."""
    rng = np.random.default_rng(7)
    floors = {}
    for rows in (1, 17, 170):
        counts = [rng.multinomial(rows, own / own.sum(), 12) / rows for own in study2_counts()]
        sample = crossed(np.stack(counts))
        repeated = Sample(
            *(np.repeat(part, rows, axis=0) for part in (sample.values, sample.cells, sample.stimuli)),
            12,
            items=np.repeat(sample.items, rows),
        )
        own = against(POLITENESS, "m", {"answers": repeated, "choice": repeated}, 200).fits
        floors[rows] = {
            fit.source: fit.floor for fit in own if (fit.reference, fit.measure) == ("people", "jensen_shannon")
        }
        assert {np.isnan(fit.floor) for fit in own if fit.reference == "rsa"} == {True}
    again = next(
        f.value for f in yardsticks(POLITENESS, 200) if (f.model_name, f.measure) == ("people", "jensen_shannon")
    )
    assert floors[1]["answers"] > floors[17]["answers"] > floors[170]["answers"] > floors[170]["choice"]
    assert floors[170]["choice"] == floors[1]["choice"] == pytest.approx(again, rel=0.25)
    assert floors[1]["choice"] > again  # which never draws what nobody chose


def test_the_floor_is_the_distance_of_a_model_that_is_just_as_people() -> None:
    """Seeded, and smaller than `benchmarks.simulations floor`, whose figures stand in docs/references.md."""
    rng, truth = np.random.default_rng(11), study2_counts() + 0.5
    truth /= truth.sum(axis=1, keepdims=True)
    for number in (12, 203, 0):
        own = [
            fit
            for _ in range(12)
            for fit in fits(rng, truth, number)
            if (fit.reference, fit.measure) == ("people", "jensen_shannon")
        ]
        assert np.mean([fit.floor for fit in own]) == pytest.approx(np.mean([fit.value for fit in own]), rel=0.1)


def test_what_nobody_chose_has_what_was_chosen_once() -> None:
    shares = with_unseen(np.array([[6.0, 2, 1, 1, 0, 0], [5, 4, 1, 0, 0, 0], [6, 2, 2, 0, 0, 0], [1, 1, 2, 2, 2, 2]]))
    assert shares.sum(axis=1) == pytest.approx(1)
    assert shares[0] == pytest.approx([0.48, 0.16, 0.08, 0.08, 0.1, 0.1])
    assert shares[1, 3:] == pytest.approx([0.1 / 3] * 3)
    assert (shares[2, 3:] == 0).all()  # nothing tells that there are rare ones
    assert shares[3] == pytest.approx(np.array([1, 1, 2, 2, 2, 2]) / 10)  # all were chosen


def test_a_model_whose_stimuli_do_not_vary_has_no_interval() -> None:
    values = np.zeros((6, 6, 4))
    values[..., 1] = 1
    found = against(ANALYSES["study1"], "m", {"answers": crossed(values)}, 50).fits
    assert {fit.measure for fit in found} == {
        "effects_correlation", "correlation", "jensen_shannon", "total_variation", "earth_mover"
    }  # fmt: skip
    for fit in found:
        assert (np.isnan(fit.low), np.isnan(fit.high)) == (True, True)
        assert "drawing them again tells nothing" in fit.reason or "not defined" in fit.reason


def test_a_model_that_failed_has_no_floor() -> None:
    nothing = Sample(np.zeros((0, 8)), np.array([], dtype=int), np.array([], dtype=int), 12)
    found = against(POLITENESS, "m", {"answers": nothing}, 20)
    assert all(np.isnan(fit.floor) for fit in found.fits)
    assert {pattern.verdict for pattern in found.patterns} == {"not defined"}


def test_a_model_s_own_prior_moves_the_theory() -> None:
    from grace.analysis.frames import Row

    def said(*numbers: object) -> list[Row]:
        return [Row({"Prior_A": str(number)}, None, place) for place, number in enumerate(numbers)]

    assert own_predictions(said("", "many", 7)) is None
    high, low = own_predictions(said(3, 3, 2, 3)), own_predictions(said(0, 1, 0, 0))
    assert high is not None
    assert low is not None
    np.testing.assert_allclose(high.sum(axis=1), 1)
    assert high[0, 3] > low[0, 3]  # access 1, "one": the rest is as expected before
    assert np.abs(high[5] - low[5]).max() < 1e-9  # access 3, "three" leaves nothing to expect


# --- repeated measures, and tests of signs ---------------------------------------------------------------------------


def stories(lost: int = 0) -> list[Observation]:
    rng = random.Random(3)
    cells = [(1, "one"), (2, "one"), (2, "two"), (3, "one"), (3, "two"), (3, "three")]
    data = [Observation(str(a), w, rng.gauss(10 * a + 3 * s, 8), f"s{s}") for a, w in cells for s in range(6)]
    return data[lost:]


def test_repeated_measures_are_those_of_r() -> None:
    """R: anova(fit, update(fit, ~0), M = ~a+w, X = ~a, idata = cells, test = "Spherical"), with fit = lm(wide ~ 1)."""
    tests = repeated_anova(("access", "word"), stories())
    assert [(str(test.name), test.df1, test.df2) for test in tests] == [
        ("repeated:access", 2, 10),
        ("repeated:word", 2, 10),
        ("repeated:access:word", 1, 5),
        ("repeated:access|word", 2, 10),
    ]
    assert [test.statistic for test in tests] == pytest.approx([11.555, 0.6313, 20.562, 10.787], rel=1e-4)
    assert [test.p for test in tests] == pytest.approx([0.0029527, 0.49768, 0.0061994, 0.0045025], rel=1e-4)
    assert tests[0].note == "Greenhouse-Geisser epsilon 0.96"


def test_stories_that_lack_a_condition_are_left_out() -> None:
    fewer = repeated_anova(("access", "word"), stories(lost=1))
    assert fewer[0].df2 == 8
    assert fewer[0].n_effective == 5
    assert "1 stimuli lack a condition" in fewer[0].note
    assert repeated_anova(("a", "b"), stories()[:1])[0].note == "fewer than two stimuli have all conditions"
    assert repeated_anova(("a", "b"), [])[0].note == "no rows"


def test_an_effect_that_is_the_same_in_all_stories_is_tested_by_their_signs() -> None:
    """R has no F there, either; of 64 ways to give six stories a sign, two make the effect so large."""
    flat = [Observation(row.first, row.second, float(row.first), row.stimulus) for row in stories()]
    access, word, both, after = repeated_anova(("a", "b"), flat)
    for test in (access, after):
        assert (test.statistic, test.p) == (None, 2**-5)
        assert test.note == "stimuli do not vary in it, so there is no variance; p is exact, by flipping signs"
    for test in (word, both):  # nothing to test
        assert test.p is None
        assert "no variance" in test.note


def test_no_p_is_0() -> None:
    """However sure a test is; a p that is smaller than any number is the smallest one."""
    far = [Observation(str(x), "b", 1e9 * x + y * 1e-3, f"{y % 9}") for x in (0, 1) for y in range(400)]
    sure = Estimate(1e6, 1e-6, 1e6, 10)
    rng = random.Random(1)
    certain = mixed_tests(
        ("goal", "state"), answers(rng, 400, {cell: float(cell[0] == "both") for cell in CELLS}), (LIKELIHOOD,)
    )
    p = [
        two_way_anova(("a", "b"), far)[0].p,
        repeated_anova(
            ("a", "b"), [replace(one, value=one.value * (1 + 1e-9 * int(one.stimulus or 0))) for one in far]
        )[0].p,
        t_test(TestName(PLANNED, "t"), Numbers([1e9 + x / 7 for x in range(4000)], None), "greater").p,
        binomial_test(TestName(PLANNED, "b"), Numbers([1.0] * 3000, None), 0.5).p,
        stimulus_test(TestName(PLANNED, "t"), Numbers([1.0] * 2000, [str(x) for x in range(2000)]), "greater").p,
        certain[0].p,
        sure.p,
        tost(sure, 0.05).p_difference,
        tost(replace(sure, value=0.0), 0.05).p_equivalence,
        p_of_agreement(10**6, 0.05),
        p_of_same_shift(10**4),
    ]
    assert all(one is not None and 0 < one < 1e-10 for one in p), p


@pytest.mark.parametrize(
    ("value", "alternative", "p"),
    [(1, "greater", 2**-6), (1, "two-sided", 2**-5), (0, "greater", 1), (0, "two-sided", 2**-5)],
)
def test_equal_means_are_tested_by_their_signs(value: float, alternative: str, p: float) -> None:
    sample = Numbers([value] * 18, [str(place % 6) for place in range(18)])
    test = stimulus_test(TestName(PLANNED, "t"), sample, alternative, 0.5)  # type: ignore[arg-type]
    assert (test.statistic, test.p, test.n, test.n_effective) == (None, p, 18, 6)
    assert "exact, by flipping signs" in test.note
    assert stimulus_test(TestName(PLANNED, "t"), sample, alternative, value).p is None  # nothing to test


# --- likelihood ratios -----------------------------------------------------------------------------------------------

CELLS = [(goal, state) for goal in ("both", "info", "social") for state in "0123"]


def answers(rng: random.Random, people: int, share: dict[tuple[str, str], float]) -> list[BinaryAnswer]:
    return [
        BinaryAnswer(int(rng.random() < p), levels, {"participant": str(person), "item": str(rng.randrange(12))})
        for person in range(people)
        for levels, p in share.items()
    ]


def test_without_groups_the_ratio_is_that_of_logistic_regression() -> None:
    sm = pytest.importorskip("statsmodels.api")
    rng = random.Random(1)
    made = answers(rng, 40, {cell: (0.7, 0.5, 0.4, 0.3)[int(cell[1])] for cell in CELLS})
    alone = [BinaryAnswer(one.yes, one.levels, {"participant": str(place)}) for place, one in enumerate(made)]
    goal, state, both = mixed_tests(("goal", "state"), alone, (LIKELIHOOD,))
    yes = [one.yes for one in alone]

    def fit(*columns: list[str]) -> float:
        dummies = [
            [1.0] * len(yes),
            *([float(v == level) for v in column] for column in columns for level in sorted(set(column))[1:]),
        ]
        return float(sm.Logit(yes, np.array(dummies).T).fit(disp=0).llf)

    goals, states = ([one.levels[place] for one in alone] for place in (0, 1))
    cells = [goal + state for goal, state in zip(goals, states, strict=True)]
    additive = fit(goals, states)
    for test, expected in (
        (goal, additive - fit(states)),
        (state, additive - fit(goals)),
        (both, fit(cells) - additive),
    ):
        assert test.statistic == pytest.approx(2 * expected, rel=0.02, abs=0.02)  # the wide prior bears on it a little


def test_kinds_of_tests_may_come_in_any_order() -> None:
    rng = random.Random(8)
    made = answers(rng, 6, dict.fromkeys(CELLS, 0.4))
    one, other = (mixed_tests(("goal", "state"), made, kinds) for kinds in ((MIXED, LIKELIHOOD), (LIKELIHOOD, MIXED)))
    assert one == [*other[3:], *other[:3]]


def test_what_items_do_to_all_conditions_is_in_the_model_and_not_divided_by_again() -> None:
    """Only what is left within stimuli makes rows worth less; copies, as at temperature 0, are as many as stimuli."""
    rng = np.random.default_rng(9)

    def about(of_item: float, of_stimulus: float, people: int = 60) -> list[BinaryAnswer]:
        items, stimuli = rng.normal(0, of_item, 6), rng.normal(0, of_stimulus, (12, 6))
        return [
            BinaryAnswer(
                int(rng.random() < 1 / (1 + np.exp(-items[person % 6] - stimuli[place, person % 6]))),
                cell,
                {"item": str(person % 6)},
                str(person % 6),
            )
            for person in range(people)
            for place, cell in enumerate(CELLS)
        ]

    def divided_by(made: list[BinaryAnswer]) -> float:
        note = mixed_tests(("goal", "state"), made, (LIKELIHOOD,))[0].note
        return float(note.rpartition("design effect of stimuli, ")[2]) if "design effect" in note else 1.0

    of_items, of_stimuli = about(2.0, 0.0), about(0.0, 2.0)
    assert len(of_items) / (worth_of(of_items) or 0) > 2
    assert divided_by(of_items) < 1.3
    assert divided_by(of_stimuli) == pytest.approx(len(of_stimuli) / (worth_of(of_stimuli) or 0), rel=0.2)
    copies = [replace(one, yes=int(one.stimulus in "024" or one.levels[0] == "both")) for one in of_items]
    assert divided_by(copies) == pytest.approx(len(copies) / 72, rel=0.01)
    replicated = [replace(one, text=f"{place}") for place, one in enumerate(of_items) for _ in range(5)]
    assert 4.5 < divided_by(replicated) < 6.5
    assert worth_of([replace(one, stimulus=None) for one in of_items]) is None


def test_ratios_have_level_and_power() -> None:
    """Seeded, and smaller than `benchmarks.simulations ratios`, whose figures stand in docs/analysis.md."""
    rng = np.random.default_rng(10)
    for planted, least, most in (("nothing", 0, 3), ("goal by 1", 4, 6)):
        p = [drawn_p(rng, *PLANTED[planted], 0.0)[0] for _ in range(6)]
        assert least <= sum(one < 0.05 for one in p) <= most


def test_the_ratio_keeps_its_power_under_separation() -> None:
    """Where Wald's test says that an effect is far from sure: the larger the coefficient, the wider its curvature."""
    rng = random.Random(2)
    share = {cell: {"both": 1.0, "info": 0.5, "social": 0.0}[cell[0]] for cell in CELLS}
    made = answers(rng, 12, share)
    wald, ratio = (
        tests[0] for tests in (mixed_tests(("goal", "state"), made, (kind,)) for kind in (MIXED, LIKELIHOOD))
    )
    assert "complete separation" in ratio.note
    assert wald.statistic is not None
    assert ratio.statistic is not None
    assert ratio.statistic > 2 * wald.statistic
    assert verdict(0.948) == "undecided"


def test_the_authors_models_have_a_number_and_slopes() -> None:
    rng = random.Random(3)
    made = answers(rng, 20, {cell: (0.8, 0.6, 0.4, 0.2)[int(cell[1])] for cell in CELLS})
    goal, state, both = mixed_tests(("goal", "state"), made, (AUTHORS,))
    assert [str(test.name) for test in (goal, state, both)] == [
        f"mixed:authors:{name}" for name in ("goal", "state", "goal:state")
    ]
    assert (goal.df1, state.df1, both.df1) == (2, 1, 2)
    assert both.note.startswith("random intercepts and slopes: participant (sd ")
    assert both.note.partition("(sd ")[2].partition(")")[0].count(" ") == 5  # six terms
    assert (state.p or 1) < 1e-3


def test_ratios_find_nothing_in_noise() -> None:
    rng = random.Random(5)
    found = [
        mixed_tests(("goal", "state"), answers(rng, 15, dict.fromkeys(CELLS, 0.3)), (LIKELIHOOD, AUTHORS))
        for _ in range(8)
    ]
    for place in range(6):
        assert sum((tests[place].p or 0) < 0.05 for tests in found) <= 2
