"""Reading answers by rules: the corpus of invented answers, researchers' annotated ones, and texts of any kind."""

import csv
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from grace.columns import EXTRACTED
from grace.studies.extraction import Extraction
from grace.studies.reading import DOUBT, EXACT, IMPLIED, Missing, Value
from grace.studies.reading.text import REFUSAL, Headings, Text, plain
from grace.studies.study import load_study
from strategies import answers_in_prose

CORPORA = Path(__file__).parents[1] / "fixtures"
CORPUS = {
    file.stem: yaml.safe_load(file.read_text(encoding="utf-8"))
    for file in sorted(CORPORA.glob("extraction_corpus*.yaml"))
}
CASES = [
    pytest.param(study, case, id=case["name"])
    for corpus in CORPUS.values()
    for study in ("study1", "study2")
    for case in corpus.get(study, ())
    if not case.get("unsure")
]
EXTRACTIONS: dict[str, Extraction] = {}
for name in ("study1", "study2"):
    extraction = load_study(name).extraction
    assert extraction is not None
    EXTRACTIONS[name] = extraction


def texts_of(study: str, case: dict[str, Any]) -> dict[str, str]:
    """The text of each reading."""
    if "text" in case or study == "study2":
        return dict.fromkeys(EXTRACTIONS[study].about, str(case.get("text") or ""))
    return {reading: str(case.get(reading) or "") for reading in EXTRACTIONS[study].about}


def values_of(study: str, text: str, cut: bool | None = None) -> dict[str, Any]:
    """What is read in one text that answers everything."""
    return EXTRACTIONS[study].read(dict.fromkeys(EXTRACTIONS[study].about, text), cut).values


def state(text: str, cut: bool | None = None) -> list[Any]:
    """The four amounts in a text of its own."""
    found = EXTRACTIONS["study1"].read({"prior": "", "state": text, "knowledge": ""}, cut).values
    return [found[f"probability_{label}"] for label in range(4)]


@pytest.mark.parametrize(("study", "case"), CASES)
def test_the_corpus_is_read_as_a_careful_reader_reads_it(study: str, case: dict[str, Any]) -> None:
    found = EXTRACTIONS[study].read(texts_of(study, case), case.get("cut")).values
    found.pop("response_cleaned", None)
    expected = dict.fromkeys(found) | case["expect"]
    assert found == expected


def test_no_value_is_invented_where_even_a_person_is_unsure() -> None:
    """In arguable cases a value may be missing; a wrong one is what must not be."""
    wrong = [
        (case["name"], field, value, expected)
        for corpus in CORPUS.values()
        for case in corpus.get("study1", ())
        if case.get("unsure")
        for field, value in EXTRACTIONS["study1"].read(texts_of("study1", case), case.get("cut")).values.items()
        if value is not None and (expected := case["expect"].get(field)) is not None and value != expected
    ]
    assert len(wrong) <= 4, wrong


# Researchers' annotated answers


