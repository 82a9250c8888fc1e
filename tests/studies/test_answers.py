"""Answer spaces and the questions that have them: distributions, surface forms, columns, and mistakes told by place."""

import csv
import re
from collections.abc import Mapping
from contextlib import suppress
from math import fsum, log2, sqrt
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings

from grace.errors import StudyError
from grace.studies.answers import AnswerSpace, Distribution, distribution, entropy, fill, joint, variants_of
from grace.studies.study import Study, load_study, parse_study
from strategies import masses

ROOT = Path(__file__).parents[2]


def space(*labels: str, **options: Any) -> AnswerSpace:
    return AnswerSpace({label: (label,) for label in labels}, **options)


def found(answers: AnswerSpace, *masses: float) -> Distribution:
    """The distribution of an answer space whose labels have these probabilities."""
    result = distribution(answers, dict(zip(answers.labels, masses, strict=True)))
    assert result is not None
    return result


# Distributions


def test_probabilities_are_shares_of_the_label_mass() -> None:
    result = found(space("yes", "no"), 0.03, 0.01)
    assert result.probabilities == pytest.approx((0.75, 0.25), abs=1e-15)
    assert (result.mean, result.std, result.marginals, result.marginal_entropies) == (None, None, {}, {})


def test_labels_and_masses_are_matched_by_name_and_not_by_order() -> None:
    result = distribution(space("yes", "no"), {"no": 0.25, "yes": 0.75})
    assert result is not None
    assert result.probabilities == (0.75, 0.25)


@pytest.mark.parametrize(
    ("masses", "bits"),
    [
        ([0.5, 0.5], 1),
        ([0.1, 0.1, 0.1, 0.1], 2),
        ([1, 0, 0], 0),
        ([0.5, 0.25, 0.25], 1.5),
        ([0.5, 0.25, 0.125, 0.125], 1.75),
        ([0.9, 0.1], -(0.9 * log2(0.9) + 0.1 * log2(0.1))),  # 0.469
        ([1.0] * 11, log2(11)),
        ([1e-300, 1e-300], 1),
        ([1, 1e-300], 0),
    ],
)
def test_entropy_is_in_bits(masses: list[float], bits: float) -> None:
    result = found(space(*map(str, range(len(masses)))), *masses)
    assert result.entropy == pytest.approx(bits, abs=1e-12)
    assert result.entropy >= 0


def test_entropy_of_certainty_is_0_and_never_minus_0() -> None:
    assert str(entropy([1.0])) == str(entropy([1.0, 0.0])) == "0.0"


def test_mean_and_standard_deviation_are_those_of_the_labels_numbers() -> None:
    percent = space("0", "50", "100", values=(0, 50, 100))
    result = found(percent, 0.1, 0.2, 0.1)
    # mean = 0.25 * 0 + 0.5 * 50 + 0.25 * 100 = 50; variance = 0.25 * 2500 + 0.25 * 2500 = 1250
    assert result.mean == pytest.approx(50)
    assert result.std == pytest.approx(sqrt(1250))
    result = found(percent, 0, 0.75, 0.25)
    # mean = 62.5; variance = 0.75 * 12.5^2 + 0.25 * 37.5^2 = 468.75
    assert (result.mean, result.std) == (pytest.approx(62.5), pytest.approx(sqrt(468.75)))
    result = found(percent, 0, 0.3, 0)
    assert (result.mean, result.std) == (50, 0)


def test_a_joint_answer_has_a_distribution_of_each_part() -> None:
    forms, factors = joint(
        {"frame": {"was": ["was"], "wasnt": ["wasn't"]}, "how": {"bad": ["bad"], "good": ["good"]}}, ["{frame} {how}"]
    )
    answers = AnswerSpace({label: tuple(own) for label, own in forms.items()}, factors=factors)
    assert answers.labels == ("was_bad", "was_good", "wasnt_bad", "wasnt_good")
    result = found(answers, 0.1, 0.2, 0.0, 0.1)
    # 0.25, 0.5, 0, 0.25: was = 0.75, good = 0.75
    assert result.marginals == {
        "frame": {"was": pytest.approx(0.75), "wasnt": pytest.approx(0.25)},
        "how": {"bad": pytest.approx(0.25), "good": pytest.approx(0.75)},
    }
    assert result.entropy == pytest.approx(1.5)
    one = -(0.75 * log2(0.75) + 0.25 * log2(0.25))
    assert result.marginal_entropies == {"frame": pytest.approx(one), "how": pytest.approx(one)}


