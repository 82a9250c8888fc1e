"""`grace score`: each distinct question is asked once, its exact distribution is in the table, faults are survived."""

import math
import os
import re
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from canned import Cut, error
from conftest import ROOT, Command, Result, read_rows
from grace.ledger import scan
from limits import HANG
from outputs import manifest, rows_of
from table_model import Messages, TableModel, TableServer, brute_force, chat_template, printable_model
from things import MODEL, SENTENCES, STUDY, TRIALS, WORDS

pytestmark = pytest.mark.usefixtures("impatient")

COLUMNS = [
    *("model_name", "prob_right_yes", "prob_right_no", "entropy_right", "label_mass_right", "residual_right"),
    *("prob_size_1", "prob_size_5", "prob_size_10", "mean_size", "std_size", "entropy_size"),
    *("label_mass_size", "residual_size"),
    *("prob_say_is_good", "prob_say_is_bad", "prob_say_isnt_good", "prob_say_isnt_bad", "entropy_say"),
    *("prob_say_is", "prob_say_isnt", "prob_say_good", "prob_say_bad", "entropy_say_frame", "entropy_say_word"),
    *("label_mass_say", "residual_say", "error"),
]
DISTINCT = 3 + 2 + 2
"""Pairs of thing and colour, and things for each of two questions."""


