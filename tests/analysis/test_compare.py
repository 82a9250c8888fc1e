"""`grace compare`: planted shifts are found, equal runs are equivalent, and what can't be told is said."""

import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmarks.simulations.compare import verdict

from analysis_tables import WORDS, scored, study1, study2, trials, write
from conftest import Command, read_rows

pytest.importorskip("statsmodels")
from scipy import stats

from grace.analysis.compare import Comparison, compare_models
from grace.analysis.compare_report import write_comparison
from grace.analysis.compare_sides import read_side
from grace.analysis.effects import Estimate, stimuli_alike
from grace.analysis.equivalence import (
    Tost,
    holm,
    overall,
    tost,
    verdict_of_distance,
    verdict_of_tests,
)
from grace.analysis.paired import ComparedNumber, shifts_of
from grace.analysis.samples import Sample
from grace.errors import InputError
from grace.studies.study import load_study
from limits import cpu_below
from report_runs import ask, chosen, speaker

Rows = Sequence[Mapping[str, Any]]
Compare = Callable[..., Comparison]


def silent(*_: object) -> None:
    """Progress that nobody hears."""


@pytest.fixture
def compared(tmp_path: Path) -> Compare:
    """Compare two tables of rows."""

    def make(a: Rows, b: Rows, study: str = "study1", floors: Sequence[Any] = (None, None), **more: Any) -> Comparison:
        paths = write(tmp_path / "a.csv", a), write(tmp_path / "b.csv", b)
        sides = [
            replace(read_side(path, silent, study), floor=floor) for path, floor in zip(paths, floors, strict=True)
        ]
        return compare_models(sides[0], sides[1], **{"draws": 300} | more)

    return make


def found(comparison: Comparison, of: str, measure: str, condition: str = "") -> ComparedNumber:
    """The one finding of that name."""
    (one,) = (row for row in comparison.findings if (row.of, row.measure, row.condition) == (of, measure, condition))
    return one


# --- planted shifts, and none ----------------------------------------------------------------------------------------


def test_a_planted_shift_of_probabilities_is_found(compared: Compare) -> None:
    rng = random.Random(1)
    a = scored("study1", trials("study1"), rng)
    made = compared(a, scored("study1", trials("study1"), rng, shift=0.3))
    assert made.verdict == "different"
    assert {part.of for part in made.parts} == {"state0", "state1", "state2", "state3", "knowledge", "state"}
    for part in made.parts:  # moving 0.3 of the probability to one label: TV = 0.3 (1 - p of that label)
        label = {"state": "prob_state_3", "knowledge": "prob_knowledge_no"}.get(part.of, f"{part.of}_prob_100")
        known = {row["speach"]: 0.3 * (1 - row[label]) for row in a if label in row}
        distance = found(made, part.of, "total_variation")
        assert part.verdict == "different"
        assert distance.low > 0.05
        assert distance.value == pytest.approx(np.mean(list(known.values())), abs=0.02)
        assert distance.low < distance.value < distance.high
    assert made.sentence.startswith("a.csv and b.csv are different (margin 0.05): state0: mean total variation")
    assert "grace noise does" in made.sentence


def test_a_planted_shift_of_answers_is_found_in_its_conditions(compared: Compare) -> None:
    negated = {(goal, hearts): 0.3 for goal in ("informational", "social", "both") for hearts in range(4)}
    a = study2(random.Random(1), negated, Assessment="good")
    b = study2(random.Random(2), negated | {("both", 0): 0.8}, Assessment="good")
    made = compared(a, b, "study2")
    assert made.verdict == "different"
    (part,) = made.parts
    assert "1 differ; the surest is Was_Wasnt, share of was, both, 0 hearts: -0." in part.why
    shift = found(made, "Was_Wasnt", "share of was", "both, 0 hearts")
    assert shift.low < -0.5 < shift.high
    assert shift.p_difference < 0.001 < shift.p_equivalence
    effect = found(made, "negation:0:both>informational", "contrast")
    assert effect.low < 0.5 < effect.high
    assert effect.reason == "not shown in the first, shown in the second"
    assert found(made, "Assessment", "agreement").reason == "all answers of both sides are good"