def test_without_any_probability_there_is_no_distribution_and_no_uniform_one_either() -> None:
    assert distribution(space("yes", "no"), {"yes": 0.0, "no": 0.0}) is None
    columns = load_study("study1").questions["state0"].columns
    assert columns.cells(None, 0.0, 1e-7) == (None,) * 14 + (0.0, 1e-7)


@given(masses)
@settings(max_examples=200)
def test_whatever_the_masses_the_distribution_is_one(parts: list[float]) -> None:
    forms, factors = joint({"x": {"1": ["1"], "2": ["2"]}, "y": {"3": ["3"], "4": ["4"]}}, ["{x}{y}"])
    answers = AnswerSpace({label: tuple(own) for label, own in forms.items()}, (1.0, 2.0, 3.0, 10.0), factors)
    result = distribution(answers, dict(zip(answers.labels, parts, strict=True)))
    if fsum(parts) == 0:
        assert result is None
        return
    assert result is not None
    assert fsum(result.probabilities) == pytest.approx(1, abs=1e-12)
    assert all(0 <= p <= 1 for p in result.probabilities)
    assert 0 <= result.entropy <= 2 + 1e-12
    assert result.mean is not None
    assert result.std is not None
    assert 1 - 1e-12 <= result.mean <= 10 + 1e-12
    assert 0 <= result.std <= 4.5 + 1e-12
    for factor, levels in result.marginals.items():
        assert fsum(levels.values()) == pytest.approx(1, abs=1e-12)
        for level, share in levels.items():
            own = [
                p
                for label, p in zip(answers.labels, result.probabilities, strict=True)
                if factors[factor][label] == level
            ]
            assert share == pytest.approx(fsum(own), abs=1e-12)
        assert result.marginal_entropies[factor] <= result.entropy + 1e-12


# Surface forms


@pytest.mark.parametrize(
    ("variants", "forms"),
    [
        ([], ("It's so",)),
        (["case"], ("It's so", "it's so")),
        (["stop"], ("It's so", "It's so.")),
        (["apostrophe"], ("It's so", "It’s so")),
        (["space"], ("It's so", " It's so")),
        (["case", "stop"], ("It's so", "it's so", "It's so.", "it's so.")),
        (["stop", "case"], ("It's so", "It's so.", "it's so", "it's so.")),
        (
            ["case", "apostrophe", "space"],
            ("It's so", "it's so", "It’s so", "it’s so", " It's so", " it's so", " It’s so", " it’s so"),
        ),
    ],
)
def test_variants_come_in_every_combination_with_the_canonical_form_first(
    variants: Any, forms: tuple[str, ...]
) -> None:
    assert variants_of(["It's so"], variants) == forms


def test_all_four_variants_make_sixteen_forms_of_one() -> None:
    forms = variants_of(["It's so"], ["case", "stop", "apostrophe", "space"])
    assert len(forms) == len(set(forms)) == 16
    assert forms[0] == "It's so"


def test_listed_forms_come_before_made_ones_and_none_twice() -> None:
    assert variants_of(["no", "No", "never"], ["case"]) == ("no", "No", "never", "Never")


@pytest.mark.parametrize(
    ("form", "variant", "other"),
    [
        ("yes", "case", "Yes"),
        ("Yes", "case", "yes"),
        ('"it was', "case", '"It was'),  # the first letter, wherever it stands
        ("élan", "case", "Élan"),
        ("YES", "case", "yES"),  # the first letter and no other
        ("so.", "stop", "so"),
        ("wasn’t", "apostrophe", "wasn't"),
        ("'t isn't", "apostrophe", "’t isn’t"),
        (" yes", "space", "yes"),
    ],
)
def test_a_variant_goes_both_ways(form: str, variant: Any, other: str) -> None:
    assert variants_of([form], [variant]) == (form, other)


