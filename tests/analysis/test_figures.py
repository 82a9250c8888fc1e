"""Figures: nothing leaves its scale or lies on something else, what is missing is said, and bytes stay the same."""

import random
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("matplotlib")
pytest.importorskip("statsmodels")

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.container import BarContainer, ErrorbarContainer
from matplotlib.text import Text

import analysis_tables
from conftest import Command
from grace.analysis.analyze import Analysis, analyze_table
from grace.analysis.compare import Comparison, compare_models
from grace.analysis.compare_sides import read_side
from grace.analysis.figures import (
    FORMATS,
    THEMES,
    Drawing,
    draw_analysis,
    draw_comparison,
    draw_comparisons,
    encoded,
    scatter,
    theme_named,
    write_figures,
)
from grace.analysis.figures.points import bounded
from grace.analysis.figures.theme import COLOURS, clean
from grace.analysis.studies import ANALYSES
from grace.studies.study import load_study

PAPER = theme_named("paper")
MODELS = (
    "meta-llama/Llama-3.3-70B-Instruct",
    "google/gemma-3-27b-it",
    "tiny",
    "_hidden $x_1$",
    "RedHatAI/Meta-Llama-3.1-405B-Instruct-quantized.w4a16-" + 9 * "long-",
    "\u4f60\u597d\U0001f680",
)
"""Six names, some of them hostile to legends, to formulas, to fonts and to files."""

Rows = list[dict[str, Any]]


def _scored(study: str, rows: Rows, rng: random.Random) -> Rows:
    """The same rows with distributions of Experiment 2, at the ends of their scales, too."""
    questions = load_study(study).questions.values()
    for row in rows:
        for question in questions:
            own = question.columns
            weights = [rng.random() for _ in own.probabilities]
            row |= {name: weight / sum(weights) for name, weight in zip(own.probabilities, weights, strict=True)}
            if own.mean:
                row[own.mean] = rng.choice([0, 0, 0, 100, 50])
            row |= {own.entropy: rng.random() ** 4, own.label_mass: 1 - rng.random() ** 4}
            row |= {name: rng.random() for name in own.marginal_entropies.values()}
    return rows


def _rows(study: str, rng: random.Random, **more: Any) -> Rows:
    make = analysis_tables.study1 if study == "study1" else analysis_tables.study2
    return make(rng, **more)


def _analysis(study: str, rows: Rows, folder: Path) -> Analysis:
    return analyze_table(study, analysis_tables.write(folder / f"{study}.csv", rows))


Analyses = Mapping[str, Analysis]


@pytest.fixture(scope="module")
def six(tmp_path_factory: pytest.TempPathFactory) -> Analyses:
    """Both studies with six models, each with answers and distributions."""
    rng, found = random.Random(8), {}
    for study in ("study1", "study2"):
        rows = [row for model in MODELS for row in _scored(study, _rows(study, rng, model_name=model)[:120], rng)]
        found[study] = _analysis(study, rows, tmp_path_factory.mktemp(study))
    return found


def _empty(study: str, folder: Path) -> Analysis:
    """One cell has no rows: access 2 and the word one; or the social goal and 2 hearts."""
    rows = _rows(study, random.Random(8))
    if study == "study1":
        return _analysis(study, [row for row in rows if (row["access"], row["observe"]) != ("2", "1")], folder)
    social = [row["State"][0] == "2" and "accurate" not in row["Goal"] for row in rows]
    return _analysis(study, [row for row, one in zip(rows, social, strict=True) if not one], folder)


def _drawn(analysis: Analysis, theme: str = "paper") -> dict[str, Drawing]:
    return {drawing.name: drawing for drawing in draw_analysis(analysis, theme_named(theme))}


Figures = Callable[..., dict[str, Drawing]]
"""Those of a study in a theme, drawn once for all tests, which look at them and change nothing."""


def _drawn_once(analyses: Analyses) -> Figures:
    drawn = cache(lambda study, theme: _drawn(analyses[study], theme))
    return lambda study, theme="paper": drawn(study, theme)


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Analyses:
    """Both studies with one model, which has answers alone."""
    studies = ("study1", "study2")
    return {
        study: _analysis(study, _rows(study, random.Random(1)), tmp_path_factory.mktemp(study)) for study in studies
    }


