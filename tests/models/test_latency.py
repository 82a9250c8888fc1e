"""The model of vLLM's latency against what others published and what was measured on a CPU, with its error."""

from dataclasses import dataclass
from itertools import pairwise
from math import exp, fsum, log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grace.models.catalogue import hub_models
from grace.models.latency import FACTOR, Steps, scored
from grace.models.plan import plan_model
from grace.models.speed import gpu_speed

LLAMA_8B, MISTRAL_7B, QWEN_05B = (8.03e9, 131_072), (7.25e9, 131_072), (0.494e9, 12_288)
"""Parameters, of two bytes each, and bytes of a token's KV cache."""
A100, H100, L4, RTX_4090 = (1555e9, 312e12), (3350e9, 989e12), (300e9, 121e12), (1008e9, 165e12)
"""Bytes and operations a second (16 bits, dense) of data sheets; of the A100 with 40 GB, and the H100 SXM."""


def steps(model: tuple[float, float], gpu: tuple[float, float]) -> Steps:
    return Steps(model[0], 2 * model[0], model[1], *gpu)


@dataclass(frozen=True)
class Published:
    """A figure: seconds of a token, or where `rate` is given, tokens of answers a second of all requests.

    The tokens of prompt and answer are those of one request.
    """

    source: str
    model: tuple[float, float]
    gpu: tuple[float, float]
    together: int
    prompt: int
    answer: int
    seconds: float = 0.0
    rate: float = 0.0

    @property
    def name(self) -> str:
        return f"{self.source.split('/')[2]}-{self.together}-{'rate' if self.rate else 'step'}"

    @property
    def modelled(self) -> float:
        """The model's figure over the published one; above 1 the model is too slow."""
        own = steps(self.model, self.gpu)
        step = own.seconds(self.together, self.prompt + self.answer / 2)
        if self.seconds:
            return step / self.seconds
        batch = self.together * self.prompt / own.reading + self.answer * step
        return self.rate * batch / (self.together * self.answer)


# vLLM 0.23, Llama 3.1 8B in bf16, "about 75 tokens/sec" of one request
MUSGRAVE = "https://johnmusgrave.com/p/vllm-throughput-latency-sweep-on"
# vLLM 0.21, Llama 3.1 8B in fp16, short chats of unknown length: 200 and 100 tokens are assumed
INFERENCE_BENCH = "https://yobitelcomm.github.io/bench/recipes/concurrency-sweep/"
# vLLM of 2025-03, Llama 3.1 8B, 1,000 conversations of ShareGPT at once, with 256 of them under way
PULL_13305 = "https://github.com/vllm-project/vllm/pull/13305"
# vLLM 0.23, Qwen2.5 0.5B in bf16
WMX = "https://ai.wmx.dev/benchmarks"
# Mistral 7B; answers end by themselves, after about 100 tokens
RAHMAN = "https://mushfiqrahman.dev/?p=1668"

PUBLISHED = [
    Published(MUSGRAVE, LLAMA_8B, A100, 1, 1024, 128, seconds=1 / 75),
    *(
        Published(INFERENCE_BENCH, LLAMA_8B, H100, together, 200, 100, seconds=milliseconds / 1000)
        for together, milliseconds in ((1, 6.48), (4, 6.59), (16, 10.94))
    ),
    Published(PULL_13305, LLAMA_8B, H100, 256, 215, 198, rate=8516.11),
    *(
        Published(WMX, QWEN_05B, L4, together, 256, 128, seconds=milliseconds / 1000)
        for together, milliseconds in ((1, 5.1), (2, 5.2), (4, 5.3), (8, 5.5), (16, 6.0), (32, 7.1))
    ),
    *(
        Published(WMX, QWEN_05B, L4, together, 256, 128, rate=rate)
        for together, rate in ((1, 168), (2, 367), (4, 698), (8, 1312), (16, 2277), (32, 3773))
    ),
    *(
        Published(RAHMAN, MISTRAL_7B, RTX_4090, together, 256, 100, rate=rate)
        for together, rate in ((4, 210), (8, 377), (16, 644), (32, 975))
    ),
]


@pytest.mark.parametrize("figure", PUBLISHED, ids=lambda figure: figure.name)
def test_no_published_figure_is_farther_off_than_half_as_much_again(figure: Published) -> None:
    assert 1 / 1.5 < figure.modelled < 1.5


def test_the_model_is_neither_too_fast_nor_too_slow_in_the_mean() -> None:
    """The geometric mean of all errors, and their typical size, which the documents tell."""
    errors = [log(figure.modelled) for figure in PUBLISHED]
    assert exp(fsum(errors) / len(errors)) == pytest.approx(1, abs=0.05)
    assert exp((fsum(error**2 for error in errors) / len(errors)) ** 0.5) < 1.2
    assert max(map(abs, errors)) < log(FACTOR)


def test_scoring_on_a_cpu_is_as_fast_as_its_tokens_say() -> None:
    """benchmarks/RESULTS.md, scoring: 190 to 213 tokens, 21 places, blocks of 32; 0.55 prompts/s as 11 whole ones."""
    whole = 11 * (202 + 2)
    modelled = 0.55 * whole / scored(202, 21, block=32)
    assert modelled == pytest.approx(3.16, rel=0.3)


def test_a_place_costs_the_block_that_is_not_full() -> None:
    assert scored(200, 1) == 200
    assert scored(200, 21) == 200 + 20 * 9
    assert scored(200, 21, block=1) == 230


@given(st.floats(1, 512), st.floats(0, 4000))
def test_more_requests_at_once_are_never_slower_together(most: float, context: float) -> None:
    own = steps(LLAMA_8B, H100)
    rates = [own.writing(number, context) for number in (1, 2, 4, 8, 16, 32, 64, 128, 256)]
    assert all(before <= after * (1 + 1e-9) for before, after in pairwise(rates))
    enough = own.together(most, context)
    assert 1 <= enough <= most
    assert own.writing(enough, context) >= 0.9 * max(own.writing(number, context) for number in (1, enough))


def test_a_guess_says_that_it_is_a_model_and_how_many_requests_are_enough() -> None:
    guess = gpu_speed(plan_model(hub_models()["llama-3-8b-instruct"], profile="a100"))
    assert guess
    assert guess.source.startswith("a model of vLLM's steps, ")
    assert guess.source.endswith(" requests at once")
    assert guess.again == pytest.approx(9)
