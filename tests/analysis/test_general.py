"""The analysis of any study: means by condition, contrasts by item, linear mixed models, against numbers by hand."""

import csv
import re
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from conftest import Command
from grace.analysis.analyze import Analysis, analyze_frame, analyze_table
from grace.analysis.compare import compare_models
from grace.analysis.compare_sides import Side
from grace.analysis.figures import draw_analysis, theme_named
from grace.analysis.frames import read_frame
from grace.analysis.mixed import BinaryAnswer, mixed_tests
from grace.analysis.names import LIKELIHOOD
from grace.errors import InputError, StudyError
from grace.report.general import sentence_of
from grace.studies.study import Study, load_study, parse_study

STUDY = """\
name: own
title: Own
columns: {thing: {}, size: {values: [small, large]}, colour: {values: [red, blue]}}
design: {item: thing, cells: [size, colour]}
protocols: {ask: {turns: {response: "Is {{ thing }} fine? How much, from 1 to 7?"}}}
questions:
  fine: {prompt: "Is {{ thing }} fine?", answers: {labels: {yes: yes, no: no}}}
extraction:
  readings:
    fine: {read: choice, column: Fine, labels: {yes: [yeah], no: [nope]}}
    much: {read: rating, column: Much, min: 1, max: 7}
analysis:
  compare:
    - {name: sized, of: much, a: {size: large}, b: {size: small}}
    - {name: sized_fine, of: fine, value: yes, a: {size: large}, b: {size: small}}
"""
SIZES, COLOURS, ITEMS = ("small", "large"), ("red", "blue"), ("cup", "hat", "jar", "pen", "saw")


def study(*changes: tuple[str, str]) -> Study:
    text = STUDY
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return parse_study(text.encode(), "own.yaml")


def numbers() -> list[dict[str, object]]:
    """Two answers to each item in each condition, and one probability for both."""
    rng = np.random.default_rng(3)
    rows: list[dict[str, object]] = []
    for item in ITEMS:
        for size in SIZES:
            for colour in COLOURS:
                p = float(rng.uniform(0.2, 0.5)) + 0.3 * (size == "large")
                for _ in range(2):
                    much = int(rng.integers(1, 5)) + 2 * (size == "large")
                    cells = {"thing": item, "size": size, "colour": colour, "Fine": "yes" if much > 3 else "no"}
                    chances = {"prob_fine_yes": p, "prob_fine_no": 1 - p, "entropy_fine": 0.5, "label_mass_fine": 0.9}
                    rows.append({**cells, "Much": much, **chances})
    return rows


def analysed(tmp_path: Path, rows: list[dict[str, object]], own: Study) -> Analysis:
    path = tmp_path / "table.csv"
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return analyze_frame(own, read_frame(path, own), path)


def lines(analysis: Analysis, table: str) -> list[dict[str, object]]:
    own = analysis.tables[table]
    return [dict(zip(own.columns, row, strict=True)) for row in own.rows]


def test_means_by_condition_count_each_stimulus_once(tmp_path: Path) -> None:
    rows = numbers()
    rows += [row for row in rows if row["thing"] == "cup"] * 3  # one item is asked more often than others
    found = lines(analysed(tmp_path, rows, study()), "means")
    assert {(line["experiment"], line["measure"], line["value"]) for line in found} == {
        (1, "Fine", "yes"), (1, "Fine", "no"), (1, "Much", ""), (2, "fine", "yes"), (2, "fine", "no")
    }  # fmt: skip
    for line in found:
        own = [row for row in rows if (row["size"], row["colour"]) == (line["size"], line["colour"])]
        read = {
            (1, "Fine"): lambda row, line=line: float(row["Fine"] == line["value"]),
            (1, "Much"): lambda row: float(row["Much"]),
            (2, "fine"): lambda row, line=line: float(row[f"prob_fine_{line['value']}"]),
        }[line["experiment"], line["measure"]]  # type: ignore[index]
        of_items = [np.mean([read(row) for row in own if row["thing"] == item]) for item in ITEMS]
        assert line["mean"] == pytest.approx(np.mean(of_items))
        assert line["se"] == pytest.approx(np.std(of_items, ddof=1) / np.sqrt(5))
        assert (line["n"], line["stimuli"]) == (len(own), 5)
        assert line["low"] is None or line["low"] <= line["mean"] <= line["high"]  # type: ignore[operator]


