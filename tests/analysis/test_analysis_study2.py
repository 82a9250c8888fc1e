"""`grace analyze study2`: planted shares come back, with honest intervals; chance, distributions, calibration."""

import json
import random
from pathlib import Path
from typing import Any

import pytest

from analysis_tables import NEGATED, WORDS, number, study2, write
from conftest import Command, read_rows

pytest.importorskip("statsmodels")

from scipy import stats
from statsmodels.stats.proportion import proportion_confint


@pytest.fixture
def analyze(grace: Command, tmp_path: Path) -> Any:
    """Analyse rows: the tables by name, the tests by name, the summary, and what was printed."""

    def run(rows: list[dict[str, Any]], *options: object, code: int = 0) -> Any:
        path = write(tmp_path / "table.csv", rows)
        done = grace("analyze", "study2", "--input", path, "--out", tmp_path / "out", *options)
        assert done.code == code, done
        if code:
            return done
        tables = {path.stem: read_rows(path) for path in sorted((tmp_path / "out").glob("*.csv"))}
        summary = json.loads((tmp_path / "out" / "summary.json").read_bytes())
        return tables, {row["test"]: row for row in tables.get("tests", [])}, summary, done.out

    return run


def test_planted_shares_come_back(analyze: Any) -> None:
    tables, tests, summary, _ = analyze(study2(random.Random(1)), "--no-figures")
    assert list(tables["means"][0])[:7] == ["goal", "state", "utterance", "proportion", "low", "high", "n"]
    assert len(tables["means"]) == 96
    for (goal, state), planted in NEGATED.items():
        row = next(r for r in tables["negation"] if (r["goal"], r["state"]) == (goal, str(state)))
        n = int(row["n"])
        assert n == 202
        low, high = proportion_confint(round(number(row["proportion"]) * n), n, 0.001, "wilson")
        assert low <= planted <= high
        plain = proportion_confint(round(number(row["proportion"]) * n), n, method="wilson")
        assert (number(row["low"]), number(row["high"])) == pytest.approx(plain)
        own = [r for r in tables["means"] if (r["goal"], r["state"]) == (goal, str(state))]
        assert sum(number(r["proportion"]) for r in own) == pytest.approx(1)
        negated = sum(number(r["proportion"]) for r in own if r["utterance"].startswith("wasnt_"))
        assert negated == pytest.approx(number(row["proportion"]))
        found = tests[f"binomial:negation:{goal}-s{state}"]
        expected = stats.binomtest(round(number(row["proportion"]) * n), n, 0.5).pvalue
        assert number(found["p"]) == pytest.approx(expected)
    assert number(tests["binomial:utterance:both-s0:wasnt_bad"]["p"]) < 0.05  # 3/16, where chance is 1/8
    for name in ("mixed:goal", "mixed:state", "mixed:goal:state"):
        assert number(tests[name]["p"]) < 1e-6
        assert "participant (sd" in tests[name]["note"]
        assert "item (sd" in tests[name]["note"]
    families = [sum(name.startswith(f"binomial:{kind}:") for name in tests) for kind in ("negation", "utterance")]
    assert families == [12, 96]
    assert summary["models"][""]["analysed"] == 2424


def test_separation_is_said_and_nothing_is_infinite(analyze: Any) -> None:
    never = {cell: 0.0 if cell[1] == 3 else share for cell, share in NEGATED.items()}
    tables, tests, summary, _ = analyze(study2(random.Random(2), never)[:720])
    assert "complete separation" in tests["mixed:state"]["note"]
    assert "mixed:goal:state" in summary["models"][""]["remarks_on_tests"]
    zero = next(r for r in tables["negation"] if (r["goal"], r["state"]) == ("both", "3"))
    assert (zero["proportion"], zero["low"]) == ("0", "0")
    assert 0 < number(zero["high"]) < 0.1
    assert "inf" not in " ".join(row["statistic"] for row in tests.values())
    assert "are equal" in tests["clustered:negation:both-s3"]["note"]
    assert number(tests["binomial:negation:both-s3"]["p"]) < 1e-6


def test_replications_widen_the_clustered_interval_alone(analyze: Any) -> None:
    once = study2(random.Random(3))[:600]
    _, single, _, _ = analyze(once, "--no-figures")
    tables, tests, _, _ = analyze([{**row, "replication": k} for row in once for k in range(5)], "--no-figures")
    for row in tables["negation"]:
        assert number(row["n_effective"]) <= number(row["n"]) / 5 + 1e-9
        assert number(row["low_clustered"]) <= number(row["low"])
        assert number(row["high"]) <= number(row["high_clustered"])
    assert "design effect of stimuli, 5" in tests["mixed:goal"]["note"]
    for name in ("mixed:goal", "mixed:state"):  # the same answers five times are no more evidence
        assert number(tests[name]["statistic"]) == pytest.approx(number(single[name]["statistic"]), rel=0.1)


def test_people_s_names_and_unusable_answers(analyze: Any) -> None:
    rows = study2(random.Random(4))[:120]
    rows[0]["Was_Wasnt"], rows[1]["Assessment"], rows[2]["Goal"] = "is", "okay", "If nobody wanted anything"
    rows[3]["State"] = "7 hearts"
    rows[4]["Was_Wasnt"] = "wasn’t"
    _, tests, summary, _ = analyze(rows, "--no-figures")
    assert summary["models"][""]["not_usable"] == {
        "goal or state is none of the design's": 2,
        "the answer is none of the eight utterances": 2,
    }
    goals = {"feel good": "social", "accurate": "informative"}
    own = [
        {
            "Participant_ID": row["Participant_ID"],
            "Domain": row["Domain"],
            "Goal_simplified": "both" if all(word in row["Goal"] for word in goals) else next(
                (goal for word, goal in goals.items() if word in row["Goal"]), "none"
            ),
            "State_number": row["State"][0],
            "Was/Wasn't": row["Was_Wasnt"],
            "Assessment": row["Assessment"],
        }
        for row in rows
    ]  # fmt: skip
    _, again, summary, _ = analyze(own, "--no-figures")
    assert summary["models"][""]["analysed"] == 116
    for name in ("binomial:negation:informational-s1", "binomial:utterance:social-s2:was_good"):
        assert {**again[name], "n_effective": ""} == {**tests[name], "n_effective": ""}