def gold(shared: Path, name: str) -> list[dict[str, str]]:
    with open(shared / "data" / name, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


KNOWS = {"Y": "yes", "N": "no"}


def test_bets_of_annotated_answers_are_exact(shared: Path) -> None:
    rows = gold(shared, "gold_dev_study1.csv")
    fields = [f"probability_{label}" for label in range(4)]
    clean = [row for row in rows if not any("?" in row[field] for field in fields)]
    exact = sum([_read(row)[field] for field in fields] == [float(row[field]) for field in fields] for row in clean)
    assert len(clean) >= 30
    assert exact / len(clean) >= 0.99


@pytest.mark.parametrize("field", ["Prior_A", "Knowledge_A"])
def test_priors_and_knowledge_of_annotated_answers(shared: Path, field: str) -> None:
    rows = gold(shared, "gold_dev_study1.csv")
    clean = [row for row in rows if row[field] in {"0", "1", "2", "3", "Y", "N"}]
    right = sum(str(_read(row)[field]) == KNOWS.get(row[field], row[field]) for row in clean)
    assert len(clean) >= 30
    assert right / len(clean) >= 0.98


def test_what_annotated_answers_are_cut_off_before_is_missing(shared: Path) -> None:
    """In each of them the last amount is a guess of the annotator's: the text ends before it."""
    cut = [row for row in gold(shared, "gold_dev_study1.csv") if row["drop_incomplete"]]
    assert len(cut) == 3
    for row in cut:
        assert _read(row)["probability_3"] is None


def test_annotated_utterances_are_exact(shared: Path) -> None:
    for row in gold(shared, "gold_dev_study2.csv"):
        found = values_of("study2", row["response"])
        assert (found["Was_Wasnt"], found["Assessment"]) == (row["Was/Wasn't"], row["Assessment"])


def _read(row: dict[str, str]) -> dict[str, Any]:
    extraction = EXTRACTIONS["study1"]
    sources = extraction.sources(list(row))
    return extraction.read({reading: row[column] for reading, column in sources.items()}).values


# What is said how plainly


@pytest.mark.parametrize(
    ("text", "confidence"),
    [
        ("0: 0%, 1: 0%, 2: 10%, 3: 90%", EXACT),
        ("$100 on 2", IMPLIED),
        ("Everything on 2.", IMPLIED),
        ("I'd split it evenly between 2 and 3.", IMPLIED),
    ],
)
def test_confidence_in_amounts(text: str, confidence: float) -> None:
    assert EXTRACTIONS["study1"].read({"prior": "", "state": text, "knowledge": ""}).confidence == confidence


def test_a_leading_word_that_the_rest_contradicts_is_in_doubt() -> None:
    found = EXTRACTIONS["study1"].read(
        {"prior": "", "state": "", "knowledge": "Yes, she does not know exactly how many."}
    )
    assert found.answers["Knowledge_A"] == Value("yes", DOUBT, "a statement says otherwise")
    assert "Knowledge_A" in found.open
    assert found.cells()[-1] == (
        "Prior_A, probability_0, probability_1, probability_2, probability_3: the answer is empty; "
        "Knowledge_A: in doubt: a statement says otherwise"
    )


def test_a_count_in_a_text_that_does_not_say_what_it_answers_is_in_doubt() -> None:
    text = "I think all 3 of the lamps work. Then I'd put $10 on 2 and $90 on 3. No, she doesn't know exactly how many."
    found = EXTRACTIONS["study1"].read(dict.fromkeys(("prior", "state", "knowledge"), text))
    assert found.answers["Prior_A"] == Value(3, DOUBT, "no heading says that it is meant")
    assert found.values["Knowledge_A"] == "no"


def test_an_intensifier_costs_confidence() -> None:
    found = EXTRACTIONS["study2"].read({"utterance": "It was really good."})
    assert found.answers["Assessment"] == Value("good", IMPLIED)
    assert found.values["response_cleaned"] == "It was good."


@pytest.mark.parametrize(
    ("text", "cleaned", "confidence"),
    [
        ("It wasn't amazing—it was good.", "It wasn't amazing.", EXACT),
        ("It was good–not great; it wasn't amazing.", "It was good.", EXACT),
        ("If it was bad, I would tell you. It was good.", "It was good.", EXACT),
        ("It wouldn't be fair to say it was bad. It was good.", "It was good.", EXACT),
        ("You can say: It was terrible. It was bad. It was amazing. I choose: It was good.", "It was terrible.", DOUBT),
    ],
)
def test_the_first_sentence_counts(text: str, cleaned: str, confidence: float) -> None:
    found = EXTRACTIONS["study2"].read({"utterance": text})
    assert (found.values["response_cleaned"], found.confidence) == (cleaned, confidence)


@pytest.mark.parametrize(
    "text",
    [
        "Initial Answer: 3\n0: 10%, 1: 20%, 2: 30%, 3: 40%\nKnowledge: No",
        "Initial Answer: 3\nMy bets: 0: 10%, 1: 20%, 2: 30%, 3: 40%\nNo",
        '{"initial_answer": 3, "probabilities": [10,20,30,40], "knowledge": "no"}',
        "Initial Answer: 3\n| k | prob |\n|---|---|\n| 0 | 10% |\n| 1 | 20% |\n| 2 | 30% |\n| 3 | 40% |\nKnowledge: no",
        "Prior_A: 3\nProbabilities: 0: 0.1, 1: 0.2, 2: 0.3, 3: 0.4\nKnowledge_A: no",
    ],
)
def test_headings_may_be_missing(text: str) -> None:
    assert list(values_of("study1", text).values()) == [3, 10, 20, 30, 40, "no"]


def test_shares_of_one_may_be_certain() -> None:
    assert state("0: 0.0, 1: 0.0, 2: 0.0, 3: 1.0") == [0, 0, 0, 100]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1 of the 3 may be broken. So my best guess is 2 of the 3.", 2),
        ("3 lamps were bought, so I expect that 2 of them work.", 2),
        ("Two things matter here. I expect all 3 of them to work.", 3),
        ("1. Lamps almost always work. 2. So I expect all 3 of them to work.", 3),
        ("3. All of them work.", 3),
    ],
)
def test_first_words_are_an_answer_only_by_themselves(text: str, number: int) -> None:
    assert EXTRACTIONS["study1"].read({"prior": text, "state": "", "knowledge": ""}).values["Prior_A"] == number