def test_contrasts_are_paired_t_tests_over_items(tmp_path: Path) -> None:
    rows = numbers()
    found = {
        (line["contrast"], line["experiment"]): line for line in lines(analysed(tmp_path, rows, study()), "contrasts")
    }
    assert set(found) == {("sized", 1), ("sized_fine", 1), ("sized_fine", 2)}
    for key, column in {("sized", 1): "Much", ("sized_fine", 2): "prob_fine_yes"}.items():
        sides = [
            [
                np.mean([float(row[column]) for row in rows if (row["thing"], row["size"]) == (item, size)])
                for item in ITEMS
            ]  # type: ignore[arg-type]
            for size in ("large", "small")
        ]
        test = stats.ttest_rel(*sides)
        line = found[key]
        assert (line["mean_a"], line["mean_b"]) == pytest.approx([np.mean(side) for side in sides])
        assert (line["t"], line["df"], line["p"]) == pytest.approx((test.statistic, 4, test.pvalue))
        assert (line["low"], line["high"]) == pytest.approx(tuple(test.confidence_interval()))
        assert line["pairs"] == 5
    p = sorted(line["p"] for (_, experiment), line in found.items() if experiment == 1)  # type: ignore[type-var]
    assert sorted(line["p_holm"] for (_, one), line in found.items() if one == 1) == pytest.approx(  # type: ignore[type-var]
        [2 * p[0], max(2 * p[0], p[1])]  # type: ignore[operator]
    )


def test_a_condition_that_an_item_lacks_on_one_side_counts_on_neither(tmp_path: Path) -> None:
    rows = [row for row in numbers() if (row["thing"], row["size"], row["colour"]) != ("cup", "small", "red")]
    rows = [row for row in rows if (row["thing"], row["size"]) != ("hat", "large")]
    line = next(one for one in lines(analysed(tmp_path, rows, study()), "contrasts") if one["contrast"] == "sized")
    assert line["pairs"] == 4
    cup = [float(row["Much"]) for row in rows if (row["thing"], row["colour"]) == ("cup", "blue")]  # type: ignore[arg-type]
    others = [
        np.mean(
            [
                float(row["Much"]) * sign * 2
                for row in rows
                if row["thing"] == item
                for sign in [1 if row["size"] == "large" else -1]
            ]
        )  # type: ignore[arg-type]
        for item in ("jar", "pen", "saw")
    ]
    assert line["difference"] == pytest.approx(np.mean([np.mean(cup[2:]) - np.mean(cup[:2]), *others]))


def test_a_balanced_mixed_model_is_an_analysis_of_variance(tmp_path: Path) -> None:
    rows = numbers()
    tests = {line["test"]: line for line in lines(analysed(tmp_path, rows, study()), "tests")}
    of_cell = {(row["thing"], row["size"], row["colour"]): float(row["prob_fine_yes"]) for row in rows}  # type: ignore[arg-type]
    y = np.array([[of_cell[item, size, colour] for size in SIZES for colour in COLOURS] for item in ITEMS])
    fitted = y.mean(axis=0) + y.mean(axis=1, keepdims=True) - y.mean()
    residual = ((y - fitted) ** 2).sum() / 12
    effect = (y @ np.array([-1, -1, 1, 1]) / 4).mean()
    line = tests["linear:fine=yes:size"]
    between = ((y.mean(axis=1) - y.mean()) ** 2).sum() * 4 / 4
    if between > residual:  # else items vary less than chance, and their intercepts are 0
        assert line["statistic"] == pytest.approx(20 * effect**2 / residual, rel=1e-4)
    assert (line["df1"], line["df2"]) == (1, 12)
    assert line["p"] == pytest.approx(stats.f.sf(line["statistic"], 1, 12))
    assert not any(str(name).startswith("linear:fine=no") for name in tests), "it would say the same again"


