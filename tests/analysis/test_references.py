"""References: people's figures, rational speech acts from their equations, and how near a model is to either."""

import csv
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.spatial.distance import jensenshannon

from analysis_tables import study1, study2, write
from conftest import ROOT, read_rows
from grace.analysis import rsa_knowledge, rsa_politeness
from grace.analysis.against import sample_of, table_against
from grace.analysis.bootstrap import interval, resampled_counts, resampled_means
from grace.analysis.designs import GOALS, UTTERANCES
from grace.analysis.distances import (
    correlation,
    correlations,
    earth_mover,
    jensen_shannon,
    normalised,
    total_variation,
)
from grace.analysis.effects import estimate
from grace.analysis.frames import Frame, Row, read_frame
from grace.analysis.names import PLANNED, TestName
from grace.analysis.people import study1_tests, study2_counts
from grace.analysis.references import against, write_references, yardsticks
from grace.analysis.rsa_knowledge import Knowledge
from grace.analysis.rsa_politeness import Politeness, Weights
from grace.analysis.samples import Sample, shares
from grace.analysis.statistics import Numbers, clustered_t_test
from grace.analysis.studies import ANALYSES
from grace.analysis.study1 import effect_sizes, planned_effects
from grace.analysis.trials import Trial
from grace.errors import InputError
from grace.studies.study import load_study
from strategies import distributions

KNOWLEDGE, POLITENESS = ANALYSES["study1"], ANALYSES["study2"]
SHARED = ROOT.parent / "shared" / "data" / "human_study2_production.csv"

# --- distances -------------------------------------------------------------------------------------------------------


@given(distributions(), distributions())
def test_jensen_shannon_is_the_square_of_scipys_distance(p: np.ndarray, q: np.ndarray) -> None:
    here = float(jensen_shannon(p, q))
    assert here == pytest.approx(float(jensenshannon(p, q, base=2)) ** 2, abs=1e-9)
    assert here == pytest.approx(float(jensen_shannon(q, p)), abs=1e-12)
    assert 0 <= here <= 1 + 1e-12


@given(distributions(), distributions())
def test_the_earth_mover_carries_as_far_as_scipys(p: np.ndarray, q: np.ndarray) -> None:
    scale = np.array([0.0, 10, 20, 50, 100])
    there = stats.wasserstein_distance(scale, scale, p, q)
    assert float(earth_mover(p, q, scale)) == pytest.approx(there, abs=1e-9)


def test_zero_probabilities_are_no_trouble() -> None:
    one, other = np.array([1.0, 0, 0]), np.array([0.0, 1, 0])
    assert jensen_shannon(one, other) == pytest.approx(1)  # nothing in common: one bit
    assert jensen_shannon(one, one) == 0
    assert total_variation(one, other) == 1
    many = jensen_shannon(np.stack([one, other]), one)
    assert many.shape == (2,)


def test_what_is_no_distribution_is_missing() -> None:
    made = normalised(np.array([[2.0, 2], [0, 0], [np.nan, 1], [-1, 2]]))
    assert made[0].tolist() == [0.5, 0.5]
    assert np.isnan(made[1:]).all()


def test_correlation_says_why_it_is_not_defined() -> None:
    x = np.array([1.0, 2, 4, 3])
    assert correlation(x, -2 * x).value == pytest.approx(-1)
    flat = correlation(np.ones(4), x)
    assert np.isnan(flat.value)
    assert flat.reason == "correlation is not defined: the first side is constant"
    assert "three pairs at least, there are 2" in correlation(x[:2], x[:2]).reason
    made = correlations(np.stack([x, np.ones(4)]), x)
    assert made[0] == 1
    assert np.isnan(made[1])


# --- people ----------------------------------------------------------------------------------------------------------