@pytest.mark.parametrize(("form", "variant"), [("10%", "case"), ("日", "case"), ("so", "apostrophe")])
def test_where_a_variant_changes_nothing_there_is_one_form(form: str, variant: Any) -> None:
    assert variants_of([form], [variant]) == (form,)


def test_a_policy_takes_the_first_form_of_each_label_or_all() -> None:
    answers = AnswerSpace({"yes": ("yes", "Yes"), "no": ("no",)})
    assert answers.chosen("canonical") == {"yes": ("yes",), "no": ("no",)}
    assert answers.chosen("variants") == {"yes": ("yes", "Yes"), "no": ("no",)}


def test_joint_answers_combine_all_pieces_in_the_order_of_their_parts() -> None:
    parts = {"frame": {"was": ["was"], "wasnt": ["wasn't", "was not"]}, "how": {"bad": ["bad"]}}
    forms, levels = joint(parts, ["It {frame} {how}.", "It {frame} {how}"])
    assert forms == {
        "was_bad": ("It was bad.", "It was bad"),
        "wasnt_bad": ("It wasn't bad.", "It was not bad.", "It wasn't bad", "It was not bad"),
    }
    assert levels == {"frame": {"was_bad": "was", "wasnt_bad": "wasnt"}, "how": {"was_bad": "bad", "wasnt_bad": "bad"}}


def test_a_form_takes_no_piece_twice() -> None:
    forms, _ = joint({"a": {"x": ["1", "1"]}, "b": {"y": ["2"]}}, ["{a}{b}", "{a}{b}"])
    assert forms == {"x_y": ("12",)}


def test_other_braces_stay_as_they_are() -> None:
    assert fill("{a} {b} {} {{a}}", {"a": "1"}) == "1 {b} {} {1}"


# The columns of the studies that come with Grace


PERCENT = ("0", "10", "20", "30", "40", "50", "60", "70", "80", "90", "100")
STUDY1 = {
    **{
        f"state{k}": (
            *(f"state{k}_prob_{percent}" for percent in PERCENT),
            f"state{k}_mean",
            f"state{k}_std",
            f"state{k}_entropy",
            f"label_mass_state{k}",
        )
        for k in range(4)
    },
    "knowledge": ("prob_knowledge_yes", "prob_knowledge_no", "entropy_knowledge", "label_mass_knowledge"),
    "state": ("prob_state_0", "prob_state_1", "prob_state_2", "prob_state_3", "entropy_state", "label_mass_state"),
}
STUDY2 = {
    "utterance": (
        "prob_was_terrible",
        "prob_was_bad",
        "prob_was_good",
        "prob_was_amazing",
        "prob_wasnt_terrible",
        "prob_wasnt_bad",
        "prob_wasnt_good",
        "prob_wasnt_amazing",
        "entropy_joint",
        "prob_was",
        "prob_wasnt",
        "prob_terrible",
        "prob_bad",
        "prob_good",
        "prob_amazing",
        "entropy_frame",
        "entropy_assessment",
        "label_mass_utterance",
    )
}


@pytest.mark.parametrize(("name", "columns"), [("study1", STUDY1), ("study2", STUDY2)])
def test_the_columns_are_those_of_the_design_and_a_residual_for_each_question(
    name: str, columns: Mapping[str, tuple[str, ...]]
) -> None:
    questions = load_study(name).questions
    assert {name: question.columns.names for name, question in questions.items()} == {
        question: (*names, f"residual_{question}") for question, names in columns.items()
    }


