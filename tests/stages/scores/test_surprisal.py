"""`grace score` without a chat: raw prompts, and the surprisal of texts and regions by word."""

import asyncio
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from conftest import Command, read_rows
from grace.endpoints.dialects import TokenDialect
from grace.endpoints.dialects.tokens import Ask, Read
from grace.endpoints.surprisal import joined, measure
from grace.errors import StudyError
from grace.ledger import scan
from grace.runs import Run
from grace.studies.study import parse_study
from table_model import TableModel, TableServer, brute_force
from things import MODEL
from tiny_gguf import write_tiny_gguf

pytestmark = pytest.mark.usefixtures("impatient")

HEAD = "name: raw\ntitle: Raw texts\ncolumns: [noun, good, bad]\nquestions:\n"
QUESTIONS = """\
  pair:
    chat: false
    texts: {good: "{{ good }}", bad: "{{ bad }}"}
  sentence:
    chat: false
    prompt: "no:"
    regions: {subject: "It is {{ noun }}", verb: was terrible, end: .}
  next:
    chat: false
    prompt: It {{ noun }}
    answers: {labels: {good: " good", bad: " bad"}}
"""
TRIALS = "noun,good,bad\none,It is good,It is bad yes\ntwo,two isn't amazing.,no\none,It is good,It is bad yes\n"
WITH_START = replace(MODEL, bos=0)
"""The same model, whose tokenizer puts a token in front of every text."""


def bits_of(model: TableModel, text: str) -> list[tuple[int, float | None]]:
    """For each token of a text where it ends, and its surprisal; None where nothing precedes it."""
    ids = model.tokenize(text, add_special=True)
    front = 0 if model.bos is None else len(model.tokens[model.bos])
    ends = [len("".join(model.tokens[token] for token in ids[: count + 1])) - front for count in range(len(ids))]
    return [
        (end, -math.log2(model.probabilities(ids[:place])[ids[place]]) if place else None)
        for place, end in enumerate(ends)
    ]


def words_of(model: TableModel, text: str, start: int = 0, end: int | None = None) -> list[float | None]:
    """The surprisal of each word of a part of a text, by hand: of all tokens since the end of the word before."""
    end = len(text) if end is None else end
    ends = [
        place
        for place in range(start + 1, end + 1)
        if place == end or (text[place].isspace() and text[place - 1] != " ")
    ]
    tokens, found, begun = bits_of(model, text), [], start
    for place in ends:
        own = [bits for at, bits in tokens if begun < at <= place]
        found.append(None if None in own else math.fsum(bits for bits in own if bits is not None))
        begun = place
    return found


def cell(words: Sequence[float | None]) -> list[float | None]:
    return [None if own is None else pytest.approx(own, abs=1e-9) for own in words]


def read(text: str) -> list[float | None]:
    return [None if own == "NA" else float(own) for own in text.split(" ")]


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path, Path]:
    """A study, its trials, and the output."""
    study, trials = tmp_path / "raw.yaml", tmp_path / "trials.csv"
    study.write_text(HEAD + QUESTIONS, encoding="utf-8")
    trials.write_text(TRIALS, encoding="utf-8")
    return study, trials, tmp_path / "scores.csv"