def user(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


PROMPTS: dict[str, Callable[[Mapping[str, str]], list[dict[str, str]]]] = {
    "right": lambda row: user(f"Is {row['thing']} {row['colour']}? Answer yes or no."),
    "size": lambda row: [
        {"role": "system", "content": "You are brief."},
        *user(f"How big is {row['thing']}?"),
    ],
    "say": lambda row: user(f"What is {row['thing']} like?"),
}
FORMS: dict[str, dict[str, list[str]]] = {
    "right": {"yes": ["yes", "Yes"], "no": ["no", "No"]},
    "size": {"1": ["1"], "5": ["5"], "10": ["10"]},
    "say": {
        "is_good": ["It is good"],
        "is_bad": ["It is bad"],
        "isnt_good": ["It isn't good"],
        "isnt_bad": ["It isn't bad"],
    },
}


def truth(
    messages: Messages, forms: Mapping[str, Sequence[str]], start: str = "", model: TableModel = MODEL
) -> dict[str, float]:
    """Each label's probability, by walking through all continuations of the prompt and what `start` puts behind it."""
    prompt = model.render(messages) + start
    ids = model.tokenize(prompt)
    spelled = {label: [model.tokenize(prompt + form)[len(ids) :] for form in own] for label, own in forms.items()}
    return brute_force(model, ids, spelled)


def only(name: str) -> str:
    """The study with one question alone."""
    head, _, questions = STUDY.partition("questions:\n")
    parts = re.split(r"^(?=  \w+:$)", questions, flags=re.MULTILINE)
    return head + "questions:\n" + next(part for part in parts if part.startswith(f"  {name}:"))


def shares(masses: Mapping[str, float]) -> list[float]:
    """Masses divided by their sum."""
    total = math.fsum(masses.values())
    return [mass / total for mass in masses.values()]


def numbers(row: Mapping[str, str], *columns: str) -> list[float]:
    return [float(row[column]) for column in columns]


def bits(distribution: Sequence[float]) -> float:
    return -sum(share * math.log2(share) for share in distribution if share)


def records(output: Path) -> list[dict[str, Any]]:
    return [record for _, record in scan(output.with_suffix(".run") / "ledger.jsonl")]


def asked(server: TableServer) -> list[str]:
    """The prompts of the questions that vLLM was sent, but for the one at the start of each session that proves it."""
    prompts: list[str] = []
    proof = False
    for body in server.bodies("/v1/completions"):
        if isinstance(body["prompt"], str):  # the handshake's, and the proof comes next
            proof = True
        elif proof:
            proof = False
        else:
            prompts.append(server.model.text(body["prompt"][0]))
    return prompts


class Faults:
    """Misbehaves when asked questions, and not in the handshake, nor in the proof at the start of a session."""

    def __init__(self, make: Callable[[], web.StreamResponse | None], *numbers: int, about: str = "") -> None:
        """`numbers` are those of the questions (1 is the first), all when there are none; `about` is in the prompt."""
        self.make, self.numbers, self.about = make, numbers, about
        self.number = 0

    def __call__(self, path: str, _: int, body: dict[str, Any]) -> web.StreamResponse | None:
        if path != "/v1/completions":
            return None
        if isinstance(body["prompt"], str):
            self.number = -1
            return None
        self.number += 1
        if self.number < 1 or (self.numbers and self.number not in self.numbers):
            return None
        return self.make() if self.about in MODEL.text(body["prompt"][0]) else None


@cache
def whole_completion(log: float) -> dict[str, Any]:
    """What vLLM might say of up to 64 places, with one log probability for every token that it can be asked for."""
    told = {f"token_id:{token}": log for token in range(len(MODEL.tokens))}
    return {"choices": [{"index": index, "logprobs": {"top_logprobs": [told]}} for index in range(64)]}


def told(log: float) -> Callable[[str, int, dict[str, Any]], web.StreamResponse | None]:
    """Give every token this log probability."""

    def fail(path: str, _: int, body: dict[str, Any]) -> web.StreamResponse | None:
        if path != "/v1/completions" or isinstance(body["prompt"], str):
            return None
        return web.json_response({"choices": whole_completion(log)["choices"][: len(body["prompt"])]})

    return fail


@pytest.fixture
def table() -> Iterator[TableServer]:
    with TableServer(MODEL) as server:
        yield server


@pytest.fixture
def study(tmp_path: Path) -> Path:
    path = tmp_path / "things.yaml"
    path.write_text(STUDY, encoding="utf-8")
    return path


@pytest.fixture
def things(tmp_path: Path) -> Path:
    path = tmp_path / "things.csv"
    path.write_text(TRIALS, encoding="utf-8")
    return path


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "scores.csv"


@pytest.fixture
def score(grace: Command, table: TableServer, study: Path, things: Path, output: Path) -> Command:
    """`grace score` of the study of things, to scores.csv; options given replace these."""

    def run(*options: object, study: object = study) -> Result:
        usual = {"--input": things, "--output": output, "--model-endpoint": table.url, "--model-name": "table"}
        defaults = [part for name, value in usual.items() if name not in options for part in (name, value)]
        return grace("score", study, *defaults, *options)

    return run


def last_message(done: Result, code: int) -> str:
    """The message of a command that was refused, the last of what it says."""
    assert done.code == code, done
    assert done.out == ""
    assert "Traceback" not in done.err
    return done.err[done.err.rindex("\ngrace: ") :].removeprefix("\ngrace: ")


def one_message(done: Result, code: int) -> str:
    """The message of a command that was refused; there is one, and no traceback."""
    assert done.code == code, done
    assert done.out == ""
    assert "Traceback" not in done.err
    messages = [line for line in done.err.splitlines() if line.startswith("grace: ") and " checking " not in line]
    assert len(messages) == 1, done.err
    return done.err[done.err.index(messages[0]) :].removeprefix("grace: ")


# The table


def test_every_row_is_there_in_order_with_its_cells_as_they_were(score: Command, things: Path, output: Path) -> None:
    done = score()
    assert done.code == 0, done
    assert done.out.startswith(f"{output}: 6 rows, 6 scored\n")
    given, made = rows_of(things), rows_of(output)
    assert made[0] == [*given[0], *COLUMNS]
    assert [row[: len(given[0])] for row in made] == given
    for row in read_rows(output):
        assert (row["model_name"], row["error"]) == ("table", "")
        assert all(row[column] for column in COLUMNS[:-1])


def test_study_1_has_the_columns_of_its_design(score: Command, output: Path) -> None:
    given = rows_of(ROOT / "data" / "study1.csv")
    assert score("--input", ROOT / "data" / "study1.csv", "--limit", 12, study="study1").code == 0
    levels = range(0, 101, 10)
    columns = [
        "model_name",
        *(
            column
            for k in range(4)
            for column in (
                *(f"state{k}_prob_{level}" for level in levels),
                f"state{k}_mean",
                f"state{k}_std",
                f"state{k}_entropy",
                f"label_mass_state{k}",
                f"residual_state{k}",
            )
        ),
        *("prob_knowledge_yes", "prob_knowledge_no", "entropy_knowledge", "label_mass_knowledge", "residual_knowledge"),
        *(f"prob_state_{k}" for k in range(4)),
        *("entropy_state", "label_mass_state", "residual_state", "error"),
    ]
    made = rows_of(output)
    assert made[0] == [*given[0], *columns]
    assert [row[: len(given[0])] for row in made] == given[:13]
    for row in read_rows(output):
        told = "\n".join(part.strip() for part in row["story_setup"].split("<br>")) + f"\n\n{row['speach']}\n\n"
        question = user(told + row["knowledgeQ"] + ' Answer with "yes" or "no" and nothing else.')
        found = truth(question, {"yes": ["yes", "Yes", " yes", " Yes"], "no": ["no", "No", " no", " No"]})
        assert numbers(row, "prob_knowledge_yes", "prob_knowledge_no") == pytest.approx(shares(found), abs=1e-9)
        assert float(row["label_mass_knowledge"]) == pytest.approx(math.fsum(found.values()), rel=1e-9)
        for k in range(4):
            question = user(
                f"{told}{row['speachQ']}\n\nHow likely is it that the right number is exactly {k}? Answer with one of "
                "these percentages and nothing else:\n0%, 10%, 20%, 30%, 40%, 50%, 60%, 70%, 80%, 90%, 100%"
            )
            expected = shares(truth(question, {str(level): [f"{level}%"] for level in levels}))
            assert numbers(row, *(f"state{k}_prob_{level}" for level in levels)) == pytest.approx(expected, abs=1e-9)
            mean = sum(share * level for share, level in zip(expected, levels, strict=True))
            variance = sum(share * (level - mean) ** 2 for share, level in zip(expected, levels, strict=True))
            assert float(row[f"state{k}_mean"]) == pytest.approx(mean)
            assert float(row[f"state{k}_std"]) == pytest.approx(math.sqrt(variance))
            assert float(row[f"state{k}_entropy"]) == pytest.approx(bits(expected))


def test_study_2_has_the_columns_of_its_design(score: Command, output: Path) -> None:
    given = rows_of(ROOT / "data" / "study2.csv")
    assert score("--input", ROOT / "data" / "study2.csv", "--limit", 5, study="study2").code == 0
    frames, words = ("was", "wasnt"), ("terrible", "bad", "good", "amazing")
    joint = [f"prob_{frame}_{word}" for frame in frames for word in words]
    margins = {"frame": [f"prob_{frame}" for frame in frames], "assessment": [f"prob_{word}" for word in words]}
    made = rows_of(output)
    assert made[0] == [
        *given[0],
        *("model_name", *joint, "entropy_joint", *margins["frame"], *margins["assessment"]),
        *("entropy_frame", "entropy_assessment", "label_mass_utterance", "residual_utterance", "error"),
    ]
    assert [row[: len(given[0])] for row in made] == given[:6]
    for row in read_rows(output):
        speaker = row["SP_Name"]
        messages = user(
            f"{row['Precontext']} {row['Scenario']}\n\nOn a scale from 0 to 3 hearts, {speaker}'s true opinion of it "
            f"is {row['State']} out of 3 hearts.\n\n{row['Goal']}, what would {speaker} be most likely to say?\n\n"
            f"Answer as {speaker}, with one sentence of the form\n"
            '"It [was/wasn\'t] [terrible/bad/good/amazing]."'
        )
        forms = {
            f"{frame}_{word}": [
                f"{quote}{it} {said} {word}{stop}"
                for quote, it, stop in product(("", '"'), ("It", "it"), ("", "."))
                if not (quote and stop)
                for said in (["was"] if frame == "was" else ["wasn't", "wasn’t"])
            ]
            for frame, word in product(frames, words)
        }
        found = truth(messages, forms)
        expected = shares(found)
        assert numbers(row, *joint) == pytest.approx(expected, abs=1e-9)
        assert float(row["entropy_joint"]) == pytest.approx(bits(expected))
        assert float(row["label_mass_utterance"]) == pytest.approx(math.fsum(found.values()), rel=1e-9)
        by_frame = [sum(expected[:4]), sum(expected[4:])]
        by_word = [expected[place] + expected[place + 4] for place in range(4)]
        assert numbers(row, *margins["frame"]) == pytest.approx(by_frame, abs=1e-9)
        assert numbers(row, *margins["assessment"]) == pytest.approx(by_word, abs=1e-9)
        assert numbers(row, "entropy_frame", "entropy_assessment") == pytest.approx([bits(by_frame), bits(by_word)])


@pytest.mark.parametrize("dialect", ["vllm", "llamacpp"])
def test_a_study_of_ones_own_gets_the_true_distributions(
    dialect: Any, score: Command, table: TableServer, output: Path
) -> None:
    table.dialect = dialect
    assert score("--residual", 0).code == 0
    for row in read_rows(output):
        for name, forms in FORMS.items():
            found = truth(PROMPTS[name](row), forms)
            expected = shares(found)
            columns = [f"prob_{name}_{label}" for label in forms]
            assert numbers(row, *columns) == pytest.approx(expected, abs=1e-9)
            assert float(row[f"entropy_{name}"]) == pytest.approx(bits(expected))
            assert float(row[f"label_mass_{name}"]) == pytest.approx(math.fsum(found.values()), rel=1e-9)
            assert float(row[f"residual_{name}"]) == 0
        sizes = numbers(row, "prob_size_1", "prob_size_5", "prob_size_10")
        mean = sizes[0] + 5 * sizes[1] + 10 * sizes[2]
        spread = math.sqrt(sum(p * (x - mean) ** 2 for p, x in zip(sizes, (1, 5, 10), strict=True)))
        assert numbers(row, "mean_size", "std_size") == pytest.approx([mean, spread])


@pytest.mark.parametrize("dialect", ["vllm", "llamacpp"])
@pytest.mark.parametrize("name", ["study1", "study2", "things"])
def test_every_distribution_in_a_table_sums_to_one(
    name: str, dialect: Any, score: Command, table: TableServer, output: Path, study: Path, things: Path
) -> None:
    table.dialect = dialect
    input = things if name == "things" else ROOT / "data" / f"test_sample_{name}.csv"
    assert score("--input", input, "--residual", 0, study=study if name == "things" else name).code == 0
    groups = {
        "study1": [r"state0_prob_\d+", r"state3_prob_\d+", r"prob_knowledge_\w+", r"prob_state_\d"],
        "study2": [r"prob_[a-z]+_[a-z]+", r"prob_was(nt)?", r"prob_(terrible|bad|good|amazing)"],
        "things": [r"prob_right_\w+", r"prob_size_\d+", r"prob_say_\w+_\w+", r"prob_say_(is|isnt)"],
    }
    for row in read_rows(output):
        for group in groups[name]:
            columns = [column for column in row if re.fullmatch(group, column)]
            assert len(columns) >= 2
            assert math.fsum(numbers(row, *columns)) == pytest.approx(1, abs=1e-9)
            assert all(0 <= share <= 1 for share in numbers(row, *columns))


@pytest.mark.parametrize("dialect", ["vllm", "llamacpp"])
@pytest.mark.parametrize("residual", [0.002, 0.02])
def test_a_bound_leaves_out_less_than_it_says(
    residual: float, dialect: Any, score: Command, table: TableServer, study: Path, output: Path
) -> None:
    """For every label p * label mass <= truth <= p * label mass + residual, and the residual is within the bound."""
    study.write_text(STUDY.replace("yes: yes, no: no", "yes: yes, no: no, twice: yes yes, very: yes yes yes"))
    forms = {
        **FORMS,
        "right": {**FORMS["right"], "twice": ["yes yes", "Yes yes"], "very": ["yes yes yes", "Yes yes yes"]},
    }
    table.dialect = dialect
    score("--residual", residual)
    skipped = 0
    for row in read_rows(output):
        for name in forms:
            found = truth(PROMPTS[name](row), forms[name])
            mass, left = float(row[f"label_mass_{name}"]), float(row[f"residual_{name}"])
            assert left <= residual
            skipped += left > 0
            assert mass - 1e-12 <= math.fsum(found.values()) <= mass + left + 1e-12
            for label, true in found.items() if mass else ():
                low = mass * float(row[f"prob_{name}_{label}"])
                assert low - 1e-12 <= true <= low + left + 1e-12
    assert skipped


def test_more_labels_than_one_request_can_name(score: Command, table: TableServer, study: Path, output: Path) -> None:
    """vLLM takes 128 ids at most in each."""
    letters = {f"letter_{number}": chr(192 + number) for number in range(150)}
    labels = ", ".join(f"{label}: {letter}" for label, letter in letters.items())
    study.write_text(only("right").replace("yes: yes, no: no", labels).replace("variants: [case]", ""))
    table.model = model = printable_model("’", *letters.values(), seed=1, spread=2.0)
    assert score().code == 0
    assert [record["requests"] for record in records(output)] == [3] * 3
    for row in read_rows(output):
        found = truth(PROMPTS["right"](row), {label: [letter] for label, letter in letters.items()}, model=model)
        assert numbers(row, *(f"prob_right_{label}" for label in letters)) == pytest.approx(shares(found))
        assert float(row["label_mass_right"]) == pytest.approx(math.fsum(found.values()))


def test_the_canonical_policy_counts_one_form_of_each_label(score: Command, output: Path) -> None:
    assert score("--policy", "canonical").code == 0
    for row in read_rows(output):
        expected = shares(truth(PROMPTS["right"](row), {"yes": ["yes"], "no": ["no"]}))
        assert numbers(row, "prob_right_yes", "prob_right_no") == pytest.approx(expected, abs=1e-9)


def test_a_table_can_be_in_windows_encoding_and_have_row_names_as_r_writes_them(
    score: Command, things: Path, output: Path
) -> None:
    lines = TRIALS.replace("\t 日", "").replace("two\nlines", "two, lines").splitlines()
    named = [f"{number},{line}\r\n" if number else f'"",{line}\r\n' for number, line in enumerate(lines)]
    things.write_bytes("".join(named).encode("cp1252"))
    assert score().code == 2
    done = score("--encoding", "cp1252")
    assert done.code == 0
    assert "is read as cp1252" in done.err
    assert [row["a note"] for row in read_rows(output)][4] == "café"
    assert [row[""] for row in read_rows(output)] == list("123456")


# Each distinct question once


def test_equal_prompts_are_scored_once_and_their_record_names_all_rows(
    score: Command, table: TableServer, things: Path, output: Path
) -> None:
    done = score("--residual", 0)
    assert f"18 questions in 6 rows, {DISTINCT} distinct" in done.err
    sent, kept = asked(table), records(output)
    assert len(sent) == len(set(sent)) == len(kept) == DISTINCT
    assert len({record["key"] for record in kept}) == DISTINCT
    rows = read_rows(things)
    for record in kept:
        alike = PROMPTS[record["question"]](rows[record["rows"][0] - 1])
        assert MODEL.render(alike) in sent
        others = [row + 1 for row in range(6) if PROMPTS[record["question"]](rows[row]) == alike]
        assert record["rows"] == others
        assert (record["status"], record["error"]) == ("scored", None)
        assert (record["requests"], record["attempts"]) == (2, 2)  # its prompt rendered, its answers read
        assert record["tokens"]["prompt"] == len(MODEL.tokenize(MODEL.render(alike)))
    for name in FORMS:  # no row is left out
        assert sorted(row for record in kept if record["question"] == name for row in record["rows"]) == [*range(1, 7)]


def test_study_1_asks_216_questions_about_300_rows(score: Command, table: TableServer, output: Path) -> None:
    done = score("--input", ROOT / "data" / "study1.csv", "--residual", 0, study="study1")
    assert done.code == 0
    sent = asked(table)
    assert len(sent) == len(set(sent)) == len(records(output)) == 36 * 6
    rows = read_rows(output)
    assert len(rows) == 300
    kept = Counter(record["question"] for record in records(output) for _ in record["rows"])
    assert set(kept.values()) == {300}
    made: dict[tuple[str, ...], set[tuple[str, ...]]] = {}
    for row in rows:
        cells = list(row.values())
        made.setdefault(tuple(cells[1:9]), set()).add(tuple(cells[9:]))
    assert {len(scores) for scores in made.values()} == {1}  # equal trials have equal scores
    assert len(made) == 36


def test_a_second_start_asks_nothing(score: Command, table: TableServer, output: Path) -> None:
    first = score()
    before = output.read_bytes(), (output.with_suffix(".run") / "ledger.jsonl").read_bytes()
    table.requests.clear()
    second = score()
    assert (second.code, second.out) == (0, first.out)
    assert asked(table) == []
    assert "resuming: 7 of 7 requests are already finished" in second.err
    assert (output.read_bytes(), (output.with_suffix(".run") / "ledger.jsonl").read_bytes()) == before
    assert len(manifest(output)["sessions"]) == 2


def test_a_limit_that_grows_asks_nothing_twice(
    score: Command, table: TableServer, things: Path, output: Path, tmp_path: Path
) -> None:
    assert score("--limit", 3).code == 0
    assert len(read_rows(output)) == 3
    assert len(asked(table)) == 2 + 2 + 2
    assert score().code == 0
    sent = asked(table)
    assert len(sent) == len(set(sent)) == len(records(output)) == DISTINCT
    assert score("--output", tmp_path / "at_once.csv").code == 0
    assert output.read_bytes() == (tmp_path / "at_once.csv").read_bytes()
    assert score("--limit", 2).code == 0  # and a smaller one hides nothing
    assert output.read_bytes() == (tmp_path / "at_once.csv").read_bytes()


def test_two_questions_that_ask_the_same_are_one_and_both_are_told(
    score: Command, table: TableServer, study: Path, output: Path
) -> None:
    again = STUDY[STUDY.index("  right:") : STUDY.index("  size:")].replace("  right:", "  again:", 1)
    study.write_text(STUDY + again)
    done = score("--residual", 0)
    assert done.code == 0
    assert len(asked(table)) == DISTINCT
    for row in read_rows(output):
        assert row["prob_again_yes"] == row["prob_right_yes"]
    for record in records(output):
        assert record["rows"] == sorted(set(record["rows"]))
    assert re.search(r"^right +3 ", done.out, re.MULTILINE)
    assert re.search(r"^again +3 ", done.out, re.MULTILINE)


def test_two_questions_that_differ_in_their_answers_alone_are_two(
    score: Command, table: TableServer, study: Path, output: Path
) -> None:
    again = STUDY[STUDY.index("  right:") : STUDY.index("  size:")].replace("  right:", "  again:", 1)
    study.write_text(STUDY + again.replace("no: no", "no: [no, never]"))
    assert score("--residual", 0).code == 0
    assert len(records(output)) == DISTINCT + 3
    for row in read_rows(output):
        expected = shares(truth(PROMPTS["right"](row), {"yes": ["yes", "Yes"], "no": ["no", "No", "never", "Never"]}))
        assert numbers(row, "prob_again_yes", "prob_again_no") == pytest.approx(expected, abs=1e-9)
        assert row["prob_again_yes"] != row["prob_right_yes"]


def test_a_row_that_cannot_be_asked_about_is_named_before_anything_is_asked(
    score: Command, table: TableServer, study: Path, things: Path
) -> None:
    study.write_text(STUDY.replace("Is {{ thing }}", "Is {{ 6 // (who | int - 4) }} {{ thing }}"))
    message = one_message(score(), 2)
    assert message.startswith(f"{things}, row 4: ")
    assert asked(table) == []


# The run's identity


@pytest.mark.parametrize(
    ("options", "change", "named"),
    [
        (("--policy", "canonical"), None, "scoring.policy: 'variants' in this run, 'canonical' now"),
        (("--residual", 0.5), None, "scoring.residual: 0.0 in this run, 0.5 now"),
        (("--answer-start", "So: "), None, "scoring.answer_start: '' in this run, 'So: ' now"),
        (("--model-revision", "q4"), None, "model.revision: None in this run, 'q4' now"),
        ((), ("no: no}", "no: [no, nope]}"), "questions.right: "),
        ((), ("no: no}", "no: no, other: maybe}"), "questions.right: "),
        ((), ("like?", "like, then?"), "questions.say: "),
        ((), ("You are brief.", "You are not."), "questions.size: "),
        ((), ("name: things", "name: others"), "study: 'things' in this run, 'others' now"),
    ],
    ids=["policy", "residual", "start", "revision", "forms", "answers", "prompt", "system", "study"],
)
def test_a_run_of_other_settings_is_refused_and_the_difference_is_named(
    options: tuple[object, ...],
    change: tuple[str, str] | None,
    named: str,
    score: Command,
    table: TableServer,
    study: Path,
    output: Path,
) -> None:
    assert score("--limit", 2).code == 0
    before = [path.read_bytes() for path in sorted(output.with_suffix(".run").iterdir())]
    table.requests.clear()
    if change:
        study.write_text(STUDY.replace(*change))
    message = last_message(score("--limit", 2, *options), 2)
    assert f"{output.with_suffix('.run')}: was made with different settings" in message
    lines = [line for line in message.splitlines() if line.startswith("  ")]
    assert [line.startswith(f"  {named}") for line in lines] == [True], message
    assert "Choose another --output" in message
    assert asked(table) == []
    assert [path.read_bytes() for path in sorted(output.with_suffix(".run").iterdir())] == before


def test_another_model_or_input_is_refused(score: Command, table: TableServer, things: Path, output: Path) -> None:
    assert score("--limit", 2).code == 0
    table.name = "chair"
    message = one_message(score("--limit", 2, "--model-name", "chair"), 2)
    assert "model.name: 'table' in this run, 'chair' now" in message
    table.name = "table"
    things.write_text(TRIALS.replace("the sky", "the sea"), encoding="utf-8")
    assert "input.sha256: " in one_message(score("--limit", 2), 2)


def test_a_query_does_not_go_on_with_a_run_of_scores(
    score: Command, grace: Command, table: TableServer, output: Path
) -> None:
    trials = ("--input", ROOT / "data" / "test_sample_study1.csv", "--limit", 2)
    assert score(*trials, study="study1").code == 0
    endpoint = ("--model-endpoint", table.url, "--model-name", "table")
    done = grace("query", "study1", *trials, "--output", output, *endpoint)
    assert "experiment: 'score' in this run, 'generate' now" in one_message(done, 2)


def test_columns_can_be_renamed_in_the_study_file_and_nothing_is_asked_again(
    score: Command, grace: Command, table: TableServer, study: Path, output: Path
) -> None:
    assert score().code == 0
    before = rows_of(output)
    table.requests.clear()
    labels = "      variants: [case]\n"
    columns = '    columns: {probability: "p_{label}", entropy: h, label_mass: "mass_{question}", residual: rest}\n'
    study.write_text(STUDY.replace(labels, labels + columns))
    done = score()
    assert done.code == 0, done.err
    assert asked(table) == []
    renamed = {
        "prob_right_yes": "p_yes",
        "prob_right_no": "p_no",
        "entropy_right": "h",
        "label_mass_right": "mass_right",
        "residual_right": "rest",
    }
    made = rows_of(output)
    assert made[0] == [renamed.get(column, column) for column in before[0]]
    assert made[1:] == before[1:]
    whole = output.read_bytes()
    assert grace("export", output.with_suffix(".run")).code == 0
    assert output.read_bytes() == whole


def test_a_mean_can_be_added_in_the_study_file_and_nothing_is_asked_again(
    score: Command, table: TableServer, study: Path, output: Path
) -> None:
    study.write_text(STUDY.replace("      numeric: true\n", ""))
    assert score().code == 0
    assert "mean_size" not in read_rows(output)[0]
    table.requests.clear()
    study.write_text(STUDY)
    assert score().code == 0
    assert asked(table) == []
    assert all(1 <= float(row["mean_size"]) <= 10 for row in read_rows(output))


def test_a_new_name_of_a_column_may_not_be_one_of_the_tables_own(score: Command, study: Path, output: Path) -> None:
    assert score().code == 0
    before = output.read_bytes()
    labels = "      variants: [case]\n"
    study.write_text(STUDY.replace(labels, labels + "    columns: {entropy: a note}\n"))
    message = one_message(score(), 2)
    assert "already has the column 'a note'" in message
    assert output.read_bytes() == before


# Export


@pytest.mark.parametrize("name", ["study1", "study2", "things"])
def test_an_export_is_the_same_table_and_needs_no_server(
    name: str, score: Command, grace: Command, table: TableServer, study: Path, things: Path, output: Path
) -> None:
    input = things if name == "things" else ROOT / "data" / f"test_sample_{name}.csv"
    done = score("--input", input, "--limit", 4, study=study if name == "things" else name)
    table.requests.clear()
    whole = output.read_bytes()
    copy = output.with_name("copy.csv")
    told = grace("export", output.with_suffix(".run"), "--output", copy)
    assert (told.code, told.out) == (0, done.out.replace(str(output), str(copy)))
    assert copy.read_bytes() == whole
    output.unlink()
    assert grace("export", output.with_suffix(".run")).code == 0
    assert output.read_bytes() == whole
    assert table.requests == []


def test_an_export_of_a_run_with_failed_questions_has_empty_cells_and_the_reason(
    score: Command, grace: Command, table: TableServer, output: Path
) -> None:
    table.fail = Faults(lambda: error(400, "too long"), about="How big is a plum?")
    done = score()
    assert done.code == 1
    assert f"{output}: 6 rows, 4 scored\n" in done.out
    assert "  2 rows: size: too long\n" in done.out
    assert "grace: 1 request failed with http 400: too long" in done.err
    (failed,) = [record for record in records(output) if record["status"] == "failed"]
    assert failed["rows"] == [3, 5]
    assert failed["error"] == {"kind": "http 400", "status": 400, "message": "too long"}
    assert "response" not in failed
    size = [column for column in COLUMNS if "size" in column]
    for row in read_rows(output):
        bad = row["thing"] == "a plum"
        assert row["error"] == ("size: too long" if bad else "")
        assert [row[column] != "" for column in size] == [not bad] * len(size)
        assert all(row[column] for column in COLUMNS[:-1] if column not in size)
    copy = output.with_name("copy.csv")
    assert grace("export", output.with_suffix(".run"), "--output", copy).code == 1
    assert copy.read_bytes() == output.read_bytes()

    table.fail = None
    table.requests.clear()
    assert score().code == 0
    assert [prompt.count("How big is a plum?") for prompt in asked(table)] == [1]
    assert [row["error"] for row in read_rows(output)] == [""] * 6


def test_an_export_does_not_promise_that_it_asks_again(
    score: Command, grace: Command, table: TableServer, output: Path
) -> None:
    table.fail = Faults(lambda: error(400, "too long"), about="plum")
    assert "to retry what failed" in score().out
    done = grace("export", output.with_suffix(".run"), "--output", output.with_name("copy.csv"))
    assert done.code == 1
    assert "The same command asks again" not in done.out


@pytest.mark.parametrize("copy", [STUDY.replace("like?", "like, then?"), None], ids=["changed", "gone"])
def test_an_export_with_another_study_than_the_runs_is_refused(
    copy: str | None, score: Command, grace: Command, output: Path
) -> None:
    """As with the copy of the input: prompts made by another study were never asked, and would seem so."""
    assert score().code == 0
    before = output.read_bytes()
    kept = output.with_suffix(".run") / "study.yaml"
    kept.unlink() if copy is None else kept.write_text(copy)
    message = one_message(grace("export", output.with_suffix(".run")), 2)
    assert message.startswith(f"{kept}: ")
    assert "restore it" in message
    assert output.read_bytes() == before


def test_answers_that_were_not_looked_for_are_not_said_to_have_no_probability(
    score: Command, table: TableServer, study: Path, output: Path
) -> None:
    """The bound allowed it to stop before any answer was found: that is the reason, and a smaller one mends it."""
    study.write_text(only("say"))
    table.dialect = "llamacpp"
    table.model = leaning("It", 0.01)
    done = score("--residual", 0.02)
    assert done.code == 1
    for row in read_rows(output):
        assert (row["prob_say_is_good"], row["entropy_say"], float(row["label_mass_say"])) == ("", "", 0)
        assert 0.009 < float(row["residual_say"]) <= 0.02
        assert "--residual" in row["error"]
        assert "none of the answers has any probability" not in row["error"]


def test_an_answer_space_of_no_probability_at_all_has_no_distribution(
    score: Command, table: TableServer, output: Path
) -> None:
    """What no server would ask again must not be promised: the question is finished."""
    table.dialect = "llamacpp"
    size = len(MODEL.tokens)
    sure = [float(token == MODEL.tokenize("!")[0]) for token in range(size)]
    table.model = TableModel(MODEL.tokens, MODEL.special, overrides={(): sure})
    done = score()
    assert done.code == 1
    assert len(records(output)) == DISTINCT
    for row in read_rows(output):
        assert row["error"] == "; ".join(f"{name}: none of the answers has any probability" for name in FORMS)
        assert (row["prob_right_yes"], row["mean_size"], row["entropy_say"]) == ("", "", "")
        assert float(row["label_mass_right"]) == 0
    again = score()
    assert again.code == 1
    assert len(records(output)) == DISTINCT
    assert "The same command asks again" not in again.out


# Faults


def test_500s_that_pass_are_no_failures(score: Command, table: TableServer, output: Path, tmp_path: Path) -> None:
    table.fail = Faults(lambda: error(500, "busy"), 1, 2, 3, 5)
    done = score()
    assert done.code == 0
    assert "trying again after http 500: busy" in done.err
    assert sum(record["attempts"] for record in records(output)) == 2 * DISTINCT + 4
    assert {record["status"] for record in records(output)} == {"scored"}
    table.fail = None
    assert score("--output", tmp_path / "smooth.csv").code == 0
    assert output.read_bytes() == (tmp_path / "smooth.csv").read_bytes()


@pytest.mark.parametrize(
    ("kind", "make", "tries"),
    [
        ("http 500", lambda: error(500, "out of memory"), 3),
        ("connection", Cut, 3),
        ("garbage", lambda: web.Response(text="<html>out of memory</html>"), 3),
        ("garbage", lambda: web.json_response({"choices": []}), 1),
        ("garbage", lambda: web.json_response({"choices": [{"index": 0, "logprobs": None}] * 2}), 1),
        ("garbage", lambda: web.json_response(whole_completion(-9999.0)), 1),
        ("garbage", lambda: web.json_response({"choices": whole_completion(0.1)["choices"][:2]}), 1),
        ("http 400", lambda: error(400, "no"), 1),
    ],
    ids=["500", "cut", "html", "nothing", "no logprobs", "too many choices", "above 0", "400"],
)
def test_a_question_that_keeps_failing_is_recorded_and_asked_again_by_the_next_start(
    kind: str,
    make: Callable[[], web.StreamResponse],
    tries: int,
    score: Command,
    table: TableServer,
    output: Path,
    tmp_path: Path,
) -> None:
    assert score("--output", tmp_path / "smooth.csv").code == 0
    table.requests.clear()
    table.fail = Faults(make, about="Is a plum red?")
    done = score("--max-retries", 2)
    assert done.code == 1
    assert f"1 request failed with {kind}" in done.err
    assert sum("Is a plum red?" in prompt for prompt in asked(table)) == tries
    (failed,) = [record for record in records(output) if record["status"] == "failed"]
    assert (failed["question"], failed["rows"], failed["attempts"]) == ("right", [3, 5], tries)
    assert failed["error"]["kind"] == kind
    for number, row in enumerate(read_rows(output), 1):
        assert (row["error"] != "") == (row["prob_right_yes"] == "") == (number in (3, 5))
        assert row["prob_size_1"] != ""

    table.fail = None
    table.requests.clear()
    assert score().code == 0
    (again,) = asked(table)
    assert "Is a plum red?" in again
    assert output.read_bytes() == (tmp_path / "smooth.csv").read_bytes()


def test_when_every_question_fails_alike_the_run_ends_early(score: Command, table: TableServer, output: Path) -> None:
    table.fail = Faults(lambda: error(500, "out of memory"))
    options = ("--input", ROOT / "data" / "test_sample_study1.csv", "--max-retries", 0, "--concurrency", 2)
    done = score(*options, study="study1")
    assert done.code == 3
    assert f"{table.url}: 20 requests in a row failed with http 500: out of memory. 0 of " in done.err
    assert len(asked(table)) <= 22
    assert not output.exists()
    table.fail = None
    assert score(*options, study="study1").code == 0


def test_a_rate_limit_is_waited_for(score: Command, table: TableServer, output: Path) -> None:
    came: list[float] = []

    def limited() -> web.StreamResponse | None:
        came.append(time.monotonic())
        return error(429, "slow down", Retry_After="1") if len(came) == 1 else None

    table.fail = Faults(limited)
    done = score("--max-retries", 0, "--concurrency", 1)
    assert done.code == 0
    assert "trying again after http 429: slow down" in done.err
    assert came[1] - came[0] > 0.9
    assert sorted(record["attempts"] for record in records(output)) == [2] * (DISTINCT - 1) + [3]


@pytest.mark.parametrize("status", [401, 403, 404])
def test_what_every_question_will_share_ends_the_run_at_once(
    status: int, score: Command, table: TableServer, output: Path
) -> None:
    table.fail = Faults(lambda: error(status, "no such thing"))
    done = score("--concurrency", 1)
    assert done.code == 3
    assert f"a request failed with http {status}: no such thing" in done.err
    assert len(asked(table)) == 1
    assert not output.exists()
    table.fail = None
    assert score().code == 0


# Servers that cannot be used


def nothing_was_asked(table: TableServer, output: Path) -> bool:
    """No question was sent, and no run with answers is left."""
    run = output.with_suffix(".run")
    return asked(table) == [] and not output.exists() and (not run.exists() or not any(run.iterdir()))


def test_a_server_that_ignores_the_ids_is_found_out_before_anything_is_asked(
    score: Command, table: TableServer, output: Path
) -> None:
    table.knows_ids = False
    message = one_message(score(), 3)
    assert message.startswith(f"{table.url}: scoring: the reply cannot be used: ")
    assert "asked for by its id" in message
    assert nothing_was_asked(table, output)
    table.knows_ids = True
    assert score().code == 0


@pytest.mark.parametrize("log", [0.1, 5000.0, -9999.0])
def test_numbers_that_are_no_log_probabilities_are_found_out(
    log: float, score: Command, table: TableServer, output: Path
) -> None:
    """Logits instead of log probabilities, and the number that stands for none."""
    table.fail = told(log)
    assert "scoring: the reply cannot be used: " in one_message(score(), 3)
    assert nothing_was_asked(table, output)


def test_probabilities_that_are_more_than_one_together_are_found_out(
    score: Command, table: TableServer, output: Path
) -> None:
    table.fail = told(math.log(0.4))
    assert "have the probability 1.6" in one_message(score(), 3)
    assert nothing_was_asked(table, output)


def test_a_key_that_is_missing(score: Command, table: TableServer, output: Path) -> None:
    table.fail = lambda path, number, body: error(401, "no key")
    message = one_message(score(), 3)
    assert "status 401: no key; give the key's environment variable with --api-key-env NAME" in message
    assert nothing_was_asked(table, output)


def test_the_name_is_wrong(score: Command, table: TableServer, output: Path) -> None:
    message = one_message(score("--model-name", "tabel"), 3)
    assert "'tabel' is not served here, only table (did you mean 'table'?)" in message
    assert nothing_was_asked(table, output)


def test_the_server_is_down(score: Command, table: TableServer, output: Path, unused_port: int) -> None:
    message = one_message(score("--model-endpoint", f"http://127.0.0.1:{unused_port}"), 3)
    assert "health: no answer (cannot connect: Connection refused)" in message
    assert nothing_was_asked(table, output)


def test_a_prompt_that_is_too_long_is_found_before_anything_is_asked(
    score: Command, table: TableServer, output: Path
) -> None:
    table.context = 50
    message = one_message(score(), 3)
    assert "longest prompt: " in message
    assert "serve the model with a longer context" in message
    assert nothing_was_asked(table, output)


# Interrupts


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_an_interrupt_keeps_what_is_answered_and_the_same_command_goes_on(
    number: signal.Signals, score: Command, grace: Command, table: TableServer, output: Path, tmp_path: Path
) -> None:
    assert score("--output", tmp_path / "smooth.csv").code == 0
    table.requests.clear()
    table.fail = Faults(lambda: os.kill(os.getpid(), number), 3)
    done = score("--concurrency", 1)
    assert done.code == 130
    assert done.out == ""
    run = output.with_suffix(".run")
    assert f"interrupted; all finished answers are safe in {run}. The same command continues where this one" in done.err
    assert not output.exists()
    assert not (run / "lock").exists()
    kept = records(output)
    assert len(kept) == len(asked(table)) == 3  # the third was under way, and nothing more was asked
    assert {record["status"] for record in kept} == {"scored"}

    table.fail = None
    told = grace("export", run, "--output", tmp_path / "so_far.csv")
    assert told.code == 1
    assert "not asked yet" in told.out
    for row in read_rows(tmp_path / "so_far.csv"):
        assert row["error"] == ("" if row["colour"] == "blue" else "not asked yet")
        assert (row["prob_right_yes"] == "") == (row["colour"] != "blue")

    assert score().code == 0
    sent = asked(table)
    assert len(sent) == len(set(sent)) == DISTINCT
    assert output.read_bytes() == (tmp_path / "smooth.csv").read_bytes()


def test_an_interrupt_lets_all_questions_under_way_finish(score: Command, table: TableServer, output: Path) -> None:
    table.latency = 0.02
    table.fail = Faults(lambda: os.kill(os.getpid(), signal.SIGINT), 2)
    assert score("--concurrency", 3).code == 130
    assert 3 <= len(records(output)) == len(asked(table)) < DISTINCT
    assert {record["status"] for record in records(output)} == {"scored"}


def test_a_second_interrupt_drops_what_is_under_way(score: Command, table: TableServer, output: Path) -> None:
    sent: list[int] = []

    def interrupt() -> None:
        sent.append(len(sent))
        os.kill(os.getpid(), signal.SIGINT)

    interrupts = [threading.Timer(seconds, interrupt) for seconds in (0.3, 0.6)]

    def fall_silent() -> None:
        table.latency = HANG  # from the next request on
        for timer in interrupts:
            timer.start()

    table.fail = Faults(fall_silent, 1)
    done = score("--concurrency", 1)
    assert done.code == 130
    assert "stopping: waiting for 1 answers under way (again to drop them)" in done.err
    assert sent == [0, 1]  # the first one alone does not end it
    assert len(records(output)) == 1
    table.fail, table.latency = None, 0
    assert score().code == 0


def test_an_interrupt_before_the_first_question(score: Command, table: TableServer, output: Path) -> None:
    def in_the_proof(path: str, number: int, body: dict[str, Any]) -> None:
        if path == "/v1/completions" and number == 2:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.2)

    table.fail = in_the_proof
    done = score()
    assert done.code == 130
    assert "The same command continues where this one stopped" in done.err
    assert nothing_was_asked(table, output)