@pytest.fixture(scope="module")
def drawn_one(one: Analyses) -> Figures:
    return _drawn_once(one)


@pytest.fixture(scope="module")
def drawn_six(six: Analyses) -> Figures:
    return _drawn_once(six)


def _panels(drawing: Drawing) -> list[Axes]:
    return [axes for axes in drawing.figure.axes if axes.axison]


@given(
    share=st.floats(0, 1),
    spread=st.floats(0, 0.5),
    n=st.floats(1, 1e6),
    top=st.sampled_from([1.0, 2.0, 100.0]),
)
def test_an_interval_stays_within_its_scale_and_holds_the_mean(
    share: float, spread: float, n: float, top: float
) -> None:
    low, high = bounded(share * top, spread * top, n, top)
    if np.isfinite(low):
        assert 0 <= low <= share * top * (1 + 1e-9)
        assert share * top * (1 - 1e-9) <= high <= top


@pytest.mark.parametrize("study", ["study1", "study2"])
def test_no_mark_or_error_bar_leaves_the_scale(study: str, drawn_six: Figures) -> None:
    seen = 0
    for name, drawing in drawn_six(study).items():
        for axes in _panels(drawing):
            low, high = axes.get_ylim()
            for container in axes.containers:
                if isinstance(container, ErrorbarContainer):
                    for segments in container.lines[2]:
                        ends = [y for bar in segments.get_segments() for _, y in bar if np.isfinite(y)]
                        seen += len(ends)
                        assert all(low <= y <= high for y in ends), name
                if isinstance(container, BarContainer):
                    assert all(low <= bar.get_height() <= high for bar in container), name
    assert seen > 500


def test_one_model_has_all_panels_and_what_they_rest_on(drawn_one: Figures) -> None:
    study1 = drawn_one("study1")
    assert set(study1) == {"study1_bets", "study1_theory", "study1_people"}
    bets = _panels(study1["study1_bets"])
    assert len(bets) == 6
    assert {axes.get_title("right") for axes in bets} == {"n = 50"}
    study2 = drawn_one("study2")
    assert set(study2) == {"study2_utterances", "study2_negation", "study2_people_utterances"}
    assert len(_panels(study2["study2_utterances"])) == 12
    assert len(_panels(study2["study2_negation"])) == 3


def test_bars_are_as_high_as_the_means(one: Analyses, drawn_one: Figures) -> None:
    means = [float(str(row[3])) for row in one["study1"].tables["means"].rows]
    panels = _panels(drawn_one("study1")["study1_bets"])
    bars = [bars for axes in panels for bars in axes.containers if isinstance(bars, BarContainer)]
    assert sorted(bar.get_height() for own in bars for bar in own) == pytest.approx(sorted(means))


def test_six_models_have_a_figure_each_and_one_together(drawn_six: Figures) -> None:
    drawn = drawn_six("study1")
    assert len([name for name in drawn if name.startswith("study1_bets_")]) == 7
    labels = [text.get_text() for text in drawn["study1_bets_of_models"].figure.legends[0].get_texts()]
    assert len(labels) == 6
    assert " _hidden $x_1$" in labels, "neither hidden nor set as a formula"
    assert "\\u4f60\\u597d\\u1f680" in labels
    assert len({axes.get_title("left") for axes in _panels(drawn["study1_people"])}) == 6


@pytest.mark.parametrize("study", ["study1", "study2"])
def test_an_empty_cell_says_so(study: str, tmp_path: Path) -> None:
    drawing = _drawn(_empty(study, tmp_path))["study1_bets" if study == "study1" else "study2_utterances"]
    notes = [axes.get_title("right") for axes in _panels(drawing)]
    assert notes.count("no data") == 1
    assert len(notes) == (6 if study == "study1" else 12)


def test_a_model_without_any_answer_is_named_but_not_drawn(tmp_path: Path) -> None:
    rows = [*_rows("study1", random.Random(1), model_name="fine", error="")]
    rows += _rows("study1", random.Random(1), model_name="broken", error="HTTP 500")
    drawn = _drawn(_analysis("study1", rows, tmp_path))
    assert set(drawn) == {"study1_bets_fine", "study1_theory", "study1_people"}
    for name in ("study1_theory", "study1_people"):
        assert len(_panels(drawn[name])) == 1
        assert "Not shown, since nothing is known of it here: broken." in drawn[name].caption