@pytest.fixture(params=["vllm", "llamacpp"])
def dialect(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture(params=[MODEL, WITH_START], ids=["nothing in front", "a token in front"])
def table(request: pytest.FixtureRequest, dialect: Any) -> Iterator[TableServer]:
    with TableServer(request.param) as server:
        server.dialect = dialect
        yield server


def score(grace: Command, table: TableServer, files: tuple[Path, Path, Path], *more: object) -> Any:
    study, trials, output = files
    where = ("--model-endpoint", table.url, "--model-name", "table")
    return grace("score", study, "--input", trials, "--output", output, *where, "--residual", 0, *more)


def test_every_word_has_the_true_surprisal(grace: Command, table: TableServer, files: tuple[Path, Path, Path]) -> None:
    done = score(grace, table, files)
    assert done.code == 0, done
    model = table.model
    for row in read_rows(files[2]):
        for label in ("good", "bad"):
            words = words_of(model, row[label])
            assert read(row[f"surprisal_words_pair_{label}"]) == cell(words)
            assert len(words) == len(row[label].split())
            known = [
                bits for _, bits in bits_of(model, row[label])[0 if model.bos is None else 1 :] if bits is not None
            ]
            bits = row[f"surprisal_pair_{label}"]
            assert (float(bits) == pytest.approx(math.fsum(known), abs=1e-9)) if known else bits == ""
            assert float(row[f"tokens_pair_{label}"]) == len(known)
        text, start = "no:", 3
        for label, own in (("subject", f" It is {row['noun']}"), ("verb", " was terrible"), ("end", ".")):
            whole = f"no: It is {row['noun']} was terrible."
            assert read(row[f"surprisal_words_sentence_{label}"]) == cell(
                words_of(model, whole, start, start + len(own))
            )
            text, start = text + own, start + len(own)
        prompt = model.tokenize(f"It {row['noun']}", add_special=True)
        masses = brute_force(model, prompt, {label: [model.tokenize(f" {label}")] for label in ("good", "bad")})
        assert float(row["label_mass_next"]) == pytest.approx(math.fsum(masses.values()), rel=1e-9)
    records = [record for _, record in scan(files[2].with_suffix(".run") / "ledger.jsonl")]
    assert sum(record["question"] == "pair" for record in records) == 2  # equal rows are asked about once


def test_nothing_is_asked_through_a_chat_and_a_second_start_asks_nothing(
    grace: Command, table: TableServer, files: tuple[Path, Path, Path]
) -> None:
    assert score(grace, table, files).code == 0
    assert "/v1/chat/completions" not in {path for path, _ in table.requests}
    ledger = files[2].with_suffix(".run") / "ledger.jsonl"
    before = ledger.read_bytes()
    table_before = files[2].read_bytes()
    assert score(grace, table, files).code == 0
    assert (ledger.read_bytes(), files[2].read_bytes()) == (before, table_before)
    merged = files[2].parent / "merged"
    assert grace("merge", files[2].with_suffix(".run"), "--out", merged).code == 0
    assert "surprisal of each word" in (merged / "codebook.md").read_text()
    assert grace("validate", files[2].with_suffix(".run")).code in (0, 1)


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("texts: {a: x}", "questions.q: texts are measured without a chat: write `chat: false`, and no system"),
        ("chat: false, texts: {a: x}, regions: {b: y}", "questions.q: has texts, or regions of one text, not both"),
        ("chat: false, texts: {a: x}, system: y", "texts are measured without a chat"),
        (
            "chat: false, prompt: x, answers: [a, b], system: y",
            "questions.q: without a chat there is no system message",
        ),
        ("chat: false, texts: {a: '{{ nuon }}'}", "questions.q.texts.a: no column 'nuon' (did you mean 'noun'?)"),
        ("chat: false, texts: {a: x}, columns: {surprisal: noun}", "questions.q: its column 'noun' is there already"),
        ("chat: false, answers: [a, b]", "questions.q.prompt: is missing"),
    ],
)
def test_what_cannot_be_is_refused(question: str, said: str) -> None:
    with pytest.raises(StudyError) as caught:
        parse_study(f"{HEAD}  q: {{{question}}}\n".encode(), "raw.yaml")
    assert said in str(caught.value)


def test_a_real_model_measures_what_it_scores(grace: Command, tmp_path: Path) -> None:
    """A text of one more word costs what that word has as an answer, and the better sentence is the likelier one."""
    study, trials, output = tmp_path / "raw.yaml", tmp_path / "trials.csv", tmp_path / "scores.csv"
    study.write_text(
        HEAD + '  pair: {chat: false, prompt: The keys to the cabinet, texts: {good: "{{ good }}", bad: "{{ bad }}"}}\n'
        "  word: {chat: false, prompt: The keys to the cabinet,"
        ' answers: {labels: {good: " {{ good }}", bad: " {{ bad }}"}}}\n'
    )
    trials.write_text("noun,good,bad\nkeys,are,is\n")
    done = grace("score", study, "--input", trials, "--output", output, "--residual", 0)
    assert done.code == 0, done
    [row] = read_rows(output)
    masses = [float(row[f"prob_word_{label}"]) * float(row["label_mass_word"]) for label in ("good", "bad")]
    assert [float(row[f"surprisal_pair_{label}"]) for label in ("good", "bad")] == [
        pytest.approx(-math.log2(mass), abs=1e-3) for mass in masses
    ]
    assert masses[0] > masses[1]