def test_the_published_shares_of_negation_follow_from_the_counts() -> None:
    counts = study2_counts()
    assert (counts.sum(axis=1) == 203).all()
    negated = [utterance.startswith("wasnt") for utterance in UTTERANCES]
    shares = (counts[:, negated].sum(axis=1) / 203).reshape(3, 4).round(2)
    assert dict(zip(GOALS, shares.tolist(), strict=True)) == {
        "informational": [0.28, 0.58, 0.13, 0.01],
        "social": [0.50, 0.43, 0.05, 0.01],
        "both": [0.73, 0.74, 0.06, 0.00],
    }


@pytest.mark.skipif(not SHARED.exists(), reason="the counts of the source are not here")
def test_the_counts_are_those_of_their_source() -> None:
    named = {"informative": "informational"}
    with open(SHARED, newline="") as file:
        for row in csv.DictReader(file):
            cell = GOALS.index(named.get(row["goal"], row["goal"])) * 4 + int(row["state"])
            utterance = f"{row['was_wasnt'].replace(chr(39), '')}_{row['assessment']}"
            assert study2_counts()[cell, UTTERANCES.index(utterance)] == int(row["count"])


def test_published_statistics_and_p_values_belong_together() -> None:
    """Each printed p follows from its t and df, one-tailed, as far as t is printed."""
    for name, test in study1_tests().items():
        if not name.startswith("planned:"):
            continue
        rounded = test.statistic + np.array([-0.05, 0.05])
        most, least = stats.t.sf(rounded, test.df[0])
        if test.p == "< .001":
            assert least < 0.001
        else:
            assert least - 0.01 <= float(test.p or "nan") <= most + 0.01, name
        assert test.holds == (stats.t.sf(test.statistic, test.df[0]) < 0.05)


# --- rational speech acts: knowledge ---------------------------------------------------------------------------------


@pytest.mark.parametrize("rationality", [0.5, 1, 3.4, 20])
@pytest.mark.parametrize("base_rate", [0.51, 0.62])
def test_a_speaker_who_knows_all_implies_not_more(rationality: float, base_rate: float) -> None:
    """Against the literal meaning, 'two' speaks against three, and 'one' against two and three."""
    parameters = Knowledge(rationality, base_rate)
    literal, pragmatic = rsa_knowledge.literal_listener(parameters), rsa_knowledge.listener(parameters, 3)
    assert pragmatic[1, 2] / pragmatic[1, 3] > literal[1, 2] / literal[1, 3]
    assert pragmatic[0, 1] / pragmatic[0, 2] > literal[0, 1] / literal[0, 2]
    assert pragmatic[2].tolist() == [0, 0, 0, 1]


@pytest.mark.parametrize(("access", "word"), [(1, 1), (2, 2)])
def test_partial_access_cancels_the_implicature(access: int, word: int) -> None:
    """Who has seen only objects with the property says their number, and that tells nothing of the others.

    The listener is left with what Bayes makes of the observation, whatever the speaker's rationality.
    """
    for rationality in (1.0, 3.4, 50.0):
        parameters = Knowledge(rationality, 0.62)
        seen = rsa_knowledge.observations(access)[word] * rsa_knowledge.prior(0.62)
        if access == 2:
            np.testing.assert_allclose(rsa_knowledge.listener(parameters, access)[word - 1], normalised(seen))
        inferred = rsa_knowledge.listener(parameters, access)[word - 1]
        assert inferred[word] <= inferred[word + 1]


def test_one_after_two_looks_excludes_three_in_part() -> None:
    """The case between: having seen two, who says 'one' has seen one without, so three is out and two is not."""
    inferred = rsa_knowledge.listener(Knowledge(50.0, 0.62), 2)[0]
    assert inferred[3] < 1e-6
    assert inferred[2] > inferred[1] > 0.3


def test_a_perfect_speaker_is_taken_at_exactly_the_word() -> None:
    inferred = rsa_knowledge.listener(Knowledge(1000.0), 3)
    np.testing.assert_allclose(inferred, np.eye(4)[1:], atol=1e-12)


