"""Scoring with real tokenizers and models in the embedded server: SmolLM2, Gemma, and a BPE that merges digits."""

import asyncio
import json
import math
import os
import urllib.request
from collections.abc import Callable, Coroutine, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import pytest

from conftest import ROOT, Command, read_rows
from grace.endpoints.client import Client
from grace.endpoints.dialects import LlamaCpp
from grace.endpoints.embedded import EmbeddedServer
from grace.endpoints.scoring import Scored, Scorer
from grace.endpoints.transport import AiohttpTransport
from grace.errors import StudyError
from grace.ledger import scan
from grace.models.serving import ServingOptions
from limits import HANG
from tiny_gguf import CHATML, HARMONY, THINKING, write_tiny_gguf

T = TypeVar("T")
GEMMA = Path(os.environ.get("GRACE_GEMMA", ROOT / ".venv-gemma" / "gemma-3-270m-q4_k_m.gguf"))
GEMMA_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}{{ '<start_of_turn>' + message['role'] + '\n' + message['content'] }}"
    "{{ '<end_of_turn>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"
)
PERCENT = {str(number): (f"{number}%",) for number in range(0, 101, 10)}
SAID = [{"role": "user", "content": "Is it bad?"}]


@pytest.fixture
def tiny(tmp_path: Path) -> Callable[..., EmbeddedServer]:
    """A server of the tiny model; its options are those of `write_tiny_gguf`."""

    def serve(**options: Any) -> EmbeddedServer:
        path = tmp_path / "tiny.gguf"
        write_tiny_gguf(path, **options)
        return EmbeddedServer(path, ServingOptions("tiny", context=512, parallel=1))

    return serve


@pytest.fixture
def gemma(monkeypatch: pytest.MonkeyPatch) -> Iterator[EmbeddedServer]:
    """Gemma 3 with the template of its chat models, which this base model lacks."""
    if not GEMMA.exists():
        pytest.skip(f"no Gemma at {GEMMA}; scripts/fetch_gemma.sh brings it")
    from grace.endpoints import embedded

    settings = embedded.llamacpp_settings
    monkeypatch.setattr(embedded, "llamacpp_settings", lambda *a: {**settings(*a), "chat_template": GEMMA_TEMPLATE})
    with EmbeddedServer(GEMMA, ServingOptions("gemma", context=512, parallel=1)) as server:
        yield server


def with_scorer(
    server: EmbeddedServer, name: str, work: Callable[[Scorer], Coroutine[Any, Any, T]], start: str | None = ""
) -> T:
    """Do something with a scorer that asks for everything."""

    async def scenario() -> T:
        transport = AiohttpTransport(server.url)
        try:
            client = Client(transport, server.url, api_key=server.api_key)
            return await work(Scorer(client, LlamaCpp(), name, residual=0.0, slots=1, start=start))
        finally:
            await transport.close()

    return asyncio.run(scenario())


def score(server: EmbeddedServer, name: str, forms: Mapping[str, tuple[str, ...]], start: str | None = "") -> Scored:
    return with_scorer(server, name, lambda scorer: scorer.score("q", SAID, forms), start)


def spellings(server: EmbeddedServer, name: str, *forms: str) -> list[list[int]]:
    found = with_scorer(server, name, lambda scorer: scorer.spellings("q", SAID, {form: (form,) for form in forms}))
    return [found[form] for form in forms]


def ask(server: EmbeddedServer, path: str, body: object) -> Any:
    head = {"Content-Type": "application/json", "Authorization": f"Bearer {server.api_key}"}
    with urllib.request.urlopen(
        urllib.request.Request(server.url + path, json.dumps(body).encode(), head), timeout=HANG
    ) as reply:
        return json.load(reply)


def by_whole_distributions(server: EmbeddedServer, prompt: str, form: list[int]) -> float:
    """P(form | prompt), each factor read from the distribution over the whole vocabulary."""
    tokens = ask(server, "/tokenize", {"content": prompt, "add_special": True, "parse_special": True})["tokens"]
    probability = 1.0
    for token in form:
        body = {"prompt": tokens, "n_predict": 1, "n_probs": 10**6, "temperature": 0, "cache_prompt": False}
        top = ask(server, "/completion", body)["completion_probabilities"][0]["top_logprobs"]
        probability *= math.exp(next(entry["logprob"] for entry in top if entry["id"] == token))
        tokens = [*tokens, token]
    return probability