# Label mass


def leaning(text: str, mass: float) -> TableModel:
    """The model, but for its answers' first token: one with this probability, the rest spread over all others."""
    token = MODEL.tokenize(text)[0]
    rest = (1 - mass) / (len(MODEL.tokens) - 1)
    ends = tuple(MODEL.tokenize("<turn>assistant\n"))
    first = [mass if place == token else rest for place in range(len(MODEL.tokens))]
    return TableModel(MODEL.tokens, MODEL.special, MODEL.seed, MODEL.spread, overrides={ends: first})


def test_low_label_mass_is_told_with_how_many_prompts_have_it(
    score: Command, table: TableServer, study: Path, output: Path
) -> None:
    study.write_text(only("right"))
    table.model = leaning("yes", 0.01)
    done = score()
    assert done.code == 0
    rest = 3 * 0.99 / (len(MODEL.tokens) - 1)  # Yes and No have other first tokens: Y and N, hardly likely to go on
    mass = float(read_rows(output)[0]["label_mass_right"])
    assert 0.01 < mass < 0.01 + rest
    assert "question  prompts  mean label mass" in done.out
    assert re.search(rf"^right +3 +{mass:.3g} +0\.0\d+ +3 +0 *$", done.out, re.MULTILINE), done.out
    assert (
        "  3 prompts with a label mass below 0.5: the model would mostly say something else, and the distribution is "
        "about the rest\n"
    ) in done.out