def test_a_speaker_without_rationality_leaves_the_literal_meaning() -> None:
    """At alpha 0 each true word is as likely: with access 3, 'one' is one of s words for state s."""
    parameters = Knowledge(0.0, 0.5)
    expected = np.array([0, 1 / 1, 1 / 2, 1 / 3]) * rsa_knowledge.prior(0.5)
    np.testing.assert_allclose(rsa_knowledge.listener(parameters, 3)[0], normalised(expected))


def test_the_listener_by_hand() -> None:
    """Access 3, alpha 1, base rate 1/2: S('one'|1) = 1, S('one'|2) = (1/7)/(1/7 + 1/4), and so on."""
    inferred = rsa_knowledge.listener(Knowledge(1.0, 0.5), 3)[0]
    words = np.array([8 / 7, 8 / 4, 8 / 1])  # 1 / P(the word is true)
    heard = np.array([1, words[0] / words[:2].sum(), words[0] / words.sum()])
    np.testing.assert_allclose(inferred[1:], normalised(heard * np.array([3, 3, 1])))


def test_the_base_rate_is_the_most_likely_one() -> None:
    assert rsa_knowledge.fitted_base_rate(effect_sizes()) == pytest.approx(rsa_knowledge.BASE_RATE, abs=0.005)


def test_rational_speech_acts_have_the_direction_of_every_comparison_of_people() -> None:
    means = rsa_knowledge.predictions()
    for effect in planned_effects():
        assert np.sign((means * effect.weights).sum()) == np.sign(study1_tests()[effect.name].statistic), effect.name


# --- rational speech acts: politeness --------------------------------------------------------------------------------


def test_the_published_fit_is_found_again() -> None:
    """The paper reports r^2(96) = 0.97 between its model and the shares of people."""
    people, model = normalised(study2_counts()), rsa_politeness.predictions()
    assert people.size == 96
    assert correlation(people.ravel(), model.ravel()).value ** 2 == pytest.approx(0.97, abs=0.005)
    np.testing.assert_allclose(model.sum(axis=1), 1)


def test_only_who_wants_both_says_it_was_not_terrible() -> None:
    """The paper's main result: at 0 hearts, negation is the choice of a speaker with both goals."""
    negated = rsa_politeness.predictions()[:, 4:].sum(axis=1).reshape(3, 4)
    informational, social, both = negated[:, 0]
    assert both > 0.5 > max(informational, social)
    assert (negated[:, 3] < 0.02).all()


def test_goals_do_what_their_names_say() -> None:
    def said(goal: Weights) -> np.ndarray:
        return rsa_politeness.second_speaker(Politeness(cost=1.0), goal)

    informative = said(Weights(1, 0, 0, 0.5))
    assert [UTTERANCES[place] for place in informative.argmax(axis=0)][::3] == ["was_terrible", "was_amazing"]
    kind = said(Weights(0, 1, 0, 0.5))
    np.testing.assert_allclose(kind, kind[:, :1] * np.ones(4))  # who is only kind says the same of everything
    assert kind[:4, 0].argmax() in (2, 3)


def test_negation_that_costs_much_is_not_said() -> None:
    dear = rsa_politeness.predictions(Politeness(cost=50.0))
    assert dear[:, 4:].max() < 1e-9


def test_the_literal_listener_divides_by_truth() -> None:
    literal = rsa_politeness.literal_listener(Politeness())
    amazing = np.array(rsa_politeness.LEXICON["was_amazing"])
    np.testing.assert_allclose(literal[UTTERANCES.index("was_amazing")], amazing / amazing.sum())
    joint = rsa_politeness.listener(Politeness())
    np.testing.assert_allclose(joint.sum(axis=(0, 2)), 1)
    np.testing.assert_allclose(rsa_politeness.first_speaker(Politeness()).sum(axis=1), 1)