@pytest.mark.parametrize("study", ["study1", "study2"])
def test_equal_runs_are_equivalent(study: str, compared: Compare) -> None:
    rows = scored(study, {"study1": study1, "study2": study2}[study](random.Random(1)), random.Random(1))
    made = compared(rows, rows, study, margin=0.1)
    assert made.verdict == "equivalent"
    assert made.sentence.startswith("a.csv and b.csv are equivalent within a margin of 0.1: ")
    for row in made.findings:
        if row.measure in ("total_variation", "jensen_shannon", "earth_mover"):
            most = 1 - 0.05 ** (1 / row.stimuli) if row.experiment == "answers" else 0
            assert (row.value, row.low, row.high) == (0, 0, pytest.approx(most))
        if row.measure == "same_most_likely":
            most = 1 - 0.05 ** (1 / row.stimuli) if row.experiment == "answers" else 0
            assert (row.value, row.low, row.high) == (1, pytest.approx(1 - most), 1)
        if row.measure == "agreement":
            assert (row.value, row.low, row.high) == (1, pytest.approx(0.05 ** (1 / row.stimuli)), 1)
        if row.measure == "contrast":
            assert (row.value, np.isnan(row.p_difference)) == (0, True)
            assert "do not vary" in row.reason


@pytest.mark.parametrize(
    ("study", "verdict", "most"), [("study1", "can't tell", "8.0%"), ("study2", "equivalent", "2.1%")]
)
def test_answers_that_agree_everywhere_are_as_sure_as_their_stimuli_are_many(
    study: str, verdict: str, most: str, compared: Compare
) -> None:
    """36 stimuli that agree do not show that fewer than 5% differ; 144 do."""
    rows = {"study1": study1, "study2": study2}[study](random.Random(1))
    made = compared(rows, rows, study)
    assert made.verdict == verdict
    assert f"stimuli, so at most {most} of stimuli differ" in made.sentence


def test_a_shift_within_the_margin_is_equivalent_and_a_smaller_margin_is_not(compared: Compare) -> None:
    rng = random.Random(1)
    a, b = (scored("study1", trials("study1"), rng, shift=shift) for shift in (0.0, 0.03))
    assert compared(a, b).verdict == "equivalent"
    made = compared(a, b, margin=0.005)
    assert made.verdict == "different"
    assert "(margin 0.005)" in made.sentence


def test_two_draws_of_one_source_are_not_called_different(compared: Compare) -> None:
    verdicts = [
        compared(study2(random.Random(2 * seed)), study2(random.Random(2 * seed + 1)), "study2", draws=100).verdict
        for seed in range(5)
    ]
    assert verdicts.count("different") <= 1
    assert "equivalent" not in verdicts  # 17 answers of each stimulus can't tell 5 percentage points


def test_some_changed_answers_of_a_condition_are_found(compared: Compare) -> None:
    """49 of 202: by stimulus t(11) is about 5, and how much stimuli differ among themselves is of no concern."""
    rng = random.Random(8)
    a = study2(rng)
    study = load_study("study2")
    of_cell = [place for place, row in enumerate(a) if study.complete(row)["goal"] == "both" and row["State"][0] == "1"]
    was = rng.sample([place for place in of_cell if a[place]["Was_Wasnt"] == "wasn't"], 49)
    b = [{**row, "Was_Wasnt": "was"} if place in was else row for place, row in enumerate(a)]
    made = compared(a, b, "study2", draws=20)
    assert made.verdict == "different"
    shift = found(made, "Was_Wasnt", "share of was", "both, 1 hearts")
    assert shift.value == pytest.approx(49 / 202, abs=0.01)
    assert 0 < shift.low < shift.value < shift.high
    whole = found(made, "Was_Wasnt", "share of was")
    assert whole.value == pytest.approx(shift.value / 12)
    assert (whole.rows, whole.stimuli) == (2424, 144)


def test_answers_that_never_differ_are_copies(compared: Compare) -> None:
    """At temperature 0 the answers about a stimulus are one draw, and three stimuli no proof, however many rows."""
    rng = random.Random(2)
    rows = of_each_condition(3)
    for _ in range(3):
        once = [[rng.choice(("was", "wasn't")) for _ in rows] for _ in range(2)]
        sides = [
            [
                {**row, "Participant_ID": person, "Was_Wasnt": said, "Assessment": "good"}
                for person in range(17)
                for row, said in zip(rows, side, strict=True)
            ]
            for side in once
        ]
        assert compared(*sides, "study2", draws=20).verdict == "can't tell"