def test_enough_label_mass_is_no_matter_for_a_warning(score: Command, table: TableServer, study: Path) -> None:
    study.write_text(only("right"))
    table.model = leaning("yes", 0.9)
    done = score()
    assert done.code == 0
    assert re.search(r"^right +3 +0\.9\d* +0\.9\d* +0 +0 *$", done.out, re.MULTILINE), done.out
    assert "below 0.5:" not in done.out


def test_a_large_residual_is_told_too(score: Command, table: TableServer, study: Path) -> None:
    study.write_text(only("say"))
    table.model = leaning("It", 0.2)
    done = score("--residual", 0.5)
    assert "with a residual above 1% of the label mass" in done.out


# Plain OpenAI servers


def test_a_server_of_top_tokens_alone_is_refused_with_the_reason(
    score: Command, table: TableServer, output: Path
) -> None:
    table.dialect = "openai"
    message = one_message(score(), 3)
    assert message.startswith(f"{table.url}: scoring: the first tokens that this server gives leave 0.")
    assert "of the probability undecided, and 1e-06 is allowed" in message
    assert "use vLLM or llama.cpp, or allow more with --residual" in message
    assert not output.exists()
    assert records(output) == []


@pytest.mark.parametrize("residual", [0.9, 1])
def test_with_a_bound_a_server_of_top_tokens_gives_lower_bounds(
    residual: float, score: Command, table: TableServer, study: Path, output: Path
) -> None:
    study.write_text(only("right"))
    table.dialect = "openai"
    tokens = {"yes": 0.4, "no": 0.3, "It": 0.2, "Y": 0.04, "N": 0.02}
    rest = (1 - sum(tokens.values())) / (len(MODEL.tokens) - len(tokens))
    first = [tokens.get(text, rest) for text in MODEL.tokens]
    table.model = TableModel(MODEL.tokens, MODEL.special, overrides={tuple(MODEL.tokenize("<turn>assistant\n")): first})
    done = score("--residual", residual)
    assert done.code == 0
    untold = 1 - (sum(tokens.values()) + 15 * rest)
    for row in read_rows(output):
        assert numbers(row, "prob_right_yes", "prob_right_no") == pytest.approx([0.4 / 0.7, 0.3 / 0.7])
        assert float(row["label_mass_right"]) == pytest.approx(0.7)
        undecided = 0.04 + 0.02 + untold  # Y and N may be the beginning of Yes and No
        assert undecided - 1e-12 <= float(row["residual_right"]) <= undecided + 15 * rest
    assert "with a residual above 1% of the label mass" in done.out