def test_the_polite_speaker_by_hand() -> None:
    """The equations once more, in plain loops: what people with both goals say at 0 hearts."""
    truth, states, phis = rsa_politeness.LEXICON, range(4), [0.025 * place for place in range(40)]
    cost = {word: 2.64 if word.startswith("wasnt") else 1.0 for word in truth}
    literal = {word: [truth[word][s] / sum(truth[word]) for s in states] for word in truth}

    def first(s: int, phi: float) -> dict[str, float]:
        kind = {word: sum(literal[word][heart] * heart for heart in states) for word in truth}
        made = {
            word: np.exp(-cost[word]) * np.exp(4.47 * (phi * np.log(literal[word][s]) + (1 - phi) * kind[word]))
            for word in truth
        }
        return {word: weight / sum(made.values()) for word, weight in made.items()}

    said = {(s, place): first(s, phi) for s in states for place, phi in enumerate(phis)}
    total = sum((0.36, 0.11, 0.54))
    scores = {}
    for word in truth:
        joint = {key: said[key][word] for key in said}
        every = sum(joint.values())
        state = [sum(p for (s, _), p in joint.items() if s == own) / every for own in states]
        shown = sum(p for (_, place), p in joint.items() if place == 14) / every  # phi 0.36 is nearest to 14 * 0.025
        utility = 0.36 * np.log(state[0]) + 0.11 * sum(p * s for s, p in enumerate(state)) + 0.54 * np.log(shown)
        scores[word] = np.exp(-cost[word]) * np.exp(4.47 * utility / total)
    expected = np.array([scores[word] for word in UTTERANCES])
    np.testing.assert_allclose(rsa_politeness.predictions()[8], normalised(expected))


# --- samples, effects, bootstrap -------------------------------------------------------------------------------------


def sampled(
    rng: np.random.Generator, means: np.ndarray, stimuli: int = 6, rows: int = 8, spread: float = 0.0
) -> Sample:
    """Answers drawn from distributions by condition; the stimuli of a condition differ by `spread`."""
    values, cells, of = [], [], []
    for cell, mean in enumerate(means):
        for stimulus in range(stimuli):
            own = normalised(np.maximum(mean + rng.normal(0, spread, len(mean)), 1e-6)) if spread else mean
            values += [rng.multinomial(1, own) for _ in range(rows)]
            cells += [cell] * rows
            of += [cell * stimuli + stimulus] * rows
    return Sample(np.array(values, dtype=float), np.array(cells), np.array(of), len(means))


def understood(study: str, cells: Mapping[str, object]) -> Trial:
    """A row of such cells, as the analysis of its study understands it."""
    row = Row({name: str(cell) for name, cell in cells.items()}, None, 1)
    return ANALYSES[study].reader(Frame("t.csv", "", tuple(cells), {"": (row,)}), load_study(study))(row)


def test_rows_are_read_whatever_their_cells_are() -> None:
    bets = {f"probability_{state}": bet for state, bet in enumerate(("10", 20.0, "30", 60))}
    row = {"access": "2", "observe": "1", "story_shortname": "x", **bets}
    trial = understood("study1", row)
    assert shares(trial.weights) == pytest.approx([10 / 120, 20 / 120, 30 / 120, 60 / 120])
    for missing in ("", "NA", "nan", "inf", -5):
        assert understood("study1", {**row, "probability_2": missing}).weights is None
    assert shares(understood("study1", {**row, **dict.fromkeys(bets, 0)}).weights) is None
    assert KNOWLEDGE.conditions[trial.cell] == "access 2, word 1"
    said = understood("study2", {"Was_Wasnt": "wasn't", "Assessment": "Bad"}).weights
    assert said is not None
    assert UTTERANCES[said.index(1)] == "wasnt_bad"
    assert understood("study2", {"Was_Wasnt": "was", "Assessment": "okay"}).weights is None
    lacking, outside = (understood("study1", {**row, name: ""}) for name in ("probability_0", "access"))
    made = sample_of(KNOWLEDGE, [(one.cell, one.unit, one.weights) for one in (trial, lacking)])
    assert (len(made), made.missing) == (1, 1)
    with pytest.raises(InputError, match="no row tells its condition: study1 needs access and observe"):
        sample_of(KNOWLEDGE, [(outside.cell, outside.unit, outside.weights)])


