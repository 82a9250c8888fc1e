"""`grace analyze study1`: planted effects come back, exclusions are counted, and what is undefined says so."""

import json
import math
import random
from pathlib import Path
from typing import Any

import pytest

from analysis_tables import BETS, number, study1, trials, write
from conftest import Command, read_rows

pytest.importorskip("statsmodels")

from scipy import stats

PLANNED = [
    "a3-two:2>3", "a3-one:1>3", "a3-one:1>2", "a1-one:1>2", "a1-one:1>3", "a2-two:2>3", "a2-one:1>3", "a2-one:1>2",
]  # fmt: skip
WORD = {1: "one", 2: "two", 3: "three"}


@pytest.fixture
def analyze(grace: Command, tmp_path: Path) -> Any:
    """Analyse rows: the tables by name, the tests by name, the summary, and what was printed."""

    def run(rows: list[dict[str, Any]], *options: object, code: int = 0) -> Any:
        path = write(tmp_path / "table.csv", rows)
        done = grace("analyze", "study1", "--input", path, "--out", tmp_path / "out", *options)
        assert done.code == code, done
        if code:
            return done
        tables = {path.stem: read_rows(path) for path in sorted((tmp_path / "out").glob("*.csv"))}
        summary = json.loads((tmp_path / "out" / "summary.json").read_bytes())
        return tables, {row["test"]: row for row in tables.get("tests", [])}, summary, done.out

    return run


def test_planted_effects_come_back(analyze: Any) -> None:
    rows = study1(random.Random(1))
    tables, tests, summary, out = analyze(rows, "--no-figures")
    assert list(tables["means"][0]) == ["access", "word", "state", "mean", "se", "n", "n_effective"]
    assert len(tables["means"]) == 24
    for row in tables["means"]:
        observe = next(n for n, word in WORD.items() if word == row["word"])
        own = [float(r[f"probability_{row['state']}"]) for r in rows if _cell(r) == (int(row["access"]), observe)]
        assert number(row["mean"]) == pytest.approx(sum(own) / len(own))
        assert number(row["se"]) == pytest.approx(stats.sem(own))
        assert int(row["n"]) == 50
        planted = BETS[int(row["access"]), observe][int(row["state"])]
        if 20 <= planted <= 80:  # bets are cut off at 0 and 100
            assert abs(number(row["mean"]) - planted) < 3.5 * number(row["se"])
    names = ["access", "word", "access:word", "access|word"]
    assert list(tests) == [
        *(f"anova:{name}" for name in names), *(f"planned:{name}" for name in PLANNED),
        *(f"clustered:{name}" for name in names), *(f"clustered:{name}" for name in PLANNED),
        *(f"repeated:{name}" for name in names),
    ]  # fmt: skip
    assert list(tables["tests"][0])[:9] == [
        "test", "statistic", "df1", "df2", "p", "p_holm", "effect_size", "n", "n_effective"
    ]  # fmt: skip
    for name in ("a3-two:2>3", "a3-one:1>3", "a3-one:1>2"):
        assert number(tests[f"planned:{name}"]["p_holm"]) < 0.001
        assert number(tests[f"clustered:{name}"]["p_holm"]) < 0.001
    for name in ("a1-one:1>2", "a1-one:1>3"):
        assert number(tests[f"planned:{name}"]["p"]) > 0.9
    assert "300 of 300 rows analysed" in out
    assert summary["models"][""]["stimuli"] == 36


def test_the_planned_t_is_the_paired_one(analyze: Any) -> None:
    rows = study1(random.Random(2))
    _, tests, _, _ = analyze(rows, "--no-figures")
    for name in PLANNED:
        access, word, state, than = int(name[1]), name[3:].partition(":")[0], name[-3], name[-1]
        own = [r for r in rows if int(r["access"]) == access and WORD[int(r["observe"])] == word]
        one, other = ([r[f"probability_{k}"] for r in own] for k in (state, than))
        expected = stats.ttest_rel(one, other, alternative="greater")
        found = tests[f"planned:{name}"]
        assert number(found["statistic"]) == pytest.approx(expected.statistic, rel=1e-12)
        assert number(found["p"]) == pytest.approx(expected.pvalue, rel=1e-9)
        assert (found["df1"], found["df2"], found["n"]) == ("49", "", "50")
        assert number(found["effect_size"]) == pytest.approx(expected.statistic / math.sqrt(50))