@pytest.fixture(scope="module")
def drawn_mixed(mixed: Analyses) -> Figures:
    return _drawn_once(mixed)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Analyses:
    """Both studies with three models, of which one was not asked Experiment 2 and another one only that."""
    rng, found = random.Random(8), {}
    for study in ("study1", "study2"):
        both = _scored(study, _rows(study, rng, model_name="both")[:150], rng)
        rows = [*both, *({**dict.fromkeys(both[0], ""), **row} for row in _rows(study, rng, model_name="said")[:150])]
        rows += _scored(study, _rows(study, rng, model_name="scored", error="HTTP 500")[:150], rng)
        found[study] = _analysis(study, [{"error": "", **row} for row in rows], tmp_path_factory.mktemp(study))
    return found


def _in_legend(drawing: Drawing) -> list[str]:
    return [text.get_text() for legend in drawing.figure.legends for text in legend.get_texts()]


@pytest.mark.parametrize("study", ["study1", "study2"])
def test_legends_and_figures_leave_out_models_that_nothing_is_known_of(study: str, drawn_mixed: Figures) -> None:
    drawn = drawn_mixed(study)
    assert not [name for name in drawn if name.endswith("_said") and ("prob" in name or "expected" in name)]
    assert not [
        name for name in drawn if name.endswith("_scored") and ("study1_bets_sc" in name or "utterances" in name)
    ]
    for name in (f"{study}_entropy", f"{study}_label_mass"):
        assert _in_legend(drawn[name]) == ["both", "scored"]
        assert "nothing is known of it here: said." in drawn[name].caption
    of_answers = drawn["study1_bets_of_models" if study == "study1" else "study2_negation"]
    assert [label for label in _in_legend(of_answers) if label != "people"] == ["both", "said"]


def test_axes_name_their_quantities(drawn_mixed: Figures) -> None:
    drawn = drawn_mixed("study1") | drawn_mixed("study2")

    def axis(name: str) -> tuple[set[str], set[str]]:
        shown = [(axes.get_xlabel(), axes.get_ylabel()) for axes in _panels(drawn[name])]
        x, y = ({one.replace("\n", " ") for one in side if one} for side in zip(*shown, strict=True))
        return x, y

    assert axis("study1_bets_both")[1] == {"bet (%)"}
    assert axis("study1_expected_bets_both")[1] == {"expected bet (%)"}
    assert axis("study1_state_probabilities_both")[1] == {"probability (%)"}
    assert axis("study2_utterances_both")[1] == {"share"}
    assert axis("study2_probabilities_both")[1] == {"probability"}
    assert axis("study2_people_utterances") == ({"share of people who say it"}, {"share of the model’s answers"})
    assert axis("study2_people_probabilities") == ({"share of people who say it"}, {"the model’s probability"})
    assert axis("study1_people") == ({"effect size of people, $d_z$"}, {"effect size of the model, $d_z$"})
    label = _panels(drawn["study1_people"])[0].yaxis.label
    assert label.get_parse_math(), "or the dollars are shown"
    assert not _panels(drawn["study1_people"])[0]._left_title.get_parse_math()  # type: ignore[attr-defined]


def test_titles_and_conditions_are_words(drawn_mixed: Figures) -> None:
    drawn = drawn_mixed("study1") | drawn_mixed("study2")
    first, second = _panels(drawn["study1_entropy"]), _panels(drawn["study2_entropy"])
    assert [axes.get_title("left") for axes in first][::4] == ["how likely: 0 of 3", "does the speaker know?"]
    assert first[-1].get_xticklabels()[0].get_text() == "access 1, “one”"
    assert second[-1].get_xticklabels()[1].get_text() == "informational, 1 heart"
    mass = [tick.get_text() for tick in _panels(drawn["study1_label_mass"])[0].get_xticklabels()]
    assert "how likely:\n0 of 3" in mass