def test_the_goal_of_a_row_is_what_the_study_derives() -> None:
    for clause, goal in {
        "If Fran wanted to make Jake feel good": "social",
        "If Fran wanted to give accurate feedback": "informational",
        "If Fran wanted to make Jake feel good and give accurate feedback": "both",
        "If Fran wanted nothing": "",
    }.items():
        assert understood("study2", {"Goal": clause, "State": "1 heart"}).cell == (goal, "1")
    assert understood("study2", {"Goal_simplified": "kind", "State_number": "2.0"}).cell == ("social", "2")


def test_one_row_a_stimulus_gives_the_plain_tests() -> None:
    rng = np.random.default_rng(3)
    values, cells = rng.normal(size=(24, 1)), np.repeat([0, 1], [10, 14])
    grouped = Sample(values, cells, np.arange(24), 2).grouped
    paired = estimate(grouped, np.array([[1.0], [0]]))
    plain = stats.ttest_1samp(values[:10, 0], 0, alternative="greater")
    assert (paired.statistic, paired.p, paired.df) == pytest.approx((plain.statistic, plain.pvalue, 9))
    welch = stats.ttest_ind(values[:10, 0], values[10:, 0], equal_var=False, alternative="greater")
    found = estimate(grouped, np.array([[1.0], [-1]]))
    assert (found.statistic, found.p, found.df) == pytest.approx((welch.statistic, welch.pvalue, welch.df))


def test_repeating_rows_makes_nothing_surer() -> None:
    rng = np.random.default_rng(4)
    once = sampled(rng, rsa_knowledge.predictions(), rows=3)
    thrice = Sample(*(np.repeat(part, 3, axis=0) for part in (once.values, once.cells, once.stimuli)), once.conditions)
    for effect in KNOWLEDGE.effects():
        one, other = (estimate(sample.grouped, effect.weights) for sample in (once, thrice))
        assert (one.value, one.se, one.stimuli) == pytest.approx((other.value, other.se, other.stimuli), nan_ok=True)


@pytest.mark.parametrize("sizes", [(4, 2, 1), (12, 9, 8, 1, 1, 1), (20, 3, 2, 1), (5, 5, 5)])
def test_few_unequal_stimuli_make_nothing_surer(sizes: tuple[int, ...]) -> None:
    """Without an effect p is below 0.05 in 5% of samples, also where one stimulus has most of the rows."""
    rng = np.random.default_rng(1)
    stimuli = np.repeat(np.arange(len(sizes)), sizes)
    found = []
    for _ in range(1000):
        values = rng.normal(size=len(sizes))[stimuli] + rng.normal(0, 0.3, len(stimuli))
        sample = Sample(values[:, None], np.zeros_like(stimuli), stimuli, 1)
        found.append(estimate(sample.grouped, np.ones((1, 1))).p)
    assert 0.03 < np.mean(np.array(found) < 0.05) < 0.07


def test_unequal_stimuli_are_tested_as_in_the_table_of_tests() -> None:
    rng = np.random.default_rng(2)
    stimuli = np.repeat(np.arange(4), (20, 3, 2, 1))
    values = rng.normal(size=len(stimuli))
    there = clustered_t_test(TestName(PLANNED, "t"), Numbers(values.tolist(), [str(one) for one in stimuli]), "greater")
    here = estimate(Sample(values[:, None], np.zeros_like(stimuli), stimuli, 1).grouped, np.ones((1, 1)))
    assert (here.statistic, here.df, here.p) == pytest.approx((there.statistic, there.df1, there.p))