def test_no_bound_is_advised_that_the_server_refuses(score: Command, table: TableServer, study: Path) -> None:
    study.write_text(only("right"))
    table.dialect, table.model = "openai", leaning("yes", 0.5)
    done = score("--residual", 1)
    assert done.code == 0
    assert "with a residual above 1% of the label mass" in done.out
    assert "--residual 0 and another --output leave none" not in done.out


def test_a_server_without_any_log_probabilities_is_refused(score: Command, table: TableServer, output: Path) -> None:
    table.dialect, table.logprobs = "openai", False
    message = one_message(score("--residual", 1), 3)
    assert "logprobs are not supported by this model" in message
    assert not output.exists()


def test_a_start_of_the_answer_cannot_be_put_before_a_server_of_top_tokens(
    score: Command, table: TableServer, output: Path
) -> None:
    """It takes messages alone: scoring without the start would answer another question than the one asked."""
    table.dialect = "openai"
    message = one_message(score("--residual", 1, "--answer-start", "So: "), 3)
    assert "--answer-start" in message
    assert not output.exists()


# Models that reason


def test_a_model_that_reasons_in_a_way_not_known_is_refused_until_the_start_is_said(
    score: Command, table: TableServer, output: Path
) -> None:
    table.answer = "<think>Well.</think>Hello."
    message = one_message(score(), 3)
    assert "the model reasons before it answers, and where its answers start is not known" in message
    assert "--answer-start TEXT ('' for nothing)" in message
    assert nothing_was_asked(table, output)

    assert score("--answer-start", "").code == 0
    for row in read_rows(output):
        expected = shares(truth(PROMPTS["right"](row), FORMS["right"]))
        assert numbers(row, "prob_right_yes", "prob_right_no") == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("dialect", ["vllm", "llamacpp"])