def test_shifts_of_drawn_answers_have_level_and_power() -> None:
    """Seeded, and smaller than `benchmarks.simulations compare`, whose figures stand in docs/comparison.md."""
    rng = np.random.default_rng(5)

    def different(samples: int, *design: float) -> int:
        return [verdict(rng, *design) for _ in range(samples)].count("different")

    assert different(20, 0.0, 0, 1.0, 17, 12) <= 3
    assert different(10, 0.1, 12, 1.0, 17, 12) >= 9
    assert different(10, 0.2, 1, 1.0, 17, 12) >= 5


def of_each_condition(stimuli: int) -> list[dict[str, Any]]:
    """One trial of study 2 for each of some stimuli in each condition."""
    kept: dict[object, dict[str, dict[str, Any]]] = {}
    study = load_study("study2")
    for row in trials("study2"):
        full = study.complete(row)
        kept.setdefault((full["goal"], full["State"]), {}).setdefault(row["Domain"], row)
    return [row for items in kept.values() for row in list(items.values())[:stimuli]]


def test_few_stimuli_that_happen_to_be_alike_are_no_difference(compared: Compare) -> None:
    """Of two or three draws many agree by chance, and in 60 tests some of those differ all in the same direction."""
    rng = random.Random(1)
    for stimuli in (2, 3):
        rows = of_each_condition(stimuli)
        for _ in range(3):
            draws = [
                [{**row, "Was_Wasnt": rng.choice(("was", "wasn't")), "Assessment": rng.choice(WORDS)} for row in rows]
                for _ in range(2)
            ]
            assert compared(*draws, "study2", draws=20).verdict == "can't tell"
        same = [{**row, "Was_Wasnt": "was", "Assessment": "good"} for row in rows]
        made = compared(same, same, "study2")
        assert made.verdict == "can't tell"
        assert f"the same in all {12 * stimuli} pairs of {12 * stimuli} stimuli, so at most" in made.sentence


@pytest.mark.parametrize(("stimuli", "rows"), [(2, 1), (3, 1), (3, 2), (13, 1)])
def test_two_draws_of_one_source_differ_once_in_twenty_times_at_most(stimuli: int, rows: int) -> None:
    """All the verdicts on 60 shares of uniformly drawn answers, whatever the number of stimuli and rows."""
    rng = np.random.default_rng(3)
    of = np.repeat(np.arange(stimuli), rows)
    verdicts = []
    for _ in range(20):
        tests = []
        for _ in range(12):
            drawn = rng.integers(0, 8, (len(of), 2))
            for values in (drawn < 4, *(drawn % 4 == word for word in range(4))):
                sides = values.astype(float)
                columns = np.column_stack([sides, np.diff(sides), np.full_like(sides, rows)])
                sample = Sample(columns, np.zeros(len(of), dtype=int), of, 1)
                tests += [tost(shift, 0.05) for _, shift in shifts_of(stimuli_alike(sample.grouped), drawn=True)]
        verdicts.append(verdict_of_tests(tests))
    assert verdicts.count("different") <= 2
    assert "equivalent" not in verdicts


def test_shares_do_not_differ_by_more_than_one(compared: Compare) -> None:
    rows = of_each_condition(3)
    a = [{**row, "Was_Wasnt": "was", "Assessment": "good"} for row in rows]
    b = [{**row, "Was_Wasnt": "was" if place % 3 else "wasn't"} for place, row in enumerate(a)]
    made = compared(a, b, "study2")
    shifts = [row for row in made.findings if row.measure.startswith("share of") and np.isfinite(row.low)]
    assert min(row.low for row in shifts) == -1
    assert all(-1 <= row.low <= row.value <= row.high <= 1 for row in shifts)
    contrasts = {row.of: row for row in made.findings if row.measure == "contrast"}
    assert contrasts
    assert all(-2 <= row.low <= row.high <= 2 for row in contrasts.values() if np.isfinite(row.low))