def prompt_of(server: EmbeddedServer) -> str:
    return str(ask(server, "/apply-template", {"messages": SAID})["prompt"])


# A tokenizer that merges digits


def test_a_tokenizer_that_merges_digits(tiny: Callable[..., EmbeddedServer]) -> None:
    with tiny() as server:
        ten, hundred, zero = spellings(server, "tiny", "10%", "100%", "0%")
        assert [len(ten), len(hundred), len(zero)] == [2, 2, 2]
        assert ten[0] != hundred[0]  # "10" and "100" are two tokens, neither a beginning of the other
        scored = score(server, "tiny", PERCENT)
        assert scored.residual == 0
        for label, form in (("0", zero), ("10", ten), ("100", hundred)):
            expected = by_whole_distributions(server, prompt_of(server), form)
            assert scored.labels[label] == pytest.approx(expected, rel=2e-3, abs=1e-9)


def test_the_same_model_digit_by_digit(tiny: Callable[..., EmbeddedServer]) -> None:
    with tiny(digits="single") as server:
        ten, hundred = spellings(server, "tiny", "10%", "100%")
        assert [len(ten), len(hundred)] == [3, 4]
        assert ten[:2] == hundred[:2]
        scored = score(server, "tiny", PERCENT)
        for label, form in (("10", ten), ("100", hundred)):
            expected = by_whole_distributions(server, prompt_of(server), form)
            assert scored.labels[label] == pytest.approx(expected, rel=2e-3, abs=1e-9)


def test_a_token_that_is_a_piece_of_a_character_hides_nothing(tiny: Callable[..., EmbeddedServer]) -> None:
    """llama.cpp tells nothing when the token that it drew is no text by itself; then it is made to draw another."""
    with tiny(torn=True) as server:
        scored = score(server, "tiny", {"yes": ("yes", "Yes"), "no": ("no", "No")})
        [yes] = spellings(server, "tiny", "yes")
        assert 0 < scored.labels["yes"] < 1
        assert len(yes) == 1


# Models that reason first


def test_harmony_is_scored_in_the_final_channel(tiny: Callable[..., EmbeddedServer]) -> None:
    async def settled(scorer: Scorer) -> tuple[str | None, Scored]:
        assert await scorer.settle_start(SAID, ["gpt-oss"], reasons=True)
        return scorer.start, await scorer.score("q", SAID, {"yes": ("yes",), "no": ("no",)})

    with tiny(template=HARMONY) as server:
        start, scored = with_scorer(server, "tiny", settled, None)
        assert start == "<|channel|>final<|message|>"
        [yes] = spellings(server, "tiny", "yes")
        assert prompt_of(server).endswith("<|start|>assistant")
        expected = by_whole_distributions(server, prompt_of(server) + start, yes)
        assert scored.labels["yes"] == pytest.approx(expected, rel=2e-3, abs=1e-9)
        behind_the_prompt = by_whole_distributions(server, prompt_of(server), yes)
        assert abs(math.log(behind_the_prompt / expected)) > 1  # the first token behind the prompt is another question


def test_a_think_block_that_the_template_opened_is_closed_first(tiny: Callable[..., EmbeddedServer]) -> None:
    """This tokenizer joins line breaks with what follows, so nothing can be spelled behind a block and two of them."""

    async def settled(scorer: Scorer) -> str | None:
        assert await scorer.settle_start(SAID, ["tiny"], reasons=True)
        with pytest.raises(StudyError, match="has no spelling of its own"):
            await scorer.score("q", SAID, {"yes": ("yes",), "no": ("no",)})
        scorer.start = "</think>"
        assert (await scorer.score("r", SAID, {"yes": ("yes",), "no": ("no",)})).labels["yes"] > 0
        return "</think>\n\n"

    with tiny(template=THINKING) as server:
        assert with_scorer(server, "tiny", settled, None) == "</think>\n\n"