def test_answers_are_scored_behind_their_start(dialect: Any, score: Command, table: TableServer, output: Path) -> None:
    table.answer, table.dialect = "<think>Well.</think>Hello.", dialect
    done = score("--answer-start", "</turn>Well: ", "--residual", 0)
    assert done.code == 0
    assert "answers are scored after '</turn>Well: '" in done.err
    for row in read_rows(output):
        for name, forms in FORMS.items():
            expected = shares(truth(PROMPTS[name](row), forms, "</turn>Well: "))
            assert numbers(row, *(f"prob_{name}_{label}" for label in forms)) == pytest.approx(expected, abs=1e-9)
    assert {record["request"]["answer_start"] for record in records(output)} == {"</turn>Well: "}


def test_a_start_that_was_asked_for_does_not_make_a_reasoning_model(score: Command, table: TableServer) -> None:
    done = score("--answer-start", "So: ")
    assert done.code == 0
    assert "scored after 'So: '" in done.err
    assert "reasons" not in done.err


def test_a_template_that_opens_a_think_block_is_known(score: Command, table: TableServer, output: Path) -> None:
    def opening(messages: Messages, add_generation_prompt: bool) -> str:
        return chat_template(messages, add_generation_prompt) + "<think>\n" * add_generation_prompt

    table.model = model = TableModel(MODEL.tokens, MODEL.special, MODEL.seed, MODEL.spread, template=opening)
    done = score()
    assert done.code == 0
    assert r"answers are scored after '</think>\n\n'" in done.err
    for row in read_rows(output):
        expected = shares(truth(PROMPTS["right"](row), FORMS["right"], "</think>\n\n", model))
        assert numbers(row, "prob_right_yes", "prob_right_no") == pytest.approx(expected, abs=1e-9)