def test_answers_that_differ_everywhere_are_as_sure_as_their_stimuli_are_many(compared: Compare) -> None:
    """Nothing varies, so that no variance says how sure it is; yet no interval is a point, and effects are tested."""
    rows, study = of_each_condition(12), load_study("study2")

    def says(negates: str) -> list[dict[str, Any]]:
        goals = [study.complete(row)["goal"] for row in rows]
        return [
            {
                **row,
                "Was_Wasnt": "wasn't" if goal == negates and row["State"][0] in "01" else "was",
                "Assessment": "good",
            }
            for row, goal in zip(rows, goals, strict=True)
        ]

    made = compared(says("both"), says("social"), "study2", draws=100)
    assert made.verdict == "different"
    effect = found(made, "negation:0:both>social", "contrast")
    assert (effect.a, effect.b, effect.value, effect.low) == (1, -1, -2, -2)
    assert -2 < effect.high < -0.5
    assert effect.p_difference == 2**-11  # twelve things
    assert effect.p_equivalence > 0.9
    same = found(made, "negation:2:both>social", "contrast")
    assert np.isnan(same.p_difference)
    assert same.low < 0 < same.high
    sides = ([{**row, "Was_Wasnt": said, "Assessment": "good"} for row in rows] for said in ("was", "wasn't"))
    apart = compared(*sides, "study2", draws=100)
    most = 1 - 0.05 ** (1 / 144)
    for measure, value in (("total_variation", 1), ("same_most_likely", 0)):
        number = found(apart, "utterance", measure)
        assert (number.value, number.high - number.low) == (value, pytest.approx(most))
    assert "the same in all 144 pairs of 144 stimuli" in apart.sentence


def test_the_noise_floor_stands_beside(compared: Compare) -> None:
    rng = random.Random(1)
    a = scored("study1", trials("study1"), rng)
    b = scored("study1", trials("study1"), rng, shift=0.3)
    names = ("state0", "state1", "state2", "state3", "knowledge", "state")
    floor = {"largest": 0.5, "mean": 0.1, "by_question": dict.fromkeys(names, 0.5)}
    made = compared(a, b, floors=(floor, None))
    assert found(made, "state0", "largest_difference_of_probability").noise == 0.5
    assert found(made, "state0", "difference_of_probability").noise == 0.1
    assert made.verdict == "can't tell"  # a difference that one model has from itself is none
    assert "no more than the noise floor" in made.sentence
    assert made.sentence.endswith("No probability differs by more than when one model is asked twice.")
    low = {"largest": 0.01, "mean": 0.001, "by_question": dict.fromkeys(names, 0.01)}
    made = compared(a, b, floors=(None, low))
    assert made.verdict == "different"
    assert made.sentence.endswith("Beyond the noise floor lie the probabilities of " + ", ".join(names) + ".")


def test_replications_tell_how_often_a_model_agrees_with_itself(compared: Compare) -> None:
    def twice(seed: int) -> list[dict[str, Any]]:
        rng = random.Random(seed)
        return [row for replication in (1, 2) for row in study2(rng, replication=replication)]

    made = compared(twice(1), twice(2), "study2")
    agreed = found(made, "Was_Wasnt", "agreement")
    assert agreed.rows == 2 * 2424
    assert agreed.noise == pytest.approx(agreed.value, abs=0.04)  # b is to a as a is to itself
    assert "than one model with itself" in made.sentence


# --- what can't be told ----------------------------------------------------------------------------------------------


def test_trials_without_partner_are_counted(compared: Compare) -> None:
    rows = study1(random.Random(1))
    made = compared(rows[:200], rows[100:])
    assert (len(made.pairs.rows), made.pairs.only_a, made.pairs.only_b) == (100, 100, 100)
    assert "It rests on 100 pairs; 100 rows of the first and 100 of the second have none." in made.sentence


def test_no_trial_in_both_is_refused(compared: Compare) -> None:
    rows = study1(random.Random(1))
    other = [{**row, "speach": f"{row['speach']} Again."} for row in rows]
    with pytest.raises(InputError, match=r"a.csv and .*b.csv: no trial is in both"):
        compared(rows, other)


def test_the_order_of_rows_is_of_no_concern(compared: Compare) -> None:
    rows = scored("study1", study1(random.Random(1)), random.Random(1))
    shuffled = random.Random(3).sample(rows, len(rows))
    made = compared(rows, shuffled, margin=0.1)
    assert (made.verdict, made.pairs.only_a) == ("equivalent", 0)


