"""Ratings, numbers, texts, shares of names, several items in one answer, and thoughts before an answer."""

import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from grace.errors import StudyError
from grace.studies.extraction import Extraction
from grace.studies.reading import BY_PERSON, CLEAR, Missing, Value
from grace.studies.reading.thoughts import answer_of, separated
from grace.studies.study import load_study, parse_study
from strategies import label_sets, list_markers, reasoning


def extraction(*readings: dict[str, Any], items: str | None = None) -> Extraction:
    """The extraction of a study with these readings."""
    named = {f"r{place}": reading for place, reading in enumerate(readings, 1)}
    own = {"readings": named} | ({"items": items} if items else {})
    turns = {"protocols": {"single": {"turns": {"response": "{{ x }}"}}}}
    study = {"name": "own", "title": "Own", "columns": {"x": {}}, **turns, "extraction": own}
    made = parse_study(
        yaml.safe_dump(study, allow_unicode=True, sort_keys=False, default_style='"').encode(), "own.yaml"
    ).extraction
    assert made is not None
    return made


def values(own: Extraction, text: str, cut: bool | None = None) -> list[Any]:
    return list(own.read(dict.fromkeys(own.about, text), cut).values.values())


def choice(labels: list[str]) -> Extraction:
    return extraction({"read": "choice", "column": "X", "labels": {label: label for label in labels}})


def rating(low: int, high: int, column: str = "X", **words: str) -> dict[str, Any]:
    return {"read": "rating", "column": column, "min": str(low), "max": str(high), "words": words}


NUMBER = {"read": "number", "column": "X"}
AGE = extraction(NUMBER | {"min": "0", "max": "120", "unit": "years"})
CHANCE = extraction(NUMBER | {"min": "0", "max": "100", "decimals": "1", "unit": "%"})
PRICE = extraction(NUMBER | {"min": "-100", "max": "5000", "decimals": "2", "unit": ["€", "euros"]})
COUNT = extraction(NUMBER | {"min": "0", "max": "40"})
YEN = extraction(NUMBER | {"min": "0", "max": "1000000", "unit": "円"})


@pytest.mark.parametrize(
    ("own", "text", "value"),
    [
        (AGE, "72", 72),
        (AGE, "72 years", 72),
        (AGE, "He is probably a 71-year-old.", 71),
        (AGE, "He swims 3 times a week, so I would guess 68.", 68),
        (AGE, "Seventy-five years.", 75),
        (AGE, "My best guess is 70 years old.", 70),
        (AGE, '{"age": 66, "sure": false}', 66),
        (AGE, "\\boxed{70}", 70),
        (AGE, "65-75", None),
        (AGE, "Between 60 and 70 years.", None),
        (AGE, "At least 60.", None),
        (AGE, "150", None),
        (AGE, "70.5", None),
        (AGE, "It does not say.", None),
        (PRICE, "€20-€30", None),
        (PRICE, "Entre los 20 € y los 30 €.", None),
        (PRICE, "Zwischen 20 € und 30 €.", None),
        (CHANCE, "0.7", None),
        (CHANCE, "0.7%", 0.7),
        (YEN, "1万5千円くらいが妥当だと思います。", 15_000),
        (YEN, "2万3500円", 23_500),
        (YEN, "10万円", 100_000),
        (YEN, "1万円から2万円", None),
        (CHANCE, "40%", 40),
        (CHANCE, "I would put it at 12.5 percent.", 12.5),
        (CHANCE, "Ungefähr 40 Prozent.", 40),
        (CHANCE, "12.55%", None),
        (CHANCE, "130%", None),
        (CHANCE, "30–50%", None),
        (PRICE, "€ 12.50", 12.5),
        (PRICE, "12,50 €", 12.5),
        (PRICE, "1,200 euros", 1200),
        (PRICE, "1 200 €", 1200),
        (PRICE, "-20", -20),
        (COUNT, "6 students", 6),
        (COUNT, "4 out of 40", 4),
        (COUNT, "I think 5 of them came.", None),
        (COUNT, "Twelve.", 12),
        (COUNT, "A dozen", 12),
        (COUNT, "In 2020, there were 45 of them.", None),
    ],
)
def test_a_number(own: Extraction, text: str, value: float | None) -> None:
    assert values(own, text) == [value]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("6", 6),
        ("6 out of 7", 6),
        ("I'd rate it a 6 out of 7", 6),
        ("7 (always)", 7),
        ("Always", 7),
        ("0", 0),
        ("6/7", 6),
        ("sechs", 6),
        ("6.0", 6),
        ("5.5", None),
        ("6/10", None),
        ("8", None),
        ("5 or 6", None),
        ("6 stars out of 7", 6),
        ("6 étoiles sur 7", 6),
        ("6 stars out of 10", None),
        ("Schwer zu sagen, vielleicht eine Fünf.", 5),
        ("Hard to say, perhaps a three.", 3),
        ("Zuerst dachte ich an eine 2, letztlich entscheide ich mich aber für die 4.", 4),
        ("7점 만점에 5점입니다.", 5),
        ("7 üzerinden 3", 3),
        ("满分7分，我给5分。", 5),
    ],
)
def test_a_rating(text: str, value: int | None) -> None:
    assert values(extraction(rating(0, 7, **{"0": "never", "7": "always"})), text) == [value]