def test_mixed_models_are_not_defined_where_a_condition_is_empty_or_nothing_varies(tmp_path: Path) -> None:
    rows = [row for row in numbers() if (row["size"], row["colour"]) != ("large", "blue")]
    for row in rows:
        row["Much"] = 4
    tests = {line["test"]: line for line in lines(analysed(tmp_path, rows, study()), "tests")}
    assert tests["linear:Much:size"]["note"] == "all numbers are equal, so nothing can depend on anything"
    assert tests["linear:fine=yes:size"]["note"] == "cannot be estimated: conditions are empty"


def test_copies_are_no_more_evidence_than_one_answer(tmp_path: Path) -> None:
    """At temperature 0 the answers to a trial are the same, however many there are."""
    once = [{**row, "Much": 1 + (3 * place * place) % 7} for place, row in enumerate(numbers()[::2])]
    one, many = (
        {str(line["test"]): line for line in lines(analysed(tmp_path, once * times, study()), "tests")}
        for times in (1, 9)
    )
    for name in ("linear:Much:size", "linear:Much:colour", "linear:Much:size:colour"):
        assert (many[name]["statistic"], many[name]["p"]) == (one[name]["statistic"], one[name]["p"])
        assert many[name]["n_effective"] == 20
    drawn = lines(analysed(tmp_path, numbers(), study()), "tests")
    assert {line["n"] for line in drawn if str(line["test"]).startswith("linear:Much")} == {40}