def test_rows_of_one_stimulus_are_not_independent(analyze: Any) -> None:
    _, tests, _, _ = analyze(study1(random.Random(3), spread=2, of_stimulus=10), "--no-figures")
    plain, clustered = tests["planned:a3-one:1>2"], tests["clustered:a3-one:1>2"]
    assert number(plain["n_effective"]) < 8  # six stories
    assert number(plain["statistic"]) > number(clustered["statistic"])
    assert (clustered["df1"], clustered["n"], clustered["n_effective"]) == ("5", "50", "6")
    assert tests["clustered:access"]["df2"] == "30"  # 36 stimuli, 6 cells


def test_a_hundred_replications_of_equal_answers_are_worth_one(analyze: Any) -> None:
    once = study1(random.Random(4))[:60]
    _, single, _, _ = analyze(once, "--no-figures")
    _, many, _, _ = analyze([{**row, "replication": k} for row in once for k in range(20)], "--no-figures")
    name = "a2-one:1>3"
    assert number(many[f"planned:{name}"]["n"]) == 20 * number(single[f"planned:{name}"]["n"])
    assert number(many[f"planned:{name}"]["n_effective"]) <= number(single[f"planned:{name}"]["n"])
    for column in ("statistic", "df1", "p", "n_effective"):
        assert number(many[f"clustered:{name}"][column]) == pytest.approx(number(single[f"clustered:{name}"][column]))


def test_exclusions_follow_the_knowledge_answer_and_people_s_marks(analyze: Any) -> None:
    rows = study1(random.Random(5), drop_wrongPrior="")
    rows[0]["Knowledge_A"] = "Y" if rows[0]["Knowledge_A"] == "no" else "N"  # does not fit
    rows[1]["Knowledge_A"] = "uncertain N"
    rows[2]["Knowledge_A"] = "NA"
    rows[3]["drop_wrongPrior"] = "drop_wrongPrior"
    rows[4]["probability_2"] = "40?"
    rows[5]["probability_0"] = ""
    rows[6] |= {f"probability_{k}": f"{row}%" for k, row in enumerate((0, 0, 40, 60))}
    rows[7]["probability_3"] = 110
    tables, _, summary, out = analyze(rows, "--no-figures")
    found = summary["models"][""]
    assert found["not_usable"] == {"not all four bets are numbers from 0 to 100": 3}
    assert found["excluded"] == {
        "marked in drop_wrongPrior": 1,
        "the knowledge answer does not fit access": 1,
        "the knowledge answer is missing or neither yes nor no": 2,
    }
    assert found["analysed"] == 300 - 3 - 4 == sum(int(row["n"]) for row in tables["means"]) / 4
    assert "1 excluded: the knowledge answer does not fit access" in out
    tables, _, summary, _ = analyze(rows, "--no-exclusions", "--no-figures")
    assert summary["models"][""]["analysed"] == 297
    assert summary["models"][""]["excluded"] == {}
    assert summary["exclusions"] is False


def test_knowledge_by_cell_is_of_all_rows(analyze: Any) -> None:
    rows = study1(random.Random(6))
    flipped = [row for row in rows if _cell(row) == (2, 1)][:10]
    for row in flipped:
        row["Knowledge_A"] = "yes"
    tables, _, _, _ = analyze(rows, "--no-figures")
    found = {(row["access"], row["word"]): row for row in tables["knowledge"]}
    assert (found["2", "one"]["yes"], found["2", "one"]["no"], found["2", "one"]["n"]) == ("10", "40", "50")
    assert number(found["2", "one"]["low"]) == pytest.approx(0.1124, abs=1e-4)  # Wilson, 10 of 50
    assert number(found["2", "one"]["high"]) == pytest.approx(0.3304, abs=1e-4)
    sure = found["3", "three"]
    assert (sure["proportion_yes"], sure["n_effective"][:3], sure["high_clustered"]) == ("1", "5.9", "1")
    assert number(sure["low_clustered"]) == pytest.approx(0.61, abs=0.01)  # six stories, not 50 answers
    assert number(sure["low"]) > 0.9