def test_cells_stand_under_their_names() -> None:
    question = load_study("study2").questions["utterance"]
    masses = dict(zip(question.space.labels, (0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07, 0.12), strict=True))
    cells = dict(
        zip(
            question.columns.names, question.columns.cells(distribution(question.space, masses), 0.4, 1e-7), strict=True
        )
    )
    assert cells["prob_was_terrible"] == pytest.approx(0.025)
    assert cells["prob_wasnt_amazing"] == pytest.approx(0.3)
    assert (cells["prob_was"], cells["prob_wasnt"]) == (pytest.approx(0.25), pytest.approx(0.75))
    assert (cells["prob_terrible"], cells["prob_amazing"]) == (pytest.approx(0.15), pytest.approx(0.4))
    assert cells["entropy_frame"] == pytest.approx(0.811278124459133)
    assert cells["entropy_frame"] + cells["entropy_assessment"] >= cells["entropy_joint"]
    assert (cells["label_mass_utterance"], cells["residual_utterance"]) == (0.4, 1e-7)

    question = load_study("study1").questions["state2"]
    masses = dict.fromkeys(question.space.labels, 0.0) | {"20": 0.1, "40": 0.3}
    cells = dict(
        zip(question.columns.names, question.columns.cells(distribution(question.space, masses), 0.4, 0.0), strict=True)
    )
    assert (cells["state2_prob_20"], cells["state2_prob_40"]) == (pytest.approx(0.25), pytest.approx(0.75))
    assert cells["state2_prob_100"] == 0
    # mean = 5 + 30; variance = 0.25 * 15^2 + 0.75 * 5^2 = 75
    assert (cells["state2_mean"], cells["state2_std"]) == (pytest.approx(35), pytest.approx(sqrt(75)))
    assert cells["state2_entropy"] == pytest.approx(0.811278124459133)


def test_the_answers_are_what_the_prompts_ask_for() -> None:
    study1 = load_study("study1")
    assert study1.questions["state3"].space.forms == {percent: (percent + "%", percent + "%.") for percent in PERCENT}
    assert study1.questions["state3"].space.values == (0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100)
    assert study1.questions["knowledge"].space.chosen("canonical") == {"yes": ("yes",), "no": ("no",)}
    assert set(study1.questions["knowledge"].space.forms["yes"]) == {"yes", "Yes", " yes", " Yes"}
    utterance = load_study("study2").questions["utterance"].space
    assert utterance.chosen("canonical") == {
        f"{frame}_{how}": (f"It {text} {how}.",)
        for frame, text in (("was", "was"), ("wasnt", "wasn't"))
        for how in ("terrible", "bad", "good", "amazing")
    }
    assert "it wasn’t good" in utterance.forms["wasnt_good"]
    assert not {"it wasn’t good", "It was good."} & set(utterance.forms["was_bad"])


# What the prompts show


def prompts(study: Study, row: Mapping[str, str]) -> dict[str, str]:
    """All that is said to the model in each question about a row."""
    full = study.complete(row)
    return {
        name: "\n".join(message["content"] for message in question.messages(full))
        for name, question in study.questions.items()
    }


def rows(name: str) -> list[dict[str, str]]:
    with open(ROOT / "data" / name, newline="") as file:
        return list(csv.DictReader(file))


def test_study_1_asks_the_rows_own_questions() -> None:
    study1 = load_study("study1")
    for row in rows("study1.csv"):
        said = prompts(study1, row)
        assert all(row["speachQ"] in said[name] for name in ("state0", "state1", "state2", "state3", "state"))
        assert row["knowledgeQ"] in said["knowledge"]
        assert row["speachQ"] not in said["knowledge"]
        for text in said.values():
            assert row["speach"] in text
            assert "<br>" not in text
            assert all(part.strip() in text for part in row["story_setup"].split("<br>"))


def test_study_1_asks_about_each_number_in_a_question_of_its_own() -> None:
    said = prompts(load_study("study1"), rows("study1.csv")[0])
    for k in range(4):
        assert f"exactly {k}?" in said[f"state{k}"]
        assert [f"exactly {other}?" in said[f"state{k}"] for other in range(4)].count(True) == 1


@pytest.mark.parametrize("cell", ["NA", "", "LEAK"])
def test_study_1_never_shows_access_observe_or_what_is_missing_of_them(cell: str) -> None:
    study1 = load_study("study1")
    row = rows("study1.csv")[0]
    expected = prompts(study1, row)
    changed = row | {"access": cell, "observe": cell, "participant_id": cell, "story_shortname": cell, "priorQ": cell}
    assert prompts(study1, changed) == expected
    assert not re.search(r"\bNA\b|LEAK|\bNone\b|undefined|\{\{|\}\}", "".join(expected.values()))
    for question in study1.questions.values():
        assert question.uses is not None
        assert not question.uses & {"access", "observe", "participant_id", "story_shortname", "priorQ"}