def test_a_rating_has_an_order_and_points_of_its_own() -> None:
    with pytest.raises(StudyError, match="max: must be above min, which is 5"):
        extraction(rating(5, 5))
    with pytest.raises(StudyError, match="'8' is no whole number from 1 to 7"):
        extraction(rating(1, 7, **{"8": "always"}))


def test_a_text_is_kept_for_a_person_to_code() -> None:
    codes = {"column": "Code", "labels": {"place": "names a place", "time": "names a time"}}
    own = extraction({"read": "text", "column": "Where", "codes": codes})
    found = own.read({"r1": "<think>Hm.</think>\n**Answer:**  In the *Kitchen*,\u00a0behind the door."})
    assert found.values == {"Where": "In the Kitchen, behind the door.", "Code": None}
    assert found.errors == {"Code": BY_PERSON}
    assert found.open == ()
    assert own.asked == {}
    assert own.fields["Code"].parse("place") == "place"
    assert own.fields["Where"].parse("Anything at all") == "Anything at all"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('"In the kitchen"', "In the kitchen"),
        ("```\nIn the kitchen\n```", "In the kitchen"),
        ('{"answer": "In the kitchen"}', "In the kitchen"),
        ("答案：在厨房里。", "在厨房里。"),
        ("A\n\n\n\nB", "A\n\nB"),
        ('He said "no" and "yes"', 'He said "no" and "yes"'),
    ],
)
def test_what_surrounds_a_text_is_left_out(text: str, words: str) -> None:
    assert values(extraction({"read": "text", "column": "X"}), text) == [words]


# Several items


ITEMS = [rating(1, 7, column) for column in ("A", "B", "C")]
NONE, THREE = [None] * 3, [4, 5, 2]


@pytest.mark.parametrize(
    ("text", "numbered", "listed"),
    [
        ("4, 5, 2", NONE, THREE),
        ("[4, 5, 2]", NONE, THREE),
        ("4\n5\n2", NONE, THREE),
        ("Ratings: 4, 5, 2", NONE, THREE),
        ("1. 4\n2. 5\n3. 2", THREE, THREE),
        ("1) 4 (fine)\n2) 5\n3) 2, as it is odd", THREE, THREE),
        ("4, 5", NONE, NONE),
        ("1. 4\n2. 5", NONE, NONE),
    ],
)
def test_items_are_read_by_position_only_where_the_study_says_so(
    text: str, numbered: list[int | None], listed: list[int | None]
) -> None:
    assert values(extraction(*ITEMS, items="numbered"), text) == numbered
    assert values(extraction(*ITEMS, items="listed"), text) == listed
    plain = extraction(*ITEMS).read(dict.fromkeys(("r1", "r2", "r3"), text))
    assert list(plain.values.values()) == NONE
    assert all(plain.errors.values())


# Shares of names


FACES = {"glad": "glad", "sad": "sad", "cross": "cross"}
PLAYERS = {"self": ["keep", "myself"], "other": ["the other player"]}


@pytest.mark.parametrize(
    ("labels", "text", "amounts"),
    [
        (FACES, "70% glad, 20% sad and 10% cross.", [70, 20, 10]),
        (FACES, "Glad 70%, sad 20%, cross 10%.", [70, 20, 10]),
        (FACES, "cross: 0.1, glad: 0.7, sad: 0.2", [70, 20, 10]),
        (FACES, "| glad | 70 |\n| sad | 20 |\n| cross | 10 |\n| total | 100 |", [70, 20, 10]),
        (FACES, "Glad 50, sad 50, cross 0. No, wait: glad 70, sad 20, cross 10.", None),
        (PLAYERS, "I would keep $60 and give $40 to the other player.", [60, 40]),
        (PLAYERS, "I'd give the other player $50 and keep $50.", [50, 50]),
        ({"店長": "店長", "客": "客"}, "店長に80％、客に20％の責任があると思います。", [80, 20]),
    ],
)
def test_amounts_stand_in_step_with_names(labels: dict[str, Any], text: str, amounts: list[float] | None) -> None:
    own = extraction({"read": "shares", "column": "p_{label}", "labels": labels})
    assert values(own, text) == (amounts or [None] * len(labels)) or amounts is None