def test_a_percent_sign_may_be_lost() -> None:
    assert state("0: 0%, 1: 10%, 2: 30%, 3: 60") == [0, 10, 30, 60]


def test_thousands_are_no_hundreds() -> None:
    assert state("0: 0%, 1:100,000, 2: 5%") == [0, None, 5, None]
    assert state("[0,100,0,0]") == [0, 100, 0, 0]


def test_turns_that_answer_alike_are_turns_all_the_same() -> None:
    texts = {"prior": "3", "state": "", "knowledge": ""}
    assert EXTRACTIONS["study1"].read(texts, shared=False).answers["Prior_A"] == Value(3, EXACT)


def test_a_list_of_all_counts_is_none() -> None:
    assert values_of("study1", "Initial Answer: 0, 1, 2, or 3\nKnowledge: no")["Prior_A"] is None


def test_a_whole_text_without_an_amount_is_not_called_cut() -> None:
    found = EXTRACTIONS["study1"].read(
        dict.fromkeys(("prior", "state", "knowledge"), "Initial Answer: 3\nKnowledge: no"), cut=False
    )
    assert found.answers["probability_0"] == Missing("is not said")


# What is missing, and why


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("60-70% on 3, 30% on 2, 0% on 1, 0% on 0", "is a range"),
        ("at least 80% on 3, 20% on 2", "is only a bound"),
        ("0: 0%, 1: 0%, 2: 30%, 3: 170%", "170 is outside 0 to 100"),
        ("0: 0%, 1: 0%, 2: 30%, 3:", "is cut off"),
        ("I would rather not bet on option 3.", "is not said"),
    ],
)
def test_why_an_amount_is_missing(text: str, why: str) -> None:
    found = EXTRACTIONS["study1"].read({"prior": "", "state": text, "knowledge": ""})
    assert found.answers["probability_3"] == Missing(why)


def test_a_refusal_is_told_from_an_answer() -> None:
    text = "I'm sorry, but as an AI language model I cannot bet on lamps."
    found = EXTRACTIONS["study1"].read(dict.fromkeys(("prior", "state", "knowledge"), text))
    assert found.refused
    assert set(found.errors.values()) == {"the answer is a refusal"}
    assert not EXTRACTIONS["study2"].read({"utterance": "As an AI, I'd say: It was good."}).refused


def test_an_empty_answer_says_so() -> None:
    assert set(EXTRACTIONS["study2"].read({"utterance": " \n "}).errors.values()) == {"the answer is empty"}


@pytest.mark.parametrize("cut", [True, None])
def test_a_number_that_may_lack_digits_is_not_believed(cut: bool | None) -> None:
    assert state("- 0 lamps: $0\n- 1 lamp: $0\n- 2 lamps: $10\n- 3 lamps: $9", cut) == [0, 0, 10, None]
    assert state("- 0 lamps: $0\n- 1 lamp: $0\n- 2 lamps: $10\n- 3 lamps: $90", cut) == [0, 0, 10, 90]


def test_a_sum_short_of_the_total_is_kept_when_the_text_is_whole() -> None:
    assert state("- 0 lamps: $0\n- 1 lamp: $0\n- 2 lamps: $10\n- 3 lamps: $9", cut=False) == [0, 0, 10, 9]


# Any text at all


@given(answers_in_prose, st.sampled_from([True, False, None]))
@settings(max_examples=300)
def test_any_text_gives_valid_values_or_reasons(text: str, cut: bool | None) -> None:
    for extraction in EXTRACTIONS.values():
        found = extraction.read(dict.fromkeys(extraction.about, text), cut)
        assert list(found.answers) == list(extraction.fields)
        for name, answer in found.answers.items():
            if isinstance(answer, Value):
                assert extraction.fields[name].parse(answer.value) == answer.value
                assert 0 < answer.confidence <= 1
            else:
                assert answer.why