def test_an_empty_cell_is_there_and_empty(analyze: Any) -> None:
    rows = [row for row in study1(random.Random(7)) if _cell(row) != (2, 2)]
    tables, tests, _, out = analyze(rows)
    empty = [row for row in tables["means"] if (row["access"], row["word"]) == ("2", "two")]
    assert [(row["mean"], row["se"], row["n"]) for row in empty] == [("", "", "0")] * 4
    assert tests["planned:a2-two:2>3"]["p"] == ""
    assert tests["planned:a2-two:2>3"]["note"] == "no rows"
    assert tests["anova:access:word"]["p"] == ""
    assert "cannot be estimated" in tests["anova:access:word"]["note"]
    assert number(tests["anova:word"]["p"]) < 0.001
    assert "undefined; the column note of tests.csv says why" in out


def test_equal_answers_give_no_invented_numbers(analyze: Any) -> None:
    rows = study1(random.Random(8))
    for row in rows:
        row |= {f"probability_{state}": 25 for state in range(4)}
    tables, tests, summary, _ = analyze(rows)
    assert {row["mean"] for row in tables["means"]} == {"25"}
    assert {row["se"] for row in tables["means"]} == {"0"}
    assert {row["p"] for row in tests.values()} == {""}
    assert all(row["note"] for row in tests.values())
    assert set(summary["models"][""]["undefined_tests"]) == set(tests)


def test_a_model_that_always_says_the_same_of_a_condition_has_no_f(analyze: Any) -> None:
    rows = study1(random.Random(8))
    for row in rows:
        row |= {f"probability_{state}": bet / 3 for state, bet in enumerate(BETS[_cell(row)])}
    _, tests, _, _ = analyze(rows)
    for name in ("anova:word", "clustered:word"):
        assert tests[name]["statistic"] == ""
        assert "no variance" in tests[name]["note"]
    assert "values are equal (23.3333)" in tests["planned:a3-two:2>3"]["note"]


def test_one_row(analyze: Any) -> None:
    tables, tests, summary, _ = analyze(study1(random.Random(9))[:1])
    assert summary["models"][""]["analysed"] == 1
    assert [row["n"] for row in tables["means"]].count("1") == 4
    assert {row["p"] for row in tests.values()} == {""}


def test_a_model_that_failed_stands_beside_one_that_did_not(analyze: Any) -> None:
    good = study1(random.Random(10), model_name="good", error="")
    bad = [
        {**row, "model_name": "bad", "error": "http 500: out of memory", "Knowledge_A": ""}
        | {f"probability_{k}": "" for k in range(4)}
        for row in trials("study1")
    ]
    tables, _, summary, out = analyze([*good, *bad])
    assert next(iter(tables["means"][0])) == next(iter(tables["tests"][0])) == "model_name"
    of_bad = [row for row in tables["means"] if row["model_name"] == "bad"]
    assert [(row["mean"], row["n"]) for row in of_bad] == [("", "0")] * 24
    assert summary["models"]["bad"]["not_usable"] == {"the request failed": 300}
    assert "study1, bad: 0 of 300 rows analysed" in out
    assert "none of the rows can be analysed" in out
    assert all(row["failed"] == "50" for row in tables["knowledge"] if row["model_name"] == "bad")


def test_models_of_one_name_are_told_apart_by_their_weights(analyze: Any) -> None:
    one = study1(random.Random(11), model_name="gemma", model_revision="bf16")
    other = study1(random.Random(12), model_name="gemma", model_revision="awq")
    _, _, summary, _ = analyze([*one, *other], "--no-figures")
    assert list(summary["models"]) == ["gemma (bf16)", "gemma (awq)"]