@pytest.mark.parametrize(
    "steps",
    [
        "1. One exam has passed.\n2. The other exam is unknown.\n3. Exams are usually passed.",
        "1) He looked at 2 exams.\n2) The remaining exam is unknown.",
        "- One has passed, the rest is unknown.\n- The other 2 may pass.",
    ],
)
@pytest.mark.parametrize("bets", ["0: 0%\n1: 10%\n2: 40%\n3: 50%", "0: 0%, 1: 10%, 2: 40%, 3: 50%"])
def test_stated_amounts_beat_the_rest(steps: str, bets: str) -> None:
    study = load_study("study1").extraction
    assert study is not None
    found = study.read({"prior": "", "state": f"{steps}\n\n{bets}", "knowledge": ""}).values
    assert [found[f"probability_{label}"] for label in range(4)] == [0, 10, 40, 50]


@pytest.mark.parametrize("word", ["half", "nothing", "everything"])
def test_a_label_that_says_an_amount_is_refused(word: str) -> None:
    with pytest.raises(StudyError, match=f"extraction.readings.r1.labels: '{word}' says an amount"):
        extraction({"read": "shares", "column": "p_{label}", "labels": {word: word, "full": "full"}})


# Statements that are not asserted


KNOWLEDGE = load_study("study1").extraction


@pytest.mark.parametrize(
    "text",
    [
        "We cannot say for certain that she knows exactly how many of the lamps work.",
        "There is no evidence that he knows exactly how many work.",
        "She does not yet know how many work; she will only know once she has tried the last one.",
        "It is possible that she knows exactly how many work.",
        "It isn't clear that he knows exactly how many there are.",
        "She may know exactly how many work.",
        "She thinks she knows exactly how many work.",
        "Whether he knows exactly how many is unclear.",
        "If she had looked at all three, she would know exactly how many.",
        "Nothing in the text says that she knows exactly how many.",
        "It would be wrong to conclude that he knows exactly how many.",
        "She knows exactly how many once she checks the last one.",
        "The story gives us no reason to believe he knows exactly how many.",
        "It is hard to tell if she knows exactly how many.",
        "It is far from certain that he knows exactly how many work.",
        "Until he opens the last box, he will not know exactly.",
    ],
)
def test_what_is_not_asserted_is_no_yes(text: str) -> None:
    assert KNOWLEDGE is not None
    assert KNOWLEDGE.read({"prior": "", "state": "", "knowledge": text}).values["Knowledge_A"] != "yes"


# Thoughts


@pytest.mark.parametrize(
    ("text", "thoughts", "answer"),
    [
        ("<think>2? No.</think>4", "2? No.", "4"),
        ("<thinking>\n2?\n</thinking>\n4", "2?", "4"),
        ("[THINK]2?[/THINK]4", "2?", "4"),
        ("2? No.</think>4", "2? No.", "4"),
        ("analysisThe user wants 2?assistantfinal4", "The user wants 2?", "4"),
        ("<|channel|>analysis<|message|>2?<|end|><|start|>assistant<|channel|>final<|message|>4<|return|>", "2?", "4"),
        ("<|channel|>final<|message|>4", None, "4"),
        ("<think>2? It may be", "2? It may be", ""),
        ("<|channel|>analysis<|message|>2? It may be", "2? It may be", ""),
        ("analysisWe need to", "We need to", ""),
        ("Analysis: 4", None, "Analysis: 4"),
        ("4", None, "4"),
    ],
)
def test_thoughts_are_separated(text: str, thoughts: str | None, answer: str) -> None:
    assert separated(text) == (thoughts, answer)


def test_thoughts_in_an_answer_are_not_read() -> None:
    assert answer_of("Well. <think>2? 3?</think> 4").split() == ["Well.", "4"]
    assert values(extraction(rating(1, 7)), "Sure. <think>Perhaps a 2.</think> 4") == [4]


MARKERS = ["</think>", "assistantfinal", "<|channel|>final<|message|>"]