def test_what_cannot_be_tested_says_why() -> None:
    weights = np.array([[1.0], [-1]])
    both = Sample(np.array([[1.0], [0], [1]]), np.array([0, 0, 1]), np.array([0, 1, 2]), 2)
    alone = estimate(both.grouped, weights)
    assert (alone.value, np.isnan(alone.p)) == (-0.5, True)
    assert "one stimulus only" in alone.reason
    empty = estimate(Sample(both.values[:2], both.cells[:2], both.stimuli[:2], 2).grouped, weights)
    assert np.isnan(empty.value)
    assert empty.reason == "a condition has no rows"
    same = estimate(Sample(np.ones((4, 1)), np.array([0, 0, 1, 1]), np.arange(4), 2).grouped, weights)
    assert (same.value, np.isnan(same.se), np.isnan(same.p)) == (0, True, True)
    assert "do not vary" in same.reason
    apart = estimate(Sample(np.array([[1.0], [1], [0], [0]]), np.array([0, 0, 1, 1]), np.arange(4), 2).grouped, weights)
    assert (apart.value, np.isnan(apart.p)) == (1, True)  # two and two tell no more


def test_null_effects_have_uniform_p_values() -> None:
    """With equal conditions, and stimuli that differ, p is uniform: the stimuli are the units."""
    rng = np.random.default_rng(5)
    means = np.full((12, 8), 1 / 8)
    effect = next(effect for effect in POLITENESS.effects() if effect.name == "interaction:both>social")
    found = []
    for _ in range(400):
        sample = sampled(rng, means, stimuli=10, rows=5, spread=0.05)
        found.append(estimate(sample.grouped, effect.weights).p)
    assert stats.kstest(found, "uniform").pvalue > 0.01
    assert 0.02 < np.mean(np.array(found) < 0.05) < 0.085


def test_planted_effects_lie_within_their_intervals() -> None:
    rng = np.random.default_rng(6)
    truth = normalised(study2_counts())
    effect = POLITENESS.effects()[0]
    planted = float((truth * effect.weights).sum())
    inside = 0
    for _ in range(100):
        grouped = sampled(rng, truth, stimuli=12, rows=6).grouped
        drawn = np.einsum("dcl,cl->d", resampled_means(grouped, 400, rng), effect.weights)
        low, high = interval(drawn, estimate(grouped, effect.weights).value)
        inside += low <= planted <= high
    assert inside >= 88


def test_intervals_of_distances_hold_the_true_one() -> None:
    """Percentiles alone would not: resampling makes distances larger than they are."""
    rng = np.random.default_rng(7)
    people = normalised(study2_counts())
    model = normalised(0.85 * people + 0.15 / 8)
    true = jensen_shannon(model, people).mean()
    inside = 0
    for _ in range(60):
        grouped = sampled(rng, model, stimuli=12, rows=16).grouped
        drawn = jensen_shannon(resampled_means(grouped, 300, rng), people).mean(axis=1)
        low, high = interval(drawn, float(jensen_shannon(grouped.means, people).mean()))
        assert low <= jensen_shannon(grouped.means, people).mean() <= high
        inside += low <= true <= high
    assert inside >= 55


def test_drawn_people_keep_their_number() -> None:
    drawn = resampled_counts(study2_counts(), 50, np.random.default_rng(1))
    np.testing.assert_allclose(drawn.sum(axis=2), 1)
    np.testing.assert_allclose(drawn.mean(axis=0), normalised(study2_counts()), atol=0.03)


# --- a model against the references ----------------------------------------------------------------------------------