def test_order_of_columns_and_r_s_names_do_not_matter(analyze: Any) -> None:
    rows = study1(random.Random(13))
    _, tests, _, _ = analyze(rows, "--no-figures")
    renamed = [
        {
            "note": "x",
            **{f"X{name[-1]}" if name.startswith("probability_") else name: row[name] for name in reversed(row)},
        }
        for row in rows
    ]
    _, again, _, _ = analyze(renamed, "--no-figures")
    assert again == tests


def test_results_are_the_same_bytes_again(analyze: Any, tmp_path: Path) -> None:
    rows = study1(random.Random(14))
    analyze(rows)
    first = {path.name: path.read_bytes() for path in (tmp_path / "out").rglob("*.*")}
    assert {"tests.csv", "references.csv", "study1_bets.pdf", "study1_bets.png"} <= set(first)
    analyze(rows)
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").rglob("*.*")} == first
    assert str(tmp_path).encode() not in first["summary.json"]


def test_expected_bets_are_analysed_by_stimulus_and_calibrated(analyze: Any) -> None:
    rows = study1(random.Random(15), temperature=1)
    for row in rows:
        story = trials_of_story(row)
        for state, mean in enumerate(BETS[_cell(row)]):
            shares = {level: 1.0 if level == round(mean, -1) else 0.0 for level in range(0, 101, 10)}
            row |= {f"state{state}_prob_{level}": share for level, share in shares.items()}
            row |= {f"state{state}_mean": mean + story, f"state{state}_std": 0, f"state{state}_entropy": 0}
            row[f"label_mass_state{state}"] = 0.9
        yes = 0.95 if row["Knowledge_A"] == "yes" else 0.05
        row |= {"prob_knowledge_yes": yes, "prob_knowledge_no": 1 - yes, "entropy_knowledge": 0.469}
    tables, tests, summary, _ = analyze(rows, "--no-figures")
    test = tests["expected:a3-two:2>3"]
    assert (test["n"], test["n_effective"], test["df1"]) == ("6", "6", "5")
    assert number(test["p"]) < 1e-6
    found = {(row["access"], row["word"], row["quantity"]): row for row in tables["distributions"]}
    knowledge = found["3", "one", "prob_knowledge_yes"]
    assert number(knowledge["mean"]) == pytest.approx(0.95)
    assert (knowledge["n"], knowledge["sampled"]) == ("6", "1")
    assert number(found["2", "one", "label_mass_state0"]["mean"]) == pytest.approx(0.9)
    of_knowledge = [row for row in tables["calibration"] if row["question"] == "knowledge"]
    assert [(number(row["predicted"]), number(row["observed"])) for row in of_knowledge] == [
        (pytest.approx(0.05), 0),
        (pytest.approx(0.95), 1),
    ]
    measures = summary["models"][""]["calibration"]
    assert measures["knowledge"]["brier"] == pytest.approx(0.005)
    assert measures["knowledge"]["brier_uniform"] == 0.5
    assert measures["knowledge"]["expected_calibration_error"] == pytest.approx(0.05)
    assert measures["state3"]["answers"] == 300


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"access": "acess"}, "has no column 'access'"),
        ({"observe": "observed"}, "(did you mean 'observed'?)"),
        ({"probability_2": "probability_two"}, "has bets, but no column 'probability_2'; all four are needed"),
    ],
)
def test_a_table_that_lacks_a_column_is_refused(analyze: Any, change: dict[str, str], says: str) -> None:
    rows = [{change.get(name, name): cell for name, cell in row.items()} for row in study1(random.Random(16))]
    assert says in analyze(rows, code=2).err


def test_without_knowledge_answers_nothing_is_excluded_and_it_says_so(analyze: Any) -> None:
    rows = [{name: cell for name, cell in row.items() if name != "Knowledge_A"} for row in study1(random.Random(17))]
    tables, _, summary, out = analyze(rows)
    assert summary["models"][""]["analysed"] == 300
    assert "no column Knowledge_A" in out
    assert "knowledge" not in tables