def test_another_study_is_refused(grace: Command, tmp_path: Path) -> None:
    one = write(tmp_path / "one.csv", study1(random.Random(1)))
    two = write(tmp_path / "two.csv", study2(random.Random(1)))
    done = grace("compare", one, two, "--out", tmp_path / "out")
    assert done.code == 2
    assert f"{one} is of study1, {two} is of study2; only runs of one study can be compared" in done.err
    assert not (tmp_path / "out").exists()


def test_several_models_in_a_table_are_refused(grace: Command, tmp_path: Path) -> None:
    rows = [*study1(random.Random(1), model_name="x"), *study1(random.Random(2), model_name="y")]
    both = write(tmp_path / "both.csv", rows)
    done = grace("compare", both, both)
    assert done.code == 2
    assert "holds several models (x, y)" in done.err


def test_different_experiments_leave_nothing_to_compare(grace: Command, tmp_path: Path) -> None:
    answered = write(tmp_path / "answered.csv", study1(random.Random(1)))
    asked = write(tmp_path / "scored.csv", scored("study1", trials("study1"), random.Random(1)))
    done = grace("compare", answered, asked, "--study", "study1", "--out", tmp_path / "out")
    assert done.code == 1, done
    assert "the two have neither probabilities nor extracted values in common" in done.out
    assert "there is nothing that could be compared" in done.out


def test_one_experiment_on_both_sides_is_enough(compared: Compare) -> None:
    answers = study1(random.Random(1))
    made = compared(answers, scored("study1", answers, random.Random(1)), margin=0.1)
    assert [part.of for part in made.parts] == ["all fields"]
    assert made.verdict == "equivalent"
    assert "two replications would tell" in made.sentence


def test_failed_rows_are_counted(compared: Compare) -> None:
    a = scored("study1", study1(random.Random(1), error=""), random.Random(1))
    blank = {name: "" for name in a[0] if "prob" in name or name == "Knowledge_A"}
    b = [{**row, **blank, "error": "timeout"} if place % 10 == 0 else row for place, row in enumerate(a)]
    made = compared(a, b, margin=0.1)
    assert made.verdict == "equivalent"
    agreed = found(made, "Knowledge_A", "agreement")
    assert (agreed.rows, agreed.reason) == (270, "without 30 pairs of rows that lack it on a side")
    assert "requests that failed: 0 of the first, 30 of the second" in made.sentence
    assert "without 30 pairs of rows that lack it on a side" in made.sentence


def test_a_model_that_failed_altogether_gives_no_verdict(compared: Compare) -> None:
    a = study1(random.Random(1), error="")
    b = [
        {**row, **dict.fromkeys([*(f"probability_{k}" for k in range(4)), "Knowledge_A"], ""), "error": "no"}
        for row in a
    ]
    made = compared(a, b)
    assert (made.verdict, made.compared) == ("can't tell", False)
    assert "no trial has values on both sides; requests that failed: 0 of the first, 300 of the second" in made.sentence


def test_an_empty_condition_is_named_and_hinders_equivalence(compared: Compare) -> None:
    rows = scored("study1", study1(random.Random(1)), random.Random(1))
    kept = [row for row in rows if (row["access"], row["observe"]) != ("1", "1")]
    made = compared(kept, kept)
    assert made.verdict == "can't tell"
    assert "nothing is known of access 1, word 1 (no pair of rows)" in made.sentence
    shifts = [row for row in made.findings if row.of == "planned:a1-one:1>2"]
    assert {row.reason for row in shifts} == {"a condition has no rows"}
    assert all(np.isnan(row.value) for row in shifts)