def test_study_2_never_shows_the_utterance() -> None:
    study2 = load_study("study2")
    row = rows("study2.csv")[0]
    expected = prompts(study2, row)
    for cell in ("SECRET", "", "NA"):
        assert prompts(study2, row | {"Utterance": cell}) == expected
    assert prompts(study2, {name: cell for name, cell in row.items() if name != "Utterance"}) == expected
    for row in rows("study2.csv"):
        [text] = prompts(study2, row).values()
        assert row["Utterance"] not in text
        assert f"{row['State']} out of 3 hearts" in text
        assert all(row[name] in text for name in ("Precontext", "Scenario", "Goal", "SP_Name"))


def test_what_is_hidden_is_out_of_reach_of_a_question_however_it_is_written() -> None:
    for reach in ("{{ row.key }}", "{{ row['key'] }}", "{{ row.values() | list }}", "{{ row }}", "{{ row | tojson }}"):
        try:
            question = study(prompt=reach).questions["asked"]
            text = str(question.messages(study().complete(ROW)))
        except StudyError:
            continue
        assert "secret" not in text


# What a study file may say, and what is told of mistakes in it


BASE: dict[str, Any] = {
    "name": "small",
    "title": "A small study",
    "columns": {"item": {}, "key": {"hidden": "true"}},
    "derived": {"twice": "{{ item }} {{ item }}"},
    "questions": {"asked": {"prompt": "{{ item }}?", "answers": {"labels": {"yes": "yes", "no": "no"}}}},
}
ROW = {"item": "lamps", "key": "secret"}


def study(more: Mapping[str, Any] | None = None, name: str = "asked", **changes: Any) -> Study:
    """The small study, with fields of its question changed, and with further questions."""
    question = {key: value for key, value in (BASE["questions"]["asked"] | changes).items() if value is not None}
    text = yaml.safe_dump({**BASE, "questions": {name: question, **(more or {})}}, sort_keys=False, allow_unicode=True)
    return parse_study(text.encode(), "small.yaml")


def refused(text: str | None = None, **changes: Any) -> str:
    """What is said of a study with this mistake in its question."""
    with pytest.raises(StudyError) as caught:
        study(**changes) if text is None else parse_study(text.encode(), "small.yaml")
    message = str(caught.value)
    assert message.startswith("small.yaml: ")
    return message.removeprefix("small.yaml: ")


def test_a_question_is_made_from_row_and_derived_columns_with_a_system_message_where_there_is_one() -> None:
    asked = study(prompt=" {{ item }}, {{ twice }}? \n", system="You know {{ item }}.").questions["asked"]
    assert asked.messages(study().complete(ROW)) == [
        {"role": "system", "content": "You know lamps."},
        {"role": "user", "content": "lamps, lamps lamps?"},
    ]
    assert asked.uses == {"item"}


def test_each_combination_of_values_is_a_question_and_the_prompt_may_use_them() -> None:
    made = study(name="q{n}_{of}", each={"n": ["1", "2"], "of": ["a", "b"]}, prompt="{{ n }} of {{ of }}, {{ item }}?")
    assert list(made.questions) == ["q1_a", "q1_b", "q2_a", "q2_b"]
    said = prompts(made, ROW)
    assert said["q2_a"] == "2 of a, lamps?"
    assert made.questions["q1_b"].columns.names[0] == "prob_q1_b_yes"
    assert len({question.sha256 for question in made.questions.values()}) == 4