def test_no_data_stands_in_the_head_and_not_over_people(tmp_path: Path) -> None:
    rows = [row for row in _rows("study2", random.Random(8)) if "accurate" in row["Goal"]]
    panels = _panels(_drawn(_analysis("study2", rows, tmp_path))["study2_negation"])
    assert "no data" in {axes.get_title("right") for axes in panels}
    assert not [text for axes in panels for text in axes.texts]


@pytest.mark.parametrize(("study", "theme"), [("study1", "paper"), ("study1", "slides"), ("study2", "paper")])
def test_no_text_lies_on_another_or_leaves_the_page(study: str, theme: str, drawn_six: Figures) -> None:
    for name, drawing in drawn_six(study, theme).items():
        if "_bets_" in name and not name.endswith("of_models"):
            continue  # one model's, of which the first is enough
        drawing.figure.draw_without_rendering()
        page = drawing.figure.bbox.padded(2)
        boxes = [(text.get_text(), Text.get_window_extent(text)) for text in _texts(drawing) if text.get_text().strip()]
        for text, box in boxes:
            assert page.x0 <= box.x0, (name, text)
            assert box.x1 <= page.x1, (name, text)
            assert page.y0 <= box.y0, (name, text)
            assert box.y1 <= page.y1, (name, text)
        for (one, first), (other, second) in combinations(boxes, 2):
            assert not first.padded(-1.5).overlaps(second.padded(-1.5)), (name, one, other)


def _texts(drawing: Drawing) -> Iterator[Text]:
    """Titles, notes, names of axes and points, the legend, and names along the x axis that stand upright or lie."""
    for legend in drawing.figure.legends:
        yield from legend.get_texts()
    for axes in _panels(drawing):
        yield from (axes.title, axes._left_title, axes._right_title)  # type: ignore[attr-defined]
        yield from (axes.xaxis.label, axes.yaxis.label, *axes.texts)
        low, high = axes.get_xlim()
        for tick in axes.xaxis.get_major_ticks():
            if tick.label1.get_visible() and low <= tick.get_loc() <= high and tick.label1.get_rotation() % 90 == 0:
                yield tick.label1


def test_the_same_figure_gives_the_same_bytes(one: Analyses) -> None:
    drawing, again = (_drawn(one["study2"])["study2_negation"] for _ in range(2))
    for kind in FORMATS:
        assert encoded(drawing, kind) == encoded(again, kind)
    assert b"<dc:date>" not in encoded(drawing, "svg")