def test_answers_that_are_all_equal_say_so(compared: Compare) -> None:
    bets = {f"probability_{state}": 25 for state in range(4)}
    a = [{**row, **bets, "Knowledge_A": "no"} for row in trials("study1")]
    made = compared(a, a, margin=0.1)
    assert made.verdict == "equivalent"
    assert found(made, "Knowledge_A", "agreement").reason == "all answers of both sides are no"
    b = [{**row, "Knowledge_A": "yes"} for row in a]
    made = compared(a, b)
    assert made.verdict == "different"
    shift = found(made, "Knowledge_A", "share of yes", "access 3, word 2")
    se = np.sqrt((7 / 8 - (6 / 8) ** 2) / 8)  # 6 stimuli that differ; half a pair of each direction and one without
    assert (shift.a, shift.b, shift.value) == (0, 1, 1)
    assert shift.p_difference == pytest.approx(2 * stats.t.sf(1 / se, 5))
    assert (shift.low, shift.high) == (pytest.approx(1 - stats.t.ppf(0.95, 5) * se), 1)  # no share differs by more
    c = [{**row, "probability_2": 35} for row in a]
    made = compared(a, c)
    assert made.verdict == "different"
    shift = found(made, "probability_2", "mean", "access 3, word 2")
    assert (shift.value, shift.p_difference) == (pytest.approx(10), 0.25**5)
    assert -20 < shift.low < 10 < shift.high < 40  # six stimuli do not say that all do
    assert shift.reason == "all 6 stimuli differ by the same"


def test_one_stimulus_in_a_condition_gives_no_interval(compared: Compare) -> None:
    rows = scored("study1", study1(random.Random(1)), random.Random(1))
    first: dict[tuple[str, str], str] = {}
    alone = [row for row in rows if first.setdefault((row["access"], row["observe"]), row["speach"]) == row["speach"]]
    made = compared(alone, alone)
    assert made.verdict == "can't tell"
    assert "one stimulus only" in made.sentence
    distance = found(made, "state", "total_variation")
    assert (distance.value, np.isnan(distance.low), np.isnan(distance.high)) == (0, True, True)


# --- numbers ---------------------------------------------------------------------------------------------------------


def test_repeated_rows_make_nothing_surer(compared: Compare) -> None:
    """The bootstrap and the tests take stimuli as units: the same answers thrice leave intervals as they are."""
    a, b = study1(random.Random(1)), study1(random.Random(2))
    thrice = [[{**row, "replication": place} for place in (1, 2, 3) for row in rows] for rows in (a, b)]
    once, more = compared(a, b), compared(*thrice)
    for one, other in zip(once.findings, more.findings, strict=True):
        assert other.rows == 3 * one.rows
        for name in ("stimuli", "value", "low", "high", "p_equivalence", "p_difference"):
            assert getattr(other, name) == pytest.approx(getattr(one, name), nan_ok=True), (one.of, one.measure, name)


def test_the_same_seed_gives_the_same_bytes(compared: Compare, tmp_path: Path) -> None:
    a, b = (scored("study1", study1(random.Random(seed)), random.Random(seed), jitter=0.2) for seed in (1, 2))
    written = []
    for place, seed in enumerate((1, 1, 2)):
        paths = write_comparison(compared(a, b, seed=seed), tmp_path / str(place))
        written.append([path.read_bytes() for path in paths])
    assert written[0] == written[1]
    assert written[0][0] != written[2][0]


@pytest.mark.parametrize("margin", [0, 1, -0.1, float("nan")])
def test_a_margin_that_is_none_is_refused(margin: float, compared: Compare) -> None:
    rows = study1(random.Random(1))
    with pytest.raises(InputError, match="--margin"):
        compared(rows, rows, margin=margin)


def test_two_one_sided_tests_are_scipys() -> None:
    values = np.random.default_rng(1).normal(0.02, 0.03, 20)
    made = tost(Estimate(values.mean(), stats.sem(values), 19, 20), 0.05)
    lower = stats.ttest_1samp(values, -0.05, alternative="greater").pvalue
    upper = stats.ttest_1samp(values, 0.05, alternative="less").pvalue
    assert made.p_equivalence == pytest.approx(max(lower, upper))
    assert made.p_difference == pytest.approx(stats.ttest_1samp(values, 0).pvalue)
    interval = stats.ttest_1samp(values, 0).confidence_interval(0.9)
    assert (made.low, made.high) == pytest.approx(tuple(interval))


@pytest.mark.parametrize("truth", [-0.05, 0.05])
def test_equivalence_is_claimed_wrongly_once_in_twenty_times(truth: float) -> None:
    rng = np.random.default_rng(2)
    samples = rng.normal(truth, 0.03, (2000, 15))
    claimed = [
        tost(Estimate(values.mean(), stats.sem(values), 14, 15), 0.05).p_equivalence < 0.05 for values in samples
    ]
    assert 0.035 < np.mean(claimed) < 0.065


