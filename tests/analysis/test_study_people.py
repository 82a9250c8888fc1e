"""People's data that a study brings: held against numbers by hand, kept with runs, shown beside models."""

import csv
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from test_general import COLOURS, ITEMS, SIZES, STUDY, lines, numbers

from canned import CannedServer
from conftest import Command
from grace.analysis.analyze import Analysis, Table, analyze_table
from grace.analysis.figures import draw_analysis, theme_named
from grace.errors import InputError, StudyError
from grace.report.general import general_report, sentence_of
from grace.runs import Run
from grace.stages.records import study_of
from grace.studies.study import load_study, parse_study

PEOPLE = "people: {file: data/humans.csv, source: 'Doe 2024', columns: {fine: judged}}\n"


def write(path: Path, rows: list[dict[str, object]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return path


def humans() -> list[dict[str, object]]:
    """The answers of six people to each item in each condition; "Yes" is a label in other letters."""
    rng = np.random.default_rng(5)
    return [
        {"who": who, "thing": item, "size": size, "colour": colour, "Much": int(rng.integers(1, 8)),
         "judged": "Yes" if rng.random() < 0.3 + 0.4 * (size == "large") else "no"}
        for who in range(6) for item in ITEMS for size in SIZES for colour in COLOURS
    ]  # fmt: skip


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A study that brings people's data."""
    path = tmp_path / "own.yaml"
    path.write_text(STUDY + PEOPLE)
    write(tmp_path / "data" / "humans.csv", humans())
    return path


@pytest.fixture
def analysis(own: Path, tmp_path: Path) -> Analysis:
    return analyze_table(str(own), write(tmp_path / "table.csv", numbers()))


def yes(row: dict[str, object]) -> float:
    return float(str(row["judged"]).lower() == "yes")


def of_cells(rows: list[dict[str, object]], read) -> dict[tuple[str, str, str], float]:  # type: ignore[no-untyped-def]
    keys = [(item, size, colour) for item in ITEMS for size in SIZES for colour in COLOURS]
    return {
        key: float(np.mean([read(row) for row in rows if (row["thing"], row["size"], row["colour"]) == key]))
        for key in keys
    }


def test_their_means_and_contrasts_are_computed_as_those_of_models(analysis: Analysis) -> None:
    people = of_cells(humans(), yes)
    means = lines(analysis, "people_means")
    assert {(line["experiment"], line["measure"]) for line in means} == {(1, "Fine"), (1, "Much"), (2, "fine")}
    for line in means:
        if (line["measure"], line["value"]) == ("fine", "yes"):
            own = [people[item, str(line["size"]), str(line["colour"])] for item in ITEMS]
            assert line["mean"] == pytest.approx(np.mean(own))
            assert (line["n"], line["stimuli"]) == (30, 5)
    line = next(one for one in lines(analysis, "people_contrasts") if one["contrast"] == "sized_fine")
    sides = [[np.mean([people[item, size, c] for c in COLOURS]) for item in ITEMS] for size in ("large", "small")]
    test = stats.ttest_rel(*sides)
    assert (line["t"], line["p"]) == pytest.approx((test.statistic, test.pvalue))


def test_the_fit_is_by_condition_and_by_stimulus(analysis: Analysis) -> None:
    people, model = of_cells(humans(), yes), of_cells(numbers(), lambda row: float(row["prob_fine_yes"]))
    line = next(one for one in lines(analysis, "people_fit") if one["experiment"] == 2)
    pairs = np.array([(model[key], people[key]) for key in model])
    r = stats.pearsonr(*pairs.T)
    assert (line["r"], line["p"], line["stimuli"]) == pytest.approx((r.statistic, r.pvalue, 20))
    assert (line["low"], line["high"]) == pytest.approx(tuple(r.confidence_interval()))
    cells = [(size, colour) for size in SIZES for colour in COLOURS]
    apart = [np.mean([model[i, *cell] for i in ITEMS]) - np.mean([people[i, *cell] for i in ITEMS]) for cell in cells]
    assert line["mean_difference"] == pytest.approx(np.mean(np.abs(apart)))
    assert line["conditions"] == 4


def test_they_stand_in_the_figures_beside_the_models(analysis: Analysis) -> None:
    drawings = list(draw_analysis(analysis, theme_named("paper")))
    for drawing in drawings:
        titles = [axes.get_title("left") for axes in drawing.figure.axes if axes.axison]
        assert titles[-1] == "people"
        assert len(titles) == 2


def test_a_run_keeps_them_and_the_report_shows_them(own: Path, tmp_path: Path, grace: Command) -> None:
    trials = [{name: row[name] for name in ("thing", "size", "colour")} for row in numbers()[::2]]
    with CannedServer() as server:
        done = grace(
            "query", own, "--input", write(tmp_path / "trials.csv", trials), "--output", tmp_path / "a.csv",
            "--model-endpoint", server.url, "--model-name", "canned",
        )  # fmt: skip
    assert done.code == 0, done.err
    (tmp_path / "data" / "humans.csv").unlink()
    run = Run(tmp_path / "a.run")
    assert study_of(run).people_file == run.people
    assert load_study(str(run.study)).people_file == run.people
    values = tmp_path / "a_structured.csv"
    done = grace("extract", run.study, "--input", tmp_path / "a.csv", "--output", values)
    assert done.code == 0, done.err
    table = write(tmp_path / "table.csv", numbers())
    assert "people_means" in analyze_table(str(run.study), table).tables
    done = grace("report", tmp_path / "a.run")
    assert done.code == 0, done.err


def test_what_does_not_fit_is_named(own: Path, tmp_path: Path) -> None:
    table, people = write(tmp_path / "table.csv", numbers()), tmp_path / "data" / "humans.csv"
    rows = humans()
    write(people, [{**row, "judged": "", "Much": 99} if place < 3 else row for place, row in enumerate(rows)])
    notes = analyze_table(str(own), table).summary["notes"]
    assert notes == ["people's data: 3 rows of humans.csv have no answer that the study knows, and are left out"]
    write(people, [{name: row[name] for name in row if name != "judged"} for row in rows])
    with pytest.raises(InputError, match=r"no column 'judged' for answers, which people.columns names for fine"):
        analyze_table(str(own), table)
    write(people, [{name: row[name] for name in row if name != "colour"} for row in rows])
    with pytest.raises(InputError, match=r"no column 'colour' for the conditions of people"):
        analyze_table(str(own), table)
    people.unlink()
    with pytest.raises(StudyError, match=r"people.file: there is no file .*humans.csv"):
        load_study(str(own))
    own.write_text(STUDY + PEOPLE.replace("{fine:", "{fin:"))
    with pytest.raises(StudyError, match=r"no reading, column or question 'fin' \(did you mean 'fine'\?\)"):
        load_study(str(own))


@pytest.mark.parametrize(
    ("column", "wrong", "told"),
    [
        ("judged", "yess", r"row 7, column 'judged': 'yess' is no label .*\(did you mean 'yes'\?\); it has yes, no"),
        ("judged", "perhaps", r"row 7, column 'judged': 'perhaps' is no label"),
        ("size", "larg", r"row 7, column 'size': 'larg' is no level .*\(did you mean 'large'\?\)"),
        ("colour", "", r"row 7, column 'colour': '' is no level"),
    ],
)
def test_an_answer_that_cannot_be_placed_is_refused_everywhere(
    own: Path, tmp_path: Path, grace: Command, column: str, wrong: str, told: str
) -> None:
    rows = [{**row, column: wrong} if place == 6 else row for place, row in enumerate(humans())]
    table, people = write(tmp_path / "table.csv", numbers()), write(tmp_path / "data" / "humans.csv", rows)
    with pytest.raises(InputError, match=f"{people.name}, {told}"):
        analyze_table(str(own), table)
    trials = write(
        tmp_path / "trials.csv", [{name: row[name] for name in ("thing", "size", "colour")} for row in numbers()]
    )
    for command in (
        ("study", "check", own, "--input", trials),
        ("data", "check", trials, "--study", own),
        ("query", own, "--input", trials, "--output", tmp_path / "a.csv", "--model-endpoint", "http://127.0.0.1:9"),
    ):
        done = grace(*command)
        assert done.code == 2, done
        assert "row 7, column" in done.err


def test_shares_tell_how_many_answers_they_rest_on() -> None:
    columns = ("size", "experiment", "measure", "value", "mean", "se", "low", "high", "n", "stimuli")
    model = [("large", 2, "price", value, 0.5, None, None, None, 8, 4) for value in ("", "5", "10")]
    people = [("large", 2, "price", "", 7.2, None, None, None, 20, 4)]
    people += [("large", 2, "price", value, 0.5, None, None, None, 2, 1) for value in ("5", "10")]
    tables = {"means": Table(columns, tuple(model)), "people_means": Table(columns, tuple(people))}
    report = general_report(parse_study(STUDY.encode(), "own.yaml"))
    grid = next(one for one in report.grids(tables, True) if one.name == "means-2-price")
    place = grid.head.index("rows with a label")
    assert [row[place] for row in grid.rows] == ["8 of 8", "2 of 20"]
    assert "the shares are of these alone" in grid.note
    [alone] = [one for one in report.grids({"means": tables["means"]}, True) if one.name == "means-2-price"]
    assert "rows with a label" not in alone.head


def test_a_contrast_of_one_item_is_no_result() -> None:
    row: dict[str, object] = {"contrast": "sized", "measure": "Much", "value": "", "a": "large", "b": "small"}
    row |= {"mean_a": 5.0, "mean_b": 2.0, "difference": 3.0, "pairs": 1, "note": ""}
    row |= dict.fromkeys(("low", "high", "t", "df", "p_holm"))
    assert sentence_of(row, {}) == "The contrast sized of Much rests on a single item, so it is no result."
    assert "5.00 (large) against 2.00 (small)" in sentence_of({**row, "pairs": 2, "note": "nothing varies"}, {})


def test_mixed_models_stand_with_their_experiment(own: Path, tmp_path: Path) -> None:
    table = write(tmp_path / "table.csv", [{"model_name": "m", **row} for row in numbers()])
    found = general_report(load_study(str(own))).grids(analyze_table(str(own), table).tables, True)
    grids = {one.name: one for one in found}
    effects = {name: " ".join(row[0] for row in grids[name].rows) for name in ("mixed", "mixed-2")}
    assert "Fine" in effects["mixed"] and "Much" in effects["mixed"] and "fine" not in effects["mixed"]  # noqa: PT018
    assert "fine" in effects["mixed-2"] and "Much" not in effects["mixed-2"]  # noqa: PT018
    assert (grids["mixed"].experiment, grids["mixed-2"].experiment) == (1, 2)