def test_a_template_that_chat_does_not_use_is_told(score: Command, table: TableServer) -> None:
    """Scored prompts are rendered by another address than chat; the two should be of one length."""

    def longer(path: str, _: int, body: dict[str, Any]) -> web.StreamResponse | None:
        if path != "/tokenize" or "messages" not in body:
            return None
        ids = MODEL.tokenize(MODEL.render(body["messages"]))
        return web.json_response({"tokens": [*ids, 0], "count": len(ids) + 1})

    table.fail = longer
    done = score()
    assert re.search(r"the prompt has \d+ tokens as rendered for scoring and \d+ in a chat", done.err), done.err


# Study files, names, help


def test_a_study_without_questions_cannot_be_scored(score: Command, table: TableServer, study: Path) -> None:
    study.write_text("name: a\ntitle: A\ncolumns: {thing: {}}\nprotocols: {single: {turns: {response: What is it}}}\n")
    message = one_message(score(), 2)
    assert message.startswith(f"{study}: has no questions to score")
    assert table.requests == []


def test_a_study_with_questions_alone_can_be_checked_and_not_queried(
    grace: Command, study: Path, things: Path, table: TableServer, tmp_path: Path
) -> None:
    done = grace("data", "check", things, "--study", study)
    assert done.code == 0, done
    assert "distinct stimuli" in done.out
    endpoint = ("--model-endpoint", table.url, "--model-name", "table")
    done = grace("query", study, "--input", things, "--output", tmp_path / "answers.csv", *endpoint)
    assert "things has no protocols, only questions: `grace score` asks those" in one_message(done, 2)