@given(reasoning, st.sampled_from(MARKERS), st.integers(1, 7))
def test_reasoning_before_a_final_marker_never_changes_a_value(thoughts: str, marker: str, point: int) -> None:
    own = extraction(rating(1, 7))
    for answer in (f"{point}", f"I would rate it a {point}.", "3 or 4"):
        assert own.read({"r1": thoughts + marker + answer}).answers == own.read({"r1": answer}).answers


@given(reasoning, st.integers(1, 7))
def test_reasoning_before_a_final_answer_never_makes_another_value_sure(thoughts: str, point: int) -> None:
    answer = extraction(rating(1, 7)).read({"r1": f"{thoughts}\n\nFinal answer: {point}"}).answers["X"]
    assert isinstance(answer, Missing) or answer.value == point or answer.confidence < CLEAR


# Any labels at all


@given(label_sets)
@settings(max_examples=300)
def test_an_answer_that_is_exactly_an_option_is_read(labels: list[str]) -> None:
    try:
        own = choice(labels)
    except StudyError:
        assume(False)
    for label in labels:
        answer = own.read({"r1": label}).answers["X"]
        assert isinstance(answer, Value)
        assert answer.value == label
        assert answer.confidence >= CLEAR


@given(list_markers())
def test_a_list_marker_is_never_a_value(text: str) -> None:
    for own in (extraction(rating(1, 7)), choice([str(point) for point in range(1, 8)]), choice(list("abcdefg"))):
        assert values(own, text) == [None]


# Time


READERS = {
    "points": extraction(rating(1, 7, **{"1": "never", "7": "very often"})),
    "letters": choice(list("ABCDE")),
    "words": choice(["agree", "strongly agree", "so-so", "not at all", "सहमत", "同意"]),
    "number": extraction(NUMBER | {"min": "0", "max": "1000", "decimals": "2", "unit": ["years", "%"]}),
    "shares": extraction({"read": "shares", "column": "p_{label}", "labels": {"boy": "boy", "other": "the other one"}}),
    "text": extraction({"read": "text", "column": "X"}),
    "items": extraction(*ITEMS, items="listed"),
}
PIECES = [
    *(
        "\n",
        " ",
        "so ",
        "4 ",
        "4, ",
        "1. ",
        "agree ",
        "the answer is ",
        "i would rate it ",
        "answer: ",
        '"',
        "?",
        "4-5 ",
    ),
    *("4-5 ", "(", "**4** ", "<think>", "</think>", "a", "not ", "if ", "1 000 ", "boy 5% ", "the other one "),
    *("twenty ", "सहमत ", "選", "i'd ", "- 4\n", "| 4 |", "\\boxed{", '{"a": ', "wait, ", "analysis"),
    *(
        "4 out of ",
        "from 1 to ",
        "had she ",
        "with it would be ",
        "5 op ",
        "eight of ",
        "【答案】",
        "den rest ",
        "1'250 ",
    ),
    *("or no, ", "iv ", "4 yes, if ", "but it is "),
    *(
        "minus 5 ",
        "half a million ",
        "(4) ",
        "fell from 20 to 12 ",
        "$4=4$ ",
        "\\boxed{4} ",
        "50-50 ",
        "100 100 ",
        "七成",
    ),
    *("each 5% ", "7 of the 50 ", "plutôt 4 ", "a few dozen ", "two and a half "),
]


@pytest.mark.parametrize("kind", READERS)
def test_twice_the_text_takes_about_twice_the_time(kind: str) -> None:
    """Of degenerate answers: no expression runs away."""
    own = READERS[kind]

    def seconds(piece: str, length: int) -> float:
        began = time.process_time()
        values(own, (piece * length)[:length])
        return time.process_time() - began

    for piece in PIECES:
        short = max(seconds(piece, 2_000), seconds(piece, 2_000), 0.002)
        long = min(seconds(piece, 16_000), seconds(piece, 16_000))
        assert long / short < 40, piece


@pytest.mark.parametrize("frame", ["so {} no", "answer: {}4", "4{}", "1 = never{}\n4", "<think>{}</think>4"])
@pytest.mark.parametrize("blank", ["\n", " ", "\n ", "\t", "\n-"])
def test_blank_stretches_cost_little(frame: str, blank: str) -> None:
    """Degenerate models write thousands of line breaks between two words."""
    text = frame.format(blank * 16_000)
    began = time.process_time()
    for own in (READERS["points"], READERS["number"]):
        values(own, text)
    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    "pattern", ["(?:a+)+$", "(a*)*b", r"(\w+\s?)*x", "(?:a|ab|b)*c", ".*x.*y", "(.+)+", "(?:a?){30}b", "(x+x+)+y"]
)
def test_a_pattern_that_can_take_for_ever_is_refused(pattern: str) -> None:
    phrases = {"read": "choice", "column": "X", "labels": {"yes": "y", "no": "n"}, "phrases": {"no": [pattern]}}
    with pytest.raises(StudyError, match="can take for ever on a long answer"):
        extraction(phrases)