def test_all_answers_equal_and_one_row(analyze: Any) -> None:
    same = [{**row, "Was_Wasnt": "was", "Assessment": "good"} for row in study2(random.Random(5))[:240]]
    for rows in (same, same[:1]):
        tables, tests, _, _ = analyze(rows)
        assert {tests[name]["p"] for name in ("mixed:goal", "mixed:state", "mixed:goal:state")} == {""}
        assert "all answers are equal" in tests["mixed:goal"]["note"]
        assert len(tables["means"]) == 96


def test_distributions_and_calibration(analyze: Any) -> None:
    rng = random.Random(6)
    rows = study2(rng, temperature=1)
    names = [f"{frame}_{word}" for frame in ("was", "wasnt") for word in WORDS]
    for row in rows:
        social, informational = "feel good" in row["Goal"], "accurate" in row["Goal"]
        goal = "both" if social and informational else "social" if social else "informational"
        negated = NEGATED[goal, int(row["State"][0])]
        row |= {f"prob_{name}": (negated if name.startswith("wasnt") else 1 - negated) / 4 for name in names}
        row |= {"prob_was": 1 - negated, "prob_wasnt": negated, "entropy_joint": 2.5, "label_mass_utterance": 0.8}
    tables, _, summary, _ = analyze(rows, "--no-figures")
    found = {(r["goal"], r["state"], r["quantity"]): r for r in tables["distributions"]}
    cell = found["both", "0", "prob_wasnt"]
    assert number(cell["mean"]) == pytest.approx(0.75)
    assert number(cell["sampled"]) == pytest.approx(0.75, abs=0.12)
    assert cell["sampled_n"] == "202"
    of_answers = summary["models"][""]["calibration"]["utterance"]
    assert of_answers["answers"] == 2424
    assert of_answers["expected_calibration_error"] < 0.02  # answers were drawn from these very probabilities
    assert of_answers["brier"] < of_answers["brier_uniform"]
    assert sum(int(row["n"]) for row in tables["calibration"]) == 8 * 2424
    cooler = [{**row, "temperature": 0.7} for row in rows[:240]]
    tables, _, summary, _ = analyze(cooler, "--no-figures")
    assert "calibration" not in tables
    assert summary["models"][""]["calibration"] == {}
    assert any("sampled at temperature 0.7" in note for note in summary["models"][""]["notes"])
    unknown = [{name: cell for name, cell in row.items() if name != "temperature"} for row in rows[:240]]
    tables, _, summary, _ = analyze(unknown, "--no-figures")
    assert "calibration" not in tables
    assert any("at a temperature that is not known" in note for note in summary["models"][""]["notes"])
    scores = [{name: cell for name, cell in row.items() if name not in ("Was_Wasnt", "Assessment")} for row in rows]
    tables, _, summary, out = analyze(scores, "--no-figures")
    assert set(tables) == {"distributions", "references", "patterns"}
    assert "no answers of Experiment 1, only probabilities" in out
    assert summary["models"][""]["not_usable"] == {}


def test_a_table_without_values_is_refused(analyze: Any) -> None:
    rows = [{name: cell for name, cell in row.items() if name != "Assessment"} for row in study2(random.Random(7))]
    assert "has neither answers" in analyze(rows, code=2).err
    no_goal = [{name: cell for name, cell in row.items() if name != "Goal"} for row in study2(random.Random(7))]
    assert "speaker's goal" in analyze(no_goal, code=2).err


def test_annotations_of_real_answers(grace: Command, shared: Path, tmp_path: Path) -> None:
    path = shared / "data" / "gold_dev_study2.csv"
    assert grace("analyze", "study2", "--input", path, "--out", tmp_path).code == 0
    rows, found = read_rows(path), read_rows(tmp_path / "negation.csv")
    assert sum(int(row["n"]) for row in found) == len(rows)
    for row in found:
        own = [r for r in rows if (r["Goal_simplified"], r["State_number"]) == (row["goal"], row["state"])]
        assert int(row["n"]) == len(own)
        if own:
            negated = sum(r["Was/Wasn't"] == "wasn't" for r in own)
            assert number(row["proportion"]) == pytest.approx(negated / len(own))


def test_answers_that_follow_the_item_and_not_the_names_count_once(analyze: Any) -> None:
    """As at temperature 0: one answer for each thing, goal and state, whoever the persons are; no effect of either."""
    rows = study2(random.Random(5))
    for row in rows:
        goal = "feel good" in row["Goal"], "accurate" in row["Goal"]
        of_item = random.Random(str((row["Domain"], goal, row["State"])))
        row["Was_Wasnt"] = "wasn't" if of_item.random() < 0.4 else "was"
    tables, tests, summary, _ = analyze(rows, "--no-figures")
    assert summary["models"][""]["stimuli"] == 144
    assert all(number(row["n_effective"]) <= 12 + 1e-9 for row in tables["negation"])
    assert number(tests["clustered:negation:both-s2"]["df1"]) == 11
    assert min(number(tests[f"mixed:{name}"]["p"]) for name in ("goal", "state", "goal:state")) > 0.01