def test_colours_differ_for_colour_blind_readers() -> None:
    """Simulated after Machado, Oliveira & Fernandes (2009, IEEE TVCG 15, 1283-1291): no red, or no green."""
    protan = [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    deutan = [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    linear = np.array([to_rgb(colour) for colour in COLOURS]) ** 2.2
    for matrix in (np.eye(3), np.array(protan), np.array(deutan)):
        seen = np.clip(linear @ np.array(matrix).T, 0, 1) ** (1 / 2.2)
        assert min(np.linalg.norm(one - other) for one, other in combinations(seen, 2)) > 0.12


def test_text_that_a_font_cannot_show_becomes_its_number() -> None:
    assert clean("a\tb\u200b") == "a b"
    assert clean("\u4f60") == "\\u4f60"


def test_analyze_writes_figures_and_no_stale_ones(grace: Command, tmp_path: Path) -> None:
    rows = _rows("study1", random.Random(1))
    two = [{**row, "model_name": model} for model in ("a", "b") for row in rows]
    command = ("analyze", "study1", "--input", tmp_path / "t.csv", "--out", tmp_path / "out")
    figures = tmp_path / "out" / "figures"
    analysis_tables.write(tmp_path / "t.csv", two)
    assert grace(*command, "--no-figures").code == 0
    assert not figures.exists()
    assert "figures: 11 files" in grace(*command).out
    assert (figures / "study1_bets_of_models.pdf").read_bytes().startswith(b"%PDF")
    (figures / "mine.png").write_bytes(b"")
    analysis_tables.write(tmp_path / "t.csv", rows)
    assert grace(*command, "--theme", "slides").code == 0
    names = {f"study1_{name}.{kind}" for name in ("bets", "theory", "people") for kind in ("pdf", "png")}
    assert {path.name for path in figures.iterdir()} == {*names, "captions.md", "mine.png"}
    assert "Error bars are 95% intervals" in (figures / "captions.md").read_text(encoding="utf-8")
    refused = grace(*command, "--theme", "poster")
    assert refused.code == 2
    assert "paper and slides" in refused.err


def test_figures_of_one_theme_are_as_wide_as_a_page(drawn_one: Figures, tmp_path: Path) -> None:
    for name, theme in THEMES.items():
        for drawing in drawn_one("study1", name).values():
            width, height = drawing.figure.get_size_inches()
            assert width <= theme.width
            assert height <= theme.height
    paths = write_figures(drawn_one("study1").values(), tmp_path, ("png",))
    assert len(paths) == 4


def test_a_group_without_points_leaves_panels_their_room() -> None:
    pairs = [scatter.ScatterPoint(1.5, 1.0, "one", "shown"), scatter.ScatterPoint(-0.4, 0.2, "two", "shown")]
    clouds = [scatter.Cloud(name, pairs) for name in ("a", "b")]
    looks = {"shown": ("black", "o"), "not shown": ("red", "s")}
    figure = scatter.draw_scatter(clouds, looks, scatter.Scales("people", "model", None, 2), theme_named("paper"))
    assert all(axes.get_window_extent().width > 100 for axes in figure.axes)


@pytest.mark.parametrize("theme", THEMES)
def test_names_of_points_lie_on_no_point_and_on_no_axis(theme: str, drawn_mixed: Figures) -> None:
    """Where they are saved, that is, and not where they were put before panels moved."""
    seen = 0
    for drawing in (drawn_mixed("study1", theme)[name] for name in ("study1_theory", "study1_people")):
        drawing.figure.draw_without_rendering()
        for axes in _panels(drawing):
            frame = axes.get_window_extent()
            points = [axes.transData.transform(xy) for line in axes.lines[3:] for xy in line.get_xydata()]
            for text in axes.texts:
                box = Text.get_window_extent(text)
                seen += 1
                assert not [xy for xy in points if box.contains(*xy)], (drawing.name, text.get_text())
                assert frame.x0 + 1 < box.x0 < box.x1 < frame.x1, (drawing.name, text.get_text())
                assert frame.y0 + 1 < box.y0 < box.y1 < frame.y1, (drawing.name, text.get_text())
    assert seen


@pytest.mark.parametrize("theme", THEMES)
def test_a_legend_in_the_gap_lies_on_no_panel(theme: str, drawn_six: Figures) -> None:
    figure = drawn_six("study1", theme)["study1_bets_of_models"].figure
    figure.draw_without_rendering()
    legend = figure.legends[0].get_window_extent()
    assert not [axes for axes in figure.axes if axes.axison and legend.overlaps(axes.get_window_extent())]


# --- comparisons -----------------------------------------------------------------------------------------------------


def _comparison(study: str, a: Path, b: Path, scored: bool = True) -> Comparison:
    """Two invented models in tables of these paths."""
    for seed, path in enumerate((a, b)):
        path.parent.mkdir(exist_ok=True)
        rng = random.Random(seed)
        rows = _rows(study, rng)
        analysis_tables.write(path, _scored(study, rows, rng) if scored else rows)
    one, other = (read_side(path, lambda *_: None, study) for path in (a, b))  # type: ignore[arg-type]
    return compare_models(one, other, draws=100)


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Comparison]:
    """The two models compared in a study, once for all tests."""
    folder = tmp_path_factory.mktemp("compared")
    return cache(lambda study: _comparison(study, folder / study / "a.csv", folder / study / "b.csv"))


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("study", ["study1", "study2"])
def test_what_shifts_is_told_in_words_that_stay_on_the_page(
    study: str, theme: str, compared: Callable[[str], Comparison]
) -> None:
    drawing = draw_comparison(compared(study), theme_named(theme))
    drawing.figure.draw_without_rendering()
    left, right = drawing.figure.axes
    names = [tick.get_text() for axes in (left, right) for tick in axes.get_yticklabels()]
    assert ("access 3, “two”: 2 > 3" if study == "study1" else "wasn’t, 0 hearts: both > social") in names
    assert ("how likely: 0 of 3" if study == "study1" else "utterance") in names
    assert not [name for name in names if "planned" in name or ":0" in name or "…" in name]
    assert "noise: one model asked twice" not in _in_legend(drawing), "since none was measured"
    page = drawing.figure.bbox.padded(1)
    for text in (*left.get_yticklabels(), *right.get_yticklabels(), left.xaxis.label, right.xaxis.label):
        box = text.get_window_extent()
        assert page.x0 <= box.x0 < box.x1 <= page.x1, text.get_text()
    for axes in (left, right):
        for one, other in combinations(axes.get_yticklabels(), 2):
            assert not one.get_window_extent().padded(-1).overlaps(other.get_window_extent().padded(-1))


@pytest.mark.parametrize("study", ["study1", "study2"])
def test_each_effect_has_a_title_of_its_own(study: str) -> None:
    effects = ANALYSES[study].effects()
    titles = {effect.title for effect in effects}
    assert len(titles) == len(effects)
    assert not titles & {effect.name for effect in effects}


def test_figures_of_comparisons_are_named_by_their_sides_and_none_overwrites_another(tmp_path: Path) -> None:
    sides = [("Base 4.1.csv", "one.csv"), ("Base 4.1.csv", "two.csv"), ("x/same.csv", "y/same.csv")]
    made = [_comparison("study1", tmp_path / a, tmp_path / b, scored=False) for a, b in sides]
    names = ["compare_shift_base-4-1_one", "compare_shift_base-4-1_two", "compare_shift_x-same_y-same"]
    assert [draw_comparison(one, PAPER).name for one in made] == names
    assert [one.name for one in draw_comparisons([*made, made[0]], PAPER)] == [*names, f"{names[0]}-2"]
    with pytest.raises(ValueError, match="two figures have the name compare_shift_base-4-1_one"):
        write_figures([draw_comparison(made[0], PAPER)] * 2, tmp_path / "figures", ("svg",))


def test_compare_draws_what_shifts_and_leaves_no_stale_figure(
    grace: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, seed in (("a", 1), ("b", 2), ("c", 3)):
        analysis_tables.write(tmp_path / f"{name}.csv", _rows("study1", random.Random(seed)))
    out = tmp_path / "out"
    command = ("compare", tmp_path / "a.csv", tmp_path / "b.csv", "--draws", 100, "--out", out)
    assert grace(*command, "--no-figures").code == 0
    assert not (out / "figures").exists()
    done = grace(*command)
    assert done.code == 0, done
    assert f"Wrote figures: 3 files in {out / 'figures'}" in done.out
    assert {path.name for path in (out / "figures").iterdir()} == {
        "compare_shift_a_b.pdf",
        "compare_shift_a_b.png",
        "captions.md",
    }
    assert grace(*command[:2], tmp_path / "c.csv", *command[3:], "--theme", "slides").code == 0
    assert sorted(path.stem for path in (out / "figures").glob("*.png")) == ["compare_shift_a_c"]
    assert "paper and slides" in grace(*command, "--theme", "poster").err
    monkeypatch.setattr("grace.extras.importlib.util.find_spec", lambda name: name != "matplotlib" or None)
    lacking = grace(*command)
    assert lacking.code == 2
    assert "the analysis needs matplotlib" in lacking.err
    assert grace(*command, "--no-figures").code == 0


def test_where_nothing_was_compared_nothing_is_drawn(grace: Command, tmp_path: Path) -> None:
    rows = [{**row, "error": ""} for row in _rows("study1", random.Random(1))]
    nothing = dict.fromkeys([*(f"probability_{state}" for state in range(4)), "Knowledge_A"], "")
    failed = [{**row, **nothing, "error": "HTTP 500"} for row in rows]
    analysis_tables.write(tmp_path / "a.csv", rows)
    analysis_tables.write(tmp_path / "b.csv", failed)
    command = ("compare", tmp_path / "a.csv", tmp_path / "b.csv", "--draws", 100, "--out", tmp_path / "out")
    assert grace(*command).code == 1
    assert not (tmp_path / "out" / "figures").exists()
    analysis_tables.write(tmp_path / "b.csv", rows)
    assert grace(*command).code == 0
    analysis_tables.write(tmp_path / "b.csv", failed)
    assert grace(*command).code == 1
    assert not list((tmp_path / "out" / "figures").glob("compare_shift*"))