@pytest.mark.parametrize("pattern", ["[[ab]", "x[a--z]", "[a||b]", "[a&&b]", "[a~~b]"])
def test_a_pattern_that_pythons_disagree_about_is_refused(pattern: str) -> None:
    phrases = {"read": "choice", "column": "X", "labels": {"yes": "y", "no": "n"}, "phrases": {"no": [pattern]}}
    with pytest.raises(StudyError, match="means something else in later versions of Python: possible"):
        extraction(phrases)


@pytest.mark.parametrize("pattern", ["not.*know", r"(?: [a-z]+){0,3}? knows?\b", "(?:ab|ac)+d", "(?>a+)+b", r"\w+n't"])
def test_a_pattern_that_ends_is_taken(pattern: str) -> None:
    phrases = {"read": "choice", "column": "X", "labels": {"yes": "y", "no": "n"}, "phrases": {"no": [pattern]}}
    own = extraction(phrases)
    began = time.process_time()
    for piece in ("a", "a ", "not ", "ab", " a"):
        values(own, piece * 20_000)
    assert time.process_time() - began < 30


# A corpus that was written without a look at the rules


FIXTURES = Path(__file__).parents[1] / "fixtures"


def reading_of(group: dict[str, Any]) -> dict[str, Any]:
    """The reading of a group of the corpus."""
    kind = group["kind"]
    reading: dict[str, Any] = {"read": kind, "column": "X"}
    if kind == "choice":
        labels = group["labels"]
        named = labels.items() if isinstance(labels, dict) else ((label, ()) for label in labels)
        reading["labels"] = {str(label): [str(label), *map(str, ways or ())] for label, ways in named}
    if kind == "shares":
        named = ((str(label), [str(label), *map(str, ways)]) for label, ways in group["options"].items())
        reading |= {"column": "X_{label}", "labels": dict(named), "total": str(group["total"])}
    if group.get("words"):
        reading["words"] = {str(point): word for point, word in group["words"].items()}
    return reading | {name: str(group[name]) for name in ("min", "max", "decimals", "unit") if name in group}


def is_right(group: dict[str, Any], expected: Any, found: dict[str, Any]) -> bool | None:
    """Whether values are those of a careful reader; None where there are none, or not all of the amounts.

    Amounts of names must make their total. Those of numbers stay as an answer gives them, for validation to flag.
    """
    if group["kind"] != "shares":
        value = found["X"]
        return None if value is None else expected is not None and str(value) == str(expected)
    is_open = None in found.values()
    are_numbers = all(str(option).isdecimal() for option in group["options"])
    if expected is None and (is_open or (are_numbers and sum(found.values()) != group["total"])):
        return None
    own = {f"X_{label}": amount for label, amount in (expected or {}).items()}
    if any(amount is not None and amount != own.get(column) for column, amount in found.items()):
        return False
    return None if is_open else True


@pytest.mark.parametrize(
    ("name", "precision", "recall"),
    [
        ("reading_kinds", 1.0, 0.96),
        ("reading_kinds_2", 1.0, 0.96),
        ("reading_kinds_3", 1.0, 0.96),
        ("blind_corpus_a", 1.0, 0.97),
        ("blind_corpus_b", 0.995, 0.95),
    ],
)
def test_a_corpus_is_read(name: str, precision: float, recall: float) -> None:
    """How many values at confidence 0.9 and above are right, and how many of all values are found.

    The blind corpora were written by somebody who had not seen the rules, and then guided them.
    """
    corpus = yaml.safe_load((FIXTURES / f"{name}.yaml").read_text(encoding="utf-8"))
    sure = right = found = all_values = 0
    for group in corpus:
        own = extraction(reading_of(group))
        for answer in group["answers"]:
            read = own.read({"r1": str(answer["answer"])}, answer.get("finish") == "length")
            fits = is_right(group, answer["expect"], read.values)
            all_values += answer["expect"] is not None
            found += bool(fits)
            if fits is not None and (read.confidence or 0) >= CLEAR:
                sure += 1
                right += fits
    assert right / sure >= precision
    assert found / all_values >= recall