def test_an_ordinary_template_has_nothing_before_the_answer(tiny: Callable[..., EmbeddedServer]) -> None:
    async def settled(scorer: Scorer) -> tuple[bool, bool]:
        unknown = await scorer.settle_start(SAID, ["tiny"], reasons=True)
        return unknown, await scorer.settle_start(SAID, ["tiny"], reasons=False)

    with tiny(template=CHATML) as server:
        assert with_scorer(server, "tiny", settled, None) == (False, True)


# Gemma


def test_gemma_spells_digits_one_by_one_and_takes_spaces(gemma: EmbeddedServer) -> None:
    assert prompt_of(gemma).endswith("<start_of_turn>model\n")
    ten, hundred, yes, spaced = spellings(gemma, "gemma", "10%", "100%", "yes", " yes")
    assert [len(ten), len(hundred), len(yes), len(spaced)] == [3, 4, 1, 1]
    assert yes != spaced


def test_gemma_is_scored_as_its_whole_distributions_say(gemma: EmbeddedServer) -> None:
    scored = score(gemma, "gemma", {"yes": ("yes", "Yes", " yes"), "no": ("no", "No", " no")})
    assert 0 < sum(scored.labels.values()) <= 1
    for form in ("yes", " no"):
        [tokens] = spellings(gemma, "gemma", form)
        expected = by_whole_distributions(gemma, prompt_of(gemma), tokens)
        assert scored.forms[form] == pytest.approx(expected, rel=1e-3, abs=1e-9)


def test_what_joins_with_gemmas_prompt_is_refused(gemma: EmbeddedServer) -> None:
    with pytest.raises(StudyError, match=r"'\\nyes' has no spelling of its own"):
        spellings(gemma, "gemma", "\nyes")


# SmolLM2, by the command


@pytest.fixture(scope="module")
def twice(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two rows scored at once, and the same in two sessions."""
    from grace.cli import main

    folder = tmp_path_factory.mktemp("scores")
    common = ["score", "study1", "--input", str(ROOT / "data" / "test_sample_study1.csv")]
    for output, limit in (("once.csv", "2"), ("parts.csv", "1"), ("parts.csv", "2")):
        with pytest.raises(SystemExit) as ended:
            main([*common, "--output", str(folder / output), "--limit", limit])
        assert not ended.value.code
    return folder / "once.csv", folder / "parts.csv"


def test_every_distribution_of_the_real_model_sums_to_one(twice: tuple[Path, Path]) -> None:
    for row in read_rows(twice[0]):
        for k in range(4):
            shares = [float(row[f"state{k}_prob_{number}"]) for number in range(0, 101, 10)]
            assert sum(shares) == pytest.approx(1, abs=1e-9)
            mean = sum(share * number for share, number in zip(shares, range(0, 101, 10), strict=True))
            assert float(row[f"state{k}_mean"]) == pytest.approx(mean)
        assert float(row["prob_knowledge_yes"]) + float(row["prob_knowledge_no"]) == pytest.approx(1, abs=1e-9)
        assert sum(float(row[f"prob_state_{k}"]) for k in range(4)) == pytest.approx(1, abs=1e-9)
        assert 0 < float(row["label_mass_knowledge"]) < 1
        assert row["error"] == ""


def test_its_numbers_are_the_same_to_the_last_bit_whatever_was_asked_before(twice: tuple[Path, Path]) -> None:
    once, parts = twice
    assert once.read_bytes() == parts.read_bytes()
    keys = [record["key"] for _, record in scan(parts.with_suffix(".run") / "ledger.jsonl")]
    assert len(keys) == len(set(keys)) == 12


def test_a_form_that_joins_with_the_prompt_is_refused_before_anything_is_asked(grace: Command, tmp_path: Path) -> None:
    study = tmp_path / "spaced.yaml"
    study.write_text(
        "name: spaced\ntitle: Spaced\ncolumns: {thing: {}}\n"
        "questions:\n  share:\n    prompt: How much of {{ thing }}?\n"
        "    answers: {labels: {10: 10%, 20: 20%}, variants: [space]}\n"
    )
    (tmp_path / "things.csv").write_text("thing\ncake\n")
    done = grace("score", study, "--input", tmp_path / "things.csv", "--output", tmp_path / "scores.csv")
    assert done.code == 2
    assert "' 10%' has no spelling of its own" in done.err
    assert not (tmp_path / "scores.run" / "ledger.jsonl").exists()