def test_verdicts_follow_from_their_rules() -> None:
    within, apart, unsure = Tost(0.01, 0.5, -0.02, 0.02), Tost(0.9, 0.001, 0.1, 0.2), Tost(0.4, 0.4, -0.1, 0.2)
    small = Tost(0.01, 0.001, 0.01, 0.02)  # differs surely, but by less than the margin
    assert verdict_of_tests([within, small]) == "equivalent"
    assert verdict_of_tests([within, apart]) == "different"
    assert verdict_of_tests([within, unsure]) == "can't tell"
    assert verdict_of_tests([]) == "can't tell"
    assert verdict_of_tests([Tost(*[float("nan")] * 4)]) == "can't tell"
    assert verdict_of_distance(0.01, 0.04, 0.05) == "equivalent"
    assert verdict_of_distance(0.06, 0.1, 0.05) == "different"
    assert verdict_of_distance(0.01, 0.1, 0.05) == "can't tell"
    assert verdict_of_distance(float("nan"), float("nan"), 0.05) == "can't tell"
    assert overall(["equivalent", "can't tell"]) == "can't tell"
    assert overall(["different", "equivalent"]) == "different"
    assert overall([]) == "can't tell"
    assert holm([0.01, float("nan"), 0.04])[::2] == pytest.approx([0.02, 0.04])


# --- the command -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("study", "rows"), [("study1", 300), ("study2", 2424)])
def test_whole_studies_take_seconds(study: str, rows: int, grace: Command, tmp_path: Path) -> None:
    make = {"study1": study1, "study2": study2}[study]
    for seed, name in enumerate("ab"):
        rng = random.Random(seed)
        write(tmp_path / f"{name}.csv", scored(study, make(rng, model_name=name), rng, jitter=0.1))
    with cpu_below(60):
        done = grace("compare", tmp_path / "a.csv", tmp_path / "b.csv")
    assert done.code == 0, done
    assert f"{rows} pairs of rows; without partner: 0 of a, 0 of b" in done.out
    out = tmp_path / "a_and_b"
    made = json.loads((out / "compare.json").read_bytes())
    assert (made["paired"], made["margin"], made["a"]["model"]) == (rows, 0.05, "a")
    assert made["sentence"] in (out / "compare.txt").read_text()
    assert made["sentence"] in done.out
    table = read_rows(out / "compare.csv")
    assert len(table) == len(made["findings"])
    assert not [row for row in table if "nan" in row.values() or "inf" in row.values()]
    assert {row["experiment"] for row in table} >= {"probabilities", "answers", "effects of answers"}


def test_runs_are_compared_with_what_belongs_to_them(grace: Command, trials: Path, tmp_path: Path) -> None:
    """Answers, their extraction, probabilities and the noise floor are found beside a run."""
    with speaker() as own:
        runs = [ask(grace, own, "study1", trials, tmp_path / f"{name}.csv", score=3, model=name) for name in "ab"]
        for name in "ab":
            own.server.name = name
            assert grace("noise", tmp_path / f"{name}_scores.run", "--repeat", 1).code == 0
        done = grace("compare", *runs)
        assert done.code == 0, done
        assert "12 pairs of rows; without partner: 0 of a, 0 of b" in done.out
        made = json.loads((tmp_path / "a_and_b" / "compare.json").read_bytes())
        assert [made[side]["model"] for side in "ab"] == ["a", "b"]
        assert made["a"]["noise_floor"]["largest"] == 0
        assert {part["of"] for part in made["parts"]} >= {"state", "knowledge", "all fields"}
        scored_parts = [part for part in made["parts"] if part["experiment"] == "probabilities"]
        assert all(part["within_noise"] for part in scored_parts)  # the server gives both the same probabilities
        assert made["verdict"] == "can't tell"  # three scored rows are not the whole design
        few = chosen(trials, tmp_path / "few.csv", lambda row: row["access"] == "3")
        other = ask(grace, own, "study1", few, tmp_path / "c.csv")
    done = grace("compare", runs[0], other)
    assert done.code == 2
    assert "different tables of trials" in done.err