@pytest.mark.parametrize("where", ["prompt: What is", "system: You are"])
def test_a_hidden_column_cannot_be_asked_about(where: str, score: Command, table: TableServer, study: Path) -> None:
    study.write_text(STUDY.replace(where, f"{where} {{{{ key }}}}"))
    message = one_message(score(), 2)
    assert re.search(r"things\.yaml: questions\.(say\.prompt|size\.system): the column 'key' is hidden", message)
    study.write_text(STUDY.replace(where, f"{where} {{{{ row['key'] }}}}"))
    assert "'key'" in one_message(score(), 2)
    assert asked(table) == []


@pytest.mark.parametrize("name", ["scores.csv", "scores.parquet", "SCORES.CSV", "scores v1.2.csv", "new/folder/s.csv"])
def test_tables_are_csv_or_parquet(name: str, score: Command, tmp_path: Path) -> None:
    done = score("--output", tmp_path / name, "--limit", 1)
    assert done.code == 0
    assert (tmp_path / name).stat().st_size
    assert (tmp_path / name).with_suffix(".run").is_dir()


@pytest.mark.parametrize("name", ["scores", "scores.xlsx", "scores.csv.gz", "scores.run", "scores.tsv"])
def test_other_names_are_refused(name: str, score: Command, grace: Command, table: TableServer, tmp_path: Path) -> None:
    message = one_message(score("--output", tmp_path / name), 2)
    assert message.startswith(f"{tmp_path / name}: tables are written as CSV or Parquet")
    assert table.requests == []
    assert score("--limit", 1).code == 0
    run, copy = tmp_path / "scores.run", tmp_path / f"copy of {name}"
    assert "tables are written as CSV or Parquet" in one_message(grace("export", run, "--output", copy), 2)


def test_csv_and_parquet_are_made_from_one_run(score: Command, table: TableServer, output: Path) -> None:
    assert score().code == 0
    table.requests.clear()
    assert score("--output", output.with_suffix(".parquet")).code == 0
    assert asked(table) == []
    assert output.with_suffix(".parquet").exists()


def test_a_table_of_scores_is_no_input(score: Command, output: Path, tmp_path: Path) -> None:
    assert score().code == 0
    message = one_message(score("--input", output, "--output", tmp_path / "twice.csv"), 2)
    assert "already has the column" in message
    assert "is the input itself" in one_message(score("--input", output), 2)


def test_a_table_that_no_run_made_is_not_replaced(score: Command, output: Path) -> None:
    output.write_text("somebody's own")
    assert "already exists" in one_message(score(), 2)
    assert output.read_text() == "somebody's own"


@pytest.mark.parametrize("value", ["-0.1", "1.1", "nan", "much"])
def test_a_residual_is_a_probability(value: str, score: Command, table: TableServer) -> None:
    done = score("--residual", value)
    assert done.code == 2
    assert "residual" in done.err
    assert table.requests == []


def test_the_help_has_examples(grace: Command) -> None:
    done = grace("score", "--help")
    assert done.code == 0
    examples = done.out[done.out.index("Examples:") :]
    assert examples.count("  grace score ") == 3
    for option in ("--policy", "--residual", "--answer-start", "--limit", "--model-revision", "--break-lock"):
        assert option in done.out


def test_a_run_that_is_being_written_is_refused_to_others(score: Command, table: TableServer, output: Path) -> None:
    lock = output.with_suffix(".run") / "lock"
    held: list[bytes] = []
    table.fail = Faults(lambda: held.append(lock.read_bytes()), 1)
    assert score().code == 0
    assert not lock.exists()
    lock.write_bytes(held[0])  # as it was while this process wrote
    assert f"is being written by process {os.getpid()} of this machine" in one_message(score(), 2)


# What else determines an answer


def test_a_server_that_renders_other_prompts_than_before_is_refused(
    score: Command, table: TableServer, output: Path
) -> None:
    """A template may write today's date; then tomorrow's prompts are others, and no model's name tells."""
    assert score("--limit", 2).code == 0
    before = output.read_bytes()
    table.model = printable_model(
        *("é", "’", *SENTENCES, *WORDS),
        seed=5,
        spread=2.0,
        template=lambda messages, start=True: "<s>It is May 2. " + chat_template(messages, start),
    )
    message = one_message(score(), 2)
    assert "rendered: " in message
    assert output.read_bytes() == before


def test_one_refused_prompt_does_not_change_how_others_are_asked(
    score: Command, table: TableServer, study: Path
) -> None:
    """A plain server's 400 about a row is that row's, and says nothing of how many tokens it tells."""
    study.write_text(only("right"))
    table.dialect = "openai"
    table.fail = lambda path, number, body: (
        error(400, "too long") if path == "/v1/chat/completions" and "plum" in str(body["messages"]) else None
    )
    assert score("--residual", 1, "--concurrency", 1).code == 1
    asked_for = {body["top_logprobs"] for body in table.bodies("/v1/chat/completions") if body.get("max_tokens") == 1}
    assert asked_for == {20}