@given(st.lists(st.integers(0, 20), min_size=4, max_size=4).map(lambda parts: [5 * part for part in parts]))
def test_the_asked_for_format_is_always_read(amounts: list[int]) -> None:
    line = ", ".join(f"{label}: {amount}%" for label, amount in enumerate(amounts))
    found = values_of("study1", f"Initial Answer: 2\nProbabilities: {line}\nKnowledge: yes")
    assert list(found.values()) == [2, *amounts, "yes"]


@pytest.mark.parametrize(
    "piece",
    [
        *("$0 on 0, ", "0 1 2 3 ", "all of the ", "not know ", "it was ", "n't ", "the rest ", "(", "- 1: ", "0-1-2-3"),
        *("who ", "1, ", "one, two, ", "&amp;no ", "if she would know ", "0: ", "evenly on "),
    ],
)
def test_long_texts_take_no_more_than_their_length_in_time(piece: str) -> None:
    """Twice the text takes about twice the time: no regular expression runs away."""

    def seconds(length: int) -> float:
        text = (piece * length)[:length]
        began = time.process_time()
        values_of("study1", text)
        values_of("study2", text)
        return time.process_time() - began

    seconds(1000)
    short = max(seconds(5_000), seconds(5_000), 0.002)
    long = min(seconds(40_000), seconds(40_000))  # a busy machine makes one of them slow, a bad expression both
    assert long / short < 40


def test_an_answer_behind_twenty_kilobytes_of_talk_is_found() -> None:
    talk = "The lamps of this make have a long history of working well. " * 400
    assert state(talk + "\n0: 0%, 1: 5%, 2: 15%, 3: 80%") == [0, 5, 15, 80]


# Plain text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("**It** wasn’t `bad`.", "it wasn't bad."),
        ("\\boxed{3}", "3"),
        ("\\frac{1}{4} on 0", "1/4 on 0"),
        ("<b>3</b><br/>Yes", " 3 \nyes"),
        ("\x1b[1m3\x1b[0m\x00", "3 "),
        ("１０％ – “a” &amp; b", '10% - "a" & b'),
        ("## Heading\n> 5 \\% \\$3", "heading\n5 % $3"),
    ],
)
def test_plain(text: str, expected: str) -> None:
    assert plain(text) == expected


@pytest.mark.parametrize("text", ["i can't answer that.", "i'm unable to bet.", "as a language model, no."])
def test_refusals_are_seen(text: str) -> None:
    assert REFUSAL.search(text)


@pytest.mark.parametrize("text", ["i can't know how many.", "the ai lamp is on.", "she is unable to know."])
def test_what_is_no_refusal(text: str) -> None:
    assert not REFUSAL.search(text)


def test_sections_stand_behind_headings_of_every_look() -> None:
    headings = Headings({"prior": ["initial answer"], "knowledge": ["knowledge"]})
    text = plain('**Initial Answer (a number):** 3\n{"initial_answer": 2, "knowledge": "no"}\nKnowledge - yes')
    assert [(name, text[start:end].strip(' "{},\n')) for name, _, start, end in headings.sections(text)] == [
        ("prior", "3"),
        ("prior", "2"),
        ("knowledge", "no"),
        ("knowledge", "yes"),
    ]


def test_every_row_has_all_columns() -> None:
    for extraction in EXTRACTIONS.values():
        cells = extraction.read(dict.fromkeys(extraction.about, "")).cells()
        assert len(cells) == len(extraction.columns) == len(extraction.fields) + len(EXTRACTED)


@pytest.mark.parametrize("more", ["", "So they will arrive. " * 100], ids=["short", "long"])
def test_an_answer_that_was_read_before_is_read_as_anew(more: str) -> None:
    extraction = load_study("study1").extraction
    assert extraction is not None
    answers = [f"{more}Initial Answer: 2\nProbabilities: 0: 0%, 1: 10%, 2: 90%, 3: {share}" for share in ("0%", "0")]
    for cut in (None, True, False, True):
        for answer in answers:
            texts = dict.fromkeys(("prior", "state", "knowledge"), answer)
            assert extraction.read_once(tuple(texts.items()), cut, True) == extraction.read(texts, cut, True)


def test_text_knows_whether_it_may_be_cut() -> None:
    assert Text("it goes on and").may_be_cut
    assert not Text("it ends.").may_be_cut
    assert Text("it ends.", cut=True).may_be_cut
    assert not Text("it goes on and", cut=False).may_be_cut