def test_a_questions_digest_changes_with_all_that_bears_on_its_answer_and_with_nothing_else() -> None:
    first = study().questions["asked"].sha256
    assert study(about="a note").questions["asked"].sha256 == first
    assert study(columns={"mean": "m"}).questions["asked"].sha256 == first
    others = [
        study(prompt="{{ item }}!"),
        study(system="Be brief."),
        study(answers={"labels": {"yes": "yes", "no": "nope"}}),
        study(answers={"labels": {"yes": "yes", "no": "no"}, "variants": ["case"]}),
        study(answers={"labels": {"yea": "yes", "no": "no"}}),
    ]
    digests = {one.questions["asked"].sha256 for one in others}
    assert len(digests | {first}) == 6


def test_a_single_form_needs_no_list_and_words_of_yaml_stay_words() -> None:
    text = (
        "name: small\ntitle: Small\ncolumns: {item: {}}\n"
        "questions: {q: {prompt: p, answers: {labels: {yes: yes, no: [no, off], 01: 1e3, null: null}}}}"
    )
    forms = parse_study(text.encode(), "small.yaml").questions["q"].space.forms
    assert forms == {"yes": ("yes",), "no": ("no", "off"), "01": ("1e3",), "null": ("null",)}


def labels(**options: Any) -> dict[str, Any]:
    return {"labels": {"yes": "yes", "no": "no"}, **options}


FACTORS = {"a": {"x": "x", "y": "y"}, "b": {"z": "z"}}

MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    # format.py
    "no prompt": ({"prompt": None}, "questions.asked.prompt: is missing"),
    "no answers": ({"answers": None}, "questions.asked.answers: is missing"),
    "a field that is none": ({"promt": "x"}, "questions.asked: no field 'promt' (did you mean 'prompt'?)"),
    "a field of answers that is none": (
        {"answers": labels(variant=["case"])},
        "questions.asked.answers: no field 'variant' (did you mean 'variants'?)",
    ),
    "a column that is none": (
        {"columns": {"probabilty": "p"}},
        "questions.asked.columns: no field 'probabilty' (did you mean 'probability'?)",
    ),
    "labels in a text": (
        {"answers": {"labels": "yes or no"}},
        "questions.asked.answers.labels: must hold names with a colon after each",
    ),
    "a label without forms": (
        {"answers": {"labels": {"yes": [], "no": "no"}}},
        "questions.asked.answers.labels.yes: is empty",
    ),
    "forms that are a mapping": (
        {"answers": {"labels": {"yes": {"a": "b"}, "no": "no"}}},
        "questions.asked.answers.labels.yes: must be a list, as [a, b]",
    ),
    "a form that is a list": (
        {"answers": {"labels": {"yes": [["a"]], "no": "no"}}},
        "questions.asked.answers.labels.yes.0: must be text",
    ),
    "an unknown variant": ({"answers": labels(variants=["plural"])}, "questions.asked.answers.variants.0: "),
    "a variant without a list": (
        {"answers": labels(variants="case")},
        "questions.asked.answers.variants: must be a list, as [a, b]",
    ),
    "numeric is no truth value": (
        {"answers": labels(numeric="perhaps")},
        "questions.asked.answers.numeric: must be true or false",
    ),
    "a name of each with capitals": (
        {"each": {"K": ["1", "2"]}},
        "questions.asked.each.K: must be a name of small letters, digits and _, with a letter first",
    ),
    "values of each without a list": ({"each": {"k": "1"}}, "questions.asked.each.k: must be a list, as [a, b]"),
    "each in a list": ({"each": ["k"]}, "questions.asked.each: must hold names with a colon after each"),
    "each is a column": ({"each": {"item": ["1"]}}, "questions.asked.each: 'item' is a column already"),
    "each is a derived column": ({"each": {"twice": ["1"]}}, "questions.asked.each: 'twice' is a column already"),
    "a factor's name with a space": (
        {"answers": {"factors": {"a b": {"x": "x"}}, "forms": "{a b}"}},
        "questions.asked.answers.factors.a b: must be a name of small letters, digits and _, with a letter first",
    ),
    "a prompt in parts": ({"prompt": ["a", "b"]}, "questions.asked.prompt: must be text"),
    # questions.py
    "a name with capitals": (
        {"name": "Asked"},
        "questions.Asked: a question's name has small letters, digits and _, a letter first",
    ),
    "a value of each that makes no name": (
        {"name": "q_{k}", "each": {"k": ["so much"]}},
        "questions.q_so much: a question's name has small letters, digits and _, a letter first",
    ),
    "each is not in the name": (
        {"each": {"k": ["1", "2"]}},
        "questions.asked: appears twice; put the names of `each` in braces into its name",
    ),
    "a value of each twice": (
        {"name": "q{k}", "each": {"k": ["1", "1"]}},
        "questions.q1: appears twice; put the names of `each` in braces into its name",
    ),
    "two questions of one name": (
        {"name": "q{k}", "each": {"k": ["1"]}, "more": {"q1": BASE["questions"]["asked"]}},
        "questions.q1: appears twice",
    ),
    "no answers at all": ({"answers": {}}, "questions.asked.answers: gives either labels, or factors and forms"),
    "labels and factors": (
        {"answers": labels(factors=FACTORS, forms="{a} {b}")},
        "questions.asked.answers: gives either labels, or factors and forms",
    ),
    "factors without forms": (
        {"answers": {"factors": FACTORS}},
        "questions.asked.answers.forms: gives whole answers, each with {a} and {b} in it",
    ),
    "a form without one of the parts": (
        {"answers": {"factors": FACTORS, "forms": ["{a} {b}", "{a}"]}},
        "questions.asked.answers.forms: gives whole answers, each with {a} and {b} in it",
    ),
    "a single label": ({"answers": {"labels": {"yes": "yes"}}}, "questions.asked.answers: needs two labels at least"),
    "a single joint answer": (
        {"answers": {"factors": {"a": {"x": "x"}}, "forms": "{a}"}},
        "questions.asked.answers: needs two labels at least",
    ),
    "an empty form": (
        {"answers": {"labels": {"yes": "yes", "no": ["no", ""]}}},
        "questions.asked.answers: the label 'no' has an empty form",
    ),
    "a form of spaces": (
        {"answers": {"labels": {"yes": "yes", "no": "  "}}},
        "questions.asked.answers: the label 'no' has an empty form",
    ),
    "a variant that leaves nothing": (
        {"answers": {"labels": {"yes": "yes", "stop": "."}, "variants": ["stop"]}},
        "questions.asked.answers: the label 'stop' has an empty form",
    ),
    "a form of two labels": (
        {"answers": {"labels": {"yes": ["yes", "so"], "no": ["no", "so"]}}},
        "questions.asked.answers: the form 'so' belongs to 'yes' and to 'no'",
    ),
    "a form that variants make one of two labels": (
        {"answers": {"labels": {"name": "Will", "verb": "will"}, "variants": ["case"]}},
        "questions.asked.answers: the form 'will' belongs to 'name' and to 'verb'",
    ),
    "joint answers that look alike": (
        {"answers": {"factors": {"a": {"x": "in", "y": "i"}, "b": {"z": "to", "w": "nto"}}, "forms": "{a}{b}"}},
        "questions.asked.answers: the form 'into' belongs to 'x_z' and to 'y_w'",
    ),
    "labels that are no numbers": (
        {"answers": labels(numeric="true")},
        "questions.asked.answers: the label 'yes' is not a number, as `numeric` requires",
    ),
    "a column of the table": (
        {"columns": {"entropy": "item"}},
        "questions.asked: its column 'item' is one of the table already; see `columns`",
    ),
    "a column of another question": (
        {"more": {"other": {**BASE["questions"]["asked"], "columns": {"residual": "residual_asked"}}}},
        "questions.other: its column 'residual_asked' is one of asked already; see `columns`",
    ),
    "a column twice in one question": (
        {"columns": {"probability": "p"}},
        "questions.asked: its column 'p' is one of asked already; see `columns`",
    ),
    "parts with labels of one name": (
        {"answers": {"factors": {"a": {"x": "1", "y": "2"}, "b": {"x": "3", "y": "4"}}, "forms": "{a}{b}"}},
        "questions.asked: its column 'prob_asked_x' is one of asked already; see `columns`",
    ),
    # templates
    "a prompt with an unknown column": (
        {"prompt": "{{ itme }}?"},
        "questions.asked.prompt: no column 'itme' (did you mean 'item'?)",
    ),
    "a system message with an unknown column": ({"system": "{{ itme }}"}, "questions.asked.system: no column 'itme'"),
    "a prompt with a hidden column": ({"prompt": "{{ key }}?"}, "questions.asked.prompt: the column 'key' is hidden"),
    "a prompt that does not end": (
        {"prompt": "a\n{{ item "},
        "questions.asked.prompt, line 2: unexpected end of template, expected 'end of print statement'.",
    ),
    "a filter that is none": (
        {"prompt": "{{ item | shout }}"},
        "questions.asked.prompt, line 1: No filter named 'shout'.",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_a_question_is_told_with_its_place(mistake: str) -> None:
    changes, message = MISTAKES[mistake]
    assert message in refused(**changes)


def test_a_study_that_asks_nothing_and_names_given_twice_are_mistakes_too() -> None:
    head = "name: small\ntitle: Small\ncolumns: {item: {}}\n"
    assert "neither protocols nor questions" in refused(head + "questions: {}")
    assert "questions: must hold names" in refused(head + "questions: [a]")
    assert "questions.q: must hold fields" in refused(head + "questions: {q: prompt}")
    twice = head + "questions:\n  q: {prompt: p, answers: {labels: {a: a, b: b}}}\n  q: {prompt: p}"
    assert "'q' appears twice (line 6)" in refused(twice)
    twice = head + "questions:\n  q: {prompt: p, answers: {labels: {a: a, a: b}}}"
    assert "'a' appears twice (line 5)" in refused(twice)


def test_a_prompt_that_cannot_be_rendered_for_a_row_says_so() -> None:
    question = study(prompt="{{ item | int // 0 }}").questions["asked"]
    with pytest.raises(StudyError, match="cannot be rendered"):
        question.messages({"item": "3"})


# Mistakes that would bend numbers without a word


def test_parts_whose_labels_run_together_are_a_mistake() -> None:
    # x_y and z, x and y_z: both joint answers would be called x_y_z, and one would replace the other
    factors = {"a": {"x_y": "1", "x": "2"}, "b": {"z": "3", "y_z": "4"}}
    assert "x_y_z" in refused(answers={"factors": factors, "forms": "{a}{b}"}, columns={"marginal": "{factor}_{label}"})


@pytest.mark.parametrize("label", ["nan", "inf", "-Infinity", "1_0"])
def test_a_numeric_label_is_a_number_as_people_write_them(label: str) -> None:
    # mean and standard deviation of nan are nan; Python reads 1_0 as 10
    message = refused(answers={"labels": {label: "a", "2": "b"}, "numeric": "true"})
    assert f"the label {label!r} is not a number" in message


def test_joint_labels_are_no_numbers_however_digits_are_put_together() -> None:
    factors = {"tens": {"1": "1", "2": "2"}, "ones": {"3": "3", "4": "4"}}
    assert "numeric" in refused(
        answers={"factors": factors, "forms": "{tens}{ones}", "numeric": "true"},
        columns={"marginal": "{factor}_{label}"},
    )


def test_forms_of_joint_answers_have_no_place_beside_labels() -> None:
    assert "answers" in refused(answers=labels(forms=["yes!", "no!"]))


def test_a_question_without_values_to_ask_about_is_a_mistake() -> None:
    assert "each" in refused(name="q{k}", each={"k": []})


@pytest.mark.parametrize("column", ["model_name", "error"])
def test_a_column_that_every_table_of_scores_has_cannot_be_a_questions(column: str) -> None:
    assert f"its column {column!r}" in refused(columns={"entropy": column})


@pytest.mark.parametrize("name", ["template", "row", "self"])
def test_each_may_have_any_name_or_is_refused_in_words(name: str) -> None:
    said: object = None
    with suppress(StudyError):
        said = prompts(study(name="q_{" + name + "}", each={name: ["one", "two"]}, prompt="{{ " + name + " }}?"), ROW)
    assert said in (None, {"q_one": "one?", "q_two": "two?"})