def test_a_table_of_conditions_alone_has_no_stimuli(analyze: Any) -> None:
    keep = ("access", "observe", "probability_0", "probability_1", "probability_2", "probability_3", "Knowledge_A")
    rows = [{name: row[name] for name in keep} for row in study1(random.Random(18))]
    _, tests, _, _ = analyze(rows)
    assert tests["planned:a3-two:2>3"]["n_effective"] == ""
    assert tests["clustered:a3-two:2>3"]["p"] == tests["clustered:word"]["p"] == ""
    assert "does not tell which rows show the same stimulus" in tests["clustered:word"]["note"]


def test_annotations_of_real_answers(grace: Command, shared: Path, tmp_path: Path) -> None:
    path = shared / "data" / "gold_dev_study1.csv"
    assert grace("analyze", "study1", "--input", path, "--out", tmp_path).code == 0
    found = json.loads((tmp_path / "summary.json").read_bytes())["models"][""]
    rows = read_rows(path)
    marked = [row for row in rows if any(row[name] for name in row if name.startswith("drop_"))]
    assert found["rows"] - found["analysed"] == len(marked)  # the annotators' judgement
    assert sum(found["not_usable"].values()) + sum(found["excluded"].values()) == len(marked)


def _cell(row: dict[str, Any]) -> tuple[int, int]:
    return int(row["access"]), int(row["observe"])


def trials_of_story(row: dict[str, Any]) -> float:
    """A number that is the same for all rows of a story."""
    return (sum(map(ord, row["story_shortname"])) % 7) / 10


@pytest.mark.parametrize("mark", ["0.0", "N", "nan", " no "])
def test_what_says_that_nothing_is_marked_excludes_nothing(analyze: Any, mark: str) -> None:
    _, _, summary, _ = analyze(study1(random.Random(3), drop_incomplete=mark), "--no-figures")
    assert summary["models"][""]["analysed"] == 300


@pytest.mark.parametrize("nothing", ["0", "None", "nan"])
def test_an_error_that_says_there_is_none_is_none(analyze: Any, nothing: str) -> None:
    _, _, summary, _ = analyze(study1(random.Random(3), error=nothing), "--no-figures")
    assert summary["models"][""]["analysed"] == 300


@pytest.mark.parametrize("column", ["model", "Model"])
def test_models_in_people_s_own_column_are_told_apart(analyze: Any, column: str) -> None:
    rng = random.Random(4)
    tables, _, summary, _ = analyze([row for name in "ab" for row in study1(rng, **{column: name})], "--no-figures")
    assert set(summary["models"]) == {"a", "b"}
    assert {row["model_name"] for row in tables["means"]} == {"a", "b"}


def test_settings_tell_models_without_a_name_apart(analyze: Any) -> None:
    rng = random.Random(4)
    tables, _, _, _ = analyze([row for heat in ("0.7", "1.0") for row in study1(rng, temperature=heat)], "--no-figures")
    assert {row["model_name"] for row in tables["means"]} == {"(0.7)", "(1.0)"}


def test_the_analysed_table_is_not_overwritten_nor_are_files_of_others_removed(grace: Command, tmp_path: Path) -> None:
    means = write(tmp_path / "means.csv", study1(random.Random(3)))
    before = means.read_bytes()
    done = grace("analyze", "study1", "--input", means, "--out", tmp_path, "--no-figures")
    assert (done.code, means.read_bytes()) == (2, before)
    assert "would be replaced; choose another --out" in done.err
    mine = tmp_path / "other" / "calibration.csv"
    mine.parent.mkdir()
    mine.write_text("mine")
    assert grace("analyze", "study1", "--input", means, "--out", mine.parent, "--no-figures").code == 0
    assert mine.read_text() == "mine"


def test_nothing_to_analyse_is_exit_code_1_and_names_a_row(grace: Command, tmp_path: Path) -> None:
    table = write(tmp_path / "t.csv", study1(random.Random(3), access="three"))
    done = grace("analyze", "study1", "--input", table, "--no-figures")
    assert done.code == 1
    assert "300 not usable: access and observe are no cell of the design (the first: row 1)" in done.out


def test_a_file_is_no_folder(grace: Command, tmp_path: Path) -> None:
    table = write(tmp_path / "t.csv", study1(random.Random(3)))
    assert "is a file; give a folder" in grace("analyze", "study1", "--input", table, "--out", table).err