def test_an_effect_that_is_the_same_in_all_items_is_tested_by_their_signs(tmp_path: Path) -> None:
    """Items may differ, as long as none changes what the conditions do."""
    rows = [
        {**row, "Much": 1 + 4 * (row["size"] == "large") + ITEMS.index(str(row["thing"])) // 2} for row in numbers()
    ]
    tests = {str(line["test"]): line for line in lines(analysed(tmp_path, rows, study()), "tests")}
    size, colour = (tests[f"linear:Much:{name}"] for name in ("size", "colour"))
    assert (size["statistic"], size["p"]) == (None, 2**-4)
    assert size["note"] == "nothing varies beside the conditions; p is exact, by flipping signs"
    assert (colour["p"], colour["note"]) == (None, "nothing varies beside the conditions")
    fewer = [row for row in rows if (row["thing"], row["size"], row["colour"]) != ("cup", "large", "red")]
    tests = {str(line["test"]): line for line in lines(analysed(tmp_path, fewer, study()), "tests")}
    assert tests["linear:Much:size"]["p"] is None  # not all items have all conditions


def test_a_contrast_that_is_the_same_in_all_items_has_an_interval_and_an_exact_p(tmp_path: Path) -> None:
    """100% against 0%: nothing varies, and yet five items are few."""
    rows = [{**row, "Fine": "yes" if row["size"] == "large" else "no", "Much": 4} for row in numbers()]
    found = {
        (line["contrast"], line["experiment"]): line for line in lines(analysed(tmp_path, rows, study()), "contrasts")
    }
    line = found["sized_fine", 1]
    assert (line["difference"], line["t"], line["p"], line["high"]) == (1, None, 2**-4, 1)
    assert 0.2 < float(str(line["low"])) < 0.6
    sentence = sentence_of(line, {})
    assert "1.00 [.38, 1.00]" in sentence
    assert "undecided, exact test of signs, Holm-corrected *p* = .062, over 5 items." in sentence
    none = found["sized", 1]
    assert (none["difference"], none["p"]) == (0, None)
    assert float(str(none["low"])) < -1
    own, path = study(), tmp_path / "other.csv"
    sides = []
    for flipped in (False, True):
        with open(path, "w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            said = {"yes": "no", "no": "yes"} if flipped else {"yes": "yes", "no": "no"}
            writer.writerows({**row, "Fine": said[str(row["Fine"])]} for row in rows)
        sides.append(Side(str(flipped), path, own, read_frame(path, own)))
    (shift,) = (
        row for row in compare_models(*sides, draws=100).findings
        if (row.of, row.experiment) == ("sized_fine", "effects of answers")
    )  # fmt: skip
    assert (shift.a, shift.b, shift.value, shift.low, shift.p_difference) == (1, -1, -2, -2, 2**-4)
    assert -2 < shift.high < 0


def test_a_logistic_model_without_repeats_is_the_likelihood_ratio_of_a_table(tmp_path: Path) -> None:
    """Every item is asked once, so there are no intercepts; the wide prior takes little from the ratio."""
    counts = {("small", "yes"): 12, ("small", "no"): 28, ("large", "yes"): 26, ("large", "no"): 14}
    rows: list[dict[str, object]] = [
        {"thing": f"{size}{said}{number}", "size": size, "colour": "red", "Fine": said}
        for (size, said), count in counts.items()
        for number in range(count)
    ]
    own = study(
        ("cells: [size, colour]", "cells: [size]"),
        ("    - {name: sized, of: much, a: {size: large}, b: {size: small}}\n", ""),
    )
    tests = {line["test"]: line for line in lines(analysed(tmp_path, rows, own), "tests")}
    line = tests["logistic:Fine=yes:size"]
    ratio = stats.chi2_contingency([[12, 28], [26, 14]], correction=False, lambda_="log-likelihood")
    assert line["statistic"] == pytest.approx(ratio.statistic, rel=0.02)
    assert line["p"] == pytest.approx(stats.chi2.sf(line["statistic"], 1))
    assert (line["df1"], line["n"], line["note"]) == (1, 80, "no random intercepts: no group has several rows")
    assert "logistic:Fine=no:size" not in tests, "it would say the same again"


def test_a_logistic_model_of_two_factors_has_the_interaction_of_study_2(tmp_path: Path) -> None:
    tests = {line["test"]: line for line in lines(analysed(tmp_path, numbers(), study()), "tests")}
    of_fine = {str(name): line for name, line in tests.items() if str(name).startswith("logistic:")}
    assert set(of_fine) == {f"logistic:Fine=yes:{term}" for term in ("size", "colour", "size:colour")}
    outcomes = [
        BinaryAnswer(
            int(row["Fine"] == "yes"),
            (str(row["size"]), str(row["colour"])),
            {"item": str(row["thing"])},
            str(row["thing"]),
        )
        for row in numbers()
    ]
    *_, interaction = mixed_tests(("size", "colour"), outcomes, (LIKELIHOOD,))
    assert of_fine["logistic:Fine=yes:size"]["n_effective"] == interaction.n_effective
    own = of_fine["logistic:Fine=yes:size:colour"]
    assert (own["statistic"], own["p"]) == pytest.approx((interaction.statistic, interaction.p))
    assert own["note"] == interaction.note
    assert of_fine["logistic:Fine=yes:size"]["p"] < of_fine["logistic:Fine=yes:colour"]["p"]  # type: ignore[operator]
    rows = [{**row, "Fine": "yes"} for row in numbers()]
    [line, *_] = [one for one in lines(analysed(tmp_path, rows, study()), "tests") if "logistic" in str(one["test"])]
    assert (line["p"], line["note"]) == (None, "all answers are equal, so nothing can depend on anything")


def test_each_field_and_question_has_a_figure(tmp_path: Path) -> None:
    drawings = list(draw_analysis(analysed(tmp_path, numbers(), study()), theme_named("paper")))
    assert [drawing.name for drawing in drawings] == ["own_fine", "own_much_mean", "own_fine-2"]
    assert [drawing.experiment for drawing in drawings] == [1, 1, 2]
    assert all("Bars are" not in drawing.caption and "95% intervals" in drawing.caption for drawing in drawings)


def test_a_table_without_the_designs_columns_is_refused(tmp_path: Path) -> None:
    rows = [{name: cell for name, cell in row.items() if name != "colour"} for row in numbers()]
    with pytest.raises(InputError, match="no column 'colour' for the conditions"):
        analysed(tmp_path, rows, study())
    rows = [{name: row[name] for name in ("thing", "size", "colour")} for row in numbers()]
    with pytest.raises(InputError, match="neither values nor probabilities of own"):
        analysed(tmp_path, rows, study())


@pytest.mark.parametrize(("old", "new", "message"), [
    ("of: much", "of: mutch", "of: no reading, column or question 'mutch' (did you mean 'much'?)"),
    ("value: yes", "value: maybe", "value: fine has no label 'maybe'"),
    ("of: fine, value: yes", "of: fine", "fine has labels and no numbers; `value` says which label is compared"),
    ("name: sized_fine", "name: sized", "there is one of this name already"),
    ("a: {size: large}", "a: {shape: large}", "'shape' is not among design.cells"),
    ("a: {size: large}", "a: {size: larg}", "size is never 'larg' (did you mean 'large'?)"),
    ("a: {size: large}", "a: {size: small}", "a and b are the same conditions"),
])  # fmt: skip
def test_mistakes_in_contrasts_are_named(old: str, new: str, message: str) -> None:
    with pytest.raises(StudyError, match=re.escape(message)):
        study((old, new))


def test_the_command_analyses_and_the_example_needs_no_contrast(tmp_path: Path, grace: Command) -> None:
    own, table = tmp_path / "own.yaml", tmp_path / "table.csv"
    own.write_text(STUDY)
    analysed(tmp_path, numbers(), study())
    done = grace("analyze", own, "--input", table, "--out", tmp_path / "out", "--no-figures")
    assert done.code == 0
    assert "own: 40 of 40 rows analysed" in done.out
    assert {path.name for path in (tmp_path / "out").iterdir()} >= {"means.csv", "contrasts.csv", "tests.csv"}
    assert analyze_table(str(own), table).tables["means"]
    assert load_study("agreement").contrasts
    refused = grace("analyze", own, "--input", table, "--out", tmp_path / "r", "--with-r", "--no-figures")
    assert refused.code == 2
    assert "--with-r: there are R scripts of study1 and study2, and none of own" in refused.err
    assert not (tmp_path / "r").exists(), "it is told before anything is computed"


def test_a_comparison_shows_how_far_contrasts_shift(tmp_path: Path) -> None:
    rng = np.random.default_rng(8)
    tables = [numbers()[::2], numbers()[::2]]
    for row in tables[1]:
        p = float(row["prob_fine_yes"]) * float(rng.uniform(0.8, 1))  # type: ignore[arg-type]
        row |= {"prob_fine_yes": p, "prob_fine_no": 1 - p, "Much": int(rng.integers(1, 8))}
    own, paths = study(), [tmp_path / "a.csv", tmp_path / "b.csv"]
    for path, rows in zip(paths, tables, strict=True):
        analysed(tmp_path, rows, own)
        (tmp_path / "table.csv").rename(path)
    sides = [Side(path.stem, path, own, read_frame(path, own)) for path in paths]
    found = {(one.experiment, one.of): one for one in compare_models(*sides).findings if one.measure == "contrast"}
    assert set(found) == {("effects of answers", "sized"), ("effects of answers", "sized_fine"),
                          ("effects of choice", "sized_fine")}  # fmt: skip
    for key, column, scale in (
        (("effects of answers", "sized"), "Much", 6),
        (("effects of choice", "sized_fine"), "prob_fine_yes", 1),
    ):
        of_sides = [
            [
                np.mean(
                    [
                        (1 if row["size"] == "large" else -1) * 2 * float(row[column])
                        for row in rows
                        if row["thing"] == item
                    ]
                )
                for item in ITEMS
            ]  # type: ignore[arg-type]
            for rows in tables
        ]
        number, test = found[key], stats.ttest_rel(of_sides[1], of_sides[0])
        assert (number.a, number.b) == pytest.approx([np.mean(side) for side in of_sides])
        assert number.p_difference == pytest.approx(test.pvalue)
        assert (number.low, number.high) == pytest.approx(tuple(test.confidence_interval(0.9)))
        assert number.value == pytest.approx(number.b - number.a)
        assert number.stimuli == 5
        shifts = np.subtract(of_sides[1], of_sides[0])
        ends = ((-0.05 * scale, "greater"), (0.05 * scale, "less"))
        one_sided = [stats.ttest_1samp(shifts, end, alternative=which).pvalue for end, which in ends]
        assert number.p_equivalence == pytest.approx(max(one_sided))