def test_a_model_like_people_is_found_to_be_like_people() -> None:
    sample = sampled(np.random.default_rng(8), normalised(study2_counts()), stimuli=12, rows=50)
    found = against(POLITENESS, "m", {"answers": sample}, draws=500)
    fits = {(fit.reference, fit.measure): fit for fit in found.fits}
    assert fits["people", "correlation"].value > 0.98
    floor = next(
        fit for fit in yardsticks(POLITENESS, 500) if (fit.model_name, fit.measure) == ("people", "jensen_shannon")
    )
    assert fits["people", "jensen_shannon"].value < 3 * floor.value
    assert fits["people", "jensen_shannon"].stimuli == 144
    shown = {pattern.effect: pattern.verdict for pattern in found.patterns if pattern.people}
    assert set(shown.values()) == {"shown"}
    assert found == against(POLITENESS, "m", {"answers": sample}, draws=500)  # the same seed, the same numbers
    assert found != against(POLITENESS, "m", {"answers": sample}, draws=500, seed=2)


def test_a_model_of_chance_shows_nothing() -> None:
    sample = sampled(np.random.default_rng(9), np.full((12, 8), 1 / 8), stimuli=12, rows=17)
    found = against(POLITENESS, "m", {"answers": sample}, draws=200)
    verdicts = [pattern.verdict for pattern in found.patterns]
    assert verdicts.count("not shown") >= len(verdicts) - 3
    chance = next(
        fit for fit in yardsticks(POLITENESS, 200) if fit.model_name == "uniform" and fit.measure == "correlation"
    )
    assert np.isnan(chance.value)
    assert "constant" in chance.reason


def test_yardsticks_put_rational_speech_acts_between_people_and_chance() -> None:
    far = {fit.model_name: fit.value for fit in yardsticks(POLITENESS, 200) if fit.measure == "jensen_shannon"}
    assert far["people"] < far["rsa"] < far["uniform"]
    assert {fit.measure for fit in yardsticks(KNOWLEDGE, 200)} == {"effects_correlation"}


def test_an_empty_condition_is_named_and_the_others_count() -> None:
    full = sampled(np.random.default_rng(10), normalised(rsa_knowledge.predictions() + 0.1))
    kept = full.cells != 0
    sample = Sample(full.values[kept], full.cells[kept], full.stimuli[kept], 6, missing=8)
    found = against(KNOWLEDGE, "m", {"answers": sample}, draws=200)
    fits = {(fit.reference, fit.measure): fit for fit in found.fits}
    assert fits["rsa", "jensen_shannon"].conditions == 5
    assert fits["rsa", "jensen_shannon"].reason == ("without 1 of 6 conditions, which are empty: access 1, word 1")
    assert fits["people", "effects_correlation"].reason == "over 6 of 8 comparisons: empty conditions"
    patterns = {pattern.effect: pattern for pattern in found.patterns}
    assert patterns["planned:a1-one:1>2"].verdict == "not defined"
    assert patterns["planned:a1-one:1>2"].agrees is None
    assert patterns["planned:a3-two:2>3"].verdict == "shown"


def test_one_stimulus_in_a_condition_that_is_used_leaves_no_interval() -> None:
    full = sampled(np.random.default_rng(11), normalised(rsa_knowledge.predictions() + 0.1))
    kept = (full.cells != 5) | (full.stimuli == 30)  # access 3, word 3: no planned comparison uses it
    sample = Sample(full.values[kept], full.cells[kept], full.stimuli[kept], 6)
    found = against(KNOWLEDGE, "m", {"answers": sample}, draws=100)
    for fit in found.fits:
        used = fit.measure != "effects_correlation"
        assert np.isfinite(fit.value)
        assert (np.isnan(fit.low), np.isnan(fit.high), "one stimulus only" in fit.reason) == (used, used, used)
    assert all(np.isfinite(pattern.low) for pattern in found.patterns)
    kept = (full.cells != 0) | (full.stimuli == 0)
    sample = Sample(full.values[kept], full.cells[kept], full.stimuli[kept], 6)
    for pattern in against(KNOWLEDGE, "m", {"answers": sample}, draws=100).patterns:
        used = pattern.effect in ("planned:a1-one:1>2", "planned:a1-one:1>3", "interaction:one:1>2")
        assert np.isfinite(pattern.estimate)
        assert (np.isnan(pattern.low), pattern.verdict == "not defined") == (used, used)