class Bytes(TokenDialect):
    """A model of which each byte is a token of one bit, with a token in front where `front` says so."""

    name = "bytes"
    reads_many = False

    def __init__(self, front: bool) -> None:
        self.front = [256] * front

    async def render(self, post: Any, model: str, messages: Any) -> list[int]:
        raise AssertionError

    async def encode(self, post: Any, model: str, text: str) -> list[int]:
        return [*self.front, *text.encode()]

    async def tokenize(self, post: Any, model: str, text: str) -> list[int]:
        return [*text.encode()]

    async def detokenize(self, post: Any, model: str, tokens: Sequence[int]) -> str:
        text = bytes(token for token in tokens if token < 256).decode(errors="replace")
        return ("<s>" if 256 in tokens else "") + text

    async def read(self, post: Any, model: str, prompt: Any, asks: Sequence[Ask], lane: Any) -> list[Read]:
        assert all(ask.exact for ask in asks)
        return [Read(dict.fromkeys(ask.tokens, 0.5)) for ask in asks]


@pytest.mark.parametrize("front", [False, True])
@pytest.mark.parametrize(
    ("before", "text"),
    [("", "日本語 🐙 a"), ("", "naïve é"), ("I like", "🐙 日"), ("日", "本 x"), ("", "a 🐙"), ("🐙 ", "🐙🐙")],
)
def test_characters_of_several_tokens_are_measured_whole(before: str, text: str, front: bool) -> None:
    found = asyncio.run(measure(Bytes(front), None, "m", before, {"it": text}, None))["it"]  # type: ignore[arg-type]
    piece = joined(before, text)
    words = [float(len(word.encode())) for word in re.findall(r"\s*\S+", piece)]
    if before or front:
        assert found.words == tuple(words)
        assert found.tokens == len(piece.encode()) == found.bits
    else:
        assert found.words == (None, *words[1:])
        assert found.tokens == len(text.encode()) - 1


def test_a_server_of_grace_measures_texts_with_prompts_in_32_bits_and_the_run_says_so(
    grace: Command, tmp_path: Path
) -> None:
    write_tiny_gguf(tmp_path / "tiny.gguf")
    study, trials, output = tmp_path / "raw.yaml", tmp_path / "trials.csv", tmp_path / "scores.csv"
    study.write_text(HEAD + QUESTIONS.partition("  next:")[0])
    trials.write_text(TRIALS)
    command = ("score", study, "--input", trials, "--output", output, "--model-name", tmp_path / "tiny.gguf")
    assert grace(*command).code == 0
    identity = Run(output.with_suffix(".run")).identity
    assert (identity.model["cache"], identity.scoring["measuring"]) == ("F32", "drawn")
    study.write_text(HEAD + "  next:" + QUESTIONS.partition("  next:")[2])
    output = tmp_path / "other.csv"
    assert grace(*command[:4], "--output", output, *command[6:]).code == 0
    identity = Run(output.with_suffix(".run")).identity
    assert not {"cache"} & identity.model.keys()
    assert "measuring" not in identity.scoring


def test_a_server_that_shapes_what_it_draws_from_is_refused(grace: Command, files: tuple[Path, Path, Path]) -> None:
    def shaped(path: str, number: int, body: dict[str, Any]) -> Any:
        if not body.get("post_sampling_probs"):
            return None
        entry = {"id": 1, "token": "x", "bytes": [], "prob": 1.0}
        return web.json_response({"completion_probabilities": [{**entry, "top_probs": [entry]}]})

    with TableServer(MODEL) as server:
        server.dialect = "llamacpp"
        server.fail = shaped
        done = score(grace, server, files)
    assert done.code == 3
    assert "probabilities before and after drawing differ" in done.err