def test_intervals_of_contrasts_stay_within_what_contrasts_can_be() -> None:
    """Reflected about an estimate near 1, an interval would end above it."""
    rng = np.random.default_rng(12)
    for study, means in (("study1", rsa_knowledge.predictions()), ("study2", normalised(study2_counts()))):
        sample = sampled(rng, normalised(means + 0.02), stimuli=6, rows=2)
        patterns = against(ANALYSES[study], "m", {"answers": sample}, draws=200).patterns
        for effect, pattern in zip(ANALYSES[study].effects(), patterns, strict=True):
            least, largest = effect.weights.min(axis=1).sum(), effect.weights.max(axis=1).sum()
            assert least <= pattern.low <= pattern.estimate <= pattern.high <= largest


def test_a_model_that_failed_has_reasons_and_no_numbers(tmp_path: Path) -> None:
    nothing = Sample(np.zeros((0, 4)), np.array([], dtype=int), np.array([], dtype=int), 6, missing=300)
    found = against(KNOWLEDGE, "m", {"answers": nothing}, draws=100)
    assert all(np.isnan(fit.value) and fit.reason for fit in found.fits)
    assert all(pattern.verdict == "not defined" for pattern in found.patterns)
    references, patterns = write_references(tmp_path, found.fits, found.patterns)
    rows = read_rows(references)
    assert {row["value"] for row in rows} == {""}
    assert {row["missing"] for row in rows} == {"300"}
    assert {row["agrees"] for row in read_rows(patterns)} == {""}


def test_constant_answers_have_no_correlation_but_distances() -> None:
    values = np.full((36, 4), 0.25)
    sample = Sample(values, np.repeat(np.arange(6), 6), np.arange(36), 6)
    fits = {(fit.reference, fit.measure): fit for fit in against(KNOWLEDGE, "m", {"answers": sample}, draws=100).fits}
    assert np.isnan(fits["rsa", "correlation"].value)
    assert "the first side is constant" in fits["rsa", "correlation"].reason
    assert fits["rsa", "jensen_shannon"].value > 0
    assert np.isnan(fits["rsa", "jensen_shannon"].low)  # all stimuli are alike, which makes nothing certain
    assert "drawing them again tells nothing" in fits["rsa", "jensen_shannon"].reason


@pytest.mark.parametrize("study", ["study1", "study2"])
def test_a_whole_table(study: str, tmp_path: Path) -> None:
    import random

    rng = random.Random(1)
    made = {"study1": study1, "study2": study2}[study]
    rows = [*made(rng, model_name="one"), *made(rng, model_name="two")]
    path = tmp_path / "t.csv"
    write(path, rows)
    own = load_study(study)
    fits, patterns = table_against(read_frame(path, own), own, draws=200)
    assert {fit.model_name for fit in fits} >= {"one", "two", "rsa", "uniform"}
    assert len(patterns) == 2 * len(ANALYSES[study].effects())
    planted = {"study1": "planned:a3-two:2>3", "study2": "negation:0:both>informational"}[study]
    assert {pattern.verdict for pattern in patterns if pattern.effect == planted} == {"shown"}


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1))
def test_any_table_of_answers_gives_numbers_within_their_bounds(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = int(rng.integers(1, 40))
    cells = rng.integers(0, 6, rows)
    sample = Sample(rng.dirichlet(np.ones(4), rows), cells, cells * 10 + rng.integers(0, 3, rows), 6)
    for fit in against(KNOWLEDGE, "m", {"answers": sample}, draws=100).fits:
        if fit.measure != "earth_mover" and not np.isnan(fit.value):
            assert -1 <= fit.value <= 1 + 1e-9
            assert not fit.low > fit.value + 1e-9
            assert not fit.high < fit.value - 1e-9
